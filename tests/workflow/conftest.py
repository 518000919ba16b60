"""Finished small runs and copies of the repository for tests of the workflow."""

import fcntl
import shutil
import subprocess

import pytest

from tests.workflow.runs import TRACED, copy_of, small, snakemake


@pytest.fixture
def clone(root, tmp_path):
    return copy_of(root, tmp_path)


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory, worker_id):
    """A finished small run, traced: its folder and Snakemake's arguments. Tests that change it take a copy.

    The first process of the tests that needs it makes it; each has a copy, times and records included.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent
    made, arguments = shared / "small", ["--configfile", "small.yaml"]
    with (shared / "small.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder = copy_of(root, tmp_path_factory.mktemp("made"))
            assert small(root, folder) == arguments
            snakemake(folder, *arguments, first=TRACED)
            folder.rename(made)
    subprocess.run(["cp", "-a", made, own / "finished"], check=True)  # with hard links, unlike shutil.copytree
    return own / "finished", arguments


@pytest.fixture
def rerun(finished, tmp_path):
    """A copy of the finished run, times and records included."""
    folder, arguments = finished
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy", arguments
