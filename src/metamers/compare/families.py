"""Families of recognition models: models of one architecture share errors and count as one family.

The models of a family are averaged first, then the families, so that five versions of one network do not outweigh one
network of another kind. The answers are compared in ``metamers.compare.recognizability`` and
``metamers.compare.contrasts``.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.compare.proportions import Interval, effective_answers, proportion_interval

MIN_FAMILIES = 3  # smallest number of families from which the spread between families is estimated


def group_by_family(names: Iterable[str], families: Mapping[str, str]) -> dict[str, list[str]]:
    """Group models by family, in their order: family → models."""
    members: dict[str, list[str]] = {}
    for name in names:
        members.setdefault(families[name], []).append(name)
    return members


def same_family(names: Iterable[str], models: Iterable[str], families: Mapping[str, str]) -> list[str]:
    """Return those of the names that are in the family of one of the models."""
    own_families = {families[model] for model in models}
    return [name for name in names if families[name] in own_families]


def family_means(recognition: Mapping[str, xr.Dataset], families: Mapping[str, str]) -> xr.DataArray:
    """Compute the proportion of each family's recognition models that recognize each stimulus and metamer.

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
    groups = group_by_family(recognition, families)
    means = [
        xr.concat([recognition[name]["correct"].astype(float) for name in names], "member").mean("member")
        for names in groups.values()
    ]
    return xr.concat(means, xr.DataArray(list(groups), dims="family", name="family"))


def mean_correct(recognition: Mapping[str, xr.Dataset], families: Mapping[str, str]) -> xr.DataArray:
    """Average ``family_means`` over families: (stage, stimulus, seed)."""
    return family_means(recognition, families).mean("family")


def mean_over_families(values: xr.DataArray, families: Mapping[str, str]) -> xr.DataArray:
    """Average values (…, recognition_model) within each family, then over families."""
    groups = group_by_family(map(str, values["recognition_model"].values), families)
    means = [values.sel(recognition_model=names).mean("recognition_model") for names in groups.values()]
    return xr.concat(means, "family").mean("family")


def families_interval(means: np.ndarray, n: np.ndarray) -> Interval:
    """Compute the mean over families, with standard error and 95% interval over families and stimuli.

    The standard error over F families is s/√F, where s is their standard deviation, but not less than that of F·n
    independent answers. The families count as m independent answers, from
    ``metamers.compare.proportions.effective_answers``. Below ``MIN_FAMILIES`` families their spread cannot be
    estimated, and they count as F answers. The interval is the score interval of 1 / (1/m + 1/n) answers. A single
    family has neither standard error nor interval.

    Parameters
    ----------
    means
        (family, …): mean answer of each family, 0..1.
    n
        (…): number of stimuli, or of independent answers that they are worth.
    """
    families, n = len(means), np.asarray(n, float)
    p = means.mean(axis=0)
    if families < 2:
        nothing = np.full(p.shape, np.nan)
        return Interval(p, nothing, nothing, nothing)
    variance = means.var(axis=0, ddof=1)
    error = np.maximum(np.sqrt(variance / families), proportion_interval(p, families * n).standard_error)
    size = effective_answers(p, variance, families) if families >= MIN_FAMILIES else np.full(p.shape, float(families))
    with np.errstate(divide="ignore"):
        whole = proportion_interval(p, 1 / (1 / size + 1 / n))
    return Interval(p, error, whole.low, whole.high)


def names_by_family(names: Sequence[str], families: Mapping[str, str]) -> str:
    """List models in words, with those of one family together: ``a; b and c (family)``."""
    return "; ".join(
        f"{' and '.join(group)} (family {family})" if len(group) > 1 else group[0]
        for family, group in group_by_family(names, families).items()
    )
