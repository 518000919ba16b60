"""Synthesis on this machine's graphics card, compared with its CPU."""


def gpu_settings(model):
    """Settings of ``one_cycle`` for a model's modality, the run's or those of `standard`, with this benchmark's steps."""
    quality = None if plan.settings.synthesis.procedure == "one_cycle" else "standard"
    return plan.synthesis_of(model, quality) | {"steps": studies.settings.gpu.steps}


rule benchmark_gpu:
    input:
        required("gpu_benchmark"),
    output:
        "results/<run>/benchmark/gpu/{generation_model}/{stage}.nc",
    log:
        "results/<run>/logs/benchmark_gpu/{generation_model}/{stage}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_gpu/{generation_model}/{stage}.tsv"
    params:
        **study_step("benchmark/gpu"),
        model=by("generation_model", architecture),
        stage=stage_of,
        number=studies.settings.gpu.stimuli,
        batch=studies.settings.gpu.batch,
        settings=by("generation_model", gpu_settings),
    # All cores, so that no other job runs during the measurement.
    threads: all_cores
    resources:
        mem_mb=scaled_by_attempt(16000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Measuring synthesis on the graphics card: {wildcards.generation_model}, {wildcards.stage}"
    script:
        STUDY_SCRIPTS / "benchmark/gpu.py"


rule benchmark_gpu_table:
    input:
        required("gpu_benchmark"),
        measured=[
            f"results/<run>/benchmark/gpu/{model}/{stage_path(stage)}.nc"
            for model, stages in studies.standard_stages.items()
            for stage in stages
        ],
    output:
        "results/<run>/benchmark/gpu.csv",
    log:
        "results/<run>/logs/benchmark_gpu_table.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_gpu_table.tsv"
    params:
        **study_step("benchmark/gpu_table"),
        stages=studies.standard_stages,
        batch=studies.settings.gpu.batch,
    conda:
        ENVIRONMENT
    message:
        "Collecting the measurements on the graphics card"
    script:
        STUDY_SCRIPTS / "benchmark/gpu_table.py"
