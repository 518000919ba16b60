"""Metamers past the study: of several models at once, controversial ones, and from other starts.

One synthesis makes all of them: it lowers the root mean square of several models' normalized errors
(``metamers.synthesize.joint_error``), and each model has a stimulus of its own to match. Of an *ensemble* all match the
same stimulus (ensemble metamers: Boehm et al. 2025, arXiv:2504.01739). Of what is *controversial* one model matches
another stimulus than the rest: to it the result is a metamer of that one, so that models disagree about what they see,
as they do about controversial stimuli (Golan, Raju & Kriegeskorte 2020, PNAS 117, 29330-29337). Which metamers are made
is for ``metamers.beyond_plan``, what they tell for ``metamers.beyond_compare``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from metamers.batches import at_once
from metamers.beyond_plan import NOISE, OTHER, OWN
from metamers.match import MEASURES, match
from metamers.models import Model, activations, fit_stimuli
from metamers.progress import NOTHING_KEPT, Progress
from metamers.recognize import answers, class_scores, recognize
from metamers.stimuli import MODALITIES, pink_noise
from metamers.synthesize import Goal, check_stage, optimize, starts

Fit = Callable[[torch.Tensor], torch.Tensor]


def fit_to(model: Model, rate_hz: float | None) -> Fit:
    """What brings stimuli of another size or rate to a model's, differentiable; those that fit stay as they are."""
    return lambda stimuli: model.preprocessing.fit(stimuli, rate_hz)


def at_once_for_all(
    members: Mapping[str, Model], stages: Mapping[str, str], stimulus: torch.Tensor, fits: Mapping[str, Fit]
) -> int:
    """How many stimuli to optimize at once, at least 1, when every member keeps its activations for each."""
    each = [at_once(model, stages[name], fits[name](stimulus)) for name, model in members.items()]
    return max(1, int(1 / sum(1 / number for number in each)))


def starts_of(
    kind: str, model: Model, stimuli: Sequence[str], other: torch.Tensor, seeds: int, run_seed: int
) -> torch.Tensor:
    """What syntheses start from, one for each stimulus, on the model's device.

    Parameters
    ----------
    kind
        ``noise``, the run's own start of its first seed; ``other_noise``, of the first seed that the run does not use;
        ``pink_noise``; ``stimulus``, another natural one.
    model
        In whose shape it is.
    stimuli
        Names.
    other
        Another natural stimulus for each, (stimulus, *model.preprocessing.signal_shape).
    seeds, run_seed
        How many seeds the run uses, and its own.
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
    """The category that each member gives to the natural stimulus that it has to match, right or wrong.

    Parameters
    ----------
    members
        Models of one modality by name.
    matched
        Case → member → ``own`` or ``other``.
    natural
        ``own`` and ``other`` → stimuli (stimulus, …signal), in the first member's size or rate. They are judged as they
        would be exported.
    rate_hz
        Sampling rate of these sounds; None for images.
    classes
        Category → class indices.

    Returns
    -------
    xarray.DataArray
        (stimulus, case, member), text.
    """
    as_exported = MODALITIES[next(iter(members.values())).modality].as_exported
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
    progress: Progress = NOTHING_KEPT,
    part: str = "",
    seed: int = 0,
) -> xr.Dataset:
    """Metamers of one case at one depth, and how well each member is matched.

    Parameters
    ----------
    members
        Models of one modality by name; what is synthesized has the first one's size or rate.
    stages, matched
        Of each member: the stage, and whether it is to match a stimulus itself (``own``) or the ``other`` one.
    natural
        ``own`` and ``other`` → stimuli (stimulus, …signal), in the first member's size or rate.
    start
        What synthesis starts from, of the same shape.
    classes
        Category → class indices.
    rate_hz
        Sampling rate of these sounds; None of pictures.
    procedure, settings, label, progress, part, seed
        As ``metamers.synthesize.synthesize`` takes them.

    Returns
    -------
    xarray.Dataset
        (stimulus, …signal) → ``metamer``; (stimulus, step) → ``loss``, the joint error before each step; (stimulus,
        member) → the measures of match with the stimulus that the member is to match, ``other_error``, its normalized
        error to the one that it is not to match, and ``predicted_category``, of the metamer as it is exported.

    Raises
    ------
    ValueError
        When synthesis cannot work at a stage (``metamers.synthesize.check_stage``), or the loss becomes NaN or
        infinite.
    """
    fits = {name: fit_to(model, rate_hz) for name, model in members.items()}
    goals = [
        Goal(model, stages[name], check_stage(model, stages[name], fits[name](natural[matched[name]])), fits[name])
        for name, model in members.items()
    ]
    metamers, loss = optimize(goals, start, procedure, settings, label, progress, part, seed)
    modality = MODALITIES[goals[0].model.modality]
    signal = metamers.cpu().numpy()
    exported = modality.as_exported(signal)
    measured: dict[str, list[np.ndarray]] = {key: [] for key in (*MEASURES, "other_error", "predicted_category")}
    for goal, (name, model) in zip(goals, members.items(), strict=True):
        reached = activations(model, goal.fit(metamers), goal.stage)
        wanted, not_wanted = (
            activations(model, goal.fit(natural[which]), goal.stage)
            for which in (matched[name], OWN if matched[name] == OTHER else OTHER)
        )
        matches = [match(a, b) for a, b in zip(wanted, reached, strict=True)]
        for key in MEASURES:
            measured[key].append(np.array([found[key] for found in matches]))
        apart = [match(a, b)["normalized_error"] for a, b in zip(not_wanted, reached, strict=True)]
        measured["other_error"].append(np.array(apart))
        scores = class_scores(model, fit_stimuli(model, exported, rate_hz))
        measured["predicted_category"].append(answers(scores, classes, name))
    return xr.Dataset(
        {"metamer": (("stimulus", *modality.dims), signal), "loss": (("stimulus", "step"), loss)}
        | {key: (("stimulus", "member"), np.stack(values, axis=1)) for key, values in measured.items()},
        coords={"member": list(members)},
    )
