"""Check that a row of jsPsych's data is a valid answer to the experiment's design.

The server checks each answer that arrives, and the analysis checks it again when it reads the answers. Both call
``check_row``, so the analysis accepts every row that the server has acknowledged. ``metamers.humans.own_participants``
analyses the answers.
"""

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from metamers.humans.design import CHOSEN
from metamers.names import FILE_NAME, SURROGATE

MAX_ROW_LETTERS = 16_384  # in a row as JSON; a row has about 500
MAX_TEXT_LETTERS = 200  # in a field that is used
MAX_DEPTH = 8  # nesting of lists and objects in a field
MAX_INTEGER = 1 << 53  # larger integers are not exact in JavaScript
STEP = re.compile(r"(trial|shown|headphones)-(0|[1-9][0-9]{0,5})")
CONSENT = "consent"
YES = "yes"
CONSENT_ANSWERS = (YES, "no")
HEADPHONE_ANSWERS = ("1", "2", "3")
REQUIRED_TEXTS = ("participant", "design", "step", "answer")
OPTIONAL_TEXTS = ("exhibit", "target", "kind")
# Times in ms; the browser's window in CSS pixels; device pixels per CSS pixel; zoom of the page and of fingers.
RESPONSE_TIME = "rt"
NUMBERS = (RESPONSE_TIME, "shown_ms", "window_width", "window_height", "pixel_ratio", "zoom", "pinch_zoom")
ROW_COLUMNS = ("order", *REQUIRED_TEXTS)  # columns that every answer has


class RowError(ValueError):
    """A row is not a valid answer to the design; the message names the field, the value found and valid values."""


class RepeatedKeys(dict):
    """A JSON object with a repeated key; the last value is kept."""


@dataclass(frozen=True)
class Questions:
    """The questions of a design, for the checks of the server and of the analysis.

    Attributes
    ----------
    design
        The design's identifier.
    exhibits
        Names of the exhibits: their file names without suffix.
    orders
        Order → trial → number of the exhibit.
    categories
        Possible answers to a stimulus.
    headphone_trials
        Number of trials of the headphone check.
    main
        Name of each exhibit of main trials → its natural stimulus. Where an order has ``CHOSEN``, any of them may have
        been shown.
    """

    design: str
    exhibits: Sequence[str]
    orders: Sequence[Sequence[int]]
    categories: Collection[str]
    headphone_trials: int
    main: Mapping[str, str]

    @classmethod
    def of_design(cls, design: xr.Dataset, categories: Collection[str]) -> "Questions":
        """Return the questions of ``experiment/<modality>.nc``, with the possible answers to a stimulus."""
        names, stimuli, kinds = (design[name].values.astype(str) for name in ("exhibit", "stimulus", "kind"))
        return cls(
            design=str(design.attrs["design"]),
            exhibits=names.tolist(),
            orders=design["shown"].values.tolist(),
            categories=frozenset(categories),
            headphone_trials=int(design.attrs["headphone_trials"]),
            main=dict(zip(names[kinds == "main"].tolist(), stimuli[kinds == "main"].tolist(), strict=True)),
        )

    def numbers(self, kind: str) -> range:
        """Return the valid numbers of the steps of a kind: ``trial``, ``shown`` or ``headphones``."""
        return range(self.headphone_trials if kind == "headphones" else len(self.orders[0]))


@dataclass(frozen=True)
class Answer:
    """A valid row of jsPsych's data: an answer, or the announcement of a stimulus.

    Attributes
    ----------
    participant
        Name of the participant.
    order
        Number of the participant's order in the design.
    step
        ``consent``, ``headphones-<n>`` or ``trial-<n>`` for an answer; ``shown-<n>`` announces a stimulus.
    exhibit
        The shown file's name without suffix; empty for consent and the headphone check.
    answer
        The answer; empty for ``shown-<n>``.
    target
        The right answer in the headphone check; empty for other steps.
    already
        Whether the stimulus had been shown before the page was reloaded, and was not shown again.
    numbers
        Values of ``NUMBERS``, None where the row has none. They do not count when answers are compared.
    """

    participant: str
    order: int
    step: str
    exhibit: str
    answer: str
    target: str
    already: bool = False
    numbers: tuple[float | None, ...] = field(default=(None,) * len(NUMBERS), compare=False)


def agreed(steps: Mapping[str, Answer]) -> bool:
    """Whether a participant, given as step → answer, has answered yes to the consent form."""
    return CONSENT in steps and steps[CONSENT].answer == YES


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else RepeatedKeys(members)


def _integer(digits: str) -> float:
    """Parse an integer; 20 characters or more give infinity, which ``check_values`` refuses.

    Python raises for thousands of digits, and that error would end the reading of the whole file.
    """
    return int(digits) if len(digits) < 20 else math.inf


def parse_json(text: str | bytes) -> Any:
    """Parse JSON from a browser or a file leniently; ``check_values`` then refuses values that JSON does not have.

    Raises
    ------
    ValueError
        When the text is not JSON.
    RecursionError
        When the text is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_object, parse_int=_integer)


def check_values(value: Any, name: str = "", depth: int = 0) -> None:
    """Check that every JSON reader reads a value alike, and that the value can be written again.

    Parameters
    ----------
    value
        A result of ``parse_json``.
    name
        The field's name, for messages.
    depth
        Number of lists and objects around the value.

    Raises
    ------
    RowError
        For NaN, infinities, integers above 2**53, objects with a repeated key, lone surrogates, and values nested more
        than ``MAX_DEPTH`` deep.
    """
    place = f"{name}: " if name else ""
    if depth > MAX_DEPTH:
        raise RowError(f"{place}found too many nested lists or objects; wanted at most {MAX_DEPTH}")
    if isinstance(value, RepeatedKeys):
        raise RowError(f"{place}found an object with a repeated key; wanted each key once")
    if isinstance(value, str) and SURROGATE.search(value):
        raise RowError(f"{place}found {_short(value)}; wanted text without lone surrogates")
    if isinstance(value, float) and not math.isfinite(value):
        raise RowError(f"{place}found {value}; wanted a finite number, and integers of at most 2**53")
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise RowError(f"{place}found {value}; wanted an integer of at most 2**53")
    if isinstance(value, dict):
        for key, inner in value.items():
            if SURROGATE.search(key):
                raise RowError(f"{place}found the key {_short(key)}; wanted text without lone surrogates")
            check_values(inner, name or key[:MAX_TEXT_LETTERS], depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check_values(inner, name, depth + 1)


def _short(value: Any) -> str:
    """Return a short representation for a message."""
    text = repr(value)
    return text if len(text) <= MAX_TEXT_LETTERS else f"{text[:MAX_TEXT_LETTERS]}…"


def _text(row: Mapping[str, Any], name: str, required: bool) -> str:
    value = row.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise RowError(f"{name}: found {_short(value)}; wanted text")
    if len(value) > MAX_TEXT_LETTERS:
        raise RowError(f"{name}: found {len(value)} letters; wanted {MAX_TEXT_LETTERS} at most")
    return value


def _number(row: Mapping[str, Any], name: str) -> float | None:
    """Return a field that is a finite number, or the text of one (in CSV); None if it is empty.

    A response time must not be negative; other times may be -1 (``shown_ms``).
    """
    value = row.get(name)
    if value in (None, "", "null"):
        return None
    try:
        if isinstance(value, bool) or not math.isfinite(number := float(value)):
            raise ValueError
    except (ValueError, TypeError) as error:
        raise RowError(f"{name}: found {_short(value)}; wanted a finite number") from error
    if name == RESPONSE_TIME and number < 0:
        raise RowError(f"{name}: found {_short(value)}; wanted a response time of at least 0 ms")
    return number


def _order(row: Mapping[str, Any], orders: int) -> int:
    """Return the order's number, which is text in CSV."""
    value = row.get("order")
    if isinstance(value, str) and re.fullmatch(r"0|[1-9][0-9]{0,5}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < orders:
        raise RowError(f"order: found {_short(value)}; wanted a whole number from 0 to {orders - 1}")
    return value


def _flag(row: Mapping[str, Any], name: str) -> bool:
    """Return a truth value, False if it is empty; in CSV it is text, which spreadsheets write in capitals."""
    value = row.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    if not isinstance(value, str) or value.lower() not in ("true", "false", "", "null"):
        raise RowError(f"{name}: found {_short(value)}; wanted true or false")
    return value.lower() == "true"


def _check_step(step: str, questions: Questions) -> tuple[str, int]:
    """Return the kind of a step and its number, 0 for consent."""
    if step == CONSENT:
        return step, 0
    matched = STEP.fullmatch(step)
    if not matched:
        raise RowError(f"step: found {_short(step)}; wanted consent, headphones-<n>, shown-<n> or trial-<n>")
    kind, number = matched[1], int(matched[2])
    if number not in questions.numbers(kind):
        raise RowError(f"step: found {step!r}; wanted a number below {len(questions.numbers(kind))}")
    return kind, number


def _one_of(allowed: Collection[str]) -> str:
    """Describe the possible answers for a message."""
    few = ", ".join(map(repr, sorted(allowed)[:5]))
    return few if len(allowed) <= 5 else f"one of the {len(allowed)} categories, such as {few}"


def _checked_texts(row: Mapping[str, Any]) -> dict[str, str]:
    """Check the types of all values in a row and return its text fields."""
    if None in row:  # csv.DictReader stores extra cells under the key None
        raise RowError("found more cells than columns")
    check_values(row)
    if (letters := len(json.dumps(row))) > MAX_ROW_LETTERS:
        raise RowError(f"found {letters} letters of JSON; wanted {MAX_ROW_LETTERS} at most")
    return {name: _text(row, name, name in REQUIRED_TEXTS) for name in (*REQUIRED_TEXTS, *OPTIONAL_TEXTS)}


def check_row(row: Any, questions: Questions) -> Answer | None:
    """Check a row of jsPsych's data against the design.

    Parameters
    ----------
    row
        A result of ``parse_json``, or a row of CSV: column → text. A ``RowError`` stands for a row that could not be
        parsed, and is raised.
    questions
        The questions of the design.

    Returns
    -------
    Answer or None
        None for a row without step, such as an instruction.

    Raises
    ------
    RowError
        When the row is invalid; the message names the field, the value found and valid values.
    """
    if isinstance(row, RowError):
        raise row
    if not isinstance(row, dict):
        raise RowError(f"found {type(row).__name__}; wanted a row of jsPsych's data")
    if row.get("step") in (None, ""):
        return None
    text, already = _checked_texts(row), _flag(row, "already")
    numbers = tuple(_number(row, name) for name in NUMBERS)
    if text["design"] != questions.design:
        raise RowError(
            f"design: found {text['design']!r}, but the run's experiment is {questions.design!r}: the answers belong "
            "to another experiment, or the run has changed since"
        )
    if not FILE_NAME.fullmatch(text["participant"]):
        raise RowError(f"participant: found {text['participant']!r}; wanted letters, digits, '.', '_', '+' or '-'")
    order = _order(row, len(questions.orders))
    step = text["step"]
    kind, number = _check_step(step, questions)
    exhibit = target = ""
    if kind in ("trial", "shown"):
        exhibit = text["exhibit"].rsplit(".", 1)[0]
        place = questions.orders[order][number]
        expected = None if place == CHOSEN else questions.exhibits[place]
        if exhibit not in ([expected] if expected else questions.main):
            shows = repr(expected) if expected else "one of the exhibits of main trials"
            raise RowError(f"exhibit: found {exhibit!r} at {step} of order {order}, where the design shows {shows}")
    elif kind == "headphones":
        target = text["target"]
        if target not in HEADPHONE_ANSWERS:
            raise RowError(f"target: found {target!r}; wanted {_one_of(HEADPHONE_ANSWERS)}")
    allowed = {
        "trial": questions.categories,
        "shown": ("",),
        "headphones": HEADPHONE_ANSWERS,
        CONSENT: CONSENT_ANSWERS,
    }[kind]
    if text["answer"] not in allowed:
        raise RowError(f"answer: found {text['answer']!r}; wanted {_one_of(allowed)}")
    return Answer(text["participant"], order, step, exhibit, text["answer"], target, already, numbers)
