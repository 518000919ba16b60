"""Metamers of the extensions: of several models together, controversial ones, and from other starts.

One synthesis makes all of them. It lowers the root mean square of several models' normalized errors
(``metamers.synthesize.losses.joint_error``), and each model has its own stimulus to match. In an *ensemble*, all models
match the same stimulus (ensemble metamers: Boehm et al. 2025, arXiv:2504.01739). In a *controversial* metamer, one
model matches another stimulus than the others, so the models disagree about the category, as for controversial stimuli
(Golan, Raju & Kriegeskorte 2020, PNAS 117, 29330-29337). ``metamers.beyond.chosen`` decides which metamers are made;
``metamers.beyond.measure`` measures them, and ``metamers.beyond.compare`` evaluates them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from metamers.beyond.sets import NOISE, OTHER
from metamers.models.model import Model
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.synthesize.losses import Goal
from metamers.synthesize.memory import max_batch_size
from metamers.synthesize.metamers import check_stage, metamers_dataset, starts
from metamers.synthesize.noise import pink_noise
from metamers.synthesize.optimize import optimize
from metamers.synthesize.qualities import TO_TARGET
from metamers.synthesize.target import optimize_to_target

Fit = Callable[[torch.Tensor], torch.Tensor]


def fit_to(model: Model, sampling: Mapping[str, Any]) -> Fit:
    """A differentiable function that brings stimuli to a model's size or rate, if they differ from it."""
    return lambda stimuli: model.preprocessing.fit(stimuli, **sampling)


def joint_max_batch_size(
    members: Mapping[str, Model], stages: Mapping[str, str], stimulus: torch.Tensor, fits: Mapping[str, Fit]
) -> int:
    """The largest number of stimuli to optimize together, at least 1, if every member keeps its activations."""
    each = [max_batch_size(model, stages[name], fits[name](stimulus)) for name, model in members.items()]
    return max(1, int(1 / sum(1 / number for number in each)))


def starts_of(
    kind: str, model: Model, stimuli: Sequence[str], other: torch.Tensor, seeds: int, run_seed: int
) -> torch.Tensor:
    """The start of each synthesis, on the model's device.

    Parameters
    ----------
    kind
        ``noise``: the noise of the first metamer seed. ``other_noise``: of the first seed that the run does not use.
        ``pink_noise``. ``stimulus``: another natural stimulus.
    model
        The model whose shape of stimuli is used.
    stimuli
        Names of the natural stimuli.
    other
        Another natural stimulus for each, (stimulus, *model.preprocessing.signal_shape).
    seeds, run_seed
        Number of metamer seeds of the run, and the run seed.

    Returns
    -------
    torch.Tensor
        (stimulus, *model.preprocessing.signal_shape).
    """
    if kind == "stimulus":
        return other.clone()
    if kind == "pink_noise":
        shape = model.preprocessing.signal_shape
        noise = np.stack([pink_noise(model.modality, shape, name, 0, run_seed, model.start) for name in stimuli])
        return torch.from_numpy(noise).to(other.device)
    return starts(model, stimuli, [0 if kind == NOISE else seeds], run_seed)


def case_metamers(
    members: Mapping[str, Model],
    stages: Mapping[str, str],
    matched: Mapping[str, str],
    natural: Mapping[str, torch.Tensor],
    start: torch.Tensor,
    sampling: Mapping[str, Any],
    procedure: str,
    settings: Mapping[str, Any],
    label: str = "",
    progress: Progress = NO_CHECKPOINT,
    part: str = "",
    seed: int = 0,
    target_errors: Mapping[str, float | None] | None = None,
    max_batch_size: int | None = None,
) -> xr.Dataset:
    """Metamers of one case at one position.

    Parameters
    ----------
    members
        Models of one modality by name; metamers have the first one's size or rate.
    stages, matched
        Member → its stage, and whether it matches the stimulus itself (``own``) or the ``other`` one.
    natural
        ``own`` and ``other`` → stimuli (stimulus, …signal), in the first member's size or rate.
    start
        The start of the synthesis, in the same shape.
    sampling
        How these stimuli are sampled (``metamers.modalities.sampling_of``).
    procedure, settings, label, progress, part, seed, max_batch_size
        See ``metamers.synthesize.metamers.synthesize``.
    target_errors
        Member → normalized error at which synthesis ends; only for the procedure ``to_target``.

    Returns
    -------
    xarray.Dataset
        (stimulus, …signal) → ``metamer``; (stimulus, step) → ``loss``, the joint error before each step.

    Raises
    ------
    ValueError
        When synthesis cannot work at a stage (``metamers.synthesize.metamers.check_stage``), or the loss becomes NaN or
        infinite.
    """
    fits = {name: fit_to(model, sampling) for name, model in members.items()}
    errors = target_errors or {}

    def goals_of(stimuli: Sequence[int]) -> list[Goal]:
        of_member = {name: fits[name](natural[matched[name]][stimuli]) for name in members}
        return [
            Goal(model, stages[name], check_stage(model, stages[name], of_member[name]), fits[name], errors.get(name))
            for name, model in members.items()
        ]

    if procedure == TO_TARGET:
        metamers, loss = optimize_to_target(goals_of, start, settings, max_batch_size, label, progress, part)
    else:
        metamers, loss = optimize(goals_of(range(len(start))), start, procedure, settings, label, progress, part, seed)
    modality = next(iter(members.values())).modality
    return metamers_dataset(modality, ("stimulus",), metamers.cpu().numpy(), {}, {}, sampling, loss)


def set_dataset(
    cases: Mapping[str, Mapping[float, xr.Dataset]],
    categories: xr.DataArray,
    stimuli: Mapping[str, str],
    stages: Mapping[str, Sequence[str]],
    matched: Mapping[str, Mapping[str, str]],
) -> xr.Dataset:
    """The content of ``beyond/synthesis/<set>.nc`` for some stimuli: all cases, at all positions.

    Parameters
    ----------
    cases
        Case → depth → the result of ``case_metamers``.
    categories
        True category (stimulus) of all natural stimuli, by name.
    stimuli
        Stimulus → its other stimulus.
    stages
        Member → its stages, one for each position.
    matched
        Case → member → ``own`` or ``other``.

    Returns
    -------
    xarray.Dataset
        (stimulus, case, depth, …) → the variables of ``case_metamers``; (stimulus) → ``category``, ``other_stimulus``,
        ``other_category``; (member) → ``member``; (member, depth) → ``member_stage``; (case, member) →
        ``matches_other``.
    """
    depths = [xr.concat(list(of_case.values()), "depth") for of_case in cases.values()]
    of_set = xr.concat(depths, "case").transpose("stimulus", "case", "depth", ...)
    names, others = list(stimuli), list(stimuli.values())
    return of_set.assign_coords(
        stimulus=names,
        category=("stimulus", categories.sel(stimulus=names).values),
        other_stimulus=("stimulus", others),
        other_category=("stimulus", categories.sel(stimulus=others).values),
        case=list(cases),
        depth=list(next(iter(cases.values()))),
        member=list(stages),
        member_stage=(("member", "depth"), [list(of_member) for of_member in stages.values()]),
        matches_other=(
            ("case", "member"),
            [[which == OTHER for which in of_case.values()] for of_case in matched.values()],
        ),
    )
