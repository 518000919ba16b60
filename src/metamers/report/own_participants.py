"""Own participants in the report: exclusions, recognizability of the run's metamers, and comparison with models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from metamers.compare.humans_vs_models import CORRELATIONS
from metamers.humans.participants import own_stages
from metamers.report.preregistered import preregistered_context
from metamers.report.tables import ABSENT, Table, anova_table, beyond_depth_table, ceiling, number

NAMES = {"pearson_r2": "R²", "spearman_rho": "Spearman ρ", "kendall_tau": "Kendall τ"}


def own_participants_table(answers: xr.Dataset) -> Table:
    """Recognizability of each model's metamers by own participants and by the model itself, a row for each stage."""
    rows = []
    for model in map(str, answers["generation_model"].values):
        for stage in own_stages(answers, model):
            of_stage = answers["proportion_correct"].sel(generation_model=model, stage=stage)
            human = of_stage.sel(observer="human").dropna("participant")
            if human.size:
                mean, error = float(human.mean()), float(human.std(ddof=1) / np.sqrt(human.size))
                text = f"{number(mean)} ± {number(error)}"
            else:
                text = ABSENT
            rows.append([model, stage, text, number(float(of_stage.sel(observer="model").mean())), str(human.size)])
    head = ["Metamers of", "Stage", "Own participants, mean ± SE", "The model itself", "Participants"]
    return {"head": head, "rows": rows}


def _compared_table(compared: xr.Dataset) -> Table:
    rows = []
    for modality in compared["modality"].values:
        one = compared.sel(modality=modality)
        values = [
            "{} ({} to {})".format(*(number(float(one[name + end]), 3) for end in ("", "_low", "_high")))
            for name in CORRELATIONS
        ]
        rows.append([str(modality), str(int(one["human_mean"].count())), *values, ceiling(one)])
    return {"head": ["Modality", "Points", *NAMES.values(), "Noise ceiling of R² (95% interval)"], "rows": rows}


def left_out(answers: xr.Dataset) -> dict[str, Any]:
    """What was left out of a group's answers: ``excluded`` (reason → number of participants), rows and files.

    Parameters
    ----------
    answers
        A file of own participants, of the fixed design or of an adaptive experiment.
    """
    return {
        "excluded": {
            str(reason): int(count)
            for reason, count in zip(answers["exclusion"].values, answers["excluded"].values, strict=True)
            if count
        },
        "rows_set_aside": int(answers["rows_set_aside"]),
        "files_set_aside": int(answers["files_set_aside"]),
    }


def own_participants_context(
    own_participants: Mapping[str, xr.Dataset],
    compared: xr.Dataset | None,
    tested: xr.Dataset | None,
    preregistered: xr.Dataset | None = None,
) -> dict[str, Any] | None:
    """Values of own participants for the pages; None if there are no own participants.

    Parameters
    ----------
    own_participants
        Name → the result of ``metamers.humans.own_participants.own_participants_dataset``.
    compared
        Result of ``metamers.compare.humans_vs_models.own_participants_vs_models``, or None.
    tested
        Content of ``comparison/anova.nc``, or None; tests of other experiments are left out.
    preregistered
        Content of ``comparison/preregistered.nc``, or None without a frozen prediction.

    Returns
    -------
    dict
        ``models``: generation models with answers; ``groups``: for each name ``participants``, ``excluded`` (reason →
        number), the numbers ``rows_set_aside`` and ``files_set_aside``, and a ``table``;
        ``compared``, ``beyond_depth`` and ``anova``: tables, or None; ``preregistered``: the result of
        ``metamers.report.preregistered.preregistered_context``, or None.
    """
    if not own_participants:
        return None
    own = None
    if tested is not None:
        own = tested.isel(test=np.isin(tested["experiment"].values.astype(str), list(own_participants)))
    return {
        "models": {str(model) for answers in own_participants.values() for model in answers["generation_model"].values},
        "groups": [
            {
                "name": name,
                "participants": answers.sizes["participant"],
                **left_out(answers),
                "table": own_participants_table(answers),
            }
            for name, answers in own_participants.items()
        ],
        "compared": _compared_table(compared) if compared is not None else None,
        "beyond_depth": beyond_depth_table(compared) if compared is not None else None,
        "anova": anova_table(own) if own is not None and own.sizes["test"] else None,
        "preregistered": preregistered_context(preregistered) if preregistered is not None else None,
    }


def without_own_participants(tested: xr.Dataset, own_participants: Mapping[str, xr.Dataset]) -> xr.Dataset | None:
    """Tests of the published experiments, without those of own participants; None if there are none."""
    published = tested.isel(test=~np.isin(tested["experiment"].values.astype(str), list(own_participants)))
    return published if published.sizes["test"] else None
