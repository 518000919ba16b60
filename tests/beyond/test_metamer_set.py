"""Sets of metamers of linear models, whose dimension and most different members follow from the matrix."""

import functools

import numpy as np
import pytest
import torch
import xarray as xr

from metamers.beyond import metamer_set
from metamers.beyond.metamer_set import (
    apart,
    by_depth,
    counted_eigenvalues,
    local_dimension,
    metamer_sets,
    most_different_metamers,
    usual_distance,
    within,
)
from metamers.beyond.synthesize import fit_to
from tests.beyond.linear import RNG, SIZE, jacobian_given, jacobian_of, linear, matrix_of

VALUES = 3 * SIZE**2
UNIT = 2.0  # preprocessing divides by 0.5, so that distances are those of the stimuli
SETTINGS = {"optimizer": "adam", "learning_rate": 0.015, "beta_1": 0.8, "beta_2": 0.95}


def images(number, seed, contrast=0.15):
    generator = torch.Generator().manual_seed(seed)
    return (0.5 + contrast * torch.randn(number, 3, SIZE, SIZE, generator=generator)).clamp(0.05, 0.95)


def orthonormal(root, features):
    """A linear model with orthonormal rows, twice as long because its input has the standard deviation 0.5."""
    model = linear(root, 0, features)
    rows = np.linalg.qr(RNG(1).standard_normal((VALUES, features)))[0].T
    with torch.no_grad():
        model.network.project.weight.copy_(torch.from_numpy(rows))
    return model, rows


def pairs_of(model, natural, errors, steps=400):
    noise = images(2 * len(natural), 9).unflatten(0, (-1, 2))
    settings = SETTINGS | {"steps": steps}
    return most_different_metamers(model, "project", natural, noise, torch.tensor(errors), UNIT, settings)


@pytest.mark.parametrize("features", [40, 15])
def test_singular_values_are_those_of_the_matrix(root, features):
    model = linear(root, 0, features)
    wanted = np.linalg.svd(matrix_of(model), compute_uv=False)
    found = local_dimension(jacobian_of(model), 0.01, VALUES, RNG(0)).singular_values
    np.testing.assert_allclose(found[: len(wanted)], wanted, rtol=1e-5)
    np.testing.assert_allclose(found[len(wanted) :], 0, atol=1e-5)
    # A sketch of a few columns finds the first ones.
    found = local_dimension(jacobian_of(model), 0.01, 3, RNG(0)).singular_values
    np.testing.assert_allclose(found, wanted[:3], rtol=2e-2)


@functools.cache
def rotations(units, values):
    return [np.linalg.qr(RNG(seed).standard_normal((size, size)))[0] for seed, size in ((0, units), (1, values))]


def jacobian_with(singular, values):
    """A Jacobian of a linear stage of as many units as there are singular values, for a stimulus of so many values."""
    left, right = rotations(len(singular), values)
    return jacobian_given((left * singular) @ right[: len(singular)])


TOLERANCE = 0.0508
SPECTRA = {
    "low rank": np.r_[np.linspace(1, 0.2, 12), np.zeros(108)],
    "rank 40, then nothing": np.r_[np.linspace(1, 0.06, 40), np.zeros(80)],
    "rank 40, then slowly less": np.r_[np.linspace(1, 0.06, 40), np.linspace(0.045, 0.03, 80)],
    "full rank": np.linspace(1, 0.06, 120),
    "as 1 / n": 1 / np.arange(1, 121),
}


@pytest.mark.parametrize("number", [10, 36, 80])
@pytest.mark.parametrize("name", SPECTRA)
def test_a_rank_is_right_where_it_is_counted_and_its_lower_bound_everywhere(name, number):
    """Spectra that end far below the limit, near it, and above it, with fewer and more values than counted."""
    singular = SPECTRA[name]
    rank = int((singular > TOLERANCE).sum())
    found = local_dimension(jacobian_with(singular, 150), TOLERANCE, number, RNG(0))
    assert found.at_least <= rank
    if found.counted:
        assert found.rank == found.at_least == rank
    else:
        assert found.at_least <= found.rank <= len(singular)
    if number == 80 and name != "full rank":
        assert found.counted
    if number > rank:
        assert found.at_least == rank


@pytest.mark.parametrize(("features", "tolerance"), [(15, 0.01), (40, 0.3)])
def test_the_rank_is_the_number_of_singular_values_above_the_tolerance(root, features, tolerance):
    model = linear(root, 0, features)
    values = np.linalg.svd(matrix_of(model), compute_uv=False)
    wanted = (values > tolerance * values[0]).sum()
    counted = local_dimension(jacobian_of(model), tolerance, VALUES, RNG(0))
    assert counted.counted
    assert counted.rank == wanted
    limit = (tolerance * values[0]) ** 2
    estimates = counted_eigenvalues(jacobian_of(model), limit, VALUES, 100, RNG(0))
    assert estimates.mean() == pytest.approx(wanted, abs=4 * estimates.std() / np.sqrt(100) + 1e-6)
    estimated = [local_dimension(jacobian_of(model), tolerance, 1, RNG(seed)) for seed in range(15)]
    assert not any(one.counted for one in estimated)
    ranks = np.array([one.rank for one in estimated])
    # Estimates beyond the number of units are cut, so the mean may be below the rank.
    assert ranks.mean() == pytest.approx(wanted, abs=0.1 * wanted + 4 * ranks.std() / np.sqrt(15))


def test_a_stage_that_ignores_nothing_leaves_no_direction_free(root):
    model = linear(root, 0, 40)
    assert local_dimension(jacobian_of(model), 1e-6, VALUES, RNG(0)).rank == VALUES


@pytest.mark.parametrize("value", [0, torch.inf])
def test_a_stage_without_finite_derivatives_or_directions_is_named(root, value):
    model = linear(root, 0)
    with torch.no_grad():
        model.network.project.weight.fill_(value)
    with pytest.raises(ValueError, match=r"model tiny: stage 'project': "):
        local_dimension(jacobian_of(model), 0.01, 5, RNG(0))


@pytest.mark.parametrize(("features", "error"), [(5, 0.2), (15, 0.1), (24, 0.2)])
def test_the_most_different_metamers_of_a_linear_model_are_those_of_its_matrix(root, features, error):
    model, rows = orthonormal(root, features)
    natural = images(3, 3)
    found = pairs_of(model, natural, [error] * 3)
    aside = (natural - 0.5).flatten(1).double().numpy()
    projected, whole = np.linalg.norm(aside @ rows.T, axis=1), np.linalg.norm(aside, axis=1)
    largest = 2 * np.sqrt(whole**2 - ((1 - error) * projected) ** 2)
    assert found.within_match.all()
    assert (found.normalized_error <= error * (1 + 1e-6)).all()
    assert (found.distance <= largest + 1e-4).all()  # the maximum
    np.testing.assert_allclose(found.distance, largest, rtol=0.01)
    # The distance is that of the metamers, none has more contrast than its stimulus, and all values are valid.
    apart_by = (found.metamers[:, 0] - found.metamers[:, 1]).flatten(1).double().norm(dim=1).numpy()
    np.testing.assert_allclose(apart_by, found.distance, rtol=1e-5)
    contrast = (found.metamers - 0.5).flatten(2).double().norm(dim=2).numpy()
    assert (contrast <= whole[:, None] * (1 + 1e-5)).all()
    assert ((found.metamers >= 0) & (found.metamers <= 1)).all()


@pytest.mark.parametrize("error", [0.1, 0.5])
def test_a_stage_that_determines_the_stimulus_has_metamers_that_are_as_near_as_the_match(root, error):
    model, _ = orthonormal(root, VALUES)
    found = pairs_of(model, images(2, 3), [error, error])
    assert found.within_match.all()
    # Both lie in a ball around the stimulus, whose radius is a part of the contrast, and have no more contrast than it.
    whole = (images(2, 3) - 0.5).flatten(1).norm(dim=1).numpy()
    np.testing.assert_allclose(found.distance, 2 * error * whole * np.sqrt(1 - error**2 / 4), rtol=0.02)


def test_pairs_that_do_not_reach_the_match_say_so_and_are_the_nearest_to_it(root):
    model, _ = orthonormal(root, 24)
    few, more = (pairs_of(model, images(2, 3), [1e-6, 1e-6], steps) for steps in (10, 100))
    for found in (few, more):
        assert not found.within_match.any()
        assert (found.normalized_error > 1e-6).all()
    assert (more.normalized_error.max(axis=1) < few.normalized_error.max(axis=1)).all()


def test_the_same_search_gives_the_same_pair(root):
    model, _ = orthonormal(root, 15)
    first, again = (pairs_of(model, images(2, 3), [0.1, 0.1], 30) for _ in range(2))
    assert torch.equal(first.metamers, again.metamers)


def test_the_usual_distance_is_that_of_all_pairs():
    values = RNG(0).standard_normal((5, 2, 3))
    pairs = [values[i] - values[j] for i in range(5) for j in range(i)]
    assert usual_distance(values) == pytest.approx(np.sqrt(np.mean([np.square(one).sum() for one in pairs])))


def test_only_stimuli_beyond_the_radius_are_moved():
    stimuli = torch.stack([0.5 + torch.full((1, 2, 2), value) for value in (0.1, 0.4)])
    found = within(stimuli, 0.5, torch.full((2, 1, 1, 1), 0.4))
    torch.testing.assert_close(found[0], stimuli[0])
    torch.testing.assert_close(found[1], torch.full((1, 2, 2), 0.7))


def test_a_grey_stimulus_is_an_error(root):
    model, _ = orthonormal(root, 15)
    grey = torch.full((1, 3, SIZE, SIZE), 0.5)
    model.network.project.bias = torch.nn.Parameter(torch.ones(15), requires_grad=False)
    with pytest.raises(ValueError, match="grey"):
        pairs_of(model, grey, [0.1])


def test_a_model_distinguishes_a_pair_as_its_matrix_says(root):
    models = {"one": linear(root, 0), "two": linear(root, 1, 5)}
    fits = {name: fit_to(model, {}) for name, model in models.items()}
    shown, pairs = images(4, 0), images(6, 1).unflatten(0, (3, 2))
    found = apart(models, dict.fromkeys(models, "project"), fits, pairs, shown)
    for place, model in enumerate(models.values()):
        matrix, flat = matrix_of(model), shown.flatten(1).double().numpy()
        distances = [np.linalg.norm(matrix @ (a - b)) for i, a in enumerate(flat) for b in flat[:i]]
        changes = (pairs[:, 0] - pairs[:, 1]).flatten(1).double().numpy() @ matrix.T
        wanted = np.linalg.norm(changes, axis=1) / np.sqrt(np.mean(np.square(distances)))
        np.testing.assert_allclose(found[:, place], wanted, rtol=1e-4)


@pytest.fixture
def found(root):
    models = {"tiny": orthonormal(root, 15)[0], "other": linear(root, 2)}
    fits = {name: fit_to(model, {}) for name, model in models.items()}
    natural = images(2, 3)
    made = metamer_sets(
        models,
        {"tiny": "project", "other": "logits"},
        fits,
        natural,
        images(4, 0),
        images(4, 9).unflatten(0, (2, 2)),
        np.array([0.1, 0.2]),
        np.array([True, True]),
        {"cat": [0, 1], "dog": [2]},
        {},
        {"steps": 200, "tolerance": 0.01, "singular_values": 20},
        SETTINGS,
        [[0, "first"], [0, "second"]],
    )
    return made.assign_coords(stimulus=["first", "second"], category=("stimulus", ["cat", "dog"]))


def test_a_set_has_its_dimension_its_pair_and_what_other_models_say(found):
    assert found["jacobian_rank"].values.tolist() == [15, 15]
    assert found["free_dimensions"].values.tolist() == [VALUES - 15] * 2
    assert found["rank_counted"].all()
    np.testing.assert_allclose(found["singular_value"].isel(number=slice(15)), 2, rtol=1e-4)
    assert found["within_match"].all()
    assert (found["normalized_error"].max("most_different") <= found["largest_error"] * (1 + 1e-6)).all()
    # To the model itself the two metamers are nearly equal; to the other one they are not.
    own, other = (found["activation_distance"].sel(sensing_model=name) for name in ("tiny", "other"))
    assert (own < 0.5 * other).all()
    assert set(np.unique(found["answer"])) <= {"cat", "dog"}


def test_means_over_stimuli_have_students_intervals_and_leave_out_pairs_beyond_the_match(found):
    found = xr.concat([found, found], "depth", coords="minimal", compat="equals").assign_coords(depth=[0.5, 1.0])
    found["within_match"] = (("depth", "stimulus"), [[True, True], [True, False]])
    found["stimulus_distance"] = (("depth", "stimulus"), [[0.4, 0.6], [0.4, 0.6]])
    found["answer"] = (
        ("depth", "stimulus", "most_different", "sensing_model"),
        np.broadcast_to(np.array([[["x", "cat"], ["x", "cat"]], [["x", "cat"], ["x", "dog"]]]), (2, 2, 2, 2)),
    )
    summary = by_depth(found, ["other"], {"other": "family"})
    assert summary["n"].values.tolist() == [2, 1]
    not_accepted = found.assign(accepted=("stimulus", [False, True]))
    assert by_depth(not_accepted, ["other"], {"other": "family"})["n"].values.tolist() == [1, 0]
    # Student's quantile with one degree of freedom is 12.7; the standard error is 0.1.
    assert summary["stimulus_distance"].values == pytest.approx([0.5, 0.4])
    assert float(summary["stimulus_distance_high"][0]) == pytest.approx(0.5 + 12.706 * 0.1, abs=1e-3)
    assert np.isnan(summary["stimulus_distance_high"][1])
    assert summary["proportion_correct"].values == pytest.approx([0.75, 1])
    assert summary["proportion_same"].values == pytest.approx([0.5, 1])
    assert summary["free"].values == pytest.approx([12 / 27] * 2)


def test_a_stage_of_low_rank_is_counted_also_beyond_its_rank(root):
    model = linear(root, 0, 5)
    limit = (0.01 * np.linalg.svd(matrix_of(model), compute_uv=False)[0]) ** 2
    estimates = counted_eigenvalues(jacobian_of(model), limit, VALUES, 100, RNG(0))
    assert estimates.mean() == pytest.approx(5, abs=4 * estimates.std() / np.sqrt(100))


def test_a_run_of_one_stimulus_has_no_unit(root):
    models = {"tiny": orthonormal(root, 15)[0]}
    with pytest.raises(ValueError, match=r"model tiny: .*\b1 .*\bnan\b"):
        metamer_sets(
            models, {"tiny": "project"}, {"tiny": fit_to(models["tiny"], {})}, images(1, 3), images(1, 3),
            images(2, 9).unflatten(0, (1, 2)), np.array([0.1]), np.array([True]), {"cat": [0]}, {},
            {"steps": 10, "tolerance": 0.01, "singular_values": 5}, SETTINGS, [[0, "only"]],
        )  # fmt: skip


def test_the_number_of_pairs_at_once_follows_from_the_memory_of_one_stimulus(root, monkeypatch):
    model = orthonormal(root, 15)[0]
    asked = []
    monkeypatch.setattr(metamer_set, "max_batch_size", lambda _model, _stage, stimuli: asked.append(stimuli.shape) or 2)
    metamer_sets(
        {"tiny": model}, {"tiny": "project"}, {"tiny": fit_to(model, {})}, images(3, 3), images(3, 3),
        images(6, 9).unflatten(0, (3, 2)), np.full(3, 0.1), np.full(3, True), {"cat": [0]}, {},
        {"steps": 10, "tolerance": 0.01, "singular_values": 20}, SETTINGS, [[0, name] for name in "abc"],
    )  # fmt: skip
    assert asked == [(1, 3, SIZE, SIZE)]
