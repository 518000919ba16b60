"""A target that the run cannot make is an error with the wrong name and the nearest valid one."""

import pytest
from snakemake.cli import get_argument_parser

from metamers.names import ConfigurationError
from metamers.plan.plan import make_plan
from metamers.plan.steps import merge_defaults
from metamers.plan.targets import check_targets, requested_targets

RULES = ["all", "leaderboard", "report", "experiment"]


@pytest.fixture(scope="module")
def plan(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        settings = merge_defaults({})
        models = [{"model": "efficientnet_lite0", "stages": ["input", "block_1", "block_3", "logits"]}]
        settings |= {"generation_models": models, "recognition_models": ["efficientnet_lite0", "efficientnet_lite1"]}
        settings["comparison"]["contrasts"] = []
        yield make_plan(settings)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("metamers/efficientnet_lite0/blok_3/0000.nc", r"blok_3/0000\.nc: .*'blok_3'.*'block_3'.* input, block_1, block_3, logits\.$"),
        ("metamers/efficientnet_lite0/block_5/0000.nc", r"stage 'block_5'.* efficientnet_lite0 .*'block_5'.*generation_models"),
        ("metamers/efficientnet_lite/block_3/0000.nc", r"generation model 'efficientnet_lite'.*'efficientnet_lite0'"),
        ("metamers/resnet50/layer1/0000.nc", r"generation model 'resnet50'.*'resnet50'.*generation_models"),
        ("metamers/efficientnet_lite0/block_3/0007.nc", r"batch '0007'.* 0000"),
        ("acceptance/typo.nc", r"generation model 'typo'.* efficientnet_lite0\.$"),
        ("recognition/efficientnet_lite0/efficientnet_lite2.nc", "recognition model 'efficientnet_lite2'"),
        ("stimuli/imagenet_fotographs.nc", "dataset 'imagenet_fotographs'.*'imagenet_photographs'"),
        ("exported/metamers/effnet", "generation model 'effnet'"),
        ("humans/visual-99.nc", "experiment 'visual-99'.*'visual-"),
        ("training/efficientnet_lite0.nc", "model 'efficientnet_lite0'.* none"),
    ],
)  # fmt: skip
def test_a_wrong_part_of_a_path_is_named_with_the_nearest(plan, target, message):
    for start in ("", "./"):
        with pytest.raises(ConfigurationError, match=message):
            check_targets(plan, ["all", f"{start}results/{plan.settings.run}/{target}"], RULES)


def test_targets_of_the_run_pass(plan):
    made = [
        "metamers/efficientnet_lite0/block_3/0000.nc", "recognition/efficientnet_lite0/efficientnet_lite1.nc",
        "comparison/recognizability.nc", "report/index.html", "stimuli/imagenet_photographs.nc",
        "exported/datasets/imagenet_photographs", "experiment/vision", "experiment/vision.nc", "humans/visual-1.nc",
    ]  # fmt: skip
    check_targets(plan, ["all", "report", *(f"results/{plan.settings.run}/{path}" for path in made)], RULES)
    check_targets(plan, ["results/other/metamers/typo/x/0000.nc", "elsewhere.txt"], RULES)


def test_a_misspelt_rule_is_answered_with_the_right_name(plan, root, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(ConfigurationError, match=r"'leaderbord'.*'leaderboard'"):
        check_targets(plan, ["leaderbord"], RULES)
    check_targets(plan, ["leaderbord"])  # in a workflow that loads this one, rules may have that name
    check_targets(plan, ["something", "README.md"], RULES)  # left to Snakemake


def test_a_target_that_the_configuration_cannot_make_is_refused_before_the_plan_of_jobs(plan):
    with pytest.raises(ConfigurationError, match="own_participants: "):
        check_targets(plan, ["humans", "bids"], [*RULES, "humans", "bids"])
    check_targets(plan, ["bids"])  # of another workflow, which loads this one


def test_targets_are_read_from_the_call_of_snakemake_only():
    parser = get_argument_parser()
    call = ["--cores", "2", "--config", "run=mine", "--", "report", "a/b.nc"]
    assert requested_targets(["/bin/snakemake", *call], parser) == ["report", "a/b.nc"]
    assert requested_targets(["/lib/snakemake/__main__.py", "-n"], parser) == []
    assert requested_targets(["/bin/pytest", "report"], parser) == []
    assert requested_targets(["/bin/snakemake", "--no-such-option"], parser) == []
