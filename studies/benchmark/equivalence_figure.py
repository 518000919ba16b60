"""Figure of the equivalence of both procedures, from the table of differences in recognition."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metamers.modalities import MODALITIES
from metamers.report.figures import BLUE, FAINT, INK, PALE, styled
from studies.benchmark.equivalence import ALL, MEASURES

# Measure in the table → label of its axis, and the factor from the table's unit to that of the axis.
AXES = {
    MEASURES["correct"]: ("Proportion recognized (percentage points)", 100),
    MEASURES["log_odds"]: ("Log odds of the natural category", 1),
}
MODEL_MARKS = "sD^vP<>*"  # open marks of single models
SPREAD = 0.16  # vertical distance between the models of one version


@styled
def equivalence_figure(table: pd.DataFrame) -> Figure:
    """Differences in recognition from the published procedure, at an equal match and of looser metamers.

    One row of panels for each modality, one column for each measure; a group of marks for each version. Filled circles
    are differences over all models and stages, open marks those of single models over stages, lines are 90% intervals.
    The grey band is the margin of all models; two ticks beside a single model are its own margin, where that differs
    (log odds). A version is equivalent where its line lies inside its margin.

    Parameters
    ----------
    table
        Result of ``studies.benchmark.equivalence.equivalence_table``; rows of single stages are not drawn.
    """
    pooled = table[table["stage"] == ALL]
    modalities = list(dict.fromkeys(pooled["modality"]))
    versions = list(dict.fromkeys(pooled["version"]))
    height = 1.3 + len(modalities) * (0.9 + 0.62 * len(versions))
    figure = Figure(figsize=(10, height), layout="constrained")
    figure.suptitle("Difference from the published procedure", x=0.01, ha="left")
    panels = figure.subplots(max(len(modalities), 1), len(AXES), squeeze=False)
    for row, modality in zip(panels, modalities, strict=False):
        of_modality = pooled[pooled["modality"] == modality]
        for axes, (measure, (label, factor)) in zip(row, AXES.items(), strict=True):
            _panel(axes, of_modality[of_modality["measure"] == measure], versions, factor)
            axes.set_xlabel(label)
        row[0].set_title(MODALITIES[modality].title)
        row[0].set_yticks(range(len(versions)), [version.replace("_", " ") for version in versions])
        row[1].set_yticks(range(len(versions)), [""] * len(versions))
        row[1].legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, versions: list[str], factor: float) -> None:
    """Draw one modality and measure."""
    models = [ALL, *(model for model in dict.fromkeys(rows["model"]) if model != ALL)]
    places = SPREAD * (np.arange(len(models)) - (len(models) - 1) / 2)
    axes.axvline(0, color=FAINT, linewidth=0.8)
    for place, model in enumerate(models):
        of_model = rows[rows["model"] == model]
        heights = np.array([versions.index(version) for version in of_model["version"]]) + places[place]
        values = factor * of_model["difference"].to_numpy()
        ends = factor * of_model[["low", "high"]].to_numpy().T
        colour, mark = (BLUE, "o") if model == ALL else (INK, MODEL_MARKS[(place - 1) % len(MODEL_MARKS)])
        axes.errorbar(
            *(values, heights),
            xerr=abs(ends - values),
            fmt=mark,
            color=colour,
            markerfacecolor=colour if model == ALL else "none",
            linewidth=2.2 if model == ALL else 1,
            label="all models" if model == ALL else model,
        )
        margins = factor * of_model["margin"].to_numpy()
        if model == ALL:
            for height, margin in zip(heights - places[place], margins, strict=True):
                axes.fill_betweenx([height - 0.45, height + 0.45], -margin, margin, color=PALE, alpha=0.6, linewidth=0)
        elif rows["margin"].nunique() > 1:
            for side in (-margins, margins):
                axes.plot(side, heights, "|", color=INK, markersize=9, markeredgewidth=0.8)
    axes.set_ylim(len(versions) - 0.45, -0.55)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
