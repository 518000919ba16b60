"""Make benchmark/scale.nc: predicted cost of the whole study and of 1,000 models, and accuracy of the prediction."""

from metamers.run.job import log_results_to, save

from pathlib import Path

import xarray as xr

from metamers.models.device import use_threads
from metamers.names import stage_path
from metamers.run import files
from metamers.synthesize.qualities import number_of_steps
from studies.benchmark.measure import processor
from studies.benchmark.scale import (
    architectures_of,
    compare_jobs,
    costs_of,
    fitted_clock,
    job_seconds,
    predict_study,
)
from studies.files import SCALE

logger = log_results_to(snakemake.log[0])
use_threads(1)
given, params = snakemake.input, snakemake.params
run, run_folder = params.run_models, Path(params.run)
architectures = architectures_of(params.study["entries"] | run)
costs = costs_of(
    {name: files.load(path) for name, path in zip(params.benchmarked, given.speed, strict=True)},
    architectures,
    snakemake.config["synthesis"]["quality"],
)
fitted = fitted_clock(architectures, costs)

# Sizes of the run's files, and times of its jobs.
size, values, jobs = dict.fromkeys(costs, 0), dict.fromkeys(costs, 0), []
for name, exported in zip(run, given.exported, strict=True):
    one = architectures[name]
    if one.modality not in costs:
        continue
    steps = number_of_steps(params.run_settings[one.modality])
    size[one.modality] += sum(file.stat().st_size for file in Path(exported).rglob("*") if file.is_file())
    made = [f"{stage_path(stage)}/{batch}.nc" for stage in params.run_stages[name] for batch in params.batches[name]]
    folders = [run_folder / kind / name for kind in ("synthesis", "metamers")]
    size[one.modality] += sum((folder / file).stat().st_size for folder in folders for file in made)
    of_stage = sum(map(len, params.batches[name].values())) * params.seeds
    values[one.modality] += len(params.run_stages[name]) * of_stage * (one.values + steps)
    for stage in params.run_stages[name]:
        for batch, names in params.batches[name].items():
            table = run_folder / f"benchmarks/synthesize_metamers/{name}/{stage_path(stage)}/{batch}.tsv"
            predicted = steps * len(names) * params.seeds * fitted(name, stage)
            jobs.append((one.modality, name, stage, predicted, job_seconds(table.read_text(encoding="utf-8"))))
bytes_per_value = {modality: size[modality] / values[modality] for modality in costs}
scale = predict_study(params.study, architectures, costs, bytes_per_value, params.prices)
for plan in scale["plan"].values:
    logger.info("%s: %s", plan, {key: float(scale[key].sel(plan=plan)) for key in ("core_hours_timed", "storage")})
held = compare_jobs(jobs)
for modality in held["modality"].values:
    ratio = [float(held[f"held_{key}"].sel(modality=modality)) for key in ("median", "low", "high")]
    logger.info("%s: synthesis took %.2f times as long as predicted (%.2f to %.2f)", modality, *ratio)
of_modality = xr.Dataset(
    {
        "seconds_per_value": ("modality", [cost.per_value for cost in costs.values()]),
        "seconds_per_operation": ("modality", [cost.per_operation for cost in costs.values()]),
        "bytes_per_value": ("modality", list(bytes_per_value.values())),
    },
    coords={"modality": list(costs)},
)
save(
    snakemake,
    xr.merge([scale, of_modality, held], join="outer").assign_attrs(processor=processor()),
    declared=SCALE,
    title="Predicted cost of the whole study and of 1,000 models",
    source="operations of each architecture; times of the benchmark's steps; sizes and times of the run's own files; "
    "assumed GPUs, utilization and prices",
    inputs=given.speed,
)
