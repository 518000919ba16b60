"""Qualities, targets and batches of synthesis follow from its settings."""

import re

import pytest
import yaml

from metamers.config import read as config_read
from metamers.match import MEASURES
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.steps import configuration_schema, declared_files, merge_defaults
from metamers.synthesize.optimizers import OPTIMIZERS
from metamers.synthesize.qualities import QUALITIES
from tests.configurations import change, check_refused, of_digits
from tests.documentation import blocks, pages

pytestmark = pytest.mark.usefixtures("in_the_repository")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("synthesis.quick.vision.learning_rate", float("inf"), "synthesis: quick: vision: learning_rate: inf"),
        ("synthesis.quick.audio", None, r"synthesis\.quick\.audio: "),
        (
            "synthesis.target.stages",
            {"efficientnet_lite0": {"blok_5": 0.1}},
            r"synthesis\.target\.stages\.efficientnet_lite0: .*'blok_5'.*block_5",
        ),
        (
            "synthesis.target.stages",
            {"efficientnet_lite9": {"block_5": 0.1}},
            r"synthesis\.target\.stages: .*'efficientnet_lite9'",
        ),
        ("synthesis.penalty.python", "blur.py:blur", r"^synthesis\.penalty\.python: .*blur\.py$"),
        (
            "synthesis.penalty",
            {"range": 1, "python": "tests/networks/tiny.py:linear"},
            r"^synthesis\.penalty\.python: .*synthesis\.penalty\.range",
        ),
        ("synthesis.penalty.models", ["efficientnet_lite0"], r"^synthesis\.penalty\.models: "),
        (
            "synthesis.penalty",
            {"range": 1, "models": ["efficientnet_lite0", "resnet50"]},
            r"^synthesis\.penalty\.models\.1: .*'resnet50'.*efficientnet_lite0",
        ),
    ],
)
def test_a_key_that_does_not_fit_the_others_is_named(settings, path, value, message):
    check_refused(settings, change(path, value), message)


def test_a_quality_with_a_target_needs_one_for_each_modality_and_stages_may_have_their_own(settings):
    assert config.make_plan(settings).target_error_of("efficientnet_lite0", "block_5") is None
    change("synthesis.quality", "converged")(settings)
    change("synthesis.target", {"normalized_error": {"vision": 0.1, "audio": None}, "stages": {}})(settings)
    with pytest.raises(ConfigurationError, match=r"synthesis\.target\.normalized_error\.audio: "):
        config.make_plan(settings)
    of_stages = {"efficientnet_lite0": {"block_5": 0.02}}
    change("synthesis.target", {"normalized_error": {"vision": 0.1, "audio": 0.01}, "stages": of_stages})(settings)
    plan = config.make_plan(settings)
    assert plan.target_error_of("efficientnet_lite0", "block_5") == 0.02
    assert plan.target_error_of("efficientnet_lite0", "block_1") == 0.1
    assert plan.target_error_of("cochcnn9_standard", "relu1") == 0.01


def test_a_penalty_is_that_of_the_named_models_and_of_several_together_if_each_has_it(settings):
    plan = config.make_plan(settings)
    assert plan.penalties == {}
    assert plan.metamer_settings("efficientnet_lite0") == plan.synthesis_of("efficientnet_lite0")
    change("synthesis.penalty", {"range": 1, "models": ["efficientnet_lite0"]})(settings)
    plan = config.make_plan(settings)
    assert [*plan.penalties] == ["efficientnet_lite0"]
    assert plan.metamer_settings("efficientnet_lite0")["penalty"] == {"range": 1}
    assert plan.penalty_of("efficientnet_lite1") == plan.penalty_of("efficientnet_lite0", "efficientnet_lite1") == {}
    change("synthesis.penalty.models", None)(settings)
    assert list(config.make_plan(settings).penalties) == list(plan.generation_models)


def test_the_example_of_the_documentation_compares_one_network_with_and_without_a_penalty(root):
    ((_, example),) = [block for block in blocks(pages()["docs/explanation/metamers.md"]) if "penalty" in block[1]]
    default_run = config_read.read_yaml(root / "config" / "config.yaml")
    plan = config.make_plan(merge_defaults(default_run | yaml.safe_load(example)))
    assert [*plan.penalties] == ["lite0_smooth"]
    assert plan.penalty_of("lite0_smooth") == {"total_variation": 10, "range": 0.5}
    assert plan.sides_of_contrasts == [(["lite0_smooth"], ["efficientnet_lite0"])]
    with_penalty, without = (plan.models[name] for name in ("lite0_smooth", "efficientnet_lite0"))
    for field in ("source", "input", "family"):
        assert getattr(with_penalty, field) == getattr(without, field)
    assert with_penalty.weights == {key: without.weights[key] for key in with_penalty.weights}
    assert with_penalty.stages.items() <= without.stages.items()


def test_own_targets_of_a_retrained_network_come_before_those_of_the_named_one(root):
    stages = {"digits_standard": {"final": 0.02, "relu0": 0.05}, "digits_standard_2": {"relu0": 0.04}}
    plan = of_digits(root, synthesis={"target": {"stages": stages}})
    assert [plan.target_of("digits_standard_2", stage) for stage in ("relu0", "relu1", "final")] == [0.04, 0.07, 0.02]
    assert plan.target_of("digits_random", "final") == 0.07


@pytest.mark.parametrize(("quality", "device", "size"), [("published", "auto", 12), ("published", "cuda", 100)])
def test_a_job_has_the_stimuli_of_its_device(settings, quality, device, size):
    changed = {"synthesis": settings["synthesis"] | {"quality": quality, "batch_size": "auto"}, "device": device}
    plan = config.make_plan(settings | changed)
    for model in plan.generation_models:
        names = plan.stimuli_of(model)
        assert next(iter(plan.batches[model].values())) == names[:size]


def test_qualities_and_optimizers_in_the_schema_are_those_of_the_library():
    synthesis = configuration_schema()["properties"]["synthesis"]["properties"]
    assert synthesis.keys() >= QUALITIES.keys()
    optimizer = synthesis["quick"]["properties"]["vision"]["properties"]["optimizer"]
    for key, names in ((synthesis["quality"], QUALITIES), (optimizer, OPTIMIZERS)):
        assert key["enum"] == list(names) == re.split(", | or ", key["description"])
    variables = declared_files()["metamers/<generation_model>/<stage>/<batch>.nc"].dimensions
    assert {name: variables[name] for name in MEASURES} == dict.fromkeys(MEASURES, "stimulus, seed")
