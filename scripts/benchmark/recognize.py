"""Make benchmark/recognition/<model>.nc: recognition of metamers of both procedures at the same match."""

from metamers.run.job import log_to

import gc

import numpy as np
import xarray as xr

from metamers.config.tables import category_classes
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.recognize import recognition_dataset, recognize
from metamers.run import files
from metamers.stimuli.formats import FORMATS

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params = snakemake.params
classes = category_classes(params.dataset, params.dataset_entry)
found = [files.load(path) for path in snakemake.input.equivalent]
equivalent = xr.concat(found, xr.DataArray(params.stages, dims="stage", name="stage"))
shown = FORMATS[params.modality].as_exported(equivalent["metamer"].values)
dims = ("stage", "kept_procedure", "stimulus")
answered = []
for name, entry in params.recognition_models.items():
    gc.collect()  # frees the previous model, which may hold reference cycles
    model = load_model(name, entry["model"], entry["weights_file"], choose_device(snakemake.config["device"]))
    said = recognize(model, shown.reshape(-1, *shown.shape[len(dims) :]), params.rate_hz, classes)
    answered.append(said.reshape(shown.shape[: len(dims)]))
files.save(
    recognition_dataset(
        np.reshape(answered, (len(params.recognition_models), *shown.shape[: len(dims)])).astype(str),
        ("recognition_model", *dims),
        dict(equivalent.coords) | {"recognition_model": list(params.recognition_models)},
    )[["correct"]].assign(normalized_error=equivalent["normalized_error"]),
    snakemake.output[0],
    title=f"Recognition of metamers of {snakemake.wildcards.generation_model} of both procedures at the same match",
    source="8-bit images or 16-bit sounds; forced choice among the dataset's categories",
    step=snakemake.params.step,
    run=snakemake.config["run"],
    creator=snakemake.config["creator"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
