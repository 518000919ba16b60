"""The number of trials behind published proportions is estimated without bias."""

import numpy as np
import pytest

from metamers.humans.trials import trials_per_condition
from tests.power.simulated import experiment


@pytest.mark.parametrize("numbers", [[10], [9, 10, 11], [20, 21, 22]])
def test_the_number_of_trials_is_recovered_from_proportions(numbers):
    answers = experiment((0.5, 0, 0), 40, numbers)["proportion_correct"].sel(observer="human")
    found = trials_per_condition(answers.values.reshape(40, -1))
    assert found == pytest.approx(np.mean(numbers), rel=0.03)


def test_a_proportion_that_no_number_of_trials_gives_is_refused():
    with pytest.raises(ValueError, match=r"\b60\b"):
        trials_per_condition(np.array([[0.5, np.pi / 4]]))
