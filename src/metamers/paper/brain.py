"""The published comparison with brains: Brain-Scores of visual models and fMRI predictions of auditory ones.

Reads the published files of both strictly, and compares them with participants' recognition of metamers of the stage
that predicts a brain area best. ``metamers.brain.regression`` chooses stages on left-out participants.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr

from metamers.brain.group_level import best_stage_left_out
from metamers.compare.humans_vs_models import CORRELATIONS, correlation_intervals, correlations
from metamers.config.tables import read_table
from metamers.foreign.isolated import read_all_isolated, read_isolated
from metamers.foreign.pickles import abbreviated
from metamers.humans.participants import OBSERVERS, read_pickled, stage_union
from metamers.humans.summary import DECIMALS, pooled_mean

ALL_VOXELS = "all"  # region of all measured voxels of auditory cortex
VOXEL_KEYS = {"r2s", "layer_name", "roi_masks", "voxel_meta"}  # keys that are read from a regression's pickle


def pooled_participants(groups: pd.DataFrame) -> pd.DataFrame:
    """Recognition of every published model's metamers by the participants of all its experiments.

    Parameters
    ----------
    groups
        Result of ``metamers.humans.summary.group_results``.

    Returns
    -------
    pd.DataFrame
        By ``generation_model`` and ``stage``: ``human_mean``, ``human_sem`` and ``human_n``, computed
        exactly from those of the experiments.
    """
    human = groups[groups["observer"] == OBSERVERS[0]]
    rows = {key: pooled_mean(rows) for key, rows in human.groupby(["generation_model", "stage"], sort=False)}
    names = [f"human_{what}" for what in ("mean", "sem", "n")]
    index = pd.MultiIndex.from_tuples(rows, names=["generation_model", "stage"])
    # Rounded, so that equal proportions are ties in rank correlations despite rounding of their sums.
    return pd.DataFrame(list(rows.values()), index=index, columns=names).round(DECIMALS)


def _score(text: str, where: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = np.nan
    if not 0 <= score <= 1:
        raise ValueError(f"{where}: found {text!r}, wanted a score from 0 to 1")
    return score


def read_brain_scores(path: str | Path, models: Mapping[str, Mapping[str, Any]], areas: Sequence[str]) -> xr.Dataset:
    """Read the published table of Brain-Scores.

    Rows of other models are ignored; a model may have several equal rows.

    Parameters
    ----------
    path
        A table with a column ``name``, and for each area its score and, as ``<area> best layer``, the layer that
        predicted it.
    models
        Network → ``name``, ``class``, ``layers`` (layer in the files → stage): see
        ``metamers.config.experiments.read_experiments``.
    areas
        Visual areas.

    Returns
    -------
    xr.Dataset
        (generation_model, visual_area) → ``brain_score``, 0..1; ``best_stage``; (generation_model) → ``model_class``.

    Raises
    ------
    ValueError
        When a model is missing, or has rows that differ, an invalid score, or an unknown layer.
    """
    columns = {area: f"{area} best layer" for area in areas}
    by_name: dict[str, list[dict[str, str]]] = {}
    for row in read_table(path, ["name", *columns, *columns.values()]):
        by_name.setdefault(row["name"], []).append(row)
    scores, stages = [], []
    for network, entry in models.items():
        rows = by_name.get(network, [])
        if not rows:
            raise ValueError(f"{path}: no row of {network}; found {', '.join(by_name)}")
        for key in (*columns, *columns.values()):
            if len(different := sorted({row[key] for row in rows})) > 1:
                raise ValueError(f"{path}: {network}: {key}: its rows differ: {', '.join(different)}")
        row = rows[0]
        scores.append([_score(row[area], f"{path}: {network}: {area}") for area in areas])
        layers = [row[column] for column in columns.values()]
        if unknown := [layer for layer in layers if layer not in entry["layers"]]:
            raise ValueError(
                f"{path}: {network}: found layer {unknown[0]!r}, wanted one of {', '.join(entry['layers'])}"
            )
        stages.append([entry["layers"][layer] for layer in layers])
    dims = ("generation_model", "visual_area")
    return xr.Dataset(
        {"brain_score": (dims, np.array(scores)), "best_stage": (dims, np.array(stages))},
        coords={
            "generation_model": [entry["name"] for entry in models.values()],
            "visual_area": list(areas),
            "model_class": ("generation_model", [entry["class"] for entry in models.values()]),
        },
    )


def against_participants(prediction: xr.DataArray, best_stage: xr.DataArray, participants: pd.DataFrame) -> xr.Dataset:
    """Prediction of a brain area by models, against participants' recognition of metamers of the best stage.

    Parameters
    ----------
    prediction, best_stage
        (generation_model, area): prediction, and the stage with the best prediction. The second dimension may have any
        name.
    participants
        Result of ``pooled_participants``; every best stage must be in it.

    Returns
    -------
    xr.Dataset
        (generation_model, area) → ``human_mean``, ``human_sem``, ``human_n``; (area) → ``pearson_r2``,
        ``spearman_rho``, ``kendall_tau`` over models, each with ``_low`` and ``_high`` (95% interval), and
        ``p_bonferroni``: p of Spearman's rho times the number of areas, at most 1 (as published; not verified).

    Raises
    ------
    ValueError
        When a model's best stage has no human answers.
    """
    models, area = best_stage["generation_model"].values, str(best_stage.dims[1])
    keys = [
        (str(model), str(stage))
        for model, of_model in zip(models, best_stage.values, strict=True)
        for stage in of_model
    ]
    if missing := [key for key in keys if key not in participants.index]:
        raise ValueError(f"no human answers for stage {missing[0][1]!r} of {missing[0][0]}")
    human = participants.loc[keys]
    result = {
        name: (best_stage.dims, human[name].to_numpy().reshape(best_stage.shape)) for name in participants.columns
    }
    columns: dict[str, list[float]] = {}
    for number, of_area in enumerate(prediction.transpose("generation_model", area).values.T):
        recognized = result["human_mean"][1][:, number]
        intervals = correlation_intervals(of_area, recognized, models)
        p = scipy.stats.spearmanr(of_area, recognized).pvalue
        row = {"p_bonferroni": min(float(p) * prediction.sizes[area], 1.0)}
        for name, value, (low, high) in zip(CORRELATIONS, correlations(of_area, recognized), intervals, strict=True):
            row |= {name: value, f"{name}_low": low, f"{name}_high": high}
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return xr.Dataset(result | {name: (area, np.array(values)) for name, values in columns.items()})


def brain_score_dataset(scores: xr.Dataset, participants: pd.DataFrame) -> xr.Dataset:
    """Brain-Scores of the published visual models against participants' recognition of their metamers.

    Parameters
    ----------
    scores
        Result of ``read_brain_scores``.
    participants
        As for ``against_participants``.

    Returns
    -------
    xr.Dataset
        ``scores`` and the result of ``against_participants``.
    """
    return scores.merge(against_participants(scores["brain_score"], scores["best_stage"], participants))


def _array(path: Path, name: str, part: Any) -> np.ndarray:
    """An array of numbers in a dictionary or a table of a public pickle."""
    names = part.dtype.names or () if isinstance(part, np.ndarray) else part if isinstance(part, Mapping) else ()
    values = part[name] if name in names else None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biuf":
        raise ValueError(f"{path}: {name}: found {type(values).__name__}, wanted an array of numbers")
    return values


def read_voxels(
    path: str | Path, regions: Sequence[str], participants: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the prediction of each voxel by one stage of one model.

    Parameters
    ----------
    path
        A public pickle.
    regions
        Expected regions of interest, in order.
    participants
        Expected number of participants.

    Returns
    -------
    variance_explained
        (voxel, split): noise-corrected R² on held-out sounds for each split of the sounds, from 0; noise in the
        correction can take it above 1.
    participant
        (voxel,): the participant.
    masks
        (voxel, region): whether the voxel belongs to the region.

    Raises
    ------
    ValueError
        When the file has another content; the message names the file, the content found and the content wanted.
    OSError
        When there is no such file.
    """
    return read_isolated(lambda path: _voxels(path, regions, participants), path)


def _voxels(path: Path, regions: Sequence[str], participants: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    content = read_pickled(path, sorted(VOXEL_KEYS))
    layer = content["layer_name"]
    if not isinstance(layer, bytes) or repr(bytes(layer)) not in path.name:
        raise ValueError(f"{path}: layer_name: found {abbreviated(layer)}, wanted the layer in the file's name")
    values = _array(path, "r2s", content)
    if values.ndim != 2 or values.dtype.kind != "f" or not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"{path}: r2s: wanted (voxel, split) of finite numbers from 0")
    subject = _array(path, "subj_idx", content["voxel_meta"])
    if subject.shape != values.shape[:1] or len(np.unique(subject)) != participants:
        raise ValueError(
            f"{path}: voxel_meta: found {subject.size} voxels of {len(np.unique(subject))} participants, wanted "
            f"{len(values)} of {participants}"
        )
    masks, names = _array(path, "masks", content["roi_masks"]), content["roi_masks"].get("mask_names")
    names = [str(name) for name in names] if isinstance(names, list | tuple | np.ndarray) else abbreviated(names)
    if names != list(regions) or masks.shape != (len(values), len(regions)) or not np.isin(masks, (0, 1)).all():
        raise ValueError(
            f"{path}: roi_masks: found {names} of shape {masks.shape}, wanted {list(regions)} of 0 and 1 for each voxel"
        )
    return values, subject, masks.astype(bool)


def participant_medians(
    variance_explained: np.ndarray, participant: np.ndarray, masks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One number per participant and region: the median over the region's voxels of the median over splits.

    Parameters
    ----------
    variance_explained
        (voxel, split).
    participant
        (voxel,).
    masks
        (voxel, region), booleans; every participant must have a voxel in every region.

    Returns
    -------
    medians
        (participant, region).
    participants
        (participant,), sorted.
    """
    by_voxel = np.median(variance_explained, axis=1)
    names = np.unique(participant)
    medians = [[np.median(by_voxel[(participant == who) & of_region]) for of_region in masks.T] for who in names]
    return np.array(medians), names


def fmri_predictions(entry: Mapping[str, Any], folder: str | Path) -> xr.Dataset:
    """Prediction of each participant's auditory cortex by every stage of every published auditory model.

    Parameters
    ----------
    entry
        ``participants``, ``regions`` and ``models``, as ``metamers.config.experiments.read_experiments`` gives them.
    folder
        Folder of the files.

    Returns
    -------
    xr.Dataset
        (generation_model, stage, region, participant) → ``stage_variance_explained``, NaN if a model lacks the
        stage; ``stage_number`` and ``model_class``. The first region is ``ALL_VOXELS``.

    Raises
    ------
    ValueError
        When a file is invalid, or the files have different voxels.
    """
    models = list(entry["models"].values())
    union, stage_number = stage_union({model["name"]: list(model["files"]) for model in models})
    regions = [ALL_VOXELS, *entry["regions"]]
    values = np.full((len(models), len(union), len(regions), entry["participants"]), np.nan)
    first, names = None, None
    files = [(number, stage, file) for number, model in enumerate(models) for stage, file in model["files"].items()]
    paths = [Path(folder) / file for _, _, file in files]
    contents = read_all_isolated(lambda path: _voxels(path, entry["regions"], entry["participants"]), paths)
    for (number, stage, _), path, (variance, participant, masks) in zip(files, paths, contents, strict=True):
        first = (participant, masks) if first is None else first
        if not all(map(np.array_equal, first, (participant, masks))):
            raise ValueError(f"{path}: its voxels differ from those of the other files")
        masks = np.column_stack([np.ones(len(masks), bool), masks])  # noqa: PLW2901 (with all voxels)
        medians, names = participant_medians(variance, participant, masks)
        values[number, union.index(stage)] = medians.T
    dims = ("generation_model", "stage", "region", "participant")
    return xr.Dataset(
        {"stage_variance_explained": (dims, values), "stage_number": stage_number},
        coords={
            "region": regions,
            "participant": list(map(str, names)),
            "model_class": ("generation_model", [model["class"] for model in models]),
        },
    )


def fmri_dataset(predictions: xr.Dataset, participants: pd.DataFrame) -> xr.Dataset:
    """Prediction of auditory cortex from each model's best stage, against participants' recognition of its metamers.

    As published (not verified), each participant's value is that at the stage that is best for the mean of the other
    participants. Recognition is for the stage chosen for most participants; in a tie, the earlier one.

    Parameters
    ----------
    predictions
        Result of ``fmri_predictions``.
    participants
        As for ``against_participants``.

    Returns
    -------
    xr.Dataset
        ``predictions``; (generation_model, region, participant) → ``participant_variance_explained``,
        ``chosen_stage``; (generation_model, region) → ``variance_explained`` and ``variance_explained_sem`` over
        participants, ``best_stage``; (region) → ``n``, participants; and the result of ``against_participants``.
    """
    values = predictions["stage_variance_explained"]
    models, regions, n_participants = (values.sizes[name] for name in ("generation_model", "region", "participant"))
    own, chosen = np.empty((models, regions, n_participants)), np.empty((models, regions, n_participants), int)
    most = np.empty((models, regions), int)
    for model, region in np.ndindex(models, regions):
        of_region = values.isel(generation_model=model, region=region).transpose("participant", "stage").values
        # In the model's own order, because the choice among equal stages depends on it.
        number = predictions["stage_number"].isel(generation_model=model).values
        order = [place for place in np.argsort(number, kind="stable") if number[place] >= 0]
        own[model, region], places = best_stage_left_out(of_region[:, order])
        chosen[model, region] = np.array(order)[places]
        most[model, region] = order[np.bincount(places).argmax()]
    stages = predictions["stage"].values
    coords = {name: predictions[name] for name in ("generation_model", "region", "participant")}
    single = xr.DataArray(own, coords=coords, dims=list(coords))
    result = predictions.assign(
        participant_variance_explained=single,
        chosen_stage=(list(coords), stages[chosen]),
        variance_explained=single.mean("participant"),
        variance_explained_sem=single.std("participant", ddof=1) / np.sqrt(n_participants),
        best_stage=(list(coords)[:2], stages[most]),
        n=single.isel(generation_model=0).count("participant"),
    )
    related = against_participants(result["variance_explained"], result["best_stage"], participants)
    return result.merge(related)
