"""Number of models in a run: the published study with 60 more models, each a generation and a recognition model."""

import math
import re

import pytest
import yaml

from tests.workflow.runs import counts, snakemake

ADDED = 60


@pytest.fixture
def jobs(clone):
    """Rule → number of jobs of the published study, of 100 stimuli, with copies of ResNet50 with random weights."""
    models = yaml.safe_load((clone / "config" / "models.yaml").read_text())
    study = yaml.safe_load((clone / "config" / "paper.yaml").read_text())
    copied = {key: value for key, value in models["resnet50"].items() if key != "published_as"}
    stages = {stage: module for stage, module in copied["stages"].items() if stage != "avgpool"}
    copies = {f"copy_{n}": copied | {"stages": stages, "weights": {"random": n}} for n in range(ADDED)}
    (clone / "models.yaml").write_text(yaml.safe_dump(models | copies, sort_keys=False))
    settings = {key: [*study[key], *copies] for key in ("generation_models", "recognition_models")}
    settings["stimuli"] = {modality: chosen | {"number": 100} for modality, chosen in study["stimuli"].items()}
    settings |= {"run": "many", "registry": {"models": "models.yaml"}}
    (clone / "many.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    output = snakemake(clone, "-n", "--quiet", "rules", "--configfile", "config/paper.yaml", "many.yaml")
    return counts(output)


def test_no_job_of_a_model_searches_all_models(root):
    """Snakemake's ``lookup`` walks through the whole of ``within`` for each job, which ``by`` does not."""
    searched = re.compile(r'lookup\("\{\w*model\}')
    rules = sorted((root / "workflow" / "rules").glob("*.smk"))
    assert rules
    assert [path.name for path in rules if searched.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.slow
def test_the_published_study_with_60_more_models_is_planned_with_less_than_5000_jobs(jobs):
    stages, seeing, hearing = 421 + 7 * ADDED, 30 + ADDED, 18  # stages and generation models
    assert jobs["synthesize_metamers"] == stages  # in batches of 100 stimuli
    recognition = sum(number for name, number in jobs.items() if name.startswith("recognize"))
    # Generation models and natural stimuli; recognition models in groups of 16.
    assert recognition == (seeing + 1) * math.ceil((29 + ADDED) / 16) + (hearing + 1) * 2
    assert jobs["null_acceptance"] == seeing + hearing
    assert jobs["total"] < 5_000  # 8,000 pairs of models would be jobs of Python, if they were not grouped
