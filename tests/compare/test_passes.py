"""Test of metamers by people: closed forms, error rates in simulated experiments, and the published participants."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from statsmodels.stats.weightstats import DescrStatsW

from metamers.compare import passes
from metamers.humans.summary import read_results, write_results
from metamers.leaderboard import ranking
from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.report.passes import passes_context
from studies.simulations import passes as simulated

TABLES = {"natural_difference": passes.DIFFERENCE_COLUMNS, "natural_variance": passes.NATURAL_COLUMNS}


@pytest.fixture(scope="module")
def tables(root):
    return {name: read_results(root / f"resources/published/{name}.csv", columns) for name, columns in TABLES.items()}


@pytest.fixture(scope="module")
def placed(root):
    return read_results(root / "resources/published/stage_depth.csv", DEPTH_COLUMNS)


@pytest.fixture(scope="module")
def tested(tables, placed):
    return passes.passes_dataset(tables["natural_difference"], tables["natural_variance"], placed)


def experiment(answers, stages=("natural", "one", "two"), model="m"):
    """One experiment from human proportions correct (participant, stage)."""
    values = np.asarray(answers, float)[:, None, :, None]
    dims = ("participant", "generation_model", "stage", "observer")
    return xr.Dataset(
        {
            "proportion_correct": (dims, values),
            "stage_number": (("generation_model", "stage"), [np.arange(len(stages))]),
        },
        coords={
            "generation_model": [model],
            "stage": list(stages),
            "observer": ["human"],
            "model_class": ("generation_model", ["standard"]),
        },
    )


def summaries(data, modality="vision"):
    """Differences and variance of some experiments of one modality."""
    named = {str(number): one for number, one in enumerate(data)}
    modalities = dict.fromkeys(named, modality)
    return passes.natural_differences(named, modalities), passes.natural_variance(named, modalities)


def drawn(rng, probabilities, trials):
    return rng.binomial(trials, probabilities) / trials


def test_p_equals_that_of_two_one_sided_t_tests():
    values = np.random.default_rng(0).normal(0.02, 0.1, 24)
    found = passes.equivalence(values.mean(), values.std(ddof=1) / np.sqrt(24), 24, 0.07, 0)
    both, lower, _ = DescrStatsW(values).ttost_mean(-0.07, 0.07)
    assert found.p_equivalence == pytest.approx(both)
    assert found.p_not_worse == pytest.approx(lower[1])
    assert found.p_not_worse == pytest.approx(scipy.stats.ttest_1samp(values, -0.07, alternative="greater").pvalue)
    assert found.p_worse == pytest.approx(scipy.stats.ttest_1samp(values, -0.07, alternative="less").pvalue)


def test_a_stage_is_equivalent_if_its_90_percent_interval_is_within_the_margin():
    rng = np.random.default_rng(1)
    difference, error, n = rng.normal(0, 0.05, 500), rng.uniform(0.01, 0.05, 500), rng.integers(2, 60, 500)
    found = passes.equivalence(difference, error, n, 0.08, 0.01)
    inside = (found.low >= -0.08) & (found.high <= 0.08)
    np.testing.assert_array_equal(inside, found.p_equivalence <= passes.LEVEL)
    assert 0 < inside.mean() < 1
    low, high = scipy.stats.t.interval(0.9, n - 1, difference, np.hypot(error, 0.01))
    np.testing.assert_allclose([found.low, found.high], [low, high])


def test_the_error_of_the_margin_makes_the_test_stricter():
    exact, estimated = (passes.equivalence(0.02, 0.02, 20, 0.07, error) for error in (0, 0.015))
    assert exact.p_equivalence < estimated.p_equivalence


def test_the_variance_beyond_chance_is_that_of_the_persons_and_not_of_their_answers():
    rng = np.random.default_rng(2)
    persons = [rng.beta(18, 2, 4000) for _ in range(3)]  # standard deviation 0.065
    found, error = passes.variance_beyond_chance([drawn(rng, own, 10) for own in persons], [10, 10, 10])
    assert found == pytest.approx(scipy.stats.beta.var(18, 2), abs=3 * error)
    alike = [drawn(rng, np.full(4000, 0.9), 10) for _ in range(3)]
    none, error = passes.variance_beyond_chance(alike, [10, 10, 10])
    assert none == pytest.approx(0, abs=3 * error)
    assert np.var(alike[0]) == pytest.approx(0.9 * 0.1 / 10, rel=0.1)


def test_the_standard_error_of_the_variance_is_the_jackknife():
    rng = np.random.default_rng(3)
    data, trials = [rng.random(7), rng.random(5)], [8, 20]
    found, error = passes.variance_beyond_chance(data, trials)
    total = 0
    for place, own in enumerate(data):
        left_out = [
            passes.variance_beyond_chance([*data[:place], np.delete(own, i), *data[place + 1 :]], trials)[0]
            for i in range(len(own))
        ]
        total += (len(own) - 1) * np.var(left_out)
    assert error == pytest.approx(np.sqrt(total))
    by_hand = [
        ((own - own.mean()) ** 2).sum() - (len(own) - 1) * (own * (1 - own)).mean() / (number - 1)
        for own, number in zip(data, trials, strict=True)
    ]
    assert found == pytest.approx(sum(by_hand) / 10)


def test_the_margin_is_the_root_mean_square_difference_of_two_persons():
    persons = np.random.default_rng(4).normal(0.8, 0.1, 100_000)
    differences = persons[::2] - persons[1::2]
    margin, error = passes.margin_of(0.1**2, 0.002)
    assert margin == pytest.approx(np.sqrt((differences**2).mean()), rel=0.01)
    # The 95% limit below is that of the variance, on the scale of the margin: further away than by the delta method.
    assert (margin - 1.6449 * error) ** 2 / 2 == pytest.approx(0.1**2 - 1.6449 * 0.002, rel=1e-4)
    assert error > 0.002 / margin
    assert passes.margin_of(0.1**2, 1e-6)[1] == pytest.approx(1e-6 / margin, rel=1e-3)  # the delta method, in the limit


@pytest.mark.parametrize("variance", [np.nan, -0.001, 0.0, 0.05**2 / 2])
def test_persons_who_hardly_differ_have_the_smallest_margin(variance):
    assert passes.margin_of(variance, 0.01) == (passes.SMALLEST_MARGIN, 0)


def test_a_sequence_ends_at_the_first_test_that_is_not_significant():
    p = np.array([0.01, 0.05, 0.06, 0.01])
    assert passes.significant_in_order(p).tolist() == [True, True, False, False]
    assert passes.significant_in_order(np.array([np.nan, 0.01])).tolist() == [False, False]


def test_identical_answers_pass_and_no_recognition_fails(placed):
    natural = np.repeat([0.8, 0.9, 1.0], 7)
    data = experiment(np.stack([natural, natural, 0 * natural], axis=1))
    found = passes.passes_dataset(*summaries([data]), placed).sel(generation_model="m")
    assert found["passes"].sel(stage=["one", "two"]).values.tolist() == [True, False]
    assert (found["passes_up_to"], found["fails_from"]) == ("one", "two")


def test_the_margin_and_the_verdict_do_not_depend_on_the_order_of_participants(tables):
    rng = np.random.default_rng(5)
    answers = drawn(rng, np.array([0.9, 0.88, 0.3])[None].repeat(20, axis=0), 10)
    one, other = summaries([experiment(answers)]), summaries([experiment(rng.permutation(answers))])
    for first, second in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(first, second)


def test_a_few_participants_without_errors_do_not_pass():
    """Two participants of ten trials without a difference: one other answer would be a difference of 0.05."""
    error = passes.standard_error(0.0, 2, 20)
    assert error == 0.05
    assert passes.equivalence(0, error, 2, 0.07, 0).p_equivalence > passes.LEVEL
    assert passes.equivalence(0, passes.standard_error(0.0, 20, 200), 20, 0.07, 0).p_equivalence < 1e-9


def test_few_trials_widen_the_interval():
    rng = np.random.default_rng(6)
    errors = []
    for trials in (5, 20, 50):
        answers = drawn(rng, np.full((400, 3), 0.85), trials)
        differences, _ = summaries([experiment(answers)])
        errors.append(differences["sd"].iloc[0])
        assert errors[-1] == pytest.approx(np.sqrt(2 * 0.85 * 0.15 / trials), rel=0.1)
    assert errors == sorted(errors, reverse=True)


def test_participants_without_answers_are_left_out():
    answers = np.array([[0.9, 0.8, 0.7], [0.8, np.nan, 0.7], [1.0, 0.9, 0.6], [np.nan, 0.9, 0.9], [0.9, 0.9, 0.9]])
    differences, variance = summaries([experiment(answers)])
    assert differences["n"].tolist() == [3, 4]
    assert differences["difference"].to_numpy() == pytest.approx([-0.2 / 3, -0.7 / 4])
    assert variance["participants"].tolist() == [4]


def test_an_experiment_without_natural_stimuli_is_not_tested_and_has_no_effect(placed, tmp_path):
    with_natural = experiment(np.random.default_rng(7).integers(6, 11, (20, 3)) / 10)
    without = experiment(np.full((20, 2), 0.9), stages=("one", "two"))
    differences, variance = summaries([without])
    assert differences["n"].tolist() == [0, 0]
    assert variance["participants"].tolist() == [0]
    found = passes.passes_dataset(differences, variance, placed)
    assert found["p_equivalence"].isnull().all()
    assert not found["passes"].any()
    for table, name in ((differences, "natural_difference"), (variance, "natural_variance")):
        write_results(table, tmp_path / f"{name}.csv")
    read = (read_results(tmp_path / f"{name}.csv", columns) for name, columns in TABLES.items())
    xr.testing.assert_identical(passes.passes_dataset(*read, placed), found)
    assert ranking.passed_stages(found, ["m"]) == {
        "passes_up_to": [""],
        "passes_depth": [pytest.approx(np.nan, nan_ok=True)],
        "fails_from": [""],
    }
    assert passes_context(found, "vision")["models"][0]["stages"] == []
    both, alone = summaries([with_natural, without]), summaries([with_natural])
    columns = ["difference", "sd", "n"]
    pd.testing.assert_frame_equal(both[0][columns], alone[0][columns])
    pd.testing.assert_frame_equal(both[1], alone[1])


def test_participants_of_several_experiments_are_pooled():
    rng = np.random.default_rng(8)
    answers = [rng.integers(0, 11, (n, 3)) / 10 for n in (12, 9)]
    differences, _ = summaries([experiment(own) for own in answers])
    every = np.concatenate([own[:, 1] - own[:, 0] for own in answers])
    row = differences.iloc[0]
    assert (row["difference"], row["sd"], row["n"]) == pytest.approx((every.mean(), every.std(ddof=1), 21))


def test_the_power_is_that_of_simulated_experiments():
    rng = np.random.default_rng(9)
    margins = np.array([0.06, 0.08, 0.1])
    for sd, n, margin, error, difference in (
        (0.13, 20, 0.08, 0.01, 0.0),
        (0.13, 40, 0.08, 0.0, 0.03),
        (0.13, 20, margins, margins / 10, 0.0),
    ):
        samples = rng.normal(difference, sd, (40_000, n))
        at = np.resize(margin, 40_000), np.resize(error, 40_000)
        found = passes.equivalence(samples.mean(1), samples.std(1, ddof=1) / np.sqrt(n), n, *at)
        share = (found.p_equivalence <= passes.LEVEL).mean()
        assert passes.pass_probability(sd, n, margin, error, difference) == pytest.approx(share, abs=0.01)


def test_the_power_of_the_pages_is_that_of_the_committed_simulation(root):
    """In each simulated condition, with its own standard deviation of differences: binomial answers of equal persons."""
    published = root / "resources" / "published"
    table = pd.read_csv(root / "resources" / "simulated" / "passes.csv")
    cases = [(judged, natural) for judged in simulated.JUDGED for natural in simulated.conditions(published).values()]
    assert len(table) == len(cases)
    for row, (judged, natural) in zip(table.itertuples(), cases, strict=True):
        mean = natural["mean"]
        sd = np.sqrt(2 * (mean * (1 - mean) - natural["variance"]) / round(natural["trials"]))
        n = judged * round(natural["participants"] / natural["experiments"])
        assert row.condition.startswith(f"{n} participants")
        error = np.sqrt(row.power * (1 - row.power) / row.samples)
        power = passes.pass_probability(sd, n, *passes.simulated_margins(natural))
        assert power == pytest.approx(row.power, abs=3 * error + 0.01)


def test_the_power_is_that_of_the_noncentral_t_distribution():
    """Far from one end of the margin only the test of the other end matters, which is a one-sided t test."""
    sd, n, margin = 0.05, 20, 0.3
    for difference in (0.27, 0.28, 0.3):
        shift = (margin - difference) / (sd / np.sqrt(n))
        exact = scipy.stats.nct.sf(scipy.stats.t.isf(passes.LEVEL, n - 1), n - 1, shift)
        assert passes.pass_probability(sd, n, margin, 0, difference) == pytest.approx(exact, abs=2e-3)
    assert exact == pytest.approx(passes.LEVEL)  # at the margin
    assert np.isnan(passes.pass_probability(sd, 1, margin))


def test_below_the_fewest_participants_no_stage_can_pass():
    sd, margin, error = 0.131, 0.073, 0.013
    fewest = int(passes.fewest_participants(sd, margin, error))
    for n, possible in ((fewest - 1, False), (fewest, True)):
        found = passes.equivalence(0, passes.standard_error(sd, n, 1e9), n, margin, error)
        assert (found.p_equivalence <= passes.LEVEL) == possible
    needed = int(passes.participants_needed(sd, margin, error))
    assert (
        passes.pass_probability(sd, needed - 1, margin, error)
        < 0.8
        <= passes.pass_probability(sd, needed, margin, error)
    )
    assert np.isnan(passes.fewest_participants(sd, 0.02, 0.02))
    assert np.isnan(passes.participants_needed(sd, 0.02, 0.02))


def test_simulated_margins_vary_like_those_of_new_people():
    natural = {"variance": 0.004, "standard_error": 0.001, "participants": 160, "experiments": 8}
    natural |= {"mean": 0.85, "trials": 15}
    margins, errors = passes.simulated_margins(natural)
    studies = simulated.studies(1, natural, 0, 10, np.random.default_rng(0))
    assert studies.n == 20
    assert margins.mean() == pytest.approx(np.sqrt(2 * 0.004), rel=0.03)
    assert margins.std() == pytest.approx(errors.mean(), rel=0.25)
    assert [len(found) for found in passes.simulated_margins(natural | {"variance": np.nan})] == [1, 1]
    alike, _ = passes.simulated_margins(natural | {"variance": -0.001})
    assert np.median(alike) == passes.SMALLEST_MARGIN


@pytest.mark.parametrize("judged", simulated.JUDGED)
def test_a_difference_as_large_as_the_margin_passes_no_more_often_than_the_level(root, judged):
    """With an estimated margin, and with answers that vary by chance; 4,000 simulated studies of each condition."""
    rng = np.random.default_rng(10)
    for natural in simulated.conditions(root / "resources" / "published").values():
        at_margin = simulated.studies(judged, natural, 1, 4000, rng).passes.mean()
        assert at_margin <= passes.LEVEL + 3 * np.sqrt(passes.LEVEL * (1 - passes.LEVEL) / 4000)


def test_half_and_twice_the_margin_give_the_verdicts_of_tests_with_these_margins(tested, tables):
    assert tested["margin_factor"].values.tolist() == [0.5, 2]
    rows = tables["natural_difference"].set_index("generation_model").loc["ResNet50"]
    error = passes.standard_error(rows["sd"], rows["n"], rows["trials"])
    margin, margin_error = (float(tested[name].sel(modality="vision")) for name in ("margin", "margin_standard_error"))
    for factor in (0.5, 2):
        found = passes.equivalence(rows["difference"], error, rows["n"], factor * margin, factor * margin_error)
        decided = passes.decide(found, rows["stage"].tolist())
        own = tested.sel(generation_model="ResNet50", margin_factor=factor)
        for name, end in passes.DECISIONS.items():
            assert str(own[f"{end}_by_margin"].values) == decided[name][1]
    larger = (tested["passes_up_to_by_margin"] != "").sum("generation_model")
    assert larger.values.tolist() == [4, 47]
    assert tested.attrs["compared"]
    assert tested.attrs["margin_choice"]


def test_every_published_stage_is_tested(tested, placed):
    stages = tested["stage_number"] >= 0
    assert int(stages.sum()) == 373 == int(tested["p_equivalence"].notnull().sum())
    assert int(tested["stage_depth"].notnull().sum()) == len(placed)
    assert not (tested["passes"] & tested["fails"]).any()
    assert not (tested["passes"] & ~tested["not_worse"]).any()
    assert tested["natural_participants"].values.tolist() == [188, 120]


def test_no_published_model_passes_at_its_last_stage_and_every_one_fails_from_some_stage(tested):
    for model in tested["generation_model"].values:
        own = tested.sel(generation_model=model)
        last = own["stage_number"].argmax("stage")
        assert bool(own["fails"][last])
        assert not bool(own["not_worse"][last])
    assert (tested["fails_from"] != "").all()


def test_the_results_that_the_documentation_states(tested):
    up_to = dict(zip(tested["generation_model"].values, tested["passes_up_to"].values, strict=True))
    assert up_to["ResNet50"] == "layer2"
    assert up_to["AlexNet"] == "relu0"
    assert up_to["CochResNet50"] == "layer3"
    assert up_to["CochCNN9"] == "relu1"
    assert up_to["CORnet-S"] == ""
    fails = dict(zip(tested["generation_model"].values, tested["fails_from"].values, strict=True))
    from_avgpool = ("L2 3 adversarial", "Linf 4/255 adversarial", "Linf 8/255 adversarial")
    assert [fails[name] for name in ("ResNet50", "AlexNet", "CochResNet50", "CochCNN9")] == [
        "layer4",
        "relu1",
        "layer4",
        "relu3",
    ]
    assert {fails[f"ResNet50 ({version})"] for version in from_avgpool} == {"avgpool"}
    assert int((tested["not_worse_up_to"] != "").sum()) == 24 + 18
    of_modality = tested["model_modality"].values
    passing = {
        name: sum(up_to[m] != "" for m in tested["generation_model"].values[of_modality == name])
        for name in ("vision", "audio")
    }
    assert passing == {"vision": 14, "audio": 15}
    np.testing.assert_allclose(tested["margin"], [0.073, 0.126], atol=5e-4)
    np.testing.assert_allclose(tested["margin_standard_error"], [0.016, 0.029], atol=5e-4)
    assert tested["fewest_participants"].values.tolist() == [13, 10]
    assert tested["participants_needed"].values.tolist() == [63, 36]


def test_the_pages_have_the_results_with_other_margins_and_the_share_of_errors(root, tested):
    shown = passes_context(tested, "audio")
    assert [(one["factor"], one["passing"], one["failing"], one["to_the_end"]) for one in shown["other_margins"]] == [
        (0.5, 4, 18, 0),
        (2.0, 18, 17, 0),
    ]
    (own,) = [model for model in shown["models"] if model["name"] == "CochResNet50"]
    assert [row["factor"] for row in own["by_margin"]] == [0.5, 1, 2]
    assert own["by_margin"][1]["passes_up_to"] == "layer3"
    text = (root / "src" / "metamers" / "report" / "site" / "reading_text.html.j2").read_text()
    assert "2 to 4%" in text  # of stages, wrongly
    found = pd.read_csv(root / "resources" / "simulated" / "passes.csv")["found"]
    assert (round(100 * found.min()), round(100 * found.max())) == (2, 4)


def test_the_power_that_the_documentation_states(root, tables):
    text = (root / "docs" / "explanation" / "passes.md").read_text()
    table = text[text.index("| participants | 10 |") :].split("\n\n")[0].splitlines()
    head, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table]
    sd = tables["natural_difference"].groupby("modality")["sd"].median()
    natural = tables["natural_variance"].set_index("modality")
    for modality, *shown in rows:
        margins = passes.simulated_margins(natural.loc[modality])
        power = [passes.pass_probability(sd[modality], int(n), *margins) for n in head[1:]]
        np.testing.assert_allclose([float(value) for value in shown], power, atol=0.0051)


def test_no_last_stage_passes_with_a_margin_of_three_tenths(tables):
    last = tables["natural_difference"].groupby("generation_model", sort=False).tail(1)
    error = passes.standard_error(last["sd"], last["n"], last["trials"])
    found = passes.equivalence(last["difference"], error, last["n"], 0.3, 0)
    assert len(last) == 48
    assert (found.p_equivalence > passes.LEVEL).all()


def test_the_committed_tables_follow_from_the_public_data(published_participants, registry, tables):
    modalities = {name: entry["modality"] for name, entry in registry["experiments"].items()}
    found = {
        "natural_difference": passes.natural_differences(published_participants, modalities),
        "natural_variance": passes.natural_variance(published_participants, modalities),
    }
    for name, table in found.items():
        pd.testing.assert_frame_equal(table, tables[name], check_exact=False, rtol=1e-9, atol=1e-11)
