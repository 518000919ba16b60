"""Simulated participants of an experiment, as its summary has them."""

import numpy as np
import xarray as xr
from scipy.special import expit

from metamers.humans import participants as humans


def experiment(deviations, participants, trials, seed=0):
    """Participants with the given differences judge three models at five stages, of which the first does not count."""
    rng = np.random.default_rng(seed)
    shape = (participants, 3, 5)
    odds = np.linspace(2, -2, 5) + sum(
        size * rng.standard_normal((participants, *shape[1 : 1 + index], *[1] * (2 - index)))
        for index, size in enumerate(deviations)
    )
    numbers = rng.choice(trials, shape)
    correct = rng.binomial(numbers, expit(odds)) / numbers
    stages = ["natural", "a", "b", "c", "d"]
    return xr.Dataset(
        {
            "proportion_correct": (
                ("participant", "generation_model", "stage", "observer"),
                np.stack([correct, np.ones(shape)], axis=-1),
            ),
            "stage_number": (("generation_model", "stage"), np.tile(np.arange(5), (3, 1))),
        },
        coords={"generation_model": ["x", "y", "z"], "stage": stages, "observer": list(humans.OBSERVERS)},
    )
