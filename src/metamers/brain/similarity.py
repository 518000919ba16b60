"""Representational similarity: which stimuli a stage represents as similar, and whether two representations agree."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from scipy.spatial.distance import pdist


def dissimilarity(activations: np.ndarray) -> np.ndarray:
    """Compute representational dissimilarity: 1 - Pearson r between the activations of every two stimuli.

    Parameters
    ----------
    activations
        (stimulus, …).

    Returns
    -------
    numpy.ndarray
        (pair,): the upper triangle row by row, as SciPy's ``squareform`` takes it; NaN where the activations of a
        stimulus do not vary.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return pdist(activations.reshape(len(activations), -1).astype(np.float64), metric="correlation")


def dissimilarity_dataset(dissimilarities: Mapping[str, np.ndarray], stimuli: np.ndarray) -> xr.Dataset:
    """The content of ``similarity/models/<model>.nc``: (stage, pair) → ``dissimilarity``, and names of the stimuli.

    Parameters
    ----------
    dissimilarities
        Stage → what ``dissimilarity`` gives, (pair,).
    stimuli
        Names (stimulus,), in the order that pairs are counted in.
    """
    return xr.Dataset(
        {"dissimilarity": (("stage", "pair"), np.stack(list(dissimilarities.values())))},
        coords={"stage": list(dissimilarities), "stimulus": stimuli},
    )


def rank_correlations(dissimilarities: np.ndarray) -> np.ndarray:
    """Compute the Spearman correlation of the dissimilarities of every two representations, over pairs of stimuli.

    Parameters
    ----------
    dissimilarities
        (representation, pair).

    Returns
    -------
    numpy.ndarray
        (representation, representation); NaN where one of the two has a NaN.
    """
    import scipy.stats  # slow to import, and most importers of this module do not need it

    ranks = scipy.stats.rankdata(dissimilarities, axis=1, nan_policy="propagate")
    ranks -= ranks.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ranks /= np.linalg.norm(ranks, axis=1, keepdims=True)
    return (ranks @ ranks.T).clip(-1, 1)


def participant_dissimilarities(measured: xr.DataArray) -> dict[str, np.ndarray]:
    """Compute the dissimilarity of the responses in each participant's voxels: participant → (pair,).

    Parameters
    ----------
    measured
        (stimulus, voxel, repetition), with the coordinate ``participant`` (voxel).

    Raises
    ------
    ValueError
        When a participant has a single voxel: a correlation over voxels needs two.
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
    models: Mapping[str, xr.Dataset], participants: Mapping[str, np.ndarray] | None, stimuli: np.ndarray
) -> xr.Dataset:
    """Compare the representations of all stages of all models with each other, and with brains if responses are given.

    Parameters
    ----------
    models
        Model → ``dissimilarity`` (stage, pair).
    participants
        Result of ``participant_dissimilarities`` for the same stimuli, or None.
    stimuli
        Names of the stimuli.

    Returns
    -------
    xarray.Dataset
        (representation, other_representation) → ``spearman_rho``, with ``representation_model`` and
        ``representation_stage`` of each; (representation, pair) → ``dissimilarity``, with ``stimulus_a`` and
        ``stimulus_b`` of each pair. With participants also (participant, representation) → ``brain_spearman_rho``, and
        (participant) → ``brain_agreement``: correlation with the mean of all other participants, a lower bound of what
        a perfect model would reach (Nili et al. 2014).
    """
    counts = [one.sizes["stage"] for one in models.values()]
    values = np.concatenate([one["dissimilarity"].values for one in models.values()])
    first, second = np.triu_indices(len(stimuli), 1)
    similarities = xr.Dataset(
        {
            "spearman_rho": (("representation", "other_representation"), rank_correlations(values)),
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
    if participants is None:
        return similarities
    brains = np.stack(list(participants.values()))
    others = (brains.sum(axis=0) - brains) / (len(brains) - 1)
    between = rank_correlations(np.concatenate([brains, values, others]))
    return similarities.assign(
        brain_spearman_rho=(("participant", "representation"), between[: len(brains), len(brains) : -len(brains)]),
        brain_agreement=("participant", np.diag(between[: len(brains), -len(brains) :])),
    ).assign_coords(participant=list(participants))
