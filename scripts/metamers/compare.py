"""Recognizability of this run's metamers, and what humans and models have in common in the published data.

Reading the published data is for ``metamers.humans``; the analysis of variance is in ``metamers.anova``; what people
are expected to recognize is in ``metamers.predicted``.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from metamers.humans import stage_union
from metamers.judges import families_interval, family_means, mean_correct, related
from metamers.proportions import ENDS, proportion_interval
from metamers.relation import NAMES, relation_beyond_depth

OTHERS = ("other_models", "unrelated_models", "sibling_models")
CORRELATIONS = ("pearson_r2", "spearman_rho", "kendall_tau")


def by_stimulus(correct: xr.DataArray, accepted: xr.DataArray) -> xr.DataArray:
    """Proportion correct on each stimulus's accepted metamers, seeds averaged, because they are not independent.

    Parameters
    ----------
    correct
        (stage, stimulus, seed), booleans or proportions, with stage ``natural``, which needs no acceptance.
    accepted
        (stage, stimulus, seed), booleans, without it.

    Returns
    -------
    xr.DataArray
        (stage, stimulus); NaN where nothing is accepted.
    """
    counts = accepted.reindex(stage=correct["stage"], fill_value=True).astype(bool)
    return correct.astype(float).where(counts).mean("seed").transpose(..., "stage", "stimulus")


def recognized(correct: xr.DataArray, accepted: xr.DataArray) -> xr.Dataset:
    """Recognizability of one model's metamers by one observer, stage by stage.

    Only accepted metamers count; natural stimuli, which need no acceptance, all do. Seeds of one stimulus are averaged
    first, because they are not independent: mean, standard error and interval are over stimuli.

    Parameters
    ----------
    correct
        (stage, stimulus, seed), booleans, with stage ``natural``.
    accepted
        (stage, stimulus, seed), booleans, without it.

    Returns
    -------
    xr.Dataset
        (stage) → ``proportion_correct``, ``standard_error``, ``low``, ``high``: what
        ``metamers.proportions.proportion_interval`` gives (NaN where nothing is accepted); ``n``: stimuli with an
        accepted metamer.
    """
    proportions = by_stimulus(correct, accepted)
    n, mean = proportions.count("stimulus"), proportions.mean("stimulus")
    found = proportion_interval(mean.values, n.values)
    ends = {name: (mean.dims, getattr(found, name)) for name in ("standard_error", "low", "high")}
    return xr.Dataset({"proportion_correct": mean, **ends, "n": n})


def by_others(
    recognition: Mapping[str, xr.Dataset], accepted: xr.DataArray, generation_model: str, families: Mapping[str, str]
) -> xr.Dataset:
    """Recognizability of a model's metamers by the other models, each family of them counted once.

    Parameters
    ----------
    recognition
        Recognition model → ``correct`` (stage, stimulus, seed).
    accepted
        (stage, stimulus, seed).
    generation_model
        Whose metamers they are: its own answers do not count.
    families
        Model → family.

    Returns
    -------
    xr.Dataset
        (stage) → of each of ``OTHERS`` the mean, with ``_standard_error``, ``_low`` and ``_high`` over stimuli, what
        ``recognized`` gives of the mean over families of each family's mean answer: ``other_models`` all, its siblings
        as one family, ``unrelated_models`` those of other families, ``sibling_models`` its siblings. NaN where there
        are none. ``other_models_judges_standard_error``, ``_low``, ``_high``: what
        ``metamers.judges.families_interval`` gives.
    """
    others = {name: data for name, data in recognition.items() if name != generation_model}
    siblings = related(others, [generation_model], families)
    chosen = {
        "other_models": others,
        "unrelated_models": {name: data for name, data in others.items() if name not in siblings},
        "sibling_models": {name: others[name] for name in siblings},
    }
    nothing = xr.full_like(next(iter(recognition.values()))["correct"], np.nan, float)
    found = {
        kind: recognized(mean_correct(judged, families) if judged else nothing, accepted)
        for kind, judged in chosen.items()
    }
    each = by_stimulus(family_means(others, families) if others else nothing.expand_dims("family"), accepted)
    means = each.mean("stimulus").transpose("family", ...)
    whole = families_interval(means.values, found["other_models"]["n"].values)
    ends = {name: ("stage", getattr(whole, name)) for name in ("standard_error", "low", "high")}
    return xr.merge(
        one.drop_vars("n").rename(proportion_correct=kind, **{end: f"{kind}_{end}" for end in ends})
        for kind, one in found.items()
    ).assign({f"other_models_judges_{name}": values for name, values in ends.items()})


def recognizability(
    acceptance: Mapping[str, xr.Dataset],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    families: Mapping[str, str],
) -> xr.Dataset:
    """Recognizability for every generation model, stage and recognition model of a run.

    Parameters
    ----------
    acceptance
        Generation model → ``accepted`` (stage, stimulus, seed).
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed), stage ``natural`` first.
    families
        Model → family, of every generation and recognition model.

    Returns
    -------
    xr.Dataset
        (generation_model, stage, recognition_model) → what ``recognized`` gives, NaN and 0 where a model has no such
        stage or was not asked; (generation_model, stage) → what ``by_others`` gives; ``stage_number`` as
        ``metamers.humans.stage_union`` gives it; ``generation_family`` (generation_model) and ``recognition_family``
        (recognition_model).
    """
    by_model = {
        model: xr.concat(
            [recognized(one["correct"], acceptance[model]["accepted"]) for one in judged.values()], "recognition_model"
        ).assign_coords(recognition_model=list(judged))
        for model, judged in recognition.items()
    }
    together = {
        model: by_others(judged, acceptance[model]["accepted"], model, families)
        for model, judged in recognition.items()
    }
    stages, stage_number = stage_union({model: list(map(str, d["stage"].values)) for model, d in by_model.items()})
    judges = list(dict.fromkeys(judge for judged in recognition.values() for judge in judged))
    whole = xr.concat(
        [d.reindex(stage=stages, recognition_model=judges, fill_value={"n": 0}) for d in by_model.values()],
        "generation_model",
    ).assign_coords(generation_model=list(by_model))
    others = xr.concat([d.reindex(stage=stages) for d in together.values()], "generation_model")
    whole = whole.transpose("generation_model", "stage", "recognition_model")
    return whole.assign(
        stage_number=stage_number,
        generation_family=("generation_model", [families[model] for model in by_model]),
        recognition_family=("recognition_model", [families[judge] for judge in judges]),
        **others.drop_vars("stage").data_vars,
    )


def correlations(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Square of Pearson's r, Spearman's rho and Kendall's tau-b of two series."""
    import scipy.stats  # here, since most who import this module do no such statistics

    return (
        float(scipy.stats.pearsonr(x, y).statistic ** 2),
        float(scipy.stats.spearmanr(x, y).statistic),
        float(scipy.stats.kendalltau(x, y).statistic),
    )


def bootstrap_intervals(x: np.ndarray, y: np.ndarray, clusters: np.ndarray, number: int, seed: int) -> np.ndarray:
    """95% percentile bootstrap intervals of ``correlations``, whole clusters resampled.

    The stages of one model are not independent observations, so models are drawn with replacement, each with all its
    stages.

    Parameters
    ----------
    x, y
        The two series, (point,).
    clusters
        The cluster of each point, (point,).
    number
        Bootstrap samples.
    seed
        Of the samples.

    Returns
    -------
    np.ndarray
        (statistic, 2): low and high end for each of ``CORRELATIONS``.
    """
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(clusters == cluster) for cluster in dict.fromkeys(clusters)]
    samples = np.empty((number, len(CORRELATIONS)))
    for sample in samples:
        points = np.concatenate([members[index] for index in rng.integers(len(members), size=len(members))])
        sample[:] = correlations(x[points], y[points])
    return np.quantile(samples, ENDS, axis=0).T


def humans_vs_models(
    points: pd.DataFrame,
    ceilings: pd.DataFrame,
    judges: Mapping[str, Mapping[str, float]],
    bootstrap: int,
    seed: int,
) -> xr.Dataset:
    """Human recognizability of the published models' metamers against that by other models.

    Parameters
    ----------
    points
        What ``metamers.humans.pooled_points`` gives.
    ceilings
        ``metamers.humans.CEILING_COLUMNS``: see ``noise_ceiling`` and ``noise_ceiling_interval`` there.
    judges
        Modality → ``public``: number of models whose answers are public, ``judges``: number of them in the paper, and
        what the paper finds with those, as far as it says so: ``CORRELATIONS``.
    bootstrap, seed
        Samples of the intervals, and their seed.

    Returns
    -------
    xr.Dataset
        (modality, point) → ``human_mean``, ``human_sem``, ``human_n``, ``model_mean``, ``model_sem``, ``model_n``, with
        coordinates ``generation_model``, ``model_class``, ``stage``: a modality with fewer points ends in NaN, 0 and
        empty names. (modality) → each of ``CORRELATIONS``, with ``_low`` and ``_high`` (95% bootstrap interval over
        models) and with ``published_``; ``noise_ceiling_r2`` with its ``_low`` and ``_high`` (range over splits) and
        ``_participants_low`` and ``_participants_high`` (95% interval over participants); ``partial_r2``,
        ``inside_r2``, ``depth_r2``, ``depth_square_r2`` with ``_low`` and ``_high``, and ``inside_n``, as
        ``metamers.relation.relation_beyond_depth`` gives them; ``judges``, ``judges_published``.
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
        found = correlations(human, model)
        intervals = bootstrap_intervals(human, model, table["generation_model"].to_numpy(), bootstrap, seed)
        ceiling = ceilings.set_index("modality").loc[modality]
        row = {"noise_ceiling_r2": ceiling["noise_ceiling_r2"]}
        ends = ("low", "high", "participants_low", "participants_high")
        row |= {f"noise_ceiling_r2_{end}": ceiling[end] for end in ends}
        row |= relation_beyond_depth(human, model, table["generation_model"].to_numpy(str))
        row |= {"judges": judges[modality]["public"], "judges_published": judges[modality]["judges"]}
        for name, value, (low, high) in zip(CORRELATIONS, found, intervals, strict=True):
            published = judges[modality].get(name, np.nan)
            row |= {name: value, f"{name}_low": low, f"{name}_high": high, f"published_{name}": published}
        rows.append(row)
    figures = {name: ("modality", np.array([row[name] for row in rows])) for name in rows[0]}
    dataset = xr.Dataset(
        {name: value for name, value in padded.items() if name not in names} | figures,
        coords={"modality": modalities, "point": np.arange(size), **names},
    )
    dataset.attrs["comment"] = " ".join(
        f"{modality}: {public['public']} of the paper's {public['judges']} judges have public answers"
        + ("." if public["public"] == public["judges"] else ", so the paper's figures cannot be recomputed exactly.")
        for modality, public in ((modality, judges[modality]) for modality in modalities)
    )
    return dataset


def correlation_lines(compared: xr.Dataset) -> list[str]:
    """What a log says of the correlations, with their intervals, that ``humans_vs_models`` gives."""
    lines = []
    for modality in compared["modality"].values:
        for name in (*CORRELATIONS, *NAMES):
            value, low, high = (float(compared[name + end].sel(modality=modality)) for end in ("", "_low", "_high"))
            lines.append(f"{modality}: {name} {value:.3f} ({low:.3f} to {high:.3f})")
    return lines
