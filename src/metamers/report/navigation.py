"""The pages of the report, in the order of the navigation: file name, title, and the runs that have them.

The template ``site/<name>.html.j2`` is a page's text; ``metamers.report.pages`` makes the values that it shows. The
module imports no library, so that the workflow can use it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from metamers.synthesize.qualities import UNCONVERGED_QUALITIES


def _always(_plan: Any) -> bool:
    return True


def _with_metamers(plan: Any) -> bool:
    return bool(plan.generation_models)


def _with_analyses(plan: Any) -> bool:
    used = {*plan.generation_models, *plan.recognition_models}
    return bool(plan.analyses.used_models or used & plan.training.keys())


def _with_extensions(plan: Any) -> bool:
    return bool(plan.beyond.sets)


def _with_sensitivity(plan: Any) -> bool:
    return bool(plan.beyond.sensitivity)


def _with_metamer_sets(plan: Any) -> bool:
    return bool(plan.beyond.metamer_sets)


@dataclass(frozen=True)
class Page:
    """A page of the report.

    Attributes
    ----------
    title
        In the navigation.
    made
        Whether a run has the page: from its plan (``metamers.plan.plan.Plan``).
    """

    title: str
    made: Callable[[Any], bool] = _always


PAGES = {
    "index": Page("Overview"),
    "browser": Page("Metamers", _with_metamers),
    "curves": Page("Recognizability"),
    "match": Page("Match", _with_metamers),
    "statistics": Page("Statistics"),
    "analyses": Page("Complementary analyses", _with_analyses),
    "made": Page("How it was made"),
}
# Pages that other rules write.
LINKED = {
    "beyond": Page("Extensions", _with_extensions),
    "sensitivity": Page("Sensitivity", _with_sensitivity),
    "metamer_sets": Page("Metamer sets", _with_metamer_sets),
    "leaderboard": Page("Leaderboard"),
}
# The site of a shared leaderboard (metamers.report.leaderboard_site): pages in its navigation, and what its pages load.
LEADERBOARD_PAGES = {"index": "Leaderboard", "add": "Add an entry"}
LEADERBOARD_ASSETS = ("base.css", "site.css", "leaderboard.css", "leaderboard.js")


def navigation_context(
    page: str,
    pages: Iterable[str],
    linked: Iterable[str],
    quality: str | None,
    left_out: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Values of the head of a page for the template ``site.html.j2``.

    Parameters
    ----------
    page
        Name of the page, of ``PAGES`` or ``LINKED``.
    pages, linked
        Names of the run's pages in ``PAGES`` and ``LINKED``.
    quality
        Quality of the run's synthesis, from ``metamers.synthesize.qualities.QUALITIES``; None for a run without
        metamers.
    left_out
        ``failed``, what failed: ``title``, ``reason``, ``log`` and ``command`` of each; and ``dependent``, what depends
        on it, in words. Empty if nothing failed.
    """
    return {
        "page": page,
        "pages": {name: PAGES[name].title for name in pages},
        "linked": {name: LINKED[name].title for name in linked},
        "unconverged_quality": quality if quality in UNCONVERGED_QUALITIES else None,
        "left_out": left_out,
    }
