"""Panels of the published figures, redrawn from the public data.

They have the style of the report's figures: series differ by marker, fill and line as well as by colour.
"""

import textwrap

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metamers.humans.participants import OBSERVERS
from metamers.paper.judgements import architecture, by_class, families
from metamers.report.figures import BLUE, FAINT, INK, KIND_COLOURS, KIND_MARKERS, ORANGE, PALE, styled

COLUMNS = 3
PANEL = (3.7, 3.3)  # width and height, inches
KIND_LINES = ("-", "--", "-.", ":", (0, (4, 1, 1, 1, 1, 1)), (0, (1, 2)))
NO_BREAK = "\N{NO-BREAK SPACE}"
NAMED = 12  # largest number of models in a scatter plot with one marker each; with more, each kind has one


def kind_style(kinds: list[str], kind: str) -> dict:
    """Marker, fill and colour of one of the kinds."""
    number = kinds.index(kind)
    colour = KIND_COLOURS[number % len(KIND_COLOURS)]
    return {
        "color": colour,
        "marker": KIND_MARKERS[number % len(KIND_MARKERS)],
        "markerfacecolor": "white" if number % 2 else colour,
    }


def _grid(number: int, columns: int, foot: float) -> tuple[Figure, list[Axes]]:
    """A figure of ``number`` panels, and the panels. ``foot`` is the height of the legend, in inches."""
    columns = min(columns, number)
    rows = -(-number // columns)
    figure = Figure(figsize=(max(PANEL[0] * columns, 5), PANEL[1] * rows + foot), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in grid[number:]:
        axes.set_visible(False)
    for axes in grid[:number:columns]:
        axes.set_ylabel("Proportion correct")
    return figure, list(grid[:number])


def _stages(axes: Axes, stages: list[str]) -> None:
    axes.set_xticks(range(len(stages)), stages, rotation=40, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_xlim(-0.4, len(stages) - 0.6)
    axes.set_ylim(-0.03, 1.05)
    axes.tick_params(labelleft=True)
    axes.grid(axis="y", color=PALE, linewidth=0.6)


def _title(axes: Axes, text: str, count: str) -> None:
    # The count is not wrapped.
    whole = f"{text} ({count.replace(' ', NO_BREAK)})"
    axes.set_title("\n".join(textwrap.wrap(whole, 40)).replace(NO_BREAK, " "), fontsize=9.5)


@styled
def experiment_figure(groups: pd.DataFrame, experiment: str, chance: float) -> Figure:
    """One published experiment: recognizability by stage for each model, by participants and by the model itself.

    Parameters
    ----------
    groups
        Result of ``metamers.humans.summary.group_results``.
    experiment
        Name of the experiment.
    chance
        Proportion correct of an observer who guesses.
    """
    of_experiment = groups[groups["experiment"] == experiment]
    figure, panels = _grid(of_experiment["generation_model"].nunique(), COLUMNS, 0.5)
    looks = {
        OBSERVERS[0]: {"color": INK, "marker": "o", "linewidth": 2, "label": "participants"},
        OBSERVERS[1]: {
            "color": BLUE, "marker": "s", "linestyle": "--", "markerfacecolor": "white", "label": "the model itself"
        },
    }  # fmt: skip
    by_model = of_experiment.groupby("generation_model", sort=False)
    for axes, (model, of_model) in zip(panels, by_model, strict=True):
        for observer, look in looks.items():
            series = of_model[of_model["observer"] == observer]
            axes.errorbar(range(len(series)), series["mean"], series["sem"], capsize=2, markersize=5, **look)
        axes.axhline(chance, color=FAINT, linewidth=1, linestyle=":", label="chance")
        _stages(axes, list(dict.fromkeys(of_model["stage"])))
        participants = of_model.loc[of_model["observer"] == OBSERVERS[0], "n"].max()
        _title(axes, model, f"N = {participants}")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure


@styled
def judgements_figure(data: xr.Dataset, participants: pd.DataFrame) -> Figure:
    """Recognition of the metamers of each family of models, by each kind of model and by participants.

    Parameters
    ----------
    data
        Result of ``metamers.paper.judgements.judgements_dataset``.
    participants
        Result of ``metamers.paper.brain.pooled_participants``.
    """
    kinds = list(dict.fromkeys(map(str, data["recognition_class"].values)))
    drawn = families(data)
    figure, panels = _grid(len(drawn), COLUMNS, 0.9)
    labelled: dict[str, object] = {}
    for axes, models in zip(panels, drawn, strict=True):
        table = by_class(data, models)
        x = range(len(table))
        for kind in table:
            line = KIND_LINES[kinds.index(kind) % len(KIND_LINES)]
            style = kind_style(kinds, kind) | {"linestyle": line, "linewidth": 1.2, "markersize": 4.5}
            labelled.setdefault(kind, axes.plot(x, table[kind], **style)[0])
        asked = [[participants["human_mean"].get((model, stage), np.nan) for stage in table.index] for model in models]
        if np.isfinite(asked).any():
            mean = np.mean(asked, axis=0)
            style = {"color": INK, "marker": "*", "linewidth": 2.4, "markersize": 8}
            labelled.setdefault("participants", axes.plot(x, mean, **style)[0])
        _stages(axes, list(table.index))
        kind = str(data["model_class"].sel(generation_model=models[0]).values)
        count = f"{len(models)} models" if len(models) > 1 else "1 model"
        _title(axes, f"{', '.join(dict.fromkeys(map(architecture, models)))}: {kind}", count)
    who = {"title": "Recognized by models of the kind, and by participants", "title_fontsize": 9}
    figure.legend(labelled.values(), labelled, loc="outside lower center", ncols=3, fontsize=9, **who)
    return figure


@styled
def against_participants_figure(data: xr.Dataset, prediction: str, dimension: str, xlabel: str) -> Figure:
    """Prediction of brain areas by models, against participants' recognition of metamers of their best stages.

    Parameters
    ----------
    data
        Result of ``brain_score_dataset`` or ``fmri_dataset`` of ``metamers.paper.brain``.
    prediction
        Variable along the abscissa; a variable with the suffix ``_sem``, if present, is the error bar.
    dimension
        Dimension of the areas; each area has one panel.
    xlabel
        Label of the abscissa.
    """
    figure, panels = _grid(data.sizes[dimension], 2 if data.sizes[dimension] == 4 else COLUMNS, 1.0)
    models = list(map(str, data["generation_model"].values))
    classes = list(map(str, data["model_class"].values))
    groups = models if len(models) <= NAMED else classes
    kinds = list(dict.fromkeys(groups))
    limits = (float(data[prediction].min()) - 0.05, float(data[prediction].max()) + 0.05)
    for axes, area in zip(panels, data[dimension].values, strict=True):
        of_area = data.sel({dimension: area})
        x, y = of_area[prediction].values, of_area["human_mean"].values
        errors = of_area[f"{prediction}_sem"].values if f"{prediction}_sem" in data else np.zeros(len(x))
        if np.ptp(x) > 0:
            fit = scipy.stats.linregress(x, y)
            ends = np.array([x.min(), x.max()])
            axes.plot(ends, fit.intercept + fit.slope * ends, color=ORANGE, linewidth=1, linestyle=":", zorder=1)
        for kind in kinds:
            of_kind = np.array(groups) == kind
            axes.errorbar(
                x[of_kind], y[of_kind], of_area["human_sem"].values[of_kind], errors[of_kind], linestyle="none",
                elinewidth=0.7, markersize=6, alpha=0.9, label=kind, **kind_style(kinds, kind),
            )  # fmt: skip
        rho, low, high = (float(of_area[f"spearman_rho{end}"]) for end in ("", "_low", "_high"))
        words = f"ρ {rho:.2f} ({low:.2f} to {high:.2f}), p {float(of_area['p_bonferroni']):.2g}"
        axes.set_title(
            f"{dimension.replace('_', ' ')}: {area}\n{words}, R² {float(of_area['pearson_r2']):.2f}", fontsize=9
        )
        axes.set(xlabel=xlabel, ylabel="Proportion correct of participants", xlim=limits, ylim=(-0.03, 1.05))
        axes.tick_params(labelleft=True)
    columns = 2 if max(map(len, kinds)) > 32 else 4
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns, fontsize=9)
    return figure
