"""Equivalence of recognition: closed forms, simulated data with a known difference, and the table."""

import itertools
import re

import numpy as np
import pandas as pd
import pingouin
import pytest
import scipy.special
import scipy.stats
import statsmodels.formula.api as smf
import xarray as xr
from statsmodels.stats.weightstats import ttost_paired

from metamers.config.read import read_yaml
from metamers.plan.plan import make_plan
from metamers.plan.steps import merge_defaults
from metamers.report.figures import svg
from studies.benchmark.equivalence import (
    ALL,
    DEFAULT,
    LOOSER,
    Effect,
    Stages,
    answers_table,
    decision,
    distinct_metamers,
    effect_over_stimuli,
    effect_over_stimuli_and_models,
    effects_of_stages,
    equivalence_table,
    equivalence_tests,
    log_odds_margin,
    verdict,
)
from studies.benchmark.equivalence_figure import equivalence_figure
from studies.plan import equivalence_stages
from studies.settings import StudySettings

STIMULI, STAGES, RECOGNITION_MODELS = 20, 4, 3


def simulated(
    seed=0, effect=0.0, of_stimuli=0.3, of_models=0.0, rest=0.5, recognition_models=RECOGNITION_MODELS, stages=STAGES
):
    """Paired differences (stimulus, recognition model, stage) with a known mean."""
    rng = np.random.default_rng(seed)
    return (
        effect
        + of_stimuli * rng.standard_normal((STIMULI, 1, 1))
        + of_models * rng.standard_normal((1, recognition_models, 1))
        + rest * rng.standard_normal((STIMULI, recognition_models, stages))
    )


def test_one_recognition_model_and_stage_give_the_paired_test_of_statsmodels():
    rng = np.random.default_rng(0)
    published, version = rng.standard_normal((2, STIMULI))
    found = effect_over_stimuli((version - published)[:, None], margin=0.4)
    p, *_ = ttost_paired(version, published, -0.4, 0.4)
    assert found.p_equivalence == pytest.approx(p)
    assert found.p_difference == pytest.approx(scipy.stats.ttest_rel(version, published).pvalue)
    interval = scipy.stats.ttest_rel(version, published).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_a_balanced_design_gives_the_mixed_model_of_statsmodels_with_interactions():
    """Random effects of the stimulus and of its interactions with recognition model and stage, all estimated above 0."""
    rng = np.random.default_rng(1)
    recognition_models, stages = 4, 5
    differences = simulated(1, 0.2, recognition_models=recognition_models, stages=stages)
    differences += 0.6 * rng.standard_normal((STIMULI, recognition_models, 1)) + 0.6 * rng.standard_normal(
        (STIMULI, 1, stages)
    )
    stimulus, recognition_model, stage = np.indices(differences.shape).reshape(3, -1)
    data = pd.DataFrame(
        {
            "difference": differences.ravel(),
            "stimulus": stimulus,
            "recognition_model": recognition_model,
            "stage": stage,
        }
    )
    interactions = {"recognition_model": "0 + C(recognition_model)", "stage": "0 + C(stage)"}
    fitted = smf.mixedlm("difference ~ 1", data, groups="stimulus", re_formula="1", vc_formula=interactions).fit()
    assert fitted.converged
    assert (fitted.vcomp > 0.1).all()
    assert fitted.cov_re.to_numpy().item() > 0.01
    found = effect_over_stimuli(differences, margin=0.1)
    assert found.difference == pytest.approx(fitted.params["Intercept"])
    assert found.standard_error == pytest.approx(fitted.bse["Intercept"], rel=1e-2)


def test_a_balanced_design_gives_the_mixed_model_of_statsmodels():
    differences = simulated(effect=0.2)
    data = pd.DataFrame(
        {"difference": differences.ravel(), "stimulus": np.repeat(np.arange(STIMULI), differences[0].size)}
    )
    fitted = smf.mixedlm("difference ~ 1", data, groups="stimulus").fit(reml=True)
    found = effect_over_stimuli(differences, margin=0.1)
    assert found.difference == pytest.approx(fitted.params["Intercept"])
    assert found.standard_error == pytest.approx(fitted.bse["Intercept"], rel=1e-3)


def test_both_one_sided_tests_are_significant_exactly_where_the_interval_is_inside_the_margin():
    for difference in np.linspace(-0.05, 0.05, 21):
        found = equivalence_tests(difference, 0.01, 19, 0.03)
        assert (found.p_equivalence < 0.05) == (found.low > -0.03 and found.high < 0.03)


def test_the_sign_of_all_differences_changes_only_the_sign_of_the_effect():
    differences = simulated(effect=0.1, of_models=0.4)
    for effect in (effect_over_stimuli, effect_over_stimuli_and_models):
        one, other = effect(differences, 0.1), effect(-differences, 0.1)
        assert other.difference == pytest.approx(-one.difference)
        assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
        assert other.p_equivalence == pytest.approx(one.p_equivalence)


@pytest.mark.parametrize(("effect", "wanted"), [(0.0, "equivalent"), (0.8, "different")])
def test_a_known_difference_is_found_and_none_is_equivalent(effect, wanted):
    decisions = [decision(effect_over_stimuli(simulated(seed, effect), margin=0.4)) for seed in range(50)]
    assert decisions.count(wanted) >= 45


def test_a_difference_at_the_margin_is_called_equivalent_in_one_run_of_twenty():
    found = [effect_over_stimuli(simulated(seed, 0.4), margin=0.4).p_equivalence < 0.05 for seed in range(2000)]
    assert 0.035 < np.mean(found) < 0.065


def test_random_recognition_models_cover_the_mean_over_all_of_them_and_fixed_ones_do_not():
    covered = {effect_over_stimuli: 0, effect_over_stimuli_and_models: 0}
    for seed in range(500):
        differences = simulated(seed, of_models=0.3, recognition_models=6)
        for effect in covered:
            found = effect(differences, 0.4)
            covered[effect] += found.low < 0 < found.high
    assert covered[effect_over_stimuli_and_models] > 0.85 * 500
    assert covered[effect_over_stimuli] < 0.75 * 500


def test_recognition_models_that_agree_add_no_variance():
    differences = np.repeat(simulated(recognition_models=1), 3, axis=1)
    assert effect_over_stimuli_and_models(differences, 0.1) == pytest.approx(effect_over_stimuli(differences, 0.1))


def test_two_recognition_models_are_no_random_sample():
    differences = simulated(recognition_models=2)
    found = effect_over_stimuli_and_models(differences, 0.1)
    assert found.difference == pytest.approx(differences.mean())
    assert np.isnan([found.standard_error, found.low, found.high, found.p_equivalence, found.p_difference]).all()
    assert decision(found) == "not tested"


def test_equal_answers_of_few_stimuli_have_an_interval():
    """One changed answer of k has the square 1/k² in the sum of squares."""
    found = effect_over_stimuli(np.zeros((20, 2)), 0.03, one_answer=1)
    assert found.standard_error == pytest.approx(np.sqrt(0.25 / (20 * 19)))
    assert decision(found) == "undecided"
    assert decision(effect_over_stimuli(np.zeros((20, 20)), 0.03, one_answer=1)) == "equivalent"
    assert effect_over_stimuli(np.zeros((20, 2)), 0.03).p_equivalence == 0


def test_a_single_stimulus_has_no_test():
    assert decision(effect_over_stimuli(np.ones((1, 3)), 0.03)) == "not tested"


@pytest.mark.parametrize(
    ("difference", "p_equivalence", "p_difference"), [(0.0, 0, 1), (0.02, 0, 0), (0.03, 1, 0), (-0.04, 1, 0)]
)
def test_without_a_standard_error_the_difference_decides(difference, p_equivalence, p_difference):
    found = equivalence_tests(difference, 0.0, 19, 0.03)
    assert (found.p_equivalence, found.p_difference) == (p_equivalence, p_difference)
    assert found.low == found.high == difference
    assert decision(found) == ("different" if p_equivalence else "equivalent")


def test_values_that_are_not_finite_are_not_tested():
    differences = np.ones((20, 2))
    differences[3, 1] = np.nan
    assert decision(effect_over_stimuli(differences, 0.03)) == "not tested"
    assert decision(equivalence_tests(np.nan, 0.0, 19, 0.03)) == "not tested"


def test_a_common_change_of_log_odds_by_the_margin_changes_the_mean_probability_by_at_most_the_margin():
    assert log_odds_margin(np.zeros(5), 0.03) == pytest.approx(0.12)
    for spread in (0, 1, 4):
        log_odds = 0.7 + spread * np.random.default_rng(0).standard_normal(200)
        change = log_odds_margin(log_odds, 0.03) / 2 * np.array([[1], [-1]])
        probabilities = 1 / (1 + np.exp(-log_odds - change))
        difference = np.diff(probabilities[::-1].mean(axis=1)).item()
        assert difference < 0.0301
        assert spread or difference == pytest.approx(0.03, rel=1e-3)
    assert np.isfinite(log_odds_margin(np.full(5, 40.0), 0.03))


def test_unequal_changes_within_the_margin_of_log_odds_may_change_the_mean_probability_by_more():
    """Half the probabilities are 0.99 and unchanged; the others fall from 0.7 to 0.6."""
    published = scipy.special.logit(np.repeat([0.99, 0.7], 10))
    version = published - np.repeat([0, 0.448], 10)
    assert abs((version - published).mean()) < log_odds_margin(published, 0.03)
    change = (scipy.special.expit(version) - scipy.special.expit(published)).mean()
    assert change == pytest.approx(-0.051, abs=0.001)


def test_a_decision_follows_from_the_two_tests():
    sure = Effect(0.0, 0.001, 19, -0.002, 0.002, 0.0, 1.0)
    assert decision(sure) == "equivalent"
    assert decision(sure._replace(p_equivalence=0.5)) == "undecided"
    assert decision(sure._replace(p_equivalence=0.5, p_difference=0.01)) == "different"
    assert decision(sure._replace(p_equivalence=np.nan)) == "not tested"


def of_stages(means, rest=0.3, seed=0, recognition_models=3):
    """Paired differences (stimulus, recognition model) of each stage."""
    rng = np.random.default_rng(seed)
    of_stimulus = 0.2 * rng.standard_normal((STIMULI, 1))
    return [mean + of_stimulus + rest * rng.standard_normal((STIMULI, recognition_models)) for mean in means]


def test_stages_are_compared_by_an_analysis_of_variance_with_greenhouse_and_geisser_s_correction():
    differences = of_stages([0, 0.1, 0.2, 0.4])
    cells = pd.DataFrame({place: one.mean(axis=1) for place, one in enumerate(differences)})
    table = cells.reset_index().melt("index")
    wanted = pingouin.rm_anova(table, "value", "variable", "index", correction=True, detailed=True).iloc[0]
    found = effects_of_stages(differences, margin=0.1)
    assert found.f == pytest.approx(wanted["F"])
    assert found.p == pytest.approx(wanted["p_GG_corr"], rel=1e-6)
    assert found.df == pytest.approx(3 * wanted["eps"])
    assert found.df_error == pytest.approx(19 * found.df)


def test_equal_stages_differ_as_rarely_as_stated_and_unequal_ones_are_found():
    p = [effects_of_stages(of_stages([0.1] * 4, seed=seed), 0.1).p for seed in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.08
    assert effects_of_stages(of_stages([-0.3, 0.3, 0, 0]), 0.1).p < 1e-4


def test_the_root_mean_square_is_that_of_the_true_differences():
    means = np.array([-0.3, 0.3, 0.1, 0])
    squares = [effects_of_stages(of_stages(means, seed=seed), 0.1).root_mean_square ** 2 for seed in range(200)]
    assert np.mean(squares) == pytest.approx((means**2).mean(), rel=0.1)
    assert effects_of_stages(of_stages([0, 0, 0]), 0.1).root_mean_square < 0.08


def test_every_stage_is_within_the_limit_of_single_stages():
    """The limit is the smallest margin within which each stage is equivalent."""
    differences = of_stages([0.1, -0.2, 0])
    limit = effects_of_stages(differences, 0.1).single_within
    within = [effect_over_stimuli(one, limit * 1.001).p_equivalence < 0.05 for one in differences]
    closer = [effect_over_stimuli(one, limit * 0.999).p_equivalence < 0.05 for one in differences]
    assert all(within)
    assert sum(closer) == 2
    largest = np.array([effects_of_stages(of_stages([0, 0.2, 0.2], seed=s), 0.1).single_within for s in range(400)])
    assert (largest < 0.2).mean() < 0.05  # a limit below the largest true difference is an error


def test_a_verdict_says_the_mean_and_single_stages():
    alike = Stages(1, 3, 57, 0.4, 0.01, 0.1231)
    apart = alike._replace(p=0.001)
    for measure, numbers in (("correct", ["3.0", "12.4", "1.0"]), ("log_odds", ["0.03", "0.13", "0.01"])):
        for mean, expected in (("equivalent", numbers), ("undecided", numbers[1:]), ("different", numbers[1:])):
            assert re.findall(r"\d+\.\d+", verdict(mean, alike, 0.03, measure)) == expected
    verdicts = {
        verdict(mean, of, 0.03, "correct") for mean in ("equivalent", "undecided", "different") for of in (alike, apart)
    }
    assert len(verdicts) == 6


def test_a_stage_without_values_is_not_passed_over():
    found = effects_of_stages([*of_stages([0, 0.1]), np.full((STIMULI, 3), np.nan)], 0.1)
    assert np.isnan([found.f, found.p, found.root_mean_square, found.single_within]).all()
    assert verdict("not tested", found, 0.03, "correct") == "not tested"


VERSIONS = [DEFAULT, "published", LOOSER]


def recognition(effect, stages=("a", "b"), seed=0, recognition_models=2, of_models=0.0):
    """Answers to metamers of the published procedure, of the default without a difference, of looser ones with one."""
    rng = np.random.default_rng(seed)
    size = (recognition_models, len(stages), STIMULI)
    # The noise of synthesis is small against differences between stimuli.
    published = np.broadcast_to(2 * rng.standard_normal(STIMULI), size) + 0.1 * rng.standard_normal(size)
    default, looser = (
        published
        + change
        + of_models * rng.standard_normal((recognition_models, 1, 1))
        + 0.1 * rng.standard_normal(size)
        for change in (0, effect)
    )
    log_odds = np.stack([default, published, looser], axis=2)
    dims = ("stage", "version", "stimulus")
    size = (len(stages), len(VERSIONS), STIMULI)
    return xr.Dataset(
        {
            "correct": (("recognition_model", *dims), log_odds > 0),
            "log_odds": (("recognition_model", *dims), log_odds),
            "normalized_error": (dims, 0.2 + 1e-4 * rng.standard_normal(size)),
            "steps": (dims, np.broadcast_to([[4], [16], [3]], size)),
        },
        coords={
            "stage": list(stages),
            "version": VERSIONS,
            "recognition_model": [f"other_{number}" for number in range(recognition_models)],
            "stimulus": [f"s{number}" for number in range(STIMULI)],
        },
    )


@pytest.fixture
def recognized():
    return {"m": recognition(-1.5), "n": recognition(-1.5, seed=1)}


def table_of(recognized):
    return equivalence_table(recognized, dict.fromkeys(recognized, "vision"), 0.03)


def test_the_table_has_each_stage_each_model_and_the_modality(recognized):
    table = table_of(recognized)
    assert len(table) == 2 * 2 * (2 * 2 + 2 + 1)
    assert set(table["version"]) == {DEFAULT, LOOSER}
    whole = table[table["model"] == ALL].set_index(["version", "measure"])
    assert (whole["stages"] == 4).all()
    assert (whole["stimuli"] == STIMULI).all()
    assert whole.loc[(DEFAULT, "log odds"), "decision"] == "equivalent"
    assert whole.loc[(DEFAULT, "log odds"), "verdict"].startswith("equal ")
    assert whole.loc[(LOOSER, "log odds"), "decision"] == "different"
    assert whole.loc[(LOOSER, "log odds"), "difference"] == pytest.approx(-1.5, abs=0.05)
    assert whole.loc[(LOOSER, "proportion recognized"), "difference"] < -0.1
    one = table[(table["model"] == "m") & (table["stage"] == "a") & (table["version"] == LOOSER)].iloc[0]
    assert (one["published_steps"], one["steps"]) == (16, 3)
    assert table[~table["stage"].isin([ALL])]["verdict"].isna().all()


def test_metamers_that_models_have_in_common_count_once(recognized):
    m, n = recognized.values()
    n["normalized_error"][{"stage": 0}] = m["normalized_error"].isel(stage=1)
    rows = table_of(recognized).set_index(["model", "stage", "version", "measure"])
    own = [("m", "a"), ("m", "b"), ("n", "b")]
    for version, measure in itertools.product([DEFAULT, LOOSER], ["proportion recognized", "log odds"]):
        wanted = np.mean([rows.loc[(*place, version, measure), "difference"] for place in own])
        assert rows.loc[(ALL, ALL, version, measure), "difference"] == pytest.approx(wanted)
        assert rows.loc[(ALL, ALL, version, measure), "stages"] == 3
    n["normalized_error"][{"stage": 1}] = m["normalized_error"].isel(stage=0)
    assert list(distinct_metamers({"m": m, "n": n})) == ["m"]


def test_stages_without_an_equal_match_are_named_and_stay_in_every_mean(recognized):
    errors = recognized["m"]["normalized_error"].copy()
    errors.loc[{"stage": "b", "version": DEFAULT}] = 0.21
    recognized["m"] = recognized["m"].assign(normalized_error=errors)
    table = table_of(recognized)
    single = table[table["stage"] != ALL].set_index(["version", "model", "stage"])["equal_match"]
    assert not single.loc[(DEFAULT, "m", "b")].any()
    assert single.drop((DEFAULT, "m", "b")).all()
    assert set(table[table["model"] == ALL]["stages"]) == {4}


def test_every_answer_is_in_the_table_of_answers(recognized):
    answers = answers_table(recognized)
    assert len(answers) == 2 * 2 * 2 * STIMULI * 3
    for model, one in recognized.items():
        place = {"stage": "a", "version": LOOSER, "recognition_model": "other_1"}
        rows = answers[(answers["model"] == model) & (answers["stage"] == "a")]
        rows = rows[(rows["version"] == LOOSER) & (rows["recognition_model"] == "other_1")].set_index("stimulus")
        wanted = one.sel(place).to_dataframe()
        np.testing.assert_array_equal(rows["recognized"][wanted.index], wanted["correct"])
        np.testing.assert_array_equal(rows["log_odds"][wanted.index], wanted["log_odds"])
    # The table follows from the answers.
    cells = answers.pivot_table("recognized", ["model", "stage"], "version")
    whole = table_of(recognized).query("model == 'all' and measure == 'proportion recognized'").set_index("version")
    assert whole.loc[LOOSER, "difference"] == pytest.approx((cells[LOOSER] - cells["published"]).mean())


def test_three_recognition_models_have_a_wider_interval_as_a_random_sample():
    found = {
        "m": recognition(-1.5, recognition_models=3, of_models=0.5),
        "n": recognition(-1.5, recognition_models=2, of_models=0.5),
    }
    rows = table_of(found).set_index(["version", "model", "stage", "measure"])
    three, two = (rows.loc[(LOOSER, model, ALL, "log odds")] for model in found)
    # With three recognition models, the interval has the quantile of about two degrees of freedom.
    widths = [three[f"high{kind}"] - three[f"low{kind}"] for kind in ("", "_random_judges")]
    assert widths[1] > 5 * widths[0]
    assert three["low_random_judges"] < three["low"] < three["high"] < three["high_random_judges"]
    assert np.isnan(two["low_random_judges"])


def test_the_figure_of_the_table_is_reproducible_and_names_the_versions(recognized):
    table = table_of(recognized)
    figure = equivalence_figure(table)
    assert svg(figure) == svg(equivalence_figure(table))
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["default", "looser"]
    assert "points" in left.get_xlabel()
    assert "odds" in right.get_xlabel()


@pytest.fixture(scope="module")
def page(root):
    return " ".join((root / "docs/explanation/equivalence.md").read_text(encoding="utf-8").split())


def test_the_digits_are_judged_by_two_networks_of_other_families(root):
    paths = [root / "config" / "digits.yaml", root / "studies" / "config" / "equivalence_digits.yaml"]
    config, design = (read_yaml(path) for path in paths)
    plan = make_plan(merge_defaults(config | design), paths)
    families = [plan.families[recognition_model] for recognition_model in plan.recognition_models]
    assert len({*families, *(plan.families[model] for model in plan.generation_models)}) == 3
    compared = equivalence_stages(StudySettings(), plan)
    assert {model: len(stages) for model, stages in compared.items()} == dict.fromkeys(plan.generation_models, 5)


def test_the_documentation_says_the_numbers_of_the_digits(root, page):
    table = pd.read_csv(root / "resources" / "equivalence_digits.csv")
    default = table[(table["version"] == "default") & (table["measure"] == "proportion recognized")]

    def said(row):
        return f"{100 * row.difference:.1f}", f"{100 * row.low:.1f} to {100 * row.high:.1f}".replace("-", "−")

    single = default[default["stage"] != ALL]
    assert len(single) == 10
    for row in single.itertuples():
        difference, interval = said(row)
        cell = f"{row.published:.1%} | {'' if row.difference < 0 else '+'}{difference} ({interval}) | {row.decision} |"
        name = (
            f"| {row.model.removeprefix('digits_')}, {row.stage} | {cell} {row.published_error:.3f}, {row.error:.3f} |"
        )
        assert name.replace("-", "−") in page.replace("-", "−")
    assert (single["decision"] == "equivalent").sum() == 4  # "at four of ten stages"
    assert set(single.loc[single["equal_match"].astype(str) == "False", "stage"]) == {"relu0", "relu1", "relu2"}
    whole = {row.model: row for row in default[default["stage"] == ALL].itertuples()}
    limits = f"{100 * whole[ALL].stages_single_within:.1f}", f"{100 * whole[ALL].stages_root_mean_square:.1f}"
    assert re.findall(r"\d+\.\d+", whole[ALL].verdict) == list(limits)
    assert whole[ALL].verdict.startswith("different ")
    assert all(part in page for row in whole.values() for part in (*said(row), *limits))
    graded = table[(table["version"] == "default") & (table["measure"] == "log odds") & (table["model"] == ALL)]
    assert f"{graded['difference'].item():.2f} ({graded['low'].item():.2f} to {graded['high'].item():.2f})" in page
    control = table[(table["version"] == "looser") & (table["measure"] == "proportion recognized")]
    (last,) = control[(control["model"] == "digits_standard") & (control["stage"] == "final")].itertuples()
    (row,) = control[control["model"] == ALL].itertuples()
    assert all(part in page for part in (*said(last), *said(row)))
    assert row.decision == "equivalent"


def test_page_and_notes_say_the_numbers_of_the_earlier_table(root, page):
    notes = " ".join((root / "studies/notes/equivalence.md").read_text(encoding="utf-8").split())
    earlier = pd.read_csv(root / "resources" / "equivalence_quick.csv")
    earlier = earlier[earlier["version"] == "default"]
    single = earlier[~earlier["stage"].isin([ALL, "distinct"])]
    for modality, stimuli in (("vision", "images"), ("audio", "sounds")):
        of_modality = single[single["modality"] == modality]
        graded = of_modality[(of_modality["measure"] == "log odds") & (of_modality["decision"] != "no equal match")]
        weights = 1 / graded["standard_error"] ** 2
        mean = (weights * graded["difference"]).sum() / weights.sum()
        q, df = (weights * (graded["difference"] - mean) ** 2).sum(), len(graded) - 1
        p = scipy.stats.chi2.sf(q, df)
        assert re.search(rf"\b{stimuli} {q:.1f}, {df} [a-z ]+, p {p:.1g}\b", notes)
        answers = of_modality[of_modality["measure"] == "proportion correct"]
        within = f"{100 * answers[['low', 'high']].abs().to_numpy().max():.1f}"
        assert re.search(rf"\b{within} points", notes)
        assert re.search(rf"\b{within} (points )?for {stimuli}\b", page)
    over = earlier[(earlier["model"] == ALL) & (earlier["measure"] == "proportion correct")]
    for row in over.itertuples():
        assert f"{100 * row.low:.1f} to {100 * row.high:.1f}".replace("-", "−") in page + notes
