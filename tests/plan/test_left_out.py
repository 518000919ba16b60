"""A run without what failed is the same run in all other respects: same jobs, same batches, same groups."""

import json
import re
from pathlib import Path

import pytest
from snakemake.cli import parse_config

from metamers.config.read import read_yaml
from metamers.names import ConfigurationError
from metamers.plan.left_out import (
    EXTENSIONS,
    KINDS,
    SIMILARITY,
    TITLES,
    WHOLE,
    LeftOut,
    command_line,
    dependent_on,
    with_failed,
    with_options,
    write_left_out,
)
from metamers.plan.plan import make_plan
from metamers.plan.steps import merge_defaults
from metamers.run.logs import FailedJob

pytestmark = pytest.mark.usefixtures("in_the_repository")


@pytest.fixture
def settings(root):
    """The default run's, in batches of two stimuli and with two recognition models in a job."""
    settings = merge_defaults({})
    settings["synthesis"]["batch_size"] = 2
    settings["recognition"]["models_per_job"] = 2
    return settings


def failed(step, *names, **subject):
    return FailedJob(step, names, subject, "a reason", Path("results/demo/logs/job.log"))


def plan_without(settings, tmp_path, *jobs):
    path = tmp_path / "left_out.json"
    write_left_out(path, with_failed((), jobs, "snakemake --cores 2"))
    return make_plan(settings | {"left_out": str(path)})


def test_a_stage_that_cannot_be_matched(settings, tmp_path):
    whole = make_plan(settings)
    plan = plan_without(settings, tmp_path, failed("synthesize_metamers", "cochcnn9_standard", "relu4", "0000"))
    assert plan.generation_models["cochcnn9_standard"] == ["input", "relu1", "final"]
    others = plan.generation_models | {"cochcnn9_standard": whole.generation_models["cochcnn9_standard"]}
    assert others == whole.generation_models
    assert plan.batches == whole.batches
    assert plan.recognition_groups == whole.recognition_groups
    assert plan.analyses == whole.analyses
    assert plan.sides_of_contrasts == whole.sides_of_contrasts
    (title,) = [one.title for one in plan.left_out]
    assert re.search(r"\bcochcnn9_standard .*\brelu4$", title)


def test_a_model_whose_training_fails_is_nowhere(settings, tmp_path):
    plan = plan_without(settings, tmp_path, failed("train_model", "cochcnn9_standard"))
    assert "cochcnn9_standard" not in {*plan.generation_models, *plan.recognition_models, *plan.analyses.used_models}
    assert plan.sides_of_contrasts == []  # the model was in the only contrast
    assert plan.recognition_groups["audio_0"] == ["cochcnn9_adversarial"]
    assert plan.recognition_groups["audio_1"] == make_plan(settings).recognition_groups["audio_1"]


def test_weights_that_cannot_be_retrieved(settings, tmp_path):
    plan = plan_without(settings, tmp_path, failed("retrieve_collection", "weights", "efficientnet_lite0"))
    assert "efficientnet_lite0" not in {*plan.generation_models, *plan.recognition_models, *plan.analyses.used_models}
    assert plan.beyond.sets == {}  # its metamers from other starts are compared with those of another model


def test_a_recognition_model_that_fails_still_generates(settings, tmp_path):
    job = failed("recognize", "efficientnet_lite1", "vision_0", recognition_model="efficientnet_lite0")
    plan = plan_without(settings, tmp_path, job)
    assert plan.recognition_groups["vision_0"] == ["efficientnet_lite1"]
    assert "efficientnet_lite0" in plan.generation_models


def test_without_a_recognition_model_of_a_modality_there_are_no_metamers_of_it(settings, tmp_path):
    models = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
    plan = plan_without(
        settings, tmp_path, *(failed("recognize", "m", "vision_0", recognition_model=name) for name in models)
    )
    assert set(plan.generation_models) == {"cochcnn9_standard", "cochcnn9_adversarial"}


def test_a_stimulus_that_cannot_be_read_leaves_the_other_batches_as_they_are(settings, tmp_path):
    whole = make_plan(settings)
    missing = whole.stimuli_of("efficientnet_lite0")[2]
    subject = {"dataset": "imagenet_photographs", "stimuli": [missing]}
    plan = plan_without(settings, tmp_path, failed("synthesize_metamers", "efficientnet_lite0", **subject))
    before, after = whole.batches["efficientnet_lite0"], plan.batches["efficientnet_lite0"]
    assert after == before | {"0001": [name for name in before["0001"] if name != missing]}
    assert missing not in plan.stimuli_of("efficientnet_lite0")
    assert plan.batches["cochcnn9_standard"] == whole.batches["cochcnn9_standard"]
    assert plan.unusable_stimuli("imagenet_photographs") == [missing]
    assert plan.unusable_stimuli("spoken_words") == []


def test_a_stimulus_of_another_dataset_with_the_same_name_stays(settings, tmp_path):
    whole = make_plan(settings)
    subject = {"dataset": "spoken_words", "stimuli": whole.stimuli_of("efficientnet_lite0")[:1]}
    plan = plan_without(settings, tmp_path, failed("stimuli_export", "spoken_words", **subject))
    assert plan.batches == whole.batches


def test_training_examples_take_the_models_with_them_that_are_trained_on_them(settings, tmp_path):
    models = read_yaml(settings["registry"]["models"])
    settings["models"] = {"untrained": models["cochcnn9_standard"] | {"weights": {"random": 0}}}
    settings["recognition_models"].append("untrained")
    settings["stimuli"]["audio"] = {"dataset": "spoken_words", "number": 4}
    plan = plan_without(settings, tmp_path, failed("train_examples", "spoken_words"))
    assert {name for name in plan.dataset_of if plan.models[name].modality == "audio"} == {"untrained"}


def test_a_dataset_takes_its_modality_with_it_and_that_of_the_null_distribution_the_metamers(settings, tmp_path):
    plan = plan_without(settings, tmp_path, failed("stimuli_datasets", "spoken_words"))
    assert {plan.models[name].modality for name in plan.dataset_of} == {"vision"}
    settings["null"]["dataset"]["vision"] = "imagenet_photographs_16"
    plan = plan_without(settings, tmp_path, failed("stimuli_datasets", "imagenet_photographs_16"))
    assert {plan.models[name].modality for name in plan.generation_models} == {"audio"}
    assert plan.recognition_models == settings["recognition_models"]


def test_an_archive_takes_its_models_and_datasets_with_it(settings, tmp_path):
    settings["recognition_models"] += ["alexnet", "alexnet_l2_3_robust"]
    plan = plan_without(settings, tmp_path, failed("retrieve_archive", "visual_checkpoints.tar"))
    assert plan.recognition_models == [*settings["recognition_models"][:-1]]
    settings["null"]["dataset"]["vision"] = "imagenet_400"
    plan = plan_without(settings, tmp_path, failed("retrieve_archive", "assets.tar"))
    assert {plan.models[name].modality for name in plan.generation_models} == {"audio"}


@pytest.fixture
def with_participants(settings, tmp_path):
    """Participants who judged images in the experiment of the run."""
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "one.csv").write_text("")
    settings["own_participants"] = {"people": {"modality": "vision", "answers": str(tmp_path / "answers")}}
    return settings


@pytest.mark.parametrize(
    ("job", "kept"),
    [
        (failed("null_distribution", "efficientnet_lite0"), False),
        (failed("synthesize_metamers", "efficientnet_lite0", "block_1", "0000"), False),
        (failed("recognize", "x", "vision_0", recognition_model="efficientnet_lite0"), False),
        (failed("humans_own_participants", "people"), False),
        (failed("null_distribution", "efficientnet_lite1"), True),
        (failed("null_distribution", "cochcnn9_standard"), True),
    ],
)
def test_participants_stay_as_long_as_their_experiment_is_the_same(with_participants, tmp_path, job, kept):
    whole = make_plan(with_participants)
    plan = plan_without(with_participants, tmp_path, job)
    if kept:
        assert plan.own_participants == whole.own_participants
        assert plan.experiment_stages["vision"] == whole.experiment_stages["vision"]
    else:
        assert plan.own_participants == {}
        dependent = dependent_on(plan.left_out, plan.whole, plan)
        assert job.step.startswith("humans") or any(line.endswith(" people") for line in dependent)


def test_an_experiment_that_names_a_failed_recognition_model_is_not_presented(settings, tmp_path):
    settings["experiment"]["generation_models"] = ["efficientnet_lite0"]
    job = failed("recognize", "x", "vision_0", recognition_model="efficientnet_lite0")
    assert "efficientnet_lite0" not in plan_without(settings, tmp_path, job).experiment_stages.get("vision", {})


def test_extensions_that_need_another_recognition_model_are_left_out(settings, tmp_path):
    settings["beyond"]["models"] = ["efficientnet_lite0", "efficientnet_lite1"]
    settings["beyond"]["starts"]["kinds"] = ["stimulus"]
    assert make_plan(settings).beyond.sets
    job = failed("recognize", "x", "vision_0", recognition_model="efficientnet_lite2")
    plan = plan_without(settings, tmp_path, job)
    assert not plan.beyond.asked_for
    assert TITLES[EXTENSIONS] in dependent_on(plan.left_out, plan.whole, plan)


def test_what_depends_on_a_failed_model_is_said(settings, tmp_path):
    plan = plan_without(settings, tmp_path, failed("train_model", "cochcnn9_standard"))
    (line,) = dependent_on(plan.left_out, plan.whole, plan)
    assert re.search(r"\bcochcnn9_adversarial .*\bcochcnn9_standard$", line)


def test_all_models_can_be_left_out(settings, tmp_path):
    jobs = (failed("null_distribution", name) for name in make_plan(settings).generation_models)
    assert plan_without(settings, tmp_path, *jobs).generation_models == {}


@pytest.mark.parametrize(
    ("analysis", "step"),
    [("vulnerability", "vulnerability"), ("brain", "brain_regression"), ("similarity", "brain_dissimilarity")],
)
def test_an_analysis_goes_on_without_a_model(settings, tmp_path, analysis, step):
    whole = getattr(make_plan(settings).analyses, analysis)
    plan = plan_without(settings, tmp_path, failed(step, "cochcnn9_adversarial"))
    left = getattr(plan.analyses, analysis)
    assert left.models == [name for name in whole.models if name != "cochcnn9_adversarial"]
    assert "cochcnn9_adversarial" in plan.generation_models


def test_the_extensions_are_left_out_as_a_whole(settings, tmp_path):
    plan = plan_without(settings, tmp_path, failed("beyond_measure", "starts_first"))
    assert not plan.beyond.asked_for


def test_an_analysis_of_all_models_is_left_out_as_a_whole(settings, tmp_path):
    plan = plan_without(settings, tmp_path, failed("brain_similarity", "vision"))
    assert plan.analyses.similarity.models == []
    assert plan.left_out[0].title == WHOLE[SIMILARITY]


def test_each_is_left_out_once_with_its_first_reason():
    jobs = [failed("synthesize_metamers", "model", "stage", batch) for batch in ("0000", "0001")]
    first = with_failed((), jobs[:1], "snakemake report")
    assert with_failed(first, jobs[1:], "snakemake") == first


def test_a_job_without_which_there_is_no_report_leaves_nothing_out():
    assert with_failed((), [failed("report_pages"), failed("compare_recognizability")], "snakemake") == ()


# Steps without which there is no report, and those of other targets.
WITHOUT_PARTS = {
    *("null", "humans", "compare", "leaderboard", "power"),
    *("paper", "crate", "verify", "experiment", "brainscore"),
}
WITHOUT_STEPS = {
    *("retrieve_collection", "retrieve_jspsych", "recognize", "recognize_natural", "model_card"),
    *("preregister", "preregister_score", "humans_participants", "humans_summary", "humans_bids"),
    *(
        f"report_{name}"
        for name in ("assets", "beyond", "contrasts", "error_consistency", "humans_vs_models", "leaderboard")
    ),
    *(
        f"report_{name}"
        for name in ("leaderboard_site", "metamer_sets", "pages", "picture", "preregistered", "sensitivity")
    ),
}


def test_every_step_is_left_out_with_something_or_is_one_without_which_there_is_no_report(root):
    scripts = root / "scripts"
    steps = {"_".join(path.relative_to(scripts).with_suffix("").parts) for path in scripts.rglob("*.py")}
    assert KINDS.keys() <= steps
    assert set(KINDS.values()) <= TITLES.keys()
    others = {step for step in steps - KINDS.keys() if not step.startswith("beyond")}
    assert {step for step in others - WITHOUT_STEPS if step.split("_")[0] not in WITHOUT_PARTS} == set()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--cores", "2", "report"], ["--cores", "2", "report", "--nolock", "--config", "OPTIONS"]),
        (["--cores", "2", "--", "report"], ["--cores", "2", "--nolock", "--config", "OPTIONS", "--", "report"]),
    ],
)
def test_a_further_call_has_the_configuration_of_the_first(arguments, expected):
    values = ["cuda_graphs=True", "mirror=", "seed=3", "text=it's 'so', yes"]
    first = parse_config([*values, "experiment={'participants': 4}", "names=[1, b]"])
    words = with_options(arguments, first, left_out="/a folder/é😀.json")
    begin = words.index("--config") + 1
    end = words.index("--") if "--" in words else len(words)
    assert parse_config(words[begin:end]) == {**first, "left_out": "/a folder/é😀.json"}
    assert [*words[:begin], "OPTIONS", *words[end:]] == expected


def test_the_command_has_no_folders_of_this_machine():
    call = ["/home/me/.venv/bin/snakemake", "--cores", "2", "--configfile", "/home/me/mine/run.yaml", "my file"]
    assert command_line(call) == "snakemake --cores 2 --configfile '…/run.yaml' 'my file'"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("[", r"left_out\.json .*\bnull\b"),
        ('[{"kind": "model"}]', "'names'"),
        (("person", ("x",)), "'person'.* model, "),
        (("stage", ("x",)), r"\bstage .*\['x'\].* 2\b"),
        (("model", (["x"],)), r"\bmodel .*\[\['x'\]\].* 1\b"),
    ],
)
def test_another_file_is_refused(settings, tmp_path, content, message):
    path = tmp_path / "left_out.json"
    if isinstance(content, tuple):
        content = json.dumps([vars(LeftOut(*content, "step", "reason", "log", "snakemake"))])
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"^left_out: .*{message}"):
        make_plan(settings | {"left_out": str(path)})
