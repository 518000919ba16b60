"""Contrasts are of models that can be compared, each with the networks that differ from it in the seed only."""

import pytest

from metamers.config import read as config_read
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults
from tests.configurations import change, check_refused, of_digits

pytestmark = pytest.mark.usefixtures("in_the_repository")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("comparison.contrasts", [["cochcnn9_adversarial", "cochcnn9"]], r"comparison\.contrasts\.0: .*'cochcnn9'"),
        ("comparison.contrasts", [["spectemp", "efficientnet_lite0"]], r"comparison\.contrasts\.0: .*spectemp.*lite0"),
        (
            "recognition_models",
            ["efficientnet_lite0", "cochcnn9_adversarial", "cochcnn9_standard"],
            r"comparison\.contrasts\.0: .*'audio'",
        ),
    ],
)
def test_a_contrast_that_cannot_be_made_is_named(settings, path, value, message):
    check_refused(settings, change(path, value), message)


def test_models_that_share_no_stage_are_not_contrasted(settings):
    chosen = [
        {"model": "cochcnn9_adversarial", "stages": ["relu1"]},
        {"model": "cochcnn9_standard", "stages": ["final"]},
    ]
    settings |= {"generation_models": chosen}
    settings["comparison"]["contrasts"] = [["cochcnn9_adversarial", "cochcnn9_standard"]]
    with pytest.raises(
        ConfigurationError, match=r"comparison\.contrasts\.0: .*cochcnn9_adversarial.*cochcnn9_standard"
    ):
        config.make_plan(settings)


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


def test_networks_with_and_without_a_penalty_do_not_count_together(root):
    penalty = {"range": 1, "models": ["digits_standard", "digits_standard_2"]}
    plan = of_digits(root, synthesis={"penalty": penalty})
    assert plan.retrained("digits_standard") == penalty["models"]
    assert plan.retrained("digits_standard_3") == [f"digits_standard_{number}" for number in (3, 4, 5)]


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
    with pytest.raises(ConfigurationError, match=r"contrasts\.1: digits_adversarial_2 .*digits_standard_3\b"):
        of_digits(root, comparison={"contrasts": pairs})
