"""Power for pairs of a run's models: how many participants tell them apart, if their recognizability is as predicted.

With many models, each is paired with the model that is nearest in predicted recognizability, which is the hardest to
tell apart, and the contrasts of the run are added: all pairs would grow with the square of the models.

The published part is in ``metamers.power.participants``, which is imported only where there is a pair, because it takes
longer to import than a run with one model needs for its power.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from metamers.humans.participants import own_stages
from metamers.humans.published import PUBLISHED

MOST_MODELS = 12  # of a modality, of which all pairs are simulated


def many_models(predicted: xr.Dataset, modalities: Mapping[str, str]) -> list[str]:
    """The modalities of which not all pairs of models are simulated.

    Parameters
    ----------
    predicted, modalities
        As for ``model_pairs``.
    """
    of_models = [modalities[model] for model in _models(predicted)]
    return [modality for modality in dict.fromkeys(of_models) if of_models.count(modality) > MOST_MODELS]


def model_pairs(
    predicted: xr.Dataset, modalities: Mapping[str, str], contrasts: Iterable[Sequence[str]] = ()
) -> tuple[list[tuple[str, str, list[str]]], list[tuple[str, ...]]]:
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
        The two models, and at least two common stages. Of a modality with more than ``MOST_MODELS`` models: each model
        with the one whose mean over their common stages is nearest, and the contrasts.
    left_out
        Pairs of one modality with fewer than two common stages; of a modality with many models, the models without
        any such partner.
    """
    values = {model: _predictions(predicted, model, modalities[model]) for model in _models(predicted)}
    many = many_models(predicted, modalities)
    shared = {
        (one, other): [stage for stage in values[one] if stage in values[other]]
        for one, other in combinations(values, 2)
        if modalities[one] == modalities[other]
    }
    pairs = {pair: stages for pair, stages in shared.items() if len(stages) >= 2}
    chosen = {frozenset(contrast) for contrast in contrasts} | _nearest(pairs, values)
    return (
        [
            (*pair, stages)
            for pair, stages in pairs.items()
            if modalities[pair[0]] not in many or frozenset(pair) in chosen
        ],
        [pair for pair in shared if pair not in pairs and modalities[pair[0]] not in many]
        + [(model,) for model in values if modalities[model] in many and not any(model in pair for pair in pairs)],
    )


def _models(predicted: xr.Dataset) -> list[str]:
    return list(map(str, predicted["generation_model"].values))


def _predictions(predicted: xr.Dataset, model: str, modality: str) -> dict[str, float]:
    """Stage → predicted recognizability of a model, for the stages that have one."""
    left_out = PUBLISHED[modality].left_out_stages
    stages = [stage for stage in own_stages(predicted, model) if stage not in left_out]
    values = predicted["predicted"].sel(generation_model=model, stage=stages).values.tolist()
    return {stage: value for stage, value in zip(stages, values, strict=True) if not np.isnan(value)}


def _nearest(
    pairs: Mapping[tuple[str, str], Sequence[str]], values: Mapping[str, Mapping[str, float]]
) -> set[frozenset[str]]:
    """For each model, the pair with the smallest difference of means over common stages; the first of equal ones."""
    nearest: dict[str, tuple[float, frozenset[str]]] = {}
    for pair, stages in pairs.items():
        difference = abs(sum(values[pair[0]][stage] - values[pair[1]][stage] for stage in stages)) / len(stages)
        for model in pair:
            if model not in nearest or difference < nearest[model][0]:
                nearest[model] = difference, frozenset(pair)
    return {pair for _, pair in nearest.values()}


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
        ``left_out`` names the pairs (or models) with too few predictions, and ``nearest_pairs``, if it is there, the
        modalities of which not all pairs are simulated.
    """
    pairs, left_out = model_pairs(predicted, modalities, contrasts) if predicted is not None else ([], [])
    many = many_models(predicted, modalities) if predicted is not None else []
    result = published.assign_attrs(left_out=", ".join(map(" - ".join, left_out)))
    if many:
        result = result.assign_attrs(nearest_pairs=", ".join(many))
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
    power_of_pairs = np.stack(
        [
            power_of_curves(pair, deviations[modalities[one]], settings, permutations, rng)
            for pair, (one, _, _) in zip(both, pairs, strict=True)
        ]
    )
    distinct = [[stimuli_needed(number, len(shared)) for number in settings["trials"]] for _, _, shared in pairs]
    return result.assign(
        contrast_power=(("contrast", "trials", "participants"), power_of_pairs),
        contrast_participants_needed=(
            ("contrast", "trials"),
            fewest_participants(power_of_pairs, settings["participants"], settings["wanted"]),
        ),
        contrast_stimuli_needed=(("contrast", "trials"), distinct),
        contrast_difference=("contrast", [float(np.diff(pair[::-1].mean(axis=1))[0]) for pair in both]),
        contrast_stages=("contrast", [", ".join(shared) for _, _, shared in pairs]),
    ).assign_coords(
        contrast=[f"{one} - {other}" for one, other, _ in pairs],
        model=("contrast", [one for one, _, _ in pairs]),
        reference=("contrast", [other for _, other, _ in pairs]),
    )
