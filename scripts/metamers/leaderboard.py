"""The leaderboard: models by how much of their metamers people recognize, over the whole depth of the model.

Published models stand by what people were measured to recognize, a run's own models by what they would be expected to:
where in the order a prediction falls is only as good as the prediction, so every published model is left out in turn
and predicted as if nobody had judged its metamers. Those of a run's own models that one's own people have judged stand
by these answers, too, and the predictions are set against them. Fitting and predicting are in ``metamers.predicted``.

Models are ranked by their normalized area (``metamers.normalized_area``), over a depth that does not depend on which
stages were listed (``metamers.depth``). The area of earlier versions, over a stage's place among those listed, is kept
beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr

from metamers.compare import ENDS
from metamers.depth import depths_in
from metamers.humans import own_stages, pooled
from metamers.names import INPUT_STAGE, NATURAL
from metamers.normalized_area import AreaRule, area_of, area_rule, normalized, one_left_out
from metamers.predicted import GUESSING, calibration, left_out
from metamers.proportions import Z

PEOPLE, OWN_PEOPLE, PREDICTION = "people", "own people", "prediction"
OPPOSITE = {"": "", "_low": "_high", "_high": "_low"}  # the larger the area, the lower the rank
ENTRY_COLUMNS = ["entry_modality", "generation_model", "model_class", "basis", "area", "area_low", "area_high", "rank"]
ENTRY_COLUMNS += ["rank_low", "rank_high", "stages", "depth_first", "depth_last", "participants"]
ENTRY_COLUMNS += ["normalized_area", "normalized_area_low", "normalized_area_high", "missing_depth"]
ENTRY_COLUMNS += ["natural_correct", "guessing"]
ENTRY_COLUMNS += ["rank_one_out_low", "rank_one_out_high"]
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


class Normalized(NamedTuple):
    """A model's curve on the scale that models share.

    Attributes
    ----------
    depth, values
        (stage,): see ``area_rule``; all stages of the model but natural stimuli and the input.
    listed
        (stage,): see ``area_rule``.
    family
        The values of each published model with the same stages.
    natural, chance
        Proportions correct that are 1 and 0 of the values.
    """

    depth: np.ndarray
    values: np.ndarray
    listed: np.ndarray
    family: Sequence[np.ndarray]
    natural: float
    chance: float

    @property
    def rule(self) -> AreaRule | None:
        """How the area follows from values of these stages."""
        return area_rule(self.depth, self.values, self.listed, self.family)

    def areas_one_out(self) -> np.ndarray:
        """What ``one_left_out`` gives."""
        return one_left_out(self.depth, self.values, self.listed, self.family)


def natural_results(groups: pd.DataFrame) -> dict[tuple[str, str, str], tuple[float, float, int]]:
    """(modality, model, class) → mean, SEM and number of participants: what people recognize of natural stimuli."""
    natural = groups[(groups["observer"] == "human") & (groups["stage"] == NATURAL)]
    return {
        key: pooled(rows) for key, rows in natural.groupby(["modality", "generation_model", "model_class"], sort=False)
    }


def published_natural(groups: pd.DataFrame) -> dict[str, float]:
    """Modality → proportion of natural stimuli that people recognize, the mean over published models' participants."""
    natural = groups[(groups["observer"] == "human") & (groups["stage"] == NATURAL)]
    return {str(modality): pooled(rows)[0] for modality, rows in natural.groupby("modality", sort=False)}


def normalized_curves(
    curves: Mapping[tuple[str, str, str], Curve],
    natural: Mapping[tuple[str, str, str], tuple[float, float, int]],
    depths: Mapping[tuple[str, str], Mapping[str, float]],
) -> dict[tuple[str, str, str], Normalized]:
    """The published models' curves on the shared scale.

    Parameters
    ----------
    curves, natural
        What ``measured_curves`` and ``natural_results`` give.
    depths
        (modality, model) → stage → depth.
    """
    values = {
        key: normalized(curve["mean"].to_numpy(), natural[key][0], GUESSING[key[0]]) for key, curve in curves.items()
    }

    def alike(key: tuple[str, str, str]) -> list[np.ndarray]:
        return [
            values[other]
            for other in curves
            if other != key and other[0] == key[0] and curves[other]["stage"].equals(curves[key]["stage"])
        ]

    return {
        key: Normalized(
            depth=depths_in(depths.get(key[:2], {}), curve["stage"].to_list()),
            values=values[key],
            listed=np.ones(len(curve), bool),
            family=alike(key),
            natural=natural[key][0],
            chance=GUESSING[key[0]],
        )
        for key, curve in curves.items()
    }


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


def drawn_means(
    models: Sequence[str],
    stages: Sequence[Sequence[str]],
    experiments: Iterable[xr.Dataset],
    number: int,
    seed: int,
) -> list[np.ndarray]:
    """Means over participants of every experiment drawn with replacement, each with all their answers.

    Parameters
    ----------
    models, stages
        Names, and the stages wanted of each.
    experiments
        What ``metamers.humans.experiment_dataset`` gives, of the models' modality.
    number, seed
        Samples, and their seed.

    Returns
    -------
    list of np.ndarray
        (sample, stage) of each model.
    """
    rng = np.random.default_rng(seed)
    sums = [np.zeros((number, len(own))) for own in stages]
    counts = np.zeros(len(models))
    for dataset in experiments:
        human = (
            dataset["proportion_correct"].sel(observer="human").transpose("participant", "generation_model", "stage")
        )
        answers, place = human.values, human.get_index("stage")
        participants = human.sizes["participant"]
        drawn = rng.multinomial(participants, np.full(participants, 1 / participants), number)
        for index, (model, own) in enumerate(zip(models, stages, strict=True)):
            if model in human["generation_model"].values:
                of_model = answers[:, human.get_index("generation_model").get_loc(model)]
                sums[index] += drawn @ of_model[:, [place.get_loc(stage) for stage in own]]
                counts[index] += participants
    return [total / count for total, count in zip(sums, counts, strict=True)]


def areas_from_participants(
    models: Sequence[str], curves: Sequence[Curve], experiments: Iterable[xr.Dataset], number: int, seed: int
) -> np.ndarray:
    """Areas (sample, model), participants of every experiment drawn with replacement, each with all their answers.

    Parameters
    ----------
    models, curves
        Names, and what ``measured_curves`` gives of them.
    experiments, number, seed
        As ``drawn_means`` takes them.
    """
    means = drawn_means(models, [curve["stage"].to_list() for curve in curves], experiments, number, seed)
    areas = [own @ area_weights(curve["depth"].to_numpy()) for own, curve in zip(means, curves, strict=True)]
    return np.stack(areas, axis=1)


def normalized_areas_from_participants(
    models: Sequence[str],
    curves: Sequence[Curve],
    scaled: Sequence[Normalized],
    experiments: Iterable[xr.Dataset],
    number: int,
    seed: int,
) -> np.ndarray:
    """Normalized areas (sample, model) of participants drawn with replacement, natural stimuli included.

    Samples are corrected as ``corrected`` says.

    Parameters
    ----------
    models, curves
        Names, and what ``measured_curves`` gives of them.
    scaled
        The same curves on the shared scale, all of whose stages were judged.
    experiments, number, seed
        As ``drawn_means`` takes them.
    """
    stages = [[NATURAL, *curve["stage"]] for curve in curves]
    areas = []
    for means, own in zip(drawn_means(models, stages, experiments, number, seed), scaled, strict=True):
        areas.append(_areas(own, normalized(means[:, 1:], means[:, :1], own.chance)))
    wider = [few_participants(int(curve["n"].max())) for curve in curves]
    return np.stack([corrected(*one) for one in zip(map(_found, scaled), areas, wider, strict=True)], axis=1)


def few_participants(n: int) -> float:
    """By how much a percentile interval of resampled participants is too narrow.

    Resampling n participants gives too small a variance, by (n - 1) / n, and the normal quantile in place of that of
    Student's t with n - 1 degrees of freedom.

    References
    ----------
    Hesterberg (2015), The American Statistician 69, 371-386.
    """
    return float(scipy.stats.t.ppf(ENDS[1], n - 1) / Z * np.sqrt(n / (n - 1)))


def widened(samples: np.ndarray, wider: float | np.ndarray) -> np.ndarray:
    """Samples (sample, …) whose distances from their mean are multiplied by a number."""
    mean = samples.mean(axis=0)
    return mean + wider * (samples - mean)


def corrected(found: float, samples: np.ndarray, wider: float) -> np.ndarray:
    """Bootstrap samples (sample,) of a normalized area, without its bias.

    Cutting off at 1 lowers the area of noisy means: the samples' mean lies below the area by as much as, about, the
    area lies below the truth, so the samples are moved to as much above it.

    Parameters
    ----------
    found
        The area.
    samples
        The same of other participants; one whose participants do not recognize natural stimuli above guessing is NaN,
        and counts as 0.
    wider
        What the samples' distances from their mean are multiplied by.

    Returns
    -------
    np.ndarray
        (sample,), between 0 and 1.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 10.
    """
    samples = np.nan_to_num(samples, nan=0)
    return np.clip(2 * (found - samples.mean()) + widened(samples, wider), 0, 1)


def normalized_areas_from_summary(
    curves: Sequence[Curve],
    scaled: Sequence[Normalized],
    natural: Sequence[tuple[float, float, int]],
    number: int,
    seed: int,
) -> np.ndarray:
    """Normalized areas (sample, model) from means and standard errors alone.

    Stages move as one, as in ``areas_from_summary``; natural stimuli by themselves, each by Student's t.
    """
    rng = np.random.default_rng(seed)
    areas = []
    for curve, own, (mean, sem, n) in zip(curves, scaled, natural, strict=True):
        draws = rng.standard_t(curve["n"].min() - 1, (number, 1)), rng.standard_t(n - 1, (number, 1))
        stages = curve["mean"].to_numpy() + curve["sem"].to_numpy() * draws[0]
        samples = _areas(own, normalized(stages, mean + sem * draws[1], own.chance))
        areas.append(corrected(_found(own), samples, 1))
    return np.stack(areas, axis=1)


def _areas(own: Normalized, values: np.ndarray) -> np.ndarray:
    """Normalized areas (sample,) of values (sample, stage); NaN where the model has none."""
    rule = own.rule
    return np.full(len(values), np.nan) if rule is None else area_of(rule.low, values)


def _found(own: Normalized) -> float:
    """The normalized area of a model; NaN where it has none."""
    return float(_areas(own, own.values[None])[0])


def rank_among(areas: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Ranks (…) that areas (…) would have among others (model,): one more than how many of them are larger."""
    return 1 + (np.asarray(others) > np.asarray(areas)[..., None]).sum(axis=-1)


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


def own_scale(
    entry: Mapping[str, Any],
    values: Mapping[str, float],
    listed: Sequence[str],
    scale: tuple[float, float],
    published: Mapping[tuple[str, str, str], Normalized],
) -> Normalized:
    """The curve of a run's model on the shared scale.

    Parameters
    ----------
    entry
        Of ``models``, as ``predicted_entries`` takes it.
    values
        Stage → proportion correct, where there is one.
    listed
        Stages for which there should be one.
    scale
        Proportions correct of natural stimuli, and of guessing.
    published
        What ``normalized_curves`` gives: the models of the family of ``published_as`` lend the shape between stages,
        where the model has the same number of stages at the same depths.
    """
    stages = [stage for stage in entry["stages"] if stage in entry["depths"] or stage in listed]
    depth = depths_in(entry["depths"], stages)
    own = [one for key, one in published.items() if key[:2] == (entry["modality"], entry["published_as"])]
    same = [one for one in own if len(one.depth) == len(depth) and np.allclose(one.depth, depth)]
    natural, chance = scale
    return Normalized(
        depth=depth,
        values=normalized(np.array([values.get(stage, np.nan) for stage in stages]), natural, chance),
        listed=np.isin(stages, list(listed)),
        family=[one.values for one in same] + [values for one in same for values in one.family],
        natural=natural,
        chance=chance,
    )


def _own_entry(
    model: str,
    entry: Mapping[str, Any],
    basis: str,
    curve: Curve,
    found: Mapping[str, float],
    own: Normalized,
    scaled: Mapping[str, float],
    measured: pd.DataFrame,
) -> dict[str, Any]:
    """The entry of a run's model: its area and normalized area with their ends (``found``, ``scaled``), with the ranks
    that the latter would have among the published models of its modality; of a curve without an area none of them.
    """
    published = f", a version of {entry['published_as']}" if entry["published_as"] else ""
    row = {"entry_modality": entry["modality"], "generation_model": model, "model_class": f"this run{published}"}
    row |= {"basis": basis, "stages": len(curve), "natural_correct": own.natural, "guessing": own.chance}
    if found:
        row |= {f"area{end}": value for end, value in found.items()}
        row |= {"depth_first": curve["depth"].iloc[0], "depth_last": curve["depth"].iloc[-1]}
    if own.rule is not None:
        others = measured.loc[measured["entry_modality"] == entry["modality"], "normalized_area"].dropna().to_numpy()
        row |= {f"normalized_area{end}": value for end, value in scaled.items()}
        row |= {f"rank{end}": int(rank_among(scaled[opposite], others)) for end, opposite in OPPOSITE.items()}
        row |= {"missing_depth": own.rule.missing} | _one_out(row["rank"], own, others)
    return row


def _one_out(rank: float, own: Normalized, others: np.ndarray) -> dict[str, float]:
    """Ends of the ranks with one judged stage left out, and with all.

    NaN for a model with two stages, since one stage has no rank.
    """
    ranks = [rank, *rank_among(own.areas_one_out(), others)]
    if len(ranks) == 1:
        ranks = [np.nan]
    return {"rank_one_out_low": min(ranks), "rank_one_out_high": max(ranks)}


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
    published: Mapping[tuple[str, str, str], Normalized],
    natural: Mapping[str, float],
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
        Entries of published models: ``entry_modality``, ``normalized_area``.
    published, natural
        What ``normalized_curves`` and ``published_natural`` give.
    number, seed
        Samples of the intervals, and their seed.

    Returns
    -------
    pd.DataFrame
        Entries, with 95% bootstrap intervals over participants; the rank is the one among the published models. Natural
        stimuli count as the same participants recognized them, or, where not all of them met any, as in ``natural``.
    """
    rows = []
    for model, (curve, asked) in judged.items():
        entry, stages = models[model], curve["stage"].to_list()
        (means,) = drawn_means([model], [[NATURAL, *stages]], asked, number, seed)
        wider = few_participants(int(curve["n"].max()))
        low, high = np.quantile(widened(means[:, 1:] @ area_weights(curve["depth"].to_numpy()), wider), ENDS)
        found = {"": area(curve, "mean"), "_low": low, "_high": high}
        recognized = np.concatenate(
            [
                data["proportion_correct"].sel(observer="human", generation_model=model, stage=NATURAL).values
                for data in asked
            ]
        ).mean()
        if not np.isfinite(recognized):
            recognized = means[:, 0] = natural[entry["modality"]]
        values = dict(zip(stages, curve["mean"], strict=True))
        own = own_scale(entry, values, stages, (float(recognized), entry["chance"]), published)
        scaled: dict[str, float] = {}
        if (rule := own.rule) is not None:
            drawn = np.full((number, len(own.values)), np.nan)
            drawn[:, np.isfinite(own.values)] = normalized(means[:, 1:], means[:, :1], own.chance)
            scaled = {"": float(area_of(rule.low, own.values))}
            for end, weights, quantile in (("_low", rule.low, ENDS[0]), ("_high", rule.high, ENDS[1])):
                middle, areas = float(area_of(weights, own.values)), area_of(weights, drawn)
                scaled[end] = np.quantile(corrected(middle, areas, wider), quantile)
        row = _own_entry(model, entry, OWN_PEOPLE, curve, found, own, scaled, measured)
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
    predicted: xr.Dataset,
    models: Mapping[str, Mapping[str, Any]],
    measured: pd.DataFrame,
    published: Mapping[tuple[str, str, str], Normalized],
    natural: Mapping[str, float],
) -> pd.DataFrame:
    """Where a run's own models would stand, by what people would be expected to recognize of their metamers.

    Parameters
    ----------
    predicted
        What ``metamers.predicted.predicted_human`` gives. Its values are on the scale of the published experiments, so
        they are normalized by these experiments' natural stimuli and guessing.
    models
        Generation model → ``modality``, ``stages`` (all that the model has, in order), ``depths`` (stage → depth),
        ``chance`` (of guessing in the run's own task), ``published_as`` or None.
    measured
        Entries of published models: ``entry_modality``, ``normalized_area``.
    published, natural
        What ``normalized_curves`` and ``published_natural`` give.

    Returns
    -------
    pd.DataFrame
        Entries. Ends of the areas are the areas under the predictions' ends, as if all stages erred the same way; those
        of the normalized area have what is missing as little, and as much, as it can be. The rank is the one among the
        published models. A model with fewer than two predicted stages has neither.
    """
    rows = []
    for model, entry in models.items():
        shown = [stage for stage in own_stages(predicted, model) if stage != INPUT_STAGE]
        of_model = predicted.sel(generation_model=model, stage=shown)
        curve = of_model[["predicted", "low", "high"]].to_dataframe()[["predicted", "low", "high"]].dropna()
        found, scaled = {}, {}
        if len(curve) >= 2:
            curve = curve.assign(depth=depths(list(curve.index), entry["stages"]))
            found = {"": area(curve, "predicted"), "_low": area(curve, "low"), "_high": area(curve, "high")}
        scale = natural[entry["modality"]], GUESSING[entry["modality"]]
        own, low, high = (
            own_scale(entry, curve[column].to_dict(), shown, scale, published)
            for column in ("predicted", "low", "high")
        )
        if (rule := own.rule) is not None:
            scaled = {"": float(area_of(rule.low, own.values))}
            scaled |= {"_low": float(area_of(rule.low, low.values)), "_high": float(area_of(rule.high, high.values))}
        rows.append(_own_entry(model, entry, PREDICTION, curve, found, own, scaled, measured))
    return pd.DataFrame(rows)


def leaderboard(
    groups: pd.DataFrame,
    published_depths: pd.DataFrame,
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
    published_depths
        What ``metamers.depth.published_depths`` gives.
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
        (entry), by modality and rank, a run's model twice where one's own people have judged its metamers:
        ``normalized_area`` with its 95% interval (``_low``, ``_high``), and what it is made of: ``natural_correct``,
        ``guessing``, ``missing_depth``; ``rank`` among the published models of its modality, with interval, and with
        ends over leaving out one stage (``rank_one_out_low``, ``rank_one_out_high``); ``area``, over the place among
        listed stages, with interval; ``stages``, ``depth_first``, ``depth_last``: what it is over; ``participants``;
        ``left_out_area``, ``left_out_error``: see ``metamers.predicted.calibration``; coordinates ``entry_modality``,
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
    curves, natural = measured_curves(groups), natural_results(groups)
    by_model = published_depths.groupby(["modality", "generation_model"], sort=False)
    placed = {key: dict(zip(rows["stage"], rows["depth"], strict=True)) for key, rows in by_model}
    on_scale = normalized_curves(curves, natural, placed)
    recognized = published_natural(groups)
    points = left_out(relation)
    calibrated = calibration(points, curves, area)
    tables = []
    for modality in map(str, relation["modality"].values):
        own = {key: curve for key, curve in curves.items() if key[0] == modality}
        names, shown = [key[1] for key in own], list(own.values())
        scaled, of_natural = [on_scale[key] for key in own], [natural[key] for key in own]
        if experiments:
            samples = areas_from_participants(names, shown, experiments[modality], bootstrap, seed)
            samples = widened(samples, np.array([few_participants(int(curve["n"].max())) for curve in shown]))
            drawn = normalized_areas_from_participants(names, shown, scaled, experiments[modality], bootstrap, seed)
        else:
            samples = areas_from_summary(shown, bootstrap, seed)
            drawn = normalized_areas_from_summary(shown, scaled, of_natural, bootstrap, seed)
        table = ranked(np.array([_found(one) for one in scaled]), drawn)
        table = table.rename(columns=lambda name: name.replace("area", "normalized_area"))
        table["area"] = [area(curve, "mean") for curve in shown]
        table["area_low"], table["area_high"] = np.quantile(samples, ENDS, axis=0)
        areas = table["normalized_area"].to_numpy()
        one_out = [
            _one_out(rank, one, np.delete(areas, place))
            for place, (rank, one) in enumerate(zip(table["rank"], scaled, strict=True))
        ]
        table = table.assign(
            rank_one_out_low=[one["rank_one_out_low"] for one in one_out],
            rank_one_out_high=[one["rank_one_out_high"] for one in one_out],
            natural_correct=[one.natural for one in scaled],
            guessing=[one.chance for one in scaled],
            missing_depth=[np.nan if one.rule is None else one.rule.missing for one in scaled],
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
        of_run = [judged_entries(judged, models, entries, on_scale, recognized, bootstrap, seed)]
        of_run.append(predicted_entries(predicted, models, entries, on_scale, recognized))
        entries = pd.concat([entries, *of_run], ignore_index=True)
    entries = pd.concat(
        [
            of_modality.sort_values("normalized_area", ascending=False, kind="stable")
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
