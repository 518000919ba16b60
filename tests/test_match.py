"""Measures of match against closed forms and SciPy, one pair at a time and all pairs at once."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from metamers.match import MEASURES, match, mean_ranks
from metamers.null import NULL_MEASURES, accept, choose_pairs, null_distribution


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


def test_the_null_distribution_is_the_match_of_each_pair(rng):
    activations = np.maximum(rng.standard_normal((5, 2, 30)), 0).astype(np.float32)
    pairs = choose_pairs(5, 100, seed=0)
    assert len(pairs) == 20  # ordered pairs: the signal-to-noise ratio refers to the first
    null = null_distribution(activations, pairs)
    each = [match(activations[a], activations[b]) for a, b in pairs]
    for name in NULL_MEASURES:
        np.testing.assert_allclose(null[name], [measures[name] for measures in each], rtol=1e-9, atol=1e-12)


def test_pairs_are_of_different_stimuli_and_never_twice():
    pairs = choose_pairs(30, 100, seed=1)
    assert len({tuple(pair) for pair in pairs}) == 100
    assert (pairs[:, 0] != pairs[:, 1]).all()
    np.testing.assert_array_equal(pairs, choose_pairs(30, 100, seed=1))


def test_acceptance_needs_the_whole_null_distribution_below_and_the_category_kept():
    dims = ("stage", "stimulus", "seed")
    rho = np.array([[[0.5], [0.5], [0.3], [np.nan]]])
    metamers = xr.Dataset(
        {name: (dims, rho) for name in MEASURES}
        | {"predicted_category": (dims, [[["dog"], ["cat"], ["dog"], ["dog"]]])},
        coords={"stage": ["s"], "stimulus": list("abcd"), "seed": [0], "category": ("stimulus", ["dog"] * 4)},
    )
    null = xr.Dataset({"spearman_rho": (("stage", "pair"), [[0.1, 0.3]])}, coords={"stage": ["s"]})
    accepted = accept(metamers, null)
    assert accepted["above_null"].values.ravel().tolist() == [True, True, False, False]
    assert accepted["category_preserved"].values.ravel().tolist() == [True, False, True, True]
    assert accepted["accepted"].values.ravel().tolist() == [True, False, False, False]


def test_the_same_ranks_are_not_above_the_null_by_rounding():
    rng = np.random.default_rng(0)
    for _ in range(50):
        natural = rng.standard_normal((2, 4)).astype(np.float32)
        natural[1] = np.sort(natural[1])[np.argsort(np.argsort(natural[0]))]  # in the order of the other: rho is 1
        null = null_distribution(natural, choose_pairs(2, 10, seed=0))["spearman_rho"]
        metamer = match(natural[0], 2 * natural[0])
        dims = ("stage", "stimulus", "seed")
        metamers = xr.Dataset(
            {name: (dims, [[[metamer[name]]]]) for name in MEASURES} | {"predicted_category": (dims, [[["dog"]]])},
            coords={"stage": ["s"], "stimulus": ["a"], "seed": [0], "category": ("stimulus", ["dog"])},
        )
        distribution = xr.Dataset({"spearman_rho": (("stage", "pair"), null[None])}, coords={"stage": ["s"]})
        assert not accept(metamers, distribution)["accepted"].any()
