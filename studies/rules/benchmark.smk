"""Speed against the published procedure, plenoptic and plain implementations."""

from metamers.synthesize.qualities import QUALITIES, TO_TARGET

BENCHMARKED = studies.benchmark_stages


rule benchmark_cochleagram:
    output:
        "results/<run>/benchmark/cochleagram.nc",
    log:
        "results/<run>/logs/benchmark_cochleagram.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_cochleagram.tsv"
    params:
        **study_step("benchmark/cochleagram"),
        repeats=10,
    # All cores, so that no other job runs during the measurement, which uses one core.
    threads: all_cores
    conda:
        ENVIRONMENT
    message:
        "Timing the cochleagram against an implementation at the full rate"
    script:
        STUDY_SCRIPTS / "benchmark/cochleagram.py"


def benchmarked_stages(kind, model):
    """Files of one kind of the benchmark, one for each stage of a model."""
    return [
        f"results/<run>/benchmark/{kind}/{model}/{stage_path(stage)}.nc" for stage in studies.benchmark_stages[model]
    ]


def benchmarked_qualities(model, stage):
    """Quality → settings at a stage, with the target where it has one, and those of the published procedure."""
    settings = {quality: plan.synthesis_of(model, quality) for quality in (*studies.settings.qualities, "published")}
    target = {"target_error": plan.target_of(model, stage)}
    return {quality: one | target if QUALITIES[quality] == TO_TARGET else one for quality, one in settings.items()}


rule benchmark_match:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
    output:
        "results/<run>/benchmark/match/{generation_model}/{stage}.nc",
    log:
        "results/<run>/logs/benchmark_match/{generation_model}/{stage}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_match/{generation_model}/{stage}.tsv"
    params:
        **study_step("benchmark/match"),
        **model_params("generation_model"),
        stage=stage_of,
        number=studies.settings.stimuli,
        most=studies.settings.most_steps,
        qualities=studies.settings.qualities,
        settings=lambda wildcards: benchmarked_qualities(wildcards.generation_model, stage_of(wildcards)),
        run_seed=plan.settings.seed,
    resources:
        mem_mb=scaled_by_attempt(4000),
    conda:
        STUDY_ENVIRONMENT
    message:
        "Counting steps to the same match: {wildcards.generation_model}, {wildcards.stage}"
    script:
        STUDY_SCRIPTS / "benchmark/match.py"


rule benchmark_equivalent:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
        metamers=lambda wildcards: metamers_at(wildcards.generation_model, wildcards.stage),
    output:
        "results/<run>/benchmark/equivalent/{generation_model}/{stage}.nc",
    log:
        "results/<run>/logs/benchmark_equivalent/{generation_model}/{stage}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_equivalent/{generation_model}/{stage}.tsv"
    params:
        **study_step("benchmark/equivalent"),
        **model_params("generation_model"),
        stage=stage_of,
        settings=lambda wildcards: plan.synthesis_of(wildcards.generation_model, "published"),
        first=lambda wildcards: plan.synthesis_of(wildcards.generation_model)["steps"],
        run_seed=plan.settings.seed,
    resources:
        mem_mb=scaled_by_attempt(4000),
    conda:
        STUDY_ENVIRONMENT
    message:
        "Synthesizing by the published procedure to the same match: {wildcards.generation_model}, {wildcards.stage}"
    script:
        STUDY_SCRIPTS / "benchmark/equivalent.py"


rule benchmark_recognize:
    input:
        equivalent=lambda wildcards: benchmarked_stages("equivalent", wildcards.generation_model),
        weights=by("generation_model", files_of_models, plan.other_recognition_models),
        categories=by("generation_model", categories_of),
    output:
        "results/<run>/benchmark/recognition/{generation_model}.nc",
    log:
        "results/<run>/logs/benchmark_recognize/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_recognize/{generation_model}.tsv"
    params:
        **study_step("benchmark/recognize"),
        **answer_params("generation_model"),
        recognition_models=by("generation_model", recognition_params, plan.other_recognition_models),
        stages=lookup("{generation_model}", within=BENCHMARKED),
        modality=by("generation_model", modality_of),
    resources:
        mem_mb=scaled_by_attempt(4000),
        gpu=gpus(),
    conda:
        ENVIRONMENT
    message:
        "Recognizing both procedures' metamers of {wildcards.generation_model} by other models"
    script:
        STUDY_SCRIPTS / "benchmark/recognize.py"


rule benchmark_speed:
    input:
        unpack(model_files("generation_model")),
        stimuli=by("generation_model", stimuli_of),
    output:
        "results/<run>/benchmark/speed/{generation_model}.nc",
    log:
        "results/<run>/logs/benchmark_speed/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_speed/{generation_model}.tsv"
    params:
        **study_step("benchmark/speed"),
        **model_params("generation_model"),
        settings=lambda wildcards: {
            stage: benchmarked_qualities(wildcards.generation_model, stage)
            for stage in BENCHMARKED[wildcards.generation_model]
        },
        qualities=studies.settings.qualities,
        repeats=studies.settings.repeats,
        run_seed=plan.settings.seed,
    # All cores, so that no other job runs during the measurement, which uses one core.
    threads: all_cores
    resources:
        mem_mb=scaled_by_attempt(4000),
    conda:
        STUDY_ENVIRONMENT
    message:
        "Timing steps of synthesis with {wildcards.generation_model}"
    script:
        STUDY_SCRIPTS / "benchmark/speed.py"


rule benchmark_synthesis:
    input:
        required("benchmark"),
        matched=[file for model in BENCHMARKED for file in benchmarked_stages("match", model)],
        speed=[f"results/<run>/benchmark/speed/{model}.nc" for model in BENCHMARKED],
        recognized=[f"results/<run>/benchmark/recognition/{model}.nc" for model in BENCHMARKED],
    output:
        "results/<run>/benchmark/synthesis.nc",
    log:
        "results/<run>/logs/benchmark_synthesis.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_synthesis.tsv"
    params:
        **study_step("benchmark/synthesis"),
        models=BENCHMARKED,
        modalities={model: modality_of(model) for model in BENCHMARKED},
    conda:
        ENVIRONMENT
    message:
        "Comparing steps and their cost at the same match"
    script:
        STUDY_SCRIPTS / "benchmark/synthesis.py"


rule benchmark_scale:
    input:
        required("benchmark"),
        speed=rules.benchmark_synthesis.input.speed,
        metamers=[file for model in plan.generation_models for file in metamers_of(model)],
        synthesis=[file for model in plan.generation_models for file in metamers_of(model, "synthesis")],
        exported=[f"results/<run>/exported/metamers/{model}" for model in plan.generation_models],
    output:
        "results/<run>/benchmark/scale.nc",
    log:
        "results/<run>/logs/benchmark_scale.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_scale.tsv"
    params:
        **study_step("benchmark/scale"),
        study=lambda _: published_study(plan),
        benchmarked=list(BENCHMARKED),
        run_models={model: architecture(model) for model in plan.generation_models},
        run_stages=plan.generation_models,
        run_settings=plan.settings.synthesis.of_modality,
        batches={model: plan.batches[model] for model in plan.generation_models},
        seeds=plan.settings.synthesis.seeds,
        prices={"gpu_hour": 2.5, "core_hour": 0.04},  # assumed, in US dollars, of clouds that rent by the hour
        run=subpath(output[0], ancestor=2),
    # All cores, so that no other job runs during the measurement, which uses one core.
    threads: all_cores
    resources:
        mem_mb=scaled_by_attempt(6000),
    conda:
        ENVIRONMENT
    message:
        "Predicting time and storage of the published study"
    script:
        STUDY_SCRIPTS / "benchmark/scale.py"


rule benchmark_page:
    input:
        synthesis="results/<run>/benchmark/synthesis.nc",
        cochleagram="results/<run>/benchmark/cochleagram.nc",
        # The jobs of a finished run, whose times the page lists.
        finished=[*rules.report_pages.output, *rules.leaderboard_ranking.output, *COMPARISON],
        scale=lambda _: ["results/<run>/benchmark/scale.nc"] if published_study(plan) else [],
    output:
        report("results/<run>/report/benchmark.html", caption="../captions/benchmark.rst", category="Benchmark"),
    log:
        "results/<run>/logs/benchmark_page.log",
    benchmark:
        "results/<run>/benchmarks/benchmark_page.tsv"
    params:
        **study_step("benchmark/page"),
        read=data_version(STUDIES / "benchmark" / "benchmark.html.j2", *templates()),
        benchmarks=BENCHMARKS,
        settings=studies.settings.model_dump(),
    conda:
        ENVIRONMENT
    message:
        "Writing the benchmark's page"
    script:
        STUDY_SCRIPTS / "benchmark/page.py"
