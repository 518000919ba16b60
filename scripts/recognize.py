"""Make recognition/<generation_model>/<recognition_model>.nc for a group of recognition models, from exported files."""

from metamers.run.job import log_to, save

from pathlib import Path

import numpy as np

from metamers.config.tables import category_classes
from metamers.models.device import choose_device, use_threads
from metamers.models.load import with_each_model
from metamers.models.model import Model
from metamers.names import NATURAL, stage_path
from metamers.recognize.files import RECOGNITION
from metamers.recognize.recognition import recognition_dataset, recognize
from metamers.run import files
from metamers.run.manifest import in_run
from metamers.stimuli.exported import Decoded, labels_of

logger = log_to(snakemake.log[0])
use_threads(snakemake.threads)
generation_model, params, inputs = snakemake.wildcards.generation_model, snakemake.params, snakemake.input
classes = category_classes(params.dataset, params.dataset_entry)
stimuli, seeds = params.stimuli, list(range(params.seeds))
names = [f"{stimulus}_{seed}" for stimulus in stimuli for seed in seeds]
labels, exported = labels_of(inputs.stimuli, stimuli), Decoded(names, params.modality)


def save_recognition(model: Model) -> None:
    """Save the answers of a recognition model; those to the natural stimuli are the same for each seed."""
    natural = files.load(natural_paths[model.name])["answer"].sel(stimulus=stimuli).values
    answers = [np.repeat(natural[:, None], len(seeds), axis=1)]
    for stage in params.stages:
        folder = Path(inputs.metamers[0]) / stage_path(stage)
        answer = recognize(model, exported(folder), params.sampling, classes)
        answers.append(answer.reshape(-1, len(seeds)))
    answered = recognition_dataset(
        np.stack(answers),
        ["stage", "stimulus", "seed"],
        {"stage": [NATURAL, *params.stages], "stimulus": stimuli, "seed": seeds, **labels},
    )
    for stage, proportion in answered["correct"].mean(("stimulus", "seed")).to_series().items():
        logger.info("%s on %s %s: %.0f%% correct", model.name, generation_model, stage, 100 * proportion)
    save(
        snakemake,
        answered,
        paths[model.name],
        declared=RECOGNITION,
        title=f"Recognition of metamers of {generation_model} by {model.name}",
        source="exported 8-bit images or 16-bit sounds; forced choice among the dataset's categories",
        inputs=[
            *map(in_run, params.recognition_models[model.name]["files"]),
            inputs.metamers[0],
            natural_paths[model.name],
            inputs.stimuli,
            inputs.categories,
        ],
    )


paths = dict(zip(params.recognition_models, snakemake.output, strict=True))
natural_paths = dict(zip(params.recognition_models, inputs.natural, strict=True))
with_each_model(save_recognition, params.recognition_models, choose_device(snakemake.config["device"]))
