"""Architectures that no library has (``metamers.models.networks``)."""

from typing import Any

from torch import nn

from metamers.models import networks
from metamers.names import unknown_name


def build(source: dict, arguments: dict, _published: Any) -> nn.Module:
    name = source["metamers"]
    if name not in networks.NETWORKS:
        raise unknown_name("architecture", name, networks.NETWORKS, "source.metamers")
    return networks.NETWORKS[name](**arguments)
