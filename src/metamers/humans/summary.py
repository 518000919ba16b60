"""Group results of the experiments: mean, SEM and number of participants, and the small tables that hold them.

The tables stand for the participant-level data where a run has no network. Their noise ceiling is in
``metamers.humans.noise_ceiling``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from metamers.humans.participants import OBSERVERS, OTHER_MODELS, check_equal, own_stages
from metamers.humans.published import PUBLISHED
from metamers.run.files import write_atomically

COLUMNS = ["experiment", "modality", "generation_model", "model_class", "stage", "observer", "mean", "sem", "n"]
CEILING_COLUMNS = ["modality", "noise_ceiling_r2", "low", "high", "participants_low", "participants_high"]

DECIMALS = 10  # of a point: far finer than one answer, far coarser than floating-point rounding


def _mean_sem(values: np.ndarray) -> tuple[float, float, int]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values)


def group_results(
    experiments: Mapping[str, xr.Dataset], modalities: Mapping[str, str], judged: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Summarize experiments as mean, SEM and n of every model, stage and observer.

    Parameters
    ----------
    experiments
        Experiment → result of ``metamers.humans.participants.experiment_dataset``.
    modalities
        Experiment → ``vision`` or ``audio``.
    judged
        Modality → result of ``metamers.humans.participants.judgements``.

    Returns
    -------
    pd.DataFrame
        ``COLUMNS``: one row per experiment, model, stage (in processing order) and observer. ``mean``, ``sem`` and
        ``n`` are over participants for the observers ``human`` and ``model``. For ``other_models`` they are over all
        recognition models except the generation model itself, where these exist.
    """
    others = {}
    for modality, table in judged.items():
        foreign = table[table["generation_model"] != table["recognition_model"]]
        for (model, stage), rows in foreign.groupby(["generation_model", "stage"], sort=False):
            others[modality, model, stage] = _mean_sem(rows["proportion_correct"].to_numpy())
    rows = []
    for experiment, dataset in experiments.items():
        modality = modalities[experiment]
        for model in map(str, dataset["generation_model"].values):
            of_model = dataset.sel(generation_model=model)
            for stage in own_stages(dataset, model):
                values = of_model["proportion_correct"].sel(stage=stage)
                summaries = {observer: _mean_sem(values.sel(observer=observer).values) for observer in OBSERVERS}
                if (modality, model, stage) in others:
                    summaries[OTHER_MODELS] = others[modality, model, stage]
                key = (experiment, modality, model, str(of_model["model_class"].values), stage)
                rows += [(*key, observer, *summary) for observer, summary in summaries.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def write_results(table: pd.DataFrame, path: str | Path) -> None:
    """Write a small table as CSV with 12 significant digits, so that equal data give equal bytes on every machine."""
    write_atomically(
        path, lambda partial: table.to_csv(partial, index=False, float_format="%.12g", lineterminator="\n")
    )


def read_results(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table that ``write_results`` wrote.

    Raises
    ------
    ValueError
        When its columns differ from ``columns``.
    """
    table = pd.read_csv(path, keep_default_na=False)
    check_equal(Path(path), "columns", list(table), list(columns))
    return table


def pooled_mean(human: pd.DataFrame) -> tuple[float, float, int]:
    """Compute mean, SEM and number of the participants of several experiments, exactly, from those of each experiment.

    Parameters
    ----------
    human
        Columns ``mean``, ``sem`` and ``n``, one row per experiment.
    """
    means, sems, numbers = (human[name].to_numpy() for name in ("mean", "sem", "n"))  # faster than columns
    n = numbers.sum()
    mean = (numbers * means).sum() / n
    squares = ((numbers - 1) * numbers * sems**2 + numbers * (means - mean) ** 2).sum()
    return mean, np.sqrt(squares / (n - 1) / n), n


def pooled_points(groups: pd.DataFrame) -> pd.DataFrame:
    """Make a point per published model and stage: recognizability of its metamers by participants and by other models.

    The participants of a model that is in several experiments are pooled (``pooled_mean``). Natural stimuli are left
    out, because the answers of other models to them are not public; so is the input stage in vision, which was not in
    the experiments. A model whose metamers no other model judged has no point.

    Parameters
    ----------
    groups
        Result of ``group_results``.

    Returns
    -------
    pd.DataFrame
        ``modality``, ``generation_model``, ``model_class``, ``stage``; ``human_mean``, ``human_sem``, ``human_n`` over
        participants; ``model_mean``, ``model_sem``, ``model_n`` over recognition models. In order of first appearance.
    """
    rows = []
    keys = ["modality", "generation_model", "model_class", "stage"]
    # Every experiment has the same recognition models.
    others = groups[groups["observer"] == OTHER_MODELS].drop_duplicates(keys).set_index(keys)[["mean", "sem", "n"]]
    of_others = dict(zip(others.index, others.itertuples(index=False, name=None), strict=True))
    for key, human in groups[groups["observer"] == "human"].groupby(keys, sort=False):
        if key in of_others and key[-1] not in PUBLISHED[key[0]].left_out_stages:
            rows.append((*key, *pooled_mean(human), *of_others[key]))
    values = [f"{observer}_{what}" for observer in OBSERVERS for what in ("mean", "sem", "n")]
    # Equal proportions must be ties in rank correlations, although their sums were rounded differently.
    return pd.DataFrame(rows, columns=keys + values).round(DECIMALS)
