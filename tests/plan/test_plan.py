"""Whatever is wrong in a configuration is said before a job starts: the key, what was found, what would do."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from metamers import names
from metamers.config import read as config_read
from metamers.config import tables
from metamers.humans import settings as plan_participants
from metamers.match import MEASURES, NULL_MEASURES
from metamers.modalities import MODALITIES
from metamers.names import ConfigurationError
from metamers.plan import command_line
from metamers.plan import plan as config
from metamers.plan import targets as plan_targets
from metamers.plan.retrieved import collections
from metamers.plan.steps import configuration_schema, declared_files, merge_defaults, read_settings
from metamers.synthesize.optimizers import OPTIMIZERS
from metamers.synthesize.qualities import QUALITIES
from tests.shown import practice

BRAINSCORE = {"brainscore", "brainscore_score"}


@pytest.fixture(autouse=True)
def _in_the_repository(root, monkeypatch):
    monkeypatch.chdir(root)


@pytest.fixture
def default(root):
    return merge_defaults({})


@pytest.fixture
def settings(default):
    """The default run's, with more models and all stages of most, and a known number of steps."""
    default["synthesis"]["quality"] = "quick"
    default["generation_models"] = [
        *("efficientnet_lite0", "efficientnet_lite1", "cochcnn9_standard", "cochcnn9_adversarial", "cochcnn9_random"),
        {"model": "cochresnet50_standard", "stages": ["cochleagram", "layer2", "final"]},
        {"model": "spectemp", "stages": ["cochleagram", "spectempfilter_power", "avgpool"]},
    ]
    default["recognition_models"] += ["cochcnn9_random", "spectemp"]
    default["comparison"]["contrasts"].append(["cochcnn9_random", "cochcnn9_standard"])
    return default


def with_registry(settings, tmp_path, which, change):
    """The settings with one registry changed by ``change``."""
    entries = config_read.read_yaml(settings["registry"][which])
    change(entries)
    path = tmp_path / f"{which}.yaml"
    path.write_text(yaml.safe_dump(entries, sort_keys=False))
    return settings | {"registry": settings["registry"] | {which: str(path)}}


def change(path, value):
    """A change of one key, as a function of the settings."""
    *folders, last = path.split(".")

    def apply(settings):
        place = settings
        for folder in folders:
            place = place[folder]
        place[last] = value

    return apply


def test_the_default_configuration_resolves(settings):
    plan = config.make_plan(settings)
    assert {"efficientnet_lite0", "cochcnn9_standard", "spectemp"} <= plan.generation_models.keys()
    assert plan.generation_models["efficientnet_lite0"][0] == "input"
    assert len(plan.stimuli["imagenet_photographs"]) == settings["stimuli"]["vision"]["number"]
    words = [row["category"] for row in plan.stimuli["spoken_words"]]
    assert len(set(words)) == settings["stimuli"]["audio"]["number"], "every word once before any comes again"
    assert all(row["split"] == "test" for row in plan.stimuli["spoken_words"])
    training = plan.training["cochcnn9_adversarial"]
    assert training.perturbation["kind"] == "adversarial"
    assert training.parameters["batch_size"] == training.batch_size == 32


def test_jobs_take_the_settings_as_the_configuration_has_them(settings):
    plan = config.make_plan(settings)
    assert plan.settings.comparison.power.parameters == settings["comparison"]["power"]
    assert plan.settings.training.attack.parameters == settings["training"]["attack"]
    assert plan.settings.synthesis.of_modality == settings["synthesis"]["quick"]
    assert plan.synthesis_of("spectemp", "published") == settings["synthesis"]["published"]["audio"]
    assert plan.settings.synthesis.procedure == "one_cycle"
    change("synthesis.quality", "standard")(settings)
    standard = config.make_plan(settings)
    assert standard.synthesis.of_modality == settings["synthesis"]["standard"]
    assert standard.synthesis.procedure == "one_cycle"
    assert plan.settings.experiment.presentation == {key: settings["experiment"][key] for key in ("vision", "audio")}


def test_a_participant_needs_as_many_correct_trials_as_the_experiment_s_parts_say(settings):
    required = config.make_plan(settings).experiment.trials_required
    assert required("vision") == {"headphones": 0, "practice": 7, "catch": 15}
    assert required("audio") == {"headphones": 5, "practice": 5, "catch": 15}


def test_every_stimulus_and_recognition_model_is_in_one_job(settings):
    changed = {"synthesis": settings["synthesis"] | {"batch_size": 4}, "recognition": {"models_per_job": 2}}
    plan = config.make_plan(settings | changed)

    def joined(groups):
        return [name for group in groups.values() for name in group]

    for model in plan.generation_models:
        assert joined(plan.batches[model]) == plan.stimuli_of(model)
        assert max(map(len, plan.batches[model].values())) == 4
    assert list(plan.batches["spectemp"]) == ["0000", "0001"]
    assert {name: len(group) for name, group in plan.recognition_groups.items()} == {
        **{"vision_0": 2, "vision_1": 1},
        **{"audio_0": 2, "audio_1": 2, "audio_2": 1},
    }
    assert sorted(joined(plan.recognition_groups)) == sorted(plan.recognition_models)


@pytest.mark.parametrize(("quality", "device", "size"), [("published", "auto", 12), ("published", "cuda", 100)])
def test_a_job_has_the_stimuli_of_its_device(settings, quality, device, size):
    changed = {"synthesis": settings["synthesis"] | {"quality": quality, "batch_size": "auto"}, "device": device}
    plan = config.make_plan(settings | changed)
    for model in plan.generation_models:
        names = plan.stimuli_of(model)
        assert next(iter(plan.batches[model].values())) == names[:size]


def test_a_model_s_metamers_are_recognized_by_the_models_of_its_modality(settings):
    plan = config.make_plan(settings)
    assert plan.recognition_models_of("efficientnet_lite0") == [f"efficientnet_lite{number}" for number in range(3)]
    assert plan.other_recognition_models("efficientnet_lite0") == ["efficientnet_lite1", "efficientnet_lite2"]


def test_people_are_shown_the_first_model_of_each_modality_at_stages_from_first_to_last(settings):
    assert config.make_plan(settings).experiment_stages == {
        "vision": {"efficientnet_lite0": ["block_1", "logits"]},
        "audio": {"cochcnn9_standard": ["cochleagram", "relu3", "final"]},
    }
    chosen = ["cochcnn9_adversarial", "cochresnet50_standard"]
    named = settings | {"experiment": settings["experiment"] | {"generation_models": chosen}}
    assert list(config.make_plan(named).experiment_stages["audio"]) == chosen


def test_a_run_that_no_model_of_its_own_judges_shows_people_nothing(settings):
    judges = ["efficientnet_lite1", "efficientnet_lite2", "cochcnn9_random", "spectemp"]
    only = {"generation_models": ["efficientnet_lite0", "cochcnn9_standard"], "recognition_models": judges}
    only["comparison"] = settings["comparison"] | {"contrasts": []}
    assert config.make_plan(settings | only).experiment_stages == {}


def test_the_whole_study_s_practice_is_that_of_its_pages(root):
    study = merge_defaults(config_read.read_yaml(root / "config" / "paper.yaml"))["experiment"]
    assert study["vision"]["practice"] == practice(12, feedback=16, metamers=7, at_least=7)
    assert study["audio"]["practice"] == practice(12, feedback=10, metamers=10, at_least=5)


ADAPTIVE = {"question": "difference", "interval": 0.8, "bayes_factor": None, "participants": 4, "trials": None}


def test_participants_of_an_adaptive_experiment_have_no_tests_of_the_fixed_design(settings, tmp_path):
    adaptive = settings | {
        "experiment": settings["experiment"] | {"adaptive": ADAPTIVE | {"question": "threshold"}},
        "own_participants": {"mine": {"modality": "vision", "answers": str(tmp_path)}},
    }
    plan = config.make_plan(adaptive)
    assert plan.own_participants == plan.own_comparisons == plan.own_stage_effects == {}
    assert plan.adaptive_participants["mine"].format == "adaptive"
    assert plan.adaptive_participants["mine"].stages == plan.experiment_stages["vision"]
    plan_targets.check_targets(plan, ["results/demo/humans/adaptive/mine.nc"])
    with pytest.raises(ConfigurationError, match="mine"):
        plan_targets.check_targets(plan, ["results/demo/humans/mine.nc"])
    with pytest.raises(ConfigurationError, match="with own_participants, call `snakemake preregister` alone"):
        plan_targets.check_targets(plan, ["preregister", "humans"])
    for target in BRAINSCORE:
        assert "Groups of adaptive experiments (mine) are not benchmarks" in plan.unavailable[target]
    assert "adaptive" not in config.make_plan(settings).unavailable["brainscore"]


def test_answers_of_an_adaptive_experiment_go_to_its_own_server(settings):
    elsewhere = settings["experiment"] | {"adaptive": ADAPTIVE | {"question": "threshold"}, "address": "/answers"}
    with pytest.raises(
        ConfigurationError, match=r"experiment\.address: only for the fixed design, .*; wanted null with"
    ):
        config.make_plan(settings | {"experiment": elsewhere})


def test_a_model_of_an_adaptive_experiment_is_shown_at_two_stages_at_least(settings):
    few = settings["experiment"] | {"adaptive": ADAPTIVE | {"question": "threshold"}}
    few["vision"] = few["vision"] | {"stages": 1}
    with pytest.raises(
        ConfigurationError, match=r"is shown at 1 stage; wanted at least 2 \(experiment\.vision\.stages\)"
    ):
        config.make_plan(settings | {"experiment": few})


def test_own_participants_are_tested_by_the_run_s_contrasts_and_by_stage(settings, tmp_path):
    (tmp_path / "a.json").write_text("[]")
    (tmp_path / "notes.md").write_text("")
    chosen = ["cochcnn9_adversarial", "cochcnn9_standard", "spectemp"]
    mine = settings | {
        "experiment": settings["experiment"] | {"generation_models": chosen},
        "own_participants": {"mine": {"modality": "audio", "answers": str(tmp_path)}},
    }
    plan = config.make_plan(mine)
    assert plan.own_participants == {
        "mine": plan_participants.OwnParticipants(
            "audio", str(tmp_path), "experiment", plan.experiment_stages["audio"], {}
        )
    }
    assert plan_participants.answer_files("mine", tmp_path) == [str(tmp_path / "a.json")]
    with pytest.raises(
        ConfigurationError, match=r"own_participants\.mine\.answers: there is no file of answers in .*no; wanted"
    ):
        plan_participants.answer_files("mine", tmp_path / "no")
    assert plan.own_comparisons == {
        "mine": {"cochcnn9_adversarial and cochcnn9_standard": ["cochcnn9_adversarial", "cochcnn9_standard"]}
    }
    assert plan.own_stage_effects == {"mine": {model: [] for model in chosen}}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "experiment.generation_models",
            ["resnet"],
            r"experiment\.generation_models\.0: unknown generation model 'resnet'",
        ),
        (
            "experiment.consent",
            "docs/pictures/metamers.png",
            r"experiment\.consent: docs/pictures/metamers\.png is not UTF-8 text \(invalid start byte at byte 0\)",
        ),
        ("experiment.consent", "no.html", r"experiment\.consent: there is no file no\.html; wanted a piece of HTML"),
        ("experiment.icons", "no", r"experiment\.icons: there is no folder no; wanted one with <category>\.svg"),
        ("experiment.vision.practice", practice(2, at_least=3), r"vision\.practice\.at_least: 3 of 2 trials"),
        ("experiment.audio.headphones", {"trials": 0, "at_least": 1}, r"audio\.headphones\.at_least: 1 of 0 trials"),
        (
            "experiment.address",
            "http://elsewhere.example/",
            r"experiment\.address: .* Wanted: an address on the same site",
        ),
        ("experiment.address", "//elsewhere.example/", r"experiment\.address: .* Wanted: an address on the same site"),
        ("experiment.vision.image_ms", -1, r"experiment\.vision\.image_ms: -1 is less than"),
        (
            "own_participants",
            {"visual-1": {"modality": "vision", "answers": "."}},
            r"own_participants\.visual-1: 'visual-1' names a file",
        ),
        (
            "own_participants",
            {"../x": {"modality": "vision", "answers": "."}},
            r"own_participants\.\.\./x: '\.\./x' names a file",
        ),
        (
            "own_participants",
            {"mine": {"modality": "touch", "answers": "."}},
            r"own_participants\.mine\.modality: 'touch' is not one of",
        ),
        ("experiment.audio.practice", practice(2, metamers=3), r"audio\.practice\.metamers: 3 of 2 trials"),
        (
            "experiment.adaptive",
            ADAPTIVE,
            r"adaptive\.question: 'difference' is about 2 generation models, but the experiment of modality 'vision' has 1",
        ),
        (
            "experiment.adaptive",
            ADAPTIVE | {"question": "threshold", "interval": None},
            r"adaptive: interval and bayes_factor are both null, so the experiment would never stop",
        ),
        (
            "experiment.adaptive",
            ADAPTIVE | {"question": "threshold", "bayes_factor": 3},
            r"adaptive\.bayes_factor: only for the question 'difference'; wanted null",
        ),
        (
            "experiment.adaptive",
            ADAPTIVE | {"question": "threshold", "interval": 1.2},
            r"adaptive\.interval: found 1\.2; wanted at most 1 for the question 'threshold'",
        ),
        ("experiment.adaptive", ADAPTIVE | {"bayes_factor": 1}, r"experiment\.adaptive"),
        ("experiment.adaptive", ADAPTIVE | {"question": "which"}, r"experiment\.adaptive"),
        ("experiment.adaptive", ADAPTIVE | {"interval": 0}, r"experiment\.adaptive"),
    ],
)
def test_a_wrong_experiment_or_group_of_own_participants_is_named(settings, path, value, message):
    change(path, value)(settings)
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(settings)


def test_a_model_that_does_not_judge_itself_cannot_be_set_against_people(settings):
    settings["recognition_models"].remove("cochcnn9_standard")
    settings["experiment"]["generation_models"] = ["cochcnn9_standard"]
    with pytest.raises(
        ConfigurationError, match=r"generation_models\.0: .* is not among recognition_models; it must be"
    ):
        config.make_plan(settings)


def without_generation_models(settings):
    """A run whose only results are those of the published models."""
    settings["generation_models"] = []
    settings["comparison"]["contrasts"] = []
    settings["beyond"]["models"] = []


def with_sounds_only(settings):
    """Published participants, but no model of images."""
    settings["human_data"] = "participants"
    settings["generation_models"] = ["cochcnn9_standard", "cochcnn9_adversarial", "cochcnn9_random"]
    settings["recognition_models"] = ["cochcnn9_standard", "spectemp"]
    settings["comparison"]["contrasts"] = []
    settings["beyond"]["models"] = []


def without_extensions(settings):
    settings["beyond"]["models"] = []


def with_input_stages_only(settings):
    stages = [{"model": "efficientnet_lite0", "stages": ["input"]}]
    settings.update(generation_models=stages, recognition_models=["efficientnet_lite0", "efficientnet_lite1"])
    settings["comparison"]["contrasts"] = []


SENSITIVITY = {"depths": [0.5, 1], "stimuli": 2, "iterations": 5, "length": {"vision": 0.1, "audio": 0.02}}


def check_refused(settings, changed, message):
    """A change of a run without contrasts and analyses is refused with this message."""
    settings["comparison"]["contrasts"] = []
    settings["analyses"] = dict.fromkeys(settings["analyses"])
    changed(settings)
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(settings)


METAMER_SETS = {"depths": [0.5, 1], "stimuli": 2, "steps": 20, "tolerance": 0.05, "singular_values": 8}


def test_metamer_sets_are_explored_with_the_explored_model_first(settings):
    settings["beyond"]["metamer_sets"] = METAMER_SETS
    found = config.make_plan(settings).beyond.metamer_sets["vision"]
    assert found.generation_models == ["efficientnet_lite0", "efficientnet_lite1"]
    of_model = found.of_model("efficientnet_lite1")
    assert list(of_model["stages"]) == ["efficientnet_lite1", "efficientnet_lite0", "efficientnet_lite2"]
    assert set(of_model) == {*METAMER_SETS, "stages"}


def test_sensitivities_are_those_of_all_models_of_a_modality_at_relative_depths(settings):
    settings["beyond"]["sensitivity"] = SENSITIVITY | {"depths": [0.5, 0.51, 1]}
    found = config.make_plan(settings).beyond.sensitivity["vision"]
    assert found.generation_models == ["efficientnet_lite0", "efficientnet_lite1"]
    # The third network makes no metamers; it only judges.
    assert list(found.stages) == [*found.generation_models, "efficientnet_lite2"]
    assert found.depths == [0.5, 1]
    assert [stages[-1] for stages in found.stages.values()] == ["logits"] * 3
    assert len(found.stimuli) == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (with_input_stages_only, r"^beyond\.sensitivity: no generation model has a stage after 'input'\."),
        (
            lambda settings: settings.update(recognition_models=[name for name in settings["recognition_models"] if "coch" not in name]),
            r"^beyond\.sensitivity: '.*' has no other recognition model of modality 'audio' to compare with\.",
        ),
        (change("beyond.sensitivity.iterations", 0), r"^configuration: beyond\.sensitivity\.iterations: 0 is less than the minimum of 1\. Wanted: .* from 1 to 10000"),
        (change("beyond.sensitivity.length.audio", 0), r"^configuration: beyond\.sensitivity\.length\.audio: 0 is less than .* Wanted: .* above 0 and up to 1"),
    ],
)  # fmt: skip
def test_sensitivities_that_cannot_be_compared_are_an_error(settings, changed, message):
    settings["beyond"]["sensitivity"] = SENSITIVITY | {"length": dict(SENSITIVITY["length"])}
    check_refused(settings, changed, message)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (with_input_stages_only, r"^beyond\.metamer_sets: no generation model has a stage after 'input'\."),
        (
            lambda settings: settings.update(recognition_models=[name for name in settings["recognition_models"] if "coch" not in name]),
            r"^beyond\.metamer_sets: '.*' has no other recognition model of modality 'audio' .* or set `metamer_sets: null`",
        ),
        (change("beyond.metamer_sets.tolerance", 1), r"^configuration: beyond\.metamer_sets\.tolerance: 1 is .* Wanted: .* from 0\.01 to below 1"),
        (change("beyond.metamer_sets.tolerance", 0.001), r"^configuration: beyond\.metamer_sets\.tolerance: 0\.001 is less .* from 0\.01"),
        (change("stimuli.vision.number", 1), r"^stimuli\.vision\.number: 1, but beyond\.metamer_sets needs at least 2 stimuli\."),
        (change("beyond.metamer_sets.steps", 0), r"^configuration: beyond\.metamer_sets\.steps: 0 is less than .* Wanted: .* from 10 to 100000"),
        (change("beyond.metamer_sets.singular_values", 1.5), r"^configuration: beyond\.metamer_sets\.singular_values: 1\.5 .* Wanted: .* from 1 to 1000"),
    ],
)  # fmt: skip
def test_metamer_sets_that_cannot_be_explored_are_an_error(settings, changed, message):
    settings["beyond"] |= {"models": [], "metamer_sets": dict(METAMER_SETS)}
    check_refused(settings, changed, message)


@pytest.mark.parametrize(
    ("changed", "target", "message"),
    [
        (lambda settings: None, "crate", r"^creator\.name: missing; .* such as creator: {name: NAME, license: CC-BY-4\.0}"),
        (change("creator.name", "A. Person"), "crate", r"^creator\.license: missing;"),
        (lambda settings: None, "brainscore", r"^own_participants: .* Brain-Score\. Set human_data: participants .* such as own_participants:"),
        (change("human_data", "participants"), "brainscore_score", r"^brainscore_score: .* Put those of https://.*/experiment_images into resources/"),
        (with_sounds_only, "brainscore_score", r"^recognition_models: there is no model of images .* Models of the run: cochcnn9_standard, cochcnn9_adv"),
        (lambda settings: None, "leaderboard_entries", r"^creator\.name: missing; .* such as creator: {name: NAME, url: https"),
        (change("creator", {"name": "A", "license": "MIT"}), "leaderboard_entries", r"^creator\.url: missing; .*email or url"),
        (change("creator", {"name": "A<b>", "license": "MIT", "url": "https://a.b"}), "leaderboard_entries", r"^creator\.name: found the character '<'"),
        (change("creator", {"name": "A ", "license": "MIT", "url": "https://a.b"}), "leaderboard_entries", r"^creator\.name: found a space at the beginning or the end"),
        (change("creator", {"name": "A", "license": "M" * 501, "url": "https://a.b"}), "leaderboard_entries", r"^creator\.license: found 501 letters; .* at most 500"),
        (change("creator", {"name": "A", "license": "MIT", "url": "https://a@b.example"}), "leaderboard_entries", r"^creator\.url: found 'https://a@b\.example'; wanted an address"),
        (without_generation_models, "leaderboard_entries", r"^generation_models: there is no model to make an entry"),
        (lambda settings: None, "model_card", r"^model: missing; .* Valid: .*efficientnet_lite0"),
        (with_input_stages_only, "experiment", r"^experiment: there are no metamers to present\. Name, in experiment\."),
        (with_input_stages_only, "experiment/audio", r"^experiment: .* of modality 'audio' .* Available modalities: none"),
        (without_extensions, "beyond", r"^beyond: .* Generation models: efficientnet_lite0, .*; recognition models: eff"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_made_is_an_error_only_if_it_is_requested(settings, changed, target, message):
    changed(settings)
    plan = config.make_plan(settings)
    with pytest.raises(ConfigurationError, match=message):
        plan.check_target(target)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("stimuli.vision.number", 2), r"^experiment\.vision: metamers are made of 2 stimuli; wanted at least \d+, .* a larger stimuli\.vision\.number"),
        (change("experiment.vision.practice", practice(40)), r"^experiment\.vision: \d+ stimuli of split test in the dataset; wanted at least 4\d, .* practice and catch trials take 40"),
        (change("experiment.icons", "experiment/icons"), r"^experiment\.icons: experiment/icons has no bald eagle\.svg or bald eagle\.png; .*also missing: goose"),
    ],
)  # fmt: skip
def test_what_the_experiment_lacks_is_known_before_the_first_job(settings, changed, message):
    changed(settings)
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(settings).check_target("experiment/vision")


def test_sounds_without_metamers_serve_for_practice_and_catch_trials():
    own = {"practice": practice(2, feedback=1, metamers=1), "catch": {"trials": 2}}
    stages = {"a": ["x", "y"]}  # with the natural stimuli, three conditions
    assert plan_participants.missing_stimuli("audio", own, stages, 8, 4) is None
    assert "metamers are made of 3 stimuli; wanted at least 4" in plan_participants.missing_stimuli(
        "audio", own, stages, 9, 3
    )
    assert "7 stimuli of split test in the dataset; wanted at least 8" in plan_participants.missing_stimuli(
        "audio", own, stages, 7, 7
    )
    assert (
        plan_participants.missing_stimuli("vision", own, stages, 6, 4) is None
    )  # a catch trial shows a category's name


def test_the_default_run_can_make_every_target_that_needs_no_model_or_people_of_one_s_own(default):
    lacking = {"bids", "crate", "leaderboard_entries", *BRAINSCORE}
    assert config.make_plan(default).unavailable.keys() == {"model_card", *lacking}
    assert config.make_plan(default | {"model": "spectemp"}).unavailable.keys() == {
        *lacking,
    }


def test_the_default_run_has_every_part_of_the_workflow_in_both_senses(default):
    plan = config.make_plan(default)
    for modality in MODALITIES:
        models = [model for model in plan.generation_models if plan.models[model].modality == modality]
        assert len(models) == 2
        judges = [plan.other_recognition_models(model) for model in models]
        assert all(len(others) == 2 for others in judges)
    # A model of another family than both judges the remedy.
    assert plan.settings.comparison.contrasts == [["cochcnn9_adversarial", "cochcnn9_standard"]]
    assert plan.families["cochresnet50_standard"] not in {
        plan.families[model] for model in plan.settings.comparison.contrasts[0]
    }
    assert {made.part for made in plan.beyond.sets.values()} == {"starts"}


def test_the_run_of_digits_trains_five_networks_in_each_of_three_ways_and_has_judges_of_other_families(root):
    path = root / "config" / "digits.yaml"
    plan = config.make_plan(merge_defaults(config_read.read_yaml(path)), [path])
    kinds = {name: (how.perturbation or {}).get("kind") for name, how in plan.training.items()}
    judges = {"digits_resnet18", "digits_mobilenet"}
    for arm, kind in (("standard", None), ("adversarial", "adversarial"), ("random", "random")):
        alike = plan.retrained(f"digits_{arm}")
        assert alike == [f"digits_{arm}", *(f"digits_{arm}_{number}" for number in range(2, 6))]
        assert {kinds[name] for name in alike} == {kind}
        assert [plan.target_of(name, "final") for name in alike] == [0.02] * 5
    assert len({how.seed for how in plan.training.values()}) == len(plan.training) == 17
    assert set(plan.training) - set(plan.generation_models) == judges
    assert len({plan.models[name].parameters["source"]["metamers"] for name in plan.generation_models}) == 1
    families = [plan.families[name] for name in judges]
    assert len({*families, *(plan.families[name] for name in plan.generation_models)}) == 3
    # Every stage after the input, and every contrast of two of the three ways.
    for name, stages in plan.generation_models.items():
        assert ["input", *stages] == list(plan.models[name].stages)
    assert len(plan.settings.comparison.contrasts) == 3
    # Equally many of each digit, and none that a network was trained on.
    names = plan.stimuli_of("digits_standard")
    assert sorted(name.rpartition("_")[0] for name in names) == sorted(
        10 * [name.rpartition("_")[0] for name in names[:10]]
    )
    assert min(int(name.rpartition("_")[2]) for name in names) == 440


def test_a_model_that_differs_in_more_than_the_seed_of_its_training_is_not_retrained(root):
    path = root / "config" / "digits.yaml"
    settings = merge_defaults(config_read.read_yaml(path))
    settings["models"]["digits_standard_2"]["weights"]["train"]["epochs"] = 11
    settings["models"]["digits_standard_4"]["weights"]["train"]["seed"] = 0  # that of digits_standard
    settings["models"]["digits_standard_3"]["source"] = {
        "metamers": "small_cnn",
        "arguments": {"classes": 10, "channels": [8, 8, 8]},
    }
    plan = config.make_plan(settings, [path])
    assert plan.retrained("digits_standard") == ["digits_standard", "digits_standard_5"]
    assert plan.retrained("digits_standard_4") == ["digits_standard_4", "digits_standard_5"]
    assert plan.retrained("digits_standard_2") == ["digits_standard_2"]


def of_digits(root, **changes):
    path = root / "config" / "digits.yaml"
    return config.make_plan(merge_defaults(config_read.read_yaml(path) | changes), [path])


def test_a_contrast_is_of_all_networks_where_both_sides_have_several_and_another_model_judges(root):
    standard, adversarial = (
        [f"digits_{arm}", *(f"digits_{arm}_{number}" for number in range(2, 6))] for arm in ("standard", "adversarial")
    )
    assert of_digits(root).sides_of_contrasts[0] == (adversarial, standard)
    named = ["digits_standard", "digits_adversarial", "digits_standard_2"]
    assert of_digits(root, recognition_models=named).sides_of_contrasts[0] == (adversarial[:1], standard[:1])
    several = [*adversarial[:1], *standard]
    one_side = of_digits(
        root,
        generation_models=several,
        comparison={"contrasts": [["digits_adversarial", "digits_standard"]]},
        synthesis={},
    )
    assert one_side.sides_of_contrasts == [(adversarial[:1], standard[:1])]
    alike = of_digits(root, comparison={"contrasts": [["digits_standard", "digits_standard_2"]]})
    assert alike.sides_of_contrasts == [(["digits_standard"], ["digits_standard_2"])]


def test_a_network_of_other_stages_does_not_count_with_the_named_one(root):
    stages = [{"model": name, "stages": ["relu0", "final"]} for name in ("digits_standard", "digits_standard_2")]
    other = {"model": "digits_standard_3", "stages": ["final"]}
    plan = of_digits(root, generation_models=[*stages, other], comparison={"contrasts": []}, synthesis={})
    assert plan.retrained("digits_standard") == ["digits_standard", "digits_standard_2"]


def test_two_contrasts_of_the_same_networks_are_refused(root):
    pairs = [["digits_adversarial", "digits_standard"], ["digits_adversarial_2", "digits_standard_3"]]
    with pytest.raises(ConfigurationError, match=r"contrasts\.1: digits_adversarial_2 and digits_standard_3 stand for"):
        of_digits(root, comparison={"contrasts": pairs})


def test_own_targets_of_a_retrained_network_come_before_those_of_the_named_one(root):
    stages = {"digits_standard": {"final": 0.02, "relu0": 0.05}, "digits_standard_2": {"relu0": 0.04}}
    plan = of_digits(root, synthesis={"target": {"stages": stages}})
    assert [plan.target_of("digits_standard_2", stage) for stage in ("relu0", "relu1", "final")] == [0.04, 0.07, 0.02]
    assert plan.target_of("digits_random", "final") == 0.07


def test_the_extended_run_has_more_of_everything_than_the_default_run(root, default):
    given = config_read.read_yaml(root / "config" / "extended.yaml")
    extended, brief = config.make_plan(merge_defaults(given)), config.make_plan(default)
    assert extended.run == "extended"
    assert extended.unavailable.keys() == {
        "model_card",
        "bids",
        "crate",
        "leaderboard_entries",
        *BRAINSCORE,
    }
    for plan in (extended, brief):
        assert set(plan.training) <= set(plan.recognition_models)

    def stages(plan):
        return sum(map(len, plan.generation_models.values()))

    assert stages(extended) > stages(brief)
    assert {made.part for made in extended.beyond.sets.values()} == {"ensemble", "controversial", "starts"}
    assert set(extended.beyond.sensitivity) == set(MODALITIES)
    assert not brief.beyond.sensitivity
    assert set(extended.beyond.metamer_sets) == set(MODALITIES)
    assert not brief.beyond.metamer_sets
    for model in ("cochcnn9_standard", "cochcnn9_adversarial", "cochresnet50_standard"):
        longer = extended.training[f"{model}_long"].parameters
        shorter = brief.training[model].parameters
        assert longer["epochs"] > shorter["epochs"]
        assert longer["seed"] == shorter["seed"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "generation_models",
            ["efficientnet_lite"],
            r"generation_models\.0: unknown model 'efficientnet_lite'\. Did you mean 'efficientnet_lite\d'\? Valid: efficientnet_lite0, ",
        ),
        ("recognition_models", ["resnet"], r"recognition_models\.0: unknown model 'resnet'.*Valid: "),
        (
            "generation_models",
            [{"model": "efficientnet_lite0", "stages": ["block_2"]}],
            r"generation_models\.0\.stages \(efficientnet_lite0\): unknown stage 'block_2'.*Valid: input, block_1, block_3",
        ),
        (
            "generation_models",
            ["efficientnet_lite0"] * 2,
            r"generation_models\.1: model 'efficientnet_lite0' is named twice",
        ),
        (
            "stimuli.vision",
            {"dataset": "imagenet"},
            r"stimuli\.vision\.dataset: unknown dataset 'imagenet'.*Valid: imagenet_photographs",
        ),
        ("stimuli.vision.number", 21, r"stimuli\.vision\.number: 21, but 'imagenet_photographs' has 20 stimuli"),
        ("stimuli.vision.number", 0, r"stimuli\.vision\.number: 0 is less than"),
        (
            "recognition_models",
            [],
            "recognition_models: none of modality 'vision' to judge metamers of 'efficientnet_lite0'",
        ),
        ("stimuli", {}, "stimuli: no dataset for modality 'vision'"),
        (
            "synthesis.quick.vision.optimizer",
            "adan",
            r"synthesis\.quick\.vision\.optimizer: 'adan' is not one of .*adam",
        ),
        ("synthesis.quality", "fast", r"synthesis\.quality: 'fast' is not one of .*quick.*standard.*published"),
        (
            "synthesis.quick.audio.steps",
            -3,
            r"synthesis\.quick\.audio\.steps: -3 is less than .* Wanted: number of steps, from 1",
        ),
        ("synthesis.quick.vision.beta_2", 1, r"synthesis\.quick\.vision\.beta_2: 1 is"),
        ("synthesis.quick.vision.beta_1", 1, r"synthesis\.quick\.vision\.beta_1: 1 is"),
        ("synthesis.quick.audio.low_precision", 2, r"synthesis\.quick\.audio\.low_precision: 2 is"),
        (
            "synthesis.quick.vision.low_precision_format",
            "fp8",
            r"synthesis\.quick\.vision\.low_precision_format: 'fp8' is not one of \['bfloat16', 'tf32'\]",
        ),
        ("synthesis.batch_size", 0, r"synthesis\.batch_size: 0 .*Wanted: .*from 1 to 10000, or auto"),
        ("synthesis.batch_size", "automatic", r"synthesis\.batch_size: 'automatic' .*from 1 to 10000, or auto"),
        ("synthesis.quick.audio.rough_cochleagram", True, r"synthesis\.quick\.audio\.rough_cochleagram: True is"),
        (
            "synthesis.converged.audio.rough_cochleagram",
            0.9,
            r"synthesis\.converged\.audio\.rough_cochleagram: 0\.9 is",
        ),
        ("human_data", "all", r"human_data: 'all' is not one of .* Wanted: summary or participants"),
        ("device", "gpu", r"device: 'gpu' does not match .* Wanted: auto, cpu, mps, cuda or cuda:N"),
        ("run", "../elsewhere", "run: '../elsewhere' names a folder"),
        ("mirror", "/no/such/folder", "mirror: there is no folder /no/such/folder"),
        ("registry.models", "config/none.yaml", "config/none.yaml: there is no such file"),
        ("registry.models", "config", r"config: there is no such file that can be read \(Is a directory\)"),
        (
            "synthesis.quick.vision.learning_rate",
            float("inf"),
            "synthesis: quick: vision: learning_rate: inf is not a finite number",
        ),
        (
            "synthesis.quick",
            {
                "vision": {
                    "optimizer": "adam",
                    "steps": 1,
                    "learning_rate": 1,
                    "beta_1": 0.9,
                    "low_precision": 0,
                    "beta_2": 0.9,
                }
            },
            r"synthesis\.quick\.audio: missing",
        ),
        (
            "synthesis.target.normalized_error.vision",
            1.2,
            r"synthesis\.target\.normalized_error\.vision: 1\.2 .*between 0 and 1",
        ),
        (
            "synthesis.target.stages",
            {"efficientnet_lite0": {"blok_5": 0.1}},
            r"synthesis\.target\.stages\.efficientnet_lite0: unknown stage 'blok_5'.*block_5",
        ),
        (
            "synthesis.target.stages",
            {"efficientnet_lite9": {"block_5": 0.1}},
            r"synthesis\.target\.stages: unknown model 'efficientnet_lite9'",
        ),
        ("acceptance.converged", "no", r"acceptance\.converged: 'no' .*true or false"),
        (
            "comparison.contrasts",
            [["cochcnn9_adversarial", "cochcnn9"]],
            r"comparison\.contrasts\.0: unknown generation model 'cochcnn9'.*Did you mean",
        ),
        ("comparison.contrasts", [["spectemp", "efficientnet_lite0"]], "wanted two models of one modality"),
        (
            "recognition_models",
            ["efficientnet_lite0", "cochcnn9_adversarial", "cochcnn9_standard"],
            r"comparison\.contrasts\.0: no recognition model of modality 'audio' other than the two",
        ),
        ("training.attack.sizes", [float("nan")], "training: attack: sizes: 0: nan is not a finite number"),
        ("training.attack.norm", "l1", r"training\.attack\.norm: 'l1' is not one of"),
        (
            "stimuli.audio.dataset",
            "imagenet_photographs",
            r"stimuli\.audio\.dataset: 'imagenet_photographs' is of modality 'vision'",
        ),
        (
            "null.dataset.vision",
            "imagenet",
            r"null\.dataset\.vision: unknown dataset 'imagenet'.*Valid: imagenet_photo",
        ),
        ("null.dataset.audio", "imagenet_photographs", r"null\.dataset\.audio: .* is of modality 'vision'"),
        ("null.pairs", 0, r"null\.pairs: 0 is less than .* Wanted: number of pairs"),
        ("acceptance.measures", [], r"acceptance\.measures: .* Wanted: the measures of match that must each"),
        (
            "acceptance.measures",
            ["rho"],
            r"acceptance\.measures\.0: 'rho' is not one of .* Wanted: spearman_rho, pearson_r or snr_db",
        ),
        ("people", {}, r"^configuration: people: is now called own_participants$"),
        ("sed", 1, r"^configuration: unknown key 'sed'\. Did you mean 'seed'\? Valid: run, seed, creator, mirror, "),
        ("seed", 2**32, r"seed: 4294967296 is greater than .* Wanted: a whole number from 0 to 4294967295"),
        (
            "synthesis.published.vision.steps",
            10**6 + 1,
            r"vision\.steps: .* Wanted: steps at each step size, from 1 to 1000000",
        ),
        ("synthesis.seeds", 1001, r"synthesis\.seeds: 1001 is greater than .* from 1 to 1000"),
        ("null.pairs", 10**7 + 1, r"null\.pairs: 10000001 is greater than .* from 1 to 10000000"),
        ("comparison.permutations", 10**400, r"comparison\.permutations: 10+ is greater than .* from 100 to 1000000"),
    ],
)
def test_a_wrong_key_is_named_with_what_would_do(settings, path, value, message):
    changed = copy.deepcopy(settings)
    change(path, value)(changed)
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(changed)


def test_a_quality_with_a_target_needs_one_for_each_modality_and_stages_may_have_their_own(settings):
    assert config.make_plan(settings).target_error_of("efficientnet_lite0", "block_5") is None
    change("synthesis.quality", "converged")(settings)
    change("synthesis.target", {"normalized_error": {"vision": 0.1}, "stages": {}})(settings)
    with pytest.raises(
        ConfigurationError,
        match=r"synthesis\.target\.normalized_error\.audio: found no value; wanted the normalized error",
    ):
        config.make_plan(settings)
    of_stages = {"efficientnet_lite0": {"block_5": 0.02}}
    change("synthesis.target", {"normalized_error": {"vision": 0.1, "audio": 0.01}, "stages": of_stages})(settings)
    plan = config.make_plan(settings)
    assert plan.target_error_of("efficientnet_lite0", "block_5") == 0.02
    assert plan.target_error_of("efficientnet_lite0", "block_1") == 0.1
    assert plan.target_error_of("cochcnn9_standard", "relu1") == 0.01


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("efficientnet_lite0.stages", {"block_1": "blocks.0", "input": None}), r"efficientnet_lite0\.stages: the first must be 'input: null'"),
        (change("efficientnet_lite0.stages", {"input": None, "a b": "x", "a/b": "y"}), r"'a b' must name a separate file; 'a_b' is not a valid name, or is that of another stage"),
        (change("efficientnet_lite0.stages", {"input": None, "natural": "x"}), "means the natural stimulus"),
        (change("efficientnet_lite0.weights", {"url": "https://x.org/w.pth"}), r"efficientnet_lite0\.weights: 'url' without 'sha256'\. Wanted: sha256, 8 to 64 hexadecimal digits"),
        (change("efficientnet_lite0.weights", {"url": "https://x.org/w.pth", "sha": "0" * 8}), r"efficientnet_lite0\.weights: unknown key 'sha'\. Did you mean 'sha256'\? Valid: package, "),
        (change("CLIP_resnet50.weights.extra_weights", {"url": "https://x.org/w.pth"}), r"CLIP_resnet50\.weights\.extra_weights: 'url' without 'sha256'"),
        (change("CLIP_resnet50.weights.besides", {"url": "https://x.org/w.pth"}), r"CLIP_resnet50\.weights: besides: is now called extra_weights$"),
        (change("spectemp.weights.train.from", {"url": "https://x.org/w.pth"}), r"spectemp\.weights\.train\.from: 'url' without 'sha256'"),
        (change("efficientnet_lite0.weights", {"url": "https://x.org/?a", "sha256": "0" * 8}), r"weights\.url: .* Wanted: address of a file"),
        (change("efficientnet_lite0.weights", {"path": "none.pth"}), r"efficientnet_lite0\.weights\.path: there is no file none\.pth"),
        (change("efficientnet_lite0.source", {"python": "none.py:f"}), r"efficientnet_lite0\.source\.python: there is no file none\.py"),
        (change("efficientnet_lite0.input", {"size": 224}), r"efficientnet_lite0\.input: 'mean' is a required property. Wanted: for a vision model size, mean and std"),
        (change("cochcnn9_standard.input", {"sampling_rate_hz": 20000}), r"cochcnn9_standard\.input: 'duration_s' is a required property"),
        (change("cochcnn9_standard.input.size", 224), r"cochcnn9_standard\.input: .* Wanted: for an audio model sampling_rate_hz and duration_s"),
        (change("cochcnn9_standard.input.sampling_rate_hz", 16000), r"cochleagram\.high_hz: 10000 Hz is more than half of sampling_rate_hz 16000; give at most 8000"),
        (change("cochcnn9_standard.input.duration_s", 0.01), r"duration_s: 200 samples are fewer than the 1001 taps"),
        (change("cochcnn9_standard.weights", {"train": {"dataset": "words", "epochs": 1}}), r"weights\.train\.dataset: unknown dataset 'words'.*Valid: .*spoken_words"),
        (change("cochcnn9_standard.weights", {"train": {"dataset": "imagenet_photographs", "epochs": 1}}), r"weights\.train\.dataset: 'imagenet_photographs' is of modality 'vision'"),
        (change("efficientnet_lite0.weights", {"train": {"dataset": "imagenet_photographs", "epochs": 1}}), "has nothing of split train, validation; training needs train, validation, test"),
        (change("cochcnn9_random.weights.train.perturbation", {"kind": "random", "norm": "l2", "size": 1, "on": "input", "steps": 3}), r"cochcnn9_random\.weights\.train\.perturbation: "),
        (change("cochcnn9_random.weights.train.perturbation", {"kind": "adversarial", "norm": "l2", "size": 1, "on": "input"}), r"perturbation: 'steps' is a required property"),
        (change("cochcnn9_random.weights.prefix", "model."), r"cochcnn9_random\.weights: "),
        (change("cochcnn9_random.weights.train.learning_rate", float("nan")), "learning_rate: nan is not a finite number"),
        (change("spectemp.weights.train.perturbation", {"kind": "random", "norm": "l2", "size": 1, "on": "input"}), "a readout is trained on unperturbed activations"),
        (change("efficientnet_lite0.stages", {"input": None, "x": None}), "the first must be 'input: null', and all others"),
        (change("efficientnet_lite0.stages", {"input": None, 1: "blocks.0"}), r"efficientnet_lite0: stages: the key 1 is not text"),
        (change("efficientnet_lite0.weights.package", "nowhere"), r"weights: package 'nowhere' is not installed"),
        (change("efficientnet_lite0.weights.file", "x.pth"), r"has no file 'x\.pth'"),
        (change("efficientnet_lite0.input.mean", [float("nan")] * 3), "input: mean: 0: nan is not a finite number"),
        (change("efficientnet_lite0.input.mean", [0.5]), r"efficientnet_lite0\.input: mean has 1 values, std 3; wanted three each"),
        (change("efficientnet_lite0.input", {"size": 224, "mean": [0.5] * 2, "std": [0.5] * 2}), "mean has 2 values, std 2; wanted three each"),
        (change("efficientnet_lite0.input", {"size": 224, "mean": [0.5], "std": [0.5]}), "mean has 1 values, std 1; wanted three each"),
        (change("efficientnet_lite0.source", {"metamers": "hmax"}), r"efficientnet_lite0\.input: mean has 3 values, std 3; wanted one each"),
        (change("efficientnet_lite0.stages.block_1", {"module": "blocks.0", "schedule": {"coarse_to_fine": {"every": 4}}}), r"stages\.block_1\.schedule\.coarse_to_fine: only the network spectemp"),
        (change("efficientnet_lite0.start", {"mean": -0.5}), r"efficientnet_lite0\.start\.mean: -0\.5 is less than .* Wanted: mean of each value, from 0"),
        (change("spectemp.start", {"standard_deviation": 0}), r"spectemp\.start\.standard_deviation: 0 is less than or equal"),
        (change("spectemp.stages.avgpool", {"module": "average", "schedule": {"fine": {}}}), r"spectemp\.stages\.avgpool"),
        (change("cochcnn9_standard.input.cochleagram", {"rate": "slow"}), r"cochleagram\.rate: 'slow' is not one of .* Wanted: band \(default\)"),
        (change("cochcnn9_standard.input.cochleagram", {"rate": "full", "envelope_rate_hz": 150}), r"cochleagram\.rate: full needs .* found 20000 and 150"),
        (change("cochcnn9_standard.input.preprocessing", "wave"), r"input\.preprocessing: 'wave'.* Wanted: .*cochleagram \(default\).*waveform"),
        (change("cochcnn9_standard.input.preprocessing", {"python": "nowhere.py:own"}), r"input\.preprocessing\.python: there is no file nowhere\.py"),
        (change("cochcnn9_standard.input", {"sampling_rate_hz": 8000, "duration_s": 1, "preprocessing": "waveform", "cochleagram": {"taps": 5}}), r"input\.cochleagram: parameters of a cochleagram, which 'waveform' .* leave out one"),
        (change("cochcnn9_standard.input", {"sampling_rate_hz": 16000, "duration_s": 31, "preprocessing": "whisper_log_mel"}), r"cochcnn9_standard\.input\.duration_s: 31 s are 496000 samples"),
        (change("cochcnn9_standard.input.preprocessing", {"name": "whisper_log_mel", "arguments": {"frames": 9}}), r"preprocessing\.arguments: unknown key 'frames'.*Valid: mels, window, hop, padded_s"),
        (change("cochcnn9_standard.input.preprocessing", {"name": "ast_log_mel", "arguments": {"mels": 2}}), r"preprocessing\.arguments\.mels: 2 is less than .* Wanted: number of mel filters, from 4"),
        (change("cochcnn9_standard.input.preprocessing", {"name": "normalized_waveform", "arguments": {"mels": 80}}), r"preprocessing\.arguments: .*Wanted: no arguments for normalized_waveform"),
        (change("cochcnn9_standard.input.preprocessing", {"name": "log_mel"}), r"preprocessing\.name: 'log_mel'.* Wanted: normalized_waveform, whisper_log_mel or ast_log_mel"),
        (change("cochcnn9_standard.input.preprocessing", {"arguments": {}}), r"preprocessing: found arguments. Wanted: name or python"),
        (change("efficientnet_lite0.input.preprocessing", "waveform"), r"efficientnet_lite0\.input.*for a vision model"),
        (change("efficientnet_lite0.modality", "touch"), r"^[^\n]*efficientnet_lite0\.modality: 'touch' is not one of [^\n]* Wanted: vision or audio$"),
        (change("efficientnet_lite0.weights", {}), r"efficientnet_lite0\.weights: found nothing\. Wanted: \{package, file\}, "),
        (change("efficientnet_lite0.weights", {"random": 1, "prefix": "x"}), r"efficientnet_lite0\.weights: found random, prefix\. Wanted: "),
        (lambda models: models.update({50: models["efficientnet_lite0"]}), "the key 50 is not text; put it in quotes"),
        (lambda models: models.update({"../x": models["efficientnet_lite0"]}), "'../x' names files"),
    ],
)  # fmt: skip
def test_a_wrong_model_entry_is_named(settings, tmp_path, changed, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, "models", changed))


@pytest.mark.parametrize(
    ("which", "path", "near", "valid"),
    [
        ("models", "efficientnet_lite0.imput", "input", "modality, source, weights, input"),
        ("models", "efficientnet_lite0.source.tim", "timm", "torchvision, weights, torchaudio, timm"),
        ("models", "cochcnn9_standard.input.cochleagram.filter", "filters", "rate, envelope_rate_hz"),
        ("models", "cochcnn9_adversarial.weights.train.perturbation.stepsize", "step_size", "kind, norm"),
        ("models", "hmax_standard.stages.s1.schedul", "schedule", "module, output, input, pass_through_relu"),
        ("datasets", "spoken_words.speech.splits.tests", "test", "train, validation, test"),
        ("datasets", "wsj_400.categories.archiv", "archive", "archive, classes"),
        ("archives", "assets.sha", "sha256", "url, sha256, bytes"),
        ("experiments", "experiments.visual-1.titel", "title", "title, modality"),
        ("experiments", "judges.vison", "vision", "vision, audio"),
        ("experiments", "brains.fmri.region", "regions", "file, participants, regions"),
    ],
)
def test_an_unknown_key_of_a_registry_is_answered_with_the_nearest_and_the_list(
    settings, tmp_path, which, path, near, valid
):
    def add(entries):
        *folders, key = path.split(".")
        for folder in folders:
            if not isinstance(entries.setdefault(folder, {}), dict):
                entries[folder] = {"module": entries[folder]}
            entries = entries[folder]
        entries[key] = {}

    place, key = path.rsplit(".", 1)
    message = rf"{which}\.yaml: {re.escape(place)}: unknown key '{key}'\. Did you mean '{near}'\? Valid: {valid}"
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, which, add))


def mappings(data, path=()):
    """Every mapping in some settings, with the keys that lead to it."""
    if isinstance(data, dict):
        yield path, data
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from mappings(value, (*path, key))


def test_an_unknown_key_anywhere_in_a_configuration_is_answered_with_the_nearest_and_the_list(settings):
    places = [path for path, mapping in mappings(settings) if mapping]
    assert len(places) > 40
    for path in places:
        changed = copy.deepcopy(settings)
        part = changed
        for key in path:
            part = part[key]
        last = list(part)[-1]
        part[f"{last}x"] = part[last]
        where = "".join(f"{key}." for key in path).removesuffix(".")
        with pytest.raises(ConfigurationError) as error:
            config.make_plan(changed)
        said = str(error.value)
        assert said.startswith(
            f"configuration: {where}: unknown key '{last}x'" if where else "configuration: unknown key"
        )
        assert f"Did you mean '{last}'? Valid: " in said
        assert said.count("\n") == 0


def test_a_key_that_is_no_text_is_named(settings):
    settings["synthesis"][True] = 1
    with pytest.raises(
        ConfigurationError, match="configuration: synthesis: the key True is not text; put it in quotes"
    ):
        config.make_plan(settings)


@pytest.mark.parametrize(
    ("text", "key", "first", "second"),
    [
        ("run: a\nseed: 1\nrun: b\n", "run", 1, 3),
        ("synthesis:\n  seeds: 1\n  batch_size: 2\n  'seeds': 1\n", "seeds", 2, 4),
        ("models: [{a: 1}, {b: 1, c: 2,\n b: 1}]\n", "b", 1, 2),
        ("{a: 1, a: 2}\n", "a", 1, 1),
        ('{"a": 1,\n"a": 1}', "a", 1, 2),
    ],
)
def test_a_repeated_key_is_named_with_both_lines(tmp_path, text, key, first, second):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    message = rf"x\.yaml: the key '{key}' is in line {first} and again in line {second}; keep one of them"
    for read in (config_read.read_yaml, lambda path: config_read.check_configuration_files([path])):
        with pytest.raises(ConfigurationError, match=message):
            read(path)


def test_a_key_may_be_another_than_in_what_is_merged(tmp_path):
    """``<<`` is what YAML has for that, also where a merged mapping merges another."""
    path = tmp_path / "x.yaml"
    path.write_text(
        "base: &base {a: 1, b: 1}\nx: &x {<<: *base, a: 2}\ny: {z: &z {<<: *x, b: 3}}\nlast: {<<: *z, c: 4}\n"
    )
    found = config_read.read_yaml(path)
    assert found["x"] == {"a": 2, "b": 1}
    assert found["y"]["z"]["b"] == 3


@pytest.mark.parametrize("which", ["models", "datasets", "archives", "experiments"])
def test_a_repeated_key_in_a_registry_is_named(settings, tmp_path, which):
    text = Path(settings["registry"][which]).read_text()
    first = next(line for line in text.splitlines() if re.match(r"[A-Za-z0-9_.-]+:", line))
    path = tmp_path / f"{which}.yaml"
    path.write_text(f"{text}\n{first}\n")
    settings["registry"][which] = str(path)
    with pytest.raises(ConfigurationError, match=rf"{which}\.yaml: the key .* is in line \d+ and again in line \d+"):
        config.make_plan(settings)


def test_the_workflow_s_own_files_have_no_key_twice(root):
    files = [
        *root.glob("config/*.yaml"),
        *root.glob("workflow/**/*.yaml"),
        *root.glob("src/**/*.yaml"),
        *root.glob("studies/**/*.yaml"),
    ]
    assert len(files) > 12
    for path in files:
        config_read.read_yaml(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"x\.yaml: there is no such file that can be read \(No such file or directory\)$"),
        (b"run: a\n\tseed: 1\n", r"x\.yaml: not valid YAML: line 2: .*; indent with spaces, not with tabs$"),
        (b"\x80\x02}q\x00.", r"x\.yaml: not valid YAML: it is not text in UTF-8$"),
        (b"\x7fELF\x02\x01\x01\x00", r"x\.yaml: not valid YAML: it is not text in UTF-8$"),
        (b"", r"x\.yaml: found nothing; wanted keys with values, such as `run: mine`$"),
        (b"[run, seed]", r"x\.yaml: found a list; wanted keys with values"),
        (b"run: [", r"x\.yaml: not valid YAML: line 1: expected the node content, but found '<stream end>'$"),
    ],
)
def test_a_configuration_file_that_cannot_be_used_is_named_in_one_line(tmp_path, content, message):
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SystemExit, match=rf"^Error: .*{message}"):
        command_line.check(["humans", "-n", "--configfile", str(path), "--cores", "2"])


@pytest.mark.parametrize(
    "number",
    [
        "0x" + "f" * 5000,
        "0b" + "1" * 20_000,
        "1" + ":59" * 5000,
        "9" * 33,
        "0." + "1" * 400,
        "1" + ":59" * 20_000 + ".5",
    ],
    ids=lambda number: f"{number[:4]}...{number[-3:]}",
)
@pytest.mark.parametrize("text", ["run: mine\nseed: {}\n", "run: mine\nmodels: [{}]\n", "run: mine\n? {}\n: 1\n"])
def test_a_number_that_is_too_long_is_named_with_its_line(tmp_path, text, number):
    """Python takes a long time for some of these, and refuses to write others into a message."""
    path = tmp_path / "x.yaml"
    path.write_text(text.format(number))
    message = (
        rf"^Error: .*x\.yaml: the number in line 2 has {len(number)} characters; wanted 32 at most, or text in quotes$"
    )
    with pytest.raises(SystemExit, match=message):
        command_line.check(["--configfile", str(path)])
    path.write_text(text.format(f"'{number}'"))
    assert number in str(config_read.read_yaml(path))


def test_a_large_integer_of_any_other_origin_is_refused(settings):
    settings["seed"] = 16**5000
    with pytest.raises(ConfigurationError, match=r": seed: found an integer of more than 1000 digits; wanted"):
        config.make_plan(settings)


@pytest.mark.parametrize(
    "value",
    ['!!int ""', "!!int x", '!!int "-"', '!!float ""', "!!bool x", "!!timestamp x", "2020-99-99", "!!int [1]"],
)
def test_a_value_that_is_not_of_its_type_is_named_with_its_line(tmp_path, value):
    path = tmp_path / "x.yaml"
    path.write_text(f"run: mine\nseed: {value}\n")
    with pytest.raises(ConfigurationError, match=r"x\.yaml: not valid YAML: line 2: .*(is not of the type|expected a)"):
        config_read.read_yaml(path)


def test_a_folder_is_no_configuration_file(tmp_path):
    with pytest.raises(SystemExit, match=r"there is no such file that can be read \(Is a directory\)"):
        command_line.check([f"--configfile={tmp_path}"])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("synthesis.seeds=2", r"a key inside another cannot be set here; .* give the file by --configfile$"),
        ("a=[", r"unknown key 'a'\. Valid: run, seed, "),
        ("sed=1", r"unknown key 'sed'\. Did you mean 'seed'\? Valid: run, "),
        ("people={}", "people: is now called own_participants$"),
        ("=1", "unknown key ''"),
        ("run", "wanted KEY=VALUE$"),
        ("synthesis={seeds: 2, seeds: 3}", "the key 'seeds' is in line 1 and again in line 1; keep one of them$"),
        ("training={m: {a: 1, a: 2}}", "the key 'a' is in line 1 and again in line 1; keep one of them$"),
        ("synthesis={seeds: 0x" + "f" * 5000 + "}", "the number in line 1 has 5002 characters; wanted 32 at most"),
    ],
)
def test_an_entry_of_the_command_line_that_sets_no_key_is_named(entry, message):
    for option in ("--config", "-C", "-nC", "-nFC"):
        with pytest.raises(SystemExit, match=rf"^Error: --config {re.escape(entry)}: {message}"):
            command_line.check(["humans", option, "seed=1", entry, "-F"])


@pytest.mark.parametrize("target", ["leaderboard", "results/demo/metamers/net/stage/0000.nc"])
def test_a_target_after_a_configuration_file_is_not_taken_for_one(target):
    with pytest.raises(
        SystemExit, match=f"found {target}, which is no file; .* put a target before it, or after `--`$"
    ):
        command_line.check(["--cores", "2", "--configfile", "config/paper.yaml", target])
    command_line.check([target, "--cores", "2", "--configfile", "config/paper.yaml"])
    command_line.check(["--cores", "2", "--configfile", "config/paper.yaml", "--", target])


@pytest.mark.parametrize("arguments", [["--configfile"], ["-n", "--configfile", "--cores", "2"], ["--no-such-option"]])
def test_an_option_that_snakemake_refuses_is_left_to_snakemake(arguments):
    command_line.check(arguments)


def test_only_values_of_the_two_options_are_checked():
    command_line.check(["-dC", "--config", "seed=1", "-j", "2", "sed=1", "--configfile", "config/paper.yaml"])
    command_line.check(["-sCopy.smk", "--", "--config", "sed=1"])
    for option in ("--config=", "-C", "-nC="):
        with pytest.raises(SystemExit, match=r"--config sed=1: unknown key"):
            command_line.check([f"{option}sed=1", "all"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--configfile=", "-n"], "there is no such file that can be read"),
        (["--config=", "seed=1"], "--config : wanted KEY=VALUE"),
        (["-C", "seed=1", "-1"], "--config -1: wanted KEY=VALUE"),
        (["-C", "-", "-n"], "--config -: wanted KEY=VALUE"),
    ],
)
def test_a_value_that_is_empty_or_begins_with_a_hyphen_is_checked(arguments, message):
    with pytest.raises(SystemExit, match=message):
        command_line.check(arguments)


def test_a_right_command_line_is_let_pass(root):
    command_line.check(
        ["humans", "-n", "--config", "human_data=participants", "mirror=a.b", "--configfile", "config/paper.yaml"]
    )
    command_line.check(["--cores", "2", "all"])
    command_line.check(["-n", "--config", "run=a: b: c", "seed=" + "1" * 32, "mirror=", "device=["])


def integers(schema, path=""):
    """Every schema of whole numbers in a schema, with its place."""
    if isinstance(schema, dict):
        if "integer" in str(schema.get("type", "")):
            yield path, schema
        for key, value in schema.items():
            yield from integers(value, f"{path}.{key}")
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from integers(value, f"{path}.{number}")


def test_every_whole_number_has_bounds_that_its_description_names(root):
    found = 0
    for path in (root / "workflow" / "schemas").glob("*.schema.yaml"):
        whole = configuration_schema() if path.name == "config.schema.yaml" else config_read.read_yaml(path)
        for place, schema in integers(whole):
            assert {"minimum", "maximum"} <= schema.keys(), (path.name, place)
            assert f"{schema['minimum']} to {schema['maximum']}" in schema["description"], (path.name, place)
            found += 1
    assert found > 60


def test_names_in_the_schema_are_the_keys_of_the_library_s_tables():
    properties = configuration_schema()["properties"]
    synthesis = properties["synthesis"]["properties"]
    (one_cycle,) = config_read.read_schema("config")["$defs"]["one_cycle"]["patternProperties"].values()
    assert synthesis["quality"] == {"enum": list(QUALITIES), "description": "quick, converged, standard or published"}
    assert one_cycle["properties"]["optimizer"]["enum"] == list(OPTIMIZERS)
    assert one_cycle["properties"]["optimizer"]["description"] == "adam, adam_mini, nadam or radam"
    assert properties["acceptance"]["properties"]["measures"]["items"]["enum"] == list(NULL_MEASURES)
    variables = declared_files()["metamers/<generation_model>/<stage>/<batch>.nc"].dimensions
    assert {name: variables[name] for name in MEASURES} == dict.fromkeys(MEASURES, "stimulus, seed")


def test_the_whole_study_is_within_the_bounds(root):
    study = merge_defaults(config_read.read_yaml(root / "config" / "paper.yaml"))
    study["null"]["pairs"] = 1_000_000  # more than the pairs of its 400 stimuli
    read_settings(study)
    published = study["synthesis"]["published"]
    assert all(one["steps"] * (one["halvings"] + 1) == 24_000 for one in published.values())


def table(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("rows", "categories", "message"),
    [
        ("a.png,dog\nb.png,yeti\n", "0,dog\n", r"category 'yeti' of b\.png has no classes in .*; it has dog"),
        ("a.png,\n", "0,dog\n", "line 2: no category"),
        ("a.png,dog\n", "²,dog\n", "class_index '²' is no index"),
        ("a.png,dog\n", "99999999999999999999,dog\n", "class_index '9+' is no index"),
        ("a.png,dog\n", "0,dog\n", "1 stimuli of split test; a null distribution needs two"),
        ("", "0,dog\n", "has a header but no rows"),
        ("a.png,dog\nx/a.png,dog\n", "0,dog\n", "several files would be stimulus a"),
        ("../a.png,dog\n", "0,dog\n", "must lie in the dataset's folder"),
        ("/a.png,dog\n", "0,dog\n", "must lie in the dataset's folder"),
        (".hidden.png,dog\n", "0,dog\n", "'.hidden.png' names a stimulus.* in a column `stimulus`"),
        ("苹果.png,dog\n", "0,dog\n", "'苹果.png' names a stimulus.* in a column `stimulus`"),
        (
            "Brücke 1.png,dog\nBrucke_1.png,dog\n",
            "0,dog\n",
            r"would be stimulus Brucke_1 \(such as Brücke 1\.png and Brucke_1\.png\); .* a column `stimulus`",
        ),
        ("a.png,dog\n", "0,dog\n0,cat\n", "class 0 belongs to both 'dog' and 'cat'"),
        ("a.png,dog\n", "zero,dog\n", "class_index 'zero' is no index"),
        ("a.png,dog\nb.png,dog\n", "0,dog\n", r"table\.csv names .*a\.png, which is not there"),
    ],
)
def test_a_wrong_dataset_is_named(settings, tmp_path, rows, categories, message):
    entry = {
        "modality": "vision",
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", "file,category\n" + rows),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n" + categories),
        "size": 16,
    }
    changed = with_registry(settings, tmp_path, "datasets", lambda datasets: datasets.update(mine=entry))
    changed["stimuli"] = {"vision": {"dataset": "mine"}}
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(changed)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.wav,yeti,anna,test\n", r"word 'yeti' of a\.wav has no classes in .*; it has dog, cat"),
        ("a.wav,dog,anna,tset\n", "unknown split 'tset'. Did you mean 'test'"),
        ("a.wav,dog,anna,train\nb.wav,cat,bob,train\n", "0 stimuli of split test"),
        ("a.wav,,anna,test\n", "line 2: no word"),
        ("a.wav,dog,anna,\n", r"no split of a\.wav; wanted train, validation, test"),
    ],
)
def test_a_wrong_table_of_sounds_is_named(settings, tmp_path, rows, message):
    entry = {
        "modality": "audio",
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", "file,word,speaker,split\n" + rows),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n0,dog\n1,cat\n"),
        "sampling_rate_hz": 20_000,
        "duration_s": 1,
    }
    changed = with_registry(settings, tmp_path, "datasets", lambda datasets: datasets.update(mine=entry))
    changed["stimuli"] = {"audio": {"dataset": "mine"}}
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(changed)


ENCODER = {
    "modality": "audio",
    "source": {"metamers": "coch_cnn9"},
    "weights": {"random": 0},
    "input": {"sampling_rate_hz": 20_000, "duration_s": 1},
    "classes": False,
    "stages": {"input": None, "relu1": "relu1", "relu4": "relu4"},
}


def with_encoder(settings, tmp_path, readout, **changed):
    """The settings with a network without classes, and its readout, among the recognition models."""
    settings["recognition_models"].append("encoder")
    entry = ENCODER | {"readout": readout} | changed
    return with_registry(settings, tmp_path, "models", change("encoder", entry))


def test_a_readout_is_that_of_the_last_stage_and_trained_on_the_run_s_dataset(settings, tmp_path):
    plan = config.make_plan(with_encoder(settings, tmp_path, "linear"))
    expected = {"stage": "relu4", "dataset": "spoken_words", "features": None, "times_chance": 2.0}
    assert plan.readouts["encoder"].parameters == expected
    assert "readout" not in plan.models["encoder"].parameters  # on which its metamers depend
    assert "encoder" in plan.recognition_models_of("cochcnn9_standard")
    assert "encoder" not in plan.beyond.sets


@pytest.mark.parametrize(
    ("readout", "message"),
    [
        ("logistic", r"encoder\.readout: .*Wanted: for a network without classes: linear, or a mapping"),
        ({"stage": "relu5"}, r"encoder\.readout\.stage: unknown stage 'relu5'\. Did you mean 'relu[14]'\? Valid: relu1, relu4"),
        ({"stage": "input"}, r"encoder\.readout\.stage: unknown stage 'input'"),
        ({"dataset": "words"}, r"encoder\.readout\.dataset: unknown dataset 'words'"),
        ({"dataset": "imagenet_photographs"}, r"encoder\.readout\.dataset: 'imagenet_photographs' is of modality 'vision'"),
        ({"dataset": "wsj_400"}, r"encoder\.readout\.dataset: 'wsj_400' has nothing of split train, validation; training needs"),
        ({"times_chance": 0.5}, r"encoder\.readout.*from 1 to 1000: as a recognition model"),
        ({"times_chance": 24}, r"encoder\.readout\.times_chance: even if all 144 held-out stimuli .* would be 0\.97, below 24 times chance among 24 categories, 1\.00; add stimuli of split test, or set it to 23.39 at most"),
    ],
)  # fmt: skip
def test_a_readout_that_cannot_be_trained_is_refused(settings, tmp_path, readout, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_encoder(settings, tmp_path, readout))


def test_a_network_with_classes_has_no_readout(settings, tmp_path):
    with pytest.raises(
        ConfigurationError, match=r"encoder\.readout: only for a network without classes .* leave it out"
    ):
        config.make_plan(with_encoder(settings, tmp_path, "linear", classes=True))


def test_a_network_without_classes_and_readout_recognizes_nothing(settings, tmp_path):
    changed = with_encoder(settings, tmp_path, "linear")
    changed = with_registry(changed, tmp_path, "models", lambda entries: entries["encoder"].pop("readout"))
    with pytest.raises(
        ConfigurationError, match=r"'encoder' is a model without classes .* nothing without a `readout`"
    ):
        config.make_plan(changed)


@pytest.mark.parametrize(
    ("rows", "dataset", "message"),
    [
        ("a.wav,dog,train\nb.wav,dog,validation\nc.wav,cat,test\nd.wav,dog,test\n", "mine", "'mine' has no example of cat in the split train; add one of each"),
        ("c.wav,cat,test\nd.wav,dog,test\n", "spoken_words", "'spoken_words' lacks the categories cat of 'mine'"),
    ],
)  # fmt: skip
def test_a_readout_knows_every_category_that_it_may_have_to_name(settings, tmp_path, rows, dataset, message):
    for name in "abcd":
        (tmp_path / f"{name}.wav").touch()
    entry = {
        "modality": "audio",
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", "file,word,split\n" + rows),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n0,dog\n1,cat\n"),
        "sampling_rate_hz": 20_000,
        "duration_s": 1,
    }
    changed = with_registry(settings, tmp_path, "datasets", lambda datasets: datasets.update(mine=entry))
    changed |= {"stimuli": {"audio": {"dataset": "mine"}}, "generation_models": ["encoder"], "recognition_models": []}
    changed["comparison"]["contrasts"] = []
    changed["analyses"] = dict.fromkeys(("vulnerability", "brain", "similarity"))
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_encoder(changed, tmp_path, {"dataset": dataset}))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("spoken_words.speech.splits.test.voices", ["en-us+f99"]), r"spoken_words\.speech\.splits\.test\.voices: unknown voice 'en-us\+f99'. Did you mean"),
        (change("spoken_words.speech.splits.test.voices", ["en-us+f1"]), "'en-us\\+f1' is listed in train already, as"),
        (change("spoken_words.speech.splits.test.voices", ["en-gb+m1"]), "'en-gb\\+m1' is listed in train already, as 'en-us\\+m1'"),
        (change("spoken_words.speech.splits.test.voices", []), "voices: none; wanted one at least"),
        (change("spoken_words.speech.splits.train.per_word", 0), r"splits\.train\.per_word: 0 is less than the minimum"),
        (change("spoken_words.speech.rate_wpm", [200, 100]), "whose low is above its high"),
        (change("spoken_words.size", 100), r"spoken_words: .*Wanted: for sounds sampling_rate_hz and duration_s, and no size"),
        (change("imagenet_photographs.duration_s", 1), r"imagenet_photographs: .*Wanted: for images size, and no key of sounds"),
    ],
)  # fmt: skip
def test_a_wrong_dataset_of_speech_is_named(settings, tmp_path, changed, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, "datasets", changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("comparisons.visual-9", {"a": ["alexnet", "resnet50"]}), r"comparisons: unknown experiment 'visual-9'"),
        (change("comparisons.visual-1", {"a": ["alexnet", "resnet"]}), r"comparisons\.visual-1: unknown network 'resnet'.*mean"),
        (change("comparisons.visual-1", {"a": ["alexnet", "resnet50"]}), r"visual-1\.a: AlexNet has 9, ResNet50 has 8 stages; wanted equally many"),
        (change("comparisons.visual-1", {"AlexNet": ["resnet50", "resnet101"]}), r"visual-1\.AlexNet: a model has that name"),
        (change("comparisons.visual-1", {"a": ["alexnet"]}), r"comparisons\.visual-1\.a: .* Wanted: two or more networks"),
        (change("stage_effects.visual-6", {"hmax_standard": ["last"]}), r"stage_effects\.visual-6\.hmax_standard: unknown stage 'last'"),
        (change("stage_effects.visual-6", {"hmax_standard": ["s1", "c1", "s2", "c2", "final"]}), "fewer than two stages remain"),
    ],
)  # fmt: skip
def test_a_wrong_comparison_of_the_human_experiments_is_named(settings, tmp_path, changed, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, "experiments", changed))


def test_models_are_asked_for_the_classes_that_they_learn(settings, tmp_path):
    def add(datasets):
        other = table(tmp_path, "other.csv", "class_index,category\n0,wolf\n1,bird\n")
        datasets["other"] = datasets["spoken_words"] | {"categories": other}

    changed = with_registry(settings, tmp_path, "datasets", add)
    changed["stimuli"]["audio"] = {"dataset": "other", "number": 2}
    with pytest.raises(
        ConfigurationError,
        match="class 0 is 'apple' in 'spoken_words', on which the model is trained, but 'wolf' in 'other'",
    ):
        config.make_plan(changed)


def test_models_that_a_run_trains_are_not_asked_for_the_words_of_published_ones(settings):
    settings["stimuli"]["audio"] = {"dataset": "wsj_400", "number": None}
    message = "stimuli: the categories of 'wsj_400' are those of published models; 'cochcnn9_.*', which this run trains"
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(settings)


@pytest.mark.parametrize(
    ("which", "path", "value", "message"),
    [
        ("models", "efficientnet_lite0.weights", {"archive": "nowhere", "file": "x.pt"}, r"models: efficientnet_lite0\.weights\.archive: unknown archive 'nowhere'.*Valid: visual_checkpoints, "),
        ("models", "CLIP_resnet50.weights.extra_weights", {"archive": "alexnet_g"}, r"resnet50\.weights\.extra_weights\.archive: unknown archive 'alexnet_g'\. Did you mean 'alexnet_gn'"),
        ("models", "spectemp.weights.train.from", {"archive": "nowhere", "file": "x.pt"}, r"spectemp\.weights\.train\.from\.archive: unknown archive 'nowhere'"),
        ("datasets", "imagenet_400.files.archive", "asset", r"datasets: imagenet_400\.files\.archive: unknown archive 'asset'\. Did you mean 'assets'"),
        ("datasets", "imagenet_400.files.folder", "../x", r"datasets: imagenet_400\.files: '\.\./x' must be a path inside the archive"),
    ],
)  # fmt: skip
def test_a_wrong_place_in_an_archive_is_named(settings, tmp_path, which, path, value, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, which, change(path, value)))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"path": "none.pt"}, r"models: CLIP_resnet50\.weights\.extra_weights\.path: there is no file none\.pt"),
        ({"package": "nowhere", "file": "x.pt"}, r"weights\.extra_weights: package 'nowhere' is not installed"),
        ({"zero_shot": "imagenet"}, r"CLIP_resnet50\.weights\.extra_weights: .* Wanted: weights of another module"),
        (
            {"zero_shot": "cifar", "module": "classify"},
            r"extra_weights\.zero_shot: 'cifar' is not one of \['imagenet'\]",
        ),
    ],
)
def test_weights_of_another_module_are_said_to_be_wrong_before_the_first_job(settings, tmp_path, extra, message):
    settings |= {"generation_models": ["CLIP_resnet50"], "recognition_models": ["CLIP_resnet50"]}
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(
            with_registry(settings, tmp_path, "models", change("CLIP_resnet50.weights.extra_weights", extra))
        )


def test_only_a_network_that_has_read_texts_names_classes_by_them(settings, tmp_path):
    of_clip = change("CLIP_resnet50.source", {"torchvision": "resnet50"})
    with pytest.raises(
        ConfigurationError,
        match=r"extra_weights\.zero_shot: only the networks of source\.open_clip .* source\.torchvision",
    ):
        config.make_plan(with_registry(settings, tmp_path, "models", of_clip))


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        (
            {"archive": "alexnet_gn"},
            "weights/{}/extra_weights/alexnet_gn_s1000_imagenet_wus_aug_final_weights_only.pth.tar",
        ),
        ({"url": "https://x.org/w.pt", "sha256": "0" * 8}, "weights/{}/extra_weights/w.pt"),
        ({"url": "https://x.org/w.safetensors?a=/b", "sha256": "0" * 8}, "weights/{}/extra_weights/w.safetensors"),
        ({"zero_shot": "imagenet", "module": "classify"}, "zero_shot/{}.safetensors"),
    ],
)
def test_weights_of_another_module_are_read_from_where_they_are_retrieved_to(settings, tmp_path, extra, path):
    settings |= {"generation_models": ["CLIP_resnet50"], "recognition_models": ["CLIP_resnet50"]}
    settings["comparison"]["contrasts"] = []
    changed = with_registry(settings, tmp_path, "models", change("CLIP_resnet50.weights.extra_weights", extra))
    plan = config.make_plan(changed)
    found = plan.models["CLIP_resnet50"].extra_weights["path"]
    assert found == f"resources/retrieved/{path.format('CLIP_resnet50')}"
    retrieved = [f"weights/{{}}/{item['name']}" for item in collections(plan)["weights/CLIP_resnet50"]]
    assert retrieved == ["weights/{}/RN50.pt", *([] if "zero_shot" in extra else [path])]


def test_a_name_is_known_in_part_in_an_archive_only(tmp_path):
    entry = {
        "modality": "vision",
        "files": {"folder": str(tmp_path)},
        "table": table(tmp_path, "table.csv", "stimulus,file,category\n0,0_*.png,dog\n"),
        "categories": table(tmp_path, "categories.csv", "class_index,category\n0,dog\n"),
    }
    with pytest.raises(ConfigurationError, match=r"'0_\*\.png': '\*' stands for a part of a name in an archive only"):
        tables.stimulus_table("mine", entry)
    archived = entry | {"files": {"archive": "assets", "folder": "images"}}
    assert [row["stimulus"] for row in tables.stimulus_table("mine", archived)] == ["0"]


def test_models_that_share_no_stage_are_not_contrasted(settings):
    chosen = [
        {"model": "cochcnn9_adversarial", "stages": ["relu1"]},
        {"model": "cochcnn9_standard", "stages": ["final"]},
    ]
    settings |= {"generation_models": chosen}
    settings["comparison"]["contrasts"] = [["cochcnn9_adversarial", "cochcnn9_standard"]]
    with pytest.raises(ConfigurationError, match="share no stage at which to compare them"):
        config.make_plan(settings)


def test_a_table_without_its_columns_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="no column category; found file, kind"):
        tables.read_table(table(tmp_path, "t.csv", "file,kind\na,b\n"), ["file", "category"])


def test_the_published_sixteen_categories(root):
    entry = config_read.read_registry("config/datasets.yaml", "datasets")["imagenet_photographs_16"]
    classes = tables.category_classes("imagenet_photographs_16", entry)
    assert len(classes) == 16
    assert sum(len(members) for members in classes.values()) == 207


def test_every_stage_of_the_registry_has_a_path_of_its_own():
    assert names.stage_path("layer 1/relu") == "layer_1_relu"
