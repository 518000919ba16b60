"""A run ends with at most three findings, which claim no more than its verdicts permit."""

import pytest

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
    assert first == (
        "Images: 40 of 48 metamers (quality quick, not converged) were accepted; other models recognize 95% of those of the first stage "
        "after the input and 10% of those of the last stage (guessing: 5.3%). Whether other models recognize fewer metamers of "
        "the last stage than of the first is undecided: difference +85.0 (+60.0 to +95.0) percentage points (95% interval "
        "over 8 images). Missing to show a difference: only 8 of the 20 images that are needed; only models of the same "
        "family were asked; the metamers are not shown to have converged (normalized error 0.25)."
    )
    assert "vision" in second
    assert "audio" in third
    assert "90%" in third


def test_a_stage_that_nobody_judged_has_no_percentage():
    (sentence, *_) = findings([IMAGES | {"last_known": False}], [], RELATION)
    assert sentence.endswith("other models classified none of the first or of the last stage.")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (verdict(Evidence(0.1, 0.05, 0.15, 20, 2, True, 0.02)), "Metamers of robust are recognized more often than those of plain: at the"),
        (SUGGESTED, "This run suggests, but does not show, that metamers of robust are recognized more often than those of plain: at"),
        (UNDECIDED, "It is undecided whether metamers of robust are recognized more often than those of plain: at the later stages, difference +26.7 (−7.2 to +60.5) percentage points (95% interval over 9 stimuli). Missing to show a difference: an interval that excludes 0; only 9 of the 20"),
    ],
)  # fmt: skip
def test_a_contrast_says_no_more_than_its_verdict(found, said):
    assert findings([IMAGES, IMAGES], [contrast(found)], RELATION)[2].startswith(said)


def test_an_undecided_run_finds_no_model_specific_invariances():
    first, *_ = findings([IMAGES | {"verdict": UNDECIDED}], [contrast(UNDECIDED)], RELATION)
    assert "Whether other models recognize fewer metamers of the last stage than of the first is undecided" in first
    assert "model-specific" not in first


def test_of_several_contrasts_one_that_is_decided_comes_first():
    found = findings([IMAGES, IMAGES], [contrast(UNDECIDED), contrast(SUGGESTED, "bold")], RELATION)
    assert "bold" in found[2]


def test_models_whose_metamers_have_a_penalty_are_named():
    (found,) = findings([IMAGES | {"quality": "standard", "penalized": ["smooth"]}], [], [])
    assert found.startswith("Images: 40 of 48 metamers (quality standard; with a penalty: smooth) were accepted")


def test_a_run_without_models_tells_of_published_experiments():
    assert len(findings([], [], RELATION)) == 2
