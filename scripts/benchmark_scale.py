"""Make benchmark/scale.nc: what the whole study and 1,000 models would take, and how well such a prediction held."""

import gc
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import xarray as xr

from metamers import files
from metamers.benchmark import processor
from metamers.logs import log_to
from metamers.models import load_model, use_threads
from metamers.names import stage_path
from metamers.scale import (
    CARDS,
    FLOAT32,
    STEP,
    UTILIZATION,
    Architecture,
    Plan,
    compare_jobs,
    computing_seconds,
    fit_cost,
    fitted_clock,
    gpu_hours,
    predict,
    seconds_of_step,
    stage_operations,
    steps_of,
    timed_clock,
)

MANY = 1000  # models

logger = log_to(snakemake.log[0])
use_threads(1)
given, params = snakemake.input, snakemake.params
study, run = params.study, params.run_models


def architectures_of(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Architecture]:
    """What is counted and timed of models with random weights; of those that are built alike, once."""
    known: dict[str, Architecture] = {}
    found = {}
    for name, entry in entries.items():
        key = json.dumps([entry["source"], entry["input"], entry["stages"]], sort_keys=True)
        if key not in known:
            gc.collect()  # the last one, which may refer to itself
            model = load_model(name, entry, None, torch.device("cpu"))
            stimulus = model.preprocessing.example()
            operations = stage_operations(model, stimulus)
            seconds = seconds_of_step(model, list(operations)[-1], stimulus)
            known[key] = Architecture(model.modality, stimulus.numel(), operations, seconds)
            logger.info("%s: %.2f GFLOP forward, %.2f s a step", name, max(operations.values()) / 1e9, seconds[0])
        found[name] = known[key]
    return found


architectures = architectures_of(study["entries"] | run)

# What a step costs, of the benchmark's.
timed: dict[str, list[tuple[float, float, int]]] = {}
for name, path in zip(params.benchmarked, given.speed, strict=True):
    one = architectures[name]
    medians = files.load(path)["seconds_per_step"].sel(procedure="one_cycle").median("repeat").to_series()
    timed.setdefault(one.modality, []).extend(
        (STEP * one.operations[stage], seconds, one.values) for stage, seconds in medians.items()
    )
costs = {modality: fit_cost(*zip(*rows, strict=True)) for modality, rows in timed.items()}
fitted = fitted_clock(architectures, costs)

# What the run's files take on the disk, and what its jobs took.
written: dict[str, list[int]] = {modality: [0, 0] for modality in costs}
jobs = []
for name, exported in zip(run, given.exported, strict=True):
    one = architectures[name]
    if one.modality not in costs:
        continue
    steps = steps_of(params.run_settings[one.modality])
    for stage in params.run_stages[name]:
        for batch, number in params.batches[name].items():
            place = f"{name}/{stage_path(stage)}/{batch}"
            metamers = number * params.seeds
            written[one.modality][0] += Path(f"{params.run}/metamers/{place}.nc").stat().st_size
            written[one.modality][1] += metamers * (one.values + steps)
            measured = computing_seconds(
                Path(f"{params.run}/benchmarks/synthesize/{place}.tsv").read_text(encoding="utf-8"),
                Path(f"{params.run}/logs/synthesize/{place}.log").read_text(encoding="utf-8", errors="replace"),
            )
            jobs.append((one.modality, name, stage, steps * metamers * fitted(name, stage), measured))
    written[one.modality][0] += sum(file.stat().st_size for file in Path(exported).rglob("*") if file.is_file())
bytes_per_value = {modality: size / values for modality, (size, values) in written.items()}

# What is planned, of the modalities that the benchmark has.
generation = {name: stages for name, stages in study["generation"].items() if architectures[name].modality in costs}
judges = [name for name in study["judges"] if architectures[name].modality in costs]
copies = MANY / len(generation)
who_judges = {
    "the study": (judges, 1, 1),
    f"{MANY:,} models, the study's judges": (judges, copies, 1),
    f"{MANY:,} models, all of them judges": (list(generation), copies, copies),
}
plans, rows = [], []
judged = timed_clock(architectures, costs, dict.fromkeys(costs, FLOAT32))
for procedure, settings in study["procedures"].items():
    clocks = {"": (fitted, fitted), "_timed": (timed_clock(architectures, costs, settings), judged)}
    for title, (judging, times, judge_times) in who_judges.items():
        plan = Plan(
            generation=generation,
            judges=judging,
            settings=settings,
            stimuli=study["stimuli"],
            seeds=study["seeds"],
            batch_size=study["batch_size"],
            judges_per_job=study["judges_per_job"],
            copies=times,
            judge_copies=judge_times,
        )
        plans.append(f"{title}, {procedure}")
        rows.append(predict(plan, architectures, clocks, bytes_per_value))
        logger.info("%s: %s", plans[-1], ", ".join(f"{key} {value:.3g}" for key, value in rows[-1].items()))
scale = xr.Dataset({key: ("plan", [row[key] for row in rows]) for key in rows[0]}, coords={"plan": plans})
scale = scale.assign(
    gpu_hours=gpu_hours(scale["total_operations"]), recognition_gpu_hours=gpu_hours(scale["recognition_operations"])
)
scale = scale.assign(
    cost_gpu=params.prices["gpu_hour"] * (scale["gpu_hours"] + scale["recognition_gpu_hours"]),
    **{
        f"cost_cores{clock}": params.prices["core_hour"]
        * (scale[f"core_hours{clock}"] + scale[f"recognition_core_hours{clock}"])
        for clock in clocks
    },
    # What is assumed.
    price_gpu_hour=params.prices["gpu_hour"],
    price_core_hour=params.prices["core_hour"],
    utilization=UTILIZATION,
    **{f"peak_{number}": ("card", [card[number] for card in CARDS.values()]) for number in ("float32", "bfloat16")},
)
of_study = [architectures[name] for name in generation]
last = [fitted(name, list(one.operations)[-1]) for name, one in zip(generation, of_study, strict=True)]
checked = xr.Dataset(
    {
        "study_modality": ("study_model", [one.modality for one in of_study]),
        "forward_operations": ("study_model", [list(one.operations.values())[-1] for one in of_study]),
        "step_fitted": ("study_model", last),
        "step_float32": ("study_model", [one.seconds[0] for one in of_study]),
        "step_low_precision": ("study_model", [one.seconds[1] for one in of_study]),
    },
    coords={"study_model": list(generation)},
)
of_modality = xr.Dataset(
    {
        "seconds_per_value": ("modality", [cost.per_value for cost in costs.values()]),
        "seconds_per_operation": ("modality", [cost.per_operation for cost in costs.values()]),
        "bytes_per_value": ("modality", [bytes_per_value[modality] for modality in costs]),
    },
    coords={"modality": list(costs)},
)
held = compare_jobs(jobs)
for modality in held["modality"].values:
    ratio = [float(held[f"held_{key}"].sel(modality=modality)) for key in ("median", "low", "high")]
    logger.info("%s: synthesis took %.2f times as long as predicted (%.2f to %.2f)", modality, *ratio)
if missing := int(held["jobs_left_out"]):
    logger.info("%d jobs were left out, as their logs do not say how their time was spent", missing)
files.save(
    xr.merge([scale, checked, of_modality, held], join="outer").assign_attrs(processor=processor()),
    snakemake.output[0],
    title="What the whole study and 1,000 models would take, predicted from the benchmark",
    source="operations of each architecture; times of the benchmark's steps; sizes and times of the run's own files; "
    "assumed cards, utilization and prices",
    step="benchmark_scale",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=given.speed,
)
