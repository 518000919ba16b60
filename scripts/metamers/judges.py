"""Judges and their families: models of one architecture share errors, and count together as one family.

A family's judges are averaged first, then the families, so that five versions of one network do not outvote one of
another kind. What the judges answer is compared in ``metamers.compare`` and ``metamers.contrasts``.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.proportions import ENDS, Interval, Z, proportion_interval

FEWEST = 3  # families from which the spread between families is estimated


def by_family(names: Iterable[str], families: Mapping[str, str]) -> dict[str, list[str]]:
    """Family → those of the models that belong to it, in their order."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(families[name], []).append(name)
    return found


def related(names: Iterable[str], models: Iterable[str], families: Mapping[str, str]) -> list[str]:
    """Those of the judges that are of the family of one of the models."""
    theirs = {families[model] for model in models}
    return [name for name in names if families[name] in theirs]


def family_means(recognition: Mapping[str, xr.Dataset], families: Mapping[str, str]) -> xr.DataArray:
    """Proportion of each family's judges that recognize each stimulus and metamer.

    Parameters
    ----------
    recognition
        Recognition model → ``correct`` (stage, stimulus, seed).
    families
        Model → family.

    Returns
    -------
    xr.DataArray
        (family, stage, stimulus, seed).
    """
    groups = by_family(recognition, families)
    means = [
        xr.concat([recognition[name]["correct"].astype(float) for name in names], "judge").mean("judge")
        for names in groups.values()
    ]
    return xr.concat(means, xr.DataArray(list(groups), dims="family", name="family"))


def mean_correct(recognition: Mapping[str, xr.Dataset], families: Mapping[str, str]) -> xr.DataArray:
    """Mean over families of ``family_means``: (stage, stimulus, seed)."""
    return family_means(recognition, families).mean("family")


def mean_over_families(values: xr.DataArray, families: Mapping[str, str]) -> xr.DataArray:
    """Mean over families of the mean of each family's judges, of values (…, recognition_model)."""
    groups = by_family(map(str, values["recognition_model"].values), families)
    means = [values.sel(recognition_model=names).mean("recognition_model") for names in groups.values()]
    return xr.concat(means, "family").mean("family")


def families_interval(means: np.ndarray, n: np.ndarray) -> Interval:
    """The mean over families, with a standard error and a 95% interval for families and stimuli drawn anew.

    The standard error over F families is s/√F, s their standard deviation, and at least that of F·n independent
    answers. The families count as m = p (1 - p) F/s² · (z/t)² independent answers, t Student's quantile of F - 1
    degrees of freedom (Korn and Graubard), and at least as F; below ``FEWEST`` families, whose spread nobody can tell,
    always as F. The interval is the score interval of 1 / (1/m + 1/n) answers. Of one family there is neither.

    Parameters
    ----------
    means
        (family, …): mean answer of each family, 0..1.
    n
        (…): number of stimuli.

    References
    ----------
    Korn & Graubard (1998), Survey Methodology 24, 193-201.
    """
    import scipy.stats  # here, since most who import this module do no such statistics

    families, n = len(means), np.asarray(n, float)
    p = means.mean(axis=0)
    if families < 2:
        nothing = np.full(p.shape, np.nan)
        return Interval(p, nothing, nothing, nothing)
    found = means.std(axis=0, ddof=1) / np.sqrt(families)
    error = np.maximum(found, proportion_interval(p, families * n).standard_error)
    size = np.full(p.shape, float(families))
    if families >= FEWEST:
        factor = (Z / scipy.stats.t.ppf(ENDS[1], families - 1)) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            alike = np.where(found > 0, p * (1 - p) / found**2 * factor, np.inf)
        size = np.maximum(size, alike)
    with np.errstate(divide="ignore"):
        whole = proportion_interval(p, 1 / (1 / size + 1 / n))
    return Interval(p, error, whole.low, whole.high)


def words_of(names: Sequence[str], families: Mapping[str, str]) -> str:
    """Judges in words, those of one family together: ``a; b and c (family)``."""
    return "; ".join(
        f"{' and '.join(group)} (family {family})" if len(group) > 1 else group[0]
        for family, group in by_family(names, families).items()
    )
