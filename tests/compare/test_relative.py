"""Recognizability relative to natural stimuli."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from metamers.compare.proportions import difference_interval
from metamers.compare.recognizability import recognizability
from metamers.compare.relative import relative_to_natural, with_relative

NAN = float("nan")


def test_the_ratio_is_of_rates_above_guessing_over_stimuli_with_metamers():
    metamers, natural = np.array([1, 0, 1, 0, NAN]), np.array([1, 1, 1, 0, 0.0])
    value, *_ = relative_to_natural(metamers, natural, 0.25)
    assert value == pytest.approx((0.5 - 0.25) / (0.75 - 0.25))


def test_the_ends_are_the_ratios_whose_residuals_barely_include_0():
    rng = np.random.default_rng(0)
    metamers, natural = rng.random((2, 30)) < np.array([[0.4], [0.9]])
    _, low, high = relative_to_natural(metamers.astype(float), natural, 0.1)
    for end, ratio in (("low", low), ("high", high)):
        residuals = (metamers - 0.1) - ratio * (natural - 0.1)
        assert float(getattr(difference_interval(residuals), end)) == pytest.approx(0, abs=1e-6)


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


def test_few_stimuli_that_are_all_recognized_have_an_interval_and_one_without_an_end_has_none():
    ones = np.ones(6)
    assert relative_to_natural(ones, ones, 1 / 16) == pytest.approx((1, 0.75, 1.33), abs=0.01)
    for stimuli in (2, 3, 4):
        _, low, high = relative_to_natural(np.ones(stimuli), np.ones(stimuli), 1 / 16)
        assert np.isfinite(low) == np.isfinite(high)


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
