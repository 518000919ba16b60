"""Networks of the library transformers: built from a configuration, with random weights or those of a file.

The library names the weights of a file as its classes do. Of a network with an encoder and a decoder, the encoder is
used; of a classifier, its class scores.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from metamers.config.front_ends import FRONT_END_DEFAULTS
from metamers.config.read import validate
from metamers.config.sources import is_repository
from metamers.config.vocabularies import vocabulary_of_names
from metamers.modalities import IMAGENET_INPUT
from metamers.models.weights import Weights
from metamers.names import ConfigurationError
from metamers.retrieve import transformers_config
from metamers.retrieve.publishers import file_on_hub, read_json, square_input
from metamers.retrieve.transformers_config import (
    MODALITY_OF_INPUT,
    is_classifier,
    kept_config,
    network_class,
    network_config,
    without_hub,
)

# Files of weights in a repository, in the order of preference.
FILES = ("model.safetensors", "pytorch_model.bin")
# Extractor of transformers → our front end, and its arguments: our name → the extractor's.
EXTRACTORS: dict[str, tuple[str, dict[str, str]]] = {
    "Wav2Vec2FeatureExtractor": ("normalized_waveform", {}),
    "WhisperFeatureExtractor": (
        "whisper_log_mel",
        {"mels": "feature_size", "window": "n_fft", "hop": "hop_length", "padded_s": "chunk_length"},
    ),
    "ASTFeatureExtractor": (
        "ast_log_mel",
        {"mels": "num_mel_bins", "frames": "max_length", "mean": "mean", "std": "std"},
    ),
}
WHOLE_FROM = 384  # pixels, from which on the extractor of ConvNeXt crops nothing


def _configuration(source: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """The configuration of a source; that of a repository is in its ``config``."""
    settings = source.get("config", {"model_type": source["transformers"]})
    configuration = network_config(settings, arguments)
    transformers_config.modality_of(configuration)
    return configuration


def _class_scores(_network: nn.Module, _inputs: tuple, output: Any) -> torch.Tensor:
    return output.logits


def takes_stimuli(network: nn.Module) -> bool:
    """Whether a network takes images or sounds; the encoder of a network for detection takes features of images."""
    return getattr(network, "main_input_name", "") in MODALITY_OF_INPUT


def _in_order(network: nn.Module, inputs: tuple, keywords: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Let a masked autoencoder, which masks nothing here, leave the patches in their order."""
    patches = network.embeddings.position_embeddings.shape[1] - 1  # without the class token
    noise = torch.arange(patches, device=inputs[0].device, dtype=torch.float32)
    return inputs, keywords | {"noise": noise.expand(len(inputs[0]), -1)}


def _used_part(network: nn.Module) -> nn.Module:
    """The part of a network that gives features or class scores of stimuli."""
    if is_classifier(network.config):
        network.register_forward_hook(_class_scores)
    elif network.config.is_encoder_decoder and takes_stimuli(network.get_encoder()):
        network = network.get_encoder()
    if hasattr(network.config, "mask_ratio"):
        network.register_forward_pre_hook(_in_order, with_kwargs=True)
    return network.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from printing bars, and reports of weights that are not used."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@without_hub()
def transformers_network(source: Mapping[str, Any], arguments: Mapping[str, Any]) -> nn.Module:
    """A network with random weights.

    Parameters
    ----------
    source
        ``transformers``: a model type, or a repository, with ``config`` (``kept_config``).
    arguments
        Settings of the configuration in place of its own.

    Raises
    ------
    ConfigurationError
        When the library has no such model type or setting.
    """
    configuration = _configuration(source, arguments)
    return _used_part(network_class(configuration)._from_config(configuration, dtype=torch.float32))


@without_hub()
def loaded_network(
    source: Mapping[str, Any], arguments: Mapping[str, Any], weights: Mapping[str, torch.Tensor]
) -> nn.Module:
    """A network with the weights of a file.

    Parameters
    ----------
    source, arguments
        As for ``transformers_network``.
    weights
        Those of a whole network, such as one with a decoder or another head, by any names that the library knows.

    Raises
    ------
    ConfigurationError
        As ``transformers_network``.
    ValueError
        When the file lacks weights. Only the layer that pools features for a task (``pooler``) may be missing; the
        network then has none.
    """
    configuration = _configuration(source, arguments)
    with _quiet():
        whole, report = network_class(configuration).from_pretrained(
            None, config=configuration, state_dict=dict(weights), dtype=torch.float32, output_loading_info=True
        )
    network = _used_part(whole)
    own = {id(value) for value in network.state_dict(keep_vars=True).values()}
    missing = sorted(key for key in report["missing_keys"] if id(whole.state_dict(keep_vars=True)[key]) in own)
    if missing and all(key.startswith("pooler.") for key in missing):
        network.pooler, missing = None, []
    if missing:
        raise ValueError(f"the file has no values for {', '.join(missing[:5])}")
    return network


def with_names_of(
    network: nn.Module, source: Mapping[str, Any], weights: Mapping[str, torch.Tensor], file: str
) -> dict[str, torch.Tensor]:
    """The weights of a file of the library with the names of a network's own parameters.

    Parameters
    ----------
    network
        The network of the source; it loses its ``pooler`` if the file has no weights of it.
    source
        As for ``transformers_network``, with the user's ``arguments``.
    weights, file
        The weights, and the file for messages.

    Raises
    ------
    ValueError
        When the weights do not fit the network.
    """
    try:
        loaded = loaded_network(source, source.get("arguments", {}), weights)
    except Exception as error:  # the library raises many kinds of errors for weights that do not fit
        raise ValueError(f"{file}: the weights do not fit the network of {source['transformers']}: {error}") from error
    if getattr(loaded, "pooler", network) is None:
        network.pooler = None
    return loaded.state_dict()


def build(source: dict, arguments: dict, _published: Any) -> nn.Module:
    return transformers_network(source, arguments)


def load(source: dict, arguments: dict, _published: Mapping[str, Any], weights: Weights) -> nn.Module:
    return loaded_network(source, arguments, weights)


def describe(source: Mapping[str, Any], mirror: Path | None) -> dict[str, dict[str, Any]]:
    repository, extractor = source["transformers"], "preprocessor_config.json"
    place, files = file_on_hub(repository, source.get("revision"), FILES, mirror, "transformers", ["config.json"])
    with tempfile.TemporaryDirectory() as folder:
        read = [
            read_json(repository, place["revision"], file, mirror, folder, "transformers") if file in files else {}
            for file in ("config.json", extractor)
        ]
    config = kept_config(read[0], repository)
    configuration = network_config(config, {})
    modality = transformers_config.modality_of(configuration)
    key = f"transformers: {extractor} of {repository}"
    try:
        stated = INPUTS[modality].stated(read[1], configuration)
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{key} is not one of transformers: {error!r}") from error
    entry = {"modality": modality, "source": {"transformers": repository}, "weights": "pretrained", "stages": "auto"}
    validate({"it": entry | ({"input": stated} if stated else {})}, "models", key)
    return {
        "weights": {"weights_name": config["model_type"], **place, "modality": modality, "config": config},
        "input": stated,
        "vocabulary": _vocabulary(read[0].get("id2label")),
    }


def _vocabulary(labels: Any) -> str | None:
    """The vocabulary of the names of classes in a ``config.json``, a mapping from class indices to names."""
    if not isinstance(labels, Mapping) or {*labels} != {*map(str, range(len(labels)))}:
        return None
    return vocabulary_of_names([str(labels[str(index)]) for index in range(len(labels))])


def modality_of(source: Mapping[str, Any]) -> str:
    """The modality of a network of transformers; the hub is asked about a repository.

    Raises
    ------
    ConfigurationError
        As ``describe``; or when there is no such model type.
    """
    if is_repository(source):
        return describe(source, None)["weights"]["modality"]
    return transformers_config.modality_of(
        transformers_config.network_config({"model_type": source["transformers"]}, {})
    )


def _side(size: Any) -> int | None:
    """The side of the square images of an extractor of transformers, in pixels; None if it states none."""
    if isinstance(size, Mapping):
        rows, columns = (size.get(key, size.get("shortest_edge")) for key in ("height", "width"))
        return square_input((rows, columns), (), (), "", 1, "transformers")["size"] if rows and columns else None
    return size if isinstance(size, int) else None


def _images(extractor: Mapping[str, Any], configuration: Any) -> dict[str, Any]:
    """The input that ``preprocessor_config.json`` states for images, as far as it does."""
    resized, cropped = _side(extractor.get("size")), _side(extractor.get("crop_size"))
    crop = 1.0
    if extractor.get("do_center_crop") and cropped and resized:
        resized, crop = cropped, cropped / resized
    elif (share := extractor.get("crop_pct")) and resized and resized < WHOLE_FROM:
        crop = share
    size = resized or _side(getattr(configuration, "image_size", None))
    sized = {} if size is None else {"size": size}
    rescaled = extractor.get("do_rescale", True) and abs(255 * extractor.get("rescale_factor", 1 / 255) - 1) < 1e-3
    normal = extractor if extractor.get("do_normalize", True) else {"image_mean": [0.0] * 3, "image_std": [1.0] * 3}
    mean, std = normal.get("image_mean"), normal.get("image_std")
    interpolation = {2: "bilinear", 3: "bicubic"}.get(extractor.get("resample", 3))
    # Settings that the workflow does not have are the user's to state.
    if not (rescaled and size and mean and std and interpolation) or extractor.get("do_flip_channel_order"):
        return sized
    return square_input((size, size), mean, std, interpolation, crop, "transformers")


def _sounds(extractor: Mapping[str, Any], _configuration: Any) -> dict[str, Any]:
    """The input that ``preprocessor_config.json`` states for sounds, if the workflow has its front end."""
    kind = extractor.get("feature_extractor_type")
    if kind not in EXTRACTORS or extractor.get("dither"):
        return {}
    name, keys = EXTRACTORS[kind]
    if name == "whisper_log_mel" and extractor.get("do_normalize"):
        return {}
    arguments = {ours: extractor[theirs] for ours, theirs in keys.items() if theirs in extractor}
    normalized = extractor.get("do_normalize", True)
    if name == "normalized_waveform" and not normalized:
        name = "waveform"
    if name == "ast_log_mel" and not normalized:
        arguments |= {"mean": 0.0, "std": 0.5}
    own = {key: value for key, value in arguments.items() if value != FRONT_END_DEFAULTS[name][key]}
    rate_hz = int(extractor.get("sampling_rate", 16000))
    return {
        "sampling_rate_hz": rate_hz,
        "duration_s": min(1, arguments.get("padded_s", 1), arguments.get("frames", 100) / 100),
        "preprocessing": {"name": name, "arguments": own} if own else name,
    }


def usual_input(source: Mapping[str, Any]) -> dict[str, Any]:
    """The input of a model type: in the size of its configuration, and for sounds with its front end."""
    configuration = network_config({"model_type": source["transformers"]}, source.get("arguments", {}))
    return INPUTS[transformers_config.modality_of(configuration)].usual(configuration)


def _usual_images(configuration: Any) -> dict[str, Any]:
    return IMAGENET_INPUT | _images({}, configuration)


def _usual_sounds(configuration: Any) -> dict[str, Any]:
    from transformers.models.auto.feature_extraction_auto import FEATURE_EXTRACTOR_MAPPING

    kind = FEATURE_EXTRACTOR_MAPPING.get(type(configuration), None)
    sizes = {"feature_size": "num_mel_bins", "num_mel_bins": "num_mel_bins", "max_length": "max_length"}
    extractor = {"feature_extractor_type": getattr(kind, "__name__", None)} | {
        theirs: getattr(configuration, ours) for theirs, ours in sizes.items() if hasattr(configuration, ours)
    }
    if hasattr(configuration, "max_source_positions"):  # two frames of 10 ms each
        extractor["chunk_length"] = configuration.max_source_positions / 50
    return _sounds(extractor, configuration)


class Input(NamedTuple):
    """How the input of a network follows from its files, and from its model type alone."""

    stated: Callable[[Mapping[str, Any], Any], dict[str, Any]]
    usual: Callable[[Any], dict[str, Any]]


# One entry for each modality of metamers.modalities.MODALITIES.
INPUTS = {"vision": Input(_images, _usual_images), "audio": Input(_sounds, _usual_sounds)}
