"""Make benchmark/equivalent/<model>/<stage>.nc: the run's metamers, and the published procedure's of the same match."""

import numpy as np
import torch
import xarray as xr

from metamers import files
from metamers.benchmark_match import published_at
from metamers.logs import log_to
from metamers.models import fit_stimuli, load_model, use_threads
from metamers.stimuli import MODALITIES
from metamers.synthesize import starts

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, torch.device("cpu"))
modality = MODALITIES[model.modality]
stimuli = files.load(snakemake.input.stimuli)
made = xr.concat([files.load(path).isel(seed=0) for path in snakemake.input.metamers], "stimulus")
names = made["stimulus"].values
natural = fit_stimuli(
    model, stimuli["stimulus_value"].sel(stimulus=names).values, stimuli.attrs.get("sampling_rate_hz")
)
start, wanted = starts(model, names, [0], params.run_seed), made["normalized_error"].values
metamers, error, steps = published_at(
    model, params.stage, natural, start, float(wanted.mean()), params.settings, params.first
)
logger.info(
    "%s: %d steps of the published procedure, to %.4f of %.4f", params.stage, steps, error.mean(), wanted.mean()
)
dims = ("kept_procedure", "stimulus")
files.save(
    xr.Dataset(
        {
            "metamer": ((*dims, *modality.dims), np.stack([metamers.numpy(), made["metamer"].values])),
            "normalized_error": (dims, np.stack([error, wanted])),
            "steps": (dims, np.stack([np.full(len(names), steps), made["steps"].values])),
        },
        coords={
            "kept_procedure": ["published", "one_cycle"],
            "stimulus": names,
            "category": ("stimulus", made["category"].values),
        },
    ),
    snakemake.output[0],
    title=f"Metamers of {name} at {params.stage}, of both procedures at the same match",
    source="the run's metamers, and what the published procedure ends with that matches as well, from the same starts",
    step="benchmark_equivalent",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
