"""What the experiment presents follows from its settings, and what it lacks is known before the first job."""

import re

import pytest

from metamers.config import read as config_read
from metamers.experiment.settings import PRESENTATIONS, Practice, Trials, missing_stimuli
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults
from tests.configurations import ADAPTIVE, change, check_refused, practice


def test_a_participant_needs_as_many_correct_trials_as_the_experiment_s_parts_say(settings):
    required = config.make_plan(settings).settings.experiment.trials_required
    assert required("vision") == {"headphones": 0, "practice": 7, "catch": 15}
    assert required("audio") == {"headphones": 5, "practice": 5, "catch": 15}


def test_people_are_shown_the_first_model_of_each_modality_at_stages_from_first_to_last(settings):
    assert config.make_plan(settings).experiment_stages == {
        "vision": {"efficientnet_lite0": ["block_1", "logits"]},
        "audio": {"cochcnn9_standard": ["cochleagram", "relu3", "final"]},
    }
    chosen = ["cochcnn9_adversarial", "cochresnet50_standard"]
    named = settings | {"experiment": settings["experiment"] | {"generation_models": chosen}}
    assert list(config.make_plan(named).experiment_stages["audio"]) == chosen


def test_a_run_that_no_model_of_its_own_judges_shows_people_nothing(settings):
    others = ["efficientnet_lite1", "efficientnet_lite2", "cochcnn9_random", "spectemp"]
    only = {"generation_models": ["efficientnet_lite0", "cochcnn9_standard"], "recognition_models": others}
    only["comparison"] = settings["comparison"] | {"contrasts": []}
    assert config.make_plan(settings | only).experiment_stages == {}


def test_the_whole_study_s_practice_is_that_of_its_pages(root):
    study = merge_defaults(config_read.read_yaml(root / "config" / "paper.yaml"))["experiment"]
    assert study["vision"]["practice"] == practice(12, feedback=16, metamers=7, at_least=7)
    assert study["audio"]["practice"] == practice(12, feedback=10, metamers=10, at_least=5)


def test_answers_of_an_adaptive_experiment_go_to_its_own_server(settings):
    elsewhere = settings["experiment"] | {"adaptive": ADAPTIVE | {"question": "threshold"}, "address": "/answers"}
    with pytest.raises(ConfigurationError, match=r"^experiment\.address: .*null"):
        config.make_plan(settings | {"experiment": elsewhere})


def test_a_model_of_an_adaptive_experiment_is_shown_at_two_stages_at_least(settings):
    few = settings["experiment"] | {"adaptive": ADAPTIVE | {"question": "threshold"}}
    few["vision"] = few["vision"] | {"stages": 1}
    with pytest.raises(ConfigurationError, match=r"\b1\b.*\b2\b.*experiment\.vision\.stages"):
        config.make_plan(settings | {"experiment": few})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("experiment.generation_models", ["resnet"], r"experiment\.generation_models\.0: .*'resnet'"),
        (
            "experiment.consent",
            "docs/pictures/metamers.png",
            r"experiment\.consent: docs/pictures/metamers\.png .*UTF-8 .*byte 0",
        ),
        ("experiment.consent", "no.html", r"experiment\.consent: .*no\.html"),
        ("experiment.icons", "no", r"experiment\.icons: .* no; "),
        ("experiment.vision.practice", practice(2, at_least=3), r"vision\.practice\.at_least: 3 of 2 trials"),
        ("experiment.audio.headphones", {"trials": 0, "at_least": 1}, r"audio\.headphones\.at_least: 1 of 0 trials"),
        ("experiment.address", "http://elsewhere.example/", r"experiment\.address: .*elsewhere\.example"),
        ("experiment.address", "//elsewhere.example/", r"experiment\.address: .*elsewhere\.example"),
        ("experiment.vision.image_ms", -1, r"experiment\.vision\.image_ms: -1 "),
        ("experiment.audio.practice", practice(2, metamers=3), r"audio\.practice\.metamers: 3 of 2 trials"),
        ("experiment.adaptive", ADAPTIVE, r"adaptive\.question: 'difference' .* 2 .*'vision' .* 1"),
        (
            "experiment.adaptive",
            ADAPTIVE | {"question": "threshold", "interval": None},
            r"adaptive: .*interval.*bayes_factor.*null",
        ),
        (
            "experiment.adaptive",
            ADAPTIVE | {"question": "threshold", "bayes_factor": 3},
            r"adaptive\.bayes_factor: .*'difference'.*null",
        ),
        (
            "experiment.adaptive",
            ADAPTIVE | {"question": "threshold", "interval": 1.2},
            r"adaptive\.interval: .*1\.2.* 1 .*'threshold'",
        ),
        ("experiment.adaptive", ADAPTIVE | {"bayes_factor": 1}, r"experiment\.adaptive"),
        ("experiment.adaptive", ADAPTIVE | {"question": "which"}, r"experiment\.adaptive"),
        ("experiment.adaptive", ADAPTIVE | {"interval": 0}, r"experiment\.adaptive"),
    ],
)
def test_a_wrong_experiment_is_named(settings, path, value, message):
    check_refused(settings, change(path, value), message)


def test_a_model_that_does_not_judge_itself_cannot_be_set_against_people(settings):
    settings["recognition_models"].remove("cochcnn9_standard")
    settings["experiment"]["generation_models"] = ["cochcnn9_standard"]
    with pytest.raises(ConfigurationError, match=r"generation_models\.0: .*recognition_models"):
        config.make_plan(settings)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("stimuli.vision.number", 2), r"^experiment\.vision: .*2 stimuli.*stimuli\.vision\.number"),
        (change("experiment.vision.practice", practice(40)), r"^experiment\.vision: .*\b4\d\b.*\b40\b"),
        (change("experiment.icons", "experiment/icons"), r"^experiment\.icons: experiment/icons\b.*bald eagle\.svg.*bald eagle\.png.*goose"),
    ],
)  # fmt: skip
def test_what_the_experiment_lacks_is_known_before_the_first_job(settings, changed, message):
    changed(settings)
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(settings).check_target("experiment/vision")


def test_sounds_without_metamers_serve_for_practice_and_catch_trials():
    changed = {"practice": Practice(**practice(2, feedback=1, metamers=1)), "catch": Trials(trials=2, at_least=0)}
    sounds, images = (PRESENTATIONS[modality].model_copy(update=changed) for modality in ("audio", "vision"))
    stages = {"a": ["x", "y"]}  # with the natural stimuli, three conditions
    assert missing_stimuli("audio", sounds, stages, 8, 4) is None
    assert re.search(r"\b3\b.*\b4\b", missing_stimuli("audio", sounds, stages, 9, 3))
    assert re.search(r"\b7\b.*\b8\b", missing_stimuli("audio", sounds, stages, 7, 7))
    assert missing_stimuli("vision", images, stages, 6, 4) is None  # a catch trial shows a category's name
