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
    Estimate,
    Grid,
    build_grid,
    depths,
    estimate_from,
    information,
    joint_posterior,
    log_marginal,
    reached,
)
from metamers.experiment.design import Condition
from metamers.humans.summary import COLUMNS, read_results
from metamers.leaderboard.curves import curves_by_modality
from metamers.power.participants import COMPONENTS, VARIANCE_COLUMNS, median_log_odds, typical_curve
from metamers.simulations.results import Simulated, proportion

MODALITY = "vision"
STAGES = 8
CHANCE = 1 / 16
LAPSES, WIDTH = 0.05, 0.12  # of the simulated participants
TRIALS = 72  # of each participant: main trials
LEAST_PARTICIPANTS, MOST_ANSWERS = 4, 3000
INTERVAL = {THRESHOLD: 0.1, DIFFERENCE: 1.0}  # width of the 95% credible interval at which an experiment stops
BAYES_FACTOR = 10
BIAS = 0.15  # largest accepted mean error, in intervals at which the experiment stops
COVERAGE = 0.9  # smallest accepted coverage of 95% intervals
LARGEST_RATIO = 0.8  # largest accepted number of answers, relative to the fixed design
MOST_FALSE = 0.1  # largest accepted share of differences that are found where there is none
PER_SAMPLE = 10  # an experiment has some hundred steps, so there are fewer of them than samples
STATISTIC = "adaptive experiment, {}"


@dataclass(frozen=True)
class People:
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

    def drawn(self, conditions: tuple[Condition, ...], rng: np.random.Generator) -> np.ndarray:
        """Draw a participant: probabilities (condition,) of a correct answer, natural stimuli first."""
        overall, of_model, of_stage = self.deviations
        ability = overall * rng.standard_normal()
        odds = [
            own + ability + of_model * rng.standard_normal() + of_stage * rng.standard_normal(len(own))
            for own in self.log_odds.values()
        ]
        right = CHANCE + (1 - CHANCE - LAPSES) * expit(np.concatenate(odds))
        return np.concatenate([[1 - LAPSES], right])


def experiment(
    grid: Grid,
    people: People,
    adaptive: bool,
    interval: float | None,
    bayes_factor: float | None,
    rng: np.random.Generator,
) -> Estimate:
    """Simulate an experiment until it stops; returns its last estimate."""
    others, answers, participants = np.log(grid.prior), 0, 0
    while True:
        right = people.drawn(grid.conditions, rng)
        order = np.resize(np.arange(len(grid.conditions)), TRIALS)
        rng.shuffle(order)
        counts: dict[Condition, tuple[int, int]] = {}
        participants += 1
        joint = joint_posterior(grid, others, counts)
        for fixed in order:
            chosen = int(information(grid, joint).argmax()) if adaptive else int(fixed)
            condition = grid.conditions[chosen]
            correct, number = counts.get(condition, (0, 0))
            counts[condition] = correct + int(rng.random() < right[chosen]), number + 1
            answers += 1
            joint = joint_posterior(grid, others, counts)
            found = estimate_from(grid, joint.sum(axis=(1, 2)), answers, participants)
            if reached(found, interval, bayes_factor, LEAST_PARTICIPANTS) or answers == MOST_ANSWERS:
                return found
        others = others + log_marginal(grid, counts)


def halfway(log_odds: np.ndarray) -> float:
    """The depth at which log odds (stage,) that fall with depth are 0, by linear interpolation."""
    return float(np.interp(0, -log_odds, depths(len(log_odds))))


def stages_of(log_odds: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Model → names of its stages."""
    return {model: [f"stage_{number}" for number in range(len(own))] for model, own in log_odds.items()}


def assumed(threshold: float) -> np.ndarray:
    """Log odds (stage,) of a model whose recognition falls as the procedure assumes."""
    return (threshold - depths(STAGES)) / WIDTH


def of_curve(curve: np.ndarray, deviation: float) -> np.ndarray:
    """Log odds (stage,) of a model whose mean recognition is a curve (stage,), with abilities of a deviation."""
    return median_log_odds(((curve - CHANCE) / (1 - CHANCE - LAPSES)).clip(0.01, 0.99), deviation)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate both questions, with the assumed curves and with the mean published curve."""
    rng = np.random.default_rng(seed)
    number = max(2, samples // PER_SAMPLE)
    table = read_results(published / "participant_variance.csv", VARIANCE_COLUMNS)
    deviations = tuple(table[table["modality"] == MODALITY].set_index("component")["sd"].loc[list(COMPONENTS)])
    groups = read_results(published / "group_results.csv", COLUMNS)
    curve = typical_curve(curves_by_modality(groups)[MODALITY], STAGES)
    published_curve = of_curve(curve, float(np.hypot.reduce(deviations)))
    curves = {"threshold 0.3": assumed(0.3), "threshold 0.6": assumed(0.6), "published curve": published_curve}
    for shape, curve in curves.items():
        yield from _of_question(THRESHOLD, shape, People({"one": curve}, deviations), halfway(curve), number, rng)
    for name, curve in {"": assumed(0.5), "published curve, ": published_curve}.items():
        for difference in (0, 1):
            people = People({"one": curve + difference / 2, "other": curve - difference / 2}, deviations)
            shape = f"{name}difference {difference}"
            yield from _of_question(DIFFERENCE, shape, people, difference, number, rng)


def _of_question(
    question: str, shape: str, people: People, true: float, number: int, rng: np.random.Generator
) -> Iterator[Simulated]:
    """Simulate experiments of both designs that stop at an interval, and adaptive ones that stop at a Bayes factor."""
    grid = build_grid(question, stages_of(people.log_odds), CHANCE, people.deviations[0])
    stop, statistic = INTERVAL[question], STATISTIC.format(question)
    found = {
        adaptive: [experiment(grid, people, adaptive, stop, None, rng) for _ in range(number)]
        for adaptive in (True, False)
    }
    yield from _compared(statistic, f"{shape}; stops at an interval of {stop}", found, true, BIAS * stop)
    if question == DIFFERENCE:
        decided = [experiment(grid, people, True, None, BAYES_FACTOR, rng) for _ in range(number)]
        hits = np.array([one.bayes_factor >= BAYES_FACTOR for one in decided])
        counted, most = ("differences found", 1) if true else ("false positives", MOST_FALSE)
        condition = f"{shape}; stops at a Bayes factor of {BAYES_FACTOR}"
        yield proportion(statistic, condition, f"{counted}, adaptive", hits, 0, most)


def _compared(
    statistic: str, condition: str, found: Mapping[bool, list[Estimate]], true: float, bias: float
) -> Iterator[Simulated]:
    """Compare the adaptive with the fixed design: answers, bias and coverage."""
    size = len(found[True])
    answers = {adaptive: np.array([one.answers for one in several]) for adaptive, several in found.items()}
    mean = {adaptive: float(each.mean()) for adaptive, each in answers.items()}
    error = {adaptive: _standard_error(each) for adaptive, each in answers.items()}
    ratio = mean[True] / mean[False]
    relative = float(np.hypot(error[True] / mean[True], error[False] / mean[False]))
    counted = "answers, relative to the fixed design"
    yield Simulated(statistic, condition, counted, ratio, ratio * relative, 0, LARGEST_RATIO, size)
    for adaptive, name in ((True, "adaptive"), (False, "fixed")):
        counted = f"mean number of answers, {name}"
        yield Simulated(statistic, condition, counted, mean[adaptive], error[adaptive], 0, MOST_ANSWERS, size)
        errors = np.array([one.mean for one in found[adaptive]]) - true
        counted = f"bias, {name}"
        yield Simulated(statistic, condition, counted, float(errors.mean()), _standard_error(errors), -bias, bias, size)
        inside = np.array([one.low <= true <= one.high for one in found[adaptive]])
        yield proportion(statistic, condition, f"coverage, {name}", inside, COVERAGE, 1)


def _standard_error(values: np.ndarray) -> float:
    """Standard error of the mean of some values (sample,)."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))
