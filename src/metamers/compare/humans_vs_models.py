"""Recognition of the same metamers by participants and by other models: correlations over all points, with intervals.

Points are made in ``metamers.humans.summary``; the relation beyond the position of a stage is in
``metamers.compare.relation``.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from metamers.compare.proportions import ratio_interval
from metamers.compare.relation import (
    FEWEST_MODELS,
    NAMES,
    ONE,
    jackknife_interval,
    relation_beyond_position,
    squared_interval,
)
from metamers.humans.noise_ceiling import noise_ceilings
from metamers.humans.summary import group_results, pooled_points

CORRELATIONS = ("pearson_r2", "spearman_rho", "kendall_tau")


def _coefficients(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Compute Pearson's r, Spearman's rho and Kendall's tau-b of two series."""
    import scipy.stats  # slow to import, and most importers of this module do not need it

    return (
        float(scipy.stats.pearsonr(x, y).statistic),
        float(scipy.stats.spearmanr(x, y).statistic),
        float(scipy.stats.kendalltau(x, y).statistic),
    )


def correlations(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Compute the square of Pearson's r, Spearman's rho and Kendall's tau-b of two series."""
    r, rho, tau = _coefficients(x, y)
    return r**2, rho, tau


def correlation_intervals(x: np.ndarray, y: np.ndarray, models: np.ndarray) -> np.ndarray:
    """Compute 95% intervals of ``correlations`` over models, by ``metamers.compare.relation.jackknife_interval``.

    The stages of one model are not independent observations, so each model is left out with all its stages.

    Parameters
    ----------
    x, y
        The two series, (point,).
    models
        Model of each point, (point,).

    Returns
    -------
    np.ndarray
        (statistic, 2): low and high end of each of ``CORRELATIONS``; NaN with fewer than ``FEWEST_MODELS`` models.
    """
    names = np.unique(models)
    if len(names) < FEWEST_MODELS:
        return np.full((len(CORRELATIONS), 2), np.nan)
    whole = np.clip(_coefficients(x, y), -ONE, ONE)
    left_out = np.clip([_coefficients(x[models != name], y[models != name]) for name in names], -ONE, ONE)
    ends = np.stack(jackknife_interval(whole, left_out, np.ones(left_out.shape, bool)), axis=-1)
    ends[0] = squared_interval(*ends[0])
    return ends


def humans_vs_models(
    points: pd.DataFrame, ceilings: pd.DataFrame, published: Mapping[str, Mapping[str, float]]
) -> xr.Dataset:
    """Compare human recognizability of metamers with that by other models.

    Parameters
    ----------
    points
        Result of ``metamers.humans.summary.pooled_points``.
    ceilings
        ``metamers.humans.summary.CEILING_COLUMNS``: results of ``noise_ceiling`` and ``noise_ceiling_interval``
        (``metamers.humans.noise_ceiling``).
    published
        Modality → ``public``: number of recognition models with public answers, ``recognition_models``: their number in
        the paper, and the ``CORRELATIONS`` that the paper reports, if any.

    Returns
    -------
    xr.Dataset
        (modality, point) → ``human_mean``, ``human_sem``, ``human_n``, ``model_mean``, ``model_sem``, ``model_n``, with
        coordinates ``generation_model``, ``model_class``, ``stage``. A modality with fewer points is padded with NaN, 0
        and empty names. (modality) → each of ``CORRELATIONS``, with ``_low`` and ``_high`` (``correlation_intervals``),
        and with the prefix ``published_``; ``noise_ceiling_r2`` with ``_low`` and ``_high`` (range over splits) and
        with ``_participants_low`` and ``_participants_high`` (95% interval over participants);
        ``pearson_r2_of_ceiling`` with ``_low`` and ``_high`` (``ratio_interval``); ``partial_r2``, ``inside_r2``,
        ``depth_r2``, ``depth_square_r2`` with ``_low`` and ``_high``, and ``inside_n``, from
        ``metamers.compare.relation.relation_beyond_position``; ``recognition_models``, ``recognition_models_in_paper``.
    """
    modalities = list(dict.fromkeys(points["modality"]))
    of_modality = {modality: points[points["modality"] == modality].reset_index(drop=True) for modality in modalities}
    size = max(map(len, of_modality.values()))
    fills = {column: np.nan for column in points if column.endswith(("_mean", "_sem"))}
    fills |= {"human_n": 0, "model_n": 0, "generation_model": "", "model_class": "", "stage": ""}
    padded = {
        column: (
            ("modality", "point"),
            np.stack([d[column].reindex(range(size), fill_value=fill).to_numpy() for d in of_modality.values()]),
        )
        for column, fill in fills.items()
    }
    names = {column: (dims, values.astype(str)) for column, (dims, values) in padded.items() if fills[column] == ""}
    rows = []
    for modality, table in of_modality.items():
        human, model = table["human_mean"].to_numpy(), table["model_mean"].to_numpy()
        correlated = correlations(human, model)
        intervals = correlation_intervals(human, model, table["generation_model"].to_numpy(str))
        ceiling = ceilings.set_index("modality").loc[modality]
        row = {"noise_ceiling_r2": ceiling["noise_ceiling_r2"]}
        ends = ("low", "high", "participants_low", "participants_high")
        row |= {f"noise_ceiling_r2_{end}": ceiling[end] for end in ends}
        known = (ceiling["noise_ceiling_r2"], ceiling["participants_low"], ceiling["participants_high"])
        of_best = ratio_interval((correlated[0], *intervals[0]), known)
        row |= {f"pearson_r2_of_ceiling{end}": value for end, value in zip(("", "_low", "_high"), of_best, strict=True)}
        row |= relation_beyond_position(human, model, table["generation_model"].to_numpy(str))
        in_paper = published[modality]["recognition_models"]
        row |= {"recognition_models": published[modality]["public"], "recognition_models_in_paper": in_paper}
        for name, value, (low, high) in zip(CORRELATIONS, correlated, intervals, strict=True):
            printed = published[modality].get(name, np.nan)
            row |= {name: value, f"{name}_low": low, f"{name}_high": high, f"published_{name}": printed}
        rows.append(row)
    figures = {name: ("modality", np.array([row[name] for row in rows])) for name in rows[0]}
    dataset = xr.Dataset(
        {name: value for name, value in padded.items() if name not in names} | figures,
        coords={"modality": modalities, "point": np.arange(size), **names},
    )
    dataset.attrs["comment"] = " ".join(
        f"{modality}: {public} of the paper's {in_paper} recognition models have public answers"
        + ("." if public == in_paper else ", so the paper's numbers cannot be recomputed exactly.")
        for modality in modalities
        for public, in_paper in [(published[modality]["public"], published[modality]["recognition_models"])]
    )
    return dataset


def own_participants_vs_models(
    own_participants: Mapping[str, xr.Dataset], modalities: Mapping[str, str], judged: Mapping[str, pd.DataFrame]
) -> xr.Dataset:
    """Compare the recognizability of a run's metamers by own participants with that by the run's other models.

    Parameters
    ----------
    own_participants
        Experiment → result of ``metamers.humans.own_participants.own_participants_dataset``.
    modalities
        Experiment → ``vision`` or ``audio``.
    judged
        Modality → result of ``metamers.humans.own_participants.judgements_of_shown``.

    Returns
    -------
    xr.Dataset
        The form of ``humans_vs_models``.
    """
    points = pooled_points(group_results(own_participants, modalities, judged))
    by_modality = {
        modality: [data for name, data in own_participants.items() if modalities[name] == modality]
        for modality in judged
    }
    numbers = {modality: table["recognition_model"].nunique() for modality, table in judged.items()}
    all_public = {modality: {"public": number, "recognition_models": number} for modality, number in numbers.items()}
    compared = humans_vs_models(points, noise_ceilings(points, by_modality), all_public)
    return compared.assign_attrs(comment="Own participants, and the recognition models of this run.")


def correlation_lines(compared: xr.Dataset) -> list[str]:
    """Write the correlations in a result of ``humans_vs_models``, with their intervals, as lines of a log."""
    lines = []
    for modality in compared["modality"].values:
        for name in (*CORRELATIONS, *NAMES):
            value, low, high = (float(compared[name + end].sel(modality=modality)) for end in ("", "_low", "_high"))
            lines.append(f"{modality}: {name} {value:.3f} ({low:.3f} to {high:.3f})")
    return lines
