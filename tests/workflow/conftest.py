"""Finished small runs and copies of the repository for tests of the workflow."""

import shutil

import pytest

from tests.workflow.runs import copy_of, small, traced


@pytest.fixture
def clone(root, tmp_path):
    return copy_of(root, tmp_path)


@pytest.fixture(scope="session")
def finished(root, tmp_path_factory):
    """A finished small run, traced: its folder and Snakemake's arguments. Tests that change it take a copy."""
    folder = copy_of(root, tmp_path_factory.mktemp("small"))
    arguments = small(root, folder)
    traced(root, folder, *arguments)
    return folder, arguments


@pytest.fixture
def rerun(finished, tmp_path):
    """A copy of the finished run, times and records included."""
    folder, arguments = finished
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy", arguments
