"""Networks of transformers: described, loaded, equal to the library's own, without network and without code of others."""

import json

import huggingface_hub
import pytest
import safetensors.torch
import torch
import yaml

from metamers.config import pretrained
from metamers.config.model_lock import read_lock
from metamers.config.read import validate
from metamers.models.automatic_stages import automatic_stages, scores_of_output
from metamers.models.describe import describe, usual_input
from metamers.models.load import load_model, load_network
from metamers.models.preprocessing import build_preprocessing
from metamers.names import ConfigurationError
from metamers.retrieve.transformers_config import without_hub
from metamers.run.hashes import sha256_of
from tests.documentation import blocks
from tests.needs import without
from tests.networks.from_hub import CLASSIFIER, DECODER, NAMES, SETTINGS, committed, extractor_of, saved
from tests.publishing import Handler, look_up_in_this_process, publisher, use_as_hub

transformers = pytest.importorskip("transformers", reason=without("transformers"))

CPU = torch.device("cpu")


def own_output(kind, folder, inputs):
    """The output of the library's own network from the folder."""
    if kind == "whisper":
        return transformers.WhisperModel.from_pretrained(folder).eval().get_encoder()(inputs).last_hidden_state
    if kind == "clip":
        return transformers.CLIPVisionModel.from_pretrained(folder).eval()(inputs).last_hidden_state
    if kind == "vit_mae":
        own = transformers.ViTMAEModel.from_pretrained(folder, mask_ratio=0.0).eval()
        noise = torch.arange((32 // 16) ** 2).float().expand(len(inputs), -1)
        return own(inputs, noise=noise).last_hidden_state
    if "Classification" in NAMES[kind]:
        return getattr(transformers, NAMES[kind]).from_pretrained(folder).eval()(inputs).logits
    return transformers.AutoModel.from_pretrained(folder).eval()(inputs).last_hidden_state


@pytest.fixture
def server(monkeypatch):
    with publisher() as published:
        use_as_hub(published.address, monkeypatch)
        look_up_in_this_process(monkeypatch)
        yield published


def entry_of(described, source, folder, stages=None):
    """An entry as jobs have it, of published weights in the folder."""
    weights, lock = dict(described["weights"]), {"path": str(folder / "no.lock.yaml"), "model": "net", "source": source}
    modality, config = weights.pop("modality"), weights.pop("config")
    return {
        "modality": modality,
        "source": source | {"config": config},
        "weights": {"pretrained": weights | {"lock": lock}},
        "input": described["input"],
        "classes": False,
        "stages": stages or {"input": None, "output": {"module": "scores", "output": "last_hidden_state"}},
    }


@pytest.mark.parametrize("kind", NAMES)
def test_a_network_is_the_library_s_own_from_the_same_files(kind, server, tmp_path):
    folder, source = saved(kind, tmp_path / "saved"), {"transformers": "lab/net"}
    commit = committed(server, folder)
    found = describe(source)
    assert found["weights"] | {"revision": commit, "file": "model.safetensors"} == found["weights"]
    assert found["weights"]["sha256"] == sha256_of(folder / "model.safetensors")
    server.requests.clear()
    classifies = "Classification" in NAMES[kind]
    entry = entry_of(found, source, tmp_path, {"input": None, "output": "scores"} if classifies else None)
    network = load_network("net", entry, folder / "model.safetensors")
    preprocessing = build_preprocessing("net", entry)
    stimuli = torch.cat([preprocessing.example(), 0.5 * preprocessing.example()])
    inputs = preprocessing(stimuli)
    with torch.no_grad():
        output = network(inputs)
        computed = output if classifies else output.last_hidden_state
        assert torch.equal(computed, own_output(kind, folder, inputs))
    model = load_model("net", entry, folder / "model.safetensors", CPU)
    stimuli.requires_grad_()
    (gradient,) = torch.autograd.grad(model(stimuli, "output").square().sum(), stimuli)
    assert gradient.isfinite().all()
    assert gradient.flatten(1).any(1).all()
    assert torch.equal(model(stimuli, "output"), model(stimuli, "output"))
    assert server.requests == []


@pytest.mark.parametrize("kind", ["clip", "whisper", "audio-spectrogram-transformer", "wav2vec2", "hubert"])
def test_the_input_is_what_the_extractor_gives(kind, server, tmp_path):
    committed(server, saved(kind, tmp_path / "saved"))
    found = describe({"transformers": "lab/net"})["input"]
    preprocessing = build_preprocessing("net", {"modality": "vision" if kind == "clip" else "audio", "input": found})
    example, extractor = preprocessing.example(), extractor_of(kind)
    if kind == "clip":
        assert (found["size"], found["crop"], found["interpolation"]) == (32, 0.8, "bicubic")
        whole = {"do_resize": False, "do_center_crop": False, "do_rescale": False}
        expected = extractor([*example], **whole, return_tensors="pt")["pixel_values"]
    else:
        extracted = extractor([*example.numpy()], sampling_rate=16000, return_tensors="pt")
        expected = next(iter(extracted.values()))
    torch.testing.assert_close(preprocessing(example), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ({"size": 224, "resample": 2}, (224, 1, "bilinear")),
        (
            {"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}}
            | {"do_center_crop": True, "resample": 3},
            (224, 0.875, "bicubic"),
        ),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (224, 0.875, "bicubic")),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 1, "bicubic")),
    ],
)
def test_sizes_of_images_are_those_of_the_extractor(processor, expected, server, tmp_path):
    processor |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    committed(server, saved("dinov2", tmp_path / "saved"), preprocessor_config__json=json.dumps(processor).encode())
    found = describe({"transformers": "lab/net"})["input"]
    assert (found["size"], found["crop"], found["interpolation"]) == expected


def changed_config(folder, **changes):
    """The content of a changed config.json; keys with the value None are removed."""
    content = json.loads((folder / "config.json").read_text()) | changes
    return json.dumps({key: value for key, value in content.items() if value is not None}).encode()


@pytest.mark.hostile(
    "Servers and mirrors",
    "a repository of transformers with code of its own, or settings that would run other code",
    "not run: a network that the library itself does not have is refused, and such settings are left out",
)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "own_net", "auto_map": {"AutoModel": "modeling.OwnNet"}}, r"lab/net .*\bauto_map\b"),
        ({"model_type": "dinov22"}, r"model_type .*lab/net 'dinov22'.*'dinov2'"),
        ({"model_type": None}, r"config\.json of lab/net .*\bmodel_type\b"),
        ({"model_type": None, "architecture": "resnet18"}, r"\bmodel_type\b.*\{hub: lab/net\}"),
        ({"model_type": "bert"}, r"lab/net: bert .*input_ids"),
        ({"model_type": ["dinov2"]}, r"config\.json of lab/net .*\bmodel_type\b"),
        ({"id2label": 5}, r"\bconfig\.json of lab/net .*Error"),
        ({"architectures": 5}, r"\bconfig\.json of lab/net .*Error"),
        ({"hidden_size": "wide"}, r"\bconfig\.json of lab/net .*Error"),
    ],
)
def test_a_config_that_cannot_be_used_is_an_error_with_the_remedy(changes, message, server, tmp_path):
    folder = saved("dinov2", tmp_path / "saved")
    committed(server, folder, config__json=changed_config(folder, **changes))
    with pytest.raises(ConfigurationError, match=f"^transformers: .*{message}"):
        describe({"transformers": "lab/net"})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"model__safetensors": None}, r"lab/net .*model\.safetensors, pytorch_model\.bin "),
        ({"config__json": None}, r"lab/net .*\bconfig\.json "),
        ({"config__json": b"{"}, r"\bconfig\.json of lab/net "),
        ({"preprocessor_config__json": b"[]"}, r"preprocessor_config\.json of lab/net "),
        ({"config__json": b'{"a":' * 900 + b"1" + b"}" * 900}, r"config\.json of lab/net .*\b32\b"),
    ],
)
def test_a_repository_without_a_file_is_an_error(files, message, server, tmp_path):
    committed(server, saved("dinov2", tmp_path / "saved"), **files)
    with pytest.raises(ConfigurationError, match=f"^transformers: .*{message}"):
        describe({"transformers": "lab/net"})


@pytest.mark.hostile(
    "Servers and mirrors",
    "an extractor of transformers with values of another type or out of range",
    "refused with a sentence that names the file",
)
@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("dinov2", {"crop_size": 0, "size": "large"}, None),
        (
            "dinov2",
            {"do_center_crop": None, "size": {"shortest_edge": 40}, "crop_pct": "half"},
            r"preprocessor_config\.json of lab/net ",
        ),
        ("dinov2", {"image_mean": ["a", "b", "c"]}, r"preprocessor_config\.json of lab/net .*ValueError"),
        ("dinov2", {"image_mean": [0.5] * 9, "image_std": [0.5] * 9}, r"input\.mean: "),
        ("dinov2", {"size": {"height": 32, "width": 48}, "crop_size": None}, r"\b32 × 48\b"),
        ("whisper", {"feature_size": 10**9}, r"arguments\.mels: 1000000000 .*\b1 to 1000\b"),
        ("whisper", {"chunk_length": "long"}, r"preprocessor_config\.json of lab/net .*TypeError"),
        ("whisper", {"sampling_rate": [16000]}, r"preprocessor_config\.json of lab/net .*TypeError"),
        ("whisper", {"feature_extractor_type": "OtherFeatureExtractor"}, None),
    ],
)
def test_an_extractor_with_other_values_is_no_crash(kind, changes, message, server, tmp_path):
    folder = saved(kind, tmp_path / "saved")
    content = json.loads((folder / "preprocessor_config.json").read_text()) | changes
    committed(server, folder, preprocessor_config__json=json.dumps(content).encode())
    if message is None:  # the configuration says the rest, or the user has to
        assert describe({"transformers": "lab/net"})["input"].get("size") in (28, None)
    else:
        with pytest.raises(ConfigurationError, match=f"^transformers: .*{message}"):
            describe({"transformers": "lab/net"})


def test_a_gated_repository_says_how_to_get_access(server, tmp_path, monkeypatch):
    committed(server, saved("dinov2", tmp_path / "saved"))
    monkeypatch.setattr(Handler, "commit_of", lambda self, *_: self.error(403, "GatedRepo"))
    with pytest.raises(ConfigurationError, match=r"^transformers: lab/net .*terms"):
        describe({"transformers": "lab/net"})


@pytest.mark.hostile("a repository of transformers …")
def test_settings_that_run_other_code_are_not_kept(server, tmp_path):
    folder = saved("dinov2", tmp_path / "saved")
    hostile = {
        "auto_map": {"AutoModel": "modeling.OwnNet"},
        "_attn_implementation": "kernels-community/attention",
        "attn_implementation": "kernels-community/attention",
        "quantization_config": {"quant_method": "awq"},
        "fusion_config": {"patch_embeddings": True},
        "torch_dtype": "float16",
    }
    committed(server, folder, config__json=changed_config(folder, **hostile))
    found = describe({"transformers": "lab/net"})
    assert not hostile.keys() & found["weights"]["config"].keys()
    entry = entry_of(found, {"transformers": "lab/net"}, tmp_path)
    network = load_network("net", entry, folder / "model.safetensors")
    assert network.config._attn_implementation in ("sdpa", "eager")
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


TIMM = {"model_type": "timm_backbone", "out_indices": [1, 2, 3, 4]}
OTHER_NETWORKS = [
    ({"model_type": "rt_detr", "backbone": "lab/other"}, "backbone: 'lab/other' "),
    ({"model_type": "detr", "backbone": "lab/other", "use_timm_backbone": False}, "backbone: 'lab/other' "),
    ({"model_type": "timm_backbone", "backbone": "hf-hub:lab/other"}, "backbone: 'hf-hub:lab/other' "),
    (
        {"model_type": "maskformer", "backbone_config": TIMM | {"backbone": "hf-hub:lab/other"}},
        r"backbone_config\.backbone: 'hf-hub:lab/other' ",
    ),
    (
        {"model_type": "timm_wrapper", "architecture": "hf-hub:lab/other", "num_classes": 2},
        "architecture: 'hf-hub:lab/other' ",
    ),
    (
        {"model_type": "timm_wrapper", "num_classes": 2, "model_args": {"checkpoint_path": "other.pth"}},
        r"model_args\.checkpoint_path: 'other\.pth' ",
    ),
    ({"model_type": "rt_detr", "backbone": "resnet18"}, r"http.*18\)"),
]


@pytest.mark.hostile(
    "Servers and mirrors",
    "a network of transformers whose config.json or `arguments` name another repository or a file",
    "refused with the setting; the hub is asked only about the repository of the model",
)
@pytest.mark.parametrize(("config", "message"), OTHER_NETWORKS)
def test_a_repository_that_names_another_one_is_refused(config, message, server):
    other = {"architecture": "test_vit", "model_type": "resnet", "pretrained_cfg": {}}
    server.commit("lab/other", {"config.json": json.dumps(other).encode(), "model.safetensors": b""})
    server.commit("lab/net", {"config.json": json.dumps(config).encode(), "model.safetensors": b""})
    with pytest.raises(ConfigurationError, match=f"^transformers: lab/net: .*{message}"):
        describe({"transformers": "lab/net"})
    assert [path for _, path in server.requests if "lab/net" not in path] == []
    entry = {"source": {"transformers": "lab/net", "config": config}, "weights": {"random": 0}}
    server.requests.clear()
    with pytest.raises(ConfigurationError, match=message):  # a lock file of an earlier version
        load_network("net", entry, None)
    assert server.requests == []


@pytest.mark.hostile("a network of transformers whose …")
@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (
            "maskformer",
            {"backbone_config": TIMM | {"backbone": "lab/other"}},
            r"arguments\.backbone_config\.backbone: 'l",
        ),
        ("vit", {"_attn_implementation": "lab/kernels"}, r"source\.arguments\._attn_implementation: "),
        (
            "clip",
            {"vision_config": {"attn_implementation": "lab/kernels"}},
            "arguments.vision_config.attn_implementation",
        ),
    ],
)
def test_an_argument_that_names_another_repository_is_refused(kind, arguments, message, server):
    source = {"transformers": kind, "arguments": arguments}
    with pytest.raises(ConfigurationError, match=message):
        usual_input(source)
    with pytest.raises(ConfigurationError, match=message):
        load_network("net", {"source": source, "weights": {"random": 0}}, None)
    assert server.requests == []


@pytest.mark.parametrize(
    "backbone",
    [
        TIMM | {"backbone": "resnet18"},
        {"model_type": "resnet", "hidden_sizes": [8] * 4, "depths": [1] * 4, "embedding_size": 8}
        | {"out_features": ["stage1", "stage2", "stage3", "stage4"]},
    ],
)
def test_a_backbone_with_its_own_settings_or_a_name_of_timm_is_built_without_the_hub(backbone, server):
    decoder = DECODER | {"model_type": "detr", "d_model": 32, "encoder_layers": 1}
    small = {"backbone_config": backbone, "fpn_feature_size": 32, "mask_feature_size": 32, "decoder_config": decoder}
    source = {"transformers": "maskformer", "arguments": small}
    network = load_network("net", {"source": source, "weights": {"random": 0}}, None)
    assert network(torch.rand(1, 3, 64, 64)).encoder_last_hidden_state.shape[-2:] == (2, 2)
    assert server.requests == []


def test_the_hub_is_asked_again_after_a_network_is_built(server):
    server.commit("lab/net", {"config.json": b"{}"})
    with pytest.raises(ConfigurationError, match=r"\blab/net\b"), without_hub():
        huggingface_hub.HfApi().model_info("lab/net")
    assert server.requests == []
    assert huggingface_hub.HfApi().model_info("lab/net").id == "lab/net"


def test_weights_that_do_not_fit_are_an_error(server, tmp_path):
    folder, source = saved("dinov2", tmp_path / "saved"), {"transformers": "lab/net"}
    committed(server, folder)
    entry = entry_of(describe(source), source, tmp_path)
    other = tmp_path / "other.safetensors"
    state = safetensors.torch.load_file(folder / "model.safetensors")
    missing = next(key for key in state if key.endswith("mlp.fc1.weight"))
    safetensors.torch.save_file({key: value for key, value in state.items() if key != missing}, other)
    with pytest.raises(ValueError, match="SHA-256"):
        load_network("net", entry, other)
    del entry["weights"]["pretrained"]["sha256"]
    with pytest.raises(ValueError, match=r"mlp\.fc1\.weight"):
        load_network("net", entry, other)


def test_without_safetensors_a_state_dict_is_read_without_running_code(server, tmp_path):
    folder, source = saved("dinov2", tmp_path / "saved"), {"transformers": "lab/net"}
    weights = folder / "pytorch_model.bin"
    torch.save(safetensors.torch.load_file(folder / "model.safetensors"), weights)
    images = torch.randn(2, 3, 28, 28)
    expected = own_output("dinov2", folder, images)
    (folder / "model.safetensors").unlink()
    committed(server, folder)
    found = describe(source)
    assert found["weights"]["file"] == "pytorch_model.bin"
    network = load_network("net", entry_of(found, source, tmp_path), weights)
    assert torch.equal(network(images).last_hidden_state, expected)
    torch.save({"embeddings.cls_token": print}, weights)
    committed(server, folder)
    entry = entry_of(describe(source), source, tmp_path)
    with pytest.raises(ValueError, match=r"pytorch_model\.bin: "):
        load_network("net", entry, weights)


def test_a_pooler_that_the_file_lacks_is_left_out(tmp_path):
    made = transformers.CONFIG_MAPPING["vit"].from_dict({"model_type": "vit", **SETTINGS["vit"]})
    own = transformers.ViTModel(made, add_pooling_layer=False).eval()
    own.save_pretrained(tmp_path)
    source = {"transformers": "vit", "arguments": SETTINGS["vit"] | {"architectures": None}}
    entry = {"source": source, "weights": {"path": str(tmp_path / "model.safetensors")}}
    network = load_network("net", entry, tmp_path / "model.safetensors")
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(images).last_hidden_state, own(images).last_hidden_state)


@pytest.mark.parametrize("kind", ["whisper", "dinov2", "hubert"])
def test_weights_from_a_file_of_save_pretrained_are_the_library_s_own(kind, tmp_path):
    folder = saved(kind, tmp_path / "saved")
    entry = {"source": {"transformers": kind, "arguments": SETTINGS[kind]}, "weights": {"path": "model.safetensors"}}
    network = load_network("net", entry, folder / "model.safetensors")
    inputs = torch.randn(2, *{"whisper": (16, 100), "dinov2": (3, 28, 28), "hubert": (4000,)}[kind])
    with torch.no_grad():
        assert torch.equal(network(inputs).last_hidden_state, own_output(kind, folder, inputs))
    # Weights that a run has trained have the names of the network itself.
    safetensors.torch.save_file({key: value.clone() for key, value in network.state_dict().items()}, tmp_path / "own")
    again = load_network("net", entry, tmp_path / "own")
    with torch.no_grad():
        assert torch.equal(network(inputs).last_hidden_state, again(inputs).last_hidden_state)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"transformers": "dinov22"}, r"source\.transformers: .*'dinov22'.*'dinov2'"),
        (
            {"transformers": "dinov2", "arguments": {"hiden_size": 32}},
            r"source\.arguments: .*\bdinov2 'hiden_size'.*'hidden_size'",
        ),
        ({"transformers": "bert"}, "bert takes input_ids"),
    ],
)
def test_a_wrong_model_type_or_setting_is_named(source, message):
    with pytest.raises(ConfigurationError, match=message):
        load_network("net", {"source": source, "weights": {"random": 0}}, None)


@pytest.mark.parametrize("kind", [*SETTINGS])
def test_a_model_type_needs_no_network_and_has_stages(kind, monkeypatch):
    use_as_hub("http://127.0.0.1:9", monkeypatch)
    source = {"transformers": "clip_vision_model" if kind == "clip" else kind, "arguments": SETTINGS[kind]}
    if kind == "clip":
        source["arguments"] = SETTINGS["clip"]["vision_config"]
    given = usual_input(source)
    modality = "audio" if "sampling_rate_hz" in given else "vision"
    entry = {
        "modality": modality,
        "source": source,
        "weights": {"random": 0},
        "input": given,
        "stages": {"input": None},
    }
    network, preprocessing = load_network("net", entry, None), build_preprocessing("net", entry)
    scores = scores_of_output("net", network, preprocessing)
    assert scores["of_classes"] == (kind in CLASSIFIER)
    stages = automatic_stages("net", network, preprocessing, 8, scores["of_classes"])
    repeated = ["layer.1", "layers.1", "stages.2.layers.1"]
    assert any(stage.removesuffix("-out0").endswith(tuple(repeated)) for stage in stages), stages
    assert [*stages][-1] == ("logits" if kind in CLASSIFIER else "output")
    if kind == "whisper":
        assert [*stages][:2] == ["input", "preprocessing"]
        assert given["preprocessing"] == {"name": "whisper_log_mel", "arguments": {"mels": 16, "padded_s": 1.0}}
    again, other = (load_network("net", entry | {"weights": {"random": seed}}, None) for seed in (0, 1))
    kept = [torch.equal(network.state_dict()[key], value) for key, value in again.state_dict().items()]
    assert all(kept)
    assert not all(torch.equal(network.state_dict()[key], value) for key, value in other.state_dict().items())


def test_the_networks_of_the_documentation_are_valid_and_the_small_one_is_built(root):
    page = (root / "docs/your_own_model_more.md").read_text()
    (block,) = [content for _, content in blocks(page) if "small_dino" in content]
    entries = yaml.safe_load(block)
    validate(entries, "models", "docs/your_own_model_more.md")
    entry = entries["small_dino"]
    network, preprocessing = load_network("small_dino", entry, None), build_preprocessing("small_dino", entry)
    stages = automatic_stages("small_dino", network, preprocessing, 8, classes=False)
    assert [*stages] == ["input", "embeddings", *(f"encoder.layer.{number}" for number in range(4)), "output"]


def test_dropout_skipped_layers_and_masks_are_off():
    random = {"hidden_dropout": 0.5, "attention_dropout": 0.5, "activation_dropout": 0.5, "layerdrop": 0.5}
    random |= {"feat_proj_dropout": 0.5, "mask_time_prob": 0.9, "mask_time_length": 2, "mask_feature_prob": 0.9}
    source = {"transformers": "hubert", "arguments": SETTINGS["hubert"] | random}
    network = load_network("net", {"source": source, "weights": {"random": 0}}, None)
    sounds = torch.randn(2, 4000)
    with torch.no_grad():
        assert torch.equal(network(sounds).last_hidden_state, network(sounds).last_hidden_state)


def test_without_the_library_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"^models: net\.source\.transformers: .*`python -m pip install "):
        pretrained.check_library("net", {"transformers": "dinov2"})
    pretrained.check_library("net", {"timm": "resnet18"})


def test_the_lock_file_has_all_that_a_job_needs(server, tmp_path):
    folder, lock = saved("whisper", tmp_path / "saved"), tmp_path / "models.lock.yaml"
    commit = committed(server, folder)
    source = {"transformers": "lab/net"}
    pretrained.resolve_pretrained({"net": (source, lock)}, None)
    locked = read_lock(lock)["net"]
    assert locked["weights"]["revision"] == commit
    assert locked["weights"]["config"]["d_model"] == 32
    assert locked["input"]["preprocessing"]["arguments"] == {"mels": 16, "padded_s": 1}
