"""The process of a job: its log, the record of its written files there, their provenance, and its CPU time.

A script imports this module before all others, because the CPU time of imports is counted from then on, and the imports
are faster (``metamers.run.cpu_time.count_imports``).
"""

import atexit
import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metamers.run import cpu_time, manifest
from metamers.run.declared import RunFile
from metamers.run.logs import DISPLAY, INTERRUPTED, RESULTS, cpu_time_line

if TYPE_CHECKING:
    import xarray as xr

cpu_time.count_imports()


def log_to(path: str | Path) -> logging.Logger:
    """Send log messages, warnings and the traceback of an uncaught error to standard error and to a file.

    Standard error gets messages from level ``INFO`` on. If the run has a display, which shows the last line of the log
    file, it gets only warnings, errors and messages of the logger ``RESULTS``. The file gets all messages. Those of
    level ``DEBUG`` are about the published study alone, not about this run.

    From now on, files that the process writes into the run are recorded in the run's manifest and in the log file (not
    on the terminal), and so is the CPU time of the process when it ends: see ``metamers.run.logs``.
    """
    manifest.use_run_of(path)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(b"")
    # Opened to append: a job whose Snakemake was killed may still be writing to the same file.
    file = logging.FileHandler(path, mode="a", encoding="utf-8")
    terminal = logging.StreamHandler()
    terminal.setLevel(logging.INFO)
    if DISPLAY in os.environ:
        terminal.addFilter(lambda record: record.levelno >= logging.WARNING or record.name == RESULTS)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=[terminal, file]
    )
    logging.captureWarnings(True)
    logger = logging.getLogger("metamers")
    logger.setLevel(logging.DEBUG)

    def report(kind, error, traceback):
        if issubclass(kind, KeyboardInterrupt):
            logger.info(INTERRUPTED)
            return
        logger.error("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))

    sys.excepthook = report
    # What imports have defined stays until the end, so no later collection of garbage needs to search it.
    gc.freeze()
    atexit.register(_end)
    return logger


def log_results_to(path: str | Path) -> logging.Logger:
    """The same for a job that a user runs to read what it logs, such as a verification."""
    log_to(path)
    return logging.getLogger(RESULTS)


def progress_folder(job: Any) -> Path:
    """The folder of a job's checkpoints: the path of its log, below ``progress`` instead of ``logs``.

    Parameters
    ----------
    job
        The object ``snakemake`` of a script.
    """
    log = Path(job.log[0])
    run = Path(manifest.RUN_OF_LOG.match(log.as_posix())[1])
    return run / manifest.IN_PROGRESS / log.relative_to(run / "logs").with_suffix("")


def provenance(job: Any) -> dict[str, Any]:
    """What the files of a job say of it: ``step``, ``run``, ``creator``, ``seed`` and ``inputs``, for ``files.save``.

    Parameters
    ----------
    job
        The object ``snakemake`` of a script.
    """
    of_run = {key: job.config[key] for key in ("run", "creator", "seed")}
    return of_run | {"step": job.params.step, "inputs": job.input}


def save(
    job: Any,
    dataset: "xr.Dataset",
    path: str | Path | None = None,
    *,
    declared: RunFile,
    title: str,
    source: str,
    **more: Any,
) -> None:
    """Write a dataset that a job has made, with its provenance.

    Parameters
    ----------
    job
        As for ``provenance``.
    dataset
        As for ``metamers.run.files.save``.
    path
        The file; None: the job's first output.
    declared
        What the step declares of the file.
    title, source
        What it is, and what it is from.
    **more
        Further arguments of ``files.save``, or others than those of ``provenance``.

    Raises
    ------
    KeyError, OSError
        As ``files.save``.
    """
    from metamers.run import files  # here, because it imports the NetCDF libraries

    about = provenance(job) | more
    files.save(dataset, path or job.output[0], declared=declared, title=title, source=source, **about)


def _end() -> None:
    """Record the CPU time of the process and of its ended children, and prepare a fast end."""
    manifest.written.debug("%s", cpu_time_line(sum(os.times()[:4]), cpu_time.seconds))
    # An interpreter that ends collects garbage among all that PyTorch and timm define, for most of a second, although
    # the system frees the memory anyway.
    gc.freeze()
