"""Synthesis on this machine's graphics card, compared with its CPU."""


rule benchmark_gpu:
    input:
        required("gpu_benchmark"),
    output:
        "results/<run>/benchmark/gpu/{generation_model}/{stage}.nc",
    params:
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
    params:
        stages=studies.standard_stages,
        batch=studies.settings.gpu.batch,
    message:
        "Collecting the measurements on the graphics card"
    script:
        STUDY_SCRIPTS / "benchmark/gpu_table.py"
