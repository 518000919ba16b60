"""Functions of a user's Python file, and modules that they build: a network, or the preprocessing of sounds."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn


def function_from_file(place: str, key: str) -> Callable[..., Any]:
    """Return a function of a user's Python file.

    Parameters
    ----------
    place
        ``FILE.py:FUNCTION``.
    key
        The key of the configuration or registry that names the file, for messages.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file or function, or the file cannot be imported.
    """
    file, function = place.rsplit(":", 1)
    if not Path(file).is_file():
        raise FileNotFoundError(f"{key}: there is no file {file}")
    specification = importlib.util.spec_from_file_location(f"builder_{Path(file).stem}", file)
    module = importlib.util.module_from_spec(specification)
    # As an import does: the file may define dataclasses and import other files of its folder.
    sys.modules[specification.name] = module
    sys.path.append(str(Path(file).resolve().parent))
    try:
        specification.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything
        raise ValueError(f"{key}: {file} cannot be imported: {type(error).__name__}: {error}") from error
    named = getattr(module, function, None)
    if not callable(named):
        raise ValueError(f"{key}: {file} has no function {function}")
    return named


def module_from_file(place: str, arguments: Mapping[str, Any], key: str) -> nn.Module:
    """Build a module by a function of a user's Python file.

    Parameters
    ----------
    place, key
        As for ``function_from_file``.
    arguments
        Keyword arguments of the function.

    Raises
    ------
    FileNotFoundError, ValueError
        As ``function_from_file``, or when the function does not return a ``torch.nn.Module``. Errors of the function
        pass through.
    """
    network = function_from_file(place, key)(**arguments)
    if not isinstance(network, nn.Module):
        raise ValueError(f"{key}: {place} gave a {type(network).__name__}, not a torch.nn.Module")
    return network
