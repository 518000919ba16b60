"""The runs of `config/` have what they are for."""

import pytest

from metamers.config import read as config_read
from metamers.modalities import MODALITIES
from metamers.plan import plan as config
from metamers.plan.steps import merge_defaults, read_settings

# Targets that need a name, answers, or scores that a run has not.
LACKING = {"bids", "crate", "leaderboard_entries", "brainscore", "brainscore_score"}

pytestmark = pytest.mark.usefixtures("in_the_repository")


def test_the_default_run_can_make_every_target_that_needs_no_model_or_people_of_one_s_own(default):
    assert config.make_plan(default).unavailable.keys() == {"model_card", *LACKING}
    assert config.make_plan(default | {"model": "spectemp"}).unavailable.keys() == LACKING


def test_the_default_run_has_every_part_of_the_workflow_in_both_senses(default):
    plan = config.make_plan(default)
    for modality in MODALITIES:
        models = [model for model in plan.generation_models if plan.models[model].modality == modality]
        assert len(models) == 2
        recognition_models = [plan.other_recognition_models(model) for model in models]
        assert all(len(others) == 2 for others in recognition_models)
    # A model of another family than both recognizes the metamers of the remedy.
    assert plan.settings.comparison.contrasts == [["cochcnn9_adversarial", "cochcnn9_standard"]]
    assert plan.families["cochresnet50_standard"] not in {
        plan.families[model] for model in plan.settings.comparison.contrasts[0]
    }
    assert {made.part for made in plan.beyond.sets.values()} == {"starts"}


def test_the_extended_run_has_more_of_everything_than_the_default_run(root, default):
    given = config_read.read_yaml(root / "config" / "extended.yaml")
    extended, brief = config.make_plan(merge_defaults(given)), config.make_plan(default)
    assert extended.settings.run == "extended"
    assert extended.unavailable.keys() == {"model_card", *LACKING}
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


def test_the_run_of_digits_trains_five_networks_in_each_of_three_ways_and_has_recognition_models_of_other_families(
    root,
):
    path = root / "config" / "digits.yaml"
    plan = config.make_plan(merge_defaults(config_read.read_yaml(path)), [path])
    kinds = {name: (how.perturbation or {}).get("kind") for name, how in plan.training.items()}
    recognition_models = {"digits_resnet18", "digits_mobilenet"}
    for arm, kind in (("standard", None), ("adversarial", "adversarial"), ("random", "random")):
        alike = plan.retrained(f"digits_{arm}")
        assert alike == [f"digits_{arm}", *(f"digits_{arm}_{number}" for number in range(2, 6))]
        assert {kinds[name] for name in alike} == {kind}
        assert [plan.target_of(name, "final") for name in alike] == [0.02] * 5
    assert len({how.seed for how in plan.training.values()}) == len(plan.training) == 17
    assert set(plan.training) - set(plan.generation_models) == recognition_models
    assert len({plan.models[name].parameters["source"]["metamers"] for name in plan.generation_models}) == 1
    families = [plan.families[name] for name in recognition_models]
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


@pytest.mark.hostile("steps, seeds, pairs, sizes …")
def test_the_whole_study_is_within_the_bounds(root):
    study = merge_defaults(config_read.read_yaml(root / "config" / "paper.yaml"))
    study["null"]["pairs"] = 1_000_000  # more than the pairs of its 400 stimuli
    read_settings(study)
    published = study["synthesis"]["published"]
    assert all(one["steps"] * (one["halvings"] + 1) == 24_000 for one in published.values())
