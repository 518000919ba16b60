"""Descriptions of published weights: the place, revision and hash of their file, and the input of their training.

Libraries know their own weights; the Hugging Face hub is asked for the commit and the hashes of a repository's files.
The configuration keeps the answers in the lock file of the registry (``metamers.config.pretrained``). It asks in a
separate process, ``python -m metamers.models.describe``, because the libraries import PyTorch. ``metamers.retrieve``
fetches the files.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamers.config.sources import SOURCES, source_name
from metamers.config.vocabularies import vocabulary_of_names, vocabulary_of_tag
from metamers.models.build import source_module
from metamers.names import ConfigurationError


def describe(source: Mapping[str, Any], mirror: Path | None = None) -> dict[str, Any]:
    """Describe the published weights that the source of a model names.

    Parameters
    ----------
    source
        The entry's ``source``: one of ``metamers.config.sources.PUBLISHING`` with a name, and optionally the key of its
        weights.
    mirror
        Folder to use instead of the network, or None.

    Returns
    -------
    dict
        ``weights``: ``weights_name``; ``url``, or ``hub``, ``revision`` (a commit) and ``file``; ``sha256`` (all
        digits or the first ones) or ``git_sha1``, if the publisher states them; for the source ``hub`` also ``config``
        (``architecture``, ``arguments`` and ``pretrained_cfg``, as timm takes them); for ``transformers`` also
        ``modality`` and ``config`` (``metamers.retrieve.transformers_config.kept_config``). ``input``: for images
        ``size`` (pixels), ``mean`` and ``std`` of each channel, ``interpolation`` and ``crop``; for sounds
        ``sampling_rate_hz``, ``duration_s`` and ``preprocessing``; of transformers only what the repository states and
        the workflow has. ``vocabulary``: the named vocabulary of the classes (``metamers.config.vocabularies``); None
        or absent if the publisher states none.

    Raises
    ------
    ConfigurationError
        When there are no such weights, the hub cannot be reached, or the workflow cannot use the weights; the message
        begins with the key below ``source``.
    """
    described = source_module(source).describe(source, mirror)
    return {"vocabulary": _stated_vocabulary(source, described["weights"]["weights_name"])} | described


def _stated_vocabulary(source: Mapping[str, Any], weights_name: str) -> str | None:
    """The vocabulary that timm or torchvision states; None for other sources, whose modules may describe it.

    It is not in the modules of these sources, because their code counts as the code of each job with their networks.
    """
    if "timm" in source:
        import timm

        return vocabulary_of_tag(timm.get_pretrained_cfg(weights_name).to_dict())
    if "torchvision" in source:
        import torchvision

        weights = torchvision.models.get_model_weights(source["torchvision"])[weights_name]
        return vocabulary_of_names(weights.meta["categories"])
    return None


def usual_input(source: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ``input`` that the library of a source states for an architecture, whatever its weights; None without one.

    ``crop`` is left out where the whole image is used.

    Raises
    ------
    ConfigurationError
        When the network takes images that are not square.
    """
    return source_module(source).usual_input(source) if SOURCES[source_name(source)].states_input else None


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Model → description of its weights, or ``error`` → text."""
    mirror = Path(request["mirror"]) if request["mirror"] else None
    answers: dict[str, Any] = {}
    for model, source in request["sources"].items():
        try:
            answers[model] = describe(source, mirror)
        except ConfigurationError as error:
            answers[model] = {"error": str(error)}
    return answers


if __name__ == "__main__":
    print(json.dumps(_answer(json.load(sys.stdin))))
