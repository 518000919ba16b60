"""Made-up people who recognize metamers of two models."""

import numpy as np
import xarray as xr

STAGES = ["natural", "input", "one", "two"]
POINTS = [("m", "one"), ("m", "two"), ("k", "one"), ("k", "two")]


def experiment(participants=8, noise=0.05, seed=0):
    """People who recognize stage one of m best, and two of k worst."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.99, 0.95, 0.9, 0.4], [0.99, 0.95, 0.7, 0.1]])
    human = np.clip(means + noise * rng.standard_normal((participants, 2, 4)), 0, 1)
    values = np.stack([human, np.ones_like(human)], axis=-1)
    return xr.Dataset(
        {
            "proportion_correct": (("participant", "generation_model", "stage", "observer"), values),
            "stage_number": (("generation_model", "stage"), np.tile(np.arange(4), (2, 1))),
        },
        coords={
            "participant": [f"worker {number}" for number in range(participants)],
            "generation_model": ["m", "k"],
            "stage": STAGES,
            "observer": ["human", "model"],
            "model_class": ("generation_model", ["standard", "robust"]),
        },
    )
