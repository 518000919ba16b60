"""The tables of docs/explanation/convergence.md, from studies/convergence.csv: by stage, and over stages.

    make reference

writes them; a test compares them.
"""

import csv
from pathlib import Path

from metamers.plan.steps import merge_defaults

ROOT = Path(__file__).resolve().parents[2]
PAGE, TABLE = ROOT / "docs" / "explanation" / "convergence.md", ROOT / "studies" / "convergence.csv"
ALL, PUBLISHED = "all", "published"
NOT_MEASURED = ["–", "–", "not measured"]  # no closer match


def _percent(value: str) -> str:
    return f"{100 * float(value):.0f}"


def _points(row: dict[str, str]) -> str:
    """Return the difference to the closest match with its 90% interval, in percentage points, with minus signs."""
    found = (f"{100 * float(row[name]) + 0:+.1f}" for name in ("difference", "low", "high"))
    return "{} ({} to {})".format(*found).replace("-", "−")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def at_target(rows: list[dict[str, str]]) -> str:
    """Return a table in Markdown: recognition at the default target, minus that at the closest match, by stage."""
    targets = merge_defaults({})["synthesis"]["target"]["normalized_error"]
    lines = []
    for (modality, model, stage), matches in _matches_by_stage(rows).items():
        target = matches.get(f"{targets[modality]:g}")
        loosest = next(iter(matches.values()))
        cells = [_percent(target["recognized"]), _points(target), target["decision"]] if target else NOT_MEASURED
        lines.append([model, stage, _percent(loosest["recognized"]), *cells])
    head = ["model", "stage", "recognized at the loosest match (%)", "at the target (%)"]
    return _table([*head, "at the target minus closest match (points, 90% interval)", "result"], lines)


def _matches_by_stage(rows: list[dict[str, str]]) -> dict[tuple[str, str, str], dict[str, dict[str, str]]]:
    """Return (modality, model, stage) → match → row, from the loosest match to the closest one."""
    stages: dict[tuple[str, str, str], dict[str, dict[str, str]]] = {}
    for row in rows:
        if row["stage"] != ALL and row["match"] != PUBLISHED:
            stages.setdefault((row["modality"], row["model"], row["stage"]), {})[row["match"]] = row
    return stages


def pooled(rows: list[dict[str, str]]) -> str:
    """Return a table in Markdown: one row for each match of each modality, over the stages that have a closer one."""
    head = ["modality", "match", "stages", "recognized (%)", "minus closest match (points, 90% interval)", "result"]
    return _table(
        head,
        [
            [
                *(row["modality"], row["match"], row["stages"], _percent(row["recognized"])),
                *(_points(row), row["decision"]),
            ]
            for row in rows
            if row["stage"] == ALL
        ],
    )


def stages(rows: list[dict[str, str]]) -> str:
    """Return a table in Markdown: one row for each stage: its closest match, and from which one it is unchanged."""
    lines = []
    for (_, model, stage), matches in _matches_by_stage(rows).items():
        *_, closest = matches.values()
        unchanged = next(row for row in matches.values() if row["unchanged"] == "True")
        lines.append(
            [
                *(model, stage),
                *(
                    closest["match"],
                    f"{closest['converged']} of {closest['stimuli']}",
                    f"{float(closest['steps']):,.0f}",
                ),
                "{} ({} to {})".format(*(_percent(closest[f"recognized{end}"]) for end in ("", "_low", "_high"))),
                "none looser" if unchanged is closest else unchanged["match"],
            ]
        )
    head = ["model", "stage", "closest match", "reached", "steps", "recognized (%, 95% interval)", "unchanged from"]
    return _table(head, lines)


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of the table of a study."""
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def with_tables(markdown: str, rows: list[dict[str, str]]) -> str:
    """Return a page with the tables in the places of those with the same heads."""
    for table in (at_target(rows), pooled(rows), stages(rows)):
        head = table.partition("\n")[0]
        before, rest = markdown.split(head, 1)
        _, after = rest.split("\n\n", 1)
        markdown = f"{before}{table}\n\n{after}"
    return markdown


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), read(TABLE)), encoding="utf-8")
