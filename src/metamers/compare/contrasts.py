"""Contrasts: whether the metamers of one model are recognized better than those of another, stage by stage.

They serve for models of one architecture with different training: Feather et al. (2023, Fig. 5) compare adversarial
training with standard training and with random perturbations. The same other models recognize the metamers of both
models, made from the same stimuli, so that differences are within stimuli. Where both sides of a contrast have several
networks that differ by their training seed only, a contrast compares these groups of networks.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import xarray as xr

from metamers.compare.families import family_means, same_family
from metamers.compare.proportions import mean_of_known, networks_interval
from metamers.compare.recognizability import proportion_by_stimulus
from metamers.names import NATURAL


def contrast_recognition_models(
    networks: Sequence[str], asked: Sequence[str], compared: set[str], families: Mapping[str, str]
) -> list[str]:
    """Choose the recognition models of a contrast: those outside the families of its generation models.

    Without such a model, those that are in no contrast; without these either, all except its generation models.
    """
    others = [recognition_model for recognition_model in asked if recognition_model not in networks]
    siblings = same_family(others, networks, families)
    unrelated = [recognition_model for recognition_model in others if recognition_model not in siblings]
    return (
        unrelated or [recognition_model for recognition_model in others if recognition_model not in compared] or others
    )


def mean_over_stages(values: np.ndarray) -> np.ndarray:
    """Average over stages, (…, stage, stimulus), for stimuli that have a value at every stage; NaN for the others."""
    known = np.isfinite(values)
    return np.where(known.all(axis=-2), np.where(known, values, 0).mean(axis=-2), np.nan)


def _with_answers(side: np.ndarray) -> int:
    """Number of networks (network, …) with an answer."""
    return int(np.isfinite(side).reshape(len(side), -1).any(axis=1).sum())


def _answers(
    networks: Sequence[str],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    acceptance: Mapping[str, xr.Dataset],
    asked: Sequence[str],
    families: Mapping[str, str],
) -> xr.DataArray:
    """Proportion of each family's answers to the metamers of each network that are right.

    Returns (network, family, stage, stimulus), NaN without an accepted metamer.
    """
    return xr.concat(
        [
            proportion_by_stimulus(
                family_means({name: recognition[network][name] for name in asked}, families),
                acceptance[network]["accepted"],
            )
            for network in networks
        ],
        "network",
        join="outer",
    ).transpose("network", "family", "stage", "stimulus")


def _sides(
    pair: tuple[Sequence[str], Sequence[str]],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    acceptance: Mapping[str, xr.Dataset],
    asked: Sequence[str],
    stages: Sequence[str],
    families: Mapping[str, str],
) -> list[np.ndarray]:
    """``_answers`` of both sides of a contrast, (network, family, stage, stimulus), of the same stages and stimuli."""
    sides = [_answers(group, recognition, acceptance, asked, families).sel(stage=list(stages)) for group in pair]
    return [side.values for side in xr.align(*sides, join="inner")]


def contrasts(
    sides: Sequence[tuple[Sequence[str], Sequence[str]]],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    acceptance: Mapping[str, xr.Dataset],
    families: Mapping[str, str],
) -> xr.Dataset:
    """Compute differences in recognizability between models.

    A difference is a mean over the stimuli of which both models' metamers are accepted, of the mean over families of
    each family's mean answer. ``contrast_recognition_models`` chooses the recognition models, of which there must be at
    least one: the compared models do not recognize each other's metamers. With several networks on both sides, a
    stimulus counts with the mean over the networks of a side whose metamers of it are accepted, and the interval is
    that of ``metamers.compare.proportions.networks_interval``, over stimuli and networks.

    Parameters
    ----------
    sides
        For each contrast the networks of the model and of the reference, generation models with the same stages on
        each side; the first ones name them.
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed).
    acceptance
        Generation model → ``accepted`` (stage, stimulus, seed).
    families
        Model → family, for all models.

    Returns
    -------
    xarray.Dataset
        (contrast, stage) → ``difference`` of model and reference, ``low``, ``high`` (95% interval, NaN with fewer than
        two stimuli), ``n`` stimuli, ``stage_number`` counted from 1; NaN and 0 where the two models do not share a
        stage. (contrast) → ``late_difference``, ``late_low``, ``late_high``, ``late_n``: the same for the later half of
        the shared stages, ``late_stages``, and the stimuli with accepted metamers of both models at each of these;
        ``late_left_out``: the number of stimuli that have them at some of these stages only;
        ``late_families_standard_error``: standard error of the late difference over families (NaN with one family);
        ``judged_by``: the recognition models; ``related_recognition_models``: those in the family of one of the two
        models; ``networks``, ``reference_networks``: numbers of networks; ``late_networks``,
        ``late_reference_networks``: of those in the late difference. (contrast, recognition_model) →
        ``late_difference_by_recognition_model``, NaN for recognition models of other contrasts. Coordinates ``model``
        and ``reference``.
    """
    compared = {network for pair in sides for networks in pair for network in networks}
    by_contrast = []
    for pair in sides:
        networks = [network for side in pair for network in side]
        model, reference = (side[0] for side in pair)
        asked = [name for name in recognition[model] if all(name in recognition[network] for network in networks)]
        recognition_models = contrast_recognition_models(networks, asked, compared, families)
        stages = [
            stage
            for stage in acceptance[model]["stage"].values
            if stage != NATURAL and all(stage in acceptance[network]["stage"].values for network in networks)
        ]
        of_sides = partial(_sides, pair, recognition, acceptance, recognition_models, stages)
        of_family = of_sides(families)
        over_families = [side.mean(axis=1) for side in of_family]
        by_stage = networks_interval(*over_families)
        late = slice(len(stages) // 2, None)
        late_sides = [mean_over_stages(side[..., late, :]) for side in over_families]
        whole = networks_interval(*late_sides)
        known = np.isfinite(np.subtract(*map(mean_of_known, over_families)))
        n = np.isfinite(np.subtract(*map(mean_of_known, late_sides))).sum()
        of_families = networks_interval(*(mean_over_stages(side[..., late, :]) for side in of_family)).value
        by_model = of_sides({name: name for name in recognition_models})
        late_by_model = networks_interval(*(mean_over_stages(side[..., late, :]) for side in by_model)).value
        count = len(of_families)
        error = of_families.std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
        by_contrast.append(
            xr.Dataset(
                {
                    "difference": ("stage", by_stage.value),
                    "low": ("stage", by_stage.low),
                    "high": ("stage", by_stage.high),
                    "n": ("stage", known.sum(axis=-1)),
                    "stage_number": ("stage", np.arange(1, len(stages) + 1, dtype=float)),
                    "late_difference": float(whole.value),
                    "late_low": float(whole.low),
                    "late_high": float(whole.high),
                    "late_n": int(n),
                    "late_left_out": int(known[late].any(axis=0).sum() - n),
                    "late_families_standard_error": float(error),
                    "late_difference_by_recognition_model": ("recognition_model", late_by_model),
                    "late_stages": ", ".join(stages[late]),
                    "judged_by": ", ".join(recognition_models),
                    "related_recognition_models": ", ".join(same_family(recognition_models, networks, families)),
                    "networks": len(pair[0]),
                    "reference_networks": len(pair[1]),
                    "late_networks": _with_answers(late_sides[0]),
                    "late_reference_networks": _with_answers(late_sides[1]),
                },
                coords={
                    "stage": stages,
                    "recognition_model": recognition_models,
                    "model": model,
                    "reference": reference,
                },
            )
        )
    all_stages = list(dict.fromkeys(stage for one in by_contrast for stage in one["stage"].values))
    all_models = list(
        dict.fromkeys(recognition_model for one in by_contrast for recognition_model in one["recognition_model"].values)
    )
    return xr.concat(
        [one.reindex(stage=all_stages, recognition_model=all_models, fill_value={"n": 0}) for one in by_contrast],
        xr.DataArray([f"{one[0]} - {other[0]}" for one, other in sides], dims="contrast", name="contrast"),
        coords=["model", "reference"],
        compat="equals",
    )
