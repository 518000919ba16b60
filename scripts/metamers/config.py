"""The configuration resolved: every name that it has, checked before a job starts, and what a run retrieves.

Everything that can be known to be wrong before a job starts is said here, or in the modules whose names begin as this
one's: the key, what was found and what would do. Whatever needs data or a model to be judged is left to the step that
has them. None of them imports anything heavy: the workflow calls this each time that it builds its DAG.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metamers.beyond_plan import check_models, sets_of
from metamers.config_analyses import analysed
from metamers.config_humans import human_collections, read_experiments
from metamers.config_people import check_experiment, own_people, own_tests, shown_stages, spread
from metamers.config_power import check_power
from metamers.config_read import located, read_registry, validate
from metamers.config_registry import (
    archive_path,
    besides_item,
    check_archives,
    check_files_of_dataset,
    check_files_of_model,
    check_stages,
    check_training,
    locate_files,
    place_besides,
    place_vocabularies,
    retrieved_item,
    training_settings,
)
from metamers.manifest import SUFFIX
from metamers.names import FILE_NAME, INPUT_STAGE, ConfigurationError, unknown_name
from metamers.tables import category_classes, read_table, stimulus_table

ARCHITECTURES = 2  # of each modality, that are taken where the configuration leaves the choice


def gpus_of_job(device: str) -> int:
    """GPUs that a job which computes with a network asks for: one where ``device`` names CUDA, or leaves the choice
    and this machine has an NVIDIA card.
    """
    there = any(Path("/dev").glob("nvidia[0-9]*"))
    return int(device.startswith("cuda") or (device == "auto" and there))


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


def _null_datasets(config: Mapping[str, Any], stimuli: Iterable[str], datasets: Mapping[str, dict]) -> dict[str, str]:
    """Modality → dataset whose pairs make the null distribution: the run's own, or that of ``null.dataset``."""
    found = {datasets[name]["modality"]: name for name in stimuli}
    for modality, name in config["null"]["dataset"].items():
        key = f"null.dataset.{modality}"
        if name is None:
            continue
        if name not in datasets:
            raise unknown_name("dataset", name, datasets, key)
        if datasets[name]["modality"] != modality:
            raise ConfigurationError(f"{key}: {name!r} is of modality {datasets[name]['modality']!r}")
        if modality not in found:  # the run has no model of it
            continue
        number = sum(row["split"] == "test" for row in stimulus_table(name, datasets[name]))
        if number < 2:
            raise ConfigurationError(f"{key}: {name!r} has {number} stimuli of split test; pairs need two at least")
        found[modality] = name
    return found


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
        found[name] = spread(stages, settings["stages"][models[name]["modality"]])
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


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration and everything that it names.

    Parameters
    ----------
    config
        As in ``config/config.yaml``.

    Returns
    -------
    dict
        ``models``, ``datasets``, ``archives``: the registries (a dataset's ``categories`` is always a path, and a
        model's ``weights.besides`` always has one); ``experiments``, ``judges``, ``brains``, ``comparisons``,
        ``stage_effects``, ``human_files``: what ``read_experiments`` gives (the last is its ``source``); ``shown``:
        modality → generation model → stages that people are shown; ``people``: name → ``modality`` and the folder of
        their ``answers``; ``own_comparisons``, ``own_stage_effects``: what is tested of these people; ``human_data``:
        as configured; ``generation_models``: name → stages in order; ``recognition_models``: names; ``stimuli``:
        dataset → rows of its table that metamers are made of; ``null_dataset_of``: modality → dataset whose pairs make
        the null distribution; ``dataset_of``: model → dataset of its modality; ``training``: model → how it is trained,
        for those that are; ``benchmark``: model → stages at which its synthesis is timed; ``beyond``: ``sets`` of
        metamers past the study (``metamers.beyond_plan.sets_of``), and their ``judges``, modality → recognition models;
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
    if config["run"].lower().endswith(SUFFIX):
        raise ConfigurationError(
            f"run: {config['run']!r} ends in {SUFFIX}, as the manifest of another run does; use a name that does not"
        )
    registry = config["registry"]
    models = read_registry(located(registry["models"]), "models")
    datasets = read_registry(located(registry["datasets"]), "datasets")
    archives = read_registry(located(registry["archives"]), "archives")
    humans = read_experiments(located(registry["experiments"]))
    place_vocabularies(datasets)
    locate_files(models, datasets)
    check_archives(models, datasets, archives)
    place_besides(models, archives)
    humans["source"]["files"] = located(humans["source"]["files"])
    check_stages(models, registry["models"])
    generation_models = _generation_models(config, models)
    for number, name in enumerate(config["recognition_models"]):
        if name not in models:
            raise unknown_name("model", name, models, f"recognition_models.{number}")
    used = [*generation_models, *config["recognition_models"], *_card_models(config, models)]
    analyses = analysed(config, generation_models, models, datasets)
    used = list(dict.fromkeys([*used, *(name for one in analyses.values() for name in one["built"])]))
    for name in used:
        check_files_of_model(name, models[name])
    trained = [name for name in dict.fromkeys(used) if "train" in models[name]["weights"]]
    for name in trained:
        check_training(name, models, datasets)
    stimuli = _stimuli(config, dict.fromkeys(models[name]["modality"] for name in used), datasets)
    read = [models[name]["weights"]["train"]["dataset"] for name in trained]
    null_dataset_of = _null_datasets(config, stimuli, datasets)
    for name in dict.fromkeys([*stimuli, *null_dataset_of.values(), *read, *analyses["brain"]["shown"]]):
        check_files_of_dataset(name, datasets[name])
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
    check_power(config["comparison"]["power"], config["comparison"]["permutations"])
    if config["mirror"] is not None and not Path(config["mirror"]).is_dir():
        raise ConfigurationError(f"mirror: there is no folder {config['mirror']}; wanted a folder, or null")
    dataset_of = {name: of_modality[models[name]["modality"]] for name in used}
    _check_vocabulary(trained, models, datasets, dataset_of)
    shown = shown_stages(config, generation_models, models)
    check_experiment(config["experiment"], shown)
    people = own_people(config, shown, humans["experiments"])
    own_comparisons, own_stage_effects = own_tests(config, shown, people)
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
        "null_dataset_of": null_dataset_of,
        "dataset_of": dataset_of,
        "analyses": analyses,
        "benchmark": _benchmark(config, generation_models, models),
        "beyond": _beyond(
            config, generation_models, models, {modality: stimuli[name] for modality, name in of_modality.items()}
        ),
        "training": {name: training_settings(models[name]) for name in trained},
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
        parts = [retrieved_item(weights, setup["archives"]), besides_item(weights, setup["archives"])]
        if items := [item for item in parts if item]:
            found[collection] = items
    trained_on = [how["dataset"] for how in setup["training"].values()]
    used = [*setup["stimuli"], *setup["null_dataset_of"].values(), *trained_on, *setup["analyses"]["brain"]["shown"]]
    for dataset in dict.fromkeys(used):
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
    return found | human_collections(setup)
