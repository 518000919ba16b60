"""Predictive distribution of the number of correct answers, given the possible proportions correct of participants.

``metamers.preregister.freeze`` stores the possible proportions before participants answer, and
``metamers.preregister.score`` scores the answers. Both call the functions of this module.
"""

import numpy as np
import scipy.stats
from scipy.special import logsumexp

BLOCK = 32  # proportions at a time, which limits the memory for many answers
INDEPENDENT = 1e-8  # correlations below this value are treated as 0, where the beta-binomial distribution loses digits


def answer_correlation(mean: np.ndarray, variance: float) -> np.ndarray:
    """Compute the correlation of two answers of one participant, σ² m (1 - m).

    Participants whose log odds have the variance σ² differ by σ² m² (1 - m)² around the mean m (delta method). The
    variance of an answer is m (1 - m), and the correlation is the ratio of the two.

    Parameters
    ----------
    mean
        Mean proportion correct over participants, of any shape, 0..1.
    variance
        Variance of the log odds of a correct answer between participants.
    """
    return np.clip(variance * mean * (1 - mean), 0, 0.999)


def shared_pairs(trials: np.ndarray) -> float:
    """Compute the proportion of pairs of answers that are of the same participant, 0 for a single answer.

    Parameters
    ----------
    trials
        Number of answers of each participant, (participant,).
    """
    total = float(trials.sum())
    return float((trials * (trials - 1.0)).sum() / (total * (total - 1))) if total > 1 else 0.0


def log_probabilities(correct: np.ndarray, means: np.ndarray, trials: np.ndarray, variance: float) -> np.ndarray:
    """Compute the log probability (count, mean) of numbers of correct answers, for each mean proportion correct.

    The number has a beta-binomial distribution with the variance that answers of participants have: n m (1 - m) (1 +
    (n - 1) ρ q), where ρ is ``answer_correlation`` and q ``shared_pairs``. It is exact for participants with
    one answer each, where it is binomial, and for one participant whose probability of a correct answer has a beta
    distribution.

    Parameters
    ----------
    correct
        Numbers of correct answers, (count,).
    means
        Mean proportions correct over participants, (mean,), 0..1.
    trials
        Number of answers of each participant, (participant,).
    variance
        As for ``answer_correlation``.

    References
    ----------
    Skellam (1948), Journal of the Royal Statistical Society B 10, 257-261.
    """
    total, number = int(trials.sum()), np.asarray(correct)[:, None]
    correlation = answer_correlation(means, variance) * shared_pairs(trials)
    strength = 1 / np.maximum(correlation, INDEPENDENT) - 1
    independent = scipy.stats.binom.logpmf(number, total, means)
    dependent = scipy.stats.betabinom.logpmf(number, total, means * strength, (1 - means) * strength)
    return np.where(correlation > INDEPENDENT, dependent, independent)


def log_score(correct: int, means: np.ndarray, trials: np.ndarray, variance: float) -> float:
    """Compute the log probability of the number of correct answers, if all mean proportions are equally probable.

    The arguments are those of ``log_probabilities``.
    """
    logarithms = log_probabilities(np.array([correct]), means, trials, variance)
    return float(logsumexp(logarithms) - np.log(len(means)))


def count_distribution(means: np.ndarray, trials: np.ndarray, variance: float) -> np.ndarray:
    """Compute the probability of every number of correct answers, from 0 to that of all answers.

    The arguments are those of ``log_probabilities``; all mean proportions are equally probable.
    """
    counts = np.arange(int(trials.sum()) + 1)
    blocks = np.array_split(means, max(1, len(means) // BLOCK))
    summed = sum(np.exp(log_probabilities(counts, block, trials, variance)).sum(axis=1) for block in blocks)
    return summed / np.sum(summed)


def central_interval(probabilities: np.ndarray, level: float) -> tuple[int, int]:
    """Return the smallest and largest number of the central interval, which has at least the probability ``level``.

    At most (1 - level) / 2 of the probability is below the interval, and as much above it.

    Parameters
    ----------
    probabilities
        Result of ``count_distribution``.
    level
        Between 0 and 1.
    """
    tail = (1 - level) / 2
    below, above = np.cumsum(probabilities), np.cumsum(probabilities[::-1])
    last = len(probabilities) - 1
    # The rounding errors of sums must not decide.
    low = int(np.searchsorted(below, tail + 1e-12, side="right"))
    high = last - int(np.searchsorted(above, tail + 1e-12, side="right"))
    return min(low, last), max(high, 0)
