"""Charts: Vega-Lite specifications for pages, and vector files, from tables of points.

On a page a chart responds to a pointer, to touch and to keys. Every point has a description in words, which screen
readers announce instead of the numbers of the marks, and, if the run has its metamers, a link to them.
``site/charts.js`` draws the charts and sets their parameters: ``chosen``, the marked point, and one for each selection
beside the chart. One function draws a result that has both a chart and a vector file; ``vector`` writes the file. All
other figures are in ``metamers.report.figures`` and the modules of their analyses.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import matplotlib
import numpy as np
import vl_convert
import xarray as xr

from metamers.compare.predicted_human import published_relation
from metamers.report.browser import VERDICTS, rounded
from metamers.report.figures import BLUE, FAINT, GREY, INK, KIND_COLOURS, PALE, RED, correlation_lines
from metamers.report.looks import Looks, scale_ranges
from metamers.report.points import NATURAL_POSITION, OTHERS, TITLES, Point, predicted_kind

POINTS = "points"  # name of the data that keys step through
EVERY = "all"
LEGEND_MODELS = 8  # more models are distinguished only by tooltip and selection
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-left", "triangle-right")
HIT_SIZE = 500  # area around a point that responds to touch, in square pixels
LEGEND_MARK, LEGEND_LETTER = 30, 6.5  # width of a mark with its margins, and of a letter, in pixels
LEGEND_LIMIT = 320  # largest width of a name
HEIGHT = 340
BY_OTHERS, BY_PARTICIPANTS = "Proportion correct of other models (mean)", "Proportion correct of participants"
DIFFERENCE = "Difference (percentage points)"
PAGE_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
VECTOR_FONT = "DejaVu Sans"  # part of matplotlib, so that labels have the same size on every machine
CHOSEN = alt.param(name="chosen", value=-1)
POINT_TOOLTIPS = (alt.Tooltip("model:N", title="Model"), alt.Tooltip("stage:N", title="Stage"))


def _choice(name: str, value: str) -> alt.Parameter:
    return alt.param(name=name, value=value)


def _legend(names: Sequence[str], most_columns: int, **settings: Any) -> alt.Legend:
    """A legend below the chart, with as many columns as fit the chart's width."""
    column = LEGEND_MARK + LEGEND_LETTER * max(map(len, names), default=0)
    columns = alt.expr(f"clamp(floor(width / {column}), 1, {most_columns})")
    limit = alt.expr(f"min({LEGEND_LIMIT}, width - {LEGEND_MARK})")  # a longer name ends in an ellipsis
    return alt.Legend(orient="bottom", columns=columns, title=None, labelLimit=limit, **settings)


def _model_encodings(names: Sequence[str], looks: Looks, chosen: str) -> dict[str, Any]:
    """Colour and shape per model; paler if another model is selected."""
    legend = _legend(names, 3) if len(names) <= LEGEND_MODELS else None
    colours, shapes = scale_ranges(looks, names)
    test = f"{chosen} == '{EVERY}' || datum.model == {chosen}"
    return {
        "color": alt.Color("model:N", scale=alt.Scale(domain=list(names), range=colours), legend=legend),
        "shape": alt.Shape("model:N", scale=alt.Scale(domain=list(names), range=shapes), legend=legend),
        "opacity": alt.condition(test, alt.value(1), alt.value(0.12)),
    }


def _start_note(scale: str = "y") -> alt.Chart:
    """A note at the lower end of the vertical axis, whose scale has this name, where it does not start at 0."""
    words = f"domain('{scale}')[0] > 0 ? '≈ axis starts at ' + format(domain('{scale}')[0], '.3~g') + ', not at 0' : ''"
    note = alt.Chart(alt.InlineData(values=[{}])).mark_text(
        text=alt.expr(words), align="left", baseline="bottom", dx=4, dy=-3, color=INK, fontStyle="italic"
    )
    return note.encode(x=alt.value(0), y=alt.value("height"))


def _interactive(base: alt.Chart, x: Any, y: Any, tooltip: Sequence[alt.Tooltip]) -> list[alt.Chart]:
    """Layers above all points: a ring around the selected point, and areas that respond to a pointer or touch."""
    ring = base.transform_filter("datum.id == chosen").mark_point(
        size=260, strokeWidth=3, color=INK, filled=False, aria=False
    )
    hit = base.mark_point(size=HIT_SIZE, opacity=0, filled=True, cursor="pointer", shape="circle", aria=False)
    return [
        ring.encode(x=x, y=y),
        hit.encode(x=x, y=y, tooltip=list(tooltip)),
    ]


def _finished(chart: alt.LayerChart, points: Sequence[Point], description: str, height: int = HEIGHT) -> dict[str, Any]:
    """A chart for a page, with its points, in the width of its container and the font of the page."""
    # `resize`: the height follows the rows of the legend, whose columns depend on the width.
    size = alt.AutoSizeParams(type="fit-x", contains="padding", resize=True)
    chart = chart.properties(width="container", height=height, autosize=size, description=description)
    return _with_points(_configured(chart, PAGE_FONT), points)


def _configured(chart: alt.TopLevelMixin, font: str) -> alt.TopLevelMixin:
    """A chart in the report's style."""
    return (
        chart.properties(background="white")
        .configure(font=font)
        .configure_view(stroke=None)
        .configure_title(anchor="start", fontSize=12.5, fontWeight="normal", color=INK, subtitleColor=INK)
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
    )


def _with_points(chart: alt.TopLevelMixin, points: Sequence[Point]) -> dict[str, Any]:
    specification = chart.to_dict()
    numbered = [{"id": number} | point for number, point in enumerate(points)]
    return specification | {"datasets": specification.get("datasets", {}) | {POINTS: numbered}}


def vector(chart: alt.TopLevelMixin, points: Sequence[Point]) -> bytes:
    """A chart with its points as reproducible SVG bytes; text stays text, in ``VECTOR_FONT``."""
    vl_convert.register_font_directory(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf"))
    return vl_convert.vegalite_to_svg(_with_points(_configured(chart, VECTOR_FONT), points)).encode()


def _position_axis(points: Sequence[Point]) -> alt.X:
    first = min([0, *(point["position"] for point in points)])
    label = f"datum.value == {NATURAL_POSITION} ? 'natural' : format(datum.value, '.2~f')"
    axis = alt.Axis(values=sorted({first, 0, 0.25, 0.5, 0.75, 1}), labelExpr=label, grid=False)
    title = "Position of the stage (0 first, 1 last)"
    return alt.X("position:Q", title=title, axis=axis, scale=alt.Scale(domain=[first - 0.05, 1.05], nice=False))


def curve_layers(
    base: alt.Chart, x: alt.X, y: alt.Y, encodings: Mapping[str, Any], stroke: Mapping[str, Any]
) -> tuple[alt.Chart, alt.Chart, alt.Chart]:
    """Values with intervals: bars from ``low`` to ``high``, a line for each ``part``, and open marks.

    ``encodings`` has ``shape``, which only marks have; ``stroke`` is the look of the line.
    """
    of_lines = {channel: encoding for channel, encoding in encodings.items() if channel != "shape"}
    ends = alt.Y("low:Q", title=y["title"])
    return (
        base.mark_rule(strokeWidth=1.5, aria=False).encode(x=x, y=ends, y2="high:Q", **of_lines),
        base.mark_line(aria=False, **stroke).encode(x=x, y=y, order=x["shorthand"], detail="part:N", **of_lines),
        base.mark_point(size=80, filled=False, strokeWidth=2).encode(x=x, y=y, **encodings),
    )


def curves_chart(
    points: Sequence[Point],
    of: str,
    title: str,
    y: alt.Y,
    description: str,
    choices: Mapping[str, str],
    looks: Looks,
    below: Sequence[alt.Chart] = (),
    tooltip: Sequence[alt.Tooltip] = (),
) -> dict[str, Any]:
    """Values over the position of the stage, one line per model, interrupted at missing stages, with intervals as bars.

    Parameters
    ----------
    points
        Points with ``model``, ``stage``, ``position``, ``part``, ``value``, ``low``, ``high``, ``link``, ``words``.
    of
        Name of the values in tooltips.
    title, y
        Title of the vertical axis, and its encoding without title.
    description
        Text alternative of the chart.
    choices
        Field of the points that a control beside the chart selects by → initial value. ``model`` makes other models
        paler; all other fields hide points.
    looks
        Look of each model.
    below
        Layers beneath the points.
    tooltip
        Additional tooltips.
    """
    base = alt.Chart(alt.NamedData(POINTS))
    for field in choices:
        if field != "model":
            base = base.transform_filter(f"datum.{field} == {field}")
    y = y.title(title)
    x, names = _position_axis(points), list(dict.fromkeys(point["model"] for point in points))
    tooltips = [*POINT_TOOLTIPS, alt.Tooltip("value:Q", title=of, format=".3~g"), *tooltip]
    bars, line, marks = curve_layers(base, x, y, _model_encodings(names, looks, "model"), {"strokeWidth": 2})
    marks = marks.encode(description=alt.Description("words:N"))
    layers = [*below, bars, line, marks, *_interactive(base, x, y, tooltips)]
    chart = alt.layer(*layers).add_params(CHOSEN, *(_choice(name, value) for name, value in choices.items()))
    return _finished(chart, points, description)


def recognizability_chart(points: Sequence[Point], modality: str, chance: float, looks: Looks) -> dict[str, Any]:
    """Recognizability over the position of the stage, by one observer; for a selected model also the chance level.

    ``chance``, a dotted line, is one over the number of categories: the chance of an observer that gives all answers
    equally often.
    """
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    y = alt.Y("value:Q", axis=axis, scale=alt.Scale(domain=[0, 1]))
    guess = alt.Chart(alt.InlineData(values=[{"chance": chance}])).mark_rule(strokeDash=[2, 3], color=INK)
    about = f"Recognizability of metamers over the position of their stage, {modality}, one line per model."
    tooltips = (alt.Tooltip("n:Q", title="Stimuli"), alt.Tooltip("by_chance:N", title="Correct by chance"))
    choices = {"by": OTHERS, "model": EVERY}
    title = "Proportion correct"
    guess = guess.encode(y=alt.Y("chance:Q", title=title))
    margins = (
        alt.Chart(alt.NamedData(POINTS))
        .transform_filter("datum.by == by && datum.model == model && isValid(datum.chance)")
        .mark_tick(thickness=2, width=22, color=INK, orient="horizontal", opacity=1)
        .encode(x=_position_axis(points), y=alt.Y("chance:Q", title=title))
    )
    return curves_chart(points, title, title, y, about, choices, looks, [guess, margins], tooltips)


def match_chart(points: Sequence[Point], looks: Looks) -> dict[str, Any]:
    """Match over the position of the stage for a selected measure; for a selected model also its null distribution."""
    title = "Match at the stage (median, quartiles)"
    chance = (
        alt.Chart(alt.NamedData(POINTS))
        .transform_filter("datum.measure == measure")
        .transform_filter("datum.model == model")
        .transform_filter("isValid(datum.null_low)")
    )
    x = _position_axis(points)
    below = [
        chance.mark_rule(strokeWidth=14, color=PALE, opacity=1).encode(
            x=x, y=alt.Y("null_low:Q", title=title), y2="null_high:Q"
        ),
        chance.mark_tick(thickness=2, width=22, color=INK, orient="horizontal", opacity=1).encode(
            x=x, y=alt.Y("null_high:Q", title=title)
        ),
        _start_note(),
    ]
    about = "Match of metamers over the position of their stage, one line per model, and one null distribution."
    choices = {"measure": TITLES["spearman_rho"], "model": EVERY}
    y = alt.Y("value:Q", scale=alt.Scale(zero=False))
    return curves_chart(points, "Median", title, y, about, choices, looks, below)


def _axes_of_published() -> tuple[alt.X, alt.Y]:
    axis, unit = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]), alt.Scale(domain=[0, 1])
    x = alt.X("others:Q", title=BY_OTHERS, axis=axis, scale=unit)
    return x, alt.Y("value:Q", title=BY_PARTICIPANTS, axis=axis, scale=unit)


def _published_layers(points: Sequence[Point], relation: xr.Dataset, modality: str, looks: Looks) -> list[alt.Chart]:
    """The published relation with its 95% interval, and points with their standard errors or intervals.

    Published models have filled marks of their kind; models of this run have their own open marks.
    """
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
    own = {predicted_kind(point["model"]): point["model"] for point in points if point["of_run"]}
    kinds = list(dict.fromkeys(point["kind"] for point in points if not point["of_run"]))
    # A kind has the same colour and shape in every modality.
    every = list(dict.fromkeys(filter(None, map(str, relation["model_class"].values.ravel()))))
    own_colours, own_shapes = scale_ranges(looks, list(own.values()))
    colours = [KIND_COLOURS[every.index(kind) % len(KIND_COLOURS)] for kind in kinds] + own_colours
    shapes = [SHAPES[every.index(kind) % len(SHAPES)] for kind in kinds] + own_shapes
    domain, named = [*kinds, *own], [*kinds, *(own if len(own) <= LEGEND_MODELS else ())]
    x, y = _axes_of_published()
    base = alt.Chart(alt.NamedData(POINTS))
    legend = _legend(named, 2, symbolOpacity=1, values=named)
    colour = alt.Color("kind:N", scale=alt.Scale(domain=domain, range=colours), legend=legend)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=domain, range=shapes), legend=legend)
    error = base.mark_rule(strokeWidth=0.7, opacity=0.6, aria=False)
    described = alt.Description("words:N")
    return [
        fit.mark_area(color=PALE, opacity=0.6, aria=False).encode(
            x="others:Q", y=alt.Y("low:Q", title=BY_PARTICIPANTS), y2="high:Q"
        ),
        fit.mark_line(color=INK, strokeWidth=1.5, aria=False).encode(
            x="others:Q", y=alt.Y("line:Q", title=BY_PARTICIPANTS)
        ),
        error.encode(x=x, y=alt.Y("low:Q", title=BY_PARTICIPANTS), y2="high:Q", color=colour),
        error.encode(x=alt.X("others_low:Q", title=BY_OTHERS), x2="others_high:Q", y=y, color=colour),
        base.transform_filter("!datum.of_run")
        .mark_point(size=60, filled=True, opacity=0.9)
        .encode(x=x, y=y, color=colour, shape=shape, description=described),
        base.transform_filter("datum.of_run")
        .mark_point(size=110, filled=False, strokeWidth=2.2, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape, description=described),
    ]


def published_chart(points: Sequence[Point], relation: xr.Dataset, modality: str, looks: Looks) -> dict[str, Any]:
    """Proportion correct of participants against other models, published and predicted, with the published relation."""
    tooltips = [
        *POINT_TOOLTIPS,
        alt.Tooltip("kind:N", title="Kind"),
        alt.Tooltip("value:Q", title="Participants", format=".0%"),
        alt.Tooltip("others:Q", title="Other models", format=".0%"),
    ]
    interactive = _interactive(alt.Chart(alt.NamedData(POINTS)), *_axes_of_published(), tooltips)
    chart = alt.layer(*_published_layers(points, relation, modality, looks), *interactive).add_params(CHOSEN)
    return _finished(
        chart, points, f"Participants against other models, {modality}: one point per stage of a model.", height=430
    )


def published_figure(points: Sequence[Point], relation: xr.Dataset, modality: str) -> bytes:
    """``published_chart`` of the published models as SVG, with the published correlations above it."""
    chart = alt.layer(*_published_layers(points, relation, modality, {}))
    return vector(chart.properties(width=460, height=460, title=correlation_lines(relation, modality)), points)


def _contrast_axes() -> tuple[alt.X, alt.Y]:
    axis = alt.Axis(labelAngle=-40, labelLimit=180)
    x = alt.X("at:N", sort=alt.SortField("place"), title="Stage (n: stimuli with accepted metamers of both)", axis=axis)
    return x, alt.Y("value:Q", title=DIFFERENCE)


def _contrast_layers(base: alt.Chart) -> list[alt.Chart]:
    """Differences of one contrast with 95% intervals; hollow if the interval includes 0 or is missing."""
    x, y = _contrast_axes()
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(color=INK)
    fill = alt.condition("datum.clear", alt.value(BLUE), alt.value("white"))
    return [
        zero.encode(y=alt.Y("zero:Q", title=DIFFERENCE)),
        base.mark_rule(strokeWidth=2.5, color=BLUE, aria=False).encode(
            x=x, y=alt.Y("low:Q", title=DIFFERENCE), y2="high:Q"
        ),
        base.mark_point(size=80, stroke=BLUE, opacity=1).encode(
            x=x, y=y, fill=fill, description=alt.Description("words:N")
        ),
        base.transform_filter("!isValid(datum.value)")
        .mark_text(text="no metamers", color=FAINT, baseline="bottom", dy=-3)
        .encode(x=x, y=alt.YDatum(0)),
    ]


def contrasts_figure(points: Sequence[Point]) -> bytes:
    """Differences in recognizability over stages as SVG, one panel per contrast."""
    panels = [
        alt.layer(
            *_contrast_layers(alt.Chart(alt.NamedData(POINTS)).transform_filter(alt.datum.contrast == contrast))
        ).properties(width=680, height=190, title=contrast)
        for contrast in dict.fromkeys(point["contrast"] for point in points)
    ]
    return vector(alt.vconcat(*panels).resolve_scale(x="independent", y="shared"), points)


def contrasts_chart(points: Sequence[Point]) -> dict[str, Any]:
    """Differences in recognizability over stages for a selected contrast, with 95% intervals."""
    base = alt.Chart(alt.NamedData(POINTS)).transform_filter("datum.contrast == contrast")
    tooltips = [
        *POINT_TOOLTIPS,
        alt.Tooltip("contrast:N", title="Contrast"),
        alt.Tooltip("value:Q", title="Points", format="+.1f"),
        alt.Tooltip("n:Q", title="Stimuli"),
    ]
    chart = alt.layer(*_contrast_layers(base), *_interactive(base, *_contrast_axes(), tooltips))
    chart = chart.add_params(CHOSEN, _choice("contrast", points[0]["contrast"] if points else ""))
    return _finished(chart, points, "Differences in recognizability between two models, stage by stage.")


SPREAD = alt.XOffset("spread:Q", scale=alt.Scale(domain=[-0.5, 1]))  # metamers of one stage beside each other
MATCH = alt.Y("value:Q", title="Match at the stage", scale=alt.Scale(zero=False))


def match_layers(base: alt.Chart, null: alt.Chart, x: alt.X, scale: str = "y") -> list[alt.Chart]:
    """Match of metamers, a mark each, above the null distribution of their stage.

    ``null`` has the range, the central 90% and the largest value of each null distribution. ``scale`` is Vega's name of
    the vertical scale.
    """
    words = list(VERDICTS.values())
    shape = alt.Scale(domain=words, range=["circle", "triangle-down", "square", "cross"])
    colour, legend = alt.Scale(domain=words, range=[INK, RED, RED, RED]), _legend(words, 4)
    title = MATCH["title"]
    whole, middle = alt.Y("low:Q", title=title), alt.Y("low_90:Q", title=title)
    largest = alt.Y("high:Q", title=title)
    return [
        null.mark_rule(strokeWidth=10, color=PALE).encode(x=x, y=whole, y2="high:Q"),
        null.mark_rule(strokeWidth=10, color=GREY).encode(x=x, y=middle, y2="high_90:Q"),
        null.mark_tick(thickness=2, width=20, color=INK, orient="horizontal").encode(x=x, y=largest),
        _start_note(scale),
        base.mark_point(size=50, filled=False, strokeWidth=1.5, opacity=0.9).encode(
            x=x,
            y=MATCH,
            xOffset=SPREAD,
            color=alt.Color("verdict:N", scale=colour, legend=legend),
            shape=alt.Shape("verdict:N", scale=shape, legend=legend),
        ),
    ]


def metamers_chart() -> dict[str, Any]:
    """All metamers of one model by stage and match, without data: the page adds ``points`` and ``null``."""
    base = alt.Chart(alt.NamedData(POINTS))
    x = alt.X("stage:N", sort=alt.SortField("place"), title="Stage", axis=alt.Axis(labelAngle=-40, labelLimit=140))
    tooltips = [
        alt.Tooltip("stage:N", title="Stage"),
        alt.Tooltip("stimulus:N", title="Stimulus"),
        alt.Tooltip("value:Q", title="Match", format=".3~g"),
        alt.Tooltip("verdict:N", title="Verdict"),
    ]
    layers = match_layers(base, alt.Chart(alt.NamedData("null")), x)
    layers[-1] = layers[-1].encode(description=alt.Description("words:N"))
    above = [layer.encode(xOffset=SPREAD) for layer in _interactive(base, x, MATCH, tooltips)]
    chart = alt.layer(*layers, *above).add_params(CHOSEN)
    about = "Match of every metamer of one model, by stage, with the null distribution."
    specification = _finished(chart, [], about)
    return specification | {"datasets": specification["datasets"] | {"null": []}}
