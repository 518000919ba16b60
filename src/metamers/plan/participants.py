"""The experiment for human participants, and the user's own participants: their metamers, answers and tests."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metamers.config.answer_table import ValidNames, judged_stages, read_answer_table, table_files
from metamers.config.experiment import LARGEST_INTERVAL, MODELS_OF_QUESTION
from metamers.config.read import resolve_path
from metamers.modalities import MODALITIES
from metamers.names import FILE_NAME, INPUT_STAGE, ConfigurationError, unknown_name
from metamers.plan.models import ModelEntry

ANSWER_FILES = (".csv", ".json", ".txt")  # JATOS exports .txt
ADAPTIVE = "adaptive"


@dataclass(frozen=True)
class OwnParticipants:
    """A group of the user's own participants.

    Attributes
    ----------
    modality
        Modality of the experiment that they took part in.
    answers
        Folder of their answers; for the format ``table``, a file or a folder.
    format
        ``experiment`` for the files of this workflow's experiment, ``adaptive`` for those of an adaptive one, or
        ``table``.
    stages
        Generation model → stages of the metamers that they judged, in processing order.
    columns
        Column of a table → its name in the file, for columns with another name.
    """

    modality: str
    answers: str
    format: str
    stages: dict[str, list[str]]
    columns: dict[str, str]


def evenly_spaced(stages: list[str], number: int) -> list[str]:
    """``number`` stages, evenly spaced from the first to the last; all if there are not more."""
    count = min(number, len(stages))
    return [stages[round(place * (len(stages) - 1) / max(count - 1, 1))] for place in range(count)]


def experiment_stages(
    config: Mapping[str, Any], generation_models: Mapping[str, list[str]], models: Mapping[str, ModelEntry]
) -> dict[str, dict[str, list[str]]]:
    """Metamers of the experiment: modality → generation model → stages, evenly spaced after the input.

    Raises
    ------
    ConfigurationError
        When a model that ``experiment.generation_models`` names cannot be in the experiment.
    """
    settings, recognition_models = config["experiment"], config["recognition_models"]
    chosen = settings["generation_models"]
    if chosen is None:
        first: dict[str, str] = {}
        for name in generation_models:
            presentable = name in recognition_models or not models[name].has_classes
            if presentable and generation_models[name] != [INPUT_STAGE]:
                first.setdefault(models[name].modality, name)
        chosen = [name for modality, name in first.items() if modality in settings]
    found: dict[str, dict[str, list[str]]] = {}
    for number, name in enumerate(chosen):
        key = f"experiment.generation_models.{number}"
        if name not in generation_models:
            raise unknown_name("generation model", name, generation_models, key)
        if name not in recognition_models and models[name].has_classes:
            raise ConfigurationError(
                f"{key}: {name!r} is not among recognition_models; it must be, because participants are compared "
                "with the model's answers to its own metamers"
            )
        modality = models[name].modality
        if modality not in settings:
            raise ConfigurationError(f"experiment.{modality}: missing; how metamers of {name!r} are presented")
        stages = evenly_spaced(
            [stage for stage in generation_models[name] if stage != INPUT_STAGE], settings[modality]["stages"]
        )
        if not stages:
            raise ConfigurationError(f"{key}: {name!r} has no stage after {INPUT_STAGE!r} in generation_models")
        found.setdefault(modality, {})[name] = stages
    return found


def check_experiment(settings: Mapping[str, Any], stages: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """Check that the files of the experiment exist, and that its numbers fit each other.

    Parameters
    ----------
    settings
        ``experiment`` of the configuration.
    stages
        As ``experiment_stages`` gives it.

    Raises
    ------
    ConfigurationError
        For the first file or number that cannot be used.
    """
    if settings["adaptive"] is not None:
        _check_adaptive(settings, stages)
    consent = Path(resolve_path(settings["consent"]))
    if not consent.is_file():
        raise ConfigurationError(
            f"experiment.consent: there is no file {settings['consent']}; wanted a piece of HTML, to which "
            "participants agree"
        )
    try:
        consent.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"experiment.consent: {settings['consent']} is not UTF-8 text ({error.reason} at byte {error.start}); save "
            "it in this encoding"
        ) from None
    if settings["icons"] is not None and not Path(resolve_path(settings["icons"])).is_dir():
        raise ConfigurationError(
            f"experiment.icons: there is no folder {settings['icons']}; wanted one with <category>.svg or .png, or null"
        )
    for modality in stages:
        for part in ("practice", "catch", "headphones"):
            check = settings[modality].get(part, {"trials": 0})
            for key in ("at_least", "metamers"):
                if check.get(key, 0) > check["trials"]:
                    raise ConfigurationError(
                        f"experiment.{modality}.{part}.{key}: {check[key]} of {check['trials']} trials; wanted no more "
                        "than there are"
                    )


def _check_adaptive(settings: Mapping[str, Any], stages: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
    """Check that the question of an adaptive experiment can be asked, and that it stops."""
    key, adaptive = "experiment.adaptive", settings["adaptive"]
    if settings["address"] is not None:
        raise ConfigurationError(
            "experiment.address: only for the fixed design, whose page may be on any web server; wanted null with "
            "experiment.adaptive, whose answers go to the server of `make experiment`"
        )
    question = adaptive["question"]
    wanted = MODELS_OF_QUESTION[question]
    for modality, of_models in stages.items():
        if len(of_models) != wanted:
            raise ConfigurationError(
                f"{key}.question: {question!r} is about {wanted} generation model{'s' * (wanted > 1)}, but the "
                f"experiment of modality {modality!r} has {len(of_models)}: {', '.join(of_models)}. Name {wanted} of "
                "each modality in experiment.generation_models"
            )
        for model, own in of_models.items():
            if len(own) < 2:
                raise ConfigurationError(
                    f"{key}: {model!r} is shown at {len(own)} stage; wanted at least 2 (experiment.{modality}.stages)"
                )
    if adaptive["interval"] is not None and adaptive["interval"] > LARGEST_INTERVAL[question]:
        raise ConfigurationError(
            f"{key}.interval: found {adaptive['interval']}; wanted at most {LARGEST_INTERVAL[question]} for the "
            f"question {question!r}, because a wider interval needs hardly any answer"
        )
    if question == "threshold" and adaptive["bayes_factor"] is not None:
        raise ConfigurationError(f"{key}.bayes_factor: only for the question 'difference'; wanted null")
    if adaptive["interval"] is None and adaptive["bayes_factor"] is None:
        raise ConfigurationError(
            f"{key}: interval and bayes_factor are both null, so the experiment would never stop; give one of them"
        )


def missing_stimuli(
    modality: str, settings: Mapping[str, Any], stages: Mapping[str, list[str]], natural: int, with_metamers: int
) -> str | None:
    """Describe the stimuli that an experiment lacks even if all metamers are accepted; None if it lacks none.

    Parameters
    ----------
    modality
        Name of the modality.
    settings
        ``experiment.<modality>`` of the configuration.
    stages
        Generation model → stages whose metamers are shown.
    natural, with_metamers
        Number of natural stimuli in the dataset's split ``test``, and number of natural stimuli with metamers.
    """
    practice, catch = settings["practice"], settings["catch"]["trials"]
    caught = 0 if MODALITIES[modality].trial.catch_by_name else catch
    conditions = 1 + sum(map(len, stages.values()))
    before_main = practice["feedback"] + practice["trials"] + caught
    shown = f"the natural stimuli and {conditions - 1} stages are shown in main trials, so these need {conditions}"
    advice = f"Use fewer stages, models, practice or catch trials in experiment.{modality}"
    if natural < (wanted := before_main + conditions):
        return (
            f"experiment.{modality}: {natural} stimuli of split test in the dataset; wanted at least {wanted}, even if "
            f"all metamers are accepted: practice and catch trials take {before_main}, and {shown}. {advice}, or more "
            "stimuli."
        )
    if with_metamers < (wanted := practice["metamers"] + conditions):
        return (
            f"experiment.{modality}: metamers are made of {with_metamers} stimuli; wanted at least {wanted}, even if "
            f"all are accepted: practice takes {practice['metamers']}, and {shown}. {advice}, or a larger "
            f"stimuli.{modality}.number."
        )
    return None


def own_participants(
    config: Mapping[str, Any],
    shown: Mapping[str, Mapping[str, list[str]]],
    experiments: Iterable[str],
    valid: Mapping[str, ValidNames],
) -> dict[str, OwnParticipants]:
    """The user's own participants: name → group.

    Parameters
    ----------
    config
        The configuration.
    shown
        As ``experiment_stages`` gives it.
    experiments
        Names of the published experiments, which the groups must not have.
    valid
        Modality → names that a table of answers may have.

    Raises
    ------
    ConfigurationError
        For the first group that cannot be used.
    """
    found = {}
    for name, entry in config["own_participants"].items():
        key = f"own_participants.{name}"
        if not FILE_NAME.fullmatch(name) or name in experiments:
            raise ConfigurationError(
                f"{key}: {name!r} names a file under humans/: use letters, digits, '.', '_', '+' or '-', and no name "
                "of a published experiment"
            )
        given = {"format": "experiment", "columns": {}, **entry, "answers": resolve_path(entry["answers"])}
        if given["format"] == "table":
            found[name] = OwnParticipants(**given, stages=_stages_of_table(key, given, valid))
            continue
        if given["columns"]:
            raise ConfigurationError(f"{key}.columns: only for `format: table`; found `format: {given['format']}`")
        if entry["modality"] not in shown:
            raise ConfigurationError(
                f"{key}.modality: {entry['modality']!r}, but this run's experiment is of "
                f"{', '.join(shown) or 'no modality'}: see experiment.generation_models"
            )
        if config["experiment"]["adaptive"] is not None:
            given["format"] = ADAPTIVE
        found[name] = OwnParticipants(**given, stages=dict(shown[entry["modality"]]))
    return found


def _stages_of_table(key: str, entry: Mapping[str, Any], valid: Mapping[str, ValidNames]) -> dict[str, list[str]]:
    """Read the table of a group; return generation model → stages of the metamers in it."""
    if entry["modality"] not in valid:
        raise ConfigurationError(
            f"{key}.modality: {entry['modality']!r}, but no model of this modality is in both generation_models and "
            "recognition_models; participants are compared with a model's answers to its own metamers"
        )
    names = valid[entry["modality"]]
    try:
        trials = read_answer_table(table_files(f"{key}.answers", entry["answers"]), entry["columns"], names)
    except ConfigurationError as error:
        raise error if str(error).startswith(key) else ConfigurationError(f"{key}.answers: {error}") from None
    stages = judged_stages(trials, names.stages)
    if not stages:
        raise ConfigurationError(f"{key}.answers: all rows are of natural stimuli; wanted metamers, too")
    return stages


def judged_models(
    modality: str,
    generation_models: Mapping[str, list[str]],
    recognition_models: Collection[str],
    models: Mapping[str, ModelEntry],
) -> dict[str, list[str]]:
    """Models of a modality, with their stages, that a table of answers may name: generation and recognition models.

    Parameters
    ----------
    modality
        ``vision`` or ``audio``.
    generation_models, recognition_models, models
        As for ``valid_names``.
    """
    return {
        name: stages
        for name, stages in generation_models.items()
        if models[name].modality == modality and (name in recognition_models or not models[name].has_classes)
    }


def valid_names(
    generation_models: Mapping[str, list[str]],
    recognition_models: Collection[str],
    models: Mapping[str, ModelEntry],
    stimuli: Mapping[str, Iterable[str]],
    categories: Mapping[str, Collection[str]],
    seeds: Collection[int],
) -> dict[str, ValidNames]:
    """Modality → valid names in a table of answers.

    The valid models are both generation and recognition models, so the run has their answers to their own metamers.

    Parameters
    ----------
    generation_models
        Name → stages.
    recognition_models
        Names.
    models
        The registry.
    stimuli, categories
        Modality → natural stimuli with metamers, and categories.
    seeds
        Metamer seeds.
    """
    found: dict[str, ValidNames] = {}
    for modality in stimuli:
        if stages := judged_models(modality, generation_models, recognition_models, models):
            found[modality] = ValidNames(stages, list(stimuli[modality]), categories[modality], seeds)
    return found


def answer_files(name: str, folder: str | Path) -> list[str]:
    """The files of answers in a folder, sorted.

    Raises
    ------
    ConfigurationError
        When there is no file yet; ``name`` is that of the group of participants.
    """
    files = sorted(str(path) for path in Path(folder).glob("*") if path.suffix in ANSWER_FILES and path.is_file())
    if not files:
        raise ConfigurationError(
            f"own_participants.{name}.answers: there is no file of answers in {folder}; wanted a folder with jsPsych's "
            f"{', '.join(ANSWER_FILES)} files. Without answers, only `snakemake experiment` can be made."
        )
    return files


def own_tests(
    config: Mapping[str, Any], participants: Mapping[str, OwnParticipants]
) -> tuple[dict[str, dict[str, list[str]]], dict[str, dict[str, list[str]]]]:
    """Tests of the user's own participants, in addition to human against model.

    Returns
    -------
    comparisons, stage_effects
        As of ``PublishedStudy``: the run's contrasts between models with equally many stages, and the stages of each
        model.
    """
    comparisons: dict[str, dict[str, list[str]]] = {}
    effects: dict[str, dict[str, list[str]]] = {}
    for name, group in participants.items():
        stages = group.stages
        pairs = [pair for pair in config["comparison"]["contrasts"] if set(pair) <= set(stages)]
        alike = [pair for pair in pairs if len(stages[pair[0]]) == len(stages[pair[1]])]
        comparisons[name] = {f"{model} and {reference}": [model, reference] for model, reference in alike}
        effects[name] = {model: [] for model in stages}
    return comparisons, effects
