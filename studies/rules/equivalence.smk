"""Recognition of the run's metamers and of the published procedure's, at an equal match."""


def equivalence_metamers(model):
    """Metamers of all compared versions, one file for each compared stage of a model."""
    stages = studies.equivalence_stages[model]
    return [f"results/<run>/benchmark/equivalence/{model}/{stage_path(stage)}.nc" for stage in stages]


rule benchmark_equivalence_metamers:
    input:
        required("equivalence"),
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
    output:
        "results/<run>/benchmark/equivalence/{generation_model}/{stage}.nc",
    log:
        "results/<run>/logs/benchmark_equivalence_metamers/{generation_model}/{stage}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_equivalence_metamers/{generation_model}/{stage}.tsv"
    params:
        **study_step("benchmark/equivalence_metamers"),
        **model_params("generation_model"),
        **studies.settings.equivalence.model_dump(include={"searched", "most_steps", "looser"}),
        stage=stage_of,
        stimuli=by("generation_model", plan.stimuli_of),
        settings=by("generation_model", plan.synthesis_of),
        published=by("generation_model", lambda model: plan.synthesis_of(model, "published")),
        target=lambda wildcards: plan.target_of(wildcards.generation_model, stage_of(wildcards)),
        run_seed=plan.settings.seed,
    # One thread, as for synthesis.
    threads: 1
    resources:
        mem_mb=scaled_by_attempt(4000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Synthesizing by both procedures to an equal match: {wildcards.generation_model}, {wildcards.stage}"
    script:
        STUDY_SCRIPTS / "benchmark/equivalence_metamers.py"


rule benchmark_equivalence_recognition:
    input:
        required("equivalence"),
        metamers=by("generation_model", equivalence_metamers),
        weights=by("generation_model", files_of_models, plan.other_recognition_models),
        categories=by("generation_model", categories_of),
        stimuli=by("generation_model", stimuli_of),
    output:
        "results/<run>/benchmark/equivalence_recognition/{generation_model}.nc",
    log:
        "results/<run>/logs/benchmark_equivalence_recognition/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_equivalence_recognition/{generation_model}.tsv"
    params:
        **study_step("benchmark/equivalence_recognition"),
        **answer_params("generation_model"),
        recognition_models=by("generation_model", recognition_params, plan.other_recognition_models),
        stimuli=by("generation_model", plan.stimuli_of),
        stages=lookup("{generation_model}", within=studies.equivalence_stages),
        modality=by("generation_model", modality_of),
    resources:
        mem_mb=scaled_by_attempt(4000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Recognizing metamers of {wildcards.generation_model} of both procedures by other models"
    script:
        STUDY_SCRIPTS / "benchmark/equivalence_recognition.py"


rule benchmark_equivalence_table:
    input:
        required("equivalence"),
        recognized=[
            f"results/<run>/benchmark/equivalence_recognition/{model}.nc" for model in studies.equivalence_stages
        ],
    output:
        table="results/<run>/benchmark/equivalence.csv",
        answers="results/<run>/benchmark/equivalence_answers.csv.gz",
    log:
        "results/<run>/logs/benchmark_equivalence_table.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_equivalence_table.tsv"
    params:
        **study_step("benchmark/equivalence_table"),
        modalities={model: modality_of(model) for model in studies.equivalence_stages},
        margin=studies.settings.equivalence.margin,
    conda:
        ENVIRONMENT
    message:
        "Testing whether metamers of both procedures are recognized equally often"
    script:
        STUDY_SCRIPTS / "benchmark/equivalence_table.py"


rule benchmark_equivalence_figure:
    input:
        rules.benchmark_equivalence_table.output.table,
    output:
        "results/<run>/benchmark/equivalence.svg",
    log:
        "results/<run>/logs/benchmark_equivalence_figure.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_equivalence_figure.tsv"
    params:
        **study_step("benchmark/equivalence_figure"),
    conda:
        ENVIRONMENT
    message:
        "Drawing differences in recognition from the published procedure"
    script:
        STUDY_SCRIPTS / "benchmark/equivalence_figure.py"
