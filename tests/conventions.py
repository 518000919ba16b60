"""What the IOOS Compliance Checker finds in files of a run, against CF-1.11 and ACDD-1.3."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from unittest.mock import patch

from compliance_checker.base import BaseCheck, Result
from compliance_checker.cf import util
from compliance_checker.runner import CheckSuite

CHECKERS = ["cf:1.11", "acdd:1.3"]
# What the conventions recommend for data of a place and a time on Earth; there are no CF standard names for these variables.
# Nor is the position of a stage a depth in the sea, which the checker takes any `depth` for.
NOT_APPLICABLE = re.compile(
    r"^(geospatial_|time_coverage_|standard_name_vocabulary |standard_name$|"
    r"Coordinate variable 'depth' should have standard_name='depth')"
)
# The checker subtracts the values of every coordinate, also of texts, which netCDF-4 has and CF-1.11 does not forbid.
FAILS_ON_TEXT = "check_coordinate_variables_strict_monotonicity"
# Most checks of a file look these up anew, which takes most of their time.
FOUND_ONCE = ("get_geophysical_variables", "get_auxiliary_coordinate_variables", "get_coordinate_variables")
standard_names = cache(util.StandardNameTable)  # which each checker of each file would read


@cache
def suite() -> CheckSuite:
    """The checker with its conventions, loaded once."""
    loaded = CheckSuite()
    loaded.load_all_available_checkers()
    return loaded


def _messages(results: list[Result]) -> Iterator[str]:
    for result in results:
        got, possible = result.value if isinstance(result.value, tuple) else (int(bool(result.value)), 1)
        if result.children:
            yield from _messages(result.children)
        elif got < possible:
            yield from result.msgs or [str(result.name)]


def complaints(path: Path) -> list[str]:
    """What does not conform in a file, as ``checker: message``: all of CF, what ACDD recommends or highly recommends."""
    dataset = suite().load_dataset(str(path))
    found = []
    with ExitStack() as ends:
        ends.callback(dataset.close)
        ends.enter_context(patch.object(util, "StandardNameTable", standard_names))
        for name in FOUND_ONCE:
            once = cache(getattr(util, name))
            ends.enter_context(patch.object(util, name, lambda file, once=once: list(once(file))))
        for checker, (results, errors) in suite().run_all(dataset, CHECKERS).items():
            asked = [result for result in results if checker.startswith("cf") or result.weight > BaseCheck.LOW]
            found += [f"{checker}: {message}" for message in _messages(asked) if not NOT_APPLICABLE.match(message)]
            found += [
                f"{checker}: {name} failed: {error}" for name, (error, _) in errors.items() if name != FAILS_ON_TEXT
            ]
    return found
