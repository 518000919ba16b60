"""The reference page of hostile and broken input, from the marks ``hostile`` of the tests.

One mark of a row has section, input and what happens: ``@pytest.mark.hostile("Archives", "a bomb", "refused")``.
Further tests of the row have a mark with the input alone, or with its beginning and an ellipsis: ``hostile("a bomb")``.
The tests are parsed and not imported, so the page needs none of their packages.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

NAME = "pytest.mark.hostile"
SECTIONS = (  # in the order of the page
    "Any file that a compiled library reads",
    "Pickles and checkpoints",
    "Archives",
    "Servers and mirrors",
    "Configuration",
    "Stimuli",
    "NetCDF",
    "Entries of a shared leaderboard",
    "Models",
    "The experiment's server",
    "Answers of participants",
    "Results, and a bad disk",
    "Any bytes",
)
PAGE = """# Hostile and broken input, by test

This page is generated from the marks `hostile` of the tests. [Hostile and broken input](../hostile.md) says what is
promised and by which mechanism. A path is a file under `tests/`, and `pytest tests/<path>::<test>` runs a test.
"""


def marks(tests: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield (test, texts of a mark), in the order of files and lines.

    Raises
    ------
    ValueError
        If an argument of a mark is not a text, or the number or section of its texts is wrong.
    """
    for path in sorted(tests.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if NAME in text:
            yield from _marks(ast.parse(text), path.relative_to(tests).as_posix())


def _marks(parent: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in parent.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        test = f"{name}::{node.name}"
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == NAME:
                texts = tuple(value.value for value in mark.args if isinstance(value, ast.Constant))
                if len(texts) not in (1, 3) or len(texts) < len(mark.args) or not all(texts):
                    raise ValueError(
                        f"{test}: `{ast.unparse(mark)}`; a mark has section, input and what happens as texts, "
                        "or the input of another mark alone"
                    )
                if len(texts) == 3 and texts[0] not in SECTIONS:
                    raise ValueError(f"{test}: no section {texts[0]!r}; there are {', '.join(SECTIONS)}")
                yield test, texts
        if isinstance(node, ast.ClassDef):
            yield from _marks(node, test)


def rows(tests: Path) -> dict[tuple[str, str, str], list[str]]:
    """Return (section, input, what happens) → tests, the one with these texts first.

    Raises
    ------
    ValueError
        If a mark is wrong, see ``marks``; if two marks describe the same input; or if the only text of a mark is the
        beginning of no input, or of several.
    """
    listed: dict[tuple[str, str, str], list[str]] = {}
    others = []
    for test, texts in marks(tests):
        if len(texts) == 1:
            others.append((test, texts[0].removesuffix(" …")))
        elif same := [row for row in listed if row[1] == texts[1]]:
            raise ValueError(f"{test}: {listed[same[0]]} describes the input {texts[1]!r} already")
        else:
            listed[texts] = [test]
    for test, beginning in others:
        matching = [row for row in listed if row[1].startswith(beginning)]
        if len(matching) != 1:
            raise ValueError(f"{test}: {beginning!r} is the beginning of {len(matching)} inputs of marks, not of one")
        listed[matching[0]].append(test)
    return listed


def page(rows: dict[tuple[str, str, str], list[str]]) -> str:
    """Return the page in Markdown: a table for each section."""
    parts = [PAGE]
    for section in SECTIONS:
        parts.append(f"\n## {section}\n\n| input | what happens | tests |\n| --- | --- | --- |\n")
        for (of_section, *texts), tests in rows.items():
            if of_section == section:
                cells = [*texts, ", ".join(f"`{test}`" for test in tests)]
                # A bar in code does not end a cell, and a backslash before it would show.
                escaped = [re.sub(r"(`[^`]*`)|\|", lambda bar: bar[1] or r"\|", cell) for cell in cells]
                parts.append(f"| {' | '.join(escaped)} |\n")
    return "".join(parts)
