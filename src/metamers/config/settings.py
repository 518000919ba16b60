"""Settings of the steps of a run: sections of the configuration, in which no name needs to be resolved."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from metamers.config.qualities import QUALITIES


@dataclass(frozen=True)
class SynthesisSettings:
    """How metamers are synthesized.

    Attributes
    ----------
    quality
        The run's quality, a name from ``metamers.config.qualities.QUALITIES``.
    seeds
        Number of metamers of each stimulus and stage.
    batch_size
        Number of stimuli of one job, or ``auto`` (``metamers.config.qualities.batch_size_of``).
    target
        Modality → normalized error at which the quality ``converged`` ends, None for none; and generation model → stage
        → another one.
    qualities
        Quality → modality → settings of its procedure.
    """

    quality: str
    seeds: int
    batch_size: int | str
    target: dict[str, dict[str, Any]]
    qualities: dict[str, dict[str, dict[str, Any]]]

    @property
    def procedure(self) -> str:
        """The run's procedure, a name from ``metamers.synthesize.procedures.PROCEDURES``."""
        return QUALITIES[self.quality]

    @property
    def of_modality(self) -> dict[str, dict[str, Any]]:
        """Modality → settings of the run's procedure."""
        return self.qualities[self.quality]


def synthesis_settings(settings: Mapping[str, Any]) -> SynthesisSettings:
    """The configuration's ``synthesis``."""
    common = ("quality", "seeds", "batch_size", "target")
    return SynthesisSettings(
        **{key: settings[key] for key in common},
        qualities={quality: settings[quality] for quality in QUALITIES},
    )


@dataclass(frozen=True)
class RecognitionSettings:
    """The recognition of metamers by other models.

    Attributes
    ----------
    models_per_job
        Number of recognition models of one job.
    """

    models_per_job: int


@dataclass(frozen=True)
class PowerSettings:
    """Simulated experiments that compare two models.

    Attributes
    ----------
    differences
        Differences in recognizability, over all stages.
    participants
        Numbers of participants.
    trials
        Numbers of trials of each participant, model and stage.
    stages
        Number of stages of each published model.
    alpha
        Significance level of the test.
    wanted
        Power that an experiment needs.
    simulations
        Number of simulated experiments of each kind.
    stimuli
        Numbers of distinct stimuli, for power over new stimuli; None for fixed stimuli.
    stimulus_sd
        Standard deviations between stimuli in log odds: ``stimulus``, ``model``, ``stage``.
    stimulus_simulations
        Number of simulated experiments of each kind with new stimuli.
    """

    differences: list[float]
    participants: list[int]
    trials: list[int]
    stages: int
    alpha: float
    wanted: float
    simulations: int
    stimuli: list[int] | None
    stimulus_sd: dict[str, float]
    stimulus_simulations: int

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings as the simulating job takes them."""
        return asdict(self)


@dataclass(frozen=True)
class ComparisonSettings:
    """Statistics of the comparisons.

    Attributes
    ----------
    permutations
        Number of permutations of the permutation tests.
    bootstrap
        Number of samples of each bootstrap interval.
    contrasts
        Pairs of generation models whose recognizability is compared: ``[model, reference]``.
    power
        The simulated experiments.
    """

    permutations: int
    bootstrap: int
    contrasts: list[list[str]]
    power: PowerSettings


def comparison_settings(settings: Mapping[str, Any]) -> ComparisonSettings:
    """The configuration's ``comparison``."""
    return ComparisonSettings(**{**settings, "power": PowerSettings(**settings["power"])})


@dataclass(frozen=True)
class AdaptiveSettings:
    """An adaptive experiment.

    Attributes
    ----------
    question
        ``threshold`` or ``difference``.
    interval
        Largest width of the 95% interval at which it ends, in relative depth or log odds; None for no such end.
    bayes_factor
        Bayes factor at which it ends; None for no such end.
    participants
        Smallest number of participants before it ends.
    trials
        Largest number of main trials of a participant; None for as many as there are stimuli.
    """

    question: str
    interval: float | None
    bayes_factor: float | None
    participants: int
    trials: int | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings as a dictionary, for a rule."""
        return asdict(self)


@dataclass(frozen=True)
class ExperimentSettings:
    """The online experiment.

    Attributes
    ----------
    participants
        Smallest number of participants for whom orders are made.
    metamers
        ``accepted`` or ``all``.
    generation_models
        Names of the models whose metamers are presented; None for the first of each modality
        (``Plan.experiment_stages`` resolves them).
    consent
        Path of the consent form, as configured.
    icons
        Folder of the icons of the categories, as configured; None for words only.
    address
        Address that receives the answers; None if participants save a file.
    adaptive
        The adaptive experiment; None for the fixed design.
    presentation
        Modality → timing and numbers of trials.
    """

    participants: int
    metamers: str
    generation_models: list[str] | None
    consent: str
    icons: str | None
    address: str | None
    adaptive: AdaptiveSettings | None
    presentation: dict[str, dict[str, Any]]

    def trials_required(self, modality: str) -> dict[str, int]:
        """Part of the experiment → number of its trials that must be correct."""
        parts = ("headphones", "practice", "catch")
        return {part: self.presentation[modality].get(part, {"at_least": 0})["at_least"] for part in parts}


def experiment_settings(settings: Mapping[str, Any], modalities: Mapping[str, Any]) -> ExperimentSettings:
    """The configuration's ``experiment``, whose keys of a modality are the presentation."""
    adaptive = settings["adaptive"] and AdaptiveSettings(**settings["adaptive"])
    return ExperimentSettings(
        **{key: value for key, value in settings.items() if key not in modalities} | {"adaptive": adaptive},
        presentation={key: value for key, value in settings.items() if key in modalities},
    )


@dataclass(frozen=True)
class AttackSettings:
    """The attack that trained models are tested against.

    Attributes
    ----------
    on
        ``input`` or ``preprocessing``: the stage that is perturbed.
    norm
        ``l2`` or ``linf``.
    sizes
        Largest norms of the perturbations.
    steps
        Number of steps of projected gradient ascent.
    examples
        Number of examples of the test split.
    """

    on: str
    norm: str
    sizes: list[float]
    steps: int
    examples: int

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings as the testing job takes them."""
        return asdict(self)
