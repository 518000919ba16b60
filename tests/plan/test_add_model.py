"""``metamers add`` extends a registry without changing what it has, or changes nothing at all."""

import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from metamers import __main__ as command
from metamers.config import pretrained, stages
from metamers.config.read import read_yaml
from metamers.models import automatic_stages
from metamers.names import ConfigurationError
from metamers.plan import add_model
from metamers.plan.plan import make_plan
from metamers.plan.steps import merge_defaults
from tests.needs import without
from tests.networks.from_hub import SETTINGS, committed, saved
from tests.publishing import look_up_in_this_process, publisher, use_as_hub

FOUND = {"input": None, "layer1": "layer1", "logits": "fc"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _traced(monkeypatch):
    """Every network has the same stages, and none is traced."""
    monkeypatch.setattr(stages, "_traced", lambda entries, _: dict.fromkeys(entries, stages.Traced(FOUND)))


@pytest.fixture
def _in_this_process(monkeypatch):
    """Networks are traced in this process, which has imported PyTorch already."""
    monkeypatch.setattr(subprocess, "run", lambda command, **_: automatic_stages.main(*command[-2:]))


def add(line):
    command.main(["add", *shlex.split(line)])


@pytest.mark.parametrize(
    ("model", "name", "source"),
    [
        ("timm:resnet50.a1_in1k", "resnet50.a1_in1k", {"timm": "resnet50.a1_in1k"}),
        ("torchvision:resnet50", "resnet50", {"torchvision": "resnet50"}),
        (
            *("torchvision:resnet50:IMAGENET1K_V2", "resnet50"),
            {"torchvision": "resnet50", "weights": "IMAGENET1K_V2"},
        ),
        ("hub:timm/resnet18.a1_in1k", "resnet18.a1_in1k", {"hub": "timm/resnet18.a1_in1k"}),
        ("hub:org/net@v1.0", "net", {"hub": "org/net", "revision": "v1.0"}),
        ("transformers:org/net@v1.0", "net", {"transformers": "org/net", "revision": "v1.0"}),
        ("transformers:dinov2", "dinov2", {"transformers": "dinov2"}),
        ("open_clip:ViT-B-32:openai", "ViT-B-32_openai", {"open_clip": "ViT-B-32", "pretrained": "openai"}),
        ("mine/net.py:build", "build", {"python": "mine/net.py:build"}),
    ],
)
def test_name_and_source_of_a_model_on_the_command_line(model, name, source):
    assert add_model.source_of(model) == (name, source)


@pytest.mark.parametrize("model", ["resnet50", "keras:resnet50", "timm:", "net.py", "net.py:a b", ""])
def test_an_invalid_model_is_answered_with_examples(model):
    with pytest.raises(ConfigurationError, match=r"torchvision:resnet50"):
        add_model.source_of(model)


@pytest.mark.usefixtures("_traced")
def test_a_model_is_added_checked_and_ready_to_run(tmp_path, capsys, monkeypatch):
    with publisher() as hub:
        look_up_in_this_process(monkeypatch)
        use_as_hub(hub.address, monkeypatch)
        hub.commit("timm/resnet50.a1_in1k", {"model.safetensors": b"weights"})
        command.main(shlex.split("metamers add timm:resnet50.a1_in1k")[1:])
    said = capsys.readouterr().out
    assert "mine/models.yaml" in said
    assert "input, layer1, logits" in said
    assert "model_card --configfile mine/run.yaml --config model=resnet50.a1_in1k" in said
    assert "leaderboard --configfile mine/run.yaml" in said
    text = (tmp_path / "mine/models.yaml").read_text()
    assert text.count("#") > 4
    assert yaml.safe_load(text)["resnet50.a1_in1k"]["stages"] == "auto"
    run = read_yaml("mine/run.yaml")
    plan = make_plan(merge_defaults(run), ["mine/run.yaml"])
    assert plan.settings.run == "mine"
    assert plan.generation_models == {"resnet50.a1_in1k": list(FOUND)}
    assert plan.recognition_models
    assert all(plan.models[name].modality == "vision" for name in plan.recognition_models)


def test_a_network_with_own_classes_is_compared_with_the_dataset_of_its_run(tmp_path, monkeypatch):
    """The run names only this network, and no model of the default run has its classes."""
    scores = {"number": 2, "of_classes": True}
    monkeypatch.setattr(stages, "_traced", lambda entries, _: dict.fromkeys(entries, stages.Traced(FOUND, scores)))
    (tmp_path / "words.csv").write_text("class_index,category\n0,left\n1,right\n")
    (tmp_path / "sounds.csv").write_text("file,word\na.wav,left\nb.wav,right\n")
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.linspace(-0.1, 0.1, 16_000), 16_000)
    sounds = {"modality": "audio", "files": {"folder": "."}, "table": "sounds.csv", "categories": "words.csv"}
    run = {
        "datasets": {"my_sounds": sounds | {"sampling_rate_hz": 16_000, "duration_s": 1}},
        "stimuli": {"audio": {"dataset": "my_sounds", "number": None}},
        "recognition_models": ["net"],
    }
    (tmp_path / "words.yaml").write_text(yaml.safe_dump(run))
    line = "torchvision:resnet18 --name net --modality audio --weights w.pth --run words.yaml"
    (tmp_path / "w.pth").touch()
    with pytest.raises(SystemExit, match=r"model: .*'net' .* words\.csv"):
        add(line)
    assert not (tmp_path / "mine/models.yaml").exists()
    add(f"{line} --vocabulary words.csv")
    assert read_yaml("mine/models.yaml")["net"]["vocabulary"] == "words.csv"


@pytest.mark.usefixtures("_traced")
def test_the_rest_of_a_registry_stays_as_it_is(tmp_path, capsys):
    add("timm:resnet18 --weights random --name first")
    path = tmp_path / "mine/models.yaml"
    path.chmod(0o600)
    old = path.read_text().rstrip() + "   # a comment at the end"
    path.write_text(old)
    run = (tmp_path / "mine/run.yaml").read_text()
    capsys.readouterr()
    add("torchvision:resnet18 --weights random --name second")
    assert path.read_text().startswith(old)
    assert list(read_yaml(path)) == ["first", "second"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "mine/run.yaml").read_text() == run
    assert "generation_models" in capsys.readouterr().out


@pytest.mark.usefixtures("_traced")
def test_options_choose_name_registry_modality_weights_and_run(tmp_path):
    save_file({"weight": torch.zeros(1)}, tmp_path / "w.safetensors")
    add(
        "torchvision:resnet18 --name net --registry a/b.yaml --weights w.safetensors --vocabulary imagenet_1k --run a/c.yaml"
    )
    assert read_yaml("a/b.yaml")["net"]["weights"] == {"path": "w.safetensors"}
    assert read_yaml("a/c.yaml")["registry"]["models"] == ["config/models.yaml", "a/b.yaml"]
    add(
        "torchvision:resnet18 --name grey --registry a/b.yaml --weights random --input '{size: 9, mean: [0, 0, 0], std: [1, 1, 1]}'"
    )
    assert read_yaml("a/b.yaml")["grey"]["input"] == {"size": 9, "mean": [0, 0, 0], "std": [1, 1, 1]}
    add("timm:resnet18 --name heard --registry a/b.yaml --weights random --modality audio --run a/d.yaml")
    assert read_yaml("a/b.yaml")["heard"]["input"] == {"sampling_rate_hz": 20000, "duration_s": 1}
    assert make_plan(merge_defaults(read_yaml("a/d.yaml"))).dataset_of["heard"] == "spoken_words"


REFUSED = {
    "--name taken": r"mine/models\.yaml .*'taken'",
    "--name efficientnet_lite0": "'efficientnet_lite0'",
    "--name 'a b'": "--name a b: ",
    "--weights none.pt": r"--weights none\.pt: ",
    "--input 224": "--input 224: ",
    "--input '{sise: 224}'": r"models\.yaml: .*input: .*'sise'",
    "--name 123": "--name 123: ",  # which YAML reads as a number, and not as text
    "--name null": "--name null: ",
    "--name 2024-01-01": "--name 2024-01-01: ",
    "--run mine": "--run mine: ",
    "--run mine/models.yaml": r"--run mine/models\.yaml: ",
    "--run mine/models.lock.yaml": r"--run mine/models\.lock\.yaml: ",
    "--run mine/other.yaml/run.yaml": r"mine/other\.yaml",
}


@pytest.mark.usefixtures("_traced")
def test_what_cannot_be_added_changes_nothing(tmp_path):
    add("timm:resnet18 --weights random --name taken --run mine/other.yaml")
    before = (tmp_path / "mine/models.yaml").read_text()
    lines = {f"timm:resnet18 --weights random {options}": message for options, message in REFUSED.items()}
    lines |= {"mine/none.py:build --weights random": r"mine/none\.py", "timm: --weights random": "KIND:NAME"}
    for line, message in lines.items():
        with pytest.raises(SystemExit, match=message):
            add(line)
        assert (tmp_path / "mine/models.yaml").read_text() == before, line
        assert not (tmp_path / "mine/run.yaml").exists(), line


@pytest.mark.usefixtures("_traced")
@pytest.mark.parametrize(("folder", "run"), [("Müller", "Muller"), ("neu er", "neu_er"), (".", "run"), ("影像", "__")])
def test_a_run_has_a_name_that_a_run_may_have_in_any_folder(folder, run):
    add(f"timm:resnet18 --weights random --name net --run '{folder}/run.yaml'")
    config = read_yaml(f"{folder}/run.yaml")
    assert config["run"] == (run.strip("_") or "run")
    make_plan(merge_defaults(config))


@pytest.mark.usefixtures("_traced")
def test_umlauts_stay_readable_in_the_entry(tmp_path):
    (tmp_path / "Gewächs.pt").touch()
    add("timm:resnet18 --name net --weights Gewächs.pt --vocabulary imagenet_1k")
    assert "{path: Gewächs.pt}" in (tmp_path / "mine/models.yaml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("_in_this_process")
def test_an_unknown_network_is_reported_and_leaves_no_file(tmp_path):
    with pytest.raises(SystemExit, match=r"'resnet19'.*'resnet18'") as error:
        add("timm:resnet19 --weights random")
    assert len(str(error.value)) < 400
    assert not (tmp_path / "mine/models.yaml").exists()


@pytest.mark.parametrize("old", ["", "# My models.\n"])
def test_a_registry_is_as_before_when_finding_the_stages_is_terminated(tmp_path, monkeypatch, old):
    registry, before = tmp_path / "models.yaml", signal.getsignal(signal.SIGTERM)
    if old:
        registry.write_text(old)

    def terminated(*_):
        assert "net:" in registry.read_text()
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(stages, "_traced", terminated)
    with pytest.raises(SystemExit) as ended:
        add("timm:resnet18 --weights random --name net --registry models.yaml")
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before
    assert (registry.read_text() if registry.exists() else "") == old


@pytest.mark.usefixtures("_traced")
@pytest.mark.parametrize("text", ["  a: 1\n", "{}\n", "- a\n", "a: b: c\n"])
def test_a_file_that_is_no_registry_stays_as_it_is(tmp_path, text):
    (tmp_path / "models.yaml").write_text(text)
    with pytest.raises(SystemExit, match=r"models\.yaml"):
        add("timm:resnet18 --weights random --registry models.yaml")
    assert (tmp_path / "models.yaml").read_text() == text


@pytest.fixture
def add_network(root, tmp_path, capsys):
    """Add a network of tests/networks/odd.py or tests/networks/tiny.py, with enough classes; return what was said."""
    files = {name: tmp_path / f"{name}.py" for name in ("odd", "tiny")}
    for name, file in files.items():
        text = (root / "tests" / "networks" / f"{name}.py").read_text()
        file.write_text(text.replace("nn.Linear(16, 4)", "nn.Linear(16, 1000)"))

    def run(place, options="", vocabulary="imagenet_1k"):
        file, function = place.split(":")
        image = "'{size: 16, mean: [0, 0, 0], std: [1, 1, 1]}'"
        add(f"{files[file]}:{function} --vocabulary {vocabulary} --input {image} {options}")
        return capsys.readouterr().out

    return run


@pytest.mark.usefixtures("_in_this_process")
@pytest.mark.parametrize(
    ("place", "options", "said", "entry"),
    [
        ("odd:Plain", "", "1000 .*--classes no", {}),
        ("odd:Plain", "--classes no", "", {"classes": False}),
        ("odd:Plain", "--classes yes", "1000", {"classes": True}),
        ("odd:WithLoss", "", r"loss, logits\b.*--output", {"classes": False}),
        ("odd:WithLoss", "--output logits", "1000", {"output": "logits"}),
        ("odd:WithLoss", "--output '[logits]'", "1000", {"output": "logits"}),
        ("tiny:without_scores", "", "", {"classes": False}),
        ("odd:Features", "", "1000", {"classes": False}),
    ],
)
def test_what_kind_of_network_it_is_is_found_out_and_said(add_network, place, options, said, entry):
    found = add_network(place, options)
    assert re.search(said, found), found
    (written,) = read_yaml("mine/models.yaml").values()
    assert {key: written[key] for key in ("classes", "output") if key in written} == entry


@pytest.fixture
def _own_images(tmp_path):
    """The configuration of a run with a dataset that can train a readout."""
    names = {"train": 3, "validation": 3, "test": 12}
    rows = [f"{split}_{n}.png,{'abc'[n % 3]},{split}" for split, number in names.items() for n in range(number)]
    for row in rows:
        (tmp_path / row.split(",")[0]).touch()
    (tmp_path / "table.csv").write_text("\n".join(["file,category,split", *rows]))
    (tmp_path / "categories.csv").write_text("class_index,category\n0,a\n1,b\n2,c\n")
    own = {"modality": "vision", "files": {"folder": str(tmp_path)}, "table": "table.csv", "size": 16}
    run = {"stimuli": {"vision": {"dataset": "own"}}, "datasets": {"own": own | {"categories": "categories.csv"}}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(run))


@pytest.mark.usefixtures("_in_this_process", "_own_images")
@pytest.mark.parametrize(
    ("option", "written"),
    [("linear", "linear"), ("'{times_chance: 1.5, stage: output}'", {"times_chance": 1.5, "stage": "output"})],
)
def test_a_network_without_classes_is_added_with_a_readout(add_network, option, written):
    assert "recognition_models" in add_network("odd:Features", f"--run own.yaml --readout {option}")
    (entry,) = read_yaml("mine/models.yaml").values()
    assert entry["readout"] == written


@pytest.mark.usefixtures("_in_this_process", "_own_images")
@pytest.mark.parametrize(
    ("place", "options", "message"),
    [
        ("odd:Features", "--readout logistic", "--readout logistic: "),
        ("odd:Features", "--readout linear", r"'imagenet_photographs' .*train"),
        ("odd:Plain", "--readout linear", "readout: "),
        ("odd:Features", "--run own.yaml --readout '{stage: late}'", "'late'"),
    ],
)
def test_a_readout_that_a_network_cannot_have_is_refused(add_network, place, options, message):
    with pytest.raises(SystemExit, match=message):
        add_network(place, options)
    assert not Path("mine/models.yaml").exists()


@pytest.mark.usefixtures("_in_this_process")
@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("BatchStatistics", "batch normalization"),
        ("Dropout", "dropout"),
        ("InputInPlace", " 1000 "),
        ("compiled", " 1000 "),
        ("half", " 1000 "),
    ],
)
def test_an_odd_network_is_added_with_a_sentence(add_network, function, said):
    assert said in add_network(f"odd:{function}")


@pytest.mark.usefixtures("_in_this_process")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("InPlace", "in-place"),
        ("one_channel", " 1 channels.* 3"),
        ("NeedsBatch", r"\(1, 3, 16, 16\)"),
        ("NotSquare", "`size`"),
        ("scripted", r"torch\.jit"),
        ("without_values", r"device meta"),
        ("Ten", r" 10 .*imagenet_photographs_categories\.tsv .*990"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_with_a_sentence(add_network, function, message):
    with pytest.raises(SystemExit, match=message):
        add_network(f"odd:{function}")
    assert not Path("mine/models.yaml").exists()


@pytest.mark.usefixtures("_in_this_process")
def test_the_data_set_of_the_run_decides_how_many_classes_are_needed(add_network, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/images").mkdir()
    table = "class_index,category\n" + "".join(f"{index},c{index}\n" for index in range(10))
    (tmp_path / "mine/classes.csv").write_text(table)
    rows = [f"{index}.png,c{index},test" for index in range(2)]
    (tmp_path / "mine/table.csv").write_text("\n".join(["file,category,split", *rows]))
    for index in range(2):
        Image.new("RGB", (16, 16)).save(tmp_path / f"mine/images/{index}.png")
    own = {"modality": "vision", "files": {"folder": "mine/images"}, "table": "mine/table.csv", "size": 16}
    run = {
        "datasets": {"ten": own | {"categories": "mine/classes.csv"}},
        "stimuli": {"vision": {"dataset": "ten", "number": 2}},
    }
    (tmp_path / "mine/run.yaml").write_text(yaml.safe_dump(run))
    assert " 10 class scores" in add_network("odd:Ten", vocabulary="mine/classes.csv")


@pytest.mark.parametrize("output", ["'[a, b'", "''", "null", "'[]'", "'{a: 1}'", "$'0\n  classes: true'"])
def test_a_wrong_part_of_an_output_is_refused(output):
    with pytest.raises(SystemExit, match=r"(?s)--output .*: "):
        add(f"timm:resnet18 --weights random --output {output}")


@pytest.mark.usefixtures("_in_this_process")
def test_the_weights_of_a_file_are_loaded_each_time_that_a_model_is_added(tmp_path):
    add("timm:resnet18 --weights random --name net --input '{size: 32, mean: [0, 0, 0], std: [1, 1, 1]}'")
    (tmp_path / "mine/models.yaml").unlink()
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    with pytest.raises(SystemExit, match=r"bad\.pt"):
        add("timm:resnet18 --weights bad.pt --name net --input '{size: 32, mean: [0, 0, 0], std: [1, 1, 1]}'")


@pytest.mark.usefixtures("_traced")
def test_a_network_of_timm_gets_the_input_that_timm_states():
    add("timm:vit_tiny_patch16_384 --weights random --name vit")
    found = read_yaml("mine/models.yaml")["vit"]["input"]
    assert found == {"size": 384, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}


@pytest.fixture
def hub_of(tmp_path, monkeypatch):
    """A simulated hub with the repository lab/net of a small network of transformers."""
    pytest.importorskip("transformers", reason=without("transformers"))
    traced = subprocess.run
    look_up_in_this_process(monkeypatch)
    looked_up = pretrained.subprocess.run

    def run(command, **options):
        if command[2] == "metamers.models.automatic_stages":
            return automatic_stages.main(*command[-2:])
        return (looked_up if command[2] == "metamers.models.describe" else traced)(command, **options)

    monkeypatch.setattr(subprocess, "run", run)
    with publisher() as hub:
        use_as_hub(hub.address, monkeypatch)
        yield lambda kind, **changed: committed(hub, saved(kind, tmp_path / kind), **changed) and hub


@pytest.mark.parametrize(
    ("kind", "options", "stages_of"),
    [
        ("dinov2", "", "input, embeddings, encoder.layer.0, encoder.layer.1, encoder.layer.2, output"),
        (
            "whisper",
            "--weights '{random: 3}'",
            "input, preprocessing, conv1, conv2, layers.0, layers.1, layers.2, output",
        ),
        ("vit", "--classes yes --vocabulary imagenet_1k", "vit.layers.1, vit.layers.2, pooled, logits"),
    ],
)
def test_a_repository_of_transformers_is_added(hub_of, capsys, kind, options, stages_of):
    config = json.dumps({"model_type": kind, **SETTINGS[kind], "num_labels": 1000}).encode()
    hub = hub_of(kind, **({"config__json": config} if kind == "vit" else {}))
    add(f"transformers:lab/net {options}")
    assert stages_of in capsys.readouterr().out
    (written,) = read_yaml("mine/models.yaml").values()
    assert written["modality"] == ("audio" if kind == "whisper" else "vision")
    assert "input" not in written
    hub.requests.clear()
    run = read_yaml("mine/run.yaml")
    model = make_plan(merge_defaults(run), ["mine/run.yaml"]).models["net"]
    assert hub.requests == []
    assert model.family == kind
    assert model.source["config"]["model_type"] == kind
    assert ("pretrained" in model.weights) == (kind != "whisper")
    assert model.classes == (kind == "vit")


def test_a_model_type_of_transformers_is_added_without_network(hub_of, capsys, monkeypatch):
    use_as_hub("http://127.0.0.1:9", monkeypatch)
    add("transformers:hubert")
    (written,) = read_yaml("mine/models.yaml").values()
    assert written["weights"] == {"random": 0}
    assert written["input"] == {"sampling_rate_hz": 16000, "duration_s": 1, "preprocessing": "normalized_waveform"}
    assert "encoder.layers.8, encoder.layers.10, output" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"weights: hubert "):
        add("transformers:hubert --name other --weights pretrained")


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"config__json": b'{"model_type": "own", "auto_map": {}}'}, "", "lab/net"),
        ({"model__safetensors": None}, "", r"model\.safetensors"),
        ({}, "--modality audio", r"net\.modality: audio, .* vision"),
        ({"preprocessor_config__json": b"{}"}, "", r"net\.input: .*mean, std"),
        ({"preprocessor_config__json": b"{}"}, "--input '{mean: [0, 0, 0]}'", r"net\.input: missing std"),
    ],
)
def test_a_repository_that_does_not_fit_is_refused_with_a_sentence(hub_of, changed, options, message):
    hub_of("dinov2", **changed)
    with pytest.raises(SystemExit, match=f"(?s){message}"):
        add(f"transformers:lab/net {options}")
    assert not Path("mine/models.yaml").exists()


def test_without_the_library_its_networks_are_refused_before_anything_is_asked(monkeypatch):
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SystemExit, match=r"pip install .*transformers"):
        add("transformers:lab/net")
