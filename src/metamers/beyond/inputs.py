"""Input files of the comparisons of the extensions, read into the arguments of ``metamers.beyond.compare``."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import xarray as xr

from metamers.run import files


def load_set(path: str | Path) -> xr.Dataset:
    """Load a set of metamers, ``beyond/metamers/<set>.nc``, without the metamers themselves, which are large."""
    with files.open_dataset(path) as whole:
        return whole.drop_vars("metamer").load()


def load_by_name(names: Iterable[str], paths: Iterable[str | Path]) -> dict[str, xr.Dataset]:
    """Load one file for each name.

    Raises
    ------
    ValueError
        When the numbers of names and paths differ.
    """
    return {name: files.load(path) for name, path in zip(names, paths, strict=True)}


def load_answers(
    models: Iterable[str], judges: Iterable[str], paths: Iterable[str | Path]
) -> Mapping[str, dict[str, xr.Dataset]]:
    """Load the run's recognition files, model → recognition model → Dataset, from paths in the same order.

    Raises
    ------
    ValueError
        When there is not one path for each pair of model and recognition model.
    """
    pairs = [(model, judge) for model in models for judge in judges]
    found: dict[str, dict[str, xr.Dataset]] = {model: {} for model, _ in pairs}
    for (model, judge), path in zip(pairs, paths, strict=True):
        found[model][judge] = files.load(path)
    return found
