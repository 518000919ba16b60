"""How a run was made, in the report: steps in the order of their files, and the times that Snakemake measured."""

import numpy as np
import pytest

from metamers.report.figures import svg
from metamers.report.steps import OUTSIDE, layers, run_times, steps_figure, steps_of, steps_table, times_table

DERIVED = {
    "results/x/stimuli/own.nc": ("stimuli_datasets", ["mine/table.csv"]),
    "results/x/synthesis/a/input/0000.nc": ("synthesize_metamers", ["results/x/stimuli/own.nc", "mine/builders.py"]),
    "results/x/metamers/a/input/0000.nc": (
        "synthesize_measure",
        ["results/x/stimuli/own.nc", "mine/builders.py", "results/x/synthesis/a/input/0000.nc"],
    ),
    "results/x/training/a.nc": ("train_test", ["results/x/training/a.safetensors", "results/x/stimuli/own.nc"]),
    "results/x/nulls/a.nc": ("null_distribution", ["results/x/stimuli/own.nc"]),
    "results/x/acceptance/a.nc": (
        "null_acceptance",
        ["results/x/metamers/a/input/0000.nc", "results/x/nulls/a.nc", "results/x/stimuli/own.nc"],
    ),
    "results/x/recognition/a/a.nc": (
        "recognize",
        ["results/x/exported/metamers/a", "results/x/exported/datasets/own", "results/x/acceptance/a.nc"],
    ),
}


def test_a_step_builds_on_those_whose_files_it_was_given():
    steps = steps_of(DERIVED)
    assert steps["null_distribution"] == {"stimuli_datasets"}
    assert steps["recognize"] == {"synthesize_export", "stimuli_export", "null_acceptance"}
    assert steps["synthesize_export"] == {"synthesize_metamers"}
    assert steps["train_test"] == {"train_model", "stimuli_datasets"}
    assert steps["stimuli_datasets"] == {OUTSIDE}


def test_what_another_way_implies_is_left_out():
    steps = steps_of(DERIVED)
    assert steps["null_acceptance"] == {"synthesize_measure", "null_distribution"}  # not the stimuli that both have
    assert steps["synthesize_measure"] == {"synthesize_metamers"}
    assert steps["synthesize_metamers"] == {"stimuli_datasets"}  # not the given files that these have


def test_every_step_stands_behind_what_it_builds_on():
    steps = steps_of(DERIVED)
    column = {step: number for number, names in enumerate(layers(steps)) for step in names}
    assert column[OUTSIDE] == 0
    assert all(column[source] < column[step] for step, before in steps.items() for source in before)


@pytest.fixture
def benchmarks(tmp_path):
    header = "s\th:m:s\tmax_rss\tcpu_time\n"
    for name, row in {
        "synthesize_metamers/a/block/0000": "90.5\t0:01:30\t500.5\t90",
        "synthesize_metamers/a/logits/0000": "30\t0:00:30\t800\t30",
        "null/a": "0.2\t0:00:00\t-\t-",
        "report": "5\t0:00:05\t100\t4",
    }.items():
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + row + "\n")
    return tmp_path


def test_times_are_added_by_rule(benchmarks):
    times = run_times(benchmarks)
    assert list(times.index) == ["synthesize_metamers", "report", "null"]
    assert times.loc["synthesize_metamers"].tolist() == [2, 120.5, 90.5, 800]
    assert np.isnan(times.loc["null", "megabytes"])


@pytest.mark.parametrize(
    "content", [b"s\th:m\xb6s\tmax_rss\n5\t0\t1\n", b"", b"s\tmax_rss\n", b"s\n5\n", b"s\tmax_rss\nfive\t1\n"]
)
def test_times_that_cannot_be_read_are_left_out_with_a_warning(benchmarks, caplog, content):
    (benchmarks / "report.tsv").write_bytes(content)
    assert list(run_times(benchmarks).index) == ["synthesize_metamers", "null"]
    assert "report.tsv: " in caplog.text


def test_times_are_told_in_units_that_one_reads(benchmarks):
    table = times_table(run_times(benchmarks))
    assert table["rows"][0] == ["synthesize_metamers", "2", "2.0 min", "1.5 min", "800"]
    assert table["rows"][-1] == ["all", "4", "2.1 min", "1.5 min", "800"]


def test_a_run_without_times_has_a_table_without_rows(tmp_path):
    assert times_table(run_times(tmp_path))["rows"] == []


def test_the_picture_is_the_same_bytes_every_time_and_has_every_step(benchmarks):
    steps, times = steps_of(DERIVED), run_times(benchmarks)
    figure = steps_figure(steps, times)
    words = {text.get_text() for text in figure.axes[0].texts}
    assert steps.keys() <= words
    assert "2 jobs, 2.0 min" in words
    assert svg(figure) == svg(steps_figure(steps, times))
    assert {row[0] for row in steps_table(steps)["rows"]} == {*steps, OUTSIDE}
