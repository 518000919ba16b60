"""A class index means something in one vocabulary only: networks are asked about categories of their own classes."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
import yaml

from metamers import interactive
from metamers.config import stages
from metamers.config.read import read_yaml
from metamers.config.registry import read_registries
from metamers.config.vocabularies import IMAGENET
from metamers.names import ConfigurationError
from metamers.plan.plan import make_plan
from metamers.plan.steps import merge_defaults

RESNET = {
    "modality": "vision",
    "source": {"torchvision": "resnet18", "arguments": {"num_classes": 6}},
    "weights": {"path": "animals.pth"},
    "input": {"size": 64, "mean": [0, 0, 0], "std": [1, 1, 1]},
    "stages": {"input": None, "layer1": "layer1", "logits": "fc"},
}
IMAGES = {
    "modality": "vision",
    "files": {"folder": "."},
    "table": "images.csv",
    "categories": "classes.csv",
    "size": 64,
}
CLIP = {
    "modality": "vision",
    "source": {"open_clip": "RN50-quickgelu"},
    "weights": {"path": "animals.pth", "extra_weights": {"zero_shot": "imagenet", "module": "classify"}},
    "input": RESNET["input"],
    "stages": {"input": None, "logits": "classify"},
}


@pytest.fixture(autouse=True)
def _user_files(tmp_path, monkeypatch):
    """The files of a user with six classes, in the working directory."""
    monkeypatch.chdir(tmp_path)
    names = ("cat", "dog", "fox", "hen", "owl", "pig")
    rows = "".join(f"{index},{name}\n" for index, name in enumerate(names))
    (tmp_path / "classes.csv").write_text(f"class_index,category\n{rows}")
    (tmp_path / "in_imagenet.csv").write_text(
        "class_index,category\n281,cat\n207,dog\n277,fox\n8,hen\n24,owl\n341,pig\n"
    )
    (tmp_path / "images.csv").write_text("file,category\na.png,cat\nb.png,pig\n")
    for name in ("a.png", "b.png", "animals.pth"):
        (tmp_path / name).touch()


def plan_of(recognition_models, entry=RESNET, dataset=IMAGES, generation_models=("mine",), **settings):
    run = {
        "models": {"mine": entry},
        "datasets": {"images": dataset},
        "stimuli": {"vision": {"dataset": "images", "number": None}},
        "generation_models": list(generation_models),
        "recognition_models": recognition_models,
        "comparison": {"contrasts": []},
        "beyond": {"models": []},
        "analyses": {"vulnerability": None, "brain": None, "similarity": None},
    }
    return make_plan(merge_defaults(run | settings))


OWN = RESNET | {"vocabulary": "classes.csv"}


def test_a_network_of_imagenet_is_not_asked_about_other_classes():
    message = r"(?s)^recognition_models\.1: .*'efficientnet_lite1' .*\bimagenet_1k\b.*'images' .*\bclasses\.csv\b"
    with pytest.raises(ConfigurationError, match=rf"{message}.*other_vocabularies: {{imagenet_1k: .*readout: linear"):
        plan_of(["mine", "efficientnet_lite1"], OWN)


def test_a_network_and_a_dataset_that_share_a_table_are_a_run():
    plan = plan_of(["mine"], OWN)
    assert plan.vocabulary_of("mine") == "classes.csv"
    assert plan.recognition_groups == {"vision_0": ["mine"]}
    # The same table by another path.
    assert plan_of(["mine"], RESNET | {"vocabulary": "./classes.csv"}).categories_of("mine") == "classes.csv"


@pytest.mark.parametrize("role", ["generation_models", "recognition_models", "model"])
def test_unknown_classes_are_refused_whatever_their_number(role):
    """A network with as many classes as ImageNet may have others."""
    thousand = RESNET | {"source": {"torchvision": "resnet18"}}
    settings = {"stimuli": {"vision": {"dataset": "imagenet_photographs", "number": 3}}}
    of_role = {
        "generation_models": {"recognition_models": ["efficientnet_lite1"]},
        "recognition_models": {"recognition_models": ["mine"], "generation_models": ["efficientnet_lite1"]},
        "model": {"recognition_models": [], "generation_models": [], "model": "mine"},
    }[role]
    key = role if role == "model" else f"{role}.0"
    with pytest.raises(ConfigurationError, match=rf"^{key}: .*'mine'.*imagenet_photographs"):
        plan_of(entry=thousand, **of_role, **settings)
    declared = plan_of(entry=thousand | {"vocabulary": IMAGENET}, **of_role, **settings)
    assert declared.vocabulary_of("mine") == IMAGENET


def test_a_further_table_has_the_classes_of_networks_of_another_vocabulary():
    dataset = IMAGES | {"other_vocabularies": {"imagenet_1k": "in_imagenet.csv"}}
    names = ["efficientnet_lite0", "mine", "efficientnet_lite1"]
    plan = plan_of(names, OWN, dataset)
    assert [plan.categories_of(name) for name in names] == ["in_imagenet.csv", "classes.csv", "in_imagenet.csv"]
    # A job has one table.
    assert list(plan.recognition_groups.values()) == [["efficientnet_lite0", "efficientnet_lite1"], ["mine"]]
    with pytest.raises(ConfigurationError, match=r"^beyond\.models: .*'mine' .*classes\.csv.* in_imagenet\.csv"):
        plan_of(names, OWN, dataset, beyond={"models": ["mine"], "ensemble": None, "controversial": None})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"imagenet_1k": "images.csv"}, r"images\.csv: .*class_index"),
        ({"imagenet_1k": "none.csv"}, r"none\.csv"),
        ({"imagenet1k": "in_imagenet.csv"}, r"\bimagenet1k\b.*\bimagenet_1k, published_words"),
        ({"imagenet_1k": "two.csv"}, r"two\.csv .*classes\.csv .*\bfox, hen, owl, pig"),
    ],
)
def test_a_further_table_that_does_not_fit_is_named(tmp_path, tables, message):
    (tmp_path / "two.csv").write_text("class_index,category\n281,cat\n207,dog\n")
    with pytest.raises(ConfigurationError, match=message):
        plan_of(["mine", "efficientnet_lite1"], OWN, IMAGES | {"other_vocabularies": tables})


def test_a_vocabulary_that_is_no_file_is_named():
    with pytest.raises(ConfigurationError, match=r"^models: mine\.vocabulary: .*\bclass\.csv"):
        plan_of(["mine"], RESNET | {"vocabulary": "class.csv"})


def test_a_network_with_fewer_classes_than_its_vocabulary_is_named(monkeypatch):
    """The tables say that the classes are the same, and the traced network has not all of them."""
    traced = stages.Traced(RESNET["stages"], {"number": 5, "of_classes": True})
    monkeypatch.setattr(stages, "_traced", lambda entries, _: dict.fromkeys(entries, traced))
    five = OWN | {"stages": "auto"}
    with pytest.raises(ConfigurationError, match=r"\b5 .*classes\.csv .*\b5\b"):
        plan_of(["mine"], five)


def test_random_weights_have_learned_no_classes():
    """The answers of an untrained network, a control, are random in every vocabulary."""
    assert plan_of(["mine"], RESNET | {"weights": {"random": 0}}).categories_of("mine") == "classes.csv"


def test_a_network_without_classes_needs_no_vocabulary():
    dataset = IMAGES | {"vocabulary": "imagenet_1k", "categories": "in_imagenet.csv"}
    assert plan_of(["efficientnet_lite1"], RESNET | {"classes": False}, dataset).models["mine"].vocabulary is None


def test_a_clip_model_is_asked_by_texts_about_the_vocabulary():
    with pytest.raises(ConfigurationError, match=r"'mine' .*\bimagenet_1k\b"):
        plan_of(["mine"], CLIP)
    texts = {"zero_shot": "classes.csv", "module": "classify"}
    plan = plan_of(["mine"], CLIP | {"weights": CLIP["weights"] | {"extra_weights": texts}})
    model = plan.models["mine"]
    assert (plan.vocabulary_of("mine"), model.source["arguments"]) == ("classes.csv", {"classes": 6})
    assert model.table_of_texts == ["classes.csv"]
    with pytest.raises(ConfigurationError, match=r"mine\.vocabulary: classes\.csv.*\bimagenet_1k\b"):
        plan_of(["mine"], CLIP | {"vocabulary": "classes.csv"})


def test_every_model_and_dataset_of_the_registry_states_its_vocabulary(root):
    models = read_yaml(root / "config" / "models.yaml")
    silent = [name for name, entry in models.items() if "vocabulary" not in entry and "train" not in entry["weights"]]
    assert silent == []
    datasets = read_yaml(root / "config" / "datasets.yaml")
    of_imagenet = [name for name, entry in datasets.items() if re.search("imagenet", str(entry["categories"]))]
    assert len(of_imagenet) == 5
    assert {datasets[name]["vocabulary"] for name in of_imagenet} == {IMAGENET}


def test_in_a_notebook_a_network_of_the_registry_is_asked_in_its_vocabulary(root, monkeypatch):
    monkeypatch.chdir(root)
    entry = read_registries(merge_defaults({})).models["efficientnet_lite0"]
    model = SimpleNamespace(name="efficientnet_lite0", registry_entry=entry)
    with pytest.raises(ConfigurationError, match=r"^categories: .*'efficientnet_lite0' .*\bimagenet_1k\b"):
        interactive._classes_of("spoken_words", model)
    assert len(interactive._classes_of("imagenet_photographs", model)) == 19


def test_in_a_notebook_a_network_of_the_users_registry_is_asked_in_its_vocabulary(root, tmp_path, monkeypatch):
    """Also if an entry of the default registry has its name."""
    torch.save(torchvision.models.resnet18(num_classes=6).state_dict(), tmp_path / "animals.pth")
    mine = OWN | {"weights": {"path": str(tmp_path / "animals.pth")}, "vocabulary": str(tmp_path / "classes.csv")}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"resnet50": mine}))
    monkeypatch.chdir(root)
    network = interactive.load("resnet50", registry=str(tmp_path / "mine.yaml"), device="cpu")
    with pytest.raises(ConfigurationError, match=r"^categories: .*'resnet50' .*classes\.csv"):
        interactive.recognize(network, np.zeros((3, 64, 64)), categories="imagenet_photographs")


@pytest.mark.parametrize("key", ["classes.csv", "./classes.csv"])
def test_each_vocabulary_of_a_dataset_has_one_table(key):
    with pytest.raises(ConfigurationError, match=rf"other_vocabularies: {re.escape(key)} "):
        plan_of(["mine"], OWN, IMAGES | {"other_vocabularies": {key: "in_imagenet.csv"}})


def test_a_vocabulary_of_a_dataset_that_is_no_file_is_named():
    with pytest.raises(ConfigurationError, match=r"^datasets: images\.vocabulary: .*\bimagnet_1k\b"):
        plan_of(["mine"], OWN, IMAGES | {"vocabulary": "imagnet_1k"})


def test_a_vocabulary_is_a_table_of_classes():
    with pytest.raises(ConfigurationError, match=r"images\.csv: .*class_index"):
        plan_of(["mine"], RESNET | {"vocabulary": "images.csv"})
