"""Settings of the experiment with participants: its metamers, presentation and files, and their checks.

The numbers are as published (not verified; from the pages that participants saw: VisionBehavioralExperiments/ and
AuditoryBehavioralExperiments/, example_*_turk_javascript.html), except where the default run has too few photographs.
On these pages, ``feedback`` is 16 for images, and 7 of the 12 practice images and 10 of the 12 practice words are
metamers. NOT VERIFIED: how many catch trials must be correct; these pages do not state it.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from metamers.config.datasets import stimuli_of_test_split
from metamers.config.fields import (
    ModelName,
    Number,
    OfModalities,
    Settings,
    from_to,
    one_of,
    section_config,
    setting,
    several,
    with_modalities,
)
from metamers.config.models import ModelEntry
from metamers.config.read import resolve_path
from metamers.config.tables import stimulus_categories
from metamers.experiment.icons import missing_icons
from metamers.humans.question import LARGEST_INTERVAL, MODELS_OF_QUESTION
from metamers.modalities import MODALITIES
from metamers.names import INPUT_STAGE, ConfigurationError, unknown_name

Milliseconds = Annotated[int, from_to("milliseconds", 0, 60_000)]
Count = Annotated[int, from_to("number of trials", 0, 1000)]
AtLeast = Annotated[int, from_to("number of these trials that must be correct", 0, 1000)]
Stages = Annotated[
    int,
    from_to("largest number of stages of each model", 1, 1000, more="From the first after the input to the last."),
]


class Trials(Settings):
    """trials, and how many of them must be correct"""

    trials: Count
    at_least: AtLeast


class Practice(Settings):
    """practice trials"""

    feedback: Annotated[int, from_to("number of initial trials with feedback", 0, 1000)]
    trials: Annotated[int, from_to("number of scored practice trials after them", 0, 1000)]
    metamers: Annotated[int, from_to("number of these trials that show metamers", 0, 1000)]
    at_least: AtLeast


class FirstDurations(Settings):
    """fixation_ms, image_ms and mask_ms in the first half of the trials with feedback"""

    fixation_ms: Milliseconds
    image_ms: Milliseconds
    mask_ms: Milliseconds


class Images(Settings):
    """presentation of images"""

    stages: Stages
    pause_ms: Annotated[
        int,
        from_to("milliseconds", 0, 60_000, more="Before the fixation cross, when the participant is ready."),
    ]
    fixation_ms: Milliseconds
    image_ms: Milliseconds
    mask_ms: Milliseconds
    at_first: FirstDurations
    practice: Practice
    catch: Trials


class Sounds(Settings):
    """presentation of sounds"""

    stages: Stages
    headphones: Trials
    practice: Practice
    catch: Trials


class AdaptiveSettings(Settings):
    """an adaptive experiment: question, interval, bayes_factor, participants, trials; null for the fixed design"""

    question: Annotated[
        Literal["threshold", "difference"], setting("threshold (of one model) or difference (between two models)")
    ]
    interval: Annotated[
        Number | None,
        setting(
            "width of the 95% interval at which the experiment ends, in relative depth (threshold) or log odds "
            "(difference), above 0 and at most 10, or null",
            gt=0,
            le=10,
        ),
    ]
    bayes_factor: Annotated[
        Number | None,
        setting(
            "Bayes factor for or against a difference at which the experiment ends, above 1 and at most 10000, or null",
            gt=1,
            le=10_000,
        ),
    ]
    participants: Annotated[int, from_to("smallest number of participants before the experiment ends", 1, 10_000)]
    trials: Annotated[
        int | None,
        from_to("largest number of main trials of a participant", 1, 10_000, "null means all stimuli"),
    ]


class _ExperimentSettings(OfModalities):
    """the experiment with participants"""

    model_config = section_config("[Your own participants](../docs/experiment.md) lists the published values.")

    participants: Annotated[
        int, from_to("smallest number of participants for whom orders of trials are made", 1, 10_000)
    ] = 20
    metamers: Annotated[
        str,
        one_of(("accepted", "all"), more="`accepted`: only stimuli with an accepted metamer at every presented stage."),
    ] = "accepted"
    generation_models: Annotated[
        Annotated[list[ModelName], several("a list of generation models", least=0)] | None,
        setting(
            "a list of generation models, or null for the first of each modality",
            "They must also be recognition models, unless they have no classes.",
        ),
    ] = None
    consent: Annotated[
        str,
        setting("path of a file with a piece of HTML", "The text to which participants agree: write your own."),
    ] = "experiment/consent.html"
    icons: Annotated[
        str | None,
        setting(
            "a folder with <category>.svg or <category>.png, or null",
            "`experiment/icons` has the 16 published categories; `null`: words only.",
        ),
    ] = None
    address: Annotated[
        str | None,
        setting(
            "an address on the same site, such as /answers, without its host, or null",
            "There your web server receives the answers at the end; `null`: participants save a file.",
            pattern="^(?![A-Za-z][A-Za-z0-9+.-]*:|//)",
        ),
    ] = None
    adaptive: Annotated[
        AdaptiveSettings | None,
        setting(
            "an adaptive experiment: question, interval, bayes_factor, participants, trials; null for the fixed design",
            "The next stimulus is chosen after each answer (`make experiment` only, [An adaptive "
            "experiment](../docs/more_participants.md#an-adaptive-experiment)). For example, with two "
            "generation_models: "
            "`{question: difference, interval: 1, bayes_factor: null, participants: 4, trials: null}`.",
        ),
    ] = None

    @property
    def presentation(self) -> dict[str, dict[str, Any]]:
        """Modality → timing and numbers of trials, as a job takes them."""
        return {modality: presentation.parameters for modality, presentation in self.items()}

    def trials_required(self, modality: str) -> dict[str, int]:
        """Part of the experiment → number of its trials that must be correct."""
        of_modality = self.presentation.get(modality, {})
        parts = ("headphones", "practice", "catch")
        return {part: of_modality.get(part, {"at_least": 0})["at_least"] for part in parts}


# Modality → how its stimuli are presented.
PRESENTATIONS: dict[str, Settings] = {
    "vision": Images(
        stages=2,
        pause_ms=500,
        fixation_ms=300,
        image_ms=300,
        mask_ms=300,
        at_first=FirstDurations(fixation_ms=500, image_ms=400, mask_ms=400),
        practice=Practice(feedback=2, trials=12, metamers=0, at_least=7),
        catch=Trials(trials=16, at_least=15),
    ),
    "audio": Sounds(
        stages=3,
        headphones=Trials(trials=6, at_least=5),
        practice=Practice(feedback=10, trials=12, metamers=0, at_least=5),
        catch=Trials(trials=16, at_least=15),
    ),
}
ExperimentSettings = with_modalities(_ExperimentSettings, PRESENTATIONS, "presentation for {}, or null")


def evenly_spaced(stages: list[str], number: int) -> list[str]:
    """``number`` stages, evenly spaced from the first to the last; all if there are not more."""
    count = min(number, len(stages))
    return [stages[round(place * (len(stages) - 1) / max(count - 1, 1))] for place in range(count)]


def experiment_stages(
    settings: _ExperimentSettings,
    generation_models: Mapping[str, list[str]],
    recognition_models: Collection[str],
    models: Mapping[str, ModelEntry],
) -> dict[str, dict[str, list[str]]]:
    """Metamers of the experiment: modality → generation model → stages, evenly spaced after the input.

    Raises
    ------
    ConfigurationError
        When a model that ``experiment.generation_models`` names cannot be in the experiment.
    """
    chosen = settings.generation_models
    if chosen is None:
        first: dict[str, str] = {}
        for name in generation_models:
            presentable = name in recognition_models or not models[name].has_classes
            if presentable and generation_models[name] != [INPUT_STAGE]:
                first.setdefault(models[name].modality, name)
        chosen = [name for modality, name in first.items() if settings.of(modality) is not None]
    presented: dict[str, dict[str, list[str]]] = {}
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
        presentation = settings.of(modality)
        if presentation is None:
            raise ConfigurationError(
                f"experiment.{modality}: found null; wanted how metamers of {name!r} are presented"
            )
        stages = evenly_spaced(
            [stage for stage in generation_models[name] if stage != INPUT_STAGE], presentation.stages
        )
        if not stages:
            raise ConfigurationError(f"{key}: {name!r} has no stage after {INPUT_STAGE!r} in generation_models")
        presented.setdefault(modality, {})[name] = stages
    return presented


def check_experiment(settings: _ExperimentSettings, stages: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
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
    if settings.adaptive is not None:
        _check_adaptive(settings.address, settings.adaptive, stages)
    consent = Path(resolve_path(settings.consent))
    if not consent.is_file():
        raise ConfigurationError(
            f"experiment.consent: there is no file {settings.consent}; wanted a piece of HTML, to which "
            "participants agree"
        )
    try:
        consent.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"experiment.consent: {settings.consent} is not UTF-8 text ({error.reason} at byte {error.start}); save "
            "it in this encoding"
        ) from None
    if settings.icons is not None and not Path(resolve_path(settings.icons)).is_dir():
        raise ConfigurationError(
            f"experiment.icons: there is no folder {settings.icons}; wanted one with <category>.svg or .png, or null"
        )
    for modality in stages:
        of_modality = settings.presentation[modality]
        for part in ("practice", "catch", "headphones"):
            check = of_modality.get(part, {"trials": 0})
            for key in ("at_least", "metamers"):
                if check.get(key, 0) > check["trials"]:
                    raise ConfigurationError(
                        f"experiment.{modality}.{part}.{key}: {check[key]} of {check['trials']} trials; wanted no more "
                        "than there are"
                    )


def _check_adaptive(
    address: str | None, adaptive: AdaptiveSettings, stages: Mapping[str, Mapping[str, Sequence[str]]]
) -> None:
    """Check that the question of an adaptive experiment can be asked, and that it stops."""
    key = "experiment.adaptive"
    if address is not None:
        raise ConfigurationError(
            "experiment.address: only for the fixed design, whose page may be on any web server; wanted null with "
            "experiment.adaptive, whose answers go to the server of `make experiment`"
        )
    question = adaptive.question
    number = MODELS_OF_QUESTION[question]
    for modality, of_models in stages.items():
        if len(of_models) != number:
            raise ConfigurationError(
                f"{key}.question: {question!r} is about {number} generation model{'s' * (number > 1)}, but the "
                f"experiment of modality {modality!r} has {len(of_models)}: {', '.join(of_models)}. Name {number} of "
                "each modality in experiment.generation_models"
            )
        for model, own in of_models.items():
            if len(own) < 2:
                raise ConfigurationError(
                    f"{key}: {model!r} is shown at {len(own)} stage; wanted at least 2 (experiment.{modality}.stages)"
                )
    if adaptive.interval is not None and adaptive.interval > LARGEST_INTERVAL[question]:
        raise ConfigurationError(
            f"{key}.interval: found {adaptive.interval}; wanted at most {LARGEST_INTERVAL[question]} for the "
            f"question {question!r}, because a wider interval needs hardly any answer"
        )
    if question == "threshold" and adaptive.bayes_factor is not None:
        raise ConfigurationError(f"{key}.bayes_factor: only for the question 'difference'; wanted null")
    if adaptive.interval is None and adaptive.bayes_factor is None:
        raise ConfigurationError(
            f"{key}: interval and bayes_factor are both null, so the experiment would never stop; give one of them"
        )


def missing_stimuli(
    modality: str, settings: Any, stages: Mapping[str, list[str]], natural: int, with_metamers: int
) -> str | None:
    """Describe the stimuli that an experiment lacks even if all metamers are accepted; None if it lacks none.

    Parameters
    ----------
    modality
        Name of the modality.
    settings
        The presentation of the modality.
    stages
        Generation model → stages whose metamers are shown.
    natural, with_metamers
        Number of natural stimuli in the dataset's split ``test``, and number of natural stimuli with metamers.
    """
    practice, catch = settings.practice, settings.catch.trials
    caught = 0 if MODALITIES[modality].trial.catch_by_name else catch
    conditions = 1 + sum(map(len, stages.values()))
    before_main = practice.feedback + practice.trials + caught
    reason = f"the natural stimuli and {conditions - 1} stages are shown in main trials, so these need {conditions}"
    advice = f"Use fewer stages, models, practice or catch trials in experiment.{modality}"
    if natural < (least := before_main + conditions):
        return (
            f"experiment.{modality}: {natural} stimuli of split test in the dataset; wanted at least {least}, even if "
            f"all metamers are accepted: practice and catch trials take {before_main}, and {reason}. {advice}, or more "
            "stimuli."
        )
    if with_metamers < (least := practice.metamers + conditions):
        return (
            f"experiment.{modality}: metamers are made of {with_metamers} stimuli; wanted at least {least}, even if "
            f"all are accepted: practice takes {practice.metamers}, and {reason}. {advice}, or a larger "
            f"stimuli.{modality}.number."
        )
    return None


def unavailable_experiments(plan: Any) -> dict[str, str]:
    """Targets of the experiment that a run cannot make → why, and which configuration could."""
    presented, reasons = plan.experiment_stages, {}
    if not presented:
        reasons["experiment"] = (
            "experiment: there are no metamers to present. Name, in experiment.generation_models, generation models "
            "that are also recognition models and have stages after the input."
        )
    for modality in MODALITIES:
        if modality not in presented:
            reasons[f"experiment/{modality}"] = (
                f"experiment: there are no metamers of modality {modality!r} to present: no generation model of this "
                f"modality in experiment.generation_models is also a recognition model, or experiment.{modality} is "
                f"null. Available modalities: {', '.join(presented) or 'none'}."
            )
        elif lacking := _lacking(plan, modality):
            reasons[f"experiment/{modality}"] = lacking
    return reasons


def _lacking(plan: Any, modality: str) -> str | None:
    """What the experiment of a modality lacks: stimuli for its trials, or icons of its categories."""
    settings, stages = plan.settings.experiment, plan.experiment_stages[modality]
    name = plan.dataset_of[next(iter(stages))]
    dataset = plan.datasets[name]
    natural = len(stimuli_of_test_split(name, dataset))
    reason = missing_stimuli(modality, settings.of(modality), stages, natural, len(plan.stimuli[name]))
    if reason is None and MODALITIES[modality].trial.icons:
        reason = missing_icons(settings.icons, stimulus_categories(name, dataset.parameters))
    return reason
