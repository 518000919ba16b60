"""Other relations between people and other models than ``metamers.predicted`` uses, compared on left-out models.

Each is fitted to the published points of all models but one and gives the probability of every value that people's mean
may have at the stages of that one. The relation that gives most to what people did is the one to use.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.stats
import xarray as xr
from scipy.special import betainc, betaln, expit, logsumexp, ndtr

from metamers.predicted import (
    EFFECT_WEIGHTS,
    EFFECTS,
    GUESSING,
    PRIOR_SD,
    above_chance,
    answers_per_participant,
    fit_relation,
    log_odds,
)

# Probability (point,) that so many participants recognize at most so much, given the mean of other models.
Cdf = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

KEPT = "log odds, effects of model and stage that change over the scale"
WIDTH = 0.01  # of the interval around a human mean whose probability is scored
LEAST = 1e-6  # of such a probability: a relation that excludes what happened scores no less
HELD = (*PRIOR_SD[:4], 1e-3, 1e-3)  # spreads that do not change


def least_squares(points: xr.Dataset, chance: float) -> Cdf:
    """A straight line of proportions by ordinary least squares, cut off at 0 and 1."""
    x, y = points["model_mean"].values, points["human_mean"].values
    slope, intercept = np.polyfit(x, y, 1)
    variance = ((y - intercept - slope * x) ** 2).sum() / (len(x) - 2)

    def cdf(value: np.ndarray, other_models: np.ndarray, participants: np.ndarray) -> np.ndarray:
        wider = 1 + 1 / len(x) + (other_models - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
        found = scipy.stats.t.cdf((value - intercept - slope * other_models) / np.sqrt(variance * wider), len(x) - 2)
        return np.where(value <= 0, 0, np.where(value >= 1, 1, found))

    return cdf


def isotonic(points: xr.Dataset, chance: float) -> Cdf:
    """The nearest monotone step function, with the residuals of models that are left out of it.

    Residuals are taken of arcsine square roots, whose variance by chance is the same everywhere, and smoothed by a
    normal kernel of Silverman's width, so that they have a density.
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
    """Beta-binomial answers with an effect of the model on log odds; dispersion between stages the same everywhere."""
    order = np.argsort(points["generation_model"].values, kind="stable")
    points = points.isel(point=order)
    models = points["generation_model"].values
    starts = np.flatnonzero(np.append(True, models[1:] != models[:-1]))
    names = ("model_mean", "human_mean", "human_sem", "human_n")
    other, mean, sem, people = (points[name].values.astype(float) for name in names)
    answers = answers_per_participant(mean, sem, people)

    def shapes(parameters: np.ndarray, other: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        intercept, log_slope, log_spread, dispersion = parameters
        middle = intercept + np.exp(log_slope) * log_odds(above_chance(other, chance))
        right = chance + (1 - chance) * expit(middle[:, None] + np.exp(log_spread) * EFFECTS)
        right = right.clip(1e-9, 1 - 1e-9)
        total = 1 / (1 / count + (1 - 1 / count) * expit(dispersion)) - 1
        return right * total[:, None], (1 - right) * total[:, None]

    def loss(parameters: np.ndarray) -> float:
        a, b = shapes(parameters, other, answers * people)
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


def left_out_scores(relation: xr.Dataset) -> pd.DataFrame:
    """What each candidate gives to every published model, left out whole.

    Parameters
    ----------
    relation
        What ``metamers.compare.humans_vs_models`` gives.

    Returns
    -------
    pd.DataFrame
        One row per candidate, model and stage: ``candidate``, ``modality``, ``generation_model``, ``stage``,
        ``human``; ``score``: log of the mean probability density within 0.005 of the human mean; ``covered``: whether
        the human mean lies between the 2.5% and 97.5% quantiles.
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
    """``left_out_scores`` of one candidate in one modality."""
    points = relation.sel(modality=modality)
    points = points.isel(point=np.flatnonzero(points["human_mean"].notnull()))
    return pd.concat([_scored(name, modality, own, others) for own, others in _each_left_out(points)])


def _each_left_out(points: xr.Dataset) -> Iterator[tuple[xr.Dataset, xr.Dataset]]:
    """The points of each model, and those of all others."""
    models = points["generation_model"].values
    for model in dict.fromkeys(models):
        yield tuple(points.isel(point=np.flatnonzero(chosen)) for chosen in (models == model, models != model))


def _scored(name: str, modality: str, own: xr.Dataset, others: xr.Dataset) -> pd.DataFrame:
    cdf = CANDIDATES[name](others, GUESSING[modality])
    human, given = own["human_mean"].values, (own["model_mean"].values, own["human_n"].values.astype(float))
    within = cdf(human + WIDTH / 2, *given) - cdf(human - WIDTH / 2, *given)
    at = cdf(human, *given)
    names = {"candidate": name, "modality": modality, "generation_model": own["generation_model"].values}
    return pd.DataFrame(
        names
        | {"stage": own["stage"].values, "human": human}
        | {"score": np.log(np.maximum(within, LEAST) / WIDTH), "covered": (at > 0.025) & (at < 0.975)}
    )


def candidate_table(scores: pd.DataFrame) -> pd.DataFrame:
    """The candidates in order, with their mean scores over stages.

    Parameters
    ----------
    scores
        What ``left_out_scores`` gives.

    Returns
    -------
    pd.DataFrame
        By ``candidate``: for each modality its score; ``both``, their mean; ``less``, by how much that is less than
        the best one's; ``standard_error`` of the difference, over models.
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
