"""Score a frozen prediction against participants' answers, and find what changed after it was frozen.

A stage of a model is scored by the log probability of the number of correct answers, compared with two references that
are in the frozen file as well: what participants recognize of published models' metamers at the same depth, and
guessing. The distribution is that of the numbers of participants and answers that there are, not of the expected ones.
"""

import datetime
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr

from metamers.humans.participants import own_stages
from metamers.names import NATURAL
from metamers.preregister.freeze import frozen_stages, portable_name
from metamers.preregister.predictive import central_interval, count_distribution, log_score
from metamers.run import files

LEVELS = (0.5, 0.8, 0.95)
NEEDED = (
    *("possible_proportion", "reference_proportion", "guessing", "log_odds_variance", "predicted", "low", "high"),
    *("stage_number", "expected_participants", "expected_trials", "item_kind", "item_name", "fingerprint", "frozen_at"),
)
# Variables of a judged stage, and of each of its intervals, with their types.
OF_POINT = dict.fromkeys(("generation_model", "stage"), str) | dict.fromkeys(
    ("participants", "answered", "correct_answers"), int
)
OF_POINT |= dict.fromkeys(("observed", "predicted", "low", "high"), float) | {"inside_frozen": bool}
OF_POINT |= dict.fromkeys(("log_score", "log_score_depth", "log_score_guessing", "pit_low", "pit_high", "pit"), float)
OF_LEVEL = dict.fromkeys(("interval_low", "interval_high", "interval_probability"), float) | {"inside": bool}
NEW, GONE, CHANGED = "new", "missing", "changed"
MAX_VALUE_LETTERS = 100  # of a value in a change
CONTEXT_LETTERS = 20  # before the part of a long value that differs


class Judged(NamedTuple):
    """Participants' answers to the metamers of one stage of a model."""

    trials: np.ndarray  # number of answers of each participant, (participant,)
    correct: int


def read_frozen(path: str | Path) -> xr.Dataset:
    """Read a frozen prediction.

    Raises
    ------
    ValueError
        When it is another file, or was changed: names the file, what was found, and what to do.
    OSError
        When it cannot be read.
    """
    try:
        frozen = files.load(path)
    except OSError as error:  # the advice for other files, to delete and make them again, would lose the prediction
        reason = error.__cause__ or error
        raise OSError(
            f"preregistration.file: {path} cannot be read ({reason}). Restore your copy, whose SHA-256 must be the "
            "registered one; do not freeze again."
        ) from error
    if absent := [name for name in NEEDED if name not in frozen.variables]:
        raise ValueError(
            f"preregistration.file: {path} is not a frozen prediction: it has no {', '.join(absent)}. Wanted a file "
            "that `snakemake preregister` has written; name it, or move this file away."
        )
    sha256, own = files.content_sha256(frozen), frozen.attrs.get("content_sha256")
    if sha256 != own:
        raise ValueError(
            f"preregistration.file: {path} was changed after it was frozen: its values have SHA-256 {sha256}, but its "
            f"content_sha256 is {own}. Put back the copy that you registered."
        )
    return frozen


def participants_judged(groups: Iterable[xr.Dataset]) -> dict[tuple[str, str], Judged]:
    """Count the answers of all groups: (generation model, stage) → answers. Natural stimuli are left out.

    Parameters
    ----------
    groups
        Results of ``metamers.humans.own_participants.own_participants_dataset``, with ``trials_answered``.
    """
    trials: dict[tuple[str, str], list[np.ndarray]] = {}
    correct: dict[tuple[str, str], int] = {}
    for group in groups:
        human = group["proportion_correct"].sel(observer="human")
        for model in map(str, group["generation_model"].values):
            for stage in own_stages(group, model):
                number = group["trials_answered"].sel(generation_model=model, stage=stage).values
                number = number.astype(int)[number > 0]
                if stage == NATURAL or not len(number):
                    continue
                right = human.sel(generation_model=model, stage=stage).dropna("participant").values * number
                trials.setdefault((model, stage), []).append(number)
                correct[model, stage] = correct.get((model, stage), 0) + int(np.rint(right).sum())
    return {key: Judged(np.concatenate(own), correct[key]) for key, own in trials.items()}


def score_stage(judged: Judged, means: np.ndarray, references: np.ndarray, chance: float, variance: float) -> dict:
    """Score one stage of a model.

    Parameters
    ----------
    judged
        Participants' answers.
    means
        Equally probable proportions correct that were predicted, (sample,).
    references
        Those of the reference prediction, (sample,); may be empty.
    chance
        Guessing rate.
    variance
        Variance of the log odds between participants.

    Returns
    -------
    dict
        ``log_score``, ``log_score_depth`` (NaN without reference), ``log_score_guessing``: natural logarithms of the
        probability of the number of correct answers; ``pit_low``, ``pit_high``: probabilities of fewer correct answers,
        and of as many or fewer; ``interval_low``, ``interval_high``, ``interval_probability`` (level,): central
        intervals of the proportion correct, and their probability; ``inside`` (level,).
    """
    trials, right = judged
    total = int(trials.sum())
    probabilities = count_distribution(means, trials, variance)
    ends = np.array([central_interval(probabilities, level) for level in LEVELS])
    return {
        "log_score": log_score(right, means, trials, variance),
        "log_score_depth": log_score(right, references, trials, variance) if len(references) else np.nan,
        "log_score_guessing": float(scipy.stats.binom.logpmf(right, total, chance)),
        "pit_low": float(probabilities[:right].sum()),
        "pit_high": float(min(probabilities[: right + 1].sum(), 1)),
        "interval_low": ends[:, 0] / total,
        "interval_high": ends[:, 1] / total,
        "interval_probability": np.array([probabilities[low : high + 1].sum() for low, high in ends]),
        "inside": (ends[:, 0] <= right) & (right <= ends[:, 1]),
    }


def value_change(before: str, now: str) -> str:
    """Show two values; of long ones, the part that differs, with a few letters of the context."""
    if max(len(before), len(now)) > MAX_VALUE_LETTERS:
        apart = (place for place, (old, new) in enumerate(zip(before, now, strict=False)) if old != new)
        start = max(0, next(apart, min(len(before), len(now))) - CONTEXT_LETTERS)
        before, now = (_part(value, start) for value in (before, now))
    return f"{before} → {now}"


def _part(value: str, start: int) -> str:
    end = start + MAX_VALUE_LETTERS
    return ("…" if start else "") + value[start:end] + ("…" if end < len(value) else "")


def find_changes(frozen: xr.Dataset, now: pd.DataFrame) -> pd.DataFrame:
    """Compare everything that the prediction depends on with what it was when the prediction was frozen.

    Parameters
    ----------
    frozen
        Result of ``read_frozen``.
    now
        Result of ``metamers.preregister.freeze.list_items``, in the present state.

    Returns
    -------
    pd.DataFrame
        ``changed_kind``, ``changed_item``, ``change``: ``changed``, ``missing`` or ``new``, for settings and versions
        with the values before and now. Answers are not compared.
    """
    keys = ["item_kind", "item_name"]
    before = pd.DataFrame({name: frozen[name].values.astype(str) for name in (*keys, "fingerprint")})
    both = before[before["item_kind"] != "answers"].merge(
        now[now["item_kind"] != "answers"], on=keys, how="outer", suffixes=("", "_now")
    )
    rows = []
    for row in both.itertuples(index=False):
        if row.fingerprint == row.fingerprint_now:
            continue
        if pd.isna(row.fingerprint) or pd.isna(row.fingerprint_now):
            change = NEW if pd.isna(row.fingerprint) else GONE
        elif row.item_kind in ("setting", "software", "version"):
            change = value_change(str(row.fingerprint), str(row.fingerprint_now))
        else:
            change = CHANGED
        rows.append((row.item_kind, row.item_name, change))
    return pd.DataFrame(rows, columns=["changed_kind", "changed_item", "change"])


def answers_before(frozen: xr.Dataset, answers: Iterable[str | Path]) -> tuple[int, str]:
    """Count the files of answers that are older than the frozen prediction, and find the time of the first.

    A file is older if it existed when the prediction was frozen, or was last written before.

    Parameters
    ----------
    frozen
        Result of ``read_frozen``.
    answers
        The files of answers.

    Returns
    -------
    int, str
        Number of files, and the earliest time at which one was last written, in ISO 8601 (UTC); empty without files.
    """
    frozen_at = datetime.datetime.fromisoformat(str(frozen["frozen_at"].item()))
    names = frozen["item_name"].values[frozen["item_kind"].values.astype(str) == "answers"].astype(str)
    written = {
        _resolved(path): datetime.datetime.fromtimestamp(Path(path).stat().st_mtime, datetime.UTC) for path in answers
    }
    older = {path for path, time in written.items() if time < frozen_at} | set(map(_resolved, names))
    first = min(written.values()).isoformat(timespec="seconds") if written else ""
    return len(older), first


def _resolved(path: str | Path) -> str:
    """Name a file of answers in the same way, however its path is written."""
    return portable_name(os.path.realpath(path))


def evidence(scored: xr.Dataset) -> float:
    """Compute the evidence for the prediction against the reference, a cautious logarithm of their Bayes factor.

    It is the sum over models of the mean difference of the log scores over the model's stages. Stages of one model are
    not independent, so all of them count as one; different models count as independent, although they share
    participants and stimuli.

    Parameters
    ----------
    scored
        ``generation_model``, ``log_score`` and ``log_score_depth`` (point,).

    Returns
    -------
    float
        Above 0 for the prediction; NaN without a stage that has both scores.
    """
    table = pd.DataFrame({name: scored[name].values for name in ("generation_model", "log_score", "log_score_depth")})
    apart = (table["log_score"] - table["log_score_depth"]).groupby(table["generation_model"]).mean()
    return float(apart.sum(min_count=1))


def scored_prediction(
    frozen: xr.Dataset, judged: Mapping[tuple[str, str], Judged], changes: pd.DataFrame, seed: int
) -> xr.Dataset:
    """Score a frozen prediction.

    Parameters
    ----------
    frozen
        Result of ``read_frozen``.
    judged
        Result of ``participants_judged``.
    changes
        Result of ``find_changes``.
    seed
        Random seed of ``pit``.

    Returns
    -------
    xr.Dataset
        (point), one for each judged stage with a prediction: ``generation_model``, ``stage``, ``participants``,
        ``answered``, ``correct_answers``, ``observed`` (their ratio), ``predicted``, ``low``, ``high`` (frozen, for the
        expected numbers), ``inside_frozen``, the results of ``score_stage``, and ``pit``, drawn between ``pit_low`` and
        ``pit_high``. (level): ``coverage``, the proportion of points inside their intervals, and ``expected_coverage``,
        the mean probability of the intervals. ``evidence``: see the function. ``unscored_model``,
        ``unscored_stage`` (unscored): judged stages without a prediction, and ``unscored_frozen``, whether the frozen
        file has the stage. ``unjudged_model``, ``unjudged_stage`` (unjudged): predicted stages that nobody judged. The
        columns of ``changes`` (change_number). The last three are absent where there are none.

    Raises
    ------
    ValueError
        When participants judged no metamers, or no judged stage is in the frozen file: names what participants judged,
        and what is predicted.
    """
    if not judged:
        raise ValueError(
            "participants judged no metamers: all of their answers that count are to natural stimuli, or there are "
            "none. "
            "Check own_participants, and how many participants were excluded (humans/NAME.nc)."
        )
    models = list(map(str, frozen["generation_model"].values))
    # In the order of the file, so that a list of stages begins with the first one.
    predicted = dict.fromkeys((model, stage) for model in models for stage in frozen_stages(frozen, model))
    keys = [key for key in judged if key in predicted]
    known = {
        (model, str(stage))
        for model in models
        for stage in frozen["stage"].values[frozen["stage_number"].sel(generation_model=model).values >= 0]
    }
    if not known & judged.keys():
        raise ValueError(
            f"the frozen prediction has none of the stages that participants judged. They judged {_named(judged)}; "
            f"predicted are {_named(predicted) or 'none'}. Was it frozen for another run? See preregistration.file."
        )
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for model, stage in keys:
        own, answers = frozen.sel(generation_model=model, stage=stage), judged[model, stage]
        references = own["reference_proportion"].values
        total = int(answers.trials.sum())
        row = {"generation_model": model, "stage": stage, "participants": len(answers.trials), "answered": total}
        row |= {"correct_answers": answers.correct, "observed": answers.correct / total}
        row |= {name: float(own[name]) for name in ("predicted", "low", "high")}
        row["inside_frozen"] = row["low"] - 1e-9 <= row["observed"] <= row["high"] + 1e-9
        row |= score_stage(
            answers,
            own["possible_proportion"].values,
            references[np.isfinite(references)],
            float(own["guessing"]),
            float(own["log_odds_variance"]),
        )
        row["pit"] = rng.uniform(row["pit_low"], max(row["pit_high"], row["pit_low"]))
        rows.append(row)
    shape = len(rows), len(LEVELS)
    scored = xr.Dataset(
        {name: ("point", np.array([row[name] for row in rows], kind)) for name, kind in OF_POINT.items()}
        | {
            name: (("point", "level"), np.array([row[name] for row in rows], kind).reshape(shape))
            for name, kind in OF_LEVEL.items()
        },
        coords={"level": list(LEVELS)},
    ).set_coords(["generation_model", "stage"])
    scored = scored.assign(
        coverage=scored["inside"].mean("point"), expected_coverage=scored["interval_probability"].mean("point")
    )
    scored = scored.assign(evidence=evidence(scored))
    for kind, stages in (
        ("unscored", [key for key in judged if key not in predicted]),
        ("unjudged", [key for key in predicted if key not in judged]),
    ):
        if stages:
            names = np.array(stages)
            scored = scored.assign({f"{kind}_model": (kind, names[:, 0]), f"{kind}_stage": (kind, names[:, 1])})
            if kind == "unscored":
                scored = scored.assign(unscored_frozen=(kind, [key in known for key in stages]))
    if len(changes):
        columns = {name: ("change_number", changes[name].to_numpy(dtype=object).astype(str)) for name in changes}
        scored = scored.assign(columns)
    return scored.assign(frozen_at=str(frozen["frozen_at"].item()))


def _named(keys: Iterable[tuple[str, str]]) -> str:
    """List stages of models in a message."""
    stages: dict[str, list[str]] = {}
    for model, stage in keys:
        stages.setdefault(model, []).append(stage)
    return "; ".join(f"{model}: {', '.join(sorted(own))}" for model, own in sorted(stages.items()))
