"""Steps: how many the published schedule and plenoptic need to the match at which a quality ends.

All have the same starts. The published *schedule* has equally many steps of each of its step sizes. plenoptic (Duong
and others, Journal of Vision 23(9), 5822, 2023; github.com/plenoptic-org/plenoptic) has, at each number of steps, the
best of several settings (``PLENOPTIC``). Numbers of steps depend little on the machine; the cost of a step is measured
in ``studies.benchmark.speed``.
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import nn

from metamers.modalities import MODALITIES
from metamers.models.model import Model
from metamers.synthesize.metamers import synthesize
from metamers.synthesize.qualities import QUALITIES as PROCEDURE_OF
from metamers.synthesize.qualities import with_number_of_steps
from studies.benchmark.match import EQUAL_MATCH
from studies.benchmark.measure import errors_at

REFERENCES = ("published", "plenoptic")
FEWEST = 32  # steps of the shortest synthesis; each further one has twice as many


class PlenopticSettings(NamedTuple):
    """Settings of plenoptic: Adam without AMSGrad, at a rate of one cycle through plenoptic's own ``scheduler``."""

    rate: float  # peak
    betas: tuple[float, float]


# Modality → the settings of which the best is taken at each number of steps. The loss is the sum over stimuli of the
# logarithm of the length of the difference, which plenoptic takes as ``loss_function``. Tried before, with two stimuli
# and 200 steps at two stages (EfficientNet-Lite0 block_1, block_5; CochCNN9 relu3, final): the mean squared error,
# plenoptic's default, and the length of the difference of all stimuli; rates of 0.1, of 0.01 for images and 0.003 for
# sounds; averages of 0.9 and 0.999; AMSGrad, plenoptic's default; a rise of the rate during 10% instead of 30% of the
# steps. Not tried: other optimizers, and other penalties on values outside 0 to 1 than plenoptic's own.
PLENOPTIC = {
    modality: tuple(PlenopticSettings(rate, betas) for rate, betas in product(rates, ((0.8, 0.95), (0.95, 0.99))))
    for modality, rates in {"vision": (0.02, 0.05), "audio": (0.01, 0.03)}.items()
}


class _Truncated(nn.Module):
    """A model up to a stage, for stimuli with four dimensions, as plenoptic needs them."""

    def __init__(self, model: Model, stage: str):
        super().__init__()
        self.model = model
        self.stage = stage

    def forward(self, stimuli: torch.Tensor) -> torch.Tensor:
        signal_shape = self.model.preprocessing.signal_shape
        return self.model(stimuli.reshape(len(stimuli), *signal_shape), self.stage).float()


def _sum_of_log_lengths(synthetic: torch.Tensor, natural: torch.Tensor) -> torch.Tensor:
    return torch.linalg.vector_norm((synthetic - natural).flatten(1), dim=1).log().sum()


def plenoptic_steps(
    model: Model, stage: str, natural: torch.Tensor, start: torch.Tensor, settings: PlenopticSettings, total: int
) -> Callable[[int], torch.Tensor]:
    """plenoptic's metamer synthesis.

    Its penalty on values outside 0 to 1 is off for modalities with other limits, and its stopping criterion is off.

    Parameters
    ----------
    model, stage, natural, start
        As for ``steps_to_match``.
    settings, total
        Settings, and the number of steps of the cycle.

    Returns
    -------
    callable
        Takes a number of further steps; returns the metamers (stimulus, …signal) after them, within the modality's
        limits.

    Raises
    ------
    ModuleNotFoundError
        When plenoptic is not installed; the message says how to install it.
    """
    try:
        import plenoptic
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the benchmark compares with plenoptic, which is not installed: run `make benchmark`, or "
            "`pip install --require-hashes -r envs/benchmark.lock`"
        ) from error
    shape, limits = natural.shape, MODALITIES[model.modality].limits
    four = shape if len(shape) == 4 else (len(natural), 1, 1, shape[-1])
    options: dict[str, Any] = {"loss_function": _sum_of_log_lengths}
    if limits != (0, 1):
        options["penalty_lambda"] = 0.0
    with _quietly():
        synthesis = plenoptic.Metamer(natural.reshape(four), _Truncated(model, stage).eval(), **options)
        synthesis.setup(
            initial_image=start.reshape(four),
            optimizer=torch.optim.Adam,
            optimizer_kwargs={"lr": settings.rate, "betas": settings.betas},
            scheduler=torch.optim.lr_scheduler.OneCycleLR,
            scheduler_kwargs={"max_lr": settings.rate, "total_steps": total + 1, "cycle_momentum": False},
        )

    def advance(steps: int) -> torch.Tensor:
        with _quietly():
            synthesis.synthesize(max_iter=steps, stop_criterion=0.0)
        return synthesis.metamer.detach().reshape(shape).clamp(*limits)

    return advance


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without plenoptic's warnings about models in training mode and values outside 0 to 1, and its progress bar."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@dataclass
class Curve:
    """The error at the end of syntheses of a reference, each with twice as many steps as the one before.

    Attributes
    ----------
    error_of
        From a number of steps to the mean normalized error at the end.
    most
        Largest number of steps.
    errors
        Number of steps → error, of the syntheses that were needed so far.
    """

    error_of: Callable[[int], float]
    most: int
    errors: dict[int, float] = field(default_factory=dict)

    def steps_to(self, wanted: float) -> float:
        """The smallest number of steps with this error, interpolated in logarithms; NaN if ``most`` do not suffice."""
        steps, before = min(FEWEST, self.most), None
        while True:
            if steps not in self.errors:
                self.errors[steps] = self.error_of(steps)
            if self.errors[steps] <= (1 + EQUAL_MATCH) * wanted:
                return self._between(before, steps, wanted)
            if steps == self.most:
                return np.nan
            before, steps = steps, min(2 * steps, self.most)

    def _between(self, fewer: int | None, enough: int, wanted: float) -> float:
        if fewer is None or self.errors[enough] >= wanted:
            return float(enough)
        above, below = (np.log(self.errors[steps] / wanted) for steps in (fewer, enough))
        return float(fewer * (enough / fewer) ** (above / (above - below)))


def steps_to_match(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Mapping[str, Any]],
    qualities: Sequence[str],
    most: int,
) -> xr.Dataset:
    """Steps of each quality, and those of the published schedule and of plenoptic to its match, mean over stimuli.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    natural, start
        Stimuli and starts (stimulus, …signal).
    settings
        Quality → settings of its procedure, with ``target_error`` where it has a target; also those of ``published``,
        without regard to its number of steps.
    qualities
        The qualities, without ``published``.
    most
        Largest number of steps of the published schedule, over all step sizes, and of plenoptic.

    Returns
    -------
    xarray.Dataset
        (quality, stimulus) → ``normalized_error`` at the end, and ``steps``; (quality, reference) → ``steps_to_match``,
        NaN if the match was not reached; ``steps_most``.
    """
    errors = errors_at(model, stage, natural)

    def published(steps: int) -> float:
        changed = with_number_of_steps(settings["published"], steps)
        metamers, _ = synthesize(model, stage, natural, start, "published", changed, f"published {stage} {steps}")
        return float(errors(metamers).mean())

    def plenoptic(steps: int) -> float:
        return min(
            float(errors(plenoptic_steps(model, stage, natural, start, one, steps)(steps)).mean())
            for one in PLENOPTIC[model.modality]
        )

    curves = [Curve(error_of, most) for error_of in (published, plenoptic)]
    error, own_steps, of_references = [], [], []
    for quality in qualities:
        metamers, loss = synthesize(
            model, stage, natural, start, PROCEDURE_OF[quality], settings[quality], f"{quality} {stage}"
        )
        error.append(errors(metamers))
        own_steps.append(np.isfinite(loss).sum(axis=1))
        of_references.append([curve.steps_to(float(error[-1].mean())) for curve in curves])
    return xr.Dataset(
        {
            "normalized_error": (("quality", "stimulus"), np.stack(error)),
            "steps": (("quality", "stimulus"), np.stack(own_steps)),
            "steps_to_match": (("quality", "reference"), np.array(of_references)),
            "steps_most": most,
        },
        coords={"quality": list(qualities), "reference": list(REFERENCES)},
    )


def sentences(matched: xr.Dataset) -> list[str]:
    """The findings at one stage: a sentence for each quality.

    Parameters
    ----------
    matched
        Result of ``steps_to_match``.
    """
    lines = []
    for quality in map(str, matched["quality"].values):
        one = matched.sel(quality=quality)
        own_steps, error = float(one["steps"].mean()), float(one["normalized_error"].mean())
        parts = [f"{quality} ends at a normalized error of {error:.3g} in {own_steps:.0f} steps"]
        for reference, title in (("published", "the published schedule"), ("plenoptic", "plenoptic")):
            steps = float(one["steps_to_match"].sel(reference=reference))
            if np.isfinite(steps):
                parts.append(f"{title} takes {steps:.0f}, {steps / own_steps:.2g} times as many")
            else:
                parts.append(f"{title} does not reach it in {int(one['steps_most'])}")
        lines.append("; ".join(parts))
    return lines
