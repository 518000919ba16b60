"""Networks of timm."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from metamers.models.weights import Weights
from metamers.names import ConfigurationError, unknown_name
from metamers.retrieve.publishers import file_at, file_on_hub, square_input

# Files of weights in a repository of the hub, in the order of preference.
FILES = ("model.safetensors", "pytorch_model.bin", "model.bin", "model.pth")


def build(source: dict, arguments: dict, published: Mapping[str, Any] | None) -> nn.Module:
    import timm

    name, cfg, more = timm_name(source, published)
    if not timm.is_model(name):
        raise unknown_name("timm model", name, timm.list_models(), "source.timm")
    return timm.create_model(name, pretrained=False, pretrained_cfg=cfg, **(more | arguments))


def timm_name(source: Mapping[str, Any], published: Mapping[str, Any] | None) -> tuple[str, dict | None, dict]:
    """timm's name, configuration and arguments of the network of a source ``timm`` or ``hub``.

    Parameters
    ----------
    source
        Of the registry entry.
    published
        For ``hub``, the description of the weights (``metamers.models.sources.hub.describe``), whose ``config`` has all
        three.
    """
    if "timm" in source:
        return source["timm"], None, {}
    config = (published or {})["config"]
    return config["architecture"], config["pretrained_cfg"], config["arguments"]


def load(source: dict, arguments: dict, published: Mapping[str, Any], weights: Weights) -> nn.Module:
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


def describe(source: Mapping[str, Any], mirror: Path | None) -> dict[str, dict[str, Any]]:
    import timm

    name = source["timm"]
    if not timm.is_model(name):
        raise unknown_name("timm model", name, timm.list_models(), "timm")
    architecture, _, tag = name.partition(".")
    if tag and name not in (names := timm.list_models(f"{architecture}.*", pretrained=True)):
        raise unknown_name(f"weights of {architecture}", name, names, "timm")
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None or not cfg.has_weights:
        others = timm.list_pretrained(f"{architecture}*")
        raise ConfigurationError(
            f"timm: there are no published weights of {name}; wanted a model that has them"
            + (f", such as {', '.join(others[:5])}" if others else "")
        )
    name = f"{architecture}.{cfg.tag}" if cfg.tag else name
    if cfg.hf_hub_id:
        repository, _, revision = cfg.hf_hub_id.partition("@")
        # For weights that were published in a format of JAX, the repository has a file of safetensors as well.
        named = (cfg.hf_hub_filename,) if cfg.hf_hub_filename and not cfg.custom_load else FILES
        place, _ = file_on_hub(repository, revision or None, FILES[:1] if cfg.custom_load else named, mirror, "timm")
    elif cfg.custom_load:
        raise ConfigurationError(f"timm: the weights of {name} are in a format of JAX, which the workflow cannot read")
    else:
        place = file_at(cfg.url)
    return {"weights": {"weights_name": name, **place}, "input": timm_input(cfg.to_dict(), "timm")}


def timm_input(cfg: Mapping[str, Any], key: str) -> dict[str, Any]:
    import timm.data

    data = timm.data.resolve_data_config(pretrained_cfg=cfg)
    channels, *size = data["input_size"]
    crop = data["crop_pct"] if data["crop_mode"] != "squash" else 1
    mean, std = data["mean"][:channels], data["std"][:channels]
    return square_input(size, mean, std, data["interpolation"], crop, key)


def usual_input(source: Mapping[str, Any]) -> dict[str, Any] | None:
    """The input of an architecture; None if timm does not have it."""
    import timm

    cfg = timm.get_pretrained_cfg(source["timm"]) if timm.is_model(source["timm"]) else None
    if cfg is None:
        return None
    stated = timm_input(cfg.to_dict(), "timm")
    return stated if stated["crop"] < 1 else {key: value for key, value in stated.items() if key != "crop"}
