"""Input functions and parameters of the rules in synthesize.smk."""


def stage_name(model, path):
    """The stage whose name in a path is ``path``."""
    stages = {stage_path(stage): stage for stage in plan.models[model].stages}
    if path not in stages:
        raise unknown_name("stage", path, stages, f"results of {model}")
    return stages[path]


def stage_of(wildcards):
    """Parameter: the stage whose name in a path is a wildcard."""
    return stage_name(wildcards.generation_model, wildcards.stage)


def stimuli_to_match(wildcards):
    """Input function: the natural stimuli of a batch, which the run must have."""
    path = f"metamers/{wildcards.generation_model}/{wildcards.stage}/{wildcards.batch}.nc"
    check_path(plan, path, f"{RESULTS}/{path}")
    return stimuli_of(wildcards.generation_model)


def stimuli_of_batch(wildcards):
    """Parameter: the names of the stimuli of a batch."""
    return plan.batches[wildcards.generation_model][wildcards.batch]


def target_error_of_stage(wildcards):
    """Parameter: the normalized error at which synthesis ends; None for a synthesis without a target."""
    return plan.target_error_of(wildcards.generation_model, stage_of(wildcards))


def metamers_at(model, path, folder="metamers"):
    """All metamers of a generation model at the stage whose name in a path is ``path``."""
    return [f"results/<run>/{folder}/{model}/{path}/{batch}.nc" for batch in plan.batches[model]]


def metamers_of(model, folder="metamers"):
    """All metamers of a generation model: every chosen stage and batch."""
    stages = plan.generation_models[model]
    return [file for stage in stages for file in metamers_at(model, stage_path(stage), folder)]


def synthesis_of(model):
    """All files of synthesis of a generation model."""
    return metamers_of(model, "synthesis")
