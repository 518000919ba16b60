"""Own participants: reads their answers, checks them against the design, and counts them after exclusions.

The files come from browsers and are not trusted. The design alone decides whether an answer is correct, and
``metamers.humans.rows`` decides whether a row is an answer. There is one exception: only the browser knows which
tone of the headphone check was the softest, so a participant who changes the page can pass that check. The result has
the form of the published experiments (``metamers.humans.participants``).
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

from metamers.humans.exclusion import EXCLUSIONS, ExclusionRule
from metamers.humans.participants import OBSERVERS, stage_union
from metamers.humans.rows import (
    CONSENT,
    ROW_COLUMNS,
    YES,
    Answer,
    Questions,
    RowError,
    agreed,
    check_row,
    parse_json,
)
from metamers.names import NATURAL

logger = logging.getLogger("metamers")

MAX_FILE_BYTES = 1 << 26  # a thousand times the answers of one participant
MAX_WARNINGS = 100  # per file; further rows are only counted
MAX_REASONS = 5  # files with their reasons in one error message
MODEL_CLASS = "this run"

Place = tuple[str, int]  # file of a row, and its number from 1


@dataclass(frozen=True)
class Answers:
    """The answers in some files.

    Attributes
    ----------
    given
        Participant → step → answer.
    rows_set_aside
        Number of rows that do not count: they are not answers to the design, contradict another row, or are of a
        participant who has not agreed, in a file with other participants.
    files_set_aside
        Number of files that do not count: they cannot be parsed, contain no row of the design, or have answers of
        participants who have not agreed.
    """

    given: dict[str, dict[str, Answer]]
    rows_set_aside: int
    files_set_aside: int


def _parsed_lines(text: str) -> list[Any]:
    """Parse one JSON value per line, as in files of JATOS and of the server; a broken line becomes a ``RowError``."""
    parsed: list[Any] = []
    for line in text.splitlines():
        content = line.strip().rstrip(",")
        if content in ("", "[", "]"):
            continue
        try:
            parsed.append(parse_json(content))
        except (ValueError, RecursionError) as error:
            parsed.append(RowError(f"found no JSON: {error}"))
    return parsed


def _json_rows(text: str) -> list[Any]:
    """Return the rows of a JSON text: one array, or one array or row per line."""
    if not text.strip():
        raise ValueError("it is empty")
    try:
        parts = [parse_json(text)]
    except (ValueError, RecursionError):
        parts = _parsed_lines(text)
        if not any(isinstance(part, list | dict) for part in parts):
            raise
    return [row for part in parts for row in (part if isinstance(part, list) else [part])]


def _csv_rows(text: str) -> list[Any]:
    """Return the rows of a CSV text; from the first broken place on, the rest becomes one ``RowError``."""
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    columns = reader.fieldnames or []
    if repeated := [name for name in ROW_COLUMNS if columns.count(name) > 1]:
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
    """Read the rows of jsPsych data: CSV from a ``.csv`` file, JSON from a ``.json`` or ``.txt`` file.

    Returns
    -------
    list
        Each row as its JSON value or its cells, or as a ``RowError`` where it cannot be parsed.

    Raises
    ------
    ValueError
        When the file as a whole is neither format, or has more than ``MAX_FILE_BYTES``: names it.
    OSError
        When the file cannot be read.
    """
    path = Path(path)
    with path.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"{path}: more than {MAX_FILE_BYTES >> 20} MiB; wanted participants' answers")
    try:
        text = content.decode("utf-8-sig")
        if path.suffix == ".txt" and not text.strip():
            return []  # JATOS exports this for a participant who left at once
        return _csv_rows(text) if path.suffix == ".csv" else _json_rows(text)
    except (ValueError, csv.Error, RecursionError) as error:
        file_format = "CSV" if path.suffix == ".csv" else "JSON"
        raise ValueError(f"{path}: not {file_format} from jsPsych: {error}") from error


def _check_file(path: str | Path, rows: Sequence[Any], design: str) -> None:
    """Check that a file has a row of this design; the file of a participant who left at once may be empty."""
    named = [row.get("design") for row in rows if isinstance(row, dict)]
    if design in named or (not rows and Path(path).suffix != ".csv"):
        return
    others = sorted({str(name) for name in named if isinstance(name, str) and name})
    if others:
        raise ValueError(
            f"{path}: all its answers are to the design {others[0]!r}, but the run's experiment is {design!r}: the "
            "answers belong to another experiment, or the configuration of the run has changed"
        )
    raise ValueError(
        f"{path}: no row of the experiment in it; wanted rows with {', '.join(ROW_COLUMNS)}, as written by the "
        "experiment's page"
    )


def _contradicted(participant: str, answers: Sequence[Answer], main: Mapping[str, str]) -> dict[Answer, str]:
    """Find the answers of a participant that contradict each other: answer → reason.

    ``main`` has the natural stimulus of each exhibit of main trials; a participant meets each stimulus once.
    """
    orders = sorted({answer.order for answer in answers})
    if len(orders) > 1:
        named = ", ".join(map(str, orders))
        why = f"participant {participant!r} has the orders {named}; two participants must not have the same name"
        return dict.fromkeys(answers, why)
    of_step: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        of_step[answer.step].append(answer)
    reasons = {}
    for step, several in of_step.items():
        values = list(dict.fromkeys(_answer_text(answer) for answer in several))
        if len(values) > 1:
            why = f"{step} of participant {participant!r} has the answers {' and '.join(values)}"
            reasons |= dict.fromkeys(several, why)
    of_stimulus: dict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        if answer.exhibit in main:
            of_stimulus[main[answer.exhibit]].append(answer)
    for stimulus, several in of_stimulus.items():
        if len({(answer.step, answer.exhibit) for answer in several}) > 1:
            why = f"participant {participant!r} has several trials with {stimulus}; wanted each stimulus once"
            reasons |= dict.fromkeys(several, why)
    return reasons


def _answer_text(answer: Answer) -> str:
    """Describe an answer and, in the headphone check, its target, for comparisons and messages."""
    return f"{answer.answer!r} (target {answer.target!r})" if answer.target else repr(answer.answer)


def _one_answer_per_step(answers: Iterable[Answer]) -> dict[str, Answer]:
    """Keep one answer per step; it counts as given after a reload if any of its rows was."""
    by_step: dict[str, Answer] = {}
    for answer in answers:
        before = by_step.get(answer.step, answer)
        by_step[answer.step] = replace(answer, already=answer.already or before.already)
    return by_step


def _without_consent(
    answers: Mapping[str, Mapping[str, Answer]], read: Mapping[str, Mapping[Answer, Sequence[Place]]]
) -> tuple[dict[str, list[Place]], set[str]]:
    """Return the participants with answers but without a yes to the consent form, with the places of their answers.

    Also returns the files that have such participants only. A participant who answered no, and nothing else, is not
    among them.
    """
    refused = {name for name, steps in answers.items() if not agreed(steps) and steps.keys() != {CONSENT}}
    places = {name: [place for at in read[name].values() for place in at] for name in read}
    files = {path for name in refused for path, _ in places[name]}
    files -= {path for name in places.keys() - refused for path, _ in places[name]}
    return {name: [place for place in places[name] if place[0] not in files] for name in sorted(refused)}, files


def _log_rows_set_aside(set_aside: Iterable[tuple[Place, str]]) -> None:
    """Log the rows that are set aside, at most ``MAX_WARNINGS`` of each file."""
    of_file: dict[str, list[str]] = defaultdict(list)
    for (path, number), why in set_aside:
        of_file[path].append(f"row {number}: {why}")
    for path, reasons in of_file.items():
        for reason in reasons[:MAX_WARNINGS]:
            logger.warning("%s: %s. The row is set aside.", path, reason)
        if len(reasons) > MAX_WARNINGS:
            logger.warning("%s: %d more rows are set aside", path, len(reasons) - MAX_WARNINGS)


def read_answers(paths: Iterable[str | Path], design: xr.Dataset, categories: Collection[str]) -> Answers:
    """Read the answers in some files; an answer that is in several files counts once.

    A row that is not an answer to the design is set aside: it counts as not given. So are rows that contradict each
    other: different answers of a participant to one step, or all answers under a name that has two orders; and the
    answers of a participant without a yes to the consent form. A file that cannot be parsed, or that contains no row of
    the design or answers of such participants only, is set aside as a whole. Everything set aside is logged with its
    file, row and reason.

    Parameters
    ----------
    paths
        Files of jsPsych data, CSV or JSON, from any place that can run the experiment.
    design
        ``experiment/<modality>.nc``.
    categories
        The possible answers.

    Returns
    -------
    Answers
        Without participants who have no valid row.

    Raises
    ------
    ValueError
        When files were set aside and no answer is left: names the files and the reasons.
    OSError
        When a file cannot be read.
    """
    questions = Questions.of_design(design, categories)
    by_participant: dict[str, dict[Answer, list[Place]]] = defaultdict(lambda: defaultdict(list))
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
                by_participant[answer.participant][answer].append(place)
    answers_kept: dict[str, dict[str, Answer]] = {}
    for participant, answers in by_participant.items():
        contradicted = _contradicted(participant, list(answers), questions.main)
        set_aside += [(place, why) for answer, why in contradicted.items() for place in answers.pop(answer)]
        if kept := _one_answer_per_step(answers):
            answers_kept[participant] = kept
    refused, files = _without_consent(answers_kept, by_participant)
    for participant, places in refused.items():
        del answers_kept[participant]
        why = f"participant {participant!r} has not answered {YES!r} to the consent form"
        set_aside += [(place, why) for place in places]
    files_set_aside += [f"{path}: nobody in it has answered {YES!r} to the consent form" for path in sorted(files)]
    _log_rows_set_aside(set_aside)
    for why in files_set_aside:
        logger.warning("%s. The file is set aside.", why)
    if files_set_aside and not answers_kept:
        others = len(files_set_aside) - MAX_REASONS
        more = [f"and {others} more files"] if others > 0 else []
        raise ValueError(f"no answer is left. {'; '.join(files_set_aside[:MAX_REASONS] + more)}")
    return Answers(answers_kept, len(set_aside), len(files_set_aside))


def model_correct(recognition: xr.Dataset, exhibits: xr.Dataset) -> np.ndarray:
    """Return whether a model recognizes each exhibit (exhibit,), a natural stimulus or a metamer of its own."""
    seeds = np.where(exhibits["seed"] < 0, recognition["seed"].values[0], exhibits["seed"])  # natural stimuli have none
    at = {"stage": exhibits["stage"].values, "stimulus": exhibits["stimulus"].values, "seed": seeds}
    pointwise = {name: xr.Variable("exhibit", values) for name, values in at.items()}
    return recognition["correct"].sel(pointwise).values.astype(bool)


def exhibits_of_models(
    design: xr.Dataset, models: Iterable[str], recognition: Mapping[str, xr.Dataset]
) -> pd.DataFrame:
    """Make one row per main exhibit and generation model that it counts for; natural stimuli count for all models.

    ``model`` is 1 where the generation model is right, 0 where it is wrong, NaN if it has no classes, and so is not in
    ``recognition``.
    """
    main = design.isel(exhibit=design["kind"].values == "main")
    tables = []
    for model in models:
        own = main.isel(exhibit=np.isin(main["generation_model"].values, ["", model]))
        columns = {name: own[name].values.astype(str) for name in ("exhibit", "stimulus", "stage", "category")}
        right = model_correct(recognition[model], own).astype(float) if model in recognition else np.nan
        tables.append(pd.DataFrame(columns | {"generation_model": model, "model": right}))
    return pd.concat(tables, ignore_index=True)


def proportions_correct(
    trials: pd.DataFrame, exhibits: pd.DataFrame, stages: Mapping[str, Sequence[str]]
) -> xr.Dataset:
    """Summarize trials as proportions correct, in the form of ``metamers.humans.participants.experiment_dataset``.

    ``trials_answered`` (participant, generation_model, stage) has the number of trials behind each proportion.
    ``correct_by_stimulus`` (stimulus, generation_model, stage, observer) has the proportion of the participants who met
    the stimulus there that is right, and whether the generation model is; NaN where no participant met it.
    ``correct_by_exhibit`` (participant, exhibit) is 1 if the participant is right, 0 if wrong, NaN without an answer.

    Parameters
    ----------
    trials
        One row per answer: ``participant``, ``exhibit``, ``answer``. Rows of other exhibits are left out.
    exhibits
        One row per exhibit and generation model that it counts for: ``exhibit``, ``stimulus``, ``generation_model``,
        ``stage``, ``category``, and ``model``, whether the generation model is right, as of ``exhibits_of_models``.
    stages
        Generation model → stages with metamers, in processing order.
    """
    own = {model: [NATURAL, *chosen] for model, chosen in stages.items()}
    union, stage_number = stage_union(own)
    trials = trials[["participant", "exhibit", "answer"]]
    included = list(dict.fromkeys(trials["participant"]))
    values = np.full((len(included), len(own), len(union), len(OBSERVERS)), np.nan)
    answered = np.zeros(values.shape[:-1], int)
    met = exhibits.merge(trials, on="exhibit", how="inner")
    met["human"] = met["answer"] == met["category"]
    for (name, model, stage), rows in met.groupby(["participant", "generation_model", "stage"]):
        at = included.index(name), list(own).index(model), union.index(stage)
        values[at], answered[at] = rows[list(OBSERVERS)].mean().to_numpy(), len(rows)
    of_exhibit = met.pivot_table("human", "participant", "exhibit", aggfunc="max").reindex(included)
    stimuli = list(dict.fromkeys(met["stimulus"]))
    cells = met.groupby(["stimulus", "generation_model", "stage"])[list(OBSERVERS)].mean()
    every = pd.MultiIndex.from_product([stimuli, own, union])
    by_stimulus = cells.reindex(every).to_numpy(float).reshape(len(stimuli), len(own), len(union), len(OBSERVERS))
    return xr.Dataset(
        {
            "proportion_correct": (("participant", "generation_model", "stage", "observer"), values),
            "trials_answered": (("participant", "generation_model", "stage"), answered),
            "correct_by_stimulus": (("stimulus", "generation_model", "stage", "observer"), by_stimulus),
            "correct_by_exhibit": (("participant", "exhibit"), of_exhibit.to_numpy(float)),
            "stage_number": stage_number,
        },
        coords={
            "participant": included,
            "exhibit": of_exhibit.columns.to_numpy(str),
            "stimulus": stimuli,
            "observer": list(OBSERVERS),
            "model_class": ("generation_model", [MODEL_CLASS] * len(own)),
        },
    )


def own_participants_dataset(
    answers: Answers,
    design: xr.Dataset,
    stages: Mapping[str, Sequence[str]],
    recognition: Mapping[str, xr.Dataset],
    at_least: Mapping[str, int],
) -> xr.Dataset:
    """Summarize answers in the form of a published experiment.

    Parameters
    ----------
    answers
        Result of ``read_answers``.
    design
        ``experiment/<modality>.nc``.
    stages
        Generation model → stages that were shown, in processing order.
    recognition
        Generation model → its recognition of its own metamers: ``correct`` (stage, stimulus, seed), stage ``natural``
        first. Without models that have no classes.
    at_least
        As for ``metamers.humans.exclusion.ExclusionRule``.

    Returns
    -------
    xr.Dataset
        The form of ``metamers.humans.participants.experiment_dataset``; the proportion correct of the observer
        ``model`` is over the exhibits that the participant met. Also ``excluded`` (exclusion): number of participants
        excluded, by the first reason that applies; ``answered_after_reload``: number of counted answers that were given
        after a reload, to stimuli that had been shown, or were about to be shown, before it; ``rows_set_aside`` and
        ``files_set_aside``: their numbers.

    Raises
    ------
    ValueError
        When fewer than two participants are left.
    """
    by_participant = answers.given
    rule = ExclusionRule(design, at_least)
    reasons = {name: rule.exclusion(steps) for name, steps in by_participant.items()}
    counts = {reason: sum(excluded_for == reason for excluded_for in reasons.values()) for reason in EXCLUSIONS}
    included = [name for name, reason in reasons.items() if reason is None]
    if len(included) < 2:
        details = [f"{reason}: {count}" for reason, count in counts.items() if count] or ["no exclusions"]
        details += [f"rows set aside: {answers.rows_set_aside}"] if answers.rows_set_aside else []
        details += [f"files set aside: {answers.files_set_aside}"] if answers.files_set_aside else []
        raise ValueError(
            f"{len(included)} of {len(reasons)} participants are left ({', '.join(details)}); wanted at least two"
        )
    after_reload = sum(answer.already for name in included for answer in by_participant[name].values())
    rows = [
        (name, answer.exhibit, answer.answer)
        for name in included
        for answer in by_participant[name].values()
        if answer.exhibit
    ]
    trials = pd.DataFrame(rows, columns=["participant", "exhibit", "answer"])
    return proportions_correct(trials, exhibits_of_models(design, stages, recognition), stages).assign(
        {
            "excluded": ("exclusion", [counts[reason] for reason in EXCLUSIONS]),
            "answered_after_reload": after_reload,
            "rows_set_aside": answers.rows_set_aside,
            "files_set_aside": answers.files_set_aside,
            "exclusion": list(EXCLUSIONS),
        }
    )


def pooled_designs(designs: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join the main exhibits of several groups' designs, each exhibit once; a single design is returned unchanged."""
    if len(designs) == 1:
        return designs[0]
    names = ("kind", "stimulus", "category", "generation_model", "stage", "seed")
    tables = [pd.DataFrame({name: design[name].values for name in names}) for design in designs]
    table = pd.concat(tables, ignore_index=True)
    table = table[table["kind"] == "main"].drop_duplicates(list(names), ignore_index=True)
    return xr.Dataset(coords={name: ("exhibit", table[name].to_numpy()) for name in names})


def judgements_of_shown(
    design: xr.Dataset, recognition: Mapping[str, Mapping[str, xr.Dataset]], stages: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """Summarize the answers of this run's recognition models to the metamers that participants were shown.

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
        The form of ``metamers.humans.participants.judgements``.
    """
    main = design.isel(exhibit=design["kind"].values == "main")
    rows = []
    for model, own in stages.items():
        for stage in own:
            of_condition = (main["generation_model"].values == model) & (main["stage"].values == stage)
            exhibits = main.isel(exhibit=of_condition)
            for recognition_model, answers in recognition[model].items():
                rows.append((model, stage, recognition_model, float(model_correct(answers, exhibits).mean())))
    return pd.DataFrame(rows, columns=["generation_model", "stage", "recognition_model", "proportion_correct"])
