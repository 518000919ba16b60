"""Recognition: the category that a model gives to a stimulus, by forced choice among the dataset's categories.

The module also defines what a file of recognition holds. Stimuli are brought to the model's size or rate by
``metamers.models.model.fit_stimuli``; proportions correct are computed in ``metamers.compare``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.special
import xarray as xr

from metamers.models.classes import class_scores, classes_of_categories
from metamers.models.model import Model, fit_stimuli


def recognize(
    model: Model, stimuli: np.ndarray, sampling: Mapping[str, Any], classes: Mapping[str, Sequence[int]]
) -> np.ndarray:
    """The answers of a recognition model to exported stimuli (Feather et al. 2023, Methods).

    Parameters
    ----------
    model
        The recognition model.
    stimuli
        (stimulus, …signal), in any size or sampling rate.
    sampling
        How their values are sampled (``metamers.modalities.sampling_of``).
    classes
        Category → class indices.

    Returns
    -------
    numpy.ndarray
        Categories (stimulus,), as text.

    Raises
    ------
    ValueError
        As ``class_scores`` and ``answers``.

    Examples
    --------
    The class scores of this network are its pixels, so it names the category of the brightest one.

    >>> import numpy as np
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.recognize.recognition import recognize
    >>> from metamers.models.preprocessing import ImagePreprocessing
    >>> grey = ImagePreprocessing(size=2, mean=[0.0], std=[1.0])
    >>> model = Model("brightest pixel", "vision", grey, torch.nn.Flatten(), {"pixels": "scores"})
    >>> images = np.eye(4)[:2].reshape(2, 1, 2, 2)
    >>> recognize(model, images, {}, {"cat": [0], "dog": [1, 2, 3]})
    array(['cat', 'dog'], dtype='<U3')
    """
    fitted = fit_stimuli(model, stimuli, sampling)
    if model.readout is not None:
        return model.readout(model, fitted, classes)
    return answers(class_scores(model, fitted), classes, model.name)


def answers(scores: np.ndarray, classes: Mapping[str, Sequence[int]], model: str) -> np.ndarray:
    """The category of each stimulus's highest-scoring class among the classes that belong to any category.

    The published rule for the 16-way choice (Feather et al. 2023, Methods).

    Parameters
    ----------
    scores
        (stimulus, class).
    classes
        Category → class indices.
    model
        The model's name, for messages.

    Returns
    -------
    numpy.ndarray
        Categories (stimulus,), as text.

    Raises
    ------
    ValueError
        When there are no categories, or the model does not have a class of a category.

    Examples
    --------
    The last class belongs to no category, so its high scores do not count.

    >>> import numpy as np
    >>> from metamers.recognize.recognition import answers
    >>> answers(np.array([[5.0, 1.0, 9.0], [1.0, 5.0, 9.0]]), {"cat": [0], "dog": [1]}, "network")
    array(['cat', 'dog'], dtype='<U3')
    """
    indices, owners = classes_of_categories(scores, classes, model)
    return owners[scores[:, indices].argmax(axis=1)]


def category_log_odds(
    scores: np.ndarray, classes: Mapping[str, Sequence[int]], categories: Sequence[str], model: str
) -> np.ndarray:
    """The graded evidence for a category of each stimulus: the log odds of its probability.

    Probabilities are the softmax of the scores of the classes that belong to any category, as for ``answers``. The
    probability p of a category is the sum over its classes; the log odds are log p − log(1 − p), computed without
    rounding p to 0 or 1.

    Parameters
    ----------
    scores
        (stimulus, class): log probabilities up to a constant of each stimulus, as before a softmax.
    classes
        Category → class indices.
    categories
        A category for each stimulus, such as its true one.
    model
        The model's name, for messages.

    Returns
    -------
    numpy.ndarray
        Log odds (stimulus,), natural logarithm, float64.

    Raises
    ------
    ValueError
        As ``answers``; when a category has no class, or there is no class of another category.

    Examples
    --------
    With two classes, the log odds are the difference of their scores.

    >>> import numpy as np
    >>> from metamers.recognize.recognition import category_log_odds
    >>> category_log_odds(np.array([[3.0, 1.0]]), {"cat": [0], "dog": [1]}, ["cat"], "network")
    array([2.])
    """
    indices, owners = classes_of_categories(scores, classes, model)
    own = owners == np.asarray(categories).reshape(-1, 1)
    lacking = sorted({str(name) for name, has in zip(categories, own.any(axis=1), strict=True) if not has})
    if lacking:
        raise ValueError(f"categories {lacking} have no class in the dataset's `categories` table")
    if own.all(axis=1).any():
        raise ValueError("log odds need two categories at least; the dataset's `categories` table has one")
    used = scores[:, indices].astype(float)
    evidence = [scipy.special.logsumexp(used, axis=1, b=chosen) for chosen in (own, ~own)]
    return evidence[0] - evidence[1]


def recognition_dataset(answer: np.ndarray, dims: Sequence[str], coordinates: Mapping[str, Any]) -> xr.Dataset:
    """The content of a file of recognition: answers to stimuli, and whether they are correct.

    Parameters
    ----------
    answer
        Categories, as text.
    dims
        Dimensions of ``answer``, including ``stimulus``.
    coordinates
        Coordinates of the file, as for ``xarray.Dataset``, including the true ``category`` (stimulus).

    Returns
    -------
    xarray.Dataset
        ``answer`` and ``correct``, both with ``dims``.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.recognize.recognition import recognition_dataset
    >>> answer = np.array(["cat", "dog"])
    >>> recognized = recognition_dataset(answer, ["stimulus"], {"category": ("stimulus", ["cat", "cat"])})
    >>> recognized["correct"].values
    array([ True, False])
    """
    answered = xr.Dataset({"answer": (tuple(dims), answer)}, coords=coordinates)
    return answered.assign(correct=answered["answer"] == answered["category"])
