"""Files of Brain-Score."""

from metamers.run.declared import NO_UNIT, Meanings, RunFile

ANSWERS_OF_PARTICIPANTS = ("brainscore/", "logs/brainscore_plugin.log")  # benchmarks have answers of own participants
METADATA = "metadata.yaml"  # in benchmarks/model_metamers/ and models/model_metamers/ of the plugin; Brain-Score's form
MEANINGS: Meanings = {
    "subject": ("number of the participant", NO_UNIT),
    "brainscore": "squared correlation of a model's with participants' recognition over its noise ceiling, 0 to 1",
    "brainscore_error": "standard error of the score over participants (jackknife)",
    "brainscore_r2": "squared correlation of a model's with participants' recognition over stages, 0 if negative",
    "brainscore_ceiling": "noise ceiling of R²: split-half reliability of human means (Spearman-Brown corrected)",
    "candidate_mean": "proportion correct of the model that is scored, mean over the images that participants saw",
    "benchmark": ("benchmark for Brain-Score", NO_UNIT),
    "candidate": ("model that is scored on a benchmark", NO_UNIT),
    "participant_group": ("experiment of the published study, or group of own participants", NO_UNIT),
}

ANSWERS = RunFile(
    "brainscore/plugin/data/model_metamers/<experiment>.nc",
    coordinates="subject",
    variables={
        "presentation, subject": "proportion_correct",
        "presentation": "condition, generation_model, stage, model_class",
    },
    meanings=MEANINGS,
)
SCORES = RunFile(
    "brainscore/scores.nc",
    coordinates="benchmark, candidate, point",
    variables={
        "benchmark, candidate": "brainscore, brainscore_error, brainscore_r2",
        "benchmark": "brainscore_ceiling",
        "point": "human_mean, participant_group, generation_model, stage",
        "candidate, point": "candidate_mean",
    },
    meanings=MEANINGS,
)
