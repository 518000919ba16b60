"""Words that claim equality with the study are in the table of docs/reference/claims.md, with tests of its numbers.

``test_pages.py`` checks that the tests that the table names are there.
"""

import ast
import re
from functools import cache

import pytest

from tests.documentation import ROOT

TABLE = "docs/reference/claims.md"
FILES = (
    *(
        "README.md",
        "mkdocs.yml",
        "Snakefile",
        "config/*.*",
        "docs/**/*.md",
        "resources/**/README.md",
        "scripts/**/*.py",
    ),
    *("src/**/*.*", "studies/*.*", "studies/[!t]*/**/*.*", "workflow/**/*.*"),
)
CLAIM = re.compile(
    r"\bas published\b|\bthe study(['’]|&rsquo;|'')s\b|\bas (in )?the study\b|\bcode of the study\b", re.IGNORECASE
)
# What in a module of tests refers to the study's numbers: fixtures of conftest.py, and the folder of its code's numbers.
STUDY_NUMBERS = {"mirror", "public", "study_numbers", "study_file"}
NEAR = 500  # characters within which a place says "not verified"


def words_of(text: str) -> str:
    """A text in one line, without the signs of comments and headings at its line ends."""
    return re.sub(r"\s+(?:#+\s+)?", " ", text)


@cache
def rows() -> dict[str, tuple[list[tuple[str, str]], str]]:
    """Claim → its places, each a file and words in it, and the tests that verify it."""
    cells = [line.strip("| ").split(" | ") for line in (ROOT / TABLE).read_text().splitlines() if line.startswith("| ")]
    return {claim: (re.findall(r"`([^`]+)` “([^”]+)”", places), tests) for claim, places, tests in cells[2:]}


def unlisted(text: str, listed: list[str]) -> list[str]:
    """Words of a text that claim equality and are not among the listed ones."""
    spans = [one.span() for quote in listed for one in re.finditer(re.escape(quote), text)]
    return [
        text[max(0, one.start() - 60) : one.end() + 60]
        for one in CLAIM.finditer(text)
        if not any(start <= one.start() and one.end() <= end for start, end in spans)
    ]


def test_no_file_claims_equality_that_the_table_does_not_have():
    problems = []
    for path in sorted({path for pattern in FILES for path in ROOT.glob(pattern)}):
        name = path.relative_to(ROOT).as_posix()
        if path.suffix in {".py", ".smk", ".md", ".yaml", ".yml", ".rst", ".j2", ".js", ".html", ""} and name != TABLE:
            listed = [quote for places, _ in rows().values() for file, quote in places if file == name]
            problems += [f"{name}: {words}" for words in unlisted(words_of(path.read_text("utf-8")), listed)]
    advice = f'name them in {TABLE} with a test of the study\'s numbers, or as "not verified", or say it otherwise'
    assert not problems, f"{advice}:\n" + "\n".join(problems)


@pytest.mark.parametrize("claim", rows())
def test_every_place_has_its_words_once_and_says_so_where_they_are_not_verified(claim):
    places, tests = rows()[claim]
    assert places
    for file, quote in places:
        text = words_of((ROOT / file).read_text("utf-8"))
        assert text.count(quote) == 1, (file, quote)
        around = text[max(0, text.index(quote) - NEAR) : text.index(quote) + NEAR]
        assert tests != "not verified" or "not verified" in around, f"{file} does not say that it is not verified"


def uses_study_numbers(module: str, test: str) -> bool:
    """Whether a test refers to the study's numbers, by itself or by what it uses of its module."""
    definitions = {}
    for node in ast.parse((ROOT / "tests" / module).read_text("utf-8")).body:
        parts = [getattr(part, key, None) for part in ast.walk(node) for key in ("id", "arg", "value")]
        for target in getattr(node, "targets", [node]):
            definitions[getattr(target, "name", getattr(target, "id", ""))] = {x for x in parts if isinstance(x, str)}
    used, waiting = set(), {test}
    while waiting:
        used |= waiting
        waiting = set().union(*(definitions.get(name, set()) for name in waiting)) - used
    return bool(used & STUDY_NUMBERS)


@pytest.mark.parametrize("claim", [claim for claim, (_, tests) in rows().items() if "`" in tests])
def test_every_test_of_a_claim_uses_the_study_s_numbers(claim):
    module = ""
    for file, test in re.findall(r"`([^`:]+)::(\w+)`", rows()[claim][1]):
        module = module if file == "…" else file
        assert uses_study_numbers(module, test), (module, test)


def test_new_words_are_found_wherever_they_stand_and_own_formulas_are_no_evidence():
    text = words_of("# One, as\n# published.\nTwo, as published.\n/* the study&rsquo;s */\nNobody has published it.")
    assert len(unlisted(text, [])) == 3
    assert len(unlisted(text, ["One, as published"])) == 2
    assert not uses_study_numbers("compare/test_anova.py", "test_f_of_stage_alone_is_that_of_statsmodels")
    assert uses_study_numbers("compare/test_anova.py", "test_every_printed_result_to_its_last_digit")
