"""Expected durations of the jobs of a run, from measured durations and from the jobs that have ended."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean, median
from typing import Any

MEASURED = Path(__file__).with_name("durations.csv")  # of the default run, and of the published participants' analyses


@dataclass(frozen=True)
class Measured:
    """A measured job, on one core.

    Attributes
    ----------
    seconds
        Wall time, while the other cores computed, too.
    memory_mb
        Peak resident memory, the largest of several runs.
    items
        Number of items of the job, such as stimuli, that its time is in proportion to (``metamers.plan.needs``).
    """

    seconds: float
    memory_mb: float
    items: float = 1


UNMEASURED = Measured(seconds=300, memory_mb=1000)  # assumed of rules that the table lacks


@cache
def measured_jobs() -> dict[str, Measured]:
    """Return rule → one of its jobs, from the table of measured jobs."""
    with MEASURED.open(newline="", encoding="utf-8") as table:
        return {
            row["rule"]: Measured(float(row["seconds"]), float(row["memory_mb"]), float(row["items"]))
            for row in csv.DictReader(table)
        }


def read_durations() -> dict[str, float]:
    """Return rule → seconds of one of its jobs on one core."""
    return {rule: job.seconds for rule, job in measured_jobs().items()}


def duration(seconds: float) -> str:
    """Return a duration as text, in seconds, in minutes from one minute on, or in hours from one hour on."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _amount(value: float) -> str:
    """A number with three digits, or with all those before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


@dataclass
class Cost:
    """What jobs are expected to cost, from the resources that their rules state.

    Attributes
    ----------
    core_s, gpu_s
        Seconds of cores of the jobs without a GPU, and of GPUs of the others.
    output_mb
        Megabytes of the files that they write.
    """

    core_s: float = 0.0
    gpu_s: float = 0.0
    output_mb: float = 0.0

    def add(self, resources: Mapping[str, Any], threads: int) -> None:
        """Add a job with these resources; a target, which states none, costs nothing."""
        seconds, gpus = resources.get("expected_s", 0), resources.get("gpu", 0)
        if gpus:
            self.gpu_s += gpus * seconds
        else:
            self.core_s += threads * seconds
        self.output_mb += resources.get("output_mb", 0)

    def __str__(self) -> str:
        hours = f"{_amount(self.core_s / 3600)} core hours, {_amount(self.gpu_s / 3600)} GPU hours"
        return f"Expected: {hours} and {_amount(self.output_mb / 1000)} GB of storage."


def _beginnings(rule: str) -> list[str]:
    """A rule's name without its last words, the longest first."""
    words = rule.split("_")
    return ["_".join(words[:number]) for number in range(len(words) - 1, 0, -1)]


@dataclass
class TimeLeft:
    """Estimates the time that a run still needs.

    The jobs of a rule are expected to take as long as the rule's jobs that have ended. Before the first one has ended,
    they are expected to take the measured time, multiplied by the ratio of taken to measured times of the other rules.
    Jobs of a rule that was not measured are expected to take the median of the measured times.

    Attributes
    ----------
    counts
        Rule → number of all its jobs.
    cores
        Number of jobs that run at the same time.
    expected
        Rule → measured seconds of a job.
    finished
        Rule → seconds of each job that has ended.
    """

    counts: Mapping[str, int]
    cores: int
    expected: Mapping[str, float] = field(default_factory=read_durations)
    finished: dict[str, list[float]] = field(default_factory=dict)

    def finish(self, rule: str, seconds: float) -> None:
        """Add the duration of a job that has ended."""
        self.finished.setdefault(rule, []).append(seconds)

    def _measured(self, rule: str) -> float | None:
        """The measured seconds of a rule, or of the step whose name it begins with: a rule of a group of models."""
        return next((self.expected[name] for name in (rule, *_beginnings(rule)) if name in self.expected), None)

    def _slowness(self) -> float:
        pairs = [
            (sum(seconds), len(seconds) * expected)
            for rule, seconds in self.finished.items()
            if (expected := self._measured(rule)) is not None
        ]
        taken, expected = (sum(values) for values in zip(*pairs, strict=True)) if pairs else (0, 0)
        return taken / expected if expected > 0 and taken > 0 else 1.0

    def of_job(self, rule: str) -> float:
        """Return the seconds that a job of a rule is expected to take."""
        if seconds := self.finished.get(rule):
            return fmean(seconds)
        expected = self._measured(rule)
        if expected is None:
            expected = median(self.expected.values()) if self.expected else 1.0
        return self._slowness() * expected

    def seconds(self, running: Mapping[str, float] | None = None) -> float:
        """Return the seconds until all jobs have ended.

        Parameters
        ----------
        running
            Rule → seconds that its running jobs have taken so far, together.
        """
        running = running or {}
        work = sum(
            max(0.0, (count - len(self.finished.get(rule, ()))) * self.of_job(rule) - running.get(rule, 0.0))
            for rule, count in self.counts.items()
        )
        return work / max(1, self.cores)
