"""Simulations of ``metamers.compare.predicted_human``: the best relation for left-out models, and its coverage."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit

from metamers.compare.humans_vs_models import humans_vs_models
from metamers.compare.predicted_candidates import KEPT, candidate_table, left_out_scores
from metamers.compare.predicted_human import (
    FAMILY_SPREAD,
    GUESSING,
    Relation,
    coverage_by_third,
    fit_relation,
    mixture_cdf,
    predict_left_out_models,
    published_relation,
    spreads,
)
from metamers.compare.proportions import ENDS, proportion_interval
from metamers.compare.recognition_spread import (
    ModelAnswers,
    Sampling,
    Spread,
    above_chance,
    answers_of,
    log_odds,
    read_recognition,
    with_spread,
)
from metamers.humans.summary import CEILING_COLUMNS, COLUMNS, pooled_points, read_results
from studies.simulations.results import Simulated, proportion

STIMULI = (6, 20, 48, 400)
FITS = 80  # samples per fitted data set; a fit takes half a second
NEW = 40  # new metamers that each fitted relation predicts
DRAWS = 500  # samples per draw of recognition models for every left-out published stage
WIDTHS = 15  # intervals of one data set whose width is computed, which takes longer than whether they cover
LEAST, MOST = 0.93, 0.98
LEAST_LEFT_OUT, MOST_LEFT_OUT = 0.90, 0.99  # 148 and 144 points: 0.95 ± 0.04 is within 2.2 standard errors
LEAST_OF_THIRD = 0.85  # the few families, of sounds two, make the coverage of a third of the scale uncertain
# Two families depart from their mean equally far, never by 2 standard deviations as one of many families would.
MOST_TWO_FAMILIES = 0.995
STUDENT = 4  # degrees of freedom of effects with heavier tails than normal ones
# Recognition models that are asked: their number, and which are allowed. ``ALL`` are all published ones.
ALL = "all published recognition models"
OF_ANY, OF_OTHERS, OF_ONE = "of any family", "of other families than the generation model's", "of one other family"
ASKED = [(OF_ANY, number) for number in (2, 3, 5, 8)] + [(OF_OTHERS, 1), (OF_OTHERS, 2), (OF_ONE, 2)]


def published_points(published: Path) -> xr.Dataset:
    """Return the published points of both modalities, in the form of ``humans_vs_models``."""
    ceilings = read_results(published / "noise_ceiling.csv", CEILING_COLUMNS)
    points = pooled_points(read_results(published / "group_results.csv", COLUMNS))
    unused = {
        modality: {"public": 0, "recognition_models": 0} for modality in GUESSING
    }  # numbers of recognition models
    relation = humans_vs_models(points, ceilings, unused)
    return with_spread(relation, read_recognition(published / "recognition_models.csv"))


class Stages(NamedTuple):
    """The published stages of one modality, with the answers of single recognition models.

    Attributes
    ----------
    points
        (point) of ``published_points``.
    answers
        Result of ``metamers.compare.recognition_spread.answers_of``, in the same order.
    models, model_family
        Number of the generation model and of its family of each point, (point,).
    """

    points: xr.Dataset
    answers: ModelAnswers
    models: np.ndarray
    model_family: np.ndarray


def published_stages(relation: xr.Dataset, table: pd.DataFrame, modality: str) -> Stages:
    """Join the published points and the answers of single recognition models to the same metamers."""
    points = relation.sel(modality=modality)
    points = points.isel(point=np.flatnonzero(points["human_mean"].notnull()))
    own = table[table["modality"] == modality].reset_index(drop=True)
    order = pd.Index(zip(own["generation_model"], own["stage"], strict=True)).get_indexer(
        list(zip(map(str, points["generation_model"].values), map(str, points["stage"].values), strict=True))
    )
    answers = answers_of(table, modality)
    answers = answers._replace(rates=answers.rates[order], model_family=answers.model_family[order])
    models, families = (
        np.unique(names, return_inverse=True)[1] for names in (points["generation_model"].values, answers.model_family)
    )
    return Stages(points, answers, models, families)


def human_means(
    truth: Relation,
    other: np.ndarray,
    models: np.ndarray,
    families: np.ndarray,
    participants: np.ndarray,
    t: int | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw human means (point,) that follow a relation, for the metamers of several models of several families."""
    rate = above_chance(other, truth.chance)
    between, within = spreads(truth.parameters[2:], rate)
    effects = rng.standard_normal(models.max() + 1) if t is None else rng.standard_t(t, models.max() + 1) / np.sqrt(2)
    odds = truth.parameters[0] + np.exp(truth.parameters[1]) * log_odds(rate)
    odds = odds + between * effects[models] + within * rng.standard_normal(len(other))
    odds = odds + truth.family_spread * rng.standard_normal(families.max() + 1)[families]
    right = truth.chance + (1 - truth.chance) * expit(odds)
    count = np.rint(truth.answers * participants).astype(int)
    return rng.binomial(count, right.clip(0, 1)) / count


def draw_asked(
    stages: Stages, chosen: np.ndarray, asked: tuple[str, int] | str, spread: Spread, rng: np.random.Generator
) -> tuple[np.ndarray, Sampling, np.ndarray]:
    """Draw the recognition models that judge each of the chosen stages.

    Returns
    -------
    rate
        Mean over families of their rates above chance, (point,).
    sampling
        How they differ from the published ones, each value (point, 1).
    enough
        Whether they are as many as wanted, and one is of another family than the generation model, (point,).
    """
    names = stages.answers.families
    related = stages.answers.model_family[chosen, None] == names
    rates, samplings, enough = [], [], []
    for place, point in enumerate(chosen):
        order = rng.permutation(np.flatnonzero(np.isfinite(stages.answers.rates[point])))
        if asked != ALL:
            who, number = asked
            if who != OF_ANY:
                order = order[~related[place, order]]
            if who == OF_ONE:
                of_family = [family for family in names[order] if (names[order] == family).sum() >= number]
                order = order[names[order] == of_family[0]] if of_family else order[:0]
            order = order[:number]
        enough.append(bool((~related[place, order]).any()) and (asked == ALL or len(order) == number))
        order = order if len(order) else np.array([0])
        counted = Counter(names[order])
        weights = np.array([1 / (len(counted) * counted[name]) for name in names[order]])
        rates.append(weights @ np.nan_to_num(stages.answers.rates[point, order]))
        samplings.append(spread.sampling(counted, stages.answers.model_family[point]))
    columns = np.array(samplings).T[..., None]
    return np.array(rates), Sampling(*columns), np.array(enough)


class Predicted(NamedTuple):
    """Predictions of simulated stages: whether each has one, whether it covers the human mean, its width or NaN."""

    known: np.ndarray
    covered: np.ndarray
    width: np.ndarray


def predict_stages(
    fitted: Relation,
    rate: np.ndarray,
    sampling: Sampling,
    human: np.ndarray,
    participants: np.ndarray,
    stimuli: int,
    widths: int,
    rng: np.random.Generator,
) -> Predicted:
    """Predict stages from simulated answers to few stimuli, and compare with human means, all (point,).

    The widths of the first ``widths`` intervals are computed.

    The recognition models agree about a stimulus, which gives their mean the largest variance that it can have.
    """
    proportion = fitted.chance + (1 - fitted.chance) * rate.clip(0, 1)
    seen = proportion_interval(rng.binomial(stimuli, proportion) / stimuli, np.full(len(rate), stimuli))
    rates = fitted.possible_rates(seen.value, seen.standard_error, fitted.chance, sampling)
    means = fitted.human_means(rates, fitted.chance)
    # The interval contains the mean exactly if the distribution function there is between its levels.
    level = mixture_cdf(human, means, fitted.answers * participants)
    width = np.full(len(rate), np.nan)
    width[:widths] = np.ptp(fitted.ends(means[:widths], participants[:widths]), axis=1)
    return Predicted(fitted.outside(rates) == 0, (level > ENDS[0]) & (level < ENDS[1]), width)


def _with_known_relation(
    stages: Stages, truth: Relation, asked: list, fits: int, t: int | None, rng: np.random.Generator
) -> dict[tuple[Any, int], list[Predicted]]:
    """Predict new metamers of typical published stages: (asked, stimuli) → one result for each fitted relation."""
    known, participants = stages.points, stages.points["human_n"].values
    other = known["model_mean"].values
    found: dict[tuple[Any, int], list[Predicted]] = {key: [] for key in product(asked, STIMULI)}
    for number in range(fits):
        again = human_means(truth, other, stages.models, stages.model_family, participants, t, rng)
        sem = np.sqrt(again * (1 - again) / (truth.answers * participants))
        fitted = fit_relation(known.assign(human_mean=("point", again), human_sem=("point", sem)), truth.chance)
        fitted = replace(fitted, family_spread=truth.family_spread, spread=truth.spread)
        new, each = rng.integers(len(other), size=NEW), np.arange(NEW)
        judged = np.full(NEW, truth.participants)
        human = human_means(truth, other[new], each, each, judged, t, rng)
        for (who, stimuli), results in found.items():
            rate, sampling, enough = draw_asked(stages, new, who, truth.spread, rng)
            one = predict_stages(fitted, rate, sampling, human, judged, stimuli, WIDTHS * (number < 4), rng)
            results.append(one._replace(known=one.known & enough))
    return found


def _left_out_families(
    stages: Stages, spread: Spread, modality: str, asked: list, draws: int, rng: np.random.Generator
) -> dict[tuple[Any, int], list[Predicted]]:
    """Predict the published stages, whose family is left out of the relation, from few recognition models.

    The spread of recognition models is that of all families: with the metamers of one family alone, as for sounds, it
    is not known whether its recognition models recognize more because they are related.
    """
    found: dict[tuple[Any, int], list[Predicted]] = {key: [] for key in product(asked, STIMULI)}
    for family in range(stages.model_family.max() + 1):
        own, rest = (
            np.flatnonzero(chosen) for chosen in (stages.model_family == family, stages.model_family != family)
        )
        fitted = fit_relation(stages.points.isel(point=rest), GUESSING[modality])
        fitted = replace(fitted, family_spread=FAMILY_SPREAD, spread=spread)
        human, participants = (stages.points[name].values[own].astype(float) for name in ("human_mean", "human_n"))
        for (who, stimuli), number in product(found, range(draws)):
            rate, sampling, enough = draw_asked(stages, own, who, spread, rng)
            one = predict_stages(fitted, rate, sampling, human, participants, stimuli, WIDTHS * (number < 1), rng)
            found[who, stimuli].append(one._replace(known=one.known & enough))
    return found


def _in_words(asked: tuple[str, int] | str, stimuli: int) -> str:
    if asked == ALL:
        return f"{ALL}, {stimuli} stimuli"
    who, number = asked
    return f"{number} recognition model{'s' * (number > 1)} {who}, {stimuli} stimuli"


def _rows(
    found: dict[tuple[Any, int], list[Predicted]], title: str, low: float, high: float, families: int, left_out: bool
) -> Iterator[Simulated]:
    """Yield the coverage with the mean width and, with all recognition models, the stages that have a prediction."""
    for (asked, stimuli), results in found.items():
        known, covered, width = (np.concatenate(values) for values in zip(*results, strict=True))
        if not known.any():
            continue
        condition = f"{title}, {_in_words(asked, stimuli)}"
        most = high if families > 2 or asked == ALL or asked[0] == OF_ANY else MOST_TWO_FAMILIES
        one = proportion("predicted human recognizability", condition, "coverage", covered[known], low, most)
        if not left_out:
            by_fit = [result.covered[result.known].mean() for result in results if result.known.any()]
            error = float(np.std(by_fit, ddof=1) / np.sqrt(len(by_fit)))
        else:  # the same stages with other recognition models are not independent
            error = one.standard_error * np.sqrt(len(results) / families)
        yield replace(one, standard_error=error, width=float(np.nanmean(width[known])))
        if asked == ALL:
            yield proportion("predicted human recognizability", condition, "stages with a prediction", known, 0.9, 1)


def _candidates(table: pd.DataFrame, models: int) -> Iterator[Simulated]:
    for name, row in table.drop(KEPT).iterrows():
        yield Simulated(
            "relation of people to other models",
            f"{KEPT}, against: {name}",
            "log score of left-out models, advantage",
            float(table.loc[KEPT, "both"] - row["both"]),
            float(row["standard_error"]),
            0,
            np.inf,
            models,
        )


def simulations(samples: int, seed: int, published: Path) -> Iterator[Simulated]:
    """Test candidates and coverage on left-out published models, and coverage in data with a known relation."""
    points = published_points(published)
    scores = left_out_scores(points)
    yield from _candidates(candidate_table(scores), scores["generation_model"].nunique())
    for row in coverage_by_third(predict_left_out_models(points)).itertuples():
        found = row.covered / row.points
        part = "all stages" if row.part == "all" else f"{row.part} of the human scale"
        # The middle third, with the fewest points, has no bounds.
        least, most = (LEAST_LEFT_OUT, MOST) if row.part == "all" else (LEAST_OF_THIRD, 1)
        least = 0 if row.part == "middle third" else least
        condition = f"published models left out with their family, {row.modality}, {part}"
        error = np.sqrt(found * (1 - found) / row.points)
        yield Simulated("predicted human recognizability", condition, "coverage", found, error, least, most, row.points)
    rng = np.random.default_rng(seed)
    table = read_recognition(published / "recognition_models.csv")
    for modality in GUESSING:
        stages, truth = published_stages(points, table, modality), published_relation(points, modality)
        fits, families = max(samples // FITS, 2), len(truth.spread.families)
        found = _with_known_relation(stages, truth, [ALL, *ASKED], fits, None, rng)
        yield from _rows(found, f"known relation, {modality}, normal effects", LEAST, MOST, families, False)
        found = _with_known_relation(stages, truth, [ALL], max(fits // 2, 2), STUDENT, rng)
        title = f"known relation, {modality}, effects of models by Student's t with {STUDENT} degrees of freedom"
        yield from _rows(found, title, LEAST, MOST, families, False)
        found = _left_out_families(stages, truth.spread, modality, [ALL, *ASKED], max(samples // DRAWS, 1), rng)
        title = f"published families left out whole, {modality}"
        yield from _rows(found, title, LEAST_LEFT_OUT, MOST_LEFT_OUT, families, True)
