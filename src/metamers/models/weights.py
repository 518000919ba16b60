"""Weights: files of tensors, read without running any code from them, and matched to the parameters of a network.

The reader of PyTorch's formats is ``metamers.foreign.checkpoints``; ``metamers.retrieve`` downloads the files.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metamers.foreign.checkpoints import MAX_NAME_LENGTH, Placeholder, StoredTensor, read_checkpoint, read_safetensors
from metamers.foreign.isolated import read_isolated
from metamers.foreign.safe_tensors import is_safetensors
from metamers.models.build import source_module
from metamers.run.hashes import sha256_of

Weights = dict[str, torch.Tensor]


def read_weights(path: str | Path, entry: str | Sequence[str] | None = None, prefix: str = "") -> Weights:
    """Read the tensors of a checkpoint; no code in the file is run.

    A separate process finds the tensors, for safetensors this one. Their values are then read as raw numbers.

    Parameters
    ----------
    path
        A file of safetensors (by its name or its content), or a file of ``torch.save`` or ``torch.jit.save``. A single
        tensor gets the name ``weight``.
    entry
        Key of the weights in a training checkpoint, or several keys, of which the first one in the file is used.
    prefix
        Only keys with this prefix are read; the prefix is removed.

    Returns
    -------
    dict
        Name → tensor, in memory.

    Raises
    ------
    ValueError
        When the file is not a checkpoint, has no ``entry``, or has weights that are not tensors of finite real values.
    """
    path = Path(path)
    if path.is_file() and is_safetensors(path):
        stored = _stored(read_safetensors, path, entry, prefix)
    else:
        stored = read_isolated(lambda path: _stored(read_checkpoint, path, entry, prefix), path)
    return {key: _finite(value, f"{path}: {key}") for key, value in stored.items()}


def _stored(
    read: Callable[[Path], Any], path: Path, entry: str | Sequence[str] | None, prefix: str
) -> dict[str, StoredTensor]:
    """Return the places of the tensors in a file of weights."""
    try:
        weights = read(path)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: there is no such weights file") from error
    except MemoryError:  # said by the reader of files from outside
        raise
    except Exception as error:
        # Both readers raise many kinds of errors for a broken or hostile file; the file is unusable after any of them.
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path}: not a weights file that can be read without running code ({first}). Wanted: safetensors, or "
            "torch.save of a state dict of tensors."
        ) from error
    return _pick(weights, path, entry, prefix)


def _pick(weights: Any, path: Path, entry: str | Sequence[str] | None, prefix: str) -> dict[str, StoredTensor]:
    """Return the tensors under ``entry`` whose names begin with ``prefix``; raise ValueError if there are none."""
    if entry is not None:
        entries = [entry] if isinstance(entry, str) else entry
        there = [key for key in entries if isinstance(weights, dict) and key in weights]
        if not there:
            keys = ", ".join(map(str, list(weights)[:10])) if isinstance(weights, dict) else type(weights).__name__
            raise ValueError(f"{path}: no entry {' or '.join(map(repr, entries))}; found {keys}")
        weights = weights[there[0]]
    if isinstance(weights, StoredTensor):
        weights = {"weight": weights}
    named = weights.items() if isinstance(weights, dict) else [("it", weights)]
    for key, value in named:
        if isinstance(value, Placeholder):
            raise ValueError(
                f"{path}: not a state dict of dense tensors: {key} is a {type(value).__name__}, which cannot be read "
                "without running code"
            )
    if not isinstance(weights, dict) or not all(
        isinstance(key, str) and isinstance(value, StoredTensor) for key, value in weights.items()
    ):
        raise ValueError(
            f"{path}: not a state dict of dense tensors; if the weights lie under a key, name it in `entry`"
        )
    if odd := next((key for key in weights if not key.isprintable() or len(key) > MAX_NAME_LENGTH), None):
        raise ValueError(
            f"{path}: a tensor's name is not plain text of at most {MAX_NAME_LENGTH} characters: {odd!r:.50}"
        )
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def _finite(stored: StoredTensor, name: str) -> torch.Tensor:
    """Load a tensor of a checkpoint into memory, and check that its values are real and finite."""
    try:
        value = stored.read()
    except Exception as error:  # a damaged file with an intact directory
        raise ValueError(f"{name} cannot be read: {error}; fetch the file again") from error
    if value.is_complex():
        raise ValueError(f"{name} has complex values; wanted real ones")
    if value.is_floating_point() and value.numel():
        limits = value.aminmax()
        if not (limits.min.float().isfinite() and limits.max.float().isfinite()):  # networks compute in float32
            raise ValueError(f"{name} has NaN or infinite values; fetch the file again or take another")
    return value


def fit_weights(weights: Weights, network: nn.Module, keys: str, source: str) -> Weights:
    """Assign the weights of a file to the parameters of a network.

    Parameters
    ----------
    weights
        What ``read_weights`` gives.
    network
        The network.
    keys
        ``same``: the file has the network's names. ``order``: the n-th tensor belongs to the n-th parameter; the last
        part of the key (``weight``, ``running_mean``, …) and the shape must agree.
    source
        The file, for messages.

    Returns
    -------
    dict
        Name in the network → tensor.

    Raises
    ------
    ValueError
        When keys are missing or unexpected, or shapes differ.
    """
    own = network.state_dict()
    # Counters of batches, which only training uses, are missing in checkpoints older than PyTorch 0.4.1.
    counters = {key: value for key, value in own.items() if key.endswith(".num_batches_tracked")}
    if not weights.keys() & counters.keys() and len(weights) == len(own) - len(counters):
        own = {key: value for key, value in own.items() if key not in counters}
    if keys == "order":
        if len(weights) != len(own):
            raise ValueError(f"{source}: {len(weights)} tensors, but the network has {len(own)}: another architecture")
        for (theirs, value), (ours, own_value) in zip(weights.items(), own.items(), strict=True):
            if theirs.rsplit(".", 1)[-1] != ours.rsplit(".", 1)[-1] or value.shape != own_value.shape:
                raise ValueError(
                    f"{source}: in order, {theirs} {tuple(value.shape)} would become {ours} {tuple(own_value.shape)}: "
                    "another architecture"
                )
        return dict(zip(own, weights.values(), strict=True))
    missing = sorted(own.keys() - weights.keys())
    unexpected = sorted(weights.keys() - own.keys())
    if missing or unexpected:
        raise ValueError(
            f"{source}: keys do not fit the network. Missing {len(missing)}: {', '.join(missing[:5]) or 'none'}; "
            f"unexpected {len(unexpected)}: {', '.join(unexpected[:5]) or 'none'}. `prefix`, `entry` or `keys: order` "
            "in the registry may name them right."
        )
    for key, own_value in own.items():
        if weights[key].shape != own_value.shape:
            raise ValueError(
                f"{source}: {key} has shape {tuple(weights[key].shape)}, the network {tuple(own_value.shape)}"
            )
    return weights


def published_weights(name: str, entry: Mapping[str, Any], weights_file: str | Path, network: nn.Module) -> Weights:
    """The weights of a registry entry, with the names of its network.

    Parameters
    ----------
    name, entry
        The registry's name and entry.
    weights_file
        The retrieved or trained file. The additional weights of ``weights.extra_weights`` are read from their ``path``.
    network
        The network built from the entry.

    Raises
    ------
    ValueError
        When a file has another hash or cannot be read, or the weights do not fit the network.
    """
    weights = entry["weights"]
    state: Weights = {}
    parts = [(weights, weights_file)]
    if extra := weights.get("extra_weights"):
        parts.append((extra, extra["path"]))
    for part, file in parts:
        if "sha256" in part and not (sha256 := sha256_of(file)).startswith(part["sha256"]):
            raise ValueError(
                f"models: {name}.weights.sha256: {file} has SHA-256 {sha256}, but the registry says "
                f"{part['sha256']}: it is another file"
            )
        read = read_weights(file, part.get("entry"), part.get("prefix", ""))
        module = source_module(entry["source"])
        if hasattr(module, "with_names_of") and part is weights and read.keys() != network.state_dict().keys():
            read = module.with_names_of(network, entry["source"], read, str(file))
        place = f"{part['module']}." if "module" in part else ""
        state |= {f"{place}{key}": value for key, value in read.items()}
    return fit_weights(state, network, weights.get("keys", "same"), str(weights_file))
