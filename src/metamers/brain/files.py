"""Files of brains and representational similarity."""

from metamers.run.declared import NO_UNIT, Meanings, RunFile

MEANINGS: Meanings = {
    "activation": "activation, averaged over time for sounds",
    "unit_stage": "position of the unit's stage among the stages, from 0",
    "response": "response of a voxel",
    "noiseless_response": "response of a simulated voxel without noise",
    "r2_corrected": "noise-corrected variance of a voxel's responses explained by a stage",
    "ridge_parameter": "ridge parameter chosen by leave-one-out",
    "voxels_r2": "median over a participant's voxels of the median over splits of r2_corrected",
    "best_stage_r2": "the participant's own voxels_r2 at the best stage of the other participants",
    "voxel_reliability": "reliability of a voxel's mean response over all stimuli, at least chance",
    "signed_r2_corrected": (
        "signed square of the correlation of a voxel's responses and their prediction, corrected for noise, -1 to 1"
    ),
    "voxels_signed_r2": "median over a participant's voxels of the median over splits of signed_r2_corrected",
    "noiseless_voxels_r2": "voxels_signed_r2 of simulated responses without noise, with the same ridge parameters",
    "signed_r2": "mean over participants of voxels_signed_r2",
    "signed_r2_low": "low end of the 95% interval of signed_r2, over participants and stimuli",
    "signed_r2_high": "high end of the 95% interval of signed_r2, over participants and stimuli",
    "shuffled_voxels_signed_r2": "voxels_signed_r2 after assigning responses to stimuli in a random order",
    "p_shuffled": "p of signed_r2: (b + 1) / (shuffles + 1), where b shuffles reach it",
    "signed_best_stage": ("stage with the highest mean voxels_signed_r2 over all other participants", NO_UNIT),
    "signed_best_stage_r2": "the participant's own voxels_signed_r2 at signed_best_stage",
    "best_signed_r2": "mean over participants of signed_best_stage_r2",
    "best_signed_r2_low": "low end of the 95% interval of best_signed_r2, over participants and stimuli",
    "best_signed_r2_high": "high end of the 95% interval of best_signed_r2, over participants and stimuli",
    "shuffled_best_signed_r2": "best_signed_r2 after assigning responses to stimuli in a random order",
    "best_p_shuffled": "p of best_signed_r2: (b + 1) / (shuffles + 1), where b shuffles reach it",
    "unreliable_voxels": (
        "number of voxels with reliability not above chance, for which the noise correction is too small"
    ),
    "training_stimuli": "number of stimuli that a regression is fitted to",
    "voxel_participant": ("participant of the voxel", NO_UNIT),
    "dissimilarity": "1 - Pearson r between the activations of two stimuli",
    "representation_model": ("model of the representation", NO_UNIT),
    "representation_stage": ("stage of the representation", NO_UNIT),
    "brain_agreement": (
        "Spearman correlation of dissimilarity in a participant's voxels and the mean of all other participants"
    ),
    "brain_spearman_rho": "Spearman correlation of dissimilarity in a participant's voxels and at a stage",
}

ACTIVATIONS = RunFile(
    "activations/<dataset>/<model>.nc",
    coordinates="stage, stimulus",
    variables={
        "stimulus, unit": "activation",
        "unit": "unit_stage",
    },
    meanings=MEANINGS,
)
SIMULATED = RunFile(
    "brain/responses/simulated.nc",
    coordinates="stimulus",
    variables={
        "stimulus, voxel, repetition": "response",
        "stimulus, voxel": "noiseless_response",
        "voxel": "participant",
    },
    meanings=MEANINGS,
)
BRAIN = RunFile(
    "brain/<model>.nc",
    coordinates="participant, stage",
    variables={
        "stage, voxel, split": "r2_corrected, ridge_parameter, signed_r2_corrected",
        "participant, stage": "voxels_r2, voxels_signed_r2, noiseless_voxels_r2?",
        "participant": "best_stage, best_stage_r2, signed_best_stage, signed_best_stage_r2",
        "voxel": "voxel_reliability, voxel_participant",
        "stage": "signed_r2, signed_r2_low, signed_r2_high, p_shuffled",
        "shuffle, participant, stage": "shuffled_voxels_signed_r2",
        "": (
            "best_signed_r2, best_signed_r2_low, best_signed_r2_high, best_p_shuffled, unreliable_voxels, "
            "training_stimuli"
        ),
        "shuffle": "shuffled_best_signed_r2",
    },
    meanings=MEANINGS,
)
DISSIMILARITY = RunFile(
    "similarity/models/<model>.nc",
    coordinates="stage, stimulus",
    variables={
        "stage, pair": "dissimilarity",
    },
    meanings=MEANINGS,
)
SIMILARITY = RunFile(
    "similarity/<modality>.nc",
    coordinates="participant?",
    variables={
        "representation, pair": "dissimilarity",
        "representation, other_representation": "spearman_rho",
        "representation": "representation_model, representation_stage",
        "pair": "stimulus_a, stimulus_b",
        "participant": "brain_agreement?",
        "participant, representation": "brain_spearman_rho?",
    },
    meanings=MEANINGS,
)
