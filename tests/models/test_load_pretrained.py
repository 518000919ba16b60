"""Published weights in the networks of torchvision, timm and open_clip: as their own libraries load them, without pickle."""

import copy
import hashlib
import re

import open_clip
import pytest
import safetensors.torch
import timm
import torch
import torchvision

from metamers.models.build import build_network
from metamers.models.load import load_network
from metamers.models.sources.open_clip import open_clip_weights
from metamers.models.weights import read_weights
from metamers.models.zero_shot import read_clip

VIT = {"architecture": "test_vit", "pretrained_cfg": {"num_classes": 10, "first_conv": "patch_embed.proj"}}
VIT["pretrained_cfg"] |= {"classifier": "head", "input_size": [3, 96, 96], "tag": "mine"}
VIT["arguments"] = {"img_size": 96}
CLIP = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


def random_network(build, seed=7):
    """A network with random values in every weight, also in those that begin as constants."""
    torch.manual_seed(seed)
    network = build().eval()
    with torch.no_grad():
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                value.add_(0.01 * torch.rand_like(value)) if "var" in key else value.normal_(std=0.05)
    return network


def entry_of(source, file, tmp_path, **published):
    """A registry entry with published weights, as the configuration resolves it."""
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    lock = {"path": str(tmp_path / "models.lock.yaml"), "model": "mine", "source": source}
    return {
        "modality": "vision",
        "source": source,
        "weights": {"pretrained": {"sha256": sha256[:8], "lock": lock, **published}},
    }


def write(state, path):
    if path.suffix == ".safetensors":
        safetensors.torch.save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def assert_same(network, other, size):
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(images), other.eval()(images))


@pytest.mark.parametrize(
    "source",
    [
        {"weights": "IMAGENET1K_V1", "torchvision": "squeezenet1_1"},  # in this order, too
        {"torchvision": "mnasnet0_5"},  # whose state has a version
    ],
)
def test_torchvision(tmp_path, source):
    published = random_network(getattr(torchvision.models, source["torchvision"]))
    file = write(published.state_dict(), tmp_path / "weights.pth")
    entry = entry_of(source, file, tmp_path, weights_name="IMAGENET1K_V1", url="…")
    assert_same(load_network("mine", entry, file), published, 64)


def test_torchvision_renames_the_weights_of_its_old_files(tmp_path):
    published = random_network(torchvision.models.densenet121)
    old = {
        re.sub(r"(denselayer\d+)\.(norm|conv)(\d)", r"\1.\2.\3", key): value
        for key, value in published.state_dict().items()
        if not key.endswith(".num_batches_tracked")
    }
    assert old.keys() != published.state_dict().keys()
    file = write(old, tmp_path / "densenet.pth")
    entry = entry_of({"torchvision": "densenet121"}, file, tmp_path, weights_name="IMAGENET1K_V1", url="…")
    assert_same(load_network("mine", entry, file), published, 64)


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_timm(tmp_path, suffix):
    published = random_network(lambda: timm.create_model("test_vit"))
    file = write(published.state_dict(), tmp_path / f"model{suffix}")
    entry = entry_of({"timm": "test_vit.r160_in1k"}, file, tmp_path, hub="…", revision="…")
    assert_same(load_network("mine", entry, file), published, 160)


def test_timm_with_grey_images_sums_the_channels_of_its_first_layer(tmp_path):
    published = random_network(lambda: timm.create_model("test_resnet"))
    file = write(published.state_dict(), tmp_path / "model.safetensors")
    source = {"timm": "test_resnet.r160_in1k", "arguments": {"in_chans": 1}}
    network = load_network("mine", entry_of(source, file, tmp_path), file)
    grey = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(grey), published(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


def test_a_repository_of_the_hub(tmp_path):
    published = random_network(lambda: timm.create_model("test_vit", img_size=96, num_classes=10))
    file = write(published.state_dict(), tmp_path / "model.safetensors")
    entry = entry_of({"hub": "lab/vit"}, file, tmp_path, config=VIT)
    network = load_network("mine", entry, file)
    assert_same(network, published, 96)
    assert build_network("mine", entry, 0)(torch.rand(1, 3, 96, 96)).shape == (1, 10)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"timm": "test_vit.r160_in1k", "arguments": {"num_classes": 5}}, r"\.arguments: .*\bhead\.weight\b"),
        ({"timm": "test_vit2.r160_in1k"}, ": "),
        ({"torchvision": "squeezenet1_1", "arguments": {"num_classes": 5}}, ": .*num_classes"),
    ],
)
def test_weights_that_leave_a_part_random_are_refused(tmp_path, source, message):
    build = {"timm": lambda: timm.create_model("test_vit"), "torchvision": torchvision.models.squeezenet1_1}
    published = random_network(build[next(iter(source))])
    file = write(published.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=rf"models: mine\.source{message}"):
        load_network("mine", entry_of(source, file, tmp_path, weights_name="IMAGENET1K_V1"), file)


class Evil:
    """A pickle that runs code when it is read."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return open, (self.place, "w")


def test_no_code_of_a_file_runs(tmp_path):
    state = timm.create_model("test_vit").state_dict() | {"evil": Evil(str(tmp_path / "ran"))}
    file = write(state, tmp_path / "model.bin")
    with pytest.raises(ValueError, match=r"model\.bin"):
        load_network("mine", entry_of({"timm": "test_vit.r160_in1k"}, file, tmp_path), file)
    assert not (tmp_path / "ran").exists()


def test_a_file_with_another_hash_is_refused(tmp_path):
    file = write(timm.create_model("test_vit").state_dict(), tmp_path / "model.safetensors")
    entry = entry_of({"timm": "test_vit.r160_in1k"}, file, tmp_path)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match=r"models: mine\.weights: "):
        load_network("mine", entry, file)


@pytest.fixture
def small_clip(monkeypatch):
    """The name of a small CLIP model that open_clip can build."""
    from open_clip import factory

    monkeypatch.setitem(factory._MODEL_CONFIGS, "small", CLIP)
    return "small"


@pytest.mark.parametrize("prefix", ["", "module."])
def test_open_clip(tmp_path, small_clip, prefix):
    published = random_network(lambda: open_clip.create_model(small_clip))
    file = write({prefix + key: value for key, value in published.state_dict().items()}, tmp_path / "clip.bin")
    texts = write({"weight": torch.rand(32, 5)}, tmp_path / "texts.safetensors")
    source = {"open_clip": small_clip, "pretrained": "mine", "arguments": {"classes": 5}}
    entry = entry_of(source, file, tmp_path)
    entry["weights"]["extra_weights"] = {"path": str(texts), "module": "classify", "zero_shot": "imagenet"}
    network = load_network("mine", entry, file).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        features = published.encode_image(images, normalize=True)
        wanted = features @ safetensors.torch.load_file(texts)["weight"]
        torch.testing.assert_close(network(images), wanted)
    read = read_clip(small_clip, file, None)
    torch.testing.assert_close(read.state_dict(), published.state_dict())


def test_open_clip_renames_the_text_tower_of_old_files(monkeypatch, small_clip):
    published = random_network(lambda: open_clip.create_model(small_clip))
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "custom", CLIP | {"custom_text": True})
    network = open_clip.create_model("custom")
    renamed = open_clip_weights(network, published.state_dict() | {"logit_scale": torch.zeros(1)})
    assert renamed.keys() >= {"text.positional_embedding", "visual.class_embedding"}
    network.load_state_dict(renamed)


def test_a_builder_loads_its_own_weights(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\nfrom torch import nn\n\n\ndef mine():\n    network = nn.Linear(2, 2)\n"
        "    nn.init.constant_(network.weight, 3.0)\n    return network\n"
    )
    entry = {"source": {"python": f"{file}:mine"}, "weights": {"builder": True}}
    assert load_network("mine", entry, None).weight.eq(3).all()


def test_safetensors_are_recognized_by_their_content(tmp_path):
    file = write({"weight": torch.rand(2)}, tmp_path / "model.safetensors")
    file.rename(tmp_path / "without_suffix")
    assert read_weights(tmp_path / "without_suffix")["weight"].shape == (2,)


@pytest.mark.parametrize("save", [torch.save, safetensors.torch.save_file])
def test_a_deep_copy_of_one_tensor_copies_this_tensor_only(tmp_path, save):
    """Builders such as timm's copy each tensor of their weights."""
    save({"large": torch.zeros(10_000), "small": torch.ones(3)}, tmp_path / "weights")
    weights = read_weights(tmp_path / "weights")
    for tensor in weights.values():
        assert copy.deepcopy(tensor).untyped_storage().nbytes() == tensor.nbytes
        assert tensor.untyped_storage().nbytes() == tensor.nbytes
