"""Charts that answer to a pointer, to touch and to keys: tables of points in, Vega-Lite specifications out.

Every point carries the words that tell what it is and, where the run has the metamers that it is about, a link to them.
``site/charts.js`` draws the charts and sets their parameters: ``chosen``, the point that is marked, and one for each
choice beside the chart. Vector figures for talks are made in ``metamers.report_figures`` and its like.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import xarray as xr

from metamers.predicted import published_relation
from metamers.report_browser import rounded
from metamers.report_figures import BLUE, FAINT, INK, KIND_COLOURS, ORANGE, PALE
from metamers.report_points import NATURAL_DEPTH, OTHERS, PEOPLE_KIND, TITLES, Point

POINTS = "points"  # name of the data that keys move through
EVERY = "all"
LEGEND_MODELS = 8  # more are told apart by pointing and choosing only
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-left", "triangle-right")
RING = "M0,-1.3L1.3,0L0,1.3L-1.3,0ZM0,-0.7L-0.7,0L0,0.7L0.7,0Z"  # a hollow diamond, of what is predicted
HIT_SIZE = 500  # square pixels around a point that answer to it, for fingers
HEIGHT = 340
CHOSEN = alt.param(name="chosen", value=-1)
TOLD = (alt.Tooltip("model:N", title="Model"), alt.Tooltip("stage:N", title="Stage"))


def _choice(name: str, value: str) -> alt.Parameter:
    return alt.param(name=name, value=value)


def _colour(names: Sequence[str], chosen: str | None = None) -> dict[str, Any]:
    """Encodings by which models are told apart: colour and shape, and paler where another one is chosen."""
    legend = alt.Legend(orient="bottom", columns=3, title=None, labelLimit=300) if len(names) <= LEGEND_MODELS else None
    colours = [KIND_COLOURS[number % len(KIND_COLOURS)] for number in range(len(names))]
    shapes = [SHAPES[number % len(SHAPES)] for number in range(len(names))]
    encoding: dict[str, Any] = {
        "color": alt.Color("model:N", scale=alt.Scale(domain=list(names), range=colours), legend=legend),
        "shape": alt.Shape("model:N", scale=alt.Scale(domain=list(names), range=shapes), legend=legend),
    }
    if chosen:
        test = f"{chosen} == '{EVERY}' || datum.model == {chosen}"
        encoding["opacity"] = alt.condition(test, alt.value(1), alt.value(0.12))
    return encoding


def _answering(base: alt.Chart, x: Any, y: Any, tooltip: Sequence[alt.Tooltip]) -> list[alt.Chart]:
    """Layers that lie over all points: a ring around the chosen one, and areas that answer to pointers and fingers."""
    ring = base.transform_filter("datum.id == chosen").mark_point(size=260, strokeWidth=3, color=INK, filled=False)
    hit = base.mark_point(size=HIT_SIZE, opacity=0, filled=True, cursor="pointer", shape="circle")
    return [
        ring.encode(x=x, y=y),
        hit.encode(x=x, y=y, tooltip=list(tooltip)),
    ]


def _finished(chart: alt.LayerChart, points: Sequence[Point], description: str, height: int = HEIGHT) -> dict[str, Any]:
    """A chart with its points as a specification, as wide as its place on the page, in the page's letters."""
    specification = (
        chart.properties(width="container", height=height, description=description, background="white")
        .configure(font="system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=12,
            titleFontSize=12.5,
            titleFontWeight="normal",
            gridColor=PALE,
            domainColor=FAINT,
            labelColor=INK,
            titleColor=INK,
            tickColor=FAINT,
        )
        .configure_legend(labelFontSize=12, labelColor=INK, symbolSize=80)
        .to_dict()
    )
    numbered = [{"id": number} | point for number, point in enumerate(points)]
    return specification | {"datasets": specification.get("datasets", {}) | {POINTS: numbered}}


def _depth_axis(points: Sequence[Point]) -> alt.X:
    first = min([0, *(point["depth"] for point in points)])
    label = f"datum.value == {NATURAL_DEPTH} ? 'natural' : format(datum.value, '.2~f')"
    axis = alt.Axis(values=sorted({first, 0, 0.25, 0.5, 0.75, 1}), labelExpr=label, grid=False)
    title = "Relative depth of the stage (0 first, 1 last)"
    return alt.X("depth:Q", title=title, axis=axis, scale=alt.Scale(domain=[first - 0.05, 1.05], nice=False))


def curves_chart(
    points: Sequence[Point],
    of: str,
    title: str,
    y: alt.Y,
    description: str,
    choices: Mapping[str, str],
    below: Sequence[alt.Chart] = (),
    tooltip: Sequence[alt.Tooltip] = (),
) -> dict[str, Any]:
    """Values over relative depth, a line a model, intervals as bars.

    Parameters
    ----------
    points
        With ``model``, ``stage``, ``depth``, ``value``, ``low``, ``high``, ``link``, ``words``.
    of
        What the values are, for tooltips.
    title, y
        Title of the axis of values, and their encoding without it.
    description
        What the chart shows, for those who do not see it.
    choices
        Fields of the points by which a choice beside the chart selects → what is chosen first; ``model`` makes the
        others paler.
    below
        Layers beneath.
    tooltip
        What else a point tells.
    """
    base = alt.Chart(alt.NamedData(POINTS))
    for field in choices:
        if field != "model":
            base = base.transform_filter(f"datum.{field} == {field}")
    y = y.title(title)
    x, names = _depth_axis(points), list(dict.fromkeys(point["model"] for point in points))
    told = [*TOLD, alt.Tooltip("value:Q", title=of, format=".3~g"), *tooltip]
    looks = _colour(names, "model")
    colour, opacity = looks["color"], looks["opacity"]
    layers = [
        *below,
        base.mark_rule(strokeWidth=1.5).encode(
            x=x, y=alt.Y("low:Q", title=title), y2="high:Q", color=colour, opacity=opacity
        ),
        base.mark_line(strokeWidth=2).encode(x=x, y=y, color=colour, opacity=opacity, order="depth:Q"),
        base.mark_point(size=70, filled=True).encode(x=x, y=y, **looks),
        *_answering(base, x, y, told),
    ]
    chart = alt.layer(*layers).add_params(CHOSEN, *(_choice(name, value) for name, value in choices.items()))
    return _finished(chart, points, description)


def recognizability_chart(points: Sequence[Point], modality: str, chance: float) -> dict[str, Any]:
    """Recognizability over relative depth, by a choice of observers; of the chosen model what is right by chance.

    ``chance``, a dotted line, is one over the number of categories: the chance of an observer that gives all answers
    equally often.
    """
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    y = alt.Y("value:Q", axis=axis, scale=alt.Scale(domain=[0, 1]))
    guess = alt.Chart(alt.InlineData(values=[{"chance": chance}])).mark_rule(strokeDash=[2, 3], color=INK)
    about = f"Recognizability of metamers over the relative depth of their stage, {modality}, a line a model."
    told = (alt.Tooltip("n:Q", title="Stimuli"), alt.Tooltip("by_chance:N", title="Right by chance"))
    choices = {"by": OTHERS, "model": EVERY}
    title = "Proportion correct"
    guess = guess.encode(y=alt.Y("chance:Q", title=title))
    margins = (
        alt.Chart(alt.NamedData(POINTS))
        .transform_filter("datum.by == by && datum.model == model && isValid(datum.chance)")
        .mark_tick(thickness=2, width=22, color=INK, orient="horizontal", opacity=1)
        .encode(x=_depth_axis(points), y=alt.Y("chance:Q", title=title))
    )
    return curves_chart(points, title, title, y, about, choices, [guess, margins], told)


def match_chart(points: Sequence[Point]) -> dict[str, Any]:
    """Match over relative depth, by a choice of measures; of the chosen model its null distribution beneath."""
    title = "Match at the stage (median, quartiles)"
    chance = (
        alt.Chart(alt.NamedData(POINTS))
        .transform_filter("datum.measure == measure")
        .transform_filter("datum.model == model")
        .transform_filter("isValid(datum.null_low)")
    )
    x = _depth_axis(points)
    below = [
        chance.mark_rule(strokeWidth=14, color=PALE, opacity=1).encode(
            x=x, y=alt.Y("null_low:Q", title=title), y2="null_high:Q"
        ),
        chance.mark_tick(thickness=2, width=22, color=INK, orient="horizontal", opacity=1).encode(
            x=x, y=alt.Y("null_high:Q", title=title)
        ),
    ]
    about = "Match of metamers over the relative depth of their stage, a line a model; of one model also chance."
    choices = {"measure": TITLES["spearman_rho"], "model": EVERY}
    return curves_chart(points, "Median", title, alt.Y("value:Q", scale=alt.Scale(zero=False)), about, choices, below)


def brain_chart(points: Sequence[Point]) -> dict[str, Any]:
    """Prediction of voxels over relative depth."""
    about = "How well stages predict voxels, over their relative depth, a line a model."
    title = "Signed corrected R², median over voxels"
    return curves_chart(points, "Signed R²", title, alt.Y("value:Q"), about, {"model": EVERY})


def published_chart(points: Sequence[Point], relation: xr.Dataset, modality: str) -> dict[str, Any]:
    """People against other models, published stages and this run's predicted ones, with the relation between them."""
    known = relation.sel(modality=modality)
    fitted = published_relation(relation, modality)
    grid = np.linspace(float(known["model_mean"].min()), float(known["model_mean"].max()), 51)
    line, (low, high) = fitted.line(grid, fitted.chance), fitted.interval(grid, np.zeros(len(grid)), fitted.chance).T
    fit = alt.Chart(
        alt.InlineData(
            values=[
                dict(zip(("others", "line", "low", "high"), rounded(np.array(row)), strict=True))
                for row in zip(grid, line, low, high, strict=True)
            ]
        )
    )
    kinds = list(dict.fromkeys(point["kind"] for point in points if point["kind"] != PEOPLE_KIND))
    # A kind looks the same in every modality.
    every = list(dict.fromkeys(filter(None, map(str, relation["model_class"].values.ravel()))))
    domain = [*kinds, PEOPLE_KIND]
    colours = [*(KIND_COLOURS[every.index(kind) % len(KIND_COLOURS)] for kind in kinds), ORANGE]
    shapes = [*(SHAPES[every.index(kind) % len(SHAPES)] for kind in kinds), RING]
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    unit = alt.Scale(domain=[0, 1])
    x = alt.X("others:Q", title="Recognized by other models (mean)", axis=axis, scale=unit)
    title = "Recognized by people"
    y = alt.Y("value:Q", title=title, axis=axis, scale=unit)
    base = alt.Chart(alt.NamedData(POINTS))
    legend = alt.Legend(orient="bottom", columns=2, title=None, labelLimit=320)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=domain, range=colours), legend=legend)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=domain, range=shapes), legend=legend)
    told = [
        *TOLD,
        alt.Tooltip("kind:N", title="Kind"),
        alt.Tooltip("value:Q", title="People", format=".0%"),
        alt.Tooltip("others:Q", title="Other models", format=".0%"),
    ]
    chart = alt.layer(
        fit.mark_area(color=PALE, opacity=0.6).encode(x="others:Q", y=alt.Y("low:Q", title=title), y2="high:Q"),
        fit.mark_line(color=INK, strokeWidth=1.5).encode(x="others:Q", y=alt.Y("line:Q", title=title)),
        base.mark_point(size=60, filled=True, opacity=0.9).encode(x=x, y=y, color=colour, shape=shape),
        *_answering(base, x, y, told),
    ).add_params(CHOSEN)
    return _finished(chart, points, f"People against other models, {modality}: a point a stage of a model.", height=430)


def contrasts_chart(points: Sequence[Point]) -> dict[str, Any]:
    """Differences in recognizability over stages, of a choice of contrasts, with 95% intervals."""
    base = alt.Chart(alt.NamedData(POINTS)).transform_filter("datum.contrast == contrast")
    x = alt.X("stage:N", sort=alt.SortField("place"), title="Stage", axis=alt.Axis(labelAngle=-40, labelLimit=140))
    title = "Difference (percentage points)"
    y = alt.Y("value:Q", title=title)
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=INK).encode(y=alt.Y("zero:Q", title=title))
    told = [
        *TOLD,
        alt.Tooltip("contrast:N", title="Contrast"),
        alt.Tooltip("value:Q", title="Points", format="+.1f"),
        alt.Tooltip("n:Q", title="Stimuli"),
    ]
    chart = alt.layer(
        zero,
        base.mark_rule(strokeWidth=2.5, color=BLUE).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q"),
        base.mark_point(size=80, filled=True, color=BLUE, opacity=1).encode(x=x, y=y),
        *_answering(base, x, y, told),
    ).add_params(CHOSEN, _choice("contrast", points[0]["contrast"] if points else ""))
    return _finished(chart, points, "Differences in recognizability between two models, stage by stage.")


def metamers_chart() -> dict[str, Any]:
    """Every metamer of one model by stage and match, without data: the page fills in ``points`` and ``null``."""
    base, chance = alt.Chart(alt.NamedData(POINTS)), alt.Chart(alt.NamedData("null"))
    x = alt.X("stage:N", sort=alt.SortField("place"), title="Stage", axis=alt.Axis(labelAngle=-40, labelLimit=140))
    title = "Match at the stage"
    y = alt.Y("value:Q", title=title, scale=alt.Scale(zero=False))
    verdict = alt.Scale(domain=["accepted", "poor match", "category lost"], range=["circle", "triangle-down", "square"])
    colour = alt.Scale(domain=verdict.domain, range=[BLUE, KIND_COLOURS[1], KIND_COLOURS[4]])
    legend = alt.Legend(orient="bottom", title=None)
    told = [
        alt.Tooltip("stage:N", title="Stage"),
        alt.Tooltip("stimulus:N", title="Stimulus"),
        alt.Tooltip("value:Q", title="Match", format=".3~g"),
        alt.Tooltip("verdict:N", title="Verdict"),
    ]
    spread = alt.XOffset("spread:Q", scale=alt.Scale(domain=[-0.5, 1]))
    chart = alt.layer(
        chance.mark_rule(strokeWidth=10, color=PALE).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q"),
        chance.mark_tick(thickness=2, width=20, color=INK, orient="horizontal").encode(
            x=x, y=alt.Y("high:Q", title=title)
        ),
        base.mark_point(size=50, filled=True, opacity=0.8).encode(
            x=x,
            y=y,
            xOffset=spread,
            color=alt.Color("verdict:N", scale=colour, legend=legend),
            shape=alt.Shape("verdict:N", scale=verdict, legend=legend),
        ),
        *(layer.encode(xOffset=spread) for layer in _answering(base, x, y, told)),
    ).add_params(CHOSEN)
    about = "Match of every metamer of one model, by stage, beside the null distribution."
    specification = _finished(chart, [], about)
    return specification | {"datasets": specification["datasets"] | {"null": []}}
