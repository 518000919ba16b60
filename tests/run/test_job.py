"""Where a job of a run has the files of its parameters, and its checkpoints."""

from metamers.run.job import progress_folder

from pathlib import Path
from types import SimpleNamespace

import pytest

from metamers.run import manifest

WEIGHTS = "results/<run>/training/cnn.safetensors"


@pytest.fixture(autouse=True)
def _no_run(monkeypatch):
    monkeypatch.setattr(manifest, "_run", None)


@pytest.mark.parametrize("place", ["", ".snakemake/storage/s3/bucket/"])
def test_parameters_name_files_of_any_run(place):
    """Also where the run is in the local copy of a storage; other paths stay as they are."""
    assert manifest.in_run(WEIGHTS) == Path(WEIGHTS)
    manifest.use_run_of(f"{place}results/mine/logs/recognize/cnn/vision_0.log")
    assert manifest.in_run(WEIGHTS) == Path(f"{place}results/mine/training/cnn.safetensors")
    for path in ("weights/cnn.safetensors", "results/other/training/cnn.safetensors"):
        assert manifest.in_run(path) == Path(path)


def test_checkpoints_have_the_path_of_the_log():
    job = SimpleNamespace(
        log=[".snakemake/storage/fs/store/results/mine/logs/synthesize_metamers/cnn/layer1.0/0000.log"]
    )
    folder = Path(".snakemake/storage/fs/store/results/mine/progress/synthesize_metamers/cnn/layer1.0/0000")
    assert progress_folder(job) == folder
