"""Adaptive experiments: posterior, information and stopping against direct computations and another program."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from scipy.special import expit

from metamers.humans import adaptive_model as adaptive
from metamers.humans.adaptive_model import (
    DIFFERENCE,
    LAPSES,
    NODE_WEIGHTS,
    THRESHOLD,
    Estimate,
    Grid,
    Question,
    build_grid,
    estimate,
    fitted_grid,
    information,
    joint_posterior,
    log_marginal,
    log_posterior,
    normalized,
    positions,
    quantiles,
    should_stop,
)
from tests.needs import without

ONE = {"m": ["a", "b", "c"]}
TWO = {"m": ["a", "b", "c"], "n": ["a", "b"]}
CHANCE, SD = 1 / 16, 0.5
LETTERS = list("abcdefgh")


def question(name=THRESHOLD, stages=None, deviation=SD):
    return Question(name, stages or {THRESHOLD: ONE, DIFFERENCE: TWO}[name], CHANCE, deviation)


def nuisance(grid):
    """The other parameters of a grid: all combinations, lapses last."""
    axes = list(grid.axes.values())[1:]
    return [part.ravel() for part in np.meshgrid(*axes, LAPSES, indexing="ij")]


def test_conditions_are_natural_stimuli_and_each_stage_of_each_model():
    assert question().conditions == (("", "natural"), ("m", "a"), ("m", "b"), ("m", "c"))
    assert question(DIFFERENCE).conditions[3:5] == (("m", "c"), ("n", "a"))


@pytest.mark.parametrize(("name", "stages"), [(THRESHOLD, TWO), (DIFFERENCE, ONE), ("other", ONE)])
def test_a_question_about_another_number_of_models_is_refused(name, stages):
    with pytest.raises(ValueError, match=r"threshold .*1 .*difference .*2 "):
        Question(name, stages, CHANCE, SD)


def test_recognition_is_halfway_at_the_threshold_and_reaches_its_levels():
    grid = build_grid(question(deviation=0))
    log_width, lapse = nuisance(grid)
    middle = np.abs(grid.values - 0.5).argmin()
    np.testing.assert_allclose(grid.right[0, middle, :, 0], 1 - lapse)
    np.testing.assert_allclose(grid.right[2, middle, :, 0], (CHANCE + 1 - lapse) / 2)  # stage b lies at position 0.5
    expected = CHANCE + (1 - CHANCE - lapse) * expit(grid.values[middle] / np.exp(log_width))
    np.testing.assert_allclose(grid.right[1, middle, :, 0], expected)
    assert (np.diff(grid.right[1:], axis=1) >= 0).all()  # a later threshold: more is recognized at each stage


def test_the_difference_is_the_same_in_log_odds_at_every_depth():
    grid = build_grid(question(DIFFERENCE, {"m": ["a", "b"], "n": ["a", "b"]}))
    lapse = nuisance(grid)[-1][None, :, None]
    share = (grid.right[1:] - CHANCE) / (1 - CHANCE - lapse)
    inside = ((share > 1e-6) & (share < 1 - 1e-6)).all(axis=0)
    log_odds = np.log(share[:, inside] / (1 - share[:, inside]))
    wanted = np.broadcast_to(grid.values[:, None, None], inside.shape)[inside]
    np.testing.assert_allclose(log_odds[0] - log_odds[2], wanted, atol=1e-6)
    np.testing.assert_allclose(log_odds[1] - log_odds[3], wanted, atol=1e-6)


@pytest.mark.parametrize("name", [THRESHOLD, DIFFERENCE])
def test_the_prior_has_the_stated_distribution(name):
    asked = question(name)
    low, high = asked.prior_ranges()[name]
    assert scipy.integrate.quad(lambda x: asked.prior_density(np.array([x]))[0], low, high)[0] == pytest.approx(
        1, abs=0.003
    )
    if name == DIFFERENCE:
        assert asked.prior_density(np.array([0.0]))[0] == pytest.approx(scipy.stats.norm.pdf(0, scale=1.5))
    else:
        assert asked.prior_density(np.array([-0.4, 0.2])).tolist() == [0, pytest.approx(1 / 1.6)]


def test_the_abilities_of_participants_are_normal():
    """The integral over abilities equals numerical integration."""
    grid = build_grid(question())
    counts = {("m", "a"): (3, 4), ("m", "c"): (1, 3)}
    value, place = 33, 20
    log_width, lapse = (part[place] for part in nuisance(grid))

    def likelihood(ability):
        found = 1.0
        for (_, stage), (right, number) in counts.items():
            log_odds = (grid.values[value] - positions(3)["abc".index(stage)]) / np.exp(log_width) + ability
            p = CHANCE + (1 - CHANCE - lapse) * expit(log_odds)
            found = found * p**right * (1 - p) ** (number - right)
        return found

    exact = scipy.integrate.quad(lambda a: likelihood(a) * scipy.stats.norm.pdf(a, scale=SD), -6, 6)[0]
    assert np.exp(log_marginal(grid, counts)[value, place]) == pytest.approx(exact, rel=1e-3)
    assert NODE_WEIGHTS.sum() == pytest.approx(1)


@pytest.mark.parametrize("name", [THRESHOLD, DIFFERENCE])
def test_information_is_the_expected_fall_of_the_parameters_entropy(name):
    grid = build_grid(question(name))
    others = log_posterior(grid, [{("m", "b"): (3, 5), ("m", "a"): (4, 5)}])
    joint = joint_posterior(grid, others, {("m", "b"): (1, 2)})

    def entropy(weights):
        shares = weights.sum(axis=(1, 2))
        shares = shares[shares > 0]
        return -(shares * np.log2(shares)).sum()

    for number, found in enumerate(information(grid, joint)):
        right, wrong = joint * grid.right[number], joint * (1 - grid.right[number])
        expected = sum(each.sum() * entropy(each / each.sum()) for each in (right, wrong))
        assert found == pytest.approx(entropy(joint) - expected, abs=1e-9)


def test_the_joint_posterior_is_that_of_all_participants():
    grid = build_grid(question())
    first, second = {("m", "a"): (3, 5)}, {("m", "b"): (1, 4)}
    joint = joint_posterior(grid, log_posterior(grid, [first]), second)
    np.testing.assert_allclose(joint.sum(axis=2), normalized(log_posterior(grid, [second, first])), atol=1e-12)


def test_choices_and_posterior_are_those_of_questplus_without_participants_and_nuisance(monkeypatch):
    questplus = pytest.importorskip("questplus", reason=without("questplus"))
    position, thresholds, slopes, lapses = (
        positions(7),
        np.linspace(-0.2, 1.2, 15),
        np.array([0.05, 0.1, 0.3]),
        [0.02, 0.1],
    )
    # QUEST+ has functions that rise, so position is counted backwards.
    other = questplus.QuestPlus(
        stim_domain={"intensity": 1 - position},
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
    right = CHANCE + (1 - CHANCE - lapse) * scipy.stats.norm.cdf((t - position[:, None]) / s)
    conditions = tuple(("m", str(number)) for number in range(len(position)))
    number = len(combinations)
    monkeypatch.setattr(adaptive, "NODE_WEIGHTS", np.ones(1))
    grid = Grid(conditions, {"all": np.arange(number)}, np.zeros((number, 1)), right[..., None, None])
    rng, counts = np.random.default_rng(0), {}
    for _ in range(25):
        joint = joint_posterior(grid, grid.log_prior, counts)
        theirs = other.posterior.transpose("mean", "sd", "lower_asymptote", "lapse_rate").values.ravel()
        np.testing.assert_allclose(joint.ravel(), theirs, atol=1e-10)
        intensity = other.next_stim["intensity"]
        chosen = int(information(grid, joint).argmax())
        assert intensity == pytest.approx(1 - position[chosen])
        correct = rng.random() < right[chosen, number // 2]
        other.update(stim={"intensity": intensity}, outcome={"response": "Correct" if correct else "Incorrect"})
        before = counts.get(conditions[chosen], (0, 0))
        counts[conditions[chosen]] = before[0] + int(correct), before[1] + 1


def counts_without_noise(threshold, width, difference, number, lapses=0.05):
    """Numbers of correct answers that equal the probabilities, not rounded; two models with eight stages."""
    found = {("", "natural"): ((1 - lapses) * number, number)}
    for model, sign in (("m", 1), ("n", -1)):
        for stage, position in zip(LETTERS, positions(8), strict=True):
            right = CHANCE + (1 - CHANCE - lapses) * expit((threshold - position) / width + sign * difference / 2)
            found[model, stage] = right * number, number
    return found


# Between the values of the first grid, and steep as well as flat.
CURVES = [(0.5, 0.12), (0.45, 0.06), (0.47, 0.07), (0.55, 0.05), (0.33, 0.2), (0.61, 0.3)]


@pytest.mark.parametrize(
    ("threshold", "width", "difference"),
    [(*curve, difference) for curve, difference in zip(CURVES, (0, 1, -2, 1, -2, 0), strict=True)],
)
def test_answers_without_noise_give_the_true_difference(threshold, width, difference):
    asked = question(DIFFERENCE, {"m": LETTERS, "n": LETTERS}, 0)
    for number in (100, 1000):
        found = estimate(asked, [counts_without_noise(threshold, width, difference, number)])
        sd = (found.high - found.low) / (2 * 1.96)
        # The prior draws the mean towards 0 by the ratio of the variances.
        wanted = difference * (1 - sd**2 / (sd**2 + adaptive.DIFFERENCE_SD**2))
        assert found.mean == pytest.approx(wanted, abs=0.15 * sd + 0.003)


@pytest.mark.parametrize(("threshold", "width"), CURVES)
def test_answers_without_noise_give_the_true_threshold(threshold, width):
    asked = question(THRESHOLD, {"m": LETTERS}, 0)
    counts = counts_without_noise(threshold, width, 0, 300)
    counts = {condition: number for condition, number in counts.items() if condition[0] in ("", "m")}
    found = estimate(asked, [counts])
    assert found.mean == pytest.approx(threshold, abs=0.2 * (found.high - found.low) / (2 * 1.96))


def test_a_finer_grid_gives_the_same_distribution(monkeypatch):
    """The result does not depend on the numbers of values of the grid."""
    asked = question(DIFFERENCE, {"m": LETTERS, "n": LETTERS})
    rng = np.random.default_rng(0)
    people = []
    for _ in range(2):
        exact = counts_without_noise(0.46, 0.08, 0.8, 5)
        people.append({condition: (int(rng.binomial(n, right / n)), n) for condition, (right, n) in exact.items()})
    coarse = estimate(asked, people)
    monkeypatch.setitem(adaptive.SIZES, DIFFERENCE, {"difference": 65, "threshold": 49, "log_width": 17})
    fine = estimate(asked, people)
    sd = (fine.high - fine.low) / 4
    assert coarse.mean == pytest.approx(fine.mean, abs=0.03 * sd)
    assert (coarse.low, coarse.high) == pytest.approx((fine.low, fine.high), abs=0.06 * sd)
    assert coarse.bayes_factor == pytest.approx(fine.bayes_factor, rel=0.1)


def test_the_grid_covers_what_is_not_negligible_and_moves_with_the_answers():
    asked = question(DIFFERENCE, {"m": LETTERS, "n": LETTERS}, 0)
    low = [counts_without_noise(0.3, 0.1, 1, 50)]
    grid, _ = fitted_grid(asked, low)
    whole = asked.prior_ranges()
    for parameter, values in grid.axes.items():
        assert whole[parameter][0] - 1e-9 <= values[0] < values[-1] <= whole[parameter][1] + 1e-9
    assert grid.axes["threshold"][-1] - grid.axes["threshold"][0] < 0.8
    # From the grid of other answers, the result is that of the same answers from the beginning.
    both = [*low, counts_without_noise(0.8, 0.2, -1, 400)]
    again, log_weights = fitted_grid(asked, both, grid)
    shares = normalized(log_weights).sum(axis=1)
    fresh = estimate(asked, both)
    assert shares @ again.values == pytest.approx(fresh.mean, abs=0.02)


def test_the_bayes_factor_is_the_ratio_of_marginal_likelihoods():
    asked = question(DIFFERENCE)
    counts = [{("m", "a"): (19, 20), ("n", "a"): (7, 20)}, {("m", "b"): (12, 20), ("n", "b"): (9, 20)}]
    grid, _ = fitted_grid(asked, counts)
    likelihood = np.exp(sum(log_marginal(grid, one) for one in counts)).sum(axis=1)
    step = grid.values[1] - grid.values[0]
    with_difference = (likelihood * asked.prior_density(grid.values)).sum() * step
    without = np.exp(np.interp(0, grid.values, np.log(likelihood)))
    found = estimate(asked, counts)
    assert found.bayes_factor == pytest.approx(with_difference / without, rel=1e-6)
    assert found.bayes_factor > 1
    same = [{("m", stage): (8, 20), ("n", stage): (8, 20)} for stage in ("a", "b")]
    assert estimate(asked, same).bayes_factor < 0.6


def test_overwhelming_evidence_is_a_finite_lower_bound():
    asked = question(DIFFERENCE, {"m": LETTERS, "n": LETTERS}, 0)
    factor = estimate(asked, [counts_without_noise(0.5, 0.2, 2, 1000)]).bayes_factor
    assert 1e4 < factor < math.inf


def test_a_threshold_has_no_bayes_factor_and_no_answers_leave_the_prior():
    found = estimate(question(), [{}])
    assert math.isnan(found.bayes_factor)
    assert (found.answers, found.participants) == (0, 0)
    assert found.mean == pytest.approx(0.5)
    assert found.high - found.low == pytest.approx(0.95 * 1.6, abs=0.05)


def test_quantiles_of_a_uniform_distribution():
    assert quantiles(np.arange(40.0), np.full(40, 1 / 40), (0.025, 0.975)) == pytest.approx((0.5, 38.5))


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
    assert should_stop(estimated, *stop) is wanted
