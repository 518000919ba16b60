"""Input functions and parameters of the rules in compare.smk."""

# Generation model → stage → normalized error at which the stage has converged.
TARGETS = {
    model: {stage: error for stage in stages if (error := plan.target_of(model, stage)) is not None}
    for model, stages in plan.generation_models.items()
}


def of_tested(entries, tested):
    """The entries of experiments whose files are tested."""
    return {name: entry for name, entry in entries.items() if f"results/<run>/humans/{name}.nc" in tested}


def designs_of_modality(modality):
    """What the groups of own participants of a modality were shown, each file once."""
    names = [name for name, group in plan.own_participants.items() if group.modality == modality]
    return list(dict.fromkeys(map(design_of, names)))
