"""Folding: networks rewritten to compute the same function in less time.

With running statistics, a batch normalization is a fixed scaling of each channel, so it can be folded into the weights
of the convolution: a third less time for each step. TensorFlow's 'same' padding, with unequal amounts on two sides,
copies the input, forward and backward. A kernel with one additional row and column of zeros needs equal padding on both
sides only, which the convolution does itself. A run of the network shows which modules follow each other, and their
sizes. The caller checks that the function is the same (``metamers.models.load.folded``).

On a CPU, PyTorch computes 1 × 1 convolutions of fewer than 16 images on one thread without oneDNN, which takes longer.
"""

import copy
from collections import Counter, OrderedDict
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.utils import fuse_conv_bn_weights

# timm's module, by name, so that timm need not be imported.
PADDED_SAME = "timm.layers.conv2d_same"


def _pairs(network: nn.Module, run: Callable[[nn.Module], object]) -> list[tuple[nn.Module, nn.Module]]:
    """Convolutions and the batch normalizations that take their output, each used once in a run."""
    made_by: dict[int, tuple[nn.Module, torch.Tensor]] = {}
    calls: Counter[nn.Module] = Counter()
    pairs = []

    def after_convolution(module: nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        calls[module] += 1
        made_by[id(output)] = module, output  # kept, so that no later tensor gets the same id

    def before_normalization(module: nn.Module, inputs: tuple) -> None:
        calls[module] += 1
        if (made := made_by.get(id(inputs[0]))) is not None:
            pairs.append((made[0], module))

    hooks = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(after_convolution))
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            hooks.append(module.register_forward_pre_hook(before_normalization))
    try:
        run(network)
    finally:
        for hook in hooks:
            hook.remove()
    return [pair for pair in pairs if all(calls[module] == 1 for module in pair)]


@torch.no_grad()
def fold_batch_norms(network: nn.Module, run: Callable[[nn.Module], object]) -> nn.Module:
    """A copy of a network in evaluation mode, with batch normalizations folded into convolutions.

    Parameters
    ----------
    network
        In evaluation mode; it is not changed.
    run
        Runs a network once on any input.

    Returns
    -------
    torch.nn.Module
        The copy. In place of a folded normalization are its child modules, if it has any, under their names (timm's
        carries the activation that follows). It differs from ``network`` where something else than the normalization
        took a convolution's output.
    """
    network = copy.deepcopy(network)
    names = {module: name for name, module in network.named_modules()}
    for convolution, norm in _pairs(network, run):
        scale = torch.ones_like(norm.running_mean) if norm.weight is None else norm.weight
        shift = torch.zeros_like(norm.running_mean) if norm.bias is None else norm.bias
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.eps, scale, shift
        )
        network.set_submodule(names[norm], nn.Sequential(OrderedDict(norm.named_children())))
    return network.requires_grad_(False)


def _padded_inside(convolution: nn.Conv2d, size: tuple[int, int]) -> nn.Conv2d | None:
    """The same for inputs of ``size`` (row, column), padded as much on each side; None where that cannot be."""
    geometry = zip(size, convolution.kernel_size, convolution.stride, convolution.dilation, strict=True)
    missing = [
        max((-(-n // stride) - 1) * stride + (kernel - 1) * dilation + 1 - n, 0)
        for n, kernel, stride, dilation in geometry
    ]
    zeros = [total % 2 for total in missing]
    if any(zeros) and convolution.dilation != (1, 1):
        return None
    padding = [total // 2 + zero for total, zero in zip(missing, zeros, strict=True)]
    weight = nn.functional.pad(convolution.weight, (zeros[1], 0, zeros[0], 0))
    same = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        weight.shape[2:],
        convolution.stride,
        padding,
        convolution.dilation,
        convolution.groups,
        bias=convolution.bias is not None,
        device="meta",
    )
    same.weight, same.bias = nn.Parameter(weight), convolution.bias
    return same


@torch.no_grad()
def pad_inside(network: nn.Module, run: Callable[[nn.Module], object]) -> nn.Module:
    """Let depthwise convolutions of a network, which is changed, pad their inputs themselves, equally on both sides.

    Others gain nothing: a row of zeros more costs them what it saves.

    Parameters
    ----------
    network
        In evaluation mode.
    run
        Runs a network once on an input of the only size that it will be given.

    Returns
    -------
    torch.nn.Module
        ``network``.
    """
    sizes: dict[nn.Module, set[tuple[int, int]]] = {}
    padded = {
        name: module
        for name, module in network.named_modules()
        if type(module).__module__ == PADDED_SAME and module.groups == module.in_channels == module.out_channels
    }
    hooks = [
        module.register_forward_pre_hook(
            lambda module, inputs: sizes.setdefault(module, set()).add(tuple(inputs[0].shape[-2:]))
        )
        for module in padded.values()
    ]
    try:
        if padded:
            run(network)
    finally:
        for hook in hooks:
            hook.remove()
    for name, module in padded.items():
        if len(seen := sizes.get(module, ())) == 1 and (same := _padded_inside(module, *seen)) is not None:
            network.set_submodule(name, same)
    return network.requires_grad_(False)


def dilate_points(network: nn.Module) -> None:
    """Give 1 × 1 convolutions of a network, which is changed, a dilation, so that oneDNN computes them.

    A kernel of one point is the same with any dilation. But PyTorch (``ConvParams::use_mkldnn``) leaves undilated 1 × 1
    convolutions of fewer than 16 images on one thread to another implementation. With oneDNN, a step of
    EfficientNet-Lite0 with six images is 1.04 to 1.11 times as fast in float32 (five stages; one core of an AMD EPYC
    that was limited to AVX2).

    Parameters
    ----------
    network
        Its convolutions of images or cochleagrams are changed in place; their weights stay as they are.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == module.stride == (1, 1):
            module.dilation = (2, 2)
