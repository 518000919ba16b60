"""Settings of the null distribution and of acceptance, and the datasets whose stimuli are paired."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from metamers.config.datasets import DatasetEntry, stimuli_of_test_split
from metamers.config.fields import Settings, from_to, of_modalities, setting, some_of
from metamers.names import ConfigurationError
from metamers.run.declared import MEASURE_NAMES
from metamers.stimuli.settings import dataset_of_modality

Datasets: Any = of_modalities(
    "Datasets",
    str | None,
    "for each modality, the dataset whose stimuli are paired: all stimuli of its split `test`",
    "a name from the registry of datasets, or null: stimuli.{}.dataset",
)


class NullSettings(Settings):
    """the null distribution: the match of pairs of different natural stimuli"""

    dataset: Datasets = Datasets()
    pairs: Annotated[
        int,
        from_to("number of pairs of different stimuli, each pair once", 1, 10_000_000, "all pairs if there are fewer"),
    ] = 1000


class AcceptanceSettings(Settings):
    """which metamers are accepted; a change reruns neither synthesis nor recognition"""

    measures: Annotated[
        list[str],
        some_of(MEASURE_NAMES, "the measures of match that must each be at least the largest of the null distribution"),
    ] = ["spearman_rho", "pearson_r", "snr_db"]  # a further measure decides only if a run names it
    converged: Annotated[
        bool,
        setting(
            "true or false: whether a metamer that was synthesized to a target must have reached it; "
            "false is the published rule"
        ),
    ] = True


def null_datasets(
    settings: NullSettings, stimuli: Iterable[str], datasets: Mapping[str, DatasetEntry]
) -> dict[str, str]:
    """Modality → dataset whose pairs make the null distribution: that of ``null.dataset``, or else the run's.

    Raises
    ------
    ConfigurationError
        When a dataset is not registered, is of another modality, or has too few stimuli.
    """
    chosen = {datasets[name].modality: name for name in stimuli}
    for modality, name in settings.dataset.items():
        key = f"null.dataset.{modality}"
        entry = dataset_of_modality(name, modality, datasets, key)
        if modality not in chosen:  # the run has no model of it
            continue
        if (number := len(stimuli_of_test_split(name, entry))) < 2:
            raise ConfigurationError(f"{key}: {name!r} has {number} stimuli of split test; pairs need two at least")
        chosen[modality] = name
    return chosen
