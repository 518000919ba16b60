"""The experiment for people, and one's own people, as the configuration has them: whose metamers, who, which tests."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from metamers.config_read import located
from metamers.names import FILE_NAME, INPUT_STAGE, ConfigurationError, unknown_name

ANSWER_FILES = (".csv", ".json", ".txt")  # of participants; .txt is what JATOS exports


def spread(stages: list[str], number: int) -> list[str]:
    """So many stages, evenly spread from the first to the last; all where there are not more."""
    count = min(number, len(stages))
    return [stages[round(place * (len(stages) - 1) / max(count - 1, 1))] for place in range(count)]


def shown_stages(
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
        stages = spread(
            [stage for stage in generation_models[name] if stage != INPUT_STAGE], settings[modality]["stages"]
        )
        if not stages:
            raise ConfigurationError(f"{key}: {name!r} has no stage after {INPUT_STAGE!r} in generation_models")
        found.setdefault(modality, {})[name] = stages
    return found


def check_experiment(settings: Mapping[str, Any], modalities: Iterable[str]) -> None:
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


def own_people(
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
            f"{', '.join(ANSWER_FILES)} files. Before there are any, `snakemake experiment` is what can be made."
        )
    return files


def own_tests(
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
