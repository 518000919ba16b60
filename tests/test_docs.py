"""Pages of the documentation name tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("page", ["hostile.md", "promises.md"])
def test_every_test_that_a_page_names_is_there(page):
    """Also where a name is only begun, or stands under ``…`` for the file before."""
    named, file = 0, None
    for found in re.finditer(r"`(test_\w+\.py|…)(?:::(test_\w+))?`", (ROOT / "docs" / page).read_text()):
        file = file if found[1] == "…" else ROOT / "tests" / found[1]
        assert file.is_file(), found[0]
        if found[2]:
            assert re.search(rf"def {found[2]}\w*\(", file.read_text()), found[0]
            named += 1
    assert named > 10
