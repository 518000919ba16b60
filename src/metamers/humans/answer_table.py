"""Answers in a plain table: what the participants were shown, and their proportions correct.

``metamers.humans.read_table`` reads and checks the table. The results have the form of this workflow's own experiment
(``metamers.humans.design`` and ``metamers.humans.own_participants``), so that all later steps treat both alike.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from metamers.humans.exclusion import UNFINISHED
from metamers.humans.own_participants import exhibits_of_models, proportions_correct
from metamers.humans.read_table import Trial
from metamers.names import NATURAL

FIRST_SEED = 0
EXCLUSION_LETTERS = 200  # longer reasons in a table are cut


def trials_of_table(trials: Sequence[Trial]) -> pd.DataFrame:
    """Make one row per trial, with the name of its exhibit; a metamer without a seed in the table has the first seed.

    Returns
    -------
    pd.DataFrame
        ``participant``, ``exhibit``, ``generation_model``, ``stage``, ``stimulus``, ``seed`` (-1 for natural stimuli),
        ``answer`` (empty where none was given), ``response_time_s``, ``excluded``.
    """
    table = pd.DataFrame([vars(trial) for trial in trials], columns=list(Trial.__dataclass_fields__))
    natural = table["stage"] == NATURAL
    table["seed"] = table["seed"].astype("Int64").fillna(FIRST_SEED).where(~natural, -1).astype(int)
    table["excluded"] = table.groupby("participant")["excluded"].transform("max").str[:EXCLUSION_LETTERS]
    exhibits = table[["generation_model", "stage", "stimulus", "seed"]].astype(str)
    return table.assign(exhibit=exhibits.agg("/".join, axis=1))


def shown_in_table(trials: pd.DataFrame, categories: Mapping[str, str]) -> xr.Dataset:
    """Return what the participants were shown, in the form of ``metamers.humans.design.experiment_design``.

    Parameters
    ----------
    trials
        Result of ``trials_of_table``.
    categories
        Natural stimulus → category.

    Returns
    -------
    xr.Dataset
        Along ``exhibit``: ``kind`` (``main``), ``stimulus``, ``category``, ``generation_model``, ``stage``, ``seed``.
    """
    table = trials.drop_duplicates("exhibit").sort_values("exhibit")
    columns = {name: table[name].to_numpy() for name in ("stimulus", "generation_model", "stage", "seed")}
    columns |= {"category": table["stimulus"].map(categories).to_numpy(), "kind": np.full(len(table), "main")}
    coords = {name: ("exhibit", values if name == "seed" else values.astype(str)) for name, values in columns.items()}
    return xr.Dataset(coords={"exhibit": table["exhibit"].to_numpy().astype(str), **coords})


def exclusions_of_table(trials: pd.DataFrame, stages: Mapping[str, Sequence[str]]) -> pd.Series:
    """Return participant → the reason for which they are excluded, or an empty text.

    The reason is the one in the table. Without one, it is ``unfinished`` for a participant who did not answer in every
    condition: each stage of each model and, if any participant judged natural stimuli, natural stimuli.

    Parameters
    ----------
    trials
        Result of ``trials_of_table``.
    stages
        Generation model → stages in the table.
    """
    answered = trials[trials["answer"] != ""]
    met = {
        name: set(zip(rows["generation_model"], rows["stage"], strict=True))
        for name, rows in answered.groupby("participant")
    }
    required = {(model, stage) for model, own in stages.items() for stage in own}
    wants_natural = (answered["stage"] == NATURAL).any()

    def reason(rows: pd.DataFrame) -> str:
        conditions = met.get(rows.name, set())
        has_natural = not wants_natural or any(stage == NATURAL for _, stage in conditions)
        return rows["excluded"].iloc[0] or ("" if required <= conditions and has_natural else UNFINISHED)

    return trials.groupby("participant", sort=False)[["excluded"]].apply(reason)


def table_dataset(
    trials: pd.DataFrame,
    exhibits: xr.Dataset,
    stages: Mapping[str, Sequence[str]],
    recognition: Mapping[str, xr.Dataset],
) -> xr.Dataset:
    """Summarize a table of answers in the form of a published experiment.

    Parameters
    ----------
    trials, exhibits
        Results of ``trials_of_table`` and ``shown_in_table``.
    stages
        Generation model → stages in the table, in processing order.
    recognition
        Generation model → its recognition of its own metamers.

    Returns
    -------
    xr.Dataset
        As of ``metamers.humans.own_participants.own_participants_dataset``. ``exclusion`` has the reasons in the table,
        and ``unfinished``; ``rows_set_aside`` is the number of rows without an answer.

    Raises
    ------
    ValueError
        When fewer than two participants are left.
    """
    reasons = exclusions_of_table(trials, stages)
    counts = Counter(reasons)
    included = trials[trials["participant"].map(reasons).eq("") & trials["answer"].ne("")]
    if included["participant"].nunique() < 2:
        details = ", ".join(f"{reason}: {count}" for reason, count in counts.items() if reason) or "no exclusions"
        raise ValueError(
            f"{included['participant'].nunique()} of {len(reasons)} participants are left ({details}); wanted at least "
            f"two. A participant is {UNFINISHED!r} without an answer to each stage of each model in the table; where "
            "different participants judged different models, give each model's participants a name of their own under "
            "own_participants"
        )
    proportions = proportions_correct(included, exhibits_of_models(exhibits, stages, recognition), stages)
    kinds = sorted({*counts, UNFINISHED} - {""})
    return proportions.assign(
        {
            "excluded": ("exclusion", [counts[kind] for kind in kinds]),
            "answered_after_reload": 0,
            "rows_set_aside": int((trials["answer"] == "").sum()),
            "files_set_aside": 0,
            "exclusion": kinds,
        }
    )
