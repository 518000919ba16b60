"""People against one network, for new participants and new stimuli: closed forms, simulated error rates, and lme4."""

import re

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr

from metamers.compare import anova, min_f
from metamers.compare.permutation_tests import MIXED_EFFECTS
from metamers.humans.participants import OBSERVERS
from studies.simulations import anova as simulated

FALLING = np.linspace(simulated.FIRST, simulated.LAST, simulated.NETWORK_STAGES)


def test_tests_over_units_are_the_repeated_measures_anova_with_observer_within_units():
    scores = np.random.default_rng(0).random((3, 9, 4, 2))
    found = min_f.tests_over_units(scores)
    for place, own in enumerate(scores):
        wanted = anova.repeated_anova(own).rename(index={"model": "observer"})
        for effect in MIXED_EFFECTS:
            test = found[effect]
            values = [test.f[place], test.df_effect, test.df_error, test.epsilon[place], test.p[place]]
            names = ["f", "df_effect", "df_error", "epsilon", "p_greenhouse_geisser"]
            np.testing.assert_allclose(values, wanted.loc[effect, names])


def test_f_of_observer_is_that_of_a_paired_t_test_over_units():
    scores = np.random.default_rng(1).random((1, 12, 5, 2))
    found = min_f.tests_over_units(scores)["observer"]
    paired = scipy.stats.ttest_rel(*scores[0].mean(axis=1).T)
    assert (found.f[0], found.p[0]) == pytest.approx((paired.statistic**2, paired.pvalue))


def test_min_f_adds_the_variances_over_participants_and_over_stimuli():
    """If both have the mean difference d, F1 = d²/v1 and F2 = d²/v2, and min F′ = d²/(v1 + v2) (Clark 1973)."""
    rng = np.random.default_rng(2)
    over = []
    for units in (8, 30):
        differences = rng.normal(size=units)
        differences += 0.4 - differences.mean()
        over.append(np.stack([differences, np.zeros(units)], axis=-1)[None, :, None])
    one, two = (min_f.tests_over_units(np.concatenate([scores, scores], axis=2))["observer"] for scores in over)
    variances = [scores[0, :, 0, 0].var(ddof=1) / scores.shape[1] for scores in over]
    both = min_f.min_f(one, two)
    assert both.f[0] == pytest.approx(0.4**2 / sum(variances))
    weights = np.array(variances) / sum(variances)  # Satterthwaite's degrees of freedom of the sum
    assert both.df_error[0] == pytest.approx(1 / (weights[0] ** 2 / 7 + weights[1] ** 2 / 29))
    nothing = one._replace(f=np.zeros(1))
    assert (min_f.min_f(nothing, nothing).f[0], min_f.min_f(nothing, nothing).p[0]) == (0, 1)


def test_stages_without_answers_give_a_unit_no_advantage():
    """Scores that are sums of effects of stage and unit: the difference of a unit is known from any of its stages."""
    rng = np.random.default_rng(3)
    unit, stage = rng.normal(size=(40, 1, 1)), rng.normal(size=(1, 6, 1))
    scores = np.concatenate([unit + stage, 0 * unit - stage], axis=2)  # people, and a network
    missing = rng.random((40, 6)) < 0.3
    missing[:, 0] &= ~missing.all(axis=1)
    whole, partial = scores[None], np.where(missing[..., None], np.nan, scores)[None]
    exact, found = min_f.observer_differences(whole)[0], min_f.observer_differences(partial)[0]
    plain = np.nanmean(partial[0, ..., 0] - partial[0, ..., 1], axis=1)
    assert np.abs(found - exact).std() < np.abs(plain - exact).std() / 2
    unanswered = np.concatenate([whole, np.full((1, 2, 6, 2), np.nan)], axis=1)
    np.testing.assert_allclose(min_f.observer_differences(unanswered), exact[None])
    assert min_f.tests_over_units(partial)["stage"].df_error == (np.count_nonzero(~missing.any(axis=1)) - 1) * 5


def test_scores_that_do_not_vary_have_no_f():
    alike = np.full((1, 6, 3, 2), 0.5)
    assert all(np.isnan(test.f[0]) for test in min_f.tests_over_units(alike).values())
    differing = alike + np.array([0.1, 0])
    assert np.isnan(min_f.tests_over_units(differing)["observer"].f[0])


def test_without_units_that_have_answers_at_every_stage_only_observer_is_tested():
    scores = np.random.default_rng(7).random((1, 9, 3, 2))
    scores[0, np.arange(9), np.arange(9) % 3] = np.nan
    found = min_f.tests_over_units(scores)
    assert np.isfinite(found["observer"].f[0])
    assert np.isnan([found[effect].f[0] for effect in ("stage", "interaction")]).all()


def test_a_stage_that_nobody_judged_does_not_count_for_observer():
    scores = np.random.default_rng(8).random((1, 9, 4, 2))
    partial = scores.copy()
    partial[:, :, 2] = np.nan
    of_others = min_f.tests_over_units(np.delete(scores, 2, axis=2))["observer"]
    assert min_f.tests_over_units(partial)["observer"] == of_others
    nobody = min_f.tests_over_units(np.full((1, 9, 4, 2), np.nan))
    assert np.isnan([test.f[0] for test in nobody.values()]).all()


@pytest.mark.parametrize(("participants", "stimuli"), [(1, 9), (9, 1), (0, 0)])
def test_min_f_needs_two_participants_and_two_stimuli(participants, stimuli):
    rng = np.random.default_rng(9)
    scores = (rng.random((1, units, 3, 2)) for units in (participants, stimuli))
    assert np.isnan([test.f[0] for test in min_f.tests_for_both(*scores)[min_f.MIN_F].values()]).all()


@pytest.mark.parametrize("stimuli", [20, 100])
def test_one_network_is_not_many_participants(stimuli):
    """Without a difference, the published test finds one in every second experiment, and min F′ in at most 5%.

    So does the test over stimuli, where the participants are the same in all experiments.
    """
    rng = np.random.default_rng(4)
    found, same = (
        {name: (p <= anova.LEVEL).mean() for name, p in simulated.network_tests(made, rng).items()}
        for made in (simulated.experiments(400, stimuli, FALLING, 0 * FALLING, which, rng) for which in (False, True))
    )
    most = anova.LEVEL + 3 * np.sqrt(anova.LEVEL * (1 - anova.LEVEL) / 400)
    assert found["published observer"] > 0.3
    assert found["over participants observer"] > 0.3
    assert same["flips observer"] <= most
    for effect in ("observer", "interaction"):
        assert found[f"{min_f.MIN_F} {effect}"] <= most


def test_min_f_is_just_below_the_f_of_the_mixed_model_of_lme4():
    """One simulated experiment; lmer with crossed random effects (studies/notes/anova.md has the call)."""
    made = simulated.experiments(1, 100, FALLING, simulated.DIFFERENCE, False, np.random.default_rng(0))
    assert min_f.observer_differences(made.by_stimulus).mean() == pytest.approx(0.121, abs=1e-6)
    found = min_f.tests_for_both(*made)[min_f.MIN_F]
    for effect, of_lme4 in (("observer", 3.107822**2), ("interaction", 10.038)):
        assert 0.6 * of_lme4 < found[effect].f[0] < of_lme4
    assert found["observer"].f[0] == pytest.approx(8.677, abs=0.001)
    assert found["observer"].df_error[0] == pytest.approx(112.3, abs=0.1)


def test_the_documentation_s_table_is_that_of_the_committed_simulation(root):
    table = pd.read_csv(root / "resources" / "simulated" / "anova.csv").query("condition.str.startswith('observer')")
    rows = {
        "published test": ("published test", simulated.NEW),
        "over stimuli, the same participants": ("by stimulus", simulated.SAME),
        "over stimuli, new participants": ("by stimulus, for new participants", simulated.NEW),
        "**min F′**, new participants": (min_f.MIN_F, simulated.NEW),
    }
    text = (root / "docs" / "explanation" / "anova.md").read_text()
    for words, (statistic, condition) in rows.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"| {words} |")]
        shown = [float(value) for value in re.findall(r"\d\.\d+", line)]
        own = table[table["statistic"] == f"people against one network, {statistic}"]
        own = own[own["condition"].str.contains(f"; {condition};")]
        np.testing.assert_allclose(shown, own[["found", "power"]].to_numpy().ravel(), atol=0.00501)


def own(by_participant, by_stimulus):
    """Own participants' file: two models with the stages x, y, z; scores (unit, generation model, stage, observer)."""
    dims = ("generation_model", "stage", "observer")
    return xr.Dataset(
        {
            "proportion_correct": (("participant", *dims), by_participant),
            "correct_by_stimulus": (("stimulus", *dims), by_stimulus),
            "stage_number": (("generation_model", "stage"), [[0, 1, 2]] * 2),
        },
        coords={"generation_model": ["a", "b"], "stage": ["x", "y", "z"], "observer": list(OBSERVERS)},
    )


def test_own_participants_have_tests_for_new_participants_for_new_stimuli_and_for_both():
    rng = np.random.default_rng(5)
    data = own(rng.random((6, 2, 3, 2)), rng.random((10, 2, 3, 2)))
    made = anova.published_tests({"mine": data}, {}, {"mine": {"a": []}}, permutations=500, seed=0, own=["mine"])
    names = ["mine: a", "mine: b"]
    over = [f"{name}, {kind}" for kind in (min_f.OVER_STIMULI, min_f.OVER_PARTICIPANTS) for name in names]
    assert made["test"].values.tolist() == [*names, *over, "mine: a, people"]
    assert made["generalizes_to"].values.tolist() == [
        *["new participants and new stimuli"] * 2,
        *["new stimuli, the same participants"] * 2,
        *[anova.SAME_STIMULI] * 3,
    ]
    f = made["f"].sel(effect="observer")
    one, two = (float(f.sel(test=f"mine: a, {kind}")) for kind in (min_f.OVER_PARTICIPANTS, min_f.OVER_STIMULI))
    assert float(f.sel(test="mine: a")) == pytest.approx(one * two / (one + two))
    differences = np.subtract(*np.moveaxis(data["proportion_correct"].values[:, 0].mean(axis=1), -1, 0))
    signs = np.array(np.meshgrid(*[[1, -1]] * 6)).reshape(6, -1)  # all 64
    exact = (np.abs(differences @ signs) >= abs(differences.sum()) - 1e-12).mean()
    for name in ("p_permutation", "p_permutation_plus_one"):
        assert float(made[name].sel(test="mine: a, over participants", effect="observer")) == pytest.approx(exact)
    p = made["p_greenhouse_geisser"].sel(test=names, effect=list(MIXED_EFFECTS)).values
    assert made["p_holm"].sel(test=names).min() == pytest.approx(min(6 * p.min(), 1))
    assert made.attrs["published_test"]


def test_the_published_test_of_the_published_data_does_not_change_with_own_participants():
    rng = np.random.default_rng(6)
    published = own(rng.random((6, 2, 3, 2)), np.empty((0, 2, 3, 2))).drop_vars("correct_by_stimulus")
    mine = own(rng.random((6, 2, 3, 2)), rng.random((10, 2, 3, 2)))
    alone = anova.published_tests({"visual-1": published}, {}, {}, permutations=199, seed=0)
    both = anova.published_tests({"visual-1": published, "mine": mine}, {}, {}, 199, 0, own=["mine"])
    xr.testing.assert_equal(both.sel(test=both["experiment"] == "visual-1"), alone)
    assert alone["generalizes_to"].values.tolist() == [anova.GENERALIZES[anova.HUMAN_AGAINST_MODEL]] * 2
