"""Simulations of ``metamers.compare.error_consistency``: coverage of its intervals over few stimuli.

Samples in which kappa is undefined, because both observers are always right or both always wrong, do not count. The
jackknife is simulated beside the interval that is used; that it fails is expected.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import scipy.special

from metamers.compare.error_consistency import consistency_interval, error_consistency, participants_consistency
from metamers.compare.proportions import ENDS
from studies.simulations.results import Simulated, coverage

STIMULI = (6, 12, 24, 48)
ACCURACIES = ((0.5, 0.5), (0.8, 0.7), (0.9, 0.9), (0.1, 0.1), (0.3, 0.9), (0.2, 0.5), (0.05, 0.05), (0.02, 0.3))
KAPPAS = (-0.3, 0, 0.3, 0.6, 0.9)
LEAST = 0.92
# Participants: their number, stimuli, and the share of the stimuli that each judges.
EXPERIMENTS = ((10, 12, 1), (20, 12, 0.5), (20, 24, 0.5), (20, 48, 0.25))
OF_PARTICIPANTS, CORRECT = 2, 0.6  # one in so many samples is an experiment; proportion correct


def outcomes(p: float, q: float, kappa: float) -> np.ndarray:
    """Return the probabilities that both are wrong, the second one alone is right, the first one alone, and both."""
    both = kappa * (p + q - 2 * p * q) / 2 + p * q
    return np.array([1 - p - q + both, q - both, p - both, both]).round(12)


def of_pairs(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Simulate two observers with one answer to each stimulus."""
    for stimuli, (p, q), kappa in product(STIMULI, ACCURACIES, KAPPAS):
        probabilities = outcomes(p, q, kappa)
        if (probabilities < 0).any():
            continue  # observers with these accuracies cannot have this kappa
        drawn = rng.choice(4, (samples, stimuli), p=probabilities)
        pairs = error_consistency(drawn[..., None] // 2, drawn[..., None] % 2)
        defined = np.isfinite(pairs.kappa)
        ends = consistency_interval(pairs.kappa, pairs.influence, pairs.added, pairs.n)
        condition = f"{stimuli} stimuli, {p} and {q} correct, κ {kappa}"
        low, high = (end[defined] for end in ends)
        yield coverage("error consistency", condition, pairs.kappa[defined], (low, high), kappa, LEAST, most=1)
        low, high = (end[defined] for end in jackknife(drawn, pairs.kappa))
        yield coverage("error consistency, jackknife", condition, pairs.kappa[defined], (low, high), kappa, 0, most=1)


def jackknife(drawn: np.ndarray, kappa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the jackknife's interval with Student's quantile, for outcomes (sample, stimulus)."""
    stimuli = drawn.shape[1]
    kept = np.array([np.delete(drawn, one, axis=1) for one in range(stimuli)])
    without = error_consistency(kept[..., None] // 2, kept[..., None] % 2).kappa
    without = np.where(np.isfinite(without), without, kappa)
    error = np.sqrt((stimuli - 1) * without.var(axis=0))
    half = scipy.special.stdtrit(stimuli - 1, ENDS[1]) * error
    return kappa - half, kappa + half


def of_participants(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Simulate participants with the same kappa with a model; participants judge a share of the stimuli each."""
    for (participants, stimuli, share), kappa in product(EXPERIMENTS, KAPPAS[1:4]):
        both = outcomes(CORRECT, CORRECT, kappa)[-1]
        right = np.array([(CORRECT - both) / (1 - CORRECT), both / CORRECT])  # where the model is wrong, and right
        found = []
        for _ in range(max(samples // OF_PARTICIPANTS, 1)):
            model = rng.random(stimuli) < CORRECT
            answers = (rng.random((participants, stimuli)) < right[model.astype(int)]).astype(float)
            answers[rng.random(answers.shape) > share] = np.nan
            found.append(participants_consistency(answers, model[None].astype(float), np.arange(stimuli)))
        mean, low, high = np.array(found)[..., 0].T
        defined = np.isfinite(low)
        condition = f"{participants} participants, {stimuli} stimuli, {share:.0%} of them for each, κ {kappa}"
        ends = low[defined], high[defined]
        yield coverage("error consistency of participants", condition, mean[defined], ends, kappa, LEAST, most=1)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate pairs of observers, and participants with a model."""
    rng = np.random.default_rng(seed)
    yield from of_pairs(samples, rng)
    yield from of_participants(samples, rng)
