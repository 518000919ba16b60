"""Conclusions with the acceptance of a run and with a stricter one."""

import numpy as np
import pytest
import xarray as xr

from metamers.compare.contrasts import contrasts
from metamers.compare.criterion import OF_RUN, STRICTER, conclusions, stricter
from metamers.compare.verdict import first_minus_last

STAGES, STIMULI = ["input", "early", "late"], [f"s{number}" for number in range(24)]
NAN = float("nan")


def acceptance(snr_db, largest=(-9.0, -9.0, -9.0)) -> xr.Dataset:
    """Metamers that are all accepted, with a signal-to-noise ratio for each stage and stimulus."""
    dims = ("stage", "stimulus", "seed")
    values = np.broadcast_to(np.asarray(snr_db, float), (3, 24))[..., None]
    return xr.Dataset(
        {
            "accepted": (dims, np.ones((3, 24, 1), bool)),
            "snr_db": (dims, values),
            "normalized_error": (dims, 10 ** (-values / 20)),
            "largest": (("stage", "measure"), np.array(largest)[:, None]),
        },
        {"stage": STAGES, "stimulus": STIMULI, "seed": [0], "measure": ["snr_db"]},
    )


def answers(first, last) -> xr.Dataset:
    right = np.stack([np.ones(24, bool), np.ones(24, bool), np.arange(24) < first, np.arange(24) < last])[..., None]
    coords = {"stage": ["natural", *STAGES], "stimulus": STIMULI, "seed": [0]}
    return xr.Dataset({"correct": (("stage", "stimulus", "seed"), right)}, coords)


@pytest.mark.parametrize(
    ("snr_db", "largest", "kept"),
    [
        (0, -3, True),
        (-0.01, -9, False),
        (2.99, 0, False),
        (3, 0, True),
        (0, NAN, True),
        (-1, NAN, False),
        (NAN, -9, False),
    ],
)
def test_a_metamer_has_as_much_signal_as_error_and_three_decibels_more_than_the_null(snr_db, largest, kept):
    assert stricter(acceptance(snr_db, [largest] * 3))["accepted"].values.all() == kept


def test_what_the_run_has_not_accepted_is_not_accepted():
    refused = acceptance(20).assign(accepted=acceptance(20)["accepted"] & False)
    assert not stricter(refused)["accepted"].any()


MODALITIES = {"one": "vision", "two": "vision"}
FAMILIES = {"one": "a", "two": "a", "other": "b", "third": "c"}
TARGETS = dict.fromkeys(MODALITIES, dict.fromkeys(STAGES, 2.0))


def test_each_conclusion_is_drawn_twice_and_changes_where_poor_matches_carry_it():
    """Only metamers with more error than signal are recognized less at the last stage."""
    good = np.arange(24) >= 20
    poor = acceptance(np.stack([np.full(24, 20.0), np.full(24, 20.0), np.where(good, 20.0, -1.0)]))
    recognition = {
        name: {other: answers(24, 0 if name == "one" else 24) for other in ("other", "third")} for name in MODALITIES
    }
    for other in recognition["one"].values():
        other["correct"][-1] = good[:, None]
    accepted = {"one": poor, "two": acceptance(20)}
    sides = [(["two"], ["one"])]
    drawn = conclusions(recognition, accepted, FAMILIES, MODALITIES, TARGETS, sides, ["one"])
    assert drawn["conclusion"].values.tolist() == [
        *("vision: first minus last stage", "vision, one: first minus last stage", "two - one: later stages")
    ]
    whole = first_minus_last(recognition, accepted, FAMILIES, MODALITIES, TARGETS).sel(modality="vision")
    contrast = contrasts(sides, recognition, accepted, FAMILIES)
    assert drawn["difference"].sel(criterion=OF_RUN).values.tolist() == pytest.approx(
        [whole["first_minus_last_difference"].item(), 20 / 24, contrast["late_difference"].item()]
    )
    assert drawn["degree"].sel(criterion=OF_RUN).values.tolist() == ["shown", "shown", "shown"]
    assert drawn["accepted_metamers"].sel(criterion=OF_RUN).values.tolist() == [96, 48, 96]
    of_stricter = drawn.sel(criterion=STRICTER)
    assert of_stricter["difference"].values.tolist() == pytest.approx([0, 0, 0])
    assert of_stricter["n"].values.tolist() == [24, 4, 4]
    assert of_stricter["accepted_metamers"].values.tolist() == [76, 28, 76]
    assert of_stricter["degree"].values.tolist() == ["undecided"] * 3


def test_a_run_whose_metamers_are_all_refused_is_undecided():
    recognition = {"one": {"other": answers(24, 0)}}
    drawn = conclusions(recognition, {"one": acceptance(-20)}, FAMILIES, {"one": "vision"}, TARGETS, [], [])
    last = drawn.sel(criterion=STRICTER)
    assert np.isnan(last["difference"].item())
    assert (last["n"].item(), last["accepted_metamers"].item(), last["degree"].item()) == (0, 0, "undecided")
