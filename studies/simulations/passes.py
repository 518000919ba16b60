"""Simulations of ``metamers.compare.passes``: error rate and power of the equivalence test, with an estimated margin.

A study has as many experiments, participants and trials as the published ones. All participants judge natural stimuli.
Metamers of one stage are judged in one or in four of the experiments. The probability of a correct answer varies
between persons, and the answers vary by chance.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from metamers.compare.passes import (
    LEVEL,
    NATURAL_COLUMNS,
    equivalence,
    margin_of,
    standard_error,
    variance_beyond_chance,
)
from metamers.humans.summary import read_results
from studies.simulations.results import Simulated, proportion

JUDGED = (1, 4)  # experiments with metamers of the stage
LITTLE = 0.03**2  # variance of persons for whom the smallest margin applies
STATISTIC = "metamers and natural stimuli, equivalence test"
# Largest share of false positives: the level, and three standard errors of 2,000 samples.
MOST = LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 2000)


class Studies(NamedTuple):
    """What simulated studies find, (sample,) each.

    Attributes
    ----------
    passes
        Whether the stage passes.
    width
        Width of the 90% interval of the difference.
    sd
        Standard deviation of the differences between participants.
    n
        Number of participants who judged the metamers, the same in all studies.
    """

    passes: np.ndarray
    width: np.ndarray
    sd: np.ndarray
    n: int


def studies(
    judged: int, natural: Mapping[str, float], margins: float, samples: int, rng: np.random.Generator
) -> Studies:
    """Simulate studies of a stage whose metamers people recognize less often than natural stimuli.

    Parameters
    ----------
    judged
        Number of experiments with metamers of the stage.
    natural
        Persons and natural stimuli, as a row of ``metamers.compare.passes.natural_variance``.
    margins
        True difference, in true margins.
    samples
        Number of studies.
    """
    mean, variance, trials = natural["mean"], natural["variance"], round(natural["trials"])
    experiments = int(natural["experiments"])
    concentration = mean * (1 - mean) / variance - 1
    shape = samples, experiments, round(natural["participants"] / experiments)
    # The share of natural stimuli that are recognized as metamers.
    share = 1 - margins * margin_of(variance, 0)[0] / mean
    probable = rng.beta(mean * concentration, (1 - mean) * concentration, shape)
    answers = rng.binomial(trials, probable) / trials
    metamers = rng.binomial(trials, share * probable[:, :judged]) / trials
    differences = (metamers - answers[:, :judged]).reshape(samples, -1)
    n, sd = differences.shape[1], differences.std(axis=1, ddof=1)
    margin = margin_of(*variance_beyond_chance(list(np.moveaxis(answers, 1, 0)), [trials] * experiments))
    found = equivalence(differences.mean(axis=1), standard_error(sd, n, trials * n), n, *margin)
    return Studies(found.p_equivalence <= LEVEL, found.high - found.low, sd, n)


def conditions(published: Path) -> dict[str, dict[str, float]]:
    """Describe the simulated persons: words → row of ``metamers.compare.passes.natural_variance``."""
    table = read_results(published / "natural_variance.csv", NATURAL_COLUMNS).set_index("modality")
    rows = {modality: row.astype(float).to_dict() for modality, row in table.iterrows()}
    found = {"persons differ by 0.03, below the smallest margin": rows["vision"] | {"variance": LITTLE}}
    for modality, row in rows.items():
        found[f"persons differ by {np.sqrt(row['variance']):.2f}, as in {modality}"] = row
    return found


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate stages whose true difference is the margin; power and width are of stages without a difference."""
    rng = np.random.default_rng(seed)
    for judged, (words, natural) in product(JUDGED, conditions(published).items()):
        at_margin, equal = (studies(judged, natural, margins, samples, rng) for margins in (1, 0))
        condition = f"{equal.n} participants, {round(natural['trials'])} trials; {words}; power without a difference"
        yield proportion(
            *(STATISTIC, condition, "false positives: difference as large as the margin", at_margin.passes, 0, MOST),
            width=float(equal.width.mean()),
            power=float(equal.passes.mean()),
        )
