"""The library in a notebook: one call makes a metamer with the functions of the workflow; errors of input are explained."""

import json
import subprocess
import sys
from functools import partial

import netCDF4
import numpy as np
import pytest
import safetensors.torch
import soundfile
import timm
import torch
from PIL import Image
from torch import nn

import metamers as mm
from metamers.match import NULL_MEASURES
from metamers.models.load import load_model
from metamers.names import ConfigurationError
from metamers.run import files
from metamers.synthesize.metamers import starts, synthesize
from tests.conventions import complaints
from tests.needs import without
from tests.networks import odd
from tests.networks.entries import SOUND_INPUT
from tests.networks.from_hub import SETTINGS
from tests.networks.tiny import Convolutional, Hearing
from tests.publishing import look_up_in_this_process, publisher, use_as_hub

RNG = np.random.default_rng(0)
IMAGE = RNG.random((3, 16, 16)).astype(np.float32)
NULL = [RNG.random((3, 16, 16)) for _ in range(5)]
CLASSES = {"cat": 0, "dog": [1, 3]}
QUIET = {"progress": False, "device": "cpu"}
SOUND = 0.1 * RNG.standard_normal(2000)


def network(seed=0):
    torch.manual_seed(seed)
    return Convolutional()


@pytest.fixture(scope="module")
def made():
    return mm.metamer(network(), IMAGE, "block", categories=CLASSES, null=NULL, steps=60, **QUIET)


def test_a_metamer_matches_better_than_different_stimuli(made):
    assert made.metamer.shape == made.natural.shape == (3, 16, 16)
    assert made.loss.shape == (60,)
    assert made.match["normalized_error"] < made.loss[0] / 2
    assert set(made.null) == set(NULL_MEASURES)
    assert all(len(values) == 10 for values in made.null.values())  # all pairs of five
    above = all(made.match[name] >= values.max() for name, values in made.null.items())
    assert made.accepted == (above and made.natural_category == made.predicted_category)
    assert made.natural_category in CLASSES
    assert "block" in repr(made)
    assert ("not accepted" in repr(made)) != made.accepted


def test_only_the_quality_published_measures_each_pair_in_one_order(made):
    steps = {"steps": 1, "halvings": 0}
    published = mm.metamer(network(), IMAGE, "block", null=NULL, quality="published", **steps, **QUIET)
    assert (published.null["snr_db"] <= made.null["snr_db"]).all()
    assert (published.null["snr_db"] < made.null["snr_db"]).any()
    np.testing.assert_array_equal(published.null["pearson_r"], made.null["pearson_r"])


def test_the_metamer_is_that_of_the_workflow(made, root):
    """The same network, start and settings, given to the functions that the scripts call."""
    entry = {
        "modality": "vision",
        "source": {"python": f"{root}/tests/networks/tiny.py:convolutional"},
        "weights": {"random": 0},
        "input": {"size": 16, "mean": [0.0] * 3, "std": [1.0] * 3},
        "stages": {"input": None, "block": "block"},
    }
    model = load_model("Convolutional", entry, None, torch.device("cpu"))
    settings = json.loads(made.dataset.attrs["settings"])
    start = starts(model, ["stimulus"], [0], 0)
    wanted, _ = synthesize(model, "block", torch.from_numpy(IMAGE)[None], start, "one_cycle", settings)
    np.testing.assert_allclose(made.metamer, wanted[0].numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("given", "quality", "procedure"),
    [
        ({}, "quick", "one_cycle"),
        ({"quality": "standard"}, "standard", "one_cycle"),
        ({"quality": "published"}, "published", "published"),
    ],
)
def test_a_metamer_says_its_quality_and_procedure(given, quality, procedure):
    made = mm.metamer(network(), IMAGE, "block", **given, steps=2, null=[], progress=False)
    assert made.dataset.attrs["quality"] == quality
    assert made.dataset.attrs["procedure"] == procedure


def test_a_metamer_is_made_to_a_target():
    settings = {"target_error": 0.3, "max_steps": 200}
    made = mm.metamer(network(), IMAGE, "block", quality="converged", null=[], **settings, **QUIET)
    assert made.dataset["converged"].item()
    assert 0.27 < made.match["normalized_error"] <= 0.3
    assert made.dataset["steps"].item() == len(made.loss) < 200
    assert np.isfinite(made.loss).all()
    assert f", {len(made.loss)} steps" in repr(made)
    for wrong, message in (({"max_steps": 0}, "max_steps: .*0"), ({"target_error": 2}, "target_error: .*2")):
        with pytest.raises(ValueError, match=message):
            mm.metamer(network(), IMAGE, "block", quality="converged", null=[], **wrong, **QUIET)
    short = mm.metamer(network(), IMAGE, "block", quality="converged", null=[], **settings | {"max_steps": 3}, **QUIET)
    assert not short.dataset["converged"].item()
    assert short.dataset["steps"].item() == 3


def test_a_metamer_has_the_penalty_that_it_names(made):
    def darkness(stimuli):
        return stimuli.square().flatten(1).mean(dim=1)

    dark = mm.metamer(network(), IMAGE, "block", penalty=darkness, steps=60, null=[], **QUIET)
    assert dark.metamer.mean() < made.metamer.mean()
    assert dark.dataset.attrs["penalty"].endswith("darkness")
    smooth = mm.metamer(network(), IMAGE, "block", penalty={"total_variation": 9}, steps=2, null=[], **QUIET)
    assert smooth.dataset.attrs["penalty"].startswith("total_variation ")
    assert json.loads(smooth.dataset.attrs["settings"])["penalty"] == {"total_variation": 9}


def test_the_network_itself_is_not_changed():
    own = network().train()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    mm.metamer(own, IMAGE, "block", null=[], steps=2, **QUIET)
    assert own.training
    assert all(weight.requires_grad for weight in own.parameters())
    assert all(torch.equal(before[name], value) for name, value in own.state_dict().items())


def test_another_seed_is_another_metamer(made):
    other = mm.metamer(network(), IMAGE, "block", null=[], steps=60, seed=1, **QUIET)
    assert other.accepted is None
    assert other.null == {}
    assert not np.allclose(other.metamer, made.metamer, atol=0.01)


def test_a_metamer_is_recognized_as_it_is_exported(made, tmp_path):
    made.save(tmp_path / "metamer.png")
    own = partial(mm.recognize, network(), categories=CLASSES, device="cpu")
    for given in (made, tmp_path / "metamer.png", Image.open(tmp_path / "metamer.png")):
        assert own(given) == made.predicted_category
    assert own([IMAGE, made]) == [made.natural_category, made.predicted_category]
    assert mm.recognize(network(), IMAGE, device="cpu") in {"0", "1", "2", "3"}  # each class is a category
    assert own([]) == []


def test_a_saved_metamer_is_a_file_of_a_run(made, tmp_path):
    made.save(tmp_path / "metamer.nc")
    read = files.load(tmp_path / "metamer.nc")
    assert read["metamer"].dims == ("stimulus", "seed", "channel", "row", "column")
    np.testing.assert_array_equal(read["metamer"].values[0, 0], made.metamer)
    assert read["natural_category"].item() == made.natural_category
    assert read["normalized_error"].item() == made.match["normalized_error"]
    assert not [found for found in complaints(tmp_path / "metamer.nc") if found.startswith("cf")]
    with netCDF4.Dataset(tmp_path / "metamer.nc") as file:
        assert file.content_sha256 == files.content_sha256(read)
    with pytest.raises(ValueError, match=r"'\.jpg'.*\.nc .*\.png"):
        made.save(tmp_path / "metamer.jpg")


def test_a_figure_shows_both_images_the_loss_and_the_null_distribution(made):
    figure = made.plot()
    axes = [one for part in figure.subfigs for one in part.axes]
    titles = [one.get_title() or one.get_title(loc="left") for one in axes[:3]]
    assert all(titles)
    assert titles[1].endswith(" block")
    np.testing.assert_array_equal(axes[1].images[0].get_array(), made.metamer.transpose(1, 2, 0))
    steps, errors = axes[2].lines[0].get_data()
    assert (steps[-1], errors[-1]) == (60, made.match["normalized_error"])
    for one, name in zip(axes[3:], made.null, strict=True):
        assert made.match[name] in one.lines[0].get_xdata()


def test_a_network_without_class_scores_has_metamers_too():
    features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    made = mm.metamer(features, IMAGE, "0", null=NULL, steps=40, **QUIET)
    assert made.natural_category == ""
    assert made.accepted == all(made.match[name] >= values.max() for name, values in made.null.items())
    with pytest.raises(ValueError, match=r"^Sequential "):
        mm.recognize(features, IMAGE, device="cpu")


def test_sounds_come_as_samples_and_as_files(tmp_path):
    torch.manual_seed(0)
    hearing = Hearing(frequencies=12)
    soundfile.write(tmp_path / "noise.wav", SOUND, 8000, subtype="FLOAT")
    null = [(RNG.standard_normal(2000), 8000) for _ in range(3)]
    made = mm.metamer(hearing, (SOUND, 8000), "relu", input=SOUND_INPUT, null=null, steps=10, **QUIET)
    assert made.metamer.shape == (2000,)
    assert made.sampling_rate_hz == 8000
    assert made.loss[-1] < made.loss[0]
    assert len(made.null["snr_db"]) == 3
    answers = mm.recognize(hearing, [made, tmp_path / "noise.wav"], input=SOUND_INPUT, device="cpu")
    assert answers == [made.predicted_category, made.natural_category]
    made.save(tmp_path / "metamer.wav")
    assert soundfile.info(tmp_path / "metamer.wav").samplerate == 8000
    assert made.plot().subfigs[0].axes[1].images  # a cochleagram


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        ((network(), IMAGE, "blok"), {}, r"stage: .*'blok'.*block"),
        ((network(), IMAGE, "block"), {"stepz": 3}, r"'stepz'.*'steps'"),
        ((network(), IMAGE, "block"), {"optimizer": "sgd"}, r"optimizer .*'sgd'.*adam"),
        ((network(), IMAGE, "block"), {"steps": 0}, "steps: .*0"),
        ((network(), IMAGE, "block"), {"low_precision": True}, "low_precision: .*True"),
        ((network(), IMAGE, "block"), {"low_precision": 1.5}, r"low_precision: .*1\.5"),
        ((network(), IMAGE, "block"), {"low_precision_format": "fp8"}, r"low_precision_format .*'fp8'.*bfloat16, tf32"),
        ((network(), IMAGE, "block"), {"quality": "standart"}, r"quality .*'standart'.*'standard'"),
        ((network(), IMAGE, "block"), {"quality": ["quick"]}, r"quality .*quick"),
        ((network(), IMAGE, "block"), {"penalty": {"range": 0}}, "penalty: range: 0 "),
        ((network(), IMAGE, "block"), {"penalty": lambda stimuli: stimuli}, r"penalty: .*<lambda> .*\(1, 3, 16, 16\)"),
        ((network(), IMAGE * 255, "block"), {}, "255"),
        ((network(), IMAGE, "block"), {"input": {"size": 16, "mean": [0.5]}}, r"input: network\.input.*std"),
        ((network(), IMAGE, "block"), {"input": {"size": 16, "mean": [0], "std": [1]}}, r"\(1, 1, 16, 16\)"),
        ((network(), SOUND, "block"), {}, "sampling rate"),
        (("efficientnet_lite9", IMAGE, "block_1"), {}, r"'efficientnet_lite9'.*'efficientnet_lite"),
        (("cochcnn9_standard", IMAGE, "relu1"), {}, r"cochcnn9_standard .*weights="),
        (("resnet50_l2_3_robust", IMAGE, "relu1"), {}, r"snakemake retrieve"),
        ((network(), IMAGE, "block"), {"categories": "imagenet"}, r"categories: .*'imagenet'.*'imagenet_"),
        ((3, IMAGE, "block"), {}, "network: .*int"),
        ((network(), IMAGE, 2), {}, "stage: .*2"),
        ((network(), IMAGE, ""), {}, "stage: .*''"),
        ((network(), IMAGE, "block"), {"categories": ["dog"]}, "categories: .*list"),
        ((network(), IMAGE, "block"), {"categories": {"dog": "first"}}, "categories: dog: .*'first'"),
        ((network(), IMAGE, "block"), {"input": {"sizes": 16}}, r"input: .*'sizes'.*'size'"),
        ((network(), IMAGE, "block"), {"input": {"size": 16, "mean": (0, 0, 0), "std": np.zeros(3)}}, r"std\.0: 0\.0 "),
        ((network(), IMAGE, "block"), {"input": 16}, "input: .*16"),
        ((network(), [[0.1, 0.2], [0.3]], "block"), {}, "lengths"),
        ((network(), (IMAGE, IMAGE), "block"), {}, "sampling rate .*ndarray"),
    ],
)  # fmt: skip
def test_an_error_of_input_names_what_is_wanted(arguments, settings, message):
    with pytest.raises((ValueError, TypeError, OSError), match=message):
        mm.metamer(*arguments, **QUIET | {"null": [], "steps": 2} | settings)


def test_a_model_of_the_registry_has_its_stages_and_more_on_request(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models.yaml").write_text(
        f"""
        mine:
          modality: vision
          source: {{python: '{root}/tests/networks/tiny.py:convolutional'}}
          weights: {{random: 0}}
          input: {{size: 16, mean: [0, 0, 0], std: [1, 1, 1]}}
          stages: {{input: null, logits: classify}}
        """
    )
    model = mm.load("mine", registry="models.yaml", device="cpu")
    assert list(model.stages) == ["input", "logits"]
    with pytest.raises(ValueError, match=r"'block'.* load\('mine', stages=\['block'\]\)"):
        mm.metamer(model, IMAGE, "block")
    more = mm.load("mine", registry="models.yaml", stages=["block"], device="cpu")
    made = mm.metamer(more, IMAGE, "block", null=NULL, steps=5, progress=False)
    assert made.loss[-1] < made.loss[0]
    with pytest.raises(ValueError, match=r"'blok'.*input, logits"):
        mm.load("mine", registry="models.yaml", stages=["blok"], device="cpu")
    with pytest.raises(ValueError, match=r"input.*torch\.nn\.Module"):
        mm.metamer(model, IMAGE, "logits", input={})


def test_a_model_with_published_weights_is_looked_up_and_fetched(tmp_path, monkeypatch):
    state = timm.create_model("test_resnet").state_dict()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resources/store").mkdir(parents=True)
    (tmp_path / "published.yaml").write_text(
        """
        mine:
          modality: vision
          source: {timm: test_resnet.r160_in1k}
          weights: pretrained
          stages: {input: null, logits: fc}
        """
    )
    with publisher() as published:
        look_up_in_this_process(monkeypatch)
        use_as_hub(published.address, monkeypatch)
        published.commit("timm/test_resnet.r160_in1k", {"model.safetensors": safetensors.torch.save(state)})
        model = mm.load("mine", registry="published.yaml", device="cpu")
    assert model.preprocessing.signal_shape == (3, 160, 160)
    assert "received_sha256" in (tmp_path / "published.lock.yaml").read_text()


def test_published_weights_are_looked_up_and_fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.manual_seed(1)  # 0 would be that of a network whose weights were not loaded
    own = timm.create_model("test_vit", num_classes=10, img_size=128).eval()
    input_of = {"input_size": [3, 128, 128], "interpolation": "bilinear", "mean": [0.0] * 3, "std": [1.0] * 3}
    config = {
        "architecture": "test_vit",
        "num_classes": 10,
        "model_args": {"img_size": 128},
        "pretrained_cfg": input_of,
    }
    (tmp_path / "models.yaml").write_text(
        "mine: {modality: vision, source: {hub: lab/vit}, weights: pretrained, stages: {input: null, block: blocks.0}}"
    )
    with publisher() as server:
        look_up_in_this_process(monkeypatch)
        use_as_hub(server.address, monkeypatch)
        weights = safetensors.torch.save(own.state_dict())
        server.commit("lab/vit", {"config.json": json.dumps(config).encode(), "model.safetensors": weights})
        model = mm.load("mine", registry="models.yaml", device="cpu")
    images = torch.rand(1, 3, 128, 128)
    torch.testing.assert_close(model.scores(images), own(images), rtol=1e-4, atol=1e-4)


def test_a_network_of_timm_has_its_stated_input_in_colour_or_in_grey():
    image = np.random.default_rng(0).random((3, 96, 96), np.float32)
    for channels in (3, 1):
        made = mm.metamer(
            timm.create_model("test_resnet", in_chans=channels), image[:channels], "layer1", null=[], steps=2, **QUIET
        )
        assert made.metamer.shape == (channels, 160, 160)


def test_a_network_of_waveforms_says_so_and_works():
    torch.manual_seed(0)
    waveforms = nn.Sequential(nn.Unflatten(1, (1, 2000)), nn.Conv1d(1, 4, 16, stride=4), nn.ReLU())
    with pytest.raises(ValueError, match="preprocessing: waveform"):
        mm.metamer(waveforms, (SOUND, 8000), "1", input=SOUND_INPUT, null=[], **QUIET)
    own_input = {"sampling_rate_hz": 8000, "duration_s": 0.25, "preprocessing": "waveform"}
    made = mm.metamer(waveforms, (SOUND, 8000), "1", input=own_input, null=[], steps=40, **QUIET)
    assert made.loss[-1] < made.loss[0]
    assert made.plot().axes[1].lines  # a waveform


def test_a_progress_bar_shows_steps_and_loss(capfd):
    mm.metamer(network(), IMAGE, "block", null=[], steps=20, device="cpu")
    assert "20/20" in (said := capfd.readouterr().err)
    assert "loss=" in said
    mm.metamer(network(), IMAGE, "block", null=[], steps=20, **QUIET)
    assert capfd.readouterr().err == ""


def test_natural_stimuli_are_those_of_the_default_run():
    with pytest.raises(ConfigurationError, match="'smell'"):
        mm.natural_stimuli("smell")
    photographs = mm.natural_stimuli()
    assert photographs.sizes["stimulus"] == 20
    assert photographs["category"].values[0] == "bull mastiff"


@pytest.mark.slow
def test_natural_sounds_are_one_of_each_word():
    sounds = mm.natural_stimuli("audio")
    assert len(set(sounds["category"].values)) == sounds.sizes["stimulus"] == 24
    assert sounds.attrs["sampling_rate_hz"] == 20_000


def test_the_function_recognize_is_not_hidden_by_the_module_of_its_name():
    code = """
import inspect, sys
for first in ("", "import metamers.recognize.recognition", "from metamers.recognize.recognition import answers"):
    for name in [name for name in sys.modules if name.split(".")[0] == "metamers"]:
        del sys.modules[name]
    exec(first)
    import metamers as mm
    assert inspect.isfunction(mm.recognize)
    assert "metamer" in dir(mm)
    from metamers.recognize.recognition import class_scores
    assert inspect.isfunction(mm.recognize)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


class Several(nn.Module):
    """Scores in a part of the output, and a module with several outputs."""

    def __init__(self):
        super().__init__()
        self.body = Pair()
        self.classify = nn.Linear(6, 4)

    def forward(self, images):
        return {"logits": self.classify(self.body(images)[1].mean((2, 3))), "loss": None}


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolve = nn.Conv2d(3, 6, 3)

    def forward(self, images):
        hidden = self.convolve(images)
        return hidden, hidden.relu()


def test_a_part_of_the_output_has_the_scores_and_a_part_of_a_module_is_the_stage():
    torch.manual_seed(0)
    network = Several()
    stage = {"module": "body", "output": 1}
    made = mm.metamer(network, IMAGE, stage, categories=CLASSES, output="logits", null=NULL, steps=5, **QUIET)
    assert made.stage == "body-out1"
    assert made.natural_category in CLASSES
    assert mm.recognize(network, IMAGE, CLASSES, output="logits", device="cpu") in CLASSES
    without = mm.metamer(network, IMAGE, stage, null=[], steps=5, **QUIET)
    assert without.natural_category == without.predicted_category == ""
    assert not {"natural_category", "predicted_category"} & {*without.dataset}
    assert "category" not in repr(without)


def test_networks_of_transformers_give_a_model_output():
    transformers = pytest.importorskip("transformers", reason=without("transformers"))
    torch.manual_seed(0)
    kinds = {kind: transformers.CONFIG_MAPPING[kind].from_dict(dict(SETTINGS[kind])) for kind in ("whisper", "vit")}
    encoder = transformers.AutoModel.from_config(kinds["whisper"]).get_encoder()
    front_end = {"name": "whisper_log_mel", "arguments": {"mels": 16, "padded_s": 1}}
    heard = {"sampling_rate_hz": 16000, "duration_s": 0.125, "preprocessing": front_end}
    place = {"module": "scores", "output": "last_hidden_state"}
    made = mm.metamer(encoder, (SOUND, 16000), place, input=heard, null=[], steps=10, **QUIET)
    assert made.loss[-1] < made.loss[0]
    assert made.metamer.shape == (2000,)
    assert made.predicted_category == ""
    seeing = transformers.ViTForImageClassification(kinds["vit"])
    seen = {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}
    made = mm.metamer(
        seeing, IMAGE, "vit.layers.1", categories=CLASSES, input=seen, output="logits", null=[], steps=5, **QUIET
    )
    assert made.natural_category in CLASSES
    assert mm.recognize(seeing, IMAGE, CLASSES, input=seen, output="logits", device="cpu") in CLASSES


@pytest.mark.parametrize("output", [None, "loss"])
def test_an_output_without_scores_is_explained(output):
    message = "^Several " if output is None else "'loss'.*: logits"
    with pytest.raises(ValueError, match=message):
        mm.recognize(Several(), IMAGE, CLASSES, output=output, device="cpu")
    with pytest.raises(ValueError, match=message):
        mm.metamer(Several(), IMAGE, "classify", categories=CLASSES, output=output, null=[], steps=5, **QUIET)


@pytest.mark.parametrize("network", [lambda: timm.create_model("resnet10t", num_classes=0), odd.Features])
def test_features_are_not_named_by_their_number(network):
    with pytest.raises(ValueError, match=r"^(ResNet|Features) "):
        mm.recognize(network(), RNG.random((3, 64, 64)), device="cpu")


@pytest.mark.parametrize(
    "stage",
    [
        {"module": 3},
        {"module": "body", "output": 1.5},
        {"module": "body", "output": 0, "input": 0},
        {"output": 1},
        7,
        "",
    ],
)
def test_a_stage_that_is_no_place_is_refused(stage):
    with pytest.raises((TypeError, ConfigurationError), match=r"^stage: "):
        mm.metamer(Several(), IMAGE, stage, null=[], **QUIET)
