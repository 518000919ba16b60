"""The reference pages of the library: its modules by group; mkdocstrings fills the pages from their docstrings."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path

LIBRARY = "src/metamers"
PAGES = "reference/library"
# A name of the library as code, in the HTML of a page. It becomes a link if the site has a page for it.
NAMED = re.compile(r"(?<!<pre>)<code>(metamers(?:\.\w+)+)</code>(?!</a>)")

GROUPS_MARK = "<!-- groups of the library -->"

INDEX = """# Library

This page is generated from the docstrings of `src/metamers/`. [In a notebook](../../notebook.md), these names suffice:
"""
MODULES = f"""## Modules

Functions take arrays and datasets and return arrays and datasets, and do not depend on Snakemake; scripts read and
write files. Import a module with, for example, `import metamers.synthesize.metamers`. A module imports only from its
own group and from those above it in this table:

{GROUPS_MARK}
"""

Modules = Mapping[str, Mapping[str, str]]


def groups(root: Path) -> dict[str, str]:
    """Return group → its packages, as text, in the order of the package's docstring."""
    found = re.findall(r"^(\w+)\n((?: {4}.+\n?)+)", _docstring(root / LIBRARY / "__init__.py"), flags=re.MULTILINE)
    return {group: " ".join(text.split()) for group, text in found}


def with_groups(markdown: str, root: Path) -> str:
    """Return a page with the table of groups in the place of ``GROUPS_MARK``."""
    rows = [f"| {group} | {text.replace('``', '`')} |" for group, text in groups(root).items()]
    return markdown.replace(GROUPS_MARK, "\n".join(["| group | packages |", "| --- | --- |", *rows]))


def modules(root: Path) -> dict[str, dict[str, str]]:
    """Return group → module, without ``metamers.`` → docstring; groups are in the order of the package's docstring.

    Raises
    ------
    ValueError
        When the package's docstring names no group for a module.
    """
    library = root / LIBRARY
    group_of = {name: group for group, text in groups(root).items() for name in re.findall(r"``(\w+)``", text)}
    found: dict[str, dict[str, str]] = {group: {} for group in groups(root)}
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


def _first_sentence(docstring: str) -> str:
    return re.split(r"(?<=\.)\s", " ".join(docstring.split()))[0]


def names(root: Path) -> dict[str, str]:
    """Return name of the package in a notebook → Markdown: its purpose, and the example of its docstring."""
    found = {}
    body = ast.parse((root / LIBRARY / "interactive.py").read_text(encoding="utf-8")).body
    for kind in (ast.FunctionDef, ast.ClassDef):
        for node in (one for one in body if isinstance(one, kind) and not one.name.startswith("_")):
            docstring = ast.get_docstring(node) or ""
            about, _, code = docstring.partition("Examples\n--------\n")[2].partition(">>>")
            purpose = f"**[`mm.{node.name}`][metamers.interactive.{node.name}]** {_first_sentence(docstring)} {about}"
            found[node.name] = f"{purpose.strip()}\n\n```pycon\n>>>{code}\n```\n"
    return found


def pages(root: Path) -> dict[str, str]:
    """Return path → Markdown: a page for each module, and the index with the first sentence of each docstring."""
    found, listed = {}, [INDEX, *names(root).values(), MODULES]
    for group, of_group in modules(root).items():
        listed.append(f"### {group.capitalize()}\n\n| module | purpose |\n| --- | --- |")
        for name, docstring in of_group.items():
            first = _first_sentence(docstring).removesuffix(".")
            listed.append(f"| [`{name}`]({name}.md) | {first.replace('|', '&#124;')} |")
            found[f"{PAGES}/{name}.md"] = f"::: metamers.{name}\n"
        listed.append("")
    return {f"{PAGES}/index.md": "\n".join(listed)} | found


def with_links(html: str) -> str:
    """Return a page in which names of the library are links, if the site has a page for them."""
    return NAMED.sub(r'<autoref identifier="\1" optional><code>\1</code></autoref>', html)
