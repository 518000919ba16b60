"""Contrasts: are the metamers of one model recognized better than those of another, stage by stage?

For models of one architecture with different training: Feather et al. (2023, Fig. 5) compare adversarial training with
standard training and with random perturbations. Both are judged by the same other models on the
same stimuli, so that differences are within stimuli.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.compare import ENDS, by_stimulus, mean_correct
from metamers.names import NATURAL

FEWEST = 6  # stimuli of which an interval is given


def bootstrap_mean(values: np.ndarray, number: int, seed: int) -> tuple[float, float, float]:
    """Mean of values (stimulus,), and its 95% bootstrap interval over stimuli; NaN ones are left out.

    Percentiles of resampled means are too narrow for few values, by √((n−1)/n) and for want of Student's quantiles;
    they are taken further out by as much (Hesterberg 2015, The American Statistician 69, 371-386, expanded
    percentiles). Below ``FEWEST`` values there is no interval (NaN), and without a value no mean.
    """
    import scipy.stats  # here, since most who import this module do no such statistics

    values = values[np.isfinite(values)]
    n = len(values)
    if n < FEWEST:
        return (float(values.mean()) if n else np.nan), np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(n, size=(number, n))
    tail = scipy.stats.norm.cdf(np.sqrt(n / (n - 1)) * scipy.stats.t.ppf(ENDS, n - 1))
    low, high = np.quantile(values[drawn].mean(axis=1), tail)
    return float(values.mean()), float(low), float(high)


def contrasts(
    pairs: Sequence[tuple[str, str]],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    acceptance: Mapping[str, xr.Dataset],
    bootstrap: int,
    seed: int,
) -> xr.Dataset:
    """Differences in recognizability between models.

    A difference is the mean over stimuli of which both models' metamers are accepted. Who judges are the recognition
    models of both that are in no pair at all, or, where there is none, all but the two: the models that are compared
    do not judge each other. There must be one.

    Parameters
    ----------
    pairs
        (model, reference), generation models.
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed).
    acceptance
        Generation model → ``accepted`` (stage, stimulus, seed).
    bootstrap, seed
        Samples of the intervals, and their seed.

    Returns
    -------
    xarray.Dataset
        (contrast, stage) → ``difference`` of model and reference, ``low``, ``high`` (95% interval over stimuli), ``n``
        stimuli, ``stage_number`` counted from 1, NaN and 0 where they do not share a stage. (contrast) →
        ``late_difference``, ``late_low``, ``late_high``, ``late_n``: the same of each stimulus's mean over the later
        half of the shared stages, ``late_stages``; ``judged_by``. Coordinates ``model`` and ``reference``.
    """
    compared = {name for pair in pairs for name in pair}
    found = []
    for model, reference in pairs:
        asked = [judge for judge in recognition[model] if judge in recognition[reference]]
        judges = [judge for judge in asked if judge not in compared]
        judges = judges or [judge for judge in asked if judge not in (model, reference)]
        one, other = (
            by_stimulus(mean_correct(recognition[name][judge] for judge in judges), acceptance[name]["accepted"])
            for name in (model, reference)
        )
        stages = [stage for stage in one["stage"].values if stage in other["stage"].values and stage != NATURAL]
        # Stimuli are matched by name, whatever their order.
        difference = one.sel(stage=stages) - other.sel(stage=stages)
        rows = [bootstrap_mean(values, bootstrap, seed) for values in difference.values]
        late = stages[len(stages) // 2 :]
        mean, low, high = bootstrap_mean(difference.sel(stage=late).mean("stage").values, bootstrap, seed)
        by_stage = dict(zip(("difference", "low", "high"), np.reshape(rows, (-1, 3)).T, strict=True))
        found.append(
            xr.Dataset(
                {name: ("stage", values) for name, values in by_stage.items()}
                | {
                    "n": ("stage", difference.notnull().sum("stimulus").values),
                    "stage_number": ("stage", np.arange(1, len(stages) + 1, dtype=float)),
                    "late_difference": mean,
                    "late_low": low,
                    "late_high": high,
                    "late_n": int(difference.sel(stage=late).notnull().any("stage").sum()),
                    "late_stages": ", ".join(late),
                    "judged_by": ", ".join(judges),
                },
                coords={"stage": stages, "model": model, "reference": reference},
            )
        )
    every = list(dict.fromkeys(stage for one in found for stage in one["stage"].values))
    whole = xr.concat(
        [one.reindex(stage=every, fill_value={"n": 0}) for one in found],
        xr.DataArray([f"{model} - {reference}" for model, reference in pairs], dims="contrast", name="contrast"),
        coords=["model", "reference"],
        compat="equals",
    )
    return whole
