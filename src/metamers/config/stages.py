"""Automatic stages of the registry of models (``stages: auto``): found once, and kept in the registry's lock file.

The same trace tells whether a network gives class scores, which the plan compares with the classes of the dataset.

The plan needs the names of stages before any job. ``metamers.models.automatic_stages`` finds them in a separate
process, because importing PyTorch would slow each process that makes the plan.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metamers.config.model_lock import lock_path, locked_part, read_lock, update_lock
from metamers.config.read import validate
from metamers.names import INPUT_STAGE, ConfigurationError
from metamers.repository import PACKAGE, environment_with
from metamers.run.hashes import sha256_of

AUTO = "auto"
NUMBER = 8  # of automatic stages, unless the entry has another number
UNRESOLVED = {INPUT_STAGE: None}


@dataclass(frozen=True)
class Traced:
    """What a trace has found of a network.

    Attributes
    ----------
    stages
        Stage → place in the network, in processing order.
    scores
        ``number`` and ``of_classes``, as of ``metamers.models.automatic_stages.scores_of_output``; None in a lock file
        of an earlier version.
    problems
        Sentences about the network that a user should read (``metamers.models.stability``).
    """

    stages: dict[str, Any]
    scores: dict[str, Any] | None = None
    problems: list[str] = field(default_factory=list)


class NoClassScoresError(ConfigurationError):
    """The network of an entry without ``classes: false`` does not give class scores."""


def number_of_automatic_stages(stages: str | Mapping[str, Any]) -> int | None:
    """Number of stages that ``stages: auto`` or ``stages: {auto: NUMBER}`` asks for; None for a list of stages."""
    return NUMBER if isinstance(stages, str) else stages.get(AUTO)


def automatic_stages(
    entries: Mapping[str, Mapping[str, Any]],
    numbers: Mapping[str, int | None],
    sources: Mapping[str, Mapping[str, Any]],
    registries: Mapping[str, str],
) -> dict[str, Traced]:
    """Return what traces have found of models with ``stages: auto``, from the lock files or by a new trace.

    What is newly found is written into the lock files.

    Parameters
    ----------
    entries
        Model → entry with resolved paths; only models whose stages are automatic.
    numbers
        Model → number of its stages.
    sources
        Model → ``source`` as in the registry's file.
    registries
        Model → path of its registry.

    Returns
    -------
    dict
        Model → stages and scores.

    Raises
    ------
    NoClassScoresError
        When the output of a network cannot be class scores, and its entry does not say ``classes: false``.
    ConfigurationError
        When a network cannot be built or traced, or a lock file cannot be used.
    """
    traced_models: dict[str, Traced] = {}
    requests = {name: _wanted(entry, numbers[name]) for name, entry in entries.items()}
    locks = {path: read_lock(path) for path in {lock_path(registries[name]) for name in entries}}
    for name in entries:
        lock = lock_path(registries[name])
        part = locked_part(locks[lock], name, sources[name], "stages")
        if isinstance(part, dict) and part.get("for") == requests[name]:
            # Only the stages are checked: resolved source and weights do not fit the schema of the registry's file.
            entry = {**entries[name], "source": sources[name], "weights": {"random": 0}, "stages": part.get("found")}
            validate({name: entry}, "models", str(lock))
            traced_models[name] = Traced(part["found"], part.get("scores"), part.get("problems", []))
    missing = {name: entry for name, entry in entries.items() if name not in traced_models}
    for name, traced in _traced(missing, requests).items():
        part = {"for": requests[name], "found": traced.stages, "scores": traced.scores}
        if traced.problems:
            part["problems"] = traced.problems
        update_lock(lock_path(registries[name]), name, sources[name], "stages", part)
        traced_models[name] = traced
    return {name: traced_models[name] for name in entries}


def _wanted(entry: Mapping[str, Any], number: int | None) -> dict[str, Any]:
    """The settings that automatic stages depend on, in addition to the source."""
    preprocessing = entry["input"].get("preprocessing")
    places = {
        "builder": entry["source"].get("python"),
        "preprocessing": preprocessing.get("python") if isinstance(preprocessing, Mapping) else None,
    }
    files = {name: Path(place.rsplit(":", 1)[0]) for name, place in places.items() if place}
    hashes = {f"{name}_sha256": sha256_of(file) for name, file in files.items() if file.is_file()}
    kind = {key: entry[key] for key in ("classes", "output") if key in entry}
    return {"number": number, "input": dict(entry["input"])} | kind | hashes


def _traced(entries: Mapping[str, Mapping[str, Any]], requests: Mapping[str, Mapping[str, Any]]) -> dict[str, Traced]:
    """What a trace of models finds, in another process."""
    if not entries:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        request, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        asked = {name: {"entry": entry, "number": requests[name]["number"]} for name, entry in entries.items()}
        request.write_text(json.dumps(asked), encoding="utf-8")
        command = [sys.executable, "-m", "metamers.models.automatic_stages", str(request), str(answer)]
        ran = subprocess.run(command, env=environment_with(PACKAGE.parent), capture_output=True, text=True, check=False)
        if not answer.is_file():
            last = " ".join(ran.stderr.strip().splitlines()[-1:]) or "no error message"
            raise ConfigurationError(
                f"models: {', '.join(entries)}.stages: auto: the process that traces the network ended with code "
                f"{ran.returncode}: {last}. List the stages, or correct the model"
            )
        results = json.loads(answer.read_text(encoding="utf-8"))
    for name, result in results.items():
        if "error" in result:
            error = result["error"]
            no_scores = result.get("scores", {"number": 0})["number"] is None and entries[name].get("classes", True)
            kind = NoClassScoresError if no_scores else ConfigurationError
            raise kind(error if error.startswith("models: ") else f"models: {name}: {error}")
    return {name: Traced(**result) for name, result in results.items()}


def check_class_scores(name: str, scores: Mapping[str, Any], certain: bool) -> None:
    """Check that what a network gives may be class scores.

    Parameters
    ----------
    name
        The model.
    scores
        As of ``Traced``.
    certain
        Whether the entry says that the network gives class scores (``classes: true``).

    Raises
    ------
    NoClassScoresError
        When it gives features.
    """
    if not (scores["of_classes"] or certain):
        raise NoClassScoresError(
            f"models: {name}: the network gives {scores['number']} values that look like features, because no layer "
            "computes them last. Add `classes: false`, or `classes: true` if they are class scores"
        )


def check_number_of_classes(name: str, number: int | None, table: str, categories: Mapping[str, Sequence[int]]) -> None:
    """Check that a network has the classes of a table.

    Parameters
    ----------
    name
        The model.
    number
        Number of its class scores.
    table, categories
        Path of the table, and its content: category → class indices.

    Raises
    ------
    ConfigurationError
        When it has fewer classes.
    """
    needed = 1 + max(index for indices in categories.values() for index in indices)
    if number is None or number < needed:
        raise ConfigurationError(
            f"models: {name}: the network gives {number} class scores, but {table} names class {needed - 1}. Use "
            "another dataset (`stimuli`), or add `classes: false` if the values are features"
        )
