"""Replay: loss and gradient of a step as a CUDA graph, which is recorded once and launched as a whole.

A card computes the kernels of a small batch faster than the host launches them one by one. This module only repeats
equal computations (PyTorch's documentation, "CUDA Graphs").
"""

import logging
from collections.abc import Callable, Hashable, Sequence

import torch

logger = logging.getLogger("metamers")

EAGER = 5  # equal computations before one is recorded; libraries choose their kernels in the first ones
AGREEMENT = 1e-2  # largest relative difference of losses between a computation and its graph

# Computes losses of leaves, detached, and their gradients, in ``grad``, which is None before.
Compute = Callable[[], torch.Tensor]

_allowed = True


def allow_graphs(allowed: bool) -> None:
    """Let this process use CUDA graphs, or not.

    Examples
    --------
    >>> from metamers.synthesize.replay import allow_graphs
    >>> allow_graphs(False)  # each step is launched kernel by kernel, on a card too
    >>> allow_graphs(True)
    """
    global _allowed  # noqa: PLW0603 (a setting of the process, as PyTorch's own)
    _allowed = allowed


class Replay:
    """Losses and gradients of leaves; on a card, after some equal computations, by a CUDA graph.

    A computation that waits for the card, for example because the network asks for a value, cannot be recorded. The
    graph of a computation that changes without its tensors would repeat other losses. Both are computed without a
    graph. Other devices have no graphs.

    Parameters
    ----------
    eager
        Number of equal computations before one is recorded.
    """

    def __init__(self, eager: int = EAGER) -> None:
        self._eager = eager
        self._can_record = True
        self.forget()

    def forget(self, key: Hashable = None) -> None:
        """Record anew: the next computation is on other tensors, or of another kind."""
        self._key, self._equal = key, 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._losses = torch.empty(0)
        self._gradients: list[torch.Tensor | None] = []

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
            The losses.

        Raises
        ------
        RuntimeError
            When CUDA cannot record a computation that does not wait for the card.
        """
        if key != self._key:
            self.forget(key)
        if self._graph is not None:
            self._graph.replay()
            for leaf, gradient in zip(leaves, self._gradients, strict=True):
                leaf.grad = gradient
            return self._losses.clone()
        self._equal += 1
        may_record = _allowed and self._can_record and key is not None and leaves[0].device.type == "cuda"
        if may_record and self._equal > self._eager:
            return self._recorded(leaves, compute)
        return _computed(leaves, compute)

    def _recorded(self, leaves: Sequence[torch.Tensor], compute: Compute) -> torch.Tensor:
        """The losses of a computation, which is recorded if that is possible."""
        torch.cuda.set_sync_debug_mode("error")
        try:
            losses = _computed(leaves, compute)
        except RuntimeError as error:
            torch.cuda.set_sync_debug_mode("default")
            if isinstance(error, torch.OutOfMemoryError):
                raise
            self._refuse(next(iter(str(error).splitlines()), ""))
            return _computed(leaves, compute)
        torch.cuda.set_sync_debug_mode("default")
        gradients = [leaf.grad for leaf in leaves]
        self._record(leaves, compute)
        again = self(leaves, self._key, compute)
        if not torch.allclose(again, losses, rtol=AGREEMENT, equal_nan=True):
            self._refuse(f"its losses are {again.tolist()} instead of {losses.tolist()}")
            for leaf, gradient in zip(leaves, gradients, strict=True):
                leaf.grad = gradient
        return losses

    def _record(self, leaves: Sequence[torch.Tensor], compute: Compute) -> None:
        device, graph = leaves[0].device, torch.cuda.CUDAGraph()
        try:
            # A stream of the leaves' card: PyTorch's own is of the card that was the current one at its first use.
            with torch.cuda.device(device), torch.cuda.graph(graph, stream=torch.cuda.Stream(device)):
                losses = _computed(leaves, compute)
        except RuntimeError as error:
            raise RuntimeError(f"cannot record a step as a CUDA graph; set cuda_graphs: false ({error})") from error
        self._graph, self._losses = graph, losses
        self._gradients = [leaf.grad for leaf in leaves]

    def _refuse(self, reason: str) -> None:
        self._can_record = False
        self.forget(self._key)
        logger.warning("steps are computed without a CUDA graph: %s", reason)


def _computed(leaves: Sequence[torch.Tensor], compute: Compute) -> torch.Tensor:
    for leaf in leaves:
        leaf.grad = None  # in a graph, gradients are then made in its own memory
    return compute()
