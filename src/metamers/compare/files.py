"""Files of comparisons."""

from dataclasses import replace

from metamers.run.declared import NO_UNIT, Meanings, RunFile

MEANINGS: Meanings = {
    "other_models_chance": "mean over the other models of chance_agreement",
    "chance_agreement": (
        "expected proportion correct if a recognition model's answers were assigned to the metamers at random"
    ),
    "cohens_kappa": "Cohen's kappa: agreement beyond chance, 0 by chance, 1 if always right",
    "cohens_kappa_low": "low end of the 95% interval (Clopper-Pearson, at the given chance) of cohens_kappa",
    "cohens_kappa_high": "high end of the 95% interval (Clopper-Pearson, at the given chance) of cohens_kappa",
    "relative_to_natural": (
        "proportion_correct minus guessing, divided by that of natural stimuli: 1 if recognized as often"
    ),
    "relative_to_natural_low": "low end of the 95% interval of relative_to_natural over stimuli",
    "relative_to_natural_high": "high end of the 95% interval of relative_to_natural over stimuli",
    "most_frequent_answer": ("most frequent answer of a recognition model", NO_UNIT),
    "most_frequent_answer_share": "proportion of answers that are most_frequent_answer",
    "single_answer": "whether a recognition model gives nearly all metamers, of several categories, the same answer",
    "error_consistency": "agreement of two recognition models in right and wrong answers beyond their accuracy (kappa)",
    "error_consistency_low": "low end of the 95% interval of error_consistency over stimuli",
    "error_consistency_high": "high end of the 95% interval of error_consistency over stimuli",
    "observed_agreement": "proportion of stimuli about which two recognition models are both right or both wrong",
    "expected_agreement": "observed_agreement that is expected if errors are independent at the same accuracy",
    "participant_consistency": (
        "error consistency (kappa) of own participants and a recognition model, mean over participants"
    ),
    "participant_consistency_low": (
        "low end of the 95% interval of participant_consistency over participants and stimuli"
    ),
    "participant_consistency_high": (
        "high end of the 95% interval of participant_consistency over participants and stimuli"
    ),
    "other_model": ("second recognition model of a pair", NO_UNIT),
    "between_families": (
        "mean error_consistency of pairs of models of different families without the generation model, each pair of "
        "families once"
    ),
    "between_families_low": "low end of the 95% interval of between_families over stimuli",
    "between_families_high": "high end of the 95% interval of between_families over stimuli",
    "between_families_pairs": "number of pairs in between_families; each of both models is sometimes right and wrong",
    "within_family": (
        "mean error_consistency of pairs of models of one family without the generation model, each family once"
    ),
    "within_family_low": "low end of the 95% interval of within_family over stimuli",
    "within_family_high": "high end of the 95% interval of within_family over stimuli",
    "within_family_pairs": "number of pairs in within_family; each of both models is sometimes right and wrong",
    "unrelated_models": (
        "mean recognizability by models of other families than the generation model's, each family counted once"
    ),
    "unrelated_models_standard_error": "standard error of the mean by unrelated models, over stimuli",
    "unrelated_models_low": "low end of the 95% interval of unrelated_models over stimuli",
    "unrelated_models_high": "high end of the 95% interval of unrelated_models over stimuli",
    "sibling_models": "mean recognizability by other models of the generation model's family",
    "sibling_models_standard_error": "standard error of the mean by siblings, over stimuli",
    "sibling_models_low": "low end of the 95% interval of sibling_models over stimuli",
    "sibling_models_high": "high end of the 95% interval of sibling_models over stimuli",
    "other_models_families_standard_error": "standard error of the mean by the other models, over families",
    "other_models_families_low": "low end of the 95% interval of other_models over stimuli and families",
    "other_models_families_high": "high end of the 95% interval of other_models over stimuli and families",
    "first_minus_last_difference": (
        "proportion correct of other models at the first stage after the input minus that at the last stage, for the "
        "same stimuli, mean over generation models"
    ),
    "first_minus_last_low": "low end of the 95% interval of first_minus_last_difference over stimuli",
    "first_minus_last_high": "high end of the 95% interval of first_minus_last_difference over stimuli",
    "first_minus_last_n": "number of stimuli with accepted metamers of a generation model at both stages",
    "first_minus_last_unrelated_families": (
        "number of families of recognition models that are unrelated to a generation model, smallest over generation "
        "models"
    ),
    "first_minus_last_match_suffices": (
        "whether at least half of the metamers of each compared stage have reached the target of synthesis"
    ),
    "first_minus_last_normalized_error": (
        "largest median normalized error of the metamers, accepted or not, of the first and last stages of the models"
    ),
    "recognition_family": ("family of the recognition model", NO_UNIT),
    "late_difference": "difference in recognizability over the later half of the stages",
    "late_low": "low end of the 95% interval of late_difference",
    "late_high": "high end of the 95% interval of late_difference",
    "late_n": "number of stimuli in the mean of late_difference",
    "late_left_out": (
        "number of stimuli left out, because accepted metamers of both sides exist only at some of these stages"
    ),
    "late_families_standard_error": "standard error of late_difference over families of recognition models",
    "late_difference_by_recognition_model": "late_difference by one recognition model",
    "late_stages": ("stages of the later half", NO_UNIT),
    "judged_by": ("recognition models that judge both sides", NO_UNIT),
    "related_recognition_models": ("recognition models of the family of one of the two models", NO_UNIT),
    "networks": "number of networks of the model, which differ by the seed of their training",
    "reference_networks": "number of networks of the reference, which differ by the seed of their training",
    "late_networks": "number of networks of the model that have a stimulus in late_difference",
    "late_reference_networks": "number of networks of the reference that have a stimulus in late_difference",
    "late_unrelated_families": "number of families of recognition models that are unrelated to the compared models",
    "late_match_suffices": (
        "whether at least half of the metamers of each compared stage have reached the target of synthesis"
    ),
    "late_normalized_error": (
        "largest median normalized error of the metamers of the compared models, accepted or not, at these stages"
    ),
    "model_mean": "proportion correct of other models, mean over models",
    "model_sem": "standard error of the mean over models",
    "model_n": "number of other models",
    "published_pearson_r2": "pearson_r2 in the paper",
    "published_spearman_rho": "spearman_rho in the paper",
    "published_kendall_tau": "kendall_tau in the paper",
    "noise_ceiling_r2_participants_low": "low end of the 95% interval over participants of noise_ceiling_r2",
    "noise_ceiling_r2_participants_high": "high end of the 95% interval over participants of noise_ceiling_r2",
    "pearson_r2_of_ceiling": "pearson_r2 divided by noise_ceiling_r2",
    "pearson_r2_of_ceiling_low": "low end of the 95% interval over models and participants of pearson_r2_of_ceiling",
    "pearson_r2_of_ceiling_high": "high end of the 95% interval over models and participants of pearson_r2_of_ceiling",
    "partial_r2": "squared partial correlation of human and model means, given position and its square, with its sign",
    "partial_r2_low": "low end of the 95% interval over models of partial_r2",
    "partial_r2_high": "high end of the 95% interval over models of partial_r2",
    "inside_r2": "squared correlation of human and model means where both are between 0.2 and 0.9, with its sign",
    "inside_r2_low": "low end of the 95% interval over models of inside_r2",
    "inside_r2_high": "high end of the 95% interval over models of inside_r2",
    "depth_r2": "squared correlation of human means and the position of the stage",
    "depth_r2_low": "low end of the 95% interval over models of depth_r2",
    "depth_r2_high": "high end of the 95% interval over models of depth_r2",
    "depth_square_r2": "R² of the regression of human means on the position and its square",
    "depth_square_r2_low": "low end of the 95% interval over models of depth_square_r2",
    "depth_square_r2_high": "high end of the 95% interval over models of depth_square_r2",
    "inside_n": "number of points at which both means are between 0.2 and 0.9",
    "recognition_models": "number of recognition models with public answers",
    "recognition_models_in_paper": "number of recognition models in the paper",
    "recognition_spread": "components of the spread of the published recognition models, in log odds above chance",
    "published_recognition_models": "number of published recognition models of a family",
    "related_share": "mean share of the generation model's family among the recognition models of a published point",
    "spread_component": ("component of the spread of recognition models", NO_UNIT),
    "conclusion": ("what is compared: the first stage with the last one, or two models", NO_UNIT),
    "criterion": ("acceptance of the run, or stricter: snr_db at least 0 dB and 3 dB above the largest null", NO_UNIT),
    "accepted_metamers": "number of accepted metamers of the compared models and stages",
    "degree": ("verdict: shown, suggested or undecided", NO_UNIT),
    "f": "F statistic",
    "df_effect": "degrees of freedom of the effect",
    "df_error": "degrees of freedom of the error",
    "p_permutation": (
        "p of the permutation test; missing for min F′ and for stages and interactions of own participants against a "
        "network"
    ),
    "p_permutation_plus_one": "p of the permutation test, counting the data as one permutation",
    "p_holm": (
        "p_permutation_plus_one, or p_greenhouse_geisser where it is missing, adjusted by Holm for the number of tests "
        "of the same comparison"
    ),
    "epsilon": "Greenhouse and Geisser's correction of the degrees of freedom",
    "p_greenhouse_geisser": "p of the F distribution with the degrees of freedom times epsilon",
    "partial_eta_squared": "partial eta squared",
    "test": ("experiment, and generation model or published name of the comparison", NO_UNIT),
    "effect": ("effect of the analysis of variance", NO_UNIT),
    "comparison": ("kind of comparison: human and model, models, or stages", NO_UNIT),
    "generalizes_to": ("participants and stimuli for which the result of the test holds", NO_UNIT),
    "experiment": ("experiment of the published study", NO_UNIT),
    "p_not_worse": "p of the hypothesis that natural_difference is at most minus the margin",
    "passes": (
        "whether participants recognize the metamers of the stage, and of all stages before it, as often as natural "
        "stimuli, within the margin (p_equivalence up to 0.05)"
    ),
    "not_worse": (
        "whether participants recognize the metamers of the stage, and of all stages before it, no less often than "
        "natural stimuli, within the margin (p_not_worse up to 0.05)"
    ),
    "fails": (
        "whether participants recognize the metamers of the stage, and of all stages after it, less often than natural "
        "stimuli by more than the margin (p_worse up to 0.05)"
    ),
    "power_if_equal": (
        "probability that the stage alone passes if participants recognize its metamers as often as natural stimuli, "
        "in a study like the published ones, whose margin is estimated from new participants"
    ),
    "model_modality": ("modality of the generation model", NO_UNIT),
    "not_worse_up_to": ("last stage that is not worse; empty if there is none", NO_UNIT),
    "passes_up_to_by_margin": (
        "last stage that passes if the margin is margin_factor times as large; empty if there is none, or no test",
        NO_UNIT,
    ),
    "not_worse_up_to_by_margin": (
        "last stage that is not worse if the margin is margin_factor times as large; empty if there is none",
        NO_UNIT,
    ),
    "fails_from_by_margin": (
        "first stage that fails if the margin is margin_factor times as large; empty if there is none, or no test",
        NO_UNIT,
    ),
    "margin_factor": "factor by which the margin, which is a choice, is multiplied",
    "natural_sd": (
        "standard deviation between participants of the probability of recognizing natural stimuli, without chance"
    ),
    "natural_participants": "number of participants with answers to natural stimuli",
    "margin": (
        "largest difference from natural stimuli that passes, a choice: the root mean square difference between two "
        "participants' recognition of natural stimuli"
    ),
    "margin_standard_error": (
        "standard error of the margin over participants, downwards: distance to its lower 95% limit over 1.645"
    ),
    "fewest_participants": "number of participants below which no stage with the median standard deviation can pass",
}

RECOGNIZABILITY = RunFile(
    "comparison/recognizability.nc",
    coordinates="generation_model, recognition_model, modality, stage",
    variables={
        "generation_model, stage, recognition_model": (
            "proportion_correct, standard_error, low, high, n, chance_agreement, cohens_kappa, cohens_kappa_low, "
            "cohens_kappa_high, most_frequent_answer, most_frequent_answer_share, single_answer, relative_to_natural, "
            "relative_to_natural_low, relative_to_natural_high"
        ),
        "generation_model, stage": (
            "other_models, other_models_standard_error, other_models_chance, other_models_low, other_models_high, "
            "unrelated_models, unrelated_models_standard_error, unrelated_models_low, unrelated_models_high, "
            "sibling_models, sibling_models_standard_error, sibling_models_low, sibling_models_high, "
            "other_models_families_standard_error, other_models_families_low, other_models_families_high, stage_number"
        ),
        "modality": (
            "first_minus_last_difference, first_minus_last_low, first_minus_last_high, first_minus_last_n, "
            "first_minus_last_unrelated_families, first_minus_last_match_suffices, first_minus_last_normalized_error"
        ),
        "generation_model": "generation_family",
        "recognition_model": "recognition_family",
    },
    meanings=MEANINGS,
)
ERROR_CONSISTENCY = RunFile(
    "comparison/error_consistency.nc",
    coordinates="generation_model, stage, recognition_model, other_model",
    variables={
        "generation_model, stage, recognition_model, other_model": (
            "error_consistency, error_consistency_low, error_consistency_high, observed_agreement, expected_agreement, "
            "n"
        ),
        "generation_model, stage": (
            "between_families, between_families_low, between_families_high, between_families_pairs, within_family, "
            "within_family_low, within_family_high, within_family_pairs, stage_number"
        ),
    },
    meanings=MEANINGS,
)
OWN_PARTICIPANTS_CONSISTENCY = RunFile(
    "comparison/own_participants_consistency.nc",
    coordinates="generation_model, stage, recognition_model",
    variables={
        "generation_model, stage, recognition_model": (
            "participant_consistency, participant_consistency_low, participant_consistency_high, participants"
        ),
        "generation_model, stage": "stage_number",
    },
    meanings=MEANINGS,
)
CONTRASTS = RunFile(
    "comparison/contrasts.nc",
    coordinates="recognition_model, contrast, stage",
    variables={
        "contrast, stage": "difference, low, high, n, stage_number",
        "contrast": (
            "late_difference, late_low, late_high, late_n, late_left_out, late_families_standard_error, late_stages, "
            "judged_by, related_recognition_models, networks, reference_networks, late_networks, "
            "late_reference_networks, late_unrelated_families, late_match_suffices, late_normalized_error, model, "
            "reference"
        ),
        "contrast, recognition_model": "late_difference_by_recognition_model",
    },
    meanings=MEANINGS,
)
CRITERION = RunFile(
    "comparison/criterion.nc",
    coordinates="conclusion, criterion",
    variables={"conclusion, criterion": "difference, low, high, n, accepted_metamers, degree"},
    meanings=MEANINGS,
)
HUMANS_VS_MODELS = RunFile(
    "comparison/humans_vs_models.nc",
    coordinates="spread_component?, recognition_family?, modality, point",
    variables={
        "modality, point": (
            "human_mean, human_sem, human_n, model_mean, model_sem, model_n, model_class, generation_model, stage, "
            "generation_family?"
        ),
        "modality": (
            "pearson_r2, pearson_r2_low, pearson_r2_high, spearman_rho, spearman_rho_low, spearman_rho_high, "
            "kendall_tau, kendall_tau_low, kendall_tau_high, published_pearson_r2, published_spearman_rho, "
            "published_kendall_tau, noise_ceiling_r2, noise_ceiling_r2_low, noise_ceiling_r2_high, "
            "noise_ceiling_r2_participants_low, noise_ceiling_r2_participants_high, pearson_r2_of_ceiling, "
            "pearson_r2_of_ceiling_low, pearson_r2_of_ceiling_high, partial_r2, partial_r2_low, "
            "partial_r2_high, inside_r2, inside_r2_low, inside_r2_high, depth_r2, depth_r2_low, depth_r2_high, "
            "depth_square_r2, depth_square_r2_low, depth_square_r2_high, inside_n, recognition_models, "
            "recognition_models_in_paper, related_share?"
        ),
        "modality, spread_component": "recognition_spread?",
        "modality, recognition_family": "published_recognition_models?",
    },
    meanings=MEANINGS,
)
OWN_PARTICIPANTS_VS_MODELS = replace(HUMANS_VS_MODELS, path="comparison/own_participants_vs_models.nc")
ANOVA = RunFile(
    "comparison/anova.nc",
    coordinates="test, effect",
    variables={
        "test, effect": (
            "f, df_effect, df_error, p_permutation, p_permutation_plus_one, p_holm, epsilon, p_greenhouse_geisser, "
            "partial_eta_squared"
        ),
        "test": "comparison, generalizes_to, experiment, generation_model",
    },
    meanings=MEANINGS,
)
PASSES = RunFile(
    "comparison/passes.nc",
    coordinates="generation_model, stage, margin_factor, modality",
    variables={
        "generation_model, stage": (
            "natural_difference, natural_difference_low, natural_difference_high, standard_error, participants, "
            "p_equivalence, p_not_worse, p_worse, passes, not_worse, fails, power_if_equal, stage_depth, stage_number"
        ),
        "generation_model": "model_class, model_modality, passes_up_to, not_worse_up_to, fails_from",
        "generation_model, margin_factor": "passes_up_to_by_margin, not_worse_up_to_by_margin, fails_from_by_margin",
        "modality": (
            "natural_sd, natural_participants, margin, margin_standard_error, fewest_participants, participants_needed"
        ),
    },
    meanings=MEANINGS,
)
PREDICTED_HUMAN = RunFile(
    "comparison/predicted_human.nc",
    coordinates="generation_model, stage",
    variables={
        "generation_model, stage": "predicted, low, high, reason, stage_number",
    },
)
