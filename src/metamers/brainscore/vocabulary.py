"""Which classes of a model stand for the categories that a benchmark of Brain-Score lets it choose from.

The tables of datasets may give other classes to the same category: that of the published study has class 544, Dutch
oven, as oven, and others leave it out. The choice of the table follows from the categories and the model only. It does
not depend on the run's dataset if a published table has the categories, so a model gives the same answers in each run.
"""

from collections.abc import Mapping, Sequence

from metamers.names import ConfigurationError, unknown_name

Vocabulary = Mapping[str, Sequence[int]]  # category → class indices


def classes_of_choices(
    choices: Sequence[str], own: Vocabulary, published: Sequence[Vocabulary], number: int, model: str
) -> dict[str, list[int]]:
    """The classes of each category to choose from, all of one vocabulary.

    A vocabulary with exactly these categories comes before one that has others too, and then a published one before
    that of the model's dataset.

    Parameters
    ----------
    choices
        Categories.
    own
        Vocabulary of the model's dataset.
    published
        Vocabularies of published experiments, of ImageNet's classes. Empty for a model with other classes.
    number
        Number of the model's classes.
    model
        Name of the model, for messages.

    Returns
    -------
    dict
        Category → class indices.

    Raises
    ------
    metamers.names.ConfigurationError
        When no vocabulary that the model can use has all categories, or the model does not have a class.
    """
    usable = [*published, own]
    complete = [vocabulary for vocabulary in usable if set(choices) <= vocabulary.keys()]
    exact = [vocabulary for vocabulary in complete if set(choices) == vocabulary.keys()]
    if not complete:
        nearest = max(usable, key=lambda vocabulary: len(set(choices) & vocabulary.keys()))
        unknown = next(choice for choice in choices if choice not in nearest)
        raise unknown_name("category", unknown, nearest, model)
    vocabulary = (exact or complete)[0]
    classes = {choice: list(vocabulary[choice]) for choice in choices}
    if (largest := max(index for indices in classes.values() for index in indices)) >= number:
        raise ConfigurationError(
            f"{model}: it has {number} classes, but its dataset's `categories` table names class {largest}"
        )
    return classes
