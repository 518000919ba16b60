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

STUDY = (
    "Feather, Leclerc, Mądry & McDermott (2023). Model metamers reveal divergent invariances between biological and "
    "artificial neural networks. Nature Neuroscience 26, 2017-2034. doi:10.1038/s41593-023-01442-0"
)

TEXT = "OUST"  # kinds of NumPy types that hold text

SOFTWARE = ("numpy", "scipy", "pandas", "pingouin", "statsmodels", "xarray", "netCDF4", "torch", "torchvision", "timm")

# Long name and unit ("1" for a number without one, "" for text) of every variable and coordinate of every file.
DESCRIPTIONS: dict[str, tuple[str, str]] = {
    # signals
    "stimulus_value": ("natural stimulus", "1"),
    "metamer": ("synthesized stimulus", "1"),
    "stimulus": ("stimulus", ""),
    "category": ("category of the stimulus", ""),
    "label": ("name of the stimulus's own class", ""),
    "channel": ("colour channel", ""),
    "row": ("row", "1"),
    "column": ("column", "1"),
    "sample": ("sample", "1"),
    # synthesis and match
    "seed": ("seed of the noise that synthesis starts from", "1"),
    "step": ("step of the synthesis", "1"),
    "steps": ("number of steps taken", "1"),
    "loss": ("normalized error at the stage before the step", "1"),
    "normalized_error": ("normalized error between activations", "1"),
    "pearson_r": ("Pearson correlation", "1"),
    "spearman_rho": ("Spearman rank correlation", "1"),
    "kendall_tau": ("Kendall rank correlation (tau-b)", "1"),
    "snr_db": ("signal-to-noise ratio of activations", "dB"),
    "predicted_category": ("category that the generation model gives to the metamer", ""),
    # null distribution and acceptance
    "stage": ("stage of the generation model", ""),
    "pair": ("pair of different natural stimuli", "1"),
    "stimulus_a": ("first stimulus of the pair", ""),
    "stimulus_b": ("second stimulus of the pair", ""),
    "accepted": ("match above the whole null distribution and category preserved", "1"),
    "above_null": ("Spearman correlation above the whole null distribution", "1"),
    "category_preserved": ("the generation model gives the stimulus's category", "1"),
    # recognition
    "answer": ("category that the recognition model answers", ""),
    "correct": ("the answer is the stimulus's category", "1"),
    "generation_model": ("model that the metamers were synthesized from", ""),
    "recognition_model": ("model that is asked what a metamer is", ""),
    "observer": ("who answers", ""),
    "participant": ("participant", ""),
    "proportion_correct": ("proportion correct", "1"),
    "standard_error": ("standard error of the mean", "1"),
    "n": ("number of observations", "1"),
    "experiment": ("experiment of the published study", ""),
    # humans and comparison
    "modality": ("modality", ""),
    "stage_number": ("place of the stage in the model's processing order, -1 where it has no such stage", "1"),
    "model_class": ("kind of the generation model", ""),
    "point": ("generation model and stage", "1"),
    "human_mean": ("proportion correct of humans, mean over participants", "1"),
    "human_sem": ("standard error of the mean over participants", "1"),
    "human_n": ("number of participants", "1"),
    "model_mean": ("proportion correct of other models, mean over models", "1"),
    "model_sem": ("standard error of the mean over models", "1"),
    "model_n": ("number of other models", "1"),
    "pearson_r2": ("squared Pearson correlation of human and model means", "1"),
    "noise_ceiling_r2": ("split-half reliability of human means (Spearman-Brown corrected)", "1"),
    "judges": ("number of judging models whose answers are public", "1"),
    "judges_published": ("number of judging models in the paper", "1"),
    **{
        f"{name}_{end}": (f"{end} end of the {range_} of {name}", "1")
        for name, range_ in {
            "pearson_r2": "95% bootstrap interval",
            "spearman_rho": "95% bootstrap interval",
            "kendall_tau": "95% bootstrap interval",
            "noise_ceiling_r2": "95% range over splits",
        }.items()
        for end in ("low", "high")
    },
    **{f"published_{name}": (f"{name} in the paper", "1") for name in ("pearson_r2", "spearman_rho", "kendall_tau")},
    "test": ("experiment and generation model", ""),
    "effect": ("effect of the analysis of variance", ""),
    "f": ("F statistic", "1"),
    "df_effect": ("degrees of freedom of the effect", "1"),
    "df_error": ("degrees of freedom of the error", "1"),
    "p_permutation": ("p of the permutation test", "1"),
    "partial_eta_squared": ("partial eta squared", "1"),
    "predicted": ("expected proportion correct of humans", "1"),
    "low": ("low end of the 95% prediction interval", "1"),
    "high": ("high end of the 95% prediction interval", "1"),
}


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's sorted file names and their SHA-256, as hexadecimal digits."""
    path = Path(path)
    if path.is_dir():
        lines = (f"{sha256_of(p)}  {p.relative_to(path).as_posix()}\n" for p in sorted(path.rglob("*")) if p.is_file())
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
        Variables and coordinates, each of which must be described in ``DESCRIPTIONS``.
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
        raise KeyError(f"no long name and unit for {unknown}: describe them in metamers.files.DESCRIPTIONS")
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
        raise OSError(f"{path} cannot be read as NetCDF ({error}). Delete it; the workflow makes it again.") from error
