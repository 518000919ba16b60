"""Simulations of ``metamers.humans.adaptive_model``: how many answers it saves, and whether its estimates are right.

Participants vary like the published ones (``resources/published/participant_variance.csv``). Both designs are analysed
in the same way, after each answer, and stop as soon as the 95% credible interval is narrow enough. The grids have
single precision and are renewed less often than in an experiment, which changes an estimate by at most two hundredths
of its interval (``tests/simulations/test_adaptive.py``). In the fixed design, a participant's conditions are in a
random order, all equally often. Recognition falls with depth either as the procedure assumes, or like the mean of the
published models.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from metamers.humans.adaptive_model import (
    DIFFERENCE,
    THRESHOLD,
    Counts,
    Estimate,
    Grid,
    Question,
    build_grid,
    estimate_on,
    information,
    joint_posterior,
    log_marginal,
    log_posterior,
    narrowed_ranges,
    normalized,
    positions,
    should_stop,
)
from metamers.humans.design import Condition
from metamers.humans.summary import COLUMNS, read_results
from metamers.leaderboard.curves import curves_by_modality
from metamers.power.participants import COMPONENTS, VARIANCE_COLUMNS, median_log_odds, typical_curve
from studies.simulations.results import Simulated, proportion

MODALITY = "vision"
STAGES = 8
CHANCE = 1 / 16
LAPSES = 0.04  # of the simulated participants
TRIALS = 72  # of each participant: main trials
LEAST_PARTICIPANTS, MOST_ANSWERS = 4, 4000
INTERVAL = {THRESHOLD: 0.1, DIFFERENCE: 1.0}  # width of the 95% credible interval at which an experiment stops
NARROW_INTERVAL = 0.06  # of a threshold, where recognition falls steeply
BAYES_FACTOR = 10
NEGLIGIBLE = 16  # log posterior below the largest from which a combination of parameters is left out
FIXED_SHARE = 4  # adaptive experiments for one of the fixed design, of which only the numbers of answers are compared
PER_SAMPLE = 5  # an experiment has some hundred steps, so there are fewer of them than samples
PRECISION = np.float32  # of probabilities: twice as fast
FIRST_GRIDS = 2  # for the first estimate of the fixed design, each finer than the one before
MORE_ANSWERS = 2  # a new grid is made when there are so many times more answers
PUBLISHED_CURVE = "published curve"
STATISTIC = "adaptive experiment, {}"
# Accepted results where recognition falls as assumed, and where it does not: mean error of the adaptive design, in
# intervals at which an experiment stops, and coverage of its 95% intervals.
BIAS, COVERAGE = {True: 0.05, False: 0.1}, {True: (0.92, 0.98), False: (0.88, 0.98)}
FIXED_BIAS, FIXED_COVERAGE = 0.3, (0.8, 1)  # of the fixed design, with fewer experiments
# Number of answers, relative to the fixed design; share of experiments that find a difference if the true difference is
# 0 (a Bayes factor of 10 is reached by chance in at most a tenth), and if it is 1; share of experiments without an end.
LARGEST_RATIO, MOST_FALSE, FEWEST_FOUND, MOST_ENDLESS = 0.9, 0.1, 0.8, 0.05


@dataclass(frozen=True)
class StoppingRule:
    """Where an experiment stops, as of ``metamers.humans.adaptive_model.should_stop``."""

    interval: float | None = None
    bayes_factor: float | None = None


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


def counts_in_order(
    question: Question, right: np.ndarray, order: np.ndarray, rng: np.random.Generator
) -> dict[Condition, tuple[int, int]]:
    """Draw a participant's answers to conditions in an order (trial,), and count them."""
    correct = rng.random(len(order)) < right[order]
    return {
        condition: (int(correct[order == place].sum()), int((order == place).sum()))
        for place, condition in enumerate(question.conditions)
    }


def finer_grid(
    question: Question, grid: Grid, log_weights: np.ndarray, participants: Sequence[Counts]
) -> tuple[Grid, np.ndarray]:
    """Build a grid for the ranges that the posterior distribution has on a coarser one.

    Parameters
    ----------
    question
        The question.
    grid, log_weights
        The coarser grid, and the log posterior (value, nuisance) on it.
    participants
        The answers of each participant.

    Returns
    -------
    Grid, numpy.ndarray
        The grid, and the log posterior on it.
    """
    ranges = narrowed_ranges(question, grid, normalized(log_weights))
    finer = build_grid(question, ranges, PRECISION)
    return finer, log_posterior(finer, participants)


def without_negligible(grid: Grid, others: np.ndarray) -> tuple[Grid, np.ndarray]:
    """Leave out the combinations of nuisance parameters to which the other participants' answers give no weight.

    Parameters
    ----------
    grid
        The grid.
    others
        (value, nuisance): result of ``log_posterior`` for all other participants.

    Returns
    -------
    Grid, numpy.ndarray
        Both without the combinations.
    """
    kept = others.max(axis=0) > others.max() - NEGLIGIBLE
    right = grid.right.compress(kept, axis=2)  # contiguous, unlike the result of an index
    return Grid(grid.conditions, grid.axes, grid.log_prior[:, kept], right), others[:, kept]


def simulate_experiment(
    question: Question,
    participants: SimulatedParticipants,
    adaptive: bool,
    rules: Sequence[StoppingRule],
    rng: np.random.Generator,
) -> list[Estimate]:
    """Simulate an experiment until each of some rules would have stopped it.

    No choice depends on a rule, so one experiment gives the results of all of them. No rule stops an experiment before
    the last of ``LEAST_PARTICIPANTS``, so nothing is estimated before in the fixed design.

    Parameters
    ----------
    question
        The question.
    participants
        The participants.
    adaptive
        Whether conditions are chosen, or in a fixed order.
    rules
        Where it stops.
    rng
        Random numbers.

    Returns
    -------
    list of Estimate
        The estimate at which each rule stops the experiment, or that of ``MOST_ANSWERS`` answers.
    """
    grid = build_grid(question, dtype=PRECISION)
    others = grid.log_prior
    before: list[Counts] = []
    if not adaptive:
        for _ in range(LEAST_PARTICIPANTS - 1):
            order = balanced_order(len(question.conditions), TRIALS, rng)
            before.append(counts_in_order(question, participants.draw(rng), order, rng))
        others = log_posterior(grid, before)
        for _ in range(FIRST_GRIDS):
            grid, others = finer_grid(question, grid, others, before)
    answers = fitted_to = TRIALS * len(before)
    found: dict[StoppingRule, Estimate] = {}
    while True:
        right = participants.draw(rng)
        own: dict[Condition, tuple[int, int]] = {}
        near, of_others = without_negligible(grid, others)
        joint = joint_posterior(near, of_others, own)
        for trial, fixed in enumerate(balanced_order(len(question.conditions), TRIALS, rng), 1):
            chosen = int(information(near, joint).argmax()) if adaptive else int(fixed)
            correct, number = own.get(question.conditions[chosen], (0, 0))
            is_right = bool(rng.random() < right[chosen])
            own[question.conditions[chosen]] = correct + int(is_right), number + 1
            joint = joint * (near.right[chosen] if is_right else 1 - near.right[chosen])
            joint /= joint.sum()
            answers += 1
            now = estimate_on(question, near, joint.sum(axis=(1, 2)), [TRIALS] * len(before) + [trial])
            for rule in rules:
                if answers == MOST_ANSWERS or should_stop(now, rule.interval, rule.bayes_factor, LEAST_PARTICIPANTS):
                    found.setdefault(rule, now)
            if len(found) == len(rules):
                return [found[rule] for rule in rules]
        before.append(own)
        others = others + log_marginal(grid, own)
        if answers > MORE_ANSWERS * fitted_to:
            grid, others = finer_grid(question, grid, others, before)
            fitted_to = answers


def depth_halfway(log_odds: np.ndarray) -> float:
    """The depth at which log odds (stage,) that fall with depth are 0, by linear interpolation."""
    return float(np.interp(0, -log_odds, positions(len(log_odds))))


def logistic_log_odds(threshold: float, width: float) -> np.ndarray:
    """Log odds (stage,) of a model whose recognition falls as the procedure assumes."""
    return (threshold - positions(STAGES)) / width


def log_odds_of_curve(curve: np.ndarray, deviation: float) -> np.ndarray:
    """Log odds (stage,) of a model whose mean recognition is a curve (stage,), with abilities of a deviation."""
    return median_log_odds(((curve - CHANCE) / (1 - CHANCE - LAPSES)).clip(0.01, 0.99), deviation)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate both questions, with the assumed curves and with the mean published curve."""
    number = samples // PER_SAMPLE
    table = read_results(published / "participant_variance.csv", VARIANCE_COLUMNS)
    deviations = tuple(table[table["modality"] == MODALITY].set_index("component")["sd"].loc[list(COMPONENTS)])
    groups = read_results(published / "group_results.csv", COLUMNS)
    curve = typical_curve(curves_by_modality(groups)[MODALITY], STAGES)
    published_curve = log_odds_of_curve(curve, float(np.hypot.reduce(deviations)))
    for place, (shape, own, interval) in enumerate(
        (
            ("threshold 0.31, width 0.12", logistic_log_odds(0.31, 0.12), INTERVAL[THRESHOLD]),
            ("threshold 0.6, width 0.06", logistic_log_odds(0.6, 0.06), NARROW_INTERVAL),
            (PUBLISHED_CURVE, published_curve, INTERVAL[THRESHOLD]),
        )
    ):
        participants = SimulatedParticipants({"one": own}, deviations)
        found = _simulate_designs(THRESHOLD, participants, [StoppingRule(interval)], number, (seed, 0, place))
        yield from _compare_designs(THRESHOLD, shape, found, depth_halfway(own), interval)
    power = np.nan
    for place, (shape, own, difference) in enumerate(
        (
            ("width 0.12, difference 1", logistic_log_odds(0.5, 0.12), 1),
            ("width 0.12, difference 0", logistic_log_odds(0.5, 0.12), 0),
            ("width 0.06, difference 1", logistic_log_odds(0.45, 0.06), 1),
            (f"{PUBLISHED_CURVE}, difference 1", published_curve, 1),
        )
    ):
        pair = {"one": own + difference / 2, "other": own - difference / 2}
        participants = SimulatedParticipants(pair, deviations)
        interval = INTERVAL[DIFFERENCE]
        rules = [StoppingRule(interval), StoppingRule(bayes_factor=BAYES_FACTOR)]
        found = _simulate_designs(DIFFERENCE, participants, rules, number, (seed, 1, place))
        yield from _compare_designs(DIFFERENCE, shape, found, difference, interval)
        hits = np.array([one.bayes_factor >= BAYES_FACTOR for one in found[True][1]])
        condition = f"{shape}; stops at a Bayes factor of {BAYES_FACTOR}"
        statistic = STATISTIC.format(DIFFERENCE)
        if difference:
            power = hits.mean() if np.isnan(power) else power
            yield proportion(statistic, condition, "differences found, adaptive", hits, FEWEST_FOUND, 1)
        else:  # its power is that of the condition before, which differs in nothing else
            yield proportion(statistic, condition, "false positives, adaptive", hits, 0, MOST_FALSE, power=power)


Found = Mapping[bool, Sequence[Sequence[Estimate]]]  # whether adaptive → for each stopping rule all estimates


def _simulate_designs(
    name: str, participants: SimulatedParticipants, rules: Sequence[StoppingRule], number: int, seed: Sequence[int]
) -> Found:
    """Simulate adaptive experiments that each rule stops, and ones of the fixed design that the first rule stops.

    Each experiment has random numbers of its own. Of the fixed design there are ``FIXED_SHARE`` of the number.
    """
    stages = {model: [f"stage_{place}" for place in range(len(own))] for model, own in participants.log_odds.items()}
    question = Question(name, stages, CHANCE, participants.deviations[0])
    found = {}
    for adaptive, some in ((True, rules), (False, rules[:1])):
        count = number if adaptive else number // FIXED_SHARE
        generators = (np.random.default_rng([*seed, adaptive, experiment]) for experiment in range(count))
        found[adaptive] = list(
            zip(*(simulate_experiment(question, participants, adaptive, some, rng) for rng in generators), strict=True)
        )
    return found


def _compare_designs(name: str, shape: str, found: Found, true: float, interval: float) -> Iterator[Simulated]:
    """Compare adaptive experiments that stop at an interval with those of the fixed design."""
    statistic, condition = STATISTIC.format(name), f"{shape}; stops at an interval of {interval}"
    assumed = not shape.startswith(PUBLISHED_CURVE)
    stopped = {adaptive: of_rules[0] for adaptive, of_rules in found.items()}
    number = {adaptive: len(several) for adaptive, several in stopped.items()}
    answers = {adaptive: np.array([one.answers for one in several]) for adaptive, several in stopped.items()}
    mean = {adaptive: float(each.mean()) for adaptive, each in answers.items()}
    error = {adaptive: _standard_error(each) for adaptive, each in answers.items()}
    ratio = mean[True] / mean[False]
    relative = float(np.hypot(error[True] / mean[True], error[False] / mean[False]))
    counted = "answers, relative to the fixed design"
    yield Simulated(statistic, condition, counted, ratio, ratio * relative, 0, LARGEST_RATIO, number[True])
    for adaptive, design in ((True, "adaptive"), (False, "fixed")):
        counted = f"mean number of answers, {design}"
        yield Simulated(
            statistic, condition, counted, mean[adaptive], error[adaptive], 1, MOST_ANSWERS, number[adaptive]
        )
        endless = answers[adaptive] == MOST_ANSWERS
        yield proportion(statistic, condition, f"experiments without an end, {design}", endless, 0, MOST_ENDLESS)
        means, low, high = (
            np.array([getattr(one, part) for one in stopped[adaptive]]) for part in ("mean", "low", "high")
        )
        counted, most = f"bias, {design}", (BIAS[assumed] if adaptive else FIXED_BIAS) * interval
        bias, of_bias = float(means.mean() - true), _standard_error(means)
        yield Simulated(statistic, condition, counted, bias, of_bias, -most, most, number[adaptive])
        inside, width = (low <= true) & (true <= high), float((high - low).mean())
        power = float((low > 0).mean()) if name == DIFFERENCE and true else np.nan
        bounds = COVERAGE[assumed] if adaptive else FIXED_COVERAGE
        yield proportion(statistic, condition, f"coverage, {design}", inside, *bounds, width, power)


def _standard_error(values: np.ndarray) -> float:
    """Standard error of the mean of some values (sample,)."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))
