"""Steps of a run in the report: their dependencies, read from the files, and the times of their jobs."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from metamers.report.figures import FAINT, INK, styled
from metamers.report.tables import Table, number
from metamers.run.durations import duration

logger = logging.getLogger("metamers")

OUTSIDE = "given files"
# Folders and files of a run without attributes → the step that makes them, and the step whose files it needs.
WITHOUT_ATTRIBUTES = {
    "/exported/datasets/": ("stimuli_export", "stimuli_datasets"),
    "/exported/metamers/": ("synthesize_export", "synthesize_metamers"),
    "/training/": ("train_model", None),
}
Steps = dict[str, set[str]]


def steps_of(derived: Mapping[str, tuple[str, Sequence[str]]]) -> Steps:
    """Direct dependencies between the steps of a run, from the inputs of each file.

    Parameters
    ----------
    derived
        ``derived`` of ``metamers.report.provenance.page_provenance``.

    Returns
    -------
    dict
        Step → steps whose files are its inputs, without those that it also depends on through another step.
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
    """Whether a step also depends on a source through another of its sources."""
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
    """Steps in columns: each to the right of its dependencies, ordered within columns so that few lines cross."""
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
    """Times and memory of a run's jobs, measured by Snakemake. Files that cannot be read are left out, with a warning.

    Parameters
    ----------
    folder
        The folder ``benchmarks`` of a run, with a file or a folder of files for each rule.

    Returns
    -------
    pd.DataFrame
        By ``rule``, sorted by descending time: ``jobs``, ``seconds`` (wall time of all jobs), ``longest`` (seconds of
        the longest job), ``megabytes`` (largest resident memory of a job; NaN if jobs were too short to be measured).
    """
    rows = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        rule = path.relative_to(folder).parts[0].removesuffix(".tsv")
        try:
            measured = pd.read_csv(path, sep="\t", na_values=["-"]).iloc[-1]
            rows.append((rule, float(measured["s"]), float(measured["max_rss"])))
        except (ValueError, LookupError) as error:  # also what pandas raises for text that is no table, or not UTF-8
            logger.warning("%s: no times of a job can be read (%s)", path, error)
    table = pd.DataFrame(rows, columns=["rule", "seconds", "megabytes"]).groupby("rule")
    return pd.DataFrame(
        {
            "jobs": table.size(),
            "seconds": table["seconds"].sum(),
            "longest": table["seconds"].max(),
            "megabytes": table["megabytes"].max(),
        }
    ).sort_values("seconds", ascending=False)


def times_table(times: pd.DataFrame) -> Table:
    """Times and memory of a run's jobs, one row per rule; the last row is the total."""
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
    return {"head": ["Step", "Jobs", "Total time", "Longest job", "Peak memory (MB)"], "rows": rows}


def steps_table(steps: Steps) -> Table:
    """The content of ``steps_figure`` as a table."""
    rows = [[step, ", ".join(sorted(steps.get(step, ()))) or "–"] for column in layers(steps) for step in column]
    return {"head": ["Step", "Depends on"], "rows": rows}


@styled
def steps_figure(steps: Steps, times: pd.DataFrame) -> Figure:
    """Steps as boxes with the times of their jobs, from left to right, and lines to the steps that depend on them.

    Parameters
    ----------
    steps
        Result of ``steps_of``.
    times
        Result of ``run_times``; steps may be missing.
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
