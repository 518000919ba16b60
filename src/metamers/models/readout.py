"""Linear readouts: how a network without classes names categories, from its pooled activations at one stage.

A readout is trained in ``metamers.train.readout``.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from metamers.models.batches import forward
from metamers.models.model import Model
from metamers.run import files


def pooled(activations: torch.Tensor, features: str | None = None) -> torch.Tensor:
    """Activations averaged over all axes but those of the stimuli and of the features.

    Parameters
    ----------
    activations
        (stimulus, …).
    features
        Which axis after the stimulus has the features, ``first`` or ``last``. None: of two axes the last, as of
        (stimulus, token, feature) and (stimulus, time, feature) in transformers; of more the first, as of (stimulus,
        channel, row, column) in convolutional networks.

    Returns
    -------
    torch.Tensor
        (stimulus, feature). Activations with one axis after the stimulus are their own features.
    """
    if activations.ndim < 3:
        return activations.reshape(len(activations), -1)
    first = activations.ndim > 3 if features is None else features == "first"
    return activations.movedim(1 if first else -1, 1).flatten(2).mean(2)


def pooled_activations(model: Model, stimuli: torch.Tensor, stage: str, features: str | None = None) -> np.ndarray:
    """Pooled activations (stimulus, feature), float32, computed in batches.

    Parameters
    ----------
    model, stage
        The model and its stage.
    stimuli
        (stimulus, *model.preprocessing.signal_shape).
    features
        As for ``pooled``.

    Raises
    ------
    ValueError
        When an activation is not finite.
    """
    values = forward(lambda batch: pooled(model(batch, stage), features), stimuli)
    if not np.isfinite(values).all():
        raise ValueError(f"model {model.name}: pooled activations at stage {stage!r} are not finite")
    return values


@dataclass(frozen=True)
class FittedReadout:
    """A linear function of pooled activations, with a score for each category.

    Attributes
    ----------
    stage, features
        As for ``pooled_activations``.
    categories
        Those that the readout can name.
    mean, standard_deviation
        Of each feature in training, (feature,).
    weight, intercept
        (category, feature) and (category,), for standardized features.
    """

    stage: str
    features: str | None
    categories: np.ndarray
    mean: np.ndarray
    standard_deviation: np.ndarray
    weight: np.ndarray
    intercept: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Scores (stimulus, category) of pooled activations (stimulus, feature)."""
        return (features - self.mean) / self.standard_deviation @ self.weight.T + self.intercept

    def answers(self, model: Model, stimuli: torch.Tensor, categories: Collection[str]) -> np.ndarray:
        """The category with the highest score among ``categories``, for each stimulus.

        Parameters
        ----------
        model, stimuli
            As for ``pooled_activations``.
        categories
            Those of the task; answers are those among them that the readout can name.

        Returns
        -------
        numpy.ndarray
            Categories (stimulus,), as text.
        """
        scores = self.scores(pooled_activations(model, stimuli, self.stage, self.features))
        asked = np.isin(self.categories, list(categories))
        return self.categories[asked][scores[:, asked].argmax(axis=1)]


def read_readout(path: str | Path) -> FittedReadout:
    """Read a file of the rule ``train_readout`` (``metamers.train.readout.readout_dataset``)."""
    dataset = files.load(path)
    return FittedReadout(
        dataset.attrs["stage"],
        dataset.attrs.get("features"),
        *(dataset[name].values for name in ("category", "feature_mean", "feature_standard_deviation")),
        *(dataset[name].values for name in ("readout_weight", "readout_intercept")),
    )
