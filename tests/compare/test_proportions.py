"""Intervals of proportions and of paired differences: closed forms, a published example, and statsmodels."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from statsmodels.stats.proportion import proportion_confint

from metamers.compare.proportions import (
    difference_interval,
    mean_of_known,
    networks_interval,
    proportion_interval,
    ratio_interval,
)


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


def test_for_single_answers_the_interval_is_agresti_and_min_s_with_three_additional_pairs():
    """In the table of two answers, half of the added weight is in the cells without a difference."""
    b, c, n = 9, 2, 24
    found = difference_interval(np.concatenate([np.ones(b), -np.ones(c), np.zeros(n - b - c)]))
    b, c, n = b + 0.75, c + 0.75, n + 3
    middle, error = (b - c) / n, np.sqrt((b + c - (b - c) ** 2 / n) / (n * (n - 1)))
    half = scipy.stats.t.ppf(0.975, 23) * error
    np.testing.assert_allclose([found.low, found.high], [middle - half, middle + half])
    assert found.value == pytest.approx(7 / 24)


def test_with_many_different_stimuli_the_interval_is_student_s():
    differences = np.random.default_rng(0).uniform(-0.4, 0.8, 400)
    found = difference_interval(differences)
    expected = scipy.stats.ttest_1samp(differences, 0).confidence_interval()
    np.testing.assert_allclose([found.low, found.high], expected, atol=2e-3)


def test_equal_differences_have_an_interval_with_a_width():
    """The smallest variance is that of one stimulus among 20, or among all if there are more."""
    for n, smallest in ((6, 1 / 20), (40, 1 / 40)):
        found, half = difference_interval(np.full(n, 0.001)), scipy.stats.t.ppf(0.975, n - 1) * np.sqrt(smallest / n)
        np.testing.assert_allclose([found.low, found.high], [0.001 - half, 0.001 + half], rtol=1e-3)
    found = difference_interval(np.zeros((2, 6)))
    assert (found.high > 0.2).all()
    np.testing.assert_allclose(found.low, -found.high)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_single_answers_exclude_0_from_six_stimuli_on_as_in_the_exact_sign_test(n):
    p = scipy.stats.binomtest(n, n).pvalue
    assert (difference_interval(np.ones(n)).low > 0) == (p < 0.05) == (n == 6)


def test_two_stimuli_say_nothing_and_three_do_not_exclude_0():
    for n, width in ((2, 2), (3, 1)):
        grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 41)] * n), axis=-1)
        found = difference_interval(grid)
        assert (found.low <= 0).all()
        assert (found.high >= 0).all()
        assert (found.high - found.low >= width).all()


def graded_differences(n, apart, samples=2000):
    """Differences of two models (sample, stimulus), over three stages and two recognition models; and the true mean.

    Stimuli vary in difficulty and, less, in their difference.
    """
    rng = np.random.default_rng(1)

    def draw(size):
        difficulty = 1.5 * rng.standard_normal((1, 1, *size)) + rng.standard_normal((2, 1, *size))
        between = apart + rng.standard_normal((1, 1, *size))
        stages = np.array([0.5, -0.5, -1.5]).reshape(1, 3, 1, 1)
        return [scipy.special.expit(difficulty + stages + sign * between / 2) for sign in (1, -1)]

    one, other = ((rng.random(p.shape) < p).mean(axis=(0, 1)) for p in draw((samples, n)))
    first, second = draw((1, 100_000))
    return one - other, (first - second).mean()


def test_the_interval_neither_misses_the_true_difference_nor_is_far_too_wide():
    differences, truth = graded_differences(10, 1.5)
    assert truth == pytest.approx(0.23, abs=0.02)
    found = difference_interval(differences)
    assert 0.93 < np.mean((found.low <= truth) & (truth <= found.high)) < 0.985
    assert np.mean(found.low > 0) > 0.45  # Agresti and Min's interval with Student's quantile: 0.12
    differences, _ = graded_differences(10, 0)
    found = difference_interval(differences)
    assert np.mean((found.low > 0) | (found.high < 0)) < 0.05


def test_rare_large_differences_are_covered():
    """Few stimuli have a large difference, and many samples have none of these: Student's interval covers 64%."""
    rng = np.random.default_rng(0)
    differences = np.where(rng.random((4000, 20)) < 0.06, 1.0, 0.02 * rng.standard_normal((4000, 20)))
    found = difference_interval(differences)
    assert np.mean((found.low <= 0.06) & (found.high >= 0.06)) > 0.92


def test_exchanging_the_models_reverses_the_interval():
    differences = np.random.default_rng(0).integers(-3, 4, (20, 7)) / 3
    one, other = difference_interval(differences), difference_interval(-differences)
    np.testing.assert_allclose(one.low, -other.high, atol=1e-9)


def test_missing_stimuli_are_left_out():
    differences = np.array([1, 0, -1, 1, np.nan, 0.5, 0.25])
    whole, left = difference_interval(differences), difference_interval(differences[np.isfinite(differences)])
    np.testing.assert_allclose([*whole], [*left])


def two_groups(rng, networks, stimuli, samples=1, of_networks=1.0):
    """Answers (network, sample, stimulus) of two groups of networks without a difference, with log odds of all effects."""
    difficulty = rng.standard_normal((samples, stimuli))
    return [
        rng.random((networks, samples, stimuli))
        < scipy.special.expit(
            of_networks * rng.standard_normal((networks, samples, 1))
            + difficulty
            + 0.5 * rng.standard_normal((samples, stimuli))
        )
        for _ in range(2)
    ]


def test_one_network_on_each_side_gives_the_interval_over_stimuli():
    one, other = two_groups(np.random.default_rng(0), 1, 30)
    np.testing.assert_array_equal(networks_interval(one, other), difference_interval(one[0] * 1.0 - other[0]))


@pytest.mark.parametrize("n", [12, 2000])
def test_the_variance_over_networks_and_stimuli_is_that_of_the_mean_squares(n):
    """To the variance of the difference over stimuli is added, for each group, (MS_networks − MS_rest) / (K n)."""
    k = 4
    groups = [group[:, 0] * 1.0 for group in two_groups(np.random.default_rng(1), k, n)]
    found = networks_interval(*groups)
    differences = groups[0].mean(axis=0) - groups[1].mean(axis=0)
    variance = difference_interval(differences).standard_error ** 2
    squares = variance**2 / (n - 1)
    for group in groups:
        networks = n * group.mean(axis=1).var(ddof=1)
        residuals = group - group.mean(axis=0) - group.mean(axis=1, keepdims=True) + group.mean()
        rest = (residuals**2).sum() / ((n - 1) * (k - 1))
        assert networks > rest
        variance += (networks - rest) / (k * n)
        squares += ((networks / (k * n)) ** 2 + (rest / (k * n)) ** 2 / (n - 1)) / (k - 1)
    assert found.value == pytest.approx(differences.mean())
    assert found.standard_error == pytest.approx(np.sqrt(variance))
    half = scipy.stats.t.ppf(0.975, variance**2 / squares) * np.sqrt(variance)
    assert found.high - found.low == pytest.approx(2 * half)


EVEN, HALF, UNEVEN = np.zeros(5), np.full(5, 0.5), np.array([0, 0.9, 0.9, 0.9, 0.9])


@pytest.mark.parametrize("refused", [EVEN, HALF, UNEVEN], ids=["none", "half", "uneven"])
@pytest.mark.parametrize(("networks", "of_networks"), [(3, 0.3), (5, 0), (5, 0.3), (5, 1)])
def test_the_interval_over_networks_contains_the_truth(networks, of_networks, refused):
    """With none, half, or very unequal proportions of the metamers of each network refused."""
    rng = np.random.default_rng(2)
    groups = [
        np.where(rng.random(one.shape) < refused[:networks, None, None], np.nan, one)
        for one in two_groups(rng, networks, 60, 2000, of_networks)
    ]
    found = networks_interval(*groups)
    assert ((found.low <= 0) & (found.high >= 0)).mean() > 0.94
    over_stimuli = difference_interval(mean_of_known(groups[0]) - mean_of_known(groups[1]))
    if of_networks == 1:
        assert ((over_stimuli.low <= 0) & (over_stimuli.high >= 0)).mean() < 0.7


@pytest.mark.parametrize("answering", [1, 2])
def test_a_group_of_which_two_networks_have_answers_has_no_interval(answering):
    """Two networks against ten: where the two vary more, an interval would contain the truth in 87% of the samples."""
    one, other = (group[:, 0] for group in two_groups(np.random.default_rng(3), 10, 30))
    refused = np.where(np.arange(10)[:, None] >= answering, np.nan, one)
    for pair in ((refused, other), (other, refused), (one[:answering], other)):
        found = networks_interval(*pair)
        assert np.isfinite(found.value)
        assert np.isnan([found.low, found.high]).all()


def test_the_interval_of_a_ratio_is_that_of_a_known_denominator_and_wider_otherwise():
    one = (0.6, 0.4, 0.75)
    assert ratio_interval(one, (0.8, 0.8, 0.8)) == pytest.approx((0.75, 0.5, 0.9375))
    assert np.isnan(ratio_interval(one, (-0.1, 0.0, 0.2))).all()
    value, low, high = ratio_interval(one, (0.8, 0.7, 0.88))
    assert value == pytest.approx(0.75)
    assert low < 0.5
    assert high > 0.9375


@pytest.mark.parametrize("correlation", [0, 0.5, -0.7])
@pytest.mark.parametrize("a", [0.6, 0.02, -0.3])
def test_the_interval_of_a_ratio_is_that_of_fieller_where_both_are_normal(a, correlation):
    """Of two means with normal errors; the ends are the ratios whose difference is barely significant."""
    b, a_error, b_error, z = 0.8, 0.07, 0.04, 1.959964
    one, other = (a, a - z * a_error, a + z * a_error), (b, b - z * b_error, b + z * b_error)
    _, *ends = ratio_interval(one, other, correlation)
    covariance = correlation * a_error * b_error
    roots = np.roots([b**2 - (z * b_error) ** 2, -2 * (a * b - z**2 * covariance), a**2 - (z * a_error) ** 2])
    assert ends == pytest.approx(sorted(roots))


@pytest.mark.parametrize(
    ("one", "other"), [((0.6, np.nan, np.nan), (0.8, 0.7, 0.9)), ((0.6, 0.4, 0.8), (0.8, np.nan, np.nan))]
)
def test_a_ratio_without_one_of_the_two_intervals_has_none(one, other):
    value, low, high = ratio_interval(one, other)
    assert value == pytest.approx(0.75)
    assert np.isnan([low, high]).all()
