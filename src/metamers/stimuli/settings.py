"""Settings of the natural stimuli, and their choice from the registry of datasets."""

from collections.abc import Container, Iterable, Mapping
from typing import Annotated, Any

from metamers.config.datasets import DatasetEntry, stimuli_of_test_split
from metamers.config.fields import OfModalities, Settings, from_to, of_modalities, setting
from metamers.names import ConfigurationError, unknown_name


class Stimuli(Settings):
    """dataset and number of stimuli"""

    dataset: Annotated[str, setting("a name from the registry of datasets")]
    number: Annotated[
        int | None,
        from_to(
            "number of stimuli",
            1,
            1_000_000,
            "null means all",
            "The first of the split `test`. A file that is laid over `config.yaml` and names only a dataset keeps the "
            "default's `number`: give both.",
        ),
    ] = None


StimuliSettings: Any = of_modalities(
    "StimuliSettings", Stimuli | None, "for each modality, its dataset", "dataset and number of stimuli of {}, or null"
)


def metamer_stimuli(
    settings: OfModalities,
    modalities: Iterable[str],
    datasets: Mapping[str, DatasetEntry],
    unusable: Container[tuple[str, str]] = (),
) -> dict[str, list[dict[str, str]]]:
    """The datasets of the modalities of the run's models, with the rows for which metamers are made.

    The stimuli ``unusable`` (dataset, name) are left out, and no others take their place.

    Raises
    ------
    ConfigurationError
        When a dataset is not registered, is of another modality, or has too few stimuli.
    """
    stimuli = {}
    for modality in modalities:
        chosen: Stimuli | None = settings.of(modality)
        if chosen is None:
            continue
        key, name = f"stimuli.{modality}.dataset", chosen.dataset
        entry = dataset_of_modality(name, modality, datasets, key)
        rows = stimuli_of_test_split(name, entry)
        if len(rows) < 2:
            raise ConfigurationError(
                f"datasets: {name}: {len(rows)} stimuli of split test; a null distribution needs two at least"
            )
        number = chosen.number or len(rows)
        if number > len(rows):
            raise ConfigurationError(f"stimuli.{modality}.number: {number}, but {name!r} has {len(rows)} stimuli")
        stimuli[name] = [row for row in rows[:number] if (name, row["stimulus"]) not in unusable]
    return stimuli


def dataset_of_modality(name: str, modality: str, datasets: Mapping[str, DatasetEntry], key: str) -> DatasetEntry:
    """A registered dataset of a modality.

    Raises
    ------
    ConfigurationError
        With ``key``, when there is none.
    """
    if name not in datasets:
        raise unknown_name("dataset", name, datasets, key)
    if (other := datasets[name].modality) != modality:
        raise ConfigurationError(f"{key}: {name!r} is of modality {other!r}")
    return datasets[name]
