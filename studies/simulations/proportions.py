"""Simulations of ``metamers.compare.proportions``: coverage of intervals over few stimuli, alone and in a run."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from unittest import mock

import numpy as np
import xarray as xr
from scipy.special import expit, stdtrit

from metamers.compare.contrasts import contrasts, mean_over_stages
from metamers.compare.proportions import (
    ENDS,
    RARE,
    difference_interval,
    independent_answers,
    networks_interval,
    proportion_interval,
)
from metamers.compare.recognizability import stage_recognizability
from metamers.compare.relative import relative_to_natural
from metamers.names import NATURAL
from studies.simulations.results import Simulated, coverage

STIMULI = (6, 10, 20, 48)
COMPARED = (2, 3, 4, *STIMULI, 400)  # stimuli of a difference
RECOGNITION_MODELS = (1, 3, 10)  # recognition models whose answers to one stimulus are averaged
PAIRS = [(0.02, 0.02), (0.05, 0.4), (0.1, 0.02), (0.3, 0.1), (0.5, 0.5), (0.9, 0.5), (0.99, 0.9)]
SHARED = 0.5  # share of the stimuli that are equally difficult for both models and all recognition models
MOSTLY_SHARED = 0.9
LEAST, LEAST_MOSTLY_SHARED = 0.92, 0.88
UNGUARDED = 2  # expected sum of squared deviations from which on the guard matters little
GUARDED = "; the guard against rare differences determines the width"
ACCEPTED = 0.8  # probability that a metamer is accepted
SEEDS = 2
LATE_STAGES = 5
MODELS = ("model", "reference")
# Rates of metamers and of natural stimuli, of an observer who guesses one of 16 categories.
GUESSING, HARDLY, LEAST_SELECTED = 1 / 16, 0.5, 0.85
RELATIVE = [(0.1, 0.8), (1 / 16, 0.8), (0.3, 0.9), (0.8, 0.9), (0.98, 0.98), (0.4, HARDLY)]
NETWORKS = [(3, 3), (3, 5), (3, 10), (5, 5), (5, 10)]
# Standard deviations of the log odds of the networks of both groups.
OF_NETWORKS = {
    "alike": (0.1, 0.1),
    "different": (0.3, 0.3),
    "very different": (1, 1),
    "the first more different": (1, 0.3),
}
LEAST_NETWORKS = 0.9
# Mean log odds of a correct answer at the first and at the last stage.
FIRST_LAST = {
    "equal stages, half recognized": (0, 0),
    "equal stages, nearly all recognized": (5, 5),
    "nearly all and most recognized": (5, 3),
    "most and few recognized": (3, -1),
}
LOST = {"one stimulus in ten lost at the last stage": 0.1, "one stimulus in five lost at the last stage": 0.2}
STAGE_SD, STIMULUS_SD = 1.0, 1.5  # of log odds: of a stimulus at one stage, and common to all its metamers
OF_STAGES, MANY = (
    (3, 3),
    200_000,
)  # generation models, and families that recognize their metamers; stimuli for the truth
FEWEST = 0.9  # smallest accepted coverage of the first stage minus the last one
FAMILIES = {"a": "one", "b": "one", "c": "another", "model": "first", "reference": "second"}


def answers(
    rates: tuple[float, float], models: int, shape: tuple[int, int], rng: np.random.Generator, shared: float = SHARED
) -> np.ndarray:
    """Draw mean answers (model, sample, stimulus) of several recognition models to the metamers of two models.

    For a share of the stimuli all recognition models give the same answer, correct for both generation models or for
    one.
    """
    alike, common = rng.random(shape) < shared, rng.random(shape)
    return np.stack([np.where(alike, common < rate, rng.binomial(models, rate, shape) / models) for rate in rates])


def as_run(right: np.ndarray, accepted: np.ndarray) -> tuple[xr.Dataset, xr.Dataset]:
    """Make recognition and acceptance Datasets from answers (sample, stimulus, seed); each sample is a stage."""
    samples, stimuli, seeds = right.shape
    coords = {"stage": [NATURAL, *map(str, range(samples))], "stimulus": np.arange(stimuli), "seed": np.arange(seeds)}
    values = np.concatenate([np.ones((1, stimuli, seeds), dtype=bool), right])
    recognition = xr.Dataset({"correct": (tuple(coords), values)}, coords)
    return recognition, xr.Dataset({"accepted": (tuple(coords), accepted)}, coords | {"stage": coords["stage"][1:]})


def of_run(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the coverage of ``stage_recognizability`` and ``contrasts`` with two seeds and partial acceptance."""
    for stimuli, rates in product(STIMULI, PAIRS):
        shape = (samples, stimuli, SEEDS)
        accepted = [rng.random(shape) < ACCEPTED for _ in rates]
        condition = f"{stimuli} stimuli of {SEEDS} seeds, {ACCEPTED:.0%} accepted"
        alike, common = rng.random((samples, stimuli, 1)) < SHARED, rng.random((samples, stimuli, 1))
        answered = {
            model: [np.where(alike, common, rng.random(shape)) < rate for rate in rates]
            for model, family in FAMILIES.items()
            if family in ("one", "another")
        }
        recognition: dict[str, dict[str, xr.Dataset]] = {name: {} for name in MODELS}
        acceptance = {}
        for model, rights in answered.items():
            for name, right, which in zip(MODELS, rights, accepted, strict=True):
                recognition[name][model], acceptance[name] = as_run(right, which)
        whole = stage_recognizability(recognition["model"]["a"]["correct"], acceptance["model"]["accepted"])
        whole = whole.isel(stage=slice(1, None)).dropna("stage")
        values, low, high = (whole[name].values for name in ("proportion_correct", "low", "high"))
        number = ACCEPTED * stimuli, SEEDS * ACCEPTED
        yield of_proportion("recognizability of a model's metamers", condition, number, values, (low, high), rates[0])
        found = contrasts([tuple([name] for name in MODELS)], recognition, acceptance, FAMILIES).isel(contrast=0)
        found = found.dropna("stage", subset=["low"])
        values, low, high = (found[name].values for name in ("difference", "low", "high"))
        condition = f"{condition}, {rates[0]} and {rates[1]}, 3 judges of 2 families"
        size = ACCEPTED * stimuli, SEEDS * ACCEPTED / (1 / 4 * (1 / 2 + 1))  # answers of families of 2 and 1 models
        yield of_difference("contrast of two models", condition, size, values, (low, high), rates)


def variance(rates: tuple[float, float], number: float, shared: float) -> float:
    """Compute the variance of a difference of means of ``number`` answers, equal for a share of the stimuli."""
    apart = rates[0] - rates[1]
    of_mean = sum(rate * (1 - rate) for rate in rates) / number
    return shared * abs(apart) + (1 - shared) * (apart**2 + of_mean) - apart**2


def of_proportion(
    statistic: str,
    condition: str,
    size: tuple[float, float],
    value: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
    rate: float,
) -> Simulated:
    """Count the coverage of a rate; without a bound above where the guard determines the width.

    The parameters are those of ``of_difference``.
    """
    stimuli, number = size
    of_stimulus = rate * (1 - rate) * (SHARED + (1 - SHARED) / number)
    guarded = number > 1 and (stimuli < RARE or stimuli * of_stimulus < UNGUARDED)
    condition = f"{condition}, {rate}{GUARDED if guarded else ''}"
    return coverage(statistic, condition, value, ends, rate, LEAST, most=1.0 if guarded else None)


def of_difference(
    statistic: str,
    condition: str,
    size: tuple[float, float],
    value: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray],
    rates: tuple[float, float],
    shared: float = SHARED,
) -> Simulated:
    """Count the coverage of a difference between rates; without a bound above where the guard determines the width.

    Parameters
    ----------
    statistic, condition
        As in ``coverage``.
    size
        Number of stimuli, and of answers to each.
    value, ends
        (sample,): differences, and the ends of their intervals.
    rates, shared
        As in ``answers``.
    """
    truth, (stimuli, number) = rates[0] - rates[1], size
    guarded = stimuli < RARE or stimuli * variance(rates, number, shared) < UNGUARDED
    condition += GUARDED if guarded else ""
    least = LEAST if shared == SHARED else LEAST_MOSTLY_SHARED
    return coverage(statistic, condition, value, ends, truth, least, truth != 0, 1.0 if guarded else None)


def of_late_stages(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the coverage of contrasts over several stages, which share the answers to a part of the stimuli."""
    cases = [*product(COMPARED, (1, 10), PAIRS, (SHARED,)), *product(STIMULI, (1, 10), PAIRS, (MOSTLY_SHARED,))]
    for stimuli, models, rates, shared in cases:
        first, second = answers(rates, LATE_STAGES * models, (samples, stimuli), rng, shared)
        # A contrast uses the mean over stages only, so all stages can have it.
        differences = np.repeat((first - second)[:, None], LATE_STAGES, axis=1)
        whole = difference_interval(mean_over_stages(differences))
        answered_by = f"mean of {models} judges" if models > 1 else "one judge"
        condition = f"{stimuli} stimuli, {LATE_STAGES} stages, {answered_by}, {rates[0]} and {rates[1]}"
        name = "late contrast of two models"
        if shared == MOSTLY_SHARED:
            name += f", {shared:.0%} of the stimuli with equal answers"
        size = stimuli, LATE_STAGES * models
        yield of_difference(name, condition, size, whole.value, (whole.low, whole.high), rates, shared)


def of_relative(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the coverage of recognizability relative to natural stimuli, of the data that have an interval."""
    for stimuli, (rate, natural), seeds in product((*STIMULI, 200), RELATIVE, (1, SEEDS)):
        alike, common = rng.random((2, samples, stimuli))
        each = (rng.random((samples, stimuli, seeds)) < rate).mean(axis=-1)
        metamers = np.where(alike < SHARED, common < rate, each)
        value, low, high = relative_to_natural(metamers, (common < natural).astype(float), GUESSING)
        value, low, high = (one[np.isfinite(low)] for one in (value, low, high))
        condition = f"{stimuli} stimuli, {seeds} seed{'s' * (seeds > 1)}, {rate:.3g} and {natural} of natural stimuli"
        truth = (rate - GUESSING) / (natural - GUESSING)
        # Where natural stimuli are hardly recognized, only data with many right answers to these have an interval.
        least = LEAST_SELECTED if natural == HARDLY and stimuli <= 10 else LEAST
        yield coverage("recognizability relative to natural", condition, value, (low, high), truth, least, most=1.0)


def of_networks(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the coverage of contrasts between groups of networks that do not differ."""
    for sizes, (how, spreads), stimuli in product(NETWORKS, OF_NETWORKS.items(), (20, 60)):
        difficulty, groups = rng.standard_normal((samples, stimuli)), []
        for networks, spread in zip(sizes, spreads, strict=True):
            of_network = spread * rng.standard_normal((networks, samples, 1))
            of_stimulus = difficulty + 0.5 * rng.standard_normal((samples, stimuli))
            groups.append(rng.random((networks, samples, stimuli)) < expit(of_network + of_stimulus))
        found = networks_interval(*groups)
        condition = f"{sizes[0]} and {sizes[1]} networks, {how}, {stimuli} stimuli"
        ends = found.low, found.high
        yield coverage("contrast of groups of networks", condition, found.value, ends, 0, LEAST_NETWORKS, most=0.99)


def first_and_last(shape: tuple[int, int], odds: tuple[float, float], rng: np.random.Generator) -> list[np.ndarray]:
    """Draw the differences of two stages (sample, stimulus) of several generation models' metamers, and true values."""
    of_stimulus, rates = STIMULUS_SD * rng.standard_normal((*shape, 1)), []
    for mean in odds:
        of_stage = STAGE_SD * (rng.standard_normal((*shape, 1)) + rng.standard_normal((*shape, OF_STAGES[0])))
        rates.append(expit(mean + of_stimulus + of_stage))
    answered = [(rng.binomial(OF_STAGES[1], rate) / OF_STAGES[1]).mean(axis=-1) for rate in rates]
    return [answered[0] - answered[1], (rates[0] - rates[1]).mean(axis=-1)]


def of_first_minus_last(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Compare the interval of the first stage minus the last one with two that have less of a guard for few stimuli."""
    for stimuli, (condition, odds) in product((6, 8), (FIRST_LAST | dict.fromkeys(LOST, (5, 5))).items()):
        differences, _ = first_and_last((samples, stimuli), odds, rng)
        truth = float(first_and_last((1, MANY), odds, rng)[1].mean()) if odds[0] != odds[1] else 0.0
        if condition in LOST:
            truth = LOST[condition]
            differences = np.where(rng.random((samples, stimuli)) < truth, 1, differences)
        found, mean = difference_interval(differences), differences.mean(axis=-1)
        with mock.patch("metamers.compare.proportions.RARE", 2 * RARE):
            narrower = difference_interval(differences)
        half = stdtrit(stimuli - 1, ENDS[1]) * differences.std(axis=-1, ddof=1) / np.sqrt(stimuli)
        intervals = {
            "first minus last stage": (FEWEST, (found.low, found.high)),
            "first minus last stage, half the smallest variance": (0, (narrower.low, narrower.high)),
            "first minus last stage, Student's interval": (0, (mean - half, mean + half)),
        }
        for statistic, (least, ends) in intervals.items():
            of_stimuli = f"{stimuli} stimuli, {condition}"
            yield coverage(statistic, of_stimuli, mean, ends, truth, least, truth != 0, 1.0)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate proportions and paired differences over few stimuli, including proportions near 0 and 1."""
    rng = np.random.default_rng(seed)
    for stimuli, models, rates in product(COMPARED, RECOGNITION_MODELS, PAIRS):
        first, second = answers(rates, models, (samples, stimuli), rng)
        answered_by = f"{stimuli} stimuli, mean of {models} judges" if models > 1 else f"{stimuli} stimuli, one judge"
        size = stimuli, models
        if stimuli in STIMULI:
            mean = first.mean(axis=-1)
            whole = proportion_interval(mean, independent_answers(first))
            yield of_proportion("proportion correct", answered_by, size, mean, (whole.low, whole.high), rates[0])
        both = difference_interval(first - second)
        condition = f"{answered_by}, {rates[0]} and {rates[1]}"
        yield of_difference("difference of two models", condition, size, both.value, (both.low, both.high), rates)
    yield from of_run(samples, rng)
    yield from of_late_stages(samples, rng)
    yield from of_relative(samples, np.random.default_rng([seed, 1]))
    yield from of_networks(samples, np.random.default_rng([seed, 2]))
    yield from of_first_minus_last(samples, np.random.default_rng([seed, 3]))
