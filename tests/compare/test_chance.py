"""Recognition by chance, and Cohen's kappa."""

import re

import numpy as np
import pytest
import xarray as xr

from metamers.compare import chance
from metamers.compare import recognizability as compare
from metamers.compare.chance import cohens_kappa, kappa_by_stage, with_chance
from metamers.compare.files import RECOGNIZABILITY
from metamers.run import files


def one_hot(names, categories):
    return np.array([[name == category for category in categories] for name in names], float)


def judged(answers, categories, accepted=None):
    """Answers (stage, stimulus, seed) with the first stage ``natural``, and the acceptance of the other stages."""
    answers = np.array(answers)
    stages = ["natural", *(f"stage_{number}" for number in range(1, len(answers)))]
    dims = ("stage", "stimulus", "seed")
    coords = {"stage": stages, "stimulus": [f"s{n}" for n in range(answers.shape[1])], "seed": range(answers.shape[2])}
    answer = xr.DataArray(answers, coords=coords, dims=dims).assign_coords(category=("stimulus", categories))
    accepted = np.ones(answers[1:].shape, bool) if accepted is None else np.array(accepted, bool)
    return answer, xr.DataArray(accepted, coords=coords | {"stage": stages[1:]}, dims=dims)


def test_kappa_of_a_small_table():
    """Of 50 answers, 20 agree on yes and 15 on no; yes is given 25 and 30 times: chance is 0.5, kappa 0.4."""
    shown = ["yes"] * 25 + ["no"] * 25
    answered = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohens_kappa(one_hot(answered, ["yes", "no"]), one_hot(shown, ["yes", "no"]))
    assert found.correct == pytest.approx(0.7)
    assert found.chance == pytest.approx(0.5)
    assert found.kappa == pytest.approx(0.4)
    assert -1 <= found.low < found.kappa < found.high <= 1


def test_the_interval_is_that_of_clopper_and_pearson_on_the_scale_of_kappa():
    shown, answered = one_hot("abcdefghij", "abcdefghij"), one_hot("abbbbbbbbb", "abcdefghij")
    found = cohens_kappa(answered, shown)  # tables give 0.0252 to 0.5561 for 2 correct answers of 10
    assert found.chance == pytest.approx(0.1)
    ends = np.array([0.025211, 0.556095])
    np.testing.assert_allclose([found.low, found.high], (ends - 0.1) / 0.9, atol=1e-5)


def test_kappa_is_1_for_a_perfect_observer_and_0_for_a_single_answer():
    shown = one_hot("aabbcc", "abc")
    right, single = cohens_kappa(shown, shown), cohens_kappa(one_hot("aaaaaa", "abc"), shown)
    assert (right.kappa, right.high) == (1, 1)
    assert (single.correct, single.chance) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert single.kappa == pytest.approx(0)
    assert single.low < 0 < single.high


def test_a_systematic_confusion_is_below_chance():
    found = cohens_kappa(one_hot("bbaa", "ab"), one_hot("aabb", "ab"))
    assert (found.correct, found.kappa, found.low) == (0, -1, -1)


def test_an_answer_that_was_never_shown_cannot_be_right_by_chance():
    found = cohens_kappa(one_hot("xxxx", "abx"), one_hot("aabb", "abx"))
    assert (found.correct, found.chance, found.kappa) == (0, 0, 0)


@pytest.mark.parametrize("answered", ["aaaa", "aabb", "bbbb"])
def test_kappa_is_undefined_for_one_category(answered):
    found = cohens_kappa(one_hot(answered, "ab"), one_hot("aaaa", "ab"))
    assert np.isfinite(found.chance)
    assert np.isnan([found.kappa, found.low, found.high]).all()


def test_without_stimuli_all_values_are_undefined():
    found = cohens_kappa(np.full((3, 2), np.nan), one_hot("abb", "ab"))
    assert np.isnan(found).all()


def test_stimuli_without_a_metamer_are_left_out():
    shown, answered = one_hot("abab", "ab"), one_hot("abba", "ab")
    answered[3] = np.nan
    np.testing.assert_allclose(cohens_kappa(answered, shown), cohens_kappa(answered[:3], shown[:3]))


def test_seeds_are_averaged_first_and_only_accepted_metamers_count():
    # a: one of two seeds right. b: its one accepted seed is answered c. c: nothing accepted.
    natural = [["a", "a"], ["b", "b"], ["c", "c"]]
    answer, accepted = judged(
        [natural, [["a", "b"], ["b", "c"], ["c", "c"]]], ["a", "b", "c"], [[[1, 1], [0, 1], [0, 0]]]
    )
    found = kappa_by_stage(answer, accepted)
    # Answers: a 1/4, b 1/4, c 1/2; shown: a and b, each one half. Right: 1/4 of the time.
    np.testing.assert_allclose(found["chance_agreement"], [1 / 3, 1 / 4])
    np.testing.assert_allclose(found["cohens_kappa"], [1, 0])
    assert found["most_frequent_answer"].values.tolist() == ["a", "c"]
    np.testing.assert_allclose(found["most_frequent_answer_share"], [1 / 3, 1 / 2])
    assert not found["single_answer"].any()


def test_proportion_correct_equals_that_of_recognizability():
    rng = np.random.default_rng(0)
    categories = np.array(list("abcab"))
    answers, kept = rng.choice(list("abcd"), (3, 5, 4)), rng.random((2, 5, 4)) < 0.4
    answer, accepted = judged(answers, categories, kept)
    correct = answer == answer["category"]
    expected = compare.stage_recognizability(correct, accepted)["proportion_correct"]
    found = kappa_by_stage(answer, accepted)
    kappa = (expected - found["chance_agreement"]) / (1 - found["chance_agreement"])
    np.testing.assert_allclose(found["cohens_kappa"], kappa.values)


def single(answers, categories):
    answer, accepted = judged([[[c] for c in categories], [[a] for a in answers]], list(categories))
    return bool(kappa_by_stage(answer, accepted)["single_answer"].sel(stage="stage_1"))


def test_a_recognition_model_with_a_single_answer_is_detected():
    assert single("xxxx", "abcd")
    assert single("xxxd", "abcd")  # 75%
    assert single("aaaaab", "abcdef")
    assert single("aaaa", "aabc")  # half of the stimuli have that category
    assert not single("xxcd", "abcd")
    assert not single("xxx", "abc")  # too few stimuli
    assert not single("aaab", "aaab")  # the answers are correct
    assert not single("aaaa", "aaab")  # most stimuli have that category


FAMILIES = {"x": "one", "y": "two", "z": "two"}


def chance_of(acceptance, recognition, families=FAMILIES):
    return with_chance(compare.recognizability(acceptance, recognition, families), acceptance, recognition, families)


@pytest.fixture(scope="module")
def run():
    """Metamers of model x are judged by itself, y and z; y gives one answer to its stage; z recognizes only those of x."""
    categories = list("abcd")
    natural = [[c] for c in categories]
    right, accepted = judged([natural, natural], categories)
    alike, _ = judged([natural, [["a"]] * 4], categories)
    sets = [xr.Dataset({"answer": answer, "correct": answer == answer["category"]}) for answer in (right, alike)]
    other = [one.assign_coords(stage=["natural", "stage_2"]) for one in sets]
    accepted = xr.Dataset({"accepted": accepted})
    acceptance = {"x": accepted, "y": accepted.assign_coords(stage=["stage_2"])}
    recognition = {"x": {"x": sets[0], "y": sets[1], "z": sets[0]}, "y": {"x": other[1], "y": other[0]}}
    return acceptance, recognition


def test_adding_chance_keeps_recognizability(run):
    before = compare.recognizability(*run, FAMILIES)
    found = with_chance(before, *run, FAMILIES)
    xr.testing.assert_identical(found[list(before.data_vars)], before)
    assert found["cohens_kappa"].dims == ("generation_model", "stage", "recognition_model")
    of_x = found.sel(generation_model="x")
    assert of_x["cohens_kappa"].sel(stage="stage_1").values.tolist() == [1, 0, 1]
    assert of_x["single_answer"].sel(stage="stage_1").values.tolist() == [False, True, False]
    assert of_x["most_frequent_answer"].sel(stage="stage_2").values.tolist() == ["", "", ""]
    assert not of_x["single_answer"].sel(stage="stage_2").any()
    of_y = found.sel(generation_model="y", recognition_model="z")
    assert of_y["cohens_kappa"].isnull().all()
    assert set(of_y["most_frequent_answer"].values.tolist()) == {""}


def test_the_model_itself_does_not_count_for_the_chance_of_the_others(run):
    acceptance, recognition = run
    fewer = {"x": {"x": recognition["x"]["y"], "y": recognition["x"]["z"]}}  # x answers one category, of two shown
    found = chance_of({"x": acceptance["x"]}, fewer)
    others = found["other_models_chance"].sel(generation_model="x").values
    np.testing.assert_allclose(others, found["chance_agreement"].sel(generation_model="x", recognition_model="y"))
    alone = {"x": {"x": recognition["x"]["x"]}}
    found = chance_of({"x": acceptance["x"]}, alone)
    assert found["other_models_chance"].isnull().all()


def test_models_of_one_family_count_once_for_the_chance_of_the_others(run):
    acceptance, recognition = {"w": run[0]["x"]}, {"w": run[1]["x"]}
    families = {"w": "none of them", "x": "one", "y": "two", "z": "two"}
    found = chance_of(acceptance, recognition, families).sel(generation_model="w")
    of_model = found["chance_agreement"]
    x, y, z = (of_model.sel(recognition_model=name) for name in "xyz")
    np.testing.assert_allclose(found["other_models_chance"], (x + (y + z) / 2) / 2)


def test_the_dataset_can_be_saved(run, tmp_path):
    found = chance_of(*run)
    about = {"title": "", "source": "", "step": "test", "run": "test", "seed": 0, "inputs": []}
    files.save(found, tmp_path / "a.nc", declared=RECOGNIZABILITY, **about)
    again = files.load(tmp_path / "a.nc")
    assert again["most_frequent_answer"].values.tolist() == found["most_frequent_answer"].values.tolist()
    assert again["single_answer"].values.tolist() == found["single_answer"].values.tolist()


def test_the_documentation_states_the_share_that_defines_a_single_answer(root):
    text = (root / "docs" / "explanation" / "recognizability.md").read_text()
    share, stimuli = f"{chance.SINGLE_ANSWER_SHARE:.0%}", {4: "four"}[chance.SINGLE_ANSWER_STIMULI]
    assert re.search(rf"\b{share} [^.]*\b{stimuli} stimuli\b", text)
