"""Call a function in a separate process with limited time and memory.

This is for compiled readers: a damaged file can make one crash, loop forever or take any amount of memory, which no
exception within the same process can stop.
"""

import resource
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

TIMEOUT_S = 120.0
EXTRA_BYTES = 2**30  # address space of the process beyond that of the calling process

_isolated = False  # whether this process is one that was started here


class ReaderEndedError(OSError):
    """The process of a call ended without a result."""


class ReaderKilledError(ReaderEndedError):
    """The process of a call was killed because time or memory ran out, which says nothing about the file."""


def call_isolated(
    function: Callable[..., Any], *arguments: Any, timeout_s: float = TIMEOUT_S, extra_bytes: int = EXTRA_BYTES
) -> Any:
    """Call a function in a forked process with limited time and memory.

    Within such a process, the function is called directly, because the limits of that process apply to it.

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
    if _isolated:
        return function(*arguments)
    (result,) = call_isolated_each(lambda of_call: function(*of_call), [arguments], lambda _: timeout_s, extra_bytes)
    if isinstance(result, Exception):
        raise result
    return result


def call_isolated_each(
    function: Callable[[Any], Any],
    arguments: Sequence[Any],
    timeout_s: Callable[[Any], float] = lambda _: TIMEOUT_S,
    extra_bytes: int = EXTRA_BYTES,
) -> Iterator[Any]:
    """Call a function with each of several arguments in one forked process, because a process for each takes longer.

    After an error, which an earlier argument of the same process may have caused, the same argument is tried in a new
    process. So errors do not depend on the order.

    Parameters
    ----------
    function, extra_bytes
        As for ``call_isolated``.
    arguments
        The arguments, one for each call.
    timeout_s
        Argument → seconds after which its process is killed.

    Yields
    ------
    Any
        For each argument the function's result, or the exception that ``call_isolated`` would raise.
    """
    done = 0
    while done < len(arguments):
        with closing(_results(function, arguments[done:], timeout_s, extra_bytes)) as results:
            for place, result in enumerate(results):
                if isinstance(result, Exception) and place > 0:
                    break
                done += 1
                yield result


def _results(
    function: Callable[[Any], Any], arguments: Sequence[Any], timeout_s: Callable[[Any], float], extra_bytes: int
) -> Generator[Any, None, None]:
    """Yield results and exceptions of a process, up to the first argument at which it ends."""
    context = get_context("fork")
    answers, answer = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(answers, answer, function, arguments, extra_bytes))
    process.start()
    answer.close()
    try:
        for one in arguments:
            if not answers.poll(timeout := timeout_s(one)):
                yield ReaderKilledError(f"its reader did not end within {timeout:g} s")
                return
            try:
                result = answers.recv()
            except EOFError:
                yield _how_it_ended(process)
                return
            except Exception as error:  # an exception of the function can fail while it is unpickled
                result = ReaderEndedError(f"the answer of its reader cannot be read: {error}")
            yield result
    finally:
        process.kill()
        process.join()
        answers.close()


def _how_it_ended(process: BaseProcess) -> ReaderEndedError:
    process.join()
    status = process.exitcode or 0
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    kind = ReaderKilledError if status == -signal.SIGKILL else ReaderEndedError
    return kind(f"its reader ended its process ({how})")


def _answer(
    answers: Connection, answer: Connection, function: Callable[[Any], Any], arguments: Sequence[Any], extra_bytes: int
) -> None:
    global _isolated  # noqa: PLW0603 (the process serves these calls only)
    _isolated = True
    answers.close()  # the other end, so that writing fails when the calling process has ended
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + extra_bytes, most))
    with suppress(BrokenPipeError):
        for one in arguments:
            answer.send(_outcome(function, one))


def _outcome(function: Callable[[Any], Any], one: Any) -> Any:
    try:
        return function(one)
    except Exception as error:
        return error
