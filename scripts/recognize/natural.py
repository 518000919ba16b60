"""Make natural_recognition/<recognition_model>.nc for a group of recognition models, from exported natural stimuli."""

from metamers.run.job import log_to, save

from pathlib import Path

from metamers.config.tables import category_classes
from metamers.models.device import choose_device, use_threads
from metamers.models.load import with_each_model
from metamers.models.model import Model
from metamers.recognize.files import NATURAL_RECOGNITION
from metamers.recognize.recognition import recognition_dataset, recognize
from metamers.run.manifest import in_run
from metamers.stimuli.exported import Decoded, labels_of

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
params, inputs = snakemake.params, snakemake.input
classes = category_classes(params.dataset, params.dataset_entry)
labels, exported = labels_of(inputs.stimuli, params.stimuli), Decoded(params.stimuli, params.modality)


def save_recognition(model: Model) -> None:
    """Save the answers of a recognition model."""
    answer = recognize(model, exported(Path(inputs.natural)), params.sampling, classes)
    answered = recognition_dataset(answer, ["stimulus"], {"stimulus": params.stimuli, **labels})
    logger.info("%s: %.0f%% correct", model.name, 100 * answered["correct"].mean())
    save(
        snakemake,
        answered,
        paths[model.name],
        declared=NATURAL_RECOGNITION,
        title=f"Recognition of the natural stimuli of {params.dataset} by {model.name}",
        source="exported 8-bit images or 16-bit sounds; forced choice among the dataset's categories",
        inputs=[
            *map(in_run, params.recognition_models[model.name]["files"]),
            *(inputs.natural, inputs.stimuli, inputs.categories),
        ],
    )


paths = dict(zip(params.recognition_models, snakemake.output, strict=True))
with_each_model(save_recognition, params.recognition_models, choose_device(snakemake.config["device"]))
