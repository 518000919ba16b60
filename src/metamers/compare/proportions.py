"""Intervals of proportions and of paired differences that are valid for few stimuli.

The observations are stimuli: one answer each (0 or 1), or the mean of several answers (seeds, recognition models,
stages). Both intervals are valid for few observations, and where all observations are equal, so that the standard error
over observations is 0. Means of several answers vary less between stimuli than single answers with the same
expectation; ``independent_answers`` and ``difference_interval`` measure this variance.
"""

from typing import NamedTuple

import numpy as np
import scipy.special

INTERVAL = 0.95
ENDS = [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]
Z = float(scipy.special.ndtri(ENDS[1]))
FEW = 3  # up to this number of correct answers the Poisson distribution gives the low end
ONE_SIDED = 1 - INTERVAL
ADDED = 1.5  # weight of the additional differences for single answers
MIN_NETWORKS = 3  # of a group of several that has an interval
RARE = 20  # one stimulus in at least this number is assumed to differ by 1 from the others


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


def ratio_interval(
    one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...], correlation: float | np.ndarray = 0.0
) -> tuple[np.ndarray, ...]:
    """Compute a ratio with its 95% interval, from value, low and high end of both numbers, by Donner and Zou's method.

    The method recovers the variances of both numbers from the distances of their ends. With (a, a') and (b, b') the
    values and the ends that decide, and ρ the correlation, the ends are the r with (a - r b)² = (a' - a)² +
    r² (b' - b)² - 2 ρ r |a' - a| |b' - b| (sign of r). For normal numbers, they are those of Fieller's theorem.

    Parameters
    ----------
    one, other
        Value, low and high end of the numerator and of the denominator, arrays that broadcast.
    correlation
        Correlation of the errors of both.

    Returns
    -------
    value, low, high
        NaN where the denominator is not above 0; the ends also where its interval includes 0 or one of the two
        intervals is NaN.

    References
    ----------
    Donner & Zou (2012), Statistical Methods in Medical Research 21, 347-359.
    """
    a, a_low, a_high, b, b_low, b_high = map(np.asarray, (*one, *other))
    ends = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for a_end, side in ((a_low, -1), (a_high, 1)):
            toward_zero = side * a_end < 0  # then the largest denominator decides
            b_end = np.where(toward_zero, b_high, b_low)
            square, constant = b_end * (2 * b - b_end), a_end * (2 * a - a_end)
            middle = a * b - correlation * np.abs((a_end - a) * (b_end - b))
            root = side * np.sqrt(np.maximum(middle**2 - square * constant, 0))
            end = np.where(toward_zero, constant / (middle - root), (middle + root) / square)
            ends.append(np.where(b_low > 0, end, np.nan))
        return np.where(b > 0, a / b, np.nan), *(np.where(np.isfinite(ends).all(axis=0), end, np.nan) for end in ends)


def independent_answers(proportions: np.ndarray) -> np.ndarray:
    """Compute the number of independent answers whose mean is as precise as that of proportions, over the last axis.

    Each proportion is a single answer to a stimulus, or a mean of several answers. ``proportion_interval`` of the mean
    and of this number is valid for both. It is ``effective_answers`` for a variance between stimuli of at least 1/n or,
    with fewer than ``RARE`` stimuli, 1/``RARE``: that of one stimulus that differs by 1 from all others, which a sample
    may lack. For single answers, it is the number of stimuli.

    Parameters
    ----------
    proportions
        (…, stimulus), 0..1; stimuli with NaN are left out.
    """
    proportions = np.asarray(proportions, float)
    known = np.isfinite(proportions)
    n, filled = known.sum(axis=-1), np.where(known, proportions, 0)
    mean = filled.sum(axis=-1) / np.maximum(n, 1)
    squares = (np.where(known, filled - mean[..., None], 0) ** 2).sum(axis=-1)
    return effective_answers(mean, np.maximum(squares / np.maximum(n - 1, 1), 1 / np.maximum(n, RARE)), n)


def effective_answers(mean: np.ndarray, variance: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Compute the number of independent answers whose mean has the variance of the mean of n observations.

    With p the mean, s² the variance of the observations and t the quantile of Student's distribution with n - 1 degrees
    of freedom, it is n p (1 - p)/s² (z/t)², but at least n. The factor (z/t)² is because the variance is estimated.

    Parameters
    ----------
    mean, variance, n
        (…): mean of the observations, 0..1, their variance, and their number.

    References
    ----------
    Korn & Graubard (1998), Survey Methodology 24, 193-201.
    """
    quantile = scipy.special.stdtrit(np.maximum(n - 1, 1), ENDS[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(variance > 0, n * mean * (1 - mean) / variance * (Z / quantile) ** 2, np.inf)
    return np.maximum(n, effective)


def difference_interval(differences: np.ndarray) -> Interval:
    """Compute Student's interval of the mean of paired differences, with a guard for few stimuli, over the last axis.

    Student's interval alone has no width if all differences are equal, and it is too narrow if a few stimuli differ
    much and none of these is in the sample. Two guards, which matter less the more stimuli there are, prevent this.
    With n differences d and t the quantile of Student's distribution with n - 1 degrees of freedom, the ends are
    m ± t sqrt(S / (N (N - 1))).

    - Additional differences: w/2 with the value 1, w/2 with -1 and w with 0, so that N = n + 2 w and m = Σ d/N (Agresti
      and Min, for single answers, with w = 1). Here w = ``ADDED`` g³, where g = Σ d²/Σ |d| is the size of a typical
      difference: 1 for single answers and where all differences are 0, and less for means of many answers, which vary
      less.
    - A smallest variance: S = Σ d² + w - N m², but at least (n - 1)/n. This is the sum of squares if one stimulus
      differs by 1 and the others by 0. With fewer than ``RARE`` stimuli it is (n - 1)/``RARE``.

    The form and the constants were chosen by simulation: of the candidates with a coverage of at least 0.92 for up to
    20 stimuli, this one had the highest power. ``studies.simulations.proportions`` simulates it. With single answers,
    fewer than six stimuli cannot exclude 0, as in the exact sign test. A single stimulus has no interval. The standard
    error is the square root.

    Parameters
    ----------
    differences
        (…, stimulus), -1..1, of single answers or of means of several answers; stimuli with NaN are left out.

    References
    ----------
    Agresti & Min (2005), Statistics in Medicine 24, 729-740.
    """
    centre, value, error, n = _guarded_mean(np.asarray(differences, float))
    return _student(centre, value, error, n - 1)


def networks_interval(one: np.ndarray, other: np.ndarray) -> Interval:
    """Compute the interval of the difference of two groups of networks, over networks and stimuli, over the last axis.

    The difference of a stimulus is the mean over the networks of the first group minus that over the networks of the
    second one. With a single network in each group, the result is ``difference_interval`` of these differences, for
    these two networks. With several in both, networks are a second random factor, crossed with stimuli and nested in
    their group. To the variance over stimuli is added, for each group, the variance of its networks' means times the
    sum of their squared weights, less the part that the stimuli already bring: the mean square of the residuals of
    networks and stimuli times the sum of the squared weights of the answers. A negative estimate counts as 0. The
    weight of an answer is its share in the mean. In a balanced design, this is the variance of the crossed analysis of
    variance. The quantile is that of Student's distribution with Satterthwaite's degrees of freedom. A group of two
    networks has no interval: where its networks vary more than those of the other group, the coverage is 0.86 to 0.94.

    Parameters
    ----------
    one, other
        (network, …, stimulus), 0..1, with NaN where a network has no answer; the same stimuli in both, and either one
        network in each or at least two. Stimuli without an answer in one of the groups are left out. Where fewer than
        ``MIN_NETWORKS`` networks of a group of several have answers, there is no interval (NaN).

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114; Cameron, Gelbach & Miller (2011), Journal of Business &
    Economic Statistics 29, 238-249, for the sum over two factors.
    """
    one, other = np.asarray(one, float), np.asarray(other, float)
    differences = mean_of_known(one) - mean_of_known(other)
    centre, value, error, n = _guarded_mean(differences)
    if len(one) == 1 and len(other) == 1:
        return _student(centre, value, error, n - 1)
    used = np.isfinite(differences)
    variance, squares = error**2, error**4 / np.maximum(n - 1, 1)
    for group in (one, other):
        between, residual, networks = _variance_of_networks(np.where(used, group, np.nan))
        more, df = np.maximum(between - residual, 0), np.maximum(networks - 1, 1)
        variance = variance + more
        squares = squares + (more > 0) * (between**2 / df + residual**2 / (df * np.maximum(n - 1, 1)))
    return _student(centre, value, np.sqrt(variance), variance**2 / squares)


def mean_of_known(values: np.ndarray) -> np.ndarray:
    """Average over the first axis, without NaN; NaN where nothing else is there."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def _variance_of_networks(group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Variance of the mean of a group by the means of its networks, and by the residuals; number of networks.

    ``group`` is (network, …, stimulus). NaN with fewer than ``MIN_NETWORKS`` networks.
    """
    known = np.isfinite(group)
    of_network, of_stimulus = mean_of_known(np.moveaxis(group, -1, 0)), mean_of_known(group)
    whole = mean_of_known(np.moveaxis(of_stimulus, -1, 0))
    networks, stimuli = np.isfinite(of_network).sum(axis=0), np.isfinite(of_stimulus).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = np.where(known, 1 / known.sum(axis=0), 0) / stimuli[..., None]
        centred = of_network - mean_of_known(of_network)
        between = np.nansum(centred**2, axis=0) / (networks - 1) * (weights.sum(axis=-1) ** 2).sum(axis=0)
        residuals = group - of_network[..., None] - of_stimulus + whole[..., None]
        df = known.sum(axis=(0, -1)) - networks - stimuli + 1
        residual = np.nansum(residuals**2, axis=(0, -1)) / df * (weights**2).sum(axis=(0, -1))
    return np.where(networks >= MIN_NETWORKS, between, np.nan), np.where(df > 0, residual, 0), networks


def _guarded_mean(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Centre, mean, standard error and number of ``difference_interval``, over the last axis."""
    known = np.isfinite(differences)
    n, filled = known.sum(axis=-1), np.where(known, differences, 0)
    total, absolute, squares = filled.sum(axis=-1), np.abs(filled).sum(axis=-1), (filled**2).sum(axis=-1)
    size = np.divide(squares, absolute, out=np.ones(np.shape(total)), where=absolute > 0)
    added = ADDED * size**3
    count = np.where(n > 1, n, np.nan) + 2 * added
    mean = total / count
    spread = np.maximum(squares + added - count * mean**2, (n - 1) / np.maximum(n, RARE))
    value = np.divide(total, n, out=np.full(np.shape(total), np.nan), where=n > 0)
    return mean, value, np.sqrt(spread / (count * (count - 1))), n


def _student(centre: np.ndarray, value: np.ndarray, error: np.ndarray, df: np.ndarray) -> Interval:
    """Student's interval around a centre, within -1..1."""
    half = scipy.special.stdtrit(np.maximum(df, 1), ENDS[1]) * error
    return Interval(value, error, (centre - half).clip(-1, 1), (centre + half).clip(-1, 1))
