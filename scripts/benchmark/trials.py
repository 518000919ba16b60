"""Make benchmark/trials.nc: alternatives to the one-cycle procedure, with their error and speed."""

from metamers.run.job import log_to, save

import json

import xarray as xr

from metamers.benchmark.measure import first_stimuli, plain_model
from metamers.benchmark.trials import run_trials
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.run import files

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params, name = snakemake.params, snakemake.params.name
device = choose_device(snakemake.config["device"])
model = load_model(name, params.model, params.weights_file, device)
plain = plain_model(name, params.model, params.weights_file)
plain = plain.to(device, memory_format=plain.preprocessing.memory_format)
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(params.number))
names, natural, start = first_stimuli(model, stimuli, params.run_seed)
found = [run_trials(model, plain, stage, natural, start, params.settings, params.steps) for stage in params.stages]
save(
    snakemake,
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
    title=f"Alternatives to the one-cycle procedure for metamers of {name}",
    source="same starts and natural stimuli in all trials; each trial and the reference take turns",
)
