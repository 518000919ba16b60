"""The stimuli at the beginning of each section of the page of extensions, chosen by a rule, with sentences about them.

Each lead has ``stimulus``; ``shown``: kinds of stimuli (``natural``, ``run``, ``own``, ``other``) with their captions;
``words``: what models call them; and ``rule``: how the stimulus was chosen. ``metamers.report.beyond`` adds the files.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from metamers.beyond.sets import NOISE
from metamers.names import NATURAL
from metamers.report.beyond_figures import START_NAMES, first_other
from metamers.report.tables import number, percent

# Kinds of stimuli besides ``NATURAL``: metamers of the run and of the set, and the other natural stimulus of a set.
RUN, OWN, OTHER = "run", "own", "other"


def in_words(start: str) -> str:
    """Name of a kind of start, in one line."""
    return " ".join(START_NAMES[str(start)].split())


def shown(kind: str, what: str, **key: Any) -> dict[str, Any]:
    """A stimulus of a lead: its kind, its caption, and the key of its file (set, member, stage, depth, case)."""
    return {"kind": kind, "what": what, "key": key}


def best(scores: list[xr.DataArray], accepted: xr.DataArray) -> dict[str, int] | None:
    """Positions of the accepted element with the largest first score; ties are decided by the later scores.

    Parameters
    ----------
    scores
        Arrays with some or all dimensions of ``accepted``, the most important first; NaN ranks last.
    accepted
        Booleans.

    Returns
    -------
    dict
        Dimension → position; None if nothing is accepted.
    """
    if not accepted.any():
        return None
    places = np.argwhere(accepted.values)
    values = [(xr.zeros_like(accepted, float) + one).transpose(*accepted.dims).values for one in scores]
    keys = [tuple(float(np.nan_to_num(one[tuple(place)], nan=-1)) for one in values) for place in places]
    chosen = keys.index(max(keys))  # the first of equal ones
    return dict(zip(map(str, accepted.dims), map(int, places[chosen]), strict=True))


def starts_lead(found: xr.Dataset, left_free: Mapping[str, xr.Dataset], noun: str) -> dict[str, Any] | None:
    """The accepted metamer that recognition models most often call by the category of the stimulus it started from.

    Parameters
    ----------
    found
        Result of ``metamers.beyond.compare.starts``.
    left_free
        Generation model → the result of ``metamers.beyond.invariance.invariance``.
    noun
        Stimuli of the modality, plural.
    """
    if "stimulus" not in found["start"].values:
        return None
    of_kind = found.sel(start="stimulus")
    remaining = xr.concat(
        [left_free[str(model)]["remaining"].sel(start="stimulus") for model in found["generation_model"].values],
        found["generation_model"],
        coords="minimal",
        compat="override",
    )
    place = best([of_kind["answered_other"], of_kind["depth"], remaining], of_kind["accepted"])
    if place is None:
        return None
    one, remains = of_kind.isel(place), float(remaining.isel(place))
    model, stage, category, other = (
        str(one[name].values) for name in ("generation_model", "stage", "category", "other_category")
    )
    key = {"set": f"starts_{model}", "depth": place["depth"], "case": "stimulus"}
    return {
        "stimulus": str(one["stimulus"].values),
        "title": f"Started from “{other}”, accepted as “{category}”",
        "shown": [
            shown(OTHER, f"the start: “{other}”", set=key["set"]),
            shown(OWN, f"the metamer, with the activations of {model} at {stage} of the natural stimulus", **key),
            shown(NATURAL, f"the natural stimulus that it matches: “{category}”", set=key["set"]),
        ],
        "words": (
            f"The synthesis started from a natural stimulus, “{other}”, and ended when the activations at {stage} of "
            f"{model} matched those of another natural stimulus, “{category}”. {model} gives the metamer the category "
            f"that it gives the second stimulus. Of the answers of recognition models ({found.attrs['judged_by']}), "
            f"{percent(float(one['answered_other']))} are “{other}” and {percent(float(one['recognized']))} "
            f"“{category}”. The metamer is {number(remains)} times as far from the second stimulus as the start was."
        ),
        "rule": (
            f"of the accepted metamers that were started from other {noun}, the one that recognition models most often "
            "call by the category of the start; among equal ones, the deepest, then the one farthest from the natural "
            "stimulus"
        ),
    }


def controversial_lead(found: xr.Dataset) -> dict[str, Any] | None:
    """The first accepted controversial stimulus of the deepest stages.

    Parameters
    ----------
    found
        Result of ``metamers.beyond.compare.controversial``.
    """
    accepted = found["accepted"]
    place = best([found["depth"]], accepted)
    if place is None:
        return None
    one = found.isel(place)
    case, category, other = (str(one[name].values) for name in ("case", "category", "other_category"))
    stages = dict(zip(map(str, one["member"].values), map(str, one["member_stage"].values), strict=True))
    others = " and ".join(f"{member} at {stage}" for member, stage in stages.items() if member != case)
    key = {"set": f"controversial_{found.attrs['modality']}"}
    return {
        "stimulus": str(one["stimulus"].values),
        "title": f"One stimulus, “{category}” for one model and “{other}” for another",
        "shown": [
            shown(NATURAL, f"natural: “{category}”", **key),
            shown(
                OWN,
                f"matches “{category}” for {others}, and “{other}” for {case} at {stages[case]}",
                **key,
                case=case,
                depth=place["depth"],
            ),
            shown(OTHER, f"natural: “{other}”", **key),
        ],
        "words": (
            f"Of the answers of recognition models ({found.attrs['judged_by']}) to this stimulus, "
            f"{percent(float(one['answered_own']))} are “{category}” and "
            f"{percent(float(one['answered_other']))} “{other}”."
        ),
        "rule": "the first accepted controversial stimulus at the deepest stages",
    }


def ensemble_lead(found: xr.Dataset) -> dict[str, Any] | None:
    """The first stimulus with accepted metamers of all kinds at the deepest stages.

    Parameters
    ----------
    found
        Result of ``metamers.beyond.compare.ensemble``.
    """
    place = best([found["depth"]], found["accepted"].all("generation_model"))
    if place is None:
        return None
    one = found.isel(place)
    together = str(one["generation_model"].values[-1])
    key = {"set": f"ensemble_{found.attrs['modality']}"}
    each = [
        shown(RUN, f"matches {member} at {one['stage'].sel(generation_model=member).item()}", **key, member=member,
              stage=one["stage"].sel(generation_model=member).item())
        for member in map(str, one["member"].values)
    ]  # fmt: skip
    recognized = {
        str(name): percent(float(one["recognized"].sel(generation_model=name)))
        for name in one["generation_model"].values
    }
    category = str(one["category"].values)
    return {
        "stimulus": str(one["stimulus"].values),
        "title": f"One metamer of several models: “{category}”",
        "shown": [
            shown(NATURAL, f"natural: “{category}”", **key),
            *each,
            shown(OWN, "matches all of them", **key, case="together", depth=place["depth"]),
        ],
        "words": "Recognized by the recognition models "
        f"({found.attrs['judged_by']}): "
        + ", ".join(f"{part} for {name}" for name, part in recognized.items())
        + f" ({together} is the joint metamer).",
        "rule": "the first stimulus with accepted metamers of each model and of all together, at the deepest stages",
    }


def invariance_lead(found: xr.Dataset, left_free: Mapping[str, xr.Dataset]) -> dict[str, Any] | None:
    """Two metamers of one stimulus from different noise, at the deepest stages: the first two accepted ones.

    Parameters
    ----------
    found
        Result of ``metamers.beyond.compare.starts``.
    left_free
        Generation model → the result of ``metamers.beyond.invariance.invariance``.
    """
    kind = first_other(next(iter(left_free.values())))
    if kind not in found["start"].values or NOISE not in found["start"].values:
        return None
    place = best([found["depth"]], found["accepted"].sel(start=[NOISE, kind]).all("start"))
    if place is None:
        return None
    one = found.isel(place)
    model, stage, category, stimulus = (
        str(one[name].values) for name in ("generation_model", "stage", "category", "stimulus")
    )
    apart = left_free[model]["relative_difference"].sel(start=kind, stimulus=stimulus).isel(depth=place["depth"])
    key = {"set": f"starts_{model}"}
    first, matched = str(apart["measured_stage"].values[0]), number(float(apart.sel(measured_stage=stage)))
    return {
        "stimulus": stimulus,
        "title": f"Two metamers of “{category}” from different noise",
        "shown": [
            shown(NATURAL, f"natural: “{category}”", **key),
            shown(RUN, f"metamer from {in_words(NOISE)}", **key, member=model, stage=stage),
            shown(OWN, f"metamer from {in_words(kind)}", **key, case=kind, depth=place["depth"]),
        ],
        "words": (
            f"Both match {stage} of {model}. Their distance at {stage} is {matched} of the distance of different "
            f"natural stimuli; at {first} it is {number(float(apart.isel(measured_stage=0)))}."
        ),
        "rule": "the first stimulus whose two metamers were both accepted, at the deepest stages",
    }
