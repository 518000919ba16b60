"""Published weights of a registry entry, ``weights: pretrained``: checks of the entry, and the answers of publishers.

The answers of ``metamers.models.describe`` are written to the lock file of the registry the first time that a run
uses the model. Later runs read the lock file.
"""

import importlib.util
import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamers.config.model_lock import Lock, locked_part, update_lock
from metamers.config.sources import PUBLISHING, SOURCES, WEIGHTS_KEYS, is_repository, source_name
from metamers.config.vocabularies import VOCABULARIES
from metamers.names import ConfigurationError
from metamers.repository import PACKAGE, environment_with

logger = logging.getLogger("metamers")

CLASS_ARGUMENTS = {"num_classes", "num_labels", "id2label"}  # arguments of libraries that replace the layer of classes
LOOK_UP_S = 300  # time in which a publisher must answer the questions about a model
RECEIVED = "received_sha256"  # of the retrieved file; only in the lock file, because it is unknown before retrieval


def check_library(name: str, source: Mapping[str, Any]) -> None:
    """Check that the library of a source is installed, if it is optional.

    Raises
    ------
    ConfigurationError
        When it is not; the message says how to install it.
    """
    kind = source_name(source)
    if (command := SOURCES[kind].install) and importlib.util.find_spec(kind) is None:
        raise ConfigurationError(
            f"models: {name}.source.{kind}: the library {kind} is not installed; run `{command}` in this environment"
        )


def check_pretrained(name: str, entry: Mapping[str, Any]) -> None:
    """Check that the source of a registry entry fits its weights ``pretrained`` or ``builder``.

    Parameters
    ----------
    name, entry
        Name and entry of the model, as in the registry's file.

    Raises
    ------
    ConfigurationError
        When the source does not fit.
    """
    source, weights = entry["source"], entry["weights"]
    kind = source_name(source)
    if weights == "builder" and kind != "python":
        raise ConfigurationError(
            f"models: {name}.weights: builder means that a function of yours loads the weights; wanted source.python, "
            f"found source.{kind}"
        )
    if kind == "transformers" and not is_repository(source) and (weights == "pretrained" or "revision" in source):
        what = "source.revision" if "revision" in source else "weights"
        raise ConfigurationError(
            f"models: {name}.{what}: {source[kind]} is a model type, which has no published weights; wanted a "
            f"repository, {{{kind}: ORGANIZATION/NAME}}, or `weights: {{random: SEED}}`"
        )
    if weights != "pretrained" and kind != "transformers":
        only = ["hub"] if kind == "hub" else [key for key in WEIGHTS_KEYS if key in source]
        if only:
            raise ConfigurationError(
                f"models: {name}.source.{only[0]}: names published weights; wanted `weights: pretrained`"
            )
    if weights != "pretrained":
        return
    if not SOURCES[kind].published:
        instead = "`weights: builder`, if your function loads its weights, or " if kind == "python" else ""
        raise ConfigurationError(
            f"models: {name}.weights: pretrained needs a source that publishes weights: {', '.join(PUBLISHING)}; found "
            f"source.{kind}. Wanted {instead}one of package, archive, url, path, random and train"
        )
    if modality := SOURCES[kind].modality:
        check_modality(name, entry, modality)
    key = SOURCES[kind].weights_key
    if key and key.required and key.name not in source:
        raise ConfigurationError(
            f"models: {name}.source: missing {key.name!r}, the name of the weights, such as "
            f"{{{kind}: {source[kind]}, {key.name}: {SOURCES[kind].example.partition(key.separator)[2]}}}"
        )


def check_modality(name: str, entry: Mapping[str, Any], modality: str) -> None:
    """Check that an entry has the modality of its source.

    Raises
    ------
    ConfigurationError
        When it has another one.
    """
    if entry["modality"] != modality:
        kind = source_name(entry["source"])
        raise ConfigurationError(
            f"models: {name}.modality: {entry['modality']}, but the published weights of source.{kind} are of modality "
            f"{modality}"
        )


def locked_weights(
    name: str, source: Mapping[str, Any], lock: Lock
) -> tuple[dict[str, Any] | None, dict[str, Any], str | None]:
    """Published weights, input and vocabulary of a model in a lock file, as ``ModelEntry`` has them.

    Parameters
    ----------
    name, source
        Name and source of the entry.
    lock
        The lock file.

    Returns
    -------
    weights
        As ``metamers.models.describe.describe`` returns them, with ``lock``, the place for the hash of the
        retrieved file; None when the lock file does not have the model.
    input
        As ``describe`` returns it; empty when the lock file does not have the model.
    vocabulary
        As ``describe`` returns it; None also if the arguments of the source replace the layer of classes.
    """
    parts = ("weights", "input", "vocabulary")
    weights, input_, vocabulary = (locked_part(lock.entries, name, source, part) for part in parts)
    if not isinstance(weights, dict) or not isinstance(input_, dict):
        return None, {}, None
    if vocabulary not in list(VOCABULARIES) or source.get("arguments", {}).keys() & CLASS_ARGUMENTS:
        vocabulary = None
    known = {key: value for key, value in weights.items() if key != RECEIVED}
    return known | {"lock": {"path": str(lock.path), "model": name, "source": dict(source)}}, input_, vocabulary


def resolve_pretrained(sources: Mapping[str, tuple[Mapping[str, Any], Path]], mirror: str | None) -> None:
    """Ask the publishers of weights, and write their answers into the lock files.

    Parameters
    ----------
    sources
        Model → source of its entry, and the lock file of its registry.
    mirror
        Folder to use instead of the network, or None.

    Raises
    ------
    ConfigurationError
        For all sources that have no such weights, or whose publisher cannot be asked; other answers are kept.
    """
    logger.warning(
        "Looking up the published weights of %s (once; the answer is kept in %s)",
        ", ".join(sources),
        ", ".join(dict.fromkeys(str(lock) for _, lock in sources.values())),
    )
    request = {"mirror": mirror, "sources": {name: dict(source) for name, (source, _) in sources.items()}}
    # A separate process, because the libraries import PyTorch, which would slow down each reading of the configuration.
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "metamers.models.describe"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
            env=environment_with(PACKAGE.parent),
            timeout=LOOK_UP_S * len(sources),
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(
            f"models: {', '.join(sources)}: their publishers did not answer within {error.timeout} s; try again later"
        ) from error
    try:
        answers = json.loads(asked.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        last = (asked.stderr.strip().splitlines() or ["without a message"])[-1]
        raise ConfigurationError(
            f"models: {', '.join(sources)}: their published weights could not be looked up; the process ended with "
            f"status {asked.returncode}: {last}"
        ) from error
    refused = [f"models: {name}.source.{answer['error']}" for name, answer in answers.items() if "error" in answer]
    for name, (source, lock) in sources.items():
        for part in ("weights", "input", "vocabulary") if "error" not in answers[name] else ():
            update_lock(lock, name, source, part, answers[name].get(part))
    if refused:
        raise ConfigurationError("\n".join(refused))
