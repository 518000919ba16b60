"""Training in the report: its table and figures say what the files say."""

import re

import numpy as np
import pytest

from metamers.compare.proportions import proportion_interval
from metamers.report.figures import svg
from metamers.report.training import (
    accuracy,
    attacked_places,
    perturbed,
    proportion,
    training_figure,
    training_findings,
    training_table,
)
from tests.report.results import trained_model

ADVERSARIAL = {"kind": "adversarial", "on": "preprocessing", "norm": "l2", "size": 0.5, "steps": 3}
RANDOM = {"kind": "random", "on": "input", "norm": "linf", "size": 0.001}


def test_the_interval_of_a_proportion_is_that_of_all_proportions():
    middle, low, high = proportion(0.5, 10)
    assert (middle, round(low, 4), round(high, 4)) == (0.5, 0.2366, 0.7634)
    assert proportion(1.0, 10)[2] == pytest.approx(1)
    assert proportion(0.1, 10)[1] == pytest.approx(float(proportion_interval(0.1, 10).low))


def test_the_kind_of_training_is_said_in_words():
    assert perturbed(trained_model()) == "nothing"
    assert perturbed(trained_model(ADVERSARIAL)) == "adversarial, L2 0.5 on the cochleagram, 3 steps"
    assert perturbed(trained_model(RANDOM)) == "random, L∞ 0.001 on the waveform"
    assert perturbed(trained_model(RANDOM, modality="vision")) == "random, L∞ 0.001 on the image"
    waveform, own = {"preprocessing": "waveform"}, {"preprocessing": {"python": "mine.py:own"}}
    assert perturbed(trained_model(ADVERSARIAL, sounds=waveform)) == "adversarial, L2 0.5 on the waveform, 3 steps"
    assert perturbed(trained_model(ADVERSARIAL, sounds=own)) == "adversarial, L2 0.5 on the preprocessed sound, 3 steps"


def test_accuracy_under_attack_is_of_no_more_examples_than_were_attacked():
    found = accuracy(trained_model())
    assert (found["n"], found["n_attacked"]) == (16, 8)
    assert found["clean"] == proportion(0.75, 16)
    np.testing.assert_allclose(found["attacked"], [proportion(0.5, 8), proportion(0.25, 8)])


def test_the_table_has_a_row_for_each_model_and_a_column_for_each_size():
    table = training_table({"plain": trained_model(), "top": trained_model(ADVERSARIAL, "classify")}, unheard=True)
    assert table["head"][4:] == ["Test accuracy (unheard voices)", "Under attack, L2 0.25", "Under attack, L2 1"]
    assert [len(row) for row in table["rows"]] == [len(table["head"])] * 2
    assert table["rows"][0][:4] == ["plain", "nothing", "all weights", "3"]
    assert table["rows"][1][2] == "readout classify only"
    assert table["rows"][0][4].startswith("75% (")
    assert table["rows"][0][5].startswith("50% (")
    assert training_table({"plain": trained_model()}, unheard=False)["head"][4] == "Test accuracy"


def test_the_finding_names_the_highest_accuracy_with_its_interval_and_what_chance_is():
    better = trained_model(ADVERSARIAL).assign(test_accuracy=0.875)
    (sentence,) = training_findings({"plain": trained_model(), "robust": better})
    _, low, high = (100 * value for value in proportion(0.875, 16))
    best = rf"Hearing: .*\b2 .* robust 88% \({low:.0f} \w+ {high:.0f}\), n = 16, [^()]*\(25%\)"
    assert re.match(rf"{best}.*\(L2 1\): plain, robust 25% \(", sentence)
    (at_chance,) = training_findings({"plain": trained_model().assign(test_accuracy=0.25)})
    assert re.search(r"\b1 .*plain 25% .*\bnot\b.*\(25%\)", at_chance)
    both = {"plain": trained_model(), "eye": trained_model(modality="vision")}
    assert [sentence.split(":")[0] for sentence in training_findings(both)] == ["Hearing", "Vision"]
    assert training_findings({}) == []


def test_what_the_attack_perturbs_is_named_once():
    models = {"a": trained_model(), "b": trained_model(), "c": trained_model(modality="vision")}
    assert attacked_places(models) == ["the cochleagram", "the normalized image"]


def test_the_figure_has_curves_chance_and_attack():
    figure = training_figure(trained_model(ADVERSARIAL))
    losses, accuracies, attacks = figure.axes
    assert [line.get_label() for line in losses.get_lines()] == ["training", "validation"]
    chance = {line.get_label(): line.get_ydata() for line in accuracies.get_lines()}["chance (1 of 4)"]
    assert list(chance) == [0.25, 0.25]
    assert "L2" in attacks.get_xlabel()
    assert "cochleagram" in attacks.get_xlabel()
    labels = attacks.get_legend_handles_labels()[1]
    assert {"test, not attacked (n = 16)", "attacked (n = 8)", "adversarial perturbations in training"} <= set(labels)
    assert svg(figure) == svg(training_figure(trained_model(ADVERSARIAL)))


def test_perturbations_of_another_kind_than_the_attack_have_no_mark():
    labels = training_figure(trained_model(RANDOM)).axes[2].get_legend_handles_labels()[1]
    assert not [label for label in labels if "in training" in label]
