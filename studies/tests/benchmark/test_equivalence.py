"""Equivalence of recognition: closed forms, simulated data with a known difference, and the table."""

import itertools
import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
import statsmodels.formula.api as smf
import xarray as xr
from statsmodels.stats.weightstats import ttost_paired

from generate.equivalence import table
from metamers.config.read import merge_defaults, read_yaml
from metamers.names import ConfigurationError
from metamers.report.figures import svg
from studies.benchmark.equivalence import (
    ALL,
    DISTINCT,
    Effect,
    decision,
    effect_over_stimuli,
    effect_over_stimuli_and_judges,
    equal_match_stages,
    equivalence_table,
    equivalence_tests,
    log_odds_margin,
    without_common_stages,
)
from studies.benchmark.equivalence_figure import equivalence_figure
from studies.settings import Equivalence, StudySettings
from studies.tests.plans import planned

STIMULI, STAGES, JUDGES = 20, 4, 3


def simulated(seed=0, effect=0.0, of_stimuli=0.3, of_judges=0.0, rest=0.5, judges=JUDGES, stages=STAGES):
    """Paired differences (stimulus, judge, stage) with a known mean."""
    rng = np.random.default_rng(seed)
    return (
        effect
        + of_stimuli * rng.standard_normal((STIMULI, 1, 1))
        + of_judges * rng.standard_normal((1, judges, 1))
        + rest * rng.standard_normal((STIMULI, judges, stages))
    )


def test_one_judge_and_stage_give_the_paired_test_of_statsmodels():
    rng = np.random.default_rng(0)
    published, version = rng.standard_normal((2, STIMULI))
    found = effect_over_stimuli((version - published)[:, None], margin=0.4)
    p, *_ = ttost_paired(version, published, -0.4, 0.4)
    assert found.p_equivalence == pytest.approx(p)
    assert found.p_difference == pytest.approx(scipy.stats.ttest_rel(version, published).pvalue)
    interval = scipy.stats.ttest_rel(version, published).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_a_balanced_design_gives_the_mixed_model_of_statsmodels_with_interactions():
    """Random effects of the stimulus and of its interactions with judge and stage, all estimated above 0."""
    rng = np.random.default_rng(1)
    judges, stages = 4, 5
    differences = simulated(1, 0.2, judges=judges, stages=stages)
    differences += 0.6 * rng.standard_normal((STIMULI, judges, 1)) + 0.6 * rng.standard_normal((STIMULI, 1, stages))
    stimulus, judge, stage = np.indices(differences.shape).reshape(3, -1)
    data = pd.DataFrame({"difference": differences.ravel(), "stimulus": stimulus, "judge": judge, "stage": stage})
    interactions = {"judge": "0 + C(judge)", "stage": "0 + C(stage)"}
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
    differences = simulated(effect=0.1, of_judges=0.4)
    for effect in (effect_over_stimuli, effect_over_stimuli_and_judges):
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


def test_random_judges_cover_the_mean_over_all_judges_and_fixed_ones_do_not():
    covered = {effect_over_stimuli: 0, effect_over_stimuli_and_judges: 0}
    for seed in range(500):
        differences = simulated(seed, of_judges=0.3, judges=6)
        for effect in covered:
            found = effect(differences, 0.4)
            covered[effect] += found.low < 0 < found.high
    assert covered[effect_over_stimuli_and_judges] > 0.85 * 500
    assert covered[effect_over_stimuli] < 0.75 * 500


def test_judges_that_agree_add_no_variance():
    differences = np.repeat(simulated(judges=1), 3, axis=1)
    assert effect_over_stimuli_and_judges(differences, 0.1) == pytest.approx(effect_over_stimuli(differences, 0.1))


def test_two_judges_are_no_random_sample():
    differences = simulated(judges=2)
    found = effect_over_stimuli_and_judges(differences, 0.1)
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


def test_a_difference_without_an_equal_match_is_not_decided():
    sure = Effect(0.0, 0.001, 19, -0.002, 0.002, 0.0, 1.0)
    assert decision(sure) == "equivalent"
    assert decision(sure, equal=False) == "no equal match"


VERSIONS = ["default", "published", "former"]
SETTINGS = {"published": {"steps": 8}, "default": {"steps": 4}, "former": {"steps": 4, "learning_rate": 0.05}}


def recognition(effect, stages=("a", "b"), seed=0, judges=2, of_judges=0.0):
    """Answers to metamers of the published procedure, of the default without a difference, of the former with one."""
    rng = np.random.default_rng(seed)
    size = (judges, len(stages), STIMULI)
    # The noise of synthesis is small against differences between stimuli.
    published = np.broadcast_to(2 * rng.standard_normal(STIMULI), size) + 0.1 * rng.standard_normal(size)
    default, former = (
        published + change + of_judges * rng.standard_normal((judges, 1, 1)) + 0.1 * rng.standard_normal(size)
        for change in (0, effect)
    )
    log_odds = np.stack([default, published, former], axis=2)
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
            "recognition_model": [f"judge_{number}" for number in range(judges)],
            "stimulus": [f"s{number}" for number in range(STIMULI)],
        },
    )


@pytest.fixture
def recognized():
    return {"m": recognition(-1.5), "n": recognition(-1.5, seed=1)}


def table_of(recognized):
    return equivalence_table(
        recognized, dict.fromkeys(recognized, "vision"), dict.fromkeys(recognized, SETTINGS), "default", 0.03
    )


def test_the_table_has_each_stage_each_model_and_the_modality(recognized):
    table = table_of(recognized)
    assert len(table) == 2 * 2 * (2 * 2 + 2 + 1)
    assert set(table["version"]) == {"default", "former"}
    whole = table[table["model"] == ALL].set_index(["version", "measure"])
    assert (whole["stages"] == 4).all()
    assert (whole["stimuli"] == STIMULI).all()
    # The reference has its configured number of steps; those of the others differ between stages.
    assert json.loads(whole.loc[("default", "log odds"), "settings"]) == SETTINGS["default"]
    assert json.loads(whole.loc[("former", "log odds"), "settings"]) == {"learning_rate": 0.05}
    assert whole.loc[("default", "log odds"), "decision"] == "equivalent"
    assert whole.loc[("former", "log odds"), "decision"] == "different"
    assert whole.loc[("former", "log odds"), "difference"] == pytest.approx(-1.5, abs=0.05)
    assert whole.loc[("former", "proportion correct"), "difference"] < -0.1
    one = table[(table["model"] == "m") & (table["stage"] == "a") & (table["version"] == "former")].iloc[0]
    assert (one["published_steps"], one["steps"]) == (16, 3)


def test_stages_that_models_have_in_common_are_left_out_of_a_further_row(recognized):
    assert DISTINCT not in set(table_of(recognized)["stage"])
    m, n = recognized.values()
    n["normalized_error"][{"stage": 0}] = m["normalized_error"].isel(stage=1)
    table = table_of(recognized).set_index(["model", "stage", "version", "measure"])["difference"]
    for version, measure in itertools.product(["default", "former"], ["proportion correct", "log odds"]):
        first, last = (str(one["stage"].values[place]) for one, place in ((m, 0), (n, 1)))
        distinct = [table["m", first, version, measure], table["n", last, version, measure]]
        assert table[ALL, DISTINCT, version, measure] == pytest.approx(np.mean(distinct))
    n["normalized_error"][{"stage": 1}] = m["normalized_error"].isel(stage=0)
    assert without_common_stages([m, n]) == []
    assert DISTINCT not in set(table_of(recognized)["stage"])


def test_the_mean_over_stages_and_models_is_that_of_its_parts(recognized):
    table = table_of(recognized)
    for _, rows in table.groupby(["version", "measure"]):
        stages = rows[rows["stage"] != ALL]["difference"]
        whole = rows[rows["model"] == ALL]["difference"].item()
        assert stages.mean() == pytest.approx(whole)


def test_stages_without_an_equal_match_are_named_and_left_out_of_means(recognized):
    errors = recognized["m"]["normalized_error"].copy()
    errors.loc[{"stage": "b", "version": "former"}] = 0.21
    recognized["m"] = recognized["m"].assign(normalized_error=errors)
    assert equal_match_stages(recognized["m"], "former").tolist() == [True, False]
    assert equal_match_stages(recognized["m"], "default").tolist() == [True, True]
    table = table_of(recognized).set_index(["version", "model", "stage"])
    assert set(table.loc[("former", "m", "b"), "decision"]) == {"no equal match"}
    assert set(table.loc[("former", ALL, ALL), "stages"]) == {3}
    assert set(table.loc[("default", ALL, ALL), "stages"]) == {4}


def test_errors_on_both_sides_of_the_default_are_compared_with_each_other(recognized):
    """Each is within 2% of the default's error, and they differ by 4%."""
    errors = recognized["m"]["normalized_error"].copy()
    errors.loc[{"stage": "b", "version": "published"}] = 0.98 * 0.2
    errors.loc[{"stage": "b", "version": "former"}] = 1.019 * 0.2
    recognized["m"] = recognized["m"].assign(normalized_error=errors)
    assert equal_match_stages(recognized["m"], "former").tolist() == [True, False]
    table = table_of(recognized).set_index(["version", "model", "stage"])
    assert set(table.loc[("former", "m", "b"), "decision"]) == {"no equal match"}
    assert set(table.loc[("former", ALL, ALL), "stages"]) == {3}


def test_three_judges_have_a_wider_interval_as_a_random_sample():
    found = {"m": recognition(-1.5, judges=3, of_judges=0.5), "n": recognition(-1.5, judges=2, of_judges=0.5)}
    rows = table_of(found).set_index(["version", "model", "stage", "measure"])
    three, two = (rows.loc[("former", model, ALL, "log odds")] for model in found)
    # With three judges, the interval has the quantile of about two degrees of freedom.
    widths = [three[f"high{kind}"] - three[f"low{kind}"] for kind in ("", "_random_judges")]
    assert widths[1] > 5 * widths[0]
    assert three["low_random_judges"] < three["low"] < three["high"] < three["high_random_judges"]
    assert np.isnan(two["low_random_judges"])


def test_the_figure_of_the_table_is_reproducible_and_names_the_versions(recognized):
    table = table_of(recognized)
    figure = equivalence_figure(table)
    assert svg(figure) == svg(equivalence_figure(table))
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["default", "former"]
    assert "percentage points" in left.get_xlabel()
    assert "Log odds" in right.get_xlabel()


def versions_in(modality, **versions):
    settings = Equivalence(stages=1, searched=1, margin=0.03, versions=versions)
    return settings.settings_of(modality, {"steps": 64, "learning_rate": 0.015})


def test_a_version_is_compared_in_the_modalities_in_which_it_changes_something():
    changed = {"vision": {"learning_rate": 0.015}, "audio": {"learning_rate": 0.02}}
    versions = {"default": {}, "only_audio": {"audio": {"learning_rate": 0.02}}, "same_in_vision": changed}
    assert list(versions_in("vision", **versions)) == ["default"]
    assert list(versions_in("audio", **versions)) == ["default", "only_audio", "same_in_vision"]


@pytest.mark.parametrize("versions", [{"a": {"vision": {"beta_1": 0.5}}}, {"a": {}, "b": {"vision": {}}}])
def test_without_exactly_one_reference_there_are_no_versions(versions):
    with pytest.raises(ConfigurationError, match=r"versions: \d versions change nothing .*wanted one"):
        versions_in("vision", **versions)


def test_the_design_has_all_photographs_and_48_words_and_two_models_and_five_stages_of_each_modality(root):
    plan, studies = planned(root, "equivalence")
    assert {name: len(rows) for name, rows in plan.stimuli.items()} == {"imagenet_photographs": 20, "spoken_words": 48}
    modalities = [plan.models[model].modality for model in studies.equivalence_stages]
    assert modalities == ["vision", "vision", "audio", "audio"]
    assert {len(stages) for stages in studies.equivalence_stages.values()} == {5}
    assert [len(plan.other_recognition_models(model)) for model in studies.equivalence_stages] == [2, 2, 3, 3]
    # No network was trained on the voices of the stimuli.
    splits = plan.datasets["spoken_words"].speech["splits"]
    assert not set(splits["test"]["voices"]) & {*splits["train"]["voices"], *splits["validation"]["voices"]}


@pytest.fixture(scope="module")
def committed(root):
    return pd.read_csv(root / "resources" / "equivalence.csv")


def test_the_committed_table_has_the_versions_of_the_configuration(root, committed):
    design = read_yaml(root / "studies" / "config" / "equivalence.yaml")
    quick, versions = merge_defaults(design)["synthesis"]["quick"], StudySettings().equivalence.versions
    quick = {
        modality: {key: value for key, value in one.items() if (key, value) != ("rough_cochleagram", 0)}
        for modality, one in quick.items()
    }
    for row in committed[committed["model"] == ALL].itertuples():
        wanted = quick[row.modality] | versions[row.version].get(row.modality, {})
        if row.version != "default":
            del wanted["steps"]
        assert json.loads(row.settings) == wanted, "measure again: make equivalence"
    for _, of_modality in committed.groupby("modality"):
        assert set(of_modality["version"]) == set(versions)


def test_the_documentation_says_which_part_of_the_design_was_run(root, committed):
    plan, studies = planned(root, "equivalence")
    single = committed[~committed["stage"].isin([ALL, DISTINCT])]
    run = set(zip(single["model"], single["stage"], strict=True))
    design = {(model, stage) for model, stages in studies.equivalence_stages.items() for stage in stages}
    assert run <= design
    parts = []
    for modality, stimuli in (("vision", "pictures"), ("audio", "sounds")):
        number, whole = (
            sum(plan.models[model].modality == modality for model, _ in stages) for stages in (run, design)
        )
        parts.append(f"{number} of the {whole} stages of {stimuli}")
    sentence = " and ".join(parts)
    for place in ("docs/explanation/equivalence.md", "resources/README.md", "studies/config/equivalence.yaml"):
        text = " ".join((root / place).read_text(encoding="utf-8").replace("\n#", "\n").split())
        assert sentence in text, f"{place}: wanted {sentence!r}"


@pytest.mark.parametrize("modality", ["vision", "audio"])
def test_the_documentation_says_how_many_stages_of_each_version_are_pooled(root, committed, modality):
    text = " ".join((root / "docs/explanation/equivalence.md").read_text(encoding="utf-8").split())
    pooled = committed[(committed["model"] == ALL) & (committed["stage"] == ALL) & (committed["modality"] == modality)]
    numbers = pooled.groupby("version", sort=False)["stages"].first()
    sentence = ", ".join(f"{number} for `{version}`" for version, number in numbers.items())
    assert sentence in text, f"wanted {sentence!r}"


def test_the_documentation_says_the_committed_numbers_over_the_networks_of_a_modality(root):
    text = " ".join((root / "docs/explanation/equivalence.md").read_text(encoding="utf-8").split())
    rows = [row.split(" | ") for row in table(root / "resources" / "equivalence.csv").splitlines()[2:]]
    over_networks = [row for row in rows if row[3].startswith(ALL) and row[1] in ("`default`", "`former`")]
    assert len(over_networks) == 12  # of pictures and of sounds, and of sounds without the cochleagrams
    for row in over_networks:
        low_to_high = row[6].replace("+", "").split("(")[1].rstrip(")")
        assert low_to_high in text, f"wanted {low_to_high!r}, of {row}"


def test_the_committed_decisions_follow_from_the_committed_intervals(committed):
    decided = committed[committed["decision"] != "no equal match"]
    inside = (-decided["margin"] < decided["low"]) & (decided["high"] < decided["margin"])
    assert (inside == (decided["decision"] == "equivalent")).all()
    assert (decided.loc[decided["decision"] == "different", "p_difference"] < 0.05).all()
    assert (committed.loc[committed["measure"] == "proportion correct", "margin"] == 0.03).all()


def drawn(picture):
    """Texts of an SVG, and coordinates of its lines, areas and marks. Its bytes depend on versions of fonts and matplotlib."""
    texts, places = [], []
    for element in ElementTree.fromstring(
        picture, parser=ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    ).iter():
        if element.tag is ElementTree.Comment:
            texts.append(element.text.strip())
        elif not element.get("id", "").startswith("DejaVu"):  # no outline of a letter
            places += re.findall(r"-?\d+\.?\d*", element.get("d", "")) + [
                element.get(axis) for axis in "xy" if element.get(axis)
            ]
    return texts, np.array(places, dtype=float)


def test_the_figure_of_the_documentation_is_that_of_the_committed_table(root, committed):
    texts, places = drawn((root / "docs" / "pictures" / "equivalence.svg").read_bytes())
    wanted_texts, wanted_places = drawn(svg(equivalence_figure(committed)))
    assert texts == wanted_texts
    np.testing.assert_allclose(places, wanted_places, atol=0.5)  # points
