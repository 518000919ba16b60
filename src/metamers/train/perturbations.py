"""Perturbations: random and adversarial changes of training examples, the latter by projected gradient ascent.

They act on batches with the network's own labels, within a training step. Attacks on finished models, by category, are
in ``metamers.vulnerability``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Perturbation:
    """Settings of the perturbations that are added to the examples of a network.

    Attributes
    ----------
    kind
        ``adversarial`` or ``random``.
    norm
        ``l2``: Euclidean length; ``linf``: largest absolute value.
    size
        Largest norm of a perturbation.
    steps, step_size
        Number and size of the steps of projected gradient ascent, for ``adversarial``.
    """

    kind: str
    norm: str
    size: float
    steps: int = 1
    step_size: float | None = None


def _lengths(values: torch.Tensor) -> torch.Tensor:
    """Euclidean length of each member of a batch, in a shape that broadcasts."""
    lengths = torch.linalg.vector_norm(values.flatten(1), dim=1).clamp(min=torch.finfo(values.dtype).tiny)
    return lengths.view(-1, *[1] * (values.ndim - 1))


def project(perturbations: torch.Tensor, norm: str, size: float) -> torch.Tensor:
    """The nearest perturbations (batch, …) whose norm is at most ``size``."""
    if norm == "linf":
        return perturbations.clamp(-size, size)
    return perturbations * (size / _lengths(perturbations)).clamp(max=1)


def random_perturbation(like: torch.Tensor, norm: str, size: float, generator: torch.Generator) -> torch.Tensor:
    """Perturbations (batch, …) with norm ``size`` in random directions; under ``linf``, every value is ± size."""
    directions = torch.randn(like.shape, generator=generator).to(like.device)
    return size * directions.sign() if norm == "linf" else size * directions / _lengths(directions)


def adversarial_perturbation(
    scores: Callable[[torch.Tensor], torch.Tensor],
    inputs: torch.Tensor,
    labels: torch.Tensor,
    perturbation: Perturbation,
    limits: tuple[float, float] | None = None,
) -> torch.Tensor:
    """Perturbations that raise the network's loss, by projected gradient ascent (Madry et al. 2018).

    Parameters
    ----------
    scores
        Inputs (batch, …) to class scores (batch, class).
    inputs, labels
        (batch, …), (batch,).
    perturbation
        ``norm``, ``size``, ``steps`` and ``step_size``. A step follows the gradient scaled to length 1 (``l2``), or its
        sign (``linf``).
    limits
        Smallest and largest value of perturbed inputs; None: no limits.

    Returns
    -------
    torch.Tensor
        Perturbations (batch, …), without gradient.
    """
    step_size = perturbation.step_size or 2.5 * perturbation.size / perturbation.steps
    added = torch.zeros_like(inputs)
    for _ in range(perturbation.steps):
        added.requires_grad_()
        loss = nn.functional.cross_entropy(scores(inputs + added), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, added)
        direction = gradient.sign() if perturbation.norm == "linf" else gradient / _lengths(gradient)
        added = project(added.detach() + step_size * direction, perturbation.norm, perturbation.size)
        if limits is not None:
            added = (inputs + added).clamp(*limits) - inputs
    return added.detach()
