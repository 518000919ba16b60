"""Make benchmark/convergence_recognition/<procedure>/<model>/<stage>.nc: answers and log odds of other models."""

from metamers.run.job import log_to, save

from metamers.config.tables import category_classes
from metamers.models.device import choose_device, use_threads
from metamers.run import files
from studies.benchmark.versions import recognize_versions
from studies.files import CONVERGENCE_RECOGNITION

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params = snakemake.params
save(
    snakemake,
    recognize_versions(
        list(map(files.load, snakemake.input.metamers)),
        [params.stage],
        params.modality,
        params.recognition_models,
        category_classes(params.dataset, params.dataset_entry),
        choose_device(snakemake.config["device"]),
    ),
    declared=CONVERGENCE_RECOGNITION,
    title=f"Recognition of metamers of {snakemake.wildcards.generation_model} at all compared matches by other models",
    source="8-bit images or 16-bit sounds; forced choice among the dataset's categories; log odds of the true one",
)
