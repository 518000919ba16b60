"""Networks that a function of a user's Python file builds."""

from typing import Any

from torch import nn

from metamers.models.python_file import module_from_file


def build(source: dict, arguments: dict, _published: Any) -> nn.Module:
    return module_from_file(source["python"], arguments, "source.python")
