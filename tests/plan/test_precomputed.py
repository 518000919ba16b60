"""Precomputed results are taken where the settings and the tables are those of which they were made, and nowhere else."""

import json
import shutil

import pytest

from metamers.plan.plan import make_plan
from metamers.plan.precomputed import PUBLISHED_FOLDER, RECORD, TABLES, precomputed_files, published_settings
from metamers.plan.steps import merge_defaults

OF_RESULT = {
    "humans_vs_models": {"humans_vs_models.nc", "humans_vs_models_audio.svg", "humans_vs_models_vision.svg"},
    "passes": {"passes.nc"},
    "power": {"power.nc", "power.svg"},
}


@pytest.fixture
def published(root, tmp_path, monkeypatch):
    """A folder with a copy of the published tables, which is used before the package's own."""
    monkeypatch.chdir(root)
    default = make_plan(merge_defaults({}))
    monkeypatch.chdir(tmp_path)
    return default, shutil.copytree(root / PUBLISHED_FOLDER, tmp_path / PUBLISHED_FOLDER)


def taken(plan):
    """Results all of whose files are taken."""
    files = set(precomputed_files(plan))
    results = {result for result, names in OF_RESULT.items() if names <= files}
    assert files == {name for result in results for name in OF_RESULT[result]}
    return results


@pytest.mark.parametrize("configuration", [{}, {"generation_models": [], "comparison": {"contrasts": []}}])
def test_the_default_settings_take_all(root, monkeypatch, configuration):
    """So the committed files are those of today's defaults and tables. To make them again: python -m studies.precomputed"""
    monkeypatch.chdir(root)
    analyses = {"analyses": dict.fromkeys(("vulnerability", "brain", "similarity")), "beyond": {"models": []}}
    plan = make_plan(merge_defaults(configuration and configuration | analyses))
    assert taken(plan) == set(OF_RESULT) == set(TABLES) == set(published_settings(plan))


@pytest.mark.parametrize(
    ("changed", "computed"),
    [
        ({"comparison": {"bootstrap": 1999}}, set()),
        ({"comparison": {"permutations": 9999}}, {"power"}),
        ({"comparison": {"power": {"alpha": 0.04}}}, {"power"}),
        ({"seed": 1}, {"power"}),
        ({"human_data": "participants"}, set(OF_RESULT)),
        ({"comparison": {"contrasts": []}}, set()),
        ({"acceptance": {"measures": ["spearman_rho"]}}, set()),
    ],
)
def test_other_settings_compute_what_depends_on_them(root, monkeypatch, changed, computed):
    monkeypatch.chdir(root)
    assert taken(make_plan(merge_defaults(changed))) == set(OF_RESULT) - computed


@pytest.mark.parametrize(
    ("file", "computed"),
    [
        ("group_results.csv", {"humans_vs_models", "power"}),
        ("stage_depth.csv", {"passes"}),
        ("precomputed/power.svg", {"power"}),
        ("precomputed/humans_vs_models.nc", {"humans_vs_models"}),
    ],
)
def test_a_changed_table_or_file_computes_what_depends_on_it(published, file, computed):
    plan, folder = published
    assert taken(plan) == set(OF_RESULT)
    with (folder / file).open("ab") as stream:
        stream.write(b"\n")
    assert taken(plan) == set(OF_RESULT) - computed


def test_a_missing_file_or_record_computes(published):
    plan, folder = published
    (folder / "precomputed/passes.nc").unlink()
    assert taken(plan) == {"humans_vs_models", "power"}
    record = folder / "precomputed" / RECORD
    record.write_text(json.dumps({"passes": json.loads(record.read_text())["passes"]}))
    assert taken(plan) == set()
    record.unlink()
    assert taken(plan) == set()
