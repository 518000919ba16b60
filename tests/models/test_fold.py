"""Folding changes how long a network takes, not what it computes."""

import pytest
import timm
import torch
import torchvision
from timm.layers import create_conv2d
from torch import nn

from metamers.models.fold import dilate_points, fold_batch_norms, pad_inside
from tests.networks.entries import IMAGE_INPUT, load, tiny

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def count(network, kind):
    return sum(isinstance(module, kind) for module in network.modules())


def with_statistics(network):
    """Batch normalizations as after training: none of them the identity."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var):
                values.uniform_(0.5, 1.5, generator=generator)
            for values in (module.bias.data, module.running_mean):
                values.uniform_(-0.5, 0.5, generator=generator)
    return network.eval()


@pytest.mark.parametrize("build", [torchvision.models.resnet18, lambda: timm.create_model("tf_efficientnet_lite0")])
def test_every_batch_norm_is_folded_and_the_network_is_the_same(build):
    network = with_statistics(build())
    folded = fold_batch_norms(network, lambda network: network(IMAGES))
    assert count(network, nn.BatchNorm2d) > 0
    assert count(folded, nn.BatchNorm2d) == 0
    torch.testing.assert_close(folded(IMAGES), network(IMAGES), rtol=1e-3, atol=1e-4)


# The first strided one takes 32 rows and 31 columns, or the reverse: of an even number, the odd row or column of zeros
# comes at the end, else there is none.
@pytest.mark.parametrize("size", [(64, 62), (62, 64)])
def test_depthwise_convolutions_pad_themselves_and_the_network_is_the_same(size):
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    network = with_statistics(timm.create_model("tf_efficientnet_lite0"))
    wanted = network(images)
    strided = {name for name, module in network.named_modules() if is_padded_outside(module)}
    found = pad_inside(network, lambda network: network(images))
    assert found is network
    left = {name for name, module in network.named_modules() if is_padded_outside(module)}
    assert left == {"conv_stem"}
    assert len(strided) == 5
    torch.testing.assert_close(network(images), wanted, rtol=1e-3, atol=1e-4)


def is_padded_outside(module):
    return isinstance(module, nn.Conv2d) and type(module) is not nn.Conv2d


def test_a_convolution_that_sees_two_sizes_goes_on_padding_for_each():
    network = nn.Sequential(create_conv2d(4, 4, 3, stride=2, padding="same", depthwise=True))
    twice = pad_inside(network, lambda network: (network(IMAGES[:, [0] * 4]), network(IMAGES[:, [0] * 4, 1:])))
    assert is_padded_outside(twice[0])


class Shared(nn.Module):
    """One convolution used twice, and one whose output goes elsewhere too."""

    def __init__(self):
        super().__init__()
        self.twice = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(3)
        self.elsewhere = nn.Conv2d(3, 3, 1)
        self.other_norm = nn.BatchNorm2d(3)

    def forward(self, images):
        hidden = self.norm(self.twice(self.twice(images)))
        branch = self.elsewhere(hidden)
        return (self.other_norm(branch) + branch).mean((2, 3))


def test_on_one_thread_onednn_computes_every_convolution_and_the_network_is_the_same():
    def computed_by():
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as profile:
            scores = network(IMAGES)
        return {event.key for event in profile.key_averages()}, scores

    network, threads = with_statistics(torchvision.models.mobilenet_v2()), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        before, wanted = computed_by()
        dilate_points(network)
        after, found = computed_by()
    finally:
        torch.set_num_threads(threads)
    assert "aten::_slow_conv2d_forward" in before - after
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


def test_a_convolution_that_serves_twice_is_left_alone():
    folded = fold_batch_norms(with_statistics(Shared()), lambda network: network(IMAGES))
    assert isinstance(folded.norm, nn.BatchNorm2d)


def test_all_stages_are_seen_in_one_run_as_each_is_seen_alone(root):
    stages = {
        "input": None,
        "first": {"module": "relu", "pass_through_relu": "relu"},
        "block": {"module": "block", "pass_through_relu": "relu"},
        "scores": "classify",
    }
    model = load(tiny(root, "convolutional", stages))
    images = torch.rand(2, *model.preprocessing.signal_shape)
    with model.all_stages() as found:
        model.scores(images)
    assert list(found) == ["first", "block", "scores"]
    for stage, activations in found.items():
        assert torch.equal(activations, model(images, stage))
    with model.all_stages() as found:
        pass
    assert found == {}


def test_a_model_keeps_a_network_that_folding_would_change(root, monkeypatch, tmp_path):
    (tmp_path / "shared.py").write_text(
        "from tests.models.test_fold import Shared, with_statistics\n\ndef build():\n    return with_statistics(Shared())\n"
    )
    entry = tiny(root, "linear", {"input": None, "norm": "norm"})
    model = load(entry | {"source": {"python": f"{tmp_path}/shared.py:build"}, "input": IMAGE_INPUT | {"size": 64}})
    assert isinstance(model.network.other_norm, nn.BatchNorm2d)
