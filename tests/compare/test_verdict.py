"""Verdicts: each degree, each missing condition, and the evidence that they rest on."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from metamers.compare.proportions import difference_interval
from metamers.compare.verdict import (
    FIRST_MINUS_LAST,
    LATER_STAGES,
    MIN_STIMULI,
    MIN_UNRELATED_FAMILIES,
    Evidence,
    contrast_evidence,
    first_minus_last,
    read_evidence,
    verdict,
)

NAN = float("nan")
WHOLE = Evidence(0.5, 0.3, 0.7, MIN_STIMULI, MIN_UNRELATED_FAMILIES, True, 0.02)
INCLUDES_0, NO_INTERVAL = {"low": -0.1, "high": 0.7}, {"low": NAN, "high": NAN}
LACKS = {
    "stimuli": {"n": MIN_STIMULI - 1},
    "families": {"unrelated_families": MIN_UNRELATED_FAMILIES - 1},
    "match": {"match_suffices": False},
}


@pytest.mark.parametrize("negative", [False, True])
def test_all_conditions_together_show_a_difference_and_too_few_stimuli_or_families_suggest_it(negative):
    turned = {"difference": -0.5, "low": -0.7, "high": -0.3} if negative else {}
    whole = dataclasses.replace(WHOLE, **turned)
    found = verdict(whole)
    assert (found.degree, found.side, found.missing) == ("shown", -1 if negative else 1, ())
    for condition, values in LACKS.items():
        found = verdict(dataclasses.replace(whole, **values))
        degree = "undecided" if condition == "match" else "suggested"
        assert (found.degree, found.side, found.missing) == (degree, -1 if negative else 1, (condition,))


@pytest.mark.parametrize("interval", [INCLUDES_0, NO_INTERVAL, {"low": 0.0, "high": 0.7}])
@pytest.mark.parametrize("values", [{}, *LACKS.values()])
def test_an_interval_that_includes_0_decides_nothing_whatever_else_holds(interval, values):
    found = verdict(dataclasses.replace(WHOLE, **interval, **values))
    assert (found.degree, found.side, found.missing[0]) == ("undecided", 0, "interval")


STAGES = ["input", "early", "late"]
STIMULI = [f"s{number}" for number in range(6)]


def answers(*rates) -> xr.Dataset:
    """Correct answers to natural stimuli and at each stage: of the first so many stimuli."""
    right = np.array([[number < rate for number in range(6)] for rate in rates])[..., None]
    coords = {"stage": ["natural", *STAGES], "stimulus": STIMULI, "seed": [0]}
    return xr.Dataset({"correct": (("stage", "stimulus", "seed"), right)}, coords)


def accepted(refused: int = 0, error: float = 0.2) -> xr.Dataset:
    """Acceptance of all metamers except the first ``refused`` ones of the last stage, whose errors are large."""
    kept = np.ones((3, 6, 1), bool)
    kept[-1, :refused] = False
    dims, coords = ("stage", "stimulus", "seed"), {"stage": STAGES, "stimulus": STIMULI, "seed": [0]}
    errors = np.where(kept, error * np.array([0.1, 0.5, 1])[:, None, None], 9.0)
    return xr.Dataset({"accepted": (dims, kept), "normalized_error": (dims, errors)}, coords)


FAMILIES = {"one": "a", "two": "a", "sibling": "a", "other": "b", "third": "c"}


def test_the_difference_is_paired_over_stimuli_with_metamers_at_both_stages():
    """One generation model: its own answers do not count, and the input is not the first stage."""
    recognition = {"one": {"one": answers(6, 6, 6, 6), "other": answers(6, 0, 6, 2)}}
    found = first_minus_last(
        recognition, {"one": accepted(1)}, FAMILIES, {"one": "vision"}, {"one": {"early": 0.1, "late": 0.1}}
    )
    evidence = read_evidence(found.sel(modality="vision"), FIRST_MINUS_LAST)
    exact = difference_interval(np.array([0, 1, 1, 1, 1.0]))  # the first stimulus has no metamer of the last stage
    assert (evidence.difference, evidence.low, evidence.high) == pytest.approx(
        (0.8, float(exact.low), float(exact.high))
    )
    assert (evidence.n, evidence.unrelated_families, evidence.match_suffices) == (5, 1, False)
    assert evidence.normalized_error == 0.2


def test_models_of_one_modality_are_averaged_and_unrelated_families_counted_for_the_least_favourable_model():
    """The first model has two unrelated families, the second one; stimuli that only one of them has count too."""
    recognition = {
        "one": {"one": answers(6, 6, 6, 6), "sibling": answers(6, 6, 6, 0), "other": answers(6, 6, 6, 0),
                "third": answers(6, 6, 6, 0)},
        "two": {"two": answers(6, 6, 6, 6), "sibling": answers(6, 6, 6, 6), "other": answers(6, 6, 6, 6)},
    }  # fmt: skip
    acceptance = {"one": accepted(), "two": accepted(2, 0.4)}
    modalities = {"one": "audio", "two": "audio"}
    targets = {"one": {"early": 0.1, "late": 0.2}, "two": {"input": 0.001, "early": 0.2, "late": 0.4}}
    found = first_minus_last(recognition, acceptance, FAMILIES, modalities, targets)
    evidence = read_evidence(found.sel(modality="audio"), FIRST_MINUS_LAST)
    exact = difference_interval(np.array([1, 1, 0.5, 0.5, 0.5, 0.5]))
    assert (evidence.difference, evidence.low, evidence.high) == pytest.approx(
        (4 / 6, float(exact.low), float(exact.high))
    )
    assert (evidence.n, evidence.unrelated_families, evidence.match_suffices) == (6, 1, True)


@pytest.mark.parametrize(
    ("targets", "error", "converged"),
    [
        ({"one": {"early": 0.1, "late": 0.2}, "two": {"early": 0.2, "late": 0.4}}, 0.4, True),
        ({"one": {"early": 0.1, "late": 0.2}, "two": {"early": 0.2, "late": 0.3}}, 0.4, False),  # one model
        ({"one": {"early": 0.09, "late": 0.2}, "two": {"early": 0.2, "late": 0.4}}, 0.4, False),  # the first stage
        ({"one": {"early": 0.1, "late": 0.2}, "two": {}}, 0.4, False),  # no target
    ],
)
def test_a_modality_has_converged_if_both_stages_of_every_model_have(targets, error, converged):
    models = ("one", "two")
    recognition = {name: {name: answers(6, 6, 6, 6), "other": answers(6, 6, 6, 0)} for name in models}
    acceptance = {"one": accepted(), "two": accepted(error=0.4)}
    found = first_minus_last(recognition, acceptance, FAMILIES, dict.fromkeys(models, "audio"), targets)
    evidence = read_evidence(found.sel(modality="audio"), FIRST_MINUS_LAST)
    assert (evidence.normalized_error, evidence.match_suffices) == (error, converged)


def test_a_model_that_nobody_else_judged_leaves_its_modality_undecided():
    recognition = {"one": {"one": answers(6, 6, 6, 6)}}
    found = first_minus_last(
        recognition, {"one": accepted()}, FAMILIES, {"one": "vision"}, {"one": {"early": 1, "late": 1}}
    )
    evidence = read_evidence(found.sel(modality="vision"), FIRST_MINUS_LAST)
    assert (evidence.n, evidence.unrelated_families) == (0, 0)
    assert verdict(evidence).degree == "undecided"


# The metamers of "two" have an error of 9 at "late".
TARGETS = {"one": {"early": 0.1, "late": 0.2}, "two": {"early": 0.2, "late": 0.4}}


def test_the_evidence_of_a_contrast_has_the_unrelated_families_and_the_match_of_its_later_stages():
    late = {"difference": 0.3, "low": 0.1, "high": 0.5, "n": 6}
    compared = xr.Dataset(
        {f"late_{name}": ("contrast", [value] * 2) for name, value in late.items()}
        | {
            "late_stages": ("contrast", ["early, late", "early"]),
            "judged_by": ("contrast", ["other, third", "sibling, other"]),
            "related_recognition_models": ("contrast", ["", "sibling"]),
        },
        coords={
            "contrast": ["unrelated", "related"],
            "model": ("contrast", ["one", "one"]),
            "reference": ("contrast", ["two", "two"]),
        },
    )
    acceptance = {"one": accepted(0, 0.2), "two": accepted(6, 0.4)}
    found = compared.merge(contrast_evidence(compared, [(["one"], ["two"])] * 2, acceptance, FAMILIES, TARGETS))
    first, second = (read_evidence(found.isel(contrast=place), LATER_STAGES) for place in range(2))
    assert first == Evidence(0.3, 0.1, 0.5, 6, 2, False, 9.0)
    assert second == Evidence(0.3, 0.1, 0.5, 6, 1, True, 0.2)
