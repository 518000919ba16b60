"""Files of the experiment for participants."""

from metamers.run.declared import Meanings, RunFile

MEANINGS: Meanings = {
    "shown": "number of the exhibit that is shown",
    "order": "order of trials, one for each participant",
}

EXPERIMENT = RunFile(
    "experiment/<modality>.nc",
    coordinates="order, exhibit",
    variables={
        "order, trial": "shown",
        "exhibit": "kind, stimulus, category, generation_model, stage, seed",
    },
    meanings=MEANINGS,
)
