"""Low precision: a network computed in bfloat16 where the device does so natively, for steps that need no more.

bfloat16 has the range of float32 and 8 of its 24 significant bits. The direction of a step bears that; what is measured
in the end (match, recognition) is always computed in float32. Preprocessing stays in float32.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from metamers.models import Model

# Normalized error between activations in bfloat16 and in float32 above which a stage is left alone. Deep stages of
# EfficientNet-Lite have 0.03, their metamers 0.1 and more.
LARGEST_ERROR = 0.1


def native_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies matrices in bfloat16 itself, rather than through float32.

    A CPU with AVX512-BF16 or AMX; a CUDA device of compute capability 8.0 or more.
    """
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def _in_float32(convolve: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(inputs.device.type, enabled=False):
            return convolve(inputs.float()).to(inputs.dtype)

    return forward


@contextmanager
def low_precision(model: Model) -> Iterator[None]:
    """Compute a model's network in bfloat16; activations come out as float32 or bfloat16.

    On a CPU the gradient of a strided depthwise convolution takes six to sixty times as long in bfloat16 as in float32
    (oneDNN 3.10, measured), so these stay in float32.
    """
    device = next(model.preprocessing.buffers()).device.type
    kept = [model.preprocessing]
    if device == "cpu":
        convolutions = (module for module in model.network.modules() if isinstance(module, nn.Conv2d))
        kept += [one for one in convolutions if one.groups == one.in_channels > 1 and one.stride != (1, 1)]
    for module in kept:
        module.forward = _in_float32(module.forward)
    try:
        with torch.autocast(device, dtype=torch.bfloat16):
            yield
    finally:
        for module in kept:
            del module.forward


@torch.no_grad()
def bears_low_precision(model: Model, stage: str) -> bool:
    """Whether a model gives nearly the same at a stage in bfloat16, on a device for which that is native.

    Asked of one random stimulus that is always the same, so that the answer does not depend on who else is in a batch.
    """
    device = next(model.preprocessing.buffers()).device
    if not native_bfloat16(device):
        return False
    example = model.preprocessing.example().to(device)
    exact = model(example, stage)
    given = example.clone().requires_grad_()
    try:
        with torch.enable_grad():
            with low_precision(model):
                low = model(given, stage).float()
            torch.autograd.grad(low.sum(), given)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:  # an operation that bfloat16 does not have, forward or backward
        return False
    return bool(torch.linalg.vector_norm(low.detach() - exact) <= LARGEST_ERROR * torch.linalg.vector_norm(exact))
