"""The tests that are drawn for a day."""

import pytest

from tests.sample import drawn

NAMES = [f"tests/workflow/test_{letter}.py::test_{number}" for letter in "abc" for number in range(18)]


@pytest.mark.parametrize("every", [1, 6, 12, 54, 100])
def test_each_name_is_drawn_once_in_n_days_and_no_day_is_without(every):
    days = min(every, len(NAMES))
    draws = [drawn(NAMES, every, 739_587 + day) for day in range(days)]
    assert sorted(name for draw in draws for name in draw) == sorted(NAMES)
    assert {len(draw) for draw in draws} <= {len(NAMES) // days, len(NAMES) // days + 1}


def test_what_is_drawn_does_not_depend_on_the_order():
    assert drawn(NAMES[::-1], 12, 5) == drawn(NAMES, 12, 5)


def test_of_no_names_none_is_drawn():
    assert drawn([], 12, 5) == set()
