"""Own participants in the report: exclusions, recognizability of the run's metamers, and comparison with models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from metamers.compare.anova import AGAINST_NETWORK
from metamers.compare.humans_vs_models import CORRELATIONS
from metamers.compare.min_f import MIN_F, OVER_PARTICIPANTS, OVER_STIMULI
from metamers.humans.participants import own_stages
from metamers.report.chance import kappa_text
from metamers.report.preregistered import preregistered_context
from metamers.report.tables import (
    ABSENT,
    CEILING,
    Table,
    anova_table,
    beyond_depth_table,
    ceiling,
    f_value,
    number,
    p_value,
    with_ends,
)

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
        values = [with_ends(one, name) for name in CORRELATIONS]
        rows.append([str(modality), str(int(one["human_mean"].count())), *values, *ceiling(one)])
    return {"head": ["Modality", "Points", *NAMES.values(), *CEILING], "rows": rows}


def consistency_table(consistency: xr.Dataset) -> Table:
    """Error consistency of own participants with each recognition model, a row for each stage of each model."""
    recognition_models = list(map(str, consistency["recognition_model"].values))
    parts = ["participant_consistency", "participant_consistency_low", "participant_consistency_high"]
    rows = []
    for model in map(str, consistency["generation_model"].values):
        for stage in own_stages(consistency, model):
            one = consistency[parts].sel(generation_model=model, stage=stage)
            rows.append([model, stage, *(kappa_text(*numbers) for numbers in one.to_array().values.T)])
    return {"head": ["Metamers of", "Stage", *recognition_models], "rows": rows}


def network_table(tested: xr.Dataset) -> Table:
    """Own participants against the network: a row for each model and effect, with min F′ first.

    p over participants and over stimuli is that of sign flips for observer, and the corrected one for other effects.
    """
    rows = []
    by_kind = {kind: tested.isel(test=tested["comparison"].values == name) for kind, name in AGAINST_NETWORK.items()}
    for place in range(by_kind[MIN_F].sizes["test"]):
        of_model = {kind: own.isel(test=place) for kind, own in by_kind.items()}
        named = [str(of_model[MIN_F][name].values) for name in ("experiment", "generation_model")]
        for effect in map(str, tested["effect"].values):
            cells = []
            for kind in (MIN_F, OVER_STIMULI, OVER_PARTICIPANTS):
                one = of_model[kind].sel(effect=effect)
                if not np.isfinite(one["f"]):
                    cells += [ABSENT] * (3 if kind == MIN_F else 2)
                    continue
                flips, corrected = float(one["p_permutation_plus_one"]), float(one["p_greenhouse_geisser"])
                cells += [f_value(one), p_value(flips if np.isfinite(flips) else corrected)]
                cells += [p_value(float(one["p_holm"]))] if kind == MIN_F else []
            if set(cells) != {ABSENT}:
                rows.append([*named, effect, *cells])
    head = ["Experiment", "Metamers of", "Effect", "min F′", "p, new participants and stimuli", "p, Holm"]
    head += ["F over stimuli", "p, new stimuli", "F over participants", "p, new participants"]
    return {"head": head, "rows": rows}


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
    consistency: xr.Dataset | None = None,
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
    consistency
        Result of ``metamers.compare.error_consistency.participants_dataset``, or None.

    Returns
    -------
    dict
        ``models``: generation models with answers; ``groups``: for each name ``participants``, ``excluded`` (reason →
        number), the numbers ``rows_set_aside`` and ``files_set_aside``, and a ``table``;
        ``compared``, ``beyond_depth``, ``consistency``, ``against_network`` and ``anova``, the other tests: tables, or
        None;
        ``preregistered``: the result of
        ``metamers.report.preregistered.preregistered_context``, or None.
    """
    if not own_participants:
        return None
    tables: dict[str, Table | None] = {"against_network": None, "anova": None}
    if tested is not None:
        own = tested.isel(test=np.isin(tested["experiment"].values.astype(str), list(own_participants)))
        against = np.isin(own["comparison"].values.astype(str), list(AGAINST_NETWORK.values()))
        if against.any():
            tables["against_network"] = network_table(own.isel(test=against))
        if not against.all():
            tables["anova"] = anova_table(own.isel(test=~against))
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
        "consistency": consistency_table(consistency) if consistency is not None else None,
        **tables,
        "preregistered": preregistered_context(preregistered) if preregistered is not None else None,
    }


def without_own_participants(tested: xr.Dataset, own_participants: Mapping[str, xr.Dataset]) -> xr.Dataset | None:
    """Tests of the published experiments, without those of own participants; None if there are none."""
    published = tested.isel(test=~np.isin(tested["experiment"].values.astype(str), list(own_participants)))
    return published if published.sizes["test"] else None
