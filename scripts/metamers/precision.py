"""Low precision: a network computed in bfloat16 where the device does so natively, for steps that need no more.

bfloat16 has the range of float32 and 8 of its 24 significant bits. The direction of a step bears that; what is measured
in the end (match, recognition) is always computed in float32. Preprocessing stays in float32.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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


class _GradientInFloat32(torch.autograd.Function):
    """A convolution whose weights have no gradient, in the precision of its inputs but for their gradient."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, convolution: nn.Conv2d) -> torch.Tensor:
        ctx.convolution, ctx.shape, ctx.dtype = convolution, inputs.shape, inputs.dtype
        bias = None if convolution.bias is None else convolution.bias.to(inputs.dtype)
        return convolution._conv_forward(inputs, convolution.weight.to(inputs.dtype), bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        convolution = ctx.convolution
        geometry = (convolution.stride, convolution.padding, convolution.dilation, False, (0, 0), convolution.groups)
        # Of the inputs only shape and layout are used; torch.nn.grad.conv2d_input has them in the slower layout.
        inputs = torch.empty(ctx.shape, memory_format=torch.channels_last)
        given, _, _ = torch.ops.aten.convolution_backward(
            gradient.float(), inputs, convolution.weight, None, *geometry, (True, False, False)
        )
        return given.to(ctx.dtype), None


def _slow_gradient(module: nn.Module) -> bool:
    """Whether a module's gradient is slow in bfloat16 on a CPU: a strided depthwise convolution."""
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 and module.stride != (1, 1)


def _in_float32(module: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """A module's ``forward`` in float32, or, where that suffices, with its gradient in float32."""
    forward = module.forward

    def all_of_it(inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(inputs.device.type, enabled=False):
            return forward(inputs.float()).to(inputs.dtype)

    def gradient(inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(inputs.device.type, enabled=False):
            return _GradientInFloat32.apply(inputs, module)

    plain = type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return gradient if plain and not module.weight.requires_grad else all_of_it


@contextmanager
def low_precision(model: Model) -> Iterator[None]:
    """Compute a model's network in bfloat16; activations come out as float32 or bfloat16.

    On a CPU the gradient of a strided depthwise convolution takes six to sixty times as long in bfloat16 as in float32
    (oneDNN 3.10, measured), so these gradients stay in float32.
    """
    device = next(model.preprocessing.buffers()).device.type
    kept = [model.preprocessing]
    if device == "cpu":
        kept += filter(_slow_gradient, model.network.modules())
    for module in kept:
        module.forward = _in_float32(module)
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
