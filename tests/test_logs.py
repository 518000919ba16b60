"""A job's log: what is said goes there, and its last line tells how the job's time was spent."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from metamers import logs
from metamers.logs import PARTS, read_spent, spent

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def seconds(monkeypatch):
    counted = dict.fromkeys(PARTS, 0.0)
    monkeypatch.setattr(logs, "_seconds", counted)
    return counted


def run(code, tmp_path):
    """The log of a process that runs a script."""
    log = tmp_path / "logs" / "job.log"
    code = (
        f"import time\nfrom metamers.logs import log_to, spent\ntime.sleep(0.2)\nlogger = log_to({str(log)!r})\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True, check=False
    )
    return log.read_text(encoding="utf-8"), done


def test_the_last_line_tells_where_the_time_went(tmp_path):
    log, done = run("with spent('loading'):\n    time.sleep(0.3)\nlogger.info('done')", tmp_path)
    assert log.splitlines()[-2].endswith("done")
    assert log.splitlines()[-1][len("00:00:00 ") :].startswith("spent {")
    found = read_spent(log)
    assert found["start"] >= 0.18
    assert 0.28 <= found["loading"] < 5
    assert found["writing"] == 0
    assert found["start"] + found["loading"] <= found["total"] + 0.03 < 30
    assert "spent" not in done.stderr


def test_a_job_that_fails_says_why_and_then_where_the_time_went(tmp_path):
    log, done = run("raise ValueError('no such stage')", tmp_path)
    assert done.returncode == 1
    assert "ValueError: no such stage" in log
    assert read_spent(log)["total"] > 0


def test_what_is_nested_counts_once(seconds):
    with spent("writing"):
        with spent("loading"):
            time.sleep(0.02)
        with spent("writing"):
            time.sleep(0.02)
    assert seconds["loading"] == 0
    assert 0.04 <= seconds["writing"] < 0.08 + 1
    with spent("loading"):
        time.sleep(0.02)
    assert seconds["loading"] >= 0.02


def test_a_decorated_function_counts_each_time_also_when_it_fails(seconds):
    @spent("loading")
    def load(fail):
        time.sleep(0.01)
        if fail:
            raise OSError
        return 1

    assert load(False) == 1
    with pytest.raises(OSError):  # noqa: PT011
        load(True)
    assert load(False) == 1
    assert seconds["loading"] >= 0.03


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00:00:00 step 5 of 10, 3 s left",
        '00:00:00 spent {"start": 1.0}',
        "00:00:00 spent {not JSON}",
        '00:00:00 he spent {"start": 1, "loading": 1, "writing": 1, "total": 1}',
    ],
)
def test_a_log_without_such_a_line_gives_none(text):
    assert read_spent(text) is None


def test_of_several_lines_the_last_counts():
    lines = [f'00:00:0{n} spent {{"start": {n}, "loading": 0, "writing": 0, "total": {n}}}' for n in (1, 2)]
    assert read_spent("\n".join(lines) + "\n") == {"start": 2, "loading": 0, "writing": 0, "total": 2}
