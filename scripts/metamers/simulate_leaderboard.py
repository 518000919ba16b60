"""Simulations of the leaderboard: how far the list of stages moves ranks, and the coverage of the areas' intervals."""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from metamers.depth import study_scale
from metamers.leaderboard import (
    Normalized,
    area,
    areas_from_participants,
    few_participants,
    normalized_areas_from_participants,
    normalized_areas_from_summary,
    rank_among,
    widened,
)
from metamers.names import NATURAL
from metamers.normalized_area import area_of, area_rule, normalized
from metamers.proportions import ENDS
from metamers.simulations import Simulated, proportion

MODELS = 30
# Layers up to the stages of published architectures (resources/published/stage_depth.csv), and how many models have
# them: about as the published visual models, half of which share their stages.
LAYERS = {
    "ResNet50": [1, 10, 22, 40, 49, 49, 50],
    "AlexNet": [1, 2, 3, 4, 5, 6, 7, 8],
    "VGG-19": [2, 4, 8, 12, 16, 16, 17, 18, 19],
    "CORnet-S": [2, 9, 22, 29, 30],
    "ViT-L/16": [1, 1, 7, 43, 79, 115, 145, 146],
    "HMAX": [1, 1, 2, 2, 3],
}
ARCHITECTURES = {"ResNet50": 15, "AlexNet": 8, "VGG-19": 2, "CORnet-S": 2, "ViT-L/16": 2, "HMAX": 1}
FEW = 20  # a leaderboard is made for one in so many samples
KNEE, SLOPE, NOISE = 0.15, 0.05, 0.03  # of curves: spread of the middle within a family, steepness, of single stages
NATURAL_CORRECT, GUESSING = 0.9, 1 / 16
PARTICIPANTS, TRIALS, BOOTSTRAP = 20, 16, 200
SPREADS = {"who are alike": 0.2, "who differ": 0.8}  # standard deviation of participants, in log odds


RECOGNIZED = [("ResNet50", 0.85), ("ResNet50", 0.6), ("AlexNet", 0.4), ("AlexNet", 0.9)]  # until which depth
STATISTICS = ["normalized area, participants", "normalized area, means and standard errors", "area, participants"]
LEAST = 0.9  # coverage
MOST = {"one inner stage not listed": 1.0, "early stages thinned": 1.0, "late stages thinned": 1.5}  # ranks


def lists(number: int) -> dict[str, list[Sequence[int]]]:
    """Stages that are not listed, of so many: one inner stage, or every second one of the early or of the late half."""
    inner = np.arange(1, number - 1)
    early = inner < (number - 1) / 2
    return {
        "one inner stage not listed": [[int(one)] for one in inner],
        "early stages thinned": [inner[early][::2]],
        "late stages thinned": [inner[~early][::2]],
    }


def board(depths: dict[str, np.ndarray], rng: np.random.Generator) -> list[Normalized]:
    """Curves of made-up models: each falls around a middle, which is near that of its architecture."""
    curves = []
    for name, number in ARCHITECTURES.items():
        middle = rng.uniform(0.3, 0.9)
        at = middle + KNEE * rng.standard_normal((number, 1))
        fall = 1 / (1 + np.exp((depths[name] - at) / (SLOPE * rng.uniform(0.5, 2, (number, 1)))))
        values = np.clip(fall + NOISE * rng.standard_normal(fall.shape), 0, 1)
        for index, own in enumerate(values):
            listed = np.ones(len(own), bool)
            family = list(np.delete(values, index, axis=0))
            curves.append(Normalized(depths[name], own, listed, family, NATURAL_CORRECT, GUESSING))
    return curves


def by_place(values: np.ndarray) -> float:
    """The area over the place among listed stages."""
    return area(pd.DataFrame({"depth": np.linspace(0, 1, len(values)), "mean": values}), "mean")


def moves(curves: Sequence[Normalized]) -> dict[tuple[str, str], np.ndarray]:
    """(list of stages, kind of area) → ranks by which models move whose list is shorter, those of the others whole."""
    whole = {
        "place in the list": np.array([by_place(one.values) for one in curves]),
        "layers": np.array([float(area_of(one.rule.low, one.values)) for one in curves]),
    }
    found: dict[tuple[str, str], list[int]] = {}
    for index, own in enumerate(curves):
        for name, dropped in ((name, one) for name, several in lists(len(own.values)).items() for one in several):
            values, listed = own.values.copy(), own.listed.copy()
            values[dropped], listed[dropped] = np.nan, False
            rule = area_rule(own.depth, values, listed, own.family)
            shorter = {"place in the list": by_place(values[listed]), "layers": float(area_of(rule.low, values))}
            for kind, one in shorter.items():
                ranks = rank_among(np.array([whole[kind][index], one]), np.delete(whole[kind], index))
                found.setdefault((name, kind), []).append(int(abs(ranks[1] - ranks[0])))
    return {key: np.array(ranks) for key, ranks in found.items()}


def answers(rates: np.ndarray, spread: float, number: int, rng: np.random.Generator) -> np.ndarray:
    """Proportions correct (participant, experiment, stage); rates (stage) are those of all participants there could be.

    A participant is better or worse at all stages, in log odds above guessing, and a little at each.
    """
    above = np.clip((rates - GUESSING) / (1 - GUESSING), 0.01, 0.99)
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    odds, each = np.log(above / (1 - above)), spread * np.hypot(1, 0.5)
    for _ in range(20):  # so that the mean over participants is the rate
        mean = (1 / (1 + np.exp(-(odds[:, None] + each * nodes)))) @ weights / weights.sum()
        odds += np.log(above / (1 - above)) - np.log(mean / (1 - mean))
    shape = (PARTICIPANTS, number, len(rates))
    shift = spread * (rng.standard_normal((*shape[:2], 1)) + 0.5 * rng.standard_normal(shape))
    own = GUESSING + (1 - GUESSING) / (1 + np.exp(-(odds + shift)))
    return rng.binomial(TRIALS, own) / TRIALS


def covered(
    depth: np.ndarray, q: np.ndarray, spread: float, number: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether intervals (experiment,) hold the truth: of the normalized area, from participants and from means and
    standard errors, and of the area over the place in the list.

    Parameters
    ----------
    depth, q
        Of the stages, and their true normalized recognizability.
    spread
        As ``SPREADS`` has it.
    number
        Experiments, each with participants of its own, who have one model to judge.
    """
    truth = Normalized(depth, q, np.ones(len(q), bool), [], NATURAL_CORRECT, GUESSING)
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
    own = [truth._replace(values=normalized(m[1:], m[0], GUESSING)) for m in mean]
    of_natural = [(m[0], s[0], PARTICIPANTS) for m, s in zip(mean, sem, strict=True)]
    seed = int(rng.integers(2**32))
    samples = (
        normalized_areas_from_participants(models, curves, own, [data], BOOTSTRAP, seed),
        normalized_areas_from_summary(curves, own, of_natural, BOOTSTRAP, seed),
        widened(areas_from_participants(models, curves, [data], BOOTSTRAP, seed), few_participants(PARTICIPANTS)),
    )
    right = float(area_of(truth.rule.low, q))
    held = []
    for one, value in zip(samples, (right, right, by_place(rates[1:])), strict=True):
        low, high = np.quantile(one, ENDS, axis=0)
        held.append((low <= value) & (value <= high))
    return held[0], held[1], held[2]


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Known curves with shorter lists of stages, and participants' answers to stages with a known area."""
    rng = np.random.default_rng(seed)
    shares = {name: np.array(layers) / layers[-1] for name, layers in LAYERS.items()}
    scale = study_scale(shares.values())
    depths = {name: np.interp(own, *scale) for name, own in shares.items()}
    boards = [moves(board(depths, rng)) for _ in range(max(samples // FEW, 10))]
    # Without a wanted bound, for comparison, the ranks by the place in the list.
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
    for (architecture, middle), (told, spread) in product(RECOGNIZED, SPREADS.items()):
        depth = depths[architecture]
        q = 1 / (1 + np.exp((depth - middle) / 0.1))
        held = covered(depth, q, spread, samples, rng)
        condition = f"{PARTICIPANTS} participants {told}, {architecture} recognized until depth {middle}"
        for statistic, one in zip(STATISTICS, held, strict=True):
            yield proportion(statistic, condition, "coverage", one, LEAST, 1)
