"""Colours and marks of models: distinct, the same everywhere, and visible on light and on dark pages."""

import re
from itertools import combinations

import numpy as np
import pytest

from metamers.report.figures import BLUE, FAINT, INK, ORANGE, RED, SLATE
from metamers.report.looks import COLOURS, MARKS, looks_of, mark
from metamers.report.render import SITE

MODELS = [f"net_{number}" for number in range(len(COLOURS) * len(MARKS))]
HUE_ROTATED = np.array([[-0.574, 1.430, 0.144], [0.426, 0.430, 0.144], [0.426, 1.430, -0.856]])  # by 180 degrees
STYLE = (SITE / "base.css").read_text()


def rgb(colour: str) -> np.ndarray:
    """A hexadecimal colour as three numbers from 0 to 1."""
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    return np.array([int(digits[place : place + 2], 16) for place in (0, 2, 4)]) / 255


def inverted(colour: np.ndarray) -> np.ndarray:
    """A colour after the filter of drawings on dark pages."""
    (share,) = re.findall(r"--drawn: invert\(([\d.]+)\) hue-rotate\(180deg\)", STYLE)
    share = float(share)
    return np.clip(HUE_ROTATED @ (share + (1 - 2 * share) * colour), 0, 1)


def contrast(first: np.ndarray, second: np.ndarray) -> float:
    """Contrast of two colours by WCAG 2."""
    linear = [np.where(one <= 0.04045, one / 12.92, ((one + 0.055) / 1.055) ** 2.4) for one in (first, second)]
    low, high = sorted(float(one @ [0.2126, 0.7152, 0.0722]) for one in linear)
    return (high + 0.05) / (low + 0.05)


def papers(name: str) -> list[np.ndarray]:
    """Values of a colour of the style, on light and on dark pages."""
    return [rgb(value) for value in re.findall(rf"--{name}: (#\w+)", STYLE)]


def test_models_differ_in_colour_or_mark():
    looks = looks_of(MODELS)
    assert len({(look.colour, look.marker) for look in looks.values()}) == len(MODELS)


def test_neighbours_differ_in_both():
    looks = list(looks_of(MODELS).values())[: len(COLOURS)]
    for one, other in combinations(looks, 2):
        assert one.colour != other.colour
        assert one.outline != other.outline


def test_a_look_depends_only_on_the_models_before():
    assert looks_of(MODELS[:3]).items() <= looks_of(MODELS).items()
    assert looks_of(["a", "b", "a"]) == looks_of(["a", "b"])


def test_no_model_has_a_colour_that_means_something_else():
    assert not {BLUE, ORANGE, INK, RED} & set(COLOURS)


def test_marks_on_pages_are_open_or_filled():
    look = looks_of(["net"])["net"]
    assert 'fill="none"' in mark(look)
    assert f'fill="{look.colour}"' in mark(look, filled=True)
    assert look.outline in mark(look)


def test_drawings_have_the_paper_of_the_page_in_the_dark():
    np.testing.assert_allclose(inverted(np.ones(3)), papers("paper")[1], atol=1 / 255)


@pytest.mark.parametrize("colour", [*COLOURS, BLUE, ORANGE, INK, RED, FAINT, SLATE])
def test_colours_of_drawings_are_visible_on_light_and_on_dark_pages(colour):
    light, dark = papers("paper")
    least = 4.5 if colour in (INK, SLATE, FAINT) else 3  # words, marks
    assert contrast(rgb(colour), light) >= least
    assert contrast(inverted(rgb(colour)), dark) >= least


@pytest.mark.parametrize("name", ["ink", "faint", "blue", "red", "green"])
def test_words_are_readable_on_light_and_on_dark_pages(name):
    for ground in ("paper", "wash"):
        for colour, below in zip(papers(name), papers(ground), strict=True):
            assert contrast(colour, below) >= 4.5
    for colour, below in zip(papers("on-blue"), papers("blue"), strict=True):
        assert contrast(colour, below) >= 4.5
