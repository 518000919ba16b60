"""A table of answers: separators, encodings and names of columns that occur, and errors that say where and what."""

import pytest

from metamers.humans.read_table import ValidNames, judged_stages, read_answer_table, table_files
from metamers.names import ConfigurationError

VALID = ValidNames(
    stages={"net": ["input", "block/1", "last stage"], "other": ["input", "logits"]},
    stimuli=["dog_1", "Müller", "7"],
    categories=["dog", "bull mastiff", "café"],
    seeds=range(4),
)
HEADER = "participant,generation_model,stage,stimulus,answer"
GOOD = "p1,net,block/1,dog_1,dog"


def read(folder, text, encoding="utf-8", columns=None, name="answers.csv"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return read_answer_table([path], columns or {}, VALID)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_usual_forms_of_csv_give_the_same_trials(tmp_path, encoding, separator, end):
    rows = [HEADER, GOOD, "p1,,natural,Müller,café", "p2,OTHER,logits,7,Bull Mastiff "]
    quoted = end.join(separator.join(f'"{cell}"' for cell in row.split(",")) for row in rows) + end
    plain = end.join(row.replace(",", separator) for row in rows) + end
    for text in (plain, quoted):
        first, second, third = read(tmp_path, text, encoding)
        assert (first.participant, first.generation_model, first.stage, first.stimulus, first.answer) == (
            "p1", "net", "block/1", "dog_1", "dog",
        )  # fmt: skip
        assert (first.seed, first.response_time_s, first.excluded) == (None, None, "")
        assert (second.generation_model, second.stage, second.answer) == ("", "natural", "café")
        assert (third.generation_model, third.answer) == ("other", "bull mastiff")


def test_renamed_and_unused_columns(tmp_path):
    text = (
        "Response;Participant Private ID;rt;generation_model;stage;stimulus;comment\ndog;x;0,5;net;last_stage;7;a,b\n"
    )
    (trial,) = read(
        tmp_path, text, columns={"answer": "Response", "participant": "participant private id", "response_time": "rt"}
    )
    assert (trial.participant, trial.answer, trial.response_time_s, trial.stage) == ("x", "dog", 0.5, "last stage")


def test_exported_files_name_their_stimulus_and_seed(tmp_path):
    text = f"{HEADER}\np,net,block_1,shown/dog_1_3.png,dog\np,net,block_1,dog_1.png,dog\np,,natural,7.wav,dog\n"
    assert [(trial.stimulus, trial.seed) for trial in read(tmp_path, text)] == [
        ("dog_1", 3),
        ("dog_1", None),
        ("7", None),
    ]


def test_a_row_that_stands_there_twice_is_named_and_so_is_a_second_answer(tmp_path):
    for second in (GOOD, "p1,net,block_1,dog_1.png,bull mastiff", "p1,net,block/1,dog_1_0.png,dog"):
        with pytest.raises(ConfigurationError, match=r"line 4 of .*'p1'.* line 2 of"):
            read(tmp_path, f"{HEADER}\n{GOOD}\np2,net,block/1,dog_1,dog\n{second}\n")


def test_presentations_are_told_apart_by_participant_stimulus_seed_and_trial(tmp_path):
    rows = ["p1,net,block/1,dog_1,,1", "p1,net,block/1,dog_1,dog,1", "p1,net,block/1,dog_1,dog,2"]
    rows += ["p1,net,block/1,dog_1_1.png,dog,1", "p1,net,input,dog_1,dog,1", "p2,net,block/1,dog_1,dog,1"]
    trials = read(tmp_path, "\n".join([f"{HEADER},trial", *rows]))
    assert [trial.trial for trial in trials] == ["1", "1", "2", "1", "1", "1"]


def test_a_seed_that_the_run_does_not_have_is_named_before_the_first_job(tmp_path):
    for row in (
        "p1,net,block/1,dog_1,dog,4",
        "p1,net,block/1,dog_1,dog,99999999999999999999",
        "p1,net,input,7_12.png,dog,",
    ):
        with pytest.raises(ConfigurationError, match=r"line 2 of .*: seed: .*\d+.* 0, 1, 2, 3$"):
            read(tmp_path, f"{HEADER},seed\n{row}\n")


@pytest.mark.parametrize("missing", ["NA", "n/a", "NaN", "None", "null", "-", ""])
def test_what_other_programs_write_for_no_value_is_none(tmp_path, missing):
    (trial,) = read(tmp_path, f"{HEADER},seed,response_time,excluded\np1,net,input,dog_1{f',{missing}' * 4}\n")
    assert (trial.answer, trial.seed, trial.response_time_s, trial.excluded) == ("", None, None, "")


def test_a_category_may_have_the_name_of_a_missing_value(tmp_path):
    path = tmp_path / "answers.csv"
    path.write_text(f"{HEADER}\np1,net,input,a,None\n")
    valid = ValidNames({"net": ["input"]}, ["a"], ["none", "some"], range(1))
    assert [trial.answer for trial in read_answer_table([path], {}, valid)] == ["none"]


def test_rows_without_stimulus_are_no_trials_and_trials_may_lack_an_answer(tmp_path):
    trials = read(tmp_path, f"{HEADER}\np,,,,\n\n{GOOD}\np,net,block/1,7,\n")
    assert [trial.answer for trial in trials] == ["dog", ""]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("p,nett,block/1,7,dog", r" 3 .*answers\.csv: generation_model: .*'nett'.*'net', 'other'"),
        ("p,,block/1,7,dog", "generation_model: .*'natural'"),
        ("p,net,block/2,7,dog", "stage .*'block/2'.*'input', 'block/1', 'last stage', 'natural'"),
        ("p,net,block/1,8,dog", "stimulus: .*'8'.*'dog_1', 'Müller', '7'"),
        ("p,net,block/1,7,cat", "answer: .*'cat'.*'dog', 'bull mastiff', 'café'"),
        (",net,block/1,7,dog", "participant: "),
        ("p,net,block/1,7", "4 .*5"),
    ],
)
def test_a_row_that_is_not_valid_is_named(tmp_path, row, message):
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path, f"{HEADER}\n{GOOD}\n{row}\n")


def test_the_first_problems_are_named_and_the_others_counted(tmp_path):
    with pytest.raises(ConfigurationError, match=r" 2 of .* 6 of .*4 \w+$"):
        read(tmp_path, f"{HEADER}\n" + "p,net,block/1,7,cat\n" * 9)


@pytest.mark.parametrize(
    ("text", "encoding", "message"),
    [
        ("participant,stage\np,x\n", "utf-8", "'generation_model'.* participant, stage; .*participant"),
        (f"{HEADER},answer\n{GOOD},dog\n", "utf-8", "'answer' .*2"),
        (f"{HEADER}\n", "utf-8", r"answers\.csv: \D*$"),
        ("", "utf-8", r"answers\.csv: \D*$"),
        (f"{HEADER}\np,,,,\n", "utf-8", "answers.csv: .*stimulus"),
        (f"{HEADER}\np,,natural,Müller,café\n", "latin-1", "UTF-8 .*byte 0xfc"),
        (f'{HEADER}\n"p,net\n', "utf-8", "line 2: .*CSV"),
        (f"{HEADER},seed\n{GOOD},one\n", "utf-8", "seed: .*'one'"),
        (f"{HEADER},response_time\n{GOOD},-1\n", "utf-8", "response_time: .*'-1'"),
        (f"{HEADER},excluded\n{GOOD},a\np1,net,input,7,dog,b\n", "utf-8", "excluded: .*'p1'"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, text, encoding, message):
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path, text, encoding)


def test_the_stages_that_were_judged_are_in_the_order_of_the_run(tmp_path):
    trials = read(tmp_path, f"{HEADER}\np,net,last stage,7,dog\n{GOOD}\np,,natural,7,dog\n")
    assert judged_stages(trials, VALID.stages) == {"net": ["block/1", "last stage"]}


def test_a_file_or_the_tables_of_a_folder(tmp_path):
    for name in ("b.csv", "a.TSV", "notes.md"):
        (tmp_path / name).write_text("")
    assert table_files("key", tmp_path) == [str(tmp_path / "a.TSV"), str(tmp_path / "b.csv")]
    assert table_files("key", tmp_path / "b.csv") == [str(tmp_path / "b.csv")]
    for missing in ("none", "notes.md", "c.csv"):
        with pytest.raises(ConfigurationError, match=rf"key: .*{missing}"):
            table_files("key", tmp_path / missing)
