"""Make benchmark/recognition/<model>.nc: what other models make of metamers of both procedures at the same match."""

import gc

import numpy as np
import xarray as xr

from metamers import files
from metamers.logs import log_to
from metamers.models import choose_device, load_model, use_threads
from metamers.recognize import recognize
from metamers.stimuli import MODALITIES
from metamers.tables import category_classes

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params = snakemake.params
classes = category_classes(params.dataset, params.dataset_entry)
found = [files.load(path) for path in snakemake.input.equivalent]
equivalent = xr.concat(found, xr.DataArray(params.stages, dims="stage", name="stage"))
shown = MODALITIES[params.modality].as_exported(equivalent["metamer"].values)
dims = ("stage", "kept_procedure", "stimulus")
correct = []
for name, judge in params.judges.items():
    gc.collect()  # the last one, which may refer to itself
    model = load_model(name, judge["model"], judge["weights_file"], choose_device(snakemake.config["device"]))
    said = recognize(model, shown.reshape(-1, *shown.shape[len(dims) :]), params.rate_hz, classes)
    correct.append(said.reshape(shown.shape[: len(dims)]) == equivalent["category"].values)
files.save(
    equivalent[["normalized_error"]].assign(
        correct=(("recognition_model", *dims), np.reshape(correct, (len(params.judges), *shown.shape[: len(dims)]))),
        recognition_model=list(params.judges),
    ),
    snakemake.output[0],
    title=f"Recognition of metamers of {snakemake.wildcards.generation_model} of both procedures at the same match",
    source="8-bit images or 16-bit sounds; forced choice among the dataset's categories",
    step="benchmark_recognize",
    run=snakemake.config["run"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
