"""Depth: numbers of layers of known networks, the shared scale, and the committed table."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from metamers.config import read as config_read
from metamers.humans import summary as humans_summary
from metamers.leaderboard import depth
from metamers.leaderboard.curves import stage_depths
from metamers.models.model import Model
from metamers.models.preprocessing import PREPROCESSING
from tests.networks import tiny


@pytest.fixture(scope="module")
def table(root):
    return humans_summary.read_results(root / "resources/published/stage_depth.csv", depth.DEPTH_COLUMNS)


@pytest.fixture(scope="module")
def entries(root):
    return config_read.read_registry(str(root / "config/models.yaml"), "models")


def model_of(network, stages):
    preprocessing = PREPROCESSING["vision"](size=8, mean=[0, 0, 0], std=[1, 1, 1], interpolation="bilinear")
    return Model("m", "vision", preprocessing, network, {"input": None, **stages})


def test_successive_layers_add_up_and_parallel_layers_count_once():
    network = tiny.convolutional()
    layers = depth.stage_layers(model_of(network, {"block": "block", "pool": "pool", "final": "classify"}))
    assert layers == {"block": 2, "pool": 2, "final": 3, "": 3}  # a shortcut is parallel to the second convolution


def test_the_depth_of_a_stage_does_not_depend_on_which_others_are_listed():
    network = tiny.convolutional()
    all_of_them = depth.stage_layers(model_of(network, {"block": "block", "pool": "pool", "final": "classify"}))
    few = depth.stage_layers(model_of(network, {"block": "block"}))
    last = max(all_of_them.values())
    assert (
        depth.layer_shares(few, max(few.values()))["block"] == depth.layer_shares(all_of_them, last)["block"] == 2 / 3
    )


def test_attention_counts_all_its_products():
    """Four products of a head (queries, scores, values, output) and two of the perceptron."""

    class Token(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.TransformerEncoderLayer(3, 1, 8, batch_first=True)
            self.classify = nn.Linear(3, 4)

        def forward(self, images):
            return self.classify(self.block(images.flatten(2).transpose(1, 2)).mean(1))

    assert depth.stage_layers(model_of(Token().eval(), {"block": "block"})) == {"block": 6, "": 7}


def test_a_network_without_gradient_has_no_layers():
    layers = depth.stage_layers(model_of(nn.Sequential(nn.Flatten(), tiny.Round()), {"rounded": "1"}))
    assert np.isnan(depth.layer_shares(layers, max(layers.values()))["rounded"])


def test_a_stage_that_is_not_reached_has_no_depth():
    layers = depth.stage_layers(model_of(tiny.convolutional(), {"block": "block", "unused": "unused"}))
    assert layers == {"block": 2, "": 3}
    assert np.isnan(stage_depths(depth.layer_shares(layers, 3), ["block", "unused"])).tolist() == [False, True]


def test_the_scale_of_one_evenly_spaced_list_is_the_identity():
    knots, places = depth.study_scale([[0.25, 0.5, 0.75, 1]])
    np.testing.assert_allclose(np.interp([0.1, 0.5, 0.9], knots, places), [0.1, 0.5, 0.9])


def test_the_scale_is_the_mean_position_and_averages_stages_with_equal_shares():
    knots, places = depth.study_scale([[0.5, 1], [0.5, 0.5, 1]])
    # Position 1 of 2, and the mean of positions 1 and 2 of 3.
    np.testing.assert_allclose(np.interp([0, 0.25, 0.5, 1], knots, places), [0, 0.25, 0.5, 1])
    _, places = depth.study_scale([[0.0, 0.9, 1], [0.1, 1]])  # a stage at the network's input has no position
    np.testing.assert_allclose(places, [0, (0.5 / 9 + 0.5) / 2, (0.5 + 0.5 + 0.5 * 8 / 9) / 2, 1])


def test_the_table_has_the_numbers_of_layers_of_known_architectures(table):
    last = table.groupby("generation_model")["layers"].max()
    named = {"ResNet50": 50, "ResNet101": 101, "VGG-19": 19, "AlexNet": 8, "CochResNet50": 50}
    assert last[list(named)].to_dict() == named
    assert table["depth"].between(0, 1).all()
    for (_, _), own in table.groupby(["modality", "generation_model"]):
        assert own["depth"].is_monotonic_increasing
        assert own["depth"].iloc[-1] == 1
    np.testing.assert_allclose(table["depth"], np.interp(table["layer_share"], *depth.depth_scale(table)))


def test_the_table_has_every_stage_of_the_human_experiments(root, table):
    groups = humans_summary.read_results(root / "resources/published/group_results.csv", humans_summary.COLUMNS)
    asked = groups[(groups["observer"] == "human") & (groups["stage"] != "natural")]
    names = ["modality", "generation_model", "stage"]
    assert set(asked[names].itertuples(index=False)) == set(table[names].itertuples(index=False))


@pytest.mark.parametrize("name", ["alexnet", "resnet50", "vonealexnet_gaussian_noise_std4_fixed", "spectemp_filters"])
def test_the_table_equals_the_counts_from_the_networks(table, entries, name):
    torch.set_num_threads(1)
    entry = copy.deepcopy(entries[name])
    made = depth.published_depths({name: entry}, {name: entry["published_as"]})
    kept = table[table["generation_model"] == entry["published_as"]]
    assert made["stage"].tolist() == kept["stage"].tolist()
    assert made["layers"].tolist() == kept["layers"].tolist()
    np.testing.assert_allclose(made["layer_share"], kept["layer_share"])
    found = depth.model_depths({name: entry}, table)[name]
    np.testing.assert_allclose([found[stage] for stage in kept["stage"]], kept["depth"])
