"""Verification: whether every file of a run is still what was written, and what it was made from.

A file is

- ``damaged`` when its bytes are not those of the run's manifest, or its values not those of its ``content_sha256``;
- ``stale`` when a file that it was computed from is another now;
- ``foreign`` when the run has not written it;
- ``missing`` when the run has written it and it is no longer there: a rerun makes it where it is needed.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree

import xarray as xr

from metamers import files, manifest
from metamers.hashes import combined_sha256, sha256_of

logger = logging.getLogger("metamers")

PROGRESS_S = 5.0
REPAIRED = ("damaged", "stale", "foreign")  # what `repair` deletes
OUR_ATTRIBUTES = ("content_sha256", "inputs")


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a file.

    Attributes
    ----------
    path
        The file.
    kind
        ``damaged``, ``stale``, ``foreign`` or ``missing``.
    reason
        What was found, and what was expected.
    """

    path: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Examined:
    """What a file is now: SHA-256 of its bytes; of NetCDF the inputs it names, or why it cannot be what was written."""

    sha256: str
    inputs: Mapping[str, str]
    problem: str | None = None


def examine(path: str, recorded: str | None) -> Examined:
    """Hash a file, and of NetCDF also its values, against what is recorded and what the file itself says.

    A file that is not as recorded is not opened: what a damaged one does to its reader, nobody knows.
    """
    sha256 = sha256_of(path)
    if recorded not in (sha256, None):
        return Examined(sha256, {}, f"its SHA-256 is {sha256}, but {recorded} was written")
    if not path.endswith(".nc"):
        return Examined(sha256, {})
    try:
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            if absent := [name for name in OUR_ATTRIBUTES if name not in dataset.attrs]:
                return Examined(sha256, {}, f"it has no attribute {', '.join(absent)}")
            inputs = json.loads(dataset.attrs["inputs"])
            found, said = files.content_sha256(dataset), dataset.attrs["content_sha256"]
        problem = None if found == said else f"its values have SHA-256 {found}, but its content_sha256 is {said}"
        return Examined(sha256, inputs, problem)
    except Exception as error:  # damaged files make their readers raise nearly anything
        return Examined(sha256, {}, f"it cannot be read as NetCDF: {error}")


def _progress(examined: Iterable[Examined], number: int) -> Iterator[Examined]:
    """The same, saying now and then how far it is."""
    said = time.monotonic()
    for done, one in enumerate(examined, start=1):
        if time.monotonic() - said > PROGRESS_S or done == number:
            said = time.monotonic()
            logger.info("verified %d of %d files", done, number)
        yield one


def files_of(run: Path) -> list[Path]:
    """Every file of a run's folder but those that unfinished jobs keep."""
    kept = run / manifest.IN_PROGRESS
    return sorted(path for path in run.rglob("*") if not path.is_dir() and not path.is_relative_to(kept))


def verify(run: str | Path, workers: int = 1, passed_over: Iterable[str | Path] = ()) -> list[Problem]:
    """Everything that is wrong with the files of a run.

    Parameters
    ----------
    run
        Its folder; inputs are found from the working directory, as the run found them.
    workers
        Processes that hash.
    passed_over
        Files that are being written, as this step's own log.

    Returns
    -------
    list of Problem
        In the order of paths; a file has one problem at most.

    Raises
    ------
    FileNotFoundError
        When the run has no manifest.
    """
    run = Path(run)
    known = manifest.read(run)
    if not manifest.manifest_of(run).is_file():
        raise FileNotFoundError(
            f"{manifest.manifest_of(run)} is not there: nothing has been run yet, or by an older version that kept no "
            "manifest. The next run that makes something begins one."
        )
    here = [path for path in files_of(run) if path not in set(map(Path, passed_over))]
    names = {str(path): path.relative_to(run.parent).as_posix() for path in here}
    # Forked, since the script of a job, which other ways of starting a process would run again, has no main function.
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        answers = pool.map(examine, names, map(known.recorded.get, names.values()), chunksize=8)
        examined = dict(zip(names, _progress(answers, len(names)), strict=True))
    # What was written, which is what others were computed from, whatever has become of it since.
    written = {path: known.recorded.get(names[path], one.sha256) for path, one in examined.items()}
    present = _present_hashes(written)
    problems = []
    for path, one in examined.items():
        if names[path] not in known.recorded and not _of_snakemake(run, Path(path)):
            problems.append(Problem(path, "foreign", "the run has not written it"))
        elif one.problem:
            problems.append(Problem(path, "damaged", one.problem))
        elif changed := [source for source, sha256 in one.inputs.items() if present(source) not in (sha256, None)]:
            problems.append(Problem(path, "stale", f"computed from another {', '.join(changed)}"))
    absent = [name for name in known.recorded if not (run.parent / name).is_file()]
    problems += [Problem(str(run.parent / name), "missing", "the run has written it") for name in absent]
    lines = (f"line {number} is damaged" for number in known.damaged)
    problems += [Problem(str(manifest.manifest_of(run)), "damaged", line) for line in lines]
    return sorted(problems)


def _of_snakemake(run: Path, path: Path) -> bool:
    """Whether a file is none that a job writes: a log, which is recorded only once Snakemake has ended, or its mark."""
    return path.name == ".snakemake_timestamp" or path.relative_to(run).parts[0] in manifest.ADDED_AT_THE_END


def _present_hashes(written: Mapping[str, str]) -> Callable[[str], str | None]:
    """From the path of an input to its SHA-256 now, each computed once; None where it is no longer there."""
    found: dict[str, str | None] = dict(written)

    def sha256(path: str) -> str | None:
        if path not in found:
            folder = Path(path)
            inside = {name: digest for name, digest in written.items() if Path(name).is_relative_to(folder)}
            if inside:
                found[path] = combined_sha256({Path(n).relative_to(folder).as_posix(): d for n, d in inside.items()})
            else:
                found[path] = sha256_of(path) if folder.exists() else None
        return found[path]

    return sha256


def repair(problems: Iterable[Problem], run: str | Path, made_whole: Iterable[str | Path]) -> list[str]:
    """Delete what is damaged, stale or foreign, so that a rerun makes what is needed of it.

    Parameters
    ----------
    problems
        Of ``verify``.
    run
        The run's folder, outside of which nothing is deleted; lines of its manifest that are damaged are left out.
    made_whole
        Folders that a rule makes as one: of these all is deleted, as Snakemake does not look into them.

    Returns
    -------
    list of str
        What was deleted.
    """
    run, folders = Path(run), [Path(folder) for folder in made_whole]
    deleted = {}
    for problem in problems:
        path = Path(problem.path)
        if problem.kind not in REPAIRED:
            continue
        if path == manifest.manifest_of(run):
            manifest.close(run)
            continue
        target = next((folder for folder in folders if path.is_relative_to(folder)), path)
        if target in deleted or not target.is_relative_to(run):
            continue
        deleted[target] = None
        rmtree(target) if target.is_dir() else target.unlink()
    return list(map(str, deleted))


def counted(problems: Iterable[Problem]) -> dict[str, int]:
    """Kind of problem → how many files have it."""
    kinds = [problem.kind for problem in problems]
    return {kind: kinds.count(kind) for kind in chain(REPAIRED, ["missing"]) if kind in kinds}
