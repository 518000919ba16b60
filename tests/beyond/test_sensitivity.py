"""Eigendistortions, principal distortions and their agreement, where algebra says what they are."""

import numpy as np
import pytest
import scipy.linalg
import torch
import xarray as xr
from torch.autograd import gradcheck

from metamers.beyond.agreement import agreement, agreements, log_ratios_of_extremes
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
    found = eigendistortions(jacobian_of(model), values.mean(), 200, 0)
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
    found = eigendistortions(jacobian_of(model), values.mean(), 1, 0)
    assert found["most"].residual > 1e-2
    assert found["most"].sensitivity < np.sqrt(values[-1])
    assert found["least"].sensitivity > np.sqrt(values[0])


def test_the_mean_sensitivity_is_that_of_the_trace(root):
    model = linear(root, 0)
    found = jacobian_of(model).mean_square_sensitivity(0)
    assert found == pytest.approx(np.square(matrix_of(model)).sum() / (3 * SIZE**2), rel=0.15)


def test_a_stage_that_no_distortion_changes_is_named(root):
    model = linear(root, 0)
    model.network.project.weight.zero_()
    with pytest.raises(ValueError, match=r"model tiny: stage 'project': the mean square sensitivity .* is 0"):
        eigendistortions(jacobian_of(model), jacobian_of(model).mean_square_sensitivity(0), 5, 0)


@pytest.mark.parametrize("floor", [0, 0.3])
def test_principal_distortions_of_two_models_are_generalized_eigenvectors(root, floor):
    models = [linear(root, seed) for seed in (0, 1)]
    first, second = (matrix_of(model).T @ matrix_of(model) + floor * np.eye(3 * SIZE**2) for model in models)
    values, vectors = scipy.linalg.eigh(first, second)
    found = principal_distortions([jacobian_of(model) for model in models], [floor] * 2, 500, 0)
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
    found = principal_distortions([jacobian_of(model) for model in models], floors, 500, 0)
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
        principal_distortions([jacobian_of(linear(root, 0))], [0], 5, 0)


def test_exported_distortions_have_the_length_and_stay_in_the_limits():
    rng = np.random.default_rng(0)
    distortion = rng.standard_normal(300)
    distortion /= np.linalg.norm(distortion)
    grey = np.full((3, 10, 10), 0.5)
    assert np.sqrt(np.square(exported(grey, distortion, 0.05, (0, 1)) - grey).mean()) == pytest.approx(0.05)
    bright = exported(np.ones((3, 10, 10)), distortion, 0.5, (0, 1))
    assert bright.max() == 1
    assert bright.min() >= 0


# Distortions of one stimulus for several models


@pytest.fixture
def found(root):
    models = {f"model_{seed}": linear(root, seed) for seed in (0, 1, 2)}
    fits = {name: fit_to(model, None) for name, model in models.items()}
    made = distortions_of_stimulus(
        models, dict.fromkeys(models, "project"), ["model_0", "model_1"], stimulus_of(models["model_0"]), fits, 60, 0
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


def test_a_single_generation_model_has_no_principal_distortions(root):
    models = {"one": linear(root, 0), "judge": linear(root, 1)}
    fits = {name: fit_to(model, None) for name, model in models.items()}
    made = distortions_of_stimulus(
        models, dict.fromkeys(models, "project"), ["one"], stimulus_of(models["one"]), fits, 20, 0
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
        models, dict.fromkeys(models, "project"), ["small", "large"], 0.25 + 0.5 * stimulus_of(small), fits, 50, 0
    )
    assert made["distortion"].shape == (2, 2, 3, SIZE, SIZE)
    assert (made["sensitivity"] > 0).sel(extreme="most").all()


# Agreement


def sensitivities(values, mean=0.0):
    """One depth and stimulus: (generation_model, extreme, sensing_model)."""
    values = np.asarray(values, dtype=float)[None, None]
    names = ["a", "b", "judge"][: values.shape[-1]]
    return xr.Dataset(
        {
            "sensitivity": (("depth", "stimulus", "generation_model", "extreme", "sensing_model"), values),
            "mean_sensitivity": (("depth", "stimulus", "sensing_model"), np.full((1, 1, len(names)), mean)),
        },
        coords={
            "depth": [1.0],
            "stimulus": ["s"],
            "generation_model": names[: values.shape[2]],
            "extreme": ["most", "least"],
            "sensing_model": names,
            "sensing_stage": (("depth", "sensing_model"), [["last"] * len(names)]),
        },
    )


def test_agreement_is_the_log_ratio_relative_to_the_own_one():
    # a tells its extremes apart by a factor of 100, b by 10, the judge not at all; the other way round for those of b.
    found = sensitivities([[[100, 10, 1], [1, 1, 1]], [[1, 8, 1], [2, 2, 2]]])
    np.testing.assert_allclose(log_ratios_of_extremes(found).values[0, 0, 0], np.log([100, 10, 1]))
    np.testing.assert_allclose(agreements(found).values[0, 0], [[1, 0.5, 0], [-0.5, 1, -0.5]])


def test_a_floor_bounds_the_ratio_of_a_distortion_that_is_ignored():
    found = sensitivities([[[10, 1], [0, 0]]], mean=1)
    wanted = 0.5 * np.log(np.array([100 + FLOOR, 1 + FLOOR]) / FLOOR)
    np.testing.assert_allclose(log_ratios_of_extremes(found).values[0, 0, 0], wanted)


def test_a_model_that_is_equally_sensitive_to_all_distortions_has_no_agreement():
    assert agreements(sensitivities([[[2, 3], [2, 1]]])).isnull().all()


def many(agreeing, stimuli=3):
    """Two models at depths 0.5 and 1; the judge's log ratio, relative to the own one, is ``agreeing`` (model, depth)."""
    blocks = []
    for depth in range(2):
        own = [[[np.e, np.e, np.exp(agreeing[model][depth])], [1, 1, 1]] for model in range(2)]
        own[0][0][1], own[1][0][0] = np.exp(agreeing[0][depth]), np.exp(agreeing[1][depth])
        one = sensitivities(own).assign_coords(depth=[0.5 * (depth + 1)])
        blocks.append(xr.concat([one.assign_coords(stimulus=[f"s{n}"]) for n in range(stimuli)], "stimulus"))
    return xr.concat(blocks, "depth")


def test_the_correlation_with_recognition_is_that_of_ranks_over_models_and_depths():
    found = many([[0.9, 0.2], [0.7, 0.1]])
    recognized = {"a": np.array([[1, 1, 1.0], [0, 0, 1]]), "b": np.array([[1, 1, 0.0], [0, 0, 0]])}
    accepted = {name: np.ones((2, 3), dtype=bool) for name in recognized}
    families = {name: name for name in ("a", "b", "judge")}
    made = agreement(found, recognized, accepted, families, 0)
    np.testing.assert_allclose(made["mean_agreement"], [[0.9, 0.2], [0.7, 0.1]])
    np.testing.assert_allclose(made["proportion_correct"], [[1, 1 / 3], [2 / 3, 0]])
    assert float(made["spearman_rho"]) == pytest.approx(1)
    assert float(made["low"]) < 1
    assert float(made["high"]) == pytest.approx(1)
    assert made["stage"].values.tolist() == [["last"] * 2] * 2
    # In opposite order.
    assert float(agreement(many([[0.1, 0.7], [0.2, 0.9]]), recognized, accepted, families, 0)["spearman_rho"]) < 0
    # A metamer that is not accepted does not count; too few points have no correlation.
    accepted["a"][0] = False
    few = agreement(found, recognized, accepted, families, 0)
    assert np.isnan(few["spearman_rho"])
    assert int(few["points"]) == 3
    assert int(few["n"].sel(generation_model="a").isel(depth=0)) == 0


def test_models_of_one_family_count_once():
    found = sensitivities([[[np.e, np.e, 1], [1, 1, 1]], [[np.e, np.e, 1], [1, 1, 1]]])
    recognized = {name: np.ones((1, 2)) for name in "ab"}
    accepted = {name: np.ones((1, 2), dtype=bool) for name in "ab"}
    apart = agreement(found, recognized, accepted, {name: name for name in ("a", "b", "judge")}, 0)
    np.testing.assert_allclose(apart["mean_agreement"], 0.5)
    found = xr.concat(
        [found, found.sel(sensing_model=["judge"]).assign_coords(sensing_model=["judge_2"])], "sensing_model"
    )
    families = {"a": "a", "b": "b", "judge": "judge", "judge_2": "judge"}
    np.testing.assert_allclose(agreement(found, recognized, accepted, families, 0)["mean_agreement"], 0.5)


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
    ours = eigendistortions(jacobian, jacobian.mean_square_sensitivity(0), 500, 0)
    values = theirs.eigenvalues.double().numpy()
    assert ours["most"].sensitivity ** 2 == pytest.approx(values.max(), rel=1e-3)
    assert abs(ours["least"].sensitivity ** 2 - values.min()) < 1e-2 * values.mean()
    most = theirs.eigendistortions[int(values.argmax())].double().numpy().ravel()
    assert abs(most @ ours["most"].distortion) == pytest.approx(1, abs=1e-3)
