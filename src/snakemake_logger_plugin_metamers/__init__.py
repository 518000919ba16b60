"""The display of a run in a terminal: a logger plugin of Snakemake (``--logger metamers``), set in the profiles.

In a terminal, a few lines at its end show how many jobs are done, which are running, the last line of their logs, and
the time left. Errors and warnings are printed above them. Elsewhere, as in a pipe, a dry run or a job of a cluster,
Snakemake's usual messages are printed, and the expected time. All messages are in ``.snakemake/log/`` in any case.
"""

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from metamers.run.durations import TimeLeft, duration

PRINTED = {LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR, LogEvent.ERROR}  # printed above the lines that change
SHOWN_JOBS = 4  # number of running jobs on the display
LAST_BYTES = 1000  # number of bytes at the end of a log in which its last line is searched


def last_line(path: str) -> str:
    """Return the last line of a log without its time, or an empty text if there is none."""
    try:
        with Path(path).open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LAST_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    line = next((one.strip() for one in reversed(lines) if one.strip()), "")
    first, _, rest = line.partition(" ")
    return rest.strip() if first.count(":") == 2 else line


class RunDisplay:
    """The state of a run, from the events that Snakemake logs, as lines for a terminal."""

    def __init__(self) -> None:
        self.time_left: TimeLeft | None = None
        self.cores, self.done, self.total = 1, 0, 0
        self.failed: set[int] = set()  # numbers of jobs whose last attempt failed
        self.started = time.monotonic()
        self.running: dict[int, dict[str, Any]] = {}  # number of a job → its rule, message, log and start

    def take(self, record: logging.LogRecord) -> None:
        """Update the state with an event."""
        event, fields = getattr(record, "event", None), record.__dict__
        if event == LogEvent.RESOURCES_INFO:
            self.cores = fields.get("cores") or fields.get("nodes") or self.cores
        elif event == LogEvent.RUN_INFO:
            counts = {rule: count for rule, count in fields["stats"].items() if rule != "total"}
            self.total = sum(counts.values())
            self.time_left = TimeLeft(counts, min(self.cores, max(1, self.total)))
        elif event == LogEvent.JOB_INFO:
            log = next(iter(fields.get("log") or ()), "")
            message = fields.get("rule_msg") or str(fields["rule_name"]).replace("_", " ")
            job = {
                "rule": fields["rule_name"],
                "message": message,
                "log": log.split(" (")[0],
                "start": time.monotonic(),
            }
            self.running[fields["jobid"]] = job
            self.failed.discard(fields["jobid"])  # another attempt
        elif event == LogEvent.JOB_FINISHED:
            if (job := self.running.pop(fields["job_id"], None)) and self.time_left:
                self.time_left.finish(job["rule"], time.monotonic() - job["start"])
        elif event == LogEvent.JOB_ERROR:
            self.failed.add(fields["jobid"])
            self.running.pop(fields["jobid"], None)
        elif event == LogEvent.PROGRESS:
            self.done, self.total = fields["done"], fields["total"]

    def announcement(self) -> str:
        """How many jobs there are, and how long they are expected to take."""
        seconds = duration(self.time_left.seconds()) if self.time_left else "unknown"
        cores = "one core" if self.cores == 1 else f"{self.cores} cores"
        return f"{self.total} jobs. Expected time on {cores}: about {seconds}."

    def lines(self) -> Group:
        """The lines that change: jobs done, time left, and running jobs with the last line of their logs."""
        now = time.monotonic()
        taken: dict[str, float] = {}
        for job in self.running.values():
            taken[job["rule"]] = taken.get(job["rule"], 0) + now - job["start"]
        left = f", about {duration(self.time_left.seconds(taken))} left" if self.time_left else ""
        failed = f", [red]{len(self.failed)} failed[/]" if self.failed else ""
        head = f"[bold]{self.done} of {self.total} jobs done[/]{failed}; {duration(now - self.started)} so far{left}"
        shown = []
        for job in list(self.running.values())[-SHOWN_JOBS:]:
            shown.append(Text(f"  {job['message']}", no_wrap=True, overflow="ellipsis"))
            if line := last_line(job["log"]):
                shown.append(Text(f"    {line}", style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(Text.from_markup(head), ProgressBar(max(self.total, 1), self.done), *shown)


class LogHandler(LogHandlerBase):
    """Snakemake's handler for its events, one for a terminal or one for a stream of text."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.display = RunDisplay()
        self.formatted = DefaultFormatter(settings.quiet, settings.show_failed_logs)
        stream = sys.stdout if settings.stdout else sys.stderr
        self.plain = ColorizingTextHandler(nocolor=settings.nocolor, stream=stream, formatter=self.formatted)
        self.plain.addFilter(
            DefaultFilter(
                settings.quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
            )
        )
        self.plain.setLevel(logging.DEBUG if settings.verbose or settings.debug_dag else logging.INFO)
        self.console = Console(file=stream, no_color=settings.nocolor, highlight=False)
        chatty = settings.dryrun or settings.verbose or settings.debug_dag or settings.quiet
        self.live: Live | None = None
        if self.console.is_terminal and not self.console.is_dumb_terminal and not chatty:
            self.live = Live(
                console=self.console, get_renderable=self.display.lines, refresh_per_second=2, transient=True
            )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.display.take(record)
            event = getattr(record, "event", None)
            starts = event == LogEvent.RUN_INFO and not self.common_settings.dryrun
            if self.live is None:
                self.plain.handle(record)
                if starts and not self.common_settings.quiet:
                    self.plain.handle(
                        logging.makeLogRecord({"msg": self.display.announcement(), "levelno": logging.INFO})
                    )
                return
            if starts:
                self.console.print(self.display.announcement())
                self.live.start()
            elif event in PRINTED or record.levelno >= logging.WARNING:
                self.console.print(self.formatted.format(record), style="red", markup=False, soft_wrap=True)
            elif getattr(record, "for_people", False) or str(record.msg).startswith("Nothing to be done"):
                self.live.stop()
                self.console.print(str(record.msg), markup=False, soft_wrap=True)
        except Exception:  # a display must not end a run
            self.handleError(record)

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False
