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
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from metamers.contrasts import bootstrap_mean
from metamers.models import Model
from metamers.stimuli import MODALITIES
from metamers.synthesize import check_stage, normalized_error, published, synthesize

logger = logging.getLogger("metamers")

PROCEDURES = ("published", "one_cycle", "plenoptic")
FINEST = 4  # budgets of steps within a factor of two
WATCHED = 10  # steps of plenoptic after which its match is looked at
MOST = 3.0  # powers of two that a budget may grow or shrink by from the configured one


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


def steps_to_match(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Mapping[str, Any]],
    at_once: int,
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
    at_once
        Stimuli in a batch.
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

    def run(procedure: str, changed: Mapping[str, Any]) -> tuple[torch.Tensor, np.ndarray]:
        found = [
            synthesize(model, stage, *batch, procedure, settings[procedure] | changed, f"{procedure} {stage}")
            for batch in zip(natural.split(at_once), start.split(at_once), strict=True)
        ]
        metamers, loss = zip(*found, strict=True)
        return torch.cat(metamers), np.concatenate(loss)

    ended, loss = run("published", {})
    error = {"published": errors(ended)}
    wanted = float(error["published"].mean())
    curve = {"published": dict(enumerate(loss.mean(axis=0)))}
    reached = {"published": float(loss.shape[1])}
    most = {"published": loss.shape[1]}

    curve["one_cycle"] = {}
    tried = list(dict.fromkeys(budgets(settings["one_cycle"]["steps"])))
    place = len(tried) // 2
    kept: dict[int, np.ndarray] = {}
    # From the configured number up until the match is reached, or down until it is not.
    while 0 <= place < len(tried):
        steps = tried[place]
        ended, _ = run("one_cycle", {"steps": steps})
        kept[steps] = errors(ended)
        curve["one_cycle"][steps] = float(kept[steps].mean())
        logger.info("%s: one_cycle with %d steps: %.4f, wanted %.4f", stage, steps, curve["one_cycle"][steps], wanted)
        enough = curve["one_cycle"][steps] <= wanted
        if (tried[place - 1] in kept and enough) or (tried[min(place + 1, len(tried) - 1)] in kept and not enough):
            break
        place += -1 if enough else 1
    good = [steps for steps in kept if curve["one_cycle"][steps] <= wanted]
    reached["one_cycle"], most["one_cycle"] = float(min(good, default=np.nan)), max(kept)
    error["one_cycle"] = kept[min(good, default=max(kept))]

    go_on = plenoptic_steps(model, stage, natural, start)
    curve["plenoptic"] = {}
    for taken in range(WATCHED, most_of_plenoptic + WATCHED, WATCHED):
        error["plenoptic"] = errors(go_on(WATCHED))
        curve["plenoptic"][taken] = float(error["plenoptic"].mean())
        most["plenoptic"] = taken
        if curve["plenoptic"][taken] <= wanted:
            break
    reached["plenoptic"] = float(taken) if curve["plenoptic"][taken] <= wanted else np.nan
    logger.info("%s: match %.4f after steps %s", stage, wanted, reached)

    steps = sorted({step for one in curve.values() for step in one})
    return xr.Dataset(
        {
            "normalized_error": (("procedure", "stimulus"), np.stack([error[name] for name in PROCEDURES])),
            "steps_to_match": ("procedure", [reached[name] for name in PROCEDURES]),
            "steps_most": ("procedure", [most[name] for name in PROCEDURES]),
            "mean_error": (
                ("procedure", "step"),
                np.array([[curve[name].get(step, np.nan) for step in steps] for name in PROCEDURES], dtype=np.float32),
            ),
        },
        coords={"procedure": list(PROCEDURES), "step": steps},
    )


def published_at(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    wanted: np.ndarray,
    settings: Mapping[str, Any],
) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Metamers of the published procedure, each as it is when it first matches as well as is wanted of it.

    Parameters
    ----------
    model, stage
        Whose activations are to be matched.
    natural, start
        A batch of stimuli and starts (stimulus, …signal), on the CPU.
    wanted
        Normalized error (stimulus,).
    settings
        Of the procedure; it ends when every stimulus is there.

    Returns
    -------
    metamers
        As ``natural``; of a stimulus that does not get there the last one.
    normalized_error
        Theirs, (stimulus,).
    steps
        That each took, (stimulus,).
    """
    limits = MODALITIES[model.modality].limits
    target = check_stage(model, stage, natural)
    layout = torch.channels_last if natural.ndim == 4 else torch.contiguous_format
    metamers = start.clone(memory_format=layout).requires_grad_()
    kept, steps = start.clone(), np.zeros(len(natural), dtype=int)
    error = np.full(len(natural), np.inf, dtype=np.float32)
    for number, step in enumerate(published(metamers, **settings)):
        metamers.grad = None
        loss = normalized_error(target, model(metamers, stage).float())
        going_on = error > wanted
        with torch.no_grad():
            kept[going_on] = metamers.detach()[going_on]
        error[going_on], steps[going_on] = loss.detach().numpy()[going_on], number
        if (error <= wanted).all():
            break
        loss.sum().backward()
        with torch.no_grad():
            step()
            if limits is not None:
                metamers.clamp_(*limits)
    return kept, error, steps


def equally_recognized(correct: xr.DataArray, bootstrap: int, seed: int) -> dict[str, float]:
    """How much more often metamers of the fast procedure are recognized than those of the published one.

    Parameters
    ----------
    correct
        (kept_procedure, recognition_model, stimulus), 0 or 1, or a mean over stages; the procedures are
        ``published`` and ``one_cycle``.
    bootstrap, seed
        Samples of the interval, and their seed.

    Returns
    -------
    dict
        ``recognized_published``, ``recognized_one_cycle``: proportions correct; ``difference``, ``difference_low``,
        ``difference_high``: the second minus the first, paired by stimulus, with a 95% bootstrap interval over stimuli.
    """
    by_stimulus = correct.mean("recognition_model")
    paired = by_stimulus.sel(kept_procedure="one_cycle") - by_stimulus.sel(kept_procedure="published")
    difference, low, high = bootstrap_mean(paired.values, bootstrap, seed)
    proportions = by_stimulus.mean("stimulus")
    return {
        "recognized_published": float(proportions.sel(kept_procedure="published")),
        "recognized_one_cycle": float(proportions.sel(kept_procedure="one_cycle")),
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
    }
