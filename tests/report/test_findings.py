"""A run ends with at most three sentences, which claim no more than its intervals permit."""

import pytest

from metamers.report.findings import findings

IMAGES = {
    "title": "Images", "accepted": 40, "made": 48, "first": 0.95, "last": 0.1, "first_known": True, "last_known": True,
    "chance": 0.08, "quality": "quick",
}  # fmt: skip
RELATION = [{"name": "vision", "r2": 0.82}, {"name": "audio", "r2": 0.9}]


def contrast(side, name="robust"):
    return {"model": name, "reference": "plain", "side": side, "found": "+10.0 (+5.0 to +15.0)"}


def test_a_modality_is_told_by_its_first_and_last_stage_and_the_rest_by_published_experiments():
    first, second, third = findings([IMAGES], [], RELATION)
    assert first == (
        "Images: 40 of 48 metamers (quality quick) were accepted; other models recognize 95% of those of the first stage "
        "after the input and 10% of those of the last stage (chance 8%)."
    )
    assert "vision" in second
    assert "audio" in third
    assert "90%" in third


def test_a_stage_that_nobody_judged_has_no_percentage():
    (sentence, *_) = findings([IMAGES | {"last_known": False}], [], RELATION)
    assert sentence.endswith("other models classified none of the first or of the last stage.")


@pytest.mark.parametrize(
    ("side", "said"),
    [
        (1, "Metamers of robust are recognized better than those of plain: at the later stages, difference +10.0"),
        (-1, "are recognized less well than"),
        (0, "may be recognized equally"),
        (None, "Recognition of metamers of robust and of plain: at the later stages, difference"),
    ],
)
def test_a_contrast_says_no_more_than_its_interval(side, said):
    assert said in findings([IMAGES, IMAGES], [contrast(side)], RELATION)[2]


def test_of_several_contrasts_one_that_is_decided_comes_first():
    assert "bold" in findings([IMAGES, IMAGES], [contrast(0), contrast(1, "bold")], RELATION)[2]


def test_a_run_without_models_tells_of_published_experiments():
    assert len(findings([], [], RELATION)) == 2
