"""The page of metamer sets: sentences, table, figure and stimuli from made-up numbers."""

import re

import numpy as np
import pytest
import xarray as xr

from metamers.beyond.metamer_set import by_depth
from metamers.report.figures import svg
from metamers.report.looks import looks_of
from metamers.report.metamer_sets import gallery, part_of, sets_table, sets_words

NAMES = ["net_a", "net_b"]


def a_set(model):
    """Two depths and two stimuli of 300 values; at the second depth, one pair is not within the match."""
    dims = ("depth", "stimulus")
    return xr.Dataset(
        {
            "jacobian_rank": (dims, [[120.0, 120.0], [30.0, 30.0]]),
            "rank_counted": (dims, [[False, False], [True, True]]),
            "rank_at_least": (dims, [[35, 37], [30, 30]]),
            "free_dimensions": (dims, [[180.0, 180.0], [270.0, 270.0]]),
            "stimulus_distance": (dims, [[0.4, 0.6], [1.5, 1.0]]),
            "largest_error": (dims, [[0.1, 0.2], [0.1, 0.1]]),
            "accepted": (dims, np.full((2, 2), True)),
            "within_match": (dims, [[True, True], [True, False]]),
            "activation_distance": ((*dims, "sensing_model"), np.full((2, 2, 3), 0.8)),
            "answer": (
                (*dims, "most_different", "sensing_model"),
                np.broadcast_to(np.array([["cat", "cat", "cat"], ["cat", "cat", "dog"]]), (2, 2, 2, 3)),
            ),
        },
        coords={
            "depth": [0.5, 1.0],
            "stage": ("depth", ["block", "logits"]),
            "stimulus": ["one", "two"],
            "category": ("stimulus", ["cat", "cat"]),
            "most_different": ["first", "second"],
            "sensing_model": [*NAMES, "recognition_model"],
        },
        attrs={"model": model, "modality": "vision", "values": 300, "tolerance": 0.05},
    )


@pytest.fixture
def found():
    return {name: a_set(name) for name in NAMES}


@pytest.fixture
def summaries(found):
    return {name: by_depth(one, ["recognition_model"], {"recognition_model": "family"}) for name, one in found.items()}


@pytest.fixture
def addresses():
    natural = {stimulus: f"{stimulus}.png" for stimulus in ("one", "two")}
    return natural | {
        (name, stimulus, place, which): f"{name}_{place}/{stimulus}_{which}.png"
        for name in NAMES
        for stimulus in natural
        for place in (0, 1)
        for which in ("first", "second")
    }


def test_the_table_says_which_ranks_are_estimates_and_counts_pairs_within_the_match(found, summaries):
    rows = sets_table(found, summaries)["rows"]
    assert len(rows) == 4
    assert rows[0][:6] == ["net_a", "block", "0.5", "about 120 (at least 36) of 300", "2 of 2", "0.15"]
    assert rows[1][3:5] == ["30 of 300", "1 of 2"]
    # A single pair has no interval. The recognition_model recognizes one of two members, and answers differently to both.
    assert rows[1][6:] == ["1.50 (no interval)", "0.80 (no interval)", "50%", "0%"]
    assert all(len(row) == len(sets_table(found, summaries)["head"]) for row in rows)


def test_the_words_compare_the_first_depth_with_the_last(found, summaries):
    words = sets_words(found, summaries)
    low, high = (f"{float(summaries['net_a'][f'stimulus_distance_{end}'][0]):.2f}" for end in ("low", "high"))
    ends = f"{low} to {high}".replace("-", "−")
    first = rf"net_a: block \D*40% \(\D*12%\)\D*0\.50 \D*\(95% \D*{ends}\)"
    # A single pair has no interval.
    last = r"logits \D*10% \D*1\.50 [^\d()]*\. [^\d()]* logits \D*0\.80 "
    assert re.search(rf"{first}; {last}", words)


def test_a_single_depth_is_said_once(found, summaries):
    one = {name: of_model.isel(depth=[1]) for name, of_model in found.items()}
    words = sets_words(one, {name: of_model.isel(depth=[1]) for name, of_model in summaries.items()})
    assert len(re.findall(r"logits \D*\b10% ", words)) == len(NAMES)


def test_the_gallery_has_a_row_for_each_model_stimulus_and_depth(found, addresses):
    rows = gallery(found, addresses)
    assert len(rows) == 2 * 2 * 2
    natural, *pair = (one["what"] for one in rows[1])
    assert natural.endswith(": cat")
    assert [what.split()[0] for what in pair] == ["first", "second"]
    assert all(what.endswith(", net_a at logits") for what in pair)
    assert rows[1][2]["picture"] == "net_a_1/one_second.png"
    assert rows[3][1]["what"].startswith(f"{pair[0]}, ")


def test_the_section_begins_with_the_first_stimulus_at_the_last_depth(found, summaries, addresses):
    part = part_of(found, summaries, looks_of(NAMES), addresses)
    assert part["identifier"] == "metamer_sets_vision"
    assert part["lead"][1]["picture"] == "net_a_1/one_first.png"
    assert part["few"]
    assert part["estimated"]
    assert part["matched"]
    drawn = svg(part["figure"]).decode()
    assert all(name in drawn for name in NAMES)
