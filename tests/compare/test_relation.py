"""The relation between humans and other models beyond the depth of the stage."""

import numpy as np
import pytest
import scipy.stats
from statsmodels.regression.linear_model import OLS

from metamers.compare import relation

STAGES = 7


def made(models=12, seed=0, slope=0.5):
    """Human and other models' means over depth, with a common component besides depth, and the model of each point."""
    rng = np.random.default_rng(seed)
    depth = np.linspace(0, 1, STAGES)
    common = rng.normal(size=(models, STAGES)) + rng.normal(size=(models, 1))
    people = 0.7 - 0.4 * depth + 0.1 * common + 0.03 * rng.normal(size=common.shape)
    others = 0.6 - slope * depth + 0.1 * common + 0.05 * rng.normal(size=common.shape)
    return people.ravel(), others.ravel(), np.repeat([f"m{i}" for i in range(models)], STAGES)


def residuals(y, *columns):
    return OLS(y, np.column_stack([np.ones(len(y)), *columns])).fit()


def test_the_first_stage_of_a_model_has_depth_0_and_its_last_1():
    found = relation.relative_position(["b", "b", "a", "b", "c", "a"])
    np.testing.assert_allclose(found, [0, 0.5, 0, 1, 0, 1])


def test_the_correlations_equal_those_of_explicit_regressions():
    people, others, models = made()
    depth = np.tile(np.linspace(0, 1, STAGES), 12)
    found = relation.relation_beyond_position(people, others, models)
    assert found["depth_r2"] == pytest.approx(residuals(people, depth).rsquared)
    assert found["depth_square_r2"] == pytest.approx(residuals(people, depth, depth**2).rsquared)
    left = [residuals(values, depth, depth**2).resid for values in (people, others)]
    assert found["partial_r2"] == pytest.approx(scipy.stats.pearsonr(*left).statistic ** 2)
    inside = (people >= 0.2) & (people <= 0.9) & (others >= 0.2) & (others <= 0.9)
    assert found["inside_n"] == inside.sum()
    assert 0 < inside.sum() < len(people)
    assert found["inside_r2"] == pytest.approx(scipy.stats.pearsonr(people[inside], others[inside]).statistic ** 2)


def test_a_negative_relation_has_a_negative_sign_and_that_of_depth_has_none():
    people, others, models = made()
    up = relation.relation_beyond_position(people, others, models)
    down = relation.relation_beyond_position(1.1 - people, others, models)
    assert down["partial_r2"] == pytest.approx(-up["partial_r2"])
    assert (down["partial_r2_low"], down["partial_r2_high"]) == pytest.approx(
        (-up["partial_r2_high"], -up["partial_r2_low"])
    )
    assert down["depth_r2"] == pytest.approx(up["depth_r2"])
    assert (down["depth_r2_low"], down["depth_r2_high"]) == pytest.approx((up["depth_r2_low"], up["depth_r2_high"]))


def test_two_series_with_only_depth_in_common_are_correlated_but_not_given_depth():
    rng = np.random.default_rng(0)
    depth = np.tile(np.linspace(0, 1, STAGES), 30)
    people, others = (0.8 - 0.7 * depth + 0.05 * rng.normal(size=len(depth)) for _ in range(2))
    found = relation.relation_beyond_position(people, others, np.repeat(np.arange(30), STAGES))
    assert scipy.stats.pearsonr(people, others).statistic ** 2 > 0.8
    assert found["partial_r2_low"] < 0 < found["partial_r2_high"]
    assert abs(found["partial_r2"]) < 0.05


def test_the_interval_is_a_jackknife_of_fisher_s_z_over_models():
    people, others, models = made(models=9)
    found = relation.relation_beyond_position(people, others, models)
    depth = np.tile(np.linspace(0, 1, STAGES), 9)
    z = [
        np.arctanh(scipy.stats.pearsonr(people[models != left], depth[models != left]).statistic)
        for left in np.unique(models)
    ]
    error = np.sqrt(8 / 9 * ((z - np.mean(z)) ** 2).sum())
    whole = np.arctanh(scipy.stats.pearsonr(people, depth).statistic)
    ends = np.tanh(whole + scipy.stats.t.ppf([0.025, 0.975], 8) * error) ** 2
    np.testing.assert_allclose([found["depth_r2_high"], found["depth_r2_low"]], ends)


def test_models_without_points_inside_the_scale_are_left_out_there():
    people, others, models = made(models=8, slope=0)
    people, others = people.clip(0.25, 0.85), others.clip(0.25, 0.85)
    without = relation.relation_beyond_position(people, others, models)
    with_more = relation.relation_beyond_position(
        np.append(people, np.full(STAGES, 0.05)),
        np.append(others, np.full(STAGES, 0.1)),
        np.append(models, ["x"] * STAGES),
    )
    for end in ("", "_low", "_high"):
        assert with_more[f"inside_r2{end}"] == pytest.approx(without[f"inside_r2{end}"])


def test_few_models_give_no_interval_and_few_points_no_value():
    people, others, models = made(models=5)
    found = relation.relation_beyond_position(people, others, models)
    assert np.isfinite(found["partial_r2"])
    assert np.isnan([found["partial_r2_low"], found["depth_r2_high"]]).all()
    few = relation.relation_beyond_position(people[:4], others[:4], models[:4])
    assert np.isnan(few["partial_r2"])


def test_without_variation_all_values_are_undefined():
    people, others, models = made()
    found = relation.relation_beyond_position(np.full_like(people, 0.5), others, models)
    assert np.isnan([found[name] for name in relation.NAMES]).all()


def test_with_two_stages_per_model_the_square_of_depth_adds_nothing():
    """The residual of the square is then 0 up to rounding, by which nothing may be divided."""
    rng = np.random.default_rng(0)
    common = 0.1 * rng.normal(size=20)
    people, others = (0.5 + common + 0.02 * rng.normal(size=20) for _ in range(2))
    found = relation.relation_beyond_position(people, others, np.repeat(np.arange(10), 2))
    assert found["depth_square_r2"] == pytest.approx(found["depth_r2"])
    assert 0.8 < found["partial_r2"] < 1
