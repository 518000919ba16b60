"""Call a function in a separate process with limited time and memory.

This is for compiled readers: a damaged file can make one crash, loop forever or take any amount of memory, which no
exception within the same process can stop.
"""

import resource
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

TIMEOUT_S = 120.0
EXTRA_BYTES = 2**30  # address space of the call beyond that of the calling process


class ReaderEndedError(OSError):
    """The process of a call ended without a result."""


class ReaderKilledError(ReaderEndedError):
    """The process of a call was killed because time or memory ran out, which says nothing about the file."""


def call_isolated(
    function: Callable[..., Any], *arguments: Any, timeout_s: float = TIMEOUT_S, extra_bytes: int = EXTRA_BYTES
) -> Any:
    """Call a function in a forked process with limited time and memory.

    Parameters
    ----------
    function, *arguments
        The function and its arguments. Its result or exception must be picklable.
    timeout_s
        Seconds after which the process is killed.
    extra_bytes
        Address space in bytes that the process may take beyond that of the calling process.

    Returns
    -------
    Any
        The function's result.

    Raises
    ------
    Exception
        Whatever the function raised.
    ReaderEndedError
        When the process ended without a result.
    ReaderKilledError
        When the call took longer than ``timeout_s`` or its process was killed.
    """
    context = get_context("fork")
    answers, answer = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(answer, function, arguments, extra_bytes))
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


def _answer(answer: Connection, function: Callable[..., Any], arguments: tuple, extra_bytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + extra_bytes, most))
    try:
        result = (False, function(*arguments))
    except Exception as error:
        result = (True, error)
    answer.send(result)
