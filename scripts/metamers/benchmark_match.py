"""How many steps each procedure takes to the same match, and whether what it gives is recognized equally often.

Times are compared at the match that the published procedure has after so many steps. From the same starts,
``one_cycle`` is given more and more steps until it ends with that match, since it takes its steps from the number it is
given; plenoptic (Duong et al. 2023, JOSS 8, 5127 and Balzani et al.: github.com/plenoptic-org/plenoptic), with its
defaults, is watched until it gets there. Numbers of steps depend on no machine; their time is for
``metamers.benchmark_speed``.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import nn

from metamers.batches import ON_CPU
from metamers.models import Model
from metamers.proportions import Interval, difference_interval
from metamers.synthesize import normalized_error, number_of_steps, synthesize

logger = logging.getLogger("metamers")

PROCEDURES = ("published", "one_cycle", "plenoptic")
FINEST = 4  # budgets of steps within a factor of two
WATCHED = 10  # steps of plenoptic after which its match is looked at
ALIKE = 0.02  # by what part mean errors may differ that are called the same match
TRIES = 5  # of numbers of steps of the published procedure
SLOPE = -0.5  # of its error by its steps, in logarithms, before it is known
MOST = 3  # powers of two that a budget may grow or shrink by from the configured one


class _Truncated(nn.Module):
    """A model up to a stage as plenoptic takes it: of stimuli with four dimensions."""

    def __init__(self, model: Model, stage: str):
        super().__init__()
        self.model = model
        self.stage = stage

    def forward(self, stimuli: torch.Tensor) -> torch.Tensor:
        signal = stimuli if self.model.modality == "vision" else stimuli[:, 0, 0]
        return self.model(signal, self.stage).float()


def plenoptic_steps(
    model: Model, stage: str, natural: torch.Tensor, start: torch.Tensor
) -> Callable[[int], torch.Tensor]:
    """plenoptic's metamer synthesis with its defaults: Adam (AMSGrad) at a rate of 0.01 on the mean squared error.

    Its penalty on values outside 0 to 1 is left out of sounds, which have negative ones, and its stopping criterion is
    off.

    Returns
    -------
    callable
        Takes so many more steps of all stimuli at once, and gives the metamers (stimulus, …signal).

    Raises
    ------
    ModuleNotFoundError
        When plenoptic is not installed, saying how it is.
    """
    try:
        import plenoptic
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "plenoptic, against which the benchmark compares, is not installed: `make benchmark` does that, or "
            "`pip install --require-hashes -r envs/benchmark.lock`"
        ) from error
    shape = natural.shape
    four = shape if len(shape) == 4 else (len(natural), 1, 1, shape[-1])
    penalty = {} if model.modality == "vision" else {"penalty_lambda": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of models in training mode, and of images outside 0 to 1
        synthesis = plenoptic.Metamer(natural.reshape(four), _Truncated(model, stage).eval(), **penalty)
        synthesis.setup(initial_image=start.reshape(four))

    def go_on(steps: int) -> torch.Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            synthesis.synthesize(max_iter=steps, stop_criterion=0.0)
        return synthesis.metamer.detach().reshape(shape)

    return go_on


def budgets(configured: int) -> Iterator[int]:
    """Numbers of steps to try in turn, growing by a factor of 2^(1/4), from the eighth to eight times of a number."""
    for power in np.arange(-MOST, MOST + 0.01, 1 / FINEST):
        yield max(1, round(configured * 2**power))


class Reached(NamedTuple):
    """How a procedure came to a match, or how far.

    Attributes
    ----------
    error
        Normalized error (stimulus,) at the end.
    steps
        To the match; NaN where it was not reached.
    most
        Steps that were taken at most.
    curve
        Number of steps → normalized error then, mean over stimuli.
    """

    error: np.ndarray
    steps: float
    most: int
    curve: dict[int, float]


def _one_cycle(run: Callable[[int], np.ndarray], configured: int, wanted: float) -> Reached:
    """``one_cycle`` with more steps than are configured until it ends with the match, or with fewer until it does not.

    ``run`` takes a number of steps and gives the normalized error (stimulus,) at their end.
    """
    tried = list(dict.fromkeys(budgets(configured)))
    place = len(tried) // 2
    errors = {tried[place]: run(tried[place])}
    enough = errors[tried[place]].mean() <= wanted
    for steps in reversed(tried[:place]) if enough else tried[place + 1 :]:
        errors[steps] = run(steps)
        if (errors[steps].mean() <= wanted) != enough:
            break
    curve = {steps: float(error.mean()) for steps, error in sorted(errors.items())}
    reached = min((steps for steps, error in curve.items() if error <= wanted), default=None)
    most = max(errors)
    return Reached(errors[reached or most], float(reached or np.nan), most, curve)


def _plenoptic(go_on: Callable[[int], np.ndarray], most: int, wanted: float) -> Reached:
    """plenoptic, watched until it gets to the match; ``go_on`` takes more steps and gives the error (stimulus,)."""
    curve = {}
    for taken in range(WATCHED, most + WATCHED, WATCHED):
        error = go_on(WATCHED)
        curve[taken] = float(error.mean())
        if curve[taken] <= wanted:
            break
    return Reached(error, float(taken) if curve[taken] <= wanted else np.nan, taken, curve)


def steps_to_match(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Mapping[str, Any]],
    most_of_plenoptic: int,
) -> xr.Dataset:
    """Steps that each procedure takes to the match of the published one, mean over stimuli.

    Parameters
    ----------
    model, stage
        Whose activations are to be matched.
    natural, start
        Stimuli and starts (stimulus, …signal).
    settings
        ``published`` and ``one_cycle``.
    most_of_plenoptic
        Steps at which plenoptic is given up.

    Returns
    -------
    xarray.Dataset
        (procedure, stimulus) → ``normalized_error`` at the end; (procedure) → ``steps_to_match``, NaN where it was not
        reached, and ``steps_most``, how many were taken at most; (procedure, step) → ``mean_error`` after so many steps
        (``one_cycle``: at the end of as many), NaN where it was not looked at.
    """
    with torch.no_grad():
        target = model(natural, stage)

    def errors(metamers: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return normalized_error(target, model(metamers, stage).float()).numpy()

    def one_cycle(steps: int) -> np.ndarray:
        changed = settings["one_cycle"] | {"steps": steps}
        return errors(synthesize(model, stage, natural, start, "one_cycle", changed, f"one_cycle {stage}")[0])

    ended, loss = synthesize(model, stage, natural, start, "published", settings["published"], f"published {stage}")
    last, steps = errors(ended), loss.shape[1]
    wanted = float(last.mean())
    go_on = plenoptic_steps(model, stage, natural, start)
    found = {
        "published": Reached(last, float(steps), steps, dict(enumerate(loss.mean(axis=0)))),
        "one_cycle": _one_cycle(one_cycle, settings["one_cycle"]["steps"], wanted),
        "plenoptic": _plenoptic(lambda more: errors(go_on(more)), most_of_plenoptic, wanted),
    }
    logger.info("%s: match %.4f after steps %s", stage, wanted, {name: one.steps for name, one in found.items()})
    every = sorted({step for one in found.values() for step in one.curve})
    curves = [[one.curve.get(step, np.nan) for step in every] for one in found.values()]
    return xr.Dataset(
        {
            "normalized_error": (("procedure", "stimulus"), np.stack([one.error for one in found.values()])),
            "steps_to_match": ("procedure", [one.steps for one in found.values()]),
            "steps_most": ("procedure", [one.most for one in found.values()]),
            "mean_error": (("procedure", "step"), np.array(curves, dtype=np.float32)),
        },
        coords={"procedure": list(found), "step": every},
    )


def published_at(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    wanted: float,
    settings: Mapping[str, Any],
    first: int,
    at_once: int = ON_CPU,
) -> tuple[torch.Tensor, np.ndarray, int]:
    """Metamers that the published procedure ends with, given so many steps that it ends with a match as good as wanted.

    All of its step sizes are taken, equally often. What it passes through on its way, while its steps are long, is
    something else: at the same error other models recognize that more often.

    Parameters
    ----------
    model, stage
        Whose activations are to be matched.
    natural, start
        Stimuli and starts (stimulus, …signal), on the CPU.
    wanted
        Normalized error, mean over stimuli.
    settings
        Of the procedure; its ``steps`` are the most that are taken at each step size.
    first
        How many are tried first. Then as many as the last ones let expect, until the error is within ``ALIKE`` of what
        is wanted, ``TRIES`` times at most.
    at_once
        Stimuli that are optimized together.

    Returns
    -------
    metamers
        As ``natural``, of the number of steps that came nearest.
    normalized_error
        Theirs, (stimulus,).
    steps
        That number, of all step sizes together.

    Raises
    ------
    ValueError
        When the wanted error is 0.
    """
    parts = [slice(place, place + at_once) for place in range(0, len(natural), at_once)]
    with torch.no_grad():
        target = torch.cat([model(natural[part], stage) for part in parts])

    def ended(steps: int) -> tuple[torch.Tensor, np.ndarray]:
        given, label = dict(settings) | {"steps": steps}, f"published {stage}"
        made = [synthesize(model, stage, natural[part], start[part], "published", given, label)[0] for part in parts]
        with torch.no_grad():
            activations = torch.cat([model(metamers, stage).float() for metamers in made])
        return torch.cat(made), normalized_error(target, activations).numpy()

    found: dict[int, tuple[torch.Tensor, np.ndarray]] = {}
    distances: dict[int, float] = {}  # logarithm of the error, as part of what is wanted
    steps = min(first, settings["steps"])
    if wanted <= 0:
        raise ValueError(f"{stage}: wanted a match of {wanted}, with which no number of steps ends")
    while steps not in found and len(found) < TRIES:
        found[steps] = ended(steps)
        distances[steps] = float(np.log(max(found[steps][1].mean() / wanted, 1e-9)))
        logger.info("%s: %d steps at each size end %.1f%% off", stage, steps, 100 * np.expm1(distances[steps]))
        if abs(distances[steps]) <= np.log1p(ALIKE):
            break
        steps = _next_steps(distances, settings["steps"])
    nearest = min(distances, key=lambda steps: abs(distances[steps]))
    if abs(distances[nearest]) > np.log1p(ALIKE):
        logger.warning(
            "%s: the published procedure comes no nearer than %.1f%%", stage, 100 * np.expm1(distances[nearest])
        )
    return *found[nearest], number_of_steps(dict(settings) | {"steps": nearest})


def _next_steps(distances: Mapping[int, float], most: int) -> int:
    """How many steps may make a distance 0: along the line through the two nearest ones, in logarithms of steps."""
    ordered = sorted(distances, key=lambda steps: abs(distances[steps]))[:2]
    slope = SLOPE
    if len(ordered) == 2:
        one, other = ordered
        slope = (distances[one] - distances[other]) / np.log(one / other)
    slope = np.clip(slope, 4 * SLOPE, SLOPE / 4)
    factor = np.exp(-distances[ordered[0]] / slope)
    return int(np.clip(round(ordered[0] * np.clip(factor, 1 / 4, 4)), 1, most))


def matches_alike(normalized_error: xr.DataArray) -> xr.DataArray:
    """Whether the two procedures' mean errors, (…, kept_procedure, stimulus), differ by no more than ``ALIKE``."""
    error = normalized_error.mean("stimulus")
    distance = np.log(error.sel(kept_procedure="published") / error.sel(kept_procedure="one_cycle"))
    return abs(distance) <= np.log1p(ALIKE)


def equally_recognized(
    correct: xr.DataArray, interval: Callable[[np.ndarray], Interval] = difference_interval
) -> dict[str, float]:
    """How much more often metamers of the fast procedure are recognized than those of the published one.

    Parameters
    ----------
    correct
        (kept_procedure, recognition_model, stimulus), 0 or 1, or a mean over stages; the procedures are
        ``published`` and ``one_cycle``.
    interval
        Of paired differences (stimulus,): of means over stages ``metamers.proportions.mean_difference_interval``.

    Returns
    -------
    dict
        ``recognized_published``, ``recognized_one_cycle``: proportions correct; ``difference``, ``difference_low``,
        ``difference_high``: the second minus the first, paired by stimulus, with a 95% interval over stimuli.
    """
    by_stimulus = correct.mean("recognition_model")
    paired = by_stimulus.sel(kept_procedure="one_cycle") - by_stimulus.sel(kept_procedure="published")
    found = interval(paired.values)
    proportions = by_stimulus.mean("stimulus")
    return {
        "recognized_published": float(proportions.sel(kept_procedure="published")),
        "recognized_one_cycle": float(proportions.sel(kept_procedure="one_cycle")),
        "difference": float(found.value),
        "difference_low": float(found.low),
        "difference_high": float(found.high),
    }
