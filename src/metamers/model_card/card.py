"""Model cards: whether synthesis works with a model, how well it recognizes natural stimuli, and the cost of a run.

Each check returns a message with the problem and its remedy; a finding never raises an exception.
"""

import contextlib
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats
import torch
import xarray as xr

from metamers.compare.verdict import Evidence, Verdict, verdict
from metamers.modalities import MODALITIES
from metamers.models.build import build_network
from metamers.models.classes import class_scores
from metamers.models.cost import alternating, in_own_process, most_memory
from metamers.models.device import wait_for
from metamers.models.model import Model, activations
from metamers.models.preprocessing import build_preprocessing
from metamers.models.stability import stability
from metamers.names import INPUT_STAGE, plural
from metamers.recognize.recognition import answers
from metamers.synthesize.losses import normalized_error
from metamers.synthesize.metamers import check_stage
from metamers.synthesize.qualities import number_of_steps
from metamers.train.readout import described_readout

TIMED_STEPS = 3  # timed steps at each stage, after one that is not timed
CHANCE_P = 0.05
NOT_SURVIVED = "The process that took such a step was killed, most likely because memory ran out."


def absent_stages(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the stages of a registry entry that the network lacks: stage → reason.

    Raises
    ------
    ValueError, FileNotFoundError
        When the network cannot be built.
    """
    network = build_network(name, entry, 0)
    preprocessing = build_preprocessing(name, entry)
    absent = {}
    for stage, module in entry["stages"].items():
        try:
            Model(name, entry["modality"], preprocessing, network, {stage: module})
        except ValueError as error:
            absent[stage] = f"{error}. Name a module of the network, or leave the stage out."
    return absent


@torch.no_grad()
def places(model: Model, stimuli: torch.Tensor) -> dict[str, int]:
    """Return the order in which the model's forward pass first completes each stage.

    Parameters
    ----------
    model
        The model.
    stimuli
        (stimulus, …signal).

    Returns
    -------
    dict
        Stage → place, 0 for the input; -1 for a stage that the forward pass does not reach.
    """
    reached: list[str] = [INPUT_STAGE]

    def note(stage: str) -> None:
        if stage not in reached:
            reached.append(stage)

    hooks = [
        model.on_stage(stage, lambda _, stage=stage: note(stage)) for stage in model.stages if stage != INPUT_STAGE
    ]
    try:
        model.run(stimuli)
    finally:
        for hook in hooks:
            hook.remove()
    return {stage: reached.index(stage) if stage in reached else -1 for stage in model.stages}


def order_problem(place: Mapping[str, int]) -> str | None:
    """Describe a wrong order of a model's stages; None if the order is right.

    Parameters
    ----------
    place
        The result of ``places``, with stages in the registry's order.
    """
    listed = [stage for stage, number in place.items() if number >= 0]
    reached = sorted(listed, key=lambda stage: place[stage])
    if listed == reached:
        return None
    return (
        f"The registry lists the stages as {', '.join(listed)}, but the model's forward pass reaches them in the order "
        f"{', '.join(reached)}. Depth and report use the registry's order, so list the stages in the latter order."
    )


def stage_problem(model: Model, stage: str, stimuli: torch.Tensor) -> str:
    """Return why synthesis cannot work at a stage (``metamers.synthesize.metamers.check_stage``); empty if it can."""
    try:
        check_stage(model, stage, stimuli)
    except (ValueError, RuntimeError) as error:
        return str(error)
    return ""


def score_stability(model: Model, stimuli: torch.Tensor) -> dict[str, float]:
    """The ``stability`` of class scores, or, without classes, of the activations at the last stage."""

    def outputs(fitted: torch.Tensor) -> torch.Tensor:
        if model.classes:
            return torch.from_numpy(class_scores(model, fitted, len(fitted)))
        return torch.from_numpy(activations(model, fitted, [*model.stages][-1], len(fitted)))

    return stability(outputs, stimuli)


def accuracy(
    scores: np.ndarray, categories: Sequence[str], classes: Mapping[str, Sequence[int]], model: str
) -> dict[str, float]:
    """Measure how well a model recognizes natural stimuli.

    Parameters
    ----------
    scores
        Class scores (stimulus, class).
    categories
        Category of each stimulus.
    classes
        Category → class indices.
    model
        The model's name, for messages.

    Returns
    -------
    dict
        ``top_1``: proportion of stimuli whose highest-scoring class belongs to their category; ``forced_choice``:
        proportion correct of ``metamers.recognize.recognition.answers``; ``categories``, ``natural_stimuli``: their
        numbers.

    Raises
    ------
    ValueError
        When a category names a class that the model does not have.
    """
    chosen = answers(scores, classes, model)
    best = scores.argmax(axis=1)
    right = [index in classes[category] for index, category in zip(best, categories, strict=True)]
    return {
        "top_1": float(np.mean(right)),
        "forced_choice": float(np.mean(chosen == np.asarray(categories))),
        "categories": len(classes),
        "natural_stimuli": len(categories),
    }


def accuracy_problems(accuracy: Mapping[str, float]) -> list[str]:
    """Describe an accuracy that is not better than guessing."""
    number = int(accuracy["natural_stimuli"])
    right = round(accuracy["forced_choice"] * number)
    p = scipy.stats.binomtest(right, number, 1 / accuracy["categories"], alternative="greater").pvalue
    if p <= CHANCE_P:
        return []
    return [
        f"By forced choice among {accuracy['categories']} categories, the model recognizes {right} of {number} natural "
        f"stimuli, which is not better than guessing (p = {p:.2f}). Are these the right weights, does `input` describe "
        "the model's own preprocessing, and does the dataset's `categories` table have the model's class indices?"
    ]


def _measure_here(model: Model, stage: str, natural: torch.Tensor, start: torch.Tensor) -> tuple[float, float]:
    with torch.no_grad():
        target = model(natural, stage)

    def step() -> None:
        metamers = start.clone().requires_grad_()
        normalized_error(target, model(metamers, stage)).sum().backward()
        wait_for(start.device)

    return float(np.median(alternating(TIMED_STEPS, step=step)["step"])), most_memory()


def cost(model: Model, stage: str, natural: torch.Tensor, start: torch.Tensor) -> dict[str, float]:
    """Measure time and memory of one step of synthesis at a stage.

    Each stage is measured in a separate process, because the peak memory of a process includes that of earlier stages.
    A GPU cannot be shared with a forked process; there, time is measured in this process and memory is unknown.

    Parameters
    ----------
    model, stage
        The model and its stage.
    natural, start
        A batch of stimuli and of noise (stimulus, …signal).

    Returns
    -------
    dict
        ``step_seconds``: median time of forward and backward pass; ``peak_memory``: of the whole process, in MB. NaN if
        no step is possible at the stage or the process was killed.
    """
    measure = functools.partial(_measure_here, model, stage, natural, start)
    if natural.device.type == "cpu":
        seconds, memory = in_own_process(measure) or (float("nan"), float("nan"))
        return {"step_seconds": seconds, "peak_memory": memory}
    seconds = float("nan")
    with contextlib.suppress(RuntimeError, ValueError):
        seconds, _ = measure()
    return {"step_seconds": seconds, "peak_memory": float("nan")}


def run_estimate(card: xr.Dataset, settings: Mapping[str, Any], batch: int, signal: int) -> dict[str, float]:
    """Estimate time and size of the synthesis of a run's metamers.

    Parameters
    ----------
    card
        (stage) → ``step_seconds``.
    settings
        ``stages``, ``stimuli`` and ``seeds`` of the run, and ``synthesis``, the settings of its procedure.
    batch
        Number of metamers in the batch that was timed.
    signal
        Number of values of one stimulus.

    Returns
    -------
    dict
        ``run_hours``: hours of one core for the stages at which synthesis works; ``run_size``: MB of 32-bit metamers
        and their exports before compression.
    """
    metamers = len(settings["stimuli"]) * settings["seeds"]
    steps = number_of_steps(settings["synthesis"])
    seconds = card["step_seconds"].sel(stage=[s for s in settings["stages"] if s in card["stage"].values])
    works = int(seconds.notnull().sum())
    exported = MODALITIES[settings["modality"]].bytes_per_value
    return {
        "run_hours": float(seconds.sum()) * steps * metamers / batch / 3600,
        "run_size": works * metamers * signal * (4 + exported) / 1e6,
    }


def planned_verdict(settings: Mapping[str, Any]) -> Verdict:
    """Return the verdict of the run before its results: what it lacks, whatever the recognition models will answer.

    Parameters
    ----------
    settings
        ``stimuli`` of the run; ``unrelated_families`` of ``metamers.compare.verdict.Evidence``, and ``match_suffices``:
        whether the metamers of all stages may converge.
    """
    conditions = settings["unrelated_families"], settings["match_suffices"]
    return verdict(Evidence(math.nan, math.nan, math.nan, len(settings["stimuli"]), *conditions, math.nan))


def weights_in_words(weights: Mapping[str, Any]) -> str:
    """Where the weights of a model come from, as a model card says it."""
    if published := weights.get("pretrained"):
        place = f"{published['hub']} at {published['revision']}" if "hub" in published else published["url"]
        return f"published: {published['weights_name']} ({place})"
    (kind, origin), *_ = weights.items()
    return {"train": "trained by the run", "builder": "loaded by the builder"}.get(kind, f"{kind}: {origin}")


def page_context(
    card: xr.Dataset, entry: Mapping[str, Any], settings: Mapping[str, Any], run: str, readout: xr.Dataset | None = None
) -> dict[str, Any]:
    """Return the values for the template of the card's page.

    Parameters
    ----------
    card
        The Dataset of the rule ``model_card``.
    entry
        The model's registry entry.
    settings
        As for ``run_estimate``.
    run
        The run's name.
    readout
        Result of the rule ``train_readout``; None for a model without a readout.
    """
    stages = card[["place", "units", "step_seconds", "peak_memory", "problem"]].to_dataframe().reset_index()
    findings = [line for line in card.attrs["findings"].splitlines() if line]
    source = {kind: place for kind, place in entry["source"].items() if kind != "arguments"}
    return {
        "run": run,
        "model": card.attrs["model"],
        "modality": entry["modality"],
        "source": ", ".join(f"{key}: {value}" for key, value in source.items()),
        "weights": weights_in_words(entry["weights"]),
        "random": "random" in entry["weights"],
        "classes": entry.get("classes", True),
        "readout": None if readout is None else described_readout(readout),
        "findings": findings,
        "broken": int((stages["problem"] != "").sum()),
        "stages": stages.to_dict("records"),
        "batch": card.attrs["batch"],
        "device": card.attrs["device"],
        "dataset": settings["dataset"],
        "metamers": {
            "stages": len(settings["stages"]),
            "stimuli": len(settings["stimuli"]),
            "seeds": settings["seeds"],
        },
        "steps": number_of_steps(settings["synthesis"]),
        "at_most": "max_steps" in settings["synthesis"],
        "category_nouns": plural(card.attrs["category_noun"]),
        **{name: float(card[name]) for name in card.data_vars if card[name].ndim == 0},
    }
