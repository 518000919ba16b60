"""`snakemake leaderboard_entries` and `leaderboard_site`: from a run to files that pass the check, and to pages."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from metamers.leaderboard.check_entry import items_of
from metamers.leaderboard.own_models import OWN_PARTICIPANTS, PREDICTION
from metamers.leaderboard.ranking import entries_of
from metamers.plan.steps import declared_files
from metamers.run import files
from tests.conventions import complaints
from tests.made_up_run import RULES, RUN, made_up_run, write_answers, write_metamers
from tests.workflow.runs import CREATOR, check_schema, forks, library_of, snakemake

CONFIGURED = ["--configfile", "shown.yaml", "more.yaml"]
ALLOWED = ["--allowed-rules", "leaderboard_entry", "leaderboard_entries", "report_leaderboard_site", "leaderboard_site"]
ALLOWED += ["humans_answer_table", *RULES]
ENTRIES = f"results/{RUN}/leaderboard/entries"


def configure(folder, **settings):
    (folder / "more.yaml").write_text(yaml.safe_dump(settings))


def check(folder, *arguments):
    """Run `metamers check-entry` in a folder; return its status and what it says."""
    return forks().run(["-m", "metamers", "check-entry", *map(str, arguments)], folder, library_of(folder))


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    """A made-up run with its entries and its site: once by prediction, then with people's answers."""
    folder = made_up_run(root, tmp_path_factory.mktemp("entries") / "run", "vision")
    write_metamers(folder)
    configure(folder, human_data="summary")
    said = snakemake(folder, "leaderboard_entries", *CONFIGURED, fails=True)
    assert "creator.name: missing" in said
    configure(folder, creator=CREATOR)
    snakemake(folder, "leaderboard_entries", "leaderboard_site", *CONFIGURED, *ALLOWED)
    return folder


def entry_of(folder, model):
    (path,) = (folder / ENTRIES / model).glob("*.nc")
    return path


@pytest.mark.slow
def test_entries_of_a_run_pass_the_check_and_are_on_the_site(made):
    board = entries_of(files.load(made / f"results/{RUN}/comparison/leaderboard.nc"))
    for model in ("first", "second"):
        path = entry_of(made, model)
        check_schema(path, path.relative_to(made / f"results/{RUN}").as_posix(), declared_files())
        assert complaints(path) == []
        status, said = check(made, path.relative_to(made), "--run", f"results/{RUN}")
        assert status == 0, said
        assert [line.split(": ")[0] for line in said.splitlines()] == [str(path.relative_to(made))]
        found = files.load(path)
        assert found.attrs["path"] == path.relative_to(made / f"results/{RUN}").as_posix()  # as `verify` wants
        row = board[(board["generation_model"] == model) & (board["basis"] == PREDICTION)].iloc[0]
        assert found["normalized_area"] == row["normalized_area"]
        page = (made / f"results/{RUN}.leaderboard/{path.stem}.html").read_text()
        assert f"<b>{row['normalized_area']:.2f}</b>" in page
        assert CREATOR["name"] in page
        # No folder of this machine is published, also not in attributes, which are compressed or not.
        assert str(made) not in str(found.attrs)
        assert not [name for name in json.loads(found.attrs["inputs"]) if Path(name).is_absolute()]
        assert str(made) not in path.read_bytes().decode("latin-1")
        assert str(made) not in page
        assert (made / f"results/{RUN}.leaderboard/entries/{path.name}").read_bytes() == path.read_bytes()
        items = items_of(found)
        kinds = {kind for kind, _ in items}
        assert kinds >= {
            "stimuli",
            "metamers",
            "acceptance",
            "recognition",
            "comparison",
            "published",
            "setting",
            "code",
        }
        assert sum(kind == "metamers" for kind, _ in items) == 3 * 2  # stages and batches of this model alone
        assert not [name for kind, name in items if kind == "metamers" and f"/{model}/" not in name]
    # Copies of entries in the run's folder would be files in a wrong place.
    assert len(list((made / f"results/{RUN}").rglob("leaderboard/**/*.nc"))) == 2


@pytest.mark.slow
def test_a_changed_file_of_the_run_is_named(made):
    path = entry_of(made, "first")
    changed = made / f"results/{RUN}/recognition/first/third.nc"
    kept = changed.read_bytes()
    data = files.load(changed)
    files.save(
        data.assign(correct=~data["correct"]),
        changed,
        title="made up",
        source="a test",
        step="test",
        run=RUN,
        seed=0,
        inputs=[],
    )
    status, said = check(made, path.relative_to(made), "--run", f"results/{RUN}")
    changed.write_bytes(kept)
    assert status == 1
    assert "recognition/first/third.nc" in said
    assert said.count("fingerprint: ") == 1


@pytest.mark.slow
def test_answers_of_own_participants_make_a_measured_entry(made, tmp_path):
    before = entry_of(made, "first").name
    write_answers(made)
    people = {"mine": {"modality": "vision", "format": "table", "answers": "answers.csv"}}
    configure(made, creator=CREATOR, own_participants=people)
    snakemake(made, "leaderboard_entries", *CONFIGURED, *ALLOWED)
    path = entry_of(made, "first")
    assert path.name != before
    found = files.load(path)
    assert found["basis"].item() == OWN_PARTICIPANTS
    assert found["participants"].max() == 4
    assert np.isfinite(found["p_equivalence"]).any()
    assert check(made, path.relative_to(made), "--run", f"results/{RUN}")[0] == 0
