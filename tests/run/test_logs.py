"""A job's log contains its messages, the reason of a failure, the files that the job wrote, and its CPU time by kind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metamers.run.logs import (
    KILLED,
    cpu_time_line,
    cpu_time_table,
    failed_jobs,
    read_cpu_time,
    read_written,
    run_cpu_times,
    steps_since,
)

LIBRARY = Path(__file__).parents[2] / "src"


def run_job(log, code):
    """Run a job, a Python process with this log; return its exit status and the text of the log."""
    script = f"from metamers.run.job import log_to\nlogger = log_to({str(log)!r})\n{code}"
    environment = {"PYTHONPATH": str(LIBRARY)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, log.read_text(encoding="utf-8")


def test_a_job_that_fails_says_why_in_its_log(tmp_path):
    status, text = run_job(tmp_path / "logs" / "job.log", "logger.info('begins')\nraise ValueError('no such stage')")
    assert status == 1
    lines = text.splitlines()
    assert lines[0].endswith("begins")
    assert lines[-2] == "ValueError: no such stage"
    assert read_cpu_time(lines[-1])


SPEND = """
import time
def spend(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
"""


def test_the_cpu_time_of_a_job_is_divided_into_imports_files_and_computation(tmp_path):
    (tmp_path / "slow.py").write_text(f"{SPEND}spend(0.4)\nimport slower")
    (tmp_path / "slower.py").write_text("from slow import spend\nspend(0.2)")
    code = f"""{SPEND}
import sys
from metamers.run.cpu_time import counted
sys.path.append({str(tmp_path)!r})
def lazy():
    import slow, slow, slower
with counted("files"):
    spend(0.3)
    with counted("files"):
        spend(0.1)
lazy()
spend(0.8)
"""
    status, text = run_job(tmp_path / "job.log", code)
    assert status == 0, text
    used = read_cpu_time(text)
    assert used["files"] == pytest.approx(0.4, abs=0.05)
    assert used["computation"] == pytest.approx(0.8, abs=0.1)
    assert 0.6 < used["imports"] < 1.5  # with the start of Python


def test_no_garbage_is_collected_during_an_import_but_after_it(tmp_path):
    (tmp_path / "module.py").write_text("import gc\ncollects = gc.isenabled()")
    code = f"import gc, sys\nsys.path.append({str(tmp_path)!r})\nimport module\nprint(module.collects, gc.isenabled())"
    script = f"from metamers.run import job\n{code}"
    environment = os.environ | {"PYTHONPATH": str(LIBRARY)}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "False True\n"


def test_an_import_that_fails_is_an_error_as_without_a_job(tmp_path):
    code = "import gc\ntry:\n    import no_such_module\nexcept ModuleNotFoundError as error:\n    logger.info(error)\nassert gc.isenabled()"
    status, text = run_job(tmp_path / "job.log", code)
    assert status == 0
    assert "No module named 'no_such_module'" in text


def test_the_cpu_time_of_a_job_that_has_not_ended_is_unknown():
    assert read_cpu_time("12:00:00 step 3 of 64\n") is None


def write_log(folder, name, total, **parts):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"12:00:00 begins\n12:00:09 {cpu_time_line(total, parts)}\n")
    return path


def test_the_cpu_time_of_a_run_is_that_of_its_jobs_and_of_snakemake(tmp_path):
    write_log(tmp_path, "synthesize_metamers/a/0/0000.log", 50, imports=4, files=1)
    write_log(tmp_path, "null_distribution/a.log", 10, imports=2, files=2)
    write_log(tmp_path, "report_pages.log", 8, imports=1, files=1)
    (tmp_path / "power.log").write_text("12:00:00 begins\n")  # was killed
    os.utime(write_log(tmp_path, "train_model/a.log", 1000, imports=0, files=0), (5, 5))  # of an earlier call
    used = run_cpu_times(tmp_path, 10, 20, 70)
    expected = {"computation": 51, "imports": 6, "files": 3, "report": 8, "snakemake": 20, "other": 2}
    assert used == pytest.approx(expected)
    assert run_cpu_times(tmp_path, 10, 20, 1)["other"] == 0  # on a cluster, jobs are no children of Snakemake
    rows = [row.split("\t") for row in cpu_time_table(used).splitlines()]
    assert rows[:2] == [["kind", "seconds", "percent"], ["computation", "51.0", "56.7"]]
    assert rows[-1] == ["all", "90.0", "100.0"]


def test_steps_that_have_logged_since_a_time_are_known(tmp_path):
    write_log(tmp_path, "synthesize_metamers/a/0/0000.log", 50)
    write_log(tmp_path, "report_pages.log", 8)
    os.utime(write_log(tmp_path, "train_model/a.log", 1000), (5, 5))
    assert steps_since(tmp_path, 10) == {"synthesize_metamers", "report_pages"}
    assert steps_since(tmp_path / "none", 10) == set()


def test_a_call_without_jobs_has_no_cpu_times(tmp_path):
    assert run_cpu_times(tmp_path / "logs", 0, 4, 0) == {}


def test_written_files_are_read_from_lines_that_are_whole():
    text = f"12:00:00 wrote {'a' * 64}  nulls/net.nc\nwrote {'b' * 64}  x y.nc\nwrote {'c' * 63}  z.nc\nI wrote {'d' * 64}  w.nc\n"
    assert read_written(text) == [("nulls/net.nc", "a" * 64), ("x y.nc", "b" * 64)]


@pytest.mark.parametrize(
    ("code", "reason", "subject"),
    [
        (
            "logger.info('model: half'); raise ValueError('2 problems:\\n  one\\n  two')",
            "2 problems:\n  one\n  two",
            {},
        ),
        ("try:\n    open('/missing')\nexcept OSError as error:\n    raise KeyError('x') from error", "'x'", {}),
        ("raise NotImplementedError", "NotImplementedError", {}),
        (
            "from metamers.run.logs import log_subject\n"
            "log_subject(recognition_model='first')\nlog_subject(recognition_model='second')\n"
            "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
            KILLED,
            {"recognition_model": "second"},
        ),
    ],
)
def test_a_failed_job_is_known_by_its_log_without_a_benchmark(tmp_path, code, reason, subject):
    run_job(tmp_path / "logs" / "step" / "model" / "stage.a.log", code)
    (job,) = failed_jobs(tmp_path / "logs", tmp_path / "benchmarks", 0)
    assert (job.step, job.names, job.reason, job.subject) == ("step", ("model", "stage.a"), reason, subject)


def test_a_job_that_ended_or_was_interrupted_has_not_failed(tmp_path):
    codes = {"ended": "", "slow disk": "", "interrupted": "raise KeyboardInterrupt", "failed again": "raise ValueError"}
    for name, code in codes.items():
        run_job(tmp_path / "logs" / f"{name}.log", code)
    benchmarks = tmp_path / "benchmarks"
    benchmarks.mkdir()
    for name, seconds in (("ended", 1), ("failed again", -1)):
        (benchmarks / f"{name}.tsv").touch()
        logged = (tmp_path / "logs" / f"{name}.log").stat().st_mtime
        os.utime(benchmarks / f"{name}.tsv", (logged + seconds, logged + seconds))
    assert [job.step for job in failed_jobs(tmp_path / "logs", benchmarks, 0)] == ["failed again"]
