"""Published weights, loaded into the network of their source (``load`` in ``metamers.models.sources``).

Each library converts its own checkpoints (older names of weights, a class for the background, grey input). The tensors
that it converts are read by ``metamers.models.weights``, which runs no code of the file.
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metamers.models.build import build_network, source_module
from metamers.models.weights import Weights, fit_weights, read_weights
from metamers.retrieve import check_published

SEED = (
    20_231_016  # of the initial values; a weight that still has them after loading is missing in the publisher's file
)


def load_pretrained(name: str, entry: Mapping[str, Any], weights_file: str | Path) -> nn.Module:
    """The network of a registry entry with ``weights: pretrained``, with its published weights.

    Parameters
    ----------
    name, entry
        The registry's name and entry.
    weights_file
        The retrieved file.

    Raises
    ------
    ValueError
        When the file has another hash or cannot be read, or the weights do not fit the network or leave a part of it
        random.
    """
    published = entry["weights"]["pretrained"]
    try:
        check_published(Path(weights_file), published, str(weights_file))
    except OSError as error:
        raise ValueError(f"models: {name}.weights: {error}") from error
    source = dict(entry["source"])
    arguments = source.pop("arguments", {})
    network = build_network(name, entry, SEED)
    weights: Weights = OrderedDict(read_weights(weights_file))
    # The reader leaves out the versions of modules; torchvision's MNASNet needs that of the whole network.
    weights._metadata = {"": {"version": network._version}}  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        try:
            loaded = source_module(source).load(source, arguments, published, weights)
        except Exception as error:  # the libraries raise many kinds of errors for weights that do not fit
            raise ValueError(
                f"models: {name}.source: the published weights do not fit the network with the arguments {arguments}: "
                f"{error}"
            ) from error
    if extra := entry["weights"].get("extra_weights"):
        read = {f"{extra['module']}.{key}": value for key, value in read_weights(extra["path"]).items()}
        loaded.load_state_dict(fit_weights(loaded.state_dict() | read, loaded, "same", extra["path"]))
    random = unchanged_weights(network, loaded)
    if random:  # parameters that do not depend on the seed, such as positions of sines, may stay
        random = sorted(set(random) - set(unchanged_weights(network, build_network(name, entry, SEED + 1))))
    if random:
        raise ValueError(
            f"models: {name}.source.arguments: with {arguments}, the published weights have no values for "
            f"{', '.join(random[:5])}, which would stay random; leave such arguments out"
        )
    return loaded


def unchanged_weights(network: nn.Module, other: nn.Module) -> list[str]:
    """Names of the parameters that have equal values in both networks, except constants such as a bias of 0."""
    before = dict(network.named_parameters())
    return [
        name
        for name, value in other.named_parameters()
        if name in before and torch.equal(value, before[name]) and (value != value.flatten()[0]).any()
    ]
