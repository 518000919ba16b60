"""Pages of the documentation name tests that there are, and their links work; test_commands.py runs their commands."""

import re

import pytest

from generate import hostile
from tests.documentation import ROOT, pages


@pytest.mark.parametrize("page", ["promises.md", "reference/claims.md"])
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


def test_the_table_of_hostile_input_has_every_section_and_every_marked_test():
    """Each mark has three texts, or one that refers to a mark with three; otherwise ``rows`` raises an error."""
    rows = hostile.rows(ROOT / "tests")
    assert {section for section, _, _ in rows} == set(hostile.SECTIONS)
    assert all(text.strip() for row in rows for text in row)
    page = pages()["docs/reference/hostile.md"]
    assert re.findall(r"^## (.+)$", page, flags=re.MULTILINE) == list(hostile.SECTIONS)
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    marked = re.findall(r"^ *@pytest\.mark\.hostile\(", written, flags=re.MULTILINE)
    assert len(re.findall(r"`[\w/]+\.py(?:::\w+)+`", page)) == sum(map(len, rows.values())) == len(marked) > 200


def test_further_tests_of_an_input_and_classes_are_in_its_row(tmp_path):
    mark = '@pytest.mark.hostile("Archives", "a bomb | a `|`", "refused")'
    (tmp_path / "test_b.py").write_text(f"{mark}\n@pytest.mark.slow\ndef test_c(): ...\n")
    (tmp_path / "test_a.py").write_text('class TestA:\n    @pytest.mark.hostile("a bomb …")\n    def test_b(): ...\n')
    rows = hostile.rows(tmp_path)
    assert rows == {("Archives", "a bomb | a `|`", "refused"): ["test_b.py::test_c", "test_a.py::TestA::test_b"]}
    row = r"| a bomb \| a `|` | refused | `test_b.py::test_c`, `test_a.py::TestA::test_b` |"
    assert row in hostile.page(rows).splitlines()


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        (['"Archives", "a bomb"'], r"test_a\.py::test_0: "),
        (['"Archives", "a bomb", ""'], r"test_a\.py::test_0: "),
        (['"Archives", "a bomb", NAME'], r"test_a\.py::test_0: "),
        (['"Archive", "a bomb", "refused"'], "test_0: .*'Archive'.*Archives, "),
        (['"Archives", "a bomb", "refused"', '"a link"'], "test_1: 'a link' .* 0 "),
        (['"Archives", "a bomb", "x"', '"Archives", "a b", "x"', '"a …"'], "test_2: 'a' .* 2 "),
        (['"Archives", "a bomb", "x"', '"NetCDF", "a bomb", "y"'], r"test_1: \['test_a\.py::test_0'\] describes"),
    ],
)
def test_a_wrong_mark_is_named(tmp_path, marks, message):
    tests = [f"@pytest.mark.hostile({mark})\ndef test_{number}(): ...\n" for number, mark in enumerate(marks)]
    (tmp_path / "test_a.py").write_text("".join(tests))
    with pytest.raises(ValueError, match=message):
        hostile.rows(tmp_path)


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


def test_every_link_of_a_page_works_in_the_repository():
    """As GitHub shows it; test_site.py follows the same links on the site."""
    assert [
        (page, found) for page, text in pages().items() if (ROOT / page).is_file() and (found := broken(page, text))
    ] == []


def test_a_link_that_leads_nowhere_is_found():
    text = "[one](README.md) [two](#citation-and-licence) [three](a.md) ![four](a.png) [five](README.md#none) [six](#c)"
    assert broken("README.md", text) == ["a.md", "a.png", "README.md#none", "#c"]
