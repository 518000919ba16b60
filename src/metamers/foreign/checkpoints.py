"""Read the tensors of untrusted PyTorch checkpoints without running or importing anything that they name.

PyTorch's restricted reader, ``weights_only=True``, stops at the first object that is not a tensor. Published
checkpoints have many such objects beside the weights: command-line arguments, schedules, functions pickled by dill.
Even if these are declared safe, that reader lets a tensor enlarge its storage and hashes any key. PyTorch's other
reader runs code. Therefore this module uses neither. It reads both containers, the zip archive and the older format,
and TorchScript archives as state dicts. Objects that are not tensors become placeholders that know only their name.
Values are raw numbers of a type in ``STORAGES``. They are read from the file on request, so that a refused checkpoint
usually takes little memory, and another process can find the tensors.
"""

import math
import pickle
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from metamers.foreign.isolated import call_isolated
from metamers.foreign.pickles import StandIn, Unpickler, check_keys
from metamers.foreign.safe_tensors import are_sizes, read_header

# Tensors of a traced network that are not weights: the attention mask of a transformer, the sizes of CLIP.
NOT_WEIGHTS = ("attn_mask", "input_resolution", "context_length", "vocab_size")
MAX_REPEATED_VALUES = 2**28  # values of a tensor that repeats values of its storage
MAX_TENSOR_BYTES = 2**34  # all tensors: a transformer of a billion parameters with its optimizer's state
MAX_PICKLE_BYTES = 2**26  # names and shapes; most checkpoints have less than 2**20
MAX_DIRECTORY_BYTES = 2**25  # directory of a zip archive: a quarter of a million tensors
ZIP = b"PK\x03\x04"  # first bytes of a zip archive, by which PyTorch recognizes the format
TAR, TAR_AT = b"ustar", 257  # bytes and their position in the first header of a tar archive
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # first numbers of the format before the zip archive
LENGTH = struct.Struct("<q")  # number of values of a storage, in that format
LITTLE = b"little"  # byte order
# Types of numbers that a network can have. PyTorch crashes where it reads the numbers of a quantized type.
STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
MAX_PARTS, MAX_NAME_LENGTH = 1_000_000, 1000  # modules of a TorchScript archive


class Placeholder(StandIn):
    """Stands for an object that is not built; accepts every operation of a pickle and does nothing."""

    def __new__(cls, *_arguments: Any, **_named: Any) -> "Placeholder":
        """Ignore the arguments."""
        return super().__new__(cls)

    def __init__(self, *_arguments: Any, **_named: Any):
        self.state: Any = None

    def __call__(self, *_arguments: Any, **_named: Any) -> "Placeholder":
        """Return another placeholder: this one stands for a function."""
        return Placeholder()

    def __setstate__(self, state: Any) -> None:
        """Record the state, which holds the tensors and submodules of a TorchScript module."""
        self.state = state

    def __setitem__(self, _key: Any, _value: Any) -> None:
        """Do nothing."""

    def append(self, _value: Any) -> None:
        """Do nothing."""

    def extend(self, _values: Any) -> None:
        """Do nothing."""


@dataclass
class _File:
    """A file, shared by the parts in it."""

    path: Path

    @cached_property
    def content(self) -> np.ndarray:
        """The bytes, mapped into memory: those that are used are read once, and not copied."""
        return torch.from_file(str(self.path), size=self.path.stat().st_size, dtype=torch.uint8).numpy()


@dataclass
class _Bytes:
    """A part of a file: its first byte, and CRC-32 if the file has one."""

    file: _File
    begin: int = -1
    crc: int | None = None


@dataclass(frozen=True)
class _Storage:
    """A storage in the file: the number and type of its values, and their place."""

    length: int
    dtype: torch.dtype
    place: _Bytes

    @cached_property
    def values(self) -> torch.Tensor:
        """The values, read once."""
        if not self.length:
            return torch.empty(0, dtype=self.dtype)
        begin, size = self.place.begin, self.length * self.dtype.itemsize
        content = self.place.file.content[begin : begin + size]
        if len(content) < size:
            raise ValueError("its values are cut off")
        if self.place.crc is not None and zlib.crc32(content) != self.place.crc:
            raise ValueError("its values do not have the checksum in the file")
        # A tensor of these bytes alone: a part of a tensor of the whole file would copy the file with each deep copy.
        values = torch.from_numpy(content.copy() if begin % self.dtype.itemsize else content)
        return values.view(self.dtype)


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in the file, part of a storage. Tensors of one storage share memory once they are read."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def read(self) -> torch.Tensor:
        """Read the tensor into memory."""
        values = self.storage.values
        return values.as_strided(self.size, self.stride, values.storage_offset() + self.offset)


def _ordered(pairs: Any = ()) -> OrderedDict:
    pairs = [(key, value) for key, value in pairs]
    check_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


def _parameter(tensor: Any, *_how: Any) -> Any:
    return tensor


# Builders of objects other than tensors. Every other name becomes a placeholder.
BUILDERS = {
    ("collections", "OrderedDict"): _ordered,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): lambda numbers=(): tuple(numbers),
}


def _key(key: Any) -> str:
    """Return the name of a storage as text."""
    if isinstance(key, bytes):
        return key.decode()
    if type(key) not in (str, int):
        raise pickle.UnpicklingError(f"its storage has a name of type {type(key).__name__}")
    return str(key)


class _Bounded:
    """A stream from which at most ``MAX_PICKLE_BYTES`` can be read, whatever length the file declares."""

    def __init__(self, stream: BinaryIO):
        self.stream, self.left = stream, MAX_PICKLE_BYTES

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes."""
        self._take(size)
        return self.stream.read(size)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        self._take(len(buffer))
        return self.stream.readinto(buffer)

    def readline(self) -> bytes:
        """Read a line."""
        line = self.stream.readline(self.left + 1)
        self._take(len(line))
        return line

    def _take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise pickle.UnpicklingError(f"its pickles have more than {MAX_PICKLE_BYTES} bytes")


class _Unpickler(Unpickler):
    """An unpickler that builds tensors and plain data, and nothing else.

    ``place_of(key, size)`` returns the place of a storage, or raises when the file does not have ``size`` bytes for it.
    """

    def __init__(self, stream: BinaryIO, place_of: Callable[[str, int], _Bytes] | None = None):
        super().__init__(stream, encoding="utf-8")
        self.place_of = place_of
        self.storages: dict[str, _Storage] = {}
        self.declared = 0

    def find_class(self, module: str, name: str) -> Any:
        """Return a builder, a tensor's type, or a placeholder; no module is imported."""
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if module.partition(".")[0] == "torch" and name in STORAGES:
            return STORAGES[name]
        return BUILDERS.get((module, name)) or self.stand_in(module, name, Placeholder)

    def persistent_load(self, place: Any) -> Any:
        """Return a storage, or the class of a module: the oldest checkpoints store a module with its source code."""
        if type(place) is tuple and len(place) > 1 and place[0] in ("module", b"module"):
            return place[1]
        if type(place) is not tuple or len(place) not in (5, 6) or place[0] not in ("storage", b"storage"):
            raise pickle.UnpicklingError("it refers to something that is not a storage of a tensor")
        _, dtype, key, _, length, *view = place
        key = _key(key)
        if isinstance(dtype, type) and issubclass(dtype, Placeholder):
            raise pickle.UnpicklingError(
                f"its storage {key} is a {dtype.__name__}; wanted numbers that are not quantized, such as FloatStorage"
            )
        if not isinstance(dtype, torch.dtype) or not are_sizes((length,)):
            raise pickle.UnpicklingError(f"its storage {key} is damaged")
        if key not in self.storages:
            size = length * dtype.itemsize
            self._count(size)
            self.storages[key] = _Storage(length, dtype, self.place_of(key, size))
        whole = self.storages[key]
        if (whole.length, whole.dtype) != (length, dtype):
            raise pickle.UnpicklingError(f"its storage {key} has two types or lengths")
        if view and view[0] is not None:
            raise pickle.UnpicklingError(f"its storage {key} is a view of another, which only PyTorch before 0.4 wrote")
        return whole

    def _tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, metadata: Any = None
    ) -> StoredTensor:
        """Return a tensor; it must fit its storage, which PyTorch's own function would enlarge."""
        if metadata:  # flags that values are negated or conjugated when they are read
            raise pickle.UnpicklingError("it has a negated or conjugated view; save its values (resolve_neg)")
        if (
            not isinstance(storage, _Storage)
            or not all(map(are_sizes, (size, stride, (offset,))))
            or len(size) != len(stride)
        ):
            raise pickle.UnpicklingError("it has a tensor whose storage, offset, size or stride is damaged")
        values = math.prod(size)
        last = offset + sum((number - 1) * step for number, step in zip(size, stride, strict=True))
        if values > max(storage.length, MAX_REPEATED_VALUES) or (values and last >= storage.length):
            raise pickle.UnpicklingError(f"it has a tensor of {values} values in a storage of {storage.length}")
        self._count(max(values - storage.length, 0) * storage.dtype.itemsize)
        return StoredTensor(storage, offset, size, stride)

    def _count(self, size: int) -> None:
        self.declared += size
        if self.declared > MAX_TENSOR_BYTES:
            raise pickle.UnpicklingError(f"its tensors have more than {MAX_TENSOR_BYTES} bytes")


def read_safetensors(path: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a file of safetensors, in the order of their values; raises as ``read_header`` does."""
    if (size := path.stat().st_size) > MAX_TENSOR_BYTES:
        raise ValueError(f"it has {size} bytes, wanted at most {MAX_TENSOR_BYTES}")
    file, tensors = _File(path), {}
    for name, (dtype, shape, begin) in read_header(path).items():
        storage = _Storage(math.prod(shape), getattr(torch, dtype), _Bytes(file, begin))
        stride = tuple(accumulate(shape[:0:-1], mul, initial=1))[: len(shape)][::-1]
        tensors[name] = StoredTensor(storage, 0, shape, stride)
    return tensors


def read_checkpoint(path: str | Path) -> Any:
    """Read a file written by ``torch.save`` or ``torch.jit.save``.

    Parameters
    ----------
    path
        The file. It must not change while tensors are read.

    Returns
    -------
    Any
        The saved object, with a ``StoredTensor`` for every tensor and a ``Placeholder`` for every other object that is
        not plain data; for a TorchScript archive its state dict.

    Raises
    ------
    Exception
        Of any kind, when the file has another format or is damaged.
    """
    path = Path(path)
    with path.open("rb") as stream:
        begin = stream.read(TAR_AT + len(TAR))
        directory = zipfile._EndRecData(stream)
    begins_as_zip = begin.startswith(ZIP)
    if begins_as_zip and directory is None:
        raise ValueError("it begins as a zip archive, but has no zip directory at its end")
    if directory is not None and not begins_as_zip:
        raise ValueError("it ends with a zip directory, but does not begin as a zip archive")
    if begins_as_zip:
        if (size := directory[zipfile._ECD_SIZE]) > MAX_DIRECTORY_BYTES:
            raise ValueError(f"its zip directory has {size} bytes, wanted at most {MAX_DIRECTORY_BYTES}")
        return _read_zip(path)
    if begin[TAR_AT:] == TAR:
        raise ValueError(
            "it is a tar archive, PyTorch's format before 2017, which is not supported; save it with a newer PyTorch"
        )
    return _read_legacy(path)


def _read_zip(path: Path) -> Any:
    """Read the zip archive of ``torch.save`` or ``torch.jit.save``; code in the latter is ignored."""
    file = _File(path)
    with zipfile.ZipFile(path) as archive:
        records = _records(path, archive)
        pickled = next((name for name in records if name.partition("/")[2] == "data.pkl"), None)
        if pickled is None:
            raise ValueError("it is a zip archive without data.pkl, which PyTorch's archives have")
        root = pickled.removesuffix("data.pkl")

        def place_of(key: str, size: int) -> _Bytes:
            name = f"{root}data/{key}"
            if name not in records or records[name].file_size != size:
                there = f"{records[name].file_size} bytes" if name in records else "none"
                raise pickle.UnpicklingError(f"its storage {key} has {there}, but {size} bytes are declared")
            with archive.open(records[name]) as stream:
                return _Bytes(file, stream._orig_compress_start, records[name].CRC)

        order = f"{root}byteorder"
        if order in records and (records[order].file_size != len(LITTLE) or archive.read(records[order]) != LITTLE):
            raise ValueError("its numbers are not in little-endian byte order; save it on a little-endian machine")
        with archive.open(records[pickled]) as stream:
            content = _Unpickler(_Bounded(stream), place_of).load()
    return _state_dict(content) if f"{root}constants.pkl" in records else content


def _records(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return name → record of a zip archive. PyTorch's reader must find the same records.

    Raises
    ------
    ValueError
        When a record occurs twice or is compressed, records overlap, or the two readers disagree.
    """
    listed = [one for one in archive.infolist() if not one.filename.endswith("/")]
    records = {one.filename: one for one in listed}
    if len(records) < len(listed):
        raise ValueError("it has several records with the same name")
    # TorchScript compresses its code, which is not read.
    plain = [one for one in listed if not one.filename.partition("/")[2].startswith("code/")]
    if packed := [one.filename for one in plain if one.compress_type != zipfile.ZIP_STORED]:
        raise ValueError(f"{packed[0]} is compressed, but PyTorch never compresses tensors")
    if sum(one.file_size for one in plain) > path.stat().st_size:
        raise ValueError("its records have more bytes than the whole file")
    theirs = call_isolated(_records_of_pytorch, str(path))
    if differing := sorted({name.partition("/")[2] for name in records} ^ theirs):
        raise ValueError(f"two readers of zip archives disagree about its records: {differing[0]}")
    for one in listed:
        if not one.CRC:  # torch.serialization.set_crc32_options(False) leaves it out
            one.CRC = None
    return records


def _records_of_pytorch(path: str) -> set[str]:
    with torch.serialization._open_zipfile_reader(path) as reader:
        return set(reader.get_all_records())


def _read_legacy(path: Path) -> Any:
    """Read the format of ``torch.save`` before zip archives: five pickles, then the bytes of each storage."""
    file, available = _File(path), path.stat().st_size

    def place_of(key: str, size: int) -> _Bytes:
        nonlocal available
        available -= size
        if available < 0:
            raise pickle.UnpicklingError(f"its storage {key} declares {size} bytes, more than the file has left")
        return _Bytes(file)

    with path.open("rb") as stream:
        pickles = _Bounded(stream)
        if _Unpickler(pickles).load() != MAGIC or _Unpickler(pickles).load() != PROTOCOL:
            raise ValueError("it is not a PyTorch file")
        _Unpickler(pickles).load()  # sizes of integers on the machine that wrote the file
        unpickler = _Unpickler(pickles, place_of)
        content = unpickler.load()
        keys = _Unpickler(pickles).load()
        for key in map(_key, keys):
            storage = unpickler.storages[key]
            (length,) = LENGTH.unpack(stream.read(LENGTH.size))
            if length != storage.length or storage.place.begin >= 0:
                raise ValueError(f"its storage {key} has {length} values, but {storage.length} are declared")
            storage.place.begin = stream.tell()
            if stream.seek(length * storage.dtype.itemsize, 1) > path.stat().st_size:
                raise ValueError(f"its storage {key} is cut off")
    if missing := [key for key, storage in unpickler.storages.items() if storage.place.begin < 0]:
        raise ValueError(f"its storage {min(missing)} is missing")
    return content


def _state_dict(module: Placeholder) -> dict[str, StoredTensor]:
    """Return the tensors of a TorchScript module and its submodules, in order, named as in a state dict."""
    state, left, parts = {}, [("", module)], 0
    while left:
        path, value = left.pop()
        if isinstance(value, StoredTensor):
            state[path] = value
        elif isinstance(value, Placeholder) and isinstance(value.state, dict):
            parts += len(value.state)
            if parts > MAX_PARTS or len(path) > MAX_NAME_LENGTH:
                raise ValueError(
                    f"its modules have more than {MAX_PARTS} parts, or longer names than {MAX_NAME_LENGTH}"
                )
            inner = [(name, part) for name, part in value.state.items() if name not in NOT_WEIGHTS]
            left += [(f"{path}.{name}".lstrip("."), part) for name, part in reversed(inner)]
    return state
