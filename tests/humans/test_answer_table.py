"""A table of answers counts as answers to the run's own experiment do."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml

from metamers.humans.answer_table import (
    exclusions_of_table,
    shown_in_table,
    table_dataset,
    trials_of_table,
)
from metamers.humans.own_participants import judgements_of_shown, pooled_designs
from metamers.humans.read_table import Trial
from metamers.plan.steps import declared_files
from metamers.run import files
from tests.documentation import blocks
from tests.made_up_run import RULES, RUN, WORDS, made_up_run
from tests.made_up_run import STAGES as SHOWN_STAGES
from tests.workflow.runs import check_schema, snakemake

CATEGORIES = {"s0": "a", "s1": "b", "s2": "a"}
STAGES = {"m": ["one", "two"], "k": ["one"]}


def trial(participant, model, stage, stimulus, answer, seed=None, excluded=""):
    return Trial(participant, model, stage, stimulus, seed, "", answer, 0.5, excluded)


def all_of(participant, wrong=(), **more):
    """One trial in each condition: natural s0, m/one s1, m/two s2, k/one s1."""
    shown = [("", "natural", "s0"), ("m", "one", "s1"), ("m", "two", "s2"), ("k", "one", "s1")]
    other = {"a": "b", "b": "a"}
    return [
        trial(participant, model, stage, name, other[CATEGORIES[name]] if stage in wrong else CATEGORIES[name], **more)
        for model, stage, name in shown
    ]


@pytest.fixture(scope="module")
def recognition():
    correct = np.zeros((3, 3, 2), bool)
    correct[1, :, 1] = True  # stage one, the second metamer
    coords = {"stage": ["natural", "one", "two"], "stimulus": list(CATEGORIES), "seed": [0, 1]}
    return {model: xr.Dataset({"correct": (tuple(coords), correct)}, coords=coords) for model in STAGES}


def test_proportions_are_by_participant_model_and_stage_and_natural_stimuli_count_for_every_model(recognition):
    rows = all_of("p") + all_of("q", wrong=("one",)) + [trial("q", "m", "one", "s0", "a", seed=1)]
    trials = trials_of_table(rows)
    found = table_dataset(trials, shown_in_table(trials, CATEGORIES), STAGES, recognition)
    human = found["proportion_correct"].sel(observer="human")
    np.testing.assert_array_equal(human.sel(participant="p", generation_model="m"), [1, 1, 1])
    np.testing.assert_array_equal(human.sel(participant="q", generation_model="m"), [1, 0.5, 1])
    np.testing.assert_array_equal(human.sel(participant="q", generation_model="k"), [1, 0, np.nan])
    model = found["proportion_correct"].sel(observer="model", generation_model="m", stage="one")
    np.testing.assert_array_equal(model, [0, 0.5])  # the seed in the table decides which metamer the model answered
    assert found["excluded"].to_series().to_dict() == {"unfinished": 0}


def test_participants_are_left_out_for_the_reason_in_the_table_or_a_condition_that_they_did_not_meet(recognition):
    rows = all_of("p") + all_of("q") + all_of("r", excluded="catch trials") + all_of("s")[:-1] + all_of("t")[1:]
    rows += [trial("u", *row) for row in (("m", "one", "s1", ""), *[("m", "two", "s2", "a"), ("k", "one", "s1", "b")])]
    trials = trials_of_table(rows)
    assert exclusions_of_table(trials, STAGES).to_dict() == {
        "p": "", "q": "", "r": "catch trials", "s": "unfinished", "t": "unfinished", "u": "unfinished",
    }  # fmt: skip
    found = table_dataset(trials, shown_in_table(trials, CATEGORIES), STAGES, recognition)
    assert found["participant"].values.tolist() == ["p", "q"]
    assert found["excluded"].to_series().to_dict() == {"catch trials": 1, "unfinished": 3}
    assert int(found["rows_set_aside"]) == 1


def test_too_few_participants_are_an_error_that_says_why(recognition):
    trials = trials_of_table(all_of("p") + all_of("q")[:-1])
    with pytest.raises(ValueError, match=r"1 of 2 participants.*unfinished: 1"):
        table_dataset(trials, shown_in_table(trials, CATEGORIES), STAGES, recognition)


def test_models_are_asked_about_every_metamer_that_any_group_was_shown_once(recognition):
    one, two = (
        shown_in_table(trials_of_table(rows), CATEGORIES)
        for rows in (all_of("p"), [*all_of("q"), trial("q", "m", "one", "s0", "a", seed=1)])
    )
    assert pooled_designs([one]) is one
    both = pooled_designs([one, two])
    assert both.sizes["exhibit"] == 5
    judged = judgements_of_shown(both, {name: {"m": data} for name, data in recognition.items()}, STAGES)
    at_one = judged[(judged["generation_model"] == "m") & (judged["stage"] == "one")]
    assert at_one["proportion_correct"].tolist() == [0.5]


@pytest.mark.slow
def test_the_documented_table_becomes_humans_comparisons_and_bids(root, tmp_path):
    """The example of docs/more_participants.md, with answers to a made-up run, and its error before the first job."""
    (documented,) = [
        text for _, text in blocks((root / "docs/more_participants.md").read_text()) if "format: table" in text
    ]
    folder = made_up_run(root, tmp_path / "run", "vision")
    (folder / "people.yaml").write_text(documented)
    entry = yaml.safe_load(documented)["own_participants"]["earlier"]
    stimuli = files.load(folder / "results" / RUN / "stimuli" / "own.nc")
    names, categories = (list(map(str, stimuli[name].values[:15])) for name in ("stimulus", "category"))
    metamers = [(model, stage) for model in ("first", "second") for stage in SHOWN_STAGES["vision"][1:]]
    conditions = [("", "natural"), *metamers]
    header = ["participant", "generation_model", "stage", "stimulus", "answer"]
    rng = np.random.default_rng(0)

    def write(rows):
        with (folder / entry["answers"]).open("w", encoding="utf-8-sig", newline="") as stream:
            csv.writer(stream, delimiter=";").writerows([[entry["columns"].get(name, name) for name in header], *rows])

    rows = []
    for person in range(4):
        for number, (name, category) in enumerate(zip(names, categories, strict=True)):
            model, stage = conditions[(number + person) % len(conditions)]
            is_right = stage == "natural" or rng.random() < 0.6
            answer = category if is_right else WORDS[(WORDS.index(category) + 1) % len(WORDS)]
            rows.append([f"p{person}", model, stage, name, answer])
    configured = ["--configfile", "shown.yaml", "people.yaml"]
    write([*rows, ["p0", "first", "blok/1", names[0], WORDS[0]]])
    said = snakemake(folder, "-n", "humans", *configured, fails=True)
    assert re.search(r"own_participants\.earlier\.answers: .*62 .*'blok/1'.*'input'", said)
    write(rows)
    rules = ["humans", "bids", "humans_answer_table", "humans_bids", *RULES]
    snakemake(folder, "humans", "bids", *configured, "--allowed-rules", *rules)
    humans = folder / "results" / RUN / "humans"
    found = files.load(humans / "earlier.nc")
    check_schema(humans / "earlier.nc", "humans/earlier.nc", declared_files())
    check_schema(humans / "shown" / "earlier.nc", "humans/shown/earlier.nc", declared_files())
    human = found["proportion_correct"].sel(observer="human")
    assert found["participant"].values.tolist() == ["p0", "p1", "p2", "p3"]
    assert (human.sel(stage="natural") == 1).all()
    compared = files.load(humans.parent / "comparison" / "own_participants_vs_models.nc")
    np.testing.assert_allclose(
        compared["human_mean"].values.ravel(),
        human.sel(stage=SHOWN_STAGES["vision"][1:]).mean("participant").values.ravel(),
    )
    consistency = files.load(humans.parent / "comparison" / "own_participants_consistency.nc")
    assert consistency["participant_consistency"].sel(stage="natural").isnull().all()  # all participants are right
    judged = consistency["participant_consistency"].sel(stage=SHOWN_STAGES["vision"][1:])
    assert judged.notnull().any()
    assert (consistency["participants"].sel(stage="natural") == 4).all()
    validator = Path(sys.executable).with_name("bids-validator-deno")
    assert subprocess.run([validator, humans / "bids" / "earlier"], check=False, timeout=120).returncode == 0
