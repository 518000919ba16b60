"""Own participants of adaptive experiments: values of the section on the page Statistics, and its figure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.humans.adaptive_model import DIFFERENCE
from metamers.humans.design import QUESTION
from metamers.humans.participants import own_stages
from metamers.names import NATURAL
from metamers.report.figures import BLUE, FAINT, INK, ORANGE, PALE, styled
from metamers.report.own_participants import left_out
from metamers.report.tables import ABSENT, Table, number, signed

COLOURS = (BLUE, ORANGE)
BEFORE = -0.15  # where natural stimuli are drawn, before all stages


def _sentence(found: xr.Dataset) -> str:
    """Say what was asked and what was found."""
    models = [str(model) for model in found["generation_model"].values]
    value, low, high = (signed(float(found[f"estimate{end}"])) for end in ("", "_low", "_high"))
    if found.attrs[QUESTION] != DIFFERENCE:
        return (
            f"Recognition of metamers of {models[0]} by an average participant falls halfway at position {value} "
            f"(95% credible interval {low} to {high}; 0 is the first stage shown, 1 the last)."
        )
    factor = float(found["estimate_bayes_factor"])
    evidence = f"{factor:.3g} for" if factor >= 1 else f"{1 / factor:.3g} against"
    return (
        f"Log odds of recognizing metamers of {models[0]}, minus those of {models[1]}, at equal position: {value} (95% "
        f"credible interval {low} to {high}). Bayes factor: {evidence} a difference."
    )


def adaptive_table(found: xr.Dataset) -> Table:
    """Make a table with a row for each condition: answers, and the fitted proportion correct."""
    rows = []
    models = [str(model) for model in found["generation_model"].values]
    for place, model in enumerate(models):
        for stage in own_stages(found, model):
            if stage == NATURAL and place:
                continue  # natural stimuli are the same for all models
            one = found.sel(generation_model=model, stage=stage)
            given, correct = int(one["answers_given"]), int(one["answers_correct"])
            fitted = (number(float(one[name])) for name in ("fitted_proportion", "fitted_low", "fitted_high"))
            rows.append(
                [
                    ABSENT if stage == NATURAL else model,
                    stage,
                    str(given),
                    number(correct / given) if given else ABSENT,
                    "{} ({} to {})".format(*fitted),
                ]
            )
    head = ["Metamers of", "Stage", "Answers", "Proportion correct", "Fitted (95% credible interval)"]
    return {"head": head, "rows": rows}


def adaptive_context(groups: Mapping[str, xr.Dataset]) -> list[dict[str, Any]]:
    """Values of each adaptive experiment for the page: a list of the groups.

    Parameters
    ----------
    groups
        Name → result of ``metamers.humans.adaptive.adaptive_dataset``.
    """
    return [
        {
            "name": name,
            "figure": f"adaptive_{name}",
            "sentence": _sentence(found),
            "suffices": bool(found["answers_suffice"]),
            "answers": int(found["answers_given"].sum()) - _repeated(found),
            "participants": int(found["participants_included"]),
            **left_out(found),
            "table": adaptive_table(found),
        }
        for name, found in groups.items()
    ]


def _repeated(found: xr.Dataset) -> int:
    """Answers to natural stimuli that are counted for more than one model."""
    return int(found["answers_given"].sel(stage=NATURAL).isel(generation_model=slice(1, None)).sum())


@styled
def adaptive_figure(found: xr.Dataset) -> Figure:
    """Draw the fitted proportions correct over position with the observed ones, and the posterior of the parameter.

    Parameters
    ----------
    found
        Result of ``metamers.humans.adaptive.adaptive_dataset``.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    over_depth, posterior = figure.subplots(1, 2, width_ratios=(3, 2))
    for model, colour in zip(map(str, found["generation_model"].values), COLOURS, strict=False):
        stages = [stage for stage in own_stages(found, model) if stage != NATURAL]
        own = found.sel(generation_model=model, stage=stages)
        depth = own["condition_depth"].values
        over_depth.fill_between(depth, own["fitted_low"], own["fitted_high"], color=colour, alpha=0.2, linewidth=0)
        over_depth.plot(depth, own["fitted_proportion"], color=colour, label=model)
        _observed(over_depth, depth, own, colour)
    natural = found.isel(generation_model=0).sel(stage=[NATURAL])
    over_depth.plot([BEFORE], natural["fitted_proportion"], marker="_", color=INK, markersize=14)
    _observed(over_depth, np.array([BEFORE]), natural, INK)
    over_depth.set(ylim=(-0.03, 1.03), xlabel="Position among the stages shown", ylabel="Proportion correct")
    over_depth.set_xticks([BEFORE, 0, 0.5, 1], ["natural", "0", "0.5", "1"])
    over_depth.grid(axis="y", color=FAINT, alpha=0.3, linewidth=0.6)
    over_depth.legend(fontsize=9)
    difference = found.attrs[QUESTION] == DIFFERENCE
    posterior.plot(found["value"], found["value_prior"], color=FAINT, label="prior")
    posterior.fill_between(found["value"], found["value_posterior"], color=PALE, linewidth=0)
    posterior.plot(found["value"], found["value_posterior"], color=INK, label="posterior")
    for end in ("estimate_low", "estimate_high"):
        posterior.axvline(float(found[end]), color=INK, linewidth=0.8, linestyle=":")
    words = "Difference in log odds" if difference else "Threshold (position)"
    posterior.set(xlabel=words, ylabel="Density", ylim=(0, None))
    posterior.legend(fontsize=9)
    return figure


def _observed(axes: Any, depth: np.ndarray, own: xr.Dataset, colour: str) -> None:
    """Draw observed proportions; the area of a mark is proportional to the number of answers."""
    given = own["answers_given"].values
    answered = given > 0
    proportions = own["answers_correct"].values[answered] / given[answered]
    sizes = 12 + 120 * given[answered] / max(given.max(), 1)
    axes.scatter(depth[answered], proportions, s=sizes, facecolors="none", edgecolors=colour, zorder=3)
