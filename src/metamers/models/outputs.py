"""Outputs of networks and modules: a tensor, or tensors in tuples, mappings and objects, such as ``ModelOutput``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

Key = int | str
Part = Key | Sequence[Key] | None  # of an output; several keys lead inwards, as in ["hidden_states", 3]
SHOWN = 12  # largest number of parts in a message


def parts_of_output(output: Any) -> dict[Key, Any]:
    """The parts of an output: positions of a tuple or list, keys of a mapping, or attributes of an object."""
    if isinstance(output, Mapping):
        return dict(output)
    if isinstance(output, tuple | list):
        named = {name: getattr(output, name) for name in getattr(output, "_fields", ())}
        return dict(enumerate(output)) | named
    return dict(getattr(output, "__dict__", {}))


def tensors_of(output: Any, path: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], torch.Tensor]]:
    """The tensors in an output, each with the keys that lead to it; those of a named tuple by their positions."""
    if isinstance(output, torch.Tensor):
        yield path, output
    elif isinstance(output, tuple | list):
        for position, value in enumerate(output):
            yield from tensors_of(value, (*path, position))
    elif isinstance(output, Mapping) or not path:  # an object may refer to anything, so only the outermost is opened
        for key, value in parts_of_output(output).items():
            yield from tensors_of(value, (*path, key))


def part_at(path: Sequence[Key]) -> Part:
    """The shortest form of the keys that lead to a part."""
    return None if not path else path[0] if len(path) == 1 else list(path)


def chosen_part(output: Any, part: Part) -> torch.Tensor | str:
    """An output, or a part of it; the text of an error if it is not a tensor.

    Parameters
    ----------
    output
        Of a network or a module.
    part
        None for the output itself; a position, key or attribute; or a list of them, from the outside in.
    """
    keys = [part] if isinstance(part, int | str) else [*(part or ())]
    value = output
    for key in keys:
        value = None if isinstance(value, torch.Tensor) else parts_of_output(value).get(key)
    if isinstance(value, torch.Tensor):
        return value
    if isinstance(output, torch.Tensor):
        return f"gives a tensor; leave out `output: {part}`"
    paths = [path for key, value in parts_of_output(output).items() for path, _ in tensors_of(value, (key,))]
    tensors = [str(part_at(path)).replace("'", "") for path in paths]
    more = f" and {len(tensors) - SHOWN} more" if len(tensors) > SHOWN else ""
    choice = f"Choose a tensor of it by `output`: {', '.join(tensors[:SHOWN])}{more}"
    advice = choice if tensors else "It has no tensor to choose"
    if part is None:
        return f"gives a {type(output).__name__}, not a tensor. {advice}"
    return f"gives a {type(output).__name__}, whose part {part!r} is not a tensor. {advice}"


def class_scores_in(output: Any, part: Part, model: str, stimuli: int | None = None) -> torch.Tensor:
    """The class scores (batch, class) in the output of a network.

    Parameters
    ----------
    output, part
        As for ``chosen_part``.
    model
        The model's name, for messages.
    stimuli
        Their number, which is that of the scores; None if it is not checked.

    Raises
    ------
    ValueError
        When they are not class scores.
    """
    scores = chosen_part(output, part)
    if isinstance(scores, torch.Tensor) and scores.ndim == 2 and stimuli in (None, len(scores)):
        return scores
    gives = scores if isinstance(scores, str) else f"gives shape {tuple(scores.shape)}"
    if stimuli is not None and isinstance(scores, torch.Tensor):
        gives += f" for {stimuli} stimuli"
    raise ValueError(
        f"models: {model}: the network {gives}; wanted class scores (batch, class). If it has none, add "
        "`classes: false`"
    )
