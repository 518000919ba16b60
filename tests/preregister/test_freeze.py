"""The frozen file has the prediction, a reference and fingerprints of all that it depends on, and is written once."""

import datetime
import json
import platform

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr

from metamers.compare.predicted_human import published_relation
from metamers.humans.summary import read_results
from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.plan.steps import declared_files
from metamers.preregister import freeze
from metamers.preregister.predictive import central_interval, count_distribution, log_score
from metamers.preregister.score import read_frozen
from metamers.run import files
from studies.simulations.predicted import published_points
from tests.conventions import complaints
from tests.preregister.made_up import EXPECTED, MODELS, PUBLISHED, STAGES, predictions
from tests.workflow.runs import CREATOR, check_schema

NOW = datetime.datetime(2026, 5, 4, 14, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
ABOUT = {"title": "made up", "source": "a test", "step": "preregister", "run": "x", "seed": 0}
ABOUT |= {"inputs": [], "creator": CREATOR}
ITEMS = pd.DataFrame({"item_kind": ["setting"], "item_name": ["seed"], "fingerprint": ["0"]})


@pytest.fixture(scope="module")
def relation():
    return published_points(PUBLISHED)


@pytest.fixture(scope="module")
def prediction(relation):
    return predictions(relation)


def test_the_frozen_distribution_is_that_of_the_published_relation(prediction, relation):
    """The possible proportions are the draws of the relation; the interval is that of their counts."""
    for model, mean in (("eye", 0.3), ("ear", 0.4)):
        own = prediction.sel(generation_model=model, stage="late")
        modality, chance = MODELS[model]["modality"], 1 / MODELS[model]["categories"]
        fitted = published_relation(relation, modality)
        families = {"resnet": 1, "coch_cnn9": 1} | ({"eyes": 1, "ears": 1} if model == "eye" else {"eyes": 2})
        sampling = fitted.spread.sampling(families, f"{model}s")
        drawn = fitted.expected(np.array([mean]), np.array([0.03]), chance, sampling, freeze.SAMPLES)[0]
        np.testing.assert_allclose(own["possible_proportion"], drawn, rtol=1e-9)
        assert drawn.min() < float(own["predicted"]) < drawn.max()
        counts = count_distribution(drawn, np.full(20, 10), float(own["log_odds_variance"]))
        wanted = np.array(central_interval(counts, 0.95)) / 200
        np.testing.assert_allclose([own["low"], own["high"]], wanted)
        assert float(own["low"]) < float(own["predicted"]) < float(own["high"])
        # The interval of predicted_human.nc is for the same effects, and participants of the published experiments.
        np.testing.assert_allclose(wanted, fitted.ends(drawn[None])[0], atol=0.03)


@pytest.mark.parametrize(
    ("modality", "mean", "error", "level"),
    [("vision", 0.3, 0.03, 0.9995), ("vision", 0.3, 0, 0.0005), ("vision", 0.7, 0, 0.9995)],
)
def test_the_samples_are_enough_for_improbable_numbers_of_answers(relation, modality, mean, error, level):
    """The log score of an extreme count, against that of 65536 samples; with 512, differences are up to 9."""
    fitted, trials = published_relation(relation, modality), np.full(100, 10)
    own, more = (
        fitted.expected(np.array([mean]), np.array([error]), 1 / 16, None, samples)[0]
        for samples in (freeze.SAMPLES, 65536)
    )
    count = int(trials.sum() * np.quantile(more, level))
    assert log_score(count, own, trials, 0.134) == pytest.approx(log_score(count, more, trials, 0.134), abs=0.2)


def test_the_samples_of_the_reference_are_enough_for_improbable_numbers_of_answers(monkeypatch):
    rates, trials = np.array([[0.2, 0.4, 0.5, 0.7]]), np.full(100, 10)
    own = freeze.reference_proportions(rates, 1 / 16)[0]
    monkeypatch.setattr(freeze, "SAMPLES", 65536)
    more = freeze.reference_proportions(rates, 1 / 16)[0]
    assert log_score(990, own, trials, 0.134) == pytest.approx(log_score(990, more, trials, 0.134), abs=0.1)


def test_more_expected_participants_narrow_the_interval(relation, prediction):
    fewer = predictions(
        relation, expected={"participants": EXPECTED["participants"] // 4, "trials": EXPECTED["trials"]}
    )
    width, narrower = (found["high"] - found["low"] for found in (fewer, prediction))
    assert (narrower <= width + 0.01).where(width.notnull(), True).all()
    assert float(narrower.sum()) < float(width.sum())


def test_nothing_is_frozen_where_nothing_is_predicted(relation):
    """A stage that other models recognize less often than any published one, and a stage that a model does not have."""
    found = predictions(relation, means=((0.95, 0.9, 0.7, 0.3, 0.0), (0.95, 0.9, 0.7, 0.4, np.nan)), error=0.002)
    reason = found["reason"].sel(generation_model="eye", stage="last").item()
    assert "0%" in reason
    assert found["reason"].sel(generation_model="ear", stage="last").item() == ""
    for model in MODELS:
        own = found.sel(generation_model=model, stage="last")
        assert own[["predicted", "low", "high"]].to_array().isnull().all()
        assert own["possible_proportion"].isnull().all()
    assert freeze.frozen_stages(found, "ear") == STAGES[:3]
    # Also where the table of depths has the stage, which the run does not have.
    assert found["reference_proportion"].sel(generation_model="ear", stage="last").isnull().all()


def test_a_run_without_any_prediction_is_not_frozen(relation):
    with pytest.raises(ValueError, match=r"predicted_human\.nc"):
        predictions(relation, means=((0.95, 0, 0, 0, 0), (0.95, 0, 0, 0, np.nan)), error=0.002)


def test_the_variance_between_participants_is_that_of_the_published_ones(prediction):
    """The sum of the squares of the committed standard deviations: of people, of people and model, and of stages."""
    found = prediction["log_odds_variance"].to_series().to_dict()
    assert found == pytest.approx({"eye": 0.3439**2 + 0.1258**2, "ear": 0.4965**2 + 0.0821**2}, rel=1e-3)


def test_the_reference_interpolates_published_models_at_the_depth():
    """On two models with known curves, as rates above chance."""
    names = {"generation_model": ("point", ["a", "a", "b", "c"]), "stage": ("point", ["s", "t", "u", "v"])}
    human = 1 / 16 + 15 / 16 * np.array([1.0, 0.2, 0.5, np.nan])
    points = xr.Dataset({"human_mean": ("point", human)}, coords=names)
    depths = pd.DataFrame(
        {
            "modality": ["vision"] * 4,
            "generation_model": ["a", "a", "b", "c"],
            "stage": ["s", "t", "u", "v"],
            "depth": [0.2, 1.0, 0.5, 0.5],
        }
    )
    found = freeze.rates_by_depth(points, depths, np.array([0.0, 0.6, 1.0, np.nan]), "vision")
    np.testing.assert_allclose(found, [[1.0, 0.5], [0.6, 0.5], [0.2, 0.5], [np.nan, np.nan]])


def test_the_reference_is_the_beta_distribution_of_the_published_models():
    """Its quantiles have the mean of the models, and their variance times 1 + 1/n, in the run's own task."""
    rates = np.array([[0.2, 0.4, 0.5, 0.7], [np.nan] * 4])
    found = freeze.reference_proportions(rates, chance=0.25)
    assert np.isnan(found[1]).all()
    own = (found[0] - 0.25) / 0.75
    mean, variance = rates[0].mean(), rates[0].var(ddof=1) * 1.25
    assert (own.mean(), own.var()) == pytest.approx((mean, variance), rel=0.01)
    total = mean * (1 - mean) / variance - 1
    levels = (np.arange(len(own)) + 0.5) / len(own)
    np.testing.assert_allclose(own, scipy.stats.beta.ppf(levels, mean * total, (1 - mean) * total), rtol=1e-6)
    np.testing.assert_allclose(freeze.reference_proportions(rates[:, :1], chance=0)[0], 0.2)  # one model alone
    # No answer is impossible where all published models have the same extreme rate.
    extreme = freeze.reference_proportions(np.array([[0.0, 0.0], [1.0, 1.0]]), chance=0.25)
    assert (extreme > 0.25).all()
    assert (extreme < 1).all()


def test_every_model_of_the_published_relation_is_in_the_reference(relation):
    table = read_results(PUBLISHED / "stage_depth.csv", DEPTH_COLUMNS)
    for modality, number in (("vision", 20), ("audio", 17)):
        rates = freeze.rates_by_depth(relation.sel(modality=modality), table, np.array([0.3, 1.0]), modality)
        assert rates.shape == (2, number)
        assert rates[0].mean() > rates[1].mean() + 0.3  # people recognize fewer metamers of late stages


def test_items_have_the_fingerprints_of_files_and_the_values_of_settings(tmp_path):
    data = xr.Dataset({"metamer": ("stimulus", [0.1, 0.2])}, coords={"stimulus": ["a", "b"]})
    path = tmp_path / "0000.nc"
    files.save(data, path, **ABOUT)
    settings = {"seed": 0, "synthesis": {"steps": 64, "rates": [1, 2]}, "training": {}}
    table = freeze.list_items(
        {"metamers": [path, tmp_path / "absent"]}, settings, {"code": {"x": "1"}}, {"model": {"m": {"b": 1, "a": 2}}}
    )
    rows = {(kind, name): value for kind, name, value in table.itertuples(index=False)}
    assert rows["metamers", str(path)] == files.fingerprint(path)
    assert ("metamers", str(tmp_path / "absent")) not in rows
    assert rows["setting", "synthesis.steps"] == "64"
    assert json.loads(rows["setting", "synthesis.rates"]) == [1, 2]
    assert rows["setting", "training"] == "{}"
    assert rows["code", "x"] == "1"
    assert rows["software", "numpy"] == np.__version__
    assert rows["software", "Python"] == platform.python_version()
    again = freeze.list_items({}, {}, {}, {"model": {"m": {"a": 2, "b": 1}}})
    assert rows["model", "m"] == dict(zip(again["item_name"], again["fingerprint"], strict=True))["m"]


def test_another_checkout_and_another_working_folder_give_the_same_items(tmp_path, monkeypatch):
    """Files and entries of the run's folder and of the workflow's folder, by absolute and by relative paths."""
    found = []
    for place in ("one", "other"):
        checkout, folder = tmp_path / place / "checkout", tmp_path / place / "checkout" / "mine"
        folder.mkdir(parents=True)
        for path in (checkout / "own.py", folder / "weights.pt"):
            path.write_text("x")
        monkeypatch.setattr(freeze, "ROOT", checkout)
        monkeypatch.chdir(folder)
        for paths in ((checkout / "own.py", folder / "weights.pt"), (checkout / "own.py", "weights.pt")):
            entry = {"source": {"python": f"{checkout}/own.py:build"}, "weights": {"path": str(folder / "weights.pt")}}
            found.append(freeze.list_items({"weights": paths}, {}, {}, {"model": {"m": entry}}))
    for other in found[1:]:
        pd.testing.assert_frame_equal(found[0], other)
    assert found[0]["item_name"].tolist()[:2] == ["own.py", "weights.pt"]
    assert freeze.portable_name("/elsewhere/x.pt") == "/elsewhere/x.pt"


def test_the_file_is_as_its_schema_says_and_says_when_it_was_frozen(prediction, tmp_path):
    path = tmp_path / "preregistered" / "x.nc"
    freeze.write_once(freeze.with_items(prediction, ITEMS, NOW), path, **ABOUT)
    check_schema(path, "preregistered/x.nc", declared_files())
    assert complaints(path) == []
    frozen = read_frozen(path)
    assert frozen["frozen_at"].item() == "2026-05-04T12:30:00+00:00"
    xr.testing.assert_allclose(frozen[list(prediction.data_vars)], prediction)
    assert frozen.attrs["step"] == "preregister"


def test_a_second_call_changes_nothing_and_says_what_to_do(prediction, tmp_path):
    path = tmp_path / "x.nc"
    freeze.write_once(freeze.with_items(prediction, ITEMS, NOW), path, **ABOUT)
    before = path.read_bytes()
    assert path.stat().st_mode & 0o222 == 0
    with pytest.raises(FileExistsError, match=r"x\.nc"):
        freeze.write_once(freeze.with_items(prediction, ITEMS, NOW), path, **ABOUT)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.nc"]


@pytest.mark.parametrize("links", [True, False])
def test_two_calls_at_the_same_time_leave_the_first_file(prediction, tmp_path, monkeypatch, links):
    """The other call has frozen its file after this one has looked for it, also where there are no hard links."""
    path = tmp_path / "x.nc"
    save = files.save

    def save_late(*arguments, **named):
        save(*arguments, **named)
        path.write_bytes(b"the first")

    def no_link(*_):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(files, "save", save_late)
    if not links:
        monkeypatch.setattr(freeze.os, "link", no_link)
    with pytest.raises(FileExistsError, match=r"x\.nc"):
        freeze.write_once(freeze.with_items(prediction, ITEMS, NOW), path, **ABOUT)
    assert path.read_bytes() == b"the first"
    assert [file.name for file in tmp_path.iterdir()] == ["x.nc"]


def test_a_file_system_without_hard_links_gets_a_copy(prediction, tmp_path, monkeypatch):
    def no_link(*_):
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(freeze.os, "link", no_link)
    freeze.write_once(freeze.with_items(prediction, ITEMS, NOW), tmp_path / "x.nc", **ABOUT)
    assert read_frozen(tmp_path / "x.nc")["item_name"].values.tolist() == ["seed"]
    assert [file.name for file in tmp_path.iterdir()] == ["x.nc"]
    assert (tmp_path / "x.nc").stat().st_mode & 0o777 == 0o444


def test_a_copy_that_fails_leaves_no_partial_file(prediction, tmp_path, monkeypatch):
    def no_link(*_):
        raise PermissionError("Operation not permitted")

    def full(_, target):
        target.write(b"a part")
        raise OSError("No space left on device")

    monkeypatch.setattr(freeze.os, "link", no_link)
    monkeypatch.setattr(freeze.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left on device"):
        freeze.write_once(freeze.with_items(prediction, ITEMS, NOW), tmp_path / "x.nc", **ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_writing_is_the_one_that_is_reported(prediction, tmp_path):
    """The folder is a file, so the file that would be deleted afterwards cannot even be looked for."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"x\.nc"):
        freeze.write_once(freeze.with_items(prediction, ITEMS, NOW), tmp_path / "file" / "x.nc", **ABOUT)


def test_a_link_to_nothing_is_not_called_a_prediction(prediction, tmp_path):
    (tmp_path / "x.nc").symlink_to(tmp_path / "gone.nc")
    with pytest.raises(FileExistsError, match=r"x\.nc.* link .*gone\.nc"):
        freeze.write_once(freeze.with_items(prediction, ITEMS, NOW), tmp_path / "x.nc", **ABOUT)
