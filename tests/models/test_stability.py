"""A network that is not fit for synthesis is explained in one sentence, by ``metamers add`` and by the plan."""

import re

import pytest
import torch

from metamers.models.automatic_stages import scores_of_output
from metamers.models.build import prepared
from metamers.models.preprocessing import ImagePreprocessing, SoundPreprocessing
from metamers.models.stability import check_gradient, problems_of, stability
from tests.networks import odd, tiny

IMAGES = ImagePreprocessing(16, [0.5] * 3, [0.5] * 3)
RANDOM, BATCH = r"`\.eval\(\)`", "batch normalization"


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def ready(network):
    return prepared(network).requires_grad_(False).eval()


@pytest.mark.parametrize(
    ("network", "problem"),
    [
        (tiny.Convolutional, None),
        (odd.InputInPlace, None),
        (odd.compiled, None),
        (odd.half, None),
        (odd.BatchStatistics, BATCH),
        (odd.AlwaysTraining, BATCH),
        (odd.Dropout, RANDOM),
        (odd.StochasticDepth, RANDOM),
        (odd.WithLoss, None),
        (odd.NotFinite, "NaN"),
        (odd.NeedsBatch, "single stimulus"),
    ],
)
def test_outputs_that_are_not_those_of_the_stimulus_alone_are_said(network, problem):
    made = ready(network())
    check_gradient("net", made, IMAGES)
    found = problems_of(made, IMAGES)
    assert [bool(re.search(problem or "", line)) for line in found] == ([True] if problem else [])


@pytest.mark.parametrize("sign", [1, -1])
def test_the_dependence_on_the_batch_is_measured_in_standard_deviations_of_the_outputs(sign):
    differences = stability(lambda stimuli: stimuli + sign * len(stimuli), torch.tensor([[1.0], [-1.0]]))
    assert differences == {"repeat_difference": 0, "batch_difference": pytest.approx(1 / 2**0.5)}


def test_an_operation_that_overwrites_what_the_gradient_needs_is_explained():
    with pytest.raises(ValueError, match=r"net: .*`x \*= 2`"):
        check_gradient("net", ready(odd.InPlace()), IMAGES)


def test_a_preprocessing_without_gradient_is_named():
    preprocessing = SoundPreprocessing(8000, 0.25, preprocessing="waveform")
    check_gradient("net", ready(odd.OfWaveforms()), preprocessing)
    preprocessing.front_end = odd.NumPyFrontEnd()
    with pytest.raises(ValueError, match=r"net\.input\.preprocessing: .*\.detach\(\)"):
        check_gradient("net", ready(odd.OfWaveforms()), preprocessing)


def test_a_module_of_torch_jit_and_one_without_values_are_refused():
    with pytest.raises(ValueError, match=r"torch\.jit"):
        prepared(odd.scripted())
    with pytest.raises(ValueError, match=r"net\.source: .*meta"):
        scores_of_output("net", prepared(odd.without_values()), IMAGES)
    assert prepared(odd.half()).first.weight.dtype == torch.float32
