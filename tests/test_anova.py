"""The analysis of variance: against the study's printed results, pingouin, and the null hypothesis."""

import re

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from metamers import anova, humans

# Where the study's code printed the results of its first experiments.
PRINTED = {
    "visual-1": "VisionBehavioralExperiments/EXP1_ANALYSIS/17-Mar-2022-EXP1_ANALYSIS_ANOVA_NETWORK_HUMAN_RESULTS.txt",
    "auditory-1": "AuditoryBehavioralExperiments/EXPERIMENT_1/17-Mar-2022-EXPERIMENT_1_ANOVA_NETWORK_HUMAN_RESULTS.txt",
}


@pytest.fixture(scope="module")
def tested(public, registry):
    chosen = {name: humans.experiment_dataset(registry["experiments"][name], public) for name in PRINTED}
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
def test_the_permutation_tests_f_is_pingouins(seed):
    rng = np.random.default_rng(seed)
    scores = rng.random((int(rng.integers(3, 12)), int(rng.integers(2, 9)), 2))
    rows = rows_of(scores)
    first = np.arange(len(rows)) < len(scores)
    stage, interaction = anova.f_within(rows[None])
    expected = anova.mixed_anova(scores)["f"]
    found = [anova.f_observer(rows.mean(axis=1), first[None])[0], stage[0], interaction[0]]
    np.testing.assert_allclose(found, expected[list(anova.EFFECTS)].astype(float))


def test_with_two_groups_f_of_the_observer_is_the_squared_t_of_the_means():
    scores = np.random.default_rng(1).random((9, 4, 2))
    t = scipy.stats.ttest_ind(*scores.mean(axis=1).T).statistic
    assert anova.mixed_anova(scores).loc["observer", "f"] == pytest.approx(t**2)


def test_permutation_p_is_uniform_where_observers_and_stages_make_no_difference():
    rng = np.random.default_rng(0)
    found = [anova.permutation_p(rng.random((8, 4, 2)), permutations=200, rng=rng) for _ in range(300)]
    for effect in anova.EFFECTS:
        p = [one[effect] for one in found]
        assert scipy.stats.kstest(p, "uniform").pvalue > 0.01, effect


def test_each_effect_is_found_alone():
    rng = np.random.default_rng(0)
    noise = 0.1 * rng.random((10, 5, 2))
    ramp = np.linspace(0, 1, 5)[:, None]
    made = {"observer": [0, 1], "stage": np.hstack([ramp, ramp]), "interaction": np.hstack([ramp, ramp[::-1]])}
    for effect, difference in made.items():
        p = anova.permutation_p(noise + difference, permutations=1000, rng=rng)
        assert p[effect] == 0.001
        assert all(p[other] > 0.001 for other in anova.EFFECTS if other not in (effect, "stage"))


def test_the_same_seed_gives_the_same_p_whichever_tests_are_made():
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


def test_scores_that_do_not_vary_have_no_f():
    with pytest.raises(ValueError, match="do not vary"):
        anova.permutation_p(np.full((4, 3, 2), 0.5), permutations=10, rng=np.random.default_rng(0))
