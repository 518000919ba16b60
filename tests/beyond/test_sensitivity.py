"""Eigendistortions and principal distortions, where algebra says what they are."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch.autograd import gradcheck

from metamers.beyond.agreement import agreements
from metamers.beyond.sensitivity import (
    FLOOR,
    Jacobian,
    distortions_of_stimulus,
    eigendistortions,
    exported,
    log_ratios,
    principal_distortions,
)
from metamers.beyond.synthesize import fit_to
from metamers.models import cochleagram
from tests.models.test_model import load, tiny

RNG = np.random.default_rng
SIZE = 3  # images of 27 values


def linear(root, seed, features=40):
    stages = {"input": None, "project": "project", "logits": "classify"}
    entry = tiny(
        root, "linear", stages, weights={"random": seed}, input={"size": SIZE, "mean": [0.5] * 3, "std": [0.5] * 3}
    )
    entry["source"] = entry["source"] | {"arguments": {"size": SIZE, "features": features}}
    return load(entry)


def stimulus_of(model, seed=0):
    return torch.rand(model.preprocessing.signal_shape, generator=torch.Generator().manual_seed(seed))


def jacobian_of(model, stage="project"):
    return Jacobian(model, stage, stimulus_of(model))


def matrix_of(model):
    """The Jacobian of ``project``: the network's matrix, divided by the standard deviation of its input."""
    return model.network.project.weight.double().numpy() / 0.5


def dense(jacobian):
    """The Jacobian, (unit, value), from PyTorch's own function."""

    def flat(values):
        return jacobian.model(jacobian.fit(values[None]), jacobian.stage, pass_through=False).flatten()

    return torch.autograd.functional.jacobian(flat, jacobian.stimulus).flatten(1).double().numpy()


@pytest.mark.parametrize("stage", ["block", "logits"])
def test_products_are_those_with_the_whole_jacobian(root, stage):
    stages = {"input": None, "block": {"module": "block", "pass_through_relu": "relu"}, "logits": "classify"}
    jacobian = jacobian_of(load(tiny(root, "convolutional", stages)), stage)
    whole = dense(jacobian)
    rng = np.random.default_rng(0)
    directions, units = rng.standard_normal((3, whole.shape[1])), rng.standard_normal((3, whole.shape[0]))
    np.testing.assert_allclose(
        jacobian.product(jacobian.directions(directions)).numpy(), directions @ whole.T, rtol=1e-4, atol=1e-5
    )
    back = jacobian.transposed(torch.from_numpy(units).float()).flatten(1)
    np.testing.assert_allclose(back.numpy(), units @ whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jacobian.information(directions.T), whole.T @ whole @ directions.T, rtol=1e-3, atol=1e-4)


def test_attention_has_derivatives_in_directions(root):
    """PyTorch's and torchvision's faster forms of attention have none; they are in use again afterwards."""
    model = load(tiny(root, "convolutional", {"input": None, "block": "block", "logits": "classify"}))
    layer = torch.nn.TransformerEncoderLayer(8, 2, 8, dropout=0, batch_first=True).eval().requires_grad_(False)
    model.network.first = (
        torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Flatten(1, 2), layer, torch.nn.Unflatten(1, (6, 8))
        )
        .requires_grad_(False)
        .eval()
    )
    jacobian = jacobian_of(model, "logits")
    directions = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        jacobian.product(directions),
        directions.flatten(1) @ torch.from_numpy(dense(jacobian)).float().T,
        rtol=1e-3,
        atol=1e-4,
    )
    assert torch.backends.mha.get_fastpath_enabled()


def test_the_derivative_is_that_of_the_activations_and_not_the_one_of_synthesis(root):
    """Synthesis lets gradients pass through the last ReLU; here a unit that is off has no sensitivity."""
    stages = {"input": None, "block": {"module": "block", "pass_through_relu": "relu"}, "logits": "classify"}
    jacobian = jacobian_of(load(tiny(root, "convolutional", stages)), "block")
    off = jacobian.model(jacobian.stimulus[None], "block").flatten() == 0
    assert off.any()
    assert not jacobian.product(torch.ones_like(jacobian.stimulus)[None])[:, off].any()


def test_the_cochleagram_has_derivatives_in_directions_that_are_the_transpose_of_its_gradients():
    torch.manual_seed(0)
    envelopes = (0.2 * torch.rand(2, 3, dtype=torch.float64)).requires_grad_()
    assert gradcheck(
        lambda values: cochleagram.compress(values, 0.3, 1e-8, torch.inf), envelopes, check_forward_ad=True
    )
    for clip in (0.5, 5):
        with torch.autograd.forward_ad.dual_level():
            direction = torch.rand_like(envelopes)
            dual = torch.autograd.forward_ad.make_dual(envelopes.detach(), direction)
            found = torch.autograd.forward_ad.unpack_dual(cochleagram.compress(dual, 0.3, 1e-8, clip)).tangent
        (gradient,) = torch.autograd.grad(cochleagram.compress(envelopes, 0.3, 1e-8, clip).sum(), envelopes)
        torch.testing.assert_close(found, gradient * direction)


@pytest.mark.parametrize("rate", ["band", "full"])
@pytest.mark.parametrize("silent", [False, True])
def test_products_of_sounds_are_adjoint_also_with_silence(root, rate, silent):
    front = {"high_hz": 4000, "filters": 10, "sample_factor": 1, "taps": 201, "rate": rate}
    entry = tiny(root, "hearing", {"input": None, "cochleagram": "preprocessing"}, modality="audio")
    entry["input"] = {"sampling_rate_hz": 8000, "duration_s": 0.25, "cochleagram": front}
    model = load(entry)
    sound = 0.3 * torch.randn(2000, generator=torch.Generator().manual_seed(0))
    if silent:
        sound[:1500] = 0
    jacobian = Jacobian(model, "cochleagram", sound)
    directions = torch.randn(2, 2000, generator=torch.Generator().manual_seed(1))
    found = jacobian.product(directions)
    units = torch.randn(found.shape, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(
        (found * units).sum(), (directions * jacobian.transposed(units)).sum(), rtol=1e-3, atol=1e-3
    )


def test_the_derivative_of_a_loud_sound_is_the_difference_of_cochleagrams(root):
    front = {"high_hz": 4000, "filters": 10, "sample_factor": 1, "taps": 201, "gradient_clip": 1e9}
    entry = tiny(root, "hearing", {"input": None, "cochleagram": "preprocessing"}, modality="audio")
    entry["input"] = {"sampling_rate_hz": 8000, "duration_s": 0.25, "cochleagram": front}
    model = load(entry).double()
    sound = 0.2 * torch.randn(2000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    direction = torch.randn(1, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = Jacobian(model, "cochleagram", sound).product(direction)[0]
    step = 1e-6
    ends = (model(sound[None] + sign * step * direction, "cochleagram").flatten() for sign in (1, -1))
    difference = torch.sub(*ends) / (2 * step)
    assert torch.linalg.vector_norm(found - difference) < 1e-3 * torch.linalg.vector_norm(difference)


@pytest.mark.parametrize("features", [40, 15])
def test_eigendistortions_are_the_extreme_eigenvectors(root, features):
    model = linear(root, 0, features)
    values, vectors = np.linalg.eigh(matrix_of(model).T @ matrix_of(model))
    found = eigendistortions(jacobian_of(model), values.mean(), 200, RNG(0))
    assert found["most"].sensitivity == pytest.approx(np.sqrt(values[-1]), rel=1e-4)
    assert abs(found["most"].distortion @ vectors[:, -1]) == pytest.approx(1, abs=1e-4)
    assert found["least"].sensitivity == pytest.approx(np.sqrt(max(values[0], 0)), abs=2e-2 * np.sqrt(values.mean()))
    for one in found.values():
        assert np.linalg.norm(one.distortion) == pytest.approx(1)
        assert one.distortion[np.abs(one.distortion).argmax()] > 0
        assert one.residual < 2e-3


def test_a_search_that_ends_early_says_so_and_its_bounds_hold(root):
    model = linear(root, 0)
    values = np.linalg.eigvalsh(matrix_of(model).T @ matrix_of(model))
    found = eigendistortions(jacobian_of(model), values.mean(), 1, RNG(0))
    assert found["most"].residual > 1e-2
    assert found["most"].sensitivity < np.sqrt(values[-1])
    assert found["least"].sensitivity > np.sqrt(values[0])


def test_the_mean_sensitivity_is_that_of_the_trace(root):
    model = linear(root, 0)
    found = jacobian_of(model).mean_square_sensitivity(RNG(0))
    assert found == pytest.approx(np.square(matrix_of(model)).sum() / (3 * SIZE**2), rel=0.15)


def test_a_stage_that_no_distortion_changes_is_named(root):
    model = linear(root, 0)
    model.network.project.weight.zero_()
    with pytest.raises(ValueError, match=r"model tiny: stage 'project': the mean square sensitivity .* is 0"):
        eigendistortions(jacobian_of(model), jacobian_of(model).mean_square_sensitivity(RNG(0)), 5, RNG(0))


@pytest.mark.parametrize("floor", [0, 0.3])
def test_principal_distortions_of_two_models_are_generalized_eigenvectors(root, floor):
    models = [linear(root, seed) for seed in (0, 1)]
    first, second = (matrix_of(model).T @ matrix_of(model) + floor * np.eye(3 * SIZE**2) for model in models)
    values, vectors = scipy.linalg.eigh(first, second)
    found = principal_distortions([jacobian_of(model) for model in models], [floor] * 2, 500, RNG(0))
    wanted = 0.5 * np.log(values[-1] / values[0])
    assert abs(np.subtract(*found.log_ratios)) == pytest.approx(wanted, rel=1e-3)
    assert found.variance == pytest.approx((wanted / 2) ** 2, rel=2e-3)
    ends = vectors[:, [-1, 0]] / np.linalg.norm(vectors[:, [-1, 0]], axis=0)
    overlap = np.abs(found.distortions @ ends)
    # Which of the two comes first is arbitrary.
    assert max(overlap[0, 0] * overlap[1, 1], overlap[0, 1] * overlap[1, 0]) > 0.99


def test_of_three_models_no_other_pair_has_a_larger_variance(root):
    models = [linear(root, seed) for seed in (0, 1, 2)]
    floors = [0.1, 0.2, 0.3]
    found = principal_distortions([jacobian_of(model) for model in models], floors, 500, RNG(0))
    assert found.converged

    def variance(pair):
        unit = pair / np.linalg.norm(pair, axis=1, keepdims=True)
        squares = np.array([np.square(matrix_of(model) @ unit.T).sum(0) for model in models])
        return log_ratios(squares, np.array(floors)).var()

    assert variance(found.distortions) == pytest.approx(found.variance, rel=1e-4)
    rng = np.random.default_rng(0)
    for scale in (1e-2, 1e-1, 1, 10):
        for _ in range(50):
            assert variance(found.distortions + scale * rng.standard_normal((2, 3 * SIZE**2))) <= found.variance * (
                1 + 1e-6
            )


def test_principal_distortions_need_two_models(root):
    with pytest.raises(ValueError, match="at least two are needed, not 1"):
        principal_distortions([jacobian_of(linear(root, 0))], [0], 5, RNG(0))


def unit(values):
    return values / np.linalg.norm(values)


def lengths_of(natural, made):
    return {name: float(np.sqrt(np.square(values - natural).mean())) for name, values in made.items()}


def test_exported_distortions_have_the_length_and_stay_in_the_limits():
    grey = np.full((3, 10, 10), 0.5)
    distortions = {"one": unit(RNG(0).standard_normal(grey.shape)), "two": unit(RNG(1).standard_normal(grey.shape))}
    made = exported(grey, distortions, 0.05, (0, 1))
    assert lengths_of(grey, made) == pytest.approx({"one": 0.05, "two": 0.05})
    for name, values in made.items():
        np.testing.assert_allclose(unit(values - grey), distortions[name], atol=1e-6)
    # Above the limits, a distortion is scaled further until its length is right.
    loud = exported(grey, distortions, 0.3, (0, 1))
    assert lengths_of(grey, loud) == pytest.approx({"one": 0.3, "two": 0.3})
    assert all(values.min() >= 0 and values.max() <= 1 for values in loud.values())


def test_all_exported_distortions_are_as_short_as_one_that_would_lose_its_shape():
    """A distortion of few large values, like those that early stages notice most."""
    grey = np.full((3, 10, 10), 0.5)
    local = np.zeros(grey.shape)
    local[0, 0, :4] = [10, 1, 1, 1]
    made = exported(grey, {"local": unit(local), "everywhere": unit(RNG(0).standard_normal(grey.shape))}, 0.1, (0, 1))
    reached = lengths_of(grey, made)
    assert reached["local"] == pytest.approx(reached["everywhere"], rel=1e-6)
    assert 0.5 / np.sqrt(300) < reached["local"] < 0.1
    assert float((unit(made["local"] - grey) * unit(local)).sum()) == pytest.approx(0.9, abs=1e-3)


def test_a_stimulus_at_the_limits_is_changed_where_it_can_be():
    white = np.ones((3, 10, 10))
    made = exported(white, {"one": unit(RNG(0).standard_normal(white.shape))}, 0.05, (0, 1))
    assert lengths_of(white, made)["one"] == pytest.approx(0.05)
    assert made["one"].max() == 1


# Distortions of one stimulus for several models


@pytest.fixture
def found(root):
    models = {f"model_{seed}": linear(root, seed) for seed in (0, 1, 2)}
    fits = {name: fit_to(model, None) for name, model in models.items()}
    made = distortions_of_stimulus(
        models,
        dict.fromkeys(models, "project"),
        ["model_0", "model_1"],
        stimulus_of(models["model_0"]),
        fits,
        60,
        [0, "s"],
    )
    return made, {name: matrix_of(model) for name, model in models.items()}


def test_every_model_has_a_sensitivity_to_every_distortion(found):
    made, matrices = found
    assert dict(made["distortion"].sizes) == {
        "generation_model": 2, "extreme": 2, "channel": 3, "row": SIZE, "column": SIZE
    }  # fmt: skip
    assert made["sensing_stage"].values.tolist() == ["project"] * 3
    for name, matrix in matrices.items():
        for own in ("model_0", "model_1"):
            for extreme in ("most", "least"):
                felt = made["sensitivity"].sel(generation_model=own, extreme=extreme, sensing_model=name)
                distortion = made["distortion"].sel(generation_model=own, extreme=extreme).values.ravel()
                assert float(felt) == pytest.approx(np.linalg.norm(matrix @ distortion), rel=1e-4)
    ratios = log_ratios(
        np.square(made["principal_sensitivity"].sel(sensing_model=["model_0", "model_1"]).values.T),
        FLOOR * np.square(made["mean_sensitivity"].values[:2]),
    )
    assert float(made["principal_variance"]) == pytest.approx(ratios.var(), rel=1e-3)
    assert made["principal_converged"].dtype == bool


def test_random_directions_differ_between_models_and_stimuli(root):
    """A stage with few units ignores nearly everything, and ``least`` stays near its random start."""
    models = {name: linear(root, seed, 6) for name, seed in (("one", 0), ("same", 0))}
    fits = {name: fit_to(model, None) for name, model in models.items()}

    def least(stimulus):
        made = distortions_of_stimulus(
            models, dict.fromkeys(models, "project"), list(models), stimulus_of(models["one"]), fits, 30, [0, stimulus]
        )
        sensitivity = made["sensitivity"] / made["mean_sensitivity"]
        assert (sensitivity.sel(extreme="least", generation_model="one", sensing_model="one") < 1e-3).all()
        return made["distortion"].sel(extreme="least").values.reshape(2, -1)

    first, second = least("s"), least("t")
    assert abs(first[0] @ first[1]) < 0.9
    assert abs(first[0] @ second[0]) < 0.9
    np.testing.assert_array_equal(first, least("s"))


def test_a_model_that_does_not_depend_on_the_stimulus_has_no_sensitivity(root):
    models = {"one": linear(root, 0), "judge": linear(root, 1)}
    models["judge"].network.project.weight.zero_()
    fits = {name: fit_to(model, None) for name, model in models.items()}
    made = distortions_of_stimulus(
        models, dict.fromkeys(models, "project"), ["one"], stimulus_of(models["one"]), fits, 20, [0, "s"]
    )
    assert (made["sensitivity"].sel(sensing_model="judge") == 0).all()
    assert agreements(made).sel(sensing_model="judge").isnull().all()


class NoDirection(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return 2 * values

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


def test_an_operation_without_a_derivative_in_a_direction_is_an_error_that_names_the_stage(root):
    model = linear(root, 0)
    model.network.project.register_forward_hook(lambda _module, _inputs, output: NoDirection.apply(output))
    with pytest.raises(
        ValueError, match=r"model tiny: an operation before stage 'logits' has no derivative .* method jvp"
    ):
        jacobian_of(model, "logits").product(torch.ones_like(stimulus_of(model))[None])


def test_silent_bands_have_derivatives_in_directions_that_are_the_transpose_of_their_gradients():
    """Where an amplitude is at its smallest value, the gradient is switched off; so is the derivative in a direction."""
    front = cochleagram.Cochleagram(2000, 8000, high_hz=4000, filters=10, sample_factor=1, taps=201)
    sound = torch.zeros(1, 2000, dtype=torch.float64)
    sound[0, :5] = 1e-9  # below and above the smallest amplitude, in different bands
    front = front.double()
    direction = torch.randn(1, 2000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.autograd.forward_ad.dual_level():
        found = torch.autograd.forward_ad.unpack_dual(
            front(torch.autograd.forward_ad.make_dual(sound, direction))
        ).tangent
    units = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    again = sound.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(front(again), again, units)
    torch.testing.assert_close((found * units).sum(), (gradient * direction).sum(), rtol=1e-6, atol=0)


def test_a_single_generation_model_has_no_principal_distortions(root):
    models = {"one": linear(root, 0), "judge": linear(root, 1)}
    fits = {name: fit_to(model, None) for name, model in models.items()}
    made = distortions_of_stimulus(
        models, dict.fromkeys(models, "project"), ["one"], stimulus_of(models["one"]), fits, 20, [0, "s"]
    )
    assert "principal_distortion" not in made
    assert made["sensitivity"].shape == (1, 2, 2)


def test_a_model_of_another_size_sees_the_distortion_resampled(root):
    small = linear(root, 0)
    entry = tiny(
        root, "linear", {"input": None, "project": "project"}, input={"size": 8, "mean": [0.5] * 3, "std": [0.5] * 3}
    )
    entry["source"] = entry["source"] | {"arguments": {"size": 8}}
    models = {"small": small, "large": load(entry)}
    fits = {name: fit_to(model, None) for name, model in models.items()}
    made = distortions_of_stimulus(
        models,
        dict.fromkeys(models, "project"),
        ["small", "large"],
        0.25 + 0.5 * stimulus_of(small),
        fits,
        50,
        [0, "s"],
    )
    assert made["distortion"].shape == (2, 2, 3, SIZE, SIZE)
    assert (made["sensitivity"] > 0).sel(extreme="most").all()


# The published software


def test_eigendistortions_are_those_of_plenoptic(root):
    plenoptic = pytest.importorskip("plenoptic", reason="plenoptic is only in the benchmark's environment")
    stages = {"input": None, "block": "block", "logits": "classify"}
    model = load(tiny(root, "convolutional", stages, input={"size": 8, "mean": [0.5] * 3, "std": [0.5] * 3}))
    stimulus = stimulus_of(model)

    class AtStage(torch.nn.Module):
        def forward(self, images):
            return model(images, "block", pass_through=False).contiguous()

    theirs = plenoptic.Eigendistortion(stimulus[None], AtStage().eval())
    theirs.synthesize("exact")
    jacobian = Jacobian(model, "block", stimulus)
    ours = eigendistortions(jacobian, jacobian.mean_square_sensitivity(RNG(0)), 500, RNG(0))
    values = theirs.eigenvalues.double().numpy()
    assert ours["most"].sensitivity ** 2 == pytest.approx(values.max(), rel=1e-3)
    assert abs(ours["least"].sensitivity ** 2 - values.min()) < 1e-2 * values.mean()
    most = theirs.eigendistortions[int(values.argmax())].double().numpy().ravel()
    assert abs(most @ ours["most"].distortion) == pytest.approx(1, abs=1e-3)
