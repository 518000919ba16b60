"""Low precision is taken where the device has it and the stage bears it, and nowhere else."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from metamers.models.cochleagram import band_cochleagrams
from metamers.models.model import Model
from metamers.models.preprocessing import ImagePreprocessing, SoundPreprocessing
from metamers.synthesize import drafts
from metamers.synthesize.drafts import draft_of, exactly, in_low_precision, supports_bfloat16
from tests.models.test_model import load, tiny

STAGES = {"input": None, "block": "block", "logits": "classify"}


@pytest.fixture
def convolutional(root):
    return load(tiny(root, "convolutional", STAGES))


@pytest.fixture
def native(monkeypatch):
    monkeypatch.setattr(drafts, "native_bfloat16", lambda _device: True)


class Depthwise(nn.Module):
    """A strided depthwise convolution, which stays in float32 on a CPU, between two others."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3)
        self.depthwise = nn.Conv2d(6, 6, 3, stride=2, groups=6)
        self.last = nn.Conv2d(6, 4, 1)

    def forward(self, images):
        return self.last(self.depthwise(self.first(images))).mean((2, 3))


def test_within_the_context_the_network_computes_in_bfloat16_and_after_it_as_before(convolutional):
    stimuli = torch.rand(2, 3, 8, 8)
    before = convolutional(stimuli, "logits")
    with in_low_precision(convolutional):
        low = convolutional(stimuli, "logits")
    assert low.dtype == torch.bfloat16
    torch.testing.assert_close(low.float(), before, rtol=0.05, atol=0.05)
    assert not torch.equal(low.float(), before)
    assert torch.equal(convolutional(stimuli, "logits"), before)


def test_preprocessing_and_strided_depthwise_convolutions_stay_in_float32():
    stages = {"input": None, "preprocessed": "preprocessing", "depthwise": "depthwise", "logits": "last"}
    model = Model("m", "vision", ImagePreprocessing(16, [0.5] * 3, [0.5] * 3), Depthwise(), stages)
    seen = {}
    model.network.depthwise.register_forward_pre_hook(lambda _module, inputs: seen.update(given=inputs[0].dtype))
    with in_low_precision(model):
        assert model(torch.rand(1, 3, 16, 16), "preprocessed").dtype == torch.float32
        # It hands on what it was given, so that what follows is in bfloat16 again.
        assert model(torch.rand(1, 3, 16, 16), "depthwise").dtype == torch.bfloat16
    assert seen == {"given": torch.bfloat16}
    assert "forward" not in vars(model.network.depthwise)


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
def test_the_gradient_of_a_strided_depthwise_convolution_is_that_of_float32(padding_mode):
    network = Depthwise()
    network.depthwise = nn.Conv2d(6, 6, 3, 2, padding=1, groups=6, padding_mode=padding_mode)
    model = Model("m", "vision", ImagePreprocessing(16, [0.5] * 3, [0.5] * 3), network, {"input": None, "last": "last"})
    inputs = torch.rand(2, 6, 14, 14).bfloat16().requires_grad_()
    gradient = torch.rand(2, 6, 7, 7).bfloat16()
    exact = network.depthwise(inputs.float())
    (wanted,) = torch.autograd.grad(exact, inputs, gradient.float())
    with in_low_precision(model):
        output = network.depthwise(inputs)
    (found,) = torch.autograd.grad(output, inputs, gradient)
    assert output.dtype == found.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), exact, rtol=0.01, atol=0.02)
    assert torch.equal(found, wanted)


def test_gradients_point_the_same_way(convolutional):
    stimuli = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    gradients = []
    for context in (in_low_precision(convolutional), torch.enable_grad()):
        given = stimuli.clone().requires_grad_()
        with context:
            convolutional(given, "block").float().square().sum().backward()
        gradients.append(given.grad.flatten())
    assert gradients[0].dtype == torch.float32
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


@pytest.mark.usefixtures("native")
def test_a_stage_that_differs_too_much_does_not_bear_it(convolutional, monkeypatch):
    assert supports_bfloat16(convolutional, "logits")
    monkeypatch.setattr(drafts, "LARGEST_ERROR", 1e-6)
    assert not supports_bfloat16(convolutional, "logits")


def test_where_the_device_does_not_have_it_no_stage_does(convolutional, monkeypatch):
    monkeypatch.setattr(drafts, "native_bfloat16", lambda _device: False)
    assert not supports_bfloat16(convolutional, "logits")
    assert not drafts.native_bfloat16(torch.device("mps"))


@pytest.mark.usefixtures("native")
def test_a_cpu_that_may_use_avx2_only_does_not_have_it():
    """As a program of its own, because oneDNN reads the variable once."""
    program = (
        "import torch; from metamers.synthesize.drafts import native_bfloat16 as native; "
        "print(native(torch.device('cpu')))"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False"]


def test_a_network_that_cannot_be_computed_in_it_does_not_bear_it(convolutional):
    def refuse(_module, inputs):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("not implemented for 'BFloat16'")

    convolutional.network.block.register_forward_pre_hook(refuse)
    assert not supports_bfloat16(convolutional, "logits")


def is_rough(model, draft, taken):
    """Whether cochleagrams are rough within the draft's context of a step."""
    (front_end,) = band_cochleagrams(model.preprocessing)
    with draft(taken):
        return front_end.bands is front_end.rough


class Silent(nn.Module):
    """A network of a cochleagram."""

    def forward(self, cochleagrams):
        return cochleagrams.flatten(1).mean(1, keepdim=True)


@pytest.fixture
def hearing():
    stages = {"input": None, "cochleagram": "preprocessing", "scores": "scores"}
    return Model("m", "audio", SoundPreprocessing(20_000, 0.1), Silent(), stages)


def test_the_first_part_of_the_steps_is_a_draft(hearing):
    draft = draft_of(hearing, "scores", {"rough_cochleagram": 0.6}, 10)
    assert [is_rough(hearing, draft, taken) for taken in range(10)] == 6 * [True] + 4 * [False]
    assert draft_of(hearing, "scores", {"rough_cochleagram": 0}, 10) is exactly
    assert draft_of(hearing, "scores", {}, 10) is exactly


def test_where_nothing_differs_there_is_no_draft(convolutional, monkeypatch):
    settings = {"low_precision": True, "rough_cochleagram": True}
    monkeypatch.setattr("metamers.synthesize.drafts.native_bfloat16", lambda _device: False)
    assert draft_of(convolutional, "block", settings, 1) is exactly  # no cochleagram
