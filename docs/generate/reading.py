"""The page on how to read a report, which is a page of every report, too."""

import re

from metamers.report.render import render

HEADING = re.compile(r'<h2 id="(\w+)">(.*?)</h2>')


def page() -> str:
    """Return the page in Markdown, with the text of the report's page, without links to its other pages."""
    text = render("reading_text.html.j2", {"pages": {}, "linked": {}})
    return "# How to read a report\n\n" + HEADING.sub(r"\n## \2 {#\1}\n", text)
