"""Contrasts in the report: how differently well two models' metamers are recognized, in a figure, a table and words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.report_figures import BLUE, FAINT, INK, styled
from metamers.report_tables import ABSENT, Table

LATE = "later half"
NO_INTERVAL = " (no interval)"


def contrast_stages(contrast: xr.Dataset) -> list[str]:
    """The stages that both models of one contrast have, in processing order."""
    number = contrast["stage_number"].values
    return [str(contrast["stage"].values[i]) for i in np.argsort(number, kind="stable") if np.isfinite(number[i])]


def _side(low: float, high: float) -> int:
    """Whether an interval lies above 0 (1), below (-1) or neither (0, also where there is none)."""
    return int(low > 0) - int(high < 0)


def points(difference: float, low: float, high: float) -> str:
    """A difference of proportions with its interval, in percentage points."""
    if not np.isfinite(difference):
        return ABSENT
    value, *ends = (f"{100 * part + 0:+.1f}".replace("-", "−") for part in (difference, low, high))
    return f"{value} ({ends[0]} to {ends[1]})" if np.isfinite(low) else f"{value}{NO_INTERVAL}"


def contrasts_table(compared: xr.Dataset) -> Table:
    """Differences in recognizability, a row a contrast and stage, the later half of the stages last."""
    rows = []
    for name in compared["contrast"].values:
        one = compared.sel(contrast=name)
        who = [str(one["model"].values), str(one["reference"].values)]
        for stage in contrast_stages(one):
            of_stage = one.sel(stage=stage)
            found = points(*(float(of_stage[key]) for key in ("difference", "low", "high")))
            rows.append([*who, stage, str(int(of_stage["n"])), found])
        found = points(*(float(one[f"late_{key}"]) for key in ("difference", "low", "high")))
        rows.append([*who, LATE, str(int(one["late_n"])), found])
    return {
        "head": ["Model", "Reference", "Stage", "n", "Difference in percentage points (95% interval)"],
        "rows": rows,
    }


def contrast_sentence(contrast: xr.Dataset) -> dict[str, Any]:
    """What the intervals of one contrast say, no more.

    Returns
    -------
    dict
        ``model``, ``reference``, ``stages`` (the later ones), ``n``, ``found`` (difference and interval); ``side``: 1
        where the interval of the later stages lies above 0, -1 below, 0 where it includes 0, None where there is none;
        ``above``, ``below``: stages whose own interval does; ``left_out``: stimuli whose metamers were not accepted at
        every later stage; ``judged_by``; ``related``: those of the judges that are of the family of one of the two;
        ``by_judge``: each judge with its own late difference; ``spread``: standard error over families, or None.
    """
    low, high = float(contrast["late_low"]), float(contrast["late_high"])
    spread = float(contrast["late_judges_standard_error"])
    sides = {
        stage: _side(*(float(contrast[end].sel(stage=stage)) for end in ("low", "high")))
        for stage in contrast_stages(contrast)
    }
    return {
        "model": str(contrast["model"].values),
        "reference": str(contrast["reference"].values),
        "stages": str(contrast["late_stages"].values),
        "n": int(contrast["late_n"]),
        "found": points(float(contrast["late_difference"]), low, high),
        "side": _side(low, high) if np.isfinite(low) and np.isfinite(high) else None,
        "above": [stage for stage, side in sides.items() if side > 0],
        "below": [stage for stage, side in sides.items() if side < 0],
        "left_out": int(contrast["late_left_out"]),
        "judged_by": str(contrast["judged_by"].values),
        "related": str(contrast["related_judges"].values),
        "by_judge": ", ".join(
            f"{judge} {points(difference, np.nan, np.nan).removesuffix(NO_INTERVAL)}"
            for judge, difference in contrast["late_difference_by_judge"].to_series().dropna().items()
        ),
        "spread": f"{100 * spread:.1f}" if np.isfinite(spread) else None,
    }


def contrasts_context(compared: xr.Dataset) -> Mapping[str, Any]:
    """What the page shows of all contrasts: ``sentences`` and ``table``."""
    return {
        "sentences": [contrast_sentence(compared.sel(contrast=name)) for name in compared["contrast"].values],
        "table": contrasts_table(compared),
    }


@styled
def contrasts_figure(compared: xr.Dataset) -> Figure:
    """Differences in recognizability between models with 95% intervals, stage by stage, a panel a contrast.

    Parameters
    ----------
    compared
        What ``metamers.contrasts.contrasts`` gives.
    """
    names = list(compared["contrast"].values)
    figure = Figure(figsize=(10, 0.7 + 2.5 * len(names)), layout="constrained")
    grid = figure.subplots(len(names), 1, squeeze=False, sharey=True).ravel()
    for axes, name in zip(grid, names, strict=True):
        one = compared.sel(contrast=name)
        stages = contrast_stages(one)
        values = {
            key: 100 * np.append(one[key].sel(stage=stages).values, one[f"late_{key}"].values)
            for key in ("difference", "low", "high")
        }
        counts = [*one["n"].sel(stage=stages).values, one["late_n"].values]
        x = np.arange(len(stages) + 1.0)
        x[-1] += 0.4  # apart: it is no stage
        axes.axhline(0, color=INK, linewidth=0.9)
        axes.axvline(len(stages) - 0.3, color=FAINT, linewidth=0.8, linestyle=":")
        for at, middle, low, high in zip(x, *values.values(), strict=True):
            if np.isfinite(low):
                axes.plot([at, at], [low, high], color=BLUE, linewidth=1.8, solid_capstyle="butt", zorder=2)
            if np.isfinite(middle):
                fill = BLUE if _side(low, high) else "white"
                axes.plot(at, middle, "o", color=BLUE, markerfacecolor=fill, markersize=7, zorder=3)
            else:
                axes.text(at, 0, "no metamers", ha="center", va="bottom", fontsize=9, color=FAINT)
        axes.set_xticks(x, [f"{s}\nn = {int(n)}" for s, n in zip([*stages, LATE], counts, strict=True)], fontsize=9)
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.5, x[-1] + 0.5)
        axes.set_title(f"{one['model'].values} minus {one['reference'].values}", fontsize=10.5)
    figure.supylabel("Difference in recognizability (percentage points)", fontsize=10.5)
    figure.supxlabel("Stage that the metamers match (n: stimuli with accepted metamers of both)", fontsize=10.5)
    return figure
