"""Cached files: NetCDF with its provenance, written whole or not at all.

One place decides what every file carries (attributes, names, units) and how it reaches the disk. What is in a file,
and from what it was computed, is for the callers to say.
"""

import datetime
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
import yaml

from metamers import manifest
from metamers.hashes import sha256_of
from metamers.hdf5 import FOREIGN_BYTES, check_structure
from metamers.isolated import call_isolated
from metamers.logs import spent

STUDY = (
    "Feather, Leclerc, Mądry & McDermott (2023). Model metamers reveal divergent invariances between biological and "
    "artificial neural networks. Nature Neuroscience 26, 2017-2034. doi:10.1038/s41593-023-01442-0"
)

TEXT = "OUST"  # kinds of NumPy types that hold text
SLAB = 1 << 24  # bytes of a variable that are hashed at once

SOFTWARE = (
    "numpy",
    "scipy",
    "pandas",
    "pingouin",
    "statsmodels",
    "xarray",
    "netCDF4",
    "torch",
    "torchvision",
    "torchaudio",
    "timm",
    "open_clip_torch",
    "foolbox",
    "scikit-learn",
    "soundfile",
    "espeakng-loader",
)

# Long name and unit of every variable and coordinate. Read as by yaml.safe_load, but, where PyYAML has it, ten times as
# fast: every job waits for this.
DESCRIPTIONS: dict[str, tuple[str, str]] = yaml.load(
    Path(__file__).with_name("descriptions.yaml").read_text(encoding="utf-8"),
    Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),
)


def content_sha256(dataset: xr.Dataset) -> str:
    """SHA-256 over a dataset's variables and coordinates: names, dimensions, types and values, not attributes.

    The same before writing and after reading, whatever the compression; texts count as UTF-8. Of a dataset that is
    opened but not loaded, one slab along the first dimension is in memory at a time.
    """
    digest = hashlib.sha256()
    for name in sorted(map(str, dataset.variables)):
        variable = dataset[name].variable
        text = variable.dtype.kind in TEXT
        kind = "text" if text else variable.dtype.str.replace(">", "<").replace("=", "<")
        header = json.dumps([name, list(variable.dims), kind, list(variable.shape)])
        digest.update(header.encode() + b"\0")
        for values in _slabs(variable):
            if text:
                texts = [str(value).encode() for value in values.ravel()]
                digest.update(b"".join(len(text).to_bytes(8, "little") + text for text in texts))
            else:
                digest.update(np.ascontiguousarray(values).astype(kind, copy=False).tobytes())
    return digest.hexdigest()


def _slabs(variable: xr.Variable) -> Iterator[np.ndarray]:
    """The values of a variable, some rows of its first dimension at a time."""
    if variable.ndim == 0:
        yield np.asarray(variable.values)
        return
    rows = max(1, SLAB * len(variable) // max(variable.nbytes, 1))
    for start in range(0, len(variable), rows):
        yield np.asarray(variable[start : start + rows].values)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say of an error in writing what may be wrong."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # netCDF4 reports a full disk as RuntimeError("NetCDF: HDF error")
        raise OSError(
            f"{path} could not be written: {error}. Is the disk full, read-only or not mounted any more? Nothing was "
            "left behind; mend that and run again."
        ) from error


@spent("writing")
def replace_whole(path: str | Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a file beside ``path`` and move it into place, so that ``path`` is whole or as it was.

    A file of a run is recorded in its manifest.

    Raises
    ------
    OSError
        When writing fails (a full disk, a read-only folder); what was half-written is removed, an older file stays.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(partial)
            with partial.open("rb+") as stream:
                os.fsync(stream.fileno())
            partial.replace(path)
        manifest.record(path)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    """Delete a file if it is there; where that cannot be, on a disk that is read-only now, something else is said."""
    with suppress(OSError):
        path.unlink()


def write(path: str | Path, content: str | bytes) -> None:
    """Write a text, in UTF-8, or bytes as a file that is whole or as it was; raises as ``replace_whole``."""
    content = content.encode() if isinstance(content, str) else content
    replace_whole(path, lambda partial: partial.write_bytes(content))


def software_versions() -> dict[str, str]:
    """Versions of the installed packages that numbers depend on."""
    versions = {}
    for name in SOFTWARE:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _described(dataset: xr.Dataset) -> xr.Dataset:
    """A dataset with a long name and a unit on every variable.

    Raises
    ------
    KeyError
        When a variable has no description.
    """
    if unknown := sorted(str(name) for name in dataset.variables if name not in DESCRIPTIONS):
        raise KeyError(f"no long name and unit for {unknown}: describe them in scripts/metamers/descriptions.yaml")
    dataset = dataset.copy()
    for name, variable in dataset.variables.items():
        long_name, units = DESCRIPTIONS[str(name)]
        # Whatever arithmetic has left of the description of what it was computed from.
        kept = {key: value for key, value in variable.attrs.items() if key not in ("long_name", "units")}
        variable.attrs = {"long_name": long_name} | ({"units": units} if units else {}) | kept
    return dataset


def _compressed(dataset: xr.Dataset) -> dict[Hashable, dict[str, Any]]:
    """How variables are encoded: numbers compressed."""
    numeric = [name for name, variable in dataset.variables.items() if variable.dtype.kind not in TEXT]
    return {name: {"zlib": True, "complevel": 4, "shuffle": True} for name in numeric}


def _provenance(
    path: str | Path,
    *,
    title: str,
    source: str,
    references: str = STUDY,
    step: str,
    run: str,
    seed: int,
    inputs: Iterable[str | Path],
) -> dict[str, Any]:
    """Attributes that say where a file comes from.

    Parameters
    ----------
    path
        Where the file belongs; within the run's folder it is named from there, so that the folder may be moved.
    title, source, references
        What the file is, what it was computed from in words, and what to cite.
    step
        The step of the workflow that made it.
    run, seed
        The run's name and its seed.
    inputs
        Paths of the files that it was computed from; their SHA-256 are recorded.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {
        "title": title,
        "source": source,
        "references": references,
        "history": f"{now} {step}",
        "step": step,
        "path": manifest.path_in_run(Path(path)),
        "run": run,
        "seed": seed,
        "software": json.dumps(software_versions()),
        "inputs": json.dumps({str(p): sha256_of(p) for p in inputs}),
    }


@spent("writing")
def save(dataset: xr.Dataset, path: str | Path, **provenance: Any) -> None:
    """Write a dataset as compressed NetCDF-4 with its provenance.

    Parameters
    ----------
    dataset
        Variables and coordinates, each of which must be described in ``descriptions.yaml``.
    path
        The file; replaced whole.
    **provenance
        ``title``, ``source``, ``step``, ``run``, ``seed``, ``inputs`` and, if it is not the study, ``references``: see
        ``_provenance``.

    Raises
    ------
    KeyError
        When a variable has no description.
    OSError
        When the file could not be written.
    """
    dataset = _described(dataset)
    dataset.attrs |= _provenance(path, **provenance) | {"content_sha256": content_sha256(dataset)}
    encoding = _compressed(dataset)

    def write_netcdf(partial: Path) -> None:
        dataset.to_netcdf(partial, engine="netcdf4", encoding=encoding)
        _check_readable(path, partial)

    replace_whole(path, write_netcdf)


def _check_readable(path: str | Path, written: Path) -> None:
    """Make sure that a file that has been written will not be refused when it is read.

    Raises
    ------
    ValueError
        When it would be.
    """
    try:
        check_structure(written)
    except ValueError as error:
        raise ValueError(f"{path} could not be read again: {error}") from error


@contextmanager
def growing(path: str | Path, dimension: str, **provenance: Any) -> Iterator[Callable[[xr.Dataset], None]]:
    """Write a file as ``save`` does, piece by piece, so that no more than a piece of it need be in memory.

    Gives a function that appends a piece along ``dimension``, which is the first one of whatever has it; what does not
    have it, and attributes, are those of the first piece. The file is there, whole, when the context ends without an
    error; else nothing is.

    Parameters
    ----------
    path, **provenance
        As for ``save``.
    dimension
        Along which pieces follow each other.

    Raises
    ------
    KeyError, OSError
        As ``save``.
    """
    path = Path(path)
    grown = path.with_name(f".{path.name}.{os.getpid()}.growing")
    _remove(grown)  # of a process that was killed, and had this one's number

    @spent("writing")
    def append(piece: xr.Dataset) -> None:
        with _explained(path):
            if not grown.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                first = _described(piece)
                encoding = _compressed(first)
                first.to_netcdf(grown, engine="netcdf4", encoding=encoding, unlimited_dims=[dimension])
                return
            with netCDF4.Dataset(grown, "a") as file:
                place = len(file.dimensions[dimension])
                for name, variable in piece.variables.items():
                    if dimension in variable.dims:
                        file[name][place : place + len(variable)] = variable.values

    try:
        yield append
        with spent("writing"):
            with _explained(path):
                with xr.open_dataset(grown, engine="netcdf4") as whole:
                    attributes = _provenance(path, **provenance) | {"content_sha256": content_sha256(whole)}
                with netCDF4.Dataset(grown, "a") as file:
                    file.setncatts(attributes)
            _check_readable(path, grown)
            replace_whole(path, grown.replace)
    finally:
        _remove(grown)


@contextmanager
def _explained_reading(path: str | Path) -> Iterator[None]:
    """Say of an error in opening or reading what may be wrong."""
    try:
        yield
    except Exception as error:  # damaged files make their readers raise nearly anything
        if not os.path.exists(path):  # Path.exists() raises where a disk of the network is lost
            raise OSError(
                f"{path} is not there. Was it deleted, or its disk unmounted, while the run went on? Run again."
            ) from error
        raise OSError(
            f"{path} cannot be read as NetCDF ({error}). If it is damaged, delete it and run again: it is made anew."
        ) from error


@contextmanager
def open_dataset(path: str | Path) -> Iterator[xr.Dataset]:
    """A NetCDF file of a run, opened: values are read when they are asked for. Its structure is checked first.

    Raises
    ------
    OSError
        When the file is missing, is not NetCDF, or has anything that a run does not write: see
        ``metamers.hdf5.check_structure``.
    """
    with _explained_reading(path):
        check_structure(path)
        dataset = xr.open_dataset(path, engine="netcdf4", decode_times=False)
    with dataset:
        yield dataset


@spent("loading")
def load(path: str | Path) -> xr.Dataset:
    """Read a whole NetCDF file of a run into memory and close it. Its structure is checked first.

    Raises
    ------
    OSError
        As ``open_dataset``.
    """
    with _explained_reading(path):
        check_structure(path)
        return _load(path)


@spent("loading")
def load_foreign(path: str | Path) -> xr.Dataset:
    """Read a whole NetCDF file from outside as ``load`` does, after a process of its own has read all of it.

    Raises
    ------
    OSError
        As ``open_dataset``, or when the file takes more than ``metamers.hdf5.FOREIGN_BYTES`` of memory.
    """
    with _explained_reading(path):
        check_foreign(path)
        return _load(path)


def check_foreign(path: str | Path) -> None:
    """Make sure that a NetCDF file from outside can be read: its structure, and by reading it in another process.

    Raises
    ------
    ValueError, OSError
        As ``metamers.hdf5.check_structure``, and when the process that reads it crashes.
    """
    check_structure(path, FOREIGN_BYTES)
    call_isolated(_read_once, path, more_bytes=4 * FOREIGN_BYTES)


def _read_once(path: str | Path) -> None:
    _load(path)


def _load(path: str | Path) -> xr.Dataset:
    return xr.load_dataset(path, engine="netcdf4", decode_times=False)
