"""A frozen prediction is scored by the probability of what people answered, and wrong predictions lose."""

import datetime
import os
import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr

from metamers.plan.steps import declared_files
from metamers.preregister import freeze, score
from metamers.preregister.files import SCORED
from metamers.report.preregistered import evidence_word, preregistered_context, preregistered_figure
from metamers.run import files
from tests.conventions import complaints
from tests.preregister.made_up import MODELS, STAGES, judged_as, predictions
from tests.workflow.runs import CREATOR, check_schema

NOW = datetime.datetime(2026, 5, 4, 12, 30, tzinfo=datetime.UTC)
ABOUT = {"title": "made up", "source": "a test", "step": "preregister", "run": "x", "seed": 0}
ABOUT |= {"inputs": [], "creator": CREATOR}
ITEMS = pd.DataFrame(
    [
        ("metamers", "results/x/metamers/eye/late/0000.nc", "a1"),
        ("weights", "eye.pt", "b1"),
        ("setting", "synthesis.quality", '"quick"'),
        ("code", "synthesize/metamers", "c1"),
        ("software", "torch", "2.0"),
        ("answers", "answers/p0.json", "d1"),
    ],
    columns=["item_kind", "item_name", "fingerprint"],
)
LATER = STAGES[1:]
NO_CHANGES = pd.DataFrame(columns=["changed_kind", "changed_item", "change"])


@pytest.fixture(scope="module")
def prediction():
    return freeze.with_items(predictions(), ITEMS, NOW)


@pytest.fixture
def frozen_path(prediction, tmp_path):
    freeze.write_once(prediction, tmp_path / "x.nc", **ABOUT)
    return tmp_path / "x.nc"


def group(correct, trials):
    """Answers of people: correct and all answers (participant, generation_model, stage), natural stimuli first."""
    correct, trials = np.array(correct, float), np.array(trials)
    human = np.divide(correct, trials, out=np.full(correct.shape, np.nan), where=trials > 0)
    dims = ("participant", "generation_model", "stage")
    return xr.Dataset(
        {
            "proportion_correct": ((*dims, "observer"), np.stack([human, human], axis=-1)),
            "trials_answered": (dims, trials),
            "stage_number": (dims[1:], [[0, 1]] * correct.shape[1]),
        },
        coords={
            "generation_model": list(MODELS)[: correct.shape[1]],
            "stage": ["natural", "late"],
            "observer": ["human", "model"],
        },
    )


def test_answers_are_counted_over_participants_and_groups():
    one = group([[[3, 2], [1, 0]], [[2, 1], [1, 1]]], [[[3, 3], [2, 1]], [[3, 3], [2, 2]]])
    other = group([[[3, 4]], [[3, 0]]], [[[3, 5]], [[3, 0]]])  # the second participant met no metamer
    found = score.participants_judged([one, other])
    assert found.keys() == {("eye", "late"), ("ear", "late")}  # natural stimuli are not predicted
    assert (found["eye", "late"].trials.tolist(), found["eye", "late"].correct) == ([3, 3, 5], 7)
    assert (found["ear", "late"].trials.tolist(), found["ear", "late"].correct) == ([1, 2], 1)
    found = score.participants_judged(
        [group([[[3, 29]]], [[[3, 100]]])]
    )  # 29/100 · 100 is less than 29 in floating point
    assert found["eye", "late"].correct == 29


def test_scores_are_logs_of_closed_forms():
    """A certain mean and one answer of each person: binomial. An answer more or less is in the next interval."""
    people = score.Judged(np.ones(20, int), 7)
    found = score.score_stage(people, np.array([0.4]), np.array([0.2]), 0.25, variance=0.3)
    assert found["log_score"] == pytest.approx(scipy.stats.binom.logpmf(7, 20, 0.4))
    assert found["log_score_depth"] == pytest.approx(scipy.stats.binom.logpmf(7, 20, 0.2))
    assert found["log_score_guessing"] == pytest.approx(scipy.stats.binom.logpmf(7, 20, 0.25))
    assert found["pit_low"] == pytest.approx(scipy.stats.binom.cdf(6, 20, 0.4))
    assert found["pit_high"] == pytest.approx(scipy.stats.binom.cdf(7, 20, 0.4))
    low, high = scipy.stats.binom.interval(0.5, 20, 0.4)
    assert [found["interval_low"][0], found["interval_high"][0]] == [low / 20, high / 20]
    assert found["inside"].tolist() == [low <= 7 <= high, True, True]
    assert found["interval_probability"][0] == pytest.approx(
        scipy.stats.binom.pmf(np.arange(low, high + 1), 20, 0.4).sum()
    )
    without = score.score_stage(people, np.array([0.4]), np.array([]), 0.1, variance=0.3)
    assert np.isnan(without["log_score_depth"])


def test_a_calibrated_prediction_has_uniform_pit_and_the_stated_coverage():
    """People whose true proportions are drawn from the prediction."""
    rng = np.random.default_rng(1)
    means, trials = rng.beta(4, 3, 512), np.full(8, 6)
    pit, inside, stated = [], [], []
    for mean in rng.choice(means, 400):
        rho = 0.2 * mean * (1 - mean)
        own = rng.beta(mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1), 8)
        found = score.score_stage(score.Judged(trials, int(rng.binomial(6, own).sum())), means, means, 0.1, 0.2)
        pit.append(rng.uniform(found["pit_low"], found["pit_high"]))
        inside.append(found["inside"])
        stated.append(found["interval_probability"])
    assert scipy.stats.kstest(pit, "uniform").pvalue > 0.01
    np.testing.assert_allclose(np.mean(inside, axis=0), np.mean(stated, axis=0), atol=0.06)
    assert (np.mean(stated, axis=0) >= score.LEVELS).all()


def test_a_right_prediction_wins_and_a_wrong_one_loses(prediction):
    """Against what people recognize of published models' metamers at the same depth."""
    expected = {("eye", stage): prediction["predicted"].sel(generation_model="eye", stage=stage) for stage in LATER}
    right = score.scored_prediction(prediction, judged_as(expected), NO_CHANGES, 0)
    assert right["inside"].sel(level=0.95).all()
    assert right["inside_frozen"].all()
    assert float(right["log_score"].sum()) > float(right["log_score_depth"].sum())
    # People do what depth predicts, but other models recognize late metamers and no early ones.
    misled = freeze.with_items(
        predictions(means=((0.95, 0.9, 0.1, 0.7, 0.85), (0.95, 0.9, 0.7, 0.4, np.nan))), ITEMS, NOW
    )
    usual = misled["reference_proportion"].median("sample").sel(generation_model="eye")
    wrong = score.scored_prediction(
        misled, judged_as({("eye", stage): usual.sel(stage=stage) for stage in LATER}), NO_CHANGES, 0
    )
    assert float(wrong["log_score"].sum()) < float(wrong["log_score_depth"].sum()) - 5
    assert float(wrong["evidence"]) < -1 < float(right["evidence"])
    assert float(wrong["coverage"].sel(level=0.95)) < 0.5
    assert not wrong["inside_frozen"].all()
    assert wrong["pit"].values[0] > 0.998  # more is recognized of the early stage than predicted
    assert wrong["pit"].values[2] < 0.002


def test_evidence_counts_all_stages_of_a_model_as_one():
    """Two stages of one model with differences 1 and 3, one of another with -0.5, one without a reference."""
    scores = {"log_score": [-1.0, -2, -3, -1], "log_score_depth": [-2.0, -5, -2.5, np.nan]}
    models = {"generation_model": ("point", ["a", "a", "b", "b"])}
    scored = xr.Dataset({name: ("point", values) for name, values in scores.items()}, coords=models)
    assert score.evidence(scored) == pytest.approx(2 - 0.5)
    assert np.isnan(score.evidence(scored.isel(point=[3])))
    assert [evidence_word(value) for value in (1.0, 0.99, -0.99, -1.0, np.nan)] == [
        "for", "undecided", "undecided", "against", "undecided",
    ]  # fmt: skip


def test_fewer_answers_than_expected_have_a_wider_interval(prediction):
    """The frozen interval is for 20 people with 10 trials; 3 people with 2 trials are scored by their own."""
    rates = {("eye", "late"): 0.5}
    few, many = (
        score.scored_prediction(prediction, judged_as(rates, *people), NO_CHANGES, 0).isel(point=0)
        for people in ((3, 2), (20, 10))
    )
    width = {name: float((one["interval_high"] - one["interval_low"]).sel(level=0.95)) for name, one in
             {"few": few, "many": many}.items()}  # fmt: skip
    assert width["few"] > width["many"]
    np.testing.assert_allclose([many["low"], many["high"]], [
        many["interval_low"].sel(level=0.95), many["interval_high"].sel(level=0.95)])  # fmt: skip
    assert (few["low"], few["high"]) == (many["low"], many["high"])


@pytest.fixture(scope="module")
def partial():
    """Other models recognize fewer metamers of eye's last stage than of any published one; the ear has no such stage."""
    means = ((0.95, 0.9, 0.7, 0.3, 0.0), (0.95, 0.9, 0.7, 0.4, np.nan))
    return freeze.with_items(predictions(means=means, error=0.002), ITEMS, NOW)


def test_judged_stages_without_prediction_and_predicted_stages_that_nobody_judged_are_named(partial):
    """Whether a judged stage is in the frozen file at all is told apart from whether it has a prediction there."""
    judged = dict.fromkeys([("eye", "late"), ("eye", "last"), ("ear", "last"), ("nose", "late")], 0.3)
    found = score.scored_prediction(partial, judged_as(judged), NO_CHANGES, 0)
    assert found["stage"].values.tolist() == ["late"]
    assert found["unscored_model"].values.tolist() == ["eye", "ear", "nose"]
    assert found["unscored_stage"].values.tolist() == ["last", "last", "late"]
    assert found["unscored_frozen"].values.tolist() == [True, False, False]
    unjudged = [("eye", "input"), ("eye", "early"), ("ear", "input"), ("ear", "early"), ("ear", "late")]
    assert list(zip(found["unjudged_model"].values, found["unjudged_stage"].values, strict=True)) == unjudged
    shown = preregistered_context(found.assign(first_answer="", answer_files_before=0, frozen_sha256="0"))
    assert (shown["not_frozen"], shown["without_prediction"]) == (["ear (last)", "nose (late)"], ["eye (last)"])
    assert shown["unjudged"] == [f"{model} ({stage})" for model, stage in unjudged]
    every = score.scored_prediction(partial, judged_as(dict.fromkeys([*unjudged, ("eye", "late")], 0.3)), NO_CHANGES, 0)
    assert "unjudged_stage" not in every
    assert "unscored_stage" not in every


def test_people_who_judged_no_metamers_are_an_error_of_its_own(prediction):
    with pytest.raises(ValueError, match="natural stimuli"):
        score.scored_prediction(prediction, {}, NO_CHANGES, 0)


def test_people_who_judged_only_stages_without_prediction_give_no_scores(partial, tmp_path):
    found = score.scored_prediction(partial, judged_as({("eye", "last"): 0.1}), NO_CHANGES, 0)
    assert (found.sizes["point"], found["unscored_stage"].values.tolist()) == (0, ["last"])
    assert found["coverage"].isnull().all()
    path = tmp_path / "preregistered.nc"
    files.save(found.assign(first_answer="", answer_files_before=0, frozen_sha256="0"), path, declared=SCORED, **ABOUT)
    check_schema(path, "comparison/preregistered.nc", declared_files())
    shown = preregistered_context(files.load(path))
    assert np.isnan(found["evidence"])
    assert (shown["evidence"], shown["points"], shown["without_prediction"]) == (None, 0, ["eye (last)"])
    assert shown["table"]["rows"] == []
    preregistered_figure(files.load(path))


def test_answers_to_other_metamers_are_an_error_that_names_both(prediction):
    with pytest.raises(ValueError, match=r"nose: deep\b.*ear: early, input, late.*eye: early"):
        score.scored_prediction(prediction, judged_as({("nose", "deep"): 0.5}), NO_CHANGES, 0)


def test_what_changed_is_found_by_name_and_value(prediction):
    assert score.find_changes(prediction, ITEMS).empty
    now = ITEMS.copy()
    now.loc[:4, "fingerprint"] = ["a2", "b1", '"standard"', "c2", "2.1"]
    now.loc[1, "item_name"] = "other.pt"
    now.loc[5, "fingerprint"] = "d2"  # answers come after the prediction
    found = score.find_changes(prediction, now)
    assert sorted(map(tuple, found.values)) == [
        ("code", "synthesize/metamers", "changed"),
        ("metamers", "results/x/metamers/eye/late/0000.nc", "changed"),
        ("setting", "synthesis.quality", '"quick" → "standard"'),
        ("software", "torch", "2.0 → 2.1"),
        ("weights", "eye.pt", "missing"),
        ("weights", "other.pt", "new"),
    ]


def test_of_long_values_the_part_that_differs_is_shown():
    """Two equal beginnings would say nothing."""
    same = ", ".join(f'"category {number}"' for number in range(40))
    found = score.value_change(f"[{same}, 1]", f"[{same}, 2, {same}]")
    assert re.fullmatch(r'….{18}, 1\] → ….{18}, 2, "category 0".*…', found)
    assert len(found) < 2 * score.MAX_VALUE_LETTERS + 10
    assert score.value_change("1", "2") == "1 → 2"
    assert score.value_change("1", f"[{same}]").startswith('1 → ["category 0"')


def test_a_file_of_answers_counts_once_however_its_path_is_written(prediction, tmp_path, monkeypatch):
    """The prediction was frozen with answers/p0.json; the same file, by an absolute path and through a link."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "answers" / "p0.json"
    path.parent.mkdir()
    path.write_text("[]")
    os.utime(path, (NOW.timestamp() - 60,) * 2)
    (tmp_path / "link").symlink_to("answers")
    for given in ("answers/p0.json", path, "link/p0.json"):
        assert score.answers_before(prediction, [given])[0] == 1


def test_answers_before_the_prediction_are_counted(prediction, tmp_path):
    """By the time of the last writing, or because the file existed when the prediction was frozen."""
    paths = [tmp_path / "p1.json", tmp_path / "p2.json"]
    for path, seconds in zip(paths, (-60, 60), strict=True):
        path.write_text("[]")
        os.utime(path, (NOW.timestamp() + seconds,) * 2)
    assert score.answers_before(prediction, paths[1:]) == (1, "2026-05-04T12:31:00+00:00")  # answers/p0.json
    assert score.answers_before(prediction, paths) == (2, "2026-05-04T12:29:00+00:00")
    without = prediction.isel(item=slice(5))
    assert score.answers_before(without, paths[1:]) == (0, "2026-05-04T12:31:00+00:00")
    assert score.answers_before(without, []) == (0, "")


def test_the_scored_file_is_as_its_schema_says(prediction, tmp_path):
    changes = pd.DataFrame([("code", "x", "changed")], columns=NO_CHANGES.columns)
    people = judged_as({("eye", "late"): 0.5, ("ear", "last"): 0.1})
    for found in (
        score.scored_prediction(prediction, people, changes, 0),
        score.scored_prediction(prediction, judged_as({("eye", "late"): 0.5}), NO_CHANGES, 0),
    ):
        whole = found.assign(first_answer="", answer_files_before=0, frozen_sha256="0")
        path = tmp_path / "preregistered.nc"
        files.save(whole, path, declared=SCORED, **ABOUT)
        check_schema(path, "comparison/preregistered.nc", declared_files())
        assert complaints(path) == []
        xr.testing.assert_allclose(files.load(path), whole)


def test_the_same_seed_gives_the_same_random_values(prediction):
    people = judged_as({("eye", "late"): 0.5})
    one, again, other = (
        score.scored_prediction(prediction, people, NO_CHANGES, seed).isel(point=0) for seed in (0, 0, 1)
    )
    assert float(one["pit"]) == float(again["pit"]) != float(other["pit"])
    assert float(one["pit_low"]) <= float(one["pit"]) <= float(one["pit_high"])


def test_a_frozen_file_that_was_edited_is_refused(frozen_path):
    frozen = score.read_frozen(frozen_path)
    frozen["possible_proportion"][0, 1] = 0.5
    frozen_path.unlink()
    frozen.to_netcdf(frozen_path)
    with pytest.raises(ValueError, match=r"x\.nc "):
        score.read_frozen(frozen_path)


def test_another_file_is_refused_with_what_it_lacks(tmp_path):
    files.save(xr.Dataset({"predicted": 1.0}), tmp_path / "y.nc", **ABOUT)
    with pytest.raises(ValueError, match=r"y\.nc .*possible_proportion, .*`snakemake preregister`"):
        score.read_frozen(tmp_path / "y.nc")


def test_a_truncated_frozen_file_is_to_be_restored_and_not_frozen_again(frozen_path):
    """The registered prediction exists only in this file and its copies, unlike every other file of a run."""
    whole = frozen_path.read_bytes()
    frozen_path.chmod(0o644)
    frozen_path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match=r"^preregistration\.file: .*x\.nc .*SHA-256") as found:
        score.read_frozen(frozen_path)
    assert "delete" not in str(found.value)
