"""Files of the leaderboard."""

from metamers.run.declared import NO_UNIT, Meanings, Page, RunFile

PAGES = {"leaderboard": Page("Leaderboard")}
MEANINGS: Meanings = {
    "rank": "rank of the normalized area among the published models of the modality",
    "rank_low": "low end of the 95% interval of the rank",
    "rank_high": "high end of the 95% interval of the rank",
    "area": "area under human recognizability over the position among the listed stages, last position 1",
    "area_low": "low end of the 95% interval of area",
    "area_high": "high end of the 95% interval of area",
    "normalized_area": "area under human recognizability over depth, normalized: 1 for natural stimuli, 0 for guessing",
    "normalized_area_low": "low end of the 95% interval of normalized_area",
    "normalized_area_high": "high end of the 95% interval of normalized_area",
    "missing_depth": "proportion of the depth at which recognizability is unknown",
    "natural_correct": "human proportion correct for natural stimuli, which is 1 in the normalized area",
    "rank_one_out_low": "lowest rank with one of the model's stages left out",
    "rank_one_out_high": "highest rank with one of the model's stages left out",
    "passes_depth": "depth of passes_up_to, 0 if no stage passes; missing without a test",
    "basis": (
        "basis of the area: people (published participants), own people (own participants) or prediction (from other "
        "models)",
        NO_UNIT,
    ),
    "depth_first": "position of the first stage in the area",
    "depth_last": "position of the last stage in the area",
    "entry_modality": ("modality of the entry", NO_UNIT),
    "stages": "number of stages in the area",
    "left_out_area": "area predicted without the human answers to the metamers of the model's family",
    "left_out_error": (
        "mean absolute error over stages of the prediction without the human answers to the metamers of the model's "
        "family"
    ),
    "left_out_area_coverage": "share of left-out models whose area lies in the interval of the prediction",
    "left_out_area_error": "root mean square error of the predicted areas of left-out models",
    "left_out_coverage": "share of stages of left-out models that lie in the 95% interval of the prediction",
    "left_out_mean_error": "mean absolute error of predictions of left-out models, over stages",
    "left_out_r2": "share of the variance of human means that predictions of left-out models explain",
    "run_stages": "number of stages of the run's models with metamers that other models judged",
    "run_stages_unpredicted": "number of run_stages without prediction",
    "left_out_model": ("left-out model", NO_UNIT),
    "left_out_stage": ("stage of the left-out model", NO_UNIT),
    "left_out_modality": ("modality of the left-out model", NO_UNIT),
    "left_out_human": "measured human proportion correct at the left-out stage",
    "left_out_predicted": "predicted human proportion correct at the left-out stage",
    "left_out_low": "low end of the 95% interval of the prediction",
    "left_out_high": "high end of the 95% interval of the prediction",
    "own_model": ("model whose metamers own participants judged", NO_UNIT),
    "own_stage": ("stage of own_model", NO_UNIT),
    "own_modality": ("modality of a model that own participants judged", NO_UNIT),
    "own_human": "proportion correct of own participants",
    "own_sem": "standard error of own_human over participants",
    "own_predicted": "predicted human proportion correct at the stage",
    "own_low": "low end of the 95% interval of the prediction",
    "own_high": "high end of the 95% interval of the prediction",
    "entry_format": "version of the form of entries",
    "published_as": ("published model of the same architecture; empty if there is none", NO_UNIT),
    "registry_entry": ("the model's entry in the registry, as JSON", NO_UNIT),
    "creator_name": ("who made the entry", NO_UNIT),
    "creator_email": ("electronic mail of the creator, or empty", NO_UNIT),
    "creator_url": ("address of a page of the creator, or empty", NO_UNIT),
    "creator_institution": ("institution of the creator, or empty", NO_UNIT),
    "entry_license": ("terms of use of the entry", NO_UNIT),
    "listed": "whether the metamers of the stage were judged, so that it should have a value",
    "recognizability": "human proportion correct for the metamers of the stage, measured or predicted",
    "recognizability_low": "low end of the 95% interval of recognizability",
    "recognizability_high": "high end of the 95% interval of recognizability",
    "asked_families": ("number of recognition models of each family, without the generation model, as JSON", NO_UNIT),
    "participants_tested": "number of participants with answers to the metamers of the stage and to natural stimuli",
}

LEADERBOARD = RunFile(
    "comparison/leaderboard.nc",
    coordinates="modality",
    variables={
        "entry": (
            "rank, reason, rank_low, rank_high, area, area_low, area_high, normalized_area, normalized_area_low, "
            "normalized_area_high, missing_depth, natural_correct, guessing, rank_one_out_low, rank_one_out_high, "
            "passes_up_to, passes_depth, fails_from, basis, depth_first, depth_last, entry_modality, generation_model, "
            "model_class, participants, stages, left_out_area, left_out_error"
        ),
        "modality": (
            "left_out_area_coverage, left_out_area_error, left_out_coverage, left_out_mean_error, left_out_r2, "
            "run_stages?, run_stages_unpredicted?, noise_ceiling_r2, noise_ceiling_r2_low, noise_ceiling_r2_high"
        ),
        "left_out_point": (
            "left_out_model, left_out_stage, left_out_modality, left_out_human, left_out_predicted, left_out_low, "
            "left_out_high"
        ),
        "own_point": "own_model?, own_stage?, own_modality?, own_human?, own_sem?, own_predicted?, own_low?, own_high?",
    },
    meanings=MEANINGS,
)
ENTRY = RunFile(
    "leaderboard/entries/<generation_model>/<entry>.nc",
    coordinates="stage",
    variables={
        "": (
            "entry_format, generation_model, entry_modality, basis, published_as, registry_entry, creator_name, "
            "creator_email, creator_url, creator_institution, entry_license, categories, natural_correct, guessing, "
            "normalized_area, normalized_area_low, normalized_area_high, missing_depth, passes_up_to, passes_depth, "
            "fails_from, asked_families, generation_family"
        ),
        "stage": (
            "stage_depth, listed, recognizability, recognizability_low, recognizability_high, other_models, "
            "other_models_standard_error, other_models_low, other_models_high, participants, participants_tested, "
            "natural_difference, natural_difference_low, natural_difference_high, standard_error, p_equivalence, "
            "p_worse"
        ),
        "item": "item_kind, item_name, fingerprint",
    },
    meanings=MEANINGS,
)
