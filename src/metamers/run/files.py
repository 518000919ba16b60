"""Read and write the NetCDF files of a run, with their provenance.

This module decides the attributes, long names and units that every file has, and writes each file atomically: a file is
complete or absent. Callers decide the content of a file and name its inputs. The attributes of the conventions CF and
ACDD are in ``metamers.run.conventions``.
"""

import datetime
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from metamers.foreign.hdf5 import FOREIGN_BYTES, check_structure, check_structures
from metamers.foreign.isolated import call_isolated
from metamers.run import manifest
from metamers.run.conventions import TEXT, content_type, discovery_attributes, flag_attributes
from metamers.run.cpu_time import counted
from metamers.run.declared import SHARED, RunFile, described
from metamers.run.hashes import sha256_of

STUDY = (
    "Feather, Leclerc, Mądry & McDermott (2023). Model metamers reveal divergent invariances between biological and "
    "artificial neural networks. Nature Neuroscience 26, 2017-2034. doi:10.1038/s41593-023-01442-0"
)

NO_REFERENCES = "none are registered"  # CF does not allow an empty attribute
DESCRIBED = ("long_name", "units", "coverage_content_type", "flag_values", "flag_meanings")
SLAB = 1 << 24  # bytes of a variable that are hashed at a time

SOFTWARE = (
    "numpy",
    "scipy",
    "pandas",
    "pingouin",
    "statsmodels",
    "scikit-learn",
    "xarray",
    "netCDF4",
    "torch",
    "torchvision",
    "torchaudio",
    "timm",
    "open_clip_torch",
    "transformers",
    "foolbox",
    "soundfile",
    "espeakng-loader",
)


def content_sha256(dataset: xr.Dataset) -> str:
    """SHA-256 over a dataset's variables and coordinates: names, dimensions, types and values, not attributes.

    The result is the same before writing and after reading, for any compression; texts are hashed as UTF-8. For a
    dataset that is opened but not loaded, one slab along the first dimension is in memory at a time.
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


def fingerprint(path: str | Path) -> str:
    """SHA-256 of a file or folder; for NetCDF that of its content, which does not depend on when it was made."""
    if Path(path).suffix == ".nc":
        with open_dataset(path) as dataset:
            return content_sha256(dataset)
    return sha256_of(path)


def _slabs(variable: xr.Variable) -> Iterator[np.ndarray]:
    """Yield the values of a variable, some rows of its first dimension at a time."""
    if variable.ndim == 0:
        yield np.asarray(variable.values)
        return
    rows = max(1, SLAB * len(variable) // max(variable.nbytes, 1))
    for start in range(0, len(variable), rows):
        yield np.asarray(variable[start : start + rows].values)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn an error in writing a file into one that names possible causes."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # netCDF4 reports a full disk as RuntimeError("NetCDF: HDF error")
        raise OSError(
            f"{path} could not be written: {error}. Is the disk full, read-only or no longer mounted? No partial file "
            "was left behind; fix the disk and run again."
        ) from error


@counted("files")
def write_atomically(path: str | Path, write: Callable[[Path], None], staged: str | Path | None = None) -> None:
    """Write a file atomically, and record a file of the run in the run's manifest.

    Parameters
    ----------
    path
        The file; an existing file is replaced.
    write
        Writes the content to the temporary path that it is given, in the same folder.
    staged
        The file that is written instead; the caller gives it the name ``path``.

    Raises
    ------
    OSError
        When writing fails (a full disk, a read-only folder); the temporary file is removed, an existing file is kept.
    """
    path = Path(path)
    place = Path(staged or path)
    partial = place.with_name(f".{place.name}.{threading.get_native_id()}.partial")
    try:
        with _explained(path):
            place.parent.mkdir(parents=True, exist_ok=True)
            write(partial)
            with partial.open("rb+") as stream:
                os.fsync(stream.fileno())
            partial.replace(place)
        manifest.record(path, staged=place)
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    """Delete a file if it exists; errors are ignored, because the error that led here is the one to report."""
    with suppress(OSError):
        path.unlink()


def write(path: str | Path, content: str | bytes) -> None:
    """Write text (as UTF-8) or bytes to a file; atomic, and raises, as ``write_atomically``."""
    content = content.encode() if isinstance(content, str) else content
    write_atomically(path, lambda partial: partial.write_bytes(content))


def software_versions() -> dict[str, str]:
    """Return name → version of the installed packages that results depend on."""
    versions = {}
    for name in SOFTWARE:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def processor() -> str:
    """Return the name of the processor, as its maker calls it on Linux, or else its architecture."""
    lines = []
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, names), "") or platform.processor() or platform.machine() or "unknown"


def _described(dataset: xr.Dataset, path: str | Path, declared: RunFile | None) -> xr.Dataset:
    """Return a copy of a dataset with a long name, a unit and the other attributes of CF and ACDD on every variable.

    It has no encoding of a file that it was read from: xarray would cut texts to the length that they had there,
    such as names of stimuli that are concatenated with longer ones.

    Raises
    ------
    KeyError
        When a variable has no description.
    """
    descriptions = described(SHARED) | (declared.described if declared else {})
    if unknown := sorted(str(name) for name in dataset.variables if name not in descriptions):
        raise KeyError(
            f"no long name and unit for {unknown}: describe them in files.py of the step, or, if several "
            "steps have them, in src/metamers/run/declared.py"
        )
    dataset = dataset.drop_encoding()  # a copy
    measured = "humans" in Path(path).parts
    for name, variable in dataset.variables.items():
        long_name, units = descriptions[str(name)]
        # Arithmetic keeps the description of the operands, which is replaced.
        kept = {key: value for key, value in variable.attrs.items() if key not in DESCRIBED}
        attributes = {"coverage_content_type": content_type(name, variable, name in dataset.coords, measured)}
        attributes |= flag_attributes(variable)
        variable.attrs = {"long_name": long_name} | ({"units": units} if units else {}) | attributes | kept
    return dataset


def _compressed(dataset: xr.Dataset) -> dict[Hashable, dict[str, Any]]:
    """Return the encoding of a dataset's variables: numbers are compressed, and dimensions have no missing values."""
    numeric = [name for name, variable in dataset.variables.items() if variable.dtype.kind not in TEXT]
    encoding: dict[Hashable, dict[str, Any]] = {
        name: {"zlib": True, "complevel": 4, "shuffle": True} for name in numeric
    }
    for name in set(numeric) & set(dataset.dims):
        encoding[name]["_FillValue"] = None
    return encoding


def _provenance(
    dataset: xr.Dataset,
    path: str | Path,
    *,
    title: str,
    source: str,
    references: str = STUDY,
    step: str,
    run: str,
    seed: int,
    inputs: Iterable[str | Path] | Mapping[str, str],
    creator: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """Return the attributes of a file: its provenance, the hash of its content, and those of the conventions.

    Parameters
    ----------
    dataset
        Its content, described.
    path
        The file; within the run's folder the path is recorded relative to that folder, so that the folder can be moved.
    title, source, references
        A title, the source in words, and the publications to cite, or an empty text.
    step
        The step of the workflow that made the file.
    run, seed
        The run's name and its seed.
    inputs
        Paths of the input files, or path → name by which the file is recorded; their SHA-256 are recorded.
    creator
        Who is responsible for the run, as in a configuration; None: not named.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    names = inputs if isinstance(inputs, Mapping) else {str(one): str(one) for one in inputs}
    content, place = content_sha256(dataset), manifest.path_in_run(Path(path))
    about = {"title": title, "source": source, "step": step, "run": run, "path": place, "creator": creator}
    return discovery_attributes(dataset, **about, created=now, content_sha256=content) | {
        "title": title,
        "source": source,
        "references": references or NO_REFERENCES,
        "history": f"{now} {step}",
        "step": step,
        "path": place,
        "run": run,
        "seed": seed,
        "software": json.dumps(software_versions()),
        "processor": processor(),
        "inputs": json.dumps({str(name): sha256_of(path) for path, name in names.items()}),
        "content_sha256": content,
    }


@counted("files")
def save(
    dataset: xr.Dataset,
    path: str | Path,
    staged: str | Path | None = None,
    declared: RunFile | None = None,
    **provenance: Any,
) -> None:
    """Write a dataset as compressed NetCDF-4 with its provenance.

    Parameters
    ----------
    dataset
        Variables and coordinates, each of which must be described in ``declared`` or ``metamers.run.declared.SHARED``.
    path
        The file; written atomically.
    staged
        As for ``write_atomically``.
    declared
        What the step declares of the file.
    **provenance
        ``title``, ``source``, ``step``, ``run``, ``seed``, ``inputs``, ``creator`` and, if not the study,
        ``references``: see ``_provenance``.

    Raises
    ------
    KeyError
        When a variable has no description.
    OSError
        When the file could not be written.
    """
    dataset = _described(dataset, path, declared)
    dataset.attrs |= _provenance(dataset, path, **provenance)
    encoding = _compressed(dataset)

    def write_netcdf(partial: Path) -> None:
        dataset.to_netcdf(partial, engine="netcdf4", encoding=encoding)
        _check_readable(path, partial)

    write_atomically(path, write_netcdf, staged)


def _check_readable(path: str | Path, written: Path) -> None:
    """Check that a written file passes the check that is made before reading.

    Raises
    ------
    ValueError
        When it does not.
    """
    try:
        check_structure(written)
    except ValueError as error:
        raise ValueError(f"{path} would be refused when it is read: {error}") from error


@contextmanager
def save_in_pieces(
    path: str | Path, dimension: str, declared: RunFile | None = None, **provenance: Any
) -> Iterator[Callable[[xr.Dataset], None]]:
    """Write a file as ``save`` does, but in pieces, so that only one piece is in memory at a time.

    Parameters
    ----------
    path, declared, **provenance
        As for ``save``.
    dimension
        The dimension along which pieces are appended; it is the first dimension of every variable that has it.

    Yields
    ------
    callable
        Appends a Dataset. Variables without ``dimension``, and attributes, are taken from the first piece. The file
        appears when the context ends without an error.

    Raises
    ------
    KeyError, OSError
        As ``save``.
    """
    path = Path(path)
    grown = path.with_name(f".{path.name}.{threading.get_native_id()}.growing")
    _remove(grown)  # may be left by a killed thread that had the same ID

    @counted("files")
    def append(piece: xr.Dataset) -> None:
        with _explained(path):
            if not grown.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                first = _described(piece, path, declared)
                encoding = _compressed(first)
                first.to_netcdf(grown, engine="netcdf4", encoding=encoding, unlimited_dims=[dimension])
                return
            with netCDF4.Dataset(grown, "a") as file:
                length = len(file.dimensions[dimension])
                for name, variable in piece.variables.items():
                    if dimension in variable.dims:
                        file[name][length : length + len(variable)] = variable.values

    try:
        yield append
        with counted("files"), _explained(path):
            with xr.open_dataset(grown, engine="netcdf4") as whole:
                attributes = _provenance(whole, path, **provenance)
            with netCDF4.Dataset(grown, "a") as file:
                file.setncatts(attributes)
        _check_readable(path, grown)
        write_atomically(path, grown.replace)
    finally:
        _remove(grown)


@contextmanager
def _explained_reading(path: str | Path) -> Iterator[None]:
    """Turn an error in opening or reading a file into one that names possible causes."""
    try:
        yield
    except Exception as error:  # readers of damaged files can raise almost any exception
        if not os.path.exists(path):  # Path.exists() raises when a network disk is lost
            raise OSError(
                f"{path} is missing. Was it deleted, or its disk unmounted, during the run? Run again."
            ) from error
        raise OSError(
            f"{path} cannot be read as NetCDF ({error}). If it is damaged, delete it and run again to make a new one."
        ) from error


@contextmanager
def open_dataset(path: str | Path) -> Iterator[xr.Dataset]:
    """Open a NetCDF file of a run after a check of its structure; values are read on request.

    Raises
    ------
    OSError
        When the file is missing, is not NetCDF, or has a structure that no run writes: see
        ``metamers.foreign.hdf5.check_structure``.
    """
    with counted("files"), _explained_reading(path):
        check_structure(path)
        dataset = xr.open_dataset(path, engine="netcdf4", decode_times=False)
    with dataset:
        yield dataset


@counted("files")
def load(path: str | Path, without: str | None = None) -> xr.Dataset:
    """Read a NetCDF file of a run into memory after a check of its structure.

    Parameters
    ----------
    path
        The file.
    without
        A large variable that is not read.

    Raises
    ------
    OSError
        As ``open_dataset``.
    """
    with _explained_reading(path):
        check_structure(path)
        return _load(path, without)


def _checked(paths: Sequence[str | Path]) -> Iterator[str | Path]:
    """Yield paths of NetCDF files after a check of their structure; one process checks them all."""
    for path, error in zip(paths, check_structures(paths), strict=True):
        with _explained_reading(path):
            if error is not None:
                raise error
        yield path


@counted("files")
def load_all(paths: Iterable[str | Path]) -> list[xr.Dataset]:
    """Read several whole NetCDF files of a run; faster than ``load`` for each.

    Raises
    ------
    OSError
        As ``open_dataset``.
    """
    datasets = []
    for path in _checked(list(paths)):
        with _explained_reading(path):
            datasets.append(_load(path))
    return datasets


def load_by_stem(paths: Iterable[str | Path]) -> dict[str, xr.Dataset]:
    """Read files as ``load_all`` does; returns the name of each file, without its suffix → Dataset.

    Raises
    ------
    OSError
        As ``open_dataset``.
    ValueError
        When two files have the same name.
    """
    paths = list(map(Path, paths))
    datasets = dict(zip((path.stem for path in paths), load_all(paths), strict=True))
    if len(datasets) < len(paths):
        raise ValueError(f"several files have the same name: {', '.join(map(str, paths))}")
    return datasets


def load_answers(paths: Iterable[str | Path]) -> dict[str, dict[str, xr.Dataset]]:
    """Read files ``<generation model>/<recognition model>.nc``, as ``load_all`` does.

    Returns
    -------
    dict
        Generation model → recognition model → Dataset.

    Raises
    ------
    OSError
        As ``open_dataset``.
    """
    paths = list(map(Path, paths))
    answers: dict[str, dict[str, xr.Dataset]] = {}
    for path, dataset in zip(paths, load_all(paths), strict=True):
        answers.setdefault(path.parent.name, {})[path.stem] = dataset
    return answers


@counted("files")
def read_attributes(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Read the attributes of several NetCDF files of a run.

    Raises
    ------
    OSError
        As ``open_dataset``.
    """
    attributes = []
    for path in _checked(list(paths)):
        with _explained_reading(path), netCDF4.Dataset(path) as file:
            attributes.append({name: file.getncattr(name) for name in file.ncattrs()})
    return attributes


@counted("files")
def load_foreign(path: str | Path) -> xr.Dataset:
    """Read a whole NetCDF file from outside as ``load`` does, after a separate process has read it once.

    Raises
    ------
    OSError
        As ``open_dataset``, or when the file takes more than ``metamers.foreign.hdf5.FOREIGN_BYTES`` of memory.
    """
    with _explained_reading(path):
        check_foreign(path)
        return _load(path)


@counted("files")
def check_foreign(path: str | Path) -> None:
    """Check that a NetCDF file from outside can be read: check its structure, then read it in a separate process.

    Raises
    ------
    ValueError, OSError
        As ``metamers.foreign.hdf5.check_structure``, and when the process that reads it crashes.
    """
    check_structure(path, FOREIGN_BYTES)
    call_isolated(_read_once, path, extra_bytes=4 * FOREIGN_BYTES)


def _read_once(path: str | Path) -> None:
    _load(path)


def _load(path: str | Path, without: str | None = None) -> xr.Dataset:
    return xr.load_dataset(path, engine="netcdf4", decode_times=False, drop_variables=without)
