"""Make benchmark/equivalence_recognition/<model>.nc: answers and log odds of other models for all versions."""

from metamers.run.job import log_to, save

from metamers.config.tables import category_classes
from metamers.models.device import choose_device, use_threads
from metamers.run import files
from metamers.stimuli.formats import FORMATS
from studies.benchmark.versions import recognize_versions
from studies.files import EQUIVALENCE_RECOGNITION

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params = snakemake.params
natural = files.load(snakemake.input.stimuli).sel(stimulus=params.stimuli)
save(
    snakemake,
    recognize_versions(
        list(map(files.load, snakemake.input.metamers)),
        params.stages,
        params.modality,
        params.recognition_models,
        category_classes(params.dataset, params.dataset_entry),
        choose_device(snakemake.config["device"]),
        FORMATS[params.modality].as_exported(natural["stimulus_value"].values),
    ),
    declared=EQUIVALENCE_RECOGNITION,
    title=f"Recognition of metamers of {snakemake.wildcards.generation_model} of both procedures by other models",
    source="8-bit images or 16-bit sounds; recognized: the category of the natural stimulus; log odds of this category",
)
