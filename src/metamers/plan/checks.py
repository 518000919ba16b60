"""Checks of a configuration that concern several of its sections at once; a section's own checks are in its module."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metamers.config.beyond import Beyond
from metamers.config.qualities import QUALITIES, TO_TARGET
from metamers.config.tables import category_classes
from metamers.leaderboard.texts import CREATOR_LETTERS, is_address, misleading_form, unwanted_character
from metamers.modalities import MODALITIES
from metamers.names import FILE_NAME, ConfigurationError, unknown_name
from metamers.plan.datasets import DatasetEntry
from metamers.plan.experiments import PublishedStimuli
from metamers.plan.models import ModelEntry, Training
from metamers.plan.participants import OwnParticipants
from metamers.plan.stages import check_class_scores
from metamers.preregister.settings import PreregistrationSettings, no_prediction
from metamers.run.manifest import SUFFIX


def check_run(run: str) -> None:
    """Check that the name of the run can be a folder's, and is not that of another run's manifest."""
    if not FILE_NAME.fullmatch(run):
        raise ConfigurationError(f"run: {run!r} names a folder: use letters, digits, '.', '_', '+' or '-'")
    if run.lower().endswith(SUFFIX):
        raise ConfigurationError(
            f"run: {run!r} ends in {SUFFIX}, as the manifest of another run does; use another name"
        )


def check_mirror(mirror: str | None) -> None:
    """Check that the mirror is a folder, if there is one."""
    if mirror is not None and not Path(mirror).is_dir():
        raise ConfigurationError(f"mirror: there is no folder {mirror}; wanted a folder, or null")


def check_modalities(
    config: Mapping[str, Any],
    used: Iterable[str],
    generation_models: Iterable[str],
    models: Mapping[str, ModelEntry],
    of_modality: Mapping[str, str],
) -> None:
    """Check that every used model has a dataset, and every generation model a recognition model, of its modality.

    Parameters
    ----------
    config
        The configuration.
    used, generation_models
        Names of models.
    models
        The registry.
    of_modality
        Modality → dataset of the run.
    """
    for name in used:
        if models[name].modality not in of_modality:
            raise ConfigurationError(f"stimuli: no dataset for modality {models[name].modality!r} of model {name!r}")
    recognized = {models[name].modality for name in config["recognition_models"]}
    for name in generation_models:
        if (modality := models[name].modality) not in recognized:
            raise ConfigurationError(f"recognition_models: none of modality {modality!r} to judge metamers of {name!r}")


def check_contrasts(
    config: Mapping[str, Any], generation_models: Mapping[str, list[str]], models: Mapping[str, ModelEntry]
) -> None:
    """Check that the models of a contrast can be compared: same modality, a common stage, and another observer."""
    for number, pair in enumerate(config["comparison"]["contrasts"]):
        key = f"comparison.contrasts.{number}"
        for name in pair:
            if name not in generation_models:
                raise ConfigurationError(
                    f"{unknown_name('generation model', name, generation_models, key)} A run without them needs "
                    "`comparison: {contrasts: []}`."
                )
        modality = models[pair[0]].modality
        if pair[0] == pair[1] or models[pair[1]].modality != modality:
            raise ConfigurationError(f"{key}: {pair[0]} and {pair[1]}: wanted two models of one modality")
        if not set(generation_models[pair[0]]) & set(generation_models[pair[1]]):
            raise ConfigurationError(f"{key}: {pair[0]} and {pair[1]} share no stage at which to compare them")
        observers = [name for name in config["recognition_models"] if models[name].modality == modality]
        if set(observers) <= set(pair):
            raise ConfigurationError(
                f"{key}: no recognition model of modality {modality!r} other than the two, which cannot judge their "
                "own metamers"
            )


def check_sides(sides: Sequence[tuple[list[str], list[str]]]) -> None:
    """Check that no two contrasts compare the same networks, each given as those of the model and of the reference."""
    known = []
    for number, (one, other) in enumerate(sides):
        if (compared := (set(one), set(other))) in known:
            raise ConfigurationError(
                f"comparison.contrasts.{number}: {one[0]} and {other[0]} stand for the same networks as an earlier "
                f"contrast: {', '.join(sorted(one))} and {', '.join(sorted(other))}; wanted each group once"
            )
        known.append(compared)


def check_vocabulary(
    training: Mapping[str, Training], datasets: Mapping[str, DatasetEntry], dataset_of: Mapping[str, str]
) -> None:
    """Check that the trained models learn the classes of the dataset that they are tested on."""
    for name, settings in training.items():
        learned, tested = settings.dataset, dataset_of[name]
        if datasets[tested].vocabulary:
            raise ConfigurationError(
                f"stimuli: the categories of {tested!r} are those of published models; {name!r}, which this run trains "
                f"on {learned!r}, does not know them"
            )
        known, wanted = (category_classes(dataset, datasets[dataset].parameters) for dataset in (learned, tested))
        category_of = {index: category for category, indices in known.items() for index in indices}
        for category, indices in wanted.items():
            for index in indices:
                if category_of.get(index) != category:
                    raise ConfigurationError(
                        f"models: {name}.weights.train.dataset: class {index} is {category_of.get(index)!r} in "
                        f"{learned!r}, on which the model is trained, but {category!r} in {tested!r}, on which it is "
                        "tested"
                    )


def check_scores(
    models: Mapping[str, ModelEntry], dataset_of: Mapping[str, str], datasets: Mapping[str, DatasetEntry]
) -> None:
    """Check that networks whose output a trace has seen give scores of the classes of their datasets.

    Parameters
    ----------
    models, datasets
        The registries.
    dataset_of
        Model of the run → its dataset.
    """
    for name, dataset in dataset_of.items():
        model = models[name]
        scores = model.traced.scores if model.traced else None
        if scores and model.has_classes and not datasets[dataset].vocabulary:
            categories = category_classes(dataset, datasets[dataset].parameters)
            needed = 1 + max(max(indices, default=-1) for indices in categories.values())
            check_class_scores(name, scores, needed, certain=model.classes is True)


def check_quality(
    config: Mapping[str, Any], generation_models: Mapping[str, list[str]], models: Mapping[str, ModelEntry]
) -> None:
    """Check that the quality of synthesis has settings, and a target if it needs one, for every modality of the run."""
    synthesis = config["synthesis"]
    quality, target = synthesis["quality"], synthesis["target"]
    for model, stages in target["stages"].items():
        # A file that is laid over another may leave out some of its generation models.
        if model not in models:
            raise unknown_name("model", model, models, "synthesis.target.stages")
        for stage in stages:
            if stage not in models[model].stages:
                raise unknown_name("stage", stage, models[model].stages, f"synthesis.target.stages.{model}")
    for modality in dict.fromkeys(models[model].modality for model in generation_models):
        if modality not in synthesis[quality]:
            raise ConfigurationError(f"synthesis.{quality}.{modality}: missing; its settings for that modality")
        if QUALITIES[quality] == TO_TARGET and target["normalized_error"].get(modality) is None:
            raise ConfigurationError(
                f"synthesis.target.normalized_error.{modality}: found no value; wanted the normalized error, between 0 "
                f"and 1, at which synthesis of quality {quality!r} ends"
            )


def unavailable_targets(
    config: Mapping[str, Any],
    preregistration: PreregistrationSettings,
    models: Mapping[str, ModelEntry],
    experiment: Mapping[str, Any],
    lacking: Mapping[str, str],
    beyond: Beyond,
) -> dict[str, str]:
    """Targets that the configuration cannot make → why, and which configuration could.

    Parameters
    ----------
    config
        The configuration.
    preregistration
        The settings of the frozen prediction.
    models
        The registry of models.
    experiment, beyond
        The plan's ``experiment_stages`` and ``beyond``.
    lacking
        Modality → what its experiment lacks.
    """
    found = {}
    names = [item if isinstance(item, str) else item["model"] for item in config["generation_models"]]
    generation_models = ", ".join(names)
    recognition_models = ", ".join(config["recognition_models"])
    if config["model"] is None:
        found["model_card"] = (
            "model: missing; name a model of the registry: `snakemake model_card --config model=NAME`. Valid: "
            f"{', '.join(models)}."
        )
    if not experiment:
        found["experiment"] = (
            "experiment: there are no metamers to present. Name, in experiment.generation_models, generation models "
            "that are also recognition models and have stages after the input."
        )
    for modality in MODALITIES:
        if modality not in experiment:
            found[f"experiment/{modality}"] = (
                f"experiment: there are no metamers of modality {modality!r} to present: no generation model of this "
                "modality in experiment.generation_models is also a recognition model. Available modalities: "
                f"{', '.join(experiment) or 'none'}."
            )
    found |= {f"experiment/{modality}": reason for modality, reason in lacking.items()}
    if reason := no_prediction(config["generation_models"], preregistration.file_of(config["run"])):
        found["preregister"] = reason
    if lacking_in_creator := [key for key in ("name", "license") if not config["creator"].get(key)]:
        found["crate"] = (
            f"creator.{lacking_in_creator[0]}: missing; an archive for publication states who made the run, and the "
            "terms of use of its files. Set both in the run's configuration, such as "
            "creator: {name: NAME, license: CC-BY-4.0}."
        )
    if reason := _no_entry(config["creator"], generation_models):
        found["leaderboard_entries"] = reason
    if not config["own_participants"]:
        found["bids"] = (
            "own_participants: there are no answers to write as BIDS. Name your participants, such as "
            "own_participants: {NAME: {modality: vision, answers: FOLDER}}."
        )
    if not beyond.asked_for:
        found["beyond"] = (
            "beyond: there are no extensions to make. Name, in beyond.models, generation models with stages after the "
            "input, of a modality with another recognition model, and configure ensemble, controversial or starts; or "
            "configure sensitivity or metamer_sets. "
            f"Generation models: {generation_models or 'none'}; recognition models: {recognition_models or 'none'}."
        )
    return found


def unavailable_brainscore(
    config: Mapping[str, Any],
    models: Mapping[str, ModelEntry],
    participants: Mapping[str, OwnParticipants],
    adaptive: Mapping[str, OwnParticipants],
    stimuli: Mapping[str, PublishedStimuli],
) -> dict[str, str]:
    """The part of ``unavailable_targets`` that concerns Brain-Score.

    Parameters
    ----------
    config
        The configuration.
    models
        The registry of models.
    participants, adaptive
        The user's own participants: of fixed designs, and of adaptive experiments.
    stimuli
        Published experiment → the images that its participants saw.
    """
    own = any(MODALITIES[group.modality].brainscore for group in participants.values())
    published = list(stimuli.values()) if config["human_data"] == "participants" else []
    if not own and not published:
        reason = (
            "own_participants: there are no participants for a benchmark of Brain-Score. Set human_data: participants "
            "for the published experiments with images, or name participants who judged images, such as "
            "own_participants: {NAME: {modality: vision, answers: FOLDER}}."
        )
        if adaptive:
            reason += (
                f" Groups of adaptive experiments ({', '.join(adaptive)}) are not benchmarks, because proportions "
                "correct are biased when earlier answers decide what is shown."
            )
        return {"brainscore": reason, "brainscore_score": reason}
    generated = [item if isinstance(item, str) else item["model"] for item in config["generation_models"]]
    used = dict.fromkeys([*generated, *config["recognition_models"]])
    if not any(MODALITIES[models[name].modality].brainscore for name in used):
        return {
            "brainscore_score": "recognition_models: there is no model of images to score with Brain-Score. Name one "
            f"in recognition_models or generation_models. Models of the run: {', '.join(used) or 'none'}."
        }
    if not own and not any(entry.has_images for entry in published):
        first = published[0]
        return {
            "brainscore_score": "brainscore_score: the images of the published experiments are not on this machine. "
            f"Put those of {first.url} into {first.folder}, as <number>_<network>/<number>_<layer>/*.png, or score "
            "models on metamers that your own participants judged (own_participants)."
        }
    return {}


def _no_entry(creator: Mapping[str, str | None], generation_models: str) -> str | None:
    """Why a run cannot make entries of a shared leaderboard, if it cannot."""
    if not generation_models:
        return "generation_models: there is no model to make an entry of. Name one, such as generation_models: [NAME]."
    lacking = [key for key in ("name", "license") if not creator.get(key)]
    if not creator.get("email") and not creator.get("url"):
        lacking.append("url")
    if not lacking:
        return _unfit_creator(creator)
    return (
        f"creator.{lacking[0]}: missing; an entry states who made it, how to reach them (email or url), and its terms "
        "of use. Set these in the run's configuration, such as creator: {name: NAME, url: https://ADDRESS, license: "
        "CC-BY-4.0}."
    )


def _unfit_creator(creator: Mapping[str, str | None]) -> str | None:
    """Why the check of an entry would refuse the creator, if it would (``metamers.leaderboard.check_entry``)."""
    for key, most in CREATOR_LETTERS.items():
        value = creator.get(key) or ""
        sign, form = unwanted_character(value), misleading_form(value)
        if sign is not None:
            return f"creator.{key}: found the character {sign!a}; wanted text without <, > and invisible characters."
        if form or len(value) > most:
            return f"creator.{key}: found {form or f'{len(value)} letters'}; wanted a plain text of at most {most}."
    if (url := creator.get("url")) and not is_address(url):
        return f"creator.url: found {url!r}; wanted an address such as https://HOST/PAGE, with a host in ASCII."
    return None
