"""Time and memory of computations on this machine."""

import ctypes
import multiprocessing
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch


def alternating(repeats: int, **jobs: Callable[[], object]) -> Mapping[str, np.ndarray]:
    """Seconds of each job, (repeat,), after one untimed run of each.

    Jobs take turns, so that other load on the machine affects all of them.
    """
    for job in jobs.values():
        job()
    seconds = {name: np.empty(repeats) for name in jobs}
    for repeat in range(repeats):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            seconds[name][repeat] = time.perf_counter() - began
    return seconds


def in_own_process(measure: Callable[[], Any]) -> Any:
    """The result of ``measure`` in a separate process; None if it fails or the process crashes.

    The process is a fork: call this before the current process has computed anything, in particular gradients, because
    PyTorch may refuse to compute gradients in the fork afterwards.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def report() -> None:
        # A fork lacks its parent's threads, so a thread pool would wait forever.
        torch.set_num_threads(1)
        with suppress(RuntimeError, ValueError):
            sending.send(measure())

    _return_freed_memory()  # so that memory freed earlier does not count for the fork
    process = context.Process(target=report)
    process.start()
    sending.close()
    received = None
    with suppress(EOFError):
        received = receiving.recv()
    process.join()
    return received


def most_memory() -> float:
    """Peak resident memory of this process in MB (10^6 bytes); NaN on systems other than Linux."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


def _return_freed_memory() -> None:
    """Return freed memory, which ``metamers.models.device.use_threads`` keeps, to the system (glibc only)."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
