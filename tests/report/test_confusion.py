"""Confusion matrices of the report: what is counted, and that few or many words can be read."""

import re
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from metamers.report.confusion import confusion, confusion_figure, shown_stages
from metamers.report.figures import svg

DIMS = ("stage", "stimulus", "seed")


def judged(answers: np.ndarray, words: list[str]) -> xr.Dataset:
    """Answers (stage, stimulus, seed) about one stimulus of each word."""
    stages = ["natural", "cochleagram", "final"]
    coords = {"stage": stages, "stimulus": [f"s_{word}" for word in words], "category": ("stimulus", words)}
    return xr.Dataset({"answer": (DIMS, answers)}, coords=coords)


@pytest.fixture
def counts() -> xr.DataArray:
    """Two words, two seeds, two recognition_models: right about natural stimuli, and at the last stage always "zebra"."""
    natural = np.array([["dog", "dog"], ["bee", "bee"]])
    answers = np.stack([natural, natural, np.full((2, 2), "zebra")])
    recognition = {name: judged(answers.copy(), ["dog", "bee"]) for name in ("net", "ear", "eye")}
    recognition["net"]["answer"][:] = "net alone says this"
    accepted = xr.DataArray(
        [[[True, False], [True, True]], [[False, False], [True, True]]],
        coords={"stage": ["cochleagram", "final"], "stimulus": ["s_dog", "s_bee"]},
        dims=DIMS,
    )
    return confusion("net", recognition, accepted, ["natural", "cochleagram", "final"])


def test_the_stages_shown_are_an_early_a_middle_and_the_last_one():
    assert shown_stages(["input", "a", "b", "c", "d"]) == ["natural", "a", "c", "d"]
    assert shown_stages(["input"]) == ["natural", "input"]
    assert shown_stages(["a", "b"]) == ["natural", "a", "b"]


def test_answers_of_the_others_about_accepted_metamers_are_counted(counts):
    assert counts["category"].values.tolist() == ["bee", "dog"]
    assert counts["answered_category"].values.tolist() == ["bee", "dog", "zebra"]  # not what the model itself says
    assert counts.sel(stage="natural").values.tolist() == [[2, 0, 0], [0, 2, 0]]  # once, not once a seed
    assert counts.sel(stage="cochleagram").values.tolist() == [[4, 0, 0], [0, 2, 0]]
    assert counts.sel(stage="final").values.tolist() == [[0, 0, 4], [0, 0, 0]]


def test_a_model_without_other_models_has_an_empty_matrix():
    answers = np.array([[["dog"]], [["dog"]], [["dog"]]])
    accepted = xr.DataArray(
        np.ones((2, 1, 1), bool), coords={"stage": ["cochleagram", "final"], "stimulus": ["s_dog"]}, dims=DIMS
    )
    counts = confusion("net", {"net": judged(answers, ["dog"])}, accepted, ["natural", "final"])
    assert counts.sum() == 0
    assert not re.search(r"\d", confusion_figure(counts, "audio", "word").axes[0].get_title(loc="left"))


def test_the_figure_has_a_panel_for_each_stage_and_says_what_was_right(counts):
    figure = confusion_figure(counts, "audio", "word")
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == [
        "natural: 4 of 4 correct", "cochleagram: 6 of 6 correct", "final: 0 of 4 correct",
    ]  # fmt: skip
    assert [text.get_text() for text in panels[0].get_xticklabels()] == ["bee", "dog", "zebra"]
    assert panels[2].collections[0].get_array().tolist() == [1]  # the row without metamers has no square
    assert svg(figure) == svg(confusion_figure(counts, "audio", "word"))


def test_many_words_do_not_overlap():
    words = [f"word_{number:02d}" for number in range(48)]
    coords = {"stage": ["natural"], "category": words, "answered_category": words}
    figure = confusion_figure(
        xr.DataArray(np.eye(48, dtype=int)[None], coords=coords, dims=list(coords)), "audio", "word"
    )
    figure.draw_without_rendering()
    for labels, step in ((figure.axes[0].get_xticklabels(), "x"), (figure.axes[0].get_yticklabels(), "y")):
        boxes = sorted(getattr(label.get_window_extent(), f"interval{step}").tolist() for label in labels)
        assert all(first[1] <= second[0] + 1 for first, second in pairwise(boxes))
