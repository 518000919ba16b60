"""Figures and values of the benchmark's page, computed from Datasets."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from metamers.modalities import MODALITIES
from metamers.models.batches import CPU_BATCH_SIZE
from metamers.report.figures import BLUE, FAINT, INK, ORANGE, styled
from metamers.report.steps import times_table
from metamers.report.tables import counted, percentage_points
from studies.benchmark.match import matches_alike
from studies.benchmark.measure import BFLOAT16, SEPARATOR
from studies.benchmark.speed import OF_PLENOPTIC, OF_PUBLISHED, RATIOS
from studies.benchmark.steps import PLENOPTIC, REFERENCES

LOOK = {"quick": (FAINT, "s"), "converged": (BLUE, "o"), "standard": (ORANGE, "D")}  # colour and mark
# Whether all processors compute bfloat16 natively → goals for the time of plenoptic: geometric mean, least.
GOALS = {False: (2.5, 1.6), True: (3, 2)}
TEMPLATE = Path(__file__).with_name("benchmark.html.j2")
# Ratio → its title in the table.
TITLES = {
    "steps_ratio_published": "steps of the published schedule",
    "step_cost_ratio_published_whole": "cost of a published step, whole network",
    "step_cost_ratio_published": "cost of a published step, truncated",
    "step_cost_ratio_published_optimized": "cost of a published step, with our optimizations",
    "speedup_over_published": "time of the published schedule, truncated",
    "steps_ratio_plenoptic": "steps of plenoptic",
    "step_cost_ratio_plenoptic": "cost of a step of plenoptic, truncated",
    "step_cost_ratio_plenoptic_optimized": "cost of a step of plenoptic, with our optimizations",
    "speedup_over_plenoptic": "time of plenoptic, truncated",
}
EQUIVALENT = 0.03  # difference in proportion correct


def stages_of(benchmark: xr.Dataset, model: str) -> xr.Dataset:
    """Timed stages of one model, in processing order."""
    number = benchmark["stage_number"].sel(model=model)
    return benchmark.sel(model=model, stage=number["stage"][number.notnull()]).sortby("stage_number")


def goals_of(benchmark: xr.Dataset) -> tuple[float, float]:
    """The goals for the machines of a benchmark, which depend on whether all of them compute bfloat16 natively."""
    return GOALS[all(BFLOAT16 in one for one in benchmark.attrs["instruction_sets"].split(SEPARATOR))]


def _ratio(summary: xr.Dataset, ratio: str, what: str, mean: str = "median") -> str:
    """A ratio over stages in words: its mean, least and greatest; ``at least`` where single ones are lower bounds."""
    one = summary.sel(ratio=ratio)
    bound = "at least " if one["stages_bounded"] > 0 else ""
    low, high = (f"{float(one[end]):.3g}" for end in ("least", "greatest"))
    return f"{bound}{float(one[mean]):.3g} times {what} ({mean.replace('_', ' ')}; {low} to {bound}{high})"


def _summaries(benchmark: xr.Dataset) -> Iterator[tuple[str, str, xr.Dataset]]:
    """The name of the stimuli, the quality and the ratios over stages of each modality and quality."""
    for modality in map(str, benchmark["modality"].values):
        for quality in map(str, benchmark["quality"].values):
            yield MODALITIES[modality].stimuli, quality, benchmark.sel(modality=modality, quality=quality)


def sentences(benchmark: xr.Dataset) -> list[str]:
    """The findings of a benchmark: what a change of ``quality`` gains, and the comparison with plenoptic."""
    lines = []
    for stimuli, quality, one in _summaries(benchmark):
        count = int(one["stages_compared"].sel(ratio="steps_ratio_published"))
        place = f"{stimuli.capitalize()}, at the match where {quality} ends, {counted(count, 'stage')}"
        lines += [
            f"{place}: the published schedule takes {_ratio(one, 'steps_ratio_published', 'as many steps')}, and "
            "with our optimizations a step of it costs "
            f"{_ratio(one, 'step_cost_ratio_published_optimized', 'as much')}.",
            f"{place}: plenoptic takes {_ratio(one, 'steps_ratio_plenoptic', 'as many steps')}, and "
            f"{_ratio(one, 'speedup_over_plenoptic', 'as long', 'geometric_mean')}. With our optimizations, a step "
            f"of it costs {_ratio(one, 'step_cost_ratio_plenoptic_optimized', 'as much')}.",
        ]
    return lines


def goal_rows(benchmark: xr.Dataset) -> list[dict[str, str]]:
    """For each modality and quality, whether the goals for the time of plenoptic are reached."""
    rows = []
    for stimuli, quality, of_ratios in _summaries(benchmark):
        one = of_ratios.sel(ratio="speedup_over_plenoptic")
        row = {"stimuli": stimuli, "quality": quality}
        for name, goal in zip(("geometric_mean", "least"), goals_of(benchmark), strict=True):
            value = float(one[name])
            missed = "not settled: a lower bound" if one["stages_bounded"] > 0 else "missed"
            row[name] = f"{value:.3g}, goal {goal}: {'reached' if value >= goal else missed}"
        rows.append(row)
    return rows


def summary_rows(benchmark: xr.Dataset) -> list[dict[str, Any]]:
    """The ratios over stages, a row for each modality, quality and ratio."""
    return [
        {"stimuli": stimuli, "quality": quality, "ratio": title}
        | {key: float(of_ratios[key].sel(ratio=ratio)) for key in ("median", "geometric_mean", "least", "greatest")}
        | {key: int(of_ratios[key].sel(ratio=ratio)) for key in ("stages_compared", "stages_bounded")}
        for stimuli, quality, of_ratios in _summaries(benchmark)
        for ratio, title in TITLES.items()
    ]


@styled
def ratio_figure(benchmark: xr.Dataset) -> Figure:
    """Steps of the published schedule, and time of plenoptic, relative to each quality, by model and stage.

    Lower bounds, where the reference did not reach the match, are hollow.
    """
    rows = [
        (str(model), str(stage))
        for model in benchmark["model"].values
        for stage in stages_of(benchmark, model)["stage"].values
    ]
    figure = Figure(figsize=(9, 1.6 + 0.35 * len(rows)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    shown = {
        "published": ("steps_ratio_published", "Steps of the published schedule"),
        "plenoptic": ("speedup_over_plenoptic", "Time of plenoptic"),
    }
    for axes, (reference, (name, title)) in zip(panels, shown.items(), strict=True):
        for number, quality in enumerate(map(str, benchmark["quality"].values)):
            of_quality = benchmark.sel(quality=quality)
            values, reached = (
                np.array([float(of_quality[key].sel(model=model, stage=stage)) for model, stage in rows])
                for key in (name, f"reached_{reference}")
            )
            place = np.arange(len(rows)) + 0.2 * (number - (benchmark.sizes["quality"] - 1) / 2)
            for chosen, filled in ((reached == 1, True), (reached == 0, False)):
                if chosen.any():
                    colour, mark = LOOK[quality]
                    face = colour if filled else "none"
                    label = f"at the match of {quality}{'' if filled else ': lower bound'}"
                    style = {"color": colour, "markerfacecolor": face, "label": label}
                    axes.plot(values[chosen], place[chosen], mark, **style)
        axes.axvline(1, color=INK, linewidth=0.8)
        axes.set(xscale="log", xlabel=f"{title},\nrelative to ours (logarithmic axis)")
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(rows)), [f"{model}  {stage}" for model, stage in rows])
    panels[0].set_ylim(len(rows) - 0.5, -0.5)
    handles = {}
    for axes in panels:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)
    return figure


def _ratio_rows(model: str, stage: xr.Dataset) -> Iterator[dict[str, Any]]:
    """Rows of the table for one stage, one for each quality."""
    per_step = 1e3 * stage["seconds_per_step"].median("repeat")
    for quality in map(str, stage["quality"].values):
        one = stage.sel(quality=quality)
        yield {
            "model": model,
            "stage": str(stage["stage"].values),
            "quality": quality,
            "error": float(one["normalized_error"]),
            "steps": float(one["steps"]),
            "of_reference": {name: float(one["steps_to_match"].sel(reference=name)) for name in REFERENCES},
            "most": int(one["steps_most"]),
            "milliseconds": [float(per_step.sel(variant=name)) for name in (quality, *OF_PUBLISHED, *OF_PLENOPTIC)],
            "ratios": {name: float(one[name]) for name in RATIOS},
            "range": [float(one[f"speedup_over_plenoptic{end}"]) for end in ("_low", "_high")],
        }


def _memory_row(model: str, stage: xr.Dataset) -> dict[str, Any]:
    return {
        "model": model,
        "stage": str(stage["stage"].values),
        "share": float(stage["share_of_peak"]),
        "memory": [float(one) for one in stage["peak_memory"].values],
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
    wholes = [
        [float(benchmark[f"whole_difference{end}"].sel(model=model)) for end in ("", "_low", "_high")]
        for model in benchmark["model"].values
    ]
    return {
        "run": run,
        "sentences": sentences(benchmark),
        "goals": goal_rows(benchmark),
        "summary": summary_rows(benchmark),
        "rows": [row for stage in stages for row in _ratio_rows(*stage)],
        "memory": [_memory_row(*stage) for stage in stages],
        "variants": list(map(str, benchmark["variant"].values)),
        "of_references": [*OF_PUBLISHED, *OF_PLENOPTIC],
        "plenoptic": {
            modality: "; ".join(f"rate {one.rate}, averages {one.betas[0]} and {one.betas[1]}" for one in tried)
            for modality, tried in PLENOPTIC.items()
        },
        "recognition": [_recognition_row(*stage) for stage in stages],
        "wholes": [
            {"model": str(model), "difference": percentage_points(*one), "verdict": verdict(*one)}
            for model, one in zip(benchmark["model"].values, wholes, strict=True)
        ],
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
