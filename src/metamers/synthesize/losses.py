"""Losses: the normalized error of activations at one stage, of all or some units, for one or several models.

Which units take part in a step is decided in ``metamers.synthesize.schedules``, the precision in
``metamers.synthesize.drafts``; ``metamers.match`` measures the match of finished metamers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from metamers.models.model import Model
from metamers.models.precision import tf32
from metamers.synthesize.drafts import EXACT, Draft
from metamers.synthesize.schedules import Units, all_units

# From metamers (stimulus, …signal) and the number of steps taken to the loss (stimulus,).
Loss = Callable[[torch.Tensor, int], torch.Tensor]


def normalized_error(natural: torch.Tensor, synthetic: torch.Tensor) -> torch.Tensor:
    """Normalized error ‖a−a'‖/‖a‖ of each stimulus, (stimulus,), between activations a and a' (stimulus, …).

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.losses import normalized_error
    >>> natural = torch.tensor([[3.0, 4.0], [3.0, 4.0]])
    >>> normalized_error(natural, torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([0., 1.])
    """
    units = tuple(range(1, natural.ndim))  # flattening would copy activations with channels last in memory
    return torch.linalg.vector_norm(synthetic - natural, dim=units) / torch.linalg.vector_norm(natural, dim=units)


@dataclass(frozen=True)
class Goal:
    """The activations that metamers should have at one stage of one model.

    Attributes
    ----------
    model, stage
        The generation model, and its stage.
    target
        Activations (stimulus, …) of the natural stimuli.
    fit
        From metamers to the size or rate of the model's stimuli; differentiable.
    target_error
        The normalized error that is sufficient (``metamers.synthesize.target``); None: there is none.
    """

    model: Model
    stage: str
    target: torch.Tensor
    fit: Callable[[torch.Tensor], torch.Tensor] = lambda stimuli: stimuli
    target_error: float | None = None


def make_loss(
    goal: Goal,
    draft: Draft = EXACT,
    units: Callable[[int], Units] = all_units,
    forward: Callable[[torch.Tensor, str], torch.Tensor] | None = None,
) -> Loss:
    """The loss of a goal: normalized error (stimulus,) of the units that take part in a step, in the target's dtype.

    Parameters
    ----------
    goal
        Model, stage and target.
    draft
        How activations are computed (``metamers.synthesize.drafts.draft_of``).
    units
        From the number of steps taken to the units that take part. If all of these are 0 in a stimulus's target, the
        loss is their absolute error (the published loss divides by 0 there).
    forward
        Computes the activations instead of the model; None: the model.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.losses import Goal, make_loss
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> natural = torch.ones(1, 1, 2, 2)
    >>> loss = make_loss(Goal(model, "pixels", model(natural, "pixels")))
    >>> loss(natural, 0), loss(0 * natural, 0)
    (tensor([0.]), tensor([1.]))
    """
    model, stage = goal.model, goal.stage
    forward = model if forward is None else forward

    def loss(metamers: torch.Tensor, taken: int) -> torch.Tensor:
        with tf32(allowed=False):
            fitted = goal.fit(metamers)
        with draft.activations(taken):
            synthetic = forward(fitted, stage).to(goal.target.dtype)
        chosen = units(taken)
        if chosen is None:
            return normalized_error(goal.target, synthetic)
        target, synthetic = goal.target[:, chosen], synthetic[:, chosen]
        length = torch.linalg.vector_norm(target.flatten(1), dim=1)
        error = torch.linalg.vector_norm((synthetic - target).flatten(1), dim=1)
        return error / length.where(length > 0, 1)

    return loss


def joint_error(errors: Sequence[Loss]) -> Loss:
    """The loss of several goals: the root mean square of their errors. The loss of one goal is its error.

    It is the normalized error of the concatenated activations if those of each goal are scaled so that the target has
    length 1. The weight of a model therefore does not depend on the number and size of its activations.

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.losses import joint_error
    >>> errors = [lambda metamers, taken: torch.tensor([1.0]), lambda metamers, taken: torch.tensor([7.0])]
    >>> joint_error(errors)(torch.zeros(1), 0).round(decimals=4)
    tensor([5.])
    """
    return lambda metamers, taken: root_mean_square([error(metamers, taken) for error in errors])


def root_mean_square(each: Sequence[torch.Tensor]) -> torch.Tensor:
    """The root mean square over goals of the error (stimulus,) of each goal; the error itself if there is one goal.

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.losses import root_mean_square
    >>> root_mean_square([torch.tensor([1.0]), torch.tensor([7.0])]).round(decimals=4)
    tensor([5.])
    """
    return each[0] if len(each) == 1 else torch.linalg.vector_norm(torch.stack([*each]), dim=0) / len(each) ** 0.5
