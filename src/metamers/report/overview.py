"""Figure of the report's overview: recognizability of all models' metamers over the position of the stage."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import stdtrit

from metamers.compare.proportions import ENDS
from metamers.modalities import MODALITIES
from metamers.report.figures import BLUE, FAINT, INK, SKY, published_curves, styled
from metamers.report.looks import Look, Looks
from metamers.report.points import NATURAL_POSITION, OTHERS, Point

NAMED_MODELS = 8  # largest number of models of a panel with a name and intervals each; for more, only the mean has them
BESIDE = 0.02  # distance of the marks of two models at one position, so that their intervals do not hide each other


def _draw_curve(axes: Axes, name: str, points: Sequence[Point], look: Look, shift: float) -> None:
    """Curve of one model with its 95% intervals, ``shift`` to the right of its positions."""
    label = name
    for part in dict.fromkeys(p["part"] for p in points):  # no line across a stage without a value
        of_part = [p for p in points if p["part"] == part]
        x, y, low, high = (np.array([p[key] for p in of_part], float) for key in ("position", "value", "low", "high"))
        axes.errorbar(
            x + shift, y, np.maximum([y - low, high - y], 0), **look.style, linewidth=1.8, elinewidth=1, capsize=3,
            zorder=3, label=label,
        )  # fmt: skip
        label = None


def _draw_mean(axes: Axes, models: Iterable[Sequence[Point]]) -> None:
    """Curves of many models without names, and their mean with its 95% interval over models."""
    position, curves = np.linspace(0, 1, 50), []
    for points in models:
        for part in dict.fromkeys(p["part"] for p in points):
            of_part = [(p["position"], p["value"]) for p in points if p["part"] == part]
            axes.plot(*np.transpose(of_part), color=SKY, linewidth=0.8, zorder=3)
        if own := [(p["position"], p["value"]) for p in points if p["position"] >= 0]:
            curves.append(np.interp(position, *np.transpose(own)))
    if not curves:  # no metamer of any model was accepted
        return
    mean, count = np.mean(curves, axis=0), len(curves)
    axes.plot(position, mean, color=BLUE, linewidth=3, zorder=4, label=f"mean of {count} models (band: 95% interval)")
    if count > 1:
        half = stdtrit(count - 1, ENDS[1]) * np.std(curves, axis=0, ddof=1) / np.sqrt(count)
        axes.fill_between(position, mean - half, mean + half, color=BLUE, alpha=0.25, linewidth=0, zorder=4)


@styled
def overview_figure(
    points: Sequence[Point], models: Mapping[str, Mapping[str, Any]], relation: xr.Dataset, looks: Looks
) -> Figure:
    """Recognizability of accepted metamers by other models with 95% intervals, a panel per modality, a line per model.

    Parameters
    ----------
    points
        Result of ``metamers.report.points.recognizability_points``.
    models
        Generation model → ``modality`` and ``categories``, the number of categories.
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``.
    looks
        Look of each model.
    """
    modalities = list(dict.fromkeys(entry["modality"] for entry in models.values()))
    figure = Figure(figsize=(max(5.4 * len(modalities), 9), 5.4), layout="constrained")
    panels = figure.subplots(1, len(modalities), squeeze=False, sharey=True)[0]
    for axes, modality in zip(panels, modalities, strict=True):
        names = [name for name, entry in models.items() if entry["modality"] == modality]
        of_others = {name: [p for p in points if p["model"] == name and p["by"] == OTHERS] for name in names}
        if len(names) <= NAMED_MODELS:
            for place, (name, own) in enumerate(of_others.items()):
                _draw_curve(axes, name, own, looks[name], BESIDE * (place - (len(names) - 1) / 2))
        else:
            _draw_mean(axes, of_others.values())
        _, published = published_curves(relation, modality)
        axes.plot(
            *published, "--", color=FAINT, linewidth=2, label="participants, mean of the published models", zorder=2
        )
        chance = 1 / models[names[0]]["categories"]
        axes.axhline(
            chance, color=INK, linewidth=0.9, linestyle=":", label=f"one over all categories ({chance:.2g})", zorder=1
        )
        axes.set_xticks([NATURAL_POSITION, 0, 0.25, 0.5, 0.75, 1], ["natural", "0", "0.25", "0.5", "0.75", "1"])
        axes.set(ylim=(-0.03, 1.05), xlabel="Position of the stage (0 first, 1 last)", title=MODALITIES[modality].title)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8.5)
    panels[0].set_ylabel("Proportion recognized by other models (95% intervals)")
    return figure
