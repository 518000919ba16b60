"""Automatic stages of the registry of models (``stages: auto``): found once, and kept in the registry's lock file.

The plan needs the names of stages before any job. ``metamers.models.automatic_stages`` finds them in a separate
process, because importing PyTorch would slow each process that makes the plan.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
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


def number_of_automatic_stages(stages: str | Mapping[str, Any]) -> int | None:
    """Number of stages that ``stages: auto`` or ``stages: {auto: NUMBER}`` asks for; None for a list of stages."""
    return NUMBER if isinstance(stages, str) else stages.get(AUTO)


def automatic_stages(
    entries: Mapping[str, Mapping[str, Any]],
    numbers: Mapping[str, int | None],
    sources: Mapping[str, Mapping[str, Any]],
    registries: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Return the stages of models with ``stages: auto``, from the lock files or by a trace.

    Newly found stages are written into the lock files.

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
        Model → stage → place in the network, in processing order.

    Raises
    ------
    ConfigurationError
        When a network cannot be built or traced, or a lock file cannot be used.
    """
    found: dict[str, dict[str, Any]] = {}
    wanted = {name: _wanted(entry, numbers[name]) for name, entry in entries.items()}
    locks = {path: read_lock(path) for path in {lock_path(registries[name]) for name in entries}}
    for name in entries:
        lock = lock_path(registries[name])
        part = locked_part(locks[lock], name, sources[name], "stages")
        if isinstance(part, dict) and part.get("for") == wanted[name]:
            # Only the stages are checked: resolved source and weights do not fit the schema of the registry's file.
            entry = {**entries[name], "source": sources[name], "weights": {"random": 0}, "stages": part.get("found")}
            validate({name: entry}, "models", str(lock))
            found[name] = part["found"]
    missing = {name: entry for name, entry in entries.items() if name not in found}
    for name, stages in _traced(missing, wanted).items():
        part = {"for": wanted[name], "found": stages}
        update_lock(lock_path(registries[name]), name, sources[name], "stages", part)
        found[name] = stages
    return {name: found[name] for name in entries}


def _wanted(entry: Mapping[str, Any], number: int | None) -> dict[str, Any]:
    """The settings that automatic stages depend on, in addition to the source."""
    preprocessing = entry["input"].get("preprocessing")
    places = {
        "builder": entry["source"].get("python"),
        "preprocessing": preprocessing["python"] if isinstance(preprocessing, Mapping) else None,
    }
    files = {name: Path(place.rsplit(":", 1)[0]) for name, place in places.items() if place}
    hashes = {f"{name}_sha256": sha256_of(file) for name, file in files.items() if file.is_file()}
    return {"number": number, "input": dict(entry["input"])} | hashes


def _traced(
    entries: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The stages of models, found by a trace in another process."""
    if not entries:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        request, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        asked = {name: {"entry": entry, "number": wanted[name]["number"]} for name, entry in entries.items()}
        request.write_text(json.dumps(asked), encoding="utf-8")
        command = [sys.executable, "-m", "metamers.models.automatic_stages", str(request), str(answer)]
        ran = subprocess.run(command, env=environment_with(PACKAGE.parent), capture_output=True, text=True, check=False)
        if not answer.is_file():
            last = " ".join(ran.stderr.strip().splitlines()[-1:]) or "no error message"
            raise ConfigurationError(
                f"models: {', '.join(entries)}.stages: auto: the process that traces the network ended with code "
                f"{ran.returncode}: {last}. List the stages, or correct the model"
            )
        found = json.loads(answer.read_text(encoding="utf-8"))
    for name, result in found.items():
        if "error" in result:
            error = result["error"]
            raise ConfigurationError(error if error.startswith("models: ") else f"models: {name}: {error}")
    return {name: result["stages"] for name, result in found.items()}
