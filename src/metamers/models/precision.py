"""Low precision: networks in bfloat16 or TF32, on devices that compute these natively.

bfloat16 has the range of float32 and 8 of its 24 significant bits. TF32 has 11, only in products of matrices and
convolutions of CUDA devices, whose results are float32. The first steps of a synthesis may use either
(``metamers.synthesize.drafts``), and training uses bfloat16.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

LOW_PRECISION_FORMATS = BFLOAT16, TF32 = "bfloat16", "tf32"


def native_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies matrices in bfloat16 natively.

    True for a CPU with AVX512-BF16 or AMX, and a CUDA device of compute capability 8.0 or higher. On a CPU, oneDNN must
    also be allowed to use these instructions; ``ONEDNN_MAX_CPU_ISA=AVX2`` in the environment forbids them.
    """
    if device.type == "cpu":
        has_instructions = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return has_instructions and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def native(device: torch.device, number_format: str) -> bool:
    """Whether a device computes ``bfloat16`` or ``tf32`` natively; CUDA devices have both or neither."""
    return native_bfloat16(device) and (number_format == BFLOAT16 or device.type == "cuda")


@contextmanager
def tf32(allowed: bool = True) -> Iterator[None]:
    """Compute products of matrices and convolutions on CUDA in TF32, or in float32, within the context."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


class _GradientInFloat32(torch.autograd.Function):
    """A convolution with constant weights, in the precision of its inputs, whose gradient is computed in float32."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, convolution: nn.Conv2d) -> torch.Tensor:
        ctx.convolution, ctx.shape, ctx.dtype = convolution, inputs.shape, inputs.dtype
        bias = None if convolution.bias is None else convolution.bias.to(inputs.dtype)
        return convolution._conv_forward(inputs, convolution.weight.to(inputs.dtype), bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        convolution = ctx.convolution
        geometry = (convolution.stride, convolution.padding, convolution.dilation, False, (0, 0), convolution.groups)
        # Only shape and layout of the inputs are used; torch.nn.grad.conv2d_input uses the slower layout.
        inputs = torch.empty(ctx.shape, memory_format=torch.channels_last)
        of_inputs, _, _ = torch.ops.aten.convolution_backward(
            gradient.float(), inputs, convolution.weight, None, *geometry, (True, False, False)
        )
        return of_inputs.to(ctx.dtype), None


def _slow_gradient(module: nn.Module) -> bool:
    """Whether a module's gradient is slow in bfloat16 on a CPU: that of a strided depthwise convolution is."""
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 and module.stride != (1, 1)


def _in_float32(module: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """A module's ``forward`` in float32; for a plain convolution, only the gradient in float32."""
    forward = module.forward

    def all_of_it(inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(inputs.device.type, enabled=False), tf32(allowed=False):
            return forward(inputs.float()).to(inputs.dtype)

    def gradient(inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(inputs.device.type, enabled=False):
            return _GradientInFloat32.apply(inputs, module)

    plain = type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)
    return gradient if plain and not module.weight.requires_grad else all_of_it


@contextmanager
def low_precision(
    network: nn.Module, device: torch.device, exact: Sequence[nn.Module] = (), number_format: str = BFLOAT16
) -> Iterator[None]:
    """Compute a network in ``bfloat16`` or ``tf32`` within the context, its parts ``exact`` in float32.

    Activations are float32 or bfloat16. On a CPU the gradient of a strided depthwise convolution takes six to sixty
    times as long in bfloat16 as in float32 (oneDNN 3.10, measured), so these gradients stay in float32. Gradients are
    in TF32 only if they are computed within ``tf32``, and then those of the parts ``exact``, too.
    """
    kept = [*exact]
    if device.type == "cpu" and number_format == BFLOAT16:
        kept += filter(_slow_gradient, network.modules())
    for module in kept:
        module.forward = _in_float32(module)
    try:
        with tf32() if number_format == TF32 else torch.autocast(device.type, dtype=torch.bfloat16):
            yield
    finally:
        for module in kept:
            del module.forward
