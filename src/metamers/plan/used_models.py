"""Which models a run uses, and at which stages."""

from collections.abc import Iterable, Mapping

from metamers.config.models import ModelEntry, check_has_classes
from metamers.config.settings import RunSettings
from metamers.names import ConfigurationError, unknown_name


def chosen_stages(settings: RunSettings, models: Mapping[str, ModelEntry]) -> dict[str, list[str]]:
    """Generation models and their chosen stages, in the order of the registry."""
    chosen: dict[str, list[str]] = {}
    for number, item in enumerate(settings.generation_models):
        key = f"generation_models.{number}"
        name = item if isinstance(item, str) else item.model
        if name not in models:
            raise unknown_name("model", name, models, key)
        if name in chosen:
            raise ConfigurationError(f"{key}: model {name!r} is named twice")
        valid = list(models[name].stages)
        stages = valid if isinstance(item, str) else item.stages
        for stage in stages:
            if stage not in valid:
                raise unknown_name("stage", stage, valid, f"{key}.stages ({name})")
        chosen[name] = [stage for stage in valid if stage in stages]
    return chosen


def card_models(settings: RunSettings, models: Mapping[str, ModelEntry]) -> list[str]:
    """The model of the model card, if the configuration names one."""
    if settings.model is None:
        return []
    if settings.model not in models:
        raise unknown_name("model", settings.model, models, "model")
    return [settings.model]


def check_recognition_models(settings: RunSettings, models: Mapping[str, ModelEntry]) -> None:
    """Check that every recognition model is registered, and can recognize.

    Raises
    ------
    ConfigurationError
        For the first that cannot.
    """
    for number, name in enumerate(settings.recognition_models):
        if name not in models:
            raise unknown_name("model", name, models, f"recognition_models.{number}")
        if models[name].readout is None:
            why = "so it recognizes nothing without a `readout` in its entry"
            check_has_classes(name, models[name], f"recognition_models.{number}", why)


def check_modalities(
    recognition_models: Iterable[str],
    used: Iterable[str],
    generation_models: Iterable[str],
    models: Mapping[str, ModelEntry],
    of_modality: Mapping[str, str],
) -> None:
    """Check that every used model has a dataset, and every generation model a recognition model, of its modality.

    Parameters
    ----------
    recognition_models, used, generation_models
        Names of models.
    models
        The registry.
    of_modality
        Modality → dataset of the run.
    """
    for name in used:
        if models[name].modality not in of_modality:
            raise ConfigurationError(f"stimuli: no dataset for modality {models[name].modality!r} of model {name!r}")
    recognized = {models[name].modality for name in recognition_models}
    for name in generation_models:
        if (modality := models[name].modality) not in recognized:
            raise ConfigurationError(f"recognition_models: none of modality {modality!r} to judge metamers of {name!r}")
