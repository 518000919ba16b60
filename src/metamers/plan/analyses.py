"""Complementary analyses: adversarial vulnerability, prediction of brain responses, similarity of representations."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metamers.config.read import resolve_path
from metamers.modalities import MODALITIES
from metamers.names import INPUT_STAGE, ConfigurationError, unknown_name
from metamers.plan.datasets import DatasetEntry, stimuli_of_test_split
from metamers.plan.models import ModelEntry, check_has_classes

MIN_REGRESSION_STIMULI = 8  # one half fits the regression, the other half tests it
KEY = "analyses"


@dataclass(frozen=True)
class Vulnerability:
    """Adversarial attacks on natural stimuli.

    Attributes
    ----------
    models
        Names of the attacked models; none if the analysis is left out, when the other attributes are None or empty.
    steps
        Steps of projected gradient ascent.
    step_size
        Length of a step, as a part of the largest norm.
    sizes
        Modality → norm (``l2``, ``linf``) → largest norms of the perturbations, in units of the stimulus.
    """

    models: list[str]
    steps: int | None
    step_size: float | None
    sizes: dict[str, dict[str, list[float]]]

    @property
    def used_models(self) -> list[str]:
        """All models that the analysis computes with."""
        return self.models


@dataclass(frozen=True)
class SimulatedBrain:
    """Responses that are simulated from the activations of a model.

    Attributes
    ----------
    model, stage
        Whose activations.
    participants, voxels, repetitions
        Number of simulated participants, of voxels of each, and of repetitions of each stimulus.
    noise
        Standard deviation of a repetition; that of a voxel over stimuli is 1.
    """

    model: str
    stage: str
    participants: int
    voxels: int
    repetitions: int
    noise: float

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings as the simulating job takes them."""
        return asdict(self)


@dataclass(frozen=True)
class Brain:
    """Prediction of voxel responses to natural stimuli.

    Attributes
    ----------
    models
        Names of the predicting models; none if the analysis is left out, when the other attributes are None.
    dataset
        Name of the dataset whose stimuli were presented.
    number
        Largest number of its stimuli; None for all.
    responses
        Path of the file of measured responses; None for a simulated brain.
    simulated
        The simulated brain; None for measured responses.
    splits
        Number of random halves of the stimuli.
    shuffles
        Number of random orders of the stimuli for the baseline.
    """

    models: list[str]
    dataset: str | None = None
    number: int | None = None
    responses: str | None = None
    simulated: SimulatedBrain | None = None
    splits: int | None = None
    shuffles: int | None = None

    @property
    def datasets(self) -> list[str]:
        """The dataset in a list, which is empty if the analysis is left out."""
        return [] if self.dataset is None else [self.dataset]

    @property
    def used_models(self) -> list[str]:
        """All models that the analysis computes with, that of the simulated brain included."""
        return [*self.models, *([self.simulated.model] if self.simulated else [])]


@dataclass(frozen=True)
class Similarity:
    """Similarity of representations between the stages of the models of a modality.

    Attributes
    ----------
    models
        Names of the compared models; none if the analysis is left out.
    """

    models: list[str]

    @property
    def used_models(self) -> list[str]:
        """All models that the analysis computes with."""
        return self.models


@dataclass(frozen=True)
class Analyses:
    """The complementary analyses of a run.

    Attributes
    ----------
    vulnerability, similarity, brain
        Each with its ``models``, none if it is left out.
    """

    vulnerability: Vulnerability
    similarity: Similarity
    brain: Brain

    @property
    def used_models(self) -> list[str]:
        """All models that an analysis computes with, each once."""
        analyses = (self.vulnerability, self.similarity, self.brain)
        return list(dict.fromkeys(name for analysis in analyses for name in analysis.used_models))


def analysed_stages(modality: str, stages: Iterable[str]) -> list[str]:
    """The stages whose representations are compared: all, without the input if the modality does not compare it."""
    return [stage for stage in stages if MODALITIES[modality].time_axis is None or stage != INPUT_STAGE]


def _analysed_models(
    chosen: Any, key: str, generation_models: Iterable[str], models: Mapping[str, ModelEntry], modality: str | None
) -> list[str]:
    """The models of an analysis: the generation models of the modality (None: of any), or those that are named."""
    if chosen == "generation":
        return [name for name in generation_models if modality in (None, models[name].modality)]
    for number, name in enumerate(chosen or []):
        if name not in models:
            raise unknown_name("model", name, models, f"{key}.{number}")
        if modality not in (None, models[name].modality):
            raise ConfigurationError(
                f"{key}.{number}: {name!r} is of modality {models[name].modality!r}, but the stimuli of "
                f"analyses.brain.dataset are of {modality!r}"
            )
    return list(chosen or [])


def plan_analyses(
    config: Mapping[str, Any],
    generation_models: Mapping[str, list[str]],
    models: Mapping[str, ModelEntry],
    datasets: Mapping[str, DatasetEntry],
) -> Analyses:
    """Resolve and check the configuration's ``analyses``.

    Raises
    ------
    ConfigurationError
        For the first name or setting that cannot be used.
    """
    given = {name: settings or {} for name, settings in config["analyses"].items()}
    return Analyses(
        vulnerability=_vulnerability(given["vulnerability"], generation_models, models),
        similarity=Similarity(
            _analysed_models(
                given["similarity"].get("models"), f"{KEY}.similarity.models", generation_models, models, None
            )
        ),
        brain=_brain(config, given["brain"], generation_models, models, datasets),
    )


def _vulnerability(
    given: Mapping[str, Any], generation_models: Iterable[str], models: Mapping[str, ModelEntry]
) -> Vulnerability:
    """The attacked models, with sizes of the attacks for the modality of each."""
    key = f"{KEY}.vulnerability"
    chosen = _analysed_models(given.get("models"), f"{key}.models", generation_models, models, None)
    sizes = {modality: given[modality] for modality in MODALITIES if modality in given}
    if given.get("models") == "generation":
        chosen = [name for name in chosen if models[name].has_classes]
    for name in chosen:
        check_has_classes(name, models[name], f"{key}.models", "whose answers no attack can change")
        if (modality := models[name].modality) not in sizes:
            raise ConfigurationError(f"{key}.{modality}: missing; sizes of the attacks on {name!r}")
    return Vulnerability(chosen, given.get("steps"), given.get("step_size"), sizes)


def _brain(
    config: Mapping[str, Any],
    given: Mapping[str, Any],
    generation_models: Mapping[str, list[str]],
    models: Mapping[str, ModelEntry],
    datasets: Mapping[str, DatasetEntry],
) -> Brain:
    """The models that predict responses, the presented stimuli, and the source of the responses."""
    key = f"{KEY}.brain"
    default = next(name for name, about in MODALITIES.items() if about.brain_responses)
    dataset = given.get("dataset") or config["stimuli"].get(default, {}).get("dataset")
    if not given.get("models") or dataset is None:
        return Brain(models=[])
    if dataset not in datasets:
        raise unknown_name("dataset", dataset, datasets, f"{key}.dataset")
    modality = datasets[dataset].modality
    chosen = _analysed_models(given["models"], f"{key}.models", generation_models, models, modality)
    if not chosen:
        return Brain(models=[])
    if (stimuli := len(stimuli_of_test_split(dataset, datasets[dataset]))) < MIN_REGRESSION_STIMULI:
        raise ConfigurationError(
            f"{key}.dataset: {dataset!r} has {stimuli} stimuli of split test; a regression with halves of them "
            f"needs {MIN_REGRESSION_STIMULI} at least. A run without it needs `analyses: {{brain: null}}`."
        )
    responses = _responses(given["responses"], key) if given["responses"] else None
    return Brain(
        models=chosen,
        dataset=dataset,
        number=given["number"],
        responses=responses,
        simulated=None if responses else _simulated(given["simulated"], chosen[0], modality, models, key),
        splits=given["splits"],
        shuffles=given["shuffles"],
    )


def _responses(path: str, key: str) -> str:
    """The resolved path of the file of responses, which must be NetCDF."""
    responses = resolve_path(path)
    if not Path(responses).is_file():
        raise ConfigurationError(f"{key}.responses: there is no file {responses}; wanted NetCDF, or null")
    from metamers.run.files import check_foreign  # here, because it imports the NetCDF libraries

    try:
        check_foreign(responses)
    except Exception as error:  # readers of damaged files raise errors of many types
        raise ConfigurationError(f"{key}.responses: {responses} cannot be read as NetCDF: {error}") from None
    return responses


def _simulated(
    given: Mapping[str, Any], first: str, modality: str, models: Mapping[str, ModelEntry], key: str
) -> SimulatedBrain:
    """The simulated brain; by default of the first analysed model and its middle stage."""
    model = given["model"] or first
    _analysed_models([model], f"{key}.simulated.model", [], models, modality)
    stages = analysed_stages(modality, models[model].stages)
    stage = given["stage"] or stages[len(stages) // 2]
    if stage not in stages:
        raise unknown_name("stage", stage, stages, f"{key}.simulated.stage ({model})")
    return SimulatedBrain(**dict(given) | {"model": model, "stage": stage})
