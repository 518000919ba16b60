"""The manifest of a run: the SHA-256 of every file that the run has written, in a file beside the run's folder.

``results/<run>.sha256`` has the format of ``sha256sum``, with paths relative to the manifest's folder. Each job appends
the files that it wrote; the last line of a path counts. Logs and Snakemake's benchmarks are complete only after their
jobs, and are added when Snakemake ends (``close``).

The first line is the seal: a comment of fixed length with the number of entries, the number of bytes and a hash of the
text after it. The hash is a chain: the SHA-256 of the hash before each line, and of the line, so that a job reads the
seal and the end of the file, not the whole of it. A job first appends its lines and then overwrites the seal in place.
If the job is killed between the two, the seal still fits the part that it covers. A manifest that was emptied, cut, or
changed within the sealed part does not fit its seal (``Manifest.fault``); jobs cannot make it fit again, only
``verify.rebuild`` does. A manifest of an older version has no seal, or one with the SHA-256 of the whole text. Without
one, it is read, and stays so until it is rebuilt; the other is replaced. The first job of a run creates the manifest
with a complete seal atomically, so that neither a full disk nor a killed job leaves part of a seal.

``record`` writes the same lines to the job's log, as a second record.
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

from metamers.run.cpu_time import counted
from metamers.run.hashes import sha256_of

SUFFIX = ".sha256"
RUN_OF_LOG = re.compile(r"^(.*?results/[^/]+)/logs/")
OF_ANY_RUN = "results/<run>/"  # as in the rules
LINE = re.compile(r"^([0-9a-f]{64})  (.+)$")
TIME = re.compile(r"^# (begun|closed) ([0-9]{1,20})$")
SEAL = re.compile(rb"^# (sealed|linked) ([0-9]{12}) entries, ([0-9]{12}) bytes: ([0-9a-f]{64})\n")
START = "0" * 64  # the hash of a chain without lines
SEAL_BYTES = len(f"# linked {0:012d} entries, {0:012d} bytes: {START}\n")
ADDED_AT_THE_END = ("logs", "benchmarks")  # folders of a run
IN_PROGRESS = "progress"  # folder for the checkpoints of unfinished jobs, which the manifest leaves out
NO_SEAL = "an older version wrote it without a checksum of its own, so its completeness cannot be checked"

# Records of written files, which go to the job's log file only: see `metamers.run.job.log_to`.
written = logging.getLogger("metamers.written")
written.setLevel(logging.DEBUG)

_run: Path | None = None


@dataclass
class Manifest:
    """The content of a manifest.

    Attributes
    ----------
    recorded
        Path, relative to the parent of the run's folder → SHA-256.
    begun, closed
        Times at which the manifest was begun and at which logs and benchmarks were last added, in nanoseconds since
        1970; 0 if never.
    damaged
        Lines that are not valid manifest entries.
    fault
        Why the manifest may lack entries or have wrong ones: its seal does not fit, or it has no seal (``NO_SEAL``).
        None when the seal fits.
    """

    recorded: dict[str, str] = field(default_factory=dict)
    begun: int = 0
    closed: int = 0
    damaged: list[str] = field(default_factory=list)
    fault: str | None = None


def use_run_of(log: str | Path) -> None:
    """From now on, record the files that this process writes into the run that a log file belongs to."""
    global _run  # noqa: PLW0603 (a process is one job of one run)
    matched = RUN_OF_LOG.match(Path(log).as_posix())
    _run = Path(matched[1]) if matched else None


def path_in_run(path: Path) -> str:
    """Return a path as the file's attributes record it: relative to the run's folder if the file is inside."""
    inside = _run is not None and path.is_relative_to(_run)
    return (path.relative_to(_run) if inside else path).as_posix()


def in_run(path: str | Path) -> Path:
    """Return where this process has a file: below its run's folder if the path is below ``results/<run>/``.

    Parameters of jobs have such paths, so that they are equal in all runs.
    """
    name = Path(path).as_posix()
    return _run / name.removeprefix(OF_ANY_RUN) if _run and name.startswith(OF_ANY_RUN) else Path(path)


def manifest_path(run: str | Path) -> Path:
    """Return the path of the manifest of a run's folder."""
    run = Path(run)
    return run.with_name(run.name + SUFFIX)


def _lock_of(manifest: Path) -> Path:
    return manifest.with_name(f".{manifest.name}.lock")


def check_places(run: str | Path) -> None:
    """Check that the paths of a run's folder and its manifest are usable; nothing is created.

    Raises
    ------
    OSError
        When a file has the path of a needed folder, or a folder that of a needed file, or another run has a name that
        differs in upper case only.
    """
    run = Path(run)
    others = os.listdir(run.parent) if run.parent.is_dir() else []
    if other := next((name for name in others if name != run.name and name.casefold() == run.name.casefold()), None):
        raise OSError(
            f"{run.parent / other} is another run, whose name differs in upper case only: both would be one folder on "
            "macOS and Windows. Give the run another name (run)."
        )
    for path in (*reversed(run.parents), run):
        if os.path.lexists(path) and not path.is_dir():
            kind = "a file" if path.exists() else "a broken link"
            raise OSError(
                f"{path} is {kind}, but the run needs a folder there. Move it away, or run in another folder."
            )
    manifest = manifest_path(run)
    for path in (manifest, _lock_of(manifest)):
        if os.path.lexists(path) and not path.is_file():
            raise OSError(
                f"{path} is not a file, but the manifest of {run} belongs there. Move it away, or give the run another "
                "name (run)."
            )


def write_probe(folder: str | Path) -> None:
    """Write a temporary file in a folder, which raises OSError where that is not possible."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.write(b"x")
        probe.flush()
        os.fsync(probe.fileno())  # a network disk may report only here that it is full


def check_writable(run: str | Path) -> None:
    """Check, before the first job, that files can be written in a run's folder and beside it; create the folder.

    Raises
    ------
    OSError
        When files cannot be written.
    """
    try:
        Path(run).mkdir(parents=True, exist_ok=True)
        for folder in (Path(run), manifest_path(run).parent):
            write_probe(folder)
    except OSError as error:
        raise OSError(
            f"{run}: files cannot be written here or beside it ({error.strerror}). Wanted: a folder that you may write "
            "to, on a disk with free space that is mounted for writing. Nothing has been run."
        ) from error


@counted("files")
def record(*paths: Path, staged: Path | None = None) -> None:
    """Record written files of the run in the run's manifest and in the job's log.

    Files outside the run's folder are not recorded.

    Parameters
    ----------
    *paths
        Where the files belong.
    staged
        Where the file of the only path is until the caller moves it there.

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
    manifest = manifest_path(_run)
    try:
        with _locked(manifest):
            # Hashed under the lock: if two processes replace a file, the one that records last has hashed last.
            lines = [_line(sha256_of(staged or path), path.relative_to(_run.parent).as_posix()) for path in ours]
            _append(_run, "".join(lines))
    except OSError as error:
        raise OSError(
            f"{manifest}, the run's manifest, could not be written: {error}. It lacks {', '.join(map(str, ours))}. "
            "Is the disk full, read-only or no longer mounted? Fix the disk and run again."
        ) from error
    for line in lines:
        written.debug("wrote %s", line.removesuffix("\n"))


def _line(sha256: str, name: str) -> str:
    return f"{sha256}  {name}\n"


def _lines(recorded: Mapping[str, str]) -> str:
    return "".join(_line(sha256, name) for name, sha256 in sorted(recorded.items()))


def _entries(body: bytes) -> int:
    """Return the number of lines that are not comments."""
    return body.count(b"\n") - body.count(b"\n#") - body.startswith(b"#")


def _chain(digest: str, lines: bytes) -> str:
    """The hash of a chain that goes on with further lines."""
    for line in lines.splitlines(keepends=True):
        digest = hashlib.sha256(digest.encode() + line).hexdigest()
    return digest


def _seal(lines: bytes, entries: int = 0, size: int = 0, digest: str = START) -> bytes:
    """The first line of a manifest with ``entries`` in ``size`` bytes, whose hash is ``digest``, and then ``lines``."""
    entries, size = entries + _entries(lines), size + len(lines)
    return f"# linked {entries:012d} entries, {size:012d} bytes: {_chain(digest, lines)}\n".encode()


def _fault(content: bytes) -> str | None:
    """Why the bytes of a manifest do not fit its seal; None where they do. Lines after the sealed part do no harm."""
    if not (seal := SEAL.match(content)):
        return NO_SEAL if content.startswith(b"# begun ") else "its first line, with its checksum, is damaged"
    entries, size, body = int(seal[2]), int(seal[3]), content[SEAL_BYTES:]
    if len(body) < size:
        return f"it was cut: its first line says {entries} entries in {size} bytes, of which {len(body)} are left"
    sealed = body[:size]
    digest = _chain(START, sealed) if seal[1] == b"linked" else hashlib.sha256(sealed).hexdigest()
    if digest.encode() != seal[4] or _entries(sealed) != entries:
        return f"its first {size} bytes with {entries} entries are not those of its checksum"
    return None


def _append(run: Path, lines: str) -> None:
    """Append lines to a run's manifest and seal it, unless it is shorter than its sealed part, or has no seal.

    A new manifest is created only if the file does not exist, so that one that was emptied or cut keeps its fault. The
    seal is computed from the content on the disk after appending; on a file system without locks it also covers lines
    that other jobs append at the same time.
    """
    manifest = manifest_path(run)
    if not manifest.is_file():
        _write(run, Manifest(begun=time.time_ns()))
    with manifest.open("rb") as stream:
        seal = SEAL.match(stream.read(SEAL_BYTES))
        before = stream.seek(0, os.SEEK_END)
        stream.seek(max(before - 1, 0))
        ended = stream.read(1) == b"\n"
    if seal and seal[1] == b"sealed":  # of an older version, so it is checked as a whole, once
        known = read(run)
        if not known.fault:
            _write(run, known)
            _append(run, lines)
            return
        seal = None
    with manifest.open("ab") as stream:
        # A full disk may have left the last line without its end.
        stream.write(lines.encode() if ended else f"\n{lines}".encode())
        stream.flush()
        os.fsync(stream.fileno())
    if not seal or before < SEAL_BYTES + int(seal[3]):
        return
    with manifest.open("rb+") as stream:
        stream.seek(SEAL_BYTES + int(seal[3]))
        tail = stream.read()
        # Whole lines only: without locks, the last one may be another job's, of which a part is there.
        tail = tail[: tail.rfind(b"\n") + 1]
        renewed = _seal(tail, int(seal[2]), int(seal[3]), seal[4].decode())
        stream.seek(0)
        stream.write(renewed)
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def _locked(manifest: Path) -> Iterator[None]:
    """Lock a manifest against other writers, if the file system has locks."""
    manifest.parent.mkdir(parents=True, exist_ok=True)
    with _lock_of(manifest).open("ab") as lock:
        with suppress(OSError):
            fcntl.lockf(lock, fcntl.LOCK_EX)
        yield


def read(run: str | Path) -> Manifest:
    """Read the manifest of a run's folder; an empty one if the file does not exist."""
    path, manifest = manifest_path(run), Manifest()
    if not path.is_file():
        return manifest
    content = path.read_bytes()
    manifest.fault = _fault(content)
    sealed = SEAL.match(content)
    *lines, unfinished = content[SEAL_BYTES if sealed else 0 :].decode(errors="replace").split("\n")
    for line in lines:
        if (matched := LINE.match(line)) and _is_name_of(Path(run).name, matched[2]):
            manifest.recorded[matched[2]] = matched[1]
        elif matched := TIME.match(line):
            setattr(manifest, matched[1], int(matched[2]))
        elif line:
            manifest.damaged.append(line)
    if unfinished:  # a line without its end; its path may have been cut
        manifest.damaged.append(unfinished)
    return manifest


def _is_name_of(run: str, name: str) -> bool:
    """Whether a path of a manifest is inside the run's folder."""
    return name.startswith(f"{run}/") and not {"", ".", ".."} & set(name.split("/"))


def close(run: str | Path) -> None:
    """Add logs and benchmarks that are new since the last call, and drop lines that later lines replace.

    This is called when Snakemake ends. Without a manifest, nothing is done. In a manifest with a fault, lines are only
    added, so that the fault stays visible.
    """
    run = Path(run)
    with _locked(manifest_path(run)):
        now, known = time.time_ns(), read(run)
        if not manifest_path(run).is_file():
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


def replace(run: str | Path, recorded: Mapping[str, str]) -> None:
    """Replace all entries by others. The manifest counts as begun now: files that it lacks are older than it."""
    with _locked(manifest_path(run)):
        known = Manifest(dict(recorded), begun=time.time_ns(), closed=read(run).closed)
        _write(Path(run), known)


def _write(run: Path, known: Manifest) -> None:
    """Write a run's manifest atomically."""
    times = "".join(f"# {name} {value}\n" for name in ("begun", "closed") if (value := getattr(known, name)))
    body = (times + "".join(f"{line}\n" for line in known.damaged) + _lines(known.recorded)).encode()
    path = manifest_path(run)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(_seal(body) + body)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
