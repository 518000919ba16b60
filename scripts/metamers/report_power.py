"""Power in the report: how many people and trials it takes, in a figure and tables."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, PercentFormatter, ScalarFormatter

from metamers.report_figures import FAINT, INK, KIND_COLOURS, KIND_MARKERS, styled
from metamers.report_tables import Table

TITLES = {"vision": "Images", "audio": "Sounds"}
MOST_TICKS = 6


def _participants(needed: float, most: int) -> str:
    return f"{needed:.0f}" if np.isfinite(needed) else f"more than {most}"


def power_context(found: xr.Dataset) -> dict[str, Any]:
    """What the page shows of power.

    Parameters
    ----------
    found
        What ``metamers.power.power_dataset`` gives.

    Returns
    -------
    dict
        ``wanted`` (power) and ``alpha``; ``typical`` and, where the run has models to compare, ``own``: tables of how
        many participants are needed, a column for each number of trials.
    """
    most = int(found["participants"].max())
    columns = [f"{trials} trials" for trials in found["trials"].values]

    def row(*names: str, needed: xr.DataArray) -> list[str]:
        return [*names, *(_participants(float(value), most) for value in needed.transpose("trials"))]

    typical: Table = {
        "head": ["Stimuli", "Difference in points", *columns],
        "rows": [
            row(TITLES[str(modality)], f"{100 * difference:g}", needed=found["participants_needed"].sel(each))
            for modality in found["modality"].values
            for difference in found["difference"].values
            for each in [{"modality": modality, "difference": difference}]
        ],
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
                    f"{100 * float(pair['contrast_difference']):+.1f}".replace("-", "−"),
                    needed=pair["contrast_participants_needed"],
                )
                for pair in pairs
            ],
        }
    return {"wanted": found.attrs["wanted"], "alpha": found.attrs["alpha"], "typical": typical, "own": own}


@styled
def power_figure(found: xr.Dataset) -> Figure:
    """Power over the number of participants, a line for each number of trials, a panel for each difference.

    Parameters
    ----------
    found
        What ``metamers.power.power_dataset`` gives.
    """
    modalities, differences = found["modality"].values, found["difference"].values
    figure = Figure(figsize=(1 + 3 * len(differences), 0.9 + 2.7 * len(modalities)), layout="constrained")
    grid = figure.subplots(len(modalities), len(differences), squeeze=False, sharex=True, sharey=True)
    participants = found["participants"].values
    ticks = participants[np.linspace(0, len(participants) - 1, min(MOST_TICKS, len(participants))).round().astype(int)]
    for row, modality in zip(grid, modalities, strict=True):
        for axes, difference in zip(row, differences, strict=True):
            for index, trials in enumerate(found["trials"].values):
                values = found["power"].sel(modality=modality, difference=difference, trials=trials)
                look = {
                    "color": KIND_COLOURS[index % len(KIND_COLOURS)],
                    "marker": KIND_MARKERS[index % len(KIND_MARKERS)],
                }
                axes.plot(participants, values, label=f"{trials} trials", linewidth=1.4, markersize=4.5, **look)
            axes.axhline(found.attrs["wanted"], color=FAINT, linestyle=":", linewidth=1)
            axes.set_title(f"{TITLES[str(modality)]}, {100 * difference:g} points apart", fontsize=10.5)
            axes.set_xscale("log")
            axes.set_xticks(ticks)
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            axes.set_ylim(-0.02, 1.02)
    grid[0, -1].legend(title="of each model and stage", fontsize=9, title_fontsize=9, labelcolor=INK)
    figure.supxlabel("Participants, each of whom judges both models", fontsize=10.5)
    figure.supylabel("Experiments that tell the models apart (%)", fontsize=10.5)
    return figure
