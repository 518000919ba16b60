"""Settings of the prediction of brain responses and of the similarity of representations, and what they analyse."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from metamers.config.datasets import DatasetEntry, stimuli_of_test_split
from metamers.config.fields import Number, Settings, from_to, setting
from metamers.config.models import Analysed, ModelEntry, analysed_models
from metamers.config.read import resolve_path
from metamers.modalities import MODALITIES
from metamers.names import INPUT_STAGE, ConfigurationError, unknown_name

MIN_REGRESSION_STIMULI = 8  # one half fits the regression, the other half tests it
# Its dataset is used if `analyses.brain.dataset` is null.
DEFAULT_MODALITY = next(name for name, modality in MODALITIES.items() if modality.brain_responses)
KEY = "analyses.brain"


class SimulatedSettings(Settings):
    """a simulated brain"""

    model: Annotated[str | None, setting("a name from the registry of models, or null: the first analysed model")] = (
        None
    )
    stage: Annotated[str | None, setting("one of its stages, or null: the middle one")] = None
    participants: Annotated[int, from_to("number of participants", 2, 1000)] = 12
    voxels: Annotated[int, from_to("number of voxels of each participant", 2, 100_000)] = 10
    repetitions: Annotated[int, from_to("number of repetitions of each stimulus", 2, 100)] = 3
    noise: Annotated[
        Number,
        from_to(
            "standard deviation of the noise of a repetition, relative to that of a voxel's response over stimuli",
            0,
            1000,
        ),
    ] = 1


class BrainSettings(Settings):
    """prediction of voxel responses to natural stimuli"""

    models: Analysed = "generation"
    dataset: Annotated[
        str | None,
        setting(
            f"a name from the registry of datasets, or null: that of stimuli.{DEFAULT_MODALITY}",
        ),
    ] = None
    number: Annotated[
        int | None,
        from_to(
            "largest number of its stimuli",
            MIN_REGRESSION_STIMULI,
            1_000_000,
            "from the top of its table; null means all",
        ),
    ] = 48
    responses: Annotated[
        str | None,
        setting("path of a NetCDF file with response (stimulus, voxel, repetition), or null: a simulated brain"),
    ] = None
    simulated: SimulatedSettings = SimulatedSettings()
    splits: Annotated[int, from_to("number of random halves of the stimuli", 1, 1000, "published: 10")] = 5
    shuffles: Annotated[int, from_to("number of random orders of the stimuli, for the baseline", 19, 10_000)] = 49


class SimilaritySettings(Settings):
    """similarity of representations, between all stages of all models of a modality"""

    models: Analysed = "generation"


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


def analysed_stages(modality: str, stages: Iterable[str]) -> list[str]:
    """The stages whose representations are compared: all, without the input if the modality does not compare it."""
    return [stage for stage in stages if MODALITIES[modality].time_axis is None or stage != INPUT_STAGE]


def plan_similarity(
    settings: SimilaritySettings | None, generation_models: Iterable[str], models: Mapping[str, ModelEntry]
) -> Similarity:
    """The compared models; none if the analysis is left out."""
    chosen = settings and settings.models
    return Similarity(analysed_models(chosen, "analyses.similarity.models", generation_models, models))


def plan_brain(
    settings: BrainSettings | None,
    default_dataset: str | None,
    generation_models: Mapping[str, list[str]],
    models: Mapping[str, ModelEntry],
    datasets: Mapping[str, DatasetEntry],
) -> Brain:
    """The models that predict responses, the presented stimuli, and the source of the responses.

    Raises
    ------
    ConfigurationError
        For the first name or setting that cannot be used.
    """
    dataset = (settings and settings.dataset) or default_dataset
    if settings is None or not settings.models or dataset is None:
        return Brain(models=[])
    if dataset not in datasets:
        raise unknown_name("dataset", dataset, datasets, f"{KEY}.dataset")
    modality = datasets[dataset].modality
    chosen = analysed_models(settings.models, f"{KEY}.models", generation_models, models, modality)
    if not chosen:
        return Brain(models=[])
    if (stimuli := len(stimuli_of_test_split(dataset, datasets[dataset]))) < MIN_REGRESSION_STIMULI:
        raise ConfigurationError(
            f"{KEY}.dataset: {dataset!r} has {stimuli} stimuli of split test; a regression with halves of them "
            f"needs {MIN_REGRESSION_STIMULI} at least. A run without it needs `analyses: {{brain: null}}`."
        )
    responses = _responses(settings.responses) if settings.responses else None
    return Brain(
        models=chosen,
        dataset=dataset,
        number=settings.number,
        responses=responses,
        simulated=None if responses else _simulated(settings.simulated, chosen[0], modality, models),
        splits=settings.splits,
        shuffles=settings.shuffles,
    )


def _responses(path: str) -> str:
    """The resolved path of the file of responses, which must be NetCDF."""
    responses = resolve_path(path)
    if not Path(responses).is_file():
        raise ConfigurationError(f"{KEY}.responses: there is no file {responses}; wanted NetCDF, or null")
    from metamers.run.files import check_foreign  # here, because it imports the NetCDF libraries

    try:
        check_foreign(responses)
    except Exception as error:  # readers of damaged files raise errors of many types
        raise ConfigurationError(f"{KEY}.responses: {responses} cannot be read as NetCDF: {error}") from None
    return responses


def _simulated(
    settings: SimulatedSettings, first: str, modality: str, models: Mapping[str, ModelEntry]
) -> SimulatedBrain:
    """The simulated brain; by default of the first analysed model and its middle stage."""
    model = settings.model or first
    analysed_models([model], f"{KEY}.simulated.model", [], models, modality)
    stages = analysed_stages(modality, models[model].stages)
    stage = settings.stage or stages[len(stages) // 2]
    if stage not in stages:
        raise unknown_name("stage", stage, stages, f"{KEY}.simulated.stage ({model})")
    return SimulatedBrain(**settings.parameters | {"model": model, "stage": stage})
