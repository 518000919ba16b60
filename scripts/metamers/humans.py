"""The published human experiments: read their public files, check them, and summarize participants by group.

Reads MATLAB files of participants' answers and pickles of models' answers, trusting neither. Which file holds what is
in the registry of experiments; what humans and models have in common is for ``metamers.compare``.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers.files import replace_whole
from metamers.matlab import LARGEST, read_matlab
from metamers.names import INPUT_STAGE, NATURAL
from metamers.pickles import read_pickle, short

OBSERVERS = ("human", "model")
OTHER_MODELS = "other_models"
COLUMNS = ["experiment", "modality", "generation_model", "model_class", "stage", "observer", "mean", "sem", "n"]
CEILING_COLUMNS = ["modality", "noise_ceiling_r2", "low", "high", "participants_low", "participants_high"]

# What every public .mat file holds besides its layers and participants.
MAT_VARIABLES = {"participant_data_matrix", "model_layers", "participants", "conditions", "axis_order"}
MAT_CONDITIONS = ["Human", "Network"]
MAT_AXES = ["participants", "model_layers", "conditions"]

# The judges' pickles also tell what they made of the model's input, which no visual experiment asked people about.
JUDGED_INPUT = "input_after_preproc"
PUBLISHED_STIMULI = 400  # stimuli of each layer; those without an accepted metamer are missing

# Stages that the published comparison of humans and models leaves out.
LEFT_OUT = {"vision": {NATURAL, INPUT_STAGE}, "audio": {NATURAL}}

DECIMALS = 10  # of a point: far below one answer, far above rounding of floating-point sums
SPLITS = 1000  # random halves of the participants for the noise ceiling
SPLIT_SEED = 0  # the ceiling belongs to the published data, so it is the same in every run
QUANTILE = 0.975  # of the ends of a 95% interval


def _texts(values: np.ndarray) -> list[str]:
    return [str(value).strip() for value in np.ravel(values)]


def _same(path: Path, what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise ValueError(f"{path}: {what}: found {found}, wanted {wanted}")


def read_participants(path: str | Path, layers: Sequence[str], participants: int) -> tuple[np.ndarray, list[str]]:
    """Read the answers about one model's metamers in one experiment.

    Parameters
    ----------
    path
        A public ``.mat`` file (MATLAB 5).
    layers
        The layers that it must have, in order.
    participants
        How many participants it must have.

    Returns
    -------
    proportion_correct
        (participant, layer, observer), 0..1; observers are human and model.
    names
        The participants' names, each once.

    Raises
    ------
    ValueError
        When the file is anything else: names the file, what was found and what was wanted.
    OSError
        When there is no such file.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            content = read_matlab(stream.read(LARGEST + 1))
    except ValueError as error:
        raise ValueError(f"{path}: not a MATLAB 5 file that can be read: {error}") from error
    _same(path, "variables", sorted(content), sorted(MAT_VARIABLES))
    _same(path, "axis_order", _texts(content["axis_order"]), MAT_AXES)
    _same(path, "conditions", _texts(content["conditions"]), MAT_CONDITIONS)
    _same(path, "model_layers", _texts(content["model_layers"]), list(layers))
    names = _texts(content["participants"])
    _same(path, "number of participants", len(names), participants)
    _same(path, "number of different participants", len(set(names)), participants)
    values = content["participant_data_matrix"]
    _same(path, "shape of participant_data_matrix", values.shape, (participants, len(layers), len(OBSERVERS)))
    if values.dtype.kind != "f":
        raise ValueError(f"{path}: participant_data_matrix: found type {values.dtype}, wanted real numbers")
    if not ((values >= 0) & (values <= 1)).all():  # also false for NaN
        raise ValueError(
            f"{path}: participant_data_matrix: found values from {values.min()} to {values.max()}, wanted proportions "
            "from 0 to 1"
        )
    return values, names


def read_pickled(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """The dictionary in a public pickle.

    Raises
    ------
    ValueError
        When the file is no pickle that may be read, or not a dictionary with ``keys``: names the file.
    OSError
        When there is no such file.
    """
    with path.open("rb") as stream:
        try:
            content = read_pickle(stream)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not content.keys() >= set(keys):
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path}: found {found}, wanted a dictionary with {' and '.join(keys)}")
    return content


def read_judgement(path: str | Path, layers: Iterable[str], answers: str, average: str) -> dict[str, float]:
    """Read what one model made of another model's metamers.

    Parameters
    ----------
    path
        A public pickle.
    layers
        The layers that it must have, besides the input.
    answers, average
        Its keys for layer → list of right and wrong answers, and layer → proportion correct.

    Returns
    -------
    dict
        Layer → proportion correct, 0..1.

    Raises
    ------
    ValueError
        When the file is anything else: names the file, what was found and what was wanted.
    OSError
        When there is no such file.
    """
    path = Path(path)
    content = read_pickled(path, [answers, average])
    wanted = {*layers, JUDGED_INPUT}
    proportions = {}
    for key in (answers, average):
        found = sorted(map(str, content[key])) if isinstance(content[key], dict) else type(content[key]).__name__
        _same(path, f"layers of {key}", found, sorted(wanted))
    for layer, given in content[answers].items():
        plain = isinstance(given, list) and all(isinstance(answer, bool | np.bool_) for answer in given)
        if not plain or not 1 <= len(given) <= PUBLISHED_STIMULI:
            raise ValueError(f"{path}: {answers}: {layer}: wanted a list of 1 to {PUBLISHED_STIMULI} booleans")
        proportions[layer] = float(np.mean(given))
        stated = content[average][layer]
        mean = proportions[layer]
        if not isinstance(stated, float) or not np.isclose(stated, mean):  # np.float64 is a float
            found = stated if isinstance(stated, float) else short(stated)
            raise ValueError(f"{path}: {average}: {layer}: found {found}, wanted {mean}, the mean of the answers")
    return proportions


def stage_union(stages: Mapping[str, Sequence[str]]) -> tuple[list[str], xr.DataArray]:
    """All stages of several models, and the place that each has in each model.

    Parameters
    ----------
    stages
        Generation model → its stages in processing order.

    Returns
    -------
    union
        Every stage once, in order of first appearance.
    stage_number
        (generation_model, stage): place in the model's order from 0, or -1 where the model has no such stage.
    """
    union = list(dict.fromkeys(stage for own in stages.values() for stage in own))
    numbers = [[own.index(stage) if stage in own else -1 for stage in union] for own in map(list, stages.values())]
    coords = {"generation_model": list(stages), "stage": union}
    return union, xr.DataArray(np.array(numbers, dtype="int16"), coords=coords, dims=list(coords))


def own_stages(dataset: xr.Dataset, generation_model: str) -> list[str]:
    """The stages of one model in processing order, out of a file that holds the stages of several."""
    number = dataset["stage_number"].sel(generation_model=generation_model).values
    return [str(dataset["stage"].values[index]) for index in np.argsort(number, kind="stable") if number[index] >= 0]


def experiment_dataset(entry: Mapping[str, Any], folder: str | Path) -> xr.Dataset:
    """Put the public files of one experiment together.

    Parameters
    ----------
    entry
        ``participants`` and ``models``, as ``metamers.config_humans.read_experiments`` gives them.
    folder
        Where the models' files lie.

    Returns
    -------
    xr.Dataset
        ``proportion_correct`` (participant, generation_model, stage, observer), NaN where a model has no such stage;
        ``stage_number`` (generation_model, stage); ``model_class`` (generation_model).

    Raises
    ------
    ValueError
        When a file is not what it should be, or the files are not about the same participants.
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
        _same(path, "participants", names, participants or names)
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
    """What all judges of a modality made of each other's metamers.

    Parameters
    ----------
    entry
        ``answers``, ``average`` and ``models``, as ``metamers.config_humans.read_experiments`` gives them.
    folder
        Where the judges' files lie.

    Returns
    -------
    pd.DataFrame
        One row per ``generation_model``, ``stage`` and ``recognition_model``, with ``proportion_correct``. Natural
        stimuli are not among the public answers.

    Raises
    ------
    ValueError
        When a file is not what it should be.
    """
    models = entry["models"]
    rows = []
    for model in models.values():
        stages = {layer: stage for layer, stage in model["layers"].items() if stage != NATURAL}
        for judge, file in model["files"].items():
            correct = read_judgement(Path(folder) / file, stages, entry["answers"], entry["average"])
            rows += [(model["name"], stages[layer], models[judge]["name"], correct[layer]) for layer in stages]
    return pd.DataFrame(rows, columns=["generation_model", "stage", "recognition_model", "proportion_correct"])


def _mean_sem(values: np.ndarray) -> tuple[float, float, int]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values)


def group_results(
    experiments: Mapping[str, xr.Dataset], modalities: Mapping[str, str], judged: Mapping[str, pd.DataFrame]
) -> pd.DataFrame:
    """Summarize participants by group: the small table that stands for the participant-level data.

    Parameters
    ----------
    experiments
        Experiment → what ``experiment_dataset`` gives.
    modalities
        Experiment → ``vision`` or ``audio``.
    judged
        Modality → what ``judgements`` gives.

    Returns
    -------
    pd.DataFrame
        ``COLUMNS``: one row per experiment, model, stage (in processing order) and observer. ``mean``, ``sem`` and
        ``n`` are over participants for observers ``human`` and ``model``, and over judges for ``other_models``: all
        judges but the model itself, where the model was judged.
    """
    others = {}
    for modality, table in judged.items():
        foreign = table[table["generation_model"] != table["recognition_model"]]
        for (model, stage), rows in foreign.groupby(["generation_model", "stage"], sort=False):
            others[modality, model, stage] = _mean_sem(rows["proportion_correct"].to_numpy())
    rows = []
    for experiment, dataset in experiments.items():
        modality = modalities[experiment]
        for model in map(str, dataset["generation_model"].values):
            of_model = dataset.sel(generation_model=model)
            for stage in own_stages(dataset, model):
                values = of_model["proportion_correct"].sel(stage=stage)
                summaries = {observer: _mean_sem(values.sel(observer=observer).values) for observer in OBSERVERS}
                if (modality, model, stage) in others:
                    summaries[OTHER_MODELS] = others[modality, model, stage]
                key = (experiment, modality, model, str(of_model["model_class"].values), stage)
                rows += [(*key, observer, *summary) for observer, summary in summaries.items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def write_results(table: pd.DataFrame, path: str | Path) -> None:
    """Write a small table as CSV, numbers to 12 digits, so that the same data give the same bytes everywhere."""
    replace_whole(path, lambda partial: table.to_csv(partial, index=False, float_format="%.12g", lineterminator="\n"))


def read_results(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table that ``write_results`` wrote.

    Raises
    ------
    ValueError
        When it has other columns.
    """
    table = pd.read_csv(path, keep_default_na=False)
    _same(Path(path), "columns", list(table), list(columns))
    return table


def pooled(human: pd.DataFrame) -> tuple[float, float, int]:
    """Mean, SEM and number of the participants of several experiments together, exactly from those of each.

    Parameters
    ----------
    human
        Columns ``mean``, ``sem`` and ``n``, a row for each experiment.
    """
    n = human["n"].sum()
    mean = (human["n"] * human["mean"]).sum() / n
    squares = ((human["n"] - 1) * human["n"] * human["sem"] ** 2 + human["n"] * (human["mean"] - mean) ** 2).sum()
    return mean, np.sqrt(squares / (n - 1) / n), n


def pooled_points(groups: pd.DataFrame) -> pd.DataFrame:
    """One point per published model and stage: what people and other models make of its metamers.

    Participants of a model that is in several experiments are pooled: their mean and SEM follow exactly from those of
    the experiments. Natural stimuli are left out, because other models' answers to them are not public, and so is
    the input stage in vision, about which people were not asked. Models that no other model judged have no point.

    Parameters
    ----------
    groups
        What ``group_results`` gives.

    Returns
    -------
    pd.DataFrame
        ``modality``, ``generation_model``, ``model_class``, ``stage``; ``human_mean``, ``human_sem``, ``human_n`` over
        participants; ``model_mean``, ``model_sem``, ``model_n`` over judges. In order of first appearance.
    """
    rows = []
    keys = ["modality", "generation_model", "model_class", "stage"]
    for key, of_point in groups.groupby(keys, sort=False):
        human = of_point[of_point["observer"] == "human"]
        others = of_point[of_point["observer"] == OTHER_MODELS]
        if key[-1] in LEFT_OUT[key[0]] or others.empty:
            continue
        same = others.iloc[0]  # the judges are the same for every experiment
        rows.append((*key, *pooled(human), same["mean"], same["sem"], same["n"]))
    values = [f"{observer}_{what}" for observer in OBSERVERS for what in ("mean", "sem", "n")]
    # Equal proportions must tie in rank correlations, however their sums were rounded.
    return pd.DataFrame(rows, columns=keys + values).round(DECIMALS)


def _answers(
    experiments: Sequence[xr.Dataset], points: Sequence[tuple[str, str]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each experiment people's answers (participant, point), 0 at points that it does not have, and which it has."""
    found = []
    for dataset in experiments:
        human = dataset["proportion_correct"].sel(observer="human")
        models = set(map(str, human["generation_model"].values))
        asked = np.array([model in models for model, _ in points])
        values = np.zeros((human.sizes["participant"], len(points)))
        for index in np.flatnonzero(asked):
            model, stage = points[index]
            values[:, index] = human.sel(generation_model=model, stage=stage)
        found.append((values, asked))
    return found


def noise_ceiling(
    experiments: Sequence[xr.Dataset], points: Sequence[tuple[str, str]], splits: int = SPLITS, seed: int = SPLIT_SEED
) -> tuple[float, float, float]:
    """Split-half reliability of the human means: the R² that a perfect predictor of people would reach.

    Participants of every experiment are split into random halves, a participant with all their answers (an
    experiment's files name the same participants, who are taken to be the same people). Each half is pooled over
    experiments and averaged at every point; r between the two halves' averages, corrected for half the number of
    participants by Spearman and Brown's 2 r / (1 + r), is the reliability of the averages over all participants.
    Under classical test theory noise-free predictions correlate with them by its square root, so that the reliability
    itself is the ceiling of R².

    Parameters
    ----------
    experiments
        What ``experiment_dataset`` gives, all of one modality.
    points
        (generation model, stage) of every point.
    splits
        Number of random splits.
    seed
        Of the splits.

    Returns
    -------
    ceiling, low, high
        Mean and 95% range over the splits: how much the ceiling depends on who falls into which half. How much it
        depends on who the participants are is for ``noise_ceiling_interval``.
    """
    rng = np.random.default_rng(seed)
    sums = np.zeros((2, splits, len(points)))
    counts = np.zeros((2, 1, len(points)))
    for values, asked in _answers(experiments, points):
        participants = len(values)
        first = rng.permuted(np.tile(np.arange(participants), (splits, 1)), axis=1) < participants // 2
        for half, members in enumerate((first, ~first)):
            sums[half] += members.astype(float) @ values
            counts[half] += members[0].sum() * asked
    halves = sums / counts
    halves -= halves.mean(axis=2, keepdims=True)
    r = (halves[0] * halves[1]).sum(axis=1) / np.sqrt((halves**2).sum(axis=2).prod(axis=0))
    reliability = 2 * r / (1 + r)
    low, high = np.quantile(reliability, [0.025, 0.975])
    return float(reliability.mean()), float(low), float(high)


def reliability(answers: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Reliability of the human means from the variance between participants, without splitting them.

    What ``noise_ceiling`` tends to with more splits: 1 less the sampling variance of the means of the points, over the
    variance of these means; of both what all points have in common is left out.

    Parameters
    ----------
    answers
        Of each experiment: answers (participant, point), and at which points it has any, (point,).
    """
    counts = sum(len(values) * asked for values, asked in answers)
    means, error = np.zeros(len(counts)), 0.0
    for values, _ in answers:
        shares = values / counts
        means += shares.sum(axis=0)
        differences = shares - shares.mean(axis=0)
        differences -= differences.mean(axis=1, keepdims=True)
        error += len(values) / (len(values) - 1) * (differences**2).sum()
    return float(1 - error / ((means - means.mean()) ** 2).sum())


def reliability_interval(answers: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """95% interval of ``reliability`` over participants.

    Each participant is left out in turn, with all their answers (jackknife). With u the logarithm of 1 - reliability,
    its variance is the sum over experiments of (n - 1)/n Σ (u_i - mean u)², and the ends are u ± t s with Student's t
    of as many degrees of freedom as there are participants less experiments. (Of participants drawn with replacement
    some are in the data twice and agree with themselves: that interval is too high and too narrow.)

    Parameters
    ----------
    answers
        As ``reliability`` takes them.

    Returns
    -------
    low, high
        From 0 to 1; NaN where an experiment has fewer than three participants, or where participants do not differ.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 11; on the logarithm, Feldt (1965),
    Psychometrika 30, 357-370.
    """
    from scipy.special import stdtrit  # here, since most who import this module do no such statistics

    numbers = [len(values) for values, _ in answers]
    if not numbers or min(numbers) < 3:
        return np.nan, np.nan
    variance = 0.0
    for place, (values, asked) in enumerate(answers):
        others = [*answers[:place], *answers[place + 1 :]]
        left = np.array([1 - reliability([*others, (np.delete(values, i, axis=0), asked)]) for i in range(len(values))])
        if not (left > np.finfo(float).eps).all():
            return np.nan, np.nan
        variance += (len(values) - 1) * np.log(left).var()
    half = stdtrit(sum(numbers) - len(numbers), QUANTILE) * np.sqrt(variance)
    noise = 1 - reliability(answers)
    return float(max(1 - noise * np.exp(half), 0)), float(1 - noise * np.exp(-half))


def noise_ceiling_interval(experiments: Sequence[xr.Dataset], points: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """95% interval of the noise ceiling over participants: see ``reliability_interval``.

    Parameters
    ----------
    experiments, points
        As ``noise_ceiling`` takes them.
    """
    return reliability_interval([one for one in _answers(experiments, points) if one[1].any()])
