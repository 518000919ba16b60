"""The studies as Snakemake runs them: their tables, and their messages."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import yaml

from metamers.run import files
from studies import files as declared
from studies.benchmark.speed import RATIOS
from tests.needs import without
from tests.workflow.runs import check_every_file, small, snakemake

STUDIES = ("--snakefile", "studies/Snakefile")


def test_the_cochleagram_s_benchmark_gives_its_gain(clone):
    snakemake(clone, *STUDIES, "results/demo/benchmark/cochleagram.nc")
    measured = files.load(clone / "results/demo/benchmark/cochleagram.nc")
    assert float(measured["relative_error"]) < 1e-3
    assert measured["seconds"].dims == ("implementation", "repeat")
    medians = measured["seconds"].median("repeat")
    ratio = medians.sel(implementation="full_rate") / medians.sel(implementation="ours")
    assert float(measured["speedup"]) == pytest.approx(float(ratio))


@pytest.mark.slow
def test_the_match_of_quality_standard_is_compared_with_the_published_one(rerun):
    folder, arguments = rerun
    procedures = {"standard": {"vision": {"steps": 16}}, "published": {"vision": {"steps": 8, "halvings": 1}}}
    settings = {"synthesis": procedures, "benchmark": {"standard": {"passes": [2, 4], "stimuli": 2}}}
    (folder / "standard.yaml").write_text(yaml.safe_dump(settings))
    snakemake(folder, "standard_match", *STUDIES, *arguments, "standard.yaml")
    table = pd.read_csv(folder / "results/small/benchmark/standard.csv")
    assert {"first", "second"} >= set(table["model"])
    assert "input" not in set(table["stage"])
    assert (table["published_steps"] == 2 * 4).all()  # the error after all 2 x 8 steps is extrapolated
    assert (table["published_match"] > 0).all()
    assert (table["standard_match"] > 0).all()
    check_every_file(folder / "results/small", declared)


@pytest.mark.slow
def test_recognition_of_both_procedures_metamers_is_tested_for_equivalence(rerun):
    folder, arguments = rerun
    synthesis = {
        "quality": "converged",
        "target": {"normalized_error": {"vision": 0.2}},
        "published": {"vision": {"steps": 60, "halvings": 1}},
    }
    settings = {"synthesis": synthesis, "benchmark": {"equivalence": {"stages": 1, "searched": 2, "most_steps": 400}}}
    (folder / "equivalence.yaml").write_text(yaml.safe_dump(settings))
    snakemake(folder, "equivalence", *STUDIES, *arguments, "equivalence.yaml")
    results = folder / "results/small/benchmark"
    made = files.load(results / "equivalence/first/block.nc")
    assert made["version"].values.tolist() == ["default", "published", "looser"]
    errors = made["normalized_error"].mean("stimulus")
    ratio = errors / errors.sel(version="default")
    assert float(ratio.sel(version="published")) == pytest.approx(1, abs=0.25)  # few, and so coarse, steps
    assert float(ratio.sel(version="looser")) == pytest.approx(2, abs=0.3)
    judged = files.load(results / "equivalence_recognition/first.nc")
    assert judged["recognition_model"].values.tolist() == ["second"]
    assert np.isfinite(judged["log_odds"]).all()
    table = pd.read_csv(results / "equivalence.csv")
    assert {"first", "second"} <= set(table["model"])
    assert set(table["measure"]) == {"proportion recognized", "log odds"}
    assert (table["low"] <= table["high"]).all()
    answers = pd.read_csv(results / "equivalence_answers.csv.gz")
    assert (
        len(answers)
        == judged["correct"].size + files.load(results / "equivalence_recognition/second.nc")["correct"].size
    )
    assert (results / "equivalence.svg").read_bytes().startswith(b"<?xml")
    check_every_file(folder / "results/small", declared)


@pytest.mark.slow
def test_recognition_is_compared_with_that_at_the_closest_match(rerun):
    folder, arguments = rerun
    synthesis = {"published": {"vision": {"steps": 60, "halvings": 1}}, "converged": {"vision": {"max_steps": 300}}}
    compared = {
        "errors": {"vision": [0.5, 0.3, 0.1]},
        "closest": {"first": {"block": 0.2}, "second": {"block": 0.2}},
        "published": {"first": ["block"]},
        "published_stimuli": 2,
    }
    settings = {"synthesis": synthesis, "benchmark": {"convergence": compared}}
    (folder / "convergence.yaml").write_text(yaml.safe_dump(settings))
    snakemake(folder, "convergence", *STUDIES, *arguments, "convergence.yaml")
    results = folder / "results/small/benchmark"
    made = files.load(results / "convergence/to_target/first/block.nc")
    assert made["version"].values.tolist()[-3:] == ["0.5", "0.3", "0.2"]
    assert (made["normalized_error"] <= made["target_error"]).where(made["converged"], True).all()
    published = files.load(results / "convergence/published/first/block.nc")
    assert published["version"].values.tolist() == ["published"]
    assert published.sizes["stimulus"] == 2
    assert (published["steps"] == 120).all()
    table = pd.read_csv(results / "convergence.csv", keep_default_na=False, na_values=[""])
    assert set(zip(table["model"], table["stage"], strict=True)) == {
        ("first", "block"),
        ("second", "block"),
        ("all", "all"),
    }
    assert {"null", "0.2", "published"} <= set(table["match"])
    closest = table[(table["match"] == "0.2") & (table["model"] != "all")]
    assert (closest["difference"] == 0).all()
    assert closest["unchanged"].all()
    assert (results / "convergence.svg").read_bytes().startswith(b"<?xml")
    check_every_file(folder / "results/small", declared)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("plenoptic") is None, reason=without("plenoptic"))
def test_the_benchmark_says_how_many_steps_each_takes_and_what_a_step_costs(rerun):
    folder, arguments = rerun
    settings = {"qualities": ["quick", "converged"], "most_steps": 200, "stages": {"vision": 2}, "repeats": 2}
    (folder / "benchmark.yaml").write_text(yaml.safe_dump({"benchmark": settings}))
    lines = snakemake(folder, "steps", *STUDIES, *arguments, "benchmark.yaml")
    assert "first at logits: quick " in lines
    assert not (folder / "results/small/benchmark/synthesis.nc").exists()
    snakemake(folder, "benchmark", *STUDIES, *arguments, "benchmark.yaml")
    made = files.load(folder / "results/small/benchmark/synthesis.nc")
    assert made["speedup_over_published"].dims == made["normalized_error"].dims == ("model", "stage", "quality")
    assert made["quality"].values.tolist() == ["quick", "converged"]
    assert made["model"].values.tolist() == ["first"]  # the other one is of the same architecture
    assert made["stage"].values.tolist() == ["block", "logits"]
    for name in (*RATIOS, "normalized_error", "difference"):
        assert np.isfinite(made[name]).all(), name
    check_every_file(folder / "results/small", declared)
    page = (folder / "results/small/report/benchmark.html").read_text()
    assert page.count("<table") >= 3
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_a_benchmark_that_could_tell_nothing_is_refused_before_its_first_job(root, clone):
    arguments = small(root, clone)
    settings = {"synthesis": {"target": {"normalized_error": {"vision": None}}}}
    (clone / "other.yaml").write_text(yaml.safe_dump(settings))
    assert "synthesis.target: " in snakemake(clone, "-n", "benchmark", *STUDIES, *arguments, "other.yaml", fails=True)


def test_a_wrong_setting_of_one_study_stops_that_study_alone(clone):
    setting = {"convergence": {"closest": {"no_such_model": {"logits": 0.1}}}}
    (clone / "wrong.yaml").write_text(yaml.safe_dump({"benchmark": setting}))
    configuration = ("--configfile", "wrong.yaml")
    assert "simulations_topic" in snakemake(clone, "-n", "simulations", *STUDIES, *configuration)
    message = snakemake(clone, "-n", "convergence", *STUDIES, *configuration, fails=True)
    assert "benchmark.convergence.closest: " in message
    assert "'no_such_model'" in message
