"""The leaderboard: areas of small examples, intervals, and entries of a run's own models."""

import re
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr

from metamers.compare import humans_vs_models, passes
from metamers.compare.predicted_human import NOT_JUDGED, predict_left_out_models, predict_run_model, published_relation
from metamers.compare.proportions import proportion_interval
from metamers.compare.recognition_spread import read_recognition, with_spread
from metamers.compare.verdict import Evidence
from metamers.humans import participants as humans
from metamers.humans import summary as humans_summary
from metamers.leaderboard import curves as leaderboard_curves
from metamers.leaderboard import intervals as leaderboard_intervals
from metamers.leaderboard import own_models, ranks
from metamers.leaderboard import ranking as leaderboard
from metamers.leaderboard.files import LEADERBOARD
from metamers.report import leaderboard as leaderboard_page
from metamers.report.looks import Looks, looks_of, mark
from metamers.report.navigation import PAGES, navigation_context
from metamers.report.passes import passes_context, passes_figure
from metamers.report.render import render
from metamers.run import files
from studies.simulations import predicted as simulated_predicted
from tests.report.sites import LINKED, declines_of, write_assets


@pytest.fixture(scope="module")
def groups(root):
    return humans_summary.read_results(root / "resources/published/group_results.csv", humans_summary.COLUMNS)


@pytest.fixture(scope="module")
def relation(root, groups, registry):
    ceilings = humans_summary.read_results(
        root / "resources/published/noise_ceiling.csv", humans_summary.CEILING_COLUMNS
    )
    recognition_models = {
        name: {"public": len(e["models"]), **e["published"]} for name, e in registry["recognition_models"].items()
    }
    relation = humans_vs_models.humans_vs_models(humans_summary.pooled_points(groups), ceilings, recognition_models)
    return with_spread(relation, read_recognition(root / "resources/published/recognition_models.csv"))


@pytest.fixture(scope="module")
def experiments(public, registry):
    found = {}
    for entry in registry["experiments"].values():
        found.setdefault(entry["modality"], []).append(humans.experiment_dataset(entry, public))
    return found


@pytest.fixture(scope="module")
def predicted():
    """One model of a run whose metamers are predicted to be always recognized, and one with a single judged stage."""
    values = np.array([[1.0, 1.0, 1.0], [0.5, np.nan, np.nan]])
    names = ("predicted", "low", "high")
    coords = {"generation_model": ["perfect", "short"], "stage": ["input", "one", "two"]}
    dims = ("generation_model", "stage")
    numbers = np.tile([1, 2, 3], (2, 1))
    reasons = np.array([["", "", ""], ["", "Other models recognize 0%.", ""]])
    others = {"stage_number": (dims, numbers), "reason": (dims, reasons)}
    return xr.Dataset({name: (dims, values) for name in names} | others, coords=coords)


@cache
def published_passes() -> xr.Dataset:
    """The test of the published models, from the committed tables."""
    published = Path(__file__).parents[2] / "resources" / "published"
    differences = humans_summary.read_results(published / "natural_difference.csv", passes.DIFFERENCE_COLUMNS)
    variance = humans_summary.read_results(published / "natural_variance.csv", passes.NATURAL_COLUMNS)
    depths = humans_summary.read_results(published / "stage_depth.csv", leaderboard_curves.DEPTH_COLUMNS)
    return passes.passes_dataset(differences, variance, depths)


def page_of(
    board: xr.Dataset, run: str = "run", looks: Looks | None = None, recognizable: xr.Dataset | None = None
) -> str:
    """The page of a leaderboard."""
    context = leaderboard_page.page_context(board, published_passes(), recognizable, run, looks or {})
    context |= navigation_context("leaderboard", PAGES, LINKED, "standard")
    return render("leaderboard.html.j2", context)


MODELS = {
    name: {
        "modality": "vision",
        "stages": ["input", "one", "two"],
        "published_as": None,
        "depths": {"one": 0.5, "two": 1.0},
        "chance": 0.25,
    }
    for name in ("perfect", "short")
}


@pytest.fixture(scope="module")
def placed(root):
    return humans_summary.read_results(root / "resources/published/stage_depth.csv", leaderboard_curves.DEPTH_COLUMNS)


@pytest.fixture(scope="module")
def tested():
    return published_passes()


@pytest.fixture(scope="module", autouse=True)
def computed_once(relation):
    """Predictions of left-out models and the table of tests, which follow from the published tables alone."""
    left_out, passes = predict_left_out_models(relation), published_passes()
    verdicts = {modality: passes_context(passes, modality) for modality in ("vision", "audio")}

    def predicted(given):
        return left_out if given is relation else predict_left_out_models(given)

    def context(given, modality):
        return verdicts[modality] if given.identical(passes) else passes_context(given, modality)

    with (
        mock.patch("metamers.leaderboard.ranking.predict_left_out_models", predicted),
        mock.patch("metamers.report.leaderboard.passes_context", context),
    ):
        yield


@pytest.fixture(scope="module")
def board(groups, placed, relation, tested, predicted):
    return leaderboard.leaderboard(groups, placed, relation, tested, {}, predicted, MODELS, {}, bootstrap=400, seed=0)


@pytest.fixture(scope="module")
def page(board):
    return page_of(board)


def test_listed_depth_is_position_over_last_position_without_natural_and_input():
    order = ["natural", "input", "a", "b", "c"]
    assert leaderboard_curves.listed_positions(["a", "b", "c"], order).tolist() == [0, 0.5, 1]
    assert leaderboard_curves.listed_positions(["a", "c"], order).tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"a$"):
        leaderboard_curves.listed_positions(["a"], ["input", "a"])


@pytest.mark.parametrize("depth", [[0, 1], [0, 0.1, 1], [0.2, 0.5, 0.6]])
def test_the_area_under_a_line_is_its_value_in_the_middle(depth):
    weights = leaderboard_curves.area_weights(np.array(depth))
    assert weights.sum() == pytest.approx(1)
    assert weights @ (1 - np.array(depth)) == pytest.approx(1 - (depth[0] + depth[-1]) / 2)


def test_duplicating_the_stages_of_a_curve_does_not_change_its_area():
    few, many = np.linspace(0, 1, 5), np.linspace(0, 1, 9)
    curve = np.array([1.0, 0.7, 0.6, 0.2, 0.1])
    doubled = np.interp(many, few, curve)
    assert leaderboard_curves.area_weights(many) @ doubled == pytest.approx(
        leaderboard_curves.area_weights(few) @ curve
    )


def test_resampled_areas_have_the_ordinary_standard_error():
    rng = np.random.default_rng(0)
    answers = rng.random((30, 3, 1)) * np.array([0.9, 0.5, 0.3])[:, None] + rng.normal(0, 0.1, (30, 1, 1))
    stages = ["one", "two", "three"]
    data = xr.Dataset(
        {"proportion_correct": (("participant", "stage", "generation_model"), answers)},
        coords={"generation_model": ["m"], "stage": stages},
    ).expand_dims(observer=["human"])
    curve = pd.DataFrame({"stage": stages, "depth": [0, 0.5, 1], "mean": answers[..., 0].mean(0)})
    samples = leaderboard_intervals.areas_from_participants(["m"], [curve], [data], 4000, 0)[:, 0]
    areas = answers[..., 0] @ [0.25, 0.5, 0.25]
    assert samples.mean() == pytest.approx(areas.mean(), abs=0.002)
    assert samples.std() == pytest.approx(scipy.stats.sem(areas), rel=0.06)


def test_models_with_adversarial_training_rank_first(board):
    entries = leaderboard_page.entries_of(board)
    people = entries[entries["basis"] == leaderboard.PUBLISHED_PARTICIPANTS]
    assert people.groupby("entry_modality").size().to_dict() == {"vision": 30, "audio": 18}
    first = people[people["rank"] == 1]
    assert (first["model_class"] == "adversarial").all()
    for _, own in people.groupby("entry_modality"):
        assert own["rank"].tolist() == list(range(1, len(own) + 1))
        assert own["normalized_area"].is_monotonic_decreasing
        for area in ("area", "normalized_area"):
            assert (own[f"{area}_low"] < own[area]).all()
            assert (own[area] < own[f"{area}_high"]).all()
        assert ((own["rank_low"] <= own["rank"]) & (own["rank"] <= own["rank_high"])).all()


def test_means_and_standard_errors_give_wider_intervals_than_the_participants(
    groups, placed, relation, tested, experiments, board
):
    exact = leaderboard.leaderboard(groups, placed, relation, tested, experiments, None, {}, {}, bootstrap=400, seed=0)
    exact, board = (leaderboard_page.entries_of(b).set_index("generation_model") for b in (exact, board))
    board = board.loc[exact.index]
    np.testing.assert_allclose(exact["area"], board["area"])
    np.testing.assert_allclose(exact["normalized_area"], board["normalized_area"])
    ratio = (board["area_high"] - board["area_low"]) / (exact["area_high"] - exact["area_low"])
    assert (ratio > 1).all()
    assert 1.5 < ratio.median() < 2.5
    width = [one["normalized_area_high"] - one["normalized_area_low"] for one in (board, exact)]
    assert 1 < (width[0] / width[1]).median() < 2.5


def test_published_models_have_the_stage_up_to_which_they_pass_and_others_have_none(board):
    entries = leaderboard.entries_of(board).set_index("generation_model")
    assert entries.loc["ResNet50", ["passes_up_to", "fails_from"]].tolist() == ["layer2", "layer4"]
    assert entries.loc["ResNet50", "passes_depth"] == pytest.approx(0.5, abs=0.2)
    assert entries.loc["CORnet-S", ["passes_up_to", "passes_depth"]].tolist() == ["", 0]
    assert entries.loc["perfect", ["passes_up_to", "fails_from"]].tolist() == ["", ""]
    assert np.isnan(entries.loc["perfect", "passes_depth"])


def test_the_page_shows_the_verdict_on_every_stage(page):
    rows = page[page.index('id="passes"') :]
    assert len(re.findall(r"<td>(?:passes|not worse|undecided|fails)</td>", rows)) == 373
    assert "<strong>layer2</strong>" in page
    assert "<strong>not shown</strong>" in page


def test_the_figure_has_a_mark_for_every_stage():
    figure = passes_figure(published_passes())
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Vision", "Hearing"]
    marks = [len(line.get_xdata()) for axes in figure.axes for line in axes.lines]
    assert sum(marks) == 373
    assert min(marks) > 0


def test_left_out_predictions_are_good_but_below_the_noise_ceiling(board):
    assert (board["left_out_r2"] > 0.83).all()
    assert (board["left_out_r2"] < board["noise_ceiling_r2_low"]).all()
    assert ((board["left_out_coverage"] > 0.9) & (board["left_out_coverage"] < 0.98)).all()
    assert (board["left_out_area_coverage"] >= 0.9).all()


def test_a_run_s_models_have_ranks_and_are_marked(board):
    entries = leaderboard_page.entries_of(board).set_index("generation_model")
    assert entries.loc["perfect", ["area", "normalized_area", "rank"]].tolist() == [1, 1, 1]
    assert entries.loc["perfect", "basis"] == own_models.PREDICTION
    # With two stages, leaving one out leaves a single stage, which has no rank.
    assert entries.loc["perfect", ["rank_one_out_low", "rank_one_out_high"]].isna().all()
    looks = looks_of(["perfect", "short"])
    page = page_of(board, looks=looks)
    assert mark(looks["perfect"]) in page
    assert "None" not in page
    assert "nan" not in page.split("<tbody>")[1].split("</tbody>")[0]
    assert entries.loc["short", ["area", "normalized_area", "rank", "rank_low", "rank_one_out_low"]].isna().all()
    assert entries["left_out_area"].notna().sum() == 20 + 17


@pytest.fixture(scope="module")
def own_people():
    """Twelve participants recognize 0.8 and 0.4 at the perfect model's two stages; they also judge the other's one stage."""
    rng = np.random.default_rng(0)
    stages = ["natural", "one", "two"]
    values = np.array([[1, 0.8, 0.4], [1, 0.5, np.nan]]) + 0.1 * (rng.random((12, 2, 3)) - 0.5)
    answers = np.stack([values, np.ones_like(values)], axis=-1)
    coords = {"generation_model": ["perfect", "short"], "stage": stages, "observer": ["human", "model"]}
    numbers = (("generation_model", "stage"), [[0, 1, 2], [0, 1, -1]])
    dims = ("participant", "generation_model", "stage", "observer")
    return xr.Dataset({"proportion_correct": (dims, answers), "stage_number": numbers}, coords=coords)


def test_a_model_that_own_participants_judged_has_an_entry_by_their_answers(
    groups, placed, relation, tested, predicted, own_people, tmp_path
):
    people = {"vision": [own_people.isel(participant=slice(5)), own_people.isel(participant=slice(5, None))]}
    board = leaderboard.leaderboard(
        groups, placed, relation, tested, {}, predicted, MODELS, people, bootstrap=4000, seed=0
    )
    entries = leaderboard_page.entries_of(board)
    found = entries[entries["generation_model"] == "perfect"].set_index("basis")
    assert set(found.index) == {own_models.OWN_PARTICIPANTS, own_models.PREDICTION}
    own = found.loc[own_models.OWN_PARTICIPANTS]
    human = own_people["proportion_correct"].sel(observer="human", generation_model="perfect", stage=["one", "two"])
    areas = human.mean("stage").values
    assert own["area"] == pytest.approx(areas.mean())
    half = scipy.stats.t.ppf(0.975, 11) * scipy.stats.sem(areas)  # the interval is valid for twelve participants
    assert (own["area_high"] - own["area_low"]) / 2 == pytest.approx(half, rel=0.06)
    assert (own["participants"], own["stages"]) == (12, 2)
    published = entries[
        (entries["basis"] == leaderboard.PUBLISHED_PARTICIPANTS) & (entries["entry_modality"] == "vision")
    ]
    # Natural stimuli are always recognized, guessing is 1/4; the curve is 1 at depth 0, with stages at 0.5 and 1.
    q = (human.mean("participant").values - 0.25) / (own["natural_correct"] - 0.25)
    assert own["normalized_area"] == pytest.approx((1 + 2 * q[0] + q[1]) / 4)
    assert own["guessing"] == 0.25
    assert own["rank"] == 1 + (published["normalized_area"] > own["normalized_area"]).sum()
    assert own["rank_low"] <= own["rank"] <= own["rank_high"]
    # A single stage has no area, whether it is the only one shown or the only one of the model.
    one_stage = {"short": MODELS["short"] | {"stages": ["input", "one"]}}
    assert own_models.own_participants_curves(people, one_stage) == {}
    assert own_models.OWN_PARTICIPANTS not in entries.loc[entries["generation_model"] == "short", "basis"].tolist()
    assert board["own_stage"].values.tolist() == ["one", "two"]
    np.testing.assert_allclose(board["own_human"], human.mean("participant"))
    np.testing.assert_allclose(board["own_predicted"], 1)
    files.save(
        board, tmp_path / "b.nc", declared=LEADERBOARD, title="", source="", step="test", run="test", seed=0, inputs=[]
    )
    page = page_of(files.load(tmp_path / "b.nc"))
    assert page.count('<th scope="row">perfect</th>') == 4  # twice in the table, and two stages
    assert "0 of 2 " in page
    assert f"perfect: area {own['normalized_area']:.2f} (" in page
    assert f"rank {own['rank']} ({own['rank_low']} to {own['rank_high']}) of 31" in page
    # The same without any prediction.
    nothing = predicted.map(lambda values: values * np.nan if values.dtype == float else values)
    board = leaderboard.leaderboard(groups, placed, relation, tested, {}, nothing, MODELS, people, bootstrap=10, seed=0)
    assert "perfect: area" in page_of(board)


LONG = {
    "modality": "vision",
    "stages": ["input", "one", "two", "three"],
    "published_as": None,
    "depths": {"one": 0.25, "two": 0.6, "three": 1.0},
    "chance": 0.1,
}


@pytest.mark.parametrize("missing", ["two", "three"])
def test_a_model_does_not_gain_by_a_late_stage_without_a_prediction(groups, placed, relation, tested, missing):
    values = np.array([[1.0, 0.9, 0.4, 0.2], [1.0, 0.9, 0.4, 0.2]])
    coords = {"generation_model": ["whole", "partly"], "stage": LONG["stages"]}
    dims = ("generation_model", "stage")
    predicted = xr.Dataset({name: (dims, values.copy()) for name in ("predicted", "low", "high")}, coords=coords)
    predicted["stage_number"] = (dims, np.tile(np.arange(4), (2, 1)))
    for name in ("predicted", "low", "high"):
        predicted[name].loc["partly", missing] = np.nan
    predicted["reason"] = xr.where(predicted["predicted"].isnull(), "Other models recognize 0%.", "")
    models = {"whole": LONG, "partly": LONG}
    board = leaderboard.leaderboard(groups, placed, relation, tested, {}, predicted, models, {}, bootstrap=10, seed=0)
    entries = leaderboard_page.entries_of(board).set_index("generation_model")
    whole, partly = entries.loc["whole"], entries.loc["partly"]
    assert partly["normalized_area"] == partly["normalized_area_low"] < whole["normalized_area"]
    if missing == "three":
        assert partly["rank"] > whole["rank"]
        assert partly["rank_low"] <= whole["rank"]  # the missing stage at its highest possible value
    else:  # three quarters of the depth may have any value
        assert partly[["rank", "rank_low", "rank_high"]].isna().all()
    assert whole["area"] < partly["area"]  # the area over listed stages does gain
    assert whole["missing_depth"] == 0
    assert partly["missing_depth"] == pytest.approx({"two": 0.75, "three": 0.4}[missing])
    assert whole["rank_one_out_low"] <= whole["rank"] <= whole["rank_one_out_high"]
    assert whole["rank_one_out_low"] < whole["rank_one_out_high"]
    assert (partly["reason"] in rows_of(page_of(board))["partly"]) == (missing == "two")


def test_a_model_without_layers_has_no_rank_and_the_page_says_so(groups, placed, relation, tested, predicted):
    models = {name: MODELS[name] | {"depths": {"one": np.nan, "two": np.nan}} for name in MODELS}
    board = leaderboard.leaderboard(groups, placed, relation, tested, {}, predicted, models, {}, bootstrap=10, seed=0)
    entries = leaderboard_page.entries_of(board).set_index("generation_model")
    assert entries.loc[["perfect", "short"], "rank"].isna().all()
    assert entries.loc["perfect", "area"] == 1
    rows = rows_of(page_of(board))
    for name in models:
        assert rows[name] == [f"{name} ○ prediction", entries.loc[name, "reason"]]
        assert entries.loc[name, "reason"].startswith(own_models.NO_AREA)


def test_ranks_without_one_stage_include_the_rank_and_the_page_shows_their_range(board, page):
    entries = leaderboard_page.entries_of(board).dropna(subset="rank")
    assert ((entries["rank_one_out_low"] <= entries["rank"]) & (entries["rank"] <= entries["rank_one_out_high"])).all()
    assert re.search(r"\b6 places\b.*\b4 places\b", page, re.DOTALL)


def test_the_leaderboard_can_be_saved_and_shown(board, tmp_path):
    files.save(
        board, tmp_path / "b.nc", declared=LEADERBOARD, title="", source="", step="test", run="test", seed=0, inputs=[]
    )
    page = page_of(files.load(tmp_path / "b.nc"), "<run>")
    assert "&lt;run&gt;" in page
    assert page.count('<th scope="row">perfect</th>') == 1
    assert "1 of the 5 " in " ".join(page.split())
    assert '<img class="plot" src="figures/reliability.svg"' in page
    assert "http" not in page.replace("http-equiv", "")


def rows_of(page: str) -> dict[str, list[str]]:
    """Model → the cells of its row in the first table, without tags."""
    found = {}
    for row in re.findall(r"<tr.*?</tr>", page.split("<tbody>")[1].split("</tbody>", maxsplit=1)[0], re.DOTALL):
        cells = [
            " ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)
        ]
        found[re.search(r'class="model">([^<]+)<', row)[1]] = cells
    return found


REASON = "3 stages; 40 images"


def test_models_of_the_run_come_first_with_the_reason_where_they_have_no_rank(board):
    """The first rows of the page and of its table of values, although their areas are the largest one and none."""
    short = (board["generation_model"] == "short") & (board["basis"] == own_models.PREDICTION)
    told = board.assign(reason=xr.where(short, REASON, ""))
    rows = rows_of(page_of(told))
    assert list(rows)[:2] == ["perfect", "short"]
    assert rows["short"] == ["short ○ prediction", REASON]
    whole = page_of(told.assign(rank=told["rank"].where(told["generation_model"] != "perfect")))
    assert rows_of(whole)["perfect"] == ["perfect ○ prediction", "1.00 1.00 to 1.00", ""]  # an area, but no rank
    table = leaderboard_page.own_models_first(leaderboard_page.entries_of(told))
    assert table["generation_model"].tolist()[:2] == ["perfect", "short"]
    rest = table[table["basis"] == leaderboard.PUBLISHED_PARTICIPANTS]
    for _, of_modality in rest.groupby("entry_modality"):
        assert of_modality["normalized_area"].dropna().is_monotonic_decreasing


def test_the_page_has_the_verdict_of_the_run(board, page):
    evidence = Evidence(0.5, -0.1, 0.9, 6, 0, False, 0.25)
    verdict = "+50.0 (−10.0 to +90.0)"
    shown = " ".join(page_of(board, recognizable=declines_of(vision=evidence)).split())
    assert re.search(rf"undecided: [^.]*{re.escape(verdict)[:-2]}", shown)
    assert "model-specific" not in shown
    assert verdict not in page


def test_the_page_opens_with_the_first_published_model_and_the_ranks_of_the_run(board, page):
    page = " ".join(page.split())
    opening = page[page.index("<h1>") : page.index("<h2")]
    entries = leaderboard_page.entries_of(board)
    for modality, passing in (("vision", "14 of 30"), ("audio", "15 of 18")):
        published = entries[
            (entries["entry_modality"] == modality) & (entries["basis"] == leaderboard.PUBLISHED_PARTICIPANTS)
        ]
        first = published.loc[published["normalized_area"].idxmax()]
        area, low, high = (f"{first[f'normalized_area{end}']:.2f}" for end in ("", "_low", "_high"))
        numbers = [str(len(published)), first["generation_model"], area, low, high, str(first["participants"]), passing]
        assert re.search(".*?".join(map(re.escape, numbers)), opening)
    assert re.search(r"perfect: [^.]*1\.00 \(95% \w+ 1\.00 \w+ 1\.00\)[^.]* 1 \w+ 31\b", opening)
    alone = board.isel(entry=board["basis"].values == leaderboard.PUBLISHED_PARTICIPANTS)
    assert "perfect" not in page_of(alone)
    assert page.count("<code>comparison/leaderboard.nc</code>") >= 2 * 3  # three tables of each modality
    assert page.count("<code>comparison/passes.nc</code>") == 2 * 2 + 1  # with the figure


def test_a_prediction_has_a_range_of_ranks_but_no_rank_and_a_measurement_has_both(board, page):
    rows = rows_of(page)
    assert rows["perfect"] == ["perfect ○ prediction", "1.00 1.00 to 1.00", "1 to 1", "–"]
    entries = leaderboard_page.entries_of(board)
    first = entries[
        (entries["entry_modality"] == "vision") & (entries["basis"] == leaderboard.PUBLISHED_PARTICIPANTS)
    ].iloc[0]
    cells = rows[first["generation_model"]]
    assert cells[0] == f"{first['generation_model']} ● measured"
    assert cells[2] == f"{first['rank']} {first['rank_low']} to {first['rank_high']}"


@pytest.fixture(scope="module")
def site(page, tmp_path_factory):
    """A report with the leaderboard only, as `snakemake leaderboard` makes it."""
    folder = tmp_path_factory.mktemp("site") / "report"
    folder.mkdir()
    write_assets(folder)
    (folder / "figures").mkdir()
    for name in ("reliability", "passes"):
        (folder / f"figures/{name}.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 4"/>')
    (folder / "leaderboard.html").write_text(page)
    return folder


@pytest.mark.parametrize("width", [390, *(pytest.param(width, marks=pytest.mark.slow) for width in (820, 1300))])
def test_the_page_is_accessible_fits_and_shows_area_and_rank_beside_the_name(site, browser, width):
    from axe_playwright_python.sync_playwright import Axe

    (site / "figures/steps.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 4"/>')
    context = browser.new_context(bypass_csp=True, viewport={"width": width, "height": 800})
    page = context.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((site / "leaderboard.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    table = page.locator("table.board").first
    assert table.bounding_box()["width"] <= width  # nothing is hidden at the side
    assert page.locator("nav a").count() == len(PAGES) + len(LINKED)
    assert page.inner_text("nav a[aria-current=page]") == "Leaderboard"
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert Axe().run(page, options={"preload": False, "resultTypes": ["violations"]}).violations_count == 0
    assert said == []
    context.close()


def test_columns_sort_and_rows_without_a_value_stay_last(site, browser):
    page = browser.new_page()
    page.goto((site / "leaderboard.html").as_uri())
    names = page.locator("table.board").first.locator(".model")
    areas = page.locator("table.board thead button:has-text('Area')").first
    areas.click()
    ascending = names.all_inner_texts()
    assert ascending[-1] == "short"
    areas.click()
    assert names.all_inner_texts()[0] == "perfect"
    assert names.all_inner_texts()[-1] == "short"
    assert page.locator("table.board th[aria-sort=descending]").count() == 1
    page.close()


def test_a_page_that_was_made_alone_has_no_dead_links(site, browser):
    (site / "figures/steps.svg").unlink(missing_ok=True)
    page = browser.new_page()
    page.goto((site / "leaderboard.html").as_uri())
    page.wait_for_selector("main > p.caption:has-text('snakemake report')")
    assert page.locator("nav a").all_inner_texts() == ["Leaderboard"]
    assert page.locator("nav li").count() == len(PAGES) + len(LINKED)
    page.close()


def test_participants_who_recognize_no_natural_stimuli_lower_the_interval():
    samples = leaderboard_intervals.correct_bias(0.3, np.array([0.3, 0.35, 0.3, np.nan]), 1)
    assert np.isfinite(samples).all()
    assert samples.argmin() == 3


def test_a_rank_that_spans_more_than_half_of_the_board_is_not_informative():
    assert ranks.is_informative({"rank_low": 3, "rank_high": 17}, 30)
    assert not ranks.is_informative({"rank_low": 3, "rank_high": 18}, 30)
    assert not ranks.is_informative({"rank_low": 1, "rank_high": 31}, 31)


def test_an_uninformative_rank_is_not_shown_but_its_reason(groups, placed, relation, tested, predicted):
    wide = predicted.copy(deep=True)
    wide["predicted"].loc["perfect"], wide["low"].loc["perfect"], wide["high"].loc["perfect"] = 0.5, 0.1, 0.9
    board = leaderboard.leaderboard(groups, placed, relation, tested, {}, wide, MODELS, {}, bootstrap=10, seed=0)
    entry = leaderboard.entries_of(board).set_index("generation_model").loc["perfect"]
    assert entry[["rank", "rank_low", "rank_high", "rank_one_out_low"]].isna().all()
    assert re.search(r"\b\d+ to \d+ of 31\b", entry["reason"])
    assert rows_of(page_of(board))["perfect"][2] == entry["reason"]
    ranked = leaderboard.entries_of(board)
    assert (ranked.loc[ranked["rank"].notna(), "reason"] == "").all()


def test_what_a_rank_needs_is_found_by_predicting_from_more_stimuli_and_recognition_models():
    """A made-up rule: an interval narrower than 0.5 is informative."""
    of_relation = simulated_predicted.published_points(Path(__file__).parents[2] / "resources" / "published")
    fitted = published_relation(of_relation, "vision")
    stages = ["one", "two"]
    seen = proportion_interval(np.array([0.5, 0.5]), np.array([6, 6]))
    of_model = xr.Dataset(
        {
            **{
                f"other_models{end}": ("stage", values)
                for end, values in zip(("", "_standard_error", "_low", "_high"), seen, strict=True)
            },
            "n": (("stage", "recognition_model"), np.full((2, 3), 6)),
            "recognition_family": ("recognition_model", ["resnet", "alexnet", "vgg19"]),
            "generation_family": "new",
        },
        coords={"stage": stages, "recognition_model": ["r", "a", "v"], "generation_model": "m"},
    )

    def width(stimuli, further):
        ends = predict_run_model(of_model, fitted, 1 / 16, stimuli, further)[:, 1:]
        return np.ptp(ends, axis=1).max()

    def needed(most):
        return own_models.needed_for_rank(of_model, fitted, 1 / 16, lambda one: np.ptp(one[:, 1:], axis=1).max() < most)

    assert "50 stimuli" in needed(width(50, 0) + 1e-6)
    assert "1 further" in needed((width(400, 0) + width(400, 1)) / 2)
    assert "further" not in needed(width(50, 0) + 1e-6)
    assert " not " in needed(0.01)


@pytest.mark.parametrize("lacks", ["depth", "judged stages", "a prediction"])
def test_what_a_rank_needs_is_only_said_where_more_stimuli_can_give_one(
    groups, placed, relation, tested, predicted, monkeypatch, lacks
):
    monkeypatch.setattr(own_models, "needed_for_rank", lambda *_: "More stimuli.")
    shown = predicted.sel(generation_model=["short"]).copy(deep=True)
    if lacks == "judged stages":
        shown["reason"] = (shown["reason"].dims, [["", NOT_JUDGED, NOT_JUDGED]])
    depth = np.nan if lacks == "depth" else 0.5
    models = {"short": MODELS["short"] | {"depths": {"one": depth, "two": 2 * depth}}}
    recognizable = shown.assign_coords(recognition_model=["other"])
    board = leaderboard.leaderboard(
        groups, placed, relation, tested, {}, shown, models, {}, bootstrap=10, seed=0, recognizable=recognizable
    )
    reason = leaderboard.entries_of(board).set_index("generation_model").loc["short", "reason"]
    assert reason.startswith(own_models.NO_AREA)
    assert ("More stimuli." in reason) == (lacks == "a prediction")


def test_a_model_whose_only_stage_is_the_input_has_no_rank(groups, placed, relation, tested, predicted):
    shown = predicted.sel(generation_model=["short"], stage=["input"])
    board = leaderboard.leaderboard(
        groups, placed, relation, tested, {}, shown, {"short": MODELS["short"]}, {}, bootstrap=10, seed=0,
        recognizable=shown,
    )  # fmt: skip
    assert leaderboard.entries_of(board).set_index("generation_model").loc["short", "reason"] == own_models.NO_AREA


def test_the_documentation_has_the_simulated_changes_of_rank(root):
    """The sentence about lists of stages says what the tables say."""
    page = (root / "docs" / "explanation" / "leaderboard.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if "not listed |" in line]
    assert len(rows) == 4
    largest = max(int(cell.split(" (")[0]) for line in rows for cell in line.split("|")[2:4])
    simulated = pd.read_csv(root / "resources" / "simulated" / "leaderboard.csv")
    mean = simulated.loc[simulated["statistic"] == "rank by the area over depth", "found"]
    text = " ".join((root / "docs" / "your_own_model_more.md").read_text(encoding="utf-8").split())
    assert re.search(rf"\b{mean.min():.1f} \w+ {mean.max():.1f} [^.]*\b{largest} ", text)
