"""Groups of own participants, and the tests of the published experiments' registry."""

import pytest

from metamers.humans import settings as plan_participants
from metamers.names import ConfigurationError
from metamers.plan import plan as config
from metamers.plan import targets as plan_targets
from tests.configurations import ADAPTIVE, change, check_refused, with_registry


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
    with pytest.raises(ConfigurationError, match=r"own_participants.*`snakemake preregister`"):
        plan_targets.check_targets(plan, ["preregister", "humans"])
    for target in ("brainscore", "brainscore_score"):
        assert "(mine)" in plan.unavailable[target]
    assert "adaptive" not in config.make_plan(settings).unavailable["brainscore"]


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
    with pytest.raises(ConfigurationError, match=r"own_participants\.mine\.answers: .*/no\b"):
        plan_participants.answer_files("mine", tmp_path / "no")
    assert plan.own_comparisons == {
        "mine": {"cochcnn9_adversarial and cochcnn9_standard": ["cochcnn9_adversarial", "cochcnn9_standard"]}
    }
    assert plan.own_stage_effects == {"mine": {model: [] for model in chosen}}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "own_participants",
            {"visual-1": {"modality": "vision", "answers": "."}},
            r"own_participants\.visual-1: 'visual-1'",
        ),
        (
            "own_participants",
            {"../x": {"modality": "vision", "answers": "."}},
            r"own_participants\.\.\./x: '\.\./x'",
        ),
        (
            "own_participants",
            {"mine": {"modality": "touch", "answers": "."}},
            r"own_participants\.mine\.modality: 'touch'",
        ),
    ],
)
def test_a_wrong_group_of_own_participants_is_named(settings, path, value, message):
    check_refused(settings, change(path, value), message)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (change("comparisons.visual-9", {"a": ["alexnet", "resnet50"]}), r"comparisons: .*'visual-9'"),
        (change("comparisons.visual-1", {"a": ["alexnet", "resnet"]}), r"comparisons\.visual-1: .*'resnet'.*'resnet50'"),
        (change("comparisons.visual-1", {"a": ["alexnet", "resnet50"]}), r"visual-1\.a: AlexNet .*9.*ResNet50 .*8 "),
        (change("comparisons.visual-1", {"AlexNet": ["resnet50", "resnet101"]}), r"visual-1\.AlexNet: "),
        (change("comparisons.visual-1", {"a": ["alexnet"]}), r"comparisons\.visual-1\.a: .*\['alexnet'\]"),
        (change("stage_effects.visual-6", {"hmax_standard": ["last"]}), r"stage_effects\.visual-6\.hmax_standard: .*'last'"),
        (change("stage_effects.visual-6", {"hmax_standard": ["s1", "c1", "s2", "c2", "final"]}), r"stage_effects\.visual-6\.hmax_standard: .*s1, c1, s2, c2, final"),
    ],
)  # fmt: skip
def test_a_wrong_comparison_of_the_human_experiments_is_named(settings, tmp_path, changed, message):
    with pytest.raises(ConfigurationError, match=message):
        config.make_plan(with_registry(settings, tmp_path, "experiments", changed))
