"""Contrasts of models within stimuli, by recognition models that are not compared, with valid intervals."""

import numpy as np
import pytest
import xarray as xr

from metamers.compare.contrasts import contrast_recognition_models, contrasts

STAGES = ["cochleagram", "relu1", "relu2", "final"]
WORDS = ["apple", "bird", "chair", "dog", "fish", "garden"]


def answered(right, stimuli=WORDS, stages=STAGES):
    """Recognition with the stage ``natural`` first; ``right`` is (stage, stimulus) or one value."""
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


OWN = {name: name for name in ("robust", "plain", "other", "ear", "eye", "a", "b")}


def compare(one, other, robust_accepted=True, asked=("other",), stages=STAGES, **others):
    recognition = {
        "robust": dict.fromkeys(asked, one) | others,
        "plain": dict.fromkeys(asked, other) | others,
    }
    acceptance = {
        "robust": accepted(robust_accepted, one["stimulus"].values, stages),
        "plain": accepted(stages=stages),
    }
    return contrasts([(["robust"], ["plain"])], recognition, acceptance, OWN).isel(contrast=0)


def test_the_difference_equals_that_of_the_proportions_at_each_stage():
    right = np.array([[1] * 6, [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0], [0] * 6], dtype=bool)
    found = compare(answered(True), answered(right))
    np.testing.assert_allclose(found["difference"], [0, 1 / 3, 2 / 3, 1])
    assert found["n"].values.tolist() == [6, 6, 6, 6]
    assert found["late_stages"].item() == "relu2, final"
    assert float(found["late_difference"]) == pytest.approx(5 / 6)
    assert (found["low"] <= found["difference"]).all()
    assert (found["high"] >= found["difference"]).all()
    assert 0 < float(found["low"][3]) < 1  # only six stimuli


def test_stimuli_are_matched_by_name_and_must_be_accepted_for_both_models():
    right = np.array([[1, 0, 1, 1, 0, 0]] * 4, dtype=bool)
    turned = answered(right[:, ::-1], WORDS[::-1])
    assert (compare(turned, answered(right))["difference"] == 0).all()
    found = compare(answered(True), answered(right), robust_accepted=right)
    assert (found["difference"] == 0).all()
    assert (found["n"] == 3).all()


def test_models_that_are_compared_do_not_judge():
    found = compare(answered(True), answered(False), robust=answered(False), plain=answered(False))
    assert found["judged_by"].item() == "other"
    assert (found["difference"] == 1).all()


def test_without_accepted_metamers_the_difference_is_undefined():
    found = compare(answered(True), answered(True), robust_accepted=False)
    assert found["difference"].isnull().all()
    assert (found["n"] == 0).all()
    assert np.isnan(found["late_difference"])


def test_stages_of_only_one_model_are_left_out():
    recognition = {"a": {"other": answered(True)}, "b": {"other": answered(True, stages=["relu1", "other"])}}
    acceptance = {"a": accepted(), "b": accepted(stages=["relu1", "other"])}
    found = contrasts([(["a"], ["b"])], recognition, acceptance, OWN)
    assert found["stage"].values.tolist() == ["relu1"]


def test_one_stimulus_gives_no_interval_and_none_no_difference():
    found = compare(answered(True), answered(False), robust_accepted=np.eye(6, dtype=bool)[:1])
    assert (found["n"] == 1).all()
    assert (found["difference"] == 1).all()
    assert found["low"].isnull().all()
    assert np.isnan(found["late_low"])


def test_the_interval_has_a_width_even_when_everything_is_recognized():
    found = compare(answered(True), answered(True))
    assert (found["difference"] == 0).all()
    assert (found["low"] < -0.25).all()
    assert (found["high"] > 0.25).all()
    assert found["late_low"] < -0.25


@pytest.mark.parametrize("number", [3, 6])
def test_recognition_models_that_disagree_about_all_stimuli_have_a_standard_error(number):
    """One of two recognition models recognizes all metamers of one generation model and none of the other's."""
    right, wrong = answered(True, WORDS[:number]), answered(False, WORDS[:number])
    recognition = {"robust": {"ear": right, "eye": right}, "plain": {"ear": wrong, "eye": right}}
    acceptance = {name: accepted(stimuli=WORDS[:number]) for name in recognition}
    found = contrasts([(["robust"], ["plain"])], recognition, acceptance, OWN).isel(contrast=0)
    assert (found["difference"] == 0.5).all()
    assert found["late_difference"] == 0.5
    assert found["late_difference_by_recognition_model"].values.tolist() == [1, 0]
    assert found["late_families_standard_error"] == pytest.approx(0.5)
    assert (found["low"] > 0).all() == (number == 6)  # six stimuli in one direction: exact p 0.03


def test_a_difference_of_every_stimulus_at_every_late_stage_is_significant():
    stimuli = [f"word {number}" for number in range(10)]
    right = np.zeros((4, 10), dtype=bool)
    right[2, :7] = right[3, :6] = True
    recognition = {"robust": {"other": answered(right, stimuli)}, "plain": {"other": answered(False, stimuli)}}
    acceptance = {"robust": accepted(stimuli=stimuli), "plain": accepted(stimuli=stimuli)}
    found = contrasts([(["robust"], ["plain"])], recognition, acceptance, OWN).isel(contrast=0)
    assert found["late_difference"] == pytest.approx(0.65)
    assert found["late_low"] > 0.1


def test_late_stages_use_the_same_stimuli_and_count_those_left_out():
    right = np.zeros((4, 6), dtype=bool)
    right[3, 4:] = True  # stimuli that are accepted at the last stage only
    which = np.ones((4, 6), dtype=bool)
    which[2, 4:] = False
    found = compare(answered(right), answered(False), robust_accepted=which)
    assert found["difference"].sel(stage="final") == pytest.approx(1 / 3)
    assert found["late_difference"] == 0
    assert found["late_n"] == 4
    assert found["late_left_out"] == 2


def test_models_of_the_same_family_judge_only_without_unrelated_models():
    families = {"robust": "net", "plain": "net", "sibling": "net", "ear": "ear", "eye": "eye"}
    asked = ["robust", "plain", "sibling", "ear", "eye"]
    pair = ("robust", "plain")
    assert contrast_recognition_models(pair, asked, set(pair), families) == ["ear", "eye"]
    assert contrast_recognition_models(pair, asked[:3], set(pair), families) == ["sibling"]
    assert contrast_recognition_models(pair, ["robust", "plain", "ear"], {*pair, "ear"}, families) == ["ear"]
    related = {**OWN, "robust": "net", "plain": "net", "other": "net"}
    recognition = {name: {"other": answered(True)} for name in pair}
    acceptance = dict.fromkeys(pair, accepted())
    assert (
        contrasts([([pair[0]], [pair[1]])], recognition, acceptance, related)["related_recognition_models"].item()
        == "other"
    )


def test_a_family_of_recognition_models_counts_once():
    others = {"first": answered(True), "second": answered(True), "third": answered(False)}
    none = dict.fromkeys(others, answered(False))
    families = {**OWN, "first": "net", "second": "net", "third": "other"}
    acceptance = {"robust": accepted(), "plain": accepted()}
    found = contrasts([(["robust"], ["plain"])], {"robust": others, "plain": none}, acceptance, families)
    assert (found["difference"] == 0.5).all()


def test_with_a_single_late_stage_the_interval_is_that_of_the_stage():
    found = compare(answered(True, stages=STAGES[:1]), answered(False, stages=STAGES[:1]), stages=STAGES[:1])
    assert float(found["late_low"]) == pytest.approx(float(found["low"][0]))


def of_networks(rates, rng, number=60):
    """Recognition and acceptance of networks whose metamers the other model recognizes with these probabilities."""
    words = [f"word {place}" for place in range(number)]
    right = {name: answered(rng.random((4, number)) < rate, words) for name, rate in rates.items()}
    return {name: {"other": one} for name, one in right.items()}, dict.fromkeys(rates, accepted(stimuli=words))


GROUPS = [(["robust", "robust_2"], ["plain", "plain_2"])]


def test_a_contrast_of_retrained_networks_is_that_of_their_means_and_its_interval_is_over_networks_too():
    rates = {"robust": 0.9, "robust_2": 0.5, "robust_3": 0.7, "plain": 0.3, "plain_2": 0.3, "plain_3": 0.3}
    recognition, acceptance = of_networks(rates, np.random.default_rng(0))
    own = {name: name for name in [*rates, "other"]}
    sides = [*rates][:3], [*rates][3:]
    both = contrasts([sides], recognition, acceptance, own).isel(contrast=0)
    assert (both["networks"].item(), both["reference_networks"].item()) == (3, 3)
    assert both["contrast"].item() == "robust - plain"
    single = contrasts([([one], [other]) for one, other in zip(*sides, strict=True)], recognition, acceptance, own)
    assert (single["networks"] == 1).all()
    for name in ("difference", "late_difference"):
        np.testing.assert_allclose(both[name], single[name].mean("contrast"))
    width = float(both["late_high"] - both["late_low"])
    assert width > 1.5 * float((single["late_high"] - single["late_low"]).mean())


def test_networks_of_both_sides_do_not_judge_each_other():
    rates = {"robust": 0.9, "robust_2": 0.9, "plain": 0.3, "plain_2": 0.3}
    recognition, acceptance = of_networks(rates, np.random.default_rng(0))
    for answers in recognition.values():
        answers |= {name: answers["other"] for name in rates}
    found = contrasts(GROUPS, recognition, acceptance, {name: name for name in [*rates, "other"]})
    assert found["judged_by"].item() == "other"


def test_a_stimulus_counts_with_the_networks_whose_metamers_of_it_are_accepted():
    rates = {"robust": 1, "robust_2": 0, "plain": 0, "plain_2": 0}
    recognition, acceptance = of_networks(rates, np.random.default_rng(0), 6)
    which = np.ones((4, 6), bool)
    which[:, :2] = False
    words = list(acceptance["plain"]["stimulus"].values)
    acceptance["robust_2"] = accepted(which, words)
    own = {name: name for name in [*rates, "other"]}
    found = contrasts(GROUPS, recognition, acceptance, own).isel(contrast=0)
    assert found["late_n"].item() == 6
    assert found["late_networks"].item() == 2
    assert found["late_difference"] == pytest.approx((2 * 1 + 4 * 0.5) / 6)
    acceptance["robust_2"] = accepted(False, words)
    found = contrasts(GROUPS, recognition, acceptance, own).isel(contrast=0)
    assert (found["networks"].item(), found["late_networks"].item()) == (2, 1)
    assert np.isnan(found["late_low"])
