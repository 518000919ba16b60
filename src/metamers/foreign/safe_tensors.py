"""Read the header of a file of safetensors, which states the type, shape and place of each tensor.

The format is a length of 8 bytes, a header in JSON, and raw numbers. Python alone reads it, so no other process is
needed. ``metamers.foreign.checkpoints`` reads the numbers.
"""

import json
import math
from pathlib import Path
from typing import Any, NamedTuple

MAX_HEADER_BYTES = 2**22  # tens of thousands of tensors; JSON takes many times as much memory
MAX_DIMENSIONS, MAX_NUMBER = 64, 2**60  # of a tensor's shape and strides; 64 dimensions is PyTorch's own limit
# Type in the header → that of PyTorch, and bytes of a value; only types of numbers that a network can have.
TYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4),
    "I16": ("int16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
    "C64": ("complex64", 8),
}


class Place(NamedTuple):
    """A tensor's PyTorch type and shape, and the byte of the file at which its values begin."""

    dtype: str
    shape: tuple[int, ...]
    begin: int


def are_sizes(numbers: Any) -> bool:
    """Whether the object is a tuple of integers that can be the shape, strides or offset of a tensor."""
    return (
        isinstance(numbers, tuple)
        and len(numbers) <= MAX_DIMENSIONS
        and all(type(number) is int and 0 <= number < MAX_NUMBER for number in numbers)
    )


def is_safetensors(path: Path) -> bool:
    """Whether a file has the name or the first bytes of safetensors: a length of eight bytes, and JSON."""
    with path.open("rb") as stream:
        return path.suffix == ".safetensors" or stream.read(9)[8:] == b"{"


def read_header(path: Path) -> dict[str, Place]:
    """Read the places of the tensors, in the order of their values.

    Raises
    ------
    ValueError
        When the header is damaged or too long, a tensor has a type that is not in ``TYPES``, or the tensors do not
        follow each other up to the end of the file.
    RecursionError
        When the header is nested deeply.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if length > min(MAX_HEADER_BYTES, size - 8):
            raise ValueError(f"its header has {length} bytes, wanted at most {MAX_HEADER_BYTES}, within the file")
        header = json.loads(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is not a dictionary of tensors")
    header.pop("__metadata__", None)
    tensors = sorted((_entry(name, entry) for name, entry in header.items()), key=lambda tensor: tensor[1:3])
    places, end = {}, 0
    for name, begin, stop, kind, shape in tensors:
        dtype, item_bytes = TYPES[kind]
        if begin != end or stop - begin != math.prod(shape) * item_bytes:
            raise ValueError(f"the values of {name!r:.50} are not where its shape and the other tensors say")
        places[name] = Place(dtype, shape, 8 + length + begin)
        end = stop
    if (needed := 8 + length + end) != size:
        raise ValueError(f"it has {size} bytes, but its header says {needed}")
    return places


def _entry(name: str, entry: Any) -> tuple[str, int, int, str, tuple[int, ...]]:
    """Return a tensor's name, first byte, end, type and shape."""
    said = f"{name!r:.50}"
    match entry:
        case {"dtype": str(kind), "shape": [*shape], "data_offsets": [begin, end]} if are_sizes((begin, end)):
            if not are_sizes(tuple(shape)):
                raise ValueError(f"the shape of {said} is damaged")
            if kind not in TYPES:
                raise ValueError(f"{said} has the type {kind!r:.20}; wanted numbers such as F32: {', '.join(TYPES)}")
            return name, begin, end, kind, tuple(shape)
    raise ValueError(f"the entry of {said} in its header is damaged")
