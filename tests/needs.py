"""What some tests need besides the environment of the lock; a skipped test says how to have it."""

import os
from functools import cache
from pathlib import Path

import pytest
import xarray as xr

DATA = Path(os.environ.get("METAMERS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def study_file(name: str) -> Path:
    """A file of the numbers that the study's code gave (``README.md`` beside it says how)."""
    if not (DATA / name).is_file():
        pytest.skip("no numbers of the study's code (their folder: METAMERS_DATA)")
    return DATA / name


@cache
def study_numbers(name: str) -> xr.Dataset:
    """Numbers that the study's code gave; the attribute ``how`` says with which settings."""
    return xr.load_dataset(study_file(f"{name}.nc"))


def without(package: str) -> str:
    """The reason to skip a test without a package."""
    return f"no {package} (make extras)"
