"""What a step says while it runs: to the terminal, and to its log file, where it stays."""

import logging
import sys
from pathlib import Path


def log_to(path: str | Path) -> logging.Logger:
    """Send this process's log, warnings and an uncaught error's traceback to standard error and to a file."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handlers = [logging.StreamHandler(), logging.FileHandler(path, mode="w", encoding="utf-8")]
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", handlers=handlers)
    logging.captureWarnings(True)
    logger = logging.getLogger("metamers")

    def report(kind, error, traceback):
        logger.error("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))

    sys.excepthook = report
    return logger
