"""Verification: whether every file of a run is still what was written, and what it was made from.

A file is

- ``damaged`` when its bytes are not those of the run's manifest, or its values not those of its ``content_sha256``;
- ``stale`` when a file that it was computed from is another now;
- ``foreign`` when the run has not written it, be it a copy of a file that it would write;
- ``unrecorded`` when it was there before the run's manifest was begun: nobody can say who wrote it;
- ``missing`` when the run has written it and it is no longer there: a rerun makes it where it is needed.
"""

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree

import xarray as xr

from metamers import files, manifest
from metamers.hashes import combined_sha256, sha256_of

logger = logging.getLogger("metamers")

PROGRESS_S = 5.0
REPAIRED = ("damaged", "stale", "foreign")  # what `repair` deletes
MARK = ".snakemake_timestamp"  # which Snakemake leaves in a folder that a rule makes
OUR_ATTRIBUTES = ("content_sha256", "inputs")


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a file.

    Attributes
    ----------
    path
        The file.
    kind
        ``damaged``, ``stale``, ``foreign``, ``unrecorded`` or ``missing``.
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
    try:
        sha256 = sha256_of(path)
    except OSError as error:
        return Examined("", {}, f"it cannot be read: {error}")
    if recorded not in (sha256, None):
        return Examined(sha256, {}, f"its SHA-256 is {sha256}, but {recorded} was written")
    if recorded is None or not path.endswith(".nc"):
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
    passed = set(map(Path, passed_over))
    here = [path for path in files_of(run) if path not in passed]
    names = {str(path): path.relative_to(run.parent).as_posix() for path in here}
    # Forked, since the script of a job, which other ways of starting a process would run again, has no main function.
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        answers = pool.map(examine, names, map(known.recorded.get, names.values()), chunksize=8)
        examined = dict(zip(names, _progress(answers, len(names)), strict=True))
        # What was written, which is what others were computed from, whatever has become of it since.
        written = {str(run.parent / name): sha256 for name, sha256 in known.recorded.items()}
        written |= {path: one.sha256 for path, one in examined.items() if Path(path).name == MARK}
        sources = {source for one in examined.values() for source in one.inputs}
        present = dict(zip(sources, pool.map(partial(_present, written), sources), strict=True))
    problems = {}
    for path, one in examined.items():
        recorded = names[path] in known.recorded
        if Path(path).name == MARK or (_added_at_the_end(run, path) and not _settled(path, recorded, known.closed)):
            continue
        if not recorded:
            old = _changed_ns(path) < known.begun
            kind, reason = (
                ("unrecorded", "it is older than the manifest") if old else ("foreign", "the run has not written it")
            )
            problems[path] = Problem(path, kind, reason)
        elif one.problem:
            problems[path] = Problem(path, "damaged", one.problem)
        elif changed := [source for source, sha256 in one.inputs.items() if present[source] not in (sha256, None)]:
            problems[path] = Problem(path, "stale", f"computed from another {', '.join(changed)}")
    _spread_staleness(examined, problems)
    absent = (str(run.parent / name) for name in known.recorded if not os.path.lexists(run.parent / name))
    problems |= {path: Problem(path, "missing", "the run has written it") for path in absent}
    if known.damaged:
        path = str(manifest.manifest_of(run))
        problems[path] = Problem(path, "damaged", f"{len(known.damaged)} lines that no manifest has")
    return sorted(problems.values())


def _spread_staleness(examined: Mapping[str, Examined], problems: dict[str, Problem]) -> None:
    """What was computed from something stale, or from a folder with something stale in it, is stale."""
    new = True
    while new:
        stale = {path for path, problem in problems.items() if problem.kind == "stale"}
        folders = stale | {str(parent) for path in stale for parent in Path(path).parents}
        new = {
            path: Problem(
                path, "stale", f"computed from what is stale, {', '.join(sorted(folders & one.inputs.keys()))}"
            )
            for path, one in examined.items()
            if path not in problems and folders & one.inputs.keys()
        }
        problems |= new


def _added_at_the_end(run: Path, path: str) -> bool:
    return Path(path).relative_to(run).parts[0] in manifest.ADDED_AT_THE_END


def _settled(path: str, recorded: bool, closed: int) -> bool:
    """Whether a log or benchmark is as it was when Snakemake last ended: later ones have not been recorded yet."""
    return recorded and _changed_ns(path) < closed


def _changed_ns(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:  # a link that leads nowhere
        return Path(path).lstat().st_mtime_ns


def _present(written: Mapping[str, str], source: str) -> str | None:
    """SHA-256 of an input, as the run has written it or, if it has not, as it is; None where it is no longer there."""
    if source in written:
        return written[source]
    folder = Path(source)
    inside = {name: sha256 for name, sha256 in written.items() if Path(name).is_relative_to(folder)}
    if inside:
        return combined_sha256({Path(name).relative_to(folder).as_posix(): sha256 for name, sha256 in inside.items()})
    try:
        return sha256_of(source)
    except OSError:
        return None


def repair(problems: Iterable[Problem], run: str | Path, made_whole: Iterable[str | Path]) -> list[str]:
    """Delete what is damaged, stale or foreign, so that a rerun makes what is needed of it.

    Parameters
    ----------
    problems
        Of ``verify``.
    run
        The run's folder, outside of which nothing is deleted, nor a log or benchmark, which no rerun makes. Its
        manifest forgets what is gone, and its damaged lines.
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
        target = next((folder for folder in folders if path.is_relative_to(folder)), path)
        if target in deleted or not target.is_relative_to(run) or _added_at_the_end(run, problem.path):
            continue
        deleted[target] = None
        rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink()
    gone = {name for name in manifest.read(run).recorded if not os.path.lexists(run.parent / name)}
    manifest.forget(run, gone)
    return list(map(str, deleted))


def counted(problems: Iterable[Problem]) -> dict[str, int]:
    """Kind of problem → how many files have it."""
    kinds = [problem.kind for problem in problems]
    return {kind: kinds.count(kind) for kind in (*REPAIRED, "unrecorded", "missing") if kind in kinds}
