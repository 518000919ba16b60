"""What is analysed beside metamers, as the configuration has it: which models, which brains."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metamers.config_read import located
from metamers.names import INPUT_STAGE, ConfigurationError, unknown_name
from metamers.tables import stimulus_table

LEAST_REGRESSED = 8  # stimuli, of which halves are learned from and predicted


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


def analysed(
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
        from metamers.files import check_foreign  # here, since other runs need no NetCDF to be planned

        try:
            check_foreign(responses)
        except Exception as error:  # damaged files make their readers raise nearly anything
            raise ConfigurationError(f"{key}.responses: {responses} cannot be read as NetCDF: {error}") from None
        return {"models": chosen, "dataset": dataset, "responses": responses, "simulated": None}
    simulated = dict(given["simulated"])
    model = simulated["model"] = simulated["model"] or chosen[0]
    _analysed_models([model], f"{key}.simulated.model", [], models, modality)
    stages = analysed_stages(modality, models[model]["stages"])
    stage = simulated["stage"] = simulated["stage"] or stages[len(stages) // 2]
    if stage not in stages:
        raise unknown_name("stage", stage, stages, f"{key}.simulated.stage ({model})")
    return {"models": chosen, "dataset": dataset, "responses": None, "simulated": simulated}
