"""Scale: time, GPU hours, storage and cost of a whole study, predicted from the benchmark.

The time of a step is the sum of two parts: one proportional to the size of the stimulus (front end, optimizer), one to
the counted operations of matrix products and convolutions up to the stage. Both factors are fitted to the benchmark's
times; ``compare_jobs`` and ``seconds_of_step`` measure the accuracy of the prediction.
"""

import csv
import gc
import io
import json
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.optimize import nnls
from torch.utils.flop_counter import FlopCounterMode

from metamers.models.graph import unfused_attention
from metamers.models.load import load_model
from metamers.models.model import Model
from metamers.names import INPUT_STAGE
from metamers.synthesize.drafts import in_low_precision, supports_low_precision
from metamers.synthesize.losses import normalized_error
from metamers.synthesize.qualities import batch_size_of, number_of_steps

logger = logging.getLogger("metamers")

# Peak dense throughput in operations per second, from the makers' data sheets; float32 without tensor cores.
CARDS = {
    "A100 SXM": {"float32": 19.5e12, "bfloat16": 312e12},
    "H100 SXM": {"float32": 67e12, "bfloat16": 989e12},
}
UTILIZATION = 0.3  # part of the float32 peak: assumed, because no GPU was measured

STEP = 2  # cost of a step in forward runs: forward, and backward to the stimulus without the weights
HOUR = 3600
GIGABYTE = 1e9
JOBS_OF_MODEL = 3  # export, null distribution, acceptance
JOBS_OF_BATCH = 2  # synthesis at a stage, and its measures
MANY = 1000  # models

# (model, stage) → seconds of a step of one stimulus.
Clock = Callable[[str, str], float]
FLOAT32: dict[str, Any] = {}  # settings without low precision


class Architecture(NamedTuple):
    """Counted operations and measured times of a model."""

    modality: str
    values: int  # number of values of a stimulus
    operations: Mapping[str, float]  # stage → operations of a forward run up to it
    seconds: tuple[float, float]  # time of a step at the last stage, in float32 and in low precision


class Cost(NamedTuple):
    """Seconds of a step of one stimulus, per value of the stimulus and per operation."""

    per_value: float
    per_operation: float


class Plan(NamedTuple):
    """Planned metamers: models, numbers of stimuli and seeds, and recognition models."""

    generation: Mapping[str, Sequence[str]]  # model → stages
    recognition_models: Sequence[str]
    settings: Mapping[str, Mapping[str, Any]]  # modality → settings of the procedure
    stimuli: int  # number for each modality
    seeds: int
    batch_size: int | str
    models_per_job: int
    copies: float = 1  # number of copies of each generation model
    recognition_copies: float = 1


@torch.no_grad()
def stage_operations(model: Model, stimulus: torch.Tensor) -> dict[str, float]:
    """Floating-point operations of a forward run up to each stage: products of matrices and convolutions.

    A multiplication and an addition count as two. Fourier transforms and elementwise operations are not counted.

    Parameters
    ----------
    stimulus
        One stimulus, (1, …signal).

    Raises
    ------
    ValueError
        When a stage's module does not run.
    """
    found = {INPUT_STAGE: 0.0}
    counter = FlopCounterMode(display=False)

    def note(stage: str) -> None:
        found.setdefault(stage, float(counter.get_total_flops()))  # the first time, because synthesis stops there

    hooks = [
        model.on_stage(stage, lambda _, stage=stage: note(stage)) for stage in model.stages if stage != INPUT_STAGE
    ]
    try:
        with unfused_attention(), counter:  # fused attention would not be counted
            model.run(stimulus)
    finally:
        for hook in hooks:
            hook.remove()
    if missing := model.stages.keys() - found.keys():
        raise ValueError(
            f"models: {model.name}.stages: {', '.join(sorted(missing))}: the model's run does not use the module"
        )
    return {stage: found[stage] for stage in model.stages}


def seconds_of_step(model: Model, stage: str, stimulus: torch.Tensor) -> tuple[float, float]:
    """Time of one step of one stimulus, in float32 and in low precision (float32 if the stage does not support it).

    The optimizer is not included. An untimed forward run precedes.
    """
    with torch.no_grad():
        target = model(stimulus, stage).float()

    def timed(precision: Callable[[], Any]) -> float:
        metamer = (stimulus + 0.01).requires_grad_()
        began = time.perf_counter()
        with precision():
            synthetic = model(metamer, stage).float()
        normalized_error(target, synthetic).sum().backward()
        return time.perf_counter() - began

    exact = timed(nullcontext)
    return exact, timed(lambda: in_low_precision(model)) if supports_low_precision(model, stage) else exact


def fit_cost(operations: Sequence[float], seconds: Sequence[float], values: Sequence[int]) -> Cost:
    """Fit seconds = a × values + b × operations with a, b ≥ 0, by least squares of relative errors.

    Parameters
    ----------
    operations, seconds
        Operations and time of whole steps of one stimulus.
    values
        Number of values of the stimulus.
    """
    terms = np.array([values, operations], dtype=float)
    scale = terms.max(axis=1)
    scale[scale == 0] = 1
    found, _ = nnls((terms / scale[:, None] / np.asarray(seconds)).T, np.ones(len(seconds)))
    return Cost(*map(float, found / scale))


def fitted_clock(architectures: Mapping[str, Architecture], costs: Mapping[str, Cost]) -> Clock:
    """Seconds of steps, from the fitted costs (modality → cost)."""

    def seconds(name: str, stage: str) -> float:
        one = architectures[name]
        per_value, per_operation = costs[one.modality]
        return per_value * one.values + per_operation * STEP * one.operations[stage]

    return seconds


def timed_clock(
    architectures: Mapping[str, Architecture], costs: Mapping[str, Cost], settings: Mapping[str, Mapping[str, Any]]
) -> Clock:
    """Fitted seconds, scaled by the ratio of timed to fitted seconds at each model's last stage.

    The precision is that of the procedure's settings, ``settings`` (modality → settings).
    """
    fitted = fitted_clock(architectures, costs)

    def seconds(name: str, stage: str) -> float:
        one = architectures[name]
        return fitted(name, stage) * timed_step(one, settings[one.modality]) / fitted(name, list(one.operations)[-1])

    return seconds


def timed_step(architecture: Architecture, settings: Mapping[str, Any]) -> float:
    """Seconds of a step at a model's last stage, weighted by the share of steps in each precision."""
    exact, low = architecture.seconds
    share = settings.get("low_precision", 0)
    return (1 - share) * exact + share * low


def predict(
    plan: Plan,
    architectures: Mapping[str, Architecture],
    clocks: Mapping[str, tuple[Clock, Clock]],
    bytes_per_value: Mapping[str, float],
) -> dict[str, float]:
    """Predicted cost of a plan.

    Every recognition model of a modality classifies each metamer of the modality once; a forward run takes half as long
    as a step. Loading, writing and complementary analyses are not included.

    Parameters
    ----------
    clocks
        Name → seconds of steps of synthesis, and of recognition (in float32). Each pair gives ``core_hours``, of
        synthesis, and ``recognition_core_hours``, with the name appended.
    bytes_per_value
        Modality → bytes on disk for each value of a metamer and of its loss.

    Returns
    -------
    dict
        ``models``, ``judging_models``, ``metamers``, ``recognitions``, ``planned_jobs``, ``storage`` in GB,
        ``total_operations``, ``recognition_operations``, and the clocks' hours.
    """
    modalities = dict.fromkeys(architectures[name].modality for name in plan.generation)
    parts = [_of_modality(plan, modality, architectures, clocks, bytes_per_value[modality]) for modality in modalities]
    return {key: sum(part[key] for part in parts) for key in parts[0]}


def _of_modality(
    plan: Plan,
    modality: str,
    architectures: Mapping[str, Architecture],
    clocks: Mapping[str, tuple[Clock, Clock]],
    bytes_per_value: float,
) -> dict[str, float]:
    """Result of ``predict``, of one modality."""

    def of_modality(names: Iterable[str]) -> list[str]:
        return [name for name in names if architectures[name].modality == modality]

    def last(name: str) -> str:
        return list(architectures[name].operations)[-1]

    generation, recognition_models = of_modality(plan.generation), of_modality(plan.recognition_models)
    places = [(name, stage) for name in generation for stage in plan.generation[name]]
    of_place = plan.stimuli * plan.seeds * plan.copies  # metamers
    steps = number_of_steps(plan.settings[modality])
    metamers = len(places) * of_place
    values = sum(architectures[name].values + steps for name, _ in places) * of_place
    of_recognition = sum(architectures[name].operations[last(name)] for name in recognition_models)
    asked = len(recognition_models) * plan.recognition_copies
    groups = math.ceil(asked / plan.models_per_job)
    batches = math.ceil(plan.stimuli / batch_size_of(plan.batch_size, plan.settings[modality], plan.seeds, "cuda"))
    jobs_of_model = JOBS_OF_MODEL + groups
    found = {
        "models": len(generation) * plan.copies,
        "judging_models": asked,
        "metamers": metamers,
        "recognitions": metamers * asked,
        "planned_jobs": plan.copies * (JOBS_OF_BATCH * len(places) * batches + len(generation) * jobs_of_model)
        + groups,  # answers to the natural stimuli
        "storage": values * bytes_per_value / GIGABYTE,
        "total_operations": steps * of_place * STEP * sum(architectures[name].operations[at] for name, at in places),
        "recognition_operations": metamers * of_recognition * plan.recognition_copies,
    }
    for clock, (synthesis, recognition) in clocks.items():
        found[f"core_hours{clock}"] = steps * of_place * sum(synthesis(*place) for place in places) / HOUR
        forward = sum(recognition(name, last(name)) for name in recognition_models) * plan.recognition_copies / STEP
        found[f"recognition_core_hours{clock}"] = metamers * forward / HOUR
    return found


def architectures_of(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Architecture]:
    """Operations and times of the models of registry entries, with random weights; equal entries are measured once."""
    known: dict[str, Architecture] = {}
    found = {}
    for name, entry in entries.items():
        key = json.dumps([entry["source"], entry["input"], entry["stages"]], sort_keys=True)
        if key not in known:
            gc.collect()  # frees the previous model, which may hold reference cycles
            model = load_model(name, entry, None, torch.device("cpu"))
            stimulus = model.preprocessing.example()
            operations = stage_operations(model, stimulus)
            seconds = seconds_of_step(model, list(operations)[-1], stimulus)
            known[key] = Architecture(model.modality, stimulus.numel(), operations, seconds)
            logger.info("%s: %.2f GFLOP forward, %.2f s a step", name, max(operations.values()) / 1e9, seconds[0])
        found[name] = known[key]
    return found


def costs_of(
    timed: Mapping[str, xr.Dataset], architectures: Mapping[str, Architecture], quality: str
) -> dict[str, Cost]:
    """Modality → fitted cost of steps of a quality, from the results of ``studies.benchmark.speed.speed``, by model."""
    rows: dict[str, list[tuple[float, float, int]]] = {}
    for name, of_model in timed.items():
        one = architectures[name]
        medians = of_model["seconds_per_step"].sel(variant=quality).median("repeat").to_series()
        rows.setdefault(one.modality, []).extend(
            (STEP * one.operations[stage], seconds, one.values) for stage, seconds in medians.items()
        )
    return {modality: fit_cost(*zip(*of_modality, strict=True)) for modality, of_modality in rows.items()}


def predict_study(
    study: Mapping[str, Any],
    architectures: Mapping[str, Architecture],
    costs: Mapping[str, Cost],
    bytes_per_value: Mapping[str, float],
    prices: Mapping[str, float],
) -> xr.Dataset:
    """Predict the cost of the study and of ``MANY`` similar models, for benchmarked modalities.

    Parameters
    ----------
    study
        ``generation`` (model → stages), ``recognition_models``, ``qualities`` (name → modality → settings),
        ``stimuli``, ``seeds``, ``batch_size``, ``models_per_job``.
    architectures
        Model → architecture, for all models of the study.
    costs, bytes_per_value
        Modality → cost, and as for ``predict``.
    prices
        US dollars of a ``gpu_hour`` and a ``core_hour``, assumed.

    Returns
    -------
    xarray.Dataset
        (plan) → the result of ``predict``, ``cost_cores`` and ``cost_cores_timed`` in US dollars; (plan, card) →
        ``gpu_hours``, ``recognition_gpu_hours``, ``cost_gpu``; the assumptions; (study_model) →
        ``forward_operations`` at the last stage and seconds of a step there, as fitted and as timed.
    """
    generation = {name: stages for name, stages in study["generation"].items() if architectures[name].modality in costs}
    recognition_models = [name for name in study["recognition_models"] if architectures[name].modality in costs]
    copies = MANY / len(generation)
    asked_models = {
        "the study": (recognition_models, 1, 1),
        f"{MANY:,} models, the study's recognition models": (recognition_models, copies, 1),
        f"{MANY:,} models, each asked about all": (list(generation), copies, copies),
    }
    fitted = fitted_clock(architectures, costs)
    recognition = timed_clock(architectures, costs, dict.fromkeys(costs, FLOAT32))
    plans = {}
    for quality, settings in study["qualities"].items():
        clocks = {"": (fitted, fitted), "_timed": (timed_clock(architectures, costs, settings), recognition)}
        for title, (names, times, recognition_times) in asked_models.items():
            plan = Plan(
                generation=generation,
                recognition_models=names,
                settings=settings,
                stimuli=study["stimuli"],
                seeds=study["seeds"],
                batch_size=study["batch_size"],
                models_per_job=study["models_per_job"],
                copies=times,
                recognition_copies=recognition_times,
            )
            plans[f"{title}, {quality}"] = predict(plan, architectures, clocks, bytes_per_value)
    rows = list(plans.values())
    scale = xr.Dataset({key: ("plan", [row[key] for row in rows]) for key in rows[0]}, coords={"plan": list(plans)})
    scale = scale.assign(
        gpu_hours=gpu_hours(scale["total_operations"]), recognition_gpu_hours=gpu_hours(scale["recognition_operations"])
    )
    of_study = [architectures[name] for name in generation]
    return scale.assign(
        cost_gpu=prices["gpu_hour"] * (scale["gpu_hours"] + scale["recognition_gpu_hours"]),
        **{
            f"cost_cores{clock}": prices["core_hour"]
            * (scale[f"core_hours{clock}"] + scale[f"recognition_core_hours{clock}"])
            for clock in ("", "_timed")
        },
        price_gpu_hour=prices["gpu_hour"],
        price_core_hour=prices["core_hour"],
        utilization=UTILIZATION,
        **{f"peak_{number}": ("card", [card[number] for card in CARDS.values()]) for number in ("float32", "bfloat16")},
        study_modality=("study_model", [one.modality for one in of_study]),
        forward_operations=("study_model", [list(one.operations.values())[-1] for one in of_study]),
        step_fitted=("study_model", [fitted(name, list(architectures[name].operations)[-1]) for name in generation]),
        step_float32=("study_model", [one.seconds[0] for one in of_study]),
        step_low_precision=("study_model", [one.seconds[1] for one in of_study]),
    ).assign_coords(study_model=list(generation))


def gpu_hours(operations: xr.DataArray) -> xr.DataArray:
    """Hours of each card, (…, card), for float32 operations at the share ``UTILIZATION`` of its peak rate."""
    peak = xr.DataArray([card["float32"] for card in CARDS.values()], coords={"card": list(CARDS)}, dims="card")
    return operations / (UTILIZATION * peak) / HOUR


def job_seconds(table: str) -> float:
    """Wall time of a job in seconds, from Snakemake's benchmark table (tab-separated, with a column ``s``)."""
    (row,) = csv.DictReader(io.StringIO(table), delimiter="\t")
    return float(row["s"])


def compare_jobs(jobs: Sequence[tuple[str, str, str, float, float]]) -> xr.Dataset:
    """Predicted and measured times of the jobs of a run.

    Parameters
    ----------
    jobs
        Modality, generation model, stage, predicted and measured seconds of each job.

    Returns
    -------
    xarray.Dataset
        (generation_model, job_stage) → ``seconds_predicted`` and ``seconds_measured``, sums over the jobs of the stage;
        (modality) → ``held_median``, ``held_low``, ``held_high``: measured divided by predicted seconds, of jobs of
        other stages than the input.
    """
    table = pd.DataFrame(jobs, columns=["modality", "generation_model", "job_stage", "predicted", "measured"])
    both = table.groupby(["generation_model", "job_stage"], sort=False)[["predicted", "measured"]].sum()
    found = both.to_xarray().reindex({key: table[key].unique() for key in ("generation_model", "job_stage")})
    at = table[table["job_stage"] != INPUT_STAGE].groupby(["modality", "generation_model", "job_stage"], sort=False)
    sums = at[["predicted", "measured"]].sum()
    ratio = (sums["measured"] / sums["predicted"]).groupby("modality", sort=False)
    of_modality = pd.DataFrame({"held_median": ratio.median(), "held_low": ratio.min(), "held_high": ratio.max()})
    return xr.merge(
        [
            found.rename(predicted="seconds_predicted", measured="seconds_measured"),
            of_modality.to_xarray().reindex(modality=table["modality"].unique()),
        ]
    )
