"""Simulations of the leaderboard: how much the choice of stages changes ranks, and the coverage of area intervals."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from metamers.compare.proportions import ENDS
from metamers.leaderboard.curves import NormalizedCurve, curve_area
from metamers.leaderboard.depth import study_scale
from metamers.leaderboard.intervals import (
    areas_from_participants,
    normalized_areas_from_participants,
    normalized_areas_from_summary,
    small_sample_factor,
    widen_samples,
)
from metamers.leaderboard.normalized_area import area_rule, normalize, weighted_area
from metamers.leaderboard.ranks import rank_among
from metamers.names import NATURAL
from studies.simulations.results import MOST as MOST_COVERAGE
from studies.simulations.results import Simulated, proportion

MODELS = 30
# Layers up to the stages of published architectures (resources/published/stage_depth.csv), and the number of models of
# each, similar to that of the published visual models, half of which share their stages.
LAYERS = {
    "ResNet50": [1, 10, 22, 40, 49, 49, 50],
    "AlexNet": [1, 2, 3, 4, 5, 6, 7, 8],
    "VGG-19": [2, 4, 8, 12, 16, 16, 17, 18, 19],
    "CORnet-S": [2, 9, 22, 29, 30],
    "ViT-L/16": [1, 1, 7, 43, 79, 115, 145, 146],
    "HMAX": [1, 1, 2, 2, 3],
}
ARCHITECTURES = {"ResNet50": 15, "AlexNet": 8, "VGG-19": 2, "CORnet-S": 2, "ViT-L/16": 2, "HMAX": 1}
FEW = 20  # samples per simulated leaderboard
# Curves: standard deviation of the middle depth within an architecture, width of the fall, noise of single stages.
KNEE, SLOPE, NOISE = 0.15, 0.05, 0.03
NATURAL_CORRECT, GUESSING = 0.9, 1 / 16
PARTICIPANTS, TRIALS, BOOTSTRAP = 20, 16, 200
SPREADS = {"who are alike": 0.2, "who differ": 0.8}  # standard deviation between participants, in log odds
# Architecture, and the depth at which its recognizability falls.
RECOGNIZED = [("ResNet50", 0.85), ("ResNet50", 0.6), ("AlexNet", 0.4), ("AlexNet", 0.9)]
STATISTICS = ["normalized area, participants", "normalized area, means and standard errors", "area, participants"]
WIDEST = STATISTICS[1]  # stages are taken to vary together, so the interval may cover nearly always
LEAST = 0.9  # coverage
# Largest accepted mean change in ranks.
MOST = {"one inner stage not listed": 1.0, "early stages thinned": 1.0, "late stages thinned": 1.5}


def lists(number: int) -> dict[str, list[Sequence[int]]]:
    """Return the stages to leave out of a list: one inner stage, or every second one of the early or late half."""
    inner = np.arange(1, number - 1)
    early = inner < (number - 1) / 2
    return {
        "one inner stage not listed": [[int(one)] for one in inner],
        "early stages thinned": [inner[early][::2]],
        "late stages thinned": [inner[~early][::2]],
    }


def board(depths: dict[str, np.ndarray], rng: np.random.Generator) -> list[NormalizedCurve]:
    """Simulate the curves of models; each falls around a middle depth, which is similar within an architecture."""
    curves = []
    for name, number in ARCHITECTURES.items():
        middle = rng.uniform(0.3, 0.9)
        at = middle + KNEE * rng.standard_normal((number, 1))
        fall = 1 / (1 + np.exp((depths[name] - at) / (SLOPE * rng.uniform(0.5, 2, (number, 1)))))
        values = np.clip(fall + NOISE * rng.standard_normal(fall.shape), 0, 1)
        for index, own in enumerate(values):
            listed = np.ones(len(own), bool)
            family = list(np.delete(values, index, axis=0))
            curves.append(NormalizedCurve(depths[name], own, listed, family, NATURAL_CORRECT, GUESSING))
    return curves


def by_place(values: np.ndarray) -> float:
    """Compute the area over the position among the listed stages."""
    return curve_area(pd.DataFrame({"depth": np.linspace(0, 1, len(values)), "mean": values}), "mean")


def moves(curves: Sequence[NormalizedCurve]) -> dict[tuple[str, str], np.ndarray]:
    """Compute by how many ranks a model moves when its list is shortened: (shortened list, kind of area) → ranks.

    The lists of the other models are complete.
    """
    whole = {
        "place in the list": np.array([by_place(one.values) for one in curves]),
        "layers": np.array([float(weighted_area(one.rule.low, one.values)) for one in curves]),
    }
    found: dict[tuple[str, str], list[int]] = {}
    for index, own in enumerate(curves):
        for name, dropped in ((name, one) for name, several in lists(len(own.values)).items() for one in several):
            values, listed = own.values.copy(), own.listed.copy()
            values[dropped], listed[dropped] = np.nan, False
            rule = area_rule(own.depth, values, listed, own.family)
            shorter = {"place in the list": by_place(values[listed]), "layers": float(weighted_area(rule.low, values))}
            for kind, one in shorter.items():
                ranks = rank_among(np.array([whole[kind][index], one]), np.delete(whole[kind], index))
                found.setdefault((name, kind), []).append(int(abs(ranks[1] - ranks[0])))
    return {key: np.array(ranks) for key, ranks in found.items()}


def answers(rates: np.ndarray, spread: float, number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw proportions correct (participant, experiment, stage) from the population's proportions (stage).

    Participants differ in log odds above guessing, over all stages and, less, at each stage.
    """
    above = np.clip((rates - GUESSING) / (1 - GUESSING), 0.01, 0.99)
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    odds, each = np.log(above / (1 - above)), spread * np.hypot(1, 0.5)
    for _ in range(20):  # iterates until the mean over participants is the rate
        mean = (1 / (1 + np.exp(-(odds[:, None] + each * nodes)))) @ weights / weights.sum()
        odds += np.log(above / (1 - above)) - np.log(mean / (1 - mean))
    shape = (PARTICIPANTS, number, len(rates))
    shift = spread * (rng.standard_normal((*shape[:2], 1)) + 0.5 * rng.standard_normal(shape))
    own = GUESSING + (1 - GUESSING) / (1 + np.exp(-(odds + shift)))
    return rng.binomial(TRIALS, own) / TRIALS


def covered(
    depth: np.ndarray, q: np.ndarray, spread: float, number: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, float]]:
    """Test whether intervals (experiment,) cover the true area, and compute their mean width.

    Returns both for the normalized area from participants, for the normalized area from means and standard errors, and
    for the area over the position in the list.

    Parameters
    ----------
    depth, q
        Depth of the stages, and their true normalized recognizability.
    spread
        Standard deviation between participants, one of ``SPREADS``.
    number
        Number of experiments, each with its own participants and one model.
    """
    truth = NormalizedCurve(depth, q, np.ones(len(q), bool), [], NATURAL_CORRECT, GUESSING)
    rates = np.append(NATURAL_CORRECT, GUESSING + q * (NATURAL_CORRECT - GUESSING))
    given = answers(rates, spread, number, rng)
    stages, models = [f"stage {stage}" for stage in range(len(q))], [f"model {one}" for one in range(number)]
    data = xr.Dataset(
        {"proportion_correct": (("participant", "generation_model", "stage", "observer"), given[..., None])},
        coords={"generation_model": models, "stage": [NATURAL, *stages], "observer": ["human"]},
    )
    mean, sem = given.mean(axis=0), given.std(axis=0, ddof=1) / np.sqrt(PARTICIPANTS)
    places = np.linspace(0, 1, len(q))
    curves = [
        pd.DataFrame({"stage": stages, "depth": places, "mean": m[1:], "sem": s[1:], "n": PARTICIPANTS})
        for m, s in zip(mean, sem, strict=True)
    ]
    own = [truth._replace(values=normalize(m[1:], m[0], GUESSING)) for m in mean]
    of_natural = [(m[0], s[0], PARTICIPANTS) for m, s in zip(mean, sem, strict=True)]
    seed = int(rng.integers(2**32))
    samples = (
        normalized_areas_from_participants(models, curves, own, [data], BOOTSTRAP, seed),
        normalized_areas_from_summary(curves, own, of_natural, BOOTSTRAP, seed),
        widen_samples(
            areas_from_participants(models, curves, [data], BOOTSTRAP, seed), small_sample_factor(PARTICIPANTS)
        ),
    )
    right = float(weighted_area(truth.rule.low, q))
    found = []
    for one, value in zip(samples, (right, right, by_place(rates[1:])), strict=True):
        low, high = np.quantile(one, ENDS, axis=0)
        found.append(((low <= value) & (value <= high), float((high - low).mean())))
    return found


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate known curves with shortened lists of stages, and answers of participants at stages with a known area."""
    rng = np.random.default_rng(seed)
    shares = {name: np.array(layers) / layers[-1] for name, layers in LAYERS.items()}
    scale = study_scale(shares.values())
    depths = {name: np.interp(own, *scale) for name, own in shares.items()}
    boards = [moves(board(depths, rng)) for _ in range(max(samples // FEW, 10))]
    # The ranks by the position in the list are for comparison and have no bound.
    for (lists_of, at_most), kind in product(MOST.items(), ("layers", "place in the list")):
        ranks = np.array([one[lists_of, kind].mean() for one in boards])
        yield Simulated(
            f"rank by the area over {'depth' if kind == 'layers' else 'the place among listed stages'}",
            f"{MODELS} models, {lists_of}",
            "mean change in ranks",
            float(ranks.mean()),
            float(ranks.std(ddof=1) / np.sqrt(len(ranks))),
            0,
            at_most if kind == "layers" else np.inf,
            len(boards),
        )
    for (architecture, middle), (participants, spread) in product(RECOGNIZED, SPREADS.items()):
        depth = depths[architecture]
        q = 1 / (1 + np.exp((depth - middle) / 0.1))
        found = covered(depth, q, spread, samples, rng)
        condition = f"{PARTICIPANTS} participants {participants}, {architecture} recognized until depth {middle}"
        for statistic, (held, width) in zip(STATISTICS, found, strict=True):
            most = 1 if statistic == WIDEST else MOST_COVERAGE
            yield proportion(statistic, condition, "coverage", held, LEAST, most, width)
