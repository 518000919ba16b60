"""A call that ends its process, or never ends, raises an error in the calling process."""

import ctypes
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from metamers.foreign.isolated import ReaderEndedError, ReaderKilledError, call_isolated, call_isolated_each


def test_a_call_gives_what_the_function_gives_and_raises_what_it_raises():
    assert call_isolated(sum, [1, 2]) == 3
    with pytest.raises(ZeroDivisionError):
        call_isolated(divmod, 1, 0)


def test_a_call_that_crashes_or_ends_its_process_is_named():
    with pytest.raises(ReaderEndedError, match=r"its reader ended its process \(SIGSEGV\)"):
        call_isolated(ctypes.string_at, 0)
    with pytest.raises(ReaderEndedError, match=r"its reader ended its process \(status 3\)"):
        call_isolated(os._exit, 3)


def test_a_call_that_does_not_end_is_ended():
    with pytest.raises(ReaderEndedError, match=r"did not end within 0\.2 s"):
        call_isolated(time.sleep, 60, timeout_s=0.2)


def test_a_call_that_takes_more_memory_than_it_may_is_an_error():
    with pytest.raises(MemoryError):
        call_isolated(bytes, 2**31)


def test_a_large_answer_arrives():
    assert len(call_isolated(bytes, 10**7)) == 10**7


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
    assert "cannot be read" in str(raised)


def test_the_process_ends_when_its_caller_has_been_killed(tmp_path):
    script = textwrap.dedent("""
        import os, signal
        from pathlib import Path
        from metamers.foreign.isolated import call_isolated_each

        def call(number):
            Path("child").write_text(str(os.getpid()))
            return bytes(10**6)

        next(call_isolated_each(call, range(10)))
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
