"""Recognizability relative to natural stimuli: what of an observer's skill is left for metamers.

Recognition models, and participants, differ in how many natural stimuli they recognize. Proportions correct of
different observers are therefore also divided by those of natural stimuli, both above guessing.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from metamers.compare.proportions import independent_answers, proportion_interval, ratio_interval
from metamers.compare.recognizability import proportion_by_stimulus
from metamers.names import NATURAL


def relative_to_natural(metamers: np.ndarray, natural: np.ndarray, guessing: float) -> tuple[np.ndarray, ...]:
    """Compute (m - g) / (n - g), with its 95% interval over stimuli, by ``ratio_interval``.

    m and n are the mean proportions correct of metamers and of natural stimuli, over the stimuli that have accepted
    metamers, and g is the rate of guessing. Their intervals are those of ``proportion_interval`` for
    ``independent_answers``, and the correlation is that of the answers over stimuli (0 where one of the two does not
    vary).

    Parameters
    ----------
    metamers, natural
        (…, stimulus): proportion correct of a stimulus's metamers, NaN without any, and of the natural stimulus.
    guessing
        Proportion correct of an observer who guesses, 0..1.

    Returns
    -------
    value, low, high
        (…). NaN where natural stimuli are not recognized more often than by guessing, for the ends also where the
        interval of n includes g.
    """
    left = np.asarray(metamers, float)
    both = np.stack([left, np.where(np.isfinite(left), natural, np.nan)])
    counts = np.maximum(np.isfinite(left).sum(axis=-1), 1)
    means = np.where(np.isfinite(left).any(axis=-1), np.nansum(both, axis=-1) / counts, np.nan)
    intervals = proportion_interval(means, independent_answers(both))
    centred = np.nan_to_num(both - means[..., None])
    variances = (centred**2).sum(axis=-1).prod(axis=0)
    covariance = centred.prod(axis=0).sum(axis=-1)
    correlation = np.divide(covariance, np.sqrt(variances), out=np.zeros_like(variances), where=variances > 0)
    one, other = (tuple(part[index] - guessing for part in (means, intervals.low, intervals.high)) for index in (0, 1))
    return ratio_interval(one, other, correlation)


def with_relative(
    recognizable: xr.Dataset,
    acceptance: Mapping[str, xr.Dataset],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    guessing: Mapping[str, float],
) -> xr.Dataset:
    """Add recognizability relative to natural stimuli to a result of ``recognizability``.

    Parameters
    ----------
    recognizable, acceptance, recognition
        As for ``metamers.compare.chance.with_chance``.
    guessing
        Generation model → 1 / number of categories.

    Returns
    -------
    xr.Dataset
        ``recognizable``, with (generation_model, stage, recognition_model) → ``relative_to_natural`` with ``_low`` and
        ``_high``; NaN for natural stimuli, and where a model has no such stage or was not tested.
    """
    dims = ("generation_model", "stage", "recognition_model")
    names = ("relative_to_natural", "relative_to_natural_low", "relative_to_natural_high")
    columns = {name: xr.full_like(recognizable["proportion_correct"].transpose(*dims), np.nan) for name in names}
    for model, answered in recognition.items():
        for recognition_model, one in answered.items():
            proportions = proportion_by_stimulus(one["correct"], acceptance[model]["accepted"])
            stages = [stage for stage in proportions["stage"].values if stage != NATURAL]
            values = relative_to_natural(
                proportions.sel(stage=stages).values, proportions.sel(stage=NATURAL).values, guessing[model]
            )
            for name, value in zip(names, values, strict=True):
                columns[name].loc[
                    {"generation_model": model, "recognition_model": recognition_model, "stage": stages}
                ] = value
    return recognizable.assign(columns)
