"""Schedules: which units of a stage take part in the loss at each step of a synthesis.

Most stages have none: all units take part in every step. The study synthesizes two models in another way (its
``custom_synthesis_losses.py``), in each pass of the published procedure but the last one; in the last pass all units
take part. A pass is a run of steps of one size. ``one_cycle`` and ``to_target`` have a single pass, in which schedules
do not act.

A stage's registry entry names its schedule (``stages.<stage>.schedule``). Positions of steps are the study's own and do
not scale with the length of a pass.
"""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from metamers.models.model import Model

# Selects units along the second dimension of activations (stimulus, unit, …); None: all units.
Units = torch.Tensor | slice | None
# (step of the pass, pass) → units, both from 0.
Schedule = Callable[[int, int], Units]


def all_units(_taken: int) -> Units:
    """The units that take part in a loss without a schedule: all units, at every step.

    Examples
    --------
    >>> from metamers.synthesize.schedules import all_units
    >>> print(all_units(0))
    None
    """
    return None


def coarse_to_fine(masks: Sequence[torch.Tensor], every: int) -> Schedule:
    """Match units in the order of ``masks``, beginning again in each pass.

    Parameters
    ----------
    masks
        Each (unit,), boolean; the last one stays until the pass ends.
    every
        A mask acts until the steps of the pass, the present one included, are a multiple of ``every``: the study counts
        a step before it looks up the mask, so the first mask acts in ``every`` - 1 steps.

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.schedules import coarse_to_fine
    >>> schedule = coarse_to_fine([torch.tensor([True, False]), torch.tensor([True, True])], every=3)
    >>> [schedule(step, 0).tolist() for step in range(3)]
    [[True, False], [True, False], [True, True]]
    """
    return lambda step, _pass: masks[min((step + 1) // every, len(masks) - 1)]


def random_unit(parts: Sequence[slice], drawn: np.ndarray, steps: int, every: int) -> Schedule:
    """Match one randomly drawn part of the stage at the beginning of each pass, then all units.

    Parameters
    ----------
    parts
        Units of each part.
    drawn
        (pass, draw): indices into ``parts``.
    steps
        First step of a pass, counted from 1, in which all units take part.
    every
        Steps after which the next draw acts.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.synthesize.schedules import random_unit
    >>> schedule = random_unit([slice(0, 2), slice(2, 4)], np.array([[1, 0]]), steps=4, every=2)
    >>> [schedule(step, 0) for step in range(4)]
    [slice(2, 4, None), slice(2, 4, None), slice(0, 2, None), None]
    """
    return lambda step, number: parts[drawn[number, step // every]] if step + 1 < steps else None


def draw_parts(parts: int, passes: int, steps: int, every: int, name: str, seed: int) -> np.ndarray:
    """Draw random parts (pass, draw) for ``random_unit``, from a separate random generator.

    The study does not seed these draws, so they cannot be repeated; here they depend on the run seed and ``name``.
    All stimuli of a run have the same draws, so a metamer does not depend on its batch.

    Examples
    --------
    >>> from metamers.synthesize.schedules import draw_parts
    >>> draw_parts(parts=3, passes=2, steps=4, every=2, name="network/stage", seed=0).shape
    (2, 2)
    """
    entropy = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.default_rng(list(entropy)).integers(parts, size=(passes, -(-steps // every)))


def drawn_parts(module: nn.Module, activations: torch.Tensor) -> list[slice]:
    """The parts of a stage that ``random_unit`` draws from.

    These are the parts that the stage's module concatenates (``part_sizes``), or, without this attribute, each index of
    the second dimension.

    Parameters
    ----------
    module
        The module whose output is ``activations``.
    activations
        (stimulus, unit, …).

    Examples
    --------
    >>> import torch
    >>> from metamers.synthesize.schedules import drawn_parts
    >>> drawn_parts(torch.nn.ReLU(), torch.zeros(1, 2, 5))
    [slice(0, 1, None), slice(1, 2, None)]
    """
    sizes = getattr(module, "part_sizes", [1] * activations.shape[1])
    ends = np.cumsum(sizes)
    return [slice(end - size, end) for size, end in zip(sizes, ends.tolist(), strict=True)]


def units_by_step(
    model: Model, stage: str, activations: torch.Tensor, steps: float, passes: int, seed: int
) -> Callable[[int], Units]:
    """Return a function from the number of steps taken to the units that take part in the loss.

    Parameters
    ----------
    model, stage
        The stage's registry entry may have a ``schedule``.
    activations
        (stimulus, unit, …) at the stage.
    steps, passes
        Steps of each pass, or their mean, and number of passes.
    seed
        Run seed.

    Raises
    ------
    ValueError
        When the stage has other units than the network's schedule.

    Examples
    --------
    The stage has a single unit, so that is drawn. The second step of a pass, and the last pass, match all units.

    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.schedules import units_by_step
    >>> stages = {"mean": {"module": "0", "schedule": {"random_unit": {"steps": 2, "every": 1}}}}
    >>> network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1))
    >>> model = Model("mean", "vision", torch.nn.Identity(), network, stages)
    >>> units = units_by_step(model, "mean", torch.ones(1, 1, 1, 1), steps=2, passes=2, seed=0)
    >>> [units(taken) for taken in range(4)]
    [slice(0, 1, None), None, None, None]
    """
    settings = model.stages[stage]["schedule"]
    if settings is None or passes == 1:
        return all_units
    ((kind, options),) = settings.items()
    masks = model.network.coarse_to_fine() if kind == "coarse_to_fine" else None
    if activations.ndim < 2 or (masks is not None and activations.shape[1] != len(masks[0])):
        expected = len(masks[0]) if masks is not None else "unit"
        raise ValueError(
            f"models: {model.name}.stages.{stage}.schedule.{kind}: the stage has activations of shape "
            f"{tuple(activations.shape)}; expected (stimulus, {expected}, …)"
        )
    if masks is not None:
        schedule = coarse_to_fine(masks, options["every"])
    else:
        parts = drawn_parts(model.module_at(model.stages[stage]["module"], stage), activations)
        name = f"{model.name}/{stage}"
        drawn = draw_parts(len(parts), passes, options["steps"], options["every"], name, seed)
        schedule = random_unit(parts, drawn, options["steps"], options["every"])

    def units(taken: int) -> Units:
        number, step = map(int, divmod(taken, steps))
        return schedule(step, number) if number < passes - 1 else None

    return units
