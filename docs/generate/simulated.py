"""The table of statistics with simulated coverage and error rates, width and power, from resources/simulated/."""

import csv
import math
from collections.abc import Mapping, Sequence
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
    if low < 0 and not math.isinf(low):
        return f"−{-low:.3g} to {most:.3g}"
    return f"at most {most:.4g}" if low <= 0 else f"{low:.3g} to {most:.4g}"


def _range(of_group: Sequence[Mapping[str, str]], column: str, digits: int) -> str:
    """Return the smallest and the largest value of a column, or a dash if it has none."""
    values = [float(row[column]) for row in of_group if row[column]]
    low, high = (f"{end(values):.{digits}f}".replace("-", "−") if values else "–" for end in (min, max))
    return low if low == high else f"{low} to {high}"


def table(folder: Path) -> str:
    """Return a table in Markdown: one row for each statistic and quantity, with its range over all conditions."""
    groups: dict[tuple[str, str, str, str], list[dict[str, str]]] = {}
    for row in rows(folder):
        groups.setdefault((row["topic"], row["statistic"], row["counted"], _wanted(row)), []).append(row)
    lines = [
        "| statistic | quantity | result | accepted | width | power | conditions | command |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (topic, statistic, counted, wanted), of_group in groups.items():
        found, width, power = (
            _range(of_group, column, digits) for column, digits in (("found", 3), ("width", 2), ("power", 2))
        )
        conditions = (
            of_group[0]["condition"] if len(of_group) == 1 else f"{len(of_group)}, from {of_group[0]['condition']}"
        )
        command = f"`snakemake --snakefile studies/Snakefile results/demo/simulations/{topic}.nc`"
        lines.append(f"| {statistic} | {counted} | {found} | {wanted} | {width} | {power} | {conditions} | {command} |")
    return "\n".join(lines)


def with_table(markdown: str, folder: Path) -> str:
    """Return a page with the table in the place of ``MARK``."""
    return markdown.replace(MARK, table(folder))


ADAPTIVE = "<!-- adaptive simulations -->"


def adaptive_table(folder: Path) -> str:
    """Return the simulated adaptive experiments as a table in Markdown: one row for each question and kind of data."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows(folder):
        if row["topic"] == "adaptive":
            question = row["statistic"].rpartition(", ")[2]
            found.setdefault((question, row["condition"]), {})[row["counted"]] = row["found"]
    head = [
        *("question", "simulated data", "answers, adaptive and fixed", "ratio"),
        *("bias, adaptive and fixed", "coverage, adaptive and fixed", "differences found"),
    ]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for (question, condition), counted in found.items():
        cells = [question, condition]
        for name, form in (("mean number of answers", ".0f"), ("bias", "+.3f"), ("coverage", ".2f")):
            both = [counted.get(f"{name}, {design}") for design in ("adaptive", "fixed")]
            cells.append(" and ".join(f"{float(value):{form}}" for value in both if value is not None) or "–")
        ratio = counted.get("answers, relative to the fixed design")
        cells.insert(3, f"{float(ratio):.2f}" if ratio is not None else "–")
        differences = counted.get("differences found, adaptive", counted.get("false positives, adaptive"))
        cells.append(f"{float(differences):.3f}" if differences is not None else "–")
        lines.append(f"| {' | '.join(cells)} |".replace("| -", "| −").replace("and -", "and −"))
    return "\n".join(lines)


def with_adaptive(markdown: str, folder: Path) -> str:
    """Return a page with the table of adaptive experiments in the place of ``ADAPTIVE``."""
    return markdown.replace(ADAPTIVE, adaptive_table(folder)) if ADAPTIVE in markdown else markdown
