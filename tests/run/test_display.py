"""In a terminal a run is a few lines that change; elsewhere Snakemake's usual messages and the expected time."""

import logging
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from snakemake_logger_plugin_metamers import RunDisplay, last_line

SNAKEFILE = """
rule all:
    input: expand("out{i}", i=range(3))

rule make:
    output: "out{i}"
    log: "log{i}.txt"
    message: "Synthesizing batch {wildcards.i}"
    shell: "echo 12:00:01 step 20 of 100, loss 0.14 > {log}; sleep 1; test {wildcards.i} != BROKEN; touch {output}"

onsuccess:
    logger.info("Report: index.html", extra={"for_people": True})
"""


def command(folder: Path, broken: str = "none") -> list[str]:
    (folder / "Snakefile").write_text(SNAKEFILE.replace("BROKEN", broken))
    return [sys.executable, "-m", "snakemake", "--cores", "2", "--keep-going", "--logger", "metamers"]


def in_a_terminal(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Exit status and text of a command that runs in a terminal of 100 columns."""
    leader, follower = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(arguments, cwd=folder, env=environment, stdout=follower, stderr=follower, stdin=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # Linux reports the closed end this way
            break
        if not part:
            break
        shown += part
    os.close(leader)
    return process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_a_terminal_shows_jobs_logs_and_time_left_and_nothing_else(tmp_path):
    status, shown = in_a_terminal(command(tmp_path), tmp_path)
    assert status == 0
    assert re.search(r"4 jobs\. Expected time on 2 cores: about \d", shown)
    assert re.search(r"\d of 4 jobs done; [\d.]+ s so far, about [\d.]+ \w+ left", shown)
    assert re.search(r"Synthesizing batch \d", shown)
    assert "step 20 of 100, loss 0.14" in shown
    assert shown.rstrip().endswith("Report: index.html")
    assert "Select jobs" not in shown
    assert "Finished jobid" not in shown


def test_a_terminal_shows_an_error_and_counts_it(tmp_path):
    status, shown = in_a_terminal(command(tmp_path, broken="1"), tmp_path)
    assert status == 1
    assert "Error in rule make" in shown
    assert "log1.txt (check log file(s) for error details)" in shown
    assert "1 failed" in shown


def test_a_pipe_has_the_usual_messages_and_the_expected_time(tmp_path):
    ran = subprocess.run(command(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Expected time on 2 cores: about" in ran.stderr
    assert "3 of 4 steps (75%) done" in ran.stderr
    assert "Report: index.html" in ran.stderr
    again = subprocess.run(command(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Nothing to be done" in again.stderr


@pytest.mark.parametrize(
    ("log", "line"),
    [("12:00:01 begins\n12:00:02 step 3\n\n", "step 3"), ("no time here\n", "no time here"), ("", ""), (None, "")],
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
