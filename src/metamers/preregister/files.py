"""Files of preregistration."""

from metamers.run.declared import RunFile, Variable

FROZEN_AT = Variable("", "time at which the prediction was frozen (UTC)", "")

FROZEN = RunFile(
    "preregistered/<run>.nc",
    {
        "predicted": "generation_model, stage",
        "low": "generation_model, stage",
        "high": "generation_model, stage",
        "reason": "generation_model, stage",
        "stage_number": "generation_model, stage",
        "possible_proportion": Variable(
            "generation_model, stage, sample", "possible proportion correct of people; all samples are equally probable"
        ),
        "reference_proportion": Variable(
            "generation_model, stage, sample",
            "possible proportion correct of people, if a model is like the published ones at the same depth",
        ),
        "guessing": "generation_model",
        "log_odds_variance": Variable(
            "generation_model", "variance between participants of the log odds of a correct answer"
        ),
        "expected_participants": Variable("", "number of participants for which low and high are"),
        "expected_trials": Variable(
            "", "number of answers of each participant, model and stage for which low and high are"
        ),
        "frozen_at": FROZEN_AT,
        "item_kind": "item",
        "item_name": "item",
        "fingerprint": "item",
        "generation_model": "generation_model",
        "stage": "stage",
    },
)

SCORED = RunFile(
    "comparison/preregistered.nc",
    {
        "generation_model": "point",
        "stage": "point",
        "participants": "point",
        "answered": Variable("point", "number of people's answers"),
        "correct_answers": Variable("point", "number of people's correct answers"),
        "observed": Variable("point", "proportion of people's answers that are correct"),
        "predicted": "point",
        "low": "point",
        "high": "point",
        "inside_frozen": Variable(
            "point", "observed is between low and high, which are for the expected numbers of participants and answers"
        ),
        "log_score": Variable("point", "natural logarithm of the predicted probability of correct_answers"),
        "log_score_depth": Variable(
            "point", "the same for the reference: people's recognition of published models' metamers at the same depth"
        ),
        "log_score_guessing": Variable("point", "the same for people who guess"),
        "pit_low": Variable("point", "predicted probability of fewer correct answers"),
        "pit_high": Variable("point", "predicted probability of as many correct answers or fewer"),
        "pit": Variable("point", "random value between pit_low and pit_high, uniform if the prediction is calibrated"),
        "interval_low": Variable(
            "point, level", "low end of the central interval of observed, for the number of answers"
        ),
        "interval_high": Variable(
            "point, level", "high end of the central interval of observed, for the number of answers"
        ),
        "interval_probability": Variable(
            "point, level", "predicted probability of the central interval, at least its level"
        ),
        "inside": Variable("point, level", "observed is in the central interval"),
        "evidence": Variable(
            "", "sum over models of the mean of log_score minus log_score_depth over the model's stages"
        ),
        "coverage": Variable("level", "proportion of points that are in their central intervals"),
        "expected_coverage": Variable("level", "mean of interval_probability, the expected coverage"),
        "level": Variable("level", "nominal probability of the central interval"),
        "frozen_at": FROZEN_AT,
        "frozen_sha256": Variable("", "SHA-256 of the file of the frozen prediction", ""),
        "first_answer": Variable("", "earliest time at which a file of answers was last written (UTC)", ""),
        "answer_files_before": Variable("", "number of files of answers that are older than the frozen prediction"),
        "unscored_model?": Variable("unscored", "generation model of a judged stage without prediction", ""),
        "unscored_stage?": Variable("unscored", "judged stage without prediction", ""),
        "unscored_frozen?": Variable("unscored", "true: the frozen file has the stage, without a prediction"),
        "unjudged_model?": Variable("unjudged", "generation model of a predicted stage that nobody judged", ""),
        "unjudged_stage?": Variable("unjudged", "predicted stage that nobody judged", ""),
        "changed_kind?": Variable("change_number", "kind of an item that changed after the prediction was frozen", ""),
        "changed_item?": Variable("change_number", "path or name of the item", ""),
        "change?": Variable("change_number", "changed, missing or new, or the values before and now", ""),
    },
)
