"""Make benchmark/trials.nc: what was tried to make synthesis faster, and what each trial gives."""

import json

import torch
import xarray as xr

from metamers import files
from metamers.benchmark import plain_model
from metamers.logs import log_to
from metamers.models import choose_device, fit_stimuli, load_model, use_threads
from metamers.synthesize import starts
from metamers.trials import run_trials

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
params, name = snakemake.params, snakemake.params.name
device = choose_device(snakemake.config["device"])
model = load_model(name, params.model, params.weights_file, device)
plain = plain_model(name, params.model, params.weights_file).to(device, memory_format=torch.channels_last)
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(params.number))
natural = fit_stimuli(model, stimuli["stimulus_value"].values, stimuli.attrs.get("sampling_rate_hz"))
shape, names = model.preprocessing.signal_shape, stimuli["stimulus"].values
start = starts(model, names, [0], params.run_seed)
found = [run_trials(model, plain, stage, natural, start, params.settings, params.steps) for stage in params.stages]
files.save(
    xr.concat(found, "stage")
    .assign_coords(stage=list(params.stages))
    .assign_attrs(
        generation_model=name,
        stimuli=len(names),
        trial_steps=params.steps,
        settings=json.dumps(dict(params.settings)),
        model=json.dumps(params.model),
        device=str(device),
        threads=snakemake.threads,
    ),
    snakemake.output[0],
    title=f"What was tried to make the synthesis of metamers of {name} faster",
    source="each trial from the same noise to the same natural stimuli; times taken in turns with the reference",
    step="benchmark_trials",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
