"""Metamers of several models, controversial ones, and from other starts, where algebra says what they are."""

import numpy as np
import pytest
import torch
import xarray as xr

from metamers.beyond import invariance
from metamers.beyond.measure import measured_case, natural_categories
from metamers.beyond.sets import OTHER, OWN
from metamers.beyond.synthesize import case_metamers, fit_to, set_dataset, starts_of
from metamers.match import match
from metamers.models.model import activations
from metamers.synthesize.losses import Goal, joint_error, make_loss
from metamers.synthesize.metamers import check_stage
from metamers.synthesize.noise import pink_noise, start_noise
from metamers.synthesize.optimize import optimize
from tests.networks.entries import load, tiny

STAGES = {"input": None, "project": "project", "logits": "classify"}
# Steps that stay in the row space of what the models see, as those of Adam do not.
PROCEDURE = "one_cycle"
SETTINGS = {"optimizer": "adam_mini", "steps": 600, "learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.95}
OF_IMAGES, OF_SOUNDS = {}, {"sampling_rate_hz": 8000}
CLASSES = {"cat": [0, 2], "dog": [1, 3]}
NAMES = ["a", "b", "c"]


def linear(root, seed, size=8):
    entry = tiny(
        root, "linear", STAGES, weights={"random": seed}, input={"size": size, "mean": [0.5] * 3, "std": [0.5] * 3}
    )
    entry["source"] = entry["source"] | {"arguments": {"size": size}}
    return load(entry)


@pytest.fixture
def pair(root):
    return {"first": linear(root, 0), "second": linear(root, 1)}


def near_the_start(seed, number=3):
    """Stimuli whose values stay within 0 to 1 on the way to them, so that the algebra holds."""
    noise = torch.randn(number, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return (0.5 + 0.05 * noise).clamp(0, 1)


@pytest.fixture
def natural():
    return near_the_start(1)


@pytest.fixture
def other():
    return near_the_start(2)


def matrix(*models):
    """Matrix of all models' units, (unit, value)."""
    return torch.cat([model.network.project.weight.double() for model in models])


def projection(*models):
    seen = matrix(*models)
    return torch.linalg.pinv(seen) @ seen


def flat(stimuli):
    return stimuli.double().flatten(1)


def measured(members, stages, matched, natural, start, *settings, classes=CLASSES, sampling=OF_IMAGES, **more):
    """Metamers of a case, and their measures."""
    made = case_metamers(members, stages, matched, natural, start, sampling, *settings, **more)
    given = members, stages, matched, natural, made["metamer"].values, classes, sampling
    return made.merge(measured_case(*given, more.get("target_errors")))


def goals(pair, **targets):
    return [Goal(model, "project", check_stage(model, "project", targets[name])) for name, model in pair.items()]


def from_noise(model, seed=0):
    return starts_of("noise", model, NAMES, None, 1, seed)


def test_the_joint_error_is_the_normalized_error_of_all_activations_each_scaled_to_length_1(pair, natural, other):
    errors = [make_loss(goal) for goal in goals(pair, first=natural, second=natural)]
    found = joint_error(errors)(other, 0)
    for n in range(3):
        wanted, reached = [], []
        for model in pair.values():
            a, b = (activations(model, stimuli[n : n + 1], "project").ravel() for stimuli in (natural, other))
            wanted.append(a / np.linalg.norm(a))
            reached.append(b / np.linalg.norm(a))
        whole = match(np.concatenate(wanted), np.concatenate(reached))["normalized_error"]
        assert found[n].item() == pytest.approx(whole, rel=1e-5)
    assert torch.equal(joint_error(errors[:1])(other, 0), errors[0](other, 0))


def test_the_metamer_of_two_linear_models_is_the_projection_onto_what_both_allow(pair, natural):
    # W stacks both matrices: x₀ + W⁺W (s − x₀) lies in the intersection of what A allows and what B allows, and of
    # all points there it is nearest to the start.
    start = from_noise(pair["first"])
    metamers, _ = optimize(goals(pair, first=natural, second=natural), start, PROCEDURE, SETTINGS)
    difference = flat(natural - start)
    together = projection(*pair.values())
    torch.testing.assert_close(flat(metamers), flat(start) + difference @ together.T, atol=5e-4, rtol=0)
    free = torch.linalg.vector_norm(difference - difference @ together.T, dim=1)
    for model in pair.values():
        alone = torch.linalg.vector_norm(difference - difference @ projection(model).T, dim=1)
        assert (free < alone - 0.02).all()  # two models leave less free than either


def test_a_metamer_of_two_models_reaches_the_target_of_each(pair, natural):
    settings = {"optimizer": "adam", "learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.98}
    stages, matched = dict.fromkeys(pair, "project"), dict.fromkeys(pair, OWN)
    given = pair, stages, matched, {OWN: natural, OTHER: natural}, from_noise(pair["first"]), "to_target"
    targets = {"first": 0.02, "second": 0.005}
    made = measured(*given, settings | {"max_steps": 1000}, target_errors=targets)
    assert made["converged"].all()
    assert (np.isfinite(made["loss"]).sum("step") < 1000).all()
    assert (made["normalized_error"] <= list(targets.values())).all()
    short = measured(*given, settings | {"max_steps": 30}, target_errors=targets | {"first": 0.9})
    assert short["converged"].isel(member=0).all()
    assert not short["converged"].isel(member=1).any()


def test_a_controversial_metamer_of_linear_models_is_one_stimulus_to_one_and_another_to_the_other(pair, natural, other):
    # A x = A s and B x = B t, so x = x₀ + W⁺ (targets − W x₀).
    start = from_noise(pair["first"])
    metamers, _ = optimize(goals(pair, first=natural, second=other), start, PROCEDURE, SETTINGS)
    seen = matrix(*pair.values())
    targets = torch.cat([flat(natural) @ matrix(pair["first"]).T, flat(other) @ matrix(pair["second"]).T], dim=1)
    wanted = flat(start) + (targets - flat(start) @ seen.T) @ torch.linalg.pinv(seen).T
    torch.testing.assert_close(flat(metamers), wanted, atol=5e-4, rtol=0)


def test_a_case_says_how_near_each_model_is_to_either_stimulus(pair, natural, other):
    start = from_noise(pair["first"])
    found = measured(
        pair, dict.fromkeys(pair, "project"), {"first": "own", "second": "other"}, {"own": natural, "other": other},
        start, PROCEDURE, SETTINGS | {"steps": 400},
    )  # fmt: skip
    assert (found["normalized_error"] < 0.01).all()
    for name, model, shunned in zip(pair, pair.values(), (other, natural), strict=True):
        a, b = (
            activations(model, stimuli, "project") for stimuli in (shunned, torch.from_numpy(found["metamer"].values))
        )
        wanted = [match(x, y)["normalized_error"] for x, y in zip(a, b, strict=True)]
        np.testing.assert_allclose(found["other_error"].sel(member=name), wanted)
        assert min(wanted) > 0.3
    assert set(found["predicted_category"].values.ravel()) <= CLASSES.keys()
    np.testing.assert_allclose(
        found["loss"][:, 0],
        joint_error([make_loss(g) for g in goals(pair, first=natural, second=other)])(start, 0),
        rtol=1e-5,
    )


def test_models_of_other_sizes_see_the_same_stimulus_in_theirs(root, natural):
    # The stimulus has the first model's size; of the second it is what resampling makes of it, gradients included.
    models = {"first": linear(root, 0), "second": linear(root, 1, size=12)}
    found = measured(
        models, dict.fromkeys(models, "project"), dict.fromkeys(models, "own"), {"own": natural, "other": natural},
        from_noise(models["first"]), PROCEDURE, SETTINGS | {"steps": 400},
    )  # fmt: skip
    assert found["metamer"].shape == (3, 3, 8, 8)
    assert (found["loss"].isel(step=0) > 0.3).all()
    assert (found["normalized_error"] < 0.05).all()


@pytest.mark.parametrize("kind", ["pink_noise", "stimulus"])
def test_what_a_linear_stage_does_not_see_stays_as_synthesis_began(pair, natural, other, kind):
    model = pair["first"]
    start = starts_of(kind, model, NAMES, other, 1, 0)
    metamers, _ = optimize(goals({"first": model}, first=natural), start, PROCEDURE, SETTINGS)
    difference = flat(start - natural)
    unseen = difference - difference @ projection(model).T
    wanted = torch.linalg.vector_norm(unseen, dim=1) / torch.linalg.vector_norm(difference, dim=1)
    np.testing.assert_allclose(invariance.remaining(metamers, start, natural), wanted, atol=2e-3)
    torch.testing.assert_close(flat(metamers - natural), unseen, atol=5e-4, rtol=0)


def test_the_other_noise_is_of_the_first_seed_that_the_run_does_not_use(pair):
    model = pair["first"]
    for seeds in (1, 3):
        found = starts_of("other_noise", model, NAMES, None, seeds, 7)
        wanted = start_noise("vision", (3, 8, 8), "b", seeds, 7)
        np.testing.assert_array_equal(found[1], wanted)


def test_two_metamers_of_a_linear_model_differ_by_what_it_does_not_see_of_their_starts(pair, natural, other):
    model = pair["first"]
    begun = {kind: starts_of(kind, model, NAMES, other, 1, 0) for kind in ("noise", "other_noise")}
    metamers = {
        kind: optimize(goals({"first": model}, first=natural), start, PROCEDURE, SETTINGS)[0]
        for kind, start in begun.items()
    }
    shown = near_the_start(5, number=11)
    found = invariance.invariance(model, shown, natural, begun, {kind: one[None] for kind, one in metamers.items()})
    assert found["measured_stage"].values.tolist() == ["input", "project", "logits"]
    begin = flat(begun["other_noise"] - begun["noise"])
    unseen = torch.linalg.vector_norm(begin - begin @ projection(model).T, dim=1)
    pairs = [float((a - b).square().sum()) for i, a in enumerate(flat(shown)) for b in flat(shown)[:i]]
    assert float(found["natural_distance"][0]) == pytest.approx(np.sqrt(np.mean(pairs)), rel=1e-6)
    two = found["relative_difference"].sel(start="other_noise").isel(depth=0)
    np.testing.assert_allclose(two.sel(measured_stage="input"), unseen / np.sqrt(np.mean(pairs)), atol=1e-3)
    np.testing.assert_allclose(two.sel(measured_stage=["project", "logits"]), 0, atol=0.01)
    assert (found["relative_difference"].sel(start="noise") == 0).all()
    started = found["start_difference"].sel(start="other_noise", measured_stage="input")
    np.testing.assert_allclose(started, torch.linalg.vector_norm(begin, dim=1) / np.sqrt(np.mean(pairs)), rtol=1e-6)


def test_at_the_input_nothing_is_left_free(pair, natural):
    model = pair["first"]
    start = from_noise(model)
    goal = Goal(model, "input", check_stage(model, "input", natural))
    # Steps of a known length: those of an adaptive procedure end at a distance that rounding decides.
    metamers, _ = optimize([goal], start, "published", {"steps": 40, "step_size": 0.1, "halvings": 12})
    assert (invariance.remaining(metamers, start, natural) < 0.01).all()


def test_distances_at_every_stage_are_those_of_activations(root):
    stages = {"input": None, "block": {"module": "block", "pass_through_relu": "relu"}, "logits": "classify"}
    model = load(tiny(root, "convolutional", stages))
    one, other = torch.rand(2, 10, 3, 8, 8, generator=torch.Generator().manual_seed(0))  # more than a batch
    found = invariance.distances(model, one, other)
    apart = invariance.natural_distances(model, one)
    assert list(found) == list(apart) == list(stages)
    for stage in stages:
        a, b = (activations(model, stimuli, stage).reshape(10, -1).astype(float) for stimuli in (one, other))
        np.testing.assert_allclose(found[stage], np.linalg.norm(a - b, axis=1), rtol=1e-5)
        pairs = [np.sum((a[i] - a[j]) ** 2) for i in range(10) for j in range(i)]
        assert apart[stage] == pytest.approx(np.sqrt(np.mean(pairs)), rel=1e-5)


def octaves(power, frequency):
    """Power in each octave of frequency, from 4 cycles up to the last whole one."""
    edges = 2.0 ** np.arange(2, np.floor(np.log2(frequency.max() + 1)) + 1)
    return np.array([power[(frequency >= low) & (frequency < 2 * low)].sum() for low in edges[:-1]])


def test_pink_noise_has_as_much_power_in_each_octave():
    sound = np.mean(
        [np.abs(np.fft.rfft(pink_noise("audio", (4096,), name, 0, 0).astype(float) * 1e7)) ** 2 for name in "abcdefgh"],
        axis=0,
    )
    found = octaves(sound, np.arange(len(sound)))
    np.testing.assert_allclose(found / found.mean(), 1, atol=0.25)
    images = [pink_noise("vision", (3, 128, 128), name, 0, 0).astype(float) for name in "abcd"]
    power = np.mean(
        [np.abs(np.fft.fft2(image - image.mean((1, 2), keepdims=True))) ** 2 for image in images], axis=(0, 1)
    )
    cycles = np.fft.fftfreq(128, 1 / 128)
    frequency = np.hypot(*np.meshgrid(cycles, cycles, indexing="ij"))
    found = octaves(power, np.where(frequency < 64, frequency, 0))
    np.testing.assert_allclose(found / found.mean(), 1, atol=0.25)


@pytest.mark.parametrize(
    ("modality", "shape", "mean", "deviation"), [("vision", (3, 32, 32), 0.5, 0.05), ("audio", (2001,), 0, 1e-7)]
)
def test_pink_noise_has_the_published_mean_and_deviation_and_its_own_generator(modality, shape, mean, deviation):
    one = pink_noise(modality, shape, "a", 0, 0)
    assert one.shape == shape
    assert one.dtype == np.float32
    assert one.mean() == pytest.approx(mean, abs=1e-3 * deviation + 1e-6 * mean)
    assert one.std() == pytest.approx(deviation, rel=1e-3)
    np.testing.assert_array_equal(one, pink_noise(modality, shape, "a", 0, 0))
    assert not np.array_equal(one, pink_noise(modality, shape, "b", 0, 0))


def hearing(root, seed, rate_hz):
    cochleagram = {"high_hz": rate_hz / 2, "filters": 10, "sample_factor": 1, "taps": 201}
    sound = {"sampling_rate_hz": rate_hz, "duration_s": 0.25, "cochleagram": cochleagram}
    stages = {"input": None, "cochleagram": "preprocessing", "final": "classify"}
    return load(tiny(root, "hearing", stages, modality="audio", weights={"random": seed}, input=sound))


def test_models_that_hear_at_other_rates_are_matched_by_one_sound(root):
    models = {"first": hearing(root, 0, 8000), "second": hearing(root, 1, 6000)}
    natural = 0.1 * torch.randn(2, 2, 2000, generator=torch.Generator().manual_seed(0))
    start = starts_of("pink_noise", models["first"], ["a", "b"], natural[1], 1, 0)
    found = measured(
        models, dict.fromkeys(models, "cochleagram"), dict.fromkeys(models, "own"),
        {"own": natural[0], "other": natural[1]}, start, "one_cycle", SETTINGS | {"steps": 60, "learning_rate": 0.02},
        classes={"low": [0], "high": [1]}, sampling=OF_SOUNDS,
    )  # fmt: skip
    assert found["metamer"].shape == (2, 2000)
    assert (found["loss"].isel(step=-1) < 0.5 * found["loss"].isel(step=0)).all()
    assert (found["normalized_error"] < 0.5).all()
    np.testing.assert_allclose(fit_to(models["first"], OF_SOUNDS)(natural[0]), natural[0])


def test_a_set_has_each_case_and_depth_in_its_place(pair, natural, other):
    stimuli, matched = {"own": natural, "other": other}, {"case": {"first": "own", "second": "other"}}
    start, stages = from_noise(pair["first"]), {"first": ["project", "logits"], "second": ["project", "project"]}
    made = {
        depth: case_metamers(
            pair, {name: of_member[place] for name, of_member in stages.items()}, matched["case"], stimuli, start, OF_IMAGES,
            PROCEDURE, SETTINGS | {"steps": 3},
        )
        for place, depth in enumerate((0.25, 1.0))
    }  # fmt: skip
    categories = xr.DataArray(["cat", "dog", "cat", "dog"], coords={"stimulus": [*NAMES, "d"]}, dims="stimulus")
    found = set_dataset(
        {"case": made},
        categories,
        dict(zip(NAMES, ["d", "a", "b"], strict=True)),
        stages,
        matched,
    )
    for depth, of_depth in made.items():
        np.testing.assert_array_equal(found["metamer"].sel(case="case", depth=depth), of_depth["metamer"])
    assert found["metamer"].dims[:3] == ("stimulus", "case", "depth")
    assert found["member_stage"].sel(member="first").values.tolist() == ["project", "logits"]
    assert found["matches_other"].sel(case="case").values.tolist() == [False, True]
    assert found["other_category"].values.tolist() == ["dog", "cat", "dog"]
    given = natural_categories(pair, matched, stimuli, {}, CLASSES)
    assert given.dims == ("stimulus", "case", "member")
    assert set(given.values.ravel()) <= CLASSES.keys()
