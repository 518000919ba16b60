"""Logging of a job to the terminal and to its log file, and the record of its written files there."""

import atexit
import gc
import logging
import re
import sys
from pathlib import Path

from metamers.run import manifest

WROTE = re.compile(
    r"^(?:\d\d:\d\d:\d\d )?wrote ([0-9a-f]{64})  (.+)$", re.MULTILINE
)  # see `metamers.run.manifest.record`


def log_to(path: str | Path) -> logging.Logger:
    """Send log messages, warnings and the traceback of an uncaught error to standard error and to a file.

    From now on, files that the process writes into the run are recorded in the run's manifest and in the log file (not
    on the terminal): see ``read_written``.
    """
    manifest.use_run_of(path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(b"")
    # Opened to append: a job whose Snakemake was killed may still be writing to the same file.
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
    # An interpreter that ends collects garbage among all that PyTorch and timm define, for most of a second, although
    # the system frees the memory anyway.
    atexit.register(gc.freeze)
    return logger


def read_written(text: str) -> list[tuple[str, str]]:
    """Return the files that a job wrote into its run, from the text of its log: path as in the manifest, SHA-256."""
    return [(name, sha256) for sha256, name in WROTE.findall(text)]
