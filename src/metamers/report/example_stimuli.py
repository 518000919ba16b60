"""Examples on the report's overview: one stimulus with its metamers and the answers of all models, chosen by a rule.

The rule is the same for every run and every result: the example is the stimulus whose recognition by other models is
nearest to the mean of all stimuli. It does not select stimuli that show a particular result.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from metamers.modalities import MODALITIES
from metamers.names import INPUT_STAGE, NATURAL
from metamers.report.browser import link
from metamers.report.contrasts import contrast_sentence, contrast_stages
from metamers.report.media import address
from metamers.report.training import settings_of

MOST_STAGES = 5  # largest number of stages of an example
MOST_ANSWERS = 2  # largest number of different answers below a picture
ADVERSARIAL = "adversarial"  # kind of training, in a training's settings and in the published table


def stages_of_example(stages: Sequence[str]) -> list[str]:
    """At most ``MOST_STAGES`` stages, evenly spread from the first one after the input to the last."""
    later = [stage for stage in stages if stage != INPUT_STAGE] or list(stages)
    places = np.linspace(0, len(later) - 1, min(MOST_STAGES, len(later))).round().astype(int)
    return [later[place] for place in places]


def recognized_by(recognition: Mapping[str, xr.Dataset], recognition_models: Sequence[str]) -> xr.DataArray:
    """Proportion of the recognition models that are correct, (stage, stimulus, seed); ``natural`` first."""
    return sum(
        recognition[recognition_model]["correct"].astype(float) for recognition_model in recognition_models
    ) / len(recognition_models)


def nearest_to_mean(values: xr.DataArray, accepted: xr.DataArray) -> tuple[str, int]:
    """The stimulus and seed whose values are nearest to the mean; the first one if several are.

    Candidates have accepted metamers at all stages or, if no stimulus has, at as many stages as possible.

    Parameters
    ----------
    values
        (stage, stimulus, seed), proportions; the distance is the sum over stages of absolute differences from the mean
        of the accepted metamers.
    accepted
        (stage, stimulus, seed), the same stages.

    Returns
    -------
    stimulus, seed
        Coordinates of the choice.
    """
    dims = ("stage", "stimulus", "seed")
    accepted = accepted.transpose(*dims).astype(bool)
    values = values.transpose(*dims).sel(stimulus=accepted["stimulus"].values, seed=accepted["seed"].values)
    known = values.where(accepted)
    distance = np.abs(known - known.mean(("stimulus", "seed"))).sum("stage")
    count = accepted.sum("stage")
    distance = distance.where(count == count.max(), np.inf).values
    stimulus, seed = np.unravel_index(np.argmin(distance), distance.shape)
    return str(accepted["stimulus"].values[stimulus]), int(accepted["seed"].values[seed])


def answers_of(recognition_models: Mapping[str, str], category: str) -> list[dict[str, Any]]:
    """Answers of other models to one stimulus, the most frequent one first.

    Parameters
    ----------
    recognition_models
        Recognition model → answer.
    category
        Category of the natural stimulus.

    Returns
    -------
    list
        For at most ``MOST_ANSWERS`` answers ``answer``, ``right``, and ``who``: the model's name if there is a single
        other model, else the number of models. The other answers are one entry with the answer None.
    """
    counts = Counter(recognition_models.values())
    ordered = sorted(counts, key=lambda answer: (-counts[answer], answer != category, answer))
    total = len(recognition_models)

    def who(count: int) -> str:
        return next(iter(recognition_models)) if total == 1 else f"{count} of {total} others"

    shown = [
        {"answer": answer, "right": answer == category, "who": who(counts[answer])} for answer in ordered[:MOST_ANSWERS]
    ]
    if rest := sum(counts[answer] for answer in ordered[MOST_ANSWERS:]):
        shown.append({"answer": None, "right": False, "who": who(rest)})
    return shown


def cell(
    name: str,
    modality: str,
    recognition: Mapping[str, xr.Dataset],
    recognition_models: Sequence[str],
    acceptance: xr.Dataset,
    stage: str,
    stimulus: str,
    seed: int,
) -> dict[str, Any]:
    """One stimulus of an example: its files in ``media/``, and what the models call it.

    Parameters
    ----------
    name, modality
        The generation model, and its modality.
    recognition
        Recognition model → ``answer`` (stage, stimulus, seed).
    recognition_models
        The other models whose answers are shown.
    acceptance
        (stage, stimulus, seed) → ``accepted`` and ``normalized_error`` of the generation model's metamers.
    stage, stimulus, seed
        The metamer, or, for the stage ``natural``, the natural stimulus.

    Returns
    -------
    dict
        ``model``, ``stage``, ``natural``, ``category``, ``label``, ``accepted``, ``error``: the normalized error (None
        for the natural stimulus), ``picture``, ``pictured``: ``Modality.picture``, ``sound`` (None
        if the stimulus is not played), ``link`` to the metamer browser,
        ``itself``: answer of the generation model (None if it was not asked), ``right``: whether that is the category,
        and ``others``: the result of ``answers_of``.
    """
    natural, made = stage == NATURAL, {"stimulus": stimulus, "seed": seed}
    place = {"stage": stage, **made}
    one = acceptance.sel(made if natural else place)
    category = str(one["category"].values)
    answers = {
        recognition_model: str(data["answer"].sel(place).values) for recognition_model, data in recognition.items()
    }
    file = address(name, stage, stimulus if natural else f"{stimulus}_{seed}")
    return {
        "model": name,
        "stage": stage,
        "natural": natural,
        "category": category,
        "label": str(one["label"].values),
        "accepted": natural or bool(one["accepted"]),
        "error": None if natural else float(one["normalized_error"]),
        "picture": f"{file}.png",
        "pictured": MODALITIES[modality].picture,
        "sound": f"{file}{MODALITIES[modality].suffix}" if MODALITIES[modality].played else None,
        "link": link(name, None if natural else stage, stimulus, None if natural else seed),
        "itself": answers.get(name),
        "right": answers.get(name) == category,
        "others": answers_of(
            {recognition_model: answers[recognition_model] for recognition_model in recognition_models}, category
        ),
    }


def with_natural(accepted: xr.DataArray) -> xr.DataArray:
    """Acceptance with the stage ``natural`` first, which needs no acceptance: all True."""
    stages = [NATURAL, *accepted["stage"].values]
    return accepted.astype(bool).reindex(stage=stages, fill_value=True).transpose("stage", "stimulus", "seed")


def example_model(models: Mapping[str, Mapping[str, Any]], modality: str) -> str:
    """The generation model of a modality with the most stages after the input; the first one if several have as many.

    Parameters
    ----------
    models
        Generation model → ``modality`` and ``chosen``, its stages in the run.
    modality
        A modality with at least one model.
    """
    count = {
        name: sum(stage != INPUT_STAGE for stage in entry["chosen"])
        for name, entry in models.items()
        if entry["modality"] == modality
    }
    return max(count, key=lambda name: count[name])


def example(name: str, modality: str, acceptance: xr.Dataset, recognition: Mapping[str, xr.Dataset]) -> dict[str, Any]:
    """One natural stimulus and its metamers over the stages of a model, with all models' answers.

    Parameters
    ----------
    name, modality
        The generation model, and its modality.
    acceptance
        (stage, stimulus, seed) → ``accepted`` and ``normalized_error`` of its metamers.
    recognition
        Recognition model → ``answer`` and ``correct`` (stage, stimulus, seed), stage ``natural`` first.

    Returns
    -------
    dict
        ``model``; ``cells``: results of ``cell``, the natural stimulus first; ``whole``: whether the metamers of all
        these stages are accepted; ``candidates``: number of stimuli with accepted metamers of all
        these stages; ``stimuli``: number of all stimuli;
        ``judged``: whether other models answered.
    """
    accepted = with_natural(acceptance["accepted"])
    stages = [NATURAL, *stages_of_example(accepted["stage"].values[1:].tolist())]
    recognition_models = [recognition_model for recognition_model in recognition if recognition_model != name]
    of_stages = accepted.sel(stage=stages)
    values = (
        recognized_by(recognition, recognition_models).sel(stage=stages)
        if recognition_models
        else xr.ones_like(of_stages, float)
    )
    stimulus, seed = nearest_to_mean(values, of_stages)
    cells = [
        cell(name, modality, recognition, recognition_models, acceptance, stage, stimulus, seed) for stage in stages
    ]
    return {
        "model": name,
        "cells": cells,
        "whole": all(one["accepted"] for one in cells),
        "candidates": int(of_stages.all("stage").any("seed").sum()),
        "stimuli": accepted.sizes["stimulus"],
        "judged": bool(recognition_models),
    }


def adversarially_trained(
    models: Mapping[str, Mapping[str, Any]], trained: Mapping[str, xr.Dataset], relation: xr.Dataset
) -> set[str]:
    """Generation models with adversarial training: trained this way in this run, or published with this class.

    Parameters
    ----------
    models
        Generation model → ``published_as``: its name in the published table, or None.
    trained
        Model → result of the rule ``train_model``.
    relation
        Result of ``metamers.compare.humans_vs_models.humans_vs_models``.
    """
    published = zip(relation["generation_model"].values.ravel(), relation["model_class"].values.ravel(), strict=True)
    robust = {str(name) for name, kind in published if kind == ADVERSARIAL}
    found = set()
    for name, entry in models.items():
        if name in trained:
            perturbation = settings_of(trained[name])[0]["perturbation"]
            if perturbation is not None and perturbation["kind"] == ADVERSARIAL:
                found.add(name)
        elif entry["published_as"] in robust:
            found.add(name)
    return found


def remedies(contrasts: xr.Dataset, robust: set[str]) -> list[str]:
    """Contrasts of a model with adversarial training and one without, in the order of the configuration."""
    pairs = zip(*(map(str, contrasts[name].values) for name in ("contrast", "model", "reference")), strict=True)
    return [name for name, model, reference in pairs if model in robust and reference not in robust]


def remedy(
    contrast: xr.Dataset,
    modality: str,
    acceptance: Mapping[str, xr.Dataset],
    recognition: Mapping[str, Mapping[str, xr.Dataset]],
) -> dict[str, Any]:
    """One contrast in numbers and by an example: the same natural stimulus, and a metamer of each of the two models.

    The example is at the last shared stage at which both models have accepted metamers of a stimulus. Of the stimuli
    that all recognition models of the contrast recognize when natural (of all stimuli, if there is none), it is the one
    whose difference in recognition is nearest to their mean difference.

    Parameters
    ----------
    contrast
        One contrast of the result of ``metamers.compare.contrasts.contrasts``.
    modality
        Modality of the two models.
    acceptance
        Generation model → ``accepted`` and ``normalized_error`` (stage, stimulus, seed), for the two models.
    recognition
        Generation model → recognition model → ``answer`` and ``correct``, for the two models.

    Returns
    -------
    dict
        The result of ``metamers.report.contrasts.contrast_sentence``, and ``cells``: results of ``cell`` for the
        natural stimulus, the reference and the model; empty if no stimulus has accepted metamers of both.
    """
    said = contrast_sentence(contrast)
    pair = (said["reference"], said["model"])
    recognition_models = said["judged_by"].split(", ")
    accepted = {name: with_natural(acceptance[name]["accepted"]) for name in pair}
    cells: list[dict[str, Any]] = []
    for stage in reversed(contrast_stages(contrast)):
        both = accepted[pair[0]].sel(stage=[stage]) & accepted[pair[1]].sel(stage=[stage])
        if not both.any():
            continue
        one, other = (recognized_by(recognition[name], recognition_models).sel(stage=[stage]) for name in pair)
        natural = recognized_by(recognition[pair[0]], recognition_models).sel(stage=NATURAL, drop=True)
        known = both & (natural == 1)
        stimulus, seed = nearest_to_mean(other - one, known if known.any() else both)
        shown = [(pair[0], NATURAL), (pair[0], stage), (pair[1], stage)]
        cells = [
            cell(name, modality, recognition[name], recognition_models, acceptance[name], at, stimulus, seed)
            for name, at in shown
        ]
        break
    return said | {"cells": cells}
