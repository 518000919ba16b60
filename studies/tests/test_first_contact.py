"""First contact goes from retrieval to the page, past whatever fails, with made-up files in the published formats."""

import io
import json
import pickle
import shutil
import sys
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from metamers.config.registry import read_registries
from metamers.foreign import archives
from metamers.models.build import build_network
from metamers.models.describe import describe
from metamers.plan.steps import merge_defaults
from metamers.retrieve import mirror_path, transfer
from studies import first_contact
from studies.first_contact import DONE, FAILED, SKIPPED, published_accuracy
from tests.fake_card import NAME, fake_card
from tests.publishing import Handler, look_up_in_this_process, publisher, use_as_hub

HOST = "https://study.example/files"
ARCHIVES = {
    name: {"url": f"{HOST}/{name}.tar", "sha256": None}
    for name in ("visual_checkpoints", "audio_checkpoints", "assets", "word_encodings")
}
WORDS = [f"word{number}" for number in range(6)]
CHECKPOINT = {"entry": ["model", "state_dict"], "prefix": "module.model."}
CONFIGURATION = {
    "run": "first_contact",
    "models": {
        "seeing": {
            "modality": "vision",
            "published_as": "AlexNet",
            "source": {"torchvision": "squeezenet1_1"},
            "weights": {"archive": "visual_checkpoints", "file": "seeing.pt", **CHECKPOINT},
            "input": {"size": 64, "mean": [0.5] * 3, "std": [0.5] * 3},
            "stages": {"input": None, "first": "features.1", "logits": "classifier"},
        },
        "hearing": {
            "modality": "audio",
            "published_as": "CochCNN9",
            "source": {"python": "networks.py:hearing"},
            "weights": {"archive": "audio_checkpoints", "file": "hearing.pt", **CHECKPOINT},
            "input": {"sampling_rate_hz": 8000, "duration_s": 0.25, "preprocessing": "waveform"},
            "stages": {"input": None, "convolve": "1", "scores": "5"},
        },
        "published": {
            "modality": "vision",
            "source": {"torchvision": "squeezenet1_1"},
            "weights": "pretrained",
            "stages": {"input": None, "first": "features.1"},
        },
        "gated": {
            "modality": "vision",
            "source": {"timm": "resnet18.a1_in1k"},
            "weights": "pretrained",
            "stages": {"input": None, "first": "layer1"},
        },
    },
    "datasets": {
        "images": {
            "modality": "vision",
            "files": {"archive": "assets", "folder": "images"},
            "table": "images.csv",
            "categories": "categories.csv",
            "size": 64,
        },
        "words": {
            "modality": "audio",
            "files": {"archive": "assets", "file": "words.pckl"},
            "excerpts": len(WORDS),
            "categories": {"archive": "word_encodings", "classes": len(WORDS)},
            "sampling_rate_hz": 8000,
            "duration_s": 0.25,
        },
    },
    "stimuli": {"vision": {"dataset": "images", "number": None}, "audio": {"dataset": "words", "number": None}},
    "generation_models": [
        {"model": "seeing", "stages": ["first", "logits"]},
        {"model": "hearing", "stages": ["convolve", "scores"]},
        {"model": "published", "stages": ["first"]},
        {"model": "gated", "stages": ["first"]},
    ],
    "recognition_models": [],
    "comparison": {"contrasts": []},
}
NETWORKS = """
from torch import nn


def hearing():
    channels = nn.Unflatten(1, (1, -1))
    layers = nn.Conv1d(1, 8, 64, 8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 6)
    return nn.Sequential(channels, *layers)
"""


def tar(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def checkpoint(network):
    stream = io.BytesIO()
    weights = {f"module.model.{key}": value for key, value in network.state_dict().items()}
    torch.save({"model": weights, "epoch": 110}, stream)
    return stream.getvalue()


@pytest.fixture
def rehearsal(tmp_path, monkeypatch):
    """A folder with configuration and a mirror of made-up files; the working directory."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "networks.py").write_text(NETWORKS)
    rows = ["file,category\n"]
    pictures = {}
    for number in range(8):
        picture = io.BytesIO()
        values = rng.integers(0, 255, (8, 8, 3), np.uint8).repeat(10, axis=0).repeat(10, axis=1)
        Image.fromarray(values).save(picture, "PNG")
        pictures[f"assets/images/{number}.png"] = picture.getvalue()
        rows.append(f"{number}.png,{'dog' if number % 2 else 'cat'}\n")
    (tmp_path / "images.csv").write_text("".join(rows))
    (tmp_path / "categories.csv").write_text("class_index,category\n0,cat\n1,dog\n")
    (tmp_path / "archives.yaml").write_text(yaml.safe_dump(ARCHIVES))
    registry = {"models": [], "datasets": [], "archives": "archives.yaml", "experiments": "config/experiments.yaml"}
    settings = CONFIGURATION | {"registry": registry}
    (tmp_path / "first_contact.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    excerpts = {"Dataset_Word_Order": WORDS}
    for number, word in enumerate(WORDS):
        facts = {"word": word, "word_int": number, "sr": 8000, "path": "x", "source": "WSJ"}
        excerpts[word] = {"dataframe_metadata": facts, "audio_clips": [0.3 + 0.02 * rng.standard_normal(2000)]}
    mirror = tmp_path / "mirror"
    path = {name: mirror / mirror_path(entry["url"]) for name, entry in ARCHIVES.items()}
    tar(path["assets"], {**pictures, "assets/words.pckl": pickle.dumps(excerpts, protocol=4)})
    path["word_encodings"].write_bytes(pickle.dumps({"word_to_idx": {word: n for n, word in enumerate(WORDS)}}))
    entries = read_registries(merge_defaults({**settings, "generation_models": []})).models
    for archive, name in (("visual_checkpoints", "seeing"), ("audio_checkpoints", "hearing")):
        network = build_network(name, entries[name].parameters | {"weights": {}}, 0)
        tar(path[archive], {f"checkpoints/{name}.pt": checkpoint(network)})
    address = describe({"torchvision": "squeezenet1_1"})["weights"]["url"]
    weights = mirror / mirror_path(address)
    weights.parent.mkdir(parents=True)
    network = build_network("seeing", entries["seeing"].parameters | {"weights": {}}, 1)
    torch.save(network.state_dict(), weights)
    return SimpleNamespace(folder=tmp_path, mirror=mirror, archives=path)


@pytest.fixture
def hub():
    """A simulated hub."""
    with publisher() as published:
        yield published


def outcomes(folder):
    """(network, part, stage) → row of the JSON."""
    rows = json.loads((folder / "results/first_contact.json").read_text())["parts"]
    return {(row["network"], row["part"], row.get("stage")): row for row in rows}


def run(rehearsal, monkeypatch, *arguments):
    """Call the command as the Makefile does; return its exit status."""
    where = ("--folder", "results", "--configuration", "first_contact.yaml")
    mirror = ("--mirror", str(rehearsal.mirror)) if rehearsal.mirror else ()
    monkeypatch.setattr(sys, "argv", ["first_contact", *mirror, *where, *arguments])
    with pytest.raises(SystemExit) as ended:
        first_contact.main()
    return ended.value.code


def test_from_retrieval_to_the_page_past_a_wrong_hash_and_a_missing_repository(rehearsal, monkeypatch):
    assert run(rehearsal, monkeypatch) == 1
    rows = outcomes(rehearsal.folder)
    for name, stages in (("seeing", ["first", "logits"]), ("hearing", ["convolve", "scores"])):
        for part in ("description", "weights", "load", "accuracy"):
            assert rows[name, part, None]["outcome"] == DONE, rows[name, part, None]
        for stage in stages:
            made = rows[name, "metamer", stage]
            assert made["outcome"] == DONE
            assert made["normalized_error"] < 1
            assert isinstance(made["category_preserved"], bool)
    accuracy = rows["seeing", "accuracy", None]
    assert accuracy["n"] == 8
    assert accuracy["published"] == published_accuracy("AlexNet")["published"]
    assert len(rows["seeing", "weights", None]["sha256"]) == 64
    assert rows["published", "weights", None]["outcome"] == FAILED
    assert "SHA-256" in rows["published", "weights", None]["reason"]
    assert rows["published", "metamer", "first"]["outcome"] == SKIPPED
    assert "resnet18.a1_in1k" in rows["gated", "description", None]["reason"]
    page = (rehearsal.folder / "results/first_contact.html").read_text()
    assert page.count("<tr>") == 3 + 3 + 6 + len(rows), "heads, accuracies, metamers, and all parts"
    assert "SHA-256" in page


@pytest.mark.parametrize(
    ("fault", "part", "reason"),
    [
        ("space", ("seeing", "weights", None), "seeing.pt"),
        ("checkpoint", ("seeing", "weights", None), "visual_checkpoints.tar"),
        ("network", ("seeing", "weights", None), "127.0.0.1:9/visual_checkpoints.tar"),
        ("assets", ("images", "natural stimuli", None), "study.example/files/assets.tar"),
        ("time", ("seeing", "description", None), " 0 min"),
        ("gated", ("gated", "description", None), "timm/resnet18.a1_in1k"),
    ],
)
def test_each_failure_has_a_row_with_its_reason(rehearsal, monkeypatch, hub, fault, part, reason):
    arguments = ()
    path = rehearsal.folder / "first_contact.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["generation_models"] = [{"model": "gated" if fault == "gated" else "seeing", "stages": ["first"]}]
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    if fault == "space":
        monkeypatch.setattr(archives.shutil, "disk_usage", lambda _folder: SimpleNamespace(free=10))
    elif fault == "checkpoint":
        rehearsal.archives["visual_checkpoints"].write_bytes(b"<html>404</html>" * 100)
    elif fault == "network":
        monkeypatch.setattr(transfer.time, "sleep", lambda _seconds: None)
        refuse = {name: entry | {"url": f"http://127.0.0.1:9/{name}.tar"} for name, entry in ARCHIVES.items()}
        (rehearsal.folder / "archives.yaml").write_text(yaml.safe_dump(refuse))
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        shutil.rmtree(rehearsal.mirror)
        rehearsal.mirror = None
    elif fault == "assets":
        rehearsal.archives["assets"].unlink()
    elif fault == "gated":
        look_up_in_this_process(monkeypatch)
        use_as_hub(hub.address, monkeypatch)
        monkeypatch.setattr(Handler, "commit_of", lambda self, *_: self.error(403, "GatedRepo"))
        rehearsal.mirror = None
    else:
        arguments = ("--minutes", "0")
    assert run(rehearsal, monkeypatch, *arguments) == 1
    rows = outcomes(rehearsal.folder)
    row = rows[part]
    assert row["outcome"] == (SKIPPED if fault == "time" else FAILED)
    assert reason in row["reason"]
    assert (rehearsal.folder / "results/first_contact.html").is_file()
    if fault == "assets":
        assert rows["seeing", "accuracy", None]["outcome"] == SKIPPED
        assert rows["seeing", "metamer", "first"]["outcome"] == DONE
    elif fault != "time":
        assert rows[part[0], "load", None]["outcome"] == SKIPPED


def test_metamers_are_made_on_a_card_too(rehearsal, monkeypatch):
    path = rehearsal.folder / "first_contact.yaml"
    settings = yaml.safe_load(path.read_text()) | {"generation_models": [{"model": "hearing", "stages": ["convolve"]}]}
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    with fake_card():
        run(rehearsal, monkeypatch)
    content = json.loads((rehearsal.folder / "results/first_contact.json").read_text())
    assert content["machine"]["card"] == NAME
    made = {row["device"]: row for row in content["parts"] if row["part"] == "metamer"}
    assert {row["outcome"] for row in made.values()} == {DONE}, made
    assert made["cuda"]["normalized_error"] == pytest.approx(made["cpu"]["normalized_error"], rel=0.1)


def test_the_published_accuracy_is_the_mean_over_experiments():
    found = published_accuracy("CochCNN9")
    assert found["experiments"] == 3
    assert found["published"] == pytest.approx((0.903551195182 + 0.880158730159 + 0.896527777778) / 3)
    assert published_accuracy("not in the paper") is None


def test_its_own_configuration_is_valid(root):
    path = root / "studies/config/first_contact.yaml"
    settings = yaml.safe_load(path.read_text())
    registry = first_contact.registry_of(settings, path)
    for entry in settings["generation_models"]:
        assert set(entry["stages"]) <= registry.models[entry["model"]].stages.keys()
        assert len(entry["stages"]) == 3
