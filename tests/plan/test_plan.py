"""The plan as a whole: models, jobs, recognition models and targets follow from the configuration."""

import pytest

from metamers.config.read import read_yaml
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from tests.configurations import change, check_refused, with_input_stages_only


def test_the_default_configuration_resolves(settings):
    plan = config.make_plan(settings)
    assert {"efficientnet_lite0", "cochcnn9_standard", "spectemp"} <= plan.generation_models.keys()
    assert plan.generation_models["efficientnet_lite0"][0] == "input"
    assert len(plan.stimuli["imagenet_photographs"]) == settings["stimuli"]["vision"]["number"]
    words = [row["category"] for row in plan.stimuli["spoken_words"]]
    assert len(set(words)) == settings["stimuli"]["audio"]["number"]  # no word twice
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
    assert standard.settings.synthesis.of_modality == settings["synthesis"]["standard"]
    assert standard.settings.synthesis.procedure == "one_cycle"
    assert plan.settings.experiment.presentation == {key: settings["experiment"][key] for key in ("vision", "audio")}


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


def test_a_model_s_metamers_are_recognized_by_the_models_of_its_modality(settings):
    plan = config.make_plan(settings)
    assert plan.recognition_models_of("efficientnet_lite0") == [f"efficientnet_lite{number}" for number in range(3)]
    assert plan.other_recognition_models("efficientnet_lite0") == ["efficientnet_lite1", "efficientnet_lite2"]


def test_a_network_under_another_name_does_not_judge_its_metamers_and_a_penalty_takes_no_part_in_conclusions(settings):
    again = read_yaml("config/models.yaml")["efficientnet_lite0"]
    settings["models"] = {"smooth": again | {"weights": {**again["weights"], "sha256": "0" * 64}}}
    settings["generation_models"] = [*settings["generation_models"], "smooth"]
    settings["synthesis"]["penalty"] |= {"range": 1, "models": ["smooth"]}
    plan = config.make_plan(settings)
    assert plan.compared_recognition_models("smooth") == ["efficientnet_lite1", "efficientnet_lite2"]
    assert plan.compared_recognition_models("efficientnet_lite0")[0] == "efficientnet_lite0"
    assert list(plan.concluded) == [name for name in plan.generation_models if name != "smooth"]
    settings["synthesis"]["penalty"]["models"] = None
    assert list(config.make_plan(settings).concluded) == list(plan.generation_models)


def without_generation_models(settings):
    """A run whose only results are those of the published models."""
    settings["generation_models"] = []
    settings["comparison"]["contrasts"] = []
    settings["beyond"]["models"] = []


def with_penalty(settings):
    """A run with a penalty whose creator could make entries of a leaderboard."""
    settings["creator"] |= {"name": "A", "license": "MIT", "url": "https://a.b"}
    settings["synthesis"]["penalty"] |= {"range": 1, "models": ["efficientnet_lite0"]}


def with_sounds_only(settings):
    """Published participants, but no model of images."""
    settings["human_data"] = "participants"
    settings["generation_models"] = ["cochcnn9_standard", "cochcnn9_adversarial", "cochcnn9_random"]
    settings["recognition_models"] = ["cochcnn9_standard", "spectemp"]
    settings["comparison"]["contrasts"] = []
    settings["beyond"]["models"] = []


def without_extensions(settings):
    settings["beyond"]["models"] = []


@pytest.mark.parametrize(
    ("changed", "target", "message"),
    [
        (lambda settings: None, "crate", r"^creator\.name: "),
        (change("creator.name", "A. Person"), "crate", r"^creator\.license: "),
        (lambda settings: None, "brainscore", r"^own_participants: .*human_data: participants"),
        (change("human_data", "participants"), "brainscore_score", r"^brainscore_score: .*/experiment_images .*resources/"),
        (with_sounds_only, "brainscore_score", r"^recognition_models: .*cochcnn9_standard, cochcnn9_adv"),
        (lambda settings: None, "leaderboard_entries", r"^creator\.name: "),
        (change("creator", {"name": "A", "license": "MIT"}), "leaderboard_entries", r"^creator\.url: .*email or url"),
        (change("creator", {"name": "A<b>", "license": "MIT", "url": "https://a.b"}), "leaderboard_entries", r"^creator\.name: .*'<'"),
        (change("creator", {"name": "A ", "license": "MIT", "url": "https://a.b"}), "leaderboard_entries", r"^creator\.name: .*space"),
        (change("creator", {"name": "A", "license": "M" * 501, "url": "https://a.b"}), "leaderboard_entries", r"^creator\.license: .*501 .*500"),
        (change("creator", {"name": "A", "license": "MIT", "url": "https://a@b.example"}), "leaderboard_entries", r"^creator\.url: .*'https://a@b\.example'"),
        (with_penalty, "leaderboard_entries", r"^synthesis\.penalty: .*efficientnet_lite0"),
        (without_generation_models, "leaderboard_entries", r"^generation_models: "),
        (lambda settings: None, "model_card", r"^model: .*efficientnet_lite0"),
        (with_input_stages_only, "experiment", r"^experiment: "),
        (with_input_stages_only, "experiment/audio", r"^experiment: .*'audio'"),
        (without_extensions, "beyond", r"^beyond: .*efficientnet_lite0, "),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_made_is_an_error_only_if_it_is_requested(settings, changed, target, message):
    changed(settings)
    plan = config.make_plan(settings)
    with pytest.raises(ConfigurationError, match=message):
        plan.check_target(target)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "generation_models",
            ["efficientnet_lite"],
            r"generation_models\.0: .*'efficientnet_lite'.*'efficientnet_lite\d'.*efficientnet_lite0, ",
        ),
        ("recognition_models", ["resnet"], r"recognition_models\.0: .*'resnet'"),
        (
            "generation_models",
            [{"model": "efficientnet_lite0", "stages": ["block_2"]}],
            r"generation_models\.0\.stages \(efficientnet_lite0\): .*'block_2'.*input, block_1, block_3",
        ),
        ("generation_models", ["efficientnet_lite0"] * 2, r"generation_models\.1: .*'efficientnet_lite0'"),
        ("recognition_models", [], "recognition_models: .*'vision' .*'efficientnet_lite0'"),
        ("run", "../elsewhere", "run: '../elsewhere'"),
        ("run", "x.sha256", r"run: 'x\.sha256'.*\.sha256"),
        ("mirror", "/no/such/folder", "mirror: .*/no/such/folder"),
        ("registry.models", "config/none.yaml", "config/none.yaml: "),
        ("registry.models", "config", r"config: .*Is a directory"),
        ("people", {}, r"^configuration: people: .*own_participants$"),
        ("sed", 1, r"^configuration: .*'sed'.*'seed'.*run, seed, creator, mirror, "),
    ],
)
def test_a_name_or_file_that_is_not_there_is_named(settings, path, value, message):
    check_refused(settings, change(path, value), message)
