"""Readers of foreign pickles, which run nothing of them.

While a pickle is read, whatever it names is a stand-in, which keeps what is said of it. Arrays are made afterwards, of
what was found to be right: NumPy takes over states that are wrong, or that a pickle changes under its hands, by which
the process ends or worse. And a pickle is a program for a machine that trusts it: what could make that machine take
gigabytes, or compute without end, is refused at the opcode.
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

PLAIN = re.compile(r"[<>=|]?[biufcSUOV]\d{0,9}")  # types of arrays and scalars that are admitted
OF_FIELDS = 16  # flag of a type with fields, none of them objects
ORDERED = "iufcU"  # kinds of types whose values have a byte order
MOST_OBJECTS = 2**22  # in arrays of objects, in one pickle
LARGEST = 2**29  # bytes of a pickle: the published excerpts have about a quarter
MOST_OPCODES = 2**21  # of a pickle: each can take a few hundred bytes of memory
MOST_NAMES = 10_000  # of classes and functions that it names: each takes some kilobytes
MAX_TEXT_BYTES = 2**29  # of memory of all texts
LONGEST_SCALAR = 1024  # bytes of a NumPy scalar, which is a copy
LONGEST_TEXT = 2**20  # bytes of a text that may have letters beyond latin-1, which take up to four times the memory
BEYOND_LATIN_1 = re.compile(b"[\xc4-\xff]")  # in UTF-8

# What may be a key, or a member of a set: hashing others can take forever, or the process' stack. Larger whole numbers
# can all have the same hash.
HASHED = (str, bytes, float, type(None), np.str_, np.bytes_, np.bool_, np.integer, np.floating)
LARGEST_KEY = 2**60

# No file that is read has these: bytearrays and buffers, and what other readers registered with Python.
REFUSED = (pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.EXT1, pickle.EXT2, pickle.EXT4)
# What makes texts.
TEXTS = (
    *(pickle.UNICODE, pickle.BINUNICODE, pickle.BINUNICODE8, pickle.SHORT_BINUNICODE),
    *(pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING),
)


class StandIn:
    """What a pickle says of an object: the arguments and the states that it would be made from, as ``parts``."""

    def __new__(cls, *arguments: Any, **named: Any) -> "StandIn":
        """Keep the arguments, and do nothing with them."""
        stand_in = super().__new__(cls)
        stand_in.parts = [*arguments, *named.values()]
        return stand_in

    def __init__(self, *_arguments: Any, **_named: Any):
        """All is done."""

    def __setstate__(self, state: Any) -> None:
        """Keep the state, and do nothing with it."""
        self.parts.append(state)


def check_keys(keys: Iterable[Any]) -> None:
    """Raise for what may not be hashed: all but numbers, texts, and tuples of these."""
    for key in keys:
        for part in key if type(key) is tuple else (key,):
            if not isinstance(part, HASHED) and not (isinstance(part, int) and abs(part) < LARGEST_KEY):
                raise pickle.UnpicklingError(f"it has a key of type {type(part).__name__}, wanted a number or a text")


def _counted(load: Callable[["Unpickler"], None]) -> Callable[["Unpickler"], None]:
    """Wrap the handler of an opcode, and limit the number of opcodes."""

    def counted(self: "Unpickler") -> None:
        self.opcodes += 1
        if self.opcodes > MOST_OPCODES:
            raise pickle.UnpicklingError(f"it has more than {MOST_OPCODES} opcodes")
        load(self)

    return counted


def _weighed(load: Callable[["Unpickler"], None]) -> Callable[["Unpickler"], None]:
    """Wrap the handler of an opcode that makes a text, and limit the memory of all texts."""

    def weighed(self: "Unpickler") -> None:
        load(self)
        self.text_bytes += self.stack[-1].__sizeof__()
        if self.text_bytes > MAX_TEXT_BYTES:
            raise pickle.UnpicklingError(f"its texts take more than {MAX_TEXT_BYTES} bytes of memory")

    return weighed


class Unpickler(pickle._Unpickler):
    """The unpickler that is written in Python, of which every opcode does only what plain data need.

    Whatever a subclass's ``find_class`` gives is called with what a pickle likes: that must be harmless. (The unpickler
    in C makes room for as many remembered objects as the file says.)
    """

    def __init__(self, stream: BinaryIO, **options: Any):
        super().__init__(stream, **options)
        self.opcodes = self.text_bytes = 0
        self.stand_ins: dict[tuple[str, str], type[StandIn]] = {}

    def stand_in(self, module: str, name: str, kind: type[StandIn]) -> type[StandIn]:
        """The class that stands for a name of the pickle, made once."""
        if len(self.stand_ins) >= MOST_NAMES:
            raise pickle.UnpicklingError(f"it names more than {MOST_NAMES} classes and functions")
        return self.stand_ins.setdefault((module, name), type(f"{module}.{name}", (kind,), {}))

    def _takes(self, thing: Any, *kinds: type) -> None:
        if type(thing) not in kinds and not isinstance(thing, StandIn):
            raise pickle.UnpicklingError(f"it puts something into an object of type {type(thing).__name__}")

    def _append_text(self, length: int) -> None:
        content = self.read(length)
        if length > LONGEST_TEXT and BEYOND_LATIN_1.search(content):
            raise pickle.UnpicklingError(f"it has a text of {length} bytes, wanted at most {LONGEST_TEXT}")
        self.append(str(content, "utf-8", "surrogatepass"))

    def load_binunicode(self) -> None:
        """Read a text that takes little more memory than its bytes."""
        self._append_text(int.from_bytes(self.read(4), "little"))

    def load_binunicode8(self) -> None:
        """Read a text that takes little more memory than its bytes."""
        self._append_text(int.from_bytes(self.read(8), "little"))

    def load_unicode(self) -> None:
        """Read a short text."""
        line = self.readline()[:-1]
        if len(line) > LONGEST_TEXT:
            raise pickle.UnpicklingError(f"it has a text of {len(line)} bytes, wanted at most {LONGEST_TEXT}")
        self.append(str(line, "raw-unicode-escape"))

    def load_append(self) -> None:
        """Append to a list only."""
        self._takes(self.stack[-2], list)
        super().load_append()

    def load_appends(self) -> None:
        """Append to a list only."""
        self._takes(self.metastack[-1][-1], list)
        super().load_appends()

    def load_setitem(self) -> None:
        """Put a value with a plain key into a dictionary only."""
        check_keys([self.stack[-2]])
        self._takes(self.stack[-3], dict, OrderedDict)
        super().load_setitem()

    def load_setitems(self) -> None:
        """Put values with plain keys into a dictionary only."""
        check_keys(self.stack[::2])
        self._takes(self.metastack[-1][-1], dict, OrderedDict)
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
        """Give a stand-in its state. That of an ordered dictionary is dropped; nothing else has one."""
        state, built = self.stack.pop(), self.stack[-1]
        if isinstance(built, StandIn):
            built.__setstate__(state)
        elif type(built) is not OrderedDict:
            raise pickle.UnpicklingError(f"it gives a state to an object of type {type(built).__name__}")

    dispatch: ClassVar = {
        code: _counted(_weighed(load) if bytes([code]) in TEXTS else load)
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
        if bytes([code]) not in REFUSED
    }


def short(thing: Any) -> str:
    """What a message shows of something of a pickle, which may be endless."""
    try:
        return reprlib.repr(thing)
    except ValueError:  # a number of too many digits for Python to print
        return f"an object of type {type(thing).__name__}"


class _Type(StandIn):
    """Stands for a ``numpy.dtype``."""

    @property
    def of_others(self) -> bool:
        """Whether it is of objects, or a record of other types, or damaged."""
        code = self.parts[0] if self.parts else None
        return not isinstance(code, str) or not set(code).isdisjoint("OV")

    def made(self) -> np.dtype:
        """The type: of numbers, texts or objects, or a record of numbers and texts."""
        code, *how = self.parts or [None]
        if not isinstance(code, str) or not PLAIN.fullmatch(code):
            raise pickle.UnpicklingError(f"it has a NumPy type {short(code)}, wanted one of numbers, texts or objects")
        states = [part for part in how if isinstance(part, tuple)]
        dtype = _told(np.dtype(code), *states) if states else np.dtype(code)
        if not dtype.itemsize:
            raise pickle.UnpicklingError(f"it has a NumPy type {short(code)} of no size")
        return dtype


def _told(dtype: np.dtype, state: tuple) -> np.dtype:
    """A type that was told its byte order, what it has anyway, and, of a record, its fields."""
    if len(state) != 8 or state[0] != 3 or state[1] not in ("<", ">", "=", "|"):
        raise pickle.UnpicklingError(f"it has a NumPy type with a state {short(state)}, wanted a plain one")
    _, order, subarray, names, fields, size, alignment, flags = state
    if subarray is None and names is None and fields is None:
        known = (size, alignment) in {(-1, -1), (dtype.itemsize, dtype.alignment)} and flags == dtype.flags
        if known and (dtype.kind in ORDERED or order in "=|"):
            return dtype.newbyteorder(order)
    elif subarray is None and dtype.kind == "V" and (size, alignment, flags) == (dtype.itemsize, 1, OF_FIELDS):
        return _record(names, fields, size)
    raise pickle.UnpicklingError(f"it has a NumPy type {dtype} with a state of another: {short(state)}")


def _record(names: Any, fields: Any, size: int) -> np.dtype:
    """A record of numbers and texts."""
    plain = type(names) is tuple and all(isinstance(name, str) for name in names) and type(fields) is dict
    if plain and len(names) == len(fields) and set(names) == fields.keys():
        found = [fields[name] for name in names]
        if all(type(field) is tuple and [type(part) for part in field] == [_Type, int] for field in found):
            types, offsets = zip(*found, strict=True)
            if min(offsets) >= 0 and not any(dtype.of_others for dtype in types):
                types = [dtype.made() for dtype in types]
                return np.dtype({"names": list(names), "formats": types, "offsets": list(offsets), "itemsize": size})
    raise pickle.UnpicklingError("it has a NumPy type whose fields do not belong to it")


class _Array(StandIn):
    """Stands for a ``numpy.ndarray``, as whose parts NumPy pickles its class, an empty shape, a type and a state."""

    def made(self) -> tuple[tuple[int, ...], np.dtype, str, bytes | str | list]:
        """Shape, type and order of the array, and as many values as its shape says."""
        if len(self.parts) != 4 or self.parts[0] is not _Class or self.parts[1] != (0,):
            raise pickle.UnpicklingError(
                "it has a NumPy array that does not begin empty, or is not told once what it is"
            )
        state = self.parts[-1]
        if type(state) is not tuple or len(state) != 5 or type(state[1]) is not tuple:
            raise pickle.UnpicklingError("it has a NumPy array whose state is none")
        version, shape, dtype, by_columns, values = state
        plain = all(type(length) is int and 0 <= length < 2**40 for length in shape) and len(shape) <= 32
        if version != 1 or not plain or not isinstance(dtype, _Type):
            raise pickle.UnpicklingError("it has a NumPy array whose shape or type is damaged")
        dtype = dtype.made()
        kinds, size = ((list,), 1) if dtype.hasobject else ((bytes, str), dtype.itemsize)
        if type(values) not in kinds or len(values) != math.prod(shape) * size:
            raise pickle.UnpicklingError(f"it has a NumPy array that does not have the values of its shape {shape}")
        return shape, dtype, "F" if by_columns else "C", values


class _Class(StandIn):
    """Stands for the class of arrays, which a pickle hands to what makes them, and does not call itself."""

    def made(self) -> None:
        """Raise."""
        raise pickle.UnpicklingError("it calls numpy.ndarray, wanted an array that begins empty")


def _scalar(dtype: Any, content: Any = None) -> np.generic:
    content = content.encode("latin1") if type(content) is str else content
    found = dtype.made() if isinstance(dtype, _Type) else None
    if found is None or found.kind in "OV" or type(content) is not bytes:
        raise pickle.UnpicklingError("it has a NumPy scalar that is neither number nor text")
    if len(content) != found.itemsize or len(content) > LONGEST_SCALAR:
        wanted = min(found.itemsize, LONGEST_SCALAR)
        raise pickle.UnpicklingError(f"it has a NumPy scalar of {len(content)} bytes, wanted {wanted}")
    return np.frombuffer(content, found)[0]


# All that a pickle of NumPy scalars and arrays needs. Nothing is imported, and no attribute followed.
_ADMITTED: dict[tuple[str, str], Any] = {("numpy", "dtype"): _Type, ("numpy", "ndarray"): _Class} | {
    (module, name): build
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name, build in (("scalar", _scalar), ("_reconstruct", _Array))
}


class NumpyUnpickler(Unpickler):
    """An unpickler that can build NumPy scalars and stand-ins of arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the admitted builders; any other name is refused before it is imported."""
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which could run code; admitted are plain data, NumPy scalars and arrays"
            ) from None


class _Making:
    """Puts arrays and types into the place of their stand-ins, wherever in plain data they are, each once."""

    def __init__(self) -> None:
        # Of what was looked at, by identity: itself, so that no other gets its identity, and what stands for it.
        self.seen: dict[int, tuple[Any, Any]] = {}
        self.encoded: dict[int, tuple[str, bytes]] = {}
        self.objects = 0

    def made(self, thing: Any) -> Any:
        """The thing with all arrays in it: a list, dictionary or stand-in itself, of a tuple another."""
        if not isinstance(thing, list | tuple | dict | StandIn):
            return thing
        if id(thing) in self.seen:
            return self.seen[id(thing)][1]
        self.seen[id(thing)] = (thing, thing)
        if isinstance(thing, _Array):
            result = self.array(thing)
        elif isinstance(thing, _Type | _Class):
            result = thing.made()
        elif type(thing) is tuple:
            result = tuple(map(self.made, thing))
        else:
            result = thing
            if type(thing) is list:
                thing[:] = map(self.made, thing)
            elif isinstance(thing, dict):
                thing.update({key: self.made(value) for key, value in thing.items()})
            elif isinstance(thing, StandIn):
                thing.parts = [self.made(part) for part in thing.parts]
        self.seen[id(thing)] = (thing, result)
        return result

    def array(self, stand_in: _Array) -> np.ndarray:
        """The array; its numbers are those that were read, not copied, so that they cannot be written to."""
        shape, dtype, order, values = stand_in.made()
        if dtype.hasobject:
            self.objects += len(values)
            if self.objects > MOST_OBJECTS:
                raise pickle.UnpicklingError(f"it has NumPy arrays of more than {MOST_OBJECTS} objects")
            array = np.empty(len(values), dtype)
            for place, value in enumerate(map(self.made, values)):
                if isinstance(value, np.ndarray) and value.dtype.hasobject:
                    raise pickle.UnpicklingError("it has NumPy arrays of objects in each other")
                array[place] = value
        else:
            if isinstance(values, str):  # once, however many arrays are of it
                if id(values) not in self.encoded:
                    self.encoded[id(values)] = (values, values.encode("latin1"))
                values = self.encoded[id(values)][1]
            array = np.frombuffer(values, dtype) if values else np.empty(0, dtype)
        return array.reshape(shape, order=order)


def read_pickle(stream: BinaryIO, unpickler: type[NumpyUnpickler] = NumpyUnpickler) -> Any:
    """Unpickle plain data with NumPy scalars and arrays, and what else an unpickler of the caller's admits.

    Returns
    -------
    Any
        What was pickled; arrays cannot be written to.

    Raises
    ------
    ValueError
        When the pickle names anything else (nothing of it is run), is truncated, or is not a pickle.
    """
    content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"a pickle of more than {LARGEST} bytes")
    try:
        return _Making().made(unpickler(io.BytesIO(content)).load())
    except Exception as error:  # a broken pickle raises nearly anything
        raise ValueError(f"not a pickle that may be read: {error}") from error
