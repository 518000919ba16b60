"""The models and stages of the studies; wrong settings of the studies end with a message before a job starts."""

import copy

import pytest

from metamers.names import ConfigurationError
from metamers.plan.plan import make_plan
from metamers.plan.steps import merge_defaults
from metamers.plan.targets import check_targets
from studies.plan import plan_studies
from studies.settings import StudySettings, study_settings
from studies.tests.plans import planned

ONLY_INPUT = {
    "generation_models": [{"model": "efficientnet_lite0", "stages": ["input"]}],
    "recognition_models": ["efficientnet_lite0", "efficientnet_lite1"],
    "comparison": {"contrasts": []},
}


WITHOUT_TARGET = {"synthesis": {"quality": "quick", "target": {"normalized_error": {"vision": None}}}}


def convergence(closest=None, **more):
    """``benchmark.convergence`` among the studies' settings."""
    return {"convergence": {"closest": closest or {"efficientnet_lite0": {"logits": 0.05}}} | more}


@pytest.fixture(autouse=True)
def _in_the_repository(root, monkeypatch):
    monkeypatch.chdir(root)


def test_the_benchmark_takes_two_architectures_of_each_modality_and_stages_from_first_to_last(root):
    plan, studies = planned(root, "benchmark")
    stages = studies.benchmark_stages
    long = ["cochcnn9_standard_long", "cochresnet50_standard_long"]
    assert list(stages) == ["efficientnet_lite0", "efficientnet_lite1", *long]
    assert stages["efficientnet_lite0"] == ["block_1", "block_5", "block_11", "block_16", "logits"]
    assert stages["cochresnet50_standard_long"] == ["cochleagram", "layer2", "final"]
    plan.check_target("benchmark")
    standard, _ = planned(root, "benchmark", synthesis={"quality": "standard"})
    standard.check_target("benchmark")


def test_a_model_of_which_only_the_input_is_generated_is_not_timed(root):
    assert planned(root, "benchmark", **ONLY_INPUT)[1].benchmark_stages == {}
    with pytest.raises(ConfigurationError, match=r"benchmark\.models\.0: 'efficientnet_lite0'"):
        planned(root, "benchmark", {"models": ["efficientnet_lite0"]}, **ONLY_INPUT)


def test_the_benchmark_of_graphics_cards_has_five_networks_at_three_stages_each(root):
    plan, studies = planned(root, "gpu")
    plan.check_target("gpu_benchmark")
    sources = {next(iter(plan.models[model].source.values())) for model in studies.standard_stages}
    assert sources == {"resnet50", "vit_base_patch16_224", "tf_efficientnet_lite0", "coch_cnn9", "coch_resnet50"}
    assert {len(stages) for stages in studies.standard_stages.values()} == {3}
    assert {model: stages[1:] for model, stages in plan.generation_models.items()} == studies.standard_stages


def test_stages_with_a_schedule_are_compared_only_if_the_published_procedure_takes_all_its_steps(root):
    models = {"generation_models": ["spectemp"], "recognition_models": ["spectemp", "cochcnn9_standard"]}
    models["comparison"] = {"contrasts": []}
    _, studies = planned(root, "benchmark", **models)
    assert studies.standard_stages == {"spectemp": ["cochleagram", "avgpool", "final"]}
    _, studies = planned(root, "benchmark", {"standard": {"passes": [3000]}}, **models)
    assert {"filtered_signal", "spectempfilter_power"} < set(studies.standard_stages["spectemp"])


@pytest.mark.parametrize(
    ("changed", "settings", "target", "message"),
    [
        (ONLY_INPUT, {}, "benchmark", r"benchmark\.models: .* efficientnet_lite0\b"),
        (ONLY_INPUT, {}, "standard_match", r"generation_models: .* efficientnet_lite0\b"),
        (ONLY_INPUT, {}, "equivalence", r"generation_models: .* efficientnet_lite0\b.* efficientnet_lite1\b"),
        ({}, {}, "gpu_benchmark", r"generation_models: .*random: SEED.* efficientnet_lite0, "),
        (ONLY_INPUT, {}, "gpu_benchmark", r"generation_models: .* efficientnet_lite0\.$"),
        ({}, {"standard": {"passes": [375, 94]}}, "standard_match", r"benchmark\.standard\.passes: .*\[375, 94\]"),
        ({}, {"standard": {"passes": [94, 3001]}}, "standard_match", r"benchmark\.standard\.passes: 3001 .* 3000\b"),
        ({}, {"standard": {"passes": [94]}}, "standard_match", r"benchmark\.standard\.passes: .*\b94\b"),
        ({"synthesis": {"quality": "published"}}, {}, "equivalence", r"synthesis\.quality: 'published'.*'converged'"),
        ({"synthesis": {"quality": "published"}}, {}, "benchmark", r"synthesis\.quality: 'published'.*'quick' or 'standard'"),
        ({}, {"qualities": ["standard"]}, "benchmark", r"benchmark\.qualities: .*standard.*'quick'"),
        (WITHOUT_TARGET, {"qualities": ["quick", "converged"]}, "benchmark", r"synthesis\.target: .*efficientnet_lite0, block_1.*'converged'"),
        ({}, {}, "convergence", r"benchmark\.convergence\.closest: "),
        ({}, convergence({"efficientnet_lite9": {"logits": 0.1}}), "convergence", r"benchmark\.convergence\.closest: .*'efficientnet_lite9'"),
        ({}, convergence({"efficientnet_lite0": {"input": 0.1}}), "convergence", r"benchmark\.convergence\.closest\.efficientnet_lite0: .*'input'"),
        ({}, convergence(published={"efficientnet_lite0": ["block_5"]}), "convergence", r"benchmark\.convergence\.published\.efficientnet_lite0: .*'block_5'.*: logits"),
    ],
)  # fmt: skip
def test_a_study_that_is_not_possible_is_an_error_only_if_it_is_requested(root, changed, settings, target, message):
    plan, _ = planned(root, "benchmark", settings, **changed)
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        plan.check_target(target)


def test_what_is_not_set_has_its_default():
    standard = study_settings({"standard": {"stimuli": 3}}).standard
    assert standard.model_dump() == {"passes": [94, 375], "stimuli": 3}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("benchmark", "benchmark"),
        ("steps", "benchmark"),
        ("gpu", "gpu_benchmark"),
        *((n, n) for n in ("standard_match", "equivalence", "convergence")),
    ],
)
def test_every_committed_configuration_can_make_its_study(root, name, target):
    planned(root, name)[0].check_target(target)


def test_the_default_run_lacks_what_studies_of_a_known_number_of_steps_need():
    config = merge_defaults({})
    plan = make_plan(config)
    with_studies, _ = plan_studies({}, plan)
    unavailable = {"benchmark", "gpu_benchmark", "convergence"}
    assert with_studies.unavailable.keys() - plan.unavailable.keys() == unavailable


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"repeats": 1}, r"\.repeats: 1 .* 2 to 1000"),
        ({"models": "x"}, r"\.models: 'x'"),
        (3, r": 3 "),
        ({"standard": {"passes": []}}, r"\.standard\.passes: "),
        ({"margin": 1}, r": .*'margin'"),
        ({"most_steps": 1}, r"\.most_steps: 1 .* 10 to 1000000"),
        ({"qualities": ["published"]}, r"\.qualities\.0: 'published' .*quick"),
        ({"convergence": {"closest": {"a": {}}}}, r"\.convergence\.closest\.a: "),
        ({"convergence": {"errors": {"vision": [2]}}}, r"\.convergence\.errors\.vision\.0: 2 .* 0 .* 1\b"),
        ({"equivalence": {"looser": 1}}, r"\.equivalence\.looser: 1 "),
        ({"equivalence": {"versions": {}}}, r"\.equivalence: .*'versions'"),
    ],
)
def test_a_wrong_setting_is_named(settings, message):
    with pytest.raises(ConfigurationError, match=f"^configuration: benchmark{message}"):
        study_settings(settings)


def mappings(data, path=()):
    """Every mapping in some settings, with the keys that lead to it."""
    if isinstance(data, dict):
        yield path, data
        for key, value in data.items():
            yield from mappings(value, (*path, key))


def test_an_unknown_key_anywhere_is_answered_with_the_list():
    defaults = StudySettings().model_dump()
    own_names = [("convergence", "closest"), ("convergence", "published")]
    for path, mapping in mappings(defaults):
        if path in own_names or not mapping:
            continue
        changed = copy.deepcopy(defaults)
        part = changed
        for key in path:
            part = part[key]
        part["nokey"] = 1
        with pytest.raises(ConfigurationError, match=rf"{path[-1] if path else 'benchmark'}: .*'nokey'"):
            study_settings(changed)


def test_a_key_of_the_studies_is_refused_by_the_workflow_with_its_place():
    with pytest.raises(ConfigurationError, match=r"^configuration: benchmark: .*studies/Snakefile"):
        make_plan(merge_defaults({"benchmark": {"repeats": 3}}))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("convergence/nonsense/efficientnet_lite0/logits", "'nonsense'.*: to_target, published"),
        ("match/efficientnet_lite0/blok_1", "'blok_1'.*'block_1'"),
        ("standard/efficientnet_lite0/input", r"'input'.*: block_1, .*logits\.$"),
        ("equivalence/efficientnet_lite0/block_5", "'block_5'.* generation_models"),
        ("equivalence/efficientnet_lite1/block_1", "'efficientnet_lite1'"),
        ("equivalence_recognition/efficientnet_lite1", "'efficientnet_lite1'"),
        ("convergence/to_target/efficientnet_lite0/logits", "'efficientnet_lite0'.*: none"),
    ],
)
def test_a_wrong_part_of_a_path_is_named_with_the_nearest(root, target, message):
    models = [{"model": "efficientnet_lite0", "stages": ["input", "block_1", "logits"]}]
    two = ["efficientnet_lite0", "efficientnet_lite1"]
    compared = {"generation_models": models, "recognition_models": two, "comparison": {"contrasts": []}}
    plan, studies = planned(root, "benchmark", **compared)
    with pytest.raises(ConfigurationError, match=message):
        check_targets(plan, [f"results/{plan.settings.run}/benchmark/{target}.nc"], [], studies.stages_of_paths)


def test_the_workflow_leaves_paths_of_studies_to_the_studies_and_names_them_where_it_is_alone(root):
    plan, studies = planned(root, "benchmark")
    paths = [
        f"results/{plan.settings.run}/benchmark/{kind}/efficientnet_lite0/block_1.nc" for kind in ("match", "standard")
    ]
    check_targets(plan, paths)  # the workflow's own check, before that of the studies
    check_targets(plan, [*paths, "benchmark"], ["benchmark"], studies.stages_of_paths)
    for target in (*paths, "benchmark", "simulations"):
        with pytest.raises(ConfigurationError, match=rf"{target}\b.*--snakefile studies/Snakefile"):
            check_targets(plan, [target], ["all"])


def test_stages_of_models_that_are_not_timed_pass(root):
    """`make benchmark` times the first model of each of two architectures; other studies have all models."""
    plan, studies = planned(root, "gpu")
    for kind in ("gpu", "standard"):
        check_targets(plan, [f"results/gpu/benchmark/{kind}/gpu_vit_b_16/logits.nc"], [], studies.stages_of_paths)
        with pytest.raises(ConfigurationError, match=r"'input'.*: .*logits"):
            check_targets(plan, [f"results/gpu/benchmark/{kind}/gpu_vit_b_16/input.nc"], [], studies.stages_of_paths)


def test_networks_of_a_study_have_their_classes_in_one_table(monkeypatch):
    plan = make_plan(merge_defaults({}))
    monkeypatch.setattr(type(plan), "categories_of", lambda _, name: f"{name}.csv")
    with pytest.raises(ConfigurationError, match=r"^datasets: imagenet_photographs: .* efficientnet_lite0\.csv, "):
        plan_studies({}, plan)
