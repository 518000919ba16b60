"""Trials: alternatives to the one-cycle procedure, with their measured error and speed, including those that fail.

Each trial changes one property of the ``one_cycle`` procedure, or uses another procedure, with the same starts, targets
and number of steps; a step is one gradient of the loss. The first trial, the reference, is the configured procedure.
"""

import copy
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch.optim.lr_scheduler import OneCycleLR

from metamers.benchmark.measure import alternating, final_error
from metamers.modalities import MODALITIES
from metamers.models.device import wait_for
from metamers.models.model import Model
from metamers.synthesize.losses import Goal, make_loss, normalized_error
from metamers.synthesize.metamers import check_stage
from metamers.synthesize.optimize import gradient_steps
from metamers.synthesize.precision import native_bfloat16, supports_bfloat16
from metamers.synthesize.procedures import OneCycle, Published, Step, identity, logarithm
from metamers.synthesize.schedules import Units, all_units, units_by_step

logger = logging.getLogger("metamers")

TURNS, TURN_STEPS = 2, 6  # number of turns in which a trial and the reference are timed, and steps of each turn
RATES = (0.4, 0.6, 1, 1.6)  # peak rates, relative to the configured one
PROBING_STEPS = 10
PRODUCTS = 10  # iterations of conjugate gradients in each Gauss-Newton step
STEP_SIZES = (1, 1 / 2, 1 / 4, 1 / 16)  # step sizes tried in each Gauss-Newton step; the best is taken
# Newton-Schulz iteration of Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon).
NEWTON_SCHULZ, ITERATIONS = (3.4445, -4.7750, 2.0315), 5


class NotAvailableError(RuntimeError):
    """The machine cannot run the trial."""


@dataclass(frozen=True)
class Task:
    """The common input of all trials: model, stage, target, start and configured settings.

    Attributes
    ----------
    model, plain_model
        The configured model, and the model without folded batch normalizations.
    forward
        (stimuli, stage) → activations: ``model``, or a transformed model.
    stage, target, start
        Activations (stimulus, …) at the stage to be matched, and stimuli to start from.
    settings
        Settings of ``one_cycle``, including ``low_precision``.
    supported
        Whether the stage supports low precision.
    layout
        Memory format of the stimuli.
    """

    model: Model
    plain_model: Model
    forward: Callable[[torch.Tensor, str], torch.Tensor]
    stage: str
    target: torch.Tensor
    start: torch.Tensor
    settings: Mapping[str, Any]
    supported: bool
    layout: torch.memory_format

    def limited(self, stimuli: torch.Tensor) -> torch.Tensor:
        """Stimuli within the limits of their modality."""
        return stimuli.clamp(*MODALITIES[self.model.modality].limits)

    def errors(self, stimuli: torch.Tensor) -> torch.Tensor:
        """Normalized error (stimulus,), in float32."""
        return final_error(self.model, self.stage, self.target, stimuli)


class Result(NamedTuple):
    """Metamers, their number of steps, and a note."""

    metamers: torch.Tensor
    steps: int
    note: str = ""


Method = Callable[[Task, int], Result]
Objective = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Trial:
    """One alternative to the configured procedure.

    Attributes
    ----------
    what
        Description in one sentence.
    method
        (task, number of steps) → metamers.
    change
        Transformation of the task before the method.
    timed
        Whether a step is computed differently from the reference's, so that its time is compared.
    only_rounding
        Whether steps differ from the reference's only by rounding, so that the difference in error is due to chance.
    applies
        Whether the trial applies to a model.
    """

    what: str
    method: Method
    change: Callable[[Task], Task] = lambda task: task
    timed: bool = False
    only_rounding: bool = False
    applies: Callable[[Model], bool] = lambda model: True


def end_of(
    task: Task,
    procedure: Callable[[torch.Tensor], Iterator[Step]],
    low: int,
    objective: Objective,
    units: Callable[[int], Units] = all_units,
) -> Result:
    """Metamers after the steps of a procedure, the first ``low`` of them in low precision."""
    metamers = task.start.detach().clone(memory_format=task.layout).requires_grad_()
    steps = procedure(metamers)
    loss = make_loss(Goal(task.model, task.stage, task.target), low, units, task.forward)
    descent = gradient_steps(loss, metamers, steps, MODALITIES[task.model.modality].limits, objective)
    taken = sum(1 for _ in descent)
    return Result(metamers.detach(), taken)


def low_steps(task: Task, share: float, steps: int) -> int:
    """Number of steps in low precision."""
    return round(share * steps) if task.supported else 0


def cycled(objective: Objective = logarithm, rate: float = 1, until: float = 1, **changes: Any) -> Method:
    """The configured procedure with another objective, peak rate, last step, or other settings.

    ``rate`` and ``until`` are relative to the configured peak rate and number of steps.
    """

    def method(task: Task, steps: int) -> Result:
        settings = {**task.settings, **changes, "steps": steps}
        low = low_steps(task, settings.pop("low_precision", 0), steps)
        settings["learning_rate"] *= rate
        part = round(until * steps)
        return end_of(task, lambda m: islice(OneCycle(m, **settings), part), low, objective)

    return method


def all_low(task: Task, steps: int) -> Result:
    """Every step in bfloat16, even if the stage does not support it."""
    if not native_bfloat16(task.start.device):
        raise NotAvailableError("the device does not compute in bfloat16 itself")
    return cycled(low_precision=1)(replace(task, supported=True), steps)


def of_optimizer(
    make: Callable[[torch.Tensor, float, float, float], torch.optim.Optimizer],
    transform: Callable[[float, float], Callable[[torch.Tensor], torch.Tensor]] | None = None,
    rate: float = 1,
    warm_up: float = 0.3,
) -> Method:
    """One cycle of another optimizer, optionally with transformed gradients.

    Parameters
    ----------
    make
        (metamers, rate, beta_1, beta_2) → optimizer.
    transform
        (beta_1, beta_2) → transformation of each gradient.
    rate
        Peak rate, relative to the configured one.
    warm_up
        Part of the steps during which the rate increases.
    """

    def method(task: Task, steps: int) -> Result:
        betas = task.settings["beta_1"], task.settings["beta_2"]
        peak = rate * task.settings["learning_rate"]

        def procedure(metamers: torch.Tensor) -> Iterator[Step]:
            optimizer = make(metamers, peak, *betas)
            share = max(warm_up, 2 / steps)  # avoids a division by less than one step
            schedule = OneCycleLR(optimizer, peak, total_steps=steps, pct_start=share, cycle_momentum=False)
            change = transform(*betas) if transform else lambda gradient: gradient

            def step() -> None:
                metamers.grad = change(metamers.grad)
                optimizer.step()
                if schedule.last_epoch < steps - 1:
                    schedule.step()

            yield from [step] * steps

        low = low_steps(task, task.settings.get("low_precision", 0), steps)
        return end_of(task, procedure, low, logarithm)

    return method


def sgd(metamers: torch.Tensor, rate: float, _beta_1: float, _beta_2: float) -> torch.optim.Optimizer:
    """Plain descent along the transformed gradient."""
    return torch.optim.SGD([metamers], lr=rate)


def adam(metamers: torch.Tensor, rate: float, beta_1: float, beta_2: float) -> torch.optim.Optimizer:
    """Adam as configured."""
    return torch.optim.Adam([metamers], lr=rate, betas=(beta_1, beta_2))


def running(beta: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Running averages of successive tensors, corrected for their start at 0."""
    total, weight = 0, 0

    def average(value: torch.Tensor) -> torch.Tensor:
        nonlocal total, weight
        total, weight = beta * total + (1 - beta) * value, beta * weight + (1 - beta)
        return total / weight

    return average


def signs(beta_1: float, _beta_2: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """The sign of the gradient's running average."""
    average = running(beta_1)
    return lambda gradient: average(gradient).sign()


def orthogonalized(beta_1: float, _beta_2: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """The running average with all singular values of each colour channel's (row, column) near 1, of unit RMS."""
    average, (a, b, c) = running(beta_1), NEWTON_SCHULZ

    def transform(gradient: torch.Tensor) -> torch.Tensor:
        matrix = average(gradient).contiguous()
        matrix = matrix / torch.linalg.matrix_norm(matrix, keepdim=True).clamp(min=torch.finfo(matrix.dtype).tiny)
        for _ in range(ITERATIONS):
            square = matrix @ matrix.mT
            matrix = a * matrix + (b * square + c * square @ square) @ matrix
        return matrix * max(matrix.shape[-2:]) ** 0.5

    return transform


def of_fourier_coefficients(beta_1: float, beta_2: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Adam's direction for Fourier coefficients (orthonormal transform), with one second moment per coefficient."""
    first, second = running(beta_1), running(beta_2)

    def transform(gradient: torch.Tensor) -> torch.Tensor:
        axes = (-2, -1) if gradient.ndim == 4 else (-1,)
        size = [gradient.shape[axis] for axis in axes]
        spectrum = torch.fft.rfftn(gradient, dim=axes, norm="ortho")
        scale = second(spectrum.abs().square()).sqrt() + torch.finfo(gradient.dtype).tiny
        return torch.fft.irfftn(first(spectrum) / scale, size, dim=axes, norm="ortho")

    return transform


def as_published(task: Task, steps: int) -> Result:
    """The published procedure in float32 on the loss itself, with its halvings spread over the number of steps."""
    each = max(steps // 8, 1)
    units = units_by_step(task.model, task.stage, task.target, each, passes=8, seed=0)
    return end_of(task, lambda m: Published(m, each, 1.0, 7), 0, identity, units)


class _Spent(Exception):  # noqa: N818 (a signal, not an error)
    pass


def lbfgs(task: Task, steps: int) -> Result:
    """L-BFGS with a line search on the squared loss of each stimulus, with ``steps`` gradients."""
    found = []
    for target, start in zip(task.target[:, None], task.start[:, None], strict=True):
        point = start.clone().requires_grad_()
        seen: list[tuple[float, torch.Tensor]] = []
        kept = {"evaluations": 0}

        def evaluate(point=point, target=target, seen=seen, kept=kept) -> torch.Tensor:
            if kept["evaluations"] == steps:
                raise _Spent
            kept["evaluations"] += 1
            point.grad = None
            loss = normalized_error(target, task.forward(task.limited(point), task.stage).float()).square().sum()
            loss.backward()
            seen[:] = [min([*seen, (loss.item(), point.detach().clone())], key=lambda one: one[0])]
            return loss.detach()

        with suppress(_Spent):
            while True:  # restarted if it stops before the last gradient
                torch.optim.LBFGS([point], max_iter=steps, line_search_fn="strong_wolfe").step(evaluate)
        found.append(task.limited(seen[0][1]))
    return Result(torch.cat(found), steps)


def conjugate_gradients(
    product: Callable[[torch.Tensor], torch.Tensor], right: torch.Tensor, iterations: int
) -> torch.Tensor:
    """Approximate solutions of A x = b, one for each stimulus, with a positive semidefinite A given by its product."""

    def inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a * b).flatten(1).sum(1).view(-1, *[1] * (a.ndim - 1))

    tiny = torch.finfo(right.dtype).tiny
    solution, residual, direction = torch.zeros_like(right), right, right
    length = inner(residual, residual)
    for _ in range(iterations):
        image = product(direction)
        size = length / inner(direction, image).clamp(min=tiny)
        solution, residual = solution + size * direction, residual - size * image
        before, length = length, inner(residual, residual)
        direction = residual + length / before.clamp(min=tiny) * direction
    return solution


@torch.no_grad()
def gauss_newton(task: Task, steps: int) -> Result:
    """Gauss-Newton steps by conjugate gradients; the gradient, and each product with JᵀJ, count as a step.

    Each step uses the best of ``STEP_SIZES``, or is not taken if all of them increase the error.
    """
    metamers, taken, stalled = task.start, 0, 0
    scale = torch.linalg.vector_norm(task.target.flatten(1), dim=1).view(-1, *[1] * (task.target.ndim - 1))

    def activations(stimuli: torch.Tensor) -> torch.Tensor:
        return task.forward(stimuli, task.stage).float() / scale

    while taken < steps:
        with torch.enable_grad():
            reached, pull = torch.func.vjp(activations, metamers)
            (gradient,) = pull(reached - task.target / scale)

        def product(direction: torch.Tensor, point=metamers, pull=pull) -> torch.Tensor:
            return pull(torch.func.jvp(activations, (point,), (direction,))[1])[0]

        iterations = min(PRODUCTS, steps - taken - 1)
        direction = conjugate_gradients(product, -gradient, iterations) if iterations else -gradient
        taken += 1 + iterations
        tried = torch.stack([metamers, *(task.limited(metamers + size * direction) for size in STEP_SIZES)])
        best = torch.stack([task.errors(one) for one in tried]).nan_to_num(torch.inf).argmin(0)
        metamers = tried[best, torch.arange(len(best))]
        stalled = int((best == 0).sum())
        if stalled == len(best):
            break
    note = f"{stalled} of {len(metamers)} stimuli stalled, after {taken} products" if stalled else ""
    return Result(metamers, taken, note)


def probed(task: Task, steps: int) -> Result:
    """The configured procedure at the rate with the smallest error after a short cycle; probing steps count."""
    ends = {rate: float(task.errors(cycled(rate=rate)(task, PROBING_STEPS).metamers).mean()) for rate in RATES}
    best = min(ends, key=ends.get)
    result = cycled(rate=best)(task, steps)
    return Result(result.metamers, result.steps + PROBING_STEPS * len(RATES), f"rate × {best} was chosen")


def one_by_one(task: Task, steps: int) -> Result:
    """The configured procedure for each stimulus separately."""
    alone = [replace(task, target=task.target[n, None], start=task.start[n, None]) for n in range(len(task.start))]
    return Result(torch.cat([cycled()(one, steps).metamers for one in alone]), steps)


def twice_as_many(task: Task) -> Task:
    """Each stimulus twice."""
    return replace(task, target=task.target.repeat_interleave(2, 0), start=task.start.repeat_interleave(2, 0))


def not_folded(task: Task) -> Task:
    """The model without folded batch normalizations."""
    return replace(task, model=task.plain_model, forward=task.plain_model)


def channels_first(task: Task) -> Task:
    """All tensors in PyTorch's default layout."""
    model = copy.deepcopy(task.model).to(memory_format=torch.contiguous_format)
    return replace(task, model=model, forward=model, layout=torch.contiguous_format)


@contextmanager
def _own_compilation() -> Iterator[None]:
    """Compile on this thread, without earlier compilations."""
    from torch._inductor import config, utils  # seconds to import, hence only here

    with config.patch(force_disable_caches=True, compile_threads=1), utils.fresh_cache():
        yield


def compiled(mode: str | None = None) -> Callable[[Task], Task]:
    """The model compiled by PyTorch's compiler."""

    def change(task: Task) -> Task:
        if task.start.device.type == "cpu" and shutil.which(os.environ.get("CXX", "g++")) is None:
            raise NotAvailableError("no C++ compiler")
        torch.compiler.reset()
        return replace(task, forward=torch.compile(task.model, mode=mode))

    return change


def of_compiled(task: Task, steps: int) -> Result:
    """The configured procedure in one precision, low if supported, because each precision is compiled separately."""
    with _own_compilation():
        return cycled(low_precision=1)(task, steps)


@contextmanager
def _filled() -> Iterator[None]:
    before = torch.utils.deterministic.fill_uninitialized_memory
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.utils.deterministic.fill_uninitialized_memory = before


@_filled()
def memory_filled(task: Task, steps: int) -> Result:
    """The configured procedure, with new memory filled before it is used."""
    return cycled()(task, steps)


def _takes_images(model: Model) -> bool:
    return "row" in MODALITIES[model.modality].dims


def _on_cuda(model: Model) -> bool:
    return model.device.type == "cuda"


REFERENCE = "one_cycle"
TRIALS: dict[str, Trial] = {
    REFERENCE: Trial("The procedure as configured.", cycled(), timed=True, only_rounding=True),
    "float32": Trial("Every step in float32.", cycled(low_precision=0), timed=True, only_rounding=True),
    "bfloat16": Trial("Every step in bfloat16.", all_low, timed=True, only_rounding=True),
    "loss": Trial("The loss itself instead of its logarithm.", cycled(lambda loss: loss)),
    "squared_loss": Trial("The square of the loss instead of its logarithm.", cycled(torch.square)),
    **{
        f"{key}_{value}": Trial(f"{key} of {value}: running average of the gradient{of}.", cycled(**{key: value}))
        for key, values, of in (("beta_1", (0.5, 0.9, 0.95), ""), ("beta_2", (0.9, 0.99), "'s square"))
        for value in values
    },
    **{f"rate_{r}": Trial(f"A peak rate {r} times as high.", cycled(rate=r)) for r in RATES if r != 1},
    "warm_up_0.05": Trial("The rate rises during 5% of the steps instead of 30%.", of_optimizer(adam, warm_up=0.05)),
    "adam_mini": Trial(
        "Adam with one average of the squared gradient for each stimulus.", cycled(optimizer="adam_mini")
    ),
    "nadam": Trial("NAdam: Adam with Nesterov's momentum.", cycled(optimizer="nadam")),
    "radam": Trial("RAdam: Adam with rectified variance of its first steps.", cycled(optimizer="radam")),
    "rmsprop": Trial("As RMSprop: no running average of the gradient (beta_1 of 0).", cycled(beta_1=0.0)),
    "published": Trial("The published procedure, its eight step sizes spread over as many steps.", as_published),
    "sign": Trial("Along the sign of the gradient's running average.", of_optimizer(sgd, signs, rate=0.5)),
    "lbfgs": Trial("L-BFGS on the squared loss of each stimulus, with as many gradients.", lbfgs, timed=True),
    "gauss_newton": Trial(
        "Gauss-Newton by conjugate gradients, with as many products with the Jacobian.", gauss_newton, timed=True
    ),
    "fourier": Trial(
        "Adam on the stimulus's Fourier coefficients.", of_optimizer(sgd, of_fourier_coefficients, rate=0.7), timed=True
    ),
    "orthogonalized": Trial(
        "Steps orthogonalized in each colour channel (Muon).",
        of_optimizer(sgd, orthogonalized, rate=0.4),
        timed=True,
        applies=_takes_images,
    ),
    "compiled": Trial(
        "The model compiled by torch.compile, in one precision.",
        of_compiled,
        compiled(),
        timed=True,
        only_rounding=True,
    ),
    "cuda_graphs": Trial(
        "The same, with CUDA graphs (reduce-overhead).",
        of_compiled,
        compiled("reduce-overhead"),
        timed=True,
        only_rounding=True,
        applies=_on_cuda,
    ),
    "batch_of_1": Trial("Each stimulus by itself instead of all at once.", one_by_one, timed=True, only_rounding=True),
    "batch_doubled": Trial("Twice as many stimuli at once.", cycled(), twice_as_many, timed=True, only_rounding=True),
    "not_folded": Trial(
        "Batch normalizations not folded into convolutions.", cycled(), not_folded, timed=True, only_rounding=True
    ),
    "channels_first": Trial(
        "Channels before rows and columns in memory.",
        cycled(),
        channels_first,
        timed=True,
        only_rounding=True,
        applies=_takes_images,
    ),
    "memory_filled": Trial(
        "New memory filled first, as PyTorch's deterministic mode does.",
        memory_filled,
        timed=True,
        only_rounding=True,
    ),
    **{
        f"stopped_at_{until}": Trial(f"Stopped after {until:.0%} of the steps.", cycled(until=until))
        for until in (0.5, 0.7, 0.9)
    },
    "probed": Trial(f"The best of {len(RATES)} rates after {PROBING_STEPS} steps of each, which count.", probed),
}


def measure(trial: Trial, task: Task, steps: int) -> dict[str, Any]:
    """Result of a trial: normalized error, steps, seconds, and time relative to the reference (NaN if not timed)."""
    changed = trial.change(task)
    number, device = len(changed.start), changed.start.device

    def seconds_and_result() -> tuple[float, Result]:
        began = time.perf_counter()
        result = trial.method(changed, steps)
        wait_for(device)
        return time.perf_counter() - began, result

    whole, result = seconds_and_result()
    # With the original model, so that the measure is the same for all trials.
    error = float(replace(changed, model=task.model).errors(result.metamers).mean())
    row = {"normalized_error": error, "steps": result.steps, "outcome": f"ok: {result.note}".removesuffix(": ")}
    row |= {"seconds_per_step": whole / number / result.steps, "time_ratio": np.nan}
    if trial.timed:

        def turn(method: Method, task: Task) -> None:
            method(task, TURN_STEPS)
            wait_for(device)

        reference = TRIALS[REFERENCE].method
        turns = alternating(TURNS, reference=lambda: turn(reference, task), trial=lambda: turn(trial.method, changed))
        # The shortest turn, because other load on the machine only adds time.
        row["seconds_per_step"] = turns["trial"].min() / number / TURN_STEPS
        row["time_ratio"] = row["seconds_per_step"] / (turns["reference"].min() / len(task.start) / TURN_STEPS)
        if changed.forward not in (task.model, changed.model):
            row["outcome"] += f", {max(whole - row['seconds_per_step'] * number * steps, 0):.0f} s to compile"
    return row


def run_trials(
    model: Model,
    plain_model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Any],
    steps: int,
    trials: Mapping[str, Trial] = TRIALS,
) -> xr.Dataset:
    """Results of all trials at one stage of a model.

    Parameters
    ----------
    model, plain_model
        Result of ``metamers.models.load.load_model``, and the same without folded batch normalizations.
    stage
        Stage to match. With ``coarse_to_fine``, L-BFGS and Gauss-Newton match all units from the first step on.
    natural, start
        Natural stimuli and starts, (stimulus, *model.preprocessing.signal_shape).
    settings
        Settings of ``one_cycle``; ``steps`` is ignored.
    steps
        Number of steps per trial.
    trials
        The first is the reference.

    Returns
    -------
    xarray.Dataset
        (trial,) → ``normalized_error``, mean over stimuli in float32, and ``error_ratio``, relative to the reference;
        ``seconds_per_step``, and ``time_ratio``, relative to the reference if a step is computed differently;
        ``steps``; ``outcome``, which begins with ok, not available, or failed; ``what``; ``only_rounding``: errors of
        these trials differ only by chance, so smaller differences of other trials are not meaningful. Numbers of
        failed trials are NaN, and their steps 0.

    Raises
    ------
    ValueError
        When synthesis cannot work at the stage (``metamers.synthesize.metamers.check_stage``).
    """
    layout = torch.channels_last if natural.ndim == 4 else torch.contiguous_format
    target, supported = check_stage(model, stage, natural), supports_bfloat16(model, stage)
    settings = {key: value for key, value in settings.items() if key != "steps"}
    task = Task(model, plain_model, model, stage, target, start, settings, supported, layout)
    chosen = {name: trial for name, trial in trials.items() if trial.applies(model)}
    rows = []
    for name, trial in chosen.items():
        row = {"normalized_error": np.nan, "steps": 0, "seconds_per_step": np.nan, "time_ratio": np.nan}
        try:
            row |= measure(trial, task, steps)
        except NotAvailableError as error:
            row["outcome"] = f"not available: {error}"
        except Exception as error:  # whatever a trial raises is its outcome
            first = next(iter(str(error).strip().splitlines()), "")
            row["outcome"] = f"failed: {type(error).__name__}: {first}".removesuffix(": ")
        row["error_ratio"] = row["normalized_error"] / (rows[0] if rows else row)["normalized_error"]
        row |= {"what": trial.what, "only_rounding": trial.only_rounding}
        rows.append(row)
        logger.info(
            "%s %s, %s: normalized error %.3f (x %.2f), %.1f ms per stimulus and step (x %.2f), %d steps; %s",
            *(model.name, stage, name, row["normalized_error"], row["error_ratio"]),
            *(1e3 * row["seconds_per_step"], row["time_ratio"], row["steps"], row["outcome"]),
        )
    columns = {key: ("trial", np.array([row[key] for row in rows])) for key in rows[0]}
    return xr.Dataset(columns, coords={"trial": list(chosen)})
