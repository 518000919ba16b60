"""Checkpoints of training programs: take the tensors out without running, or importing, anything that they name.

PyTorch's own restricted reader gives up at the first object that is no tensor, and published checkpoints have many
beside the weights: arguments of the command line, schedules, functions that dill pickled. Here every such object
becomes a placeholder, of which only the name is known. TorchScript archives are read the same way, as state dicts.
"""

import math
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch

from metamers.pickles import StandIn, Unpickler, check_keys

# Tensors that a traced network keeps beside its weights: of a transformer the mask of its attention, of CLIP its sizes.
NO_WEIGHTS = ("attn_mask", "input_resolution", "context_length", "vocab_size")
MOST_REPEATED = 2**28  # values of a tensor that repeats those of its storage
ZIP = b"PK\x03\x04"  # by which PyTorch knows an archive
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


def _ordered(pairs: Any = ()) -> OrderedDict:
    pairs = [(key, value) for key, value in pairs]
    check_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


def _tensor(storage: Any, offset: int, size: tuple, stride: tuple, *_how: Any) -> torch.Tensor:
    """Part of a storage; PyTorch's own function would enlarge one that is too small, to whatever is asked for."""
    if isinstance(storage, torch.storage.TypedStorage):
        untyped = storage._untyped_storage
        storage = torch.empty(0, dtype=storage.dtype, device=untyped.device).set_(untyped)
    if (values := math.prod(size)) > max(storage.numel(), MOST_REPEATED):
        raise pickle.UnpicklingError(f"it has a tensor of {values} values in a storage of {storage.numel()}")
    return storage.as_strided(size, stride, offset)


def _parameter(tensor: Any, *_how: Any) -> Any:
    return tensor


# What is built; all else is a placeholder.
BUILT = {
    ("collections", "OrderedDict"): _ordered,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): torch.Size,
}


class _Unpickler(Unpickler):
    """An unpickler that builds tensors and plain data, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """One of ``BUILT``, else a placeholder; nothing is imported."""
        return BUILT.get((module, name)) or type(f"{module}.{name}", (Placeholder,), {})


def _load(stream: BinaryIO, **options: Any) -> Any:
    return _Unpickler(stream, **options).load()


# What torch.load takes for the module pickle.
PICKLE = SimpleNamespace(__name__="metamers.checkpoints", Unpickler=_Unpickler, load=_load)


def read_checkpoint(path: str | Path) -> Any:
    """Read a file of ``torch.save`` or ``torch.jit.save``: tensors and plain data, placeholders for all else.

    Returns
    -------
    Any
        What was saved; of a TorchScript archive its state dict.

    Raises
    ------
    Exception
        Of any kind, where the file is none of these or is damaged.
    """
    with Path(path).open("rb") as stream:
        begins_as_zip = stream.read(len(ZIP)) == ZIP
    if begins_as_zip and not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: begins as a zip archive, but has no directory of one at its end")
    if not begins_as_zip and tarfile.is_tarfile(path):
        raise ValueError(f"{path}: PyTorch's format before 2017, a tar archive, which is not read; save it again")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            packed = [one.filename for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED]
            if packed := [name for name in packed if "/code/" not in name]:  # which is not read
                raise ValueError(f"{path}: {packed[0]} is compressed, which PyTorch does with no tensor")
            # torch.load would hand such an archive to torch.jit.load, which compiles its code.
            if scripts := [name for name in archive.namelist() if name.endswith("constants.pkl")]:
                return _state_dict(_read_torchscript(archive, scripts[0].removesuffix("constants.pkl")))
            _check_directory(path, archive)
    return torch.load(path, map_location="cpu", pickle_module=PICKLE, weights_only=False)


def _check_directory(path: str | Path, archive: zipfile.ZipFile) -> None:
    """Make sure that PyTorch's reader finds the records of an archive that Python's finds.

    torch.load decides by its own reader whether an archive is TorchScript's, whose code it would run.

    Raises
    ------
    ValueError
        When the two differ.
    """
    ours = {name.partition("/")[2] for name in archive.namelist() if not name.endswith("/")}
    with torch.serialization._open_zipfile_reader(str(path)) as reader:
        theirs = set(reader.get_all_records())
    if differing := sorted(ours ^ theirs):
        raise ValueError(f"{path}: two readers of zip archives find different records in it: {differing[0]}")


def _read_torchscript(archive: zipfile.ZipFile, root: str) -> Any:
    """The module of a TorchScript archive, as placeholders with their states; its code is not looked at."""

    class Unpickler(_Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module == "torch" and name.endswith("Storage"):
                return torch.storage._get_dtype_from_pickle_storage_type(name)
            return super().find_class(module, name)

        def persistent_load(self, place: tuple) -> torch.Tensor:
            _, dtype, key, _, _ = place
            return torch.frombuffer(bytearray(archive.read(f"{root}data/{key}")), dtype=dtype)

    with archive.open(f"{root}data.pkl") as stream:
        return Unpickler(stream).load()


def _state_dict(module: Placeholder) -> dict[str, torch.Tensor]:
    """Tensors of a TorchScript module and its parts, in their order, named as in a state dict."""
    found, left, parts = {}, [("", module)], 0
    while left:
        path, value = left.pop()
        if isinstance(value, torch.Tensor):
            found[path] = value
        elif isinstance(value, Placeholder) and isinstance(value.state, dict):
            parts += len(value.state)
            if parts > MOST_PARTS or len(path) > LONGEST_NAME:
                raise ValueError(f"its modules have more than {MOST_PARTS} parts, or longer names than {LONGEST_NAME}")
            inner = [(name, part) for name, part in value.state.items() if name not in NO_WEIGHTS]
            left += [(f"{path}.{name}".lstrip("."), part) for name, part in reversed(inner)]
    return found
