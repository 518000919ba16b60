"""A wrong entry of a model is named with what would do, and its weights are where they are retrieved to."""

import pytest

from metamers import names
from metamers.models.weights import read_weights
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.retrieved import collections
from tests.configurations import change, with_registry


def train_on_photographs(models):
    models["efficientnet_lite0"]["weights"] = {"train": {"dataset": "imagenet_photographs", "epochs": 1}}
    del models["efficientnet_lite0"]["vocabulary"]


@pytest.mark.hostile("Configuration", "an address without a hash", "refused: `sha256` is missing")
@pytest.mark.hostile("names of models, stages, datasets or runs …")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("efficientnet_lite0.stages", {"block_1": "blocks.0", "input": None}), r"efficientnet_lite0\.stages: .*'input: null'"),
        (change("efficientnet_lite0.stages", {"input": None, "a b": "x", "a/b": "y"}), r"efficientnet_lite0\.stages: 'a b' .*'a_b'"),
        (change("efficientnet_lite0.stages", {"input": None, "Late": "x", "late": "y"}), r"efficientnet_lite0\.stages: 'Late'"),
        (change("efficientnet_lite0.stages", {"input": None, "natural": "x"}), r"efficientnet_lite0\.stages: 'natural'"),
        (change("efficientnet_lite0.weights", {"url": "https://x.org/w.pth"}), r"efficientnet_lite0\.weights: 'url' without 'sha256'"),
        (change("efficientnet_lite0.weights", {"url": "https://x.org/w.pth", "sha": "0" * 8}), r"efficientnet_lite0\.weights: .*'sha'.*'sha256'"),
        (change("CLIP_resnet50.weights.extra_weights", {"url": "https://x.org/w.pth"}), r"CLIP_resnet50\.weights\.extra_weights: 'url' without 'sha256'"),
        (change("CLIP_resnet50.weights.besides", {"url": "https://x.org/w.pth"}), r"CLIP_resnet50\.weights: besides: .*extra_weights$"),
        (change("spectemp.weights.train.from", {"url": "https://x.org/w.pth"}), r"spectemp\.weights\.train\.from: 'url' without 'sha256'"),
        (change("efficientnet_lite0.weights", {"url": "https://x.org/?a", "sha256": "0" * 8}), r"efficientnet_lite0\.weights\.url: .*x\.org/\?a"),
        (change("efficientnet_lite0.weights", {"path": "none.pth"}), r"efficientnet_lite0\.weights\.path: .*none\.pth"),
        (change("efficientnet_lite0.source", {"python": "none.py:f"}), r"efficientnet_lite0\.source\.python: .*none\.py"),
        (change("efficientnet_lite0.input", {"size": 224}), r"efficientnet_lite0\.input: 'mean'"),
        (change("cochcnn9_standard.input", {"sampling_rate_hz": 20000}), r"cochcnn9_standard\.input: 'duration_s'"),
        (change("cochcnn9_standard.input.size", 224), r"cochcnn9_\w+\.input: .*size"),
        (change("cochcnn9_standard.input.sampling_rate_hz", 16000), r"cochleagram\.high_hz: 10000 .*16000.* 8000"),
        (change("cochcnn9_standard.input.duration_s", 0.01), r"duration_s: 200 .*1001"),
        (change("cochcnn9_standard.weights", {"train": {"dataset": "words", "epochs": 1}}), r"weights\.train\.dataset: .*'words'.*spoken_words"),
        (change("cochcnn9_standard.weights", {"train": {"dataset": "imagenet_photographs", "epochs": 1}}), r"weights\.train\.dataset: 'imagenet_photographs' .*'vision'"),
        (train_on_photographs, r"efficientnet_lite0\.weights\.train\.dataset: 'imagenet_photographs' .*train, validation"),
        (change("cochcnn9_random.weights.train.perturbation", {"kind": "random", "norm": "l2", "size": 1, "on": "input", "steps": 3}), r"cochcnn9_random\.weights\.train\.perturbation: "),
        (change("cochcnn9_random.weights.train.perturbation", {"kind": "adversarial", "norm": "l2", "size": 1, "on": "input"}), r"perturbation: 'steps'"),
        (change("cochcnn9_random.weights.prefix", "model."), r"cochcnn9_random\.weights: "),
        (change("cochcnn9_random.weights.train.learning_rate", float("nan")), "learning_rate: nan"),
        (change("spectemp.weights.train.perturbation", {"kind": "random", "norm": "l2", "size": 1, "on": "input"}), r"spectemp\.weights\.train\.perturbation: "),
        (change("efficientnet_lite0.stages", {"input": None, "x": None}), r"efficientnet_lite0\.stages: .*'input: null'"),
        (change("efficientnet_lite0.stages", {"input": None, 1: "blocks.0"}), r"efficientnet_lite0: stages: .*key 1 "),
        (change("efficientnet_lite0.weights.package", "nowhere"), r"efficientnet_lite0\.weights.*'nowhere'"),
        (change("efficientnet_lite0.weights.file", "x.pth"), r"efficientnet_lite0\.weights.*'x\.pth'"),
        (change("efficientnet_lite0.input.mean", [float("nan")] * 3), "input: mean: 0: nan"),
        (change("efficientnet_lite0.input.mean", [0.5]), r"efficientnet_lite0\.input: mean .*1 .*3"),
        (change("efficientnet_lite0.input", {"size": 224, "mean": [0.5] * 2, "std": [0.5] * 2}), r"efficientnet_lite0\.input: mean .*2 .*2"),
        (change("efficientnet_lite0.input", {"size": 224, "mean": [0.5], "std": [0.5]}), r"efficientnet_lite0\.input: mean .*1 .*1"),
        (change("efficientnet_lite0.source", {"metamers": "hmax"}), r"efficientnet_lite0\.input: mean .*3 .*3"),
        (change("efficientnet_lite0.stages.block_1", {"module": "blocks.0", "schedule": {"coarse_to_fine": {"every": 4}}}), r"stages\.block_1\.schedule\.coarse_to_fine: "),
        (change("efficientnet_lite0.start", {"mean": -0.5}), r"efficientnet_lite0\.start\.mean: -0\.5 "),
        (change("spectemp.start", {"standard_deviation": 0}), r"spectemp\.start\.standard_deviation: 0 "),
        (change("spectemp.stages.avgpool", {"module": "average", "schedule": {"fine": {}}}), r"spectemp\.stages\.avgpool"),
        (change("cochcnn9_standard.input.cochleagram", {"rate": "slow"}), r"cochleagram\.rate: 'slow'"),
        (change("cochcnn9_standard.input.cochleagram", {"rate": "full", "envelope_rate_hz": 150}), r"cochleagram\.rate: full .*20000 .*150"),
        (change("cochcnn9_standard.input.preprocessing", "wave"), r"input\.preprocessing: 'wave'"),
        (change("cochcnn9_standard.input.preprocessing", {"python": "nowhere.py:own"}), r"input\.preprocessing\.python: .*nowhere\.py"),
        (change("cochcnn9_standard.input", {"sampling_rate_hz": 8000, "duration_s": 1, "preprocessing": "waveform", "cochleagram": {"taps": 5}}), r"input\.cochleagram: .*'waveform'"),
        (change("cochcnn9_standard.input", {"sampling_rate_hz": 16000, "duration_s": 31, "preprocessing": "whisper_log_mel"}), r"cochcnn9_standard\.input\.duration_s: 31 .*496000"),
        (change("cochcnn9_standard.input.preprocessing", {"name": "whisper_log_mel", "arguments": {"frames": 9}}), r"preprocessing\.arguments: .*'frames'.*mels, window, hop, padded_s"),
        (change("cochcnn9_standard.input.preprocessing", {"name": "ast_log_mel", "arguments": {"mels": 2}}), r"preprocessing\.arguments\.mels: 2 .* 4"),
        (change("cochcnn9_standard.input.preprocessing", {"name": "normalized_waveform", "arguments": {"mels": 80}}), r"preprocessing\.arguments: .*normalized_waveform"),
        (change("cochcnn9_standard.input.preprocessing", {"name": "log_mel"}), r"preprocessing\.name: 'log_mel'"),
        (change("cochcnn9_standard.input.preprocessing", {"arguments": {}}), r"preprocessing: .*arguments"),
        (change("efficientnet_lite0.input.preprocessing", "waveform"), r"efficientnet_lite0\.input.*preprocessing"),
        (change("efficientnet_lite0.modality", "touch"), r"^[^\n]*efficientnet_lite0\.modality: 'touch'[^\n]*$"),
        (change("efficientnet_lite0.weights", {}), r"efficientnet_lite0\.weights: .*nothing"),
        (change("efficientnet_lite0.weights", {"random": 1, "prefix": "x"}), r"efficientnet_lite0\.weights: .*random, prefix"),
        (lambda models: models.update({50: models["efficientnet_lite0"]}), r"models\.yaml: .*key 50 "),
        (lambda models: models.update({"../x": models["efficientnet_lite0"]}), r"models\.yaml: '\.\./x'"),
    ],
)  # fmt: skip
def test_a_wrong_model_entry_is_named(settings, tmp_path, changed, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, "models", changed))


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "safetensors with values of less than 8 bits (`F4`)",
    "refused with the tensor's name, in a file of yours before the first job",
)
def test_weights_of_four_bits_are_named_before_the_first_job(settings, tmp_path):
    path = tmp_path / "weights.safetensors"
    header = b'{"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}, '
    header += b'"b": {"dtype": "F4", "shape": [2], "data_offsets": [2, 3]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(3))
    changed = change("efficientnet_lite0.weights", {"path": str(path)})
    why = r".b. .*F4"
    with pytest.raises(ConfigurationError, match=rf"efficientnet_lite0\.weights\.path: {path}: .*{why}"):
        config.make_plan(with_registry(settings, tmp_path, "models", changed))
    with pytest.raises(ValueError, match=rf"{path}: .*{why}"):
        read_weights(path)


@pytest.mark.parametrize(
    ("which", "path", "value", "message"),
    [
        ("models", "efficientnet_lite0.weights", {"archive": "nowhere", "file": "x.pt"}, r"models: efficientnet_lite0\.weights\.archive: .*'nowhere'.*visual_checkpoints"),
        ("models", "CLIP_resnet50.weights.extra_weights", {"archive": "alexnet_g"}, r"resnet50\.weights\.extra_weights\.archive: .*'alexnet_g'.*'alexnet_gn'"),
        ("models", "spectemp.weights.train.from", {"archive": "nowhere", "file": "x.pt"}, r"spectemp\.weights\.train\.from\.archive: .*'nowhere'"),
        ("datasets", "imagenet_400.files.archive", "asset", r"datasets: imagenet_400\.files\.archive: .*'asset'.*'assets'"),
        ("datasets", "imagenet_400.files.folder", "../x", r"datasets: imagenet_400\.files: '\.\./x'"),
    ],
)  # fmt: skip
def test_a_wrong_place_in_an_archive_is_named(settings, tmp_path, which, path, value, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, which, change(path, value)))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"path": "none.pt"}, r"models: CLIP_resnet50\.weights\.extra_weights\.path: .*none\.pt"),
        ({"package": "nowhere", "file": "x.pt"}, r"CLIP_resnet50\.weights\.extra_weights.*'nowhere'"),
        ({"zero_shot": "imagenet"}, r"CLIP_resnet50\.weights\.extra_weights: "),
        ({"zero_shot": "cifar", "module": "classify"}, r"extra_weights\.zero_shot: 'cifar'"),
    ],
)
def test_weights_of_another_module_are_said_to_be_wrong_before_the_first_job(settings, tmp_path, extra, message):
    settings |= {"generation_models": ["CLIP_resnet50"], "recognition_models": ["CLIP_resnet50"]}
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(
            with_registry(settings, tmp_path, "models", change("CLIP_resnet50.weights.extra_weights", extra))
        )


def test_only_a_network_that_has_read_texts_names_classes_by_them(settings, tmp_path):
    of_clip = change("CLIP_resnet50.source", {"torchvision": "resnet50"})
    with pytest.raises(ConfigurationError, match=r"extra_weights\.zero_shot: .*open_clip .*torchvision"):
        config.make_plan(with_registry(settings, tmp_path, "models", of_clip))


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        (
            {"archive": "alexnet_gn"},
            "weights/{}/extra_weights/alexnet_gn_s1000_imagenet_wus_aug_final_weights_only.pth.tar",
        ),
        ({"url": "https://x.org/w.pt", "sha256": "0" * 8}, "weights/{}/extra_weights/w.pt"),
        ({"url": "https://x.org/w.safetensors?a=/b", "sha256": "0" * 8}, "weights/{}/extra_weights/w.safetensors"),
        ({"zero_shot": "imagenet", "module": "classify"}, "zero_shot/{}.safetensors"),
    ],
)
def test_weights_of_another_module_are_read_from_where_they_are_retrieved_to(settings, tmp_path, extra, path):
    settings |= {"generation_models": ["CLIP_resnet50"], "recognition_models": ["CLIP_resnet50"]}
    settings["comparison"]["contrasts"] = []
    changed = with_registry(settings, tmp_path, "models", change("CLIP_resnet50.weights.extra_weights", extra))
    plan = config.make_plan(changed)
    found = plan.models["CLIP_resnet50"].extra_weights["path"]
    assert found == f"resources/retrieved/{path.format('CLIP_resnet50')}"
    retrieved = [f"weights/{{}}/{item['name']}" for item in collections(plan)["weights/CLIP_resnet50"]]
    assert retrieved == ["weights/{}/RN50.pt", *([] if "zero_shot" in extra else [path])]


def test_every_stage_of_the_registry_has_a_path_of_its_own():
    assert names.stage_path("layer 1/relu") == "layer_1_relu"
