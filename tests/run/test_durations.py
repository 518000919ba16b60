"""The time that a run still needs follows from measured times and from the jobs that have ended."""

import re

import pytest

from metamers.run.durations import TimeLeft, duration, read_durations

EXPECTED = {"synthesize": 60.0, "recognize": 10.0}
COUNTS = {"synthesize": 4, "recognize": 6}


def test_at_first_the_measured_times_are_expected():
    assert TimeLeft(COUNTS, cores=2, expected=EXPECTED).seconds() == pytest.approx((4 * 60 + 6 * 10) / 2)


def test_a_rule_takes_as_long_as_its_jobs_that_have_ended_and_others_are_slower_in_proportion():
    left = TimeLeft(COUNTS, cores=1, expected=EXPECTED)
    left.finish("synthesize", 180)  # three times as long as measured
    assert left.of_job("synthesize") == 180
    assert left.of_job("recognize") == pytest.approx(30)
    assert left.seconds() == pytest.approx(3 * 180 + 6 * 30)


def test_what_running_jobs_have_taken_is_subtracted_but_never_more_than_they_need():
    left = TimeLeft({"synthesize": 1}, cores=1, expected=EXPECTED)
    assert left.seconds({"synthesize": 45}) == pytest.approx(15)
    assert left.seconds({"synthesize": 100}) == 0


def test_a_rule_that_was_not_measured_takes_the_median_of_the_others():
    assert TimeLeft({"unknown": 2}, cores=1, expected=EXPECTED | {"train": 500.0}).seconds() == pytest.approx(2 * 60)
    assert TimeLeft({"unknown": 2}, cores=1, expected={}).seconds() == pytest.approx(2)


def test_durations_are_in_units_that_one_reads():
    assert [duration(seconds) for seconds in (0.24, 59.9, 90, 3600)] == ["0.2 s", "59.9 s", "1.5 min", "1.0 h"]


def test_the_measured_table_has_the_rules_that_take_longest(root):
    rules = "".join(path.read_text() for path in (root / "workflow" / "rules").glob("*.smk"))
    measured = read_durations()
    assert {"synthesize_metamers", "train_model"} <= measured.keys()
    loops = set(re.findall(r'name:\n +f"(\w+)_\{', rules))
    assert [rule for rule in measured if f"rule {rule}:" not in rules and rule not in loops] == []


def test_the_rule_of_a_group_of_models_takes_as_long_as_its_step():
    left = TimeLeft({"recognize_audio_0": 2}, cores=1, expected=EXPECTED)
    assert left.of_job("recognize_audio_0") == 10
    left.finish("recognize_vision_0", 30)
    assert left.of_job("recognize_audio_0") == pytest.approx(30)
