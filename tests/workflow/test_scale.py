"""Number of models in a run: the published study with 60 more models, each a generation and a recognition model."""

import math
import re
import subprocess
import sys

import pytest
import yaml

from tests.workflow.runs import counts

ADDED = 60
LIMIT_S = 600  # for a dry run on a slow machine


def many(root, folder):
    """Return Snakemake's configuration files of the published study with copies of ResNet50 with random weights."""
    models = yaml.safe_load((root / "config" / "models.yaml").read_text())
    study = yaml.safe_load((root / "config" / "paper.yaml").read_text())
    copied = {key: value for key, value in models["resnet50"].items() if key != "published_as"}
    stages = {stage: module for stage, module in copied["stages"].items() if stage != "avgpool"}
    copies = {f"copy_{n}": copied | {"stages": stages, "weights": {"random": n}} for n in range(ADDED)}
    (folder / "models.yaml").write_text(yaml.safe_dump(models | copies, sort_keys=False))
    both = {key: [*study[key], *copies] for key in ("generation_models", "recognition_models")}
    settings = {"run": "many", "registry": {"models": "models.yaml"}} | both
    (folder / "many.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    return [str(root / "config" / "paper.yaml"), str(folder / "many.yaml")]


@pytest.fixture
def jobs(root, tmp_path):
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--quiet", "rules"]
    command += ["--snakefile", str(root / "Snakefile"), "--directory", str(tmp_path)]
    command += ["--configfile", *many(root, tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert ran.returncode == 0, ran.stderr[-5000:]
    return counts(ran.stdout + ran.stderr)


def test_no_job_of_a_model_searches_all_models(root):
    """Snakemake's ``lookup`` walks through the whole of ``within`` for each job, which ``by`` does not."""
    searched = re.compile(r'lookup\("\{\w*model\}')
    rules = sorted((root / "workflow" / "rules").glob("*.smk"))
    assert rules
    assert [path.name for path in rules if searched.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.slow
def test_the_published_study_with_60_more_models_is_planned_within_minutes(jobs):
    stages, seeing, hearing = 421 + 7 * ADDED, 30 + ADDED, 18  # stages and generation models
    assert jobs["synthesize_metamers"] == stages * 400 // 100  # in batches of 100 stimuli
    recognition = sum(number for name, number in jobs.items() if name.startswith("recognize"))
    # Generation models and natural stimuli; recognition models in groups of 16.
    assert recognition == (seeing + 1) * math.ceil((29 + ADDED) / 16) + (hearing + 1) * 2
    assert jobs["null_acceptance"] == seeing + hearing
    assert jobs["total"] < 10_000  # 8,000 pairs of models would be jobs of Python, if they were not grouped
