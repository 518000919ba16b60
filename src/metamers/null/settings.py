"""Settings of the null distribution and of acceptance."""

from typing import Annotated, Any

from pydantic import Field

from metamers.config.fields import Settings, from_to, of_modalities, some_of
from metamers.run.declared import MEASURES

Datasets: Any = of_modalities(
    "Datasets",
    str | None,
    "for each modality, the dataset whose stimuli are paired: all stimuli of its split `test`",
    "a name from the registry of datasets, or null: stimuli.{}.dataset",
)


class NullSettings(Settings):
    """a mapping: of which natural stimuli the null distribution is, the match of pairs of different ones"""

    dataset: Datasets = Datasets()
    pairs: Annotated[
        int,
        from_to("number of pairs of different stimuli, each pair once", 1, 10_000_000, "all pairs if there are fewer"),
    ] = 1000


class AcceptanceSettings(Settings):
    """a mapping: which metamers are accepted; a change reruns neither synthesis nor recognition"""

    measures: Annotated[
        list[str],
        some_of(MEASURES, "the measures of match that must each be at least the largest of the null distribution"),
    ] = [*MEASURES]
    converged: Annotated[
        bool,
        Field(
            description="true or false: whether a metamer that was synthesized to a target must have reached it; "
            "false is the published rule"
        ),
    ] = True
