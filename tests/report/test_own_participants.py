"""Own participants in the report: the pages show their results, separate from those of published participants."""

import numpy as np
import pytest
import xarray as xr

from metamers.compare.anova import RESULTS, published_tests
from metamers.compare.humans_vs_models import CORRELATIONS
from metamers.compare.min_f import OVER_PARTICIPANTS, OVER_STIMULI
from metamers.compare.permutation_tests import MIXED_EFFECTS
from metamers.report.own_participants import own_participants_context, own_participants_table, without_own_participants
from metamers.report.tables import BEYOND_DEPTH, f_value, p_value

EFFECTS = (*RESULTS, "p_holm")


@pytest.fixture
def answers():
    """Two participants who judged two models; the second model has one stage less."""
    human = np.array([[[1, 0.5], [1, np.nan]], [[1, 0.25], [0.5, np.nan]]])
    model = np.where(np.isnan(human), np.nan, 1.0)
    dims = ("participant", "generation_model", "stage", "observer")
    return xr.Dataset(
        {
            "proportion_correct": (dims, np.stack([human, model], axis=-1)),
            "stage_number": (("generation_model", "stage"), [[0, 1], [0, -1]]),
            "excluded": ("exclusion", [0, 3]),
            "rows_set_aside": 4,
            "files_set_aside": 5,
        },
        coords={
            "generation_model": ["net_a", "net_b"],
            "stage": ["natural", "one"],
            "observer": ["human", "model"],
            "exclusion": ["practice", "catch trials"],
        },
    )


@pytest.fixture
def tested():
    """A test of own participants, and a test of a published experiment."""
    values = {name: (("test", "effect"), np.ones((2, 1))) for name in EFFECTS}
    named = {
        "experiment": ("test", ["mine", "visual-1"]),
        "comparison": ("test", ["between models", "human against model"]),
        "generation_model": ("test", ["net_a", "ResNet50"]),
    }
    return xr.Dataset(values, coords=named | {"effect": ["observer"]})


def test_a_row_is_a_model_s_stage_with_mean_and_standard_error_over_participants(answers):
    assert own_participants_table(answers)["rows"] == [
        ["net_a", "natural", "1.00 ± 0.00", "1.00", "2"],
        ["net_a", "one", "0.38 ± 0.12", "1.00", "2"],
        ["net_b", "natural", "0.75 ± 0.25", "1.00", "2"],
    ]


def test_who_was_left_out_is_counted_and_tests_are_of_them_alone(answers, tested):
    shown = own_participants_context({"mine": answers}, None, tested)
    (group,) = shown["groups"]
    assert (group["name"], group["participants"], group["excluded"]) == ("mine", 2, {"catch trials": 3})
    assert (group["rows_set_aside"], group["files_set_aside"]) == (4, 5)
    assert shown["models"] == {"net_a", "net_b"}
    assert [row[0] for row in shown["anova"]["rows"]] == ["mine"]
    assert shown["against_network"] is None
    assert shown["compared"] is None
    published = without_own_participants(tested, {"mine": answers})
    assert published["experiment"].values.tolist() == ["visual-1"]
    assert without_own_participants(tested.isel(test=[0]), {"mine": answers}) is None
    assert own_participants_context({}, None, tested) is None


def test_own_participants_against_a_network_are_shown_with_min_f_first(answers):
    rng = np.random.default_rng(0)
    scores = rng.random((9, 1, 3, 2))
    dims = ("generation_model", "stage", "observer")
    own = xr.Dataset(
        {
            "proportion_correct": (("participant", *dims), scores),
            "correct_by_stimulus": (("stimulus", *dims), rng.random((20, 1, 3, 2))),
            "stage_number": (("generation_model", "stage"), [[0, 1, 2]]),
        },
        coords={"generation_model": ["net_a"], "stage": ["natural", "one", "two"], "observer": ["human", "model"]},
    )
    tested = published_tests({"mine": own}, {}, {}, 199, 0, own=["mine"])
    shown = own_participants_context({"mine": answers}, None, tested)
    assert shown["anova"] is None
    table = shown["against_network"]
    assert [row[:3] for row in table["rows"]] == [["mine", "net_a", effect] for effect in MIXED_EFFECTS]
    at = {"effect": "observer"}
    one = tested.sel(test="mine: net_a", **at)
    assert table["rows"][0][3:6] == [
        f_value(one),
        p_value(float(one["p_greenhouse_geisser"])),
        p_value(float(one["p_holm"])),
    ]
    over = [tested.sel(test=f"mine: net_a, {kind}", **at) for kind in (OVER_STIMULI, OVER_PARTICIPANTS)]
    assert table["rows"][0][6:] == [
        text for test in over for text in (f_value(test), p_value(float(test["p_permutation_plus_one"])))
    ]


def test_correlations_with_models_stand_with_their_intervals(answers):
    names = [name + end for name in (*CORRELATIONS, *BEYOND_DEPTH) for end in ("", "_low", "_high")]
    names += [f"noise_ceiling_r2{end}" for end in ("", "_participants_low", "_participants_high")]
    names += [f"pearson_r2_of_ceiling{end}" for end in ("", "_low", "_high")]
    compared = xr.Dataset({name: ("modality", [0.5]) for name in names}, coords={"modality": ["vision"]})
    compared["human_mean"] = (("modality", "point"), [[0.1, np.nan]])
    compared = compared.assign(inside_n=("modality", [1]), depth_r2_low=("modality", [np.nan]))
    compared = compared.assign(kendall_tau_low=("modality", [np.nan]))
    shown = own_participants_context({"mine": answers}, compared, None)
    (row,) = shown["compared"]["rows"]
    both = "0.500 (0.500 to 0.500)"
    assert row == ["vision", "1", both, both, "0.500", both, both]
    (row,) = shown["beyond_depth"]["rows"]
    assert row == ["vision", "0.50", *["0.50 (0.50 to 0.50)"] * 3, "1"]


def test_error_consistency_has_a_row_for_each_stage_and_a_column_for_each_recognition_model(answers):
    dims = ("generation_model", "stage", "recognition_model")
    ends = {"": [0.25, np.nan], "_low": [-0.1, np.nan], "_high": [0.6, np.nan]}
    consistency = xr.Dataset(
        {f"participant_consistency{end}": (dims, [[values] * 2]) for end, values in ends.items()}
        | {"stage_number": (dims[:2], [[0, 1]])},
        {"generation_model": ["net"], "stage": ["natural", "late"], "recognition_model": ["a", "b"]},
    )
    table = own_participants_context({"mine": answers}, None, None, None, consistency)["consistency"]
    assert table["head"] == ["Metamers of", "Stage", "a", "b"]
    assert table["rows"] == [["net", stage, "0.25 (−0.10 to 0.60)", "–"] for stage in ("natural", "late")]
