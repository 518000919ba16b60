"""Datasets: the stimuli of a registry entry (files, published excerpts or synthetic speech) as one Dataset.

The module chooses the reader; readers are in the other modules of ``metamers.stimuli``, and the table of a dataset is
read in ``metamers.config.tables``.
"""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from metamers.config.tables import SPLITS, category_classes, category_noun, stimulus_categories, stimulus_table
from metamers.names import for_each
from metamers.stimuli.excerpts import excerpt_dataset
from metamers.stimuli.formats import FORMATS
from metamers.stimuli.images import pixel_dataset
from metamers.stimuli.labels import UNUSABLE, UnusableStimuliError
from metamers.stimuli.speech import spoken_words

logger = logging.getLogger("metamers")

MIN_STIMULI = 2  # a null distribution needs a pair


def readable_stimuli(
    name: str, entry: Mapping[str, Any], folder: str | Path | None, seed: int, splits: Sequence[str]
) -> xr.Dataset:
    """Read the stimuli of a dataset whose files can be used; a warning and an attribute name the others.

    Parameters
    ----------
    name, entry, folder, seed, splits
        As for ``read_dataset``.

    Returns
    -------
    xarray.Dataset
        As of ``read_dataset``. If stimuli are left out, the attribute ``unusable`` has them with the reasons.

    Raises
    ------
    ValueError
        As ``read_dataset``, if fewer than two stimuli can be used, or if the dataset is not one of single files.
    """
    try:
        return read_dataset(name, entry, folder, seed, splits)
    except UnusableStimuliError as error:
        number = sum(row["split"] in splits for row in stimulus_table(name, entry))
        if number - len(error.reasons) < MIN_STIMULI:
            raise
        logger.warning("%d of the %d stimuli of %s are left out: %s", len(error.reasons), number, name, error)
        usable = read_dataset(name, entry, folder, seed, splits, without=error.reasons)
        return usable.assign_attrs({UNUSABLE: json.dumps({"dataset": name, "reasons": error.reasons})})


def read_dataset(
    name: str,
    entry: Mapping[str, Any],
    folder: str | Path | None,
    seed: int,
    splits: Sequence[str] = SPLITS,
    without: Collection[str] = (),
) -> xr.Dataset:
    """Read the stimuli of a dataset.

    Parameters
    ----------
    name, entry
        The registry's name and entry.
    folder
        The folder of the table's files; None for synthetic speech.
    seed
        Run seed, for synthetic speech.
    splits
        The splits to read.
    without
        Stimuli that are not read, of a dataset of single files.

    Returns
    -------
    xarray.Dataset
        ``stimulus_value`` (stimulus, …signal), with ``category``, ``label``, ``speaker`` and ``split`` (stimulus);
        sounds have the attribute ``sampling_rate_hz``. The attribute ``category_noun`` is what a category is called.

    Raises
    ------
    ValueError
        When files are missing or cannot be used as stimuli; the message has all of them. If names with ``*`` do not
        match one file each, it has these alone.
    """
    return _read(name, entry, folder, seed, splits, without).assign_attrs(category_noun=category_noun(entry))


def _read(
    name: str,
    entry: Mapping[str, Any],
    folder: str | Path | None,
    seed: int,
    splits: Sequence[str],
    without: Collection[str],
) -> xr.Dataset:
    if "speech" in entry:
        words = stimulus_categories(name, entry)
        splits = [split for split in splits if split in entry["speech"]["splits"]]
        return spoken_words(words, entry["speech"], entry["sampling_rate_hz"], entry["duration_s"], seed, splits)
    if "excerpts" in entry:
        file = Path(folder) / Path(entry["files"]["file"]).name
        known = category_classes(name, entry)
        return excerpt_dataset(file, entry["excerpts"], known, entry["sampling_rate_hz"], entry["duration_s"])
    if "pixels" in entry:
        rows = [row for row in stimulus_table(name, entry) if row["split"] in splits]
        return pixel_dataset(rows, Path(folder) / entry["pixels"]["file"], category_classes(name, entry), entry["size"])
    table = [row for row in stimulus_table(name, entry) if row["split"] in splits and row["stimulus"] not in without]
    rows = for_each(lambda row: _found(row, Path(folder)), table)
    return FORMATS[entry["modality"]].read_files(rows, folder, entry)


def _found(row: dict[str, str], folder: Path) -> dict[str, str]:
    """Replace ``*`` in a row's file name by the name of the matching file; the replaced part is added to the label.

    Raises
    ------
    ValueError
        When no file or several files match.
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
