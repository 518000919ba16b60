"""Points of the report's charts: Datasets in, tables of what is known of each point out.

Every point has ``model`` and ``stage``, ``words`` that tell what it is, and ``link``, the address of the metamers that
it is about in the report's browser, or None where the run has none. How points are drawn is for
``metamers.report_charts``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from metamers.humans import own_stages
from metamers.names import NATURAL
from metamers.report_browser import link, rounded
from metamers.report_contrasts import contrast_stages
from metamers.report_tables import percent

Point = dict[str, Any]

OTHERS, ITSELF, PEOPLE = "the other models, mean", "the model itself", "people, predicted"
PEOPLE_KIND = "this run: prediction, nobody asked"
NATURAL_DEPTH = -0.2  # where natural stimuli stand, before the first stage
# The first is what is shown first.
TITLES = {
    "spearman_rho": "Spearman ρ",
    "pearson_r": "Pearson r",
    "normalized_error": "Normalized error",
    "snr_db": "Signal-to-noise ratio (dB)",
}


def depth(stage: str, stages: Sequence[str]) -> float:
    """Relative depth of a stage: its place among all stages of its model, 0 first and 1 last."""
    return NATURAL_DEPTH if stage == NATURAL else stages.index(stage) / max(len(stages) - 1, 1)


def quantiles(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Quantiles of the finite values, NaN where there are none."""
    finite = values[np.isfinite(values)]
    return np.quantile(finite, levels) if len(finite) else np.full(len(levels), np.nan)


def _values(**numbers: float) -> dict[str, Any]:
    return {name: rounded(np.asarray(value, float)) for name, value in numbers.items()}


def recognizability_points(
    models: Mapping[str, Mapping[str, Any]], recognizable: xr.Dataset, predicted: xr.Dataset
) -> list[Point]:
    """Recognizability at each stage of each generation model, by the other models, by itself and expected of people.

    Parameters
    ----------
    models
        Generation model → ``stages``: all that it has.
    recognizable, predicted
        What ``metamers.chance.with_chance`` and ``metamers.predicted.predicted_human`` give.
    """
    points = []
    for model, entry in models.items():
        own = recognizable.sel(generation_model=model)
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
                # Without a point where there is no prediction, outside the published range.
                found[PEOPLE] = tuple(float(expected[name]) for name in ("predicted", "low", "high"))
            points += [
                {
                    "model": model,
                    "stage": stage,
                    "depth": round(depth(stage, entry["stages"]), 4),
                    "by": who,
                    "n": int(at["n"].max()),
                    **_values(value=value, low=low, high=high, chance=by_chance.get(who, np.nan)),
                    "by_chance": percent(by_chance.get(who, np.nan)),
                    "link": link(model, None if stage == NATURAL else stage),
                    "words": f"{model}, {stage}: {value:.0%} recognized by {who} ({low:.0%} to {high:.0%}), "
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
    """Match at each stage of each model: median and quartiles over metamers, and the null distribution beside them."""
    points = []
    for model, entry in models.items():
        for stage in map(str, acceptance[model]["stage"].values):
            of_stage, null = acceptance[model].sel(stage=stage), nulls[model].sel(stage=stage)
            accepted = f"{int(of_stage['accepted'].sum())} of {of_stage['accepted'].size} accepted"
            for measure, title in TITLES.items():
                values = of_stage[measure].values
                low, value, high = quantiles(values, (0.25, 0.5, 0.75))
                if not np.isfinite(value):
                    continue
                ends = (np.nan, np.nan)
                if measure in null:
                    ends = quantiles(null[measure].values, (0,))[0], float(null["largest"].sel(measure=measure))
                points.append(
                    {
                        "model": model,
                        "stage": stage,
                        "depth": round(depth(stage, entry["stages"]), 4),
                        "measure": title,
                        **_values(value=value, low=low, high=high),
                        **_values(null_low=ends[0], null_high=ends[1]),
                        "link": link(model, stage),
                        "words": f"{model}, {stage}: median {title} {value:.3g}, {accepted}",
                    }
                )
    return points


def published_points(relation: xr.Dataset, modality: str, run: Sequence[Point]) -> list[Point]:
    """Published models' stages, people against other models, and this run's stages where the relation expects them.

    Parameters
    ----------
    relation
        What ``metamers.compare.humans_vs_models`` gives.
    modality
        ``vision`` or ``audio``.
    run
        What ``recognizability_points`` gives, of this modality only.
    """
    known = relation.sel(modality=modality)
    known = known.isel(point=known["human_mean"].notnull().values)
    points = [
        {
            "model": str(one["generation_model"].values),
            "stage": str(one["stage"].values),
            "kind": str(one["model_class"].values),
            **_values(value=float(one["human_mean"]), others=float(one["model_mean"])),
            **_values(low=one["human_mean"] - one["human_sem"], high=one["human_mean"] + one["human_sem"]),
            "link": None,
            "words": f"{one['generation_model'].values}, {one['stage'].values} (published): "
            f"people {float(one['human_mean']):.0%}, other models {float(one['model_mean']):.0%}",
        }
        for one in (known.isel(point=number) for number in range(known.sizes["point"]))
    ]
    others = {(point["model"], point["stage"]): point["value"] for point in run if point["by"] == OTHERS}
    for point in run:
        key = point["model"], point["stage"]
        if point["by"] == PEOPLE and key in others:
            words = (
                f"{', '.join(key)} (this run): people {point['value']:.0%} predicted, other models {others[key]:.0%}"
            )
            kept = {name: point[name] for name in ("model", "stage", "value", "low", "high", "link")}
            points.append(kept | {"kind": PEOPLE_KIND, "others": others[key], "words": words})
    return points


def contrast_points(compared: xr.Dataset) -> list[Point]:
    """Differences in recognizability between two models at each stage that both have, in percentage points."""
    points = []
    for name in map(str, compared["contrast"].values):
        one = compared.sel(contrast=name)
        model, stages = str(one["model"].values), contrast_stages(one)
        for place, stage in enumerate(stages):
            value, low, high = (100 * float(one[key].sel(stage=stage)) for key in ("difference", "low", "high"))
            if np.isfinite(value):
                points.append(
                    {
                        "model": model,
                        "contrast": f"{model} minus {one['reference'].values}",
                        "stage": stage,
                        "place": place,
                        "n": int(one["n"].sel(stage=stage)),
                        **_values(value=value, low=low, high=high),
                        "link": link(model, stage),
                        "words": f"{model} minus {one['reference'].values}, {stage}: {value:+.0f} points"
                        + (f" ({low:+.0f} to {high:+.0f})" if np.isfinite(low) else " (no interval)"),
                    }
                )
    return points


def brain_points(found: Mapping[str, xr.Dataset], models: Mapping[str, Mapping[str, Any]]) -> list[Point]:
    """How well each stage of each model predicts voxels, signed: mean over participants with its 95% interval.

    Parameters
    ----------
    found
        Model → what ``metamers.brain.regression`` gives.
    models
        Generation model → ``chosen``: its stages that have metamers.
    """
    points = []
    for model, one in found.items():
        stages = list(map(str, one["stage"].values))
        for stage in stages:
            of_stage = one.sel(stage=stage)
            mean, low, high = (float(of_stage[f"signed_r2{end}"]) for end in ("", "_low", "_high"))
            between = f"95% interval {low:.2f} to {high:.2f}" if np.isfinite(low) else "no interval"
            p = f"p {float(of_stage['p_shuffled']):.2g} against shuffled stimuli"
            points.append(
                {
                    "model": model,
                    "stage": stage,
                    "depth": round(depth(stage, stages), 4),
                    **_values(value=mean, low=low, high=high),
                    "link": link(model, stage) if stage in models.get(model, {}).get("chosen", ()) else None,
                    "words": f"{model}, {stage}: signed R² {mean:.2f}, {between}, {p}",
                }
            )
    return points
