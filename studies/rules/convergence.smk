"""Recognition of metamers against their match."""


rule benchmark_convergence_metamers:
    input:
        required("convergence"),
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
        null="results/<run>/nulls/{generation_model}.nc",
    output:
        "results/<run>/benchmark/convergence/{procedure}/{generation_model}/{stage}.nc",
    params:
        **model_params("generation_model"),
        **answer_params("generation_model"),
        stage=stage_of,
        number=stimuli_of_procedure,
        settings=settings_of_procedure,
        closest=closest_error,
        errors=by("generation_model", errors_of_matches),
        run_seed=plan.seed,
        progress=f"{PROGRESS}/benchmark_convergence_metamers/{{procedure}}/{{generation_model}}/{{stage}}",
    # One thread, as for synthesis.
    threads: 1
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Synthesizing at several matches ({wildcards.procedure}): {wildcards.generation_model}, {wildcards.stage}"
    script:
        STUDY_SCRIPTS / "benchmark/convergence_metamers.py"


rule benchmark_convergence_recognition:
    input:
        metamers=rules.benchmark_convergence_metamers.output,
        weights=by("generation_model", files_of_models, plan.other_recognition_models),
        categories=by("generation_model", categories_of),
    output:
        "results/<run>/benchmark/convergence_recognition/{procedure}/{generation_model}/{stage}.nc",
    params:
        **answer_params("generation_model"),
        recognition_models=by("generation_model", recognition_params, plan.other_recognition_models),
        stage=stage_of,
        modality=by("generation_model", modality_of),
        rate_hz=by("generation_model", rate_of),
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Recognizing metamers at several matches ({wildcards.procedure}): {wildcards.generation_model}, {wildcards.stage}"
    script:
        STUDY_SCRIPTS / "benchmark/convergence_recognition.py"


rule benchmark_convergence_table:
    input:
        required("convergence"),
        metamers=convergence_files("convergence"),
        recognized=convergence_files("convergence_recognition"),
        nulls=[f"results/<run>/nulls/{model}.nc" for model in studies.settings.convergence.closest],
    output:
        "results/<run>/benchmark/convergence.csv",
    params:
        stages=compared_stages,
        modalities=compared_modalities,
        measures=plan.acceptance.measures,
        margin=studies.settings.convergence.margin,
    message:
        "Testing from which match on recognition does not change"
    script:
        STUDY_SCRIPTS / "benchmark/convergence_table.py"


rule benchmark_convergence_figure:
    input:
        rules.benchmark_convergence_table.output,
    output:
        "results/<run>/benchmark/convergence.svg",
    message:
        "Drawing recognition against the match"
    script:
        STUDY_SCRIPTS / "benchmark/convergence_figure.py"
