"""Forced choice: the category of the best class among the classes of any category."""

import numpy as np
import pytest

from metamers.recognize import answers, recognition_dataset

CLASSES = {"dog": [0, 1], "cat": [3]}


def test_classes_of_no_category_do_not_count():
    scores = np.array([[0.1, 0.2, 9.0, 0.0], [0.1, 0.2, 9.0, 0.3], [0.5, 0.0, 0.0, 0.4]])
    assert answers(scores, CLASSES, "m").tolist() == ["dog", "cat", "dog"]


def test_a_category_is_as_good_as_its_best_class_not_as_their_sum():
    assert answers(np.array([[0.3, 0.3, 0.0, 0.4]]), CLASSES, "m").tolist() == ["cat"]


def test_classes_that_the_model_does_not_have_are_named():
    with pytest.raises(ValueError, match=r"model m has 3 classes, but category 'cat' names class 3"):
        answers(np.zeros((1, 3)), CLASSES, "m")


def test_categories_without_classes_are_refused():
    with pytest.raises(ValueError, match="no category has any class"):
        answers(np.zeros((1, 3)), {"dog": []}, "m")


def test_an_answer_is_correct_if_it_is_the_true_category_of_its_stimulus():
    answer = np.array([[["dog"], ["dog"]], [["cat"], ["dog"]]])
    coordinates = {"stimulus": ["a", "b"], "category": ("stimulus", ["dog", "cat"]), "stage": ["natural", "logits"]}
    found = recognition_dataset(answer, ("stage", "stimulus", "seed"), coordinates)
    assert found["correct"].dims == ("stage", "stimulus", "seed")
    assert found["correct"].values[..., 0].tolist() == [[True, False], [False, False]]
    assert found["answer"].values.tolist() == answer.tolist()
