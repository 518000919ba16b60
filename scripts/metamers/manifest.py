"""Manifest: the SHA-256 of every file that a run has written, in a file beside the run's folder.

``results/<run>.sha256`` has the format of ``sha256sum``, paths relative to where it lies. Each job appends what it
wrote; the last line of a path counts. Logs and Snakemake's own benchmarks, which end after their jobs, are added when
Snakemake ends (``close``).
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from metamers.hashes import sha256_of

RUN_OF_LOG = re.compile(r"^(.*?results/[^/]+)/logs/")
LINE = re.compile(r"^([0-9a-f]{64})  (.+)$")
CLOSED = re.compile(r"^# closed (\d+)$")
ADDED_AT_THE_END = ("logs", "benchmarks")  # folders of a run
IN_PROGRESS = "progress"  # folder of what unfinished jobs keep, which no manifest has

_run: Path | None = None


def keep_for(log: str | Path) -> None:
    """From now on, record what this process writes into the run that a job's log belongs to."""
    global _run  # noqa: PLW0603 (a process is one job of one run)
    found = RUN_OF_LOG.match(Path(log).as_posix())
    _run = Path(found[1]) if found else None


def manifest_of(run: str | Path) -> Path:
    """Where the manifest of a run's folder is."""
    run = Path(run)
    return run.with_name(f"{run.name}.sha256")


def record(*paths: Path) -> None:
    """Record files that this process has put into its run's folder; others are not recorded."""
    if _run is None:
        return
    ours = [path for path in paths if path.is_relative_to(_run) and not path.is_relative_to(_run / IN_PROGRESS)]
    lines = [_line(sha256_of(path), path.relative_to(_run.parent).as_posix()) for path in ours]
    if lines:
        with _locked(manifest_of(_run)) as manifest:
            os.write(manifest, "".join(lines).encode())


def _line(sha256: str, name: str) -> str:
    return f"{sha256}  {name}\n"


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """A file that is open for appending, and that no other process writes meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        with suppress(OSError):  # a file system without locks: a line is one write, which is whole on most
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Manifest:
    """What is recorded of a run.

    Attributes
    ----------
    recorded
        Path, relative to the folder that the run's folder is in → SHA-256.
    closed
        When logs and benchmarks were last added, in nanoseconds since 1970; 0 if never.
    damaged
        Numbers of the lines that no manifest has.
    """

    recorded: dict[str, str]
    closed: int
    damaged: list[int]


def read(run: str | Path) -> Manifest:
    """The manifest of a run's folder; an empty one where there is none."""
    path = manifest_of(run)
    manifest = Manifest({}, 0, [])
    if not path.is_file():
        return manifest
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if found := LINE.match(line):
            manifest.recorded[found[2]] = found[1]
        elif found := CLOSED.match(line):
            manifest = replace(manifest, closed=int(found[1]))
        else:
            manifest.damaged.append(number)
    return manifest


def close(run: str | Path) -> None:
    """Add logs and benchmarks that are new since the last time, and leave out what is no longer there.

    For when no job of the run is running.
    """
    run = Path(run)
    if not run.is_dir():
        return
    now, known = time.time_ns(), read(run)
    recorded = known.recorded
    for folder in ADDED_AT_THE_END:
        for path in sorted((run / folder).rglob("*")):
            name = path.relative_to(run.parent).as_posix()
            if path.is_file() and (name not in recorded or path.stat().st_mtime_ns >= known.closed):
                recorded[name] = sha256_of(path)
    lines = [_line(digest, name) for name, digest in sorted(recorded.items()) if (run.parent / name).is_file()]
    path = manifest_of(run)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(f"# closed {now}\n{''.join(lines)}", encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
