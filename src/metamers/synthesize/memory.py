"""How many stimuli are optimized together: limited by a GPU's free memory or a CPU's caches."""

import torch

from metamers.models.batches import CPU_BATCH_SIZE, FREE_SHARE
from metamers.models.model import Model
from metamers.synthesize.losses import normalized_error

OVERHEAD = 1.5  # peak memory of a step, relative to what is kept for its gradients: also gradients and workspaces


def kept_for_gradients(model: Model, stage: str, stimuli: torch.Tensor) -> float:
    """Bytes per stimulus that a step keeps for the gradient: the activations up to the stage.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    stimuli
        (stimulus, …signal).

    Examples
    --------
    A ReLU keeps its output: here four values of four bytes.

    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.memory import kept_for_gradients
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU())
    >>> rectified = Model("rectified", "vision", torch.nn.Identity(), network, {"pixels": "scores"})
    >>> stimuli = torch.ones(1, 1, 2, 2)
    >>> kept_for_gradients(rectified, "pixels", stimuli) - kept_for_gradients(model, "pixels", stimuli)
    16.0
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

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.memory import max_batch_size
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> max_batch_size(model, "pixels", torch.ones(1, 1, 2, 2))  # on a CPU
    4
    """
    if stimulus.device.type != "cuda":
        return CPU_BATCH_SIZE
    kept = kept_for_gradients(model, stage, stimulus)
    torch.cuda.empty_cache()  # what PyTorch keeps of earlier batches would not count as free
    free, _ = torch.cuda.mem_get_info(stimulus.device)
    return max(1, int(FREE_SHARE * free / (OVERHEAD * kept)))
