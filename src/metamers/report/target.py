"""Figure of the report's overview: the match of the metamers at each stage against the target of the synthesis."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from metamers.compare.converged import converged_stages
from metamers.modalities import MODALITIES
from metamers.report.figures import INK, styled
from metamers.report.looks import Look, Looks

SMALLEST = 1e-5  # errors below are drawn here, 0 among them


@styled
def target_figure(
    acceptance: Mapping[str, xr.Dataset],
    models: Mapping[str, Mapping[str, Any]],
    looks: Looks,
) -> Figure:
    """Normalized error of all metamers of each stage after the input: median and range, and the target as a line.

    A median is filled if the stage has converged. Stages without a target are left out.

    Parameters
    ----------
    acceptance
        Generation model → (stage, stimulus, seed) → ``normalized_error``.
    models
        Generation model → ``modality``, and ``targets``, stage after the input → normalized error of the target.
    looks
        Look of each model.
    """
    shown: dict[str, dict[str, dict[str, float]]] = {}
    for name, entry in models.items():
        if entry["targets"]:
            shown.setdefault(entry["modality"], {})[name] = entry["targets"]
    figure = Figure(figsize=(max(5.4 * len(shown), 9), 3.6), layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (modality, of_models) in zip(panels, shown.items(), strict=True):
        stages: list[str] = []
        for name, targets in of_models.items():
            _draw_model(axes, name, acceptance[name], targets, len(stages), looks[name])
            stages += targets
        axes.set_yscale("log")
        axes.margins(y=0.1)  # so that the target is not on the frame where all metamers have reached it
        axes.set_xticks(range(len(stages)), stages, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(MODALITIES[modality].title)
        axes.legend(fontsize=8.5, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    panels[0].set_ylabel("Normalized error")
    return figure


def _draw_model(
    axes: Axes, name: str, acceptance: xr.Dataset, targets: Mapping[str, float], first: int, look: Look
) -> None:
    """Draw the stages of one model, the first one at the place ``first``."""
    places = first + np.arange(len(targets))
    errors = acceptance["normalized_error"].sel(stage=list(targets)).transpose("stage", ...).values
    errors = np.maximum(errors.reshape(len(targets), -1), SMALLEST)
    medians = np.median(errors, axis=1)
    converged = np.array(list(converged_stages(acceptance, targets).values()))
    style = look.style | {"linestyle": "none"}
    axes.vlines(places, errors.min(axis=1), errors.max(axis=1), color=look.colour, linewidth=1.2)
    axes.plot(places[~converged], medians[~converged], **style | {"markerfacecolor": "white"}, label=name)
    axes.plot(places[converged], medians[converged], **style | {"markerfacecolor": look.colour})
    limits, label = list(targets.values()), None if first else "target"
    axes.hlines(limits, places - 0.4, places + 0.4, color=INK, linewidth=2, label=label)
