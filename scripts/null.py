"""Make nulls/<generation_model>.nc: match between different natural stimuli at each stage."""

import numpy as np
import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.models import activations, choose_device, fit_stimuli, load_model, use_threads
from metamers.null import NULL_MEASURES, choose_pairs, null_distribution

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.generation_model, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli)
natural = fit_stimuli(model, stimuli["stimulus_value"].values, stimuli.attrs.get("sampling_rate_hz"))
pairs = choose_pairs(len(natural), params.pairs, params.run_seed)
measured = []
for stage in params.stages:
    measured.append(null_distribution(activations(model, natural, stage), pairs))
    logger.info("%s %s: highest Spearman rho %.3f", name, stage, np.nanmax(measured[-1]["spearman_rho"]))

names = stimuli["stimulus"].values
files.save(
    xr.Dataset(
        {key: (("stage", "pair"), np.stack([m[key] for m in measured])) for key in NULL_MEASURES},
        coords={
            "stage": params.stages,
            "stimulus_a": ("pair", names[pairs[:, 0]]),
            "stimulus_b": ("pair", names[pairs[:, 1]]),
        },
    ),
    snakemake.output[0],
    title=f"Null distribution of match of {name}",
    source="activations of pairs of different natural stimuli",
    step="null",
    run=snakemake.config["run"],
    seed=params.run_seed,
    inputs=snakemake.input,
)
