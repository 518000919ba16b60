"""Images: from files to arrays, and from arrays to the exported files that observers see.

An image is an array (channel, row, column) of values 0 to 1; exported images have 8 bits. Normalization for models is
in ``metamers.models.preprocessing``.
"""

import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from PIL import Image, ImageOps, UnidentifiedImageError

from metamers.foreign.isolated import read_isolated
from metamers.stimuli.labels import labelled_stimuli, read_stimuli

if TYPE_CHECKING:
    import torch

logger = logging.getLogger("metamers")

CHANNELS = ("red", "green", "blue")
LUMA = (0.299, 0.587, 0.114)  # grey of red, green and blue (ITU-R BT.601)
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF")  # without formats whose readers start other programs (EPS)
MAX_FILE_BYTES = 2**27  # size of an image file: Pillow reads as many bytes as a header states
MOST_PIXELS = 2**26  # number of pixels of an image file: 8192 x 8192
MOST_SCANS = 100  # of a JPEG file, as in libtiff; each is decoded over the whole image, and about 10 are usual
SCAN = b"\xff\xda\x00"  # first bytes of a scan; there are others only by chance, one in 16 MB
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")


def read_image(path: str | Path) -> np.ndarray:
    """Read one 8-bit image file from outside as RGB, upright, in a separate process.

    Greyscale, palette, CMYK and transparent images are converted, with a note in the log. Of a photograph with further
    pictures (MPO, as phones write it), the first is read.

    Returns
    -------
    numpy.ndarray
        Shape (row, column, 3), uint8.

    Raises
    ------
    ValueError
        When the file is missing, not an image, truncated, animated, too large, or has more than 8 bits or
        ``MOST_SCANS``, or crashes its reader.
    OSError
        When memory or time ran out for it.
    """
    return _noted(path, *read_isolated(_decoded, path))


def _decoded(path: Path) -> tuple[np.ndarray, str]:
    """Return the pixels of an image file, and its mode in the file."""
    if path.is_file() and (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise ValueError(f"{path}: too large to be a stimulus: {size} bytes, wanted at most {MAX_FILE_BYTES}")
    try:
        with Image.open(path, formats=FORMATS) as image:
            problem = _problem(image) or (_scan_problem(path) if image.format in ("JPEG", "MPO") else None)
            if problem is None:
                return _rgb(image)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such file") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: not an image that can be read; wanted PNG, JPEG, TIFF, WebP, BMP or GIF") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: too large to be a stimulus: {error}") from error
    except MemoryError:  # said by the reader of files from outside
        raise
    except Exception as error:  # Pillow's readers raise nearly anything for a broken file
        raise ValueError(f"{path}: damaged or cut off ({error}); fetch or save it again") from error
    raise ValueError(f"{path}: {problem}")


def _problem(image: Image.Image) -> str | None:
    """The reason why an opened, not yet decoded image cannot be a stimulus; None if it can."""
    if (pixels := math.prod(image.size)) > MOST_PIXELS:
        size = f"{image.width} × {image.height} pixels"
        return f"too large to be a stimulus: {size} are {pixels}, wanted at most {MOST_PIXELS}"
    if image.format != "MPO" and _has_second_frame(image):
        return "an animation, or several pictures; wanted one still image"
    # Pillow reads 16-bit colour as 8-bit RGB; the tiles state the depth in the file.
    if image.mode in DEEP_MODES or any(";16" in str(tile) for tile in getattr(image, "tile", ())):
        return "its pixels have more than 8 bits; save it as 8-bit RGB"
    return None


def _has_second_frame(image: Image.Image) -> bool:
    """Whether an image has more than one frame; counting them would take time for each."""
    try:
        image.seek(1)
    except EOFError:
        return False
    image.seek(0)
    return True


def _scan_problem(path: Path) -> str | None:
    """The reason why a JPEG file would take long to decode, or None."""
    scans = path.read_bytes().count(SCAN)
    return f"a JPEG file of {scans} scans, wanted at most {MOST_SCANS}; save it again" if scans > MOST_SCANS else None


def rgb_of(image: Image.Image, name: str) -> np.ndarray:
    """The pixels of an image of Pillow, with the checks and conversions of ``read_image``.

    Returns
    -------
    numpy.ndarray
        Shape (row, column, 3), uint8.

    Raises
    ------
    ValueError
        When the image is too large, animated, or has more than 8 bits; the message begins with ``name``.
    """
    if (problem := _problem(image)) is not None:
        raise ValueError(f"{name}: {problem}")
    return _noted(name, *_rgb(image))


def _noted(name: str | Path, pixels: np.ndarray, mode: str) -> np.ndarray:
    """Log the mode of an image that was converted; returns its pixels."""
    if mode != "RGB":
        logger.warning("%s: mode %s, converted to RGB", name, mode)
    return pixels


def _rgb(image: Image.Image) -> tuple[np.ndarray, str]:
    """An opened image, upright, as (row, column, 3), uint8, and its mode; transparent pixels are white."""
    upright = ImageOps.exif_transpose(image)
    mode = upright.mode
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return np.asarray(upright.convert("RGB")), mode


def square(image: np.ndarray, size: int) -> np.ndarray:
    """Cut the central square out of an image and resample it, as the study's ``input_helpers.py`` does (not verified).

    The filter is Pillow's bicubic one, the default of the version in the published environment (not verified). Where
    the square would begin between two pixels, Pillow rounds to the even one.

    Parameters
    ----------
    image
        Shape (row, column, 3), uint8.
    size
        Rows and columns wanted, in pixels.

    Returns
    -------
    numpy.ndarray
        Shape (3, size, size), float32, values 0 to 1.
    """
    rows, columns = image.shape[:2]
    side = min(rows, columns)
    box = ((columns - side) / 2, (rows - side) / 2, (columns + side) / 2, (rows + side) / 2)
    cut = Image.fromarray(image).crop(box)
    values = np.asarray(cut.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def _stimulus(path: Path, image: np.ndarray, size: int) -> np.ndarray:
    if (image == image[0, 0]).all():
        raise ValueError(f"{path}: all {image.shape[0]} × {image.shape[1]} pixels have one colour; leave it out")
    if min(image.shape[:2]) < size:
        logger.warning("%s: %d × %d pixels, enlarged to %d × %d", path, *image.shape[:2], size, size)
    return square(image, size)


def image_dataset(rows: Sequence[dict[str, str]], folder: str | Path, size: int) -> xr.Dataset:
    """All images of a dataset.

    Parameters
    ----------
    rows
        Rows of ``metamers.config.tables.stimulus_table``.
    folder
        The folder of the files.
    size
        Rows and columns, in pixels.

    Returns
    -------
    xarray.Dataset
        ``stimulus_value`` (stimulus, channel, row, column), with ``category``, ``label``, ``speaker`` (empty) and
        ``split``.

    Raises
    ------
    ValueError
        When files cannot be used or have a single colour, or two files show the same image; the message has all.
    """
    shape = (len(CHANNELS), size, size)
    values = read_stimuli(
        rows, folder, shape, _decoded, lambda path, decoded: _stimulus(path, _noted(path, *decoded), size), "image"
    )
    return labelled_stimuli("vision", values, rows).assign_coords(channel=list(CHANNELS))


def pixel_dataset(
    rows: Sequence[dict[str, str]], file: str | Path, classes: Mapping[str, Sequence[int]], size: int
) -> xr.Dataset:
    """All images of a dataset whose file has an image in each line.

    A line has size × size grey values from 0 to 255, row by row, and a class index, separated by commas.

    Parameters
    ----------
    rows
        Rows of ``metamers.config.tables.pixel_table``.
    file
        The file, text or compressed text (``.gz``).
    classes
        Category → class indices.
    size
        Rows and columns, in pixels.

    Returns
    -------
    xarray.Dataset
        As ``image_dataset``, with equal colour channels.

    Raises
    ------
    ValueError
        When the file cannot be read, a line has another number of values, a value is not a whole number from 0 to 255,
        or there are too few images of a category.
    """
    expected = f"wanted {size}×{size} whole numbers from 0 to 255 and a class index in each line, separated by commas"
    try:
        table = read_isolated(_table, file)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"{file}: it cannot be read ({error}); {expected}") from error
    if table.shape[1] != size**2 + 1:
        raise ValueError(f"{file}: {table.shape[1]} values in a line; {expected}")
    pixels, labels = table[:, :-1], table[:, -1]
    if not np.isin(pixels, np.arange(256)).all():
        raise ValueError(f"{file}: a pixel is not a whole number from 0 to 255; {expected}")
    lines = {category: np.flatnonzero(np.isin(labels, indices)) for category, indices in classes.items()}
    values = []
    for row in rows:
        place, of_category = int(row["stimulus"].rpartition("_")[2]), lines[row["category"]]
        if place >= len(of_category):
            raise ValueError(
                f"{file}: {len(of_category)} images of category {row['category']!r}, but per_category asks for more"
            )
        grey = pixels[of_category[place]].reshape(size, size).astype(np.float32) / 255
        values.append(np.broadcast_to(grey, (len(CHANNELS), size, size)))
    return labelled_stimuli("vision", np.stack(values), rows).assign_coords(channel=list(CHANNELS))


def _table(file: Path) -> np.ndarray:
    return np.loadtxt(file, delimiter=",", ndmin=2)


def to_channels(images: "torch.Tensor", channels: int) -> "torch.Tensor":
    """Convert images (…, channel, row, column) to 3 colour channels or 1 grey channel (``LUMA``), differentiable.

    Images with this number of channels are returned unchanged.
    """
    if images.shape[-3] == channels:
        return images
    if channels == 1:
        red, green, blue = images.unbind(-3)
        return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(-3)
    return images.expand(*images.shape[:-3], channels, *images.shape[-2:])


def three_channels(images: np.ndarray) -> np.ndarray:
    """Convert images (…, 3 or 1 channels, row, column) to three channels; a grey channel is repeated."""
    return np.repeat(images, 3, axis=-3) if images.shape[-3] == 1 else images


def eight_bit(values: np.ndarray) -> np.ndarray:
    """Round values 0 to 1 to the nearest of 256 levels, uint8, as in exported files.

    Raises
    ------
    ValueError
        When a value is not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("an image with NaN or infinite values cannot be exported")
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def write_image(values: np.ndarray, path: str | Path) -> None:
    """Export an image (3 or 1 channels, row, column; values 0 to 1) as 8-bit PNG with three channels."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(three_channels(eight_bit(values)).transpose(1, 2, 0)).save(path, format="PNG")


def read_exported_image(path: str | Path) -> np.ndarray:
    """Read an image that a run has exported: (channel, row, column), float32, values 0 to 1."""
    pixels = _noted(path, *_decoded(Path(path)))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32) / 255
