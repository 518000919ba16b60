"""Recognizability of this run's metamers: proportion correct of recognition models on accepted metamers.

Chance is in ``metamers.compare.chance``, differences between models in ``metamers.compare.contrasts``, the human
recognizability to be expected in ``metamers.compare.predicted_human``.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from metamers.compare.families import families_interval, family_means, mean_correct, same_family
from metamers.compare.proportions import independent_answers, proportion_interval
from metamers.humans.participants import stage_union

OTHERS = ("other_models", "unrelated_models", "sibling_models")


def proportion_by_stimulus(correct: xr.DataArray, accepted: xr.DataArray) -> xr.DataArray:
    """Compute the proportion correct on each stimulus's accepted metamers, averaged over its seeds.

    Seeds of one stimulus are not independent observations.

    Parameters
    ----------
    correct
        (stage, stimulus, seed), booleans or proportions, with the stage ``natural``, which needs no acceptance.
    accepted
        (stage, stimulus, seed), booleans, without the stage ``natural``.

    Returns
    -------
    xr.DataArray
        (stage, stimulus); NaN where nothing is accepted.
    """
    counts = accepted.reindex(stage=correct["stage"], fill_value=True).astype(bool)
    return correct.astype(float).where(counts).mean("seed").transpose(..., "stage", "stimulus")


def stage_recognizability(correct: xr.DataArray, accepted: xr.DataArray) -> xr.Dataset:
    """Compute the recognizability of one model's metamers by one observer, stage by stage.

    Only accepted metamers count; natural stimuli need no acceptance and all count. Seeds of one stimulus are averaged
    first, because they are not independent: mean, standard error and interval are over stimuli.

    Parameters
    ----------
    correct
        (stage, stimulus, seed), booleans, with the stage ``natural``.
    accepted
        (stage, stimulus, seed), booleans, without the stage ``natural``.

    Returns
    -------
    xr.Dataset
        (stage) → ``proportion_correct``, ``standard_error``, ``low``, ``high`` from
        ``metamers.compare.proportions.proportion_interval`` for ``independent_answers`` (NaN where nothing is
        accepted); ``n``: number of stimuli with an accepted metamer.
    """
    proportions = proportion_by_stimulus(correct, accepted)
    n, mean = proportions.count("stimulus"), proportions.mean("stimulus")
    interval = proportion_interval(mean.values, independent_answers(proportions.values))
    ends = {name: (mean.dims, getattr(interval, name)) for name in ("standard_error", "low", "high")}
    return xr.Dataset({"proportion_correct": mean, **ends, "n": n})


def recognizability_by_others(
    recognition: Mapping[str, xr.Dataset], accepted: xr.DataArray, generation_model: str, families: Mapping[str, str]
) -> xr.Dataset:
    """Compute the recognizability of a model's metamers by the other models, counting each family once.

    Parameters
    ----------
    recognition
        Recognition model → ``correct`` (stage, stimulus, seed).
    accepted
        (stage, stimulus, seed).
    generation_model
        Generation model of the metamers; its own answers do not count.
    families
        Model → family.

    Returns
    -------
    xr.Dataset
        (stage) → the mean for each of ``OTHERS``, with ``_standard_error``, ``_low`` and ``_high`` over stimuli, from
        ``stage_recognizability`` of the mean over families of each family's mean answer: ``other_models``: all other
        models; ``unrelated_models``: those of other families; ``sibling_models``: those of the generation model's
        family. NaN without such models. ``other_models_families_standard_error``, ``_low``, ``_high``: over recognition
        models and stimuli, from ``metamers.compare.families.families_interval``.
    """
    others = {name: data for name, data in recognition.items() if name != generation_model}
    siblings = same_family(others, [generation_model], families)
    chosen = {
        "other_models": others,
        "unrelated_models": {name: data for name, data in others.items() if name not in siblings},
        "sibling_models": {name: others[name] for name in siblings},
    }
    nothing = xr.full_like(next(iter(recognition.values()))["correct"], np.nan, float)
    by_kind = {
        kind: stage_recognizability(mean_correct(of_models, families) if of_models else nothing, accepted)
        for kind, of_models in chosen.items()
    }
    each = proportion_by_stimulus(family_means(others, families) if others else nothing.expand_dims("family"), accepted)
    means = each.mean("stimulus").transpose("family", ...)
    whole = families_interval(means.values, independent_answers(each.mean("family").values))
    ends = {name: ("stage", getattr(whole, name)) for name in ("standard_error", "low", "high")}
    return xr.merge(
        one.drop_vars("n").rename(proportion_correct=kind, **{end: f"{kind}_{end}" for end in ends})
        for kind, one in by_kind.items()
    ).assign({f"other_models_families_{name}": values for name, values in ends.items()})


def recognizability(
    acceptance: Mapping[str, xr.Dataset],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
    families: Mapping[str, str],
) -> xr.Dataset:
    """Compute recognizability for every generation model, stage and recognition model of a run.

    Parameters
    ----------
    acceptance
        Generation model → ``accepted`` (stage, stimulus, seed).
    recognition
        Generation model → recognition model → ``correct`` (stage, stimulus, seed), stage ``natural`` first.
    families
        Model → family, of every generation and recognition model.

    Returns
    -------
    xr.Dataset
        (generation_model, stage, recognition_model) → variables of ``stage_recognizability``, NaN and 0 where a model
        has no such stage or was not tested; (generation_model, stage) → variables of ``recognizability_by_others``;
        ``stage_number`` of ``metamers.humans.participants.stage_union``; ``generation_family`` (generation_model) and
        ``recognition_family`` (recognition_model).
    """
    by_model = {
        model: xr.concat(
            [stage_recognizability(one["correct"], acceptance[model]["accepted"]) for one in of_models.values()],
            "recognition_model",
        ).assign_coords(recognition_model=list(of_models))
        for model, of_models in recognition.items()
    }
    together = {
        model: recognizability_by_others(of_models, acceptance[model]["accepted"], model, families)
        for model, of_models in recognition.items()
    }
    stages, stage_number = stage_union({model: list(map(str, d["stage"].values)) for model, d in by_model.items()})
    recognition_models = list(
        dict.fromkeys(recognition_model for of_models in recognition.values() for recognition_model in of_models)
    )
    whole = xr.concat(
        [d.reindex(stage=stages, recognition_model=recognition_models, fill_value={"n": 0}) for d in by_model.values()],
        "generation_model",
    ).assign_coords(generation_model=list(by_model))
    others = xr.concat([d.reindex(stage=stages) for d in together.values()], "generation_model")
    whole = whole.transpose("generation_model", "stage", "recognition_model")
    return whole.assign(
        stage_number=stage_number,
        generation_family=("generation_model", [families[model] for model in by_model]),
        recognition_family=(
            "recognition_model",
            [families[recognition_model] for recognition_model in recognition_models],
        ),
        **others.drop_vars("stage").data_vars,
    )
