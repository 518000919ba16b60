"""Verdicts: what a run may say about a difference in recognizability, and which evidence is missing to say more.

A verdict has one of three degrees. ``verdict`` has the rules, for the modalities of a run (``first_minus_last``) and
for its contrasts (``contrast_evidence``). The words are in ``metamers.report.verdicts``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import xarray as xr

from metamers.compare.converged import have_converged, worst_median_error
from metamers.compare.families import mean_correct, same_family
from metamers.compare.proportions import difference_interval
from metamers.compare.recognizability import proportion_by_stimulus
from metamers.names import INPUT_STAGE

Degree = Literal["shown", "suggested", "undecided"]
VerdictCondition = Literal["interval", "stimuli", "families", "match"]

# Beginnings of the names of variables, of modalities and of contrasts.
FIRST_MINUS_LAST, LATER_STAGES = "first_minus_last", "late"
MIN_STIMULI = 20  # one stimulus then changes a proportion correct by at most 5 percentage points
MIN_UNRELATED_FAMILIES = 2  # with one family, its own errors cannot be told from those of all others


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on.

    Attributes
    ----------
    difference, low, high
        Mean paired difference in proportion correct over stimuli, -1..1, with its 95% interval; NaN where undefined.
    n
        Number of stimuli with a difference.
    unrelated_families
        Number of families of recognition models that are unrelated to every generation model of the statement.
    match_suffices
        Whether the stages that the statement is about have converged (``metamers.compare.converged``).
    normalized_error
        Normalized error of the worst of the models and stages that the statement is about: the median of its metamers,
        accepted or not.
    """

    difference: float
    low: float
    high: float
    n: int
    unrelated_families: int
    match_suffices: bool
    normalized_error: float


@dataclass(frozen=True)
class Verdict:
    """How far a difference is shown.

    Attributes
    ----------
    degree
        ``shown``, ``suggested`` or ``undecided``.
    side
        Side of 0 on which the interval lies: 1 above, -1 below, 0 if it includes 0 or does not exist.
    missing
        Conditions that are not met: ``interval`` (it excludes 0), ``stimuli`` (at least ``MIN_STIMULI``), ``families``
        (at least ``MIN_UNRELATED_FAMILIES`` unrelated ones were asked), ``match`` (the stages have converged).
    evidence
        What the verdict rests on.
    """

    degree: Degree
    side: int
    missing: tuple[VerdictCondition, ...]
    evidence: Evidence


def side_of_zero(low: float, high: float) -> int:
    """Return the side of 0 on which an interval lies: 1 above, -1 below, 0 if it includes 0 or does not exist (NaN)."""
    return int(low > 0) - int(high < 0)


def verdict(evidence: Evidence) -> Verdict:
    """Decide how far a difference is shown.

    *undecided*: the interval includes 0, or there is none, which is no evidence of equality (that needs a test of
    equivalence); or a stage has not converged, so that its metamers say nothing about its invariances. *suggested*: the
    interval excludes 0, but there are too few stimuli or families. *shown*: all conditions are met.
    """
    side = side_of_zero(evidence.low, evidence.high)
    met: dict[VerdictCondition, bool] = {
        "interval": side != 0,
        "stimuli": evidence.n >= MIN_STIMULI,
        "families": evidence.unrelated_families >= MIN_UNRELATED_FAMILIES,
        "match": evidence.match_suffices,
    }
    missing = tuple(name for name, held in met.items() if not held)
    degree: Degree = "undecided" if {"interval", "match"} & set(missing) else "suggested" if missing else "shown"
    return Verdict(degree, side, missing, evidence)


def compared_stages(stages: Sequence[str]) -> tuple[str, str]:
    """Return the first stage after the input (the input, if it is the only stage) and the last stage."""
    return next((stage for stage in stages if stage != INPUT_STAGE), stages[0]), stages[-1]


def first_minus_last(
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    acceptance: Mapping[str, xr.Dataset],
    families: Mapping[str, str],
    modalities: Mapping[str, str],
    targets: Mapping[str, Mapping[str, float]],
) -> xr.Dataset:
    """Compare recognizability at the first stage after the input with that at the last stage, for each modality.

    The difference of a stimulus is the mean over the generation models that have accepted metamers of it at both
    stages, of the mean over families of other models. Metamers of the same stimulus are compared.

    Parameters
    ----------
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed).
    acceptance
        Generation model → ``accepted`` and ``normalized_error`` (stage, stimulus, seed).
    families
        Model → family, of every generation and recognition model.
    modalities
        Generation model → modality.
    targets
        Generation model → stage → normalized error at which the stage has converged.

    Returns
    -------
    xr.Dataset
        (modality) → the attributes of ``Evidence``, with the prefix ``first_minus_last_``. ``unrelated_families`` is
        the smallest number over generation models. The interval is
        ``metamers.compare.proportions.difference_interval``.
    """
    rows = []
    for modality in dict.fromkeys(modalities.values()):
        models = [model for model, of_model in modalities.items() if of_model == modality]
        differences, errors, unrelated, converged = [], [], [], []
        for model in models:
            accepted = acceptance[model]["accepted"].astype(bool)
            first, last = compared_stages(list(map(str, accepted["stage"].values)))
            others = {name: data for name, data in recognition[model].items() if name != model}
            siblings = same_family(others, [model], families)
            unrelated.append(len({families[name] for name in others if name not in siblings}))
            errors.append(worst_median_error(acceptance[model], (first, last)))
            converged.append(have_converged(acceptance[model], targets[model], (first, last)))
            if others:
                proportions = proportion_by_stimulus(mean_correct(others, families), accepted)
                differences.append(proportions.sel(stage=first, drop=True) - proportions.sel(stage=last, drop=True))
        values = xr.concat(differences, "generation_model").mean("generation_model").values if differences else []
        interval = difference_interval(np.asarray(values, float))
        rows.append(
            {
                "difference": float(interval.value),
                "low": float(interval.low),
                "high": float(interval.high),
                "n": int(np.isfinite(values).sum()),
                "unrelated_families": min(unrelated),
                "match_suffices": all(converged),
                "normalized_error": max(errors),
            }
        )
    columns = {f"{FIRST_MINUS_LAST}_{name}": ("modality", [row[name] for row in rows]) for name in rows[0]}
    return xr.Dataset(columns, coords={"modality": list(dict.fromkeys(modalities.values()))})


def contrast_evidence(
    compared: xr.Dataset,
    sides: Sequence[tuple[Sequence[str], Sequence[str]]],
    acceptance: Mapping[str, xr.Dataset],
    families: Mapping[str, str],
    targets: Mapping[str, Mapping[str, float]],
) -> xr.Dataset:
    """Add to contrasts what a verdict needs besides the differences of their later stages.

    Parameters
    ----------
    compared
        Result of ``metamers.compare.contrasts.contrasts``.
    sides
        As for ``contrasts``.
    acceptance
        Generation model → ``accepted`` and ``normalized_error`` (stage, stimulus, seed).
    families
        Model → family.
    targets
        As for ``first_minus_last``.
    Returns
    -------
    xr.Dataset
        (contrast) → ``late_unrelated_families``, ``late_match_suffices`` and ``late_normalized_error``, of all networks
        of the contrast at the later stages.
    """
    rows = []
    for place, pair in enumerate(sides):
        one = compared.isel(contrast=place)
        networks = [network for side in pair for network in side]
        asked, related, stages = (
            str(one[key].values).split(", ") for key in ("judged_by", "related_recognition_models", "late_stages")
        )
        rows.append(
            {
                "unrelated_families": len({families[model] for model in asked if model not in related}),
                "match_suffices": all(have_converged(acceptance[model], targets[model], stages) for model in networks),
                "normalized_error": max(worst_median_error(acceptance[model], stages) for model in networks),
            }
        )
    return xr.Dataset({f"{LATER_STAGES}_{name}": ("contrast", [row[name] for row in rows]) for name in rows[0]})


def read_evidence(contrast: xr.Dataset, prefix: str) -> Evidence:
    """Read the evidence of one modality or of one contrast from its Dataset.

    Parameters
    ----------
    contrast
        One modality of the result of ``first_minus_last``, or one contrast with the result of ``contrast_evidence``.
    prefix
        ``FIRST_MINUS_LAST`` for a modality, ``LATER_STAGES`` for a contrast.
    """
    return Evidence(**{field.name: contrast[f"{prefix}_{field.name}"].item() for field in fields(Evidence)})
