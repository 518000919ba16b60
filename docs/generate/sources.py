"""Links and included text: pages are written for the repository, and the site gets links to its own pages."""

import posixpath
import re
from pathlib import Path

# Path in the repository → page of the site with the same content; for modules of the library see ``site_path``.
ELSEWHERE = {
    "README.md": "index.md",
    "config/README.md": "reference/configuration.md",
    "docs/notebook.ipynb": "notebook.md",
    "studies/README.md": "studies.md",
    "src/metamers": "reference/library/index.md",
    "tests": "reference/hostile.md",
    "workflow/rules": "reference/rules.md",
    "config/config.schema.json": "reference/keys.md",
    "workflow/schemas/models.schema.yaml": "reference/keys.md#models",
    "workflow/schemas/experiments.schema.yaml": "reference/keys.md#experiments",
}

INCLUDED = re.compile(r'^<!-- include (?P<file>\S+?)(?: "(?P<section>[^"]+)")? -->$', flags=re.MULTILINE)
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")


def section(text: str, heading: str | None, file: str) -> str:
    """Return the text under a heading or, without a heading, between the title and the first heading.

    Raises
    ------
    ValueError
        If the text has no such heading.
    """
    opening, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    if heading is None:
        return opening.split("\n", 1)[1].strip()
    bodies = dict(one.split("\n", 1) for one in sections)
    if heading not in bodies:
        raise ValueError(f"{file}: no heading {heading!r} to include; it has {', '.join(bodies)}")
    return bodies[heading].strip()


def site_path(path: str) -> str | None:
    """Return the path in ``docs/`` of the page for a file of the repository, or None if the site has no such page."""
    if path in ELSEWHERE:
        return ELSEWHERE[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith("src/metamers/") and path.endswith(".py"):
        module = path.removeprefix("src/metamers/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return f"reference/library/{module}.md"
    return None


def relinked(text: str, source: str, page: str) -> str:
    """Return a text of the repository with the links that a page of the site needs.

    Parameters
    ----------
    text
        Markdown.
    source
        Path in the repository of the file that the text is from.
    page
        Path in ``docs/`` of the page that the text goes to.

    Returns
    -------
    str
        The text with links and images relative to the page. A link to a file that the site does not have becomes its
        text.
    """

    def link(found: re.Match[str]) -> str:
        target, _, anchor = found["target"].partition("#")
        if not target or ":" in target:
            return found[0]
        place = site_path(posixpath.normpath(posixpath.join(posixpath.dirname(source), target)))
        if place is None:
            return found["text"]
        relative = posixpath.relpath(place, posixpath.dirname(page) or ".")
        return f"{found['image']}[{found['text']}]({relative}{'#' * bool(anchor)}{anchor})"

    return LINK.sub(link, text)


def with_included(text: str, page: str, root: Path) -> str:
    """Return a page's Markdown with the sections that its lines ``<!-- include FILE "Heading" -->`` name.

    Without a heading, the text before the first heading of the file is included.

    Parameters
    ----------
    text, page
        The page, and its path in ``docs/``.
    root
        The repository.

    Raises
    ------
    ValueError
        If an included file has no such heading.
    """

    def included(found: re.Match[str]) -> str:
        file = found["file"]
        return relinked(section((root / file).read_text(encoding="utf-8"), found["section"], file), file, page)

    return INCLUDED.sub(included, relinked(text, f"docs/{page}", page))
