"""Standard: whether metamers of quality `standard` match at least as closely as those of the published procedure.

The published procedure takes 24,000 steps for each metamer, hours for the stages of one model. It is therefore run with
fewer steps at each step size, and its error at the end is extrapolated from these runs.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

from metamers.models.model import Model
from metamers.synthesize.metamers import synthesize
from metamers.synthesize.qualities import number_of_steps
from studies.benchmark.measure import errors_at


def extrapolate(steps: Sequence[int], errors: Sequence[float], most: int) -> float:
    """The error after ``most`` steps, on the power law through the first and the last error.

    The first and the last are far apart, so that the law does not follow the scatter of single runs.

    Parameters
    ----------
    steps
        Numbers of steps, increasing.
    errors
        The error after each; above 0.
    most
        Number of steps at which the error is wanted. If it is the last of ``steps``, that error is returned.

    Raises
    ------
    ValueError
        When there is one number of steps only, and it is not ``most``, or an error is not above 0.
    """
    if steps[-1] == most:
        return float(errors[-1])
    if not all(error > 0 for error in errors):
        raise ValueError(f"errors {list(errors)} cannot be extrapolated; wanted numbers above 0")
    if len(steps) == 1:
        raise ValueError(f"one run with {steps[0]} steps cannot be extrapolated to {most}: give two numbers of steps")
    slope = np.log(errors[-1] / errors[0]) / np.log(steps[-1] / steps[0])
    return float(errors[-1] * (most / steps[-1]) ** slope)


def standard_match(
    model: Model,
    stage: str,
    natural: torch.Tensor,
    start: torch.Tensor,
    settings: Mapping[str, Mapping[str, Any]],
    passes: Sequence[int],
) -> xr.Dataset:
    """Errors at the end of a synthesis of quality `standard` and of the published procedure, from the same starts.

    Parameters
    ----------
    model, stage
        The generation model and its stage.
    natural, start
        Stimuli and starts (stimulus, …signal).
    settings
        Quality (``standard``, ``published``) → settings of its procedure.
    passes
        Numbers of steps at each step size with which the published procedure is run, increasing, at most its
        ``steps``.

    Returns
    -------
    xarray.Dataset
        (pass_steps, stimulus) → ``error_of_published``, after a run with this number of steps at each step size;
        (stimulus) → ``error_of_standard``; ``published_match``: the mean error of the published procedure with all its
        steps, from ``extrapolate``; ``standard_match``: that of the quality `standard`. Errors have no unit.

    Raises
    ------
    ValueError
        When synthesis cannot work at the stage (``metamers.synthesize.metamers.check_stage``), or as ``extrapolate``.
    """
    errors = errors_at(model, stage, natural)

    def error(procedure: str, chosen: Mapping[str, Any]) -> np.ndarray:
        metamers, _ = synthesize(model, stage, natural, start, procedure, chosen, f"{procedure} {stage}")
        return errors(metamers)

    published = np.stack([error("published", dict(settings["published"]) | {"steps": steps}) for steps in passes])
    standard = error("one_cycle", settings["standard"])
    means = published.mean(axis=1, dtype=float)
    return xr.Dataset(
        {
            "error_of_published": (("pass_steps", "stimulus"), published),
            "error_of_standard": ("stimulus", standard),
            "published_match": extrapolate(passes, means, settings["published"]["steps"]),
            "standard_match": standard.mean(dtype=float),
        },
        coords={"pass_steps": list(passes)},
    )


def standard_table(matches: Mapping[tuple[str, str], xr.Dataset], settings: Mapping[str, Any]) -> pd.DataFrame:
    """One row for each model and stage.

    Parameters
    ----------
    matches
        (model, stage) → the result of ``standard_match``.
    settings
        Model → quality → settings, as given to ``standard_match``.

    Returns
    -------
    pandas.DataFrame
        ``model``, ``stage``; ``published_steps``, how many steps the longest run of the published procedure took;
        ``published_match``, its mean error after all ``synthesis.published`` steps (extrapolated if the longest run had
        fewer); ``standard_settings``, as JSON, and ``standard_match``, mean error of the quality `standard`;
        ``stimuli``, their number; ``reached``, whether the error of `standard` is at most the other one.
    """
    rows = []
    for (model, stage), match in matches.items():
        longest = dict(settings[model]["published"]) | {"steps": int(match["pass_steps"][-1])}
        rows.append(
            {
                "model": model,
                "stage": stage,
                "published_steps": number_of_steps(longest),
                "published_match": float(match["published_match"]),
                "standard_settings": json.dumps(dict(settings[model]["standard"])),
                "standard_match": float(match["standard_match"]),
                "stimuli": match.sizes["stimulus"],
                "reached": bool(match["standard_match"] <= match["published_match"]),
            }
        )
    return pd.DataFrame(rows)
