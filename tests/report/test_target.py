"""Figure of the match against the target: the median is filled where it has reached the target."""

import numpy as np
import xarray as xr

from metamers.report.looks import looks_of
from metamers.report.target import SMALLEST, target_figure

STAGES = ["input", "early", "late"]
MODELS = {
    "net": {"modality": "vision", "targets": {"early": 0.1, "late": 0.05}},
    "ear": {"modality": "audio", "targets": {"early": 0.02}},
}
ERRORS = np.array([[[0.001]], [[0.08]], [[0.2]]]) * [[[0.5], [1], [3]]]  # (stage, stimulus, seed)
ACCEPTANCE = xr.Dataset({"normalized_error": (("stage", "stimulus", "seed"), ERRORS)}, {"stage": STAGES})


def test_medians_are_filled_where_they_are_at_most_the_target():
    figure = target_figure(dict.fromkeys(MODELS, ACCEPTANCE), MODELS, looks_of(MODELS))
    images, sounds = figure.axes
    missed, reached = images.get_lines()
    np.testing.assert_allclose(missed.get_xydata(), [[1, 0.2]])
    np.testing.assert_allclose(reached.get_xydata(), [[0, 0.08]])
    assert missed.get_markerfacecolor() == "white" != reached.get_markerfacecolor()
    ranges, limits = images.collections
    np.testing.assert_allclose([segment[:, 1] for segment in ranges.get_segments()], [[0.04, 0.24], [0.1, 0.6]])
    np.testing.assert_allclose([segment[:, 1] for segment in limits.get_segments()], [[0.1, 0.1], [0.05, 0.05]])
    assert [label.get_text() for label in images.get_xticklabels()] == ["early", "late"]
    assert [text.get_text() for text in images.get_legend().get_texts()] == ["net", "target"]
    assert sounds.collections[1].get_segments()[0][0, 1] == 0.02


def test_an_error_of_0_is_drawn_at_the_smallest_one():
    figure = target_figure({"ear": ACCEPTANCE * 0}, {"ear": MODELS["ear"]}, looks_of(MODELS))
    assert figure.axes[0].get_lines()[1].get_ydata() == SMALLEST


def test_models_and_modalities_without_a_target_are_left_out():
    models = MODELS | {"only_input": {"modality": "vision", "targets": {}}}
    models["ear"] = MODELS["ear"] | {"targets": {}}
    (images,) = target_figure(dict.fromkeys(models, ACCEPTANCE), models, looks_of(models)).axes
    assert [text.get_text() for text in images.get_legend().get_texts()] == ["net", "target"]


def test_a_stage_is_filled_exactly_where_half_of_its_metamers_have_reached_the_target():
    errors = xr.Dataset({"normalized_error": (("stage", "stimulus", "seed"), [[[1.0], [1.0], [3.0], [3.0]]])})
    errors = errors.assign_coords(stage=["early"])
    models = {"net": {"modality": "vision", "targets": {"early": 1.5}}}
    _, filled = target_figure({"net": errors}, models, looks_of(models)).axes[0].get_lines()
    assert len(filled.get_xdata()) == 1
