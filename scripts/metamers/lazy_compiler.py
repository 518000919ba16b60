"""Import torchvision and timm without PyTorch's compiler, which both import at once and hardly ever use.

That import takes a second, longer than the rest of either library, in every job that builds one of their networks. They
ask two things of the compiler while they are imported; here it answers both itself when, and if, they are called.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

COMPILER = "torch._dynamo"


def import_without_compiler(name: str) -> ModuleType:
    """Import a library, and PyTorch's compiler only if the library wants more of it than a stand-in has.

    Whoever needs the compiler later imports it as ever.
    """
    if COMPILER in sys.modules:
        return importlib.import_module(name)
    stand_in, utils = ModuleType(COMPILER), ModuleType(f"{COMPILER}.utils")
    stand_in.disable, stand_in.utils = _disabled_when_called, utils
    utils.is_compile_supported = _is_compile_supported
    stand_ins = {module.__name__: module for module in (stand_in, utils)}
    sys.modules |= stand_ins
    try:
        return importlib.import_module(name)
    except (ImportError, AttributeError):
        pass  # what the stand-in lacks, or what is not installed: the import below tells
    finally:
        for module in stand_ins:
            sys.modules.pop(module, None)
    return importlib.import_module(name)


def _disabled_when_called(function: Callable, *_arguments: Any, **_named: Any) -> Callable:
    """A function that is not to be compiled, marked so at its first call, as PyTorch marks its own."""
    return torch._disable_dynamo(function)


def _is_compile_supported(device: Any) -> bool:
    """The compiler's own answer."""
    return importlib.import_module(f"{COMPILER}.utils").is_compile_supported(device)
