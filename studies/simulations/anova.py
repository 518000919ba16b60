"""Simulations of ``metamers.compare.anova``: error rates where stages vary alike, and where one stage varies more.

The data have no effects, so that every p of at most 0.05 is an error; power is for data with a stated effect. For
people against one network, each simulated experiment has new stimuli, and new participants or the same ones.
"""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.stats
from scipy.special import expit

from metamers.compare.anova import LEVEL, holm
from metamers.compare.min_f import MIN_F, OVER_STIMULI, observer_differences, tests_for_both
from metamers.compare.permutation_tests import (
    f_interaction,
    f_observer,
    f_repeated,
    f_within,
    permutation_p,
    permutation_p_models,
    permutation_p_stage,
)
from metamers.compare.sign_flips import sign_flip_p
from metamers.compare.sphericity import (
    corrected_p,
    greenhouse_geisser,
    group_departures,
    interaction_departures,
    main_departures,
)
from studies.simulations.results import Simulated, proportion

PARTICIPANTS, STAGES, MODELS = 20, 8, 3
FACTOR = 4.0  # standard deviation of one stage, relative to the others
PERMUTATIONS = 199  # 0.05 is a possible p
FEW_PERMUTATIONS = 20  # the inverse of the level, where the two p differ most
FAMILY, FAMILY_PERMUTATIONS = 4, 499  # number of models that the same participants judge, and permutations of each test
ALIKE, UNEQUAL = "all stages vary alike", f"one stage varies {FACTOR:g} times as much"
POWER_SHARE = 4  # of the samples, one in so many is repeated with effects
EFFECT = 0.5  # range of each effect in data with effects, in standard deviations within participants
# Largest accepted rates of false positives.
SPHERICAL, CORRECTED, FAMILYWISE = 0.06, 0.065, 0.08
# Expected ranges of the rates of methods that are known to be wrong.
KNOWN, FLOOR, UNADJUSTED = (0.08, 0.2), (0.07, 0.13), (0.3, 0.6)

# People against one network. Log odds: of the median person and stimulus at the first and the last stage; standard
# deviations over participants (all stages, one stage), between those of images and sounds in
# resources/published/participant_variance.csv, and over stimuli, as networks share them (docs/explanation/power.md).
STIMULI = (10, 20, 100, 400)
NETWORK_STAGES, FIRST, LAST = 5, 2.2, -0.5
PARTICIPANT_SD, STIMULUS_SD = (0.4, 0.1), (1.1, 0.6)
SAME, NEW = "new stimuli, the same participants", "new stimuli and participants"
# True difference of people and network at each stage: 15 points on average, growing by 30 points.
DIFFERENCE = np.linspace(0, 0.3, NETWORK_STAGES)
STATED = "15 points apart on average, from 0 at the first stage to 30 at the last"
CHUNK_ANSWERS = 2_000_000  # answers simulated at a time, a limit of memory
FLIPS = 1999
ONE_NETWORK, OTHER_PEOPLE = (0.1, 0.7), (0.02, 0.2)  # ranges of tests that are wrong for new stimuli, or participants

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


def with_effects(values: np.ndarray) -> np.ndarray:
    """Add effects of stage, of the other factor if there is one, and their interaction (sample, participant, stage, …).

    Each effect is linear over its levels; its largest and its smallest value differ by ``EFFECT``.
    """
    stage = np.linspace(-0.5, 0.5, values.shape[2])
    if values.ndim == 3:
        return values + EFFECT * stage
    level = np.linspace(-0.5, 0.5, values.shape[3])
    return values + EFFECT * (stage[:, None] + level + 2 * np.outer(stage, level))


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
    power_rng, network_rng = (np.random.default_rng([seed, part]) for part in (1, 2))
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
        part = -(-samples // POWER_SHARE)
        drawn = scores((part, *shape[1:]), (part, *offsets[1:]), spread, power_rng)
        powers = tests(with_effects(drawn), power_rng)
        for effect, p in permuted.items():
            of_effect = f"{kind}, {effect}: {condition}; power: an effect of {EFFECT:g} standard deviations"
            by_permutation, by_correction = (
                float((found[effect] <= LEVEL).mean()) if effect in found else np.nan for found in powers
            )
            # Means over stages have equal variances, whatever those of the stages.
            if condition == ALIKE or effect in ("observer", "model"):
                statistic, bounds = "ANOVA, permutation p", (0, SPHERICAL)
            else:
                statistic, bounds = "ANOVA, permutation p where stages vary unequally", KNOWN
            yield proportion(*(statistic, of_effect, "false positives", p <= LEVEL, *bounds), power=by_permutation)
            if effect in by_f:
                most = SPHERICAL if condition == ALIKE else CORRECTED
                found = by_f[effect] <= LEVEL
                yield proportion(
                    *("ANOVA, Greenhouse-Geisser p", of_effect, "false positives", found, 0, most), power=by_correction
                )
    yield from few_permutations(scores(size, means, 1.0, rng), rng)
    fewer = samples // 4, PARTICIPANTS
    yield from several_tests(scores((*fewer, STAGES, FAMILY, 2), (*fewer, 1, 1, 2), 1.0, rng), rng)
    yield from participants_against_network(samples, network_rng)


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


class Experiments(NamedTuple):
    """Simulated experiments of people against one network.

    Attributes
    ----------
    by_participant, by_stimulus
        (experiment, unit, stage, observer): proportions correct of people and of the network.
    """

    by_participant: np.ndarray
    by_stimulus: np.ndarray


def experiments(
    number: int, stimuli: int, log_odds: np.ndarray, difference: np.ndarray, same: bool, rng: np.random.Generator
) -> Experiments:
    """Simulate experiments in which a network and participants answer the same stimuli at different stages.

    Each participant meets each stimulus at one stage, in blocks of participants as in a Latin square. The network has
    one draw for each stimulus, uniform from 0 to 1, and is right where it is below the network's probability: that of
    people minus the difference. With ``same``, people are the participants of the experiment, and otherwise all.

    Parameters
    ----------
    number
        Number of experiments.
    stimuli
        Number of stimuli, at least as many as there are stages.
    log_odds, difference
        (stage,): log odds of the median participant and stimulus, and true difference of people and network.
    """
    stages, kinds = len(log_odds), np.arange(len(log_odds))
    order = rng.permuted(np.tile(np.arange(stimuli), (PARTICIPANTS // stages, 1)), axis=1)
    shown = (order.repeat(stages, axis=0) + np.tile(kinds, PARTICIPANTS // stages)[:, None]) % stages
    person = PARTICIPANT_SD[0] * rng.normal(size=(number, PARTICIPANTS, 1))
    person = person + PARTICIPANT_SD[1] * rng.normal(size=(number, PARTICIPANTS, stages)) + log_odds
    item = STIMULUS_SD[0] * rng.normal(size=(number, stimuli, 1))
    item = item + STIMULUS_SD[1] * rng.normal(size=(number, stimuli, stages))
    participants, places = np.arange(PARTICIPANTS)[:, None], np.arange(stimuli)
    odds = person[:, participants, shown] + item[:, places, shown]
    right = rng.random(odds.shape) < expit(odds)
    if same:
        people = _mean_probability(person, np.hypot(*STIMULUS_SD)).mean(axis=1)
    else:
        people = _mean_probability(log_odds, np.hypot.reduce([*PARTICIPANT_SD, *STIMULUS_SD]))
    network = rng.random((number, stimuli, 1)) < (people - difference)[..., None, :]
    answers = np.stack([right, network[:, places, shown]], axis=-1).astype(float)
    met = (shown[..., None] == kinds).astype(float)  # (participant, stimulus, stage)
    by_participant = np.einsum("xpkO,pks->xpsO", answers, met, optimize=True) / met.sum(axis=1)[..., None]
    by_stimulus = np.einsum("xpkO,pks->xksO", answers, met, optimize=True) / met.sum(axis=0)[..., None]
    return Experiments(by_participant, by_stimulus)


def _mean_probability(log_odds: np.ndarray, deviation: float) -> np.ndarray:
    """Compute the mean probability (…,) of a right answer over normal deviations of the log odds (…,)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(31)
    return expit(log_odds[..., None] + deviation * nodes) @ weights / weights.sum()


def network_tests(found: Experiments, rng: np.random.Generator) -> Tests:
    """Compute p (experiment,) of the tests of people against one network.

    Keys: the published test of observer, and of the interaction; the sign flips over stimuli; and each effect by F over
    stimuli and by min F′.
    """
    rows = found.by_participant.transpose(0, 3, 1, 2).reshape(len(found.by_participant), -1, NETWORK_STAGES)
    labels = np.arange(2 * PARTICIPANTS) < PARTICIPANTS
    observer = np.array([f_observer(row.mean(axis=1), labels[None])[0] for row in rows])
    interaction = corrected(f_within(rows)[1], group_departures(rows), NETWORK_STAGES - 1, 2 * PARTICIPANTS - 2)
    tests = {
        "published observer": scipy.stats.f.sf(observer, 1, 2 * PARTICIPANTS - 2),
        "published interaction": interaction,
        "flips observer": sign_flip_p(observer_differences(found.by_stimulus), FLIPS, rng),
    }
    for kind, effects in tests_for_both(*found).items():
        tests |= {f"{kind} {effect}": test.p for effect, test in effects.items()}
    return tests


def _significant(
    samples: int, stimuli: int, rng: np.random.Generator, log_odds: np.ndarray, difference: np.ndarray, same: bool
) -> Tests:
    """Test simulated experiments: key of ``network_tests`` → whether p is at most ``LEVEL`` (sample,)."""
    chunk = max(1, CHUNK_ANSWERS // (PARTICIPANTS * stimuli))
    sizes = [min(chunk, samples - start) for start in range(0, samples, chunk)]
    parts = [network_tests(experiments(size, stimuli, log_odds, difference, same, rng), rng) for size in sizes]
    return {name: np.concatenate([part[name] for part in parts]) <= LEVEL for name in parts[0]}


def participants_against_network(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Simulate people against one network without a difference; power is for the difference ``STATED``."""
    falling, flat = np.linspace(FIRST, LAST, NETWORK_STAGES), np.full(NETWORK_STAGES, (FIRST + LAST) / 2)
    none = np.zeros(NETWORK_STAGES)
    for stimuli in STIMULI:
        new, same, without_stages, apart = (
            _significant(samples, stimuli, rng, *data)
            for data in (
                (falling, none, False),
                (falling, none, True),
                (flat, none, False),
                (falling, DIFFERENCE, False),
            )
        )
        many = f"{PARTICIPANTS} participants, {stimuli} stimuli"
        for statistic, effect, key, errors, condition, bounds in (
            ("published test", "observer", "published observer", new, NEW, ONE_NETWORK),
            ("published test", "interaction", "published interaction", new, NEW, ONE_NETWORK),
            ("by stimulus", "observer", "flips observer", same, SAME, (0, SPHERICAL)),
            ("by stimulus", "interaction", f"{OVER_STIMULI} interaction", same, SAME, (0, CORRECTED)),
            ("by stimulus, for new participants", "observer", "flips observer", new, NEW, OTHER_PEOPLE),
            (MIN_F, "observer", f"{MIN_F} observer", new, NEW, (0, SPHERICAL)),
            (MIN_F, "stage", f"{MIN_F} stage", without_stages, NEW, (0, SPHERICAL)),
            (MIN_F, "interaction", f"{MIN_F} interaction", new, NEW, (0, SPHERICAL)),
        ):
            # Recognition falls over stages in all data but those without an effect of stage.
            power, stated = (new, f"log odds from {FIRST} to {LAST}") if effect == "stage" else (apart, STATED)
            yield proportion(
                *(f"people against one network, {statistic}", f"{effect}: {many}; {condition}; power: {stated}"),
                *("false positives", errors[key], *bounds),
                power=float(power[key].mean()),
            )
