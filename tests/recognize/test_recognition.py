"""Forced choice: the category of the best class among the classes of any category."""

import numpy as np
import pytest
from torch import nn

from metamers.models.model import Model
from metamers.models.preprocessing import SoundPreprocessing
from metamers.recognize.recognition import answers, category_log_odds, recognition_dataset, recognize

CLASSES = {"dog": [0, 1], "cat": [3]}


def test_classes_of_no_category_do_not_count():
    scores = np.array([[0.1, 0.2, 9.0, 0.0], [0.1, 0.2, 9.0, 0.3], [0.5, 0.0, 0.0, 0.4]])
    assert answers(scores, CLASSES, "m").tolist() == ["dog", "cat", "dog"]


def test_a_category_is_as_good_as_its_best_class_not_as_their_sum():
    assert answers(np.array([[0.3, 0.3, 0.0, 0.4]]), CLASSES, "m").tolist() == ["cat"]


def test_classes_that_the_model_does_not_have_are_named():
    with pytest.raises(ValueError, match=r"model m .*\b3 .*'cat' .*\b3\b"):
        answers(np.zeros((1, 3)), CLASSES, "m")


def test_categories_without_classes_are_refused():
    with pytest.raises(ValueError, match="`categories`"):
        answers(np.zeros((1, 3)), {"dog": []}, "m")


def test_an_answer_is_correct_if_it_is_the_true_category_of_its_stimulus():
    answer = np.array([[["dog"], ["dog"]], [["cat"], ["dog"]]])
    coordinates = {"stimulus": ["a", "b"], "category": ("stimulus", ["dog", "cat"]), "stage": ["natural", "logits"]}
    found = recognition_dataset(answer, ("stage", "stimulus", "seed"), coordinates)
    assert found["correct"].dims == ("stage", "stimulus", "seed")
    assert found["correct"].values[..., 0].tolist() == [[True, False], [False, False]]
    assert found["answer"].values.tolist() == answer.tolist()


def test_a_sound_of_another_rate_has_its_own_duration():
    """The scores of this network are the largest values of the first and of the second half of 0.5 s."""
    network = nn.Sequential(nn.Unflatten(1, (2, 2000)), nn.MaxPool1d(2000), nn.Flatten())
    hearing = SoundPreprocessing(8000, 0.5, preprocessing="waveform")
    model = Model("halves", "audio", hearing, network, {"halves": "scores"})
    sound = np.zeros((1, 8000))
    sound[0, 500:1500] = 0.1
    assert recognize(model, sound, {"sampling_rate_hz": 16_000}, {"late": [1], "early": [0]}).tolist() == ["early"]


def test_log_odds_are_those_of_the_softmax_over_the_classes_of_all_categories():
    scores = np.array([[0.1, 0.2, 9.0, 0.4], [2.0, -1.0, 0.0, 3.0]])
    p = np.exp(scores[:, [0, 1, 3]])
    p /= p.sum(axis=1, keepdims=True)
    dog = p[:, :2].sum(axis=1)
    found = category_log_odds(scores, CLASSES, ["dog", "cat"], "m")
    np.testing.assert_allclose(found, [np.log(dog[0] / (1 - dog[0])), np.log((1 - dog[1]) / dog[1])])


def test_log_odds_do_not_saturate():
    assert category_log_odds(np.array([[500.0, -9e9, 0.0, -500.0]]), CLASSES, ["dog"], "m") == pytest.approx([1000])


def test_a_category_without_a_class_has_no_log_odds():
    with pytest.raises(ValueError, match=r"\['cow'\]"):
        category_log_odds(np.zeros((2, 4)), CLASSES, ["dog", "cow"], "m")
    with pytest.raises(ValueError, match="two categories"):
        category_log_odds(np.zeros((1, 4)), {"dog": [0]}, ["dog"], "m")
