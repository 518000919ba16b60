"""Compute again what the package has of the published data alone: ``resources/published/precomputed/``.

    python -m studies.precomputed

``metamers.plan.precomputed`` says which results these are, and when a run takes them.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from metamers.plan.plan import Plan, make_plan
from metamers.plan.precomputed import FOLDER, PUBLISHED_FOLDER, RECORD, made_from
from metamers.plan.steps import merge_defaults
from metamers.repository import ROOT
from metamers.run.hashes import sha256_of

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
MADE = tuple(f"results/published/{name}" for name in (*RESULTS, *(f"report/figures/{name}" for name in FIGURES)))


def compute(folder: Path) -> Path:
    """Compute the results in a new folder, from the committed tables; return the folder with files and record."""
    tables = shutil.copytree(ROOT / PUBLISHED_FOLDER, folder / PUBLISHED_FOLDER, ignore=shutil.ignore_patterns(FOLDER))
    (folder / "published.yaml").write_text(yaml.safe_dump(CONFIGURATION), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--cores", "1", "--configfile", str(folder / "published.yaml"), "--", *MADE]
    subprocess.run(command, cwd=ROOT, check=True)
    (tables / FOLDER).mkdir()
    for path in MADE:
        shutil.copy(folder / path, tables / FOLDER)
    write_record(make_plan(merge_defaults(CONFIGURATION)), tables / FOLDER)
    return tables / FOLDER


def write_record(plan: Plan, folder: Path) -> None:
    """Write the record of a folder with files that a run of this plan has computed from the tables above the folder."""
    made = made_from(plan, folder.parent)
    for result in made:
        made[result]["files"] = {path.name: sha256_of(path) for path in sorted(folder.glob(f"{result}*"))}
    (folder / RECORD).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(compute(Path(folder)), ROOT / PUBLISHED_FOLDER / FOLDER, dirs_exist_ok=True)
