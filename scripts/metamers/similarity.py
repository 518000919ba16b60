"""Representational similarity: which stimuli are alike to a stage, and whether two stages agree about it."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from scipy.spatial.distance import pdist


def dissimilarity(activations: np.ndarray) -> np.ndarray:
    """Representational dissimilarity: 1 - Pearson r between the activations of every two stimuli.

    Parameters
    ----------
    activations
        (stimulus, …).

    Returns
    -------
    numpy.ndarray
        (pair,): the upper triangle row by row, as SciPy's ``squareform`` takes it; NaN where a stimulus's activations
        do not vary.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return pdist(activations.reshape(len(activations), -1).astype(np.float64), metric="correlation")


def agreement(dissimilarities: np.ndarray) -> np.ndarray:
    """Spearman correlation between representations: of their dissimilarities, over pairs of stimuli.

    Parameters
    ----------
    dissimilarities
        (representation, pair).

    Returns
    -------
    numpy.ndarray
        (representation, representation), NaN where one has a NaN.
    """
    import scipy.stats  # here, since most who import this module do no such statistics

    ranks = scipy.stats.rankdata(dissimilarities, axis=1, nan_policy="propagate")
    ranks -= ranks.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ranks /= np.linalg.norm(ranks, axis=1, keepdims=True)
    return (ranks @ ranks.T).clip(-1, 1)


def of_participants(measured: xr.DataArray) -> dict[str, np.ndarray]:
    """Dissimilarity of responses in each participant's voxels, participant → (pair,).

    Parameters
    ----------
    measured
        (stimulus, voxel, repetition), with ``participant`` of each voxel.

    Raises
    ------
    ValueError
        When a participant has a single voxel, whose responses correlate with nothing.
    """
    mean = measured.transpose("stimulus", "voxel", "repetition").mean("repetition").values
    who = measured["participant"].values
    names, voxels = np.unique(who, return_counts=True)
    if alone := [str(name) for name in names[voxels < 2]]:
        raise ValueError(
            f"responses: one voxel of {', '.join(alone)}; representational similarity needs two of each participant. "
            "`analyses.similarity.models: []` leaves it out."
        )
    return {str(one): dissimilarity(mean[:, who == one]) for one in dict.fromkeys(who)}


def similarity(
    models: Mapping[str, xr.Dataset], people: Mapping[str, np.ndarray] | None, stimuli: np.ndarray
) -> xr.Dataset:
    """Agreement of all stages of all models about which stimuli are alike, and with brains where there are any.

    Parameters
    ----------
    models
        Model → ``dissimilarity`` (stage, pair).
    people
        What ``of_participants`` gives of the same stimuli, or None.
    stimuli
        Their names.

    Returns
    -------
    xarray.Dataset
        (representation, other_representation) → ``spearman_rho``, with ``representation_model`` and
        ``representation_stage`` of each; (representation, pair) → ``dissimilarity``, with ``stimulus_a`` and
        ``stimulus_b`` of each pair. With people also (participant, representation) → ``brain_spearman_rho``, and
        (participant) → ``brain_agreement``: with the mean of all others, a lower bound of what a perfect model would
        reach (Nili et al. 2014).
    """
    counts = [one.sizes["stage"] for one in models.values()]
    values = np.concatenate([one["dissimilarity"].values for one in models.values()])
    first, second = np.triu_indices(len(stimuli), 1)
    found = xr.Dataset(
        {
            "spearman_rho": (("representation", "other_representation"), agreement(values)),
            "dissimilarity": (("representation", "pair"), values),
        },
        coords={
            "representation_model": (
                "representation",
                np.repeat(list(models), counts),
            ),
            "representation_stage": ("representation", np.concatenate([m["stage"].values for m in models.values()])),
            "stimulus_a": ("pair", stimuli[first]),
            "stimulus_b": ("pair", stimuli[second]),
        },
    )
    if people is None:
        return found
    brains = np.stack(list(people.values()))
    others = (brains.sum(axis=0) - brains) / (len(brains) - 1)
    between = agreement(np.concatenate([brains, values, others]))
    return found.assign(
        brain_spearman_rho=(("participant", "representation"), between[: len(brains), len(brains) : -len(brains)]),
        brain_agreement=("participant", np.diag(between[: len(brains), -len(brains) :])),
    ).assign_coords(participant=list(people))
