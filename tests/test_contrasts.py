"""Differences between models are within stimuli, by judges that are not compared, with intervals that cover."""

import numpy as np
import pytest
import xarray as xr

from metamers.contrasts import bootstrap_mean, contrasts

STAGES = ["cochleagram", "relu1", "relu2", "final"]
WORDS = ["apple", "bird", "chair", "dog", "fish", "garden"]


def answered(right, stimuli=WORDS, stages=STAGES):
    """Recognition with the natural stage first: ``right`` is (stage, stimulus) or one value."""
    values = np.ones((len(stages) + 1, len(stimuli), 1), dtype=bool)
    values[1:] = np.broadcast_to(right, (len(stages), len(stimuli)))[..., None]
    coords = {"stage": ["natural", *stages], "stimulus": stimuli, "seed": [0]}
    return xr.Dataset({"correct": (("stage", "stimulus", "seed"), values)}, coords=coords)


def accepted(which=True, stimuli=WORDS, stages=STAGES):
    values = np.broadcast_to(which, (len(stages), len(stimuli)))[..., None]
    return xr.Dataset(
        {"accepted": (("stage", "stimulus", "seed"), values)},
        coords={"stage": stages, "stimulus": stimuli, "seed": [0]},
    )


def compare(one, other, robust_accepted=True, judges=("judge",), **others):
    recognition = {
        "robust": dict.fromkeys(judges, one) | others,
        "plain": dict.fromkeys(judges, other) | others,
    }
    acceptance = {"robust": accepted(robust_accepted, one["stimulus"].values), "plain": accepted()}
    return contrasts([("robust", "plain")], recognition, acceptance, bootstrap=500, seed=0).isel(contrast=0)


def test_the_difference_is_that_of_the_proportions_at_each_stage():
    right = np.array([[1] * 6, [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0], [0] * 6], dtype=bool)
    found = compare(answered(True), answered(right))
    np.testing.assert_allclose(found["difference"], [0, 1 / 3, 2 / 3, 1])
    assert found["n"].values.tolist() == [6, 6, 6, 6]
    assert found["late_stages"].item() == "relu2, final"
    assert float(found["late_difference"]) == pytest.approx(5 / 6)
    assert (found["low"] <= found["difference"]).all()
    assert (found["high"] >= found["difference"]).all()
    assert float(found["low"][3]) == 1


def test_stimuli_are_matched_by_name_and_only_those_accepted_of_both_count():
    right = np.array([[1, 0, 1, 1, 0, 0]] * 4, dtype=bool)
    turned = answered(right[:, ::-1], WORDS[::-1])
    assert (compare(turned, answered(right))["difference"] == 0).all()
    found = compare(answered(True), answered(right), robust_accepted=right)
    assert (found["difference"] == 0).all()
    assert (found["n"] == 3).all()


def test_models_that_are_compared_do_not_judge():
    found = compare(answered(True), answered(False), robust=answered(False), plain=answered(False))
    assert found["judged_by"].item() == "judge"
    assert (found["difference"] == 1).all()


def test_where_nothing_is_accepted_there_is_no_difference():
    found = compare(answered(True), answered(True), robust_accepted=False)
    assert found["difference"].isnull().all()
    assert (found["n"] == 0).all()
    assert np.isnan(found["late_difference"])


def test_stages_that_one_of_them_lacks_are_left_out():
    recognition = {"a": {"judge": answered(True)}, "b": {"judge": answered(True, stages=["relu1", "other"])}}
    acceptance = {"a": accepted(), "b": accepted(stages=["relu1", "other"])}
    found = contrasts([("a", "b")], recognition, acceptance, bootstrap=100, seed=0)
    assert found["stage"].values.tolist() == ["relu1"]


@pytest.mark.parametrize("n", [7, 12, 40])
def test_intervals_cover_the_mean_nearly_as_often_as_they_say(n):
    """Also of as few stimuli, and of differences as coarse, as two judges of a default run give."""
    rng = np.random.default_rng(n)
    covered = 0
    for seed in range(400):
        _, low, high = bootstrap_mean(rng.choice([-0.5, 0, 0.5, 1], n, p=[0.15, 0.5, 0.3, 0.05]), 400, seed)
        covered += low <= 0.125 <= high
    assert 0.90 < covered / 400 < 0.99


def test_very_few_stimuli_give_no_interval():
    assert bootstrap_mean(np.ones(5), 100, 0)[0] == 1
    assert np.isnan(bootstrap_mean(np.ones(5), 100, 0)[1:]).all()
