"""Points of the report's charts: tables of points from Datasets.

Every point has ``model``, ``stage``, ``words``, a description, and ``link``, the address of its metamers in the
report's browser, or None if the run has none. Points of a curve have ``part``: a line connects the points of one part
only, so that it does not cross a stage without a value. ``metamers.report.charts`` draws the points.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from metamers.humans.participants import own_stages
from metamers.match import MEASURES
from metamers.names import NATURAL
from metamers.report.browser import link, rounded
from metamers.report.contrasts import LATE, contrast_stages, side_of_contrast
from metamers.report.tables import percent

Point = dict[str, Any]

OTHERS, ITSELF, PARTICIPANTS = "the other models, mean", "the model itself", "participants, predicted"
NATURAL_POSITION = -0.2  # position of natural stimuli, before the first stage
TITLES = {name: measure.label for name, measure in MEASURES.items()}  # the first one is shown first


def position(stage: str, stages: Sequence[str]) -> float:
    """Position of a stage: its place among all stages of its model, from 0 (first) to 1 (last)."""
    return NATURAL_POSITION if stage == NATURAL else stages.index(stage) / max(len(stages) - 1, 1)


def quantiles(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Quantiles of the finite values; NaN if there are none."""
    finite = values[np.isfinite(values)]
    return np.quantile(finite, levels) if len(finite) else np.full(len(levels), np.nan)


def predicted_kind(model: str) -> str:
    """Name of a model of this run in the legend that also lists the kinds of published models."""
    return f"{model} (this run, participants predicted)"


def _between(low: float, high: float, form: str) -> str:
    """An interval in words, for example " (20% to 40%)"; empty if there is none."""
    return f" ({low:{form}} to {high:{form}})" if np.isfinite(low) and np.isfinite(high) else ""


def _values(**numbers: float) -> dict[str, Any]:
    return {name: rounded(np.asarray(value, float)) for name, value in numbers.items()}


def recognizability_points(
    models: Mapping[str, Mapping[str, Any]], recognizable: xr.Dataset, predicted: xr.Dataset
) -> list[Point]:
    """Recognizability at each stage of each generation model, by others, by itself, and by participants (predicted).

    Parameters
    ----------
    models
        Generation model → ``stages``: all its stages.
    recognizable, predicted
        Results of ``metamers.compare.chance.with_chance`` and ``metamers.compare.predicted_human.predicted_human``.
    """
    points = []
    for model, entry in models.items():
        own = recognizable.sel(generation_model=model)
        missing: Counter[str] = Counter()
        for stage in own_stages(recognizable, model):
            at = own.sel(stage=stage)
            found = {OTHERS: tuple(float(at[f"other_models{end}"]) for end in ("", "_low", "_high"))}
            by_chance = {OTHERS: float(at["other_models_chance"])}
            if model in own["recognition_model"]:
                itself = at.sel(recognition_model=model)
                found[ITSELF] = tuple(float(itself[name]) for name in ("proportion_correct", "low", "high"))
                by_chance[ITSELF] = float(itself["chance_agreement"])
            if stage != NATURAL:
                expected = predicted.sel(generation_model=model, stage=stage)
                # NaN without a prediction; such points are left out below.
                found[PARTICIPANTS] = tuple(float(expected[name]) for name in ("predicted", "low", "high"))
            missing.update(who for who, (value, *_) in found.items() if not np.isfinite(value))
            points += [
                {
                    "model": model,
                    "stage": stage,
                    "position": round(position(stage, entry["stages"]), 4),
                    "part": missing[who],
                    "by": who,
                    "n": int(at["n"].max()),
                    **_values(value=value, low=low, high=high, chance=by_chance.get(who, np.nan)),
                    "by_chance": percent(by_chance.get(who, np.nan)),
                    "link": link(model, None if stage == NATURAL else stage),
                    "words": f"{model}, {stage}: {value:.0%} recognized by {who}{_between(low, high, '.0%')}, "
                    f"n = {int(at['n'].max())}"
                    + (f", {percent(by_chance[who])} by chance" if who in by_chance else ""),
                }
                for who, (value, low, high) in found.items()
                if np.isfinite(value)
            ]
    return points


def match_points(
    models: Mapping[str, Mapping[str, Any]], acceptance: Mapping[str, xr.Dataset], nulls: Mapping[str, xr.Dataset]
) -> list[Point]:
    """Match at each stage of each model: median and quartiles over metamers, and ends of the null distribution."""
    points = []
    for model, entry in models.items():
        missing: Counter[str] = Counter()
        for stage in map(str, acceptance[model]["stage"].values):
            of_stage, null = acceptance[model].sel(stage=stage), nulls[model].sel(stage=stage)
            accepted = f"{int(of_stage['accepted'].sum())} of {of_stage['accepted'].size} accepted"
            for measure, title in TITLES.items():
                values = of_stage[measure].values
                low, value, high = quantiles(values, (0.25, 0.5, 0.75))
                if not np.isfinite(value):
                    missing[measure] += 1
                    continue
                ends = (np.nan, np.nan)
                if measure in null:
                    ends = quantiles(null[measure].values, (0,))[0], float(null["largest"].sel(measure=measure))
                points.append(
                    {
                        "model": model,
                        "stage": stage,
                        "position": round(position(stage, entry["stages"]), 4),
                        "part": missing[measure],
                        "measure": title,
                        **_values(value=value, low=low, high=high),
                        **_values(null_low=ends[0], null_high=ends[1]),
                        "link": link(model, stage),
                        "words": f"{model}, {stage}: median {title} {value:.3g}, {accepted}",
                    }
                )
    return points


def published_points(relation: xr.Dataset, modality: str, run: Sequence[Point]) -> list[Point]:
    """Participants against other models: stages of the published models, and stages of this run with a prediction.

    Parameters
    ----------
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``.
    modality
        ``vision`` or ``audio``.
    run
        Result of ``recognizability_points`` for this modality.
    """
    known = relation.sel(modality=modality)
    known = known.isel(point=known["human_mean"].notnull().values)
    names = ("generation_model", "stage", "model_class", "human_mean", "human_sem", "model_mean", "model_sem")
    points = [
        {
            "model": str(model),
            "stage": str(stage),
            "kind": str(kind),
            "of_run": False,
            **_values(value=human, others=other),
            **_values(low=human - human_sem, high=human + human_sem),
            **_values(others_low=other - other_sem, others_high=other + other_sem),
            "link": None,
            "words": f"{model}, {stage} (published): participants {human:.0%}, other models {other:.0%}",
        }
        for model, stage, kind, human, human_sem, other, other_sem in zip(
            *(known[name].values for name in names), strict=True
        )
    ]
    others = {(point["model"], point["stage"]): point["value"] for point in run if point["by"] == OTHERS}
    for point in run:
        key = point["model"], point["stage"]
        if point["by"] == PARTICIPANTS and key in others:
            predicted = f"participants {point['value']:.0%} predicted, other models {others[key]:.0%}"
            words = f"{', '.join(key)} (this run): {predicted}"
            kept = {name: point[name] for name in ("model", "stage", "value", "low", "high", "link")}
            own = {"kind": predicted_kind(point["model"]), "of_run": True, "others": others[key], "words": words}
            points.append(kept | own)
    return points


def contrast_points(compared: xr.Dataset) -> list[Point]:
    """Differences in recognizability between two models, in percentage points.

    One point for each common stage of both models, and one, without a link, for the later half of the stages.
    ``clear``: the 95% interval excludes 0. ``value`` is None if no stimulus has accepted metamers of both models.
    """
    points = []
    for name in map(str, compared["contrast"].values):
        one = compared.sel(contrast=name)
        model = str(one["model"].values)
        contrast = " minus ".join(side_of_contrast(one, role) for role in ("model", "reference"))
        at = {stage: one[["difference", "low", "high", "n"]].sel(stage=stage) for stage in contrast_stages(one)}
        at[LATE] = one[["late_difference", "late_low", "late_high", "late_n"]]
        for place, (stage, found) in enumerate(at.items()):
            value, low, high = (100 * float(number) for number in list(found.data_vars.values())[:3])
            n = int(list(found.data_vars.values())[3])
            if not np.isfinite(value):
                words = "no stimulus with accepted metamers of both models"
            elif np.isfinite(low):
                words = f"{value:+.0f} points ({low:+.0f} to {high:+.0f})".replace("-", "−")
            else:
                words = f"{value:+.0f} points (no interval)".replace("-", "−")
            points.append(
                {
                    "model": model,
                    "contrast": contrast,
                    "stage": stage,
                    "at": f"{stage}, n = {n}",
                    "place": place,
                    "n": n,
                    "clear": low > 0 or high < 0,
                    **_values(value=value, low=low, high=high),
                    "link": None if stage == LATE else link(model, stage),
                    "words": f"{contrast}, {stage}: {words}",
                }
            )
    return points
