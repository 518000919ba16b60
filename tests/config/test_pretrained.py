"""Published weights in the configuration: looked up once, kept in the lock file, and used from there without network."""

import json
import subprocess

import pytest
import yaml

from metamers.config import pretrained
from metamers.config.model_lock import lock_path, read_lock, update_lock
from metamers.names import ConfigurationError
from metamers.plan.plan import make_plan
from metamers.plan.retrieved import collections
from metamers.plan.steps import merge_defaults
from tests.publishing import CONFIG, SHA256, WEIGHTS, look_up_in_this_process, publisher, use_as_hub

STAGES = {"input": None, "early": "layer1", "logits": "fc"}
INPUT = {"size": 32, "mean": [0, 0, 0], "std": [1, 1, 1]}
HUB = {"source": {"hub": "lab/vit"}, "stages": {"input": None, "logits": "head"}, "vocabulary": "imagenet_1k"}
TORCHVISION = {"modality": "vision", "source": {"torchvision": "resnet18"}, "weights": "pretrained", "stages": STAGES}


@pytest.fixture
def server(monkeypatch):
    with publisher() as published:
        use_as_hub(published.address, monkeypatch)
        published.commit("lab/vit", {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": WEIGHTS})
        yield published


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    look_up_in_this_process(monkeypatch)  # ``tests/retrieve/test_publishers.py`` tests the separate one


@pytest.fixture
def plan_of(tmp_path, root):
    """The plan of a run of one model, which has its own registry."""

    def plan(entry, **config):
        models = yaml.safe_load((root / "config/models.yaml").read_text())
        registry = tmp_path / "models.yaml"
        registry.write_text(
            yaml.safe_dump({"mine": entry, "efficientnet_lite0": models["efficientnet_lite0"]}, sort_keys=False)
        )
        run = {
            "registry": {"models": str(registry)},
            "generation_models": ["mine"],
            "recognition_models": ["efficientnet_lite0"],
            "stimuli": {"vision": {"dataset": "imagenet_photographs", "number": 3}},
            "comparison": {"contrasts": []},
        }
        return make_plan(merge_defaults(run | config))

    return plan


@pytest.fixture
def lock(tmp_path):
    return lock_path(tmp_path / "models.yaml")


def test_weights_and_input_are_looked_up_once(plan_of, lock, monkeypatch):
    first = plan_of(TORCHVISION).models["mine"]
    assert first.input["size"] == 224
    assert first.input["crop"] == 0.875
    assert first.weights["pretrained"]["url"] == "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    locked = read_lock(lock)["mine"]
    assert locked["source"] == {"torchvision": "resnet18"}
    assert locked["weights"]["sha256"] == "f37072fd"
    monkeypatch.setattr(pretrained.subprocess, "run", None)
    assert plan_of(TORCHVISION).models["mine"] == first


def test_the_publisher_states_the_vocabulary_of_its_classes(plan_of, lock):
    """Unless an argument replaces the layer of classes."""
    assert plan_of(TORCHVISION).models["mine"].vocabulary == "imagenet_1k"
    assert read_lock(lock)["mine"]["vocabulary"] == "imagenet_1k"
    six = TORCHVISION | {"source": {"torchvision": "resnet18", "arguments": {"num_classes": 6}}}
    with pytest.raises(ConfigurationError, match="classes of 'mine'"):
        plan_of(six)
    assert plan_of(six | {"vocabulary": "imagenet_1k"}).models["mine"].vocabulary == "imagenet_1k"


def test_the_hash_of_a_received_file_changes_no_parameter_of_a_job(plan_of, lock):
    first = plan_of(TORCHVISION).models["mine"]
    weights = read_lock(lock)["mine"]["weights"]
    update_lock(lock, "mine", {"torchvision": "resnet18"}, "weights", weights | {"received_sha256": "0" * 64})
    assert plan_of(TORCHVISION).models["mine"] == first


def test_keys_of_the_entry_come_before_those_of_the_weights(plan_of):
    entry = TORCHVISION | {"input": {"size": 64, "crop": 1}}
    found = plan_of(entry).models["mine"].input
    assert (found["size"], found["crop"], found["mean"]) == (64, 1, [0.485, 0.456, 0.406])


def test_a_repository_of_the_hub_is_fixed_to_its_commit(plan_of, server, lock):
    entry = TORCHVISION | HUB
    commit = server.branches["lab/vit"]["main"]
    plan = plan_of(entry)
    mine = plan.models["mine"]
    assert mine.weights["pretrained"]["revision"] == commit
    assert mine.family == "test_vit"
    assert collections(plan)["weights/mine"] == [
        {
            "name": "model.safetensors",
            "weights_name": "test_vit",
            "hub": "lab/vit",
            "revision": commit,
            "file": "model.safetensors",
            "sha256": SHA256,
            "config": mine.weights["pretrained"]["config"],
            "lock": {"path": str(lock), "model": "mine", "source": {"hub": "lab/vit"}},
        }
    ]
    server.commit("lab/vit", {"config.json": b"{}", "model.safetensors": b""})
    server.requests.clear()
    assert plan_of(entry).models["mine"] == mine
    assert server.requests == []


def test_another_source_is_looked_up_again(plan_of, server, lock):
    entry = TORCHVISION | HUB
    plan_of(entry)
    with pytest.raises(ConfigurationError, match=r"models: mine\.source\.hub: .*'lab/other'"):
        plan_of(entry | {"source": {"hub": "lab/other"}})
    assert plan_of(TORCHVISION).models["mine"].weights["pretrained"]["sha256"] == "f37072fd"
    assert read_lock(lock)["mine"]["source"] == {"torchvision": "resnet18"}


def test_a_model_that_no_run_uses_is_not_looked_up(plan_of, lock):
    plan_of(TORCHVISION, generation_models=["efficientnet_lite0"], recognition_models=["efficientnet_lite0"])
    assert not lock.exists()


def test_without_network_and_lock_the_error_says_what_to_do(plan_of, monkeypatch, lock):
    use_as_hub("http://127.0.0.1:9", monkeypatch)
    entry = TORCHVISION | {"source": {"timm": "test_vit.r160_in1k"}, "stages": {"input": None, "logits": "head"}}
    with pytest.raises(ConfigurationError, match=r"models: mine\.source\.timm: .*\bretrieve\b"):
        plan_of(entry)
    assert not lock.exists()


def test_a_publisher_that_does_not_end_its_answer_is_given_up(plan_of, monkeypatch):
    def run(*_, timeout, **__):
        raise subprocess.TimeoutExpired("describe", timeout)

    monkeypatch.setattr(pretrained.subprocess, "run", run)
    with pytest.raises(ConfigurationError, match=r"models: mine: .*300 s"):
        plan_of(TORCHVISION)


def test_a_mirror_needs_no_network(plan_of, monkeypatch, tmp_path):
    use_as_hub("http://127.0.0.1:9", monkeypatch)
    place = tmp_path / "mirror/huggingface.co/timm/test_vit.r160_in1k/resolve" / ("1" * 40)
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(WEIGHTS)
    entry = TORCHVISION | {"source": {"timm": "test_vit.r160_in1k"}, "stages": {"input": None, "logits": "head"}}
    mine = plan_of(entry, mirror=str(tmp_path / "mirror")).models["mine"]
    assert mine.weights["pretrained"]["revision"] == "1" * 40
    assert mine.family == "test_vit"


def test_a_clip_model_classifies_by_texts(plan_of, server):
    server.commit("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", {"open_clip_model.safetensors": WEIGHTS})
    source = {"open_clip": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"}
    mine = plan_of(TORCHVISION | {"source": source, "stages": {"input": None, "logits": "classify"}}).models["mine"]
    assert mine.extra_weights["zero_shot"] == "imagenet"
    assert mine.input["size"] == 224


def test_a_builder_needs_no_weights_of_the_registry(plan_of, tmp_path):
    (tmp_path / "mine.py").write_text("")
    entry = TORCHVISION | {"source": {"python": f"{tmp_path}/mine.py:f"}, "weights": "builder"}
    with pytest.raises(ConfigurationError, match=r"'input' .*required"):
        plan_of(entry)
    entry |= {"input": INPUT, "vocabulary": "imagenet_1k"}
    plan = plan_of(entry)
    assert plan.models["mine"].weights == {"builder": True}
    assert "weights/mine" not in collections(plan)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"weights": "builder", "input": INPUT}, r"models: mine\.weights: builder .*source\.torchvision$"),
        ({"weights": "pretraind"}, r"mine\.weights: 'pretraind'"),
        ({"source": {"metamers": "cornet_s"}}, r"mine\.weights: pretrained .*torchvision, torchaudio, timm"),
        ({"source": {"python": "a.py:f"}}, r"mine\.weights: pretrained .*`weights: builder`"),
        ({"source": {"open_clip": "ViT-B-32"}}, "mine.*'pretrained'"),
        ({"source": {"timm": "resnet18", "weights": "X"}}, "'weights' without 'torchvision'"),
        ({"source": {"hub": "lab"}}, "ORGANIZATION/NAME"),
        (
            {"source": {"torchvision": "resnet18", "weights": "X"}, "weights": {"random": 0}, "input": {"size": 32}},
            "input.*required",
        ),
        (
            {"source": {"torchvision": "resnet18", "weights": "X"}, "weights": {"random": 0}, "input": INPUT},
            r"mine\.source\.weights: .*`weights: pretrained`",
        ),
        ({"modality": "audio"}, r"mine\.modality: audio, .*source\.torchvision .*vision$"),
        ({"source": {"torchvision": "resnet19"}}, r"models: mine\.source\.torchvision: .*'resnet19'.*'resnet18'"),
        ({"input": {"crop": 0}}, r"mine\.input\.crop: 0\b"),
    ],
)
def test_a_wrong_entry_is_an_error_with_the_remedy(plan_of, entry, message):
    with pytest.raises(ConfigurationError, match=message):
        plan_of(TORCHVISION | entry)


def test_a_process_that_crashes_is_reported(tmp_path, monkeypatch):
    ended = subprocess.CompletedProcess([], 1, stdout="", stderr="Traceback\nMemoryError")
    monkeypatch.setattr(pretrained.subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(ConfigurationError, match=r"models: a: .*\b1: MemoryError"):
        pretrained.resolve_pretrained({"a": ({"torchvision": "resnet18"}, tmp_path / "models.lock.yaml")}, None)


def test_every_refused_source_is_named_and_other_answers_are_kept(lock):
    sources = {"one": "resnet19", "two": "resnet18", "three": "vgg12"}
    asked = {name: ({"torchvision": network}, lock) for name, network in sources.items()}
    with pytest.raises(
        ConfigurationError, match=r"(?s)models: one\.source\..*resnet19.*\nmodels: three\.source\..*vgg12"
    ):
        pretrained.resolve_pretrained(asked, None)
    assert list(read_lock(lock)) == ["two"]
