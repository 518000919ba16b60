"""The table of equivalence of recognition over stages and models, from resources/equivalence.csv."""

import csv
from pathlib import Path

MARK = "<!-- equivalence of recognition -->"
ALL, DISTINCT = "all", "distinct"
POINTS = {"proportion correct": (100, 1), "log odds": (1, 2)}  # factor from the table to the page, and decimals


def _number(value: str, factor: float, decimals: int, sign: bool = True) -> str:
    """Return a number of the table in the unit of the page, with a minus sign."""
    return f"{factor * float(value) + 0:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


def table(path: Path) -> str:
    """Return a table in Markdown: one row for each version, measure and model over stages, and for all models."""
    columns = ("modality", "version", "measure", "models", "stimuli, judges, stages", "published")
    head = [*columns, "difference (90% interval)", "margin", "result"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] in (ALL, DISTINCT)]
    for row in rows:
        factor, decimals = POINTS[row["measure"]]
        difference, low, high = (_number(row[key], factor, decimals) for key in ("difference", "low", "high"))
        published, margin = (_number(row[key], factor, decimals, sign=False) for key in ("published", "margin"))
        unit = " (points)" if factor == 100 else ""
        models = row["model"] if row["stage"] == ALL else f"{row['model']}, without common stages"
        size = ", ".join(row[key] for key in ("stimuli", "judges", "stages"))
        cells = [
            *(row["modality"], f"`{row['version']}`", f"{row['measure']}{unit}", models, size, published),
            *(f"{difference} ({low} to {high})", margin, row["decision"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_table(markdown: str, path: Path) -> str:
    """Return a page with the table in the place of ``MARK``."""
    return markdown.replace(MARK, table(path)) if MARK in markdown else markdown
