"""Input functions and parameters of the rules in brain.smk."""

from metamers.config.analyses import analysed_stages


def has_brain(modality):
    """Whether the run has responses of brains to stimuli of a modality."""
    brain = plan.analyses.brain
    return bool(brain.models) and plan.datasets[brain.dataset].modality == modality


def represented(model):
    """The input of a model's dissimilarities, by kind.

    Its activations by the stimuli that brains responded to, if there are responses; else all stimuli and the model's files.
    """
    if has_brain(modality_of(model)):
        return {"activations": f"results/<run>/activations/{plan.analyses.brain.dataset}/{model}.nc"}
    return files_by_kind(model) | {"stimuli": stimuli_of(model)}


def stages_analysed(model):
    """The stages of a model at which activations are taken."""
    return analysed_stages(modality_of(model), plan.models[model].stages)


def simulated_from(_wildcards):
    """Input function: the activations from which voxels are simulated."""
    return f"results/<run>/activations/{plan.analyses.brain.dataset}/{BRAIN.simulated.model}.nc"


def measured_responses(modality):
    """The responses of brains to stimuli of a modality, if there are any."""
    return [RESPONSES] if has_brain(modality) else []
