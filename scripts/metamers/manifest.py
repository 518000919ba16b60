"""Manifest: the SHA-256 of every file that a run has written, in a file beside the run's folder.

``results/<run>.sha256`` has the format of ``sha256sum``; its paths are relative to the folder that it is in. Each job
appends the files that it wrote; the last line of a path counts. Logs and Snakemake's own benchmarks, which end after
their jobs, are added when Snakemake ends (``close``).

The first line is the seal: a comment of fixed length with the number of entries, the number of bytes and the SHA-256 of
what follows it. A job appends its lines first and then overwrites the seal in place. A job that is killed between the
two leaves lines after the sealed part, which the seal still fits. A manifest that was emptied, cut, or changed in the
sealed part does not fit its seal (``Manifest.fault``), and no job seals it again: only ``verify.rebuild`` does. A
manifest without a seal, of an older version, is read, and stays without one until it is rebuilt. The first job of a run
puts a manifest with a complete seal in its place at once, so that neither a full disk nor a killed job leaves a part of
a seal.

The log of a job is the second witness: ``record`` writes the same lines there.
"""

import fcntl
import hashlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from metamers.hashes import sha256_of

SUFFIX = ".sha256"
RUN_OF_LOG = re.compile(r"^(.*?results/[^/]+)/logs/")
LINE = re.compile(r"^([0-9a-f]{64})  (.+)$")
TIME = re.compile(r"^# (begun|closed) ([0-9]{1,20})$")
SEAL = re.compile(rb"^# sealed ([0-9]{12}) entries, ([0-9]{12}) bytes: ([0-9a-f]{64})\n")
SEAL_BYTES = len(f"# sealed {0:012d} entries, {0:012d} bytes: {'0' * 64}\n")
ADDED_AT_THE_END = ("logs", "benchmarks")  # folders of a run
IN_PROGRESS = "progress"  # folder of what unfinished jobs keep, which no manifest has
NO_SEAL = "an older version wrote it without a checksum of its own, so its completeness cannot be checked"

# What a job has written: for its log file only, see `metamers.logs.log_to`.
written = logging.getLogger("metamers.written")
written.setLevel(logging.DEBUG)

_run: Path | None = None


@dataclass
class Manifest:
    """What is recorded of a run.

    Attributes
    ----------
    recorded
        Path, relative to the folder that the run's folder is in → SHA-256.
    begun, closed
        When it was begun, and when logs and benchmarks were last added, in nanoseconds since 1970; 0 if never.
    damaged
        Lines that are not valid manifest entries.
    fault
        Why the manifest may lack entries or have wrong ones: its seal does not fit, or it has none (``NO_SEAL``). None
        where the seal fits.
    """

    recorded: dict[str, str] = field(default_factory=dict)
    begun: int = 0
    closed: int = 0
    damaged: list[str] = field(default_factory=list)
    fault: str | None = None


def keep_for(log: str | Path) -> None:
    """From now on, record what this process writes into the run that a job's log belongs to."""
    global _run  # noqa: PLW0603 (a process is one job of one run)
    found = RUN_OF_LOG.match(Path(log).as_posix())
    _run = Path(found[1]) if found else None


def path_in_run(path: Path) -> str:
    """A path as a file's own attributes name it: within the folder of this process's run, wherever that is moved."""
    inside = _run is not None and path.is_relative_to(_run)
    return (path.relative_to(_run) if inside else path).as_posix()


def manifest_of(run: str | Path) -> Path:
    """Where the manifest of a run's folder is."""
    run = Path(run)
    return run.with_name(run.name + SUFFIX)


def _lock_of(manifest: Path) -> Path:
    return manifest.with_name(f".{manifest.name}.lock")


def check_places(run: str | Path) -> None:
    """Make sure that a run's folder and its manifest can be where they belong; nothing is made.

    Raises
    ------
    OSError
        When a file is where a folder belongs, or a folder where a file belongs, naming it.
    """
    run = Path(run)
    for path in (*reversed(run.parents), run):
        if os.path.lexists(path) and not path.is_dir():
            found = "a file" if path.exists() else "a link that leads nowhere"
            raise OSError(
                f"{path} is {found}, but the run needs a folder there. Move it away, or run in another folder."
            )
    manifest = manifest_of(run)
    for path in (manifest, _lock_of(manifest)):
        if os.path.lexists(path) and not path.is_file():
            raise OSError(
                f"{path} is not a file, but the manifest of {run} belongs there. Move it away, or give the run another "
                "name (run)."
            )


def check_writable(run: str | Path) -> None:
    """Make sure that files can be made in a run's folder, which is made where there is none, and beside it.

    For before the first job.

    Raises
    ------
    OSError
        When they cannot, saying why.
    """
    try:
        Path(run).mkdir(parents=True, exist_ok=True)
        for folder in (Path(run), manifest_of(run).parent):
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(b"x")
                probe.flush()
                os.fsync(probe.fileno())  # before which a disk of the network may not say that it is full
    except OSError as error:
        raise OSError(
            f"{run}: nothing can be written here, or beside it ({error.strerror}). Wanted: a folder of yours, on a "
            "disk that has room and is mounted for writing. Nothing has been done."
        ) from error


def record(*paths: Path) -> None:
    """Record files that this process has put into its run's folder, in the manifest and in the log of its job.

    Files outside the run's folder are not recorded.

    Raises
    ------
    OSError
        When the manifest cannot be written.
    """
    if _run is None:
        return
    ours = [path for path in paths if path.is_relative_to(_run) and not path.is_relative_to(_run / IN_PROGRESS)]
    if not ours:
        return
    manifest = manifest_of(_run)
    try:
        with _locked(manifest):
            # Hashed under the lock: of two processes that replace a file, the one that records last has hashed last.
            lines = [_line(sha256_of(path), path.relative_to(_run.parent).as_posix()) for path in ours]
            _append(_run, "".join(lines))
    except OSError as error:
        raise OSError(
            f"{manifest}, the run's manifest, could not be written: {error}. It lacks {', '.join(map(str, ours))}. "
            "Is the disk full, read-only or not mounted any more? Mend that and run again."
        ) from error
    for line in lines:
        written.debug("wrote %s", line.removesuffix("\n"))


def _line(sha256: str, name: str) -> str:
    return f"{sha256}  {name}\n"


def _lines(recorded: Mapping[str, str]) -> str:
    return "".join(_line(sha256, name) for name, sha256 in sorted(recorded.items()))


def _entries(body: bytes) -> int:
    """How many lines are no comments."""
    return body.count(b"\n") - body.count(b"\n#") - body.startswith(b"#")


def _seal(body: bytes) -> bytes:
    """The first line of a manifest whose other lines are ``body``."""
    entries = _entries(body)
    return f"# sealed {entries:012d} entries, {len(body):012d} bytes: {hashlib.sha256(body).hexdigest()}\n".encode()


def _fault(content: bytes) -> str | None:
    """Why the bytes of a manifest do not fit its seal; None where they do. Lines after the sealed part do no harm."""
    if not (seal := SEAL.match(content)):
        return NO_SEAL if content.startswith(b"# begun ") else "its first line, with its checksum, is damaged"
    entries, size, body = int(seal[1]), int(seal[2]), content[SEAL_BYTES:]
    if len(body) < size:
        return f"it was cut: its first line says {entries} entries in {size} bytes, of which {len(body)} are left"
    if hashlib.sha256(body[:size]).hexdigest().encode() != seal[3] or _entries(body[:size]) != entries:
        return f"its first {size} bytes with {entries} entries are not those of its checksum"
    return None


def _append(run: Path, lines: str) -> None:
    """Append lines to a run's manifest and seal it, unless it did not fit its seal before.

    A manifest is begun only where there is no file: one that was emptied or cut keeps its fault. The seal is computed
    from what is on the disk after the lines were appended. It fits whatever other jobs append at the same time where
    the file system has no locks.
    """
    manifest = manifest_of(run)
    if not manifest.is_file():
        _write(run, Manifest(begun=time.time_ns()))
    before = manifest.read_bytes()
    with manifest.open("ab") as stream:
        # A full disk leaves a last line without an end.
        stream.write(lines.encode() if before.endswith(b"\n") else f"\n{lines}".encode())
        stream.flush()
        os.fsync(stream.fileno())
    if _fault(before):
        return
    with manifest.open("rb+") as stream:
        stream.seek(SEAL_BYTES)
        seal = _seal(stream.read())
        stream.seek(0)
        stream.write(seal)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def _locked(manifest: Path) -> Iterator[None]:
    """Nobody else writes a manifest meanwhile, where the file system has locks."""
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with _lock_of(manifest).open("ab") as lock:
        with suppress(OSError):
            fcntl.lockf(lock, fcntl.LOCK_EX)
        yield


def read(run: str | Path) -> Manifest:
    """The manifest of a run's folder; an empty one where there is none."""
    path, manifest = manifest_of(run), Manifest()
    if not path.is_file():
        return manifest
    content = path.read_bytes()
    manifest.fault = _fault(content)
    sealed = SEAL.match(content)
    *lines, unfinished = content[SEAL_BYTES if sealed else 0 :].decode(errors="replace").split("\n")
    for line in lines:
        if (found := LINE.match(line)) and _is_name_of(Path(run).name, found[2]):
            manifest.recorded[found[2]] = found[1]
        elif found := TIME.match(line):
            setattr(manifest, found[1], int(found[2]))
        elif line:
            manifest.damaged.append(line)
    if unfinished:  # a line without an end, whose path may have been cut
        manifest.damaged.append(unfinished)
    return manifest


def _is_name_of(run: str, name: str) -> bool:
    """Whether a path is within a run's folder."""
    return name.startswith(f"{run}/") and not {"", ".", ".."} & set(name.split("/"))


def close(run: str | Path) -> None:
    """Add logs and benchmarks that are new since the last time, and leave out lines that others have replaced.

    For when Snakemake ends; nothing is done where no job has begun a manifest. To a manifest that has a fault lines are
    only added, so that the fault stays visible.
    """
    run = Path(run)
    with _locked(manifest_of(run)):
        now, known = time.time_ns(), read(run)
        if not manifest_of(run).is_file():
            return
        new = {}
        for folder in ADDED_AT_THE_END:
            for path in sorted((run / folder).rglob("*")):
                name = path.relative_to(run.parent).as_posix()
                if path.is_file() and (name not in known.recorded or path.stat().st_mtime_ns >= known.closed):
                    new[name] = sha256_of(path)
        if known.fault:
            _append(run, f"{_lines(new)}# closed {now}\n")
            return
        known.recorded |= new
        known.closed = now
        _write(run, known)


def forget(run: str | Path, names: set[str]) -> None:
    """Leave out files that are no longer there, and damaged lines."""
    with _locked(manifest_of(run)):
        known = read(run)
        known.damaged = []
        known.recorded = {name: sha256 for name, sha256 in known.recorded.items() if name not in names}
        _write(Path(run), known)


def replace(run: str | Path, recorded: Mapping[str, str]) -> None:
    """Put other entries in the place of all, as of a manifest that was begun now: what it lacks is older than it."""
    with _locked(manifest_of(run)):
        known = Manifest(dict(recorded), begun=time.time_ns(), closed=read(run).closed)
        _write(Path(run), known)


def _write(run: Path, known: Manifest) -> None:
    """Replace a run's manifest, which is on the disk before it is in its place."""
    times = "".join(f"# {name} {value}\n" for name in ("begun", "closed") if (value := getattr(known, name)))
    body = (times + "".join(f"{line}\n" for line in known.damaged) + _lines(known.recorded)).encode()
    path = manifest_of(run)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(_seal(body) + body)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
