"""The page that sets the run beside the paper: every printed number with the run's own, and the panels drawn anew.

Which numbers agree is for ``metamers.paper_numbers``; the words around it are in ``paper.html.j2``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from metamers.paper_numbers import AGREES, DIFFERS, NOT_IN_RUN, NOT_PUBLIC, STATES

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
    """Everything that the template names.

    Parameters
    ----------
    run
        The run's name.
    human_data
        ``participants`` or ``summary``.
    rows
        What ``metamers.paper_numbers.compared`` gives.
    panels
        ``name``, ``title``, ``place`` in the paper and ``kind`` of each panel; those that the run does not draw too.
    figures
        Name of a panel that the run draws → its picture as a data URI.
    captions
        Kind of a panel → text, paragraphs with an empty line between them.
    not_public
        Figures that cannot be drawn: ``what`` and ``why``.
    origin
        What ``metamers.report.provenance`` gives.
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
