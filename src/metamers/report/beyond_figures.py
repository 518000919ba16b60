"""Figures of the extensions: Datasets in, matplotlib figures out, readable without colour."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metamers.beyond.sets import NOISE
from metamers.report.figures import FAINT, INK, KIND_MARKERS, PALE, SLATE, styled
from metamers.report.looks import Look, Looks

LINES = ("-", "--", "-.", ":")
START_NAMES = {
    NOISE: "white noise\n(the run’s own)",
    "other_noise": "other white\nnoise",
    "pink_noise": "pink noise",
    "stimulus": "another\nstimulus",
}


def _of_stage(look: Look, place: int) -> dict[str, Any]:
    """Line and marker of the n-th stage of one model, in the model's colour."""
    return look.style | {
        "linestyle": LINES[place % len(LINES)],
        "marker": KIND_MARKERS[place % len(KIND_MARKERS)],
    }


def position_axis(axes: Axes, found: xr.Dataset, below: Sequence[str]) -> np.ndarray:
    """Positions of stages among the stages of their models along x, with a text below each."""
    places = np.arange(found.sizes["depth"])
    axes.set_xticks(places, [f"{depth:g}\n{words}" for depth, words in zip(found["depth"].values, below, strict=True)])
    axes.set(xlim=(-0.5, len(places) - 0.5), xlabel="Position of the stage (0: input, 1: last)")
    return places


@styled
def ensemble_figure(found: xr.Dataset, looks: Looks) -> Figure:
    """Recognition of metamers of each single model and of all models together, and the differences.

    Parameters
    ----------
    found
        Result of ``metamers.beyond.compare.ensemble``.
    looks
        Look of each model.
    """
    figure = Figure(figsize=(10, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    n = [f"n = {count}" for count in found["n"].values]
    places = position_axis(left, found, n)
    entries = found["generation_model"].values
    natural = float(found["natural_recognized"].mean())
    left.axhline(natural, color=FAINT, linewidth=1, linestyle=(0, (1, 2)), label="natural stimuli")
    for place, entry in enumerate(entries):
        together = place == len(entries) - 1
        style = (
            {"color": INK, "marker": "X", "linewidth": 2.6, "markersize": 9}
            if together
            else looks[str(entry)].style | {"linewidth": 1.2}
        )
        label = "all models together" if together else f"{entry} alone"
        offset = 0.08 * (place - (len(entries) - 1) / 2)
        left.plot(places + offset, found["proportion_correct"].sel(generation_model=entry), **style, label=label)
    left.set(ylim=(-0.03, 1.05), ylabel="Proportion recognized")
    left.set_title("Recognition")
    places = position_axis(right, found, n)
    for place, member in enumerate(found["member"].values):
        one = found.sel(member=member)
        middle, low, high = (one[name].values for name in ("difference", "low", "high"))
        offset = 0.12 * (place - (found.sizes["member"] - 1) / 2)
        error = np.nan_to_num(np.stack([middle - low, high - middle]))
        style = looks[str(member)].style | {"linestyle": "none"}
        right.errorbar(places + offset, middle, error, capsize=3, **style, label=f"minus {member} alone")
    right.axhline(0, color=FAINT, linewidth=0.9)
    right.set(ylim=(-1.05, 1.05), ylabel="Difference in proportion recognized")
    right.set_title("All together minus each alone")
    for axes in (left, right):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.28), fontsize=9, ncols=2)
    return figure


@styled
def controversial_figure(found: xr.Dataset, looks: Looks) -> Figure:
    """Answers of recognition models, and errors of each member to both stimuli; one row per dissenting model.

    Parameters
    ----------
    found
        Result of ``metamers.beyond.compare.controversial``.
    looks
        Look of each model.
    """
    cases = found["case"].values
    figure = Figure(figsize=(10, 0.6 + 4.2 * len(cases)), layout="constrained")
    grid = figure.subplots(len(cases), 2, squeeze=False)
    for (answers, errors), case in zip(grid, cases, strict=True):
        one = found.sel(case=case)
        others = ", ".join(str(member) for member in one["member"].values if member != case)
        own, other = (one[name].values for name in ("proportion_own", "proportion_other"))
        places = np.arange(one.sizes["depth"])
        bars = (
            (f"stimulus matched for {others}", own, INK, ""),
            (f"stimulus matched for {case}", other, looks[str(case)].colour, "///"),
            ("neither", (1 - own - other).clip(0), PALE, "\\\\\\"),
        )
        left = np.zeros(len(places))
        for label, share, colour, hatch in bars:
            width = np.nan_to_num(share)
            answers.barh(
                places, width, left=left, height=0.55, color=colour, hatch=hatch, edgecolor="white", label=label
            )
            left = left + width
        ticks = [f"{depth:g} (n = {n})" for depth, n in zip(one["depth"].values, one["n"].values, strict=True)]
        answers.set_yticks(places, ticks)
        answers.invert_yaxis()
        answers.set(xlim=(0, 1), xlabel="Proportion of the recognition models’ answers", ylabel="Position of the stage")
        answers.set_title(f"{case} against {others}")
        answers.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), fontsize=9)
        places = position_axis(errors, one, [""] * len(places))
        for place, member in enumerate(one["member"].values):
            offset = 0.16 * (place - (one.sizes["member"] - 1) / 2)
            look = looks[str(member)]
            style = look.style | {"linestyle": "none"}
            of_member = one.sel(member=member).mean("stimulus")
            errors.plot(
                places + offset,
                of_member["normalized_error"],
                **style | {"markerfacecolor": look.colour},
                label=f"{member}: to the stimulus that it matches",
            )
            errors.plot(
                places + offset,
                of_member["other_error"],
                **style,
                label=f"{member}: to the other stimulus",
            )
        errors.set_ylim(bottom=0)
        errors.set_ylabel("Normalized error")
        errors.set_title("Distance of activations from both stimuli")
        errors.legend(loc="upper center", bbox_to_anchor=(0.5, -0.26), fontsize=9)
    return figure


@styled
def starts_figure(found: xr.Dataset, left_free: Mapping[str, xr.Dataset], looks: Looks) -> Figure:
    """Recognition, and remaining part of the start, by kind of start; one column per model.

    Parameters
    ----------
    found
        Result of ``metamers.beyond.compare.starts``.
    left_free
        Generation model → the result of ``metamers.beyond.invariance.invariance``.
    looks
        Look of each model.
    """
    models = found["generation_model"].values
    figure = Figure(figsize=(max(6.0, 5 * len(models)), 7), layout="constrained")
    grid = figure.subplots(2, len(models), squeeze=False, sharey="row", sharex="col")
    for (above, below), model in zip(grid.T, models, strict=True):
        one = found.sel(generation_model=model)
        places = np.arange(one.sizes["start"])
        for place, depth in enumerate(one["depth"].values):
            at = one.sel(depth=depth)
            stage = str(at["stage"].values)
            offset = 0.1 * (place - (one.sizes["depth"] - 1) / 2)
            style = _of_stage(looks[str(model)], place) | {"linestyle": "none", "markersize": 8}
            above.plot(
                places + offset,
                at["proportion_correct"],
                **style,
                label=f"{stage} (n = {', '.join(map(str, at['n'].values))})",
            )
            remains = left_free[str(model)]["remaining"].sel(depth=depth, start=one["start"].values).mean("stimulus")
            below.plot(places + offset, remains, **style, label=stage)
        above.set_title(str(model))
        above.set_ylim(-0.03, 1.05)
        above.legend(fontsize=9, loc="lower left", bbox_to_anchor=(0, 1.08), title="Matched stage", title_fontsize=9)
        below.set_xticks(places, [START_NAMES[str(start)] for start in one["start"].values], fontsize=9)
        below.axhline(1, color=FAINT, linewidth=0.9, linestyle=":")
        below.set_xlabel("Start of the synthesis")
    most = max(float(one["remaining"].mean("stimulus").max()) for one in left_free.values())
    grid[1][0].set_ylim(0, 1.1 * max(1, most))
    grid[0][0].set_ylabel("Proportion recognized")
    grid[1][0].set_ylabel("Distance from the stimulus,\nrelative to that of the start")
    return figure


def first_other(found: xr.Dataset) -> str:
    """The kind of start that is compared with the run's own: other noise if available, else the first other kind."""
    kinds = [str(kind) for kind in found["start"].values if kind != NOISE]
    return "other_noise" if "other_noise" in kinds else kinds[0]


@styled
def invariance_figure(left_free: Mapping[str, xr.Dataset], looks: Looks) -> Figure:
    """Distance between two metamers of one stimulus at every stage; one panel per model, one line per depth.

    Parameters
    ----------
    left_free
        Generation model → the result of ``metamers.beyond.invariance.invariance``.
    looks
        Look of each model.
    """
    figure = Figure(figsize=(10, 0.4 + 4.2 * len(left_free)), layout="constrained")
    for axes, (model, found) in zip(
        figure.subplots(len(left_free), 1, squeeze=False).flat, left_free.items(), strict=True
    ):
        kind = first_other(found)
        stages = found["measured_stage"].values.tolist()
        places = np.arange(len(stages))
        axes.axhline(1, color=FAINT, linewidth=0.9, linestyle=":", label="different natural stimuli")
        starts = found["start_difference"].sel(start=kind).mean("stimulus")
        axes.plot(places, starts, color=SLATE, linestyle=(0, (1, 1)), linewidth=1.6, marker="x", label="the two starts")
        for place, depth in enumerate(found["depth"].values):
            at = found.sel(depth=depth, start=kind)
            stage, apart = str(at["stage"].values), at["relative_difference"].mean("stimulus").values
            style = _of_stage(looks[model], place)
            axes.plot(places, apart, **style, label=f"metamers that match {stage}")
            matched = stages.index(stage)
            axes.plot(matched, apart[matched], "o", markersize=15, markerfacecolor="none", color=style["color"])
        axes.set_xticks(places, stages, fontsize=9)
        axes.set_ylim(bottom=0)
        axes.set(xlabel="Stage at which the distance is measured (circle: matched stage)")
        axes.set_ylabel("Distance between two metamers, relative\nto that of different stimuli")
        axes.set_title(model)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    return figure
