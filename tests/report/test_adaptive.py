"""Adaptive experiments in the report: the sentence, the table and the figure."""

import re

import numpy as np
import pytest

from metamers.report.adaptive import adaptive_context, adaptive_figure, adaptive_table
from metamers.report.figures import svg
from tests.report.sites import adaptive_answers


def test_a_row_is_a_condition_and_natural_stimuli_have_one():
    assert adaptive_table(adaptive_answers())["rows"] == [
        ["–", "natural", "4", "1.00", "0.95 (0.85 to 0.99)"],
        ["net_a", "one", "10", "0.80", "0.80 (0.70 to 0.84)"],
        ["net_a", "two", "9", "0.33", "0.30 (0.20 to 0.34)"],
        ["net_b", "one", "10", "0.60", "0.60 (0.50 to 0.64)"],
        ["net_b", "two", "0", "–", "0.20 (0.10 to 0.24)"],
    ]


def test_the_sentence_has_the_models_the_estimate_and_the_evidence_in_favour_or_against():
    def sentence(found):
        (group,) = adaptive_context({"mine": found})
        return group["sentence"]

    estimate = r"0\.80 .*95%.* 0\.21 \w+ 1\.39\b"
    assert re.search(rf"net_a\b.* net_b\b.* {estimate}.* 25 for ", sentence(adaptive_answers()))
    assert re.search(rf"net_a\b(?!.*net_b).* {estimate}", sentence(adaptive_answers("threshold")))
    assert re.search(rf"{estimate}.* 5 against ", sentence(adaptive_answers(factor=0.2)))


def test_answers_to_natural_stimuli_count_once():
    (group,) = adaptive_context({"mine": adaptive_answers()})
    assert group["answers"] == 33
    assert group["participants"] == 5
    assert group["excluded"] == {"practice": 1}
    assert group["suffices"] is False
    assert group["figure"] == "adaptive_mine"


@pytest.mark.parametrize("question", ["difference", "threshold"])
def test_the_figure_has_the_observed_proportions_and_the_posterior(question):
    figure = adaptive_figure(adaptive_answers(question))
    over_depth, posterior = figure.axes
    marks = np.concatenate([part.get_offsets() for part in over_depth.collections if len(part.get_offsets())])
    observed = {(0, 0.8), (1, 3 / 9), (-0.15, 1)} | ({(0, 0.6)} if question == "difference" else set())
    assert {tuple(mark) for mark in marks.round(12)} >= {(x, round(y, 12)) for x, y in observed}
    assert {"difference": "log odds", "threshold": "position"}[question] in posterior.get_xlabel().lower()
    curve = next(line for line in posterior.lines if line.get_label() == "posterior")
    assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(1, abs=0.01)
    assert svg(figure) == svg(adaptive_figure(adaptive_answers(question)))
