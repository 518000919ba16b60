"""The server of an adaptive experiment: it chooses each main trial, and accepts answers to what it chose only."""

import concurrent.futures
import json
import re
import shutil

import pytest

from metamers.experiment.files import EXPERIMENT
from metamers.experiment.folder import page_settings
from metamers.experiment.server import find_experiments
from metamers.humans.design import CHOSEN, experiment_design
from metamers.humans.own_participants import read_answers
from metamers.humans.stimulus_selector import adaptive_attributes
from metamers.run import files
from tests.experiment.served import SETTINGS, STIMULI, begin, keep, post, running, write_page

STAGES = {"m": ["one", "two"]}
ADAPTIVE = {"question": "threshold", "interval": 1.1, "bayes_factor": None, "participants": 1, "trials": 12}
AT_LEAST = {"headphones": 0, "practice": 0, "catch": 1}


def save_design(design, folder):
    about = {"title": "t", "source": "s", "step": "t", "run": "r", "seed": 0, "inputs": []}
    files.save(design, folder / "vision.nc", declared=EXPERIMENT, **about)


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    """A run's folder ``experiment/``, the settings of its page, and its design."""
    folder = tmp_path_factory.mktemp("run") / "experiment"
    conditions = [("m", "one"), ("m", "two")]
    metamers = {name: dict.fromkeys(conditions, 0) for name in STIMULI}
    design = experiment_design(STIMULI, metamers, conditions, SETTINGS["practice"], ["a"], 4, 0, chosen=12)
    design.attrs |= adaptive_attributes(ADAPTIVE, STAGES, 2, 0.3, AT_LEAST)
    known = page_settings(design, "vision", ["a", "b"], "category", SETTINGS, {}, [])
    write_page(root, tmp_path_factory, folder / "vision", known)
    design.attrs |= {"design": known["design"], "headphone_trials": 0}
    save_design(design, folder)
    return folder, known, design


@pytest.fixture
def served(made, tmp_path):
    with running(made[0], tmp_path / "answers") as server:
        yield server


class Person:
    """A participant who answers as the page does."""

    def __init__(self, server, known):
        self.server, self.known = server, known
        self.begun = begin(server, known)

    def asked(self, trial):
        return post(self.server, "next", {"participant": self.begun["participant"], "trial": trial})

    def keep(self, step, **more):
        own = {key: self.begun[key] for key in ("participant", "order")}
        return keep(self.server, own | {"design": self.known["design"], "step": step, "answer": "a", **more})

    def practise(self):
        assert self.keep("consent", answer="yes")[0] == 200
        place = self.known["orders"][self.begun["order"]][0]
        assert self.keep("trial-0", exhibit=self.known["exhibits"][place])[0] == 200

    def answer_all(self, design, right=lambda condition: True):
        """Answer until the server has no more trials; return the exhibits."""
        shown, trial = [], 1
        while trial < design.sizes["trial"]:
            status, reply = self.asked(trial)
            assert status == 200, reply
            if reply["exhibit"] is None:
                break
            exhibit = design.sel(exhibit=reply["exhibit"].removesuffix(".png"))
            category = exhibit["category"].item()
            answer = category if right(exhibit["stage"]) else "ab".replace(category, "")
            assert self.keep(f"trial-{trial}", exhibit=reply["exhibit"], answer=answer)[0] == 200
            shown.append(reply["exhibit"])
            trial += 1
        return shown


def test_the_page_does_not_know_main_and_catch_trials(made):
    folder, known, design = made
    assert all(place == CHOSEN for order in known["orders"] for place in order[1:])
    assert (design["shown"].values != CHOSEN).sum(axis=1).tolist() == [2] * design.sizes["order"]
    assert sorted(path.name for path in (folder / "vision").glob("*.html")) == ["consent.html", "index.html"]
    text = (folder / "vision" / "design.json").read_text()
    assert "question" not in text
    assert "catch" not in json.loads(text)


def assert_refused(reply, status, pattern):
    """The server refused a request with this status and a reason that has these values."""
    assert reply[0] == status
    assert re.match(pattern, reply[1])


@pytest.mark.hostile("answers, or requests for stimuli …")
def test_each_trial_is_told_only_after_the_answers_before_it(served, made):
    person = Person(served, made[1])
    assert_refused(person.asked(1), 409, r"trial: .*1.* consent .*'yes'")
    unwilling = Person(served, made[1])
    assert unwilling.keep("consent", answer="no")[0] == 200
    assert_refused(unwilling.asked(1), 409, r"trial: .*1.* consent .*'yes'")
    person.practise()
    assert_refused(person.asked(2), 409, "trial: .*2.* trial-1 ")
    status, first = person.asked(1)
    assert status == 200
    assert person.asked(1) == (status, first)  # after a reload, the same stimulus
    for trial in (-1, 99, "1", True, None):
        assert_refused(person.asked(trial), 400, "trial: .* 0 .* 13$")


def test_an_answer_to_another_exhibit_is_refused(served, made):
    person, (_, known, design) = Person(served, made[1]), made
    person.practise()
    trial = next(number for number in range(1, 14) if design["shown"].values[person.begun["order"], number] == CHOSEN)
    for number in range(1, trial):  # a catch trial
        _, told = person.asked(number)
        assert person.keep(f"trial-{number}", exhibit=told["exhibit"])[0] == 200
    main = [name for name, kind in zip(known["exhibits"], design["kind"].values, strict=True) if kind == "main"]
    # Not before it is chosen, and then no other.
    assert person.keep(f"trial-{trial}", exhibit=main[0])[0] == 400
    _, told = person.asked(trial)
    other = next(name for name in main if name != told["exhibit"])
    for step in (f"trial-{trial}", f"shown-{trial}"):
        given = {} if step.startswith("trial") else {"answer": ""}
        assert_refused(person.keep(step, exhibit=other, **given), 400, f"row: exhibit: .*{other!r}")
    not_main = next(name for name in known["exhibits"] if name not in main)
    assert_refused(person.keep(f"trial-{trial}", exhibit=not_main), 400, f"row: exhibit: .*{not_main!r}")
    assert person.keep(f"trial-{trial}", exhibit=told["exhibit"])[0] == 200


def test_the_experiment_ends_when_the_answers_suffice_and_then_takes_nobody_else(made, tmp_path):
    folder, known, design = made
    with running(folder, tmp_path / "answers") as server:
        person = Person(server, known)
        person.practise()
        shown = person.answer_all(design, right=lambda stage: stage != "two")
        assert 0 < len(shown) < 13
        experiment = server.experiments["vision"]
        estimate = experiment.selector.estimate(experiment.selector.counts(experiment.given))
        assert experiment.selector.enough(estimate)
        # The participant may go on to the end, a new one is not taken.
        assert post(server, "end", {"participant": person.begun["participant"]})[0] == 200
        assert begin(server, known) == {"closed": True}
    with running(folder, tmp_path / "answers") as server:  # reads the answers again
        experiment = server.experiments["vision"]
        assert experiment.selector.estimate(experiment.selector.counts(experiment.given)) == estimate
        assert begin(server, known) == {"closed": True}
    # The analysis accepts every row.
    read = read_answers([*(tmp_path / "answers" / "vision").glob("*.json")], design, ["a", "b"])
    assert read.rows_set_aside == 0
    (steps,) = read.given.values()
    assert len(steps) == 2 + len(shown)


def test_two_participants_at_once_meet_each_stimulus_once(made, tmp_path):
    folder, known, design = made
    stimuli = dict(zip(design["exhibit"].values, design["stimulus"].values, strict=True))
    with running(folder, tmp_path / "answers") as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
        people = [Person(server, known) for _ in range(2)]
        for person in people:
            person.practise()
        seen = list(pool.map(lambda person: person.answer_all(design), people))
    assert len(seen[0]) + len(seen[1]) >= 4  # either may be the faster one
    given = server.experiments["vision"].given
    for person, exhibits in zip(people, seen, strict=True):
        met = [str(stimuli[name.removesuffix(".png")]) for name in exhibits]
        met = [name for name in met if name]  # a catch trial has no stimulus
        assert len(set(met)) == len(met)
        assert len(given[person.begun["participant"]]) == 2 + len(exhibits)


def test_a_fixed_experiment_has_nothing_to_ask_for(root, tmp_path, made):
    folder = tmp_path / "experiment"
    shutil.copytree(made[0] / "vision", folder / "vision")
    settings = json.loads((folder / "vision" / "design.json").read_text())
    orders = [[0] * len(order) for order in settings["orders"]]
    (folder / "vision" / "design.json").write_text(json.dumps(settings | {"adaptive": False, "orders": orders}))
    with running(folder, tmp_path / "answers") as server:
        assert post(server, "next", {"participant": "0" * 24, "trial": 1})[0] == 404


def test_without_its_design_the_server_does_not_start(made, tmp_path):
    folder = tmp_path / "experiment"
    shutil.copytree(made[0], folder)
    (folder / "vision.nc").unlink()
    with pytest.raises(FileNotFoundError, match=r"experiment/vision\.nc: "):
        find_experiments(folder, tmp_path / "answers")
    save_design(made[2].assign_attrs(design="other"), folder)
    with pytest.raises(ValueError, match=r"experiment/vision\.nc: .*experiment/vision\b"):
        find_experiments(folder, tmp_path / "answers")
