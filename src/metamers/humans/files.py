"""Files of answers of participants."""

from metamers.run.declared import NO_UNIT, Meanings, RunFile

# Beginnings of paths in the run's folder of files with answers of own participants, also of groups that an earlier
# configuration had, and of logs that may quote them: only the participants' consent decides whether they are published.
ANSWERS_OF_PARTICIPANTS = (
    "humans/",
    "logs/humans_own_participants/",
    "logs/humans_adaptive/",
    "logs/humans_answer_table/",
    "logs/humans_bids/",
)
MEANINGS: Meanings = {
    "observer": ("observer: human or model", NO_UNIT),
    "trials_answered": "number of trials of the participant that proportion_correct is over",
    "correct_by_stimulus": (
        "proportion of right answers of the participants who met the stimulus at the stage, and of the generation "
        "model to what they met"
    ),
    "correct_by_exhibit": "1 if the participant's answer to the exhibit is right, 0 if wrong; missing if there is none",
    "excluded": "number of participants excluded for this reason",
    "answered_after_reload": "number of answers after a reload to stimuli shown before it",
    "rows_set_aside": "number of rows of the files that were not valid answers and do not count",
    "files_set_aside": "number of files that do not count: not parsable, of another experiment, or without consent",
    "exclusion": ("reason for excluding participants", NO_UNIT),
    "value_prior": "prior density of the value",
    "value_posterior": "posterior density of the value",
    "value": "value of the parameter that the experiment asks for: position of a stage, or a difference in log odds",
    "estimate": "posterior mean of the parameter",
    "estimate_low": "low end of the 95% credible interval of the parameter",
    "estimate_high": "high end of the 95% credible interval of the parameter",
    "estimate_bayes_factor": "Bayes factor for a difference against no difference",
    "answers_suffice": "1 if the experiment has the precision or evidence at which it stops, else 0",
    "condition_depth": "position of the stage: 0 for the first stage that is shown, 1 for the last",
    "answers_correct": "number of correct answers",
    "answers_given": "number of answers",
    "fitted_proportion": "posterior mean of the proportion correct over participants",
    "fitted_low": "low end of the 95% credible interval of fitted_proportion",
    "fitted_high": "high end of the 95% credible interval of fitted_proportion",
    "participants_included": "number of participants whose answers count",
}

HUMANS = RunFile(
    "humans/<experiment>.nc",
    coordinates="generation_model, stage, participant, observer, stimulus?, exhibit?, exclusion?",
    variables={
        "participant, generation_model, stage, observer": "proportion_correct",
        "generation_model, stage": "stage_number",
        "generation_model": "model_class",
        "participant, generation_model, stage": "trials_answered?",
        "stimulus, generation_model, stage, observer": "correct_by_stimulus?",
        "participant, exhibit": "correct_by_exhibit?",
        "exclusion": "excluded?",
        "": "answered_after_reload?, rows_set_aside?, files_set_aside?",
    },
    meanings=MEANINGS,
)
SHOWN = RunFile(
    "humans/shown/<own_participants>.nc",
    coordinates="exhibit",
    variables={
        "exhibit": "kind, stimulus, category, generation_model, stage, seed",
    },
)
ADAPTIVE = RunFile(
    "humans/adaptive/<adaptive_participants>.nc",
    coordinates="value, generation_model, stage, exclusion",
    variables={
        "value": "value_prior, value_posterior",
        "": (
            "estimate, estimate_low, estimate_high, estimate_bayes_factor?, answers_suffice, participants_included, "
            "answered_after_reload, rows_set_aside, files_set_aside"
        ),
        "generation_model, stage": (
            "condition_depth, answers_correct, answers_given, fitted_proportion, fitted_low, fitted_high, stage_number"
        ),
        "exclusion": "excluded",
    },
    meanings=MEANINGS,
)
