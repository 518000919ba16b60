"""Files that runs share: a folder with results of jobs, whose names are hashes of everything that they follow from.

A run copies a file out of the folder, names itself in the copy, and records it as its own. So it depends neither on the
folder nor on the run that computed the file.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import netCDF4

from metamers.run import files, manifest
from metamers.run.hashes import listing_sha256, sha256_of

SUFFIX = ".sha256"


def check_folder(location: str | None) -> Path:
    """Return the folder that an environment variable names, after checking it.

    Raises
    ------
    OSError
        When it is not the absolute path of a folder that can be written to; the message says what would do.
    """
    expected = "an absolute path of a folder that you may write to"
    folder = Path(location or "")
    if not folder.is_absolute() or not folder.is_dir():
        raise OSError(f"SNAKEMAKE_OUTPUT_CACHE: {location or 'not set'}; with --cache, it must be {expected}")
    try:
        manifest.write_probe(folder)
    except OSError as error:
        raise OSError(f"SNAKEMAKE_OUTPUT_CACHE: {location} ({error.strerror}); it must be {expected}") from error
    return folder


def _state(path: Path) -> str:
    """What shows that a file or folder has not changed, so that its hash is computed once for all jobs."""
    stat = path.stat()
    return listing_sha256(path) if path.is_dir() else f"{stat.st_size} {stat.st_mtime_ns}"


@cache
def _content_hash(path: Path, state: str) -> str:
    """The hash of the content of an input, which for NetCDF is the one that its run recorded."""
    if path.suffix == ".nc":
        with files.open_dataset(path) as dataset:
            return str(dataset.attrs["content_sha256"])
    return _bytes_hash(path, state)


@cache
def _bytes_hash(path: Path, _state: str) -> str:
    return sha256_of(path)


def key_of(run: str | Path, inputs: Iterable[str | Path], *settings: Any) -> str:
    """Return the name of a job's results: the hash of inputs, software and settings, in hexadecimal digits.

    Parameters
    ----------
    run
        The run's folder, which does not count in the paths of inputs.
    inputs
        Paths of files and folders, whose contents count.
    *settings
        Settings that can be written as JSON; others count by their text.
    """
    contents = []
    for path in map(Path, inputs):
        name = path.relative_to(run) if path.is_relative_to(run) else path
        contents.append((name.as_posix(), _content_hash(path, _state(path))))
    text = json.dumps([contents, files.software_versions(), settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def is_whole(shared: Path) -> bool:
    """Whether a file is in the folder with the bytes that were put there."""
    record = shared.with_name(shared.name + SUFFIX)
    return record.is_file() and shared.is_file() and sha256_of(shared) == record.read_text(encoding="ascii")


def leave(path: str | Path, shared: Path) -> None:
    """Copy a file of a run into the folder; of two runs that do so at once, the last one counts.

    Raises
    ------
    OSError
        When writing fails.
    """
    files.write_atomically(shared, lambda partial: shutil.copyfile(path, partial))
    files.write(shared.with_name(shared.name + SUFFIX), sha256_of(shared))


def take(shared: Path, path: str | Path, run: str) -> None:
    """Copy a file from the folder to its place in a run, with the run's name in it.

    Parameters
    ----------
    shared, path
        The file, and the place of the copy.
    run
        Name of the run.

    Raises
    ------
    OSError
        When writing fails.
    """

    def write(partial: Path) -> None:
        shutil.copyfile(shared, partial)
        if Path(path).suffix == ".nc":
            with netCDF4.Dataset(partial, "a") as dataset:
                dataset.setncatts(_attributes_in(run, dataset))

    files.write_atomically(path, write)


def _attributes_in(run: str, file: netCDF4.Dataset) -> Mapping[str, str]:
    """The attributes of a file that name its run and inputs, for another run, whose inputs have the same contents."""
    names = [name.replace(f"results/{file.run}/", f"results/{run}/", 1) for name in json.loads(file.inputs)]
    inputs = {name: _bytes_hash(Path(name), _state(Path(name))) for name in names}
    return {
        "run": run,
        "project": run,
        "id": file.id.replace(file.run, run, 1),
        "inputs": json.dumps(inputs),
        "history": f"{file.history}\ntaken from the run {file.run}, which computed it",
    }
