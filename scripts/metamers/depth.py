"""Depth of a model's stages by what is computed, whichever stages a registry lists.

Counted are the layers on the longest path from the network's input to the stage, as a share of those up to the
network's output. A layer is a convolution or a product of matrices, also one with fixed filters. Layers side by side,
such as a shortcut's, count once. A fixed front end (a sound's cochleagram) is the network's input and has depth 0.
``study_scale`` makes the share a depth that is the same for all models.
"""

import gc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from metamers.models import Model, build_network, start_of
from metamers.names import INPUT_STAGE
from metamers.preprocessing import PREPROCESSING

DEPTH_COLUMNS = ["modality", "generation_model", "stage", "layers", "layer_share", "depth"]
# Names of autograd's nodes. A convolution by Fourier transforms is counted at its last step, the inverse transform.
LAYERS = ("Convolution", "Addmm", "Mm", "Bmm", "Baddbmm", "Mv", "FftC2R")


def longest_path(output: torch.Tensor) -> int:
    """The number of layers on the longest path of differentiable operations that lead to a tensor."""
    if output.grad_fn is None:
        return 0
    found: dict[Any, int] = {}
    waiting = [output.grad_fn]
    while waiting:
        node = waiting[-1]
        before = [step for step, _ in node.next_functions if step is not None]
        if missing := [step for step in before if step not in found]:
            waiting += missing
            continue
        found[node] = node.name().startswith(LAYERS) + max((found[step] for step in before), default=0)
        waiting.pop()
    return found[output.grad_fn]


def stage_layers(model: Model) -> dict[str, int]:
    """Layers up to each stage of a model but the input, in processing order, and at its class scores (``""``).

    A stage that the run does not reach, or that does not give a tensor, is not among them.
    """
    values = model.preprocessing(model.preprocessing.example()).detach().requires_grad_()
    found: dict[str, torch.Tensor] = {}
    stages = [stage for stage in model.stages if stage != INPUT_STAGE]

    def keep(stage: str, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            found.setdefault(stage, output)

    hooks = [
        module.register_forward_hook(lambda _, __, output, stage=stage: keep(stage, output))
        for stage in stages
        if (module := model.module_at(model.stages[stage]["module"], stage)) is not model.preprocessing
    ]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # attention in one piece, as there and below, hides its products
    try:
        with sdpa_kernel(SDPBackend.MATH):
            scores = model.network(values)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for hook in hooks:
            hook.remove()
    layers = {}
    for stage in stages:
        if model.module_at(model.stages[stage]["module"], stage) is model.preprocessing:
            layers[stage] = 0
        elif stage in found:
            layers[stage] = longest_path(found[stage])
    return layers | {"": longest_path(scores)}


def layer_shares(layers: Mapping[str, int], last: int) -> dict[str, float]:
    """Stage → share of the layers, 0 to 1, never less than that of the stage before; NaN in a model without layers.

    Parameters
    ----------
    layers
        What ``stage_layers`` gives.
    last
        Layers of the whole model.
    """
    stages = [stage for stage in layers if stage]
    counted = np.maximum.accumulate(np.array([layers[stage] for stage in stages], int))
    shares = np.minimum(counted / last, 1) if last else np.full(len(stages), np.nan)
    return dict(zip(stages, map(float, shares), strict=True))


def layers_of(name: str, entry: Mapping[str, Any]) -> dict[str, int]:
    """``stage_layers`` of a registry entry, built with random weights."""
    gc.collect()  # the model before, which may refer to itself
    network = build_network(name, entry, 0)
    preprocessing = PREPROCESSING[entry["modality"]](**entry["input"])
    return stage_layers(Model(name, entry["modality"], preprocessing, network, entry["stages"], start_of(entry)))


def study_scale(shares: Iterable[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """The scale of depth on which all models are compared, from the stages of the published architectures.

    By layers alone, the last two of three published stages of a residual network lie within 2% of the depth. The scale
    therefore gives each share of the layers the mean place that it has in the published lists of stages: stage k of K,
    from 1, has place k / K in its architecture, the input 0; between stages the place follows a straight line; stages
    with the same share have their mean place. Every architecture counts once.

    Parameters
    ----------
    shares
        Of each architecture the shares (stage,) of its layers, not decreasing, the last 1.

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
        place.iloc[-1] = 1.0  # what is reached with the last layer is the whole depth
        places.append(np.interp(knots, [0.0, *place.index], [0.0, *place]))
    return knots, np.mean(places, axis=0)


def scale_of(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """``study_scale`` of a table as ``published_depths`` gives it; models with the same stages and shares are one."""
    found: dict[tuple, Sequence[float]] = {}
    for _, rows in table.groupby(["modality", "generation_model"], sort=False):
        found.setdefault((*rows["stage"], *rows["layer_share"]), rows["layer_share"].to_list())
    return study_scale(found.values())


def published_depths(entries: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> pd.DataFrame:
    """Depths of the published models, depth 1 at the last stage that people were asked about.

    Parameters
    ----------
    entries
        Registry entries of the published models.
    names
        Entry → the model's name in the tables of human data.

    Returns
    -------
    pd.DataFrame
        ``DEPTH_COLUMNS``, a row for each model and stage. Models built alike are counted once.
    """
    known: dict[str, dict[str, int]] = {}
    rows = []
    for name, entry in entries.items():
        key = repr([entry["source"], entry["input"], entry["stages"]])
        if key not in known:
            known[key] = layers_of(name, entry)
        layers = {stage: number for stage, number in known[key].items() if stage}
        shares = layer_shares(layers, max(layers.values()))
        rows += [(entry["modality"], names[name], stage, layers[stage], shares[stage]) for stage in layers]
    table = pd.DataFrame(rows, columns=DEPTH_COLUMNS[:-1])
    return table.assign(depth=np.interp(table["layer_share"], *scale_of(table)))


def model_depths(entries: Mapping[str, Mapping[str, Any]], table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Model → stage → depth of registry entries, depth 1 at the class scores or at the deepest stage.

    Parameters
    ----------
    entries
        Registry entries.
    table
        What ``published_depths`` gives.
    """
    scale = scale_of(table)
    found = {}
    for name, entry in entries.items():
        layers = layers_of(name, entry)
        shares = layer_shares(layers, max(layers.values()))
        found[name] = {stage: float(np.interp(share, *scale)) for stage, share in shares.items()}
    return found


def depths_in(depths: Mapping[str, float], stages: Sequence[str]) -> np.ndarray:
    """Depths (stage,) of some stages, NaN where one is not known."""
    return np.array([depths.get(stage, np.nan) for stage in stages])
