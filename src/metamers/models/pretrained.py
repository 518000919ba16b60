"""Published weights of the libraries and of the Hugging Face hub, loaded into the network of their library.

Each library converts its own checkpoints (older names of weights, a class for the background, grey input). The tensors
that it converts are read by ``metamers.models.weights``, which runs no code of the file.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

from metamers.models.sources import (
    CLASSES,
    EachWaveform,
    build_network,
    clip_images,
    clip_model,
    timm_name,
    torchaudio_network,
)
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
    kind = next(kind for kind in LOADERS if kind in source)
    network = build_network(name, entry, SEED)
    weights: Weights = OrderedDict(read_weights(weights_file))
    # The reader leaves out the versions of modules; torchvision's MNASNet needs that of the whole network.
    weights._metadata = {"": {"version": network._version}}  # type: ignore[attr-defined]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        try:
            loaded = LOADERS[kind](source, arguments, published, weights)
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


def _torchvision(source: dict, arguments: dict, published: Mapping[str, Any], weights: Weights) -> nn.Module:
    import torchvision

    name = source["torchvision"]
    chosen = torchvision.models.get_model_weights(name)[published["weights_name"]]
    # torchvision's builders accept only entries of its own tables, which would download a file and read it with pickle.
    with mock.patch.object(chosen, "get_state_dict", return_value=weights):
        return torchvision.models.get_model(name, weights=chosen, **arguments)


def _timm(source: dict, arguments: dict, published: Mapping[str, Any], weights: Weights) -> nn.Module:
    import timm

    place = {
        "state_dict": weights,
        "source": None,
        "file": None,
        "url": None,
        "hf_hub_id": None,
        "hf_hub_filename": None,
    }
    name, cfg, more = timm_name(source, published)
    return timm.create_model(
        name, pretrained=True, pretrained_cfg=cfg, pretrained_cfg_overlay=place, **(more | arguments)
    )


def _torchaudio(source: dict, arguments: dict, _published: Mapping[str, Any], weights: Weights) -> nn.Module:
    network = torchaudio_network(source["torchaudio"], arguments)
    published = network.network if isinstance(network, EachWaveform) else network
    published.load_state_dict(fit_weights(weights, published, "same", source["torchaudio"]))
    return network


def _open_clip(source: dict, arguments: dict, _published: Mapping[str, Any], weights: Weights) -> nn.Module:
    name, size, classes = source["open_clip"], arguments.get("size"), arguments.get("classes", CLASSES)
    model = clip_model(name, size)
    # Only the image tower is loaded, so the file may lack a text tower.
    tower = {key: value for key, value in open_clip_weights(model, weights).items() if key.startswith("visual.")}
    others = {key: value for key, value in model.state_dict().items() if not key.startswith("visual.")}
    # Not strict, because ``fit_weights`` accepts files without counters of batches; it has checked all other keys.
    model.load_state_dict(fit_weights(others | tower, model, "same", f"open_clip: {name}"), strict=False)
    return clip_images(model, name, classes)


def open_clip_weights(network: nn.Module, weights: Weights) -> Weights:
    """Weights of a CLIP model with the names of open_clip, from a checkpoint of open_clip, OpenAI or Apple.

    Parameters
    ----------
    network
        open_clip's model with both towers.
    weights
        What ``metamers.models.weights.read_weights`` gives.
    """
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    if all(key.startswith("module.") for key in weights):
        weights = {key.removeprefix("module."): value for key, value in weights.items()}
    weights = convert_state_dict(network, weights)
    if "positional_embedding" in weights and not hasattr(network, "positional_embedding"):
        weights = convert_to_custom_text_state_dict(weights)
    own = network.state_dict()
    # Some files store these scalars with one dimension, others with none.
    scales = {"logit_scale", "logit_bias"} & weights.keys() & own.keys()
    return weights | {key: weights[key].reshape(own[key].shape) for key in scales}


def _transformers(source: dict, arguments: dict, _published: Mapping[str, Any], weights: Weights) -> nn.Module:
    from metamers.models.transformers_networks import loaded_network

    return loaded_network(source, arguments, weights)


LOADERS: dict[str, Callable[[dict, dict, Mapping[str, Any], Weights], nn.Module]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "torchaudio": _torchaudio,
    "open_clip": _open_clip,
    "hub": _timm,
    "transformers": _transformers,
}
