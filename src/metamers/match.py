"""Match: how close two activations are, by normalized error, Pearson r, Spearman rho and signal-to-noise ratio.

Used for metamers and their natural stimuli, and for the pairs of natural stimuli of the null distribution
(``metamers.null.distribution``). Schemas, files, tables and figures follow from the tables ``NULL_MEASURES`` and
``MEASURES``, so a new measure is one entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

# Variables of files of metamers and of acceptance; models without classes have only the last one.
NATURAL_CATEGORY, PREDICTED = "natural_category", "predicted_category"  # of the generation model's answers
PRESERVED = "category_preserved"  # whether these are the same
CONVERGED = "converged"  # whether the normalized error has reached the target of the synthesis
ROUNDING = 1e-12
CHUNK = 1 << 16  # units of activations in float64 at a time


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (value,) from 1, float64, of finite values (value,); ties share their mean rank.

    Equal to scipy.stats.rankdata, whose import would take half a second more; xarray imports pandas anyway.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import mean_ranks
    >>> mean_ranks(np.array([5.0, 2.0, 5.0]))
    array([2.5, 1. , 2.5])
    """
    return pd.Series(values).rank().to_numpy()


def as_correlation(values: np.ndarray | float) -> np.ndarray:
    """Correlations rounded to ±1 if they are within ``ROUNDING`` of it, so that perfect correlations are equal.

    Examples
    --------
    >>> from metamers.match import as_correlation
    >>> float(as_correlation(1 - 1e-13)), float(as_correlation(0.5))
    (1.0, 0.5)
    """
    return np.where(np.abs(values) > 1 - ROUNDING, np.sign(values), values)


def normalized_error(natural: np.ndarray, other: np.ndarray) -> float:
    """‖a−a'‖/‖a‖ of activations (unit,).

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import normalized_error
    >>> natural = np.array([3.0, 4.0])
    >>> normalized_error(natural, natural), normalized_error(natural, 0 * natural)
    (0.0, 1.0)
    """
    difference = natural - other
    return float(np.sqrt(difference @ difference / (natural @ natural)))


def pearson_r(natural: np.ndarray, other: np.ndarray) -> float:
    """Pearson correlation of activations (unit,); NaN if either is constant.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import pearson_r
    >>> natural = np.array([1.0, 2.0, 4.0])
    >>> pearson_r(natural, 10 * natural + 5), pearson_r(natural, -natural)
    (1.0, -1.0)
    """
    a = natural - natural.mean()
    b = other - other.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(as_correlation(a @ b / norm)) if norm > 0 else np.nan


def spearman_rho(natural: np.ndarray, other: np.ndarray) -> float:
    """Spearman rank correlation of activations (unit,), with mean ranks of ties; NaN if either is constant.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import spearman_rho
    >>> natural = np.array([1.0, 2.0, 4.0])
    >>> spearman_rho(natural, natural**3)
    1.0
    """
    return pearson_r(mean_ranks(natural), mean_ranks(other))


def snr_db(natural: np.ndarray, other: np.ndarray) -> float:
    """10·log10(‖a‖²/‖a−a'‖²) of activations (unit,), in dB; infinite if they are equal.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import snr_db
    >>> natural = np.array([3.0, 4.0])
    >>> round(snr_db(natural, 0.9 * natural), 6), snr_db(natural, natural)
    (20.0, inf)
    """
    difference = natural - other
    error = difference @ difference
    return float(10 * np.log10(natural @ natural / error)) if error > 0 else np.inf


class Group:
    """Activations of some stimuli, their ranks, and each stimulus's sums of squares.

    Parameters
    ----------
    values
        (stimulus, …), float32.

    Attributes
    ----------
    scores
        ``activations``, ``centred`` and ``ranks``: values (stimulus, unit), float32, before their mean is subtracted.
        The mean of the activations is not subtracted.
    squares
        The same names → sum (stimulus,) of the squares of the scores minus their mean, float64.
    """

    def __init__(self, values: np.ndarray):
        flat = values.reshape(len(values), -1)
        # Mean ranks are halves, exact in float32 up to 8 million units; beyond, rounding is below 1e-7.
        ranks = np.empty_like(flat)
        for row, values_of_stimulus in zip(ranks, flat, strict=True):
            row[:] = mean_ranks(values_of_stimulus)
        self.scores = {"activations": flat, "centred": flat, "ranks": ranks}
        self._means = {
            "activations": np.zeros(len(flat)),
            "centred": flat.mean(axis=1, dtype=np.float64),
            "ranks": ranks.mean(axis=1, dtype=np.float64),
        }
        self.squares = {name: self._squares(name) for name in self.scores}

    def _centred(self, name: str) -> Iterator[np.ndarray]:
        scores, means = self.scores[name], self._means[name][:, None]
        for start in range(0, scores.shape[1], CHUNK):
            yield scores[:, start : start + CHUNK] - means

    def _squares(self, name: str) -> np.ndarray:
        return sum(np.einsum("ij,ij->i", chunk, chunk) for chunk in self._centred(name))

    def products(self, name: str, other: Group) -> np.ndarray:
        """Products (stimulus, stimulus of ``other``) of scores minus their mean, in float64."""
        if other is self:
            return sum(chunk @ chunk.T for chunk in self._centred(name))
        both = zip(self._centred(name), other._centred(name), strict=True)
        return sum(ours @ theirs.T for ours, theirs in both)


def _correlations(name: str, a: Group, b: Group, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(a.squares[name][rows] * b.squares[name][columns])
    return as_correlation(a.products(name, b)[rows, columns] / np.where(lengths > 0, lengths, np.nan))


def pearson_r_of_groups(a: Group, b: Group, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """``pearson_r`` of many pairs, by one product of matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import Group, pearson_r_of_groups
    >>> stimuli = Group(np.array([[1, 2, 3], [3, 2, 1]], np.float32))
    >>> pearson_r_of_groups(stimuli, stimuli, np.array([0, 0]), np.array([0, 1]))
    array([ 1., -1.])
    """
    return _correlations("centred", a, b, rows, columns)


def spearman_rho_of_groups(a: Group, b: Group, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """``spearman_rho`` of many pairs, by one product of matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import Group, spearman_rho_of_groups
    >>> stimuli = Group(np.array([[1, 2, 9], [3, 2, 1]], np.float32))
    >>> spearman_rho_of_groups(stimuli, stimuli, np.array([0, 0]), np.array([0, 1]))
    array([ 1., -1.])
    """
    return _correlations("ranks", a, b, rows, columns)


def snr_db_of_groups(a: Group, b: Group, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """``snr_db`` of many pairs, by one product of matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import Group, snr_db_of_groups
    >>> natural, others = Group(np.array([[3, 4]], np.float32)), Group(np.array([[0, 0], [3, 4.5]], np.float32))
    >>> snr_db_of_groups(natural, others, np.array([0, 0]), np.array([0, 1]))
    array([ 0., 20.])
    """
    power_a, power_b = a.squares["activations"][rows], b.squares["activations"][columns]
    error = np.maximum(power_a + power_b - 2 * a.products("activations", b)[rows, columns], 0)
    return 10 * np.log10(power_a / error)


@dataclass(frozen=True)
class Measure:
    """A measure of match.

    Attributes
    ----------
    label
        Its name in figures and tables, with the unit in brackets.
    digits
        Number of decimals in tables; None for two significant digits.
    of_pair
        From the natural stimulus's activations (unit,) and another's, both finite, float64, the natural ones not all 0,
        to the measure; NaN if it is undefined.
    of_groups
        A faster form for the null distribution, if there is one: from two groups and stimuli (pair,) of each, the
        natural ones first, to the measures (pair,), with NumPy's warnings off.
    """

    label: str
    digits: int | None
    of_pair: Callable[[np.ndarray, np.ndarray], float]
    of_groups: Callable[[Group, Group, np.ndarray, np.ndarray], np.ndarray] | None = None


# Larger values are a closer match: they have a null distribution and can decide on acceptance. The order is that in
# which the study's code tests them.
NULL_MEASURES = {
    "spearman_rho": Measure("Spearman ρ", 3, spearman_rho, spearman_rho_of_groups),
    "pearson_r": Measure("Pearson r", 3, pearson_r, pearson_r_of_groups),
    "snr_db": Measure("Signal-to-noise ratio (dB)", 1, snr_db, snr_db_of_groups),
}
MEASURES = {**NULL_MEASURES, "normalized_error": Measure("Normalized error", None, normalized_error)}


def match_of_pairs(measure: Measure, a: Group, b: Group, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """A measure of match (pair,) of natural stimuli ``rows`` of one group with ``columns`` of another.

    By ``of_groups``, or, without it, pair by pair. Where all activations of either are 0 the measure is 0, as in the
    study's code.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import MEASURES, Group, match_of_pairs
    >>> stimuli = Group(np.array([[1, 2, 3], [3, 2, 1], [0, 0, 0]], np.float32))
    >>> match_of_pairs(MEASURES["pearson_r"], stimuli, stimuli, np.array([0, 0]), np.array([1, 2]))
    array([-1.,  0.])
    """
    silent = (a.squares["activations"][rows] == 0) | (b.squares["activations"][columns] == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure.of_groups:
            return np.where(silent, 0.0, measure.of_groups(a, b, rows, columns))
        matches = np.zeros(len(rows))
        for place in np.flatnonzero(~silent):
            natural, other = a.scores["activations"][rows[place]], b.scores["activations"][columns[place]]
            matches[place] = measure.of_pair(natural.astype(np.float64), other.astype(np.float64))
    return matches


def match(natural: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Measures of match between one stimulus's activations and another's at the same stage.

    Parameters
    ----------
    natural, other
        Finite, both in the same shape. The measures are computed in float64.

    Returns
    -------
    dict
        Each of ``MEASURES`` → value: ``normalized_error`` ‖a−a'‖/‖a‖; ``pearson_r``; ``spearman_rho`` (ties share their
        mean rank); ``snr_db`` 10·log10(‖a‖²/‖a−a'‖²) in dB, infinite for equal activations. Feather et al. 2023,
        Methods.

    Raises
    ------
    ValueError
        When the shapes differ, a value is not finite, or all natural activations are zero.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import match
    >>> natural = np.array([1.0, 2.0, 2.0])
    >>> match(natural, 2 * natural)
    {'spearman_rho': 1.0, 'pearson_r': 1.0, 'snr_db': 0.0, 'normalized_error': 1.0}
    """
    if natural.shape != other.shape:
        raise ValueError(f"activations of different shapes: {natural.shape} and {other.shape}")
    a = np.asarray(natural, dtype=np.float64).ravel()
    b = np.asarray(other, dtype=np.float64).ravel()
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("activations have NaN or infinite values")
    if a @ a == 0:
        raise ValueError("all activations of the natural stimulus are zero: nothing can be matched at this stage")
    return {name: measure.of_pair(a, b) for name, measure in MEASURES.items()}


def match_each(
    natural: np.ndarray, other: np.ndarray, target_error: float | np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Measures of match of each stimulus.

    Parameters
    ----------
    natural, other
        Activations (stimulus, …) of the same shape.
    target_error
        The normalized error at which synthesis ends; None if it has no target.

    Returns
    -------
    dict
        Each of ``MEASURES`` → values (stimulus,), float64; see ``match``. With a target, also ``CONVERGED``.

    Raises
    ------
    ValueError
        As ``match``.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.match import match_each
    >>> natural = np.array([[3.0, 4.0], [3.0, 4.0]])
    >>> measures = match_each(natural, np.array([[3.0, 4.0], [6.0, 8.0]]), target_error=0.5)
    >>> measures["normalized_error"], measures["converged"]
    (array([0., 1.]), array([ True, False]))
    """
    matches = [match(a, b) for a, b in zip(natural, other, strict=True)]
    values = {measure: np.array([of_stimulus[measure] for of_stimulus in matches]) for measure in MEASURES}
    return values if target_error is None else values | {CONVERGED: values["normalized_error"] <= target_error}
