"""Verification: whether every file of a run is still what was written, and what it was made from.

A file is

- ``damaged`` when its bytes are not those of the run's manifest, or its values not those of its ``content_sha256``, or
  when it belongs elsewhere: its own ``path`` and ``step``, or the log of the job that wrote the path, say otherwise; a
  folder in the place of a file and a link that leads nowhere are damaged, too;
- ``stale`` when a file that it was computed from is another now;
- ``foreign`` when the run has not written it, even if it is a copy of a file that the run would write;
- ``unread`` when it could not be checked, because memory or time ran out or its folder cannot be listed: it is neither
  known to be damaged nor known to be as it was written;
- ``unrecorded`` when the manifest has no entry of it, and either the log of a job names its SHA-256, or it was there
  before the run's manifest was begun, or the manifest has a fault. If it contradicts its log or itself, it is damaged;
- ``missing`` when the run has written it and it is no longer there: a rerun makes it where it is needed;
- ``linked`` when it is a link, which was followed, or the file that one leads to: no damage;
- ``unconfirmed`` when only the manifest vouches for it: no damage, but a change of both would not be noticed.
"""

import errno
import json
import logging
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from shutil import rmtree

from metamers import files, manifest
from metamers.hashes import combined_sha256, sha256_of
from metamers.isolated import PATIENCE_S, ReaderKilledError, call_isolated
from metamers.logs import read_written

logger = logging.getLogger("metamers")

PROGRESS_S = 5.0
SLOWEST_BYTES_S = 10**7  # at which a file of a run is read and hashed, on a slow disk
REPAIRED = ("damaged", "stale", "foreign")  # what `repair` deletes
FAILING = (*REPAIRED, "unread")  # with which verification fails
NOTED = ("unrecorded", "missing", "linked", "unconfirmed")
MARK = ".snakemake_timestamp"  # which Snakemake leaves in a folder that a rule makes
OUR_ATTRIBUTES = ("content_sha256", "inputs")
SHORTAGES = (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE)  # of memory, processes and open files
REBUILD = "`snakemake verify --config rebuild_manifest=True` rebuilds it from the hashes in the files and logs"


class NotAsWrittenError(ValueError):
    """A NetCDF file can be read, but cannot be what a step of a run wrote."""


class NoOwnHashError(NotAsWrittenError):
    """A NetCDF file lacks the attributes by which its values are checked."""


class UnreadError(Exception):
    """A file could not be checked, for want of memory or time."""


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with a file.

    Attributes
    ----------
    path
        The file.
    kind
        ``damaged``, ``stale``, ``foreign``, ``unread``, ``unrecorded``, ``missing``, ``linked`` or ``unconfirmed``.
    reason
        What was found, and what was expected.
    """

    path: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Place:
    """Where a file is, and what is known of it there.

    Attributes
    ----------
    path
        The file.
    inside
        The same within the run's folder.
    recorded
        SHA-256 of the manifest, None where the file has no entry.
    step
        The step that makes this path, None where that is not known.
    """

    path: str
    inside: str
    recorded: str | None
    step: str | None = None


@dataclass(frozen=True)
class Examined:
    """What a file is now.

    Attributes
    ----------
    sha256
        Of its bytes; empty where they were not read.
    inputs
        Of NetCDF: the inputs that it names, path → SHA-256.
    problem
        Why it cannot be what was written, or could not be checked; None where it can be what was written.
    kind
        Of the problem: ``damaged``; ``unread`` where the file could not be checked; ``unrecorded`` where a NetCDF file
        without an entry has no hash of its own.
    as_recorded
        Whether its bytes are those of the manifest. Where they are and it has a problem nevertheless, the manifest is
        wrong, too.
    """

    sha256: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    kind: str = "damaged"
    as_recorded: bool = False


@dataclass
class Tree:
    """The files of a run's folder.

    Attributes
    ----------
    files
        Everything that is no folder, links to files included, and links to folders under which nothing is recorded.
    links
        Followed link → where it leads, without any further link.
    broken
        Link that leads nowhere → what it names.
    unread
        Folder whose content cannot be listed → why.
    """

    files: list[Path] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


def tree_of(run: Path, recorded: Mapping[str, str]) -> Tree:
    """Every file of a run's folder, but for those that unfinished jobs keep.

    A link to a folder is followed where a recorded path leads through it, wherever it leads. Other links to folders are
    files that the run has not written. Since recorded paths end, no cycle of links is followed without end.

    Parameters
    ----------
    run
        The folder.
    recorded
        Path of the manifest → SHA-256.
    """
    found = Tree()
    expected = {parent for name in recorded for parent in Path(name).parents}
    folders = [run]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            found.unread[str(folder)] = str(error)
            continue
        for path in (folder / entry.name for entry in entries):
            if path == run / manifest.IN_PROGRESS:
                continue
            if not path.is_symlink():
                (folders if path.is_dir() else found.files).append(path)
            elif not os.path.exists(path):
                found.broken[str(path)] = os.readlink(path)
            elif os.path.isdir(path) and path.relative_to(run.parent) in expected:
                found.links[str(path)] = os.path.realpath(path)
                folders.append(path)
            else:
                found.files.append(path)
                if path.relative_to(run.parent).as_posix() in recorded:
                    found.links[str(path)] = os.path.realpath(path)
    found.files.sort()
    return found


def read_own(path: str | Path) -> tuple[dict[str, str], dict[str, str]]:
    """What a NetCDF file of a run says of itself: the only place where verification opens one.

    To be called in a process of its own: a file that was made to do harm can end its reader, or keep it busy for ever.

    Returns
    -------
    inputs : dict
        Path → SHA-256 of the files that it was computed from.
    origin : dict
        ``path`` and ``step``, where it has them: files of older versions do not.

    Raises
    ------
    NotAsWrittenError
        When its values are not those of its ``content_sha256``; ``NoOwnHashError`` when an attribute is absent.
    UnreadError
        When memory or time ran out.
    Exception
        Of nearly any kind, when it is damaged in a way that its reader does not expect.
    """
    try:
        return _read_own(path)
    except Exception as error:
        # Here, since an exception that another process raises arrives without its cause.
        if _ran_out(error):
            raise UnreadError(_shortage(error)) from error
        raise


def _ran_out(error: BaseException) -> bool:
    """Whether an error, or one that caused it, is of memory, time or another resource, and says nothing of a file."""
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
        found, own = files.content_sha256(dataset), dataset.attrs["content_sha256"]
        if found != own:
            raise NotAsWrittenError(f"its values have SHA-256 {found}, but its content_sha256 is {own}")
        return inputs, {name: str(dataset.attrs[name]) for name in ("path", "step") if name in dataset.attrs}


def examine(place: Place) -> Examined:
    """Hash a file, and of NetCDF also its values, against the manifest and what the file itself says.

    A file whose bytes are not those of its entry is not opened: what a damaged file does to its reader is not known.
    """
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
    if not place.path.endswith(".nc"):
        return Examined(sha256, as_recorded=True)
    inputs, problem, kind = _own_inputs(place)
    return Examined(sha256, inputs, problem, kind, as_recorded=True)


def _own_inputs(place: Place) -> tuple[dict[str, str], str | None, str]:
    """The inputs that a NetCDF file names, path → SHA-256; and problem and kind, as of ``Examined``."""
    try:
        # The check of the structure may take PATIENCE_S in a process of its own, which has to end before its caller.
        patience_s = 2 * PATIENCE_S + os.path.getsize(place.path) / SLOWEST_BYTES_S
        inputs, origin = call_isolated(read_own, place.path, timeout_s=patience_s)
    except NotAsWrittenError as error:
        missing_hash = isinstance(error, NoOwnHashError) and place.recorded is None
        return {}, str(error), "unrecorded" if missing_hash else "damaged"
    except UnreadError as error:
        return {}, str(error), "unread"
    except Exception as error:  # damaged files make their readers raise nearly anything
        if _ran_out(error):
            return {}, _shortage(error), "unread"
        return {}, f"it cannot be read as NetCDF: {error}", "damaged"
    return inputs, _misplaced(place, origin), "damaged"


def _misplaced(place: Place, origin: Mapping[str, str]) -> str | None:
    """Why a NetCDF file with such a ``path`` and ``step`` does not belong where it is; None where it does."""
    if origin.get("path", place.inside) != place.inside:
        return f"it belongs elsewhere: its own path is {origin['path']}"
    if place.step is not None and origin.get("step", place.step) != place.step:
        return f"it belongs elsewhere: its own step is {origin['step']}, but this path is made by {place.step}"
    return None


def _examined(places: list[Place], workers: int) -> dict[str, Examined]:
    """Path → what each file is, by so many processes."""
    with _pool(workers) as pool:
        answers = pool.map(examine, places, chunksize=8)
        return {place.path: one for place, one in zip(places, _progress(answers, len(places)), strict=True)}


def _pool(workers: int) -> ProcessPoolExecutor:
    # Forked, since the script of a job, which other ways of starting a process would run again, has no main function.
    return ProcessPoolExecutor(workers, mp_context=get_context("fork"))


def _progress(examined: Iterable[Examined], number: int) -> Iterator[Examined]:
    """The same, saying now and then how far it is."""
    last_message = time.monotonic()
    for done, one in enumerate(examined, start=1):
        if time.monotonic() - last_message > PROGRESS_S or done == number:
            last_message = time.monotonic()
            logger.info("verified %d of %d files", done, number)
        yield one


def verify(
    run: str | Path,
    workers: int = 1,
    passed_over: Iterable[str | Path] = (),
    steps: Mapping[str, str] | None = None,
) -> list[Problem]:
    """Everything that is wrong with the files of a run.

    Parameters
    ----------
    run
        Its folder; inputs are found from the working directory, as the run found them.
    workers
        Processes that hash.
    passed_over
        Files that are being written, as this step's own log.
    steps
        Regular expression of paths → the step that makes such files, as far as that is known.

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
            f"manifest. The next run that makes something begins one. For files that are there already, {REBUILD}."
        )
    passed = set(map(Path, passed_over))
    tree = tree_of(run, known.recorded)
    paths_in_run = {str(path): path.relative_to(run.parent).as_posix() for path in tree.files if path not in passed}
    patterns = [(re.compile(pattern), step) for pattern, step in (steps or {}).items()]

    def examine_all(paths: Iterable[str]) -> dict[str, Examined]:
        names = {path: paths_in_run[path] for path in paths}
        places = [
            Place(path, name.split("/", 1)[1], known.recorded.get(name), _step_of(path, patterns))
            for path, name in names.items()
        ]
        return _examined(places, workers)

    examined = examine_all(
        path for path, name in paths_in_run.items() if name in known.recorded or Path(path).name == MARK
    )
    logged_hashes, logs_complete = _hashes_in_logs(run, known, paths_in_run, examined)
    unrecorded = _unrecorded_problems(run, known, tree, paths_in_run)
    # A file that the run does not know is not opened, unless a log names it or nobody can say whose it is.
    examined |= examine_all(
        path
        for path, problem in unrecorded.items()
        if problem.kind != "linked" and (paths_in_run[path] in logged_hashes or problem.kind == "unrecorded")
    )
    for path, problem in unrecorded.items():
        if path in examined:
            unrecorded[path] = _judged(problem, examined[path], logged_hashes.get(paths_in_run[path]))
    confirmable = logs_complete and known.fault is None
    problems = _recorded_problems(run, known, paths_in_run, examined, logged_hashes, confirmable) | unrecorded

    # What was written, which is what others were computed from, even if it has changed since.
    written = {
        str(run.parent / name): sha256
        for name, sha256 in known.recorded.items()
        if not _is_folder_of(run.parent / name, known, run)
    }
    written |= {path: one.sha256 for path, one in examined.items() if Path(path).name == MARK}
    # Where the manifest is wrong about a file, or has no entry of a file that may be the run's, or that a log names and
    # that is gone, it is unknown what others were computed from: they are not blamed.
    wrong = {path for path, one in examined.items() if one.as_recorded and _is_of(problems, path, "damaged")}
    wrong |= {path for path, problem in unrecorded.items() if problem.kind not in ("foreign", "linked")}
    named = (run.parent / name for name in logged_hashes if name.startswith(f"{run.name}/"))
    wrong |= {str(path) for path in named if str(path) not in written and not os.path.lexists(path)}
    unknown = wrong | {str(parent) for path in wrong for parent in Path(path).parents}
    judged = {path: one for path, one in examined.items() if path not in problems}
    sources = sorted({source for one in judged.values() for source in one.inputs} - unknown)
    with _pool(workers) as pool:
        present = dict(zip(sources, pool.map(partial(_present, run, written), sources), strict=True))
    for path, one in judged.items():
        changed = [source for source, sha256 in one.inputs.items() if present.get(source) not in (sha256, None)]
        if changed:
            problems[path] = Problem(path, "stale", f"computed from another {', '.join(changed)}")
    _spread_staleness(examined, problems)

    problems = _link_problems(run, tree) | problems | _absence_problems(run, known, examined)
    path = str(manifest.manifest_of(run))
    if known.fault == manifest.NO_SEAL:
        problems[path] = Problem(path, "unconfirmed", f"{known.fault}; nothing is deleted on its word. {REBUILD}")
    elif known.fault:
        problems[path] = Problem(path, "damaged", f"{known.fault}; nothing is deleted on its word. {REBUILD}")
    elif known.damaged:
        problems[path] = Problem(path, "damaged", f"{len(known.damaged)} lines are not valid manifest entries")
    return sorted(problems.values())


def _step_of(path: str, patterns: Iterable[tuple[re.Pattern[str], str]]) -> str | None:
    """The step that makes a path; None where that is not known, or not of one step only. Only NetCDF names its step."""
    found = {step for pattern, step in patterns if path.endswith(".nc") and pattern.fullmatch(path)}
    return found.pop() if len(found) == 1 else None


def _is_of(problems: Mapping[str, Problem], path: str, kind: str) -> bool:
    return path in problems and problems[path].kind == kind


def _unrecorded_problems(
    run: Path, known: manifest.Manifest, tree: Tree, paths_in_run: Mapping[str, str]
) -> dict[str, Problem]:
    """What the manifest has no entry of, by its age and the manifest's state: foreign, unrecorded or linked."""
    problems = {}
    link_targets = _link_targets(run, tree, paths_in_run, known)
    broken = known.fault not in (None, manifest.NO_SEAL)
    for path, name in paths_in_run.items():
        if name in known.recorded or Path(path).name == MARK or _added_at_the_end(run, path):
            continue
        kind, reason = "foreign", "the run has not written it"
        if link := link_targets.get(os.path.realpath(path)):
            kind, reason = "linked", f"{link} leads to it"
        elif broken:
            kind, reason = "unrecorded", "the manifest has no entry of it, and may have lost some"
        elif Path(path).lstat().st_mtime_ns < known.begun:
            kind, reason = "unrecorded", "it is older than the manifest"
        problems[path] = Problem(path, kind, reason)
    return problems


def _judged(problem: Problem, one: Examined, logged: set[str] | None) -> Problem:
    """What is wrong with a file without an entry that was examined; ``logged`` are the SHA-256 that logs name."""
    # Only a NetCDF file, or one that a log names, can contradict anything.
    if (logged or problem.path.endswith(".nc")) and (own := _own_problem(problem.path, one, logged)):
        return own
    if logged:
        reason = "the manifest has no entry of it, but the log of its job names its SHA-256"
        return Problem(problem.path, "unrecorded", reason)
    return problem


def _own_problem(path: str, one: Examined, logged: set[str] | None) -> Problem | None:
    """What is wrong with a file itself: damage before anything else."""
    if one.problem and one.kind == "damaged":
        return Problem(path, "damaged", one.problem)
    if reason := _contradiction(one, logged):
        return Problem(path, "damaged", reason)
    return Problem(path, one.kind, one.problem) if one.problem else None


def _contradiction(one: Examined, logged: set[str] | None) -> str | None:
    """In what way a file's bytes are not those that the logs of its jobs name; None where they are, or no log does."""
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
    """What is wrong with files of the manifest themselves, whatever they were computed from."""
    problems = {}
    for path, name in paths_in_run.items():
        log = _added_at_the_end(run, path)
        if name not in known.recorded or Path(path).name == MARK or (log and not _settled(path, True, known.closed)):
            continue
        one, logged = examined[path], logged_hashes.get(name)
        if own := _own_problem(path, one, logged):
            problems[path] = own
        elif confirmable and not log and not logged and not path.endswith(".nc"):
            problems[path] = Problem(path, "unconfirmed", "no log of a job says that it wrote it")
    return problems


def _absence_problems(run: Path, known: manifest.Manifest, examined: Mapping[str, Examined]) -> dict[str, Problem]:
    """Files of the manifest that are not there, or have a folder in their place."""
    problems = {}
    for path in (run.parent / name for name in known.recorded):
        if not os.path.lexists(path) or _is_folder_of(path, known, run):
            problems[str(path)] = Problem(str(path), "missing", "the run has written it")
        elif os.path.isdir(path) and str(path) not in examined:
            problems[str(path)] = Problem(str(path), "damaged", "it is a folder, but the run wrote a file")
    return problems


def _is_folder_of(path: Path, known: manifest.Manifest, run: Path) -> bool:
    """Whether a recorded file has become a folder of other recorded files, as of another version's rule."""
    inside = f"{path.relative_to(run.parent).as_posix()}/"
    return os.path.isdir(path) and any(name.startswith(inside) for name in known.recorded)


def _hashes_in_logs(
    run: Path, known: manifest.Manifest, paths_in_run: Mapping[str, str], examined: Mapping[str, Examined]
) -> tuple[dict[str, set[str]], bool]:
    """Path of the manifest → SHA-256 that logs of jobs name; and whether all logs of the manifest are there and whole.

    A rule that was renamed leaves its older log behind: a file has to agree with one of its logs.
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


def _link_targets(run: Path, tree: Tree, paths_in_run: Mapping[str, str], known: manifest.Manifest) -> dict[str, str]:
    """File in the run's folder, without any link → the recorded path that a link of the run makes it."""
    inward = [link for link, target in tree.links.items() if Path(target).is_relative_to(os.path.realpath(run))]
    return {
        os.path.realpath(path): path
        for path, name in paths_in_run.items()
        if name in known.recorded and any(Path(path).is_relative_to(link) for link in inward)
    }


def _link_problems(run: Path, tree: Tree) -> dict[str, Problem]:
    """What is to be said of links, and of folders that cannot be listed."""
    root = os.path.realpath(run)
    problems = {}
    for link, target in tree.links.items():
        where = "elsewhere in the run" if Path(target).is_relative_to(root) else "outside the run"
        problems[link] = Problem(link, "linked", f"leads to {target}, {where}; it was followed")
    for link, target in tree.broken.items():
        problems[link] = Problem(link, "damaged", f"it is a link to {target}, which is not there")
    for folder, why in tree.unread.items():
        problems[folder] = Problem(folder, "unread", f"its content cannot be listed: {why}")
    return problems


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
    return recorded and Path(path).stat().st_mtime_ns < closed


def _present(run: Path, written: Mapping[str, str], source: str) -> str | None:
    """SHA-256 of an input: as the run has written it, or, outside of the run, as it is now.

    None where that is unknown: the input is gone, or is in the run's folder without an entry in the manifest.
    """
    if source in written:
        return written[source]
    if inside := _inside(written, source):
        return combined_sha256(inside)
    if Path(source).is_relative_to(run):
        return None
    try:
        # Reading a pipe or a device may never end.
        return sha256_of(source) if stat.S_IFMT(os.stat(source).st_mode) in (stat.S_IFREG, stat.S_IFDIR) else None
    except (OSError, ValueError, MemoryError):
        return None


def _inside(hashes: Mapping[str, str], folder: str) -> dict[str, str]:
    """Of paths with their SHA-256 those in a folder, named from there."""
    return {
        Path(path).relative_to(folder).as_posix(): sha256
        for path, sha256 in hashes.items()
        if Path(path).is_relative_to(folder)
    }


def repair(problems: Iterable[Problem], run: str | Path, made_whole: Iterable[str | Path]) -> list[str]:
    """Delete what is damaged, stale or foreign, so that a rerun makes what is needed of it.

    Parameters
    ----------
    problems
        Of ``verify``.
    run
        The run's folder. Outside of it nothing is deleted but what the run wrote, through a link. A log or benchmark,
        which no rerun makes, is kept. So is a link that leads nowhere while files are recorded below it, as to a disk
        that is not mounted, and a folder in the place of a file while anything in it is kept. The manifest forgets
        its damaged lines and the files that are gone, but not those below such a link or an unread folder.
    made_whole
        Folders that a rule makes as one: they are deleted as one, as Snakemake does not look into them.

    Returns
    -------
    list of str
        What was deleted.

    Raises
    ------
    ValueError
        When the manifest has a fault, so that healthy files could be taken for foreign; nothing is deleted.
    """
    run, folders = Path(run), [Path(folder) for folder in made_whole]
    known = manifest.read(run)
    if known.fault:
        raise ValueError(
            f"{manifest.manifest_of(run)}: {known.fault}. Nothing is deleted, since healthy files may look foreign. "
            f"{REBUILD}; then repair."
        )
    problems = list(problems)
    root = Path(os.path.realpath(run))
    recorded = {run.parent / name for name in known.recorded}
    expected = {parent for path in recorded for parent in path.parents}
    unreachable = {Path(problem.path) for problem in problems if problem.kind == "unread"}
    deleted = {}
    # A folder in the place of a file after what is in it.
    for problem in sorted(problems, key=lambda problem: _is_folder(Path(problem.path))):
        path = Path(problem.path)
        if problem.kind not in REPAIRED or not path.is_relative_to(run) or _added_at_the_end(run, problem.path):
            continue
        if path in expected and not path.exists():
            unreachable.add(path)
            continue
        real = Path(os.path.realpath(path.parent)) / path.name
        through_link = real != root / path.relative_to(run)
        of_other_path = real.is_relative_to(root) and run / real.relative_to(root) in recorded
        if through_link and (path not in recorded or of_other_path):
            continue  # the file belongs to another owner or to another path of the run
        target = next((folder for folder in folders if path.is_relative_to(folder)), path)
        if target in deleted or (target == path and _is_folder(path) and _has_files(path)):
            continue
        deleted[target] = None
        rmtree(target) if _is_folder(target) else target.unlink(missing_ok=True)
    gone = {
        path.relative_to(run.parent).as_posix()
        for path in recorded
        if (not os.path.lexists(path) or _is_folder_of(path, known, run)) and not unreachable & set(path.parents)
    }
    manifest.forget(run, gone)
    return list(map(str, deleted))


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder itself, not a link to one."""
    return os.path.isdir(path) and not os.path.islink(path)


def _has_files(folder: Path) -> bool:
    return any(not _is_folder(path) and path.name != MARK for path in folder.rglob("*"))


def rebuild(run: str | Path, workers: int = 1, passed_over: Iterable[str | Path] = ()) -> list[Problem]:
    """Rebuild a missing or faulty manifest from the hashes stored in the files and logs.

    Recorded is a NetCDF file whose values are those of its ``content_sha256`` and that is at its own ``path``; another
    file when the log of the job that wrote it names its SHA-256, or, where no log names it, an entry of the older
    manifest or the inputs of such a NetCDF file do. A log or benchmark stays recorded if it is as in the older
    manifest; else it is recorded when Snakemake next ends.

    Parameters
    ----------
    run, workers, passed_over
        As for ``verify``.

    Returns
    -------
    list of Problem
        Files that are not recorded, as ``unrecorded``, with the reason. Of these ``verify`` calls damaged what
        contradicts its log or itself.

    Raises
    ------
    ValueError
        When the manifest is there and has no fault.
    """
    run = Path(run)
    known = manifest.read(run)
    path = manifest.manifest_of(run)
    if path.is_file() and not known.fault:
        raise ValueError(f"{path} is as it was written: there is nothing to rebuild. Leave rebuild_manifest out.")
    passed = set(map(Path, passed_over))
    recordable = [path for path in tree_of(run, known.recorded).files if path not in passed and not path.is_dir()]
    paths_in_run = {str(path): path.relative_to(run.parent).as_posix() for path in recordable}
    examined = _examined([Place(path, name.split("/", 1)[1], None) for path, name in paths_in_run.items()], workers)
    logged_hashes, _ = _hashes_in_logs(run, known, paths_in_run, {})
    sound = {path for path, one in examined.items() if path.endswith(".nc") and not one.problem}
    hashes = {path: one.sha256 for path, one in examined.items()}
    named: set[str] = set()  # files whose SHA-256 is that of which a sound file was computed
    for source, sha256 in {item for path in sound for item in examined[path].inputs.items()}:
        inside = _inside(hashes, source)
        if source in hashes and hashes[source] == sha256:
            named.add(source)
        elif source not in hashes and inside and combined_sha256(inside) == sha256:
            named |= {str(Path(source) / name) for name in inside}
    recorded, problems = {}, []
    for path, name in paths_in_run.items():
        one = examined[path]
        as_before = known.recorded.get(name) == one.sha256
        if Path(path).name == MARK or (_added_at_the_end(run, path) and not as_before):
            continue
        reason = one.problem or _contradiction(one, logged_hashes.get(name))
        if not reason and not (path in sound or name in logged_hashes or as_before or path in named):
            reason = "neither a log nor a file that was computed from it names its SHA-256"
        if reason:
            problems.append(Problem(path, "unrecorded", reason))
        else:
            recorded[name] = one.sha256
    manifest.replace(run, recorded)
    return sorted(problems)


def counted(problems: Iterable[Problem]) -> dict[str, int]:
    """Kind of problem → how many files have it."""
    kinds = [problem.kind for problem in problems]
    return {kind: kinds.count(kind) for kind in (*FAILING, *NOTED) if kind in kinds}
