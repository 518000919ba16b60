"""Recognizability relative to natural stimuli."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from metamers.compare.recognizability import recognizability
from metamers.compare.relative import relative_to_natural, with_relative

NAN = float("nan")


def test_the_ratio_is_of_rates_above_guessing_over_stimuli_with_metamers():
    metamers, natural = np.array([1, 0, 1, 0, NAN]), np.array([1, 1, 1, 0, 0.0])
    value, *_ = relative_to_natural(metamers, natural, 0.25)
    assert value == pytest.approx((0.5 - 0.25) / (0.75 - 0.25))


def test_with_many_stimuli_the_interval_is_that_of_fieller():
    """For normal means, in closed form: the ratios r with |m - r n| = t s(r)."""
    rng = np.random.default_rng(1)
    natural = (rng.random(4000) < 0.8).astype(float)
    metamers = natural * (rng.random(4000) < 0.5)
    value, low, high = relative_to_natural(metamers, natural, 0.0)
    n, t = len(natural), stats.t.ppf(0.975, len(natural) - 1)
    covariance = np.cov(metamers, natural) / n
    a = natural.mean() ** 2 - t**2 * covariance[1, 1]
    b = -2 * (metamers.mean() * natural.mean() - t**2 * covariance[0, 1])
    c = metamers.mean() ** 2 - t**2 * covariance[0, 0]
    assert sorted(np.roots([a, b, c])) == pytest.approx([float(low), float(high)], abs=2e-3)
    assert low < value < high


@pytest.mark.parametrize("rate", [1 / 16, 0.1])
def test_near_guessing_the_interval_misses_on_neither_side(rate):
    """By inverting the interval of a paired difference, up to 16% of the intervals of 50 stimuli ended below the truth."""
    rng = np.random.default_rng(0)
    metamers, natural = rng.random((2, 2000, 50)) < np.array([rate, 0.8])[:, None, None]
    _, low, high = relative_to_natural(metamers, natural.astype(float), 1 / 16)
    truth = (rate - 1 / 16) / (0.8 - 1 / 16)
    assert np.mean(low > truth) < 0.04
    assert np.mean(high < truth) < 0.04


def test_few_stimuli_that_are_all_recognized_have_an_interval_and_unrecognized_natural_stimuli_none():
    ones = np.ones(6)
    assert relative_to_natural(ones, ones, 1 / 16) == pytest.approx((1, 0.58, 1.71), abs=0.01)
    half = (np.arange(6) < 2).astype(float)
    value, low, high = relative_to_natural(half, half, 1 / 4)
    assert value == 1
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize(
    ("metamers", "natural"),
    [([1, 0, 1.0], [0, 0, 0.0]), ([NAN] * 3, [1, 1, 1.0]), ([1, NAN, NAN], [1, 1, 1.0])],
)
def test_there_is_no_interval_without_recognized_natural_stimuli_or_with_one_stimulus(metamers, natural):
    _, low, high = relative_to_natural(np.array(metamers), np.array(natural), 0.1)
    assert np.isnan([low, high]).all()


def test_each_recognition_model_is_compared_with_its_own_natural_performance():
    stimuli = [f"s{number}" for number in range(20)]
    coords = {"stimulus": stimuli, "seed": [0]}
    right = {"good": (20, 10), "poor": (10, 5)}
    recognition = {
        "net": {
            name: xr.Dataset(
                {"correct": (("stage", "stimulus", "seed"), np.array([np.arange(20) < k for k in of])[..., None])},
                coords | {"stage": ["natural", "last"]},
            )
            for name, of in right.items()
        }
    }
    accepted = xr.DataArray(np.ones((1, 20, 1), bool), coords | {"stage": ["last"]}, ("stage", "stimulus", "seed"))
    acceptance = {"net": xr.Dataset({"accepted": accepted})}
    families = dict.fromkeys(["net", *right], "a")
    whole = with_relative(recognizability(acceptance, recognition, families), acceptance, recognition, {"net": 0.0})
    relative = whole["relative_to_natural"].sel(generation_model="net")
    assert relative.sel(stage="last").values.tolist() == pytest.approx([0.5, 0.5])
    assert relative.sel(stage="natural").isnull().all()
