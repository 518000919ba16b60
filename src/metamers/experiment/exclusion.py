"""Exclusion of participants, by rules that are fixed before the experiment.

``metamers.humans.own_participants`` excludes participants when it reads their answers. The server excludes them by the
same rules from the answers on which an adaptive experiment bases its choices.
"""

from collections.abc import Mapping, Sequence

import xarray as xr

from metamers.experiment.design import QUESTION
from metamers.experiment.rows import Answer

NO_CONSENT, UNFINISHED = "no consent", "unfinished"
EXCLUSIONS = (NO_CONSENT, "headphone check", "practice", UNFINISHED, "catch trials")


def kinds_and_categories(design: xr.Dataset) -> dict[str, tuple[str, str]]:
    """Return exhibit → its kind and category."""
    kinds, categories = map(str, design["kind"].values), map(str, design["category"].values)
    return dict(zip(map(str, design["exhibit"].values), zip(kinds, categories, strict=True), strict=True))


def exclusion(steps: Mapping[str, Answer], design: xr.Dataset, at_least: Mapping[str, int]) -> str | None:
    """Return the reason for which a participant is excluded, the first of ``EXCLUSIONS`` that applies, or None.

    A participant of an adaptive experiment, which may stop at any trial, is unfinished only before the first main
    trial, and is excluded for catch trials as soon as too many answers to them are wrong.

    Parameters
    ----------
    steps
        Step → answer.
    design
        ``experiment/<modality>.nc``.
    at_least
        ``headphones``, ``practice``, ``catch`` → smallest number of correct answers.
    """
    if "consent" not in steps or steps["consent"].answer != "yes":
        return NO_CONSENT
    kinds = kinds_and_categories(design)
    checked = [steps.get(f"headphones-{number}") for number in range(int(design.attrs["headphone_trials"]))]
    trials = [steps.get(f"trial-{number}") for number in range(design.sizes["trial"])]

    def of_kind(kind: str) -> list[Answer]:
        return [answer for answer in trials if answer and kinds[answer.exhibit][0] == kind]

    def right(answers: Sequence[Answer]) -> int:
        return sum(answer.answer == kinds[answer.exhibit][1] for answer in answers)

    practised, caught = of_kind("practice"), of_kind("catch")
    if all(checked) and sum(answer.answer == answer.target for answer in checked if answer) < at_least["headphones"]:
        return "headphone check"
    whole = sum(kind == "practice" for kind, _ in kinds.values())
    if len(practised) == whole and right(practised) < at_least["practice"]:
        return "practice"
    if not all(checked) or not (of_kind("main") if QUESTION in design.attrs else all(trials)):
        return UNFINISHED
    # Catch trials that an adaptive experiment did not reach count as right.
    if len(caught) - right(caught) > sum(kind == "catch" for kind, _ in kinds.values()) - at_least["catch"]:
        return "catch trials"
    return None
