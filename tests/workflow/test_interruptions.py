"""A synthesis that is killed goes on from its last checkpoint."""

import os
import re
import signal
import sys
import time as clock
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from metamers.run import files
from tests.workflow.runs import forking, library_of, small, snakemake, started

KILLS, STEPS = 3, 10_000  # of one synthesis, which saves every second


def kill_again_and_again(folder: Path, target: str, arguments: list[str], kills: int) -> list[int]:
    """Run a synthesis, and kill Snakemake at a random moment after a checkpoint, several times; then let it end.

    Snakemake is killed with its jobs and alone in turn; then its job ends of itself. The last call saves less often.
    Returns the step of stage ``block`` from which each rerun continued, 0 if it started again.
    """
    rng = np.random.default_rng(0)
    log = folder / "results/small/logs/synthesize_metamers/first/block/0000.log"
    command = [sys.executable, "-m", "snakemake", target, "--cores", "1", "--rerun-incomplete", *arguments]
    resumed, last, groups = [], 0.0, []
    try:
        for number in range(kills):
            kill_alone = number % 2
            # A forked job is not a child of its Snakemake, so it does not notice that this was killed alone.
            environment = library_of(folder) if kill_alone else forking(folder)
            running = started(command, folder, environment)
            groups.append(running.pid)
            checkpoint = "results/small/progress/synthesize_metamers/first/block/0000/*/0_3.pt"
            while not any(path.stat().st_mtime > last for path in folder.glob(checkpoint)):
                assert running.poll() is None, log.read_text()
                clock.sleep(0.1)
            clock.sleep(rng.uniform(0, 1))
            (os.kill if kill_alone else os.killpg)(running.pid, signal.SIGKILL)
            running.communicate(timeout=300)
            resumed.append(step_of_block(log))
            last = next(iter(folder.glob(checkpoint))).stat().st_mtime
            snakemake(folder, "--unlock", *arguments)
        snakemake(folder, target, "--rerun-incomplete", *arguments, "--config", "save_every_s=60")
        resumed.append(step_of_block(log))
    finally:
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
    return resumed[1:]


def step_of_block(log: Path) -> int:
    """The step from which a synthesis of the stage ``block`` has continued, from its job's log."""
    found = re.search(r"first block 0000: \D+(\d+) of \d+$", log.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


@pytest.mark.slow
def test_a_synthesis_that_is_killed_between_two_saves_goes_on_from_the_last_one(root, clone):
    """It takes longer than ``save_every_s``."""
    arguments = small(root, clone)
    settings = yaml.safe_load((clone / "small.yaml").read_text())
    settings["synthesis"] |= {"quick": {"vision": {"steps": STEPS}}}
    (clone / "small.yaml").write_text(yaml.safe_dump(settings | {"save_every_s": 1}))
    target = "results/small/synthesis/first/block/0000.nc"
    resumed = kill_again_and_again(clone, target, arguments, KILLS)
    # A fast machine may have taken all steps before the last kill.
    assert all(0 < earlier < later <= STEPS for earlier, later in pairwise(resumed)), resumed
    assert not (clone / "results/small/progress/synthesize_metamers/first/block/0000").exists()
    ended = {path: files.load(path).attrs["content_sha256"] for path in (clone / "results").rglob("synthesis/**/*.nc")}
    assert len(ended) == 1
    snakemake(clone, "verify", *arguments)
    for path in ended:
        path.unlink()
    log = clone / "results/small/logs/synthesize_metamers/first/block/0000.log"
    snakemake(clone, target, *arguments)
    assert step_of_block(log) == 0
    assert {path: files.load(path).attrs["content_sha256"] for path in ended} == ended
