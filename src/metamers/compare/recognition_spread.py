"""How much the answers depend on which recognition models are asked, from the published recognition models.

The published relation between participants and models is to the mean over all published recognition models. A run asks
a few others, some of which may be related to the generation model. On the scale of log odds above chance, the answer of
a recognition model to the metamers of one stage departs from the mean by an effect of its family, one of its own, and a
shift if it is of the generation model's family. ``metamers.compare.predicted_human`` adds these departures to the
prediction.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.optimize
import xarray as xr
from scipy.special import expit, logit

from metamers.humans.published import PUBLISHED

KEYS = ["modality", "generation_model", "family", "stage"]  # further columns: one for each recognition model
COMPONENTS = ("related", "related_change", "log_family_sd", "log_model_sd", "log_model_sd_change")
# A weak normal prior keeps the components finite where they are hardly identified: sounds have only two families.
PRIOR_MEAN, PRIOR_SD = np.array([0, 0, -0.5, 0, 0]), np.array([3, 3, 1, 1, 2])
DECIMALS = 6  # of a proportion in the table: far finer than one answer of 400
NEAREST = 1e-3  # smallest distance of a rate above chance from 0 and 1, so that its log odds are finite


def above_chance(proportion: np.ndarray, chance: float) -> np.ndarray:
    """Compute the rate above chance, (p - c) / (1 - c): 0 for an observer who guesses, 1 for a perfect one."""
    return (np.asarray(proportion, float) - chance) / (1 - chance)


def log_odds(rate: np.ndarray) -> np.ndarray:
    """Compute the log odds of a rate above chance, finite also for rates of 1 and of 0 or less."""
    return logit(np.clip(rate, NEAREST, 1 - NEAREST))


class Sampling(NamedTuple):
    """How the recognition models that were asked differ from all published ones.

    Attributes
    ----------
    between
        Factor of the variance between families: the sum over families of the squared difference between their weight in
        the mean of the asked models and their share of the published ones.
    within
        Factor of the variance between models of a family: the sum of the squared weights of the asked models, minus
        that for all published models.
    related
        Weight of the generation model's family in the mean, minus its mean weight in the published points.
    """

    between: float
    within: float
    related: float


class Spread(NamedTuple):
    """Departures of single recognition models from the mean over all published ones, in log odds above chance.

    Attributes
    ----------
    components
        In the order of ``COMPONENTS``: shift of recognition models that are of the generation model's family, at a rate
        of 0.5, and its change over the scale; log standard deviation between families; that between models of a family,
        at a rate of 0.5, and its change.
    families
        Family → number of published recognition models.
    related
        Mean share of the generation model's family among the recognition models of a published point.
    """

    components: np.ndarray
    families: Mapping[str, int]
    related: float

    def sampling(self, asked: Mapping[str, int], generation_family: str) -> Sampling:
        """Compare the recognition models of a mean over families with the published ones.

        Parameters
        ----------
        asked
            Family → number of recognition models; each family counts once in the mean.
        generation_family
            Family of the generation model.
        """
        published, weight = sum(self.families.values()), 1 / len(asked)
        between = [
            (weight * (family in asked) - self.families.get(family, 0) / published) ** 2
            for family in asked.keys() | self.families.keys()
        ]
        within = sum(weight**2 / number for number in asked.values()) - 1 / published
        related = weight * (generation_family in asked) - self.related
        return Sampling(sum(between), max(within, 0.0), related)

    def published_rate(self, rate: np.ndarray, sampling: Sampling, level: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Compute the rate by all published recognition models that belongs to a rate by the asked ones.

        Parameters
        ----------
        rate
            Rate above chance by the asked models, of any shape.
        sampling
            Result of ``sampling``.
        level
            Rate at which the components are taken, like ``rate`` but within the published range.
        normal
            Departure of the asked models in standard deviations, of a shape that broadcasts.
        """
        related, related_change, family, model, model_change = self.components
        place = level - 0.5
        within = np.exp(2 * (model + model_change * place)) * sampling.within
        shift = (related + related_change * place) * sampling.related
        # The log odds of a mean over models that differ are nearer to 0 than the mean log odds (second order).
        shift = shift + within * place
        return expit(log_odds(rate) - shift + np.sqrt(np.exp(2 * family) * sampling.between + within) * normal)


def recognition_table(judged: Mapping[str, pd.DataFrame], families: Mapping[str, str]) -> pd.DataFrame:
    """Join the answers of the published recognition models to each other's metamers.

    Parameters
    ----------
    judged
        Modality → result of ``metamers.humans.participants.judgements``.
    families
        Published model → family.

    Returns
    -------
    pd.DataFrame
        ``KEYS``, and one column for each recognition model with its proportion correct: one row per generation model
        and stage of the published comparison; missing for recognition models of the other modality.
    """
    tables = []
    for modality, table in judged.items():
        included = table[~table["stage"].isin(PUBLISHED[modality].left_out_stages)]
        wide = included.pivot_table(
            "proportion_correct", ["generation_model", "stage"], "recognition_model", sort=False
        )
        wide = wide.reset_index().rename_axis(columns=None)
        wide.insert(1, "family", wide["generation_model"].map(families))
        tables.append(wide.assign(modality=modality))
    whole = pd.concat(tables, ignore_index=True).round(DECIMALS)
    return whole[KEYS + [name for name in whole if name not in KEYS]]


def read_recognition(path: str | Path) -> pd.DataFrame:
    """Read a result of ``recognition_table``.

    Raises
    ------
    ValueError
        When its columns are not ``KEYS`` and the models in ``generation_model``.
    """
    table = pd.read_csv(path, keep_default_na=False, na_values={}).replace("", np.nan)
    models = list(dict.fromkeys(table["generation_model"])) if "generation_model" in table else []
    if list(table)[: len(KEYS)] != KEYS or set(table) != {*KEYS, *models}:
        raise ValueError(f"{path}: columns: found {list(table)}, wanted {KEYS} and one for each generation model")
    return table.astype(dict.fromkeys(models, float))


class ModelAnswers(NamedTuple):
    """Rates above chance of the published recognition models in one modality.

    Attributes
    ----------
    rates
        (point, recognition model); NaN where the generation model would recognize its own metamers.
    model_family
        Family of the generation model of each point, (point,).
    families
        Family of each recognition model.
    """

    rates: np.ndarray
    model_family: np.ndarray
    families: np.ndarray


def answers_of(table: pd.DataFrame, modality: str) -> ModelAnswers:
    """Select the answers of one modality from a result of ``recognition_table``."""
    own = table[table["modality"] == modality]
    models = list(dict.fromkeys(own["generation_model"]))
    rates = above_chance(own[models].to_numpy(float), PUBLISHED[modality].guessing)
    rates[own["generation_model"].to_numpy(str)[:, None] == np.array(models)] = np.nan
    family = dict(zip(own["generation_model"], own["family"], strict=True))
    return ModelAnswers(rates, own["family"].to_numpy(str), np.array([family[model] for model in models]))


def fit_spread(answers: ModelAnswers) -> Spread:
    """Estimate the components from published answers by penalized restricted maximum likelihood.

    The log odds of the recognition models' answers to one stage are normally distributed around a mean of the stage,
    which is not restricted.
    """
    known = np.isfinite(answers.rates)
    odds = np.where(known, log_odds(answers.rates), 0)
    names = np.unique(answers.families)
    of_family = (answers.families[:, None] == names).astype(float)
    # Number, sum and squares of the log odds of each family's models, (point, family).
    number, sums, squares = known @ of_family, odds @ of_family, odds**2 @ of_family
    related = answers.model_family[:, None] == names
    place = np.nanmean(answers.rates, axis=1) - 0.5

    def loss(components: np.ndarray) -> float:
        shift, shift_change, family, model, model_change = components
        within = np.exp(2 * (model + model_change * place))[:, None]
        moved = (shift + shift_change * place)[:, None] * related
        total = sums - moved * number
        weight = 1 / (within + np.exp(2 * family) * number)  # of a family's mean, over its number of models
        information, weighted = (number * weight).sum(axis=1), (total * weight).sum(axis=1)
        quadratic = (squares - 2 * moved * sums + moved**2 * number - np.exp(2 * family) * total**2 * weight) / within
        determinant = np.where(number > 0, (number - 1) * np.log(within) - np.log(weight), 0)
        each = (determinant + quadratic).sum(axis=1) + np.log(information) - weighted**2 / information
        return each.sum() / 2 + (((components - PRIOR_MEAN) / PRIOR_SD) ** 2).sum() / 2

    best = scipy.optimize.minimize(loss, PRIOR_MEAN, method="BFGS", options={"gtol": 1e-2}).x
    counts = dict(Counter(map(str, answers.families)))
    return Spread(best, counts, float((number * related).sum() / number.sum()))


def with_spread(relation: xr.Dataset, table: pd.DataFrame) -> xr.Dataset:
    """Add the spread of the published recognition models to a result of ``humans_vs_models``.

    Parameters
    ----------
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``.
    table
        Result of ``recognition_table``.

    Returns
    -------
    xr.Dataset
        Also with (modality, spread_component) → ``recognition_spread``; (modality, recognition_family) →
        ``published_recognition_models``, their number; (modality) → ``related_share``; (modality, point) →
        ``generation_family``, empty where a modality has no point.
    """
    spreads = [fit_spread(answers_of(table, str(modality))) for modality in relation["modality"].values]
    families = sorted({family for spread in spreads for family in spread.families})
    counts = [[spread.families.get(family, 0) for family in families] for spread in spreads]
    generation_models = relation["generation_model"].to_series()
    of_points = generation_models.map(dict(zip(table["generation_model"], table["family"], strict=True))).fillna("")
    return relation.assign(
        recognition_spread=(("modality", "spread_component"), np.stack([spread.components for spread in spreads])),
        published_recognition_models=(("modality", "recognition_family"), np.array(counts)),
        related_share=("modality", np.array([spread.related for spread in spreads])),
    ).assign_coords(
        spread_component=list(COMPONENTS),
        recognition_family=families,
        generation_family=of_points.to_xarray().astype(str),
    )


def spread_of(relation: xr.Dataset) -> Spread:
    """Read the spread of one modality from a result of ``with_spread``."""
    counts = relation["published_recognition_models"].to_series()
    families = {str(family): int(number) for family, number in counts.items() if number}
    return Spread(relation["recognition_spread"].values, families, float(relation["related_share"]))


def asked_families(of_model: xr.Dataset) -> dict[str, int]:
    """Count the recognition models that judged a model's metamers, without the model itself: family → number.

    Parameters
    ----------
    of_model
        Result of ``metamers.compare.recognizability.recognizability`` for one generation model.
    """
    judged = (of_model["n"] > 0).any("stage") & (of_model["recognition_model"] != of_model["generation_model"])
    return dict(Counter(map(str, of_model["recognition_family"].values[judged.values])))
