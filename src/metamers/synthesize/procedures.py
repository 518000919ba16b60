"""Procedures: the steps that change metamers along the gradient of an objective.

A procedure decides the direction, size and number of its steps. ``metamers.synthesize.optimize`` computes gradients,
and ``metamers.synthesize.losses`` the loss.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.optim.lr_scheduler import OneCycleLR

from metamers.synthesize.optimizers import OPTIMIZERS

GUARD = 1e-10  # added to the length that a gradient is divided by, as in the study's code

# A step of a procedure: changes the metamers in place, by their ``grad``.
StepFunction = Callable[[], None]


def logarithm(loss: torch.Tensor) -> torch.Tensor:
    """The objective of ``one_cycle``: the logarithm of the loss, whose gradients do not fade near the minimum.

    Minimum and direction are those of the loss, so running averages of gradients stay valid along the descent. The
    gradient at a perfect match is 0, not 0/0.

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.procedures import logarithm
    >>> logarithm(torch.tensor([1.0]))
    tensor([0.])
    """
    return (loss + torch.finfo(loss.dtype).tiny).log()


def identity(loss: torch.Tensor) -> torch.Tensor:
    """The objective of ``published``: the loss itself.

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.procedures import identity
    >>> identity(torch.tensor([1.0]))
    tensor([1.])
    """
    return loss


class OneCycle:
    """Steps of an adaptive first-order optimizer whose learning rate rises to a peak and falls to about 0.

    Parameters
    ----------
    metamers
        (stimulus, …signal), changed in place by its ``grad``.
    steps
        Number of steps.
    learning_rate
        Peak of the learning rate, in units of the stimulus.
    beta_1, beta_2
        Decay of the running averages of the gradient and of its square.
    optimizer
        One of ``metamers.synthesize.optimizers.OPTIMIZERS``.
    """

    objective = staticmethod(logarithm)

    def __init__(
        self,
        metamers: torch.Tensor,
        steps: int,
        learning_rate: float,
        beta_1: float,
        beta_2: float,
        optimizer: str,
    ):
        self._optimizer = OPTIMIZERS[optimizer]([metamers], lr=learning_rate, betas=(beta_1, beta_2))
        self._schedule = OneCycleLR(self._optimizer, learning_rate, total_steps=steps, cycle_momentum=False)
        self._steps = steps

    def __iter__(self) -> Iterator[StepFunction]:
        yield from [self._step] * (self._steps - self._schedule.last_epoch)

    def _step(self) -> None:
        self._optimizer.step()
        if self._schedule.last_epoch < self._steps - 1:
            self._schedule.step()

    def state(self) -> dict[str, Any]:
        """Everything that later steps depend on, except the metamers."""
        return {"optimizer": self._optimizer.state_dict(), "schedule": self._schedule.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a ``state``."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])


class Published:
    """Steps along the gradient of each stimulus scaled to length 1; the step size is halved after every ``steps``.

    With ``steps`` 3000, ``step_size`` 1 and ``halvings`` 7, these are the study's 8 × 3000 steps (Feather et al. 2023,
    Methods). As in its code the gradient is divided by its length + ``GUARD``. If ``steps`` has a fraction, it is the
    mean over passes, and some passes, spread over all, have one step more than the others: for a comparison at an equal
    match, which one step more at each size would change too much.

    Examples
    --------
    A step has the direction of the gradient and the length of the step size: here 1, then 1/2.

    >>> import torch
    >>> from metamers.synthesize.procedures import Published
    >>> metamers = torch.zeros(1, 2)
    >>> metamers.grad = torch.tensor([[30.0, 40.0]])
    >>> for step in Published(metamers, steps=1, step_size=1.0, halvings=1):
    ...     step()
    >>> metamers
    tensor([[-0.9000, -1.2000]])
    """

    objective = staticmethod(identity)

    def __init__(self, metamers: torch.Tensor, steps: float, step_size: float, halvings: int):
        self._metamers, self._steps, self._step_size, self._halvings = metamers, steps, step_size, halvings
        self._taken = 0

    def __iter__(self) -> Iterator[StepFunction]:
        yield from [self._step] * (round(self._steps * (self._halvings + 1)) - self._taken)

    def _step(self) -> None:
        gradient = self._metamers.grad
        length = torch.linalg.vector_norm(gradient.flatten(1), dim=1) + GUARD
        size = self._step_size / 2 ** (self._taken // self._steps)
        self._metamers.sub_(size * gradient / length.view(-1, *[1] * (gradient.ndim - 1)))
        self._taken += 1

    def state(self) -> dict[str, Any]:
        """Everything that later steps depend on, except the metamers."""
        return {"taken": self._taken}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from a ``state``."""
        self._taken = state["taken"]


PROCEDURES: dict[str, type[OneCycle | Published]] = {"one_cycle": OneCycle, "published": Published}
