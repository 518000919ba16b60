"""The untrained network of a registry entry, from the module of its source (``metamers.models.sources``).

Its weights are read in ``metamers.models.weights``; preprocessing and stages are added in ``metamers.models.load``.
"""

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import nn

from metamers.config.sources import SOURCES
from metamers.names import ConfigurationError


def source_module(source: Mapping[str, Any]) -> ModuleType:
    """The module of ``metamers.models.sources`` with the functions of a registry entry's ``source``."""
    return importlib.import_module(f"metamers.models.sources.{_name(source)}")


def _name(source: Mapping[str, Any]) -> str:
    # Not ``metamers.config.sources.source_name``: code that counts calls no function of a service.
    return next(name for name in SOURCES if name in source)


def prepared(network: nn.Module) -> nn.Module:
    """A network on the CPU, not compiled, with half precision made single.

    Raises
    ------
    ValueError
        When its parts cannot be stages.
    """
    network = getattr(network, "_orig_mod", network)  # of torch.compile
    if any(isinstance(module, torch.jit.ScriptModule) for module in network.modules()):
        raise ValueError("a module of torch.jit, whose parts cannot be stages; wanted the one that torch.jit was given")
    if any(parameter.is_meta for parameter in network.parameters()):
        return network  # without values; ``metamers.models.automatic_stages`` refuses it
    half = any(parameter.dtype in (torch.float16, torch.bfloat16) for parameter in network.parameters())
    return network.cpu().float() if half else network.cpu()


def build_network(name: str, entry: Mapping[str, Any], seed: int) -> nn.Module:
    """Build the network of a registry entry, with random weights, or with those that its builder loads.

    Parameters
    ----------
    name, entry
        The registry's name and entry.
    seed
        Random seed of the weights.

    Raises
    ------
    ValueError, FileNotFoundError
        When a key or file is wrong; the message names it.
    """
    source = dict(entry["source"])
    arguments = source.pop("arguments", {})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return prepared(source_module(source).build(source, arguments, entry["weights"].get("pretrained")))
        except ConfigurationError:
            raise
        except Exception as error:  # a user's builder may raise anything
            raise ValueError(
                f"models: {name}.source: {source[_name(source)]} with arguments {arguments} fails: {error}"
            ) from error
