"""Two runs share the files of the same work: Snakemake's option `--cache`."""

import shlex
import shutil

import pytest
import yaml

from metamers.run import files, manifest
from tests.documentation import pages
from tests.workflow.runs import counts, small, small_hearing, snakemake

pytestmark = pytest.mark.slow

# Of one network of sounds, which is trained.
TARGETS = ("recognition/plain/plain.nc", "nulls/plain.nc", "acceptance/plain.nc")
SHARED = (
    *("training/plain.safetensors", "training/curves/plain.nc", "synthesis/plain/final/0000.nc"),
    *("metamers/plain/final/0000.nc", "nulls/plain.nc", "natural_recognition/plain.nc", "recognition/plain/plain.nc"),
)


def test_a_second_run_takes_the_files_of_the_same_work_from_the_first_one(root, clone, tmp_path, monkeypatch):
    """Training, synthesis, measures, null distribution and recognition run once; other settings are computed."""
    commands = ["export SNAKEMAKE_OUTPUT_CACHE=/FOLDER", "snakemake --cores 8 --configfile mine/second.yaml --cache"]
    assert all(command in pages()["docs/clusters.md"] for command in commands)
    folder = tmp_path / "shared"
    folder.mkdir()
    name, _, value = commands[0].removeprefix("export ").partition("=")
    monkeypatch.setenv(name, value.replace("/FOLDER", str(folder)))
    small_hearing(root, clone)
    settings = yaml.safe_load((clone / "hearing.yaml").read_text())
    settings |= {"generation_models": [{"model": "plain", "stages": ["final"]}], "recognition_models": ["plain"]}
    settings["comparison"] |= {"contrasts": []}
    other = settings["synthesis"] | {"quick": {"audio": {"steps": 50}}}
    for run, changed in {"first": {}, "second": {}, "third": {"synthesis": other}}.items():
        (clone / "mine" / f"{run}.yaml").write_text(yaml.safe_dump(settings | {"run": run} | changed))

    def run(name: str, *more: str, targets: tuple[str, ...] = TARGETS) -> str:
        arguments = shlex.split(commands[1].replace("second", name))[1:]
        return snakemake(clone, *(f"results/{name}/{target}" for target in targets), *arguments, *more)

    def computed(name: str) -> set[str]:
        """The steps that ran, by their logs."""
        logs = clone / "results" / name / "logs"
        taken = {path for path in logs.rglob("*.log") if " taken from " in path.read_text()}
        return {path.relative_to(logs).parts[0] for path in logs.rglob("*.log") if path not in taken}

    shared = {"train_model", "synthesize_metamers", "synthesize_measure", "null_distribution"}
    shared |= {"recognize_natural", "recognize"}
    ours = {"stimuli_datasets", "stimuli_export", "train_examples", "synthesize_export", "null_acceptance"}
    run("first")
    run("second")
    assert computed("first") == shared | ours
    assert computed("second") == ours
    for path in SHARED:
        first, second = (clone / "results" / name / path for name in ("first", "second"))
        assert files.fingerprint(first) == files.fingerprint(second)
    assert counts(run("second", "-n")) == {}
    assert manifest.read(clone / "results" / "second").recorded.keys() >= {f"second/{path}" for path in SHARED}

    run("third", targets=("synthesis/plain/final/0000.nc",))
    assert computed("third") == {"stimuli_datasets", "train_examples", "synthesize_metamers"}
    made = [files.load(clone / "results" / name / "synthesis/plain/final/0000.nc") for name in ("second", "third")]
    assert made[0].sizes["step"] > made[1].sizes["step"]

    # Neither run depends on the folder or on the other run. A damaged file is computed again.
    shutil.rmtree(clone / "results" / "first")
    for path in folder.glob("*.nc"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    (clone / "results/second/nulls/plain.nc").unlink()
    run("second")
    assert computed("second") == ours | {"null_distribution"}
    output = snakemake(clone, "verify", *shlex.split(commands[1])[1:])
    assert "nothing is damaged, stale or foreign" in output
    assert "linked" not in output


@pytest.mark.parametrize("folder", [None, "shared", "/there/is/none"])
def test_a_folder_that_will_not_do_is_named_before_the_first_job(root, clone, monkeypatch, folder):
    if folder is None:
        monkeypatch.delenv("SNAKEMAKE_OUTPUT_CACHE", raising=False)
    else:
        monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", folder)
    output = snakemake(clone, *small(root, clone), "-n", "--cache", fails=True)
    assert "SNAKEMAKE_OUTPUT_CACHE" in output
    assert "Traceback" not in output


def test_a_dry_run_lists_jobs_whose_inputs_do_not_exist_yet(root, clone, tmp_path, monkeypatch):
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path))
    jobs = counts(snakemake(clone, *small_hearing(root, clone), "-n", "--cache"))
    assert jobs["train_model"] >= 1
    assert jobs["synthesize_metamers"] >= 1
