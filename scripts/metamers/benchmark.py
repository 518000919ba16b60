"""What the workflow's own algorithms are measured against: plain implementations, and how time and memory are taken."""

import ctypes
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from metamers.cochleagram import ENVELOPE_RATE_HZ
from metamers.models import Model, build_network, published_weights, start_of
from metamers.names import INPUT_STAGE
from metamers.preprocessing import PREPROCESSING
from metamers.synthesize import normalized_error

MATRIX = 2048  # rows of the matrices whose product stands for the fastest that a machine computes


class WholeModel(Model):
    """A model that runs its whole network for any stage, as the study's program does (not verified)."""

    def _run_to(self, stage: str, stimuli: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():  # where calls of a ReLU are counted, those beyond the stage must not be
            return super()._run_to(stage, stimuli)
        reached: list[torch.Tensor] = []
        # A copy, as what follows may work in place.
        keep = self.module_at(self.stages[stage]["module"], stage).register_forward_hook(
            lambda _module, _inputs, output: reached.append(output.clone())
        )
        try:
            self.scores(stimuli)
        finally:
            keep.remove()
        return reached[0]


def at_full_rate(given: Mapping[str, Any]) -> dict[str, Any]:
    """The ``input`` of a registry entry, with its cochleagram, if it has one, computed at the full rate.

    Where the envelope rate does not divide the sampling rate, which the full rate needs, it stays as it is.
    """
    if "sampling_rate_hz" not in given:
        return dict(given)
    cochleagram = given.get("cochleagram", {})
    if given["sampling_rate_hz"] % cochleagram.get("envelope_rate_hz", ENVELOPE_RATE_HZ):
        return dict(given)
    return {**given, "cochleagram": {**cochleagram, "rate": "full"}}


def plain_model(
    name: str, entry: Mapping[str, Any], weights_file: str | Path | None, kind: type[Model] = Model
) -> Model:
    """A model of the registry without what this workflow does to make it fast, on the CPU.

    Batch normalizations are not folded, memory is not laid out with channels last, and cochleagrams are computed at the
    full rate.

    Raises
    ------
    ValueError, FileNotFoundError
        As ``metamers.models.load_model``.
    """
    network = build_network(name, entry, entry["weights"].get("random", 0))
    if weights_file is not None:
        network.load_state_dict(published_weights(name, entry, weights_file, network), strict=False)
    preprocessing = PREPROCESSING[entry["modality"]](**at_full_rate(entry["input"]))
    return kind(name, entry["modality"], preprocessing, network, entry["stages"], start_of(entry))


def alternating(repeats: int, **jobs: Callable[[], object]) -> Mapping[str, np.ndarray]:
    """Seconds that each job takes, (repeat,), after one untimed run of each.

    Jobs take turns, so that whatever else the machine does meets all of them.
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
    """What ``measure`` gives in a process of its own; None where it fails or the process does not survive it.

    The process is a copy of this one: call this before this one has computed anything, gradients above all, which
    PyTorch may then refuse to the copy.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)

    def report() -> None:
        # The copy has none of this process's threads: a pool of more than one would be waited for without end.
        torch.set_num_threads(1)
        with suppress(RuntimeError, ValueError):
            sending.send(measure())

    _give_back()  # or the copy would be charged with what was computed before
    process = context.Process(target=report)
    process.start()
    sending.close()
    found = None
    with suppress(EOFError):
        found = receiving.recv()
    process.join()
    return found


def most_memory() -> float:
    """Most resident memory of this process in its life, in MB (10^6 bytes); NaN where Linux is not."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


def _give_back() -> None:
    """Give freed memory, which ``metamers.models.use_threads`` keeps, back to the system, where that is glibc."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def operations_of_step(model: Model, stage: str, stimuli: torch.Tensor) -> float:
    """Floating-point operations of one step of synthesis for one stimulus: products of matrices and convolutions.

    Forward and backward, no further than the stage; a multiplication and an addition are two. Fourier transforms and
    what is done element by element are not counted.

    Parameters
    ----------
    stimuli
        (stimulus, …signal).
    """
    if stage == INPUT_STAGE:
        return 0.0
    with torch.no_grad():
        target = model(stimuli, stage)
    metamers = (stimuli + 0.01).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        normalized_error(target, model(metamers, stage)).sum().backward()
    return counter.get_total_flops() / len(stimuli)


def peak_rate(seconds: float) -> float:
    """Operations per second of a product of two ``MATRIX`` × ``MATRIX`` matrices that takes so long."""
    return 2 * MATRIX**3 / seconds


def processor() -> str:
    """What the CPU calls itself, with its number of cores that this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores"
