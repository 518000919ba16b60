"""Stimuli as recognition models get them: exported images and sounds, and the labels of the natural stimuli."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from metamers.modalities import MODALITIES
from metamers.run import files
from metamers.stimuli.formats import FORMATS
from metamers.stimuli.labels import select_stimuli


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


class Decoded:
    """Exported images or sounds that are read from their files once, however often they are asked for.

    They are kept in temporary files, as the integers that they were exported as, so memory holds those of one folder.

    Parameters
    ----------
    names, modality
        As for ``read_exported``.
    """

    def __init__(self, names: Sequence[str], modality: str):
        self._names, self._modality = names, modality
        self._kept: dict[Path, np.ndarray] = {}

    def __call__(self, folder: Path) -> np.ndarray:
        """The stimuli of a folder, as ``read_exported``."""
        form = FORMATS[self._modality]
        if folder not in self._kept:
            integers = form.integers(read_exported(folder, self._names, self._modality))
            with tempfile.TemporaryFile() as file:
                integers.tofile(file)  # a full disk is an error here
                self._kept[folder] = np.memmap(file, dtype=integers.dtype, mode="r", shape=integers.shape)
        return self._kept[folder].astype(np.float32) / form.scale


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
        chosen = select_stimuli(whole[["category", "label"]], names).load()
    return {name: ("stimulus", chosen[name].values) for name in ("category", "label")}
