"""Which stages of the published models pass: figure, and values of the section on the leaderboard's page.

The test is in ``metamers.compare.passes``.
"""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.humans.participants import own_stages
from metamers.modalities import MODALITIES
from metamers.report.figures import BLUE, FAINT, ORANGE, PALE, styled

ROW = 0.25  # height of a model in the figure, in inches
APART = 0.4  # vertical distance of stages of equal depth, between which the model has no layer, in rows
MARKS = {  # verdict → its words in the legend, and its mark
    "passes": ("passes: as often as natural stimuli", {"marker": "o", "color": BLUE, "markersize": 6}),
    "not worse": (
        "not worse: as often or more often",
        {"marker": "o", "color": BLUE, "markerfacecolor": "white", "markersize": 6},
    ),
    "undecided": ("undecided", {"marker": "|", "color": FAINT, "markersize": 7}),
    "fails": ("fails: less often by more than the margin", {"marker": "x", "color": ORANGE, "markersize": 5}),
}
VERDICTS = {"passes": "passes", "not_worse": "not worse", "fails": "fails"}  # variable → verdict


def verdict_of(stage: xr.Dataset) -> str:
    """Return the verdict on one stage, a key of ``MARKS``."""
    return next((verdict for name, verdict in VERDICTS.items() if bool(stage[name])), "undecided")


def stage_rows(tested: xr.Dataset, model: str) -> list[dict[str, Any]]:
    """List the tested stages of a model in processing order, with the values that the page shows."""
    names = ("natural_difference", "natural_difference_low", "natural_difference_high", "power_if_equal")
    numbers = (*names, "p_equivalence", "stage_depth")
    of_model = tested[[*numbers, *VERDICTS]].sel(generation_model=model)
    rows = []
    for stage in own_stages(tested, model):
        own = of_model.sel(stage=stage)
        if np.isfinite(own["p_equivalence"]):
            rows.append({"stage": stage, "verdict": verdict_of(own)} | {name: float(own[name]) for name in numbers})
    return rows


def models_by_depth(tested: xr.Dataset, modality: str) -> list[str]:
    """Sort the models of a modality by the depth up to which they pass, are not worse, and do not fail."""
    own = tested.isel(generation_model=tested["model_modality"].values == modality)
    depth = own["stage_depth"]
    passes, not_worse = (depth.where(own[name]).max("stage").fillna(0).values for name in ("passes", "not_worse"))
    fails = depth.where(own["fails"]).min("stage").fillna(2).values
    return [str(own["generation_model"].values[place]) for place in np.lexsort((-fails, -not_worse, -passes))]


def by_margin(tested: xr.Dataset, model: str) -> list[dict[str, Any]]:
    """List the ends of a model's verdicts for every margin: ``factor``, ``passes_up_to``, ``fails_from``.

    The factor of the margin itself is 1; the others are those of ``tested``, in increasing order.
    """
    own, names = tested.sel(generation_model=model), ("passes_up_to", "fails_from")
    rows = [{"factor": 1.0} | {name: str(own[name].values) for name in names}]
    for factor in own["margin_factor"].values:
        other = own.sel(margin_factor=factor)
        rows.append({"factor": float(factor)} | {name: str(other[f"{name}_by_margin"].values) for name in names})
    return sorted(rows, key=lambda row: row["factor"])


def passes_context(tested: xr.Dataset, modality: str) -> dict[str, Any]:
    """Values of one modality's paragraph and table on the page."""
    models = models_by_depth(tested, modality)
    own, of_models = tested.sel(modality=modality), tested.sel(generation_model=models)
    numbers = ("margin", "margin_standard_error", "natural_sd", "natural_participants", "fewest_participants")
    up_to = of_models["passes_up_to"].values
    rows = {model: stage_rows(tested, model) for model in models}
    return {
        "models": [
            {
                "name": model,
                "participants": int(of_models["participants"].sel(generation_model=model).max()),
                "stages": rows[model],
                "by_margin": by_margin(tested, model),
            }
            for model in models
        ],
        "other_margins": [
            {
                "factor": float(factor),
                "passing": int((other["passes_up_to_by_margin"] != "").sum()),
                "failing": int((other["fails_from_by_margin"] != "").sum()),
                "to_the_end": sum(
                    str(other["passes_up_to_by_margin"].sel(generation_model=model).values) == rows[model][-1]["stage"]
                    for model in models
                    if rows[model]
                ),
            }
            for factor, other in of_models.groupby("margin_factor")
        ],
        "passing": int((up_to != "").sum()),
        "not_worse": int((of_models["not_worse_up_to"] != "").sum()),
        "failing": int((of_models["fails_from"] != "").sum()),
        "to_the_end": sum(row["verdict"] == "passes" for model in models for row in rows[model][-1:]),
        **{name: float(own[name]) for name in (*numbers, "participants_needed")},
    }


def spread(depths: np.ndarray) -> np.ndarray:
    """Compute vertical offsets (stage,) by which stages of equal depth lie beside each other."""
    offsets = np.zeros(len(depths))
    for depth in np.unique(depths):
        same = np.flatnonzero(depths == depth)
        offsets[same] = APART * (np.arange(len(same)) - (len(same) - 1) / 2)
    return offsets


@styled
def passes_figure(tested: xr.Dataset) -> Figure:
    """The verdict on every stage of every published model over depth, one panel per modality.

    Parameters
    ----------
    tested
        Result of ``metamers.compare.passes.passes_dataset``.
    """
    rows = {str(modality): models_by_depth(tested, str(modality)) for modality in tested["modality"].values}
    heights = [len(models) for models in rows.values()]
    figure = Figure(figsize=(9, ROW * sum(heights) + 1.1 * len(heights) + 0.7), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (modality, models) in zip(panels, rows.items(), strict=True):
        points = []
        for place, model in enumerate(models):
            stages = stage_rows(tested, model)
            offsets = spread(np.array([row["stage_depth"] for row in stages]))
            points += [(place + offset, row) for offset, row in zip(offsets, stages, strict=True)]
        axes.hlines(range(len(models)), 0, 1, color=PALE, linewidth=0.8, zorder=0)
        for verdict, (words, style) in MARKS.items():
            own = np.array([(row["stage_depth"], place) for place, row in points if row["verdict"] == verdict])
            axes.plot(*own.reshape(-1, 2).T, linestyle="none", label=words, **style)
        axes.set_yticks(range(len(models)), models, fontsize=9)
        axes.set(
            xlim=(-0.02, 1.02), ylim=(len(models) - 0.5, -0.7), title=MODALITIES[modality].title,
            xlabel="Depth of the stage",
        )  # fmt: skip
        axes.tick_params(axis="y", length=0)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=9)
    return figure
