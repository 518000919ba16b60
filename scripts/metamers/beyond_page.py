"""The page of what is past the study: its parts with words, tables, and what there is to see or hear."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import soundfile
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from metamers.beyond_figures import (
    START_NAMES,
    controversial_figure,
    ensemble_figure,
    first_other,
    invariance_figure,
    starts_figure,
)
from metamers.beyond_plan import NOISE
from metamers.images import eight_bit, three_channels
from metamers.pages import data_uri
from metamers.report_tables import ABSENT, Table, number, percent, significant
from metamers.sounds import sixteen_bit

SHOWN = 4  # stimuli of a set that are shown
SIDE = 160  # pixels of a picture, at most
JPEG_QUALITY = 88
OF_WHAT = {"vision": "images", "audio": "sounds"}
Gallery = list[list[dict[str, Any]]]


def _in_words(start: str) -> str:
    """What a kind of start is called, in one line."""
    return " ".join(START_NAMES[str(start)].split())


def _points(one: xr.Dataset, name: str) -> str:
    """A difference of proportions in percentage points, with its interval where it has one."""
    middle, low, high = (100 * float(one[key]) for key in (name, "low", "high"))
    if not np.isfinite(middle):
        return ABSENT
    return f"{middle:+.0f} points" + (f" ({low:+.0f} to {high:+.0f})" if np.isfinite(low) else " (no interval)")


def ensemble_table(found: xr.Dataset) -> Table:
    """Recognition of metamers of each model alone and of all at once."""
    rows = []
    for place, depth in enumerate(found["depth"].values):
        at = found.isel(depth=place)
        for entry in at["generation_model"].values:
            one = at.sel(generation_model=entry)
            row = [
                f"{depth:g}",
                str(entry),
                str(one["stage"].values),
                f"{int(one['accepted'].sum())} of {one.sizes['stimulus']}",
            ]
            row += [percent(float(one["proportion_correct"])), str(int(at["n"]))]
            if entry in at["member"].values:
                apart = at.sel(member=entry)
                row += [_points(apart, "difference"), significant(float(apart["normalized_error"].mean()))]
            else:
                row += ["", ""]
            rows.append(row)
    head = ["Depth", "Metamers of", "Stage", "Accepted", "Recognized", "n", "Difference (95% interval)"]
    return {"head": [*head, "Error of all at once"], "rows": rows}


def controversial_table(found: xr.Dataset) -> Table:
    """With whom judges side, by who dissents and at which depth."""
    rows = []
    for case in found["case"].values:
        for place, depth in enumerate(found["depth"].values):
            one = found.sel(case=case).isel(depth=place)
            row = [
                str(case),
                f"{depth:g}",
                ", ".join(one["member_stage"].values),
                f"{int(one['n'])} of {one.sizes['stimulus']}",
            ]
            row += [percent(float(one[name])) for name in ("proportion_own", "proportion_other")]
            rows.append([*row, _points(one, "preference")])
    head = ["Who dissents", "Depth", "Stages", "Accepted", "Side against it", "Side with it"]
    return {"head": [*head, "Against, less with (95% interval)"], "rows": rows}


def starts_table(found: xr.Dataset, left_free: Mapping[str, xr.Dataset]) -> Table:
    """What becomes of metamers from each start: accepted, recognized, and how far they lie from the run's own."""
    rows = []
    for model in found["generation_model"].values:
        for place in range(found.sizes["depth"]):
            for start in found["start"].values:
                one = found.sel(generation_model=model, start=start).isel(depth=place)
                free = left_free[str(model)].sel(start=start).isel(depth=place)
                apart = free["relative_difference"].mean("stimulus")
                row = [str(model), str(one["stage"].values), _in_words(start)]
                row += [f"{int(one['n'])} of {one.sizes['stimulus']}", percent(float(one["proportion_correct"]))]
                row += [percent(float(one["proportion_other"])) if start == "stimulus" else ABSENT]
                row += [number(float(free["remaining"].mean()))]
                row += (
                    [ABSENT, ABSENT]
                    if start == NOISE
                    else [number(float(apart[0])), number(float(apart.sel(measured_stage=row[1])))]
                )
                rows.append(row)
    head = [
        "Model",
        "Stage",
        "Start",
        "Accepted",
        "Recognized",
        "Taken for the start",
        "Part of the start’s distance left",
    ]
    return {"head": [*head, "Distance from the run’s own", "The same at the stage"], "rows": rows}


def invariance_table(left_free: Mapping[str, xr.Dataset]) -> Table:
    """How far two metamers of one stimulus, and their starts, lie apart at every stage."""
    rows = []
    for model, found in left_free.items():
        of_kind = found.sel(start=first_other(found)).mean("stimulus")
        lines = {"the two starts": of_kind["start_difference"].values}
        for place, stage in enumerate(found["stage"].values):
            lines[f"two metamers that match {stage}"] = of_kind["relative_difference"].isel(depth=place).values
        for what, apart in lines.items():
            stages = zip(found["measured_stage"].values, apart, strict=True)
            rows.append([str(model), what, ", ".join(f"{stage} {number(value)}" for stage, value in stages)])
    return {"head": ["Model", "Distance of", "At every stage, as a part of that of different stimuli"], "rows": rows}


def picture(values: np.ndarray) -> str:
    """An image (3 or 1 channels, row, column), 0 to 1, as the data URI of a JPEG of at most ``SIDE`` pixels a side."""
    image = Image.fromarray(three_channels(eight_bit(values)).transpose(1, 2, 0))
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return data_uri(stream.getvalue(), "image/jpeg")


def sound(values: np.ndarray, rate_hz: float) -> str:
    """A sound (sample,) as the data URI of a FLAC file of the samples that are exported."""
    stream = io.BytesIO()
    soundfile.write(stream, sixteen_bit(values), round(rate_hz), format="FLAC", subtype="PCM_16")
    return data_uri(stream.getvalue(), "audio/flac")


def cell(what: str, values: np.ndarray, rate_hz: float | None) -> dict[str, Any]:
    """What is shown of one stimulus: words, and ``picture`` or ``sound``, the other None."""
    shown = (
        {"picture": picture(values), "sound": None}
        if rate_hz is None
        else {"picture": None, "sound": sound(values, rate_hz)}
    )
    return {"what": what} | shown


def gallery(
    made: xr.Dataset,
    natural: Mapping[str, np.ndarray],
    run: Mapping[tuple[str, str, str], np.ndarray],
    natural_rate_hz: float | None,
) -> list[list[dict[str, Any]]]:
    """Rows of what is shown of a set: a row for each stimulus and depth, of the first few stimuli.

    Parameters
    ----------
    made
        What ``metamers.beyond.case_metamers`` gives by case and depth, as its file holds it.
    natural
        Stimulus → its values as exported.
    run
        (member, stage, stimulus) → the run's own metamer as exported; those that are there are shown.
    natural_rate_hz
        Sampling rate of natural sounds; None of pictures.
    """
    part, rate_hz = made.attrs["part"], made.attrs.get("sampling_rate_hz")
    rows = []
    for stimulus in map(str, made["stimulus"].values[:SHOWN]):
        for place in range(made.sizes["depth"]):
            at = made.sel(stimulus=stimulus).isel(depth=place)
            category, other, other_category = (
                str(at[name].values) for name in ("category", "other_stimulus", "other_category")
            )
            stages = dict(zip(map(str, at["member"].values), map(str, at["member_stage"].values), strict=True))
            row = [cell(f"natural: {category}", natural[stimulus], natural_rate_hz)]
            for member, stage in stages.items():
                if (member, stage, stimulus) in run:
                    row.append(cell(f"matches {member} at {stage}", run[member, stage, stimulus], rate_hz))
            for case in map(str, at["case"].values):
                if part == "controversial":
                    others = " and ".join(f"{member} at {stage}" for member, stage in stages.items() if member != case)
                    what = f"to {others} {category}, to {case} at {stages[case]} {other_category}"
                elif part == "ensemble":
                    what = "matches " + " and ".join(f"{member} at {stage}" for member, stage in stages.items())
                else:
                    what = f"the same from {_in_words(case)}"
                row.append(cell(what, at["metamer"].sel(case=case).values, rate_hz))
            if part != "ensemble":
                row.append(cell(f"the other stimulus: {other_category}", natural[other], natural_rate_hz))
            rows.append(row)
    return rows


def ensemble_words(found: xr.Dataset) -> str:
    """How often metamers of each model, and of all at once, are recognized."""
    said = []
    for place, depth in enumerate(found["depth"].values):
        at = found.isel(depth=place)
        if not at["n"]:
            said.append(f"At depth {depth:g} there is no stimulus of which all these metamers are accepted.")
            continue
        of_each = [
            f"{percent(float(at['proportion_correct'].sel(generation_model=entry)))} of those of {entry}"
            for entry in at["generation_model"].values
        ]
        said.append(f"At depth {depth:g} the judges recognize {', '.join(of_each)} (n = {int(at['n'])}).")
    return " ".join(said)


def controversial_words(found: xr.Dataset) -> str:
    """With whom judges side."""
    said = []
    for case in found["case"].values:
        for place, depth in enumerate(found["depth"].values):
            one = found.sel(case=case).isel(depth=place)
            against, with_it = (percent(float(one[name])) for name in ("proportion_own", "proportion_other"))
            said.append(
                f"At depth {depth:g}, {against} of the judges’ answers are against {case}, and {with_it} with it "
                f"(n = {int(one['n'])})."
                if one["n"]
                else f"At depth {depth:g} no metamer that is controversial between {case} and the rest is accepted."
            )
    return " ".join(said)


def starts_words(left_free: Mapping[str, xr.Dataset]) -> str:
    """How much of each start remains at the deepest stage that is matched."""
    said = []
    for model, found in left_free.items():
        last = found.isel(depth=-1)
        remains = {_in_words(start): float(last["remaining"].sel(start=start).mean()) for start in last["start"].values}
        kept = [f"{number(part)} from {start}" for start, part in remains.items()]
        said.append(f"{model} at {last['stage'].item()}: {', '.join(kept)}.")
    return " ".join(said)


def invariance_words(left_free: Mapping[str, xr.Dataset]) -> str:
    """How far apart two metamers are in the stimulus, by the stage that is matched."""
    said = []
    for model, found in left_free.items():
        apart = found["relative_difference"].sel(start=first_other(found)).isel(measured_stage=0).mean("stimulus")
        stages = zip(found["stage"].values, apart.values, strict=True)
        said.append(f"{model}: {', '.join(f'{stage} {number(value)}' for stage, value in stages)}.")
    return " ".join(said)


def parts_of(
    modality: str,
    ensemble: xr.Dataset | None,
    controversial: xr.Dataset | None,
    starts: xr.Dataset | None,
    left_free: Mapping[str, xr.Dataset],
    galleries: Mapping[str, Gallery],
) -> list[dict[str, Any]]:
    """The parts of the page about one modality, in order, but for those that the run leaves out.

    Parameters
    ----------
    modality
        ``vision`` or ``audio``.
    ensemble, controversial, starts
        What the functions of these names in ``metamers.beyond_compare`` give, or None.
    left_free
        Generation model → what ``metamers.invariance.invariance`` gives, of the models of ``starts``.
    galleries
        Set → what ``gallery`` gives.

    Returns
    -------
    list
        Of each part ``identifier``, ``kind``, ``heading``, ``words``, ``figure``, ``judges`` (or empty), ``table``,
        ``galleries``.
    """

    def part(
        kind: str, heading: str, words: str, figure: Figure, table: Table, shown: list[Gallery], judges: str = ""
    ) -> dict[str, Any]:
        own = {"kind": kind, "words": words, "figure": figure, "table": table, "galleries": shown, "judges": judges}
        return own | {"identifier": f"{kind}_{modality}", "heading": f"{heading} ({OF_WHAT[modality]})"}

    found = []
    if ensemble is not None:
        found.append(
            part(
                "ensemble", "Several models at once", ensemble_words(ensemble), ensemble_figure(ensemble),
                ensemble_table(ensemble), [galleries[f"ensemble_{modality}"]], ensemble.attrs["judged_by"],
            )
        )  # fmt: skip
    if controversial is not None:
        found.append(
            part(
                "controversial", "Controversial by design", controversial_words(controversial),
                controversial_figure(controversial), controversial_table(controversial),
                [galleries[f"controversial_{modality}"]], controversial.attrs["judged_by"],
            )
        )  # fmt: skip
    if starts is not None:
        of_models = [galleries[f"starts_{model}"] for model in left_free]
        found += [
            part(
                "starts", "From other starts", starts_words(left_free), starts_figure(starts, left_free),
                starts_table(starts, left_free), of_models, starts.attrs["judged_by"],
            ),
            part(
                "invariance", "How much two metamers differ", invariance_words(left_free),
                invariance_figure(left_free), invariance_table(left_free), [],
            ),
        ]  # fmt: skip
    return found
