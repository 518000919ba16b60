"""Reliability of repeated responses, by which explained variance is corrected for noise."""

import warnings

import numpy as np

CHANCE = 0.05  # p of the correlation that is the smallest reliability by which a variance is divided


def minimum_reliability(number: int) -> float:
    """Compute the correlation that two random series of this length exceed with probability 0.05 (one-sided).

    A lower reliability is replaced by this value before a variance is divided by it (Feather et al. 2023, Methods, fMRI
    analysis, after Huth et al. 2016): 0.182 for 83 sounds, 0.183 for 82.

    Parameters
    ----------
    number
        Number of stimuli.
    """
    import scipy.stats  # slow to import, and most importers of this module do not need it

    t = scipy.stats.t.isf(CHANCE, number - 2)
    return float(t / np.sqrt(number - 2 + t**2))


def correlate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson correlation over the first axis; 0 where one does not vary, as in the study's analysis (not verified)."""
    import scipy.stats  # slow to import, and most importers of this module do not need it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.stats.ConstantInputWarning)
        warnings.simplefilter("ignore", scipy.stats.NearConstantInputWarning)
        return np.nan_to_num(scipy.stats.pearsonr(a, b, axis=0).statistic)


def reliability(repeated: np.ndarray) -> np.ndarray:
    """Compute the reliability of the mean of repeated series: Spearman-Brown of the median correlation between pairs.

    Parameters
    ----------
    repeated
        (observation, voxel, repetition), with at least two repetitions.

    Returns
    -------
    numpy.ndarray
        (voxel,), at least ``minimum_reliability`` of the number of observations.
    """
    number = repeated.shape[2]
    first, second = np.triu_indices(number, 1)
    pairs = [correlate(repeated[:, :, i], repeated[:, :, j]) for i, j in zip(first, second, strict=True)]
    return reliability_of_mean(np.median(pairs, axis=0), number, len(repeated))


def reliability_of_mean(median: np.ndarray, number: int, observations: int) -> np.ndarray:
    """Apply the Spearman-Brown formula to the median correlation between pairs of repeated series.

    Parameters
    ----------
    median
        Median correlation between pairs, of any shape.
    number
        Number of series that are averaged.
    observations
        Length of the series, which decides the ``minimum_reliability``.
    """
    # The Spearman-Brown formula has a pole at -1 / (number - 1); values below chance count as chance.
    least = minimum_reliability(observations)
    with np.errstate(divide="ignore", invalid="ignore"):
        corrected = number * median / (1 + (number - 1) * median)
    return np.where(median > 0, np.maximum(corrected, least), least)
