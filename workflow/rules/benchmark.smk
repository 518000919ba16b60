"""Benchmark: speed against the published procedure, plenoptic and plain implementations."""


include: "common/benchmark.smk"


BENCHMARKED = plan.benchmark_stages


rule benchmark_cochleagram:
    output:
        "results/<run>/benchmark/cochleagram.nc",
    params:
        repeats=10,
    # All cores, so that no other job runs during the measurement, which uses one core.
    threads: all_cores
    message:
        "Timing the cochleagram against an implementation at the full rate"
    script:
        SCRIPTS / "benchmark/cochleagram.py"


rule benchmark_match:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
    output:
        "results/<run>/benchmark/match/{generation_model}/{stage}.nc",
    params:
        **model_params("generation_model"),
        stage=stage_of,
        number=plan.benchmark.stimuli,
        most=plan.benchmark.plenoptic.steps,
        settings=by("generation_model", benchmarked_qualities),
        run_seed=plan.seed,
    resources:
        mem_mb=memory_of_model,
    conda:
        BENCHMARK_ENVIRONMENT
    message:
        "Counting steps to the same match: {wildcards.generation_model}, {wildcards.stage}"
    script:
        SCRIPTS / "benchmark/match.py"


rule benchmark_equivalent:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
        metamers=metamers_of_stage,
    output:
        "results/<run>/benchmark/equivalent/{generation_model}/{stage}.nc",
    params:
        **model_params("generation_model"),
        stage=stage_of,
        settings=by("generation_model", published_settings),
        first=by("generation_model", steps_of_run),
        run_seed=plan.seed,
    resources:
        mem_mb=memory_of_model,
    conda:
        BENCHMARK_ENVIRONMENT
    message:
        "Synthesizing by the published procedure to the same match: {wildcards.generation_model}, {wildcards.stage}"
    script:
        SCRIPTS / "benchmark/equivalent.py"


rule benchmark_recognize:
    input:
        equivalent=by("generation_model", equivalent_of),
        weights=by("generation_model", files_of_models, plan.other_recognition_models),
        categories=by("generation_model", categories_of),
    output:
        "results/<run>/benchmark/recognition/{generation_model}.nc",
    params:
        **answer_params("generation_model"),
        recognition_models=by("generation_model", recognition_params, plan.other_recognition_models),
        stages=lookup("{generation_model}", within=BENCHMARKED),
        modality=by("generation_model", modality_of),
        rate_hz=by("generation_model", rate_of),
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Recognizing both procedures' metamers of {wildcards.generation_model} by other models"
    script:
        SCRIPTS / "benchmark/recognize.py"


rule benchmark_speed:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
        matched=by("generation_model", matches_of),
    output:
        "results/<run>/benchmark/speed/{generation_model}.nc",
    params:
        **model_params("generation_model"),
        stages=lookup("{generation_model}", within=BENCHMARKED),
        settings=by("generation_model", benchmarked_qualities),
        repeats=plan.benchmark.repeats,
        run_seed=plan.seed,
    # All cores, so that no other job runs during the measurement, which uses one core.
    threads: all_cores
    resources:
        mem_mb=memory_of_model,
    conda:
        BENCHMARK_ENVIRONMENT
    message:
        "Timing steps of synthesis with {wildcards.generation_model}"
    script:
        SCRIPTS / "benchmark/speed.py"


rule benchmark_synthesis:
    input:
        required("benchmark"),
        matched=[file for model in BENCHMARKED for file in matches_of(model)],
        speed=[f"results/<run>/benchmark/speed/{model}.nc" for model in BENCHMARKED],
        recognized=[f"results/<run>/benchmark/recognition/{model}.nc" for model in BENCHMARKED],
    output:
        "results/<run>/benchmark/synthesis.nc",
    params:
        models=BENCHMARKED,
    message:
        "Comparing times to the same match"
    script:
        SCRIPTS / "benchmark/synthesis.py"


rule benchmark_standard:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
    output:
        "results/<run>/benchmark/standard/{generation_model}/{stage}.nc",
    params:
        **model_params("generation_model"),
        stage=stage_of,
        number=plan.benchmark.standard.stimuli,
        passes=plan.benchmark.standard.passes,
        settings=by("generation_model", compared_qualities),
        run_seed=plan.seed,
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Measuring the match of quality standard: {wildcards.generation_model}, {wildcards.stage}"
    script:
        SCRIPTS / "benchmark/standard.py"


rule benchmark_standard_table:
    input:
        required("standard_match"),
        matches=[
            f"results/<run>/benchmark/standard/{model}/{stage_path(stage)}.nc"
            for model, stages in plan.standard_stages.items()
            for stage in stages
        ],
    output:
        "results/<run>/benchmark/standard.csv",
    params:
        stages=plan.standard_stages,
        settings={model: compared_qualities(model) for model in plan.standard_stages},
    message:
        "Comparing the match of quality standard with that of the published procedure"
    script:
        SCRIPTS / "benchmark/standard_table.py"


# The models have random weights (config/gpu.yaml), so that no file is read.
rule benchmark_gpu:
    input:
        required("gpu_benchmark"),
    output:
        "results/<run>/benchmark/gpu/{generation_model}/{stage}.nc",
    params:
        model=by("generation_model", architecture),
        stage=stage_of,
        number=plan.benchmark.gpu.stimuli,
        batch=plan.benchmark.gpu.batch,
        settings=by("generation_model", gpu_settings),
    # All cores, so that no other job runs during the measurement.
    threads: all_cores
    resources:
        mem_mb=scaled_by_attempt(16000),
        gpu=gpus(),
    message:
        "Measuring synthesis on the graphics card: {wildcards.generation_model}, {wildcards.stage}"
    script:
        SCRIPTS / "benchmark/gpu.py"


rule benchmark_gpu_table:
    input:
        required("gpu_benchmark"),
        measured=[
            f"results/<run>/benchmark/gpu/{model}/{stage_path(stage)}.nc"
            for model, stages in plan.standard_stages.items()
            for stage in stages
        ],
    output:
        "results/<run>/benchmark/gpu.csv",
    params:
        stages=plan.standard_stages,
        batch=plan.benchmark.gpu.batch,
    message:
        "Collecting the measurements on the graphics card"
    script:
        SCRIPTS / "benchmark/gpu_table.py"


rule benchmark_equivalence_metamers:
    input:
        required("equivalence"),
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
    output:
        "results/<run>/benchmark/equivalence/{generation_model}/{stage}.nc",
    params:
        **model_params("generation_model"),
        stage=stage_of,
        stimuli=by("generation_model", plan.stimuli_of),
        searched=plan.benchmark.equivalence.searched,
        reference=reference_version,
        settings=by("generation_model", versions_of_default),
        most=16,  # steps of a version, at most, relative to those of the one-cycle procedure
        run_seed=plan.seed,
        progress=f"{PROGRESS}/benchmark_equivalence_metamers/{{generation_model}}/{{stage}}",
    # One thread, as for synthesis.
    threads: 1
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Synthesizing by all versions to the same match: {wildcards.generation_model}, {wildcards.stage}"
    script:
        SCRIPTS / "benchmark/equivalence_metamers.py"


rule benchmark_equivalence_recognition:
    input:
        required("equivalence"),
        metamers=by("generation_model", equivalence_metamers),
        weights=by("generation_model", files_of_models, plan.other_recognition_models),
        categories=by("generation_model", categories_of),
    output:
        "results/<run>/benchmark/equivalence_recognition/{generation_model}.nc",
    params:
        **answer_params("generation_model"),
        recognition_models=by("generation_model", recognition_params, plan.other_recognition_models),
        stages=lookup("{generation_model}", within=plan.equivalence_stages),
        modality=by("generation_model", modality_of),
        rate_hz=by("generation_model", rate_of),
    resources:
        mem_mb=memory_of_model,
        gpu=gpus(),
    message:
        "Recognizing metamers of {wildcards.generation_model} of all versions by other models"
    script:
        SCRIPTS / "benchmark/equivalence_recognition.py"


rule benchmark_equivalence_table:
    input:
        required("equivalence"),
        recognized=[f"results/<run>/benchmark/equivalence_recognition/{model}.nc" for model in plan.equivalence_stages],
    output:
        "results/<run>/benchmark/equivalence.csv",
    params:
        modalities={model: modality_of(model) for model in plan.equivalence_stages},
        margin=plan.benchmark.equivalence.margin,
        reference=reference_version,
        settings=versions_of_models,
    message:
        "Testing whether metamers of one cycle and of the published procedure are recognized equally often"
    script:
        SCRIPTS / "benchmark/equivalence_table.py"


rule benchmark_equivalence_figure:
    input:
        rules.benchmark_equivalence_table.output,
    output:
        "results/<run>/benchmark/equivalence.svg",
    message:
        "Drawing differences in recognition between versions of one cycle and the published procedure"
    script:
        SCRIPTS / "benchmark/equivalence_figure.py"


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
        SCRIPTS / "benchmark/convergence_metamers.py"


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
        SCRIPTS / "benchmark/convergence_recognition.py"


rule benchmark_convergence_table:
    input:
        required("convergence"),
        metamers=convergence_files("convergence"),
        recognized=convergence_files("convergence_recognition"),
        nulls=[f"results/<run>/nulls/{model}.nc" for model in plan.benchmark.convergence.closest],
    output:
        "results/<run>/benchmark/convergence.csv",
    params:
        stages=compared_stages,
        modalities=compared_modalities,
        measures=plan.acceptance.measures,
        margin=plan.benchmark.convergence.margin,
    message:
        "Testing from which match on recognition does not change"
    script:
        SCRIPTS / "benchmark/convergence_table.py"


rule benchmark_convergence_figure:
    input:
        rules.benchmark_convergence_table.output,
    output:
        "results/<run>/benchmark/convergence.svg",
    message:
        "Drawing recognition against the match"
    script:
        SCRIPTS / "benchmark/convergence_figure.py"


# The first benchmarked model of images, at its middle and its last benchmarked stage.
TRIED = next((model for model in BENCHMARKED if MODALITIES[plan.models[model].modality].on_screen), None)

if TRIED:

    rule benchmark_trials:
        input:
            **files_by_kind(TRIED),
            stimuli=stimuli_of(TRIED),
        output:
            "results/<run>/benchmark/trials.nc",
        params:
            name=TRIED,
            model=architecture(TRIED),
            weights_file=weights_file(TRIED),
            stages=list(dict.fromkeys(BENCHMARKED[TRIED][place] for place in (len(BENCHMARKED[TRIED]) // 2, -1))),
            number=plan.benchmark.trials.stimuli,
            steps=plan.benchmark.trials.steps,
            settings=one_cycle_settings(TRIED),
            run_seed=plan.seed,
        threads: all_cores
        resources:
            mem_mb=memory_of_model,
            gpu=gpus(),
        message:
            "Timing possible accelerations of synthesis"
        script:
            SCRIPTS / "benchmark/trials.py"


rule benchmark_scale:
    input:
        required("benchmark"),
        speed=rules.benchmark_synthesis.input.speed,
        metamers=[file for model in plan.generation_models for file in metamers_of(model)],
        synthesis=[file for model in plan.generation_models for file in synthesis_of(model)],
        exported=[f"results/<run>/exported/metamers/{model}" for model in plan.generation_models],
    output:
        "results/<run>/benchmark/scale.nc",
    params:
        study=given_study,
        benchmarked=list(BENCHMARKED),
        run_models={model: architecture(model) for model in plan.generation_models},
        run_stages=plan.generation_models,
        run_settings=plan.synthesis.of_modality,
        batches={model: plan.batches[model] for model in plan.generation_models},
        seeds=plan.synthesis.seeds,
        prices={"gpu_hour": 2.5, "core_hour": 0.04},  # assumed, in US dollars, of clouds that rent by the hour
        run=subpath(output[0], ancestor=2),
    # All cores, so that no other job runs during the measurement, which uses one core.
    threads: all_cores
    resources:
        mem_mb=scaled_by_attempt(6000),
    message:
        "Predicting time and storage of the published study"
    script:
        SCRIPTS / "benchmark/scale.py"
