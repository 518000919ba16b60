"""Make activations/<dataset>/<model>.nc: features of natural stimuli at every stage, averaged over time for sounds."""

from metamers.run.job import log_to, save

from metamers.brain.activations import activations_dataset, features
from metamers.brain.files import ACTIVATIONS
from metamers.modalities import MODALITIES
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import activations, fit_dataset
from metamers.run import files

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
name, params = snakemake.wildcards.analysed_model, snakemake.params
model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
stimuli = files.load(snakemake.input.stimuli).isel(stimulus=slice(params.number))
natural = fit_dataset(model, stimuli)
by_stage = {stage: features(activations(model, natural, stage), model.modality) for stage in params.stages}
for stage, values in by_stage.items():
    logger.info("%s %s: %d units", name, stage, values.shape[1])
save(
    snakemake,
    activations_dataset(by_stage, stimuli["stimulus"].values),
    declared=ACTIVATIONS,
    title=f"Activations of {name} for the natural stimuli of {snakemake.wildcards.dataset}",
    source="the model's stages" + (", averaged over time" if MODALITIES[model.modality].time_axis else ""),
)
