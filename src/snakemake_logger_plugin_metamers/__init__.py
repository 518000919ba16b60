"""The display of a run in a terminal: a logger plugin of Snakemake (``--logger metamers``), set in the profiles.

In a terminal, a few lines at its end show how many jobs are done, which are running, the last line of their logs, and
the time left. Errors, warnings and the results of jobs are printed above them. Elsewhere, as in a pipe, a dry run or a
job of a cluster, Snakemake's usual messages are printed, and the expected time. All messages are in ``.snakemake/log/``
in any case.

Ctrl-C ends a run with the command that continues it.
"""

import logging
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text
from snakemake.logging import ColorizingTextHandler, DefaultFilter, DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from metamers.run.durations import Cost, TimeLeft, duration
from metamers.run.logs import ABOUT, CPU_TIME, DISPLAY, WROTE

PRINTED = {LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR, LogEvent.ERROR}  # printed above the lines that change
# Beginnings of what Snakemake says at the end of a call that runs no job.
ENDED = ("Nothing to be done", "Report created", "Unlocked working directory")
DRY_RUN = "This was a dry-run"  # Snakemake's last line of a dry run
# Ctrl-C ends jobs too: their errors may come before this process has noticed it.
ENDED_BY_CTRL_C = f"died with {signal.SIGINT!r}."
SHOWN_JOBS = 4  # number of running jobs on the display
LAST_BYTES = 1000  # number of bytes at the end of a log in which its last line is searched
REFRESH_S = 0.5
STREAMS = (1, 2)  # standard output and standard error, which jobs inherit
END = "\0end of capture"


def last_line(path: str) -> str:
    """Return the last line of a log without its time, or an empty text if there is none.

    Records of written files, of CPU time and of the subject of the work do not count.
    """
    try:
        with Path(path).open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - LAST_BYTES))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    told = (one.strip() for one in reversed(lines) if not any(record.match(one) for record in (WROTE, CPU_TIME, ABOUT)))
    line = next(filter(None, told), "")
    first, _, rest = line.partition(" ")
    return rest.strip() if first.count(":") == 2 else line


def called_command() -> str:
    """The command line of this process, as a user would write it."""
    program, *arguments = sys.argv
    path = Path(program)
    if path.name == "__main__.py":
        return shlex.join(["python", "-m", path.parent.name, *arguments])
    return shlex.join([os.path.relpath(path) if path.is_relative_to(Path.cwd()) else program, *arguments])


class Capture:
    """Lines that jobs and other programs write to the terminal, instead of to the terminal itself.

    Such lines move the cursor. The display would then not find the lines that it has drawn, and would leave copies of
    them.

    Parameters
    ----------
    show
        Called with each line, in a thread.
    """

    def __init__(self, show: Callable[[str], None]):
        self.show = show
        self.terminals = {stream: os.dup(stream) for stream in STREAMS if os.isatty(stream)}
        reading, writing = os.pipe()
        for stream in self.terminals:
            os.dup2(writing, stream)
        self.writing = writing
        self.lines = open(reading, encoding="utf-8", errors="replace", newline="\n")  # noqa: SIM115 (closed in `end`)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for line in self.lines:
            text = line.rstrip("\r\n")
            # Progress bars return to the beginning of their line.
            if last_line := text.removesuffix(END).rsplit("\r", 1)[-1].rstrip():
                self.show(last_line)
            if text.endswith(END):
                return

    def end(self) -> None:
        """Show the remaining lines, and give the terminal back.

        Jobs that still run keep the pipe open, so the end is a line of its own in it.
        """
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for stream, terminal in self.terminals.items():
            os.dup2(terminal, stream)
            os.close(terminal)
        os.write(self.writing, f"{END}\n".encode())
        os.close(self.writing)
        self.thread.join()
        self.lines.close()


class RunDisplay:
    """The state of a run, from the events that Snakemake logs, as lines for a terminal."""

    def __init__(self) -> None:
        self.time_left: TimeLeft | None = None
        self.cores, self.done, self.total = 1, 0, 0
        self.failed: set[int] = set()  # numbers of jobs whose last attempt failed
        self.started = time.monotonic()
        self.running: dict[int, dict[str, Any]] = {}  # number of a job → its rule, message, log and start
        self.interruptions = 0  # number of times that Ctrl-C was pressed

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
        rows = [Text("Ending: running jobs save their progress first")] if self.interruptions else []
        for job in list(self.running.values())[-SHOWN_JOBS:]:
            rows.append(Text(f"  {job['message']}", no_wrap=True, overflow="ellipsis"))
            if line := last_line(job["log"]):
                rows.append(Text(f"    {line}", style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(Text.from_markup(head), ProgressBar(max(self.total, 1), self.done), *rows)


class LogHandler(LogHandlerBase):
    """Snakemake's handler for its events, one for a terminal or one for a stream of text."""

    def __post_init__(self) -> None:
        settings = self.common_settings
        self.display = RunDisplay()
        self.cost = Cost()  # of the jobs of a dry run
        self.command = called_command()
        self.formatted = DefaultFormatter(settings.quiet, settings.show_failed_logs)
        stream = sys.stdout if settings.stdout else sys.stderr
        self.plain = ColorizingTextHandler(nocolor=settings.nocolor, stream=stream, formatter=self.formatted)
        self.plain.addFilter(
            DefaultFilter(
                settings.quiet, settings.debug_dag, settings.verbose, settings.dryrun, settings.printshellcmds
            )
        )
        self.plain.setLevel(logging.DEBUG if settings.verbose or settings.debug_dag else logging.INFO)
        chatty = settings.dryrun or settings.verbose or settings.debug_dag or settings.quiet
        self.live: Live | None = None
        self.capture: Capture | None = None
        # Rich computes what a thread writes before it writes it. Two threads that did so at once would leave copies of
        # the display, so each holds this lock.
        self.lock = threading.RLock()
        self.ended = threading.Event()
        self.console = Console(file=stream, no_color=settings.nocolor, highlight=False)
        if self.console.is_terminal and not self.console.is_dumb_terminal and not chatty:
            # Another descriptor of the terminal: that of the stream is captured.
            self.console.file = open(os.dup(stream.fileno()), "w", encoding=stream.encoding)  # noqa: SIM115 (to the end)
            self.live = Live(
                console=self.console,
                get_renderable=self.draw,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            os.environ[DISPLAY] = "1"  # for jobs
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self.interrupt)

    def interrupt(self, number: int, _frame: object) -> None:
        """Let Snakemake end on Ctrl-C, which jobs get too; a second one must not keep it from unlocking the folder."""
        self.display.interruptions += 1
        if self.display.interruptions == 1:
            raise SystemExit(128 + number)
        if self.display.interruptions == 2:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def start(self) -> None:
        """Announce the run, and begin the display."""
        if self.live is None:
            if not self.common_settings.quiet:
                self.print(self.display.announcement())
            return
        self.print(self.display.announcement())
        self.capture = Capture(self.print_of_jobs)
        self.live.start()
        threading.Thread(target=self.refresh, daemon=True).start()

    def refresh(self) -> None:
        """Draw the display again and again, until it ends."""
        while self.live is not None and not self.ended.wait(REFRESH_S):
            with self.lock:
                if self.live.is_started:
                    self.live.refresh()

    def stop(self) -> None:
        """End the display."""
        self.ended.set()
        if self.live is not None:
            with self.lock:
                self.live.stop()

    def draw(self) -> Group:
        """Return the lines of the display, for the present size of the terminal."""
        size = os.get_terminal_size(self.console.file.fileno())
        if size.columns:
            self.console.size = size
        return self.display.lines()

    def print(self, text: str, style: str | None = None) -> None:
        """Print a text, above the display if there is one."""
        if self.live is None:
            self.plain.handle(logging.makeLogRecord({"msg": text, "levelno": logging.INFO}))
        else:
            with self.lock:
                self.console.print(Text.from_ansi(text), style=style, soft_wrap=True)

    def print_of_jobs(self, text: str) -> None:
        """Print a line that a job has written; not what it says when Ctrl-C ends it."""
        if not self.display.interruptions:
            self.print(text)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.display.take(record)
            event = getattr(record, "event", None)
            problem = event in PRINTED or record.levelno >= logging.WARNING
            if problem and (self.display.interruptions or ENDED_BY_CTRL_C in record.getMessage()):
                return  # that jobs have ended
            if self.live is None:
                self.plain.handle(record)
            elif problem:
                self.print(self.formatted.format(record), "red")
            elif getattr(record, "for_people", False) or str(record.msg).startswith(ENDED):
                self.stop()
                self.print(str(record.msg))
            if not self.common_settings.dryrun:
                if event == LogEvent.RUN_INFO:
                    self.start()
            elif event == LogEvent.JOB_INFO:
                self.cost.add(record.__dict__["resources"], record.__dict__["threads"])
            elif str(record.msg).startswith(DRY_RUN):
                self.print(f"{self.cost} docs/more_clusters.md says how this is estimated.")
        except Exception:  # a display must not end a run
            self.handleError(record)

    def close(self) -> None:
        if self.capture is not None:
            self.capture.end()
            self.capture = None
        self.stop()
        if self.display.interruptions and self.display.total:
            self.display.total, done = 0, f"{self.display.done} of {self.display.total} jobs"
            self.print(f"Interrupted after {done}. To continue, call the same command again:\n  {self.command}")
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
