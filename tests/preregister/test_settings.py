"""The path of a frozen prediction is checked before the first job, and one that exists makes the target unavailable."""

import pytest

from metamers.names import ConfigurationError
from metamers.plan.plan import make_plan
from metamers.plan.steps import merge_defaults
from metamers.plan.targets import check_targets
from metamers.preregister.settings import check_frozen_folder

MODELS = {"generation_models": ["efficientnet_lite0"], "recognition_models": ["efficientnet_lite0"]}


@pytest.fixture
def settings(root, monkeypatch):
    monkeypatch.chdir(root)
    found = merge_defaults(MODELS)
    found["comparison"]["contrasts"] = []
    return found


def changed(settings, **values):
    return settings | {"preregistration": settings["preregistration"] | values}


def test_the_default_file_has_the_name_of_the_run(settings):
    assert make_plan(settings).settings.preregistration.file_of("demo") == "preregistered/demo.nc"
    assert make_plan(settings | {"run": "mine"}).settings.preregistration.file_of("mine") == "preregistered/mine.nc"
    plan = make_plan(changed(settings, file="elsewhere/first.nc", participants=30))
    assert plan.settings.preregistration.file == "elsewhere/first.nc"
    assert plan.settings.preregistration.expected == {"participants": 30, "trials": 10}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"file": "results/demo/frozen.nc"},
            r"preregistration\.file: 'results/demo/frozen\.nc' .*results/",
        ),
        ({"file": "./results/../results/x.nc"}, r"preregistration\.file: '\./results/\.\./results/x\.nc' "),
        ({"file": "frozen.txt"}, r"preregistration\.file: 'frozen\.txt'.*\.nc\b"),
        ({"file": ""}, r"preregistration\.file"),
        ({"participants": 1}, r"preregistration\.participants: 1 .*\b2 \w+ 10000"),
        ({"trials": 0}, r"preregistration\.trials: 0 .*\b1 \w+ 1000"),
        ({"trial": 5}, "preregistration: .*'trial'"),
        ({"file": "{run}.nc"}, r"preregistration\.file: '\{run\}\.nc' .*'\{'"),
        ({"file": "a}.nc"}, r"preregistration\.file: 'a\}\.nc' .*'\}'"),
        ({"file": "<run>.nc"}, r"preregistration\.file: '<run>\.nc' .*'<'"),
        ({"file": "a>.nc"}, r"preregistration\.file: 'a>\.nc' .*'>'"),
        ({"file": "~/frozen.nc"}, r"preregistration\.file: '~/frozen\.nc' .*'~'"),
        ({"file": "s3://bucket/frozen.nc"}, r"preregistration\.file: 's3.*' .*'://'"),
        ({"file": "a\nb.nc"}, r"preregistration\.file: .* '\\n'"),
        ({"file": "a\0b.nc"}, r"preregistration\.file: .* '\\x00'"),
        (
            {"participants": 1000, "trials": 101},
            r"preregistration: .*\b1000 × 101 = 101000\b.*\b100000\b",
        ),
    ],
)
def test_a_wrong_value_is_named_with_valid_ones(settings, values, message):
    with pytest.raises(ConfigurationError, match=message):
        make_plan(changed(settings, **values))


def test_many_expected_answers_are_allowed(settings):
    assert make_plan(changed(settings, participants=1000, trials=100)).settings.preregistration.participants == 1000


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_folder_or_dangling_link_is_not_called_a_prediction(settings, tmp_path, kind):
    path = tmp_path / "x.nc"
    path.mkdir() if kind == "folder" else path.symlink_to(tmp_path / "gone.nc")
    wanted = {
        "folder": r"preregistration\.file: .*x\.nc .*folder",
        "link": r"preregistration\.file: .*x\.nc .*gone\.nc",
    }
    with pytest.raises(ConfigurationError, match=wanted[kind]):
        check_targets(make_plan(changed(settings, file=str(path))), ["preregister"], ["preregister", "all"])


def test_the_place_of_the_prediction_is_written_to_before_the_first_job_and_left_as_it_is(tmp_path):
    check_frozen_folder(tmp_path / "new" / "newer" / "x.nc")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"^preregistration\.file: .*x\.nc "):
        check_frozen_folder(tmp_path / "file" / "x.nc")


def test_a_prediction_that_exists_can_be_used_but_not_frozen_again(settings, tmp_path):
    path = tmp_path / "frozen.nc"
    check_targets(make_plan(changed(settings, file=str(path))), ["preregister"], ["preregister", "all"])
    path.write_bytes(b"frozen")
    plan = make_plan(changed(settings, file=str(path)))
    check_targets(plan, ["all"], ["preregister", "all"])
    with pytest.raises(ConfigurationError, match=r"^preregistration\.file: .*frozen\.nc "):
        check_targets(plan, ["preregister"], ["preregister", "all"])


def test_without_metamers_nothing_can_be_frozen(settings):
    plan = make_plan(settings | {"generation_models": [], "beyond": settings["beyond"] | {"models": []}})
    with pytest.raises(ConfigurationError, match="generation_models: "):
        check_targets(plan, ["preregister"], ["preregister", "all"])


def test_with_own_participants_a_prediction_is_frozen_alone(settings, tmp_path):
    people = {"mine": {"modality": "vision", "answers": str(tmp_path)}}
    plan = make_plan(settings | {"own_participants": people})
    check_targets(plan, ["preregister"], ["preregister", "report"])
    with pytest.raises(ConfigurationError, match=r"^preregister: .*report"):
        check_targets(plan, ["preregister", "report"], ["preregister", "report"])
    check_targets(make_plan(settings), ["preregister", "report"], ["preregister", "report"])
