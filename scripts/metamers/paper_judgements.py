"""How well published models recognize each other's metamers, by kind of model: for the published figure of that."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers.humans import own_stages, stage_union
from metamers.names import NATURAL


def judgements_dataset(judged: pd.DataFrame, models: Mapping[str, Mapping[str, Any]]) -> xr.Dataset:
    """Published judgements of one modality, every model of every model's metamers.

    Parameters
    ----------
    judged
        What ``metamers.humans.judgements`` gives.
    models
        Network → ``name``, ``class``, ``layers``, as ``metamers.config_humans.read_experiments`` gives them.

    Returns
    -------
    xr.Dataset
        (generation_model, stage, recognition_model) → ``proportion_correct``, NaN where a model has no such stage;
        ``stage_number`` (generation_model, stage); coordinates ``model_class`` (generation_model) and
        ``recognition_class`` (recognition_model).
    """
    names = [entry["name"] for entry in models.values()]
    stages = {e["name"]: [stage for stage in e["layers"].values() if stage != NATURAL] for e in models.values()}
    union, stage_number = stage_union(stages)
    whole = judged.set_index(["generation_model", "stage", "recognition_model"])["proportion_correct"].to_xarray()
    whole = whole.sel(generation_model=names, recognition_model=names).reindex(stage=union)
    classes = [entry["class"] for entry in models.values()]
    return xr.Dataset({"proportion_correct": whole, "stage_number": stage_number}).assign_coords(
        model_class=("generation_model", classes), recognition_class=("recognition_model", classes)
    )


def architecture(generation_model: str) -> str:
    """What stands before how a model was trained in its name: ``ResNet50 (SimCLR)`` is a ``ResNet50``."""
    return generation_model.split(" (", maxsplit=1)[0]


def families(data: xr.Dataset) -> list[list[str]]:
    """Generation models that are of one kind and have the same stages, so that they can be averaged stage by stage.

    Parameters
    ----------
    data
        What ``judgements_dataset`` gives.

    Returns
    -------
    list
        Lists of generation models: families with the same stages after one another, in order of first appearance.
    """
    alike: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for model in map(str, data["generation_model"].values):
        kind = str(data["model_class"].sel(generation_model=model).values)
        alike.setdefault(tuple(own_stages(data, model)), {}).setdefault(kind, []).append(model)
    return [models for kinds in alike.values() for models in kinds.values()]


def by_class(data: xr.Dataset, generation_models: list[str]) -> pd.DataFrame:
    """What each kind of model makes of the metamers of one family; a model does not judge itself.

    Parameters
    ----------
    data
        What ``judgements_dataset`` gives.
    generation_models
        One of ``families``.

    Returns
    -------
    pd.DataFrame
        Stages in processing order × kinds of recognition model: mean of all pairs of models; a kind that has no other
        model than the one judged is left out.
    """
    own = data["proportion_correct"].sel(
        generation_model=generation_models, stage=own_stages(data, generation_models[0])
    )
    foreign = own.where(own["generation_model"] != own["recognition_model"])
    columns = {}
    for kind in dict.fromkeys(map(str, data["recognition_class"].values)):
        pairs = foreign.isel(recognition_model=data["recognition_class"].values == kind)
        if np.isfinite(pairs).any():
            columns[kind] = pairs.mean(("generation_model", "recognition_model")).values
    return pd.DataFrame(columns, index=list(map(str, own["stage"].values)))
