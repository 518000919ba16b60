"""`snakemake preregister` freezes a prediction once; people's answers are scored against it, and changes are named."""

import os
import platform
import re

import numpy as np
import pytest
import yaml

from metamers.plan.steps import declared_files
from metamers.preregister.score import participants_judged, read_frozen, score_stage
from metamers.run import files
from metamers.run.hashes import sha256_of
from tests.made_up_run import RULES, RUN, WORDS, made_up_run, write_answers, write_metamers
from tests.workflow.runs import check_schema, snakemake

FROZEN = f"preregistered/{RUN}.nc"
SCORED = f"results/{RUN}/comparison/preregistered.nc"
CONFIGURED = ["--configfile", "shown.yaml", "people.yaml"]
ALLOWED = ["--allowed-rules", "preregister", "preregister_score", "humans_answer_table", *RULES]
METAMER = f"results/{RUN}/metamers/first/logits/0000.nc"


@pytest.fixture(scope="module")
def frozen(root, tmp_path_factory):
    """A made-up run whose prediction is frozen, before there are answers: its folder, and Snakemake's output."""
    folder = made_up_run(root, tmp_path_factory.mktemp("preregister") / "run", "vision")
    write_metamers(folder)
    people = {"mine": {"modality": "vision", "answers": "answers/none_yet"}}
    settings = {"preregistration": {"participants": 4, "trials": 3}, "own_participants": people}
    (folder / "people.yaml").write_text(yaml.safe_dump(settings))
    assert "preregister: " in snakemake(folder, "-n", "preregister", "humans", *CONFIGURED, fails=True)
    output = snakemake(folder, "preregister", *CONFIGURED, *ALLOWED)
    return folder, output


@pytest.fixture(scope="module")
def scored(frozen):
    """The same run, with people's answers."""
    folder, _ = frozen
    write_answers(folder)
    people = {"mine": {"modality": "vision", "format": "table", "answers": "answers.csv"}}
    settings = {"preregistration": {"participants": 4, "trials": 3}, "own_participants": people}
    (folder / "people.yaml").write_text(yaml.safe_dump(settings))
    snakemake(folder, SCORED, *CONFIGURED, *ALLOWED)
    return folder


def test_the_prediction_is_frozen_with_all_that_it_depends_on(frozen):
    folder, output = frozen
    check_schema(folder / FROZEN, FROZEN, declared_files())
    found = read_frozen(folder / FROZEN)
    predicted = files.load(folder / f"results/{RUN}/comparison/predicted_human.nc")
    np.testing.assert_allclose(found["predicted"], predicted["predicted"])
    assert found["predicted"].notnull().any()
    assert (int(found["expected_participants"]), int(found["expected_trials"])) == (4, 3)
    items = dict(
        zip(
            zip(found["item_kind"].values.tolist(), found["item_name"].values.tolist(), strict=True),
            found["fingerprint"].values.tolist(),
            strict=True,
        )
    )
    with files.open_dataset(folder / METAMER) as data:
        assert items["metamers", METAMER] == files.content_sha256(data)
    assert len([kind for kind, _ in items if kind == "metamers"]) == 2 * 3 * 2
    kinds = {kind for kind, _ in items}
    assert kinds >= {"stimuli", "acceptance", "recognition", "published", "weights", "setting", "software", "code"}
    assert items["setting", "synthesis.quality"] == '"converged"'
    assert items["software", "Python"] == platform.python_version()
    assert {name for kind, name in items if kind == "page"} >= {"experiment.js", "index.html"}
    # Names and code do not depend on where the checkout is, nor on how the report looks.
    assert not [name for kind, name in items if name.startswith("/") and kind != "weights"]
    assert ("published", "resources/published/participant_variance.csv") in items
    assert not [name for kind, name in items if kind == "setting" and name.split(".")[0] in ("models", "datasets")]
    assert ("code", "preregister/score") not in items
    assert ("code", "metamers.preregister.score") in items
    assert not [name for kind, name in items if kind == "setting" and name.startswith("own_participants")]
    assert f"{FROZEN}, SHA-256 {sha256_of(folder / FROZEN)}" in output
    assert not (folder / FROZEN).stat().st_mode & 0o222


def test_a_second_call_ends_before_the_first_job_and_changes_nothing(frozen):
    folder, _ = frozen
    before = (folder / FROZEN).read_bytes()
    said = snakemake(folder, "preregister", *CONFIGURED, *ALLOWED, "--forceall", fails=True)
    assert f"preregistration.file: {FROZEN} " in said
    assert "Job stats" not in said
    assert (folder / FROZEN).read_bytes() == before


def test_a_path_that_cannot_be_written_ends_the_call_before_the_first_job(frozen):
    folder, _ = frozen
    (folder / "taken").write_text("")
    (folder / "taken.yaml").write_text(yaml.safe_dump({"preregistration": {"file": "taken/x.nc"}}))
    said = snakemake(folder, "preregister", "--configfile", "shown.yaml", "taken.yaml", *ALLOWED, fails=True)
    assert "preregistration.file: taken/x.nc " in said
    assert "Job stats" not in said


def test_the_answers_are_scored_by_the_frozen_distribution(scored):
    folder = scored
    check_schema(folder / SCORED, "comparison/preregistered.nc", declared_files())
    found, prediction = files.load(folder / SCORED), read_frozen(folder / FROZEN)
    people = files.load(folder / f"results/{RUN}/humans/mine.nc")
    judged = participants_judged([people])
    assert found.sizes["point"] == 4
    for number in range(4):
        point = found.isel(point=number)
        model, stage = str(point["generation_model"].values), str(point["stage"].values)
        own, answers = prediction.sel(generation_model=model, stage=stage), judged[model, stage]
        assert (int(point["answered"]), int(point["participants"])) == (12, 4)
        human = people["proportion_correct"].sel(observer="human", generation_model=model, stage=stage)
        assert float(point["observed"]) == pytest.approx(float(human.mean()))  # each has three trials
        wanted = score_stage(
            answers,
            own["possible_proportion"].values,
            own["reference_proportion"].values,
            1 / len(WORDS),
            float(own["log_odds_variance"]),
        )
        assert float(point["log_score"]) == pytest.approx(wanted["log_score"])
        assert float(point["log_score_depth"]) == pytest.approx(wanted["log_score_depth"])
        np.testing.assert_allclose(
            [point["low"], point["high"]], [wanted["interval_low"][2], wanted["interval_high"][2]]
        )
    assert "change" not in found
    assert int(found["answer_files_before"]) == 0
    assert found["first_answer"].item() >= found["frozen_at"].item()
    assert found["frozen_sha256"].item() == sha256_of(folder / FROZEN)
    assert FROZEN in found.attrs["inputs"]


def test_the_whole_run_and_its_report_score_the_frozen_prediction(scored):
    targets = {"all", "report", "humans", "comparison"}
    graph = snakemake(scored, "--rulegraph", "dot", *targets, *CONFIGURED)
    rules = dict(re.findall(r'(\d+)\[label = "(\w+)"', graph))
    assert "preregister" not in rules.values()
    reached, edges = {"preregister_score"}, re.findall(r"(\d+) -> (\d+)", graph)
    for _ in rules:
        reached |= {rules[after] for before, after in edges if rules[before] in reached}
    assert reached >= targets


def test_what_changed_after_the_prediction_is_named(scored):
    """Other metamers, another setting, and answers that are older than the prediction."""
    folder, before = scored, (scored / FROZEN).read_bytes()
    path = folder / METAMER
    kept = path.read_bytes(), (folder / "shown.yaml").read_text()
    data = files.load(path)
    files.save(data + 0.1, path, title="made up", source="a test", step="test", run=RUN, seed=0, inputs=[])
    settings = yaml.safe_load(kept[1])
    settings["experiment"]["vision"]["catch"]["at_least"] = 1
    (folder / "shown.yaml").write_text(yaml.safe_dump(settings))
    os.utime(folder / "answers.csv", (0, 0))
    try:
        output = snakemake(folder, SCORED, *CONFIGURED, *ALLOWED, "--forcerun", "preregister_score")
    finally:
        path.write_bytes(kept[0])
        (folder / "shown.yaml").write_text(kept[1])
    found = files.load(folder / SCORED)
    assert list(
        zip(found["changed_kind"].values, found["changed_item"].values, found["change"].values, strict=True)
    ) == [
        ("metamers", METAMER, "changed"),
        ("setting", "experiment.vision.catch.at_least", "2 → 1"),
    ]
    assert re.search(rf"{re.escape(METAMER)}\b.*changed", output)
    assert int(found["answer_files_before"]) == 1
    assert found["first_answer"].item() == "1970-01-01T00:00:00+00:00"
    assert (folder / FROZEN).read_bytes() == before


def test_without_a_frozen_prediction_nothing_is_scored_and_the_target_says_so(scored, tmp_path):
    """With another path, no prediction is found there."""
    other = yaml.safe_load((scored / "people.yaml").read_text())
    other["preregistration"]["file"] = "preregistered/other.nc"
    (scored / "other.yaml").write_text(yaml.safe_dump(other))
    configured = ["--configfile", "shown.yaml", "other.yaml"]
    assert "preregister_score" not in snakemake(scored, "-n", "humans", "--forcerun", "compare_anova", *configured)
    said = snakemake(scored, "-n", SCORED, "--forcerun", "preregister_score", *configured, fails=True)
    assert re.search(r"preregistration\.file: .*preregistered/other\.nc.*`snakemake preregister`", said)


@pytest.mark.slow
def test_a_whole_run_freezes_and_its_report_scores(rerun):
    """A run of two networks, and two people; one of the stages that they judged has no prediction."""
    folder, arguments = rerun
    snakemake(folder, "preregister", *arguments)
    frozen = folder / "preregistered" / "small.nc"
    before = frozen.read_bytes()
    predicted = read_frozen(frozen)["predicted"].sel(generation_model="first")
    names = list(map(str, files.load(folder / "results/small/acceptance/first.nc")["stimulus"].values))
    rows = ["participant,generation_model,stage,stimulus,answer"]
    for person in range(3):
        for number, stage in enumerate(("natural", "block", "logits")):
            rows.append(f"p{person},first,{stage},{names[(number + person) % 3]},dog")
    (folder / "answers.csv").write_text("\n".join(rows))
    people = {"mine": {"modality": "vision", "format": "table", "answers": "answers.csv"}}
    (folder / "people.yaml").write_text(yaml.safe_dump({"own_participants": people}))
    page = "results/small/report/statistics.html"
    snakemake(folder, page, *arguments, "people.yaml")
    text = (folder / page).read_text()
    assert sha256_of(frozen) in text
    assert 'src="figures/preregistered.svg"' in text
    found = files.load(folder / "results/small/comparison/preregistered.nc")
    judged = ("block", "logits")
    known = [stage for stage in judged if bool(predicted.sel(stage=stage).notnull())]
    assert found["stage"].values.tolist() == known
    assert found.sizes.get("unscored", 0) == len(judged) - len(known)
    assert found["answered"].values.tolist() == [3] * len(known)
    assert "change" not in found
    assert frozen.read_bytes() == before
