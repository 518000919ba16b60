"""Registry entries of the networks of ``tests/networks/tiny.py``, and their models."""

import torch

from metamers.models import load as models_load

CPU = torch.device("cpu")
IMAGE_INPUT = {"size": 8, "mean": [0.5] * 3, "std": [0.5] * 3}
SOUND_INPUT = {
    "sampling_rate_hz": 8000,
    "duration_s": 0.25,
    "cochleagram": {"high_hz": 4000, "filters": 10, "sample_factor": 1, "taps": 201},
}


def tiny(root, function, stages, **entry):
    source = {"python": f"{root}/tests/networks/tiny.py:{function}"}
    return {
        "modality": "vision",
        "source": source,
        "weights": {"random": 0},
        "input": IMAGE_INPUT,
        "stages": stages,
    } | entry


def load(entry, weights=None):
    return models_load.load_model("tiny", entry, weights, CPU)
