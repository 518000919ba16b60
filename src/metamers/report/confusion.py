"""Confusion matrices of the report: answers of other models to a model's metamers and natural stimuli."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from metamers.modalities import MODALITIES
from metamers.names import INPUT_STAGE, NATURAL
from metamers.report.figures import FAINT, INK, PALE, styled


def shown_stages(stages: list[str]) -> list[str]:
    """Natural stimuli, the first stage after the input, a middle stage and the last stage, each once."""
    later = [stage for stage in stages if stage != INPUT_STAGE] or stages
    return list(dict.fromkeys([NATURAL, later[0], later[len(later) // 2], later[-1]]))


def confusion(
    generation_model: str, recognition: Mapping[str, xr.Dataset], accepted: xr.DataArray, stages: list[str]
) -> xr.DataArray:
    """Number of answers for each category, over all other models, accepted metamers and metamer seeds.

    Parameters
    ----------
    generation_model
        The model of the metamers; its own answers are not counted.
    recognition
        Recognition model → ``answer`` (stage, stimulus, seed), with coordinate ``category`` (stimulus).
    accepted
        (stage, stimulus, seed), without ``natural``.
    stages
        Stages to count, which may include ``natural``.

    Returns
    -------
    xr.DataArray
        (stage, category, answered_category): number of answers. ``category`` has the categories of the stimuli;
        ``answered_category`` has the same in the same order, then all others that were answered.
    """
    others = [data for name, data in recognition.items() if name != generation_model]
    natural = next(iter(recognition.values()))["category"].values.astype(str)
    categories = sorted(set(natural))
    answered = {str(a) for data in others for a in np.unique(data["answer"].sel(stage=stages).values)}
    columns = [*categories, *sorted(answered - set(categories))]
    counts = np.zeros((len(stages), len(categories), len(columns)), dtype=int)
    for number, stage in enumerate(stages):
        for data in others:
            answers = data["answer"].sel(stage=stage).transpose("stimulus", "seed").values.astype(str)
            counted = np.ones(answers.shape, dtype=bool)
            if stage == NATURAL:
                counted[:, 1:] = False  # the same stimulus for every seed
            else:
                counted = accepted.sel(stage=stage).transpose("stimulus", "seed").values.astype(bool)
            for stimulus, seed in np.argwhere(counted):
                counts[number, categories.index(natural[stimulus]), columns.index(answers[stimulus, seed])] += 1
    coords = {"stage": stages, "category": categories, "answered_category": columns}
    return xr.DataArray(counts, coords=coords, dims=list(coords))


@styled
def confusion_figure(counts: xr.DataArray, modality: str, category_noun: str) -> Figure:
    """Confusion matrices, one panel per stage; rows: category, columns: answer, grey: proportion of answers.

    Parameters
    ----------
    counts
        Result of ``confusion``.
    modality
        ``vision`` or ``audio``.
    category_noun
        What a category is called.
    """
    stages, rows, columns = (list(map(str, counts[dim].values)) for dim in counts.dims)
    longest = max(map(len, columns)) * 0.075  # in inches
    wide, high = max(0.19 * len(columns), 3.2), max(0.19 * len(rows), 1.2)
    across = 2 if len(stages) > 1 else 1
    down = -(-len(stages) // across)
    figure = Figure(
        figsize=(across * (wide + 0.2) + longest + 1.3, down * (high + longest + 0.4) + 0.3),
        layout="constrained",
    )
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    total = counts.sum("answered_category")
    proportion = (counts / total.where(total > 0)).values
    for axes, stage, values in zip(grid, stages, proportion, strict=False):
        # Only cells with answers are drawn, because most of a matrix is empty.
        row, column = np.nonzero(np.nan_to_num(values))
        corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        squares = PolyCollection(np.stack([column, row], axis=1)[:, None] + corners, cmap="Greys", linewidth=0)
        squares.set(array=values[row, column], clim=(0, 1))
        axes.add_collection(squares)
        for row in np.flatnonzero(~np.isfinite(values).all(axis=1)):  # no answers: not the same as 0
            axes.plot([-0.5, len(columns) - 0.5], [row, row], color=FAINT, linewidth=0.8, linestyle=":")
        # The framed cells are the correct answers.
        edges = np.arange(len(rows) + 1) - 0.5
        for where in ("pre", "post"):
            axes.step(edges, edges, where=where, color=FAINT, linewidth=0.5)
        asked = int(counts.sel(stage=stage).sum())
        right = sum(int(counts.sel(stage=stage, category=name, answered_category=name)) for name in rows)
        axes.set_title(f"{stage}: {right} of {asked} correct" if asked else f"{stage}: no answers", fontsize=10)
        axes.set_xticks(range(len(columns)), columns, rotation=90, fontsize=8.5)
        axes.set_yticks(range(len(rows)), rows, fontsize=8.5)
        axes.tick_params(length=0, labelbottom=True)
        axes.spines[["top", "right"]].set_visible(True)
        for spine in axes.spines.values():
            spine.set(color=PALE)
    grid[0].set(
        xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5)
    )  # shared by all panels; rows run downward
    for axes in grid[len(stages) :]:
        axes.set_visible(False)
    bar = figure.colorbar(
        squares, ax=list(grid), shrink=0.6, aspect=30, pad=0.01, label=f"Proportion of the {category_noun}’s answers"
    )
    bar.outline.set(color=INK, linewidth=0.5)
    figure.supxlabel("Answer of the other models", fontsize=10.5)
    figure.supylabel(MODALITIES[modality].confusion_axis.format(category_noun.capitalize()), fontsize=10.5)
    return figure
