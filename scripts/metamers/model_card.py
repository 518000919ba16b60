"""Model cards: whether metamers can be made of a model, how well it names natural stimuli, and what a run would take.

Every check ends in words that say what is wrong and what would help; nothing here stops because of a finding.
"""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats
import torch
import xarray as xr

from metamers.benchmark import alternating, in_own_process, most_memory
from metamers.models import Model, build_network
from metamers.names import INPUT_STAGE
from metamers.preprocessing import PREPROCESSING
from metamers.recognize import answers, class_scores
from metamers.synthesize import check_stage, normalized_error, number_of_steps

STEPS = 3  # timed at each stage, after one that is not
# Of class scores, in units of their standard deviation: above rounding, far below what changes an answer.
TOLERANCE = 1e-3
CHANCE_P = 0.05
NOT_SURVIVED = "A process that took such a step was ended, most likely for want of memory. Lower synthesis.batch_size."


def absent_stages(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """Stages of a registry entry that the network does not have → why.

    Raises
    ------
    ValueError, FileNotFoundError
        When the network cannot be built.
    """
    network = build_network(name, entry, 0)
    preprocessing = PREPROCESSING[entry["modality"]](**entry["input"])
    absent = {}
    for stage, module in entry["stages"].items():
        try:
            Model(name, entry["modality"], preprocessing, network, {stage: module})
        except ValueError as error:
            absent[stage] = f"{error}. Name a module of the network, or leave the stage out."
    return absent


@torch.no_grad()
def places(model: Model, stimuli: torch.Tensor) -> dict[str, int]:
    """The place in which the model's run completes each stage's module for the first time; -1 where it never does.

    Parameters
    ----------
    model
        Whose stages are looked for.
    stimuli
        (stimulus, …signal).
    """
    reached: list[str] = [INPUT_STAGE]
    paths = {stage: entry["module"] for stage, entry in model.stages.items() if stage != INPUT_STAGE}

    def note(_module: torch.nn.Module, _inputs: tuple, _output: Any, stage: str) -> None:
        if stage not in reached:
            reached.append(stage)

    hooks = [
        model.module_at(path, stage).register_forward_hook(functools.partial(note, stage=stage))
        for stage, path in paths.items()
    ]
    try:
        model.scores(stimuli)
    finally:
        for hook in hooks:
            hook.remove()
    return {stage: reached.index(stage) if stage in reached else -1 for stage in model.stages}


def order_problem(place: Mapping[str, int]) -> str | None:
    """What is wrong with the order of a model's stages, or None.

    Parameters
    ----------
    place
        What ``places`` gives, stages in the registry's order.
    """
    listed = [stage for stage, number in place.items() if number >= 0]
    reached = sorted(listed, key=lambda stage: place[stage])
    if listed == reached:
        return None
    return (
        f"The registry lists the stages as {', '.join(listed)}, but the model's run reaches them as "
        f"{', '.join(reached)}: depth and report go by the registry's order, so list them as they are reached."
    )


def stage_problem(model: Model, stage: str, stimuli: torch.Tensor) -> str:
    """What keeps synthesis from working at a stage, as ``metamers.synthesize.check_stage`` says; else empty."""
    try:
        check_stage(model, stage, stimuli)
    except (ValueError, RuntimeError) as error:
        return str(error)
    return ""


def steadiness(model: Model, stimuli: torch.Tensor) -> dict[str, float]:
    """Whether class scores are the same twice, and alone as in a batch.

    Returns
    -------
    dict
        ``repeat_difference``, ``batch_difference``: largest differences, in standard deviations of the scores.
    """
    once, twice = (class_scores(model, stimuli) for _ in range(2))
    alone = class_scores(model, stimuli, batch_size=1)
    spread = float(once.std()) or 1.0
    return {
        "repeat_difference": float(np.abs(twice - once).max()) / spread,
        "batch_difference": float(np.abs(alone - once).max()) / spread,
    }


def unsteady(differences: Mapping[str, float]) -> list[str]:
    """What ``steadiness`` found wrong, in words."""
    found = []
    if differences["repeat_difference"] > 0:
        found.append(
            "The same stimuli give other class scores the second time (by up to "
            f"{differences['repeat_difference']:.2g} standard deviations): something random is active, such as dropout "
            "or noise. Make it stop in evaluation mode (`.eval()`), or draw it from a seed of its own."
        )
    elif differences["batch_difference"] > TOLERANCE:
        found.append(
            f"A stimulus alone gives other class scores than in a batch (by up to "
            f"{differences['batch_difference']:.2g} standard deviations): something is computed over the batch, "
            "such as a batch normalization without running statistics. Metamers would depend on their batch."
        )
    return found


def accuracy(
    scores: np.ndarray, categories: Sequence[str], classes: Mapping[str, Sequence[int]], model: str
) -> dict[str, float]:
    """How well a model names natural stimuli.

    Parameters
    ----------
    scores
        (stimulus, class).
    categories
        Of each stimulus.
    classes
        Category → class indices.
    model
        Its name, for messages.

    Returns
    -------
    dict
        ``top_1``: proportion whose highest-scoring class of all is of their category; ``forced_choice``: proportion
        that gets its category by ``metamers.recognize.answers``; ``categories``, ``natural_stimuli``: numbers.

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


def inaccurate(found: Mapping[str, float]) -> list[str]:
    """Whether a model names stimuli no better than guessing would, in words."""
    number = int(found["natural_stimuli"])
    right = round(found["forced_choice"] * number)
    p = scipy.stats.binomtest(right, number, 1 / found["categories"], alternative="greater").pvalue
    if p <= CHANCE_P:
        return []
    return [
        f"By forced choice among {found['categories']} categories it names {right} of {number} natural stimuli right, "
        f"no better than guessing (p = {p:.2f}). Are these the right weights, is `input` the model's own "
        "preprocessing, and does the dataset's `categories` table have the model's class indices?"
    ]


def _measure_here(model: Model, stage: str, natural: torch.Tensor, start: torch.Tensor) -> tuple[float, float]:
    with torch.no_grad():
        target = model(natural, stage)

    def step() -> None:
        metamers = start.clone().requires_grad_()
        normalized_error(target, model(metamers, stage)).sum().backward()

    return float(np.median(alternating(STEPS, step=step)["step"])), most_memory()


def cost(model: Model, stage: str, natural: torch.Tensor, start: torch.Tensor) -> dict[str, float]:
    """What a step of synthesis takes at a stage, measured in a process of its own.

    A process's memory does not shrink, so stages measured in one process would be charged with each other's. On a GPU,
    which processes cannot share like that, it is measured here, and memory is not known.

    Parameters
    ----------
    model, stage
        Where.
    natural, start
        A batch of stimuli and of noise (stimulus, …signal).

    Returns
    -------
    dict
        ``step_seconds``: median of forward and backward; ``peak_memory``: of the whole process, in MB; NaN where the
        stage allows no step or the process did not survive it.
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
    """What the synthesis of a run's metamers would take.

    Parameters
    ----------
    card
        (stage) → ``step_seconds``.
    settings
        ``stages``, ``stimuli``, ``seeds`` of the run, and ``synthesis``: settings of its procedure.
    batch
        How many metamers were optimized at once when steps were timed.
    signal
        Values of one stimulus.

    Returns
    -------
    dict
        ``run_hours`` of one core, of the stages where synthesis works; ``run_size`` in MB, 32-bit metamers and what is
        exported of them, before compression.
    """
    metamers = len(settings["stimuli"]) * settings["seeds"]
    steps = number_of_steps(settings["synthesis"])
    seconds = card["step_seconds"].sel(stage=[s for s in settings["stages"] if s in card["stage"].values])
    works = int(seconds.notnull().sum())
    exported = 1 if settings["modality"] == "vision" else 2  # bytes of a value
    return {
        "run_hours": float(seconds.sum()) * steps * metamers / batch / 3600,
        "run_size": works * metamers * signal * (4 + exported) / 1e6,
    }


def page_context(card: xr.Dataset, entry: Mapping[str, Any], settings: Mapping[str, Any], run: str) -> dict[str, Any]:
    """Everything that the card's page names.

    Parameters
    ----------
    card
        What the rule ``model_card`` makes.
    entry
        The model's registry entry.
    settings
        As for ``run_estimate``.
    run
        The run's name.
    """
    stages = card[["place", "units", "step_seconds", "peak_memory", "problem"]].to_dataframe().reset_index()
    findings = [line for line in card.attrs["findings"].splitlines() if line]
    source = {kind: place for kind, place in entry["source"].items() if kind != "arguments"}
    (kind, origin), *_ = entry["weights"].items()
    return {
        "run": run,
        "model": card.attrs["model"],
        "modality": entry["modality"],
        "source": ", ".join(f"{key}: {value}" for key, value in source.items()),
        "weights": f"{kind}: {origin}" if kind != "train" else "trained by the run",
        "random": kind == "random",
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
        **{name: float(card[name]) for name in card.data_vars if card[name].ndim == 0},
    }
