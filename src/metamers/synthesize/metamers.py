"""Synthesis: from noise to a stimulus whose activations at one stage equal those of a natural stimulus.

Two procedures minimize the same loss, the normalized error at the stage, over the stimulus alone: ``published``
(Feather et al. 2023, Methods) and ``one_cycle``, which reaches the same match in fewer steps. Neither has a prior or a
penalty: nothing favours natural-looking solutions. The stimuli of a batch do not influence each other. The module also
defines what a file of metamers holds (``metamers_dataset``); which metamers are accepted is decided in
``metamers.null.acceptance``.

The parts of ``one_cycle`` were chosen by measurement (``metamers.benchmark.trials``, `snakemake benchmark`).
``published`` follows the study's own code step for step (tests/synthesize/test_published.py).
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from metamers.config.qualities import number_of_passes, number_of_steps
from metamers.match import match_each
from metamers.modalities import MODALITIES
from metamers.models.model import Model
from metamers.recognize import recognize
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.synthesize.losses import Goal, Loss, joint_error, make_loss
from metamers.synthesize.noise import start_noise
from metamers.synthesize.precision import supports_bfloat16
from metamers.synthesize.procedures import PROCEDURES, Step, logarithm
from metamers.synthesize.schedules import units_by_step

logger = logging.getLogger("metamers")

PROGRESS_S = 5.0

OnStep = Callable[[torch.Tensor], None]


def starts(model: Model, stimuli: Sequence[str], seeds: Sequence[int], run_seed: int) -> torch.Tensor:
    """The noise that the synthesis of a model's metamers starts from, on the model's device.

    Parameters
    ----------
    model
        The generation model.
    stimuli
        Names of the natural stimuli.
    seeds, run_seed
        Metamer seeds of each stimulus, and the run seed.

    Returns
    -------
    torch.Tensor
        Noise (stimulus × seed, *model.preprocessing.signal_shape); the seed varies fastest.
    """
    shape = model.preprocessing.signal_shape
    noise = [
        start_noise(model.modality, shape, name, seed, run_seed, model.start) for name in stimuli for seed in seeds
    ]
    return torch.from_numpy(np.stack(noise)).to(model.device)


def check_stage(model: Model, stage: str, natural: torch.Tensor) -> torch.Tensor:
    """Check that synthesis is possible at a stage, and compute the activations of the natural stimuli there.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    natural
        Stimuli (stimulus, *model.preprocessing.signal_shape).

    Returns
    -------
    torch.Tensor
        Activations (stimulus, …) without gradient.

    Raises
    ------
    ValueError
        When activations or gradients are not finite, when all activations of a stimulus are zero, when the model is not
        differentiable before the stage, or when the stage's schedule is for other units
        (``metamers.synthesize.schedules``).
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
    gradient = _gradient_at_stimulus(model, stage, natural[:1])
    if gradient is None:
        others = [other for other in model.stages if _gradient_at_stimulus(model, other, natural[:1]) is not None]
        raise ValueError(
            f"model {model.name} is not differentiable before stage {stage!r}: no gradient reaches the stimulus, so "
            f"nothing can be synthesized from it. Choose a stage from which one does ({', '.join(others)}), or make "
            "the model differentiable."
        )
    if not gradient.isfinite().all():
        raise ValueError(f"model {model.name}: gradients at stage {stage!r} are not finite")
    return activations


def _gradient_at_stimulus(model: Model, stage: str, stimulus: torch.Tensor) -> torch.Tensor | None:
    """Gradient of a stage's squared activations at one stimulus (1, …signal); None if no gradient reaches it."""
    stimulus = stimulus.clone().requires_grad_()
    try:
        activations = model(stimulus, stage)
    except ValueError:  # a stage that is not reached, or gives no tensor
        return None
    if not activations.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(activations.square().sum(), stimulus, allow_unused=True)
    return gradient if gradient is not None and gradient.any() else None


def gradient_steps(
    loss: Loss,
    metamers: torch.Tensor,
    steps: Iterable[Step],
    limits: tuple[float, float],
    objective: Callable[[torch.Tensor], torch.Tensor] = logarithm,
    taken: int = 0,
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
        From the loss (stimulus,) to the optimized objective (stimulus,).
    taken
        Number of earlier steps.

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
    """A copy of ``start`` (stimulus, …signal) as a leaf that requires a gradient, in the fastest memory layout."""
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
    progress: Progress = NO_CHECKPOINT,
    part: str = "",
    seed: int = 0,
    on_step: OnStep | None = None,
) -> tuple[torch.Tensor, np.ndarray]:
    """Synthesize metamers of a batch of stimuli.

    Parameters
    ----------
    model, stage
        The generation model and the stage whose activations are matched.
    natural
        Natural stimuli (stimulus, *model.preprocessing.signal_shape).
    start
        The start of the synthesis, in the same shape.
    procedure
        A name from ``metamers.synthesize.procedures.PROCEDURES``.
    settings
        The procedure's parameters, and optionally ``low_precision``: the share of the steps, from the first one, with
        the network in bfloat16 if device and stage support it (``metamers.synthesize.precision``).
    label
        Beginning of the lines in the log.
    progress, part
        Where the state of this synthesis is saved, and its name there. A saved state is continued; the result equals
        that of a synthesis without interruption.
    seed
        Run seed, for schedules with random draws.
    on_step
        Called with the loss (stimulus,) before each step, for example to move a progress bar.

    Returns
    -------
    metamers
        (stimulus, …signal), in the shape of ``natural``, within the modality's limits.
    loss
        Normalized error before each step, (stimulus, step), of the units that take part in that step.

    Raises
    ------
    ValueError
        When synthesis cannot work at the stage (``check_stage``), or the loss becomes NaN or infinite.
    """
    goal = Goal(model, stage, check_stage(model, stage, natural))
    return optimize([goal], start, procedure, settings, label, progress, part, seed, on_step)


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
        The loss before each step, (stimulus, step).

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
            low if low and supports_bfloat16(goal.model, goal.stage) else 0,
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
                raise ValueError(f"{where}: the loss is {mean} at step {number}")
            seconds_left = (now - began) / (number - taken) * (total - number)
            logger.info("%s: step %d of %d, loss %.4f, %.0f s left", label, number, total, mean, seconds_left)
    progress.finish(part, so_far(total))
    return metamers.detach().contiguous(), losses.T.cpu().numpy()


def measure(
    model: Model,
    natural: np.ndarray,
    synthetic: np.ndarray,
    exported: np.ndarray,
    sampling_rate_hz: float | None,
    classes: Mapping[str, Sequence[int]],
) -> dict[str, np.ndarray]:
    """Measure each metamer with one of the models whose activations it matches.

    Parameters
    ----------
    model
        The generation model.
    natural, synthetic
        Its activations (stimulus, …) at the stage, of natural stimuli and of their metamers.
    exported
        The metamers (stimulus, …signal) as they are exported.
    sampling_rate_hz
        Sampling rate of sounds; None for images.
    classes
        Category → class indices.

    Returns
    -------
    dict
        The measures of match (``metamers.match.MEASURES``), and ``predicted_category``: the category that the model
        gives to the exported metamer; each (stimulus,).

    Raises
    ------
    ValueError
        As ``metamers.match.match`` and ``metamers.recognize.recognize``.
    """
    matches = match_each(natural, synthetic)
    return matches | {"predicted_category": recognize(model, exported, sampling_rate_hz, classes)}


def metamers_dataset(
    modality: str,
    dims: Sequence[str],
    metamers: np.ndarray,
    measured: Mapping[str, np.ndarray],
    coordinates: Mapping[str, Any],
    sampling_rate_hz: float | None,
    loss: np.ndarray | None = None,
) -> xr.Dataset:
    """The content of a file of metamers: of the ordinary synthesis, of an extension or of the benchmark.

    Parameters
    ----------
    modality
        A name from ``metamers.modalities.MODALITIES``.
    dims
        Dimensions of the metamers before those of the signal, such as ``stimulus``, ``seed``.
    metamers
        (*dims, …signal).
    measured
        Name → values (*dims), as ``measure`` gives them, or (*dims, member) if each metamer matches several models.
        Values that do not depend on the last dimensions, such as ``natural_category``, may lack these.
    coordinates
        Coordinates of the file, as for ``xarray.Dataset``.
    sampling_rate_hz
        Sampling rate of sounds, an attribute of the file; None for images.
    loss
        Loss before each step, (*dims, step); None if the file has no loss.

    Returns
    -------
    xarray.Dataset
        ``metamer``, the variables of ``measured``, and ``loss``.
    """
    variables = {"metamer": ((*dims, *MODALITIES[modality].dims), metamers)}
    variables |= {name: ((*dims, "member")[: np.ndim(values)], values) for name, values in measured.items()}
    if loss is not None:
        variables["loss"] = ((*dims, "step"), loss)
    attributes = {} if sampling_rate_hz is None else {"sampling_rate_hz": sampling_rate_hz}
    return xr.Dataset(variables, coords=coordinates, attrs=attributes)
