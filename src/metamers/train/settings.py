"""Settings of the tests of trained models, and the check of their classes."""

from collections.abc import Mapping
from typing import Annotated

from metamers.config.datasets import DatasetEntry
from metamers.config.fields import Number, Settings, from_to, one_of, setting, several
from metamers.config.models import Training
from metamers.config.tables import category_classes
from metamers.names import ConfigurationError


class AttackSettings(Settings):
    """the attack against which trained models are tested"""

    on: Annotated[
        str,
        one_of(
            ("input", "preprocessing"),
            more='What is perturbed. Write `"on"` in quotes: YAML reads on as true.',
        ),
    ] = "preprocessing"
    norm: Annotated[str, one_of(("l2", "linf"))] = "l2"
    sizes: Annotated[
        list[Annotated[Number, setting("a largest norm of the perturbations, above 0", gt=0)]],
        several("largest norms of the perturbations, above 0"),
    ] = [0.25, 0.5, 1]
    steps: Annotated[
        int,
        from_to("number of steps of projected gradient ascent", 1, 100_000, more="Each has length 2.5 × size / steps."),
    ] = 5
    examples: Annotated[int, from_to("number of examples of the test split", 1, 10_000_000)] = 16


class TrainingSettings(Settings):
    """the tests of the models that the run trains; a model's own training is in the registry of models"""

    attack: AttackSettings = AttackSettings()


def check_vocabulary(
    training: Mapping[str, Training], datasets: Mapping[str, DatasetEntry], dataset_of: Mapping[str, str]
) -> None:
    """Check that the trained models learn the classes of the dataset that they are tested on.

    Raises
    ------
    ConfigurationError
        For the first model that does not.
    """
    for name, settings in training.items():
        learned, tested = settings.dataset, dataset_of[name]
        if datasets[tested].encodings:
            raise ConfigurationError(
                f"stimuli: the categories of {tested!r} are those of published models; {name!r}, which this run trains "
                f"on {learned!r}, does not know them"
            )
        trained_classes = category_classes(learned, datasets[learned].parameters)
        tested_classes = category_classes(
            tested, {"categories": datasets[tested].table_for(datasets[learned].vocabulary)}
        )
        category_of = {index: category for category, indices in trained_classes.items() for index in indices}
        for category, indices in tested_classes.items():
            for index in indices:
                if category_of.get(index) != category:
                    raise ConfigurationError(
                        f"models: {name}.weights.train.dataset: class {index} is {category_of.get(index)!r} in "
                        f"{learned!r}, on which the model is trained, but {category!r} in {tested!r}, on which it is "
                        "tested"
                    )
