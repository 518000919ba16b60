"""A small run for tests of the frozen prediction, with the published tables."""

from pathlib import Path

import numpy as np
import xarray as xr

from metamers.compare.predicted_human import predicted_human
from metamers.humans.summary import read_results
from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.power.participants import VARIANCE_COLUMNS
from metamers.preregister.freeze import frozen_prediction
from metamers.preregister.score import Judged
from studies.simulations.predicted import published_points

PUBLISHED = Path(__file__).resolve().parents[2] / "resources" / "published"
STAGES = ["input", "early", "late", "last"]
EXPECTED = {"participants": 20, "trials": 10}
MODELS = {
    "eye": {"modality": "vision", "categories": 16, "depths": {"early": 0.3, "late": 0.8, "last": 1.0}},
    "ear": {"modality": "audio", "categories": 10, "depths": {"early": 0.4, "late": 0.9, "last": 1.0}},
}


def recognized(means, error=0.03):
    """Recognizability by other models (generation_model, stage), natural stimuli first; the ear has no last stage."""
    values = np.array(means, float)
    dims = ("generation_model", "stage")
    names = {"other_models": 0.0, "other_models_standard_error": error, "other_models_low": -0.05}
    names["other_models_high"] = 0.05
    found = {
        name: (dims, np.where(np.isnan(values), np.nan, 0) + (step if "error" in name else values + step))
        for name, step in names.items()
    }
    recognition_models = {"eye": "eyes", "ear": "ears", "sibling": "eyes", "r50": "resnet", "coch": "coch_cnn9"}
    found |= {
        "stage_number": (dims, [[0, 1, 2, 3, 4], [0, 1, 2, 3, -1]]),
        "n": ((*dims, "recognition_model"), np.full((2, 5, 5), 20)),
        "generation_family": ("generation_model", ["eyes", "ears"]),
        "recognition_family": ("recognition_model", list(recognition_models.values())),
    }
    return xr.Dataset(
        found,
        coords={
            "generation_model": list(MODELS),
            "stage": ["natural", *STAGES],
            "recognition_model": list(recognition_models),
        },
    )


def predictions(
    relation=None, means=((0.95, 0.9, 0.7, 0.3, 0.15), (0.95, 0.9, 0.7, 0.4, np.nan)), expected=None, error=0.03
):
    """A frozen prediction of two models from the published relation, without items."""
    relation = published_points(PUBLISHED) if relation is None else relation
    recognizable = recognized(means, error)
    predicted = predicted_human(
        recognizable,
        relation,
        {model: entry["modality"] for model, entry in MODELS.items()},
        {model: entry["categories"] for model, entry in MODELS.items()},
    )
    return frozen_prediction(
        predicted,
        recognizable,
        relation,
        read_results(PUBLISHED / "participant_variance.csv", VARIANCE_COLUMNS),
        read_results(PUBLISHED / "stage_depth.csv", DEPTH_COLUMNS),
        MODELS,
        expected or EXPECTED,
    )


def judged_as(rates, participants=20, trials=10):
    """People who recognize these proportions of the metamers: (model, stage) → proportion."""
    number = np.full(participants, trials)
    return {key: Judged(number, round(float(rate) * participants * trials)) for key, rate in rates.items()}
