"""Adaptive experiments in the report: the sentence, the table and the figure."""

import numpy as np
import pytest
import xarray as xr

from metamers.experiment.exclusion import EXCLUSIONS
from metamers.report.adaptive import adaptive_context, adaptive_figure, adaptive_table
from metamers.report.figures import svg


def made(question="difference", factor=25.0):
    models = ["net_a", "net_b"] if question == "difference" else ["net_a"]
    stages, number = ["natural", "one", "two"], len(models)
    values = np.linspace(-1, 2, 31)
    posterior = np.exp(-0.5 * ((values - 0.8) / 0.3) ** 2)
    fitted = np.array([[0.95, 0.8, 0.3], [0.95, 0.6, 0.2]])[:number]
    dims = ("generation_model", "stage")
    return xr.Dataset(
        {
            "value_prior": ("value", np.full(31, 1 / 31)),
            "value_posterior": ("value", posterior / posterior.sum()),
            "estimate": 0.8,
            "estimate_low": 0.21,
            "estimate_high": 1.39,
            **({"estimate_bayes_factor": factor} if question == "difference" else {}),
            "answers_suffice": 0,
            "condition_depth": (dims, np.array([[np.nan, 0, 1]] * number)),
            "answers_correct": (dims, np.array([[4, 8, 3], [4, 6, 0]])[:number]),
            "answers_given": (dims, np.array([[4, 10, 9], [4, 10, 0]])[:number]),
            "fitted_proportion": (dims, fitted),
            "fitted_low": (dims, fitted - 0.1),
            "fitted_high": (dims, fitted + 0.04),
            "stage_number": (dims, np.array([[0, 1, 2]] * number)),
            "participants_included": 5,
            "excluded": ("exclusion", [0, 0, 1, 0, 0]),
            "rows_set_aside": 2,
            "files_set_aside": 0,
        },
        coords={"value": values, "generation_model": models, "stage": stages, "exclusion": list(EXCLUSIONS)},
        attrs={"question": question},
    )


def test_a_row_is_a_condition_and_natural_stimuli_have_one():
    assert adaptive_table(made())["rows"] == [
        ["–", "natural", "4", "1.00", "0.95 (0.85 to 0.99)"],
        ["net_a", "one", "10", "0.80", "0.80 (0.70 to 0.84)"],
        ["net_a", "two", "9", "0.33", "0.30 (0.20 to 0.34)"],
        ["net_b", "one", "10", "0.60", "0.60 (0.50 to 0.64)"],
        ["net_b", "two", "0", "–", "0.20 (0.10 to 0.24)"],
    ]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (made(), "of net_a are higher than those of net_b by 0.80 at equal depth (95% credible interval 0.21 to 1.39"),
        (made(), "Bayes factor: 25 for a difference."),
        (made(factor=0.2), "Bayes factor: 5 against a difference."),
        (made("threshold"), "metamers of net_a by an average participant falls halfway at relative depth 0.80 (95%"),
    ],
)
def test_the_sentence_says_what_was_found(found, words):
    (group,) = adaptive_context({"mine": found})
    assert words in group["sentence"]


def test_answers_to_natural_stimuli_count_once():
    (group,) = adaptive_context({"mine": made()})
    assert group["answers"] == 33
    assert group["participants"] == 5
    assert group["excluded"] == {"practice": 1}
    assert group["suffices"] is False
    assert group["figure"] == "adaptive_mine"


@pytest.mark.parametrize("question", ["difference", "threshold"])
def test_the_figure_has_the_observed_proportions_and_the_posterior(question):
    figure = adaptive_figure(made(question))
    over_depth, posterior = figure.axes
    marks = np.concatenate([part.get_offsets() for part in over_depth.collections if len(part.get_offsets())])
    observed = {(0, 0.8), (1, 3 / 9), (-0.15, 1)} | ({(0, 0.6)} if question == "difference" else set())
    assert {tuple(mark) for mark in marks.round(12)} >= {(x, round(y, 12)) for x, y in observed}
    assert (
        posterior.get_xlabel()
        == {
            "difference": "Difference in log odds",
            "threshold": "Threshold (relative depth)",
        }[question]
    )
    curve = next(line for line in posterior.lines if line.get_label() == "posterior")
    assert np.trapezoid(curve.get_ydata(), curve.get_xdata()) == pytest.approx(1, abs=0.01)
    assert svg(figure) == svg(adaptive_figure(made(question)))
