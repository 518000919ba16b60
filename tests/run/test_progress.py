"""A job that is killed at any moment continues from its last checkpoint, and its result is the same."""

import hashlib
import os
import pickle
import shutil
import signal
import time
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
import torch._dynamo  # imported by the first optimizer: takes a second, here only once

from metamers.run import progress as kept
from metamers.run.progress import Progress, checkpoint_on_signal, identity_of
from metamers.synthesize.metamers import synthesize
from metamers.synthesize.optimizers import OPTIMIZERS
from metamers.train.model import train
from metamers.train.perturbations import Perturbation
from tests.networks.entries import load, tiny
from tests.synthesize.procedures import ONE_CYCLE, PUBLISHED, TO_TARGET, starts
from tests.train.clouds import SETTINGS, examples, network

ROOT = Path(__file__).resolve().parents[2]
SYNTHESES = {
    "one_cycle": ONE_CYCLE | {"steps": 400},
    "published": PUBLISHED | {"steps": 60},
    # One stimulus arrives in the middle, the other one does not.
    "to_target": TO_TARGET | {"target_error": 0.1, "max_steps": 400},
}
TRAINING = SETTINGS | {"epochs": 40}


def synthesized(procedure: str, progress: Progress, **changed: str | int) -> list[np.ndarray]:
    """Metamers and loss of two parts of a job with a tiny network."""
    torch.set_num_threads(1)
    model = load(tiny(ROOT, "convolutional", {"input": None, "block": "block", "logits": "classify"}))
    natural = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    ended = []
    for part, names in (("first", "ab"), ("second", "cd")):
        start = starts(model, names)
        metamers, loss = synthesize(
            model, "block", natural, start, procedure, SYNTHESES[procedure] | changed, part, progress, part
        )
        ended += [metamers.numpy(), loss]
    return ended


def trained(progress: Progress) -> list[np.ndarray]:
    """Weights and learning curves of a small network with dropout, trained with random perturbations."""
    torch.set_num_threads(1)
    made = network()
    curves = train(
        made, examples(), examples(seed=1), TRAINING, Perturbation("random", "linf", 0.1), None, progress, "test"
    )
    return [*(value.numpy() for value in made.state_dict().values()), *curves.values()]


WORK = {
    "one_cycle": lambda progress: synthesized("one_cycle", progress),
    "published": lambda progress: synthesized("published", progress),
    "to_target": lambda progress: synthesized("to_target", progress),
    "training": trained,
}


@pytest.fixture(autouse=True)
def _where_servers_find_modules(monkeypatch):
    """The fork server imports this module by name, once."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (ROOT, ROOT / "src"))))


def work(name: str, folder: Path, every_s: float, ready: Path) -> None:
    """One process: do the work, or continue it, and write the result."""
    checkpoint_on_signal()
    ready.touch()
    ended = WORK[name](Progress(folder, "this", every_s))
    partial = folder.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(pickle.dumps(ended))
    partial.replace(folder.with_suffix(".pkl"))


def finish_work(name: str, folder: Path, every_s: float, ready: Path) -> None:
    """The same, then delete the checkpoints, as a job does."""
    work(name, folder, every_s, ready)
    Progress(folder, "this").delete()


def start_and_die(name: str, folder: Path, every_s: float, ready: Path) -> None:
    """One process: start another one that does the work, then be killed, as Snakemake may be."""
    get_context("fork").Process(target=finish_work, args=(name, folder, every_s, ready)).start()
    while not ready.exists():
        time.sleep(0.001)
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


def start(name: str, folder: Path, every_s: float, does=work):
    """Start a process that does the work, and wait until it has begun."""
    ready = folder.with_suffix(".ready")
    ready.unlink(missing_ok=True)
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=does, args=(name, folder, every_s, ready))
    process.start()
    while not ready.exists() and process.is_alive():
        time.sleep(0.001)
    return process


def result(name: str, folder: Path) -> list[np.ndarray]:
    """The result of the work, or of the rest of it."""
    process = start(name, folder, 60)
    process.join()
    assert process.exitcode == 0
    return pickle.loads(folder.with_suffix(".pkl").read_bytes())


def assert_same(found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """Check that two results are equal to the bit."""
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def results():
    """The results of work that is not stopped, each computed once."""
    return cache(lambda name: WORK[name](Progress()))


@pytest.mark.slow
@pytest.mark.parametrize("name", WORK)
def test_work_that_is_killed_at_random_moments_ends_as_if_it_had_not_been(name, tmp_path):
    """Kill at fifty-one moments, seventeen for each kind of work; if the work ends first, it is started again."""
    began = time.monotonic()
    wanted = WORK[name](Progress())
    took = time.monotonic() - began
    rng, folder = np.random.default_rng(0), tmp_path / "kept"
    deaths = resumed = 0
    while deaths < 17:
        resumed += any(folder.rglob("*.pt"))
        process = start(name, folder, 0.01)
        time.sleep(rng.uniform(0, 0.4 * took))
        process.kill()
        process.join()
        if (ended := folder.with_suffix(".pkl")).exists():
            assert_same(pickle.loads(ended.read_bytes()), wanted)
            ended.unlink()
            shutil.rmtree(folder)
        deaths += process.exitcode == -signal.SIGKILL
    assert resumed > 5
    assert_same(result(name, folder), wanted)


@pytest.mark.parametrize(("name", "asked"), [*((name, signal.SIGTERM) for name in WORK), ("one_cycle", signal.SIGINT)])
def test_a_process_that_is_asked_to_end_saves_first(name, asked, results, tmp_path):
    process = start(name, tmp_path / "kept", every_s=1e9)
    time.sleep(0.1)
    os.kill(process.pid, asked)
    process.join()
    assert process.exitcode == 128 + asked
    # The second part is saved with the first one if that is finished.
    assert len(list((tmp_path / "kept").rglob("*.pt"))) in (1, 2)
    assert_same(result(name, tmp_path / "kept"), results(name))


@pytest.mark.parametrize("name", WORK)
def test_a_process_whose_parent_alone_is_killed_saves_and_ends(name, results, tmp_path):
    folder = tmp_path / "kept"
    start(name, folder, 1e9, start_and_die).join()
    until = time.monotonic() + 60
    while not any(folder.rglob("*.pt")) and time.monotonic() < until:
        time.sleep(0.01)
    saved = {path: path.read_bytes() for path in folder.rglob("*.pt")}
    assert saved
    time.sleep(0.5)
    assert {path: path.read_bytes() for path in folder.rglob("*.pt")} == saved
    assert not folder.with_suffix(".pkl").exists()
    assert_same(result(name, folder), results(name))


@pytest.mark.parametrize("name", WORK)
def test_two_processes_that_do_the_same_work_end_with_the_same_bits(name, results, tmp_path):
    """The second process starts from the first one's checkpoint, and continues after the first has deleted it."""
    wanted = results(name)
    folder, delay = tmp_path / "kept", 0.3
    for number in range(3):
        first = start(name, folder, 0.02, finish_work)
        while first.is_alive() and not any(folder.rglob("*.pt")):  # on a busy machine it may end unseen
            time.sleep(0.001)
        time.sleep(number * delay)
        second = start(name, folder, 0.02, finish_work)
        for process in (first, second):
            process.join()
            assert process.exitcode == 0
            assert_same(pickle.loads(folder.with_suffix(".pkl").read_bytes()), wanted)
        assert not folder.exists()


@pytest.mark.parametrize("reading", ["iterdir", "read_bytes"])
def test_a_checkpoint_that_another_process_deletes_while_it_is_read_was_none(reading, tmp_path, monkeypatch):
    folder = tmp_path / "kept"
    Progress(folder, "this").save("first", {"taken": 1})
    read = getattr(Path, reading)

    def delete_and_read(path):
        shutil.rmtree(folder)
        return read(path)

    monkeypatch.setattr(Path, reading, delete_and_read)
    assert Progress(folder, "this").load("first") is None


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_goes_on_as_if_it_had_not_been_stopped(optimizer, tmp_path):
    class Stopping(Progress):
        steps = 0

        def due(self):
            self.steps += 1
            if self.steps == 25:
                raise KeyboardInterrupt
            return True

    changed = {"optimizer": optimizer, "steps": 40}
    with pytest.raises(KeyboardInterrupt):
        synthesized("one_cycle", Stopping(tmp_path, "this"), **changed)
    # The first call of `due` comes before the second step.
    assert Progress(tmp_path, "this").load("first")["taken"] == 24
    ended = synthesized("one_cycle", Progress(tmp_path, "this"), **changed)
    assert_same(ended, synthesized("one_cycle", Progress(), **changed))


def test_no_more_than_so_many_seconds_of_work_are_lost(tmp_path, monkeypatch):
    """With a clock that advances one second a step, and two parts of 100 steps each."""
    now, stopped = [0.0], []
    monkeypatch.setattr(kept.time, "monotonic", lambda: now[0])

    class Stopping(Progress):
        def due(self):
            now[0] += 1
            if now[0] == stopped[-1]:
                raise KeyboardInterrupt
            return super().due()

    lost = []
    for moment in (5, 30, 99, 101, 150, 199):
        folder = tmp_path / str(moment)
        now[0] = 0
        stopped.append(moment)
        with pytest.raises(KeyboardInterrupt):
            synthesized("one_cycle", Stopping(folder, "this", 30), steps=100)
        parts = [Progress(folder, "this").load(part) for part in ("first", "second")]
        lost.append(moment - sum(part["taken"] for part in parts if part is not None))
    assert max(lost) <= 32  # the call of `due` between the parts takes a second of this clock, too
    assert min(lost) >= 0


def test_finished_parts_are_saved_with_the_next_or_where_they_grow_large(tmp_path, monkeypatch):
    progress = Progress(tmp_path / "kept", "this", 60)
    progress.finish("first", {"metamers": torch.ones(3)})
    assert progress.load("first") is None
    progress.save("second", {"taken": 1})
    torch.testing.assert_close(progress.load("first")["metamers"], torch.ones(3))
    monkeypatch.setattr(kept, "PENDING_BYTES", 100)
    progress.finish("third", {"metamers": torch.ones(30)})
    assert progress.load("third") is not None
    progress.delete()
    assert not (tmp_path / "kept").exists()


def test_progress_of_other_work_is_deleted(tmp_path, caplog):
    caplog.set_level("INFO")
    Progress(tmp_path, "this").save("part", {"taken": 1})
    assert Progress(tmp_path, "this").load("part") == {"taken": 1}
    assert Progress(tmp_path, "other").load("part") is None
    assert "other settings" in caplog.text
    assert Progress(tmp_path, "this").load("part") is None


def test_the_identity_is_of_code_inputs_and_settings(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"1")
    one = identity_of("code", [path], {"steps": 1})
    assert identity_of("code", [path], {"steps": 1}) == one
    others = [identity_of("other", [path], {"steps": 1}), identity_of("code", [path], {"steps": 2})]
    path.write_bytes(b"2")
    others.append(identity_of("code", [path], {"steps": 1}))
    assert len({one, *others}) == 4


@pytest.mark.parametrize("place", [0, 40, 0.5, -1])
def test_one_changed_bit_is_seen(place, tmp_path, caplog):
    progress = Progress(tmp_path, "this")
    progress.save("part", {"epoch": 2, "network": network().state_dict()})
    assert progress.load("part")["epoch"] == 2
    (path,) = tmp_path.rglob("*.pt")
    content = bytearray(path.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 1
    path.write_bytes(content)
    assert progress.load("part") is None
    assert "damaged" in caplog.text


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "an unfinished job's own state, replaced by an attacker",
    "not run; the job starts again, with a note in the log",
)
def test_a_file_that_would_run_code_is_not_run(tmp_path, caplog):
    class Hostile:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    content = pickle.dumps(Hostile())
    progress = Progress(tmp_path / "kept", "this")
    progress.save("part", {})
    (path,) = (tmp_path / "kept").rglob("*.pt")
    path.write_bytes(hashlib.sha256(content).digest() + content)
    assert progress.load("part") is None
    assert str(path) in caplog.text
    assert not (tmp_path / "ran").exists()
