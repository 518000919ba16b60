"""Simulations of ``metamers.power.participants``: error rates over new participants and over new stimuli."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from metamers.compare.permutation_tests import permutation_p_models
from metamers.compare.sign_flips import sign_flip_p
from metamers.humans.summary import COLUMNS, read_results
from metamers.leaderboard.curves import curves_by_modality
from metamers.power.participants import (
    COMPONENTS,
    VARIANCE_COLUMNS,
    curves_apart,
    median_log_odds,
    power,
    simulated_differences,
    simulated_scores,
    typical_curve,
)
from metamers.power.stimuli import significant_experiments
from studies.simulations.results import Simulated, proportion

MODALITY = "vision"
STAGES = 8
ALPHA, FLIPS = 0.05, 2000
PARTICIPANTS = (6, 10, 20)
STIMULUS_SD = (1, 0.5, 0.6)  # as the default of comparison.power.stimulus_sd
DESIGNS = ((6, 6), (10, 10), (20, 20), (80, 20), (320, 20))  # distinct stimuli, trials of a model and stage
FEW = 10  # up to this number of stimuli a test with fixed stimuli is known to fail
FEW_SAMPLES, PERMUTATIONS = 400, 1000  # for the analysis of variance itself, which is slow
PEOPLE = 20_000
MOST = 0.065  # false positives over new stimuli
APART = 0.05  # difference at which the power is simulated
POWER = f"; power at {100 * APART:g} points"
OVER_PARTICIPANTS = "two models, sign flips over participants"
OVER_BOTH = "two models, sign flips over participants and over stimuli"


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate the test over participants, its error rate over new stimuli, and the test over both."""
    rng = np.random.default_rng(seed)
    table = read_results(published / "participant_variance.csv", VARIANCE_COLUMNS)
    rows = table[table["modality"] == MODALITY].set_index("component").loc[list(COMPONENTS)]
    measured, highest = (tuple(rows[column]) for column in ("sd", "high"))
    groups = read_results(published / "group_results.csv", COLUMNS)
    curve = typical_curve(curves_by_modality(groups)[MODALITY], STAGES)
    alike = np.stack([curve, curve])

    apart = curves_apart(curve, APART)
    numbers = (4, *PARTICIPANTS)
    powers = power(simulated_differences(apart, measured, 20, PEOPLE, rng), numbers, ALPHA, samples, FLIPS, rng)
    population = simulated_differences(alike, measured, 20, samples * sum(numbers), rng)
    for number, found in zip(numbers, powers, strict=True):
        drawn, population = np.split(population, [samples * number])
        hits = sign_flip_p(drawn.reshape(samples, number), FLIPS, rng) <= ALPHA
        most = 0 if number == 4 else 0.06
        condition = f"{number} participants, 20 trials, new participants, the same stimuli{POWER}"
        yield proportion(OVER_PARTICIPANTS, condition, "false positives", hits, 0, most, power=float(found))

    fewer = min(samples, FEW_SAMPLES)
    for number in PARTICIPANTS:
        pool = simulated_differences(apart, measured, 10, PEOPLE, rng)
        (expected,) = power(pool, [number], ALPHA, samples, FLIPS, rng)
        experiments = (simulated_scores(apart, measured, 10, number, rng).transpose(0, 2, 1) for _ in range(fewer))
        p = np.array(
            [permutation_p_models(scores, PERMUTATIONS, rng).loc["model", "p_permutation"] for scores in experiments]
        )
        condition = f"{number} participants, 10 trials, {100 * APART:g} points apart"
        outcome = "share significant in metamers.compare.anova, wanted as simulated power"
        low, high = max(expected - 0.06, 0), min(expected + 0.06, 0.99)
        bounds = round(low, 3), round(high, 3)
        yield proportion(OVER_PARTICIPANTS, condition, outcome, p <= ALPHA, *bounds, power=float(expected))

    cases = (("as measured", measured), ("at the top of its interval", highest))
    for (stimuli, trials), (words, deviations) in product(DESIGNS, cases):
        equal = _over_stimuli(alike, deviations, trials, stimuli, samples, rng)
        different = _over_stimuli(apart, deviations, trials, stimuli, samples, rng)
        for (number, fixed, random), (_, _, found) in zip(equal, different, strict=True):
            condition = f"{stimuli} stimuli, {number} participants, {trials} trials, participants’ variance {words}"
            outcome = "false positives over new stimuli"
            yield proportion(OVER_BOTH, f"{condition}{POWER}", outcome, random, 0, MOST, power=float(np.mean(found)))
            if number > min(PARTICIPANTS) and stimuli <= FEW:
                outcome = "false positives over new stimuli, which the test treats as fixed"
                yield proportion(OVER_PARTICIPANTS, condition, outcome, fixed, 0.15, 0.7)

    # If participants differed in one model's metamers several times as much as measured, both tests would be invalid.
    deviations = (measured[0], 0.3, measured[2])
    for number, _, random in _over_stimuli(alike, deviations, 20, 80, samples, rng):
        condition = f"80 stimuli, {number} participants, 20 trials, participants’ deviation in a model 0.3"
        outcome = "false positives where participants differ in models more than measured"
        yield proportion(OVER_BOTH, condition, outcome, random, 0, 0.12)


def _over_stimuli(
    alike: np.ndarray,
    deviations: tuple[float, ...],
    trials: int,
    stimuli: int,
    samples: int,
    rng: np.random.Generator,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the number of participants, and which experiments with two equal models are significant.

    The stimuli are fixed in the first test, random in the second.
    """
    odds = median_log_odds(alike, np.hypot.reduce([*deviations, *STIMULUS_SD]))
    sizes = (odds, deviations, STIMULUS_SD, trials, stimuli, PARTICIPANTS, samples)
    fixed, random = significant_experiments(*sizes, ALPHA, FLIPS, rng, rng)
    yield from zip(PARTICIPANTS, fixed, random, strict=True)
