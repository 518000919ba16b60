"""Eigendistortions and principal distortions, where algebra says what they are."""

import numpy as np
import pytest
import scipy.linalg
import torch

from metamers.beyond.agreement import agreements
from metamers.beyond.jacobian import Jacobian
from metamers.beyond.sensitivity import (
    FLOOR,
    best_pair,
    distortions_of_stimulus,
    eigendistortions,
    exported,
    log_ratios,
    principal_distortions,
)
from metamers.beyond.synthesize import fit_to
from tests.beyond.linear import RNG, SIZE, jacobian_given, jacobian_of, linear, matrix_of, stimulus_of
from tests.needs import without
from tests.networks.entries import load, tiny


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


def test_a_stage_that_no_distortion_changes_is_named(root):
    model = linear(root, 0)
    model.network.project.weight.zero_()
    with pytest.raises(ValueError, match=r"model tiny: stage 'project': .* 0\b"):
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


def jacobians_with(singular, values, models):
    """Jacobians of linear stages with given singular values (unit,), in directions that differ from model to model."""
    found = []
    for seed in range(models):
        left, right = (np.linalg.qr(RNG(seed).standard_normal((size, size)))[0] for size in (len(singular), values))
        found.append(jacobian_given((left * singular) @ right[: len(singular)]))
    return found, [FLOOR * np.square(singular).sum() / values] * models


SPECTRA = [np.arange(1, 301) ** -0.5, np.arange(1, 301) ** -1.0, np.arange(1, 301) ** -1.5, np.arange(1, 41) ** -0.3]


@pytest.mark.parametrize("singular", SPECTRA)
def test_principal_distortions_of_two_models_reach_the_optimum_in_few_iterations(singular):
    """Of late stages, singular values fall fast, and models are sensitive to few directions, which differ."""
    jacobians, floors = jacobians_with(singular, 300, 2)
    informations = [jacobian.information(np.eye(300)) + floors[0] * np.eye(300) for jacobian in jacobians]
    values = scipy.linalg.eigh(*informations, eigvals_only=True)
    optimum = 0.5 * np.log(values[-1] / values[0])
    found = principal_distortions(jacobians, floors, 40, RNG(0))
    assert found.converged
    assert found.variance == found.least_variance
    assert abs(np.subtract(*found.log_ratios)) == pytest.approx(optimum, rel=1e-3)
    early = principal_distortions(jacobians, floors, 3, RNG(0))
    assert not early.converged
    assert early.variance < found.variance


def test_searches_for_three_models_start_several_times_and_the_best_one_is_kept():
    jacobians, floors = jacobians_with(np.arange(1, 31) ** -1.0, 30, 3)
    found = principal_distortions(jacobians, floors, 40, RNG(0))
    assert found.least_variance <= found.variance
    again = principal_distortions(jacobians, floors, 40, RNG(1)).variance
    assert again == pytest.approx(found.variance, rel=0.05)
    informations = np.array([jacobian.information(np.eye(30)) + floors[0] * np.eye(30) for jacobian in jacobians])
    for seed in range(2):
        _, variance = best_pair(informations, RNG(seed).standard_normal((30, 2)))
        assert variance == pytest.approx(found.variance, rel=1e-3)


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
    with pytest.raises(ValueError, match=r"two .*1"):
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
    fits = {name: fit_to(model, {}) for name, model in models.items()}
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
    fits = {name: fit_to(model, {}) for name, model in models.items()}

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
    models = {"one": linear(root, 0), "other": linear(root, 1)}
    models["other"].network.project.weight.zero_()
    fits = {name: fit_to(model, {}) for name, model in models.items()}
    made = distortions_of_stimulus(
        models, dict.fromkeys(models, "project"), ["one"], stimulus_of(models["one"]), fits, 20, [0, "s"]
    )
    assert (made["sensitivity"].sel(sensing_model="other") == 0).all()
    assert agreements(made).sel(sensing_model="other").isnull().all()


def test_a_single_generation_model_has_no_principal_distortions(root):
    models = {"one": linear(root, 0), "other": linear(root, 1)}
    fits = {name: fit_to(model, {}) for name, model in models.items()}
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
    fits = {name: fit_to(model, {}) for name, model in models.items()}
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
    plenoptic = pytest.importorskip("plenoptic", reason=without("plenoptic"))
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
