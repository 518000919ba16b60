"""Read untrusted pickles without running any code that they name.

While a pickle is read, a stand-in takes the place of every class and function that it names, and records the arguments
and states. Arrays are built afterwards, from checked records: NumPy itself accepts a wrong state, or one that the
pickle changes later, and can then crash or corrupt memory. A pickle is a program; opcodes that could make the unpickler
take gigabytes or run forever are refused.
"""

import io
import math
import pickle
import re
import reprlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, ClassVar

import numpy as np

PLAIN_TYPE = re.compile(r"[<>=|]?[biufcSUOV]\d{0,9}")  # accepted types of arrays and scalars
RECORD_FLAGS = 16  # the flags of a NumPy type with fields, none of which holds objects
KINDS_WITH_BYTE_ORDER = "iufcU"  # kinds of types whose values have a byte order
MAX_OBJECTS = 2**22  # in all object arrays of a pickle
MAX_PICKLE_BYTES = 2**29  # the published excerpts have about a quarter of this
MAX_OPCODES = 2**21  # each can take a few hundred bytes of memory
MAX_NAMES = 10_000  # of classes and functions: each takes a few kilobytes of memory
MAX_TEXT_BYTES = 2**29  # memory of all texts
MAX_SCALAR_BYTES = 1024  # of a NumPy scalar, which is copied
MAX_WIDE_TEXT_BYTES = 2**20  # of a text with letters beyond latin-1, which take up to four times the memory
BEYOND_LATIN_1 = re.compile(b"[\xc4-\xff]")  # in UTF-8

# Types of keys and of members of sets. Hashing other objects can take forever or overflow the stack; larger integers
# can all have the same hash.
HASHABLE = (str, bytes, float, type(None), np.str_, np.bytes_, np.bool_, np.integer, np.floating)
MAX_KEY = 2**60

# Opcodes that no file of interest has: bytearrays, buffers and registered extensions.
REFUSED_OPCODES = (pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.EXT1, pickle.EXT2, pickle.EXT4)

TEXT_OPCODES = (
    *(pickle.UNICODE, pickle.BINUNICODE, pickle.BINUNICODE8, pickle.SHORT_BINUNICODE),
    *(pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING),
)


class StandIn:
    """Stands for an object that is not built; ``parts`` has the arguments and states that it would be built from."""

    def __new__(cls, *arguments: Any, **named: Any) -> "StandIn":
        """Record the arguments without using them."""
        stand_in = super().__new__(cls)
        stand_in.parts = [*arguments, *named.values()]
        return stand_in

    def __init__(self, *_arguments: Any, **_named: Any):
        """Do nothing: ``__new__`` has recorded the arguments."""

    def __setstate__(self, state: Any) -> None:
        """Record the state without using it."""
        self.parts.append(state)


def check_keys(keys: Iterable[Any]) -> None:
    """Check that all keys are numbers, texts or tuples of these, which are safe to hash.

    Raises
    ------
    pickle.UnpicklingError
        When a key is anything else.
    """
    for key in keys:
        for part in key if type(key) is tuple else (key,):
            if not isinstance(part, HASHABLE) and not (isinstance(part, int) and abs(part) < MAX_KEY):
                raise pickle.UnpicklingError(f"it has a key of type {type(part).__name__}, wanted a number or a text")


def _counted(load: Callable[["Unpickler"], None]) -> Callable[["Unpickler"], None]:
    """Wrap the handler of an opcode so that the number of opcodes is limited."""

    def counted(self: "Unpickler") -> None:
        self.opcodes += 1
        if self.opcodes > MAX_OPCODES:
            raise pickle.UnpicklingError(f"it has more than {MAX_OPCODES} opcodes")
        load(self)

    return counted


def _weighed(load: Callable[["Unpickler"], None]) -> Callable[["Unpickler"], None]:
    """Wrap the handler of an opcode that makes a text so that the memory of all texts is limited."""

    def weighed(self: "Unpickler") -> None:
        load(self)
        self.text_bytes += self.stack[-1].__sizeof__()
        if self.text_bytes > MAX_TEXT_BYTES:
            raise pickle.UnpicklingError(f"its texts take more than {MAX_TEXT_BYTES} bytes of memory")

    return weighed


class Unpickler(pickle._Unpickler):
    """Python's own unpickler, restricted so that each opcode does only what plain data need.

    A pickle can call everything that ``find_class`` of a subclass returns, with any arguments, so these objects must be
    harmless. The unpickler in C is not used: it allocates a memo of the size that the file declares.
    """

    def __init__(self, stream: BinaryIO, **options: Any):
        super().__init__(stream, **options)
        self.opcodes = self.text_bytes = 0
        self.stand_ins: dict[tuple[str, str], type[StandIn]] = {}

    def stand_in(self, module: str, name: str, kind: type[StandIn]) -> type[StandIn]:
        """Return the class that stands for a name of the pickle; each name has one class."""
        if len(self.stand_ins) >= MAX_NAMES:
            raise pickle.UnpicklingError(f"it names more than {MAX_NAMES} classes and functions")
        return self.stand_ins.setdefault((module, name), type(f"{module}.{name}", (kind,), {}))

    def _check_container(self, thing: Any, *kinds: type) -> None:
        if type(thing) not in kinds and not isinstance(thing, StandIn):
            raise pickle.UnpicklingError(f"it puts something into an object of type {type(thing).__name__}")

    def _append_text(self, length: int) -> None:
        content = self.read(length)
        if length > MAX_WIDE_TEXT_BYTES and BEYOND_LATIN_1.search(content):
            raise pickle.UnpicklingError(f"it has a text of {length} bytes, wanted at most {MAX_WIDE_TEXT_BYTES}")
        self.append(str(content, "utf-8", "surrogatepass"))

    def load_binunicode(self) -> None:
        """Read a text whose memory is limited."""
        self._append_text(int.from_bytes(self.read(4), "little"))

    def load_binunicode8(self) -> None:
        """Read a text whose memory is limited."""
        self._append_text(int.from_bytes(self.read(8), "little"))

    def load_unicode(self) -> None:
        """Read a text with escaped letters, whose length is limited."""
        line = self.readline()[:-1]
        if len(line) > MAX_WIDE_TEXT_BYTES:
            raise pickle.UnpicklingError(f"it has a text of {len(line)} bytes, wanted at most {MAX_WIDE_TEXT_BYTES}")
        self.append(str(line, "raw-unicode-escape"))

    def load_append(self) -> None:
        """Append to a list only."""
        self._check_container(self.stack[-2], list)
        super().load_append()

    def load_appends(self) -> None:
        """Append to a list only."""
        self._check_container(self.metastack[-1][-1], list)
        super().load_appends()

    def load_setitem(self) -> None:
        """Put a value with a plain key into a dictionary only."""
        check_keys([self.stack[-2]])
        self._check_container(self.stack[-3], dict, OrderedDict)
        super().load_setitem()

    def load_setitems(self) -> None:
        """Put values with plain keys into a dictionary only."""
        check_keys(self.stack[::2])
        self._check_container(self.metastack[-1][-1], dict, OrderedDict)
        super().load_setitems()

    def load_dict(self) -> None:
        """Make a dictionary with plain keys."""
        check_keys(self.stack[::2])
        super().load_dict()

    def load_additems(self) -> None:
        """Add plain members to a set only."""
        check_keys(self.stack)
        if type(self.metastack[-1][-1]) is not set:
            raise pickle.UnpicklingError("it adds members to what is no set")
        super().load_additems()

    def load_frozenset(self) -> None:
        """Make a set of plain members."""
        check_keys(self.stack)
        super().load_frozenset()

    def load_build(self) -> None:
        """Give a stand-in its state; the state of an ordered dictionary is dropped, any other object is refused."""
        state, built = self.stack.pop(), self.stack[-1]
        if isinstance(built, StandIn):
            built.__setstate__(state)
        elif type(built) is not OrderedDict:
            raise pickle.UnpicklingError(f"it gives a state to an object of type {type(built).__name__}")

    dispatch: ClassVar = {
        code: _counted(_weighed(load) if bytes([code]) in TEXT_OPCODES else load)
        for code, load in {
            **pickle._Unpickler.dispatch,
            pickle.BINUNICODE[0]: load_binunicode,
            pickle.BINUNICODE8[0]: load_binunicode8,
            pickle.UNICODE[0]: load_unicode,
            pickle.APPEND[0]: load_append,
            pickle.APPENDS[0]: load_appends,
            pickle.SETITEM[0]: load_setitem,
            pickle.SETITEMS[0]: load_setitems,
            pickle.DICT[0]: load_dict,
            pickle.ADDITEMS[0]: load_additems,
            pickle.FROZENSET[0]: load_frozenset,
            pickle.BUILD[0]: load_build,
        }.items()
        if bytes([code]) not in REFUSED_OPCODES
    }


def abbreviated(thing: Any) -> str:
    """Return a short representation for a message; objects of a pickle may be huge or contain themselves."""
    try:
        return reprlib.repr(thing)
    except ValueError:  # an integer with too many digits for Python to print
        return f"an object of type {type(thing).__name__}"


class _Type(StandIn):
    """Stands for a ``numpy.dtype``."""

    @property
    def not_plain(self) -> bool:
        """Whether the type holds objects, is a record, or is damaged."""
        code = self.parts[0] if self.parts else None
        return not isinstance(code, str) or not set(code).isdisjoint("OV")

    def build(self) -> np.dtype:
        """Return the NumPy type: numbers, texts, objects, or a record of numbers and texts."""
        code, *how = self.parts or [None]
        if not isinstance(code, str) or not PLAIN_TYPE.fullmatch(code):
            raise pickle.UnpicklingError(
                f"it has a NumPy type {abbreviated(code)}, wanted one of numbers, texts or objects"
            )
        states = [part for part in how if isinstance(part, tuple)]
        dtype = _with_state(np.dtype(code), *states) if states else np.dtype(code)
        if not dtype.itemsize:
            raise pickle.UnpicklingError(f"it has a NumPy type {abbreviated(code)} of size 0")
        return dtype


def _with_state(dtype: np.dtype, state: tuple) -> np.dtype:
    """Apply a pickled state to a type: its byte order and, for a record, its fields; all else must agree already."""
    if len(state) != 8 or state[0] != 3 or state[1] not in ("<", ">", "=", "|"):
        raise pickle.UnpicklingError(f"it has a NumPy type with a state {abbreviated(state)}, wanted a plain one")
    _, order, subarray, names, fields, size, alignment, flags = state
    if subarray is None and names is None and fields is None:
        known = (size, alignment) in {(-1, -1), (dtype.itemsize, dtype.alignment)} and flags == dtype.flags
        if known and (dtype.kind in KINDS_WITH_BYTE_ORDER or order in "=|"):
            return dtype.newbyteorder(order)
    elif subarray is None and dtype.kind == "V" and (size, alignment, flags) == (dtype.itemsize, 1, RECORD_FLAGS):
        return _record(names, fields, size)
    raise pickle.UnpicklingError(f"it has a NumPy type {dtype} with the state of another type: {abbreviated(state)}")


def _record(names: Any, fields: Any, size: int) -> np.dtype:
    """Return the NumPy type of a record of numbers and texts."""
    plain = type(names) is tuple and all(isinstance(name, str) for name in names) and type(fields) is dict
    if plain and len(names) == len(fields) and set(names) == fields.keys():
        fields_of_names = [fields[name] for name in names]
        if all(type(field) is tuple and [type(part) for part in field] == [_Type, int] for field in fields_of_names):
            types, offsets = zip(*fields_of_names, strict=True)
            if min(offsets) >= 0 and not any(dtype.not_plain for dtype in types):
                types = [dtype.build() for dtype in types]
                return np.dtype({"names": list(names), "formats": types, "offsets": list(offsets), "itemsize": size})
    raise pickle.UnpicklingError("it has a NumPy type with invalid fields")


class _Array(StandIn):
    """Stands for a ``numpy.ndarray``; NumPy pickles one as its class, an empty shape, a type code and a state."""

    def build(self) -> tuple[tuple[int, ...], np.dtype, str, bytes | str | list]:
        """Return the array's shape, type, order and values; the number of values agrees with the shape."""
        if len(self.parts) != 4 or self.parts[0] is not _Class or self.parts[1] != (0,):
            raise pickle.UnpicklingError(
                "it has a NumPy array that does not begin empty, or whose state is not set exactly once"
            )
        state = self.parts[-1]
        if type(state) is not tuple or len(state) != 5 or type(state[1]) is not tuple:
            raise pickle.UnpicklingError("it has a NumPy array with an invalid state")
        version, shape, dtype, by_columns, values = state
        plain = all(type(length) is int and 0 <= length < 2**40 for length in shape) and len(shape) <= 32
        if version != 1 or not plain or not isinstance(dtype, _Type):
            raise pickle.UnpicklingError("it has a NumPy array whose shape or type is damaged")
        dtype = dtype.build()
        kinds, size = ((list,), 1) if dtype.hasobject else ((bytes, str), dtype.itemsize)
        if type(values) not in kinds or len(values) != math.prod(shape) * size:
            raise pickle.UnpicklingError(f"it has a NumPy array that does not have the values of its shape {shape}")
        return shape, dtype, "F" if by_columns else "C", values


class _Class(StandIn):
    """Stands for the class ``numpy.ndarray``, which a pickle may pass as an argument but not call."""

    def build(self) -> None:
        """Raise."""
        raise pickle.UnpicklingError("it calls numpy.ndarray, wanted an array that begins empty")


def _scalar(dtype: Any, content: Any = None) -> np.generic:
    content = content.encode("latin1") if type(content) is str else content
    data_type = dtype.build() if isinstance(dtype, _Type) else None
    if data_type is None or data_type.kind in "OV" or type(content) is not bytes:
        raise pickle.UnpicklingError("it has a NumPy scalar that is neither number nor text")
    if len(content) != data_type.itemsize or len(content) > MAX_SCALAR_BYTES:
        expected = min(data_type.itemsize, MAX_SCALAR_BYTES)
        raise pickle.UnpicklingError(f"it has a NumPy scalar of {len(content)} bytes, wanted {expected}")
    return np.frombuffer(content, data_type)[0]


# All names that pickles of NumPy scalars and arrays need. No module is imported and no attribute is looked up.
_BUILDERS: dict[tuple[str, str], Any] = {("numpy", "dtype"): _Type, ("numpy", "ndarray"): _Class} | {
    (module, name): build
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name, build in (("scalar", _scalar), ("_reconstruct", _Array))
}


class NumpyUnpickler(Unpickler):
    """An unpickler that builds plain data, NumPy scalars and stand-ins for arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an accepted builder; any other name is refused without importing it."""
        try:
            return _BUILDERS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which could run code; wanted plain data, NumPy scalars and arrays only"
            ) from None


# Of what an array can be a part. A union of types would be made anew for each of the many values of a pickle.
_CONTAINERS = (list, tuple, dict, StandIn)


class _Builder:
    """Replaces each stand-in for an array or type, anywhere in plain data, by the object that it stands for."""

    def __init__(self) -> None:
        # Identity of each visited object → the object, which keeps its identity from being reused, and its replacement.
        self.seen: dict[int, tuple[Any, Any]] = {}
        self.encoded: dict[int, tuple[str, bytes]] = {}
        self.objects = 0

    def build(self, thing: Any) -> Any:
        """Return the object with all arrays built: lists, dictionaries and stand-ins in place, tuples as copies."""
        if not isinstance(thing, _CONTAINERS):
            return thing
        if id(thing) in self.seen:
            return self.seen[id(thing)][1]
        self.seen[id(thing)] = (thing, thing)
        if isinstance(thing, _Array):
            result = self.array(thing)
        elif isinstance(thing, _Type | _Class):
            result = thing.build()
        elif type(thing) is tuple:
            result = tuple(map(self.build, thing))
        else:
            result = thing
            if type(thing) is list:
                thing[:] = map(self.build, thing)
            elif isinstance(thing, dict):
                thing.update({key: self.build(value) for key, value in thing.items()})
            elif isinstance(thing, StandIn):
                thing.parts = [self.build(part) for part in thing.parts]
        self.seen[id(thing)] = (thing, result)
        return result

    def array(self, stand_in: _Array) -> np.ndarray:
        """Build an array; numbers are not copied from the pickle, so the array is read-only."""
        shape, dtype, order, values = stand_in.build()
        if dtype.hasobject:
            self.objects += len(values)
            if self.objects > MAX_OBJECTS:
                raise pickle.UnpicklingError(f"it has NumPy arrays of more than {MAX_OBJECTS} objects")
            array = np.empty(len(values), dtype)
            for place, value in enumerate(map(self.build, values)):
                if isinstance(value, np.ndarray) and value.dtype.hasobject:
                    raise pickle.UnpicklingError("it has nested NumPy arrays of objects")
                array[place] = value
        else:
            if isinstance(values, str):  # encoded once, even if several arrays share the text
                if id(values) not in self.encoded:
                    self.encoded[id(values)] = (values, values.encode("latin1"))
                values = self.encoded[id(values)][1]
            array = np.frombuffer(values, dtype) if values else np.empty(0, dtype)
        return array.reshape(shape, order=order)


def read_pickle(stream: BinaryIO, unpickler: type[NumpyUnpickler] = NumpyUnpickler) -> Any:
    """Unpickle plain data with NumPy scalars and arrays.

    Parameters
    ----------
    stream
        A binary file.
    unpickler
        A subclass may accept further names in ``find_class``.

    Returns
    -------
    Any
        The pickled object; its arrays are read-only.

    Raises
    ------
    ValueError
        When the file is not a pickle, is truncated or too large, or names anything that is not accepted; no code of
        the pickle has been run.
    """
    content = stream.read(MAX_PICKLE_BYTES + 1)
    if len(content) > MAX_PICKLE_BYTES:
        raise ValueError(f"the pickle has more than {MAX_PICKLE_BYTES} bytes")
    try:
        return _Builder().build(unpickler(io.BytesIO(content)).load())
    except Exception as error:  # a damaged pickle can raise almost any exception
        raise ValueError(f"not a pickle that may be read: {error}") from error
