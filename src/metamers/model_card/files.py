"""Files of model cards."""

from metamers.run.declared import NO_UNIT, Meanings, RunFile

MEANINGS: Meanings = {
    "place": "position of the stage in the order of the model's forward pass, from 0; -1 if the pass does not reach it",
    "units": "number of activations at the stage for one stimulus",
    "step_seconds": ("time of one synthesis step for a batch, forward and backward, median", "s"),
    "problem": ("reason why synthesis does not work at the stage; empty if it works", NO_UNIT),
    "parameters": "number of parameters of the network",
    "repeat_difference": (
        "largest difference between class scores of a repeated batch, in standard deviations of the scores"
    ),
    "batch_difference": (
        "largest difference between class scores of a stimulus alone and in a batch, in standard deviations of the "
        "scores"
    ),
    "top_1": "proportion of natural stimuli recognized among all classes",
    "forced_choice": "proportion of natural stimuli recognized among the dataset's categories",
    "natural_stimuli": "number of natural stimuli",
    "run_hours": ("time of the synthesis of the run's metamers on one core", "h"),
    "run_size": ("size of the run's metamers before compression", "Mbyte"),
}

CARD = RunFile(
    "model_cards/<model>.nc",
    coordinates="stage",
    variables={
        "stage": "place, units, step_seconds, peak_memory, problem",
        "": (
            "parameters, repeat_difference, batch_difference, top_1, forced_choice, categories, natural_stimuli, "
            "run_hours, run_size"
        ),
    },
    meanings=MEANINGS,
)
