"""Checkpoints of training programs: take the tensors out without running, or importing, anything that they name.

PyTorch's own restricted reader gives up at the first object that is no tensor, and published checkpoints have many
beside the weights: arguments of the command line, schedules, functions that dill pickled. Here every such object
becomes a placeholder, of which only the name is known. TorchScript archives are read the same way, as state dicts.
"""

import zipfile
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch

from metamers.pickles import Unpickler

# What is built; all else is a placeholder.
BUILT = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch", "Size"): torch.Size,
}


# Tensors that a traced network keeps beside its weights: of a transformer the mask of its attention, of CLIP its sizes.
NO_WEIGHTS = ("attn_mask", "input_resolution", "context_length", "vocab_size")


class Placeholder:
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
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            packed = [one.filename for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED]
            if packed := [name for name in packed if "/code/" not in name]:  # which is not read
                raise ValueError(f"{path}: {packed[0]} is compressed, which PyTorch does with no tensor")
            # torch.load would hand such an archive to torch.jit.load, which compiles its code.
            if scripts := [name for name in archive.namelist() if name.endswith("constants.pkl")]:
                return _state_dict(_read_torchscript(archive, scripts[0].removesuffix("constants.pkl")))
    return torch.load(path, map_location="cpu", pickle_module=PICKLE, weights_only=False)


def _read_torchscript(archive: zipfile.ZipFile, root: str) -> Any:
    """The module of a TorchScript archive, as placeholders with their states; its code is not looked at."""

    class Unpickler(_Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module == "torch" and name.endswith("Storage"):
                return torch.storage._get_dtype_from_pickle_storage_type(name)
            if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                return lambda storage, offset, size, stride, *_: storage.as_strided(size, stride, offset).clone()
            return super().find_class(module, name)

        def persistent_load(self, place: tuple) -> torch.Tensor:
            _, dtype, key, _, _ = place
            return torch.frombuffer(bytearray(archive.read(f"{root}data/{key}")), dtype=dtype)

    with archive.open(f"{root}data.pkl") as stream:
        return Unpickler(stream).load()


def _state_dict(module: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    """Tensors of a TorchScript module and its parts, named as in a state dict."""
    found = {}
    for name, value in module.state.items():
        if isinstance(value, torch.Tensor) and name not in NO_WEIGHTS:
            found[f"{prefix}{name}"] = value
        elif isinstance(value, Placeholder) and isinstance(value.state, dict):
            found |= _state_dict(value, f"{prefix}{name}.")
    return found
