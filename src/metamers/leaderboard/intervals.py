"""Samples of areas under resampled participants, from which the intervals of areas and ranks follow.

Where participant-level data exist, participants are resampled. Otherwise samples are drawn from means and standard
errors.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import scipy.stats
import xarray as xr

from metamers.compare.proportions import ENDS, Z
from metamers.leaderboard.curves import Curve, NormalizedCurve, area_weights, curve_area
from metamers.leaderboard.normalized_area import normalize, weighted_area
from metamers.names import NATURAL


def areas_from_summary(curves: Sequence[Curve], number: int, seed: int) -> np.ndarray:
    """Draw areas (sample, model) for other participants from means and standard errors alone.

    Means and standard errors do not contain the covariance of a participant's stages. All stages are assumed to vary
    together, which gives the widest possible interval: the standard error of the area is the area under the stages'
    standard errors.
    """
    rng = np.random.default_rng(seed)
    samples = np.empty((number, len(curves)))
    for index, curve in enumerate(curves):
        draws = rng.standard_t(curve["n"].min() - 1, number)
        samples[:, index] = curve_area(curve, "mean") + curve_area(curve, "sem") * draws
    return samples


def resampled_means(
    models: Sequence[str],
    stages: Sequence[Sequence[str]],
    experiments: Iterable[xr.Dataset],
    number: int,
    seed: int,
) -> list[np.ndarray]:
    """Compute means over participants who are drawn with replacement in each experiment, with all their answers.

    Parameters
    ----------
    models, stages
        Names of the models, and the stages of each.
    experiments
        Datasets as ``metamers.humans.participants.experiment_dataset`` returns them, all of the models' modality.
    number, seed
        Number of samples, and their random seed.

    Returns
    -------
    list of np.ndarray
        (sample, stage) of each model.
    """
    rng = np.random.default_rng(seed)
    sums = [np.zeros((number, len(own))) for own in stages]
    counts = np.zeros(len(models))
    for dataset in experiments:
        human = (
            dataset["proportion_correct"].sel(observer="human").transpose("participant", "generation_model", "stage")
        )
        answers, place = human.values, human.get_index("stage")
        participants = human.sizes["participant"]
        drawn = rng.multinomial(participants, np.full(participants, 1 / participants), number)
        for index, (model, own) in enumerate(zip(models, stages, strict=True)):
            if model in human["generation_model"].values:
                of_model = answers[:, human.get_index("generation_model").get_loc(model)]
                sums[index] += drawn @ of_model[:, [place.get_loc(stage) for stage in own]]
                counts[index] += participants
    return [total / count for total, count in zip(sums, counts, strict=True)]


def areas_from_participants(
    models: Sequence[str], curves: Sequence[Curve], experiments: Iterable[xr.Dataset], number: int, seed: int
) -> np.ndarray:
    """Compute areas (sample, model) under the curves of resampled participants.

    Parameters
    ----------
    models, curves
        Names of the models, and their ``metamers.leaderboard.curves.measured_curves``.
    experiments, number, seed
        As for ``resampled_means``.
    """
    means = resampled_means(models, [curve["stage"].to_list() for curve in curves], experiments, number, seed)
    areas = [own @ area_weights(curve["depth"].to_numpy()) for own, curve in zip(means, curves, strict=True)]
    return np.stack(areas, axis=1)


def normalized_areas_from_participants(
    models: Sequence[str],
    curves: Sequence[Curve],
    scaled: Sequence[NormalizedCurve],
    experiments: Iterable[xr.Dataset],
    number: int,
    seed: int,
) -> np.ndarray:
    """Compute normalized areas (sample, model) of resampled participants, whose natural stimuli are resampled too.

    ``correct_bias`` corrects the samples.

    Parameters
    ----------
    models, curves
        Names of the models, and their ``metamers.leaderboard.curves.measured_curves``.
    scaled
        The same curves on the shared scale; participants judged all their stages.
    experiments, number, seed
        As for ``resampled_means``.
    """
    stages = [[NATURAL, *curve["stage"]] for curve in curves]
    areas = []
    for means, own in zip(resampled_means(models, stages, experiments, number, seed), scaled, strict=True):
        areas.append(normalized_areas_of(own, normalize(means[:, 1:], means[:, :1], own.chance)))
    wider = [small_sample_factor(int(curve["n"].max())) for curve in curves]
    return np.stack(
        [correct_bias(*one) for one in zip(map(normalized_area_of, scaled), areas, wider, strict=True)], axis=1
    )


def small_sample_factor(n: int) -> float:
    """Compute the factor by which a percentile interval over n resampled participants is too narrow.

    Resampling underestimates the variance by the factor (n - 1) / n, and uses the normal quantile where Student's t
    with n - 1 degrees of freedom is correct.

    References
    ----------
    Hesterberg (2015), The American Statistician 69, 371-386, doi:10.1080/00031305.2015.1089789.
    """
    return float(scipy.stats.t.ppf(ENDS[1], n - 1) / Z * np.sqrt(n / (n - 1)))


def widen_samples(samples: np.ndarray, wider: float | np.ndarray) -> np.ndarray:
    """Multiply the distances of samples (sample, …) from their mean by a factor."""
    mean = samples.mean(axis=0)
    return mean + wider * (samples - mean)


def correct_bias(estimate: float, samples: np.ndarray, wider: float) -> np.ndarray:
    """Remove the bias from bootstrap samples (sample,) of a normalized area.

    Normalized recognizability is clipped at 1, which lowers the area of noisy means. The mean of the samples lies below
    the area by about as much as the area lies below the truth, so the samples are shifted to lie above the area by that
    much.

    Parameters
    ----------
    estimate
        The area of the measured means.
    samples
        Areas of resampled participants. A sample is NaN where its participants do not recognize natural stimuli above
        guessing. Their recognizability of metamers is then counted as none, the area 0, so that every sample has a
        rank.
    wider
        Factor by which the distances of the samples from their mean are multiplied.

    Returns
    -------
    np.ndarray
        (sample,), between 0 and 1.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 10.
    """
    samples = np.nan_to_num(samples, nan=0)
    return np.clip(2 * (estimate - samples.mean()) + widen_samples(samples, wider), 0, 1)


def normalized_areas_from_summary(
    curves: Sequence[Curve],
    scaled: Sequence[NormalizedCurve],
    natural: Sequence[tuple[float, float, int]],
    number: int,
    seed: int,
) -> np.ndarray:
    """Draw normalized areas (sample, model) from means and standard errors alone.

    All stages vary together, as in ``areas_from_summary``; natural stimuli vary independently of them. Both follow
    Student's t.
    """
    rng = np.random.default_rng(seed)
    areas = []
    for curve, own, (mean, sem, n) in zip(curves, scaled, natural, strict=True):
        draws = rng.standard_t(curve["n"].min() - 1, (number, 1)), rng.standard_t(n - 1, (number, 1))
        stages = curve["mean"].to_numpy() + curve["sem"].to_numpy() * draws[0]
        samples = normalized_areas_of(own, normalize(stages, mean + sem * draws[1], own.chance))
        areas.append(correct_bias(normalized_area_of(own), samples, 1))
    return np.stack(areas, axis=1)


def normalized_areas_of(own: NormalizedCurve, values: np.ndarray) -> np.ndarray:
    """Compute normalized areas (sample,) of values (sample, stage); NaN where the model has no area."""
    rule = own.rule
    return np.full(len(values), np.nan) if rule is None else weighted_area(rule.low, values)


def normalized_area_of(own: NormalizedCurve) -> float:
    """Compute the normalized area of a curve; NaN where it has none."""
    return float(normalized_areas_of(own, own.values[None])[0])
