"""The visual networks: published keys, sizes and stages; filters, poolings and recurrence against closed forms."""

import functools
import math

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from metamers.models.load import folded
from metamers.models.model import Model
from metamers.models.networks import vision as networks
from metamers.models.preprocessing import ImagePreprocessing
from metamers.models.weights import fit_weights, read_weights
from metamers.stimuli.images import to_channels
from metamers.synthesize.metamers import synthesize

SIZE = 64
CLASSES = 5

BUILDERS = {
    "cornet_s": networks.cornet_s,
    "alexnet_gn": networks.alexnet_gn,
    "alexnet_gn_ipcl": networks.alexnet_gn_ipcl,
    "hmax": networks.hmax,
    "lowpass_alexnet": networks.lowpass_alexnet,
    # As many pixels per degree as at the published size.
    "vone_alexnet": functools.partial(networks.vone_alexnet, size=SIZE, degrees=SIZE / 28),
}


def relu(module, last=None):
    """A stage with a pass-through gradient at its last ReLU."""
    return {"module": module, "pass_through_relu": last or module}


ALEXNET_GN_STAGES = {
    **{f"conv_block_{n}": relu(f"conv_block_{n}", f"conv_block_{n}.2") for n in range(1, 6)},
    "avgpool": "ave_pool",
    "fc6": relu("fc6", "fc6.2"),
    "fc7": relu("fc7", "fc7.2"),
}

# The study's stages in its order, and what they give for an image of 64 pixels.
STAGES = {
    "cornet_s": {
        "V1": relu("V1", "V1.nonlin2"),
        **{area: relu(area, f"{area}.nonlin3") for area in ("V2", "V4", "IT")},
        "final": "decoder",
    },
    "alexnet_gn": ALEXNET_GN_STAGES | {"final": "fc8"},
    "alexnet_gn_ipcl": ALEXNET_GN_STAGES | {"final": "classifier"},
    "hmax": {"s1": "s1", "c1": "c1", "s2": "s2", "c2": "c2", "final": "fc"},
    "lowpass_alexnet": {
        **{f"relu{n}": relu(f"features.{place}") for n, place in enumerate((1, 4, 7, 9, 11))},
        "fc0_relu": relu("classifier.2"),
        "fc1_relu": relu("classifier.5"),
        "final": "classifier.6",
    },
    "vone_alexnet": {
        "v1_output": "vone_block",
        **{f"relu{n}": relu(f"model.features.{place}") for n, place in enumerate((1, 4, 6, 8), start=1)},
        "fc0_relu": relu("model.classifier.2"),
        "fc1_relu": relu("model.classifier.5"),
        "final": "model.classifier.6",
    },
}
C1_PLACES = [17**2, 13**2, 11**2, 10**2, 9**2, 8**2, 7**2, 6**2]  # of each scale
SHAPES = {
    "cornet_s": [(64, 16, 16), (128, 8, 8), (256, 4, 4), (512, 2, 2), (CLASSES,)],
    "alexnet_gn": [(96, 15, 15), (256, 7, 7), (384, 3, 3), (384, 3, 3), (256, 3, 3), (256, 6, 6), (4096,), (4096,), (CLASSES,)],
    "hmax": [(4 * 16, SIZE, SIZE), (4 * sum(C1_PLACES),), (400 * 8 * sum((math.isqrt(n) + 1) ** 2 for n in C1_PLACES),), (8 * 400,), (CLASSES,)],
    "lowpass_alexnet": [(64, 15, 15), (192, 7, 7), (384, 3, 3), (256, 3, 3), (256, 3, 3), (4096,), (4096,), (CLASSES,)],
    "vone_alexnet": [(512, 16, 16), (192, 8, 8), (384, 4, 4), (256, 4, 4), (256, 4, 4), (4096,), (4096,), (CLASSES,)],
}  # fmt: skip
SHAPES["alexnet_gn_ipcl"] = SHAPES["alexnet_gn"]

EVERY_STAGE = [(name, stage) for name, stages in STAGES.items() for stage in stages]
STATISTICS = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


@functools.cache
def build(name):
    torch.manual_seed(0)
    return BUILDERS[name](CLASSES).eval()


@functools.cache
def model_of(name):
    return with_network(name, build(name))


def with_network(name, network):
    normal = ([0.0], [1.0]) if name == "hmax" else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    preprocessing = ImagePreprocessing(SIZE, *normal)
    return Model(name, "vision", preprocessing, network, {"input": None} | STAGES[name])


def image(seed=0, batch=1):
    """Blobs in colour (batch, 3, SIZE, SIZE)."""
    coarse = torch.rand(batch, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 1)


def grey_image(seed=0, batch=1):
    """The same in grey (batch, 1, SIZE, SIZE)."""
    return to_channels(image(seed, batch), 1)


def image_for(name, seed=0):
    """What a model's stimuli look like."""
    return grey_image(seed) if name == "hmax" else image(seed)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def keys(*groups):
    """Keys of a state dict: (module, parts) …"""
    return {f"{module}.{part}" for module, parts in groups for part in parts}


# All networks


def layer(channels_in, channels, kernel=1, extra=1):
    """Parameters of a convolution or matrix with so many more for each channel: a bias, a normalization."""
    return channels_in * channels * kernel**2 + extra * channels


def area(channels_in, channels, times):
    """Parameters of an area of CORnet-S."""
    inner = 4 * channels
    once = layer(channels_in, channels, extra=0) + layer(channels, channels, extra=2)
    shared = 2 * layer(channels, inner, extra=0) + layer(inner, inner, 3, extra=0)
    return once + shared + times * 2 * (2 * inner + channels)


ALEXNET_GN_BODY = (
    layer(3, 96, 11, 2) + layer(96, 256, 5, 2) + layer(256, 384, 3, 2) + layer(384, 384, 3, 2) + layer(384, 256, 3, 2)
    + layer(256 * 6 * 6, 4096, extra=3) + layer(4096, 4096, extra=3)
)  # fmt: skip
COUNTS = {
    "cornet_s": layer(3, 64, 7, 2) + layer(64, 64, 3, 2) + area(64, 128, 2) + area(128, 256, 4) + area(256, 512, 2)
    + layer(512, 1000),
    "alexnet_gn": ALEXNET_GN_BODY + layer(4096, 1000),
    "alexnet_gn_ipcl": ALEXNET_GN_BODY + layer(4096, 128) + layer(4096, 1000),
    "hmax": layer(3200, 1000),  # all else is fixed
    # Other poolings do not change it.
    "lowpass_alexnet": torchvision.models.AlexNet_Weights.IMAGENET1K_V1.meta["num_params"],
    "vone_alexnet": layer(512, 64, extra=0) + layer(64, 192, 5) + layer(192, 384, 3) + layer(384, 256, 3)
    + layer(256, 256, 3) + layer(256 * 7 * 7, 4096) + layer(4096, 4096) + layer(4096, 1000),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILDERS)
def test_networks_learn_as_many_parameters_as_follow_from_their_published_sizes(name):
    with torch.device("cpu" if name in ("hmax", "vone_alexnet") else "meta"):  # those compute their filters
        assert count(getattr(networks, name)()) == COUNTS[name]


def test_counts_of_parameters_are_the_known_ones():
    assert COUNTS["cornet_s"] == 53_416_616
    assert COUNTS["lowpass_alexnet"] == 61_100_840


@pytest.mark.parametrize(
    "name", ["cornet_s", "alexnet_gn", "hmax", "vone_alexnet"]
)  # others are made of the same layers
def test_weights_follow_from_the_seed(name):
    def weights(seed):
        torch.manual_seed(seed)
        return BUILDERS[name](CLASSES).state_dict()

    first, second, other = build(name).state_dict(), weights(0), weights(1)
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert not all(torch.equal(value, other[key]) for key, value in first.items())


@pytest.mark.parametrize("name", BUILDERS)
def test_stages_have_the_published_shapes(name):
    assert [tuple(model_of(name)(image_for(name), stage).shape[1:]) for stage in STAGES[name]] == SHAPES[name]
    torch.testing.assert_close(model_of(name)(image_for(name), "final"), model_of(name).scores(image_for(name)))


@pytest.mark.parametrize(("name", "stage"), EVERY_STAGE)
def test_gradients_of_every_stage_reach_the_image(name, stage):
    stimulus = image_for(name).requires_grad_()
    activations = model_of(name)(stimulus, stage)
    assert activations.isfinite().all()
    (gradient,) = torch.autograd.grad(activations.square().sum(), stimulus)
    assert gradient.isfinite().all()
    assert gradient.any()


# LowpassAlexNet's relu0 is left out: it rectifies averages of what was rectified before.
@pytest.mark.parametrize(
    ("name", "stage"),
    [
        pair
        for pair in EVERY_STAGE
        if isinstance(STAGES[pair[0]][pair[1]], dict) and pair != ("lowpass_alexnet", "relu0")
    ],
)
def test_gradients_can_pass_through_the_rectifier_that_ends_a_stage(name, stage):
    network = build(name)
    path = STAGES[name][stage]["module"]
    stages = {"input": None, "plain": path, "passed": STAGES[name][stage]}
    model = Model(name, "vision", model_of(name).preprocessing, network, stages)
    stimulus = image_for(name).requires_grad_()
    plain, passed = model(stimulus, "plain"), model(stimulus, "passed")
    torch.testing.assert_close(plain, passed)
    quiet = (plain.detach() == 0).float()
    assert quiet.any()
    assert not torch.autograd.grad(plain, stimulus, quiet)[0].any()
    assert torch.autograd.grad(passed, stimulus, quiet)[0].any()


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("cornet_s", "V2"),
        ("alexnet_gn", "conv_block_2"),
        ("alexnet_gn_ipcl", "final"),
        ("hmax", "c2"),
        ("lowpass_alexnet", "fc0_relu"),
        ("vone_alexnet", "fc1_relu"),
    ],
)
def test_metamers_can_be_synthesized(name, stage):
    noise = torch.randn(image_for(name).shape, generator=torch.Generator().manual_seed(0))
    start = (0.5 + 0.05 * noise).clamp(0, 1)
    settings = {"steps": 6, "learning_rate": 0.05, "beta_1": 0.9, "beta_2": 0.9, "optimizer": "adam"}
    metamer, loss = synthesize(model_of(name), stage, image_for(name), start, "one_cycle", settings)
    assert loss[0, -1] < 0.8 * loss[0, 0]
    assert not torch.allclose(metamer, image_for(name), atol=0.1)


@pytest.mark.parametrize("name", ["cornet_s", "alexnet_gn", "vone_alexnet"])
def test_folding_batch_normalizations_keeps_every_stage(name):
    faster = folded(model_of(name), functools.partial(with_network, name), image_for(name))
    for stage in STAGES[name]:
        torch.testing.assert_close(
            faster(image_for(name, 1), stage), model_of(name)(image_for(name, 1), stage), rtol=1e-3, atol=1e-3
        )


def test_a_checkpoint_of_the_study_fits_once_its_prefix_is_cut_off(tmp_path):
    torch.manual_seed(1)
    trained = networks.hmax(CLASSES)
    weights = trained.state_dict()
    study = {f"module.{place}.{key}": value for place in ("model", "attacker.model") for key, value in weights.items()}
    study["module.preproc.mean"] = torch.zeros(1)
    torch.save({"model": study}, tmp_path / "study.pt")
    network = networks.hmax(CLASSES)
    read = read_weights(tmp_path / "study.pt", entry="model", prefix="module.model.")
    network.load_state_dict(fit_weights(read, network, "same", "study.pt"))
    assert torch.equal(network(grey_image()), trained(grey_image()))


# Gabor functions


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135])
@pytest.mark.parametrize("frequency", [0.1, 0.2])
def test_a_gabors_spectrum_peaks_at_its_frequency_and_direction(degrees, frequency):
    filter_ = networks.gabor(41, frequency, np.deg2rad(degrees), 6, 9)
    spectrum = np.abs(np.fft.fft2(filter_, (400, 400)))
    place = np.unravel_index(spectrum.argmax(), spectrum.shape)
    down, right = np.fft.fftfreq(400)[list(place)]
    assert math.hypot(down, right) == pytest.approx(frequency, abs=0.0026)
    assert math.degrees(math.atan2(right, down)) % 180 == pytest.approx(degrees, abs=1.5)


def test_a_gabors_envelope_and_phase_are_its_definition():
    assert networks.gabor(21, 0.1, 0, 3, 5)[10, 10] == 1
    assert networks.gabor(21, 0.1, 0, 3, 5, phase=np.pi / 2)[10, 10] == pytest.approx(0)
    even = networks.gabor(21, 0.1, 0, 3, 5)
    assert even[15, 10] == pytest.approx(-math.exp(-((5 / 3) ** 2) / 2))  # half a wave down
    assert even[10, 15] == pytest.approx(math.exp(-1 / 2))  # along a ridge, one standard deviation


# CORnet-S


def test_cornet_has_the_published_keys():
    def of_area(name, times):
        weights = [f"{name}.{part}" for part in ("conv_input", "skip", "conv1", "conv2", "conv3")]
        norms = [f"{name}.norm_skip", *(f"{name}.norm{n}_{time}" for n in (1, 2, 3) for time in range(times))]
        return keys(*((weight, ["weight"]) for weight in weights), *((norm, STATISTICS) for norm in norms))

    v1 = keys(("V1.conv1", ["weight"]), ("V1.norm1", STATISTICS), ("V1.conv2", ["weight"]), ("V1.norm2", STATISTICS))
    expected = (
        v1 | of_area("V2", 2) | of_area("V4", 4) | of_area("IT", 2) | keys(("decoder.linear", ["weight", "bias"]))
    )
    assert set(build("cornet_s").state_dict()) == expected


@pytest.mark.parametrize(("name", "times"), [("V2", 2), ("V4", 4), ("IT", 2)])
def test_an_area_of_cornet_takes_its_own_output_again(name, times):
    calls = []
    block = build("cornet_s").get_submodule(name)
    hook = block.conv1.register_forward_pre_hook(lambda _module, inputs: calls.append(inputs[0]))
    states = []
    other = block.nonlin3.register_forward_hook(lambda _module, _inputs, output: states.append(output))
    with torch.no_grad():
        output = model_of("cornet_s")(image(), name)
    hook.remove()
    other.remove()
    assert len(calls) == len(states) == times
    assert all(torch.equal(state, taken) for state, taken in zip(states[:-1], calls[1:], strict=True))
    assert torch.equal(output, states[-1])
    assert not torch.allclose(output, states[0])


def test_an_area_of_cornet_is_its_unrolled_self():
    torch.manual_seed(0)
    block = networks.CORBlock(3, 4, times=2).eval()
    for norm in (module for module in block.modules() if isinstance(module, nn.BatchNorm2d)):
        for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            values.uniform_(0.5, 1.5)
    weights = block.state_dict()
    inputs = torch.randn(2, 3, 8, 8)

    def norm(values, name):
        mean, variance, scale, shift = (
            weights[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (values - mean) / (variance + 1e-5).sqrt() * scale + shift

    def convolve(values, name, stride=1, padding=0):
        return functional.conv2d(values, weights[f"{name}.weight"], stride=stride, padding=padding)

    def bottleneck(values, time, stride):
        values = norm(convolve(values, "conv1"), f"norm1_{time}").relu()
        values = norm(convolve(values, "conv2", stride, 1), f"norm2_{time}").relu()
        return norm(convolve(values, "conv3"), f"norm3_{time}")

    first = convolve(inputs, "conv_input")
    second = (bottleneck(first, 0, 2) + norm(convolve(first, "skip", 2), "norm_skip")).relu()
    expected = (bottleneck(second, 1, 1) + second).relu()
    torch.testing.assert_close(block(inputs), expected)


# AlexNet with group normalization


def test_alexnet_gn_has_the_published_keys():
    affine = ["weight", "bias"]
    body = set()
    for n in range(1, 6):
        body |= keys((f"conv_block_{n}.0", ["weight"]), (f"conv_block_{n}.1", affine))
    for layer in ("fc6", "fc7"):
        body |= keys((f"{layer}.0", affine), (f"{layer}.1", STATISTICS))
    body |= keys(("fc8.0", affine))
    assert set(build("alexnet_gn").state_dict()) == body
    assert set(build("alexnet_gn_ipcl").state_dict()) == body | keys(("classifier", affine))


def test_group_normalization_leaves_groups_of_channels_with_mean_0_and_variance_1():
    block = build("alexnet_gn").conv_block_1
    with torch.no_grad():
        normalized = block[1](block[0](image(batch=2)))
    groups = normalized.unflatten(1, (32, 3)).flatten(2)
    torch.testing.assert_close(groups.mean(-1), torch.zeros(2, 32), atol=1e-5, rtol=0)
    torch.testing.assert_close(groups.var(-1, correction=0), torch.ones(2, 32), atol=1e-2, rtol=0)


def test_the_embedding_has_length_1_and_no_part_in_the_scores():
    network = networks.alexnet_gn_ipcl(CLASSES).eval()
    stages = {"input": None, "embedding": "l2norm", "final": "classifier"}
    model = Model("ipcl", "vision", nn.Identity(), network, stages)
    embedding, scores = model(image(batch=2), "embedding"), model(image(batch=2), "final")
    assert embedding.shape == (2, 128)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
    network.fc8[0].weight.data.zero_()
    assert torch.equal(model.scores(image(batch=2)), scores)


def test_supervised_and_self_supervised_alexnet_gn_share_all_up_to_fc7():
    supervised, other = networks.alexnet_gn(CLASSES).eval(), networks.alexnet_gn_ipcl(CLASSES).eval()
    weights = supervised.state_dict()
    weights["classifier.weight"], weights["classifier.bias"] = weights.pop("fc8.0.weight"), weights.pop("fc8.0.bias")
    assert not other.load_state_dict(weights, strict=False).unexpected_keys
    torch.testing.assert_close(other(image()), supervised(image()))


# HMAX


def test_hmax_has_the_published_keys_and_shapes():
    expected = {"fc.weight": (CLASSES, 3200), "fc.bias": (CLASSES,)}
    for n, size in enumerate(range(7, 38, 2)):
        expected[f"s1_units.{n}.gabor.weight"] = expected[f"s1_units.{n}.uniform.weight"] = (4, 1, size, size)
    for n, size in enumerate(range(2, 17, 2)):
        expected[f"s2_units.{n}.conv.weight"] = (1600, 1, size, size)
        expected[f"s2_units.{n}.uniform.weight"] = (1, 1, size, size)
        expected[f"s2_units.{n}.patches_sum_sq"] = (400,)
    assert {key: tuple(value.shape) for key, value in build("hmax").state_dict().items()} == expected


@pytest.mark.parametrize("orientation", networks.S1_ORIENTATIONS)
@pytest.mark.parametrize(("size", "tightness"), [(7, 4), (21, 3.65), (37, 3.25)])
def test_s1_filters_have_their_wavelength_and_orientation_and_no_mean(size, tightness, orientation):
    filter_ = networks.s1_filter(size, tightness, orientation)
    assert filter_.mean() == pytest.approx(0, abs=1e-12)
    assert (filter_**2).sum() == pytest.approx(1)
    spectrum = np.abs(np.fft.fft2(filter_, (512, 512)))
    down, right = np.fft.fftfreq(512)[list(np.unravel_index(spectrum.argmax(), spectrum.shape))]
    assert math.hypot(down, right) == pytest.approx(tightness / (2 * size), rel=0.06)  # the circle widens the spectrum
    across = math.degrees(math.atan2(right, down)) - orientation  # at a right angle
    assert math.cos(2 * math.radians(across)) == pytest.approx(-1, abs=0.01)


def test_s1_is_1_for_its_own_filter_and_never_more():
    for unit in (networks.S1(7, 4), networks.S1(37, 3.25)):
        size = unit.gabor.weight.shape[-1]
        own = unit.gabor.weight[2:3]
        response = unit(100 * own)[0]
        assert response[2, size // 2, size // 2].item() == pytest.approx(1, abs=1e-4)
        assert response.max() <= 1 + 1e-4
        noise = unit(torch.randn(1, 1, 80, 80, generator=torch.Generator().manual_seed(0)))
        assert 0 <= noise.min() <= noise.max() < 1


def test_s1_is_the_same_at_any_contrast_and_sees_no_borders():
    unit = networks.S1(11, 3.9)
    grey = 255 * image()[:, :1]
    torch.testing.assert_close(unit(grey), unit(0.1 * grey), rtol=1e-4, atol=1e-5)
    response = unit(grey)
    assert response[..., 5:-5, 5:-5].ne(0).float().mean() > 0.99
    response[..., 5:-5, 5:-5] = 0
    assert not response.any()


def test_black_images_have_no_responses_and_finite_gradients():
    black = torch.zeros(1, 1, SIZE, SIZE, requires_grad=True)
    assert not model_of("hmax")(black, "s1").any()
    model_of("hmax")(black, "c2").sum().backward()
    assert black.grad.isfinite().all()


def test_c1_is_the_maximum_over_scales_and_places():
    unit = networks.C1(8)
    first, second = torch.rand(2, 1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    found = unit([first, second])
    larger = torch.maximum(first, second)
    assert found.shape == (1, 4, 9, 9)
    assert found[0, 1, 2, 3] == larger[0, 1, 4:12, 8:16].max()  # places begin half a size before the image
    assert found[0, 1, 0, 0] == larger[0, 1, :4, :4].max()


def test_c1_stays_when_a_feature_moves_within_its_pool():
    unit = networks.C1(22)
    here, there = torch.zeros(2, 1, 4, 66, 66)
    here[..., 24, 24] = there[..., 30, 27] = 1
    assert torch.equal(unit([here, 0 * here]), unit([0 * there, there]))


def test_s2_is_a_gaussian_of_the_distance_from_each_patch():
    torch.manual_seed(0)
    unit = networks.S2(4, patches=6)
    # (orientation, patch, …) as published, where a convolution's channels are an orientation's patches.
    patches = unit.conv.weight.view(4, 6, 4, 4).transpose(0, 1)
    values = 0.3 * torch.rand(2, 4, 9, 9)
    (found,) = unit([values])
    seen = functional.unfold(values, 4, padding=2).transpose(1, 2)
    expected = torch.exp(-(torch.cdist(seen, patches.flatten(1)[None].expand(2, -1, -1)) ** 2) / 2)
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), expected, rtol=1e-4, atol=1e-5)


def test_c2_is_1_where_a_patch_is_in_the_image_at_any_scale_and_place():
    torch.manual_seed(0)
    unit = networks.S2(4, patches=3)
    patch = unit.conv.weight.view(4, 3, 4, 4)[:, 1]
    large, small = torch.rand(1, 4, 12, 12), torch.rand(1, 4, 7, 7)
    small[0, :, 2:6, 3:7] = patch
    found = networks.C2()(unit([large, small]))
    assert found.shape == (1, 3)
    assert found[0, 1].item() == pytest.approx(1, abs=1e-5)
    assert found[0, [0, 2]].max() < 0.99


@pytest.mark.parametrize("stage", ["s2", "c2"])
def test_every_size_of_patch_has_a_gradient(stage):
    stimulus = grey_image().requires_grad_()
    units = model_of("hmax")(stimulus, stage)[0]
    for of_size in units.split([400 * n for n in s2_places()] if stage == "s2" else 400):
        (gradient,) = torch.autograd.grad(of_size.sum(), stimulus, retain_graph=True)
        assert gradient.abs().max() > 1e-4


def s2_places():
    """Number of places of a patch, all scales together, for each size of patch."""
    return [sum((math.isqrt(n) + 1) ** 2 for n in C1_PLACES)] * 8


def test_units_of_a_stage_are_those_of_its_parts_in_the_published_order():
    network = build("hmax")
    parts = {"c1": [], "s2": []}
    hooks = [
        unit.register_forward_hook(lambda _module, _inputs, output, stage=stage: parts[stage].append(output))
        for stage, units in (("c1", network.c1_units), ("s2", network.s2_units))
        for unit in units
    ]
    with torch.no_grad():
        network(grey_image())
    for hook in hooks:
        hook.remove()
    assert torch.equal(model_of("hmax")(grey_image(), "c1"), torch.cat([part.flatten(1) for part in parts["c1"]], 1))
    expected = [scale.flatten(1) for of_size in parts["s2"] for scale in of_size]
    assert torch.equal(model_of("hmax")(grey_image(), "s2"), torch.cat(expected, 1))
    # The parts that the study's synthesis draws from: 8 scales, 8 sizes of patches, the same 8.
    assert network.c1.part_sizes == [part[0].numel() for part in parts["c1"]]
    assert network.s2.part_sizes == [400 * places for places in s2_places()]
    assert network.c2.part_sizes == [400] * 8


def test_hmax_sees_grey_values_only():
    preprocessing = model_of("hmax").preprocessing
    assert preprocessing.signal_shape == (1, SIZE, SIZE)
    grey = torchvision.transforms.functional.rgb_to_grayscale(image())
    torch.testing.assert_close(preprocessing.fit(image()), grey, rtol=0, atol=1e-3)
    with pytest.raises(ValueError, match=r"3 channels.*HMAX"):
        build("hmax")(image())


def test_hmax_takes_images_of_37_pixels_and_no_less():
    assert build("hmax")(torch.rand(1, 1, 37, 37)).shape == (1, CLASSES)
    with pytest.raises(ValueError, match="37"):
        build("hmax")(torch.rand(1, 1, 36, 50))


# LowpassAlexNet


def test_lowpass_alexnet_has_the_published_keys():
    affine = ["weight", "bias"]
    layers = ["features.0.0", *(f"features.{n}" for n in (3, 6, 8, 10)), *(f"classifier.{n}" for n in (1, 4, 6))]
    windows = [f"{pool}.hann_window2d" for pool in ("features.0.2", "features.2", "features.5", "features.12")]
    state = build("lowpass_alexnet").state_dict()
    assert set(state) == keys(*((layer, affine) for layer in layers)) | set(windows)
    assert [tuple(state[window].shape) for window in windows] == [(1, 1, 15, 15), *[(1, 1, 7, 7)] * 3]


def test_lowpass_alexnet_has_alexnets_shapes_at_full_size():
    with torch.device("meta"):
        lowpass, plain = networks.lowpass_alexnet(), torchvision.models.alexnet()
        values = other = torch.empty(1, 3, 224, 224)
        for ours, theirs in zip(lowpass.features, plain.features, strict=True):
            values, other = ours(values), theirs(other)
            assert values.shape == other.shape


@pytest.mark.parametrize(("size", "stride", "padding"), [(17, 4, 5), (9, 2, 2)])
def test_lowpass_pooling_keeps_the_mean_and_removes_what_would_alias(size, stride, padding):
    pool = networks.HannPool2d(size, stride, padding)
    inside = slice(4, -4)

    def pooled(cycles, phase=0.3):
        grating = torch.cos(2 * torch.pi * cycles * torch.arange(128) + phase)
        return pool(grating.expand(2, 3, 128, 128))[..., inside, inside]

    torch.testing.assert_close(
        pool(torch.full((2, 3, 128, 128), 0.7))[..., inside, inside], 0.7 * torch.ones_like(pooled(0))
    )
    for cycles in (1 / (2 * stride), 1 / stride, 0.5):  # Nyquist frequency and rate of the outputs, and of the inputs
        assert pooled(cycles).abs().max() < 1e-5
    cycles = 1 / (size - 1)  # a Hann window's own frequency, where its gain is 1/2
    gain = torch.hypot(pooled(cycles), pooled(cycles, 0.3 + torch.pi / 2))
    torch.testing.assert_close(gain, torch.full_like(gain, 0.5))


def test_lowpass_pooling_counts_the_padding():
    pool = networks.HannPool2d(9, 2, 2)
    window = np.hanning(9)[1:-1]
    expected = (window[2:].sum() / window.sum()) ** 2  # two rows and two columns of zeros
    assert pool(torch.ones(1, 1, 20, 20))[0, 0, 0, 0].item() == pytest.approx(expected)


# VOneAlexNet


def test_vone_alexnet_has_the_published_keys():
    affine = ["weight", "bias"]
    layers = [*(f"features.{n}" for n in (0, 3, 5, 7)), *(f"classifier.{n}" for n in (1, 4, 6))]
    state = build("vone_alexnet").state_dict()
    assert set(state) == {
        "vone_block.simple_conv_q0.weight", "vone_block.simple_conv_q1.weight", "bottleneck.weight"
    } | keys(*((f"model.{layer}", affine) for layer in layers))  # fmt: skip
    assert state["vone_block.simple_conv_q0.weight"].shape == (512, 3, 25, 25)
    assert state["bottleneck.weight"].shape == (64, 512, 1, 1)


def test_receptive_fields_are_distributed_as_in_monkeys():
    cells = 20_000
    gabors = networks.v1_gabors(cells, pixels_per_degree=28)
    frequency = 28 * gabors["frequency"]
    assert 0.5 <= frequency.min() < 0.55
    assert 5.4 < frequency.max() <= 5.6
    degrees = np.rad2deg(gabors["direction"])
    assert 0 <= degrees.min() < degrees.max() < 180
    around = np.histogram((degrees + 22.5) % 180, np.arange(0, 181, 45))[0] / cells
    np.testing.assert_allclose(around, np.array([66, 49, 77, 54]) / 246, atol=0.015)
    shares = np.histogram(frequency, networks.FREQUENCY_EDGES)[0] / cells
    np.testing.assert_allclose(shares, np.array([4, 4, 8, 25, 32, 26, 28]) / 127, atol=0.015)
    waves = np.stack([gabors["sigma_along"], gabors["sigma_across"]]) * gabors["frequency"]
    joint = np.histogram2d(*waves, [networks.WAVES_EDGES] * 2)[0] / cells
    np.testing.assert_allclose(joint[:4], networks.WAVES_CELLS / networks.WAVES_CELLS.sum(), atol=0.015)
    assert not joint[4].any()
    normal = np.argsort(np.argsort([waves[0], gabors["frequency"]], axis=1), axis=1)
    assert np.corrcoef(normal)[0, 1] == pytest.approx(6 / np.pi * np.arcsin(0.75 / 2), abs=0.03)  # of ranks


def test_filters_are_in_quadrature_each_in_one_channel():
    torch.manual_seed(0)
    gabors = networks.v1_gabors(64, 28)
    even, odd = networks.v1_filters(gabors, 0), networks.v1_filters(gabors, np.pi / 2)
    for filters in (even, odd):
        assert ((filters != 0).flatten(2).any(2).sum(1) == 1).all()
    area = torch.from_numpy(2 * np.pi * gabors["sigma_along"] * gabors["sigma_across"])
    assert even.sum(1)[:, 12, 12].numpy() == pytest.approx((np.cos(gabors["phase"]) / area.numpy()), rel=1e-5)
    assert odd.sum(1)[:, 12, 12].numpy() == pytest.approx((-np.sin(gabors["phase"]) / area.numpy()), rel=1e-5)


def test_complex_cells_do_not_care_for_phase_and_simple_cells_do():
    torch.manual_seed(0)
    block = networks.VOneBlock(SIZE, 28).eval()  # without noise as long as none is drawn
    gabors = networks.v1_gabors(512, 28)
    waves = gabors["sigma_along"] * gabors["frequency"]
    # Of narrow band, and within the filters' 25 pixels.
    fits = (waves > 0.5) & (gabors["sigma_along"] < 5) & (gabors["sigma_across"] < 5)
    simple, complex_ = np.flatnonzero(fits[:256])[0], 256 + np.flatnonzero(fits[256:])[0]
    rows, columns = torch.meshgrid(torch.arange(float(SIZE)), torch.arange(float(SIZE)), indexing="ij")

    def responses(cell):
        along = rows * math.cos(gabors["direction"][cell]) + columns * math.sin(gabors["direction"][cell])
        phases = torch.arange(0, 2 * torch.pi, torch.pi / 4)[:, None, None]
        gratings = torch.cos(2 * torch.pi * gabors["frequency"][cell] * along + phases)
        return block(gratings[:, None].expand(-1, 3, -1, -1))[:, cell, 8, 8]

    assert responses(complex_).std() < 0.05 * responses(complex_).mean()
    assert responses(simple).std() > 0.5 * responses(simple).mean()
    assert responses(simple).min() == 0
    # A grating drives a cell with its amplitude, half of an envelope's integral, times the gain.
    assert responses(simple).max().item() == pytest.approx(25 / 2, rel=0.15)
    assert responses(complex_).mean().item() == pytest.approx(25 / 2 / math.sqrt(2), rel=0.15)


def test_noise_is_fixed_in_evaluation_and_new_in_training():
    torch.manual_seed(0)
    block = networks.VOneBlock(SIZE, 28)
    quiet = block.eval()(image(batch=2))
    block.fix_noise()
    first, again = block(image(batch=2)), block(image(batch=2))
    assert torch.equal(first, again)
    assert not torch.equal(first, quiet)
    assert block.fixed_noise.shape == (1, 512, 16, 16)  # the same for all images
    assert block.fixed_noise.std().item() == pytest.approx(4, rel=0.01)
    torch.testing.assert_close(first, (quiet + block.fixed_noise).relu())
    block.train()
    assert not torch.equal(block(image()), block(image()))


def test_the_noise_is_drawn_in_the_published_order():
    torch.manual_seed(0)
    for _ in range(2):
        torch.randint(0, 3, (512,))
    nn.init.kaiming_normal_(nn.Conv2d(512, 64, 1, bias=False).weight)
    for sizes in ((64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3)):
        nn.Conv2d(*sizes)
    for sizes in ((256 * 7 * 7, 4096), (4096, 4096), (4096, CLASSES)):
        nn.Linear(*sizes)
    expected = torch.distributions.Normal(torch.zeros(1, 512, 16, 16), scale=4).rsample()
    assert torch.equal(build("vone_alexnet").vone_block.fixed_noise, expected)


def test_vone_alexnet_is_for_images_of_one_size():
    with pytest.raises(ValueError, match="`size`"):
        build("vone_alexnet")(torch.rand(1, 3, 68, 68))
    with pytest.raises(ValueError, match=r"size 66: .*4"):
        networks.vone_alexnet(size=66)
    with pytest.raises(ValueError, match="degrees 0: "):
        networks.vone_alexnet(degrees=0)


def test_the_small_network_halves_its_input_in_each_block_and_names_its_modules():
    network = networks.small_cnn(classes=10, channels=(4, 8)).eval()
    shapes = {}
    for name, module in network.named_children():
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: shapes.update({name: tuple(output.shape)})
        )
    assert network(torch.zeros(2, 3, 28, 28)).shape == (2, 10)
    assert (shapes["relu0"], shapes["relu1"], shapes["avgpool"]) == ((2, 4, 28, 28), (2, 8, 14, 14), (2, 8, 2, 2))
    assert (shapes["relufc"], shapes["classification"]) == ((2, 16), (2, 10))
