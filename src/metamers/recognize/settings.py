"""Settings of recognition by models, and the check that networks give scores of the classes of their datasets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from metamers.config.datasets import DatasetEntry
from metamers.config.fields import Settings, from_to
from metamers.config.models import ModelEntry
from metamers.config.stages import check_class_scores, check_number_of_classes
from metamers.config.tables import category_classes
from metamers.config.vocabularies import VOCABULARIES
from metamers.names import ConfigurationError

ABOUT_CLASSES = "docs/own_classes.md explains vocabularies"


class RecognitionSettings(Settings):
    """the recognition of metamers by other models"""

    models_per_job: Annotated[
        int,
        from_to(
            "number of recognition models in one job",
            1,
            10_000,
            more="Groups are consecutive models of one modality. A larger number makes fewer jobs; a model that is "
            "added at the end, is changed or fails reruns its group only. Answers do not depend on it, but a change "
            "makes them again.",
        ),
    ] = 16


def check_classes(
    keys: Mapping[str, str],
    models: Mapping[str, ModelEntry],
    dataset_of: Mapping[str, str],
    datasets: Mapping[str, DatasetEntry],
) -> None:
    """Check that the classes of each network that answers by its class scores are those of a table of its dataset.

    Parameters
    ----------
    keys
        Model that names categories → the key of the configuration that names it.
    models, datasets
        The registries.
    dataset_of
        Model of the run → its dataset.

    Raises
    ------
    metamers.config.stages.NoClassScoresError
        When a trace has seen that a network gives features.
    ConfigurationError
        For the first network whose vocabulary is unknown or is not one of the dataset, or that has fewer classes than
        the table, as far as a trace has seen.

    Examples
    --------
    >>> from types import SimpleNamespace as Entry
    >>> from metamers.recognize.settings import check_classes
    >>> digits = Entry(has_classes=True, traced=None, readout=None, training=None)
    >>> digits.vocabulary_for = lambda *_: "digits.csv"
    >>> photographs = Entry(vocabulary="imagenet_1k", tables={"imagenet_1k": "classes.tsv"}, categories="classes.tsv")
    >>> keys = {"digits": "recognition_models.0"}
    >>> check_classes(keys, {"digits": digits}, {"digits": "photographs"}, {"photographs": photographs})
    Traceback (most recent call last):
        ...
    metamers.names.ConfigurationError: recognition_models.0: the classes of 'digits' are those of digits.csv, ...
    """
    for name, key in keys.items():
        model, dataset = models[name], datasets[dataset_of[name]]
        if not model.has_classes:
            continue
        scores = model.traced.scores if model.traced else None
        if scores:
            check_class_scores(name, scores, certain=model.classes is True)
        if model.readout is not None:  # which ``readout_of`` refuses
            continue
        vocabulary = model.vocabulary_for(dataset, datasets)
        # The classes of a network that the run trains are compared one by one (``train.settings.check_vocabulary``).
        if not model.training and vocabulary not in dataset.tables:
            raise ConfigurationError(_other_vocabulary(key, name, vocabulary, dataset_of[name], dataset))
        table = dataset.table_for(vocabulary)
        if scores and Path(table).is_file():
            classes = category_classes(dataset_of[name], {"categories": table})
            check_number_of_classes(name, scores["number"], table, classes)


def _other_vocabulary(key: str, model: str, vocabulary: str | None, dataset: str, entry: DatasetEntry) -> str:
    """Why a model cannot be asked about the stimuli of a dataset, and what would do."""
    asked = f"dataset {dataset!r} has the classes of {' or '.join(entry.tables)}"
    model_remedies = [
        "`classes: false` and `readout: linear` in the entry of the model",
        f"for a CLIP model, `vocabulary: {entry.vocabulary}` in its entry",
        f"a run without {model!r}, or with another dataset (`stimuli`; `metamers add` takes a run as --run)",
    ]
    if vocabulary is None:
        problem = f"nothing states what the classes of {model!r} are, and {asked}"
        remedies = [
            f"`vocabulary` in the entry of the model (`metamers add --vocabulary`): {', '.join(VOCABULARIES)}, or the "
            "path of a table of its classes"
        ]
    else:
        problem = f"the classes of {model!r} are those of {vocabulary}, but {asked}"
        remedies = [
            f"`other_vocabularies: {{{vocabulary}: TABLE}}` in the entry of the dataset: a table with the classes of "
            f"{vocabulary} for each category",
            f"`vocabulary: {vocabulary}` in the entry of the dataset, if its `categories` table has these classes",
        ]
    return "\n  ".join([f"{key}: {problem}. {ABOUT_CLASSES}. Expected one of", *remedies, *model_remedies])
