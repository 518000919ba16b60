"""A call that ends its process, or never ends, raises an error in the calling process."""

import ctypes
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from metamers.foreign.isolated import (
    FILE_BYTES,
    TIMEOUT_S,
    ReaderEndedError,
    ReaderKilledError,
    call_isolated,
    call_isolated_each,
    read_isolated,
    read_isolated_each,
    reading_s,
)


def test_a_call_gives_what_the_function_gives_and_raises_what_it_raises():
    assert call_isolated(sum, [1, 2]) == 3
    with pytest.raises(ZeroDivisionError):
        call_isolated(divmod, 1, 0)


@pytest.mark.hostile("a file on which HDF5 crashes …")
def test_a_call_that_crashes_or_ends_its_process_is_named():
    with pytest.raises(ReaderEndedError, match="SIGSEGV"):
        call_isolated(ctypes.string_at, 0)
    with pytest.raises(ReaderEndedError, match="status 3"):
        call_isolated(os._exit, 3)


def test_a_hard_limit_of_memory_of_the_calling_process_is_kept():
    """As `ulimit -v` of a cluster sets it."""
    code = """
        import resource
        from pathlib import Path
        from metamers.foreign.isolated import call_isolated

        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 2**28, size + 2**28))
        print(call_isolated(abs, -1))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"


def test_a_large_answer_arrives():
    assert len(call_isolated(bytes, 10**7)) == 10**7


def test_arrays_of_an_answer_arrive_as_they_are():
    sent = {"numbers": np.arange(10**6), "turned": np.ones((3, 2), order="F"), "none": np.empty(0), "texts": ["a"]}
    arrived = call_isolated(lambda: sent)
    assert arrived.keys() == sent.keys()
    assert all(np.array_equal(arrived[name], values) for name, values in sent.items())
    arrived["numbers"][0] = 1


@pytest.mark.hostile(
    "Any file that a compiled library reads",
    "arrays that share memory, and would take gigabytes once each has its own",
    "refused",
)
def test_arrays_that_are_small_only_because_they_share_memory_do_not_arrive():
    zeros = np.zeros(10**7, "u1")
    with pytest.raises(MemoryError):
        call_isolated(lambda: [zeros[n:] for n in range(200)])


@pytest.mark.hostile(
    "Any file that a compiled library reads",
    "a file whose reader does not end, or takes too much memory",
    "refused by name",
)
def test_a_file_whose_reader_ends_is_named(tmp_path):
    def read(path):
        match path.name:
            case "crash":
                os._exit(3)
            case "memory":
                bytes(2**32)
            case "loop":
                time.sleep(60)
        return path.name

    paths = [tmp_path / name for name in ("a", "crash", "memory", "loop", "b")]
    limits = {path: 0.5 if path.name == "loop" else 60 for path in paths}
    a, crash, memory, loop, b = read_isolated_each(read, paths, limits.get)
    assert (a, b) == ("a", "b")
    for error, kind, message in (
        (crash, ValueError, "crash: .*status 3"),
        (memory, ValueError, f"memory: .*{FILE_BYTES} bytes"),
        (loop, OSError, r"loop .* 0\.5 s"),
    ):
        assert type(error) is kind
        assert re.match(f"{tmp_path}/{message}", str(error))
    with pytest.raises(ValueError, match="crash: "):
        read_isolated(read, tmp_path / "crash")


def test_the_time_for_a_file_grows_with_its_size(tmp_path):
    with (tmp_path / "x").open("wb") as stream:
        stream.truncate(10**10)
    assert reading_s(tmp_path / "x") == TIMEOUT_S + 1000


def test_many_calls_share_a_process_until_one_fails():
    processes = list(call_isolated_each(lambda _: os.getpid(), range(50)))
    assert len(set(processes)) == 1
    assert processes[0] != os.getpid()

    def process_unless_odd(number):
        if number % 2:
            raise ValueError(number)
        return os.getpid()

    results = list(call_isolated_each(process_unless_odd, range(5)))
    assert [str(one) for one in results[1::2]] == ["1", "3"]
    assert len(set(results[::2])) == 3


def test_each_of_many_calls_has_its_own_error_and_the_others_their_result():
    def call(which):
        match which:
            case "crash":
                ctypes.string_at(0)
            case "loop":
                time.sleep(60)
            case "memory":
                bytes(2**31)
            case "raise":
                raise KeyError(which)
        return which

    given = ["a", "crash", "b", "loop", "memory", "raise", "c"]
    a, crash, b, loop, memory, raised, c = call_isolated_each(call, given, lambda one: 0.5 if one == "loop" else 60)
    assert [a, b, c] == ["a", "b", "c"]
    assert type(crash) is ReaderEndedError
    assert type(loop) is ReaderKilledError
    assert type(memory) is MemoryError
    assert type(raised) is KeyError


def test_what_an_earlier_call_did_to_the_process_does_not_count_against_a_later_one():
    kept = []

    def keep(number_of_bytes):
        kept.append(bytearray(number_of_bytes))
        return len(kept)

    numbers = list(call_isolated_each(keep, [5 * 10**8] * 6))  # together more than the memory of a process
    assert all(isinstance(number, int) for number in numbers)
    assert max(numbers) < len(numbers)


def test_a_call_within_a_separate_process_is_made_in_it():
    inner, outer = call_isolated(lambda: (call_isolated(os.getpid), os.getpid()))
    assert inner == outer


class TwoArgumentsError(Exception):
    """An exception that is pickled, but cannot be unpickled."""

    def __init__(self, one, other):
        super().__init__(one)


def test_an_error_that_cannot_be_read_is_that_of_its_call_alone():
    def call(which):
        if which == "raise":
            raise TwoArgumentsError(which, which)
        return which

    first, raised, last = call_isolated_each(call, ["a", "raise", "b"])
    assert (first, last) == ("a", "b")
    assert isinstance(raised, ReaderEndedError)


def test_the_process_ends_when_its_caller_has_been_killed(tmp_path):
    script = textwrap.dedent("""
        import os, signal, time
        from pathlib import Path
        from metamers.foreign.isolated import call_isolated_each

        def call(number):
            Path("child").write_text(str(os.getpid()))
            time.sleep(60 * number)

        results = call_isolated_each(call, range(2))
        next(results)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            return
        time.sleep(0.1)
    os.kill(child, 9)
    raise AssertionError("the process is still there")
