"""The table of statistics with their simulated coverage and error rates, from resources/simulated/."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path

MARK = "<!-- simulated statistics -->"


def rows(folder: Path) -> list[dict[str, str]]:
    """Return all rows of all tables in a folder."""
    return [row for path in sorted(folder.glob("*.csv")) for row in csv.DictReader(path.open(encoding="utf-8"))]


def _wanted(row: Mapping[str, str]) -> str:
    """Return the accepted range of a value in words, or a dash if it has no bounds."""
    low, high = float(row["at_least"]), float(row["at_most"])
    most = high if "coverage" not in row["counted"] or high < 1 else math.inf
    if math.isinf(most):
        return f"at least {low:.3g}" if low > 0 else "–"
    return f"at most {most:.3g}" if low <= 0 else f"{low:.3g} to {most:.3g}"


def table(folder: Path) -> str:
    """Return a table in Markdown: one row for each statistic and quantity, with its range over all conditions."""
    groups: dict[tuple[str, str, str, str], list[dict[str, str]]] = {}
    for row in rows(folder):
        groups.setdefault((row["topic"], row["statistic"], row["counted"], _wanted(row)), []).append(row)
    lines = [
        "| statistic | quantity | result | accepted | conditions | command |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for (topic, statistic, counted, wanted), of_group in groups.items():
        values = [float(row["found"]) for row in of_group]
        found = f"{min(values):.3f}" if len(values) == 1 else f"{min(values):.3f} to {max(values):.3f}"
        conditions = (
            of_group[0]["condition"] if len(of_group) == 1 else f"{len(of_group)}, from {of_group[0]['condition']}"
        )
        command = f"`snakemake results/demo/simulations/{topic}.nc`"
        lines.append(f"| {statistic} | {counted} | {found} | {wanted} | {conditions} | {command} |")
    return "\n".join(lines)


def with_table(markdown: str, folder: Path) -> str:
    """Return a page with the table in the place of ``MARK``."""
    return markdown.replace(MARK, table(folder))
