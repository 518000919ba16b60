"""The design shows each stimulus once and every condition, is balanced over participants, and follows from its seed."""

from collections import Counter

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from metamers.humans.design import (
    UNALTERED,
    balanced_conditions,
    conditions_of,
    experiment_design,
    in_every_condition,
    interspersed,
    metamers_to_show,
)
from tests.configurations import practice

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
        # Within a block, every stimulus is shown once in every condition.
        np.testing.assert_array_equal(np.sort(block, axis=0), np.arange(conditions)[:, None].repeat(stimuli, axis=1))


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_a_participant_s_conditions_spread_over_categories(conditions, per_category, seed):
    """If a category has as many stimuli as there are conditions, each participant meets it once in each condition."""
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
    found = metamers_to_show(models, stages, only_accepted=True)
    assert found == {
        "x": {("a", "one"): 0, ("a", "two"): 1, ("b", "two"): 0},
        "y": {("a", "two"): 0, ("b", "two"): 0},
        "z": {("a", "one"): 0, ("a", "two"): 0, ("b", "two"): 0},
    }
    assert list(in_every_condition(found, conditions_of(stages))) == ["x", "z"]
    anything = metamers_to_show(models, stages, only_accepted=False)
    assert list(in_every_condition(anything, conditions_of(stages))) == ["x", "y", "z"]


CONDITIONS = [("a", "one"), ("a", "two"), ("b", "two")]
NAMES = [f"s{n}" for n in range(12)]
OF = {name: "abc"[n % 3] for n, name in enumerate(NAMES)}


def metamers_of(names):
    return {name: dict(zip(CONDITIONS, (0, 1, 0), strict=True)) for name in names}


def designed(names, practised, catch, participants, seed=0):
    return experiment_design(OF, metamers_of(names), CONDITIONS, practised, catch, participants, seed)


@given(
    st.tuples(st.integers(0, 1), st.integers(0, 2), st.integers(0, 2)),
    st.one_of(st.integers(0, 3), st.lists(st.sampled_from("abc"), max_size=5)),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=40)
def test_a_participant_meets_each_natural_stimulus_once_and_every_condition(practised, catch, participants):
    feedback, natural, metamers = practised
    given_practice = practice(natural + metamers, feedback, metamers)
    design = designed(NAMES[:10], given_practice, catch, participants, 7)
    kinds = design["kind"].values
    begins = ["feedback"] * feedback + ["practice"] * (natural + metamers)
    for order in design["shown"].values:
        met = design.isel(exhibit=order)
        known = [name for name in met["stimulus"].values if name]
        assert len(known) == len(set(known))
        assert met["kind"].values[: len(begins)].tolist() == begins
        altered = met["generation_model"].values[: len(begins)] != ""
        assert altered.tolist() == [False] * (feedback + natural) + [True] * metamers
        assert Counter(kinds[order])["catch"] == (catch if isinstance(catch, int) else len(catch))
        main = met.isel(exhibit=met["kind"].values == "main")
        assert main.sizes["exhibit"] + len(begins) + Counter(kinds[order])["catch"] == len(order)
        shown = list(zip(main["generation_model"].values, main["stage"].values, strict=True))
        assert set(shown) == {UNALTERED, *CONDITIONS}
        counts = Counter(shown)
        assert max(counts.values()) - min(counts.values()) <= 1
    assert len(set(design["exhibit"].values)) == design.sizes["exhibit"]
    xr.testing.assert_identical(design, designed(NAMES[:10], given_practice, catch, participants, 7))


def test_two_participants_have_different_orders_and_another_seed_gives_others():
    one, other = (designed(NAMES, practice(0), 0, 8, seed)["shown"].values for seed in (0, 1))
    assert len(np.unique(one, axis=0)) == len(one)
    assert not np.array_equal(one, other)


def test_what_cannot_be_shown_in_every_condition_is_used_up_first():
    design = designed(NAMES[:9], practice(1, feedback=1), 1, 1)
    kinds = dict(zip(design["stimulus"].values, design["kind"].values, strict=True))
    assert {kinds[name] for name in NAMES[9:]} == {"feedback", "practice", "catch"}
    assert {kinds[name] for name in NAMES[:9]} == {"main"}


def test_a_stimulus_with_some_metamers_only_is_practised_as_one_of_them():
    """And those go from the first condition to the last."""
    metamers = metamers_of(NAMES[:8]) | {"s8": {("b", "two"): 5}, "s9": {("a", "one"): 6, ("a", "two"): 7}}
    design = experiment_design(OF, metamers, CONDITIONS, practice(4, metamers=2), 0, 1, 0)
    practised = design.isel(exhibit=design["shown"].values[0][:4])
    assert set(practised["stimulus"].values[:2]) == {"s10", "s11"}
    shown = [practised[name].values[2:].tolist() for name in ("stimulus", "generation_model", "seed")]
    assert shown == [["s9", "s8"], ["a", "b"], [practised["seed"].values[2], 5]]


def test_examples_are_of_as_many_categories_as_there_are():
    design = designed(NAMES[:4], practice(0, feedback=6), 0, 1)
    told = design["category"].values[design["shown"].values[0][:6]]
    assert sorted(told[:3]) == sorted(told[3:]) == ["a", "b", "c"]
    # Also if all stimuli that cannot be shown in every condition have one category, and some are used for practice.
    usable = [name for name in NAMES if OF[name] != "a"] + ["s0"]
    design = designed(usable, practice(2, feedback=3, metamers=1), 0, 1)
    assert sorted(design["category"].values[design["shown"].values[0][:3]]) == ["a", "b", "c"]


def test_too_few_stimuli_are_refused_with_how_many_there_are():
    with pytest.raises(ValueError, match=r"3 .*4 conditions.* 6 of the 12 "):
        designed(NAMES[:6], practice(9), 0, 1)
    with pytest.raises(ValueError, match=r"12 .*practice.* 20"):
        designed(NAMES, practice(10), 10, 1)
    with pytest.raises(ValueError, match=r"2 .*practice.* 3"):
        designed(NAMES[:2], practice(4, metamers=3), 0, 1)


def test_an_exhibit_s_name_tells_nothing_of_it():
    design = designed(NAMES, practice(1), ["a"], 1)
    assert all(len(name) == 20 and set(name) <= set("0123456789abcdef") for name in design["exhibit"].values)
