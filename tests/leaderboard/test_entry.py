"""An entry of a shared leaderboard has the numbers of the run's leaderboard, and its name follows from its content."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from metamers.compare.passes import SMALLEST_MARGIN
from metamers.leaderboard.entry import (
    VARIABLES,
    equivalence_of_stages,
    file_name,
    items_without_folders,
    measured_values,
    normalized_entry,
)
from metamers.leaderboard.own_models import OWN_PARTICIPANTS, PREDICTION, own_participants_curves
from metamers.leaderboard.ranking import entries_of
from metamers.run import files
from tests.leaderboard.entries import MODELS, PEOPLE, REGISTRY, board, entry, people, predicted, published, write

BOTH = [("ear", PREDICTION), ("eye", PREDICTION), ("eye", OWN_PARTICIPANTS)]


@pytest.mark.parametrize(("model", "basis"), BOTH)
def test_the_area_of_an_entry_follows_from_its_curve_and_is_that_of_the_leaderboard(model, basis):
    made = entry(model, basis)
    rows = entries_of(board()).set_index(["generation_model", "basis"])
    row = rows.loc[model, basis]
    curve, area = normalized_entry(made, published())
    assert area[""] == pytest.approx(row["normalized_area"], abs=1e-12)
    assert curve.rule.missing == pytest.approx(row["missing_depth"], abs=1e-12)
    assert made["natural_correct"] == row["natural_correct"]
    if basis == PREDICTION:
        assert [area["_low"], area["_high"]] == pytest.approx(
            row[["normalized_area_low", "normalized_area_high"]].tolist()
        )


def test_a_prediction_has_the_values_by_stage_of_the_run_and_none_where_there_is_none():
    made = entry("ear")
    assert made["stage"].values.tolist() == ["early", "late", "last"]
    of_run = predicted().sel(generation_model="ear", stage=["early", "late"])
    np.testing.assert_array_equal(made["recognizability"][:2], of_run["predicted"])
    np.testing.assert_array_equal(made["recognizability_high"][:2], of_run["high"])
    # No metamers of the last stage were judged: it has a depth, but it is not listed and has no value.
    assert made["listed"].values.tolist() == [True, True, False]
    assert np.isnan(made["recognizability"][2])
    assert made["stage_depth"].values.tolist() == [0.4, 0.9, 1.0]
    assert not made["participants"].any()
    assert (made["passes_up_to"].item(), made["fails_from"].item()) == ("", "")


def test_a_measurement_has_student_s_intervals_and_the_test_against_natural_stimuli():
    made, data = entry("eye", OWN_PARTICIPANTS), people()["proportion_correct"].sel(observer="human")[:, 0]
    late = data.sel(stage="late").values
    low, high = scipy.stats.t.interval(0.95, PEOPLE - 1, late.mean(), scipy.stats.sem(late))
    assert made["recognizability"].sel(stage="late") == pytest.approx(late.mean())
    for end, value in (("low", low), ("high", high)):
        assert made[f"recognizability_{end}"].sel(stage="late") == pytest.approx(value)
    difference = late - data.sel(stage="natural").values
    assert made["natural_difference"].sel(stage="late") == pytest.approx(difference.mean())
    assert made["standard_error"].sel(stage="late") == pytest.approx(scipy.stats.sem(difference))
    assert abs(difference.mean()) > SMALLEST_MARGIN
    assert (made["passes_up_to"].item(), made["fails_from"].item()) == ("early", "late")
    assert made["passes_depth"] == 0.3
    assert made["participants_tested"].values.tolist() == [PEOPLE] * 3


def test_the_interval_of_a_certain_answer_is_within_0_and_1():
    (curve, _), *_ = own_participants_curves({"vision": [people()]}, {"eye": MODELS["eye"]}).values()
    values = measured_values(curve.assign(mean=[1.0, 0.99, 0.0], sem=[0.0, 0.02, 0.0]))
    assert values[["low", "high"]].to_numpy().tolist() == [
        [1, 1],
        [pytest.approx(0.99 - 2.0227 * 0.02, abs=1e-4), 1],
        [0, 0],
    ]


def test_groups_that_judged_different_stages_are_tested_in_processing_order():
    """The second stage was judged by another group than the first and the last."""
    data = people()
    groups = [data.sel(stage=["natural", "early", "last"]), data.sel(stage=["natural", "late"])]
    found = equivalence_of_stages(groups, "eye", MODELS["eye"], published().variance)
    together = equivalence_of_stages([data], "eye", MODELS["eye"], published().variance)
    for name in ("passes_up_to", "fails_from"):
        assert found[name].item() == together[name].item() != ""
    np.testing.assert_allclose(
        found["p_worse"].sel(stage=["early", "late", "last"]), together["p_worse"].sel(stage=["early", "late", "last"])
    )


def test_the_name_follows_from_the_content_and_is_the_same_after_reading(tmp_path):
    made = entry("ear")
    path = write(made, tmp_path)
    assert path.name == file_name(files.load(path)) == f"ear.{files.content_sha256(made)[:12]}.nc"
    other = made.assign(creator_name="another")
    assert file_name(other) != file_name(made)
    assert file_name(made.assign(generation_model="../a b/c<é>")).startswith("a_b_c.")
    assert file_name(made.assign(generation_model="…")).startswith("model.")


def test_an_entry_has_exactly_the_variables_of_its_form():
    made = entry("eye", OWN_PARTICIPANTS)
    assert set(made.variables) == set(VARIABLES)
    assert json.loads(made["registry_entry"].item()) == REGISTRY["eye"]


def test_no_folder_of_this_machine_is_in_the_names_of_items_which_stay_different():
    names = ["/home/a/net.pt", "/home/b/net.pt", "resources/net.pt", "/home/c/net.pt"]
    given = pd.DataFrame({"item_kind": ["weights"] * 3 + ["model"], "item_name": names, "fingerprint": list("abcd")})
    found = items_without_folders(given)
    assert found["item_name"].tolist() == ["…/net.pt", "…/net.pt (2)", "resources/net.pt", "…/net.pt"]
    assert found["fingerprint"].tolist() == list("abcd")
