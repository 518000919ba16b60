"""A call that ends its process, or never ends, raises an error in the calling process."""

import ctypes
import os
import time

import pytest

from metamers.foreign.isolated import ReaderEndedError, call_isolated


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
