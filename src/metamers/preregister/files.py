"""Files of preregistration."""

from metamers.run.declared import NO_UNIT, Meanings, RunFile

MEANINGS: Meanings = {
    "possible_proportion": "possible proportion correct of participants; all samples are equally probable",
    "reference_proportion": (
        "possible proportion correct of participants, if a model is like the published ones at the same depth"
    ),
    "log_odds_variance": "variance between participants of the log odds of a correct answer",
    "expected_participants": "number of participants for which low and high are",
    "expected_trials": "number of answers of each participant, model and stage for which low and high are",
    "frozen_at": ("time at which the prediction was frozen (UTC)", NO_UNIT),
    "answered": "number of participants' answers",
    "correct_answers": "number of participants' correct answers",
    "observed": "proportion of participants' answers that are correct",
    "inside_frozen": "observed is between low and high, which are for the expected numbers of participants and answers",
    "log_score": "natural logarithm of the predicted probability of correct_answers",
    "log_score_depth": (
        "the same for the reference: participants' recognition of published models' metamers at the same depth"
    ),
    "log_score_guessing": "the same for participants who guess",
    "pit_low": "predicted probability of fewer correct answers",
    "pit_high": "predicted probability of as many correct answers or fewer",
    "pit": "random value between pit_low and pit_high, uniform if the prediction is calibrated",
    "interval_low": "low end of the central interval of observed, for the number of answers",
    "interval_high": "high end of the central interval of observed, for the number of answers",
    "interval_probability": "predicted probability of the central interval, at least its level",
    "inside": "observed is in the central interval",
    "evidence": "sum over models of the mean of log_score minus log_score_depth over the model's stages",
    "coverage": "proportion of points that are in their central intervals",
    "expected_coverage": "mean of interval_probability, the expected coverage",
    "level": "nominal probability of the central interval",
    "frozen_sha256": ("SHA-256 of the file of the frozen prediction", NO_UNIT),
    "first_answer": ("earliest time at which a file of answers was last written (UTC)", NO_UNIT),
    "answer_files_before": "number of files of answers that are older than the frozen prediction",
    "unscored_model": ("generation model of a judged stage without prediction", NO_UNIT),
    "unscored_stage": ("judged stage without prediction", NO_UNIT),
    "unscored_frozen": "true: the frozen file has the stage, without a prediction",
    "unjudged_model": ("generation model of a predicted stage that nobody judged", NO_UNIT),
    "unjudged_stage": ("predicted stage that nobody judged", NO_UNIT),
    "changed_kind": ("kind of an item that changed after the prediction was frozen", NO_UNIT),
    "changed_item": ("path or name of the item", NO_UNIT),
    "change": ("changed, missing or new, or the values before and now", NO_UNIT),
}

FROZEN = RunFile(
    "preregistered/<run>.nc",
    coordinates="generation_model, stage",
    variables={
        "generation_model, stage": "predicted, low, high, reason, stage_number",
        "generation_model, stage, sample": "possible_proportion, reference_proportion",
        "generation_model": "guessing, log_odds_variance",
        "": "expected_participants, expected_trials, frozen_at",
        "item": "item_kind, item_name, fingerprint",
    },
    meanings=MEANINGS,
)
SCORED = RunFile(
    "comparison/preregistered.nc",
    coordinates="level",
    variables={
        "point": (
            "generation_model, stage, participants, answered, correct_answers, observed, predicted, low, high, "
            "inside_frozen, log_score, log_score_depth, log_score_guessing, pit_low, pit_high, pit"
        ),
        "point, level": "interval_low, interval_high, interval_probability, inside",
        "": "evidence, frozen_at, frozen_sha256, first_answer, answer_files_before",
        "level": "coverage, expected_coverage",
        "unscored": "unscored_model?, unscored_stage?, unscored_frozen?",
        "unjudged": "unjudged_model?, unjudged_stage?",
        "change_number": "changed_kind?, changed_item?, change?",
    },
    meanings=MEANINGS,
)
