"""Formats: how stimuli of each modality are read from files and exported, as one registry entry each.

Observers, human or model, judge the exported stimulus: an 8-bit image or a 16-bit sound. What else differs between
modalities is in ``metamers.modalities``; the readers and writers are ``metamers.stimuli.images`` and
``metamers.stimuli.sounds``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from metamers.stimuli import images, sounds


@dataclass(frozen=True)
class Format:
    """The functions that read and export stimuli of one modality.

    Attributes
    ----------
    read_files
        (rows of a dataset's table, folder of their files, the dataset's registry entry) → Dataset of stimuli, as
        ``metamers.stimuli.labels.labelled_stimuli`` makes it.
    write
        (values, path, sampling rate in Hz or None) → an exported file.
    read
        Path of an exported file → values, float32.
    as_exported
        Values → the values that ``read`` gives after ``write``, bit for bit.
    integers, scale
        Type of the integers that are exported, and what these are divided by for the values of ``read``.
    """

    read_files: Callable[[Sequence[Mapping[str, str]], Path, Mapping[str, Any]], xr.Dataset]
    write: Callable[[np.ndarray, Path, float | None], None]
    read: Callable[[Path], np.ndarray]
    as_exported: Callable[[np.ndarray], np.ndarray]
    integers: type[np.integer]
    scale: int


FORMATS = {
    "vision": Format(
        read_files=lambda rows, folder, entry: images.image_dataset(rows, folder, entry["size"]),
        write=lambda values, path, _rate: images.write_image(values, path),
        read=images.read_exported_image,
        as_exported=lambda values: images.three_channels(images.eight_bit(values)).astype(np.float32) / 255,
        integers=np.uint8,
        scale=255,
    ),
    "audio": Format(
        read_files=lambda rows, folder, entry: sounds.sound_dataset(
            rows, folder, entry["sampling_rate_hz"], entry["duration_s"]
        ),
        write=sounds.write_sound,
        read=sounds.read_exported_sound,
        as_exported=lambda values: sounds.sixteen_bit(values).astype(np.float32) / 32768,
        integers=np.int16,
        scale=32768,
    ),
}
