"""Depth of a model's stages, from the number of layers up to them and not from a registry's list of stages.

The measure counts the layers on the longest path from the network's input to the stage, as a share of those up to the
network's output. A layer is a convolution or a matrix product, including one with fixed filters. Parallel layers, such
as that of a shortcut, count once. A fixed front end (the cochleagram of a sound) belongs to the network's input, at
depth 0. ``study_scale`` converts the share to a depth that is comparable across architectures.
"""

import gc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.models.build import build_network
from metamers.models.graph import layers_before, unfused_attention
from metamers.models.load import start_of
from metamers.models.model import Model
from metamers.models.outputs import chosen_part, tensors_of
from metamers.models.preprocessing import build_preprocessing
from metamers.names import INPUT_STAGE


def longest_path(output: torch.Tensor) -> int:
    """Count the layers on the longest path of differentiable operations that lead to a tensor."""
    return layers_before(output)[output.grad_fn] if output.grad_fn is not None else 0


def stage_layers(model: Model) -> dict[str, int]:
    """Count the layers up to each stage of a model, except the input, and up to its class scores (``""``).

    Without classes, the last number is that of the tensor of the output with the most layers. A stage that the forward
    pass does not reach, or that is not a tensor, is left out.
    """
    values = model.preprocessing(model.preprocessing.example()).detach().requires_grad_()
    outputs: dict[str, torch.Tensor] = {}
    stages = [stage for stage in model.stages if stage != INPUT_STAGE]

    def keep(stage: str, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            outputs.setdefault(stage, output)

    hooks = [
        model.on_stage(stage, lambda output, stage=stage: keep(stage, output))
        for stage in stages
        if model.module_at(model.stages[stage]["module"], stage) is not model.preprocessing
    ]
    try:
        with unfused_attention():
            output = model.network(values)
    finally:
        for hook in hooks:
            hook.remove()
    layers = {}
    for stage in stages:
        if model.module_at(model.stages[stage]["module"], stage) is model.preprocessing:
            layers[stage] = 0
        elif stage in outputs:
            layers[stage] = longest_path(outputs[stage])
    last = output if model.output is None else chosen_part(output, model.output)
    return layers | {"": max(longest_path(tensor) for _, tensor in tensors_of(last))}


def layer_shares(layers: Mapping[str, int], last: int) -> dict[str, float]:
    """Compute each stage's share of the layers, 0 to 1, not below that of the stage before: stage → share.

    The share is NaN in a model without layers.

    Parameters
    ----------
    layers
        Result of ``stage_layers``.
    last
        Number of layers of the whole model.
    """
    stages = [stage for stage in layers if stage]
    counted = np.maximum.accumulate(np.array([layers[stage] for stage in stages], int))
    shares = np.minimum(counted / last, 1) if last else np.full(len(stages), np.nan)
    return dict(zip(stages, map(float, shares), strict=True))


def count_layers(name: str, entry: Mapping[str, Any]) -> dict[str, int]:
    """Build a registry entry with random weights, and count its layers (``stage_layers``)."""
    gc.collect()  # frees the previous model, which may contain reference cycles
    network = build_network(name, entry, 0)
    preprocessing = build_preprocessing(name, entry)
    kind = {"start": start_of(entry), "output": entry.get("output")}
    # Of stages at once, the last one, which is as deep; the cochleagram is computed before the layers are counted.
    stages = {
        stage: place["together"][-1] if isinstance(place, Mapping) and "together" in place else place
        for stage, place in entry["stages"].items()
    }
    return stage_layers(Model(name, entry["modality"], preprocessing, network, stages, **kind))


def study_scale(shares: Iterable[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Compute the scale of depth on which all models are compared, from the stages of the published architectures.

    By number of layers alone, the last two of three published stages of a residual network lie within 2% of the depth.
    The scale therefore maps each share of the layers to its mean position in the published lists of stages. Stage k of
    K, counted from 1, has position k / K in its architecture, and the input 0; positions between stages are
    interpolated linearly; stages with the same share have their mean position. Every architecture counts once.

    Parameters
    ----------
    shares
        For each architecture, the share of the layers of each stage (stage,), not decreasing; the last is 1.

    Returns
    -------
    shares, depths
        (knot,), both increasing from 0 to 1.
    """
    architectures = [np.asarray([share for share in own if share > 0]) for own in shares]
    knots = np.unique(np.concatenate([[0.0], *architectures]))
    places = []
    for own in architectures:
        place = pd.Series(np.arange(1, len(own) + 1) / len(own)).groupby(own).mean()
        place.iloc[-1] = 1.0  # stages after the last layer are at the whole depth
        places.append(np.interp(knots, [0.0, *place.index], [0.0, *place]))
    return knots, np.mean(places, axis=0)


def depth_scale(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Compute ``study_scale`` from a table of ``published_depths``; models with equal stages and shares count once."""
    shares: dict[tuple, Sequence[float]] = {}
    for _, rows in table.groupby(["modality", "generation_model"], sort=False):
        shares.setdefault((*rows["stage"], *rows["layer_share"]), rows["layer_share"].to_list())
    return study_scale(shares.values())


def published_depths(entries: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> pd.DataFrame:
    """Compute depths of the published models, with depth 1 at the last stage of the human experiments.

    Parameters
    ----------
    entries
        Registry entries of the published models.
    names
        Entry → name of the model in the tables of human data.

    Returns
    -------
    pd.DataFrame
        ``DEPTH_COLUMNS``, one row per model and stage. Layers of identical architectures are counted once.
    """
    known: dict[str, dict[str, int]] = {}
    rows = []
    for name, entry in entries.items():
        key = repr([entry["source"], entry["input"], entry["stages"]])
        if key not in known:
            known[key] = count_layers(name, entry)
        layers = {stage: number for stage, number in known[key].items() if stage}
        shares = layer_shares(layers, max(layers.values()))
        rows += [(entry["modality"], names[name], stage, layers[stage], shares[stage]) for stage in layers]
    table = pd.DataFrame(rows, columns=DEPTH_COLUMNS[:-1])
    return table.assign(depth=np.interp(table["layer_share"], *depth_scale(table)))


def model_depths(entries: Mapping[str, Mapping[str, Any]], table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Compute depths of registry entries: model → stage → depth, 1 at the class scores or at the deepest stage.

    Parameters
    ----------
    entries
        Registry entries.
    table
        Result of ``published_depths``.
    """
    scale = depth_scale(table)
    depths = {}
    for name, entry in entries.items():
        layers = count_layers(name, entry)
        shares = layer_shares(layers, max(layers.values()))
        depths[name] = {stage: float(np.interp(share, *scale)) for stage, share in shares.items()}
    return depths
