"""The number of trials behind published proportions correct, which the public files do not contain."""

import numpy as np
import scipy.stats

MOST_TRIALS = 60  # largest possible number of trials of a published condition
EM_STEPS = 200
SPREAD = 10  # sum of the parameters of a beta distribution that is wider than the published participants differ
LEAST_MEAN = 0.01  # smallest distance of a condition's mean from 0 and 1


def trials_per_condition(proportions: np.ndarray) -> float:
    """Estimate the mean number of trials behind proportions correct, which the public files do not contain.

    The estimate is the maximum-likelihood distribution (by expectation maximization) over whole numbers of trials. A
    proportion is compatible with those numbers only that make it a whole number of correct answers; each has the
    beta-binomial probability of this number among participants who differ.

    Parameters
    ----------
    proportions
        (participant, condition), 0..1.

    Raises
    ------
    ValueError
        When a proportion needs more than ``MOST_TRIALS`` trials.

    References
    ----------
    Skellam (1948), Journal of the Royal Statistical Society B 10, 257-261, for the beta-binomial distribution.
    """
    numbers = np.arange(1, MOST_TRIALS + 1)[:, None, None]
    right = np.rint(proportions * numbers)
    mean = proportions.mean(axis=0).clip(LEAST_MEAN, 1 - LEAST_MEAN)
    possible = np.abs(right - proportions * numbers) < 1e-6
    probable = scipy.stats.betabinom.pmf(right, numbers, SPREAD * mean, SPREAD * (1 - mean))
    likelihood = np.where(possible, probable, 0).reshape(MOST_TRIALS, -1)
    if not (likelihood.sum(axis=0) > 0).all():
        raise ValueError(f"a proportion correct is not possible with any number of trials up to {MOST_TRIALS}")
    shares = np.full(MOST_TRIALS, 1 / MOST_TRIALS)
    for _ in range(EM_STEPS):
        chosen = shares[:, None] * likelihood
        shares = (chosen / chosen.sum(axis=0)).mean(axis=1)
    return float(shares @ numbers.ravel())
