"""Labels: stimuli together with their labels as one Dataset, the same for every modality and source.

The values and labels come from the readers: ``metamers.stimuli.images``, ``sounds``, ``excerpts`` and ``speech``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from metamers.foreign.isolated import read_isolated_each
from metamers.modalities import MODALITIES
from metamers.names import listed
from metamers.run.logs import log_subject

LABELS = ("category", "label", "speaker", "split")
UNUSABLE = "unusable"  # attribute: the dataset, and stimulus → why it is not in the file, as JSON


class UnusableStimuliError(ValueError):
    """Some files of a dataset cannot be used as stimuli; the message has all reasons.

    Attributes
    ----------
    reasons
        Stimulus → why.
    """

    def __init__(self, reasons: Mapping[str, str]):
        super().__init__(listed(list(reasons.values())))
        self.reasons = dict(reasons)


def read_stimuli(
    rows: Sequence[Mapping[str, str]],
    folder: str | Path,
    shape: tuple[int, ...],
    read: Callable[[Path], Any],
    make: Callable[[Path, Any], np.ndarray],
    noun: str,
) -> np.ndarray:
    """Read the stimuli in the files of a dataset.

    Parameters
    ----------
    rows
        ``stimulus`` and ``file`` of each stimulus.
    folder
        The folder of the files.
    shape
        Of a stimulus.
    read
        Path of a file → its content. It is called in a separate process (``metamers.foreign.isolated``).
    make
        Path and content of a file → stimulus. Both functions raise a ``ValueError`` that names the file.
    noun
        What a stimulus is called: ``image`` or ``sound``.

    Returns
    -------
    numpy.ndarray
        (stimulus, …shape), float32.

    Raises
    ------
    UnusableStimuliError
        When files cannot be used, or two files hold the same stimulus.
    OSError
        When memory or time ran out for a file; the message names it.
    """
    paths = [Path(folder) / row["file"] for row in rows]
    missing = {path for path in paths if not path.is_file()}
    contents = read_isolated_each(read, [path for path in paths if path not in missing])
    values = np.empty((len(rows), *shape), dtype=np.float32)
    reasons, seen = {}, {}
    for value, row, path in zip(values, rows, paths, strict=True):
        try:
            content = ValueError(f"{path}: there is no such file") if path in missing else next(contents)
            if isinstance(content, Exception):
                raise content
            value[:] = make(path, content)
        except ValueError as error:
            reasons[row["stimulus"]] = str(error)
            continue
        if (other := seen.setdefault(sha256(value.data).digest(), row["file"])) != row["file"]:
            reasons[row["stimulus"]] = (
                f"{other} and {row['file']} in {folder} are the same {noun}; leave one out, because "
                "no metamer could match its stimulus better than these two match"
            )
    if reasons:
        raise UnusableStimuliError(reasons)
    return values


def labelled_stimuli(modality: str, values: np.ndarray, rows: Sequence[Mapping[str, str]]) -> xr.Dataset:
    """Stimuli with their labels: the content of ``stimuli/<dataset>.nc``.

    Parameters
    ----------
    modality
        A name from ``metamers.modalities.MODALITIES``.
    values
        (stimulus, …signal), float32.
    rows
        ``stimulus``, ``category`` and ``label`` of each stimulus; ``speaker`` and ``split`` where it has them.

    Returns
    -------
    xarray.Dataset
        ``stimulus_value`` (stimulus, …signal), with ``category``, ``label``, ``speaker`` and ``split``; text is empty
        where a row has none.
    """
    return xr.Dataset(
        {"stimulus_value": (("stimulus", *MODALITIES[modality].dims), values)},
        coords={"stimulus": [row["stimulus"] for row in rows]}
        | {label: ("stimulus", [row.get(label) or "" for row in rows]) for label in LABELS},
    )


def check_usable(dataset: xr.Dataset, needed: Callable[[str], bool]) -> None:
    """Check that the files of needed stimuli could be used.

    Parameters
    ----------
    dataset
        The content of ``stimuli/<dataset>.nc``.
    needed
        Whether a stimulus is needed, by its name.

    Raises
    ------
    UnusableStimuliError
        When they could not. The log names them, so that the run goes on without them.
    """
    if UNUSABLE not in dataset.attrs:
        return
    unusable = json.loads(dataset.attrs[UNUSABLE])
    reasons = {name: why for name, why in unusable["reasons"].items() if needed(name)}
    if reasons:
        log_subject(dataset=unusable["dataset"], stimuli=list(reasons))
        raise UnusableStimuliError(reasons)


def select_stimuli(dataset: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """The named stimuli of the content of ``stimuli/<dataset>.nc``, in this order.

    Raises
    ------
    UnusableStimuliError
        As ``check_usable``.
    """
    check_usable(dataset, names.__contains__)
    return dataset.sel(stimulus=list(names))
