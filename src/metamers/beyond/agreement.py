"""Agreement of sensitivities: whether models tell a model's extreme distortions apart as that model does.

And whether stages whose metamers other models recognize are also those whose sensitivities agree. The distortions come
from ``metamers.beyond.sensitivity``.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.stats
import xarray as xr

from metamers.beyond.compare import mean_of
from metamers.beyond.sensitivity import FLOOR
from metamers.beyond.sets import LEAST, MOST
from metamers.compare.families import mean_over_families

FEWEST_POINTS = 4  # models and stages, for a rank correlation
FEWEST_STIMULI = 5  # with distortions, for its interval
RESAMPLES = 2000


def log_ratios_of_extremes(sensitivities: xr.Dataset) -> xr.DataArray:
    """Half the log ratio of squared sensitivities to ``most`` and ``least``: (…, generation_model, sensing_model).

    A floor of ``FLOOR`` times the model's mean square sensitivity is added to each square, because a stage may ignore a
    distortion entirely.

    Parameters
    ----------
    sensitivities
        Results of ``metamers.beyond.sensitivity.distortions_of_stimulus``, with any further dimensions.
    """
    squares = sensitivities["sensitivity"] ** 2 + FLOOR * sensitivities["mean_sensitivity"] ** 2
    squares = squares.where(squares > 0)  # a model that is sensitive to nothing has no ratio
    return 0.5 * (np.log(squares.sel(extreme=MOST)) - np.log(squares.sel(extreme=LEAST)))


def agreements(sensitivities: xr.Dataset) -> xr.DataArray:
    """Log ratio of each model relative to that of the generation model: (…, generation_model, sensing_model).

    1: the model tells the two distortions apart as much as the generation model whose extremes they are; 0: not at all;
    below 0: it is more sensitive to the one that the generation model ignores.

    Parameters
    ----------
    sensitivities
        As for ``log_ratios_of_extremes``.
    """
    each = log_ratios_of_extremes(sensitivities)
    names = sensitivities["generation_model"]
    own = each.sel(sensing_model=xr.DataArray(names.values, dims="generation_model")).drop_vars("sensing_model")
    own = own.assign_coords(generation_model=names.values)
    return each / own.where(own > 0)  # equally sensitive to all distortions: nothing to tell apart


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> tuple[float, int]:
    """Spearman's ρ over points where both are finite, and their number.

    ρ is NaN with fewer than ``FEWEST_POINTS`` points, or without variation.
    """
    both = np.isfinite(x) & np.isfinite(y)
    points = int(both.sum())
    if points < FEWEST_POINTS:
        return np.nan, points
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.stats.ConstantInputWarning)
        return float(scipy.stats.spearmanr(x[both], y[both]).statistic), points


def agreement(
    sensitivities: xr.Dataset,
    recognized: Mapping[str, np.ndarray],
    accepted: Mapping[str, np.ndarray],
    recognition_models: Mapping[str, Sequence[str]],
    families: Mapping[str, str],
    seed: int,
) -> xr.Dataset:
    """Agreement of other models with each generation model, and its relation to the recognition of metamers.

    Parameters
    ----------
    sensitivities
        ``sensitivity`` (depth, stimulus, generation_model, extreme, sensing_model), ``mean_sensitivity`` (depth,
        stimulus, sensing_model), ``sensing_stage`` (depth, sensing_model).
    recognized, accepted
        Generation model → proportion of other recognition models that recognize each of its metamers, with equal weight
        of families, and whether the metamer is accepted: (depth, metamer). The first metamers are those of the stimuli
        of the distortions; there may be more.
    recognition_models
        Generation model → the other recognition models, whose agreement is averaged.
    families
        Model → family; each family counts once.
    seed
        Of the resampling.

    Returns
    -------
    xarray.Dataset
        (depth, stimulus, generation_model, sensing_model) → ``log_sensitivity_ratio`` and ``agreement``.
        (generation_model, depth) → ``mean_agreement`` over these models, with equal weight of families, and over
        stimuli; ``proportion_correct`` over accepted metamers, ``n``, their number, and ``stage``. ``spearman_rho`` of
        these two over generation models and positions; ``low`` and ``high``: its 95% interval, from ``RESAMPLES``
        samples of stimuli with replacement (models and stages are fixed); ``points``: the number of points, where a
        stage that is the nearest at two positions counts once. NaN with fewer than ``FEWEST_POINTS`` points, and the
        interval with fewer than ``FEWEST_STIMULI`` stimuli.
    """
    names = [str(name) for name in sensitivities["generation_model"].values]
    each = agreements(sensitivities).transpose("depth", "stimulus", "generation_model", "sensing_model")
    stages = sensitivities["sensing_stage"].transpose("depth", "sensing_model")
    of_others, distinct = [], []
    for name in names:
        of_model = each.sel(generation_model=name, sensing_model=list(recognition_models[name]))
        of_model = of_model.rename(sensing_model="recognition_model")
        of_others.append(mean_over_families(of_model, families).transpose("depth", "stimulus").values)
        own = stages.sel(sensing_model=name).values.tolist()
        distinct.append([own.index(stage) == place for place, stage in enumerate(own)])
    values = np.stack(of_others)  # (generation model, depth, stimulus)
    correct, counted = np.stack([recognized[name] for name in names]), np.stack([accepted[name] for name in names])
    once = np.array(distinct)  # a stage that is the nearest at two positions is one point

    def correlate(of_distortions: np.ndarray, of_metamers: np.ndarray) -> tuple[float, int]:
        proportion = mean_of(correct[..., of_metamers], counted[..., of_metamers])
        return _rank_correlation(values[..., of_distortions].mean(axis=-1)[once], proportion[once])

    n_distorted, n_metamers = values.shape[-1], correct.shape[-1]
    rho, points = correlate(np.arange(n_distorted), np.arange(n_metamers))
    low = high = np.nan
    if n_distorted >= FEWEST_STIMULI and np.isfinite(rho):
        generator, sampled = np.random.default_rng(seed), []
        for _ in range(RESAMPLES):
            shared = generator.integers(n_distorted, size=n_distorted)
            rest = generator.integers(n_distorted, max(n_metamers, n_distorted + 1), size=n_metamers - n_distorted)
            sampled.append(correlate(shared, np.concatenate([shared, rest]))[0])
        finite = [one for one in sampled if np.isfinite(one)]
        if len(finite) > RESAMPLES / 2:
            low, high = np.quantile(finite, [0.025, 0.975])
    proportion = mean_of(correct, counted)
    by_depth = ("generation_model", "depth")
    return xr.Dataset(
        {
            "log_sensitivity_ratio": log_ratios_of_extremes(sensitivities).transpose(
                "depth", "stimulus", "generation_model", "sensing_model"
            ),
            "agreement": each,
            "mean_agreement": (by_depth, values.mean(axis=-1)),
            "proportion_correct": (by_depth, proportion),
            "n": (by_depth, counted.sum(axis=-1)),
            "spearman_rho": rho,
            "low": low,
            "high": high,
            "points": points,
        },
        coords={
            "stage": (by_depth, stages.transpose("sensing_model", "depth").sel(sensing_model=names).values),
            "sensing_stage": (stages.dims, stages.values),
        },
    )
