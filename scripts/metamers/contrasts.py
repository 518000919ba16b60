"""Contrasts: are the metamers of one model recognized better than those of another, stage by stage?

For models of one architecture with different training: Feather et al. (2023, Fig. 5) compare adversarial training with
standard training and with random perturbations. Both are judged by the same other models on the
same stimuli, so that differences are within stimuli.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from metamers.compare import by_stimulus
from metamers.judges import family_means, related
from metamers.names import NATURAL
from metamers.proportions import Interval, difference_interval, mean_difference_interval


def judges_of(
    pair: tuple[str, str], asked: Sequence[str], compared: set[str], families: Mapping[str, str]
) -> list[str]:
    """Who judges a contrast: of the recognition models but the two, those that are of neither one's family.

    Where there is none, those that are in no contrast; where there is none of these either, all but the two.
    """
    others = [judge for judge in asked if judge not in pair]
    siblings = related(others, pair, families)
    unrelated = [judge for judge in others if judge not in siblings]
    return unrelated or [judge for judge in others if judge not in compared] or others


def over_stages(differences: np.ndarray) -> tuple[Interval, np.ndarray, np.ndarray]:
    """Mean of differences over stages, of the same stimuli at every stage.

    Parameters
    ----------
    differences
        (…, stage, stimulus), -1..1; NaN where a metamer of either model is not accepted.

    Returns
    -------
    Interval
        ``metamers.proportions.mean_difference_interval`` of the means of those stimuli that have a difference at every
        stage, (…); of a single stage ``difference_interval``.
    n, left_out
        Numbers of these stimuli, and of stimuli with metamers at some stages only, (…).
    """
    known = np.isfinite(differences)
    everywhere, somewhere = known.all(axis=-2), known.any(axis=-2)
    means = np.where(everywhere, np.where(known, differences, 0).mean(axis=-2), np.nan)
    interval = mean_difference_interval if differences.shape[-2] > 1 else difference_interval
    return interval(means), everywhere.sum(axis=-1), (somewhere & ~everywhere).sum(axis=-1)


def _differences(
    recognition: Sequence[Mapping[str, xr.Dataset]], accepted: Sequence[xr.DataArray], families: Mapping[str, str]
) -> xr.DataArray:
    """Of each family of judges what it recognizes of the first model's metamers less of the second's: (family, stage,
    stimulus). Stimuli are matched by name, whatever their order.
    """
    one, other = (
        by_stimulus(family_means(answered, families), of_model)
        for answered, of_model in zip(recognition, accepted, strict=True)
    )
    return (one - other).transpose("family", "stage", "stimulus")


def contrasts(
    pairs: Sequence[tuple[str, str]],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    acceptance: Mapping[str, xr.Dataset],
    families: Mapping[str, str],
) -> xr.Dataset:
    """Differences in recognizability between models.

    A difference is the mean over stimuli of which both models' metamers are accepted, of the mean over families of
    each family's mean answer. Who judges is for ``judges_of``: the models that are compared do not judge each other.
    There must be one.

    Parameters
    ----------
    pairs
        (model, reference), generation models.
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed).
    acceptance
        Generation model → ``accepted`` (stage, stimulus, seed).
    families
        Model → family, of all of them.

    Returns
    -------
    xarray.Dataset
        (contrast, stage) → ``difference`` of model and reference, ``low``, ``high`` (95% interval over stimuli, NaN of
        fewer than two), ``n`` stimuli, ``stage_number`` counted from 1, NaN and 0 where they do not share a stage.
        (contrast) → ``late_difference``, ``late_low``, ``late_high``, ``late_n``, ``late_left_out``: what
        ``over_stages`` gives of the later half of the shared stages, ``late_stages``;
        ``late_judges_standard_error``: standard error of the late difference over families (NaN of one);
        ``judged_by``, ``related_judges`` (those of the family of one of the two). (contrast, recognition_model) →
        ``late_difference_by_judge``, NaN for who does not judge. Coordinates ``model`` and ``reference``.
    """
    compared = {name for pair in pairs for name in pair}
    found = []
    for model, reference in pairs:
        asked = [judge for judge in recognition[model] if judge in recognition[reference]]
        judges = judges_of((model, reference), asked, compared, families)
        stages = [
            stage
            for stage in acceptance[model]["stage"].values
            if stage in acceptance[reference]["stage"].values and stage != NATURAL
        ]
        answered = [{judge: recognition[name][judge] for judge in judges} for name in (model, reference)]
        accepted = [acceptance[name]["accepted"] for name in (model, reference)]
        of_family = _differences(answered, accepted, families).sel(stage=stages)
        difference = of_family.mean("family")
        by_stage = difference_interval(difference.values)
        late = stages[len(stages) // 2 :]
        whole, n, left_out = over_stages(difference.sel(stage=late).values)
        of_families, _, _ = over_stages(of_family.sel(stage=late).values)
        of_judge = _differences(answered, accepted, {judge: judge for judge in judges})
        of_judges, _, _ = over_stages(of_judge.sel(stage=late).values)
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
                    "late_difference_by_judge": ("recognition_model", of_judges.value),
                    "late_stages": ", ".join(late),
                    "judged_by": ", ".join(judges),
                    "related_judges": ", ".join(related(judges, (model, reference), families)),
                },
                coords={"stage": stages, "recognition_model": judges, "model": model, "reference": reference},
            )
        )
    every = list(dict.fromkeys(stage for one in found for stage in one["stage"].values))
    who = list(dict.fromkeys(judge for one in found for judge in one["recognition_model"].values))
    return xr.concat(
        [one.reindex(stage=every, recognition_model=who, fill_value={"n": 0}) for one in found],
        xr.DataArray([f"{model} - {reference}" for model, reference in pairs], dims="contrast", name="contrast"),
        coords=["model", "reference"],
        compat="equals",
    )
