"""Compute again what the package has of the published data alone: ``resources/published/precomputed/``.

    python -m studies.precomputed

``metamers.plan.precomputed`` says which results these are, and when a run takes them.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from metamers.config.read import merge_defaults
from metamers.plan.plan import make_plan
from metamers.plan.precomputed import FOLDER, PUBLISHED, write_record
from metamers.repository import ROOT

# The default settings, without metamers.
CONFIGURATION = {
    "run": "published",
    "generation_models": [],
    "recognition_models": [],
    "comparison": {"contrasts": []},
    "analyses": dict.fromkeys(("vulnerability", "brain", "similarity")),
    "beyond": {"models": []},
}
RESULTS = ("comparison/humans_vs_models.nc", "comparison/passes.nc", "comparison/power.nc")
FIGURES = ("humans_vs_models_vision.svg", "humans_vs_models_audio.svg", "power.svg")


def compute(folder: Path) -> Path:
    """Compute the results in a new folder, from the committed tables; return the folder with files and record."""
    tables = shutil.copytree(ROOT / PUBLISHED, folder / PUBLISHED, ignore=shutil.ignore_patterns(FOLDER))
    (folder / "published.yaml").write_text(yaml.safe_dump(CONFIGURATION), encoding="utf-8")
    made = [f"results/published/{name}" for name in (*RESULTS, *(f"report/figures/{name}" for name in FIGURES))]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--cores", "1", "--configfile", str(folder / "published.yaml"), "--", *made]
    subprocess.run(command, cwd=ROOT, check=True)
    (tables / FOLDER).mkdir()
    for path in made:
        shutil.copy(folder / path, tables / FOLDER)
    write_record(make_plan(merge_defaults(CONFIGURATION)), tables / FOLDER)
    return tables / FOLDER


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(compute(Path(folder)), ROOT / PUBLISHED / FOLDER, dirs_exist_ok=True)
