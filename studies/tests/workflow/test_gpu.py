"""The benchmark of graphics cards as Snakemake runs it: on a fake card, and without one."""

import re

import pandas as pd
import pytest
import yaml

from studies.files import GPU
from tests.conventions import complaints
from tests.fake_card import NAME
from tests.workflow.runs import check_schema, counts, small, snakemake

# Run in each job before its script.
WITH_CARD = """
import sys

sys.path.append({root!r})
import torch
from tests.fake_card import fake_card

torch.compile = lambda model, **_options: model  # compilation takes minutes
there = fake_card((3, 16, 16), 8000)
there.__enter__()
"""


@pytest.fixture
def arguments(root, clone):
    given = small(root, clone)
    settings = {
        "generation_models": [{"model": "first", "stages": ["input", "block"]}],
        "recognition_models": ["first"],
        "benchmark": {"gpu": {"steps": 10, "stimuli": 2, "batch": 2}},
    }
    (clone / "gpu.yaml").write_text(yaml.safe_dump(settings))
    return ["gpu_benchmark", "--snakefile", "studies/Snakefile", *given, "gpu.yaml"]


@pytest.mark.slow
def test_the_benchmark_of_a_card_makes_its_table_and_is_not_repeated(root, clone, arguments):
    (clone / "card.py").write_text(WITH_CARD.format(root=str(root)))
    snakemake(clone, *arguments, first=clone / "card.py")
    (row,) = pd.read_csv(clone / "results/small/benchmark/gpu.csv").to_dict("records")
    assert (row["model"], row["stage"], row["card"], row["agrees"]) == ("first", "block", NAME, 1)
    assert row["batch"] > row["halved_batch"] > 0
    assert all(row[f"jobs_{jobs}"] > 0 for jobs in (1, 2, 4))
    assert row["compiled"] > 0
    measured = clone / "results/small/benchmark/gpu/first/block.nc"
    check_schema(measured, "benchmark/gpu/first/block.nc", {GPU.path: GPU})
    assert not complaints(measured)
    assert counts(snakemake(clone, "-n", *arguments)) == {}


def test_without_a_card_the_benchmark_says_so(clone, arguments):
    assert re.search("CUDA .*: cpu$", snakemake(clone, *arguments, fails=True), re.MULTILINE)
    assert not list((clone / "results/small/benchmark").rglob("*.nc"))
