"""Networks of the library transformers: built from a configuration, with random weights or those of a file.

The library names the weights of a file as its classes do. Of a network with an encoder and a decoder, the encoder is
used; of a classifier, its class scores.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from metamers.retrieve.transformers_config import (
    MODALITY_OF_INPUT,
    is_classifier,
    modality_of,
    network_class,
    network_config,
)


def _configuration(source: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
    """The configuration of a source; that of a repository is in its ``config``."""
    settings = source.get("config", {"model_type": source["transformers"]})
    configuration = network_config(settings, arguments)
    modality_of(configuration)
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
