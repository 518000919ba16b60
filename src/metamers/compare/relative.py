"""Recognizability relative to natural stimuli: what of an observer's skill is left for metamers.

Recognition models, and participants, differ in how many natural stimuli they recognize. Proportions correct of
different observers are therefore also divided by those of natural stimuli, both above guessing.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from metamers.compare.proportions import difference_interval
from metamers.compare.recognizability import proportion_by_stimulus
from metamers.names import NATURAL

SMALLEST, LARGEST = -5.0, 5.0  # ends of the search for the ends of an interval
HALVINGS = 30


def relative_to_natural(metamers: np.ndarray, natural: np.ndarray, guessing: float) -> tuple[np.ndarray, ...]:
    """Compute (m - g) / (n - g), with its 95% interval over stimuli, by Fieller's theorem.

    m and n are the mean proportions correct of metamers and of natural stimuli, over the stimuli that have accepted
    metamers, and g is the rate of guessing. The interval contains each ratio r for which the interval of the mean of
    (m_i - g) - r (n_i - g) over stimuli i includes 0. That one is
    ``metamers.compare.proportions.difference_interval``, so it has a width where all answers agree.

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
        interval includes ratios beyond -5 and 5, or has a single stimulus.

    References
    ----------
    Fieller (1954), Journal of the Royal Statistical Society B 16, 175-185.
    """
    left = np.asarray(metamers, float) - guessing
    whole = np.where(np.isfinite(left), natural, np.nan) - guessing
    numbers = np.maximum(np.isfinite(left).sum(axis=-1), 1)
    of_metamers, of_natural = np.nansum(left, axis=-1) / numbers, np.nansum(whole, axis=-1) / numbers
    known = of_natural > 0
    value = np.where(known, of_metamers / np.where(known, of_natural, 1), np.nan)
    ends = []
    for end in ("low", "high"):
        below, above = np.full(value.shape, SMALLEST), np.full(value.shape, LARGEST)
        for _ in range(HALVINGS):
            middle = (below + above) / 2
            scale = np.maximum(1, np.abs(middle))[..., None]  # residuals within -1 and 1, which the interval is for
            positive = getattr(difference_interval((left - middle[..., None] * whole) / scale), end) > 0
            below, above = np.where(positive, middle, below), np.where(positive, above, middle)
        inside = known & (below > SMALLEST) & (above < LARGEST)
        ends.append(np.where(inside, below, np.nan))
    both = np.isfinite(ends).all(axis=0)
    return value, *(np.where(both, end, np.nan) for end in ends)


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
