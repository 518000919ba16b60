"""Stimuli as recognition models get them: exported images and sounds, and the labels of the natural stimuli."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metamers.modalities import MODALITIES
from metamers.run import files
from metamers.stimuli.formats import FORMATS


def read_exported(folder: Path, names: Sequence[str], modality: str) -> np.ndarray:
    """Read exported images or sounds.

    Parameters
    ----------
    folder, names
        The folder, and the names of its files without suffix.
    modality
        ``vision`` or ``audio``.

    Returns
    -------
    numpy.ndarray
        (stimulus, …signal), in this order.

    Raises
    ------
    ValueError
        When a file cannot be read.
    """
    suffix, read = MODALITIES[modality].suffix, FORMATS[modality].read
    return np.stack([read(folder / f"{name}{suffix}") for name in names])


def labels_of(path: str | Path, names: Sequence[str]) -> dict[str, tuple[str, np.ndarray]]:
    """The coordinates ``category`` and ``label`` (stimulus) of stimuli, in this order.

    Parameters
    ----------
    path
        A file of natural stimuli. Its signals are not read.
    names
        Names of the stimuli.
    """
    with files.open_dataset(path) as whole:
        chosen = whole[["category", "label"]].sel(stimulus=list(names)).load()
    return {name: ("stimulus", chosen[name].values) for name in ("category", "label")}
