"""Devices and threads: where a model is computed, and PyTorch's settings that make results repeatable.

How many stimuli fit on the device is decided in ``metamers.models.batches`` and ``metamers.synthesize.memory``, and the
precision in ``metamers.models.precision``.
"""

import ctypes
import os
import tempfile
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
# The documented limit of M_MMAP_THRESHOLD; older versions of glibc refuse a higher value, newer ones take it.
MMAP_THRESHOLD_LIMIT = 4 * 2**20 * ctypes.sizeof(ctypes.c_long)
_LOCKS: list[FileLock] = []  # of cards, until the process ends


def available_devices() -> list[str]:
    """Names of the devices of this machine, as a configuration's ``device``; the first is that of ``auto``."""
    there = ["cpu"]
    if torch.backends.mps.is_available():
        there.insert(0, "mps")
    if torch.cuda.is_available():
        there = ["cuda", *(f"cuda:{n}" for n in range(torch.cuda.device_count())), *there]
    return there


def choose_device(device: str) -> torch.device:
    """The device of a configuration's ``device``; ``auto`` takes CUDA, else MPS, else the CPU.

    Of several cards, ``cuda`` takes one that no other job of this user has taken (``own_card``). On CUDA, float32 is
    float32 from then on. By default PyTorch computes convolutions in TF32, with 11 instead of 24 significant bits, so
    that neither match nor answers would be those of a CPU (not tested on a card).

    Raises
    ------
    ValueError
        When the machine does not have the device; the message lists the available devices.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    there = available_devices()
    name = there[0] if device == "auto" else device
    if name not in there:
        raise ValueError(f"device: {device!r} is not on this machine; it has {', '.join(there)}")
    if name == "cuda":
        return own_card()
    chosen = torch.device(name)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    return chosen


@cache
def own_card() -> torch.device:
    """The first card that no other process of this user has taken, taken by this process until it ends.

    If all are taken, or no locks can be made, cards are shared. A card is taken by a lock in the folder of temporary
    files, named by the card's UUID, since schedulers number cards differently.
    """
    count = torch.cuda.device_count()
    for number in range(count):
        uuid = torch.cuda.get_device_properties(number).uuid
        lock = FileLock(Path(tempfile.gettempdir()) / f"metamers-{os.getuid()}-card-{uuid}.lock")
        try:
            lock.acquire(timeout=0)
        except (OSError, NotImplementedError):  # also taken: filelock.Timeout is an OSError
            continue
        _LOCKS.append(lock)
        break
    else:
        number = os.getpid() % count
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def choose_card(device: str) -> torch.device:
    """The CUDA device of a configuration's ``device``; ``auto`` and ``cuda`` take the first.

    Raises
    ------
    ValueError
        When the device is not a CUDA device of this machine; the message lists the available devices.
    """
    there = available_devices()
    name = there[0] if device == "auto" else device
    if name not in there or not name.startswith("cuda"):
        raise ValueError(f"device: {device!r}; this step needs a CUDA device; this machine has: {', '.join(there)}")
    return choose_device("cuda:0" if name == "cuda" else name)


def wait_for(device: torch.device) -> None:
    """Wait until a device has computed everything; calls of a CUDA device return earlier, so times need this."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def use_threads(threads: int) -> None:
    """Use this number of CPU threads, deterministic algorithms, and an allocator that keeps freed memory.

    glibc returns large freed blocks to the kernel, so each step of a synthesis would cause page faults for its
    activations again: a fifth of the time, measured on EfficientNet-Lite0 with batches of 8.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        # mallopt returns 0 if it refuses; the threshold would then stay at 128 KB, because setting the other fixes it.
        if not libc.mallopt(M_MMAP_THRESHOLD, 2**30):
            libc.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_LIMIT)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
    torch.set_num_threads(threads)
    # use_deterministic_algorithms would also import PyTorch's compiler, which takes most of a second.
    torch.set_deterministic_debug_mode("warn")
    # Deterministic mode fills new memory in case it is read before it is written, which does not happen here.
    torch.utils.deterministic.fill_uninitialized_memory = False
