"""Simulations of ``metamers.compare.families`` and of late contrasts: shared errors, and missing metamers."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import scipy.special
import xarray as xr

from metamers.compare.contrasts import mean_over_stages
from metamers.compare.proportions import RARE, difference_interval
from metamers.compare.recognizability import recognizability_by_others
from studies.simulations.proportions import GUARDED
from studies.simulations.results import Simulated, coverage

LEAST = 0.92
FEW_FAMILIES = "; the interval allows for a larger spread than that of so few families"
# Standard deviations of the components of the latent evidence for a metamer's category; that of one answer is 1.
OF_STIMULUS, OF_FAMILY_AND_STIMULUS, OF_MODEL = 0.5, 1.0, 0.3
# Standard deviation between families over all stimuli.
SHARED = {"families alike": 0.0, "families differ": 0.5, "families differ much": 1.5}
MUCH = "families differ much"
FAMILIES = {"3 families, one of 3 siblings": (3, 1, 1), "6 families, two of 3 siblings": (3, 3, 1, 1, 1, 1)}
EVIDENCE = {"half": 0.0, "few": -1.5, "most": 2.0}
# Late contrasts: mean log odds of a correct answer at each stage, for a model and its reference.
LATE = (0.5, 0.0, -0.5, -1.0, -1.5)
WORD, WORD_DIFFERENCE = 1.5, 1.0  # standard deviations over words, common to both models and of their difference
DIFFERENCES = (0.0, 1.5)
RECOGNITION_MODELS = (2, 6)
MANY = 200_000  # words from which the true value is computed
# Log odds of acceptance: of an average word, and their slope over the log odds of recognition.
ACCEPTANCE = {"few missing": (4.0, 1.0), "many missing": (2.5, 1.5)}


def recognized_of(
    evidence: float, of_family: float, sizes: tuple[int, ...], shape: tuple[int, int], rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Draw answers of new recognition models, model → (sample, stimulus), and the mean of their true values (sample,).

    Models of one family share a component over all stimuli and one for each stimulus. The true value of a family is its
    expected mean answer to new stimuli.
    """
    stimulus = OF_STIMULUS * rng.standard_normal(shape)
    answers, truths = {}, []
    for family, models in enumerate(sizes):
        whole = of_family * rng.standard_normal((shape[0], 1))
        common = stimulus + whole + OF_FAMILY_AND_STIMULUS * rng.standard_normal(shape)
        own = OF_MODEL * rng.standard_normal((models, shape[0], 1))
        for model in range(models):
            seen = evidence + common + own[model] + rng.standard_normal(shape)
            answers[f"{family}_{model}"] = seen > 0
        spread = np.sqrt(1 + OF_STIMULUS**2 + OF_FAMILY_AND_STIMULUS**2)
        truths.append(scipy.special.ndtr((evidence + whole + own[..., 0].T) / spread).mean(axis=1))
    return answers, np.mean(truths, axis=0)


def by_other_models(answers: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Run ``recognizability_by_others``, with each sample as a stage of a model that is no recognition model."""
    samples, stimuli = next(iter(answers.values())).shape
    coords = {"stage": np.arange(samples), "stimulus": np.arange(stimuli), "seed": [0]}
    accepted = xr.DataArray(np.ones((samples, stimuli, 1), dtype=bool), coords=coords, dims=list(coords))
    recognition = {
        name: xr.Dataset({"correct": accepted.copy(data=right[..., None])}) for name, right in answers.items()
    }
    families = {name: name.split("_")[0] for name in answers} | {"model": "none of them"}
    return recognizability_by_others(recognition, accepted, "model", families)


def of_families(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the coverage of the mean over new recognition models, and of that over these recognition models."""
    for (alike, of_family), (who, sizes), (how_many, evidence), stimuli in product(
        SHARED.items(), FAMILIES.items(), EVIDENCE.items(), (10, 40)
    ):
        answers, of_these = recognized_of(evidence, of_family, sizes, (samples, stimuli), rng)
        found = by_other_models(answers)
        variance = 1 + OF_STIMULUS**2 + OF_FAMILY_AND_STIMULUS**2 + OF_MODEL**2 + of_family**2
        truth = scipy.special.ndtr(evidence / np.sqrt(variance))
        condition = f"{who}, {stimuli} stimuli, {how_many} recognized, {alike}"
        value = found["other_models"].values
        anew, these = (
            tuple(found[f"{of}_{end}"].values for end in ("low", "high"))
            for of in ("other_models_families", "other_models")
        )
        guarded = stimuli < RARE or how_many == "most"
        certain = alike == MUCH and stimuli >= RARE
        name, case = "mean of other models, judges drawn anew", condition + ("" if certain else FEW_FAMILIES)
        yield coverage(name, case, value, anew, truth, LEAST, most=None if certain else 1.0)
        name, case = "mean of other models, these judges", condition + (GUARDED if guarded else "")
        yield coverage(name, case, value, these, of_these, LEAST, most=1.0 if guarded else None)
        if alike == MUCH:
            name, counted = "the same interval, over stimuli alone", "coverage of judges anew"
            yield coverage(name, condition, value, these, truth, 0, most=1, counted=counted)


def errors(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Compare standard errors, where siblings share errors, with the spread of means over new families."""
    for who, sizes in FAMILIES.items():
        shape = (samples, stimuli := 40)
        answers, of_these = recognized_of(EVIDENCE["half"], SHARED[MUCH], sizes, shape, rng)
        found = by_other_models(answers)["other_models_families_standard_error"].values ** 2
        ratio = np.sqrt(found.mean()) / of_these.std(ddof=1)
        error = ratio * np.sqrt(1 / (2 * samples) + found.var() / (4 * samples * found.mean() ** 2))
        condition = f"{who}, {stimuli} stimuli, half recognized, {MUCH}"
        outcome = "root mean square, divided by the spread of judges anew"
        yield Simulated("standard error over families", condition, outcome, ratio, error, 0.9, 1.25, samples)


def words_accepted(
    difference: float, acceptance: tuple[float, float], shape: tuple[int, int], models: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw differences between two models (sample, stage, word), NaN where a metamer is missing, and their true values.

    The worse a word is recognized, the more often its metamer is missing.
    """
    samples, words = shape
    base = WORD * rng.standard_normal((samples, 1, words))
    apart = WORD_DIFFERENCE * rng.standard_normal((samples, 1, words)) + difference
    stages = np.array(LATE)[None, :, None]
    odds = [base + stages + sign * apart / 2 for sign in (1, -1)]
    truth = scipy.special.expit(odds[0]) - scipy.special.expit(odds[1])
    answered = [(rng.random((models, *one.shape)) < scipy.special.expit(one)).mean(axis=0) for one in odds]
    constant, slope = acceptance
    accepted = [rng.random(one.shape) < scipy.special.expit(constant + slope * one) for one in odds]
    return np.where(accepted[0] & accepted[1], answered[0] - answered[1], np.nan), truth


def of_late_stages(samples: int, rng: np.random.Generator) -> Iterator[Simulated]:
    """Test the coverage of late contrasts for words accepted at every stage; metamers are not missing at random."""
    for (missing, acceptance), difference, models, words in product(
        ACCEPTANCE.items(), DIFFERENCES, RECOGNITION_MODELS, (10, 20, 100)
    ):
        many, truths = words_accepted(difference, acceptance, (1, MANY), 1, rng)
        everywhere = np.isfinite(many).all(axis=1)
        truth, of_all = truths.mean(axis=1)[everywhere].mean(), truths.mean()
        differences, _ = words_accepted(difference, acceptance, (samples, words), models, rng)
        means = mean_over_stages(differences)
        found, n = difference_interval(means), np.isfinite(means).sum(axis=-1)
        value, low, high = (one[n > 1] for one in (found.value, found.low, found.high))
        condition = f"{words} words, {missing}, {models} judges, log odds {difference:g} apart"
        many_words = n.mean() >= 2 * RARE
        condition += "" if many_words else GUARDED
        most = None if many_words else 1.0
        name = "late difference, words accepted everywhere"
        yield coverage(name, condition, value, (low, high), truth, LEAST, difference != 0, most)
        yield coverage("the same, of all words", condition, value, (low, high), of_all, 0, most=1)


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Simulate means over recognition models whose siblings share errors, and late contrasts with missing metamers."""
    rng = np.random.default_rng(seed)
    yield from of_families(samples, rng)
    yield from errors(samples, rng)
    yield from of_late_stages(samples, rng)
