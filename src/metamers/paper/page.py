"""The comparison of the run with the paper: every printed number with the run's own, and the redrawn panels.

``metamers.paper.numbers`` compares the numbers; the sentences are in ``paper.html.j2``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from metamers.paper.numbers import AGREES, DIFFERS, NOT_IN_RUN, NOT_PUBLIC, STATES

SIGNS = {AGREES: "✓", DIFFERS: "≠", NOT_PUBLIC: "✗", NOT_IN_RUN: "–"}


def page_context(
    run: str,
    human_data: str,
    rows: Sequence[Mapping[str, str]],
    panels: Sequence[Mapping[str, str]],
    figures: Mapping[str, str],
    captions: Mapping[str, str],
    not_public: Sequence[Mapping[str, str]],
    origin: Mapping[str, Any],
) -> dict[str, Any]:
    """Values that the template shows.

    Parameters
    ----------
    run
        Name of the run.
    human_data
        ``participants`` or ``summary``.
    rows
        Result of ``metamers.paper.numbers.compared``.
    panels
        ``name``, ``title``, ``place`` in the paper and ``kind`` of each panel, drawn by the run or not.
    figures
        Name of a panel that the run draws → figure as a data URI.
    captions
        Kind of a panel → text; empty lines separate paragraphs.
    not_public
        Figures that cannot be drawn: ``what`` and ``why``.
    origin
        Result of ``metamers.report.provenance.page_provenance``.
    """
    sections: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        sections.setdefault(row["section"], []).append(row)
    kinds: dict[str, list[Mapping[str, str]]] = {}
    for panel in panels:
        kinds.setdefault(panel["kind"], []).append(panel)
    return {
        "run": run,
        "human_data": human_data,
        "counts": {state: sum(row["state"] == state for row in rows) for state in STATES},
        "total": len(rows),
        "signs": SIGNS,
        "differing": [row for row in rows if row["state"] == DIFFERS],
        "sections": sections,
        "kinds": kinds,
        "figures": figures,
        "captions": {
            kind: [" ".join(paragraph.split()) for paragraph in text.split("\n\n")] for kind, text in captions.items()
        },
        "not_public": not_public,
        "provenance": origin,
    }
