"""Own participants: which answers count, who is excluded, and which files and rows are refused."""

import json
import logging
import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from metamers.compare.anova import participants_against_network, published_tests
from metamers.humans.exclusion import EXCLUSIONS
from metamers.humans.own_participants import judgements_of_shown, own_participants_dataset, read_answers
from tests.humans.answers import CATEGORIES, CONDITIONS, MAIN, rows_of, small_design, write
from tests.humans.hostile_rows import CASES, with_value

STAGES = {"m": ["one", "two"], "k": ["one"]}
AT_LEAST = {"headphones": 1, "practice": 1, "catch": 2}


@pytest.fixture(scope="module")
def design():
    return small_design()


@pytest.fixture(scope="module")
def recognition():
    """Random answers of each generation model to its own metamers."""
    rng = np.random.default_rng(0)
    found = {}
    for model, own in STAGES.items():
        stages = ["natural", *own]
        correct = rng.random((len(stages), len(MAIN), 2)) < 0.7
        coords = {"stage": stages, "stimulus": MAIN, "seed": [0, 1]}
        found[model] = xr.Dataset({"correct": (tuple(coords), correct)}, coords=coords)
    return found


def metamers_unknown(exhibit):
    return exhibit["stage"].item() == "natural"


def test_the_same_answers_in_any_form_and_in_several_files_count_once(design, tmp_path):
    rows = {name: rows_of(design, name, order) for order, name in enumerate(("p0", "p1", "p2"))}
    one_each = [write(tmp_path / f"{name}.json", rows[name]) for name in rows]
    wanted = read_answers(one_each, design, CATEGORIES)
    table = write(tmp_path / "all.csv", [row for own in rows.values() for row in own])
    lines = tmp_path / "jatos_results.txt"  # one array per line; p2 has a second, incomplete one
    lines.write_text("\n".join(json.dumps(own) for own in [*rows.values(), rows["p2"][:5]]) + "\n")
    with_mark = tmp_path / "mark.csv"
    with_mark.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())  # as spreadsheets save it
    for paths in ([table], [lines], [with_mark], [*one_each, table, lines]):
        assert read_answers(paths, design, CATEGORIES) == wanted
    assert wanted.rows_set_aside == 0
    assert {len(steps) for steps in wanted.given.values()} == {2 + design.sizes["trial"]}


@pytest.mark.hostile(
    "Answers of participants",
    "a page that claims that an answer is right",
    "ignored: the design has the right answers (except those of the headphone check, which only the page has)",
)
def test_proportions_are_of_what_each_participant_met(design, recognition, tmp_path):
    """For humans and model, compared with explicit counting."""
    rng = np.random.default_rng(1)

    def knows(exhibit):
        return exhibit["kind"].item() != "main" or rng.random() < 0.6

    paths = [write(tmp_path / f"p{order}.csv", rows_of(design, f"p{order}", order, knows)) for order in range(4)]
    answered = read_answers(paths, design, CATEGORIES)
    found = own_participants_dataset(answered, design, STAGES, recognition, AT_LEAST)
    assert found["excluded"].values.tolist() == [0] * len(EXCLUSIONS)
    assert found["stage"].values.tolist() == ["natural", "one", "two"]
    assert found["stage_number"].values.tolist() == [[0, 1, 2], [0, 1, -1]]
    counts = {}
    for order in range(4):
        for model, own in STAGES.items():
            for stage in ["natural", *own]:
                human, network, met = [], [], []
                for answer in answered.given[f"p{order}"].values():
                    if not answer.exhibit:
                        continue
                    exhibit = design.sel(exhibit=answer.exhibit)
                    of = "" if stage == "natural" else model
                    if (exhibit["kind"], exhibit["generation_model"], exhibit["stage"]) != ("main", of, stage):
                        continue
                    human.append(answer.answer == exhibit["category"].item())
                    met.append(exhibit["stimulus"].item())
                    seed = CONDITIONS.get((model, stage), 0)
                    at = {"stage": stage, "stimulus": exhibit["stimulus"].item(), "seed": seed}
                    network.append(recognition[model]["correct"].sel(at).item())
                assert len(human) >= 2
                cell = found["proportion_correct"].sel(participant=f"p{order}", generation_model=model, stage=stage)
                assert cell.values.tolist() == pytest.approx([np.mean(human), np.mean(network)])
                counts[model, stage] = counts.get((model, stage), []) + list(zip(met, human, network, strict=True))
    for (model, stage), answers in counts.items():
        for stimulus in {name for name, _, _ in answers}:
            wanted = np.mean([pair for name, *pair in answers if name == stimulus], axis=0)
            cell = found["correct_by_stimulus"].sel(stimulus=stimulus, generation_model=model, stage=stage)
            assert cell.values.tolist() == pytest.approx(wanted.tolist())
    assert int(found["correct_by_stimulus"].sel(observer="human").notnull().sum()) == sum(
        len({name for name, _, _ in answers}) for answers in counts.values()
    )
    assert np.isnan(found["proportion_correct"].sel(generation_model="k", stage="two")).all()


def test_a_model_without_classes_has_human_answers_alone(design, recognition, tmp_path):
    paths = [write(tmp_path / f"p{order}.csv", rows_of(design, f"p{order}", order)) for order in range(3)]
    answered = read_answers(paths, design, CATEGORIES)
    whole = own_participants_dataset(answered, design, STAGES, recognition, AT_LEAST)
    found = own_participants_dataset(answered, design, STAGES, {"m": recognition["m"]}, AT_LEAST)
    for variable in ("proportion_correct", "correct_by_stimulus"):
        xr.testing.assert_equal(found[variable].sel(observer="human"), whole[variable].sel(observer="human"))
        for model, known in {"m": True, "k": False}.items():
            own = found[variable].sel(generation_model=model, observer="model")
            assert bool(own.notnull().any()) == known
    tested = participants_against_network({"mine": found}, 20, 0)
    assert {*tested["generation_model"].values} == {"m"}


def changed(rows, step, /, **values):
    return [row | values if row.get("step") == step else row for row in rows]


def test_a_participant_who_fails_a_check_is_excluded_and_counted_once(design, recognition, tmp_path):
    def of_kind(kind):
        return lambda exhibit: exhibit["kind"].item() != kind

    people = {
        "good": rows_of(design, "good", 0),
        "better": rows_of(design, "better", 1, metamers_unknown),
        "unwilling": changed(rows_of(design, "unwilling", 2), "consent", answer="no")[:2],
        "loudspeakers": changed(rows_of(design, "loudspeakers", 3), "headphones-0", answer="1")[:3],
        "unpractised": rows_of(design, "unpractised", 4, of_kind("practice"), trials=3),
        "untaught": changed(rows_of(design, "untaught", 7), "trial-0", step=None),
        "mistaught": rows_of(design, "mistaught", 7, of_kind("feedback")),
        "gone": rows_of(design, "gone", 5, trials=7),
        "inattentive": rows_of(design, "inattentive", 6, of_kind("catch")),
    }
    paths = [write(tmp_path / f"{name}.json", rows) for name, rows in people.items()]
    found = own_participants_dataset(read_answers(paths, design, CATEGORIES), design, STAGES, recognition, AT_LEAST)
    assert found["participant"].values.tolist() == ["good", "better", "mistaught"]
    assert found["excluded"].to_series().to_dict() == {
        "no consent": 1, "headphone check": 1, "practice": 1, "unfinished": 2, "catch trials": 1,
    }  # fmt: skip
    # Lower thresholds include one more participant.
    lenient = {"headphones": 0, "practice": 0, "catch": 0}
    found = own_participants_dataset(read_answers(paths, design, CATEGORIES), design, STAGES, recognition, lenient)
    assert found["participant"].values.tolist() == ["good", "better", "mistaught", "inattentive"]


@pytest.mark.hostile(
    "Answers of participants",
    'answers of a participant who has not answered "yes" to the consent form',
    "not used: a file with such participants only is set aside with the reason, in other files the rows are",
)
@pytest.mark.parametrize("consent", [None, "no", "perhaps"])
def test_answers_without_a_yes_to_consent_are_set_aside_with_their_file(design, tmp_path, caplog, consent):
    """Such files come from a changed page, or from a server that accepted answers after a no."""
    asked = changed(rows_of(design, "p1", 1), "consent", **({"answer": consent} if consent else {"step": None}))
    alone = write(tmp_path / "alone.json", asked)
    good = write(tmp_path / "good.json", rows_of(design, "p0", 0))
    with caplog.at_level(logging.WARNING, "metamers"):
        answers = read_answers([alone, good], design, CATEGORIES)
    assert answers.given.keys() == {"p0"}
    assert (answers.rows_set_aside, answers.files_set_aside) == (consent == "perhaps", 1)
    assert caplog.messages[-1].startswith(f"{alone}: ")
    # In a file with others, the rows are set aside.
    both = write(tmp_path / "both.csv", [*rows_of(design, "p0", 0), *asked])
    with caplog.at_level(logging.WARNING, "metamers"):
        answers = read_answers([both], design, CATEGORIES)
    assert answers.given.keys() == {"p0"}
    assert (answers.rows_set_aside, answers.files_set_aside) == (len(asked) - 1 - (consent is None), 0)
    assert re.match(rf"{both}: .*'p1'", caplog.messages[-1])
    # A yes in another file counts.
    yes = write(tmp_path / "yes.json", rows_of(design, "p1", 1)[:2])
    answers = read_answers([alone, good, yes], design, CATEGORIES)
    assert answers.given.keys() == ({"p0"} if consent == "no" else {"p0", "p1"})


def test_answers_after_a_reload_are_counted(design, recognition, tmp_path):
    rows = {name: rows_of(design, name, order) for order, name in enumerate(("p0", "p1"))}
    rows["p0"] = changed(changed(rows["p0"], "trial-4", already=True), "trial-5", already=False)
    for suffix in ("json", "csv"):
        paths = [write(tmp_path / f"{name}.{suffix}", own) for name, own in rows.items()]
        found = own_participants_dataset(read_answers(paths, design, CATEGORIES), design, STAGES, recognition, AT_LEAST)
        assert found["answered_after_reload"] == 1


def test_too_few_participants_are_refused_with_the_reasons(design, recognition, tmp_path):
    paths = [write(tmp_path / f"p{n}.json", rows_of(design, f"p{n}", n, trials=4 if n else None)) for n in range(3)]
    with pytest.raises(ValueError, match=r"\b1 of 3 .*unfinished: 2"):
        own_participants_dataset(read_answers(paths, design, CATEGORIES), design, STAGES, recognition, AT_LEAST)


def test_own_participants_are_tested_for_new_stimuli_and_over_stages(design, recognition, tmp_path):
    """Participants who recognize only natural stimuli are compared with a model that recognizes most metamers."""
    rng = np.random.default_rng(2)

    def knows(exhibit):
        return exhibit["stage"].item() == "natural" or exhibit["kind"].item() != "main" or rng.random() < 0.3

    paths = [write(tmp_path / f"p{n}.json", rows_of(design, f"p{n}", n, knows)) for n in range(8)]
    mine = own_participants_dataset(read_answers(paths, design, CATEGORIES), design, STAGES, recognition, AT_LEAST)
    tested = published_tests({"mine": mine}, {}, {"mine": {"m": []}}, 200, 0, own=["mine"])
    over = [f"mine: {model}, over {units}" for units in ("stimuli", "participants") for model in ("m", "k")]
    assert tested["test"].values.tolist() == ["mine: m", "mine: k", *over, "mine: m, people"]
    p = tested["p_greenhouse_geisser"].sel(effect="observer")  # few participants, and fewer stimuli
    assert p.sel(test="mine: m, over participants") < 0.05 < p.sel(test="mine: m")
    stage = tested.sel(test="mine: m, people", effect="stage")
    assert (float(stage["df_effect"]), float(stage["df_error"])) == (2, 14)
    assert float(stage["p_permutation"]) < 0.05


def test_recognition_models_are_averaged_over_the_metamers_that_were_shown(design, recognition):
    judged = judgements_of_shown(design, {"m": {"m": recognition["m"]}, "k": {"k": recognition["k"]}}, STAGES)
    assert judged[["generation_model", "stage", "recognition_model"]].values.tolist() == [
        ["m", "one", "m"], ["m", "two", "m"], ["k", "one", "k"],
    ]  # fmt: skip
    main = set(design["stimulus"].values[design["kind"].values == "main"])
    assert len(main) == len(MAIN) - 1  # one is practised as a metamer
    wanted = float(recognition["m"]["correct"].sel(stage="two", seed=1, stimulus=sorted(main)).mean())
    assert judged["proportion_correct"][1] == pytest.approx(wanted)


@pytest.mark.hostile("a row with any value in any field …")
def test_a_row_that_does_not_fit_the_design_is_set_aside_with_file_and_row(design, tmp_path, caplog):
    cases = [
        ("trial-3", {"answer": "c"}, "answer: .*'c'.*'a', 'b'"),
        ("trial-3", {"exhibit": "0" * 20 + ".wav"}, "exhibit: .*'0+'.*trial-3 .*1"),
        ("trial-3", {"step": "trial-99"}, "step: .*'trial-99'.* 13"),
        ("trial-3", {"step": "trial-03"}, "step: .*'trial-03'"),
        ("trial-3", {"step": "../../x"}, r"step: .*'\.\./\.\./x'"),
        ("trial-3", {"order": 99}, "order: .*99.* 7"),
        ("trial-3", {"order": -1}, "order: .*-1"),
        ("trial-3", {"order": 2}, "exhibit: .* order 2"),
        ("trial-3", {"design": "d1"}, "design: .*'d1'.*'d0'"),
        ("trial-3", {"participant": "../x"}, r"participant: .*'\.\./x'"),
        ("trial-3", {"participant": "=cmd|'/c calc'!A0"}, "participant: .*=cmd"),
        ("trial-3", {"participant": ""}, "participant: .*''"),
        ("trial-3", {"rt": "soon"}, "rt: .*'soon'"),
        ("trial-3", {"rt": -0.5}, r"rt: .*-0\.5.* 0 ms"),
        ("trial-3", {"already": "yes"}, "already: .*'yes'"),
        ("headphones-0", {"answer": "4"}, "answer: .*'4'.*'1', '2', '3'"),
        ("headphones-0", {"target": ""}, "target: .*''.*'1', '2', '3'"),
        ("headphones-0", {"step": "headphones-1"}, "step: .*'headphones-1'.* 1"),
    ]
    rows = rows_of(design, "p1", 1)
    for ending in (".csv", ".json"):
        for step, values, complaint in cases:
            number = next(place for place, row in enumerate(rows, 1) if row.get("step") == step)
            path = write(tmp_path / f"answers{ending}", changed(rows, step, **values))
            caplog.clear()
            with caplog.at_level(logging.WARNING, "metamers"):
                answers = read_answers([path], design, CATEGORIES)
            assert answers.rows_set_aside == 1
            assert answers.given.keys() == {"p1"}
            assert answers.given["p1"].keys() == {row["step"] for row in rows if "step" in row} - {step}
            (message,) = caplog.messages
            assert re.match(rf".*answers\{ending}: row {number}: {complaint}", message), message


@pytest.mark.hostile("a row with any value in any field …")
@pytest.mark.hostile(
    "Answers of participants", "a row that is cut off or cannot be parsed, among others", "set aside and counted"
)
def test_any_value_of_any_field_is_set_aside_and_the_others_count(design, tmp_path):
    """In a JSON array, as an older server exported it, and on a separate line, as in JATOS files."""
    rows = rows_of(design, "p1", 1)
    texts = [json.dumps(row) for row in rows]
    wanted = {row["step"] for row in rows if "step" in row} - {rows[6]["step"]}
    for field, text in CASES:
        texts[6] = with_value(rows[6], field, text)
        for name, content in {"a.json": "[\n" + ",\n".join(texts) + "\n]", "b.txt": "\n".join(texts)}.items():
            (tmp_path / name).write_text(content, encoding="utf-8")
            answers = read_answers([tmp_path / name], design, CATEGORIES)
            assert answers.rows_set_aside == 1, (field, text[:20])
            assert answers.given["p1"].keys() == wanted, (field, text[:20])


@pytest.mark.hostile("a row with any value in any field …")
def test_a_participant_with_a_row_set_aside_is_unfinished_and_the_analysis_goes_on(design, recognition, tmp_path):
    """Three invalid rows that once stopped the analysis, each in the file of another participant."""
    people = {name: rows_of(design, name, order) for order, name in enumerate(("p0", "p1", "p2", "p3", "p4"))}
    paths = [write(tmp_path / f"{name}.json", rows) for name, rows in people.items()]
    for path, (field, text) in zip(paths, (("order", "0.0"), ("target", "{}"), ("rt", "1e400")), strict=False):
        rows = people[path.stem]
        texts = [with_value(row, field, text) if row.get("step") == "trial-12" else json.dumps(row) for row in rows]
        path.write_text(f"[{','.join(texts)}]")
    found = own_participants_dataset(read_answers(paths, design, CATEGORIES), design, STAGES, recognition, AT_LEAST)
    assert found["participant"].values.tolist() == ["p3", "p4"]
    assert found["excluded"].sel(exclusion="unfinished") == 3
    assert found["rows_set_aside"] == 3


def hostile_files(design, folder):
    """Files without any usable row, as a participant or a broken transfer can produce them: name → reason."""
    other = [row | {"design": "d1"} for row in rows_of(design, "x1", 1)]
    write(folder / "other.json", other)
    write(folder / "other.csv", other)
    (folder / "cut.json").write_text('[{"step": "consent"}, {"step": "trial-0"]')
    whole = json.dumps(rows_of(design, "x2", 2))
    (folder / "line.json").write_text(whole[: len(whole) // 2] + whole[len(whole) // 2 + 1 :].replace("}", "]", 1))
    (folder / "page.txt").write_text("<html>502 Bad Gateway</html>")
    (folder / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    (folder / "none.csv").write_text("a;b\n1;2\n")
    (folder / "deep.json").write_text("[" * 100_000)
    of_another = "[^;]*'d1'[^;]*'d0'"
    return {
        "other.json": of_another,
        "other.csv": of_another,
        "cut.json": "[^;]*JSON",
        "line.json": "[^;]*JSON",
        "page.txt": "[^;]*JSON",
        "bytes.csv": "[^;]*CSV",
        "none.csv": r".*\bparticipant\b",
        "deep.json": "[^;]*JSON",
    }


@pytest.mark.hostile(
    "Answers of participants",
    "any bytes in a file's place, a file that is cut or damaged as a whole, a file of another design",
    "the file is set aside with its name and the reason, and counted; only when no answer is left the analysis ends",
)
def test_a_file_without_any_usable_row_is_set_aside_and_the_analysis_goes_on(design, recognition, tmp_path, caplog):
    good = [write(tmp_path / f"p{n}.json", rows_of(design, f"p{n}", n)) for n in range(2)]
    reasons = hostile_files(design, tmp_path)
    alone = read_answers(good, design, CATEGORIES)
    with caplog.at_level(logging.WARNING, "metamers"):
        answers = read_answers([*(tmp_path / name for name in reasons), *good], design, CATEGORIES)
    assert answers.given == alone.given
    assert (answers.rows_set_aside, answers.files_set_aside) == (0, len(reasons))
    for (name, reason), message in zip(reasons.items(), caplog.messages, strict=True):
        assert re.fullmatch(rf".*/{name}: {reason}.*", message, re.DOTALL)
    found = own_participants_dataset(answers, design, STAGES, recognition, AT_LEAST)
    assert found["participant"].values.tolist() == ["p0", "p1"]
    assert found["files_set_aside"] == len(reasons)
    answers = read_answers([tmp_path / "cut.json", good[0]], design, CATEGORIES)
    with pytest.raises(ValueError, match=r"\b1 of 1 .*: 1\b"):
        own_participants_dataset(answers, design, STAGES, recognition, AT_LEAST)


@pytest.mark.hostile("any bytes in a file's place …")
def test_where_no_answer_is_left_the_files_are_named(design, tmp_path):
    reasons = hostile_files(design, tmp_path)
    write(tmp_path / "bad.json", [row | {"answer": 1} for row in rows_of(design, "p1", 1) if "step" in row])
    with pytest.raises(ValueError, match=r"cut\.json: ") as error:
        read_answers([*(tmp_path / name for name in reasons), tmp_path / "bad.json"], design, CATEGORIES)
    for name, reason in list(reasons.items())[:5]:
        assert re.search(rf"{name}: {reason}", str(error.value))
    assert re.search(r"\b3 [^\d:]*$", str(error.value))


@pytest.mark.hostile("any bytes in a file's place …")
def test_files_of_another_design_alone_stop(design, tmp_path):
    rows = [row | {"design": "d1"} for row in rows_of(design, "p1", 1)]
    for path in (write(tmp_path / "a.json", rows), write(tmp_path / "a.csv", rows)):
        with pytest.raises(ValueError, match=r"a\..*: .*'d1'.*'d0'"):
            read_answers([path], design, CATEGORIES)


@pytest.mark.hostile("a row that is cut off or cannot …")
def test_a_table_that_breaks_off_or_has_more_cells_keeps_its_other_rows(design, tmp_path):
    rows = rows_of(design, "p1", 1)
    lines = write(tmp_path / "a.csv", rows).read_text().splitlines()
    for name, broken in {"more.csv": lines[5] + ',"x"', "off.csv": '"x'}.items():
        rest = lines[6:] if name == "more.csv" else []
        (tmp_path / name).write_text("\n".join([*lines[:5], broken, *rest]) + "\n")
        answers = read_answers([tmp_path / name], design, CATEGORIES)
        assert answers.rows_set_aside == 1
        assert len(answers.given["p1"]) == len(lines) - 3 if rest else 3
    (tmp_path / "twice.csv").write_text("\n".join(f'{line},"{(n and 1) or "order"}"' for n, line in enumerate(lines)))
    with pytest.raises(ValueError, match=r"twice\.csv: .*'order'"):
        read_answers([tmp_path / "twice.csv"], design, CATEGORIES)


def test_many_rows_that_are_set_aside_do_not_flood_the_log(design, tmp_path, caplog):
    rows = [*rows_of(design, "p1", 1), *[{"step": "x"}] * 5000]
    with caplog.at_level(logging.WARNING, "metamers"):
        assert read_answers([write(tmp_path / "a.json", rows)], design, CATEGORIES).rows_set_aside == 5000
    assert len(caplog.messages) == 101
    assert caplog.messages[-1].startswith(f"{tmp_path / 'a.json'}: 4900 ")


@pytest.mark.hostile("any bytes in a file's place …")
def test_files_that_hold_no_answers_are_named(design, tmp_path):
    for name, content, kind in (
        ("a.json", b"", "JSON"),
        ("b.json", b" ", "JSON"),
        ("a.json", b"[", "JSON"),
        ("a.json", b'[\n {\n  "step": [\n   "x"\n  ],', "JSON"),
        ("a.json", b"\xff\xfe\x00", "JSON"),
        ("a.json", b"[" * 100_000, "JSON"),
        ("a.json", b'[{"step": NaN}]', "participant"),
        ("a.json", b"[1]", "participant"),
        ("a.json", b'[{"step": "shown-0"}]', "participant"),
        ("a.json", b'[{"rt": 1}]', "participant"),
        ("a.csv", b"", "participant"),
        ("a.csv", b'a,b\n"x', "CSV"),
        ("a.csv", b"a,b\n\x00,1\n", "participant|CSV"),
        ("a.csv", b"step,answer\n" + b"x" * 200_000, "CSV"),
        ("a.csv", b"step\ntrial-0,a,b,c\n", "participant"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}: .*({kind})"):
            read_answers([tmp_path / name], design, CATEGORIES)


def test_a_participant_who_left_before_any_answer_is_not_an_error(design, tmp_path):
    (tmp_path / "a.json").write_text("[]")
    (tmp_path / "c.txt").write_text("\n")
    path = write(tmp_path / "b.json", rows_of(design, "ann", 0))
    assert list(read_answers([tmp_path / "a.json", path, tmp_path / "c.txt"], design, CATEGORIES).given) == ["ann"]


def test_a_row_that_says_a_stimulus_was_shown_is_not_an_answer(design, tmp_path):
    rows = rows_of(design, "ann", 0)
    told = [{**row, "step": row["step"].replace("trial", "shown"), "answer": ""} for row in rows if "exhibit" in row]
    one, other = write(tmp_path / "a.json", rows), write(tmp_path / "b.json", told + rows)
    assert read_answers([one], design, CATEGORIES) == read_answers([other], design, CATEGORIES)


def test_a_file_that_is_too_large_is_not_read_whole(design, tmp_path, monkeypatch):
    monkeypatch.setattr("metamers.humans.own_participants.MAX_FILE_BYTES", 1 << 20)
    (tmp_path / "a.json").write_bytes(b"[" + b" " * (2 << 20) + b"]")
    with pytest.raises(ValueError, match=r"a\.json: .*\b1 MiB"):
        read_answers([tmp_path / "a.json"], design, CATEGORIES)
    good = write(tmp_path / "b.json", rows_of(design, "p1", 1))
    assert read_answers([tmp_path / "a.json", good], design, CATEGORIES).files_set_aside == 1


@pytest.mark.hostile(
    "Answers of participants",
    "answers that contradict each other, two participants with one name",
    "set aside and counted; none of them is used",
)
def test_two_answers_to_one_step_do_not_count(design, tmp_path, caplog):
    rows = rows_of(design, "p1", 1)
    paths = [write(tmp_path / "a.json", changed(rows, "trial-3", answer="a"))]
    paths += [write(tmp_path / "b.json", changed(rows, "trial-3", answer="b"))]
    with caplog.at_level(logging.WARNING, "metamers"):
        answers = read_answers(paths, design, CATEGORIES)
    assert answers.rows_set_aside == 2
    assert answers.given["p1"].keys() == {row["step"] for row in rows if "step" in row} - {"trial-3"}
    for path, message in zip(paths, caplog.messages, strict=True):
        assert re.match(rf"{path}: row 7: trial-3 .*'p1'.*'a' and 'b'", message)


@pytest.mark.hostile(
    "Answers of participants", "an answer that is repeated after a reload", "counts once, as given after a reload"
)
def test_rows_that_differ_in_the_reload_only_are_one_answer(design, tmp_path, caplog):
    """A page that was reloaded can send an answer again."""
    rows = changed(rows_of(design, "p1", 1), "trial-3", answer="a", already=False)
    again = changed(rows, "trial-3", already=True)
    paths = [write(tmp_path / "a.json", rows), write(tmp_path / "b.json", again)]
    with caplog.at_level(logging.WARNING, "metamers"):
        for order in (paths, paths[::-1]):
            answers = read_answers(order, design, CATEGORIES)
            assert answers.rows_set_aside == 0
            assert answers.given["p1"].keys() == {row["step"] for row in rows if "step" in row}
            assert answers.given["p1"]["trial-3"].answer == "a"
            assert answers.given["p1"]["trial-3"].already
    assert not caplog.messages


def test_of_three_rows_each_answer_is_named_once(design, tmp_path, caplog):
    rows = rows_of(design, "p1", 1)
    cases = [("a", True), ("a", False), ("b", True)]
    paths = [
        write(tmp_path / f"{n}.json", changed(rows, "trial-3", answer=answer, already=already))
        for n, (answer, already) in enumerate(cases)
    ]
    with caplog.at_level(logging.WARNING, "metamers"):
        assert read_answers(paths, design, CATEGORIES).rows_set_aside == 3
    assert all(re.search("trial-3 .*'p1'.*'a' and 'b'", message) for message in caplog.messages)


@pytest.mark.hostile("answers that contradict each …")
def test_two_targets_of_one_tone_contradict_each_other(design, tmp_path, caplog):
    """The target decides whether the answer is correct, and only the page knows it."""
    rows = rows_of(design, "p1", 1)
    paths = [write(tmp_path / f"{n}.json", changed(rows, "headphones-0", target=n)) for n in "23"]
    with caplog.at_level(logging.WARNING, "metamers"):
        answers = read_answers(paths, design, CATEGORIES)
    assert answers.rows_set_aside == 2
    assert "headphones-0" not in answers.given["p1"]
    assert re.search(r"'2' .*'2'.* '2' .*'3'", caplog.text)


@pytest.mark.hostile("answers that contradict each …")
def test_two_participants_with_one_name_do_not_count(design, tmp_path, caplog):
    paths = [write(tmp_path / f"{order}.json", rows_of(design, "p1", order)) for order in (1, 2)]
    paths += [write(tmp_path / "other.json", rows_of(design, "p2", 3))]
    with caplog.at_level(logging.WARNING, "metamers"):
        answers = read_answers(paths, design, CATEGORIES)
    assert answers.given.keys() == {"p2"}
    assert answers.rows_set_aside == 2 * (2 + design.sizes["trial"])
    assert re.search(r"1\.json: row 2: .*'p1'.* 1, 2", caplog.text)


@pytest.mark.hostile("any bytes in a file's place …")
@given(st.binary(max_size=300), st.sampled_from([".csv", ".json", ".txt"]))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_any_bytes_are_read_or_refused(design, tmp_path_factory, content, ending):
    path = tmp_path_factory.mktemp("bytes") / f"a{ending}"
    path.write_bytes(content)
    if ending == ".txt" and not content.decode("utf-8-sig", "replace").strip():
        assert read_answers([path], design, CATEGORIES).given == {}  # the participant left at once
        return
    with pytest.raises(ValueError, match=path.name):
        read_answers([path], design, CATEGORIES)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(["participant", "order", "design", "step", "answer", "exhibit", "target", "kind"])


# Without the row of consent (1), the whole file is set aside.
@pytest.mark.hostile("a row with any value in any field …")
@given(st.integers(0, 15).filter(lambda place: place != 1), st.dictionaries(KEYS, VALUES, min_size=1, max_size=3))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_any_values_in_a_row_are_an_answer_or_set_aside(design, tmp_path_factory, place, values):
    rows = rows_of(design, "p1", 1)
    rows[place] = rows[place] | values
    path = tmp_path_factory.mktemp("values") / "a.json"
    path.write_text(json.dumps(rows))
    answers = read_answers([path], design, CATEGORIES)
    with_step = sum(row.get("step") not in (None, "") for row in rows)
    assert answers.rows_set_aside + sum(map(len, answers.given.values())) == with_step
    for steps in answers.given.values():
        for answer in steps.values():
            assert not answer.exhibit or answer.answer in CATEGORIES
