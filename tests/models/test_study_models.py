"""Every model of the study: its stages in the published order, its size, and its checkpoint in the published format."""

import argparse
import functools
import sys
import types
from collections import OrderedDict

import numpy as np
import open_clip
import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn

from metamers.config import read as config_read
from metamers.modalities import MODALITIES
from metamers.models import build as models_build
from metamers.models import load as models_load
from metamers.models import model as models
from metamers.models import weights as models_weights
from metamers.models.sources.open_clip import clip_images
from metamers.names import NATURAL
from metamers.plan import plan as config
from metamers.plan.retrieved import collections
from metamers.plan.steps import merge_defaults
from metamers.run.hashes import sha256_of
from metamers.synthesize.metamers import synthesize

ROOT = config_read.ROOT
REGISTRY = config_read.read_registry(ROOT / "config" / "models.yaml", "models")
ARCHIVES = config_read.read_registry(ROOT / "config" / "archives.yaml", "archives")
HUMAN = config_read.read_yaml(ROOT / "config" / "experiments.yaml")
STUDY = {name: entry for name, entry in REGISTRY.items() if name in HUMAN["models"]}

# Parameters of the published architectures: as torchvision's documentation has them (weights' meta num_params; ViT-L/16 is
# its vit_l_16), for CORnet-S the 53.4 million of its authors' repository, for CLIP open_clip's docs/model_profile.csv, for
# the auditory ones the layers of the paper's Methods added up, as in tests/models/networks/test_audio.py.
PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg_19": 143_667_240,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "SWSL_resnext101_32x8d": 88_791_336,
    "vision_transformer_vit_large_patch16_224": 304_326_632,
    "cornet_s": 53_416_616,
    "kell2018": 110_221_980,
    "cochresnet50": 25_128_666,
    "spectemp_filters": 111 * 211 * 794 + 794,
    # The image towers of CLIP, and a column for each class.
    "CLIP_resnet50": 38_316_896 + 1024 * 1000,
    "CLIP_ViT-B_32": 87_849_216 + 512 * 1000,
}


# Architectures that cannot be built without numbers: open_clip's, and those that compute their filters.
WITH_NUMBERS = [
    str(entry["source"])
    for entry in STUDY.values()
    if "open_clip" in entry["source"] or entry["source"].get("metamers") in ("vone_alexnet", "hmax")
]


@functools.cache
def built(source: str) -> nn.Module:
    """A network without numbers, once for each architecture: its shapes cost next to nothing."""
    name = next(name for name, entry in STUDY.items() if str(entry["source"]) == source)
    if source in WITH_NUMBERS:
        return models_build.build_network(name, STUDY[name], 0).to("meta").eval()
    with torch.device("meta"):
        return models_build.build_network(name, STUDY[name], 0).to("meta").eval()


def on_paper(name: str) -> nn.Module:
    """The network of one of the study's models."""
    return built(str(STUDY[name]["source"]))


def scores(network: nn.Module, entry: dict) -> torch.Tensor:
    """What a network without numbers gives for one stimulus."""
    given = entry["input"]
    shape = (len(given["mean"]), given["size"], given["size"]) if "size" in given else (1, 211, 390)
    return network(torch.empty(1, *shape, device="meta"))


def test_all_models_of_the_study_are_there():
    recognition_models = HUMAN["recognition_models"]["audio"]["models"]
    assert set(STUDY) == set(HUMAN["models"])
    assert sum(entry["modality"] == "vision" for entry in STUDY.values()) == 30
    assert {name for name in STUDY if STUDY[name]["modality"] == "audio"} == {*recognition_models, "spectemp_filters"}


@pytest.mark.parametrize("name", STUDY)
def test_names_are_the_studys_in_the_published_order(name):
    human, entry = HUMAN["models"][name], STUDY[name]
    assert entry["published_as"] == human["name"]
    published = list(HUMAN["layers"][human["layers"]].items())
    assert published[0][1] == NATURAL
    found = [
        (place.get("published", stage) if isinstance(place, dict) else stage, stage)
        for stage, place in list(entry["stages"].items())[1:]
    ]
    assert found == published[1:]
    for layer, stage in found:
        if "fake" in layer:
            assert entry["stages"][stage]["pass_through_relu"]


def test_images_are_normalized_as_torchvision_and_open_clip_state_for_their_networks():
    """The study's networks take images normalized for ImageNet, except those of CLIP, and HMAX, which takes grey values."""
    imagenet = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.transforms()
    clip = {name for name, entry in STUDY.items() if "open_clip" in entry["source"]}
    images = {name: entry["input"] for name, entry in STUDY.items() if entry["modality"] == "vision"}
    normalization = {name: (given["mean"], given["std"]) for name, given in images.items()}
    expected = dict.fromkeys(images, (imagenet.mean, imagenet.std)) | {"hmax_standard": ([0], [1])}
    expected |= dict.fromkeys(clip, ([*open_clip.OPENAI_DATASET_MEAN], [*open_clip.OPENAI_DATASET_STD]))
    assert normalization == expected
    usual = MODALITIES["vision"].usual_input
    assert (usual["mean"], usual["std"]) == (imagenet.mean, imagenet.std)


@pytest.mark.parametrize("name", PARAMETERS)
def test_networks_have_as_many_parameters_as_published(name):
    assert sum(parameter.numel() for parameter in on_paper(name).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", {str(entry["source"]): name for name, entry in STUDY.items()}.values())
def test_stages_are_reached_in_the_published_order_and_the_last_gives_the_classes(name):
    entry, network, reached = STUDY[name], on_paper(name), []
    model = models.Model(name, entry["modality"], nn.Identity(), network, entry["stages"])
    hooks = []
    for stage, place in model.stages.items():
        if place["module"] and place["module"] != models.PREPROCESSING_PATH:
            module = network.get_submodule(place["module"])

            def note(*_, stage=stage):
                if stage not in reached:
                    reached.append(stage)

            hooks.append(module.register_forward_hook(note))
    given = scores(network, entry)
    for hook in hooks:
        hook.remove()
    assert reached == [stage for stage in entry["stages"] if stage not in ("input", "cochleagram")]
    assert given.shape == (1, 1000 if entry["modality"] == "vision" else 794)


def test_the_attention_pooling_of_clip_gives_the_embedding_of_length_1(monkeypatch):
    """The study's program divides its output in place by its length, through which no gradient passes."""
    vision = {"image_size": 64, "layers": [3, 4, 6, 3], "width": 8, "head_width": 16, "patch_size": None}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    settings = {"embed_dim": 16, "vision_cfg": vision, "text_cfg": text}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "small", settings)
    torch.manual_seed(0)
    network = clip_images(open_clip.create_model("small"), "small", 5).eval()
    model = models.Model("clip", "vision", nn.Identity(), network, STUDY["CLIP_resnet50"]["stages"])
    images, direction = torch.rand(2, 3, 64, 64, requires_grad=True), torch.randn(16)
    pooled = network.visual(images)
    lengths = pooled.norm(dim=1, keepdim=True).detach()
    assert not torch.allclose(lengths, torch.ones(2, 1), atol=0.1)
    found = model(images, "attnpool")
    torch.testing.assert_close(found, pooled / lengths)
    torch.testing.assert_close(found, model(images, "final"))
    gradients = [torch.autograd.grad((values @ direction).sum(), images)[0] for values in (found, pooled / lengths)]
    torch.testing.assert_close(*gradients)
    # Class scores are the cosines with the texts, as before: a second division by the length changes nothing.
    scores = nn.functional.normalize(found, dim=1) @ network.classify.weight
    torch.testing.assert_close(network(images), scores)


# Checkpoints as they are published


def numbered(network: nn.Module) -> dict[str, torch.Tensor]:
    """A state dict whose n-th tensor is filled with n, at the cost of one number each."""
    return OrderedDict(
        (key, torch.tensor(number, dtype=value.dtype).expand(value.shape))
        for number, (key, value) in enumerate(network.state_dict().items(), start=1)
    )


def training_checkpoint(state: dict, prefix: str) -> dict:
    """As the study's training library saves: the network twice, the normalization, and whatever the training had."""
    other = {"module.normalizer.new_mean": torch.zeros(3, 1, 1), "module.preproc.rep.filters": torch.zeros(2, 2)}
    twice = {key.replace("module.model.", "module.attacker.model."): value for key, value in state.items()}
    front_end = {"module.model.0.full_rep.rep.coch_filters": torch.zeros(2)} if prefix.endswith(".1.") else {}
    return {
        "model": OrderedDict(other | front_end | state | twice),
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "schedule": {"gamma": 0.1, "_step_count": 7},
        "epoch": 90,
        "nat_prec1": np.float64(63.0),
        "args": argparse.Namespace(arch="resnet50"),
    }


def write_published(name, network, folder):
    """Write a model's weights as published; its entry, and the numbers that should arrive."""
    entry = STUDY[name] | {"weights": dict(STUDY[name]["weights"])}
    weights, wanted = entry["weights"], numbered(network)
    weights.pop("sha256", None)
    parts = [weights]
    if "extra_weights" in weights:
        weights["extra_weights"] = weights["extra_weights"] | {"path": str(folder / "extra_weights.pt")}
        parts.append(weights["extra_weights"])
    own = [f"{part['module']}." for part in parts if "module" in part]
    files = []
    for part, stem in zip(parts, ("weights", "extra_weights"), strict=False):
        file = folder / f"{stem}.pt"
        place = f"{part['module']}." if "module" in part else ""
        state = {
            part.get("prefix", "") + key.removeprefix(place): value
            for key, value in wanted.items()
            if (key.startswith(place) if place else not any(key.startswith(other) for other in own))
        }
        if weights.get("keys") == "order":
            state = {key.replace("features.", "features.module."): value for key, value in state.items()}
        match part.get("entry"):
            case None:
                state |= {"text_projection": torch.zeros(2)} if part.get("module") == "visual" else {}
            case "state_dict":
                state = {"state_dict": state, "epoch": 60, "arch": "resnet50", "best_prec1": torch.tensor(1.0)}
            case _:
                state = training_checkpoint(state, part["prefix"])
        if "zero_shot" in part or ARCHIVES.get(part.get("archive"), {}).get("url", "").endswith(".safetensors"):
            file = file.with_suffix(".safetensors")
            if part is not weights:
                part["path"] = str(file)
            safetensors.torch.save_file({key: value.contiguous() for key, value in state.items()}, file)
        else:
            torch.save(state, file)
        files.append(file)
    return entry, files[0], wanted


def kind_of_checkpoint(entry: dict) -> str:
    """The architecture, and all about its weights except from where they come."""
    weights = {key: value for key, value in entry["weights"].items() if key not in ("file", "archive", "url", "sha256")}
    return f"{entry['source']} {weights}"


@pytest.mark.parametrize(
    "name",
    {kind_of_checkpoint(entry): name for name, entry in STUDY.items() if "timm" not in entry["source"]}.values(),
)
def test_the_published_checkpoint_arrives(name, tmp_path):
    entry, file, wanted = write_published(name, on_paper(name), tmp_path)
    found = models_weights.published_weights(name, entry, file, on_paper(name))
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key].shape == value.shape
        assert found[key].flatten()[0] == value.flatten()[0], key


# Any kind of file that there is


@pytest.fixture
def small():
    """A small network of convolution and normalization."""
    network = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 3), bn=nn.BatchNorm2d(4), relu=nn.ReLU()))
    for number, value in enumerate(network.state_dict().values(), start=1):
        value.fill_(number)
    return network.eval()


@pytest.mark.parametrize("zipped", [True, False])
def test_objects_of_programs_that_are_not_here_do_no_harm(small, zipped, tmp_path, monkeypatch):
    gone = types.ModuleType("gone_program")

    class Schedule:
        def __init__(self):
            self.rate = 0.1

    Schedule.__module__, Schedule.__qualname__ = "gone_program", "Schedule"
    gone.Schedule = Schedule
    monkeypatch.setitem(sys.modules, "gone_program", gone)
    state = {f"module.model.{key}": value for key, value in small.state_dict().items()}
    checkpoint = training_checkpoint(state, "module.model.") | {"schedule": Schedule()}
    torch.save(checkpoint, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    monkeypatch.delitem(sys.modules, "gone_program")
    found = models_weights.read_weights(tmp_path / "w.pt", ["model", "state_dict"], "module.model.")
    torch.testing.assert_close(found, dict(small.state_dict()))


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a checkpoint with objects or code in addition to its weights",
    "code of this workflow reads the tensors, and nothing else is built; `torch.load` is not called",
)
@pytest.mark.parametrize("zipped", [True, False])
def test_code_beside_the_weights_is_not_run_and_among_them_is_refused(small, zipped, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    state = dict(small.state_dict())
    torch.save({"model": state, "args": Hostile()}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    torch.testing.assert_close(models_weights.read_weights(tmp_path / "w.pt", "model"), state)
    torch.save({"model": state | {"x": Hostile()}}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"w\.pt: .*x is a .*open.* code"):
        models_weights.read_weights(tmp_path / "w.pt", "model")
    assert not (tmp_path / "ran").exists()


@pytest.mark.hostile("Pickles and checkpoints", "a TorchScript archive", "its tensors are read, its code is not")
@pytest.mark.parametrize("half", [True, False])
def test_tensors_of_a_torchscript_archive_are_read_without_its_code(small, half, tmp_path):
    network = nn.Sequential(OrderedDict(visual=small.half() if half else small, text=nn.Linear(2, 2)))
    torch.jit.script(network).save(tmp_path / "w.pt")
    torch.testing.assert_close(
        models_weights.read_weights(tmp_path / "w.pt", prefix="visual."), dict(small.state_dict())
    )


def test_counters_of_old_checkpoints_may_be_missing_and_nothing_else(small):
    old = {key: value for key, value in small.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert models_weights.fit_weights(old, small, "same", "w.pt") == old
    del old["bn.running_mean"]
    with pytest.raises(ValueError, match=r"w\.pt: .*\b2: bn\.num_batches_tracked, bn\.running_mean\b"):
        models_weights.fit_weights(old, small, "same", "w.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("module.model.conv0.weight"), r"\b1: conv0\.weight\b"),
        (lambda state: state.update({"module.model.conv0.weight": torch.ones(2)}), r"conv0\.weight .*\(2,\)"),
        (
            lambda state: state.update({"module.model.batchnorm0.weight": torch.full((1,), torch.nan)}),
            r"batchnorm0\.weight .*NaN",
        ),
    ],
)
def test_a_published_checkpoint_that_does_not_fit_is_refused(change, message, tmp_path):
    name = "kell2018_l2_1_robust_cochleagram"
    entry, file, _ = write_published(name, on_paper(name), tmp_path)
    checkpoint = torch.load(file, weights_only=False)
    change(checkpoint["model"])
    torch.save(checkpoint, file)
    with pytest.raises(ValueError, match=message) as error:
        models_weights.published_weights(name, entry, file, on_paper(name))
    assert "weights.pt" in str(error.value)


def test_no_model_of_the_study_needs_a_file_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changed = {"generation_models": [*STUDY], "recognition_models": [*STUDY], "comparison": {"contrasts": []}}
    stimuli = {"vision": {"dataset": "imagenet_400", "number": 1}, "audio": {"dataset": "wsj_400", "number": 1}}
    plan = config.make_plan(merge_defaults(changed | {"stimuli": stimuli}))
    retrieved = collections(plan)
    for name in STUDY:
        weights, *others = retrieved[f"weights/{name}"]
        assert "archive" in weights or weights["sha256"]
        wanted = [f"resources/retrieved/weights/{name}/{item['name']}" for item in others]
        if name.startswith("CLIP"):
            wanted = [f"resources/retrieved/zero_shot/{name}.safetensors"]
        extra = plan.models[name].extra_weights
        assert [extra.get("path")] == (wanted or [None])


def test_the_first_digits_of_a_hash_are_enough(small, tmp_path):
    torch.save(small.state_dict(), tmp_path / "w.pt")
    found = sha256_of(tmp_path / "w.pt")
    entry = {"source": {"python": "net.py:net"}, "weights": {"path": "w.pt", "sha256": found[:8]}}
    assert (
        models_weights.published_weights("small", entry, tmp_path / "w.pt", small).keys() == small.state_dict().keys()
    )
    entry["weights"]["sha256"] = "0" * 8
    with pytest.raises(ValueError, match=rf"small\.weights\.sha256: .*{found}.*\b00000000\b"):
        models_weights.published_weights("small", entry, tmp_path / "w.pt", small)


# Metamers of small versions


def shrunk(name):
    """A model at 64 pixels or half a second, narrow where its architecture allows that, with random weights."""
    entry = STUDY[name]
    smaller = {
        "vit_large_patch16_224": {"img_size": 64, "embed_dim": 48, "num_heads": 4, "depth": 19},
        "RN50-quickgelu": {"size": 64},
        "ViT-B-32-quickgelu": {"size": 64},
        "coch_cnn9": {"classes": 5, "width": 0.05, "shape": [211, 90]},
        "coch_resnet50": {"classes": 5, "width": 0.05},
        "spectemp": {"classes": 5, "shape": [211, 90], "rates": [0, 4, 16], "scales": [0, 0.5]},
    }
    source = {key: value for key, value in entry["source"].items() if key != "arguments"}
    (architecture,) = source.values()
    size = {"size": 64} if entry["modality"] == "vision" else {"duration_s": 0.5}
    return entry | {
        "source": source | {"arguments": smaller.get(architecture, {})},
        "weights": {"random": 0},
        "input": entry["input"] | size,
    }


@pytest.mark.parametrize(
    "name",
    ["cochresnet50_l2_1_robust_waveform", "kell2018_l2_1_robust_cochleagram", "spectemp_filters",
     "vision_transformer_vit_large_patch16_224"],
)  # fmt: skip
def test_a_model_has_its_checkpoints_weights(name, tmp_path):
    small = shrunk(name)
    published, file, wanted = write_published(name, models_build.build_network(name, small, 0), tmp_path)
    entry = small | {"weights": published["weights"]}
    network = models_build.build_network(name, entry, 1)
    network.load_state_dict(models_weights.published_weights(name, entry, file, network))
    torch.testing.assert_close(network.state_dict(), dict(wanted))
    assert models_load.load_model(name, entry, file, torch.device("cpu")).name == name


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("alexnet", ("relu1", "final")),
        ("resnet50", ("conv1_relu1", "layer1")),
        ("vision_transformer_vit_large_patch16_224", ("pos_embed", "block_18")),
        ("CLIP_resnet50", ("stem", "layer1")),
        ("CLIP_ViT-B_32", ("class_embedding_cat", "final")),
        ("kell2018", ("cochleagram", "relu1")),
        ("cochresnet50", ("conv1_relu1", "layer1")),
        ("spectemp_filters", ("cochleagram", "avgpool")),
    ],
)
def test_metamers_come_closer(name, stages):
    model = models_load.load_model(name, shrunk(name), None, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    shape = (1, *model.preprocessing.signal_shape)
    if model.modality == "vision":
        natural, start = torch.rand(shape, generator=generator), torch.full(shape, 0.5)
        start += 0.05 * torch.randn(shape, generator=generator)
    else:
        natural, start = 0.1 * torch.randn(shape, generator=generator), 1e-3 * torch.randn(shape, generator=generator)
    settings = {"optimizer": "adam", "steps": 3, "learning_rate": 0.02, "beta_1": 0.9, "beta_2": 0.99}
    for stage in stages:
        metamers, loss = synthesize(model, stage, natural, start, "one_cycle", settings)
        assert metamers.shape == shape
        assert loss[0, -1] < 0.95 * loss[0, 0]


@pytest.mark.parametrize("name", ["CLIP_resnet50", "CLIP_ViT-B_32"])
def test_clip_is_the_tower_of_open_clip_and_answers_with_the_nearest_text(name):
    network = models_build.build_network(name, shrunk(name), 0).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        features = network.visual(images)
        expected = nn.functional.cosine_similarity(features[:, :, None], network.classify.weight[None], dim=1)
        lengths = network.classify.weight.norm(dim=0)
        torch.testing.assert_close(network(images), expected * lengths, rtol=1e-4, atol=1e-5)
