"""Simulations of ``metamers.compare.anova``: error rates where stages vary alike, and where one stage varies more.

The data have no effects, so that every p of at most 0.05 is an error.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from metamers.compare.anova import LEVEL, holm
from metamers.compare.permutation_tests import (
    f_interaction,
    f_repeated,
    f_within,
    permutation_p,
    permutation_p_models,
    permutation_p_stage,
)
from metamers.compare.sphericity import (
    corrected_p,
    greenhouse_geisser,
    group_departures,
    interaction_departures,
    main_departures,
)
from metamers.simulations.results import Simulated, proportion

PARTICIPANTS, STAGES, MODELS = 20, 8, 3
FACTOR = 4.0  # standard deviation of one stage, relative to the others
PERMUTATIONS = 199  # 0.05 is a possible p
FEW_PERMUTATIONS = 20  # the inverse of the level, where the two p differ most
FAMILY, FAMILY_PERMUTATIONS = 4, 499  # number of models that the same participants judge, and permutations of each test
ALIKE, UNEQUAL = "all stages vary alike", f"one stage varies {FACTOR:g} times as much"
# Largest accepted rates of false positives.
SPHERICAL, CORRECTED, FAMILYWISE = 0.06, 0.065, 0.08
# Expected ranges of the rates of methods that are known to be wrong.
KNOWN, FLOOR, UNADJUSTED = (0.08, 0.2), (0.07, 0.13), (0.3, 0.6)

Tests = dict[str, np.ndarray]  # effect → p (sample,)
Permutation = Callable[[np.ndarray, int, np.random.Generator], pd.DataFrame]


def scores(shape: tuple[int, ...], offsets: tuple[int, ...], spread: float, rng: np.random.Generator) -> np.ndarray:
    """Draw normal scores (sample, participant, stage, …) without effects.

    The last stage has the standard deviation ``spread``, the others 1. Participants' means have the shape ``offsets``,
    with 1 for axes that share them.
    """
    values = rng.normal(size=shape)
    values[:, :, -1] *= spread
    return values + rng.normal(size=offsets)


def corrected(f: np.ndarray, departures: np.ndarray, df_effect: int, participants: int) -> np.ndarray:
    """Compute p (sample,) with Greenhouse and Geisser's correction.

    ``participants`` is the number of participants minus the number of groups.
    """
    epsilon = greenhouse_geisser(departures, df_effect)
    return corrected_p(f, df_effect, df_effect * participants, epsilon)


def between_stages(values: np.ndarray, rng: np.random.Generator) -> tuple[Tests, Tests]:
    """Compute permutation p and Greenhouse-Geisser p of scores (sample, participant, stage)."""
    permuted = _permuted(permutation_p_stage, values, rng)
    found = corrected(f_repeated(values), main_departures(values), STAGES - 1, PARTICIPANTS - 1)
    return permuted, {"stage": found}


def between_models(values: np.ndarray, rng: np.random.Generator) -> tuple[Tests, Tests]:
    """Compute permutation p and Greenhouse-Geisser p of scores (sample, participant, stage, model)."""
    permuted = _permuted(permutation_p_models, values, rng)
    found = {}
    for effect, axis, levels in (("model", 2, MODELS), ("stage", 3, STAGES)):
        means = values.mean(axis=axis)
        found[effect] = corrected(f_repeated(means), main_departures(means), levels - 1, PARTICIPANTS - 1)
    f, departures = f_interaction(values), interaction_departures(values)
    found["interaction"] = corrected(f, departures, (STAGES - 1) * (MODELS - 1), PARTICIPANTS - 1)
    return permuted, found


def human_against_model(values: np.ndarray, rng: np.random.Generator) -> tuple[Tests, Tests]:
    """Compute permutation p and Greenhouse-Geisser p of scores (sample, participant, stage, observer)."""
    permuted = _permuted(permutation_p, values, rng)
    rows = values.transpose(0, 3, 1, 2).reshape(len(values), 2 * PARTICIPANTS, STAGES)
    departures = group_departures(rows)
    both = zip(("stage", "interaction"), f_within(rows), strict=True)
    return permuted, {effect: corrected(f, departures, STAGES - 1, 2 * PARTICIPANTS - 2) for effect, f in both}


def _permuted(test: Permutation, values: np.ndarray, rng: np.random.Generator) -> Tests:
    """Compute ``p_permutation_plus_one`` of each effect for every sample."""
    found = [test(sample, PERMUTATIONS, rng)["p_permutation_plus_one"] for sample in values]
    return {effect: np.array([one[effect] for one in found]) for effect in found[0].index}


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate every test of the three kinds without effects; then few permutations, and several tests."""
    rng = np.random.default_rng(seed)
    size = samples, PARTICIPANTS, STAGES
    means = samples, PARTICIPANTS, 1
    # Human and model are independent given the stimuli; one participant's answers to two models' metamers are not.
    kinds = {
        "human against model": (human_against_model, (*size, 2), (*means, 2)),
        "between models": (between_models, (*size, MODELS), (*means, 1)),
        "between stages": (between_stages, size, means),
    }
    spreads = ((ALIKE, 1.0), (UNEQUAL, FACTOR))
    for (kind, (tests, shape, offsets)), (condition, spread) in product(kinds.items(), spreads):
        permuted, by_f = tests(scores(shape, offsets, spread, rng), rng)
        for effect, p in permuted.items():
            of_effect = f"{kind}, {effect}: {condition}"
            # Means over stages have equal variances, whatever those of the stages.
            if condition == ALIKE or effect in ("observer", "model"):
                statistic, bounds = "ANOVA, permutation p", (0, SPHERICAL)
            else:
                statistic, bounds = "ANOVA, permutation p where stages vary unequally", KNOWN
            yield proportion(statistic, of_effect, "false positives", p <= LEVEL, *bounds)
            if effect in by_f:
                most = SPHERICAL if condition == ALIKE else CORRECTED
                found = by_f[effect] <= LEVEL
                yield proportion("ANOVA, Greenhouse-Geisser p", of_effect, "false positives", found, 0, most)
    yield from few_permutations(scores(size, means, 1.0, rng), rng)
    fewer = samples // 4, PARTICIPANTS
    yield from several_tests(scores((*fewer, STAGES, FAMILY, 2), (*fewer, 1, 1, 2), 1.0, rng), rng)


def few_permutations(values: np.ndarray, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test at the smallest possible p: max(b, 1)/P attains it for b = 0 and 1, (b + 1)/(P + 1) only for b = 0."""
    found = [permutation_p_stage(sample, FEW_PERMUTATIONS, rng).loc["stage"] for sample in values]
    condition = f"between stages, level 1/{FEW_PERMUTATIONS} with {FEW_PERMUTATIONS} permutations"
    for name, statistic, bounds in (
        ("p_permutation", "ANOVA, max(b, 1)/P", FLOOR),
        ("p_permutation_plus_one", "ANOVA, (b + 1)/(P + 1)", (0, SPHERICAL)),
    ):
        hits = np.array([one[name] <= 1 / FEW_PERMUTATIONS for one in found])
        yield proportion(statistic, condition, "false positives", hits, *bounds)


def several_tests(values: np.ndarray, rng: np.random.Generator) -> Iterator[Simulated]:
    """Count samples with an error in any effect of several models that the same participants judged.

    ``values`` are (sample, participant, stage, model, observer).
    """
    families = []
    for sample in values:
        by_model = np.moveaxis(sample, 2, 0)
        found = [permutation_p(one, FAMILY_PERMUTATIONS, rng)["p_permutation_plus_one"] for one in by_model]
        families.append(np.concatenate(found))
    condition = f"human against model, {FAMILY} models, {len(families[0])} effects"
    first = np.array([family.min() for family in families])
    yield proportion("ANOVA, p of one test", condition, "any false positive", first <= LEVEL, *UNADJUSTED)
    adjusted = np.array([holm(family).min() for family in families])
    yield proportion("ANOVA, Holm-adjusted p", condition, "any false positive", adjusted <= LEVEL, 0, FAMILYWISE)
