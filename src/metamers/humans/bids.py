"""Write participants' answers as a BIDS dataset, for archives and the field's tools.

The folder follows the Brain Imaging Data Structure for behavioural experiments without neural recordings: one table of
trials for each participant, and a JSON file that describes its columns. Participants are numbered; their names, which
may identify them on a platform, are not written. Participants who did not agree to take part are left out.

References
----------
Gorgolewski et al. (2016), Scientific Data 3, 160044; https://bids-specification.readthedocs.io, "Behavioral experiments
(with no neural recordings)".
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers import __version__
from metamers.humans.exclusion import NO_CONSENT, ExclusionRule
from metamers.humans.own_participants import Answers
from metamers.humans.rows import NUMBERS
from metamers.modalities import MODALITIES
from metamers.names import NATURAL

BIDS_VERSION = "1.10.1"
TASK = "recognition"
ABSENT = "n/a"  # as BIDS writes a missing value

TRIAL_TYPES = {
    "main": "a stimulus of the experiment",
    "catch": "an easy trial, to find inattentive participants",
    "practice": "a trial before the experiment, without feedback",
    "feedback": "a trial before the practice, with feedback",
}
# Column → description, unit; tables have the columns for which there is a value.
COLUMNS: dict[str, tuple[str, str | None]] = {
    "trial": ("Number of the trial, from 1", None),
    "trial_type": ("Part of the experiment", None),
    "stimulus": (
        "Natural stimulus that was shown, or whose metamer was shown; n/a for the plain picture of a category",
        None,
    ),
    "generation_model": ("Model from which the metamer was synthesized; n/a for natural stimuli", None),
    "stage": (f"Stage of the model at which the metamer matches the natural stimulus; {NATURAL!r} if unaltered", None),
    "seed": ("Seed of the noise from which the metamer was synthesized", None),
    "category": ("Category of the natural stimulus: the correct answer", None),
    "answer": ("Category that the participant chose; n/a without an answer", None),
    "correct": ("Whether the answer is the category: 1 or 0", None),
    "response_time": ("Time from the question to the answer", "s"),
    "presentation_time": ("Time for which the picture was on the screen; n/a if it had been shown before", "s"),
    "after_reload": ("Whether the page was reloaded after the stimulus was shown: 1 or 0", None),
    "window_width": ("Width of the browser's window in CSS pixels", None),
    "window_height": ("Height of the browser's window in CSS pixels", None),
    "pixel_ratio": ("Pixels of the screen per CSS pixel", None),
    "zoom": ("Zoom of the page, estimated; 1 is none", None),
    "pinch_zoom": ("Zoom by fingers; 1 is none", None),
}
ADAPTIVE = (
    "The experiment was adaptive: the stage and the model of each main trial were chosen from earlier answers. Mean "
    "proportions correct by stage are therefore biased; use a model of all answers.\n\n"
)
TIMES = {"rt": "response_time", "shown_ms": "presentation_time"}  # in ms in the experiment's files


def trials_of_answers(
    answers: Answers, design: xr.Dataset, at_least: Mapping[str, int]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Make the table of trials of the run's own experiment, and find the reason for each exclusion.

    Parameters
    ----------
    answers
        Result of ``metamers.humans.own_participants.read_answers``.
    design
        ``experiment/<modality>.nc``.
    at_least
        As for ``metamers.humans.exclusion.ExclusionRule``.

    Returns
    -------
    pd.DataFrame
        One row per trial: ``participant`` and the columns of ``COLUMNS``, with times in seconds.
    dict
        Participant → reason for which they are excluded, or an empty text.
    """
    rule = ExclusionRule(design, at_least)
    reasons = {name: rule.exclusion(steps) or "" for name, steps in answers.given.items()}
    exhibits = pd.DataFrame({name: design[name].values for name in ("kind", "stimulus", "generation_model", "stage")})
    exhibits = exhibits.assign(seed=design["seed"].values, category=design["category"].values)
    exhibits.index = pd.Index(design["exhibit"].values.astype(str))
    rows: list[dict[str, Any]] = []
    for participant, steps in answers.given.items():
        numbered = [(int(step.removeprefix("trial-")), answer) for step, answer in steps.items() if answer.exhibit]
        for number, answer in sorted(numbered, key=lambda pair: pair[0]):
            exhibit = exhibits.loc[answer.exhibit].to_dict()
            row = {"participant": participant, "trial": number + 1, "trial_type": exhibit.pop("kind"), **exhibit}
            row |= {"answer": answer.answer, "after_reload": int(answer.already)}
            for name, value in zip(NUMBERS, answer.numbers, strict=True):
                row[TIMES.get(name, name)] = value / 1000 if name in TIMES and value is not None else value
            rows.append(row)
    table = pd.DataFrame(rows, columns=["participant", *COLUMNS])
    table["presentation_time"] = table["presentation_time"].where(table["presentation_time"].astype(float) >= 0)
    return table, reasons


def trials_of_answer_table(
    trials: pd.DataFrame, exhibits: xr.Dataset, reasons: Mapping[str, str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Make the table of trials of ``metamers.humans.answer_table.trials_of_table``, as ``trials_of_answers`` does."""
    table = trials.rename(columns={"response_time_s": "response_time"}).reset_index(drop=True)
    categories = exhibits["category"].to_series()
    table["category"] = table["exhibit"].map(categories)
    table["trial"] = table.groupby("participant").cumcount() + 1
    table["trial_type"] = "main"
    return table.reindex(columns=["participant", *COLUMNS]), dict(reasons)


def _tsv(table: pd.DataFrame) -> str:
    """Return a table as BIDS writes it: separated by tabs, with ``n/a`` for missing values and empty texts."""
    table = table.replace("", np.nan)
    for name, column in table.items():
        if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
            table[name] = column.astype("Int64")  # 3, not 3.0
    return table.to_csv(sep="\t", index=False, lineterminator="\n", float_format="%.6g", na_rep=ABSENT)


def bids_files(
    trials: pd.DataFrame,
    reasons: Mapping[str, str],
    modality: str,
    name: str,
    categories: Sequence[str],
    adaptive: bool = False,
) -> dict[str, str]:
    """Return path → text of all files of the dataset.

    Parameters
    ----------
    trials, reasons
        Results of ``trials_of_answers`` or ``trials_of_answer_table``.
    modality
        ``vision`` or ``audio``.
    name
        Name of the group of participants.
    categories
        The possible answers.
    adaptive
        Whether stimuli were chosen from earlier answers.

    Raises
    ------
    ValueError
        When no participant is left.
    """
    kept = sorted(participant for participant, reason in reasons.items() if reason != NO_CONSENT)
    kept = [participant for participant in kept if (trials["participant"] == participant).any()]
    if not kept:
        raise ValueError("no participant has answered a trial, so there is nothing to write")
    correct = (trials["answer"] == trials["category"]).astype("Int64").where(trials["answer"] != "")
    trials = trials.assign(correct=correct, seed=trials["seed"].where(trials["seed"].astype(float) >= 0))
    used = [column for column in COLUMNS if trials[column].replace("", np.nan).notna().any()]
    digits = max(2, len(str(len(kept))))
    ids = {participant: f"sub-{number:0{digits}}" for number, participant in enumerate(kept, start=1)}
    words = MODALITIES[modality]
    sidecar: dict[str, Any] = {
        "TaskName": TASK,
        "TaskDescription": f"Participants say {words.task.format(len(categories))}. Some are metamers of a model.",
    }
    for column in used:
        description, unit = COLUMNS[column]
        sidecar[column] = {"Description": description} | ({"Units": unit} if unit else {})
    sidecar["trial_type"]["Levels"] = TRIAL_TYPES
    participants = pd.DataFrame(
        {"participant_id": ids.values(), "excluded": [reasons[participant] for participant in kept]}
    )
    described = {
        "excluded": {
            "Description": "Why the analysis leaves out the participant; n/a for participants who are counted",
        }
    }
    description = {
        "Name": f"Recognition of model metamers: {name}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "metamers", "Version": __version__}],
    }
    readme = (
        f"# Recognition of model metamers: {name}\n\n"
        f"{len(kept)} participants judged {words.stimuli}: natural ones, and metamers, which have the activations of a "
        "natural one at a stage of a model. Each participant has a table of trials; the columns are described in "
        f"`task-{TASK}_beh.json`. `participants.tsv` says who is left out of the analysis, and why. Participants who "
        "did not agree to take part are not in this dataset.\n\n"
        f"{ADAPTIVE if adaptive else ''}"
        "Before you publish it, add `Authors`, `License`, `EthicsApprovals` and `HowToAcknowledge` to "
        "`dataset_description.json`.\n"
    )
    files = {
        "dataset_description.json": _json(description),
        "README.md": readme,
        "participants.tsv": _tsv(participants),
        "participants.json": _json(described),
        f"task-{TASK}_beh.json": _json(sidecar),
    }
    for participant, label in ids.items():
        own = trials.loc[trials["participant"] == participant, used]
        files[f"{label}/beh/{label}_task-{TASK}_beh.tsv"] = _tsv(own)
    return files


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write_bids(files: Mapping[str, str], folder: Path) -> None:
    """Write the files of ``bids_files`` to a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
