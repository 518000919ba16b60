"""The reference pages of the library: its modules by group; mkdocstrings fills the pages from their docstrings."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

LIBRARY = "src/metamers"
PAGES = "reference/library"
# A name of the library as code, in the HTML of a page. It becomes a link if the site has a page for it.
NAMED = re.compile(r"(?<!<pre>)<code>(metamers(?:\.\w+)+)</code>(?!</a>)")

INDEX = """# Library

This page is generated from the docstrings of `src/metamers/`. The library does not depend on Snakemake: functions take
arrays and datasets and return arrays and datasets; scripts read and write files. In Python, import a module with, for
example, `import metamers.synthesize.metamers`. [In a notebook](../../notebook.md), `import metamers as mm` and the
functions of [`interactive`](interactive.md) are enough.
"""

Modules = Mapping[str, Mapping[str, str]]


def modules(root: Path) -> dict[str, dict[str, str]]:
    """Return group → module, without ``metamers.`` → docstring; groups are in the order of the package's docstring.

    Raises
    ------
    ValueError
        When the package's docstring names no group for a module.
    """
    library = root / LIBRARY
    package = _docstring(library / "__init__.py")
    groups = dict(re.findall(r"^(\w+)\n((?: {4}.+\n?)+)", package, flags=re.MULTILINE))
    group_of = {name: group for group, text in groups.items() for name in re.findall(r"``(\w+)``", text)}
    found: dict[str, dict[str, str]] = {group: {} for group in groups}
    for path in sorted(library.rglob("*.py")):
        parts = [part for part in path.relative_to(library).with_suffix("").parts if part != "__init__"]
        if not parts or not path.read_bytes().strip():
            continue
        if parts[0] not in group_of:
            raise ValueError(f"{path}: the docstring of {LIBRARY}/__init__.py does not name {parts[0]!r} in a group")
        found[group_of[parts[0]]][".".join(parts)] = _docstring(path)
    return found


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def navigation(every: Modules) -> list[dict[str, list[dict[str, str]]]]:
    """Return entries of the navigation: each group with its modules."""
    return [
        {group.capitalize(): [{name: f"{PAGES}/{name}.md"} for name in of_group]} for group, of_group in every.items()
    ]


def pages(every: Modules) -> dict[str, str]:
    """Return path → Markdown: a page for each module, and the index with the first sentence of each docstring."""
    found, listed = {}, [INDEX]
    for group, of_group in every.items():
        listed.append(f"## {group.capitalize()}\n\n| module | purpose |\n| --- | --- |")
        for name, docstring in of_group.items():
            first = re.split(r"(?<=\.)\s", " ".join(docstring.split()))[0].removesuffix(".")
            listed.append(f"| [`{name}`]({name}.md) | {first.replace('|', '&#124;')} |")
            found[f"{PAGES}/{name}.md"] = f"::: metamers.{name}\n"
        listed.append("")
    return {f"{PAGES}/index.md": "\n".join(listed)} | found


def with_links(html: str) -> str:
    """Return a page in which names of the library are links, if the site has a page for them."""
    return NAMED.sub(r'<autoref identifier="\1" optional><code>\1</code></autoref>', html)
