"""Entries of a run's own models on the leaderboard: by answers of own participants, and by predictions.

Predicting is in ``metamers.compare.predicted_human``. A model whose metamers own participants have judged has both
entries, and the two are compared stage by stage.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers.compare.predicted_human import GUESSING, NOT_JUDGED, Relation, predict_run_model
from metamers.compare.proportions import ENDS
from metamers.humans.participants import own_stages
from metamers.leaderboard.curves import Curve, NormalizedCurve, area_weights, curve_area, listed_positions, stage_depths
from metamers.leaderboard.intervals import correct_bias, resampled_means, small_sample_factor, widen_samples
from metamers.leaderboard.normalized_area import normalize, weighted_area
from metamers.leaderboard.ranks import is_informative, rank_or_reason, rank_range, ranks_without_one_stage
from metamers.names import INPUT_STAGE, NATURAL

OWN_PARTICIPANTS, PREDICTION = "own people", "prediction"
PLANNED_STIMULI = (12, 25, 50, 100, 200, 400)  # numbers that are tried for a model without a rank
PLANNED_FAMILIES = (0, 1, 2, 4)  # numbers of further recognition models, each of another family
NO_AREA = "Fewer than two stages have a value, or the depth of a stage is not known."


def own_normalized_curve(
    entry: Mapping[str, Any],
    values: Mapping[str, float],
    listed: Sequence[str],
    scale: tuple[float, float],
    published: Mapping[tuple[str, str, str], NormalizedCurve],
) -> NormalizedCurve:
    """Put the curve of a run's model on the shared scale.

    Parameters
    ----------
    entry
        Entry of ``models``, see ``predicted_entries``.
    values
        Stage → proportion correct, where it is known.
    listed
        Stages whose proportion correct should be known.
    scale
        Proportions correct of natural stimuli and of guessing.
    published
        Result of ``metamers.leaderboard.curves.normalized_curves``. The published models of the architecture
        ``published_as`` define the shape between stages if they have the same number of stages at the same depths.
    """
    stages = [stage for stage in entry["stages"] if stage in entry["depths"] or stage in listed]
    depth = stage_depths(entry["depths"], stages)
    own = [one for key, one in published.items() if key[:2] == (entry["modality"], entry["published_as"])]
    same = [one for one in own if len(one.depth) == len(depth) and np.allclose(one.depth, depth)]
    natural, chance = scale
    return NormalizedCurve(
        depth=depth,
        values=normalize(np.array([values.get(stage, np.nan) for stage in stages]), natural, chance),
        listed=np.isin(stages, list(listed)),
        family=[one.values for one in same] + [values for one in same for values in one.family],
        natural=natural,
        chance=chance,
    )


def _own_entry(
    model: str,
    entry: Mapping[str, Any],
    basis: str,
    curve: Curve,
    area_and_ends: Mapping[str, float],
    own: NormalizedCurve,
    scaled: Mapping[str, float],
    measured: pd.DataFrame,
) -> dict[str, Any]:
    """Make the entry of a run's model, with its rank by normalized area among the published models of its modality.

    ``area_and_ends`` and ``scaled`` hold the area and the normalized area with their interval ends; empty where the
    curve has none. Without an area, or where the interval of the rank is not informative, there is no rank but a
    ``reason``.
    """
    published = f", a version of {entry['published_as']}" if entry["published_as"] else ""
    if not entry.get("classes", True):
        published += ", without classes"
    row = {"entry_modality": entry["modality"], "generation_model": model, "model_class": f"this run{published}"}
    row |= {"basis": basis, "stages": len(curve), "natural_correct": own.natural, "guessing": own.chance}
    if area_and_ends:
        row |= {f"area{end}": value for end, value in area_and_ends.items()}
        row |= {"depth_first": curve["depth"].iloc[0], "depth_last": curve["depth"].iloc[-1]}
    if own.rule is not None:
        others = measured.loc[measured["entry_modality"] == entry["modality"], "normalized_area"].dropna().to_numpy()
        row |= {f"normalized_area{end}": value for end, value in scaled.items()}
        ranks = rank_or_reason(scaled, others)
        row |= {"missing_depth": own.rule.missing} | ranks
        return row if "reason" in ranks else row | ranks_without_one_stage(ranks["rank"], own, others)
    return row | {"reason": NO_AREA}


def own_participants_curve(
    own_participants: Sequence[xr.Dataset], model: str, stages: Sequence[str], order: Sequence[str]
) -> Curve:
    """Compute the recognizability of a model's metamers by own participants; each participant met every shown stage.

    Parameters
    ----------
    own_participants
        Results of ``metamers.humans.own_participants.own_participants_dataset`` for the participants who saw the
        model's metamers.
    model
        The generation model.
    stages
        Stages that were shown, in processing order.
    order
        All stages of the model, in processing order.

    Returns
    -------
    pd.DataFrame
        One row per stage: ``stage``, ``depth``, and ``mean``, ``sem``, ``n`` over participants.
    """
    human = [data["proportion_correct"].sel(observer="human", generation_model=model) for data in own_participants]
    answers = [
        np.concatenate([data.sel(stage=stage).values for data in human if stage in data["stage"]]) for stage in stages
    ]
    curve = pd.DataFrame({"stage": stages, "depth": listed_positions(stages, order)})
    sem = [float(values.std(ddof=1) / np.sqrt(len(values))) for values in answers]
    return curve.assign(mean=[float(values.mean()) for values in answers], sem=sem, n=list(map(len, answers)))


def own_participants_curves(
    own_participants: Mapping[str, Sequence[xr.Dataset]], models: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[Curve, list[xr.Dataset]]]:
    """Compute the curve of each model of the run with at least two stages that own participants have judged.

    Parameters
    ----------
    own_participants
        Modality → results of ``metamers.humans.own_participants.own_participants_dataset``.
    models
        As for ``predicted_entries``.

    Returns
    -------
    dict
        Generation model → result of ``own_participants_curve``, and the datasets that it comes from.
    """
    curves = {}
    for model, entry in models.items():
        asked = [
            data for data in own_participants.get(entry["modality"], []) if model in data["generation_model"].values
        ]
        with_answers = {stage for data in asked for stage in own_stages(data, model)}
        stages = [stage for stage in entry["stages"] if stage in with_answers and stage != INPUT_STAGE]
        if len(stages) >= 2:
            curves[model] = own_participants_curve(asked, model, stages, entry["stages"]), asked
    return curves


def own_participants_entries(
    judged: Mapping[str, tuple[Curve, Sequence[xr.Dataset]]],
    models: Mapping[str, Mapping[str, Any]],
    measured: pd.DataFrame,
    published: Mapping[tuple[str, str, str], NormalizedCurve],
    natural: Mapping[str, float],
    number: int,
    seed: int,
) -> pd.DataFrame:
    """Make the entries of a run's own models by the answers of own participants.

    Parameters
    ----------
    judged
        Result of ``own_participants_curves``.
    models
        As for ``predicted_entries``.
    measured
        Entries of the published models: ``entry_modality``, ``normalized_area``.
    published, natural
        Results of ``normalized_curves`` and ``mean_natural_recognizability`` (``metamers.leaderboard.curves``).
    number, seed
        Number of bootstrap samples, and their random seed.

    Returns
    -------
    pd.DataFrame
        Entries with 95% bootstrap intervals over participants; the rank is that among the published models. Natural
        stimuli have the proportion correct of the same participants or, where not all of them met any, that in
        ``natural``.
    """
    rows = []
    for model, (curve, asked) in judged.items():
        entry, stages = models[model], curve["stage"].to_list()
        (means,) = resampled_means([model], [[NATURAL, *stages]], asked, number, seed)
        wider = small_sample_factor(int(curve["n"].max()))
        low, high = np.quantile(widen_samples(means[:, 1:] @ area_weights(curve["depth"].to_numpy()), wider), ENDS)
        area_and_ends = {"": curve_area(curve, "mean"), "_low": low, "_high": high}
        recognized = np.concatenate(
            [
                data["proportion_correct"].sel(observer="human", generation_model=model, stage=NATURAL).values
                for data in asked
            ]
        ).mean()
        if not np.isfinite(recognized):
            recognized = means[:, 0] = natural[entry["modality"]]
        values = dict(zip(stages, curve["mean"], strict=True))
        own = own_normalized_curve(entry, values, stages, (float(recognized), entry["chance"]), published)
        scaled: dict[str, float] = {}
        if (rule := own.rule) is not None:
            drawn = np.full((number, len(own.values)), np.nan)
            drawn[:, np.isfinite(own.values)] = normalize(means[:, 1:], means[:, :1], own.chance)
            scaled = {"": float(weighted_area(rule.low, own.values))}
            for end, weights, quantile in (("_low", rule.low, ENDS[0]), ("_high", rule.high, ENDS[1])):
                middle, areas = float(weighted_area(weights, own.values)), weighted_area(weights, drawn)
                scaled[end] = np.quantile(correct_bias(middle, areas, wider), quantile)
        row = _own_entry(model, entry, OWN_PARTICIPANTS, curve, area_and_ends, own, scaled, measured)
        rows.append(row | {"participants": int(curve["n"].max())})
    return pd.DataFrame(rows)


def compare_predictions(
    judged: Mapping[str, tuple[Curve, Sequence[xr.Dataset]]],
    predicted: xr.Dataset,
    models: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """Set predictions against the answers of own participants.

    Parameters
    ----------
    judged
        Result of ``own_participants_curves``.
    predicted, models
        As for ``predicted_entries``.

    Returns
    -------
    pd.DataFrame
        One row per model and stage with both: ``modality``, ``generation_model``, ``stage``, ``human`` and ``sem`` over
        participants, ``predicted``, ``low``, ``high``.
    """
    rows = []
    for model, (curve, _) in judged.items():
        of_model = predicted.sel(generation_model=model)
        for point in curve.itertuples():
            if point.stage in of_model["stage"]:
                expected = {name: float(of_model[name].sel(stage=point.stage)) for name in ("predicted", "low", "high")}
                names = {"modality": models[model]["modality"], "generation_model": model, "stage": point.stage}
                rows.append({**names, "human": point.mean, "sem": point.sem, **expected})
    columns = ["modality", "generation_model", "stage", "human", "sem", "predicted", "low", "high"]
    return pd.DataFrame(rows, columns=columns).dropna(subset="predicted").reset_index(drop=True)


def predicted_area(
    entry: Mapping[str, Any],
    curve: pd.DataFrame,
    listed: Sequence[str],
    scale: tuple[float, float],
    published: Mapping[tuple[str, str, str], NormalizedCurve],
) -> tuple[NormalizedCurve, dict[str, float]]:
    """Compute the normalized area of a model from predictions, with the ends of its interval.

    Parameters
    ----------
    entry, listed, scale, published
        As for ``own_normalized_curve``.
    curve
        ``predicted``, ``low``, ``high`` (stage): proportions correct of the stages that have a prediction.

    Returns
    -------
    curve
        The curve of the predictions on the shared scale.
    area
        The area with the key ``""``, and its ends with ``_low`` and ``_high``: the areas under the ends of the
        predictions' intervals, with missing parts at their lowest and highest possible values. Empty without an area.
    """
    own, low, high = (
        own_normalized_curve(entry, curve[column].to_dict(), listed, scale, published)
        for column in ("predicted", "low", "high")
    )
    if (rule := own.rule) is None:
        return own, {}
    ends = (("", rule.low, own), ("_low", rule.low, low), ("_high", rule.high, high))
    return own, {end: float(weighted_area(weights, one.values)) for end, weights, one in ends}


def predicted_entries(
    predicted: xr.Dataset,
    models: Mapping[str, Mapping[str, Any]],
    measured: pd.DataFrame,
    published: Mapping[tuple[str, str, str], NormalizedCurve],
    natural: Mapping[str, float],
    recognizable: xr.Dataset | None,
    relations: Mapping[str, Relation],
) -> pd.DataFrame:
    """Make the entries of a run's own models by the human recognizability that is predicted of their metamers.

    Parameters
    ----------
    predicted
        Result of ``metamers.compare.predicted_human.predicted_human``. Its values are on the scale of the published
        experiments, so they are normalized by natural stimuli and guessing in these experiments.
    models
        Generation model → ``modality``, ``stages`` (all stages of the model, in processing order), ``depths`` (stage →
        depth), ``chance`` (of guessing in the run's own task), ``published_as`` (name of the published model of the
        same architecture, or None), and ``classes``, False for a model without classes.
    measured
        Entries of the published models: ``entry_modality``, ``normalized_area``.
    published, natural
        Results of ``normalized_curves`` and ``mean_natural_recognizability`` (``metamers.leaderboard.curves``).
    recognizable
        Result of ``metamers.compare.recognizability.recognizability``, from which the numbers of stimuli and of
        recognition models are computed that a rank needs; None without them.
    relations
        Modality → result of ``metamers.compare.predicted_human.published_relation``.

    Returns
    -------
    pd.DataFrame
        Entries. The ends of an area's interval are the areas under the ends of the predictions' intervals, as if the
        errors of all stages had the same sign; for the normalized area, missing parts have their lowest and highest
        possible values. The rank is that among the published models. A model with fewer than two predicted stages has
        neither area nor rank. ``reason`` says why there is no rank, and what a rank needs if more stimuli or
        recognition models can give one.
    """
    rows = []
    for model, entry in models.items():
        included = [stage for stage in own_stages(predicted, model) if stage != INPUT_STAGE]
        of_model = predicted.sel(generation_model=model, stage=included)
        curve = of_model[["predicted", "low", "high"]].to_dataframe()[["predicted", "low", "high"]].dropna()
        area_and_ends = {}
        if len(curve) >= 2:
            curve = curve.assign(depth=listed_positions(list(curve.index), entry["stages"]))
            area_and_ends = {
                "": curve_area(curve, "predicted"),
                "_low": curve_area(curve, "low"),
                "_high": curve_area(curve, "high"),
            }
        scale = natural[entry["modality"]], GUESSING[entry["modality"]]
        own, scaled = predicted_area(entry, curve, included, scale, published)
        row = _own_entry(model, entry, PREDICTION, curve, area_and_ends, own, scaled, measured)
        if "reason" in row:
            others = measured.loc[measured["entry_modality"] == entry["modality"], "normalized_area"].dropna()

            def informative(values: np.ndarray, entry=entry, stages=included, scale=scale, others=others) -> bool:
                table = pd.DataFrame(values, index=stages, columns=["predicted", "low", "high"]).dropna()
                _, area = predicted_area(entry, table, stages, scale, published)
                return bool(area) and is_informative(rank_range(area, others.to_numpy()), len(others) + 1)

            stages = dict.fromkeys(filter(None, map(str, of_model["reason"].values)))
            row["reason"] = " ".join([row["reason"], *(why for why in stages if why != NOT_JUDGED)])
            # More stimuli give no area to a model with fewer than two judged stages or without depths.
            judged = of_model["stage"].values[(of_model["reason"] != NOT_JUDGED).values]
            if recognizable is not None and len(judged) >= 2 and np.isfinite(own.depth).all():
                seen = recognizable.sel(generation_model=model, stage=included)
                row["reason"] += " " + needed_for_rank(seen, relations[entry["modality"]], entry["chance"], informative)
        rows.append(row)
    return pd.DataFrame(rows)


def needed_for_rank(
    of_model: xr.Dataset, relation: Relation, chance: float, informative: Callable[[np.ndarray], bool]
) -> str:
    """Say how many stimuli and recognition models a model needs for a rank, if the proportions stay as they are.

    Parameters
    ----------
    of_model
        Result of ``metamers.compare.recognizability.recognizability`` for one generation model and its stages.
    relation, chance
        As for ``metamers.compare.predicted_human.predict_run_model``.
    informative
        Whether predictions (stage, 3) give an informative rank.
    """
    present = int(of_model["n"].max())
    numbers = [number for number in PLANNED_STIMULI if number > present] or [present]
    for further, number in product(PLANNED_FAMILIES, numbers):
        if informative(predict_run_model(of_model, relation, chance, number, further)):
            models = f" and {further} further recognition model{'s' * (further > 1)} of other families"
            return (
                f"About {number} stimuli{models * (further > 0)} would be needed, if the proportions stayed the same."
            )
    return (
        f"{numbers[-1]} stimuli and {PLANNED_FAMILIES[-1]} further recognition models of other families would not be "
        "enough, if the proportions stayed the same."
    )
