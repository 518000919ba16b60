"""Models and stages of sensitivities and metamer sets follow from their settings."""

import pytest

from metamers.plan import plan as config
from tests.configurations import change, check_refused, with_input_stages_only

SENSITIVITY = {"depths": [0.5, 1], "stimuli": 2, "iterations": 5, "length": {"vision": 0.1, "audio": 0.02}}
METAMER_SETS = {"depths": [0.5, 1], "stimuli": 2, "steps": 20, "tolerance": 0.05, "singular_values": 8}


@pytest.fixture
def alone(settings):
    """A run without contrasts and analyses."""
    settings["comparison"]["contrasts"] = []
    settings["analyses"] = dict.fromkeys(settings["analyses"])
    return settings


def test_metamer_sets_are_explored_with_the_explored_model_first(settings):
    settings["beyond"]["metamer_sets"] = METAMER_SETS
    found = config.make_plan(settings).beyond.metamer_sets["vision"]
    assert found.generation_models == ["efficientnet_lite0", "efficientnet_lite1"]
    of_model = found.of_model("efficientnet_lite1")
    assert list(of_model["stages"]) == ["efficientnet_lite1", "efficientnet_lite0", "efficientnet_lite2"]
    assert set(of_model) == {*METAMER_SETS, "stages"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (with_input_stages_only, r"^beyond\.metamer_sets: .*'input'"),
        (
            lambda settings: settings.update(recognition_models=[name for name in settings["recognition_models"] if "coch" not in name]),
            r"^beyond\.metamer_sets: '.*' .*'audio'.*`metamer_sets: null`",
        ),
        (change("beyond.metamer_sets.tolerance", 1), r"^configuration: beyond\.metamer_sets\.tolerance: 1 .* 0\.01 .* 1$"),
        (change("beyond.metamer_sets.tolerance", 0.001), r"^configuration: beyond\.metamer_sets\.tolerance: 0\.001 .* 0\.01"),
        (change("stimuli.vision.number", 1), r"^stimuli\.vision\.number: 1, .*beyond\.metamer_sets .* 2\b"),
        (change("beyond.metamer_sets.steps", 0), r"^configuration: beyond\.metamer_sets\.steps: 0 .* 10 to 100000"),
        (change("synthesis.quick.vision", None), r"^synthesis\.quick\.vision: .*null"),
        (change("beyond.metamer_sets.singular_values", 1.5), r"^configuration: beyond\.metamer_sets\.singular_values: 1\.5 .* 1 to 1000"),
    ],
)  # fmt: skip
def test_metamer_sets_that_cannot_be_explored_are_an_error(alone, changed, message):
    alone["beyond"] |= {"models": [], "metamer_sets": dict(METAMER_SETS)}
    check_refused(alone, changed, message)


def test_a_modality_without_a_length_of_exported_distortions_is_an_error(settings):
    settings["beyond"]["sensitivity"] = SENSITIVITY | {"length": {"audio": 0.02, "vision": None}}
    check_refused(settings, lambda _: None, r"^beyond\.sensitivity\.length\.vision: ")


def test_sensitivities_are_those_of_all_models_of_a_modality_at_relative_depths(settings):
    settings["beyond"]["sensitivity"] = SENSITIVITY | {"depths": [0.5, 0.51, 1]}
    found = config.make_plan(settings).beyond.sensitivity["vision"]
    assert found.generation_models == ["efficientnet_lite0", "efficientnet_lite1"]
    # The third network makes no metamers; it only recognizes.
    assert list(found.stages) == [*found.generation_models, "efficientnet_lite2"]
    assert found.depths == [0.5, 1]
    assert [stages[-1] for stages in found.stages.values()] == ["logits"] * 3
    assert len(found.stimuli) == 2


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (with_input_stages_only, r"^beyond\.sensitivity: .*'input'"),
        (
            lambda settings: settings.update(recognition_models=[name for name in settings["recognition_models"] if "coch" not in name]),
            r"^beyond\.sensitivity: '.*' .*'audio'",
        ),
        (change("beyond.sensitivity.iterations", 0), r"^configuration: beyond\.sensitivity\.iterations: 0 .* 1 to 10000"),
        (change("beyond.sensitivity.length.audio", 0), r"^configuration: beyond\.sensitivity\.length\.audio: 0 .* 1\b"),
    ],
)  # fmt: skip
def test_sensitivities_that_cannot_be_compared_are_an_error(alone, changed, message):
    alone["beyond"]["sensitivity"] = SENSITIVITY | {"length": dict(SENSITIVITY["length"])}
    check_refused(alone, changed, message)
