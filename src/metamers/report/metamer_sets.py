"""The page of metamer sets: its sentences, table, figure, images and sounds."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from metamers.beyond.metamer_set import PAIR_NAMES
from metamers.modalities import MODALITIES
from metamers.report.beyond import FEWEST_STIMULI, Gallery, cell
from metamers.report.figures import FAINT, styled
from metamers.report.looks import Looks
from metamers.report.tables import Table, interval, number, percent, signed

# Stimulus → file of the natural one; (model, stimulus, place of the depth, name of the member) → file of the metamer.
Addresses = Mapping[str | tuple[str, str, int, str], str]


def sets_table(found: Mapping[str, xr.Dataset], summaries: Mapping[str, xr.Dataset]) -> Table:
    """Free directions, the two most different metamers, and how different they are to other models, at each depth.

    Parameters
    ----------
    found, summaries
        Generation model → its file, and the result of ``metamers.beyond.metamer_set.by_depth``.
    """
    rows = []
    for name, summary in summaries.items():
        for place, depth in enumerate(summary["depth"].values):
            at, of_set = summary.isel(depth=place), found[name].isel(depth=place)
            row = [name, str(of_set["stage"].values), f"{depth:.3g}"]
            row += [f"{_with_bound(of_set, '{:.0f}'.format)} of {found[name].attrs['values']}"]
            row += [f"{int(at['n'])} of {of_set.sizes['stimulus']}", number(float(of_set["largest_error"].mean()))]
            for measure in ("stimulus_distance", "activation_distance"):
                row.append(interval(*(float(at[f"{measure}{end}"]) for end in ("", "_low", "_high"))))
            rows.append([*row, *(percent(float(at[measure])) for measure in ("proportion_correct", "proportion_same"))])
    head = ["Model", "Stage", "Position", "Directions that it determines", "Pairs that count", "Largest error"]
    head += ["Distance of the pair", "Distance to recognition models", "Recognized", "The same answer to both"]
    return {"head": head, "rows": rows}


def _with_bound(of_depth: xr.Dataset, written: Callable[[float], str]) -> str:
    """The mean rank over stimuli, as ``written``; of an estimate, with its lower bound."""
    rank, bound = (written(float(of_depth[name].mean())) for name in ("jacobian_rank", "rank_at_least"))
    return rank if bool(of_depth["rank_counted"].all()) else f"about {rank} (at least {bound})"


def _determined(found: xr.Dataset, place: int) -> str:
    """The proportion of directions that the n-th stage determines."""

    def written(rank: float) -> str:
        percentage = 100 * rank / found.attrs["values"]
        return f"{percentage:.0f}%" if percentage >= 10 else f"{percentage:.2g}%"

    return _with_bound(found.isel(depth=place), written)


def _times(at: xr.Dataset, measure: str) -> str:
    """A distance relative to that of different natural stimuli, with its interval if it has one, in words."""
    middle, low, high = (float(at[f"{measure}{end}"]) for end in ("", "_low", "_high"))
    between = f" (95% interval {signed(low)} to {signed(high)})" if np.isfinite(low) else ""
    return f"{number(middle)} times as much as different natural stimuli{between}"


def sets_words(found: Mapping[str, xr.Dataset], summaries: Mapping[str, xr.Dataset]) -> str:
    """How free directions and distances change from the first position to the last, in words."""
    said = []
    for name, summary in summaries.items():
        first, last = summary.isel(depth=0), summary.isel(depth=-1)
        stages = found[name]["stage"].values
        each = [
            f"{stage} determines {_determined(found[name], place)} of the directions, and the two most different "
            f"metamers differ {_times(at, 'stimulus_distance')}"
            for stage, place, at in ((stages[0], 0, first), (stages[-1], -1, last))[: len(stages)]
        ]
        said.append(f"{name}: {'; '.join(each)}.")
        if np.isfinite(last["activation_distance"]):
            said.append(f"To recognition models, those of {stages[-1]} differ {_times(last, 'activation_distance')}.")
    return " ".join(said)


@styled
def sets_figure(summaries: Mapping[str, xr.Dataset], looks: Looks) -> Figure:
    """Free directions, distance of the pair, and its distance to other models, by depth.

    Parameters
    ----------
    summaries
        Generation model → result of ``metamers.beyond.metamer_set.by_depth``.
    looks
        Look of each model.
    """
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    panels = figure.subplots(1, 3)
    for place, (name, summary) in enumerate(summaries.items()):
        depths = summary["depth"].values + 0.008 * (place - (len(summaries) - 1) / 2)
        style = looks[name].style | {"linewidth": 1.4, "markersize": 7}
        determined = 1 - summary["free"]
        panels[0].plot(depths, determined, **style, label=name)
        for axes, measure in zip(panels[1:], ("stimulus_distance", "activation_distance"), strict=True):
            middle, low, high = (summary[f"{measure}{end}"].values for end in ("", "_low", "_high"))
            error = np.nan_to_num(np.stack([middle - low, high - middle]))
            axes.errorbar(depths, middle, error, capsize=2, **style)
    panels[0].set_yscale("log")
    _labelled(panels[0], "Directions determined", "Proportion of all directions")
    _labelled(panels[1], "Two most different metamers", "Distance (1: different stimuli)")
    _labelled(panels[2], "To recognition models", "Distance (1: different stimuli)")
    for axes in panels[1:]:
        axes.set_ylim(bottom=0)
        axes.axhline(1, color=FAINT, linewidth=0.9, linestyle=":")
    figure.legend(loc="outside lower center", ncols=min(len(summaries), 3), fontsize=9)
    return figure


def _labelled(axes: Axes, title: str, label: str) -> None:
    axes.set(title=title, ylabel=label, xlim=(-0.05, 1.05), xlabel="Position (0: input, 1: last)")


def _matched(of_model: xr.Dataset, stimulus: str, place: int) -> bool:
    """Whether both metamers of a stimulus are within the match at the n-th depth."""
    return bool(of_model["within_match"].sel(stimulus=stimulus).isel(depth=place))


def _row(of_model: xr.Dataset, stimulus: str, place: int, addresses: Addresses) -> list[dict[str, Any]]:
    """A natural stimulus, and its two most different metamers at the n-th depth."""
    name, stage = of_model.attrs["model"], of_model["stage"].values[place]
    played = MODALITIES[of_model.attrs["modality"]].played
    category = of_model["category"].sel(stimulus=stimulus).item()
    matched = "" if _matched(of_model, stimulus, place) else ", beyond the match"
    return [cell(f"natural: {category}", addresses[stimulus], played)] + [
        cell(f"{which} metamer, {name} at {stage}{matched}", addresses[name, stimulus, place, which], played)
        for which in PAIR_NAMES
    ]


def gallery(found: Mapping[str, xr.Dataset], addresses: Addresses) -> Gallery:
    """Rows of stimuli: for each model, stimulus and depth, the natural stimulus and its two most different metamers."""
    return [
        _row(of_model, str(stimulus), place, addresses)
        for of_model in found.values()
        for stimulus in of_model["stimulus"].values
        for place in range(of_model.sizes["depth"])
    ]


def part_of(
    found: Mapping[str, xr.Dataset], summaries: Mapping[str, xr.Dataset], looks: Looks, addresses: Addresses
) -> dict[str, Any]:
    """The section of a modality, as the template takes it; ``figure`` is a matplotlib figure.

    Parameters
    ----------
    found, summaries
        Generation model → its file, and the result of ``metamers.beyond.metamer_set.by_depth``.
    looks
        Look of each model.
    addresses
        Of the stimuli.
    """
    first = next(iter(found.values()))
    modality, n = first.attrs["modality"], first.sizes["stimulus"]
    return {
        "identifier": f"metamer_sets_{modality}",
        "heading": f"Sets of metamers ({MODALITIES[modality].stimuli})",
        "lead": _row(first, str(first["stimulus"].values[0]), first.sizes["depth"] - 1, addresses),
        "matched": _matched(first, str(first["stimulus"].values[0]), first.sizes["depth"] - 1),
        "tolerance": f"{first.attrs['tolerance']:g}",
        "estimated": not all(bool(one["rank_counted"].all()) for one in found.values()),
        "file": "beyond/metamer_sets/<model>.nc",
        "n": n,
        "few": n < FEWEST_STIMULI,
        "words": sets_words(found, summaries),
        "figure": sets_figure(summaries, looks),
        "table": sets_table(found, summaries),
        "gallery": gallery(found, addresses),
    }
