"""The match of quality `standard` against that of the published procedure."""


def compared_qualities(model):
    """Settings of the qualities `standard` and `published` for a model's modality."""
    return {quality: plan.synthesis_of(model, quality) for quality in ("standard", "published")}


rule benchmark_standard:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
    output:
        "results/<run>/benchmark/standard/{generation_model}/{stage}.nc",
    log:
        "results/<run>/logs/benchmark_standard/{generation_model}/{stage}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_standard/{generation_model}/{stage}.tsv"
    params:
        **study_step("benchmark/standard"),
        **model_params("generation_model"),
        stage=stage_of,
        number=studies.settings.standard.stimuli,
        passes=studies.settings.standard.passes,
        settings=by("generation_model", compared_qualities),
        run_seed=plan.settings.seed,
    resources:
        runtime=scaled_by_attempt(720),
        mem_mb=scaled_by_attempt(4000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Measuring the match of quality standard: {wildcards.generation_model}, {wildcards.stage}"
    script:
        STUDY_SCRIPTS / "benchmark/standard.py"


rule benchmark_standard_table:
    input:
        required("standard_match"),
        matches=[
            f"results/<run>/benchmark/standard/{model}/{stage_path(stage)}.nc"
            for model, stages in studies.standard_stages.items()
            for stage in stages
        ],
    output:
        "results/<run>/benchmark/standard.csv",
    log:
        "results/<run>/logs/benchmark_standard_table.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_standard_table.tsv"
    params:
        **study_step("benchmark/standard_table"),
        stages=studies.standard_stages,
        settings={model: compared_qualities(model) for model in studies.standard_stages},
    conda:
        ENVIRONMENT
    message:
        "Comparing the match of quality standard with that of the published procedure"
    script:
        STUDY_SCRIPTS / "benchmark/standard_table.py"
