"""Datasets: the stimuli that a registry entry speaks of, images, sounds, excerpts or synthetic speech, as one array."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from metamers.excerpts import excerpt_dataset
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
    if "excerpts" in entry:
        file = Path(folder) / Path(entry["files"]["file"]).name
        known = category_classes(name, entry)
        return excerpt_dataset(file, entry["excerpts"], known, entry["sampling_rate_hz"], entry["duration_s"])
    rows = [_found(row, Path(folder)) for row in stimulus_table(name, entry) if row["split"] in splits]
    if entry["modality"] == "vision":
        return image_dataset(rows, folder, entry["size"])
    return sound_dataset(rows, folder, entry["sampling_rate_hz"], entry["duration_s"])


def _found(row: dict[str, str], folder: Path) -> dict[str, str]:
    """A row of a table whose file is known; what a ``*`` stood for comes to its label.

    Raises
    ------
    ValueError
        When no file or several fit.
    """
    if "*" not in row["file"]:
        return row
    fitting = sorted(path.name for path in folder.glob(row["file"]))
    if len(fitting) != 1:
        raise ValueError(
            f"{folder}: {row['file']}: {len(fitting)} files ({', '.join(fitting[:3])}), wanted exactly one"
        )
    before, after = row["file"].split("*", 1)
    return row | {"file": fitting[0], "label": f"{row['label']} {fitting[0][len(before) : -len(after) or None]}"}
