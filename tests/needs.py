"""What some tests need besides the environment of the lock; a skipped test says how to have it."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("METAMERS_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "published_synthesis_vision.nc").is_file(),
    reason="no numbers of the study's code (their folder: METAMERS_DATA)",
)


def without(package: str) -> str:
    """The reason to skip a test without a package."""
    return f"no {package} (make extras)"
