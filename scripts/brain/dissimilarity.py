"""Make similarity/models/<model>.nc: dissimilarity of all pairs of natural stimuli at each stage of a model."""

from metamers.run.job import log_to, save

import numpy as np

from metamers.brain.activations import features, features_by_stage
from metamers.brain.files import DISSIMILARITY
from metamers.brain.similarity import dissimilarity, dissimilarity_dataset
from metamers.modalities import MODALITIES
from metamers.run import files

log_to(snakemake.log[0])
name, params, inputs = snakemake.wildcards.analysed_model, snakemake.params, snakemake.input


def computed_features() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features by stage, from the model, and the names of the stimuli."""
    # Imported here, because the step needs no network where the activations are in a file.
    from metamers.models.device import choose_device, use_threads
    from metamers.models.load import load_model
    from metamers.models.model import activations, fit_dataset

    use_threads(snakemake.threads)
    model = load_model(name, params.model, params.weights_file, choose_device(snakemake.config["device"]))
    stimuli = files.load(inputs.stimuli)
    natural = fit_dataset(model, stimuli)
    values = {stage: features(activations(model, natural, stage), model.modality) for stage in params.stages}
    return values, stimuli["stimulus"].values


if activations_file := inputs.get("activations"):
    measured = files.load(activations_file)
    by_stage, names = features_by_stage(measured), measured["stimulus"].values
else:
    by_stage, names = computed_features()
save(
    snakemake,
    dissimilarity_dataset({stage: dissimilarity(values) for stage, values in by_stage.items()}, names),
    declared=DISSIMILARITY,
    title=f"Representational dissimilarity of natural stimuli at the stages of {name}",
    source="1 - Pearson r of activations" + (", averaged over time" if MODALITIES[params.modality].time_axis else ""),
)
