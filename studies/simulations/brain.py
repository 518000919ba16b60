"""Simulations of ``metamers.brain.regression``: stages that generate the voxels, and unrelated stages.

Every simulated brain has its own stimuli, weights and noise. Features are normally distributed, with variances that
decrease as a power of their index, so that a stage has more directions than there are training stimuli.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from metamers.brain.regression import noiseless_r2, project_halves, random_halves, signed_regression
from metamers.brain.simulate import simulated_brain
from studies.simulations.results import Simulated, coverage, proportion

UNITS = 100
REPETITIONS = 3
AGAINST = "prediction of voxels against shuffled stimuli, p ≤ 0.05"
STATISTIC = "prediction of voxels, signed"
# Stimuli, participants, splits, noise of a repetition, exponent of the variances.
GENERATING = [
    (20, 12, 5, 1, 1.5),
    (48, 12, 5, 1, 0.7),
    (48, 12, 5, 2, 1.5),
    (48, 4, 5, 1, 1.5),
    (48, 30, 5, 1, 1.5),
    (96, 12, 5, 1, 1.5),
]
UNRELIABLE = (20, 12, 5, 2, 1.5)  # two of five voxels are no more reliable than chance: their correction is too small
UNRELATED = [(20, 4, 3), (48, 4, 3)]
VOXELS = {"generating": 10, "unrelated": 5}
STAGES = 2  # unrelated stages, of which the best is chosen
SHUFFLES = 19  # the smallest number with which p can be 0.05
ALPHA = 0.05
LEAST = 0.90
CONSERVATIVE = "; the variance over random halves is conservative"
LARGEST_BIAS = 0.06
MOST = {"generating": 100, "unrelated": 700}  # largest number of samples of one condition; a brain takes about 15 ms


def brain(
    of: np.ndarray, participants: int, voxels: int, noise: float, rng: np.random.Generator
) -> tuple[xr.DataArray, np.ndarray]:
    """Simulate voxels from features (stimulus, unit); return their responses, and the participant of each voxel."""
    made = simulated_brain(of, range(len(of)), participants, voxels, REPETITIONS, noise, int(rng.integers(2**31)))
    return made, made["participant"].values


def stage(stimuli: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Draw features (stimulus, unit)."""
    return rng.standard_normal((stimuli, UNITS)) * np.arange(1, UNITS + 1) ** (-exponent / 2)


def read(
    samples: int, condition: tuple[int, int, int, float, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the result of the generating stage with its interval (3, sample), and without noise (sample,)."""
    stimuli, participants, count, noise, exponent = condition
    found, clean = [], []
    for _ in range(samples):
        values = stage(stimuli, exponent, rng)
        made, who = brain(values, participants, VOXELS["generating"], noise, rng)
        train = random_halves(stimuli, count, int(rng.integers(2**31)))
        halves = project_halves({"generating": values}, train)
        one = signed_regression(halves, made.values, who, train, 0, 0).isel(stage=0)
        found.append([float(one[f"signed_r2{end}"]) for end in ("", "_low", "_high")])
        clean.append(noiseless_r2(halves, made.values, made["noiseless_response"].values, who, train).mean())
    return np.transpose(found), np.array(clean)


def generating(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test whether the interval of the generating stage covers its value without noise."""
    for case in [*GENERATING, UNRELIABLE]:
        (value, low, high), same = read(samples, case, rng)
        description = (
            "generating stage, {} stimuli, {} participants, {} splits, noise {}, variances falling with exponent {}"
        ).format(*case)
        off = value - same
        error = float(np.std(off, ddof=1) / np.sqrt(samples))
        if case == UNRELIABLE:
            description += ": two of five voxels no more reliable than chance"
            yield Simulated(STATISTIC, description, "reads too little by", -float(off.mean()), error, 0, 0.25, samples)
            continue
        truth = same.mean()
        for of, right in (("any stimuli", truth), ("the same stimuli", same)):
            counted = f"coverage of the value without noise, {of}"
            condition = f"{description}{CONSERVATIVE}"
            yield coverage(STATISTIC, condition, value, (low, high), right, LEAST, most=1, counted=counted)
        yield Simulated(
            STATISTIC, description, "absolute bias", abs(float(off.mean())), error, 0, LARGEST_BIAS, samples
        )


def unrelated(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the values of stages unrelated to the voxels, and how often they exceed those of shuffled stimuli."""
    for stimuli, participants, count in UNRELATED:
        single, low, high, p, best_p, related = [], [], [], [], [], []
        for sample in range(samples):
            values = stage(stimuli, 1.0, rng)
            made, who = brain(values, participants, VOXELS["unrelated"], 1, rng)
            train = random_halves(stimuli, count, int(rng.integers(2**31)))
            if sample < MOST["generating"]:
                halves = project_halves({"generating": values}, train)
                found = signed_regression(halves, made.values, who, train, SHUFFLES, sample)
                related.append(float(found["p_shuffled"][0]) <= ALPHA)
            others = {str(n): stage(stimuli, 1.0, rng) for n in range(STAGES)}
            seed = int(rng.integers(2**31))
            found = signed_regression(project_halves(others, train), made.values, who, train, SHUFFLES, seed)
            single.append(float(found["signed_r2_corrected"].mean()))
            low.append(float(found["signed_r2_low"][0]))
            high.append(float(found["signed_r2_high"][0]))
            p.append(float(found["p_shuffled"][0]))
            best_p.append(float(found["best_p_shuffled"]))
        condition = f"unrelated stage, {stimuli} stimuli, {participants} participants"
        mean, error = float(abs(np.mean(single))), float(np.std(single, ddof=1) / np.sqrt(samples))
        yield Simulated(STATISTIC, condition, "absolute mean over voxels and splits", mean, error, 0, 0.02, samples)
        ends = np.array(low), np.array(high)
        case, counted = f"{condition}{CONSERVATIVE}", "coverage of 0"
        yield coverage(STATISTIC, case, np.array(single), ends, 0, LEAST, most=1, counted=counted)
        case, power = f"{condition}; power: the generating stage", float(np.mean(related))
        yield proportion(AGAINST, case, "false positives", np.array(p) <= ALPHA, 0, 0.06, power=power)
        yield proportion(
            *(AGAINST, f"{condition}, best of {STAGES} stages", "false positives"),
            *(np.array(best_p) <= ALPHA, 0, 0.06),
        )


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate the generating stage and unrelated stages, at most ``MOST`` brains for each condition."""
    rng = np.random.default_rng(seed)
    yield from generating(min(samples, MOST["generating"]), rng)
    yield from unrelated(min(samples, MOST["unrelated"]), rng)
