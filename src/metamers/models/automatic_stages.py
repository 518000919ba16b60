"""Automatic stages (``stages: auto``): the blocks of a network in processing order, found by a trace of one stimulus.

A stage is a result on every path from the stimulus to the class scores, so later stages and the answer depend on the
stimulus only through it, and its gradient reaches the stimulus. The output of a residual block is such a result; the
input of the block's inner layers is not. Stages are spread evenly over the depth of the network in layers. If a network
repeats a block, no layer inside these blocks is a stage. A network without classes ends at the tensors of its output.

``python -m metamers.models.automatic_stages`` finds the stages of registry entries in a separate process, because the
plan (``metamers.config.stages``) must not import PyTorch.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from metamers.models.graph import LAYERS, bottlenecks, layers_before, unfused_attention, with_gradient
from metamers.models.load import check_forward, load_network
from metamers.models.model import PREPROCESSING_PATH, SCORES_PATH
from metamers.models.outputs import Part, chosen_part, class_scores_in, part_at, parts_of_output, tensors_of
from metamers.models.preprocessing import build_preprocessing
from metamers.models.stability import check_gradient, problems_of, two_examples
from metamers.names import INPUT_STAGE, NATURAL

POOLED = "pooled"
LOGITS = "logits"
OUTPUT = "output"  # the last stage of a network without classes
RESERVED = (INPUT_STAGE, NATURAL, POOLED, LOGITS, OUTPUT)
REPEATED = 3  # number of blocks of one kind from which on nothing inside them is a stage
NOT_DIFFERENTIABLE = (
    "{} with respect to the stimulus, so no stage can be found. Make the network differentiable (no rounding, argmax, "
    ".detach() or torch.no_grad() on the way), or list its stages"
)
# Names of autograd nodes that give the same values in another shape.
RESHAPES = ("View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Permute", "Transpose", "TBackward", "Alias")
# Nodes between the layer of the class scores and the output: a softmax, the mean of two heads or over positions.
RESCALES = ("Softmax", "LogSoftmax", "SafeSoftmax", "Sigmoid", "Mul", "Div", "Add", "Sub", "Neg", "Mean", "Sum")
RESCALES += ("Cat", "Select", "Slice", "AdaptiveAvgPool", "AvgPool", "AdaptiveMaxPool", "MaxPool", "Amax")
EXAMPLES = 2  # stimuli of a trace
LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class _Result(NamedTuple):
    """A tensor that was an input (``input``) or an output of a module's first call."""

    path: str
    module: nn.Module
    input: int | None  # position
    output: int | str | None  # part of the module's output
    shape: torch.Size
    operation: tuple[Any, int]  # autograd node, number of its result
    layers: int = 0  # on the longest path from the stimulus

    @property
    def place(self) -> str | dict[str, Any]:
        """The result as the registry of models names it."""
        options = {"input": self.input, "output": self.output}
        stated = {key: value for key, value in options.items() if value is not None}
        return {"module": self.path, **stated} if stated else self.path

    @property
    def is_vector(self) -> bool:
        """Whether one stimulus has one value for each feature, without positions in space or time."""
        return max(self.shape[1:], default=1) == self.values

    @property
    def values(self) -> int:
        """Number of values for one stimulus."""
        return self.shape[1:].numel()


def _layers_of(module: nn.Module) -> int:
    """Number of modules with matrices or kernels in a module, itself included."""
    return sum(any(one.ndim > 1 for one in part.parameters(recurse=False)) for part in module.modules())


def _run_with_gradient(name: str, preprocessing: nn.Module, network: nn.Module, examples: torch.Tensor) -> Any:
    """The output of a network for some stimuli, with the graph of its operations."""
    if any(parameter.is_meta for parameter in network.parameters()):
        raise ValueError(
            f"models: {name}.source: its parameters have no values (device meta); wanted a network with weights"
        )

    def with_gradient(values: torch.Tensor) -> Any:
        with torch.enable_grad(), unfused_attention():
            return network(values.detach().requires_grad_().clone())  # a network may change its input in place

    return check_forward(name, preprocessing, network, examples, with_gradient)


def _trace(name: str, preprocessing: nn.Module, network: nn.Module) -> tuple[list[_Result], Any]:
    """Inputs and outputs of modules at their first call, in the order of the calls; the output of the network."""
    examples = two_examples(preprocessing)  # so that a result for each stimulus differs from one for the batch
    results: list[_Result] = []
    called: set[tuple[str, str]] = set()

    def note(path: str, module: nn.Module, kind: str, parts: Mapping[Any, Any]) -> None:
        if (path, kind) in called:
            return
        called.add((path, kind))
        for key, value in parts.items():
            if isinstance(value, torch.Tensor) and value.grad_fn is not None and value.shape[:1] == examples.shape[:1]:
                place = {"input": key, "output": None} if kind == "input" else {"input": None, "output": key}
                operation = (value.grad_fn, value.output_nr)
                results.append(_Result(path, module, shape=value.shape, operation=operation, **place))

    def before(module: nn.Module, inputs: tuple, path: str) -> None:
        note(path, module, "input", dict(enumerate(inputs)))

    def after(module: nn.Module, _given: tuple, output: Any, path: str) -> None:
        parts = {None: output} if isinstance(output, torch.Tensor) else parts_of_output(output)
        note(path, module, "output", parts)

    hooks = []
    for path, module in network.named_modules():
        if path:
            hooks.append(module.register_forward_pre_hook(lambda m, g, path=path: before(m, g, path)))
            hooks.append(module.register_forward_hook(lambda m, g, o, path=path: after(m, g, o, path)))
    try:
        return results, _run_with_gradient(name, preprocessing, network, examples)
    finally:
        for hook in hooks:
            hook.remove()


def _units(module: nn.Module, path: str, share: float, last: set[nn.Module]) -> Iterator[str]:
    """Paths of modules that may be stages: blocks, and the modules that contain blocks.

    A module is opened, so that its children may be stages too, if it is a list of modules, if its output is that of the
    network (``last``), or if it has more than ``share`` layers. The layers inside other modules are not stages.
    """
    for name, child in module.named_children():
        child_path = f"{path}.{name}" if path else name
        yield child_path
        layers = _layers_of(child)
        if child in last or layers > share or (isinstance(child, LISTS) and (layers > 1 or not _is_called(child))):
            yield from _units(child, child_path, share, last)


def _is_called(module: nn.Module) -> bool:
    """Whether a list of modules has a forward pass of its own."""
    return type(module).forward not in (nn.ModuleList.forward, nn.ModuleDict.forward)


def _rank(result: _Result) -> int:
    """2 for the output of a module with several layers, except a list; 1 for one layer and children; else 0."""
    layers = _layers_of(result.module)
    if result.input is not None or not any(result.module.children()):
        return 0
    return min(layers, 2) if layers < 2 or not isinstance(result.module, LISTS) else 0


def _only_reshapes(result: _Result) -> bool:
    """Whether a module, such as ``Flatten``, gives the values of its input in another shape."""
    return not _layers_of(result.module) and result.operation[0].name().startswith(RESHAPES)


def _spread(depths: Sequence[int], number: int) -> list[int]:
    """Positions of ``number`` increasing depths, from the first to the last one, evenly spread."""
    number = min(number, len(depths))
    if number <= 1:
        return [len(depths) // 2] * number
    chosen: list[int] = []
    for nth, depth in enumerate(np.linspace(depths[0], depths[-1], number)):
        valid = range(chosen[-1] + 1 if chosen else 0, len(depths) - (number - nth - 1))
        chosen.append(min(valid, key=lambda position: abs(depths[position] - depth)))
    return chosen


def _inside_repeated_blocks(network: nn.Module) -> set[str]:
    """Paths of the modules inside blocks that a network repeats; of blocks inside blocks, the inner ones count."""
    lists = [module for module in network.modules() if isinstance(module, LISTS)]
    blocks = [child for parent in lists for child in parent.children() if _layers_of(child) > 1]
    kinds = {kind for kind, number in Counter(map(type, blocks)).items() if number >= REPEATED and kind not in LISTS}
    inner = {block for block in blocks if type(block) in kinds and not {*map(type, [*block.modules()][1:])} & kinds}
    paths = [f"{path}." for path, module in network.named_modules() if module in inner]
    return {path for path, _ in network.named_modules() if path.startswith(tuple(paths))}


class _End(NamedTuple):
    """Where a network ends: at a tensor of its whole output, and at its last stage, if a tensor can be that."""

    whole: torch.Tensor
    operation: tuple[Any, int] | None
    place: str | dict[str, Any]


def _end_of(name: str, output: Any, part: Part, classes: bool) -> _End:
    """Where a network ends, from its output for ``two_examples``.

    That is at the class scores; without classes at the chosen part, or at all tensors of the output, of which the first
    with a value for each stimulus is the last stage. Tensors from which that one is computed are left out. (The lists
    of a detection network are of the batch.)

    Raises
    ------
    ValueError
        When the output has no such tensor.
    """
    if classes:
        ends = [(part, class_scores_in(output, part, name, EXAMPLES))]
    elif part is not None or not [*tensors_of(output)]:
        chosen = chosen_part(output, part)
        if isinstance(chosen, str):
            raise ValueError(f"models: {name}: the network {chosen}")
        ends = [(part, chosen)]
    else:
        ends = [(part_at(path), one) for path, one in tensors_of(output) if one.grad_fn is not None]
    if not ends:
        reason = NOT_DIFFERENTIABLE.format("no tensor of the output is differentiable")
        raise ValueError(f"models: {name}.stages: auto: {reason}")
    last = next(((keys, one) for keys, one in ends if one.shape[:1] == (EXAMPLES,)), None)
    if last is not None:  # results from which it is computed, such as the features before a transformer, are no ends
        earlier = layers_before(last[1]).keys() - {last[1].grad_fn}
        ends = [(keys, one) for keys, one in ends if one.grad_fn not in earlier]
    with torch.enable_grad():
        whole = ends[0][1] if len(ends) == 1 else torch.stack([one.sum() for _, one in ends]).sum()
    if last is None:
        return _End(whole, None, SCORES_PATH)
    keys, tensor = last
    place = SCORES_PATH if keys is None else {"module": SCORES_PATH, "output": keys}
    return _End(whole, (tensor.grad_fn, tensor.output_nr), place)


def scores_of_output(name: str, network: nn.Module, preprocessing: nn.Module, part: Part = None) -> dict[str, Any]:
    """Whether the output of a network may be class scores.

    Parameters
    ----------
    name, network, preprocessing
        As for ``automatic_stages``.
    part
        The part of the output that would have class scores; None: the output itself.

    Returns
    -------
    dict
        ``number``: number of values for one stimulus, if the output is (batch, value), else None; ``of_classes``: the
        network states so many classes (``num_classes``), or a layer computes the values, while features come from an
        activation function or normalization; not if the network states that it has no classes.
    """
    network.requires_grad_(False).eval()
    values = chosen_part(_run_with_gradient(name, preprocessing, network, preprocessing.example()), part)
    if isinstance(values, str) or values.ndim != 2:
        return {"number": None, "of_classes": False}
    number, stated, node = values.shape[1], getattr(network, "num_classes", None), values.grad_fn
    while node is not None and not node.name().startswith(LAYERS):
        node = node.next_functions[0][0] if node.name().startswith((*RESHAPES, *RESCALES)) else None
    return {"number": number, "of_classes": stated == number or (stated != 0 and node is not None)}


def automatic_stages(
    name: str, network: nn.Module, preprocessing: nn.Module, number: int, classes: bool = True, part: Part = None
) -> dict[str, Any]:
    """Find stages of a network by a trace of one stimulus.

    Parameters
    ----------
    name
        The model's name, for messages.
    network, preprocessing
        As for ``metamers.models.model.Model``. The stages do not depend on the network's weights.
    number
        Number of stages, with the input, the pooled features and the class scores. A network with fewer blocks has
        fewer.
    classes, part
        As ``classes`` and ``output`` of ``metamers.models.model.Model``.

    Returns
    -------
    dict
        Stage → place in the network, as the registry of models has it, in processing order: ``input``, the stage of the
        preprocessing (for sounds ``cochleagram``), blocks under the paths of their modules, ``pooled``, ``logits``; for
        a network without classes ``output`` in place of the last two.

    Raises
    ------
    ValueError
        When the network fails on a stimulus, its output is not differentiable with respect to the stimulus, or a
        network with classes does not give class scores.
    """
    network.requires_grad_(False).eval()
    results, output = _trace(name, preprocessing, network)
    whole, end, place = _end_of(name, output, part, classes)
    operations = with_gradient(layers_before(whole))
    passed = bottlenecks(operations)
    if whole.grad_fn not in operations or (end is not None and end[0] not in operations):
        what = "class scores are" if classes else "the output is"
        raise ValueError(f"models: {name}.stages: auto: {NOT_DIFFERENTIABLE.format(f'{what} not differentiable')}")
    ends = [one for one in results if one.input is None and one.operation == end]
    units = set(_units(network, "", _layers_of(network) / number, {one.module for one in ends}))
    units -= _inside_repeated_blocks(network)
    # The scores are those of a layer, before which the blocks end; an encoder ends with its last block.
    last = operations[whole.grad_fn] + (not classes)
    order = {node: position for position, node in enumerate(operations)}
    results = sorted((one for one in results if one.operation[0] in order), key=lambda one: order[one.operation[0]])
    results = [one._replace(layers=operations[one.operation[0]]) for one in results]
    if not classes:
        results = [one for one in results if one.operation != end]
    on_all_paths = [one for one in results if one.operation in passed]
    pooled = _pooled(on_all_paths, units, last) if classes else None
    earlier = [one for one in on_all_paths if pooled is None or order[one.operation[0]] < order[pooled.operation[0]]]
    later = [one for one in on_all_paths if pooled is not None and one.layers > pooled.layers]
    # If a network with parallel streams has no such result, results inside its streams are used.
    blocks = _blocks([*earlier, *later], units, last) or _blocks(results, units, last)
    first = {INPUT_STAGE: None} | ({preprocessing.stage: PREPROCESSING_PATH} if preprocessing.stage else {})
    chosen = _spread([one.layers for one in blocks], number - len(first) - (pooled is not None) - 1)
    in_order = [blocks[position] for position in chosen] + ([] if pooled is None else [pooled])
    stages: dict[str, Any] = dict(first)
    for one in sorted(in_order, key=lambda one: order[one.operation[0]]):
        stages[POOLED if one is pooled else _stage_name(one, stages)] = one.place
    if end is None:
        return stages
    return stages | {LOGITS if classes else OUTPUT: ends[0].place if ends else place}


def _blocks(results: Sequence[_Result], units: set[str], last: int) -> list[_Result]:
    """One result for each number of layers below ``last``, in processing order.

    If several results have the same number of layers, the output of the block that ends there is taken, or else the
    last result, which is after normalization and pooling.
    """
    by_depth: dict[int, list[_Result]] = {}
    for one in results:
        if one.path in units and one.input is None and one.layers < last and not _only_reshapes(one):
            by_depth.setdefault(one.layers, []).append(one)
    blocks = []
    for layers in sorted(by_depth):
        highest = max(map(_rank, by_depth[layers]))
        best = [one for one in by_depth[layers] if _rank(one) == highest]
        same = [one for one in best if one.operation == best[0 if highest else -1].operation]
        blocks.append(same[0])
    return blocks


def _pooled(results: Sequence[_Result], units: set[str], last: int) -> _Result | None:
    """The features after pooling over space or time; None if the network has no such result.

    These are the first features without positions. They have fewer values than the result before them (flattening keeps
    the number of values), and are not the output of a layer.

    Parameters
    ----------
    results
        Results that all paths pass, in processing order.
    units
        Paths that may be stages.
    last
        Number of layers up to the class scores.
    """
    first = next((number for number, one in enumerate(results) if one.is_vector), 0)
    if first == 0 or results[first].values >= results[first - 1].values or results[first].layers == last:
        return None
    vectors = [one for one in results[first:] if one.layers == results[first].layers]
    outputs = [one for one in vectors if one.input is None]
    # A layer is not pooling, and neither is a convolution that leaves one position of a small image; attention is.
    if outputs and _layers_of(outputs[0].module) and (_rank(outputs[0]) == 0 or len(outputs[0].shape) > 3):
        return None
    return next((one for one in [*outputs, *vectors] if one.path in units), (outputs or vectors)[0])


def _stage_name(result: _Result, taken: Mapping[str, Any]) -> str:
    """The name of a stage from the path of its module, with only characters that names of files may have."""
    name = stage_of_place({"module": result.path, "output": result.output, "input": result.input})
    return f"{name}.output" if name in RESERVED or name in taken else name


def stage_of_place(place: Mapping[str, Any]) -> str:
    """The name of a stage at a place of the registry: the module's path, and ``-out`` or ``-in`` with the part."""
    kinds = {"out": place.get("output"), "in": place.get("input")}
    part = next((f"-{kind}{one}" for kind, one in kinds.items() if one is not None), "")
    return re.sub(r"[^A-Za-z0-9._+-]", "_", place["module"] + part).lstrip("._+-")[-100:] or "stage"


def main(request: str, answer: str) -> None:
    """Find the stages of entries of the registry.

    Parameters
    ----------
    request
        Path of a JSON file: model → ``entry``, as ``load_network`` takes it, and ``number``.
    answer
        Path of the JSON file that is written: model → ``scores`` (``scores_of_output``), ``stages`` and ``problems``
        (``metamers.models.stability.problems_of``), or ``error``.
        Weights from the user's own file are loaded, which checks that they fit.
    """
    results: dict[str, dict[str, Any]] = {}
    for name, asked in json.loads(Path(request).read_text(encoding="utf-8")).items():
        entry = asked["entry"]
        try:
            network = load_network(name, entry, entry["weights"].get("path"))
            preprocessing = build_preprocessing(name, entry)
            classes, part = entry.get("classes", True), entry.get("output")
            results[name] = {"scores": scores_of_output(name, network, preprocessing, part)}
            stages = automatic_stages(name, network, preprocessing, asked["number"], classes, part)
            check_gradient(name, network, preprocessing)
            results[name] |= {"stages": stages, "problems": problems_of(network, preprocessing, part)}
        except (ValueError, FileNotFoundError) as error:
            results.setdefault(name, {})["error"] = str(error)
    Path(answer).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
