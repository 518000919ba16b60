"""Mutations change one line, and are caught by a test of a made-up library or not."""

import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from studies.mutations.draw import FIELDS, draw, find_mutations
from studies.mutations.run import read_rows, write_rows

MODULE = '''"""A module."""

LIMIT = 3


def last(values: list[int]) -> int:
    """The last value, of 2 or more."""
    return values[-1]


def small(value):
    if value < 0:
        raise ValueError(f"{value - 1}", 4)
    return value < LIMIT
'''
TESTS = """from metamers.match import last, small


def test_last():
    assert last([1, 2]) == 2


def test_small():
    assert small(2) and not small(3)


def test_that_fails():
    assert not small(2)
"""
PROJECT = """[tool.pytest.ini_options]
pythonpath = ["src"]
markers = ["slow"]
"""
# In a process of its own, because pytest's watchdog thread would stop a process that is forked from this one.
MAIN = """import sys
from pathlib import Path
from studies.mutations import run

run.ROOT, run.IMPORTED = Path(sys.argv.pop(1)), ("pytest", "hypothesis")
from studies.mutations.__main__ import main

main()
"""


@pytest.fixture
def repository(tmp_path):
    """A repository whose library has one module."""
    root = tmp_path / "repository"
    texts = {"src/metamers/__init__.py": "", "src/metamers/match.py": MODULE, "tests/test_match.py": TESTS}
    for path, text in {**texts, "pyproject.toml": PROJECT}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(root, "init", "--quiet")
    return root


def git(root, *arguments):
    command = ["git", "-C", root, "-c", "user.name=A", "-c", "user.email=a@b.c", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(root):
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "Tests")
    return git(root, "rev-parse", "HEAD")


def changes(root, source):
    (root / "src" / "metamers" / "match.py").write_text(source)
    return {(found.kind, found.new) for found in find_mutations(root, "src/metamers/match.py").values()}


def test_a_sign_an_axis_an_index_a_constant_and_a_comparison_are_changed(repository):
    line = "def f(a, b: list[3] = 5):\n    return {}\n"
    assert changes(repository, line.format("-a + (b)")) == {("sign", "return -a - (b)"), ("sign", "return a + (b)")}
    assert changes(repository, line.format("a.sum(axis=0)")) == {("axis", "return a.sum(axis=1)")}
    assert changes(repository, line.format("a[:, -1]")) == {("index", "return a[:, -2]")}
    assert changes(repository, line.format("f(0.5, False)")) == {
        ("constant", "return f(1.0, False)"),
        ("constant", "return f(0.5, True)"),
    }
    assert changes(repository, line.format("a <= b")) == {
        ("comparison", "return a < b"),
        ("comparison", "return a >= b"),
    }
    assert changes(repository, line.format("'é', a not in b, f'{a + b}'")) == set()


def test_messages_logs_and_equal_lines_are_left_out(repository):
    assert changes(repository, "def f(a):\n    logger.info('%s', a + 1)\n    raise ValueError(a + 1)\n") == set()
    assert changes(repository, "def f(a):\n    a += 1\n    a += 1\n") == set()


def test_the_drawn_mutations_follow_from_source_and_seed_and_are_of_different_lines(repository):
    drawn = draw(repository, 3, 1)
    assert drawn == draw(repository, 3, 1)
    assert len({mutation.line for mutation in drawn}) == 3
    assert len(draw(repository, 100, 1)) == 4


def test_a_mutation_is_caught_by_a_test_that_passes_without_it(repository, root, tmp_path):
    first = commit(repository)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ["PYTHONPATH"]])}

    def call(command, *more):
        arguments = command.removeprefix("python -m studies.mutations ").split()
        command_line = [sys.executable, "-c", MAIN, repository, *arguments, *more]
        return subprocess.run(command_line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    table, before, after = (tmp_path / f"{name}.csv" for name in ("mutations", "before", "after"))
    assert call("python -m studies.mutations draw mutations.csv").returncode == 0
    assert len(read_rows(table)) == 4
    drawn = [asdict(mutation) for mutation in find_mutations(repository, "src/metamers/match.py").values()]
    write_rows(table, FIELDS, [{field: row[field] for field in FIELDS} for row in drawn])

    assert call("python -m studies.mutations run mutations.csv before.csv").returncode == 0
    last, small = "tests/test_match.py::test_last", "tests/test_match.py::test_small"
    assert {(row["new"], row["outcome"], row["test"]) for row in read_rows(before)} == {
        ("LIMIT = 4", "caught", small),
        ("return values[-2]", "caught", last),
        ("if value <= 0:", "survived", ""),
        ("if value > 0:", "caught", small),
        ("if value < 1:", "survived", ""),
        ("return value <= LIMIT", "caught", small),
        ("return value > LIMIT", "caught", small),
    }
    content = before.read_text()
    call("python -m studies.mutations run mutations.csv before.csv")
    assert before.read_text() == content

    tests = repository / "tests" / "test_match.py"
    tests.write_text(tests.read_text().replace("assert last", "last"))
    commit(repository)
    assert call("python -m studies.mutations run before.csv after.csv").returncode == 0
    assert len(read_rows(after)) == 5
    compared = call("python -m studies.mutations compare before.csv after.csv")
    assert compared.returncode == 1
    assert compared.stdout.splitlines() == [
        f"src/metamers/match.py:8 (last): return values[-1] -> return values[-2]; caught by {last}"
    ]
    assert "after.csv" in call("python -m studies.mutations run before.csv after.csv", "--commit", first).stderr
