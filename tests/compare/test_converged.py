"""Convergence of stages: the share of their metamers that have reached the target."""

import numpy as np
import pytest
import xarray as xr

from metamers.compare.converged import converged_stages, have_converged, worst_median_error

ERRORS = np.array([[[0.001]], [[0.08]], [[0.2]]]) * [[[0.5], [1], [3], [5]]]  # (stage, stimulus, seed)
ACCEPTANCE = xr.Dataset(
    {"normalized_error": (("stage", "stimulus", "seed"), ERRORS)}, {"stage": ["input", "early", "late"]}
)


def test_a_stage_has_converged_exactly_if_half_of_its_metamers_have_reached_the_target():
    assert converged_stages(ACCEPTANCE, {"early": 0.08, "late": 0.19}) == {"early": True, "late": False}
    assert converged_stages(ACCEPTANCE, {}) == {}


@pytest.mark.parametrize(
    ("targets", "stages", "converged"),
    [
        ({"early": 0.1, "late": 0.2}, ("early", "late"), True),  # exactly half of them, at exactly the target
        ({"early": 0.1, "late": 0.19}, ("early", "late"), False),
        ({"early": 0.1, "late": 0.19}, ("early",), True),
        ({"early": 0.1}, ("early", "late"), False),  # a stage without a target
    ],
)
def test_all_stages_must_have_reached_their_targets_with_half_of_their_metamers(targets, stages, converged):
    assert have_converged(ACCEPTANCE, targets, stages) is converged


def test_a_metamer_without_an_error_has_not_reached_the_target():
    assert converged_stages(ACCEPTANCE * np.nan, {"early": 0.1}) == {"early": False}


def test_the_error_of_a_statement_is_the_median_of_its_worst_stage():
    assert worst_median_error(ACCEPTANCE, ["early", "late"]) == pytest.approx(0.4)
    assert worst_median_error(ACCEPTANCE, ["input"]) == pytest.approx(0.002)
