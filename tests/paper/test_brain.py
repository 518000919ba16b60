"""Brains: the published scores and voxels are read strictly, and set against the stage that they are about."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
import yaml

from metamers.config import experiments as plan_experiments
from metamers.config import read as config_read
from metamers.humans import participants as humans
from metamers.humans import summary as humans_summary
from metamers.names import ConfigurationError
from metamers.paper import brain as paper_brain
from metamers.plan import plan as config
from metamers.plan.retrieved import collections
from metamers.plan.steps import merge_defaults
from tests.paper.voxels import write_voxels

MODELS = {
    "net_a": {
        "name": "A",
        "class": "standard",
        "layers": {"natural_image": "natural", "one_fake": "one", "two": "two"},
    },
    "net_b": {"name": "B", "class": "other", "layers": {"natural_image": "natural", "one_fake": "one", "two": "two"}},
}
HEAD = "Model #,name,Average,V1,IT,V1 best layer,IT best layer,\n"
ROWS = ["1,net_a,0.4,0.5,0.25,one_fake,two,\n", "2,net_b,0.4,0.75,1,two,two,\n", "XXX,orig,X,X,X,orig,orig,\n"]


def table_of(tmp_path, rows):
    path = tmp_path / "scores.csv"
    path.write_text(HEAD + "".join(rows))
    return path


def test_scores_and_best_stages_are_read_and_other_rows_passed_over(tmp_path):
    path = table_of(tmp_path, [*ROWS, ROWS[0].replace("1,", "9,", 1)])  # a row twice, under another number
    scores = paper_brain.read_brain_scores(path, MODELS, ["V1", "IT"])
    np.testing.assert_array_equal(scores["brain_score"], [[0.5, 0.25], [0.75, 1]])
    np.testing.assert_array_equal(scores["best_stage"], [["one", "two"], ["two", "two"]])
    assert list(scores["generation_model"].values) == ["A", "B"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[1:], "net_a.*net_b, orig"),
        ([*ROWS, ROWS[0].replace("0.5", "0.6")], "net_a: V1: .*0.5, 0.6"),
        ([*ROWS, ROWS[0].replace("one_fake", "two")], "net_a: V1 best layer: .*one_fake, two"),
        ([ROWS[0].replace("0.5", "X"), ROWS[1]], "net_a: V1: .*'X'"),
        ([ROWS[0].replace("0.5", "nan"), ROWS[1]], "net_a: V1: .*'nan'"),
        ([ROWS[0].replace("0.5", "50"), ROWS[1]], "net_a: V1: .*'50'"),
        (
            [ROWS[0].replace("one_fake", "three"), ROWS[1]],
            "net_a: .*'three'.*natural_image, one",
        ),
    ],
)
def test_a_table_of_scores_that_is_not_what_it_should_be_is_refused(tmp_path, rows, message):
    with pytest.raises(ValueError, match=message):
        paper_brain.read_brain_scores(table_of(tmp_path, rows), MODELS, ["V1", "IT"])


def group(model, stage, mean, n, observer="human"):
    return ("x", "vision", model, "standard", stage, observer, mean, 0.1, n)


def people_of(*rows):
    return paper_brain.pooled_participants(pd.DataFrame(rows, columns=humans_summary.COLUMNS))


def test_participants_of_several_experiments_count_alike():
    people = people_of(group("A", "one", 0.2, 10), group("A", "one", 0.8, 30), group("A", "one", 1, 9, "model"))
    assert people.loc["A", "one"]["human_mean"] == pytest.approx((0.2 * 10 + 0.8 * 30) / 40)
    assert people.loc["A", "one"]["human_n"] == 40


@pytest.mark.filterwarnings("ignore:An input array is constant")  # two models, resampled
def test_each_area_meets_the_stage_that_predicts_it(tmp_path):
    scores = paper_brain.read_brain_scores(table_of(tmp_path, ROWS), MODELS, ["V1", "IT"])
    people = people_of(*(group(m, s, v, 5) for m, s, v in [("A", "one", 0.9), ("A", "two", 0.5), ("B", "two", 0.1)]))
    related = paper_brain.against_participants(scores["brain_score"], scores["best_stage"], people)
    np.testing.assert_allclose(related["human_mean"], [[0.9, 0.5], [0.1, 0.1]])
    np.testing.assert_allclose(related["spearman_rho"], [-1, -1])
    with pytest.raises(ValueError, match="'two' of B"):
        paper_brain.against_participants(scores["brain_score"], scores["best_stage"], people.iloc[:2])


def test_p_counts_every_correlation_that_was_made():
    rng = np.random.default_rng(0)
    names = [f"m{i}" for i in range(12)]
    human = rng.random((12, 2))
    people = people_of(*(group(m, s, human[i, j], 5) for i, m in enumerate(names) for j, s in enumerate("ab")))
    dims = {"generation_model": names, "region": ["p", "q"]}
    predictions = human + rng.normal(0, 0.4, (12, 2))
    array = xr.DataArray(predictions, coords=dims, dims=list(dims))
    stages = xr.DataArray(np.array([["a", "b"]] * 12), coords=dims, dims=list(dims))
    related = paper_brain.against_participants(array, stages, people)
    for number in range(2):
        rho, p = scipy.stats.spearmanr(predictions[:, number], human[:, number])
        assert float(related["spearman_rho"][number]) == pytest.approx(rho)
        assert float(related["p_bonferroni"][number]) == pytest.approx(min(2 * p, 1))
        assert float(related["spearman_rho_low"][number]) <= rho <= float(related["spearman_rho_high"][number])


def test_a_participant_counts_with_the_median_voxel_of_the_median_split(tmp_path):
    values = [[0.1, 0.2, 0.9], [0.5, 0.5, 0.5], [7, 0.4, 0.3], [0.6, 0.8, 0.7]]
    path = write_voxels(tmp_path, "a", "one", values, [0, 0, 0, 3], [[1], [0], [1], [1]])
    medians, people = paper_brain.participant_medians(*paper_brain.read_voxels(path, ["pitch"], 2))
    np.testing.assert_allclose(medians[:, 0], [np.median([0.2, 0.4]), 0.7])
    np.testing.assert_array_equal(people, [0, 3])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"r2s": None}, "layer_name.*r2s"),
        ({"r2s": np.full((2, 3), np.nan)}, "r2s: "),
        ({"r2s": np.full((2, 3), -0.1)}, "r2s: "),
        ({"r2s": np.zeros((3, 3))}, r"voxel_meta: .*\b2 .*\b2 .*\b3 of 2\b"),
        ({"layer_name": np.bytes_(b"two")}, "layer_name: .*two"),
        ({"layer_name": 10**10}, "layer_name: .*10000000000"),
        ({"voxel_meta": [0, 3]}, "subj_idx: .*NoneType"),
        ({"r2s": [[0.1, 0.2]]}, "r2s: .*list"),
        ({"roi_masks": {"masks": np.ones((2, 1)), "mask_names": ["music"]}}, r"roi_masks: .*\['music'\]"),
        ({"roi_masks": {"masks": np.full((2, 1), 2.0), "mask_names": ["pitch"]}}, "roi_masks: "),
    ],
)
def test_a_voxel_file_that_is_not_what_it_should_be_is_refused(tmp_path, changes, message):
    path = write_voxels(tmp_path, "a", "one", [[0.1, 0.2], [0.3, 0.4]], [0, 1], [[1], [1]], **changes)
    with pytest.raises(ValueError, match=message) as error:
        paper_brain.read_voxels(path, ["pitch"], 2)
    assert path.name in str(error.value)


def test_a_voxel_file_that_would_run_code_is_not_read(tmp_path):
    path = tmp_path / "a_b'one'.pckl"
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(ValueError, match=r"\.pckl: .*\bprint\b"):
        paper_brain.read_voxels(path, ["pitch"], 2)


@pytest.mark.filterwarnings("ignore:An input array is constant")  # two models, resampled
def test_the_best_stage_is_chosen_on_the_other_participants(tmp_path):
    """Three people prefer stage one by a little, the fourth stage two by much: for the others, two then is best."""
    values = {"one": [0.5, 0.5, 0.5, 0.1], "two": [0.4, 0.4, 0.4, 0.9]}
    models = {
        "net": {"name": "A", "class": "standard", "files": {}},
        "net_2": {"name": "B", "class": "other", "files": {}},
    }
    for network, model in models.items():
        for stage, of_stage in values.items():
            path = write_voxels(tmp_path, network, stage, np.array(of_stage)[:, None], [0, 1, 2, 5], np.ones((4, 1)))
            model["files"][stage] = path.name
    entry = {"participants": 4, "regions": ["pitch"], "models": models}
    people = people_of(*(group(m, s, v, 5) for m in "AB" for s, v in (("one", 0.9), ("two", 0.1))))
    related = paper_brain.fmri_dataset(paper_brain.fmri_predictions(entry, tmp_path), people)
    of_model = related.sel(generation_model="A", region="pitch")
    assert list(of_model["chosen_stage"].values) == ["two", "two", "two", "one"]
    np.testing.assert_allclose(of_model["participant_variance_explained"], [0.4, 0.4, 0.4, 0.1])
    assert float(of_model["variance_explained"]) == pytest.approx(0.325)
    assert (str(of_model["best_stage"].values), float(of_model["human_mean"])) == ("two", 0.1)
    assert int(related["n"].sel(region="all")) == 4


@pytest.mark.filterwarnings("ignore:An input array is constant")  # two models, resampled
def test_of_stages_chosen_equally_often_the_model_s_own_earlier_one_counts():
    """Two people prefer each stage of B by much; its `one` comes after its `two`, other than in A, which is read first."""
    values = np.array([[[0.5] * 4, [0.4] * 4], [[0, 0, 0.9, 0.9], [0.9, 0.9, 0, 0]]])[:, :, None]
    _, stage_number = humans.stage_union({"A": ["one", "two"], "B": ["two", "one"]})
    predictions = xr.Dataset(
        {
            "stage_variance_explained": (("generation_model", "stage", "region", "participant"), values),
            "stage_number": stage_number,
        },
        coords={"region": ["all"], "participant": list("abcd")},
    )
    people = people_of(*(group(m, s, v, 5) for m in "AB" for s, v in (("one", 0.9), ("two", 0.1))))
    related = paper_brain.fmri_dataset(predictions, people).sel(region="all")
    assert related["chosen_stage"].sel(generation_model="B").values.tolist() == ["one", "one", "two", "two"]
    assert related["best_stage"].values.tolist() == ["one", "two"]


def test_files_about_other_voxels_are_not_put_together(tmp_path):
    model = {"name": "A", "class": "standard", "files": {}}
    for stage, subject in (("one", [0, 1]), ("two", [1, 0])):
        model["files"][stage] = write_voxels(tmp_path, "net", stage, [[0.1], [0.2]], subject, [[1], [1]]).name
    with pytest.raises(ValueError, match=r"net_b'two'\.pckl: "):
        paper_brain.fmri_predictions({"participants": 2, "regions": ["pitch"], "models": {"net": model}}, tmp_path)


def test_the_public_data(public, registry, root):
    groups = humans_summary.read_results(root / "resources" / "published" / "group_results.csv", humans_summary.COLUMNS)
    people = paper_brain.pooled_participants(groups)
    entry = registry["brains"]["brain_score"]
    scores = paper_brain.read_brain_scores(public / entry["file"], entry["models"], entry["areas"])
    assert scores.sizes == {"generation_model": 29, "visual_area": 4}
    related = paper_brain.brain_score_dataset(scores, people)
    assert related["human_mean"].notnull().all()
    # What explains people's recognition in the paper explains far more than any Brain-Score.
    assert (related["pearson_r2"] < 0.5).all()
    entry = registry["brains"]["fmri"]
    related = paper_brain.fmri_dataset(paper_brain.fmri_predictions(entry, public), people)
    assert related.sizes["participant"] == 8
    assert related["variance_explained"].notnull().all()
    # Middle stages predict auditory cortex best, and a linear model of it worst.
    assert set(related["best_stage"].sel(region="all").values) == {"layer2", "relu2", "avgpool"}
    worst = related["variance_explained"].argmin("generation_model")
    assert set(related["generation_model"].values[worst]) == {"SpecTemp"}


# The registry


@pytest.mark.parametrize(
    ("kind", "models", "message"),
    [
        (
            "brain_score",
            ["alexnut"],
            r"brains\.brain_score\.models\.0: .*'alexnut'.*'alexnet'",
        ),
        (
            "fmri",
            [{"model": "kell2018", "stages": ["relu9"]}],
            r"brains\.fmri\.models\.0\.stages: .*'relu9'",
        ),
        ("fmri", [{"model": "kell2018"}], "brains.fmri.models.0"),
        ("brain_score", [], r"brains\.brain_score\.models: \[\] "),
    ],
)
def test_a_registry_of_brain_data_that_names_what_is_not_there_is_refused(root, tmp_path, kind, models, message):
    registry = config_read.read_yaml(root / "config" / "experiments.yaml")
    registry["brains"][kind]["models"] = models
    path = tmp_path / "experiments.yaml"
    path.write_text(yaml.safe_dump(registry, sort_keys=False))
    with pytest.raises(ConfigurationError, match=message):
        plan_experiments.read_experiments(path)


def test_every_public_file_about_brains_is_retrieved_with_its_hash(root, monkeypatch):
    monkeypatch.chdir(root)
    found = collections(config.make_plan(merge_defaults({})))
    assert {name: len(items) for name, items in found.items() if name.startswith("published/")} == {
        "published/brain_score": 1,
        "published/fmri": 3 * 8 + 3 * 9 + 1,
    }
    assert all(item["url"].endswith(item["name"]) and len(item["sha256"]) == 64 for item in found["published/fmri"])
