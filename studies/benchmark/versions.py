"""Recognition of several versions of metamers: of procedures, or of matches.

The versions are synthesized in ``studies.benchmark.match`` and ``studies.benchmark.several_targets``. Their
recognition is compared in ``studies.benchmark.equivalence`` and ``studies.benchmark.convergence``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from metamers.modalities import sampling_of
from metamers.models.classes import class_scores
from metamers.models.load import with_each_model
from metamers.models.model import Model, fit_stimuli
from metamers.recognize.recognition import answers, category_log_odds
from metamers.stimuli.formats import FORMATS

DIMS = ("stage", "version", "stimulus")


def recognize_versions(
    made: Sequence[xr.Dataset],
    stages: Sequence[str],
    modality: str,
    recognition_models: Mapping[str, Mapping[str, Any]],
    classes: Mapping[str, Sequence[int]],
    device: torch.device,
    natural: np.ndarray | None = None,
) -> xr.Dataset:
    """Answers and log odds of recognition models for all versions of metamers, as they are exported.

    Parameters
    ----------
    made
        For each stage (version, stimulus, …signal) → ``metamer``; (version, stimulus) → ``normalized_error``,
        ``steps``; with the coordinate ``category``.
    stages
        Their names.
    modality
        A name from ``metamers.modalities.MODALITIES``.
    recognition_models
        As for ``metamers.models.load.with_each_model``.
    classes
        Category → class indices.
    device
        Where the models run.
    natural
        The natural stimuli (stimulus, …signal), as exported. A metamer is then recognized if the recognition model
        gives it the category that it gives the natural stimulus; without them, the true one.

    Returns
    -------
    xarray.Dataset
        (recognition_model, stage, version, stimulus) → ``correct``, ``log_odds`` of that category; (stage, version,
        stimulus) → ``normalized_error``, ``steps``.
    """
    sampling = sampling_of(made[0].attrs)
    together = xr.concat(made, xr.DataArray(list(stages), dims="stage", name="stage"))
    shown = FORMATS[modality].as_exported(together["metamer"].values)
    size, shown = shown.shape[: len(DIMS)], shown.reshape(-1, *shown.shape[len(DIMS) :])

    def answers_of(model: Model) -> tuple[np.ndarray, np.ndarray]:
        wanted = together["category"].values
        if natural is not None:
            wanted = answers(class_scores(model, fit_stimuli(model, natural, sampling)), classes, model.name)
        wanted = np.broadcast_to(wanted, size)
        scores = class_scores(model, fit_stimuli(model, shown, sampling))
        recognized = answers(scores, classes, model.name).reshape(size) == wanted
        return recognized, category_log_odds(scores, classes, wanted.ravel(), model.name).reshape(size)

    recognized, log_odds = zip(*with_each_model(answers_of, recognition_models, device), strict=True)
    dims = ("recognition_model", *DIMS)
    return xr.Dataset(
        {
            "correct": (dims, np.stack(recognized)),
            "log_odds": (dims, np.stack(log_odds)),
            "normalized_error": together["normalized_error"],
            "steps": together["steps"],
        },
        coords=dict(together.coords) | {"recognition_model": list(recognition_models)},
    )
