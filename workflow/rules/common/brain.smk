"""Input functions and parameters of the rules in brain.smk."""

from metamers.config.analyses import analysed_stages


def has_brain(modality):
    """Whether the run has responses of brains to stimuli of a modality."""
    brain = plan.analyses.brain
    return bool(brain.models) and plan.datasets[brain.dataset].modality == modality


def represented_stimuli(model):
    """The natural stimuli for comparing representations: those with responses of brains, if the run has such."""
    if has_brain(plan.models[model].modality):
        return f"results/<run>/stimuli/{plan.analyses.brain.dataset}.nc"
    return stimuli_of(model)


def number_represented(model):
    """The number of stimuli for comparing representations: those with responses of brains, else all (None)."""
    return plan.analyses.brain.number if has_brain(modality_of(model)) else None


def stages_analysed(model):
    """The stages of a model at which activations are taken."""
    return analysed_stages(modality_of(model), plan.models[model].stages)


def simulated_from(_wildcards):
    """Input function: the activations from which voxels are simulated."""
    return f"results/<run>/activations/{plan.analyses.brain.dataset}/{BRAIN.simulated.model}.nc"


def measured_responses(modality):
    """The responses of brains to stimuli of a modality, if there are any."""
    return [RESPONSES] if has_brain(modality) else []
