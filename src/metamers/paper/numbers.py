"""Comparison of the numbers printed in the paper with the run's: agrees, differs, not public, or not in the run.

``config/paper_numbers.yaml`` lists the numbers and their places in the paper. ``metamers.paper.page`` shows them. The
module imports no slow library, because the configuration uses it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metamers.config.read import read_yaml, validate
from metamers.names import ConfigurationError

AGREES, DIFFERS, NOT_PUBLIC, NOT_IN_RUN = "agrees", "differs", "not public", "not in this run"
STATES = (AGREES, DIFFERS, NOT_PUBLIC, NOT_IN_RUN)
ROUNDING = 1e-9  # relative tolerance for values half-way between two printed numbers


def read_numbers(path: str | Path) -> dict[str, Any]:
    """Read and check the table of printed numbers.

    Returns
    -------
    dict
        ``numbers``: each with ``section``, ``what``, ``place``, ``printed``, and ``ours`` (place in the run) or
        ``not_public``, optionally ``why``; ``not_public``: figures, each with ``what`` and ``why``; ``panels``: panel →
        place in the paper.

    Raises
    ------
    ConfigurationError
        When it does not match its schema, or an entry appears twice.
    """
    table = read_yaml(path)
    validate(table, "paper_numbers", str(path))
    names = [(entry["section"], entry["what"]) for entry in table["numbers"]]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise ConfigurationError(f"{path}: numbers: {double[0]}: {double[1]!r} appears twice")
    for number, entry in enumerate(table["numbers"]):
        places = entry.get("ours", {}).get("at", {}).values()
        if any(isinstance(place, list) for place in places) != ("take" in entry.get("ours", {})):
            raise ConfigurationError(
                f"{path}: numbers.{number}.ours: `take` selects one of several places: wanted both or neither"
            )
    return table


def parts(printed: str) -> tuple[str, float, int]:
    """Parts of a printed number: ``<``, ``>`` or nothing; value; number of decimals."""
    bound = printed[0] if printed[0] in "<>" else ""
    digits = printed.removeprefix(bound).strip()
    return bound, float(digits), len(digits.partition(".")[2])


def agrees(printed: str, value: float) -> bool:
    """Whether a value, rounded to the printed digits, equals the printed number or lies within the printed bound.

    A bound is itself rounded, so values that round to the bound lie within it.
    """
    bound, number, decimals = parts(printed)
    half = 0.5 * 10**-decimals * (1 + ROUNDING)
    return (bound == ">" or value <= number + half) and (bound == "<" or value >= number - half)


def written(printed: str, value: float) -> str:
    """A value with the decimals of the printed number, and one more if it differs but would look the same."""
    decimals = parts(printed)[2]
    text = f"{value:.{decimals}f}"
    return text if agrees(printed, value) or float(text) != parts(printed)[1] else f"{value:.{decimals + 1}f}"


def find(ours: Mapping[str, Any], files: Mapping[str, Any]) -> float:
    """The run's number.

    Parameters
    ----------
    ours
        ``file``, ``variable``, ``at`` (dimension → place, or list of places) and ``take`` (``minimum``, ``maximum``).
    files
        Name of a file → its content, an ``xarray.Dataset``.

    Raises
    ------
    ValueError
        When the file lacks the variable or the place, or the result is not one number.
    """
    at = ours.get("at", {})
    try:
        values = files[ours["file"]][ours["variable"]].sel(at)
    except KeyError as error:
        raise ValueError(f"{ours['file']}.nc has no {ours['variable']} at {dict(at)}: {error}") from error
    if "take" in ours:
        values = values.min() if ours["take"] == "minimum" else values.max()
    if values.ndim:
        raise ValueError(f"{ours['file']}.nc: {ours['variable']} at {dict(at)} has {values.size} numbers, wanted one")
    return float(values)


def compared(numbers: Sequence[Mapping[str, Any]], files: Mapping[str, Any]) -> list[dict[str, str]]:
    """Compare every printed number with the run's.

    Parameters
    ----------
    numbers
        The key ``numbers`` of the result of ``read_numbers``.
    files
        Name of a file of ``comparison/`` → its content, an ``xarray.Dataset``, for the files that the run has.

    Returns
    -------
    list
        ``section``, ``what``, ``place``, ``printed``, ``ours`` and its ``file`` (empty if the run lacks it), ``state``
        (one of ``STATES``) and ``why`` (empty if it agrees or the reason is unknown).
    """
    rows = []
    for entry in numbers:
        row = {key: entry[key] for key in ("section", "what", "place", "printed")} | {"file": ""}
        if "not_public" in entry:
            row |= {"ours": "", "state": NOT_PUBLIC, "why": entry["not_public"]}
        elif entry["ours"]["file"] not in files:
            row |= {"ours": "", "state": NOT_IN_RUN, "why": "needs human_data: participants"}
        else:
            value = find(entry["ours"], files)
            same = agrees(entry["printed"], value)
            row |= {"ours": written(entry["printed"], value), "state": AGREES if same else DIFFERS}
            row["file"] = f"comparison/{entry['ours']['file']}.nc"
            row["why"] = "" if same else entry.get("why", "")
        rows.append(row)
    return rows
