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
QUANTILES = (0.025, 0.5, 0.975)
SIMULATED = "SIMULATED voxels, made from {}: no brain was measured"


def with_interval(value: float, low: float, high: float) -> str:
    """A value with its 95% interval in words."""
    return (
        f"{number(value)} ({number(low)} to {number(high)})" if np.isfinite(low) else f"{number(value)} (no interval)"
    )


def brain_table(found: Mapping[str, xr.Dataset]) -> Table:
    """How well each model's best stage, chosen on the other participants, predicts voxels.

    Parameters
    ----------
    found
        Model → what ``metamers.brain.regression`` gives.
    """
    rows = []
    simulated = all("noiseless_voxels_r2" in one for one in found.values())
    for model, one in found.items():
        names, times = np.unique(one["signed_best_stage"].values.astype(str), return_counts=True)
        stages = ", ".join(f"{name} ({count})" for name, count in zip(names, times, strict=True))
        ends = (float(one[f"best_signed_r2{end}"]) for end in ("", "_low", "_high"))
        highest = float(one["shuffled_best_signed_r2"].quantile(QUANTILES[-1]))
        row = [model, stages, with_interval(*ends), number(highest), f"{float(one['best_p_shuffled']):.2g}"]
        if simulated:
            own = one["noiseless_voxels_r2"].values
            places = [list(one["stage"].values).index(stage) for stage in one["signed_best_stage"].values]
            row.append(number(float(own[np.arange(len(own)), places].mean())))
        rows.append([*row, str(one.sizes["participant"])])
    head = [
        *("Model", "Best stage (times chosen)", "Signed R² there (95% interval)"),
        *("Shuffled stimuli, 97.5% below", "p", *(["Without noise"] if simulated else []), "Participants"),
    ]
    return {"head": head, "rows": rows}


def generating_stage(found: Mapping[str, xr.Dataset], simulated: str) -> str | None:
    """What the stage that simulated voxels were made from reads and what it reads without noise, in words.

    None where no analysed model has the stage.
    """
    stage, _, model = simulated.rpartition(" of ")
    if model not in found or stage not in found[model]["stage"] or "noiseless_voxels_r2" not in found[model]:
        return None
    one = found[model].sel(stage=stage)
    value, low, high = (float(one[f"signed_r2{end}"]) for end in ("", "_low", "_high"))
    clean = float(one["noiseless_voxels_r2"].mean())
    if np.isfinite(low):
        holds = "the interval holds it" if low <= clean <= high else "the interval does not hold it"
    else:
        holds = "one split gives no interval"
    why = ", below 1 because few stimuli do not tell the weights of many units" if number(clean) != "1.00" else ""
    return (
        f"The stage that the voxels were made from, {simulated}, reads {with_interval(value, low, high)}. "
        f"With the same {int(one['training_stimuli'])} training stimuli and ridge parameters it reads {number(clean)} "
        f"of responses without noise{why}; {holds}."
    )


def brain_context(found: Mapping[str, xr.Dataset]) -> Mapping[str, Any]:
    """What the page shows of brains.

    ``table``; ``simulated``: what voxels were made from, empty if measured; ``generating``: a sentence about that
    stage, or None; ``shuffles``, ``training``: numbers of random orders and of training stimuli; ``unreliable``,
    ``voxels``: how many voxels are no more reliable than chance, of how many.
    """
    first = next(iter(found.values()))
    simulated = first.attrs["simulated"]
    return {
        "table": brain_table(found),
        "simulated": simulated,
        "generating": generating_stage(found, simulated) if simulated else None,
        "shuffles": first.sizes["shuffle"],
        "training": int(first["training_stimuli"]),
        "unreliable": int(first["unreliable_voxels"]),
        "voxels": first.sizes["voxel"],
    }


@styled
def brain_figure(found: Mapping[str, xr.Dataset]) -> Figure:
    """Signed variance of voxels' responses that each stage explains, beside shuffled stimuli, a panel a model.

    Parameters
    ----------
    found
        Model → what ``metamers.brain.regression`` gives, with the attribute ``simulated``.
    """
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(10, 1.3 + 3.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, (model, one) in zip(grid, found.items(), strict=False):
        values = one["voxels_signed_r2"].values
        x = np.arange(values.shape[1])
        low, middle, high = one["shuffled_voxels_signed_r2"].mean("participant").quantile(QUANTILES, "shuffle").values
        axes.fill_between(x, low, high, color=ORANGE, alpha=0.35, linewidth=1.5, label="shuffled stimuli, 95%")
        axes.plot(x, middle, color=ORANGE, linewidth=1.2, linestyle="--", label="shuffled stimuli, median")
        axes.plot(x, values.T, color=PALE, linewidth=0.8, zorder=1)
        mean = one["signed_r2"].values
        ends = np.nan_to_num([mean - one["signed_r2_low"].values, one["signed_r2_high"].values - mean])
        axes.errorbar(
            x, mean, ends.clip(min=0), color=BLUE, marker="o", linewidth=1.8, capsize=2, zorder=3,
            label="mean over participants, 95% interval",
        )  # fmt: skip
        if "noiseless_voxels_r2" in one:
            axes.plot(
                x, one["noiseless_voxels_r2"].mean("participant"), color=INK, marker="D", markersize=4.5,
                markerfacecolor="none", linestyle="none", zorder=4, label="without noise",
            )  # fmt: skip
        axes.set_xticks(x, one["stage"].values, rotation=50, ha="right", fontsize=9)
        axes.set_title(model, fontsize=10.5)
        axes.axhline(0, color=FAINT, linewidth=0.7, zorder=0)
    for axes in grid[len(found) :]:
        axes.set_visible(False)
    figure.supylabel("Signed corrected R², median over voxels", fontsize=10.5)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9, frameon=False)
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
