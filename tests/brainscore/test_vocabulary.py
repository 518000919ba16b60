"""The classes that a model chooses from on a benchmark follow from the categories and the model, not from the run."""

import pytest

from metamers.brainscore.vocabulary import classes_of_choices
from metamers.config.tables import category_classes
from metamers.names import ConfigurationError

DUTCH_OVEN = 544
IMAGENET_CLASSES = 1000


def table(root, name):
    return category_classes(name, {"categories": root / "resources" / "datasets" / f"{name}.tsv"})


@pytest.fixture(scope="module")
def study(root):
    return table(root, "imagenet_16_categories_study")


@pytest.mark.parametrize(
    "name", ["imagenet_16_categories", "imagenet_16_categories_study", "imagenet_photographs_categories"]
)
def test_the_16_published_categories_are_those_of_the_study_whichever_dataset_the_run_has(root, study, name):
    classes = classes_of_choices(sorted(study), table(root, name), [study], IMAGENET_CLASSES, "m")
    assert classes == {category: study[category] for category in sorted(study)}
    assert DUTCH_OVEN in classes["oven"]
    assert DUTCH_OVEN not in table(root, "imagenet_16_categories")["oven"]


def test_categories_of_the_models_dataset_are_its_classes(study):
    own = {"cat": [1], "dog": [2]}  # the study has both too, with more classes
    assert classes_of_choices(["dog", "cat"], own, [study], IMAGENET_CLASSES, "m") == {"dog": [2], "cat": [1]}
    # Some of the categories of both: published first.
    assert classes_of_choices(["dog"], own, [study], IMAGENET_CLASSES, "m") == {"dog": study["dog"]}
    assert classes_of_choices(["dog"], own, [], IMAGENET_CLASSES, "m") == {"dog": [2]}


def test_a_model_with_other_classes_is_not_asked_for_the_categories_of_the_study(study):
    own = {"cat": [0], "dog": [1]}
    with pytest.raises(ConfigurationError, match=r"^m: .*'airplane'"):
        classes_of_choices(sorted(study), own, [], IMAGENET_CLASSES, "m")


def test_categories_without_classes_are_errors(study):
    with pytest.raises(ConfigurationError, match=r"^m: .*'lion'.* cat, hat\."):
        classes_of_choices(["lion", "hat"], {"cat": [0], "hat": [1]}, [study], IMAGENET_CLASSES, "m")
    with pytest.raises(ConfigurationError, match=r"^m: .*\b5 classes.*\bclass 7\b"):
        classes_of_choices(["hat"], {"hat": [7]}, [study], 5, "m")
