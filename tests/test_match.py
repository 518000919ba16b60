"""Measures of match against closed forms and SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from metamers.match import MEASURES, NULL_MEASURES, Group, Measure, match, match_each, match_of_pairs, mean_ranks


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_equal_activations_match_perfectly(rng):
    a, b = rng.standard_normal((2, 3, 4))
    equal, other = match(a, a), match(a, b)
    closed = {"normalized_error": 0, "pearson_r": 1, "spearman_rho": 1, "snr_db": np.inf}
    assert {name: equal[name] for name in closed} == pytest.approx(closed)
    assert all(equal[name] > other[name] for name in NULL_MEASURES)


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
    measures = match(np.ones(3), np.array([1.0, 2.0, 3.0]))
    assert np.isnan([measures[name] for name in ("spearman_rho", "pearson_r")]).all()


@pytest.mark.parametrize(
    ("natural", "other", "message"),
    [
        (np.zeros(3), np.ones(3), "zero"),
        (np.ones(3), np.ones(4), r"\(3,\).*\(4,\)"),
        (np.ones(3), np.array([1, np.nan, 1]), "NaN"),
    ],
)
def test_what_cannot_be_measured_is_said(natural, other, message):
    with pytest.raises(ValueError, match=message):
        match(natural, other)


def test_each_stimulus_has_the_match_of_its_own_activations(rng):
    natural, other = rng.standard_normal((2, 3, 4, 5))
    found = match_each(natural, other)
    for n in range(3):
        assert {measure: values[n] for measure, values in found.items()} == match(natural[n], other[n])


def test_a_metamer_with_exactly_the_target_error_has_converged():
    natural = np.array([[3.0, 4.0]] * 3)
    found = match_each(natural, natural * [[1.5], [0.5], [0.25]], target_error=0.5)
    assert found["converged"].tolist() == [True, True, False]


@pytest.fixture
def groups(rng, monkeypatch):
    """Two groups of stimuli in nine chunks of units: one stimulus is silent, two are equal, and one is constant."""
    monkeypatch.setattr("metamers.match.CHUNK", 250)
    values = np.maximum(rng.standard_normal((9, 3, 700)), 0).astype(np.float32)
    values[1], values[6], values[7] = 0, values[0], 2
    return Group(values[:5]), Group(values[5:])


PAIRS = np.array([(row, column) for row in range(5) for column in range(4)])


@pytest.mark.parametrize("name", NULL_MEASURES)
def test_the_fast_form_of_a_measure_agrees_with_its_pairs(groups, name):
    fast = match_of_pairs(NULL_MEASURES[name], *groups, *PAIRS.T)
    one_by_one = match_of_pairs(replace(NULL_MEASURES[name], of_groups=None), *groups, *PAIRS.T)
    equal = (PAIRS == (0, 1)).all(axis=1)
    # Rounding leaves an error of equal activations in the fast form, or none.
    large = (name == "snr_db") & (fast[equal] > 100).all() & (one_by_one[equal] == np.inf).all()
    compared = ~equal if large else np.ones(len(PAIRS), bool)
    np.testing.assert_allclose(fast[compared], one_by_one[compared], rtol=1e-9, atol=1e-9)
    assert (fast[PAIRS[:, 0] == 1] == 0).all()


def test_a_measure_without_a_fast_form_is_computed_for_each_pair(groups):
    cosine = Measure("Cosine similarity", 3, lambda a, b: float(a @ b / np.sqrt((a @ a) * (b @ b))))
    found = match_of_pairs(cosine, *groups, *PAIRS.T)
    for (row, column), value in zip(PAIRS, found, strict=True):
        a, b = (
            group.scores["activations"][place].astype(float) for group, place in zip(groups, (row, column), strict=True)
        )
        assert value == (0 if row == 1 else pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b)))


def test_every_measure_is_in_the_result(rng):
    assert list(match(*rng.standard_normal((2, 5)))) == list(MEASURES)
