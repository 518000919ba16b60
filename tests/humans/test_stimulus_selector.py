"""Choice of the next stimulus: each natural stimulus once, evenly over stimuli, from the answers of those who count."""

import re
from collections import Counter

import numpy as np
import pytest

from metamers.humans.design import CHOSEN
from metamers.humans.rows import Answer
from metamers.humans.stimulus_selector import StimulusSelector, counts_of, times_shown
from tests.humans.adaptive_design import NAMES, STAGES, designed, falling


def answer(participant, step, exhibit="", given=""):
    return Answer(participant, 0, step, exhibit, given, "")


def simulate(selector, participants, probability, rng, catch=True):
    """Let participants answer one after another; returns their answers and the order of exhibits."""
    design, given, met = selector.design, {}, {}
    categories = dict(zip(design["exhibit"].values, design["category"].values, strict=True))
    for participant in participants:
        steps = given[participant] = {"consent": answer(participant, "consent", given="yes")}
        met[participant] = []
        for trial, place in enumerate(design["shown"].values[0]):
            if place == CHOSEN:
                used = {selector.exhibits[name].stimulus for name in met[participant]}
                exhibit = selector.next_exhibit(selector.counts(given), participant, used, times_shown(given))
                met[participant].append(exhibit)
                right = rng.random() < probability(selector.exhibits[exhibit].condition)
            else:
                exhibit = str(design["exhibit"].values[place])
                right = design["kind"].values[place] != "catch" or catch
            said = categories[exhibit] if right else "wrong"
            steps[f"trial-{trial}"] = answer(participant, f"trial-{trial}", exhibit, said)
    return given, met


def test_the_design_leaves_main_trials_open_and_keeps_the_others():
    design = designed()
    shown = design["shown"].values
    kinds = design["kind"].values
    assert (kinds[shown[:, :3]] != "main").all()
    assert ((shown == CHOSEN).sum(axis=1) == len(NAMES) - 3).all()
    assert {kinds[place] for place in shown.ravel() if place != CHOSEN} == {"feedback", "practice", "catch"}
    assert (designed(trials=5)["shown"].values == CHOSEN).sum(axis=1).tolist() == [5] * len(shown)
    # Every stimulus of main trials can be shown in every condition.
    main = design.isel(exhibit=kinds == "main")
    pairs = Counter(zip(main["generation_model"].values, main["stage"].values, strict=True))
    assert list(pairs.values()) == [len(NAMES) - 3] * 7


def test_a_participant_meets_each_stimulus_once_and_in_different_conditions():
    selector = StimulusSelector(designed())
    given, met = simulate(selector, ["p", "q", "r"], falling, np.random.default_rng(0))
    for exhibits in met.values():
        stimuli = [selector.exhibits[name].stimulus for name in exhibits]
        assert len(set(stimuli)) == len(stimuli) == len(NAMES) - 3
        assert selector.next_exhibit(selector.counts(given), "p", set(stimuli), {}) is None
    counts = counts_of([one for steps in given.values() for one in steps.values()], selector.exhibits)
    asked = {condition: number for condition, (_, number) in counts.items()}
    # The middle stages, at which the models differ, are asked about most; natural stimuli hardly at all.
    middle = asked.get(("first", "two"), 0) + asked.get(("second", "two"), 0)
    assert middle > 0.4 * sum(asked.values())
    assert asked.get(("", "natural"), 0) < 0.1 * sum(asked.values())


def test_within_a_condition_stimuli_are_shown_equally_often():
    selector = StimulusSelector(designed())
    _, met = simulate(selector, list("abcdefgh"), falling, np.random.default_rng(1))
    shown = Counter(name for exhibits in met.values() for name in exhibits)
    condition = max(STAGES["first"], key=lambda stage: _number(selector, shown, ("first", stage)))
    numbers = [shown[name] for name, one in selector.exhibits.items() if one.condition == ("first", condition)]
    assert max(numbers) - min(numbers) <= 2
    assert sum(numbers) > 20


def _number(selector, shown, condition):
    return sum(number for name, number in shown.items() if selector.exhibits[name].condition == condition)


def test_the_estimate_finds_the_model_that_is_recognized_better_and_stops():
    selector = StimulusSelector(designed())
    given, _ = simulate(selector, list("abcdefghij"), falling, np.random.default_rng(2))
    found = selector.estimate(selector.counts(given))
    assert found.low > 0
    assert (found.participants, found.answers) == (10, 10 * (len(NAMES) - 3))
    assert not selector.enough(selector.estimate(selector.counts({"a": given["a"]})))
    assert StimulusSelector(designed(interval=found.high - found.low + 1e-6)).enough(found)
    assert StimulusSelector(designed(interval=None, bayes_factor=3)).enough(found) is (found.bayes_factor >= 3)
    assert re.findall(r"\b(?:210|10)\b", selector.describe(found)) == ["210", "10"]


def test_answers_of_excluded_participants_change_nothing():
    design = designed()
    selector = StimulusSelector(design)
    good, _ = simulate(selector, ["p", "q"], falling, np.random.default_rng(3))
    bad, _ = simulate(selector, ["lazy"], lambda condition: 0, np.random.default_rng(4), catch=False)
    assert StimulusSelector(design).estimate(selector.counts(good | bad)) == StimulusSelector(design).estimate(
        selector.counts(good)
    )
    unwilling = {"no": bad["lazy"] | {"consent": answer("no", "consent", given="no")}}
    assert StimulusSelector(design).estimate(selector.counts(good | unwilling)) == StimulusSelector(design).estimate(
        selector.counts(good)
    )
    # Without a main trial, nothing counts yet.
    begun = {"new": {"consent": answer("new", "consent", given="yes")}}
    assert selector.estimate(selector.counts(begun)).participants == 0
    assert selector.next_exhibit(selector.counts(begun), "new", set(), {}) is not None


def test_the_same_answers_give_the_same_choice():
    selector = StimulusSelector(designed())
    given, met = simulate(selector, ["p"], falling, np.random.default_rng(5))
    counts, shown = selector.counts(given), times_shown(given)
    again = StimulusSelector(designed()).next_exhibit(counts, "p", set(), shown)
    assert again == StimulusSelector(designed()).next_exhibit(counts, "p", set(), shown)
    assert selector.exhibits[again].stimulus in {selector.exhibits[name].stimulus for name in met["p"]}


def test_a_threshold_is_asked_of_one_model():
    selector = StimulusSelector(designed({"first": ["one", "two", "three"]}, question="threshold"))
    given, _ = simulate(selector, list("abcdefghij"), falling, np.random.default_rng(6))
    found = selector.estimate(selector.counts(given))
    assert 0.4 < found.mean < 0.8
    assert np.isnan(found.bayes_factor)


def test_a_design_of_another_number_of_models_is_refused():
    with pytest.raises(ValueError, match=r"threshold .*1 .*difference .*2 "):
        StimulusSelector(designed(question="threshold"))
