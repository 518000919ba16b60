"""The structure of NetCDF-4 files, which are HDF5 files, checked before a reader of NetCDF opens one.

HDF5 lets a file refer to other files, ask for any amount of memory, and contain itself. Readers of NetCDF follow all of
that. The files of this workflow need none of it: they have variables of numbers and texts in the root group, stored in
the file itself.
"""

import math
import mmap
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5o, h5s, h5t, h5z

from metamers.isolated import call_isolated

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FREE_BYTES = 2**28  # that any file may declare
LARGEST_RATIO = 100  # of what a larger file may declare, to its size
FOREIGN_BYTES = (
    2**30
)  # that a file from outside may declare: responses of ten people, 100,000 voxels each, to 165 sounds
LARGEST_CHUNK = 2**28  # bytes that are unpacked at once
LARGEST_TEXTS = 2**26  # bytes of all texts in attributes
TEXT_BYTES, LETTER_BYTES = 64, 4  # that a text of Python takes in memory, and each of its letters at most
DECODED_BYTES = 8  # that each value takes that xarray makes a floating-point number, for one of these attributes
DECODED = (b"scale_factor", b"add_offset", b"_FillValue", b"missing_value")
MOST_AT_ONCE = 2**16  # texts that are read at once
MOST_VARIABLES, MOST_ATTRIBUTES = 10_000, 1000
HEAP = re.compile(b"GCOL\\x01\\x00\\x00\\x00")  # first bytes of a heap, in which texts are
HEAP_HEADER, HEAP_OBJECT = struct.Struct("<8xQ"), struct.Struct("<HHIQ")
SIZES = {0: 13, 1: 13, 2: 9, 3: 9}  # version of a file → where it says how many bytes an address and a length have
MOST_TEXTS = 64  # in an attribute: each can take as much memory as the file has bytes

LAYOUTS = (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED)
FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_NBIT, h5z.FILTER_SCALEOFFSET)
# How NetCDF-4 stores, in attributes, which dimensions a variable has.
DIMENSIONS = (b"DIMENSION_LIST", b"REFERENCE_LIST")


def check_structure(path: str | Path, most_bytes: int | None = None) -> None:
    """Make sure that reading a file as NetCDF-4 touches no other file, ends, and takes a plausible amount of memory.

    Parameters
    ----------
    path
        The file.
    most_bytes
        That its variables may have in memory; without a number only ``FREE_BYTES``, or ``LARGEST_RATIO`` times the size
        of the file if that is more.

    Raises
    ------
    ValueError
        When the file is not HDF5, or has anything but variables of numbers and texts in its root group: groups, links,
        types of its own, storage in other files, or more values than a file of its size can have. The message does not
        name the file.
    OSError
        When the file is missing, cannot be read, or is damaged. HDF5 reads it in a process of its own, as a damaged
        file can make it take any amount of memory, search without end, or end its process.
    """
    call_isolated(_check, path, most_bytes)


def _check(path: str | Path, most_bytes: int | None) -> None:
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        if stream.read(len(SIGNATURE)) != SIGNATURE:
            raise ValueError("it is not NetCDF-4: it does not begin as HDF5 does")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _check_heaps(content)
    most = max(FREE_BYTES, LARGEST_RATIO * size)
    budget = Budget(most if most_bytes is None else min(most, most_bytes))
    try:
        with h5py.File(path, "r", locking=False) as file:
            _check_attributes(file.id, "the file", budget, size)
            for name in _variables(file.id):
                variable = h5d.open(file.id, name)
                try:
                    _check_variable(variable, _shown(name), budget, size)
                finally:
                    variable.close()
    except (KeyError, RuntimeError, TypeError, UnicodeError, OverflowError, MemoryError) as error:
        raise OSError(f"its structure is damaged ({error})") from error


def _check_heaps(content: mmap.mmap) -> None:
    """Make sure that every heap of texts ends: in one with an object of no size, HDF5 searches without end.

    The format is that of the HDF5 File Format Specification, III.E "Disk Format: Level 1E - Global Heap".
    """
    place = SIZES.get(content[8] if len(content) > 8 else -1)
    if place is None or content[place : place + 2] != b"\x08\x08":
        raise OSError("its structure is damaged (the first bytes are those of no version of HDF5 that is read)")
    left = len(content) // HEAP_OBJECT.size  # objects that all heaps can have together
    for found in HEAP.finditer(content):
        first = found.start()
        (length,) = HEAP_HEADER.unpack_from(content, first) if first + HEAP_HEADER.size <= len(content) else (0,)
        at, end = first + HEAP_HEADER.size, first + length
        while at + HEAP_OBJECT.size <= min(end, len(content)):
            index, _, _, size = HEAP_OBJECT.unpack_from(content, at)
            step = HEAP_OBJECT.size + size + -size % 8 if index else size
            left -= 1
            if step < HEAP_OBJECT.size or left < 0:
                break
            at += step
        if not end - HEAP_OBJECT.size < at <= end <= len(content):
            raise OSError(f"its structure is damaged (the texts at byte {first})")


class Budget:
    """How many bytes of memory a file may still declare."""

    def __init__(self, most: int):
        self.most, self.taken, self.texts = most, 0, 0

    def take(self, size: int, what: str) -> None:
        """Count what is declared; raise ValueError when it is too much."""
        self.taken += size
        if self.taken > self.most:
            raise ValueError(f"{what} and what precedes it declare {self.taken} bytes, wanted at most {self.most}")


def _shown(name: bytes) -> str:
    return repr(name[:100].decode("utf-8", "replace"))


def _variables(group: h5g.GroupID) -> Iterator[bytes]:
    """Names of what is in the root group, each a variable that is there once."""
    number = group.get_num_objs()
    if number > MOST_VARIABLES:
        raise ValueError(f"it has {number} variables, wanted at most {MOST_VARIABLES}")
    names: list[bytes] = []
    group.links.iterate(names.append)
    seen = set()
    for name in names:
        if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"{_shown(name)} is a link to something else, wanted variables")
        info = h5o.get_info(group, name)
        if info.type != h5o.TYPE_DATASET:
            raise ValueError(f"{_shown(name)} is a group or a type, wanted variables in the root group only")
        if (info.fileno, info.addr) in seen:
            raise ValueError(f"{_shown(name)} is another name of a variable")
        seen.add((info.fileno, info.addr))
        yield name


def _check_variable(variable: h5d.DatasetID, name: str, budget: Budget, file_size: int) -> None:
    properties = variable.get_create_plist()
    if properties.get_layout() not in LAYOUTS:
        raise ValueError(f"{name} is virtual: its values are in other places")
    if properties.get_external_count():
        raise ValueError(f"{name} has its values in other files")
    for place in range(properties.get_nfilters()):
        if (used := properties.get_filter(place)[0]) not in FILTERS:
            raise ValueError(f"{name} is packed by filter {used} of HDF5, which is not admitted")
    kind, space = variable.get_type(), variable.get_space()
    if space.get_simple_extent_type() not in (h5s.SCALAR, h5s.SIMPLE):
        raise ValueError(f"{name} has no values")
    shape = space.get_simple_extent_dims()
    _check_type(kind, name)
    budget.take(math.prod(shape) * _value_bytes(variable, kind), name)
    if properties.get_layout() == h5d.CHUNKED:
        chunk = math.prod(properties.get_chunk()) * kind.get_size()
        if chunk > LARGEST_CHUNK:
            raise ValueError(f"{name} has pieces of {chunk} bytes, wanted at most {LARGEST_CHUNK}")
    if _is_text(kind):
        for block in _blocks(shape, min(MOST_AT_ONCE, max(1, FREE_BYTES // max(file_size, 1)))):
            texts = h5py.Dataset(variable)[block]
            budget.take(LETTER_BYTES * _length(texts), name)
    _check_attributes(variable, name, budget, file_size)


def _value_bytes(variable: h5d.DatasetID, kind: h5t.TypeID) -> int:
    """How many bytes of memory a value takes once it is read."""
    if kind.get_class() == h5t.STRING:
        return TEXT_BYTES + LETTER_BYTES * kind.get_size()
    decoded = any(h5a.exists(variable, name) for name in DECODED)
    return max(kind.get_size(), DECODED_BYTES if decoded else 1)


def _is_text(kind: h5t.TypeID) -> bool:
    """Whether it is a text of any length, which is stored elsewhere in the file."""
    return kind.get_class() == h5t.STRING and kind.is_variable_str()


def _check_type(kind: h5t.TypeID, name: str) -> None:
    if kind.get_class() not in (h5t.INTEGER, h5t.FLOAT, h5t.STRING):
        raise ValueError(f"{name} is neither of numbers nor of texts")
    if kind.get_class() != h5t.STRING and kind.get_size() > 16:
        raise ValueError(f"{name} is of numbers of {kind.get_size()} bytes")


def _length(texts: object) -> int:
    return sum(map(len, np.asarray(texts, dtype=object).ravel()))


def _blocks(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice | int, ...]]:
    """Parts that make up an array of a shape, of at most so many values each."""
    if math.prod(shape) <= most:
        yield (slice(None),) * len(shape)
        return
    rows = max(1, most // max(1, math.prod(shape[1:])))
    for first in range(0, shape[0], rows):
        if rows == 1:
            yield from ((first, *inner) for inner in _blocks(shape[1:], most))
        else:
            yield (slice(first, first + rows), *(slice(None),) * (len(shape) - 1))


def _check_attributes(owner: h5g.GroupID | h5d.DatasetID, name: str, budget: Budget, file_size: int) -> None:
    if (number := h5a.get_num_attrs(owner)) > MOST_ATTRIBUTES:
        raise ValueError(f"{name} has {number} attributes, wanted at most {MOST_ATTRIBUTES}")
    names: list[bytes] = []
    h5a.iterate(owner, names.append)
    for key in names:
        attribute = h5a.open(owner, key)
        what, kind, space = f"attribute {_shown(key)} of {name}", attribute.get_type(), attribute.get_space()
        empty = space.get_simple_extent_type() == h5s.NULL
        values = 0 if empty else math.prod(space.get_simple_extent_dims())
        budget.take(values * kind.get_size(), what)
        if key in DIMENSIONS:
            if values > MOST_VARIABLES or attribute.get_storage_size() > LARGEST_TEXTS:
                raise ValueError(f"{what} has {values} values, wanted at most {MOST_VARIABLES}")
            continue
        _check_type(kind, what)
        if values and _is_text(kind):
            if values > MOST_TEXTS and values * file_size > FREE_BYTES:
                raise ValueError(f"{what} has {values} texts, wanted at most {MOST_TEXTS}")
            texts = np.empty(space.get_simple_extent_dims(), attribute.dtype)
            attribute.read(texts)
            budget.texts += _length(texts)
            if budget.texts > LARGEST_TEXTS:
                raise ValueError(f"{what} and what precedes it have more than {LARGEST_TEXTS} bytes of text")
