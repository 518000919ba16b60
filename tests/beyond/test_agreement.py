"""Agreement of sensitivities, and its relation to recognition, where algebra says what they are."""

import numpy as np
import pytest
import xarray as xr

from metamers.beyond.agreement import FEWEST_STIMULI, agreement, agreements, log_ratios_of_extremes
from metamers.beyond.sensitivity import FLOOR

RECOGNITION_MODELS = {"a": ["b", "c"], "b": ["a", "c"]}


def sensitivities(values, mean=0.0, stage="last"):
    """One depth and stimulus: (generation_model, extreme, sensing_model)."""
    values = np.asarray(values, dtype=float)[None, None]
    names = ["a", "b", "c"][: values.shape[-1]]
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
            "sensing_stage": (("depth", "sensing_model"), [[stage] * len(names)]),
        },
    )


def test_agreement_is_the_log_ratio_relative_to_the_own_one():
    # a tells its extremes apart by a factor of 100, b by 10, c not at all; the other way round for those of b.
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
    """Two models at depths 0.5 and 1; the log ratio of c, relative to the own one, is ``agreeing`` (model, depth)."""
    blocks = []
    for depth in range(2):
        own = [[[np.e, np.e, np.exp(agreeing[model][depth])], [1, 1, 1]] for model in range(2)]
        own[0][0][1], own[1][0][0] = np.exp(agreeing[0][depth]), np.exp(agreeing[1][depth])
        one = sensitivities(own, stage=("middle", "last")[depth]).assign_coords(depth=[0.5 * (depth + 1)])
        blocks.append(xr.concat([one.assign_coords(stimulus=[f"s{n}"]) for n in range(stimuli)], "stimulus"))
    return xr.concat(blocks, "depth")


def test_the_correlation_with_recognition_is_that_of_ranks_over_models_and_depths():
    found = many([[0.9, 0.2], [0.7, 0.1]])
    recognized = {"a": np.array([[1, 1, 1.0], [0, 0, 1]]), "b": np.array([[1, 1, 0.0], [0, 0, 0]])}
    accepted = {name: np.ones((2, 3), dtype=bool) for name in recognized}
    families = {name: name for name in ("a", "b", "c")}
    made = agreement(found, recognized, accepted, RECOGNITION_MODELS, families, 0)
    np.testing.assert_allclose(made["mean_agreement"], [[0.9, 0.2], [0.7, 0.1]])
    np.testing.assert_allclose(made["proportion_correct"], [[1, 1 / 3], [2 / 3, 0]])
    assert float(made["spearman_rho"]) == pytest.approx(1)
    assert np.isnan(made["low"])  # three stimuli are too few for an interval
    assert made["stage"].values.tolist() == [["middle", "last"]] * 2
    # In opposite order.
    assert (
        float(
            agreement(many([[0.1, 0.7], [0.2, 0.9]]), recognized, accepted, RECOGNITION_MODELS, families, 0)[
                "spearman_rho"
            ]
        )
        < 0
    )
    # A metamer that is not accepted does not count; too few points have no correlation.
    accepted["a"][0] = False
    few = agreement(found, recognized, accepted, RECOGNITION_MODELS, families, 0)
    assert np.isnan(few["spearman_rho"])
    assert int(few["points"]) == 3
    assert int(few["n"].sel(generation_model="a").isel(depth=0)) == 0


def test_models_of_one_family_count_once():
    found = sensitivities([[[np.e, np.e, 1], [1, 1, 1]], [[np.e, np.e, 1], [1, 1, 1]]])
    recognized = {name: np.ones((1, 2)) for name in "ab"}
    accepted = {name: np.ones((1, 2), dtype=bool) for name in "ab"}
    apart = agreement(found, recognized, accepted, RECOGNITION_MODELS, {name: name for name in ("a", "b", "c")}, 0)
    np.testing.assert_allclose(apart["mean_agreement"], 0.5)
    found = xr.concat([found, found.sel(sensing_model=["c"]).assign_coords(sensing_model=["c_2"])], "sensing_model")
    families = {"a": "a", "b": "b", "c": "c", "c_2": "c"}
    np.testing.assert_allclose(
        agreement(found, recognized, accepted, RECOGNITION_MODELS, families, 0)["mean_agreement"], 0.5
    )


def of_five(kept):
    """Rank correlation with its interval, where ρ of a sample is 1 if it contains the metamer ``kept``, and else −1."""
    found = many([[0.9, 0.3], [0.7, 0.1]], FEWEST_STIMULI)
    recognized = {"a": np.full((2, FEWEST_STIMULI), 0.0), "b": np.full((2, FEWEST_STIMULI), 0.0)}
    # Without the metamer, the order is the opposite one.
    for rank, (name, depth) in enumerate((("b", 1), ("a", 1), ("b", 0), ("a", 0))):
        recognized[name][depth] = 0.3 - 0.1 * rank
        recognized[name][depth, kept] = 10 * (rank + 1)
    return found, recognized


def test_the_interval_is_that_of_samples_of_stimuli():
    found, recognized = of_five(2)
    accepted = {name: np.ones((2, FEWEST_STIMULI), dtype=bool) for name in recognized}
    families = {name: name for name in ("a", "b", "c")}
    made = agreement(found, recognized, accepted, RECOGNITION_MODELS, families, 0)
    assert float(made["spearman_rho"]) == pytest.approx(1)
    # A sample of five lacks the metamer in (4/5)⁵, 33%, of cases: more than the 2.5% below the interval.
    assert float(made["low"]) == pytest.approx(-1)
    assert float(made["high"]) == pytest.approx(1)
    # A metamer that is not accepted never counts, in no sample.
    for own in accepted.values():
        own[:, 2] = False
    without = agreement(found, recognized, accepted, RECOGNITION_MODELS, families, 0)
    assert [float(without[name]) for name in ("spearman_rho", "low", "high")] == pytest.approx([-1, -1, -1])


def test_an_interval_needs_more_than_a_rare_sample_to_reach_a_value():
    """With a hundred further metamers, only very rare samples lack all of those that decide."""
    found = many([[0.9, 0.3], [0.7, 0.1]], FEWEST_STIMULI)
    recognized = {name: np.zeros((2, 105)) for name in "ab"}
    for rank, (name, depth) in enumerate((("b", 1), ("a", 1), ("b", 0), ("a", 0))):
        recognized[name][depth] = 0.1 * rank
    accepted = {name: np.ones((2, 105), dtype=bool) for name in recognized}
    made = agreement(found, recognized, accepted, RECOGNITION_MODELS, {name: name for name in ("a", "b", "c")}, 0)
    assert [float(made[name]) for name in ("low", "high")] == pytest.approx([1, 1])


def test_a_stage_that_is_the_nearest_at_two_depths_is_one_point():
    found = many([[0.9, 0.2], [0.7, 0.1]])
    found["sensing_stage"][:] = "last"
    recognized = {name: np.ones((2, 3)) for name in "ab"}
    accepted = {name: np.ones((2, 3), dtype=bool) for name in "ab"}
    made = agreement(found, recognized, accepted, RECOGNITION_MODELS, {name: name for name in ("a", "b", "c")}, 0)
    assert int(made["points"]) == 2


def test_only_recognition_models_count_in_the_agreement():
    found = many([[0.9, 0.2], [0.7, 0.1]])
    found["sensitivity"].loc[{"sensing_model": "b", "generation_model": "a", "extreme": "most"}] = np.e
    recognized = {name: np.ones((2, 3)) for name in "ab"}
    accepted = {name: np.ones((2, 3), dtype=bool) for name in "ab"}
    families = {name: name for name in ("a", "b", "c")}
    both = agreement(found, recognized, accepted, RECOGNITION_MODELS, families, 0)
    alone = agreement(found, recognized, accepted, {"a": ["c"], "b": ["c"]}, families, 0)
    np.testing.assert_allclose(both["mean_agreement"].sel(generation_model="a"), [0.95, 0.6])
    np.testing.assert_allclose(alone["mean_agreement"].sel(generation_model="a"), [0.9, 0.2])
