"""Two runs share the files of the same work: Snakemake's option `--cache`."""

import os
import shlex

import pytest
import yaml

from metamers.run import files, manifest
from tests.documentation import pages
from tests.workflow.runs import counts, small_hearing, snakemake

pytestmark = pytest.mark.slow

COMMAND = "snakemake --cores 8 --configfile mine/second.yaml --cache"
# Of one network of sounds, which is trained.
TARGETS = ("recognition/plain/plain.nc", "nulls/plain.nc", "acceptance/plain.nc")
SHARED = (
    *("training/plain.safetensors", "training/curves/plain.nc", "synthesis/plain/final/0000.nc"),
    *("metamers/plain/final/0000.nc", "nulls/plain.nc", "natural_recognition/plain.nc", "recognition/plain/plain.nc"),
)


def test_a_second_run_takes_the_files_of_the_same_work_from_the_first_one(root, clone, tmp_path, monkeypatch):
    """Training, synthesis, measures, null distribution and recognition run once; other settings are computed."""
    assert COMMAND in pages()["docs/clusters.md"]
    small_hearing(root, clone)
    settings = yaml.safe_load((clone / "hearing.yaml").read_text())
    settings |= {"generation_models": [{"model": "plain", "stages": ["final"]}], "recognition_models": ["plain"]}
    settings["comparison"] |= {"contrasts": []}
    other = settings["synthesis"] | {"quick": {"audio": {"steps": 50}}}
    for run, changed in {"first": {}, "second": {}, "third": {"synthesis": other}}.items():
        (clone / "mine" / f"{run}.yaml").write_text(yaml.safe_dump(settings | {"run": run} | changed))
    (tmp_path / "shared").mkdir()
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(tmp_path / "shared"))

    def run(name: str, *more: str, targets: tuple[str, ...] = TARGETS) -> str:
        arguments = shlex.split(COMMAND.replace("second", name))[1:]
        return snakemake(clone, *(f"results/{name}/{target}" for target in targets), *arguments, *more)

    def logged(name: str) -> set[str]:
        """The steps that ran; Snakemake makes an empty log for others."""
        logs = clone / "results" / name / "logs"
        return {path.relative_to(logs).parts[0] for path in logs.rglob("*.log") if path.stat().st_size}

    run("first")
    run("second")
    computed = {"train_model", "synthesize_metamers", "synthesize_measure", "null_distribution"}
    assert computed | {"recognize_natural", "recognize"} <= logged("first")
    ours = {"stimuli_datasets", "stimuli_export", "train_examples", "synthesize_export", "null_acceptance"}
    assert logged("second") == ours
    for path in SHARED:
        first, second = (clone / "results" / name / path for name in ("first", "second"))
        assert os.path.samefile(first, second)
        assert second.is_symlink()
    assert counts(run("second", "-n")) == {}
    assert manifest.read(clone / "results" / "second").recorded.keys() >= {f"second/{path}" for path in SHARED}

    (clone / "results/second/nulls/plain.nc").resolve().unlink()
    run("second")
    assert logged("second") == ours | {"null_distribution"}
    assert "nothing is damaged, stale or foreign" in snakemake(clone, "verify", *shlex.split(COMMAND)[1:])

    run("third", targets=("synthesis/plain/final/0000.nc",))
    assert logged("third") == {"stimuli_datasets", "train_examples", "synthesize_metamers"}
    made = [files.load(clone / "results" / name / "synthesis/plain/final/0000.nc") for name in ("first", "third")]
    assert made[0].sizes["step"] > made[1].sizes["step"]
