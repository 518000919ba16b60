"""A run ends with at most three findings, which claim no more than its verdicts permit."""

import re

from metamers.compare.verdict import Evidence, verdict
from metamers.report.findings import findings
from metamers.report.verdicts import contrast_claim

SUGGESTED = verdict(Evidence(0.85, 0.6, 0.95, 8, 0, True, 0.25))
NOT_CONVERGED = verdict(Evidence(0.85, 0.6, 0.95, 8, 0, False, 0.25))
UNDECIDED = verdict(Evidence(0.267, -0.072, 0.605, 9, 1, False, 0.05))
IMAGES = {
    "title": "Images", "accepted": 40, "made": 48, "first": 0.95, "last": 0.1, "first_known": True, "last_known": True,
    "categories": 19, "quality": "quick", "penalized": [], "verdict": NOT_CONVERGED, "noun": "images",
}  # fmt: skip
RELATION = [{"name": "vision", "r2": 0.82}, {"name": "audio", "r2": 0.9}]


def contrast(found, name="robust"):
    return {"verdict": found, "claim": contrast_claim(found, name, "plain")}


def test_a_modality_is_told_by_its_first_and_last_stage_and_the_rest_by_published_experiments():
    first, second, third = findings([IMAGES], [], RELATION)
    numbers = (r"40 of 48", "quick", "95%", "10%", r"5\.3%", r"\+85\.0 \(\+60\.0 to \+95\.0\)", "8 of the 20", r"0\.25")
    assert re.match("Images: .*" + ".*".join(numbers), first)
    assert "vision" in second
    assert "audio" in third
    assert "90%" in third


def test_a_stage_that_nobody_judged_has_no_percentage():
    (sentence, *_) = findings([IMAGES | {"last_known": False}], [], RELATION)
    assert sentence.count("%") == 0


def test_a_contrast_says_no_more_than_its_verdict():
    for found in (verdict(Evidence(0.1, 0.05, 0.15, 20, 2, True, 0.02)), SUGGESTED, UNDECIDED):
        said = findings([IMAGES, IMAGES], [contrast(found)], RELATION)[2]
        assert said.startswith(contrast_claim(found, "robust", "plain"))
    assert re.search(r"\+26\.7 \(−7\.2 to \+60\.5\).*9 of the 20", said)


def test_an_undecided_run_finds_no_model_specific_invariances():
    first, *_ = findings([IMAGES | {"verdict": UNDECIDED}], [contrast(UNDECIDED)], RELATION)
    assert "undecided" in first
    assert "model-specific" not in first


def test_of_several_contrasts_one_that_is_decided_comes_first():
    found = findings([IMAGES, IMAGES], [contrast(UNDECIDED), contrast(SUGGESTED, "bold")], RELATION)
    assert "bold" in found[2]


def test_models_whose_metamers_have_a_penalty_are_named():
    (found,) = findings([IMAGES | {"quality": "standard", "penalized": ["smooth"]}], [], [])
    assert re.match(r"Images: 40 of 48 .*\(.*standard.*smooth\)", found)


def test_a_run_without_models_tells_of_published_experiments():
    assert len(findings([], [], RELATION)) == 2
