"""Chance in the report: Cohen's kappa of every recognition model, and models with a single answer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from metamers.humans.participants import own_stages
from metamers.report.tables import ABSENT, Table, percent


def kappa_text(kappa: float, low: float, high: float) -> str:
    """Kappa with its interval, or a dash if it is not defined."""
    if not np.isfinite(kappa):
        return ABSENT
    value, below, above = (f"{number:z.2f}".replace("-", "−") for number in (kappa, low, high))
    return f"{value} ({below} to {above})"


def chance_table(generation_model: str, recognizable: xr.Dataset) -> Table:
    """Kappa of every recognition model at each stage, with its interval and the proportion correct by chance.

    Parameters
    ----------
    generation_model
        The model of the metamers.
    recognizable
        Result of ``metamers.compare.chance.with_chance``.
    """
    own = recognizable.sel(generation_model=generation_model)
    recognition_models = [
        str(name) for name in own["recognition_model"].values if own["n"].sel(recognition_model=name).any()
    ]
    head = ["Stage"]
    for recognition_model in recognition_models:
        named = f"{recognition_model} (itself)" if recognition_model == generation_model else recognition_model
        head += [f"{named}: κ (95% interval)", "chance"]
    rows = []
    for stage in own_stages(recognizable, generation_model):
        row = [stage]
        for recognition_model in recognition_models:
            one = own.sel(stage=stage, recognition_model=recognition_model)
            row.append(kappa_text(*(float(one[f"cohens_kappa{end}"]) for end in ("", "_low", "_high"))))
            row.append(percent(float(one["chance_agreement"])))
        rows.append([*row, percent(float(own["other_models_chance"].sel(stage=stage)))])
    return {"head": [*head, "Chance, mean of the others"], "rows": rows}


def single_answers(generation_model: str, recognizable: xr.Dataset) -> list[dict[str, Any]]:
    """Recognition models that give a single answer to the metamers of one model at some stage.

    Parameters
    ----------
    generation_model, recognizable
        As for ``chance_table``.

    Returns
    -------
    list of dict
        One entry for each answer and group of recognition models that give it at the same stages: ``answer``,
        ``recognition_models``, ``stages`` in processing order, and ``least`` and ``most``: the smallest and largest
        proportion of the metamers of one stage with that answer.
    """
    own = recognizable.sel(generation_model=generation_model)
    shares: dict[tuple[str, str], dict[str, float]] = {}
    for stage in own_stages(recognizable, generation_model):
        for recognition_model in map(str, own["recognition_model"].values):
            one = own.sel(stage=stage, recognition_model=recognition_model)
            if bool(one["single_answer"]):
                given = shares.setdefault((str(one["most_frequent_answer"].values), recognition_model), {})
                given[stage] = float(one["most_frequent_answer_share"])
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (answer, recognition_model), given in shares.items():
        alike.setdefault((answer, tuple(given)), []).append(recognition_model)
    found = []
    for (answer, stages), recognition_models in alike.items():
        given = [
            shares[answer, recognition_model][stage] for recognition_model in recognition_models for stage in stages
        ]
        found.append(
            {
                "answer": answer,
                "recognition_models": recognition_models,
                "stages": list(stages),
                "least": min(given),
                "most": max(given),
            }
        )
    return found


def chance_context(generation_model: str, recognizable: xr.Dataset) -> Mapping[str, Any]:
    """Chance values of one generation model for the pages: ``table`` and ``single_answers``."""
    return {
        "table": chance_table(generation_model, recognizable),
        "single_answers": single_answers(generation_model, recognizable),
    }
