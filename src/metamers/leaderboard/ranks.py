"""Ranks of models by area, with intervals over participants and over leaving out one stage."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from metamers.compare.proportions import ENDS
from metamers.leaderboard.curves import NormalizedCurve

OPPOSITE_END = {"": "", "_low": "_high", "_high": "_low"}  # the larger the area, the lower the rank


def rank_among(areas: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compute the ranks (…) of areas (…) among other models (model,): one more than the number of larger areas."""
    return 1 + (np.asarray(others) > np.asarray(areas)[..., None]).sum(axis=-1)


def rank_range(area: Mapping[str, float], others: np.ndarray) -> dict[str, int]:
    """Compute the rank of an area among other models (model,), with the ends that follow from those of the area.

    Parameters
    ----------
    area
        The area with the key ``""``, and the ends of its interval with ``_low`` and ``_high``.

    Returns
    -------
    dict
        ``rank``, ``rank_low``, ``rank_high``, from 1.
    """
    return {f"rank{end}": int(rank_among(area[opposite], others)) for end, opposite in OPPOSITE_END.items()}


def is_informative(rank: Mapping[str, float], models: int) -> bool:
    """Return whether the interval of a rank spans at most half of a leaderboard.

    Parameters
    ----------
    rank
        ``rank_low`` and ``rank_high``.
    models
        Number of models on the leaderboard.
    """
    return rank["rank_high"] - rank["rank_low"] + 1 <= models / 2


def rank_or_reason(area: Mapping[str, float], others: np.ndarray) -> dict[str, Any]:
    """Return ``rank_range``, or the ``reason`` why there is no rank where its interval is not informative.

    The parameters are those of ``rank_range``; the leaderboard has the model itself and the others.
    """
    ranks, models = rank_range(area, others), len(others) + 1
    if is_informative(ranks, models):
        return ranks
    ends = f"{ranks['rank_low']} to {ranks['rank_high']} of {models}"
    return {"reason": f"The 95% interval of the rank, {ends}, spans more than half of the leaderboard."}


def rank_table(areas: np.ndarray, samples: np.ndarray) -> pd.DataFrame:
    """Rank models by area, the largest first.

    Parameters
    ----------
    areas
        Areas (model,).
    samples
        Areas of resampled participants (sample, model).

    Returns
    -------
    pd.DataFrame
        (model) → ``area``, ``rank`` from 1, and the 95% intervals of both (``_low``, ``_high``).
    """
    ranks = (-samples).argsort(axis=1).argsort(axis=1) + 1
    ends = {"area": np.quantile(samples, ENDS, axis=0), "rank": np.quantile(ranks, ENDS, axis=0, method="nearest")}
    table = pd.DataFrame({"area": areas, "rank": (-areas).argsort().argsort() + 1})
    for name, (low, high) in ends.items():
        table[f"{name}_low"], table[f"{name}_high"] = low, high
    return table.astype({f"rank{end}": int for end in ("", "_low", "_high")})


def ranks_without_one_stage(rank: float, own: NormalizedCurve, others: np.ndarray) -> dict[str, float]:
    """Compute the lowest and the highest rank with all judged stages and with each judged stage left out in turn.

    Both are NaN for a model with two judged stages: a single stage has no area and so no rank.
    """
    ranks = [rank, *rank_among(own.areas_one_out(), others)]
    if len(ranks) == 1:
        ranks = [np.nan]
    return {"rank_one_out_low": min(ranks), "rank_one_out_high": max(ranks)}
