"""Low precision: which parts of a network it has, and which devices compute it natively."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from metamers.models import precision
from metamers.models.model import Model
from metamers.models.precision import native, native_bfloat16
from metamers.models.preprocessing import ImagePreprocessing
from metamers.synthesize.drafts import in_low_precision
from tests.networks.entries import load, tiny

STAGES = {"input": None, "block": "block", "logits": "classify"}


@pytest.fixture
def convolutional(root):
    return load(tiny(root, "convolutional", STAGES))


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


def test_a_cpu_that_may_use_avx2_only_does_not_have_it():
    """As a program of its own, because oneDNN reads the variable once."""
    program = (
        "import torch; from metamers.models.precision import native_bfloat16 as native; "
        "print(native(torch.device('cpu')))"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False"]


def test_tf32_is_allowed_within_the_context_and_again_as_before_it():
    flags = [(torch.backends.cuda.matmul, "allow_tf32"), (torch.backends.cudnn, "allow_tf32")]
    for before in (True, False):
        for place, name in flags:
            setattr(place, name, before)
        for allowed in (True, False):
            with precision.tf32(allowed):
                assert [getattr(place, name) for place, name in flags] == 2 * [allowed]
            assert [getattr(place, name) for place, name in flags] == 2 * [before]


def test_a_processor_has_no_tf32():
    device = torch.device("cpu")
    assert not native(device, "tf32")
    assert native(device, "bfloat16") == native_bfloat16(device)
