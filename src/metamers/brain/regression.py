"""How well each stage of a model predicts measured responses to natural stimuli, voxel by voxel.

This module combines the parts: random halves of the stimuli, ridge regression (``metamers.brain.ridge``), explained
variance corrected for noise (``metamers.brain.explained_variance``), and results over participants
(``metamers.brain.group_level``). The published regressions are read in ``metamers.paper.brain``.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.brain.activations import features_by_stage
from metamers.brain.explained_variance import corrected_r2, correlate_standardized, shuffled_r2, standardize
from metamers.brain.group_level import best_stage_left_out, interval_half_width, medians_by_participant, shuffle_p
from metamers.brain.reliability import minimum_reliability, reliability
from metamers.brain.responses import SIMULATED_RESPONSE, check_responses
from metamers.brain.ridge import decompose, predict, project_to_span, ridge_gains


def random_halves(number: int, count: int, seed: int) -> np.ndarray:
    """Draw random halves of stimuli (split, stimulus), true for training: of the 165 published sounds 83."""
    rng = np.random.default_rng(seed)
    chosen = np.zeros((count, number), dtype=bool)
    for row in chosen:
        row[rng.permutation(number)[: -(-number // 2)]] = True
    return chosen


def random_orders(number: int, count: int, seed: int) -> np.ndarray:
    """Return the original order of the stimuli, followed by random orders: (1 + count, stimulus)."""
    rng = np.random.default_rng([seed, 1])
    return np.stack([np.arange(number), *(rng.permutation(number) for _ in range(count))])


Halves = Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]]


def project_halves(stages: Mapping[str, np.ndarray], train: np.ndarray) -> Halves:
    """Project the features of each stage for each split: stage → results of ``metamers.brain.ridge.project_to_span``.

    Parameters
    ----------
    stages
        Stage → features (stimulus, unit).
    train
        (split, stimulus): true for training stimuli.
    """
    return {
        stage: [project_to_span(values[chosen], values[~chosen]) for chosen in train]
        for stage, values in stages.items()
    }


def signed_regression(
    halves: Halves,
    measured: np.ndarray,
    participant: np.ndarray,
    train: np.ndarray,
    shuffles: int,
    seed: int,
) -> xr.Dataset:
    """Compute the signed explained variance of each stage, with intervals and a baseline of shuffled stimuli.

    Parameters
    ----------
    halves
        Result of ``project_halves``.
    measured
        Responses (stimulus, voxel, repetition).
    participant
        (voxel,): participant of each voxel.
    train
        (split, stimulus): result of ``random_halves``.
    shuffles, seed
        Number of random orders of the stimuli, and their random seed.

    Returns
    -------
    xarray.Dataset
        The signed variables of ``regression``.
    """
    repeated = measured.transpose(0, 2, 1)
    reliability_of = reliability(measured)
    drawn = random_orders(len(measured), shuffles, seed)
    places = list(dict.fromkeys(participant))
    singles = np.empty((len(halves), measured.shape[1], len(train)))
    every = np.empty((1 + shuffles, len(places), len(halves)))
    for n, of_splits in enumerate(halves.values()):
        r2_of_splits = np.stack(
            [
                shuffled_r2(decompose(*half), repeated, chosen, drawn, reliability_of)
                for half, chosen in zip(of_splits, train, strict=True)
            ]
        )  # split, order, voxel
        singles[n] = r2_of_splits[:, 0].T
        every[..., n] = medians_by_participant(np.median(r2_of_splits, axis=0), participant)
    own, shuffled = every[0].clip(-1, 1), every[1:].clip(-1, 1)
    at_best, best = best_stage_left_out(own)
    means, best_mean = own.mean(axis=0), at_best.mean()
    chance_at_best = np.array([best_stage_left_out(one)[0].mean() for one in shuffled])
    in_split = medians_by_participant(singles.transpose(0, 2, 1), participant)  # stage, split, participant
    stimuli, who = len(measured), np.arange(len(best))
    half = np.array(
        [interval_half_width(every[0, :, n], in_split[n].mean(axis=1), stimuli) for n in range(len(halves))]
    )
    best_half = interval_half_width(every[0, who, best], in_split[best, :, who].mean(axis=0), stimuli)
    names = list(halves)
    return xr.Dataset(
        {
            "voxel_reliability": ("voxel", reliability_of),
            "signed_r2_corrected": (("stage", "voxel", "split"), singles.clip(-1, 1)),
            "voxels_signed_r2": (("participant", "stage"), own),
            "signed_r2": ("stage", means),
            "signed_r2_low": ("stage", (means - half).clip(-1, 1)),
            "signed_r2_high": ("stage", (means + half).clip(-1, 1)),
            "shuffled_voxels_signed_r2": (("shuffle", "participant", "stage"), shuffled),
            "p_shuffled": ("stage", shuffle_p(means, shuffled.mean(axis=1))),
            "signed_best_stage": ("participant", np.array(names)[best]),
            "signed_best_stage_r2": ("participant", at_best),
            "best_signed_r2": best_mean,
            "best_signed_r2_low": np.clip(best_mean - best_half, -1, 1),
            "best_signed_r2_high": np.clip(best_mean + best_half, -1, 1),
            "shuffled_best_signed_r2": ("shuffle", chance_at_best),
            "best_p_shuffled": shuffle_p(best_mean, chance_at_best),
            "unreliable_voxels": int((reliability_of <= minimum_reliability(len(measured))).sum()),
            "training_stimuli": int(train[0].sum()),
        },
        coords={"stage": names, "participant": places},
    )


def noiseless_r2(
    halves: Halves, measured: np.ndarray, clean: np.ndarray, participant: np.ndarray, train: np.ndarray
) -> np.ndarray:
    """Compute the signed explained variance that each stage would have without noise: (participant, stage).

    It is the value that ``metamers.brain.explained_variance.signed_r2`` estimates, and is known for a simulated brain
    only: r·|r| between noiseless responses and their predictions from noiseless training responses, with the ridge
    penalties that were chosen for the measured responses. Even the generating stage has a value below 1, because a few
    training stimuli do not determine the weights of many units.

    Parameters
    ----------
    halves, measured, participant, train
        As for ``signed_regression``.
    clean
        Responses without noise (stimulus, voxel).
    """
    mean = measured.mean(axis=2)
    of_halves = np.empty((len(halves), len(train), len(participant)))
    for n, of_splits in enumerate(halves.values()):
        for split, (half, chosen) in enumerate(zip(of_splits, train, strict=True)):
            span = decompose(*half)
            predicted = predict(span, clean[chosen][:, None], ridge_gains(span, mean[chosen]))[:, 0]
            r = correlate_standardized(standardize(predicted), standardize(clean[~chosen]))
            of_halves[n, split] = r * np.abs(r)
    return medians_by_participant(np.median(of_halves, axis=1), participant).T


def regression(activations: xr.Dataset, measured: xr.DataArray, count: int, shuffles: int, seed: int) -> xr.Dataset:
    """Compute how well each stage of a model predicts each voxel.

    Parameters
    ----------
    activations
        Result of ``metamers.brain.activations.activations_dataset``.
    measured
        Responses (stimulus, voxel, repetition), with the coordinate ``participant`` (voxel) and, for a simulated brain,
        ``noiseless_response`` (stimulus, voxel); stimuli in any order.
    count, shuffles, seed
        Number of random splits of the stimuli (published: 10), number of random orders of the stimuli for the baseline,
        and the random seed of both.

    Returns
    -------
    xarray.Dataset
        Squared explained variance (``metamers.brain.explained_variance.corrected_r2``): (stage, voxel, split) →
        ``r2_corrected``, ``ridge_parameter``; (participant, stage) → ``voxels_r2``: median over the participant's
        voxels of the median over splits; (participant) → ``best_stage``: stage with the highest mean over all other
        participants, ``best_stage_r2``: the participant's own value there.

        Signed explained variance (``signed_r2``, clipped at -1 and 1): (stage, voxel, split) → ``signed_r2_corrected``;
        (participant, stage) → ``voxels_signed_r2``; (participant) → ``signed_best_stage``, ``signed_best_stage_r2``.
        Means over participants: (stage) → ``signed_r2``, and ``best_signed_r2`` for the chosen stages, each with
        ``_low`` and ``_high`` (``metamers.brain.group_level.interval_half_width``). For shuffled stimuli: (shuffle,
        participant, stage) → ``shuffled_voxels_signed_r2``, (shuffle) → ``shuffled_best_signed_r2``; (stage) →
        ``p_shuffled``, and ``best_p_shuffled`` (``metamers.brain.group_level.shuffle_p``). (voxel) →
        ``voxel_reliability``, over all stimuli; ``unreliable_voxels``: number of voxels that are no more reliable than
        chance; ``training_stimuli``: number of stimuli that a regression is fitted to. For a simulated brain also
        (participant, stage) → ``noiseless_voxels_r2``.

    Raises
    ------
    ValueError
        When stimuli are missing, a response is not finite, or there are too few repetitions or participants.
    """
    names = activations["stimulus"].values
    check_responses(measured, names)
    measured = measured.sel(stimulus=names).transpose("stimulus", "voxel", "repetition")
    train = random_halves(len(names), count, seed)
    halves = project_halves(features_by_stage(activations), train)
    r2, parameters = np.empty((2, len(halves), measured.sizes["voxel"], count))
    for n, of_splits in enumerate(halves.values()):
        for split, (half, chosen) in enumerate(zip(of_splits, train, strict=True)):
            r2[n, :, split], parameters[n, :, split] = corrected_r2(*half, measured.values, chosen)
    who = measured["participant"].values
    voxels_r2 = medians_by_participant(np.median(r2, axis=2), who).T
    own, chosen = best_stage_left_out(voxels_r2)
    dims = ("stage", "voxel", "split")
    published = {
        "r2_corrected": (dims, r2),
        "ridge_parameter": (dims, parameters),
        "voxels_r2": (("participant", "stage"), voxels_r2),
        "best_stage": ("participant", np.array(list(halves))[chosen]),
        "best_stage_r2": ("participant", own),
    }
    explained = signed_regression(halves, measured.values, who, train, shuffles, seed).assign(published)
    if SIMULATED_RESPONSE in measured.coords:
        clean = measured[SIMULATED_RESPONSE].transpose("stimulus", "voxel").values
        explained["noiseless_voxels_r2"] = (
            ("participant", "stage"),
            noiseless_r2(halves, measured.values, clean, who, train),
        )
    return explained.assign_coords(voxel_participant=("voxel", who))
