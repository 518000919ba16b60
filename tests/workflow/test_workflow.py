"""The workflow for its users: planned jobs and results."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from functools import cache

import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml
from PIL import Image

from metamers.run import files, manifest
from metamers.run.hashes import sha256_of
from metamers.run.logs import read_written
from tests.workflow.runs import (
    SMALL,
    check_conventions,
    check_every_file,
    copy_of,
    counts,
    library_of,
    small,
    snakemake,
)

STAGES = ["input", "block", "logits"]


def test_the_run_is_packed_as_a_crate(rerun):
    """Without network, as here, the archive is written, and the log says that it was not validated."""
    folder, arguments = rerun
    assert counts(snakemake(folder, "-n", "crate", *arguments)) == {"crate": 1, "total": 1}
    snakemake(folder, "crate", *arguments)
    with zipfile.ZipFile(folder / "results/small.crate.zip") as archive:
        names = set(archive.namelist())
        described = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
        assert yaml.safe_load(archive.read("configuration.yaml"))["run"] == "small"
    recorded = {f"results/{name}" for name in manifest.read(folder / "results/small").recorded}
    written = {name for name in recorded if "/logs/" not in name and "/benchmarks/" not in name}
    assert written <= names
    assert {"Snakefile", "results/small/report/index.html", "src/metamers/crate.py"} <= names
    files_of_crate = {one["@id"] for one in described if "File" in one["@type"]}
    assert files_of_crate == names - {"ro-crate-metadata.json", "ro-crate-preview.html"}
    log = (folder / "results/small/logs/crate.log").read_text()
    assert "valid: Workflow Run RO-Crate 0.5" in log or "not validated" in log
    assert not list((folder / "results").glob(".small*-*"))  # no scratch folder is left


@pytest.fixture(scope="module")
def planned(root, tmp_path_factory):
    """Function: the output of a dry run with these arguments in a copy of the repository, made once."""
    folder = copy_of(root, tmp_path_factory.mktemp("planned"))
    return cache(lambda *arguments: snakemake(folder, "-n", *arguments))


def expected_cost(output):
    """Core hours, GPU hours and gigabytes on the last line of a dry run."""
    last = output.splitlines()[-1]
    amounts = {unit: float(number.replace(",", "")) for number, unit in re.findall(r"([\d,.]+) (core|GPU|GB)\b", last)}
    return amounts["core"], amounts["GPU"], amounts["GB"]


def test_the_default_run(planned):
    output = planned()
    core_hours, gpu_hours, gigabytes = expected_cost(output)
    assert 0.2 < core_hours < 0.8  # a finished run took 0.4
    assert gpu_hours == 0
    assert 0.15 < gigabytes < 0.5  # of which its files take 0.23
    jobs = counts(output)
    seeing, hearing = 2, 2  # generation models
    seeing_models, hearing_models = 3, 3
    stages = 4 + 3 + 4 + 4
    each = dict.fromkeys(
        (
            "synthesize_export",
            "null_distribution",
            "null_acceptance",
            "report_model",
            "report_media",
        ),
        seeing + hearing,
    )
    assert jobs == each | {
        "all": 1,
        "retrieve_collection": 1 + seeing_models,  # photographs, and weights of networks that see
        "stimuli_datasets": 2,
        "stimuli_export": 2,
        "train_examples": 1,
        "train_model": hearing_models,
        "train_test": hearing_models,
        "synthesize_metamers": stages,
        "synthesize_measure": stages,
        "recognize_natural_vision_0": 1,
        "recognize_natural_audio_0": 1,
        "recognize_vision_0": seeing,
        "recognize_audio_0": hearing,
        "compare_recognizability": 1,
        "compare_contrasts": 1,
        "compare_criterion": 1,
        "compare_error_consistency": 1,
        "compare_humans_vs_models": 1,
        "compare_passes": 1,
        "compare_predicted_human": 1,
        "power": 1,
        "report_humans_vs_models": 2,
        "report_training": hearing_models,
        "report_contrasts": 1,
        "report_error_consistency": 1,
        "leaderboard_ranking": 1,
        "report_leaderboard": 1,
        "report_assets": 1,
        "vulnerability": seeing + hearing,
        "brain_activations": hearing,
        "brain_simulate": 1,
        "brain_regression": hearing,
        "brain_dissimilarity": seeing + hearing,
        "brain_similarity": 2,
        "beyond_synthesize": seeing,  # from another start
        "beyond_measure": seeing,
        "beyond_recognize_vision": 1,
        "beyond_starts": 1,
        "beyond_invariance": seeing,
        "report_beyond": 1,
        "report_vulnerability": 1,
        "report_brain": 1,
        "report_similarity": 2,
        "report_pages": 1,
        "report_picture": 1,
        "total": sum(jobs.values()) - jobs["total"],
    }


def test_the_extended_run(planned):
    jobs = counts(planned("--configfile", "config/extended.yaml"))
    seeing, hearing = 2, 5  # generation models
    assert jobs["train_model"] == jobs["report_training"] == hearing
    assert jobs["synthesize_metamers"] == 6 + 4 + (3 * 6 + 3 + 2) * 2  # stages; sounds in two batches
    assert (jobs["recognize_vision_0"], jobs["recognize_audio_0"]) == (seeing, hearing)


def test_the_published_study(planned):
    command = "snakemake --cores N --configfile config/paper.yaml"
    output = planned(*command.replace(" --cores N ", " ").split()[1:])
    core_hours, gpu_hours, gigabytes = expected_cost(output)
    assert 5 < core_hours < 50
    assert 600 < gpu_hours < 900  # docs/scale.md predicts 700 for its synthesis, by other means
    assert 150 < gigabytes < 300
    jobs = counts(output)
    assert jobs["humans_participants"] == 15
    models, stages = 30 + 18, 421  # the input among the stages
    assert jobs["retrieve_collection"] == 15 + 2 + models + 2  # experiments, recognition models, weights, stimuli
    assert jobs["retrieve_archive"] == 3 + 3 + 1  # the study's, single files of weights, the vocabulary
    assert jobs["synthesize_metamers"] == jobs["synthesize_measure"] == stages * 400 // 100  # in batches of 100 stimuli
    # 29 and 17 recognition models, in groups of 16
    assert {name: number for name, number in jobs.items() if name.startswith("recognize")} == {
        **{f"recognize_vision_{group}": 30 for group in range(2)},
        **{f"recognize_audio_{group}": 18 for group in range(2)},
        **{f"recognize_natural_{group}": 1 for group in ("vision_0", "vision_1", "audio_0", "audio_1")},
    }
    every = (
        "null_distribution",
        "null_acceptance",
        "synthesize_export",
        "vulnerability",
        "report_model",
        "report_media",
    )
    assert {jobs[rule] for rule in every} == {models}
    assert jobs["humans_participants"] == 15
    assert jobs["compare_anova"] == 1
    assert jobs["total"] == 3873  # as config/README.md, config/paper.yaml and docs/reference/commands.md say


def test_the_public_part_of_the_published_study_needs_no_model(planned):
    jobs = counts(planned("humans", "paper", "--configfile", "config/paper.yaml"))
    assert jobs["retrieve_collection"] == 15 + 2 + 2  # experiments, recognition models, brain data
    assert (
        not {"synthesize_metamers", "null_distribution", "recognize_vision_0", "stimuli_datasets", "retrieve_archive"}
        & jobs.keys()
    )


@pytest.mark.slow
@pytest.mark.parametrize("given", [(), ("--configfile", "config/paper.yaml")])
def test_the_profile_for_slurm_builds_the_same_jobs(planned, given):
    assert counts(planned(*given, "--workflow-profile", "workflow/profiles/slurm")) == counts(planned(*given))


def test_retrieve_does_only_that(planned):
    jobs = counts(planned("retrieve"))
    assert jobs == {"retrieve": 1, "retrieve_collection": 4, "total": 5}


@pytest.mark.slow
def test_humans_needs_no_model(planned):
    jobs = counts(planned("humans"))
    assert jobs == {"humans": 1, "compare_humans_vs_models": 1, "total": 2}
    jobs = counts(planned("humans", "--config", "human_data=participants"))
    assert jobs["humans_participants"] == 15
    assert not {"synthesize_metamers", "null_distribution", "recognize_vision_0", "stimuli_datasets"} & jobs.keys()


@pytest.mark.slow
def test_every_file_of_the_contract_is_a_target(root, clone):
    arguments = small(root, clone)
    few = {"practice": {"feedback": 0, "trials": 1, "at_least": 0}, "catch": {"trials": 0, "at_least": 0}, "stages": 1}
    (clone / "few.yaml").write_text(yaml.safe_dump({"experiment": {"vision": few}}))  # trials for four images
    contract = [
        "stimuli/own.nc",
        "metamers/first/block/0000.nc",
        "nulls/second.nc",
        "acceptance/first.nc",
        "recognition/first/second.nc",
        "experiment/vision.nc",
        "humans/visual-12.nc",
        "comparison/recognizability.nc",
        "comparison/humans_vs_models.nc",
        "comparison/anova.nc",
        "comparison/predicted_human.nc",
        "report/index.html",
    ]
    targets = [f"results/small/{path}" for path in contract]
    planned = snakemake(clone, "-n", *targets, *arguments, "few.yaml")
    assert [target for target in targets if target not in planned] == []


def test_a_second_run_does_nothing(finished):
    folder, arguments = finished
    assert "Nothing to be done" in snakemake(folder, *arguments)


def test_the_cpu_time_of_a_run_is_recorded_by_kind(finished):
    folder, _ = finished
    rows = [row.split("\t") for row in (folder / "results/small/logs/cpu_time.tsv").read_text().splitlines()[1:]]
    seconds = {kind: float(value) for kind, value, _ in rows}
    assert list(seconds) == ["computation", "imports", "files", "report", "snakemake", "other", "all"]
    assert min(value for kind, value in seconds.items() if kind != "other") > 0  # jobs are no children: see forked.py
    assert seconds.pop("all") == pytest.approx(sum(seconds.values()), abs=0.5)


@pytest.mark.slow
def test_snakemake_seldom_looks_for_jobs_when_none_has_ended(root, clone):
    arguments = small(root, clone)
    script = "import time\ntime.sleep(4)\nopen(snakemake.output[0], 'w').close()\n"
    (clone / "scripts" / "null" / "distribution.py").write_text(script)
    nulls = [f"results/small/nulls/{model}.nc" for model in ("first", "second")]
    output = snakemake(clone, *nulls, "--verbose", "--cores", "1", *arguments)
    looks = output.count("Resources before job selection")
    assert looks >= 3  # the stimuli, and then each of two distributions
    for path in nulls:
        (clone / path).unlink()
    limited = snakemake(clone, *nulls, "--verbose", "--cores", "1", "--max-jobs-per-timespan", "99/1s", *arguments)
    assert limited.count("Resources before job selection") > looks


@pytest.mark.slow
def test_a_step_that_its_memory_was_too_small_for_is_given_more(root, clone):
    arguments = small(root, clone)
    script = """
with open("memory", "a+") as file:
    print(snakemake.resources.mem_mb, file=file)
    file.seek(0)
    first, *second = map(int, file)
assert second == [2 * first]
open(snakemake.output[0], "w").close()
"""
    (clone / "scripts" / "null" / "distribution.py").write_text(script)
    snakemake(clone, "results/small/nulls/first.nc", "--retries", "1", *arguments)


@pytest.mark.slow
def test_the_same_configuration_gives_the_same_bits(finished, root, clone):
    folder, arguments = finished
    small(root, clone)
    # Snakemake and each job import their packages themselves, as for users.
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    subprocess.run(command, cwd=clone, env=library_of(clone), capture_output=True, check=True)
    assert (clone / "results/small/report/index.html").is_file()
    made = sorted(path.relative_to(clone) for path in (clone / "results").rglob("*.nc"))
    assert len(made) >= sum(SMALL.values())
    for path in made:
        assert files.load(clone / path).attrs["content_sha256"] == files.load(folder / path).attrs["content_sha256"]


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "seeds"), [(2, 2), (1, 1), (2, 1)])
def test_results_do_not_depend_on_the_batch(finished, root, clone, batch_size, seeds):
    """Of three stimuli in one batch, each with two seeds; to the bit, also where a job makes one metamer alone.

    On an AMD EPYC, one recorded loss of 90 differs by 1e-6 of its value.
    """
    folder, arguments = finished
    small(root, clone)
    settings = yaml.safe_load((clone / "small.yaml").read_text())
    settings["synthesis"] |= {"batch_size": batch_size, "seeds": seeds}
    (clone / "small.yaml").write_text(yaml.safe_dump(settings))
    paths = [f"results/small/metamers/first/logits/{number:04d}.nc" for number in range(-(-3 // batch_size))]
    joined = [f"results/small/{path}.nc" for path in ("acceptance/first", "recognition/first/first")] * (seeds == 2)
    snakemake(clone, *paths, *joined, *arguments)
    found = xr.concat([files.load(clone / path) for path in paths], "stimulus")
    wanted = files.load(folder / "results/small/metamers/first/logits/0000.nc").isel(seed=slice(seeds))
    assert found.sizes["stimulus"] == 3
    xr.testing.assert_equal(found.drop_vars("loss"), wanted.drop_vars("loss"))
    np.testing.assert_allclose(found["loss"], wanted["loss"], rtol=1e-5)
    for path in joined:
        xr.testing.assert_equal(files.load(clone / path), files.load(folder / path))


@pytest.mark.hostile("Configuration", "every sign that a name may have", "works in rules and paths")
def test_a_models_name_may_have_every_sign_that_a_file_may(clone, root):
    arguments = small(root, clone)
    for path in (clone / "small.yaml", clone / "mine" / "models.yaml"):
        path.write_text(re.sub(r"\bfirst\b", "my-own.model+1", path.read_text()))
    output = snakemake(clone, "-n", *arguments)
    assert counts(output)["synthesize_metamers"] == SMALL["synthesize_metamers"]
    assert "results/small/metamers/my-own.model+1/block/0000.nc" in output


def test_every_file_is_traced_to_its_inputs(finished):
    folder, _ = finished
    for path in (folder / "results" / "small").rglob("*.nc"):
        attributes = files.load(path).attrs
        assert attributes["run"] == "small"
        inputs = json.loads(attributes["inputs"])
        assert inputs
        for name, sha256 in inputs.items():
            assert sha256_of(folder / name) == sha256, (path, name)


def test_every_file_is_as_its_schema_says(finished):
    check_every_file(finished[0] / "results" / "small")


def test_every_file_conforms_to_cf_and_acdd(finished):
    check_conventions(finished[0] / "results" / "small")


@pytest.mark.slow
def test_every_file_is_the_same_to_all_readers(finished):
    for path in sorted((finished[0] / "results" / "small").rglob("*.nc")):
        ours = files.load(path)
        xr.testing.assert_identical(xr.load_dataset(path, engine="h5netcdf"), ours)
        with netCDF4.Dataset(path) as file:
            assert {name: variable.shape for name, variable in file.variables.items()} == {
                name: variable.shape for name, variable in ours.variables.items()
            }
            assert set(file.ncattrs()) == set(ours.attrs)


@pytest.mark.skipif(shutil.which("ncdump") is None, reason="no ncdump (apt-get install netcdf-bin)")
def test_every_file_is_read_by_ncdump(finished):
    for path in sorted((finished[0] / "results" / "small").rglob("*.nc")):
        ran = subprocess.run(["ncdump", "-h", path], capture_output=True, text=True, check=True)
        ours = files.load(path)
        assert f':content_sha256 = "{ours.attrs["content_sha256"]}"' in ran.stdout
        assert all(re.search(rf"\b{name}(\(| ;)", ran.stdout) for name in map(str, ours.variables))


def test_every_file_is_in_the_log_of_its_job(finished):
    """So that none is vouched for by the manifest alone."""
    folder, _ = finished
    results = folder / "results" / "small"
    logs = [read_written(path.read_text()) for path in (results / "logs").rglob("*.log")]
    recorded = manifest.read(results).recorded
    ours = {name: sha256 for name, sha256 in recorded.items() if name.split("/")[1] not in manifest.ADDED_AT_THE_END}
    assert dict(item for items in logs for item in items) == ours


def test_the_generation_model_judges_its_own_metamers_as_it_did_at_synthesis(finished):
    folder, _ = finished
    given = files.load(folder / "results/small/recognition/first/first.nc")["answer"]
    assert given["stage"].values.tolist() == ["natural", *STAGES]
    for path in (folder / "results/small/metamers/first").rglob("*.nc"):
        metamers = files.load(path)
        assert (metamers.attrs["quality"], metamers.attrs["procedure"]) == ("quick", "one_cycle")
        answers = given.sel(stage=metamers.attrs["stage"], stimulus=metamers["stimulus"])
        assert (answers.values == metamers["predicted_category"].values).all()


def test_answers_to_natural_stimuli_are_the_stage_natural_of_every_generation_model_and_seed(finished):
    results = finished[0] / "results/small"
    paths = list(results.glob("recognition/*/*.nc"))
    assert len(paths) == 4
    for path in paths:
        natural = files.load(results / "natural_recognition" / path.name)
        found = files.load(path).sel(stage="natural")
        assert natural["answer"].dims == ("stimulus",)
        for name in ("answer", "correct", "category", "label"):
            assert (found[name] == natural[name]).all(), (path, name)


def test_what_is_judged_is_the_exported_picture(finished):
    from metamers.stimuli.images import eight_bit, read_image

    folder, _ = finished
    metamers = files.load(folder / "results/small/metamers/second/block/0000.nc")["metamer"]
    for seed in (0, 1):
        exported = read_image(folder / f"results/small/exported/metamers/second/block/image_2_{seed}.png")
        np.testing.assert_array_equal(
            exported.transpose(2, 0, 1), eight_bit(metamers.sel(stimulus="image_2", seed=seed))
        )


def test_the_report_names_no_folder_of_this_machine(finished):
    folder, _ = finished
    report = folder / "results" / "small" / "report"
    assert "first" in (report / "index.html").read_text()
    for path in [*report.rglob("*.html"), *report.rglob("*.js")]:
        assert str(folder) not in path.read_text(), path


def test_the_report_shows_what_was_judged_and_shares_its_bytes(finished):
    folder, _ = finished
    results = folder / "results" / "small"
    judged = sorted(results.glob("exported/metamers/second/*/*.png"))
    assert len(judged) == 3 * 3 * 2
    for path in judged:
        shown = results / "report" / "media" / path.relative_to(results / "exported" / "metamers")
        assert shown.samefile(path)
    natural = sorted(results.glob("report/media/first/natural/*.png"))
    assert [path.read_bytes() for path in natural] == [
        (results / "exported" / "datasets" / "own" / path.name).read_bytes() for path in natural
    ]


def test_progress_stays_in_the_log(finished):
    folder, _ = finished
    log = (folder / "results/small/logs/synthesize_metamers/first/block/0000.log").read_text()
    assert re.search(r"first block 0000: .*\b30\b.*\b30\b.*\b\d\.\d+", log)


@pytest.mark.slow
def test_the_report_of_snakemake_works_offline(finished):
    folder, arguments = finished
    snakemake(folder, *arguments, "--report", "report.html")
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_a_small_visual_model_is_trained_by_the_same_rules(root, clone):
    arguments = small(root, clone)
    rng = np.random.default_rng(1)
    rows = []
    for split, number in (("train", 12), ("validation", 4), ("test", 4)):
        for n in range(number):
            colour = (200, 60, 60) if n % 2 else (60, 60, 200)
            values = np.clip(np.array(colour) + rng.integers(-40, 40, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(values).save(clone / "mine" / f"{split}_{n}.png")
            rows.append(f"{split}_{n}.png,{'dog' if n % 2 else 'cat <b>'},{split}\n")
    (clone / "mine" / "table.csv").write_text("file,category,split\n" + "".join(rows))
    # Of all that training names, each has one class.
    (clone / "mine" / "categories.csv").write_text("class_index,category\n0,cat <b>\n1,dog\n")
    models = yaml.safe_load((clone / "mine/models.yaml").read_text())
    perturbation = {"kind": "adversarial", "norm": "linf", "size": 0.01, "steps": 2, "on": "input"}
    train = {"dataset": "own", "epochs": 8, "batch_size": 4, "learning_rate": 0.05, "perturbation": perturbation}
    models["first"]["weights"] = {"train": train}
    (clone / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    snakemake(clone, "results/small/training/first.nc", "results/small/recognition/second/first.nc", *arguments)
    trained = files.load(clone / "results/small/training/first.nc")
    assert float(trained["test_accuracy"]) > 0.7
    assert sorted(files.load(clone / "results/small/stimuli/own.nc")["split"].values) == ["test"] * 4


def test_metamers_to_a_target_have_reached_it_or_are_not_accepted(rerun):
    folder, arguments = rerun
    target = {"normalized_error": {"vision": 0.3}, "stages": {"second": {"logits": 1e-6}}}
    settings = {"synthesis": {"quality": "converged", "target": target, "converged": {"vision": {"max_steps": 200}}}}
    (folder / "target.yaml").write_text(yaml.safe_dump(settings))
    judged = [f"results/small/acceptance/{name}.nc" for name in ("first", "second")]
    snakemake(folder, *judged, *arguments, "target.yaml")
    results = folder / "results/small"
    for name in ("first", "second"):
        accepted = files.load(results / f"acceptance/{name}.nc")
        reached = accepted["normalized_error"] <= (target["stages"].get(name, {}).get("logits") or 0.3)
        np.testing.assert_array_equal(accepted["converged"].sel(stage="logits"), reached.sel(stage="logits"))
        assert not (accepted["accepted"] & ~accepted["converged"]).any()
        assert bool(accepted["converged"].sel(stage="block").all())
    made = files.load(results / "metamers/second/logits/0000.nc")
    assert not made["converged"].any()
    assert (made["steps"] == 200).all()
    assert made.attrs["procedure"] == "to_target"
    assert json.loads(made.attrs["settings"])["target_error"] == 1e-6
    made = files.load(results / "metamers/first/block/0000.nc")
    assert made["converged"].all()
    assert (np.isfinite(made["loss"]).sum("step") == made["steps"]).all()
    check_every_file(results)


@pytest.mark.slow
def test_participants_from_a_mirror(clone, mirror):
    settings = [f"mirror={mirror}", "human_data=participants"]
    compared = ["anova", "brain_score", "fmri", "judgements_vision", "judgements_audio"]
    targets = ["humans", *(f"results/demo/comparison/{name}.nc" for name in compared)]
    (clone / "few.yaml").write_text(yaml.safe_dump({"comparison": {"permutations": 100, "bootstrap": 100}}))
    snakemake(clone, *targets, "--configfile", "few.yaml", "--config", *settings)
    check_every_file(clone / "results/demo")
    humans = clone / "results" / "demo" / "humans"
    assert len(list(humans.glob("*.nc"))) == 15
    compared = files.load(clone / "results/demo/comparison/humans_vs_models.nc")
    assert round(float(compared["pearson_r2"].sel(modality="audio")), 3) == 0.949
