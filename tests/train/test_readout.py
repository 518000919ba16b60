"""Linear readouts name what is linearly separable in pooled activations, and nothing else."""

import re

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from metamers.models.model import Model
from metamers.models.preprocessing import ImagePreprocessing
from metamers.models.readout import FittedReadout, pooled, read_readout
from metamers.recognize.recognition import recognize
from metamers.run import files
from metamers.train.files import READOUTS
from metamers.train.readout import INVERSE_PENALTIES, accuracy_in_words, fit_readout, readout_dataset, refusal

CATEGORIES = ["bridge", "tower", "house"]
SETTINGS = {"dataset": "places", "times_chance": 2.0}


def examples(rng, each=40, categories=3, distance=6.0):
    """Features (example, feature) around a mean for each category, and the numbers of the categories."""
    labels = np.tile(np.arange(categories), each)
    return (distance * np.eye(categories, 5)[labels] + rng.standard_normal((len(labels), 5))), labels


def fitted(training, validation, held_out, categories=CATEGORIES):
    """The file of a readout of these examples."""
    readout, penalty = fit_readout(training, validation, categories, "late")
    numbers = {"train": len(training[1]), "validation": len(validation[1])}
    return readout_dataset(readout, penalty, numbers, held_out, SETTINGS)


@pytest.mark.parametrize(
    ("shape", "features", "axis"),
    [
        ((2, 7), None, 1),
        ((2, 5, 7), None, 2),  # (stimulus, token, feature)
        ((2, 7, 5), "first", 1),  # (stimulus, channel, time)
        ((2, 7, 3, 4), None, 1),  # (stimulus, channel, row, column)
        ((2, 3, 4, 7), "last", 3),
    ],
)
def test_activations_are_averaged_over_all_axes_but_that_of_the_features(shape, features, axis):
    values = torch.rand(shape)
    others = tuple(number for number in range(1, len(shape)) if number != axis)
    expected = values.mean(dim=others) if others else values
    torch.testing.assert_close(pooled(values, features), expected)


def test_separable_categories_are_named():
    rng = np.random.default_rng(0)
    found = fitted(examples(rng), examples(rng, 5), examples(rng, 20))
    assert float(found["held_out_accuracy"]) > 0.95
    assert float(found["inverse_penalty"]) > INVERSE_PENALTIES[0]
    assert refusal(found, "seeing") == ""


def test_validation_examples_need_not_have_every_category():
    rng = np.random.default_rng(4)
    values, labels = examples(rng, 10)
    found = fitted(examples(rng), (values[labels == 1], labels[labels == 1]), examples(rng, 20))
    assert float(found["held_out_accuracy"]) > 0.95


def test_labels_that_say_nothing_about_the_features_are_refused():
    rng = np.random.default_rng(1)
    training, validation, held_out = (examples(rng, each) for each in (40, 10, 30))
    shuffled = [(values, rng.permutation(labels)) for values, labels in (training, validation, held_out)]
    found = fitted(*shuffled)
    assert float(found["inverse_penalty"]) == INVERSE_PENALTIES[0]
    reason = refusal(found, "seeing")
    assert re.match(r"models: seeing\.readout: .*'late' .*\b90\b.*\b67%, 2 .*`stage`.*`times_chance`", reason)


def test_the_interval_is_that_of_clopper_and_pearson():
    rng = np.random.default_rng(2)
    training, validation = examples(rng), examples(rng, 5)
    certain = fitted(training, validation, examples(rng, 4, distance=60))
    assert float(certain["held_out_accuracy"]) == 1
    assert float(certain["held_out_accuracy_low"]) == pytest.approx(0.025 ** (1 / 12))
    assert float(certain["held_out_accuracy_high"]) == 1
    values, labels = examples(rng, 4, distance=60)
    labels[:3] = (labels[:3] + 1) % 3
    some = fitted(training, validation, (values, labels))
    assert float(some["held_out_accuracy"]) == 9 / 12
    assert float(some["held_out_accuracy_low"]) == pytest.approx(scipy.stats.beta.ppf(0.025, 9, 4))
    assert float(some["held_out_accuracy_high"]) == pytest.approx(scipy.stats.beta.ppf(0.975, 10, 3))
    assert re.findall(r"\d+%?", accuracy_in_words(some)) == ["75%", "12", "95%", "43%", "95%", "33%"]


def test_scores_of_two_categories_have_the_probabilities_of_scikit_learn():
    rng = np.random.default_rng(3)
    training, validation, (values, _) = (examples(rng, each, 2, distance=1) for each in (30, 10, 10))
    readout, penalty = fit_readout(training, validation, ["a", "b"], "late")
    both, labels = (np.concatenate(parts) for parts in zip(training, validation, strict=True))
    plain = LogisticRegression(C=penalty, max_iter=2000).fit((both - both.mean(0)) / both.std(0), labels)
    probabilities = scipy.special.softmax(readout.scores(values), axis=1)
    np.testing.assert_allclose(probabilities, plain.predict_proba((values - both.mean(0)) / both.std(0)), atol=1e-4)


def colours():
    """A model without classes whose stage ``blocks`` is the image itself, (stimulus, channel, row, column)."""
    network = nn.Sequential(nn.Identity(), nn.Flatten())
    preprocessing = ImagePreprocessing(size=8, mean=[0.0] * 3, std=[1.0] * 3)
    return Model("colours", "vision", preprocessing, network, {"input": None, "blocks": "0"}, classes=False)


def test_a_model_recognizes_by_its_readout_among_the_categories_of_the_task(tmp_path):
    model = colours()
    readout = FittedReadout(
        "blocks", None, np.array(["red", "green", "blue"]), np.zeros(3), np.ones(3), np.eye(3), np.zeros(3)
    )
    images = np.zeros((3, 3, 8, 8), dtype=np.float32)
    for number in range(3):
        images[number, number] = 1
    images[2, 1] = 0.5
    with pytest.raises(ValueError, match=r"\bcolours\b.*`classes: false`"):
        recognize(model, images, {}, {"red": [0]})
    values, labels = images.mean((2, 3)), np.arange(3)
    found = readout_dataset(readout, 1.0, {"train": 3, "validation": 3}, (values, labels), SETTINGS)
    origin = {"title": "t", "source": "s", "step": "train_readout", "run": "r", "seed": 0, "inputs": [], "creator": {}}
    files.save(found, tmp_path / "colours.nc", declared=READOUTS, **origin)
    model.readout = read_readout(tmp_path / "colours.nc").answers
    for_all = recognize(model, images, {}, {name: [0] for name in readout.categories})
    assert for_all.tolist() == ["red", "green", "blue"]
    assert recognize(model, images, {}, {"green": [5], "red": [2]}).tolist() == ["red", "green", "green"]
