"""Make benchmark/equivalence_recognition/<model>.nc: answers and log odds of other models for all versions."""

from metamers.run.job import log_to

import gc

import numpy as np
import xarray as xr

from metamers.config.tables import category_classes
from metamers.models.device import choose_device, use_threads
from metamers.models.load import load_model
from metamers.models.model import fit_stimuli
from metamers.recognize import answers, category_log_odds, class_scores, recognition_dataset
from metamers.run import files
from metamers.stimuli.formats import FORMATS

log_to(snakemake.log[0])
use_threads(snakemake.threads)
params = snakemake.params
classes = category_classes(params.dataset, params.dataset_entry)
found = [files.load(path) for path in snakemake.input.metamers]
made = xr.concat(found, xr.DataArray(params.stages, dims="stage", name="stage"))
dims = ("stage", "version", "stimulus")
shown = FORMATS[params.modality].as_exported(made["metamer"].values)
size, shown = shown.shape[: len(dims)], shown.reshape(-1, *shown.shape[len(dims) :])
true = np.broadcast_to(made["category"].values, size).ravel()
answered, evidence = [], []
for name, entry in params.recognition_models.items():
    gc.collect()  # frees the previous model, which may hold reference cycles
    judge = load_model(name, entry["model"], entry["weights_file"], choose_device(snakemake.config["device"]))
    scores = class_scores(judge, fit_stimuli(judge, shown, params.rate_hz))
    answered.append(answers(scores, classes, name).reshape(size))
    evidence.append(category_log_odds(scores, classes, true, name).reshape(size))
judged = ("recognition_model", *dims)
files.save(
    recognition_dataset(
        np.stack(answered).astype(str),
        judged,
        dict(made.coords) | {"recognition_model": list(params.recognition_models)},
    )[["correct"]].assign(
        log_odds=(judged, np.stack(evidence)), normalized_error=made["normalized_error"], steps=made["steps"]
    ),
    snakemake.output[0],
    title=f"Recognition of metamers of {snakemake.wildcards.generation_model} of all compared versions by other models",
    source="8-bit images or 16-bit sounds; forced choice among the dataset's categories; log odds of the true one",
    step=snakemake.params.step,
    run=snakemake.config["run"],
    creator=snakemake.config["creator"],
    seed=snakemake.config["seed"],
    inputs=snakemake.input,
)
