"""The page on how to read a report, made from the page that every report has; `make reference` writes it."""

import re
from pathlib import Path

from metamers.report.render import render

PAGE = Path(__file__).resolve().parents[1] / "read_a_report.md"
HEADING = re.compile(r'<h2 id="([\w-]+)">(.*?)</h2>')


def page() -> str:
    """Return the page in Markdown, with the text of the report's page, without links to its other pages."""
    text = render("reading_text.html.j2", {"pages": {}, "linked": {}})
    text = text.replace('<table class="data reading">', "<table>")  # the site's style is for tables without a class
    return "# How to read a report\n\n" + HEADING.sub(r"\n## \2 {#\1}\n", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
