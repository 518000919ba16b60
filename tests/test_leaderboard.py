"""The leaderboard: areas by hand, intervals that cover, and predictions of models that nobody judged."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr

from metamers import compare, files, humans, leaderboard, leaderboard_page
from metamers.pages import render


@pytest.fixture(scope="module")
def groups(root):
    return humans.read_results(root / "resources/published/group_results.csv", humans.COLUMNS)


@pytest.fixture(scope="module")
def relation(root, groups, registry):
    ceilings = humans.read_results(root / "resources/published/noise_ceiling.csv", humans.CEILING_COLUMNS)
    judges = {name: {"public": len(e["models"]), **e["published"]} for name, e in registry["judges"].items()}
    return compare.humans_vs_models(humans.pooled_points(groups), ceilings, judges, bootstrap=100, seed=0)


@pytest.fixture(scope="module")
def experiments(public, registry):
    found = {}
    for entry in registry["experiments"].values():
        found.setdefault(entry["modality"], []).append(humans.experiment_dataset(entry, public))
    return found


@pytest.fixture(scope="module")
def predicted():
    """A run's model that people would be expected to recognize always, and one of which one stage was judged."""
    values = np.array([[1.0, 1.0, 1.0], [0.5, np.nan, np.nan]])
    names = ("predicted", "low", "high")
    coords = {"generation_model": ["perfect", "short"], "stage": ["input", "one", "two"]}
    dims = ("generation_model", "stage")
    numbers = np.tile([1, 2, 3], (2, 1))
    outside = np.array([[False, False, False], [False, True, False]])
    others = {"stage_number": (dims, numbers), "outside_published_range": (dims, outside)}
    return xr.Dataset({name: (dims, values) for name in names} | others, coords=coords)


MODELS = {
    name: {"modality": "vision", "stages": ["input", "one", "two"], "published_as": None}
    for name in ("perfect", "short")
}


@pytest.fixture(scope="module")
def board(groups, relation, predicted):
    return leaderboard.leaderboard(groups, relation, {}, predicted, MODELS, {}, bootstrap=400, seed=0)


def test_depth_is_place_over_last_place_without_natural_and_input():
    order = ["natural", "input", "a", "b", "c"]
    assert leaderboard.depths(["a", "b", "c"], order).tolist() == [0, 0.5, 1]
    assert leaderboard.depths(["a", "c"], order).tolist() == [0, 1]
    with pytest.raises(ValueError, match="two stages besides the input; found a"):
        leaderboard.depths(["a"], ["input", "a"])


@pytest.mark.parametrize("depth", [[0, 1], [0, 0.1, 1], [0.2, 0.5, 0.6]])
def test_the_area_under_a_line_is_its_height_in_the_middle(depth):
    weights = leaderboard.area_weights(np.array(depth))
    assert weights.sum() == pytest.approx(1)
    assert weights @ (1 - np.array(depth)) == pytest.approx(1 - (depth[0] + depth[-1]) / 2)


def test_a_curve_and_its_stages_doubled_have_the_same_area():
    few, many = np.linspace(0, 1, 5), np.linspace(0, 1, 9)
    curve = np.array([1.0, 0.7, 0.6, 0.2, 0.1])
    doubled = np.interp(many, few, curve)
    assert leaderboard.area_weights(many) @ doubled == pytest.approx(leaderboard.area_weights(few) @ curve)


def test_a_participant_s_areas_give_the_ordinary_standard_error():
    rng = np.random.default_rng(0)
    answers = rng.random((30, 3, 1)) * np.array([0.9, 0.5, 0.3])[:, None] + rng.normal(0, 0.1, (30, 1, 1))
    stages = ["one", "two", "three"]
    data = xr.Dataset(
        {"proportion_correct": (("participant", "stage", "generation_model"), answers)},
        coords={"generation_model": ["m"], "stage": stages},
    ).expand_dims(observer=["human"])
    curve = pd.DataFrame({"stage": stages, "depth": [0, 0.5, 1], "mean": answers[..., 0].mean(0)})
    samples = leaderboard.areas_from_participants(["m"], [curve], [data], 4000, 0)[:, 0]
    areas = answers[..., 0] @ [0.25, 0.5, 0.25]
    assert samples.mean() == pytest.approx(areas.mean(), abs=0.002)
    assert samples.std() == pytest.approx(scipy.stats.sem(areas), rel=0.06)


def test_people_rank_adversarial_training_first(board):
    entries = leaderboard_page.entries_of(board)
    people = entries[entries["basis"] == leaderboard.PEOPLE]
    assert people.groupby("entry_modality").size().to_dict() == {"vision": 30, "audio": 18}
    first = people[people["rank"] == 1]
    assert (first["model_class"] == "adversarial").all()
    for _, own in people.groupby("entry_modality"):
        assert own["rank"].tolist() == list(range(1, len(own) + 1))
        assert own["area"].is_monotonic_decreasing
        assert (own["area_low"] < own["area"]).all()
        assert (own["area"] < own["area_high"]).all()
        assert ((own["rank_low"] <= own["rank"]) & (own["rank"] <= own["rank_high"])).all()


def test_means_and_standard_errors_give_wider_intervals_than_the_participants(groups, relation, experiments, board):
    exact = leaderboard.leaderboard(groups, relation, experiments, None, {}, {}, bootstrap=400, seed=0)
    exact, board = (leaderboard_page.entries_of(b).set_index("generation_model") for b in (exact, board))
    board = board.loc[exact.index]
    np.testing.assert_allclose(exact["area"], board["area"])
    ratio = (board["area_high"] - board["area_low"]) / (exact["area_high"] - exact["area_low"])
    assert (ratio > 1).all()
    assert 1.5 < ratio.median() < 2.5


def test_left_out_predictions_are_good_but_below_the_noise_ceiling(board):
    assert (board["left_out_r2"] > 0.85).all()
    assert (board["left_out_r2"] < board["noise_ceiling_r2_low"]).all()
    assert ((board["left_out_coverage"] > 0.9) & (board["left_out_coverage"] < 0.98)).all()
    assert (board["left_out_area_coverage"] >= 0.9).all()


def test_a_run_s_models_are_placed_and_marked(board):
    entries = leaderboard_page.entries_of(board).set_index("generation_model")
    assert entries.loc["perfect", ["area", "rank", "basis"]].tolist() == [1, 1, leaderboard.PREDICTION]
    assert entries.loc["short", ["area", "rank"]].isna().all()
    assert entries["left_out_area"].notna().sum() == 20 + 17


@pytest.fixture(scope="module")
def own_people():
    """Twelve participants who recognize 0.8 and 0.4 of the perfect model's two stages, and the other's one stage."""
    rng = np.random.default_rng(0)
    stages = ["natural", "one", "two"]
    values = np.array([[1, 0.8, 0.4], [1, 0.5, np.nan]]) + 0.1 * (rng.random((12, 2, 3)) - 0.5)
    answers = np.stack([values, np.ones_like(values)], axis=-1)
    coords = {"generation_model": ["perfect", "short"], "stage": stages, "observer": ["human", "model"]}
    numbers = (("generation_model", "stage"), [[0, 1, 2], [0, 1, -1]])
    dims = ("participant", "generation_model", "stage", "observer")
    return xr.Dataset({"proportion_correct": (dims, answers), "stage_number": numbers}, coords=coords)


def test_a_model_that_own_people_judged_stands_by_their_answers_too(groups, relation, predicted, own_people, tmp_path):
    people = {"vision": [own_people.isel(participant=slice(5)), own_people.isel(participant=slice(5, None))]}
    board = leaderboard.leaderboard(groups, relation, {}, predicted, MODELS, people, bootstrap=4000, seed=0)
    entries = leaderboard_page.entries_of(board)
    found = entries[entries["generation_model"] == "perfect"].set_index("basis")
    assert set(found.index) == {leaderboard.OWN_PEOPLE, leaderboard.PREDICTION}
    own = found.loc[leaderboard.OWN_PEOPLE]
    human = own_people["proportion_correct"].sel(observer="human", generation_model="perfect", stage=["one", "two"])
    areas = human.mean("stage").values
    assert own["area"] == pytest.approx(areas.mean())
    assert (own["area_high"] - own["area_low"]) / 2 == pytest.approx(1.96 * scipy.stats.sem(areas), rel=0.15)
    assert (own["participants"], own["stages"]) == (12, 2)
    published = entries[(entries["basis"] == leaderboard.PEOPLE) & (entries["entry_modality"] == "vision")]
    assert own["rank"] == 1 + (published["area"] > own["area"]).sum()
    assert own["rank_low"] <= own["rank"] <= own["rank_high"]
    # One stage alone has no area, be it the only one that was shown or that there is.
    one_stage = {"short": MODELS["short"] | {"stages": ["input", "one"]}}
    assert leaderboard.judged_curves(people, one_stage) == {}
    assert leaderboard.OWN_PEOPLE not in entries.loc[entries["generation_model"] == "short", "basis"].tolist()
    assert board["own_stage"].values.tolist() == ["one", "two"]
    np.testing.assert_allclose(board["own_human"], human.mean("participant"))
    np.testing.assert_allclose(board["own_predicted"], 1)
    files.save(board, tmp_path / "b.nc", title="", source="", step="test", run="test", seed=0, inputs=[])
    page = render("leaderboard.html.j2", leaderboard_page.page_context(files.load(tmp_path / "b.nc"), "run"))
    assert page.count('<th scope="row">perfect</th>') == 4  # twice in the table, and two stages
    assert "0 of 2 lie within" in page
    # Also where nobody could predict.
    nothing = predicted.map(lambda values: values * np.nan if values.dtype == float else values)
    board = leaderboard.leaderboard(groups, relation, {}, nothing, MODELS, people, bootstrap=10, seed=0)
    assert "Nobody was asked" not in render("leaderboard.html.j2", leaderboard_page.page_context(board, "run"))
    assert "Nobody was asked" not in page


def test_it_can_be_kept_and_shown(board, tmp_path):
    files.save(board, tmp_path / "b.nc", title="", source="", step="test", run="test", seed=0, inputs=[])
    page = render("leaderboard.html.j2", leaderboard_page.page_context(files.load(tmp_path / "b.nc"), "<run>"))
    assert "&lt;run&gt;" in page
    assert page.count('<th scope="row">perfect</th>') == 1
    assert "Nobody was asked" in page
    assert "1 of the 5 stages" in " ".join(page.split())
    assert "figures/reliability.svg" in page
    assert "http" not in page.replace("http-equiv", "")
