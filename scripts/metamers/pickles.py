"""Readers of foreign pickles, which run nothing of them.

Unpicklers of others are not enough: a pickle gives the objects that it may build their state, and NumPy takes over
states that are wrong, by which the process ends or worse.
"""

import math
import pickle
import re
from types import BuiltinFunctionType, FunctionType
from typing import Any, BinaryIO, ClassVar

import numpy as np

ARRAY = "numpy.ndarray"  # what a pickle may name, and hand to _reconstruct, but not call
PLAIN = re.compile(r"[<>=|]?[biufcSUOV]\d{0,9}")  # types of arrays and scalars that are admitted
OF_FIELDS = 16  # flag of a type with fields, none of them objects


class Unpickler(pickle._Unpickler):
    """The unpickler that is written in Python, without what lets a few bytes take gigabytes.

    That in C makes room for as many remembered objects as the file says; both make room for a bytearray of a length
    that the file says, before they know whether it has as many bytes. No file that is read here has one.
    """

    def load_build(self) -> None:
        """Give an object its state; what builds objects has none, and is the same for all pickles."""
        built = self.stack[-2]
        if isinstance(built, type | FunctionType | BuiltinFunctionType):
            raise pickle.UnpicklingError(f"it changes {built.__name__}, which is not its own")
        super().load_build()

    dispatch: ClassVar = {
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    } | {pickle.BUILD[0]: load_build}


def _dtype(code: Any, *_how: Any) -> np.dtype:
    """A type of its own, as a state is given to it; NumPy shares those that it knows."""
    if not isinstance(code, str) or not PLAIN.fullmatch(code):
        raise pickle.UnpicklingError(f"it has a NumPy type {code!r}, wanted one of numbers, texts or objects")
    return np.dtype(code, False, True)


def _empty(kind: Any, shape: Any, _type: Any) -> np.ndarray:
    """An array whose shape, type and values are its state."""
    if kind is not ARRAY or shape != (0,):
        raise pickle.UnpicklingError("it has a NumPy array that does not begin empty")
    return np.empty(0)


def _scalar(dtype: Any, content: Any = None) -> np.generic:
    content = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(dtype, np.dtype) or dtype.hasobject or dtype.fields or not isinstance(content, bytes):
        raise pickle.UnpicklingError("it has a NumPy scalar that is neither number nor text")
    if not dtype.itemsize or len(content) != dtype.itemsize:
        raise pickle.UnpicklingError(f"it has a NumPy scalar of {len(content)} bytes, wanted {dtype.itemsize}")
    return np.frombuffer(content, dtype)[0]


def _check_type(dtype: np.dtype, state: Any) -> None:
    """A type may be told its byte order, what it has anyway, and, of a record, its fields."""
    if not isinstance(state, tuple) or len(state) != 8 or state[0] != 3 or state[1] not in ("<", ">", "=", "|"):
        raise pickle.UnpicklingError(f"it has a NumPy type with a state {state!r}, wanted a plain one")
    _, _, subarray, names, fields, size, alignment, flags = state
    if names is None and fields is None:
        known = (size, alignment) in {(-1, -1), (dtype.itemsize, dtype.alignment)} and flags == dtype.flags
    else:
        known = dtype.kind == "V" and (size, alignment, flags) == (dtype.itemsize, 1, OF_FIELDS)
        known = known and _are_fields(names, fields, dtype)
    if subarray is not None or not known:
        raise pickle.UnpicklingError(f"it has a NumPy type {dtype} with a state {state!r}, which is another one's")


def _are_fields(names: Any, fields: Any, record: np.dtype) -> bool:
    """Whether these are fields of a record: plain types other than itself, each within it."""
    if not isinstance(names, tuple) or not isinstance(fields, dict) or set(names) != fields.keys():
        return False
    for field in fields.values():
        if not isinstance(field, tuple) or len(field) != 2:
            return False
        dtype, offset = field
        if not isinstance(dtype, np.dtype) or dtype is record or dtype.hasobject or dtype.fields:
            return False
        if type(offset) is not int or not 0 <= offset <= record.itemsize - dtype.itemsize:
            return False
    return len(set(names)) == len(names) and all(isinstance(name, str) for name in names)


def _check_array(state: Any) -> None:
    """An array has as many values as its shape says."""
    if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[1], tuple):
        raise pickle.UnpicklingError("it has a NumPy array whose state is none")
    version, shape, dtype, _, values = state
    plain = all(type(length) is int and 0 <= length < 2**40 for length in shape) and len(shape) <= 32
    if version != 1 or not plain or not isinstance(dtype, np.dtype) or not dtype.itemsize:
        raise pickle.UnpicklingError("it has a NumPy array whose shape or type is damaged")
    kinds, size = (list, 1) if dtype.hasobject else (bytes | str, dtype.itemsize)
    if not isinstance(values, kinds) or len(values) != math.prod(shape) * size:
        raise pickle.UnpicklingError(f"it has a NumPy array that does not have the values of its shape {shape}")


# All that a pickle of NumPy scalars and arrays needs. Nothing is imported, and no attribute followed.
_ADMITTED: dict[tuple[str, str], Any] = {("numpy", "dtype"): _dtype, ("numpy", "ndarray"): ARRAY} | {
    (module, name): build
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name, build in (("scalar", _scalar), ("_reconstruct", _empty))
}


class NumpyUnpickler(Unpickler):
    """An unpickler that can build NumPy scalars and arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the admitted builders; any other name is refused before it is imported."""
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which could run code; admitted are plain data, NumPy scalars and arrays"
            ) from None

    def load_build(self) -> None:
        """Give an object its state, if that is one that it may have."""
        state, built = self.stack[-1], self.stack[-2]
        if isinstance(built, np.dtype):
            _check_type(built, state)
        elif isinstance(built, np.ndarray):
            _check_array(state)
        super().load_build()

    dispatch: ClassVar = Unpickler.dispatch | {pickle.BUILD[0]: load_build}


def read_pickle(stream: BinaryIO, unpickler: type[NumpyUnpickler] = NumpyUnpickler) -> Any:
    """Unpickle plain data with NumPy scalars and arrays, and what else an unpickler of the caller's admits.

    Raises
    ------
    ValueError
        When the pickle names anything else (nothing of it is run), is truncated, or is not a pickle.
    """
    try:
        return unpickler(stream).load()
    except Exception as error:  # a broken pickle raises nearly anything
        raise ValueError(f"not a pickle that may be read: {error}") from error
