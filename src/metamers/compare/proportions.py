"""Intervals of proportions and of paired differences that are valid for few stimuli.

The observations are stimuli: one answer each (0 or 1), or the mean of several answers (seeds, recognition models). The
intervals are score intervals, which are valid for few observations and for proportions near 0 and 1, where the standard
error over observations is 0. A mean of answers varies no more than a single answer with the same expectation. Such
means count as fractions of correct answers, which can make an interval too wide but never too narrow.
"""

from typing import NamedTuple

import numpy as np
import scipy.special

INTERVAL = 0.95
ENDS = [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]
Z = float(scipy.special.ndtri(ENDS[1]))
FEW = 3  # up to this number of correct answers the Poisson distribution gives the low end
ONE_SIDED = 1 - INTERVAL
HALVINGS = 60


class Interval(NamedTuple):
    """An estimate, its standard error, and the ends of its 95% interval; NaN where undefined."""

    value: np.ndarray
    standard_error: np.ndarray
    low: np.ndarray
    high: np.ndarray


def proportion_interval(mean: np.ndarray, n: np.ndarray) -> Interval:
    """Compute Wilson's score interval of a proportion, with the correction of Brown, Cai and DasGupta near 0 and 1.

    With z the normal quantile of 0.975, the centre is (p + z²/2n) / (1 + z²/n), and half the width is z sqrt(p (1 -
    p)/n + z²/4n²) / (1 + z²/n). The standard error is half the width divided by z, so it is not 0 where p is 0 or 1.
    With three correct answers or fewer, the low end is at most that of a Poisson distribution: the 0.05 quantile of
    chi-squared, with twice as many degrees of freedom as correct answers, divided by 2n. With three wrong answers or
    fewer, the same holds for the high end.

    Parameters
    ----------
    mean
        Mean answer, 0..1, of any shape; NaN where undefined.
    n
        Number of stimuli, of a shape that broadcasts.

    References
    ----------
    Wilson (1927), Journal of the American Statistical Association 22, 209-212; Brown, Cai & DasGupta (2001),
    Statistical Science 16, 101-133.
    """
    mean, n = np.broadcast_arrays(np.asarray(mean, float), np.asarray(n, float))
    known = (n > 0) & np.isfinite(mean)
    p, size = np.where(known, mean, np.nan), np.where(known, n, np.nan)
    shrink = 1 + Z**2 / size
    centre = (p + Z**2 / (2 * size)) / shrink
    error = np.sqrt(p * (1 - p) / size + Z**2 / (4 * size**2)) / shrink
    low = np.minimum(centre - Z * error, _poisson_end(p, size)).clip(0, 1)
    high = np.maximum(centre + Z * error, 1 - _poisson_end(1 - p, size)).clip(0, 1)
    return Interval(p, error, low, high)


def _poisson_end(p: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Compute the low end for at most ``FEW`` correct answers; infinite for more."""
    right = p * n
    quantile = scipy.special.gammaincinv(np.maximum(right, np.finfo(float).tiny), ONE_SIDED)
    return np.where(right <= FEW, np.where(right > 0, quantile, 0) / n, np.inf)


def difference_interval(differences: np.ndarray) -> Interval:
    """Compute Tango's score interval of the mean of paired differences, over the last axis.

    With b the sum of the positive differences and c that of the absolute negative ones (for single answers, the numbers
    of discordant pairs), and n pairs, it contains all δ for which (b - c - n δ)² <= z² v n² / (n - 1), with v = 2 q + δ
    (1 - δ), where q is the most likely probability of a negative difference given δ. The factor n / (n - 1) is that of
    Miettinen and Nurminen. The standard error is half the width divided by z. A single stimulus has no interval.

    Parameters
    ----------
    differences
        (…, stimulus), -1..1; stimuli with NaN are left out.

    References
    ----------
    Tango (1998), Statistics in Medicine 17, 891-908; Miettinen & Nurminen (1985), Statistics in Medicine 4, 213-226.
    """
    differences = np.asarray(differences, float)
    known = np.isfinite(differences)
    n = known.sum(axis=-1)
    given = np.where(known, differences, 0)
    more, less = given.clip(min=0).sum(axis=-1), -given.clip(max=0).sum(axis=-1)
    size = np.where(n > 0, n, np.nan)
    value = (more - less) / size
    low, high = (_tango_end(more, less, np.where(n > 1, n, np.nan), value, end) for end in (-1.0, 1.0))
    return Interval(value, (high - low) / (2 * Z), low, high)


def mean_difference_interval(differences: np.ndarray) -> Interval:
    """Compute Student's interval of the mean of paired differences, each a mean of many answers, over the last axis.

    For such means, Tango's interval is far too wide: it treats them as fractions of single answers, but they vary less,
    by an amount that can be measured. With n differences d, q the sum of their squares, N = n + 2 and m = Σ d/N, the
    ends are m ± t sqrt((q + 1 - N m²) / (N (N - 1))), where t is Student's quantile with n - 1 degrees of freedom. This
    corresponds to two additional pairs with half a difference of 1, half a difference of -1 and one of 0 (Agresti and
    Min), so that the interval has a width even where all differences are equal. A single stimulus has no interval.

    Parameters
    ----------
    differences
        (…, stimulus), -1..1; stimuli with NaN are left out.

    References
    ----------
    Agresti & Min (2005), Statistics in Medicine 24, 729-740, for single answers and with the normal quantile.
    """
    differences = np.asarray(differences, float)
    n = np.isfinite(differences).sum(axis=-1)
    total, squares = np.nansum(differences, axis=-1), np.nansum(differences**2, axis=-1)
    size = np.where(n > 1, n + 2, np.nan)
    mean = total / size
    error = np.sqrt((squares + 1 - size * mean**2) / (size * (size - 1)))
    half = scipy.special.stdtrit(np.maximum(n - 1, 1), ENDS[1]) * error
    value = np.divide(total, n, out=np.full(np.shape(total), np.nan), where=n > 0)
    return Interval(value, error, (mean - half).clip(-1, 1), (mean + half).clip(-1, 1))


def _tango_end(more: np.ndarray, less: np.ndarray, n: np.ndarray, value: np.ndarray, end: float) -> np.ndarray:
    """Find where the score equals z, between the estimate and -1 or 1, by bisection."""
    inside, outside = value, np.full(np.shape(value), end)
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        held = (more - less - n * middle) ** 2 <= Z**2 * _tango_variance(more, less, n, middle)
        inside, outside = np.where(held, middle, inside), np.where(held, outside, middle)
    return np.where(np.isfinite(value * n), inside, np.nan)


def _tango_variance(more: np.ndarray, less: np.ndarray, n: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Compute the variance of the sum of differences with the expectation delta, at the most likely q."""
    a, b = 2 * n, -more - less + (2 * n - more + less) * delta
    c = -less * delta * (1 - delta)
    q = (np.sqrt(np.maximum(b**2 - 4 * a * c, 0)) - b) / (2 * a)
    return n * n / (n - 1) * (2 * q + delta * (1 - delta)).clip(min=0)
