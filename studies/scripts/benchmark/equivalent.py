"""Make benchmark/equivalent/<model>/<stage>.nc: metamers of the run and of the published procedure, equal match."""

from metamers.run.job import log_to, save

import numpy as np
import torch
import xarray as xr

from metamers.models.device import use_threads
from metamers.models.load import load_model
from metamers.run import files
from metamers.synthesize.metamers import metamers_dataset
from studies.benchmark.match import published_at
from studies.benchmark.measure import first_stimuli
from studies.files import EQUIVALENT

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, torch.device("cpu"))
made = xr.concat([files.load(path).isel(seed=0) for path in snakemake.input.metamers], "stimulus")
stimuli = files.load(snakemake.input.stimuli).sel(stimulus=made["stimulus"].values)
names, natural, start = first_stimuli(model, stimuli, params.run_seed)
wanted = made["normalized_error"].values
metamers, error, steps = published_at(model, params.stage, natural, start, wanted, params.settings, params.first)
logger.info(
    "%s: %.1f steps of the published procedure, to %.4f of %.4f",
    *(params.stage, steps.mean(), error.mean(), wanted.mean()),
)
save(
    snakemake,
    metamers_dataset(
        model.modality,
        ("kept_procedure", "stimulus"),
        np.stack([metamers.numpy(), made["metamer"].values]),
        {
            "normalized_error": np.stack([error, wanted]),
            "steps": np.stack([steps, made["steps"].values]),
        },
        {
            "kept_procedure": ["published", "one_cycle"],
            "stimulus": names,
            "category": ("stimulus", made["category"].values),
        },
        model.sampling,
    ),
    declared=EQUIVALENT,
    title=f"Metamers of {name} at {params.stage}, of both procedures with equal match",
    source="metamers of the run and of the published procedure, from the same starts and with equal match",
)
