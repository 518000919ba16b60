"""Ridge regression of responses on the features of a stage, with its penalty chosen by leave-one-out cross-validation.

``published_ridge`` chooses a penalty for every response separately, like the published analysis (not verified). That
analysis uses ``RidgeCV`` of scikit-learn, whose leave-one-out errors are differences of nearly equal numbers where
there are more units than stimuli: for the smallest penalties they are rounding, and can be the smallest ones.
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


def choose_penalties(span: Span, responses: np.ndarray, penalties: np.ndarray) -> np.ndarray:
    """Choose the penalty of each response with the smallest squared error of leave-one-out cross-validation.

    A stimulus that is left out has the error e / (1 - h), with the residual e and the diagonal h of the hat matrix
    (Allen 1974). Both e and 1 - h are sums over an orthonormal basis of all centred responses, weighted by λ / (σ² + λ)
    in the directions of the features and by 1 in the others. Computed so, and not as differences, they keep all digits
    where few stimuli determine the weights of many units and λ is small, so that both are nearly 0.

    Parameters
    ----------
    span
        The decomposed features.
    responses
        (training stimulus, response).
    penalties
        (penalty,): λ, above 0; infinity predicts the mean. Among equal ones, the first is chosen.

    Returns
    -------
    numpy.ndarray
        (response,): positions in ``penalties``.

    References
    ----------
    Allen (1974), Technometrics 16, 125-127.
    """
    left, lengths, _ = span
    constant = np.ones((len(left), 1))
    others = np.linalg.qr(np.hstack([constant, left]), mode="complete")[0][:, 1 + len(lengths) :]
    inside, outside, own = left.T @ responses, others @ (others.T @ responses), np.square(others).sum(axis=1)
    least, chosen = np.full(responses.shape[1], np.inf), np.zeros(responses.shape[1], dtype=int)
    for place, penalty in enumerate(penalties):
        weights = 1 / (1 + lengths**2 / penalty)
        errors = ((left * weights) @ inside + outside) / (np.square(left) @ weights + own)[:, None]
        squares = np.einsum("ij,ij->j", errors, errors)
        better = squares < least * (1 - TIE)
        least, chosen = np.where(better, squares, least), np.where(better, place, chosen)
    return chosen


def published_ridge(inside: np.ndarray, outside: np.ndarray, responses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the result of ``ridge`` from features that ``project_to_span`` has projected."""
    span = decompose(inside, outside)
    penalties = RIDGE_PARAMETERS[::-1]  # of equally good ones, the largest is chosen
    parameters = penalties[choose_penalties(span, responses, penalties)]
    gains = span.lengths[:, None] / (span.lengths[:, None] ** 2 + parameters)
    return predict(span, responses[:, None], gains)[:, 0] + responses.mean(axis=0), parameters


def ridge_gains(span: Span, mean: np.ndarray) -> np.ndarray:
    """Compute the factor by which ridge regression multiplies each singular direction, with the best penalty.

    The candidates of ``choose_penalties`` are infinity and ``RELATIVE_PARAMETERS``.

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
    """
    _, lengths, _ = span
    penalties = np.append(np.inf, RELATIVE_PARAMETERS * lengths.max(initial=0) ** 2)
    return (lengths / (lengths**2 + penalties[:, None]))[choose_penalties(span, mean, penalties)].T


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
    return (outside @ weights.reshape(len(lengths), responses[0].size)).reshape(-1, *responses.shape[1:])
