"""Checkpoints of training programs: take the tensors out without running, or importing, anything that they name.

PyTorch's restricted reader, ``weights_only=True``, stops at the first object that is not a tensor. Published
checkpoints have many such objects beside the weights: arguments of the command line, schedules, functions that dill
pickled. Even if these are declared safe, that reader lets a tensor enlarge its storage and hashes any key. The other
reader of PyTorch runs code. Therefore this module calls neither. It reads both containers, the zip archive and the
older format, and TorchScript archives as state dicts. Objects that are not tensors become placeholders, of which only
the name is known. Values are read from the file on request, so that most checkpoints that are refused take little
memory.
"""

import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import torch

from metamers.isolated import call_isolated
from metamers.pickles import StandIn, Unpickler, check_keys

# Tensors that a traced network keeps beside its weights: of a transformer the mask of its attention, of CLIP its sizes.
NO_WEIGHTS = ("attn_mask", "input_resolution", "context_length", "vocab_size")
MOST_DIMENSIONS, LARGEST_NUMBER = 64, 2**60  # of a tensor: PyTorch's limit of the first
MOST_REPEATED = 2**28  # values of a tensor that repeats values of its storage
MAX_TENSOR_BYTES = 2**34  # of all tensors: a transformer of a billion parameters with its optimizer's state
MAX_PICKLE_BYTES = 2**26  # of names and shapes; most checkpoints have less than 2**20
MAX_DIRECTORY_BYTES = 2**25  # of a zip archive: a quarter of a million tensors
ZIP = b"PK\x03\x04"  # the first bytes of an archive, by which PyTorch decides
TAR, TAR_AT = b"ustar", 257  # in the first header of a tar archive
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the format before the zip archive
LENGTH = struct.Struct("<q")  # of a storage, in values, in that format
LITTLE = b"little"  # order of the bytes of a number
MOST_PARTS, LONGEST_NAME = 1_000_000, 1000  # of the modules of a TorchScript archive


class Placeholder(StandIn):
    """Stands for an object that is not built; takes whatever a pickle does to it and does nothing."""

    def __new__(cls, *_arguments: Any, **_named: Any) -> "Placeholder":
        """Nothing is done with the arguments."""
        return super().__new__(cls)

    def __init__(self, *_arguments: Any, **_named: Any):
        self.state: Any = None

    def __call__(self, *_arguments: Any, **_named: Any) -> "Placeholder":
        """What a placeholder of a function gives."""
        return Placeholder()

    def __setstate__(self, state: Any) -> None:
        """Keep what the object was made of: of TorchScript's modules their tensors and parts."""
        self.state = state

    def __setitem__(self, _key: Any, _value: Any) -> None:
        """Do nothing."""

    def append(self, _value: Any) -> None:
        """Do nothing."""

    def extend(self, _values: Any) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class _Storage:
    """Values in the file that tensors are parts of: how many, of which type, and how to get their bytes."""

    length: int
    dtype: torch.dtype
    content: Callable[[], bytearray]

    @cached_property
    def values(self) -> torch.Tensor:
        """The values, read once."""
        if not self.length:
            return torch.empty(0, dtype=self.dtype)
        return torch.frombuffer(self.content(), dtype=self.dtype)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor that is in the file: part of a storage. It shares its memory with others of the same storage."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def read(self) -> torch.Tensor:
        """The tensor, in memory."""
        return self.storage.values.as_strided(self.size, self.stride, self.offset)


def _ordered(pairs: Any = ()) -> OrderedDict:
    pairs = [(key, value) for key, value in pairs]
    check_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


def _parameter(tensor: Any, *_how: Any) -> Any:
    return tensor


def _whole(numbers: Any) -> bool:
    """Whether it is a tuple of whole numbers that a tensor may have."""
    return (
        isinstance(numbers, tuple)
        and len(numbers) <= MOST_DIMENSIONS
        and all(type(number) is int and 0 <= number < LARGEST_NUMBER for number in numbers)
    )


# Objects that are built in addition to tensors. Every other object becomes a placeholder.
BUILT = {
    ("collections", "OrderedDict"): _ordered,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): lambda numbers=(): tuple(numbers),
}


def _key(key: Any) -> str:
    """The name of a storage."""
    if isinstance(key, bytes):
        return key.decode()
    if type(key) not in (str, int):
        raise pickle.UnpicklingError(f"its storage has a name of type {type(key).__name__}")
    return str(key)


class _Bounded:
    """What a pickle is read from: no more than ``MAX_PICKLE_BYTES``, whatever it says of its length."""

    def __init__(self, stream: BinaryIO):
        self.stream, self.left = stream, MAX_PICKLE_BYTES

    def read(self, size: int) -> bytes:
        """As of a stream."""
        self._take(size)
        return self.stream.read(size)

    def readinto(self, buffer: Any) -> int:
        """As of a stream."""
        self._take(len(buffer))
        return self.stream.readinto(buffer)

    def readline(self) -> bytes:
        """As of a stream."""
        line = self.stream.readline(self.left + 1)
        self._take(len(line))
        return line

    def _take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise pickle.UnpicklingError(f"its pickles have more than {MAX_PICKLE_BYTES} bytes")


class _Unpickler(Unpickler):
    """An unpickler that builds tensors and plain data, and nothing else.

    ``contents(key, size)`` gives what reads the bytes of a storage, or raises when the file does not have as many.
    """

    def __init__(self, stream: BinaryIO, contents: Callable[[str, int], Callable[[], bytearray]] | None = None):
        super().__init__(stream, encoding="utf-8")
        self.contents = contents
        self.storages: dict[str, _Storage] = {}
        self.declared = 0

    def find_class(self, module: str, name: str) -> Any:
        """Something of ``BUILT``, a tensor's rebuilding or type, else a placeholder; nothing is imported."""
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if name == "UntypedStorage":
            return torch.uint8
        if module.partition(".")[0] == "torch" and name.endswith("Storage"):
            try:
                return torch.storage._get_dtype_from_pickle_storage_type(name)
            except KeyError:
                pass
        return BUILT.get((module, name)) or self.stand_in(module, name, Placeholder)

    def persistent_load(self, place: Any) -> Any:
        """Return the storage, or the class of a module: the oldest checkpoints store a module with its source."""
        if type(place) is tuple and len(place) > 1 and place[0] in ("module", b"module"):
            return place[1]
        if type(place) is not tuple or len(place) not in (5, 6) or place[0] not in ("storage", b"storage"):
            raise pickle.UnpicklingError("it refers to something that is no storage of a tensor")
        _, dtype, key, _, length, *view = place
        key = _key(key)
        if not isinstance(dtype, torch.dtype) or not _whole((length,)):
            raise pickle.UnpicklingError(f"its storage {key} is damaged")
        if key not in self.storages:
            size = length * dtype.itemsize
            self._count(size)
            self.storages[key] = _Storage(length, dtype, self.contents(key, size))
        whole = self.storages[key]
        if (whole.length, whole.dtype) != (length, dtype):
            raise pickle.UnpicklingError(f"its storage {key} is of two types or lengths")
        if view and view[0] is not None:
            raise pickle.UnpicklingError(f"its storage {key} is part of another, as only PyTorch before 0.4 wrote them")
        return whole

    def _tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, metadata: Any = None
    ) -> StoredTensor:
        """Part of a storage. PyTorch's own function would enlarge a storage that is too small."""
        if metadata:  # whether values are negated or conjugated when they are read
            raise pickle.UnpicklingError("it has a negated or conjugated view; save its values (resolve_neg)")
        if (
            not isinstance(storage, _Storage)
            or not all(map(_whole, (size, stride, (offset,))))
            or len(size) != len(stride)
        ):
            raise pickle.UnpicklingError("it has a tensor whose storage, offset, size or stride is damaged")
        values = math.prod(size)
        last = offset + sum((number - 1) * step for number, step in zip(size, stride, strict=True))
        if values > max(storage.length, MOST_REPEATED) or (values and last >= storage.length):
            raise pickle.UnpicklingError(f"it has a tensor of {values} values in a storage of {storage.length}")
        self._count(max(values - storage.length, 0) * storage.dtype.itemsize)
        return StoredTensor(storage, offset, size, stride)

    def _count(self, size: int) -> None:
        self.declared += size
        if self.declared > MAX_TENSOR_BYTES:
            raise pickle.UnpicklingError(f"its tensors have more than {MAX_TENSOR_BYTES} bytes")


def read_checkpoint(path: str | Path) -> Any:
    """Read a file of ``torch.save`` or ``torch.jit.save``: plain data, tensors as they lie in the file, placeholders.

    Returns
    -------
    Any
        What was saved, with a ``StoredTensor`` for every tensor and a ``Placeholder`` for every other object; of a
        TorchScript archive its state dict. The file must stay as it is while tensors are read.

    Raises
    ------
    Exception
        Of any kind, where the file is none of these or is damaged.
    """
    path = Path(path)
    with path.open("rb") as stream:
        begin = stream.read(TAR_AT + len(TAR))
        directory = zipfile._EndRecData(stream)
    begins_as_zip = begin.startswith(ZIP)
    if begins_as_zip and directory is None:
        raise ValueError("it begins as a zip archive, but has no directory of one at its end")
    if directory is not None and not begins_as_zip:
        raise ValueError("it ends with a zip directory, but does not begin as a zip archive")
    if begins_as_zip:
        if (size := directory[zipfile._ECD_SIZE]) > MAX_DIRECTORY_BYTES:
            raise ValueError(f"its zip directory has {size} bytes, wanted at most {MAX_DIRECTORY_BYTES}")
        return _read_zip(path)
    if begin[TAR_AT:] == TAR:
        raise ValueError("PyTorch's format before 2017, a tar archive, which is not read; save it again")
    return _read_legacy(path)


def _read_zip(path: Path) -> Any:
    """What ``torch.save`` or ``torch.jit.save`` wrote as a zip archive; of the latter, code is not looked at."""
    archive = zipfile.ZipFile(path)  # open as long as a tensor may be read from it
    records = _records(path, archive)
    pickled = next((name for name in records if name.partition("/")[2] == "data.pkl"), None)
    if pickled is None:
        raise ValueError("a zip archive without data.pkl, which PyTorch's have")
    root = pickled.removesuffix("data.pkl")

    def read(name: str) -> bytearray:
        content = bytearray(records[name].file_size)
        with archive.open(records[name]) as stream:
            if stream.readinto(content) < len(content) or stream.read(1):
                raise ValueError(f"{path}: {name} is cut off")
        return content

    def contents(key: str, size: int) -> Callable[[], bytearray]:
        name = f"{root}data/{key}"
        if name not in records or records[name].file_size != size:
            found = f"{records[name].file_size} bytes" if name in records else "none"
            raise pickle.UnpicklingError(f"its storage {key} has {found}, but {size} bytes are declared")
        return lambda: read(name)

    order = f"{root}byteorder"
    if order in records and (records[order].file_size != len(LITTLE) or read(order) != LITTLE):
        raise ValueError("its numbers are not in little-endian byte order; save it again on another machine")
    with archive.open(records[pickled]) as stream:
        found = _Unpickler(_Bounded(stream), contents).load()
    return _state_dict(found) if f"{root}constants.pkl" in records else found


def _records(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Map names to records. PyTorch's reader must find the same records.

    Raises
    ------
    ValueError
        When a record is there twice or is compressed, records overlap, or the two readers differ.
    """
    listed = [one for one in archive.infolist() if not one.filename.endswith("/")]
    records = {one.filename: one for one in listed}
    if len(records) < len(listed):
        raise ValueError("it has several records of one name")
    plain = [
        one for one in listed if "/code/" not in one.filename
    ]  # TorchScript compresses its code, which is not read
    if packed := [one.filename for one in plain if one.compress_type != zipfile.ZIP_STORED]:
        raise ValueError(f"{packed[0]} is compressed, which PyTorch does with no tensor")
    if sum(one.file_size for one in plain) > path.stat().st_size:
        raise ValueError("its records have more bytes than the file")
    theirs = call_isolated(_records_of_pytorch, str(path))
    if differing := sorted({name.partition("/")[2] for name in records} ^ theirs):
        raise ValueError(f"two readers of zip archives find different records in it: {differing[0]}")
    for one in listed:
        if not one.CRC:  # torch.serialization.set_crc32_options(False) leaves it out
            one.CRC = None
    return records


def _records_of_pytorch(path: str) -> set[str]:
    with torch.serialization._open_zipfile_reader(path) as reader:
        return set(reader.get_all_records())


def _read_legacy(path: Path) -> Any:
    """What ``torch.save`` wrote before it wrote zip archives: five pickles, then the bytes of every storage."""
    available = path.stat().st_size
    places: dict[str, tuple[int, int]] = {}  # of each storage: first byte, bytes

    def read(key: str) -> bytearray:
        place, size = places[key]
        content = bytearray(size)
        with path.open("rb") as stream:
            stream.seek(place)
            if stream.readinto(content) < size:
                raise ValueError(f"{path}: storage {key} is cut off")
        return content

    def contents(key: str, size: int) -> Callable[[], bytearray]:
        nonlocal available
        available -= size
        if available < 0:
            raise pickle.UnpicklingError(f"its storage {key} has {size} bytes, more than are left in the file")
        return lambda: read(key)

    with path.open("rb") as stream:
        pickles = _Bounded(stream)
        if _Unpickler(pickles).load() != MAGIC or _Unpickler(pickles).load() != PROTOCOL:
            raise ValueError("it is not a PyTorch file")
        _Unpickler(pickles).load()  # sizes of numbers on the machine that wrote it
        unpickler = _Unpickler(pickles, contents)
        found = unpickler.load()
        keys = _Unpickler(pickles).load()
        for key in map(_key, keys):
            storage = unpickler.storages[key]
            (length,) = LENGTH.unpack(stream.read(LENGTH.size))
            size = length * storage.dtype.itemsize
            if length != storage.length or key in places:
                raise ValueError(f"its storage {key} has {length} values, but {storage.length} are declared")
            places[key] = stream.tell(), size
            if stream.seek(size, 1) > path.stat().st_size:
                raise ValueError(f"its storage {key} is cut off")
    if missing := unpickler.storages.keys() - places.keys():
        raise ValueError(f"its storage {min(missing)} is missing")
    return found


def _state_dict(module: Placeholder) -> dict[str, StoredTensor]:
    """Tensors of a TorchScript module and its parts, in their order, named as in a state dict."""
    found, left, parts = {}, [("", module)], 0
    while left:
        path, value = left.pop()
        if isinstance(value, StoredTensor):
            found[path] = value
        elif isinstance(value, Placeholder) and isinstance(value.state, dict):
            parts += len(value.state)
            if parts > MOST_PARTS or len(path) > LONGEST_NAME:
                raise ValueError(f"its modules have more than {MOST_PARTS} parts, or longer names than {LONGEST_NAME}")
            inner = [(name, part) for name, part in value.state.items() if name not in NO_WEIGHTS]
            left += [(f"{path}.{name}".lstrip("."), part) for name, part in reversed(inner)]
    return found
