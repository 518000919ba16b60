"""Cached files: NetCDF with its provenance, written whole or not at all.

One place decides what every file carries (attributes, names, units) and how it reaches the disk. What is in a file,
and from what it was computed, is for the callers to say.
"""

import datetime
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

from metamers.hashes import sha256_of

STUDY = (
    "Feather, Leclerc, Mądry & McDermott (2023). Model metamers reveal divergent invariances between biological and "
    "artificial neural networks. Nature Neuroscience 26, 2017-2034. doi:10.1038/s41593-023-01442-0"
)

TEXT = "OUST"  # kinds of NumPy types that hold text

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

# Long name and unit of every variable and coordinate.
DESCRIPTIONS: dict[str, tuple[str, str]] = yaml.safe_load(
    Path(__file__).with_name("descriptions.yaml").read_text(encoding="utf-8")
)


def content_sha256(dataset: xr.Dataset) -> str:
    """SHA-256 over a dataset's variables and coordinates: names, dimensions, types and values, not attributes.

    The same before writing and after reading, whatever the compression; texts count as UTF-8.
    """
    digest = hashlib.sha256()
    for name in sorted(map(str, dataset.variables)):
        variable = dataset[name].variable
        values = np.asarray(variable.values)
        if values.dtype.kind in TEXT:
            kind = "text"
            texts = [str(value).encode() for value in values.ravel()]
            data = b"".join(len(text).to_bytes(8, "little") + text for text in texts)
        else:
            kind = values.dtype.str.replace(">", "<").replace("=", "<")
            data = np.ascontiguousarray(values).astype(kind, copy=False).tobytes()
        header = json.dumps([name, list(variable.dims), kind, list(values.shape)])
        digest.update(header.encode() + b"\0" + data)
    return digest.hexdigest()


def replace_whole(path: str | Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a file beside ``path`` and move it into place, so that ``path`` is whole or as it was.

    Raises
    ------
    OSError
        When writing fails (a full disk, a read-only folder); what was half-written is removed, an older file stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # netCDF4 reports a full disk as RuntimeError("NetCDF: HDF error")
        raise OSError(
            f"{path} could not be written: {error}. Is the disk full or the folder read-only? Nothing was left behind; "
            "make room and run again."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def software_versions() -> dict[str, str]:
    """Versions of the installed packages that numbers depend on."""
    versions = {}
    for name in SOFTWARE:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def save(
    dataset: xr.Dataset,
    path: str | Path,
    *,
    title: str,
    source: str,
    references: str = STUDY,
    step: str,
    run: str,
    seed: int,
    inputs: Iterable[str | Path],
) -> None:
    """Write a dataset as compressed NetCDF-4 with its provenance.

    Parameters
    ----------
    dataset
        Variables and coordinates, each of which must be described in ``descriptions.yaml``.
    path
        The file; replaced whole.
    title, source, references
        What the file is, what it was computed from in words, and what to cite.
    step
        The step of the workflow that made it, for ``history``.
    run, seed
        The run's name and its seed.
    inputs
        Paths of the files that it was computed from; their SHA-256 are recorded.

    Raises
    ------
    KeyError
        When a variable has no description.
    OSError
        When the file could not be written.
    """
    if unknown := sorted(str(name) for name in dataset.variables if name not in DESCRIPTIONS):
        raise KeyError(f"no long name and unit for {unknown}: describe them in scripts/metamers/descriptions.yaml")
    dataset = dataset.copy()
    for name, variable in dataset.variables.items():
        long_name, units = DESCRIPTIONS[str(name)]
        variable.attrs = {"long_name": long_name} | ({"units": units} if units else {}) | variable.attrs
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    dataset.attrs |= {
        "title": title,
        "source": source,
        "references": references,
        "history": f"{now} {step}",
        "run": run,
        "seed": seed,
        "software": json.dumps(software_versions()),
        "inputs": json.dumps({str(p): sha256_of(p) for p in inputs}),
        "content_sha256": content_sha256(dataset),
    }
    numeric = [name for name, variable in dataset.variables.items() if variable.dtype.kind not in TEXT]
    encoding = {name: {"zlib": True, "complevel": 4, "shuffle": True} for name in numeric}
    replace_whole(path, lambda partial: dataset.to_netcdf(partial, engine="netcdf4", encoding=encoding))


def load(path: str | Path) -> xr.Dataset:
    """Read a whole NetCDF file into memory and close it.

    Raises
    ------
    OSError
        When the file is missing or is not NetCDF.
    """
    try:
        return xr.load_dataset(path, engine="netcdf4")
    except (OSError, RuntimeError, ValueError) as error:
        raise OSError(
            f"{path} cannot be read as NetCDF ({error}). If it is damaged, delete it and run again: it is made anew."
        ) from error
