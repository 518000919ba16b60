"""Contrasts in the report: differences in recognizability between two models, as table and sentences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from metamers.compare.proportions import MIN_NETWORKS
from metamers.compare.verdict import LATER_STAGES, read_evidence, side_of_zero, verdict
from metamers.report.tables import NO_INTERVAL, Table, percentage_points
from metamers.report.verdicts import contrast_claim, missing_sentence

LATE = "later half"
NETWORKS = ("networks", "reference_networks")  # variables with the numbers of networks of model and reference


def contrast_stages(contrast: xr.Dataset) -> list[str]:
    """Common stages of the two models of one contrast, in processing order."""
    number = contrast["stage_number"].values
    return [str(contrast["stage"].values[i]) for i in np.argsort(number, kind="stable") if np.isfinite(number[i])]


def side_of_contrast(contrast: xr.Dataset, role: str) -> str:
    """Name of the ``model`` or the ``reference`` of one contrast, with the number of its networks if above 1."""
    number = int(contrast[NETWORKS[role == "reference"]])
    return f"{contrast[role].values}" + (f" ({number} networks)" if number > 1 else "")


def contrasts_table(compared: xr.Dataset) -> Table:
    """Differences in recognizability, one row per contrast and stage; the later half of the stages is last."""
    rows = []
    for name in compared["contrast"].values:
        one = compared.sel(contrast=name)
        who = [side_of_contrast(one, role) for role in ("model", "reference")]
        for stage in contrast_stages(one):
            of_stage = one.sel(stage=stage)
            found = percentage_points(*(float(of_stage[key]) for key in ("difference", "low", "high")))
            rows.append([*who, stage, str(int(of_stage["n"])), found])
        found = percentage_points(*(float(one[f"late_{key}"]) for key in ("difference", "low", "high")))
        rows.append([*who, LATE, str(int(one["late_n"])), found])
    return {
        "head": ["Model", "Reference", "Stage", "n", "Difference in percentage points (95% interval)"],
        "rows": rows,
    }


def contrast_sentence(contrast: xr.Dataset) -> dict[str, Any]:
    """State the conclusions that the intervals of one contrast permit.

    Returns
    -------
    dict
        ``model``, ``reference`` (``side_of_contrast``), ``networks``: whether they are several networks each,
        ``too_few_networks``: whether the later stages have accepted metamers of fewer than ``MIN_NETWORKS`` of
        them;
        ``stages`` (the later ones), ``n``, ``found`` (difference and interval);
        ``verdict`` of the later stages; ``claim``: what it permits to say; ``missing``: what it lacks to be shown;
        ``above``, ``below``: stages whose own interval lies above or below 0; ``left_out``: number of stimuli whose
        metamers were not accepted at every later stage; ``judged_by``; ``related``: recognition models of the family
        of a compared model; ``by_recognition_model``: difference at the later stages for each recognition model;
        ``spread``: standard error over families, or None.
    """
    found = verdict(read_evidence(contrast, LATER_STAGES))
    model, reference = (side_of_contrast(contrast, role) for role in ("model", "reference"))
    spread = float(contrast["late_families_standard_error"])
    sides = {
        stage: side_of_zero(*(float(contrast[end].sel(stage=stage)) for end in ("low", "high")))
        for stage in contrast_stages(contrast)
    }
    return {
        "model": model,
        "reference": reference,
        "networks": (several := int(contrast["networks"]) > 1),
        "too_few_networks": several and min(int(contrast[f"late_{name}"]) for name in NETWORKS) < MIN_NETWORKS,
        "stages": str(contrast["late_stages"].values),
        "n": int(contrast["late_n"]),
        "found": percentage_points(found.evidence.difference, found.evidence.low, found.evidence.high),
        "verdict": found,
        "claim": contrast_claim(found, model, reference),
        "missing": missing_sentence(found),
        "above": [stage for stage, side in sides.items() if side > 0],
        "below": [stage for stage, side in sides.items() if side < 0],
        "left_out": int(contrast["late_left_out"]),
        "judged_by": str(contrast["judged_by"].values),
        "related": str(contrast["related_recognition_models"].values),
        "by_recognition_model": ", ".join(
            f"{recognition_model} {percentage_points(difference, np.nan, np.nan).removesuffix(NO_INTERVAL)}"
            for recognition_model, difference in contrast["late_difference_by_recognition_model"]
            .to_series()
            .dropna()
            .items()
        ),
        "spread": f"{100 * spread:.1f}" if np.isfinite(spread) else None,
    }


def contrasts_context(compared: xr.Dataset) -> Mapping[str, Any]:
    """Values of all contrasts for the page: ``sentences`` and ``table``."""
    return {
        "sentences": [contrast_sentence(compared.sel(contrast=name)) for name in compared["contrast"].values],
        "table": contrasts_table(compared),
    }
