"""Finished small runs and copies of the repository for tests of the workflow."""

import fcntl
import shutil
import subprocess

import pytest

from tests.workflow.runs import TRACED, analysed_hearing, copy_of, small, snakemake


@pytest.fixture
def clone(root, tmp_path):
    return copy_of(root, tmp_path)


@pytest.fixture(scope="session")
def made_once(root, tmp_path_factory, worker_id):
    """Function: return the folder of a finished traced run, from its name and the function that configures it.

    The first worker that needs a run makes it; each worker has a copy, times and records included.
    """
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent

    def make(name, configure, *targets):
        made = shared / name
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                folder = copy_of(root, tmp_path_factory.mktemp("made"))
                snakemake(folder, *targets, *configure(root, folder), first=TRACED)
                folder.rename(made)
        copy = own / f"finished_{name}"
        subprocess.run(["cp", "-a", made, copy], check=True)  # with hard links, unlike shutil.copytree
        return copy

    return make


@pytest.fixture(scope="session")
def finished(made_once):
    """A finished small run: its folder and Snakemake's arguments. Tests that change it take a copy."""
    return made_once("small", small), ["--configfile", "small.yaml"]


@pytest.fixture(scope="session")
def heard(made_once):
    """The folder of a finished small run of hearing, with training and analyses. Tests that change it take a copy."""
    return made_once("hearing", analysed_hearing, "all", "analyses")


@pytest.fixture
def rerun(finished, tmp_path):
    """A copy of the finished run, times and records included."""
    folder, arguments = finished
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy", arguments
