"""What other models predict about participants beyond the position of the stage, and away from the ends of the scale.

In the published data, participants and models both recognize less at later stages, and any two series that fall with
position are correlated. The correlations of ``metamers.compare.humans_vs_models`` are therefore complemented by the
variance that the position alone explains, the partial correlation given position, and R² over points where neither
participants nor models are near 0 or 1. All follow from sums over the points of each model, so that leaving out a model
is a subtraction.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from metamers.compare.proportions import ENDS

PARTIAL, INSIDE, DEPTH, DEPTH_SQUARE = "partial_r2", "inside_r2", "depth_r2", "depth_square_r2"
NAMES = (PARTIAL, INSIDE, DEPTH, DEPTH_SQUARE)
SCALE = (0.2, 0.9)  # INSIDE is over points whose human mean and other models' mean are both within
FEWEST_POINTS, FEWEST_MODELS = 5, 6  # smallest numbers for a value, and for an interval
ROUNDING = 1e-9  # a residual variance below this is that of a variable that the others determine
ONE = 1 - 1e-12  # largest correlation with a finite z
CONSTANT, LINEAR, SQUARE, MODEL, HUMAN = range(5)  # variables of the sums of products


def relative_position(models: Sequence[str]) -> np.ndarray:
    """Compute the position of each point among the points of its model: 0 first, 1 last.

    Parameters
    ----------
    models
        Model of each point; the points of one model are in processing order. A single point has position 0.

    Returns
    -------
    np.ndarray
        (point,)
    """
    names = np.asarray(models)
    position = np.zeros(len(names))
    for name in np.unique(names):
        own = np.flatnonzero(names == name)
        position[own] = np.arange(len(own)) / max(len(own) - 1, 1)
    return position


def inside_scale(human: np.ndarray, model: np.ndarray) -> np.ndarray:
    """Return which points (point,) have both the human mean and the other models' mean inside ``SCALE``."""
    low, high = SCALE
    return (human >= low) & (human <= high) & (model >= low) & (model <= high)


def sums_of_products(human: np.ndarray, model: np.ndarray, position: np.ndarray, models: np.ndarray) -> np.ndarray:
    """Sum products of variables over the points of each model; all correlations follow from these sums.

    Parameters
    ----------
    human, model, position, models
        Human mean, other models' mean, position and generation model of each point, (point,).

    Returns
    -------
    np.ndarray
        (2, model, 5, 5): over all points and over those inside the scale, the sums of the products of every two of
        these variables: 1, position, its square, the other models' mean, the human mean.
    """
    variables = np.stack([np.ones(len(position)), position, position**2, model, human], axis=1)
    _, numbers = np.unique(models, return_inverse=True)
    of_model = np.arange(numbers.max() + 1)[:, None] == numbers
    kept = np.stack([of_model, of_model & inside_scale(human, model)]).astype(float)
    return np.einsum("kmp,pi,pj->kmij", kept, variables, variables)


def residual_sums(sums: np.ndarray, variable: int) -> np.ndarray:
    """Compute the sums of products (…, 5, 5) of the residuals of all variables after regression on one variable."""
    column, pivot = sums[..., :, variable], sums[..., variable, variable]
    known = pivot > ROUNDING * np.maximum(sums[..., CONSTANT, CONSTANT], 1)
    factor = np.where(known, 1 / np.where(known, pivot, 1), 0)
    return sums - factor[..., None, None] * column[..., :, None] * column[..., None, :]


def _correlation(sums: np.ndarray, first: int, second: int) -> np.ndarray:
    squares = sums[..., first, first] * sums[..., second, second]
    known = squares > ROUNDING**2
    return np.where(known, sums[..., first, second] / np.sqrt(np.where(known, squares, 1)), np.nan)


def relation_correlations(whole: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Compute the correlations of which ``NAMES`` are the squares.

    Parameters
    ----------
    whole, within
        (…, 5, 5): sums of products over all points, and over those inside the scale.

    Returns
    -------
    np.ndarray
        (…, 4): partial correlation of participants and other models given position and its square; their correlation
        inside the scale; correlation of participants with position; multiple correlation of participants with position
        and its square. NaN with fewer than ``FEWEST_POINTS`` points, and where one of the variables does not vary.
    """
    centred = residual_sums(whole, CONSTANT)
    given_position = residual_sums(residual_sums(centred, LINEAR), SQUARE)
    human_variance = centred[..., HUMAN, HUMAN]
    share = 1 - given_position[..., HUMAN, HUMAN] / np.where(human_variance > ROUNDING, human_variance, np.nan)
    correlations = [
        _correlation(given_position, MODEL, HUMAN),
        _correlation(residual_sums(within, CONSTANT), MODEL, HUMAN),
        _correlation(centred, LINEAR, HUMAN),
        np.sqrt(np.clip(share, 0, 1)),
    ]
    points = np.stack([(within if name == INSIDE else whole)[..., CONSTANT, CONSTANT] for name in NAMES], axis=-1)
    return np.where(points >= FEWEST_POINTS, np.clip(np.stack(correlations, axis=-1), -ONE, ONE), np.nan)


def relation_intervals(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the numbers ``NAMES`` with their 95% intervals over models.

    With z = artanh r, its standard error s from leaving out each of the K models with all its points (jackknife), and
    Student's quantile t with K - 1 degrees of freedom, the interval is tanh(z ± t s), squared. The stages of a model
    are not independent, the models are. (In simulations its coverage is higher than that of percentiles over models
    drawn with replacement, which are too narrow for few models.)

    Parameters
    ----------
    sums
        (2, …, model, 5, 5): result of ``sums_of_products``.

    Returns
    -------
    value, low, high
        (…, 4), for each of ``NAMES``: r² with the sign of r; for the two of position, r² without a sign. The interval
        is NaN with fewer than ``FEWEST_MODELS`` models with points, or where leaving one out gives no number.

    References
    ----------
    Fisher (1921), Metron 1, 3-32 (z); Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 11.
    """
    whole, within = sums
    estimates = relation_correlations(whole.sum(axis=-3), within.sum(axis=-3))
    left_out = relation_correlations(*(one.sum(axis=-3, keepdims=True) - one for one in sums))
    # Models without points inside the scale are left out there.
    has_points = [one[..., CONSTANT, CONSTANT] > 0 for one in sums]
    counted = np.stack([has_points[name == INSIDE] for name in NAMES], axis=-1)
    low, high = jackknife_interval(estimates, left_out, counted)
    signed = np.isin(NAMES, (PARTIAL, INSIDE))
    smallest, largest = squared_interval(low, high)
    return (
        np.where(signed, estimates * np.abs(estimates), estimates**2),
        np.where(signed, low * np.abs(low), smallest),
        np.where(signed, high * np.abs(high), largest),
    )


def jackknife_interval(
    estimates: np.ndarray, left_out: np.ndarray, counted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the 95% intervals of correlations over models, tanh(z ± t s); see ``relation_intervals``.

    Parameters
    ----------
    estimates, left_out
        (…, correlation) and (…, model, correlation): inside -1..1, of all models and without each model.
    counted
        (…, model, correlation): whether the model has points.

    Returns
    -------
    low, high
        (…, correlation). NaN with fewer than ``FEWEST_MODELS`` models with points, or where leaving one out gives no
        number.
    """
    z, left = np.arctanh(estimates), np.arctanh(left_out)
    models = counted.sum(axis=-2)
    mean = np.where(counted, left, 0).sum(axis=-2) / np.maximum(models, 1)
    squares = np.where(counted, (left - mean[..., None, :]) ** 2, 0).sum(axis=-2)
    error = np.sqrt((models - 1) / np.maximum(models, 1) * squares)
    half = np.where(models >= FEWEST_MODELS, stdtrit(np.maximum(models - 1, 1), ENDS[1]) * error, np.nan)
    return np.tanh(z - half), np.tanh(z + half)


def squared_interval(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn the interval of a correlation into that of its square."""
    return np.where(low * high < 0, 0, np.minimum(low**2, high**2)), np.maximum(low**2, high**2)


def relation_beyond_position(human: np.ndarray, model: np.ndarray, models: Sequence[str]) -> dict[str, float]:
    """Compute ``NAMES``, each with ``_low`` and ``_high``, and ``inside_n``, the number of points inside the scale.

    Parameters
    ----------
    human, model
        Human mean and other models' mean, (point,).
    models
        Generation model of each point; the points of one model are in processing order.
    """
    sums = sums_of_products(human, model, relative_position(models), np.asarray(models))
    ends = zip(("", "_low", "_high"), relation_intervals(sums), strict=True)
    values_and_ends = {
        name + end: float(value) for end, values in ends for name, value in zip(NAMES, values, strict=True)
    }
    return values_and_ends | {"inside_n": int(inside_scale(human, model).sum())}
