"""``pip install .``: the wheel holds the library, its data and the workflow's files, and works without the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import PurePosixPath

import pytest

# Untracked files of a checkout that has been used.
LEFT_BEHIND = ("resources/retrieved/a.tsv", "resources/store/0123", "experiment/node_modules/a/a.js", "results/a/b.nc")
NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".snakemake", "results", "answers", "retrieved", "store", ".pytest*"
)
CARRIED = ("Snakefile", "config", "envs", "experiment", "resources", "scripts", "workflow")
MODULES = "metamers.report.render, metamers.run.files, metamers.experiment.folder, metamers.repository"


@pytest.fixture(scope="module")
def checkout(root, tmp_path_factory):
    """A copy of the repository in which something has been retrieved, run and installed by npm."""
    folder = tmp_path_factory.mktemp("checkout") / "metamers"
    shutil.copytree(root, folder, symlinks=True, ignore=NOT_COPIED)
    for name in (*LEFT_BEHIND, "scripts/__pycache__/verify.cpython-311.pyc", "src/metamers/__pycache__/names.pyc"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("left behind")
    return folder


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    """The wheel that pip builds from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    command = [sys.executable, "-m", "pip", "wheel", *options, checkout]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("metamers-*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_every_file_of_the_package(root, unpacked):
    wanted = {name for name in files_in(root / "src" / "metamers") if "__pycache__" not in name}
    assert {"report/templates/page.html.j2", "report/site/site.css"} <= wanted
    assert {name for name in files_in(unpacked / "metamers") if not name.startswith("workflow_files/")} == wanted


def test_the_wheel_holds_the_workflow_and_nothing_that_git_ignores(root, unpacked):
    carried = files_in(unpacked / "metamers" / "workflow_files")
    assert {PurePosixPath(name).parts[0] for name in carried} == set(CARRIED)
    listed = subprocess.run(["git", "ls-files", *CARRIED], cwd=root, check=True, capture_output=True, text=True)
    tracked = {name for name in listed.stdout.splitlines() if (root / name).is_file()}
    assert carried >= {name for name in tracked if not name.startswith("envs/")} | {"envs/environment.yaml"}
    ignored = {*LEFT_BEHIND, "scripts/__pycache__/verify.cpython-311.pyc"}
    assert not carried & ignored
    assert not [name for name in carried if "__pycache__" in name or "node_modules" in name]
    packages = {"metamers", "snakemake_logger_plugin_metamers"}
    assert {path.name for path in unpacked.iterdir()} == packages | {next(unpacked.glob("*.dist-info")).name}


def test_the_unpacked_package_works_without_the_checkout(unpacked, tmp_path):
    code = f"import {MODULES}; print(metamers.__file__, metamers.repository.ROOT, sep='\\n')"
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    ran = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    package = unpacked / "metamers"
    assert ran.stdout.split() == [str(package / "__init__.py"), str(package / "workflow_files")]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder into which pip installs the wheel, with the command ``metamers``."""
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run(command, check=True)
    return folder


NETWORK = """from torch import nn


def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.Conv2d(4, 8, 3, stride=4))
"""


@pytest.mark.slow
def test_the_commands_that_the_installed_program_prints_work_in_an_empty_folder(installed, tmp_path):
    (tmp_path / "net.py").write_text(NETWORK)
    environment = os.environ | {"PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}

    def call(line):
        ran = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout, ran.stderr

    size = '"{size: 32, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"'
    said, _ = call(f"{installed}/bin/metamers add net.py:small --weights random --input {size}")
    card, board = (line.strip() for line in said.split("Next:\n")[1].splitlines())
    call(card)
    assert (tmp_path / "results/mine/model_cards/small.html").is_file()
    planned, messages = call(f"{board} -n")
    assert "leaderboard_ranking" in planned
    assert f"profile {installed}/metamers/workflow_files/workflow/profiles/default" in messages


def test_an_editable_install_copies_no_part_of_the_library(checkout, tmp_path):
    code = "import hatchling.build, sys; hatchling.build.build_editable(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, cwd=checkout, capture_output=True)
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        added = {name: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" not in name}
    assert added.pop("metamers/workflow_files/Snakefile") == (checkout / "Snakefile").read_text()
    assert list(added.values()) == [str(checkout / "src")]
