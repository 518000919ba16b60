"""Make similarity/models/<model>.nc: how unlike every two natural stimuli are to each stage of a model."""

import numpy as np
import xarray as xr

from metamers import files
from metamers.brain import features
from metamers.logs import log_to
from metamers.models import activations, choose_device, fit_stimuli, load_model, use_threads
from metamers.similarity import dissimilarity

log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.analysed_model, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(params.number))
natural = fit_stimuli(model, stimuli["stimulus_value"].values, stimuli.attrs.get("sampling_rate_hz"))
found = [dissimilarity(features(activations(model, natural, stage), model.modality)) for stage in params.stages]
files.save(
    xr.Dataset(
        {"dissimilarity": (("stage", "pair"), np.stack(found))},
        coords={"stage": list(params.stages), "stimulus": stimuli["stimulus"].values},
    ),
    snakemake.output[0],
    title=f"Representational dissimilarity of natural stimuli at the stages of {name}",
    source="1 - Pearson r of activations" + (", averaged over time" if model.modality == "audio" else ""),
    step="brain_dissimilarity",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
