"""Datasets: the stimuli that a registry entry speaks of, images, sounds or synthetic speech, as one array."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from metamers.images import image_dataset
from metamers.sounds import sound_dataset
from metamers.speech import spoken_words
from metamers.tables import SPLITS, category_classes, stimulus_table


def read_dataset(
    name: str, entry: Mapping[str, Any], folder: str | Path | None, seed: int, splits: Sequence[str] = SPLITS
) -> xr.Dataset:
    """Stimuli of a dataset.

    Parameters
    ----------
    name, entry
        The registry's name and entry.
    folder
        Where the files of its table lie; None for synthetic speech.
    seed
        Of synthetic speech.
    splits
        Which of them to make.

    Returns
    -------
    xarray.Dataset
        ``stimulus_value`` (stimulus, …signal), with ``category``, ``label``, ``speaker`` and ``split`` of each; of
        sounds with the attribute ``sampling_rate_hz``.
    """
    if "speech" in entry:
        words = list(category_classes(name, entry))
        splits = [split for split in splits if split in entry["speech"]["splits"]]
        return spoken_words(words, entry["speech"], entry["sampling_rate_hz"], entry["duration_s"], seed, splits)
    rows = [row for row in stimulus_table(name, entry) if row["split"] in splits]
    if entry["modality"] == "vision":
        return image_dataset(rows, folder, entry["size"])
    return sound_dataset(rows, folder, entry["sampling_rate_hz"], entry["duration_s"])
