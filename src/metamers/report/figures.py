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
from metamers.report.tables import with_ends
from metamers.run import files

INK, SLATE, FAINT, GREY, PALE = "#1f2328", "#4c535c", "#6e7681", "#9aa2ab", "#d0d4da"
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
    """Recognizability of published models' metamers by participants, over the position of the stage.

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
        (2, position): positions that every model covers, and the mean over models, linearly interpolated.
    """
    points = relation.sel(modality=modality)
    points = points.isel(point=points["human_mean"].notnull().values)
    human = pd.Series(points["human_mean"].values).groupby(points["generation_model"].values, sort=False)
    curves = [(np.arange(1, len(curve) + 1) / len(curve), curve.to_numpy()) for _, curve in human]
    position = np.linspace(max(positions[0] for positions, _ in curves), 1, 50)
    return curves, np.stack([position, np.mean([np.interp(position, *curve) for curve in curves], axis=0)])


def errors_by_step(loss: np.ndarray, normalized_error: np.ndarray) -> np.ndarray:
    """Return the normalized error after 0, 1, … steps: the loss before each step, then the metamer's error.

    Parameters
    ----------
    loss
        (metamer, step); NaN after the last step of a metamer.
    normalized_error
        Of the finished metamers, (metamer,).

    Returns
    -------
    numpy.ndarray
        (metamer, number of steps taken); NaN after the last step of a metamer.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.report.figures import errors_by_step
    >>> errors_by_step(np.array([[1.0, 0.5], [0.9, np.nan]]), np.array([0.2, 0.1]))
    array([[1. , 0.5, 0.2],
           [0.9, 0.1, nan]])
    """
    errors = np.pad(loss, ((0, 0), (0, 1)), constant_values=np.nan)
    errors[np.arange(len(loss)), np.isfinite(loss).sum(axis=1)] = normalized_error
    return errors


@styled
def loss_figure(errors: Mapping[str, np.ndarray], colour: str) -> Figure:
    """Normalized error over the steps of synthesis, one panel per stage: median and range over metamers.

    A metamer that ended in fewer steps than others, because it had reached its target, keeps its last error.

    Parameters
    ----------
    errors
        Stage → result of ``errors_by_step``.
    colour
        Colour of the model.
    """
    columns = min(5, len(errors))
    rows = -(-len(errors) // columns)
    figure = Figure(figsize=(10, 0.9 + 2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (stage, of_stage) in zip(grid, errors.items(), strict=False):
        taken = np.isfinite(of_stage).sum(axis=1) - 1
        steps = np.unique(np.linspace(0, taken.max(), min(LOSS_POINTS, taken.max() + 1)).astype(int))
        shown = np.take_along_axis(of_stage, np.minimum(steps, taken[:, None]), axis=1)
        axes.fill_between(
            steps, np.nanmin(shown, axis=0), np.nanmax(shown, axis=0), color=colour, alpha=0.3, linewidth=0
        )
        median = np.nanmedian(shown, axis=0)
        axes.plot(steps, median, color=colour, linewidth=1.8)
        axes.set_title(stage, fontsize=10)
        axes.text(1, 0.97, f"last {median[-1]:.2g}", transform=axes.transAxes, ha="right", va="top", fontsize=9)
        axes.set_yscale("log")
        axes.grid(axis="y", color=PALE, linewidth=0.6)
    for axes in grid[len(errors) :]:
        axes.set_visible(False)
    for axes in grid[max(len(errors) - columns, 0) : len(errors)]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("Steps of the synthesis", fontsize=10.5)
    figure.supylabel("Normalized error (logarithmic axis)", fontsize=10.5)
    return figure


def correlation_lines(relation: xr.Dataset, modality: str) -> list[str]:
    """Correlations of participants with other models, and the noise ceiling, as two lines of text."""
    found = [f"{NAMES[name]} {with_ends(relation.sel(modality=modality), name)}" for name in CORRELATIONS]
    ceiling = f"noise ceiling of R² {float(relation['noise_ceiling_r2'].sel(modality=modality)):.3f}"
    return [f"{found[0]},  {ceiling}", ",  ".join(found[1:])]
