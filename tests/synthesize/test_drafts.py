"""Low precision is taken where the device has it and the stage bears it, and nowhere else."""

import pytest
import torch
from torch import nn

from metamers.models.cochleagram import band_cochleagrams
from metamers.models.model import Model
from metamers.models.precision import tf32
from metamers.models.preprocessing import SoundPreprocessing
from metamers.synthesize import drafts
from metamers.synthesize.drafts import EXACT, draft_of, drafts_of, in_low_precision, supports_low_precision
from metamers.synthesize.losses import Goal, make_loss
from tests.networks.entries import load, tiny

STAGES = {"input": None, "block": "block", "logits": "classify"}


@pytest.fixture
def convolutional(root):
    return load(tiny(root, "convolutional", STAGES))


@pytest.fixture
def native(monkeypatch):
    monkeypatch.setattr(drafts, "native", lambda _device, _format: True)


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
    assert supports_low_precision(convolutional, "logits")
    monkeypatch.setattr(drafts, "LARGEST_ERROR", 1e-6)
    assert not supports_low_precision(convolutional, "logits")


def test_where_the_device_does_not_have_it_no_stage_does(convolutional, monkeypatch):
    monkeypatch.setattr(drafts, "native", lambda _device, _format: False)
    assert not supports_low_precision(convolutional, "logits")


def test_a_network_that_cannot_be_computed_in_it_does_not_bear_it(convolutional):
    def refuse(_module, inputs):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("not implemented for 'BFloat16'")

    convolutional.network.block.register_forward_pre_hook(refuse)
    assert not supports_low_precision(convolutional, "logits")


def is_rough(model, draft, taken):
    """Whether cochleagrams are rough within the draft's context of a step."""
    (front_end,) = band_cochleagrams(model.preprocessing)
    with draft.activations(taken):
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
    assert draft_of(hearing, "scores", {"rough_cochleagram": 0}, 10) == EXACT
    assert draft_of(hearing, "scores", {}, 10) == EXACT


def test_where_nothing_differs_there_is_no_draft(convolutional, monkeypatch):
    settings = {"low_precision": True, "rough_cochleagram": True}
    monkeypatch.setattr(drafts, "native", lambda _device, _format: False)
    assert draft_of(convolutional, "block", settings, 1) == EXACT  # no cochleagram


def test_a_device_without_tf32_computes_every_step_in_float32(convolutional, monkeypatch):
    settings = {"low_precision": 1, "low_precision_format": "tf32"}
    assert draft_of(convolutional, "logits", settings, 10) == EXACT
    monkeypatch.setattr(drafts, "native", lambda _device, number_format: number_format == "tf32")
    draft = draft_of(convolutional, "logits", settings, 10)
    assert [draft.kind(taken) for taken in (0, 9, 10)] == [(True, False), (True, False), (False, False)]
    assert draft_of(convolutional, "logits", {"low_precision": 1}, 10) == EXACT


def test_of_several_models_all_have_steps_in_tf32_or_none(convolutional, monkeypatch):
    settings = {"low_precision": 1, "low_precision_format": "tf32"}
    supported = {"block": True, "logits": False}
    monkeypatch.setattr(drafts, "supports_low_precision", lambda _model, stage, _format: supported[stage])
    places = [(convolutional, "block"), (convolutional, "logits")]
    assert drafts_of(places, settings, 10) == [EXACT, EXACT]
    assert [draft.low_precision for draft in drafts_of(places[:1], settings, 10)] == [10]
    assert [draft.low_precision for draft in drafts_of(places, {"low_precision": 1}, 10)] == [10, 0]


def test_stimuli_are_resized_in_float32_within_tf32(convolutional):
    allowed = []

    def fit(stimuli):
        allowed.append(torch.backends.cudnn.allow_tf32)
        return stimuli

    goal = Goal(convolutional, "block", torch.ones(1, 6, 8, 8), fit)
    with tf32():
        make_loss(goal)(torch.rand(1, 3, 8, 8), 0)
    assert allowed == [False]
