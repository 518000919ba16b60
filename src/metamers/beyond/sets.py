"""Types and names of the extensions of the study, which the plan fills and the jobs use.

A *set* is made by one job. It has *members* (the models whose activations are matched), positions of stages, and
*cases*. A case says which stimulus each member matches, the natural stimulus itself or another one, and from where
synthesis starts. ``metamers.beyond.chosen`` decides which sets are made; ``metamers.beyond.synthesize`` synthesizes
them.
"""

from dataclasses import asdict, dataclass
from typing import Any

OWN, OTHER = "own", "other"  # the stimulus that a member matches
TOGETHER = "together"  # the case of all members at once
NOISE = "noise"  # the start of ordinary metamers
STARTS = ("other_noise", "pink_noise", "stimulus")
PARTS = ("ensemble", "controversial", "starts")
MOST, LEAST = "most", "least"  # the distortions to which a model is most and least sensitive
EXTREMES = (MOST, LEAST)
# Part that compares stages → smallest number of natural stimuli; metamer sets have the distance between two as unit.
FEWEST_STIMULI = {"sensitivity": 1, "metamer_sets": 2}
PRINCIPAL = ("first", "second")  # of the pair of principal distortions


@dataclass(frozen=True)
class BeyondSet:
    """Metamers that one job makes.

    Attributes
    ----------
    part
        ``ensemble``, ``controversial`` or ``starts``.
    modality
        Of the members.
    depths
        Positions, 0 the input and 1 the last stage.
    members
        Model → its stage at each position.
    stimuli
        Stimulus → another stimulus, preferably of another category.
    cases
        Name → ``matched`` (member → ``own`` or ``other``) and ``start``.
    """

    part: str
    modality: str
    depths: list[float]
    members: dict[str, list[str]]
    stimuli: dict[str, str]
    cases: dict[str, dict[str, Any]]

    @property
    def parameters(self) -> dict[str, Any]:
        """The set as the synthesizing job takes it."""
        return asdict(self)


@dataclass(frozen=True)
class ComparedStages:
    """Stages of all models of a modality at the same positions, for measures that compare models at a stimulus.

    Attributes
    ----------
    modality
        Of the models.
    depths
        Positions, 0 the input and 1 the last stage.
    stages
        Model → its stage at each position: the generation models first, then the other recognition models.
    generation_models
        The models whose distortions or metamers are found; all models are asked about them.
    stimuli
        Names of the natural stimuli.
    """

    modality: str
    depths: list[float]
    stages: dict[str, list[str]]
    generation_models: list[str]
    stimuli: list[str]


@dataclass(frozen=True)
class Sensitivity(ComparedStages):
    """Distortions of stimuli that one job finds, for the models of a modality.

    Attributes
    ----------
    iterations
        Largest number of iterations of a search.
    length
        Root mean square of the distortions as exported.
    """

    iterations: int
    length: float

    @property
    def parameters(self) -> dict[str, Any]:
        """The distortions as the job that finds them takes them: without ``length``, which only their export needs."""
        return {key: value for key, value in asdict(self).items() if key != "length"}


@dataclass(frozen=True)
class MetamerSets(ComparedStages):
    """What is found about the sets of metamers of the generation models of a modality.

    Attributes
    ----------
    steps
        Of the search for the two most different metamers.
    tolerance
        Singular values of the Jacobian up to this part of the largest one count as 0.
    singular_values
        Number of the largest ones that are found one by one.
    """

    steps: int
    tolerance: float
    singular_values: int

    def of_model(self, model: str) -> dict[str, Any]:
        """The sets of one generation model as the job that explores them takes them, with this model first."""
        stages = {model: self.stages[model]} | self.stages
        others = ("generation_models", "modality")
        return {key: value for key, value in asdict(self).items() if key not in others} | {"stages": stages}


@dataclass(frozen=True)
class Beyond:
    """The extensions of a run.

    Attributes
    ----------
    sets
        Name → set.
    recognition_models
        Modality → recognition models that are in no set.
    sensitivity
        Modality → distortions of its stimuli.
    metamer_sets
        Modality → what is found about the sets of metamers of its generation models.
    """

    sets: dict[str, BeyondSet]
    recognition_models: dict[str, list[str]]
    sensitivity: dict[str, Sensitivity]
    metamer_sets: dict[str, MetamerSets]

    @property
    def asked_for(self) -> bool:
        """Whether there is any extension."""
        return bool(self.sets or self.sensitivity or self.metamer_sets)
