"""Sentences of verdicts: what a run may say about its results. The rules are in ``metamers.compare.verdict``.

Every page and file that draws a conclusion takes these words. What a conclusion depends on stands beside it: the
interval, the number of stimuli, the normalized error, and what is missing for a verdict of a higher degree.
"""

from typing import Any

import numpy as np
import xarray as xr

from metamers.compare.criterion import STRICTER
from metamers.compare.verdict import (
    MIN_STIMULI,
    MIN_UNRELATED_FAMILIES,
    Degree,
    Evidence,
    Verdict,
    VerdictCondition,
    side_of_zero,
)
from metamers.report.tables import counted, percent, percentage_points, significant

STIMULI = "stimuli"  # their name where the modality is not known


def capitalized(clause: str) -> str:
    """A clause as the beginning of a sentence."""
    return clause[0].upper() + clause[1:]


def difference_in_words(evidence: Evidence, noun: str = STIMULI) -> str:
    """The difference with its interval and the number of stimuli; one stimulus has no interval, and none no difference.

    Parameters
    ----------
    evidence
        Evidence of a verdict.
    noun
        Stimuli of the modality, plural.
    """
    if not np.isfinite(evidence.difference):
        return f"there are no {noun} to compare"
    value, ends = percentage_points(evidence.difference, evidence.low, evidence.high).split(" ", 1)
    if not np.isfinite(evidence.low):
        return f"difference {value} percentage points (no interval: it needs two {noun})"
    return f"difference {value} {ends} percentage points (95% interval over {evidence.n} {noun})"


def missing_evidence(verdict: Verdict, noun: str = STIMULI) -> list[str]:
    """What is missing for a verdict of a higher degree, besides an interval that excludes 0; each as a clause."""
    evidence = verdict.evidence
    families = evidence.unrelated_families
    known = np.isfinite(evidence.normalized_error)
    error = f" (normalized error {significant(evidence.normalized_error)})" if known else ""
    words: dict[VerdictCondition, str] = {
        "stimuli": f"only {evidence.n} of the {MIN_STIMULI} {noun} that are needed",
        "families": f"only one unrelated family of models was asked ({MIN_UNRELATED_FAMILIES} are needed)"
        if families
        else "only models of the same family were asked",
        "match": f"the metamers are not shown to have converged{error}",
    }
    return [words[name] for name in verdict.missing if name in words]


def missing_sentence(verdict: Verdict, noun: str = STIMULI) -> str:
    """All that is missing for a verdict of a higher degree as a sentence; empty if nothing is missing."""
    interval = ["an interval that excludes 0"] if "interval" in verdict.missing else []
    missing = interval + missing_evidence(verdict, noun)
    return f"Missing to show a difference: {'; '.join(missing)}." if missing else ""


def basis(verdict: Verdict, noun: str = STIMULI) -> str:
    """What a verdict rests on, as the end of a sentence, and what is missing, as another one."""
    return f"{difference_in_words(verdict.evidence, noun)}. {missing_sentence(verdict, noun)}".rstrip()


def decline_claim(verdict: Verdict) -> str:
    """What a modality's answers say of its invariances: a main clause, without a full stop.

    Parameters
    ----------
    verdict
        Verdict of the difference between the first stage and the last one.
    """
    if verdict.degree == "undecided":
        return "whether other models recognize fewer metamers of the last stage than of the first is undecided"
    claim = {
        1: "some invariances of the last stage are model-specific",
        -1: "other models recognize more metamers of the last stage than of the first",
    }[verdict.side]
    if verdict.degree == "shown":
        return f"this shows that {claim}"
    return f"this suggests that {claim}, but does not show it"


def decline_sentences(verdict: Verdict, first: float, last: float, noun: str) -> str:
    """What a run may say of one modality, as sentences; ``missing_sentence`` belongs beside them.

    Parameters
    ----------
    verdict
        Verdict of the difference between the first stage and the last one.
    first, last
        Proportions of the accepted metamers of these stages that other models recognize.
    noun
        Stimuli of the modality, plural.
    """
    return (
        f"Other models recognize {percent(first)} of the metamers of the first stage after the input and "
        f"{percent(last)} of those of the last stage. "
        f"{capitalized(decline_claim(verdict))}: {difference_in_words(verdict.evidence, noun)}."
    )


def contrast_claim(verdict: Verdict, model: str, reference: str) -> str:
    """What the answers say of two models: a main clause, without a full stop."""
    often = "less" if verdict.side < 0 else "more"
    beginning: dict[Degree, str] = {
        "shown": "metamers of",
        "suggested": "this run suggests, but does not show, that metamers of",
        "undecided": "it is undecided whether metamers of",
    }
    return capitalized(f"{beginning[verdict.degree]} {model} are recognized {often} often than those of {reference}")


def criterion_context(drawn: xr.Dataset) -> dict[str, Any]:
    """How the conclusions depend on acceptance, for the page.

    Parameters
    ----------
    drawn
        Result of ``metamers.compare.criterion.conclusions``.

    Returns
    -------
    dict
        ``table``: a row for each conclusion; ``changed``: conclusions whose verdict is another one with the stricter
        acceptance, or whose interval lies on the other side of 0; ``testable``: whether the stricter acceptance refuses
        any metamer; ``number`` of conclusions; ``degrees``: verdict → number of conclusions, with the acceptance of the
        run.
    """
    rows, changed = [], []
    degrees: dict[str, int] = {}
    for name in map(str, drawn["conclusion"].values):
        cells, verdicts = [], set()
        for criterion in drawn["criterion"].values:
            one = drawn.sel(conclusion=name, criterion=criterion)
            ends = [float(one[end]) for end in ("difference", "low", "high")]
            evidence = f"{counted(int(one['accepted_metamers']), 'metamer')}, n = {int(one['n'])}"
            cells += [percentage_points(*ends), evidence, str(one["degree"].item())]
            verdicts.add((cells[-1], side_of_zero(*ends[1:])))
        rows.append([name, *cells])
        degrees[cells[2]] = degrees.get(cells[2], 0) + 1
        changed += [name] if len(verdicts) > 1 else []
    head = ["Difference", "Accepted", "Verdict"]
    head += [f"{title}, {STRICTER}" for title in head]
    return {
        "table": {"head": ["Conclusion", *head], "rows": rows},
        "changed": changed,
        "testable": bool((drawn["accepted_metamers"].diff("criterion") != 0).any()),
        "number": len(rows),
        "degrees": degrees,
    }


def consistency_claim(side: int | None, n: int) -> str:
    """What an interval of error consistency says of recognition models, of different families or of one: a main clause.

    Parameters
    ----------
    side
        1 if the interval is above 0, -1 if it is below, 0 if it includes 0 or is missing; None if there is no pair.
    n
        Number of stimuli.
    """
    if side is None:
        return "there is no pair of which both models are right about some stimuli and wrong about others"
    if side == 0:
        return "whether they err on the same stimuli more or less often than their accuracy predicts is undecided"
    claim = f"they err on the same stimuli {'more' if side > 0 else 'less'} often than their accuracy predicts"
    if n < MIN_STIMULI:
        return f"the answers suggest, but do not show, that {claim} (only {n} of the {MIN_STIMULI} stimuli needed)"
    return claim
