"""Figures and values of the benchmark's page, computed from Datasets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from metamers.models.batches import CPU_BATCH_SIZE
from metamers.report.figures import BLUE, FAINT, INK, ORANGE, styled
from metamers.report.steps import times_table
from metamers.report.tables import percentage_points
from studies.benchmark.match import matches_alike
from studies.benchmark.measure import BFLOAT16, SEPARATOR
from studies.benchmark.speed import REFERENCES

LOOK = {"published": (FAINT, "--"), "one_cycle": (BLUE, "-"), "plenoptic": (ORANGE, ":")}
LABELS = {"published": "published procedure", "one_cycle": "one-cycle procedure", "plenoptic": "plenoptic"}
# Whether all processors compute bfloat16 natively → reference → goals for the speedup: geometric mean, minimum.
GOALS = {
    False: {"published": (60, 20), "plenoptic": (6, 3)},
    True: {"published": (100, 20), "plenoptic": (10, 3)},
}
TEMPLATE = Path(__file__).with_name("benchmark.html.j2")
EQUIVALENT = 0.03  # difference in proportion correct


def stages_of(benchmark: xr.Dataset, model: str) -> xr.Dataset:
    """Timed stages of one model, in processing order."""
    number = benchmark["stage_number"].sel(model=model)
    return benchmark.sel(model=model, stage=number["stage"][number.notnull()]).sortby("stage_number")


def goals_of(benchmark: xr.Dataset) -> Mapping[str, tuple[int, int]]:
    """The goals for the machines of a benchmark, which depend on whether all of them compute bfloat16 natively."""
    return GOALS[all(BFLOAT16 in one for one in benchmark.attrs["instruction_sets"].split(SEPARATOR))]


@styled
def speedup_figure(benchmark: xr.Dataset) -> Figure:
    """Speedup of the one-cycle procedure to the same match, for each model and stage, with the goals as lines.

    Lower bounds, where plenoptic did not reach the match, are hollow.
    """
    rows = [
        (model, str(stage))
        for model in benchmark["model"].values
        for stage in stages_of(benchmark, model)["stage"].values
    ]
    figure = Figure(figsize=(9, 1.4 + 0.3 * len(rows)), layout="constrained")
    axes = figure.subplots()
    goals = goals_of(benchmark)
    for reference, marker in (("published", "o"), ("plenoptic", "D")):
        steps = benchmark["steps_to_match"].sel(procedure=reference)
        bound = np.array([bool(steps.sel(model=model, stage=stage).isnull()) for model, stage in rows])
        name = f"speedup_over_{reference}"
        values, low, high = (
            np.array([float(benchmark[key].sel(model=model, stage=stage)) for model, stage in rows])
            for key in (name, f"{name}_low", f"{name}_high")
        )
        place = np.arange(len(rows)) + (0.14 if reference == "plenoptic" else -0.14)
        colour = INK if reference == "published" else ORANGE
        axes.hlines(place, low, high, color=colour, linewidth=2)
        axes.plot(values[~bound], place[~bound], marker, color=colour, label=f"over {LABELS[reference]}")
        if bound.any():
            label = f"lower bound: {LABELS[reference]} did not reach the match"
            axes.plot(values[bound], place[bound], marker, color=colour, markerfacecolor="none", label=label)
        axes.axvline(
            goals[reference][0], color=colour, linewidth=1, linestyle="--" if reference == "published" else ":"
        )
    axes.set(
        xscale="log",
        xlabel="Speedup to the same normalized error (logarithmic axis)\n"
        "Horizontal lines: range over repeats; vertical lines: goals",
    )
    axes.set_yticks(range(len(rows)), [f"{model}  {stage}" for model, stage in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper right", ncols=2)
    return figure


@styled
def descent_figure(model: str, matched: Mapping[str, xr.Dataset], timed: xr.Dataset) -> Figure:
    """Normalized error of one stimulus over time for each procedure, one panel per stage."""
    columns = min(3, len(matched))
    lines = -(-len(matched) // columns)
    figure = Figure(figsize=(max(3.6 * columns, 7.2), 2.9 * lines + 0.6), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False)
    for axes in panels.flat[len(matched) :]:
        axes.remove()
    for axes, (stage, one) in zip(panels.flat, matched.items(), strict=False):
        for procedure, (colour, line) in LOOK.items():
            error = one["mean_error"].sel(procedure=procedure).dropna("step")
            seconds = float(timed["seconds_per_step"].sel(procedure=procedure, stage=stage).median())
            marker = "o" if procedure == "one_cycle" else None
            later = error.sel(step=error["step"] > 0)
            axes.plot(later["step"] * seconds, later, line, color=colour, marker=marker, label=LABELS[procedure])
        axes.axhline(float(one["normalized_error"].sel(procedure="published").mean()), color=INK, linewidth=0.8)
        axes.set(xscale="log", yscale="log", title=stage)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    figure.supxlabel("Seconds for one stimulus, one thread (logarithmic axis)")
    figure.supylabel("Normalized error (logarithmic axis)")
    return figure


def _speed_row(model: str, stage: xr.Dataset) -> dict[str, Any]:
    per_step = 1e3 * stage["seconds_per_step"].median("repeat")
    return {
        "model": model,
        "stage": str(stage["stage"].values),
        "error": float(stage["normalized_error"]),
        "steps": {name: float(stage["steps_to_match"].sel(procedure=name)) for name in LOOK},
        "most": {name: int(stage["steps_most"].sel(procedure=name)) for name in LOOK},
        "milliseconds": {name: float(per_step.sel(procedure=name)) for name in LOOK},
        "memory": {name: float(stage["peak_memory"].sel(procedure=name)) for name in LOOK},
        "share": float(stage["share_of_peak"]),
        "quality": str(stage["quality"].values),
        "speedup": {
            name: [float(stage[f"speedup_over_{name}{end}"]) for end in ("", "_low", "_high")] for name in REFERENCES
        },
    }


def verdict(difference: float, low: float, high: float) -> str:
    """Verdict on equivalence within 3 percentage points, from the interval of a difference in recognition."""
    if not np.isfinite(low):
        return "too few stimuli for an interval"
    if low >= -EQUIVALENT and high <= EQUIVALENT:
        return "equivalent"
    if low > 0 or high < 0:
        return "not equivalent" if abs(difference) > EQUIVALENT else "different, within 3 points"
    return "within 3 points, not settled" if abs(difference) <= EQUIVALENT else "not settled"


def _recognition_row(model: str, stage: xr.Dataset) -> dict[str, Any]:
    found = [float(stage[key]) for key in ("difference", "difference_low", "difference_high")]
    alike = bool(matches_alike(stage["recognized_error"].expand_dims("stimulus")))
    return {
        "model": model,
        "stage": str(stage["stage"].values),
        "published": float(stage["recognized_published"]),
        "one_cycle": float(stage["recognized_one_cycle"]),
        "error": {
            name: float(stage["recognized_error"].sel(kept_procedure=name)) for name in ("published", "one_cycle")
        },
        "difference": percentage_points(*found),
        "verdict": verdict(*found) if alike else "no equal match",
    }


def _plans(scale: xr.Dataset) -> list[dict[str, Any]]:
    """Predicted cost of each plan of ``studies.benchmark.scale``."""
    plans = []
    for name in scale["plan"].values:
        plan = scale.sel(plan=name)
        plans.append(
            {
                "plan": str(name),
                "metamers": int(plan["metamers"]),
                "core_hours": float(plan["core_hours_timed"] + plan["recognition_core_hours_timed"]),
                "gpu_hours": (plan["gpu_hours"] + plan["recognition_gpu_hours"]).values.tolist(),
                "storage": float(plan["storage"]),
                "cost": plan["cost_gpu"].values.tolist(),
            }
        )
    return plans


def page_context(
    benchmark: xr.Dataset,
    cochleagram: xr.Dataset,
    times: pd.DataFrame,
    scale: xr.Dataset | None,
    figures: Mapping[str, str],
    settings: Mapping[str, Any],
    run: str,
) -> dict[str, Any]:
    """Values that the template shows.

    Parameters
    ----------
    benchmark
        Result of ``studies.benchmark.speed.collect``.
    cochleagram
        (implementation, repeat) → ``seconds``; ``speedup``.
    times
        Times of the run's jobs: result of ``metamers.report.steps.run_times``.
    scale
        Prediction of ``studies.benchmark.scale``, or None.
    figures
        Name → data URI of the figure.
    settings
        The key ``benchmark`` of the configuration.
    run
        Name of the run.
    """
    processors, instruction_sets = (benchmark.attrs[key].split(SEPARATOR) for key in ("processor", "instruction_sets"))
    stages = [
        (str(model), one.isel(stage=place))
        for model in benchmark["model"].values
        for one in [stages_of(benchmark, model)]
        for place in range(one.sizes["stage"])
    ]
    rows = [_speed_row(*stage) for stage in stages]
    wholes = [
        [float(benchmark[f"whole_difference{end}"].sel(model=model)) for end in ("", "_low", "_high")]
        for model in benchmark["model"].values
    ]
    return {
        "run": run,
        "speed": rows,
        "recognition": [_recognition_row(*stage) for stage in stages],
        "wholes": [
            {"model": str(model), "difference": percentage_points(*one), "verdict": verdict(*one)}
            for model, one in zip(benchmark["model"].values, wholes, strict=True)
        ],
        "goals": [
            {
                "reference": LABELS[name],
                "mean": float(benchmark["mean_speedup"].sel(reference=name)),
                "bound": float(benchmark["mean_speedup_bound"].sel(reference=name)),
                "stages": int(benchmark["stages_reached"].sel(reference=name)),
                "missed": int(benchmark[f"speedup_over_{name}"].count())
                - int(benchmark["stages_reached"].sel(reference=name)),
                "least": float(benchmark["least_speedup"].sel(reference=name)),
                "wanted_mean": wanted_mean,
                "wanted_least": wanted_least,
            }
            for name, (wanted_mean, wanted_least) in goals_of(benchmark).items()
        ],
        "longer": [row for row in rows if row["quality"] == "standard"],
        "unmatched": sum(not np.isfinite(row["steps"]["one_cycle"]) for row in rows),
        "heavier": sum(row["memory"]["one_cycle"] > row["memory"]["plenoptic"] for row in rows),
        "cochleagram": float(cochleagram["speedup"]),
        "cochleagram_error": float(cochleagram["relative_error"]),
        "jobs": times_table(times),
        "plans": [] if scale is None else _plans(scale),
        "cards": [] if scale is None else [str(card) for card in scale["card"].values],
        "figures": figures,
        "settings": settings,
        "at_once": CPU_BATCH_SIZE,
        "software": benchmark.attrs["software"],
        "processors": processors,
        "instruction_sets": instruction_sets,
        "mixed": max(len(processors), len(instruction_sets)) > 1,
    }
