"""The leaderboard: models by how much of their metamers people recognize, over the whole depth of the model.

Published models stand by what people were measured to recognize, a run's own models by what they would be expected to:
where in the order a prediction falls is only as good as the prediction, so every published model is left out in turn
and predicted as if nobody had judged its metamers. Those of a run's own models that one's own people have judged stand
by these answers, too, and the predictions are set against them. Fitting and predicting are in ``metamers.predicted``.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from metamers.compare import ENDS
from metamers.humans import own_stages, pooled
from metamers.names import INPUT_STAGE, NATURAL
from metamers.predicted import calibration, left_out

PEOPLE, OWN_PEOPLE, PREDICTION = "people", "own people", "prediction"
OPPOSITE = {"": "", "_low": "_high", "_high": "_low"}  # the larger the area, the lower the rank
ENTRY_COLUMNS = ["entry_modality", "generation_model", "model_class", "basis", "area", "area_low", "area_high", "rank"]
ENTRY_COLUMNS += ["rank_low", "rank_high", "stages", "depth_first", "depth_last", "participants"]
ENTRY_COLUMNS += ["left_out_area", "left_out_error"]

Curve = pd.DataFrame


def depths(stages: Sequence[str], order: Sequence[str]) -> np.ndarray:
    """Relative depth of stages in their model: place / last place, from 0 at the first stage to 1 at the last.

    Natural stimuli and the input, which a metamer of it reproduces, are no stages here.

    Parameters
    ----------
    stages
        Of the model, any.
    order
        All stages of the model, in processing order.

    Raises
    ------
    ValueError
        When the model has fewer than two stages, so that there is no depth.
    """
    counted = [stage for stage in order if stage not in (NATURAL, INPUT_STAGE)]
    if len(counted) < 2:
        raise ValueError(f"depth needs two stages besides the input; found {', '.join(counted) or 'none'}")
    return np.array([counted.index(stage) for stage in stages]) / (len(counted) - 1)


def area_weights(depth: np.ndarray) -> np.ndarray:
    """Weights (stage,) whose product with a curve is the area under it, by trapezoids, over the width that it covers.

    So the area of a curve that is 1 everywhere is 1, however many stages a model has.

    Parameters
    ----------
    depth
        (stage,), increasing, two or more.
    """
    half = np.diff(depth) / 2
    weights = np.zeros(len(depth))
    weights[:-1] += half
    weights[1:] += half
    return weights / (depth[-1] - depth[0])


def measured_curves(groups: pd.DataFrame) -> dict[tuple[str, str, str], Curve]:
    """What people recognize of each published model's metamers, participants of all its experiments together.

    Parameters
    ----------
    groups
        What ``metamers.humans.group_results`` gives.

    Returns
    -------
    dict
        (modality, model, class) → one row per stage in processing order: ``stage``, ``depth``, ``mean``, ``sem``,
        ``n``, over participants.
    """
    curves = {}
    human = groups[groups["observer"] == "human"]
    for key, of_model in human.groupby(["modality", "generation_model", "model_class"], sort=False):
        order = list(dict.fromkeys(of_model["stage"]))
        stages = [stage for stage in order if stage not in (NATURAL, INPUT_STAGE)]
        rows = [pooled(of_model[of_model["stage"] == stage]) for stage in stages]
        curve = pd.DataFrame(rows, columns=["mean", "sem", "n"])
        curves[key] = curve.assign(stage=stages, depth=depths(stages, order))
    return curves


def area(curve: Curve, column: str) -> float:
    """Area under one column of a curve."""
    return float(area_weights(curve["depth"].to_numpy()) @ curve[column].to_numpy())


def areas_from_summary(curves: Sequence[Curve], number: int, seed: int) -> np.ndarray:
    """Areas (sample, model) as other participants might have given them, from means and standard errors alone.

    Means and standard errors do not tell how a participant's stages vary together. They are taken to move as one, the
    widest that an area's interval can be: the standard error is the area under the stages' standard errors.
    """
    rng = np.random.default_rng(seed)
    samples = np.empty((number, len(curves)))
    for index, curve in enumerate(curves):
        draws = rng.standard_t(curve["n"].min() - 1, number)
        samples[:, index] = area(curve, "mean") + area(curve, "sem") * draws
    return samples


def areas_from_participants(
    models: Sequence[str], curves: Sequence[Curve], experiments: Iterable[xr.Dataset], number: int, seed: int
) -> np.ndarray:
    """Areas (sample, model), participants of every experiment drawn with replacement, each with all their answers.

    Parameters
    ----------
    models, curves
        Names, and what ``measured_curves`` gives of them.
    experiments
        What ``metamers.humans.experiment_dataset`` gives, of the models' modality.
    number, seed
        Samples, and their seed.
    """
    rng = np.random.default_rng(seed)
    sums, counts = np.zeros((number, len(models))), np.zeros(len(models))
    for dataset in experiments:
        human = dataset["proportion_correct"].sel(observer="human")
        participants = human.sizes["participant"]
        drawn = rng.multinomial(participants, np.full(participants, 1 / participants), number)
        for index, (model, curve) in enumerate(zip(models, curves, strict=True)):
            if model in human["generation_model"].values:
                answers = human.sel(generation_model=model, stage=curve["stage"].to_list())
                answers = answers.transpose("participant", "stage").values
                sums[:, index] += drawn @ (answers @ area_weights(curve["depth"].to_numpy()))
                counts[index] += participants
    return sums / counts


def ranked(found: np.ndarray, samples: np.ndarray) -> pd.DataFrame:
    """Rank each model by its area, the largest first.

    Parameters
    ----------
    found
        Areas (model,).
    samples
        The same (sample, model).

    Returns
    -------
    pd.DataFrame
        (model) → ``area``, ``rank`` from 1, and 95% intervals of both (``_low``, ``_high``).
    """
    ranks = (-samples).argsort(axis=1).argsort(axis=1) + 1
    ends = {"area": np.quantile(samples, ENDS, axis=0), "rank": np.quantile(ranks, ENDS, axis=0, method="nearest")}
    table = pd.DataFrame({"area": found, "rank": (-found).argsort().argsort() + 1})
    for name, (low, high) in ends.items():
        table[f"{name}_low"], table[f"{name}_high"] = low, high
    return table.astype({f"rank{end}": int for end in ("", "_low", "_high")})


def _own_entry(
    model: str, entry: Mapping[str, Any], basis: str, curve: Curve, found: Mapping[str, float], measured: pd.DataFrame
) -> dict[str, Any]:
    """The entry of a run's model: its area and ends (``found``), with the ranks that they would have among the
    published models of its modality; of a curve without an area neither.
    """
    published = f", a version of {entry['published_as']}" if entry["published_as"] else ""
    row = {"entry_modality": entry["modality"], "generation_model": model, "model_class": f"this run{published}"}
    row |= {"basis": basis, "stages": len(curve)}
    if found:
        others = measured.loc[measured["entry_modality"] == entry["modality"], "area"]
        row |= {f"area{end}": value for end, value in found.items()}
        row |= {f"rank{end}": 1 + int((others > found[opposite]).sum()) for end, opposite in OPPOSITE.items()}
        row |= {"depth_first": curve["depth"].iloc[0], "depth_last": curve["depth"].iloc[-1]}
    return row


def judged_curve(people: Sequence[xr.Dataset], model: str, stages: Sequence[str], order: Sequence[str]) -> Curve:
    """What one's own people recognize of a model's metamers; each of them has met every stage that was shown.

    Parameters
    ----------
    people
        What ``metamers.people.people_dataset`` gives of those who were shown the model's metamers.
    model
        Whose metamers.
    stages
        Those that were shown, in processing order.
    order
        All stages of the model, in processing order.

    Returns
    -------
    pd.DataFrame
        One row per stage: ``stage``, ``depth``, ``mean``, ``sem``, ``n``, over
        participants.
    """
    human = [data["proportion_correct"].sel(observer="human", generation_model=model) for data in people]
    answers = [
        np.concatenate([data.sel(stage=stage).values for data in human if stage in data["stage"]]) for stage in stages
    ]
    curve = pd.DataFrame({"stage": stages, "depth": depths(stages, order)})
    sem = [float(values.std(ddof=1) / np.sqrt(len(values))) for values in answers]
    return curve.assign(mean=[float(values.mean()) for values in answers], sem=sem, n=list(map(len, answers)))


def judged_curves(
    people: Mapping[str, Sequence[xr.Dataset]], models: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[Curve, list[xr.Dataset]]]:
    """Run's model → ``judged_curve`` and the datasets that it is of, where one's own people have judged two stages.

    Parameters
    ----------
    people
        Modality → what ``metamers.people.people_dataset`` gives of its participants.
    models
        As ``predicted_entries`` takes them.
    """
    found = {}
    for model, entry in models.items():
        asked = [data for data in people.get(entry["modality"], []) if model in data["generation_model"].values]
        shown = {stage for data in asked for stage in own_stages(data, model)}
        stages = [stage for stage in entry["stages"] if stage in shown and stage != INPUT_STAGE]
        if len(stages) >= 2:
            found[model] = judged_curve(asked, model, stages, entry["stages"]), asked
    return found


def judged_entries(
    judged: Mapping[str, tuple[Curve, Sequence[xr.Dataset]]],
    models: Mapping[str, Mapping[str, Any]],
    measured: pd.DataFrame,
    number: int,
    seed: int,
) -> pd.DataFrame:
    """Where a run's own models stand by the answers of one's own people.

    Parameters
    ----------
    judged
        What ``judged_curves`` gives.
    models
        As ``predicted_entries`` takes them.
    measured
        Entries of published models: ``entry_modality``, ``area``.
    number, seed
        Samples of the intervals, and their seed.

    Returns
    -------
    pd.DataFrame
        Entries, with 95% bootstrap intervals over participants; the rank is the one among the published models.
    """
    rows = []
    for model, (curve, asked) in judged.items():
        samples = areas_from_participants([model], [curve], asked, number, seed)[:, 0]
        low, high = np.quantile(samples, ENDS)
        found = {"": area(curve, "mean"), "_low": low, "_high": high}
        row = _own_entry(model, models[model], OWN_PEOPLE, curve, found, measured)
        rows.append(row | {"participants": int(curve["n"].max())})
    return pd.DataFrame(rows)


def predictions_judged(
    judged: Mapping[str, tuple[Curve, Sequence[xr.Dataset]]],
    predicted: xr.Dataset,
    models: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """The predictions beside what one's own people made of the metamers.

    Parameters
    ----------
    judged
        What ``judged_curves`` gives.
    predicted, models
        As ``predicted_entries`` takes them.

    Returns
    -------
    pd.DataFrame
        One row per model and stage that has both: ``modality``, ``generation_model``, ``stage``, ``human`` and ``sem``
        over participants, ``predicted``, ``low``, ``high``.
    """
    rows = []
    for model, (curve, _) in judged.items():
        of_model = predicted.sel(generation_model=model)
        for point in curve.itertuples():
            if point.stage in of_model["stage"]:
                expected = {name: float(of_model[name].sel(stage=point.stage)) for name in ("predicted", "low", "high")}
                names = {"modality": models[model]["modality"], "generation_model": model, "stage": point.stage}
                rows.append({**names, "human": point.mean, "sem": point.sem, **expected})
    columns = ["modality", "generation_model", "stage", "human", "sem", "predicted", "low", "high"]
    return pd.DataFrame(rows, columns=columns).dropna(subset="predicted").reset_index(drop=True)


def predicted_entries(
    predicted: xr.Dataset, models: Mapping[str, Mapping[str, Any]], measured: pd.DataFrame
) -> pd.DataFrame:
    """Where a run's own models would stand, by what people would be expected to recognize of their metamers.

    Parameters
    ----------
    predicted
        What ``metamers.predicted.predicted_human`` gives.
    models
        Generation model → ``modality``, ``stages`` (all that the model has, in order), ``published_as`` or None.
    measured
        Entries of published models: ``entry_modality``, ``area``.

    Returns
    -------
    pd.DataFrame
        Entries. Ends of the area are the areas under the predictions' ends, as if all stages erred the same way; the
        rank is the one among the published models. A model with fewer than two judged stages has neither.
    """
    rows = []
    for model, entry in models.items():
        curve = predicted.sel(generation_model=model, stage=own_stages(predicted, model))
        curve = curve[["predicted", "low", "high"]].to_dataframe()[["predicted", "low", "high"]].dropna()
        curve = curve[curve.index != INPUT_STAGE]
        found = {}
        if len(curve) >= 2:
            curve = curve.assign(depth=depths(list(curve.index), entry["stages"]))
            found = {"": area(curve, "predicted"), "_low": area(curve, "low"), "_high": area(curve, "high")}
        rows.append(_own_entry(model, entry, PREDICTION, curve, found, measured))
    return pd.DataFrame(rows)


def leaderboard(
    groups: pd.DataFrame,
    relation: xr.Dataset,
    experiments: Mapping[str, Sequence[xr.Dataset]],
    predicted: xr.Dataset | None,
    models: Mapping[str, Mapping[str, Any]],
    people: Mapping[str, Sequence[xr.Dataset]],
    bootstrap: int,
    seed: int,
) -> xr.Dataset:
    """Rank published models by human recognizability and place a run's own models among them.

    Parameters
    ----------
    groups
        What ``metamers.humans.group_results`` gives.
    relation
        What ``metamers.compare.humans_vs_models`` gives.
    experiments
        Modality → what ``metamers.humans.experiment_dataset`` gives of its experiments; empty where a run has only the
        groups' means and standard errors.
    predicted, models
        As for ``predicted_entries``; None and empty for a run without models.
    people
        Modality → what ``metamers.people.people_dataset`` gives of one's own people; may be empty.
    bootstrap, seed
        Samples of the intervals, and their seed.

    Returns
    -------
    xr.Dataset
        (entry), by modality and area, a run's model twice where one's own people have judged its metamers: ``area``
        with its 95% interval (``_low``, ``_high``); ``rank`` among the published models of its modality, with interval;
        ``stages``, ``depth_first``, ``depth_last``: what the area is over; ``participants``; ``left_out_area``,
        ``left_out_error``: see ``metamers.predicted.calibration``; coordinates ``entry_modality``,
        ``generation_model``, ``model_class``, ``basis``. (left_out_point) → ``left_out_human``,
        ``left_out_predicted``, ``left_out_low``, ``left_out_high``.
        (modality) → ``left_out_r2`` (share of the variance of human means that left-out predictions explain),
        ``left_out_mean_error``, ``left_out_area_error`` (root mean square), ``left_out_coverage``,
        ``left_out_area_coverage`` (share of stages and of models within their interval), and ``noise_ceiling_r2`` with
        its ends; with a run's models ``run_stages`` (of which other models judged a metamer) and ``run_stages_outside``
        (of them without a prediction). With one's own people, (own_point) → ``own_human``, ``own_sem``,
        ``own_predicted``, ``own_low``, ``own_high``: see ``predictions_judged``. The attribute ``intervals`` says how
        people's were made.
    """
    curves = measured_curves(groups)
    points = left_out(relation)
    calibrated = calibration(points, curves, area)
    tables = []
    for modality in map(str, relation["modality"].values):
        own = {key: curve for key, curve in curves.items() if key[0] == modality}
        names, shown = [key[1] for key in own], list(own.values())
        samples = (
            areas_from_participants(names, shown, experiments[modality], bootstrap, seed)
            if experiments
            else areas_from_summary(shown, bootstrap, seed)
        )
        table = ranked(np.array([area(curve, "mean") for curve in shown]), samples)
        table = table.assign(
            entry_modality=modality,
            generation_model=names,
            model_class=[key[2] for key in own],
            basis=PEOPLE,
            stages=list(map(len, shown)),
            depth_first=0.0,
            depth_last=1.0,
            participants=[int(curve["n"].max()) for curve in shown],
        )
        found = calibrated[calibrated["modality"] == modality]
        tables.append(table.merge(found[["generation_model", "left_out_area", "left_out_error"]], "left"))
    entries = pd.concat(tables, ignore_index=True)
    judged = judged_curves(people, models)
    if predicted is not None:
        of_run = [judged_entries(judged, models, entries, bootstrap, seed)]
        of_run.append(predicted_entries(predicted, models, entries))
        entries = pd.concat([entries, *of_run], ignore_index=True)
    entries = pd.concat(
        [
            of_modality.sort_values("area", ascending=False, kind="stable")
            for _, of_modality in entries.reindex(columns=ENTRY_COLUMNS).groupby("entry_modality", sort=False)
        ]
    )
    board = _dataset(entries, points, calibrated, relation)
    if predicted is not None:
        board = board.assign(_run_stages(predicted, models, board["modality"].values))
    if judged:
        board = board.merge(_own_points(predictions_judged(judged, predicted, models)))
    return board.assign_attrs(
        intervals="bootstrap over participants"
        if experiments
        else "from means and standard errors of the stages, taken to move together: the widest that they can be"
    )


def _dataset(entries: pd.DataFrame, points: pd.DataFrame, calibrated: pd.DataFrame, relation: xr.Dataset) -> xr.Dataset:
    """Entries, left-out points and figures of each modality as one Dataset."""
    text = {"entry_modality", "generation_model", "model_class", "basis"}
    columns = {name: ("entry", entries[name].to_numpy(str if name in text else float)) for name in ENTRY_COLUMNS}
    of_points = {
        "left_out_modality": "modality",
        "left_out_model": "generation_model",
        "left_out_stage": "stage",
        "left_out_human": "human",
        "left_out_predicted": "predicted",
        "left_out_low": "low",
        "left_out_high": "high",
    }
    for name, column in of_points.items():
        numeric = pd.api.types.is_numeric_dtype(points[column])
        columns[name] = ("left_out_point", points[column].to_numpy(float if numeric else str))
    figures = []
    for modality in relation["modality"].values:
        own, models = points[points["modality"] == modality], calibrated[calibrated["modality"] == modality]
        error, area_error = own["predicted"] - own["human"], models["left_out_area"] - models["area"]
        figures.append(
            {
                "left_out_r2": 1 - (error**2).sum() / ((own["human"] - own["human"].mean()) ** 2).sum(),
                "left_out_mean_error": error.abs().mean(),
                "left_out_area_error": np.sqrt((area_error**2).mean()),
                "left_out_coverage": own["human"].between(own["low"], own["high"]).mean(),
                "left_out_area_coverage": models["area"].between(models["low"], models["high"]).mean(),
            }
        )
    columns |= {name: ("modality", np.array([row[name] for row in figures])) for name in figures[0]}
    ceilings = [f"noise_ceiling_r2{end}" for end in ("", "_low", "_high")]
    coords = ["entry_modality", "generation_model", "model_class", "basis"]
    coords += ["left_out_modality", "left_out_model", "left_out_stage"]
    dataset = xr.Dataset(columns, coords={"modality": relation["modality"].values}).set_coords(coords)
    return dataset.assign({name: ("modality", relation[name].values) for name in ceilings})


def _run_stages(
    predicted: xr.Dataset, models: Mapping[str, Mapping[str, Any]], modalities: Iterable[str]
) -> dict[str, tuple[str, list[int]]]:
    """How many stages of a run's models other models judged, and how many lie outside the published range."""
    named = [[name for name, entry in models.items() if entry["modality"] == modality] for modality in modalities]
    outside = [int(predicted["outside_published_range"].sel(generation_model=names).sum()) for names in named]
    told = [int(predicted["predicted"].sel(generation_model=names).notnull().sum()) for names in named]
    stages = [beyond + within for beyond, within in zip(outside, told, strict=True)]
    return {"run_stages": ("modality", stages), "run_stages_outside": ("modality", outside)}


def _own_points(points: pd.DataFrame) -> xr.Dataset:
    """What ``predictions_judged`` gives, as a Dataset."""
    names = {"own_modality": "modality", "own_model": "generation_model", "own_stage": "stage"}
    values = {
        f"own_{name}": ("own_point", points[name].to_numpy(float)) for name in points if name not in names.values()
    }
    coords = {name: ("own_point", points[column].to_numpy(str)) for name, column in names.items()}
    return xr.Dataset(values, coords=coords)
