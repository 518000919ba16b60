"""Make benchmark/speed/<model>.nc: time and memory of steps of each procedure."""

import torch

from metamers import files
from metamers.batches import ON_CPU
from metamers.benchmark import WholeModel, plain_model, processor
from metamers.benchmark_speed import speed
from metamers.logs import log_to
from metamers.models import fit_stimuli, load_model, use_threads
from metamers.synthesize import starts

log_to(snakemake.log[0])
use_threads(1)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, torch.device("cpu"))
plain = plain_model(name, params.model, params.weights_file)
whole = plain_model(name, params.model, params.weights_file, WholeModel)
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(ON_CPU))
natural = fit_stimuli(model, stimuli["stimulus_value"].values, stimuli.attrs.get("sampling_rate_hz"))
start = starts(model, stimuli["stimulus"].values, [0], params.run_seed)
files.save(
    speed(model, plain, whole, params.stages, natural, start, params.settings, params.repeats).assign_attrs(
        processor=processor()
    ),
    snakemake.output[0],
    title=f"Time and memory of steps of synthesis with {name}",
    source="procedures taking turns on one CPU thread",
    step="benchmark_speed",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
