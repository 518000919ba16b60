"""Image towers of the CLIP models of open_clip."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metamers.models.weights import Weights, fit_weights
from metamers.names import ConfigurationError, unknown_name
from metamers.retrieve.publishers import file_at, file_on_hub, square_input

CLASSES = 1000  # of a CLIP model: those of ImageNet
# Files of weights in a repository of the hub, in the order of preference.
FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin")


class _ZeroShot(nn.Module):
    """Class scores (batch, class) of features (batch, feature) of length 1: the cosine with each class's text."""

    def __init__(self, features: int, classes: int):
        super().__init__()
        # One column for each class, the mean embedding of its descriptions.
        self.weight = nn.Parameter(torch.randn(features, classes) / features**0.5)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features @ self.weight


class _UnitLength(nn.Module):
    """Features (batch, feature) divided by their length, which passes no gradient (as in the study; not verified)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features / features.norm(dim=-1, keepdim=True).detach()


class ClipImages(nn.Module):
    """The image tower of a CLIP model, with class scores from texts (Radford et al. 2021, section 3.1).

    Parameters
    ----------
    visual
        open_clip's tower, a residual network or a vision transformer.
    features
        Length of its embedding.
    classes
        Number of texts.
    """

    def __init__(self, visual: nn.Module, features: int, classes: int):
        super().__init__()
        self.visual = visual
        self.tokens = nn.Identity()  # patches and class token, before their positions are added
        self.embedding = _UnitLength()
        self.classify = _ZeroShot(features, classes)

    def _transform(self, images: torch.Tensor) -> torch.Tensor:
        """The vision transformer, step by step, because some published stages are not modules."""
        visual = self.visual
        patches = visual.conv1(images).flatten(2).transpose(1, 2)
        class_token = visual.class_embedding.expand(len(images), 1, -1)
        tokens = self.tokens(torch.cat([class_token, patches], dim=1))
        transformed = visual.transformer(visual.ln_pre(tokens + visual.positional_embedding))
        return visual.ln_post(transformed[:, 0]) @ visual.proj

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, size, size) to class scores (batch, class)."""
        features = self._transform(images) if hasattr(self.visual, "transformer") else self.visual(images)
        return self.classify(self.embedding(features))


def build(source: dict, arguments: dict, _published: Any) -> nn.Module:
    import open_clip

    name = source["open_clip"]
    if name not in open_clip.list_models():
        raise unknown_name("open_clip model", name, open_clip.list_models(), "source.open_clip")
    return clip_images(clip_model(name, arguments.get("size")), name, arguments.get("classes", CLASSES))


def clip_model(name: str, size: int | None = None) -> nn.Module:
    """The untrained open_clip model, with both towers, for images of its own size or of ``size`` pixels."""
    import open_clip

    return open_clip.create_model(name, pretrained=None, pretrained_text=False, force_image_size=size)


def clip_images(model: nn.Module, name: str, classes: int) -> ClipImages:
    """The image tower of an open_clip model, with scores of ``classes`` classes."""
    import open_clip

    return ClipImages(model.visual, open_clip.get_model_config(name)["embed_dim"], classes)


def load(source: dict, arguments: dict, _published: Mapping[str, Any], weights: Weights) -> nn.Module:
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


def describe(source: Mapping[str, Any], mirror: Path | None) -> dict[str, dict[str, Any]]:
    import open_clip

    name = source["open_clip"]
    if name not in (names := open_clip.list_models()):
        raise unknown_name("open_clip model", name, names, "open_clip")
    tags, tag = open_clip.list_pretrained_tags_by_model(name), source["pretrained"]
    if tag not in tags:
        raise unknown_name(f"weights of {name}", tag, tags, "pretrained")
    cfg, architecture = open_clip.get_pretrained_cfg(name, tag), open_clip.get_model_config(name)
    if cfg.get("quick_gelu", False) and not architecture.get("quick_gelu", False):
        raise ConfigurationError(
            f"open_clip: the weights {tag} were trained with another activation than {name} has (QuickGELU); wanted "
            f"{{open_clip: {name}-quickgelu, pretrained: {tag}}}"
        )
    if hub := cfg.get("hf_hub"):
        repository, _, file = hub.rpartition("/")
        safe = (str(Path(file).with_suffix(".safetensors")), file) if file else FILES
        place, _ = file_on_hub(repository, None, safe, mirror, "open_clip")
    else:
        place = file_at(cfg["url"])
    size = architecture["vision_cfg"]["image_size"]
    size = (size, size) if isinstance(size, int) else size
    return {
        "weights": {"weights_name": tag, **place},
        # The transform of open_clip resizes the shorter side, or both sides, to the size itself.
        "input": square_input(size, cfg["mean"], cfg["std"], cfg["interpolation"], 1, "open_clip"),
    }
