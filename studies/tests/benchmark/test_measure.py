"""The benchmark says on which machine it was measured, and which goals hold there."""

import os
import subprocess
import sys

import pytest
import xarray as xr

from studies.benchmark.page import goals_of

PRINT = "from studies.benchmark.measure import instruction_sets; print(instruction_sets())"


def test_instruction_sets_are_those_that_the_environment_allows():
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        pytest.skip("only x86-64 has these instruction sets")
    limits = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    made = subprocess.run(
        [sys.executable, "-c", PRINT], env=os.environ | limits, capture_output=True, text=True, check=True, timeout=120
    )
    assert made.stdout.strip() == "AVX2"


@pytest.mark.parametrize(
    ("instruction_sets", "wanted"),
    [
        ("AVX2", (2.5, 1.6)),
        ("AVX512, bfloat16", (3, 2)),
        ("AVX2; AVX512, bfloat16", (2.5, 1.6)),
        ("AVX512, bfloat16; AVX512", (2.5, 1.6)),
        ("AVX2, bfloat16; AVX512, bfloat16", (3, 2)),
    ],
)
def test_goals_are_higher_if_all_processors_have_bfloat16(instruction_sets, wanted):
    assert goals_of(xr.Dataset(attrs={"instruction_sets": instruction_sets})) == wanted
