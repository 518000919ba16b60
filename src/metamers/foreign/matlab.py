"""Read numbers and texts from untrusted MATLAB files of version 5.

SciPy's compiled reader can crash the process on a damaged file; this reader, in plain Python, can only raise an
exception. The format is described in MathWorks' "MAT-File Format", chapter 1.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np

MAX_MATLAB_BYTES = 2**26  # of a file, and of all unpacked elements together
MAX_TEXTS = 100_000  # in a variable
HEADER = 128  # bytes: a description, then version and byte order

MATRIX, COMPRESSED = 14, 15  # types of elements
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
ENCODINGS = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}

TEXT = 4  # classes of arrays
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
COMPLEX = 0x0800  # a flag


def read_matlab(content: bytes) -> dict[str, np.ndarray]:
    """Read all variables of a MATLAB file.

    Parameters
    ----------
    content
        The bytes of the file.

    Returns
    -------
    dict
        Name → array: real numbers in their own type and shape; a character matrix as one str for each row.

    Raises
    ------
    ValueError
        When the content is damaged, has another format, or has a variable of another kind.
    """
    if len(content) > MAX_MATLAB_BYTES:
        raise ValueError(f"it has more than {MAX_MATLAB_BYTES} bytes")
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER - 2 : HEADER])
    if order is None:
        raise ValueError("it has no header of a MATLAB 5 file")
    arrays, room = {}, MAX_MATLAB_BYTES
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
            if name in arrays:
                raise ValueError(f"it has two variables {name!r}")
            arrays[name] = values
    return arrays


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and data of each element."""
    place = 0
    while place < len(content):
        tag = content[place : place + 8]
        if len(tag) < 8:
            raise ValueError("it ends within an element")
        kind, size = struct.unpack(f"{order}II", tag)
        if kind >> 16:  # a small element: the tag holds type and size in its first half, the data in its second
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
    """Decompress an element to at most ``room`` bytes."""
    inflating = zlib.decompressobj()
    try:
        unpacked = inflating.decompress(data, max(room, 1))  # 0 would set no limit
    except zlib.error as error:
        raise ValueError(f"it has an element that cannot be unpacked ({error})") from error
    if inflating.unconsumed_tail or not inflating.eof:
        raise ValueError(f"it has an element that is cut off or unpacks to more than {MAX_MATLAB_BYTES} bytes")
    return unpacked


def _array(data: bytes, order: str) -> tuple[str, np.ndarray]:
    """Return the name and values of an array."""
    parts = list(islice(_elements(data, order), 5))
    if len(parts) != 4:
        number = len(parts) if len(parts) < 4 else "more"
        raise ValueError(f"it has an array of {number} parts, wanted 4: flags, shape, name and real values")
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
    with np.errstate(invalid="ignore"):  # converting an infinity to an integer type gives an arbitrary number
        return name, stored.astype(CLASSES[of_class])


def _texts(name: str, shape: tuple[int, ...], kind: int, values: bytes, order: str) -> np.ndarray:
    encoding = ENCODINGS.get(kind)
    if encoding in ("utf-16", "utf-32"):
        encoding += "-le" if order == "<" else "-be"
    try:
        characters = values.decode(encoding) if encoding else None
    except UnicodeDecodeError:
        characters = None
    if characters is None or len(shape) != 2 or len(characters) != math.prod(shape) or shape[0] > MAX_TEXTS:
        raise ValueError(f"its variable {name!r} does not have the characters of its shape {shape}")
    return np.array(["".join(characters[row :: shape[0]]) for row in range(shape[0])], dtype=str)
