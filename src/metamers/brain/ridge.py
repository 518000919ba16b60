"""Ridge regression of responses on the features of a stage, with its penalty chosen by leave-one-out cross-validation.

``published_ridge`` chooses a penalty for every response separately, like the published analysis (not verified).
``ridge_gains`` and ``predict`` share one penalty among the repetitions of a voxel and reuse one decomposition of the
features, so that thousands of shuffled responses are cheap. Scores of predictions are in
``metamers.brain.explained_variance``.
"""

from typing import NamedTuple

import numpy as np

# Ridge parameters that leave-one-out chooses from, as in the study's analysis (not verified).
RIDGE_PARAMETERS = 10.0 ** np.arange(-40, 40)
# Ridge parameters for signed values, in units of the largest squared singular value of the features. With smaller ones
# predictions equal those without a penalty, with larger ones they equal the mean.
RELATIVE_PARAMETERS = 10.0 ** np.arange(4, -9, -1)
TIE = 1e-12  # a smaller penalty must reduce the leave-one-out error by more than this share of it


def ridge(train: np.ndarray, responses: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predict responses by ridge regression; leave-one-out on the training stimuli chooses each response's penalty.

    Parameters
    ----------
    train, test
        Features (stimulus, unit) of training and test stimuli.
    responses
        (training stimulus, response).

    Returns
    -------
    predicted
        (test stimulus, response).
    parameters
        (response,): the chosen penalties, out of ``RIDGE_PARAMETERS``.
    """
    return published_ridge(*project_to_span(train, test), responses)


def project_to_span(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project features (stimulus, unit) onto the span of the training features.

    Ridge regression is invariant under rotation of its features, so this changes no prediction. The span has fewer
    dimensions than there are training stimuli, whereas a stage can have a million units.

    Parameters
    ----------
    train, test
        Features (stimulus, unit) of training and test stimuli.

    Returns
    -------
    inside
        (training stimulus, dimension).
    outside
        (test stimulus, dimension). Features that do not vary give one dimension of zeros in both.
    """
    mean = train.mean(axis=0)
    left, lengths, directions = np.linalg.svd(train - mean, full_matrices=False)
    kept = lengths > lengths[0] * max(train.shape) * np.finfo(train.dtype).eps
    if not kept.any():
        return np.zeros((len(train), 1)), np.zeros((len(test), 1))
    return left[:, kept] * lengths[kept], (test - mean) @ directions[kept].T


def published_ridge(inside: np.ndarray, outside: np.ndarray, responses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the result of ``ridge`` from features that ``project_to_span`` has projected."""
    from sklearn.linear_model import RidgeCV

    # The largest first, as in the study's analysis (not verified). The smallest can divide by 0; they are not chosen.
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted = RidgeCV(alphas=RIDGE_PARAMETERS[::-1], alpha_per_target=True, gcv_mode="eigen").fit(inside, responses)
    return fitted.predict(outside), fitted.alpha_


class Span(NamedTuple):
    """Singular value decomposition of training features, and test features in the same directions.

    Attributes
    ----------
    left
        Left singular vectors (training stimulus, dimension).
    lengths
        Singular values (dimension,).
    outside
        Test features (test stimulus, dimension).
    """

    left: np.ndarray
    lengths: np.ndarray
    outside: np.ndarray


def decompose(inside: np.ndarray, outside: np.ndarray) -> Span:
    """Decompose projected features (``project_to_span``) in double precision, once for all responses."""
    inside = inside.astype(np.float64)
    mean = inside.mean(axis=0)
    left, lengths, directions = np.linalg.svd(inside - mean, full_matrices=False)
    kept = lengths > lengths[0] * len(inside) * np.finfo(np.float64).eps
    return Span(left[:, kept], lengths[kept], (outside - mean) @ directions[kept].T)


def ridge_gains(span: Span, mean: np.ndarray) -> np.ndarray:
    """Compute the factor by which ridge regression multiplies each singular direction, with the best penalty.

    Leave-one-out chooses the penalty λ of each response; its error follows from the hat matrix as e / (1 - h) (Allen
    1974). The candidates are ``RELATIVE_PARAMETERS`` and infinity, which predicts the mean.

    Parameters
    ----------
    span
        The decomposed features.
    mean
        Responses averaged over repetitions (training stimulus, response).

    Returns
    -------
    numpy.ndarray
        (dimension, response): σ / (σ² + λ), with σ the singular value.

    References
    ----------
    Allen (1974), Technometrics 16, 125-127.
    """
    left, lengths, _ = span
    number = len(left)
    mean = mean - mean.mean(axis=0)
    least = np.square(mean * (number / (number - 1))).sum(axis=0)
    chosen = np.zeros(mean.shape[1], dtype=int)
    parameters = RELATIVE_PARAMETERS * lengths.max(initial=0) ** 2
    for place, parameter in enumerate(parameters, 1):
        shrunk = lengths**2 / (lengths**2 + parameter)
        own = 1 - 1 / number - np.square(left) @ shrunk
        errors = (mean - (left * shrunk) @ (left.T @ mean)) / own[:, None]
        squares = np.einsum("ij,ij->j", errors, errors)
        better = squares < least * (1 - TIE)
        least, chosen = np.where(better, squares, least), np.where(better, place, chosen)
    gains = np.zeros((1 + len(parameters), len(lengths)))
    gains[1:] = lengths / (lengths**2 + parameters[:, None])
    return gains[chosen].T


def predict(span: Span, responses: np.ndarray, gains: np.ndarray) -> np.ndarray:
    """Predict every repetition by ridge regression, with the penalty that was chosen for the mean of the repetitions.

    With a common penalty, the prediction from the mean response equals the mean of the predictions from the single
    repetitions. The Spearman-Brown formula for the reliability of a mean requires this.

    Parameters
    ----------
    span
        The decomposed features.
    responses
        (training stimulus, repetition, response).
    gains
        Result of ``ridge_gains``: (dimension, response).

    Returns
    -------
    numpy.ndarray
        (test stimulus, repetition, response), without the mean over training stimuli.
    """
    left, lengths, outside = span
    responses = responses - responses.mean(axis=0)
    weights = (left.T @ responses.reshape(len(left), -1)).reshape(-1, *responses.shape[1:]) * gains[:, None]
    return (outside @ weights.reshape(len(lengths), -1)).reshape(-1, *responses.shape[1:])
