"""Simulations of ``metamers.proportions``: the coverage of intervals of few stimuli."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from metamers.proportions import difference_interval, proportion_interval
from metamers.simulations import Simulated, proportion

STIMULI = (6, 10, 20)
JUDGES = (1, 3, 10)  # whose answers to one stimulus are averaged
PAIRS = [(0.02, 0.02), (0.05, 0.4), (0.1, 0.02), (0.3, 0.1), (0.5, 0.5), (0.9, 0.5), (0.99, 0.9)]
SHARED = 0.5  # of the stimuli are as easy for one model as for the other, and for all judges
LEAST = 0.92


def answers(rates: tuple[float, float], judges: int, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Mean answers (model, sample, stimulus) of so many judges to the metamers of two models.

    Of a share of the stimuli the judges all answer alike, and rightly of both models or of one.
    """
    alike = rng.random((*shape, 1)) < SHARED
    common = rng.random((*shape, 1))
    return np.stack([(np.where(alike, common, rng.random((*shape, judges))) < rate).mean(axis=-1) for rate in rates])


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Proportions and paired differences of few stimuli, for proportions near 0 and 1 too."""
    rng = np.random.default_rng(seed)
    for stimuli, judges, rates in product(STIMULI, JUDGES, PAIRS):
        first, second = answers(rates, judges, (samples, stimuli), rng)
        judged = f"{stimuli} stimuli, mean of {judges} judges" if judges > 1 else f"{stimuli} stimuli, one judge"
        whole = proportion_interval(first.mean(axis=-1), stimuli)
        held = (whole.low <= rates[0]) & (rates[0] <= whole.high)
        yield proportion("proportion correct", f"{judged}, {rates[0]}", "coverage", held, LEAST, 1)
        both = difference_interval(first - second)
        truth = rates[0] - rates[1]
        held = (both.low <= truth + 1e-9) & (truth - 1e-9 <= both.high)
        condition = f"{judged}, {rates[0]} and {rates[1]}"
        yield proportion("difference of two models", condition, "coverage", held, LEAST, 1)
