"""Data of one model for the metamer browser of the report.

Each model has one file, ``media/<model>/data.js``, which the page loads when the model is chosen. The file is a script
instead of JSON, because a page that was opened from a file may run other files but may not read them.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import numpy as np
import xarray as xr

from metamers.match import MEASURES, PRESERVED
from metamers.modalities import MODALITIES
from metamers.names import NATURAL, stage_path
from metamers.report.media import ACROSS, SIDE

PAGE = "browser.html"
DIGITS = 4  # significant digits of a measure
QUANTILES = (0, 0.05, 0.5, 0.95, 1)  # of null distributions
# One letter per outcome of a metamer.
ACCEPTED, POOR_MATCH, CATEGORY_LOST, TARGET_MISSED = "apct"
# The same in words, as ``verdicts`` in site/metamers.js.
VERDICTS = {
    ACCEPTED: "accepted",
    POOR_MATCH: "poor match",
    CATEGORY_LOST: "category lost",
    TARGET_MISSED: "target not reached",
}


def link(model: str, stage: str | None = None, stimulus: str | None = None, seed: int | None = None) -> str:
    """Link from another page of the report to a model, stage, stimulus or metamer in the browser."""
    named = {"model": model, "stage": stage, "stimulus": stimulus, "seed": seed}
    return f"{PAGE}#{urlencode({name: value for name, value in named.items() if value is not None})}"


def as_script(call: str, data: Any) -> str:
    """Data as a script that passes them to a function of the page."""
    return f"{call}({json.dumps(data, allow_nan=False, separators=(',', ':'))});\n"


def rounded(values: np.ndarray) -> Any:
    """Numbers with ``DIGITS`` significant digits, as nested lists; None for values that are not finite."""
    if values.ndim:
        return [rounded(value) for value in values]
    return float(f"{values:.{DIGITS}g}") if np.isfinite(values) else None


def outcome_letters(acceptance: xr.Dataset) -> list[str]:
    """Outcome letters, one string per stage, ordered by stimulus, then seed."""
    ordered = acceptance.transpose("stage", "stimulus", "seed", ...)
    accepted, above = (ordered[name].values for name in ("accepted", "above_null"))
    preserved = ordered.get(PRESERVED, xr.ones_like(ordered["accepted"])).values
    letters = np.select([accepted, ~above, ~preserved], [ACCEPTED, POOR_MATCH, CATEGORY_LOST], TARGET_MISSED)
    return ["".join(of_stage.ravel()) for of_stage in letters]


def answer_numbers(
    recognition: Mapping[str, xr.Dataset], stages: list[str]
) -> tuple[list[str], dict[str, list[list[int]]]]:
    """Answers of recognition models, as numbers.

    Parameters
    ----------
    recognition
        Recognition model → ``answer`` (stage, stimulus, seed), with ``natural`` among the stages.
    stages
        Stages of the metamers, in the order of the result.

    Returns
    -------
    categories
        All answered categories, sorted.
    numbers
        Recognition model → one list for ``natural`` and one for each stage: positions in ``categories``, one for each
        natural stimulus, or for each metamer, ordered by stimulus, then seed.
    """
    texts = {
        name: data["answer"].transpose("stage", "stimulus", "seed").sel(stage=[NATURAL, *stages]).values.astype(str)
        for name, data in recognition.items()
    }
    categories = sorted({category for values in texts.values() for category in np.unique(values)})
    numbers = {name: np.searchsorted(categories, values) for name, values in texts.items()}
    return categories, {
        name: [values[0, :, 0].tolist(), *values[1:].reshape(len(stages), -1).tolist()]
        for name, values in numbers.items()
    }


def null_quantiles(null: xr.Dataset, measure: str) -> np.ndarray:
    """``QUANTILES`` of a measure's null distribution, (stage, quantile); the last one is the largest over all pairs."""
    found = null[measure].quantile(QUANTILES, "pair").transpose("stage", ...).values
    found[:, -1] = null["largest"].sel(measure=measure)
    return found


def browser_data(
    name: str, modality: str, acceptance: xr.Dataset, recognition: Mapping[str, xr.Dataset], null: xr.Dataset
) -> dict[str, Any]:
    """All browser data of one generation model.

    Parameters
    ----------
    name
        Name of the generation model.
    modality
        ``vision`` or ``audio``.
    acceptance
        (stage, stimulus, seed) → ``accepted``, ``above_null``, the measures of match, and ``category_preserved``, which
        is absent for a model without classes.
    recognition
        Recognition model → ``answer`` (stage, stimulus, seed), stage ``natural`` first.
    null
        (stage, pair) → ``pearson_r``, ``spearman_rho``, ``snr_db``; (stage, measure) → ``largest``.

    Returns
    -------
    dict
        ``picture``: ``Modality.picture``; ``player``: ending of the files that a player plays, None without players;
        ``sheet``: layout of thumbnails in sheets; ``stages``, and ``folders``, their names in paths; ``stimuli``: name,
        label and category of each; ``seeds``; ``measures``: name → label; ``verdicts``, ``match`` (measure → stage →
        metamer), ``categories`` and ``answers``, with metamers in the order of ``verdicts``; ``null``: measure →
        stage → ``QUANTILES`` of the null distribution.
    """
    stages = list(map(str, acceptance["stage"].values))
    ordered = acceptance.transpose("stage", "stimulus", "seed", ...)
    categories, answered = answer_numbers(recognition, stages)
    return {
        "name": name,
        "modality": modality,
        "picture": MODALITIES[modality].picture,
        "player": MODALITIES[modality].suffix if MODALITIES[modality].played else None,
        "sheet": {"side": SIDE, "across": ACROSS},
        "stages": stages,
        "folders": [stage_path(stage) for stage in stages],
        "stimuli": [
            [str(one[key].values) for key in ("stimulus", "label", "category")]
            for one in (acceptance.sel(stimulus=stimulus) for stimulus in acceptance["stimulus"].values)
        ],
        "seeds": [int(seed) for seed in acceptance["seed"].values],
        "verdicts": outcome_letters(acceptance),
        "measures": {name: measure.label for name, measure in MEASURES.items()},
        "match": {measure: [rounded(of_stage.ravel()) for of_stage in ordered[measure].values] for measure in MEASURES},
        "categories": categories,
        "answers": answered,
        "null": {
            measure: rounded(null_quantiles(null.sel(stage=stages), measure)) for measure in MEASURES if measure in null
        },
    }
