"""What other models tell of people beyond the depth of the stage, and away from the ends of the scale.

In the published data people and models alike recognize less the later the stage, and two series that both fall with
depth are related whatever else they have in common. Beside the correlations of ``metamers.compare`` therefore stand
what depth alone explains, what the other models' means explain of the rest, and R² where neither people nor models are
near 0 or 1. All come from sums over each model's points, so that leaving a model out costs a subtraction.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from metamers.proportions import ENDS

PARTIAL, INSIDE, DEPTH, DEPTH_SQUARE = "partial_r2", "inside_r2", "depth_r2", "depth_square_r2"
NAMES = (PARTIAL, INSIDE, DEPTH, DEPTH_SQUARE)
SCALE = (0.2, 0.9)  # inside of which a point counts for INSIDE, people's mean and the other models'
FEWEST_POINTS, FEWEST_MODELS = 5, 6  # the fewest for a number, and for an interval
ROUNDING = 1e-9  # of a variance: less is left of a variable that others determine
ONE = 1 - 1e-12  # the largest correlation that has a finite z
CONSTANT, LINEAR, SQUARE, MODEL, HUMAN = range(5)  # variables of the sums of products


def relative_depth(models: Sequence[str]) -> np.ndarray:
    """Depth of each point among the points of its model: 0 first, 1 last.

    Parameters
    ----------
    models
        The model of each point; points of one model in processing order. A single point has depth 0.

    Returns
    -------
    np.ndarray
        (point,)
    """
    names = np.asarray(models)
    depth = np.zeros(len(names))
    for name in np.unique(names):
        own = np.flatnonzero(names == name)
        depth[own] = np.arange(len(own)) / max(len(own) - 1, 1)
    return depth


def inside(human: np.ndarray, model: np.ndarray) -> np.ndarray:
    """Which points lie inside ``SCALE``, both people's mean and the other models', as booleans (point,)."""
    low, high = SCALE
    return (human >= low) & (human <= high) & (model >= low) & (model <= high)


def sums_of_products(human: np.ndarray, model: np.ndarray, depth: np.ndarray, models: np.ndarray) -> np.ndarray:
    """Sums over the points of each model, of which all correlations are made.

    Parameters
    ----------
    human, model, depth, models
        People's mean, the other models' mean, relative depth and generation model of each point, (point,).

    Returns
    -------
    np.ndarray
        (2, model, 5, 5): over all points and over those inside the scale, the sums of the products of each two of 1,
        depth, its square, the other models' mean and people's.
    """
    variables = np.stack([np.ones(len(depth)), depth, depth**2, model, human], axis=1)
    _, numbers = np.unique(models, return_inverse=True)
    of_model = np.arange(numbers.max() + 1)[:, None] == numbers
    kept = np.stack([of_model, of_model & inside(human, model)]).astype(float)
    return np.einsum("kmp,pi,pj->kmij", kept, variables, variables)


def without(sums: np.ndarray, variable: int) -> np.ndarray:
    """Sums of products (…, 5, 5) of what remains of all variables, by least squares, without one of them."""
    column, pivot = sums[..., :, variable], sums[..., variable, variable]
    known = pivot > ROUNDING * np.maximum(sums[..., CONSTANT, CONSTANT], 1)
    factor = np.where(known, 1 / np.where(known, pivot, 1), 0)
    return sums - factor[..., None, None] * column[..., :, None] * column[..., None, :]


def _correlation(sums: np.ndarray, first: int, second: int) -> np.ndarray:
    squares = sums[..., first, first] * sums[..., second, second]
    known = squares > ROUNDING**2
    return np.where(known, sums[..., first, second] / np.sqrt(np.where(known, squares, 1)), np.nan)


def relations(whole: np.ndarray, within: np.ndarray) -> np.ndarray:
    """The correlations of which ``NAMES`` are the squares.

    Parameters
    ----------
    whole, within
        (…, 5, 5): sums of products over all points, and over those inside the scale.

    Returns
    -------
    np.ndarray
        (…, 4): partial correlation of people and other models given depth and its square; their correlation inside the
        scale; correlation of people and depth; multiple correlation of people with depth and its square. NaN of fewer
        than ``FEWEST_POINTS`` points, and where one of the variables does not vary.
    """
    centred = without(whole, CONSTANT)
    given_depth = without(without(centred, LINEAR), SQUARE)
    people = centred[..., HUMAN, HUMAN]
    share = 1 - given_depth[..., HUMAN, HUMAN] / np.where(people > ROUNDING, people, np.nan)
    found = [
        _correlation(given_depth, MODEL, HUMAN),
        _correlation(without(within, CONSTANT), MODEL, HUMAN),
        _correlation(centred, LINEAR, HUMAN),
        np.sqrt(np.clip(share, 0, 1)),
    ]
    points = np.stack([(within if name == INSIDE else whole)[..., CONSTANT, CONSTANT] for name in NAMES], axis=-1)
    return np.where(points >= FEWEST_POINTS, np.clip(np.stack(found, axis=-1), -ONE, ONE), np.nan)


def relation_intervals(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numbers with their 95% intervals over models.

    With z = artanh r, its standard error s from leaving each of the K models out with all its points (jackknife), and
    Student's quantile t of K - 1 degrees of freedom, an interval is tanh(z ± t s), squared. The stages of a model are
    not independent, models are. (In simulations it holds the truth more often than percentiles of models drawn with
    replacement, which are too narrow for few models.)

    Parameters
    ----------
    sums
        (2, …, model, 5, 5), as ``sums_of_products`` gives them.

    Returns
    -------
    value, low, high
        (…, 4), for each of ``NAMES``: r² with the sign of r, but for the two of depth, which are no less than 0. NaN
        of fewer than ``FEWEST_MODELS`` models with points, or where leaving one out leaves no number.

    References
    ----------
    Fisher (1921), Metron 1, 3-32 (z); Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 11.
    """
    whole, within = sums
    found = relations(whole.sum(axis=-3), within.sum(axis=-3))
    left_out = relations(*(one.sum(axis=-3, keepdims=True) - one for one in sums))
    z, left = np.arctanh(found), np.arctanh(left_out)
    # Models without points inside the scale do not count there.
    has_points = [one[..., CONSTANT, CONSTANT] > 0 for one in sums]
    counted = np.stack([has_points[name == INSIDE] for name in NAMES], axis=-1)
    models = counted.sum(axis=-2)
    mean = np.where(counted, left, 0).sum(axis=-2) / np.maximum(models, 1)
    squares = np.where(counted, (left - mean[..., None, :]) ** 2, 0).sum(axis=-2)
    error = np.sqrt((models - 1) / np.maximum(models, 1) * squares)
    half = np.where(models >= FEWEST_MODELS, stdtrit(np.maximum(models - 1, 1), ENDS[1]) * error, np.nan)
    low, high = np.tanh(z - half), np.tanh(z + half)
    signed = np.isin(NAMES, (PARTIAL, INSIDE))
    smallest = np.where(low * high < 0, 0, np.minimum(low**2, high**2))
    return (
        np.where(signed, found * np.abs(found), found**2),
        np.where(signed, low * np.abs(low), smallest),
        np.where(signed, high * np.abs(high), np.maximum(low**2, high**2)),
    )


def relation_beyond_depth(human: np.ndarray, model: np.ndarray, models: Sequence[str]) -> dict[str, float]:
    """``NAMES``, each with ``_low`` and ``_high``, and ``inside_n``, how many points lie inside the scale.

    Parameters
    ----------
    human, model
        People's mean and the other models', (point,).
    models
        Generation model of each point; points of one model in processing order.
    """
    sums = sums_of_products(human, model, relative_depth(models), np.asarray(models))
    ends = zip(("", "_low", "_high"), relation_intervals(sums), strict=True)
    found = {name + end: float(value) for end, values in ends for name, value in zip(NAMES, values, strict=True)}
    return found | {"inside_n": int(inside(human, model).sum())}
