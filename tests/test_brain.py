"""A brain of which the answer is known: the regression finds it, and noise does not make it look worse predicted."""

import numpy as np
import pytest

from metamers import brain
from metamers.report_brain import brain_context, brain_figure

RNG = np.random.default_rng(0)
NAMES = [f"sound_{n}" for n in range(60)]


def stages():
    """Three stages that are not linear functions of each other."""
    first = RNG.standard_normal((60, 30))
    second = np.maximum(first @ RNG.standard_normal((30, 40)), 0)
    third = np.maximum(second @ RNG.standard_normal((40, 25)) - 10, 0)
    return {"early": first, "middle": second, "late": third}


@pytest.mark.parametrize("true", ["early", "middle", "late"])
def test_the_regression_finds_the_stage_that_a_brain_was_made_from(true):
    activations = brain.joined(stages(), NAMES)
    made = brain.simulated(
        brain.by_stage(activations)[true], NAMES, participants=3, voxels=6, repetitions=3, noise=1, seed=0
    )
    found = brain.regression(activations, made[::-1], count=4, shuffles=0, seed=0)
    assert (found["best_stage"] == true).all()
    np.testing.assert_array_equal(found["best_stage_r2"], found["voxels_r2"].sel(stage=true))
    assert (found["signed_best_stage"] == true).all()
    np.testing.assert_array_equal(found["signed_best_stage_r2"], found["voxels_signed_r2"].sel(stage=true))


def test_features_of_sounds_are_averaged_over_time_only_where_they_have_it():
    values = RNG.standard_normal((2, 3, 4, 5))
    np.testing.assert_allclose(brain.features(values, "audio"), values.mean(3).reshape(2, 12))
    np.testing.assert_allclose(brain.features(values, "vision"), values.reshape(2, 60))
    assert brain.features(values[:, :, 0, 0], "audio").shape == (2, 3)


def test_features_come_back_stage_by_stage():
    given = stages()
    back = brain.by_stage(brain.joined(given, NAMES))
    assert list(back) == list(given)
    for stage, values in given.items():
        np.testing.assert_array_equal(back[stage], values)


def test_the_least_reliability_is_the_study_s():
    assert brain.least_reliability(83) == pytest.approx(0.182, abs=5e-4)
    assert brain.least_reliability(82) == pytest.approx(0.183, abs=5e-4)


def test_reliability_is_that_of_the_mean_of_repetitions():
    """Of signal and noise of variance 1 and σ², the mean of n has reliability 1 / (1 + σ² / n)."""
    signal = RNG.standard_normal((20_000, 2, 1))
    repeated = signal + np.sqrt(2) * RNG.standard_normal((20_000, 2, 3))
    np.testing.assert_allclose(brain.reliability(repeated), 1 / (1 + 2 / 3), atol=0.02)
    noise = brain.reliability(RNG.standard_normal((83, 200, 3)))
    assert (noise >= brain.least_reliability(83)).all()


def test_two_repetitions_that_contradict_each_other_count_as_chance():
    one = RNG.standard_normal((83, 1))
    repeated = np.stack([one, -one], axis=2)
    np.testing.assert_allclose(brain.reliability(repeated), brain.least_reliability(83))


def test_the_ridge_parameter_is_chosen_by_leave_one_out():
    """Against the definition, on a few parameters; each response has its own."""
    features, responses = RNG.standard_normal((12, 5)), RNG.standard_normal((12, 2))
    responses[:, 0] += 3 * features[:, 0]
    _, chosen = brain.ridge(features, responses, features)
    squares = np.empty((len(brain.RIDGE_PARAMETERS), 2))
    for n, parameter in enumerate(brain.RIDGE_PARAMETERS):
        errors = []
        for left in range(12):
            kept = np.arange(12) != left
            middle, mean = features[kept].mean(0), responses[kept].mean(0)
            x = features[kept] - middle
            weights = np.linalg.lstsq(
                np.vstack([x, np.sqrt(parameter) * np.eye(5)]), np.vstack([responses[kept] - mean, np.zeros((5, 2))])
            )[0]
            errors.append(responses[left] - mean - (features[left] - middle) @ weights)
        squares[n] = np.square(errors).sum(0)
    for response in range(2):
        mine = squares[np.flatnonzero(chosen[response] == brain.RIDGE_PARAMETERS), response]
        assert mine <= squares[:, response].min() * (1 + 1e-6)


@pytest.mark.parametrize("units", [5, 300])
def test_without_noise_a_linear_function_of_few_or_predictable_units_is_explained(units):
    shared = RNG.standard_normal((60, 5))
    values = shared @ RNG.standard_normal((5, units))
    made = brain.simulated(values, NAMES, participants=2, voxels=4, repetitions=2, noise=0, seed=1)
    found = brain.regression(brain.joined({"only": values}, NAMES), made, count=3, shuffles=0, seed=1)
    np.testing.assert_allclose(found["r2_corrected"], 1, atol=1e-4)
    np.testing.assert_allclose(found["signed_r2_corrected"], 1, atol=1e-4)
    assert (found["signed_r2_corrected"] <= 1).all()


def test_the_correction_makes_up_for_noise():
    """Of the same predictable signal, explained variance falls with noise; corrected, its median stays near 1."""
    values = RNG.standard_normal((60, 3))
    activations = brain.joined({"only": values}, NAMES)
    made = brain.simulated(values, NAMES, participants=2, voxels=30, repetitions=3, noise=1.5, seed=2)
    found = brain.regression(activations, made, count=5, shuffles=0, seed=0)
    assert 0.85 < found["voxels_r2"].values.mean() < 1.15
    found = found.isel(stage=0)
    assert float(found["signed_r2"]) == pytest.approx(float(found["noiseless_voxels_r2"].mean()), abs=0.05)
    # Single values are clipped at the ceiling; the interval is not, and holds more than the ceiling.
    assert (found["signed_r2_corrected"] <= 1).all()
    assert 0.5 < float(found["signed_r2_low"]) < 0.99
    assert float(found["signed_r2_high"]) == 1
    train = brain.splits(60, 1, 0)[0]
    predicted, _ = brain.ridge(values[train], made.values.mean(2)[train], values[~train])
    plain = np.median(brain.correlate(predicted, made.values.mean(2)[~train]) ** 2)
    assert plain < 0.65


def test_a_voxel_of_noise_is_not_explained():
    made = brain.simulated(RNG.standard_normal((60, 8)), NAMES, 2, 30, 3, noise=0, seed=3)
    made[:] = RNG.standard_normal(made.shape)
    found = brain.regression(
        brain.joined({"only": RNG.standard_normal((60, 8))}, NAMES), made, count=4, shuffles=0, seed=0
    )
    assert (found["voxels_r2"] < 0.35).all()


def test_a_squared_correlation_reads_above_0_where_a_signed_one_reads_0():
    """Of stages that have nothing to do with the voxels, over voxels and splits of twenty brains."""
    squared, signed = [], []
    for _ in range(20):
        made = brain.simulated(RNG.standard_normal((24, 8)), NAMES[:24], 2, 20, 3, noise=1, seed=int(RNG.integers(99)))
        activations = brain.joined({"other": RNG.standard_normal((24, 8))}, NAMES[:24])
        found = brain.regression(activations, made, count=3, shuffles=0, seed=int(RNG.integers(99)))
        squared.append(float(found["r2_corrected"].mean()))
        signed.append(float(found["signed_r2_corrected"].mean()))
    assert np.mean(squared) > 0.1
    assert abs(np.mean(signed)) < 0.04


def test_predictions_of_single_repetitions_are_those_of_ridge_with_the_parameter_of_their_mean():
    from sklearn.linear_model import Ridge, RidgeCV

    train, test = RNG.standard_normal((24, 40)), RNG.standard_normal((20, 40))
    responses = (train[:, :5] @ RNG.standard_normal((5, 7)))[:, None] + RNG.standard_normal((24, 3, 7))
    span = brain.decomposed(*brain.spanned(train, test))
    gains = brain.chosen_gains(span, responses.mean(axis=1))
    found = brain.predictions(span, responses, gains)
    np.testing.assert_allclose(
        brain.predictions(span, responses.mean(axis=1, keepdims=True), gains)[:, 0], found.mean(axis=1)
    )
    parameters = brain.RELATIVE_PARAMETERS * span.lengths[0] ** 2
    fitted = RidgeCV(alphas=parameters, alpha_per_target=True, gcv_mode="eigen").fit(train, responses.mean(axis=1))
    for response, parameter in enumerate(fitted.alpha_):
        of_all = Ridge(parameter, solver="svd").fit(train, responses[:, :, response])
        np.testing.assert_allclose(
            found[:, :, response], of_all.predict(test) - of_all.intercept_ - train.mean(0) @ of_all.coef_.T, atol=1e-8
        )


def test_responses_that_features_do_not_predict_are_predicted_by_the_mean():
    """Leave-one-out prefers the mean to any weight, so that the prediction does not vary and the value is 0."""
    inside = np.arange(6.0)[:, None]
    responses = np.array([1.0, -1, 1, -1, 1, -1])[:, None, None] + np.zeros((1, 2, 1))
    span = brain.decomposed(inside, inside)
    assert not brain.chosen_gains(span, responses.mean(axis=1)).any()
    assert brain.signed_r2(span, responses, responses.mean(axis=1), np.ones(1)) == 0


def test_a_prediction_of_the_wrong_sign_is_negative():
    inside, responses = np.arange(8.0)[:, None], np.arange(8.0)[:, None, None] + np.zeros((1, 2, 1))
    span = brain.decomposed(inside, inside)
    assert brain.signed_r2(span, responses, responses[:, 0], np.ones(1)) == pytest.approx(1)
    assert brain.signed_r2(span, responses, -responses[:, 0], np.ones(1)) == pytest.approx(-1)
    assert brain.signed_r2(span, responses, responses[:, 0], np.full(1, 0.5)) == pytest.approx(2)


def test_shuffling_keeps_what_belongs_to_one_stimulus_together(monkeypatch):
    """Every order by itself gives what all give together, in blocks of any size."""
    measured = RNG.standard_normal((16, 2, 3)) + RNG.standard_normal((16, 1, 1))
    chosen = brain.splits(16, 1, 0)[0]
    values = RNG.standard_normal((16, 5))
    span = brain.decomposed(*brain.spanned(values[chosen], values[~chosen]))
    drawn = brain.orders(16, 4, 0)
    np.testing.assert_array_equal(drawn[0], np.arange(16))
    assert len({tuple(row) for row in drawn}) == 5
    found = brain.shuffled_r2(span, measured, chosen, drawn, np.full(3, 0.9))
    for order, row in zip(drawn, found, strict=True):
        moved = measured[order]
        one = brain.signed_r2(span, moved[chosen], moved[~chosen].mean(axis=1), np.full(3, 0.9))
        np.testing.assert_allclose(row, one, atol=1e-12)
    monkeypatch.setattr(brain, "BLOCK", 2 * measured.size)
    np.testing.assert_allclose(brain.shuffled_r2(span, measured, chosen, drawn, np.full(3, 0.9)), found, atol=1e-12)


def test_p_counts_the_shuffles_that_reach_the_value():
    shuffled = np.arange(19.0)[:, None] + np.zeros(3)
    assert brain.exceeded(np.array([18.5, 18, 0]), shuffled).tolist() == [0.05, 0.1, 1]


def test_the_interval_is_over_participants_and_stimuli():
    """Of 48 stimuli in two halves the variance over splits counts 1/J + 1 times."""
    import scipy.stats

    values, splits_of = np.array([0.1, 0.2, 0.3, 0.2]), np.array([0.15, 0.2, 0.25])
    half = scipy.stats.t.ppf(0.975, 3) * np.sqrt(values.var(ddof=1) / 4 + (1 / 3 + 1) * splits_of.var(ddof=1))
    assert brain.half_interval(values, splits_of, 48) == pytest.approx(half)
    assert np.isnan(brain.half_interval(values, splits_of[:1], 48))


def test_shuffled_stimuli_are_a_baseline_that_a_stage_must_exceed():
    given = stages()
    made = brain.simulated(given["middle"], NAMES, participants=3, voxels=6, repetitions=3, noise=1, seed=0)
    activations = brain.joined({"middle": given["middle"], "other": RNG.standard_normal((60, 40))}, NAMES)
    found = brain.regression(activations, made, count=3, shuffles=19, seed=0)
    assert found["shuffled_voxels_signed_r2"].sizes == {"shuffle": 19, "participant": 3, "stage": 2}
    p = found["p_shuffled"].to_series()
    assert p["middle"] == float(found["best_p_shuffled"]) == 0.05
    assert p["other"] > 0.05
    low, high = found["shuffled_voxels_signed_r2"].mean("participant").quantile([0, 1], "shuffle").values
    assert (low <= 0).all()
    assert high.max() < float(found["signed_r2"][0])


def test_what_noise_leaves_of_a_stage_is_known_of_a_simulated_brain_alone():
    values = RNG.standard_normal((60, 20))
    made = brain.simulated(values, NAMES, 2, 4, 2, noise=0.5, seed=0)
    activations = brain.joined({"only": values}, NAMES)
    assert "noiseless_voxels_r2" in brain.regression(activations, made, count=2, shuffles=0, seed=0)
    measured = made.drop_vars("noiseless_response")
    assert "noiseless_voxels_r2" not in brain.regression(activations, measured, count=2, shuffles=0, seed=0)


def test_splits_are_halves_that_are_drawn_anew():
    chosen = brain.splits(165, 10, 0)
    assert (chosen.sum(1) == 83).all()
    assert len({row.tobytes() for row in chosen}) == 10
    np.testing.assert_array_equal(chosen, brain.splits(165, 10, 0))


def test_a_simulated_voxel_has_the_noise_that_was_asked_for():
    made = brain.simulated(RNG.standard_normal((4000, 6)), range(4000), 2, 3, 4, noise=0.5, seed=0)
    assert made.sizes == {"stimulus": 4000, "voxel": 6, "repetition": 4}
    np.testing.assert_allclose(made.std("stimulus"), np.sqrt(1.25), rtol=0.05)
    np.testing.assert_allclose(
        (made - made.mean("repetition")).std(("stimulus", "repetition")), 0.5 * np.sqrt(0.75), rtol=0.05
    )


def test_a_stage_is_chosen_on_the_others():
    """The third participant's own best stage is not what the others choose for it."""
    values = np.array([[0.1, 0.5], [0.2, 0.6], [0.9, 0.3]])
    own, chosen = brain.best_stage_left_out(values)
    assert chosen.tolist() == [0, 0, 1]
    assert own.tolist() == [0.1, 0.2, 0.3]


def test_choosing_on_the_others_does_not_profit_from_noise():
    """Of stages that are all worth 0, the best of one's own is above 0 on average; that of the others is not."""
    noise = RNG.standard_normal((400, 8, 5))
    assert noise.max(axis=2).mean() > 1
    chosen = [brain.best_stage_left_out(one)[0].mean() for one in noise]
    assert abs(np.mean(chosen)) < 0.1


def test_a_participant_without_a_value_counts_neither_way():
    own, chosen = brain.best_stage_left_out(np.array([[np.nan, 0.5], [0.2, 0.6], [0.9, 0.3]]))
    assert chosen.tolist() == [0, 0, 1]
    assert np.isnan(own[0])


@pytest.mark.parametrize("values", [np.ones((1, 3)), np.ones(3), np.full((2, 2), np.nan)])
def test_a_stage_cannot_be_chosen_without_others(values):
    with pytest.raises(ValueError, match=r"two participants or more|no stage can be chosen"):
        brain.best_stage_left_out(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda made: made.isel(stimulus=slice(2, None)), "none to 2 of 60 stimuli: sound_0, sound_1"),
        (lambda made: made.where(made["stimulus"] != "sound_3"), "a value is NaN"),
        (lambda made: made.isel(repetition=[0]), "one repetition"),
        (lambda made: made.isel(voxel=[0]), "one participant"),
    ],
)
def test_responses_that_do_not_do_are_said(change, message):
    made = brain.simulated(RNG.standard_normal((60, 3)), NAMES, 2, 2, 2, noise=1, seed=0)
    brain.check_responses(made, NAMES)
    with pytest.raises(ValueError, match=message):
        brain.check_responses(change(made), NAMES)


def test_a_prediction_that_does_not_vary_correlates_with_nothing():
    assert brain.correlate(np.ones((5, 1)), RNG.standard_normal((5, 1))) == 0


@pytest.mark.parametrize("simulated", ["", "middle of net"])
def test_the_report_says_whether_voxels_were_measured(simulated):
    values = stages()
    made = brain.simulated(values["middle"], NAMES, participants=3, voxels=4, repetitions=2, noise=0.5, seed=0)
    if not simulated:
        made = made.drop_vars("noiseless_response")
    found = brain.regression(brain.joined(values, NAMES), made, count=2, shuffles=19, seed=0)
    found.attrs = {"simulated": simulated}
    context = brain_context({"net": found})
    (row,) = context["table"]["rows"]
    assert len(row) == len(context["table"]["head"]) == 6 + bool(simulated)
    assert (row[0], row[1], row[-1]) == ("net", "middle (3)", "3")
    value, low, high = (float(found[f"best_signed_r2{end}"]) for end in ("", "_low", "_high"))
    assert row[2] == f"{value:.2f} ({low:.2f} to {high:.2f})"
    assert (context["training"], context["shuffles"], context["voxels"]) == (30, 19, 12)
    assert bool(context["generating"]) == bool(simulated)
    if simulated:
        clean = float(found["noiseless_voxels_r2"].sel(stage="middle").mean())
        assert f"30 training stimuli and ridge parameters it reads {clean:.2f} " in context["generating"]
    title = brain_figure({"net": found}).get_suptitle()
    assert title.startswith("SIMULATED") == bool(simulated)


def test_ridge_in_the_span_of_the_features_is_ridge_on_all_of_them():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(5)
    train, test = rng.normal(size=(24, 400)), rng.normal(size=(20, 400))
    responses = train[:, :30] @ rng.normal(size=(30, 4)) + rng.normal(size=(24, 4))
    predicted, parameters = brain.ridge(train, responses, test)

    def left_out(parameter):
        errors = []
        for row in range(len(train)):
            others = np.arange(len(train)) != row
            fitted = Ridge(parameter, solver="svd").fit(train[others], responses[others])
            errors.append(fitted.predict(train[[row]])[0] - responses[row])
        return np.square(errors).mean(axis=0)

    least = np.min([left_out(parameter) for parameter in 10.0 ** np.arange(-6, 20)], axis=0)
    for response, parameter in enumerate(parameters):
        assert left_out(parameter)[response] == pytest.approx(least[response], rel=1e-6)
        whole = Ridge(parameter, solver="svd").fit(train, responses[:, response])
        np.testing.assert_allclose(predicted[:, response], whole.predict(test), rtol=1e-6)


def test_features_that_do_not_vary_predict_the_mean():
    responses = np.arange(12.0).reshape(6, 2)
    predicted, _ = brain.ridge(np.ones((6, 3)), responses, np.ones((4, 3)))
    np.testing.assert_allclose(predicted, np.broadcast_to(responses.mean(axis=0), (4, 2)))
