"""``metamers add`` extends a registry without changing what it has, or changes nothing at all."""

import shlex

import pytest
import yaml

from metamers import __main__ as command
from metamers.config.read import merge_defaults, read_yaml
from metamers.names import ConfigurationError
from metamers.plan import add_model, stages
from metamers.plan.plan import make_plan
from tests.publishing import look_up_in_this_process, publisher, use_as_hub

FOUND = {"input": None, "layer1": "layer1", "logits": "fc"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _traced(monkeypatch):
    """Every network has the same stages, and none is traced."""
    monkeypatch.setattr(stages, "_traced", lambda entries, _: dict.fromkeys(entries, stages.Traced(FOUND)))


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
        ("open_clip:ViT-B-32:openai", "ViT-B-32_openai", {"open_clip": "ViT-B-32", "pretrained": "openai"}),
        ("mine/net.py:build", "build", {"python": "mine/net.py:build"}),
    ],
)
def test_name_and_source_of_a_model_on_the_command_line(model, name, source):
    assert add_model.source_of(model) == (name, source)


@pytest.mark.parametrize("model", ["resnet50", "keras:resnet50", "timm:", "net.py", "net.py:a b", ""])
def test_an_invalid_model_is_answered_with_examples(model):
    with pytest.raises(ConfigurationError, match=r"wanted KIND:NAME or FILE\.py:FUNCTION, such as timm:resnet50"):
        add_model.source_of(model)


@pytest.mark.usefixtures("_traced")
def test_a_model_is_added_checked_and_ready_to_run(tmp_path, capsys, monkeypatch):
    with publisher() as hub:
        look_up_in_this_process(monkeypatch)
        use_as_hub(hub.address, monkeypatch)
        hub.commit("timm/resnet50.a1_in1k", {"model.safetensors": b"weights"})
        command.main(shlex.split("metamers add timm:resnet50.a1_in1k")[1:])
    said = capsys.readouterr().out
    assert "Added resnet50.a1_in1k to mine/models.yaml." in said
    assert "input, layer1, logits" in said
    assert "model_card --configfile mine/run.yaml --config model=resnet50.a1_in1k" in said
    assert "leaderboard --configfile mine/run.yaml" in said
    text = (tmp_path / "mine/models.yaml").read_text()
    assert text.count("#") > 4
    assert yaml.safe_load(text)["resnet50.a1_in1k"]["stages"] == "auto"
    run = read_yaml("mine/run.yaml")
    plan = make_plan(merge_defaults(run), ["mine/run.yaml"])
    assert plan.run == "mine"
    assert plan.generation_models == {"resnet50.a1_in1k": list(FOUND)}
    assert plan.recognition_models
    assert all(plan.models[name].modality == "vision" for name in plan.recognition_models)


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
    assert "add second to generation_models" in capsys.readouterr().out


@pytest.mark.usefixtures("_traced")
def test_options_choose_name_registry_modality_weights_and_run(tmp_path):
    (tmp_path / "w.safetensors").touch()
    add("torchvision:resnet18 --name net --registry a/b.yaml --weights w.safetensors --run a/c.yaml")
    assert read_yaml("a/b.yaml")["net"]["weights"] == {"path": "w.safetensors"}
    assert read_yaml("a/c.yaml")["registry"]["models"] == ["config/models.yaml", "a/b.yaml"]
    add(
        "torchvision:resnet18 --name grey --registry a/b.yaml --weights random --input '{size: 9, mean: [0, 0, 0], std: [1, 1, 1]}'"
    )
    assert read_yaml("a/b.yaml")["grey"]["input"] == {"size": 9, "mean": [0, 0, 0], "std": [1, 1, 1]}
    add("timm:resnet18 --name heard --registry a/b.yaml --weights random --modality audio --run a/d.yaml")
    assert read_yaml("a/b.yaml")["heard"]["input"] == {"sampling_rate_hz": 20000, "duration_s": 1}
    assert make_plan(merge_defaults(read_yaml("a/d.yaml"))).dataset_of["heard"] == "spoken_words"


@pytest.mark.usefixtures("_traced")
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("timm:resnet18 --weights random --name taken", r"mine/models\.yaml has a model 'taken'; choose another name"),
        ("timm:resnet18 --weights random --name efficientnet_lite0", "has a model 'efficientnet_lite0'"),
        ("timm:resnet18 --weights random --name 'a b'", "--name a b: wanted letters"),
        ("timm:resnet18 --weights none.pt", r"--weights none\.pt: there is no such file"),
        ("mine/none.py:build --weights random", r"there is no file mine/none\.py"),
        ("timm: --weights random", "wanted KIND:NAME"),
        ("timm:resnet18 --weights random --input 224", r"--input 224: wanted a mapping, such as '\{size: 224"),
        ("timm:resnet18 --weights random --input '{sise: 224}'", r"models\.yaml: .*input: unknown key 'sise'"),
        *(
            (f"timm:resnet18 --weights random --name {name}", f"--name {name}: YAML does not read it as text")
            for name in ("123", "1e3", "0x10", "null", "on", "True", "2024-01-01", "nan")
        ),
        (
            "timm:resnet18 --weights random --run mine",
            "--run mine: found a folder; wanted a file, such as mine/run.yaml",
        ),
        ("timm:resnet18 --weights random --run mine/models.yaml", r"--run mine/models\.yaml: that is the registry"),
        ("timm:resnet18 --weights random --run mine/models.lock.yaml", "that is the registry or its lock file"),
        ("timm:resnet18 --weights random --run mine/other.yaml/run.yaml", "nothing can be written in .*other.yaml"),
    ],
)
def test_what_cannot_be_added_changes_nothing(tmp_path, line, message):
    add("timm:resnet18 --weights random --name taken --run mine/other.yaml")
    before = (tmp_path / "mine/models.yaml").read_text()
    with pytest.raises(SystemExit, match=message):
        add(line)
    assert (tmp_path / "mine/models.yaml").read_text() == before
    assert not (tmp_path / "mine/run.yaml").exists()


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
    add("timm:resnet18 --name net --weights Gewächs.pt")
    assert "{path: Gewächs.pt}" in (tmp_path / "mine/models.yaml").read_text(encoding="utf-8")


def test_an_unknown_network_is_reported_and_leaves_no_file(tmp_path):
    with pytest.raises(SystemExit, match=r"unknown timm model 'resnet19'\. Did you mean 'resnet18'") as error:
        add("timm:resnet19 --weights random")
    assert len(str(error.value)) < 400
    assert not (tmp_path / "mine/models.yaml").exists()


@pytest.mark.usefixtures("_traced")
@pytest.mark.parametrize("text", ["  a: 1\n", "{}\n", "- a\n", "a: b: c\n"])
def test_a_file_that_is_no_registry_stays_as_it_is(tmp_path, text):
    (tmp_path / "models.yaml").write_text(text)
    with pytest.raises(SystemExit, match=r"models\.yaml"):
        add("timm:resnet18 --weights random --registry models.yaml")
    assert (tmp_path / "models.yaml").read_text() == text
