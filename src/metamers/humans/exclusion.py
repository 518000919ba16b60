"""Exclusion of participants, by rules that are fixed before the experiment.

``metamers.humans.own_participants`` excludes participants when it reads their answers. The server excludes them by the
same rules from the answers on which an adaptive experiment bases its choices.
"""

from collections.abc import Mapping, Sequence

import xarray as xr

from metamers.humans.design import KINDS, QUESTION
from metamers.humans.rows import Answer, agreed

NO_CONSENT, UNFINISHED = "no consent", "unfinished"
EXCLUSIONS = (NO_CONSENT, "headphone check", "practice", UNFINISHED, "catch trials")


class ExclusionRule:
    """The rules of exclusion of an experiment.

    A participant of an adaptive experiment, which may stop at any trial, is unfinished only before the first main
    trial, and is excluded for catch trials as soon as too many answers to them are wrong.

    Parameters
    ----------
    design
        ``experiment/<modality>.nc``.
    at_least
        ``headphones``, ``practice``, ``catch`` → smallest number of correct answers.
    """

    def __init__(self, design: xr.Dataset, at_least: Mapping[str, int]):
        kinds, categories = map(str, design["kind"].values), map(str, design["category"].values)
        names = map(str, design["exhibit"].values)
        self._shown = dict(zip(names, zip(kinds, categories, strict=True), strict=True))
        self._number = {
            kind: sum(kind_of_exhibit == kind for kind_of_exhibit, _ in self._shown.values()) for kind in KINDS
        }
        self._adaptive, self._at_least = QUESTION in design.attrs, at_least
        self._trials = [f"trial-{number}" for number in range(design.sizes["trial"])]
        self._checks = [f"headphones-{number}" for number in range(int(design.attrs["headphone_trials"]))]

    def exclusion(self, steps: Mapping[str, Answer]) -> str | None:
        """Return the reason for which a participant is excluded, the first of ``EXCLUSIONS`` that applies, or None.

        Parameters
        ----------
        steps
            Step → answer.
        """
        if not agreed(steps):
            return NO_CONSENT
        checked = [steps[step] for step in self._checks if step in steps]
        trials = [steps[step] for step in self._trials if step in steps]
        all_checked = len(checked) == len(self._checks)
        if all_checked and sum(answer.answer == answer.target for answer in checked) < self._at_least["headphones"]:
            return "headphone check"
        practised, caught = self._of_kind(trials, "practice"), self._of_kind(trials, "catch")
        all_practised = len(practised) == self._number["practice"]
        if all_practised and self._right(practised) < self._at_least["practice"]:
            return "practice"
        finished = len(trials) == len(self._trials)
        if self._adaptive:
            examples = len(self._of_kind(trials, "feedback")) == self._number["feedback"]
            finished = examples and all_practised and bool(self._of_kind(trials, "main"))
        if not (all_checked and finished):
            return UNFINISHED
        # Catch trials that an adaptive experiment did not reach count as right.
        if len(caught) - self._right(caught) > self._number["catch"] - self._at_least["catch"]:
            return "catch trials"
        return None

    def _of_kind(self, answers: Sequence[Answer], kind: str) -> list[Answer]:
        return [answer for answer in answers if self._shown[answer.exhibit][0] == kind]

    def _right(self, answers: Sequence[Answer]) -> int:
        return sum(answer.answer == self._shown[answer.exhibit][1] for answer in answers)
