"""Calls in a process of their own, for compiled readers that a file can crash, keep busy for ever, or fill with memory.

Such a reader can neither be interrupted from within its process nor be stopped by an exception.
"""

import resource
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0
MORE_BYTES = 2**30  # of address space that a call may take, beyond what the calling process has


class ReaderEndedError(OSError):
    """The process of a call ended, or was ended, without an answer."""


class ReaderKilledError(ReaderEndedError):
    """The process of a call was killed, because its time or the memory of the machine ran out: no fault of the file."""


def call_isolated(
    function: Callable[..., Any], *arguments: Any, timeout_s: float = PATIENCE_S, more_bytes: int = MORE_BYTES
) -> Any:
    """Call a function in a forked process of limited time and memory.

    Parameters
    ----------
    function, *arguments
        The function and its arguments. Its result or exception must be picklable.
    timeout_s
        Seconds after which the process is killed.
    more_bytes
        Address space that the process may take beyond that of the calling process.

    Returns
    -------
    Any
        What the function gave.

    Raises
    ------
    Exception
        What the function raised.
    ReaderEndedError
        When it took longer, or its process ended.
    """
    context = get_context("fork")
    answers, answer = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(answer, function, arguments, more_bytes))
    process.start()
    answer.close()
    try:
        if not answers.poll(timeout_s):
            raise ReaderKilledError(f"its reader did not end within {timeout_s:g} s")
        raised, result = answers.recv()
    except EOFError:
        process.join()
        status = process.exitcode or 0
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        kind = ReaderKilledError if status == -signal.SIGKILL else ReaderEndedError
        raise kind(f"its reader ended its process ({how})") from None
    finally:
        process.kill()
        process.join()
        answers.close()
    if raised:
        raise result
    return result


def _answer(answer: Connection, function: Callable[..., Any], arguments: tuple, more_bytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more_bytes, most))
    try:
        result = (False, function(*arguments))
    except Exception as error:
        result = (True, error)
    answer.send(result)
