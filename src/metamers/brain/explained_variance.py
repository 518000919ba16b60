"""Variance of measured responses that a stage explains, corrected for noise: squared, signed, and for shuffled stimuli.

Fitting the regressions is in ``metamers.brain.ridge``, combining voxels in ``metamers.brain.group_level``.
"""

import numpy as np

from metamers.brain.reliability import correlate, reliability, reliability_of_mean
from metamers.brain.ridge import Span, predict, published_ridge, ridge_gains

CONSTANT = 1e-12  # a series whose deviations are below this part of its largest value does not vary
BLOCK = 2**21  # shuffled responses in memory at a time


def corrected_r2(
    inside: np.ndarray, outside: np.ndarray, measured: np.ndarray, is_train: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the squared, noise-corrected explained variance of each voxel (Feather et al. 2023, Methods).

    r²(v, v̂) / (r_v · r_v̂), where v is the mean response over repetitions and v̂ its prediction for the test stimuli;
    r_v is the reliability of the responses to the training stimuli, and r_v̂ that of the predictions for the test
    stimuli, one from each repetition.

    The square makes negative correlations positive, so that a stage without any relation to the voxel has a value above
    0 on average. ``signed_r2`` has no such bias.

    Parameters
    ----------
    inside, outside
        Result of ``metamers.brain.ridge.project_to_span`` for the stage.
    measured
        (stimulus, voxel, repetition).
    is_train
        (stimulus,): true for training stimuli, false for test stimuli.

    Returns
    -------
    r2
        (voxel,); above 1 where a reliability is underestimated.
    parameters
        (voxel,): ridge penalty of the mean response.
    """
    _, voxels, repetitions = measured.shape
    whole = np.concatenate([measured.mean(axis=2, keepdims=True), measured], axis=2)
    predicted, parameters = published_ridge(inside, outside, whole[is_train].reshape(is_train.sum(), -1))
    predicted = predicted.reshape(-1, voxels, 1 + repetitions)
    explained = correlate(predicted[:, :, 0], whole[~is_train][:, :, 0]) ** 2
    noise = reliability(measured[is_train]) * reliability(predicted[:, :, 1:])
    return explained / noise, parameters.reshape(voxels, 1 + repetitions)[:, 0]


def standardize(series: np.ndarray) -> np.ndarray:
    """Subtract the mean over the first axis and divide by the length; 0 where a series does not vary."""
    largest = np.abs(series).max(axis=0)
    series = series - series.mean(axis=0)
    length = np.sqrt(np.einsum("i...,i...->...", series, series))
    return np.divide(series, length, out=np.zeros_like(series), where=length > CONSTANT * largest)


def correlate_standardized(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Correlate two results of ``standardize`` over the first axis: (observation, response) → (response,)."""
    return np.einsum("ij,ij->j", one, other)


def signed_r2(span: Span, responses: np.ndarray, measured: np.ndarray, reliability_of: np.ndarray) -> np.ndarray:
    """Compute the signed, noise-corrected explained variance of each response.

    r·|r| / (r_v · r_v̂), where r is the correlation of v and v̂ over the test stimuli. A stage without any relation to
    the response has the value 0 on average, because its correlations are negative as often as positive. Where a
    reliability is underestimated, the value lies outside -1 to 1; ``metamers.brain.regression.signed_regression`` clips
    it.

    Parameters
    ----------
    span
        The decomposed features.
    responses
        (training stimulus, repetition, response).
    measured
        (test stimulus, response): mean over repetitions.
    reliability_of
        (response,): r_v, the reliability of the mean response over all stimuli.
    """
    predicted = predict(span, responses, ridge_gains(span, responses.mean(axis=1)))
    r = correlate_standardized(standardize(predicted.mean(axis=1)), standardize(measured))
    alone = standardize(predicted)
    first, second = np.triu_indices(predicted.shape[1], 1)
    pairs = [correlate_standardized(alone[:, i], alone[:, j]) for i, j in zip(first, second, strict=True)]
    repeated = reliability_of_mean(np.median(pairs, axis=0), predicted.shape[1], len(predicted))
    return r * np.abs(r) / (reliability_of * repeated)


def shuffled_r2(
    span: Span, measured: np.ndarray, is_train: np.ndarray, orders: np.ndarray, reliability_of: np.ndarray
) -> np.ndarray:
    """Compute ``signed_r2`` for responses whose stimuli are reordered, in the same way for all voxels and repetitions.

    All orders share the features and their decomposition, so that an additional order costs little.

    Parameters
    ----------
    span
        Features of the training and test stimuli of ``is_train``.
    measured
        (stimulus, repetition, voxel).
    is_train
        (stimulus,): true for training stimuli.
    orders
        (order, stimulus): indices of stimuli.
    reliability_of
        (voxel,): reliability of the mean response.

    Returns
    -------
    numpy.ndarray
        (order, voxel).
    """
    stimuli, repetitions, voxels = measured.shape
    together = max(1, BLOCK // measured.size)
    shuffled = []
    for start in range(0, len(orders), together):
        block = measured[orders[start : start + together]]  # order, stimulus, repetition, voxel
        block = block.transpose(1, 2, 0, 3).reshape(stimuli, repetitions, -1)
        repeated = np.tile(reliability_of, block.shape[2] // voxels)
        shuffled.append(signed_r2(span, block[is_train], block[~is_train].mean(axis=1), repeated).reshape(-1, voxels))
    return np.concatenate(shuffled)
