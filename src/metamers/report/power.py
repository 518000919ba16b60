"""Power in the report: participants and trials that an experiment needs, as figure and tables."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter, ScalarFormatter

from metamers.modalities import MODALITIES
from metamers.report.figures import FAINT, INK, KIND_COLOURS, KIND_MARKERS, styled
from metamers.report.tables import Table

LEAST_SHOWN = 0.0005  # smallest difference in recognizability that the table, in tenths of points, can show
MOST_TICKS = 6


def _participants(needed: float, most: int) -> str:
    return f"{needed:.0f}" if np.isfinite(needed) else f"more than {most}"


def power_context(found: xr.Dataset) -> dict[str, Any]:
    """Values of the power analysis for the page.

    Parameters
    ----------
    found
        Result of ``metamers.power.pairs.with_pairs``.

    Returns
    -------
    dict
        ``wanted`` (power) and ``alpha``; ``smallest``: smallest simulated number of participants; ``typical`` and, if
        the run has models to compare, ``own``: tables of the numbers of participants needed, one column for each
        number of trials; ``nearest_pairs``: modalities of which not all pairs are simulated; ``left_out``: names of
        pairs with too few predictions. If new stimuli were simulated:
        ``over_stimuli``, the same table for each number of stimuli, and ``false_alarms``, the smallest and largest
        proportion of experiments in which the test over participants alone is significant although models do not
        differ.
    """
    most = int(found["participants"].max())
    columns = [f"{trials} trials" for trials in found["trials"].values]

    def row(*names: str, needed: xr.DataArray) -> list[str]:
        return [*names, *(_participants(float(value), most) for value in needed.transpose("trials"))]

    typical: Table = {
        "head": ["Stimuli", "Difference in points", *columns],
        "rows": [
            row(
                MODALITIES[str(modality)].stimuli.capitalize(),
                f"{100 * difference:g}",
                needed=found["participants_needed"].sel(each),
            )
            for modality in found["modality"].values
            for difference in found["difference"].values
            for each in [{"modality": modality, "difference": difference}]
        ]
        + [["Distinct stimuli, each shown once", "any", *map(str, found["stimuli_needed"].values)]],
    }
    own: Table | None = None
    if "contrast" in found.dims:
        pairs = [found.isel(contrast=place) for place in range(found.sizes["contrast"])]
        own = {
            "head": ["Model", "Other model", "Stages", "Predicted difference in points", *columns],
            "rows": [
                row(
                    str(pair["model"].values),
                    str(pair["reference"].values),
                    str(pair["contrast_stages"].values),
                    _points(float(pair["contrast_difference"])),
                    needed=pair["contrast_participants_needed"],
                )
                for pair in pairs
            ],
        }
    over_stimuli: Table | None = None
    false_alarms: tuple[float, float] | None = None
    if "stimuli" in found.dims:
        over_stimuli = {
            "head": ["Stimuli", "Difference in points", "Distinct stimuli", *columns],
            "rows": [
                row(
                    *(MODALITIES[str(modality)].stimuli.capitalize(), f"{100 * difference:g}", str(stimuli)),
                    needed=found["participants_needed_over_stimuli"].sel(each),
                )
                for modality in found["modality"].values
                for difference in found["difference"].values
                for stimuli in found["stimuli"].values
                for each in [{"modality": modality, "difference": difference, "stimuli": stimuli}]
            ],
        }
        wrong = found["false_alarms_fixed_stimuli"].sel(stimuli=found["stimuli"].min())
        false_alarms = (float(wrong.min()), float(wrong.max()))
    return {
        "wanted": found.attrs["wanted"],
        "alpha": found.attrs["alpha"],
        "stages": found.attrs["stages"],
        "smallest": int(found["participants"].min()),
        "typical": typical,
        "own": own,
        "nearest_pairs": found.attrs.get("nearest_pairs", ""),
        "left_out": found.attrs["left_out"],
        "over_stimuli": over_stimuli,
        "fewest_stimuli": int(found["stimuli"].min()) if "stimuli" in found.dims else None,
        "false_alarms": false_alarms,
    }


def _points(difference: float) -> str:
    """A difference in percentage points; one below a tenth of a point is not shown as 0."""
    if abs(difference) < LEAST_SHOWN:
        return "less than 0.1"
    return f"{100 * difference:+.1f}".replace("-", "−")


def _middle(values: np.ndarray) -> int:
    return int(values[len(values) // 2])


@styled
def power_figure(found: xr.Dataset) -> Figure:
    """Power over the number of participants, one panel per modality and difference.

    With the same stimuli, panels have one line per number of trials. If new stimuli were simulated, a second row of
    panels has one line per number of distinct stimuli, all with the middle number of trials.

    Parameters
    ----------
    found
        Result of ``metamers.power.participants.published_power``.
    """
    differences = found["difference"].values
    trials = _middle(found["trials"].values)
    rows: list[tuple[str, str, xr.DataArray, str, str]] = []
    for modality in map(str, found["modality"].values):
        fixed = found["power"].sel(modality=modality)
        rows.append(
            (MODALITIES[modality].stimuli.capitalize(), "same stimuli", fixed, "trials", "of each model and stage")
        )
        if "stimuli" in found.dims:
            random = found["power_over_stimuli"].sel(modality=modality, trials=trials)
            rows.append(
                (
                    MODALITIES[modality].stimuli.capitalize(),
                    "new stimuli",
                    random,
                    "stimuli",
                    f"distinct, {trials} trials",
                )
            )
    figure = Figure(figsize=(1 + 3.2 * len(differences), 0.9 + 2.6 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(differences), squeeze=False, sharex=True, sharey=True)
    participants = found["participants"].values
    ticks = participants[np.linspace(0, len(participants) - 1, min(MOST_TICKS, len(participants))).round().astype(int)]
    for row, (title, which, values, lines, legend) in zip(grid, rows, strict=True):
        for axes, difference in zip(row, differences, strict=True):
            for index, number in enumerate(values[lines].values):
                look = {
                    "color": KIND_COLOURS[index % len(KIND_COLOURS)],
                    "marker": KIND_MARKERS[index % len(KIND_MARKERS)],
                }
                curve = values.sel({"difference": difference, lines: number})
                axes.plot(participants, curve, label=f"{number} {lines}", linewidth=1.4, markersize=4.5, **look)
            axes.axhline(found.attrs["wanted"], color=FAINT, linestyle=":", linewidth=1)
            axes.set_title(f"{title}, {100 * difference:g} points apart, {which}", fontsize=10)
            axes.set_xscale("log")
            axes.set_xticks(ticks)
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.set_ylim(-0.02, 1.02)
        row[-1].legend(title=legend, fontsize=9, title_fontsize=9, labelcolor=INK)
    figure.supxlabel("Participants, each with trials of both models (logarithmic axis)", fontsize=10.5)
    figure.supylabel("Experiments that distinguish the models by permutation test (%)", fontsize=10.5)
    return figure
