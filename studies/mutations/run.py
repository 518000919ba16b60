"""Tests each mutation in a temporary clone of the repository, with the tests that evaluate it, until one fails."""

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

from studies.mutations.draw import FIELDS, LIBRARY, Mutation, find_mutations, key_of
from studies.mutations.evaluated import read_record, record_evaluations

ROOT = Path(__file__).resolve().parents[2]
FAST = "not slow"
# Imported once: the processes of the tests are forked from this one, and import only the library.
IMPORTED = (
    *("pytest", "hypothesis", "torch", "torchvision", "torchaudio", "timm", "xarray", "netCDF4", "h5py", "pandas"),
    *("scipy.stats", "scipy.optimize", "sklearn.linear_model", "pydantic", "jsonschema", "requests", "matplotlib"),
)
RESULTS = (*FIELDS, "outcome", "test", "seconds", "tests", "commit")
CAUGHT = {"caught", "timeout"}
SECONDS_OF_FILE = 3 * 3600  # a test file without mutations, on a busy machine
SECONDS_OF_BATCH = 10  # of the tests of several files in one process
SECONDS_OF_MUTATION = 200  # of the tests of one mutation; with more it is "undecided"

Tests = dict[str, dict[str, float]]  # seconds of tests, by file and test


@contextmanager
def clone(commit: str) -> Iterator[Path]:
    """A temporary clone of the repository, with this environment."""
    with tempfile.TemporaryDirectory(prefix="mutations") as folder:
        root = Path(folder, "repository")
        subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", ROOT, root], check=True)
        subprocess.run(["git", "-C", root, "checkout", "--quiet", "--detach", commit], check=True)
        (root / ".venv").symlink_to(sys.prefix)
        yield root


class Outcomes:
    """A plugin of pytest that selects tests, and records their seconds and failures."""

    def __init__(self, selected: Collection[str] | None):
        self.selected, self.seconds, self.failed = selected, defaultdict(float), []

    def pytest_collection_modifyitems(self, items: list) -> None:
        items[:] = [item for item in items if self.selected is None or item.nodeid in self.selected]

    def pytest_collectreport(self, report) -> None:
        self.failed += [report.nodeid] * report.failed

    def pytest_runtest_logreport(self, report) -> None:
        self.seconds[report.nodeid] += report.duration
        self.failed += [report.nodeid] * report.failed


def run_tests(root: Path, files: Iterable[str], selected: Collection[str] | None, limit: float, *options: str) -> dict:
    """Run the fast tests of files in a forked process for at most ``limit`` seconds.

    Returns
    -------
    ``seconds`` of each test, ``failed`` tests, whether the limit was reached (``timeout``), and ``cpu``, the processor
    time in seconds.
    """
    report = root.parent / "report.json"
    report.unlink(missing_ok=True)
    if (process := os.fork()) == 0:
        with suppress(BaseException), (root.parent / "log").open("w") as log:
            os.setsid()
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
            os.chdir(root)
            sys.path[0] = str(root)
            for name in [name for name in sys.modules if name.split(".")[0] in {"metamers", "studies", "tests"}]:
                del sys.modules[name]
            outcomes = Outcomes(selected)
            arguments = ["-q", "-m", FAST, "--hypothesis-seed=0", *options, *files]
            code = import_module("pytest").main(arguments, plugins=[outcomes])
            failed = outcomes.failed or ([] if code in {0, 5} else [f"pytest: exit status {code}"])
            report.write_text(json.dumps({"seconds": outcomes.seconds, "failed": failed}), encoding="utf-8")
        os._exit(0)
    end, ended = time.monotonic() + limit, 0
    while not ended and time.monotonic() < end:
        time.sleep(0.05)
        ended, _, usage = os.wait4(process, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    if not ended:
        _, _, usage = os.wait4(process, 0)
    outcomes = {"seconds": {}, "failed": ["the process ended"]}
    if ended and report.is_file():
        outcomes = json.loads(report.read_text(encoding="utf-8"))
    return {**outcomes, "timeout": not ended, "cpu": usage.ru_utime + usage.ru_stime}


def map_tests(commit: str, mutations: Collection[Mutation], paths: Collection[str], saved: Path) -> list[dict]:
    """Run the test files of paths without mutation, each once: a row that ``saved`` has is not measured again.

    Returns
    -------
    The outcomes of each ``file``, and the tests by which each expression is ``evaluated``.
    """
    rows = [json.loads(line) for line in saved.read_text(encoding="utf-8").splitlines()] if saved.is_file() else []
    with clone(commit) as root:
        found = {file for path in paths for file in (root / path, *(root / path).rglob("test_*.py"))}
        files = {file.relative_to(root).as_posix() for file in found if file.is_file()}
        record_evaluations(root, mutations, record := root.parent / "record")
        for file in sorted(files - {row["file"] for row in rows}):
            record.write_text("", encoding="utf-8")
            outcomes = run_tests(root, [file], None, SECONDS_OF_FILE)
            rows.append({"file": file, **outcomes, "evaluated": read_record(record, outcomes["seconds"])})
            with saved.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(rows[-1]) + "\n")
    return [row for row in rows if row["file"] in files]


def tests_of(mutation: Mutation, rows: list[dict]) -> Tests:
    """The tests that evaluate a mutated expression and pass without the mutation, quickest file first.

    The test file of the module counts for a constant, because other constants and defaults can be computed from it.
    """
    module = Path(mutation.path).relative_to(LIBRARY)
    test_file = Path("tests", module.parent, f"test_{module.name}").as_posix()
    tests = {}
    for row in rows:
        all_count = mutation.is_constant and row["file"] == test_file
        evaluated = row["seconds"] if all_count else row["evaluated"].get(mutation.key, ())
        tests[row["file"]] = {test: row["seconds"][test] for test in evaluated if test not in row["failed"]}
    return {file: tests[file] for file in sorted(tests, key=lambda file: sum(tests[file].values())) if tests[file]}


def try_mutation(root: Path, mutation: Mutation, tests: Tests) -> dict[str, str]:
    """Run tests with the mutation until one fails; return outcome, failed test and seconds of processor time."""
    source, spent, cpu, outcome, failed = (root / mutation.path).read_bytes(), 0.0, 0.0, "survived", ""
    _write(root / mutation.path, source[: mutation.start] + mutation.text + source[mutation.end :])
    queue = list(tests)
    while queue and outcome == "survived":
        batch, seconds = [], 0.0
        while queue and (not batch or seconds + sum(tests[queue[0]].values()) < SECONDS_OF_BATCH):
            batch.append(queue.pop(0))
            seconds += sum(tests[batch[-1]].values())
        if (spent := spent + seconds) > SECONDS_OF_MUTATION:
            outcome = "undecided"
            break
        selected = {test for file in batch for test in tests[file]}
        outcomes = run_tests(root, batch, selected, 120 + 10 * seconds, "-x")
        cpu += outcomes["cpu"]
        if outcomes["failed"]:
            outcome, failed = "timeout" if outcomes["timeout"] else "caught", outcomes["failed"][0]
    _write(root / mutation.path, source)
    return {"outcome": outcome, "test": failed, "seconds": f"{cpu:.1f}"}


def _write(path: Path, source: bytes) -> None:
    """Write a module, and delete its bytecode, which Python would use after a change within the same second."""
    path.write_bytes(source)
    for bytecode in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        bytecode.unlink()


def run(table: Path, results: Path, commit: str, paths: Collection[str]) -> None:
    """Test the mutations of a table, first with the test that the table has; append a row for each to the results."""
    for name in (*IMPORTED, *(plugin.module for plugin in entry_points(group="pytest11"))):
        import_module(name)
    if others := {row["commit"] for row in read_rows(results)} - {commit}:
        sys.exit(f"{results} has results of another commit; continue with --commit {others.pop()}")
    tests, mapped = " ".join(paths), None
    finished = {key_of(row) for row in read_rows(results) if row["outcome"] in CAUGHT or row["tests"] == tests}
    rows = {key_of(row): row for row in read_rows(table) if row.get("outcome", "caught") in CAUGHT}
    with clone(commit) as root:
        files = {row["path"] for row in rows.values() if (root / row["path"]).is_file()}
        found = {key: mutation for file in files for key, mutation in find_mutations(root, file).items() if key in rows}
        left = {key: row for key, row in rows.items() if key not in finished}
        earlier = {test for row in left.values() if (root / _file(test := row.get("test", ""))).is_file()}
        if earlier:
            earlier -= set(run_tests(root, {*map(_file, earlier)}, earlier, SECONDS_OF_FILE)["failed"])
        for key, row in left.items():
            outcome = {"outcome": "missing" if key not in found else "", "test": "", "seconds": ""}
            if key in found and (test := row.get("test")) in earlier:
                outcome = try_mutation(root, found[key], {_file(test): {test: 0}})
            if key in found and outcome["outcome"] not in CAUGHT:
                mapped = mapped or map_tests(commit, found.values(), paths, results.with_suffix(".jsonl"))
                outcome = try_mutation(root, found[key], tests_of(found[key], mapped))
            drawn = {field: row[field] for field in FIELDS}
            write_rows(results, RESULTS, [{**drawn, **outcome, "tests": tests, "commit": commit}])


def compare(before: Path, after: Path) -> list[dict[str, str]]:
    """The mutations that are caught in the table ``before`` and not in ``after``; the last row of a mutation counts."""
    caught = {key_of(row): row for row in read_rows(before) if row["outcome"] in CAUGHT}
    outcomes = {key_of(row): row["outcome"] for row in read_rows(after)}
    return [row for key, row in caught.items() if outcomes.get(key) not in CAUGHT]


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table; none if there is no such file."""
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []


def write_rows(path: Path, columns: Collection[str], rows: Iterable[dict]) -> None:
    """Append rows to a table."""
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if not file.tell():
            writer.writeheader()
        writer.writerows(rows)


def _file(test: str) -> str:
    return test.partition("::")[0]
