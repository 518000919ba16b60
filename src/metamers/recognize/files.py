"""Files of recognition by models."""

from metamers.run.declared import RunFile

NATURAL_RECOGNITION = RunFile(
    "natural_recognition/<recognition_model>.nc",
    coordinates="stimulus",
    variables={
        "stimulus": "answer, correct, category, label",
    },
)
RECOGNITION = RunFile(
    "recognition/<generation_model>/<recognition_model>.nc",
    coordinates="stage, stimulus, seed",
    variables={
        "stage, stimulus, seed": "answer, correct",
        "stimulus": "category, label",
    },
)
