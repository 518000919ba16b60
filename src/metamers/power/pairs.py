"""Power for pairs of a run's models: how many participants tell them apart, if their recognizability is as predicted.

With many models, the pairs are those of neighbours in predicted recognizability, which are the hardest to tell apart,
and the contrasts of the run: all pairs would grow with the square of the models.

The published part is in ``metamers.power.participants``, which is imported only where there is a pair, because it takes
longer to import than a run with one model needs for its power.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import xarray as xr

from metamers.humans.participants import own_stages
from metamers.humans.published import PUBLISHED

MOST_MODELS = 12  # of a modality, of which all pairs are simulated
ALL, CHOSEN = "all pairs", "neighbours in mean predicted recognizability, and contrasts"


def considered_pairs(
    predicted: xr.Dataset, modalities: Mapping[str, str], contrasts: Iterable[Sequence[str]]
) -> list[tuple[str, str]]:
    """Choose the pairs of models of one modality that are simulated, in the order of the models.

    Parameters
    ----------
    predicted, modalities, contrasts
        As for ``model_pairs``.
    """
    models = list(map(str, predicted["generation_model"].values))
    place = {model: number for number, model in enumerate(models)}
    means = dict(zip(models, predicted["predicted"].mean("stage").values.tolist(), strict=True))
    pairs: list[tuple[str, str]] = []
    for modality in dict.fromkeys(modalities[model] for model in models):
        own = [model for model in models if modalities[model] == modality]
        if len(own) <= MOST_MODELS:
            pairs += combinations(own, 2)
            continue
        ranked = sorted((model for model in own if not np.isnan(means[model])), key=means.__getitem__)
        pairs += [(one, other) for one, other in contrasts if one in own and other in own]
        pairs += pairwise(ranked)
    ordered = {tuple(sorted(pair, key=place.__getitem__)) for pair in pairs}
    return sorted(ordered, key=lambda pair: [place[model] for model in pair])


def model_pairs(
    predicted: xr.Dataset, modalities: Mapping[str, str], contrasts: Iterable[Sequence[str]] = ()
) -> tuple[list[tuple[str, str, list[str]]], list[tuple[str, str]]]:
    """Pair a run's models of one modality, with the stages for which both have a prediction.

    Parameters
    ----------
    predicted
        Result of ``metamers.compare.predicted_human.predicted_human``; stages without a prediction do not count.
    modalities
        Generation model → ``vision`` or ``audio``.
    contrasts
        Pairs of models that the run compares.

    Returns
    -------
    pairs
        The two models, and at least two common stages.
    left_out
        Pairs of one modality with fewer than two common stages.
    """
    inside = predicted["predicted"].notnull()
    stages = {
        model: [
            stage
            for stage in own_stages(predicted, model)
            if stage not in PUBLISHED[modalities[model]].left_out_stages
            and inside.sel(generation_model=model, stage=stage)
        ]
        for model in map(str, predicted["generation_model"].values)
    }
    pairs, left_out = [], []
    for one, other in considered_pairs(predicted, modalities, contrasts):
        shared = [stage for stage in stages[one] if stage in stages[other]]
        if len(shared) >= 2:
            pairs.append((one, other, shared))
        else:
            left_out.append((one, other))
    return pairs, left_out


def with_pairs(
    published: xr.Dataset,
    predicted: xr.Dataset | None,
    modalities: Mapping[str, str],
    settings: Mapping[str, Any],
    permutations: int,
    contrasts: Iterable[Sequence[str]] = (),
) -> xr.Dataset:
    """Add the power of experiments with two of the run's models to that of experiments like the published ones.

    Parameters
    ----------
    published
        Result of ``metamers.power.participants.published_power`` for the same settings.
    predicted
        Result of ``metamers.compare.predicted_human.predicted_human`` for the run's models, or None.
    modalities
        Generation model of the run → ``vision`` or ``audio``.
    settings, permutations
        As for ``published_power``.
    contrasts
        As for ``model_pairs``.

    Returns
    -------
    xr.Dataset
        With ``contrast_power`` (contrast, trials, participants), ``contrast_participants_needed`` and
        ``contrast_stimuli_needed`` (contrast, trials), which are like those without ``contrast_``, and ``model``,
        ``reference``, ``contrast_difference``, ``contrast_stages`` (contrast), unless there are no pairs. The attribute
        ``left_out`` names the pairs with too few predictions, and ``pairs`` says which are simulated.
    """
    pairs, left_out = model_pairs(predicted, modalities, contrasts) if predicted is not None else ([], [])
    many = any(list(modalities.values()).count(modality) > MOST_MODELS for modality in set(modalities.values()))
    named = {"left_out": ", ".join(f"{one} - {other}" for one, other in left_out), "pairs": CHOSEN if many else ALL}
    result = published.assign_attrs(named)
    if predicted is None or not pairs:
        return result
    from metamers.power.participants import COMPONENTS, fewest_participants, power_of_curves
    from metamers.power.stimuli import stimuli_needed

    rng = np.random.default_rng()
    rng.bit_generator.state = json.loads(published.attrs["random_state"])
    deviations = {
        str(modality): [float(published[f"sd_{component}"].sel(modality=modality)) for component in COMPONENTS]
        for modality in published["modality"].values
    }
    both = [predicted["predicted"].sel(generation_model=list(models), stage=shared) for *models, shared in pairs]
    both = [values.transpose("generation_model", "stage").values for values in both]
    found = np.stack(
        [
            power_of_curves(pair, deviations[modalities[one]], settings, permutations, rng)
            for pair, (one, _, _) in zip(both, pairs, strict=True)
        ]
    )
    distinct = [[stimuli_needed(number, len(shared)) for number in settings["trials"]] for _, _, shared in pairs]
    return result.assign(
        contrast_power=(("contrast", "trials", "participants"), found),
        contrast_participants_needed=(
            ("contrast", "trials"),
            fewest_participants(found, settings["participants"], settings["wanted"]),
        ),
        contrast_stimuli_needed=(("contrast", "trials"), distinct),
        contrast_difference=("contrast", [float(np.diff(pair[::-1].mean(axis=1))[0]) for pair in both]),
        contrast_stages=("contrast", [", ".join(shared) for _, _, shared in pairs]),
    ).assign_coords(
        contrast=[f"{one} - {other}" for one, other, _ in pairs],
        model=("contrast", [one for one, _, _ in pairs]),
        reference=("contrast", [other for _, other, _ in pairs]),
    )
