"""Files of extensions of the study."""

from operator import attrgetter

from metamers.run.declared import MATCH, NO_UNIT, Meanings, Page, RunFile

PAGES = {
    "beyond": Page("Extensions", attrgetter("beyond.sets")),
    "sensitivity": Page("Sensitivity", attrgetter("beyond.sensitivity")),
    "metamer_sets": Page("Metamer sets", attrgetter("beyond.metamer_sets")),
}
MEANINGS: Meanings = {
    "other_stimulus": ("another natural stimulus", NO_UNIT),
    "other_category": ("category of the other stimulus", NO_UNIT),
    "case": ("condition of a set: all models jointly, dissenting model, or start", NO_UNIT),
    "depth": "position of the matched stages among the stages: 0 is the input, 1 the last stage",
    "member": ("model whose activations are matched", NO_UNIT),
    "member_stage": ("stage at which a member's activations are matched", NO_UNIT),
    "matches_other": "the member matches the other stimulus",
    "other_error": "normalized error to the stimulus that the member does not match",
    "recognized": "proportion of recognition models that recognize the metamer",
    "natural_recognized": "proportion of recognition models that recognize the natural stimulus",
    "answered_own": "proportion of recognition models that answer with the stimulus's category",
    "answered_other": "proportion of recognition models that answer with the other stimulus's category",
    "proportion_own": "proportion of answers that are the stimulus's category",
    "proportion_other": "proportion of answers that are the other stimulus's category",
    "preference": (
        "proportion of answers with the stimulus's category minus proportion with the other stimulus's category"
    ),
    "start": ("start of the synthesis", NO_UNIT),
    "relative_difference": "distance from the metamer that started from the run's noise, relative to natural_distance",
    "start_difference": "relative_difference of the starts of the synthesis",
    "remaining": "distance of the metamer from the stimulus relative to the distance of the start",
    "natural_distance": "root mean square distance between activations of different natural stimuli",
    "measured_stage": ("stage at which a distance is measured", NO_UNIT),
    "distortion": "distortion of length 1 of the stimulus",
    "residual": (
        "length of (JᵀJ − λ) times the distortion, relative to λ (most) or to the mean eigenvalue (least): 0 for an "
        "eigenvector"
    ),
    "sensitivity": "change of a model's activations per length of a small distortion",
    "mean_sensitivity": "root mean square of the sensitivity to all directions",
    "principal_distortion": (
        "distortion of length 1 of the stimulus, of the pair along which the generation models differ most"
    ),
    "principal_sensitivity": "change of a model's activations per length of a small principal distortion",
    "principal_variance": (
        "variance over generation models of the log ratio of sensitivities, with floors, to the two principal "
        "distortions"
    ),
    "principal_variance_least": (
        "smallest variance that the search for the principal distortions reached from one of its starts"
    ),
    "principal_converged": ("whether the search for the principal distortions ended by itself", NO_UNIT),
    "extreme": ("whether the generation model is most or least sensitive to the distortion", NO_UNIT),
    "sensing_model": ("model that is compared, by its sensitivity to a distortion or its activations", NO_UNIT),
    "sensing_stage": ("stage of the model that is compared", NO_UNIT),
    "principal": ("first or second of the pair of principal distortions", NO_UNIT),
    "log_sensitivity_ratio": (
        "log ratio of a model's sensitivities, with floors, to the generation model's extreme distortions"
    ),
    "agreement": "log_sensitivity_ratio of a model, relative to that of the generation model",
    "mean_agreement": "agreement of the other models, mean over families and stimuli",
    "points": "number of models and positions that are correlated",
    "jacobian_rank": "number of singular values of the Jacobian above the tolerance times the largest one",
    "rank_counted": ("whether bounds decide the number of singular values; if not, it is an estimate", NO_UNIT),
    "rank_at_least": "lower bound of the number of singular values above the tolerance times the largest one",
    "free_dimensions": "number of values of the stimulus minus the rank",
    "singular_value": "largest singular values of the Jacobian",
    "stimulus_distance": (
        "distance of the two most different metamers after preprocessing, relative to that of different natural stimuli"
    ),
    "largest_error": "normalized error of the metamer of the run, which the two most different metamers may have",
    "within_match": ("whether the two most different metamers have at most the largest error", NO_UNIT),
    "activation_distance": (
        "distance of the activations of the two most different metamers, relative to that of different natural stimuli"
    ),
    "most_different": ("first or second of the two most different metamers", NO_UNIT),
}

SYNTHESIS = RunFile(
    "beyond/synthesis/<set>.nc",
    coordinates="stimulus, case, depth, member",
    variables={
        "stimulus, case, depth, signal": "metamer",
        "stimulus, case, depth, step": "loss",
        "stimulus": "category, other_stimulus, other_category",
        "member, depth": "member_stage",
        "case, member": "matches_other",
    },
    meanings=MEANINGS,
)
METAMERS = RunFile(
    "beyond/metamers/<set>.nc",
    coordinates="stimulus, case, depth, member",
    variables={
        "stimulus, case, depth, signal": "metamer",
        "stimulus, case, depth, step": "loss",
        "stimulus, case, depth, member": f"{MATCH}, converged?, other_error, predicted_category",
        "stimulus, case, member": "natural_category",
        "stimulus": "category, other_stimulus, other_category",
        "member, depth": "member_stage",
        "case, member": "matches_other",
    },
    meanings=MEANINGS,
)
RECOGNITION = RunFile(
    "beyond/recognition/<set>.nc",
    coordinates="recognition_model, stimulus, case, depth",
    variables={
        "recognition_model, stimulus, case, depth": "answer",
        "stimulus": "category, other_stimulus, other_category",
    },
    meanings=MEANINGS,
)
ENSEMBLE = RunFile(
    "beyond/ensemble/<modality>.nc",
    coordinates="generation_model, depth, member, stimulus",
    variables={
        "generation_model, depth, stimulus": "recognized, accepted",
        "generation_model, depth": "proportion_correct, stage",
        "depth": "n",
        "stimulus": "natural_recognized, category",
        "depth, member, stimulus": "normalized_error",
        "depth, member": "difference, low, high",
    },
    meanings=MEANINGS,
)
CONTROVERSIAL = RunFile(
    "beyond/controversial/<modality>.nc",
    coordinates="case, depth, member, stimulus",
    variables={
        "case, depth, stimulus": "answered_own, answered_other, accepted",
        "case, depth": "proportion_own, proportion_other, preference, low, high, n",
        "case, depth, member, stimulus": "normalized_error, other_error",
        "case, member": "matches_other",
        "member, depth": "member_stage",
        "stimulus": "category, other_stimulus, other_category",
    },
    meanings=MEANINGS,
)
STARTS = RunFile(
    "beyond/starts/<modality>.nc",
    coordinates="generation_model, start, depth, stimulus",
    variables={
        "generation_model, start, depth, stimulus": "recognized, answered_other, accepted",
        "generation_model, start, depth": "proportion_correct, proportion_other, n",
        "generation_model, depth": "stage",
        "stimulus": "category, other_stimulus, other_category",
    },
    meanings=MEANINGS,
)
INVARIANCE = RunFile(
    "beyond/invariance/<model>.nc",
    coordinates="start, depth, measured_stage, stimulus",
    variables={
        "start, depth, stimulus, measured_stage": "relative_difference",
        "start, stimulus, measured_stage": "start_difference",
        "start, depth, stimulus": "remaining",
        "measured_stage": "natural_distance",
        "depth": "stage",
        "stimulus": "category, other_stimulus, other_category",
    },
    meanings=MEANINGS,
)
SENSITIVITY = RunFile(
    "beyond/sensitivity/<modality>.nc",
    coordinates="depth, stimulus, generation_model, extreme, sensing_model, principal?",
    variables={
        "depth, stimulus, generation_model, extreme, signal": "distortion",
        "depth, stimulus, generation_model, extreme": "residual",
        "depth, stimulus, generation_model, extreme, sensing_model": "sensitivity",
        "depth, stimulus, sensing_model": "mean_sensitivity",
        "depth, stimulus, principal, signal": "principal_distortion?",
        "depth, stimulus, principal, sensing_model": "principal_sensitivity?",
        "depth, stimulus": "principal_variance?, principal_variance_least?, principal_converged?",
        "stimulus, signal": "stimulus_value",
        "stimulus": "category",
        "depth, sensing_model": "sensing_stage",
    },
    meanings=MEANINGS,
)
AGREEMENT = RunFile(
    "beyond/agreement/<modality>.nc",
    coordinates="depth, stimulus, generation_model, sensing_model",
    variables={
        "depth, stimulus, generation_model, sensing_model": "log_sensitivity_ratio, agreement",
        "generation_model, depth": "mean_agreement, proportion_correct, n, stage",
        "": "spearman_rho, low, high, points",
        "stimulus": "category",
        "depth, sensing_model": "sensing_stage",
    },
    meanings=MEANINGS,
)
METAMER_SETS = RunFile(
    "beyond/metamer_sets/<model>.nc",
    coordinates="depth, stimulus, most_different, sensing_model",
    variables={
        "depth, stimulus": (
            "jacobian_rank, rank_counted, rank_at_least, free_dimensions, stimulus_distance, largest_error, accepted, "
            "within_match"
        ),
        "depth, stimulus, number": "singular_value",
        "depth, stimulus, most_different, signal": "metamer",
        "depth, stimulus, most_different": "normalized_error",
        "depth, stimulus, sensing_model": "activation_distance",
        "depth, stimulus, most_different, sensing_model": "answer",
        "depth": "stage",
        "stimulus": "category",
        "depth, sensing_model": "sensing_stage",
    },
    meanings=MEANINGS,
)
