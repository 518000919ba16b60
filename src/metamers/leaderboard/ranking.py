"""The leaderboard: models ranked by how much of their metamers participants recognize, over their whole depth.

Published models are ranked by measured human recognizability. A run's own models are placed among them by predictions
and, where own participants have judged their metamers, by these answers too. To show how reliable predictions are,
every published model is left out in turn with its family and predicted from the others. Curves, intervals, ranks and
own models have their own modules in this package; fitting and predicting are in ``metamers.compare.predicted_human``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers.compare.predicted_human import NOT_JUDGED, calibration, predict_left_out_models, published_relation
from metamers.compare.proportions import ENDS
from metamers.leaderboard.curves import (
    curve_area,
    depths_by_model,
    mean_natural_recognizability,
    measured_curves,
    natural_recognizability,
    normalized_curves,
)
from metamers.leaderboard.intervals import (
    areas_from_participants,
    areas_from_summary,
    normalized_area_of,
    normalized_areas_from_participants,
    normalized_areas_from_summary,
    small_sample_factor,
    widen_samples,
)
from metamers.leaderboard.own_models import (
    compare_predictions,
    own_participants_curves,
    own_participants_entries,
    predicted_entries,
)
from metamers.leaderboard.ranks import rank_table, ranks_without_one_stage

PUBLISHED_PARTICIPANTS = "people"
ENTRY_COLUMNS = ["entry_modality", "generation_model", "model_class", "basis", "area", "area_low", "area_high", "rank"]
ENTRY_COLUMNS += ["rank_low", "rank_high", "stages", "depth_first", "depth_last", "participants"]
ENTRY_COLUMNS += ["normalized_area", "normalized_area_low", "normalized_area_high", "missing_depth"]
ENTRY_COLUMNS += ["natural_correct", "guessing"]
ENTRY_COLUMNS += ["rank_one_out_low", "rank_one_out_high"]
ENTRY_COLUMNS += ["left_out_area", "left_out_error"]
ENTRY_COLUMNS += ["passes_up_to", "passes_depth", "fails_from", "reason"]
TEXTS = ["entry_modality", "generation_model", "model_class", "basis", "passes_up_to", "fails_from", "reason"]
WHOLE = ["rank", "rank_low", "rank_high", "rank_one_out_low", "rank_one_out_high", "stages", "participants"]


def leaderboard(
    groups: pd.DataFrame,
    published_depths: pd.DataFrame,
    relation: xr.Dataset,
    tested: xr.Dataset,
    experiments: Mapping[str, Sequence[xr.Dataset]],
    predicted: xr.Dataset | None,
    models: Mapping[str, Mapping[str, Any]],
    own_participants: Mapping[str, Sequence[xr.Dataset]],
    bootstrap: int,
    seed: int,
    recognizable: xr.Dataset | None = None,
) -> xr.Dataset:
    """Rank published models by human recognizability, and place a run's own models among them.

    Parameters
    ----------
    groups
        Result of ``metamers.humans.summary.group_results``.
    published_depths
        Result of ``metamers.leaderboard.depth.published_depths``.
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``.
    tested
        Result of ``metamers.compare.passes.passes_dataset``, for all published models.
    experiments
        Modality → results of ``metamers.humans.participants.experiment_dataset``; empty where a run has only means and
        standard errors.
    predicted, models
        As for ``metamers.leaderboard.own_models.predicted_entries``; None and empty for a run without models.
    own_participants
        Modality → results of ``metamers.humans.own_participants.own_participants_dataset``; may be empty.
    bootstrap, seed
        Number of bootstrap samples, and their random seed.
    recognizable
        As for ``metamers.leaderboard.own_models.predicted_entries``.

    Returns
    -------
    xr.Dataset
        (entry), sorted by modality and rank; a run's model has two entries where own participants have judged its
        metamers: ``normalized_area`` with its 95% interval (``_low``, ``_high``), and its parts ``natural_correct``,
        ``guessing``, ``missing_depth``; ``rank`` among the published models of its modality, with its interval, and its
        range when one stage is left out (``rank_one_out_low``, ``rank_one_out_high``), or the ``reason`` why there is
        no rank; ``area`` over the position among
        the listed stages, with its interval; ``stages``, ``depth_first``, ``depth_last``: the stages that the area
        covers; ``participants``; ``left_out_area``, ``left_out_error``: see
        ``metamers.compare.predicted_human.calibration``; ``passes_up_to``, ``passes_depth`` and ``fails_from`` of the
        published models, for other entries empty or NaN; ``reason``: why an entry has no rank or prediction, else
        empty; coordinates ``entry_modality``, ``generation_model``, ``model_class``, ``basis``.

        (left_out_point) → ``left_out_human``, ``left_out_predicted``, ``left_out_low``, ``left_out_high``.

        (modality) → ``left_out_r2`` (share of the variance of human means that the predictions of left-out models
        explain), ``left_out_mean_error``, ``left_out_area_error`` (root mean square), ``left_out_coverage``,
        ``left_out_area_coverage`` (share of stages and of models within their interval), and ``noise_ceiling_r2`` with
        its ends. With a run's models also ``run_stages`` (number of stages whose metamers other models judged) and
        ``run_stages_unpredicted`` (number of these without a prediction).

        With own participants also (own_point) → ``own_human``, ``own_sem``, ``own_predicted``, ``own_low``,
        ``own_high``: see ``metamers.leaderboard.own_models.compare_predictions``.

        The attribute ``intervals`` states the method of the intervals of human results.
    """
    curves, natural = measured_curves(groups), natural_recognizability(groups)
    on_scale = normalized_curves(curves, natural, depths_by_model(published_depths))
    recognized = mean_natural_recognizability(groups)
    points = predict_left_out_models(relation)
    calibrated = calibration(points, curves, curve_area)
    tables = []
    for modality in map(str, relation["modality"].values):
        own = {key: curve for key, curve in curves.items() if key[0] == modality}
        names, own_curves = [key[1] for key in own], list(own.values())
        scaled, of_natural = [on_scale[key] for key in own], [natural[key] for key in own]
        if experiments:
            samples = areas_from_participants(names, own_curves, experiments[modality], bootstrap, seed)
            samples = widen_samples(
                samples, np.array([small_sample_factor(int(curve["n"].max())) for curve in own_curves])
            )
            drawn = normalized_areas_from_participants(
                names, own_curves, scaled, experiments[modality], bootstrap, seed
            )
        else:
            samples = areas_from_summary(own_curves, bootstrap, seed)
            drawn = normalized_areas_from_summary(own_curves, scaled, of_natural, bootstrap, seed)
        table = rank_table(np.array([normalized_area_of(one) for one in scaled]), drawn)
        table = table.rename(columns=lambda name: name.replace("area", "normalized_area"))
        table["area"] = [curve_area(curve, "mean") for curve in own_curves]
        table["area_low"], table["area_high"] = np.quantile(samples, ENDS, axis=0)
        areas = table["normalized_area"].to_numpy()
        one_out = [
            ranks_without_one_stage(rank, one, np.delete(areas, place))
            for place, (rank, one) in enumerate(zip(table["rank"], scaled, strict=True))
        ]
        table = table.assign(
            rank_one_out_low=[one["rank_one_out_low"] for one in one_out],
            rank_one_out_high=[one["rank_one_out_high"] for one in one_out],
            natural_correct=[one.natural for one in scaled],
            guessing=[one.chance for one in scaled],
            missing_depth=[np.nan if one.rule is None else one.rule.missing for one in scaled],
            entry_modality=modality,
            generation_model=names,
            model_class=[key[2] for key in own],
            basis=PUBLISHED_PARTICIPANTS,
            stages=list(map(len, own_curves)),
            depth_first=0.0,
            depth_last=1.0,
            participants=[int(curve["n"].max()) for curve in own_curves],
            **passed_stages(tested, names),
        )
        left_out = calibrated[calibrated["modality"] == modality]
        tables.append(table.merge(left_out[["generation_model", "left_out_area", "left_out_error"]], "left"))
    entries = pd.concat(tables, ignore_index=True)
    judged = own_participants_curves(own_participants, models)
    if predicted is not None:
        of_run = [own_participants_entries(judged, models, entries, on_scale, recognized, bootstrap, seed)]
        relations = {name: published_relation(relation, name) for name in map(str, relation["modality"].values)}
        arguments = (predicted, models, entries, on_scale, recognized)
        of_run.append(predicted_entries(*arguments, recognizable, relations))
        entries = pd.concat([entries, *of_run], ignore_index=True)
    entries = pd.concat(
        [
            of_modality.sort_values("normalized_area", ascending=False, kind="stable")
            for _, of_modality in entries.reindex(columns=ENTRY_COLUMNS).groupby("entry_modality", sort=False)
        ]
    )
    board = _dataset(entries, points, calibrated, relation)
    if predicted is not None:
        board = board.assign(_run_stages(predicted, models, board["modality"].values))
    if judged:
        board = board.merge(_own_points(compare_predictions(judged, predicted, models)))
    return board.assign_attrs(
        intervals="bootstrap over participants"
        if experiments
        else "from means and standard errors of the stages, taken to move together: the widest that they can be"
    )


def passed_stages(tested: xr.Dataset, models: Sequence[str]) -> dict[str, list[Any]]:
    """Return the ends of the stages that pass and fail, for some models: ``passes_up_to``, its depth, ``fails_from``.

    The depth is 0 if no stage passes, and NaN if none could be tested.

    Parameters
    ----------
    tested
        Result of ``metamers.compare.passes.passes_dataset``.
    models
        Generation models.
    """
    of_models = tested.sel(generation_model=list(models))
    depth = of_models["stage_depth"].where(of_models["passes"]).max("stage").fillna(0)
    depth = depth.where(of_models["p_equivalence"].notnull().any("stage"))
    return {
        "passes_up_to": of_models["passes_up_to"].values.tolist(),
        "passes_depth": depth.values.tolist(),
        "fails_from": of_models["fails_from"].values.tolist(),
    }


def entries_of(board: xr.Dataset) -> pd.DataFrame:
    """Entries of a leaderboard as a table, one row each; whole numbers are integers, possibly missing."""
    table = board[ENTRY_COLUMNS].to_dataframe().reset_index(drop=True)[ENTRY_COLUMNS]
    return table.astype(dict.fromkeys(WHOLE, "Int64"))


def _dataset(entries: pd.DataFrame, points: pd.DataFrame, calibrated: pd.DataFrame, relation: xr.Dataset) -> xr.Dataset:
    """Join entries, left-out points and summaries of each modality in one Dataset."""
    entries = entries.fillna(dict.fromkeys(TEXTS, ""))
    columns = {name: ("entry", entries[name].to_numpy(str if name in TEXTS else float)) for name in ENTRY_COLUMNS}
    of_points = {
        "left_out_modality": "modality",
        "left_out_model": "generation_model",
        "left_out_stage": "stage",
        "left_out_human": "human",
        "left_out_predicted": "predicted",
        "left_out_low": "low",
        "left_out_high": "high",
    }
    for name, column in of_points.items():
        numeric = pd.api.types.is_numeric_dtype(points[column])
        columns[name] = ("left_out_point", points[column].to_numpy(float if numeric else str))
    figures = []
    for modality in relation["modality"].values:
        own, models = points[points["modality"] == modality], calibrated[calibrated["modality"] == modality]
        error, area_error = own["predicted"] - own["human"], models["left_out_area"] - models["area"]
        figures.append(
            {
                "left_out_r2": 1 - (error**2).sum() / ((own["human"] - own["human"].mean()) ** 2).sum(),
                "left_out_mean_error": error.abs().mean(),
                "left_out_area_error": np.sqrt((area_error**2).mean()),
                "left_out_coverage": own["human"].between(own["low"], own["high"]).mean(),
                "left_out_area_coverage": models["area"].between(models["low"], models["high"]).mean(),
            }
        )
    columns |= {name: ("modality", np.array([row[name] for row in figures])) for name in figures[0]}
    ceilings = [f"noise_ceiling_r2{end}" for end in ("", "_low", "_high")]
    coords = ["entry_modality", "generation_model", "model_class", "basis"]
    coords += ["left_out_modality", "left_out_model", "left_out_stage"]
    dataset = xr.Dataset(columns, coords={"modality": relation["modality"].values}).set_coords(coords)
    return dataset.assign({name: ("modality", relation[name].values) for name in ceilings})


def _run_stages(
    predicted: xr.Dataset, models: Mapping[str, Mapping[str, Any]], modalities: Iterable[str]
) -> dict[str, tuple[str, list[int]]]:
    """Count the stages of a run's models that other models judged, and those of them without a prediction."""
    named = [[name for name, entry in models.items() if entry["modality"] == modality] for modality in modalities]
    judged = [predicted.sel(generation_model=names) for names in named]
    without = [int((~own["reason"].isin(["", NOT_JUDGED])).sum()) for own in judged]
    stages = [missing + int(own["predicted"].notnull().sum()) for missing, own in zip(without, judged, strict=True)]
    return {"run_stages": ("modality", stages), "run_stages_unpredicted": ("modality", without)}


def _own_points(points: pd.DataFrame) -> xr.Dataset:
    """Turn the table of ``compare_predictions`` into a Dataset."""
    names = {"own_modality": "modality", "own_model": "generation_model", "own_stage": "stage"}
    values = {
        f"own_{name}": ("own_point", points[name].to_numpy(float)) for name in points if name not in names.values()
    }
    coords = {name: ("own_point", points[column].to_numpy(str)) for name, column in names.items()}
    return xr.Dataset(values, coords=coords)
