"""The report's own pages, in the order of the navigation, and what all pages have in their heads.

The template ``site/<name>.html.j2`` is a page's text; ``metamers.report.pages`` makes the values that it shows. Pages
that rules of other steps write are in ``PAGES`` of these steps' modules ``files``. The module imports no library, so
that the workflow can use it.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from metamers import __version__
from metamers.run.declared import Page
from metamers.synthesize.qualities import UNCONVERGED_QUALITIES


def _with_analyses(plan: Any) -> bool:
    used = {*plan.generation_models, *plan.recognition_models}
    return bool(plan.analyses.used_models or used & plan.training.keys())


PAGES = {
    "index": Page("Overview"),
    "browser": Page("Metamers", attrgetter("generation_models")),
    "curves": Page("Recognizability"),
    "match": Page("Match", attrgetter("generation_models")),
    "statistics": Page("Statistics"),
    "analyses": Page("Complementary analyses", _with_analyses),
    "reading": Page("How to read this report"),
    "made": Page("How it was made"),
}
# The site of a shared leaderboard (metamers.report.leaderboard_site): pages in its navigation, and what its pages load.
LEADERBOARD_PAGES = {"index": "Leaderboard", "add": "Add an entry"}
LEADERBOARD_ASSETS = ("base.css", "site.css", "leaderboard.css", "leaderboard.js")


def navigation_context(
    page: str,
    pages: Iterable[str],
    linked: Mapping[str, str],
    quality: str | None,
    left_out: Mapping[str, Any] = MappingProxyType({}),
    penalties: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Values of the head of a page for the template ``site.html.j2``.

    Parameters
    ----------
    page
        Name of the page.
    pages
        Names of the run's pages in ``PAGES``.
    linked
        Pages that rules of other steps write: name → title.
    quality
        Quality of the run's synthesis, from ``metamers.synthesize.qualities.QUALITIES``; None for a run without
        metamers.
    left_out
        ``failed``, what failed: ``title``, ``reason``, ``log`` and ``command`` of each; and ``dependent``, what depends
        on it, in words. Empty if nothing failed.
    penalties
        Generation model whose metamers were synthesized with a penalty → the penalty in words.
    """
    return {
        "page": page,
        "version": __version__,
        "pages": {name: PAGES[name].title for name in pages},
        "linked": dict(linked),
        "unconverged_quality": quality if quality in UNCONVERGED_QUALITIES else None,
        "left_out": left_out,
        "penalties": penalties,
    }
