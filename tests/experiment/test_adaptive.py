"""Adaptive experiments: posterior, information and stopping against direct computations and another program."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from scipy.special import expit

from metamers.experiment import adaptive
from metamers.experiment.adaptive import (
    DIFFERENCE,
    THRESHOLD,
    Estimate,
    Grid,
    build_grid,
    credible_interval,
    depths,
    estimate,
    information,
    joint_posterior,
    log_marginal,
    log_posterior,
    reached,
)

ONE = {"m": ["a", "b", "c"]}
TWO = {"m": ["a", "b", "c"], "n": ["a", "b"]}
CHANCE, SD = 1 / 16, 0.5


def test_conditions_are_natural_stimuli_and_each_stage_of_each_model():
    assert build_grid(THRESHOLD, ONE, CHANCE, SD).conditions == (("", "natural"), ("m", "a"), ("m", "b"), ("m", "c"))
    assert build_grid(DIFFERENCE, TWO, CHANCE, SD).conditions[3:5] == (("m", "c"), ("n", "a"))


@pytest.mark.parametrize(("question", "stages"), [(THRESHOLD, TWO), (DIFFERENCE, ONE), ("other", ONE)])
def test_a_question_about_another_number_of_models_is_refused(question, stages):
    with pytest.raises(ValueError, match="wanted threshold with 1 model or difference with 2 models"):
        build_grid(question, stages, CHANCE, SD)


def test_recognition_is_halfway_at_the_threshold_and_reaches_its_levels():
    grid = build_grid(THRESHOLD, ONE, CHANCE, 0)
    for width, (place, lapse) in zip(
        np.repeat(adaptive.WIDTHS[THRESHOLD], len(adaptive.LAPSES[THRESHOLD])),
        enumerate(np.tile(adaptive.LAPSES[THRESHOLD], len(adaptive.WIDTHS[THRESHOLD]))),
        strict=True,
    ):
        right = grid.right[:, :, place, 0]
        np.testing.assert_allclose(right[0], 1 - lapse)
        middle = np.abs(grid.values - 0.5).argmin()
        np.testing.assert_allclose(right[2, middle], (CHANCE + 1 - lapse) / 2)  # stage b lies at depth 0.5
        expected = CHANCE + (1 - CHANCE - lapse) * expit(grid.values[middle] / width)
        np.testing.assert_allclose(right[1, middle], expected)
    assert (np.diff(grid.right[1:], axis=1) >= 0).all()  # a later threshold: more is recognized at each stage


def test_the_difference_is_the_same_in_log_odds_at_every_depth():
    grid = build_grid(DIFFERENCE, {"m": ["a", "b"], "n": ["a", "b"]}, CHANCE, SD)
    lapse = np.tile(adaptive.LAPSES[DIFFERENCE], grid.right.shape[2] // len(adaptive.LAPSES[DIFFERENCE]))[None, :, None]
    share = (grid.right[1:] - CHANCE) / (1 - CHANCE - lapse)
    inside = ((share > 1e-6) & (share < 1 - 1e-6)).all(axis=0)
    log_odds = np.log(share[:, inside] / (1 - share[:, inside]))
    wanted = np.broadcast_to(grid.values[:, None, None], inside.shape)[inside]
    np.testing.assert_allclose(log_odds[0] - log_odds[2], wanted, atol=1e-6)
    np.testing.assert_allclose(log_odds[1] - log_odds[3], wanted, atol=1e-6)


def test_priors_sum_to_one_and_a_difference_is_symmetric():
    for question, stages in ((THRESHOLD, ONE), (DIFFERENCE, TWO)):
        grid = build_grid(question, stages, CHANCE, SD)
        assert grid.prior.sum() == pytest.approx(1)
        assert grid.weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(grid.prior.sum(axis=1), grid.prior.sum(axis=1)[::-1])
    assert 0 in grid.values.round(12)


def test_the_abilities_of_participants_are_normal():
    """The integral over abilities equals numerical integration."""
    grid = build_grid(THRESHOLD, ONE, CHANCE, SD)
    counts = {("m", "a"): (3, 4), ("m", "c"): (1, 3)}
    value, place = 40, 13
    width, lapse = adaptive.WIDTHS[THRESHOLD][place // 3], adaptive.LAPSES[THRESHOLD][place % 3]

    def likelihood(ability):
        found = 1.0
        for (_, stage), (right, number) in counts.items():
            log_odds = (grid.values[value] - depths(3)["abc".index(stage)]) / width + ability
            p = CHANCE + (1 - CHANCE - lapse) * expit(log_odds)
            found = found * p**right * (1 - p) ** (number - right)
        return found

    exact = scipy.integrate.quad(lambda a: likelihood(a) * scipy.stats.norm.pdf(a, scale=SD), -6, 6)[0]
    assert np.exp(log_marginal(grid, counts)[value, place]) == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize(("question", "stages"), [(THRESHOLD, ONE), (DIFFERENCE, TWO)])
def test_information_is_the_expected_fall_of_the_parameters_entropy(question, stages):
    grid = build_grid(question, stages, CHANCE, SD)
    others = log_posterior(grid, [{("m", "b"): (3, 5), ("m", "a"): (4, 5)}])
    own = {("m", "b"): (1, 2)}
    joint = joint_posterior(grid, others, own)

    def entropy(weights):
        shares = weights.sum(axis=(1, 2))
        shares = shares[shares > 0]
        return -(shares * np.log2(shares)).sum()

    for number, found in enumerate(information(grid, joint)):
        right, wrong = joint * grid.right[number], joint * (1 - grid.right[number])
        expected = sum(each.sum() * entropy(each / each.sum()) for each in (right, wrong))
        assert found == pytest.approx(entropy(joint) - expected, abs=1e-9)


def test_the_joint_posterior_is_that_of_all_participants():
    grid = build_grid(THRESHOLD, ONE, CHANCE, SD)
    first, second = {("m", "a"): (3, 5)}, {("m", "b"): (1, 4)}
    joint = joint_posterior(grid, log_posterior(grid, [first]), second)
    whole = np.exp(log_posterior(grid, [second, first]))
    np.testing.assert_allclose(joint.sum(axis=2), whole / whole.sum(), atol=1e-12)


def test_choices_and_posterior_are_those_of_questplus_without_participants_and_nuisance():
    questplus = pytest.importorskip("questplus", reason="questplus is not installed (.ci/run installs it)")
    depth, thresholds, slopes, lapses = depths(7), np.linspace(-0.2, 1.2, 15), np.array([0.05, 0.1, 0.3]), [0.02, 0.1]
    # QUEST+ has functions that rise, so depth is counted backwards.
    other = questplus.QuestPlus(
        stim_domain={"intensity": 1 - depth},
        param_domain={
            "mean": 1 - thresholds,
            "sd": slopes,
            "lower_asymptote": np.array([CHANCE]),
            "lapse_rate": np.array(lapses),
        },
        outcome_domain={"response": ["Correct", "Incorrect"]},
        func="norm_cdf",
        stim_scale="linear",
    )
    combinations = np.array(list(itertools.product(thresholds, slopes, lapses)))
    t, s, lapse = combinations.T
    right = CHANCE + (1 - CHANCE - lapse) * scipy.stats.norm.cdf((t - depth[:, None]) / s)
    conditions = tuple(("m", str(number)) for number in range(len(depth)))
    number = len(combinations)
    grid = Grid(
        THRESHOLD, conditions, np.arange(number), np.full((number, 1), 1 / number), right[..., None, None], np.ones(1)
    )
    rng, counts = np.random.default_rng(0), {}
    for _ in range(25):
        joint = joint_posterior(grid, np.log(grid.prior), counts)
        theirs = other.posterior.transpose("mean", "sd", "lower_asymptote", "lapse_rate").values.ravel()
        np.testing.assert_allclose(joint.ravel(), theirs, atol=1e-10)
        intensity = other.next_stim["intensity"]
        chosen = int(information(grid, joint).argmax())
        assert intensity == pytest.approx(1 - depth[chosen])
        correct = rng.random() < right[chosen, number // 2]
        other.update(stim={"intensity": intensity}, outcome={"response": "Correct" if correct else "Incorrect"})
        before = counts.get(conditions[chosen], (0, 0))
        counts[conditions[chosen]] = before[0] + int(correct), before[1] + 1


def test_the_bayes_factor_is_the_ratio_of_marginal_likelihoods():
    grid = build_grid(DIFFERENCE, TWO, CHANCE, SD)
    counts = [{("m", "a"): (19, 20), ("n", "a"): (7, 20)}, {("m", "b"): (12, 20), ("n", "b"): (2, 20)}]
    likelihood = np.exp(sum(log_marginal(grid, one) for one in counts))
    with_difference = (likelihood * grid.prior).sum()
    none = int(np.abs(grid.values).argmin())
    without = (likelihood[none] * grid.prior[none]).sum() / grid.prior[none].sum()
    assert estimate(grid, counts).bayes_factor == pytest.approx(with_difference / without)
    assert estimate(grid, counts).bayes_factor > 10


def test_a_threshold_has_no_bayes_factor_and_no_answers_leave_the_prior():
    found = estimate(build_grid(THRESHOLD, ONE, CHANCE, SD), [{}])
    assert math.isnan(found.bayes_factor)
    assert (found.answers, found.participants) == (0, 0)
    assert found.mean == pytest.approx(0.5)
    assert found.high - found.low > 1.4


@pytest.mark.parametrize("true", [0.2, 0.7])
def test_many_answers_give_the_true_threshold(true):
    grid = build_grid(THRESHOLD, {"m": list("abcdefgh")}, CHANCE, 0)
    width = adaptive.WIDTHS[THRESHOLD][4]
    right = np.append(0.95, CHANCE + (0.95 - CHANCE) * expit((true - depths(8)) / width))
    counts = {condition: (round(4000 * p), 4000) for condition, p in zip(grid.conditions, right, strict=True)}
    assert estimate(grid, [counts]).mean == pytest.approx(true, abs=0.011)  # the grid has steps of 0.02


def test_the_interval_of_a_uniform_distribution_leaves_out_a_fortieth_at_each_end():
    assert credible_interval(np.arange(40), np.full(40, 1 / 40)) == pytest.approx((0.5, 38.5))


def found(low=0.0, high=1.0, factor=math.nan, participants=4):
    return Estimate(0.5, low, high, factor, 100, participants)


@pytest.mark.parametrize(
    ("estimated", "stop", "wanted"),
    [
        (found(0.4, 0.5), (0.1, None, 4), True),
        (found(0.4, 0.51), (0.1, None, 4), False),
        (found(0.4, 0.5, participants=3), (0.1, None, 4), False),
        (found(factor=12), (None, 10, 4), True),
        (found(factor=0.09), (None, 10, 4), True),
        (found(factor=5), (None, 10, 4), False),
        (found(), (None, 10, 4), False),
        (found(factor=0), (None, 10, 4), True),
        (found(0.4, 0.5, factor=2), (0.1, 10, 4), True),
    ],
)
def test_an_experiment_stops_at_its_precision_or_evidence(estimated, stop, wanted):
    assert reached(estimated, *stop) is wanted
