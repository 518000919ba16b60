"""Published participants: reads and checks the public files of the study, and joins those of one experiment.

The files are MATLAB files of participants' answers and pickles of models' answers; neither is trusted. The registry of
experiments (``metamers.config.experiments``) says which file holds what. Group results are in
``metamers.humans.summary``, the comparison of participants with models in ``metamers.compare``.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers.foreign.isolated import read_all_isolated, read_isolated
from metamers.foreign.matlab import MAX_MATLAB_BYTES, read_matlab
from metamers.foreign.pickles import abbreviated, read_pickle
from metamers.names import NATURAL

OBSERVERS = ("human", "model")
OTHER_MODELS = "other_models"

# Variables of every public .mat file, and the fixed contents of some of them.
MAT_VARIABLES = {"participant_data_matrix", "model_layers", "participants", "conditions", "axis_order"}
MAT_CONDITIONS = ["Human", "Network"]
MAT_AXES = ["participants", "model_layers", "conditions"]

PUBLISHED_STIMULI = 400  # stimuli of each layer; those without an accepted metamer are missing
JUDGED_INPUT = "input_after_preproc"  # in the pickles, but not in any visual experiment with participants


def _texts(values: np.ndarray) -> list[str]:
    return [str(value).strip() for value in np.ravel(values)]


def check_equal(path: Path, what: str, value: Any, expected: Any) -> None:
    """Check a value found in a file.

    Raises
    ------
    ValueError
        When ``value`` differs from ``expected``: names the file and both values.
    """
    if value != expected:
        raise ValueError(f"{path}: {what}: found {value}, wanted {expected}")


def read_participants(path: str | Path, layers: Sequence[str], participants: int) -> tuple[np.ndarray, list[str]]:
    """Read the participants' answers to the metamers of one model in one experiment.

    Parameters
    ----------
    path
        A public ``.mat`` file (MATLAB 5).
    layers
        Layers that the file must have, in order.
    participants
        Number of participants that the file must have.

    Returns
    -------
    proportion_correct
        (participant, layer, observer), 0..1; the observers are human and model.
    names
        Names of the participants, all different.

    Raises
    ------
    ValueError
        When the file has any other content: names the file, the value found and the value wanted.
    OSError
        When the file cannot be read.
    """
    path = Path(path)
    content = read_isolated(_variables, path)
    check_equal(path, "variables", sorted(content), sorted(MAT_VARIABLES))
    check_equal(path, "axis_order", _texts(content["axis_order"]), MAT_AXES)
    check_equal(path, "conditions", _texts(content["conditions"]), MAT_CONDITIONS)
    check_equal(path, "model_layers", _texts(content["model_layers"]), list(layers))
    names = _texts(content["participants"])
    check_equal(path, "number of participants", len(names), participants)
    check_equal(path, "number of different participants", len(set(names)), participants)
    values = content["participant_data_matrix"]
    check_equal(path, "shape of participant_data_matrix", values.shape, (participants, len(layers), len(OBSERVERS)))
    if values.dtype.kind != "f":
        raise ValueError(f"{path}: participant_data_matrix: found type {values.dtype}, wanted real numbers")
    if not ((values >= 0) & (values <= 1)).all():  # also false for NaN
        raise ValueError(
            f"{path}: participant_data_matrix: found values from {values.min()} to {values.max()}, wanted proportions "
            "from 0 to 1"
        )
    return values, names


def _variables(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as stream:
            return read_matlab(stream.read(MAX_MATLAB_BYTES + 1))
    except ValueError as error:
        raise ValueError(f"{path}: not a MATLAB 5 file that can be read: {error}") from error


def read_pickled(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Read the dictionary in a public pickle, in a separate process.

    Raises
    ------
    ValueError
        When the file is not a permitted pickle, or not a dictionary with ``keys``: names the file.
    OSError
        When the file cannot be read.
    """
    return read_isolated(lambda path: _dictionary(path, keys), path)


def _dictionary(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    with path.open("rb") as stream:
        try:
            content = read_pickle(stream)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not content.keys() >= set(keys):
        kind = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path}: found {kind}, wanted a dictionary with {' and '.join(keys)}")
    return content


def read_judgement(path: str | Path, layers: Iterable[str], answers: str, average: str) -> dict[str, float]:
    """Read the answers of one recognition model to the metamers of one generation model.

    Parameters
    ----------
    path
        A public pickle.
    layers
        Layers that the file must have, besides the input.
    answers, average
        Keys of the file for layer → list of correct (true) and wrong answers, and for layer → proportion correct.

    Returns
    -------
    dict
        Layer → proportion correct, 0..1.

    Raises
    ------
    ValueError
        When the file has any other content: names the file, the value found and the value wanted.
    OSError
        When the file cannot be read.
    """
    return read_isolated(lambda path: _judgement(path, layers, answers, average), path)


def _judgement(path: Path, layers: Iterable[str], answers: str, average: str) -> dict[str, float]:
    content = read_pickled(path, [answers, average])
    expected = {*layers, JUDGED_INPUT}
    proportions = {}
    for key in (answers, average):
        layers_in_file = (
            sorted(map(str, content[key])) if isinstance(content[key], dict) else type(content[key]).__name__
        )
        check_equal(path, f"layers of {key}", layers_in_file, sorted(expected))
    for layer, of_layer in content[answers].items():
        plain = isinstance(of_layer, list) and all(isinstance(answer, (bool, np.bool_)) for answer in of_layer)
        if not plain or not 1 <= len(of_layer) <= PUBLISHED_STIMULI:
            raise ValueError(f"{path}: {answers}: {layer}: wanted a list of 1 to {PUBLISHED_STIMULI} booleans")
        proportions[layer] = float(np.mean(of_layer))
        stated = content[average][layer]
        mean = proportions[layer]
        if not isinstance(stated, float) or not np.isclose(stated, mean):  # np.float64 is a float
            layers_in_file = stated if isinstance(stated, float) else abbreviated(stated)
            raise ValueError(
                f"{path}: {average}: {layer}: found {layers_in_file}, wanted {mean}, the mean of the answers"
            )
    return proportions


def stage_union(stages: Mapping[str, Sequence[str]]) -> tuple[list[str], xr.DataArray]:
    """Join the stages of several models, and number them within each model.

    Parameters
    ----------
    stages
        Generation model → its stages in processing order.

    Returns
    -------
    union
        Every stage once, in order of first appearance.
    stage_number
        (generation_model, stage): position in the model's processing order from 0, or -1 where the model has no such
        stage.
    """
    union = list(dict.fromkeys(stage for own in stages.values() for stage in own))
    numbers = [[own.index(stage) if stage in own else -1 for stage in union] for own in map(list, stages.values())]
    coords = {"generation_model": list(stages), "stage": union}
    return union, xr.DataArray(np.array(numbers, dtype="int16"), coords=coords, dims=list(coords))


def own_stages(dataset: xr.Dataset, generation_model: str) -> list[str]:
    """Return the stages of one model in processing order, out of a Dataset that joins the stages of several models."""
    number = dataset["stage_number"].sel(generation_model=generation_model).values
    return [str(dataset["stage"].values[index]) for index in np.argsort(number, kind="stable") if number[index] >= 0]


def experiment_dataset(entry: Mapping[str, Any], folder: str | Path) -> xr.Dataset:
    """Join the public files of one experiment.

    Parameters
    ----------
    entry
        ``participants`` and ``models``, as ``metamers.config.experiments.read_experiments`` returns them.
    folder
        Folder of the models' files.

    Returns
    -------
    xr.Dataset
        ``proportion_correct`` (participant, generation_model, stage, observer), NaN where a model has no such stage;
        ``stage_number`` (generation_model, stage); ``model_class`` (generation_model).

    Raises
    ------
    ValueError
        When a file fails its checks, or the files have different participants.
    """
    models = entry["models"].values()
    stages = {model["name"]: list(model["layers"].values()) for model in models}
    union, stage_number = stage_union(stages)
    shape = (entry["participants"], len(stages), len(union), len(OBSERVERS))
    values = np.full(shape, np.nan)
    participants: list[str] | None = None
    for number, model in enumerate(models):
        path = Path(folder) / model["file"]
        own, names = read_participants(path, list(model["layers"]), entry["participants"])
        check_equal(path, "participants", names, participants or names)
        participants = names
        values[:, number, [union.index(stage) for stage in stages[model["name"]]]] = own
    dims = ("participant", "generation_model", "stage", "observer")
    return xr.Dataset(
        {"proportion_correct": (dims, values), "stage_number": stage_number},
        coords={
            "participant": participants,
            "observer": list(OBSERVERS),
            "model_class": ("generation_model", [model["class"] for model in models]),
        },
    )


def judgements(entry: Mapping[str, Any], folder: str | Path) -> pd.DataFrame:
    """Read the answers of all recognition models of a modality to each other's metamers.

    Parameters
    ----------
    entry
        ``answers``, ``average`` and ``models``, as ``metamers.config.experiments.read_experiments`` returns them.
    folder
        Folder of the files.

    Returns
    -------
    pd.DataFrame
        One row per ``generation_model``, ``stage`` and ``recognition_model``, with ``proportion_correct``. Natural
        stimuli are not among the public answers.

    Raises
    ------
    ValueError
        When a file fails its checks.
    """
    models = entry["models"]
    stages = {
        name: {layer: stage for layer, stage in model["layers"].items() if stage != NATURAL}
        for name, model in models.items()
    }
    pairs = {Path(folder) / file: (name, by) for name, model in models.items() for by, file in model["files"].items()}

    def read(path: Path) -> dict[str, float]:
        return _judgement(path, stages[pairs[path][0]], entry["answers"], entry["average"])

    rows = []
    for (name, by), correct in zip(pairs.values(), read_all_isolated(read, list(pairs)), strict=True):
        stage_of = stages[name]
        rows += [(models[name]["name"], stage_of[layer], models[by]["name"], correct[layer]) for layer in stage_of]
    return pd.DataFrame(rows, columns=["generation_model", "stage", "recognition_model", "proportion_correct"])
