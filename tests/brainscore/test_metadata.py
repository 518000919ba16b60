"""Metadata of a plugin: the registry's values, in the form that Brain-Score's own programs accept."""

import json
from types import SimpleNamespace

import pytest
import yaml

from metamers.brainscore.metadata import model_metadata
from metamers.brainscore.plugin import plugin_files
from metamers.brainscore.targets import unavailable_brainscore
from metamers.config.models import ModelEntry
from metamers.config.registry import read_registries
from metamers.names import ConfigurationError

HUB = {"hub": "o/n", "revision": "abc", "file": "f", "weights_name": "o/n"}
TRAINED = {"dataset": "digits", "epochs": 3, "readout": "fc", "from": {"path": "/home/me/w.pt"}}
KINDS = {
    "random": {"random": 7},
    "trained": {"train": TRAINED},
    "own": {"path": "/home/me/weights.pt"},
    "address": {"url": "https://a.example/w.pt", "sha256": "0" * 64},
    "archived": {"archive": "a", "file": "b/c.pt"},
    "builder": {"builder": True},
    "published": {"pretrained": HUB},
    "unknown": {"pretrained": None},
}


def entry(weights, **changed):
    size = {"size": 28, "mean": [0.5], "std": [0.5]}
    values = {
        "modality": "vision",
        "source": {"python": "/home/me/a.py:net"},
        "weights": weights,
        "input": {} if weights == KINDS["unknown"] else size,
        "stages": {"input": None},
        "family": "net",
        "registry": "/home/me/models.yaml",
        "references": ["A (2020). é."],
    }
    return ModelEntry(**values | changed)


@pytest.fixture
def made():
    return {name: entry(weights) for name, weights in KINDS.items()}


def write_plugin(folder, group, models):
    for path, text in plugin_files("run", [group], {}, model_metadata("run", models)).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder / "models" / "model_metamers" / "metadata.yaml"


def test_metadata_say_what_the_registry_says_and_no_more(made):
    models = model_metadata("run", made)["models"]
    of = {name: models[f"metamers_run_{name}"] for name in made}
    assert of["own"]["model"] == {
        "display_name": "own",
        "architecture": {"description": "python: a.py:net"},
        "visual_degrees": 8,
        "input_resolution": {"channels": 1, "height": 28, "width": 28},
    }
    assert {name: one.get("provenance") for name, one in of.items()} == {
        **dict.fromkeys(("random", "trained", "builder", "unknown")),
        "own": {"checkpoint": "weights.pt"},
        "address": {"checkpoint": "https://a.example/w.pt", "source_url": "https://a.example/w.pt"},
        "archived": {"weights_provider": "a", "checkpoint": "b/c.pt"},
        "published": {
            "weights_provider": "o/n",
            "checkpoint": "o/n at abc",
            "source_url": "https://huggingface.co/o/n",
        },
    }
    assert "input_resolution" not in of["unknown"]["model"]
    assert [name for name, one in of.items() if "training" in one] == ["random", "trained"]
    assert of["random"]["training"] == {"process": "none: random weights, seed 7"}
    settings = json.loads(of["trained"]["training"]["process"].partition(": ")[2])
    assert (settings["epochs"], settings["batch_size"], settings["readout"]) == (3, 32, "fc")
    assert of["trained"]["data"]["training_datasets"][0]["name"] == "digits"
    assert "/home/me" not in json.dumps(models)
    for one in of.values():
        sections = {"legacy", "sources", "assertions"} ^ one.keys()
        assert {claim["path"].split("/")[1] for claim in one["assertions"]} == sections
        assert {source for claim in one["assertions"] for source in claim["sources"]} == one["sources"].keys()


def test_metadata_of_a_benchmark_say_whether_its_answers_are_public_only_if_that_is_known(group):
    published = type(group)(**vars(group) | {"address": "https://a.example", "name": "theirs"})
    texts = plugin_files("run", [group, published], {}, {})
    assert "models/model_metamers/metadata.yaml" not in texts  # a file has at least one model
    benchmarks = yaml.safe_load(texts["benchmarks/model_metamers/metadata.yaml"])["benchmarks"]
    ours = benchmarks["metamers_run_ours-recognizability_r2"]
    assert ours["data"] == {
        "benchmark_type": "behavioral",
        "task": "recognition, 2 categories",
        "species": "human",
        "datatype": "behavioral",
        "num_subjects": 8,
    }
    assert ours["stimulus_set"]["num_stimuli"] == 4
    assert benchmarks["metamers_run_theirs-recognizability_r2"]["data"]["data_publicly_available"] is True


def test_brain_scores_own_programs_accept_the_metadata_of_every_registered_model(
    default, made, group, tmp_path, review
):
    committed = {name: one for name, one in read_registries(default).models.items() if one.modality == "vision"}
    write_plugin(tmp_path, group, committed | made)
    results = review(tmp_path)
    assert all(accepted for accepted, _ in results.values()), results
    described = [f"metamers_run_{name}" for name in committed | made]
    # Two lines about the proposal, and no warning.
    about, valid = json.loads(results["proposal"][1])
    assert about["migration"] == "initial v2 publication requires a merged PR"
    assert (valid["status"], valid["models"]) == ("valid", described)
    for kind in ("contract", "models", "benchmarks"):
        assert "WARNING" not in results[kind][1]
        assert "alid" in results[kind][1]


def test_brain_scores_own_programs_miss_a_required_key(made, group, tmp_path, review):
    path = write_plugin(tmp_path, group, made)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    del content["domain"]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    results = review(tmp_path)
    assert [program for program, (accepted, _) in results.items() if accepted] == ["benchmarks"]
    for program in ("contract", "proposal", "models"):
        assert "domain: expected nonempty text" in results[program][1]


@pytest.mark.parametrize(
    ("run", "models", "message"),
    [
        ("r", {f"m{n}": entry({"random": 0}) for n in range(101)}, r"\b101 models .* 100\b"),
        ("r" * 100, {"m" * 100: entry({"random": 0})}, r"identifier .* 210 letters .* 200\b"),
        ("r", {"m": entry({"random": 0}, family="f" * 101)}, r"m: .*family .* 101 letters .* 100\b"),
        ("r", {"m": entry({"path": "p" * 501})}, "m: .*checkpoint .* 501 letters"),
    ],
)
def test_what_metadata_cannot_have_is_said_before_the_first_job(run, models, message):
    with pytest.raises(ConfigurationError, match=message):
        model_metadata(run, models)
    plan = SimpleNamespace(
        own_participants={"ours": SimpleNamespace(modality="vision")},
        settings=SimpleNamespace(run=run, human_data="summary"),
        models=models,
        generation_models={},
        recognition_models=list(models),
    )
    assert unavailable_brainscore(plan).keys() == {"brainscore", "brainscore_score"}
