"""Power: what is put into simulated participants is found in them again, and tests hold their level and their power."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import pingouin
import pytest
import scipy.stats
import xarray as xr
from scipy.special import expit
from sites import simulated_power

from metamers import humans, power
from metamers.leaderboard import measured_curves
from metamers.report_figures import svg
from metamers.report_power import power_context, power_figure

SETTINGS = MappingProxyType(
    {
        "differences": [0.05, 0.1],
        "participants": [4, 10, 40],
        "trials": [5, 20],
        "stages": 4,
        "alpha": 0.05,
        "wanted": 0.8,
        "simulations": 400,
    }
)


@pytest.fixture(scope="module")
def curves(root):
    groups = humans.read_results(root / "resources/published/group_results.csv", humans.COLUMNS)
    found = {}
    for (modality, _, _), curve in measured_curves(groups).items():
        found.setdefault(modality, []).append(curve)
    return found


@pytest.fixture(scope="module")
def variance(root):
    return humans.read_results(root / "resources/published/participant_variance.csv", power.VARIANCE_COLUMNS)


def experiment(deviations, participants, trials, seed=0):
    """People who differ by so much, asked about three models at five stages, of whom the first is not counted."""
    rng = np.random.default_rng(seed)
    shape = (participants, 3, 5)
    odds = np.linspace(2, -2, 5) + sum(
        size * rng.standard_normal((participants, *shape[1 : 1 + index], *[1] * (2 - index)))
        for index, size in enumerate(deviations)
    )
    numbers = rng.choice(trials, shape)
    correct = rng.binomial(numbers, expit(odds)) / numbers
    stages = ["natural", "a", "b", "c", "d"]
    return xr.Dataset(
        {
            "proportion_correct": (
                ("participant", "generation_model", "stage", "observer"),
                np.stack([correct, np.ones(shape)], axis=-1),
            ),
            "stage_number": (("generation_model", "stage"), np.tile(np.arange(5), (3, 1))),
        },
        coords={"generation_model": ["x", "y", "z"], "stage": stages, "observer": list(humans.OBSERVERS)},
    )


@pytest.mark.parametrize("numbers", [[10], [9, 10, 11], [20, 21, 22]])
def test_the_number_of_trials_is_found_in_the_proportions(numbers):
    answers = experiment((0.5, 0, 0), 40, numbers)["proportion_correct"].sel(observer="human")
    found = power.trials_per_condition(answers.values.reshape(40, -1))
    assert found == pytest.approx(np.mean(numbers), rel=0.03)


def test_a_proportion_of_no_whole_number_of_trials_is_refused():
    with pytest.raises(ValueError, match="no whole number of trials"):
        power.trials_per_condition(np.array([[0.5, np.pi / 4]]))


@pytest.mark.parametrize("deviations", [(0.5, 0, 0), (0.4, 0.4, 0), (0.4, 0.3, 0.5)])
def test_how_much_people_differ_is_found_in_their_answers(deviations):
    experiments = [experiment(deviations, 400, [10, 11], seed) for seed in range(2)]
    found = power.participant_variance(experiments, "vision")
    assert found["component"].to_list() == list(power.COMPONENTS)
    np.testing.assert_allclose(found["sd"], deviations, atol=0.1)
    assert (found["low"] <= found["sd"] + 0.02).all()
    assert (found["sd"] <= found["high"] + 0.02).all()


def test_the_committed_variance_follows_from_the_public_data(public, registry, variance):
    experiments = {}
    for entry in registry["experiments"].values():
        experiments.setdefault(entry["modality"], []).append(humans.experiment_dataset(entry, public))
    found = pd.concat([power.participant_variance(of, modality) for modality, of in experiments.items()])
    pd.testing.assert_frame_equal(found.reset_index(drop=True), variance, check_exact=False, rtol=0, atol=1e-9)


@pytest.mark.parametrize("deviation", [0, 0.3, 2])
def test_log_odds_are_those_that_give_the_mean(deviation):
    mean = np.array([[0.05, 0.5], [0.8, 0.99]])
    middle = power.median_log_odds(mean, deviation)
    people = middle[..., None] + deviation * scipy.stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    np.testing.assert_allclose(expit(people).mean(axis=-1), mean, atol=2e-4)


def test_two_curves_lie_so_far_apart():
    first, second = power.apart(np.array([0.9, 0.5, 0.2]), 0.1)
    assert first.mean() - second.mean() == pytest.approx(0.1)
    assert (second < first).all()
    with pytest.raises(ValueError, match=r"a difference of 0\.6 from a mean recognizability of 0\.53"):
        power.apart(np.array([0.9, 0.5, 0.2]), 0.6)


def test_simulated_people_are_right_as_often_as_they_should_and_vary_by_chance():
    """Without differences between people the variance of a participant's difference is binomial."""
    curves = np.array([[0.9, 0.4], [0.7, 0.2]])
    rng = np.random.default_rng(0)
    found = power.simulated_differences(curves, (0, 0, 0), 10, 40_000, rng)
    assert found.mean() == pytest.approx(0.2, abs=0.004)
    assert found.var() == pytest.approx((curves * (1 - curves)).sum() / 10 / 4, rel=0.03)
    # What a participant has in common to all stages cancels, what differs between models does not.
    shared = power.simulated_differences(curves, (0.5, 0, 0), 10, 40_000, rng)
    apart = power.simulated_differences(curves, (0, 0.5, 0), 10, 40_000, rng)
    assert shared.var() < 1.05 * found.var() < 1.2 * found.var() < apart.var()
    assert shared.mean() == pytest.approx(0.2, abs=0.004)


def test_power_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    differences = 0.5 + rng.standard_normal(200_000)
    participants = [5, 20, 40]
    found = power.power(differences, participants, 0.05, 20_000, rng)
    for number, of_number in zip(participants, found, strict=True):
        beyond = scipy.stats.t.ppf(0.975, number - 1)
        shifted = scipy.stats.nct(number - 1, 0.5 * np.sqrt(number))
        assert of_number == pytest.approx(shifted.sf(beyond) + shifted.cdf(-beyond), abs=0.012)


def test_models_that_are_alike_are_told_apart_as_often_as_the_level_says(curves, variance):
    alike = np.tile(power.typical_curve(curves["vision"], 8), (2, 1))
    rng = np.random.default_rng(0)
    deviations = variance.loc[variance["modality"] == "vision", "sd"].to_list()
    people = power.simulated_differences(alike, deviations, 10, 20_000, rng)
    np.testing.assert_allclose(power.power(people, [8, 20], 0.05, 8000, rng), 0.05, atol=0.012)


def test_people_who_are_all_alike_tell_models_apart_only_if_those_differ():
    rng = np.random.default_rng(0)
    assert power.power(np.full(10, 0.1), [3], 0.05, 100, rng) == [1]
    assert power.power(np.zeros(10), [3], 0.05, 100, rng) == [0]


def test_the_test_is_the_main_effect_of_the_model_in_the_analysis_of_variance():
    rng = np.random.default_rng(0)
    answers = rng.random((12, 2, 4))
    rows = [(p, m, s, answers[p, m, s]) for p in range(12) for m in range(2) for s in range(4)]
    table = pd.DataFrame(rows, columns=["participant", "model", "stage", "correct"])
    within = pingouin.rm_anova(table, dv="correct", within=["model", "stage"], subject="participant")
    t = scipy.stats.ttest_1samp(answers[:, 0].mean(axis=1) - answers[:, 1].mean(axis=1), 0).statistic
    assert within.set_index("Source").loc["model", "F"] == pytest.approx(t**2)


def test_the_fewest_participants_are_those_from_which_on_power_stays():
    found = np.array([[0.1, 0.9, 0.7, 0.85], [0.9, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.1]])
    fewest = power.needed(found, [4, 8, 16, 32], 0.8)
    assert fewest[:2].tolist() == [32, 4]
    assert np.isnan(fewest[2])


@pytest.fixture(scope="module")
def predicted():
    stages = ["input", "one", "two", "three"]
    values = np.array([[1, 0.9, 0.6, 0.3], [1, 0.9, 0.4, np.nan], [1, 0.9, np.nan, np.nan], [1, 0.5, 0.5, 0.5]])
    dims = ("generation_model", "stage")
    coords = {"generation_model": ["full", "shorter", "single", "heard"], "stage": stages}
    numbers = np.tile([1, 2, 3, 4], (4, 1))
    return xr.Dataset({"predicted": (dims, values), "stage_number": (dims, numbers)}, coords=coords)


MODALITIES = MappingProxyType({"full": "vision", "shorter": "vision", "single": "vision", "heard": "audio"})


def test_pairs_are_of_one_modality_and_share_two_stages_besides_the_input(predicted):
    assert power.pairs_of(predicted, MODALITIES) == [("full", "shorter", ["one", "two"])]


def test_power_rises_with_people_trials_and_difference(curves, variance, predicted):
    found = power.power_dataset(variance, curves, predicted, MODALITIES, SETTINGS, seed=0)
    values = found["power"]
    slack = 0.06  # of 400 experiments
    for dim in ("difference", "trials", "participants"):
        assert (values.diff(dim) > -slack).all()
    assert values.sel(difference=0.1, trials=20, participants=40).min() > 0.95
    assert values.sel(difference=0.05, trials=5, participants=4).max() < 0.4
    assert found["contrast"].values.tolist() == ["full - shorter"]
    assert found["contrast_difference"].values == pytest.approx([0.1])
    assert found["contrast_stages"].values.tolist() == ["one, two"]
    again = power.power_dataset(variance, curves, predicted, MODALITIES, SETTINGS, seed=0)
    xr.testing.assert_identical(found, again)


def test_the_figure_has_a_panel_for_each_modality_and_difference(curves, variance):
    found = power.power_dataset(variance, curves, None, {}, SETTINGS, seed=0)
    assert "contrast" not in found.dims
    drawn = power_figure(found)
    assert [axes.get_title(loc="left") for axes in drawn.axes] == [
        f"{name}, {points} points apart" for name in ("Images", "Sounds") for points in (5, 10)
    ]
    assert svg(drawn).startswith(b"<?xml")


def test_tables_say_how_many_are_needed_and_where_none_of_the_numbers_is_enough():
    shown = power_context(simulated_power())
    assert shown["typical"]["rows"] == [["Images", "10", "more than 40", "40"]]
    assert shown["own"]["rows"] == [["net_a", "net_b", "one, two", "−5.0", "more than 40", "40"]]
    assert power_context(simulated_power().drop_dims("contrast"))["own"] is None
