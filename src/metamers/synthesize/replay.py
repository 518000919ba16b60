"""Replay: the gradient of a step as a CUDA graph, recorded once and launched as a whole.

A card computes the kernels of a small batch faster than the host launches them one by one. This module says only how
equal computations are repeated; it has no numbers of its own (PyTorch's documentation, "CUDA Graphs").
"""

import logging
from collections.abc import Callable, Hashable, Sequence

import torch

logger = logging.getLogger("metamers")

# Equal computations before one is recorded: libraries choose kernels in the first ones, and in a synthesis to a target
# a batch of many stimuli changes after few steps.
EAGER = 5

# Computes the losses (stimulus,) of leaves, detached, and their gradients, in ``grad``, which is None before.
Compute = Callable[[], torch.Tensor]


class Replay:
    """Losses and gradients of leaves; on a card, from the step after ``EAGER`` equal ones on, by a CUDA graph.

    A computation that CUDA cannot record, for example of a network that asks the card for a value, is repeated without
    a graph. On other devices it always is.
    """

    def __init__(self) -> None:
        self._key: Hashable = None
        self._equal = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._found: tuple[torch.Tensor, list[torch.Tensor | None]] | None = None
        self._can_record = True

    def __call__(self, leaves: Sequence[torch.Tensor], key: Hashable, compute: Compute) -> torch.Tensor:
        """Compute losses, and gradients in the leaves' ``grad``.

        Parameters
        ----------
        leaves
            Tensors that require a gradient. The values that they have at this call count.
        key
            Equal for equal computations on the same tensors; None: the computation is never recorded.
        compute
            Computes both.

        Returns
        -------
        torch.Tensor
            Losses (stimulus,).
        """
        if key != self._key:
            self._key, self._equal, self._graph, self._found = key, 0, None, None
        self._equal += 1
        recordable = self._can_record and key is not None and leaves[0].device.type == "cuda"
        if recordable and self._graph is None and self._equal > EAGER:
            self._record(leaves, compute)
        if self._graph is None or self._found is None:
            for leaf in leaves:
                leaf.grad = None
            return compute()
        losses, gradients = self._found
        self._graph.replay()
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf.grad = gradient
        return losses.clone()

    def _record(self, leaves: Sequence[torch.Tensor], compute: Compute) -> None:
        for leaf in leaves:
            leaf.grad = None  # so that it is made in the graph's own memory
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                losses = compute()
        except RuntimeError as error:  # also lack of memory; without a graph it has sufficed
            self._can_record = False
            reason = next(iter(str(error).splitlines()), "")
            logger.warning("steps are computed without a CUDA graph: %s", reason)
        else:
            self._graph, self._found = graph, (losses, [leaf.grad for leaf in leaves])
