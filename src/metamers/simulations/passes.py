"""Simulations of ``metamers.compare.passes``: error rate and power of the equivalence test, with an estimated margin.

A study has nine experiments, whose participants all see natural stimuli, as the published ones have. Metamers of one
stage are judged in one or in four of the experiments. The probability of a correct answer varies between persons, and
the answers vary by chance.
"""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import scipy.stats

from metamers.compare.passes import LEVEL, equivalence, margin_of, standard_error, variance_beyond_chance
from metamers.simulations.results import Simulated, proportion

EXPERIMENTS, PARTICIPANTS, TRIALS = 9, 20, 10
JUDGED = (1, 4)  # experiments with metamers of the stage
# Parameters of the beta distribution of persons' probability of a correct answer, with its standard deviation.
PERSONS = {
    "persons differ by 0.03, below the smallest margin": (89, 10),
    "persons differ by 0.05, as in vision": (32.5, 4.2),
    "persons differ by 0.09, as in audition": (14.6, 3.3),
}
STATISTIC = "metamers and natural stimuli, equivalence test"
MOST = 0.08  # largest accepted share of false positives


def passes(
    judged: int, persons: tuple[float, float], margins: float, samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Simulate whether a stage passes (sample,) if people recognize its metamers less often by ``margins`` margins."""
    exact = scipy.stats.beta(*persons)
    share = (
        1 - margins * margin_of(exact.var(), 0)[0] / exact.mean()
    )  # of natural stimuli that are recognized as metamers
    found = []
    for _ in range(samples):
        probable = rng.beta(*persons, (EXPERIMENTS, PARTICIPANTS))
        natural = rng.binomial(TRIALS, probable) / TRIALS
        metamers = rng.binomial(TRIALS, share * probable[:judged]) / TRIALS
        differences = (metamers - natural[:judged]).ravel()
        n = len(differences)
        error = standard_error(differences.std(ddof=1), n, TRIALS * n)
        margin = margin_of(*variance_beyond_chance(list(natural), [TRIALS] * EXPERIMENTS))
        found.append(equivalence(differences.mean(), error, n, *margin).p_equivalence <= LEVEL)
    return np.array(found)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate stages whose true difference is the margin, or 0."""
    rng = np.random.default_rng(seed)
    for judged, (words, persons) in product(JUDGED, PERSONS.items()):
        condition = f"{judged * PARTICIPANTS} participants, {TRIALS} trials; {words}"
        at_margin = passes(judged, persons, 1, samples, rng)
        yield proportion(STATISTIC, condition, "false positives: difference as large as the margin", at_margin, 0, MOST)
        equal = passes(judged, persons, 0, samples, rng)
        yield proportion(STATISTIC, condition, "power: no difference", equal, 0, 1)
