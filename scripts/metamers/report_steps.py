"""Steps of a run in the report: which follows from which, as its files say, and how long their jobs took."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from metamers.report_figures import FAINT, INK, styled
from metamers.report_tables import Table, number

OUTSIDE = "given files"
# Folders and files of a run that carry no attributes: what makes them, and from which step's files.
WITHOUT_ATTRIBUTES = {
    "/exported/datasets/": ("stimuli_export", "stimuli"),
    "/exported/metamers/": ("synthesize_export", "synthesize"),
    "/training/": ("train", None),
}
Steps = dict[str, set[str]]


def steps_of(derived: Mapping[str, tuple[str, Sequence[str]]]) -> Steps:
    """Which step of a run builds on which, out of what each file was computed from.

    Parameters
    ----------
    derived
        ``derived`` of ``metamers.report_provenance.provenance``.

    Returns
    -------
    dict
        Step → the steps whose files it was given; only those that it does not also have through another one.
    """
    needed: Steps = defaultdict(set)
    for step, inputs in derived.values():
        for path in inputs:
            source, before = OUTSIDE, None
            if path in derived:
                source = derived[path][0]
            else:
                for part, (name, its_source) in WITHOUT_ATTRIBUTES.items():
                    if part in f"{path}/":
                        source, before = name, its_source
            if source != step:
                needed[step].add(source)
                needed[source] |= {before} - {None}
    return {step: {one for one in before if not _through_another(needed, step, one)} for step, before in needed.items()}


def _through_another(needed: Steps, step: str, source: str) -> bool:
    """Whether a step also builds on a source through another of its sources."""
    waiting, seen = [one for one in needed[step] if one != source], set()
    while waiting:
        one = waiting.pop()
        if one == source:
            return True
        if one not in seen:
            seen.add(one)
            waiting += needed.get(one, ())
    return False


def layers(steps: Steps) -> list[list[str]]:
    """Steps in columns: each behind all that it builds on, in an order within columns that crosses few lines."""
    depth: dict[str, int] = {}

    def place(step: str) -> int:
        if step not in depth:
            depth[step] = 1 + max((place(one) for one in steps.get(step, ())), default=-1)
        return depth[step]

    for step in sorted(steps):
        place(step)
    columns: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for step in sorted(depth):
        columns[depth[step]].append(step)
    height: dict[str, float] = {}
    for column in columns:
        column.sort(key=lambda step: (np.mean([height[one] for one in steps.get(step, ())] or [0]), step))
        height |= {step: (row + 0.5) / len(column) for row, step in enumerate(column)}
    return columns


def run_times(folder: str | Path) -> pd.DataFrame:
    """What Snakemake measured of a run's jobs.

    Parameters
    ----------
    folder
        ``benchmarks`` of a run: a file, or a folder of them, for each rule.

    Returns
    -------
    pd.DataFrame
        By ``rule``, the longest first: ``jobs``, ``seconds`` (of all, wall time), ``longest`` (seconds of one job),
        ``megabytes`` (the largest resident memory of one job; NaN for jobs too short to be measured).
    """
    rows = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        measured = pd.read_csv(path, sep="\t", na_values=["-"])
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        rows.append((rule, float(measured["s"].iloc[-1]), float(measured["max_rss"].iloc[-1])))
    table = pd.DataFrame(rows, columns=["rule", "seconds", "megabytes"]).groupby("rule")
    return pd.DataFrame(
        {
            "jobs": table.size(),
            "seconds": table["seconds"].sum(),
            "longest": table["seconds"].max(),
            "megabytes": table["megabytes"].max(),
        }
    ).sort_values("seconds", ascending=False)


def duration(seconds: float) -> str:
    """Seconds as text: of a minute or more in minutes, of an hour or more in hours."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def times_table(times: pd.DataFrame) -> Table:
    """Times and memory of a run's jobs, a row a rule, all together last."""
    rows = [
        [
            str(rule),
            str(row["jobs"].astype(int)),
            duration(row["seconds"]),
            duration(row["longest"]),
            number(row["megabytes"], 0),
        ]
        for rule, row in times.iterrows()
    ]
    if rows:
        longest, megabytes = times["longest"].max(), times["megabytes"].max()
        every = [str(times["jobs"].sum()), duration(times["seconds"].sum()), duration(longest), number(megabytes, 0)]
        rows.append(["all", *every])
    return {"head": ["Step", "Jobs", "Time of all", "Longest job", "Most memory (MB)"], "rows": rows}


def steps_table(steps: Steps) -> Table:
    """The same as the picture, in words."""
    rows = [[step, ", ".join(sorted(steps.get(step, ()))) or "–"] for column in layers(steps) for step in column]
    return {"head": ["Step", "Builds on"], "rows": rows}


@styled
def steps_figure(steps: Steps, times: pd.DataFrame) -> Figure:
    """Steps as boxes with what their jobs took, from left to right, and lines from each to those that build on it.

    Parameters
    ----------
    steps
        What ``steps_of`` gives.
    times
        What ``run_times`` gives; need not have every step.
    """
    columns = layers(steps)
    tallest = max(map(len, columns), default=1)
    width, height, gap = 2.15, 0.52, 0.6
    figure = Figure(figsize=(max(len(columns), 1) * (width + gap), 0.4 + 0.85 * tallest))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-gap / 2, len(columns) * (width + gap) - gap / 2), ylim=(tallest * 0.85 + 0.2, -0.2))
    axes.axis("off")
    middle = {}
    for column, names in enumerate(columns):
        for row, step in enumerate(names):
            x, y = column * (width + gap), (row + 0.5) * tallest * 0.85 / len(names)
            middle[step] = x, y
            box = FancyBboxPatch(
                (x, y - height / 2), width, height, boxstyle="round,pad=0,rounding_size=0.08", facecolor="white",
                edgecolor=FAINT if step == OUTSIDE else INK, linestyle="--" if step == OUTSIDE else "-", zorder=2,
            )  # fmt: skip
            axes.add_patch(box)
            below = ""
            if step in times.index:
                jobs, seconds = times.loc[step, ["jobs", "seconds"]]
                below = f"{jobs:.0f} job{'s' if jobs > 1 else ''}, {duration(seconds)}"
            axes.text(x + width / 2, y - (0.1 if below else 0), step, ha="center", va="center", fontsize=9, zorder=3)
            axes.text(x + width / 2, y + 0.13, below, ha="center", va="center", fontsize=7.5, color=FAINT, zorder=3)
    for step, before in steps.items():
        for source in before:
            (x0, y0), (x1, y1) = middle[source], middle[step]
            x0 += width
            bend = max((x1 - x0) / 2, gap / 2)
            line = Curve(
                [(x0, y0), (x0 + bend, y0), (x1 - bend, y1), (x1, y1)],
                [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4],
            )
            axes.add_patch(PathPatch(line, facecolor="none", edgecolor=FAINT, linewidth=1, zorder=1))
    return figure
