"""Sources: the untrained network of a registry entry.

The network comes from torchvision, torchaudio, timm, open_clip or transformers, from ``metamers.models.networks``, or
from a user's Python file. Its weights are read in ``metamers.models.weights``; preprocessing and stages are added in
``metamers.models.load``.
"""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from metamers.names import ConfigurationError, unknown_name

CLASSES = 1000  # of a CLIP model: those of ImageNet


def _torchvision(source: dict, arguments: dict, _published: Any) -> nn.Module:
    import torchvision

    name = source["torchvision"]
    if name not in torchvision.models.list_models():
        raise unknown_name("torchvision model", name, torchvision.models.list_models(), "source.torchvision")
    builder = torchvision.models.get_model_builder(name)
    # Networks for segmentation and detection would download weights of their backbone.
    backbone = {"weights_backbone": None} if "weights_backbone" in inspect.signature(builder).parameters else {}
    return builder(weights=None, **(backbone | arguments))


def _timm(source: dict, arguments: dict, published: Mapping[str, Any] | None) -> nn.Module:
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
        For ``hub``, the description of the weights by ``metamers.retrieve.publishers.describe``; its ``config`` has all
        three.
    """
    if "timm" in source:
        return source["timm"], None, {}
    config = (published or {})["config"]
    return config["architecture"], config["pretrained_cfg"], config["arguments"]


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


class EachWaveform(nn.Module):
    """A network of waveforms (batch, sample), each of which gets mean 0 and variance 1 first.

    The wrapper of torchaudio's pipelines normalizes the whole batch at once, so that results depend on the batch; for a
    single waveform, this one is equal to it.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, waveforms: torch.Tensor) -> Any:
        return self.network(nn.functional.layer_norm(waveforms, waveforms.shape[-1:]))


def torchaudio_network(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The network of a pipeline of torchaudio, with random weights, from waveforms (batch, sample).

    Parameters
    ----------
    name
        Of the pipeline, such as ``HUBERT_BASE``.
    arguments
        Arguments of torchaudio's builder that replace those of the pipeline.

    Returns
    -------
    nn.Module
        torchaudio's network, in ``EachWaveform`` if the pipeline normalizes waveforms.

    Raises
    ------
    ConfigurationError
        When there is no such pipeline.
    """
    from torchaudio import models

    from metamers.retrieve.pipelines import torchaudio_pipeline

    pipeline = torchaudio_pipeline(name)
    build = {"Wav2Vec2": models.wav2vec2_model, "WavLM": models.wavlm_model}[pipeline._model_type]
    network = build(**(pipeline._params | arguments))
    return EachWaveform(network) if pipeline._normalize_waveform else network


def _torchaudio(source: dict, arguments: dict, _published: Any) -> nn.Module:
    return torchaudio_network(source["torchaudio"], arguments)


def _open_clip(source: dict, arguments: dict, _published: Any) -> nn.Module:
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


def _transformers(source: dict, arguments: dict, _published: Any) -> nn.Module:
    from metamers.models.transformers_networks import transformers_network

    return transformers_network(source, arguments)


def _library(source: dict, arguments: dict, _published: Any) -> nn.Module:
    from metamers.models import networks

    name = source["metamers"]
    if name not in networks.NETWORKS:
        raise unknown_name("architecture", name, networks.NETWORKS, "source.metamers")
    return networks.NETWORKS[name](**arguments)


def module_from_file(place: str, arguments: Mapping[str, Any], key: str) -> nn.Module:
    """Build a module by a function of a user's Python file.

    Parameters
    ----------
    place
        ``FILE.py:FUNCTION``.
    arguments
        Keyword arguments of the function.
    key
        The key of the registry that names the file, for messages.

    Raises
    ------
    FileNotFoundError, ValueError
        When there is no such file or function, or the function does not return a ``torch.nn.Module``. Errors of the
        file and the function pass through.
    """
    file, function = place.rsplit(":", 1)
    if not Path(file).is_file():
        raise FileNotFoundError(f"{key}: there is no file {file}")
    specification = importlib.util.spec_from_file_location(f"builder_{Path(file).stem}", file)
    module = importlib.util.module_from_spec(specification)
    # As an import does: the file may define dataclasses and import other files of its folder.
    sys.modules[specification.name] = module
    sys.path.append(str(Path(file).resolve().parent))
    specification.loader.exec_module(module)
    builder = getattr(module, function, None)
    if not callable(builder):
        raise ValueError(f"{key}: {file} has no function {function}")
    network = builder(**arguments)
    if not isinstance(network, nn.Module):
        raise ValueError(f"{key}: {place} gave a {type(network).__name__}, not a torch.nn.Module")
    return network


def _python(source: dict, arguments: dict, _published: Any) -> nn.Module:
    return module_from_file(source["python"], arguments, "source.python")


# Functions of a source, its arguments, and the description of its published weights (or None).
BUILDERS: dict[str, Callable[[dict, dict, Mapping[str, Any] | None], nn.Module]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "torchaudio": _torchaudio,
    "hub": _timm,
    "open_clip": _open_clip,
    "transformers": _transformers,
    "metamers": _library,
    "python": _python,
}


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
    kind = next(kind for kind in BUILDERS if kind in source)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return prepared(BUILDERS[kind](source, arguments, entry["weights"].get("pretrained")))
        except ConfigurationError:
            raise
        except Exception as error:  # a user's builder may raise anything
            raise ValueError(
                f"models: {name}.source: {source[kind]} with arguments {arguments} fails: {error}"
            ) from error
