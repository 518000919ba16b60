"""Figure of the report's overview: recognizability of all models' metamers over relative depth."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.modalities import MODALITIES
from metamers.report.figures import BLUE, FAINT, INK, SKY, published_curves, styled
from metamers.report.looks import Looks
from metamers.report.points import NATURAL_DEPTH, OTHERS, Point

NAMED_MODELS = 8  # largest number of models of a panel with a legend entry each; for more, only the mean has one


@styled
def overview_figure(
    points: Sequence[Point], models: Mapping[str, Mapping[str, Any]], relation: xr.Dataset, looks: Looks
) -> Figure:
    """Recognizability of accepted metamers by other models, one panel per modality, one line per model.

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
        curves = {
            name: np.array([(p["depth"], p["value"]) for p in points if p["model"] == name and p["by"] == OTHERS])
            for name in names
        }
        curves = {name: curve.reshape(-1, 2) for name, curve in curves.items()}
        few = len(names) <= NAMED_MODELS
        for name, curve in curves.items():
            style = looks[name].style | {"linewidth": 1.8} if few else {"color": SKY, "linewidth": 0.8}
            parts = np.array([p["part"] for p in points if p["model"] == name and p["by"] == OTHERS])
            for part in np.unique(parts):  # no line across a stage without a value
                label = name if few and part == parts[0] else None
                axes.plot(*curve[parts == part].T, **style, zorder=3, label=label)
        if not few:
            depth = np.linspace(0, 1, 50)
            own = [curve[curve[:, 0] >= 0] for curve in curves.values()]
            curved = [np.interp(depth, *curve.T) for curve in own if len(curve)]
            if curved:  # empty if no metamer of any model was accepted
                style = {"color": BLUE, "linewidth": 3, "zorder": 4}
                axes.plot(depth, np.mean(curved, axis=0), label=f"mean of {len(curved)} models", **style)
        _, published = published_curves(relation, modality)
        axes.plot(*published, "--", color=FAINT, linewidth=2, label="people, mean of the published models", zorder=2)
        chance = 1 / models[names[0]]["categories"]
        axes.axhline(
            chance, color=INK, linewidth=0.9, linestyle=":", label=f"one over all categories ({chance:.2g})", zorder=1
        )
        axes.set_xticks([NATURAL_DEPTH, 0, 0.25, 0.5, 0.75, 1], ["natural", "0", "0.25", "0.5", "0.75", "1"])
        axes.set(
            ylim=(-0.03, 1.05), xlabel="Relative depth of the stage (0 first, 1 last)", title=MODALITIES[modality].title
        )
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8.5)
    panels[0].set_ylabel("Proportion recognized by other models")
    return figure
