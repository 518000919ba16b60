"""The configuration and its registries: read, check against their schemas, and resolve names.

Everything that can be known to be wrong before a job starts is said here, with the name of the key, what was found and
what would do. Whatever needs data or a model to be judged is left to the step that has them. Imports nothing heavy:
the workflow calls this each time that it builds its DAG.
"""

import math
import urllib.parse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from metamers.beyond_plan import check_models, sets_of
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
    "from": None,
    "perturbation": None,
}

ARCHITECTURES = 2  # of each modality, that are taken where the configuration leaves the choice

LARGEST = 1_000_000  # values of a configuration file

LEAST_REGRESSED = 8  # stimuli, of which halves are learned from and predicted

RETRIEVED = "resources/retrieved"

ANSWER_FILES = (".csv", ".json", ".txt")  # of participants; .txt is what JATOS exports

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "workflow" / "schemas"


def read_yaml(path: str | Path) -> Any:
    """Read one YAML file, plain data only.

    Raises
    ------
    ConfigurationError
        When the file is missing or is not YAML.
    """
    try:
        with Path(path).open(encoding="utf-8") as stream:
            data = yaml.safe_load(stream)
    except OSError as error:
        raise ConfigurationError(f"{path}: there is no such file that can be read ({error.strerror})") from error
    except RecursionError as error:
        raise ConfigurationError(f"{path}: nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError of what is no text, or no date
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    _check_size(data, str(path))
    return data


def _check_size(data: Any, source: str) -> None:
    """What aliases repeat is not too much to be gone through, however small the file is, nor part of itself.

    Raises
    ------
    ConfigurationError
        When it is.
    """
    sizes: dict[int, float] = {}

    def size(part: Any) -> float:
        if not isinstance(part, dict | list):
            return 1
        if id(part) not in sizes:
            sizes[id(part)] = math.inf  # while it is being counted: then it contains itself
            sizes[id(part)] = 1 + sum(map(size, part.values() if isinstance(part, dict) else part))
        return sizes[id(part)]

    if size(data) > LARGEST:
        raise ConfigurationError(
            f"{source}: its aliases (*name) repeat parts of it until there are more than {LARGEST} values, or without "
            "end; write out what is meant"
        )


def over_default(config: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a configuration over ``config/config.yaml``: what it lacks is as there; lists are taken whole.

    Raises
    ------
    ConfigurationError
        When the default cannot be read, or the configuration is too large to be gone through.
    """

    def over(default: Any, given: Any) -> Any:
        if not (isinstance(default, Mapping) and isinstance(given, Mapping)):
            return given
        return dict(default) | {key: over(default.get(key), value) for key, value in given.items()}

    _check_size(config, "configuration")
    return over(read_yaml(ROOT / "config" / "config.yaml"), config)


def located(path: str) -> str:
    """Where a file or folder that the configuration names is: looked up from the working directory, and where it is
    not there, from the workflow's own folder. What is in neither stays as it is written.
    """
    own = ROOT / path
    return str(own) if own.exists() and not Path(path).exists() else path


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


def _locate_files(models: Mapping[str, dict], datasets: Mapping[str, dict]) -> None:
    """Write every path of registry entries as ``located`` gives it."""
    for model in models.values():
        if path := model["weights"].get("path"):
            model["weights"]["path"] = located(path)
        own = model["weights"].get("besides", {})
        if "path" in own:
            own["path"] = located(own["path"])
        frozen = model["weights"].get("train", {}).get("from")
        if frozen and "path" in frozen:
            frozen["path"] = located(frozen["path"])
        if place := model["source"].get("python"):
            file, function = place.rsplit(":", 1)
            model["source"]["python"] = f"{located(file)}:{function}"
    for dataset in datasets.values():
        dataset |= {key: located(dataset[key]) for key in ("table", "categories") if key in dataset}
        files = dataset.get("files", {})
        if "folder" in files and "package" not in files and "archive" not in files:
            files["folder"] = located(files["folder"])
        if "exclude" in dataset.get("draw", {}):
            dataset["draw"]["exclude"] = located(dataset["draw"]["exclude"])


def archive_path(name: str, archives: Mapping[str, dict]) -> str:
    """Where a file of the registry of archives is retrieved to."""
    return f"{RETRIEVED}/archives/{name}{Path(_file_name(archives[name]['url'])).suffix}"


def _file_name(url: str) -> str:
    """The last part of an address, without what may follow it (``?download=true``)."""
    return urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1]


def retrieved_item(weights: Mapping[str, Any], archives: Mapping[str, dict]) -> dict[str, str] | None:
    """What ``metamers.retrieve`` takes for a file of weights; None where it is not retrieved."""
    wanted = {key: weights[key] for key in ("package", "file", "url", "sha256") if key in weights}
    if "package" in weights or "url" in weights:
        return {"name": Path(weights["file"]).name if "file" in weights else _file_name(weights["url"]), **wanted}
    if "archive" in weights:
        # Without `file` the archive is the file itself.
        name = Path(weights["file"]).name if "file" in weights else _file_name(archives[weights["archive"]]["url"])
        return {"name": name, "archive": archive_path(weights["archive"], archives), **wanted}
    return None


def _besides_item(weights: Mapping[str, Any], archives: Mapping[str, dict]) -> dict[str, str] | None:
    """As ``retrieved_item``, of the weights of another module; in a folder of its own, as both may have one name."""
    item = retrieved_item(weights.get("besides", {}), archives)
    return item and item | {"name": f"besides/{item['name']}"}


def _place_besides(models: Mapping[str, dict], archives: Mapping[str, dict]) -> None:
    """Where the weights of another module are retrieved or computed: ``besides.path`` becomes where they will lie."""
    for name, model in models.items():
        if item := _besides_item(model["weights"], archives):
            model["weights"]["besides"]["path"] = f"{RETRIEVED}/weights/{name}/{item['name']}"
        elif "zero_shot" in model["weights"].get("besides", {}):
            model["weights"]["besides"]["path"] = f"{RETRIEVED}/zero_shot/{name}.safetensors"


def _place_vocabularies(datasets: Mapping[str, dict]) -> None:
    """Where categories come from an archive: ``categories`` becomes the path of the table that is made of it, and
    ``vocabulary`` says of what.
    """
    for name, dataset in datasets.items():
        if not isinstance(dataset["categories"], str):
            dataset["vocabulary"] = dataset["categories"]
            dataset["categories"] = f"{RETRIEVED}/categories/{name}.tsv"


def _check_archives(models: Mapping[str, dict], datasets: Mapping[str, dict], archives: Mapping[str, dict]) -> None:
    """Whatever comes from an archive names one that is registered, and a place inside it."""
    places = {f"models: {name}.weights": model["weights"] for name, model in models.items()}
    places |= {f"{key}.besides": weights.get("besides", {}) for key, weights in places.items()} | {
        f"{key}.train.from": weights.get("train", {}).get("from") or {} for key, weights in places.items()
    }
    for name, dataset in datasets.items():
        places[f"datasets: {name}.files"] = dataset.get("files", {})
        places[f"datasets: {name}.categories"] = dataset.get("vocabulary", {})
    for key, place in places.items():
        if "archive" not in place:
            continue
        if place["archive"] not in archives:
            raise unknown_name("archive", place["archive"], archives, f"{key}.archive")
        inside = place.get("file") or place.get("folder") or "."
        if inside.startswith("/") or inside.endswith("/") or ".." in Path(inside).parts:
            raise ConfigurationError(f"{key}: {inside!r} must be a path inside the archive, without '..'")


def _check_models(models: Mapping[str, dict], source: str) -> None:
    """Stages begin with the input, and each names a file of its own."""
    for name, model in models.items():
        stages = list(model["stages"])
        without_module = [stage for stage, module in model["stages"].items() if module is None]
        if stages[0] != INPUT_STAGE or without_module != [INPUT_STAGE]:
            raise ConfigurationError(
                f"{source}: {name}.stages: the first must be '{INPUT_STAGE}: null', and all others name a module"
            )
        if "zero_shot" in model["weights"].get("besides", {}) and "open_clip" not in model["source"]:
            (kind, *_) = model["source"]
            raise ConfigurationError(
                f"{source}: {name}.weights.besides.zero_shot: only source.open_clip has read texts; found source.{kind}"
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
    own = model["weights"].get("besides", {})
    if "package" in own:
        _check_package(own["package"], [own["file"]], f"models: {name}.weights.besides")
    elif own and not own.keys() & {"archive", "url", "zero_shot"} and not Path(own["path"]).is_file():
        raise ConfigurationError(f"models: {name}.weights.besides.path: there is no file {own['path']}")
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


def gpus_of_job(device: str) -> int:
    """GPUs that a job which computes with a network asks for: one where ``device`` names CUDA, or leaves the choice
    and this machine has an NVIDIA card.
    """
    there = any(Path("/dev").glob("nvidia[0-9]*"))
    return int(device.startswith("cuda") or (device == "auto" and there))


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
    if frozen := settings.get("from"):
        if not settings.get("readout"):
            raise ConfigurationError(f"{key}.readout: missing; on weights `from` a checkpoint a readout is trained")
        if (path := frozen.get("path")) and not Path(path).is_file():
            raise ConfigurationError(f"{key}.from.path: there is no file {path}")
        if package := frozen.get("package"):
            _check_package(package, [frozen["file"]], f"{key}.from")


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
    elif "folder" in files and "archive" not in files:
        for row in rows:
            if not (path := Path(files["folder"]) / row["file"]).is_file():
                source = entry.get("table", "draw")
                raise ConfigurationError(f"datasets: {name}: {source} names {path}, which is not there")


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


def _first_architectures(generation_models: Mapping[str, list[str]], models: Mapping[str, dict]) -> list[str]:
    """Of each modality the first generation model of each of two architectures, which has more than the input."""
    architectures: dict[str, list[Any]] = {}
    chosen = []
    for name in generation_models:
        if generation_models[name] == [INPUT_STAGE]:
            continue
        of_modality = architectures.setdefault(models[name]["modality"], [])
        if models[name]["source"] not in of_modality and len(of_modality) < ARCHITECTURES:
            of_modality.append(models[name]["source"])
            chosen.append(name)
    return chosen


def _benchmark(
    config: Mapping[str, Any], generation_models: Mapping[str, list[str]], models: Mapping[str, dict]
) -> dict[str, list[str]]:
    """Generation models whose synthesis is timed, with the stages at which it is, spread over those that they have."""
    settings = config["benchmark"]
    chosen = settings["models"]
    if chosen is None:
        chosen = _first_architectures(generation_models, models)
    found = {}
    for number, name in enumerate(chosen):
        if name not in generation_models:
            raise unknown_name("generation model", name, generation_models, f"benchmark.models.{number}")
        stages = [stage for stage in generation_models[name] if stage != INPUT_STAGE]
        if not stages:
            raise ConfigurationError(
                f"benchmark.models.{number}: {name!r} has no stage after {INPUT_STAGE!r} in generation_models; that "
                "one is not worth timing"
            )
        found[name] = _spread(stages, settings["stages"][models[name]["modality"]])
    return found


def _beyond(
    config: Mapping[str, Any],
    generation_models: Mapping[str, list[str]],
    models: Mapping[str, dict],
    rows: Mapping[str, list[dict[str, str]]],
) -> dict[str, Any]:
    """What is synthesized past the study, as ``resolve`` gives it."""
    settings = config["beyond"]
    chosen = settings["models"]
    for number, name in enumerate(chosen or []):
        if name not in generation_models:
            raise unknown_name("generation model", name, generation_models, f"beyond.models.{number}")
    if chosen is None:
        found = _first_architectures(generation_models, models)
        chosen = [name for name in found if models[name]["modality"] == models[found[0]]["modality"]]
    judges = {
        modality: [
            name for name in config["recognition_models"] if models[name]["modality"] == modality and name not in chosen
        ]
        for modality in dict.fromkeys(models[name]["modality"] for name in chosen)
    }
    if settings["models"] is None:
        # Where the run leaves the choice, what it cannot tell is left out.
        chosen = [
            name for name in chosen if judges[models[name]["modality"]] and len(rows[models[name]["modality"]]) > 1
        ]
    else:
        check_models(chosen, settings, generation_models, models, rows, judges)
    return {"sets": sets_of(chosen, settings, generation_models, models, rows), "judges": judges}


def _spread(stages: list[str], number: int) -> list[str]:
    """So many stages, evenly spread from the first to the last; all where there are not more."""
    count = min(number, len(stages))
    return [stages[round(place * (len(stages) - 1) / max(count - 1, 1))] for place in range(count)]


def _shown(
    config: Mapping[str, Any], generation_models: Mapping[str, list[str]], models: Mapping[str, dict]
) -> dict[str, dict[str, list[str]]]:
    """Metamers that people are shown: modality → generation model → stages, spread over those after the input."""
    settings, judges = config["experiment"], config["recognition_models"]
    chosen = settings["generation_models"]
    if chosen is None:
        first: dict[str, str] = {}
        for name in generation_models:
            if name in judges and generation_models[name] != [INPUT_STAGE]:
                first.setdefault(models[name]["modality"], name)
        chosen = [name for modality, name in first.items() if modality in settings]
    found: dict[str, dict[str, list[str]]] = {}
    for number, name in enumerate(chosen):
        key = f"experiment.generation_models.{number}"
        if name not in generation_models:
            raise unknown_name("generation model", name, generation_models, key)
        if name not in judges:
            raise ConfigurationError(
                f"{key}: {name!r} is not among recognition_models; it must be, as people are compared with what it "
                "answers to its own metamers"
            )
        modality = models[name]["modality"]
        if modality not in settings:
            raise ConfigurationError(f"experiment.{modality}: missing; how people are shown metamers of {name!r}")
        stages = _spread(
            [stage for stage in generation_models[name] if stage != INPUT_STAGE], settings[modality]["stages"]
        )
        if not stages:
            raise ConfigurationError(f"{key}: {name!r} has no stage after {INPUT_STAGE!r} in generation_models")
        found.setdefault(modality, {})[name] = stages
    return found


def _check_experiment(settings: Mapping[str, Any], modalities: Iterable[str]) -> None:
    """What people are shown beside stimuli is there, and no more answers must be right than are given."""
    if not Path(located(settings["consent"])).is_file():
        raise ConfigurationError(
            f"experiment.consent: there is no file {settings['consent']}; wanted a piece of HTML, which participants "
            "agree to"
        )
    if settings["icons"] is not None and not Path(located(settings["icons"])).is_dir():
        raise ConfigurationError(
            f"experiment.icons: there is no folder {settings['icons']}; wanted one with <category>.svg or .png, or null"
        )
    for modality in modalities:
        for part in ("practice", "catch", "headphones"):
            check = settings[modality].get(part, {"trials": 0})
            for key in ("at_least", "metamers"):
                if check.get(key, 0) > check["trials"]:
                    raise ConfigurationError(
                        f"experiment.{modality}.{part}.{key}: {check[key]} of {check['trials']} trials; wanted no more "
                        "than there are"
                    )


def _people(
    config: Mapping[str, Any], shown: Mapping[str, Mapping[str, list[str]]], experiments: Iterable[str]
) -> dict[str, dict[str, str]]:
    """One's own people: name → modality of the experiment that they took part in, and folder of their answers."""
    found = {}
    for name, entry in config["people"].items():
        key = f"people.{name}"
        if not FILE_NAME.fullmatch(name) or name in experiments:
            raise ConfigurationError(
                f"{key}: {name!r} names a file under humans/: use letters, digits, '.', '_', '+' or '-', and no name "
                "of a published experiment"
            )
        if entry["modality"] not in shown:
            raise ConfigurationError(
                f"{key}.modality: {entry['modality']!r}, but this run's experiment for people is of "
                f"{', '.join(shown) or 'no modality'}: see experiment.generation_models"
            )
        found[name] = entry | {"answers": located(entry["answers"])}
    return found


def answer_files(name: str, folder: str | Path) -> list[str]:
    """The files of some people's answers that lie in a folder, sorted.

    Raises
    ------
    ConfigurationError
        When there is none yet.
    """
    files = sorted(str(path) for path in Path(folder).glob("*") if path.suffix in ANSWER_FILES and path.is_file())
    if not files:
        raise ConfigurationError(
            f"people.{name}.answers: there is no file of answers in {folder}; wanted a folder with jsPsych's "
            f"{', '.join(ANSWER_FILES)} files. Before there are any, `snakemake experiment` can be made, and whatever "
            "does not need them."
        )
    return files


def _own_tests(
    config: Mapping[str, Any], shown: Mapping[str, Mapping[str, list[str]]], people: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, dict[str, list[str]]], dict[str, dict[str, list[str]]]]:
    """What is tested of one's own people beside human against model: ``comparisons`` and ``stage_effects`` as
    ``read_experiments`` gives them, of the run's contrasts and of every model with several stages.
    """
    comparisons: dict[str, dict[str, list[str]]] = {}
    effects: dict[str, dict[str, list[str]]] = {}
    for name, entry in people.items():
        stages = shown[entry["modality"]]
        pairs = [pair for pair in config["comparison"]["contrasts"] if set(pair) <= set(stages)]
        alike = [pair for pair in pairs if len(stages[pair[0]]) == len(stages[pair[1]])]
        comparisons[name] = {f"{model} and {reference}": [model, reference] for model, reference in alike}
        effects[name] = {model: [] for model in stages}
    return comparisons, effects


def _card_models(config: Mapping[str, Any], models: Mapping[str, dict]) -> list[str]:
    """The model that a card is asked of, where one is."""
    if config["model"] is None:
        return []
    if config["model"] not in models:
        raise unknown_name("model", config["model"], models, "model")
    return [config["model"]]


def _check_vocabulary(
    trained: Iterable[str], models: Mapping[str, dict], datasets: Mapping[str, dict], dataset_of: Mapping[str, str]
) -> None:
    """A model that the run trains is asked for the classes that it learns."""
    for name in trained:
        learned, asked = models[name]["weights"]["train"]["dataset"], dataset_of[name]
        if "vocabulary" in datasets[asked]:
            raise ConfigurationError(
                f"stimuli: the categories of {asked!r} are those of published models; {name!r}, which this run trains "
                f"on {learned!r}, does not know them"
            )
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


def analysed_stages(modality: str, stages: Iterable[str]) -> list[str]:
    """The stages whose representations are compared: all, but of sounds not the waveform, which averages to 0."""
    return [stage for stage in stages if modality == "vision" or stage != INPUT_STAGE]


def _analysed_models(
    chosen: Any, key: str, run: Iterable[str], models: Mapping[str, dict], modality: str | None
) -> list[str]:
    """The models of one analysis: those of the run that are of the modality, or those that are named."""
    if chosen == "generation":
        return [name for name in run if modality in (None, models[name]["modality"])]
    for number, name in enumerate(chosen or []):
        if name not in models:
            raise unknown_name("model", name, models, f"{key}.{number}")
        if modality not in (None, models[name]["modality"]):
            raise ConfigurationError(
                f"{key}.{number}: {name!r} is of modality {models[name]['modality']!r}, but the stimuli of "
                f"analyses.brain.dataset are of {modality!r}"
            )
    return list(chosen or [])


def _analyses(
    config: Mapping[str, Any],
    generation_models: Mapping[str, list[str]],
    models: Mapping[str, dict],
    datasets: Mapping[str, dict],
) -> dict[str, dict[str, Any]]:
    """What is analysed beside metamers, as ``resolve`` gives it."""
    key, given = "analyses", {name: settings or {} for name, settings in config["analyses"].items()}
    found = {
        name: {
            "models": _analysed_models(
                given[name].get("models"), f"{key}.{name}.models", generation_models, models, None
            )
        }
        for name in ("vulnerability", "similarity")
    }
    for name in found["vulnerability"]["models"]:
        if (modality := models[name]["modality"]) not in given["vulnerability"]:
            raise ConfigurationError(f"{key}.vulnerability.{modality}: missing; sizes of the attacks on {name!r}")
    found["brain"] = _brain(config, given["brain"], generation_models, models, datasets)
    simulated = found["brain"]["simulated"]
    dataset = found["brain"]["dataset"]
    found["brain"]["shown"] = [dataset] if dataset else []
    for one in found.values():
        one["built"] = one["models"]
    found["brain"]["built"] = [*found["brain"]["models"], *([simulated["model"]] if simulated else [])]
    return found


def _brain(
    config: Mapping[str, Any],
    given: Mapping[str, Any],
    generation_models: Mapping[str, list[str]],
    models: Mapping[str, dict],
    datasets: Mapping[str, dict],
) -> dict[str, Any]:
    """What is set against brains: the models, the stimuli that both were shown, and where responses come from."""
    key, absent = "analyses.brain", {"models": [], "dataset": None, "responses": None, "simulated": None}
    dataset = given.get("dataset") or config["stimuli"].get("audio", {}).get("dataset")
    if not given.get("models") or dataset is None:
        return absent
    if dataset not in datasets:
        raise unknown_name("dataset", dataset, datasets, f"{key}.dataset")
    modality = datasets[dataset]["modality"]
    chosen = _analysed_models(given["models"], f"{key}.models", generation_models, models, modality)
    if not chosen:
        return absent
    stimuli = [row for row in stimulus_table(dataset, datasets[dataset]) if row["split"] == "test"]
    if len(stimuli) < LEAST_REGRESSED:
        raise ConfigurationError(
            f"{key}.dataset: {dataset!r} has {len(stimuli)} stimuli of split test; a regression with halves of them "
            f"needs {LEAST_REGRESSED} at least. A run without it needs `analyses: {{brain: null}}`."
        )
    if given["responses"]:
        responses = located(given["responses"])
        if not Path(responses).is_file():
            raise ConfigurationError(f"{key}.responses: there is no file {responses}; wanted NetCDF, or null")
        return {"models": chosen, "dataset": dataset, "responses": responses, "simulated": None}
    simulated = dict(given["simulated"])
    model = simulated["model"] = simulated["model"] or chosen[0]
    _analysed_models([model], f"{key}.simulated.model", [], models, modality)
    stages = analysed_stages(modality, models[model]["stages"])
    stage = simulated["stage"] = simulated["stage"] or stages[len(stages) // 2]
    if stage not in stages:
        raise unknown_name("stage", stage, stages, f"{key}.simulated.stage ({model})")
    return {"models": chosen, "dataset": dataset, "responses": None, "simulated": simulated}


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration and everything that it names.

    Parameters
    ----------
    config
        As in ``config/config.yaml``.

    Returns
    -------
    dict
        ``models``, ``datasets``, ``archives``: the registries (a dataset's ``categories`` is always a path,
        and a model's ``weights.besides`` always has one); ``experiments``, ``judges``, ``brains``, ``comparisons``,
        ``stage_effects``, ``human_files``: what ``read_experiments`` gives (the last is its ``source``);
        ``shown``: modality → generation model → stages that people are shown; ``people``: name → ``modality`` and the
        folder of their ``answers``; ``own_comparisons``, ``own_stage_effects``: what is tested of these people;
        ``human_data``: as configured; ``generation_models``: name → stages in order; ``recognition_models``: names;
        ``stimuli``: dataset → rows of its table that metamers are made of;
        ``dataset_of``: model → dataset of its modality; ``training``: model → how it is trained, for those that are;
        ``benchmark``: model → stages at which its synthesis is timed; ``beyond``: ``sets`` of metamers past the study
        (``metamers.beyond_plan.sets_of``), and their ``judges``, modality → recognition models;
        ``analyses``: ``vulnerability``, ``brain`` and ``similarity``, each with its ``models`` (none where it is left
        out) and those that must be ``built`` for it; ``brain`` also with ``dataset`` (in ``shown`` a list of it, or of
        nothing), ``responses`` (a file or None) and ``simulated`` (or None).

    Raises
    ------
    ConfigurationError
        For the first thing that is wrong.
    """
    validate(config, "config", "configuration")
    if not FILE_NAME.fullmatch(config["run"]):
        raise ConfigurationError(f"run: {config['run']!r} names a folder: use letters, digits, '.', '_', '+' or '-'")
    registry = config["registry"]
    models = read_registry(located(registry["models"]), "models")
    datasets = read_registry(located(registry["datasets"]), "datasets")
    archives = read_registry(located(registry["archives"]), "archives")
    humans = read_experiments(located(registry["experiments"]))
    _place_vocabularies(datasets)
    _locate_files(models, datasets)
    _check_archives(models, datasets, archives)
    _place_besides(models, archives)
    humans["source"]["files"] = located(humans["source"]["files"])
    _check_models(models, registry["models"])
    generation_models = _generation_models(config, models)
    for number, name in enumerate(config["recognition_models"]):
        if name not in models:
            raise unknown_name("model", name, models, f"recognition_models.{number}")
    used = [*generation_models, *config["recognition_models"], *_card_models(config, models)]
    analyses = _analyses(config, generation_models, models, datasets)
    used = list(dict.fromkeys([*used, *(name for one in analyses.values() for name in one["built"])]))
    for name in used:
        _check_files_of_model(name, models[name])
    trained = [name for name in dict.fromkeys(used) if "train" in models[name]["weights"]]
    for name in trained:
        _check_training(name, models, datasets)
    stimuli = _stimuli(config, dict.fromkeys(models[name]["modality"] for name in used), datasets)
    read = [models[name]["weights"]["train"]["dataset"] for name in trained]
    for name in dict.fromkeys([*stimuli, *read, *analyses["brain"]["shown"]]):
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
    shown = _shown(config, generation_models, models)
    _check_experiment(config["experiment"], shown)
    people = _people(config, shown, humans["experiments"])
    own_comparisons, own_stage_effects = _own_tests(config, shown, people)
    return {
        "models": models,
        "datasets": datasets,
        "archives": archives,
        "experiments": humans["experiments"],
        "judges": humans["judges"],
        "brains": humans["brains"],
        "comparisons": humans["comparisons"],
        "stage_effects": humans["stage_effects"],
        "human_files": humans["source"],
        "shown": shown,
        "people": people,
        "own_comparisons": own_comparisons,
        "own_stage_effects": own_stage_effects,
        "human_data": config["human_data"],
        "generation_models": generation_models,
        "recognition_models": config["recognition_models"],
        "stimuli": stimuli,
        "dataset_of": dataset_of,
        "analyses": analyses,
        "benchmark": _benchmark(config, generation_models, models),
        "beyond": _beyond(
            config, generation_models, models, {modality: stimuli[name] for modality, name in of_modality.items()}
        ),
        "training": {name: training_settings(models[name]) for name in trained},
    }


def _human_collections(setup: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """The study's public files: ``experiments/<experiment>``, ``judges/<modality>``, ``published/<brain data>``."""
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


def collections(setup: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """What a run retrieves: name of the collection (a folder) → its files, as ``metamers.retrieve`` takes them.

    Weights of the run's models and of the one that a card is asked of, its datasets' files where they do not lie in a
    folder already, and the public data of the human experiments, which a run with ``human_data: summary`` leaves alone
    unless it is asked for them.
    """
    found: dict[str, list[dict[str, str]]] = {}
    checkpoints = {f"weights/{model}": setup["models"][model]["weights"] for model in setup["dataset_of"]}
    checkpoints |= {f"frozen/{model}": how["from"] for model, how in setup["training"].items() if how["from"]}
    for collection, weights in checkpoints.items():
        parts = [retrieved_item(weights, setup["archives"]), _besides_item(weights, setup["archives"])]
        if items := [item for item in parts if item]:
            found[collection] = items
    trained_on = [how["dataset"] for how in setup["training"].values()]
    for dataset in dict.fromkeys([*setup["stimuli"], *trained_on, *setup["analyses"]["brain"]["shown"]]):
        entry = setup["datasets"][dataset]
        files = entry.get("files", {})
        if "package" in files:
            found[f"datasets/{dataset}"] = [
                {"name": row["file"], "package": files["package"], "file": f"{files['folder']}/{row['file']}"}
                for row in stimulus_table(dataset, entry)
            ]
        elif "archive" in files:
            path = archive_path(files["archive"], setup["archives"])
            inside = {key: files[key] for key in ("file", "folder") if key in files}
            name = {"name": Path(files["file"]).name} if "file" in files else {}
            found[f"datasets/{dataset}"] = [{**name, "archive": path, **inside}]
        elif "url" in files:
            hashes = {row["file"]: row["sha256"] for row in read_table(entry["table"], ["file", "sha256"])}
            found[f"datasets/{dataset}"] = [
                {"name": file, "url": f"{files['url']}/{file}", "sha256": sha256} for file, sha256 in hashes.items()
            ]
    return found | _human_collections(setup)
