"""What is called "as published" agrees with numbers that the study's own code gave.

The files are made from the study's code, run beside this project; the attribute ``how`` of each says how. They lie in
``../shared/data`` beside the repository, or in the folder named by METAMERS_DATA.
"""

from collections import OrderedDict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from metamers.modalities import MODALITIES
from metamers.models import networks
from metamers.models.cochleagram import Cochleagram, FullRateCochleagram, compress, rough_cochleagrams
from metamers.models.model import Model
from metamers.models.preprocessing import ImagePreprocessing, SoundPreprocessing
from metamers.synthesize import schedules
from metamers.synthesize.losses import Goal, make_loss
from metamers.synthesize.metamers import check_stage, synthesize
from metamers.synthesize.optimize import as_leaf, gradient_steps
from metamers.synthesize.procedures import Published
from metamers.synthesize.schedules import draw_parts, units_by_step
from tests.needs import study_numbers

ROOT = Path(__file__).resolve().parents[2]


def relative(found, wanted) -> float:
    found, wanted = (np.asarray(values, dtype=np.float64) for values in (found, wanted))
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


def with_weights(network: nn.Module, seed: int) -> nn.Module:
    """A network in float64 with the weights that the files' ``how`` describes."""
    state = network.state_dict()
    normalizations = {key.rsplit(".", 1)[0] for key in state if key.endswith(".running_mean")}
    filled = {}
    for index, key in enumerate(sorted(state)):
        generator, shape = np.random.default_rng([seed, index]), tuple(state[key].shape)
        module, name = key.rsplit(".", 1)
        if name == "num_batches_tracked":
            values = np.zeros(shape)
        elif module in normalizations:
            values = {
                "weight": lambda: 0.5 + generator.random(shape),  # noqa: B023
                "bias": lambda: 0.2 * generator.standard_normal(shape),  # noqa: B023
                "running_mean": lambda: 0.3 * generator.standard_normal(shape),  # noqa: B023
                "running_var": lambda: 0.5 + generator.random(shape),  # noqa: B023
            }[name]()
        elif len(shape) > 1:
            values = generator.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        else:
            values = 0.01 * generator.standard_normal(shape)
        filled[key] = torch.from_numpy(np.asarray(values))
    network.double().load_state_dict(filled, assign=True)
    return network


@cache
def seeing(name: str) -> Model:
    data = study_numbers("published_synthesis_vision")
    builder = getattr(torchvision.models, name)
    with torch.device("meta"):  # all its values are those of the files
        network = builder(num_classes=1000)
    with_weights(network, data.attrs["weights_seed"])
    size = data.sizes[f"{name}_row"]
    preprocessing = ImagePreprocessing(size, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]).double()
    stages = {
        "alexnet": {
            "relu2": {"module": "features.7", "pass_through_relu": "features.7"},
            "fc0_relu": {"module": "classifier.2", "pass_through_relu": "classifier.2"},
        },
        "resnet18": {"layer2": {"module": "layer2", "pass_through_relu": "layer2.1.relu"}, "avgpool": "avgpool"},
    }[name]
    return Model(name, "vision", preprocessing, network, {"input": None, **stages})


@cache
def hearing() -> Model:
    seed = study_numbers("published_synthesis_audio").attrs["weights_seed"]
    network = with_weights(networks.NETWORKS["coch_cnn9"](794), seed)
    preprocessing = SoundPreprocessing(20_000, 2, {"rate": "full"}).double()
    stages = {"cochleagram": "preprocessing", "relu1": {"module": "relu1", "pass_through_relu": "relu1"}}
    return Model("cochcnn9", "audio", preprocessing, network, {"input": None, **stages})


def course(model: Model, stage: str, natural: np.ndarray, start: np.ndarray, probe: np.ndarray, steps: int, taken: int):
    """Loss before each of the first ``taken`` steps of ``published``, and probed values after each."""
    given = torch.from_numpy(np.asarray(natural, dtype=np.float64))[None]
    goal = Goal(model, stage, check_stage(model, stage, given))
    metamers = as_leaf(torch.from_numpy(np.asarray(start, dtype=np.float64))[None])
    procedure = Published(metamers, steps=steps, step_size=1.0, halvings=1)
    limits = MODALITIES[model.modality].limits
    losses, values = [], []
    for loss in gradient_steps(make_loss(goal), metamers, procedure, limits, procedure.objective):
        if losses:  # the values after the step before this loss
            values.append(metamers.detach().contiguous().numpy().ravel()[probe])
        losses.append(loss.item())
        if len(losses) > taken:
            break
    if len(values) < taken:  # the last step of all
        values.append(metamers.detach().contiguous().numpy().ravel()[probe])
    return np.array(losses[:taken]), np.array(values[:taken])


@pytest.mark.parametrize(
    ("name", "stage", "start"),
    [
        ("alexnet", "relu2", "alexnet_start"),
        ("alexnet", "fc0_relu", "alexnet_start"),
        ("resnet18", "layer2", "resnet18_start"),
        ("resnet18", "avgpool", "resnet18_start"),
        ("resnet18", "layer2_wide", "resnet18_wide_start"),
    ],
)
def test_published_synthesis_of_images_follows_the_study_s_code(name, stage, start):
    data, case, model = study_numbers("published_synthesis_vision"), f"{name}_{stage}", seeing(name)
    natural = data[f"{name}_natural"].values
    with torch.no_grad():
        scores = model.scores(torch.from_numpy(natural.astype(np.float64))[None])[0]
    np.testing.assert_allclose(scores, data[f"{name}_natural_scores"], rtol=1e-9, atol=1e-9)
    probe = data[f"{name}_probe_index"].values
    stage = stage.removesuffix("_wide")
    loss, values = course(model, stage, natural, data[start].values, probe, steps=20, taken=20)
    np.testing.assert_allclose(loss, data[f"{case}_loss"][:20], rtol=1e-8)
    np.testing.assert_allclose(values, data[f"{case}_course"][:20], atol=1e-7)


def test_a_gradient_is_divided_by_its_length_and_the_study_s_guard():
    """Without the guard of 1e-10, losses differ by up to 2e-9 and pixels by 6e-9."""
    data, model = study_numbers("published_synthesis_vision"), seeing("resnet18")
    natural, start, probe = (data[f"resnet18_{name}"].values for name in ("natural", "start", "probe_index"))
    loss, values = course(model, "layer2", natural, start, probe, steps=20, taken=20)
    np.testing.assert_allclose(loss, data["resnet18_layer2_loss"][:20], rtol=1e-10)
    np.testing.assert_allclose(values, data["resnet18_layer2_course"][:20], atol=1e-10)


def test_the_public_function_takes_these_steps_too():
    data, model = study_numbers("published_synthesis_vision"), seeing("resnet18")
    natural, start = (
        torch.from_numpy(data[f"resnet18_{name}"].values.astype(np.float64))[None] for name in ("natural", "start")
    )
    settings = {"steps": 20, "step_size": 1.0, "halvings": 1}
    metamers, loss = synthesize(model, "avgpool", natural, start, "published", settings)
    np.testing.assert_allclose(loss[0], data["resnet18_avgpool_loss"], rtol=1e-8)
    np.testing.assert_allclose(metamers[0], data["resnet18_avgpool_stimulus"], atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["cochleagram_1e5", "relu1_1e5", "cochleagram_clamped"])
def test_published_synthesis_of_sounds_follows_the_study_s_code(case):
    data = study_numbers("published_synthesis_audio")
    clamped = case == "cochleagram_clamped"
    natural = data["natural_peaky" if clamped else "natural"].values
    if clamped:
        assert np.abs(natural).max() > 1  # so that the clamp of the natural sound matters
    start = float(data[f"{case}_start_scale"]) * data["noise"].values.astype(np.float64)
    probe, steps = data["probe_index"].values, 5 if clamped else 15
    loss, values = course(hearing(), case.split("_")[0], natural, start, probe, steps, taken=10)
    np.testing.assert_allclose(loss, data[f"{case}_loss"][: len(loss)], rtol=1e-7)
    wanted = data[f"{case}_course"].values[: len(values)]
    moved = np.linalg.norm(wanted - start[probe], axis=1)
    assert (np.linalg.norm(values - wanted, axis=1) / moved).max() < 1e-6


def test_the_auditory_network_is_the_one_whose_numbers_these_are():
    data = study_numbers("published_synthesis_audio")
    with torch.no_grad():
        scores = hearing().scores(torch.from_numpy(data["natural"].values.astype(np.float64))[None])[0]
    np.testing.assert_allclose(scores, data["natural_scores"], rtol=1e-5, atol=1e-5)


def test_a_start_of_1e_7_gives_the_study_s_first_step_and_no_more():
    """From there rounding decides: after five steps two programs have parted (the files' README)."""
    data = study_numbers("published_synthesis_audio")
    start = float(data["cochleagram_quiet_start_scale"]) * data["noise"].values.astype(np.float64)
    probe = data["probe_index"].values
    loss, values = course(hearing(), "cochleagram", data["natural"].values, start, probe, 15, taken=1)
    np.testing.assert_allclose(loss[0], data["cochleagram_quiet_loss"][0], rtol=1e-9)
    wanted = data["cochleagram_quiet_course"].values[0]
    assert np.linalg.norm(values[0] - wanted) < 1e-6 * np.linalg.norm(wanted - start[probe])


def cochleagram_and_gradient(front_end: nn.Module, sound: np.ndarray, dtype: torch.dtype):
    heard = torch.from_numpy(sound).to(dtype)[None].requires_grad_()
    found = front_end.to(dtype)(heard)
    (found[0] * torch.from_numpy(study_numbers("cochleagram_gradient")["cotangent"].values)).sum().backward()
    return found[0].detach(), heard.grad[0]


@pytest.mark.parametrize("sound", ["speech", "quiet"])
@pytest.mark.parametrize(
    ("dtype", "limit"),
    [(torch.float64, 1e-5), (torch.float32, 2e-5)],  # the study's code in float32: 1e-5 as well
)
def test_the_full_rate_front_end_is_the_study_s_in_output_and_gradient(sound, dtype, limit):
    data = study_numbers("cochleagram_gradient")
    found, gradient = cochleagram_and_gradient(FullRateCochleagram(40_000, 20_000), data[sound].values, dtype)
    assert relative(found, data[f"{sound}_cochleagram"]) < 1e-5
    assert relative(gradient, data[f"{sound}_gradient"]) < limit


def test_the_gradient_of_the_loss_from_noise_to_speech_is_the_study_s():
    data = study_numbers("cochleagram_gradient")
    front_end = FullRateCochleagram(40_000, 20_000).double()
    speech, quiet = (torch.from_numpy(data[name].values).double()[None] for name in ("speech", "quiet"))
    quiet.requires_grad_()
    target = front_end(speech)
    loss = torch.linalg.vector_norm(front_end(quiet) - target) / torch.linalg.vector_norm(target)
    loss.backward()
    assert loss.item() == pytest.approx(float(data["loss"]), rel=1e-5)
    assert relative(quiet.grad[0], data["loss_gradient"]) < 1e-5


@pytest.mark.parametrize(("sound", "limit"), [("speech", 1e-2), ("quiet", 2.5e-2)])
def test_the_band_rate_front_end_is_near_the_study_s_in_output_and_gradient(sound, limit):
    """On speech the gradient differs by 0.8%, on noise of standard deviation 1e-7 by 1.8%."""
    data = study_numbers("cochleagram_gradient")
    found, gradient = cochleagram_and_gradient(Cochleagram(40_000, 20_000), data[sound].values, torch.float32)
    assert relative(found, data[f"{sound}_cochleagram"]) < 1e-4
    assert relative(gradient, data[f"{sound}_gradient"]) < limit


@pytest.mark.parametrize(("sound", "limit"), [("speech", 4e-2), ("quiet", 5e-2)])
def test_a_rough_front_end_is_near_the_study_s_in_output_and_gradient(sound, limit):
    """On speech the gradient differs by 3.1%, on noise of standard deviation 1e-7 by 4.1%."""
    data, front_end = study_numbers("cochleagram_gradient"), Cochleagram(40_000, 20_000)
    with rough_cochleagrams(front_end):
        found, gradient = cochleagram_and_gradient(front_end, data[sound].values, torch.float32)
    assert 1e-5 < relative(found, data[f"{sound}_cochleagram"]) < 5e-4
    assert relative(gradient, data[f"{sound}_gradient"]) < limit


def test_the_compression_and_its_derivative_are_the_study_s_to_the_bit():
    data = study_numbers("cochleagram_gradient")
    envelopes = torch.from_numpy(data["compression_input"].values).requires_grad_()
    compressed = compress(envelopes, power=0.3, offset=1e-8, gradient_clip=5)
    compressed.sum().backward()
    np.testing.assert_array_equal(compressed.detach(), data["compression_output"])
    np.testing.assert_array_equal(envelopes.grad, data["compression_derivative"])


def test_the_spectrotemporal_filters_take_part_in_the_study_s_steps():
    data = study_numbers("spectemp_schedule")
    network = networks.NETWORKS["spectemp"](2)
    np.testing.assert_allclose(network.filters.temporal_rate_hz, data["temporal_rate"])
    np.testing.assert_allclose(network.filters.spectral_scale, data["spectral_scale"])
    stages = {"power": {"module": "power", "schedule": {"coarse_to_fine": {"every": 400}}}, "average": "average"}
    model = Model("spectemp", "audio", SoundPreprocessing(20_000, 2), network, {"input": None, **stages})
    steps, passes = data.attrs["iterations"], data.attrs["passes"]
    units = units_by_step(model, "power", torch.zeros(1, 111, 1, 1), steps, passes, seed=0)
    agree = 0
    for first, end, wanted in zip(
        data["first_step"].values, data["end_step"].values, data["takes_part"].values, strict=True
    ):
        for taken in range(first, end):
            found = units(taken)
            found = np.ones(111, bool) if found is None else found.numpy()
            agree += bool((found == wanted.astype(bool)).all())
    assert agree == steps * passes
    assert units_by_step(model, "average", torch.zeros(1, 111, 1), steps, passes, seed=0)(0) is None


class Stage(nn.Module):
    """Gives prepared activations of one call after another."""

    def __init__(self, parts: list[int] | None):
        super().__init__()
        if parts is not None:
            self.part_sizes = parts


@pytest.mark.parametrize("stage", ["s1", "c2", "flat", "grey", "list"])
def test_hmax_s_loss_is_the_study_s_unit_by_unit(stage, monkeypatch):
    data = study_numbers("hmax_loss")
    step, every = int(data.attrs["all_units_count"]), int(data.attrs["optimization_step"])
    passes, steps = int(data.attrs["passes"]), int(data.attrs["steps_per_pass"])
    target = torch.from_numpy(data[f"{stage}_target"].values.astype(np.float64))
    difference = torch.from_numpy(data[f"{stage}_difference"].values.astype(np.float64))
    if stage == "list":  # ours gives the elements of the list one after the other, as one row
        target, difference = target[None], difference[None]
        module = Stage(data["list_size"].values.tolist())
    else:
        module = Stage(None)
    network = nn.Sequential(OrderedDict(stage=module))
    # Two dimensions that are not a list: the study always matches all units, and the stage has no schedule.
    schedule = None if stage == "flat" else {"random_unit": {"steps": step, "every": every}}
    model = Model(
        "hmax", "vision", nn.Identity(), network, {"input": None, "stage": {"module": "stage", "schedule": schedule}}
    )
    taking = data["is_step"].values.astype(bool)
    drawn = data[f"{stage}_drawn"].values[taking].reshape(passes, steps)[:, :step:every]
    monkeypatch.setattr(schedules, "draw_parts", lambda *_, **__: drawn)
    units = units_by_step(model, "stage", target, steps, passes, seed=0)
    goal = Goal(None, stage, target)
    loss = make_loss(goal, units=units, forward=lambda metamers, _stage: metamers)
    found, calls = [], np.flatnonzero(data["is_step"].values)
    for taken, call in enumerate(calls):
        given = target + 0.5 * (1 - call / 2000) * difference
        found.append(loss(given, taken).item())
    np.testing.assert_allclose(found, data[f"{stage}_loss"].values[calls], rtol=1e-12)


def test_hmax_draws_depend_on_the_run_and_the_stage_and_reach_every_part():
    drawn = draw_parts(8, passes=8, steps=400, every=50, name="hmax/c1", seed=0)
    assert drawn.shape == (8, 8)
    assert set(drawn.ravel()) == set(range(8))
    np.testing.assert_array_equal(drawn, draw_parts(8, 8, 400, 50, "hmax/c1", 0))
    for name, seed in (("hmax/c1", 1), ("hmax/s2", 0)):
        assert (drawn != draw_parts(8, 8, 400, 50, name, seed)).any()


def test_hmax_in_values_0_to_1_takes_the_study_s_steps_of_255_grey_levels():
    """One grey channel, start 127.5 + 10 z, step 255: the same image as start 0.5 + 10/255 z, step 1, times 255."""
    network = networks.NETWORKS["hmax"](3).double()
    model = Model("hmax", "vision", ImagePreprocessing(40, [0], [1]).double(), network, {"input": None, "c1": "c1"})
    generator = torch.Generator().manual_seed(0)
    natural = torch.rand(1, 1, 40, 40, generator=generator, dtype=torch.float64)
    noise = torch.randn(1, 1, 40, 40, generator=generator, dtype=torch.float64)
    settings = {"steps": 4, "step_size": 1.0, "halvings": 1}
    found, _ = synthesize(model, "c1", natural, 0.5 + 10 / 255 * noise, "published", settings)

    grey, target = 127.5 + 10 * noise, model(natural, "c1")
    for step in range(8):
        grey.requires_grad_()
        error = torch.linalg.vector_norm(model(grey / 255, "c1") - target) / torch.linalg.vector_norm(target)
        (gradient,) = torch.autograd.grad(error, grey)
        size = 255 / 2 ** (step // 4)
        grey = (grey - size * gradient / (gradient.norm() + 1e-10)).clamp(0, 255).detach()
    assert (grey - (127.5 + 10 * noise)).abs().max() > 10  # it has moved
    # Not equal to the bit, as the guard of 1e-10 is added to gradients in other units.
    torch.testing.assert_close(255 * found, grey, rtol=0, atol=1e-3)
