"""Synthesis: from noise to a stimulus whose activations at one stage equal those of a natural one.

Two procedures minimize the same loss, the normalized error at the stage, over the stimulus alone: ``published``
(Feather et al. 2023, Methods) and ``one_cycle``, which reaches the same match in fewer steps. Neither has a prior or a
penalty: nothing favours natural-looking solutions. The stimuli of a batch do not influence each other.

The parts of ``one_cycle`` were chosen by measurement (``metamers.trials``, `snakemake benchmark`). ``published``
follows the study's own code step for step (tests/test_published.py).
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import OneCycleLR

from metamers.models import Model
from metamers.optimizers import OPTIMIZERS
from metamers.precision import bears_low_precision, low_precision
from metamers.progress import NOTHING_KEPT, Progress
from metamers.schedules import Units, units_by_step
from metamers.stimuli import MODALITIES, start_noise

logger = logging.getLogger("metamers")

PROGRESS_S = 5.0
GUARD = 1e-10  # added to the length that a gradient is divided by, as in the study's code

# A step of a procedure: given the gradient at the metamers, change them in place.
Step = Callable[[], None]
# The loss (stimulus,) of metamers (stimulus, …signal), after so many steps.
Loss = Callable[[torch.Tensor, int], torch.Tensor]


def normalized_error(natural: torch.Tensor, synthetic: torch.Tensor) -> torch.Tensor:
    """‖a−a'‖/‖a‖ of each stimulus: activations (stimulus, …) to (stimulus,)."""
    units = tuple(range(1, natural.ndim))  # flattened they would be copied, where channels are last in memory
    return torch.linalg.vector_norm(synthetic - natural, dim=units) / torch.linalg.vector_norm(natural, dim=units)


def starts(model: Model, stimuli: Sequence[str], seeds: Sequence[int], run_seed: int) -> torch.Tensor:
    """The noise that the synthesis of a model's metamers starts from, on the model's device.

    Parameters
    ----------
    model
        Whose metamers.
    stimuli
        Names.
    seeds, run_seed
        Of each stimulus's metamers, and of the run.

    Returns
    -------
    torch.Tensor
        Noise (stimulus and seed, *model.preprocessing.signal_shape), the seed running fastest.
    """
    shape = model.preprocessing.signal_shape
    noise = [
        start_noise(model.modality, shape, name, seed, run_seed, model.start) for name in stimuli for seed in seeds
    ]
    return torch.from_numpy(np.stack(noise)).to(next(model.preprocessing.buffers()).device)


def check_stage(model: Model, stage: str, natural: torch.Tensor) -> torch.Tensor:
    """Activations of natural stimuli at a stage, once it is sure that synthesis can work there.

    Returns
    -------
    torch.Tensor
        Activations (stimulus, …) without gradient.

    Raises
    ------
    ValueError
        When activations or gradients are not finite, when all activations of a stimulus are zero, when the model is not
        differentiable before the stage, or when the stage's schedule is for other units (``metamers.schedules``).
    """
    with torch.no_grad():
        activations = model(natural, stage)
    if not activations.isfinite().all():
        raise ValueError(f"model {model.name}: activations at stage {stage!r} are not finite")
    if not activations.flatten(1).any(dim=1).all():
        raise ValueError(
            f"model {model.name}: a stimulus has only zero activations at stage {stage!r}, nothing to match: "
            "leave the stimulus out (is it black?) or choose another stage"
        )
    units_by_step(model, stage, activations, steps=1, passes=2, seed=0)
    stimulus = natural[:1].clone().requires_grad_()
    one = model(stimulus, stage)
    gradient = None
    if one.requires_grad:
        (gradient,) = torch.autograd.grad(one.square().sum(), stimulus, allow_unused=True)
    if gradient is None or not gradient.any():
        stages = list(model.stages)
        raise ValueError(
            f"model {model.name} is not differentiable before stage {stage!r}: no gradient reaches the stimulus, so "
            f"nothing can be synthesized from it. Choose an earlier stage ({', '.join(stages[: stages.index(stage)])}) "
            "or make the model differentiable."
        )
    if not gradient.isfinite().all():
        raise ValueError(f"model {model.name}: gradients at stage {stage!r} are not finite")
    return activations


def logarithm(loss: torch.Tensor) -> torch.Tensor:
    """The objective of ``one_cycle``: it has the loss's minimum and direction, and gradients that do not fade.

    So running averages of gradients follow the descent. The gradient of a perfect match is 0, not 0/0.
    """
    return (loss + torch.finfo(loss.dtype).tiny).log()


def identity(loss: torch.Tensor) -> torch.Tensor:
    """The objective of ``published``: the loss itself."""
    return loss


class OneCycle:
    """Steps of an adaptive first-order optimizer whose rate rises to ``learning_rate`` and falls to about 0.

    Parameters
    ----------
    metamers
        Changed in place, by its ``grad``.
    steps
        How many.
    learning_rate
        The cycle's peak, in units of the stimulus.
    beta_1, beta_2
        Decay of the running averages of the gradient and of its square.
    optimizer
        One of ``metamers.optimizers.OPTIMIZERS``.
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

    def __iter__(self) -> Iterator[Step]:
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
    Methods). As in its code the gradient is divided by its length + ``GUARD``.
    """

    objective = staticmethod(identity)

    def __init__(self, metamers: torch.Tensor, steps: int, step_size: float, halvings: int):
        self._metamers, self._steps, self._step_size, self._halvings = metamers, steps, step_size, halvings
        self._taken = 0

    def __iter__(self) -> Iterator[Step]:
        yield from [self._step] * (self._steps * (self._halvings + 1) - self._taken)

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


def number_of_passes(settings: Mapping[str, Any]) -> int:
    """Passes of a procedure with these settings, each of ``steps`` steps of one size."""
    return settings.get("halvings", 0) + 1


def number_of_steps(settings: Mapping[str, Any]) -> int:
    """Steps of a procedure with these settings."""
    return settings["steps"] * number_of_passes(settings)


def all_units(_taken: int) -> Units:
    """The units that take part in a loss where there is no schedule: all of them, at every step."""
    return None


@dataclass(frozen=True)
class Goal:
    """Activations that a model is to have at a stage.

    Attributes
    ----------
    model, stage
        Whose activations, and where.
    target
        Which, (stimulus, …).
    fit
        Brings what is synthesized to the size or rate that the model takes; differentiable.
    """

    model: Model
    stage: str
    target: torch.Tensor
    fit: Callable[[torch.Tensor], torch.Tensor] = lambda stimuli: stimuli


def make_loss(
    goal: Goal,
    low: int = 0,
    units: Callable[[int], Units] = all_units,
    forward: Callable[[torch.Tensor, str], torch.Tensor] | None = None,
) -> Loss:
    """The loss of a goal: normalized error (stimulus,) of the units that take part in a step, in the target's dtype.

    Parameters
    ----------
    goal
        What is to be reached.
    low
        Number of steps, the first ones, that are computed in low precision.
    units
        From the number of steps taken to the units that take part. Where all of these are 0 in a stimulus's target,
        their absolute error stands for the normalized one (the published loss divides by 0 there).
    forward
        Computes activations in the model's place.
    """
    model, stage = goal.model, goal.stage
    forward = model if forward is None else forward

    def loss(metamers: torch.Tensor, taken: int) -> torch.Tensor:
        shown = goal.fit(metamers)
        with low_precision(model) if taken < low else nullcontext():
            synthetic = forward(shown, stage).to(goal.target.dtype)
        chosen = units(taken)
        if chosen is None:
            return normalized_error(goal.target, synthetic)
        target, synthetic = goal.target[:, chosen], synthetic[:, chosen]
        length = torch.linalg.vector_norm(target.flatten(1), dim=1)
        error = torch.linalg.vector_norm((synthetic - target).flatten(1), dim=1)
        return error / length.where(length > 0, 1)

    return loss


def joint_error(errors: Sequence[Loss]) -> Loss:
    """The loss of several goals: the root mean square of their errors; of one goal its error.

    It is the normalized error of all their activations as those of one model, each goal's scaled so that its target
    has length 1: no model counts for more because it has more units, or larger ones.
    """
    if len(errors) == 1:
        return errors[0]

    def joint(metamers: torch.Tensor, taken: int) -> torch.Tensor:
        each = torch.stack([error(metamers, taken) for error in errors])
        return torch.linalg.vector_norm(each, dim=0) / len(errors) ** 0.5

    return joint


def gradient_steps(
    loss: Loss,
    metamers: torch.Tensor,
    steps: Iterable[Step],
    limits: tuple[float, float],
    objective: Callable[[torch.Tensor], torch.Tensor] = logarithm,
    taken: int = 0,
) -> Iterator[torch.Tensor]:
    """Take steps that lower a loss, and yield the loss before each.

    Parameters
    ----------
    loss
        Of each metamer, from metamers and the number of steps taken.
    metamers
        (stimulus, …signal), changed in place. When a loss is yielded they are as they were when it was measured.
    steps
        Of a procedure on ``metamers``.
    limits
        Smallest and largest value of a stimulus, to which metamers are clamped after each step.
    objective
        From the loss (stimulus,) to the quantity whose gradient is taken.
    taken
        Number of steps taken before these.

    Yields
    ------
    torch.Tensor
        The loss (stimulus,) before each step.
    """
    for number, step in enumerate(steps, start=taken):
        metamers.grad = None
        before = loss(metamers, number)
        objective(before).sum().backward()
        yield before.detach()
        with torch.no_grad():
            step()
            metamers.clamp_(*limits)


def as_leaf(start: torch.Tensor) -> torch.Tensor:
    """A copy of ``start`` (stimulus, …signal) that a synthesis can change, in the memory layout that is fastest."""
    layout = torch.channels_last if start.ndim == 4 else torch.contiguous_format
    return start.detach().clone(memory_format=layout).requires_grad_()


def synthesize(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    procedure: str,
    settings: Mapping[str, Any],
    label: str = "",
    progress: Progress = NOTHING_KEPT,
    part: str = "",
    seed: int = 0,
) -> tuple[torch.Tensor, np.ndarray]:
    """Metamers of a batch of stimuli.

    Parameters
    ----------
    model, stage
        Whose activations are to be matched.
    natural
        Stimuli (stimulus, *model.preprocessing.signal_shape).
    start
        What synthesis starts from, of the same shape.
    procedure
        One of ``PROCEDURES``.
    settings
        Its parameters, and, if that is wanted, ``low_precision``: the part of the steps, the first ones, in which the
        network is computed in bfloat16, where device and stage bear it (``metamers.precision``).
    label
        What progress lines begin with.
    progress, part
        Where the state of this synthesis is saved, and under which name. A saved state is continued, and the result is
        that of a synthesis that was not stopped.
    seed
        The run's, for schedules that draw at random.

    Returns
    -------
    metamers
        As ``natural``, within the modality's limits.
    loss
        Normalized error before each step, (stimulus, step); of the units that took part in that step.

    Raises
    ------
    ValueError
        When synthesis cannot work at the stage (``check_stage``), or the loss becomes NaN or infinite.
    """
    goal = Goal(model, stage, check_stage(model, stage, natural))
    return optimize([goal], start, procedure, settings, label, progress, part, seed)


def optimize(
    goals: Sequence[Goal],
    start: torch.Tensor,
    procedure: str,
    settings: Mapping[str, Any],
    label: str = "",
    progress: Progress = NOTHING_KEPT,
    part: str = "",
    seed: int = 0,
) -> tuple[torch.Tensor, np.ndarray]:
    """Stimuli that reach one goal, or several at once (``joint_error``); ``synthesize`` once its goal is known.

    Parameters
    ----------
    goals
        Of models of one modality, on one device, each for the same stimuli.
    start
        What synthesis starts from, (stimulus, …signal), in the shape of what is made.
    procedure, settings, label, progress, part, seed
        As ``synthesize`` takes them.

    Returns
    -------
    metamers
        As ``start``, within the modality's limits.
    loss
        Before each step, (stimulus, step).

    Raises
    ------
    ValueError
        When the loss becomes NaN or infinite.
    """
    device = goals[0].target.device
    kept = progress.load(part) or {"taken": 0, "metamers": start}
    taken, metamers = kept["taken"], as_leaf(kept["metamers"].to(device))
    total = number_of_steps(settings)
    low = round(settings.get("low_precision", 0) * total)
    passes = number_of_passes(settings)
    errors = [
        make_loss(
            goal,
            low if low and bears_low_precision(goal.model, goal.stage) else 0,
            units_by_step(goal.model, goal.stage, goal.target, settings["steps"], passes, seed),
        )
        for goal in goals
    ]
    steps = PROCEDURES[procedure](metamers, **{key: value for key, value in settings.items() if key != "low_precision"})
    losses = torch.empty(total, len(metamers), device=device, dtype=goals[0].target.dtype)
    if taken:
        losses[:taken] = kept["losses"]
        logger.info("%s: going on after step %d of %d", label, taken, total)
    if 0 < taken < total:
        steps.load(kept["procedure"])

    def so_far(taken: int) -> dict[str, Any]:
        return {"taken": taken, "metamers": metamers.detach(), "losses": losses[:taken]}

    began = said = time.monotonic()
    limits = MODALITIES[goals[0].model.modality].limits
    left = steps if taken < total else []
    descent = gradient_steps(joint_error(errors), metamers, left, limits, steps.objective, taken)
    for number, loss in enumerate(descent, start=taken + 1):
        losses[number - 1] = loss
        if number - 1 > taken and progress.due():  # this step is not taken yet; what was loaded is saved
            progress.save(part, so_far(number - 1) | {"procedure": steps.state()})
        now = time.monotonic()
        if now - said > PROGRESS_S or number == total:
            said = now
            mean = float(loss.mean())
            if not np.isfinite(mean):
                where = " and ".join(f"model {goal.model.name}, stage {goal.stage!r}" for goal in goals)
                raise ValueError(f"{where}: the loss is {mean} at step {number}")
            seconds_left = (now - began) / (number - taken) * (total - number)
            logger.info("%s: step %d of %d, loss %.4f, %.0f s left", label, number, total, mean, seconds_left)
    progress.finish(part, so_far(total))
    return metamers.detach().contiguous(), losses.T.cpu().numpy()
