"""Simulations of ``metamers.brain``: stages that voxels were made from, and stages that have nothing to do with them.

Every simulated brain has stimuli, weights and noise of its own. Features are normally distributed, with variances that
fall as a power of their number, so that a stage has more directions than there are training stimuli.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from metamers.brain import in_halves, noiseless_r2, signed_regression, simulated, splits
from metamers.simulations import Simulated, proportion

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
UNRELIABLE = (20, 12, 5, 2, 1.5)  # two voxels of five are no more reliable than chance, and are corrected too little
UNRELATED = [(20, 4, 3), (48, 4, 3)]
VOXELS = {"generating": 10, "unrelated": 5}
STAGES = 2  # unrelated ones; the best is chosen
SHUFFLES = 19  # the fewest of which p can be 0.05
ALPHA = 0.05
LEAST = 0.90
LARGEST_BIAS = 0.06
MOST = {"generating": 100, "unrelated": 700}  # samples of one condition; a brain takes about 15 ms


def brain(
    of: np.ndarray, participants: int, voxels: int, noise: float, rng: np.random.Generator
) -> tuple[xr.DataArray, np.ndarray]:
    """Responses of voxels made from features (stimulus, unit), and of each voxel its participant."""
    made = simulated(of, range(len(of)), participants, voxels, REPETITIONS, noise, int(rng.integers(2**31)))
    return made, made["participant"].values


def stage(stimuli: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    """Features (stimulus, unit)."""
    return rng.standard_normal((stimuli, UNITS)) * np.arange(1, UNITS + 1) ** (-exponent / 2)


def read(
    samples: int, condition: tuple[int, int, int, float, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What the generating stage reads, with the ends of its interval (3, sample), and without noise (sample,)."""
    stimuli, participants, count, noise, exponent = condition
    found, clean = [], []
    for _ in range(samples):
        values = stage(stimuli, exponent, rng)
        made, who = brain(values, participants, VOXELS["generating"], noise, rng)
        train = splits(stimuli, count, int(rng.integers(2**31)))
        halves = in_halves({"generating": values}, train)
        one = signed_regression(halves, made.values, who, train, 0, 0).isel(stage=0)
        found.append([float(one[f"signed_r2{end}"]) for end in ("", "_low", "_high")])
        clean.append(noiseless_r2(halves, made.values, made["noiseless_response"].values, who, train).mean())
    return np.transpose(found), np.array(clean)


def generating(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Does the interval hold what the stage that voxels are made from reads without noise?"""
    for condition in [*GENERATING, UNRELIABLE]:
        (value, low, high), same = read(samples, condition, rng)
        told = (
            "generating stage, {} stimuli, {} participants, {} splits, noise {}, variances falling with exponent {}"
        ).format(*condition)
        off = value - same
        error = float(np.std(off, ddof=1) / np.sqrt(samples))
        if condition == UNRELIABLE:
            told += ": two of five voxels no more reliable than chance"
            yield Simulated(STATISTIC, told, "reads too little by", -float(off.mean()), error, 0, 0.25, samples)
            continue
        truth = same.mean()
        for of, held in (
            ("any stimuli", (low <= truth) & (truth <= high)),
            ("the same stimuli", (low <= same) & (same <= high)),
        ):
            yield proportion(STATISTIC, told, f"coverage of the value without noise, {of}", held, LEAST, 1)
        yield Simulated(STATISTIC, told, "absolute bias", abs(float(off.mean())), error, 0, LARGEST_BIAS, samples)


def unrelated(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """What stages read, and how often they exceed shuffled stimuli, that have nothing to do with the voxels."""
    for stimuli, participants, count in UNRELATED:
        single, low, high, p, best_p = [], [], [], [], []
        for _ in range(samples):
            made, who = brain(stage(stimuli, 1.0, rng), participants, VOXELS["unrelated"], 1, rng)
            train = splits(stimuli, count, int(rng.integers(2**31)))
            others = {str(n): stage(stimuli, 1.0, rng) for n in range(STAGES)}
            seed = int(rng.integers(2**31))
            found = signed_regression(in_halves(others, train), made.values, who, train, SHUFFLES, seed)
            single.append(float(found["signed_r2_corrected"].mean()))
            low.append(float(found["signed_r2_low"][0]))
            high.append(float(found["signed_r2_high"][0]))
            p.append(float(found["p_shuffled"][0]))
            best_p.append(float(found["best_p_shuffled"]))
        condition = f"unrelated stage, {stimuli} stimuli, {participants} participants"
        mean, error = float(abs(np.mean(single))), float(np.std(single, ddof=1) / np.sqrt(samples))
        yield Simulated(STATISTIC, condition, "absolute mean over voxels and splits", mean, error, 0, 0.02, samples)
        held = (np.array(low) <= 0) & (np.array(high) >= 0)
        yield proportion(STATISTIC, condition, "coverage of 0", held, LEAST, 1)
        yield proportion(AGAINST, condition, "false positives", np.array(p) <= ALPHA, 0, 0.06)
        yield proportion(
            *(AGAINST, f"{condition}, best of {STAGES} stages", "false positives"),
            *(np.array(best_p) <= ALPHA, 0, 0.06),
        )


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """The generating stage and unrelated ones; of each condition ``MOST`` brains at most."""
    rng = np.random.default_rng(seed)
    yield from generating(min(samples, MOST["generating"]), rng)
    yield from unrelated(min(samples, MOST["unrelated"]), rng)
