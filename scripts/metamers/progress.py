"""Progress: what a job that takes long keeps of its unfinished work, to go on from there when it was stopped.

Whoever works asks now and then whether it is time (``due``), and saves. What was saved is taken up by a job of the same
identity: the same code, settings and inputs. A process that is asked to end (SIGTERM, SIGINT) saves first, and so does
one whose Snakemake has been killed: it would write over what a rerun makes.

Two processes may do the same work at the same time, where a job does not notice that Snakemake was killed. Each goes on
from what either saved, and ends with the same bits; neither fails when the other has finished.
"""

import hashlib
import io
import json
import logging
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree
from typing import Any

import torch

from metamers.files import write
from metamers.hashes import sha256_of

logger = logging.getLogger("metamers")

PENDING_BYTES = 2**28  # of finished parts, that are not saved yet

_asked_to_end: int | None = None  # by which signal
_parent: int | None = None  # the process that started this one


def save_before_the_end() -> None:
    """Let SIGTERM, SIGINT and the death of the parent process end this process only when its work has been saved."""
    global _parent  # noqa: PLW0603 (a process has one parent)
    _parent = os.getppid()

    def ask(number: int, _frame: object) -> None:
        global _asked_to_end  # noqa: PLW0603 (signals are of the whole process)
        _asked_to_end = number

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


def _reason_to_end() -> tuple[str, signal.Signals] | None:
    """Why this process is to end, and the signal that it ends as if by; None where it may go on."""
    if _asked_to_end is not None:
        number = signal.Signals(_asked_to_end)
        return f"asked to end by {number.name}", number
    if _parent not in (None, os.getppid()):
        return "Snakemake, which started this job, has been killed", signal.SIGHUP
    return None


def identity_of(code: str, inputs: Iterable[str | Path], *settings: Any) -> str:
    """What a piece of work is, as hexadecimal digits: its code, the bytes of its inputs, and settings that are JSON."""
    given = {str(path): sha256_of(path) for path in inputs}
    return hashlib.sha256(json.dumps([code, given, settings], sort_keys=True).encode()).hexdigest()


def _size(state: dict[str, Any]) -> int:
    return sum(value.nbytes for value in state.values() if isinstance(value, torch.Tensor))


class Progress:
    """What a job keeps of its work, one state for each of its parts.

    Parameters
    ----------
    folder
        Where; None: nothing is kept. What lies there of another identity is deleted.
    identity
        Of the work, see ``identity_of``.
    every_s
        Seconds of work that may be lost.
    """

    def __init__(self, folder: str | Path | None = None, identity: str = "", every_s: float = 60):
        self.folder = None if folder is None else Path(folder) / identity[:16]
        self.identity, self.every_s = identity, every_s
        self._pending: dict[str, dict[str, Any]] = {}
        self._saved = time.monotonic()
        if self.folder is not None and self.folder.parent.is_dir():
            for other in set(self.folder.parent.iterdir()) - {self.folder}:
                logger.info("%s: of work with other settings, data or code; beginning anew", other)
                rmtree(other, ignore_errors=True) if other.is_dir() else other.unlink(missing_ok=True)

    def due(self) -> bool:
        """Whether it is time to save."""
        if self.folder is None:
            return False
        return _reason_to_end() is not None or time.monotonic() - self._saved >= self.every_s

    def save(self, part: str, state: dict[str, Any]) -> None:
        """Keep where a part stands: tensors, numbers, texts, and lists and dicts of them.

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
        if (found := _reason_to_end()) is not None:
            reason, number = found
            logger.info("%s; a rerun goes on from here", reason)
            raise SystemExit(128 + number)

    def _write(self, part: str, content: bytes) -> None:
        try:
            write(self._path(part), content)
        except OSError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            write(self._path(part), content)  # another process has finished the same work, and removed the folder

    def finish(self, part: str, state: dict[str, Any]) -> None:
        """As ``save``, of a part that will not change: it may wait until the next one is saved."""
        if self.due() or sum(map(_size, self._pending.values())) + _size(state) > PENDING_BYTES:
            self.save(part, state)
        elif self.folder is not None:
            self._pending[part] = state

    def load(self, part: str) -> dict[str, Any] | None:
        """Where a part stood when it was last saved; None where nothing was, or it is damaged.

        The file is read without running code; one that is damaged, be it by a bit, is left out with a note: that costs
        time only.
        """
        if self.folder is None or not (path := self._path(part)).is_file():
            return None
        content = path.read_bytes()
        digest, saved = content[: hashlib.sha256().digest_size], content[hashlib.sha256().digest_size :]
        if hashlib.sha256(saved).digest() != digest:
            logger.warning("%s: damaged; beginning anew", path)
            return None
        try:
            state = torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
            if state.pop("identity") == self.identity:
                return state
            logger.info("%s: of work with other settings, data or code; beginning anew", path)
        except Exception as error:  # its reader raises many kinds for what nobody but an attacker would write
            logger.warning("%s: cannot be read (%s); beginning anew", path, error)
        return None

    def done(self) -> None:
        """Keep nothing any more: the work is finished, and its results are in place."""
        if self.folder is not None:
            rmtree(self.folder.parent, ignore_errors=True)

    def _path(self, part: str) -> Path:
        return self.folder / f"{part}.pt"


NOTHING_KEPT = Progress()
