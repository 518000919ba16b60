"""Manifest: the SHA-256 of every file that a run has written, in a file beside the run's folder.

``results/<run>.sha256`` has the format of ``sha256sum``, paths relative to where it lies. Each job appends what it
wrote; the last line of a path counts. Logs and Snakemake's own benchmarks, which end after their jobs, are added when
Snakemake ends (``close``).
"""

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from metamers.hashes import sha256_of

RUN_OF_LOG = re.compile(r"^(.*?results/[^/]+)/logs/")
LINE = re.compile(r"^([0-9a-f]{64})  (.+)$")
TIME = re.compile(r"^# (begun|closed) (\d+)$")
ADDED_AT_THE_END = ("logs", "benchmarks")  # folders of a run
IN_PROGRESS = "progress"  # folder of what unfinished jobs keep, which no manifest has

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
        Lines that no manifest has.
    """

    recorded: dict[str, str] = field(default_factory=dict)
    begun: int = 0
    closed: int = 0
    damaged: list[str] = field(default_factory=list)


def keep_for(log: str | Path) -> None:
    """From now on, record what this process writes into the run that a job's log belongs to."""
    global _run  # noqa: PLW0603 (a process is one job of one run)
    found = RUN_OF_LOG.match(Path(log).as_posix())
    _run = Path(found[1]) if found else None


def manifest_of(run: str | Path) -> Path:
    """Where the manifest of a run's folder is."""
    run = Path(run)
    return run.with_name(f"{run.name}.sha256")


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
    """Record files that this process has put into its run's folder; others are not recorded.

    Raises
    ------
    OSError
        When the manifest cannot be written.
    """
    if _run is None:
        return
    ours = [path for path in paths if path.is_relative_to(_run) and not path.is_relative_to(_run / IN_PROGRESS)]
    lines = [_line(sha256_of(path), path.relative_to(_run.parent).as_posix()) for path in ours]
    if not lines:
        return
    manifest = manifest_of(_run)
    try:
        with _locked(manifest), manifest.open("ab+") as stream:
            if stream.tell() == 0:
                stream.write(f"# begun {time.time_ns()}\n".encode())
            else:
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # of a line that a full disk cut off
                    stream.write(b"\n")
            stream.write("".join(lines).encode())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise OSError(
            f"{manifest}, the run's manifest, could not be written: {error}. It lacks {', '.join(map(str, ours))}. "
            "Is the disk full, read-only or not mounted any more? Mend that and run again."
        ) from error


def _line(sha256: str, name: str) -> str:
    return f"{sha256}  {name}\n"


@contextmanager
def _locked(manifest: Path) -> Iterator[None]:
    """Nobody else writes a manifest meanwhile, where the file system has locks."""
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with manifest.with_name(f".{manifest.name}.lock").open("ab") as lock:
        with suppress(OSError):
            fcntl.lockf(lock, fcntl.LOCK_EX)
        yield


def read(run: str | Path) -> Manifest:
    """The manifest of a run's folder; an empty one where there is none."""
    path, manifest = manifest_of(run), Manifest()
    if not path.is_file():
        return manifest
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if (found := LINE.match(line)) and found[2].startswith(f"{Path(run).name}/"):
            manifest.recorded[found[2]] = found[1]
        elif found := TIME.match(line):
            setattr(manifest, found[1], int(found[2]))
        elif line:
            manifest.damaged.append(line)
    return manifest


def close(run: str | Path) -> None:
    """Add logs and benchmarks that are new since the last time, and leave out lines that others have replaced.

    For when Snakemake ends; nothing is done where no job has begun a manifest.
    """
    run = Path(run)
    with _locked(manifest_of(run)):
        now, known = time.time_ns(), read(run)
        if not manifest_of(run).is_file():
            return
        for folder in ADDED_AT_THE_END:
            for path in sorted((run / folder).rglob("*")):
                name = path.relative_to(run.parent).as_posix()
                if path.is_file() and (name not in known.recorded or path.stat().st_mtime_ns >= known.closed):
                    known.recorded[name] = sha256_of(path)
        known.closed = now
        _write(run, known)


def forget(run: str | Path, names: set[str]) -> None:
    """Leave out files that are no longer there, and damaged lines."""
    with _locked(manifest_of(run)):
        known = read(run)
        known.damaged = []
        known.recorded = {name: sha256 for name, sha256 in known.recorded.items() if name not in names}
        _write(Path(run), known)


def _write(run: Path, known: Manifest) -> None:
    times = "".join(f"# {name} {value}\n" for name in ("begun", "closed") if (value := getattr(known, name)))
    lines = (_line(sha256, name) for name, sha256 in sorted(known.recorded.items()))
    path = manifest_of(run)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(times + "".join(f"{line}\n" for line in known.damaged) + "".join(lines), encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
