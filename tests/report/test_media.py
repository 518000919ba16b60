"""What the report's pages load: files are the exported ones, thumbnails lie in sheets where the page looks for them."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from metamers.report.media import ACROSS, SIDE, share, sheets, thumbnail


def flat(level: int) -> Image.Image:
    """A thumbnail of one grey."""
    return Image.new("RGB", (SIDE, SIDE), (level, level, level))


def test_thumbnails_lie_row_by_row_in_sheets_of_a_hundred():
    levels = [(7 * number) % 256 for number in range(ACROSS**2 + 3)]
    found = [np.array(Image.open(io.BytesIO(sheet))) for sheet in sheets(map(flat, levels))]
    assert [sheet.shape for sheet in found] == [(ACROSS * SIDE, ACROSS * SIDE, 3), (SIDE, ACROSS * SIDE, 3)]
    for number, level in enumerate(levels):
        place = number % ACROSS**2
        row, column = divmod(place, ACROSS)
        middle = found[number // ACROSS**2][row * SIDE + SIDE // 2, column * SIDE + SIDE // 2]
        assert np.abs(middle.astype(int) - level).max() <= 3, number  # JPEG


def test_no_more_than_a_sheet_is_in_memory():
    taken = 0

    def many():
        nonlocal taken
        for level in range(256):
            taken += 1
            yield flat(level)

    made = sheets(many())
    next(made)
    assert taken == ACROSS**2


def test_without_thumbnails_there_is_no_sheet():
    assert list(sheets([])) == []


@pytest.mark.parametrize("size", [(16, 16), (224, 224), (40, 200)])
def test_a_thumbnail_is_a_square_in_colour(size):
    found = thumbnail(Image.new("L", size, 77))
    assert (found.size, found.mode) == ((SIDE, SIDE), "RGB")
    assert found.getpixel((SIDE // 2, SIDE // 2)) == (77, 77, 77)


def test_small_pictures_keep_their_pixels():
    checks = Image.fromarray((np.indices((8, 8)).sum(axis=0) % 2 * 255).astype(np.uint8))
    assert set(np.unique(np.array(thumbnail(checks)))) == {0, 255}
    uneven = np.array(thumbnail(Image.new("L", (40, 40), 255)))  # enlarged twice, between margins
    assert (uneven[8:88, 8:88] == 255).all()
    assert (uneven == 255).all(axis=2).sum() == 80**2


@pytest.mark.parametrize("side", [224, 260])
def test_thumbnails_keep_the_contrast_of_noise(side):
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    found = np.array(thumbnail(Image.fromarray(noise)))
    first = (side - SIDE) // 2
    np.testing.assert_array_equal(found, noise[first : first + SIDE, first : first + SIDE])
    (sheet,) = sheets([thumbnail(Image.fromarray(noise))])
    assert np.array(Image.open(io.BytesIO(sheet)))[:SIDE, :SIDE].std() > 0.95 * noise.std()


def test_a_shared_file_takes_no_room(tmp_path):
    source, target = tmp_path / "a.png", tmp_path / "deep" / "b.png"
    source.write_bytes(b"bytes")
    share(source, target)
    assert target.read_bytes() == b"bytes"
    assert target.samefile(source)


def test_where_there_are_no_hard_links_files_are_copied(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("not here")

    monkeypatch.setattr(os, "link", refuse)
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(b"bytes")
    share(source, target)
    assert target.read_bytes() == b"bytes"
    assert not target.samefile(source)
