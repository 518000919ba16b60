"""The one-cycle procedure in each precision, and compiled: the time of a step, or why there is none.

All precisions have the same starts and targets; a step is one gradient of the loss. The first one is the configured
procedure. studies/notes/trials.md has other changes of the procedure that were tried.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from metamers.modalities import MODALITIES
from metamers.models.device import wait_for
from metamers.models.model import Model
from metamers.synthesize.drafts import draft_of, supports_low_precision
from metamers.synthesize.losses import Goal, make_loss
from metamers.synthesize.metamers import check_stage
from metamers.synthesize.optimize import gradient_steps
from metamers.synthesize.optimizers import OPTIMIZERS
from metamers.synthesize.procedures import OneCycle, logarithm
from metamers.synthesize.qualities import DRAFT_SETTINGS
from metamers.synthesize.schedules import all_units

TURNS, TURN_STEPS = 2, 6  # number of timed runs, and steps of each
CARD_STEPS = 60  # on a card, where the first steps of a run are not replayed


class NotAvailableError(RuntimeError):
    """The machine cannot compute in a precision."""


@dataclass(frozen=True)
class Task:
    """The common input of all precisions.

    Attributes
    ----------
    model, stage, target, start
        The model, its stage, the activations (stimulus, …) to be matched there, and the stimuli to start from.
    forward
        (stimuli, stage) → activations: ``model``, or a compiled model.
    settings
        Settings of ``one_cycle`` without ``steps``.
    layout
        Memory format of the stimuli.
    """

    model: Model
    stage: str
    target: torch.Tensor
    start: torch.Tensor
    forward: Callable[[torch.Tensor, str], torch.Tensor]
    settings: Mapping[str, Any]
    layout: torch.memory_format


@dataclass(frozen=True)
class Precision:
    """One precision.

    Attributes
    ----------
    method
        (task, number of steps) → metamers.
    change
        Transformation of the task before the method.
    applies
        Whether it applies to a model.
    """

    method: Callable[[Task, int], torch.Tensor]
    change: Callable[[Task], Task] = lambda task: task
    applies: Callable[[Model], bool] = lambda model: True


def configured(task: Task, steps: int, graphs: bool = True, **changes: Any) -> torch.Tensor:
    """Metamers by the configured procedure, or with other settings, on a card with CUDA graphs or without them."""
    settings = {**task.settings, **changes}
    draft = draft_of(task.model, task.stage, settings, steps)
    settings = {key: value for key, value in settings.items() if key not in DRAFT_SETTINGS}
    metamers = task.start.detach().clone(memory_format=task.layout).requires_grad_()
    loss = make_loss(Goal(task.model, task.stage, task.target), draft, all_units, task.forward)
    procedure = OneCycle(metamers, steps=steps, **settings)
    limits = MODALITIES[task.model.modality].limits
    for _ in gradient_steps(loss, metamers, procedure, limits, logarithm, drafts=[draft], equal=graphs):
        pass
    return metamers.detach()


def in_float32(task: Task, steps: int) -> torch.Tensor:
    """Every step in float32."""
    return configured(task, steps, low_precision=0, rough_cochleagram=0)


def without_graphs(task: Task, steps: int) -> torch.Tensor:
    """The configured procedure, each kernel launched by itself."""
    return configured(task, steps, graphs=False)


def bare(task: Task, steps: int) -> torch.Tensor:
    """A loop with nothing but the kernels of ``float32``: the network up to the stage, PyTorch's Adam, and limits."""
    metamers = task.start.detach().clone(memory_format=task.layout).requires_grad_()
    limits, betas = MODALITIES[task.model.modality].limits, (task.settings["beta_1"], task.settings["beta_2"])
    optimizer = OPTIMIZERS[task.settings["optimizer"]]([metamers], lr=task.settings["learning_rate"], betas=betas)
    units = tuple(range(1, task.target.ndim))
    length = torch.linalg.vector_norm(task.target, dim=units)
    for _ in range(steps):
        optimizer.zero_grad()
        error = torch.linalg.vector_norm(task.forward(metamers, task.stage) - task.target, dim=units) / length
        error.log().sum().backward()
        optimizer.step()
        with torch.no_grad():
            metamers.clamp_(*limits)
    return metamers.detach()


def in_tf32(task: Task, steps: int) -> torch.Tensor:
    """Every step in float32, with products of matrices and convolutions in TF32."""
    return _in_low_precision(task, steps, "tf32")


def _in_low_precision(task: Task, steps: int, number_format: str) -> torch.Tensor:
    if not supports_low_precision(task.model, task.stage, number_format):
        raise NotAvailableError(f"the device does not compute in {number_format} itself, or the stage differs too much")
    return configured(task, steps, low_precision=1, rough_cochleagram=0, low_precision_format=number_format)


def in_bfloat16(task: Task, steps: int) -> torch.Tensor:
    """Every step in bfloat16."""
    return _in_low_precision(task, steps, "bfloat16")


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


def of_compiled(task: Task, steps: int) -> torch.Tensor:
    """The configured procedure in one precision, low if supported, because each precision is compiled separately."""
    with _own_compilation():
        return configured(task, steps, low_precision=1, rough_cochleagram=0)


def _on_cuda(model: Model) -> bool:
    return model.device.type == "cuda"


PRECISIONS: dict[str, Precision] = {
    "one_cycle": Precision(configured),
    "without_graphs": Precision(without_graphs, applies=_on_cuda),
    "float32": Precision(in_float32),
    "bare": Precision(bare),
    "tf32": Precision(in_tf32, applies=_on_cuda),
    "bfloat16": Precision(in_bfloat16),
    "compiled": Precision(of_compiled, compiled()),
    "compiled_graphs": Precision(of_compiled, compiled("reduce-overhead"), applies=_on_cuda),
}


def time_precision(precision: Precision, task: Task) -> tuple[float, str]:
    """Seconds of a step for one stimulus, and an outcome, ``ok`` or ``ok: …``.

    The shortest of ``TURNS`` runs counts, because other load on the machine only adds time.

    Raises
    ------
    NotAvailableError
        When the machine cannot compute in the precision.
    """
    changed = precision.change(task)
    steps = CARD_STEPS if _on_cuda(task.model) else TURN_STEPS

    def seconds() -> float:
        began = time.perf_counter()
        precision.method(changed, steps)
        wait_for(changed.start.device)
        return time.perf_counter() - began

    first = seconds()
    shortest = min(seconds() for _ in range(TURNS))
    compiling = "" if changed.forward is task.forward else f": {max(first - shortest, 0):.0f} s to compile"
    return shortest / len(task.start) / steps, f"ok{compiling}"


def time_precisions(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Any],
    precisions: Mapping[str, Precision] = PRECISIONS,
) -> dict[str, tuple[float, str]]:
    """Time of a step in each precision that applies to a model.

    Parameters
    ----------
    model, stage
        Model, and the stage to match.
    natural, start
        Natural stimuli and starts, (stimulus, *model.preprocessing.signal_shape).
    settings
        Settings of ``one_cycle``; ``steps`` is ignored.

    Returns
    -------
    dict
        Precision → seconds of a step for one stimulus, NaN if there are none, and an outcome, which begins with ok,
        not available, or failed.

    Raises
    ------
    ValueError
        When synthesis cannot work at the stage (``metamers.synthesize.metamers.check_stage``).
    """
    layout = torch.channels_last if natural.ndim == 4 else torch.contiguous_format
    target = check_stage(model, stage, natural)
    settings = {key: value for key, value in settings.items() if key != "steps"}
    task = Task(model, stage, target, start, model, settings, layout)
    times = {}
    for name, precision in precisions.items():
        if not precision.applies(model):
            continue
        try:
            times[name] = time_precision(precision, task)
        except NotAvailableError as error:
            times[name] = (float("nan"), f"not available: {error}")
        except Exception as error:  # whatever a precision raises is its outcome
            first = next(iter(str(error).strip().splitlines()), "")
            times[name] = (float("nan"), f"failed: {type(error).__name__}: {first}".removesuffix(": "))
    return times
