"""What the log file of a job says of the job: the files that it wrote, its CPU time by kind, and why it failed."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WROTE = re.compile(
    r"^(?:\d\d:\d\d:\d\d )?wrote ([0-9a-f]{64})  (.+)$", re.MULTILINE
)  # see `metamers.run.manifest.record`
CPU_TIME = re.compile(r"^(?:\d\d:\d\d:\d\d )?CPU time: ([0-9.]+) s; (.+)$", re.MULTILINE)
ABOUT = re.compile(r"^(?:\d\d:\d\d:\d\d )?about (\{.+\})$", re.MULTILINE)
# The message of an uncaught error: all lines, of which the first alone begins with the time (`metamers.run.job`).
ERROR = re.compile(r"^\d\d:\d\d:\d\d (\w+): ((?:(?!^\d\d:\d\d:\d\d ).)*?)\nTraceback ", re.MULTILINE | re.DOTALL)
INTERRUPTED = "ended by Ctrl-C"
KILLED = "it ended without an error message: it was killed, perhaps for its memory or time"
# Set in the environment of jobs whose run has a display in the terminal, which shows the last line of their logs.
DISPLAY = "METAMERS_DISPLAY"
RESULTS = "metamers.results"  # logger of what a user asked a job for
PART = re.compile(r"(\w+) ([0-9.]+) s")


def read_written(text: str) -> list[tuple[str, str]]:
    """Return the files that a job wrote into its run, from the text of its log: path as in the manifest, SHA-256."""
    return [(name, sha256) for sha256, name in WROTE.findall(text)]


def log_subject(**subject: Any) -> None:
    """Write into the log which part of its work a job does now, such as ``recognition_model="resnet50"``.

    If the job fails or is killed, the run is continued without this part alone (``metamers.plan.left_out``).
    """
    logging.getLogger("metamers").debug("about %s", json.dumps(subject))


@dataclass(frozen=True)
class FailedJob:
    """A job that failed.

    Attributes
    ----------
    step
        Name of its step.
    names
        The values of its wildcards, as in the path of its log.
    subject
        The last part of its work that it began (``log_subject``).
    reason
        The message of its error.
    log
        Path of its log.
    """

    step: str
    names: tuple[str, ...]
    subject: dict[str, Any]
    reason: str
    log: Path


def failed_jobs(logs: str | Path, benchmarks: str | Path, since: float) -> list[FailedJob]:
    """Return the jobs that failed since a time: those with a log, but no newer benchmark, which ends a job.

    Jobs that were ended by Ctrl-C are not among them.

    Parameters
    ----------
    logs, since
        As for ``run_cpu_times``.
    benchmarks
        The folder of the benchmarks of a run, with the same paths as the logs.
    """
    failed = []
    for step, path in _logs_since(Path(logs), since):
        place = path.relative_to(logs)
        ended = Path(benchmarks) / place.with_suffix(".tsv")
        if ended.is_file() and ended.stat().st_mtime >= path.stat().st_mtime:
            continue
        text = path.read_text("utf-8", errors="replace")
        errors = [message.strip() or kind for kind, message in ERROR.findall(text)]
        # A job that has ended without an error has failed nowhere, even if a network disk does not show its benchmark.
        if INTERRUPTED in text or (not errors and CPU_TIME.search(text)):
            continue
        subjects = ABOUT.findall(text)
        failed.append(
            FailedJob(
                step,
                place.with_suffix("").parts[1:],
                json.loads(subjects[-1]) if subjects else {},
                errors[-1] if errors else KILLED,
                path,
            )
        )
    return sorted(failed, key=lambda job: job.log)


def cpu_time_line(total: float, parts: Mapping[str, float]) -> str:
    """The line with the CPU time of a job, in seconds: ``CPU time: 9.00 s; imports 2.00 s, files 0.50 s``."""
    return f"CPU time: {total:.2f} s; " + ", ".join(f"{kind} {seconds:.2f} s" for kind, seconds in parts.items())


def read_cpu_time(text: str) -> dict[str, float] | None:
    """Return the CPU time of a job by kind, from the text of its log: seconds, of which the rest is ``computation``.

    None if the job has not ended, or was killed.
    """
    if not (stated := CPU_TIME.findall(text)):
        return None
    total, parts = stated[-1]
    kinds = {kind: float(seconds) for kind, seconds in PART.findall(parts)}
    return kinds | {"computation": max(0.0, float(total) - sum(kinds.values()))}


def steps_since(logs: str | Path, since: float) -> set[str]:
    """Return the steps that have logged something since a time.

    Parameters
    ----------
    logs, since
        As for ``run_cpu_times``.
    """
    return {step for step, _ in _logs_since(Path(logs), since)}


def _logs_since(logs: Path, since: float) -> Iterator[tuple[str, Path]]:
    """The logs since a time, each with its step."""
    for path in logs.rglob("*.log"):
        if path.stat().st_mtime >= since:
            yield path.relative_to(logs).with_suffix("").parts[0], path


def run_cpu_times(logs: str | Path, since: float, snakemake: float, children: float) -> dict[str, float]:
    """Return the CPU time of a call of Snakemake and of the jobs that it has run, in seconds by kind.

    The whole CPU time of the steps whose names begin with ``report_`` is that of the report.

    Parameters
    ----------
    logs
        The folder of the logs of a run, with a file or a folder of files for each step.
    since
        When the call began, in seconds since 1970: older logs are of jobs of earlier calls.
    snakemake, children
        CPU time of Snakemake's own process and of its ended children. On a cluster, these are not the jobs.

    Returns
    -------
    dict
        ``computation``; ``imports``; ``files`` (reading and writing); ``report``; ``snakemake``; ``other`` (children
        that are no job with a log, and the ends of jobs). Empty if no job has ended.
    """
    jobs = dict.fromkeys(("computation", "imports", "files", "report"), 0.0)
    for step, path in _logs_since(Path(logs), since):
        for kind, seconds in (read_cpu_time(path.read_text("utf-8", errors="replace")) or {}).items():
            jobs["report" if step.startswith("report_") else kind] += seconds
    used = sum(jobs.values())
    return jobs | {"snakemake": snakemake, "other": max(0.0, children - used)} if used else {}


def cpu_time_table(seconds: Mapping[str, float]) -> str:
    """CPU time by kind as tab-separated values: ``kind``, ``seconds``, ``percent``; the last row is the sum."""
    total = sum(seconds.values())
    rows = [f"{kind}\t{taken:.1f}\t{100 * taken / total:.1f}" for kind, taken in [*seconds.items(), ("all", total)]]
    return "\n".join(["kind\tseconds\tpercent", *rows, ""])
