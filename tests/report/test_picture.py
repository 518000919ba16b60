"""The picture that introduces the project: the stimulus that it shows, and what it draws."""

import io

import numpy as np
import xarray as xr
from PIL import Image

from metamers.report.picture import example_stimulus, picture, png

STAGES = ["natural", "input", "logits"]
ERRORS = {"input": 0.0207, "logits": 0.25}


def recognizable() -> xr.Dataset:
    """One generation model that recognizes its own metamers, and other models that do not."""
    curve = (("generation_model", "stage"), [[1.0, 1.0, 0.1]])
    return xr.Dataset(
        {
            "proportion_correct": (("generation_model", "stage", "recognition_model"), np.ones((1, 3, 1))),
            "stage_number": (("generation_model", "stage"), [[0, 1, 2]]),
            **{f"other_models{end}": curve for end in ("", "_low", "_high")},
        },
        coords={"generation_model": ["net"], "stage": STAGES, "recognition_model": ["net"]},
    )


def test_the_example_is_the_first_stimulus_with_accepted_metamers_at_most_stages():
    accepted = xr.DataArray(
        [[[True], [True], [True]], [[False], [True], [True]]],
        dims=("stage", "stimulus", "seed"),
        coords={"stage": STAGES[1:], "stimulus": ["a", "b", "c"]},
    )
    assert example_stimulus(accepted) == "b"


def test_each_image_is_above_the_point_of_its_stage():
    images = {stage: np.full((8, 8, 3), 40 * number, np.uint8) for number, stage in enumerate(STAGES)}
    figure = picture(images, ERRORS, recognizable(), "net", 4)
    figure.draw_without_rendering()
    *shown, curve = figure.axes
    titles = [axes.get_title().split("\n") for axes in shown]
    assert [name for name, _ in titles][1:] == STAGES[1:]
    assert [error.split(" ")[-1] for _, error in titles] == ["", "0.021", "0.25"]
    assert [int(axes.images[0].get_array().max()) for axes in shown] == [0, 40, 80]
    middles = [axes.get_position().x0 + axes.get_position().width / 2 for axes in shown]
    points = curve.transData.transform([(number, 0) for number in range(3)])[:, 0] / figure.bbox.width
    np.testing.assert_allclose(middles, points, atol=0.02)
    lines = {line.get_label(): line.get_ydata() for line in curve.lines}
    np.testing.assert_array_equal(lines["the model itself"], [1, 1, 1])


def test_the_file_is_small_and_always_the_same():
    images = {stage: np.zeros((8, 8, 3), np.uint8) for stage in STAGES}
    first, second = (png(picture(images, ERRORS, recognizable(), "net", 4)) for _ in range(2))
    assert first == second
    assert Image.open(io.BytesIO(first)).mode == "P"
