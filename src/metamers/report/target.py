"""Figure of the report's overview: the match of the metamers at each stage against the target of the synthesis."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from metamers.modalities import MODALITIES
from metamers.names import INPUT_STAGE
from metamers.report.figures import INK, styled
from metamers.report.looks import Looks

SMALLEST = 1e-5  # errors below are drawn here, 0 among them
TARGET = "target"


def share_converged(acceptance: xr.Dataset, targets: Mapping[str, float]) -> dict[str, float]:
    """The share of a model's metamers whose normalized error is at most the target, by stage after the input.

    Parameters
    ----------
    acceptance
        (stage, stimulus, seed) → ``normalized_error``.
    targets
        Stage → normalized error.
    """
    errors = acceptance["normalized_error"].transpose("stage", ...)
    return {
        stage: float((errors.sel(stage=stage) <= target).mean())
        for stage, target in targets.items()
        if stage != INPUT_STAGE
    }


@styled
def target_figure(
    acceptance: Mapping[str, xr.Dataset],
    models: Mapping[str, Mapping[str, Any]],
    looks: Looks,
) -> Figure:
    """Normalized error of all metamers of each stage after the input: median and range, and the target as a line.

    A median is filled if it is at most the target.

    Parameters
    ----------
    acceptance
        Generation model → (stage, stimulus, seed) → ``normalized_error``.
    models
        Generation model → ``modality``, and ``targets``, stage → normalized error at which synthesis to a target ends.
    looks
        Look of each model.
    """
    modalities = list(dict.fromkeys(entry["modality"] for entry in models.values()))
    figure = Figure(figsize=(max(5.4 * len(modalities), 9), 3.6), layout="constrained")
    panels = figure.subplots(1, len(modalities), squeeze=False)[0]
    for axes, modality in zip(panels, modalities, strict=True):
        stages: list[str] = []
        for name in (name for name, entry in models.items() if entry["modality"] == modality):
            of_model = {stage: target for stage, target in models[name]["targets"].items() if stage != INPUT_STAGE}
            places = len(stages) + np.arange(len(of_model))
            errors = acceptance[name]["normalized_error"].sel(stage=list(of_model)).transpose("stage", ...).values
            errors = np.maximum(errors.reshape(len(of_model), -1), SMALLEST)
            low, median, high = errors.min(axis=1), np.median(errors, axis=1), errors.max(axis=1)
            limits = np.array(list(of_model.values()))
            reached = median <= limits
            style = dict(looks[name].style) | {"linestyle": "none"}
            axes.vlines(places, low, high, color=style["color"], linewidth=1.2)
            axes.plot(places[~reached], median[~reached], **style | {"markerfacecolor": "white"}, label=name)
            axes.plot(places[reached], median[reached], **style | {"markerfacecolor": style["color"]})
            label = TARGET if not stages else None
            axes.hlines(limits, places - 0.4, places + 0.4, color=INK, linewidth=2, label=label)
            stages += of_model
        axes.set_yscale("log")
        axes.set_xticks(range(len(stages)), stages, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(MODALITIES[modality].title)
        axes.legend(fontsize=8.5, loc="best")
    panels[0].set_ylabel("Normalized error")
    return figure
