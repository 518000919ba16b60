"""Make benchmark/speed/<model>.nc: time and memory of steps of qualities, the published procedure and plenoptic."""

from metamers.run.job import log_to, save

import torch

from metamers.models.batches import CPU_BATCH_SIZE
from metamers.models.device import use_threads
from metamers.models.load import load_model
from metamers.run import files
from studies.benchmark.measure import WholeModel, first_stimuli, instruction_sets, plain_model, processor
from studies.benchmark.speed import speed
from studies.files import SPEED

log_to(snakemake.log[0])
use_threads(1)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, torch.device("cpu"))
plain = plain_model(name, params.model, params.weights_file)
whole = plain_model(name, params.model, params.weights_file, WholeModel)
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(CPU_BATCH_SIZE))
_, natural, start = first_stimuli(model, stimuli, params.run_seed)
save(
    snakemake,
    speed(model, plain, whole, natural, start, params.settings, params.qualities, params.repeats).assign_attrs(
        processor=processor(), instruction_sets=instruction_sets()
    ),
    declared=SPEED,
    title=f"Time and memory of steps of synthesis with {name}",
    source="one CPU thread; all take turns",
)
