"""Make activations/<dataset>/<model>.nc: features of natural stimuli at every stage, of sounds averaged over time."""

from metamers import files
from metamers.brain import features, joined
from metamers.logs import log_to
from metamers.models import activations, choose_device, fit_stimuli, load_model, use_threads

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.analysed_model, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(params.number))
natural = fit_stimuli(model, stimuli["stimulus_value"].values, stimuli.attrs.get("sampling_rate_hz"))
found = {stage: features(activations(model, natural, stage), model.modality) for stage in params.stages}
for stage, values in found.items():
    logger.info("%s %s: %d units", name, stage, values.shape[1])
files.save(
    joined(found, stimuli["stimulus"].values),
    snakemake.output[0],
    title=f"Activations of {name} by the natural stimuli of {snakemake.wildcards.dataset}",
    source="the model's stages" + (", averaged over time" if model.modality == "audio" else ""),
    step="brain_activations",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
