"""The registry of the published human experiments, and the public files that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamers.config_read import read_yaml, validate
from metamers.names import NATURAL, ConfigurationError, unknown_name
from metamers.tables import read_table


def read_experiments(path: str | Path) -> dict[str, Any]:
    """Read and check the registry of human experiments, and put its parts together.

    Returns
    -------
    dict
        ``source``: ``url`` and ``files`` (a table); ``experiments``: name → ``modality``, ``participants``, ``models``;
        ``judges``: modality → ``answers``, ``average``, ``published``, ``models``; ``brains``: what the registry has of
        ``brain_score`` and ``fmri``, each with its ``models``; ``comparisons``: experiment → name → networks' names in
        the paper; ``stage_effects``: experiment → network's name in the paper → stages left out. ``models`` is
        network → ``name`` in the paper, ``class``, ``layers`` (layer in the files → stage, in processing order), and
        for an experiment ``file``, for judges ``files`` (judge → file), for brains ``files`` (stage → file): paths
        below the source's ``url``.

    Raises
    ------
    ConfigurationError
        When the registry does not fit its schema, or names something that it does not have.
    """
    registry = read_yaml(path)
    validate(registry, "experiments", str(path))
    names = [entry["name"] for entry in registry["models"].values()]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{path}: models: several networks have the name {', '.join(double)}")
    for layers, stages in registry["layers"].items():
        found = list(stages.values())
        if found[0] != NATURAL or len(set(found)) < len(found):
            raise ConfigurationError(
                f"{path}: layers.{layers}: stages {', '.join(found)}: the first must be {NATURAL!r}, each named once"
            )

    def network(name: str, key: str) -> dict[str, Any]:
        if name not in registry["models"]:
            raise unknown_name("network", name, registry["models"], f"{path}: {key}")
        entry = registry["models"][name]
        if entry["layers"] not in registry["layers"]:
            raise unknown_name("layers", entry["layers"], registry["layers"], f"{path}: models.{name}.layers")
        return {"name": entry["name"], "class": entry["class"], "layers": registry["layers"][entry["layers"]]}

    experiments = {}
    for name, entry in registry["experiments"].items():
        models = {
            model: network(model, f"experiments.{name}.models") | {"file": entry["file"].replace("{model}", model)}
            for model in entry["models"]
        }
        experiments[name] = entry | {"models": models}
    judges = {}
    for modality, entry in registry["judges"].items():
        models = {}
        for model in entry["models"]:
            file = entry["file"].replace("{model}", model)
            files = {judge: file.replace("{judge}", judge) for judge in entry["models"]}
            models[model] = network(model, f"judges.{modality}.models") | {"files": files}
        judges[modality] = entry | {"models": models}
    brains = {}
    for kind, entry in registry.get("brains", {}).items():
        models = {}
        for number, item in enumerate(entry["models"]):
            key = f"brains.{kind}.models.{number}"
            name = item if isinstance(item, str) else item["model"]
            models[name] = network(name, key)
            if not isinstance(item, str):
                own = models[name]["layers"]
                if unknown := [stage for stage in item["stages"] if stage not in own.values()]:
                    raise unknown_name("stage", unknown[0], own.values(), f"{path}: {key}.stages")
                models[name]["layers"] = {layer: stage for layer, stage in own.items() if stage in item["stages"]}
            file = entry["file"].replace("{model}", name)
            # The files do not say how the gradient passed, which is of no consequence here.
            models[name]["files"] = {
                stage: file.replace("{layer}", layer.split("_fake")[0])
                for layer, stage in models[name]["layers"].items()
                if stage != NATURAL
            }
        brains[kind] = entry | {"models": models}
    return {
        "source": registry["source"],
        "experiments": experiments,
        "judges": judges,
        "brains": brains,
        "comparisons": _comparisons(registry.get("comparisons", {}), experiments, f"{path}: comparisons"),
        "stage_effects": _stage_effects(registry.get("stage_effects", {}), experiments, f"{path}: stage_effects"),
    }


def _compared(experiments: Mapping[str, dict], experiment: str, network: str, source: str) -> tuple[str, list[str]]:
    """A network's name in the paper and its stages, if the experiment has it."""
    if experiment not in experiments:
        raise unknown_name("experiment", experiment, experiments, source)
    models = experiments[experiment]["models"]
    if network not in models:
        raise unknown_name("network", network, models, f"{source}.{experiment}")
    return models[network]["name"], list(models[network]["layers"].values())


def _comparisons(entries: Mapping[str, dict], experiments: Mapping[str, dict], source: str) -> dict[str, dict]:
    """Comparisons between models of an experiment that have equally many stages, with their names in the paper."""
    found: dict[str, dict[str, list[str]]] = {}
    for experiment, named in entries.items():
        found[experiment] = {}
        for name, networks in named.items():
            stages = dict(_compared(experiments, experiment, network, source) for network in networks)
            if len({len(own) for own in stages.values()}) > 1:
                numbers = ", ".join(f"{model} has {len(own)}" for model, own in stages.items())
                raise ConfigurationError(f"{source}.{experiment}.{name}: {numbers} stages; wanted equally many")
            if name in (model["name"] for model in experiments[experiment]["models"].values()):
                raise ConfigurationError(f"{source}.{experiment}.{name}: a model has that name; wanted another")
            found[experiment][name] = list(stages)
    return found


def _stage_effects(entries: Mapping[str, dict], experiments: Mapping[str, dict], source: str) -> dict[str, dict]:
    """Networks whose stages are compared in people alone, with their names in the paper, and the stages left out."""
    found: dict[str, dict[str, list[str]]] = {}
    for experiment, networks in entries.items():
        found[experiment] = {}
        for network, left_out in networks.items():
            name, stages = _compared(experiments, experiment, network, source)
            key = f"{source}.{experiment}.{network}"
            if unknown := [stage for stage in left_out if stage not in stages]:
                raise unknown_name("stage", unknown[0], stages, key)
            if len(stages) - len(left_out) < 2:
                raise ConfigurationError(f"{key}: without {', '.join(left_out)} fewer than two stages remain")
            found[experiment][name] = left_out
    return found


def human_collections(setup: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Public files of the study: ``experiments/<experiment>``, ``judges/<modality>``, ``published/<brain data>``."""
    url, table = setup["human_files"]["url"], setup["human_files"]["files"]
    hashes = {row["path"]: row["sha256"] for row in read_table(table, ["path", "sha256"])}
    paths = {
        f"experiments/{name}": [model["file"] for model in entry["models"].values()]
        for name, entry in setup["experiments"].items()
    } | {
        f"judges/{modality}": [file for model in entry["models"].values() for file in model["files"].values()]
        for modality, entry in setup["judges"].items()
    }
    for kind, entry in setup.get("brains", {}).items():
        files = (file for model in entry["models"].values() for file in model["files"].values())
        paths[f"published/{kind}"] = list(dict.fromkeys(files))
    for path in (path for files in paths.values() for path in files):
        if path not in hashes:
            raise ConfigurationError(f"registry.experiments: {table} has no SHA-256 for {path}")
    return {
        name: [{"name": file, "url": f"{url}/{file}", "sha256": hashes[file]} for file in files]
        for name, files in paths.items()
    }
