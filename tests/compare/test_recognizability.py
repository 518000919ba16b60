"""Recognizability by models, and its correlation with that by humans."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr

from metamers.compare import humans_vs_models
from metamers.compare import recognizability as compare
from metamers.compare.files import HUMANS_VS_MODELS, RECOGNIZABILITY
from metamers.compare.proportions import proportion_interval
from metamers.compare.relation import NAMES
from metamers.humans import noise_ceiling
from metamers.humans import participants as humans
from metamers.humans import summary as humans_summary
from metamers.run import files


@pytest.fixture(scope="module")
def committed(root):
    return humans_summary.read_results(root / "resources/published/group_results.csv", humans_summary.COLUMNS)


@pytest.fixture(scope="module")
def ceilings(root):
    return humans_summary.read_results(root / "resources/published/noise_ceiling.csv", humans_summary.CEILING_COLUMNS)


@pytest.fixture(scope="module")
def recognition_models(registry):
    return {name: {"public": len(e["models"]), **e["published"]} for name, e in registry["recognition_models"].items()}


@pytest.fixture(scope="module")
def from_summary(committed, ceilings, recognition_models):
    return humans_vs_models.humans_vs_models(humans_summary.pooled_points(committed), ceilings, recognition_models)


@pytest.fixture(scope="module")
def from_participants(published_participants, published_judgements, registry, ceilings, recognition_models):
    modalities = {name: entry["modality"] for name, entry in registry["experiments"].items()}
    groups = humans_summary.group_results(published_participants, modalities, published_judgements)
    return humans_vs_models.humans_vs_models(humans_summary.pooled_points(groups), ceilings, recognition_models)


def test_audition_gives_the_published_relation(from_participants):
    found = from_participants.sel(modality="audio")
    assert [round(float(found[name]), 3) for name in humans_vs_models.CORRELATIONS] == [0.949, 0.863, 0.713]
    assert found["human_mean"].count() == 144
    assert int(found["recognition_models"]) == int(found["recognition_models_in_paper"]) == 17


def test_vision_gives_a_relation_near_the_published_one_with_20_public_of_29_recognition_models(from_participants):
    found = from_participants.sel(modality="vision")
    assert found["human_mean"].count() == 148
    assert (int(found["recognition_models"]), int(found["recognition_models_in_paper"])) == (20, 29)
    assert [round(float(found[name]), 3) for name in humans_vs_models.CORRELATIONS] == [0.860, 0.920, 0.748]
    assert found["pearson_r2_low"] < found["published_pearson_r2"] < found["pearson_r2_high"]
    assert re.search(r"\b20 of .*\b29\b", from_participants.attrs["comment"])


def test_without_the_model_whose_metamers_only_humans_recognize_vision_nearly_has_the_published_relation(
    from_participants,
):
    found = from_participants.sel(modality="vision")
    apart = found["generation_model"] == "AlexNet (Linf 8/255 adversarial)"
    of_model = found.isel(point=apart.values)
    assert (of_model["model_mean"][1:] < 0.16).all()
    assert (of_model["human_mean"][1:] > 0.28).all()
    rest = found.isel(point=~apart.values & found["human_mean"].notnull().values)
    r2, rho, tau = humans_vs_models.correlations(rest["model_mean"].values, rest["human_mean"].values)
    assert (round(r2, 3), round(rho, 3), round(tau, 3)) == (0.904, 0.933, 0.769)


def test_the_committed_table_gives_the_same_result_as_the_participants(from_summary, from_participants):
    xr.testing.assert_allclose(from_summary, from_participants, rtol=0, atol=2e-10)


def test_intervals_contain_their_estimates_and_lie_below_the_noise_ceiling(from_summary):
    for name in humans_vs_models.CORRELATIONS:
        assert (from_summary[f"{name}_low"] < from_summary[name]).all()
        assert (from_summary[name] < from_summary[f"{name}_high"]).all()
    # Percentiles over models, which cover 78 to 88%, gave 0.778 to 0.920 and 0.934 to 0.965.
    np.testing.assert_allclose(from_summary["pearson_r2_low"], [0.701, 0.926], atol=5e-4)
    np.testing.assert_allclose(from_summary["pearson_r2_high"], [0.938, 0.964], atol=5e-4)
    assert (from_summary["pearson_r2_high"] < from_summary["noise_ceiling_r2_low"]).all()


def test_depth_explains_much_variance_and_other_models_most_of_the_remainder(from_participants):
    """Partial R² of the published data given depth, compared with R² of depth alone."""
    found = from_participants.sel(modality=["vision", "audio"])
    np.testing.assert_allclose(found["depth_r2"], [0.61, 0.71], atol=0.005)
    np.testing.assert_allclose(found["partial_r2"], [0.78, 0.82], atol=0.005)
    np.testing.assert_allclose(found["inside_r2"], [0.56, 0.88], atol=0.005)
    assert found["inside_n"].values.tolist() == [46, 39]
    for name in NAMES:
        assert (found[f"{name}_low"] < found[name]).all()
        assert (found[name] < found[f"{name}_high"]).all()
    assert (found["partial_r2"] < found["pearson_r2"]).all()


def test_the_noise_ceiling_has_a_range_over_splits_and_an_interval_over_participants(from_summary, ceilings):
    for name in ("low", "high", "participants_low", "participants_high"):
        np.testing.assert_array_equal(from_summary[f"noise_ceiling_r2_{name}"], ceilings[name])
    assert (from_summary["noise_ceiling_r2_participants_low"] > from_summary["pearson_r2_high"]).all()


def test_r2_is_also_given_as_a_share_of_the_noise_ceiling(from_summary):
    share = from_summary["pearson_r2_of_ceiling"]
    xr.testing.assert_allclose(share, from_summary["pearson_r2"] / from_summary["noise_ceiling_r2"])
    assert (from_summary["pearson_r2_of_ceiling_low"] < share).all()
    assert (share < from_summary["pearson_r2_of_ceiling_high"]).all()


def test_correlations_of_a_line_and_of_its_reverse():
    x = np.arange(10.0)
    assert humans_vs_models.correlations(x, 3 * x + 1) == pytest.approx((1, 1, 1))
    assert humans_vs_models.correlations(x, -x) == pytest.approx((1, -1, -1))


def test_the_interval_leaves_out_whole_models_with_their_stages():
    """Jackknife of artanh r over 12 models, squared for R²; points instead of models would give a narrower interval."""
    rng = np.random.default_rng(0)
    models = np.repeat([f"m{number}" for number in range(12)], 8)
    x, y = (np.repeat(rng.normal(size=12), 8) + 0.1 * rng.normal(size=96) for _ in range(2))
    y += 3 * x
    by_model = humans_vs_models.correlation_intervals(x, y, models)
    for coefficient, ends in zip(
        (scipy.stats.pearsonr, scipy.stats.spearmanr, scipy.stats.kendalltau), by_model, strict=True
    ):
        z = [np.arctanh(coefficient(x[models != name], y[models != name]).statistic) for name in np.unique(models)]
        half = scipy.stats.t.ppf(0.975, 11) * np.sqrt(11 * np.var(z))
        expected = np.tanh(np.arctanh(coefficient(x, y).statistic) + half * np.array([-1, 1]))
        np.testing.assert_allclose(ends, expected**2 if coefficient is scipy.stats.pearsonr else expected)
    by_point = humans_vs_models.correlation_intervals(x, y, np.arange(96))
    assert (np.diff(by_model) > 1.5 * np.diff(by_point)).all()


def test_the_interval_of_r2_ends_at_0_where_r_may_have_either_sign():
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    low, high = humans_vs_models.correlation_intervals(x, y, np.arange(30))[0]
    assert low == 0
    assert 0 < high < 0.5


def test_five_models_have_no_interval_of_correlations():
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    assert np.isnan(humans_vs_models.correlation_intervals(x, y, np.arange(30) % 5)).all()


def run_data(correct, accepted):
    """Datasets in the form of the workflow: the stages natural and one, three stimuli, two seeds."""
    coords = {"stage": ["natural", "one"], "stimulus": ["a", "b", "c"], "seed": [0, 1]}
    correct = xr.DataArray(np.array(correct, dtype=bool), coords=coords, dims=list(coords))
    accepted = xr.DataArray(np.array([accepted], dtype=bool), coords=coords | {"stage": ["one"]}, dims=list(coords))
    return xr.Dataset({"accepted": accepted}), xr.Dataset({"correct": correct})


NATURAL_ANSWERS = [[1, 1], [1, 1], [0, 0]]


def test_recognizability_of_a_small_example():
    # Stimulus a: one of two accepted metamers right, 1/2. b: its one accepted metamer right, 1. c: none accepted.
    acceptance, recognition = run_data(
        correct=[NATURAL_ANSWERS, [[1, 0], [0, 1], [1, 1]]],
        accepted=[[1, 1], [0, 1], [0, 0]],
    )
    found = compare.stage_recognizability(recognition["correct"], acceptance["accepted"])
    assert found["n"].values.tolist() == [3, 2]
    np.testing.assert_allclose(found["proportion_correct"], [2 / 3, 3 / 4])
    wilson = proportion_interval(np.array([2 / 3, 3 / 4]), np.array([3, 2]))
    for name in ("standard_error", "low", "high"):
        np.testing.assert_allclose(found[name], getattr(wilson, name))


def test_without_accepted_metamers_recognizability_is_undefined():
    acceptance, recognition = run_data(correct=[NATURAL_ANSWERS, np.ones((3, 2))], accepted=np.zeros((3, 2)))
    found = compare.stage_recognizability(recognition["correct"], acceptance["accepted"]).sel(stage="one")
    assert found["n"] == 0
    assert np.isnan(found["proportion_correct"])
    assert np.isnan(found["standard_error"])


def test_one_stimulus_gives_a_very_wide_interval():
    acceptance, recognition = run_data([NATURAL_ANSWERS, np.ones((3, 2))], accepted=[[1, 1], [0, 0], [0, 0]])
    found = compare.stage_recognizability(recognition["correct"], acceptance["accepted"]).sel(stage="one")
    assert (found["n"], found["proportion_correct"]) == (1, 1)
    assert found["standard_error"] > 0.2
    assert found["low"] < 0.1


def test_where_every_stimulus_is_recognized_the_standard_error_is_not_0(recognizable):
    found = recognizable.sel(generation_model="x", stage="one", recognition_model="y")
    assert found["proportion_correct"] == 1
    assert found["standard_error"] > 0.1
    assert found["low"] < 0.6
    assert recognizable["other_models_standard_error"].sel(generation_model="x", stage="one") > 0.1


@pytest.fixture
def recognizable():
    """Two models: x recognizes none of y's metamers, y all of x's, and each recognizes its own."""
    right, wrong = [NATURAL_ANSWERS, np.ones((3, 2))], [NATURAL_ANSWERS, np.zeros((3, 2))]
    acceptance, _ = run_data(right, np.ones((3, 2)))
    answers = {"right": run_data(right, np.ones((3, 2)))[1], "wrong": run_data(wrong, np.ones((3, 2)))[1]}
    y_stages = ["natural", "two"]
    of_y = {"x": answers["wrong"].assign_coords(stage=y_stages), "y": answers["right"].assign_coords(stage=y_stages)}
    return compare.recognizability(
        {"x": acceptance, "y": acceptance.assign_coords(stage=["two"])},
        {"x": {"x": answers["right"], "y": answers["right"]}, "y": of_y},
        {"x": "one", "y": "another"},
    )


def test_recognizability_of_models_with_different_stages(recognizable):
    assert recognizable["proportion_correct"].dims == ("generation_model", "stage", "recognition_model")
    assert recognizable["stage"].values.tolist() == ["natural", "one", "two"]
    assert humans.own_stages(recognizable, "y") == ["natural", "two"]
    assert recognizable["proportion_correct"].sel(generation_model="y", stage="one").isnull().all()
    assert (recognizable["n"].sel(generation_model="y", stage="one") == 0).all()


def test_recognizability_can_be_saved(recognizable, from_summary, tmp_path):
    for dataset, declared in ((recognizable, RECOGNIZABILITY), (from_summary, HUMANS_VS_MODELS)):
        path = tmp_path / "x.nc"
        files.save(dataset, path, declared=declared, title="", source="", step="test", run="test", seed=0, inputs=[])
        assert files.content_sha256(files.load(path)) == files.load(path).attrs["content_sha256"]


def test_a_model_does_not_count_for_its_own_metamers(recognizable):
    others = recognizable["other_models"]
    assert others.sel(generation_model="x", stage="one") == 1
    assert others.sel(generation_model="y", stage="two") == 0
    assert np.isnan(others.sel(generation_model="y", stage="one"))


def test_own_participants_are_compared_with_the_run_s_other_models():
    """Three models of two stages, each judged by four participants and by the other two models."""
    rng = np.random.default_rng(0)
    stages, models = ["natural", "one", "two"], ["a", "b", "c"]
    _, stage_number = humans.stage_union(dict.fromkeys(models, stages))
    mine = xr.Dataset(
        {
            "proportion_correct": (
                ("participant", "generation_model", "stage", "observer"),
                rng.integers(11, size=(4, 3, 3, 2)) / 10,
            ),
            "stage_number": stage_number,
        },
        coords={"observer": list(humans.OBSERVERS), "model_class": ("generation_model", ["this run"] * 3)},
    )
    rows = [
        (model, stage, recognition_model, rng.random())
        for model in models
        for stage in stages[1:]
        for recognition_model in models
    ]
    columns = ["generation_model", "stage", "recognition_model", "proportion_correct"]
    judged = pd.DataFrame(rows, columns=columns)
    found = humans_vs_models.own_participants_vs_models({"mine": mine}, {"mine": "vision"}, {"vision": judged})
    found = found.sel(modality="vision")
    human = mine["proportion_correct"].sel(observer="human", stage=stages[1:]).mean("participant")
    np.testing.assert_allclose(found["human_mean"], human.values.ravel())
    others = judged[judged["generation_model"] != judged["recognition_model"]]
    means = others.groupby(["generation_model", "stage"])["proportion_correct"].mean()
    np.testing.assert_allclose(found["model_mean"], means)
    assert int(found["recognition_models"]) == int(found["recognition_models_in_paper"]) == 3
    known = [(model, stage) for model in models for stage in stages[1:]]
    assert float(found["noise_ceiling_r2"]) == noise_ceiling.noise_ceiling([mine], known)[0]


def test_pooled_points_of_a_small_example():
    """Two experiments with 2 and 3 participants, whose proportions are 0, 1 and 0, 0, 1."""

    def row(experiment, observer, answers):
        answers = np.array(answers)
        mean, sem = answers.mean(), scipy.stats.sem(answers)
        return (experiment, "vision", "m", "standard", "one", observer, mean, sem, len(answers))

    others = [0.2, 0.4]
    table = pd.DataFrame(
        [
            row("e", "human", [0, 1]),
            row("e", "model", [1, 1]),
            row("e", "other_models", others),
            row("f", "human", [0, 0, 1]),
            row("f", "other_models", others),
        ],
        columns=humans_summary.COLUMNS,
    )
    point = humans_summary.pooled_points(table).iloc[0]
    assert point["human_n"] == 5
    assert point["human_mean"] == pytest.approx(2 / 5)
    assert point["human_sem"] == pytest.approx(scipy.stats.sem([0, 1, 0, 0, 1]))
    assert (point["model_mean"], point["model_sem"], point["model_n"]) == pytest.approx((0.3, 0.1, 2))
