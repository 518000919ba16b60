"""Who is shown what: each stimulus once, every condition, balanced over participants, and the same from the same seed."""

from collections import Counter

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from metamers.experiment_design import (
    UNALTERED,
    balanced_conditions,
    experiment_design,
    interspersed,
    usable_metamers,
)

SIZES = st.tuples(st.integers(1, 9), st.integers(0, 20), st.integers(1, 25), st.integers(0, 5))


def categories_of(number):
    return ["abc"[n % 3] for n in range(number)]


@given(SIZES)
@settings(deadline=None, max_examples=60)
def test_conditions_are_balanced_over_participants_and_stimuli(sizes):
    conditions, more, participants, seed = sizes
    stimuli = conditions + more
    assigned = balanced_conditions(categories_of(stimuli), conditions, participants, seed)
    assert assigned.shape[1] == stimuli
    assert participants <= len(assigned) < participants + conditions
    for participant in assigned:
        counts = np.bincount(participant, minlength=conditions)
        assert counts.min() >= 1
        assert counts.max() - counts.min() <= 1
    for block in np.split(assigned, len(assigned) // conditions):
        # In a block every stimulus is met in every condition, once.
        np.testing.assert_array_equal(np.sort(block, axis=0), np.arange(conditions)[:, None].repeat(stimuli, axis=1))


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_a_participant_s_conditions_spread_over_categories(conditions, per_category, seed):
    """Of a category with so many stimuli as there are conditions, one is met in each."""
    categories = [name for name in "abcd" for _ in range(conditions * per_category)]
    for participant in balanced_conditions(categories, conditions, conditions, seed):
        for name in "abcd":
            own = participant[np.array(categories) == name]
            np.testing.assert_array_equal(np.bincount(own, minlength=conditions), per_category)


def test_fewer_stimuli_than_conditions_are_refused():
    with pytest.raises(ValueError, match=r"3 stimuli for 4 conditions"):
        balanced_conditions(["a", "b", "c"], 4, 1, 0)


@given(st.integers(0, 30), st.integers(0, 12), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_catch_trials_lie_apart_and_nothing_is_lost(main, among, seed):
    mixed = interspersed(range(main), [100 + n for n in range(among)], np.random.default_rng(seed))
    assert [value for value in mixed if value < 100] == list(range(main))
    assert [value for value in mixed if value >= 100] == [100 + n for n in range(among)]
    places = np.flatnonzero(np.array(mixed) >= 100)
    if among:
        assert np.diff(places).max(initial=0) <= 2 * (main // among + 2)


def acceptance(accepted, stimuli):
    return xr.Dataset(
        {"accepted": (("stage", "stimulus", "seed"), accepted)},
        coords={"stage": ["one", "two"], "stimulus": stimuli, "seed": [0, 1]},
    )


def test_a_stimulus_counts_where_every_stage_of_every_model_has_an_accepted_metamer():
    accepted = np.ones((2, 3, 2), bool)
    accepted[1, 0, 0] = False  # the other seed is left
    accepted[0, 1] = False  # none is
    models = {"a": acceptance(accepted, ["x", "y", "z"]), "b": acceptance(np.ones((2, 3, 2), bool), ["x", "y", "z"])}
    stages = {"a": ["one", "two"], "b": ["two"]}
    usable = usable_metamers(models, stages, only_accepted=True)
    assert usable == {
        "x": {("a", "one"): 0, ("a", "two"): 1, ("b", "two"): 0},
        "z": {("a", "one"): 0, ("a", "two"): 0, ("b", "two"): 0},
    }
    assert list(usable_metamers(models, stages, only_accepted=False)) == ["x", "y", "z"]


def metamers_of(names):
    return {name: {("a", "one"): 0, ("a", "two"): 1, ("b", "two"): 0} for name in names}


NAMES = [f"s{n}" for n in range(12)]
OF = {name: "abc"[n % 3] for n, name in enumerate(NAMES)}


@given(st.integers(0, 3), st.one_of(st.integers(0, 3), st.lists(st.sampled_from("abc"), max_size=5)), st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_a_participant_meets_each_natural_stimulus_once_and_every_condition(practice, catch, participants):
    design = experiment_design(OF, metamers_of(NAMES[:10]), practice, catch, participants, 7)
    kinds, conditions = design["kind"].values, {UNALTERED, ("a", "one"), ("a", "two"), ("b", "two")}
    for order in design["shown"].values:
        met = design.isel(exhibit=order)
        known = [name for name in met["stimulus"].values if name]
        assert len(known) == len(set(known))
        assert Counter(kinds[order])["practice"] == practice
        assert set(met["kind"].values[:practice]) <= {"practice"}
        assert Counter(kinds[order])["catch"] == (catch if isinstance(catch, int) else len(catch))
        main = met.isel(exhibit=met["kind"].values == "main")
        shown = list(zip(main["generation_model"].values, main["stage"].values, strict=True))
        assert set(shown) == conditions
        counts = Counter(shown)
        assert max(counts.values()) - min(counts.values()) <= 1
    assert len(set(design["exhibit"].values)) == design.sizes["exhibit"]
    xr.testing.assert_identical(
        design, experiment_design(OF, metamers_of(NAMES[:10]), practice, catch, participants, 7)
    )


def test_two_participants_have_different_orders_and_another_seed_gives_others():
    one, other = (experiment_design(OF, metamers_of(NAMES), 0, 0, 8, seed)["shown"].values for seed in (0, 1))
    assert len(np.unique(one, axis=0)) == len(one)
    assert not np.array_equal(one, other)


def test_what_cannot_be_shown_in_every_condition_is_used_up_first():
    design = experiment_design(OF, metamers_of(NAMES[:9]), 2, 1, 1, 0)
    kinds = dict(zip(design["stimulus"].values, design["kind"].values, strict=True))
    assert {kinds[name] for name in NAMES[9:]} == {"practice", "catch"}
    assert {kinds[name] for name in NAMES[:9]} == {"main"}


def test_too_few_stimuli_are_refused_with_how_many_there_are():
    with pytest.raises(ValueError, match=r"3 stimuli for 4 conditions.* 6 of the 12 natural stimuli cannot be shown"):
        experiment_design(OF, metamers_of(NAMES[:6]), 9, 0, 1, 0)
    with pytest.raises(ValueError, match="12 natural stimuli, but practice and catch trials alone take 20"):
        experiment_design(OF, metamers_of(NAMES), 10, 10, 1, 0)


def test_an_exhibit_s_name_tells_nothing_of_it():
    design = experiment_design(OF, metamers_of(NAMES), 1, ["a"], 1, 0)
    assert all(len(name) == 20 and set(name) <= set("0123456789abcdef") for name in design["exhibit"].values)
