"""The page of extensions: its sections with sentences, tables, images and sounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from metamers.beyond.sets import NOISE
from metamers.modalities import MODALITIES
from metamers.names import NATURAL
from metamers.report.beyond_figures import (
    controversial_figure,
    ensemble_figure,
    first_other,
    invariance_figure,
    starts_figure,
)
from metamers.report.beyond_leads import (
    OTHER,
    OWN,
    RUN,
    controversial_lead,
    ensemble_lead,
    in_words,
    invariance_lead,
    starts_lead,
)
from metamers.report.looks import Looks
from metamers.report.tables import ABSENT, Table, number, percent, significant

SHOWN = 4  # number of stimuli of a set on the page
FEWEST_STIMULI = 5  # smallest number of stimuli whose results a page shows outside of a closed part
Gallery = list[list[dict[str, Any]]]


def _points(one: xr.Dataset, name: str) -> str:
    """A difference of proportions in percentage points, with its interval if it has one."""
    middle, low, high = (100 * float(one[key]) for key in (name, "low", "high"))
    if not np.isfinite(middle):
        return ABSENT
    said = f"{middle:+.0f} points" + (f" ({low:+.0f} to {high:+.0f})" if np.isfinite(low) else " (no interval)")
    return said.replace("-", "−")


def ensemble_table(found: xr.Dataset) -> Table:
    """Recognition of metamers of each single model and of all models together."""
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
    head = ["Position", "Metamers of", "Stage", "Accepted", "Recognized", "n", "Difference (95% interval)"]
    return {"head": [*head, "Error, all together"], "rows": rows}


def controversial_table(found: xr.Dataset) -> Table:
    """Answers of recognition models with and against the dissenting model, by position."""
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
    head = ["Dissenting model", "Position", "Stages", "Accepted", "Answers against it", "Answers with it"]
    return {"head": [*head, "Against minus with (95% interval)"], "rows": rows}


def starts_table(found: xr.Dataset, left_free: Mapping[str, xr.Dataset]) -> Table:
    """Acceptance, recognition, and distance from the run's own metamers, for metamers from each start."""
    rows = []
    for model in found["generation_model"].values:
        for place in range(found.sizes["depth"]):
            for start in found["start"].values:
                one = found.sel(generation_model=model, start=start).isel(depth=place)
                free = left_free[str(model)].sel(start=start).isel(depth=place)
                apart = free["relative_difference"].mean("stimulus")
                row = [str(model), str(one["stage"].values), in_words(start)]
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
        "Answered as the start",
        "Remaining proportion of the start’s distance",
    ]
    return {"head": [*head, "Distance from the run’s own metamer", "The same at the matched stage"], "rows": rows}


def invariance_table(left_free: Mapping[str, xr.Dataset]) -> Table:
    """Distance between two metamers of one stimulus, and between their starts, at every stage."""
    rows = []
    for model, found in left_free.items():
        of_kind = found.sel(start=first_other(found)).mean("stimulus")
        lines = {"the two starts": of_kind["start_difference"].values}
        for place, stage in enumerate(found["stage"].values):
            lines[f"two metamers that match {stage}"] = of_kind["relative_difference"].isel(depth=place).values
        for what, apart in lines.items():
            stages = zip(found["measured_stage"].values, apart, strict=True)
            rows.append([str(model), what, ", ".join(f"{stage} {number(value)}" for stage, value in stages)])
    return {
        "head": ["Model", "Distance of", "At every stage, relative to the distance of different stimuli"],
        "rows": rows,
    }


def file_name(stimulus: str, place: int, case: str) -> str:
    """Name, without suffix, of the file of a set's metamer: of a stimulus, at the n-th depth, of a case."""
    return f"{stimulus}_{place}_{case}"


@dataclass(frozen=True)
class Addresses:
    """Addresses of the files of a set, as the page's links need them.

    Attributes
    ----------
    natural
        Stimulus → file.
    run
        (member, stage, stimulus) → file of the run's own metamer; missing ones are left out.
    own
        Result of ``file_name`` → file of the set's metamer.
    """

    natural: Mapping[str, str]
    run: Mapping[tuple[str, str, str], str]
    own: Mapping[str, str]


def cell(what: str, address: str, played: bool) -> dict[str, Any]:
    """One stimulus: its caption, and the address of its ``picture`` or ``sound``; the other one is None."""
    return {"what": what, "picture": None if played else address, "sound": address if played else None}


def gallery(made: xr.Dataset, found: Addresses) -> Gallery:
    """Rows of a set: one row for each stimulus and depth, for the first ``SHOWN`` stimuli.

    Parameters
    ----------
    made
        Result of ``metamers.beyond.synthesize.case_metamers`` by case and depth, as its file holds it.
    found
        The set's files.
    """
    part, played = made.attrs["part"], MODALITIES[made.attrs["modality"]].played
    rows = []
    for stimulus in map(str, made["stimulus"].values[:SHOWN]):
        for place in range(made.sizes["depth"]):
            at = made.sel(stimulus=stimulus).isel(depth=place)
            category, other, other_category = (
                str(at[name].values) for name in ("category", "other_stimulus", "other_category")
            )
            stages = dict(zip(map(str, at["member"].values), map(str, at["member_stage"].values), strict=True))
            row = [cell(f"natural: {category}", found.natural[stimulus], played)]
            for member, stage in stages.items():
                if (member, stage, stimulus) in found.run:
                    row.append(cell(f"matches {member} at {stage}", found.run[member, stage, stimulus], played))
            for case in map(str, at["case"].values):
                if part == "controversial":
                    others = " and ".join(f"{member} at {stage}" for member, stage in stages.items() if member != case)
                    what = f"{category} for {others}, {other_category} for {case} at {stages[case]}"
                elif part == "ensemble":
                    what = "matches " + " and ".join(f"{member} at {stage}" for member, stage in stages.items())
                else:
                    what = f"same match, started from {in_words(case)}"
                row.append(cell(what, found.own[file_name(stimulus, place, case)], played))
            if part != "ensemble":
                row.append(cell(f"the other stimulus: {other_category}", found.natural[other], played))
            rows.append(row)
    return rows


def lead_cells(lead: Mapping[str, Any], made: Mapping[str, xr.Dataset], found: Mapping[str, Addresses]) -> list[dict]:
    """Stimuli of a lead, as ``cell`` gives them, with ``main``: whether it is the set's own metamer.

    The set's own metamer has its normalized error in its caption, the largest one of all matched models.

    Parameters
    ----------
    lead
        Result of a function of ``metamers.report.beyond_leads``.
    made
        Set → its file, without the metamers themselves.
    found
        Set → its files.
    """
    cells, stimulus = [], lead["stimulus"]
    for one in lead["shown"]:
        key, what = one["key"], one["what"]
        files, set_ = found[key["set"]], made[key["set"]]
        if one["kind"] == NATURAL:
            address = files.natural[stimulus]
        elif one["kind"] == OTHER:
            address = files.natural[str(set_["other_stimulus"].sel(stimulus=stimulus).values)]
        elif one["kind"] == RUN:
            address = files.run[key["member"], key["stage"], stimulus]
        else:
            address = files.own[file_name(stimulus, key["depth"], key["case"])]
            made_here = set_.sel(stimulus=stimulus, case=key["case"]).isel(depth=key["depth"])
            what += f" (normalized error {significant(float(made_here['normalized_error'].max()))})"
        shown = cell(what, address, MODALITIES[set_.attrs["modality"]].played)
        cells.append(shown | {"main": one["kind"] == OWN})
    return cells


def leads_of(
    modality: str,
    ensemble: xr.Dataset | None,
    controversial: xr.Dataset | None,
    starts: xr.Dataset | None,
    left_free: Mapping[str, xr.Dataset],
) -> dict[str, dict[str, Any]]:
    """Kind of section → its lead, for the arguments of ``parts_of``; sections without accepted stimuli have none."""
    found = {}
    if starts is not None:
        found["starts"] = starts_lead(starts, left_free, MODALITIES[modality].stimuli)
        found["invariance"] = invariance_lead(starts, left_free)
    if controversial is not None:
        found["controversial"] = controversial_lead(controversial)
    if ensemble is not None:
        found["ensemble"] = ensemble_lead(ensemble)
    return {kind: lead for kind, lead in found.items() if lead is not None}


def ensemble_words(found: xr.Dataset) -> str:
    """Recognition of metamers of each model and of all together, and the differences with intervals, in words."""
    said = []
    for place, depth in enumerate(found["depth"].values):
        at = found.isel(depth=place)
        if not at["n"]:
            said.append(f"At position {depth:g} no stimulus has accepted metamers of all these kinds.")
            continue
        of_each = [
            f"{percent(float(at['proportion_correct'].sel(generation_model=entry)))} of the metamers of {entry}"
            for entry in at["generation_model"].values
        ]
        apart = [f"{_points(at.sel(member=member), 'difference')} for {member}" for member in at["member"].values]
        said.append(
            f"At position {depth:g} the recognition models recognize {', '.join(of_each)} (n = {int(at['n'])}). "
            f"All together minus each alone, with 95% intervals: {', '.join(apart)}."
        )
    return " ".join(said)


def controversial_words(found: xr.Dataset) -> str:
    """Answers with and against the dissenting model, and the difference with its interval, in words."""
    said = []
    for case in found["case"].values:
        for place, depth in enumerate(found["depth"].values):
            one = found.sel(case=case).isel(depth=place)
            against, with_it = (percent(float(one[name])) for name in ("proportion_own", "proportion_other"))
            said.append(
                f"At position {depth:g}, {against} of the answers are against {case}, and {with_it} with it "
                f"(n = {int(one['n'])}); difference with 95% interval: {_points(one, 'preference')}."
                if one["n"]
                else f"At position {depth:g} no controversial metamer with {case} as the dissenting model was accepted."
            )
    return " ".join(said)


def starts_words(left_free: Mapping[str, xr.Dataset]) -> str:
    """Remaining part of each start at the last matched stage, in words."""
    said = []
    for model, found in left_free.items():
        last = found.isel(depth=-1)
        remains = {in_words(start): float(last["remaining"].sel(start=start).mean()) for start in last["start"].values}
        kept = [f"{number(part)} from {start}" for start, part in remains.items()]
        said.append(f"{model} at {last['stage'].item()}, remaining: {', '.join(kept)}.")
    return " ".join(said)


def invariance_words(left_free: Mapping[str, xr.Dataset]) -> str:
    """Distance between two metamers as stimuli, by matched stage, in words."""
    said = []
    for model, found in left_free.items():
        apart = found["relative_difference"].sel(start=first_other(found)).isel(measured_stage=0).mean("stimulus")
        stages = zip(found["stage"].values, apart.values, strict=True)
        said.append(f"{model}, by matched stage: {', '.join(f'{stage} {number(value)}' for stage, value in stages)}.")
    return " ".join(said)


def parts_of(
    modality: str,
    ensemble: xr.Dataset | None,
    controversial: xr.Dataset | None,
    starts: xr.Dataset | None,
    left_free: Mapping[str, xr.Dataset],
    galleries: Mapping[str, Gallery],
    leads: Mapping[str, Mapping[str, Any]],
    looks: Looks,
) -> list[dict[str, Any]]:
    """Sections of the page about one modality, in order; without those that the run leaves out.

    Parameters
    ----------
    modality
        ``vision`` or ``audio``.
    ensemble, controversial, starts
        Results of the functions with these names in ``metamers.beyond.compare``, or None.
    left_free
        Generation model → the result of ``metamers.beyond.invariance.invariance``, for the models of ``starts``.
    galleries
        Set → the result of ``gallery``.
    leads
        Kind of section → its lead, with ``cells``: the result of ``lead_cells``.
    looks
        Look of each model.

    Returns
    -------
    list
        For each section ``identifier``, ``kind``, ``heading``, ``lead`` (may be None), ``words``, ``n``: number of
        stimuli, ``few``: whether ``n`` is below ``FEWEST_STIMULI``, ``figure``, ``file`` with the numbers,
        ``recognition_models`` (may be empty), ``table`` and ``galleries``.
    """

    def part(
        kind: str,
        heading: str,
        words: str,
        n: int,
        figure: Figure,
        table: Table,
        galleries: list[Gallery],
        recognition_models: str = "",
    ) -> dict[str, Any]:
        own = {
            "kind": kind,
            "words": words,
            "figure": figure,
            "table": table,
            "galleries": galleries,
            "recognition_models": recognition_models,
        }
        own |= {"n": n, "few": n < FEWEST_STIMULI, "lead": leads.get(kind)}
        own["file"] = f"beyond/{kind}/{'<model>' if kind == 'invariance' else modality}.nc"
        return own | {"identifier": f"{kind}_{modality}", "heading": f"{heading} ({MODALITIES[modality].stimuli})"}

    found = []
    if starts is not None:
        found.append(
            part(
                "starts", "From other starts", starts_words(left_free), starts.sizes["stimulus"],
                starts_figure(starts, left_free, looks), starts_table(starts, left_free),
                [galleries[f"starts_{model}"] for model in left_free], starts.attrs["judged_by"],
            )
        )  # fmt: skip
    if controversial is not None:
        found.append(
            part(
                "controversial", "Controversial stimuli", controversial_words(controversial),
                int(controversial["n"].max()), controversial_figure(controversial, looks),
                controversial_table(controversial),
                [galleries[f"controversial_{modality}"]], controversial.attrs["judged_by"],
            )
        )  # fmt: skip
    if ensemble is not None:
        found.append(
            part(
                "ensemble", "Several models together", ensemble_words(ensemble), int(ensemble["n"].max()),
                ensemble_figure(ensemble, looks), ensemble_table(ensemble), [galleries[f"ensemble_{modality}"]],
                ensemble.attrs["judged_by"],
            )
        )  # fmt: skip
    if starts is not None:
        found.append(
            part(
                "invariance", "Distance between two metamers", invariance_words(left_free), starts.sizes["stimulus"],
                invariance_figure(left_free, looks), invariance_table(left_free), [],
            )
        )  # fmt: skip
    return found
