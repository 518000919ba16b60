"""Answers of one's own people: read, checked against the design, excluded where a check was not passed, and counted.

Files come from browsers, so nothing in them is trusted: whether an answer to a stimulus is right is known from the
design alone, and an answer counts only where the design has its exhibit. Of the headphone check only the browser knows
which tone was the softest: who wants to can get through it. What comes out has the form of the published experiments
(``metamers.humans``), and goes where these go.
"""

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers.experiment_store import parsed_json
from metamers.humans import OBSERVERS, stage_union
from metamers.names import FILE_NAME, NATURAL

LARGEST_BYTES = 1 << 26  # of a file: a participant's answers take a thousandth of it
LONGEST = 200  # letters of an answer
MODEL_CLASS = "this run"
EXCLUSIONS = ("no consent", "headphone check", "practice", "unfinished", "catch trials")
TRIAL = re.compile(r"trial-(0|[1-9][0-9]{0,5})")
CHECK = re.compile(r"headphones-(0|[1-9][0-9]{0,3})")
SHOWN = re.compile(r"shown-(0|[1-9][0-9]{0,5})")  # no answer: that a stimulus is being shown
FIELDS = ("participant", "order", "design", "step", "answer")


@dataclass(frozen=True)
class Answer:
    """One row of jsPsych's data that is an answer.

    Attributes
    ----------
    participant
        Who gave it.
    order
        Number of their order in the design.
    step
        What was answered: ``consent``, ``headphones-<n>``, ``trial-<n>``.
    exhibit
        What was shown, by the name of its file; empty for other steps.
    answer
        As given.
    target
        What would have been right in the headphone check; empty for other steps.
    already
        Whether it was asked for after a reload, of a stimulus that had been shown before.
    """

    participant: str
    order: int
    step: str
    exhibit: str
    answer: str
    target: str
    already: bool = False


def _json_rows(text: str) -> list[Any]:
    """Rows of JSON: one array, or on each line an array or a row, as JATOS puts several participants together."""
    if not text.strip():
        raise ValueError("it is empty")
    try:
        found = [parsed_json(text)]
    except json.JSONDecodeError:
        found = [parsed_json(line) for line in text.splitlines() if line.strip()]
    return [row for part in found for row in (part if isinstance(part, list) else [part])]


def read_rows(path: str | Path) -> list[Any]:
    """Rows of jsPsych's data in a ``.csv`` file, or a ``.json`` or ``.txt`` file of JSON.

    Raises
    ------
    ValueError
        When the file is neither, or too large to be true: names it.
    OSError
        When it cannot be read.
    """
    path = Path(path)
    with path.open("rb") as stream:
        content = stream.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"{path}: more than {LARGEST_BYTES >> 20} MiB; wanted participants' answers")
    try:
        text = content.decode("utf-8-sig")
        if path.suffix == ".txt" and not text.strip():
            return []  # what JATOS exports of whoever left at once
        if path.suffix != ".csv":
            return _json_rows(text)
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (ValueError, csv.Error, RecursionError) as error:
        wanted = "CSV" if path.suffix == ".csv" else "JSON"
        raise ValueError(f"{path}: no {wanted} that jsPsych has written: {error}") from error


def _answer(row: Any, design: xr.Dataset, categories: Collection[str], source: str) -> Answer | None:
    """A row as an answer; None of a row that is none, such as an instruction."""
    if not isinstance(row, dict):
        raise ValueError(f"{source}: found {type(row).__name__}, wanted a row of jsPsych's data")
    step = row.get("step")
    if step in (None, "") or (isinstance(step, str) and SHOWN.fullmatch(step)):
        return None
    given = {name: row.get(name) for name in (*FIELDS, "exhibit", "target")}
    for name, value in given.items():
        number = name == "order" and isinstance(value, int) and not isinstance(value, bool)
        if not number and not (isinstance(value, str) or (value is None and name not in FIELDS)):
            raise ValueError(
                f"{source}: {name}: found {str(value)[:LONGEST]!r}, wanted text" + " or a number" * (name == "order")
            )
    text = {name: "" if value is None else str(value)[: LONGEST + 1] for name, value in given.items()}
    if not FILE_NAME.fullmatch(text["participant"]):
        raise ValueError(
            f"{source}: participant: {text['participant']!r}; wanted letters, digits, '.', '_', '+' or '-'"
        )
    if text["design"] != design.attrs["design"]:
        raise ValueError(
            f"{source}: design {text['design']!r}, but the run's experiment is {design.attrs['design']!r}: these are "
            "answers to another experiment, or the run has been changed since"
        )
    orders = design.sizes["order"]
    if not re.fullmatch(r"[0-9]{1,6}", text["order"]) or int(text["order"]) >= orders:
        raise ValueError(f"{source}: order: {text['order']!r}; wanted 0 to {orders - 1}")
    order, step = int(text["order"]), text["step"]
    exhibit = text["exhibit"].rsplit(".", 1)[0]
    if found := TRIAL.fullmatch(step):
        trial = int(found[1])
        if trial >= design.sizes["trial"]:
            raise ValueError(f"{source}: step: {step!r}; an order has {design.sizes['trial']} trials")
        wanted = str(design["exhibit"].values[design["shown"].values[order, trial]])
        if exhibit != wanted:
            raise ValueError(
                f"{source}: exhibit: {exhibit!r} at {step} of order {order}, where the design shows {wanted!r}"
            )
        if text["answer"] not in categories:
            raise ValueError(f"{source}: answer: {text['answer']!r} is none of the {len(categories)} categories")
    elif step != "consent" and not CHECK.fullmatch(step):
        raise ValueError(f"{source}: step: {step!r}; wanted consent, headphones-<n> or trial-<n>")
    already = str(row.get("already")).lower() == "true"
    return Answer(text["participant"], order, step, exhibit, text["answer"], text["target"], already)


def read_answers(
    paths: Iterable[str | Path], design: xr.Dataset, categories: Collection[str]
) -> dict[str, dict[str, Answer]]:
    """The answers in some files, each once however many files have it.

    Parameters
    ----------
    paths
        Files of jsPsych's data, from wherever: CSV or JSON.
    design
        ``experiment/<modality>.nc``.
    categories
        What may be answered.

    Returns
    -------
    dict
        Participant → step → answer.

    Raises
    ------
    ValueError
        When a file is not of this experiment, or says of a step something else than another: names file and row.
    OSError
        When a file cannot be read.
    """
    answered: dict[str, dict[str, Answer]] = {}
    for path in paths:
        own, rows = 0, read_rows(path)
        for number, row in enumerate(rows, start=1):
            source = f"{path}: row {number}"
            answer = _answer(row, design, categories, source)
            if answer is None:
                continue
            own += 1
            steps = answered.setdefault(answer.participant, {})
            before = next(iter(steps.values()), answer)
            if before.order != answer.order:
                raise ValueError(
                    f"{source}: participant {answer.participant!r} has order {answer.order} here and {before.order} "
                    "elsewhere; two people must not have one name"
                )
            if steps.setdefault(answer.step, answer) != answer:
                raise ValueError(
                    f"{source}: {answer.step} of participant {answer.participant!r}: found {answer.answer!r}, but "
                    f"{steps[answer.step].answer!r} before"
                )
        left_at_once = not rows and Path(path).suffix != ".csv"  # before they answered anything
        if not own and not left_at_once:
            raise ValueError(
                f"{path}: no answer in it; wanted rows with {', '.join(FIELDS)}, as the experiment's page writes"
            )
    return answered


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
    answered: Mapping[str, Mapping[str, Answer]],
    design: xr.Dataset,
    stages: Mapping[str, Sequence[str]],
    recognition: Mapping[str, xr.Dataset],
    at_least: Mapping[str, int],
) -> xr.Dataset:
    """Answers in the form of a published experiment.

    Parameters
    ----------
    answered
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
        participant met. Beside it ``excluded`` (exclusion): how many participants were left out, for the first reason
        that applies; ``answered_after_reload``: how many of the answers that count were given after a reload, of
        stimuli that had been shown, or were just about to be, before it.

    Raises
    ------
    ValueError
        When fewer than two participants are left.
    """
    reasons = {name: exclusion(steps, design, at_least) for name, steps in answered.items()}
    counts = {reason: sum(found == reason for found in reasons.values()) for reason in EXCLUSIONS}
    included = [name for name, reason in reasons.items() if reason is None]
    if len(included) < 2:
        told = ", ".join(f"{reason}: {count}" for reason, count in counts.items() if count)
        raise ValueError(
            f"{len(included)} of {len(reasons)} participants are left ({told or 'nobody excluded'}); wanted two at "
            "least"
        )
    own = {model: [NATURAL, *chosen] for model, chosen in stages.items()}
    union, stage_number = stage_union(own)
    exhibits = _exhibits(design, recognition)
    after_reload = sum(answer.already for name in included for answer in answered[name].values())
    values = np.full((len(included), len(own), len(union), len(OBSERVERS)), np.nan)
    for place, name in enumerate(included):
        given = pd.Series(
            {answer.exhibit: answer.answer for answer in answered[name].values() if answer.exhibit}, name="answer"
        )
        met = exhibits.join(given, on="exhibit", how="inner")
        met["human"] = met["answer"] == met["category"]
        for (model, stage), proportion in met.groupby(["generation_model", "stage"])[list(OBSERVERS)].mean().iterrows():
            values[place, list(own).index(model), union.index(stage)] = proportion.to_numpy()
    return xr.Dataset(
        {
            "proportion_correct": (("participant", "generation_model", "stage", "observer"), values),
            "stage_number": stage_number,
            "excluded": ("exclusion", [counts[reason] for reason in EXCLUSIONS]),
            "answered_after_reload": after_reload,
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
