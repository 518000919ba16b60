"""Entries of the registries of models, datasets and archives: where their files lie, and whether they can be used."""

import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metamers.config_read import located
from metamers.names import FILE_NAME, INPUT_STAGE, NATURAL, ConfigurationError, stage_path, unknown_name
from metamers.packages import package_file
from metamers.tables import SPLITS, stimulus_table

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
RETRIEVED = "resources/retrieved"


def locate_files(models: Mapping[str, dict], datasets: Mapping[str, dict]) -> None:
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


def family_of(entry: Mapping[str, Any]) -> str:
    """The family of a model of the registry: its key ``family``, or the architecture that its source names.

    Of ``{python: FILE.py:FUNCTION}`` that is the function's name, of ``{timm: NAME.TAG}`` the name, as the tag tells
    how the weights were trained.
    """
    ((library, name),) = ((key, value) for key, value in entry["source"].items() if key != "arguments")
    architecture = name.rsplit(":", 1)[-1]
    if library == "timm":
        architecture = architecture.rsplit("/", 1)[-1].split(".", 1)[0]
    return entry.get("family", architecture)


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


def besides_item(weights: Mapping[str, Any], archives: Mapping[str, dict]) -> dict[str, str] | None:
    """As ``retrieved_item``, of the weights of another module; in a folder of its own, as both may have one name."""
    item = retrieved_item(weights.get("besides", {}), archives)
    return item and item | {"name": f"besides/{item['name']}"}


def place_besides(models: Mapping[str, dict], archives: Mapping[str, dict]) -> None:
    """Where the weights of another module are retrieved or computed: ``besides.path`` becomes where they will lie."""
    for name, model in models.items():
        if item := besides_item(model["weights"], archives):
            model["weights"]["besides"]["path"] = f"{RETRIEVED}/weights/{name}/{item['name']}"
        elif "zero_shot" in model["weights"].get("besides", {}):
            model["weights"]["besides"]["path"] = f"{RETRIEVED}/zero_shot/{name}.safetensors"


def place_vocabularies(datasets: Mapping[str, dict]) -> None:
    """Where categories come from an archive: ``categories`` becomes the path of the table that is made of it, and
    ``vocabulary`` says of what.
    """
    for name, dataset in datasets.items():
        if not isinstance(dataset["categories"], str):
            dataset["vocabulary"] = dataset["categories"]
            dataset["categories"] = f"{RETRIEVED}/categories/{name}.tsv"


def check_archives(models: Mapping[str, dict], datasets: Mapping[str, dict], archives: Mapping[str, dict]) -> None:
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


def check_stages(models: Mapping[str, dict], source: str) -> None:
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


def check_files_of_model(name: str, model: Mapping[str, Any]) -> None:
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
    else:
        _check_channels(model, f"models: {name}.input")
    for stage, entry in model["stages"].items():
        coarse = isinstance(entry, Mapping) and "coarse_to_fine" in entry.get("schedule", {})
        if coarse and model["source"].get("metamers") != "spectemp" and "python" not in model["source"]:
            raise ConfigurationError(
                f"models: {name}.stages.{stage}.schedule.coarse_to_fine: only the network spectemp, or one of your own "
                "(source.python), has masks for it"
            )


def _check_channels(model: Mapping[str, Any], key: str) -> None:
    """As many means as standard deviations: three for colour, one for networks that take grey images."""
    means, deviations = len(model["input"]["mean"]), len(model["input"]["std"])
    own = "python" in model["source"] or "in_chans" in model["source"].get("arguments", {})
    grey = model["source"].get("metamers") == "hmax"
    if means != deviations or means not in ((1, 3) if own else (1,) if grey else (3,)):
        wanted = "three each for colour, or one each for grey images" if own else "one each" if grey else "three each"
        raise ConfigurationError(f"{key}: mean has {means} values, std {deviations}; wanted {wanted}")


def _check_cochleagram(sound: Mapping[str, Any], key: str) -> None:
    """A model's sounds carry the frequencies that its cochleagram asks for, and are long enough for it."""
    settings = {"rate": "band", "envelope_rate_hz": 200, "high_hz": 10000, "low_hz": 50, "taps": 1001}
    settings |= sound.get("cochleagram", {})
    if settings["rate"] == "full" and sound["sampling_rate_hz"] % settings["envelope_rate_hz"]:
        raise ConfigurationError(
            f"{key}.cochleagram.rate: full needs a sampling_rate_hz that is a multiple of envelope_rate_hz; found "
            f"{sound['sampling_rate_hz']} and {settings['envelope_rate_hz']}. Take such rates, or `rate: band`"
        )
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


def check_training(name: str, models: Mapping[str, dict], datasets: Mapping[str, dict]) -> None:
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


def check_files_of_dataset(name: str, entry: Mapping[str, Any]) -> None:
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
