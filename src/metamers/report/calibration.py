"""Reliability diagram: predictions for left-out published models against published participants."""

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from metamers.compare.predicted_human import coverage_by_third
from metamers.compare.proportions import proportion_interval
from metamers.modalities import MODALITIES
from metamers.report.figures import BLUE, FAINT, INK, ORANGE, PALE, mark_start, styled

GROUPS = 8  # number of groups of stages with similar predictions, whose means are drawn
WANTED = (0.90, 0.98)  # acceptable coverage of 95% intervals


def left_out_points(board: xr.Dataset) -> pd.DataFrame:
    """Result of ``metamers.compare.predicted_human.predict_left_out_models``, read from the leaderboard's file."""
    names = ("modality", "model", "stage", "human", "predicted", "low", "high")
    return pd.DataFrame({name: board[f"left_out_{name}"].values for name in names})


@styled
def reliability_figure(board: xr.Dataset) -> Figure:
    """Left-out predictions against participants, one column per modality, with the coverage of the intervals below.

    Parameters
    ----------
    board
        Result of ``metamers.leaderboard.ranking.leaderboard``.
    """
    points = left_out_points(board)
    modalities = list(dict.fromkeys(points["modality"]))
    figure = Figure(figsize=(5 * len(modalities), 8.2), layout="constrained")
    rows = figure.subplots(2, len(modalities), squeeze=False, gridspec_kw={"height_ratios": [5, 2.2]})
    coverage = coverage_by_third(points)
    for axes, below, modality in zip(*rows, modalities, strict=True):
        own = points[points["modality"] == modality].sort_values("predicted")
        held = own["human"].between(own["low"], own["high"]).to_numpy()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, label="prediction and participants agree")
        axes.hlines(own["human"], own["low"], own["high"], color=PALE, linewidth=0.8, zorder=1, label="95% interval")
        style = {"linestyle": "none", "zorder": 3}
        axes.plot(
            *own.loc[held, ["predicted", "human"]].to_numpy().T, **style, marker="o", markersize=4, color=BLUE,
            label="stage of a left-out model, inside its interval",
        )  # fmt: skip
        axes.plot(
            *own.loc[~held, ["predicted", "human"]].to_numpy().T, **style, marker="X", markersize=7, color=ORANGE,
            label="outside its interval",
        )  # fmt: skip
        groups = np.array_split(own[["predicted", "human"]].to_numpy(), GROUPS)
        axes.plot(
            *np.array([group.mean(axis=0) for group in groups if len(group)]).T, color=INK, linewidth=1.4, marker="s",
            markerfacecolor="white", markersize=7, zorder=4, label="mean of stages with similar predictions",
        )  # fmt: skip
        axes.set(
            xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", title=MODALITIES[modality].title,
            xlabel="Predicted for a left-out model", ylabel="Recognized by participants",
        )  # fmt: skip
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1))
        parts = coverage[coverage["modality"] == modality]
        found = proportion_interval(parts["covered"] / parts["points"].where(parts["points"] > 0), parts["points"])
        place = np.arange(len(parts))
        below.axhspan(*WANTED, color=PALE, alpha=0.6, linewidth=0)
        below.axhline(0.95, color=FAINT, linewidth=1, linestyle=":")
        ends = np.clip([found.value - found.low, found.high - found.value], 0, None)
        below.errorbar(place, found.value, ends, color=BLUE, linestyle="none", marker="o", capsize=3)
        labels = [f"{row.part.replace(' ', chr(10), 1)}\n{row.covered} of {row.points}" for row in parts.itertuples()]
        below.set_xticks(place, labels, fontsize=9)
        below.set(ylim=(0.5, 1.02), xlim=(-0.5, len(parts) - 0.5), ylabel="Coverage of the intervals")
        below.yaxis.set_major_formatter(PercentFormatter(1))
        mark_start(below)
    handles, names = rows[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=9)
    return figure
