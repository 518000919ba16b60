"""Stages that are matched at once: their activations one after another, at the place of the last one."""

from pathlib import Path

import pytest
import torch

from metamers.config.models import ModelEntry, check_stages
from metamers.leaderboard.depth import count_layers
from metamers.model_card.card import order_problem, places
from metamers.models.load import load_model
from metamers.models.model import Model
from metamers.models.preprocessing import ImagePreprocessing, SoundPreprocessing
from metamers.names import ConfigurationError
from metamers.synthesize.metamers import synthesize
from tests.networks import tiny

TOGETHER = {"early_and_late": {"module": "block", "together": ["first", "block"]}}


def joined_model():
    torch.manual_seed(0)
    images = ImagePreprocessing(8, [0.5] * 3, [0.5] * 3)
    stages = {"input": None, "first": "first", "block": "block", **TOGETHER, "logits": "classify"}
    return Model("joined", "vision", images, tiny.convolutional(), stages)


def test_stages_at_once_are_their_activations_one_after_another():
    model, stimuli = joined_model(), torch.rand(3, 3, 8, 8)
    parts = [model(stimuli, stage).flatten(1) for stage in ("first", "block")]
    torch.testing.assert_close(model(stimuli, "early_and_late"), torch.cat(parts, dim=1), rtol=0, atol=0)
    with model.all_stages() as found:
        model.run(stimuli)
    torch.testing.assert_close(found["early_and_late"], torch.cat(parts, dim=1), rtol=0, atol=0)
    reached = []
    hook = model.network.classify.register_forward_hook(lambda *_: reached.append(True))
    model(stimuli, "early_and_late")
    hook.remove()
    assert not reached  # nothing beyond the last one is computed
    assert order_problem(places(model, stimuli)) is None


def test_synthesis_matches_stages_at_once():
    model = joined_model()
    natural = torch.rand(2, 3, 8, 8)
    settings = {
        "steps": 200,
        "learning_rate": 0.02,
        "optimizer": "adam",
        "beta_1": 0.9,
        "beta_2": 0.95,
        "low_precision": 0,
    }
    metamers, loss = synthesize(model, "early_and_late", natural, torch.rand(2, 3, 8, 8), "one_cycle", settings)
    assert (loss[:, -1] < loss[:, 0] / 10).all()
    for stage in ("first", "block"):
        wanted, found = model(natural, stage), model(metamers, stage)
        assert (found - wanted).norm() < 0.2 * wanted.norm(), stage


@pytest.mark.parametrize(
    ("joined", "message"),
    [
        (["first", "logits"], "'logits'"),
        (["input", "first"], "'input'"),
        (["first", "nothing"], "'nothing'"),
        (["first", "first"], "first, first"),
        (["block", "first"], "block, first"),
        (["first", "joined"], "'joined'"),
    ],
)
def test_stages_at_once_are_listed_before(joined, message):
    stages = {
        "input": None,
        "first": "first",
        "block": "block",
        "joined": ["first", "block"],
        "both": joined,
        "logits": "classify",
    }
    fields = {"weights": {"random": 0}, "input": {}, "family": "f", "registry": "r"}
    entry = ModelEntry(modality="vision", source={"python": "a.py:b"}, stages=stages, **fields)
    with pytest.raises(ConfigurationError, match=rf"mine\.stages\.both: .*{message}"):
        check_stages({"mine": entry})


def test_a_job_gets_the_places_of_stages_at_once():
    stages = {
        "input": None,
        "first": {"module": "first", "published": "x"},
        "block": "block",
        "both": ["first", "block"],
    }
    fields = {"weights": {"random": 0}, "input": {}, "family": "f", "registry": "r"}
    entry = ModelEntry(modality="vision", source={"python": "a.py:b"}, stages=stages, **fields)
    check_stages({"mine": entry})
    assert entry.parameters["stages"]["both"] == {"module": "block", "together": [{"module": "first"}, "block"]}


def test_stages_at_once_may_have_the_output_of_the_preprocessing():
    cochleagram = {"high_hz": 1900, "filters": 4, "sample_factor": 1, "taps": 101}
    stages = {"input": None, "cochleagram": "preprocessing", "relu": "relu"}
    stages["both"] = {"module": "relu", "together": ["preprocessing", "relu"]}
    root = Path(__file__).resolve().parents[2]
    frequencies = SoundPreprocessing(4000, 0.5, cochleagram)(torch.zeros(1, 2000)).shape[-2]
    entry = {
        "modality": "audio",
        "source": {"python": f"{root}/tests/networks/tiny.py:hearing", "arguments": {"frequencies": frequencies}},
        "weights": {"random": 0},
        "input": {"sampling_rate_hz": 4000, "duration_s": 0.5, "cochleagram": cochleagram},
        "stages": stages,
    }
    model = load_model("both", entry, None, torch.device("cpu"))
    sounds = 0.1 * torch.randn(2, 2000)
    parts = [model(sounds, stage).flatten(1) for stage in ("cochleagram", "relu")]
    torch.testing.assert_close(model(sounds, "both"), torch.cat(parts, dim=1))
    layers = count_layers("both", entry)
    assert layers["both"] == layers["relu"] == 1
