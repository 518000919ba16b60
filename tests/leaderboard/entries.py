"""Entries of a shared leaderboard of two made-up models, with the published tables: a measured and a predicted one."""

import hashlib
import json
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import xarray as xr

from metamers.compare.passes import DIFFERENCE_COLUMNS, NATURAL_COLUMNS, passes_dataset
from metamers.compare.predicted_human import predict_left_out_models, predicted_human
from metamers.humans.summary import COLUMNS, read_results
from metamers.leaderboard.curves import DEPTH_COLUMNS
from metamers.leaderboard.entry import (
    entry_dataset,
    equivalence_of_stages,
    file_name,
    measured_values,
    predicted_values,
    read_published,
)
from metamers.leaderboard.files import ENTRY
from metamers.leaderboard.own_models import OWN_PARTICIPANTS, PREDICTION, own_participants_curves
from metamers.leaderboard.ranking import entries_of, leaderboard
from metamers.run import files
from studies.simulations.predicted import published_points
from tests.preregister.made_up import MODELS as RECOGNIZED
from tests.preregister.made_up import PUBLISHED, STAGES, recognized

MODELS = {
    name: entry | {"stages": STAGES, "published_as": None, "chance": 1 / entry["categories"]}
    for name, entry in RECOGNIZED.items()
}
REGISTRY = {name: {"modality": entry["modality"], "source": {"timm": name}} for name, entry in MODELS.items()}
CREATOR = {
    "name": "Ada & Co", "type": "person", "email": "ada@lab.example", "url": "https://lab.example/?a=1&b=2",
    "institution": "A “University”", "license": "CC-BY-4.0",
}  # fmt: skip
PEOPLE, TRIALS = 40, 20

published = cache(read_published)


@cache
def recognizable() -> xr.Dataset:
    """Recognizability by other models; that of the ear's last stage is unknown."""
    return recognized(((0.95, 0.9, 0.7, 0.3, 0.15), (0.95, 0.9, 0.7, 0.4, np.nan)))


@cache
def predicted() -> xr.Dataset:
    """People's recognizability of both models' metamers, as predicted."""
    modalities = {name: entry["modality"] for name, entry in MODELS.items()}
    categories = {name: entry["categories"] for name, entry in MODELS.items()}
    return predicted_human(recognizable(), published_points(PUBLISHED), modalities, categories)


@cache
def people() -> xr.Dataset:
    """Forty people who recognize the eye's early metamers as often as natural stimuli, and late ones less often."""
    rng = np.random.default_rng(0)
    right = rng.binomial(TRIALS, [0.9, 0.9, 0.6, 0.2], (PEOPLE, 4)) / TRIALS
    answers = np.stack([right, np.ones_like(right)], axis=-1)[:, None]
    dims = ("participant", "generation_model", "stage", "observer")
    return xr.Dataset(
        {
            "proportion_correct": (dims, answers),
            "trials_answered": (dims[:3], np.full((PEOPLE, 1, 4), TRIALS)),
            "stage_number": (dims[1:3], [[0, 1, 2, 3]]),
        },
        coords={
            "generation_model": ["eye"],
            "stage": ["natural", *STAGES[1:]],
            "observer": ["human", "model"],
            "model_class": ("generation_model", ["this run"]),
        },
    )


def few_left_out(relation: xr.Dataset) -> pd.DataFrame:
    """Predictions of one left-out model of each family, of which entries show nothing, instead of 37."""
    names = (relation[name].values.ravel() for name in ("generation_family", "generation_model"))
    few = list(dict(zip(*names, strict=True)).values())
    return predict_left_out_models(relation.where(relation["generation_model"].isin(few)))


@cache
def board() -> xr.Dataset:
    """The leaderboard of a run with two models; own participants have judged metamers of the model ``eye``."""
    tables = {"natural_difference": DIFFERENCE_COLUMNS, "natural_variance": NATURAL_COLUMNS}
    differences, variance = (read_results(PUBLISHED / f"{name}.csv", columns) for name, columns in tables.items())
    depths = read_results(PUBLISHED / "stage_depth.csv", DEPTH_COLUMNS)
    groups = read_results(PUBLISHED / "group_results.csv", COLUMNS)
    tested = passes_dataset(differences, variance, depths)
    given = (groups, depths, published_points(PUBLISHED), tested, {}, predicted(), MODELS, {"vision": [people()]})
    with mock.patch("metamers.leaderboard.ranking.predict_left_out_models", few_left_out):
        return leaderboard(*given, bootstrap=50, seed=0)


def sha256(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def items_of(model: str) -> pd.DataFrame:
    """Fingerprints of what a model's entry was computed from, made up."""
    paths = {kind: f"results/tiny/{kind}/{model}.nc" for kind in ("stimuli", "metamers", "acceptance", "recognition")}
    paths |= {"own_participants": "results/tiny/humans/ours.nc", "published": "resources/published/stage_depth.csv"}
    rows = [(kind, name, sha256(name)) for kind, name in paths.items()]
    results = [f"results/tiny/comparison/{name}.nc" for name in ("leaderboard", "predicted_human", "recognizability")]
    rows += [("comparison", name, sha256(name)) for name in results]
    rows += [("setting", "run", '"tiny"'), ("setting", "seed", "0"), ("version", "metamers", "1.0.0")]
    rows += [("code", "recognize", "0123456789abcdef")]
    rows += [("model", model, sha256(json.dumps(REGISTRY[model], sort_keys=True)))]
    return pd.DataFrame(rows, columns=["item_kind", "item_name", "fingerprint"])


def entry(model: str = "ear", basis: str = PREDICTION) -> xr.Dataset:
    """The entry of a model, to be changed; people have judged the eye."""
    return _entry(model, basis).copy(deep=True)


@cache
def _entry(model: str, basis: str) -> xr.Dataset:
    about = MODELS[model] | {"registry": REGISTRY[model]}
    tested = None
    values = predicted_values(predicted(), model)
    if basis == OWN_PARTICIPANTS:
        curve, asked = own_participants_curves({"vision": [people()]}, {model: about})[model]
        values, tested = measured_values(curve), equivalence_of_stages(asked, model, about, published().variance)
    rows = entries_of(board())
    (row,) = rows[(rows["generation_model"] == model) & (rows["basis"] == basis)].to_dict("records")
    return entry_dataset(row, about, values, recognizable(), tested, CREATOR, items_of(model))


def write(made: xr.Dataset, folder: Path, name: str | None = None) -> Path:
    """Write an entry under its own name or another."""
    path = folder / (name or file_name(made))
    about = {"title": "An entry", "source": "a test", "step": "leaderboard_entry", "run": "tiny", "seed": 0}
    files.save(made.drop_attrs(deep=True), path, declared=ENTRY, **about, inputs=[])
    return path
