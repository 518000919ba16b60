"""Measurement: plain implementations as references, operations of a step, and the machine.

The references lack this workflow's optimizations. The other modules of ``studies.benchmark`` decide what to compare.
"""

import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch.utils.flop_counter import FlopCounterMode

from metamers.models.cochleagram import ENVELOPE_RATE_HZ
from metamers.models.load import load_network, start_of
from metamers.models.model import Model, fit_dataset
from metamers.models.precision import native_bfloat16
from metamers.models.preprocessing import build_preprocessing
from metamers.names import INPUT_STAGE
from metamers.synthesize.losses import normalized_error
from metamers.synthesize.metamers import starts

BFLOAT16 = "bfloat16"  # in `instruction_sets`, if the processor computes it natively
SEPARATOR = "; "  # between the machines of several files, in the attributes `processor` and `instruction_sets`
MATRIX = 2048  # rows of the matrices whose product defines the peak rate of the machine


class WholeModel(Model):
    """A model that runs its whole network for any stage, as the study's program does (not verified)."""

    def _run_to(self, stage: str, stimuli: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():  # when calls of a ReLU are counted, calls beyond the stage must not be
            return super()._run_to(stage, stimuli)
        reached: list[torch.Tensor] = []
        # A copy, because later modules may work in place.
        keep = self.on_stage(stage, lambda activations: reached.append(activations.clone()))
        try:
            self.run(stimuli)
        finally:
            keep.remove()
        return reached[0]


def at_full_rate(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``input`` of a registry entry with its cochleagram, if it has one, computed at the full rate.

    Without a cochleagram, the input is unchanged. So it is if the sampling rate is not a multiple of the envelope rate,
    which the full rate needs.
    """
    if "sampling_rate_hz" not in given or given.get("preprocessing", "cochleagram") != "cochleagram":
        return dict(given)
    cochleagram = given.get("cochleagram", {})
    if given["sampling_rate_hz"] % cochleagram.get("envelope_rate_hz", ENVELOPE_RATE_HZ):
        return dict(given)
    return {**given, "cochleagram": {**cochleagram, "rate": "full"}}


def plain_model(
    name: str, entry: Mapping[str, Any], weights_file: str | Path | None, kind: type[Model] = Model
) -> Model:
    """A model of the registry on the CPU, without the optimizations of this workflow.

    Batch normalizations are not folded, the memory layout is not channels-last, and cochleagrams are computed at the
    full rate.

    Raises
    ------
    ValueError, FileNotFoundError
        As ``metamers.models.load.load_model``.
    """
    network = load_network(name, entry, weights_file)
    preprocessing = build_preprocessing(name, {**entry, "input": at_full_rate(entry["input"])})
    return kind(name, entry["modality"], preprocessing, network, entry["stages"], start_of(entry))


def first_stimuli(model: Model, stimuli: xr.Dataset, run_seed: int) -> tuple[np.ndarray, torch.Tensor, torch.Tensor]:
    """The stimuli of a dataset as a model takes them, and the starts of their metamers with metamer seed 0.

    Parameters
    ----------
    model
        The generation model.
    stimuli
        ``stimulus_value`` (stimulus, …signal), a file of ``stimuli/`` or a part of it.
    run_seed
        Run seed.

    Returns
    -------
    tuple
        Names (stimulus,); natural stimuli and starts (stimulus, *model.preprocessing.signal_shape), on the model's
        device.
    """
    names = stimuli["stimulus"].values
    natural = fit_dataset(model, stimuli)
    return names, natural, starts(model, names, [0], run_seed)


@torch.no_grad()
def final_error(model: Model, stage: str, target: torch.Tensor, metamers: torch.Tensor) -> torch.Tensor:
    """Normalized error (stimulus,) of metamers (stimulus, …signal) for activations (stimulus, …), in float32."""
    return normalized_error(target, model(metamers, stage).float())


def errors_at(model: Model, stage: str, natural: torch.Tensor) -> Callable[[torch.Tensor], np.ndarray]:
    """A function from metamers (stimulus, …signal) of natural stimuli to their normalized error (stimulus,) at a stage.

    Parameters
    ----------
    model, stage
        The model and its stage.
    natural
        The natural stimuli, (stimulus, …signal).
    """
    with torch.no_grad():
        target = model(natural, stage)
    return lambda metamers: final_error(model, stage, target, metamers).cpu().numpy()


def operations_of_step(model: Model, stage: str, stimuli: torch.Tensor) -> float:
    """Floating-point operations of one step of synthesis for one stimulus: products of matrices and convolutions.

    Forward and backward up to the stage; a multiplication and an addition count as two. Fourier transforms and
    elementwise operations are not counted.

    Parameters
    ----------
    stimuli
        (stimulus, …signal).
    """
    if stage == INPUT_STAGE:
        return 0.0
    with torch.no_grad():
        target = model(stimuli, stage)
    metamers = (stimuli + 0.01).requires_grad_()
    with FlopCounterMode(display=False) as counter:
        normalized_error(target, model(metamers, stage)).sum().backward()
    return counter.get_total_flops() / len(stimuli)


def peak_rate(seconds: float) -> float:
    """Operations per second of a product of two ``MATRIX`` × ``MATRIX`` matrices that takes ``seconds``."""
    return 2 * MATRIX**3 / seconds


def processor() -> str:
    """Name of the CPU, with the number of cores that this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {len(os.sched_getaffinity(0))} cores"


def instruction_sets() -> str:
    """The largest vector instructions that PyTorch uses here, and ``bfloat16`` if they include its products.

    Variables of the environment (``ATEN_CPU_CAPABILITY``, ``ONEDNN_MAX_CPU_ISA``) can limit both.
    """
    vectors = torch.backends.cpu.get_cpu_capability()
    return f"{vectors}, {BFLOAT16}" if native_bfloat16(torch.device("cpu")) else vectors
