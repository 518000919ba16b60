"""Invariance of a stage: distances between metamers of one stimulus from different starts.

Two metamers of a stimulus have equal activations at the stage, so the stage is invariant to their difference. The
difference is measured in the stimulus and at every stage, relative to the distance between different natural stimuli: 0
if the stage determines the stimulus, 1 if the metamers are as far apart as different stimuli. For a linear model with
matrix W, the difference is (1 − W⁺W) times that of the starts. ``metamers.beyond.synthesize`` makes the metamers.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
import xarray as xr

from metamers.beyond.sets import NOISE
from metamers.models.model import Model
from metamers.names import INPUT_STAGE

BATCH = 8


@torch.no_grad()
def by_stage(model: Model, stimuli: torch.Tensor) -> Iterator[dict[str, torch.Tensor]]:
    """Activations of stimuli (stimulus, …signal) at all stages, batch by batch: stage → (stimulus, unit), float64.

    On the CPU, because some devices lack float64.
    """
    for batch in stimuli.split(BATCH):
        with model.all_stages() as activations:
            model.run(batch)
        activations[INPUT_STAGE] = batch
        yield {stage: activations[stage].flatten(1).cpu().double() for stage in model.stages if stage in activations}


def natural_distances(model: Model, natural: torch.Tensor) -> dict[str, float]:
    """Root mean square distance between the activations of different natural stimuli, stage → distance.

    Parameters
    ----------
    model, natural
        The model, and at least two stimuli (stimulus, …signal).
    """
    total: dict[str, torch.Tensor] = {}
    squares: dict[str, torch.Tensor] = {}
    for batch in by_stage(model, natural):
        for stage, values in batch.items():
            total[stage] = total.get(stage, 0) + values.sum(0)
            squares[stage] = squares.get(stage, 0) + values.square().sum()
    n = len(natural)
    # The sum of ‖a−b‖² over ordered pairs is 2n Σ‖a‖² − 2‖Σa‖².
    return {
        stage: float((2 * (n * squares[stage] - total[stage].square().sum()).clamp(min=0) / (n * (n - 1))).sqrt())
        for stage in total
    }


def distances(model: Model, one: torch.Tensor, other: torch.Tensor) -> dict[str, np.ndarray]:
    """Distance between the activations of each stimulus and its counterpart: stage → (stimulus,)."""
    pairs = zip(by_stage(model, one), by_stage(model, other), strict=True)
    batches = [{stage: torch.linalg.vector_norm(a[stage] - b[stage], dim=1) for stage in a} for a, b in pairs]
    return {stage: torch.cat([batch[stage] for batch in batches]).numpy() for stage in batches[0]}


def remaining(metamers: torch.Tensor, start: torch.Tensor, natural: torch.Tensor) -> np.ndarray:
    """The metamer's distance from the stimulus relative to the start's: ‖x−s‖/‖x₀−s‖, (stimulus,).

    For a linear model with matrix W it is ‖(1 − W⁺W)(x₀−s)‖/‖x₀−s‖.

    Parameters
    ----------
    metamers, start, natural
        x, x₀ and s, (stimulus, …signal).
    """
    now, before = (
        torch.linalg.vector_norm((stimuli - natural).cpu().double().flatten(1), dim=1) for stimuli in (metamers, start)
    )
    return (now / before).numpy()


def invariance(
    model: Model,
    usual: torch.Tensor,
    natural: torch.Tensor,
    starts: Mapping[str, torch.Tensor],
    metamers: Mapping[str, torch.Tensor],
) -> xr.Dataset:
    """Differences between metamers from other starts and metamers that started from noise, at every stage.

    Parameters
    ----------
    model
        The generation model.
    usual
        Natural stimuli (any number, …signal); their distances are the unit.
    natural
        The natural stimuli of the metamers, (stimulus, …signal).
    starts
        Kind of start → starts (stimulus, …signal), including ``noise``.
    metamers
        Kind of start → (depth, stimulus, …signal).

    Returns
    -------
    xarray.Dataset
        ``measured_stage`` has all stages in processing order. (start, depth, stimulus, measured_stage) →
        ``relative_difference`` from the metamer that started from noise; (start, stimulus, measured_stage) →
        ``start_difference``, the same of the starts; (start, depth, stimulus) → ``remaining``; (measured_stage) →
        ``natural_distance``, the divisor of the differences.
    """
    apart = natural_distances(model, usual)
    stages = list(apart)

    def relative(one: torch.Tensor, other: torch.Tensor) -> np.ndarray:
        absolute = distances(model, one, other)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([absolute[stage] / apart[stage] for stage in stages], axis=1)

    dims = ("start", "depth", "stimulus", "measured_stage")
    return xr.Dataset(
        {
            "relative_difference": (
                dims,
                np.stack(
                    [
                        [relative(one, other) for one, other in zip(metamers[kind], metamers[NOISE], strict=True)]
                        for kind in starts
                    ]
                ),
            ),
            "start_difference": (
                ("start", "stimulus", "measured_stage"),
                np.stack([relative(start, starts[NOISE]) for start in starts.values()]),
            ),
            "remaining": (
                dims[:3],
                np.stack([[remaining(one, starts[kind], natural) for one in metamers[kind]] for kind in starts]),
            ),
            "natural_distance": ("measured_stage", np.array(list(apart.values()))),
        },
        coords={"start": list(starts), "measured_stage": stages},
    )
