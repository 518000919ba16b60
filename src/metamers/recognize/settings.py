"""Settings of recognition by models, and the check that networks give scores of the classes of their datasets."""

from collections.abc import Mapping
from typing import Annotated

from metamers.config.datasets import DatasetEntry
from metamers.config.fields import Settings, from_to
from metamers.config.models import ModelEntry
from metamers.config.stages import check_class_scores
from metamers.config.tables import category_classes


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


def check_scores(
    models: Mapping[str, ModelEntry], dataset_of: Mapping[str, str], datasets: Mapping[str, DatasetEntry]
) -> None:
    """Check that networks whose output a trace has seen give scores of the classes of their datasets.

    Parameters
    ----------
    models, datasets
        The registries.
    dataset_of
        Model of the run → its dataset.

    Raises
    ------
    ConfigurationError
        For the first network that does not.

    Examples
    --------
    >>> from types import SimpleNamespace as Entry
    >>> from metamers.recognize.settings import check_scores
    >>> scores = {"of_classes": True, "number": 10}
    >>> digits = Entry(traced=Entry(scores=scores), has_classes=True, classes=True)
    >>> table = "resources/datasets/imagenet_16_categories.tsv"
    >>> photographs = Entry(vocabulary=None, parameters={"categories": table})
    >>> check_scores({"digits": digits}, {"digits": "photographs"}, {"photographs": photographs})
    Traceback (most recent call last):
        ...
    metamers.names.ConfigurationError: models: digits: the network gives 10 class scores, but ...
    """
    for name, dataset in dataset_of.items():
        model = models[name]
        scores = model.traced.scores if model.traced else None
        if scores and model.has_classes and not datasets[dataset].vocabulary:
            categories = category_classes(dataset, datasets[dataset].parameters)
            needed = 1 + max(max(indices, default=-1) for indices in categories.values())
            check_class_scores(name, scores, needed, certain=model.classes is True)
