"""Images of every kind come out right or are refused with their name; exported pixels are what was judged."""

import io
import os
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from metamers.stimuli import images
from metamers.stimuli.labels import UnusableStimuliError


def gradient(rows=20, columns=30):
    values = np.zeros((rows, columns, 3), np.uint8)
    values[..., 0] = np.linspace(0, 255, columns)
    values[..., 1] = np.linspace(0, 255, rows)[:, None]
    return Image.fromarray(values)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "1", "LA"])
def test_other_colour_modes_are_converted_and_noted(mode, tmp_path, caplog):
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    image = gradient().convert("L").convert(mode) if mode == "LA" else gradient().convert(mode)
    image.save(path)
    read = images.read_image(path)
    assert read.shape == (20, 30, 3)
    assert f"{path}: mode {mode}" in caplog.text
    if mode == "L":
        np.testing.assert_array_equal(read[..., 0], read[..., 2])
    if mode == "CMYK":
        np.testing.assert_allclose(read.astype(int), np.asarray(gradient()).astype(int), atol=2)


def test_transparent_pixels_show_white(tmp_path):
    Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "x.png")
    assert (images.read_image(tmp_path / "x.png") == 255).all()


def broken(kind, folder):
    path = folder / f"{kind}.png"
    if kind == "truncated":
        gradient(200, 200).save(path)
        path.write_bytes(path.read_bytes()[:-200])
    elif kind == "truncated_jpeg":
        path = path.with_suffix(".jpg")
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:1500])
    elif kind == "text":
        path.write_text("<html>404</html>")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "animated":
        path = path.with_suffix(".gif")
        gradient().save(path, save_all=True, append_images=[gradient().rotate(90)])
    elif kind == "deep":
        Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(path)
    elif kind == "deep_colour":
        raw = b"".join(b"\0" + b"\x12\x34" * 12 for _ in range(4))  # 4 x 4 pixels of 16-bit colour
        head = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
        chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
        body = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks]
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(body))
    elif kind == "bomb":
        stream = io.BytesIO()
        Image.new("1", (20_000, 20_000)).save(stream, "PNG")
        path.write_bytes(stream.getvalue())
    return path


@pytest.mark.hostile("Stimuli", "cut off, animated, 16-bit, no image; the same picture twice", "refused by name")
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "cut off"),
        ("truncated_jpeg", "cut off"),
        ("text", "not an image"),
        ("empty", "not an image"),
        ("missing", "no such file"),
        ("animated", "animation"),
        ("deep", "8 bits"),
        ("deep_colour", "8 bits"),
        ("bomb", "too large"),
    ],
)
def test_what_is_no_usable_image_is_refused_by_name(kind, message, tmp_path):
    path = broken(kind, tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        images.read_image(path)
    assert str(path) in str(error.value)


@pytest.mark.hostile("Stimuli", "a photograph with a second picture (MPO, as phones write it)", "the first is read")
def test_of_a_photograph_with_a_second_picture_the_first_is_read(tmp_path):
    """As phones write it (MPO), with a map of depth or another view behind the photograph."""
    first = gradient(40, 40).convert("RGB")
    first.save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[Image.new("RGB", (20, 20), "red")], quality=95)
    read = images.read_image(tmp_path / "x.jpg")
    assert read.shape == (40, 40, 3)
    assert np.abs(read.astype(int) - np.asarray(first)).mean() < 3


@pytest.mark.hostile("cut off, animated, 16-bit …")
def test_every_file_of_a_dataset_that_cannot_be_used_is_named_at_once(tmp_path):
    kinds = ("text", "truncated", "animated", "missing")
    files = ["good.png", "other.png", "same.png", "plain.png", *(broken(kind, tmp_path).name for kind in kinds)]
    gradient().save(tmp_path / "good.png")
    gradient().rotate(180).save(tmp_path / "other.png")
    gradient().save(tmp_path / "same.png")
    Image.new("RGB", (9, 9), "red").save(tmp_path / "plain.png")
    rows = [{"stimulus": file, "file": file, "category": "c", "label": "c"} for file in files]
    with pytest.raises(ValueError, match=r"^6 ") as error:
        images.image_dataset(rows, tmp_path, 8)
    reasons = ("good.png and same.png", "one colour", "not an image", "cut off", "animation", "no such file")
    lines = str(error.value).splitlines()[1:]
    assert len(lines) == 6
    assert all(file in line and reason in line for line, file, reason in zip(lines, files[2:], reasons, strict=True))


@pytest.mark.hostile("a file that crashes its reader")
def test_an_image_that_ends_its_reader_is_named_with_the_others(tmp_path, monkeypatch):
    rows = [{"stimulus": name, "category": "c", "label": "c", "file": f"{name}.png"} for name in "abcd"]
    for number, name in enumerate("abd"):
        gradient(20 + number).save(tmp_path / f"{name}.png")
    decode = images._rgb
    monkeypatch.setattr(images, "_rgb", lambda image: os._exit(3) if image.height == 21 else decode(image))
    with pytest.raises(UnusableStimuliError) as error:
        images.image_dataset(rows, tmp_path, 8)
    assert error.value.reasons.keys() == {"b", "c"}
    assert re.match(f"{tmp_path}/b.png: .*status 3", error.value.reasons["b"])
    assert error.value.reasons["c"].startswith(f"{tmp_path}/c.png: ")


def test_of_many_files_that_cannot_be_used_twenty_are_named(tmp_path):
    rows = [{"stimulus": str(n), "file": f"{n}.png", "category": "c", "label": "c"} for n in range(50)]
    with pytest.raises(ValueError, match=r"^50 .*\n(.*\.png: .*\n){20}.* 30 [^\n]*$"):
        images.image_dataset(rows, tmp_path, 8)


def test_the_central_square_is_cut_and_resampled():
    image = np.zeros((10, 30, 3), np.uint8)
    image[:, 10:20] = 255
    cut = images.square(image, 5)
    assert cut.shape == (3, 5, 5)
    assert cut.dtype == np.float32
    np.testing.assert_array_equal(cut, 1)


def test_sideways_photographs_are_turned_upright(tmp_path):
    image = gradient()
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.jpg", exif=exif)
    assert images.read_image(tmp_path / "x.jpg").shape == (30, 20, 3)


def test_export_keeps_the_nearest_of_256_levels(tmp_path):
    values = np.random.default_rng(0).uniform(-0.1, 1.1, (3, 8, 8)).astype(np.float32)
    images.write_image(values, tmp_path / "x.png")
    read = images.read_exported_image(tmp_path / "x.png")
    np.testing.assert_allclose(read, np.clip(values, 0, 1), atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(images.eight_bit(read), images.eight_bit(values))


def test_nan_is_not_exported(tmp_path):
    with pytest.raises(ValueError, match="NaN"):
        images.write_image(np.full((3, 2, 2), np.nan), tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
