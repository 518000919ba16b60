"""Figures of one generation model: recognizability of its metamers over stages, and their match.

They have the layers of the report's charts (``metamers.report.charts``), as vector files.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import xarray as xr

from metamers.humans.participants import OBSERVERS, PUBLISHED_STIMULI, own_stages
from metamers.humans.published import PUBLISHED
from metamers.match import NULL_MEASURES
from metamers.names import INPUT_STAGE, NATURAL
from metamers.report.browser import VERDICTS, null_quantiles, outcome_letters, rounded
from metamers.report.charts import POINTS, curve_layers, match_layers, vector
from metamers.report.figures import BLUE, FAINT, INK, ORANGE, PALE, SLATE, published_curves
from metamers.report.looks import MARKS, Looks

WIDTH = 900
SOLID, DASHED, NONE = [1, 0], [7, 4], []
PUBLISHED_DASHES = {"dash-dotted": [9, 3, 2, 3], "dotted": [2, 3]}
# Places of marks beside the tick of a stage, so that they do not hide each other.
ITSELF_BESIDE, MEAN_BESIDE, PREDICTED_BESIDE = -0.18, -0.06, 0.2
LINE = "stroke"  # the mark in the legend of a series without marks


def published_recognizability(groups: pd.DataFrame, name: str) -> pd.DataFrame:
    """Recognizability of one published model's metamers by the participants of all its experiments.

    Parameters
    ----------
    groups
        Result of ``metamers.humans.summary.group_results``.
    name
        The model's name in the paper.

    Returns
    -------
    pd.DataFrame
        By ``stage``, in processing order, including ``natural``: ``mean``, and ``n`` participants; empty for models
        without human answers.
    """
    human = groups[(groups["generation_model"] == name) & (groups["observer"] == OBSERVERS[0])]
    rows = {
        stage: (np.average(of_stage["mean"], weights=of_stage["n"]), of_stage["n"].sum())
        for stage, of_stage in human.groupby("stage", sort=False)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["mean", "n"])


def _at_position(position: np.ndarray, stages: Sequence[str]) -> np.ndarray:
    """Place of a position on the axis of stages: 0 is the input (or natural stimuli), 1 the last stage."""
    first = stages.index(INPUT_STAGE) if INPUT_STAGE in stages else 0
    return first + position * (len(stages) - 1 - first)


def _series(
    name: str,
    place: Iterable[float],
    value: Iterable[float],
    colour: str,
    *,
    low: Iterable[float] | None = None,
    high: Iterable[float] | None = None,
    outline: str = LINE,
    dash: Sequence[int] = SOLID,
    width: float = 1.5,
) -> dict[str, Any]:
    """One series of ``recognizability_figure``: its look, and its points, without missing values."""
    columns = [np.array([*column], float) for column in (place, value, low or value, high or value)]
    rows = [dict(zip(("place", "value", "low", "high"), row, strict=True)) for row in np.transpose(columns)]
    points = [{"series": name} | row for row in rows if np.isfinite(row["value"])]
    return {"name": name, "colour": colour, "outline": outline, "dash": dash, "width": width, "points": points}


def _published_series(
    stages: Sequence[str], groups: pd.DataFrame, modality: str, published_as: str | None
) -> Iterable[dict[str, Any]]:
    """Published human curves: the same architecture over stages, other models over the position of the stage."""
    names = dict.fromkeys(filter(None, [published_as, *PUBLISHED[modality].reference_models]))
    dashes = iter(PUBLISHED_DASHES.items())
    for name in names:
        proportions = published_recognizability(groups, name)
        if proportions.empty:
            continue
        same = published_as is not None and published_as.split(" (")[0] == name.split(" (")[0]
        if same:
            proportions = proportions[proportions.index.isin(stages)]
            places, how = [stages.index(stage) for stage in proportions.index], ""
            look = {"outline": MARKS["P" if name == published_as else "<"]}
        else:
            position = np.arange(1, len(proportions)) / (len(proportions) - 1)
            dashed, dash = next(dashes)
            places = [stages.index(NATURAL), *_at_position(position, stages)]
            how, look = f", over the position of the stage ({dashed})", {"dash": dash}
        label = f"participants: {name}{how}, in full size, {PUBLISHED_STIMULI} {PUBLISHED[modality].stimuli}"
        yield _series(f"{label} (n = {proportions['n'].max()})", places, proportions["mean"], SLATE, **look)


def recognizability_series(
    generation_model: str,
    recognizable: xr.Dataset,
    predicted: xr.Dataset,
    relation: xr.Dataset,
    groups: pd.DataFrame,
    modality: str,
    looks: Looks,
    published_as: str | None = None,
) -> list[dict[str, Any]]:
    """Recognizability of one model's metamers over stages: by itself, by other models, and predicted for participants.

    Parameters
    ----------
    generation_model
        The model of the metamers.
    recognizable, predicted, relation
        Results of ``metamers.compare.recognizability.recognizability``,
        ``metamers.compare.predicted_human.predicted_human`` and
        ``metamers.compare.humans_vs_models.humans_vs_models``.
    groups
        Published group results: result of ``metamers.humans.summary.group_results``.
    modality
        ``vision`` or ``audio``.
    looks
        Look of each model of the run.
    published_as
        Name in the paper of the published version of this model, whose human curve is drawn by stage.

    Returns
    -------
    list
        The series of ``recognizability_figure``, those of this run first: ``name``, ``colour``, ``outline``, ``dash``
        (``NONE``: no line), ``width`` and ``points`` of each.
    """
    own = recognizable.sel(generation_model=generation_model)
    stages = own_stages(recognizable, generation_model)
    at, x = own.sel(stage=stages), np.arange(len(stages))
    found = []
    for name in map(str, own["recognition_model"].values):
        value = at["proportion_correct"].sel(recognition_model=name).values
        look = {"colour": looks[name].colour, "outline": looks[name].outline}
        if name == generation_model:
            found.insert(0, _series(f"{name} itself", x + ITSELF_BESIDE, value, **look, width=2))
        elif np.isfinite(value).any():
            sibling = bool(own["recognition_family"].sel(recognition_model=name) == own["generation_family"])
            found.append(_series(f"{name} (sibling)" if sibling else name, x, value, **look, width=0.9))
    mean, low, high = (at[f"other_models{end}"].values for end in ("", "_low", "_high"))
    label = "mean over families of other models, with 95% interval over stimuli"
    found.append(_series(label, x + MEAN_BESIDE, mean, BLUE, low=[*low], high=[*high], outline=MARKS["s"], width=3))
    expected = predicted.sel(generation_model=generation_model).sel(stage=[s for s in stages if s != NATURAL])
    label = "participants: predicted, with 95% interval"
    label += ", where there is a prediction" if (expected["reason"] != "").any() else ""
    middle, low, high = (expected[name].values for name in ("predicted", "low", "high"))
    given = {"low": [*low], "high": [*high], "outline": MARKS["D"], "dash": NONE}
    found.append(_series(label, x[1:] + PREDICTED_BESIDE, middle, ORANGE, **given))
    found += _published_series(stages, groups, modality, published_as)
    curves, mean = published_curves(relation, modality)
    dashed = {"dash": DASHED, "width": 1.8}
    found.append(
        _series(
            "participants: mean of the published models (dashed)",
            _at_position(mean[0], stages),
            mean[1],
            FAINT,
            **dashed,
        )
    )
    label = f"participants: each of {len(curves)} published models, over the position of the stage"
    each = [_series(label, _at_position(position, stages), human, PALE, width=1) for position, human in curves]
    parts = [point | {"part": part} for part, series in enumerate(each) for point in series["points"]]
    return [series for series in [*found, each[0] | {"points": parts}] if series["points"]]


def stage_axis(stages: Sequence[str], n: Iterable[int]) -> alt.X:
    """Axis of the stages of one model in processing order, with the number of stimuli of each."""
    labels = json.dumps([[stage, f"n = {number}"] for stage, number in zip(stages, n, strict=True)])
    ticks = alt.Axis(values=[*range(len(stages))], labelExpr=f"{labels}[datum.value]", grid=False, labelOverlap=False)
    wide = alt.Scale(domain=[-0.5, len(stages) - 0.5], nice=False)
    title = "Stage that the metamers match (n: stimuli with an accepted metamer)"
    return alt.X("place:Q", title=title, axis=ticks, scale=wide)


def recognizability_figure(
    series: Sequence[Mapping[str, Any]], generation_model: str, recognizable: xr.Dataset, chance: float
) -> bytes:
    """The series of ``recognizability_series``, with the proportions correct by chance, as SVG.

    Parameters
    ----------
    series
        Result of ``recognizability_series``.
    generation_model, recognizable
        As there.
    chance
        One over the number of categories.
    """
    names = [one["name"] for one in series]
    stages = own_stages(recognizable, generation_model)
    own = recognizable.sel(generation_model=generation_model, stage=stages)
    x = stage_axis(stages, own["n"].max("recognition_model").values)
    axis, scale = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]), alt.Scale(domain=[0, 1.02], nice=False)
    y = alt.Y("value:Q", title="Proportion correct", axis=axis, scale=scale)
    guess = alt.Chart(alt.InlineData(values=[{"value": chance}])).mark_rule(strokeDash=[2, 3], color=INK)
    by_chance = zip(np.arange(len(stages)) + MEAN_BESIDE, own["other_models_chance"].values, strict=True)
    by_chance = [{"place": place, "value": value} for place, value in by_chance if np.isfinite(value)]
    layers = [
        guess.encode(y=y),
        alt.Chart(alt.InlineData(values=by_chance))
        .mark_tick(thickness=2, width=14, color=INK, orient="horizontal")
        .encode(x=x, y=y),
    ]
    legend = alt.Legend(orient="bottom", columns=1, title=None, labelLimit=WIDTH, values=names)
    encodings = {
        "color": alt.Color(
            "series:N", scale=alt.Scale(domain=names, range=[one["colour"] for one in series]), legend=legend
        ),
        "shape": alt.Shape(
            "series:N", scale=alt.Scale(domain=names, range=[one["outline"] for one in series]), legend=legend
        ),
    }
    for one in reversed(series):
        base = alt.Chart(alt.NamedData(POINTS)).transform_filter(alt.datum.series == one["name"])
        bars, line, marks = curve_layers(
            base, x, y, encodings, {"strokeDash": one["dash"], "strokeWidth": one["width"]}
        )
        layers += [bars, *([line] if one["dash"] else []), *([marks] if one["outline"] != LINE else [])]
    points = [point for one in series for point in one["points"]]
    return vector(alt.layer(*layers).properties(width=WIDTH, height=330), points)


def match_rows(acceptance: xr.Dataset, measure: str) -> list[dict[str, Any]]:
    """Match of every metamer of one model by a measure; metamers without a value are left out."""
    values = acceptance.transpose("stage", "stimulus", "seed", ...)[measure].values
    return [
        {
            "stage": str(stage),
            "place": place,
            "spread": cell / len(letters),
            "value": value,
            "verdict": VERDICTS[letters[cell]],
        }
        for place, (stage, found, letters) in enumerate(
            zip(acceptance["stage"].values, values, outcome_letters(acceptance), strict=True)
        )
        for cell, value in enumerate(rounded(found.ravel()))
        if value is not None
    ]


def null_figure(null: xr.Dataset, acceptance: xr.Dataset) -> bytes:
    """Match of one model's metamers at each stage, and the null distribution; one panel per measure.

    Parameters
    ----------
    null
        (stage, pair) → each of ``NULL_MEASURES``; ``distinct_pairs``.
    acceptance
        (stage, stimulus, seed) → ``accepted``, ``category_preserved`` and the measures; (stage, measure) → ``largest``,
        ``decides``.

    Returns
    -------
    bytes
        SVG.
    """
    stages = list(map(str, acceptance["stage"].values))
    null = null.sel(stage=stages)
    acceptance = acceptance.sel(stage=stages)
    title = "Stage (metamers below the largest value of the null distribution)"
    x = alt.X("at:N", sort=alt.SortField("place"), title=title, axis=alt.Axis(labelAngle=-40, labelLimit=180))
    panels, points = [], []
    for name, measure in NULL_MEASURES.items():
        of_measure = acceptance.sel(measure=name)
        decides = "" if of_measure["decides"].any() else " (does not decide)"
        at = [f"{stage} ({int(n)} below)" for stage, n in zip(stages, of_measure["refused"].values, strict=True)]
        quantiles = zip(at, rounded(null_quantiles(null, name)), strict=True)
        chance = [
            {"at": stage, "place": place, "low": low, "low_90": low_90, "high_90": high_90, "high": high}
            for place, (stage, (low, low_90, _, high_90, high)) in enumerate(quantiles)
            if low is not None
        ]
        points += [row | {"measure": name, "at": at[row["place"]]} for row in match_rows(acceptance, name)]
        base = alt.Chart(alt.NamedData(POINTS)).transform_filter(alt.datum.measure == name)
        layers = match_layers(base, alt.Chart(alt.InlineData(values=chance)), x, f"concat_{len(panels)}_y")
        panels.append(alt.layer(*layers).properties(width=WIDTH, height=230, title=f"{measure.label}{decides}"))
    return vector(alt.vconcat(*panels).resolve_scale(x="independent", y="independent"), points)
