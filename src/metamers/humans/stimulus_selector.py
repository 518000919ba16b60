"""Selection of the next stimulus in an adaptive experiment, from the design and the answers so far.

The condition is chosen by ``metamers.humans.adaptive_model``. In this condition, the stimulus is new to the participant
and was shown to the fewest other participants. Before there are answers, stimuli differ in nothing that is known,
and the mean over stimuli is estimated best if all of them are shown equally often.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from metamers.humans.adaptive_model import (
    Counts,
    Estimate,
    Question,
    estimate_on,
    fitted_grid,
    information,
    joint_posterior,
    log_marginal,
    normalized,
    number_of_answers,
    should_stop,
)
from metamers.humans.design import QUESTION, Condition
from metamers.humans.exclusion import ExclusionRule
from metamers.humans.rows import Answer

MORE_ANSWERS = 1.1  # a new grid is made when there are so many times more answers, or another participant
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
        Parameters of ``metamers.experiment.settings.AdaptiveSettings``.
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


class StimulusSelector:
    """The adaptive part of an experiment.

    Parameters
    ----------
    design
        Result of ``metamers.humans.design.experiment_design``, with ``adaptive_attributes``.

    Attributes
    ----------
    question
        The question.
    exhibits
        Name of each main exhibit → what it shows.
    """

    def __init__(self, design: xr.Dataset):
        attributes = design.attrs
        self.design = design
        self.question = question_of(design)
        self.exhibits = main_exhibits(design)
        self._rule = ExclusionRule(design, {check: int(attributes[f"at_least_{check}"]) for check in CHECKS})
        self._named = {(one.condition, one.stimulus): name for name, one in self.exhibits.items()}
        self._stimuli = sorted({one.stimulus for one in self.exhibits.values()})
        self._grid, _ = fitted_grid(self.question, [])
        self._fitted_to = 0, 0  # numbers of answers and of participants for which the grid was made
        self._counts: dict[str, tuple[int, Counts | None]] = {}  # participant → number of answers, and what they count
        self._marginals: dict[str, tuple[Counts, np.ndarray]] = {}  # participant → counts, and their log likelihood

    def counts(self, answers: Mapping[str, Mapping[str, Answer]]) -> dict[str, Counts]:
        """Count the answers of all participants who are not excluded.

        Parameters
        ----------
        answers
            Participant → step → answer.
        """
        for name, steps in answers.items():
            if self._counts.get(name, (None,))[0] != len(steps):
                included = self._rule.exclusion(steps) is None
                self._counts[name] = len(steps), counts_of(steps.values(), self.exhibits) if included else None
        return {name: own for name in answers if (own := self._counts[name][1]) is not None}

    def estimate(self, counts: Mapping[str, Counts]) -> Estimate:
        """Estimate the parameter of the question from a result of ``counts``."""
        log_weights = self._log_posterior(counts)
        answers = [number_of_answers(own) for own in counts.values()]
        return estimate_on(self.question, self._grid, normalized(log_weights).sum(axis=1), answers)

    def _log_posterior(self, counts: Mapping[str, Counts]) -> np.ndarray:
        """As ``metamers.humans.adaptive_model.log_posterior``; the answers of most participants have not changed."""
        answers = sum(map(number_of_answers, counts.values()))
        before, participants = self._fitted_to
        if answers > MORE_ANSWERS * before or len(counts) > participants:
            self._grid, _ = fitted_grid(self.question, list(counts.values()), self._grid)
            self._fitted_to = answers, len(counts)
            self._marginals.clear()
        total = self._grid.log_prior
        for name, own in counts.items():
            if self._marginals.get(name, (None,))[0] != own:
                self._marginals[name] = own, log_marginal(self._grid, own)
            total = total + self._marginals[name][1]
        return total

    def describe(self, estimate: Estimate) -> str:
        """Describe an estimate in one line, for the log."""
        factor = "" if np.isnan(estimate.bayes_factor) else f", Bayes factor {estimate.bayes_factor:.3g}"
        return (
            f"{self.question.name} {estimate.mean:.3f} ({estimate.low:.3f} to {estimate.high:.3f}){factor} "
            f"from {estimate.answers} answers of {estimate.participants} participants"
        )

    def enough(self, estimate: Estimate) -> bool:
        """Whether the answers suffice, so that the experiment stops."""
        return answers_suffice(estimate, self.design)

    def next_exhibit(
        self,
        counts: Mapping[str, Counts],
        participant: str,
        already_shown: Collection[str],
        presentations: Mapping[str, int],
    ) -> str | None:
        """Choose the exhibit that a participant is shown next.

        Parameters
        ----------
        counts
            Result of ``counts``.
        participant
            The participant's name.
        already_shown
            Natural stimuli that were shown to the participant.
        presentations
            Exhibit → number of participants to whom it was shown; exhibits without participants may be left out.

        Returns
        -------
        str or None
            Name of the exhibit; None if all stimuli were shown.
        """
        left = [stimulus for stimulus in self._stimuli if stimulus not in already_shown]
        if not left:
            return None
        others = {name: own for name, own in counts.items() if name != participant}
        log_weights = self._log_posterior(others)
        joint = joint_posterior(self._grid, log_weights, counts.get(participant, {}))
        condition = self.question.conditions[int(information(self._grid, joint).argmax())]

        def times_shown(stimulus: str) -> tuple[int, str]:
            exhibit = self._named[condition, stimulus]
            return presentations.get(exhibit, 0), hashlib.sha256(f"{participant}/{stimulus}".encode()).hexdigest()

        return self._named[condition, min(left, key=times_shown)]


def answers_suffice(estimate: Estimate, design: xr.Dataset) -> bool:
    """Whether an estimate reaches the precision or evidence that the attributes of a design state."""
    attributes = design.attrs
    return should_stop(
        estimate,
        float(attributes["stop_interval"]) or None,
        float(attributes["stop_bayes_factor"]) or None,
        int(attributes["stop_participants"]),
    )


def question_of(design: xr.Dataset) -> Question:
    """Return the question that the attributes of a design state.

    Raises
    ------
    ValueError
        As ``metamers.humans.adaptive_model.Question``.
    """
    attributes = design.attrs
    return Question(
        str(attributes[QUESTION]),
        json.loads(attributes["stages"]),
        float(attributes["chance"]),
        float(attributes["participant_sd"]),
    )


def times_shown(answers: Mapping[str, Mapping[str, Answer]]) -> Counter[str]:
    """Exhibit → number of participants who answered to it."""
    return Counter(answer.exhibit for steps in answers.values() for answer in steps.values() if answer.exhibit)


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


def counts_of(answers: Iterable[Answer], exhibits: Mapping[str, Exhibit]) -> Counts:
    """Count a participant's correct answers and all answers in each condition; other trials are left out."""
    correct: dict[Condition, list[bool]] = defaultdict(list)
    for answer in answers:
        if answer.exhibit in exhibits:
            exhibit = exhibits[answer.exhibit]
            correct[exhibit.condition].append(answer.answer == exhibit.category)
    return {condition: (int(np.sum(right)), len(right)) for condition, right in correct.items()}
