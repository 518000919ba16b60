"""Classes of a model: its scores for them, and the categories of a dataset that they belong to."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from metamers.models.batches import forward
from metamers.models.model import Model


def class_scores(model: Model, stimuli: torch.Tensor, max_batch_size: int | None = None) -> np.ndarray:
    """Class scores (stimulus, class), float32, computed in batches.

    Parameters
    ----------
    model
        The recognition model.
    stimuli
        (stimulus, *model.preprocessing.signal_shape).
    max_batch_size
        As for ``metamers.models.batches.forward``.

    Raises
    ------
    ValueError
        When a score is not finite.
    """
    scores = forward(model.scores, stimuli, max_batch_size)
    if not np.isfinite(scores).all():
        raise ValueError(f"model {model.name}: class scores are not finite")
    return scores


def classes_of_categories(
    scores: np.ndarray, classes: Mapping[str, Sequence[int]], model: str
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the classes that belong to any category, and the category of each.

    Parameters
    ----------
    scores
        Class scores (stimulus, class) of a model.
    classes
        Category → class indices.
    model
        The model's name, for messages.

    Returns
    -------
    indices
        Class indices (class of any category,).
    owners
        Their categories (class of any category,), as text.

    Raises
    ------
    ValueError
        When there are no categories, or the model does not have a class of a category.
    """
    indices = np.array([index for members in classes.values() for index in members], dtype=int)
    owners = np.array([category for category, members in classes.items() for _ in members])
    if not len(indices):
        raise ValueError("no category has any class: give the dataset's `categories` table rows")
    if indices.max() >= scores.shape[1]:
        raise ValueError(
            f"model {model} has {scores.shape[1]} classes, but category {str(owners[indices.argmax()])!r} names class "
            f"{indices.max()}: the dataset's `categories` table is of other classes"
        )
    return indices, owners
