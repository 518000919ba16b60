"""Check the structure of NetCDF-4 files, which are HDF5 files, before a NetCDF reader opens them.

An HDF5 file can refer to other files, ask for any amount of memory, and contain itself. NetCDF-4 adds attributes for
dimensions, which its C library uses unchecked: a wrong one corrupts memory. The files of this workflow need little of
HDF5: variables of numbers and texts in the root group, stored in the file itself, with dimensions that fit their
shapes. Everything else is refused.
"""

import math
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5o, h5r, h5s, h5t, h5z

from metamers.foreign.isolated import call_isolated, call_isolated_each

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FREE_BYTES = 2**28  # memory that the variables of any file may take
MAX_RATIO = 100  # in a larger file: memory of its variables relative to the size of the file
FOREIGN_BYTES = 2**30  # maximum for a file from outside: half a million voxels, 165 stimuli, three repetitions
MAX_CHUNK_BYTES = 2**28  # of a chunk, which is decompressed as a whole
MAX_ATTRIBUTE_BYTES = 2**26  # all texts in attributes
HEAP = re.compile(b"GCOL\\x01\\x00\\x00\\x00")  # first bytes of a heap, which stores texts
HEAP_HEADER, HEAP_OBJECT = struct.Struct("<8xQ"), struct.Struct("<HHIQ")
BLOCK_BYTES = 2**24  # searched for heaps at once
SIZES = {0: 13, 1: 13, 2: 9, 3: 9}  # version of a file → position of the sizes of its addresses and lengths
MAX_ATTRIBUTE_TEXTS = 64  # in an attribute of a large file: each can take as much memory as the file has bytes
TEXT_BYTES, LETTER_BYTES = 64, 4  # memory of a Python text, and maximum for each of its letters
DECODED_BYTES = 8  # memory of a value that xarray converts to floating point because of one of these attributes
DECODED = (b"scale_factor", b"add_offset", b"_FillValue", b"missing_value")
MAX_TEXTS_AT_ONCE = 2**16
MAX_VARIABLES, MAX_ATTRIBUTES = 10_000, 1000
MAX_NAME_BYTES = 256  # NC_MAX_NAME of the NetCDF library

LAYOUTS = (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED)
FILTERS = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)  # which runs, xarray and h5py write
NUMBERS = [
    *(getattr(h5t, f"STD_{sign}{bits}{order}") for sign in "IU" for bits in (8, 16, 32, 64) for order in ("LE", "BE")),
    *(getattr(h5t, f"IEEE_F{bits}{order}") for bits in (32, 64) for order in ("LE", "BE")),
]


def check_structure(path: str | Path, max_bytes: int | None = None) -> None:
    """Check that a file can be read as NetCDF-4 safely: within the file, in finite time and limited memory.

    Parameters
    ----------
    path
        The file.
    max_bytes
        Maximum memory of its variables. By default ``FREE_BYTES``, or ``MAX_RATIO`` times the size of the file if that
        is more.

    Raises
    ------
    ValueError
        When the file is not HDF5, or has anything but variables of numbers and texts in its root group: groups, links,
        user-defined types, storage in other files, dimensions that do not fit, or more values than a file of its size
        can have. The message does not name the file.
    OSError
        When the file is missing, cannot be read, or is damaged. HDF5 reads it in a separate process, because a damaged
        file can make HDF5 take any amount of memory, loop forever, or crash.
    """
    call_isolated(_check, path, max_bytes)


def check_structures(paths: Sequence[str | Path]) -> Iterator[Exception | None]:
    """Check several files as ``check_structure`` does, in one process; yields the error of each, or None."""
    yield from call_isolated_each(_check, paths)


def _check(path: str | Path, max_bytes: int | None = None) -> None:
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        if stream.read(len(SIGNATURE)) != SIGNATURE:
            raise ValueError("it is not NetCDF-4: it does not begin as HDF5 does")
        _check_heaps(stream, size)
    most = max(FREE_BYTES, MAX_RATIO * size)
    budget = Budget(most if max_bytes is None else min(most, max_bytes), size)
    try:
        with h5py.File(path, "r", locking=False) as file:
            _check_attributes(file.id, "the file", budget)
            names = _variable_names(file.id)
            variables = {name: h5d.open(file.id, name) for name in names}
            for name, variable in variables.items():
                _check_variable(variable, _shown(name), budget)
            _check_dimensions(file.id, variables)
    except (KeyError, RuntimeError, TypeError, UnicodeError, OverflowError, AttributeError) as error:
        raise OSError(f"its structure is damaged ({error})") from error


def _check_heaps(stream: BinaryIO, size: int) -> None:
    """Check that every heap ends: HDF5 loops forever in a heap that contains an object of size 0.

    The format is described in the HDF5 File Format Specification, III.E "Disk Format: Level 1E - Global Heap".
    """

    def at(place: int, length: int) -> bytes:
        return os.pread(stream.fileno(), length, place)

    version = at(len(SIGNATURE), 1)
    place = SIZES.get(version[0] if version else -1)
    if place is None or at(place, 2) != b"\x08\x08":
        raise OSError("its structure is damaged: the version of its superblock is not supported")
    left = size // HEAP_OBJECT.size  # maximum number of objects in all heaps together
    for begin in range(0, size, BLOCK_BYTES):
        for heap in HEAP.finditer(at(begin, BLOCK_BYTES + len(SIGNATURE) - 1)):
            first = begin + heap.start()
            header = at(first, HEAP_HEADER.size)
            end = first + (HEAP_HEADER.unpack(header)[0] if len(header) == HEAP_HEADER.size else 0)
            here = first + HEAP_HEADER.size
            while here + HEAP_OBJECT.size <= min(end, size):
                index, _, _, length = HEAP_OBJECT.unpack(at(here, HEAP_OBJECT.size))
                step = HEAP_OBJECT.size + length + -length % 8 if index else length
                left -= 1
                if step < HEAP_OBJECT.size or left < 0:
                    break
                here += step
            if not end - HEAP_OBJECT.size < here <= end <= size:
                raise OSError(f"its structure is damaged: the texts at byte {first}")


class Budget:
    """Counts the memory that the variables and attributes of a file take, up to a maximum.

    Attributes
    ----------
    file_size
        Size of the file in bytes.
    """

    def __init__(self, most: int, file_size: int):
        self.most, self.taken, self.attribute_bytes, self.file_size = most, 0, 0, file_size

    def take(self, size: int, what: str) -> None:
        """Count memory of variables; raise ValueError when the maximum is exceeded."""
        self.taken += size
        if self.taken > self.most:
            raise ValueError(f"{what} and what precedes it declare {self.taken} bytes, wanted at most {self.most}")

    def take_attribute(self, size: int, what: str) -> None:
        """Count bytes of text in attributes; raise ValueError when the maximum is exceeded."""
        self.attribute_bytes += size
        if self.attribute_bytes > MAX_ATTRIBUTE_BYTES:
            raise ValueError(f"{what} and what precedes it have more than {MAX_ATTRIBUTE_BYTES} bytes of text")


def _shown(name: bytes) -> str:
    return repr(name[:100].decode("utf-8", "replace"))


def _check_name(name: bytes) -> None:
    try:
        valid = len(name.decode()) > 0 and len(name) <= MAX_NAME_BYTES
    except UnicodeDecodeError:
        valid = False
    if not valid:
        raise ValueError(f"{_shown(name)} is not a name of at most {MAX_NAME_BYTES} bytes of UTF-8")


def _variable_names(group: h5g.GroupID) -> list[bytes]:
    """Return the names of the variables in the root group; anything else in the group is refused."""
    number = group.get_num_objs()
    if number > MAX_VARIABLES:
        raise ValueError(f"it has {number} variables, wanted at most {MAX_VARIABLES}")
    names: list[bytes] = []
    group.links.iterate(names.append)
    seen = set()
    for name in names:
        _check_name(name)
        if group.links.get_info(name).type != h5py.h5l.TYPE_HARD:
            raise ValueError(f"{_shown(name)} is a link, wanted variables only")
        info = h5o.get_info(group, name)
        if info.type != h5o.TYPE_DATASET:
            raise ValueError(f"{_shown(name)} is a group or a type, wanted variables in the root group only")
        if (info.fileno, info.addr) in seen:
            raise ValueError(f"{_shown(name)} is a second name of a variable")
        seen.add((info.fileno, info.addr))
    return names


def _check_variable(variable: h5d.DatasetID, name: str, budget: Budget) -> None:
    properties = variable.get_create_plist()
    if properties.get_layout() not in LAYOUTS:
        raise ValueError(f"{name} is a virtual dataset: its values are stored elsewhere")
    if properties.get_external_count():
        raise ValueError(f"{name} stores its values in other files")
    for place in range(properties.get_nfilters()):
        if (used := properties.get_filter(place)[0]) not in FILTERS:
            raise ValueError(f"{name} is compressed by HDF5 filter {used}; save it with gzip or uncompressed")
    kind, space = variable.get_type(), variable.get_space()
    if space.get_simple_extent_type() not in (h5s.SCALAR, h5s.SIMPLE):
        raise ValueError(f"{name} has no values")
    shape = space.get_simple_extent_dims()
    if not _is_number(kind) and not _is_text(kind) and not (kind.get_class() == h5t.STRING and kind.get_size() == 1):
        raise ValueError(f"{name} has neither numbers of 1, 2, 4 or 8 bytes nor texts")
    budget.take(math.prod(shape) * _value_bytes(variable, kind), name)
    if properties.get_layout() == h5d.CHUNKED:
        chunk = math.prod(properties.get_chunk()) * kind.get_size()
        if chunk > MAX_CHUNK_BYTES:
            raise ValueError(f"{name} has chunks of {chunk} bytes, wanted at most {MAX_CHUNK_BYTES}")
    if _is_text(kind):
        for block in _blocks(shape, min(MAX_TEXTS_AT_ONCE, max(1, FREE_BYTES // max(budget.file_size, 1)))):
            budget.take(LETTER_BYTES * _length(h5py.Dataset(variable)[block]), name)
    _check_attributes(variable, name, budget)


def _is_number(kind: h5t.TypeID) -> bool:
    """Whether a type is one of the numbers of NetCDF-4, which has no floating-point numbers of 2 or 16 bytes."""
    return any(kind.equal(number) for number in NUMBERS)


def _is_text(kind: h5t.TypeID) -> bool:
    """Whether a type is text of variable length, which is stored in a heap of the file."""
    return kind.get_class() == h5t.STRING and kind.is_variable_str()


def _value_bytes(variable: h5d.DatasetID, kind: h5t.TypeID) -> int:
    """Return the memory in bytes that a value takes once it is read."""
    if kind.get_class() == h5t.STRING:
        return TEXT_BYTES + LETTER_BYTES * kind.get_size()
    decoded = any(h5a.exists(variable, name) for name in DECODED)
    return max(kind.get_size(), DECODED_BYTES if decoded else 1)


def _length(texts: object) -> int:
    return sum(map(len, np.asarray(texts, dtype=object).ravel()))


def _blocks(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice | int, ...]]:
    """Split an array of a given shape into blocks of at most ``most`` values."""
    if math.prod(shape) <= most:
        yield (slice(None),) * len(shape)
        return
    rows = max(1, most // max(1, math.prod(shape[1:])))
    for first in range(0, shape[0], rows):
        if rows == 1:
            yield from ((first, *inner) for inner in _blocks(shape[1:], most))
        else:
            yield (slice(first, first + rows), *(slice(None),) * (len(shape) - 1))


def _values(attribute: h5a.AttrID) -> np.ndarray:
    values = np.empty(attribute.get_space().get_simple_extent_dims(), attribute.dtype)
    attribute.read(values)
    return values


def _check_attributes(owner: h5g.GroupID | h5d.DatasetID, name: str, budget: Budget) -> None:
    """Check names, types and sizes of attributes, and the values of attributes that the NetCDF library uses."""
    if (number := h5a.get_num_attrs(owner)) > MAX_ATTRIBUTES:
        raise ValueError(f"{name} has {number} attributes, wanted at most {MAX_ATTRIBUTES}")
    names: list[bytes] = []
    h5a.iterate(owner, names.append)
    for key in names:
        _check_name(key)
        attribute = h5a.open(owner, key)
        what, kind, space = f"attribute {_shown(key)} of {name}", attribute.get_type(), attribute.get_space()
        empty = space.get_simple_extent_type() == h5s.NULL
        shape = () if empty else space.get_simple_extent_dims()
        values = 0 if empty else math.prod(shape)
        budget.take(values * kind.get_size(), what)
        if key in SPECIAL:
            if not isinstance(owner, h5d.DatasetID) or empty or not SPECIAL[key](owner, kind, shape):
                raise ValueError(f"{what} is not a valid attribute of NetCDF-4")
            continue
        fixed_text = kind.get_class() == h5t.STRING and not _is_text(kind) and values <= 1
        if key.startswith(b"_Quantize") or not (_is_number(kind) or _is_text(kind) or fixed_text):
            raise ValueError(f"{what} has neither numbers of 1, 2, 4 or 8 bytes nor texts")
        of_library = key.startswith(b"_N") or key == b"_nc3_strict"
        if of_library and (values > 1 or not (fixed_text or _is_number(kind))):
            raise ValueError(f"{what} is not a valid attribute of NetCDF-4")
        if values and _is_text(kind):
            if values > MAX_ATTRIBUTE_TEXTS and values * budget.file_size > FREE_BYTES:
                raise ValueError(f"{what} has {values} texts, wanted at most {MAX_ATTRIBUTE_TEXTS}")
            budget.take_attribute(_length(_values(attribute)), what)


def _rank(variable: h5d.DatasetID) -> int:
    return len(variable.shape)


def _is_fixed_text(kind: h5t.TypeID, shape: tuple[int, ...]) -> bool:
    text = kind.get_class() == h5t.STRING and not kind.is_variable_str()
    return text and shape == () and kind.get_size() <= MAX_NAME_BYTES


# Attributes that the NetCDF library uses → check of the type and shape that the library assumes.
SPECIAL = {
    b"CLASS": lambda _variable, kind, shape: _is_fixed_text(kind, shape),
    b"NAME": lambda _variable, kind, shape: _is_fixed_text(kind, shape),
    b"DIMENSION_LIST": lambda variable, kind, shape: (
        kind.get_class() == h5t.VLEN and kind.get_super().equal(h5t.STD_REF_OBJ) and shape == (_rank(variable),)
    ),
    b"REFERENCE_LIST": lambda _variable, kind, shape: (
        kind.get_class() == h5t.COMPOUND and kind.get_nmembers() == 2 and kind.get_size() <= 16 and len(shape) == 1
    ),
    b"_Netcdf4Dimid": lambda _variable, kind, shape: kind.equal(h5t.STD_I32LE) and shape in ((), (1,)),
    b"_Netcdf4Coordinates": lambda variable, kind, shape: kind.equal(h5t.STD_I32LE) and shape == (_rank(variable),),
    b"_FillValue": lambda variable, kind, shape: kind.equal(variable.get_type()) and shape in ((), (1,)),
}


def _check_dimensions(file: h5g.GroupID, variables: Mapping[bytes, h5d.DatasetID]) -> None:
    """Check that the dimensions of every variable fit its shape, which the NetCDF library does not check.

    A dimension is a variable with the attribute ``CLASS`` (a dimension scale); each element of the attribute
    ``DIMENSION_LIST`` of another variable refers to one.
    """
    place_of = {h5o.get_info(variable).addr: name for name, variable in variables.items()}
    scales = {name for name, variable in variables.items() if h5a.exists(variable, b"CLASS")}
    numbers: dict[bytes, int] = {}
    for name in scales:
        scale = variables[name]
        if _values(h5a.open(scale, b"CLASS"))[()] != b"DIMENSION_SCALE" or _rank(scale) != 1:
            raise ValueError(f"{_shown(name)} is not a one-dimensional dimension scale")
        if h5a.exists(scale, b"_Netcdf4Dimid"):
            numbers[name] = int(_values(h5a.open(scale, b"_Netcdf4Dimid")).ravel()[0])
    if len(set(numbers.values())) < len(numbers) or not all(0 <= n < len(scales) for n in numbers.values()):
        raise ValueError("its dimensions are not numbered from 0 without repetition (_Netcdf4Dimid)")
    for name, variable in variables.items():
        listed = h5a.exists(variable, b"DIMENSION_LIST")
        if listed == (name in scales or _rank(variable) == 0):
            raise ValueError(f"{_shown(name)} has no dimensions, or is a dimension with dimensions (DIMENSION_LIST)")
        own = [name] if name in scales else []
        for references in _values(h5a.open(variable, b"DIMENSION_LIST")) if listed else ():
            if len(references) != 1 or not references[0]:
                raise ValueError(f"{_shown(name)} has an axis with no dimension or several (DIMENSION_LIST)")
            scale_name = place_of.get(h5o.get_info(h5r.dereference(references[0], file)).addr)
            if scale_name not in scales:
                raise ValueError(f"{_shown(name)} has an axis whose dimension is not one (DIMENSION_LIST)")
            own.append(scale_name)
        if tuple(variables[scale].shape[0] for scale in own) != variable.shape:
            raise ValueError(f"{_shown(name)} does not have the shape of its dimensions")
        if h5a.exists(variable, b"_Netcdf4Coordinates"):
            stated = _values(h5a.open(variable, b"_Netcdf4Coordinates")).tolist()
            if stated != [numbers.get(scale) for scale in own]:
                raise ValueError(f"{_shown(name)} has different dimensions by number and by name (_Netcdf4Coordinates)")
