"""Sounds in the report: cochleagrams are what the model hears, on one scale, with true axes."""

import numpy as np
import pytest
import soundfile
import torch
from matplotlib.figure import Figure

from metamers.models.preprocessing import SoundPreprocessing
from metamers.report.figures import svg
from metamers.report.sounds import LEVELS, cochleagram_figure, cochleagram_of, cochleagram_picture
from metamers.stimuli.sounds import write_sound

RATE = 8000
SETTINGS = {
    "sampling_rate_hz": RATE,
    "duration_s": 0.25,
    "cochleagram": {"high_hz": 4000, "filters": 10, "taps": 401, "envelope_rate_hz": 100},
}


@pytest.fixture
def exported(tmp_path):
    """A tone and noise as they are exported: name → file."""
    times = np.arange(RATE // 4) / RATE
    sounds = {
        "tone": 0.14 * np.sin(2 * np.pi * 1000 * times),
        "noise": 0.1 * np.random.default_rng(0).standard_normal(len(times)),
    }
    for name, values in sounds.items():
        write_sound(values, tmp_path / f"{name}.wav", RATE)
    return {name: tmp_path / f"{name}.wav" for name in sounds}


def test_a_cochleagram_is_that_of_the_models_front_end(exported):
    found = cochleagram_of(SETTINGS)(exported["noise"])
    sound = torch.from_numpy(soundfile.read(exported["noise"], dtype="float32")[0])[None]
    np.testing.assert_array_equal(found, SoundPreprocessing(**SETTINGS)(sound)[0, 0].numpy())


def test_the_sounds_of_a_network_without_cochleagram_are_shown_as_cochleagrams(exported):
    own = {"sampling_rate_hz": RATE, "duration_s": 0.25, "preprocessing": "waveform"}
    found = cochleagram_of(own)(exported["tone"])
    assert found.argmax(axis=0).max() - found.argmax(axis=0).min() <= 2  # one tone
    assert len(cochleagram_figure(found, own, 1.0, "tone").axes) == 2


def test_a_sound_of_another_rate_is_brought_to_the_models(exported, tmp_path):
    path = tmp_path / "slow.wav"
    write_sound(0.1 * np.sin(np.arange(1000)), path, RATE // 2)
    cochleagram = cochleagram_of(SETTINGS)
    assert cochleagram(path).shape == cochleagram(exported["tone"]).shape


def test_pictures_have_a_scale_and_low_frequencies_at_the_bottom():
    low = np.zeros((4, 3))
    low[0], low[1] = 0.5, 2  # of a scale to 1: half of it, and beyond its end
    image = cochleagram_picture(low, 1.0)
    assert image.size == (3, 4)
    levels = np.array(image)
    assert (levels[-1] == round(0.5 * (LEVELS - 1))).all()
    assert (levels[-2] == LEVELS - 1).all()
    assert (levels[:-2] == 0).all()


def test_pictures_are_readable_without_colour():
    ramp = np.linspace(0, 1, LEVELS)[None]
    grey = np.array(cochleagram_picture(ramp, 1.0).convert("RGB").convert("L"), int)[0]
    assert (np.diff(grey) > 0).all()


def axes_of(figure: Figure):
    """The axes of the figure and of its scale."""
    return figure.axes[0], figure.axes[1]


def test_axes_are_in_seconds_and_hz_where_the_tone_is(exported):
    cochleagram = cochleagram_of(SETTINGS)(exported["tone"])
    figure = cochleagram_figure(cochleagram, SETTINGS, 1.0, "tone")
    axes, scale = axes_of(figure)
    assert axes.get_xlabel().endswith("(s)")
    assert axes.get_ylabel().endswith("(Hz)")
    assert scale.get_ylabel()
    ticks = {text.get_text(): y for y, text in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}
    assert abs(ticks["1,000"] - cochleagram.mean(axis=1).argmax()) <= 1
    left, right, *_ = axes.get_images()[0].get_extent()
    # The first point is half of the downsampling filter after the start; all points lie within the sound.
    assert left == pytest.approx(401 / 2 / RATE - 0.005)
    assert 0 < left < right < 0.25
    assert svg(figure) == svg(cochleagram_figure(cochleagram, SETTINGS, 1.0, "tone"))
