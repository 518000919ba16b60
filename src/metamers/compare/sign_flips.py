"""The permutation test between two models that the same participants judge, for many experiments at once.

With two models, permuting models within each participant (``metamers.compare.permutation_tests.permutation_p_models``)
exchanges the two scores of some participants, which flips the signs of their differences. F of the main effect of model
is (n - 1) S² / (n Q - S²), where S is the sum of the differences and Q the sum of their squares. Q is the same for all
flips, so F* ≥ F exactly where |S*| ≥ |S|: the test needs only sums of differences.
"""

import math

import numpy as np

from metamers.compare.permutation_tests import ROUNDING

EXACT = 12  # up to this number of participants all flips are tried: 2^11, because opposite flips have the same |S|
FLIPS = 2000  # smallest number of random flips for more participants
FLIPS_AT_LEVEL = 20  # the level times the number of flips is at least this


def flips_drawn(alpha: float, permutations: int) -> int:
    """Compute how many random flips decide at a level, but not more than the permutations of the analysis itself."""
    return min(permutations, max(FLIPS, math.ceil(FLIPS_AT_LEVEL / alpha)))


def reaching_flips(differences: np.ndarray, flips: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Count the sign flips (experiment,) with at least the |S| of the data, up to rounding, and all flips.

    The parameters are those of ``sign_flip_p``. Up to ``EXACT`` differences, the data are one of the flips.
    """
    number = differences.shape[1]
    if number <= EXACT:
        # The first sign is fixed, because the opposite of every flip has the same |S|.
        signs = 1.0 - 2.0 * ((np.arange(2 ** (number - 1))[:, None] >> np.arange(number)) & 1)
    else:
        signs = 1.0 - 2.0 * rng.integers(2, size=(flips, number))
    observed = np.abs(differences.sum(axis=1, keepdims=True))
    reached = np.abs(differences @ signs.T) >= observed - ROUNDING * np.abs(differences).sum(axis=1, keepdims=True)
    return reached.sum(axis=1), len(signs)


def sign_flip_p(differences: np.ndarray, flips: int, rng: np.random.Generator) -> np.ndarray:
    """Compute the two-sided p (experiment,) of the hypothesis that differences have a distribution symmetric about 0.

    Up to ``EXACT`` differences, all flips are enumerated; for more, ``flips`` random flips are drawn, the same for all
    experiments of the call. As in ``metamers.compare.permutation_tests``, p is the number of flips with at least the
    |S| of the data, up to rounding, but not less than 1, divided by the number of flips. Where all differences are
    equal and not 0, F is infinite and the analysis of variance is not made; p is then the smallest possible. Where all
    are 0, p is 1.

    Parameters
    ----------
    differences
        (experiment, participant), or (experiment, stimulus).
    flips
        Number of random flips for more than ``EXACT`` differences.
    rng
        Random generator of the flips.
    """
    reached, number = reaching_flips(differences, flips, rng)
    return np.maximum(reached, 1) / number


def sign_flip_both(differences: np.ndarray, flips: int, rng: np.random.Generator) -> tuple[float, float]:
    """Compute both p of one experiment: that of ``sign_flip_p``, and that which counts the data as one of the flips.

    Where all flips are enumerated, the data are one of them, and both are equal. The parameters are those of
    ``sign_flip_p``, with one experiment.
    """
    (reached,), number = reaching_flips(differences, flips, rng)
    added = int(differences.shape[1] > EXACT)
    return max(reached, 1) / number, (reached + added) / (number + added)
