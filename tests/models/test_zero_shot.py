"""Class scores of CLIP models from texts about the classes, by the text tower of a file whose code is not run."""

import open_clip
import pytest
import safetensors.torch
import torch
from torch.nn import functional

from metamers.models import load as models_load
from metamers.models import zero_shot

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")

CPU = torch.device("cpu")
NAMES, TEMPLATES = ("dog", "sea slug", "crane bird"), ("a photo of a {}.", "art of the {}.")
TINY = {
    "embed_dim": 6,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


@pytest.fixture
def clip(monkeypatch):
    """A tiny CLIP model, which open_clip knows as ``tiny``, and texts for three classes."""
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", TINY)
    monkeypatch.setitem(zero_shot.TEXTS, "three", (NAMES, TEMPLATES))
    torch.manual_seed(0)
    return open_clip.create_model("tiny", pretrained=None).eval()


@pytest.fixture
def published(clip, tmp_path):
    """The tiny model as OpenAI publishes its models: traced, in part of float16, with its sizes beside the weights."""
    open_clip.model.convert_weights_to_fp16(clip)
    half = {key: value.clone() for key, value in clip.state_dict().items()}
    for size in ("input_resolution", "context_length", "vocab_size"):
        vars(clip).pop(size, None)
        clip.register_buffer(size, torch.tensor(77))
    images, texts = torch.zeros(1, 3, 32, 32), torch.zeros(1, 77, dtype=torch.int)
    traced = torch.jit.trace_module(clip.float(), {"forward": (images, texts), "encode_text": (texts,)})
    for key, value in traced.state_dict().items():
        if key in half:
            value.data = half[key]
    traced.save(tmp_path / "clip.pt")
    return tmp_path / "clip.pt", half


def test_there_are_80_texts_for_each_of_1000_classes():
    names, templates = zero_shot.TEXTS["imagenet"]
    assert (len(names), len(templates)) == (1000, 80)
    assert (names[0], names[-1]) == ("tench", "toilet paper")
    assert all(template("?").count("?") == 1 for template in templates)


def test_a_class_is_the_mean_direction_of_its_texts(clip):
    found = zero_shot.class_embeddings("tiny", clip, "three", CPU)
    assert found.shape == (6, 3)
    for name, embedding in zip(NAMES, found.T, strict=True):
        texts = open_clip.tokenize([template.format(name) for template in TEMPLATES])
        with torch.no_grad():
            directions = functional.normalize(clip.encode_text(texts), dim=1)
        torch.testing.assert_close(embedding, functional.normalize(directions.sum(dim=0), dim=0))


def test_both_towers_of_a_published_file_arrive_in_float32(published):
    file, half = published
    found = zero_shot.read_clip("tiny", file, None).state_dict()
    assert found.keys() == half.keys()
    assert any(value.dtype == torch.float16 for value in half.values())
    for key, value in half.items():
        torch.testing.assert_close(found[key], value.float(), rtol=0, atol=0)


def test_a_file_of_another_architecture_is_refused(published, monkeypatch):
    file, _ = published
    deeper = TINY | {"text_cfg": TINY["text_cfg"] | {"layers": 2}}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", deeper)
    with pytest.raises(ValueError, match=r"clip\.pt: .* 12: transformer"):
        zero_shot.read_clip("tiny", file, None)


def test_a_model_names_classes_by_its_texts(published, tmp_path):
    file, _ = published
    network = zero_shot.read_clip("tiny", file, None)
    embeddings = zero_shot.class_embeddings("tiny", network, "three", CPU)
    safetensors.torch.save_file({"weight": embeddings}, tmp_path / "classes.safetensors")
    extra = {"zero_shot": "three", "module": "classify", "path": str(tmp_path / "classes.safetensors")}
    entry = {
        "modality": "vision",
        "source": {"open_clip": "tiny", "arguments": {"classes": 3}},
        "weights": {"path": str(file), "prefix": "visual.", "module": "visual", "extra_weights": extra},
        "input": {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3},
        "stages": {"input": None, "final": "embedding"},
    }
    model = models_load.load_model("tiny", entry, file, CPU)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        cosines = network.encode_image(model.preprocessing(images), normalize=True) @ embeddings
    torch.testing.assert_close(model.scores(images), cosines)
