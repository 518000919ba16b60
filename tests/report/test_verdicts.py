"""The words of verdicts: no page and no finding says more than the evidence, and each says what is missing."""

import dataclasses
import re

import numpy as np
import pytest
import xarray as xr

from metamers.compare.criterion import OF_RUN, STRICTER
from metamers.compare.verdict import MIN_STIMULI, MIN_UNRELATED_FAMILIES, Evidence, verdict
from metamers.report.verdicts import (
    basis,
    capitalized,
    contrast_claim,
    criterion_context,
    decline_claim,
    decline_sentences,
    difference_in_words,
    missing_evidence,
)

WHOLE = Evidence(0.5, 0.3, 0.7, MIN_STIMULI, MIN_UNRELATED_FAMILIES, True, 0.02)
# A change of the evidence → numbers in the words that then say what is missing.
LACKS = [({"n": 6}, "6 of the 20 images"), ({"unrelated_families": 1}, "(2 "), ({"unrelated_families": 0}, "family")]
UNCONVERGED = {"match_suffices": False, "normalized_error": 0.28}
UNDECIDED = [UNCONVERGED, {"low": -0.072, "high": 0.605}, {"low": -0.2, "high": 0.0}, {"low": np.nan, "high": np.nan}]


def changed(**values):
    return verdict(dataclasses.replace(WHOLE, **values))


TURNED = {"difference": -0.5, "low": -0.7, "high": -0.3}


def test_each_degree_and_direction_has_its_own_claim():
    degrees = [{}, {"n": 6}, UNCONVERGED]
    found = [changed(**values) for values in (*degrees, *(TURNED | values for values in degrees[:2]))]
    assert [(one.degree, one.side) for one in found] == [
        ("shown", 1), ("suggested", 1), ("undecided", 1), ("shown", -1), ("suggested", -1)
    ]  # fmt: skip
    assert len({decline_claim(one) for one in found}) == len(found)
    assert len({contrast_claim(one, "first", "second") for one in found}) == len(found)
    for one in found:  # by the names of the degrees
        for claim in (decline_claim(one), contrast_claim(one, "first", "second")):
            assert ("suggest" in claim, "undecided" in claim) == (one.degree == "suggested", one.degree == "undecided")
    claim = contrast_claim(changed(), "first", "second")
    assert claim.index("first") < claim.index("second")
    assert "+50.0 (+30.0 to +70.0)" in basis(changed(), "images")
    assert missing_evidence(changed(), "images") == []


@pytest.mark.parametrize(("values", "words"), LACKS)
def test_what_is_missing_is_named_and_the_claim_is_a_suggestion(values, words):
    found = changed(**values)
    (missing,) = missing_evidence(found, "images")
    assert words in missing
    assert missing in basis(found, "images")
    assert decline_claim(found) == decline_claim(changed(n=6)) != decline_claim(changed())
    assert contrast_claim(found, "a", "b") == contrast_claim(changed(n=6), "a", "b")


def test_an_undecided_run_claims_neither_a_difference_nor_equality():
    for values in UNDECIDED:
        for lacking in ({}, *(lack for lack, _ in LACKS)):
            found = changed(**values, **lacking)
            assert decline_claim(found) == decline_claim(changed(**UNCONVERGED))
            assert capitalized(decline_claim(found)) in decline_sentences(found, 1.0, 0.4, "images")
            assert contrast_claim(found, "a", "b") == contrast_claim(changed(**UNCONVERGED), "a", "b")


def test_metamers_that_have_not_converged_are_named_with_their_error():
    (missing,) = missing_evidence(changed(**UNCONVERGED), "images")
    assert "0.28" in missing


def test_a_difference_in_the_other_direction_says_nothing_about_invariances():
    assert "model-specific" in decline_claim(changed())
    assert "model-specific" not in decline_claim(changed(**TURNED)) + decline_claim(
        changed(**TURNED, n=6)
    ) + decline_claim(changed(**UNCONVERGED))
    more, less = contrast_claim(changed(), "a", "b"), contrast_claim(changed(**TURNED), "a", "b")
    assert "more" in more
    assert more.replace("more", "less") == less


def test_without_an_interval_none_is_named():
    nothing = {"difference": np.nan, "low": np.nan, "high": np.nan, "n": 0}
    assert not set("0123456789") & set(difference_in_words(changed(**nothing).evidence, "images"))
    one = changed(low=np.nan, high=np.nan, n=1).evidence
    assert re.search(r"\+50\.0 [^\d]*sounds", difference_in_words(one, "sounds"))


def test_the_sentences_have_the_numbers_that_they_rest_on():
    found = changed(n=6, unrelated_families=0)
    numbers = r"\+50\.0 \(\+30\.0 to \+70\.0\).* 6 images"
    assert re.search(rf"95% .*10% .*{numbers}", decline_sentences(found, 0.95, 0.1, "images"))
    assert re.search(rf"{numbers}.*6 of the 20 images", basis(found, "images"))


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
