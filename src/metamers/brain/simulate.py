"""Simulated brains, whose voxels are noisy linear functions of one stage, so that the correct result is known."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from metamers.brain.responses import SIMULATED_RESPONSE


def simulated_brain(
    values: np.ndarray,
    stimuli: Sequence[str],
    participants: int,
    voxels: int,
    repetitions: int,
    noise: float,
    seed: int,
) -> xr.DataArray:
    """Simulate voxels that are noisy random linear functions of the features of one stage.

    Parameters
    ----------
    values
        Features (stimulus, unit) of the stage that generates the voxels.
    stimuli
        Names of the stimuli.
    participants, voxels, repetitions
        Number of participants, of voxels per participant, and of repetitions of each stimulus.
    noise
        Standard deviation of the noise of one repetition; the noiseless response of each voxel has a standard deviation
        of 1 over stimuli.
    seed
        Random seed of the weights and the noise.

    Returns
    -------
    xarray.DataArray
        ``response`` (stimulus, voxel, repetition), with coordinates ``participant`` (voxel) and ``noiseless_response``
        (stimulus, voxel).
    """
    rng = np.random.default_rng(seed)
    varying = values - values.mean(axis=0)
    clean = varying @ rng.standard_normal((values.shape[1], participants * voxels))
    clean /= clean.std(axis=0)
    response = clean[..., None] + noise * rng.standard_normal((*clean.shape, repetitions))
    names = [f"simulated_{n + 1}" for n in range(participants) for _ in range(voxels)]
    return xr.DataArray(
        response.astype(np.float32),
        dims=("stimulus", "voxel", "repetition"),
        coords={
            "stimulus": list(stimuli),
            "participant": ("voxel", names),
            SIMULATED_RESPONSE: (("stimulus", "voxel"), clean.astype(np.float32)),
        },
        name="response",
    )
