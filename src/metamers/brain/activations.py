"""Activations of a model's stages as features that predict voxels.

The regression is in ``metamers.brain.regression``.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.modalities import MODALITIES


def features(activations: np.ndarray, modality: str) -> np.ndarray:
    """Turn activations (stimulus, …) into features (stimulus, unit); those of sounds are averaged over time.

    A measured response lasts longer than a sound, so Feather et al. (2023, Methods, fMRI analysis) average activations
    of shape (channel, frequency, time) over time. Activations of any other shape, and those of images, are only
    flattened.
    """
    axis = MODALITIES[modality].time_axis
    averaged = activations.mean(axis=axis) if axis is not None and activations.ndim == axis + 1 else activations
    return averaged.reshape(len(averaged), -1)


def activations_dataset(by_stage: Mapping[str, np.ndarray], stimuli: Sequence[str]) -> xr.Dataset:
    """Join the features of all stages in one Dataset.

    Parameters
    ----------
    by_stage
        Stage → features (stimulus, unit).
    stimuli
        Names of the stimuli.

    Returns
    -------
    xarray.Dataset
        (stimulus, unit) → ``activation``; (unit) → ``unit_stage``: position, in the coordinate ``stage``, of the stage
        that the unit belongs to.
    """
    return xr.Dataset(
        {
            "activation": (("stimulus", "unit"), np.concatenate(list(by_stage.values()), axis=1)),
            "unit_stage": ("unit", np.repeat(np.arange(len(by_stage)), [v.shape[1] for v in by_stage.values()])),
        },
        coords={"stimulus": list(stimuli), "stage": list(by_stage)},
    )


def features_by_stage(activations: xr.Dataset) -> dict[str, np.ndarray]:
    """Split the Dataset of ``activations_dataset`` into the features of each stage: stage → (stimulus, unit)."""
    values, place = activations["activation"].values, activations["unit_stage"].values
    return {str(stage): values[:, place == n] for n, stage in enumerate(activations["stage"].values)}
