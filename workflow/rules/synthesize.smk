"""Metamers: a synthesis for each stage of a generation model and batch of stimuli, then its measures."""

@inspected
def stage_of(wildcards):
    """Parameter: the stage whose name in a path is a wildcard."""
    model, path = wildcards.generation_model, wildcards.stage
    stages = {stage_path(stage): stage for stage in plan.models[model].stages}
    if path not in stages:
        raise unknown_name("stage", path, stages, f"results of {model}")
    return stages[path]


@inspected
def stimuli_to_match(wildcards):
    """Input function: checks the path of a batch; returns the natural stimuli of the generation model."""
    path = f"metamers/{wildcards.generation_model}/{wildcards.stage}/{wildcards.batch}.nc"
    check_path(plan, path, f"{RESULTS}/{path}")
    return stimuli_of(wildcards.generation_model)


@inspected
def stimuli_of_batch(wildcards):
    """Parameter: the names of the stimuli of a batch. Snakemake's ``lookup`` would search all batches for each job."""
    return plan.batches[wildcards.generation_model][wildcards.batch]


@inspected
def target_error(wildcards):
    """Parameter: the normalized error at which the synthesis ends, if it has one."""
    return plan.target_error_of(wildcards.generation_model, stage_of(wildcards))


def metamers_at(model, path, folder="metamers"):
    """All metamers of a generation model at the stage whose name in a path is ``path``."""
    return [f"results/<run>/{folder}/{model}/{path}/{batch}.nc" for batch in plan.batches[model]]


def metamers_of(model, folder="metamers"):
    """All metamers of a generation model: every chosen stage and batch."""
    stages = plan.generation_models[model]
    return [file for stage in stages for file in metamers_at(model, stage_path(stage), folder)]


def synthesis_of_batch(wildcards):
    """The work of synthesizing the metamers of a batch."""
    stages = {wildcards.generation_model: [stage_of(wildcards)]}
    return workload.synthesis(stages, len(stimuli_of_batch(wildcards)))


def measures_of_batch(wildcards):
    """The work of measuring them."""
    return workload.measure(wildcards.generation_model, len(stimuli_of_batch(wildcards)))


def penalty_files(*models):
    """The user's own file with the function that is the penalty of metamers of models, as a list."""
    penalty = plan.penalty_of(*models)
    return local([penalty["python"].rsplit(":", 1)[0]]) if "python" in penalty else []


def penalized_entries(*models):
    """The same as ``entries_of`` for models that metamers are made of; a file with a penalty may import everything."""
    return None if penalty_files(*models) else entries_of(models)


rule synthesize_metamers:
    input:
        unpack(model_files("generation_model")),
        penalty=by("generation_model", penalty_files),
        stimuli=stimuli_to_match,
        categories=by("generation_model", categories_of),
    output:
        "results/<run>/synthesis/{generation_model}/{stage}/{batch}.nc",
    log:
        "results/<run>/logs/synthesize_metamers/{generation_model}/{stage}/{batch}.log",
    benchmark:
        "results/<run>/benchmarks/synthesize_metamers/{generation_model}/{stage}/{batch}.tsv"
    params:
        **step("synthesize/metamers", by("generation_model", penalized_entries)),
        **model_params("generation_model"),
        **answer_params("generation_model"),
        name="{generation_model}",
        stage=stage_of,
        batch=stimuli_of_batch,
        seeds=plan.settings.synthesis.seeds,
        run_seed=plan.settings.seed,
        quality=plan.settings.synthesis.quality,
        settings=by("generation_model", plan.metamer_settings),
        target_error=target_error,
    priority: 2  # before training: the longest jobs first
    # One thread, so that results do not depend on how many cores the workflow was given.
    threads: 1
    resources:
        **needs("synthesize_metamers", synthesis_of_batch, gpus()),
    conda:
        ENVIRONMENT
    message:
        "Synthesizing metamers of {wildcards.generation_model}, {params.stage}, batch {wildcards.batch}"
    script:
        SCRIPTS / "synthesize/metamers.py"


# A step of its own, so that another measure repeats no synthesis.
rule synthesize_measure:
    input:
        unpack(model_files("generation_model")),
        stimuli=stimuli_to_match,
        categories=by("generation_model", categories_of),
        synthesis=rules.synthesize_metamers.output,
    output:
        "results/<run>/metamers/{generation_model}/{stage}/{batch}.nc",
    log:
        "results/<run>/logs/synthesize_measure/{generation_model}/{stage}/{batch}.log",
    benchmark:
        "results/<run>/benchmarks/synthesize_measure/{generation_model}/{stage}/{batch}.tsv"
    params:
        **step("synthesize/measure", by("generation_model", entry_of)),
        **model_params("generation_model"),
        **answer_params("generation_model"),
        name="{generation_model}",
        stage=stage_of,
        batch=stimuli_of_batch,
    resources:
        **needs("synthesize_measure", measures_of_batch, gpus()),
    conda:
        ENVIRONMENT
    message:
        "Measuring metamers of {wildcards.generation_model}, {params.stage}, batch {wildcards.batch}"
    script:
        SCRIPTS / "synthesize/measure.py"


rule synthesize_export:
    input:
        lambda wildcards: metamers_of(wildcards.generation_model, "synthesis"),
    output:
        directory("results/<run>/exported/metamers/{generation_model}"),
    log:
        "results/<run>/logs/synthesize_export/{generation_model}.log",
    benchmark:
        "results/<run>/benchmarks/synthesize_export/{generation_model}.tsv"
    params:
        **step("synthesize/export", by("generation_model", entry_of)),
        modality=by("generation_model", modality_of),
    resources:
        **needs("synthesize_export", by("generation_model", workload.exported)),
    conda:
        ENVIRONMENT
    message:
        "Exporting the metamers of {wildcards.generation_model}"
    script:
        SCRIPTS / "synthesize/export.py"
