"""Figure of convergence: recognition of metamers by other models against their match, from the table of both."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from metamers.report.figures import BLUE, FAINT, INK, ORANGE, styled
from studies.benchmark.convergence import CLOSEST
from studies.benchmark.equivalence import ALL, PUBLISHED

COLUMNS = 4


@styled
def convergence_figure(table: pd.DataFrame) -> Figure:
    """Recognition by other models against normalized error: one panel for each stage, the closest match on the right.

    Circles are matches, with 95% intervals over stimuli: filled where recognition is shown to be equivalent to that at
    the closest match, a diamond, from there on. Squares are the published procedure, with fewer stimuli.

    Parameters
    ----------
    table
        Result of ``studies.benchmark.convergence.convergence_table``; rows over stages are not drawn.
    """
    stages = table[table["stage"] != ALL]
    panels = list(dict.fromkeys(zip(stages["model"], stages["stage"], strict=True)))
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(12, 0.7 + 2.5 * max(rows, 1)), layout="constrained")
    grid = figure.subplots(max(rows, 1), COLUMNS, squeeze=False, sharey=True)
    for axes, (model, stage) in zip(grid.flat, panels, strict=False):
        _panel(axes, stages[(stages["model"] == model) & (stages["stage"] == stage)])
        axes.set_title(f"{model}\n{stage}", fontsize=10)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for row in grid:
        row[0].set_ylabel("Recognized (%)")
    for axes in grid[-1]:
        axes.set_xlabel("Normalized error")
    if panels:
        grid.flat[0].legend(fontsize=8.5, loc="lower left")
    return figure


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw one stage."""
    own, published = rows[rows["match"] != PUBLISHED], rows[rows["match"] == PUBLISHED]
    errors, recognized = own["normalized_error"].to_numpy(), 100 * own["recognized"].to_numpy()
    ends = 100 * own[["recognized_low", "recognized_high"]].to_numpy().T
    axes.errorbar(errors, recognized, yerr=abs(ends - recognized), color=FAINT, linewidth=1, zorder=1)
    closest, unchanged = (own["decision"] == CLOSEST).to_numpy(), own["unchanged"].to_numpy(bool)
    marks = {
        "closest match": (closest, "D", "white"),
        "equivalent from here on": (unchanged & ~closest, "o", BLUE),
        "not shown": (~unchanged, "o", "white"),
    }
    for label, (chosen, mark, face) in marks.items():
        axes.scatter(
            *(errors[chosen], recognized[chosen]),
            **{"marker": mark, "s": 34, "facecolor": face, "edgecolor": BLUE if face == BLUE else INK},
            **{"label": label, "zorder": 2},
        )
    axes.scatter(
        *(published["normalized_error"], 100 * published["recognized"]),
        **{
            "marker": "s",
            "s": 34,
            "facecolor": "none",
            "edgecolor": ORANGE,
            "label": "published procedure",
            "zorder": 3,
        },
    )
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_ylim(-4, 104)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
