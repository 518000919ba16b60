"""The configuration and its registries: read, check against their schemas, and resolve names.

Everything that can be known to be wrong before a job starts is said here, with the name of the key, what was found and
what would do. Whatever needs data or a model to be judged is left to the step that has them. Imports nothing heavy:
the workflow calls this each time that it builds its DAG.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from metamers.names import FILE_NAME, INPUT_STAGE, NATURAL, ConfigurationError, stage_path, unknown_name
from metamers.packages import package_file
from metamers.tables import SPLITS, category_classes, read_table, stimulus_table

# What a registry entry's `weights.train` may leave out.
TRAINING_DEFAULTS = {
    "batch_size": 32,
    "learning_rate": 0.003,
    "weight_decay": 0.01,
    "label_smoothing": 0.0,
    "seed": 0,
    "readout": None,
    "perturbation": None,
}

SCHEMAS = Path(__file__).resolve().parents[2] / "workflow" / "schemas"


def read_yaml(path: str | Path) -> Any:
    """Read one YAML file, plain data only.

    Raises
    ------
    ConfigurationError
        When the file is missing or is not YAML.
    """
    try:
        with Path(path).open(encoding="utf-8") as stream:
            return yaml.safe_load(stream)
    except OSError as error:
        raise ConfigurationError(f"{path}: there is no such file that can be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error


def validate(data: Any, schema: str, source: str) -> None:
    """Check data against ``workflow/schemas/<schema>.schema.yaml``.

    Raises
    ------
    ConfigurationError
        Naming ``source``, the key, what was found, and what the schema asks for.
    """
    _check_finite(data, source)
    validator = jsonschema.Draft202012Validator(read_yaml(SCHEMAS / f"{schema}.schema.yaml"))
    errors = sorted(validator.iter_errors(data), key=lambda e: (len(e.absolute_path), str(list(e.absolute_path))))
    if errors:
        lines = []
        for error in errors[:5]:
            best = jsonschema.exceptions.best_match([error])
            key = ".".join(str(part) for part in best.absolute_path) or "(top level)"
            wanted = best.schema.get("description") if isinstance(best.schema, dict) else None
            lines.append(f"{source}: {key}: {best.message}" + (f" Wanted: {wanted}" if wanted else ""))
        raise ConfigurationError("\n".join(lines))


def _check_finite(data: Any, source: str) -> None:
    """No number is NaN or infinite, which a schema's limits would let pass."""
    if isinstance(data, float) and not math.isfinite(data):
        raise ConfigurationError(f"{source}: {data} is not a finite number")
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        _check_finite(value, f"{source}: {key}")


def _check_keys(data: Any, source: str) -> None:
    """Every key is text: YAML reads an unquoted 50 or yes otherwise."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        if isinstance(data, dict) and not isinstance(key, str):
            raise ConfigurationError(f"{source}: the key {key!r} is not text; put it in quotes")
        _check_keys(value, f"{source}: {key}")


def read_registry(path: str | Path, schema: str) -> dict[str, dict]:
    """Read and check a registry: a mapping from names, which become file names, to entries."""
    entries = read_yaml(path) or {}
    _check_keys(entries, str(path))
    validate(entries, schema, str(path))
    for name in entries:
        if not FILE_NAME.fullmatch(name):
            raise ConfigurationError(
                f"{path}: {name!r} names files, so it must be at most 100 letters, digits, '.', '_', '+' or '-', "
                "beginning with a letter or digit"
            )
    return entries


def read_experiments(path: str | Path) -> dict[str, Any]:
    """Read and check the registry of human experiments, and put its parts together.

    Returns
    -------
    dict
        ``source``: ``url`` and ``files`` (a table); ``experiments``: name → ``modality``, ``participants``, ``models``;
        ``judges``: modality → ``answers``, ``average``, ``published``, ``models``. ``models`` is network → ``name`` in
        the paper, ``class``, ``layers`` (layer in the files → stage, in processing order), and for an experiment
        ``file``, for judges ``files`` (judge → file): paths below the source's ``url``.

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
    return {"source": registry["source"], "experiments": experiments, "judges": judges}


def _check_models(models: Mapping[str, dict], source: str) -> None:
    """Stages begin with the input, and each names a file of its own."""
    for name, model in models.items():
        stages = list(model["stages"])
        without_module = [stage for stage, module in model["stages"].items() if module is None]
        if stages[0] != INPUT_STAGE or without_module != [INPUT_STAGE]:
            raise ConfigurationError(
                f"{source}: {name}.stages: the first must be '{INPUT_STAGE}: null', and all others name a module"
            )
        if NATURAL in stages:
            raise ConfigurationError(f"{source}: {name}.stages: {NATURAL!r} means the natural stimulus")
        paths = [stage_path(stage) for stage in stages]
        for stage, path in zip(stages, paths, strict=True):
            if not FILE_NAME.fullmatch(path) or paths.count(path) > 1:
                raise ConfigurationError(
                    f"{source}: {name}.stages: {stage!r} must name a file of its own; {path!r} does not do"
                )


def _check_package(package: str, files: list[str], key: str) -> None:
    """A package is installed and has the files."""
    try:
        for file in files:
            package_file(package, file)
    except FileNotFoundError as error:
        raise ConfigurationError(f"{key}: {error}") from error


def _check_files_of_model(name: str, model: Mapping[str, Any]) -> None:
    """What a model is built from, where it is not retrieved, is there."""
    if (path := model["weights"].get("path")) and not Path(path).is_file():
        raise ConfigurationError(f"models: {name}.weights.path: there is no file {path}")
    if (builder := model["source"].get("python")) and not Path(builder.split(":")[0]).is_file():
        raise ConfigurationError(f"models: {name}.source.python: there is no file {builder.split(':')[0]}")
    if package := model["weights"].get("package"):
        _check_package(package, [model["weights"]["file"]], f"models: {name}.weights")
    if model["modality"] == "audio":
        _check_cochleagram(model["input"], f"models: {name}.input")


def _check_cochleagram(sound: Mapping[str, Any], key: str) -> None:
    """A model's sounds carry the frequencies that its cochleagram asks for, and are long enough for it."""
    settings = {"high_hz": 10000, "low_hz": 50, "taps": 1001} | sound.get("cochleagram", {})
    if settings["high_hz"] > sound["sampling_rate_hz"] / 2:
        raise ConfigurationError(
            f"{key}.cochleagram.high_hz: {settings['high_hz']} Hz is more than half of sampling_rate_hz "
            f"{sound['sampling_rate_hz']}; give at most {sound['sampling_rate_hz'] / 2}"
        )
    if settings["low_hz"] >= settings["high_hz"]:
        raise ConfigurationError(f"{key}.cochleagram.low_hz: {settings['low_hz']} must lie below high_hz")
    if (samples := round(sound["sampling_rate_hz"] * sound["duration_s"])) < settings["taps"]:
        raise ConfigurationError(
            f"{key}.duration_s: {samples} samples are fewer than the {settings['taps']} taps of the downsampling filter"
        )


def training_settings(model: Mapping[str, Any]) -> dict[str, Any]:
    """How a model of the registry is trained, defaults filled in."""
    return TRAINING_DEFAULTS | model["weights"]["train"]


def _check_training(name: str, models: Mapping[str, dict], datasets: Mapping[str, dict]) -> None:
    """A model to be trained has a dataset with all splits, and settings that go together."""
    settings, key = models[name]["weights"]["train"], f"models: {name}.weights.train"
    dataset = settings["dataset"]
    if dataset not in datasets:
        raise unknown_name("dataset", dataset, datasets, f"{key}.dataset")
    if datasets[dataset]["modality"] != models[name]["modality"]:
        raise ConfigurationError(f"{key}.dataset: {dataset!r} is of modality {datasets[dataset]['modality']!r}")
    found = {row["split"] for row in stimulus_table(dataset, datasets[dataset])}
    if missing := [split for split in SPLITS if split not in found]:
        raise ConfigurationError(
            f"{key}.dataset: {dataset!r} has nothing of split {', '.join(missing)}; training needs {', '.join(SPLITS)}"
        )
    if settings.get("readout") and settings.get("perturbation"):
        raise ConfigurationError(f"{key}.perturbation: a readout is trained on unperturbed activations; leave it out")


def _stimuli(
    config: Mapping[str, Any], modalities: Iterable[str], datasets: Mapping[str, dict]
) -> dict[str, list[dict[str, str]]]:
    """Datasets in use, those of modalities that the run has models of, and the rows that metamers are made of."""
    stimuli = {}
    for modality in modalities:
        if modality not in config["stimuli"]:
            continue
        choice = config["stimuli"][modality]
        name = choice["dataset"]
        key = f"stimuli.{modality}.dataset"
        if name not in datasets:
            raise unknown_name("dataset", name, datasets, key)
        entry = datasets[name]
        if entry["modality"] != modality:
            raise ConfigurationError(f"{key}: {name!r} is of modality {entry['modality']!r}")
        rows = [row for row in stimulus_table(name, entry) if row["split"] == "test"]
        if len(rows) < 2:
            raise ConfigurationError(
                f"datasets: {name}: {len(rows)} stimuli of split test; a null distribution needs two at least"
            )
        number = choice.get("number") or len(rows)
        if number > len(rows):
            raise ConfigurationError(f"stimuli.{modality}.number: {number}, but {name!r} has {len(rows)} stimuli")
        stimuli[name] = rows[:number]
    return stimuli


def _check_files_of_dataset(name: str, entry: Mapping[str, Any]) -> None:
    """The files of a dataset's table, where they are not retrieved, are there."""
    files = entry.get("files", {})
    rows = stimulus_table(name, entry)
    if package := files.get("package"):
        _check_package(package, [f"{files['folder']}/{row['file']}" for row in rows], f"datasets: {name}.files")
    elif "folder" in files:
        for row in rows:
            if not (path := Path(files["folder"]) / row["file"]).is_file():
                raise ConfigurationError(f"datasets: {name}: {entry['table']} names {path}, which is not there")


def _check_contrasts(
    config: Mapping[str, Any], generation_models: Mapping[str, list[str]], models: Mapping[str, dict]
) -> None:
    """Models that are compared are generation models of one modality."""
    for number, pair in enumerate(config["comparison"]["contrasts"]):
        key = f"comparison.contrasts.{number}"
        for name in pair:
            if name not in generation_models:
                raise ConfigurationError(
                    f"{unknown_name('generation model', name, generation_models, key)} A run without them needs "
                    "`comparison: {contrasts: []}`."
                )
        modality = models[pair[0]]["modality"]
        if pair[0] == pair[1] or models[pair[1]]["modality"] != modality:
            raise ConfigurationError(f"{key}: {pair[0]} and {pair[1]}: wanted two models of one modality")
        if not set(generation_models[pair[0]]) & set(generation_models[pair[1]]):
            raise ConfigurationError(f"{key}: {pair[0]} and {pair[1]} share no stage at which to compare them")
        if not [j for j in config["recognition_models"] if models[j]["modality"] == modality and j not in pair]:
            raise ConfigurationError(
                f"{key}: no recognition model of modality {modality!r} besides the two, which cannot judge themselves"
            )


def _generation_models(config: Mapping[str, Any], models: Mapping[str, dict]) -> dict[str, list[str]]:
    """Generation models and their chosen stages, in the order of the registry."""
    chosen: dict[str, list[str]] = {}
    for number, item in enumerate(config["generation_models"]):
        key = f"generation_models.{number}"
        name = item if isinstance(item, str) else item["model"]
        if name not in models:
            raise unknown_name("model", name, models, key)
        if name in chosen:
            raise ConfigurationError(f"{key}: model {name!r} is named twice")
        valid = list(models[name]["stages"])
        stages = valid if isinstance(item, str) else item["stages"]
        for stage in stages:
            if stage not in valid:
                raise unknown_name("stage", stage, valid, f"{key}.stages ({name})")
        chosen[name] = [stage for stage in valid if stage in stages]
    return chosen


def _check_vocabulary(
    trained: Iterable[str], models: Mapping[str, dict], datasets: Mapping[str, dict], dataset_of: Mapping[str, str]
) -> None:
    """A model that the run trains is asked for the classes that it learns."""
    for name in trained:
        learned, asked = models[name]["weights"]["train"]["dataset"], dataset_of[name]
        known, wanted = (category_classes(dataset, datasets[dataset]) for dataset in (learned, asked))
        category_of = {index: category for category, indices in known.items() for index in indices}
        for category, indices in wanted.items():
            for index in indices:
                if category_of.get(index) != category:
                    raise ConfigurationError(
                        f"models: {name}.weights.train.dataset: class {index} is {category_of.get(index)!r} in "
                        f"{learned!r}, on which the model is trained, but {category!r} in {asked!r}, on which it is "
                        "asked"
                    )


def _check_procedure(config: Mapping[str, Any], stimuli: Mapping[str, list], datasets: Mapping[str, dict]) -> None:
    """The chosen procedure has settings for every modality in use."""
    procedure = config["synthesis"]["procedure"]
    for modality in dict.fromkeys(datasets[dataset]["modality"] for dataset in stimuli):
        if modality not in config["synthesis"][procedure]:
            raise ConfigurationError(f"synthesis.{procedure}.{modality}: missing; its settings for that modality")


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration and everything that it names.

    Parameters
    ----------
    config
        As in ``config/config.yaml``.

    Returns
    -------
    dict
        ``models``, ``datasets``: the registries; ``experiments``, ``judges``, ``human_files``: what
        ``read_experiments`` gives (the last is its ``source``); ``human_data``: as configured;
        ``generation_models``: name → stages in order;
        ``recognition_models``: names; ``stimuli``: dataset → rows of its table that metamers are made of;
        ``dataset_of``: model → dataset of its modality; ``training``: model → how it is trained, for those that are.

    Raises
    ------
    ConfigurationError
        For the first thing that is wrong.
    """
    validate(config, "config", "configuration")
    if not FILE_NAME.fullmatch(config["run"]):
        raise ConfigurationError(f"run: {config['run']!r} names a folder: use letters, digits, '.', '_', '+' or '-'")
    registry = config["registry"]
    models = read_registry(registry["models"], "models")
    datasets = read_registry(registry["datasets"], "datasets")
    humans = read_experiments(registry["experiments"])
    _check_models(models, registry["models"])
    generation_models = _generation_models(config, models)
    for number, name in enumerate(config["recognition_models"]):
        if name not in models:
            raise unknown_name("model", name, models, f"recognition_models.{number}")
    used = [*generation_models, *config["recognition_models"]]
    for name in used:
        _check_files_of_model(name, models[name])
    trained = [name for name in dict.fromkeys(used) if "train" in models[name]["weights"]]
    for name in trained:
        _check_training(name, models, datasets)
    stimuli = _stimuli(config, dict.fromkeys(models[name]["modality"] for name in used), datasets)
    for name in dict.fromkeys([*stimuli, *(models[name]["weights"]["train"]["dataset"] for name in trained)]):
        _check_files_of_dataset(name, datasets[name])
    _check_procedure(config, stimuli, datasets)
    of_modality = {datasets[dataset]["modality"]: dataset for dataset in stimuli}
    for name in used:
        if models[name]["modality"] not in of_modality:
            raise ConfigurationError(f"stimuli: no dataset for modality {models[name]['modality']!r} of model {name!r}")
    asked = {models[name]["modality"] for name in config["recognition_models"]}
    for name in generation_models:
        if (modality := models[name]["modality"]) not in asked:
            raise ConfigurationError(f"recognition_models: none of modality {modality!r} to judge metamers of {name!r}")
    _check_contrasts(config, generation_models, models)
    if config["mirror"] is not None and not Path(config["mirror"]).is_dir():
        raise ConfigurationError(f"mirror: there is no folder {config['mirror']}; wanted a folder, or null")
    dataset_of = {name: of_modality[models[name]["modality"]] for name in used}
    _check_vocabulary(trained, models, datasets, dataset_of)
    return {
        "models": models,
        "datasets": datasets,
        "experiments": humans["experiments"],
        "judges": humans["judges"],
        "human_files": humans["source"],
        "human_data": config["human_data"],
        "generation_models": generation_models,
        "recognition_models": config["recognition_models"],
        "stimuli": stimuli,
        "dataset_of": dataset_of,
        "training": {name: training_settings(models[name]) for name in trained},
    }


def _human_collections(setup: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """The public files of the human experiments (``experiments/<experiment>``) and judges (``judges/<modality>``)."""
    url, table = setup["human_files"]["url"], setup["human_files"]["files"]
    hashes = {row["path"]: row["sha256"] for row in read_table(table, ["path", "sha256"])}
    paths = {
        f"experiments/{name}": [model["file"] for model in entry["models"].values()]
        for name, entry in setup["experiments"].items()
    } | {
        f"judges/{modality}": [file for model in entry["models"].values() for file in model["files"].values()]
        for modality, entry in setup["judges"].items()
    }
    for path in (path for files in paths.values() for path in files):
        if path not in hashes:
            raise ConfigurationError(f"registry.experiments: {table} has no SHA-256 for {path}")
    return {
        name: [{"name": file, "url": f"{url}/{file}", "sha256": hashes[file]} for file in files]
        for name, files in paths.items()
    }


def collections(setup: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """What a run retrieves: name of the collection (a folder) → its files, as ``metamers.retrieve.obtain`` takes them.

    Weights of the run's models, its datasets' files where they do not lie in a folder already, and the public data of
    the human experiments, which a run with ``human_data: summary`` leaves alone unless it is asked for them.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for model in dict.fromkeys([*setup["generation_models"], *setup["recognition_models"]]):
        weights = setup["models"][model]["weights"]
        if "package" in weights or "url" in weights:
            wanted = {key: weights[key] for key in ("package", "file", "url", "sha256") if key in weights}
            name = (weights.get("file") or weights["url"]).rsplit("/", 1)[-1]
            found[f"weights/{model}"] = [{"name": name, **wanted}]
    for dataset in dict.fromkeys([*setup["stimuli"], *(how["dataset"] for how in setup["training"].values())]):
        entry = setup["datasets"][dataset]
        files = entry.get("files", {})
        if "package" in files:
            found[f"datasets/{dataset}"] = [
                {"name": row["file"], "package": files["package"], "file": f"{files['folder']}/{row['file']}"}
                for row in stimulus_table(dataset, entry)
            ]
        elif "url" in files:
            hashes = {row["file"]: row["sha256"] for row in read_table(entry["table"], ["file", "sha256"])}
            found[f"datasets/{dataset}"] = [
                {"name": file, "url": f"{files['url']}/{file}", "sha256": sha256} for file, sha256 in hashes.items()
            ]
    return found | _human_collections(setup)
