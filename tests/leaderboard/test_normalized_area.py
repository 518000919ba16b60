"""Normalized areas: closed forms, missing stages, and the dependence of published ranks on the list of stages."""

import numpy as np
import pytest

from metamers.humans import summary as humans_summary
from metamers.leaderboard import curves as leaderboard_curves
from metamers.leaderboard import depth
from metamers.leaderboard import ranks as leaderboard_ranks
from metamers.leaderboard.normalized_area import AreaRule, area_rule, areas_without_one_stage, normalize, weighted_area

EVEN = np.array([0.25, 0.5, 0.75, 1.0])
ALL = np.ones(4, bool)


def areas(values, listed=ALL, at=EVEN, family=()):
    values = np.asarray(values, float)
    rule = area_rule(at, values, listed, family)
    return float(weighted_area(rule.low, values)), float(weighted_area(rule.high, values))


def test_natural_stimuli_have_the_value_1_and_guessing_0():
    np.testing.assert_allclose(normalize([0.9, 0.0625, 0.48125, 1.0, 0.0], 0.9, 1 / 16), [1, 0, 0.5, 1, 0])
    assert np.isnan(normalize([0.5], 1 / 16, 1 / 16)).all()


@pytest.mark.parametrize("at", [EVEN, np.array([0.1, 0.1, 0.9, 1.0])])
def test_a_model_whose_metamers_are_as_recognizable_as_natural_stimuli_has_area_one(at):
    assert areas([1, 1, 1, 1], at=at) == (1, 1)


def test_a_line_has_the_area_of_its_triangle_for_any_stages():
    for kept in ([0, 1, 2, 3], [0, 3], [1, 3], [2, 3]):
        values = np.full(4, np.nan)
        values[kept] = 1 - EVEN[kept]
        assert areas(values, listed=np.isin(range(4), kept)) == pytest.approx((0.5, 0.5))


def test_a_stage_that_was_not_listed_is_interpolated_and_one_that_failed_is_bounded():
    values = np.array([1, np.nan, 0.6, 0.2])
    not_listed = np.array([True, False, True, True])
    assert areas(values, not_listed) == pytest.approx([0.25 * (1 + 0.9 + 0.7 + 0.4)] * 2)
    # In the first half: at least the lowest judged stage around or after it, at most the higher neighbour.
    assert areas(values) == pytest.approx((0.25 * (1 + 0.6 + 0.4 + 0.4), 0.25 * (1 + 1 + 0.8 + 0.4)))
    assert area_rule(EVEN, values, ALL).missing == 0.5
    # In the second half: at least guessing.
    values = np.array([1, 0.6, np.nan, 0.2])
    assert areas(values) == pytest.approx((0.25 * (1 + 0.8 + 0.3 + 0.1), 0.25 * (1 + 0.8 + 0.6 + 0.4)))


@pytest.mark.parametrize("listed", [True, False])
def test_the_depth_beyond_the_last_judged_stage_is_between_guessing_and_that_stage(listed):
    values = np.array([1, 0.8, 0.4, np.nan])
    asked = np.array([True, True, True, listed])
    assert areas(values, asked) == pytest.approx((0.25 * (1 + 0.9 + 0.6 + 0.2), 0.25 * (1 + 0.9 + 0.6 + 0.4)))
    assert area_rule(EVEN, values, asked).missing == 0.25
    assert areas(values[:3], ALL[:3], EVEN[:3]) == pytest.approx((0.675, 0.725))  # as if not in the registry


def test_the_family_defines_the_shape_between_stages():
    """The other models' values fall by the same share of their total between the second and the third stage."""
    family = [np.array([1, 0.9 * drop + 1 - drop, 1 - drop, 1 - drop]) for drop in (0.4, 0.8)] * 20
    values = np.array([1, np.nan, 0.1, 0.1])
    not_listed = np.array([True, False, True, True])
    rule = area_rule(EVEN, values, not_listed, family)
    interpolated = 0.1 + 0.9 * 0.9
    assert weighted_area(rule.low, values) == pytest.approx(
        0.25 * (1 + (1 + interpolated) / 2 + (interpolated + 0.1) / 2 + 0.1), abs=0.002
    )
    assert isinstance(rule, AreaRule)


def test_fewer_than_two_judged_stages_give_no_area():
    assert area_rule(EVEN, np.array([1, np.nan, np.nan, np.nan]), ALL) is None
    assert area_rule(np.array([0.1, np.nan, 0.5, 1]), np.ones(4), ALL) is None
    assert len(areas_without_one_stage(EVEN[:2], np.ones(2), ALL[:2])) == 0


@pytest.fixture(scope="module")
def published(root):
    """The published models of each modality on the shared scale, and their curves by stage."""
    groups = humans_summary.read_results(root / "resources/published/group_results.csv", humans_summary.COLUMNS)
    table = humans_summary.read_results(root / "resources/published/stage_depth.csv", depth.DEPTH_COLUMNS)
    placed = {
        key: dict(zip(rows["stage"], rows["depth"], strict=True))
        for key, rows in table.groupby(["modality", "generation_model"])
    }
    curves = leaderboard_curves.measured_curves(groups)
    return curves, leaderboard_curves.normalized_curves(
        curves, leaderboard_curves.natural_recognizability(groups), placed
    )


def moved(before, after, others):
    ranks = leaderboard_ranks.rank_among(np.array([before, after]), others)
    return int(ranks[1] - ranks[0])


def thinned(number):
    """Shortened lists: without one inner stage, or without every second or every inner stage of the early or late half."""
    inner = list(range(1, number - 1))
    early, late = ([one for one in inner if (one < (number - 1) / 2) is first] for first in (True, False))
    return [[one] for one in inner], [early, early[::2]], [late, late[::2]]


@pytest.mark.parametrize(("modality", "most", "mean"), [("vision", (6, 4, 9), 0.5), ("audio", (4, 2, 5), 0.4)])
def test_shorter_lists_change_ranks_less_than_with_depth_as_position_in_the_list(published, modality, most, mean):
    curves, scaled = published
    keys = [key for key in curves if key[0] == modality]
    by_place = np.array([leaderboard_curves.curve_area(curves[key], "mean") for key in keys])
    by_depth = np.array([float(weighted_area(scaled[key].rule.low, scaled[key].values)) for key in keys])
    found = {"place": ([], [], []), "depth": ([], [], [])}
    for index, key in enumerate(keys):
        own, number = scaled[key], len(curves[key])
        for kind, lists in enumerate(thinned(number)):
            for dropped in lists:
                kept = np.delete(np.arange(number), dropped)
                few = curves[key].iloc[kept].assign(depth=np.linspace(0, 1, len(kept)))
                place = leaderboard_curves.curve_area(few, "mean")
                found["place"][kind].append(abs(moved(by_place[index], place, np.delete(by_place, index))))
                values, listed = own.values.copy(), own.listed.copy()
                values[dropped], listed[dropped] = np.nan, False
                rule = area_rule(own.depth, values, listed, own.family)
                area = float(weighted_area(rule.low, values))
                found["depth"][kind].append(abs(moved(by_depth[index], area, np.delete(by_depth, index))))
    assert [max(one) for one in found["place"]] == {"vision": [9, 12, 17], "audio": [8, 11, 13]}[modality]
    assert [max(one) for one in found["depth"]] == list(most)
    assert np.mean(found["depth"][0]) < mean < np.mean(found["place"][0]) / 3


@pytest.mark.parametrize("modality", ["vision", "audio"])
def test_no_published_model_would_gain_if_a_late_stage_failed(published, modality):
    curves, scaled = published
    gains = []
    for key in (key for key in curves if key[0] == modality):
        own = scaled[key]
        whole = float(weighted_area(own.rule.low, own.values))
        for stage in np.flatnonzero(own.depth > 0.5):
            values = own.values.copy()
            values[stage] = np.nan
            gains.append(float(weighted_area(area_rule(own.depth, values, own.listed).low, values)) - whole)
    assert len(gains) > 50
    assert max(gains) <= 1e-12


def test_a_curve_whose_late_stages_fail_ranks_no_higher_than_the_complete_curve(published):
    """The mean over the remaining, easier stages would be larger."""
    curves, _ = published
    curve = curves["vision", "ResNet50", "standard"]
    assert leaderboard_curves.curve_area(curve.iloc[:-2], "mean") > leaderboard_curves.curve_area(curve, "mean") + 0.1


def test_every_stage_is_left_out_once_and_only_its_family_defines_a_shape(published):
    curves, scaled = published
    key = ("vision", "ResNet50", "standard")
    own = scaled[key]
    assert len(own.family) == 11  # of the same stages
    left_out = own.areas_one_out()
    assert len(left_out) == len(curves[key])
    straight = areas_without_one_stage(own.depth, own.values, own.listed)
    whole = float(weighted_area(own.rule.low, own.values))
    assert np.abs(left_out - whole).max() < np.abs(straight - whole).max() / 2
