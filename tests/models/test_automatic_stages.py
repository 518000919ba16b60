"""Automatic stages of many architectures are in processing order, differentiable, and all different."""

import itertools

import pytest
import torch
from torch import nn

from metamers.model_card.card import order_problem, places
from metamers.models.automatic_stages import automatic_stages, scores_of_output
from metamers.models.build import build_network
from metamers.models.model import Model
from metamers.models.preprocessing import ImagePreprocessing, SoundPreprocessing
from metamers.names import FILE_NAME, INPUT_STAGE
from tests.networks import tiny

# Library, name, size of the image, arguments of the builder, and whether the features after pooling are a stage.
FAST = [
    ("torchvision", "resnet18", 64, {}, True),
    ("torchvision", "squeezenet1_1", 64, {}, False),
    ("timm", "convnext_atto", 64, {}, True),
    ("timm", "vit_tiny_patch16_224", 64, {"img_size": 64}, True),
    ("timm", "tf_efficientnet_lite0", 64, {}, True),
]
SLOW = [
    ("torchvision", "alexnet", 224, {}, False),
    ("torchvision", "vgg11", 224, {}, False),
    ("torchvision", "densenet121", 64, {}, True),
    ("torchvision", "googlenet", 96, {"init_weights": False}, True),
    ("torchvision", "inception_v3", 299, {"init_weights": False}, True),
    ("torchvision", "shufflenet_v2_x0_5", 64, {}, True),
    ("torchvision", "mobilenet_v2", 64, {}, True),
    ("torchvision", "mobilenet_v3_small", 64, {}, True),
    ("torchvision", "mnasnet0_5", 64, {}, True),
    ("torchvision", "efficientnet_b0", 64, {}, True),
    ("torchvision", "regnet_y_400mf", 64, {}, True),
    ("torchvision", "vit_b_32", 64, {"image_size": 64}, True),
    ("torchvision", "swin_t", 64, {}, True),
    ("torchvision", "convnext_tiny", 64, {}, True),
    ("torchvision", "maxvit_t", 224, {}, True),
    ("timm", "deit_tiny_distilled_patch16_224", 64, {"img_size": 64}, False),
    ("timm", "beit_base_patch16_224", 64, {"img_size": 64}, True),
    ("timm", "mixer_s32_224", 224, {}, True),
    ("timm", "resmlp_12_224", 224, {}, True),
    ("timm", "gmlp_ti16_224", 224, {}, True),
    ("timm", "poolformer_s12", 64, {}, True),
    ("timm", "xception41", 96, {}, True),
    ("timm", "dla34", 64, {}, True),
    ("timm", "hrnet_w18_small", 64, {}, True),
    ("timm", "repvgg_a0", 64, {}, True),
    ("timm", "ghostnet_050", 64, {}, True),
    ("timm", "levit_128s", 224, {}, True),
    ("timm", "cait_xxs24_224", 64, {"img_size": 64}, True),
    ("timm", "xcit_nano_12_p16_224", 64, {}, True),
    ("timm", "pvt_v2_b0", 64, {}, True),
    ("timm", "crossvit_tiny_240", 240, {}, False),
    ("timm", "pit_ti_224", 224, {}, True),
    ("timm", "maxvit_nano_rw_256", 256, {}, True),
    ("timm", "edgenext_xx_small", 64, {}, True),
    ("timm", "mobilevit_xxs", 64, {}, True),
    ("timm", "efficientformer_l1", 224, {}, True),
    ("timm", "fastvit_t8", 64, {}, True),
    ("timm", "focalnet_tiny_srf", 64, {}, True),
    ("timm", "res2net50_26w_4s", 64, {}, True),
    ("timm", "vovnet39a", 64, {}, True),
    ("timm", "mambaout_femto", 64, {}, True),
    ("timm", "dm_nfnet_f0", 64, {}, True),
    ("open_clip", "RN50", 224, {}, True),
    ("open_clip", "ViT-B-32", 224, {}, True),
]


def network_of(library, name, arguments):
    """A network with random weights, none of them zero: many begin with blocks or heads that are zero until trained."""
    entry = {"source": {library: name, "arguments": arguments}, "weights": {"random": 0}}
    network = build_network(name, entry, 0)
    generator = torch.Generator().manual_seed(0)
    for weights in network.parameters():
        weights.data += 0.02 * torch.randn(weights.shape, generator=generator)
    return network


def images_of(size):
    return ImagePreprocessing(size, [0.5] * 3, [0.5] * 3)


@pytest.mark.parametrize(
    ("library", "name", "size", "arguments", "has_pooled"),
    [*FAST, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_stages_of_an_architecture(library, name, size, arguments, has_pooled):
    network, preprocessing = network_of(library, name, arguments), images_of(size)
    stages = automatic_stages(name, network, preprocessing, 8)
    assert scores_of_output(name, network, preprocessing) == {"number": 1000, "of_classes": True}
    assert 6 <= len(stages) <= 8
    assert [*stages][:: len(stages) - 1] == [INPUT_STAGE, "logits"]
    assert ("pooled" in stages) == has_pooled
    assert all(FILE_NAME.fullmatch(stage) for stage in stages)

    model = Model(name, "vision", preprocessing, network, stages)
    stimuli = torch.rand(2, *preprocessing.signal_shape, generator=torch.Generator().manual_seed(1))
    place = places(model, stimuli)
    assert min(place.values()) >= 0
    assert order_problem(place) is None
    stimuli.requires_grad_()
    with model.all_stages() as found:
        scores = model.scores(stimuli)
    assert list(found) == [*stages][1:]
    torch.testing.assert_close(found["logits"].flatten(), scores.flatten())
    for stage, activations in found.items():
        assert len(activations) == len(stimuli), stage
        (gradient,) = torch.autograd.grad(activations.square().sum(), stimuli, retain_graph=True)
        assert gradient.isfinite().all(), stage
        assert gradient.flatten(1).any(dim=1).all(), stage
    for (first, a), (second, b) in itertools.combinations(found.items(), 2):
        assert a.numel() != b.numel() or not torch.equal(a.flatten(), b.flatten()), (first, second)


def test_a_stage_has_all_that_the_scores_depend_on():
    """Replacing the stage's activations replaces the scores, whatever the stimulus is."""
    network, preprocessing = network_of("torchvision", "resnet18", {}), images_of(64)
    model = Model("resnet18", "vision", preprocessing, network, automatic_stages("r", network, preprocessing, 8))
    one, other = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    wanted = model.scores(one)
    assert not torch.allclose(model.scores(other), wanted)
    for stage, entry in list(model.stages.items())[1:]:
        activations = model(one, stage).clone()
        hook = model.module_at(entry["module"], stage).register_forward_hook(lambda *_, given=activations: given)
        torch.testing.assert_close(model.scores(other), wanted)
        hook.remove()


def test_stages_have_the_names_of_their_blocks():
    network = network_of("torchvision", "resnet18", {})
    assert automatic_stages("resnet18", network, images_of(64), 8) == {
        **{"input": None, "maxpool": "maxpool", "layer1.1": "layer1.1", "layer2.1": "layer2.1"},
        **{"layer3.1": "layer3.1", "layer4.1": "layer4.1", "pooled": "avgpool", "logits": "fc"},
    }


@pytest.mark.parametrize("number", [3, 5, 12])
def test_as_many_stages_as_wanted_evenly_spread(number):
    network = network_of("timm", "vit_tiny_patch16_224", {"img_size": 32})
    stages = automatic_stages("vit", network, images_of(32), number)
    assert len(stages) == number
    blocks = [int(stage.split(".")[1]) for stage in stages if stage.startswith("blocks.")]
    assert len({b - a for a, b in itertools.pairwise(blocks)} - {1, 2}) == 0 or number < 12
    assert number == 3 or blocks[-1] == 11


def test_features_without_a_module_are_the_input_of_the_next_module():
    network = network_of("torchvision", "shufflenet_v2_x0_5", {})  # the mean over positions is a function
    stages = automatic_stages("shufflenet", network, images_of(64), 8)
    assert stages["pooled"] == {"module": "fc", "input": 0}
    model = Model("shufflenet", "vision", images_of(64), network, stages)
    stimuli = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model(stimuli, "pooled"), model(stimuli, "conv5").mean((2, 3)))


def test_a_part_of_a_tuple_is_a_stage():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolve = nn.Conv2d(3, 6, 3)

        def forward(self, images):
            return "size", self.convolve(images).relu()

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair, self.classify = Pair(), nn.Linear(6, 4)

        def forward(self, images):
            return self.classify(self.pair(images)[1].mean((2, 3)))

    stages = automatic_stages("pairs", Network(), images_of(16), 8)
    assert stages == {
        "input": None,
        "pair-out1": {"module": "pair", "output": 1},
        "pooled": {"module": "classify", "input": 0},
        "logits": "classify",
    }


def test_a_sound_s_cochleagram_is_a_stage():
    preprocessing = SoundPreprocessing(4000, 0.5, {"high_hz": 1900, "filters": 4, "sample_factor": 1, "taps": 101})
    frequencies = preprocessing(preprocessing.example()).shape[-2]
    network = tiny.hearing(frequencies=frequencies)
    stages = automatic_stages("hearing", network, preprocessing, 8)
    assert list(stages) == ["input", "cochleagram", "norm", "pooled", "logits"]
    assert stages["cochleagram"] == "preprocessing"
    assert "cochleagram" in Model("hearing", "audio", preprocessing, network, stages).stages


@pytest.mark.parametrize("flat", [torch.round, torch.floor, torch.sign, torch.trunc])
def test_a_derivative_of_zero_is_no_gradient(flat):
    class Flat(nn.Module):
        def forward(self, values):
            return flat(values)

    network = nn.Sequential(nn.Conv2d(3, 4, 3), Flat(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    with pytest.raises(ValueError, match=r"models: flat\.stages: auto: "):
        automatic_stages("flat", network, images_of(16), 8)


def test_a_branch_without_gradient_does_not_end_the_stages_of_the_others():
    class Straight(nn.Module):
        """Rounded values with the gradient of the identity."""

        def forward(self, values):
            return values + (torch.round(values) - values.detach())

    network = nn.Sequential(nn.Conv2d(3, 4, 3), Straight(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    assert list(automatic_stages("straight", network, images_of(16), 8)) == ["input", "1", "pooled", "logits"]


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18", "convnext_atto", "mixer_s32_224"])
def test_a_network_of_timm_without_classes_ends_with_its_features(name):
    arguments = {"num_classes": 0} | ({} if name == "mixer_s32_224" else {"img_size": 64} if "vit" in name else {})
    network, preprocessing = network_of("timm", name, arguments), images_of(224 if name == "mixer_s32_224" else 64)
    assert not scores_of_output(name, network, preprocessing)["of_classes"]
    stages = automatic_stages(name, network, preprocessing, 8, classes=False)
    assert 6 <= len(stages) <= 8
    assert [*stages][-1] == "output"
    assert not {"pooled", "logits"} & stages.keys()
    model = Model(name, "vision", preprocessing, network, stages, classes=False)
    stimulus = torch.rand(1, *preprocessing.signal_shape)
    torch.testing.assert_close(model(stimulus, "output"), model.run(stimulus))
    assert order_problem(places(model, stimulus)) is None


class Several(nn.Module):
    """An output of several tensors, of which a part has scores, as networks of transformers give it."""

    def __init__(self):
        super().__init__()
        self.embed, self.encode, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 8, 3), nn.Linear(8, 5)

    def forward(self, images):
        first = self.embed(images)
        last = self.encode(first.relu())
        return {"logits": self.head(last.mean((2, 3))), "hidden": (first, last)}


@pytest.mark.parametrize(
    ("classes", "part", "last", "number"),
    [
        (True, "logits", {"logits": "head"}, 5),
        (False, None, {"output": "head"}, None),
        (False, ["hidden", 1], {"output": "encode"}, None),
    ],
)
def test_the_output_that_is_chosen_is_where_the_stages_end(classes, part, last, number):
    network, preprocessing = Several(), images_of(16)
    stages = automatic_stages("several", network, preprocessing, 8, classes, part)
    assert dict([[*stages.items()][-1]]) == last
    assert "embed" in stages
    assert scores_of_output("several", network, preprocessing, part)["number"] == number
    model = Model("several", "vision", preprocessing, network, stages, classes=classes, output=part)
    stimulus = torch.rand(1, 3, 16, 16)
    assert model(stimulus, "embed").shape == (1, 6, 14, 14)
    if classes:
        assert model.scores(stimulus).shape == (1, 5)
    else:
        with pytest.raises(ValueError, match=r"\bseveral\b.*`classes: false`"):
            model.scores(stimulus)


@pytest.mark.parametrize("norm_first", [True, False])
def test_nothing_inside_repeated_blocks_is_a_stage(norm_first):
    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(3, 16, 4, 4)
            layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=norm_first)
            self.layers = nn.TransformerEncoder(layer, 4)
            self.classify = nn.Linear(16, 10)

        def forward(self, images):
            return self.classify(self.layers(self.embed(images).flatten(2).mT).mean(1))

    stages = automatic_stages("transformer", Transformer(), images_of(16), 8)
    blocks = [f"layers.layers.{number}" for number in range(4)]
    assert list(stages) == ["input", "embed", *blocks, "pooled", "logits"]


@pytest.mark.parametrize(
    ("end", "of_classes"),
    [
        (nn.Linear(6, 5), True),
        (nn.Sequential(nn.Linear(6, 5), nn.Softmax(1)), True),
        (nn.Sequential(nn.Linear(6, 20), nn.Unflatten(1, (5, 4)), nn.AdaptiveAvgPool1d(1), nn.Flatten()), True),
        (nn.Identity(), False),
        (nn.Sequential(nn.Linear(6, 5), nn.LayerNorm(5)), False),
        (nn.Sequential(nn.Linear(6, 5), nn.ReLU()), False),
    ],
)
def test_class_scores_are_those_of_a_layer(end, of_classes):
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), end)
    assert scores_of_output("net", network, images_of(16))["of_classes"] == of_classes
    network.num_classes = 5  # what a network states is believed
    stated = scores_of_output("net", network, images_of(16))
    assert stated["of_classes"] == (of_classes or stated["number"] == 5)
    network.num_classes = 0
    assert not scores_of_output("net", network, images_of(16))["of_classes"]


class Detector(nn.Module):
    """A list with boxes for each image of the batch, of which there may be any number."""

    def __init__(self):
        super().__init__()
        self.body, self.boxes = nn.Conv2d(3, 6, 3, 2), nn.Linear(6, 4)

    def forward(self, images):
        features = self.body(images).relu()
        return [{"boxes": self.boxes(one.flatten(1).mT), "number": 7} for one in features]


class ForBatch(nn.Module):
    """One value for the whole batch, and none for its stimuli."""

    def forward(self, images):
        return images.mean((1, 2, 3))[:1]


def test_results_of_the_batch_and_not_of_each_stimulus_are_no_stages():
    stages = automatic_stages("detector", Detector(), images_of(16), 8, classes=False)
    assert stages == {"input": None, "body": "body"}
    network = nn.Sequential(nn.Conv2d(3, 6, 3), ForBatch())
    assert list(automatic_stages("batch", network, images_of(16), 8, classes=False)) == ["input", "0"]


class First(nn.Module):
    def forward(self, values):
        return values[:1].flatten(1)


class Nothing(nn.Module):
    def forward(self, _values):
        return None


@pytest.mark.parametrize(
    ("network", "classes", "message"),
    [
        (tiny.linear(), True, r"\(2, 3, 16, 16"),
        (Several(), True, r"dict.*logits, \[hidden, 0\]"),
        (nn.Sequential(nn.Conv2d(3, 6, 16), First()), True, r"\(1, 6\) .*\b2 stimuli"),
        (nn.Sequential(nn.Conv2d(3, 6, 3), Nothing()), False, "NoneType"),
    ],
)
def test_a_network_that_does_not_give_what_it_should_is_named_with_what_it_gives(network, classes, message):
    with pytest.raises(ValueError, match=rf"\bmine: .*{message}"):
        automatic_stages("mine", network, images_of(16), 8, classes)


class ReturnsEarlierFeatures(nn.Module):
    """Gives its last result, and with it the features from which that is computed, as wav2vec 2.0 does."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 4, 3)
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))

    def forward(self, images):
        hidden = features = self.features(images)
        for layer in self.layers:
            hidden = layer(hidden).relu()
        return {"last": hidden.mean((2, 3)), "features": features, "pooled": hidden.amax((2, 3))}


def test_a_result_from_which_the_last_one_is_computed_is_no_end():
    preprocessing = ImagePreprocessing(16, [0, 0, 0], [1, 1, 1])
    stages = automatic_stages("net", ReturnsEarlierFeatures(), preprocessing, 8, classes=False)
    assert [*stages] == ["input", "features", "layers.0", "layers.1", "layers.2", "output"]
