"""Error consistency: kappa of right and wrong answers."""

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from sklearn.metrics import cohen_kappa_score

from metamers.compare.error_consistency import (
    consistency_by_stage,
    consistency_interval,
    error_consistency,
    error_consistency_dataset,
    participants_consistency,
    participants_dataset,
)
from metamers.compare.files import ERROR_CONSISTENCY, OWN_PARTICIPANTS_CONSISTENCY
from metamers.run import files

DIMS = ("stage", "stimulus", "seed")


def of(one, other):
    """Error consistency of two observers with one answer to each stimulus, with its interval."""
    pair = error_consistency(np.array(one, float)[:, None], np.array(other, float)[:, None])
    return pair, consistency_interval(pair.kappa, pair.influence, pair.added, pair.n)


def drawn(rng, p, q, kappa, shape):
    """Right and wrong answers of two observers with these accuracies and this error consistency, two arrays."""
    both = kappa * (p + q - 2 * p * q) / 2 + p * q
    outcomes = rng.choice(4, shape, p=[1 - p - q + both, q - both, p - both, both])
    return outcomes // 2, outcomes % 2


def run_of(correct, accepted=None):
    """Recognition model → answers, and the acceptance, of one generation model with the stage ``one``.

    ``correct`` has recognition model → (stage, stimulus, seed), the stage ``natural`` first.
    """
    shape = np.shape(next(iter(correct.values())))
    coords = {"stage": ["natural", "one"], "stimulus": [f"s{n}" for n in range(shape[1])], "seed": range(shape[2])}
    recognition = {
        name: xr.Dataset({"correct": (DIMS, np.array(values, bool))}, coords) for name, values in correct.items()
    }
    accepted = np.ones((1, *shape[1:]), bool) if accepted is None else np.array(accepted, bool)
    return recognition, xr.Dataset({"accepted": (DIMS, accepted)}, coords | {"stage": ["one"]})


@pytest.mark.parametrize(("p", "q", "kappa"), [(0.5, 0.5, 0.4), (0.8, 0.3, 0.1), (0.2, 0.6, -0.2)])
def test_kappa_is_that_of_scikit_learn_on_right_and_wrong(p, q, kappa):
    one, other = drawn(np.random.default_rng(0), p, q, kappa, 48)
    assert of(one, other)[0].kappa == pytest.approx(cohen_kappa_score(one, other))


def test_the_equation_of_the_paper():
    """Ten stimuli: both right about 4, both wrong about 3; 0.7 and 0.5 correct."""
    pair, _ = of([1] * 7 + [0] * 3, [1] * 4 + [0] * 3 + [1] + [0] * 2)
    assert pair.observed == pytest.approx(0.6)
    assert pair.expected == pytest.approx(0.7 * 0.5 + 0.3 * 0.5)
    assert pair.kappa == pytest.approx((0.6 - 0.5) / 0.5)
    assert pair.n == 10


def test_identical_answers_have_kappa_1_opposite_ones_minus_1_and_crossed_ones_0():
    half = [1, 1, 0, 0] * 3
    assert of(half, half)[0].kappa == pytest.approx(1)
    assert of(half, [0, 0, 1, 1] * 3)[0].kappa == pytest.approx(-1)
    assert of(half, [1, 0, 1, 0] * 3)[0].kappa == pytest.approx(0)


def test_independent_errors_of_many_stimuli_are_about_0_and_accuracy_alone_does_not_raise_kappa():
    one, other = np.random.default_rng(0).random((2, 20_000)) < 0.9
    pair, (low, high) = of(one, other)
    assert pair.observed > 0.8
    assert low < 0 < high
    assert high - low < 0.06


def test_kappa_is_undefined_if_both_are_always_right_or_there_is_no_stimulus():
    for values in ([1, 1, 1], [0, 0, 0], [np.nan, np.nan]):
        pair, ends = of(values, values)
        assert np.isnan([pair.kappa, *ends]).all()
    assert pair.n == 0
    assert of([1, 1, 1], [0, 0, 0])[0].kappa == 0  # the expected agreement is 0


def test_intervals_have_a_width_where_all_stimuli_agree_and_none_with_one_stimulus():
    pair, (low, high) = of([1, 0] * 12, [1, 0] * 12)
    assert (pair.kappa, high) == (1, 1)
    assert 0.5 < low < 0.9
    pair, (low, high) = of([1] * 24, [1, 0] * 12)  # kappa is 0 whatever the answers of the other one
    assert not pair.both_vary
    assert low < -0.1 < 0.1 < high
    assert np.isnan(of([1], [0])[1]).all()


def test_the_influence_of_a_stimulus_is_the_derivative_of_kappa():
    rng = np.random.default_rng(3)
    one, other = rng.integers(0, 2, (2, 15, 2)).astype(float)
    pair = error_consistency(one, other)
    step = 10_000  # copies of all stimuli, and one more of the fifth
    whole = error_consistency(np.r_[np.tile(one, (step, 1)), one[4:5]], np.r_[np.tile(other, (step, 1)), other[4:5]])
    assert (whole.kappa - pair.kappa) * (step * 15 + 1) == pytest.approx(pair.influence[4], abs=1e-3)


def test_a_stimulus_with_several_seeds_counts_once():
    one, other = drawn(np.random.default_rng(1), 0.6, 0.6, 0.3, 20)
    single, ends = of(one, other)
    repeated = error_consistency(*(np.repeat(values[:, None].astype(float), 3, axis=1) for values in (one, other)))
    assert repeated.n == 20
    assert repeated.kappa == pytest.approx(single.kappa)
    found = consistency_interval(repeated.kappa, repeated.influence, repeated.added, repeated.n)
    assert found == pytest.approx(ends)


@pytest.mark.parametrize("kappa", [0, 0.3, 0.6, 0.9])
def test_the_interval_contains_the_true_value_for_few_stimuli(kappa):
    """The documentation has the coverage by accuracy; a jackknife contains 0.9 in half of the samples of 12."""
    for n in (12, 24):
        one, other = drawn(np.random.default_rng(0), 0.5, 0.5, kappa, (2000, n))
        pairs = error_consistency(one[..., None], other[..., None])
        low, high = consistency_interval(pairs.kappa, pairs.influence, pairs.added, pairs.n)
        assert ((low <= kappa) & (kappa <= high))[np.isfinite(pairs.kappa)].mean() > 0.93


def test_only_accepted_metamers_count_and_all_natural_stimuli():
    rng = np.random.default_rng(0)
    correct = {name: rng.integers(0, 2, (2, 8, 2)) for name in "ab"}
    accepted = np.ones((1, 8, 2), bool)
    accepted[0, :3], accepted[0, 3, 1] = False, False
    recognition, acceptance = run_of(correct, accepted)
    joined = xr.concat([one["correct"] for one in recognition.values()], "recognition_model")
    joined = joined.assign_coords(recognition_model=list("ab"))
    found = consistency_by_stage(joined, acceptance["accepted"], "net", {"a": "a", "b": "b"})
    pair = found.sel(recognition_model="a", other_model="b")
    assert list(pair["n"]) == [8, 5]
    kept = [np.where(accepted[0], correct[name][1], np.nan)[3:] for name in "ab"]
    assert float(pair["error_consistency"].sel(stage="one")) == pytest.approx(float(error_consistency(*kept).kappa))
    nothing = consistency_by_stage(joined, xr.zeros_like(acceptance["accepted"]), "net", {"a": "a", "b": "b"})
    assert np.isnan(nothing["error_consistency"].sel(stage="one")).all()
    assert (nothing["n"].sel(stage="one") == 0).all()


def test_means_leave_out_the_generation_model_and_count_each_pair_of_families_once():
    rng = np.random.default_rng(0)
    correct = {name: rng.integers(0, 2, (2, 12, 1)) for name in ("net", "sibling", "a1", "a2", "b")}
    correct["right"] = np.ones((2, 12, 1), int)  # kappa with it is 0 whatever the others answer
    families = {"net": "net", "sibling": "net", "a1": "a", "a2": "a", "b": "b", "right": "c"}
    recognition, acceptance = run_of(correct)
    found = error_consistency_dataset({"net": acceptance}, {"net": recognition}, families).sel(generation_model="net")
    kappa = found["error_consistency"].sel(stage="one")

    def of_families(pairs):
        return np.mean([kappa.sel(recognition_model=one, other_model=other) for one, other in pairs])

    expected = [of_families([("sibling", "a1"), ("sibling", "a2")]), of_families([("a1", "b"), ("a2", "b")])]
    expected.append(of_families([("sibling", "b")]))
    assert int(found["between_families_pairs"].sel(stage="one")) == 5
    assert float(found["between_families"].sel(stage="one")) == pytest.approx(np.mean(expected))
    assert int(found["within_family_pairs"].sel(stage="one")) == 1
    for end in ("", "_low", "_high"):  # a single pair
        of_pair = found[f"error_consistency{end}"].sel(stage="one", recognition_model="a1", other_model="a2")
        assert float(found[f"within_family{end}"].sel(stage="one")) == pytest.approx(float(of_pair))
    assert (found["between_families_low"] < found["between_families"]).all()
    assert np.isnan(np.diagonal(kappa)).all()
    np.testing.assert_allclose(kappa, kappa.T)


def test_the_file_joins_models_with_other_stages_and_recognition_models(tmp_path):
    rng = np.random.default_rng(0)
    first, acceptance = run_of({name: rng.integers(0, 2, (2, 12, 1)) for name in "ab"})
    second = {name: data.assign_coords(stage=["natural", "two"]) for name, data in first.items()}
    second["c"] = second.pop("a")
    accepted = {"net": acceptance, "other": acceptance.assign_coords(stage=["two"])}
    families = {name: name for name in ("a", "b", "c", "net", "other")}
    found = error_consistency_dataset(accepted, {"net": first, "other": second}, families)
    assert list(found["stage"].values) == ["natural", "one", "two"]
    assert np.isnan(found["error_consistency"].sel(generation_model="net", stage="two")).all()
    assert int(found["n"].sel(generation_model="net", stage="one", recognition_model="c").sum()) == 0
    assert int(found["between_families_pairs"].sel(generation_model="other", stage="two")) == 1
    files.save(
        found, tmp_path / "x.nc", declared=ERROR_CONSISTENCY,
        title="x", source="x", step="x", run="x", seed=0, inputs=[],
    )  # fmt: skip


def test_a_single_recognition_model_has_no_pair():
    recognition, acceptance = run_of({"a": np.zeros((2, 5, 1))})
    found = error_consistency_dataset({"net": acceptance}, {"net": recognition}, {"a": "a", "net": "net"})
    assert np.isnan(found["between_families"]).all()
    assert (found["between_families_pairs"] == 0).all()


def people_and_model(rng, people, stimuli, kappa, share=1.0):
    """Answers of participants and of one model, to a share of the stimuli each."""
    model = rng.random(stimuli) < 0.6
    p = 0.6
    both = kappa * (2 * p - 2 * p * p) / 2 + p * p  # probability that both are right
    right = (rng.random((people, stimuli)) < np.where(model, both / p, (p - both) / (1 - p))).astype(float)
    right[rng.random(right.shape) > share] = np.nan
    return right, model[None].astype(float), np.array([f"s{n}" for n in range(stimuli)])


def test_the_mean_over_participants_is_that_of_their_kappas_with_the_weights_that_are_said():
    right, model, stimuli = people_and_model(np.random.default_rng(0), 5, 12, 0.4)
    right[4] = np.nan  # without an answer
    pairs = [error_consistency(one[:, None], model[0][:, None]) for one in right[:4]]
    weights = [1 - pair.expected for pair in pairs]
    mean, low, high = participants_consistency(right, model, stimuli)
    assert mean[0] == pytest.approx(np.average([pair.kappa for pair in pairs], weights=weights))
    assert low[0] < mean[0] < high[0]
    assert np.isnan(participants_consistency(right[4:], model, stimuli)).all()
    one = participants_consistency(right[:1], model, stimuli)
    assert one[0][0] == pytest.approx(pairs[0].kappa)
    assert np.isnan(one[1:]).all()


def test_participants_and_models_that_are_always_right_do_not_count_and_equal_answers_have_a_width():
    rng = np.random.default_rng(0)
    right = (rng.random((6, 12)) < 0.6).astype(float)
    names = np.arange(12)
    assert np.isnan(participants_consistency(right, np.ones((1, 12)), names)).all()
    assert np.isnan(participants_consistency(np.ones((6, 12)), right[:1], names)).all()
    mean, low, high = participants_consistency(np.tile(right[:1], (6, 1)), right[:1], names)
    assert (mean[0], high[0]) == (pytest.approx(1), 1)
    assert 0.3 < low[0] < 0.9


def test_where_only_participants_differ_the_interval_is_student_s_over_participants():
    """Five participants agree with the model about every stimulus, and five about none: kappas of 1 and -1."""
    model = np.tile([1.0, 0], 10)[None]
    right = np.repeat([model[0], 1 - model[0]], 5, axis=0)
    half = scipy.stats.t.ppf(0.975, 9) * np.std(np.repeat([1, -1], 5), ddof=1) / np.sqrt(10)
    found = participants_consistency(right, model, np.arange(20))
    np.testing.assert_allclose(found, [[0], [-half], [half]], atol=1e-12)


@pytest.mark.parametrize("kappa", [0, 0.3])
def test_the_interval_over_participants_and_stimuli_contains_the_true_value(kappa):
    rng = np.random.default_rng(0)
    found = [participants_consistency(*people_and_model(rng, 12, 24, kappa, 0.7)) for _ in range(300)]
    mean, low, high = np.array(found)[..., 0].T
    assert ((low <= kappa) & (kappa <= high)).mean() > 0.9
    assert abs(mean.mean() - kappa) < 0.03


def test_participants_are_compared_for_the_exhibits_that_they_judged(tmp_path):
    """Two groups judge metamers with different seeds, the first one also natural stimuli; a third one another model."""
    rng = np.random.default_rng(0)
    recognition, _ = run_of({name: rng.integers(0, 2, (2, 6, 2)) for name in "ab"})

    def group(*blocks):
        tables, right = [], []
        for model, stage, seed in blocks:
            tables += [(f"{stage}{n}", "main", f"s{n}", model, stage, seed) for n in range(6)]
            right.append(recognition["a"]["correct"].sel(stage=stage, seed=max(seed, 0)).values.astype(float))
        names = ("exhibit", "kind", "stimulus", "generation_model", "stage", "seed")
        columns = zip(names, zip(*tables, strict=True), strict=True)
        design = xr.Dataset(coords={name: ("exhibit", list(values)) for name, values in columns})
        answers = {"correct_by_exhibit": (("participant", "exhibit"), np.tile(np.concatenate(right), (2, 1)))}
        return xr.Dataset(answers, {"exhibit": design["exhibit"].values, "participant": ["p", "q"]}), design

    groups = [group(("net", "one", 1), ("", "natural", -1)), group(("net", "one", 0)), group(("x", "one", 0))]
    found = participants_dataset(groups, {"net": recognition}, {"net": ["one"]}).sel(generation_model="net")
    # They answer as the recognition model ``a`` does.
    np.testing.assert_allclose(found["participant_consistency"].sel(recognition_model="a"), 1)
    assert (found["participant_consistency"].sel(recognition_model="b") < 1).all()
    assert found["participants"].sel(recognition_model="a").values.tolist() == [2, 4]
    files.save(
        found, tmp_path / "x.nc", declared=OWN_PARTICIPANTS_CONSISTENCY,
        title="x", source="x", step="x", run="x", seed=0, inputs=[],
    )  # fmt: skip
