"""Batches: how many stimuli are optimized together, limited by a GPU's free memory or a CPU's caches.

On a CPU, a metamer does not depend on its batch's other members, on its position or on the size of the batch, if the
size is at least ``MIN_CPU_BATCH_SIZE`` (measured: docs/promises.md). So the size affects time and memory only.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from metamers.models.model import Model
from metamers.synthesize.losses import normalized_error

logger = logging.getLogger("metamers")

Result = TypeVar("Result")

# On CPUs, the time of a stimulus is about the same in larger batches while activations fit into the last-level cache
# (measured on EfficientNet-Lite and CochCNN9). In smaller batches, fewer stimuli share the fixed cost of each step.
CPU_BATCH_SIZE = 4
# CPU libraries use other kernels for few stimuli: for one or two on Intel's processors, for up to three on AMD's.
# Results differ in the last bit, and so do the metamers after many steps.
MIN_CPU_BATCH_SIZE = 4
FREE_SHARE = 0.8  # of a GPU's free memory; other jobs and fragments need the rest
OVERHEAD = 1.5  # peak memory of a step, relative to what is kept for its gradients: also gradients and workspaces


def kept_for_gradients(model: Model, stage: str, stimuli: torch.Tensor) -> float:
    """Bytes per stimulus that a step keeps for the gradient: the activations up to the stage.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    stimuli
        (stimulus, …signal).
    """
    weights = {weight.untyped_storage().data_ptr() for weight in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # the tensor itself would make a reference cycle

    target = torch.zeros_like(model(stimuli, stage).detach()) + 1
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        normalized_error(target, model(stimuli.clone().requires_grad_(), stage)).sum().backward()
    return sum(kept.values()) / len(stimuli)


def max_batch_size(model: Model, stage: str, stimulus: torch.Tensor) -> int:
    """The largest number of stimuli to optimize together, at least 1.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    stimulus
        One stimulus, (1, …signal), on the device of the synthesis.
    """
    if stimulus.device.type != "cuda":
        return CPU_BATCH_SIZE
    kept = kept_for_gradients(model, stage, stimulus)
    torch.cuda.empty_cache()  # what PyTorch keeps of earlier batches would not count as free
    free, _ = torch.cuda.mem_get_info(stimulus.device)
    return max(1, int(FREE_SHARE * free / (OVERHEAD * kept)))


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
