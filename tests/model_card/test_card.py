"""A model card describes each problem of a model in words, and is written in any case."""

import re

import numpy as np
import pytest
import torch
import xarray as xr
import yaml
from torch import nn

from metamers.model_card import card as model_card
from metamers.models.device import use_threads
from metamers.models.model import Model
from metamers.models.preprocessing import ImagePreprocessing
from metamers.models.stability import stability_problems
from metamers.plan.steps import declared_files
from metamers.run import files
from tests.networks import tiny
from tests.workflow.runs import check_schema, copy_of, small, snakemake

STIMULI = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def model_of(network, stages):
    preprocessing = ImagePreprocessing(8, [0.5] * 3, [0.5] * 3)
    return Model("own", "vision", preprocessing, network, {"input": None} | stages)


def sequence(**modules):
    network = nn.Sequential()
    for name, module in modules.items():
        network.add_module(name, module)
    return network


class Noisy(nn.Module):
    def forward(self, values):
        return values + 0.1 * torch.randn_like(values)


class OverTheBatch(nn.Module):
    def forward(self, values):
        return values - values.mean(0)


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (nn.Identity(), None),
        (Noisy(), "random"),
        (OverTheBatch(), "batch"),
    ],
)
def test_scores_are_the_same_twice_and_alone(added, message):
    torch.manual_seed(0)
    network = sequence(flatten=nn.Flatten(), classify=nn.Linear(192, 4), added=added)
    found = stability_problems(model_card.score_stability(model_of(network, {"classify": "classify"}), STIMULI))
    assert (found == []) if message is None else (message in found[0])


def test_stages_are_counted_as_the_run_reaches_them():
    network = sequence(flatten=nn.Flatten(), first=nn.Linear(192, 5), second=nn.Linear(5, 4))
    place = model_card.places(model_of(network, {"late": "second", "early": "first"}), STIMULI)
    assert place == {"input": 0, "late": 2, "early": 1}
    assert "input, early, late" in model_card.order_problem(place)
    assert model_card.order_problem({"input": 0, "early": 1, "never": -1, "late": 2}) is None


def test_accuracy_by_hand():
    scores = np.array([[9, 5, 1], [9, 1, 5], [1, 5, 9], [5, 1, 0]], dtype=float)
    # Class 0 belongs to no category, so forced choice ignores it.
    found = model_card.accuracy(scores, ["b", "c", "c", "b"], {"b": [1], "c": [2]}, "own")
    assert found == {"top_1": 0.25, "forced_choice": 1, "categories": 2, "natural_stimuli": 4}


@pytest.mark.parametrize(("right", "said"), [(20, False), (10, False), (1, True), (0, True)])
def test_no_better_than_guessing_is_said(right, said):
    found = {"forced_choice": right / 20, "categories": 10, "natural_stimuli": 20}
    assert bool(model_card.accuracy_problems(found)) == said


def test_the_run_is_estimated_from_its_steps():
    card = xr.Dataset({"step_seconds": ("stage", [1.0, 2.0, np.nan])}, coords={"stage": ["a", "b", "broken"]})
    settings = {"stages": ["a", "b", "broken"], "stimuli": ["x"] * 6, "seeds": 2, "modality": "vision"}
    settings["synthesis"] = {"steps": 100, "halvings": 1}
    found = model_card.run_estimate(card, settings, batch=4, signal=1000)
    assert found["run_hours"] == pytest.approx(3 * 200 * 12 / 4 / 3600)
    assert found["run_size"] == pytest.approx(2 * 12 * 1000 * 5 / 1e6)


def test_a_step_that_keeps_more_takes_more_memory_and_leaves_this_process_as_it_was():
    network = sequence(
        small=nn.Conv2d(3, 1, 1), wide=nn.Conv2d(1, 800, 1), big=nn.Sigmoid(), pool=nn.AdaptiveAvgPool2d(1)
    )
    network.add_module("flatten", nn.Flatten())
    model = model_of(network, {"small": "small", "big": "big"})
    model.preprocessing = ImagePreprocessing(64, [0.5] * 3, [0.5] * 3)
    batch = torch.rand(8, 3, 64, 64)
    small_cost, big_cost = (model_card.cost(model, stage, batch, batch) for stage in ("small", "big"))
    kept = 8 * 800 * 64 * 64 * 4 / 1e6  # MB of one activation in 32 bits
    assert big_cost["peak_memory"] - small_cost["peak_memory"] > kept
    assert big_cost["step_seconds"] > small_cost["step_seconds"] > 0


def test_a_stage_is_not_charged_with_memory_that_was_freed_before():
    model = model_of(sequence(flatten=nn.Flatten(), classify=nn.Linear(192, 4)), {"classify": "classify"})
    use_threads(1)
    before = model_card.cost(model, "classify", STIMULI, STIMULI)["peak_memory"]
    # Smaller than the allocator's threshold for a separate mapping, so the process keeps it when it is freed.
    torch.ones(60_000_000).sum()
    assert model_card.cost(model, "classify", STIMULI, STIMULI)["peak_memory"] < before + 60


@pytest.mark.parametrize("stage", ["round", "never"])
def test_where_no_step_can_be_taken_none_is_timed(stage):
    network = sequence(flatten=nn.Flatten(), round=tiny.Round(), classify=nn.Linear(192, 4), never=nn.Identity())
    network.forward = lambda values: network.classify(network.round(network.flatten(values)))
    found = model_card.cost(model_of(network, {"round": "round", "never": "never"}), stage, STIMULI, STIMULI)
    assert np.isnan(found["step_seconds"])
    assert np.isnan(found["peak_memory"])


@pytest.fixture(scope="module")
def carded(root, tmp_path_factory):
    """A folder whose registry has models with various problems, and the arguments of its run."""
    folder = copy_of(root, tmp_path_factory.mktemp("cards"))
    arguments = small(root, folder)
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    models["broken"] = models["first"] | {
        "source": {"python": "mine/builders.py:rounding"},
        "stages": {"input": None, "convolve": "convolve", "round": "round", "nowhere": "conv", "logits": "classify"},
    }
    models["not_finite"] = models["first"] | {
        "source": {"python": "mine/builders.py:not_finite"},
        "stages": {"input": None, "convolve": "convolve"},
    }
    models["unbuilt"] = models["first"] | {"source": {"python": "mine/builders.py:not_a_network"}}
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    return folder, arguments


def test_a_model_outside_the_run_gets_a_card_that_says_what_does_not_work(carded):
    folder, arguments = carded
    snakemake(folder, "model_card", *arguments, "--config", "model=broken")
    path = folder / "results/small/model_cards/broken.nc"
    check_schema(path, "model_cards/broken.nc", declared_files())
    card = files.load(path)
    problem = card["problem"].to_series()
    assert problem["input"] == problem["convolve"] == ""
    assert "gradient" in problem["round"]
    assert "input, convolve" in problem["logits"]
    assert "'conv'" in problem["nowhere"]
    assert "convolve" in problem["nowhere"]
    assert card["place"].to_series().to_dict() == {"input": 0, "convolve": 1, "round": 2, "nowhere": -1, "logits": 3}
    assert card["step_seconds"].notnull().values.tolist() == [True, True, False, False, False]
    assert int(card["parameters"]) == 3 * 4 * 9 + 4 + 4 * 4 + 4
    assert int(card["units"].sel(stage="convolve")) == 4 * 14 * 14
    page = (folder / "results/small/model_cards/broken.html").read_text()
    assert page.count("Does not work.") == 3
    assert "quality quick" in page
    assert str(folder) not in page


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"random": 3}, "random: 3"),
        ({"train": {"dataset": "a"}}, "trained by the run"),
        ({"builder": True}, "loaded by the builder"),
        ({"pretrained": {"weights_name": "V2", "url": "https://a.org/b"}}, "published: V2 (https://a.org/b)"),
        ({"pretrained": {"weights_name": "x", "hub": "a/b", "revision": "c0"}}, "published: x (a/b at c0)"),
    ],
)
def test_a_card_says_where_the_weights_come_from(weights, words):
    assert model_card.weights_in_words(weights) == words


@pytest.mark.slow
def test_a_model_without_finite_scores_gets_a_card_that_says_so(carded):
    folder, arguments = carded
    snakemake(folder, "model_card", *arguments, "--config", "model=not_finite")
    card = files.load(folder / "results/small/model_cards/not_finite.nc")
    assert "model not_finite: " in card.attrs["findings"]
    assert (card["problem"] == "").all()
    assert (card["step_seconds"] > 0).all()
    assert np.isnan(card["top_1"])


@pytest.mark.slow
def test_a_model_that_cannot_be_built_has_no_card(carded):
    folder, arguments = carded
    output = snakemake(folder, "model_card", *arguments, "--config", "model=unbuilt", fails=True)
    assert "torch.nn.Module" in output
    assert not (folder / "results/small/model_cards/unbuilt.nc").exists()


def test_an_unknown_name_is_said_before_a_job_starts(carded):
    folder, arguments = carded
    output = snakemake(folder, "model_card", *arguments, "--config", "model=frist", fails=True)
    assert re.search("model: .*'frist'.*'first'", output)
    assert "Job stats" not in output
