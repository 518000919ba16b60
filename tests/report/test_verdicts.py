"""The words of verdicts: no page and no finding says more than the evidence, and each says what is missing."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from metamers.compare.criterion import OF_RUN, STRICTER
from metamers.compare.verdict import MIN_STIMULI, MIN_UNRELATED_FAMILIES, Evidence, verdict
from metamers.report.verdicts import (
    basis,
    contrast_claim,
    criterion_context,
    decline_claim,
    decline_sentences,
    difference_in_words,
    missing_evidence,
)

WHOLE = Evidence(0.5, 0.3, 0.7, MIN_STIMULI, MIN_UNRELATED_FAMILIES, True, 0.02)
# A change of the evidence → what the words then say is missing.
LACKS = {
    "only 6 of the 20 images that are needed": {"n": 6},
    "only one unrelated family of models was asked (2 are needed)": {"unrelated_families": 1},
    "only models of the same family were asked": {"unrelated_families": 0},
}
UNCONVERGED = {"match_suffices": False, "normalized_error": 0.28}
UNDECIDED = [UNCONVERGED, {"low": -0.072, "high": 0.605}, {"low": -0.2, "high": 0.0}, {"low": np.nan, "high": np.nan}]


def changed(**values):
    return verdict(dataclasses.replace(WHOLE, **values))


def test_only_a_whole_verdict_claims_without_reservation():
    assert decline_claim(changed()) == "this shows that some invariances of the last stage are model-specific"
    assert contrast_claim(changed(), "a", "b") == "Metamers of a are recognized more often than those of b"
    assert (
        basis(changed(), "images")
        == "difference +50.0 (+30.0 to +70.0) percentage points (95% interval over 20 images)."
    )


@pytest.mark.parametrize(("words", "values"), LACKS.items())
def test_what_is_missing_is_named_and_the_claim_is_a_suggestion(words, values):
    found = changed(**values)
    assert missing_evidence(found, "images") == [words]
    assert decline_claim(found).startswith("this suggests that")
    assert decline_claim(found).endswith("but does not show it")
    assert contrast_claim(found, "a", "b").startswith("This run suggests, but does not show, that")
    assert words in basis(found, "images")


@pytest.mark.parametrize("values", UNDECIDED)
@pytest.mark.parametrize("lacking", [{}, *LACKS.values()])
def test_an_undecided_run_claims_neither_a_difference_nor_equality(values, lacking):
    found = changed(**values, **lacking)
    said = [decline_sentences(found, 1.0, 0.4, "images"), contrast_claim(found, "a", "b")]
    assert "undecided" in said[0]
    assert said[1].startswith("It is undecided whether")
    for claim in ("model-specific", "shows", "suggests", "equal", "share", "as often"):
        assert not any(claim in words for words in said), claim


def test_metamers_that_have_not_converged_are_named_with_their_error():
    words = "the metamers are not shown to have converged (normalized error 0.28)"
    assert missing_evidence(changed(**UNCONVERGED), "images") == [words]


def test_a_difference_in_the_other_direction_says_nothing_about_invariances():
    turned = {"difference": -0.5, "low": -0.7, "high": -0.3}
    assert "model-specific" not in decline_claim(changed(**turned)) + decline_claim(changed(**turned, n=6))
    assert "recognize more metamers of the last stage" in decline_claim(changed(**turned))
    assert contrast_claim(changed(**turned), "a", "b") == "Metamers of a are recognized less often than those of b"


def test_without_an_interval_none_is_named():
    nothing = {"difference": np.nan, "low": np.nan, "high": np.nan, "n": 0}
    assert difference_in_words(changed(**nothing).evidence, "images") == "there are no images to compare"
    one = changed(low=np.nan, high=np.nan, n=1).evidence
    assert difference_in_words(one, "sounds") == "difference +50.0 percentage points (no interval: it needs two sounds)"


def test_the_sentences_have_the_numbers_that_they_rest_on():
    found = changed(n=6, unrelated_families=0)
    assert decline_sentences(found, 0.95, 0.1, "images") == (
        "Other models recognize 95% of the metamers of the first stage after the input and 10% of those of the last "
        "stage. This suggests that some invariances of the last stage are model-specific, but does not show it: "
        "difference +50.0 (+30.0 to +70.0) percentage points (95% interval over 6 images)."
    )
    assert basis(found, "images") == (
        "difference +50.0 (+30.0 to +70.0) percentage points (95% interval over 6 images). Missing to show a difference: "
        "only 6 of the 20 images that are needed; only models of the same family were asked."
    )


def test_a_conclusion_changes_with_its_verdict_or_its_side_of_0():
    values = {
        "same": ((0.5, 0.3, 0.7, "shown"), (0.4, 0.1, 0.6, "shown")),
        "turned": ((0.5, 0.3, 0.7, "shown"), (-0.5, -0.7, -0.3, "shown")),
        "weaker": ((0.5, 0.3, 0.7, "shown"), (0.5, 0.3, 0.7, "suggested")),
        "nothing left": ((0.5, 0.3, 0.7, "undecided"), (np.nan, np.nan, np.nan, "undecided")),
    }
    dims = ("conclusion", "criterion")
    names = ("difference", "low", "high", "degree")
    columns = {
        name: (dims, [[one[place] for one in row] for row in values.values()]) for place, name in enumerate(names)
    }
    counts = {"n": (dims, [[20, 1]] * 4), "accepted_metamers": (dims, [[40, 1]] * 4)}
    drawn = xr.Dataset(columns | counts, {"conclusion": list(values), "criterion": [OF_RUN, STRICTER]})
    context = criterion_context(drawn)
    assert (context["changed"], context["number"]) == (["turned", "weaker", "nothing left"], 4)
    assert context["testable"]
    assert not criterion_context(drawn.assign(accepted_metamers=drawn["n"] * 0 + 40))["testable"]
    assert context["table"]["rows"][1] == [
        *("turned", "+50.0 (+30.0 to +70.0)", "40 metamers, n = 20", "shown"),
        *("−50.0 (−70.0 to −30.0)", "1 metamer, n = 1", "shown"),
    ]
