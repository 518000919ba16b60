"""Simulations of ``metamers.experiment.adaptive``: how many answers it saves, and whether its estimates are right.

Participants vary like the published ones (``resources/published/participant_variance.csv``). Both designs are analysed
in the same way, after each answer, and stop as soon as the 95% credible interval is narrow enough. In the fixed
design, a participant's conditions are in a random order, all equally often. Recognition falls with depth either as the
procedure assumes, or like the mean of the published models.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from metamers.experiment.adaptive import (
    DIFFERENCE,
    THRESHOLD,
    Counts,
    Estimate,
    Question,
    depths,
    estimate_on,
    fitted_grid,
    information,
    joint_posterior,
    log_marginal,
    should_stop,
)
from metamers.humans.summary import COLUMNS, read_results
from metamers.leaderboard.curves import curves_by_modality
from metamers.power.participants import COMPONENTS, VARIANCE_COLUMNS, median_log_odds, typical_curve
from metamers.simulations.results import Simulated, proportion

MODALITY = "vision"
STAGES = 8
CHANCE = 1 / 16
LAPSES = 0.04  # of the simulated participants
TRIALS = 72  # of each participant: main trials
LEAST_PARTICIPANTS, MOST_ANSWERS = 4, 4000
INTERVAL = {THRESHOLD: 0.1, DIFFERENCE: 1.0}  # width of the 95% credible interval at which an experiment stops
NARROW_INTERVAL = 0.06  # of a threshold, where recognition falls steeply
BAYES_FACTOR = 10
PER_SAMPLE = 50  # an experiment has some hundred steps, so there are fewer of them than samples
MORE_ANSWERS = 1.25  # a new grid is made when there are so many times more answers
STATISTIC = "adaptive experiment, {}"
# Accepted results of the adaptive and of the fixed design: mean error, in intervals at which the experiment stops, and
# coverage of 95% intervals. In the fixed design, distant stages bias a curve that is not logistic.
BIAS, COVERAGE = {True: 0.15, False: 0.3}, {True: 0.85, False: 0.7}
# Number of answers, relative to the fixed design; share of experiments that find a difference if the true difference is
# 0, and if it is 1; share of experiments that do not stop.
LARGEST_RATIO, MOST_FALSE, FEWEST_FOUND, MOST_ENDLESS = 0.9, 0.1, 0.8, 0.05


@dataclass(frozen=True)
class SimulatedParticipants:
    """Simulated participants.

    Attributes
    ----------
    log_odds
        Model → log odds (stage,) of an average participant, above chance and below lapses.
    deviations
        Standard deviations between participants, in log odds: over all metamers, over a model's, over a stage's.
    """

    log_odds: Mapping[str, np.ndarray]
    deviations: tuple[float, float, float]

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a participant: probabilities (condition,) of a correct answer, natural stimuli first."""
        overall, of_model, of_stage = self.deviations
        ability = overall * rng.standard_normal()
        odds = [
            own + ability + of_model * rng.standard_normal() + of_stage * rng.standard_normal(len(own))
            for own in self.log_odds.values()
        ]
        right = CHANCE + (1 - CHANCE - LAPSES) * expit(np.concatenate(odds))
        return np.concatenate([[1 - LAPSES], right])


def balanced_order(conditions: int, trials: int, rng: np.random.Generator) -> np.ndarray:
    """Draw numbers of conditions (trial,), each equally often or once more, in a random order."""
    whole, rest = divmod(trials, conditions)
    more = rng.choice(conditions, rest, replace=False)
    return rng.permutation(np.concatenate([np.tile(np.arange(conditions), whole), more]))


def simulate_experiment(
    question: Question,
    participants: SimulatedParticipants,
    adaptive: bool,
    interval: float | None,
    bayes_factor: float | None,
    rng: np.random.Generator,
) -> Estimate:
    """Simulate an experiment until it stops.

    Parameters
    ----------
    question
        The question.
    participants
        The participants.
    adaptive
        Whether conditions are chosen, or in a fixed order.
    interval, bayes_factor
        Where it stops, as of ``metamers.experiment.adaptive.should_stop``.
    rng
        Random numbers.

    Returns
    -------
    Estimate
        The last one; it has ``MOST_ANSWERS`` answers if the experiment did not stop before.
    """
    grid, others = fitted_grid(question, [])
    before: list[Counts] = []
    answers = fitted_to = 0
    while True:
        right = participants.draw(rng)
        own: dict[tuple[str, str], tuple[int, int]] = {}
        joint = joint_posterior(grid, others, own)
        for fixed in balanced_order(len(question.conditions), TRIALS, rng):
            chosen = int(information(grid, joint).argmax()) if adaptive else int(fixed)
            correct, number = own.get(question.conditions[chosen], (0, 0))
            is_right = bool(rng.random() < right[chosen])
            own[question.conditions[chosen]] = correct + int(is_right), number + 1
            joint = joint * (grid.right[chosen] if is_right else 1 - grid.right[chosen])
            joint /= joint.sum()
            answers += 1
            found = estimate_on(question, grid, joint.sum(axis=(1, 2)), [*before, own])
            if answers == MOST_ANSWERS or should_stop(found, interval, bayes_factor, LEAST_PARTICIPANTS):
                return found
        before.append(own)
        if answers > MORE_ANSWERS * fitted_to:
            grid, others = fitted_grid(question, before, grid)
            fitted_to = answers
        else:
            others = others + log_marginal(grid, own)


def depth_halfway(log_odds: np.ndarray) -> float:
    """The depth at which log odds (stage,) that fall with depth are 0, by linear interpolation."""
    return float(np.interp(0, -log_odds, depths(len(log_odds))))


def logistic_log_odds(threshold: float, width: float) -> np.ndarray:
    """Log odds (stage,) of a model whose recognition falls as the procedure assumes."""
    return (threshold - depths(STAGES)) / width


def log_odds_of_curve(curve: np.ndarray, deviation: float) -> np.ndarray:
    """Log odds (stage,) of a model whose mean recognition is a curve (stage,), with abilities of a deviation."""
    return median_log_odds(((curve - CHANCE) / (1 - CHANCE - LAPSES)).clip(0.01, 0.99), deviation)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate both questions, with the assumed curves and with the mean published curve."""
    number = max(4, samples // PER_SAMPLE)
    table = read_results(published / "participant_variance.csv", VARIANCE_COLUMNS)
    deviations = tuple(table[table["modality"] == MODALITY].set_index("component")["sd"].loc[list(COMPONENTS)])
    groups = read_results(published / "group_results.csv", COLUMNS)
    curve = typical_curve(curves_by_modality(groups)[MODALITY], STAGES)
    published_curve = log_odds_of_curve(curve, float(np.hypot.reduce(deviations)))
    for place, (shape, own, interval) in enumerate(
        (
            ("threshold 0.31, width 0.12", logistic_log_odds(0.31, 0.12), INTERVAL[THRESHOLD]),
            ("threshold 0.6, width 0.06", logistic_log_odds(0.6, 0.06), NARROW_INTERVAL),
            ("published curve", published_curve, INTERVAL[THRESHOLD]),
        )
    ):
        participants = SimulatedParticipants({"one": own}, deviations)
        rng = np.random.default_rng([seed, 0, place])
        yield from _compare_designs(THRESHOLD, shape, participants, depth_halfway(own), interval, number, rng)
    for place, (shape, own, difference) in enumerate(
        (
            ("width 0.12, difference 0", logistic_log_odds(0.5, 0.12), 0),
            ("width 0.12, difference 1", logistic_log_odds(0.5, 0.12), 1),
            ("width 0.06, difference 1", logistic_log_odds(0.45, 0.06), 1),
            ("published curve, difference 1", published_curve, 1),
        )
    ):
        pair = {"one": own + difference / 2, "other": own - difference / 2}
        participants = SimulatedParticipants(pair, deviations)
        rng = np.random.default_rng([seed, 1, place])
        interval = INTERVAL[DIFFERENCE]
        yield from _compare_designs(DIFFERENCE, shape, participants, difference, interval, number, rng)
        yield _decided(shape, participants, difference, number, rng)


def _question(name: str, participants: SimulatedParticipants) -> Question:
    stages = {model: [f"stage_{place}" for place in range(len(own))] for model, own in participants.log_odds.items()}
    return Question(name, stages, CHANCE, participants.deviations[0])


def _decided(
    shape: str, participants: SimulatedParticipants, difference: float, number: int, rng: np.random.Generator
) -> Simulated:
    """Simulate adaptive experiments that stop at a Bayes factor: how often a difference is found."""
    question = _question(DIFFERENCE, participants)
    found = [simulate_experiment(question, participants, True, None, BAYES_FACTOR, rng) for _ in range(number)]
    hits = np.array([one.bayes_factor >= BAYES_FACTOR for one in found])
    counted, low, high = ("differences found", FEWEST_FOUND, 1) if difference else ("false positives", 0, MOST_FALSE)
    condition = f"{shape}; stops at a Bayes factor of {BAYES_FACTOR}"
    return proportion(STATISTIC.format(DIFFERENCE), condition, f"{counted}, adaptive", hits, low, high)


def _compare_designs(
    name: str,
    shape: str,
    participants: SimulatedParticipants,
    true: float,
    interval: float,
    number: int,
    rng: np.random.Generator,
) -> Iterator[Simulated]:
    """Compare adaptive experiments that stop at an interval with those of the fixed design."""
    question, statistic = _question(name, participants), STATISTIC.format(name)
    condition = f"{shape}; stops at an interval of {interval}"
    found = {
        adaptive: [simulate_experiment(question, participants, adaptive, interval, None, rng) for _ in range(number)]
        for adaptive in (True, False)
    }
    answers = {adaptive: np.array([one.answers for one in several]) for adaptive, several in found.items()}
    mean = {adaptive: float(each.mean()) for adaptive, each in answers.items()}
    error = {adaptive: _standard_error(each) for adaptive, each in answers.items()}
    ratio = mean[True] / mean[False]
    relative = float(np.hypot(error[True] / mean[True], error[False] / mean[False]))
    counted = "answers, relative to the fixed design"
    yield Simulated(statistic, condition, counted, ratio, ratio * relative, 0, LARGEST_RATIO, number)
    for adaptive, design in ((True, "adaptive"), (False, "fixed")):
        counted = f"mean number of answers, {design}"
        yield Simulated(statistic, condition, counted, mean[adaptive], error[adaptive], 1, MOST_ANSWERS, number)
        endless = answers[adaptive] == MOST_ANSWERS
        yield proportion(statistic, condition, f"experiments without an end, {design}", endless, 0, MOST_ENDLESS)
        errors = np.array([one.mean for one in found[adaptive]]) - true
        counted, most = f"bias, {design}", BIAS[adaptive] * interval
        bias, of_bias = float(errors.mean()), _standard_error(errors)
        yield Simulated(statistic, condition, counted, bias, of_bias, -most, most, number)
        inside = np.array([one.low <= true <= one.high for one in found[adaptive]])
        yield proportion(statistic, condition, f"coverage, {design}", inside, COVERAGE[adaptive], 1)


def _standard_error(values: np.ndarray) -> float:
    """Standard error of the mean of some values (sample,)."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))
