"""The tables of convergence, from studies/convergence.csv: recognition by match, over stages and at each stage."""

import csv
from pathlib import Path

STAGES, POOLED = "<!-- convergence at each stage -->", "<!-- convergence over stages -->"
ALL, PUBLISHED = "all", "published"


def _percent(value: str) -> str:
    return f"{100 * float(value):.0f}"


def _points(row: dict[str, str]) -> str:
    """Return the difference to the closest match with its 90% interval, in percentage points, with minus signs."""
    found = (f"{100 * float(row[name]) + 0:+.1f}" for name in ("difference", "low", "high"))
    return "{} ({} to {})".format(*found).replace("-", "−")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


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
    """Return a table in Markdown: one row for each stage, with its loosest and its closest match."""
    own = [row for row in rows if row["stage"] != ALL]
    lines = []
    for model, stage in dict.fromkeys((row["model"], row["stage"]) for row in own):
        of_stage = [row for row in own if (row["model"], row["stage"]) == (model, stage) and row["match"] != PUBLISHED]
        loosest, closest = of_stage[0], of_stage[-1]
        unchanged = next(row for row in of_stage if row["unchanged"] == "True")
        lines.append(
            [
                *(model, stage),
                *(f"{float(loosest['normalized_error']):.2f}", f"{loosest['accepted']} of {loosest['stimuli']}"),
                _percent(loosest["recognized"]),
                *(
                    closest["match"],
                    f"{closest['converged']} of {closest['stimuli']}",
                    f"{float(closest['steps']):,.0f}",
                ),
                "{} ({} to {})".format(*(_percent(closest[f"recognized{end}"]) for end in ("", "_low", "_high"))),
                "not shown" if unchanged is closest else unchanged["match"],
            ]
        )
    head = ["model", "stage", "loosest: error", "accepted", "recognized (%)", "closest: error", "reached", "steps"]
    return _table([*head, "recognized (%, 95% interval)", "unchanged from"], lines)


def with_tables(markdown: str, path: Path) -> str:
    """Return a page with the tables in the place of their marks."""
    if STAGES not in markdown and POOLED not in markdown:
        return markdown
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return markdown.replace(STAGES, stages(rows)).replace(POOLED, pooled(rows))
