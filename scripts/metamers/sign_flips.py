"""The permutation test of two models that the same participants judge, for many experiments at once.

With two models, permuting models within each participant (``metamers.anova.permutation_p_models``) exchanges the two
scores of some participants, which flips the signs of their differences. F of the main effect of model is
(n - 1) S² / (n Q - S²), with S the sum of the differences and Q that of their squares. Q is the same for all flips, so
F* ≥ F exactly where |S*| ≥ |S|. The test needs sums of differences only.
"""

import math

import numpy as np

from metamers.anova import ROUNDING

EXACT = 12  # participants up to which all flips are tried: 2^11, as opposite flips have the same |S|
FLIPS = 2000  # drawn for more participants, at least
FLIPS_AT_LEVEL = 20  # of the flips drawn, so many or more are those that the level allows


def flips_drawn(alpha: float, permutations: int) -> int:
    """How many random flips are enough for a decision at a level; no more than the analysis itself makes."""
    return min(permutations, max(FLIPS, math.ceil(FLIPS_AT_LEVEL / alpha)))


def sign_flip_p(differences: np.ndarray, flips: int, rng: np.random.Generator) -> np.ndarray:
    """Two-sided p (experiment,) of the hypothesis that differences are as often below 0 as above.

    Up to ``EXACT`` differences all flips are enumerated; for more, ``flips`` of them are drawn, the same ones for all
    experiments of the call. Counted as in ``metamers.anova``: flips that reach the data's own |S|, up to rounding, over
    all flips, and no less than 1 of them. Where all differences are equal and not 0, F is infinite and the analysis of
    variance is not made; here p is the smallest one. Where all are 0, p is 1.

    Parameters
    ----------
    differences
        (experiment, participant), or stimulus in place of participant.
    flips
        How many are drawn where there are more than ``EXACT`` differences.
    rng
        Source of the flips.
    """
    number = differences.shape[1]
    if number <= EXACT:
        # The first sign stays: the opposite of every flip has the same |S|.
        signs = 1.0 - 2.0 * ((np.arange(2 ** (number - 1))[:, None] >> np.arange(number)) & 1)
    else:
        signs = 1.0 - 2.0 * rng.integers(2, size=(flips, number))
    found = np.abs(differences.sum(axis=1, keepdims=True))
    reached = np.abs(differences @ signs.T) >= found - ROUNDING * np.abs(differences).sum(axis=1, keepdims=True)
    return np.maximum(reached.sum(axis=1), 1) / len(signs)
