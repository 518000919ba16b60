"""Simulations of the relation between humans and other models (``metamers.compare.relation``), and of its ceiling.

Each model has curves over depth of the human and the other models' proportions correct, which fall and vary between
models. The true values are those of many models, or of many participants.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from metamers.compare.humans_vs_models import CORRELATIONS, correlation_intervals, correlations
from metamers.compare.proportions import ratio_interval
from metamers.compare.relation import NAMES, PARTIAL, relation_beyond_position, relation_intervals, sums_of_products
from metamers.humans.noise_ceiling import reliability, reliability_interval
from studies.simulations.results import Simulated, coverage, proportion

STAGES, MODELS, MANY = 8, (10, 20), 20_000
TRUE = 0.5  # correlation of models with one point each
SHARED = {"people and models have in common what depth does not tell": 1.0, "they have depth alone in common": 0.0}
POINTS, TRIALS = 40, 10  # points, and trials of each participant and point
# Participants of each experiment; two experiments have a third of the points in common.
EXPERIMENTS = {"6 participants": (6,), "20 participants": (20,), "two experiments of 20 participants": (20, 20)}
# Standard deviations of the logits of participants, of a participant's points, and of the points themselves.
SPREADS = {"stages differ much": (0.5, 0.3, 1.5), "stages differ little": (0.5, 0.5, 0.3)}
MANY_PARTICIPANTS = 20_000
PARTICIPANTS_OF_SHARES = 6, 20  # of R² divided by the noise ceiling
# Smallest accepted coverage.
OF_MODELS, OF_SHARES, OF_PARTICIPANTS = 0.9, 0.88, 0.93
MOST = 0.99  # largest accepted coverage of the noise ceiling
ABOVE = 0.06  # largest accepted share of intervals above 0 where humans and models have only depth in common


def curves(number: int, shared: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw human and other models' means (model, stage); ``shared`` weights a common component beyond depth."""
    depth = np.linspace(0, 1, STAGES)

    def own(offset: float, slope: float, noise: float) -> np.ndarray:
        line = offset * rng.normal(size=(number, 1)) + slope * rng.normal(size=(number, 1)) * depth
        return line + noise * rng.normal(size=(number, STAGES))

    common = own(0.8, 2, 0.6)
    humans = 2.5 - 5 * depth + common + own(0.3, 0.8, 0.3)
    others = 2 - 4.5 * depth + shared * common + (1 - shared) * own(0.8, 2, 0.6) + own(0.4, 1, 0.3)
    return expit(humans), expit(others)


def points(number: int, shared: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the human mean, the other models' mean, and the model of each point."""
    humans, others = curves(number, shared, rng)
    return humans.ravel(), others.ravel(), np.repeat(np.arange(number), STAGES)


def truth(shared: float, rng: np.random.Generator) -> tuple[dict[str, float], np.ndarray]:
    """Compute ``NAMES`` and ``CORRELATIONS`` of many models."""
    humans, others, _ = points(MANY, shared, rng)
    depth = np.tile(np.linspace(0, 1, STAGES), MANY)
    value, _, _ = relation_intervals(sums_of_products(humans, others, depth, np.zeros(len(depth))))
    return dict(zip(NAMES, value, strict=True)), np.array(correlations(humans, others))


def of_models(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test intervals over models, of the relation beyond depth and of the correlations."""
    for number, (condition, shared) in product(MODELS, SHARED.items()):
        exact, exact_correlations = truth(shared, rng)
        found = [points(number, shared, rng) for _ in range(samples)]
        made = [relation_beyond_position(*one) for one in found]
        of_number = f"{number} models; {condition}"
        for name in NAMES:
            low, high = (np.array([one[f"{name}_{end}"] for one in made]) for end in ("low", "high"))
            value = np.array([one[name] for one in made])
            yield coverage(f"people and models, {name}", of_number, value, (low, high), exact[name], OF_MODELS)
            if name == PARTIAL and shared:
                power = float(np.mean(low > 0))
            elif name == PARTIAL:
                case = f"{of_number}; power: they have more in common"
                above = low > 0
                yield proportion(f"people and models, {name}", case, "interval above 0", above, 0, ABOVE, power=power)
        yield from of_correlations(found, exact_correlations, of_number, None)


def of_correlations(
    found: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], exact: np.ndarray, condition: str, most: float | None
) -> Iterator[Simulated]:
    """Count the coverage of the three correlations in data sets of two series and the model of each point."""
    ends = np.array([correlation_intervals(*one) for one in found])
    values = np.array([correlations(*one[:2]) for one in found])
    for index, name in enumerate(CORRELATIONS):
        low, high = ends[:, index].T
        statistic = f"people and models, {name}"
        yield coverage(statistic, condition, values[:, index], (low, high), exact[index], OF_MODELS, most=most)


def of_single_points(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the intervals of models with one point each, as for brain areas."""
    exact = np.array([TRUE**2, 6 / np.pi * np.arcsin(TRUE / 2), 2 / np.pi * np.arcsin(TRUE)])
    for number in (7, 29):
        drawn = rng.multivariate_normal([0, 0], [[1, TRUE], [TRUE, 1]], (samples, number))
        found = [(*one.T, np.arange(number)) for one in drawn]
        yield from of_correlations(found, exact, f"{number} models of one point each", 1.0)


def asked(participants: Sequence[int]) -> list[np.ndarray]:
    """Return at which points (point,) each experiment has answers."""
    numbers = np.arange(POINTS)
    return [np.ones(POINTS, bool)] if len(participants) == 1 else [numbers < POINTS * 2 // 3, numbers >= POINTS // 3]


def answers(
    logits: np.ndarray, spread: tuple[float, float, float], number: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw proportions correct (participant, point)."""
    of_participant = spread[0] * rng.normal(size=(number, 1)) + spread[1] * rng.normal(size=(number, len(logits)))
    return rng.binomial(TRIALS, expit(logits + of_participant)) / TRIALS


def exact_reliability(
    logits: np.ndarray, spread: tuple[float, float, float], participants: Sequence[int], rng: np.random.Generator
) -> float:
    """Compute the reliability of participants' means from the means and covariances of many participants."""
    has = asked(participants)
    counts = sum(number * one for number, one in zip(participants, has, strict=True))
    means, error = np.zeros(POINTS), 0.0
    for number, one in zip(participants, has, strict=True):
        shares = answers(logits, spread, MANY_PARTICIPANTS, rng) * one / counts
        means += number * shares.mean(axis=0)
        error += number * (shares - shares.mean(axis=1, keepdims=True)).var(axis=0).sum()
    signal = ((means - means.mean()) ** 2).sum()
    return signal / (signal + error)


def of_participants(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the interval of the noise ceiling over participants."""
    for (group, participants), (differ, spread) in product(EXPERIMENTS.items(), SPREADS.items()):
        logits = spread[2] * np.random.default_rng(POINTS).normal(size=POINTS) - 0.5
        exact = exact_reliability(logits, spread, participants, rng)
        ends = np.empty((2, samples))
        for sample in range(samples):
            given = [
                (answers(logits, spread, number, rng) * one, one)
                for number, one in zip(participants, asked(participants), strict=True)
            ]
            ends[:, sample] = reliability_interval(given)
        statistic, condition = "noise ceiling, over participants", f"{group}, {differ}"
        low, high = ends
        yield coverage(statistic, condition, ends.mean(axis=0), (low, high), exact, OF_PARTICIPANTS, most=MOST)


def of_shares(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the interval of R² divided by the noise ceiling, over models and participants."""
    spread = SPREADS["stages differ much"]

    def draw(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
        humans, others, models = points(number, 1.0, rng)
        given = answers(logit(humans), spread, participants, rng)
        return given.mean(axis=0), others, models, [(given, np.ones(len(humans), bool))]

    for models, participants in product(MODELS, PARTICIPANTS_OF_SHARES):
        many = [draw(MANY // 20) for _ in range(20)]
        exact = float(np.mean([correlations(*one[:2])[0] / reliability(one[3]) for one in many]))
        found = np.empty((samples, 3))
        for sample in found:
            *means, given = draw(models)
            r2 = (correlations(*means[:2])[0], *correlation_intervals(*means)[0])
            sample[:] = ratio_interval(r2, (reliability(given), *reliability_interval(given)))
        value, *ends = found.T
        statistic, condition = (
            "people and models, pearson_r2 by its ceiling",
            f"{models} models, {participants} participants",
        )
        yield coverage(statistic, condition, value, (ends[0], ends[1]), exact, OF_SHARES)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate intervals over models, and intervals over participants, which are slower, with fewer samples."""
    rng = np.random.default_rng(seed)
    yield from of_models(samples, rng)
    yield from of_participants(samples // 4, rng)
    yield from of_shares(samples // 2, rng)
    yield from of_single_points(samples // 4, np.random.default_rng([seed, 1]))
