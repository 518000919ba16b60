"""MATLAB files of version 5: numbers and texts, read without trusting a byte.

SciPy's reader, which is compiled, ends the process on files that are wrong in the right places; nothing here can do
more than raise. The format is MathWorks' "MAT-File Format", chapter 1.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np

LARGEST = 2**26  # bytes of a file, and of all that is unpacked
MOST_TEXTS = 100_000  # in a variable
HEADER = 128  # bytes: a text, then version and byte order

MATRIX, COMPRESSED = 14, 15  # types of elements
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
ENCODINGS = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}

TEXT = 4  # classes of arrays
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
COMPLEX = 0x0800  # a flag


def read_matlab(content: bytes) -> dict[str, np.ndarray]:
    """Variables of a file: real numbers as an array, texts as one of str, a row of characters each.

    Raises
    ------
    ValueError
        When the content is anything else: another format, another kind of variable, or damaged.
    """
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER - 2 : HEADER])
    if order is None:
        raise ValueError("it has no header of a MATLAB 5 file")
    found, room = {}, LARGEST
    for kind, data in _elements(content[HEADER:], order):
        elements = [(kind, data)]
        if kind == COMPRESSED:
            unpacked = _inflated(data, room)
            room -= len(unpacked)
            elements = _elements(unpacked, order)
        for inner, matrix in elements:
            if inner != MATRIX:
                raise ValueError(f"it has an element of type {inner}, wanted an array ({MATRIX})")
            name, values = _array(matrix, order)
            if name in found:
                raise ValueError(f"it has two variables {name!r}")
            found[name] = values
    return found


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of each element."""
    place = 0
    while place < len(content):
        tag = content[place : place + 8]
        if len(tag) < 8:
            raise ValueError("it ends within an element")
        kind, size = struct.unpack(f"{order}II", tag)
        if kind >> 16:  # a small element: its size is beside its type, its data are in the rest of the tag
            kind, size = kind & 0xFFFF, kind >> 16
            begin, end, after = place + 4, place + 4 + size, place + 8
            whole = size <= 4
        else:
            begin, end = place + 8, place + 8 + size
            after = end if kind == COMPRESSED else end + -end % 8
            whole = end <= len(content)
        if not whole:
            raise ValueError("it ends within an element")
        yield kind, content[begin:end]
        place = after


def _inflated(data: bytes, room: int) -> bytes:
    """What is packed in them, if it has at most so many bytes."""
    inflating = zlib.decompressobj()
    try:
        unpacked = inflating.decompress(data, max(room, 1))  # 0 would set no limit
    except zlib.error as error:
        raise ValueError(f"it has an element that cannot be unpacked ({error})") from error
    if inflating.unconsumed_tail or not inflating.eof:
        raise ValueError(f"it has an element that is cut off, or it unpacks to more than {LARGEST} bytes")
    return unpacked


def _array(data: bytes, order: str) -> tuple[str, np.ndarray]:
    """Name and values of an array."""
    parts = list(islice(_elements(data, order), 5))
    if len(parts) != 4:
        found = len(parts) if len(parts) < 4 else "more"
        raise ValueError(f"it has an array of {found} parts, wanted 4: flags, shape, name and real values")
    (_, flags), (_, lengths), (_, name), (kind, values) = parts
    if len(flags) != 8 or len(lengths) % 4 or not 8 <= len(lengths) <= 4 * 32:
        raise ValueError("it has an array whose flags or shape are damaged")
    (flag,) = struct.unpack_from(f"{order}I", flags)
    shape = struct.unpack(f"{order}{len(lengths) // 4}i", lengths)
    of_class, name = flag & 0xFF, name.decode("latin-1")
    if min(shape) < 0 or flag & COMPLEX or of_class not in {TEXT, *CLASSES}:
        raise ValueError(f"its variable {name!r} is neither real numbers nor texts")
    if of_class == TEXT:
        return name, _texts(name, shape, kind, values, order)
    if kind not in NUMBERS or len(values) != math.prod(shape) * np.dtype(NUMBERS[kind]).itemsize:
        raise ValueError(f"its variable {name!r} does not have the values of its shape {shape}")
    stored = np.frombuffer(values, order + NUMBERS[kind]).reshape(shape, order="F")
    with np.errstate(invalid="ignore"):  # infinities as whole numbers are whatever they are
        return name, stored.astype(CLASSES[of_class])


def _texts(name: str, shape: tuple[int, ...], kind: int, values: bytes, order: str) -> np.ndarray:
    encoding = ENCODINGS.get(kind)
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if order == "<" else "-be"
    try:
        characters = values.decode(encoding) if encoding else None
    except UnicodeDecodeError:
        characters = None
    if characters is None or len(shape) != 2 or len(characters) != math.prod(shape) or shape[0] > MOST_TEXTS:
        raise ValueError(f"its variable {name!r} is not rows of characters of its shape {shape}")
    return np.array(["".join(characters[row :: shape[0]]) for row in range(shape[0])], dtype=str)
