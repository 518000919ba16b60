"""How to read a report: a page of every report, and the same text in the documentation."""

import re

from generate.reading import PAGE, page
from metamers.report.navigation import PAGES, navigation_context
from metamers.report.render import render


def test_the_documentation_has_the_text_of_the_page_without_its_links():
    of_report = render("reading.html.j2", {**navigation_context("reading", PAGES, {}, None), "run": "demo"})
    of_docs = page()
    assert 'href="made.html"' in of_report
    assert "href" not in of_docs
    terms = re.findall("<dt>.*?</dt>", of_report)
    assert terms
    assert re.findall("<dt>.*?</dt>", of_docs) == terms
    assert PAGE.read_text(encoding="utf-8") == of_docs
    assert of_docs.count("## ") == of_report.count("<h2 ")
