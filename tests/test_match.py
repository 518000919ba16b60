"""Measures of match against closed forms and SciPy."""

import numpy as np
import pytest
from scipy import stats

from metamers.match import match, mean_ranks


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_equal_activations_match_perfectly(rng):
    a = rng.standard_normal((3, 4))
    assert match(a, a) == pytest.approx({"normalized_error": 0, "pearson_r": 1, "spearman_rho": 1, "snr_db": np.inf})


def test_an_error_of_a_tenth_is_twenty_decibels():
    a = np.array([3.0, 4.0])
    measures = match(a, 1.1 * a)
    assert measures["normalized_error"] == pytest.approx(0.1)
    assert measures["snr_db"] == pytest.approx(20)


def test_correlations_are_scipys_ties_included(rng):
    a, b = np.maximum(rng.standard_normal((2, 200)), 0)
    measures = match(a, b)
    assert measures["pearson_r"] == pytest.approx(stats.pearsonr(a, b).statistic)
    assert measures["spearman_rho"] == pytest.approx(stats.spearmanr(a, b).statistic)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_ranks_are_scipys_to_the_bit(rng, kind):
    values = rng.standard_normal(10_001).astype(kind)
    zero = np.zeros(1, kind)
    many_ties = np.round(np.maximum(values, 0), 2)
    with_zeros = np.where(np.abs(values) < 1, np.copysign(zero, values), values)
    denormal = values * np.finfo(kind).smallest_subnormal
    neighbours = np.nextafter(np.ones(3, kind), np.array([0, 1, 2], kind))
    for some in (values, many_ties, with_zeros, denormal, neighbours, values[:1], zero):
        ranks = mean_ranks(some)
        assert ranks.dtype == np.float64
        np.testing.assert_array_equal(ranks, stats.rankdata(some))


def test_constant_activations_have_no_correlation():
    assert np.isnan(match(np.ones(3), np.array([1.0, 2.0, 3.0]))["spearman_rho"])


@pytest.mark.parametrize(
    ("natural", "other", "message"),
    [
        (np.zeros(3), np.ones(3), "all activations of the natural stimulus are zero"),
        (np.ones(3), np.ones(4), "different shapes"),
        (np.ones(3), np.array([1, np.nan, 1]), "NaN"),
    ],
)
def test_what_cannot_be_measured_is_said(natural, other, message):
    with pytest.raises(ValueError, match=message):
        match(natural, other)
