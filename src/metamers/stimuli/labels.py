"""Labels: stimuli together with their labels as one Dataset, the same for every modality and source.

The values and labels come from the readers: ``metamers.stimuli.images``, ``sounds``, ``excerpts`` and ``speech``.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import xarray as xr

from metamers.modalities import MODALITIES
from metamers.names import listed

LABELS = ("category", "label", "speaker", "split")


def read_stimuli(
    rows: Sequence[Mapping[str, str]],
    folder: str | Path,
    shape: tuple[int, ...],
    read: Callable[[Path], np.ndarray],
    noun: str,
) -> np.ndarray:
    """Read the stimuli in the files of a dataset.

    Parameters
    ----------
    rows
        ``file`` of each stimulus.
    folder
        The folder of the files.
    shape
        Of a stimulus.
    read
        Path of a file → stimulus, or a ``ValueError`` whose message names the file.
    noun
        What a stimulus is called: ``image`` or ``sound``.

    Returns
    -------
    numpy.ndarray
        (stimulus, …shape), float32.

    Raises
    ------
    ValueError
        When files cannot be used, or two files hold the same stimulus. The message names all of them.
    """
    values = np.empty((len(rows), *shape), dtype=np.float32)
    problems, seen = [], {}
    for value, row in zip(values, rows, strict=True):
        try:
            value[:] = read(Path(folder) / row["file"])
        except ValueError as error:
            problems.append(str(error))
            continue
        if (other := seen.setdefault(sha256(value.data).digest(), row["file"])) != row["file"]:
            problems.append(
                f"{other} and {row['file']} in {folder} are the same {noun}; leave one out, because "
                "no metamer could match its stimulus better than these two match"
            )
    if problems:
        raise ValueError(listed(problems))
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
