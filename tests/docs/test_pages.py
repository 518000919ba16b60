"""Pages of the documentation name tests that there are, and their links work; test_commands.py runs their commands."""

import re

import pytest

from tests.documentation import ROOT, pages


@pytest.mark.parametrize("page", ["hostile.md", "promises.md", "reference/claims.md"])
def test_every_test_that_a_page_names_is_there(page):
    """Also if a name is abbreviated, or ``…`` stands for the file named before."""
    named, file = 0, None
    for found in re.finditer(
        r"`(?:tests/)?((?:\w+/)*test_\w+\.py|…)(?:::(test_\w+))?`", (ROOT / "docs" / page).read_text()
    ):
        file = file if found[1] == "…" else ROOT / ("" if found[1].startswith("studies/") else "tests") / found[1]
        assert file.is_file(), found[0]
        if found[2]:
            assert re.search(rf"def {found[2]}\w*\(", file.read_text()), found[0]
            named += 1
    assert named > 10


def places(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#{1,6} (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def broken(page: str, text: str) -> list[str]:
    """Return the relative links and images of a page that lead to no file or no heading in the repository."""
    found = []
    for target in re.findall(r"\[[^\]]+\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)):
        address, _, anchor = target.partition("#")
        if re.match(r"\w+:", address):
            continue
        path = (ROOT / page).parent / address if address else ROOT / page
        if not path.exists() or (anchor and anchor not in places(path.read_text(encoding="utf-8"))):
            found.append(target)
    return found


@pytest.mark.parametrize("page", [page for page in pages() if (ROOT / page).is_file()])
def test_every_link_of_a_page_works_in_the_repository(page):
    """As GitHub shows it; test_site.py follows the same links on the site."""
    assert not broken(page, pages()[page])


def test_a_link_that_leads_nowhere_is_found():
    text = "[one](README.md) [two](#citation-and-licence) [three](a.md) ![four](a.png) [five](README.md#none) [six](#c)"
    assert broken("README.md", text) == ["a.md", "a.png", "README.md#none", "#c"]
