"""Make similarity/models/<model>.nc: dissimilarity of all pairs of natural stimuli at each stage of a model."""

from metamers.run.job import log_to

from metamers.brain.activations import features
from metamers.brain.similarity import dissimilarity, dissimilarity_dataset
from metamers.modalities import MODALITIES
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import activations, fit_stimuli
from metamers.run import files

log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.analysed_model, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(params.number))
natural = fit_stimuli(model, stimuli["stimulus_value"].values, stimuli.attrs.get("sampling_rate_hz"))
found = {stage: dissimilarity(features(activations(model, natural, stage), model.modality)) for stage in params.stages}
files.save(
    dissimilarity_dataset(found, stimuli["stimulus"].values),
    snakemake.output[0],
    title=f"Representational dissimilarity of natural stimuli at the stages of {name}",
    source="1 - Pearson r of activations" + (", averaged over time" if MODALITIES[model.modality].time_axis else ""),
    step=snakemake.params.step,
    run=snakemake.config["run"],
    creator=snakemake.config["creator"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
