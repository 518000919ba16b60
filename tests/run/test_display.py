"""In a terminal a run is a few lines that change; elsewhere Snakemake's usual messages and the expected time."""

import fcntl
import io
import logging
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.live import Live
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent

import snakemake_logger_plugin_metamers as plugin
from metamers.run.logs import DISPLAY, RESULTS
from snakemake_logger_plugin_metamers import RunDisplay, last_line

ROOT = Path(__file__).resolve().parents[2]
LONG = "-".join(map(str, range(100, 150)))  # wider than a terminal
SNAKEFILE = """
rule all:
    input: expand("out{i}", i=range(3))

rule make:
    output: "out{i}"
    log: "log{i}.txt"
    message: "Synthesizing batch {wildcards.i}"
    shell:
        "echo 12:00:01 step 20 of 100, loss 0.14 > {log}; echo '12:00:01 wrote HASH  a.nc' >> {log};"
        "for n in 1 2; do sleep 0.7; echo warning $n of {wildcards.i} LONG; echo and this 1>&2; done;"
        "test {wildcards.i} != BROKEN; touch {output}"

onsuccess:
    logger.info("Report: index.html", extra={"for_people": True})
"""


def command(folder: Path, broken: str = "none") -> list[str]:
    text = SNAKEFILE.replace("BROKEN", broken).replace("LONG", LONG).replace("HASH", "0" * 64)
    (folder / "Snakefile").write_text(text)
    # As the default profile; a job may end between Ctrl-C and the end of the run.
    options = ["--cores", "2", "--keep-going", "--rerun-incomplete", "--logger", "metamers"]
    return [sys.executable, "-m", "snakemake", *options]


class Screen:
    """A terminal: what it shows, with the lines that have scrolled out of it, after bytes with control sequences."""

    def __init__(self, columns: int, lines: int):
        self.columns, self.height = columns, lines
        self.lines, self.x, self.y = [""], 0, 0

    def feed(self, text: str) -> None:
        for sequence, letter in re.findall(r"(\x1b\[[0-9;?]*[A-Za-z])|([^\x1b])", text):
            if sequence:
                self.control(sequence[2:-1], sequence[-1])
            elif letter == "\r":
                self.x = 0
            elif letter == "\n":
                self.down()
            else:
                if self.x == self.columns:
                    self.x = 0
                    self.down()
                line = self.lines[self.y].ljust(self.x)
                self.lines[self.y] = line[: self.x] + letter + line[self.x + 1 :]
                self.x += 1

    def down(self) -> None:
        self.y += 1
        if self.y == len(self.lines):
            self.lines.append("")

    def control(self, number: str, kind: str) -> None:
        if kind == "A":
            self.y = max(self.y - int(number or 1), len(self.lines) - self.height, 0)
        elif kind == "K":
            assert number == "2"
            self.lines[self.y] = ""
        else:
            assert kind in "mhl", kind  # colours, and whether the cursor is seen


def in_a_terminal(
    arguments: list[str], folder: Path, columns: int = 100, seen: Callable[[Screen, int], None] = lambda *_: None
) -> tuple[int, str, Screen]:
    """Run a command in a terminal, in a session of its own.

    ``seen`` is called with the screen and the process after each output. Returns the exit status, all text that the
    screen has shown, and the screen at the end.
    """
    leader, follower = pty.openpty()
    screen = Screen(columns, 24)
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", screen.height, screen.columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    process = subprocess.Popen(
        arguments, cwd=folder, env=environment, stdout=follower, stderr=follower, stdin=follower, start_new_session=True
    )
    os.close(follower)
    waiting, shown = b"", ""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # Linux reports the closed end this way
            break
        if not part:
            break
        # A sequence or letter may be cut in two.
        whole = re.fullmatch(rb"(.*?)((?:\x1b\[?[0-9;?]*|[\xc0-\xff][\x80-\xbf]*)?)", waiting + part, flags=re.DOTALL)
        waiting = whole[2]
        shown += (text := whole[1].decode())
        screen.feed(text)
        seen(screen, process.pid)
    os.close(leader)
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown), screen


def test_a_terminal_shows_jobs_logs_and_time_left_once_and_what_jobs_print_above(tmp_path):
    copies, columns = [], 80

    def count(screen: Screen, _process: int) -> None:
        copies.append(sum(bool(re.search(r"\d of 4\b", line)) for line in screen.lines))

    status, shown, screen = in_a_terminal(command(tmp_path), tmp_path, columns, count)
    assert status == 0
    assert re.search(r"4 jobs\..* 2 cores: .*\d", shown)
    assert re.search(r"\d of 4 .* [\d.]+ s .* [\d.]+ (s|min)\b", shown)
    assert re.search(r"Synthesizing batch \d", shown)
    assert "step 20 of 100, loss 0.14" in shown
    assert "wrote 0000" not in shown
    assert "Select jobs" not in shown
    assert "Finished jobid" not in shown
    assert max(copies) == 1
    assert copies[-1] == 0
    lines = "".join(line.ljust(columns) for line in screen.lines)  # long lines are whole
    for job in range(3):
        assert lines.count(f"warning 1 of {job} {LONG}") == lines.count(f"warning 2 of {job} {LONG}") == 1
    assert screen.lines.count("and this") == 6
    assert [line for line in screen.lines if line][-1] == "Report: index.html"


def test_lines_that_are_printed_while_the_display_is_drawn_leave_no_copy_of_it(monkeypatch):
    monkeypatch.setattr(plugin, "REFRESH_S", 0)
    interval = sys.getswitchinterval()
    written, jobs = io.StringIO(), [1]
    handler = object.__new__(plugin.LogHandler)
    handler.console = Console(file=written, force_terminal=True, width=100, height=24)
    handler.lock, handler.ended = threading.RLock(), threading.Event()
    handler.live = Live(
        console=handler.console,
        get_renderable=lambda: Text("jobs done" + "\n  a job" * jobs[0]),
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    handler.live.start()
    drawing = threading.Thread(target=handler.refresh)
    try:
        sys.setswitchinterval(1e-5)
        drawing.start()
        for number in range(200):
            jobs[0] = number % 5
            handler.print(f"line {number}")
    finally:
        sys.setswitchinterval(interval)
        handler.ended.set()
        drawing.join()
    screen = Screen(100, 24)
    screen.feed(written.getvalue())
    assert sum("jobs done" in line for line in screen.lines) == 1
    assert sum(line.startswith("line ") for line in screen.lines) == 200
    handler.stop()


def test_a_terminal_shows_an_error_and_counts_it(tmp_path):
    status, shown, screen = in_a_terminal(command(tmp_path, broken="1"), tmp_path)
    assert status == 1
    assert any("Error in rule make" in line for line in screen.lines)
    assert "log1.txt" in "".join(screen.lines)
    assert "1 failed" in shown


@pytest.mark.parametrize(
    ("option", "said"), [("--unlock", "Unlocked working directory."), ("--report made.zip", "Report created.")]
)
def test_a_terminal_shows_what_a_call_without_jobs_has_done(option, said, tmp_path):
    arguments = command(tmp_path)
    for job in range(3):
        (tmp_path / f"out{job}").touch()
    status, _, screen = in_a_terminal([*arguments, *option.split()], tmp_path)
    assert status == 0
    assert said in screen.lines


CALLED = "python -m snakemake --cores 2 --keep-going --rerun-incomplete --logger metamers"


def check_interrupted(status: int, lines: list[str], shown: str) -> None:
    """Check that a run has failed and its last lines have the number of jobs and the command that continues."""
    assert status != 0
    interrupted, called = [line for line in lines if line][-2:]
    assert re.search(r"\b\d of 4\b", interrupted)
    assert called == f"  {CALLED}"
    assert "Error" not in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_a_terminal_ends_with_the_command_that_continues(times, tmp_path):
    pressed = []

    def press(screen: Screen, process: int) -> None:
        if not pressed and any("warning 1" in line for line in screen.lines):
            for _ in range(times):
                os.killpg(process, signal.SIGINT)
                pressed.append(process)
                time.sleep(0.2)

    arguments = command(tmp_path)
    status, shown, screen = in_a_terminal(arguments, tmp_path, seen=press)
    assert len(pressed) == times
    check_interrupted(status, screen.lines, shown)
    subprocess.run([sys.executable, *shlex.split(CALLED)[1:]], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "out2").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_without_a_terminal_ends_with_the_command_that_continues(times, tmp_path):
    running = subprocess.Popen(
        command(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    shown = ""
    while "warning 1" not in shown:
        line = running.stdout.readline()
        assert line, shown
        shown += line
    for _ in range(times):
        os.killpg(running.pid, signal.SIGINT)
        time.sleep(0.2)
    shown += running.communicate()[0]
    check_interrupted(running.returncode, shown.splitlines(), shown)


@pytest.mark.parametrize("displayed", [True, False])
def test_a_job_prints_above_a_display_only_warnings_and_what_it_was_asked_for(displayed, tmp_path):
    """Elsewhere, also what it says of its work; what it says of published models is in its log alone."""
    said = f"""
import logging
from metamers.run.job import log_to
logger = log_to("results/small/logs/job.log")
logger.debug("of a published model")
logger.info("of this run")
logger.warning("a warning")
logging.getLogger("{RESULTS}").info("the result")
raise KeyboardInterrupt
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")} | ({DISPLAY: "1"} if displayed else {})
    ran = subprocess.run([sys.executable, "-c", said], cwd=tmp_path, env=environment, capture_output=True, text=True)  # noqa: PLW1510 (it is interrupted)
    printed = [line[9:] for line in ran.stderr.splitlines()]
    assert printed == ["of this run"] * (not displayed) + ["a warning", "the result"] + ["ended by Ctrl-C"] * (
        not displayed
    )
    log = (tmp_path / "results/small/logs/job.log").read_text()
    assert all(f" {text}\n" in log for text in ("of a published model", "of this run", "a warning", "the result"))


def test_a_pipe_has_the_usual_messages_and_the_expected_time(tmp_path):
    ran = subprocess.run(command(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.search(r" 2 cores: .*\d", ran.stderr)
    assert "3 of 4 steps (75%) done" in ran.stderr
    assert "Report: index.html" in ran.stderr


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("12:00:01 begins\n12:00:02 step 3\n\n", "step 3"),
        (f"12:00:02 step 3\n12:00:02 wrote {'0' * 64}  a/b.nc\n12:00:03 CPU time: 3.00 s; imports 2.00 s\n", "step 3"),
        ("no time here\n", "no time here"),
        ("", ""),
        (None, ""),
    ],
)
def test_the_last_line_of_a_log_is_without_its_time(tmp_path, log, line):
    if log is not None:
        (tmp_path / "job.log").write_text(log)
    assert last_line(str(tmp_path / "job.log")) == line


def test_a_job_that_is_tried_again_has_not_failed():
    display = RunDisplay()

    def event(kind: LogEvent, **fields) -> None:
        display.take(logging.makeLogRecord({"event": kind, "jobid": 3, **fields}))

    begins = {"rule_name": "make", "rule_msg": "Making", "log": ["make.log"]}
    event(LogEvent.JOB_INFO, **begins)
    event(LogEvent.JOB_ERROR)
    assert (display.failed, display.running) == ({3}, {})
    event(LogEvent.JOB_INFO, **begins)
    assert display.failed == set()
    assert display.running[3]["message"] == "Making"
