"""The figure of the report's overview: recognizability of all models' metamers over relative depth."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.report_figures import FAINT, INK, KIND_COLOURS, KIND_MARKERS, SKY, published_curves, styled
from metamers.report_points import NATURAL_DEPTH, OTHERS, Point

TITLES = {"vision": "Vision", "audio": "Hearing"}
NAMED_MODELS = 8  # of a panel; of more only their mean has a name


@styled
def overview_figure(points: Sequence[Point], models: Mapping[str, Mapping[str, Any]], relation: xr.Dataset) -> Figure:
    """How many of the accepted metamers other models recognize, a panel a modality, a line a model.

    Parameters
    ----------
    points
        What ``metamers.report_points.recognizability_points`` gives.
    models
        Generation model → ``modality`` and ``categories``, the number of categories to choose among.
    relation
        What ``metamers.compare.humans_vs_models`` gives.
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
        for number, (name, curve) in enumerate(curves.items()):
            colour = KIND_COLOURS[number % len(KIND_COLOURS)] if few else SKY
            style = {"color": colour, "linewidth": 1.8 if few else 0.8, "zorder": 3}
            if few:
                style |= {"marker": KIND_MARKERS[number % len(KIND_MARKERS)], "label": name}
                style |= {"markerfacecolor": "white" if number % 2 else colour}
            axes.plot(*curve.T, **style)
        if not few:
            depth = np.linspace(0, 1, 50)
            own = [curve[curve[:, 0] >= 0] for curve in curves.values()]
            curved = [np.interp(depth, *curve.T) for curve in own if len(curve)]
            if curved:  # of some model a metamer was accepted
                style = {"color": KIND_COLOURS[2], "linewidth": 3, "zorder": 4}
                axes.plot(depth, np.mean(curved, axis=0), label=f"mean of {len(curved)} models", **style)
        _, people = published_curves(relation, modality)
        axes.plot(*people, "--", color=FAINT, linewidth=2, label="people, mean of the published models", zorder=2)
        chance = 1 / models[names[0]]["categories"]
        axes.axhline(
            chance, color=INK, linewidth=0.9, linestyle=":", label=f"one over all categories ({chance:.2g})", zorder=1
        )
        axes.set_xticks([NATURAL_DEPTH, 0, 0.25, 0.5, 0.75, 1], ["natural", "0", "0.25", "0.5", "0.75", "1"])
        axes.set(ylim=(-0.03, 1.05), xlabel="Relative depth of the stage (0 first, 1 last)", title=TITLES[modality])
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8.5)
    panels[0].set_ylabel("Proportion recognized by other models")
    return figure
