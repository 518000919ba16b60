"""Simulated adaptive experiments: their estimates are those of the analysis, and their rules stop the same experiment."""

import numpy as np
import pytest

from metamers.humans.adaptive_model import DIFFERENCE, THRESHOLD, Question, build_grid, estimate, log_posterior
from studies.simulations import adaptive
from studies.simulations.adaptive import (
    SimulatedParticipants,
    StoppingRule,
    logistic_log_odds,
    simulate_experiment,
    without_negligible,
)

DEVIATIONS = (0.34, 0.1, 0.1)
STAGES = [f"stage_{place}" for place in range(8)]
STEEP = logistic_log_odds(0.6, 0.06)
ONE, TWO = {"one": STEEP}, {"one": STEEP + 0.5, "other": STEEP - 0.5}


def question_about(models):
    return Question(THRESHOLD if len(models) == 1 else DIFFERENCE, dict.fromkeys(models, STAGES), 1 / 16, DEVIATIONS[0])


@pytest.fixture
def answers(monkeypatch):
    """The answers of all participants of the simulated experiments, as they are counted."""
    counted = []
    joint, drawn = adaptive.joint_posterior, adaptive.counts_in_order

    def joint_posterior(grid, others, own):
        counted.append(own)
        return joint(grid, others, own)

    def counts_in_order(*given):
        counted.append(drawn(*given))
        return counted[-1]

    monkeypatch.setattr(adaptive, "joint_posterior", joint_posterior)
    monkeypatch.setattr(adaptive, "counts_in_order", counts_in_order)
    return counted


@pytest.mark.parametrize("chosen", [True, False])
@pytest.mark.parametrize(("models", "rule"), [(ONE, StoppingRule(0.06)), (TWO, StoppingRule(bayes_factor=3))])
def test_a_simulated_experiment_ends_with_the_estimate_of_the_analysis(answers, models, rule, chosen):
    """The analysis has grids of double precision, which are as fine as the answers allow."""
    question = question_about(models)
    (found,) = simulate_experiment(
        question, SimulatedParticipants(models, DEVIATIONS), chosen, [rule], np.random.default_rng(0)
    )
    wanted = estimate(question, answers)
    assert (found.answers, found.participants) == (wanted.answers, wanted.participants)
    width = wanted.high - wanted.low
    assert found.mean == pytest.approx(wanted.mean, abs=0.02 * width)
    assert found.high - found.low == pytest.approx(width, rel=0.04)
    assert found.bayes_factor == pytest.approx(wanted.bayes_factor, rel=0.15, nan_ok=True)


def test_one_experiment_gives_the_result_of_each_rule():
    participants, rules = SimulatedParticipants(ONE, DEVIATIONS), [StoppingRule(0.12), StoppingRule(0.05)]
    both = simulate_experiment(question_about(ONE), participants, True, rules, np.random.default_rng(1))
    alone = [
        simulate_experiment(question_about(ONE), participants, True, [rule], np.random.default_rng(1))[0]
        for rule in rules
    ]
    assert both == alone
    assert both[0].answers < both[1].answers


def test_combinations_that_are_left_out_have_no_weight():
    question = question_about(ONE)
    grid = build_grid(question)
    others = log_posterior(
        grid, [{("", "natural"): (99, 99), ("one", "stage_3"): (199, 200), ("one", "stage_5"): (9, 99)}]
    )
    near, kept = without_negligible(grid, others)
    assert kept.shape[1] < others.shape[1]
    assert near.right.shape[2] == near.log_prior.shape[1] == kept.shape[1]
    assert np.exp(kept).sum() == pytest.approx(np.exp(others).sum(), rel=1e-5)
