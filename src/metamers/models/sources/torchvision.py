"""Networks of torchvision."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from torch import nn

from metamers.models.weights import Weights
from metamers.names import ConfigurationError, unknown_name
from metamers.retrieve.publishers import file_at, square_input


def build(source: dict, arguments: dict, _published: Any) -> nn.Module:
    import torchvision

    name = source["torchvision"]
    if name not in torchvision.models.list_models():
        raise unknown_name("torchvision model", name, torchvision.models.list_models(), "source.torchvision")
    builder = torchvision.models.get_model_builder(name)
    # Networks for segmentation and detection would download weights of their backbone.
    backbone = {"weights_backbone": None} if "weights_backbone" in inspect.signature(builder).parameters else {}
    return builder(weights=None, **(backbone | arguments))


def load(source: dict, arguments: dict, published: Mapping[str, Any], weights: Weights) -> nn.Module:
    import torchvision

    name = source["torchvision"]
    chosen = torchvision.models.get_model_weights(name)[published["weights_name"]]
    # torchvision's builders accept only entries of its own tables, which would download a file and read it with pickle.
    with mock.patch.object(chosen, "get_state_dict", return_value=weights):
        return torchvision.models.get_model(name, weights=chosen, **arguments)


def describe(source: Mapping[str, Any], _mirror: Path | None) -> dict[str, dict[str, Any]]:
    import torchvision

    name = source["torchvision"]
    if name not in (names := torchvision.models.list_models()):
        raise unknown_name("torchvision model", name, names, "torchvision")
    weights = torchvision.models.get_model_weights(name)
    weights_name = source.get("weights", "DEFAULT").removeprefix(f"{weights.__name__}.")
    if weights_name not in weights.__members__:
        raise unknown_name(f"weights of {name}", weights_name, weights.__members__, "weights")
    chosen = weights[weights_name]
    transform = chosen.transforms()
    if not hasattr(transform, "crop_size") or "categories" not in chosen.meta:
        raise ConfigurationError(f"weights: {chosen} does not classify images")
    (side,), (resized,) = transform.crop_size, transform.resize_size
    input_ = square_input(
        (side, side), transform.mean, transform.std, transform.interpolation.value, side / resized, "torchvision"
    )
    return {"weights": {"weights_name": chosen.name, **file_at(chosen.url)}, "input": input_}
