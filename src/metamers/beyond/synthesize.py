"""Metamers of the extensions: of several models together, controversial ones, and from other starts.

One synthesis makes all of them. It lowers the root mean square of several models' normalized errors
(``metamers.synthesize.losses.joint_error``), and each model has its own stimulus to match. In an *ensemble*, all models
match the same stimulus (ensemble metamers: Boehm et al. 2025, arXiv:2504.01739). In a *controversial* metamer, one
model matches another stimulus than the others, so the models disagree about the category, as for controversial stimuli
(Golan, Raju & Kriegeskorte 2020, PNAS 117, 29330-29337). ``metamers.config.beyond`` decides which metamers are made;
``metamers.beyond.compare`` evaluates them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from metamers.config.beyond import NOISE, OTHER, OWN
from metamers.config.qualities import TO_TARGET
from metamers.match import match_each
from metamers.models.model import Model, activations
from metamers.recognize import recognize
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.stimuli.formats import FORMATS
from metamers.synthesize.batches import max_batch_size
from metamers.synthesize.losses import Goal
from metamers.synthesize.metamers import check_stage, measure, metamers_dataset, starts
from metamers.synthesize.noise import pink_noise
from metamers.synthesize.optimize import optimize
from metamers.synthesize.target import optimize_to_target

Fit = Callable[[torch.Tensor], torch.Tensor]


def fit_to(model: Model, rate_hz: float | None) -> Fit:
    """A differentiable function that brings stimuli to a model's size or rate, if they differ from it."""
    return lambda stimuli: model.preprocessing.fit(stimuli, rate_hz)


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


def natural_categories(
    members: Mapping[str, Model],
    matched: Mapping[str, Mapping[str, str]],
    natural: Mapping[str, torch.Tensor],
    rate_hz: float | None,
    classes: Mapping[str, Sequence[int]],
) -> xr.DataArray:
    """The category, right or wrong, that each member gives to the natural stimulus that it matches.

    Parameters
    ----------
    members
        Models of one modality by name.
    matched
        Case → member → ``own`` or ``other``.
    natural
        ``own`` and ``other`` → stimuli (stimulus, …signal), in the first member's size or rate. The members get them as
        they would be exported.
    rate_hz
        Sampling rate of these sounds; None for images.
    classes
        Category → class indices.

    Returns
    -------
    xarray.DataArray
        (stimulus, case, member), text.
    """
    as_exported = FORMATS[next(iter(members.values())).modality].as_exported
    exported = {which: as_exported(stimuli.cpu().numpy()) for which, stimuli in natural.items()}
    given = {
        name: {which: recognize(model, shown, rate_hz, classes) for which, shown in exported.items()}
        for name, model in members.items()
    }
    by_case = [[given[name][which] for name, which in of_case.items()] for of_case in matched.values()]
    return xr.DataArray(np.moveaxis(np.array(by_case), -1, 0), dims=("stimulus", "case", "member"))


def case_metamers(
    members: Mapping[str, Model],
    stages: Mapping[str, str],
    matched: Mapping[str, str],
    natural: Mapping[str, torch.Tensor],
    start: torch.Tensor,
    classes: Mapping[str, Sequence[int]],
    rate_hz: float | None,
    procedure: str,
    settings: Mapping[str, Any],
    label: str = "",
    progress: Progress = NO_CHECKPOINT,
    part: str = "",
    seed: int = 0,
    target_errors: Mapping[str, float | None] | None = None,
) -> xr.Dataset:
    """Metamers of one case at one depth, and their match for each member.

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
    classes
        Category → class indices.
    rate_hz
        Sampling rate of these sounds; None for images.
    procedure, settings, label, progress, part, seed
        See ``metamers.synthesize.metamers.synthesize``.
    target_errors
        Member → normalized error at which synthesis ends; only for the procedure ``to_target``.

    Returns
    -------
    xarray.Dataset
        (stimulus, …signal) → ``metamer``; (stimulus, step) → ``loss``, the joint error before each step; (stimulus,
        member) → the measures of match with the stimulus that the member matches, ``other_error``, the normalized error
        to the other one, ``predicted_category`` of the exported metamer, and ``converged``, whether the member's error
        has reached its target, if there is one.

    Raises
    ------
    ValueError
        When synthesis cannot work at a stage (``metamers.synthesize.metamers.check_stage``), or the loss becomes NaN or
        infinite.
    """
    fits = {name: fit_to(model, rate_hz) for name, model in members.items()}

    errors = target_errors or {}

    def goals_of(stimuli: Sequence[int]) -> list[Goal]:
        shown = {name: fits[name](natural[matched[name]][stimuli]) for name in members}
        return [
            Goal(model, stages[name], check_stage(model, stages[name], shown[name]), fits[name], errors.get(name))
            for name, model in members.items()
        ]

    goals = goals_of(range(len(start)))
    if procedure == TO_TARGET:
        metamers, loss = optimize_to_target(goals_of, start, settings, None, label, progress, part)
    else:
        metamers, loss = optimize(goals, start, procedure, settings, label, progress, part, seed)
    modality = goals[0].model.modality
    signal = metamers.cpu().numpy()
    exported = FORMATS[modality].as_exported(signal)
    measured: dict[str, list[np.ndarray]] = {}
    for goal, (name, model) in zip(goals, members.items(), strict=True):
        reached = activations(model, goal.fit(metamers), goal.stage)
        wanted, not_wanted = (
            activations(model, goal.fit(natural[which]), goal.stage)
            for which in (matched[name], OWN if matched[name] == OTHER else OTHER)
        )
        of_member = measure(model, wanted, reached, exported, rate_hz, classes, goal.target_error)
        of_member["other_error"] = match_each(not_wanted, reached)["normalized_error"]
        for key, values in of_member.items():
            measured.setdefault(key, []).append(values)
    return metamers_dataset(
        modality,
        ("stimulus",),
        signal,
        {key: np.stack(values, axis=1) for key, values in measured.items()},
        {"member": list(members)},
        rate_hz,
        loss,
    )


def set_dataset(
    cases: Mapping[str, Mapping[float, xr.Dataset]],
    natural_category: xr.DataArray,
    categories: xr.DataArray,
    stimuli: Mapping[str, str],
    stages: Mapping[str, Sequence[str]],
    matched: Mapping[str, Mapping[str, str]],
) -> xr.Dataset:
    """The content of ``beyond/metamers/<set>.nc`` for some stimuli: all cases, at all depths.

    Parameters
    ----------
    cases
        Case → depth → the result of ``case_metamers``.
    natural_category
        Result of ``natural_categories``.
    categories
        True category (stimulus) of all natural stimuli, by name.
    stimuli
        Stimulus → its other stimulus.
    stages
        Member → its stages, one for each depth.
    matched
        Case → member → ``own`` or ``other``.

    Returns
    -------
    xarray.Dataset
        (stimulus, case, depth, …) → the variables of ``case_metamers``; ``natural_category`` (stimulus, case, member);
        (stimulus) → ``category``, ``other_stimulus``, ``other_category``; (member, depth) → ``member_stage``; (case,
        member) → ``matches_other``.
    """
    depths = [xr.concat(list(of_case.values()), "depth") for of_case in cases.values()]
    found = xr.concat(depths, "case").transpose("stimulus", "case", "depth", ...)
    found["natural_category"] = natural_category
    names, others = list(stimuli), list(stimuli.values())
    return found.assign_coords(
        stimulus=names,
        category=("stimulus", categories.sel(stimulus=names).values),
        other_stimulus=("stimulus", others),
        other_category=("stimulus", categories.sel(stimulus=others).values),
        case=list(cases),
        depth=list(next(iter(cases.values()))),
        member_stage=(("member", "depth"), [list(of_member) for of_member in stages.values()]),
        matches_other=(
            ("case", "member"),
            [[which == OTHER for which in of_case.values()] for of_case in matched.values()],
        ),
    )
