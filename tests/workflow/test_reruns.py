"""A change reruns what depends on it, and nothing else."""

import json
import re

import numpy as np
import pytest
import xarray as xr
import yaml
from PIL import Image

from metamers.report.pages import null_context
from metamers.run import files
from metamers.run.hashes import sha256_of
from tests.workflow.runs import SMALL, append, calls_that_do_not_count, counts, snakemake

pytestmark = pytest.mark.slow  # for the small run that they change

AFTER_COMPARISON = {
    "report_model",
    "report_pages",
    "leaderboard_ranking",
    "report_leaderboard",
    "power",
    "all",
    "total",
}

AFTER_ACCEPTANCE = {
    "compare_recognizability",
    "compare_criterion",
    "compare_error_consistency",
    "compare_predicted_human",
    "report_error_consistency",
    "report_media",
    "report_picture",
} | AFTER_COMPARISON


AFTER_RECOGNITION = {"recognize_vision_0"} | AFTER_ACCEPTANCE


AFTER_NATURAL_RECOGNITION = {"recognize_natural_vision_0"} | AFTER_RECOGNITION


AFTER_MEASURE = {"synthesize_measure", "null_acceptance"} | AFTER_ACCEPTANCE


AFTER_NULL = {"null_distribution", "null_acceptance"} | AFTER_ACCEPTANCE


AFTER_SYNTHESIS = {"synthesize_metamers", "synthesize_export"} | AFTER_MEASURE | AFTER_RECOGNITION


@pytest.mark.parametrize(
    ("changed", "reruns"),
    [
        ("scripts/synthesize/metamers.py", AFTER_SYNTHESIS),
        ("src/metamers/synthesize/metamers.py", AFTER_SYNTHESIS),
        ("scripts/synthesize/measure.py", AFTER_MEASURE),
        ("src/metamers/synthesize/measure.py", AFTER_MEASURE),
        # A new measure: its tables and figures are in the report.
        ("src/metamers/match.py", AFTER_MEASURE | AFTER_NULL | {"report_assets", "report_humans_vs_models"}),
        ("src/metamers/recognize/recognition.py", AFTER_MEASURE | AFTER_NATURAL_RECOGNITION),
        ("scripts/null/distribution.py", AFTER_NULL),
        ("scripts/recognize.py", AFTER_RECOGNITION),
        ("scripts/recognize/natural.py", AFTER_NATURAL_RECOGNITION),
        ("scripts/compare/predicted_human.py", {"compare_predicted_human"} | AFTER_COMPARISON),
        ("src/metamers/report/pages.py", {"report_pages", "all", "total"}),
        ("mine/builders.py", AFTER_SYNTHESIS | AFTER_NULL | AFTER_NATURAL_RECOGNITION),
        # An own network may import any module.
        ("src/metamers/models/cochleagram.py", AFTER_SYNTHESIS | AFTER_NULL | AFTER_NATURAL_RECOGNITION),
        (
            "mine/image_0.png",
            {"stimuli_datasets", "stimuli_export"} | AFTER_SYNTHESIS | AFTER_NULL | AFTER_NATURAL_RECOGNITION,
        ),
    ],
)
def test_a_change_of_code_or_input_reruns_what_uses_it_and_what_follows_no_more(rerun, changed, reruns):
    folder, arguments = rerun
    if changed.endswith(".png"):
        Image.new("RGB", (24, 24), "red").save(folder / changed)
    else:
        append(folder / changed)
    assert counts(snakemake(folder, "-n", *arguments)).keys() == reruns


def test_a_change_of_a_package_reruns_the_steps_that_import_from_it(rerun):
    """``metamers.null`` is imported by the two steps of that name only."""
    folder, arguments = rerun
    append(folder / "src/metamers/null/__init__.py")
    assert counts(snakemake(folder, "-n", *arguments)).keys() == AFTER_NULL


def test_only_code_that_counts_computes(root, finished):
    assert calls_that_do_not_count(root, finished[0]) == set()


SERVICES_AND_OTHER_MODALITY = (
    *("run/files", "run/manifest", "run/logs", "retrieve/__init__", "config/read", "foreign/hdf5"),
    "stimuli/speech",
)


def test_changes_of_services_and_of_another_modality_rerun_no_step_that_computes(rerun):
    folder, arguments = rerun
    for changed in SERVICES_AND_OTHER_MODALITY:
        append(folder / f"src/metamers/{changed}.py")
    computing = {
        "retrieve_collection",
        "stimuli_datasets",
        "synthesize_metamers",
        "null_distribution",
        "recognize_vision_0",
    }
    assert not computing & counts(snakemake(folder, "-n", *arguments)).keys()


@pytest.mark.parametrize("output", ["leaderboard.csv", "figures/passes.svg"])
def test_every_output_of_a_page_that_is_missing_is_made_again(rerun, output):
    folder, arguments = rerun
    (report,) = folder.glob("results/*/report")
    (report / output).unlink()
    assert "report_leaderboard" in counts(snakemake(folder, "-n", *arguments))


def test_touch_keeps_the_results_of_another_version(rerun):
    folder, arguments = rerun
    append(folder / "src/metamers/models/model.py")
    assert counts(snakemake(folder, "-n", *arguments)).keys() > AFTER_SYNTHESIS
    command = "snakemake --touch"
    snakemake(folder, *command.split()[1:], *arguments)
    assert counts(snakemake(folder, "-n", *arguments)) == {}


def test_comments_rerun_nothing(rerun):
    folder, arguments = rerun
    for script in ("src/metamers/synthesize/metamers.py", "scripts/synthesize/metamers.py"):
        append(folder / script, "\n# why\n")
    assert counts(snakemake(folder, "-n", *arguments)) == {}


def test_another_number_of_steps_reruns_synthesis_but_not_retrieval(rerun):
    folder, arguments = rerun
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["synthesis"]["quick"]["vision"]["steps"] = 31
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    jobs = counts(snakemake(folder, "-n", *arguments))
    assert jobs["synthesize_metamers"] == SMALL["synthesize_metamers"]
    assert (
        not {"retrieve_collection", "stimuli_datasets", "null_distribution", "compare_humans_vs_models"} & jobs.keys()
    )


def test_a_penalty_is_made_for_its_models_alone_and_its_function_is_an_input(rerun):
    folder, arguments = rerun
    function = folder / "mine" / "penalty.py"
    function.write_text("def dark(stimuli):\n    return stimuli.square().flatten(1).mean(dim=1)\n")
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["synthesis"]["penalty"] = {"python": "mine/penalty.py:dark", "models": ["second"]}
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    assert counts(snakemake(folder, "-n", *arguments))["synthesize_metamers"] == 3
    path = "results/small/metamers/second/block/0000.nc"
    before = files.load(folder / path)
    snakemake(folder, path, *arguments)
    made, synthesis = files.load(folder / path), files.load(folder / path.replace("/metamers/", "/synthesis/"))
    assert made.attrs["penalty"] == synthesis.attrs["penalty"] == "function mine/penalty.py:dark"
    assert "penalty" not in before.attrs
    assert (made["metamer"].mean() < before["metamer"].mean()).all()
    assert json.loads(synthesis.attrs["inputs"])["mine/penalty.py"] == sha256_of(function)
    append(function)
    assert counts(snakemake(folder, "-n", path, *arguments)) == {
        "synthesize_metamers": 1,
        "synthesize_measure": 1,
        "total": 2,
    }


def test_another_rule_of_acceptance_reruns_neither_synthesis_nor_recognition(rerun):
    folder, arguments = rerun
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["acceptance"] = {"measures": ["spearman_rho"]}
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    jobs = counts(snakemake(folder, "-n", *arguments))
    assert jobs.keys() == {"null_acceptance"} | AFTER_ACCEPTANCE
    targets = [f"results/small/acceptance/{model}.nc" for model in ("first", "second")]
    snakemake(folder, *targets, *arguments)
    for target in targets:
        with xr.open_dataset(folder / target) as acceptance:
            assert acceptance["decides"].any("stage").values.tolist() == [True, False, False]


def test_another_family_reruns_only_what_compares_recognition_models(rerun):
    folder, arguments = rerun
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    models["first"]["family"] = "another"
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    jobs = counts(snakemake(folder, "-n", *arguments))
    compared = {"compare_recognizability", "compare_criterion", "compare_error_consistency", "compare_predicted_human"}
    assert jobs.keys() == compared | {"report_error_consistency", "report_picture"} | AFTER_COMPARISON


def test_the_null_distribution_can_come_from_a_dataset_of_its_own(rerun):
    folder, arguments = rerun
    datasets = yaml.safe_load((folder / "mine/datasets.yaml").read_text())
    for number in range(3):
        Image.new("RGB", (24, 24), (40 * number, 90, 0)).save(folder / f"mine/other_{number}.png")
        image = np.asarray(Image.open(folder / f"mine/other_{number}.png")).copy()
        image[: 8 * (number + 1), :12] = 255 - image[0, 0]
        Image.fromarray(image).save(folder / f"mine/other_{number}.png")
    category = (folder / "mine/table.csv").read_text().splitlines()[1].split(",")[1]
    rows = "".join(f"other_{number}.png,{category}\n" for number in range(3))
    (folder / "mine/others.csv").write_text(f"file,category\n{rows}")
    datasets["others"] = datasets["own"] | {"table": "mine/others.csv"}
    (folder / "mine/datasets.yaml").write_text(yaml.safe_dump(datasets, sort_keys=False))
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["null"] = {"dataset": {"vision": "others"}, "pairs": 2}
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    assert counts(snakemake(folder, "-n", *arguments)).keys() == {"stimuli_datasets"} | AFTER_NULL
    targets = [f"results/small/{kind}/first.nc" for kind in ("nulls", "acceptance")]
    snakemake(folder, *targets, *arguments)
    with xr.open_dataset(folder / targets[0]) as null, xr.open_dataset(folder / targets[1]) as acceptance:
        assert set(null["distinct_pairs"].values) == {null.sizes["pair"]} == {2}
        assert int(null["paired_stimuli"]) == 3
        assert {*null["stimulus_a"].values, *null["stimulus_b"].values} == {"other_0", "other_1", "other_2"}
        shown = null_context(null, acceptance)
        assert (shown["pairs"], shown["stimuli"]) == (2, 3)
    page = (folder / "results/small/report/match.html").read_text()  # of the finished run
    assert re.search(r"\b6 \w+ of 4\b", page)


def test_the_quality_published_measures_each_pair_in_the_study_s_order(rerun):
    folder, arguments = rerun
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    path = "results/small/nulls/first.nc"
    before = files.load(folder / path)
    settings["synthesis"] |= {"quality": "published", "published": {"vision": {"steps": 3, "halvings": 1}}}
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    assert counts(snakemake(folder, path, *arguments)) == {"null_distribution": 1, "total": 1}
    null = files.load(folder / path)
    assert (null["snr_db"] <= before["snr_db"]).all()
    assert (null["snr_db"] < before["snr_db"]).any()
    for name in ("pearson_r", "spearman_rho"):
        np.testing.assert_allclose(null[name], before[name])


def test_another_device_mirror_or_unused_setting_reruns_no_step_that_computes(rerun, tmp_path):
    folder, arguments = rerun
    (tmp_path / "mirror").mkdir()
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings |= {"device": "cpu", "mirror": str(tmp_path / "mirror")}
    settings["synthesis"]["published"] = {"vision": {"steps": 7}}
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    models["first"]["accuracy"] = {"own": 0.5}
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    # The page shows the configuration, with what the run did not use; nothing else depends on it.
    assert counts(snakemake(folder, "-n", *arguments)).keys() == {"report_pages", "all", "total"}
