"""Expected durations of the jobs of a run, from measured durations and from the jobs that have ended."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median

MEASURED = Path(__file__).with_name("durations.csv")  # measured durations of the default run's steps


def read_durations(path: str | Path = MEASURED) -> dict[str, float]:
    """Return rule → seconds of one of its jobs on one core, from a table with the columns ``rule`` and ``seconds``."""
    with Path(path).open(newline="", encoding="utf-8") as table:
        return {row["rule"]: float(row["seconds"]) for row in csv.DictReader(table)}


def duration(seconds: float) -> str:
    """Return a duration as text, in seconds, in minutes from one minute on, or in hours from one hour on."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


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
