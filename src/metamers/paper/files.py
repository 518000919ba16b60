"""Files of the paper: what public data and its recognition models say."""

from metamers.run.declared import NO_UNIT, Meanings, RunFile

MEANINGS: Meanings = {
    "brain_score": "Brain-Score for the area",
    "visual_area": ("area of visual cortex", NO_UNIT),
    "p_bonferroni": "p of Spearman's rho times the number of correlations, at most 1",
    "stage_variance_explained": "noise-corrected R2 of fMRI responses, median over voxels and splits, at each stage",
    "region": ("region of auditory cortex", NO_UNIT),
    "participant_variance_explained": (
        "the same as stage_variance_explained, at the stage chosen from the other participants"
    ),
    "chosen_stage": ("best stage for the mean of the other participants", NO_UNIT),
    "variance_explained": "noise-corrected R2 of fMRI responses at the best stage, mean over participants",
    "variance_explained_sem": "standard error of the mean over participants",
    "recognition_class": ("kind of the recognition model", NO_UNIT),
}

BRAIN_SCORE = RunFile(
    "comparison/brain_score.nc",
    coordinates="generation_model, visual_area",
    variables={
        "generation_model, visual_area": "brain_score, best_stage, human_mean, human_sem, human_n",
        "generation_model": "model_class",
        "visual_area": (
            "p_bonferroni, pearson_r2, pearson_r2_low, pearson_r2_high, spearman_rho, spearman_rho_low, "
            "spearman_rho_high, kendall_tau, kendall_tau_low, kendall_tau_high"
        ),
    },
    meanings=MEANINGS,
)
FMRI = RunFile(
    "comparison/fmri.nc",
    coordinates="generation_model, stage, region, participant",
    variables={
        "generation_model, stage, region, participant": "stage_variance_explained",
        "generation_model, stage": "stage_number",
        "generation_model": "model_class",
        "generation_model, region, participant": "participant_variance_explained, chosen_stage",
        "generation_model, region": (
            "variance_explained, variance_explained_sem, best_stage, human_mean, human_sem, human_n"
        ),
        "region": (
            "n, p_bonferroni, pearson_r2, pearson_r2_low, pearson_r2_high, spearman_rho, spearman_rho_low, "
            "spearman_rho_high, kendall_tau, kendall_tau_low, kendall_tau_high"
        ),
    },
    meanings=MEANINGS,
)
JUDGEMENTS = RunFile(
    "comparison/judgements_<modality>.nc",
    coordinates="generation_model, stage, recognition_model",
    variables={
        "generation_model, stage, recognition_model": "proportion_correct",
        "generation_model, stage": "stage_number",
        "generation_model": "model_class",
        "recognition_model": "recognition_class",
    },
    meanings=MEANINGS,
)
