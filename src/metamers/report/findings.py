"""The main findings of a run, at most three, for the terminal at the end of a run and for a file."""

from collections.abc import Mapping, Sequence
from typing import Any

from metamers.report.tables import percent
from metamers.report.verdicts import basis, capitalized, decline_claim
from metamers.synthesize.qualities import UNCONVERGED_QUALITIES

MOST_FINDINGS = 3


def findings(
    results: Sequence[Mapping[str, Any]],
    contrasts: Sequence[Mapping[str, Any]],
    relation: Sequence[Mapping[str, Any]],
) -> list[str]:
    """State what a run found: about each modality, then each contrast of models, then published experiments.

    No finding claims more than its verdict (``metamers.compare.verdict``).

    Parameters
    ----------
    results
        ``results`` of ``metamers.report.pages.site_context``, one per modality; empty without generation models.
    contrasts
        Results of ``metamers.report.contrasts.contrast_sentence``; those that are not undecided come first.
    relation
        Result of ``metamers.report.pages.relations``.
    """
    decided = sorted(contrasts, key=lambda contrast: contrast["verdict"].degree == "undecided")
    found = [
        *map(_of_modality, results),
        *map(_of_contrast, decided[:1]),
        *map(_of_relation, relation),
        *map(_of_contrast, decided[1:]),
    ]
    return found[:MOST_FINDINGS]


def _of_modality(result: Mapping[str, Any]) -> str:
    not_converged = ", not converged" if result["quality"] in UNCONVERGED_QUALITIES else ""
    with_penalty = f"; with a penalty: {', '.join(result['penalized'])}" if result["penalized"] else ""
    made = f"{result['made']} metamers (quality {result['quality']}{not_converged}{with_penalty})"
    accepted = f"{result['title']}: {result['accepted']} of {made} were accepted"
    if not (result["first_known"] and result["last_known"]):
        return f"{accepted}; other models classified none of the first or of the last stage."
    return (
        f"{accepted}; other models recognize {percent(result['first'])} of those of the first stage after the input "
        f"and {percent(result['last'])} of those of the last stage (guessing: {100 / result['categories']:.1f}%). "
        f"{capitalized(decline_claim(result['verdict']))}: {basis(result['verdict'], result['noun'])}"
    )


def _of_contrast(contrast: Mapping[str, Any]) -> str:
    return f"{contrast['claim']}: at the later stages, {basis(contrast['verdict'])}"


def _of_relation(relation: Mapping[str, Any]) -> str:
    return (
        f"Published experiments, {relation['name']}: recognition of a model's metamers by other models explains "
        f"{percent(relation['r2'])} of the variance of recognition by participants."
    )
