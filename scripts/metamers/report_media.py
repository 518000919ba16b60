"""What the report's pages load besides data: exported files in a second place, and thumbnails in sheets.

A sheet is a picture of up to a hundred thumbnails, so that a page need not load them one by one; the page
(``site/thumbs.js``) finds a thumbnail in its sheet by ``SIDE`` and ``ACROSS``.
"""

import io
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

SIDE = 96  # pixels of a thumbnail, rows and columns
ACROSS = 10  # thumbnails in a row of a sheet, and rows in a full sheet
JPEG_QUALITY = 85


def share(source: Path, target: Path) -> None:
    """Give a file a second place, which takes no room where the file system has hard links; elsewhere copy it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def thumbnail(image: Image.Image) -> Image.Image:
    """A picture as a square of ``SIDE`` pixels: a larger one averaged, a smaller one with its pixels as they are."""
    small = max(image.size) <= SIDE
    return image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS)


def sheets(thumbnails: Iterable[Image.Image]) -> Iterator[bytes]:
    """Sheets of thumbnails as JPEG files, with all their colour resolution, which noise needs.

    Parameters
    ----------
    thumbnails
        Of ``SIDE`` pixels each; taken as they are needed, so that no more than a sheet of them is in memory.

    Yields
    ------
    bytes
        A file of the next ``ACROSS``² thumbnails, row by row; the last has no more rows than it needs.
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
