"""Text that stands elsewhere in the repository and belongs on a page too: it is included, never written twice."""

import posixpath
import re
from pathlib import Path

# Where the site has what the repository has elsewhere.
ELSEWHERE = {"config/README.md": "reference/configuration.md"}

INCLUDED = re.compile(r'^<!-- include (?P<file>\S+?)(?: "(?P<section>[^"]+)")? -->$', flags=re.MULTILINE)
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")


def section(text: str, heading: str | None, file: str) -> str:
    """What stands under a heading, or, without one, between a file's title and its first heading.

    Raises
    ------
    ValueError
        When there is no such heading.
    """
    opening, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    if heading is None:
        return opening.split("\n", 1)[1].strip()
    bodies = dict(one.split("\n", 1) for one in sections)
    if heading not in bodies:
        raise ValueError(f"{file}: no heading {heading!r} to include; it has {', '.join(bodies)}")
    return bodies[heading].strip()


def relinked(text: str, source: str, page: str) -> str:
    """Links of a text that stands in one file of the repository, as a page of the site needs them.

    Parameters
    ----------
    text
        Markdown.
    source
        Path in the repository of the file that the text is from.
    page
        Path in ``docs/`` of the page that it goes to.

    Returns
    -------
    str
        With links to other pages relative to the page. Of a link to a file that the site does not have, the text.
    """

    def link(found: re.Match[str]) -> str:
        target, _, anchor = found["target"].partition("#")
        if not target or ":" in target:
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        place = ELSEWHERE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if place is None:
            return found["text"]
        relative = posixpath.relpath(place, posixpath.dirname(page) or ".")
        return f"[{found['text']}]({relative}{'#' * bool(anchor)}{anchor})"

    return LINK.sub(link, text)


def with_included(text: str, page: str, root: Path) -> str:
    """A page's Markdown, with what it includes: lines ``<!-- include FILE "Heading" -->``, or without a heading.

    Parameters
    ----------
    text, page
        The page, and its path in ``docs/``.
    root
        The repository.

    Raises
    ------
    ValueError
        When a file that is included has no such heading.
    """

    def included(found: re.Match[str]) -> str:
        file = found["file"]
        return relinked(section((root / file).read_text(encoding="utf-8"), found["section"], file), file, page)

    return INCLUDED.sub(included, relinked(text, f"docs/{page}", page))
