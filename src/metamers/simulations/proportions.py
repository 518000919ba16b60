"""Simulations of ``metamers.compare.proportions``: coverage of intervals over few stimuli, alone and in a run."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr

from metamers.compare.contrasts import contrasts, difference_over_stages
from metamers.compare.proportions import difference_interval, proportion_interval
from metamers.compare.recognizability import stage_recognizability
from metamers.names import NATURAL
from metamers.simulations.results import Simulated, proportion

STIMULI = (6, 10, 20)
JUDGES = (1, 3, 10)  # recognition models whose answers to one stimulus are averaged
PAIRS = [(0.02, 0.02), (0.05, 0.4), (0.1, 0.02), (0.3, 0.1), (0.5, 0.5), (0.9, 0.5), (0.99, 0.9)]
SHARED = 0.5  # share of the stimuli that are equally difficult for both models and all recognition models
LEAST = 0.92
ACCEPTED = 0.8  # probability that a metamer is accepted
SEEDS = 2
LATE_STAGES = 5
MODELS = ("model", "reference")
FAMILIES = {"a": "one", "b": "one", "c": "another", "model": "first", "reference": "second"}


def answers(rates: tuple[float, float], judges: int, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Draw mean answers (model, sample, stimulus) of several recognition models to the metamers of two models.

    For a share of the stimuli all recognition models give the same answer, correct for both generation models or for
    one.
    """
    alike = rng.random((*shape, 1)) < SHARED
    common = rng.random((*shape, 1))
    return np.stack([(np.where(alike, common, rng.random((*shape, judges))) < rate).mean(axis=-1) for rate in rates])


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
            judge: [np.where(alike, common, rng.random(shape)) < rate for rate in rates]
            for judge, family in FAMILIES.items()
            if family in ("one", "another")
        }
        recognition: dict[str, dict[str, xr.Dataset]] = {name: {} for name in MODELS}
        acceptance = {}
        for judge, rights in answered.items():
            for name, right, which in zip(MODELS, rights, accepted, strict=True):
                recognition[name][judge], acceptance[name] = as_run(right, which)
        whole = stage_recognizability(recognition["model"]["a"]["correct"], acceptance["model"]["accepted"])
        whole = whole.isel(stage=slice(1, None))
        held = ((whole["low"] <= rates[0]) & (rates[0] <= whole["high"])).values[whole["n"].values > 0]
        one = f"{condition}, {rates[0]}"
        yield proportion("recognizability of a model's metamers", one, "coverage", held, LEAST, 1)
        found = contrasts([MODELS], recognition, acceptance, FAMILIES).isel(contrast=0)
        truth = rates[0] - rates[1]
        held = (found["low"].values <= truth + 1e-9) & (truth - 1e-9 <= found["high"].values)
        condition = f"{condition}, {rates[0]} and {rates[1]}, 3 judges of 2 families"
        yield proportion("contrast of two models", condition, "coverage", held[found["n"].values > 1], LEAST, 1)


def of_late_stages(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the coverage of contrasts over several stages, which share the answers to a part of the stimuli."""
    for stimuli, judges, rates in product(STIMULI, JUDGES, PAIRS):
        first, second = answers(rates, LATE_STAGES * judges, (samples, stimuli), rng)
        # ``difference_over_stages`` uses the mean over stages only, so all stages can have it.
        differences = np.repeat((first - second)[:, None], LATE_STAGES, axis=1)
        whole, _, _ = difference_over_stages(differences)
        truth = rates[0] - rates[1]
        held = (whole.low <= truth + 1e-9) & (truth - 1e-9 <= whole.high)
        judged = f"mean of {judges} judges" if judges > 1 else "one judge"
        condition = f"{stimuli} stimuli, {LATE_STAGES} stages, {judged}, {rates[0]} and {rates[1]}"
        yield proportion("late contrast of two models", condition, "coverage", held, LEAST, 1)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate proportions and paired differences over few stimuli, including proportions near 0 and 1."""
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
    yield from of_run(samples, rng)
    yield from of_late_stages(samples, rng)
