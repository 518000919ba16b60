"""Contrasts: whether the metamers of one model are recognized better than those of another, stage by stage.

They serve for models of one architecture with different training: Feather et al. (2023, Fig. 5) compare adversarial
training with standard training and with random perturbations. The same other models judge the metamers of both models,
made from the same stimuli, so that differences are within stimuli.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.compare.families import family_means, same_family
from metamers.compare.proportions import Interval, difference_interval
from metamers.compare.recognizability import proportion_by_stimulus
from metamers.names import NATURAL


def contrast_recognition_models(
    pair: tuple[str, str], asked: Sequence[str], compared: set[str], families: Mapping[str, str]
) -> list[str]:
    """Choose the recognition models of a contrast: those outside the families of both generation models.

    Without such a model, those that are in no contrast; without these either, all except the two generation models.
    """
    others = [recognition_model for recognition_model in asked if recognition_model not in pair]
    siblings = same_family(others, pair, families)
    unrelated = [recognition_model for recognition_model in others if recognition_model not in siblings]
    return (
        unrelated or [recognition_model for recognition_model in others if recognition_model not in compared] or others
    )


def difference_over_stages(differences: np.ndarray) -> tuple[Interval, np.ndarray, np.ndarray]:
    """Average differences over stages, for stimuli that have a difference at every stage.

    Parameters
    ----------
    differences
        (…, stage, stimulus), -1..1; NaN where a metamer of either model is not accepted.

    Returns
    -------
    Interval
        (…): ``metamers.compare.proportions.difference_interval`` of the stimuli's means over stages.
    n, left_out
        (…): number of these stimuli, and number of stimuli that have a difference at some stages only.
    """
    known = np.isfinite(differences)
    everywhere, somewhere = known.all(axis=-2), known.any(axis=-2)
    means = np.where(everywhere, np.where(known, differences, 0).mean(axis=-2), np.nan)
    return difference_interval(means), everywhere.sum(axis=-1), (somewhere & ~everywhere).sum(axis=-1)


def _differences(
    recognition: Sequence[Mapping[str, xr.Dataset]], accepted: Sequence[xr.DataArray], families: Mapping[str, str]
) -> xr.DataArray:
    """Compute each family's recognition of the first model's metamers minus that of the second model's.

    Returns (family, stage, stimulus). Stimuli are matched by name, in any order.
    """
    one, other = (
        proportion_by_stimulus(family_means(answered, families), of_model)
        for answered, of_model in zip(recognition, accepted, strict=True)
    )
    return (one - other).transpose("family", "stage", "stimulus")


def contrasts(
    pairs: Sequence[tuple[str, str]],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    acceptance: Mapping[str, xr.Dataset],
    families: Mapping[str, str],
) -> xr.Dataset:
    """Compute differences in recognizability between models.

    A difference is a mean over the stimuli of which both models' metamers are accepted, of the mean over families of
    each family's mean answer. ``contrast_recognition_models`` chooses the recognition models, of which there must be at
    least one: the compared models do not judge each other.

    Parameters
    ----------
    pairs
        (model, reference), generation models.
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed).
    acceptance
        Generation model → ``accepted`` (stage, stimulus, seed).
    families
        Model → family, for all models.

    Returns
    -------
    xarray.Dataset
        (contrast, stage) → ``difference`` of model and reference, ``low``, ``high`` (95% interval over stimuli, NaN
        with fewer than two), ``n`` stimuli, ``stage_number`` counted from 1; NaN and 0 where the two models do not
        share a stage. (contrast) → ``late_difference``, ``late_low``, ``late_high``, ``late_n``, ``late_left_out``:
        results of ``difference_over_stages`` for the later half of the shared stages, ``late_stages``;
        ``late_judges_standard_error``: standard error of the late difference over families (NaN with a single family);
        ``judged_by``: the recognition models; ``related_judges``: those in the family of one of the two models.
        (contrast, recognition_model) → ``late_difference_by_judge``, NaN for recognition models of other contrasts.
        Coordinates ``model`` and ``reference``.
    """
    compared = {name for pair in pairs for name in pair}
    found = []
    for model, reference in pairs:
        asked = [
            recognition_model for recognition_model in recognition[model] if recognition_model in recognition[reference]
        ]
        recognition_models = contrast_recognition_models((model, reference), asked, compared, families)
        stages = [
            stage
            for stage in acceptance[model]["stage"].values
            if stage in acceptance[reference]["stage"].values and stage != NATURAL
        ]
        answered = [
            {recognition_model: recognition[name][recognition_model] for recognition_model in recognition_models}
            for name in (model, reference)
        ]
        accepted = [acceptance[name]["accepted"] for name in (model, reference)]
        of_family = _differences(answered, accepted, families).sel(stage=stages)
        difference = of_family.mean("family")
        by_stage = difference_interval(difference.values)
        late = stages[len(stages) // 2 :]
        whole, n, left_out = difference_over_stages(difference.sel(stage=late).values)
        of_families, _, _ = difference_over_stages(of_family.sel(stage=late).values)
        by_model = _differences(
            answered, accepted, {recognition_model: recognition_model for recognition_model in recognition_models}
        )
        late_by_model, _, _ = difference_over_stages(by_model.sel(stage=late).values)
        count = of_family.sizes["family"]
        error = of_families.value.std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
        found.append(
            xr.Dataset(
                {
                    "difference": ("stage", by_stage.value),
                    "low": ("stage", by_stage.low),
                    "high": ("stage", by_stage.high),
                    "n": ("stage", difference.notnull().sum("stimulus").values),
                    "stage_number": ("stage", np.arange(1, len(stages) + 1, dtype=float)),
                    "late_difference": float(whole.value),
                    "late_low": float(whole.low),
                    "late_high": float(whole.high),
                    "late_n": int(n),
                    "late_left_out": int(left_out),
                    "late_judges_standard_error": float(error),
                    "late_difference_by_judge": ("recognition_model", late_by_model.value),
                    "late_stages": ", ".join(late),
                    "judged_by": ", ".join(recognition_models),
                    "related_judges": ", ".join(same_family(recognition_models, (model, reference), families)),
                },
                coords={
                    "stage": stages,
                    "recognition_model": recognition_models,
                    "model": model,
                    "reference": reference,
                },
            )
        )
    all_stages = list(dict.fromkeys(stage for one in found for stage in one["stage"].values))
    all_models = list(
        dict.fromkeys(recognition_model for one in found for recognition_model in one["recognition_model"].values)
    )
    return xr.concat(
        [one.reindex(stage=all_stages, recognition_model=all_models, fill_value={"n": 0}) for one in found],
        xr.DataArray([f"{model} - {reference}" for model, reference in pairs], dims="contrast", name="contrast"),
        coords=["model", "reference"],
        compat="equals",
    )
