"""Candidates for the relation of ``metamers.compare.predicted_human``, compared on left-out models.

Each candidate is fitted to the published points of all models but one, and assigns a probability to every possible
human mean at the stages of the left-out model. The candidate that assigns the highest probability to the measured means
is the one in use.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.stats
import xarray as xr
from scipy.special import betainc, betaln, expit, logsumexp, ndtr

from metamers.compare.families import group_by_family
from metamers.compare.predicted_human import (
    EFFECT_WEIGHTS,
    EFFECTS,
    GUESSING,
    PRIOR_SD,
    answers_per_participant,
    fit_relation,
)
from metamers.compare.recognition_spread import above_chance, log_odds

# (human mean, mean of other models, number of participants), each (point,) → cumulative probability (point,).
Cdf = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

KEPT = "log odds, effects of model and stage that change over the scale"
WIDTH = 0.01  # of the interval around a human mean whose probability is scored
LEAST = 1e-6  # lower limit of such a probability, so that a relation that excludes a measured mean has a finite score
FAMILY_MODELS = 3  # smallest number of models of a family whose relation is fitted alone
HELD = (*PRIOR_SD[:4], 1e-3, 1e-3)  # fixes the spreads to be the same everywhere


def least_squares(points: xr.Dataset, chance: float) -> Cdf:
    """Fit a straight line of proportions by ordinary least squares, clipped at 0 and 1."""
    x, y = points["model_mean"].values, points["human_mean"].values
    slope, intercept = np.polyfit(x, y, 1)
    variance = ((y - intercept - slope * x) ** 2).sum() / (len(x) - 2)

    def cdf(value: np.ndarray, other_models: np.ndarray, participants: np.ndarray) -> np.ndarray:
        wider = 1 + 1 / len(x) + (other_models - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
        probability = scipy.stats.t.cdf(
            (value - intercept - slope * other_models) / np.sqrt(variance * wider), len(x) - 2
        )
        return np.where(value <= 0, 0, np.where(value >= 1, 1, probability))

    return cdf


def isotonic(points: xr.Dataset, chance: float) -> Cdf:
    """Fit the nearest monotone step function, with the residuals of models that are left out of the fit.

    The residuals are differences of arcsine square roots, whose sampling variance is the same everywhere, smoothed by a
    normal kernel of Silverman's width so that they have a density.
    """
    models = points["generation_model"].values
    x, y = points["model_mean"].values, points["human_mean"].values

    def stable(proportion: np.ndarray) -> np.ndarray:
        return np.arcsin(np.sqrt(np.clip(proportion, 0, 1)))

    def fitted(chosen: np.ndarray, at: np.ndarray) -> np.ndarray:
        order = np.argsort(x[chosen], kind="stable")
        steps = scipy.optimize.isotonic_regression(y[chosen][order]).x
        return stable(np.interp(at, x[chosen][order], steps))

    residuals = np.concatenate(
        [stable(y[models == model]) - fitted(models != model, x[models == model]) for model in dict.fromkeys(models)]
    )
    width = 1.06 * min(residuals.std(), scipy.stats.iqr(residuals) / 1.34) * len(residuals) ** -0.2

    def cdf(value: np.ndarray, other_models: np.ndarray, participants: np.ndarray) -> np.ndarray:
        apart = (stable(value) - fitted(np.full(len(x), True), other_models))[:, None] - residuals
        return np.where(value <= 0, 0, np.where(value >= 1, 1, ndtr(apart / width).mean(axis=1)))

    return cdf


def beta_binomial(points: xr.Dataset, chance: float) -> Cdf:
    """Fit beta-binomial answers with an effect of the model on log odds and a constant dispersion between stages.

    References
    ----------
    Skellam (1948), Journal of the Royal Statistical Society B 10, 257-261; Williams (1982), Journal of
    the Royal Statistical Society C 31, 144-148.
    """
    order = np.argsort(points["generation_model"].values, kind="stable")
    points = points.isel(point=order)
    models = points["generation_model"].values
    starts = np.flatnonzero(np.append(True, models[1:] != models[:-1]))
    names = ("model_mean", "human_mean", "human_sem", "human_n")
    other, mean, sem, number = (points[name].values.astype(float) for name in names)
    answers = answers_per_participant(mean, sem, number)

    def shapes(parameters: np.ndarray, other: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        intercept, log_slope, log_spread, dispersion = parameters
        middle = intercept + np.exp(log_slope) * log_odds(above_chance(other, chance))
        right = chance + (1 - chance) * expit(middle[:, None] + np.exp(log_spread) * EFFECTS)
        right = right.clip(1e-9, 1 - 1e-9)
        total = 1 / (1 / count + (1 - 1 / count) * expit(dispersion)) - 1
        return right * total[:, None], (1 - right) * total[:, None]

    def loss(parameters: np.ndarray) -> float:
        a, b = shapes(parameters, other, answers * number)
        each = (a - 1) * np.log(mean)[:, None] + (b - 1) * np.log1p(-mean)[:, None] - betaln(a, b)
        prior = (((parameters - [0, 0, -1, -4]) / [10, 1, 2, 4]) ** 2).sum() / 2
        return prior - logsumexp(np.add.reduceat(each, starts, axis=0), b=EFFECT_WEIGHTS, axis=1).sum()

    best = scipy.optimize.minimize(loss, np.array([0.0, 0, -1, -4]), method="BFGS", options={"gtol": 1e-2}).x

    def cdf(value: np.ndarray, other_models: np.ndarray, participants: np.ndarray) -> np.ndarray:
        return betainc(*shapes(best, other_models, answers * participants), value.clip(0, 1)[:, None]) @ EFFECT_WEIGHTS

    return cdf


CANDIDATES: dict[str, Callable[[xr.Dataset, float], Cdf]] = {
    "least squares, cut off at 0 and 1": least_squares,
    "isotonic, residuals of left-out models": isotonic,
    "beta-binomial, effect of the model": beta_binomial,
    "log odds, effects of model and stage": lambda points, chance: fit_relation(points, chance, HELD).cdf,
    KEPT: lambda points, chance: fit_relation(points, chance).cdf,
}


def family_spread(relation: xr.Dataset, families: Mapping[str, str]) -> float:
    """Estimate the standard deviation of the intercept between families of generation models, in log odds.

    The relation is fitted to each family alone. The variance of the intercepts of a modality, minus the mean of their
    squared standard errors, estimates the variance between families; it is averaged over modalities.

    Parameters
    ----------
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``.
    families
        Published model → family; families with fewer than ``FAMILY_MODELS`` models are left out.
    """
    variances = []
    for modality in map(str, relation["modality"].values):
        points = relation.sel(modality=modality)
        points = points.isel(point=np.flatnonzero(points["human_mean"].notnull()))
        models = points["generation_model"].values
        groups = group_by_family(dict.fromkeys(map(str, models)), families).values()
        fits = [
            fit_relation(points.isel(point=np.flatnonzero(np.isin(models, group))), GUESSING[modality])
            for group in groups
            if len(group) >= FAMILY_MODELS
        ]
        intercepts = [fitted.parameters[0] for fitted in fits]
        variances.append(np.var(intercepts, ddof=1) - np.mean([fitted.covariance[0, 0] for fitted in fits]))
    return float(np.sqrt(max(np.mean(variances), 0)))


def left_out_scores(relation: xr.Dataset) -> pd.DataFrame:
    """Score the probability that each candidate assigns to every published model when the model is left out.

    Parameters
    ----------
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``.

    Returns
    -------
    pd.DataFrame
        One row per candidate, model and stage: ``candidate``, ``modality``, ``generation_model``, ``stage``, ``human``;
        ``score``: log of the mean probability density within 0.005 of the human mean; ``covered``: whether the human
        mean lies between the 2.5% and 97.5% quantiles.
    """
    return pd.concat(
        [
            _scores(name, modality, relation)
            for name in CANDIDATES
            for modality in map(str, relation["modality"].values)
        ],
        ignore_index=True,
    )


def _scores(name: str, modality: str, relation: xr.Dataset) -> pd.DataFrame:
    """Compute ``left_out_scores`` of one candidate in one modality."""
    points = relation.sel(modality=modality)
    points = points.isel(point=np.flatnonzero(points["human_mean"].notnull()))
    return pd.concat([_scored(name, modality, own, others) for own, others in _each_left_out(points)])


def _each_left_out(points: xr.Dataset) -> Iterator[tuple[xr.Dataset, xr.Dataset]]:
    """Yield the points of each model, and those of all other models."""
    models = points["generation_model"].values
    for model in dict.fromkeys(models):
        yield tuple(points.isel(point=np.flatnonzero(chosen)) for chosen in (models == model, models != model))


def _scored(name: str, modality: str, own: xr.Dataset, others: xr.Dataset) -> pd.DataFrame:
    cdf = CANDIDATES[name](others, GUESSING[modality])
    human, predictors = own["human_mean"].values, (own["model_mean"].values, own["human_n"].values.astype(float))
    within = cdf(human + WIDTH / 2, *predictors) - cdf(human - WIDTH / 2, *predictors)
    at = cdf(human, *predictors)
    names = {"candidate": name, "modality": modality, "generation_model": own["generation_model"].values}
    return pd.DataFrame(
        names
        | {"stage": own["stage"].values, "human": human}
        | {"score": np.log(np.maximum(within, LEAST) / WIDTH), "covered": (at > 0.025) & (at < 0.975)}
    )


def candidate_table(scores: pd.DataFrame) -> pd.DataFrame:
    """List the candidates in order, with their mean scores over stages.

    Parameters
    ----------
    scores
        Result of ``left_out_scores``.

    Returns
    -------
    pd.DataFrame
        Index ``candidate``: the score in each modality; ``both``, their mean; ``less``, the difference from the best
        candidate; ``standard_error`` of this difference, over models.
    """
    means = scores.pivot_table(index="candidate", columns="modality", values="score", sort=False)
    both = means.mean(axis=1)
    keys = ["modality", "generation_model"]
    by_model = scores.pivot_table(index=keys, columns="candidate", values="score", aggfunc="sum", sort=False)
    apart = by_model.sub(by_model[both.idxmax()], axis=0)
    stages = scores[scores["candidate"] == both.idxmax()].groupby("modality", sort=False).size()
    errors = 0
    for modality, own in apart.groupby("modality", sort=False):
        errors = errors + own.var(ddof=1) * len(own) / stages[modality] ** 2 / len(stages) ** 2
    return means.assign(both=both, less=both.max() - both, standard_error=np.sqrt(errors[means.index]))
