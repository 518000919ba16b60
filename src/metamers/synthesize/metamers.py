"""Synthesis: from noise to a stimulus whose activations at one stage equal those of a natural stimulus.

Three procedures minimize the same loss, the normalized error at the stage, over the stimulus alone: ``published``
(Feather et al. 2023, Methods); ``one_cycle``, which reaches the same match in fewer steps; and ``to_target``, which
takes steps until the error has reached a target (``metamers.synthesize.target``). Nothing favours natural-looking
solutions, unless the settings ask for a penalty (``metamers.synthesize.penalties``). The stimuli of a batch do not
influence each other. The module also defines what a file of metamers holds (``metamers_dataset``). Metamers are
measured in ``metamers.synthesize.measure``, which synthesis does not import, so that another measure does not repeat
it.

The parts of ``one_cycle`` were chosen by measurement (studies/README.md).
``published`` follows the study's own code step for step (tests/synthesize/test_published.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr

from metamers.modalities import MODALITIES
from metamers.models.model import Model
from metamers.run.progress import NO_CHECKPOINT, Progress
from metamers.synthesize.losses import Goal
from metamers.synthesize.noise import start_noise
from metamers.synthesize.optimize import OnStep, optimize
from metamers.synthesize.schedules import units_by_step
from metamers.synthesize.target import optimize_to_target


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

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.metamers import starts
    >>> from metamers.models.preprocessing import ImagePreprocessing
    >>> grey = ImagePreprocessing(size=2, mean=[0.0], std=[1.0])
    >>> model = Model("brightest pixel", "vision", grey, torch.nn.Flatten(), {"pixels": "scores"})
    >>> starts(model, ["dog", "cat"], seeds=[0, 1], run_seed=0).shape
    torch.Size([4, 1, 2, 2])
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

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.metamers import check_stage
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> check_stage(model, "pixels", torch.ones(1, 1, 2, 2))
    tensor([[1., 1., 1., 1.]])
    >>> check_stage(model, "pixels", torch.zeros(1, 1, 2, 2))
    Traceback (most recent call last):
        ...
    ValueError: model pixels: a stimulus has only zero activations at stage 'pixels', nothing to match: ...
    """
    with torch.no_grad():
        activations = model(natural, stage)
    if activations.shape[:1] != natural.shape[:1]:
        raise ValueError(
            f"model {model.name}: activations at stage {stage!r} have shape {tuple(activations.shape)} for "
            f"{len(natural)} stimuli; wanted ({len(natural)}, …), values for each stimulus"
        )
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
    max_batch_size: int | None = None,
) -> tuple[torch.Tensor, np.ndarray]:
    """Synthesize metamers of stimuli: in a number of steps, or to a target.

    Parameters
    ----------
    model, stage
        The generation model and the stage whose activations are matched.
    natural
        Natural stimuli (stimulus, *model.preprocessing.signal_shape).
    start
        The start of the synthesis, in the same shape.
    procedure
        A name from ``metamers.synthesize.procedures.PROCEDURES``, or ``to_target``.
    settings
        The procedure's parameters, and optionally ``metamers.synthesize.qualities.DRAFT_SETTINGS``: the shares of the
        steps, from the first one, with the network in bfloat16, if device and stage support it, and with rough
        cochleagrams (``metamers.synthesize.drafts``). With ``max_steps`` and ``target_error`` instead of ``steps``,
        synthesis of a stimulus ends when its normalized error has reached this target
        (``metamers.synthesize.target``), and these keys are true or false. ``penalty`` is optional
        (``metamers.synthesize.penalties.penalty_of``).
    label
        Beginning of the lines in the log.
    progress, part
        Where the state of this synthesis is saved, and its name there. A saved state is continued; the result equals
        that of a synthesis without interruption.
    seed
        Run seed, for schedules with random draws.
    on_step
        Called with the loss (stimulus,) before each step, for example to move a progress bar.
    max_batch_size
        With a target, the maximum number of stimuli that are optimized together; None: all; on a CPU it is always
        ``metamers.models.batches.CPU_BATCH_SIZE_TO_TARGET``. Stimuli that have reached the target leave the
        batches. Without a target, all stimuli are optimized together.

    Returns
    -------
    metamers
        (stimulus, …signal), in the shape of ``natural``, within the modality's limits.
    loss
        Normalized error before each step, (stimulus, step), of the units that take part in that step. With a target, it
        is NaN after the last step of a stimulus.

    Raises
    ------
    ValueError
        When synthesis cannot work at the stage (``check_stage``), or the loss becomes NaN or infinite.

    Examples
    --------
    The activations of this network are the pixels, so the metamer is the natural stimulus. The start is at the distance
    1 of it, which one step of length 1 reaches.

    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.metamers import synthesize
    >>> model = Model("pixels", "vision", torch.nn.Identity(), torch.nn.Flatten(), {"pixels": "scores"})
    >>> natural, start = torch.full((1, 1, 2, 2), 0.75), torch.full((1, 1, 2, 2), 0.25)
    >>> settings = {"steps": 1, "step_size": 1.0, "halvings": 0}
    >>> metamer, loss = synthesize(model, "pixels", natural, start, "published", settings)
    >>> metamer.flatten().round(decimals=4), loss.round(4)
    (tensor([0.7500, 0.7500, 0.7500, 0.7500]), array([[0.6667]], dtype=float32))
    """
    if "target_error" in settings:
        return optimize_to_target(
            lambda some: [
                Goal(model, stage, check_stage(model, stage, natural[some]), target_error=settings["target_error"])
            ],
            *(start, settings, max_batch_size, label, progress, part, on_step),
        )
    goal = Goal(model, stage, check_stage(model, stage, natural))
    return optimize([goal], start, procedure, settings, label, progress, part, seed, on_step)


def make_metamers(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    stimuli: Sequence[str],
    seeds: Sequence[int],
    run_seed: int,
    procedure: str,
    settings: Mapping[str, Any],
    **more: Any,
) -> xr.Dataset:
    """Make metamers of stimuli at a stage, for all metamer seeds.

    Parameters
    ----------
    model, stage, procedure, settings
        As for ``synthesize``.
    natural
        Natural stimuli (stimulus, *model.preprocessing.signal_shape).
    stimuli
        Their names.
    seeds, run_seed
        As for ``starts``.
    **more
        Further arguments of ``synthesize``: ``label``, ``progress``, ``part``, ``on_step``, ``max_batch_size``.

    Returns
    -------
    xarray.Dataset
        (stimulus, seed, …) → ``metamer``; (stimulus, seed, step) → ``loss``; (stimulus, seed) → ``steps``, the number
        of steps taken.

    Raises
    ------
    ValueError
        As ``synthesize``.

    Examples
    --------
    >>> import torch
    >>> from metamers.models.model import Model
    >>> from metamers.synthesize.metamers import make_metamers
    >>> from metamers.models.preprocessing import ImagePreprocessing
    >>> grey = ImagePreprocessing(size=2, mean=[0.0], std=[1.0])
    >>> model = Model("brightest pixel", "vision", grey, torch.nn.Flatten(), {"pixels": "scores"})
    >>> natural = torch.full((1, 1, 2, 2), 0.75)
    >>> settings = {"steps": 3, "step_size": 1.0, "halvings": 7}
    >>> made = make_metamers(model, "pixels", natural, ["square"], [0, 1], 0, "published", settings)
    >>> made["metamer"].dims, made["metamer"].shape
    (('stimulus', 'seed', 'channel', 'row', 'column'), (1, 2, 1, 2, 2))
    >>> bool((made["loss"].isel(step=-1) < 0.01).all())
    True
    """
    metamers, loss = synthesize(
        *(model, stage, natural.repeat_interleave(len(seeds), dim=0)),
        *(starts(model, stimuli, seeds, run_seed), procedure, settings),
        seed=run_seed,
        **more,
    )
    each = (len(stimuli), len(seeds))
    return metamers_dataset(
        model.modality,
        ("stimulus", "seed"),
        metamers.cpu().numpy().reshape(*each, *metamers.shape[1:]),
        {"steps": np.isfinite(loss).sum(axis=1).reshape(each)},
        {"stimulus": list(stimuli), "seed": list(seeds)},
        model.sampling,
        loss.reshape(*each, -1),
    )


def metamers_dataset(
    modality: str,
    dims: Sequence[str],
    metamers: np.ndarray,
    measured: Mapping[str, np.ndarray],
    coordinates: Mapping[str, Any],
    sampling: Mapping[str, Any],
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
        Name → values (*dims). Values that do not depend on the last dimensions, such as ``natural_category``, may lack
        these.
    coordinates
        Coordinates of the file, as for ``xarray.Dataset``.
    sampling
        How their values are sampled, the attributes of the file (``metamers.modalities.sampling_of``).
    loss
        Loss before each step, (*dims, step); None if the file has no loss.

    Returns
    -------
    xarray.Dataset
        ``metamer``, the variables of ``measured``, and ``loss``.

    Examples
    --------
    >>> import numpy as np
    >>> from metamers.synthesize.metamers import metamers_dataset
    >>> measured, names = {"steps": np.array([5, 7])}, {"stimulus": ["cat", "dog"]}
    >>> made = metamers_dataset("vision", ("stimulus",), np.zeros((2, 3, 8, 8)), measured, names, {})
    >>> made["metamer"].dims, made["steps"].dims
    (('stimulus', 'channel', 'row', 'column'), ('stimulus',))
    """
    variables = {"metamer": ((*dims, *MODALITIES[modality].dims), metamers)}
    variables |= {name: (dims[: np.ndim(values)], values) for name, values in measured.items()}
    if loss is not None:
        variables["loss"] = ((*dims, "step"), loss)
    return xr.Dataset(variables, coords=coordinates, attrs=dict(sampling))
