"""The study's pickles, as its code reads them: excerpts and vocabulary come out, and nothing in them runs."""

import os
import pickle

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from metamers.config import tables
from metamers.foreign.pickles import NumpyUnpickler, read_pickle
from metamers.humans.read_table import ValidNames, read_answer_table
from metamers.names import NULL_CLASS
from metamers.recognize.recognition import answers, recognition_dataset
from metamers.stimuli import excerpts
from metamers.stimuli.datasets import read_dataset
from tests.stimuli.study_pickles import INDEX, RATE, WORDS, clip, encodings, read_excerpts, study_pickle


def row_of_a_table(facts):
    return pd.DataFrame([facts, facts | {"word": "other"}]).iloc[0]


@pytest.mark.parametrize(
    ("row", "protocol"), [(dict, 2), (dict, 3), (row_of_a_table, 2), (pd.Series, 3), (pd.Series, 4)]
)
def test_excerpts_are_centred_and_at_the_published_level(tmp_path, row, protocol):
    sounds = read_excerpts(study_pickle(tmp_path / "x.pckl", row, protocol))
    assert sounds["stimulus"].values.tolist() == ["000", "001", "002"]
    assert sounds["category"].values.tolist() == WORDS
    values = sounds["stimulus_value"].values
    np.testing.assert_allclose(np.sqrt((values**2).mean(axis=1)), 0.1, rtol=1e-5)
    np.testing.assert_allclose(values.mean(axis=1, dtype=float), 0, atol=1e-7)
    centred = clip(1) - clip(1).mean()
    np.testing.assert_allclose(values[1], 0.1 * centred / np.sqrt((centred**2).mean()), atol=1e-6)


def test_another_rate_is_resampled_and_another_length_fitted(tmp_path):
    one = {"dataframe_metadata": {"word": "zebra", "word_int": 2, "sr": 2 * RATE}, "audio_clips": [clip(0, 3 * RATE)]}
    assert read_excerpts(study_pickle(tmp_path / "x.pckl", zebra=one)).sizes == {"stimulus": 3, "sample": 2 * RATE}


class RunsCode:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.hostile("a pickle that calls a function")
@pytest.mark.parametrize("function", [os.system, eval, exec, pd.read_pickle, pd.eval, pickle.loads, np.load])
def test_nothing_in_a_pickle_is_run(tmp_path, function):
    marker = tmp_path / "ran"
    argument = f"touch {marker}" if function is os.system else f"open({str(marker)!r}, 'w')"
    one = {"dataframe_metadata": RunsCode(function, argument), "audio_clips": [clip(0)]}
    with pytest.raises(ValueError, match=r"x\.pckl: .*(code|wanted)"):
        read_excerpts(study_pickle(tmp_path / "x.pckl", zebra=one))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Dataset_Word_Order": ["zebra", "apple"]}, r"x\.pckl: .*: 2 .*\b3\b"),
        ({"Dataset_Word_Order": ["zebra", "apple", "tree"]}, r"x\.pckl: .*: 3 .*\b3\b"),
        ({"zebra": [1, 2]}, "zebra: .*dataframe_metadata .*audio_clips"),
        ({"zebra": {"dataframe_metadata": {"word": "apple", "word_int": 4, "sr": RATE}, "audio_clips": [clip(0)]}}, "zebra: .*'apple'.*'zebra'"),
        ({"zebra": {"dataframe_metadata": {"word": "zebra", "word_int": 4, "sr": RATE}, "audio_clips": [clip(0)]}}, r"class 4.*\[2\]"),
        ({"zebra": {"dataframe_metadata": {"word": "zebra", "word_int": 2, "sr": RATE}, "audio_clips": [np.zeros(9)]}}, "silent"),
    ],
)  # fmt: skip
def test_excerpts_that_are_not_what_they_should_be_are_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read_excerpts(study_pickle(tmp_path / "x.pckl", **changes))


@pytest.mark.hostile(
    "Pickles and checkpoints",
    "a sampling rate of 0, −5, 10¹² or 10⁴⁰⁰ Hz in a pickle",
    "refused with file, word and rate",
)
@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (0, r"\b0 Hz.* 100 to 1000000 Hz"),
        (-5, "-5 Hz"),
        (10**12, "1000000000000 Hz"),
        pytest.param(10**400, "sr: .*1000.*000", id="400 digits"),
        pytest.param(10**5000, "sr: .* int", id="too long to print"),
        (float("inf"), "sr: .*inf"),
        (float("nan"), "sr: .*nan"),
        (440.5, r"sr: .*440\.5"),
    ],
)
def test_a_sampling_rate_that_cannot_be_is_named_with_file_and_word(tmp_path, rate, message):
    one = {"dataframe_metadata": {"word": "zebra", "word_int": 2, "sr": rate}, "audio_clips": [clip(0)]}
    with pytest.raises(ValueError, match=rf"x\.pckl: zebra: .*{message}"):
        read_excerpts(study_pickle(tmp_path / "x.pckl", zebra=one))


def test_the_vocabulary_is_ordered_by_class(tmp_path):
    given = encodings(tmp_path / "v.pckl", {word: np.int64(index) for word, index in INDEX.items()})
    assert list(excerpts.read_vocabulary(given, 8).items()) == [("zebra", 2), ("apple", 4), ("mountain", 7)]


def test_the_null_class_is_an_answer_of_models_that_is_always_wrong_and_none_of_participants(tmp_path):
    """The published file's first entry, in its spelling, beside words with its apostrophes."""
    words = {"__nullSignal__": 0, "company's": 1, "don't": 2}
    vocabulary = excerpts.read_vocabulary(encodings(tmp_path / "v.pckl", words), 3)
    rows = "".join(f"{index}\t{word}\n" for word, index in vocabulary.items())
    (tmp_path / "c.tsv").write_text(f"class_index\tcategory\n{rows}")
    entry = {"categories": str(tmp_path / "c.tsv")}
    classes = tables.category_classes("wsj", entry)
    assert classes == {"__nullSignal__": [0], "company's": [1], "don't": [2]}
    scores = np.array([[3.0, 1, 2], [0, 1, 2]])
    answer = answers(scores, classes, "m")
    assert answer.tolist() == ["__nullSignal__", "don't"]
    heard = xr.Coordinates({"stimulus": ["a", "b"], "category": ("stimulus", ["don't", "don't"])})
    assert recognition_dataset(answer, ["stimulus"], heard)["correct"].values.tolist() == [False, True]
    choices = tables.stimulus_categories("wsj", entry)
    assert choices == ["company's", "don't"]
    table = tmp_path / "answers.csv"
    row = "participant,generation_model,stage,stimulus,answer\np1,,natural,a,"
    valid = ValidNames({"m": ["final"]}, ["a"], choices, range(1))
    table.write_text(f"{row}don't\n")
    assert [trial.answer for trial in read_answer_table([table], {}, valid)] == ["don't"]
    table.write_text(f"{row}__nullSignal__\n")
    with pytest.raises(ValueError, match=r"answer: .*'__nullSignal__'.* \"company's\", \"don't\""):
        read_answer_table([table], {}, valid)


def test_published_models_answer_the_null_class_and_are_always_wrong(public):
    folder = public / "model_analysis_folders/audio_networks/cochresnet50/network_network_evaluations"
    with (folder / "accuracy_on_metamers_from_kell2018.pckl").open("rb") as stream:
        found = read_pickle(stream, NumpyUnpickler)
    answer, word, correct = (
        np.array(found[name]["final"]) for name in ("predictions__all_layers", "labels_all_layers", "correct_incorrect")
    )
    null = answer == NULL_CLASS
    assert 0.05 < null.mean() < 0.3
    assert not correct[null].any()
    np.testing.assert_array_equal(correct, answer == word)


@pytest.mark.parametrize(
    "words",
    [
        {"": 0, "a": 1, "b": 2},
        {None: 0, "a": 1, "b": 2},
        {"a": 0, "b": 8},
        {"a": 1, "b": 1},
        {"a": -1, "b": 1},
        {"a": 0.5, "b": 1},
        {1: 1, 2: 2},
        [1],
    ],
)
def test_a_vocabulary_that_is_none_is_refused(tmp_path, words):
    with pytest.raises(ValueError, match="word_to_idx: "):
        excerpts.read_vocabulary(encodings(tmp_path / "v.pckl", words), 8)


def test_the_registry_s_excerpts_are_named_before_they_are_there(tmp_path):
    (tmp_path / "c.tsv").write_text("class_index\tcategory\n" + "".join(f"{i}\t{w}\n" for w, i in INDEX.items()))
    entry = {
        "modality": "audio",
        "files": {"archive": "assets", "file": "folder/x.pckl"},
        "excerpts": 3,
        "categories": str(tmp_path / "c.tsv"),
        "sampling_rate_hz": RATE,
        "duration_s": 2,
    }
    assert [row["stimulus"] for row in tables.stimulus_table("wsj", entry)] == ["000", "001", "002"]
    study_pickle(tmp_path / "x.pckl")
    assert read_dataset("wsj", entry, tmp_path, 0)["category"].values.tolist() == WORDS
