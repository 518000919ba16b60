"""Figures of the report: matplotlib figures from Datasets, and reproducible SVG bytes from figures.

Figures are readable without colour: series differ by marker, fill, line or position as well. Models have the looks of
``metamers.report.looks`` in every figure. ``metamers.report.pages`` combines figures and text on a page.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metamers.compare.humans_vs_models import CORRELATIONS
from metamers.humans.participants import OBSERVERS, PUBLISHED_STIMULI, own_stages
from metamers.humans.published import PUBLISHED
from metamers.match import NULL_MEASURES
from metamers.names import INPUT_STAGE, NATURAL
from metamers.report.looks import Looks
from metamers.run import files

INK, SLATE, FAINT, PALE = "#1f2328", "#4c535c", "#6e7681", "#d0d4da"
BLUE, SKY, ORANGE, GREEN, PURPLE = "#0060a8", "#4fa3d9", "#c4480a", "#00785a", "#9c4f96"
RED = "#a32b00"  # rejected

STYLE = {
    "font.family": "DejaVu Sans",  # part of matplotlib, so that a figure is the same on every machine
    "font.size": 10.5,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.markersize": 6,
    "legend.frameon": False,
    "svg.fonttype": "path",
    "svg.hashsalt": "metamers",
}
styled = matplotlib.rc_context(STYLE)

KIND_MARKERS = "osD^vPX*<>"
KIND_COLOURS = (INK, ORANGE, BLUE, GREEN, PURPLE, "#8a6d00", SKY, "#b0003a", FAINT, "#5a3d99")
PUBLISHED_LINES = ("-.", (0, (1, 1)))  # line styles of curves over relative depth
LOSS_POINTS = 120  # largest number of points of a loss curve; more would not be visible
NAMES = {"pearson_r2": "R²", "spearman_rho": "ρ", "kendall_tau": "τ"}


@styled
def svg(figure: Figure) -> bytes:
    """A figure as SVG: outlined text, which needs no font, and no date, so that the bytes are reproducible."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def write_figures(parts: Sequence[dict[str, Any]], page: Path, prefix: str = "") -> None:
    """Write the figures of a page's sections beside the page, and put their names into the sections.

    Parameters
    ----------
    parts
        Sections with ``identifier`` and ``figure``, a matplotlib figure, which becomes the name of its file.
    page
        File of the page; the figures are ``figures/<prefix><identifier>.svg`` in its folder.
    prefix
        Beginning of the names.
    """
    for part in parts:
        name = f"{prefix}{part['identifier']}"
        files.write(page.parent / "figures" / f"{name}.svg", svg(part["figure"]))
        part["figure"] = name


def mark_start(axes: Axes) -> None:
    """Break the vertical axis visibly at its lower end if it does not start at 0."""
    low = axes.get_ylim()[0]
    if low <= 0:
        return
    words = {"transform": axes.transAxes, "va": "center", "zorder": 9}
    axes.text(0, 0.05, "≈", ha="center", fontsize=15, backgroundcolor="white", **words)
    axes.text(0.03, 0.05, f"axis starts at {low:.3g}", fontsize=8.5, style="italic", **words)


def published_curves(relation: xr.Dataset, modality: str) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Recognizability of published models' metamers by people, over relative depth 0 (input) to 1 (last stage).

    Parameters
    ----------
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``.
    modality
        ``vision`` or ``audio``.

    Returns
    -------
    curves
        Depth (stage,) and human mean (stage,) of each model.
    mean
        (2, depth): depths that every model covers, and the mean over models, linearly interpolated.
    """
    points = relation.sel(modality=modality)
    points = points.isel(point=points["human_mean"].notnull().values)
    human = pd.Series(points["human_mean"].values).groupby(points["generation_model"].values, sort=False)
    curves = [(np.arange(1, len(curve) + 1) / len(curve), curve.to_numpy()) for _, curve in human]
    depth = np.linspace(max(depths[0] for depths, _ in curves), 1, 50)
    return curves, np.stack([depth, np.mean([np.interp(depth, *curve) for curve in curves], axis=0)])


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


def _at_depth(depth: np.ndarray, stages: Sequence[str]) -> np.ndarray:
    """Position of a relative depth on the axis of stages: 0 is the input (or natural stimuli), 1 the last stage."""
    first = stages.index(INPUT_STAGE) if INPUT_STAGE in stages else 0
    return first + depth * (len(stages) - 1 - first)


def _draw_published_participants(
    axes: Axes, stages: Sequence[str], groups: pd.DataFrame, modality: str, published_as: str | None
) -> None:
    """Published human curves: the same architecture over stages, other models over relative depth."""
    names = dict.fromkeys(filter(None, [published_as, *PUBLISHED[modality].reference_models]))
    x = {stage: place for place, stage in enumerate(stages)}
    lines = iter(PUBLISHED_LINES)
    for name in names:
        people = published_recognizability(groups, name)
        if people.empty:
            continue
        same = published_as is not None and published_as.split(" (")[0] == name.split(" (")[0]
        if same:
            people = people[people.index.isin(stages)]
            places, how = [x[stage] for stage in people.index], ""
        else:
            depth = np.arange(1, len(people)) / (len(people) - 1)
            places, how = [x[NATURAL], *_at_depth(depth, stages)], ", over relative depth"
        of_what = f"in full size, {PUBLISHED_STIMULI} {PUBLISHED[modality].stimuli} (n = {people['n'].max()})"
        label = f"people: {name}{how},\n{of_what}"
        style = {"color": SLATE, "linewidth": 1.5, "linestyle": "-" if same else next(lines), "zorder": 2}
        if same:
            style |= {"marker": "P" if name == published_as else "X", "markersize": 6, "markerfacecolor": "white"}
        axes.plot(places, people["mean"], **style, label=label)


def _stage_axis(axes: Axes, stages: Sequence[str], below: Sequence[str]) -> None:
    """Stages in processing order along x, with a text below each."""
    labels = [f"{stage}\n{word}" for stage, word in zip(stages, below, strict=True)]
    axes.set_xticks(range(len(stages)), labels, fontsize=9)
    axes.set_xlim(-0.5, len(stages) - 0.5)
    axes.tick_params(axis="x", length=0)


@styled
def recognizability_figure(
    generation_model: str,
    recognizable: xr.Dataset,
    predicted: xr.Dataset,
    relation: xr.Dataset,
    groups: pd.DataFrame,
    modality: str,
    chance: float,
    looks: Looks,
    published_as: str | None = None,
) -> Figure:
    """Recognizability of one model's metamers over stages: by itself, by other models, and predicted for people.

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
    chance
        One over the number of categories.
    looks
        Look of each model of the run.
    published_as
        Name in the paper of the published version of this model, whose human curve is drawn by stage.
    """
    own = recognizable.sel(generation_model=generation_model)
    stages = own_stages(recognizable, generation_model)
    judges = {
        str(name): own["recognition_family"].sel(recognition_model=name) == own["generation_family"]
        for name in own["recognition_model"].values
        if name != generation_model and own["proportion_correct"].sel(recognition_model=name).notnull().any()
    }
    figure = Figure(
        figsize=(10, 5.4 + (0.7 if published_as or PUBLISHED[modality].reference_models else 0)), layout="constrained"
    )
    axes = figure.add_subplot()
    x = np.arange(len(stages))
    _stage_axis(axes, stages, [f"n = {n}" for n in own["n"].max("recognition_model").sel(stage=stages).values])

    curves, mean = published_curves(relation, modality)
    for number, (depth, human) in enumerate(curves):
        label = f"people: each of {len(curves)} published models, over relative depth" if number == 0 else None
        axes.plot(_at_depth(depth, stages), human, color=PALE, linewidth=0.8, zorder=1, label=label)
    axes.plot(
        _at_depth(mean[0], stages), mean[1], "--", color=FAINT, linewidth=1.8, zorder=2,
        label="mean of the published models",
    )  # fmt: skip
    axes.axhline(
        chance, color=INK, linewidth=0.9, linestyle=":", zorder=1, label=f"one over all categories ({chance:.2g})"
    )
    by_chance = own["other_models_chance"].sel(stage=stages).values
    if np.isfinite(by_chance).any():
        label = "chance, from the answers of the other models"
        axes.plot(x - 0.06, by_chance, color=INK, linestyle="none", marker="_", markersize=11, zorder=3, label=label)

    _draw_published_participants(axes, stages, groups, modality, published_as)
    compared_with = len(axes.get_legend_handles_labels()[0])

    def series(name: str) -> np.ndarray:
        return own["proportion_correct"].sel(recognition_model=name, stage=stages).values

    if generation_model in own["recognition_model"]:
        style = looks[generation_model].style | {"linewidth": 1.8, "markersize": 8, "zorder": 4}
        axes.plot(x - 0.18, series(generation_model), **style, label=f"{generation_model} itself")
    for name, sibling in judges.items():
        style = looks[name].style | {"linewidth": 0.8, "markersize": 5.5, "markeredgewidth": 1.1, "zorder": 3}
        axes.plot(x, series(name), **style, label=f"{name} (sibling)" if sibling else name)
    mean, low, high = (own[f"other_models{end}"].sel(stage=stages).values for end in ("", "_low", "_high"))
    if np.isfinite(mean).any():
        axes.errorbar(
            x - 0.06, mean, np.maximum([mean - low, high - mean], 0), color=BLUE, linewidth=2.6, marker="s", capsize=3,
            zorder=5, label="mean over families of other models, with 95% interval over stimuli",
        )  # fmt: skip
    metamers = [stage for stage in stages if stage != NATURAL]
    expected = predicted.sel(generation_model=generation_model).sel(stage=metamers)
    middle, low, high = (expected[name].values for name in ("predicted", "low", "high"))
    if np.isfinite(middle).any():
        axes.errorbar(
            x[1:] + 0.2, middle, [middle - low, high - middle], color=ORANGE, linestyle="none", marker="D", capsize=3,
            markerfacecolor="white", markeredgewidth=1.6, zorder=6,
            label="people: predicted, with 95% interval"
            + (", where there is a prediction" if (expected["reason"] != "").any() else ""),
        )  # fmt: skip
    axes.set(
        ylim=(-0.03, 1.05), ylabel="Proportion correct",
        xlabel="Stage that the metamers match (n: stimuli with an accepted metamer)",
    )  # fmt: skip
    handles, labels = axes.get_legend_handles_labels()
    order = [
        *range(compared_with, len(handles)),
        *range(compared_with),
    ]  # this run first, then the comparisons
    figure.legend(
        [handles[i] for i in order], [labels[i] for i in order], loc="outside lower center", ncols=2, fontsize=9
    )
    return figure


@styled
def null_figure(null: xr.Dataset, acceptance: xr.Dataset, colour: str) -> Figure:
    """Match of one model's metamers at each stage, and the null distribution; one panel per measure.

    Parameters
    ----------
    null
        (stage, pair) → each of ``NULL_MEASURES``; ``distinct_pairs``.
    acceptance
        (stage, stimulus, seed) → ``accepted``, ``category_preserved`` and the measures; (stage, measure) → ``largest``,
        ``decides``.
    colour
        Colour of the model.
    """
    stages = list(map(str, null["stage"].values))
    figure = Figure(figsize=(10, 11 / 3 * len(NULL_MEASURES)), layout="constrained")
    panels = figure.subplots(len(NULL_MEASURES), 1)
    for axes, (name, measure) in zip(panels, NULL_MEASURES.items(), strict=True):
        of_measure = acceptance.sel(measure=name, stage=stages)
        below = [f"{int(refused)} below" for refused in of_measure["refused"]]
        _stage_axis(axes, stages, below)
        _null_panel(axes, name, null, of_measure, colour)
        axes.set(ylabel=measure.label)
        if not of_measure["decides"].any():
            axes.set_title("does not decide", fontsize=9.5, loc="right")
    panels[-1].set_xlabel("Stage (metamers below the largest value of the null distribution)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9.5)
    return figure


def _null_panel(axes: Axes, measure: str, null: xr.Dataset, acceptance: xr.Dataset, colour: str) -> None:
    """Panel of one measure: null distributions to the left of each stage, metamers to the right."""
    stages = list(map(str, acceptance["stage"].values))
    found = [np.asarray(values, float).ravel() for values in (null[measure].sel(stage=stages), acceptance[measure])]
    finite = np.concatenate([values[np.isfinite(values)] for values in found] or [np.zeros(1)])
    ends = (min(finite.min(), 0), max(finite.max(), 1)) if len(finite) else (0, 1)
    bins = np.linspace(*ends, 51)
    kinds = {
        "accepted metamer": ("o", colour, lambda a: a["accepted"]),
        "rejected: this measure is below its largest null value": ("v", "white", lambda a: a[measure] < a["largest"]),
        "rejected: another measure is below its largest null value": (
            "o",
            "white",
            lambda a: ~a["above_null"] & (a[measure] >= a["largest"]),
        ),
        "rejected: another category than the natural stimulus": (
            *("s", "white"),
            lambda a: a["above_null"] & ~a["category_preserved"] & ~(a[measure] < a["largest"]),
        ),
    }
    if "converged" in acceptance:
        kinds["rejected: the target of the synthesis was not reached"] = (
            *("X", "white"),
            lambda a: a["above_null"] & a["category_preserved"] & ~a["accepted"] & ~(a[measure] < a["largest"]),
        )
    for x, stage in enumerate(stages):
        values = null[measure].sel(stage=stage).values
        density = np.histogram(values[np.isfinite(values)], bins)[0].astype(float)
        wide = np.repeat(0.42 * density / max(density.max(), 1), 2)
        edges = np.repeat(bins, 2)[1:-1]
        label = f"null distribution: {int(null['distinct_pairs'].max()):,} pairs of natural stimuli" if x == 0 else None
        axes.fill_betweenx(edges, x - wide, x, color="#b9bfc7", linewidth=0, label=label, zorder=2)
        of_stage = acceptance.sel(stage=stage)
        largest = float(of_stage["largest"])
        if np.isfinite(largest):
            label = "criterion: the largest value of the null distribution" if x == 0 else None
            axes.plot([x - 0.45, x + 0.45], [largest] * 2, "--", color=INK, linewidth=1.2, label=label, zorder=3)
        match = of_stage[measure].values.ravel()
        spread = x + 0.08 + 0.32 * (np.arange(len(match)) + 0.5) / max(len(match), 1)
        for name, (marker, fill, chosen) in kinds.items():
            which = chosen(of_stage).values.ravel() & np.isfinite(match)
            style = {
                "linestyle": "none",
                "marker": marker,
                "markeredgecolor": colour,
                "markerfacecolor": fill,
                "zorder": 4,
            }
            axes.plot(spread[which], match[which], **style, markersize=5.5, label=name if x == 0 else None)
    margin = 0.05 * (bins[-1] - bins[0])
    axes.set_ylim(bins[0] - margin, bins[-1] + margin)


@styled
def loss_figure(losses: Mapping[str, np.ndarray], colour: str) -> Figure:
    """Normalized error over the steps of synthesis, one panel per stage: median and range over metamers.

    A metamer that ended in fewer steps than others, because it had reached its target, keeps its last error.

    Parameters
    ----------
    losses
        Stage → (metamer, step); NaN after the last step of a metamer.
    colour
        Colour of the model.
    """
    columns = min(5, len(losses))
    rows = -(-len(losses) // columns)
    figure = Figure(figsize=(10, 0.9 + 2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (stage, loss) in zip(grid, losses.items(), strict=False):
        taken = np.maximum(np.isfinite(loss).sum(axis=1), 1)
        chosen = np.unique(np.linspace(0, taken.max() - 1, min(LOSS_POINTS, taken.max())).astype(int))
        steps, shown = chosen + 1, np.take_along_axis(loss, np.minimum(chosen, taken[:, None] - 1), axis=1)
        axes.fill_between(
            steps, np.nanmin(shown, axis=0), np.nanmax(shown, axis=0), color=colour, alpha=0.3, linewidth=0
        )
        median = np.nanmedian(shown, axis=0)
        axes.plot(steps, median, color=colour, linewidth=1.8)
        axes.set_title(stage, fontsize=10)
        axes.text(1, 0.97, f"last {median[-1]:.2g}", transform=axes.transAxes, ha="right", va="top", fontsize=9)
        axes.set_yscale("log")
        axes.grid(axis="y", color=PALE, linewidth=0.6)
    for axes in grid[len(losses) :]:
        axes.set_visible(False)
    for axes in grid[max(len(losses) - columns, 0) : len(losses)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("Step of the synthesis", fontsize=10.5)
    figure.supylabel("Normalized error (logarithmic axis)", fontsize=10.5)
    return figure


def with_interval(relation: xr.Dataset, modality: str, name: str) -> str:
    """Correlation of the published data with its 95% interval, as text."""
    value, low, high = (float(relation[name + end].sel(modality=modality)) for end in ("", "_low", "_high"))
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def correlations(relation: xr.Dataset, modality: str) -> list[str]:
    """Correlations of people with other models, and the noise ceiling, as two lines of text."""
    found = [f"{NAMES[name]} {with_interval(relation, modality, name)}" for name in CORRELATIONS]
    ceiling = f"noise ceiling of R² {float(relation['noise_ceiling_r2'].sel(modality=modality)):.3f}"
    return [f"{found[0]},  {ceiling}", ",  ".join(found[1:])]
