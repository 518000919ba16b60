"""Recognition: which category a model gives to a stimulus, by forced choice among the dataset's categories."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from metamers.models import Model, fit_stimuli


@torch.no_grad()
def class_scores(model: Model, stimuli: torch.Tensor, batch_size: int = 8) -> np.ndarray:
    """Scores (stimulus, class), float32, computed in batches.

    Raises
    ------
    ValueError
        When a score is not finite.
    """
    scores = np.concatenate([model.scores(batch).float().cpu().numpy() for batch in stimuli.split(batch_size)])
    if not np.isfinite(scores).all():
        raise ValueError(f"model {model.name}: class scores are not finite")
    return scores


def recognize(
    model: Model, stimuli: np.ndarray, sampling_rate_hz: float | None, classes: Mapping[str, Sequence[int]]
) -> np.ndarray:
    """What a model answers to stimuli as they are exported (Feather et al. 2023, Methods).

    Parameters
    ----------
    model
        Who is asked.
    stimuli
        (stimulus, …signal); brought to what the model takes.
    sampling_rate_hz
        Of sounds; None of pictures.
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
    """
    return answers(class_scores(model, fit_stimuli(model, stimuli, sampling_rate_hz)), classes, model.name)


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
        When there are no categories, or one names a class that the model does not have.
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
    return owners[scores[:, indices].argmax(axis=1)]
