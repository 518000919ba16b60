"""The predictive distribution of counts is the binomial, the beta-binomial or uniform where theory says so."""

import numpy as np
import pytest
import scipy.stats

from metamers.preregister.predictive import (
    answer_correlation,
    central_interval,
    count_distribution,
    log_score,
    shared_pairs,
)


def test_one_answer_of_each_participant_is_binomial():
    """Answers of different participants are independent, however much participants differ."""
    found = count_distribution(np.array([0.3]), np.ones(12, int), variance=0.5)
    np.testing.assert_allclose(found, scipy.stats.binom.pmf(np.arange(13), 12, 0.3), rtol=1e-10)


def test_one_participant_is_beta_binomial():
    mean, variance = 0.3, 0.5
    strength = 1 / (variance * mean * (1 - mean)) - 1
    found = count_distribution(np.array([mean]), np.array([15]), variance)
    wanted = scipy.stats.betabinom.pmf(np.arange(16), 15, mean * strength, (1 - mean) * strength)
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_participants_without_differences_are_binomial():
    found = count_distribution(np.array([0.3]), np.array([10, 20]), variance=0)
    np.testing.assert_allclose(found, scipy.stats.binom.pmf(np.arange(31), 30, 0.3), rtol=1e-10)


def test_a_uniform_mean_gives_a_uniform_count():
    """The integral of binomial probabilities over p is 1 / (n + 1) for every count (Bayes 1763)."""
    means = (np.arange(4000) + 0.5) / 4000
    found = count_distribution(means, np.ones(9, int), variance=0.2)
    np.testing.assert_allclose(found, 1 / 10, rtol=1e-4)
    assert log_score(4, means, np.ones(9, int), 0.2) == pytest.approx(-np.log(10), abs=1e-4)


@pytest.mark.parametrize("trials", [[10] * 20, [1, 5, 30, 4], [2, 2]])
def test_mean_and_variance_are_those_of_participants_who_differ(trials):
    """For a sum of beta-binomial numbers: n m, and m (1 - m) Σ t (1 + (t - 1) ρ)."""
    trials, mean, variance = np.array(trials), 0.4, 0.3
    found = count_distribution(np.array([mean]), trials, variance)
    counts, rho = np.arange(trials.sum() + 1), variance * mean * (1 - mean)
    assert found.sum() == pytest.approx(1)
    assert found @ counts == pytest.approx(trials.sum() * mean)
    spread = found @ counts**2 - (found @ counts) ** 2
    assert spread == pytest.approx(mean * (1 - mean) * (trials * (1 + (trials - 1) * rho)).sum())


def test_simulated_participants_have_the_predicted_distribution():
    """Log odds of participants are normal, as the study's participants are described; the delta method is close."""
    rng = np.random.default_rng(0)
    odds = np.log(0.4 / 0.6) + 0.37 * rng.standard_normal((40_000, 20))
    right = rng.binomial(10, 1 / (1 + np.exp(-odds))).sum(axis=1)
    mean = right.mean() / 200
    found = count_distribution(np.array([mean]), np.full(20, 10), 0.37**2)
    for level in (0.5, 0.8, 0.95):
        low, high = central_interval(found, level)
        assert np.mean((right >= low) & (right <= high)) == pytest.approx(found[low : high + 1].sum(), abs=0.015)


def test_the_log_score_is_the_log_of_the_probability():
    means, trials = np.array([0.1, 0.35, 0.9]), np.array([7, 9, 11])
    found = count_distribution(means, trials, 0.3)
    for right in (0, 8, 27):
        assert log_score(right, means, trials, 0.3) == pytest.approx(np.log(found[right]))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_a_central_interval_leaves_at_most_half_of_its_complement_on_each_side(level):
    found = scipy.stats.binom.pmf(np.arange(41), 40, 0.2)
    low, high = central_interval(found, level)
    wanted = scipy.stats.binom.interval(level, 40, 0.2)
    assert (low, high) == tuple(map(int, wanted))
    assert found[low : high + 1].sum() >= level
    assert found[:low].sum() <= (1 - level) / 2
    assert found[high + 1 :].sum() <= (1 - level) / 2


def test_certain_counts_have_an_interval_of_one_number():
    assert central_interval(np.array([1.0, 0, 0]), 0.95) == (0, 0)
    assert central_interval(np.array([0, 0, 1.0]), 0.95) == (2, 2)


def test_pairs_of_answers_are_counted():
    assert shared_pairs(np.array([3])) == 1
    assert shared_pairs(np.array([1, 1, 1])) == 0
    assert shared_pairs(np.array([2, 2])) == pytest.approx(2 / 6)  # pairs: 2 within, 4 between
    assert shared_pairs(np.array([1])) == 0


def test_answers_correlate_most_in_the_middle_of_the_scale():
    np.testing.assert_allclose(answer_correlation(np.array([0, 0.5, 1]), 0.2), [0, 0.05, 0])


def test_extreme_means_stay_finite():
    means = np.array([1e-9, 0.5, 1 - 1e-9])
    found = count_distribution(means, np.full(30, 20), 0.4)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)
    assert np.isfinite(log_score(300, means, np.full(30, 20), 0.4))
