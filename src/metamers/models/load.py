"""Loading: from a registry entry to a model with weights, preprocessing and stages, checked by one forward pass.

The network comes from ``metamers.models.build`` and its weights from ``metamers.models.weights`` or
``metamers.models.load_pretrained``; ``metamers.models.fold`` rewrites the network to make it faster.
"""

import gc
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from metamers.config.front_ends import START_DEVIATIONS, front_end_name
from metamers.modalities import MODALITIES, Start
from metamers.models.build import build_network
from metamers.models.fold import dilate_points, fold_batch_norms, pad_inside
from metamers.models.model import Model
from metamers.models.outputs import class_scores_in, tensors_of
from metamers.models.preprocessing import build_preprocessing
from metamers.models.readout import read_readout
from metamers.models.weights import published_weights
from metamers.names import INPUT_STAGE
from metamers.run.logs import log_subject
from metamers.run.manifest import in_run

logger = logging.getLogger("metamers")

Result = TypeVar("Result")
OF_SHAPE = re.compile("shape|size|channel|dimension|multiplied", re.IGNORECASE)  # in messages of PyTorch
FAILURES = (RuntimeError, TypeError, IndexError, AssertionError, ValueError)  # of a network on inputs that do not fit


def start_of(entry: Mapping[str, Any]) -> Start:
    """The start noise of a registry entry: its own ``start``, or else that of its front end or its modality."""
    start = MODALITIES[entry["modality"]].start
    if "preprocessing" in entry["input"]:
        name = front_end_name(entry["input"]["preprocessing"])
        start = replace(start, standard_deviation=START_DEVIATIONS.get(name, start.standard_deviation))
    return replace(start, **entry.get("start", {}))


def load_network(name: str, entry: Mapping[str, Any], weights_file: str | Path | None) -> nn.Module:
    """Build the network of a registry entry and load its weights.

    Parameters
    ----------
    name, entry
        The registry's name and entry.
    weights_file
        The retrieved file, or that of a training of this run (``results/<run>/…``), or None for
        ``weights: {random: SEED}`` and ``weights: builder``.

    Raises
    ------
    ValueError, FileNotFoundError
        When a key or file is wrong; the message names it.
    """
    weights_file = weights_file and in_run(weights_file)
    if "pretrained" in entry["weights"] and weights_file is not None:
        # Imported here, because it brings the libraries that download, which most jobs do not need.
        from metamers.models.load_pretrained import load_pretrained

        return load_pretrained(name, entry, weights_file)
    network = build_network(name, entry, entry["weights"].get("random", 0))
    if weights_file is None:
        return network
    # Not strict, because ``fit_weights`` accepts files without counters of batches; it has checked all other keys.
    network.load_state_dict(published_weights(name, entry, weights_file, network), strict=False)
    return network


def load_model(name: str, entry: Mapping[str, Any], weights_file: str | Path | None, device: torch.device) -> Model:
    """Build a model of the registry and load its weights.

    Parameters
    ----------
    name, entry
        The registry's name and entry.
    weights_file
        As for ``load_network``.
    device
        The device that the model runs on.

    Raises
    ------
    ValueError, FileNotFoundError
        When a key or file is wrong; the message names it.
    """
    return assemble(name, entry, load_network(name, entry, weights_file), device)


def load_recognition_model(name: str, entry: Mapping[str, Any], device: torch.device) -> Model:
    """Load a model as it recognizes: by its class scores, or by a readout.

    Parameters
    ----------
    name
        The registry's name.
    entry
        ``model``, the registry entry; ``weights_file``, as for ``load_network``; and optionally ``readout``, a file of
        the rule ``train_readout``.
    device
        The device that the model runs on.

    Raises
    ------
    ValueError, FileNotFoundError
        As ``load_model``.
    """
    model = load_model(name, entry["model"], entry["weights_file"], device)
    if "readout" in entry:
        model.readout = read_readout(in_run(entry["readout"])).answers
    return model


def with_each_model(
    work: Callable[[Model], Result], entries: Mapping[str, Mapping[str, Any]], device: torch.device
) -> list[Result]:
    """Apply ``work`` to models one after another; one model is in memory at a time.

    Parameters
    ----------
    work
        From a model to a result, which must not keep the model.
    entries
        Name of the model → entry, as for ``load_recognition_model``.
    device
        The device that the models run on.

    Raises
    ------
    ValueError, FileNotFoundError
        As ``load_model``.
    """
    results = []
    for name, entry in entries.items():
        log_subject(recognition_model=name)
        gc.collect()  # frees the previous model, which may hold reference cycles
        results.append(work(load_recognition_model(name, entry, device)))
    return results


def assemble(name: str, entry: Mapping[str, Any], network: nn.Module, device: torch.device) -> Model:
    """Add preprocessing and stages to a network with weights, which becomes part of the model.

    Parameters
    ----------
    name, entry
        The registry's name and entry. ``source`` and ``weights`` are not used.
    network
        From its input to class scores (batch, class), or to anything else if the model has no classes.
    device
        The device that the model runs on.

    Raises
    ------
    ValueError
        When the network lacks the module of a stage, fails on an example, or does not give class scores.
    """
    preprocessing = build_preprocessing(name, entry)

    def with_network(network: nn.Module) -> Model:
        start, kind = start_of(entry), {key: entry[key] for key in ("classes", "output") if key in entry}
        return Model(name, entry["modality"], preprocessing, network, entry["stages"], start, **kind)

    model = folded(with_network(network), with_network, preprocessing.example())
    if device.type == "cpu":
        dilate_points(model.network)
    return model.to(device, memory_format=preprocessing.memory_format)


@torch.no_grad()
def check_forward(
    name: str,
    preprocessing: nn.Module,
    network: nn.Module,
    example: torch.Tensor,
    run: Callable[[torch.Tensor], Any] | None = None,
) -> Any:
    """Check that a network accepts the preprocessed stimuli; return its output.

    Parameters
    ----------
    name
        The model's name, for messages.
    preprocessing
        From stimuli (batch, …signal) to inputs of the network.
    network
        From its inputs to anything.
    example
        A stimulus (1, …signal).
    run
        What runs the network, from its inputs; None: the network itself.

    Raises
    ------
    ValueError
        When the preprocessing or the network fails on the example.
    """
    signal = tuple(example.shape)
    try:
        inputs = preprocessing(example)
    except FAILURES as error:
        raise ValueError(f"models: {name}.input.preprocessing: fails on stimuli of shape {signal} ({error})") from error
    if not isinstance(inputs, torch.Tensor) or len(inputs) != len(example):
        kind = f"shape {tuple(inputs.shape)}" if isinstance(inputs, torch.Tensor) else f"a {type(inputs).__name__}"
        raise ValueError(
            f"models: {name}.input.preprocessing: gives {kind} for stimuli of shape {signal}; wanted a tensor "
            f"({len(example)}, …), the batch first"
        )
    try:
        return (run or network)(inputs)
    except FAILURES as error:
        raise ValueError(
            f"models: {name}: the network does not run on inputs of shape {tuple(inputs.shape)}, which its `input` "
            f"makes of stimuli of shape {signal} ({error}). Do `input` and `source.arguments` fit it?"
            f"{preprocessing.advice if OF_SHAPE.search(str(error)) else ''}{_advice_on_channels(network, inputs)}"
        ) from error


def _advice_on_channels(network: nn.Module, images: torch.Tensor) -> str:
    """Advice for a network whose first convolution takes another number of channels than the images have."""
    first = next((module for module in network.modules() if isinstance(module, nn.Conv2d)), None)
    if first is None or images.ndim != 4 or first.in_channels == images.shape[1]:
        return ""
    return (
        f" Its first convolution takes {first.in_channels} channels, and the images have {images.shape[1]}: `mean` and "
        "`std` have one value for each channel."
    )


@torch.no_grad()
def folded(model: Model, with_network: Callable[[nn.Module], Model], example: torch.Tensor) -> Model:
    """The model with a faster network (``metamers.models.fold``), or unchanged if a stage would change beyond rounding.

    Raises
    ------
    ValueError
        As ``check_forward``, and when a model with classes does not give class scores.
    """
    with model.all_stages() as expected:
        output = check_forward(model.name, model.preprocessing, model.network, example)
    if model.classes:
        class_scores_in(output, model.output, model.name)
    inputs = model.preprocessing(example)
    try:
        if missing := model.stages.keys() - expected.keys() - {INPUT_STAGE}:
            raise ValueError(f"no activations at {', '.join(sorted(missing))}")
        fewer = fold_batch_norms(model.network, lambda network: network(inputs))
        faster = with_network(pad_inside(fewer, lambda network: network(inputs)))
        with faster.all_stages() as of_folded:
            other = faster.run(example)
        torch.testing.assert_close(of_folded, expected, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(dict(tensors_of(other)), dict(tensors_of(output)), rtol=1e-3, atol=1e-4)
    except (AssertionError, ValueError):
        logger.info("%s: batch normalizations are not folded, since that would change a stage", model.name)
        return model
    return faster
