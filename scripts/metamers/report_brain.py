"""Brains in the report: prediction of voxels by stage, and which stages and brains agree about what is alike."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.report_figures import BLUE, FAINT, GREEN, INK, KIND_MARKERS, ORANGE, PALE, PURPLE, styled
from metamers.report_tables import Table, number

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, INK)
RHO_TICKS = (-1, -0.5, 0, 0.5, 1)
SIMULATED = "SIMULATED voxels, made from {}: no brain was measured"


def brain_table(found: Mapping[str, xr.Dataset]) -> Table:
    """How well each model's best stage, chosen on the other participants, predicts voxels.

    Parameters
    ----------
    found
        Model → what ``metamers.brain.regression`` gives.
    """
    rows = []
    for model, one in found.items():
        own = one["best_stage_r2"]
        names, times = np.unique(one["best_stage"].values.astype(str), return_counts=True)
        stages = ", ".join(f"{name} ({count})" for name, count in zip(names, times, strict=True))
        error = float(own.std("participant", ddof=1)) / np.sqrt(own.sizes["participant"])
        rows.append([model, stages, f"{number(float(own.mean()))} ± {number(error)}", str(own.sizes["participant"])])
    head = ["Model", "Best stage (times chosen)", "Corrected R² there ± SE", "Participants"]
    return {"head": head, "rows": rows}


def brain_context(found: Mapping[str, xr.Dataset]) -> Mapping[str, Any]:
    """What the page shows of brains: ``table``, and ``simulated``: what voxels were made from, empty if measured."""
    return {"table": brain_table(found), "simulated": next(iter(found.values())).attrs["simulated"]}


@styled
def brain_figure(found: Mapping[str, xr.Dataset]) -> Figure:
    """Variance of voxels' responses that each stage explains, a panel a model.

    Parameters
    ----------
    found
        Model → what ``metamers.brain.regression`` gives, with the attribute ``simulated``.
    """
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(10, 0.9 + 3.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, (model, one) in zip(grid, found.items(), strict=False):
        values = one["voxels_r2"].values
        x = np.arange(values.shape[1])
        axes.plot(x, values.T, color=PALE, linewidth=0.8, zorder=1)
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        axes.errorbar(x, values.mean(axis=0), error, color=BLUE, marker="o", linewidth=1.8, capsize=2, zorder=2)
        axes.set_xticks(x, one["stage"].values, rotation=50, ha="right", fontsize=9)
        axes.set_title(model, fontsize=10.5)
        axes.axhline(0, color=FAINT, linewidth=0.7)
    for axes in grid[len(found) :]:
        axes.set_visible(False)
    figure.supylabel("Corrected R², median over voxels", fontsize=10.5)
    if source := next(iter(found.values())).attrs["simulated"]:
        figure.suptitle(SIMULATED.format(source), fontsize=11, fontweight="bold", color=ORANGE)
    return figure


@styled
def similarity_figure(found: xr.Dataset) -> Figure:
    """Agreement of all stages of all models, a matrix; beside it that with brains, where there are any.

    Parameters
    ----------
    found
        What ``metamers.similarity.similarity`` gives, with the attribute ``simulated``.
    """
    models = found["representation_model"].values.astype(str)
    names = found["representation_stage"].values.astype(str)
    with_brain = "brain_spearman_rho" in found
    count = len(names)
    figure = Figure(figsize=(10, 9.6), layout="constrained")
    panels = figure.subplots(1, 2, width_ratios=[5, 1], sharey=True) if with_brain else [figure.subplots()]
    axes = panels[0]
    image = axes.imshow(found["spearman_rho"].values, cmap="cividis", vmin=-1, vmax=1, aspect="equal")
    figure.colorbar(
        image, ax=axes, location="bottom", shrink=0.5, label="Spearman ρ of dissimilarities", ticks=RHO_TICKS
    )
    borders = np.flatnonzero(models[1:] != models[:-1]) + 0.5
    for border in borders:
        axes.axhline(border, color="white", linewidth=1.5)
        axes.axvline(border, color="white", linewidth=1.5)
    axes.set_yticks(range(count), names, fontsize=8)
    axes.set_xticks(range(count), names, fontsize=8, rotation=90)
    edges = [-0.5, *borders, count - 0.5]
    for start, end in itertools.pairwise(edges):
        axes.text(
            (start + end) / 2, -1, models[int(start + 0.5)], fontsize=8.5, rotation=25, ha="left", va="bottom",
            fontweight="bold",
        )  # fmt: skip
    if with_brain:
        own, ceiling = found["brain_spearman_rho"].values, float(found["brain_agreement"].mean())
        beside = panels[1]
        error = own.std(axis=0, ddof=1) / np.sqrt(len(own))
        for place, model in enumerate(dict.fromkeys(models)):
            of_model = np.flatnonzero(models == model)
            beside.errorbar(
                own.mean(axis=0)[of_model], of_model, xerr=error[of_model], color=COLOURS[place % len(COLOURS)],
                marker=KIND_MARKERS[place % len(KIND_MARKERS)], markersize=5,
            )  # fmt: skip
        beside.axvline(ceiling, color=INK, linestyle="--", linewidth=1)
        beside.text(ceiling, -0.8, "others", ha="center", va="bottom", fontsize=8.5)
        beside.set(xlabel="ρ with simulated\nvoxels" if found.attrs["simulated"] else "ρ with voxels")
        beside.tick_params(axis="y", length=0)
    if source := found.attrs["simulated"]:
        figure.suptitle(SIMULATED.format(source), fontsize=11, fontweight="bold", color=ORANGE)
    return figure
