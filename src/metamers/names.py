"""Names that the configuration, the library and the files of a run share, and the error for an unknown name."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

# Valid file name of a run: letters, digits and a few signs; no separator, and no dot at the start.
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
FILE_NAME_RULE = "at most 100 letters a to z, digits, '.', '_', '+' or '-', beginning with a letter or digit"

SURROGATE = re.compile("[\ud800-\udfff]")  # lone surrogates cannot be written as UTF-8

INPUT_STAGE = "input"
MAX_LISTED = 300  # names in the error for an unknown one; timm has over a thousand
MAX_PROBLEMS = 20  # problems in one error
NATURAL = "natural"
NULL_CLASS = "__nullSignal__"  # of the published auditory models: a sound without a word

Item = TypeVar("Item")
Result = TypeVar("Result")


class ConfigurationError(ValueError):
    """An error in a configuration file; the message names the key, the value found, and the valid values."""


def listed(problems: Sequence[str]) -> str:
    """The message of one error for several problems: each in a line of its own, ``MAX_PROBLEMS`` at most."""
    if len(problems) == 1:
        return problems[0]
    more = [f"and {left} more"] if (left := len(problems) - MAX_PROBLEMS) > 0 else []
    return "\n".join([f"{len(problems)} problems:", *(f"  {line}" for line in [*problems[:MAX_PROBLEMS], *more])])


def for_each(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Apply a function to each item.

    Raises
    ------
    ValueError
        When the function raises one, after all items: its message has those of all items. It is a
        ``ConfigurationError`` if the first one is.
    """
    results, errors = [], []
    for item in items:
        try:
            results.append(function(item))
        except ValueError as error:
            errors.append(error)
    if errors:
        kind = ConfigurationError if isinstance(errors[0], ConfigurationError) else ValueError
        raise kind(listed(list(map(str, errors))))
    return results


def unknown_name(what: str, name: str, valid: Iterable[str], key: str) -> ConfigurationError:
    """Return the error for a name that is not in a registry; it lists the nearest valid name and all valid names.

    Of more than ``MAX_LISTED`` valid names, it lists the nearest ones.
    """
    valid = list(valid)
    if len(valid) > MAX_LISTED:
        near = difflib.get_close_matches(str(name), valid, n=5)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        return ConfigurationError(f"{key}: unknown {what} {name!r}.{hint} There are {len(valid)}.")
    near = difflib.get_close_matches(str(name), valid, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return ConfigurationError(f"{key}: unknown {what} {name!r}.{hint} Valid: {', '.join(valid) or 'none'}.")


def plural(noun: str) -> str:
    """The plural of an English noun with a regular ending: category → categories, pitch → pitches, word → words."""
    if noun.endswith("ies"):  # species, series
        return noun
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def stage_path(stage: str) -> str:
    """Return a stage's name as used in paths: ``/`` and spaces become ``_``."""
    return stage.replace("/", "_").replace(" ", "_")


def without_folders(content: Any) -> Any:
    """Settings without folders of this machine: of an absolute path, only the last part is kept, after ``…/``."""
    if isinstance(content, Mapping):
        return {key: without_folders(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_folders(value) for value in content]
    if isinstance(content, str) and Path(content).is_absolute():
        return f"…/{Path(content).name}"
    return content
