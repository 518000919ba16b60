"""The auditory networks: published shapes, names and sizes; filters against closed forms."""

import itertools
import math

import numpy as np
import pytest
import timm.layers
import timm.layers.pool2d_same
import torch
import torchvision
from torch import nn

from metamers.models.model import Model
from metamers.models.networks import audio as networks

WORDS = 794  # classes of the study
SHAPE_2S, SHAPE_1S = (211, 390), (211, 190)
SMALL = (24, 40)  # for filters

# Channels, rows and columns of what each layer gives at full size.
CNN9_SHAPES = {
    "batchnorm0": (1, 211, 390),
    "conv0": (96, 71, 130),
    "relu0": (96, 71, 130),
    "maxpool0": (96, 36, 65),
    "batchnorm1": (96, 36, 65),
    "conv1": (256, 18, 33),
    "relu1": (256, 18, 33),
    "maxpool1": (256, 9, 17),
    "batchnorm2": (256, 9, 17),
    "conv2": (512, 9, 17),
    "relu2": (512, 9, 17),
    "conv3": (1024, 9, 17),
    "relu3": (1024, 9, 17),
    "conv4": (512, 9, 17),
    "relu4": (512, 9, 17),
    "avgpool": (512, 5, 9),
    "flatten": (512 * 5 * 9,),
    "fullyconnected": (4096,),
    "relufc": (4096,),
    "dropout": (4096,),
    "classification": (WORDS,),
}

RESNET50_SHAPES = {
    "conv1": (64, 106, 195),
    "relu": (64, 106, 195),
    "maxpool": (64, 53, 98),
    "layer1": (256, 53, 98),
    "layer2": (512, 27, 49),
    "layer3": (1024, 14, 25),
    "layer4": (2048, 7, 13),
    "avgpool": (2048, 1, 1),
    "fc": (WORDS,),
}

STATISTICS = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]

BUILDERS = {
    "coch_cnn9": lambda: networks.coch_cnn9(5, width=0.05, shape=SHAPE_1S),
    "coch_resnet50": lambda: networks.coch_resnet50(5, width=0.05),
    "spectemp": lambda: networks.spectemp(5, shape=SHAPE_1S, rates=(0, 4, 16), scales=(0, 0.5)),
}


@pytest.fixture(scope="module")
def bank():
    """All filters, for cochleagrams of 1 s."""
    return networks.spectemp(3, shape=SHAPE_1S)


def on_paper(build):
    """A network without numbers: its shapes cost nothing."""
    with torch.device("meta"):
        return build().eval()


def cochleagrams(shape, batch=1, seed=0):
    """Any, values 0 to 1."""
    return torch.rand(batch, 1, *shape, generator=torch.Generator().manual_seed(seed))


def shapes_of(network, inputs):
    """Name of a direct child → shape of what it gives for one stimulus."""
    found = {}

    def keep(name):
        def hook(_module, _inputs, output):
            found[name] = tuple(output.shape[1:])

        return hook

    hooks = [child.register_forward_hook(keep(name)) for name, child in network.named_children()]
    network(inputs)
    for hook in hooks:
        hook.remove()
    return found


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


# CochCNN9


def test_cnn9_has_the_published_shapes_at_every_layer():
    network = on_paper(lambda: networks.coch_cnn9(WORDS))
    assert shapes_of(network, torch.empty(2, 1, *SHAPE_2S, device="meta")) == CNN9_SHAPES


def test_cnn9_has_the_published_keys_and_their_order():
    network = on_paper(lambda: networks.coch_cnn9(WORDS))
    norms = [[f"batchnorm{n}.{part}" for part in STATISTICS] for n in range(3)]
    assert list(network.state_dict()) == [
        *norms[0], "conv0.weight", *norms[1], "conv1.weight", *norms[2], "conv2.weight", "conv3.weight", "conv4.weight",
        "fullyconnected.weight", "fullyconnected.bias", "classification.weight", "classification.bias",
    ]  # fmt: skip


def test_cnn9_counts_its_parameters():
    convolutions = 1 * 96 * 7 * 14 + 96 * 256 * 4 * 8 + (256 * 512 + 512 * 1024 + 1024 * 512) * 2 * 5
    matrices = (512 * 5 * 9 + 1) * 4096 + (4096 + 1) * WORDS
    counted = count(on_paper(lambda: networks.coch_cnn9(WORDS)))
    assert counted == convolutions + matrices + 2 * (1 + 96 + 256) == 110_221_980


@pytest.mark.parametrize("shape", [(21, 39), (20, 38), (7, 16), (5, 5)])
@pytest.mark.parametrize("layer", ["conv0", "maxpool0", "conv1", "conv2", "avgpool"])
def test_padding_is_the_same_padding_of_tensorflow_as_timm_has_it_to_the_bit(layer, shape):
    ours = getattr(networks.coch_cnn9(3, width=0.05), layer)
    if isinstance(ours, nn.Conv2d):
        theirs = timm.layers.Conv2dSame(ours.in_channels, ours.out_channels, ours.kernel_size, ours.stride, bias=False)
        theirs.load_state_dict(ours.state_dict())
        values = cochleagrams(shape).repeat(1, ours.in_channels, 1, 1)
    else:
        kind = {"maxpool0": timm.layers.pool2d_same.MaxPool2dSame, "avgpool": timm.layers.AvgPool2dSame}[layer]
        theirs, values = kind(ours.kernel_size, ours.stride), cochleagrams(shape)
    for layout in (torch.contiguous_format, torch.channels_last):
        both = []
        for module in (ours, theirs):
            heard = values.clone(memory_format=layout).requires_grad_()
            found = module.to(memory_format=layout)(heard)
            found.square().sum().backward()
            both.append((found.detach(), heard.grad))
        assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))


def test_the_average_counts_the_padding():
    average = networks.coch_cnn9(3, width=0.01).avgpool(torch.ones(1, 1, 9, 17))[0, 0]
    assert average[2, 4] == 1
    assert average[0, 0].item() == pytest.approx(3 / 5)  # two columns of zeros before
    assert average[-1, -1].item() == pytest.approx(3 / 10)  # and after, and a row of zeros below


# CochResNet50


def test_resnet50_has_the_published_shapes():
    network = on_paper(lambda: networks.coch_resnet50(WORDS))
    found = shapes_of(network, torch.empty(2, 1, *SHAPE_2S, device="meta"))
    assert {name: found[name] for name in RESNET50_SHAPES} == RESNET50_SHAPES


def test_resnet50_is_torchvisions_but_for_the_input_and_the_classes():
    own = on_paper(lambda: networks.coch_resnet50(WORDS))
    theirs = on_paper(torchvision.models.resnet50)
    assert list(own.state_dict()) == list(theirs.state_dict())
    others = {
        key: (tuple(own.state_dict()[key].shape), tuple(value.shape))
        for key, value in theirs.state_dict().items()
        if own.state_dict()[key].shape != value.shape
    }
    assert others == {
        "conv1.weight": ((64, 1, 7, 7), (64, 3, 7, 7)),
        "fc.weight": ((WORDS, 2048), (1000, 2048)),
        "fc.bias": ((WORDS,), (1000,)),
    }
    assert count(own) == count(theirs) - 2 * 64 * 7 * 7 - (1000 - WORDS) * 2049 == 25_128_666


# Widths


@pytest.mark.parametrize("build", [networks.coch_cnn9, networks.coch_resnet50])
def test_width_scales_every_hidden_number_of_channels(build):
    full = on_paper(lambda: build(WORDS)).state_dict()
    half = on_paper(lambda: build(WORDS, width=0.5)).state_dict()
    assert list(half) == list(full)
    for key, value in full.items():
        ends = (1, WORDS)  # the input's channel and the classes stay
        expected = [size if axis > 1 or size in ends else size // 2 for axis, size in enumerate(value.shape)]
        assert list(half[key].shape) == expected, key


@pytest.mark.parametrize("build", [networks.coch_cnn9, networks.coch_resnet50])
def test_there_is_at_least_one_channel_and_no_width_of_0(build):
    narrow = on_paper(lambda: build(3, width=1e-6))
    assert narrow(torch.empty(2, 1, *SHAPE_2S, device="meta")).shape == (2, 3)
    with pytest.raises(ValueError, match=r"^width 0: "):
        build(3, width=0)


# All networks


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())
def test_weights_follow_from_the_seed(build):
    def weights(seed):
        torch.manual_seed(seed)
        return build().state_dict().values()

    assert all(torch.equal(one, other) for one, other in zip(weights(0), weights(0), strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(weights(0), weights(1), strict=True))


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())
@pytest.mark.parametrize("level", [0.0, 1.0], ids=["silence", "sound"])
def test_gradients_are_finite(build, level):
    network = build()
    inputs = (level * cochleagrams(SHAPE_1S, batch=2)).requires_grad_()
    scores = network(inputs)
    assert scores.shape == (2, 5)
    scores.square().sum().backward()
    assert inputs.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
    assert bool(inputs.grad.any()) or level == 0


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS.keys())
def test_every_module_can_be_a_stage(build):
    network = build().eval()
    expected = shapes_of(network, cochleagrams(SHAPE_1S))
    stages = {"input": None, **{name: name for name, _ in network.named_children()}}
    model = Model("ear", "audio", nn.Identity(), network, stages)
    for stage in expected:
        assert tuple(model(cochleagrams(SHAPE_1S), stage).shape[1:]) == expected[stage]
    scores = model(cochleagrams(SHAPE_1S), list(stages)[-1])
    torch.testing.assert_close(scores, network(cochleagrams(SHAPE_1S)))


@pytest.mark.parametrize(
    ("name", "stage", "relu"),
    [*(("coch_cnn9", f"relu{n}", f"relu{n}") for n in [*range(5), "fc"]), ("coch_resnet50", "relu", "relu"),
     ("coch_resnet50", "layer1", "layer1.2.relu"), ("coch_resnet50", "layer4", "layer4.2.relu")],
)  # fmt: skip
def test_gradients_can_pass_through_the_rectifiers(name, stage, relu):
    torch.manual_seed(0)
    network = BUILDERS[name]().eval()
    stages = {"input": None, "plain": stage, "passed": {"module": stage, "pass_through_relu": relu}}
    model = Model("ear", "audio", nn.Identity(), network, stages)
    inputs = cochleagrams(SHAPE_1S).requires_grad_()
    plain, passed = model(inputs, "plain"), model(inputs, "passed")
    torch.testing.assert_close(plain, passed)
    quiet = (plain.detach() == 0).float()
    assert quiet.any()
    assert not torch.autograd.grad(plain, inputs, quiet)[0].any()
    assert torch.autograd.grad(passed, inputs, quiet)[0].any()


# Spectrotemporal filters


def rates_and_scales(filters):
    return list(zip(filters.temporal_rate_hz.tolist(), filters.spectral_scale.tolist(), strict=True))


def index_of(filters, rate, scale):
    return rates_and_scales(filters).index((rate, scale))


def ripple(shape, rate, scale):
    """A drifting ripple (1, 1, frequency, time): rising in frequency for negative rates."""
    seconds = torch.arange(shape[1]) / 200
    erbs = torch.arange(shape[0])[:, None] / networks.CHANNELS_PER_ERB
    return torch.cos(2 * torch.pi * (rate * seconds + scale * erbs))[None, None]


def dense_response(cochleagram, rate, scale, rates, scales):
    """One filter's complex response by whole two-dimensional Fourier transforms, from its definition."""
    channels, times = cochleagram.shape
    size = (2 * channels, 3 * times)
    spectral_frequency = np.abs(np.fft.fftfreq(size[0], 1 / networks.CHANNELS_PER_ERB))
    temporal_frequency = np.abs(np.fft.fftfreq(size[1], 1 / 200))
    if rate == 0:
        temporal = (temporal_frequency == 0).astype(complex)
    else:
        periods = np.arange(times) / 200 * abs(rate)
        response = periods**2 * np.exp(-3.5 * periods) * np.sin(2 * np.pi * periods)
        temporal = np.fft.fft(response - response.mean(), size[1])
        magnitude = np.abs(temporal) / np.abs(temporal).max()
        if abs(rate) == max(rates):
            magnitude[temporal_frequency >= temporal_frequency[magnitude.argmax()]] = 1
        temporal = magnitude * np.exp(1j * np.angle(temporal))
    if scale == 0:
        spectral = (spectral_frequency == 0).astype(float)
    else:
        spectral = (spectral_frequency / scale) ** 2 * np.exp(-((spectral_frequency / scale) ** 2))
        spectral /= spectral.max()
        if scale == max(scales):
            spectral[spectral_frequency >= spectral_frequency[spectral.argmax()]] = 1
    motion = np.sign(np.fft.fftfreq(size[0]))[:, None] * np.sign(np.fft.fftfreq(size[1]))
    motion[channels], motion[:, size[1] // 2] = 0, 0  # the Nyquist frequencies have no direction
    response = np.outer(spectral, temporal) * (motion != -(np.sign(rate) or 1))
    return np.fft.ifft2(np.fft.fft2(cochleagram, size) * response)[:channels, :times]


def test_there_are_111_filters_in_the_published_order(bank):
    filters = rates_and_scales(bank.filters)
    assert len(set(filters)) == len(filters) == 111
    assert filters[:3] == [(0, 0), (-0.5, 0), (-1, 0)]
    assert filters[9:11] == [(0, 0.0625), (-0.5, 0.0625)]
    assert filters[63:65] == [(0.5, 0.0625), (1, 0.0625)]
    assert filters[-1] == (64, 2)
    assert list(bank.state_dict()) == ["classification.weight", "classification.bias"]
    assert bank.classification.in_features == 111 * 211


def test_filters_are_their_definition_and_real():
    rates, scales = (0, 4, 8, 64), (0, 0.25, 1)
    filters = networks.SpectrotemporalFilters(SMALL, 200, rates, scales)
    inputs = cochleagrams(SMALL)
    found = filters(inputs)[0].numpy()
    assert found.shape == (len(filters.temporal_rate_hz), *SMALL)
    for number, (rate, scale) in enumerate(rates_and_scales(filters)):
        expected = dense_response(inputs[0, 0].double().numpy(), rate, scale, rates, scales)
        assert np.abs(expected.imag).max() < 1e-12
        np.testing.assert_allclose(found[number], expected.real, atol=1e-6)


def test_the_lowest_filter_is_the_mean_of_the_padded_cochleagram():
    filters = networks.SpectrotemporalFilters(SMALL, 200, (0, 4), (0, 0.5))
    inputs = cochleagrams(SMALL)
    expected = inputs.mean() / (2 * 3)
    torch.testing.assert_close(filters(inputs)[0, 0], expected.expand(SMALL))


def test_both_directions_add_up_to_the_gammatone_in_time():
    filters = networks.SpectrotemporalFilters(SHAPE_1S, 200, (0, 8, 64), (0, 0.5, 2))
    impulse = torch.zeros(1, 1, *SHAPE_1S)
    impulse[0, 0, 100, 0] = 1
    passed = filters(impulse)[0, :, 100]
    found = passed[index_of(filters, -8, 0.5)] + passed[index_of(filters, 8, 0.5)]
    periods = 8 * torch.arange(SHAPE_1S[1]) / 200
    expected = periods**2 * torch.exp(-3.5 * periods) * torch.sin(2 * torch.pi * periods)
    assert torch.corrcoef(torch.stack([found, expected]))[0, 1] > 0.9999


def test_spectral_gains_are_those_of_a_gaussians_second_derivative():
    gains = networks.spectral_gains(0.5, 210)
    frequencies = np.fft.rfftfreq(420, 1 / networks.CHANNELS_PER_ERB)
    assert frequencies[gains.argmax()] == pytest.approx(0.5)
    assert gains[np.isclose(frequencies, 1.0)] == pytest.approx(4 * math.exp(-3))
    assert gains[0] == 0


def test_high_pass_keeps_the_phase_and_what_lies_below():
    gains = networks.temporal_gains(16, 190, 200)
    passing = networks.high_pass(gains)
    peak = np.abs(gains).argmax()
    np.testing.assert_allclose(passing[:peak], gains[:peak])
    np.testing.assert_allclose(np.abs(passing[peak:]), 1)
    np.testing.assert_allclose(np.angle(passing), np.angle(gains))


@pytest.mark.parametrize("rate", [-16, -8, 8, 16])
@pytest.mark.parametrize("scale", [0.25, 1])
def test_a_ripple_drives_its_own_filter_most(bank, rate, scale):
    with torch.no_grad():
        power = bank.average(bank.power(bank.filters(ripple(SHAPE_1S, rate, scale)))).mean(-1)[0]
    own = index_of(bank.filters, rate, scale)
    assert power.argmax() == own
    assert power[own] > 10 * power[index_of(bank.filters, -rate, scale)]
    distance = (bank.filters.temporal_rate_hz.abs() / abs(rate)).log2().abs()
    distance += (bank.filters.spectral_scale / scale).log2().abs()
    assert power[own] > 10 * power[distance >= 4].max()


def test_averaged_power_hardly_depends_on_when_something_happens():
    network = networks.spectemp(3, shape=(48, 190), rates=(0, 8, 16, 32), scales=(0, 0.5, 1))
    event = torch.zeros(2, 1, 48, 190)
    event[0, 0, :, 20:40] = event[1, 0, :, 35:55] = cochleagrams((48, 20))[0, 0]
    with torch.no_grad():
        passed = network.filters(event)
        averages = network.average(network.power(passed))

    def difference(values):
        return ((values[0] - values[1]).norm() / values[0].norm()).item()

    assert difference(averages) < 0.01
    assert difference(passed[:, network.filters.temporal_rate_hz != 0]) > 0.5


def test_silence_has_the_least_power():
    network = networks.spectemp(3, shape=SMALL, rates=(0, 4), scales=(0, 0.5))
    averages = network.average(network.power(network.filters(torch.zeros(1, 1, *SMALL))))
    assert averages.shape == (1, 5, SMALL[0])
    torch.testing.assert_close(averages, torch.full_like(averages, networks.TINY))


def test_cochleagrams_are_multiplied_by_100_first():
    network = networks.spectemp(3, shape=SMALL, rates=(0, 4), scales=(0, 0.5))
    model = Model("ear", "audio", nn.Identity(), network, {"input": None, "filters": "filters"})
    inputs = cochleagrams(SMALL)
    torch.testing.assert_close(model(inputs, "filters"), 100 * network.filters(inputs), rtol=1e-4, atol=1e-4)


def test_coarse_filters_grow_to_all(bank):
    included = [bank.coarse_filters(*cutoff) for cutoff in networks.COARSE_TO_FINE]
    assert included[0].sum() == 9 + 7 - 1  # scale 0 at every rate, or rate 0 at every scale
    for before, after in itertools.pairwise(included):
        assert (after | ~before).all()
        assert after.sum() > before.sum()
    assert included[-1].all()
    expected = [abs(rate) <= 1 or scale <= 0.125 for rate, scale in rates_and_scales(bank.filters)]
    assert included[2].tolist() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"rates": (4, 8)}, "rates"), ({"rates": ()}, "rates"), ({"rates": (0, 8, 4)}, "rates"),
     ({"rates": (0, 128)}, "sampling rate, 100"), ({"scales": (0, 4)}, "sampling rate, 3"),
     ({"envelope_rate_hz": 100}, "sampling rate, 50")],
)  # fmt: skip
def test_filters_must_ascend_from_0_to_what_the_cochleagram_carries(arguments, message):
    with pytest.raises(ValueError, match=message):
        networks.spectemp(3, shape=SMALL, **arguments)


def test_cochleagrams_of_another_length_are_refused():
    network = networks.spectemp(3, shape=SMALL, rates=(0, 4), scales=(0, 0.5))
    with pytest.raises(ValueError, match="`shape`"):
        network(torch.zeros(1, 1, SMALL[0], SMALL[1] + 1))
