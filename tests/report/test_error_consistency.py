"""Error consistency on the page of recognizability."""

import re

import numpy as np
import pytest

from metamers.compare.error_consistency import error_consistency_dataset
from metamers.report.error_consistency import consistency_context, consistency_figure, consistency_points
from metamers.report.verdicts import consistency_claim
from tests.report.sites import acceptance_of, recognition_of

FAMILIES = {"net": "net", "a": "a", "b": "b", "c": "b"}
STAGES = ["input", "logits"]


def compared(stimuli=24, recognition_models=("a", "b", "c"), alike=False):
    """Error consistency for one generation model; ``alike``: the recognition models give the same answers."""
    rng = np.random.default_rng(0)
    acceptance = acceptance_of(STAGES, stimuli, 1, rng)
    recognition = recognition_of(list(recognition_models), acceptance, "net", rng)
    if alike:
        recognition = dict.fromkeys(recognition_models, recognition["a"])
    return error_consistency_dataset({"net": acceptance}, {"net": recognition}, FAMILIES)


def claims(dataset):
    return {
        stage: claim for claim, stages in consistency_context(dataset)["sentences"][0]["claims"] for stage in stages
    }


def test_an_interval_that_includes_0_is_undecided_and_no_pair_is_said():
    found = claims(compared())
    assert "undecided" in found["input"]
    assert found["natural"] == consistency_claim(None, 24)  # all models are always right
    assert "undecided" not in found["natural"]


def test_a_sentence_is_about_a_family_if_there_is_no_other():
    (one,) = consistency_context(compared(recognition_models=("b", "c")))["sentences"]
    assert one["kind"] == "pairs within a family"
    assert len(dict(one["claims"])) == 2
    (one,) = consistency_context(compared())["sentences"]
    assert one["kind"] == "pairs of different families"


@pytest.mark.parametrize(("stimuli", "suggested"), [(12, True), (24, False)])
def test_the_same_errors_are_shown_with_enough_stimuli_and_suggested_with_fewer(stimuli, suggested):
    found = claims(compared(stimuli, alike=True))["input"]
    assert consistency_claim(1, 24) in found
    assert " more " in found
    assert bool(re.search(rf"\b{stimuli} of the 20\b", found)) == suggested


def test_points_and_table_have_the_means_of_the_file():
    dataset = compared()
    points = consistency_points(dataset)
    assert [point["stage"] for point in points if point["kind"] == "pairs of different families"] == STAGES
    assert points[0]["value"] == float(dataset["between_families"].sel(generation_model="net", stage="input"))
    rows = consistency_context(dataset)["table"]["rows"]
    assert rows[0][:5] == ["net", "input", "pairs of different families", "2", "24"]


def test_the_figure_shows_every_stage_in_processing_order_the_level_0_and_models_without_a_pair():
    figure = consistency_figure(compared()).decode()
    assert figure.index("natural") < figure.index("input") < figure.index("logits")
    assert "κ" in figure
    assert "pairs within a family" in figure
    assert "net: " in consistency_figure(compared(recognition_models=("a",))).decode()
