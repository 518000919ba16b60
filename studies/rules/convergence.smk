"""Recognition of metamers against their match."""


def closest_error(wildcards):
    """Parameter: normalized error of the closest match of the stage of a wildcard."""
    return studies.settings.convergence.closest[wildcards.generation_model][stage_of(wildcards)]


def settings_of_procedure(wildcards):
    """Parameter: settings of the quality that uses the procedure of a wildcard."""
    quality = "published" if wildcards.procedure == "published" else "converged"
    return plan.synthesis_of(wildcards.generation_model, quality)


def stimuli_of_procedure(wildcards):
    """Parameter: number of stimuli that are synthesized by the procedure of a wildcard."""
    if wildcards.procedure == "published":
        return studies.settings.convergence.published_stimuli
    return len(plan.stimuli_of(wildcards.generation_model))


rule benchmark_convergence_metamers:
    input:
        required("convergence"),
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
        null="results/<run>/nulls/{generation_model}.nc",
    output:
        "results/<run>/benchmark/convergence/{procedure}/{generation_model}/{stage}.nc",
    log:
        "results/<run>/logs/benchmark_convergence_metamers/{procedure}/{generation_model}/{stage}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_convergence_metamers/{procedure}/{generation_model}/{stage}.tsv"
    params:
        **study_step("benchmark/convergence_metamers"),
        **model_params("generation_model"),
        **answer_params("generation_model"),
        stage=stage_of,
        number=stimuli_of_procedure,
        settings=settings_of_procedure,
        closest=closest_error,
        errors=lambda wildcards: getattr(studies.settings.convergence.errors, modality_of(wildcards.generation_model)),
        run_seed=plan.settings.seed,
    # One thread, as for synthesis.
    threads: 1
    resources:
        mem_mb=scaled_by_attempt(4000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
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
    log:
        "results/<run>/logs/benchmark_convergence_recognition/{procedure}/{generation_model}/{stage}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_convergence_recognition/{procedure}/{generation_model}/{stage}.tsv"
    params:
        **study_step("benchmark/convergence_recognition"),
        **answer_params("generation_model"),
        recognition_models=by("generation_model", recognition_params, plan.other_recognition_models),
        stage=stage_of,
        modality=by("generation_model", modality_of),
    resources:
        mem_mb=scaled_by_attempt(4000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Recognizing metamers at several matches ({wildcards.procedure}): {wildcards.generation_model}, {wildcards.stage}"
    script:
        STUDY_SCRIPTS / "benchmark/convergence_recognition.py"


def convergence_files(kind):
    """Files of one kind, one for each comparison of recognition with the closest match."""
    return [
        f"results/<run>/benchmark/{kind}/{procedure}/{model}/{stage_path(stage)}.nc"
        for procedure, model, stage in studies.convergence_places
    ]


rule benchmark_convergence_table:
    input:
        required("convergence"),
        metamers=convergence_files("convergence"),
        recognized=convergence_files("convergence_recognition"),
        nulls=[f"results/<run>/nulls/{model}.nc" for model in studies.settings.convergence.closest],
    output:
        "results/<run>/benchmark/convergence.csv",
    log:
        "results/<run>/logs/benchmark_convergence_table.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_convergence_table.tsv"
    params:
        **study_step("benchmark/convergence_table"),
        stages=[(model, stage) for _, model, stage in studies.convergence_places],
        modalities=lambda _: {model: modality_of(model) for model in studies.settings.convergence.closest},
        measures=plan.settings.acceptance.measures,
        margin=studies.settings.convergence.margin,
    conda:
        ENVIRONMENT
    message:
        "Testing from which match on recognition does not change"
    script:
        STUDY_SCRIPTS / "benchmark/convergence_table.py"


rule benchmark_convergence_figure:
    input:
        rules.benchmark_convergence_table.output,
    output:
        "results/<run>/benchmark/convergence.svg",
    log:
        "results/<run>/logs/benchmark_convergence_figure.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_convergence_figure.tsv"
    params:
        **study_step("benchmark/convergence_figure"),
    conda:
        ENVIRONMENT
    message:
        "Drawing recognition against the match"
    script:
        STUDY_SCRIPTS / "benchmark/convergence_figure.py"
