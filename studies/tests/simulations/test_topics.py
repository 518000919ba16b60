"""Simulations of the statistics: the committed results are within their bounds and can be repeated."""

import numpy as np
import pandas as pd
import pytest

from generate.simulated import MARK, with_table
from metamers.run import files
from studies.simulations.results import COLUMNS, Simulated, out_of_bounds, results_dataset, results_table
from studies.simulations.topics import TOPICS
from tests.workflow.runs import copy_of, snakemake


def committed(root, topic):
    return pd.read_csv(root / "resources" / "simulated" / f"{topic}.csv")


def test_every_topic_has_its_table_and_is_tested_here(root):
    modules = {path.stem for path in (root / "studies" / "simulations").glob("[!_]*.py")} - {"results", "topics"}
    tables = {path.stem for path in (root / "resources" / "simulated").glob("*.csv")}
    assert modules == tables == set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_committed_results_are_within_their_bounds(root, topic):
    table = committed(root, topic)
    assert list(table.columns) == COLUMNS
    assert out_of_bounds(table).empty, out_of_bounds(table)


@pytest.mark.slow
@pytest.mark.parametrize("topic", TOPICS)
def test_a_shorter_simulation_agrees_with_the_committed_results(root, topic):
    """With another random seed, the differences are explained by the sampling error of both."""
    kept = committed(root, topic)
    again = results_table(topic, TOPICS[topic].simulations(100, 1, root / "resources" / "published"))
    names = ["statistic", "condition", "counted"]
    pd.testing.assert_frame_equal(again[names], kept[names])
    if_right = np.sqrt((kept["found"] * (1 - kept["found"])).clip(lower=0) / again["samples"])
    error = np.hypot(np.maximum(if_right, again["standard_error"]), kept["standard_error"])
    apart = (again["found"] - kept["found"]).abs()
    assert (apart <= 5 * error + 2 / again["samples"]).all(), again[apart > 5 * error + 2 / again["samples"]]
    apart = (again["power"] - kept["power"]).abs()
    error = np.sqrt(kept["power"] * (1 - kept["power"]) / again["samples"])
    allowed = (5 * error + 3 / again["samples"]).where(apart.notna(), np.inf)
    assert (again["power"].isna() == kept["power"].isna()).all()
    assert (apart.fillna(0) <= allowed).all(), again[apart > allowed]
    # The widths of predictions are means over only two fitted data sets, some of them with outlying models. The
    # jackknife, which no analysis of error consistency uses, has intervals of no width and very wide ones.
    used = ~kept["statistic"].str.contains("error consistency, jackknife")
    rtol = 0.5 if topic == "predicted" else 0.25
    np.testing.assert_allclose(again["width"][used], kept["width"][used], rtol=rtol)


def test_only_the_widest_intervals_of_areas_may_cover_nearly_always(root):
    table = committed(root, "leaderboard")
    coverage = table[table["counted"] == "coverage"].set_index("statistic")["at_most"]
    assert coverage.groupby("statistic").unique().str[0].to_dict() == {
        "area, participants": 0.98,
        "normalized area, means and standard errors": 1,
        "normalized area, participants": 0.98,
    }


def test_values_outside_their_bounds_are_detected():
    found = [
        Simulated("interval", "few", "coverage", 0.90, 0.01, 0.92, 1, 100),
        Simulated("interval", "many", "coverage", 0.95, 0.01, 0.92, 1, 100),
        Simulated("test", "many", "false positives", 0.07, 0.01, 0, 0.06, 100),
    ]
    table = results_table("topic", found)
    assert out_of_bounds(table)["condition"].tolist() == ["few", "many"]
    assert results_dataset(table)["found"].values.tolist() == [0.90, 0.95, 0.07]


@pytest.mark.slow
def test_the_command_of_the_documentation_repeats_a_topic(root, tmp_path):
    folder = copy_of(root, tmp_path)
    snakemake(folder, "--snakefile", "studies/Snakefile", "results/demo/simulations/proportions.nc")
    made = files.load(folder / "results" / "demo" / "simulations" / "proportions.nc")
    kept = committed(root, "proportions")
    np.testing.assert_allclose(made["found"], kept["found"], atol=1e-4)
    again = pd.read_csv(folder / "results" / "demo" / "simulations" / "proportions.csv")
    pd.testing.assert_frame_equal(again, kept)


def test_the_table_of_the_documentation_shows_the_bounds(root, tmp_path):
    rows = [
        Simulated("interval", "few", "coverage", 0.93, 0.01, 0.92, 0.98, 100, 0.5, 0.25),
        Simulated("interval", "many", "coverage", 0.96, 0.01, 0.92, 0.98, 100, 0.2, 1),
        Simulated("interval", "fewest", "coverage", 0.99, 0.01, 0.92, 1, 100, 1.5),
        Simulated("test", "many", "false positives", 0.05, 0.01, 0, 0.06, 100, power=0.8),
        Simulated("other", "many", "coverage", 0.6, 0.01, 0, 1, 100),
    ]
    results_table("topic", rows).to_csv(tmp_path / "topic.csv", index=False)
    lines = with_table(f"Before\n\n{MARK}\n", tmp_path).splitlines()[4:]
    told = [[cell.strip() for cell in line.split("|")[1:8]] for line in lines]
    assert told == [
        ["interval", "coverage", "0.930 to 0.960", "0.92 to 0.98", "0.20 to 0.50", "0.25 to 1.00", "2, from few"],
        ["interval", "coverage", "0.990", "at least 0.92", "1.50", "–", "fewest"],
        ["test", "false positives", "0.050", "at most 0.06", "–", "0.80", "many"],
        ["other", "coverage", "0.600", "–", "–", "–", "many"],
    ]
    assert MARK in (root / "docs" / "explanation" / "statistics.md").read_text()
