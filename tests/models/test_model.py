"""Models come from data, run only as far as asked, and never run what a weights file says."""

import pickle
import weakref
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from metamers import retrieve
from metamers.config import read as config_read
from metamers.config import tables
from metamers.leaderboard.depth import stage_layers
from metamers.model_card.card import places
from metamers.models import device as models_device
from metamers.models import load as models_load
from metamers.models import model as models
from metamers.models.classes import class_scores
from metamers.models.model import NO_OPTIONS, Model
from metamers.models.preprocessing import ImagePreprocessing
from metamers.names import ConfigurationError
from metamers.run import packages
from tests.networks.entries import CPU, IMAGE_INPUT, load, tiny


@pytest.fixture
def convolutional(root):
    stages = {
        "input": None,
        "first": "first",
        "block": {"module": "block", "pass_through_relu": "relu"},
        "plain_block": "block",
        "pooled": "pool",
        "logits": "classify",
    }
    return load(tiny(root, "convolutional", stages))


def test_the_input_stage_is_the_stimulus(convolutional):
    images = torch.rand(2, 3, 8, 8)
    assert convolutional(images, "input") is images


def test_the_last_stage_is_the_whole_model(convolutional):
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(convolutional(images, "logits"), convolutional.scores(images))


def test_a_model_runs_only_up_to_the_stage(convolutional):
    ran = []
    for name, module in convolutional.network.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    convolutional(torch.rand(1, 3, 8, 8), "first")
    assert ran in (["first"], [])  # the hook that stops comes first or last; nothing after it runs


def test_activations_are_the_same_however_they_are_batched(convolutional):
    images = torch.rand(5, 3, 8, 8)
    one = models.activations(convolutional, images, "pooled", max_batch_size=1)
    np.testing.assert_allclose(models.activations(convolutional, images, "pooled", max_batch_size=5), one, rtol=1e-5)


def test_a_pass_through_relu_changes_gradients_not_activations(convolutional):
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(convolutional(images, "block"), convolutional(images, "plain_block"), rtol=0, atol=0)
    # Only the last ReLU passes: the gradient equals that of the sum before it.
    given = images.clone().requires_grad_()
    convolutional(given, "block").sum().backward()
    network = convolutional.network
    wanted = images.clone().requires_grad_()
    hidden = torch.relu(network.first(convolutional.preprocessing(wanted)))
    (network.second(hidden) + hidden).sum().backward()
    torch.testing.assert_close(given.grad, wanted.grad)


def test_images_of_another_size_are_resized_and_gradients_reach_them(convolutional):
    images = torch.rand(1, 3, 12, 12, requires_grad=True)
    convolutional(images, "logits").sum().backward()
    assert images.grad.isfinite().all()
    assert images.grad.any()


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ({"input": None, "x": "frist"}, r"tiny\.stages\.x: .*'frist'.* first\b"),
        (
            {"input": None, "x": {"module": "first", "pass_through_relu": "first"}},
            r"tiny\.stages\.x\.pass_through_relu: ",
        ),
    ],
)
def test_a_stage_of_another_module_is_named(root, stages, message):
    with pytest.raises(ValueError, match=message):
        load(tiny(root, "convolutional", stages))


def test_an_unknown_stage_lists_those_there_are(convolutional):
    with pytest.raises(ConfigurationError, match=r"'blocks'.*'block'.*input, first, block"):
        convolutional(torch.rand(1, 3, 8, 8), "blocks")


def test_a_module_that_takes_no_part_is_named(root):
    model = load(tiny(root, "convolutional", {"input": None, "x": "unused"}))
    with pytest.raises(ValueError, match=r"tiny\.stages\.x: .*'unused'"):
        model(torch.rand(1, 3, 8, 8), "x")


class Loop(nn.Module):
    """Gives its state and its output, as recurrent networks do, in several forms."""

    def __init__(self, form):
        super().__init__()
        self.form = form
        self.first = nn.Conv2d(3, 4, 1)

    def forward(self, images):
        hidden = self.first(images)
        return self.form(hidden, hidden.relu())


class Looped(nn.Module):
    """A network with such a module."""

    def __init__(self, form, select):
        super().__init__()
        self.loop, self.select, self.classify = Loop(form), select, nn.Linear(4, 4)

    def forward(self, images):
        return self.classify(self.select(self.loop(images)).mean((2, 3)))


Pair = namedtuple("Pair", ["state", "output"])
FORMS = {
    "tuple": (lambda *pair: pair, lambda pair: pair[1], 1),
    "list": (lambda *pair: [*pair], lambda pair: pair[1], 1),
    "named": (Pair, lambda pair: pair.output, "output"),
    "mapping": (lambda a, b: {"state": a, "output": b}, lambda pair: pair["output"], "output"),
    "object": (lambda a, b: SimpleNamespace(state=a, output=b), lambda pair: pair.output, "output"),
}


def looped(form, entry):
    build, select, _ = FORMS[form]
    stages = {"input": None, "loop": entry, "logits": "classify"}
    return Model("looped", "vision", ImagePreprocessing(8, [0.5] * 3, [0.5] * 3), Looped(build, select), stages)


@pytest.mark.parametrize("form", FORMS)
def test_a_stage_is_a_part_of_what_a_module_gives(form):
    images = torch.rand(2, 3, 8, 8)
    model = looped(form, {"module": "loop", "output": FORMS[form][2]})
    wanted = model.network.loop.first(model.preprocessing(images)).relu()
    torch.testing.assert_close(model(images, "loop"), wanted, rtol=0, atol=0)
    with model.all_stages() as found:
        model.scores(images)
    torch.testing.assert_close(found["loop"], wanted, rtol=0, atol=0)
    given = images.clone().requires_grad_()
    model(given, "loop").sum().backward()
    assert given.grad.any()
    assert places(model, images) == {"input": 0, "loop": 1, "logits": 2}
    assert stage_layers(model) == {"loop": 1, "logits": 2, "": 2}


@pytest.mark.parametrize(
    ("form", "entry", "message"),
    [
        ("tuple", "loop", r"looped\.stages\.loop: .*tuple.* `output`: 0, 1$"),
        ("named", {"module": "loop", "output": 2}, "Pair.* 2 .*: 0, 1, state, output"),
        ("object", "loop", "SimpleNamespace.*: state, output"),
        ("tuple", {"module": "classify", "output": 0}, "`output: 0`"),
        ("tuple", {"module": "loop.first", "input": 3}, r"'loop\.first' .*input 3 .* `input`: 0"),
    ],
)
def test_a_module_that_gives_no_tensor_names_what_it_gives(form, entry, message):
    with pytest.raises(ValueError, match=message):
        looped(form, entry)(torch.rand(1, 3, 8, 8), "loop")


def test_a_stage_can_be_what_a_module_takes(convolutional):
    convolutional.stages["pooled"] = NO_OPTIONS | {"module": "classify", "input": 0}
    images = torch.rand(2, 3, 8, 8)
    wanted = convolutional(images, "block").mean((2, 3))
    torch.testing.assert_close(convolutional(images, "pooled"), wanted)


def test_the_scores_are_a_stage_also_without_a_module(convolutional):
    convolutional.stages["end"] = NO_OPTIONS | {"module": "scores"}
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(convolutional(images, "end"), convolutional.scores(images))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"timm": "resnet5"}, r"source\.timm: .*'resnet5'.*'resnet"),
        ({"torchvision": "alexnt"}, r"source\.torchvision: .*'alexnt'.*'alexnet'"),
        ({"open_clip": "RN5"}, r"source\.open_clip: .*'RN5'.*'RN50"),
        ({"python": "nowhere.py:f"}, r"\bnowhere\.py"),
        ({"python": "tests/networks/tiny.py:nothing"}, r"tiny\.source.*: .*tiny\.py .*\bnothing\b"),
        ({"python": "tests/networks/tiny.py:not_a_network"}, r"tiny\.py:not_a_network .*\bstr\b"),
        ({"python": "tests/networks/tiny.py:linear", "arguments": {"sise": 3}}, r"tiny\.source: .*sise.*sise"),
    ],
)
def test_a_source_that_does_not_build_is_named(root, source, message, monkeypatch):
    monkeypatch.chdir(root)
    entry = tiny(root, "linear", {"input": None, "logits": "classify"}) | {"source": source}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load(entry)


@pytest.mark.parametrize(
    ("source", "stages", "size"),
    [
        ({"torchvision": "resnet18", "arguments": {"num_classes": 5}}, {"input": None, "l": "layer2", "fc": "fc"}, 64),
        (
            {"timm": "vit_tiny_patch16_224", "arguments": {"num_classes": 5, "img_size": 32}},
            {"input": None, "b": "blocks.3", "head": "head"},
            32,
        ),
    ],
)
def test_any_torchvision_or_timm_model_is_an_entry(root, source, stages, size):
    entry = tiny(root, "linear", stages) | {"source": source, "input": IMAGE_INPUT | {"size": size}}
    model = load(entry)
    images = torch.rand(1, 3, size, size, requires_grad=True)
    for stage in list(stages)[1:]:
        model(images, stage).sum().backward()
    assert model.scores(images).shape == (1, 5)


@pytest.mark.parametrize(
    ("function", "size", "message"),
    [
        ("linear", 9, r"tiny: .*\(1, 3, 9, 9\).*`input`"),
        ("without_scores", 8, r"tiny: .*\(1, 3, 8, 8\)"),
    ],
)
def test_a_network_that_does_not_fit_its_entry_is_named(root, function, size, message):
    entry = tiny(root, function, {"input": None, "x": "flatten"}) | {"input": IMAGE_INPUT | {"size": size}}
    with pytest.raises(ValueError, match=message):
        load(entry)


def test_a_builder_may_import_its_neighbours_and_define_dataclasses(root, tmp_path):
    (tmp_path / "neighbour_of_builder.py").write_text("CLASSES = 4\n")
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom neighbour_of_builder import CLASSES\n"
        "from torch import nn\n\n@dataclass\nclass Settings:\n    classes: int = CLASSES\n\n"
        "def build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(192, Settings().classes))\n"
    )
    entry = tiny(root, "linear", {"input": None, "flat": "0"}) | {"source": {"python": f"{tmp_path}/mine.py:build"}}
    assert load(entry).scores(torch.rand(2, 3, 8, 8)).shape == (2, 4)


def test_random_weights_are_the_same_each_time_and_leave_torchs_generator_alone(root):
    entry = tiny(root, "linear", {"input": None, "logits": "classify"})
    torch.manual_seed(5)
    a = load(entry).network.project.weight
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.rand(1) == after
    torch.testing.assert_close(a, load(entry).network.project.weight, rtol=0, atol=0)


class TestWeights:
    """Weights files, right and wrong."""

    @pytest.fixture
    def entry(self, root):
        return tiny(root, "linear", {"input": None, "logits": "classify"})

    @pytest.fixture
    def state(self, entry):
        return {key: torch.rand_like(value) for key, value in load(entry).network.state_dict().items()}

    @pytest.mark.parametrize("suffix", ["safetensors", "pth"])
    def test_what_was_saved_is_loaded(self, entry, state, suffix, tmp_path):
        path = tmp_path / f"w.{suffix}"
        safetensors.torch.save_file(state, path) if suffix == "safetensors" else torch.save(state, path)
        torch.testing.assert_close(load(entry, path).network.state_dict(), state)

    def test_a_file_with_another_hash_is_refused(self, entry, state, tmp_path):
        torch.save(state, tmp_path / "w.pth")
        entry["weights"] = {"path": "w.pth", "sha256": "0" * 64}
        with pytest.raises(ValueError, match=r"tiny\.weights\.sha256: .*w\.pth .* 000"):
            load(entry, tmp_path / "w.pth")

    def test_a_training_checkpoints_entry_and_prefix(self, entry, state, tmp_path):
        wrapped = {
            "epoch": 3,
            "model": {f"module.{key}": value for key, value in state.items()} | {"other": torch.ones(1)},
        }
        torch.save(wrapped, tmp_path / "w.pth")
        entry["weights"] = {"path": "w.pth", "entry": "model", "prefix": "module."}
        torch.testing.assert_close(load(entry, tmp_path / "w.pth").network.state_dict(), state)

    def test_the_same_architecture_under_other_names(self, entry, state, tmp_path):
        torch.save(
            {f"other{n}.{key.rsplit('.')[-1]}": v for n, (key, v) in enumerate(state.items())}, tmp_path / "w.pth"
        )
        entry["weights"] = {"path": "w.pth", "keys": "order"}
        torch.testing.assert_close(load(entry, tmp_path / "w.pth").network.state_dict(), state)

    @pytest.mark.hostile(
        "Pickles and checkpoints", "weights with NaN or infinity, buffers included", "refused by the tensor's name"
    )
    @pytest.mark.parametrize(
        ("change", "keys", "message"),
        [
            (lambda s: s.pop("classify.bias"), "same", r" 1: classify\.bias; .* 0\b"),
            (lambda s: s.update(extra=torch.ones(1)), "same", r" 0: .* 1: extra\b"),
            (lambda s: s.update({"classify.bias": torch.ones(7)}), "same", r"classify\.bias .*\(7,\)"),
            (lambda s: s["project.weight"].fill_(torch.nan), "same", r"project\.weight "),
            (lambda s: s["project.weight"].fill_(torch.inf), "same", r"project\.weight "),
            (lambda s: s.pop("classify.bias"), "order", r" 2 .* 3\b"),
            (lambda s: s.update({"classify.bias": torch.ones(7)}), "order", r"classify\.bias \(7,\)"),
            (lambda s: s.update({"classify.bias": 3}), "same", r"w\.pth: "),
            (lambda s: s.update({7: torch.ones(4)}), "same", r"w\.pth: "),
            (lambda s: s.update({"classify.bias": torch.ones(4).to_sparse()}), "same", r"w\.pth: "),
            (lambda s: s.update({"classify.bias": torch.ones(4) * 1j}), "same", r"classify\.bias .*complex"),
            (lambda s: s.update({"classify.bias": torch.ones(4).double() * 1e300}), "same", r"classify\.bias "),
        ],
    )
    def test_weights_that_do_not_fit_are_refused(self, entry, state, change, keys, message, tmp_path):
        change(state)
        torch.save(state, tmp_path / "w.pth")
        entry["weights"] = {"path": "w.pth", "keys": keys}
        with pytest.raises(ValueError, match=message) as error:
            load(entry, tmp_path / "w.pth")
        assert "w.pth" in str(error.value)

    def test_nothing_is_unpickled_that_could_run_code(self, entry, tmp_path):
        ran = tmp_path / "ran"

        class Hostile:
            def __reduce__(self):
                return (open, (str(ran), "w"))

        torch.save({"classify.bias": Hostile()}, tmp_path / "w.pth")
        (tmp_path / "w.pkl").write_bytes(pickle.dumps(Hostile()))
        for name in ("w.pth", "w.pkl"):
            with pytest.raises(ValueError, match=rf"{name}: "):
                load(entry, tmp_path / name)
        assert not ran.exists()

    @pytest.mark.parametrize("suffix", ["safetensors", "pth"])
    def test_a_file_that_is_no_checkpoint_is_named(self, entry, suffix, tmp_path):
        (tmp_path / f"w.{suffix}").write_bytes(b"<html>404</html>")
        with pytest.raises(ValueError, match=rf"w\.{suffix}: "):
            load(entry, tmp_path / f"w.{suffix}")

    def test_an_entry_that_is_not_there_lists_those_there_are(self, entry, state, tmp_path):
        torch.save({"weights": state}, tmp_path / "w.pth")
        entry["weights"] = {"path": "w.pth", "entry": "model"}
        with pytest.raises(ValueError, match=r"w\.pth: .*'model'.* weights$"):
            load(entry, tmp_path / "w.pth")


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"device: 'cuda:99' .*\bcpu\b"):
        models_device.choose_device("cuda:99")


def test_float32_is_not_rounded_to_tf32_on_a_card():
    torch.backends.cudnn.allow_tf32 = True  # PyTorch's default
    models_device.choose_device("cpu")
    assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.conv.fp32_precision != "tf32"
    assert torch.backends.cuda.matmul.fp32_precision != "tf32"
    assert models_device.choose_device("cpu") == CPU


def registered():
    return config_read.read_registry("config/models.yaml", "models")


@pytest.mark.parametrize("name", [name for name, entry in registered().items() if "package" in entry["weights"]])
def test_the_registrys_accuracy_on_the_photographs(name, root, tmp_path, monkeypatch):
    from metamers.stimuli.images import image_dataset

    monkeypatch.chdir(root)
    entry = registered()[name]
    weights = entry["weights"]
    file = retrieve.obtain(weights, tmp_path, None)
    model = models_load.load_model(name, entry, file, CPU)
    for dataset, accuracy in entry["accuracy"].items():
        dataset_entry = config_read.read_registry("config/datasets.yaml", "datasets")[dataset]
        rows = tables.stimulus_table(dataset, dataset_entry)
        folder = packages.package_file("foolbox", f"foolbox/data/{rows[0]['file']}").parent
        stimuli = image_dataset(rows, folder, dataset_entry["size"])
        scores = class_scores(model, models.fit_stimuli(model, stimuli["stimulus_value"].values, {}))
        classes = tables.category_classes(dataset, dataset_entry)
        right = [int(best) in classes[row["category"]] for best, row in zip(scores.argmax(axis=1), rows, strict=True)]
        assert np.mean(right) == pytest.approx(accuracy)


def test_stage_tables_are_in_processing_order(root, monkeypatch):
    monkeypatch.chdir(root)
    entry = registered()["efficientnet_lite0"] | {"weights": {"random": 0}}
    model = load(entry)
    reached = []
    for stage, place in model.stages.items():
        if place["module"]:
            model.network.get_submodule(place["module"]).register_forward_hook(
                lambda *_, stage=stage: reached.append(stage)
            )
    model.scores(torch.rand(1, 3, 224, 224))
    assert reached == list(entry["stages"])[1:]
    assert isinstance(model.network, nn.Module)


def test_models_are_worked_on_in_turn_and_one_is_in_memory_at_a_time(root):
    entry = tiny(root, "linear", {"input": None, "logits": "classify"})
    entries = {name: {"model": entry, "weights_file": None} for name in ("first", "second", "third")}
    seen = []

    def work(model):
        assert [other for other in seen if other() is not None] == []
        seen.append(weakref.ref(model))
        return model.name

    assert models_load.with_each_model(work, entries, CPU) == list(entries)
