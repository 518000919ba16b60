"""Analyses of variance, compared with the study's printed results, pingouin, statsmodels and the null hypothesis."""

import re

import numpy as np
import pandas as pd
import pingouin
import pytest
import scipy.stats
import xarray as xr
from statsmodels.stats.anova import AnovaRM

from metamers.compare import anova, permutation_tests
from metamers.compare import sphericity as compare_sphericity
from metamers.compare.files import ANOVA
from metamers.humans import participants as humans
from metamers.run import files

# Where the study's code printed the results of its first experiments.
PRINTED = {
    "visual-1": "VisionBehavioralExperiments/EXP1_ANALYSIS/17-Mar-2022-EXP1_ANALYSIS_ANOVA_NETWORK_HUMAN_RESULTS.txt",
    "auditory-1": "AuditoryBehavioralExperiments/EXPERIMENT_1/17-Mar-2022-EXPERIMENT_1_ANOVA_NETWORK_HUMAN_RESULTS.txt",
}


@pytest.fixture(scope="module")
def tested(published_participants):
    chosen = {name: published_participants[name] for name in PRINTED}
    return anova.human_against_model(chosen, permutations=10_000, seed=0)


@pytest.mark.parametrize(
    ("test", "observer", "interaction", "df"),
    [
        ("auditory-1: CochResNet50", 467.84, 227.44, (1, 38, 8, 304)),
        ("auditory-1: CochCNN9", 551.93, 189.17, (1, 38, 9, 342)),
        ("visual-1: ResNet101", 1001.71, 345.83, (1, 42, 7, 294)),
        ("visual-1: AlexNet", 935.44, 195.03, (1, 42, 8, 336)),
    ],
)
def test_published_f_degrees_of_freedom_and_p(tested, test, observer, interaction, df):
    found = tested.sel(test=test)
    assert [round(float(f), 2) for f in found["f"].sel(effect=["observer", "interaction"])] == [observer, interaction]
    of_both = found.sel(effect=["observer", "interaction"])
    assert np.stack([of_both["df_effect"], of_both["df_error"]], axis=1).ravel().tolist() == list(df)
    np.testing.assert_array_equal(of_both["p_permutation"], 0.0001)


@pytest.mark.parametrize(("experiment", "path"), PRINTED.items())
def test_every_printed_result_to_its_last_digit(tested, public, experiment, path):
    text = (public / path).read_text()
    names = re.findall(r"^Loading EXP1 - (.*?) \(Standard\)", text, flags=re.MULTILINE)
    assert len(names) == (tested["experiment"] == experiment).sum()
    for name in names:
        found = tested.sel(test=f"{experiment}: {name}")
        for printed, effect in (
            ("observer\\) main effect", "observer"),
            ("stage, observer\\) interaction", "interaction"),
        ):
            digits = re.search(rf"EXP1 - {name} \(Standard\) F\({printed}: ([\d.]+)", text)[1]
            decimals = len(digits.split(".")[1])
            assert round(float(found["f"].sel(effect=effect)), decimals) == float(digits)
        table = text.split(f"EXP1 - {name} (Standard) Full ANOVA")[1]
        for row, effect in (("network_or_human", "observer"), ("network_or_human:layer", "interaction")):
            eta = re.search(rf"^ +{row} .* ([\d.]+) *$", table, flags=re.MULTILINE)[1]
            assert float(found["partial_eta_squared"].sel(effect=effect)) == pytest.approx(float(eta), rel=1e-4)


def rows_of(scores):
    return scores.transpose(2, 0, 1).reshape(-1, scores.shape[1])


@pytest.mark.parametrize("seed", range(5))
def test_f_of_the_permutation_test_equals_that_of_pingouin(seed):
    rng = np.random.default_rng(seed)
    scores = rng.random((int(rng.integers(3, 12)), int(rng.integers(2, 9)), 2))
    rows = rows_of(scores)
    first = np.arange(len(rows)) < len(scores)
    stage, interaction = permutation_tests.f_within(rows[None])
    expected = anova.mixed_anova(scores)["f"]
    found = [permutation_tests.f_observer(rows.mean(axis=1), first[None])[0], stage[0], interaction[0]]
    np.testing.assert_allclose(found, expected[list(permutation_tests.MIXED_EFFECTS)].astype(float))


def test_with_two_groups_f_of_the_observer_is_the_squared_t_of_the_means():
    scores = np.random.default_rng(1).random((9, 4, 2))
    t = scipy.stats.ttest_ind(*scores.mean(axis=1).T).statistic
    assert anova.mixed_anova(scores).loc["observer", "f"] == pytest.approx(t**2)


def test_permutation_p_is_uniform_without_effects_of_observer_and_stage():
    rng = np.random.default_rng(0)
    found = [permutation_tests.permutation_p(rng.random((8, 4, 2)), permutations=200, rng=rng) for _ in range(300)]
    for effect in permutation_tests.MIXED_EFFECTS:
        p = [one.loc[effect, "p_permutation"] for one in found]
        assert scipy.stats.kstest(p, "uniform").pvalue > 0.01, effect


def test_each_effect_is_detected_without_the_others():
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.random((10, 5, 2))
    ramp = np.linspace(0, 1, 5)[:, None]
    made = {"observer": [0, 1], "stage": np.hstack([ramp, ramp]), "interaction": np.hstack([ramp, ramp[::-1]])}
    for effect, difference in made.items():
        p = permutation_tests.permutation_p(noise + difference, permutations=1000, rng=rng)["p_permutation"]
        assert p[effect] == 0.001
        assert all(p[other] > 0.001 for other in permutation_tests.MIXED_EFFECTS if other not in (effect, "stage"))


def test_p_depends_on_the_seed_and_not_on_the_other_tests():
    rng = np.random.default_rng(3)
    stages = {"a": ["natural", "one"], "b": ["natural", "one"]}
    _, stage_number = humans.stage_union(stages)
    dims = ("participant", "generation_model", "stage", "observer")
    data = xr.Dataset(
        {"proportion_correct": (dims, rng.random((6, 2, 2, 2))), "stage_number": stage_number},
        coords={"generation_model": ["a", "b"], "stage": ["natural", "one"], "observer": ["human", "model"]},
    )
    both = anova.human_against_model({"x": data}, permutations=500, seed=7)
    alone = anova.human_against_model({"x": data.sel(generation_model=["b"])}, permutations=500, seed=7)
    xr.testing.assert_equal(both.sel(test=["x: b"]), alone)


def test_f_is_undefined_for_scores_without_variation():
    with pytest.raises(ValueError, match=r"participants\b.*\bstages"):
        permutation_tests.permutation_p(np.full((4, 3, 2), 0.5), permutations=10, rng=np.random.default_rng(0))


# Both factors within participants


def statsmodels_f(scores, factors):
    """Effect → F and degrees of freedom by statsmodels; ``factors`` are the names of all axes except the first."""
    levels = np.indices(scores.shape).reshape(scores.ndim, -1)
    table = pd.DataFrame({"score": scores.ravel()} | dict(zip(["participant", *factors], levels, strict=True)))
    found = AnovaRM(table, "score", "participant", within=factors).fit().anova_table
    return found[["F Value", "Num DF", "Den DF"]].to_numpy()


@pytest.mark.parametrize("seed", range(5))
def test_f_and_degrees_of_freedom_within_participants_equal_those_of_statsmodels(seed):
    rng = np.random.default_rng(seed)
    scores = rng.random((int(rng.integers(3, 12)), int(rng.integers(2, 9)), int(rng.integers(2, 5))))
    expected = statsmodels_f(scores, ["stage", "model"])[[1, 0, 2]]
    table = anova.repeated_anova(scores)
    np.testing.assert_allclose(table[["f", "df_effect", "df_error"]].astype(float), expected)
    own = [permutation_tests.f_repeated(scores.mean(axis=axis)[None])[0] for axis in (1, 2)]
    np.testing.assert_allclose([*own, permutation_tests.f_interaction(scores[None])[0]], expected[:, 0])
    f, df_effect, df_error = (table[name] for name in ("f", "df_effect", "df_error"))
    np.testing.assert_allclose(table["partial_eta_squared"], f * df_effect / (f * df_effect + df_error))


def test_f_of_stage_alone_is_that_of_statsmodels():
    scores = np.random.default_rng(0).random((7, 5))
    expected = statsmodels_f(scores, ["stage"])
    np.testing.assert_allclose(anova.stage_anova(scores)[["f", "df_effect", "df_error"]].astype(float), expected)
    np.testing.assert_allclose(permutation_tests.f_repeated(scores[None]), expected[:, 0])


def test_with_two_models_f_is_the_squared_paired_t():
    scores = np.random.default_rng(1).random((9, 4, 2))
    t = scipy.stats.ttest_rel(*scores.mean(axis=1).T).statistic
    assert anova.repeated_anova(scores).loc["model", "f"] == pytest.approx(t**2)


def test_a_participant_s_overall_level_does_not_change_effects_within_participants():
    rng = np.random.default_rng(2)
    scores = rng.random((8, 5, 3))
    better = scores + rng.random((8, 1, 1))
    np.testing.assert_allclose(anova.repeated_anova(better)["f"], anova.repeated_anova(scores)["f"])
    np.testing.assert_allclose(
        permutation_tests.f_interaction(better[None]), permutation_tests.f_interaction(scores[None])
    )


def test_permutation_p_is_uniform_without_effects_of_model_and_stage():
    rng = np.random.default_rng(0)
    made = [rng.random((8, 4, 2)) + rng.random((8, 1, 1)) for _ in range(300)]
    found = [permutation_tests.permutation_p_models(scores, permutations=200, rng=rng) for scores in made]
    alone = [permutation_tests.permutation_p_stage(scores[..., 0], permutations=200, rng=rng) for scores in made]
    alone = [one.loc["stage", "p_permutation"] for one in alone]
    for p in (
        *([one.loc[effect, "p_permutation"] for one in found] for effect in permutation_tests.MODEL_EFFECTS),
        alone,
    ):
        assert scipy.stats.kstest(p, "uniform").pvalue > 0.01


def test_each_effect_of_model_and_stage_is_detected_without_the_others():
    noise = 0.1 * np.random.default_rng(0).random((20, 5, 2))
    rng = np.random.default_rng(1)
    ramp = np.linspace(-1, 1, 5)[:, None]
    made = {"model": [0, 1], "stage": ramp, "interaction": np.hstack([ramp, -ramp])}
    for effect, difference in made.items():
        p = permutation_tests.permutation_p_models(noise + difference, permutations=1000, rng=rng)["p_permutation"]
        assert p[effect] == 0.001
        assert all(p[other] > 0.001 for other in permutation_tests.MODEL_EFFECTS if other != effect)


def test_f_is_undefined_for_identical_models():
    scores = np.repeat(np.random.default_rng(0).random((6, 4, 1)), 2, axis=2)
    with pytest.raises(ValueError, match=r"models\b.*\bstages"):
        permutation_tests.permutation_p_models(scores, permutations=10, rng=np.random.default_rng(0))


# Sphericity, the number of permutations, and the number of tests


def long_table(scores, factors):
    levels = np.indices(scores.shape).reshape(scores.ndim, -1)
    return pd.DataFrame({"score": scores.ravel()} | dict(zip(["subject", *factors], levels, strict=True)))


def unequal(rng, shape):
    """Draw scores whose levels have different variances and are correlated."""
    levels = int(np.prod(shape[1:]))
    return (rng.normal(size=(shape[0], levels)) @ rng.normal(size=(levels, levels))).reshape(shape)


@pytest.mark.parametrize("participants", [4, 9, 30])  # 4: fewer than the effects' degrees of freedom
def test_epsilon_and_corrected_p_within_participants_equal_those_of_pingouin(participants):
    scores = unequal(np.random.default_rng(participants), (participants, 6, 3))
    found = anova.repeated_anova(scores)
    expected = pingouin.rm_anova(
        long_table(scores, ["stage", "model"]), "score", ["stage", "model"], "subject", correction=True
    ).set_index("Source")
    expected = expected.loc[["model", "stage", "stage * model"], ["eps", "p_GG_corr"]]
    np.testing.assert_allclose(found[compare_sphericity.CORRECTED], expected.astype(float), rtol=1e-7)
    alone = anova.stage_anova(scores[..., 0]).iloc[0]
    assert alone["epsilon"] == pytest.approx(pingouin.epsilon(pd.DataFrame(scores[..., 0]), correction="gg"))
    table = pingouin.rm_anova(long_table(scores[..., 0], ["stage"]), "score", "stage", "subject", correction=True)
    assert alone["p_greenhouse_geisser"] == pytest.approx(float(table["p_GG_corr"].iloc[0]))


@pytest.mark.parametrize("participants", [3, 12])
def test_epsilon_of_human_against_model_follows_from_the_pooled_covariance_within_groups(participants):
    rng = np.random.default_rng(participants)
    scores = np.stack([unequal(rng, (participants, 7)), 0.3 * unequal(rng, (participants, 7))], axis=2)
    scores += rng.normal(size=(1, 7, 2))  # different profiles of the groups do not change sphericity
    found = anova.mixed_anova(scores).loc[["stage", "interaction"]]
    rows = np.concatenate([group - group.mean(axis=0) for group in np.moveaxis(scores, 2, 0)])
    np.testing.assert_allclose(found["epsilon"], pingouin.epsilon(pd.DataFrame(rows), correction="gg"))
    table = long_table(rows_of(scores), ["stage"]).assign(group=lambda t: t["subject"] >= participants)
    expected = pingouin.mixed_anova(table, "score", "stage", "subject", "group", correction=True).set_index("Source")
    wanted = expected.loc[["stage", "Interaction"], "p_GG_corr"].astype(float)
    np.testing.assert_allclose(found["p_greenhouse_geisser"], wanted, rtol=1e-7)


def test_with_one_degree_of_freedom_the_correction_changes_nothing():
    scores = np.random.default_rng(0).random((9, 4, 2))
    model = anova.repeated_anova(scores).loc["model"]
    assert model["epsilon"] == pytest.approx(1)
    paired = scipy.stats.ttest_rel(*scores.mean(axis=1).T)
    assert model["p_greenhouse_geisser"] == pytest.approx(paired.pvalue)
    observer = anova.mixed_anova(scores).loc["observer"]
    assert observer["epsilon"] == 1
    assert observer["p_greenhouse_geisser"] == pytest.approx(scipy.stats.ttest_ind(*scores.mean(axis=1).T).pvalue)


def test_epsilon_is_smallest_when_one_contrast_varies_and_1_when_all_vary_equally():
    alone = np.zeros((6, 5))
    alone[:, 0] = np.arange(6)
    assert compare_sphericity.greenhouse_geisser(compare_sphericity.main_departures(alone), 4) == pytest.approx(1 / 4)
    alike = np.sqrt(5) * np.concatenate([np.eye(5), -np.eye(5)])
    assert compare_sphericity.greenhouse_geisser(compare_sphericity.main_departures(alike), 4) == pytest.approx(1)


def test_the_data_count_as_one_of_the_permutations():
    ramp = np.linspace(0, 1, 6) + 0.01 * np.random.default_rng(0).random((8, 6))
    found = permutation_tests.permutation_p_stage(ramp, 20, np.random.default_rng(0)).loc["stage"]
    assert found["p_permutation"] == 1 / 20
    assert found["p_permutation_plus_one"] == pytest.approx(1 / 21)


def test_holm_s_adjustment_of_a_small_example():
    """The smallest p is multiplied by the number of tests, the next by one less, and none is below the previous one."""
    np.testing.assert_allclose(anova.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_an_experiment_with_own_participants_does_not_change_the_adjusted_p_of_the_published_ones(caplog):
    rng = np.random.default_rng(0)
    both = {name: own_answers(rng.random((6, 2, 3, 2))) for name in ("visual-1", "mine")}
    stages = {name: {"a": [], "b": []} for name in both}
    whole = anova.published_tests(both, {}, stages, permutations=199, seed=0, own=["mine"])
    alone = anova.published_tests({"visual-1": both["visual-1"]}, {}, {"visual-1": stages["visual-1"]}, 199, 0)
    xr.testing.assert_equal(whole.sel(test=whole["experiment"] == "visual-1"), alone)
    kinds = alone["comparison"].values
    assert {*kinds} == {anova.HUMAN_AGAINST_MODEL, anova.BETWEEN_STAGES}
    assert alone["generalizes_to"].values.tolist() == [anova.GENERALIZES[kind] for kind in kinds]
    assert [kind for kind, to in anova.GENERALIZES.items() if "new stimuli" in to] == [
        anova.AGAINST_NETWORK[kind] for kind in (anova.MIN_F, anova.OVER_STIMULI)
    ]
    assert [kind for kind, to in anova.GENERALIZES.items() if "new participants" not in to] == [
        anova.HUMAN_AGAINST_MODEL,
        anova.AGAINST_NETWORK[anova.OVER_STIMULI],
    ]
    of_stages = whole.sel(test=whole["comparison"] == anova.BETWEEN_STAGES, effect="stage")
    for _, family in of_stages.groupby("experiment"):
        smallest = float(family["p_permutation_plus_one"].min())
        np.testing.assert_allclose(float(family["p_holm"].min()), min(2 * smallest, 1))
    assert "comparison.permutations" not in caplog.text


def test_too_few_permutations_for_the_number_of_tests_give_a_warning(caplog):
    answers = {"mine": own_answers(np.random.default_rng(0).random((4, 2, 3, 2)))}
    anova.published_tests(answers, {}, {}, permutations=100, seed=0)
    numbers = rf"\b100 .*\b6 .*{anova.HUMAN_AGAINST_MODEL}.* 0\.059\b.*\b120 "
    assert re.search(rf"comparison\.permutations: .*{numbers}", caplog.text)


# The published comparisons


@pytest.fixture(scope="module")
def everything(published_participants, registry):
    comparisons, stage_effects = registry["comparisons"], registry["stage_effects"]
    return anova.published_tests(published_participants, comparisons, stage_effects, permutations=20, seed=0)


def test_every_test_has_the_effects_of_its_kind(everything):
    effects = {
        anova.HUMAN_AGAINST_MODEL: permutation_tests.MIXED_EFFECTS,
        anova.BETWEEN_MODELS: permutation_tests.MODEL_EFFECTS,
        anova.BETWEEN_STAGES: ("stage",),
    }
    assert len(np.unique(everything["test"])) == everything.sizes["test"]
    for comparison, wanted in effects.items():
        for value in everything.data_vars.values():
            has = np.isfinite(value.sel(test=everything["comparison"] == comparison))
            assert (has == np.isin(anova.EFFECTS, wanted)).all()
    assert set(np.unique(everything["comparison"])) == set(effects)


def test_degrees_of_freedom_follow_from_participants_stages_and_models(everything, registry):
    between = everything.sel(test=everything["comparison"] == anova.BETWEEN_MODELS)
    for test in between["test"].values:
        one = between.sel(test=test)
        entry = registry["experiments"][str(one["experiment"].values)]
        names = str(one["generation_model"].values).split(", ")
        layers = next(model["layers"] for model in entry["models"].values() if model["name"] == names[0])
        models, stages, error = len(names) - 1, len(layers) - 1, entry["participants"] - 1
        assert one["df_effect"].sel(effect=list(permutation_tests.MODEL_EFFECTS)).values.tolist() == [
            models,
            stages,
            models * stages,
        ]
        np.testing.assert_array_equal(
            (one["df_error"] / one["df_effect"]).sel(effect=list(permutation_tests.MODEL_EFFECTS)), error
        )


def test_the_classifier_of_the_classical_models_is_left_out(everything, published_participants):
    for test, experiment, model in (
        ("visual-6: HMAX, people", "visual-6", "HMAX"),
        ("auditory-2: SpecTemp, people", "auditory-2", "SpecTemp"),
    ):
        data = published_participants[experiment]
        stages = humans.own_stages(data, model)
        assert stages[0] == "natural"
        assert stages[-1] == "final"
        scores = data["proportion_correct"].sel(generation_model=model, observer="human", stage=stages[:-1])
        f, df_effect, df_error = statsmodels_f(scores.transpose("participant", "stage").values, ["stage"])[0]
        found = everything.sel(test=test, effect="stage")
        assert float(found["f"]) == pytest.approx(f)
        assert [float(found["df_effect"]), float(found["df_error"])] == [df_effect, df_error]


def test_stages_with_different_names_are_matched_by_their_order(everything, published_participants):
    data = published_participants["visual-12"]
    models = ["LowpassAlexNet", "VOneAlexNet"]
    human = data["proportion_correct"].sel(observer="human")
    names = [humans.own_stages(data, model) for model in models]
    assert names[0] != names[1]
    scores = [human.sel(generation_model=model, stage=own).values for model, own in zip(models, names, strict=True)]
    expected = statsmodels_f(np.stack(scores, axis=2), ["stage", "model"])[[1, 0, 2], 0]
    found = everything.sel(test="visual-12: GVOneNet_LowPassAlexnet", effect=list(permutation_tests.MODEL_EFFECTS))
    np.testing.assert_allclose(found["f"], expected)


def own_answers(scores):
    """A Dataset of proportions correct (participant, generation model, stage, observer) for the models a and b.

    Each participant also stands for a stimulus.
    """
    dims = ("generation_model", "stage", "observer")
    return xr.Dataset(
        {
            "proportion_correct": (("participant", *dims), scores),
            "correct_by_stimulus": (("stimulus", *dims), scores),
            "stage_number": (("generation_model", "stage"), [[0, 1, 2]] * 2),
        },
        coords={"generation_model": ["a", "b"], "stage": ["x", "y", "z"], "observer": list(humans.OBSERVERS)},
    )


def test_a_test_without_variation_in_its_scores_is_left_out_and_the_others_are_made(caplog):
    """A few participants all give the same answers to one model's metamers."""
    rng = np.random.default_rng(0)
    scores = rng.random((4, 2, 3, 2))
    scores[:, 1] = 1
    alike = own_answers(scores)
    tested = anova.published_tests({"mine": alike}, {}, {"mine": {"a": [], "b": []}}, permutations=100, seed=0)
    assert np.isfinite(tested["f"].sel(test="mine: a").sel(effect=["observer", "stage", "interaction"])).all()
    assert np.isnan(tested["p_permutation"].sel(test=["mine: b", "mine: b, people"])).all()
    assert "mine: b: " in caplog.text
    caplog.clear()
    own = anova.published_tests({"mine": alike}, {}, {"mine": {}}, permutations=100, seed=0, own=["mine"])
    assert np.isfinite(own["f"].sel(test="mine: a", effect=list(permutation_tests.MIXED_EFFECTS))).all()
    assert np.isnan(own["f"].sel(test=["mine: b", "mine: b, over participants", "mine: b, over stimuli"])).all()
    assert "mine: b, over stimuli: observer: " in caplog.text


def test_experiments_without_a_comparison_have_the_other_tests():
    answers = {"mine": own_answers(np.random.default_rng(0).random((4, 2, 3, 2)))}
    contrasts = {"mine": {"a and b": ["a", "b"]}}
    stages = {"mine": {"a": [], "b": []}}
    whole = anova.published_tests(answers, contrasts, stages, permutations=100, seed=0)
    without = anova.published_tests(answers, {"mine": {}}, stages, permutations=100, seed=0)
    xr.testing.assert_identical(without, whole.isel(test=whole["comparison"] != anova.BETWEEN_MODELS))
    assert {name: variable.dtype.kind for name, variable in without.variables.items()} == {
        name: variable.dtype.kind for name, variable in whole.variables.items()
    }


@pytest.mark.hostile("participants of a run without …")
def test_a_dataset_without_tests_can_be_saved(tmp_path):
    none = anova.published_tests({}, {"mine": {}}, {"mine": {}}, permutations=100, seed=0)
    assert none.sizes == {"test": 0, "effect": len(anova.EFFECTS)}
    provenance = {"title": "none", "source": "a test", "step": "test", "run": "test", "seed": 0, "inputs": []}
    files.save(none, tmp_path / "anova.nc", declared=ANOVA, **provenance)
    read = files.load(tmp_path / "anova.nc")
    xr.testing.assert_equal(read, none)
    assert {name for name, variable in read.variables.items() if variable.dtype.kind in files.TEXT} == {
        "test", "effect", "comparison", "generalizes_to", "experiment", "generation_model",
    }  # fmt: skip
