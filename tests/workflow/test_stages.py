"""A run with ``stages: auto`` says which stages it uses, and uses the same ones the next time."""

import re

import pytest
import yaml

from metamers.config.model_lock import read_lock
from tests.workflow.runs import copy_of, counts, snakemake

pytestmark = pytest.mark.slow


def test_automatic_stages_are_printed_and_fixed(root, tmp_path):
    folder = copy_of(root, tmp_path)
    (folder / "mine").mkdir()
    (folder / "mine/net.py").write_text((root / "tests/networks/tiny.py").read_text())
    model = {
        "modality": "vision",
        "source": {"python": "mine/net.py:convolutional", "arguments": {"classes": 1000}},
        "weights": {"random": 0},
        "input": {"size": 8, "mean": [0.5] * 3, "std": [0.5] * 3},
        "stages": "auto",
    }
    run = {
        "run": "mine",
        "models": {"mine": model},
        "stimuli": {"vision": {"dataset": "imagenet_photographs", "number": 2}},
        "generation_models": ["mine"],
        "recognition_models": ["mine", "efficientnet_lite1"],
        "comparison": {"contrasts": []},
    }
    (folder / "mine/run.yaml").write_text(yaml.safe_dump(run))
    arguments = ("report", "-n", "--configfile", "mine/run.yaml")
    said = snakemake(folder, *arguments)
    wanted = ["input", "relu", "block", "pooled", "logits"]
    line = rf"\bmine\b.*: {', '.join(wanted)}"
    assert re.search(line, said)
    assert counts(said)["synthesize_metamers"] == len(wanted)
    lock = (folder / "mine/run.lock.yaml").read_bytes()
    assert list(read_lock(folder / "mine/run.lock.yaml")["mine"]["stages"]["found"]) == wanted
    assert re.search(line, snakemake(folder, *arguments))
    assert (folder / "mine/run.lock.yaml").read_bytes() == lock
