"""Make benchmark/recognition/<model>.nc: recognition of metamers of both procedures at the same match."""

from metamers.run.job import log_to, save

import numpy as np
import xarray as xr

from metamers.config.tables import category_classes
from metamers.modalities import sampling_of
from metamers.models.device import choose_device, use_threads
from metamers.models.load import with_each_model
from metamers.models.model import Model
from metamers.recognize.recognition import recognition_dataset, recognize
from metamers.run import files
from metamers.stimuli.formats import FORMATS
from studies.files import RECOGNITION

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params = snakemake.params
classes = category_classes(params.dataset, params.dataset_entry)
found = [files.load(path) for path in snakemake.input.equivalent]
equivalent = xr.concat(found, xr.DataArray(params.stages, dims="stage", name="stage"))
shown = FORMATS[params.modality].as_exported(equivalent["metamer"].values)
dims = ("stage", "kept_procedure", "stimulus")
size, shown = shown.shape[: len(dims)], shown.reshape(-1, *shown.shape[len(dims) :])


def answer(model: Model) -> np.ndarray:
    return recognize(model, shown, sampling_of(found[0].attrs), classes).reshape(size)


answered = with_each_model(answer, params.recognition_models, choose_device(snakemake.config["device"]))
save(
    snakemake,
    recognition_dataset(
        np.stack(answered).astype(str),
        ("recognition_model", *dims),
        dict(equivalent.coords) | {"recognition_model": list(params.recognition_models)},
    )[["correct"]].assign(normalized_error=equivalent["normalized_error"]),
    declared=RECOGNITION,
    title=f"Recognition of metamers of {snakemake.wildcards.generation_model} of both procedures at the same match",
    source="8-bit images or 16-bit sounds; forced choice among the dataset's categories",
)
