"""The workflow on a real SLURM of one machine: jobs run, are killed and cancelled, and give the same bits."""

import json
import os
import re
import shlex
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from metamers.run import files
from tests.workflow import slurm
from tests.workflow.runs import copy_of, forking, forks, small, snakemake

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(slurm.missing()), reason=f"no {', '.join(slurm.missing())} (apt-get install slurm-wlm munge)"
    ),
]

# A network that waits until a file exists beside it, so that its job cannot end before it has been interrupted.
SLOW = """

import time
from pathlib import Path


class Slow(Convolutional):
    def __init__(self, until):
        super().__init__()
        self.until = Path(__file__).with_name(until)

    def forward(self, images):
        if not self.until.exists():
            time.sleep(0.25)
        return super().forward(images)


def slow(until):
    return Slow(until)
"""
STEPS = 1000
HURRY = {"first": "timed_out", "second": "cancelled"}  # model → what has happened when its jobs may end
# All computed files, figures of models and folders of images. The pages, and their group of jobs, are only planned.
TARGETS = [
    "results/small/exported/datasets/own",
    *(
        f"results/small/{target}"
        for model in HURRY
        for target in (f"exported/metamers/{model}", f"report/figures/loss_{model}.svg")
    ),
]


@pytest.fixture(scope="module")
def cluster():
    with slurm.running() as variables:
        yield variables


def study(root: Path, folder: Path) -> list[str]:
    """The small run with models that wait until a file exists."""
    copy_of(root, folder)
    arguments = small(root, folder)
    with (folder / "mine" / "builders.py").open("a") as builders:
        builders.write(SLOW)
    models = yaml.safe_load((folder / "mine" / "models.yaml").read_text())
    for name, until in HURRY.items():
        models[name]["source"] = {"python": "mine/builders.py:slow", "arguments": {"until": until}}
    (folder / "mine" / "models.yaml").write_text(yaml.safe_dump(models, sort_keys=False))
    settings = yaml.safe_load((folder / "small.yaml").read_text())
    settings["stimuli"]["vision"]["number"] = 2
    settings["generation_models"] = [{"model": name, "stages": ["block"]} for name in HURRY]
    settings["synthesis"] |= {"seeds": 1, "quick": {"vision": {"steps": STEPS}}}
    (folder / "small.yaml").write_text(yaml.safe_dump(settings))
    return arguments


class Watched(threading.Thread):
    """What squeue shows while a workflow runs: number of a job → its states, comment and partition; cancels one job.

    A job of the second model is cancelled when it has kept something of its work; of the first the time limit is awaited.
    """

    def __init__(self, environment: dict[str, str], folder: Path):
        super().__init__(daemon=True)
        self.environment, self.folder = environment, folder
        self.states: dict[str, set[str]] = {}
        self.comments: dict[str, str] = {}
        self.partitions: dict[str, str] = {}
        self.ended = threading.Event()
        self.victim = ""

    def hurry(self, happened: str) -> None:
        (self.folder / "mine" / happened).touch()

    def run(self):
        while not self.ended.wait(0.5):
            command = ["squeue", "--noheader", "--states=all", "--format=%A|%T|%P|%k"]
            shown = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stdout
            for line in shown.splitlines():
                job, state, partition, comment = line.split("|", 3)
                self.partitions[job] = partition
                self.states.setdefault(job, set()).add(state)
                self.comments[job] = comment
                if (
                    "rule_synthesize_metamers_wildcards_second" in comment
                    and state == "RUNNING"
                    and not self.victim
                    and self.kept("second")
                    and subprocess.run(["scancel", job], env=self.environment, check=False).returncode == 0
                ):
                    self.victim = job
                    self.hurry(HURRY["second"])
            # Its second job is submitted only after the time limit has ended the first one.
            if sum("rule_synthesize_metamers_wildcards_first" in comment for comment in self.comments.values()) > 1:
                self.hurry(HURRY["first"])

    def kept(self, model: str) -> bool:
        return any(self.folder.glob(f"results/small/progress/**/{model}*/**/*.pt"))


@pytest.fixture(scope="module")
def run(root, cluster, tmp_path_factory):
    """The folders of a run through SLURM and of a local run of the same, and what squeue showed of the first."""
    folders = [tmp_path_factory.mktemp(name) for name in ("cluster", "local")]
    arguments, _ = (study(root, folder) for folder in folders)
    for happened in HURRY.values():
        (folders[1] / "mine" / happened).touch()
    snakemake(folders[1], *TARGETS, *arguments)
    watched = Watched(os.environ | cluster, folders[0])
    watched.start()
    documented = "snakemake --workflow-profile workflow/profiles/slurm --configfile FILE"
    on_cluster = shlex.split(documented.removeprefix("snakemake ").replace("--configfile FILE", shlex.join(arguments)))
    on_cluster += ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "20", "--set-resources"]
    # The null distributions ask for a card, which they do not use.
    on_cluster += ["synthesize_metamers:runtime=2*attempt", "null_distribution:gpu=1", "--config", "save_every_s=5"]
    limits = {"main": {"max_runtime": 1440}, "cards": {"max_runtime": 1440, "max_gpu": 1}}
    (folders[0] / "workflow/profiles/slurm/partitions.yaml").write_text(yaml.safe_dump({"partitions": limits}))
    # SLURM ends jobs of synthesis: they are processes of its own.
    environment = forking(folders[0]) | cluster | {"METAMERS_NOT_FORKED": "synthesize_metamers"}
    status, output = forks().run(["-m", "snakemake", *TARGETS, *on_cluster], folders[0], environment)
    watched.ended.set()
    watched.join()
    assert status == 0, output[-8000:]
    return folders, watched


def test_the_jobs_are_seen_in_the_queue(run):
    _, watched = run
    of_rules = {comment.split("_wildcards_")[0] for comment in watched.comments.values()}
    assert {"rule_synthesize_metamers", "rule_null_distribution"} <= of_rules
    assert all(states - {"PENDING", "CONFIGURING"} for states in watched.states.values())


def continued(folder: Path, model: str) -> bool:
    """Whether a model's synthesis has continued from a checkpoint, after some of its steps."""
    log = (folder / f"results/small/logs/synthesize_metamers/{model}/block/0000.log").read_text()
    return re.search(rf"{model} block 0000: \D+\d+ of {STEPS}$", log, re.MULTILINE) is not None


def test_a_job_that_its_time_limit_killed_goes_on_with_more_time(run):
    (folder, _), watched = run
    jobs = [job for job, comment in watched.comments.items() if "rule_synthesize_metamers_wildcards_first" in comment]
    assert len(jobs) == 2
    assert "TIMEOUT" in watched.states[jobs[0]]
    assert "COMPLETED" in watched.states[jobs[1]]
    assert continued(folder, "first")


def test_a_job_that_was_cancelled_goes_on_when_it_is_tried_again(run):
    (folder, _), watched = run
    jobs = [job for job, comment in watched.comments.items() if "rule_synthesize_metamers_wildcards_second" in comment]
    assert watched.victim == jobs[0]
    assert "CANCELLED" in watched.states[jobs[0]]
    assert "COMPLETED" in watched.states[jobs[1]]
    assert continued(folder, "second")


def test_the_result_is_that_of_a_local_run_to_the_bit(run):
    folders, _ = run
    hashes = []
    for folder in folders:
        found = sorted((folder / "results" / "small").rglob("*.nc"))
        hashes.append({path.relative_to(folder): files.load(path).attrs["content_sha256"] for path in found})
    assert len(hashes[0]) > 10
    assert hashes[0] == hashes[1]


def test_the_small_jobs_share_a_job_of_the_cluster(run):
    _, watched = run
    groups = ("stimuli_datasets_stimuli_export", "null_acceptance_synthesize_export", "report_model")
    comments = list(watched.comments.values())
    assert all(any(group in comment for comment in comments) for group in groups), comments
    assert sum("null_acceptance" in comment for comment in comments) == 1  # of both models


def test_jobs_with_a_gpu_are_in_a_partition_of_their_own(run):
    _, watched = run
    with_gpu = {job for job, comment in watched.comments.items() if "null_distribution" in comment}
    assert len(with_gpu) == 2  # one of each model
    assert {watched.partitions[job] for job in with_gpu} == {"cards"}
    assert {partition for job, partition in watched.partitions.items() if job not in with_gpu} == {"main"}


def test_logs_of_the_cluster_s_jobs_are_where_a_person_looks(run):
    (folder, _), _ = run
    assert list((folder / "logs" / "slurm").rglob("*.log")), list(folder.iterdir())
    assert (folder / "results/small/logs/synthesize_metamers/second/block/0000.log").is_file()


def test_every_file_of_the_run_is_in_its_manifest(run):
    (folder, _), _ = run
    snakemake(folder, "verify", "--configfile", "small.yaml")
    software = json.loads(files.load(folder / "results/small/comparison/recognizability.nc").attrs["software"])
    assert "torch" in software
