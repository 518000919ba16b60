"""Numbers that the study prints, each beside the run's own: agrees, differs, not public, or not in the run.

Which numbers there are, and where they are printed, is in ``config/paper_numbers.yaml``. The page that shows them is
for ``metamers.paper``. Imports nothing heavy, as ``metamers.config``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metamers.config_read import read_yaml, validate
from metamers.names import ConfigurationError

AGREES, DIFFERS, NOT_PUBLIC, NOT_IN_RUN = "agrees", "differs", "not public", "not in this run"
STATES = (AGREES, DIFFERS, NOT_PUBLIC, NOT_IN_RUN)
ROUNDING = 1e-9  # of floating-point numbers that lie between two printed ones


def read_numbers(path: str | Path) -> dict[str, Any]:
    """Read and check the table of printed numbers.

    Returns
    -------
    dict
        ``numbers``: each with ``section``, ``what``, ``place``, ``printed``, and ``ours`` (where the run has it) or
        ``not_public``, perhaps ``why``; ``not_public``: figures, each with ``what`` and ``why``; ``panels``: panel →
        where the paper has it.

    Raises
    ------
    ConfigurationError
        When it does not fit its schema, or names the same thing twice.
    """
    table = read_yaml(path)
    validate(table, "paper_numbers", str(path))
    names = [(entry["section"], entry["what"]) for entry in table["numbers"]]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise ConfigurationError(f"{path}: numbers: {double[0]}: {double[1]!r} is there twice")
    for number, entry in enumerate(table["numbers"]):
        places = entry.get("ours", {}).get("at", {}).values()
        if any(isinstance(place, list) for place in places) != ("take" in entry.get("ours", {})):
            raise ConfigurationError(
                f"{path}: numbers.{number}.ours: `take` says which of several places counts: wanted both or neither"
            )
    return table


def parts(printed: str) -> tuple[str, float, int]:
    """A printed number: ``<``, ``>`` or nothing; its value; how many decimals it has."""
    bound = printed[0] if printed[0] in "<>" else ""
    digits = printed.removeprefix(bound).strip()
    return bound, float(digits), len(digits.partition(".")[2])


def agrees(printed: str, value: float) -> bool:
    """Whether a value is the printed number as far as its digits go, or lies within the printed bound so far.

    A printed number stands for everything that is rounded to it. A bound is itself rounded, so that what is rounded to
    it lies within.
    """
    bound, number, decimals = parts(printed)
    half = 0.5 * 10**-decimals * (1 + ROUNDING)
    return (bound == ">" or value <= number + half) and (bound == "<" or value >= number - half)


def written(printed: str, value: float) -> str:
    """A value with as many decimals as the printed number has, and one more where it would look the same but is not."""
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
        When the file has no such variable or place, or that is not one number.
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
    """Every printed number beside the run's.

    Parameters
    ----------
    numbers
        As ``read_numbers`` gives them.
    files
        Name of a file of ``comparison/`` → its content, an ``xarray.Dataset``, for the files that the run has.

    Returns
    -------
    list
        ``section``, ``what``, ``place``, ``printed``, ``ours`` (empty where there is none), ``state`` (one of
        ``STATES``) and ``why`` (empty where it agrees, or nothing is known).
    """
    rows = []
    for entry in numbers:
        row = {key: entry[key] for key in ("section", "what", "place", "printed")}
        if "not_public" in entry:
            row |= {"ours": "", "state": NOT_PUBLIC, "why": entry["not_public"]}
        elif entry["ours"]["file"] not in files:
            row |= {"ours": "", "state": NOT_IN_RUN, "why": "needs human_data: participants"}
        else:
            value = find(entry["ours"], files)
            same = agrees(entry["printed"], value)
            row |= {"ours": written(entry["printed"], value), "state": AGREES if same else DIFFERS}
            row["why"] = "" if same else entry.get("why", "")
        rows.append(row)
    return rows
