"""The graph of differentiable operations that computed a tensor: its layers, and the tensors on all of its paths."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

# Names of autograd nodes. A convolution by Fourier transforms is counted at its last step, the inverse transform.
LAYERS = ("Convolution", "Addmm", "Mm", "Bmm", "Baddbmm", "Mv", "FftC2R")
FLAT = ("Round", "Floor", "Ceil", "Trunc", "Sign", "Sgn")  # whose derivative is 0


@contextmanager
def unfused_attention() -> Iterator[None]:
    """Compute attention by separate matrix products.

    Its fused implementations would hide them from the graph, and have no derivative in a direction.
    """
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def layers_before(output: torch.Tensor) -> dict[Any, int]:
    """Count the layers on the longest path to each operation that a tensor depends on.

    A layer is a convolution or a matrix product.

    Returns
    -------
    dict
        Operation (autograd node) → number of layers, this one included. Each operation comes after those that it
        depends on; the last one made the tensor. Empty for a tensor without gradient.
    """
    layers: dict[Any, int] = {}
    waiting = [] if output.grad_fn is None else [output.grad_fn]
    while waiting:
        node = waiting[-1]
        before = [step for step, _ in node.next_functions if step is not None]
        if missing := [step for step in before if step not in layers]:
            waiting += missing
            continue
        layers[node] = node.name().startswith(LAYERS) + max((layers[step] for step in before), default=0)
        waiting.pop()
    return layers


def with_gradient(operations: dict[Any, int]) -> dict[Any, int]:
    """Keep the operations from which a gradient reaches the input: none passes rounding or a sign.

    Parameters
    ----------
    operations
        The result of ``layers_before``.
    """
    kept: dict[Any, int] = {}
    for node, layers in operations.items():
        before = [step for step, _ in node.next_functions if step is not None]
        if not node.name().startswith(FLAT) and (not before or any(step in kept for step in before)):
            kept[node] = layers
    return kept


def bottlenecks(operations: dict[Any, int]) -> set[tuple[Any, int]]:
    """The results of operations that every path from the input to the output passes.

    In any order in which each operation comes after those that it depends on, an operation is on all paths if and only
    if no operation before it is used by one after it.

    Parameters
    ----------
    operations
        The result of ``layers_before`` or ``with_gradient``, for a tensor that depends on one input only.

    Returns
    -------
    set
        (operation, number of its result).
    """
    place = {node: number for number, node in enumerate(operations)}
    last_use: dict[Any, int] = {}
    results: dict[Any, set[int]] = {}
    for node, number in place.items():
        for before, result in node.next_functions:
            if before is not None:
                last_use[before] = number
                results.setdefault(before, set()).add(result)
    narrow, reach = set(), 0
    for node, number in place.items():
        used = results.get(node, {0})
        if reach <= number and len(used) == 1:
            narrow.add((node, *used))
        reach = max(reach, last_use.get(node, number))
    return narrow
