"""Intervals of proportions and of paired differences: closed forms, a published example, and statsmodels."""

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.proportion import proportion_confint

from metamers.compare.proportions import difference_interval, mean_difference_interval, proportion_interval


@pytest.mark.parametrize(("right", "n"), [(10, 20), (5, 10), (40, 100), (4, 9)])
def test_the_interval_of_a_proportion_is_wilson_s(right, n):
    found = proportion_interval(right / n, n)
    np.testing.assert_allclose([found.low, found.high], proportion_confint(right, n, method="wilson"), atol=1e-12)


def test_near_0_and_1_the_interval_is_wider_than_wilson_s():
    found = proportion_interval(np.array([1, 9]) / 10, 10)
    low = -np.log(0.95) / 10  # the rate at which a Poisson distribution gives one right answer or more with p 0.05
    assert found.low[0] == pytest.approx(low)
    assert found.high[1] == pytest.approx(1 - low)


def test_six_correct_answers_of_six_have_an_interval_with_a_width():
    found = proportion_interval(1.0, 6)
    assert found.low == pytest.approx(6 / (6 + 1.959964**2))
    assert found.high == 1
    assert found.standard_error > 0.05


def test_without_stimuli_there_is_no_interval():
    assert all(np.isnan(value) for value in proportion_interval(np.nan, 0))
    assert all(np.isnan(value) for value in difference_interval(np.full(3, np.nan)))
    one = difference_interval(np.array([1.0, np.nan]))
    assert one.value == 1
    assert np.isnan(one.low)
    assert np.isnan(one.high)


def test_the_score_equals_z_at_the_ends_of_the_interval_of_a_difference():
    differences = np.concatenate([np.ones(9), -np.ones(2), np.zeros(13)])
    found, n = difference_interval(differences), 24
    for delta in (found.low, found.high):
        grid = np.linspace(1e-9, (1 - abs(delta)) / 2, 200_001)[:-1]  # of q: probability of a negative difference
        likelihood = 9 * np.log(grid + delta) + 2 * np.log(grid) + 13 * np.log1p(-2 * grid - delta)
        q = grid[np.nanargmax(likelihood)]
        score = (7 - n * delta) / np.sqrt(n**2 / (n - 1) * (2 * q + delta * (1 - delta)))
        assert abs(score) == pytest.approx(1.959964, abs=1e-3)


def test_six_differences_of_0_have_an_interval_with_a_width():
    found = difference_interval(np.zeros((2, 6)))
    z2 = 1.959964**2 * 6 / 5
    np.testing.assert_allclose(found.high, z2 / (6 + z2), atol=1e-6)
    np.testing.assert_allclose(found.low, -found.high)


def test_means_of_answers_have_agresti_and_min_s_interval_with_student_s_quantile():
    """For single answers, the variance is that with half a pair added to each cell of the table."""
    b, c, n = 9, 2, 24
    found = mean_difference_interval(np.concatenate([np.ones(b), -np.ones(c), np.zeros(n - b - c)]))
    b, c, n = b + 0.5, c + 0.5, n + 2
    middle, error = (b - c) / n, np.sqrt((b + c - (b - c) ** 2 / n) / (n * (n - 1)))
    half = scipy.stats.t.ppf(0.975, 23) * error
    np.testing.assert_allclose([found.low, found.high], [middle - half, middle + half])
    assert found.value == pytest.approx(7 / 24)


def test_means_with_little_variation_are_significant_and_a_few_constant_ones_are_not():
    assert mean_difference_interval(np.full(6, 0.5)).low < 0
    assert mean_difference_interval(np.zeros(6)).high > 0.2
    several = np.array([0.1, 0.4, 0.1, 0.2, 0.2, 0.3, 0.6, 0.4, 0.5, 0.4])
    assert mean_difference_interval(several).low > 0
    assert difference_interval(several).low < 0
    one = mean_difference_interval(np.array([0.5, np.nan]))
    assert one.value == 0.5
    assert np.isnan([one.low, one.high]).all()


@pytest.mark.parametrize("interval", [difference_interval, mean_difference_interval])
def test_exchanging_the_models_reverses_the_interval(interval):
    differences = np.random.default_rng(0).integers(-3, 4, (20, 7)) / 3
    one, other = interval(differences), interval(-differences)
    np.testing.assert_allclose(one.low, -other.high, atol=1e-9)


@pytest.mark.parametrize("interval", [difference_interval, mean_difference_interval])
def test_missing_stimuli_are_left_out(interval):
    differences = np.array([1, 0, -1, 1, np.nan, 0.5, 0.25])
    whole, left = interval(differences), interval(differences[np.isfinite(differences)])
    np.testing.assert_allclose([*whole], [*left])
