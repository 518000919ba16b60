"""Participants of an adaptive experiment: their answers, from the file to the posterior distribution."""

import json

import numpy as np
import pytest
import scipy.stats

from metamers.humans.adaptive import adaptive_dataset, weighted_quantiles
from metamers.humans.design import CHOSEN
from metamers.humans.exclusion import EXCLUSIONS
from metamers.humans.own_participants import read_answers
from metamers.humans.stimulus_selector import StimulusSelector
from tests.humans.adaptive_design import AT_LEAST, CATEGORIES, STAGES, designed, falling

LETTERS = set(CATEGORIES.values())


def rows(design, name, seed=0, trials=None, catch=True, consent="yes"):
    """Rows as the page writes them, of a participant who is shown random conditions."""
    rng, selector = np.random.default_rng(seed), StimulusSelector(design)
    own = {"participant": name, "order": 0, "design": design.attrs["design"]}
    made = [{"step": "consent", "answer": consent, **own}]
    stimuli = list(rng.permutation(sorted({one.stimulus for one in selector.exhibits.values()})))
    for trial, place in enumerate(design["shown"].values[0][:trials]):
        right = True
        if place == CHOSEN:
            stimulus = stimuli.pop()
            names = [exhibit for exhibit, one in selector.exhibits.items() if one.stimulus == stimulus]
            exhibit = names[rng.integers(len(names))]
            right = rng.random() < falling(selector.exhibits[exhibit].condition)
        else:
            exhibit = str(design["exhibit"].values[place])
            right = catch or design["kind"].values[place] != "catch"
        category = str(design["category"].sel(exhibit=exhibit).item())
        answer = category if right else sorted(LETTERS - {category})[0]
        made.append({"step": f"trial-{trial}", "exhibit": f"{exhibit}.png", "answer": answer, **own})
    return made


def written(folder, *people):
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.json" for number in range(len(people))]
    for path, own in zip(paths, people, strict=True):
        path.write_text(json.dumps(own))
    return paths


def analysed(design, paths):
    return adaptive_dataset(read_answers(paths, design, LETTERS), design, AT_LEAST)


def test_the_file_has_the_posterior_and_the_answers_of_each_condition(tmp_path):
    design = designed()
    people = [rows(design, f"p{seed}", seed) for seed in range(30)]
    found = analysed(design, written(tmp_path, *people))
    step = float(found["value"][1] - found["value"][0])
    assert found["value_posterior"].sum() * step == pytest.approx(1)
    np.testing.assert_allclose(found["value_prior"], scipy.stats.norm.pdf(found["value"], scale=1.5))
    assert found["estimate_low"] < found["estimate"] < found["estimate_high"]
    assert found["estimate_low"] > 0  # the first model is recognized better
    assert found["participants_included"] == 30
    metamers = found.sel(stage=list(STAGES["first"]))
    np.testing.assert_allclose(metamers["condition_depth"], [[0, 0.5, 1]] * 2)
    natural = found["answers_given"].sel(stage="natural")
    assert natural[0] == natural[1]
    assert metamers["answers_given"].sum() + natural[0] == 30 * 21
    observed = metamers["answers_correct"] / metamers["answers_given"]
    assert float(abs(observed - metamers["fitted_proportion"]).max()) < 0.15
    assert (metamers["fitted_low"] < metamers["fitted_proportion"]).all()
    assert (metamers["fitted_proportion"] < metamers["fitted_high"]).all()


def test_a_participant_who_stopped_early_counts_and_an_inattentive_one_does_not(tmp_path):
    design = designed()
    whole = rows(design, "whole", 0)
    early = rows(design, "early", 1, trials=8)
    both = analysed(design, written(tmp_path / "both", whole, early))
    assert both["participants_included"] == 2
    others = [
        rows(design, "inattentive", 2, catch=False),
        rows(design, "unwilling", 3, consent="no")[:1],
        rows(design, "begun", 4, trials=3),
    ]
    found = analysed(design, written(tmp_path / "all", whole, early, *others))
    assert found["excluded"].sel(exclusion=["catch trials", "no consent", "unfinished"]).values.tolist() == [1, 1, 1]
    assert found["exclusion"].values.tolist() == list(EXCLUSIONS)
    np.testing.assert_array_equal(found["value_posterior"], both["value_posterior"])


def test_without_a_participant_the_error_says_why(tmp_path):
    design = designed()
    with pytest.raises(ValueError, match=r" 1 .*\(no consent: 1\)"):
        analysed(design, written(tmp_path, rows(design, "unwilling", 3, consent="no")[:1]))


def test_rows_that_show_a_stimulus_twice_or_another_kind_are_set_aside(tmp_path):
    design = designed()
    good = rows(design, "p", 0)
    selector = StimulusSelector(design)
    main = [number for number, row in enumerate(good) if row.get("exhibit", "")[:-4] in selector.exhibits]
    first, second = main[:2]
    stimulus = selector.exhibits[good[first]["exhibit"][:-4]].stimulus
    again = next(
        name
        for name, one in selector.exhibits.items()
        if one.stimulus == stimulus and f"{name}.png" != good[first]["exhibit"]
    )
    twice = [dict(row) for row in good]
    twice[second]["exhibit"] = f"{again}.png"
    read = read_answers(written(tmp_path / "twice", twice), design, LETTERS)
    assert read.rows_set_aside == 2
    practice = next(
        name for name, kind in zip(design["exhibit"].values, design["kind"].values, strict=True) if kind == "practice"
    )
    other = [dict(row) for row in good]
    other[first]["exhibit"] = f"{practice}.png"
    assert read_answers(written(tmp_path / "other", other), design, LETTERS).rows_set_aside == 1


def test_a_threshold_has_no_bayes_factor_and_another_precision_suffices(tmp_path):
    stages = {"first": ["one", "two", "three"]}
    design = designed(stages, question="threshold", interval=2)
    found = analysed(design, written(tmp_path, *(rows(design, f"p{seed}", seed) for seed in range(3))))
    assert "estimate_bayes_factor" not in found
    assert found["answers_suffice"] == 1
    assert found.attrs["question"] == "threshold"
    assert 0.2 < found["estimate"] < 0.9


def test_quantiles_of_weighted_values():
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3])
    assert weighted_quantiles(values, weights, (0.4, 0.9)) == (1, 3)
    assert weighted_quantiles(values, weights, (0.5, 0.79)) == (1, 2)
