"""What publishers state about the classes of their weights; the number of classes states nothing."""

import pytest
from torchvision.models import ResNet18_Weights

from metamers.config.vocabularies import IMAGENET, class_names, vocabulary_of_names, vocabulary_of_tag
from metamers.models.sources.transformers import _vocabulary
from metamers.names import ConfigurationError

NAMES = ResNet18_Weights.DEFAULT.meta["categories"]


def test_class_names_of_imagenet_in_their_order_are_its_vocabulary():
    assert vocabulary_of_names(NAMES) == IMAGENET
    assert vocabulary_of_names([f"{name.upper()}, another name" for name in NAMES]) == IMAGENET


@pytest.mark.parametrize("names", [NAMES[1:] + NAMES[:1], [f"LABEL_{index}" for index in range(1000)], NAMES[:999], []])
def test_other_names_or_another_order_are_another_vocabulary(names):
    assert vocabulary_of_names(names) is None


def test_a_configuration_of_transformers_names_classes_by_their_index():
    labels = {str(index): name for index, name in enumerate(NAMES)}
    assert _vocabulary(labels) == IMAGENET
    assert _vocabulary(dict(reversed(labels.items()))) == IMAGENET
    assert _vocabulary({str(index + 1): name for index, name in enumerate(NAMES)}) is None
    assert _vocabulary(None) is None


@pytest.mark.parametrize(
    ("tag", "classes", "vocabulary"),
    [
        ("in1k", 1000, IMAGENET),
        ("augreg_in21k_ft_in1k", 1000, IMAGENET),
        ("sail_in22k_ft_in1k_384", 1000, IMAGENET),
        ("in1k", 6, None),  # another layer of classes
        ("in1k_ijepa", 1000, None),
        ("fb_dino", 1000, None),
        ("openai_ft_in12k", 11821, None),
        (None, 1000, None),
    ],
)
def test_the_tag_of_timm_names_the_last_dataset_of_the_training(tag, classes, vocabulary):
    assert vocabulary_of_tag({"tag": tag, "num_classes": classes}) == vocabulary
    assert vocabulary_of_tag({"tag": tag, "num_classes": classes, "label_names": ["cat"]}) is None


def test_a_vocabulary_has_a_name_for_each_class(tmp_path):
    table = tmp_path / "classes.csv"
    table.write_text("class_index,category\n1,dog\n0,cat\n")
    assert class_names(table) == ["cat", "dog"]
    table.write_text("class_index,category\n2,dog\n0,cat\n")
    with pytest.raises(ConfigurationError, match=r"classes\.csv: .*\bclass 1\b"):
        class_names(table)
