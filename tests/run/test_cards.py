"""How many cards a machine has, and a job takes."""

import sys

import pytest
import yte

from metamers.run import cards


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that gives the machine cards, of which programs see some."""

    def give(count, visible=None):
        for name in ("nvidiactl", *(f"nvidia{number}" for number in range(count))):
            (tmp_path / name).touch()
        monkeypatch.setattr(cards, "Path", lambda _path: tmp_path)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return give


@pytest.mark.parametrize(
    ("count", "visible", "seen"),
    [
        (0, None, 0),
        (2, None, 2),
        (2, "1", 1),
        (2, "", 0),
        (2, "0, 1", 2),
        (2, "0,,1", 1),
        (0, "0", 0),
        (2, "0,1,2", 2),
        (2, "-1", 0),
        (2, "0,-1", 1),
        (2, "NoDevFiles", 0),
        (2, "0,0", 1),
        (2, "GPU-a,GPU-b", 2),
    ],
)
def test_cards_that_programs_see(machine, count, visible, seen):
    machine(count, visible)
    assert cards.cards() == seen


@pytest.mark.parametrize(("count", "auto", "of_all"), [(0, 0, 1), (1, 1, 1), (4, 1, 4)])
def test_a_job_asks_for_a_card_if_there_is_one(machine, count, auto, of_all):
    machine(count)
    assert cards.gpus_of_job("auto") == auto
    assert cards.gpus_of_job("cpu") == cards.gpus_of_job("mps") == 0
    assert cards.gpus_of_job("cuda") == 1
    assert cards.gpus_of_job("cuda:1") == of_all  # all jobs take that card, one after another


@pytest.mark.parametrize(("count", "jobs"), [(0, 1), (1, 1), (3, 3)])
def test_the_default_profile_runs_a_job_on_each_card(machine, root, monkeypatch, count, jobs):
    machine(count)
    monkeypatch.setattr(sys, "argv", ["snakemake"])
    profile = yte.process_yaml((root / "workflow" / "profiles" / "default" / "config.yaml").read_text(encoding="utf-8"))
    assert profile["resources"] == [f"gpu={jobs}"]
