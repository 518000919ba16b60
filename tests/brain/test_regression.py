"""Simulated brains: the regression finds the generating stage, and noise does not lower the corrected variance."""

import re

import numpy as np
import pytest

from metamers.brain import activations as brain_activations
from metamers.brain import explained_variance
from metamers.brain import group_level as brain_group_level
from metamers.brain import regression as brain
from metamers.brain import reliability as brain_reliability
from metamers.brain import responses as brain_responses
from metamers.brain import ridge as brain_ridge
from metamers.brain import simulate as brain_simulate
from metamers.report.brain import brain_context, brain_figure, brain_findings
from metamers.report.looks import looks_of

RNG = np.random.default_rng(0)
NAMES = [f"sound_{n}" for n in range(60)]


def stages():
    """Features of three stages that are not linear functions of each other."""
    first = RNG.standard_normal((60, 30))
    second = np.maximum(first @ RNG.standard_normal((30, 40)), 0)
    third = np.maximum(second @ RNG.standard_normal((40, 25)) - 10, 0)
    return {"early": first, "middle": second, "late": third}


@pytest.mark.parametrize("true", ["early", "middle", "late"])
def test_the_regression_finds_the_generating_stage(true):
    activations = brain_activations.activations_dataset(stages(), NAMES)
    made = brain_simulate.simulated_brain(
        brain_activations.features_by_stage(activations)[true],
        NAMES,
        participants=3,
        voxels=6,
        repetitions=3,
        noise=1,
        seed=0,
    )
    found = brain.regression(activations, made[::-1], count=4, shuffles=0, seed=0)
    assert (found["best_stage"] == true).all()
    np.testing.assert_array_equal(found["best_stage_r2"], found["voxels_r2"].sel(stage=true))
    assert (found["signed_best_stage"] == true).all()
    np.testing.assert_array_equal(found["signed_best_stage_r2"], found["voxels_signed_r2"].sel(stage=true))


def test_features_of_sounds_are_averaged_over_time_where_there_is_a_time_axis():
    values = RNG.standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(brain_activations.features(values, "audio"), values.mean(3).reshape(2, 12))
    np.testing.assert_allclose(brain_activations.features(values, "vision"), values.reshape(2, 60))
    assert brain_activations.features(values[:, :, 0, 0], "audio").shape == (2, 3)


def test_features_of_each_stage_are_restored():
    given = stages()
    back = brain_activations.features_by_stage(brain_activations.activations_dataset(given, NAMES))
    assert list(back) == list(given)
    for stage, values in given.items():
        np.testing.assert_array_equal(back[stage], values)


def test_the_minimum_reliability_is_the_study_s():
    assert brain_reliability.minimum_reliability(83) == pytest.approx(0.182, abs=5e-4)
    assert brain_reliability.minimum_reliability(82) == pytest.approx(0.183, abs=5e-4)


def test_reliability_is_that_of_the_mean_of_repetitions():
    """With a signal of variance 1 and noise of variance σ², the mean of n repetitions has reliability 1 / (1 + σ² / n)."""
    signal = RNG.standard_normal((20_000, 2, 1))
    repeated = signal + np.sqrt(2) * RNG.standard_normal((20_000, 2, 3))
    np.testing.assert_allclose(brain_reliability.reliability(repeated), 1 / (1 + 2 / 3), atol=0.02)
    noise = brain_reliability.reliability(RNG.standard_normal((83, 200, 3)))
    assert (noise >= brain_reliability.minimum_reliability(83)).all()


def test_two_repetitions_that_contradict_each_other_count_as_chance():
    one = RNG.standard_normal((83, 1))
    repeated = np.stack([one, -one], axis=2)
    np.testing.assert_allclose(brain_reliability.reliability(repeated), brain_reliability.minimum_reliability(83))


def left_out_squares(features, responses, parameters):
    """Squared errors (parameter, response) of stimuli that are left out one by one, each with a regression of its own."""
    squares = np.zeros((len(parameters), responses.shape[1]))
    for left in range(len(features)):
        kept = np.arange(len(features)) != left
        middle, mean = features[kept].mean(0), responses[kept].mean(0)
        u, lengths, directions = np.linalg.svd(features[kept] - middle, full_matrices=False)
        used = lengths > 1e-12 * lengths[0]
        inside, outside = u.T @ (responses[kept] - mean), (features[left] - middle) @ directions.T
        gains = np.where(used, lengths, 0) / (np.square(lengths) + np.asarray(parameters)[:, None])
        squares += np.square(responses[left] - mean - (outside * gains) @ inside)
    return squares


def places_of(values, ordered):
    """Return the position of each value in an ordered list that contains it."""
    return np.abs(np.log(ordered)[:, None] - np.log(values)).argmin(0)


@pytest.mark.parametrize("units", [5, 400])
@pytest.mark.parametrize("mean", [0, 10])
@pytest.mark.parametrize("scale", [1e-4, 1, 1e4])
def test_leave_one_out_chooses_the_ridge_parameter_of_each_response(scale, mean, units):
    """Also with more units than stimuli, where residuals vanish as the penalty does and only their quotients do not."""
    rng = np.random.default_rng(0)
    few = rng.standard_normal((24, 4)) @ rng.standard_normal((4, units))
    features = scale * (mean + few + 10.0 ** -rng.uniform(0, 4) * rng.standard_normal((24, units)))
    responses = 5 + (few @ rng.standard_normal((units, 8))) * 0.1 ** np.arange(8) + rng.standard_normal((24, 8))
    inside, _ = brain_ridge.project_to_span(features, features)
    squares = left_out_squares(inside, responses, brain_ridge.RIDGE_PARAMETERS)
    _, chosen = brain_ridge.ridge(features, responses, features)
    own = squares[places_of(chosen, brain_ridge.RIDGE_PARAMETERS), np.arange(8)]
    np.testing.assert_array_less(own, squares.min(0) * (1 + 1e-6))
    # The shared penalty of signed values: the smallest error among its own candidates, the mean with them.
    span = brain_ridge.decompose(inside, inside)
    parameters = np.append(1e300, brain_ridge.RELATIVE_PARAMETERS * span.lengths[0] ** 2)
    gains = brain_ridge.ridge_gains(span, responses)
    with np.errstate(divide="ignore"):
        implied = np.minimum(span.lengths[0] / gains[0] - span.lengths[0] ** 2, 1e300)
    squares = left_out_squares(inside, responses, parameters)
    own = squares[places_of(implied, parameters), np.arange(8)]
    np.testing.assert_array_less(own, squares.min(0) * (1 + 1e-6))


@pytest.mark.parametrize("units", [5, 300])
def test_without_noise_a_linear_function_of_few_or_predictable_units_is_explained(units):
    shared = RNG.standard_normal((60, 5))
    values = shared @ RNG.standard_normal((5, units))
    made = brain_simulate.simulated_brain(values, NAMES, participants=2, voxels=4, repetitions=2, noise=0, seed=1)
    found = brain.regression(
        brain_activations.activations_dataset({"only": values}, NAMES), made, count=3, shuffles=0, seed=1
    )
    np.testing.assert_allclose(found["r2_corrected"], 1, atol=1e-4)
    np.testing.assert_allclose(found["signed_r2_corrected"], 1, atol=1e-4)
    assert (found["signed_r2_corrected"] <= 1).all()


def test_the_correction_removes_the_effect_of_noise():
    """The explained variance of a predictable signal falls with noise; corrected, its median stays near 1."""
    values = np.random.default_rng(3).standard_normal((60, 3))
    activations = brain_activations.activations_dataset({"only": values}, NAMES)
    made = brain_simulate.simulated_brain(values, NAMES, participants=6, voxels=10, repetitions=3, noise=1.5, seed=2)
    found = brain.regression(activations, made, count=5, shuffles=0, seed=0)
    assert 0.85 < found["voxels_r2"].values.mean() < 1.15
    found = found.isel(stage=0)
    assert float(found["signed_r2"]) == pytest.approx(float(found["noiseless_voxels_r2"].mean()), abs=0.05)
    # Single values are clipped at the ceiling. The interval has the width of unclipped values, and ends at the ceiling.
    assert (found["signed_r2_corrected"] <= 1).all()
    assert 0.5 < float(found["signed_r2_low"]) < 0.99
    assert float(found["signed_r2_high"]) == 1
    train = brain.random_halves(60, 1, 0)[0]
    predicted, _ = brain_ridge.ridge(values[train], made.values.mean(2)[train], values[~train])
    plain = np.median(brain_reliability.correlate(predicted, made.values.mean(2)[~train]) ** 2)
    assert plain < 0.65


def test_a_voxel_of_noise_is_not_explained():
    made = brain_simulate.simulated_brain(RNG.standard_normal((60, 8)), NAMES, 2, 30, 3, noise=0, seed=3)
    made[:] = RNG.standard_normal(made.shape)
    found = brain.regression(
        brain_activations.activations_dataset({"only": RNG.standard_normal((60, 8))}, NAMES),
        made,
        count=4,
        shuffles=0,
        seed=0,
    )
    assert (found["voxels_r2"] < 0.35).all()


def test_squared_correlations_of_unrelated_stages_are_biased_and_signed_ones_are_not():
    """The means are over voxels and splits of twenty simulated brains."""
    squared, signed = [], []
    for _ in range(20):
        made = brain_simulate.simulated_brain(
            RNG.standard_normal((24, 8)), NAMES[:24], 2, 20, 3, noise=1, seed=int(RNG.integers(99))
        )
        activations = brain_activations.activations_dataset({"other": RNG.standard_normal((24, 8))}, NAMES[:24])
        found = brain.regression(activations, made, count=3, shuffles=0, seed=int(RNG.integers(99)))
        squared.append(float(found["r2_corrected"].mean()))
        signed.append(float(found["signed_r2_corrected"].mean()))
    assert np.mean(squared) > 0.1
    assert abs(np.mean(signed)) < 0.04


def test_single_repetitions_are_predicted_by_ridge_with_the_penalty_of_their_mean():
    from sklearn.linear_model import Ridge, RidgeCV

    train, test = RNG.standard_normal((24, 40)), RNG.standard_normal((20, 40))
    responses = (train[:, :5] @ RNG.standard_normal((5, 7)))[:, None] + RNG.standard_normal((24, 3, 7))
    span = brain_ridge.decompose(*brain_ridge.project_to_span(train, test))
    gains = brain_ridge.ridge_gains(span, responses.mean(axis=1))
    found = brain_ridge.predict(span, responses, gains)
    np.testing.assert_allclose(
        brain_ridge.predict(span, responses.mean(axis=1, keepdims=True), gains)[:, 0], found.mean(axis=1)
    )
    parameters = brain_ridge.RELATIVE_PARAMETERS * span.lengths[0] ** 2
    fitted = RidgeCV(alphas=parameters, alpha_per_target=True, gcv_mode="eigen").fit(train, responses.mean(axis=1))
    for response, parameter in enumerate(fitted.alpha_):
        of_all = Ridge(parameter, solver="svd").fit(train, responses[:, :, response])
        np.testing.assert_allclose(
            found[:, :, response], of_all.predict(test) - of_all.intercept_ - train.mean(0) @ of_all.coef_.T, atol=1e-8
        )


def test_responses_that_features_do_not_predict_are_predicted_by_the_mean():
    """Leave-one-out then chooses the mean, so that the prediction is constant and the value 0."""
    inside = np.arange(6.0)[:, None]
    responses = np.array([1.0, -1, 1, -1, 1, -1])[:, None, None] + np.zeros((1, 2, 1))
    span = brain_ridge.decompose(inside, inside)
    assert not brain_ridge.ridge_gains(span, responses.mean(axis=1)).any()
    assert explained_variance.signed_r2(span, responses, responses.mean(axis=1), np.ones(1)) == 0


def test_a_prediction_of_the_wrong_sign_is_negative():
    inside, responses = np.arange(8.0)[:, None], np.arange(8.0)[:, None, None] + np.zeros((1, 2, 1))
    span = brain_ridge.decompose(inside, inside)
    assert explained_variance.signed_r2(span, responses, responses[:, 0], np.ones(1)) == pytest.approx(1)
    assert explained_variance.signed_r2(span, responses, -responses[:, 0], np.ones(1)) == pytest.approx(-1)
    assert explained_variance.signed_r2(span, responses, responses[:, 0], np.full(1, 0.5)) == pytest.approx(2)


def test_shuffling_moves_all_voxels_and_repetitions_of_a_stimulus_together(monkeypatch):
    """Each order alone gives the same result as all orders together, in blocks of any size."""
    measured = RNG.standard_normal((16, 2, 3)) + RNG.standard_normal((16, 1, 1))
    chosen = brain.random_halves(16, 1, 0)[0]
    values = RNG.standard_normal((16, 5))
    span = brain_ridge.decompose(*brain_ridge.project_to_span(values[chosen], values[~chosen]))
    drawn = brain.random_orders(16, 4, 0)
    np.testing.assert_array_equal(drawn[0], np.arange(16))
    assert len({tuple(row) for row in drawn}) == 5
    found = explained_variance.shuffled_r2(span, measured, chosen, drawn, np.full(3, 0.9))
    for order, row in zip(drawn, found, strict=True):
        moved = measured[order]
        one = explained_variance.signed_r2(span, moved[chosen], moved[~chosen].mean(axis=1), np.full(3, 0.9))
        np.testing.assert_allclose(row, one, atol=1e-12)
    monkeypatch.setattr(explained_variance, "BLOCK", 2 * measured.size)
    np.testing.assert_allclose(
        explained_variance.shuffled_r2(span, measured, chosen, drawn, np.full(3, 0.9)), found, atol=1e-12
    )


def test_p_counts_the_shuffles_with_at_least_the_value():
    shuffled = np.arange(19.0)[:, None] + np.zeros(3)
    assert brain_group_level.shuffle_p(np.array([18.5, 18, 0]), shuffled).tolist() == [0.05, 0.1, 1]


def test_the_interval_is_over_participants_and_stimuli():
    """With 48 stimuli in two halves, the factor of the variance over splits is 1/J + 1."""
    import scipy.stats

    values, splits_of = np.array([0.1, 0.2, 0.3, 0.2]), np.array([0.15, 0.2, 0.25])
    half = scipy.stats.t.ppf(0.975, 3) * np.sqrt(values.var(ddof=1) / 4 + (1 / 3 + 1) * splits_of.var(ddof=1))
    assert brain_group_level.interval_half_width(values, splits_of, 48) == pytest.approx(half)
    assert np.isnan(brain_group_level.interval_half_width(values, splits_of[:1], 48))


def test_shuffled_stimuli_are_a_baseline_that_a_stage_must_exceed():
    given = stages()
    made = brain_simulate.simulated_brain(
        given["middle"], NAMES, participants=3, voxels=6, repetitions=3, noise=1, seed=0
    )
    activations = brain_activations.activations_dataset(
        {"middle": given["middle"], "other": RNG.standard_normal((60, 40))}, NAMES
    )
    found = brain.regression(activations, made, count=3, shuffles=19, seed=0)
    assert found["shuffled_voxels_signed_r2"].sizes == {"shuffle": 19, "participant": 3, "stage": 2}
    p = found["p_shuffled"].to_series()
    assert p["middle"] == float(found["best_p_shuffled"]) == 0.05
    assert p["other"] > 0.05
    low, high = found["shuffled_voxels_signed_r2"].mean("participant").quantile([0, 1], "shuffle").values
    assert (low <= 0).all()
    assert high.max() < float(found["signed_r2"][0])


def test_the_value_without_noise_is_known_for_simulated_brains_only():
    values = RNG.standard_normal((60, 20))
    made = brain_simulate.simulated_brain(values, NAMES, 2, 4, 2, noise=0.5, seed=0)
    activations = brain_activations.activations_dataset({"only": values}, NAMES)
    assert "noiseless_voxels_r2" in brain.regression(activations, made, count=2, shuffles=0, seed=0)
    measured = made.drop_vars("noiseless_response")
    assert "noiseless_voxels_r2" not in brain.regression(activations, measured, count=2, shuffles=0, seed=0)


def test_splits_are_independent_random_halves():
    chosen = brain.random_halves(165, 10, 0)
    assert (chosen.sum(1) == 83).all()
    assert len({row.tobytes() for row in chosen}) == 10
    np.testing.assert_array_equal(chosen, brain.random_halves(165, 10, 0))


def test_a_simulated_voxel_has_the_given_noise():
    made = brain_simulate.simulated_brain(RNG.standard_normal((4000, 6)), range(4000), 2, 3, 4, noise=0.5, seed=0)
    assert made.sizes == {"stimulus": 4000, "voxel": 6, "repetition": 4}
    np.testing.assert_allclose(made.std("stimulus"), np.sqrt(1.25), rtol=0.05)
    np.testing.assert_allclose(
        (made - made.mean("repetition")).std(("stimulus", "repetition")), 0.5 * np.sqrt(0.75), rtol=0.05
    )


def test_a_stage_is_chosen_from_the_other_participants():
    """The stage with the highest mean of the others differs from the third participant's own best stage."""
    values = np.array([[0.1, 0.5], [0.2, 0.6], [0.9, 0.3]])
    own, chosen = brain_group_level.best_stage_left_out(values)
    assert chosen.tolist() == [0, 0, 1]
    assert own.tolist() == [0.1, 0.2, 0.3]


def test_choosing_from_the_other_participants_does_not_profit_from_noise():
    """For stages of value 0, the participant's own best stage is above 0 on average; that of the others is not."""
    noise = RNG.standard_normal((400, 8, 5))
    assert noise.max(axis=2).mean() > 1
    chosen = [brain_group_level.best_stage_left_out(one)[0].mean() for one in noise]
    assert abs(np.mean(chosen)) < 0.1


def test_a_participant_without_a_value_is_left_out():
    own, chosen = brain_group_level.best_stage_left_out(np.array([[np.nan, 0.5], [0.2, 0.6], [0.9, 0.3]]))
    assert chosen.tolist() == [0, 0, 1]
    assert np.isnan(own[0])


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.ones((1, 3)), r"\(1, 3\)"), (np.ones(3), r"\(3,\)"), (np.full((2, 2), np.nan), r"^(?!.*\(2, 2\)).*\bstage\b")],
)
def test_a_stage_cannot_be_chosen_without_others(values, message):
    with pytest.raises(ValueError, match=message):
        brain_group_level.best_stage_left_out(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made.isel(stimulus=slice(2, None)), "2 of 60 .*: sound_0, sound_1"),
        (lambda made: made.where(made["stimulus"] != "sound_3"), "NaN"),
        (lambda made: made.isel(repetition=[0]), "repetition"),
        (lambda made: made.isel(voxel=[0]), "participant"),
    ],
)
def test_insufficient_responses_are_refused_with_the_reason(change, message):
    made = brain_simulate.simulated_brain(RNG.standard_normal((60, 3)), NAMES, 2, 2, 2, noise=1, seed=0)
    brain_responses.check_responses(made, NAMES)
    with pytest.raises(ValueError, match=message):
        brain_responses.check_responses(change(made), NAMES)


def test_a_constant_prediction_has_correlation_0():
    assert brain_reliability.correlate(np.ones((5, 1)), RNG.standard_normal((5, 1))) == 0


@pytest.mark.parametrize("simulated", ["", "middle of net"])
def test_the_report_says_whether_voxels_were_measured(simulated):
    values = stages()
    made = brain_simulate.simulated_brain(
        values["middle"], NAMES, participants=3, voxels=4, repetitions=2, noise=0.5, seed=0
    )
    if not simulated:
        made = made.drop_vars("noiseless_response")
    found = brain.regression(brain_activations.activations_dataset(values, NAMES), made, count=2, shuffles=19, seed=0)
    found.attrs = {"simulated": simulated}
    context = brain_context({"net": found})
    (row,) = context["table"]["rows"]
    assert len(row) == len(context["table"]["head"]) == 6 + bool(simulated)
    assert (row[0], row[1], row[-1]) == ("net", "middle (3)", "3")
    value, low, high = (float(found[f"best_signed_r2{end}"]) for end in ("", "_low", "_high"))
    assert row[2] == f"{value:.2f} ({low:.2f} to {high:.2f})"
    (sentence,) = brain_findings({"worse": found.assign(best_signed_r2=value / 2), "net": found})
    assert re.search(rf"\b2 models, net .*{re.escape(row[2])}, 3 participants.*p = 0\.05", sentence)
    assert ("simulated" in sentence) == bool(simulated)
    (alone,) = brain_findings({"net": found})
    (unclear,) = brain_findings({"net": found.assign(best_p_shuffled=0.2)})
    assert "p = 0.2" in unclear
    # Not the number alone: at 0.05 the voxels are predicted better than for shuffled stimuli, at 0.2 they are not.
    assert unclear != alone.replace("p = 0.05", "p = 0.2")
    assert [row[:2] for row in context["stages"]["rows"]] == [["net", str(stage)] for stage in found["stage"].values]
    middle = found.sel(stage="middle")
    value, low, high = (float(middle[f"signed_r2{end}"]) for end in ("", "_low", "_high"))
    expected = ["net", "middle", f"{value:.2f} ({low:.2f} to {high:.2f})", f"{float(middle['p_shuffled']):.2g}"]
    assert expected in context["stages"]["rows"]
    assert (context["training"], context["shuffles"], context["voxels"]) == (30, 19, 12)
    assert bool(context["generating"]) == bool(simulated)
    if simulated:
        clean = float(found["noiseless_voxels_r2"].sel(stage="middle").mean())
        assert re.search(rf"\b30 training .* {clean:.2f}", context["generating"])
    title = brain_figure({"net": found}, looks_of(["net"])).get_suptitle()
    assert title.startswith("SIMULATED") == bool(simulated)


def test_ridge_in_the_span_of_the_features_equals_ridge_on_all_features():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(5)
    train, test = rng.normal(size=(24, 400)), rng.normal(size=(20, 400))
    responses = train[:, :30] @ rng.normal(size=(30, 4)) + rng.normal(size=(24, 4))
    predicted, parameters = brain_ridge.ridge(train, responses, test)

    candidates = 10.0 ** np.arange(-6, 20)
    squares = left_out_squares(train, responses, candidates)
    for response, parameter in enumerate(parameters):
        own = left_out_squares(train, responses, [parameter])[0, response]
        assert own == pytest.approx(squares[:, response].min(), rel=1e-6)
        whole = Ridge(parameter, solver="svd").fit(train, responses[:, response])
        np.testing.assert_allclose(predicted[:, response], whole.predict(test), rtol=1e-6)


def test_features_that_do_not_vary_predict_the_mean():
    responses = np.arange(12.0).reshape(6, 2)
    predicted, _ = brain_ridge.ridge(np.ones((6, 3)), responses, np.ones((4, 3)))
    np.testing.assert_allclose(predicted, np.broadcast_to(responses.mean(axis=0), (4, 2)))
