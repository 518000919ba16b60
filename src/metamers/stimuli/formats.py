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
        (values, path, how they are sampled as keywords: ``metamers.modalities.sampling_of``) → an exported file.
    read
        Path of an exported file → values, float32.
    integers
        Values → the integers that ``write`` exports.
    scale
        What ``read`` divides them by.
    """

    read_files: Callable[[Sequence[Mapping[str, str]], Path, Mapping[str, Any]], xr.Dataset]
    write: Callable[..., None]
    read: Callable[[Path], np.ndarray]
    integers: Callable[[np.ndarray], np.ndarray]
    scale: int

    def as_exported(self, values: np.ndarray) -> np.ndarray:
        """The values that ``read`` gives after ``write``, float32, bit for bit."""
        return self.integers(values).astype(np.float32) / self.scale


FORMATS = {
    "vision": Format(
        read_files=lambda rows, folder, entry: images.image_dataset(rows, folder, entry["size"]),
        write=images.write_image,
        read=images.read_exported_image,
        integers=lambda values: images.three_channels(images.eight_bit(values)),
        scale=255,
    ),
    "audio": Format(
        read_files=lambda rows, folder, entry: sounds.sound_dataset(
            rows, folder, entry["sampling_rate_hz"], entry["duration_s"]
        ),
        write=sounds.write_sound,
        read=sounds.read_exported_sound,
        integers=sounds.sixteen_bit,
        scale=32768,
    ),
}
