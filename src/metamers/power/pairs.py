"""Power for pairs of a run's models: how many participants tell them apart, if their recognizability is as predicted.

The published part is in ``metamers.power.participants``, which is imported only where there is a pair, because it takes
longer to import than a run with one model needs for its power.
"""

import json
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from metamers.humans.participants import own_stages
from metamers.humans.published import PUBLISHED


def model_pairs(
    predicted: xr.Dataset, modalities: Mapping[str, str]
) -> tuple[list[tuple[str, str, list[str]]], list[tuple[str, str]]]:
    """Pair a run's models of one modality, with the stages for which both have a prediction.

    Parameters
    ----------
    predicted
        Result of ``metamers.compare.predicted_human.predicted_human``; stages without a prediction do not count.
    modalities
        Generation model → ``vision`` or ``audio``.

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
    for one, other in combinations(stages, 2):
        if modalities[one] != modalities[other]:
            continue
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

    Returns
    -------
    xr.Dataset
        With ``contrast_power`` (contrast, trials, participants), ``contrast_participants_needed`` and
        ``contrast_stimuli_needed`` (contrast, trials), which are like those without ``contrast_``, and ``model``,
        ``reference``, ``contrast_difference``, ``contrast_stages`` (contrast), unless there are no pairs. The attribute
        ``left_out`` names the pairs with too few predictions.
    """
    pairs, left_out = model_pairs(predicted, modalities) if predicted is not None else ([], [])
    result = published.assign_attrs(left_out=", ".join(f"{one} - {other}" for one, other in left_out))
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
