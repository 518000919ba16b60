"""The lock file of a registry of models: parts of entries that are resolved once and then used by every run.

``models.lock.yaml`` lies beside ``models.yaml``. For each resolved model it has a copy of ``source`` and these parts:
``weights`` (the files, their revision and hashes), ``input`` and ``vocabulary`` (from the weights' own metadata) and
``stages``. A part is valid only while its ``source`` equals the source of the entry. Other modules resolve the parts.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import yaml

from metamers.config.read import read_yaml
from metamers.names import ConfigurationError

PARTS = ("weights", "input", "vocabulary", "stages")
HEADER = """\
# Written by the program: what it found for models of the registry beside this file.
# Keep it with the registry, for example in Git, so that every run uses the same.
# To resolve a model again, delete its part.
"""


@dataclass(frozen=True)
class Lock:
    """A lock file and its content.

    Attributes
    ----------
    path
        The file.
    entries
        The content, as ``read_lock`` returns it.
    """

    path: Path
    entries: dict[str, dict[str, Any]]


def lock_path(registry: str | Path) -> Path:
    """Path of the lock file of a registry: ``models.yaml`` has ``models.lock.yaml`` beside it."""
    return Path(registry).with_suffix(".lock.yaml")


def read_lock(path: str | Path) -> dict[str, dict[str, Any]]:
    """Read a lock file.

    Returns
    -------
    dict
        Model → ``source`` and the parts that were resolved; empty when there is no file.

    Raises
    ------
    ConfigurationError
        When the file cannot be read, or is not a lock file.
    """
    if not Path(path).exists():
        return {}
    lock = read_yaml(path)
    if lock is None:
        return {}
    for model, entry in lock.items() if isinstance(lock, dict) else [("(top level)", lock)]:
        if not isinstance(entry, dict) or not isinstance(entry.get("source"), dict):
            raise ConfigurationError(
                f"{path}: {model}: wanted a mapping with `source`. The program writes this file; restore it from a "
                "backup, or delete it to resolve its models again"
            )
        if unknown := entry.keys() - {"source", *PARTS}:
            raise ConfigurationError(
                f"{path}: {model}: unknown part {', '.join(sorted(map(str, unknown)))}; valid: {', '.join(PARTS)}"
            )
    return lock


def locked_part(lock: Mapping[str, Mapping[str, Any]], model: str, source: Mapping[str, Any], part: str) -> Any:
    """A part of a model in a lock file; None when it is missing, or was resolved for another source."""
    entry = lock.get(model, {})
    return entry.get(part) if entry.get("source") == source else None


def forget_part(path: str | Path, model: str, part: str) -> None:
    """Remove a part of a model from a lock file, if it is there.

    Raises
    ------
    ConfigurationError
        When the file cannot be read or written.
    """
    entry = read_lock(path).get(model, {})
    if part in entry:
        update_lock(path, model, entry["source"], part, None)


def update_lock(path: str | Path, model: str, source: Mapping[str, Any], part: str, value: Any) -> None:
    """Write a part of a model into a lock file, which is created if it is missing.

    The file is replaced atomically; other processes that write it wait. Parts of the model that were resolved for
    another source are removed.

    Parameters
    ----------
    path
        The lock file.
    model
        Name of the model in the registry.
    source
        The ``source`` of its entry, as in the registry's file.
    part
        ``weights``, ``input``, ``vocabulary`` or ``stages``.
    value
        Plain data; None removes the part.

    Raises
    ------
    ConfigurationError
        When the file cannot be read or written.
    """
    path = Path(path)
    try:
        with filelock.FileLock(path.with_name(f".{path.name}.lock")):
            lock = read_lock(path)
            entry = lock.get(model, {})
            kept = entry if entry.get("source") == source else {}
            parts = {"source": dict(source)} | kept | {part: value}
            lock[model] = {key: kept_part for key, kept_part in parts.items() if kept_part is not None}
            replace_file(path, HEADER + yaml.safe_dump(lock, sort_keys=False, allow_unicode=True, width=120))
    except OSError as error:
        raise ConfigurationError(
            f"{path}: cannot be written ({error.strerror or error}). This file keeps the resolved weights, input and "
            f"stages of {model!r}, beside its registry; put the model into a registry in a folder that you can write"
        ) from error


def replace_file(path: Path, text: str) -> None:
    """Write a text file atomically, with the permissions of the file that it replaces.

    The folder is created if it is missing. After an error, the old file is unchanged.

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(partial, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise
