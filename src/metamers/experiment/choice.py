"""Choice of the next stimulus in an adaptive experiment, from the design and the answers so far.

The condition is chosen by ``metamers.experiment.adaptive``. In this condition, the stimulus is one that the participant
has not met and that the fewest others were shown: as long as nothing else is known about stimuli, an answer to the
least known one tells most about their mean.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from metamers.experiment.adaptive import (
    Counts,
    Estimate,
    Grid,
    build_grid,
    estimate_from_log,
    information,
    joint_posterior,
    log_marginal,
    reached,
)
from metamers.experiment.design import QUESTION, Condition
from metamers.experiment.exclusion import exclusion
from metamers.experiment.rows import Answer

CHECKS = ("headphones", "practice", "catch")


def adaptive_attributes(
    settings: Mapping[str, Any],
    stages: Mapping[str, Sequence[str]],
    categories: int,
    participant_sd: float,
    at_least: Mapping[str, int],
) -> dict[str, Any]:
    """Return the attributes with which a design describes an adaptive experiment.

    Parameters
    ----------
    settings
        ``experiment.adaptive`` of the configuration.
    stages
        Generation model → stages that are shown.
    categories
        Number of possible answers.
    participant_sd
        Standard deviation between participants, in log odds.
    at_least
        ``headphones``, ``practice``, ``catch`` → smallest number of correct answers.
    """
    return {
        QUESTION: settings["question"],
        "stages": json.dumps(stages),
        "chance": 1 / categories,
        "participant_sd": participant_sd,
        "stop_interval": settings["interval"] or 0,
        "stop_bayes_factor": settings["bayes_factor"] or 0,
        "stop_participants": settings["participants"],
        **{f"at_least_{check}": at_least[check] for check in CHECKS},
    }


@dataclass(frozen=True)
class Exhibit:
    """What a main trial shows: its condition, natural stimulus and right answer."""

    condition: Condition
    stimulus: str
    category: str


class Choice:
    """The adaptive part of an experiment.

    Parameters
    ----------
    design
        Result of ``metamers.experiment.design.experiment_design``, with ``adaptive_attributes``.

    Attributes
    ----------
    grid
        The question.
    exhibits
        Name of each main exhibit → what it shows.
    """

    def __init__(self, design: xr.Dataset):
        given = design.attrs
        self.design = design
        self.grid: Grid = build_grid(
            str(given[QUESTION]), json.loads(given["stages"]), float(given["chance"]), float(given["participant_sd"])
        )
        self.exhibits = main_exhibits(design)
        self._at_least = {check: int(given[f"at_least_{check}"]) for check in CHECKS}
        self._named = {(one.condition, one.stimulus): name for name, one in self.exhibits.items()}
        self._stimuli = sorted({one.stimulus for one in self.exhibits.values()})
        self._marginals: dict[str, tuple[Counts, np.ndarray]] = {}  # participant → answers, and their log likelihood

    def estimate(self, given: Mapping[str, Mapping[str, Answer]]) -> Estimate:
        """Estimate the parameter of the question from the answers of all participants who are not excluded.

        Parameters
        ----------
        given
            Participant → step → answer.
        """
        counts = {name: counts_of(steps.values(), self.exhibits) for name, steps in self._included(given).items()}
        return estimate_from_log(self.grid, self._log_posterior(counts), list(counts.values()))

    def _log_posterior(self, counts: Mapping[str, Counts]) -> np.ndarray:
        """As ``metamers.experiment.adaptive.log_posterior``; the answers of most participants have not changed."""
        total = np.log(self.grid.prior)
        for name, own in counts.items():
            if self._marginals.get(name, (None,))[0] != own:
                self._marginals[name] = own, log_marginal(self.grid, own)
            total = total + self._marginals[name][1]
        return total

    def describe(self, found: Estimate) -> str:
        """Describe an estimate in one line, for the log."""
        factor = f", Bayes factor {found.bayes_factor:.3g}" if found.bayes_factor == found.bayes_factor else ""
        return (
            f"{self.grid.question} {found.mean:.3f} ({found.low:.3f} to {found.high:.3f}){factor} from {found.answers} "
            f"answers of {found.participants} participants"
        )

    def enough(self, found: Estimate) -> bool:
        """Whether the answers suffice, so that the experiment stops."""
        attributes = self.design.attrs
        return reached(
            found,
            float(attributes["stop_interval"]) or None,
            float(attributes["stop_bayes_factor"]) or None,
            int(attributes["stop_participants"]),
        )

    def next_exhibit(
        self, given: Mapping[str, Mapping[str, Answer]], participant: str, met: Collection[str]
    ) -> str | None:
        """Choose the exhibit that a participant is shown next; None if the participant has met all stimuli.

        Parameters
        ----------
        given
            Participant → step → answer.
        participant
            The participant's name.
        met
            Natural stimuli that the participant has met.
        """
        left = [stimulus for stimulus in self._stimuli if stimulus not in met]
        if not left:
            return None
        included = self._included(given)
        counts = {name: counts_of(steps.values(), self.exhibits) for name, steps in included.items()}
        own = counts.pop(participant, {})
        joint = joint_posterior(self.grid, self._log_posterior(counts), own)
        condition = self.grid.conditions[int(information(self.grid, joint).argmax())]
        shown = Counter(
            self.exhibits[answer.exhibit].stimulus
            for steps in included.values()
            for answer in steps.values()
            if answer.exhibit in self.exhibits and self.exhibits[answer.exhibit].condition == condition
        )

        def turn(stimulus: str) -> tuple[int, str]:
            return shown[stimulus], hashlib.sha256(f"{participant}/{stimulus}".encode()).hexdigest()

        return self._named[condition, min(left, key=turn)]

    def _included(self, given: Mapping[str, Mapping[str, Answer]]) -> dict[str, Mapping[str, Answer]]:
        return {name: steps for name, steps in given.items() if exclusion(steps, self.design, self._at_least) is None}


def main_exhibits(design: xr.Dataset) -> dict[str, Exhibit]:
    """Return name → content of the exhibits of main trials."""
    main = design.isel(exhibit=design["kind"].values == "main")
    names, *columns = (
        main[name].values.astype(str) for name in ("exhibit", "generation_model", "stage", "stimulus", "category")
    )
    return {
        str(name): Exhibit((str(model), str(stage)), str(stimulus), str(category))
        for name, model, stage, stimulus, category in zip(names, *columns, strict=True)
    }


def counts_of(answers: Collection[Answer], exhibits: Mapping[str, Exhibit]) -> Counts:
    """Count a participant's correct answers and all answers in each condition; other trials are left out."""
    correct: dict[Condition, list[bool]] = defaultdict(list)
    for answer in answers:
        if answer.exhibit in exhibits:
            shown = exhibits[answer.exhibit]
            correct[shown.condition].append(answer.answer == shown.category)
    return {condition: (int(np.sum(right)), len(right)) for condition, right in correct.items()}
