"""Input functions and parameters of the rules in synthesize.smk."""


def stages_of_group(wildcards):
    """Parameter: the stages of a group."""
    return plan.stage_groups[wildcards.generation_model][wildcards.stage_group]


def stimuli_of_batch(wildcards):
    """Parameter: the names of the stimuli of a batch."""
    return plan.batches[wildcards.generation_model][wildcards.batch]


def metamers_of_group(wildcards):
    """Parameter: where the metamers of a group of stages belong, in the order of the stages."""
    model, batch = wildcards.generation_model, wildcards.batch
    return [f"{RESULTS}/metamers/{model}/{stage_path(stage)}/{batch}.nc" for stage in stages_of_group(wildcards)]


def target_errors_of_group(wildcards):
    """Parameter: for each stage of a group, the normalized error at which its synthesis ends; null for none."""
    return {stage: plan.target_error_of(wildcards.generation_model, stage) for stage in stages_of_group(wildcards)}


def staged_metamers(wildcards):
    """Input function: the folder into which the job of a stage and a batch writes."""
    model, batch = wildcards.generation_model, wildcards.batch
    path = f"metamers/{model}/{wildcards.stage}/{batch}.nc"
    check_path(plan, path, f"{RESULTS}/{path}")
    group_of = {stage_path(stage): group for group, stages in plan.stage_groups[model].items() for stage in stages}
    return f"results/<run>/progress/staging/metamers/{model}/{group_of[wildcards.stage]}/{batch}"


def metamers_at(model, path):
    """All metamers of a generation model at the stage whose name in a path is ``path``."""
    return [f"results/<run>/metamers/{model}/{path}/{batch}.nc" for batch in plan.batches[model]]


def metamers_of(model):
    """All metamers of a generation model: every chosen stage and batch."""
    stages = plan.generation_models[model]
    return [file for stage in stages for file in metamers_at(model, stage_path(stage))]
