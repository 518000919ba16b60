"""Chance in the report, and recognition models that give a single answer."""

import re

import numpy as np
import pytest
import xarray as xr

from metamers.compare.chance import with_chance
from metamers.compare.recognizability import recognizability
from metamers.report.chance import chance_context, chance_table, kappa_text, single_answers
from metamers.report.points import ITSELF, OTHERS, PARTICIPANTS, recognizability_points

CATEGORIES = ["ant", "bee", "cat", "dog"]
STAGES = ["natural", "early", "late", "last"]


@pytest.fixture(scope="module")
def recognizable() -> xr.Dataset:
    """At the late and last stage ear and eye answer "rug", nose at the last only, to 3 of 4; the net is right."""
    right = np.array([[[name] for name in CATEGORIES]] * 4)
    rugs, nose = right.copy(), right.copy()
    rugs[2:] = "rug"
    nose[3, 1:] = "rug"
    coords = {"stage": STAGES, "stimulus": list("abcd"), "seed": [0], "category": ("stimulus", CATEGORIES)}
    dims = ("stage", "stimulus", "seed")
    answers = {"net": right, "ear": rugs, "eye": rugs, "nose": nose}
    recognition = {
        recognition_model: xr.Dataset({"answer": (dims, given), "correct": (dims, given == right)}, coords=coords)
        for recognition_model, given in answers.items()
    }
    accepted = xr.ones_like(recognition["net"]["correct"].sel(stage=STAGES[1:]))
    acceptance = {"net": xr.Dataset({"accepted": accepted})}
    recognition, families = {"net": recognition}, dict.fromkeys(answers, "family")
    return with_chance(recognizability(acceptance, recognition, families), acceptance, recognition, families)


def test_judges_are_named_together_only_where_all_give_the_answer_at_all_these_stages(recognizable):
    both, nose = single_answers("net", recognizable)
    assert both == {
        "answer": "rug",
        "recognition_models": ["ear", "eye"],
        "stages": ["late", "last"],
        "least": 1,
        "most": 1,
    }
    assert nose == {"answer": "rug", "recognition_models": ["nose"], "stages": ["last"], "least": 0.75, "most": 0.75}
    assert single_answers("net", recognizable.assign(single_answer=recognizable["single_answer"] & False)) == []


def test_the_table_has_kappa_and_chance_of_every_judge(recognizable):
    table = chance_table("net", recognizable)
    assert all(len(row) == len(table["head"]) for row in table["rows"])
    assert table["head"][1].startswith("net (itself)")
    natural, *_, last = table["rows"]
    assert natural[:3] == ["natural", "1.00 (0.20 to 1.00)", "25%"]
    ear = next(place for place, name in enumerate(table["head"]) if name.startswith("ear"))
    assert last[ear : ear + 2] == ["0.00 (0.00 to 0.60)", "0%"]
    # ear and eye never answer a category that was shown; nose is right about one of four: 1/4 of 1/4, over three.
    assert last[-1] == "2%"
    assert chance_context("net", recognizable)["table"] == table


def test_kappa_is_written_without_a_negative_zero_and_with_a_dash_where_there_is_none():
    assert kappa_text(0.001, -0.001, 0.5) == "0.00 (0.00 to 0.50)"
    assert kappa_text(-0.25, -0.5, 0.5) == "−0.25 (−0.50 to 0.50)"
    assert kappa_text(np.nan, np.nan, np.nan) == "–"


def test_points_carry_the_chance_of_whoever_was_asked(recognizable):
    ends = {name: (("generation_model", "stage"), np.full((1, 4), 0.5)) for name in ("predicted", "low", "high")}
    coords = {"generation_model": ["net"], "stage": STAGES}
    points = recognizability_points({"net": {"stages": STAGES[1:]}}, recognizable, xr.Dataset(ends, coords=coords))
    chance = {point["by"]: (point["chance"], point["by_chance"]) for point in points if point["stage"] == "last"}
    assert chance[OTHERS] == (pytest.approx(1 / 48, abs=1e-3), "2%")
    assert chance[ITSELF] == (0.25, "25%")
    assert chance[PARTICIPANTS] == (None, "–")
    told = {point["by"]: point["words"] for point in points if point["stage"] == "last"}
    assert re.search(r"n = 4, 2% [^%]*$", told[OTHERS])
    assert re.search(r"n = 4$", told[PARTICIPANTS])
