"""Batches: how many stimuli are computed together, and passes without gradients, in batches.

On a CPU, a metamer does not depend on its batch's other members, on its position or on the size of the batch, if the
size is at least ``MIN_CPU_BATCH_SIZE`` (measured: docs/promises.md). So the size affects time and memory only.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch

logger = logging.getLogger("metamers")

Result = TypeVar("Result")

# On CPUs, the time of a stimulus is about the same in larger batches while activations fit into the last-level cache
# (measured on EfficientNet-Lite and CochCNN9). In smaller batches, fewer stimuli share the fixed cost of each step.
CPU_BATCH_SIZE = 4
# CPU libraries use other kernels for few stimuli: for one or two on Intel's processors, for up to three on AMD's.
# Results differ in the last bit, and so do the metamers after many steps.
MIN_CPU_BATCH_SIZE = 4
# Of passes without gradients.
CPU_FORWARD_BATCH_SIZE = 8
# Memory limits a batch earlier for most networks, and a card has enough to do with this many (not measured on a card).
MAX_FORWARD_BATCH_SIZE = 512
MAX_RESULTS = 2**28  # bytes of the results of such a batch, which the host's memory holds
FREE_SHARE = 0.8  # of a card's free memory; other jobs and fragments need the rest
# Size of every batch of a synthesis to a target on a CPU, so that all use the same kernels. Stimuli end one by one, and
# the last ones are repeated to fill their batch: 1.3 times the work in batches of four (measured), 2.8 times where one
# stimulus missed its target.
CPU_BATCH_SIZE_TO_TARGET = 2


def forward_batch_size(work: Callable[[torch.Tensor], torch.Tensor], stimuli: torch.Tensor) -> int:
    """How many stimuli a pass without gradients computes at once.

    On a card, as many as its free memory holds, from the memory that one stimulus takes, and at most so many that their
    results take ``MAX_RESULTS`` bytes.

    Parameters
    ----------
    work
        The pass, from stimuli (stimulus, …) to activations or scores.
    stimuli
        All stimuli, on the device.
    """
    device = stimuli.device
    if device.type != "cuda":
        return CPU_FORWARD_BATCH_SIZE
    with torch.no_grad():
        values = work(stimuli[:1]).numel()  # in the first pass, libraries also take memory of their own
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work(stimuli[:1])
    taken = torch.cuda.max_memory_allocated(device) - before
    torch.cuda.empty_cache()  # what PyTorch keeps of earlier batches would not count as free
    free, _ = torch.cuda.mem_get_info(device)
    fitting = int(min(FREE_SHARE * free / max(1, taken), MAX_RESULTS / (4 * values)))
    return min(max(1, fitting), MAX_FORWARD_BATCH_SIZE)


@torch.no_grad()
def forward(
    work: Callable[[torch.Tensor], torch.Tensor], stimuli: torch.Tensor, max_batch_size: int | None = None
) -> np.ndarray:
    """Results of a pass without gradients, (stimulus, …) in float32, computed in batches.

    Parameters
    ----------
    work
        The pass, from stimuli to activations or scores.
    stimuli
        (stimulus, …), on the device.
    max_batch_size
        Number of stimuli in a batch, halved whenever memory does not suffice; None: all if they are few, else as
        ``forward_batch_size``.

    Raises
    ------
    ValueError
        When there is no stimulus.
    """
    if not len(stimuli):
        raise ValueError("found no stimuli; wanted one at least")
    size = max_batch_size or CPU_FORWARD_BATCH_SIZE
    if max_batch_size is None and len(stimuli) > CPU_FORWARD_BATCH_SIZE:
        size = forward_batch_size(work, stimuli)
    parts = in_batches(len(stimuli), size, lambda part: work(stimuli[part]).float().cpu().numpy())
    return np.concatenate(list(parts))


def min_batch_size(device: torch.device) -> int:
    """The smallest batch size; 1 on a GPU, where memory may hold no more and results are not equal to the bit."""
    return MIN_CPU_BATCH_SIZE if device.type == "cpu" else 1


def repeat_to_minimum(part: slice, least: int) -> list[int]:
    """Indices of the stimuli in a batch, repeated in turn if there are fewer than ``least``."""
    places = list(range(part.start, part.stop))
    return places + [places[number % len(places)] for number in range(least - len(places))]


def in_batches(count: int, size: int, work: Callable[[slice], Result], least: int = 1) -> Iterator[Result]:
    """Apply ``work`` to consecutive slices, and halve their size whenever memory does not suffice.

    Parameters
    ----------
    count
        Number of items, from 0.
    size
        Length of the slices.
    work
        From a slice to a result.
    least
        Minimum length: a shorter rest is added to the last slice.

    Yields
    ------
    Result
        The result of each slice.

    Raises
    ------
    torch.OutOfMemoryError
        When memory does not suffice for one item.
    """
    start = 0
    while start < count:
        stop = start + size if count - start - size >= least else count
        try:
            result = work(slice(start, stop))
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            result = None
        if result is None:  # outside the handler, which keeps references to the tensors that did not fit
            torch.cuda.empty_cache()
            size //= 2
            logger.warning("out of memory: going on with %d at once", size)
            continue
        yield result
        start = stop
