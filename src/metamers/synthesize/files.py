"""Files of synthesis."""

from metamers.run.declared import MATCH, RunFile

SYNTHESIS = RunFile(
    "synthesis/<generation_model>/<stage>/<batch>.nc",
    coordinates="stimulus, seed",
    variables={
        "stimulus, seed, signal": "metamer",
        "stimulus, seed, step": "loss",
        "stimulus, seed": "steps",
    },
)
METAMERS = RunFile(
    "metamers/<generation_model>/<stage>/<batch>.nc",
    coordinates="stimulus, seed",
    variables={
        "stimulus, seed, signal": "metamer",
        "stimulus, seed, step": "loss",
        "stimulus, seed": f"{MATCH}, predicted_category?, steps, converged?",
        "stimulus": "natural_category?, category, label",
    },
)
