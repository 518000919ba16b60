"""One's own people in the report: who judged the run's metamers, what they made of them, and how it compares."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from metamers.compare import CORRELATIONS
from metamers.humans import own_stages
from metamers.report_tables import ABSENT, Table, anova_table, beyond_depth_table, ceiling, number

NAMES = {"pearson_r2": "R²", "spearman_rho": "Spearman ρ", "kendall_tau": "Kendall τ"}


def people_table(answers: xr.Dataset) -> Table:
    """What people, and the model itself, made of each model's metamers, stage by stage."""
    rows = []
    for model in map(str, answers["generation_model"].values):
        for stage in own_stages(answers, model):
            of_stage = answers["proportion_correct"].sel(generation_model=model, stage=stage)
            human = of_stage.sel(observer="human").dropna("participant")
            if human.size:
                mean, error = float(human.mean()), float(human.std(ddof=1) / np.sqrt(human.size))
                told = f"{number(mean)} ± {number(error)}"
            else:
                told = ABSENT
            rows.append([model, stage, told, number(float(of_stage.sel(observer="model").mean())), str(human.size)])
    head = ["Metamers of", "Stage", "People, mean ± SE", "The model itself", "Participants"]
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


def people_context(
    people: Mapping[str, xr.Dataset], compared: xr.Dataset | None, tested: xr.Dataset | None
) -> dict[str, Any] | None:
    """What the pages show of one's own people; None where nobody was asked.

    Parameters
    ----------
    people
        Name → what ``metamers.people.people_dataset`` gives.
    compared
        People against other models, as ``metamers.compare.humans_vs_models`` gives it, or None.
    tested
        What the rule ``compare_anova`` makes, or None; tests of other experiments are left out.

    Returns
    -------
    dict
        ``models`` that people were asked about; ``groups``: of each name its ``participants``, who was ``excluded``
        and why (reason → number), how many ``rows_set_aside`` and ``files_set_aside`` there were, and a ``table``;
        ``compared``, ``beyond_depth`` and ``anova``: tables, or None.
    """
    if not people:
        return None
    own = None
    if tested is not None:
        own = tested.isel(test=np.isin(tested["experiment"].values.astype(str), list(people)))
    return {
        "models": {str(model) for answers in people.values() for model in answers["generation_model"].values},
        "groups": [
            {
                "name": name,
                "participants": answers.sizes["participant"],
                "excluded": {
                    str(reason): int(count)
                    for reason, count in zip(answers["exclusion"].values, answers["excluded"].values, strict=True)
                    if count
                },
                "rows_set_aside": int(answers["rows_set_aside"]),
                "files_set_aside": int(answers["files_set_aside"]),
                "table": people_table(answers),
            }
            for name, answers in people.items()
        ],
        "compared": _compared_table(compared) if compared is not None else None,
        "beyond_depth": beyond_depth_table(compared) if compared is not None else None,
        "anova": anova_table(own) if own is not None and own.sizes["test"] else None,
    }


def without_people(tested: xr.Dataset, people: Mapping[str, xr.Dataset]) -> xr.Dataset | None:
    """The tests that are not of one's own people, those of published experiments; None where there is none."""
    published = tested.isel(test=~np.isin(tested["experiment"].values.astype(str), list(people)))
    return published if published.sizes["test"] else None
