"""Descriptions of published weights, and their retrieval from a misbehaving server."""

import hashlib
import io
import json
import subprocess
import sys

import pytest
import safetensors.torch
import torch
import torchvision

from metamers import retrieve
from metamers.config.model_lock import read_lock, update_lock
from metamers.models.describe import describe
from metamers.names import ConfigurationError
from metamers.retrieve import obtain, transfer
from metamers.retrieve.publishers import HASH_IN_ADDRESS
from tests.publishing import CONFIG, SHA256, WEIGHTS, publisher, use_as_hub


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer.time, "sleep", lambda _: None)
    with publisher() as published:
        use_as_hub(published.address, monkeypatch)
        yield published


@pytest.fixture
def repository(server):
    """The name of a repository with a model of timm, whose branch has one commit."""
    server.commit("lab/vit", {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": WEIGHTS})
    return "lab/vit"


def item_of(described, lock, source):
    """The item of retrieval, after the description was written to a lock file, as the configuration does it."""
    update_lock(lock, "mine", source, "weights", described["weights"])
    place = {"path": str(lock), "model": "mine", "source": source}
    return {"name": "file", **described["weights"], "lock": place}


# Metadata of weights


def test_torchvision_states_address_hash_and_input():
    found = describe({"torchvision": "resnet50", "weights": "IMAGENET1K_V2"})
    assert found["weights"] == {
        "weights_name": "IMAGENET1K_V2",
        "url": "https://download.pytorch.org/models/resnet50-11ad3fa6.pth",
        "sha256": "11ad3fa6",
    }
    assert found["input"] == {
        "size": 224,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "interpolation": "bilinear",
        "crop": pytest.approx(224 / 232, abs=1e-6),
    }


def test_torchvision_has_default_weights_and_accepts_their_long_name():
    assert describe({"torchvision": "resnet50"}) == describe({"torchvision": "resnet50", "weights": "IMAGENET1K_V2"})
    first = describe({"torchvision": "resnet50", "weights": "ResNet50_Weights.IMAGENET1K_V1"})
    assert first["weights"]["sha256"] == "0676ba61"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"torchvision": "resnet51"}, "torchvision: .*'resnet51'.*'resnet50'"),
        ({"torchvision": "resnet50", "weights": "IMAGENET1K_V3"}, "weights: .*IMAGENET1K_V1, IMAGENET1K_V2"),
        ({"torchvision": "fcn_resnet50"}, "weights: .*classify"),
        ({"timm": "test_vitt"}, "timm: .*'test_vitt'"),
        ({"timm": "test_vit.r161_in1k"}, r"timm: .*'test_vit\.r160_in1k'"),
        ({"timm": "resnet18d_nonsense"}, "timm: .*'resnet18d_nonsense'"),
        ({"open_clip": "ViT-B-32", "pretrained": "openai"}, "open_clip: ViT-B-32-quickgelu, pretrained: openai"),
        ({"open_clip": "ViT-B-32", "pretrained": "laion"}, "pretrained: .*ViT-B-32 'laion'"),
        ({"open_clip": "ViT-B-33", "pretrained": "openai"}, "open_clip: .*'ViT-B-33'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_valid_ones(source, message):
    with pytest.raises(ConfigurationError, match=message):
        describe(source)


def test_timm_names_a_repository_whose_commit_the_hub_states(server):
    commit = server.commit("timm/test_vit.r160_in1k", {"model.safetensors": WEIGHTS, "pytorch_model.bin": b"pickle"})
    found = describe({"timm": "test_vit"})
    assert found["weights"] == {
        "weights_name": "test_vit.r160_in1k",
        "hub": "timm/test_vit.r160_in1k",
        "revision": commit,
        "file": "model.safetensors",
        "sha256": SHA256,
    }
    assert found["input"] == {
        "size": 160,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "crop": 0.95,
    }
    assert server.fetched() == []  # weights are fetched by a job, not while the configuration is read


def test_weights_that_were_published_for_jax_are_those_of_the_hub_s_safetensors(server):
    repository = "timm/flexivit_small.300ep_in1k"
    server.commit(repository, {"model.safetensors": WEIGHTS, "flexivit_s_i1k_300ep.npz": b"of JAX"})
    found = describe({"timm": "flexivit_small.300ep_in1k"})["weights"]
    assert (found["hub"], found["file"], found["sha256"]) == (repository, "model.safetensors", SHA256)
    server.commit(repository, {"flexivit_s_i1k_300ep.npz": b"of JAX", "pytorch_model.bin": b"pickle"})
    with pytest.raises(ConfigurationError, match=r"model\.safetensors .*flexivit_s_i1k_300ep\.npz"):
        describe({"timm": "flexivit_small.300ep_in1k"})


def test_open_clip_names_a_repository_and_the_input(server):
    server.commit("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", {"open_clip_pytorch_model.bin": b"pickle"})
    found = describe({"open_clip": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"})
    assert found["weights"]["file"] == "open_clip_pytorch_model.bin"
    assert found["input"]["size"] == 224
    assert found["input"]["mean"] == [0.48145466, 0.4578275, 0.40821073]
    server.commit("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", {"open_clip_model.safetensors": WEIGHTS, "x.bin": b""})
    found = describe({"open_clip": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"})
    assert found["weights"]["file"] == "open_clip_model.safetensors"


def test_a_repository_of_the_hub_says_architecture_and_input(server, repository):
    found = describe({"hub": repository})
    config = found["weights"].pop("config")
    assert found["weights"] == {
        "weights_name": "test_vit",
        "hub": repository,
        "revision": server.branches[repository]["main"],
        "file": "model.safetensors",
        "sha256": SHA256,
    }
    assert (config["architecture"], config["arguments"]) == ("test_vit", {"img_size": 128})
    assert "label_names" not in config["pretrained_cfg"]
    assert found["input"] == {
        "size": 128,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "interpolation": "bilinear",
        "crop": 0.9,
    }


def test_a_revision_is_a_branch_a_tag_or_a_commit(server, repository):
    first = server.branches[repository]["main"]
    second = server.commit(repository, dict(server.repositories[repository][first]), branch="next")
    for revision, commit in [(None, first), ("next", second), (second, second)]:
        source = {"hub": repository} | ({"revision": revision} if revision else {})
        assert describe(source)["weights"]["revision"] == commit


@pytest.mark.parametrize(
    ("files", "source", "message"),
    [
        ({}, {"hub": "lab/none"}, "'lab/none'"),
        ({}, {"hub": "lab/vit", "revision": "v9"}, "lab/vit .*revision"),
        ({"model.safetensors": None}, {"hub": "lab/vit"}, r"model\.safetensors, .*config\.json"),
        ({"config.json": None}, {"hub": "lab/vit"}, r"config\.json"),
        ({"config.json": b"{"}, {"hub": "lab/vit"}, r"config\.json of lab/vit "),
        ({"config.json": b"[]"}, {"hub": "lab/vit"}, r"config\.json of lab/vit "),
        (
            {"config.json": b'{"model_type": "vit", "architectures": ["ViTForImageClassification"]}'},
            {"hub": "lab/vit"},
            r"\{transformers: lab/vit\}",
        ),
        (
            {
                "config.json": b'{"architecture": "test_vit", "model_args": {"checkpoint_path": "/a"}, "pretrained_cfg": {}}'
            },
            {"hub": "lab/vit"},
            "checkpoint_path .*model_args",
        ),
        (
            {"config.json": b'{"architecture": "test_vit", "pretrained_cfg": []}'},
            {"hub": "lab/vit"},
            r"\btimm: \w+Error",
        ),
        ({"config.json": b'{"architecture": "test_vit", "input_size": 3}'}, {"hub": "lab/vit"}, r"\btimm: \w+Error"),
        ({"config.json": b'{"architecture": "test_vitt"}'}, {"hub": "lab/vit"}, "'test_vitt'.*'test_vit'"),
    ],
)
def test_a_repository_that_cannot_be_used_is_an_error_with_the_remedy(server, repository, files, source, message):
    main = server.branches[repository]["main"]
    changed = server.repositories[repository][main] | files
    server.commit(repository, {name: content for name, content in changed.items() if content is not None})
    with pytest.raises(ConfigurationError, match=f"^hub: .*{message}"):
        describe(source)


def test_without_network_the_error_names_retrieve_and_the_mirror(monkeypatch):
    use_as_hub("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(ConfigurationError, match=r"`snakemake retrieve`.*lab/vit/resolve/COMMIT/FILE"):
        describe({"hub": "lab/vit"})


def test_a_mirror_stands_for_the_hub(tmp_path):
    place = tmp_path / "huggingface.co/lab/vit/resolve" / ("1" * 40)
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps(CONFIG))
    (place / "model.safetensors").write_bytes(WEIGHTS)
    found = describe({"hub": "lab/vit"}, tmp_path)
    assert (found["weights"]["revision"], found["weights"]["file"]) == ("1" * 40, "model.safetensors")
    assert found["input"]["size"] == 128
    (place.parent / ("2" * 40)).mkdir()
    with pytest.raises(ConfigurationError, match=f"{'1' * 40}, {'2' * 40}.*`revision`"):
        describe({"hub": "lab/vit"}, tmp_path)
    assert describe({"hub": "lab/vit", "revision": "1" * 40}, tmp_path)["weights"]["revision"] == "1" * 40
    with pytest.raises(ConfigurationError, match="lab/other"):
        describe({"hub": "lab/other"}, tmp_path)


@pytest.mark.parametrize(
    ("url", "digits"),
    [
        ("https://a.org/models/resnet18-5c106cde.pth", "5c106cde"),
        ("https://a.org/models/x-20240131.pth", None),
        (f"https://a.org/{'ab' * 32}/RN50.pt", "ab" * 32),
        ("https://a.org/models/x-abc.pth", None),
        ("https://a.org/models/x-1234567f.pth.tar", "1234567f"),
        ("https://a.org/models/plain.pth", None),
    ],
)
def test_digits_of_a_hash_are_read_from_an_address(url, digits):
    found = HASH_IN_ADDRESS.search(url)
    assert (found and (found[1] or found[2])) == digits


def test_the_answers_come_from_a_separate_process(server, repository):
    request = {"mirror": None, "sources": {"a": {"torchvision": "resnet18"}, "b": {"torchvision": "none"}}}
    run = subprocess.run(
        [sys.executable, "-m", "metamers.models.describe"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(run.stdout)
    assert answers["a"] == describe({"torchvision": "resnet18"})
    assert answers["b"]["error"].startswith("torchvision: ")


# Fetching


@pytest.fixture
def wanted(server, repository, tmp_path):
    """The item of the repository's weights, in a lock file."""
    source = {"hub": repository}
    return item_of(describe(source), tmp_path / "models.lock.yaml", source)


def received(item):
    return read_lock(item["lock"]["path"])["mine"]["weights"].get("received_sha256")


def test_the_hub_sends_a_file_and_its_hash_is_locked(wanted, tmp_path):
    assert received(wanted) is None
    retrieve.retrieve([wanted], tmp_path / "out", tmp_path / "store")
    assert (tmp_path / "out/file").read_bytes() == WEIGHTS
    assert not (tmp_path / "out/file").is_symlink()
    assert received(wanted) == SHA256


def test_a_transfer_of_the_hub_that_breaks_off_goes_on(wanted, server, tmp_path):
    server.breaks = 3
    assert obtain(wanted, tmp_path / "store", None).read_bytes() == WEIGHTS


@pytest.mark.hostile(
    "Servers and mirrors",
    "published weights with another hash than the publisher states",
    "not used; the message has both hashes",
)
def test_a_file_of_the_hub_with_another_hash_is_not_used(wanted, server, tmp_path):
    server.altered = True
    with pytest.raises(OSError, match=f"SHA-256 .*{SHA256}"):
        obtain(wanted, tmp_path / "store", None)
    assert received(wanted) is None
    server.altered = False
    assert obtain(wanted, tmp_path / "store", None).read_bytes() == WEIGHTS


def test_a_damaged_file_in_the_store_is_fetched_again(wanted, tmp_path):
    path = obtain(wanted, tmp_path / "store", None)
    path.write_bytes(WEIGHTS[:-1] + b"x")
    assert obtain(wanted, tmp_path / "store", None).read_bytes() == WEIGHTS


def test_small_files_of_the_hub_are_checked_by_the_hash_of_git(server, tmp_path):
    commit = server.commit("lab/small", {"small.dat": b"content"})
    sha1 = hashlib.sha1(b"blob 7\0content").hexdigest()
    item = {"hub": "lab/small", "revision": commit, "file": "small.dat", "git_sha1": sha1}
    assert obtain(item, tmp_path, None).read_bytes() == b"content"
    with pytest.raises(OSError, match=r"SHA-1 .*000"):
        obtain(item | {"git_sha1": "0" * 40}, tmp_path, None)


@pytest.mark.hostile("published weights that have …")
def test_a_branch_that_moved_after_the_lock_changes_nothing(wanted, server, repository, tmp_path):
    newer = safetensors.torch.save({"weight": torch.zeros(10)})
    moved = server.commit(repository, {"config.json": json.dumps(CONFIG).encode(), "model.safetensors": newer})
    assert moved != wanted["revision"]
    assert obtain(wanted, tmp_path / "store", None).read_bytes() == WEIGHTS
    assert describe({"hub": repository})["weights"]["revision"] == moved  # only without a lock file


@pytest.mark.hostile(
    "Servers and mirrors",
    "published weights that have changed since the first retrieval",
    "not used; the lock file has the hash of the first file, and the hub's commit",
)
def test_a_file_that_has_changed_since_it_was_locked_is_not_used(wanted, tmp_path):
    weights = read_lock(wanted["lock"]["path"])["mine"]["weights"]
    source = wanted["lock"]["source"]
    update_lock(wanted["lock"]["path"], "mine", source, "weights", weights | {"received_sha256": "0" * 64})
    with pytest.raises(OSError, match=f"{'0' * 64}.*`weights` of mine"):
        obtain(wanted, tmp_path / "store", None)


def test_a_commit_that_is_gone_says_so(wanted, server, repository, tmp_path):
    server.repositories[repository] = {}
    with pytest.raises(OSError, match="404"):
        obtain(wanted, tmp_path / "store", None)


def test_a_mirror_stands_for_the_hub_when_files_are_fetched(wanted, server, tmp_path):
    server.requests.clear()
    place = tmp_path / "mirror/huggingface.co/lab/vit/resolve" / wanted["revision"]
    (tmp_path / "mirror").mkdir()
    with pytest.raises(FileNotFoundError, match=r"huggingface\.co/lab/vit/resolve/[0-9a-f]{40}/model\.safetensors"):
        obtain(wanted, tmp_path / "store", tmp_path / "mirror")
    place.mkdir(parents=True)
    (place / "model.safetensors").write_bytes(WEIGHTS)
    assert obtain(wanted, tmp_path / "store", tmp_path / "mirror").read_bytes() == WEIGHTS
    (place / "model.safetensors").write_bytes(WEIGHTS + b"x")
    with pytest.raises(OSError, match=r"model\.safetensors"):
        obtain(wanted, tmp_path / "store", tmp_path / "mirror")
    assert server.requests == []


@pytest.fixture
def at_address(server, monkeypatch, tmp_path):
    """The item of torchvision's weights of a small network, whose address is on the server."""
    torch.manual_seed(0)
    stream = io.BytesIO()
    torch.save(torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict(), stream)
    content = stream.getvalue()
    digits = hashlib.sha256(content).hexdigest()[:8]
    name = f"shufflenetv2_x0.5-{digits}.pth"
    server.files[name] = content
    chosen = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1
    monkeypatch.setattr(chosen.value, "url", f"{server.address}/files/{name}")
    source = {"torchvision": "shufflenet_v2_x0_5"}
    return item_of(describe(source), tmp_path / "models.lock.yaml", source), content


def test_a_file_from_an_address_is_checked_by_some_digits_and_its_whole_hash_is_locked(at_address, tmp_path):
    item, content = at_address
    assert len(item["sha256"]) == 8
    retrieve.retrieve([item], tmp_path / "out", tmp_path / "store")
    assert (tmp_path / "out/file").read_bytes() == content
    assert received(item) == hashlib.sha256(content).hexdigest()


def test_a_transfer_from_an_address_that_breaks_off_is_repeated(at_address, server, tmp_path):
    item, content = at_address
    server.breaks = 1
    (tmp_path / "store").mkdir()
    assert obtain(item, tmp_path / "store", None).read_bytes() == content


@pytest.mark.hostile("published weights with another …")
def test_a_file_from_an_address_with_another_hash_is_not_used(at_address, server, tmp_path):
    item, _ = at_address
    server.altered = True
    (tmp_path / "store").mkdir()
    with pytest.raises(OSError, match=f"SHA-256 .*{item['sha256']}"):
        obtain(item, tmp_path / "store", None)
    assert received(item) is None
    assert [path.name for path in (tmp_path / "store").iterdir() if path.suffix != ".lock"] == []


def test_a_missing_address_and_a_mirror(at_address, server, tmp_path):
    item, content = at_address
    (tmp_path / "store").mkdir()
    server.files = {}
    with pytest.raises(OSError, match=r"404.*`mirror`"):
        obtain(item, tmp_path / "store", None)
    place = tmp_path / "mirror" / item["url"].split("://")[1]
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    assert obtain(item, tmp_path / "store", tmp_path / "mirror").read_bytes() == content


def test_an_address_without_a_hash_is_checked_by_its_length_and_locked(server, tmp_path):
    server.files["plain.pth"] = WEIGHTS
    source = {"timm": "some"}
    item = item_of(
        {"weights": {"weights_name": "some", "url": f"{server.address}/files/plain.pth"}}, tmp_path / "l.yaml", source
    )
    server.breaks = 1
    (tmp_path / "store").mkdir()
    assert obtain(item, tmp_path / "store", None).read_bytes() == WEIGHTS
    assert received(item) == SHA256
    (tmp_path / "store" / transfer.unverified_file_name(item["url"])).write_bytes(b"other")
    with pytest.raises(OSError, match=SHA256):
        obtain(item, tmp_path / "store", None)
