"""Stimuli come as files, images of Pillow, arrays and tensors, and give the same values as the stimuli of a dataset."""

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from metamers.stimuli.given import as_image, as_sound, modality_of, name_of, with_rate
from metamers.stimuli.images import read_image, square

RATE = 8000


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.fixture
def picture(pixels, tmp_path):
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture
def tone():
    return (0.3 * np.sin(np.arange(RATE) / 7)).astype(np.float32)


def test_a_file_an_image_of_pillow_and_8_bits_are_read_as_those_of_a_dataset(pixels, picture):
    wanted = square(read_image(picture), 16)
    for given in (picture, str(picture), Image.fromarray(pixels), pixels, torch.from_numpy(pixels)):
        np.testing.assert_array_equal(as_image(given, 16), wanted)
    np.testing.assert_array_equal(as_image(pixels.transpose(2, 0, 1), 16), wanted)
    np.testing.assert_array_equal(as_image(pixels[None], 16), wanted)


def test_values_0_to_1_keep_their_resolution_and_the_centre_is_cut_out(pixels):
    values = pixels / np.float32(255)
    cut = values[:, 5:25].transpose(2, 0, 1)
    for given in (values, values.transpose(2, 0, 1), torch.from_numpy(values), torch.from_numpy(values)[None]):
        np.testing.assert_array_equal(as_image(given, 16), cut)
    assert as_image(values[..., 0]).shape == (1, 20, 20)
    assert as_image(values).dtype == np.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values * 255, r" 0.* to 255\b.* 0 to 1\b"),
        (lambda values: values * 2 - 1, r" -1 to 1\b.* 0 to 1\b"),
        (lambda values: np.where(values > 0.5, np.nan, values), "NaN"),
        (lambda values: np.stack([values, values]), r"2 images, shape \(2, 20, 30, 3\)"),
        (lambda values: np.concatenate([values, values[..., :1]], axis=2), r"image\[\.\.\., :3\]"),
        (lambda values: values.ravel(), r"\(1800,\).*\(row, column, 3\)"),
        (lambda values: (values * 255).astype(int), "int64; wanted uint8"),
        (lambda values: np.full_like(values, 0.5), "20 × 30 pixels"),
    ],
)
def test_an_array_that_is_no_image_is_an_error_with_the_remedy(pixels, change, message):
    with pytest.raises(ValueError, match=f"^dog: .*{message}"):
        as_image(change(pixels / np.float32(255)), 16, "dog")


def test_what_is_no_stimulus_is_named():
    with pytest.raises(TypeError, match="dict"):
        as_image({}, 16)
    with pytest.raises(ValueError, match=r"none\.png: "):
        as_image("none.png", 16)
    with pytest.raises(ValueError, match="animation"):
        as_image(animation(), 16)


def animation():
    from io import BytesIO

    stream = BytesIO()
    frames = [Image.new("L", (8, 8), shade) for shade in (0, 255)]
    frames[0].save(stream, format="GIF", save_all=True, append_images=frames[1:])
    return Image.open(stream)


def test_a_sound_is_the_same_from_file_and_samples(tone, tmp_path):
    soundfile.write(tmp_path / "tone.wav", tone, RATE, subtype="FLOAT")
    stereo = np.stack([tone, tone])
    for given in (
        tmp_path / "tone.wav",
        (tone, RATE),
        (torch.from_numpy(tone), RATE),
        (stereo, RATE),
        (stereo.T, RATE),
    ):
        sound = as_sound(given, None, RATE, RATE // 2)
        assert sound.shape == (RATE // 2,)
        assert np.sqrt(np.mean(sound**2)) == pytest.approx(0.1)
        np.testing.assert_allclose(sound, as_sound(tone, RATE, RATE, RATE // 2), rtol=1e-6)
    levels = np.rint(tone * 32768).astype(np.int16)
    np.testing.assert_allclose(as_sound((levels, RATE), None, RATE, RATE), as_sound(tone, RATE, RATE, RATE), atol=1e-4)
    assert as_sound((tone, RATE), None, 2 * RATE, 2 * RATE).shape == (2 * RATE,)
    assert with_rate(tmp_path / "tone.wav", None)[1:] == (RATE, RATE)


@pytest.mark.parametrize(
    ("value", "rate", "message"),
    [
        (np.ones(100), None, "sampling_rate_hz=…"),
        (np.ones(100), -8000, "-8000 Hz"),
        (np.ones((2, 3, 4)), RATE, r"shape \(2, 3, 4\)"),
        (np.ones(100, dtype=np.int8), RATE, "int8; wanted .*int16 .*int32"),
        ((np.ones(100), RATE, 1), None, "3 values"),
        (np.zeros(RATE), RATE, "silent"),
        ("none.wav", None, r"none\.wav: "),
    ],
)
def test_samples_that_are_no_sound_are_an_error_with_the_remedy(value, rate, message):
    with pytest.raises(ValueError, match=message):
        as_sound(value, rate, RATE, 100)


def test_the_modality_follows_from_the_stimulus(pixels, tone):
    assert [modality_of(value) for value in (pixels, "a.png", Image.new("L", (2, 2)))] == ["vision"] * 3
    assert [modality_of(value) for value in (tone, "a.wav", (tone, RATE))] == ["audio"] * 3
    assert name_of("folder/my dog.jpg") == "my dog"
