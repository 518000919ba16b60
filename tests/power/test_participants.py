"""Power: parameters of simulated participants are recovered, and tests have their nominal level and power."""

import json
import re
from types import MappingProxyType

import numpy as np
import pandas as pd
import pingouin
import pytest
import scipy.stats
import xarray as xr
from scipy.special import expit

from metamers.compare.permutation_tests import permutation_p_models
from metamers.compare.sign_flips import flips_drawn, sign_flip_p
from metamers.foreign.pickles import read_pickle
from metamers.humans import participants as humans
from metamers.humans import summary as humans_summary
from metamers.leaderboard.curves import measured_curves
from metamers.names import ConfigurationError
from metamers.plan.steps import merge_defaults, read_settings
from metamers.power import pairs
from metamers.power import participants as power
from metamers.power import stimuli as power_stimuli
from metamers.power.files import POWER
from metamers.power.settings import PowerSettings, check_power, min_number, smallest_p
from metamers.report.figures import svg
from metamers.report.power import power_context, power_figure
from metamers.run import files
from tests.power.simulated import experiment
from tests.report.sites import simulated_power

PERMUTATIONS = 10_000
SETTINGS = MappingProxyType(
    {
        "differences": [0.05, 0.1],
        "participants": [6, 10, 40],
        "trials": [5, 20],
        "stages": 4,
        "alpha": 0.05,
        "wanted": 0.8,
        "simulations": 400,
        "stimuli": [10, 40],
        "stimulus_sd": {"stimulus": 1, "model": 0.5, "stage": 0.6},
        "stimulus_simulations": 100,
    }
)


@pytest.fixture(scope="module")
def curves(root):
    groups = humans_summary.read_results(root / "resources/published/group_results.csv", humans_summary.COLUMNS)
    found = {}
    for (modality, _, _), curve in measured_curves(groups).items():
        found.setdefault(modality, []).append(curve)
    return found


@pytest.fixture(scope="module")
def variance(root):
    return humans_summary.read_results(root / "resources/published/participant_variance.csv", power.VARIANCE_COLUMNS)


def power_dataset(variance, curves, predicted, modalities, settings, permutations, seed):
    published = power.published_power(variance, curves, settings, permutations, seed)
    return pairs.with_pairs(published, predicted, modalities, settings, permutations)


@pytest.mark.parametrize("deviations", [(0.5, 0, 0), (0.4, 0.4, 0), (0.4, 0.3, 0.5)])
def test_differences_between_participants_are_recovered_from_their_answers(deviations):
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
def test_median_log_odds_give_the_mean(deviation):
    mean = np.array([[0.05, 0.5], [0.8, 0.99]])
    middle = power.median_log_odds(mean, deviation)
    people = middle[..., None] + deviation * scipy.stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    np.testing.assert_allclose(expit(people).mean(axis=-1), mean, atol=2e-4)


def test_two_curves_have_the_given_mean_difference():
    first, second = power.curves_apart(np.array([0.9, 0.5, 0.2]), 0.1)
    assert first.mean() - second.mean() == pytest.approx(0.1)
    assert (second < first).all()
    with pytest.raises(ValueError, match=r"0\.53.*0\.6"):
        power.curves_apart(np.array([0.9, 0.5, 0.2]), 0.6)


def test_simulated_participants_have_the_given_mean_and_binomial_variance():
    """Without differences between participants, the variance of a participant's difference is binomial."""
    curves = np.array([[0.9, 0.4], [0.7, 0.2]])
    rng = np.random.default_rng(0)
    found = power.simulated_differences(curves, (0, 0, 0), 10, 40_000, rng)
    assert found.mean() == pytest.approx(0.2, abs=0.004)
    assert found.var() == pytest.approx((curves * (1 - curves)).sum() / 10 / 4, rel=0.03)
    # A component that all metamers share cancels in the difference; one that differs between models does not.
    shared = power.simulated_differences(curves, (0.5, 0, 0), 10, 40_000, rng)
    apart = power.simulated_differences(curves, (0, 0.5, 0), 10, 40_000, rng)
    assert shared.var() < 1.05 * found.var() < 1.2 * found.var() < apart.var()
    assert shared.mean() == pytest.approx(0.2, abs=0.004)


def test_with_many_participants_power_equals_that_of_the_paired_t_test():
    """With normal differences a permutation test has the power of t, except for its few possible p with few participants."""
    rng = np.random.default_rng(0)
    differences = 0.5 + rng.standard_normal(200_000)
    participants = [20, 40]
    found = power.power(differences, participants, 0.05, 10_000, 2000, rng)
    for number, of_number in zip(participants, found, strict=True):
        beyond = scipy.stats.t.ppf(0.975, number - 1)
        shifted = scipy.stats.nct(number - 1, 0.5 * np.sqrt(number))
        assert of_number == pytest.approx(shifted.sf(beyond) + shifted.cdf(-beyond), abs=0.02)


def test_six_participants_can_be_significant_and_five_cannot():
    rng = np.random.default_rng(0)
    assert power.power(1 + rng.random(100), [4, 5, 6], 0.05, 50, 100, rng).tolist() == [0, 0, 1]
    assert (smallest_p(5), smallest_p(6)) == (0.0625, 0.03125)
    assert [min_number(alpha) for alpha in (0.05, 0.0625, 0.01)] == [6, 5, 8]


@pytest.mark.parametrize("participants", [5, 8, 12, 13, 20])
def test_p_equals_that_of_the_permutation_test_in_the_analysis_of_variance(participants):
    """Both permute models within participants, the ANOVA randomly, this test exhaustively for few participants."""
    rng = np.random.default_rng(participants)
    curve = np.array([[0.9, 0.6, 0.3], [0.8, 0.55, 0.25]])
    scores = [power.simulated_scores(curve, (0.3, 0.1, 0.1), 10, participants, rng) for _ in range(8)]
    differences = np.array([one[:, 0].mean(axis=1) - one[:, 1].mean(axis=1) for one in scores])
    found = sign_flip_p(differences, 20_000, rng)
    number = 4000
    permuted = [
        permutation_p_models(one.transpose(0, 2, 1), number, rng).loc["model", "p_permutation"] for one in scores
    ]
    assert np.ptp(found) > 0.1
    np.testing.assert_allclose(found, permuted, atol=5 * 0.5 / np.sqrt(number))


def test_ties_count_for_any_order_of_summation():
    """Sums of tenths are not exact in binary: 2 of 8 flips have at least |S| = 0.6, 8 of 8 at least 0."""
    rng = np.random.default_rng(0)
    assert sign_flip_p(np.array([[0.1, 0.2, 0.3], [0.1, 0.2, -0.3], [0, 0, 0]]), 100, rng).tolist() == [0.25, 1, 1]
    # 8 of 32 flips: the three nonzero differences have equal signs, the zeros any.
    assert sign_flip_p(np.array([[0.1, 0.2, 0.3, 0, 0]]), 100, rng).tolist() == [0.25]


def test_equal_models_are_significantly_different_no_more_often_than_the_level(curves, variance):
    alike = np.tile(power.typical_curve(curves["vision"], 8), (2, 1))
    rng = np.random.default_rng(0)
    deviations = variance.loc[variance["modality"] == "vision", "sd"].to_list()
    people = power.simulated_differences(alike, deviations, 10, 20_000, rng)
    found = power.power(people, [8, 20], 0.05, 8000, 2000, rng)
    assert (found < 0.062).all()
    assert (found > 0.03).all()


def test_identical_participants_distinguish_models_only_if_the_models_differ():
    rng = np.random.default_rng(0)
    assert power.power(np.full(10, 0.1), [6], 0.05, 100, 100, rng) == [1]
    assert power.power(np.zeros(10), [6], 0.05, 100, 100, rng) == [0]


def test_small_levels_need_more_flips():
    assert flips_drawn(0.05, 10_000) == 2000
    assert flips_drawn(0.001, 100_000) == 20_000
    assert flips_drawn(0.05, 500) == 500


def test_the_test_is_the_main_effect_of_the_model_in_the_analysis_of_variance():
    rng = np.random.default_rng(0)
    answers = rng.random((12, 2, 4))
    rows = [(p, m, s, answers[p, m, s]) for p in range(12) for m in range(2) for s in range(4)]
    table = pd.DataFrame(rows, columns=["participant", "model", "stage", "correct"])
    within = pingouin.rm_anova(table, dv="correct", within=["model", "stage"], subject="participant")
    t = scipy.stats.ttest_1samp(answers[:, 0].mean(axis=1) - answers[:, 1].mean(axis=1), 0).statistic
    assert within.set_index("Source").loc["model", "F"] == pytest.approx(t**2)


def test_the_fewest_participants_are_those_from_which_on_power_stays_high():
    found = np.array([[0.1, 0.9, 0.7, 0.85], [0.9, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.1]])
    fewest = power.fewest_participants(found, [4, 8, 16, 32], 0.8)
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


def test_pairs_have_one_modality_and_share_two_stages_besides_the_input(predicted):
    both, left_out = pairs.model_pairs(predicted, MODALITIES)
    assert both == [("full", "shorter", ["one", "two"])]
    assert left_out == [("full", "single"), ("shorter", "single")]


def test_stages_without_a_prediction_do_not_count(predicted):
    """Two models with only one common predicted stage are not a pair."""
    cut = predicted.copy(deep=True)
    cut["predicted"].loc[{"generation_model": ["full", "shorter"], "stage": ["two", "three"]}] = np.nan
    both, left_out = pairs.model_pairs(cut, MODALITIES)
    assert both == []
    assert ("full", "shorter") in left_out
    one = predicted.copy(deep=True)
    one["predicted"].loc[{"generation_model": "shorter", "stage": "two"}] = np.nan
    assert pairs.model_pairs(one, MODALITIES)[0] == []


def test_power_increases_with_participants_trials_and_difference(curves, variance, predicted):
    found = power_dataset(variance, curves, predicted, MODALITIES, SETTINGS, PERMUTATIONS, seed=0)
    values = found["power"]
    slack = 0.06  # sampling error with 400 experiments
    for dim in ("difference", "trials", "participants"):
        assert (values.diff(dim) > -slack).all()
    assert values.sel(difference=0.1, trials=20, participants=40).min() > 0.95
    assert values.sel(difference=0.05, trials=5, participants=6).max() < 0.4
    assert found["contrast"].values.tolist() == ["full - shorter"]
    assert found["contrast_difference"].values == pytest.approx([0.1])
    assert found["contrast_stages"].values.tolist() == ["one, two"]
    assert found.attrs["left_out"] == "full - single, shorter - single"
    again = power_dataset(variance, curves, predicted, MODALITIES, SETTINGS, PERMUTATIONS, seed=0)
    xr.testing.assert_identical(found, again)


def test_the_power_of_pairs_is_the_same_after_the_published_part_was_written_and_read(
    curves, variance, predicted, tmp_path
):
    published = power.published_power(variance, curves, SETTINGS, PERMUTATIONS, seed=0)
    made = {"title": "", "source": "", "step": "power", "run": "test", "seed": 0, "inputs": []}
    files.save(published, tmp_path / "power.nc", declared=POWER, **made)
    read, direct = (
        pairs.with_pairs(one, predicted, MODALITIES, SETTINGS, PERMUTATIONS)
        for one in (files.load(tmp_path / "power.nc"), published)
    )
    assert "contrast_power" in direct
    xr.testing.assert_equal(read, direct)
    # The random numbers go on: a new generator gives other ones.
    again = published.assign_attrs(random_state=json.dumps(np.random.default_rng(0).bit_generator.state))
    other = pairs.with_pairs(again, predicted, MODALITIES, SETTINGS, PERMUTATIONS)
    assert not other["contrast_power"].equals(direct["contrast_power"])


def test_the_figure_has_a_panel_for_each_modality_and_difference(curves, variance):
    found = power_dataset(variance, curves, None, {}, SETTINGS, PERMUTATIONS, seed=0)
    assert "contrast" not in found.dims
    drawn = power_figure(found)
    titles = [re.findall(r"Images|Sounds|\d+|same|new", axes.get_title(loc="left")) for axes in drawn.axes]
    assert titles == [
        [name, str(points), which] for name in ("Images", "Sounds") for which in ("same", "new") for points in (5, 10)
    ]
    fixed = power_figure(found.drop_dims("stimuli"))
    assert len(fixed.axes) == 4
    assert drawn.get_supylabel()
    assert svg(drawn).startswith(b"<?xml")


def test_tables_show_how_many_participants_are_needed_or_that_none_of_the_numbers_is_enough():
    shown = power_context(simulated_power())
    images, distinct = shown["typical"]["rows"]
    assert images == ["Images", "10", "more than 40", "40"]
    assert distinct[1:] == ["any", "20", "80"]
    assert shown["own"]["rows"] == [["net_a", "net_b", "one, two", "−5.0", "more than 40", "40"]]
    assert shown["over_stimuli"]["rows"] == [["Images", "10", "10", "more than 40", "more than 40"]]
    assert shown["false_alarms"] == (0.05, 0.45)
    assert power_context(simulated_power().drop_dims("contrast"))["own"] is None
    assert power_context(simulated_power().drop_dims("stimuli"))["over_stimuli"] is None


def test_a_predicted_difference_is_never_shown_as_none():
    hardly = simulated_power().assign(contrast_difference=("contrast", [0.0002]))
    assert power_context(hardly)["own"]["rows"][0][3] == "less than 0.1"


def test_a_design_in_which_each_stimulus_is_met_once_needs_trials_times_stages_times_models(
    curves, variance, predicted
):
    assert power_stimuli.stimuli_needed(20, 8) == 320
    found = power_dataset(variance, curves, predicted, MODALITIES, SETTINGS, PERMUTATIONS, seed=0)
    assert found["stimuli_needed"].sel(trials=20) == 20 * 4 * 2
    assert found["contrast_stimuli_needed"].sel(contrast="full - shorter", trials=20) == 20 * 2 * 2
    rng = np.random.default_rng(0)
    once = power_stimuli.deal_stimuli(5, 4, 40, (3, 2), rng)
    assert (np.sort(once, axis=-1) == np.arange(40)).all()
    assert not (once[0, 0] == once[0, 1]).all()
    crossed = power_stimuli.deal_stimuli(5, 4, 5, (2,), rng).reshape(2, 8, 5)
    assert (np.sort(crossed, axis=-1) == np.arange(5)).all()


def test_few_new_stimuli_reduce_power_and_invalidate_the_test_over_participants(curves, variance):
    settings = {**SETTINGS, "differences": [0.1], "trials": [20], "participants": [40, 10]}
    found = power_dataset(variance, curves, None, {}, settings, PERMUTATIONS, seed=0)
    few, many = (found["power_over_stimuli"].sel(stimuli=number) for number in (10, 40))
    assert (few < many).all()
    assert (found["false_alarms_fixed_stimuli"].sel(stimuli=10, participants=40) > 0.4).all()
    assert (found["false_alarms_over_stimuli"] < 0.14).all()  # 100 experiments
    wrong = found["false_alarms_fixed_stimuli"].sel(stimuli=10)
    assert (wrong.sel(participants=40) > wrong.sel(participants=10)).all()
    assert "stimuli" not in power_dataset(variance, curves, None, {}, {**settings, "stimuli": None}, 1000, 0).dims


def test_without_differences_between_stimuli_and_participants_answers_are_binomial():
    curves = np.array([[0.9, 0.4], [0.7, 0.2]])
    rng = np.random.default_rng(0)
    none = (0, 0, 0)
    drawn = power_stimuli.simulated_experiments(
        scipy.special.logit(curves), none, none, 10, 40, [6, 10], 2000, rng, rng
    )
    for number, people, stimuli in drawn:
        assert people.shape == (2000, number)
        assert people.mean() == pytest.approx(0.2, abs=0.005)
        assert people.var() == pytest.approx((curves * (1 - curves)).sum() / 10 / 4, rel=0.05)
        np.testing.assert_allclose(stimuli.sum(axis=1), people.mean(axis=1), atol=1e-9)


def test_experiments_with_one_seed_have_the_same_stimuli_for_any_chunk_size(monkeypatch):
    """Averages over many participants depend only on the stimuli, so other participants give the same results."""
    odds = np.array([[0.4] * 3, [-0.4] * 3])
    sizes = (odds, (0, 0, 0), (0, 1, 1), 40, 12, [150], 60, 0.05, 500)
    found = [power_stimuli.significant_experiments(*sizes, *map(np.random.default_rng, (1, 0)))]
    monkeypatch.setattr(power_stimuli, "MOST_ANSWERS", 100_000)
    found += [power_stimuli.significant_experiments(*sizes, *map(np.random.default_rng, (2, seed))) for seed in (0, 3)]
    same, other = ((found[0][1] == found[index][1]).mean() for index in (1, 2))
    assert 10 < found[0][1].sum() < 50
    assert same > 0.9
    assert other < 0.8


def answered(rng, participants=4, stages=3, trials=5, stimuli=30):
    """A table of participants' trials, with stimuli assigned as in a simulation."""
    which = power_stimuli.deal_stimuli(trials, stages, stimuli, (participants,), rng)
    place = np.arange(which.shape[1]) // trials
    rows = {
        "participant": np.repeat(np.arange(participants), which.shape[1]),
        "model": np.tile(np.where(place < stages, "a", "b"), participants),
        "stage": np.tile(place % stages, participants),
        "stimulus": which.ravel(),
        "correct": rng.random(which.size) < 0.6,
    }
    return pd.DataFrame(rows).astype({"correct": int})


def test_observed_differences_equal_those_of_the_simulation():
    answers = answered(np.random.default_rng(0))
    people, stimuli = power_stimuli.observed_differences(answers)
    means = answers.groupby(["participant", "model"])["correct"].mean().unstack()
    np.testing.assert_allclose(people, means["a"] - means["b"])
    assert len(stimuli) == 30
    assert stimuli.sum() == pytest.approx(people.mean())
    # A stimulus with the mean proportion correct of its stage contributes nothing; only departures count.
    steady = answers.assign(correct=(answers["stage"] == 0).astype(int))
    np.testing.assert_allclose(power_stimuli.observed_differences(steady)[1], 0, atol=1e-12)
    with pytest.raises(ValueError, match=r"2 models.* 4 to 5 "):
        power_stimuli.observed_differences(answers.drop(index=0))


def judged(deviations, stimuli, rng, models=6):
    """Answers of unrelated recognition models to metamers of four models; a stimulus is equally recognizable to all."""
    shape = (4, 5, stimuli)
    sizes = zip(deviations, ((1, 1, stimuli), (4, 1, stimuli), shape), strict=True)
    odds = np.linspace(1.5, -1.5, 5)[:, None] + sum(size * rng.standard_normal(part) for size, part in sizes)
    values = (rng.random((models, *shape)) < expit(odds)).astype(float)
    return xr.DataArray(values, dims=("recognition_model", "generation_model", "stage", "stimulus")).assign_coords(
        generation_model=list("wxyz"), stage=list("abcde")
    )


@pytest.mark.parametrize("deviations", [(0.6, 0, 0), (0.6, 0.6, 0), (0.4, 0.3, 0.5)])
def test_differences_between_stimuli_are_recovered_from_unrelated_recognition_models(deviations):
    answers = judged(deviations, 4000, np.random.default_rng(0))
    answers = answers.where(np.random.default_rng(1).random(answers.shape) < 0.9)
    found = power_stimuli.stimulus_variance(answers, list("aabbcc"))
    np.testing.assert_allclose(found, deviations, atol=0.15)


def test_the_assumed_deviations_of_stimuli_are_close_to_those_in_published_models_answers(root, public, registry):
    """They follow from the answers of the study's networks to each other's metamers of 400 words."""
    entry = registry["recognition_models"]["audio"]
    answers, families = {}, {}
    for recognition_model in entry["models"]:
        folder = (
            public / "model_analysis_folders" / "audio_networks" / recognition_model / "network_network_evaluations"
        )
        families[recognition_model] = "kell" if recognition_model.startswith("kell") else "resnet"
        for path in sorted(folder.glob("accuracy_on_metamers_from_*.pckl")):
            made = path.stem.removeprefix("accuracy_on_metamers_from_")
            if made == recognition_model:
                continue
            with path.open("rb") as stream:
                given = read_pickle(stream)
            for stage, right in given["correct_incorrect"].items():
                if "input" not in stage:
                    words = map(str, given["labels_all_layers"][stage])
                    answers[recognition_model, made, stage] = pd.Series(np.asarray(right, float), index=list(words))
    table = pd.concat(answers, names=["recognition_model", "generation_model", "stage", "stimulus"]).to_xarray()
    found = power_stimuli.stimulus_variance(table, [families[str(one)] for one in table["recognition_model"].values])
    settings = merge_defaults({})["comparison"]["power"]["stimulus_sd"]
    np.testing.assert_allclose(found, [settings[name] for name in power_stimuli.STIMULUS_COMPONENTS], atol=0.15)
    np.testing.assert_allclose(found, [1.05, 0.43, 0.53], atol=0.02)  # as docs/explanation/power.md has them


@pytest.mark.parametrize("key", ["participants", "stimuli"])
def test_numbers_that_cannot_be_significant_are_refused(key):
    check_power(PowerSettings(participants=[6], stimuli=None), 10_000)
    with pytest.raises(ConfigurationError, match=rf"comparison\.power\.{key}: 7: .* 0\.016 .* 8 "):
        check_power(PowerSettings(**{"participants": [8], "stimuli": None, "alpha": 0.01, key: [8, 7]}), 10_000)
    with pytest.raises(ConfigurationError, match=r"comparison\.power\.alpha: 0\.001: 100 "):
        check_power(PowerSettings(participants=[20], stimuli=None, alpha=0.001), 100)


@pytest.mark.parametrize("key", ["participants", "stimuli"])
def test_the_schema_refuses_fewer_than_six_and_says_why(root, key):
    config = merge_defaults({})
    config["comparison"]["power"][key] = [4]
    with pytest.raises(ConfigurationError, match=rf"comparison\.power\.{key}\.0: 4 "):
        read_settings(config)
    config["comparison"]["power"][key] = []
    with pytest.raises(ConfigurationError, match=rf"comparison\.power\.{key}: \[\] "):
        read_settings(config)


def test_of_many_models_neighbours_and_contrasts_are_pairs():
    """All pairs of 200 models would be 19,900."""
    names = [f"m{number:02d}" for number in range(pairs.MOST_MODELS + 2)]
    values = np.random.default_rng(0).permutation(len(names)) / 20
    values[3] = np.nan  # without a prediction
    dims = ("generation_model", "stage")
    predicted = xr.Dataset(
        {"predicted": (dims, values[:, None] + [[0, 0.1]]), "stage_number": (dims, [[1, 2]] * len(names))},
        coords={"generation_model": names, "stage": ["one", "two"]},
    )
    modalities = dict.fromkeys(names, "vision")
    contrasts = [(names[9], names[0]), (names[1], "heard")]
    both, left_out = pairs.model_pairs(predicted, modalities, contrasts)
    order = [names[place] for place in np.argsort(values) if place != 3]
    wanted = {frozenset((names[0], names[9]))}
    for place, name in enumerate(order):
        neighbours = [order[other] for other in (place - 1, place + 1) if 0 <= other < len(order)]
        partners = {partner for one, other, _ in both if name in (one, other) for partner in (one, other)} - {name}
        assert partners & set(neighbours)
        wanted |= {frozenset((name, neighbour)) for neighbour in neighbours}
    assert {frozenset(models) for *models, _ in both} <= wanted
    assert frozenset((names[0], names[9])) in {frozenset(models) for *models, _ in both}
    assert both == sorted(both)
    assert left_out == [(names[3],)]
    few = predicted.isel(generation_model=slice(pairs.MOST_MODELS))
    both, _ = pairs.model_pairs(few, modalities, contrasts)
    assert len(both) == (pairs.MOST_MODELS - 1) * (pairs.MOST_MODELS - 2) // 2


def test_many_models_are_paired_only_where_they_share_stages():
    """Neighbours in recognizability may have no stage in common."""
    names = [f"{kind}{number}" for number in range(8) for kind in "ab"]
    values = np.full((len(names), 4), np.nan)
    for place, name in enumerate(names):
        values[place, slice(0, 2) if name[0] == "a" else slice(2, 4)] = place / 40
    numbers = np.where(np.isnan(values), -1, [1, 2, 1, 2])
    dims = ("generation_model", "stage")
    coords = {"generation_model": names, "stage": ["a one", "a two", "b one", "b two"]}
    predicted = xr.Dataset({"predicted": (dims, values), "stage_number": (dims, numbers)}, coords=coords)
    both, left_out = pairs.model_pairs(predicted, dict.fromkeys(names, "vision"))
    assert left_out == []
    assert {model for *models, _ in both for model in models} == set(names)
    assert all(one[0] == other[0] for one, other, _ in both)
    assert len(both) <= len(names)
