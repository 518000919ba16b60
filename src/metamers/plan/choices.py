"""What a run uses: models, stages, stimuli and extensions, chosen from the registries as the configuration says."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from metamers.config.beyond import (
    FEWEST_STIMULI,
    Beyond,
    MetamerSets,
    Sensitivity,
)
from metamers.names import INPUT_STAGE, ConfigurationError, unknown_name
from metamers.null.settings import NullSettings
from metamers.plan.beyond import check_models, compared_stages, sets_of
from metamers.plan.datasets import DatasetEntry, stimuli_of_test_split
from metamers.plan.models import ModelEntry, check_has_classes

ARCHITECTURES = 2  # of each modality, if the configuration does not name models


def chosen_stages(config: Mapping[str, Any], models: Mapping[str, ModelEntry]) -> dict[str, list[str]]:
    """Generation models and their chosen stages, in the order of the registry."""
    chosen: dict[str, list[str]] = {}
    for number, item in enumerate(config["generation_models"]):
        key = f"generation_models.{number}"
        name = item if isinstance(item, str) else item["model"]
        if name not in models:
            raise unknown_name("model", name, models, key)
        if name in chosen:
            raise ConfigurationError(f"{key}: model {name!r} is named twice")
        valid = list(models[name].stages)
        stages = valid if isinstance(item, str) else item["stages"]
        for stage in stages:
            if stage not in valid:
                raise unknown_name("stage", stage, valid, f"{key}.stages ({name})")
        chosen[name] = [stage for stage in valid if stage in stages]
    return chosen


def card_models(config: Mapping[str, Any], models: Mapping[str, ModelEntry]) -> list[str]:
    """The model of the model card, if the configuration names one."""
    if config["model"] is None:
        return []
    if config["model"] not in models:
        raise unknown_name("model", config["model"], models, "model")
    return [config["model"]]


def metamer_stimuli(
    config: Mapping[str, Any],
    modalities: Iterable[str],
    datasets: Mapping[str, DatasetEntry],
    unusable: Container[tuple[str, str]] = (),
) -> dict[str, list[dict[str, str]]]:
    """The datasets of the modalities of the run's models, with the rows for which metamers are made.

    The stimuli ``unusable`` (dataset, name) are left out, and no others take their place.
    """
    stimuli = {}
    for modality in modalities:
        if modality not in config["stimuli"]:
            continue
        settings = config["stimuli"][modality]
        name = settings["dataset"]
        key = f"stimuli.{modality}.dataset"
        if name not in datasets:
            raise unknown_name("dataset", name, datasets, key)
        entry = datasets[name]
        if entry.modality != modality:
            raise ConfigurationError(f"{key}: {name!r} is of modality {entry.modality!r}")
        rows = stimuli_of_test_split(name, entry)
        if len(rows) < 2:
            raise ConfigurationError(
                f"datasets: {name}: {len(rows)} stimuli of split test; a null distribution needs two at least"
            )
        number = settings.get("number") or len(rows)
        if number > len(rows):
            raise ConfigurationError(f"stimuli.{modality}.number: {number}, but {name!r} has {len(rows)} stimuli")
        stimuli[name] = [row for row in rows[:number] if (name, row["stimulus"]) not in unusable]
    return stimuli


def null_datasets(null: NullSettings, stimuli: Iterable[str], datasets: Mapping[str, DatasetEntry]) -> dict[str, str]:
    """Modality → dataset whose pairs make the null distribution: that of ``null.dataset``, or else the run's."""
    found = {datasets[name].modality: name for name in stimuli}
    for modality, name in null.dataset:
        key = f"null.dataset.{modality}"
        if name is None:
            continue
        if name not in datasets:
            raise unknown_name("dataset", name, datasets, key)
        if datasets[name].modality != modality:
            raise ConfigurationError(f"{key}: {name!r} is of modality {datasets[name].modality!r}")
        if modality not in found:  # the run has no model of it
            continue
        if (number := len(stimuli_of_test_split(name, datasets[name]))) < 2:
            raise ConfigurationError(f"{key}: {name!r} has {number} stimuli of split test; pairs need two at least")
        found[modality] = name
    return found


def first_architectures(generation_models: Mapping[str, list[str]], models: Mapping[str, ModelEntry]) -> list[str]:
    """For each modality, the first generation model of each of two architectures, if it has classes and more stages."""
    architectures: dict[str, list[Any]] = {}
    chosen = []
    for name in generation_models:
        if generation_models[name] == [INPUT_STAGE] or not models[name].has_classes:
            continue
        of_modality = architectures.setdefault(models[name].modality, [])
        if models[name].source not in of_modality and len(of_modality) < ARCHITECTURES:
            of_modality.append(models[name].source)
            chosen.append(name)
    return chosen


def extensions(
    config: Mapping[str, Any],
    generation_models: Mapping[str, list[str]],
    models: Mapping[str, ModelEntry],
    rows: Mapping[str, list[dict[str, str]]],
) -> Beyond:
    """The extensions of the run; ``rows`` are the stimuli of each modality."""
    settings = config["beyond"]
    chosen = settings["models"]
    for number, name in enumerate(chosen or []):
        if name not in generation_models:
            raise unknown_name("generation model", name, generation_models, f"beyond.models.{number}")
        check_has_classes(name, models[name], f"beyond.models.{number}", "which the extensions need for acceptance")
    if chosen is None:
        found = first_architectures(generation_models, models)
        chosen = [name for name in found if models[name].modality == models[found[0]].modality]
    recognition_models = {
        modality: [
            name for name in config["recognition_models"] if models[name].modality == modality and name not in chosen
        ]
        for modality in dict.fromkeys(models[name].modality for name in chosen)
    }
    if settings["models"] is None:
        # Models for which no sets can be made are an error only if the configuration names them.
        chosen = [
            name
            for name in chosen
            if recognition_models[models[name].modality] and len(rows[models[name].modality]) > 1
        ]
    else:
        check_models(chosen, settings, generation_models, models, rows, recognition_models)
    compared = {
        part: compared_stages(part, settings[part], generation_models, config["recognition_models"], models, rows)
        for part in FEWEST_STIMULI
    }
    distortions, explored = settings["sensitivity"], settings["metamer_sets"]
    return Beyond(
        sets_of(chosen, settings, generation_models, models, rows),
        recognition_models,
        {
            modality: Sensitivity(
                **fields, iterations=distortions["iterations"], length=distortions["length"][modality]
            )
            for modality, fields in compared["sensitivity"].items()
        },
        {
            modality: MetamerSets(**fields, **{key: explored[key] for key in ("steps", "tolerance", "singular_values")})
            for modality, fields in compared["metamer_sets"].items()
        },
    )
