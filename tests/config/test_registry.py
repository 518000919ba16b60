"""Registries add up: several files, and the run's own file; a name belongs to one of them."""

import pytest
import yaml

from metamers.config import read as config_read
from metamers.config.registry import inline_source
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults

MODEL = {
    "modality": "vision",
    "source": {"timm": "resnet18"},
    "weights": {"random": 0},
    "input": {"size": 64, "mean": [0.5] * 3, "std": [0.5] * 3},
    "stages": {"input": None, "logits": "fc"},
}

pytestmark = pytest.mark.usefixtures("in_the_repository")


@pytest.fixture
def write(tmp_path):
    def written(name, entries):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(entries, sort_keys=False))
        return str(path)

    return written


def planned(files=(), **settings):
    return config.make_plan(merge_defaults(settings), files)


@pytest.mark.hostile(
    "Configuration",
    "names of models, stages, datasets or runs that differ in upper case only, and would be one file on macOS and Windows",
    "refused before the first job",
)
@pytest.mark.parametrize("names", [["Mine", "mine"], ["EfficientNet_Lite0"]])
def test_names_that_differ_in_upper_case_only_are_refused(write, names):
    paths = ["config/models.yaml", write("mine.yaml", dict.fromkeys(names, MODEL))]
    with pytest.raises(
        ConfigurationError, match=rf"models: '{names[-1]}' .*mine\.yaml .*'(?!{names[-1]}')\w+' .*\.yaml"
    ):
        planned(registry={"models": paths})


def test_models_of_all_registries_can_be_used(write):
    one, other = write("one.yaml", {"one": MODEL}), write("other.yaml", {"other": MODEL})
    plan = planned(registry={"models": ["config/models.yaml", one, other]}, model="other")
    assert {"efficientnet_lite0", "one", "other"} <= plan.models.keys()
    assert plan.models["other"].registry == other
    assert plan.models["efficientnet_lite0"].registry == "config/models.yaml"


def test_datasets_and_archives_add_up(write):
    datasets = config_read.read_yaml("config/datasets.yaml")
    mine = write("mine.yaml", {"mine": datasets["imagenet_photographs"]})
    archives = write("archives.yaml", {"my_archive": {"url": "https://a.example/b.tar", "sha256": "0" * 64}})
    plan = planned(
        registry={"datasets": ["config/datasets.yaml", mine], "archives": ["config/archives.yaml", archives]},
        stimuli={"vision": {"dataset": "mine"}},
    )
    assert plan.dataset_of["efficientnet_lite0"] == "mine"
    assert "my_archive" in plan.archives


def test_models_and_datasets_in_a_run_s_own_file():
    dataset = config_read.read_yaml("config/datasets.yaml")["imagenet_photographs"]
    plan = planned(
        models={"mine": MODEL},
        datasets={"pictures": dataset},
        stimuli={"vision": {"dataset": "pictures"}},
        model="mine",
    )
    assert plan.models["mine"].source == MODEL["source"]
    assert plan.dataset_of["mine"] == "pictures"


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_a_name_in_two_registries_is_an_error_that_names_both(write, kind):
    name, entry = next(iter(config_read.read_yaml(f"config/{kind}.yaml").items()))
    other = write("other.yaml", {name: entry})
    with pytest.raises(ConfigurationError, match=rf"{kind}: '{name}' .*config/{kind}\.yaml .*other\.yaml"):
        planned(registry={kind: [f"config/{kind}.yaml", other]})
    with pytest.raises(ConfigurationError, match=rf"{kind}: '{name}' .*config/{kind}\.yaml .*demo\.yaml"):
        planned(**{kind: {name: entry}})


def test_a_registry_that_is_named_twice_is_read_once():
    assert planned(registry={"models": ["config/models.yaml", "./config/models.yaml"]}).models


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"registry": {"models": []}}, r"registry\.models"),
        ({"registry": {"models": ["config/models.yaml", "mine/none.yaml"]}}, r"mine/none\.yaml: "),
        ({"registry": {"experiments": ["a", "b"]}}, r"registry\.experiments: .*'string'"),
        ({"models": {"mine": MODEL | {"source": {}}}}, r"demo\.yaml: models: mine\.source"),
        ({"models": {"a b": MODEL}}, r"demo\.yaml: models: 'a b'"),
        ({"models": []}, r"models: \[\] .*'object'"),
        ({"models": {"mine": MODEL | {"stages": {"x": "fc"}}}}, r"demo\.yaml: models: mine\.stages"),
        (
            {"models": {"mine": MODEL | {"stages": {"input": None, "x": {"module": "fc", "output": 0, "input": 0}}}}},
            r"mine\.stages\.x: .*\bmodule\b.*\boutput\b.*\binput\b",
        ),
    ],
)
def test_what_is_wrong_is_named(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        planned(**settings)


def test_the_run_s_file_that_has_models_is_named(write):
    first, last = write("first.yaml", {"models": {}}), write("last.yaml", {"run": "mine"})
    assert inline_source("mine", [first, last]) == first
    assert inline_source("mine", [last]) == "mine.yaml"
    with pytest.raises(ConfigurationError, match=r"first\.yaml: models: mine: .*'sourc'"):
        planned([first, last], models={"mine": MODEL | {"sourc": 1}})
