"""Media of the report's pages: links to exported files, and thumbnails in sheets.

A sheet is a picture of up to 100 thumbnails, so that a page does not load them one by one. The page
(``site/thumbs.js``) finds a thumbnail in its sheet with ``SIDE`` and ``ACROSS``.
"""

import io
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from metamers.names import stage_path

SIDE = 96  # rows and columns of a thumbnail, in pixels
ACROSS = 10  # number of thumbnails in a row of a sheet, and of rows in a full sheet
JPEG_QUALITY = 85
GROUND = "#808080"


def address(model: str, stage: str, name: str) -> str:
    """Address, on a page of the report, of a file of ``media/`` without its suffix."""
    return "/".join(["media", *(quote(part, safe="") for part in (model, stage_path(stage), name))])


def share(source: Path, target: Path) -> None:
    """Make a hard link to a file, or a copy if the file system has no hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def thumbnail(image: Image.Image) -> Image.Image:
    """The centre of a picture, as a square of ``SIDE`` pixels that are pixels of the picture.

    A picture that is averaged to a smaller one loses contrast, noise most of all. Smaller pictures are enlarged by a
    whole factor; the rest of the square is ``GROUND``.
    """
    factor = max(1, SIDE // max(image.size))
    whole = image.convert("RGB").resize(tuple(factor * side for side in image.size), Image.Resampling.NEAREST)
    square = Image.new("RGB", (SIDE, SIDE), GROUND)
    square.paste(whole, tuple((SIDE - side) // 2 for side in whole.size))
    return square


def sheets(thumbnails: Iterable[Image.Image]) -> Iterator[bytes]:
    """Sheets of thumbnails as JPEG files at full colour resolution, which noise needs.

    Parameters
    ----------
    thumbnails
        An iterable of thumbnails of ``SIDE`` pixels; at most one sheet is in memory.

    Yields
    ------
    bytes
        JPEG file of the next ``ACROSS``² thumbnails, row by row; the last file may have fewer rows.
    """
    waiting = iter(thumbnails)
    while chunk := list(itertools.islice(waiting, ACROSS**2)):
        rows = -(-len(chunk) // ACROSS)
        sheet = Image.new("RGB", (ACROSS * SIDE, rows * SIDE), "white")
        for place, one in enumerate(chunk):
            sheet.paste(one, (place % ACROSS * SIDE, place // ACROSS * SIDE))
        stream = io.BytesIO()
        sheet.save(stream, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
        yield stream.getvalue()
