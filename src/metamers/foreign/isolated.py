"""Call a function in a separate process with limited time and memory.

This is for compiled readers: a damaged file can make one crash, loop forever or take any amount of memory, which no
exception within the same process can stop. ``read_isolated`` and ``read_isolated_each`` read files from outside with
them; ``tests/foreign/test_openers.py`` lists every function that opens a file with such a reader.
"""

import ctypes
import fcntl
import os
import pickle
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
SLOWEST_BYTES_S = 10**7  # lowest assumed rate of reading a file, for a slow disk
EXTRA_BYTES = 2**30  # address space of the process beyond that of the calling process
FILE_BYTES = 2**31  # the same for a file that is decoded: an image of 2**26 pixels with its copies

PIPE_BYTES = 2**20  # the most that Linux permits to any user; 16 times the default, with which arrays take longer
PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that a process gets when the process that started it ends

_isolated = False  # whether this process is one that was started here


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

    Within such a process, the function is called directly, because the limits of that process apply to it.

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
    if _isolated:
        yield from (_outcome(function, one) for one in arguments)
        return
    done = 0
    while done < len(arguments):
        with closing(_results(function, arguments[done:], timeout_s, extra_bytes)) as results:
            for place, result in enumerate(results):
                if isinstance(result, Exception) and place > 0:
                    break
                done += 1
                yield result


def reading_s(path: str | Path) -> float:
    """Return the seconds after which the reader of a file is ended."""
    return TIMEOUT_S + (os.path.getsize(path) / SLOWEST_BYTES_S if os.path.exists(path) else 0)


def read_isolated(
    read: Callable[[Path], Any],
    path: str | Path,
    timeout_s: Callable[[Path], float] = reading_s,
    extra_bytes: int = FILE_BYTES,
) -> Any:
    """Read a file from outside in a separate process.

    Parameters
    ----------
    read
        The reader. Large arrays of its result are not copied more than once.
    path
        The file.
    timeout_s, extra_bytes
        As for ``call_isolated_each``.

    Returns
    -------
    Any
        What ``read`` returns.

    Raises
    ------
    Exception
        Whatever ``read`` raised.
    ValueError
        When the file crashes its reader, or takes more than ``extra_bytes`` of memory; the message names the file.
    OSError
        When the process was killed because time or memory ran out; the message names the file.
    """
    (result,) = read_all_isolated(read, [Path(path)], timeout_s, extra_bytes)
    return result


def read_all_isolated(
    read: Callable[[Path], Any],
    paths: Sequence[Path],
    timeout_s: Callable[[Path], float] = reading_s,
    extra_bytes: int = FILE_BYTES,
) -> Iterator[Any]:
    """Read several files from outside in one process; yields what ``read_isolated`` returns, and raises as it does."""
    for result in read_isolated_each(read, paths, timeout_s, extra_bytes):
        if isinstance(result, Exception):
            raise result
        yield result


def read_isolated_each(
    read: Callable[[Path], Any],
    paths: Sequence[Path],
    timeout_s: Callable[[Path], float] = reading_s,
    extra_bytes: int = FILE_BYTES,
) -> Iterator[Any]:
    """Read several files from outside in one process, as ``call_isolated_each`` calls a function.

    Yields
    ------
    Any
        For each file what ``read_isolated`` returns, or the exception that it would raise.
    """
    for path, result in zip(paths, call_isolated_each(read, paths, timeout_s, extra_bytes), strict=True):
        if isinstance(result, ReaderKilledError):
            yield OSError(f"{path} could not be read: {result}; if it is damaged, fetch or save it again")
        elif isinstance(result, ReaderEndedError):
            yield ValueError(f"{path}: damaged: {result}; fetch or save it again")
        elif isinstance(result, MemoryError):
            yield ValueError(f"{path}: damaged or too large: its reader takes more than {extra_bytes} bytes of memory")
        else:
            yield result


def _results(
    function: Callable[[Any], Any], arguments: Sequence[Any], timeout_s: Callable[[Any], float], extra_bytes: int
) -> Generator[Any, None, None]:
    """Yield results and exceptions of a process, up to the first argument at which it ends."""
    context = get_context("fork")
    answers, answer = context.Pipe(duplex=False)
    with suppress(OSError):  # a user may have few large pipes
        fcntl.fcntl(answer.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    process = context.Process(target=_answer, args=(answers, answer, function, arguments, extra_bytes))
    process.start()
    answer.close()
    try:
        for one in arguments:
            if not answers.poll(timeout := timeout_s(one)):
                yield ReaderKilledError(f"its reader did not end within {timeout:g} s")
                return
            try:
                result = _receive(answers)
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
    limit = pages * resource.getpagesize() + extra_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # when the calling process is killed
    with suppress(BrokenPipeError):
        for one in arguments:
            answered = _outcome(lambda one: _pickled(function(one), extra_bytes), one)
            _send(answer, *(_pickled(answered, extra_bytes) if isinstance(answered, Exception) else answered))


def _pickled(result: Any, most: int) -> tuple[bytes, list[memoryview]]:
    """Pickle an object without the bytes of its arrays, which are returned beside it."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = pickle.dumps(result, 5, buffer_callback=buffers.append)
    arrays = [buffer.raw() for buffer in buffers]
    if sum(array.nbytes for array in arrays) > most:  # arrays may share memory here, but do not where they arrive
        raise MemoryError
    return pickled, arrays


def _send(answer: Connection, pickled: bytes, arrays: Sequence[memoryview]) -> None:
    answer.send((pickled, [array.nbytes for array in arrays]))
    for array in arrays:
        while array.nbytes:
            array = array[os.write(answer.fileno(), array) :]  # noqa: PLW2901 (the bytes that are left)


def _receive(answers: Connection) -> Any:
    """Receive the object of ``_send``."""
    pickled, sizes = answers.recv()
    arrays = [bytearray(size) for size in sizes]
    for array in arrays:
        left = memoryview(array)
        while left.nbytes:
            number = os.readv(answers.fileno(), [left])
            if not number:
                raise EOFError
            left = left[number:]
    return pickle.loads(pickled, buffers=arrays)


def _outcome(function: Callable[[Any], Any], one: Any) -> Any:
    try:
        return function(one)
    except Exception as error:
        return error
