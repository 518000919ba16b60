"""Measures of finished metamers: their match, and what the generation model calls them.

Which metamers are accepted is decided in ``metamers.null.acceptance``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from metamers.match import NATURAL_CATEGORY, PREDICTED, match_each
from metamers.models.model import Model, activations
from metamers.recognize.recognition import recognize
from metamers.stimuli.formats import FORMATS


def measure(
    model: Model,
    natural: np.ndarray,
    synthetic: np.ndarray,
    exported: np.ndarray,
    sampling: Mapping[str, Any],
    classes: Mapping[str, Sequence[int]] | None,
    target_error: float | np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Measure each metamer with one of the models whose activations it matches.

    Parameters
    ----------
    model
        The generation model.
    natural, synthetic
        Its activations (stimulus, …) at the stage, of natural stimuli and of their metamers.
    exported
        The metamers (stimulus, …signal) as they are exported.
    sampling
        How their values are sampled (``metamers.modalities.sampling_of``).
    classes
        Category → class indices; None for a model without classes.
    target_error
        The normalized error at which synthesis ends; None if it has no target.

    Returns
    -------
    dict
        The measures of match (``metamers.match.MEASURES``); with classes, ``predicted_category``, the category that the
        model gives to the exported metamer; with a target, ``converged``, whether the error has reached it. Each
        (stimulus,).

    Raises
    ------
    ValueError
        As ``metamers.match.match`` and ``metamers.recognize.recognition.recognize``.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.measure import measure
    >>> from metamers.models.preprocessing import ImagePreprocessing
    >>> grey = ImagePreprocessing(size=2, mean=[0.0], std=[1.0])
    >>> model = Model("brightest pixel", "vision", grey, torch.nn.Flatten(), {"pixels": "scores"})
    >>> images = np.eye(4, dtype=np.float32)[:2].reshape(2, 1, 2, 2)
    >>> activations = images.reshape(2, 4)
    >>> found = measure(model, activations, activations, images, {}, {"cat": [0], "dog": [1, 2, 3]})
    >>> found["normalized_error"], found["predicted_category"]
    (array([0., 0.]), array(['cat', 'dog'], dtype='<U3'))
    """
    measures = match_each(natural, synthetic, target_error)
    if classes is None:
        return measures
    return measures | {PREDICTED: recognize(model, exported, sampling, classes)}


def with_measures(
    made: xr.Dataset,
    model: Model,
    stage: str,
    natural: torch.Tensor,
    natural_category: np.ndarray | None,
    classes: Mapping[str, Sequence[int]] | None,
    target_error: float | None = None,
    max_batch_size: int | None = None,
) -> xr.Dataset:
    """Add their measures to metamers of one stage.

    Parameters
    ----------
    made
        Result of ``metamers.synthesize.metamers.make_metamers``.
    model, stage
        The generation model and its stage.
    natural, natural_category
        Natural stimuli (stimulus, *model.preprocessing.signal_shape), and what the model calls them (stimulus,), None
        for a model without classes.
    classes, target_error
        As for ``measure``.
    max_batch_size
        As for ``metamers.models.model.activations``.

    Returns
    -------
    xarray.Dataset
        The same with the values of ``measure`` (stimulus, seed), and, with classes, ``natural_category`` (stimulus).

    Raises
    ------
    ValueError
        As ``measure``.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.measure import with_measures
    >>> from metamers.synthesize.metamers import metamers_dataset
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> natural = torch.eye(4)[:1].reshape(1, 1, 2, 2)
    >>> coordinates = {"stimulus": ["dot"], "seed": [0]}
    >>> made = metamers_dataset("vision", ("stimulus", "seed"), natural[:, None].numpy(), {}, coordinates, {})
    >>> with_measures(made, model, "pixels", natural, None, None)["normalized_error"].values
    array([[0.]])
    """
    signal = made["metamer"].values
    metamers = signal.reshape(-1, *signal.shape[2:])
    both = natural.repeat_interleave(made.sizes["seed"], dim=0), torch.from_numpy(metamers).to(natural.device)
    measures = measure(
        model,
        *(activations(model, stimuli, stage, max_batch_size) for stimuli in both),
        FORMATS[model.modality].as_exported(metamers),
        model.sampling,
        classes,
        target_error,
    )
    each = {key: (("stimulus", "seed"), values.reshape(signal.shape[:2])) for key, values in measures.items()}
    called = {} if natural_category is None else {NATURAL_CATEGORY: ("stimulus", natural_category)}
    return made.assign(each | called)
