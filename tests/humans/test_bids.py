"""The folder of answers is a BIDS dataset, which the field's own validator accepts, and identifies nobody."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from metamers.humans.answer_table import exclusions_of_table, shown_in_table, trials_of_table
from metamers.humans.bids import bids_files, trials_of_answer_table, trials_of_answers, write_bids
from metamers.humans.design import experiment_design
from metamers.humans.own_participants import read_answers
from metamers.humans.read_table import Trial
from tests.configurations import practice

CATEGORIES = ["a", "b"]
STIMULI = {f"s{n}": CATEGORIES[n % 2] for n in range(11)}
AT_LEAST = {"headphones": 0, "practice": 1, "catch": 2}


@pytest.fixture(scope="module")
def design():
    conditions = [("m", "one"), ("m", "two")]
    metamers = dict.fromkeys(list(STIMULI)[:9], dict.fromkeys(conditions, 0))
    made = experiment_design(STIMULI, metamers, conditions, practice(2, feedback=1, metamers=1), CATEGORIES, 6, 0)
    return made.assign_attrs(design="d0", headphone_trials=0)


def rows_of(design, name, order, consent="yes", knows=True):
    own = {"participant": name, "order": order, "design": "d0", "window_width": 820, "zoom": 1.25}
    rows = [{"step": "consent", "answer": consent, **own}]
    if consent == "no":
        return rows
    for trial, number in enumerate(design["shown"].values[order]):
        exhibit = design.isel(exhibit=int(number))
        right = str(exhibit["category"].item())
        answer = right if knows else CATEGORIES[1 - CATEGORIES.index(right)]
        shown = {"exhibit": str(exhibit["exhibit"].item()), "answer": answer, "rt": 1500, "shown_ms": 300.5}
        if trial == 3:
            shown |= {"shown_ms": -1, "already": True}
        rows.append({"step": f"trial-{trial}", **shown, **own})
    return rows


@pytest.fixture
def written(design, tmp_path):
    """The files of two participants who are counted, one who failed the practice, and one who did not agree."""
    people = {
        "prolific-5f3c": rows_of(design, "prolific-5f3c", 0),
        "jatos-7": rows_of(design, "jatos-7", 1),
        "third": rows_of(design, "third", 2, knows=False),
        "unwilling": rows_of(design, "unwilling", 3, consent="no"),
    }
    for name, rows in people.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    answers = read_answers(sorted(tmp_path.glob("*.json")), design, set(CATEGORIES))
    return bids_files(*trials_of_answers(answers, design, AT_LEAST), "vision", "mine", CATEGORIES)


def table(text):
    return pd.read_csv(StringIO(text), sep="\t", na_values="n/a", keep_default_na=False)


def test_each_trial_is_a_row_in_seconds_with_what_was_shown(written, design):
    trials = table(written["sub-02/beh/sub-02_task-recognition_beh.tsv"])  # sub-01 is jatos-7
    shown = design.isel(exhibit=design["shown"].values[0])
    assert trials["trial"].tolist() == list(range(1, design.sizes["trial"] + 1))
    assert trials["trial_type"].tolist() == shown["kind"].values.tolist()
    assert trials["stimulus"].fillna("").tolist() == shown["stimulus"].values.tolist()
    assert trials["generation_model"].fillna("").tolist() == shown["generation_model"].values.tolist()
    assert trials["seed"].fillna(-1).tolist() == shown["seed"].values.tolist()
    assert (trials["correct"] == 1).all()
    assert (trials["response_time"] == 1.5).all()
    assert trials["presentation_time"].isna().tolist() == [n == 3 for n in range(len(trials))]
    assert trials["presentation_time"][0] == pytest.approx(0.3005, abs=1e-6)
    assert trials["after_reload"].tolist() == [int(n == 3) for n in range(len(trials))]
    assert (trials["window_width"] == 820).all()
    described = json.loads(written["task-recognition_beh.json"])
    assert set(trials.columns) <= described.keys()
    assert all(described[name]["Description"] for name in trials.columns)


def test_people_are_numbered_and_without_consent_nothing_is_written(written):
    people = table(written["participants.tsv"])
    assert people["participant_id"].tolist() == ["sub-01", "sub-02", "sub-03"]
    assert people["excluded"].fillna("").tolist() == ["", "", "practice"]
    everything = "".join(written) + "".join(written.values())
    assert not any(name in everything for name in ("prolific", "jatos", "unwilling", "third"))


def of_table():
    rows = [("", "natural", "s0", "a"), ("m", "one", "s1", ""), ("m", "two", "s2", "b")]
    trials = [
        Trial(name, model, stage, stim, None, "", answer, None, "")
        for name in "pq"
        for model, stage, stim, answer in rows
    ]
    table = trials_of_table(trials)
    reasons = exclusions_of_table(table, {"m": ["one", "two"]})
    return bids_files(*trials_of_answer_table(table, shown_in_table(table, STIMULI), reasons), "audio", "x", CATEGORIES)


def test_answers_of_a_table_have_the_columns_that_it_has():
    trials = table(of_table()["sub-02/beh/sub-02_task-recognition_beh.tsv"])
    columns = ["trial", "trial_type", "stimulus", "generation_model", "stage", "seed", "category", "answer", "correct"]
    assert trials.columns.tolist() == columns
    assert trials["correct"].fillna(-1).tolist() == [1, -1, 0]
    assert trials["category"].tolist() == ["a", "b", "a"]


def test_nothing_to_write_is_an_error(design):
    with pytest.raises(ValueError, match=r"participant .*trial"):
        bids_files(pd.DataFrame({"participant": []}), {"p": "no consent"}, "vision", "x", CATEGORIES)


def problems(folder):
    """The codes of what the validator of BIDS calls an error."""
    command = Path(sys.executable).with_name("bids-validator-deno")
    ran = subprocess.run([command, "--json", folder], check=False, capture_output=True, text=True, timeout=120)
    found = json.loads(ran.stdout)["issues"]["issues"]
    return {issue["code"] for issue in found if issue["severity"] == "error"}


@pytest.mark.slow
def test_the_validator_of_bids_accepts_the_folder(written, tmp_path):
    write_bids(written, tmp_path / "experiment")
    write_bids(of_table(), tmp_path / "table")
    assert problems(tmp_path / "experiment") == set()
    assert problems(tmp_path / "table") == set()
    (tmp_path / "table" / "participants.tsv").write_text("name\nsub-01\n")
    assert problems(tmp_path / "table") != set()
