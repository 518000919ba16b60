"""Make beyond/recognition/<set>.nc for the sets of a modality: answers of models that the synthesis did not use."""

from metamers.run.job import log_to, save

import numpy as np

from metamers.beyond.files import RECOGNITION
from metamers.config.tables import category_classes
from metamers.modalities import sampling_of
from metamers.models.device import choose_device, use_threads
from metamers.models.load import with_each_model
from metamers.models.model import Model
from metamers.recognize.recognition import recognition_dataset, recognize
from metamers.run import files
from metamers.stimuli.formats import FORMATS

log_to(snakemake.log[0])
use_threads(snakemake.threads)
inputs, params = snakemake.input, snakemake.params
classes = category_classes(params.dataset, params.dataset_entry)


def answer(model: Model, path: str) -> np.ndarray:
    """Answers of a model to a set, (stimulus, case, depth)."""
    with files.open_dataset(path) as made:  # opened, not loaded: the metamers themselves are large
        each, sampling = (made.sizes["case"], made.sizes["depth"]), sampling_of(made.attrs)
        answers = []
        for place in range(made.sizes["stimulus"]):
            of_stimulus = made["metamer"].isel(stimulus=place).transpose("case", "depth", ...).values
            exported = FORMATS[model.modality].as_exported(of_stimulus.reshape(-1, *of_stimulus.shape[2:]))
            answers.append(recognize(model, exported, sampling, classes).reshape(each))
    return np.stack(answers)


answered = with_each_model(
    lambda model: [answer(model, path) for path in inputs.metamers],
    params.recognition_models,
    choose_device(snakemake.config["device"]),
)
for path, answers, target in zip(inputs.metamers, zip(*answered, strict=True), snakemake.output, strict=True):
    with files.open_dataset(path) as made:
        kept = ("stimulus", "category", "other_stimulus", "other_category", "case", "depth")
        coordinates = {key: made[key].load() for key in kept}
    save(
        snakemake,
        recognition_dataset(
            np.stack(answers),
            ("recognition_model", "stimulus", "case", "depth"),
            coordinates | {"recognition_model": list(params.recognition_models)},
        )[["answer"]],
        target,
        declared=RECOGNITION,
        title="Recognition of metamers of the extensions, by models that the synthesis did not use",
        source="as exported: 8-bit images or 16-bit sounds; forced choice among the dataset's categories",
        inputs=[*inputs.models, path, inputs.categories],
    )
