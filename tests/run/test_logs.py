"""A job's log contains its messages, the reason of a failure, and the files that the job wrote."""

import subprocess
import sys
from pathlib import Path

from metamers.run.logs import read_written

LIBRARY = Path(__file__).parents[2] / "src"


def test_a_job_that_fails_says_why_in_its_log(tmp_path):
    log = tmp_path / "logs" / "job.log"
    code = (
        f"from metamers.run.logs import log_to\nlog_to({str(log)!r}).info('begins')\nraise ValueError('no such stage')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(LIBRARY)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith("begins")
    assert lines[-1] == "ValueError: no such stage"


def test_written_files_are_read_from_lines_that_are_whole():
    text = f"12:00:00 wrote {'a' * 64}  nulls/net.nc\nwrote {'b' * 64}  x y.nc\nwrote {'c' * 63}  z.nc\nI wrote {'d' * 64}  w.nc\n"
    assert read_written(text) == [("nulls/net.nc", "a" * 64), ("x y.nc", "b" * 64)]
