"""The path of a frozen prediction is checked before the first job, and one that exists makes the target unavailable."""

import pytest
import yaml

from metamers.config.plan import make_plan
from metamers.config.targets import check_targets
from metamers.names import ConfigurationError

MODELS = {"generation_models": ["efficientnet_lite0"], "recognition_models": ["efficientnet_lite0"]}


@pytest.fixture
def settings(root, monkeypatch):
    monkeypatch.chdir(root)
    found = yaml.safe_load((root / "config" / "config.yaml").read_text()) | MODELS
    found["comparison"]["contrasts"] = []
    return found


def changed(settings, **values):
    return settings | {"preregistration": settings["preregistration"] | values}


def test_the_default_file_has_the_name_of_the_run(settings):
    assert make_plan(settings).preregistration.file == "preregistered/demo.nc"
    assert make_plan(settings | {"run": "mine"}).preregistration.file == "preregistered/mine.nc"
    plan = make_plan(changed(settings, file="elsewhere/first.nc", participants=30))
    assert plan.preregistration.file == "elsewhere/first.nc"
    assert plan.preregistration.expected == {"participants": 30, "trials": 10}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"file": "results/demo/frozen.nc"},
            r"preregistration\.file: 'results/demo/frozen\.nc' is in results/.*outside",
        ),
        ({"file": "./results/../results/x.nc"}, r"preregistration\.file: .* is in results/"),
        ({"file": "frozen.txt"}, r"preregistration\.file: 'frozen\.txt'; wanted the path of a file that ends in \.nc"),
        ({"file": ""}, r"preregistration\.file"),
        ({"participants": 1}, r"preregistration\.participants: .*from 2 to 10000"),
        ({"trials": 0}, r"preregistration\.trials: .*from 1 to 1000"),
        ({"trial": 5}, r"trial"),
    ],
)
def test_a_wrong_value_is_named_with_valid_ones(settings, values, message):
    with pytest.raises(ConfigurationError, match=message):
        make_plan(changed(settings, **values))


def test_a_folder_with_the_name_of_the_file_is_refused(settings, tmp_path):
    (tmp_path / "folder.nc").mkdir()
    with pytest.raises(ConfigurationError, match="wanted the path of a file"):
        make_plan(changed(settings, file=str(tmp_path / "folder.nc")))


def test_a_prediction_that_exists_can_be_used_but_not_frozen_again(settings, tmp_path):
    path = tmp_path / "frozen.nc"
    check_targets(make_plan(changed(settings, file=str(path))), ["preregister"], ["preregister", "all"])
    path.write_bytes(b"frozen")
    plan = make_plan(changed(settings, file=str(path)))
    check_targets(plan, ["all"], ["preregister", "all"])
    with pytest.raises(ConfigurationError, match=r"frozen\.nc exists, and .* never overwritten.*name another file"):
        check_targets(plan, ["preregister"], ["preregister", "all"])


def test_without_metamers_nothing_can_be_frozen(settings):
    plan = make_plan(settings | {"generation_models": [], "beyond": settings["beyond"] | {"models": []}})
    with pytest.raises(ConfigurationError, match="generation_models: there are no metamers to predict"):
        check_targets(plan, ["preregister"], ["preregister", "all"])


def test_with_own_participants_a_prediction_is_frozen_alone(settings, tmp_path):
    people = {"mine": {"modality": "vision", "answers": str(tmp_path)}}
    plan = make_plan(settings | {"own_participants": people})
    check_targets(plan, ["preregister"], ["preregister", "report"])
    with pytest.raises(ConfigurationError, match="requested together with report"):
        check_targets(plan, ["preregister", "report"], ["preregister", "report"])
    check_targets(make_plan(settings), ["preregister", "report"], ["preregister", "report"])
