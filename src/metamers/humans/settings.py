"""Settings of the user's own participants: their answers, the metamers that they judged, and tests of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from metamers.config.fields import Settings, one_of, optional, setting
from metamers.config.models import ModelEntry
from metamers.config.read import resolve_path
from metamers.humans.read_table import ValidNames, judged_stages, read_answer_table, table_files
from metamers.modalities import MODALITIES
from metamers.names import FILE_NAME, ConfigurationError

ANSWER_FILES = (".csv", ".json", ".txt")  # JATOS exports .txt
ADAPTIVE = "adaptive"
Column = Annotated[str | None, optional("name of the column in the table", min_length=1)]


class Columns(Settings):
    """column → its name in the table, for columns with another name"""

    participant: Column = None
    generation_model: Column = None
    stage: Column = None
    stimulus: Column = None
    answer: Column = None
    seed: Column = None
    response_time: Column = None
    excluded: Column = None


class GroupSettings(Settings):
    """a group of your own participants: modality and answers, and for tables format and columns"""

    modality: Annotated[
        str,
        one_of(MODALITIES, f"{' or '.join(MODALITIES)}: the modality of the run's experiment in which they took part"),
    ]
    answers: Annotated[
        str,
        setting(
            "a folder with the experiment's .csv, .json or .txt files; with `format: table`, a table or a folder of "
            "tables, .csv, .tsv or .txt",
            "The files are those of jsPsych, or `.txt` as exported by JATOS.",
        ),
    ]
    format: Annotated[
        Literal["experiment", "table"] | None,
        optional(
            "experiment (default): files of this workflow's experiment; table: one trial in each row, with the columns "
            "participant, generation_model, stage, stimulus and answer",
            "[Answers from elsewhere](../docs/more_participants.md#answers-from-elsewhere).",
        ),
    ] = None
    columns: Annotated[
        Columns | None,
        optional(
            "column → its name in the table, for columns with another name: participant, generation_model, stage, "
            "stimulus, answer, seed, response_time, excluded"
        ),
    ] = None


OwnParticipantsSettings = Annotated[
    dict[str, GroupSettings],
    setting(
        "your own participants: name → {modality, answers}; {} for none",
        "They become `humans/<name>.nc`.",
    ),
]


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


def own_participants(
    groups: Mapping[str, GroupSettings],
    presented: Mapping[str, Mapping[str, list[str]]],
    adaptive: bool,
    experiments: Iterable[str],
    valid: Mapping[str, ValidNames],
) -> dict[str, OwnParticipants]:
    """The user's own participants: name → group.

    Parameters
    ----------
    groups
        The configuration's ``own_participants``.
    presented
        The metamers of the run's experiment: modality → generation model → stages.
    adaptive
        Whether the run's experiment is adaptive.
    experiments
        Names of the published experiments, which the groups must not have.
    valid
        Modality → names that a table of answers may have.

    Raises
    ------
    ConfigurationError
        For the first group that cannot be used.
    """
    resolved = {}
    for name, settings in groups.items():
        key = f"own_participants.{name}"
        if not FILE_NAME.fullmatch(name) or name in experiments:
            raise ConfigurationError(
                f"{key}: {name!r} names a file under humans/: use letters, digits, '.', '_', '+' or '-', and no name "
                "of a published experiment"
            )
        entry = {"format": "experiment", "columns": {}} | settings.parameters
        entry["answers"] = resolve_path(settings.answers)
        if entry["format"] == "table":
            resolved[name] = OwnParticipants(**entry, stages=_stages_of_table(key, entry, valid))
            continue
        if entry["columns"]:
            raise ConfigurationError(f"{key}.columns: only for `format: table`; found `format: {entry['format']}`")
        if entry["modality"] not in presented:
            raise ConfigurationError(
                f"{key}.modality: {entry['modality']!r}, but this run's experiment is of "
                f"{', '.join(presented) or 'no modality'}: see experiment.generation_models "
                f"and experiment.{settings.modality}"
            )
        if adaptive:
            entry["format"] = ADAPTIVE
        resolved[name] = OwnParticipants(**entry, stages=dict(presented[entry["modality"]]))
    return resolved


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
    names_of: dict[str, ValidNames] = {}
    for modality in stimuli:
        if stages := judged_models(modality, generation_models, recognition_models, models):
            names_of[modality] = ValidNames(stages, list(stimuli[modality]), categories[modality], seeds)
    return names_of


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
    contrasts: Iterable[Sequence[str]], participants: Mapping[str, OwnParticipants]
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
        pairs = [pair for pair in contrasts if set(pair) <= set(stages)]
        alike = [pair for pair in pairs if len(stages[pair[0]]) == len(stages[pair[1]])]
        comparisons[name] = {f"{model} and {reference}": [model, reference] for model, reference in alike}
        effects[name] = {model: [] for model in stages}
    return comparisons, effects


def unavailable_bids(plan: Any) -> dict[str, str]:
    """The target `bids`, if a run has no answers to write → why, and which configuration could."""
    reason = (
        "own_participants: there are no answers to write as BIDS. Name your participants, such as "
        "own_participants: {NAME: {modality: vision, answers: FOLDER}}."
    )
    return {} if plan.settings.own_participants else {"bids": reason}
