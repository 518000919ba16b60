"""What a step says while it runs: to the terminal, and to its log file, where it stays; and where its time went."""

import atexit
import gc
import json
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metamers import manifest

PARTS = ("start", "loading", "writing", "total")  # of a log's last line, in seconds
SPENT = re.compile(r"^(?:\d\d:\d\d:\d\d )?spent (\{.*\})$", re.MULTILINE)
WROTE = re.compile(r"^(?:\d\d:\d\d:\d\d )?wrote ([0-9a-f]{64})  (.+)$", re.MULTILINE)  # see `metamers.manifest.record`

_seconds = dict.fromkeys(PARTS, 0.0)
_within: list[str] = []  # the part that is being timed, if any


def log_to(path: str | Path) -> logging.Logger:
    """Send this process's log, warnings and an uncaught error's traceback to standard error and to a file.

    When the process ends, the file gets one more line, on which its time went: see ``read_spent``. What the process
    writes into the run is recorded in the run's manifest, and in the file only, not on the terminal: see
    ``read_written``.
    """
    manifest.keep_for(path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(b"")
    # Appended to, as a job whose Snakemake was killed may write to the same file until it ends.
    file = logging.FileHandler(path, mode="a", encoding="utf-8")
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.INFO)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=[terminal, file]
    )
    logging.captureWarnings(True)
    logger = logging.getLogger("metamers")

    def report(kind, error, traceback):
        logger.error("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))

    sys.excepthook = report
    _seconds["start"] = seconds_since_start()
    atexit.register(_end, file)
    return logger


@contextmanager
def spent(part: str) -> Iterator[None]:
    """Count the time within, or of a decorated function, as spent on ``loading`` or ``writing``.

    What is nested in another part counts there, once. For the main thread of a process.
    """
    if _within:
        yield
        return
    _within.append(part)
    began = time.monotonic()
    try:
        yield
    finally:
        _seconds[part] += time.monotonic() - began
        _within.pop()


def seconds_since_start() -> float:
    """Age of this process in seconds, to a hundredth; 0 where there is no ``/proc`` to tell."""
    try:
        # Fields 3 and later of proc_pid_stat(5), as the second, the program's name, may have spaces; 22 is wanted.
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    started = int(fields[22 - 3]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started)


def _end(file: logging.FileHandler) -> None:
    """Write the last line of a log file, which the terminal is spared, and let the process end at once.

    An interpreter that ends looks for garbage among all that PyTorch and timm defined, for most of a second, only to
    hand the memory back before the system does.
    """
    seconds = _seconds | {"total": seconds_since_start()}
    line = f"spent {json.dumps({part: round(seconds[part], 2) for part in PARTS})}"
    file.handle(logging.makeLogRecord({"msg": line, "levelno": logging.INFO}))
    gc.freeze()


def read_spent(text: str) -> dict[str, float] | None:
    """How a job's time was spent, from the text of its log.

    Returns
    -------
    dict or None
        Seconds of wall time: ``start``, from the start of the process until ``log_to`` (interpreter and imports);
        ``loading`` models and files; ``writing`` files; ``total``, of which the rest is the job's own. None where the
        log has no such line, as of a job that was killed.
    """
    lines = SPENT.findall(text)
    if not lines:
        return None
    try:
        seconds = json.loads(lines[-1])
    except json.JSONDecodeError:
        return None
    return seconds if tuple(seconds) == PARTS else None


def read_written(text: str) -> list[tuple[str, str]]:
    """What a job has written into its run, from the text of its log: paths as in the manifest, and their SHA-256."""
    return [(name, sha256) for sha256, name in WROTE.findall(text)]
