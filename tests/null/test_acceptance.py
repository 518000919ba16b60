"""Acceptance is the rule of the study's code; the null distribution streams, and says what chance of acceptance it means."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from metamers.match import MEASURES, NULL_MEASURES, Group, Measure, match
from metamers.null.acceptance import above_null, accept, of_all_stages
from metamers.null.distribution import (
    MEMORY,
    affordable_pairs,
    chance_of_acceptance,
    choose_pairs,
    disjoint_pairs,
    null_dataset,
    null_distribution,
    null_of_both_orders,
    stimuli_in_memory,
)
from metamers.null.settings import AcceptanceSettings
from metamers.report.tables import match_table, null_table
from tests.needs import study_numbers

ROOT = Path(__file__).resolve().parents[2]
# Measure → its name in the study's example.
STUDY = {"spearman_rho": "spearman_rho", "pearson_r": "pearson_r", "snr_db": "dB_SNR"}


@pytest.fixture
def rule() -> xr.Dataset:
    return study_numbers("acceptance_rule").copy(deep=True)


def batch(*names: str) -> xr.Dataset:
    """What acceptance needs of a metamer file."""
    of_seed = {"normalized_error": (("stimulus", "seed"), np.zeros((len(names), 1)))}
    return xr.Dataset(of_seed | {"natural_category": ("stimulus", list(names))}, coords={"stimulus": list(names)})


def test_the_stages_of_a_model_have_the_same_stimuli():
    whole = of_all_stages({"a": [batch("x", "y"), batch("longer")], "b": [batch("x", "y", "longer")]})
    assert whole["stimulus"].values.tolist() == ["x", "y", "longer"]
    with pytest.raises(ValueError, match="stimulus"):
        of_all_stages({"a": [batch("x", "longer")], "b": [batch("x", "long")]})


def as_run(rule: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """The study's example as a metamer file's content, and a null distribution's; a further measure equals rho."""
    theirs = {name: STUDY.get(name, STUDY["spearman_rho"]) for name in NULL_MEASURES}
    dims, stages = ("stage", "stimulus", "seed"), rule["layer_name"].values
    values = {name: (dims, rule[f"metamer_{own}"].values[..., None]) for name, own in theirs.items()}
    metamers = xr.Dataset(
        values
        | {
            "normalized_error": values["snr_db"],
            "predicted_category": (dims, rule["metamer_prediction"].values[..., None]),
            "natural_category": ("stimulus", rule["natural_prediction"].values),
        },
        coords={"stage": stages, "stimulus": np.arange(rule.sizes["metamer"]), "seed": [0]},
    )
    pairs = [rule[f"null_{own}"] for own in theirs.values()]
    found = {
        "largest": np.stack([values.max("pair").values for values in pairs], axis=1),
        "undefined_pairs": np.stack([values.isnull().sum("pair").values for values in pairs], axis=1),
    }
    null = xr.Dataset(
        {name: (("stage", "measure"), values) for name, values in found.items()},
        coords={"stage": stages, "measure": list(NULL_MEASURES)},
    )
    return metamers, null


def test_those_metamers_are_kept_that_the_study_s_code_keeps(rule):
    accepted = accept(*as_run(rule), STUDY)
    np.testing.assert_array_equal(accepted["accepted"].values[..., 0], rule["kept"].values.astype(bool))
    # What was tested before: rho alone, above the null's largest, and the true category.
    metamers, null = as_run(rule)
    rho = metamers["spearman_rho"] > null["largest"].sel(measure="spearman_rho")
    before = rho & (metamers["predicted_category"] == rule["true_category"].values[:, None])
    agree = (before.values[..., 0] == rule["kept"].values.astype(bool)).sum(axis=1)
    assert sorted(agree) == [15, 15, 17, 17]


def test_a_model_that_is_wrong_about_a_stimulus_can_have_accepted_metamers_of_it(rule):
    accepted = accept(*as_run(rule), STUDY)
    wrong = rule["natural_prediction"].values != rule["true_category"].values
    assert accepted["accepted"].values[:, wrong].any()
    true = (rule["metamer_prediction"] == rule["true_category"]).values
    assert not accepted["accepted"].values[..., 0][true & wrong].any()  # the true category is another one than its own


def test_a_metamer_that_has_not_reached_its_target_is_accepted_only_by_the_published_rule_alone(rule):
    metamers, null = as_run(rule)
    published = accept(metamers, null, STUDY)
    reached = np.random.default_rng(0).random(published["accepted"].shape) < 0.5
    with_target = metamers.assign(converged=(published["accepted"].dims, reached))
    assert "converged" not in published
    accepted = accept(with_target, null, STUDY)
    np.testing.assert_array_equal(accepted["accepted"], published["accepted"].values & reached)
    assert 0 < accepted["accepted"].sum() < published["accepted"].sum()
    for name in ("above_null", "category_preserved", "refused", "decides"):
        xr.testing.assert_equal(accepted[name], published[name])
    alone = accept(with_target, null, STUDY, must_converge=False)
    np.testing.assert_array_equal(alone["accepted"], published["accepted"])
    np.testing.assert_array_equal(alone["converged"], reached)


def test_a_model_without_classes_has_metamers_that_are_accepted_by_their_match_alone(rule):
    metamers, null = as_run(rule)
    decided = accept(metamers, null)
    without = accept(metamers.drop_vars(["predicted_category", "natural_category"]), null)
    assert not {"category_preserved", "natural_category"} & {*without}
    assert (without["accepted"] == without["above_null"]).all()
    assert (without["accepted"] >= decided["accepted"]).all()
    assert without["accepted"].sum() > decided["accepted"].sum()
    named = {stage: [batch("x", "y").drop_vars("natural_category")] for stage in ("a", "b")}
    assert set(of_all_stages(named)) == {"normalized_error"}


def test_the_measures_that_decide_can_be_chosen_and_all_are_counted(rule):
    metamers, null = as_run(rule.sel(layer=~rule["layer_name"].str.contains("nan")))
    everything = accept(metamers, null)
    for name in NULL_MEASURES:
        alone = accept(metamers, null, [name])
        assert (alone["accepted"] >= everything["accepted"]).all()
        xr.testing.assert_equal(alone["refused"], everything["refused"])
        assert alone["decides"].sel(measure=[other for other in NULL_MEASURES if other != name]).sum() == 0
    below = metamers["pearson_r"] < null["largest"].sel(measure="pearson_r", drop=True)
    np.testing.assert_array_equal(everything["refused"].sel(measure="pearson_r"), below.sum(("stimulus", "seed")))


DEFINED = np.zeros(3, bool)


def test_a_value_equal_to_the_largest_passes_and_one_just_below_does_not():
    values = np.array([[0.5, np.nextafter(0.5, 0), 0.6]] * 3)
    above, decides = above_null(values, np.full(3, 0.5), DEFINED, np.ones(3, bool))
    assert above.tolist() == [True, False, True]
    assert decides.all()


def test_only_a_metamer_below_the_largest_is_counted_as_refused():
    values = np.array([0.5, np.nextafter(0.5, 0), 0.6]).reshape(1, 3, 1)
    metamers = xr.Dataset({name: (("stage", "stimulus", "seed"), values) for name in MEASURES}, {"stage": ["late"]})
    largest, undefined = np.full((1, 3), 0.5), np.zeros((1, 3))
    dims, names = ("stage", "measure"), {"stage": ["late"], "measure": list(NULL_MEASURES)}
    found = accept(metamers, xr.Dataset({"largest": (dims, largest), "undefined_pairs": (dims, undefined)}, names))
    assert found["accepted"].values.ravel().tolist() == [True, False, True]
    assert found["refused"].values.tolist() == [[1, 1, 1]]


def test_where_a_measure_is_not_defined_it_refuses_nothing_and_another_may_bring_it_back():
    preserved, largest = np.array([True, True, False]), np.full(3, 0.5)
    values = np.array([[0.1, 0.9, 0.9], [0.9, 0.2, 0.9], [0.9, 0.9, 0.9]])
    above, decides = above_null(values, largest, np.array([True, False, False]), preserved)
    assert above.tolist() == [True, False, True]
    assert decides.tolist() == [False, True, True]
    # The metamer whose second measure is not defined is refused by the first, so the second decides about the other.
    values[1, 0] = np.nan
    above, decides = above_null(values, largest, DEFINED, preserved)
    assert above.tolist() == [False, False, True]
    assert decides.all()
    # One that the category refuses keeps no measure from deciding.
    values = np.array([[0.9, 0.1, np.nan]] * 3)
    assert above_null(values, largest, DEFINED, preserved)[1].all()


def test_where_fewer_measures_are_chosen_an_undefined_value_is_refused(rule):
    values = np.array([[np.nan, 0.1, 0.9]])
    above, decides = above_null(values, np.array([0.5]), np.array([True]), np.ones(3, bool))
    assert above.tolist() == [False, False, True]
    assert decides.tolist() == [True]
    metamers, null = as_run(rule)
    null["largest"].loc[{"measure": "pearson_r"}] = np.nan
    with pytest.raises(ValueError, match=r"acceptance\.measures: pearson_r: "):
        accept(metamers, null, ["pearson_r"])


@pytest.mark.parametrize(("count", "wanted"), [(2, 1), (3, 3), (8, 28), (9, 36)])
def test_every_two_stimuli_are_paired_once(count, wanted):
    pairs = choose_pairs(count, 10**9, seed=0)
    assert len(pairs) == wanted
    assert len({frozenset(pair) for pair in pairs.tolist()}) == wanted
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_fewer_pairs_take_every_stimulus_equally_often():
    pairs = choose_pairs(50, 100, seed=0)
    assert len(pairs) == 100
    assert np.bincount(pairs.ravel()).tolist() == [4] * 50
    assert disjoint_pairs(choose_pairs(50, 10**9, 0)) == 25
    assert not np.array_equal(pairs, choose_pairs(50, 100, seed=1))


def activations(count: int = 11, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((count, 3, 40)).astype(np.float32)
    values[:, 0] = np.round(values[:, 0])  # ties
    return values


@pytest.mark.parametrize("max_stimuli", [2, 3, 4, 7, 11, 100])
def test_the_null_distribution_holds_the_matches_of_pairs_however_many_stimuli_fit_in_memory(max_stimuli):
    values = activations()
    pairs = choose_pairs(len(values), 10**9, seed=0)
    held = []

    def load(numbers):
        held.append(len(numbers))
        return values[list(numbers)]

    found = null_distribution(load, pairs, max_stimuli)
    for place, (a, b) in enumerate(pairs):
        wanted = match(values[a], values[b])
        for name in NULL_MEASURES:
            assert found[name][place] == pytest.approx(wanted[name], abs=1e-6)
    assert max(held) <= max(max_stimuli // 2, 1) or held == [len(values)]


@pytest.mark.parametrize("max_stimuli", [4, 100])
def test_the_null_distribution_of_both_orders_does_not_depend_on_the_order_of_a_pair(max_stimuli):
    values = activations() * np.geomspace(1, 10, 11, dtype=np.float32)[:, None, None]  # of different power
    pairs = choose_pairs(len(values), 10**9, seed=0)
    reverse = np.random.default_rng(0).random(len(pairs)) < 0.5
    reordered = np.where(reverse[:, None], pairs[:, ::-1], pairs)
    found, same = (
        null_of_both_orders(lambda some: values[list(some)], some, max_stimuli) for some in (pairs, reordered)
    )
    in_order = null_distribution(lambda some: values[list(some)], pairs, max_stimuli)
    both = [[match(values[a], values[b])["snr_db"] for a, b in (pair, pair[::-1])] for pair in pairs]
    assert found["snr_db"] == pytest.approx(np.max(both, axis=1), abs=1e-6)
    assert 0 < np.mean(found["snr_db"] > in_order["snr_db"] + 0.1) < 1
    for name in NULL_MEASURES:
        np.testing.assert_allclose(same[name], found[name], atol=1e-9)
    for name in ("pearson_r", "spearman_rho"):
        np.testing.assert_allclose(found[name], in_order[name], atol=1e-9)


def test_few_pairs_of_many_stimuli_load_each_stimulus_about_once():
    values, loaded = activations(60), []

    def load(numbers):
        loaded.extend(numbers)
        return values[list(numbers)]

    null_distribution(load, choose_pairs(60, 60, seed=0), max_stimuli=6)
    assert len(loaded) <= 60 + 6  # the circle is closed once


@pytest.mark.parametrize(("max_stimuli", "wanted"), [(60, 1770), (20, 1770), (4, 360)])
def test_where_stimuli_do_not_fit_into_memory_none_is_computed_much_more_than_three_times(max_stimuli, wanted):
    values, loaded = activations(60), []
    pairs = affordable_pairs(choose_pairs(60, 10**9, seed=0), 60, max_stimuli)
    assert len(pairs) == wanted

    def load(numbers):
        loaded.extend(numbers)
        return values[list(numbers)]

    found = null_distribution(load, pairs, max_stimuli)
    assert len(loaded) <= 3.5 * 60
    file = null_dataset(
        {"stage": found, "other": {name: one[:60] for name, one in found.items()}}, pairs, np.arange(60)
    )
    assert file["distinct_pairs"].values.tolist() == [wanted, 60]
    assert file["pearson_r"].isnull().sum("pair").values.tolist() == [0, wanted - 60]
    assert file["undefined_pairs"].sum() == 0
    assert file["largest"].sel(stage="other", measure="snr_db") == found["snr_db"][:60].max()


@pytest.mark.parametrize("units", [1000, 10**7])
def test_as_many_stimuli_are_in_memory_as_their_activations_and_ranks_fit(units):
    scores = Group(np.zeros((1, 1000), np.float32)).scores
    taken = units / 1000 * sum({id(values): values.nbytes for values in scores.values()}.values())
    number = stimuli_in_memory(units)
    assert number * taken <= MEMORY < (number + 1) * taken


def test_silent_activations_have_no_match_as_in_the_study_and_constant_ones_no_correlation():
    values = activations(3)
    values[0] = 0
    values[1] = 0.5
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    found = null_distribution(lambda numbers: values[list(numbers)], pairs, 10)
    for name in NULL_MEASURES:
        assert found[name][:2].tolist() == [0, 0]
    assert np.isnan(found["pearson_r"][2])
    assert np.isnan(found["spearman_rho"][2])
    assert np.isfinite(found["snr_db"][2])
    file = null_dataset({"stage": found}, pairs, np.array(["a", "b", "c"]))
    assert file["largest"].sel(measure="pearson_r").values.tolist() == [0]  # of the pairs that are defined
    undefined = file["undefined_pairs"].sel(stage="stage", drop=True).to_series()
    assert undefined[["spearman_rho", "pearson_r", "snr_db"]].tolist() == [1, 1, 0]


def test_equal_ranks_compare_equal_whichever_way_they_were_computed():
    values = np.stack([np.arange(5), np.arange(5) ** 2, np.arange(5) ** 3]).astype(np.float32)
    found = null_distribution(lambda numbers: values[list(numbers)], choose_pairs(3, 10, 0), 10)
    assert set(found["spearman_rho"]) == {1.0}
    assert match(values[0], values[1])["spearman_rho"] == 1.0


def test_the_file_says_how_many_pairs_there_were_and_keeps_the_largest_of_all(monkeypatch):
    monkeypatch.setattr("metamers.null.distribution.STORED_PAIRS", 5)
    values = activations(20)
    pairs = choose_pairs(20, 10**9, 0)
    found = null_distribution(lambda numbers: values[list(numbers)], pairs, 100)
    file = null_dataset({"stage": found}, pairs, np.array([f"s{n}" for n in range(20)]))
    assert file["distinct_pairs"].values.tolist() == [190]
    assert file.sizes["pair"] == 5
    for pair in range(5):  # the ratio refers to the power of the first stimulus
        a, b = (int(file[name].values[pair].removeprefix("s")) for name in ("stimulus_a", "stimulus_b"))
        assert file["snr_db"].values[0, pair] == pytest.approx(match(values[a], values[b])["snr_db"], abs=1e-6)
    np.testing.assert_allclose(file["largest"].values[0], [found[name].max() for name in NULL_MEASURES])
    assert file["chance_of_acceptance"] == pytest.approx(1 / 191)
    assert file["largest_chance_of_acceptance"] == pytest.approx(1 / 11)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_a_chance_match_passes_as_seldom_as_is_said(spread):
    """Simulated: stimuli whose activations are random, and clustered where ``spread`` is above 0."""
    rng = np.random.default_rng(0)
    count, repeats, passed = 10, 400, 0
    for _ in range(repeats):
        centres = spread * rng.standard_normal((3, 30))
        values = (rng.standard_normal((count + 2, 30)) + centres[rng.integers(3, size=count + 2)]).astype(np.float32)
        pairs = choose_pairs(count, 10**9, 0)
        null = null_distribution(values.__getitem__, pairs, 100)["pearson_r"].max()
        passed += match(values[-2], values[-1])["pearson_r"] >= null
    expected, largest = chance_of_acceptance(pairs)
    error = 3 * np.sqrt(largest / repeats)
    assert passed / repeats < largest + error
    if not spread:
        assert passed / repeats < expected + 3 * np.sqrt(expected / repeats)


def test_a_new_measure_is_in_the_null_distribution_decides_about_acceptance_and_is_in_the_tables(monkeypatch):
    cosine = Measure("Cosine similarity", 3, lambda a, b: float(a @ b / np.sqrt((a @ a) * (b @ b))))
    for table in (NULL_MEASURES, MEASURES):
        monkeypatch.setitem(table, "cosine", cosine)
    values = np.random.default_rng(0).standard_normal((6, 50)).astype(np.float32)
    pairs = choose_pairs(6, 100, 0)
    found = null_distribution(lambda chosen: values[list(chosen)], pairs, 4)
    assert found["cosine"] == pytest.approx([match(values[a], values[b])["cosine"] for a, b in pairs])
    null = null_dataset({"late": found}, pairs, np.array(list("abcdef")))
    dims = ("stage", "stimulus", "seed")
    metamers = xr.Dataset(
        {name: (dims, np.full((1, 2, 1), 1e9)) for name in MEASURES}
        | {"predicted_category": (dims, np.full((1, 2, 1), "dog")), "natural_category": ("stimulus", ["dog", "dog"])},
        coords={"stage": ["late"], "stimulus": ["a", "b"], "seed": [0]},
    )
    metamers["cosine"][0, 1] = null["largest"].sel(measure="cosine").item() - 0.01
    assert accept(metamers, null, list(NULL_MEASURES))["accepted"].values.ravel().tolist() == [True, False]
    accepted = accept(metamers, null, ["spearman_rho", "cosine"])
    assert accepted["accepted"].values.ravel().tolist() == [True, False]
    assert accept(metamers, null, AcceptanceSettings().measures)["accepted"].all()
    assert "Cosine similarity" in match_table(accepted)["head"]
    assert null_table(accepted)["head"][-2:] == ["Cosine similarity: largest", "below it"]
