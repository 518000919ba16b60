"""How many stimuli are optimized at once: what fits a GPU's free memory, or, on a CPU, its caches.

A metamer does not depend on who else is in its batch, so this is a matter of time and memory alone.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from metamers.models import Model
from metamers.synthesize import normalized_error

logger = logging.getLogger("metamers")

Result = TypeVar("Result")

# On CPUs a stimulus takes the same time in any batch, as long as activations do not outgrow the last cache: measured on
# EfficientNet-Lite and CochCNN9.
ON_CPU = 4
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


def in_batches(count: int, size: int, work: Callable[[slice], Result]) -> Iterator[Result]:
    """Do ``work`` on slices of ``count`` things, ``size`` at a time, and half as many whenever memory does not suffice.

    Raises
    ------
    torch.OutOfMemoryError
        When it does not suffice for one.
    """
    start = 0
    while start < count:
        try:
            result = work(slice(start, min(start + size, count)))
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
        start += size
