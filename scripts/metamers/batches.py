"""How many stimuli are optimized at once: what fits a GPU's free memory, or, on a CPU, its caches.

On a CPU a metamer does not depend on the other members of its batch, on its place in it, or on the size of the batch,
as long as there are ``LEAST_ON_CPU`` (measured: docs/promises.md). So the size is a matter of time and memory.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from metamers.models import Model
from metamers.synthesize import normalized_error

logger = logging.getLogger("metamers")

Result = TypeVar("Result")

# On CPUs a stimulus takes about as long in larger batches, as long as activations do not outgrow the last cache
# (measured on EfficientNet-Lite and CochCNN9). In smaller ones fewer share the fixed cost of each step.
ON_CPU = 4
# CPU libraries compute one or two stimuli by other kernels than three or more. These differ in the last bit, and after
# many steps the metamers differ.
LEAST_ON_CPU = 3
FREE_SHARE = 0.8  # of the free memory of a GPU, which other jobs and fragments need the rest of
OVERHEAD = 1.5  # most memory of a step, of what is kept for its gradients: those, and what convolutions work in


def kept_for_gradients(model: Model, stage: str, stimuli: torch.Tensor) -> float:
    """Bytes that a step keeps of each stimulus until its gradient is computed: the activations up to the stage.

    Parameters
    ----------
    model, stage
        Where.
    stimuli
        (stimulus, …signal).
    """
    weights = {weight.untyped_storage().data_ptr() for weight in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # as it is, it would refer to itself

    target = torch.zeros_like(model(stimuli, stage).detach()) + 1
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        normalized_error(target, model(stimuli.clone().requires_grad_(), stage)).sum().backward()
    return sum(kept.values()) / len(stimuli)


def at_once(model: Model, stage: str, stimulus: torch.Tensor) -> int:
    """How many stimuli to optimize at once, at least 1.

    Parameters
    ----------
    model, stage
        Where.
    stimulus
        One of them, (1, …signal), on the device that computes.
    """
    if stimulus.device.type != "cuda":
        return ON_CPU
    free, _ = torch.cuda.mem_get_info(stimulus.device)
    return max(1, int(FREE_SHARE * free / (OVERHEAD * kept_for_gradients(model, stage, stimulus))))


def min_batch_size(device: torch.device) -> int:
    """The smallest batch of metamers; on a GPU, where bits are not promised, one, because memory may hold no more."""
    return LEAST_ON_CPU if device.type == "cpu" else 1


def repeat_to_minimum(part: slice, least: int) -> list[int]:
    """Places of the stimuli in a batch; where they are fewer than ``least``, all of them are repeated."""
    places = list(range(part.start, part.stop))
    return places * -(-least // len(places))


def in_batches(count: int, size: int, work: Callable[[slice], Result], least: int = 1) -> Iterator[Result]:
    """Do ``work`` on slices of ``count`` things, ``size`` at a time, and half as many whenever memory does not suffice.

    Fewer than ``least`` that would be left for the last slice join the one before.

    Raises
    ------
    torch.OutOfMemoryError
        When it does not suffice for one.
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
        if result is None:  # out of the handler, which holds on to what did not fit
            torch.cuda.empty_cache()
            size //= 2
            logger.warning("out of memory: going on with %d at once", size)
            continue
        yield result
        start = stop
