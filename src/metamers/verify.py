"""Verify the files of a run: whether each is as it was written, and whether its inputs are unchanged.

The problem of a file is one of these:

- ``damaged``: its bytes differ from the manifest or from the log of its job, its values from its ``content_sha256``,
  or its path from its attribute ``path``. A folder in the place of a file and a broken link are damaged, too;
- ``stale``: a file that it was computed from has changed;
- ``foreign``: the run has not written it;
- ``unread``: it could not be checked, because memory or time ran out or its folder cannot be listed, so nothing is
  known about it;
- ``unrecorded``: the manifest has no entry for it, and a job's log names its SHA-256, or it is older than the manifest,
  or the manifest has a fault. If it contradicts its log or itself, it is damaged instead;
- ``missing``: the run has written it, and it no longer exists;
- ``other_version``: another version of this program has made it. This is no damage;
- ``linked``: it is a link, which was followed. This is no damage;
- ``unconfirmed``: only the manifest confirms it. This is no damage, but a change of both would not be noticed.

No file of a run is changed or deleted.
"""

import errno
import json
import logging
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

from metamers.foreign.isolated import TIMEOUT_S, ReaderKilledError, call_isolated_each, reading_s
from metamers.run import files, manifest
from metamers.run.conventions import PRODUCT_VERSION
from metamers.run.hashes import combined_sha256, sha256_of
from metamers.run.logs import read_written

logger = logging.getLogger("metamers")

PROGRESS_S = 5.0
FILES_AT_ONCE = 16  # which a process examines; another one reads the NetCDF files among them
OTHER_VERSION = "other_version"
FAILING = ("damaged", "stale", "foreign", "unread")  # kinds that make verification fail
NOTED = ("unrecorded", "missing", "linked", "unconfirmed", OTHER_VERSION)
MADE_AGAIN = ("damaged", "stale", "missing")  # kinds that a forced rerun ends
SNAKEMAKE_TIMESTAMP = ".snakemake_timestamp"  # Snakemake writes this file into folders that rules make
OUR_ATTRIBUTES = ("content_sha256", "inputs")
ORIGIN = ("path", "product_version")  # attributes that say where a file comes from
SHORTAGES = (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)  # too little memory, processes or open files
REBUILD = "`snakemake verify --config rebuild_manifest=True` rebuilds it from the hashes in the files and logs"


class NotAsWrittenError(ValueError):
    """A NetCDF file can be read, but no step of a run can have written it."""


class NoOwnHashError(NotAsWrittenError):
    """A NetCDF file lacks the attributes that are needed to check its values."""


class UnreadError(Exception):
    """A file could not be checked because memory or time ran out."""


@dataclass(frozen=True, order=True)
class Problem:
    """A problem of a file.

    Attributes
    ----------
    path
        The file.
    kind
        A name of the list at the top of this module.
    reason
        The finding, and what was expected.
    """

    path: str
    kind: str
    reason: str

    def __str__(self) -> str:
        """Return one line; unprintable characters, which names of files can have, are escaped."""
        line = f"{self.kind}: {self.path}: {self.reason}"
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


@dataclass(frozen=True)
class Place:
    """The path of a file, and what is known about it.

    Attributes
    ----------
    path
        The path.
    inside
        The path relative to the run's folder.
    recorded
        SHA-256 in the manifest; None if the file has no entry.
    """

    path: str
    inside: str
    recorded: str | None


@dataclass(frozen=True)
class Examined:
    """The result of examining a file.

    Attributes
    ----------
    sha256
        SHA-256 of its bytes; empty if they were not read.
    inputs
        For NetCDF the inputs that the file names, path → SHA-256.
    problem
        Why the file differs from what was written, or could not be checked; None if it may be as it was written.
    kind
        Kind of the problem: ``damaged``; ``unread`` if the file could not be checked; ``unrecorded`` if a NetCDF file
        has neither an entry in the manifest nor a hash of its own.
    as_recorded
        Whether its bytes are those of the manifest. If they are and the file has a problem, the manifest is wrong, too.
    made_by
        The program and its version, which a NetCDF file names.
    """

    sha256: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    kind: str = "damaged"
    as_recorded: bool = False
    made_by: str | None = None


@dataclass
class Tree:
    """The files of a run's folder.

    Attributes
    ----------
    files
        All files, including links to files and links to folders below which nothing is recorded.
    links
        Followed link → its final target.
    broken
        Broken link → its target.
    unread
        Folder whose content cannot be listed → reason.
    """

    files: list[Path] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def tree_of(run: Path, recorded: Mapping[str, str]) -> Tree:
    """List the files in a run's folder, without the checkpoints of unfinished jobs.

    A link to a folder is followed if a recorded path leads through it. Other links to folders count as files that the
    run has not written. Because recorded paths are finite, a cycle of links is not followed forever.

    Parameters
    ----------
    run
        The folder.
    recorded
        Path in the manifest → SHA-256.
    """
    tree = Tree()
    expected = {parent for name in recorded for parent in Path(name).parents}
    folders = [run]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            tree.unread[str(folder)] = str(error)
            continue
        for path in (folder / entry.name for entry in entries):
            if path == run / manifest.IN_PROGRESS:
                continue
            if not path.is_symlink():
                (folders if path.is_dir() else tree.files).append(path)
            elif not os.path.exists(path):
                tree.broken[str(path)] = os.readlink(path)
            elif os.path.isdir(path) and path.relative_to(run.parent) in expected:
                tree.links[str(path)] = os.path.realpath(path)
                folders.append(path)
            else:
                tree.files.append(path)
                if path.relative_to(run.parent).as_posix() in recorded:
                    tree.links[str(path)] = os.path.realpath(path)
    tree.files.sort()
    return tree


def read_own_record(path: str | Path) -> tuple[dict[str, str], dict[str, str]]:
    """Read the provenance that a NetCDF file of a run records; verification opens NetCDF files only here.

    Call this function in a separate process: a malicious file can crash its reader or keep it busy forever.

    Returns
    -------
    inputs : dict
        Path → SHA-256 of the files that it was computed from.
    origin : dict
        ``path`` and ``product_version``, if present.

    Raises
    ------
    NotAsWrittenError
        When its values differ from its ``content_sha256``; ``NoOwnHashError`` when an attribute is missing.
    UnreadError
        When memory or time ran out.
    Exception
        Of almost any kind, when the file is damaged in a way that its reader does not expect.
    """
    try:
        return _read_own(path)
    except Exception as error:
        # Checked here, because the cause of an exception is lost on the way to another process.
        if _ran_out(error):
            raise UnreadError(_shortage(error)) from error
        raise


def _ran_out(error: BaseException) -> bool:
    """Whether an error, or its cause, is a lack of memory, time or another resource, and says nothing about a file."""
    if isinstance(error, MemoryError | ReaderKilledError) or (isinstance(error, OSError) and error.errno in SHORTAGES):
        return True
    return error.__cause__ is not None and _ran_out(error.__cause__)


def _shortage(error: BaseException) -> str:
    return f"it could not be checked: {error or type(error).__name__}"


def _read_own(path: str | Path) -> tuple[dict[str, str], dict[str, str]]:
    with files.open_dataset(path) as dataset:
        if absent := [name for name in OUR_ATTRIBUTES if name not in dataset.attrs]:
            raise NoOwnHashError(f"it has no attribute {', '.join(absent)}")
        inputs = json.loads(dataset.attrs["inputs"])
        if not isinstance(inputs, dict) or not all(isinstance(sha256, str) for sha256 in inputs.values()):
            raise NotAsWrittenError("its attribute inputs is not an object of paths and SHA-256")
        computed, own = files.content_sha256(dataset), dataset.attrs["content_sha256"]
        if computed != own:
            raise NotAsWrittenError(f"its values have SHA-256 {computed}, but its content_sha256 is {own}")
        return inputs, {name: str(dataset.attrs[name]) for name in ORIGIN if name in dataset.attrs}


def examine(places: Sequence[Place]) -> list[Examined]:
    """Compare the hashes of files with the manifest, and the values of NetCDF files with the files' own hashes.

    A file whose bytes differ from its entry is not opened, because a damaged file can do anything to its reader.
    """
    examined = [_examine_bytes(place) for place in places]
    opened = [n for n, place in enumerate(places) if place.path.endswith(".nc") and not examined[n].problem]
    paths = [places[n].path for n in opened]
    # The structure is checked and all values are hashed, so that a file may take longer.
    records = call_isolated_each(read_own_record, paths, lambda path: TIMEOUT_S + reading_s(path))
    for n, record in zip(opened, records, strict=True):
        examined[n] = replace(_judged_record(places[n], record), sha256=examined[n].sha256, as_recorded=True)
    return examined


def _examine_bytes(place: Place) -> Examined:
    """Compare a file's hash with the manifest."""
    try:
        if not stat.S_ISREG(os.stat(place.path).st_mode):
            return Examined("", problem="it is not a regular file")
        sha256 = sha256_of(place.path)
    except (OSError, MemoryError) as error:
        if _ran_out(error):
            return Examined("", problem=_shortage(error), kind="unread")
        return Examined("", problem=f"it cannot be read: {error}")
    if place.recorded not in (sha256, None):
        return Examined(sha256, problem=f"its SHA-256 is {sha256}, but {place.recorded} was written")
    return Examined(sha256, as_recorded=True)


def _judged_record(place: Place, record: tuple[dict[str, str], dict[str, str]] | Exception) -> Examined:
    """Judge what ``read_own_record`` returned or raised, without the file's bytes."""
    if isinstance(record, NotAsWrittenError):
        missing_hash = isinstance(record, NoOwnHashError) and place.recorded is None
        return Examined("", problem=str(record), kind="unrecorded" if missing_hash else "damaged")
    if isinstance(record, UnreadError):
        return Examined("", problem=str(record), kind="unread")
    if isinstance(record, Exception):
        if _ran_out(record):
            return Examined("", problem=_shortage(record), kind="unread")
        return Examined("", problem=f"it cannot be read as NetCDF: {record}")
    inputs, origin = record
    return Examined("", inputs, _misplaced(place, origin), made_by=origin.get("product_version"))


def _misplaced(place: Place, origin: Mapping[str, str]) -> str | None:
    """Return why a NetCDF file with the given ``path`` does not belong at its path; None if it does."""
    if origin.get("path", place.inside) != place.inside:
        return f"it belongs elsewhere: its own path is {origin['path']}"
    return None


def _examined(places: list[Place], workers: int) -> dict[str, Examined]:
    """Examine files in several processes; returns path → result."""
    with _pool(workers) as pool:
        parts = [places[first : first + FILES_AT_ONCE] for first in range(0, len(places), FILES_AT_ONCE)]
        answers = chain.from_iterable(pool.map(examine, parts))
        return {place.path: one for place, one in zip(places, _progress(answers, len(places)), strict=True)}


def _pool(workers: int) -> ProcessPoolExecutor:
    # Forked, because other start methods would run the job's script again, which has no main function.
    return ProcessPoolExecutor(workers, mp_context=get_context("fork"))


def _progress(examined: Iterable[Examined], number: int) -> Iterator[Examined]:
    """Yield the same results and log the progress every few seconds."""
    last_message = time.monotonic()
    for done, one in enumerate(examined, start=1):
        if time.monotonic() - last_message > PROGRESS_S or done == number:
            last_message = time.monotonic()
            logger.info("verified %d of %d files", done, number)
        yield one


def verify(
    run: str | Path,
    workers: int = 1,
    skipped: Iterable[str | Path] = (),
) -> list[Problem]:
    """Find all problems of the files of a run.

    Parameters
    ----------
    run
        The run's folder; paths of inputs are relative to the working directory, as in the run.
    workers
        Number of processes that hash files.
    skipped
        Files to skip because they are still being written, such as the log of the calling step.

    Returns
    -------
    list of Problem
        Sorted by path, at most one for each file.

    Raises
    ------
    FileNotFoundError
        When the run has no manifest.
    """
    run = Path(run)
    known = manifest.read(run)
    if not manifest.manifest_path(run).is_file():
        raise FileNotFoundError(
            f"{manifest.manifest_path(run)} is missing: no job has run yet, or an older version without manifests "
            f"made the run. The next job that writes a file begins a manifest. For existing files, {REBUILD}."
        )
    passed = set(map(Path, skipped))
    tree = tree_of(run, known.recorded)
    paths_in_run = {str(path): path.relative_to(run.parent).as_posix() for path in tree.files if path not in passed}

    def examine_all(paths: Iterable[str]) -> dict[str, Examined]:
        names = {path: paths_in_run[path] for path in paths}
        places = [Place(path, name.split("/", 1)[1], known.recorded.get(name)) for path, name in names.items()]
        return _examined(places, workers)

    examined = examine_all(
        path for path, name in paths_in_run.items() if name in known.recorded or Path(path).name == SNAKEMAKE_TIMESTAMP
    )
    logged_hashes, logs_complete = _hashes_in_logs(run, known, paths_in_run, examined)
    unrecorded = _unrecorded_problems(run, known, paths_in_run)
    # An unknown file is opened only if a log names it or its origin is uncertain.
    examined |= examine_all(
        path
        for path, problem in unrecorded.items()
        if paths_in_run[path] in logged_hashes or problem.kind == "unrecorded"
    )
    for path, problem in unrecorded.items():
        if path in examined:
            unrecorded[path] = _judged(problem, examined[path], logged_hashes.get(paths_in_run[path]))
    confirmable = logs_complete and known.fault is None
    problems = _recorded_problems(run, known, paths_in_run, examined, logged_hashes, confirmable) | unrecorded

    # Files as they were written, from which others were computed, even if they have changed since.
    written = {
        str(run.parent / name): sha256
        for name, sha256 in known.recorded.items()
        if not _is_folder_of(run.parent / name, known, run)
    }
    written |= {path: one.sha256 for path, one in examined.items() if Path(path).name == SNAKEMAKE_TIMESTAMP}
    # If the manifest is wrong about a file, lacks a file that may be the run's, or lacks a file that a log names and
    # that no longer exists, then the inputs of other files are unknown: these files are not called stale.
    wrong = {path for path, one in examined.items() if one.as_recorded and _is_of(problems, path, "damaged")}
    wrong |= {path for path, problem in unrecorded.items() if problem.kind != "foreign"}
    named = (run.parent / name for name in logged_hashes if name.startswith(f"{run.name}/"))
    wrong |= {str(path) for path in named if str(path) not in written and not os.path.lexists(path)}
    unknown = wrong | {str(parent) for path in wrong for parent in Path(path).parents}
    judged = {path: one for path, one in examined.items() if path not in problems}
    sources = sorted({source for one in judged.values() for source in one.inputs} - unknown)
    present = _present(run, written, sources, workers)
    for path, one in judged.items():
        changed = [source for source, sha256 in one.inputs.items() if present.get(source) not in (sha256, None)]
        if changed:
            problems[path] = Problem(path, "stale", f"computed from another {', '.join(changed)}")
    _spread_staleness(examined, problems)

    problems = _link_problems(run, tree) | problems | _absence_problems(run, known, examined)
    for path, one in judged.items():
        if path not in problems and one.made_by not in (PRODUCT_VERSION, None):
            problems[path] = Problem(path, OTHER_VERSION, f"made by {one.made_by}; this is {PRODUCT_VERSION}")
    path = str(manifest.manifest_path(run))
    if known.fault == manifest.NO_SEAL:
        problems[path] = Problem(path, "unconfirmed", f"{known.fault}. {REBUILD}")
    elif known.fault:
        problems[path] = Problem(path, "damaged", f"{known.fault}. {REBUILD}")
    elif known.damaged:
        reason = f"{len(known.damaged)} lines are not valid manifest entries. {REBUILD}"
        problems[path] = Problem(path, "damaged", reason)
    root = os.path.realpath(run)
    return sorted(_with_real_path(problem, run, root) for problem in problems.values())


def _with_real_path(problem: Problem, run: Path, root: str) -> Problem:
    """Add the real path to the reason of a problem of a file outside the run's real folder ``root``."""
    real = os.path.realpath(problem.path)
    if problem.kind == "linked" or not Path(problem.path).is_relative_to(run) or Path(real).is_relative_to(root):
        return problem
    return replace(problem, reason=f"{problem.reason}; it is outside the run's folder, at {real}")


def outputs_to_make_again(problems: Iterable[Problem], run: str | Path, outputs: Iterable[str]) -> dict[str, str]:
    """Return damaged, stale or missing file → the output of a rule, for ``snakemake --forcerun``, that makes it again.

    The output is the file, or a folder that a rule makes as a whole. A file outside the run's real folder has none, nor
    has a folder in the place of a file, which Snakemake does not replace.

    Parameters
    ----------
    problems
        The result of ``verify``.
    run
        The run's folder.
    outputs
        Regular expressions of the outputs of all rules.
    """
    root, run, patterns = os.path.realpath(run), Path(run), [re.compile(pattern) for pattern in outputs]
    again = {}
    for problem in problems:
        path = Path(problem.path)
        if problem.kind not in MADE_AGAIN or not path.is_relative_to(run) or os.path.isdir(path):
            continue
        candidates = [path, *(parent for parent in path.parents if run in parent.parents)]
        made = [output for output in map(str, candidates) if any(pattern.fullmatch(output) for pattern in patterns)]
        if made and all(Path(os.path.realpath(real)).is_relative_to(root) for real in (path, made[0])):
            again[problem.path] = made[0]
    return again


def _is_of(problems: Mapping[str, Problem], path: str, kind: str) -> bool:
    return path in problems and problems[path].kind == kind


def _unrecorded_problems(run: Path, known: manifest.Manifest, paths_in_run: Mapping[str, str]) -> dict[str, Problem]:
    """Classify files without entry as foreign or unrecorded, by their age and the manifest's state."""
    problems = {}
    broken = known.fault not in (None, manifest.NO_SEAL)
    for path, name in paths_in_run.items():
        if name in known.recorded or Path(path).name == SNAKEMAKE_TIMESTAMP or _added_at_the_end(run, path):
            continue
        kind, reason = "foreign", "the run has not written it"
        if broken:
            kind, reason = "unrecorded", "the manifest has no entry for it, but may have lost entries"
        elif Path(path).lstat().st_mtime_ns < known.begun:
            kind, reason = "unrecorded", "it is older than the manifest"
        problems[path] = Problem(path, kind, reason)
    return problems


def _judged(problem: Problem, one: Examined, logged: set[str] | None) -> Problem:
    """Return the problem of an examined file without entry; ``logged`` has the SHA-256 that logs name for it."""
    # Only a NetCDF file, or a file that a log names, can contradict anything.
    if (logged or problem.path.endswith(".nc")) and (own := _own_problem(problem.path, one, logged)):
        return own
    if logged:
        reason = "the manifest has no entry for it, but the log of its job names its SHA-256"
        return Problem(problem.path, "unrecorded", reason)
    return problem


def _own_problem(path: str, one: Examined, logged: set[str] | None) -> Problem | None:
    """Return the problem of a file itself; damage takes precedence."""
    if one.problem and one.kind == "damaged":
        return Problem(path, "damaged", one.problem)
    if reason := _contradiction(one, logged):
        return Problem(path, "damaged", reason)
    return Problem(path, one.kind, one.problem) if one.problem else None


def _contradiction(one: Examined, logged: set[str] | None) -> str | None:
    """Return how a file's bytes contradict the logs of its jobs; None if they agree or no log names the file."""
    if not logged or not one.sha256 or one.sha256 in logged:
        return None
    return f"its SHA-256 is {one.sha256}, but the log of its job says {', '.join(sorted(logged))}"


def _recorded_problems(
    run: Path,
    known: manifest.Manifest,
    paths_in_run: Mapping[str, str],
    examined: Mapping[str, Examined],
    logged_hashes: Mapping[str, set[str]],
    confirmable: bool,
) -> dict[str, Problem]:
    """Return the problems of recorded files themselves, regardless of their inputs."""
    problems = {}
    for path, name in paths_in_run.items():
        log = _added_at_the_end(run, path)
        if (
            name not in known.recorded
            or Path(path).name == SNAKEMAKE_TIMESTAMP
            or (log and not _settled(path, True, known.closed))
        ):
            continue
        one, logged = examined[path], logged_hashes.get(name)
        if own := _own_problem(path, one, logged):
            problems[path] = own
        elif confirmable and not log and not logged and not path.endswith(".nc"):
            problems[path] = Problem(path, "unconfirmed", "no log of a job names it")
    return problems


def _absence_problems(run: Path, known: manifest.Manifest, examined: Mapping[str, Examined]) -> dict[str, Problem]:
    """Return the problems of recorded files that no longer exist or have a folder in their place."""
    problems = {}
    for path in (run.parent / name for name in known.recorded):
        if not os.path.lexists(path) or _is_folder_of(path, known, run):
            problems[str(path)] = Problem(str(path), "missing", "the run has written it")
        elif os.path.isdir(path) and str(path) not in examined:
            problems[str(path)] = Problem(str(path), "damaged", "it is a folder, but the run wrote a file")
    return problems


def _is_folder_of(path: Path, known: manifest.Manifest, run: Path) -> bool:
    """Whether a recorded file has become a folder of other recorded files, as after a change of the rule."""
    inside = f"{path.relative_to(run.parent).as_posix()}/"
    return os.path.isdir(path) and any(name.startswith(inside) for name in known.recorded)


def _hashes_in_logs(
    run: Path, known: manifest.Manifest, paths_in_run: Mapping[str, str], examined: Mapping[str, Examined]
) -> tuple[dict[str, set[str]], bool]:
    """Return path in the manifest → SHA-256 that logs name, and whether all recorded logs exist undamaged.

    A renamed rule leaves its older log behind; therefore a file must agree with at least one of its logs.
    """
    logged_hashes: dict[str, set[str]] = {}
    recorded_logs = [name for name in known.recorded if name.startswith(f"{run.name}/logs/")]
    logs_complete = all(run.parent.joinpath(name).is_file() for name in recorded_logs)
    for path in paths_in_run:
        if Path(path).relative_to(run).parts[0] != "logs" or not os.path.isfile(path):
            continue
        if path in examined and examined[path].problem and _settled(path, True, known.closed):
            logs_complete = False
            continue
        for name, sha256 in read_written(Path(path).read_text(encoding="utf-8", errors="replace")):
            logged_hashes.setdefault(name, set()).add(sha256)
    return logged_hashes, logs_complete


def _link_problems(run: Path, tree: Tree) -> dict[str, Problem]:
    """Return the problems of links and of folders that cannot be listed."""
    root = os.path.realpath(run)
    problems = {}
    for link, target in tree.links.items():
        where = "elsewhere in the run" if Path(target).is_relative_to(root) else "outside the run"
        problems[link] = Problem(link, "linked", f"it leads to {target}, {where}; it was followed")
    for link, target in tree.broken.items():
        problems[link] = Problem(link, "damaged", f"it is a link to {target}, which does not exist")
    for folder, why in tree.unread.items():
        problems[folder] = Problem(folder, "unread", f"its content cannot be listed: {why}")
    return problems


def _spread_staleness(examined: Mapping[str, Examined], problems: dict[str, Problem]) -> None:
    """Mark files as stale that were computed from a stale file, or from a folder that contains one."""
    new = True
    while new:
        stale = {path for path, problem in problems.items() if problem.kind == "stale"}
        folders = stale | {str(parent) for path in stale for parent in Path(path).parents}
        new = {
            path: Problem(path, "stale", f"computed from stale {', '.join(sorted(folders & one.inputs.keys()))}")
            for path, one in examined.items()
            if path not in problems and folders & one.inputs.keys()
        }
        problems |= new


def _added_at_the_end(run: Path, path: str) -> bool:
    return Path(path).relative_to(run).parts[0] in manifest.ADDED_AT_THE_END


def _settled(path: str, recorded: bool, closed: int) -> bool:
    """Whether a log or benchmark is older than the last end of Snakemake; newer ones are not recorded yet."""
    return recorded and Path(path).stat().st_mtime_ns < closed


def _present(run: Path, written: Mapping[str, str], sources: Iterable[str], workers: int) -> dict[str, str | None]:
    """Return input → its SHA-256: as written if the run wrote it, otherwise as it is now.

    None if unknown: the input no longer exists, or is in the run's folder without an entry in the manifest.
    """
    sources = list(sources)
    folders = _inside(written, sources)
    present = {source: written.get(source) for source in sources}
    present |= {source: combined_sha256(files) for source, files in folders.items() if source not in written}
    others = [
        source
        for source in sources
        if source not in written and source not in folders and not Path(source).is_relative_to(run)
    ]
    with _pool(workers) as pool:
        return present | dict(zip(others, pool.map(_sha256_now, others), strict=True))


def _sha256_now(source: str) -> str | None:
    """The SHA-256 of an input as it is now; None if it cannot be read."""
    try:
        # Reading a pipe or a device may never end.
        return sha256_of(source) if stat.S_IFMT(os.stat(source).st_mode) in (stat.S_IFREG, stat.S_IFDIR) else None
    except (OSError, ValueError, MemoryError):
        return None


def _inside(hashes: Mapping[str, str], folders: Iterable[str]) -> dict[str, dict[str, str]]:
    """Select the files in each of several folders; returns folder → path relative to it → SHA-256.

    Each file is looked at once, because a run has a folder of exported files for each model.
    """
    inside: dict[Path, dict[str, str]] = {Path(folder): {} for folder in folders}
    for path, sha256 in hashes.items():
        for folder in (own := Path(path)).parents:
            if folder in inside:
                inside[folder][own.relative_to(folder).as_posix()] = sha256
    return {folder: files for folder in folders if (files := inside[Path(folder)])}


def rebuild(run: str | Path, workers: int = 1, skipped: Iterable[str | Path] = ()) -> list[Problem]:
    """Rebuild a manifest that is missing, faulty or has damaged lines from the hashes stored in the files and logs.

    A NetCDF file is recorded if its values agree with its ``content_sha256`` and it is at its own ``path``. Another
    file is recorded if the log of its job names its SHA-256 or, when no log names the file, if an entry of the older
    manifest or the inputs of such a NetCDF file do. A log or benchmark stays recorded if it agrees with the older
    manifest; otherwise it is recorded when Snakemake ends the next time.

    Parameters
    ----------
    run, workers, skipped
        As for ``verify``.

    Returns
    -------
    list of Problem
        The files that were not recorded, as ``unrecorded``, with the reason; ``verify`` calls those damaged that
        contradict their log or themselves.

    Raises
    ------
    ValueError
        When the manifest exists, and has neither a fault nor damaged lines.
    """
    run = Path(run)
    known = manifest.read(run)
    path = manifest.manifest_path(run)
    if path.is_file() and not known.fault and not known.damaged:
        raise ValueError(f"{path} has no fault and need not be rebuilt. Leave rebuild_manifest out.")
    passed = set(map(Path, skipped))
    recordable = [path for path in tree_of(run, known.recorded).files if path not in passed and not path.is_dir()]
    paths_in_run = {str(path): path.relative_to(run.parent).as_posix() for path in recordable}
    examined = _examined([Place(path, name.split("/", 1)[1], None) for path, name in paths_in_run.items()], workers)
    logged_hashes, _ = _hashes_in_logs(run, known, paths_in_run, {})
    sound = {path for path, one in examined.items() if path.endswith(".nc") and not one.problem}
    hashes = {path: one.sha256 for path, one in examined.items()}
    named: set[str] = set()  # files that sound files name as inputs, with the same SHA-256
    inputs = {item for path in sound for item in examined[path].inputs.items()}
    folders = _inside(hashes, {source for source, _ in inputs} - hashes.keys())
    for source, sha256 in inputs:
        if source in hashes and hashes[source] == sha256:
            named.add(source)
        elif source in folders and combined_sha256(folders[source]) == sha256:
            named |= {str(Path(source) / name) for name in folders[source]}
    recorded, problems = {}, []
    for path, name in paths_in_run.items():
        one = examined[path]
        as_before = known.recorded.get(name) == one.sha256
        if Path(path).name == SNAKEMAKE_TIMESTAMP or (_added_at_the_end(run, path) and not as_before):
            continue
        reason = one.problem or _contradiction(one, logged_hashes.get(name))
        if not reason and not (path in sound or name in logged_hashes or as_before or path in named):
            reason = "neither a log nor a file computed from it names its SHA-256"
        if reason:
            problems.append(Problem(path, "unrecorded", reason))
        else:
            recorded[name] = one.sha256
    manifest.replace(run, recorded)
    return sorted(problems)


def count_by_kind(problems: Iterable[Problem]) -> dict[str, int]:
    """Return kind of problem → number of files."""
    kinds = [problem.kind for problem in problems]
    return {kind: kinds.count(kind) for kind in (*FAILING, *NOTED) if kind in kinds}
