"""Predicted human recognizability: a known relation is recovered, intervals are valid, and none is outside the data."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.stats
import xarray as xr
from scipy.special import expit, logit

from metamers.compare import predicted_candidates
from metamers.compare import predicted_human as predicted
from metamers.compare.predicted_human import (
    GUESSING,
    THIRDS,
    coverage_by_third,
    fit_relation,
    predict_human,
    published_relation,
)
from metamers.compare.proportions import Interval, proportion_interval
from metamers.compare.recognition_spread import above_chance, read_recognition
from metamers.humans.summary import COLUMNS, read_results
from metamers.leaderboard.curves import curve_area, measured_curves
from metamers.report.calibration import reliability_figure
from metamers.report.figures import svg
from metamers.run import files
from studies.simulations import predicted as simulate_predicted

PUBLISHED = Path(__file__).resolve().parents[2] / "resources" / "published"


@pytest.fixture(scope="module")
def relation():
    return simulate_predicted.published_points(PUBLISHED)


@pytest.fixture(scope="module")
def left_out(relation):
    return predicted.predict_left_out_models(relation)


@pytest.fixture(scope="module")
def scores(relation):
    return predicted_candidates.left_out_scores(relation)


def points(other, human, models, participants=20, answers=10):
    """The points of a published modality, with standard errors of the given number of answers."""
    human = np.asarray(human, float)
    sem = np.sqrt(human * (1 - human) / (participants * answers))
    columns = {"model_mean": other, "human_mean": human, "human_sem": sem, "human_n": np.full(len(human), participants)}
    dataset = xr.Dataset({name: ("point", np.append(values, np.nan)) for name, values in columns.items()})
    return dataset.assign_coords(generation_model=("point", np.append(models, "")))


def made(parameters, chance, models=30, stages=8, seed=0):
    """Points that follow a relation, and the relation."""
    rng = np.random.default_rng(seed)
    truth = predicted.Relation(np.array(parameters, float), np.eye(6), chance, 10, 20, 0.0, 1.0)
    of_model = np.repeat(np.arange(models), stages)
    other = chance + (1 - chance) * rng.uniform(0.02, 0.95, models * stages)
    human = simulate_predicted.human_means(truth, other, of_model, of_model, np.full(len(other), 20), None, rng)
    return points(other, human, of_model.astype(str)), truth


def test_the_answers_that_a_participant_is_worth_are_the_median_over_points_that_vary():
    answers, mean, participants = np.array([5, 10, 100, 1]), np.array([0.2, 0.5, 0.7, 1.0]), np.full(4, 20)
    sem = np.sqrt(mean * (1 - mean) / (answers * participants))
    assert predicted.answers_per_participant(mean, sem, participants) == pytest.approx(10)


@pytest.mark.parametrize("chance", GUESSING.values())
def test_a_known_relation_is_recovered(chance):
    given, truth = made([0.5, 0.2, -1, -0.7, -0.5, 0.4], chance, models=80)
    found = fit_relation(given, chance)
    error = np.sqrt(np.diag(found.covariance))
    assert (error < [0.2, 0.1, 0.3, 0.2, 0.8, 0.6]).all()
    assert (np.abs(found.parameters - truth.parameters) < 3.5 * error).all()
    assert found.answers == pytest.approx(10, rel=0.01)


def test_the_gradient_equals_finite_differences_of_the_likelihood():
    given, _ = made([0.5, 0.2, -1, -0.7, -0.5, 0.4], 1 / 16, models=5)
    other, human = given["model_mean"].values[:-1], given["human_mean"].values[:-1].clip(0.01, 0.99)
    fixed = above_chance(other, 1 / 16), human, np.full(len(other), 200.0), np.arange(0, 40, 8), 1 / 16
    at = np.array([0.3, 0.1, -0.8, -0.5, -0.7, 0.4])
    numeric = scipy.optimize.approx_fprime(at, lambda one: predicted._negative_log_likelihood(one, *fixed)[0], 1e-6)
    np.testing.assert_allclose(predicted._negative_log_likelihood(at, *fixed)[1], numeric, rtol=1e-3, atol=1e-2)


def test_predictions_rise_with_other_models_from_chance_to_certainty(relation):
    for modality, chance in GUESSING.items():
        fitted = published_relation(relation, modality)
        line = fitted.line(np.linspace(0, 1, 101), chance)
        assert (np.diff(line) >= 0).all()
        assert line[0] == pytest.approx(chance, abs=0.003)
        assert line[-1] > 0.99


def test_the_same_rate_above_chance_gives_the_same_rate_above_chance_in_another_task(relation):
    fitted = published_relation(relation, "vision")
    rates = np.array([0.1, 0.5, 0.8])
    found = [above_chance(fitted.line(chance + (1 - chance) * rates, chance), chance) for chance in (1 / 16, 1 / 4)]
    np.testing.assert_allclose(*found)
    middle = fitted.parameters[0] + np.exp(fitted.parameters[1]) * np.log(rates / (1 - rates))
    np.testing.assert_allclose(found[0], expit(middle))


def test_the_interval_of_the_rate_decides_what_is_outside_the_published_range(relation):
    """None of 6 images may be 3%, which is inside; none of 400 is fewer than of any published stage."""
    fitted = published_relation(relation, "audio")
    none = predict_human(proportion_interval(np.array([0.0, np.nan]), np.array([6, 6])), fitted, 1 / 16)
    assert np.isnan(none).all(axis=1).tolist() == [False, True]
    assert np.isnan(predict_human(proportion_interval(np.array([0.0]), 400), fitted, 1 / 16)).all()
    # In an easier task guessing alone gives a higher proportion correct.
    low = proportion_interval(np.array([0.3]), np.array([400]))
    rates = [fitted.possible_rates(low.value, low.standard_error, chance) for chance in (1 / 3, 1 / 16)]
    assert [int(fitted.outside(one)[0]) for one in rates] == [-1, 0]


@pytest.mark.parametrize("modality", GUESSING)
@pytest.mark.parametrize("stimuli", [1, 6])
def test_nothing_is_extrapolated_beyond_the_published_range(relation, modality, stimuli):
    """The prediction for all or none of few stimuli is that for the part of their interval inside the range."""
    fitted, chance = published_relation(relation, modality), GUESSING[modality]
    found = predict_human(proportion_interval(np.array([0.0, 1.0]), stimuli), fitted, chance)
    ends = fitted.line(chance + (1 - chance) * np.array([fitted.lowest, fitted.highest]), chance)
    np.testing.assert_allclose(found[:, 0], ends)
    assert (found[:, 2] - found[:, 1] > 0.15).all()


def test_fewer_stimuli_widen_the_interval(relation):
    for modality, chance in GUESSING.items():
        fitted = published_relation(relation, modality)
        widths = []
        for stimuli in (400, 40, 20, 10, 6):
            seen = proportion_interval(np.array([0.5]), stimuli)
            widths.append(np.ptp(predict_human(seen, fitted, chance)[0, 1:]))
        assert (np.diff(widths) > 0).all()


def test_a_point_is_predicted_independently_of_other_points(relation):
    fitted = published_relation(relation, "vision")
    alone, two = (
        predict_human(proportion_interval(np.array(means), 10), fitted, 1 / 16) for means in ([0.3], [0.3, 0.9])
    )
    np.testing.assert_allclose(alone[0], two[0])


def test_possible_proportions_are_jeffreys_intervals():
    """The number of stimuli follows from Wilson's standard error."""
    mean, number = np.array([0.0, 1 / 6, 0.5, 1.0, 0.3]), np.array([6, 6, 20, 400, np.inf])
    error = np.append(proportion_interval(mean[:4], number[:4]).standard_error, 0)
    found = predicted.possible_proportions(mean, error, np.array([0.025, 0.5, 0.975]))
    for p, n, row in zip(mean[:4], number[:4], found, strict=False):
        np.testing.assert_allclose(row, scipy.stats.beta.ppf([0.025, 0.5, 0.975], n * p + 0.5, n * (1 - p) + 0.5))
    np.testing.assert_allclose(found[4], 0.3)


def test_means_of_0_and_1_can_be_fitted():
    other = np.tile([0.1, 0.5, 0.9], 4)
    fitted = fit_relation(points(other, np.tile([0.0, 0.5, 1.0], 4), np.repeat(list("abcd"), 3)), 1 / 16)
    assert np.isfinite(fitted.interval(other, np.zeros(12), 1 / 16)).all()


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match=r"points.* 2$"):
        fit_relation(points(np.array([0.2, 0.5]), [0.2, 0.6], np.array(["a", "b"])), 1 / 16)


def test_the_spread_between_families_of_generation_models_is_that_of_the_published_ones(relation):
    table = read_recognition(PUBLISHED / "recognition_models.csv")
    families = dict(zip(table["generation_model"], table["family"], strict=True))
    assert predicted_candidates.family_spread(relation, families) == pytest.approx(predicted.FAMILY_SPREAD, abs=0.005)


# Published models that are left out completely


def test_a_family_does_not_influence_the_predictions_of_its_models(relation, left_out):
    changed = relation.sel(modality=["vision"]).copy(deep=True)
    own = changed["generation_family"] == "alexnet"
    changed["human_mean"] = xr.where(own & changed["human_mean"].notnull(), 0.5, changed["human_mean"])
    before, after = (
        one.set_index("generation_model")["predicted"] for one in (left_out, predicted.predict_left_out_models(changed))
    )
    family = np.unique(changed["generation_model"].values[own.values])
    assert len(family) == 8
    np.testing.assert_allclose(before.loc[family], after.loc[family])
    assert not np.allclose(before.loc["CORnet-S"], after.loc["CORnet-S"], atol=1e-4)


FAMILIES = {"0": "one", "1": "one", "2": "two", "3": "three"}


def test_a_left_out_family_is_predicted_from_the_other_families_and_the_spread_between_families():
    given, _ = made([0.5, 0.2, -1, -0.7, -0.5, 0.4], 1 / 16, models=4)
    family = np.array([FAMILIES.get(name, "") for name in given["generation_model"].values])
    coordinates = {"stage": np.arange(given.sizes["point"]), "generation_family": family}
    given = given.assign_coords({name: ("point", values) for name, values in coordinates.items()})
    found = predicted.predict_left_out_models(given.expand_dims(modality=["vision"]))
    for model, of_model in FAMILIES.items():
        others = given.isel(point=np.flatnonzero(family != of_model))
        fitted = replace(fit_relation(others, 1 / 16), family_spread=predicted.FAMILY_SPREAD)
        own = given.isel(point=np.flatnonzero(given["generation_model"] == model))
        rows = found[found["generation_model"] == model]
        other_models = own["model_mean"].values
        np.testing.assert_allclose(rows["predicted"], fitted.line(other_models, 1 / 16))
        ends = fitted.interval(other_models, np.zeros(len(rows)), 1 / 16, own["human_n"].values)
        np.testing.assert_allclose(rows[["low", "high"]], ends)


def test_the_simulated_predictions_of_a_published_family_are_from_all_other_families(relation, monkeypatch):
    table, fits = read_recognition(PUBLISHED / "recognition_models.csv"), []
    fitted = published_relation(relation, "vision")
    monkeypatch.setattr(
        simulate_predicted,
        "fit_relation",
        lambda points, _: fits.append(set(points["generation_model"].values)) or fitted,
    )
    stages = simulate_predicted.published_stages(relation, table, "vision")
    simulate_predicted._left_out_families(stages, fitted.spread, "vision", [], 0, np.random.default_rng(0))
    of_family = table[table["modality"] == "vision"].groupby("family")["generation_model"].agg(set)
    assert fits == [set().union(*of_family.drop(family)) for family in of_family.index]


def test_intervals_cover_left_out_models_in_every_third_of_the_scale(left_out):
    found = coverage_by_third(left_out).set_index(["modality", "part"])
    for modality in GUESSING:
        for part in ("all", "lowest third", "highest third"):
            count, covered = found.loc[(modality, part), ["points", "covered"]]
            # The few families, of sounds two, make the coverage of a third uncertain.
            least, most = (0.9, 0.98) if part == "all" else (0.85, 1)
            assert least <= covered / count <= most, (modality, part)
    assert found["points"].unstack()[list(THIRDS)].sum(axis=1).to_dict() == {"vision": 148, "audio": 144}


def test_intervals_are_neither_empty_nor_the_whole_scale(left_out):
    width = left_out["high"] - left_out["low"]
    assert width.min() > 0.05
    assert width.median() < 0.25
    assert (left_out["low"] < left_out["predicted"]).all()
    assert (left_out["predicted"] < left_out["high"]).all()


def test_the_chosen_relation_has_the_best_score_for_left_out_models(scores):
    kept = predicted_candidates.KEPT
    assert predicted_candidates.candidate_table(scores)["both"].idxmax() == kept
    for modality, model in set(zip(scores["modality"], scores["generation_model"], strict=True)):
        rest = scores[(scores["modality"] != modality) | (scores["generation_model"] != model)]
        assert predicted_candidates.candidate_table(rest)["both"].idxmax() == kept, (modality, model)


def test_the_documentation_has_the_scores_of_the_candidates(root, scores):
    table = predicted_candidates.candidate_table(scores)
    text = (root / "docs" / "explanation" / "predicted_human.md").read_text(encoding="utf-8")
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0] in table.index:
            rows[cells[0]] = [float(cell.split(" ± ")[0].replace("−", "-")) for cell in cells[1:]]
    assert rows.keys() == set(table.index)
    for name, row in table.iterrows():
        expected = [row["vision"], row["audio"], row["both"], -row["less"]]
        np.testing.assert_allclose(rows[name], expected, atol=0.006)


def test_a_candidate_that_excludes_a_measured_mean_scores_lower():
    other = np.tile(np.linspace(0.1, 0.9, 6), 5)
    models = np.repeat(list("abcde"), 6)
    rng = np.random.default_rng(0)
    right, wrong = (points(other, curve.clip(0.01, 0.99), models) for curve in (other, 1 - other))
    right["human_mean"][:-1] = (right["human_mean"][:-1] + 0.02 * rng.standard_normal(30)).clip(0.01, 0.99)
    for name, make in predicted_candidates.CANDIDATES.items():
        cdf = make(right.isel(point=slice(-1)), 1 / 16)
        given = other, np.full(30, 20.0)
        within = [
            cdf(one["human_mean"].values[:-1] + 0.005, *given) - cdf(one["human_mean"].values[:-1] - 0.005, *given)
            for one in (right, wrong)
        ]
        assert np.log(within[0] + 1e-9).mean() > np.log(within[1] + 1e-9).mean() + 1, name
        ends = cdf(np.zeros(30), *given), cdf(np.ones(30), *given)
        np.testing.assert_allclose(ends, [np.zeros(30), np.ones(30)], atol=1e-6, err_msg=name)


def test_calibration_contains_areas_and_errors(left_out):
    curves = measured_curves(read_results(PUBLISHED / "group_results.csv", COLUMNS))
    found = predicted.calibration(left_out, curves, curve_area)
    assert len(found) == 20 + 17
    own = left_out[left_out["generation_model"] == "VGG-19"]
    row = found.set_index("generation_model").loc["VGG-19"]
    assert row["left_out_error"] == pytest.approx((own["predicted"] - own["human"]).abs().mean())
    assert row["low"] < row["left_out_area"] < row["high"]


def test_coverage_by_third_of_a_small_example():
    table = pd.DataFrame(
        {"modality": "vision", "human": [0.1, 0.2, 0.5, 0.9, 1.0], "low": [0, 0.3, 0, 0.8, 0.9], "high": [1.0] * 5}
    )
    found = coverage_by_third(table)
    assert found["points"].tolist() == [5, 2, 1, 2]
    assert found["covered"].tolist() == [4, 1, 1, 2]


# Predictions of a run


STIMULI = 400


@pytest.fixture
def recognizable():
    """Three vision models: a ResNet, a network of a new family, and one that only a sibling judged."""
    coords = {"generation_model": ["x", "y", "z"], "stage": ["natural", "one", "two"]}
    others = xr.DataArray([[1, 0.8, 0.3], [1, 0, np.nan], [1, 0.8, 0.3]], coords=coords, dims=list(coords)).astype(
        float
    )
    found = proportion_interval(others.values, STIMULI)
    ends = {"_standard_error": found.standard_error, "_low": found.low, "_high": found.high}
    asked = np.array([[0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 1]])
    return xr.Dataset(
        {
            "other_models": others,
            **{f"other_models{end}": (others.dims, values) for end, values in ends.items()},
            "stage_number": (list(coords), [[0, 1, 2], [0, 1, 2], [0, 1, 2]]),
            "n": ((*coords, "recognition_model"), STIMULI * np.repeat(asked[:, None], 3, axis=1)),
            "generation_family": ("generation_model", ["resnet", "new", "lite"]),
            "recognition_family": ("recognition_model", ["resnet", "resnet", "alexnet", "vgg19", "lite"]),
        },
        coords={"recognition_model": ["x", "r", "a", "v", "l"]},
    )


@pytest.mark.parametrize("modality", GUESSING)
def test_a_run_s_prediction_varies_over_models_stages_and_families(relation, modality):
    """The log odds have the sum of the three variances where the parameters and the answers of models are certain."""
    fitted, chance = published_relation(relation, modality), GUESSING[modality]
    certain = replace(fitted, covariance=np.zeros_like(fitted.covariance))
    rates = np.array([0.3, 0.5, 0.8])
    means = certain.expected(chance + (1 - chance) * rates, np.zeros(3), chance)
    between, within = predicted.spreads(fitted.parameters[2:], rates)
    deviation = np.sqrt(between**2 + within**2 + predicted.FAMILY_SPREAD**2)
    np.testing.assert_allclose(logit(above_chance(means, chance)).std(axis=1), deviation, rtol=0.01)


def test_a_run_s_prediction_depends_on_which_recognition_models_were_asked(recognizable, relation, tmp_path):
    found = predicted.predicted_human(recognizable, relation, dict.fromkeys("xyz", "vision"), dict.fromkeys("xyz", 19))
    assert found["stage"].values.tolist() == ["one", "two"]
    for name in ("predicted", "low", "high"):
        assert np.isfinite(found[name]).values.tolist() == [[True, True], [False, False], [False, False]]
    known = found.sel(generation_model="x")
    assert (known["low"] < known["predicted"]).all()
    assert (known["predicted"] < known["high"]).all()
    fitted = published_relation(relation, "vision")
    sampling = fitted.spread.sampling({"resnet": 1, "alexnet": 1, "vgg19": 1}, "resnet")
    seen = proportion_interval(np.array([0.8, 0.3]), STIMULI)
    expected = predict_human(seen, fitted, 1 / 19, sampling)
    np.testing.assert_allclose(known[["predicted", "low", "high"]].to_array().values.T, expected)
    assert (np.ptp(expected, axis=1) > 1.05 * np.ptp(predict_human(seen, fitted, 1 / 19), axis=1)).all()
    predictable, (rarely_recognized, not_judged), own_family = found["reason"].values.tolist()
    assert predictable == ["", ""]
    assert re.search("0%.*at least 6%", rarely_recognized)
    assert not_judged == predicted.NOT_JUDGED
    assert all("1 recognition model" in reason for reason in own_family)
    files.save(found, tmp_path / "p.nc", title="", source="", step="test", run="test", seed=0, inputs=[])
    again = files.load(tmp_path / "p.nc")
    assert files.content_sha256(again) == again.attrs["content_sha256"]


def test_more_stimuli_and_further_families_narrow_the_planned_prediction(recognizable, relation):
    fitted = published_relation(relation, "vision")
    of_model = recognizable.sel(generation_model="x", stage=["one", "two"])
    width = {
        (stimuli, further): np.ptp(
            predicted.predict_run_model(of_model, fitted, 1 / 19, stimuli, further)[:, 1:], axis=1
        )
        for stimuli in (12, 400, 10**6)
        for further in (0, 3)
    }
    assert (width[400, 0] < width[12, 0]).all()
    assert (width[10**6, 3] < width[10**6, 0]).all()
    # More stimuli alone never remove the spread of recognition models.
    exact = predict_human(Interval(np.array([0.8, 0.3]), *np.zeros((3, 2))), fitted, 1 / 19)
    assert (width[10**6, 0] > np.ptp(exact[:, 1:], axis=1)).all()


def test_the_reliability_diagram_counts_the_intervals(left_out):
    names = {"generation_model": "model"}
    columns = {f"left_out_{names.get(name, name)}": ("left_out_point", left_out[name].to_numpy()) for name in left_out}
    figure = reliability_figure(xr.Dataset(columns))
    labels = [label.get_text() for axes in figure.axes for label in axes.get_xticklabels()]
    for row in coverage_by_third(left_out).itertuples():
        assert any(label.endswith(f"{row.covered} of {row.points}") for label in labels)
    assert svg(figure).startswith(b"<?xml")
