"""Human recognizability to be expected of metamers that no participant has judged, and how reliable the prediction is.

The relation between participants and other models is fitted to the published data: it is linear in the log odds of the
rate above chance, with random effects of the model and of the stage. It is to the mean over all published recognition
models; what it means to ask a few others is in ``metamers.compare.recognition_spread``. Its reliability is measured on
published models that are left out completely. Alternative relations are compared in
``metamers.compare.predicted_candidates``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd
import scipy.optimize
import scipy.stats
import xarray as xr
from scipy.special import betainc, betaincinv, digamma, expit, gammaln, logsumexp, ndtri, softmax

from metamers.compare.proportions import ENDS, Interval, Z, proportion_interval
from metamers.compare.recognition_spread import (
    Sampling,
    Spread,
    above_chance,
    asked_families,
    log_odds,
    spread_of,
)
from metamers.humans.published import PUBLISHED
from metamers.names import NATURAL

GUESSING = {modality: published.guessing for modality, published in PUBLISHED.items()}
NOT_JUDGED = "No accepted metamer of this stage was judged by another model."
EFFECTS = np.linspace(-5, 5, 31)  # of a model, in standard deviations
EFFECT_WEIGHTS = np.exp(-(EFFECTS**2) / 2) / np.exp(-(EFFECTS**2) / 2).sum()
NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)  # effects of a stage
WEIGHTS = NODE_WEIGHTS / NODE_WEIGHTS.sum()
POSSIBLE = 512  # samples of the parameters' uncertainty and of the effects of model and stage
BISECTIONS = 14  # an end is exact to 0.0001
# Standard deviation of log odds between families of generation models, as ``predicted_candidates.family_spread``
# estimates it from the published families with several models. The effect of a model does not include it where all
# models of the fit are of one family.
FAMILY_SPREAD = 0.24
MOST_ANSWERS = 1000  # upper limit of the answers that one participant's mean is worth
DIMENSIONS = 9  # of a sample: stimuli, recognition models, effect of model and stage, and six parameters
# Parameters: intercept, log slope; log spread of models and of stages in the middle of the scale; their change over it.
# A weak normal prior keeps them finite where few models contain little information.
PRIOR_MEAN = np.array([0.0, 0, -1, -1, 0, 0])
PRIOR_SD = (10.0, 1.0, 2.0, 2.0, 2.0, 2.0)


def answers_per_participant(mean: np.ndarray, sem: np.ndarray, participants: np.ndarray) -> float:
    """Estimate how many independent answers the proportion correct of one participant is worth.

    It is the median over points of m (1 - m) / (SEM² N). Participants differ, so the number is smaller than that of the
    trials of a condition. All arguments are (point,).
    """
    known = (sem > 0) & (mean > 0) & (mean < 1)
    if not known.any():
        return 1.0
    numbers = mean[known] * (1 - mean[known]) / (sem[known] ** 2 * participants[known])
    return float(np.clip(np.median(numbers), 1, MOST_ANSWERS))


def mixture_cdf(value: np.ndarray, mean: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Compute the probability (point,) that a proportion is at most ``value`` (point,), for a mixture of means.

    Around each mean m (point, part) the proportion has a beta distribution with the variance of ``count`` (point,)
    answers, m (1 - m) / count.
    """
    rest = np.maximum(count - 1, 1e-6)[:, None]
    return betainc(mean * rest, (1 - mean) * rest, np.clip(value, 0, 1)[:, None]).mean(axis=1)


@dataclass(frozen=True)
class Relation:
    """Human recognizability given that by other models, as ``fit_relation`` estimates it from published data.

    The log odds of the human rate above chance are normally distributed around intercept + slope · u, where u is the
    log odds of the other models' rate above chance. They have an effect of the model and one of the stage, whose
    standard deviations change over the scale.

    Attributes
    ----------
    parameters
        In the order of ``PRIOR_MEAN``.
    covariance
        Covariance of the parameters, their remaining uncertainty.
    chance
        Guessing rate of the published task.
    answers
        Result of ``answers_per_participant``.
    participants
        Median number of participants of a published point.
    lowest, highest
        Smallest and largest rate above chance of the other models in the published data.
    family_spread
        Standard deviation of log odds between families of generation models, beyond that between models.
    spread
        Spread of the published recognition models; None where only the mean over all of them is given.
    """

    parameters: np.ndarray
    covariance: np.ndarray
    chance: float
    answers: float
    participants: float
    lowest: float
    highest: float
    family_spread: float = 0.0
    spread: Spread | None = None

    def line(self, other_models: np.ndarray, chance: float) -> np.ndarray:
        """Compute the median human proportion correct over models and stages, given that of other models, in a task."""
        intercept, log_slope = self.parameters[:2]
        return chance + (1 - chance) * expit(
            intercept + np.exp(log_slope) * log_odds(above_chance(other_models, chance))
        )

    def published_rates(
        self, rate: np.ndarray, sampling: Sampling | None, normal: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Compute the rate above chance by all published recognition models, given that by the asked ones.

        Parameters
        ----------
        rate
            Rate above chance by the asked models, of any shape.
        sampling
            Which recognition models were asked; None for all published ones.
        normal
            Departure of the asked models in standard deviations.
        """
        if sampling is None or self.spread is None:
            return rate
        return self.spread.published_rate(rate, sampling, np.clip(rate, self.lowest, self.highest), normal)

    def possible_rates(
        self,
        other_models: np.ndarray,
        standard_error: np.ndarray,
        chance: float,
        sampling: Sampling | None = None,
        samples: int = POSSIBLE,
    ) -> np.ndarray:
        """Draw equally probable rates above chance by all published recognition models, in any order (point, part).

        Parameters
        ----------
        other_models, standard_error, chance, sampling, samples
            As for ``expected``.
        """
        stimuli, asked, *_ = _evenly_spread(DIMENSIONS, samples).T
        rate = above_chance(possible_proportions(other_models, standard_error, stimuli), chance)
        return self.published_rates(rate, sampling, ndtri(asked))

    def outside(self, rates: np.ndarray) -> np.ndarray:
        """Return -1 or 1 where the 95% interval of ``possible_rates`` is below or above the published range, else 0."""
        low, high = np.quantile(rates, ENDS, axis=1)
        return np.where(high < self.lowest, -1, np.where(low > self.highest, 1, 0))

    def expected(
        self,
        other_models: np.ndarray,
        standard_error: np.ndarray,
        chance: float,
        sampling: Sampling | None = None,
        samples: int = POSSIBLE,
    ) -> np.ndarray:
        """Draw equally probable human proportions correct (point, part).

        They vary over models and stages, over the relations that the published data leave possible (normally
        distributed around the parameters), and over the means of all published recognition models that are possible
        given the mean of those that were asked, over few stimuli. A mean outside the published range counts as the end
        of the range: the relation is not extrapolated.

        Parameters
        ----------
        other_models, standard_error
            Mean of the other models and its standard error over stimuli, (point,), 0..1.
        chance
            Guessing rate of the task.
        sampling
            Which recognition models the mean is over; None for all published ones.
        samples
            Number of parts, a power of 2. The tails of the distribution need more than its 95% interval.
        """
        return self.human_means(self.possible_rates(other_models, standard_error, chance, sampling, samples), chance)

    def human_means(self, rates: np.ndarray, chance: float) -> np.ndarray:
        """Draw a human proportion correct for each rate of ``possible_rates``, see ``expected``."""
        _, _, effect, *open_parameters = _evenly_spread(DIMENSIONS, rates.shape[1]).T
        rate = np.clip(rates, self.lowest, self.highest)
        factor = np.linalg.cholesky(self.covariance + 1e-12 * np.eye(len(self.parameters)))
        intercept, log_slope, *spread = self.parameters[:, None] + factor @ ndtri(open_parameters)
        between, within = spreads(spread, rate)
        deviation = np.sqrt(between**2 + within**2 + self.family_spread**2)
        whole = intercept + np.exp(log_slope) * log_odds(rate) + deviation * ndtri(effect)
        return (chance + (1 - chance) * expit(whole)).clip(1e-9, 1 - 1e-9)

    def cdf(self, value: np.ndarray, other_models: np.ndarray, participants: np.ndarray) -> np.ndarray:
        """Compute the probability (point,) that this number of participants recognizes at most ``value`` (point,).

        It is for participants of the published task.
        """
        mean = self.expected(other_models, np.zeros(len(other_models)), self.chance)
        return mixture_cdf(value, mean, self.answers * participants)

    def interval(
        self,
        other_models: np.ndarray,
        standard_error: np.ndarray,
        chance: float,
        participants: np.ndarray | None = None,
        sampling: Sampling | None = None,
    ) -> np.ndarray:
        """Compute the 95% interval (point, 2) of the mean of a new experiment's participants.

        It includes all variation of ``expected``, and that of participants and their answers.

        Parameters
        ----------
        other_models, standard_error, chance, sampling
            As for ``expected``.
        participants
            Number of participants of the experiment, (point,); None for that of a published one.
        """
        return self.ends(self.expected(other_models, standard_error, chance, sampling), participants)

    def ends(self, mean: np.ndarray, participants: np.ndarray | None = None) -> np.ndarray:
        """Compute the interval of ``interval`` from equally probable human proportions correct (point, part)."""
        count = self.answers * np.broadcast_to(self.participants if participants is None else participants, len(mean))
        middles = []
        for end in ENDS:
            low, high = np.zeros(len(mean)), np.ones(len(mean))
            for _ in range(BISECTIONS):
                centre = (low + high) / 2
                above = mixture_cdf(centre, mean, count) > end
                low, high = np.where(above, low, centre), np.where(above, centre, high)
            middles.append((low + high) / 2)
        return np.stack(middles, axis=-1)


@cache
def _evenly_spread(dimensions: int, points: int) -> np.ndarray:
    """Return the first points of Sobol's sequence (point, dimension), within 0..1, always the same."""
    return scipy.stats.qmc.Sobol(dimensions, scramble=False).random(points) + 0.5 / points


def spreads(parameters: Sequence[np.ndarray], rate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the standard deviations of log odds between models and between stages, exponential in the rate."""
    model, stage, model_change, stage_change = parameters
    return np.exp(model + model_change * (rate - 0.5)), np.exp(stage + stage_change * (rate - 0.5))


def possible_proportions(mean: np.ndarray, standard_error: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Compute the true proportions (point, level) that are possible given a mean (point,) over few stimuli.

    They are the quantiles, at the levels, of Jeffreys' beta distribution, with shapes n p + 1/2 and n (1 - p) + 1/2.
    The number n of stimuli follows from Wilson's standard error (``metamers.compare.proportions``): with a = 1/n,
    (1 + z² a)² SE² = p (1 - p) a + z² a²/4. A standard error of 0 stands for infinitely many stimuli.
    """
    mean, variance = np.asarray(mean, float), np.asarray(standard_error, float) ** 2
    spread = mean * (1 - mean)
    squared, linear = Z**4 * variance - Z**2 / 4, 2 * Z**2 * variance - spread
    root = np.sqrt(np.maximum(linear**2 - 4 * squared * variance, 0))
    known = variance > 0
    # 2 variance / (root - linear) is the positive solution, without the difference of two nearly equal numbers.
    number = np.divide(root - linear, 2 * variance, out=np.ones_like(mean), where=known).clip(min=0)
    # Few stimuli have few different means, and quantiles take time.
    shapes, place = np.unique(np.stack([number * mean, number * (1 - mean)]), axis=1, return_inverse=True)
    quantiles = betaincinv(*(shapes[..., None] + 0.5), levels)[place]
    return np.where(known[:, None], quantiles, mean[:, None])


def fit_relation(points: xr.Dataset, chance: float, prior_sd: Sequence[float] = PRIOR_SD) -> Relation:
    """Fit the relation between participants and other models to published data by maximum penalized likelihood.

    Given the effect of its model, the mean of a point has a beta distribution. Its mean and variance follow from the
    effect of the stage and from the number of independent answers that ``answers_per_participant`` estimates. The
    effect of the model is integrated out. The covariance of the parameters is the inverse of the second derivatives
    (Laplace's approximation).

    Parameters
    ----------
    points
        (point) of one modality of ``metamers.compare.humans_vs_models.humans_vs_models``: ``human_mean``,
        ``human_sem``, ``human_n``, ``model_mean``, ``generation_model``; points without a ``human_mean`` are left out.
    chance
        Guessing rate of the task.
    prior_sd
        Standard deviations of the prior of the parameters; a small one fixes a parameter.

    Raises
    ------
    ValueError
        When there are fewer than three points.
    """
    points = points.isel(point=np.flatnonzero(points["human_mean"].notnull()))
    if points.sizes["point"] < 3:
        raise ValueError(f"a relation needs three published points; found {points.sizes['point']}")
    points = points.isel(point=np.argsort(points["generation_model"].values, kind="stable"))
    names = ("model_mean", "human_mean", "human_sem", "human_n")
    numbers = (tuple(points[name].values.astype(float)) for name in names)
    return _fitted(tuple(map(str, points["generation_model"].values)), *numbers, chance, tuple(prior_sd))


@lru_cache(maxsize=256)  # pages and figures need the same relation many times
def _fitted(models: Sequence[str], *points: Any) -> Relation:
    """Fit the relation to points sorted by model; the arguments are hashable tuples, for the cache."""
    other, mean, sem, participants = (np.array(values) for values in points[:4])
    chance, prior_sd = points[4], np.array(points[5])
    starts = np.flatnonzero(np.append(True, np.array(models[1:]) != np.array(models[:-1])))
    answers = answers_per_participant(mean, sem, participants)
    rate, count = above_chance(other, chance), np.maximum(answers * participants, 2)
    mean = np.clip(mean, 0.5 / count, 1 - 0.5 / count)  # at least half an answer away from 0 and 1

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _negative_log_likelihood(parameters, rate, mean, count, starts, chance)
        apart = (parameters - PRIOR_MEAN) / prior_sd
        return value + (apart**2).sum() / 2, gradient + apart / prior_sd

    best = scipy.optimize.minimize(loss, PRIOR_MEAN, jac=True, method="BFGS", options={"gtol": 1e-4}).x
    step = 1e-4 * np.eye(len(best))
    curvature = np.array([(loss(best + one)[1] - loss(best - one)[1]) / 2e-4 for one in step])
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    covariance = (vectors / np.maximum(values, 1 / prior_sd.max() ** 2)) @ vectors.T
    return Relation(
        best, covariance, chance, answers, float(np.median(participants)), float(rate.min()), float(rate.max())
    )


def _negative_log_likelihood(
    parameters: np.ndarray, rate: np.ndarray, mean: np.ndarray, count: np.ndarray, starts: np.ndarray, chance: float
) -> tuple[float, np.ndarray]:
    """Compute the negative log likelihood and its gradient, for points (point,) sorted by model, each from ``starts``.

    ``rate`` is the rate above chance of the other models, ``mean`` the human mean.
    """
    odds, place, slope = log_odds(rate), rate - 0.5, np.exp(parameters[1])
    between, within = spreads(parameters[2:], rate)
    middle = (parameters[0] + slope * odds)[:, None] + between[:, None] * EFFECTS
    # Over stages, for each effect of the model: mean and mean square, and their derivatives by middle and spread.
    one = expit(middle[..., None] + within[:, None, None] * NODES)
    right = (chance + (1 - chance) * one).clip(1e-12, 1 - 1e-12)
    change = (1 - chance) * one * (1 - one)
    m, square = right @ WEIGHTS, right**2 @ WEIGHTS
    changes = [(change @ weights, 2 * (right * change) @ weights) for weights in (WEIGHTS, WEIGHTS * NODES)]
    n, y = count[:, None], mean[:, None]
    variance = (m - square) / n + square - m**2
    total = np.maximum(m * (1 - m) / variance - 1, 1e-6)
    a, b = m * total, (1 - m) * total
    each = gammaln(total) - gammaln(a) - gammaln(b) + (a - 1) * np.log(y) + (b - 1) * np.log1p(-y)
    sums = np.add.reduceat(each, starts, axis=0) + np.log(EFFECT_WEIGHTS)
    # Posterior probability of each effect, given all points of the model.
    probable = np.repeat(softmax(sums, axis=1), np.diff(np.append(starts, len(rate))), axis=0)
    by_a = digamma(total) - digamma(a) + np.log(y)
    by_b = digamma(total) - digamma(b) + np.log1p(-y)
    by_mean, by_total = total * (by_a - by_b), m * by_a + (1 - m) * by_b

    def by(of_mean: np.ndarray, of_square: np.ndarray) -> np.ndarray:
        of_variance = (of_mean - of_square) / n + of_square - 2 * m * of_mean
        of_total = ((1 - 2 * m) * of_mean - m * (1 - m) / variance * of_variance) / variance
        return probable * (by_mean * of_mean + by_total * of_total)

    by_middle, by_within = by(*changes[0]), by(*changes[1]).sum(axis=1) * within
    by_between, by_middle = by_middle @ EFFECTS * between, by_middle.sum(axis=1)
    gradient = np.array(
        [
            by_middle.sum(),
            slope * (odds @ by_middle),
            by_between.sum(),
            by_within.sum(),
            place @ by_between,
            place @ by_within,
        ]
    )
    return -logsumexp(sums, axis=1).sum(), -gradient


def published_relation(relation: xr.Dataset, modality: str) -> Relation:
    """Fit the relation (``fit_relation``) to all published points of a modality, for models of other families.

    Parameters
    ----------
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``; of
        ``metamers.compare.recognition_spread.with_spread`` to predict from other recognition models.
    modality
        ``vision`` or ``audio``.
    """
    of_modality = relation.sel(modality=modality)
    fitted = fit_relation(of_modality, GUESSING[modality])
    spread = spread_of(of_modality) if "recognition_spread" in of_modality else None
    return replace(fitted, family_spread=FAMILY_SPREAD, spread=spread)


def predict_human(
    other_models: Interval, relation: Relation, chance: float, sampling: Sampling | None = None
) -> np.ndarray:
    """Predict human recognizability from that by other models.

    Parameters
    ----------
    other_models
        Mean recognizability by other models over stimuli, (point,), 0..1, possibly NaN, with its standard error.
    relation
        Result of ``fit_relation``.
    chance
        Guessing rate of the task.
    sampling
        Which recognition models the mean is over; None for all published ones.

    Returns
    -------
    np.ndarray
        (point, 3): predicted, low, high, in 0..1; NaN for NaN and where ``Relation.outside`` is not 0.
    """
    mean, error = other_models.value, other_models.standard_error
    result = np.full((len(mean), 3), np.nan)
    predictable = np.isfinite(mean)
    rates = relation.possible_rates(mean[predictable], error[predictable], chance, sampling)
    inside = relation.outside(rates) == 0
    predictable[predictable] = inside
    if predictable.any():
        rate = relation.published_rates(above_chance(mean[predictable], chance), sampling)
        rate = np.clip(rate, relation.lowest, relation.highest)
        middle = relation.line(chance + (1 - chance) * rate, chance)
        low, high = relation.ends(relation.human_means(rates[inside], chance)).T
        result[predictable] = np.stack([middle, np.minimum(low, middle), np.maximum(high, middle)], axis=1)
    return result


def sampling_of(relation: Relation, asked: Mapping[str, int], generation_family: str) -> Sampling | None:
    """Compare the recognition models of a run with the published ones, or return None if too few were asked.

    Recognition models of the generation model's own family share its errors, by an amount that the published models do
    not show for other families. At least one recognition model of another family is needed.

    Parameters
    ----------
    relation
        Result of ``published_relation``.
    asked
        Family → number of recognition models, without the generation model.
    generation_family
        Family of the generation model.

    Raises
    ------
    ValueError
        When the relation has no ``spread``.
    """
    if relation.spread is None:
        raise ValueError("the relation has no spread of recognition models (recognition_spread.with_spread)")
    return relation.spread.sampling(asked, generation_family) if set(asked) - {generation_family} else None


def predict_run_model(
    of_model: xr.Dataset, relation: Relation, chance: float, stimuli: int | None = None, further: int = 0
) -> np.ndarray:
    """Predict human recognizability of the metamers of one model of a run.

    Parameters
    ----------
    of_model
        Result of ``metamers.compare.recognizability.recognizability`` for one generation model.
    relation
        Result of ``published_relation``.
    chance
        Guessing rate of the run's task.
    stimuli
        Predict as if the same proportions had been found with so many stimuli; None for those of the run.
    further
        Number of further recognition models, each of another family, that are supposed to agree with the mean.

    Returns
    -------
    np.ndarray
        (stage, 3): see ``predict_human``; NaN if too few recognition models were asked (``sampling_of``).
    """
    mean, error, low, high = (of_model[f"other_models{end}"].values for end in ("", "_standard_error", "_low", "_high"))
    seen = Interval(mean, error, low, high) if stimuli is None else proportion_interval(mean, np.array(stimuli))
    asked = asked_families(of_model) | {f"further family {number}": 1 for number in range(further)}
    sampling = sampling_of(relation, asked, str(of_model["generation_family"].item()))
    if sampling is None:
        return np.full((len(mean), 3), np.nan)
    return predict_human(seen, relation, chance, sampling)


def predicted_human(
    recognizable: xr.Dataset, relation: xr.Dataset, modalities: Mapping[str, str], categories: Mapping[str, int]
) -> xr.Dataset:
    """Predict human recognizability of a run's metamers that no participant has judged.

    Parameters
    ----------
    recognizable
        Result of ``metamers.compare.recognizability.recognizability``.
    relation
        Result of ``metamers.compare.recognition_spread.with_spread``.
    modalities
        Generation model → ``vision`` or ``audio``.
    categories
        Generation model → number of categories that an observer chooses from.

    Returns
    -------
    xr.Dataset
        (generation_model, stage) → ``predicted``, ``low``, ``high``: see ``predict_human``; ``reason``: why a stage of
        the model has no prediction, a sentence, otherwise empty; ``stage_number``, where 0 is the natural stimulus,
        which is left out.
    """
    metamers = recognizable.sel(stage=recognizable["stage"] != NATURAL)
    others = metamers["other_models"].transpose("generation_model", "stage")
    stage_number = metamers["stage_number"].transpose(*others.dims)
    fitted = {modality: published_relation(relation, modality) for modality in dict.fromkeys(modalities.values())}
    predictions, reasons = [], []
    for number, model in enumerate(map(str, others["generation_model"].values)):
        of_modality, chance = fitted[modalities[model]], 1 / categories[model]
        of_model = metamers.sel(generation_model=model)
        values = predict_run_model(of_model, of_modality, chance)
        predictions.append(values)
        asked, family = asked_families(of_model), str(of_model["generation_family"].item())
        why = [_reason(one, asked, family, of_modality, chance) for one in others.values[number]]
        missing = np.isnan(values[:, 0]) & (stage_number.values[number] >= 0)
        reasons.append(np.where(missing, why, ""))
    values = np.stack(predictions)
    return xr.Dataset(
        {name: (others.dims, values[..., index]) for index, name in enumerate(("predicted", "low", "high"))}
        | {"reason": (others.dims, np.stack(reasons))},
        coords={name: others[name] for name in others.dims},
        attrs={
            "comment": "Prediction from the published relation between participants and models, not a measurement: "
            "models, "
            "stimuli and categories other than the published ones may have a different relation."
        },
    ).assign(stage_number=stage_number)


def _reason(
    other_models: float, asked: Mapping[str, int], generation_family: str, relation: Relation, chance: float
) -> str:
    """Say why there is no prediction for a stage whose other models have this mean."""
    if np.isnan(other_models):
        return NOT_JUDGED
    number = sum(asked.values())
    if not set(asked) - {generation_family}:
        return (
            f"Only {number} recognition model{'s' * (number > 1)} of the generation model's own family "
            f"{'were' if number > 1 else 'was'} asked; at least 1 of another family is needed."
        )
    less = above_chance(other_models, chance) < relation.lowest
    end = chance + (1 - chance) * (relation.lowest if less else relation.highest)
    return (
        f"Other models recognize {other_models:.0%} of the metamers, reliably {'fewer' if less else 'more'} than those "
        f"of any published stage ({'at least' if less else 'at most'} {end:.0%}, corrected for guessing)."
    )


def predict_left_out_models(relation: xr.Dataset) -> pd.DataFrame:
    """Predict every published model's curve from the relation of the published models of other families.

    Parameters
    ----------
    relation
        Result of ``metamers.compare.recognition_spread.with_spread``.

    Returns
    -------
    pd.DataFrame
        One row per model and stage: ``modality``, ``generation_model``, ``stage``, ``human`` (measured mean),
        ``predicted``, ``low``, ``high``: the median and the 95% interval for the measured number of participants,
        including the effect of a new family and the few points outside the range of the other families. The models that
        are left out still count as recognition models of the others' metamers.
    """
    tables = []
    for modality, chance in ((str(name), GUESSING[str(name)]) for name in relation["modality"].values):
        points = relation.sel(modality=modality)
        points = points.isel(point=np.flatnonzero(points["human_mean"].notnull()))
        families, of_modality = points["generation_family"].values, []
        for family in dict.fromkeys(families):
            own = points.isel(point=np.flatnonzero(families == family))
            others = points.isel(point=np.flatnonzero(families != family))
            fitted = replace(fit_relation(others, chance), family_spread=FAMILY_SPREAD)
            # Over 400 stimuli the standard error of a published mean is small compared with the spread of the relation.
            judged = own["model_mean"].values
            ends = fitted.interval(judged, np.zeros(len(judged)), chance, own["human_n"].values)
            table = own[["generation_model", "stage"]].to_dataframe()[["generation_model", "stage"]]
            columns = {"human": own["human_mean"].values, "predicted": fitted.line(judged, chance)}
            of_modality.append(table.assign(modality=modality, **columns, low=ends[:, 0], high=ends[:, 1]))
        tables.append(pd.concat(of_modality).sort_index())
    return pd.concat(tables, ignore_index=True)


THIRDS = {"lowest third": (0, 1 / 3), "middle third": (1 / 3, 2 / 3), "highest third": (2 / 3, 1 + 1e-9)}


def coverage_by_third(points: pd.DataFrame) -> pd.DataFrame:
    """Count the left-out points inside their intervals, for all points and for each third of human recognizability.

    Parameters
    ----------
    points
        ``modality``, ``human``, ``low``, ``high``, from ``predict_left_out_models``.

    Returns
    -------
    pd.DataFrame
        One row per modality and part of the human scale (``all``, then ``THIRDS``): ``modality``, ``part``, ``points``,
        ``covered``.
    """
    rows = []
    for modality, own in points.groupby("modality", sort=False):
        held = own["human"].between(own["low"], own["high"])
        for part, (low, high) in {"all": (0, 2), **THIRDS}.items():
            chosen = (own["human"] >= low) & (own["human"] < high)
            rows.append((modality, part, int(chosen.sum()), int(held[chosen].sum())))
    return pd.DataFrame(rows, columns=["modality", "part", "points", "covered"])


def calibration(
    points: pd.DataFrame,
    curves: Mapping[tuple[str, str, str], pd.DataFrame],
    area: Callable[[pd.DataFrame, str], float],
) -> pd.DataFrame:
    """Measure how well left-out models were predicted, one row per model.

    Parameters
    ----------
    points
        Result of ``predict_left_out_models``.
    curves
        Result of ``metamers.leaderboard.curves.measured_curves``.
    area
        ``metamers.leaderboard.curves.curve_area``: the area under a column of a curve.

    Returns
    -------
    pd.DataFrame
        ``modality``, ``generation_model``; ``area`` (measured) and ``left_out_area`` (predicted), both over the
        predicted stages, with the areas under the ends of the intervals (``low``, ``high``); ``left_out_error``: mean
        absolute error over stages.
    """
    depth = {(modality, model): curve.set_index("stage")["depth"] for (modality, model, _), curve in curves.items()}
    rows = []
    for (modality, model), own in points.groupby(["modality", "generation_model"], sort=False):
        curve = own.assign(depth=depth[modality, model][own["stage"]].to_numpy())
        named = {"area": "human", "left_out_area": "predicted", "low": "low", "high": "high"}
        rows.append(
            {"modality": modality, "generation_model": model}
            | {name: area(curve, column) for name, column in named.items()}
            | {"left_out_error": float((own["predicted"] - own["human"]).abs().mean())}
        )
    return pd.DataFrame(rows)
