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
    waveform, own = {"preprocessing": "waveform"}, {"preprocessing": {"python": "mine.py:own"}}
    for found, words in (
        (trained_model(ADVERSARIAL), r"adversarial, L2 0\.5 .*cochleagram, 3 \w+"),
        (trained_model(RANDOM), r"random, L∞ 0\.001 .*waveform"),
        (trained_model(RANDOM, modality="vision"), r"random, L∞ 0\.001 .*image"),
        (trained_model(ADVERSARIAL, sounds=waveform), r"adversarial, L2 0\.5 .*waveform, 3 \w+"),
        (trained_model(ADVERSARIAL, sounds=own), r"adversarial, L2 0\.5 .*\bsound, 3 \w+"),
        (trained_model(), r"(?!adversarial|random)\w+"),
    ):
        assert re.fullmatch(words, perturbed(found))


def test_accuracy_under_attack_is_of_no_more_examples_than_were_attacked():
    found = accuracy(trained_model())
    assert (found["n"], found["n_attacked"]) == (16, 8)
    assert found["clean"] == proportion(0.75, 16)
    np.testing.assert_allclose(found["attacked"], [proportion(0.5, 8), proportion(0.25, 8)])


def test_the_table_has_a_row_for_each_model_and_a_column_for_each_size():
    table = training_table({"plain": trained_model(), "top": trained_model(ADVERSARIAL, "classify")}, unheard=True)
    unheard, *attacked = table["head"][4:]
    assert [name.split(", ")[-1] for name in attacked] == ["L2 0.25", "L2 1"]
    assert [len(row) for row in table["rows"]] == [len(table["head"])] * 2
    assert table["rows"][0][:4:3] == ["plain", "3"]
    assert ["classify" in row[2] for row in table["rows"]] == [False, True]
    assert table["rows"][0][4].startswith("75% (")
    assert table["rows"][0][5].startswith("50% (")
    assert unheard.startswith(training_table({"plain": trained_model()}, unheard=False)["head"][4] + " ")


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
    (chance,) = [line.get_ydata() for line in accuracies.get_lines() if "1 of 4" in line.get_label()]
    assert list(chance) == [0.25, 0.25]
    assert "L2" in attacks.get_xlabel()
    assert "cochleagram" in attacks.get_xlabel()
    labels = " ".join(attacks.get_legend_handles_labels()[1])
    assert all(words in labels for words in ("(n = 16)", "(n = 8)", "adversarial"))
    # Perturbations of another kind than the attack have no mark.
    labels = training_figure(trained_model(RANDOM)).axes[2].get_legend_handles_labels()[1]
    assert not any(kind in label for label in labels for kind in ("adversarial", "random"))
    assert svg(figure) == svg(training_figure(trained_model(ADVERSARIAL)))
