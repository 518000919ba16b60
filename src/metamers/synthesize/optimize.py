"""Optimization: the steps of a procedure along the gradient of a loss, over the stimuli of a batch.

The loss is that of ``metamers.synthesize.losses``, over the stimulus alone. The stimuli of a batch do not influence
each other. Checkpoints are saved on the way (``metamers.run.progress``).
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from metamers.modalities import MODALITIES
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.synthesize.drafts import Draft, drafts_of, of_gradient
from metamers.synthesize.losses import Goal, Loss, joint_error, make_loss
from metamers.synthesize.penalties import Penalty, penalty_of
from metamers.synthesize.procedures import PROCEDURES, StepFunction, logarithm
from metamers.synthesize.qualities import DRAFT_SETTINGS, PENALTY_SETTING, number_of_passes, number_of_steps
from metamers.synthesize.replay import Replay
from metamers.synthesize.schedules import all_units, units_by_step

logger = logging.getLogger("metamers")

PROGRESS_S = 5.0

OnStep = Callable[[torch.Tensor], None]


def gradient_steps(
    loss: Loss,
    metamers: torch.Tensor,
    steps: Iterable[StepFunction],
    limits: tuple[float, float],
    objective: Callable[[torch.Tensor], torch.Tensor] = logarithm,
    taken: int = 0,
    drafts: Sequence[Draft] = (),
    equal: bool = False,
    penalty: Penalty | None = None,
) -> Iterator[torch.Tensor]:
    """Take steps that lower a loss, and yield the loss before each step.

    Parameters
    ----------
    loss
        From metamers and the number of steps taken to the loss of each metamer.
    metamers
        (stimulus, …signal), changed in place, after the loss before the step has been yielded.
    steps
        The steps of a procedure on ``metamers``.
    limits
        Smallest and largest value of a stimulus; metamers are clamped to them after each step.
    objective
        From the loss (stimulus,), with the penalty if there is one, to the optimized objective (stimulus,).
    taken
        Number of earlier steps.
    drafts
        The drafts of the loss.
    equal
        Whether the loss depends on the number of steps by its drafts alone, so that steps may be replayed on a card
        (``metamers.synthesize.replay``).
    penalty
        Added to the loss (``metamers.synthesize.penalties``); None: the loss alone is lowered.

    Yields
    ------
    torch.Tensor
        The loss (stimulus,) before each step, without the penalty.

    Examples
    --------
    The start is at the distance 1 of the target, which one step of length 1 reaches.

    >>> import torch
    >>> from metamers.synthesize.losses import normalized_error
    >>> from metamers.synthesize.optimize import as_leaf, gradient_steps
    >>> from metamers.synthesize.procedures import Published, identity
    >>> natural, metamers = torch.full((1, 4), 0.75), as_leaf(torch.full((1, 4), 0.25))
    >>> steps = Published(metamers, steps=1, step_size=1.0, halvings=0)
    >>> loss = lambda metamers, taken: normalized_error(natural, metamers)
    >>> losses = gradient_steps(loss, metamers, steps, limits=(0, 1), objective=identity)
    >>> [round(float(loss), 4) for loss in losses], metamers.detach().round(decimals=4)
    ([0.6667], tensor([[0.7500, 0.7500, 0.7500, 0.7500]]))
    """
    replay = Replay()
    for number, step in enumerate(steps, start=taken):

        def compute(number: int = number) -> torch.Tensor:
            with of_gradient(drafts, number):
                before = loss(metamers, number)
                objective(before if penalty is None else before + penalty(metamers)).sum().backward()
            return before.detach()

        yield replay([metamers], tuple(draft.kind(number) for draft in drafts) if equal else None, compute)
        with torch.no_grad():
            step()
            metamers.clamp_(*limits)


def as_leaf(start: torch.Tensor) -> torch.Tensor:
    """A copy of ``start`` (stimulus, …signal) as a leaf that requires a gradient, in the fastest memory layout.

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.optimize import as_leaf
    >>> leaf = as_leaf(torch.zeros(2, 3, 8, 8))
    >>> leaf.is_leaf, leaf.requires_grad, leaf.is_contiguous(memory_format=torch.channels_last)
    (True, True, True)
    """
    layout = torch.channels_last if start.ndim == 4 else torch.contiguous_format
    return start.detach().clone(memory_format=layout).requires_grad_()


def optimize(
    goals: Sequence[Goal],
    start: torch.Tensor,
    procedure: str,
    settings: Mapping[str, Any],
    label: str = "",
    progress: Progress = NO_CHECKPOINT,
    part: str = "",
    seed: int = 0,
    on_step: OnStep | None = None,
) -> tuple[torch.Tensor, np.ndarray]:
    """Minimize the error of one goal, or the joint error of several (``metamers.synthesize.losses.joint_error``).

    Parameters
    ----------
    goals
        Goals of models of one modality, on one device, with a target for each stimulus.
    start
        The start of the synthesis, (stimulus, …signal).
    procedure, settings, label, progress, part, seed, on_step
        See ``synthesize``.

    Returns
    -------
    metamers
        (stimulus, …signal), in the shape of ``start``, within the modality's limits.
    loss
        The loss before each step, (stimulus, step), without a penalty.

    Raises
    ------
    ValueError
        When the loss becomes NaN or infinite.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.losses import Goal
    >>> from metamers.synthesize.optimize import optimize
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> goal, start = Goal(model, "pixels", torch.full((1, 4), 0.75)), torch.full((1, 1, 2, 2), 0.25)
    >>> settings = {"steps": 1, "step_size": 1.0, "halvings": 0}
    >>> metamer, loss = optimize([goal], start, "published", settings)
    >>> metamer.flatten().round(decimals=4), loss.round(4)
    (tensor([0.7500, 0.7500, 0.7500, 0.7500]), array([[0.6667]], dtype=float32))
    """
    device = goals[0].target.device
    kept = progress.load(part) or {"taken": 0, "metamers": start}
    taken, metamers = kept["taken"], as_leaf(kept["metamers"].to(device))
    total = number_of_steps(settings)
    passes = number_of_passes(settings)
    drafts = drafts_of([(goal.model, goal.stage) for goal in goals], settings, total)
    units = [units_by_step(goal.model, goal.stage, goal.target, settings["steps"], passes, seed) for goal in goals]
    errors = [make_loss(*each) for each in zip(goals, drafts, units, strict=True)]
    others = (*DRAFT_SETTINGS, PENALTY_SETTING)
    steps = PROCEDURES[procedure](metamers, **{key: settings[key] for key in settings if key not in others})
    modality = goals[0].model.modality
    losses = torch.empty(total, len(metamers), device=device, dtype=goals[0].target.dtype)
    if taken:
        losses[:taken] = kept["losses"]
        logger.info("%s: going on after step %d of %d", label, taken, total)
    if 0 < taken < total:
        steps.load(kept["procedure"])

    def so_far(taken: int) -> dict[str, Any]:
        return {"taken": taken, "metamers": metamers.detach(), "losses": losses[:taken]}

    began = said = time.monotonic()
    limits, penalty = MODALITIES[modality].limits, penalty_of(settings, modality)
    left = steps if taken < total else []
    equal = all(each is all_units for each in units)
    loss_of = joint_error(errors)
    descent = gradient_steps(loss_of, metamers, left, limits, steps.objective, taken, drafts, equal, penalty)
    for number, loss in enumerate(descent, start=taken + 1):
        losses[number - 1] = loss
        if on_step is not None:
            on_step(loss)
        if number - 1 > taken and progress.due():  # this step is not taken yet; a loaded state is saved
            progress.save(part, so_far(number - 1) | {"procedure": steps.state()})
        now = time.monotonic()
        if now - said > PROGRESS_S or number == total:
            said = now
            mean = float(loss.mean())
            if not np.isfinite(mean):
                where = " and ".join(f"model {goal.model.name}, stage {goal.stage!r}" for goal in goals)
                cause = "" if penalty is None else ", with a penalty: does it have a gradient for every stimulus?"
                raise ValueError(f"{where}: the loss is {mean} at step {number}{cause}")
            seconds_left = (now - began) / (number - taken) * (total - number)
            logger.info("%s: step %d of %d, loss %.4f, %.0f s left", label, number, total, mean, seconds_left)
    progress.finish(part, so_far(total))
    return metamers.detach().contiguous(), losses.T.cpu().numpy()
