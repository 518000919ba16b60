"""Recognition of published models' metamers by other published models, by kind of model, for the paper's figure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers.humans.participants import own_stages, stage_union
from metamers.names import NATURAL


def judgements_dataset(judged: pd.DataFrame, models: Mapping[str, Mapping[str, Any]]) -> xr.Dataset:
    """Published judgements of one modality: recognition of every model's metamers by every model.

    Parameters
    ----------
    judged
        Result of ``metamers.humans.participants.judgements``.
    models
        Network → ``name``, ``class``, ``layers``, as ``metamers.config.experiments.read_experiments`` gives them.

    Returns
    -------
    xr.Dataset
        (generation_model, stage, recognition_model) → ``proportion_correct``, NaN if a model lacks the stage;
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
    """Architecture: the part of a model's name before the training in parentheses (``ResNet50 (SimCLR)``)."""
    return generation_model.split(" (", maxsplit=1)[0]


def families(data: xr.Dataset) -> list[list[str]]:
    """Generation models of one kind with the same stages, which can be averaged stage by stage.

    Parameters
    ----------
    data
        Result of ``judgements_dataset``.

    Returns
    -------
    list
        Lists of generation models, in order of first appearance; families with the same stages are adjacent.
    """
    alike: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for model in map(str, data["generation_model"].values):
        kind = str(data["model_class"].sel(generation_model=model).values)
        alike.setdefault(tuple(own_stages(data, model)), {}).setdefault(kind, []).append(model)
    return [models for kinds in alike.values() for models in kinds.values()]


def by_class(data: xr.Dataset, generation_models: list[str]) -> pd.DataFrame:
    """Recognition of the metamers of one family by each kind of model, without the generation model itself.

    Parameters
    ----------
    data
        Result of ``judgements_dataset``.
    generation_models
        One of ``families``.

    Returns
    -------
    pd.DataFrame
        Stages in processing order × kinds of recognition model: mean over all pairs of models; kinds without
        another model than the generation model are left out.
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
