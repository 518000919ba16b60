"""Failures of the environment: a full, read-only or lost disk, another workflow in the same folder, no network.

Each is made for real, in namespaces of its own, where the kernel lets this user have some.
"""

import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml

from metamers.run import files
from metamers.run.hashes import sha256_of
from tests.networks import tiny
from tests.workflow.forked import ForkServer
from tests.workflow.runs import copy_of, forking, small, snakemake

pytestmark = pytest.mark.slow

# The targets of the small study in these tests: all computed files, without figures and pages.
WANTED = "results/small/comparison/recognizability.nc"
NAMESPACES = ("unshare", "--user", "--map-root-user", "--mount", "--net")


def _namespaces() -> bool:
    if shutil.which(NAMESPACES[0]) is None:
        return False
    return subprocess.run([*NAMESPACES, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False).returncode == 0


namespaces = pytest.mark.skipif(not _namespaces(), reason="no namespaces (apt-get install util-linux, as root)")


def smallest(root: Path, folder: Path) -> Path:
    """Make a copy of the repository with the small study, of one stage of one model, that has not run."""
    copy_of(root, folder)
    small(root, folder)
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["generation_models"] = [{"model": "first", "stages": ["block"]}]
    settings["synthesis"] |= {"seeds": 1, "quick": {"vision": {"steps": 300}}}
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture
def study(root, tmp_path):
    """A small study that has not run."""
    return smallest(root, tmp_path)


@pytest.fixture(scope="module")
def undisturbed(root, tmp_path_factory):
    """Values of every file of an undisturbed run."""
    folder = smallest(root, tmp_path_factory.mktemp("undisturbed"))
    snakemake(folder, WANTED, "--configfile", "small.yaml")
    return values(folder)


def values(folder: Path) -> dict[str, str]:
    """NetCDF file of the small run → hash of its values."""
    results = folder / "results" / "small"
    return {str(path.relative_to(results)): files.load(path).attrs["content_sha256"] for path in results.rglob("*.nc")}


@pytest.fixture(scope="module")
def in_namespaces():
    """Function: run a shell script in a folder, as root in namespaces with their own mounts and without network.

    In the script, ``workflow LOG ARGUMENT…`` runs the small study (the target ``WANTED`` if there are no arguments) and ends
    the script if the run fails; ``failing`` ends it if the run does not. All runs are forked within the namespaces.
    """
    server = ForkServer(command=NAMESPACES)
    enter = ["nsenter", "--target", str(server.pid), "--user", "--preserve-credentials", "--mount", "--net"]
    begin = f"""
        wanted={WANTED}
        arguments="-m snakemake --cores 2 --rerun-incomplete"
        workflow() {{ log=$1; shift; {sys.executable} $arguments "${{@:-$wanted}}" --configfile small.yaml > $log 2>&1; }}
        failing() {{ if workflow "$@"; then echo "$@ did not fail"; exit 1; fi; }}
    """

    def run(folder: Path, script: str) -> None:
        environment = forking(folder) | {"METAMERS_FORKS": server.path, "OMP_NUM_THREADS": "1"}
        command = [*enter, "bash", "-c", f"set -e -u\ncd '{folder}'\n{begin}{script}"]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        said = "".join(f"\n{log.name}: {log.read_text()[-2000:]}" for log in sorted(folder.glob("*.log")))
        assert ran.returncode == 0, ran.stdout + ran.stderr + said

    yield run
    server.end()


def says_that_the_disk_is_full(log: str) -> bool:
    """Whether a job's error names what the kernel said, or, after an error of HDF5, the file."""
    return "No space left on device" in log or re.search(r"OSError: results/small/", log) is not None


@namespaces
def test_a_disk_that_fills_up_during_a_run(in_namespaces, study, undisturbed):
    in_namespaces(
        study,
        """
        mkdir results kept
        mount -t tmpfs -o size=500k tmpfs results
        failing full.log
        find results -name '*.partial' -o -name '*.growing' > left.txt
        mount -o remount,size=500M results
        workflow rest.log
        workflow verified.log verify # fails if a file is damaged, stale or foreign
        cp -r results/. kept
        """,
    )
    assert says_that_the_disk_is_full((study / "full.log").read_text())
    assert (study / "left.txt").read_text() == ""
    (study / "results").rmdir()
    (study / "kept").rename(study / "results")
    assert values(study) == undisturbed


@namespaces
def test_a_disk_that_fills_up_during_the_report(in_namespaces, rerun):
    folder, _ = rerun
    in_namespaces(
        folder,
        """
        report=results/small/report
        wanted="$report/index.html $report/media/first $report/figures/loss_first.svg"
        mkdir kept
        cp -a results/. kept
        mount -t tmpfs -o size=500M tmpfs results
        cp -a kept/. results
        rm -r $report/*.html $report/media/first $report/figures/loss_first.svg
        mount -o remount,size=$(($(du -sk results | cut -f1) + 8))k results
        failing full.log $wanted --keep-going
        find results -name '*.partial' -o -name '*.growing' > left.txt
        mount -o remount,size=500M results
        workflow rest.log $wanted
        workflow verified.log verify
        cp $report/index.html rest.html
        """,
    )
    full = (folder / "full.log").read_text()
    assert "Error in rule report_" in full  # the kernel gives some more than was asked for
    assert says_that_the_disk_is_full(full)
    assert (folder / "left.txt").read_text() == ""
    assert (folder / "rest.html").read_text().rstrip().endswith("</html>")


@namespaces
def test_a_results_folder_that_is_read_only_is_said_before_the_first_job(in_namespaces, study, undisturbed):
    in_namespaces(
        study,
        """
        mkdir results
        mount --bind results results
        workflow begun.log results/small/stimuli/own.nc
        find results -type f -exec sha256sum {} + | sort > before.txt
        mount -o remount,bind,ro results
        failing refused.log
        find results -type f -exec sha256sum {} + | sort > after.txt
        mount -o remount,bind,rw results
        workflow rest.log
        """,
    )
    refused = (study / "refused.log").read_text()
    assert re.search(r"results/small: .*Read-only file system", refused)
    assert not re.search(r"^Error in rule", refused, flags=re.MULTILINE)
    assert (study / "before.txt").read_text() == (study / "after.txt").read_text() != ""
    assert values(study) == undisturbed


@namespaces
def test_a_disk_that_is_lost_during_a_run_and_comes_back(in_namespaces, study, undisturbed):
    in_namespaces(
        study,
        """
        mkdir results kept
        mount --bind kept results
        # No other job, whose unfinished file would stay on the lost disk.
        workflow lost.log results/small/synthesis/first/block/0000.nc --config save_every_s=0 &
        until ls results/small/progress/synthesize_metamers/*/*/*/*/*.pt > found.txt 2>&1; do kill -0 $!; sleep 0.1; done
        umount --lazy results # what is open stays so; what is opened from now on is another folder
        if wait $!; then echo "it did not notice"; exit 1; fi
        find results -mindepth 1 -delete
        mount --bind kept results
        workflow rest.log
        workflow verified.log verify
        umount results
        """,
    )
    lost = (study / "lost.log").read_text()
    assert re.search(r"Error: (.*results/small/|Missing files)", lost)
    (study / "results").rmdir()
    (study / "kept").rename(study / "results")
    assert values(study) == undisturbed


@pytest.fixture
def published(study):
    """A study whose images and first model's weights are at addresses of a server, and the server."""
    public = study / "public"
    (study / "mine").rename(public)
    (study / "mine").mkdir()
    for name in ("builders.py", "models.yaml", "datasets.yaml", "categories.csv"):
        (public / name).rename(study / "mine" / name)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=public)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    address = f"http://127.0.0.1:{server.server_port}"
    rows = (public / "table.csv").read_text().splitlines()[1:]
    hashed = [f"{row},{sha256_of(public / row.split(',')[0])}" for row in rows]
    (study / "mine" / "table.csv").write_text("\n".join(["file,category,sha256", *hashed]) + "\n")
    torch.manual_seed(0)
    torch.save(tiny.convolutional().state_dict(), public / "weights.pt")
    weights = {"url": f"{address}/weights.pt", "sha256": sha256_of(public / "weights.pt")}
    for name, of, key, value in (
        ("models", "first", "weights", weights),
        ("models", "first", "vocabulary", "mine/categories.csv"),
        ("datasets", "own", "files", {"url": address}),
    ):
        path = study / "mine" / f"{name}.yaml"
        registry = yaml.safe_load(path.read_text())
        registry[of][key] = value
        path.write_text(yaml.safe_dump(registry, sort_keys=False))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@namespaces
def test_after_retrieve_no_rule_asks_for_the_network(in_namespaces, study, published):
    in_namespaces(study, "failing refused.log results/small/stimuli/own.nc")
    assert "127.0.0.1" in (study / "refused.log").read_text()
    snakemake(study, "retrieve", "--configfile", "small.yaml")
    in_namespaces(study, "workflow run.log all")
    assert (study / "results/small/report/index.html").is_file()


def test_a_second_workflow_in_the_same_place_is_refused_and_the_first_goes_on(study, undisturbed):
    command = [sys.executable, "-m", "snakemake", WANTED, "--cores", "1", "--configfile", "small.yaml"]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": forking(study)}
    first = subprocess.Popen(command, cwd=study, **piped)
    while not any((study / ".snakemake" / "locks").glob("*.lock")):
        assert first.poll() is None
        time.sleep(0.05)
    second = subprocess.run(command, cwd=study, check=False, **piped)
    said = first.communicate()[0]
    assert second.returncode != 0
    assert "--unlock" in second.stdout
    assert first.returncode == 0, said[-3000:]
    assert values(study) == undisturbed


def test_a_workflow_that_was_killed_leaves_a_lock_that_is_explained(study, undisturbed):
    command = [sys.executable, "-m", "snakemake", WANTED, "--cores", "1", "--configfile", "small.yaml"]
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": forking(study)}
    killed = subprocess.Popen(command, cwd=study, start_new_session=True, **piped)
    while not any((study / "results").rglob("*.nc")):
        assert killed.poll() is None
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert "--unlock" in snakemake(study, "--configfile", "small.yaml", fails=True)
    snakemake(study, "--unlock", "--configfile", "small.yaml")
    snakemake(study, WANTED, "--rerun-incomplete", "--configfile", "small.yaml")
    assert values(study) == undisturbed
