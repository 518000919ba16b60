"""Answers of one's own participants: read, checked against the design, and counted, after exclusions.

The files come from browsers and are not trusted. Whether an answer to a stimulus is right follows from the design
alone, and ``metamers.experiment_rows`` decides whether a row is an answer. Only the browser knows which tone of the
headphone check was the softest, so a participant can get through that check by changing the page. The result has the
form of the published experiments (``metamers.humans``).
"""

import csv
import io
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers.experiment_rows import COLUMNS, Answer, Questions, RowError, check_row, parse_json
from metamers.humans import OBSERVERS, stage_union
from metamers.names import NATURAL

logger = logging.getLogger("metamers")

MAX_FILE_BYTES = 1 << 26  # a participant's answers take a thousandth of it
MAX_WARNINGS = 100  # of each file; further rows are only counted
MAX_REASONS = 5  # that an error names
MODEL_CLASS = "this run"
EXCLUSIONS = ("no consent", "headphone check", "practice", "unfinished", "catch trials")

Place = tuple[str, int]  # of a row: its file and its number, from 1


@dataclass(frozen=True)
class Answers:
    """The answers in some files.

    Attributes
    ----------
    given
        Participant → step → answer.
    rows_set_aside
        Number of rows that do not count: not an answer to the design, or contradicted by another row.
    files_set_aside
        Number of files that do not count: they cannot be parsed, or have no row of the design.
    """

    given: dict[str, dict[str, Answer]]
    rows_set_aside: int
    files_set_aside: int


def _parsed_lines(text: str) -> list[Any]:
    """A JSON value on each line, as in files of JATOS and of the server; a broken line is a ``RowError``."""
    found: list[Any] = []
    for line in text.splitlines():
        content = line.strip().rstrip(",")
        if content in ("", "[", "]"):
            continue
        try:
            found.append(parse_json(content))
        except (ValueError, RecursionError) as error:
            found.append(RowError(f"found no JSON: {error}"))
    return found


def _json_rows(text: str) -> list[Any]:
    """Rows of JSON: one array, or an array or a row on each line."""
    if not text.strip():
        raise ValueError("it is empty")
    try:
        found = [parse_json(text)]
    except (ValueError, RecursionError):
        found = _parsed_lines(text)
        if not any(isinstance(part, list | dict) for part in found):
            raise
    return [row for part in found for row in (part if isinstance(part, list) else [part])]


def _csv_rows(text: str) -> list[Any]:
    """Rows of CSV; a place from which it is broken is a ``RowError``."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    columns = reader.fieldnames or []
    if repeated := [name for name in COLUMNS if columns.count(name) > 1]:
        raise ValueError(f"it has the column {repeated[0]!r} twice")
    rows: list[Any] = []
    try:
        rows.extend(reader)
    except csv.Error as error:
        if not rows:
            raise
        rows.append(RowError(f"found no CSV from here to the end of the file: {error}"))
    return rows


def read_rows(path: str | Path) -> list[Any]:
    """Rows of jsPsych's data in a ``.csv`` file, or a ``.json`` or ``.txt`` file of JSON.

    Returns
    -------
    list
        Of each row what its JSON or its cells say, or a ``RowError`` where it cannot be parsed.

    Raises
    ------
    ValueError
        When the file as a whole is neither, or has more than ``MAX_FILE_BYTES``: names it.
    OSError
        When it cannot be read.
    """
    path = Path(path)
    with path.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{path}: more than {MAX_FILE_BYTES >> 20} MiB; wanted participants' answers")
    try:
        text = content.decode("utf-8-sig")
        if path.suffix == ".txt" and not text.strip():
            return []  # what JATOS exports of a participant who left at once
        return _csv_rows(text) if path.suffix == ".csv" else _json_rows(text)
    except (ValueError, csv.Error, RecursionError) as error:
        wanted = "CSV" if path.suffix == ".csv" else "JSON"
        raise ValueError(f"{path}: not {wanted} from jsPsych: {error}") from error


def _questions(design: xr.Dataset, categories: Collection[str]) -> Questions:
    """What a design asks."""
    return Questions(
        design=str(design.attrs["design"]),
        exhibits=[str(name) for name in design["exhibit"].values],
        orders=design["shown"].values.tolist(),
        categories=frozenset(categories),
        headphone_trials=int(design.attrs["headphone_trials"]),
    )


def _check_file(path: str | Path, rows: Sequence[Any], design: str) -> None:
    """Check that a file has a row of this design; a participant who left at once has no row at all."""
    named = [row.get("design") for row in rows if isinstance(row, dict)]
    if design in named or (not rows and Path(path).suffix != ".csv"):
        return
    others = sorted({str(name) for name in named if isinstance(name, str) and name})
    if others:
        raise ValueError(
            f"{path}: all its answers are to the design {others[0]!r}, but the run's experiment is {design!r}: the "
            "answers belong to another experiment, or the run has been changed since"
        )
    raise ValueError(
        f"{path}: no row of the experiment in it; wanted rows with {', '.join(COLUMNS)}, as the experiment's page "
        "writes them"
    )


def _contradicted(participant: str, answers: Sequence[Answer]) -> dict[Answer, str]:
    """The answers of a participant that contradict each other, and why."""
    orders = sorted({answer.order for answer in answers})
    if len(orders) > 1:
        named = ", ".join(map(str, orders))
        why = f"participant {participant!r} has the orders {named}; two people must not have one name"
        return dict.fromkeys(answers, why)
    of_step: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        of_step[answer.step].append(answer)
    found = {}
    for step, several in of_step.items():
        values = list(dict.fromkeys(_answer_text(answer) for answer in several))
        if len(values) > 1:
            why = f"{step} of participant {participant!r} has the answers {' and '.join(values)}"
            found |= dict.fromkeys(several, why)
    return found


def _answer_text(answer: Answer) -> str:
    """An answer and, in the headphone check, its target, for comparison and messages."""
    return f"{answer.answer!r} (target {answer.target!r})" if answer.target else repr(answer.answer)


def _of_steps(answers: Iterable[Answer]) -> dict[str, Answer]:
    """Step → answer; of rows that differ in ``already`` only, one, given after a reload if any of them was."""
    found: dict[str, Answer] = {}
    for answer in answers:
        before = found.get(answer.step, answer)
        found[answer.step] = replace(answer, already=answer.already or before.already)
    return found


def _log(set_aside: Iterable[tuple[Place, str]]) -> None:
    """Warn of rows that are set aside, of each file of so many."""
    of_file: dict[str, list[str]] = defaultdict(list)
    for (path, number), why in set_aside:
        of_file[path].append(f"row {number}: {why}")
    for path, reasons in of_file.items():
        for reason in reasons[:MAX_WARNINGS]:
            logger.warning("%s: %s. The row is set aside.", path, reason)
        if len(reasons) > MAX_WARNINGS:
            logger.warning("%s: %d more rows are set aside", path, len(reasons) - MAX_WARNINGS)


def read_answers(paths: Iterable[str | Path], design: xr.Dataset, categories: Collection[str]) -> Answers:
    """Read the answers in some files, each once however many files have it.

    A row that is not an answer to the design is set aside: it counts as not given. So do rows that contradict each
    other: different answers of a participant to one step, or all answers under a name that appears with two orders.
    A file that cannot be parsed at all, or that has no row of the design, is set aside as a whole. Each is logged with
    its file, row and reason.

    Parameters
    ----------
    paths
        Files of jsPsych's data, from any place that the experiment runs: CSV or JSON.
    design
        ``experiment/<modality>.nc``.
    categories
        What may be answered.

    Returns
    -------
    Answers
        Without participants of whom no row is left.

    Raises
    ------
    ValueError
        When files were set aside and no answer is left: names the files and the reasons.
    OSError
        When a file cannot be read.
    """
    questions = _questions(design, categories)
    found: dict[str, dict[Answer, list[Place]]] = defaultdict(lambda: defaultdict(list))
    set_aside: list[tuple[Place, str]] = []
    files_set_aside: list[str] = []
    for path in paths:
        try:
            rows = read_rows(path)
            _check_file(path, rows, questions.design)
        except ValueError as error:
            files_set_aside.append(str(error))
            continue
        for number, row in enumerate(rows, start=1):
            place = (str(path), number)
            try:
                answer = check_row(row, questions)
            except RowError as error:
                set_aside.append((place, str(error)))
                continue
            if answer is not None and not answer.step.startswith("shown-"):
                found[answer.participant][answer].append(place)
    given: dict[str, dict[str, Answer]] = {}
    for participant, answers in found.items():
        contradicted = _contradicted(participant, list(answers))
        set_aside += [(place, why) for answer, why in contradicted.items() for place in answers[answer]]
        if kept := _of_steps(answer for answer in answers if answer not in contradicted):
            given[participant] = kept
    _log(set_aside)
    for why in files_set_aside:
        logger.warning("%s. The file is set aside.", why)
    if files_set_aside and not given:
        others = len(files_set_aside) - MAX_REASONS
        more = [f"and {others} more files"] if others > 0 else []
        raise ValueError(f"no answer is left. {'; '.join(files_set_aside[:MAX_REASONS] + more)}")
    return Answers(given, len(set_aside), len(files_set_aside))


def _kind(design: xr.Dataset) -> dict[str, tuple[str, str]]:
    """Exhibit → its kind and category."""
    kinds, categories = map(str, design["kind"].values), map(str, design["category"].values)
    return dict(zip(map(str, design["exhibit"].values), zip(kinds, categories, strict=True), strict=True))


def exclusion(steps: Mapping[str, Answer], design: xr.Dataset, at_least: Mapping[str, int]) -> str | None:
    """Why a participant is left out: the first of ``EXCLUSIONS`` that applies, or None.

    Parameters
    ----------
    steps
        Step → answer.
    design
        ``experiment/<modality>.nc``.
    at_least
        ``headphones``, ``practice``, ``catch`` → how many must be right.
    """
    if "consent" not in steps or steps["consent"].answer != "yes":
        return "no consent"
    kinds = _kind(design)
    checked = [steps.get(f"headphones-{number}") for number in range(int(design.attrs["headphone_trials"]))]
    trials = [steps.get(f"trial-{number}") for number in range(design.sizes["trial"])]
    practised = [answer for answer in trials if answer and kinds[answer.exhibit][0] == "practice"]
    caught = [answer for answer in trials if answer and kinds[answer.exhibit][0] == "catch"]

    def right(answers: Sequence[Answer]) -> int:
        return sum(answer.answer == kinds[answer.exhibit][1] for answer in answers)

    if all(checked) and sum(answer.answer == answer.target for answer in checked) < at_least["headphones"]:
        return "headphone check"
    whole = sum(kind == "practice" for kind, _ in kinds.values())
    if len(practised) == whole and right(practised) < at_least["practice"]:
        return "practice"
    if not all(checked) or not all(trials):
        return "unfinished"
    if right(caught) < at_least["catch"]:
        return "catch trials"
    return None


def _model_correct(recognition: xr.Dataset, shown: xr.Dataset) -> np.ndarray:
    """Whether a model names each of some exhibits right, (exhibit,): metamers that it was asked about, or natural."""
    seeds = np.where(shown["seed"] < 0, recognition["seed"].values[0], shown["seed"])  # natural stimuli have none
    at = {"stage": shown["stage"].values, "stimulus": shown["stimulus"].values, "seed": seeds}
    pointwise = {name: xr.Variable("exhibit", values) for name, values in at.items()}
    return recognition["correct"].sel(pointwise).values.astype(bool)


def _exhibits(design: xr.Dataset, recognition: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """A row for each main exhibit and model that it counts for: natural stimuli count for all."""
    main = design.isel(exhibit=design["kind"].values == "main")
    tables = []
    for model, answers in recognition.items():
        own = main.isel(exhibit=np.isin(main["generation_model"].values, ["", model]))
        columns = {name: own[name].values.astype(str) for name in ("exhibit", "stage", "category")}
        tables.append(pd.DataFrame(columns | {"generation_model": model, "model": _model_correct(answers, own)}))
    return pd.concat(tables, ignore_index=True)


def people_dataset(
    answers: Answers,
    design: xr.Dataset,
    stages: Mapping[str, Sequence[str]],
    recognition: Mapping[str, xr.Dataset],
    at_least: Mapping[str, int],
) -> xr.Dataset:
    """Answers in the form of a published experiment.

    Parameters
    ----------
    answers
        What ``read_answers`` gives.
    design
        ``experiment/<modality>.nc``.
    stages
        Generation model → stages that were shown, in processing order.
    recognition
        Generation model → what it says of its own metamers: ``correct`` (stage, stimulus, seed), stage ``natural``
        first.
    at_least
        As ``exclusion`` takes it.

    Returns
    -------
    xr.Dataset
        What ``metamers.humans.experiment_dataset`` gives: the model's proportion is that on the exhibits which the
        participant met. Also ``excluded`` (exclusion): how many participants were left out, for the first reason
        that applies; ``answered_after_reload``: how many of the answers that count were given after a reload, of
        stimuli that had been shown, or were just about to be, before it; ``rows_set_aside`` and
        ``files_set_aside``: how many rows, and how many files as a whole, were set aside.

    Raises
    ------
    ValueError
        When fewer than two participants are left.
    """
    given = answers.given
    reasons = {name: exclusion(steps, design, at_least) for name, steps in given.items()}
    counts = {reason: sum(found == reason for found in reasons.values()) for reason in EXCLUSIONS}
    included = [name for name, reason in reasons.items() if reason is None]
    if len(included) < 2:
        told = [f"{reason}: {count}" for reason, count in counts.items() if count] or ["nobody excluded"]
        told += [f"rows set aside: {answers.rows_set_aside}"] if answers.rows_set_aside else []
        told += [f"files set aside: {answers.files_set_aside}"] if answers.files_set_aside else []
        raise ValueError(
            f"{len(included)} of {len(reasons)} participants are left ({', '.join(told)}); wanted two at least"
        )
    own = {model: [NATURAL, *chosen] for model, chosen in stages.items()}
    union, stage_number = stage_union(own)
    exhibits = _exhibits(design, recognition)
    after_reload = sum(answer.already for name in included for answer in given[name].values())
    values = np.full((len(included), len(own), len(union), len(OBSERVERS)), np.nan)
    for place, name in enumerate(included):
        own_answers = {answer.exhibit: answer.answer for answer in given[name].values() if answer.exhibit}
        met = exhibits.join(pd.Series(own_answers, name="answer"), on="exhibit", how="inner")
        met["human"] = met["answer"] == met["category"]
        for (model, stage), proportion in met.groupby(["generation_model", "stage"])[list(OBSERVERS)].mean().iterrows():
            values[place, list(own).index(model), union.index(stage)] = proportion.to_numpy()
    return xr.Dataset(
        {
            "proportion_correct": (("participant", "generation_model", "stage", "observer"), values),
            "stage_number": stage_number,
            "excluded": ("exclusion", [counts[reason] for reason in EXCLUSIONS]),
            "answered_after_reload": after_reload,
            "rows_set_aside": answers.rows_set_aside,
            "files_set_aside": answers.files_set_aside,
        },
        coords={
            "participant": included,
            "observer": list(OBSERVERS),
            "model_class": ("generation_model", [MODEL_CLASS] * len(own)),
            "exclusion": list(EXCLUSIONS),
        },
    )


def judgements_of_shown(
    design: xr.Dataset, recognition: Mapping[str, Mapping[str, xr.Dataset]], stages: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """What this run's recognition models make of the metamers that people were shown.

    Parameters
    ----------
    design
        ``experiment/<modality>.nc``.
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed).
    stages
        Generation model → stages that were shown.

    Returns
    -------
    pd.DataFrame
        As ``metamers.humans.judgements`` gives them.
    """
    main = design.isel(exhibit=design["kind"].values == "main")
    rows = []
    for model, own in stages.items():
        for stage in own:
            wanted = (main["generation_model"].values == model) & (main["stage"].values == stage)
            shown = main.isel(exhibit=wanted)
            judged = {judge: _model_correct(answers, shown).mean() for judge, answers in recognition[model].items()}
            rows += [(model, stage, judge, float(correct)) for judge, correct in judged.items()]
    return pd.DataFrame(rows, columns=["generation_model", "stage", "recognition_model", "proportion_correct"])
