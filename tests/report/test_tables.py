"""The tables of match have a row for each stage, with the numbers of metamers that are accepted and that meet each condition."""

import numpy as np
import xarray as xr

from metamers.match import MEASURES, NULL_MEASURES, PRESERVED
from metamers.report.tables import match_table, null_table


def test_a_stage_s_row_counts_metamers_and_has_the_medians_of_the_measures():
    dims = ("stage", "stimulus", "seed")
    counted = {"accepted": 2, "above_null": 3, "converged": 1, PRESERVED: 4}
    acceptance = xr.Dataset(
        {name: (dims, np.arange(5).reshape(1, 5, 1) < number) for name, number in counted.items()}
        | {name: (dims, np.array([0.1, 0.2, 0.3, 5, 9]).reshape(1, 5, 1)) for name in MEASURES},
        coords={"stage": ["relu"]},
    )
    table = match_table(acceptance)
    (row,) = table["rows"]
    assert len(row) == len(table["head"])
    assert row[:5] == ["relu", "2 of 5", "3", "1", "4"]
    assert {float(value) for value in row[5:]} == {0.3}
    less = match_table(acceptance.drop_vars(["converged", PRESERVED]))
    assert less["rows"][0][:3] == row[:3]
    assert len(less["head"]) == len(table["head"]) - 2


def test_a_stage_s_row_has_the_largest_value_of_the_null_distribution_and_how_many_metamers_are_below():
    dims, size = ("stage", "measure"), len(NULL_MEASURES)
    acceptance = xr.Dataset(
        {
            "largest": (dims, np.full((1, size), 0.5)),
            "refused": (dims, np.arange(size)[None]),
            "decides": (dims, np.ones((1, size), bool)),
        },
        coords={"stage": ["relu"], "measure": list(NULL_MEASURES)},
    )
    (row,) = null_table(acceptance)["rows"]
    assert row[0] == "relu"
    assert [float(value) for value in row[1::2]] == [0.5] * size
    assert row[2::2] == [str(number) for number in range(size)]
