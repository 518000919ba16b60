"""Facts about the published study that differ between modalities (Feather et al. 2023), as one entry each."""

from dataclasses import dataclass

from metamers.names import INPUT_STAGE, NATURAL


@dataclass(frozen=True)
class PublishedExperiments:
    """The published experiments of one modality.

    Attributes
    ----------
    categories
        Number of categories among which participants chose.
    guessing
        Proportion correct of an observer who guesses. Recognition models of sounds have a null class besides the words.
    left_out_stages
        Stages that are not points of the published comparison of participants and models.
    reference_models
        Published models shown for comparison in every figure of the modality.
    stimuli
        Name of the published stimuli, plural.
    """

    categories: int
    guessing: float
    left_out_stages: frozenset[str]
    reference_models: tuple[str, ...]
    stimuli: str


PUBLISHED = {
    "vision": PublishedExperiments(
        categories=16,
        guessing=1 / 16,
        left_out_stages=frozenset({NATURAL, INPUT_STAGE}),
        reference_models=(),
        stimuli="images",
    ),
    "audio": PublishedExperiments(
        categories=793,
        guessing=1 / 794,
        left_out_stages=frozenset({NATURAL}),
        reference_models=("CochCNN9", "CochResNet50"),
        stimuli="words",
    ),
}
