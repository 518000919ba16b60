"""Checkpoints of long jobs, from which a rerun continues after an interruption.

A job calls ``Progress.due`` regularly and saves its state when it returns True. A later job continues from the state if
it has the same identity: the same code, settings and inputs. A process that receives SIGTERM or SIGINT saves before it
ends. So does a process whose Snakemake was killed, because it would overwrite files of a rerun.

Two processes may do the same work at the same time if a job does not notice that its Snakemake was killed. Each
continues from the latest state that either saved, both end with the same bits, and neither fails when the other has
finished.
"""

import hashlib
import io
import json
import logging
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

import torch

from metamers.run.files import write
from metamers.run.hashes import sha256_of

logger = logging.getLogger("metamers")

PENDING_BYTES = 2**28  # maximum size of finished parts that are not saved yet

_signal_received: int | None = None  # number of the signal that asked this process to end
_parent: int | None = None  # the process that started this one


def checkpoint_on_signal() -> None:
    """Let SIGTERM, SIGINT and the death of the parent process end this process only after it has saved its state."""
    global _parent  # noqa: PLW0603 (a process has one parent)
    _parent = os.getppid()

    def ask(number: int, _frame: object) -> None:
        global _signal_received  # noqa: PLW0603 (signals are of the whole process)
        _signal_received = number

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


def _reason_to_end() -> tuple[str, signal.Signals] | None:
    """Return why this process should end and the signal that its exit status reports; None if it may continue."""
    if _signal_received is not None:
        number = signal.Signals(_signal_received)
        return f"asked to end by {number.name}", number
    if _parent not in (None, os.getppid()):
        return "Snakemake, which started this job, has been killed", signal.SIGHUP
    return None


def identity_of(code: str, inputs: Iterable[str | Path], *settings: Any) -> str:
    """Return the identity of a piece of work, in hexadecimal digits.

    Parameters
    ----------
    code
        The version of its code.
    inputs
        Paths of its input files, whose bytes count.
    *settings
        Settings that can be written as JSON.
    """
    hashes = {str(path): sha256_of(path) for path in inputs}
    return hashlib.sha256(json.dumps([code, hashes, settings], sort_keys=True).encode()).hexdigest()


def _size(state: dict[str, Any]) -> int:
    return sum(value.nbytes for value in state.values() if isinstance(value, torch.Tensor))


class Progress:
    """The checkpoints of a job, one state for each part of its work.

    Parameters
    ----------
    folder
        Folder for the states; if None, nothing is saved. States of another identity are deleted.
    identity
        Identity of the work: see ``identity_of``.
    every_s
        Seconds between saves, the work that an interruption may lose.
    """

    def __init__(self, folder: str | Path | None = None, identity: str = "", every_s: float = 60):
        self.folder = None if folder is None else Path(folder) / identity[:16]
        self.identity, self.every_s = identity, every_s
        self._pending: dict[str, dict[str, Any]] = {}
        self._saved = time.monotonic()
        if self.folder is None:
            return
        with suppress(FileNotFoundError):  # there is none, or another process has just finished the same work
            for other in set(self.folder.parent.iterdir()) - {self.folder}:
                logger.info("%s: the checkpoint has other settings, data or code; starting from the beginning", other)
                rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink(missing_ok=True)

    def due(self) -> bool:
        """Whether the state should be saved now."""
        if self.folder is None:
            return False
        return _reason_to_end() is not None or time.monotonic() - self._saved >= self.every_s

    def save(self, part: str, state: dict[str, Any]) -> None:
        """Save the state of a part.

        Parameters
        ----------
        part
            The part's name.
        state
            Tensors, numbers, texts, and lists and dictionaries of these.

        Raises
        ------
        SystemExit
            When the process was asked to end, or its parent process has died.
        """
        if self.folder is None:
            return
        for name, one in (self._pending | {part: state}).items():
            buffer = io.BytesIO()
            torch.save({"identity": self.identity, **one}, buffer)
            content = hashlib.sha256(buffer.getbuffer()).digest() + buffer.getbuffer()
            self._write(name, content)
        self._pending.clear()
        self._saved = time.monotonic()
        if (ending := _reason_to_end()) is not None:
            reason, number = ending
            logger.info("%s; a rerun continues from here", reason)
            raise SystemExit(128 + number)

    def _write(self, part: str, content: bytes) -> None:
        try:
            write(self._path(part), content)
        except OSError as error:
            if not isinstance(error.__cause__, FileNotFoundError | FileExistsError):
                raise
            # Another process has finished the same work and removed the folder, maybe while this one made it.
            write(self._path(part), content)

    def finish(self, part: str, state: dict[str, Any]) -> None:
        """Save the final state of a part; saving may wait until the next part is saved."""
        if self.due() or sum(map(_size, self._pending.values())) + _size(state) > PENDING_BYTES:
            self.save(part, state)
        elif self.folder is not None:
            self._pending[part] = state

    def load(self, part: str) -> dict[str, Any] | None:
        """Return the last saved state of a part; None if there is none, or it is damaged.

        The file is read without running code. A damaged file, even by one bit, is ignored with a warning, which costs
        only time.
        """
        if self.folder is None:
            return None
        path = self._path(part)
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # nothing was saved, or another process has just finished the same work
            return None
        digest, saved = content[: hashlib.sha256().digest_size], content[hashlib.sha256().digest_size :]
        if hashlib.sha256(saved).digest() != digest:
            logger.warning("%s: damaged; starting from the beginning", path)
            return None
        try:
            state = torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
            if state.pop("identity") == self.identity:
                return state
            logger.info("%s: the checkpoint has other settings, data or code; starting from the beginning", path)
        except Exception as error:  # the reader raises many kinds of errors for files that only an attacker would write
            logger.warning("%s: cannot be read (%s); starting from the beginning", path, error)
        return None

    def delete(self) -> None:
        """Delete all states, after the work is finished and its results are in place."""
        if self.folder is not None:
            rmtree(self.folder.parent, ignore_errors=True)

    def _path(self, part: str) -> Path:
        return self.folder / f"{part}.pt"


NO_CHECKPOINT = Progress()
