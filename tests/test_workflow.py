"""The workflow as a user meets it: what it would run, what it makes, what reruns, and what it says of bad input."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time as clock
from collections import Counter
from contextlib import suppress
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import soundfile
import xarray as xr
import yaml
from PIL import Image

from metamers import files, manifest
from metamers.hashes import sha256_of
from metamers.logs import read_written
from metamers.sounds import sixteen_bit

IGNORED = shutil.ignore_patterns("retrieved", "store", "__pycache__")
STAGES = ["input", "block", "logits"]


def copy_of(root: Path, folder: Path) -> Path:
    """The repository's workflow, without what runs have left, in a folder of its own."""
    for name in ("config", "envs", "experiment", "resources", "scripts", "workflow"):
        shutil.copytree(root / name, folder / name, ignore=IGNORED)
    shutil.copy(root / "Snakefile", folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder


def snakemake(folder: Path, *arguments: str, fails: bool = False) -> str:
    """Run Snakemake in a folder and give what it says."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    ran = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert (ran.returncode != 0) == fails, ran.stdout[-5000:]
    return ran.stdout


def counts(output: str) -> dict[str, int]:
    """Rule → number of jobs, out of a dry run's table; all groups of stages of all models are ``synthesize``."""
    if "Nothing to be done" in output:
        return {}
    table = output.rsplit("Job stats:", 1)[1]
    jobs = Counter()
    for rule, count in re.findall(r"^(\S+)\s+(\d+)$", table, flags=re.MULTILINE):
        jobs[re.sub(r"^(metamers_)?synthesize_.*_\d+$", r"\1synthesize", rule)] += int(count)
    return dict(jobs)


@pytest.fixture
def clone(root, tmp_path):
    return copy_of(root, tmp_path)


def small(root: Path, folder: Path) -> list[str]:
    """A run of seconds: two tiny models, own images, own categories. Gives Snakemake's arguments."""
    (folder / "mine").mkdir()
    shutil.copy(root / "tests" / "tiny.py", folder / "mine" / "builders.py")
    rng = np.random.default_rng(0)
    rows = []
    for n in range(4):
        values = rng.integers(0, 255, (4, 4, 3), np.uint8).repeat(6, axis=0).repeat(6, axis=1)
        Image.fromarray(values).save(folder / "mine" / f"image_{n}.png")
        rows.append(f"image_{n}.png,{'dog' if n % 2 else 'cat <b>'}\n")
    (folder / "mine" / "table.csv").write_text("file,category\n" + "".join(rows))
    (folder / "mine" / "categories.csv").write_text("class_index,category\n0,cat <b>\n1,dog\n3,dog\n")
    model = {
        "modality": "vision",
        "source": {"python": "mine/builders.py:convolutional"},
        "weights": {"random": 0},
        "input": {"size": 16, "mean": [0.5] * 3, "std": [0.5] * 3},
        "stages": {"input": None, "block": {"module": "block", "pass_through_relu": "relu"}, "logits": "classify"},
    }
    dataset = {
        "modality": "vision",
        "files": {"folder": "mine"},
        "table": "mine/table.csv",
        "categories": "mine/categories.csv",
        "size": 16,
    }
    registry = {"models": {"first": model, "second": model | {"weights": {"random": 1}}}, "datasets": {"own": dataset}}
    for name, entries in registry.items():
        (folder / "mine" / f"{name}.yaml").write_text(yaml.safe_dump(entries, sort_keys=False))
    settings = {
        "run": "small",
        "registry": {name: f"mine/{name}.yaml" for name in registry},
        "stimuli": {"vision": {"dataset": "own", "number": 3}},
        "generation_models": ["first", "second"],
        "recognition_models": ["first", "second"],
        "synthesis": {"seeds": 2, "batch_size": 2, "stages_per_job": 2, "one_cycle": {"vision": {"steps": 30}}},
        "comparison": {"bootstrap": 100, "contrasts": []},
        "analyses": dict.fromkeys(("vulnerability", "brain", "similarity")),
        "beyond": {"models": []},
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    return ["--configfile", "small.yaml"]


@pytest.fixture(scope="module")
def finished(root, tmp_path_factory):
    """A finished small run: its folder and Snakemake's arguments. Tests that change it take a copy."""
    folder = copy_of(root, tmp_path_factory.mktemp("small"))
    arguments = small(root, folder)
    snakemake(folder, *arguments)
    return folder, arguments


@pytest.fixture
def rerun(finished, tmp_path):
    """A copy of the finished run, times and records included."""
    folder, arguments = finished
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy", arguments


SMALL = {"synthesize": 2 * 2 * 2, "null": 2, "recognize": 4}  # 3 stages in two groups, 2 batches


# What would run


def test_the_default_run(clone):
    jobs = counts(snakemake(clone, "-n"))
    seeing, hearing = 2, 5  # generation models
    seeing_judges, hearing_judges = 3, 5
    each = dict.fromkeys(
        (
            "synthesize_export",
            "null",
            "null_acceptance",
            "report_model",
            "report_media",
        ),
        seeing + hearing,
    )
    assert jobs == each | {
        "all": 1,
        "retrieve_collection": 1 + seeing_judges,  # photographs, and weights of networks that see
        "stimuli": 2,
        "stimuli_export": 2,
        "train_examples": 1,
        "train": hearing_judges,
        "train_test": hearing_judges,
        "synthesize": seeing * 2 + 3 * 2 + 1 + 1,  # 9, 10 and 3 stages in groups of 5
        "recognize_vision_0": seeing,
        "recognize_audio_0": hearing,
        "compare_recognizability": 1,
        "compare_contrasts": 1,
        "compare_humans_vs_models": 1,
        "compare_predicted_human": 1,
        "power": 1,
        "report_humans_vs_models": 2,
        "report_training": hearing_judges,
        "report_contrasts": 1,
        "leaderboard": 1,
        "vulnerability": seeing + hearing,
        "brain_activations": hearing,
        "brain_simulate": 1,
        "brain_regression": hearing,
        "brain_dissimilarity": seeing + hearing,
        "brain_similarity": 2,
        "beyond_synthesize": 2 + seeing,  # of both models at once, controversial ones, and from other starts
        "beyond_recognize_vision": 1,
        "beyond_ensemble": 1,
        "beyond_controversial": 1,
        "beyond_starts": 1,
        "beyond_invariance": seeing,
        "beyond_page": 1,
        "report_vulnerability": 1,
        "report_brain": 1,
        "report_similarity": 2,
        "report": 1,
        "total": sum(jobs.values()) - jobs["total"],
    }


def test_the_published_study(clone):
    jobs = counts(snakemake(clone, "-n", "--configfile", "config/paper.yaml"))
    assert jobs["humans_participants"] == 15
    models, stages = 30 + 18, 421  # the input among the stages
    assert jobs["retrieve_collection"] == 15 + 2 + models + 2  # experiments, judges, weights, stimuli
    assert jobs["retrieve_archive"] == 3 + 3 + 1  # the study's, single files of weights, the vocabulary
    assert jobs["synthesize"] == stages * 400 // 100  # in batches of 100 stimuli
    # 29 and 17 recognition models, in groups of 16.
    assert [jobs[f"recognize_vision_{number}"] for number in range(2)] == [30, 30]
    assert [jobs[f"recognize_audio_{number}"] for number in range(2)] == [18, 18]
    every = ("null", "null_acceptance", "synthesize_export", "vulnerability", "report_model", "report_media")
    assert {jobs[rule] for rule in every} == {models}
    assert jobs["humans_participants"] == 15
    assert jobs["compare_anova"] == 1
    assert jobs["total"] == 2178


def test_the_public_part_of_the_published_study_needs_no_model(clone):
    jobs = counts(snakemake(clone, "-n", "humans", "paper", "--configfile", "config/paper.yaml"))
    assert jobs["retrieve_collection"] == 15 + 2 + 2  # experiments, judges, brain data
    assert not {"synthesize", "null", "recognize_vision_0", "stimuli", "retrieve_archive"} & jobs.keys()


@pytest.mark.parametrize("configuration", ["config", "paper"])
def test_the_profile_for_slurm_builds_the_same_jobs(clone, configuration):
    given = ["--configfile", f"config/{configuration}.yaml"]
    jobs = counts(snakemake(clone, "-n", *given, "--workflow-profile", "workflow/profiles/slurm"))
    assert jobs == counts(snakemake(clone, "-n", *given))


def test_retrieve_does_only_that(clone):
    jobs = counts(snakemake(clone, "-n", "retrieve"))
    assert jobs == {"retrieve": 1, "retrieve_collection": 4, "total": 5}


def test_humans_needs_no_model(clone):
    jobs = counts(snakemake(clone, "-n", "humans"))
    assert jobs == {"humans": 1, "compare_humans_vs_models": 1, "total": 2}
    jobs = counts(snakemake(clone, "-n", "humans", "--config", "human_data=participants"))
    assert jobs["humans_participants"] == 15
    assert not {"synthesize", "null", "recognize_vision_0", "stimuli"} & jobs.keys()


@pytest.mark.parametrize(
    "path",
    [
        "stimuli/own.nc",
        "metamers/first/block/0001.nc",
        "nulls/second.nc",
        "benchmark/cochleagram.nc",
        "acceptance/first.nc",
        "recognition/first/second.nc",
        "experiment/vision.nc",
        "humans/visual-12.nc",
        "comparison/recognizability.nc",
        "comparison/humans_vs_models.nc",
        "comparison/anova.nc",
        "comparison/predicted_human.nc",
        "report/index.html",
    ],
)
def test_every_file_of_the_contract_is_a_target(root, clone, path):
    assert counts(snakemake(clone, "-n", f"results/small/{path}", *small(root, clone)))["total"] >= 1


def test_every_rule_names_its_environment_and_its_message(root):
    for path in (root / "workflow" / "rules").glob("*.smk"):
        # Without indentation, which is deeper where rules are made in a loop.
        text = "\n".join(line.strip() for line in path.read_text().splitlines())
        rules = len(re.findall(r"^rule.*:$", text, flags=re.MULTILINE))
        directives = (
            "log:",
            "benchmark:",
            "resources:",
            "message:",
            "script:",
        )
        for directive in (*directives, "code=code("):
            makes_nothing = path.name == "verify.smk" and directive == "benchmark:"  # a benchmark would be its output
            assert text.count(f"\n{directive}") == (0 if makes_nothing else rules), (path.name, directive)
        # What is timed has the machine to itself, and what is compared with plenoptic an environment that has it.
        assert len(re.findall(r"\nthreads: (1|workflow\.cores)\n", text)) == rules, path.name
        assert len(re.findall(r"\nconda:\n(BENCHMARK_)?ENVIRONMENT\n", text)) == rules, path.name


# What it makes


def test_a_second_run_does_nothing(finished):
    folder, arguments = finished
    assert "Nothing to be done" in snakemake(folder, *arguments)


def test_a_step_that_its_memory_was_too_small_for_is_given_more(root, clone):
    arguments = small(root, clone)
    script = "assert snakemake.resources.mem_mb == 16000\nopen(snakemake.output[0], 'w').close()\n"
    (clone / "scripts" / "null.py").write_text(script)
    snakemake(clone, "results/small/nulls/first.nc", "--retries", "1", *arguments)


def test_the_same_configuration_gives_the_same_bits(finished, root, clone):
    folder, arguments = finished
    small(root, clone)
    snakemake(clone, "comparison", *arguments)
    made = sorted(path.relative_to(clone) for path in (clone / "results").rglob("*.nc"))
    assert len(made) >= sum(SMALL.values())
    for path in made:
        assert files.load(clone / path).attrs["content_sha256"] == files.load(folder / path).attrs["content_sha256"]


@pytest.mark.parametrize(("batch_size", "seeds"), [(3, 2), (1, 1), (3, 1)])
def test_results_do_not_depend_on_the_batch(finished, root, clone, batch_size, seeds):
    """Of three stimuli in batches of two, each with two seeds; to the bit, also where a job makes one metamer alone."""
    folder, arguments = finished
    small(root, clone)
    settings = yaml.safe_load((clone / "small.yaml").read_text())
    settings["synthesis"] |= {"batch_size": batch_size, "seeds": seeds}
    (clone / "small.yaml").write_text(yaml.safe_dump(settings))
    paths = [f"results/small/metamers/first/logits/{number:04d}.nc" for number in range(-(-3 // batch_size))]
    snakemake(clone, *paths, *arguments)
    found = xr.concat([files.load(clone / path) for path in paths], "stimulus")
    made = [files.load(folder / f"results/small/metamers/first/logits/{number:04d}.nc") for number in range(2)]
    wanted = xr.concat(made, "stimulus").isel(seed=slice(seeds))
    assert found.sizes["stimulus"] == 3
    xr.testing.assert_equal(found, wanted)


def test_results_do_not_depend_on_how_many_stages_a_job_makes(finished, root, clone):
    folder, arguments = finished
    small(root, clone)
    settings = yaml.safe_load((clone / "small.yaml").read_text())
    settings["synthesis"]["stages_per_job"] = 1
    (clone / "small.yaml").write_text(yaml.safe_dump(settings))
    paths = [f"results/small/metamers/first/{stage}/0000.nc" for stage in ("block", "logits")]
    snakemake(clone, *paths, *arguments)
    assert not (clone / "results/small/metamers/first/input").exists()
    for path in paths:
        assert files.load(clone / path).attrs["content_sha256"] == files.load(folder / path).attrs["content_sha256"]


def test_a_models_name_may_have_every_sign_that_a_file_may(clone, root):
    arguments = small(root, clone)
    for path in (clone / "small.yaml", clone / "mine" / "models.yaml"):
        path.write_text(re.sub(r"\bfirst\b", "my-own.model+1", path.read_text()))
    jobs = re.findall(r"^synthesize_(\S+_\d)\s+2$", snakemake(clone, "-n", *arguments), flags=re.MULTILINE)
    assert sorted(set(jobs)) == ["my-own.model+1_0", "my-own.model+1_1", "second_0", "second_1"]


def test_every_file_is_traced_to_its_inputs(finished):
    folder, _ = finished
    for path in (folder / "results" / "small").rglob("*.nc"):
        attributes = files.load(path).attrs
        assert attributes["run"] == "small"
        inputs = json.loads(attributes["inputs"])
        assert inputs
        for name, sha256 in inputs.items():
            assert sha256_of(folder / name) == sha256, (path, name)


SIGNALS = (("channel", "row", "column"), ("sample",))


def check_schema(path: Path, name: str, schemas: dict) -> None:
    """A file of a run has the variables and dimensions of its schema, each with a long name and, if it has one, a unit."""
    patterns = {re.sub("<[^>]+>", "[^/]+", pattern): schema for pattern, schema in schemas.items()}
    (schema,) = [schema for pattern, schema in patterns.items() if re.fullmatch(pattern, name)]
    with netCDF4.Dataset(path) as file:
        found = {key: variable.dimensions for key, variable in file.variables.items()}
        for key, variable in file.variables.items():
            long_name, units = files.DESCRIPTIONS[key]
            assert variable.long_name == long_name, (name, key)
            assert getattr(variable, "units", "") == units, (name, key)
    needed = {key for key in schema if not key.endswith("?")}
    assert needed <= found.keys() <= {key.removesuffix("?") for key in schema}, name
    for key, dimensions in found.items():
        wanted = tuple(filter(None, schema.get(key, schema.get(f"{key}?")).split(", ")))
        allowed = [wanted] if "signal" not in wanted else [(*wanted[:-1], *signal) for signal in SIGNALS]
        assert dimensions in allowed, (name, key)


def check_every_file(root: Path, results: Path) -> None:
    """All files of a run are as their schemas say."""
    schemas = yaml.safe_load((root / "workflow" / "schemas" / "files.yaml").read_text())
    paths = sorted(results.rglob("*.nc"))
    assert len(paths) > 20
    for path in paths:
        check_schema(path, path.relative_to(results).as_posix(), schemas)


def test_every_file_is_as_its_schema_says(root, finished):
    check_every_file(root, finished[0] / "results" / "small")


def test_every_file_is_the_same_to_all_readers(finished):
    for path in sorted((finished[0] / "results" / "small").rglob("*.nc")):
        ours = files.load(path)
        xr.testing.assert_identical(xr.load_dataset(path, engine="h5netcdf"), ours)
        with netCDF4.Dataset(path) as file:
            assert {name: variable.shape for name, variable in file.variables.items()} == {
                name: variable.shape for name, variable in ours.variables.items()
            }
            assert set(file.ncattrs()) == set(ours.attrs)


@pytest.mark.skipif(shutil.which("ncdump") is None, reason="no ncdump here (apt-get install netcdf-bin)")
def test_every_file_is_read_by_ncdump(finished):
    for path in sorted((finished[0] / "results" / "small").rglob("*.nc")):
        ran = subprocess.run(["ncdump", "-h", path], capture_output=True, text=True, check=True)
        ours = files.load(path)
        assert f':content_sha256 = "{ours.attrs["content_sha256"]}"' in ran.stdout
        assert all(re.search(rf"\b{name}(\(| ;)", ran.stdout) for name in map(str, ours.variables))


def test_a_flipped_bit_in_any_file_is_named_and_repaired_by_a_rerun(rerun):
    folder, arguments = rerun
    assert "nothing is damaged, stale or foreign" in snakemake(folder, "verify", *arguments)
    rng = np.random.default_rng(0)
    everything = (folder / "results" / "small").rglob("*")
    every = sorted(path for path in everything if path.is_file() and path.stat().st_size)
    for path in every:
        values = bytearray(path.read_bytes())
        place = int(rng.integers(0, 8 * len(values)))
        values[place // 8] ^= 1 << (place % 8)
        times = path.stat()
        path.write_bytes(values)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as bits rot
    (folder / "results" / "small" / "mine.nc").write_bytes(b"")
    said = snakemake(folder, "verify", *arguments, fails=True)
    named = {path: kind for kind, path in re.findall(r"(damaged|stale|foreign|missing): (\S+): ", said)}
    wanted = {path.relative_to(folder).as_posix(): "damaged" for path in every}
    del wanted["results/small/logs/verify.log"]  # which verification writes anew
    assert named == wanted | {"results/small/mine.nc": "foreign"}
    assert snakemake(folder, "verify", *arguments, fails=True).count("damaged: ") == said.count("damaged: ")
    snakemake(folder, "verify", *arguments, "--config", "repair=True")
    assert not (folder / "results" / "small" / "mine.nc").exists()
    snakemake(folder, *arguments)
    assert "nothing is damaged, stale or foreign" in snakemake(folder, "verify", *arguments)


def test_a_manifest_that_was_cut_in_half_deletes_nothing_and_is_rebuilt(rerun):
    folder, arguments = rerun
    path = folder / "results" / "small.sha256"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n", len(whole) // 2) + 1])
    everything = (folder / "results" / "small").rglob("*")
    before = {file: sha256_of(file) for file in everything if file.is_file() and file.suffix != ".log"}
    said = snakemake(folder, "verify", *arguments, "--config", "repair=True", fails=True)
    assert "results/small.sha256: it was cut" in said
    assert "Nothing is deleted" in said
    assert {file: sha256_of(file) for file in before if file.exists()} == before
    said = snakemake(folder, "verify", *arguments, "--config", "rebuild_manifest=True")
    assert "the manifest was rebuilt; 0 files are not in it" in said
    assert "nothing is damaged, stale or foreign" in said
    recorded = {line.split("  ")[1] for line in path.read_text().splitlines() if not line.startswith("#")}
    assert {line for line in recorded if line.endswith((".nc", ".html", ".svg", ".png"))} == {
        line.split("  ")[1] for line in whole.decode().splitlines() if line.endswith((".nc", ".html", ".svg", ".png"))
    }


def test_what_was_changed_together_with_the_manifest_is_named_and_repaired_by_a_rerun(rerun):
    """Two metamers exchanged, a script added to a page, noise to a picture; the manifest says that all is well."""
    folder, arguments = rerun
    results = folder / "results" / "small"
    one, other = (results / "metamers" / model / "block" / "0000.nc" for model in ("first", "second"))
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])
    page = results / "report" / "index.html"
    page.write_text(page.read_text().replace("</body>", "<script>alert(1)</script></body>"))
    picture = next((results / "exported" / "metamers" / "first").rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"x")
    changed = {path.relative_to(folder).as_posix() for path in (one, other, page, picture)}
    known = manifest.read(results)
    manifest.replace(results, {name: sha256_of(folder / "results" / name) for name in known.recorded})
    said = snakemake(folder, "verify", *arguments, fails=True)
    # The report shows the exported picture itself, by a hard link.
    named = {path for _, path in re.findall(r"(damaged|stale|foreign|missing): (\S+): ", said) if "/media/" not in path}
    assert named == changed
    snakemake(folder, "verify", *arguments, "--config", "repair=True")
    snakemake(folder, *arguments)
    assert "nothing is damaged, stale or foreign" in snakemake(folder, "verify", *arguments)
    assert "alert(1)" not in page.read_text()


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
        answers = given.sel(stage=metamers.attrs["stage"], stimulus=metamers["stimulus"])
        assert (answers.values == metamers["predicted_category"].values).all()


def test_what_is_judged_is_the_exported_picture(finished):
    from metamers.images import eight_bit, read_image

    folder, _ = finished
    metamers = files.load(folder / "results/small/metamers/second/block/0001.nc")["metamer"]
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
    log = (folder / "results/small/logs/synthesize/first_0/0000.log").read_text()
    assert re.search(r"first block 0000: step 30 of 30, loss \d\.\d+, 0 s left", log)


def test_the_report_of_snakemake_works_offline(finished):
    folder, arguments = finished
    snakemake(folder, *arguments, "--report", "report.html")
    assert (folder / "report.html").stat().st_size > 10_000


# What reruns


def append(path: Path, text: str = "\n\nUNUSED = 1\n") -> None:
    path.write_text(path.read_text() + text)


AFTER_COMPARISON = {"report_model", "report", "leaderboard", "power", "all", "total"}
AFTER_ACCEPTANCE = {"compare_recognizability", "compare_predicted_human", "report_media"} | AFTER_COMPARISON
AFTER_RECOGNITION = {"recognize_vision_0"} | AFTER_ACCEPTANCE
AFTER_NULL = {"null", "null_acceptance"} | AFTER_ACCEPTANCE
AFTER_SYNTHESIS = {
    "synthesize",
    "synthesize_export",
    "null_acceptance",
} | AFTER_RECOGNITION


@pytest.mark.parametrize(
    ("changed", "reruns"),
    [
        ("scripts/synthesize.py", AFTER_SYNTHESIS),
        ("scripts/metamers/synthesize.py", AFTER_SYNTHESIS),
        ("scripts/null.py", AFTER_NULL),
        ("scripts/recognize.py", AFTER_RECOGNITION),
        ("scripts/compare_predicted_human.py", {"compare_predicted_human"} | AFTER_COMPARISON),
        ("scripts/metamers/report.py", {"report", "all", "total"}),
        ("mine/builders.py", AFTER_SYNTHESIS | AFTER_NULL),
        ("mine/image_0.png", {"stimuli", "stimuli_export"} | AFTER_SYNTHESIS | AFTER_NULL),
    ],
)
def test_a_change_of_code_or_input_reruns_what_uses_it_and_what_follows_no_more(rerun, changed, reruns):
    folder, arguments = rerun
    if changed.endswith(".png"):
        Image.new("RGB", (24, 24), "red").save(folder / changed)
    else:
        append(folder / changed)
    assert counts(snakemake(folder, "-n", *arguments)).keys() == reruns


@pytest.mark.parametrize("script", ["scripts/metamers/synthesize.py", "scripts/synthesize.py"])
def test_a_comment_reruns_nothing(rerun, script):
    folder, arguments = rerun
    append(folder / script, "\n# why\n")
    assert counts(snakemake(folder, "-n", *arguments)) == {}


def test_another_number_of_steps_reruns_synthesis_but_not_retrieval(rerun):
    folder, arguments = rerun
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["synthesis"]["one_cycle"]["vision"]["steps"] = 31
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    jobs = counts(snakemake(folder, "-n", *arguments))
    assert jobs["synthesize"] == SMALL["synthesize"]
    assert not {"retrieve_collection", "stimuli", "null", "compare_humans_vs_models"} & jobs.keys()


def test_another_rule_of_acceptance_reruns_neither_synthesis_nor_recognition(rerun):
    folder, arguments = rerun
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["acceptance"] = {"measures": ["spearman_rho"]}
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    jobs = counts(snakemake(folder, "-n", *arguments))
    assert jobs.keys() == {"null_acceptance"} | AFTER_ACCEPTANCE
    snakemake(folder, *arguments)
    for path in (folder / "results/small/acceptance").glob("*.nc"):
        with xr.open_dataset(path) as acceptance:
            assert acceptance["decides"].any("stage").values.tolist() == [True, False, False]


def test_another_family_reruns_only_what_compares_judges(rerun):
    folder, arguments = rerun
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    models["first"]["family"] = "another"
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    jobs = counts(snakemake(folder, "-n", *arguments))
    assert jobs.keys() == {"compare_recognizability", "compare_predicted_human"} | AFTER_COMPARISON


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
    assert counts(snakemake(folder, "-n", *arguments)).keys() == {"stimuli"} | AFTER_NULL
    snakemake(folder, *arguments)
    with xr.open_dataset(folder / "results/small/nulls/first.nc") as null:
        assert set(null["distinct_pairs"].values) == {null.sizes["pair"]} == {2}
        assert int(null["paired_stimuli"]) == 3
        assert {*null["stimulus_a"].values, *null["stimulus_b"].values} == {"other_0", "other_1", "other_2"}
    page = (folder / "results/small/report/match.html").read_text()
    assert "The null distribution has 2 pairs of 3 natural stimuli" in page


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
    assert counts(snakemake(folder, "-n", *arguments)).keys() == {"report", "all", "total"}


# Hearing and training

HEARING = ["--configfile", "hearing.yaml"]


def small_hearing(root: Path, folder: Path) -> list[str]:
    """A run of sounds: three kinds of tones as words, two small networks that learn them. Gives Snakemake's arguments."""
    (folder / "mine").mkdir()
    shutil.copy(root / "tests" / "tiny.py", folder / "mine" / "builders.py")
    rng = np.random.default_rng(0)
    rows = []
    for split, number in (("train", 8), ("validation", 2), ("test", 2)):
        for word, frequency in (("high <b>", 2700), ("low", 300), ("middle", 900)):
            for n in range(number):
                name = f"{split}_{word.split()[0]}_{n}.wav"
                time = np.arange(2000) / 8000
                sound = np.sin(2 * np.pi * frequency * rng.uniform(0.9, 1.1) * time) + 0.1 * rng.standard_normal(2000)
                soundfile.write(folder / "mine" / name, 0.2 * sound, 8000)
                rows.append(f"{name},{word},speaker_{split},{split}\n")
    (folder / "mine" / "table.csv").write_text("file,word,speaker,split\n" + "".join(rows))
    (folder / "mine" / "categories.csv").write_text("class_index,category\n0,low\n1,middle\n2,high <b>\n")
    train = {"dataset": "tones", "epochs": 30, "batch_size": 8, "learning_rate": 0.02}
    cochleagram = {"high_hz": 4000, "filters": 10, "sample_factor": 1, "taps": 201}
    model = {
        "modality": "audio",
        "source": {"python": "mine/builders.py:hearing"},
        "weights": {"train": train},
        "input": {"sampling_rate_hz": 8000, "duration_s": 0.25, "cochleagram": cochleagram},
        "stages": {
            "input": None,
            "cochleagram": "preprocessing",
            "relu": {"module": "relu", "pass_through_relu": "relu"},
            "final": "classify",
        },
    }
    perturbation = {"kind": "adversarial", "norm": "l2", "size": 0.1, "steps": 2, "on": "preprocessing"}
    waveform = {"kind": "random", "norm": "linf", "size": 0.001, "on": "input"}
    models = {
        "plain": model,
        "robust": model | {"weights": {"train": train | {"perturbation": perturbation}}},
        "noisy": model | {"weights": {"train": train | {"perturbation": waveform}}},
        "readout": model | {"weights": {"train": train | {"readout": "classify"}}},
    }
    dataset = {
        "modality": "audio",
        "files": {"folder": "mine"},
        "table": "mine/table.csv",
        "categories": "mine/categories.csv",
        "sampling_rate_hz": 8000,
        "duration_s": 0.25,
    }
    for name, entries in {"models": models, "datasets": {"tones": dataset}}.items():
        (folder / "mine" / f"{name}.yaml").write_text(yaml.safe_dump(entries, sort_keys=False))
    settings = {
        "run": "hearing",
        "registry": {"models": "mine/models.yaml", "datasets": "mine/datasets.yaml"},
        "stimuli": {"audio": {"dataset": "tones", "number": 4}},
        "generation_models": ["plain", "robust"],
        "recognition_models": list(models),
        "training": {"attack": {"sizes": [0.1, 0.5], "steps": 2, "examples": 6}},
        "recognition": {"models_per_job": 3},
        "synthesis": {"seeds": 1, "batch_size": 6, "one_cycle": {"audio": {"steps": 60}}},
        "comparison": {"bootstrap": 100, "contrasts": [["robust", "plain"]]},
        "analyses": dict.fromkeys(("vulnerability", "brain", "similarity")),
        "beyond": {"models": []},
    }
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    return HEARING


@pytest.fixture(scope="module")
def heard(root, tmp_path_factory):
    """A finished small run of hearing: its folder."""
    folder = copy_of(root, tmp_path_factory.mktemp("hearing"))
    snakemake(folder, *small_hearing(root, folder))
    return folder


def test_sounds_go_through_the_same_rules_to_the_report(heard):
    results = heard / "results" / "hearing"
    assert "Nothing to be done" in snakemake(heard, *HEARING)
    compared = files.load(results / "comparison/recognizability.nc")
    assert compared["recognition_model"].values.tolist() == ["plain", "robust", "noisy", "readout"]
    assert compared["stage"].values.tolist() == ["natural", "input", "cochleagram", "relu", "final"]
    contrast = files.load(results / "comparison/contrasts.nc")
    assert contrast["contrast"].values.tolist() == ["robust - plain"]
    assert contrast["judged_by"].item() == "noisy, readout"
    assert "<audio" in (results / "report" / "browser.html").read_text()
    assert not [path for path in (results / "report").glob("*.html") if "high <b>" in path.read_text()]
    media = results / "report" / "media" / "plain"
    assert '"high <b>"' in (media / "data.js").read_text()
    sounds = sorted((media / "relu").glob("*.wav"))
    assert sounds
    assert all(path.with_suffix(".png").is_file() for path in sounds)


def test_every_file_of_hearing_is_as_its_schema_says(root, heard):
    check_every_file(root, heard / "results" / "hearing")


def test_what_is_judged_is_the_exported_sound(heard):
    results = heard / "results" / "hearing"
    metamers = files.load(results / "metamers/plain/relu/0000.nc")
    assert metamers.attrs["sampling_rate_hz"] == 8000
    for stimulus in metamers["stimulus"].values:
        sound, rate = soundfile.read(results / f"exported/metamers/plain/relu/{stimulus}_0.wav", dtype="int16")
        assert rate == 8000
        np.testing.assert_array_equal(sound, sixteen_bit(metamers["metamer"].sel(stimulus=stimulus, seed=0).values))


@pytest.mark.parametrize("model", ["plain", "robust", "noisy", "readout"])
def test_networks_are_trained_and_say_how_well(heard, model):
    trained = files.load(heard / f"results/hearing/training/{model}.nc")
    assert trained.sizes["epoch"] == 30
    assert trained["answers"].sum() == 6
    right = sum(int(trained["answers"].sel(category=c, answered_category=c)) for c in trained["category"].values)
    assert float(trained["test_accuracy"]) == pytest.approx(right / 6)
    assert trained.sizes["perturbation_size"] == 2
    if model != "readout":  # of a random convolution
        assert float(trained["test_accuracy"]) > 0.6
        assert (trained["adversarial_accuracy"] <= trained["test_accuracy"] + 1e-9).all()
    weights = heard / f"results/hearing/training/{model}.safetensors"
    assert sha256_of(weights) == trained.attrs["weights_sha256"]
    assert not (heard / "results/hearing/progress/train" / model).exists()


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ("attack", {"train_test": 4}),
        ("seed", {"train": 1, "train_test": 1}),
        ("stage", {"train_test": 1}),
        ("word", {"train": 4, "train_test": 4}),
    ],
)
def test_a_change_retrains_only_what_depends_on_it(heard, tmp_path, changed, wanted):
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    if changed == "attack":
        settings["training"]["attack"]["steps"] = 3
    elif changed == "seed":
        models["noisy"]["weights"]["train"]["seed"] = 5
    elif changed == "stage":
        models["plain"]["stages"] = models["plain"]["stages"] | {"norm": "norm"}
    else:
        append(folder / "mine/categories.csv", "3,other\n")
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    jobs = counts(snakemake(folder, "-n", *HEARING))
    assert {rule: jobs.get(rule, 0) for rule in ("train", "train_test")} == {"train": 0, "train_test": 0} | {
        rule: number for rule, number in wanted.items() if rule.startswith("train")
    }


@pytest.mark.parametrize("changed", ["model", "added"])
def test_a_recognition_model_that_is_changed_or_added_at_the_end_reruns_its_group_only(heard, tmp_path, changed):
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    if changed == "model":
        models["readout"]["stages"] = models["readout"]["stages"] | {"norm": "norm"}
    else:
        models["another"] = models["plain"] | {"weights": {"random": 0}}
        settings["recognition_models"].append("another")
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    jobs = counts(snakemake(folder, "-n", "comparison", *HEARING))
    assert {rule: number for rule, number in jobs.items() if rule.startswith("recognize")} == {"recognize_audio_1": 2}


def test_answers_do_not_depend_on_the_group_and_are_traced_to_their_own_model(heard, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    settings = yaml.safe_load((folder / "hearing.yaml").read_text())
    settings["recognition"]["models_per_job"] = 1
    (folder / "hearing.yaml").write_text(yaml.safe_dump(settings))
    path = "results/hearing/recognition/plain/noisy.nc"
    output = snakemake(folder, path, *HEARING)
    assert counts(output) == {"recognize_audio_2": 1, "total": 1}
    alone, together = (files.load(one / path).attrs for one in (folder, heard))
    assert alone["content_sha256"] == together["content_sha256"]
    assert alone["inputs"] == together["inputs"]
    weights = [name for name in json.loads(together["inputs"]) if name.endswith(".safetensors")]
    assert weights == ["results/hearing/training/noisy.safetensors"]


def test_a_network_that_lacks_a_word_s_class_is_refused_before_it_is_trained(heard, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    models = yaml.safe_load((folder / "mine/models.yaml").read_text())
    models["plain"]["source"]["arguments"] = {"classes": 2}
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    output = snakemake(folder, "results/hearing/training/plain.nc", *HEARING, fails=True)
    assert (
        "models: plain.weights.train.dataset: category 'high <b>' is class 2, but the network has 2 classes" in output
    )


def kill_when_there_is(pattern: str, folder: Path, *arguments: str) -> None:
    """Run Snakemake, and kill it and its jobs without warning as soon as a file of such a path is there."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments, "--config", "save_every_s=0"]
    running = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(600):
            if any(folder.glob(pattern)):
                break
            clock.sleep(0.1)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    assert any(folder.glob(pattern))
    snakemake(folder, "--unlock", *arguments)


def test_a_training_that_is_killed_goes_on(heard, tmp_path):
    """What comes out is what an undisturbed training gives, to the bit."""
    folder = tmp_path / "copy"
    shutil.copytree(heard, folder, symlinks=True)
    target = "results/hearing/training/plain.safetensors"
    settings = yaml.safe_load((folder / "mine/models.yaml").read_text())
    settings["plain"]["weights"]["train"]["epochs"] = 400
    (folder / "mine/models.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    kill_when_there_is("results/hearing/progress/train/plain/*/training.pt", folder, target, *HEARING)
    output = snakemake(folder, target, "--rerun-incomplete", *HEARING)
    assert re.search(r"plain: going on after batch \d+ of epoch \d+ of 400", output)
    assert not (folder / "results/hearing/progress/train/plain").exists()
    resumed = sha256_of(folder / target)
    (folder / target).unlink()
    assert "going on" not in snakemake(folder, target, *HEARING)
    assert sha256_of(folder / target) == resumed


def test_a_synthesis_that_is_killed_goes_on_in_the_stage_where_it_was(root, clone):
    arguments = small(root, clone)
    settings = yaml.safe_load((clone / "small.yaml").read_text())
    settings["synthesis"] |= {"stages_per_job": 3, "one_cycle": {"vision": {"steps": 500}}}
    (clone / "small.yaml").write_text(yaml.safe_dump(settings))
    target = "results/small/metamers/first/logits/0000.nc"
    kill_when_there_is("results/small/progress/synthesize/first_0/0000/*/block_0_2.pt", clone, target, *arguments)
    output = snakemake(clone, target, "--rerun-incomplete", *arguments)
    assert "first input 0000: going on after step 500 of 500" in output
    assert re.search(r"first block 0000: going on after step \d+ of 500", output)
    assert not (clone / "results/small/progress/synthesize/first_0/0000").exists()
    resumed = files.load(clone / target).attrs["content_sha256"]
    (clone / target).unlink()
    assert "going on" not in snakemake(clone, target, *arguments)
    assert files.load(clone / target).attrs["content_sha256"] == resumed


def kill_again_and_again(folder: Path, target: str, arguments: list[str], kills: int, *, everything: bool) -> list[int]:
    """Run a synthesis, and kill Snakemake at a random moment after its job has saved something; so often, then to the end.

    Killed is Snakemake with its jobs, or Snakemake alone; then the job has five minutes to end. Gives the step of stage
    ``block`` that each rerun went on from, 0 where it began anew.
    """
    rng = np.random.default_rng(0)
    log = folder / "results/small/logs/synthesize/first_0/0000.log"
    command = [sys.executable, "-m", "snakemake", target, "--cores", "1", "--rerun-incomplete", *arguments]
    resumed, last, groups = [], 0.0, []
    try:
        for _ in range(kills):
            running = subprocess.Popen(
                command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            groups.append(running.pid)
            kept = "results/small/progress/synthesize/first_0/0000/*/block_0_2.pt"
            while not any(path.stat().st_mtime > last for path in folder.glob(kept)):
                assert running.poll() is None, log.read_text()
                clock.sleep(0.1)
            clock.sleep(rng.uniform(0, 2))
            (os.killpg if everything else os.kill)(running.pid, signal.SIGKILL)
            running.wait()
            until = clock.monotonic() + 300
            while has_members(running.pid):
                assert clock.monotonic() < until, log.read_text()
                clock.sleep(0.1)
            resumed.append(step_of_block(log))
            last = next(iter(folder.glob(kept))).stat().st_mtime
            snakemake(folder, "--unlock", *arguments)
        snakemake(folder, target, "--rerun-incomplete", *arguments)
        resumed.append(step_of_block(log))
    finally:
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
    return resumed[1:]


def has_members(group: int) -> bool:
    """Whether a process group has processes."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def step_of_block(log: Path) -> int:
    """The step that a synthesis of the stage ``block`` has gone on from, out of its job's log."""
    found = re.search(r"first block 0000: going on after step (\d+) of", log.read_text())
    return int(found[1]) if found else 0


@pytest.mark.parametrize("everything", [True, False])
def test_a_synthesis_that_is_killed_between_two_saves_goes_on_from_the_last_one(root, clone, everything):
    """It takes longer than ``save_every_s``; Snakemake is killed with its jobs, or alone."""
    arguments = small(root, clone)
    settings = yaml.safe_load((clone / "small.yaml").read_text())
    settings["synthesis"] |= {"stages_per_job": 3, "one_cycle": {"vision": {"steps": 6000}}}
    (clone / "small.yaml").write_text(yaml.safe_dump(settings | {"save_every_s": 1}))
    target = "results/small/metamers/first/logits/0000.nc"
    resumed = kill_again_and_again(clone, target, arguments, 3, everything=everything)
    assert all(0 < earlier < later < 6000 for earlier, later in pairwise(resumed)), resumed
    assert not (clone / "results/small/progress/synthesize/first_0/0000").exists()
    ended = {path: files.load(path).attrs["content_sha256"] for path in (clone / "results").rglob("metamers/**/*.nc")}
    assert len(ended) == 3
    assert "nothing is damaged, stale or foreign" in snakemake(clone, "verify", *arguments)
    for path in ended:
        path.unlink()
    assert "going on" not in snakemake(clone, target, *arguments)
    assert {path: files.load(path).attrs["content_sha256"] for path in ended} == ended


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


def test_the_cochleagram_s_benchmark_gives_its_gain(clone):
    snakemake(clone, "results/demo/benchmark/cochleagram.nc")
    measured = files.load(clone / "results/demo/benchmark/cochleagram.nc")
    assert float(measured["relative_error"]) < 1e-3
    assert measured["seconds"].dims == ("implementation", "repeat")
    medians = measured["seconds"].median("repeat")
    ratio = medians.sel(implementation="full_rate") / medians.sel(implementation="ours")
    assert float(measured["speedup"]) == pytest.approx(float(ratio))


@pytest.mark.skipif(find_spec("plenoptic") is None, reason="plenoptic is not installed (make benchmark)")
def test_the_benchmark_says_how_much_sooner_the_match_is_reached(rerun):
    folder, arguments = rerun
    settings = {
        "published": {"vision": {"steps": 20, "halvings": 0}},
        "plenoptic": {"steps": 50},
        "stages": {"vision": 2},
        "repeats": 2,
        "trials": {"steps": 10, "stimuli": 2},
    }
    (folder / "benchmark.yaml").write_text(yaml.safe_dump({"benchmark": settings}))
    snakemake(folder, "benchmark", *arguments, "benchmark.yaml")
    made = files.load(folder / "results/small/benchmark/synthesis.nc")
    assert made["speedup_over_published"].dims == made["normalized_error"].dims == ("model", "stage")
    assert made["model"].values.tolist() == ["first"]  # the other one is of the same architecture
    assert made["stage"].values.tolist() == ["block", "logits"]
    for name in ("speedup_over_published", "speedup_over_plenoptic", "normalized_error", "difference"):
        assert np.isfinite(made[name]).all(), name
    check_every_file(folder, folder / "results/small")
    page = (folder / "results/small/report/benchmark.html").read_text()
    for words in (
        "What was tried",
        "Are the metamers worth the same?",
        "What the workflow itself costs",
        "Steps and time",
    ):
        assert words in page
    assert 'src="http' not in page
    assert 'href="http' not in page


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"synthesis": {"procedure": "published"}}, "synthesis.procedure: 'published'; the benchmark compares"),
        (
            {"generation_models": [{"model": "first", "stages": ["input"]}]},
            "benchmark.models: there is nothing to time",
        ),
    ],
)
def test_a_benchmark_that_could_tell_nothing_is_refused_before_its_first_job(root, clone, settings, message):
    arguments = small(root, clone)
    (clone / "other.yaml").write_text(yaml.safe_dump(settings))
    assert message in snakemake(clone, "-n", "benchmark", *arguments, "other.yaml", fails=True)


# What it says


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "generation_models=[efficientnet_lite]",
            "generation_models.0: unknown model 'efficientnet_lite'. Did you mean",
        ),
        ("human_data=everything", "Wanted: summary or participants"),
        ("mirror=/no/such/folder", "mirror: there is no folder /no/such/folder"),
    ],
)
def test_a_wrong_configuration_is_said_before_a_job_starts(clone, setting, message):
    output = snakemake(clone, "--config", setting, fails=True)
    assert message in output
    assert "Job stats" not in output
    assert not (clone / "results").exists()


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ("touch results", "results is a file, but the run needs a folder there"),
        ("ln -s nowhere results", "results is a link that leads nowhere, but the run needs a folder there"),
        ("mkdir results; touch results/small", "results/small is a file, but the run needs a folder there"),
        (
            "mkdir -p results/small.sha256",
            "results/small.sha256 is not a file, but the manifest of results/small belongs",
        ),
        (
            "sed -i 's/^run: small/run: x.sha256/' small.yaml",
            "run: 'x.sha256' ends in .sha256, as the manifest of another",
        ),
    ],
)
def test_a_place_that_cannot_take_results_is_said_before_a_job_starts(root, clone, commands, message):
    arguments = small(root, clone)
    subprocess.run(["bash", "-c", commands], cwd=clone, check=True)
    before = sorted(clone.glob("results*/**"))
    output = snakemake(clone, *arguments, fails=True)
    assert message in output
    assert "Traceback" not in output
    assert "Job stats" not in output
    assert sorted(clone.glob("results*/**")) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--configfile", "none.yaml"], "Error: none.yaml: there is no such file that can be read (No such file or directory)"),
        (["--configfile", "config"], "Error: config: there is no such file that can be read (Is a directory)"),
        (["--configfile", "binary.yaml"], "Error: binary.yaml: not valid YAML: it is not text in UTF-8"),
        (["--configfile", "tabs.yaml"], "indent with spaces, not with tabs"),
        (["--configfile", "twice.yaml"], "Error: twice.yaml: the key 'seed' is in line 1 and again in line 3"),
        (["--configfile", "long.yaml"], "Error: long.yaml: the number in line 1 has 5002 characters; wanted 32 at most"),
        (["--config", "synthesis={seeds: 2, seeds: 3}"], "the key 'seeds' is in line 1 and again in line 1; keep one"),
        (["-nC", "synthesis.seeds=2"], "Error: --config synthesis.seeds=2: a key inside another cannot be set here"),
        (["--config", "synthesis.seeds=2"], "Error: --config synthesis.seeds=2: a key inside another cannot be set here"),
        (["--config", "a=["], "Error: --config a=[: unknown key 'a'. Valid: run, seed, "),
    ],
)  # fmt: skip
def test_a_configuration_that_cannot_be_read_is_said_in_one_sentence(clone, arguments, message):
    (clone / "binary.yaml").write_bytes(bytes(range(256)))
    (clone / "tabs.yaml").write_text("synthesis:\n\tseeds: 2\n")
    (clone / "twice.yaml").write_text("seed: 1\nrun: mine\nseed: 2\n")
    (clone / "long.yaml").write_text(f"seed: 0x{'f' * 5000}\n")
    said = snakemake(clone, "-n", *arguments, fails=True).splitlines()
    assert len(said) == 2, said
    assert said[0].startswith("Using workflow specific profile")
    assert message in said[1]


def test_a_repeated_key_is_named_in_every_configuration_file(clone):
    """Where no profile of the workflow has checked the command line, and in the file that a profile names."""
    (clone / "twice.yaml").write_text("seed: 1\nrun: mine\nseed: 2\n")
    (clone / "own").mkdir()
    (clone / "own" / "config.yaml").write_text("configfile: [twice.yaml]\n")
    for arguments in (["--configfile", "twice.yaml", "--workflow-profile", "none"], ["--profile", "own"]):
        said = snakemake(clone, "-n", *arguments, fails=True)
        assert "twice.yaml: the key 'seed' is in line 1 and again in line 3; keep one of them" in said
        assert "Traceback" not in said
        assert "metamers" not in said.split("keep one of them")[1]  # no frame of the library


def test_a_mirror_that_lacks_a_file_is_said_by_the_job(clone, tmp_path):
    (tmp_path / "mirror").mkdir()
    settings = ["mirror=" + str(tmp_path / "mirror"), "human_data=participants"]
    output = snakemake(clone, "results/demo/humans/auditory-4.nc", "--config", *settings, fails=True)
    assert "lacks raw.githubusercontent.com/jenellefeather" in output
    assert not (clone / "resources" / "retrieved" / "experiments").exists()


def test_an_image_that_is_none_is_said_by_the_job(root, clone):
    arguments = small(root, clone)
    (clone / "mine" / "image_0.png").write_text("<html>404</html>")
    output = snakemake(clone, "results/small/stimuli/own.nc", *arguments, fails=True)
    assert "mine/image_0.png: not an image that can be read" in output
    assert not list((clone / "results").rglob("*.nc*"))


def test_participants_from_a_mirror(clone, mirror):
    settings = [f"mirror={mirror}", "human_data=participants"]
    compared = ["anova", "brain_score", "fmri", "judgements_vision", "judgements_audio"]
    targets = ["humans", *(f"results/demo/comparison/{name}.nc" for name in compared)]
    snakemake(clone, *targets, "--config", *settings)
    check_every_file(clone, clone / "results/demo")
    humans = clone / "results" / "demo" / "humans"
    assert len(list(humans.glob("*.nc"))) == 15
    compared = files.load(clone / "results/demo/comparison/humans_vs_models.nc")
    assert round(float(compared["pearson_r2"].sel(modality="audio")), 3) == 0.949
